"""The split of the works into training, validation and test, and the folds of a cross-validation.

Works that are near-duplicates share a group, and a group is never separated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from commun import UserError

TRAINING, VALIDATION, TEST = "training", "validation", "test"
PARTS = {TRAINING: 0.70, VALIDATION: 0.15, TEST: 0.15}  # shares of the works of an artist
TITLES = {TRAINING: "apprentissage", VALIDATION: "validation", TEST: "test"}
SPLIT_SEED = 2026


def split_by_group(
    labels: np.ndarray, groups: np.ndarray, *, seed: int = SPLIT_SEED
) -> dict[str, np.ndarray]:
    """Splits works into the stratified parts `PARTS` without ever separating a group.

    For each artist, groups in random order fill the last parts to their shares of the
    works (largest remainder), a group that does not fit being left to the others; the
    first part takes what remains. A group of two artists goes with the one that has most
    of its works. An artist who is then missing from some part, for want of groups, goes
    whole to the first: who has works to be judged also has works to learn from.

    Args:
        labels: class ids, shape (n,), integers in 0..k-1.
        groups: group ids, shape (n,).
        seed: the same seed gives the same split on any machine.

    Returns:
        name of the part -> sorted indices, disjoint, together all of 0..n-1.

    Raises:
        UserError: the arrays differ in length.
    """
    if len(labels) != len(groups):
        raise UserError(
            f"Il faut autant d'étiquettes ({len(labels)}) que de groupes ({len(groups)})."
        )
    labels, groups = np.asarray(labels, np.int64), np.asarray(groups)
    part = np.zeros(len(labels), np.int64)  # rank in PARTS
    members = pd.Series(np.arange(len(groups))).groupby(groups).indices
    owned: dict[int, list[int]] = {}
    for group, rows in members.items():
        owned.setdefault(int(np.bincount(labels[rows]).argmax()), []).append(group)
    for artist, theirs in sorted(owned.items()):
        left = np.random.default_rng([seed, artist]).permutation(theirs).tolist()
        if len(left) >= len(PARTS):
            works = sum(len(members[group]) for group in left)
            targets = largest_remainder(works, list(PARTS.values()))
            for rank in range(len(PARTS) - 1, 0, -1):
                sizes = [len(members[group]) for group in left]
                selection = _fill(left, sizes, max(1, targets[rank]), spare=rank)
                for group in selection:
                    part[members[group]] = rank
                left = [group for group in left if group not in selection]
    part = _complete_or_first(labels, groups, part)
    return {name: np.flatnonzero(part == rank) for rank, name in enumerate(PARTS)}


def _fill(groups: Sequence[int], sizes: Sequence[int], target: int, *, spare: int) -> list[int]:
    """Takes groups in order while they fit in `target` works, at least the smallest one; leaves at least `spare`."""
    selection, room = [], target
    for group, count in zip(groups, sizes, strict=True):
        if count <= room and len(groups) - len(selection) > spare:
            selection.append(group)
            room -= count
    return selection or [groups[int(np.argmin(sizes))]]


def _complete_or_first(labels: np.ndarray, groups: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Moves to the first part all the groups of artists who are not in every part, until none is left."""
    part = part.copy()
    while True:
        present = np.zeros((labels.max(initial=-1) + 1, len(PARTS)), bool)
        present[labels, part] = True
        incomplete = present[:, 1:].any(axis=1) & ~present.all(axis=1)
        if not incomplete.any():
            return part
        part[np.isin(groups, groups[incomplete[labels]])] = 0


def largest_remainder(count: int, shares: Sequence[float]) -> list[int]:
    """Shares out `count` items: whole parts first, then one each to the largest remainders."""
    exact = count * np.asarray(shares, dtype=np.float64)
    whole = np.floor(exact + 1e-9).astype(int)
    for i in np.argsort(whole - exact, kind="stable")[: count - whole.sum()]:
        whole[i] += 1
    return whole.tolist()


def folds(labels: np.ndarray, groups: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Returns the fold of each work, int64 of shape (n,) in 0..count-1: stratified by class, groups kept whole."""
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.empty(len(labels), np.int64)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for rank, (_, rows) in enumerate(splitter.split(labels, labels, groups)):
        fold[rows] = rank
    return fold
