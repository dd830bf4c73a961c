"""The studies of project 1 that several workers can share: `python -m atelier ouvrier --help`.

Each is an experiment of the command `python -m projet1_artistes`, which finds what workers have done.
"""

from __future__ import annotations

import pandas as pd

from projet1_artistes import PROJECT, dataset, experiments, training
from projet1_artistes.dataset import Data


def thresholds(profile: str) -> str:
    """Works at what each threshold of oversampling is worth; sums it up."""
    budget = training.profile(profile)
    return _told(experiments.vary_threshold(_data(), budget.short, budget.thresholds, seeds=experiments.SEEDS))


def works(profile: str) -> str:
    """Works at what the number of works per artist is worth; sums it up."""
    budget = training.profile(profile)
    return _told(experiments.vary_works(_data(), budget.short, budget.works_per_artist, seeds=experiments.SEEDS))


def _data() -> Data:
    data = dataset.load()
    print(data.location.sentence.replace("**", ""), flush=True)
    return data


def _told(answers: pd.DataFrame) -> str:
    variants, seeds = answers["variant"].nunique(), answers["seed"].nunique()
    return f"{variants * seeds} entraînements, soit {variants} variantes et {seeds} graines"


STUDIES = {f"{PROJECT}/seuil": thresholds, f"{PROJECT}/oeuvres": works}  # name given to the command -> its work
