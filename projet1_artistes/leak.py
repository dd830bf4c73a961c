"""The leak, shown: the same cheap model on a split at random and on one that keeps near-duplicates together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from projet1_artistes import experiments
from projet1_artistes.augmentation import Transforms, resize_all, transform
from projet1_artistes.dataset import Data
from projet1_artistes.split import folds

NAIVE, GROUPED = "naive", "grouped"
COUNT = 5  # folds, each judged by what was learnt from the others
SIDE = 16  # pixels, of the pictures that are compared
CHUNK = 256  # works compared at once
TWICE = 0.5  # share of the works of which a second picture is added, to see what a leak would do
PHOTOGRAPH = Transforms(scale=(0.9, 0.96), ratio=1, degrees=1, brightness_contrast=0.1, flip=False)


def compare_splits(data: Data, *, seeds: Sequence[int], twice: float = 0.0) -> pd.DataFrame:
    """Answers for each work of training and validation by its nearest neighbour, in two ways of cutting into folds.

    In both, a work is judged once a seed, from the pictures of the other folds, so that answers are paired; only what
    is kept together differs: nothing, or groups of near-duplicates. The test part is not read.

    Args:
        data: the paintings.
        seeds: of the folds, and of the second pictures.
        twice: share of the works of which a second picture is added, which is learnt from but not judged.

    Returns:
        The answers: variant (`NAIVE` or `GROUPED`), seed, row, label, predicted, group; as `experiments.answers`.
    """
    rows, found = data.all_but_test, []
    works = [resize_all(data.images[rows[i : i + CHUNK]], SIDE) for i in range(0, len(rows), CHUNK)]
    for seed in seeds:
        random = np.random.default_rng([seed, len(rows)])
        more = np.sort(random.permutation(len(rows))[: round(twice * len(rows))])
        again = [transform(data.images[row], SIDE, random, PHOTOGRAPH)[None] for row in rows[more]]
        vectors = centred(np.concatenate([*works, *again]))
        which = np.concatenate([np.arange(len(rows)), more])
        labels, groups = data.labels[rows][which], data.groups[rows][which]
        about = {"row": rows, "label": data.labels[rows], "group": data.groups[rows], "seed": seed}
        for variant, together in ((NAIVE, np.arange(len(which))), (GROUPED, groups)):
            fold = folds(labels, together, COUNT, seed=seed)
            named = labels[nearest(vectors, fold)][: len(rows)]
            found.append(pd.DataFrame({"variant": variant, "predicted": named, **about}))
    return pd.concat(found, ignore_index=True)


def centred(images: np.ndarray) -> np.ndarray:
    """Returns pictures, float32 (n, s, s, 3), as vectors (n, 3 s^2) whose products are correlations."""
    vectors = images.reshape(len(images), -1)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def nearest(vectors: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Returns, for each of n vectors (n, d), the row of the closest one of another fold, int64 of shape (n,)."""
    closest = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), CHUNK):
        part = slice(start, start + CHUNK)
        likeness = vectors[part] @ vectors.T
        likeness[fold[part, None] == fold] = -np.inf
        closest[part] = likeness.argmax(axis=1)
    return closest


def duplicated(data: Data) -> int:
    """Counts the works of training and validation of which a near-duplicate is there too."""
    _, sizes = np.unique(data.groups[data.all_but_test], return_counts=True)
    return int(sizes[sizes > 1].sum())


def gap(answers: pd.DataFrame, *, draws: int) -> pd.Series:
    """Returns what the split at random adds to the accuracy, paired: gain, low, high, differences of proportions."""
    return experiments.gains(answers, GROUPED, measure="accuracy", draws=draws).loc[NAIVE]
