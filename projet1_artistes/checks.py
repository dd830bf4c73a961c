"""The checks of the split, from the works themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pandas as pd

from commun import figures
from commun.figures import number
from projet1_artistes.dataset import Data
from projet1_artistes.names import key
from projet1_artistes.split import PARTS, TEST, TRAINING, VALIDATION, split_by_group


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
    in_a_part, repeated = data.works["part"].isin(list(PARTS)), data.works["path"].duplicated()
    counts = " + ".join(number((data.works["part"] == part).sum()) for part in PARTS)
    return bool(in_a_part.all() and not repeated.any()), f"{counts} = {number(len(data.works))} œuvres"


def _check_groups(data: Data) -> tuple[bool, str]:
    parts = data.works.groupby("group")["part"].nunique()
    several = int((data.works.groupby("group").size() > 1).sum())
    return bool((parts == 1).all()), f"{(parts > 1).sum()} sur {number(several)} groupes de deux œuvres ou plus"


def _check_pixels(data: Data) -> tuple[bool, str]:
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in data.images]
    parts = data.works["part"].groupby(digests)
    return bool((parts.nunique() == 1).all()), f"{(parts.nunique() > 1).sum()} sur {number(parts.ngroups)} images"


def _check_presence(data: Data) -> tuple[bool, str]:
    counts, evaluated = split_counts(data), data.artists["evaluated"]
    left_out = ", ".join(data.artists["name"][~evaluated])
    elsewhere = counts[~evaluated][[VALIDATION, TEST]].to_numpy().sum()
    finding = f"{evaluated.sum()} artistes évalués ; non évalués : {left_out or 'aucun'}"
    return bool((counts[evaluated] > 0).all(axis=None) and not elsewhere), finding


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
    owners = [key(path.parent.name, keys) for path in data.works["path"]]
    same = owners == [keys[artist] for artist in data.labels]
    finding = f"{len(keys)} numéros, dans l'ordre alphabétique des noms, les mêmes dans les trois parts"
    return same and keys == sorted(set(keys)) and list(data.artists.index) == list(range(len(keys))), finding


def _check_seed(data: Data) -> tuple[bool, str]:
    again = split_by_group(data.labels, data.groups)
    moved = sum(len(np.setdiff1d(rows, data.rows(part))) for part, rows in again.items())
    return moved == 0, f"œuvres qui changent de jeu : {moved}"
