"""What `reference/` keeps of the experiments on the real paintings, by either network: measures and paired differences.

Of the network trained from scratch, `config` is the configuration; it is None for the frozen one, which saw works at
`side`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from projet1_artistes import experiments, frozen
from projet1_artistes.experiments import FROZEN, HIGH, SCRATCH
from projet1_artistes.split import VALIDATION
from projet1_artistes.training import Config

PAIRS = experiments.REFERENCE / "ecarts.csv"  # the differences between variants, paired
THRESHOLDS, OTHERS = "oversampling_threshold", "works_per_artist_others"


def record_qualities(
    name: str,
    answers: pd.DataFrame,
    config: Config | None,
    seeds: Sequence[int],
    part: str,
    *,
    side: int = 0,
    draws: int,
) -> None:
    """Records what a comparison of qualities found, and the gains over high quality in accuracy."""
    experiments.record(name, experiments.summary(answers), config, seeds, part, side=side)
    gains = experiments.gains(answers, HIGH, measure="accuracy", draws=draws)
    _record_gains(name, gains, config, HIGH, part, measure="accuracy")


def record_threshold(
    answers: pd.DataFrame, config: Config | None, seeds: Sequence[int], part: str, *, side: int = 0, draws: int
) -> None:
    """Records what `vary_threshold` found, the gains over the best threshold, and what each costs in accuracy."""
    experiments.record(THRESHOLDS, experiments.summary(answers), config, seeds, part, side=side)
    bases = {"macro_f1": experiments.best_threshold(answers), "accuracy": answers["variant"].min()}
    for measure, base in bases.items():
        gains = experiments.gains(answers, base, measure=measure, draws=draws)
        _record_gains(THRESHOLDS, gains, config, base, part, measure=measure)


def record_works(
    answers: pd.DataFrame, few: np.ndarray, config: Config | None, seeds: Sequence[int], *, side: int = 0, draws: int
) -> None:
    """Records what `vary_works` found for the artists who have fewer works, `few`, for the others, and their price."""
    for name, table in experiments.summaries_of_works(answers, few).items():
        experiments.record(name, table, config, seeds, VALIDATION, side=side)
    price = frozen.price_of_works(answers, few, draws=draws)
    _record_gains(OTHERS, price, config, answers["variant"].min(), VALIDATION, measure="accuracy")


def _record_gains(
    name: str, table: pd.DataFrame, config: Config | None, base: Any, part: str, *, measure: str
) -> None:
    about = {"network": FROZEN if config is None else SCRATCH, "part": part, "measure": measure}
    if PAIRS.is_file():  # another base may have been the best: what was said of it goes
        rows = pd.read_csv(PAIRS, dtype=str)
        same = (rows[["experiment", *about]] == pd.Series({"experiment": name, **about})).all(axis=1)
        rows[~same].to_csv(PAIRS, index=False)
    experiments.add_rows(PAIRS, name, table, about | {"base": str(base)})


def recorded_gains(experiment: str, part: str, measure: str, network: str = FROZEN) -> tuple[Any, pd.DataFrame]:
    """Returns the base of the paired differences of an experiment on the real paintings, and these, as `gains`.

    Variants that are numbers are numbers again. Without a row, and with the base None, if it was not done.
    """
    rows = pd.read_csv(PAIRS, dtype={"variant": str, "base": str})
    wanted = {"experiment": experiment, "part": part, "measure": measure, "network": network}
    rows = rows[(rows[[*wanted]] == pd.Series(wanted)).all(axis=1)]
    if rows.empty:
        return None, rows[["gain", "low", "high"]]
    names = [int(name) if name.isdigit() else name for name in [*rows["variant"], rows["base"].iloc[0]]]
    return names[-1], rows[["gain", "low", "high"]].set_axis(names[:-1])


def recorded_sides() -> list[int]:
    """Returns the sides at which qualities were compared on the real paintings, in pixels, increasing."""
    names = pd.read_csv(PAIRS)["experiment"].str.extract(r"^quality_(\d+)$")[0].dropna()
    return sorted({int(side) for side in names})
