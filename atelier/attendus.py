"""What a notebook's headline results are expected to be: measured with several seeds, kept in `attendus.json`.

A range is that in which the result of one more seed falls 95 times in 100, if results are normally distributed.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from atelier import cartes, verification
from commun.notebook import read_notebook
from commun.results import write_json

FILE = Path(__file__).parent / "attendus.json"
MARGIN = 0.01  # of the mean, at least: another machine does not give the very same value
INSIDE, BELOW, ABOVE = "dans l'intervalle attendu", "sous l'intervalle attendu", "au-dessus de l'intervalle attendu"


def expected(card: cartes.Card, path: Path | None = None) -> dict[str, tuple[float, float]]:
    """Returns the range of each headline result of a run: French name -> (low, high); none where it was not measured.

    Args:
        card: the run's card.
        path: `attendus.json`.
    """
    path = path or FILE
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    ranges = known.get(card.notebook, {}).get(_setting(card), {})
    return {name: (low, high) for name, (low, high) in ranges.items()}


def compare(value: float, bounds: tuple[float, float]) -> str:
    """Says in French where a result stands with regard to its range."""
    low, high = bounds
    return BELOW if value < low else ABOVE if value > high else INSIDE


def measure(notebooks: Iterable[Path], path: Path | None = None) -> dict[str, Any]:
    """Adds to `attendus.json` the ranges of executed notebooks, each run with several seeds; returns its content."""
    path = path or FILE
    values = defaultdict(list)
    for notebook in notebooks:
        card = cartes.read(verification.card_of(read_notebook(notebook)) or {})
        for name, value in card.results.items():
            values[card.notebook, _setting(card), name].append(value)
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for (notebook, setting, name), results in sorted(values.items()):
        if len(results) > 1:
            content.setdefault(notebook, {}).setdefault(setting, {})[name] = prediction_interval(results)
    write_json(path, dict(sorted(content.items())))
    return content


def prediction_interval(values: Sequence[float]) -> list[float]:
    """Returns the 95 % prediction interval of one more value, [low, high], of two values or more (Student).

    It reaches `MARGIN` of the mean on either side. Values that are all in 0..1 are taken as proportions: so is the
    interval.
    """
    from scipy.stats import t

    n, mean = len(values), math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = max(MARGIN * abs(mean), float(t.ppf(0.975, n - 1)) * deviation * math.sqrt(1 + 1 / n))
    low, high = mean - half, mean + half
    if all(0 <= value <= 1 for value in values):
        low, high = max(0.0, low), min(1.0, high)
    return [round(low, 4), round(high, 4)]


def _setting(card: cartes.Card) -> str:
    return f"{card.profile}/{'reel' if card.real else 'echantillon'}"
