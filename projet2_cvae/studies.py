"""The studies of project 2 that several workers can share: `python -m atelier ouvrier --help`."""

from __future__ import annotations

import dataclasses

from commun.training import Budget
from projet2_cvae import PROJECT, dataset, selection, training


def search(profile: str) -> str:
    """Works at the search of notebook 03, with its data, budget and seed, until it has its trials; sums it up."""
    budgets = training.profile(profile)
    data = dataset.load()
    print(data.location.sentence.replace("**", ""), flush=True)
    measured = dataclasses.replace(data, validation=dataset.stratified(data.validation, budgets.scored))
    budget = Budget(images_seen=budgets.trial[0], epochs=budgets.trial[1])
    table = selection.search(measured, budget, trials=budgets.trials, title="Recherche")
    trials, complete = len(table), len(selection.complete_trials(table))
    return f"{trials} essai{'s' * (trials > 1)}, dont {complete} complet{'s' * (complete > 1)}"


STUDIES = {PROJECT: search}  # name given to the command -> its work, given a profile
