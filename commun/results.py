"""Metrics files, intervals and comparison tables."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commun import UserError, figures
from commun.card import carte as carte  # the last cell of every notebook calls `results.carte`
from commun.datasets import Location, atomic_file

DRAWS = 2000  # resamplings of an interval


def bootstrap(statistic: Callable[[np.ndarray], float], count: int, *, draws: int = DRAWS) -> list[float]:
    """Returns the 95 % percentile bootstrap interval of a statistic, [low, high] (Efron, 1979).

    Args:
        statistic: from indices drawn with replacement in 0..count-1, shape (count,), to a number.
        count: number of examples.
        draws: number of resamplings.
    """
    random = np.random.default_rng(0)
    values = [statistic(random.integers(0, count, count)) for _ in range(draws)]
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def wilson(share: float, count: float) -> list[float]:
    """Returns the 95 % interval of a proportion, [low, high] (Wilson, 1927): it has a width even at 0 and at 1.

    Args:
        share: 0..1.
        count: number of independent trials, above 0.
    """
    z = 1.959964
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return [float(min(share, max(0.0, centre - half))), float(max(share, min(1.0, centre + half)))]


def metric(values: np.ndarray, *, draws: int = DRAWS) -> dict[str, Any]:
    """Returns the mean of values, shape (n,), with its bootstrap interval and n, as in `metrics.json`.

    Answers that are all right, or all wrong (bool), draw nothing else: their interval is that of `wilson`.
    """
    still = np.asarray(values).dtype == bool and len(values) > 0 and np.ptp(np.asarray(values, int)) == 0
    values = np.asarray(values, dtype=np.float64)
    if still:
        interval = wilson(values[0], len(values))
    else:
        interval = bootstrap(lambda indices: values[indices].mean(), len(values), draws=draws)
    return {"value": float(values.mean()), "ci95": interval, "n": len(values)}


def comparison(
    labels: Mapping[str, str],
    mine: Mapping[str, Mapping],
    reference: Mapping[str, Any] | None,
    published: Mapping[str, str],
    *,
    more: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Returns the table that ends every evaluation: this run, the reference on real data, published figures.

    Args:
        labels: name of a metric -> its French name, in the order of the rows.
        mine: name -> {"value", "ci95"} of this run.
        reference: content of `metrics.json`, or None.
        published: name -> what others report, with its source.
        more: prefix of the names of other models of the reference -> title of their column, which is there only if the
            reference has one of these names.
    """
    on_real_data = reference["metrics"] if reference else {}
    more = more or {}
    known = {prefix: more[prefix] for prefix in more if any(prefix + name in on_real_data for name in labels)}
    rows = {
        label: {
            "cette exécution": _cell(mine.get(name)),
            "référence sur données réelles": _cell(on_real_data.get(name)),
            **{title: _cell(on_real_data.get(prefix + name)) for prefix, title in known.items()},
            "publié": published.get(name, "–"),
        }
        for name, label in labels.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _cell(measure: Mapping | None) -> str:
    if measure is None:
        return "–"
    value, low, high = map(figures.number, (measure["value"], *measure["ci95"]))
    return f"{value} [{low} ; {high}]"


def reading_advice(location: Location, reference: Mapping[str, Any] | None, *, project: str, differs: str) -> str:
    """Says in French how to read `comparison`: real against synthetic, and what the reference is.

    Args:
        location: where the data of this run came from.
        reference: content of `metrics.json`, or None.
        project: whose command makes the reference.
        differs: what else may differ in published results, in French.
    """
    if reference is None:
        return f"La référence sur données réelles n'est pas encore faite : `python -m {project}` la produit."
    origin = f"La référence : {reference['split']} ; {reference['hardware']}."
    if location.is_real:
        return (
            "Les trois colonnes portent sur le même jeu de données. Le budget d'entraînement, le nombre d'images de "
            f"test et, pour les résultats publiés, {differs} peuvent différer. {origin}"
        )
    return (
        "Cette exécution porte sur l'**échantillon synthétique**, la référence et les résultats publiés sur les "
        f"données réelles : les colonnes ne se comparent pas. {origin}"
    )


# --- The files of reference/ -----------------------------------------------------------------------------------------


def header(
    *,
    project: str,
    dataset: str,
    split: str | Mapping[str, str],
    seconds: float,
    trained_on: Iterable[str] = (),
) -> dict[str, Any]:
    """Returns the head of a `metrics.json`, measured by the command that runs.

    Args:
        project: name of the package whose command measures.
        dataset: name of the data, in French.
        split: what was learnt from and what was judged, in French; by category where there are several.
        seconds: what the trainings and the measures took, whenever they were done.
        trained_on: the machines of the trainings, as `hardware` says them; said only if they are others.
    """
    here, others = hardware(), sorted({*trained_on} - {"", hardware()})
    return {
        "dataset": dataset,
        "split": split,
        "hardware": f"entraînement : {' ; '.join(others)} ; mesures : {here}" if others else here,
        "duration_s": round(seconds),
        "date": date.today().isoformat(),
        "command": " ".join([f"python -m {project}", *sys.argv[1:]]),
    }


def hardware() -> str:
    """Returns a short description of the machine: processor, cores, accelerator."""
    from commun.backend import keras

    model, info, backend = platform.processor() or platform.machine(), Path("/proc/cpuinfo"), keras.backend.backend()
    if info.is_file() and (line := re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8"))):
        model = line[1].strip()
    if backend == "jax":
        import jax

        backend += f" ({jax.devices()[0].device_kind})"
    return f"{model}, {os.cpu_count()} cœurs, {backend}"


def write_json(path: Path, content: Mapping) -> None:
    """Writes a JSON file in one piece, accents kept."""
    with atomic_file(path) as temporary:
        temporary.write_text(to_json(content), encoding="utf-8")


def to_json(content: Mapping) -> str:
    """Returns the text of a JSON file, one value a line, accents kept."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_metrics(path: Path) -> dict[str, Any] | None:
    """Reads a `metrics.json`, or returns None where there is none.

    Raises:
        UserError: the file is not valid.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["metrics"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} n'est pas un fichier de mesures valide. Reprenez celui du dépôt.") from error
    return content


def journal(path: Path, configuration: str, measures: Mapping[str, float]) -> None:
    """Adds a line to `journal.csv`: a reading of a real test part, with its date, configuration hash and figures."""
    line = {"date": date.today().isoformat(), "configuration": configuration}
    line |= {name: round(float(value), 4) for name, value in measures.items()}
    before = pd.read_csv(path, dtype=str) if path.is_file() else pd.DataFrame()
    with atomic_file(path) as temporary:
        pd.concat([before, pd.DataFrame([line])]).to_csv(temporary, index=False)
