"""The study of project 3 that several workers can share: `python -m atelier ouvrier --help`.

It is that of the command `python -m projet3_ssl_anomalies --essais`, which finds what workers have done.
"""

from __future__ import annotations

from projet3_ssl_anomalies import PROJECT, ablation, dataset, training


def trainings(profile: str) -> str:
    """Works at the variants of training of every category; sums them up."""
    budget, pieces = training.profile(profile), [dataset.load(category.name) for category in dataset.categories("")]
    tables = [ablation.training_ablation(piece, budget, title=piece.category.title) for piece in pieces]
    variants = len(tables[0].drop_duplicates(["constant", "value"]))
    return f"{variants} entraînements pour chacune des {len(pieces)} catégories"


STUDIES = {f"{PROJECT}/entrainement": trainings}  # name given to the command -> its work, given a profile
