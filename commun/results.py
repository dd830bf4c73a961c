"""Metrics files, intervals, comparison tables, and the run's card."""

from __future__ import annotations

import ast
import hashlib
import html
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commun import UserError, figures
from commun.datasets import ROOT, Location, atomic_file

DRAWS = 2000
_START = time.time()


# --- Intervals and metrics files -------------------------------------------------------------------------------------


def bootstrap(
    statistic: Callable[[np.ndarray], float], count: int, *, draws: int = DRAWS, seed: int = 0
) -> list[float]:
    """Returns the 95 % percentile bootstrap interval of a statistic (Efron, 1979).

    Args:
        statistic: from indices drawn with replacement in 0..count-1, shape (count,), to a number.
        count: number of examples.
        draws: number of resamplings.
        seed: the same seed gives the same interval.

    Returns:
        [low, high].
    """
    random = np.random.default_rng(seed)
    values = [statistic(random.integers(0, count, count)) for _ in range(draws)]
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def metric(values: np.ndarray, *, draws: int = DRAWS) -> dict[str, Any]:
    """Returns the mean of values, shape (n,), with its bootstrap interval and n, as in `metrics.json`."""
    values = np.asarray(values, dtype=np.float64)
    return {
        "value": float(values.mean()),
        "ci95": bootstrap(lambda i: values[i].mean(), len(values), draws=draws),
        "n": len(values),
    }


def write_json(path: Path, content: Mapping) -> None:
    """Writes a JSON file in one piece, accents kept."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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


def journal(path: Path, configuration: str, figures_read: Mapping[str, float]) -> None:
    """Adds a line to `journal.csv`: a reading of a real test part, with its date, configuration hash and figures."""
    line = {"date": date.today().isoformat(), "configuration": configuration}
    line |= {name: round(float(value), 4) for name, value in figures_read.items()}
    before = pd.read_csv(path, dtype=str) if path.is_file() else pd.DataFrame()
    with atomic_file(path) as temporary:
        pd.concat([before, pd.DataFrame([line])]).to_csv(temporary, index=False)


def header(*, project: str, dataset: str, split: str, seconds: float) -> dict[str, Any]:
    """Returns the head of a `metrics.json`.

    Args:
        project: name of the package whose command measures.
        dataset: name of the data, in French.
        split: what was learnt from and what was judged, in French.
        seconds: what the trainings and the measures took, whenever they were done.
    """
    return {
        "dataset": dataset,
        "split": split,
        "hardware": hardware(),
        "duration_s": round(seconds),
        "date": date.today().isoformat(),
        "command": " ".join([f"python -m {project}", *sys.argv[1:]]),
    }


def comparison(
    labels: Mapping[str, str],
    mine: Mapping[str, Mapping],
    reference: Mapping[str, Any] | None,
    published: Mapping[str, str],
) -> pd.DataFrame:
    """Returns the table that ends every evaluation: this run, the reference on real data, published figures.

    Args:
        labels: name of a metric -> its French name, in the order of the rows.
        mine: name -> {"value", "ci95"} of this run.
        reference: content of `metrics.json`, or None.
        published: name -> what others report, with its source.
    """
    known = reference["metrics"] if reference else {}
    rows = {
        label: {
            "cette exécution": _cell(mine.get(name)),
            "référence sur données réelles": _cell(known.get(name)),
            "publié": published.get(name, "–"),
        }
        for name, label in labels.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


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
    made = f"La référence : {reference['split']} ; {reference['hardware']}."
    if location.is_real:
        return (
            "Les trois colonnes portent sur le même jeu de données. Le budget d'entraînement, le nombre d'images de "
            f"test et, pour les résultats publiés, {differs} peuvent différer. {made}"
        )
    return (
        "Cette exécution porte sur l'**échantillon synthétique**, la référence et les résultats publiés sur les "
        f"données réelles : les colonnes ne se comparent pas. {made}"
    )


def _cell(entry: Mapping | None) -> str:
    if entry is None:
        return "–"
    low, high = entry["ci95"]
    return f"{figures.number(entry['value'])} [{figures.number(low)} ; {figures.number(high)}]"


def hardware() -> str:
    """Returns a short description of the machine: processor, cores, accelerator."""
    import keras

    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        model = names[0].strip() if names else model
    text = f"{model}, {os.cpu_count()} cœurs, {keras.backend.backend()}"
    if keras.backend.backend() == "jax":
        import jax

        text += f" ({jax.devices()[0].device_kind})"
    return text


# --- The run's card --------------------------------------------------------------------------------------------------

IN_ORDER, MODIFIED, DISORDER = "exécuté de haut en bas", "modifié après exécution", "dans le désordre"
CARD_MIME = "application/vnd.projets.carte+json"
PACKAGES = ("keras", "tensorflow", "numpy", "pandas", "matplotlib", "scikit-learn", "optuna")


def cell_hash(source: str) -> str:
    """Returns a hash of what a cell computes: its syntax tree, without comments, blank lines or layout.

    An empty cell (comments only) gives "". The dump is our own, because `ast.dump` differs between Python versions.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return hashlib.sha256(source.encode("utf-8")).hexdigest()[:12]
    return hashlib.sha256(_dump(tree).encode("utf-8")).hexdigest()[:12] if tree.body else ""


def _dump(node: Any) -> str:
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty texts to f-strings
        node = ast.JoinedStr([part for part in node.values if part.value != ""])
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind")
        return f"{type(node).__name__}({','.join(f'{name}={_dump(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    return repr(node)


def hashes(sources: Sequence[str]) -> list[str]:
    """Returns the hashes of cells, without the empty ones."""
    return [h for h in map(cell_hash, sources) if h]


def read_notebook(path: Path) -> dict[str, Any]:
    """Reads a notebook, the source of each cell as one text.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
        return notebook
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} est introuvable ou n'est pas un carnet Jupyter.") from error


def code_cells(notebook: Path) -> list[str]:
    """Returns the sources of a notebook's code cells, without the cell of parameters that papermill injects.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    return [
        cell["source"]
        for cell in read_notebook(notebook)["cells"]
        if cell["cell_type"] == "code" and "injected-parameters" not in cell.get("metadata", {}).get("tags", [])
    ]


def compare(executed: Sequence[str], expected: Sequence[str]) -> str:
    """Says in French how the inputs that a kernel executed relate to a notebook's cells (lists of hashes)."""
    if list(executed) == list(expected):
        return IN_ORDER
    return DISORDER if set(executed) <= set(expected) else MODIFIED


def carte(carnet: str, *, profil: str, donnees: Location) -> None:
    """Shows the run's card: what this kernel executed, with which versions, profile and data.

    It reads the kernel's own history, so it holds in JupyterLab, in VS Code and in a batch run alike.

    Args:
        carnet: path of the notebook in the repository, with "/" ("projet2_cvae/01_preparation.ipynb").
        profil: "essai", "rapide" or "complet".
        donnees: where the data came from.
    """
    from IPython import get_ipython
    from IPython.display import display

    inputs = [source for source in get_ipython().history_manager.input_hist_raw[1:] if source.strip()]
    injected = [source for source in inputs if source.startswith("# Parameters\n")]
    executed = hashes([source for source in inputs if source not in injected])
    path = Path(os.environ.get("PROJETS_CARNET") or ROOT / carnet)
    card = {
        "carnet": carnet,
        "etat": compare(executed, hashes(code_cells(path))) if path.is_file() else "carnet introuvable",
        "cellules": executed,
        "parametres": injected[0].split("\n", 1)[1].strip() if injected else "",
        "profil": profil,
        "donnees": donnees.title if donnees.is_real else f"échantillon synthétique ({donnees.title})",
        "donnees_reelles": donnees.is_real,
        "versions": {"python": platform.python_version(), **_versions()},
        "systeme": f"{platform.system()} {platform.machine()}",
        "date": date.today().isoformat(),
        "duree_s": round(time.time() - _START),
        "execution": uuid.uuid4().hex,
    }
    display({CARD_MIME: card, "text/html": _card_html(card), "text/plain": _card_text(card)}, raw=True)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


_ADVICE = {
    DISORDER: " : redémarrez le noyau et exécutez tout",
    MODIFIED: " : enregistrez le carnet, redémarrez le noyau et exécutez tout",
}


def _card_rows(card: Mapping) -> list[tuple[str, str]]:
    return [
        ("Carnet", card["carnet"]),
        ("Exécution", f"{card['etat']} ({len(card['cellules'])} cellules){_ADVICE.get(card['etat'], '')}"),
        ("Paramètres modifiés", card["parametres"].replace("\n", " ; ") or "aucun"),
        ("Profil", card["profil"]),
        ("Données", card["donnees"]),
        ("Date et durée", f"{card['date']}, {figures.duration(card['duree_s'])}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in card["versions"].items())),
        ("Identifiant", card["execution"][:12]),
    ]


def _card_html(card: Mapping) -> str:
    rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in _card_rows(card))
    return f"<table class='carte'><caption>Carte d'exécution</caption><tbody>{rows}</tbody></table>"


def _card_text(card: Mapping) -> str:
    return "\n".join(f"{k} : {v}" for k, v in _card_rows(card))
