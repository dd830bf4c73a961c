"""The split of the works into training, validation and test, its checks, and the folds of a cross-validation.

Works that are near-duplicates share a group, and a group is never separated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from commun import UserError, figures
from commun.figures import number
from projet1_artistes.names import key

if TYPE_CHECKING:
    from projet1_artistes.dataset import Data

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
                taken = _fill(left, sizes, max(1, targets[rank]), spare=rank)
                for group in taken:
                    part[members[group]] = rank
                left = [group for group in left if group not in taken]
    part = _complete_or_first(labels, groups, part)
    return {name: np.flatnonzero(part == rank) for rank, name in enumerate(PARTS)}


def _fill(groups: Sequence[int], sizes: Sequence[int], target: int, *, spare: int) -> list[int]:
    """Takes groups in order while they fit in `target` works, at least the smallest one; leaves at least `spare`."""
    taken, room = [], target
    for group, count in zip(groups, sizes, strict=True):
        if count <= room and len(groups) - len(taken) > spare:
            taken.append(group)
            room -= count
    return taken or [groups[int(np.argmin(sizes))]]


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


# --- Checks ----------------------------------------------------------------------------------------------------------


def split_counts(data: Data) -> pd.DataFrame:
    """Counts the works of each artist in each part: index class id, a column a part, in the order of `PARTS`."""
    table = pd.crosstab(data.labels, data.works["part"].to_numpy())
    return table.reindex(index=data.artists.index, columns=list(PARTS), fill_value=0).rename_axis(columns=None)


def check_split(data: Data) -> pd.DataFrame:
    """Checks the split and the class ids against what they must be, from the works themselves.

    Returns:
        One row a check: check, finding (French), passed (bool).
    """
    checks: dict[str, Callable[[Data], tuple[bool, str]]] = {
        "Chaque œuvre est dans une part, et une seule": _check_partition,
        "Aucun groupe de quasi-doublons n'est de deux côtés": _check_groups,
        "Aucune image n'est, pixel pour pixel, de deux côtés": _check_pixels,
        "Chaque artiste évalué a des œuvres dans les trois parts": _check_presence,
        "Chaque artiste évalué y est dans les bonnes proportions, à l'arrondi et aux groupes près": _check_shares,
        "Les numéros de classe sont fixés avant le découpage": _check_classes,
        "La même graine refait le même découpage": _check_seed,
    }
    rows = [(name, *reversed(check(data))) for name, check in checks.items()]
    return pd.DataFrame(rows, columns=["check", "finding", "passed"])


def _check_partition(data: Data) -> tuple[bool, str]:
    known, twice = data.works["part"].isin(list(PARTS)), data.works["path"].duplicated()
    counts = " + ".join(number((data.works["part"] == part).sum()) for part in PARTS)
    return bool(known.all() and not twice.any()), f"{counts} = {number(len(data.works))} œuvres"


def _check_groups(data: Data) -> tuple[bool, str]:
    parts = data.works.groupby("group")["part"].nunique()
    several = int((data.works.groupby("group").size() > 1).sum())
    return bool((parts == 1).all()), f"{(parts > 1).sum()} sur {number(several)} groupes de deux œuvres ou plus"


def _check_pixels(data: Data) -> tuple[bool, str]:
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in data.images]
    parts = data.works["part"].groupby(digests)
    return bool((parts.nunique() == 1).all()), f"{(parts.nunique() > 1).sum()} sur {number(parts.ngroups)} images"


def _check_presence(data: Data) -> tuple[bool, str]:
    counts, judged = split_counts(data), data.artists["evaluated"]
    left_out = ", ".join(data.artists["name"][~judged])
    elsewhere = counts[~judged][[VALIDATION, TEST]].to_numpy().sum()
    finding = f"{judged.sum()} artistes évalués ; non évalués : {left_out or 'aucun'}"
    return bool((counts[judged] > 0).all(axis=None) and not elsewhere), finding


def _check_shares(data: Data) -> tuple[bool, str]:
    """The slack of an artist is the largest group in which a work of theirs is; the training part takes what is left.

    With fewer works than a part is due, an artist has one there all the same.
    """
    sizes = data.works.groupby("group")["group"].transform("size")
    slack = sizes.groupby(data.labels).max().reindex(data.artists.index, fill_value=1)
    counts = split_counts(data)
    due = pd.DataFrame({part: share * counts.sum(axis=1) for part, share in PARTS.items()})
    gaps = (counts - due)[data.artists["evaluated"]]
    room = pd.DataFrame({part: slack * (2 if part == TRAINING else 1) for part in PARTS}).loc[gaps.index]
    shares = " / ".join(f"{number(100 * share, 1)}" for share in counts.sum() / max(1, counts.to_numpy().sum()))
    return bool((gaps.abs() < room).all(axis=None)), f"dans l'ensemble : {shares}{figures.NBSP}%"


def _check_classes(data: Data) -> tuple[bool, str]:
    keys = [key(name) for name in data.names]
    owners = [key(path.parent.name) for path in data.works["path"]]
    same = owners == [keys[artist] for artist in data.labels]
    finding = f"{len(keys)} numéros, dans l'ordre alphabétique des noms, les mêmes dans les trois parts"
    return same and keys == sorted(set(keys)) and list(data.artists.index) == list(range(len(keys))), finding


def _check_seed(data: Data) -> tuple[bool, str]:
    again = split_by_group(data.labels, data.groups)
    moved = sum(len(np.setdiff1d(rows, data.rows(part))) for part, rows in again.items())
    return moved == 0, f"{moved} œuvre(s) ailleurs"
