"""How many works an artist needs: what may be advised from numbers that were measured, and from nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd

MIN_RECALL = 1 / 3  # under it, an artist brings little but errors
HALF = 0.5  # recall for which the works that are needed are counted
ABOUT, MORE, FEWER = "about", "more", "fewer"


def needed(counts: np.ndarray, recalls: np.ndarray, share: float = HALF) -> tuple[str, float]:
    """Returns from how many training works on the recall reaches a share.

    Args:
        counts: numbers of works that were measured, increasing, shape (n,), n at least 1.
        recalls: the mean recall with each, shape (n,).
        share: 0..1.

    Returns:
        `ABOUT` and a number between two that were measured, read on the straight line that joins their recalls (on a
        logarithmic scale of works), the larger and all those above it reaching the share; `MORE` and the largest
        number measured, where it does not reach it; `FEWER` and the smallest one, where all do.
    """
    counts, recalls = np.asarray(counts, float), np.asarray(recalls, float)
    below = np.flatnonzero(recalls < share)
    if not len(below):
        return FEWER, float(counts[0])
    last = below[-1]
    if last == len(counts) - 1:
        return MORE, float(counts[-1])
    part = (share - recalls[last]) / (recalls[last + 1] - recalls[last])
    return ABOUT, float(counts[last] * (counts[last + 1] / counts[last]) ** part)


def advise(artists: pd.DataFrame, varied: pd.DataFrame) -> dict[str, float]:
    """Returns from how many training works on an artist is recognised at least a share `MIN_RECALL` of the time.

    A number is one that was measured, and only where a smaller one was measured too and fails: if even the artist who
    has fewest works is recognised, nothing is known of those who would have fewer.

    Args:
        artists: what `evaluation.artist_measures` returns.
        varied: `summary` of `vary_works`.

    Returns:
        between_artists: from a regression of the recall on the number of works, increasing and weighted by tested
        works; by_removal: from the works that were taken away, this number and all larger ones reaching the recall.
        For each, NaN where there is no such number, and with the suffix: _fails, the largest number below it, or of
        all, that does not reach the recall (NaN if all do); _least, the smallest that was measured. few: artists who
        have fewer works than between_artists.
    """
    from sklearn.isotonic import IsotonicRegression

    tested = artists[artists["tested"] > 0].sort_values("learnt")
    fit = IsotonicRegression().fit(tested["learnt"], tested["recall"], sample_weight=tested["tested"])
    between = _limit(tested["learnt"].to_numpy(), fit.predict(tested["learnt"]))
    removal = _limit(varied.index.to_numpy(), varied["balanced_accuracy"].to_numpy())
    limits = {"between_artists": between, "by_removal": removal}
    advice = {name + suffix: value for name, limit in limits.items() for suffix, value in limit.items()}
    return advice | {"few": int((tested["learnt"] < advice["between_artists"]).sum())}


def _limit(counts: np.ndarray, recalls: np.ndarray) -> dict[str, float]:
    """Returns the number from which on recalls reach `MIN_RECALL`, "", and what `advise` says beside it."""
    fails = float(counts[recalls < MIN_RECALL].max(initial=-1))
    enough = counts[counts > fails]
    known = fails >= 0 and len(enough)
    return {
        "": float(enough.min()) if known else np.nan,
        "_fails": fails if fails >= 0 else np.nan,
        "_least": float(counts.min()),
    }
