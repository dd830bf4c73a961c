"""The experiments again, with the pre-trained network left as it is: its features are computed once, and heads learn.

An answer costs a logistic regression, of which nothing is drawn. What is repeated, and called a seed in the answers, is
therefore no initial network: it is a draw of training works where works are drawn, a partition into folds where each
work is judged by a head that never saw it, and nothing at all (0) where one part is learnt from and another judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from projet1_artistes import dataset, experiments, transfer
from projet1_artistes.dataset import Data
from projet1_artistes.experiments import HIGH, LOW, REDUCED
from projet1_artistes.split import TRAINING, VALIDATION, folds

NATIVE = 256  # pixels, of the high-quality works from which the network is shown smaller ones
SMALL_COPY = 64  # pixels, of the low-quality copies


def drawn_works(data: Data, limit: int) -> np.ndarray:
    """Returns the rows of training and validation, sorted: all of them, or `limit` drawn if there are more."""
    rows = data.all_but_test
    return np.sort(np.random.default_rng(limit).permutation(rows)[:limit])


# --- High against low quality ----------------------------------------------------------------------------------------


def compare_qualities(data: Data, rows: np.ndarray, sides: Sequence[int]) -> dict[int, pd.DataFrame]:
    """Shows the same works in three qualities at several sides; heads learn from training works, and judge validation.

    Args:
        data: the paintings.
        rows: works of training and validation, shape (n,).
        sides: at which works are shown, in pixels.

    Returns:
        side -> answers, as `experiments.answers` gives them; the variant is the quality. Empty where there is nothing
        to compare, for want of low-quality copies in one of the two parts.
    """
    images, rows = native_qualities(data, rows)
    labels, parts = data.labels[rows], data.works["part"].to_numpy()[rows]
    learnt, judged = (np.flatnonzero(parts == part) for part in (TRAINING, VALIDATION))
    if not len(learnt) or not len(judged):
        return {}
    found = {}
    for side in sides:
        heads = {
            quality: transfer.linear_head(
                transfer.features(pictures, side), labels, learnt, judged, classes=len(data.artists)
            )
            for quality, pictures in images.items()
        }
        found[side] = experiments.answers(data, rows[judged], heads, seed=0)
    return found


def native_qualities(data: Data, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the same works in three qualities, each at its own side, and those rows that have a low-quality copy.

    High quality (`NATIVE` pixels), low quality (a copy of `SMALL_COPY` pixels), and high quality reduced to that side:
    what the last two lose against the first is the same definition, and the compression of the copies differs.

    Returns:
        quality -> uint8, shape (m, side, side, 3); and the m rows, a part of `rows`.
    """
    copies = data.works["low"].iloc[rows]
    present = copies.notna().to_numpy().copy()
    low, unreadable = dataset.squares(copies[present], SMALL_COPY)
    present[present] = [path not in unreadable for path in copies[present]]
    rows = rows[present]
    reduced = dataset.squares(data.works["path"].iloc[rows], SMALL_COPY)[0]
    return {HIGH: dataset.pictures(data, NATIVE)[rows], LOW: low, REDUCED: reduced}, rows


# --- From which number of works on artists weigh more ----------------------------------------------------------------


def features(data: Data, rows: np.ndarray, side: int) -> np.ndarray:
    """Returns what the frozen network sees in works of high quality, float32 (n, d), at a side in pixels."""
    return transfer.features(dataset.pictures(data, NATIVE)[rows], side)


def vary_threshold(
    data: Data, rows: np.ndarray, features: np.ndarray, thresholds: Sequence[int], *, count: int, seeds: Sequence[int]
) -> pd.DataFrame:
    """Answers for each work by heads that saw neither it nor its near-duplicates, under each threshold.

    Args:
        data: the paintings; only these rows are read.
        rows: works of training and validation, shape (n,).
        features: theirs, shape (n, d).
        thresholds: of `transfer.linear_head`.
        count: of the folds.
        seeds: of the partitions into folds.

    Returns:
        The answers: variant (the threshold), seed (of the partition), row, label, predicted, group.
    """
    labels, groups, tables = data.labels[rows], data.groups[rows], []
    for seed in seeds:
        fold = folds(labels, groups, count, seed=seed)
        for number in range(count):
            learnt, judged = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            options = {"classes": len(data.artists)}
            heads = {
                threshold: transfer.linear_head(features, labels, learnt, judged, threshold=threshold, **options)
                for threshold in thresholds
            }
            tables.append(experiments.answers(data, rows[judged], heads, seed=seed))
    found = pd.concat(tables, ignore_index=True)
    return found.sort_values(["variant", "seed", "row"], ignore_index=True)


# --- How many works --------------------------------------------------------------------------------------------------


def vary_works(
    data: Data, rows: np.ndarray, features: np.ndarray, counts: Sequence[int], *, seeds: Sequence[int]
) -> pd.DataFrame:
    """Answers for validation works by heads that learnt from fewer and fewer works of the artists who have most.

    These are `experiments.richest`. In a head, all artists weigh the same.

    Args:
        data: the paintings; only these rows are read.
        rows: works of training and validation, shape (n,).
        features: theirs, shape (n, d).
        counts: numbers of training works that are left to each of these artists; those of the others stay.
        seeds: of the draws of these works.

    Returns:
        The answers, for the works of all artists: variant (number of works), seed (of the draw), row, label,
        predicted, group.
    """
    parts, labels = data.works["part"].to_numpy()[rows], data.labels[rows]
    learnt, judged, tables = rows[parts == TRAINING], np.flatnonzero(parts == VALIDATION), []
    for count in counts:
        for seed in seeds:
            left = np.searchsorted(rows, experiments.with_fewer_works(data, learnt, count, seed=seed))
            head = transfer.linear_head(features, labels, left, judged, classes=len(data.artists))
            tables.append(experiments.answers(data, rows[judged], {count: head}, seed=seed))
    return pd.concat(tables, ignore_index=True)


def price_of_works(answers: pd.DataFrame, few: np.ndarray, *, draws: int) -> pd.DataFrame:
    """Returns what the other artists gain or lose in accuracy when those of `few` have more works than the fewest."""
    return experiments.price(answers, answers["variant"].min(), few, draws=draws)
