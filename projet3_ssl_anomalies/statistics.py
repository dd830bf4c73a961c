"""From signals to scores: what is normal, distances to it, smoothing, fusion, score of an image.

Some cells are hard to predict on every part (an edge, a reflection): a signal is compared with what it is in the same
cell of good parts. No part lies exactly where the one before did: what has been learnt is also compared with the
nearest of what is seen anywhere on good parts, and is unusual where neither explains it. Where parts turn, only the
latter is left. None of these parts has been seen by the models. The constants were chosen on synthetic defects, as is,
for each kind of parts, the candidate that judges it: see `ablation` and `detector.choose_scoring`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy import ndimage

from projet3_ssl_anomalies.dataset import SIDE

MIN_DISTANCE = 1e-3  # distance under which all are alike in a geometric mean
MIN_VARIANCE = 1e-8  # that signals have at least
DRAWN, BANK = 10_000, 2000  # vectors drawn from the good parts, and kept of them in a bank, at most
CHUNK = 256  # cells compared with a bank at once
LEARNT = {"repair/representation": 6.0, "masked_autoencoder/representation": 0.0}
WEIGHTS = {"baseline": 5.0, "error": 0.5, **LEARNT}
BANKED = {"error": 0.5, "representation": 0.5}


@dataclasses.dataclass(frozen=True)
class ScoringConfig:
    """The constants of scoring.

    Attributes:
        map_sigma: standard deviation of the Gaussian that smooths distances, in pixels of a 256-pixel image: a defect
            is larger than the cells that betray it.
        top_fraction: share of the cells, the most abnormal, whose mean is the score of the image.
        shrinkage: how many images' worth of the global variances is added to the covariance of each cell.
        weights: weight in the fusion of each signal, or of each kind of signals; 1 for what is not named.
        banked: by kind of signals, share in their distances of that to a bank of good cells, wherever they were seen,
            0..1; the rest is that to what is usual in the same cell, which is all of it for what is not named.
        fusion: "arithmetic", or "geometric": a mean that is high only where signals agree.
    """

    map_sigma: float = 4.0
    top_fraction: float = 0.003
    shrinkage: float = 0.25
    weights: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(WEIGHTS))
    banked: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(BANKED))
    fusion: str = "geometric"

    def bank_share(self, name: str) -> float:
        """Returns the share of the bank in the distances of a signal, 0..1."""
        return self.banked.get(name.rpartition("/")[2], 0.0)

    def weight(self, name: str) -> float:
        """Returns the weight of a signal: its own, times that of its kind."""
        kind = name.rpartition("/")[2]
        return self.weights.get(name, 1.0) * (self.weights.get(kind, 1.0) if kind != name else 1.0)


SCORING = ScoringConfig()
CANDIDATES = {  # the less a part keeps its place, the less the place of a cell counts
    "placed": SCORING,
    "moving": ScoringConfig(
        weights={"baseline": 3.0, "error": 2.0, **LEARNT}, banked={"error": 0.5, "representation": 1.0}
    ),
    "turning": ScoringConfig(
        weights={"baseline": 1.0, "error": 2.0, **LEARNT}, banked={"error": 1.0, "representation": 1.0}
    ),
}


def apart(scoring: ScoringConfig) -> tuple[ScoringConfig, ScoringConfig]:
    """Returns the same constants, with signals compared with the same cell only, then with a bank only."""
    banked = dict.fromkeys(scoring.banked, 1.0)
    return dataclasses.replace(scoring, banked={}), dataclasses.replace(scoring, banked=banked)


# --- What is normal --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class NormalStatistics:
    """What a signal is on good parts, cell by cell: a Gaussian in each (PaDiM, Defard et al., 2021).

    Attributes:
        mean: of each cell, float32 of shape (grid, grid, channels).
        whitening: inverse of the Cholesky factor of the covariance of each cell, float32 of shape
            (grid, grid, channels, channels): it turns usual values into independent ones of
            variance 1.
    """

    mean: np.ndarray
    whitening: np.ndarray

    @classmethod
    def fit(cls, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> NormalStatistics:
        """Returns the statistics of the signal of good parts, (n, grid, grid, channels).

        The covariance of a cell is shrunk towards the global variances, for n is small.
        """
        n, mean = len(signal), signal.mean(axis=0, dtype="float64")
        centred = signal - mean
        scatter = np.einsum("nhwi,nhwj->hwij", centred, centred, optimize=True)
        target = np.diag(np.var(signal, axis=(0, 1, 2), dtype="float64"))
        covariance = (scatter + scoring.shrinkage * target) / (n + scoring.shrinkage)
        covariance += MIN_VARIANCE * np.eye(len(target))  # colours of grey pictures
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        return cls(mean.astype("float32"), whitening.astype("float32"))

    def distances(self, signal: np.ndarray) -> np.ndarray:
        """Returns how unusual a signal (..., grid, grid, channels) is: (..., grid, grid).

        It is the Mahalanobis distance over the square root of the number of channels:
        about 1 on a good part.
        """
        centred = signal - self.mean
        white = np.einsum("hwij,...hwj->...hwi", self.whitening, centred, optimize=True)
        return np.sqrt(np.mean(np.square(white), axis=-1))

    def without(self, part: int, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> NormalStatistics:
        """Returns the statistics of the parts of `fit`, all but one."""
        return self.fit(np.delete(signal, part, axis=0), scoring)

    def left_out(self, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> np.ndarray:
        """Returns the distances of the parts of `fit`, n at least 2, each by the others alone: (n, grid, grid).

        Otherwise each would weigh in its own mean, and good parts would look better than they are. The distance to
        the others is known from the one to all (Sherman and Morrison, 1950), the global variances being those of all.
        """
        n, channels = len(signal), signal.shape[-1]
        to_all = self.distances(signal).astype("float64")
        weight, ratio = n + scoring.shrinkage, n / (n - 1)
        part = channels * to_all**2 / weight
        return (to_all * ratio * np.sqrt((1 - 1 / weight) / np.maximum(1 - ratio * part, 1e-6))).astype("float32")


@dataclasses.dataclass(frozen=True)
class GoodBank:
    """What a signal is on good parts, wherever it is seen: a bank of its values.

    After PatchCore (Roth et al., CVPR 2022). Channels are brought to the same scale first.

    Attributes:
        vectors: float32 of shape (m, channels), in units of `scale`.
        scale: standard deviation of each channel, float32 of shape (channels,).
        parts: which part each vector was seen on, shape (m,).
    """

    vectors: np.ndarray
    scale: np.ndarray
    parts: np.ndarray

    @classmethod
    def fit(cls, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> GoodBank:
        """Returns the bank of the signal of good parts, (n, grid, grid, channels)."""
        variance = np.var(signal, axis=(0, 1, 2), dtype="float64") + MIN_VARIANCE
        scale = np.sqrt(variance).astype("float32")
        vectors = (signal / scale).reshape(-1, signal.shape[-1])
        rows = np.random.default_rng(len(vectors)).permutation(len(vectors))[:DRAWN]
        rows = rows[coreset(vectors[rows], BANK)]
        return cls(vectors[rows], scale, rows // (signal.shape[1] * signal.shape[2]))

    def distances(self, signal: np.ndarray) -> np.ndarray:
        """Returns how far from the nearest vector of the bank a signal is: (..., grid, grid).

        Euclidean distance over the square root of the number of channels.
        """
        flat = (signal / self.scale).reshape(-1, signal.shape[-1])
        nearest = _nearest_squares(flat, self.vectors)
        return np.sqrt(nearest / signal.shape[-1]).reshape(signal.shape[:-1])

    def without(self, part: int, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> GoodBank:
        """Returns the bank without the vectors that were seen on a part."""
        others = self.parts != part
        return GoodBank(self.vectors[others], self.scale, self.parts[others])

    def left_out(self, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> np.ndarray:
        """Returns the distances of the parts of `fit`, n at least 2, each to the vectors of the others alone."""
        return np.stack([self.without(part, signal, scoring).distances(own) for part, own in enumerate(signal)])


@dataclasses.dataclass(frozen=True)
class PlacedAndBanked:
    """What a signal is on good parts, in the same cell and wherever it is seen.

    Attributes:
        placed: what it is in each cell.
        banked: what it is anywhere.
        share: that of the bank in the distances, 0..1.
    """

    placed: NormalStatistics
    banked: GoodBank
    share: float

    def distances(self, signal: np.ndarray) -> np.ndarray:
        """Returns how unusual a signal (..., grid, grid, channels) is: (..., grid, grid)."""
        return combine(self.placed.distances(signal), self.banked.distances(signal), self.share)


Normal = NormalStatistics | GoodBank | PlacedAndBanked


def combine(placed: np.ndarray, banked: np.ndarray, share: float) -> np.ndarray:
    """Returns the geometric mean of two distances, the second with weight `share`.

    It is high only where both are.
    """
    return placed ** (1 - share) * banked**share


def fit_normal(name: str, signal: np.ndarray, scoring: ScoringConfig = SCORING) -> Normal:
    """Returns what is normal for a signal of good parts, (n, grid, grid, channels), from its name."""
    share = scoring.bank_share(name)
    placed = NormalStatistics.fit(signal, scoring) if share < 1 else None
    banked = GoodBank.fit(signal, scoring) if share > 0 else None
    return PlacedAndBanked(placed, banked, share) if placed and banked else placed or banked


def coreset(vectors: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of at most `count` of the vectors (m, c), spread among them.

    Each is the farthest from those already taken (Sener and Savarese, ICLR 2018).
    """
    if len(vectors) <= count:
        return np.arange(len(vectors))
    known, asked = _factors(vectors, vectors)
    lengths = np.square(vectors).sum(axis=1)
    taken, nearest = [0], np.full(len(vectors), np.inf, vectors.dtype)
    while len(taken) < count:
        # These distances are squares, less `lengths`.
        np.minimum(nearest, known @ asked[:, taken[-1]], out=nearest)
        taken.append(int((nearest + lengths).argmax()))
    return np.array(taken)


def _nearest_squares(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the squared distance of each vector (m, c) to the nearest of others (n, c), shape (m,).

    Chunk after chunk, one product and its minimum, which stay in the processor's cache.
    """
    vectors, others = _factors(first, second)
    chunks = (vectors[start : start + CHUNK] for start in range(0, len(vectors), CHUNK))
    nearest = np.concatenate([(chunk @ others).min(axis=1) for chunk in chunks])
    return np.maximum(np.square(first).sum(axis=1) + nearest, 0)


def _factors(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the factors of the product (m, n) of which each value is |x - y|² - |x|²: (x, 1) and (-2y, |y|²)."""
    left = np.concatenate([first, np.ones_like(first[:, :1])], axis=1)
    return left, np.concatenate([-2 * second, np.square(second).sum(axis=1, keepdims=True)], axis=1).T


# --- Maps and scores -------------------------------------------------------------------------------------------------


def smooth(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Returns smoothed maps (n, grid, grid); `sigma` is in pixels of a 256-pixel image."""
    sigma = sigma * maps.shape[1] / SIDE
    return ndimage.gaussian_filter(maps, (0, sigma, sigma))


def fuse(maps: Mapping[str, np.ndarray], scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the weighted mean of the maps of signals, positive, (n, grid, grid)."""
    weights = {name: scoring.weight(name) for name in maps}
    if not any(weights.values()):
        weights = dict.fromkeys(maps, 1.0)  # what others would outweigh is all there is
    geometric = scoring.fusion == "geometric"
    if geometric:
        maps = {name: np.log(np.maximum(m, MIN_DISTANCE)) for name, m in maps.items()}
    mean = sum(weights[name] * m for name, m in maps.items()) / sum(weights.values())
    return np.exp(mean) if geometric else mean


def image_scores(maps: np.ndarray, scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the score of each map (n, grid, grid), shape (n,).

    It is the mean of its `top_fraction` highest cells, which one noisy cell hardly moves.
    """
    flat = maps.reshape(len(maps), -1)
    count = max(1, round(scoring.top_fraction * flat.shape[1]))
    return np.partition(flat, -count, axis=1)[:, -count:].mean(axis=1)


def enlarge(maps: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Returns maps (n, s, s) resized to (n, side, side), float32, bilinear."""
    size = (side, side)
    return np.stack([
        np.asarray(Image.fromarray(m.astype("float32")).resize(size, Image.Resampling.BILINEAR)) for m in maps
    ])
