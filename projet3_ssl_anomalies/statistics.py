"""From error maps to scores: statistics of normal errors, distances, smoothing, fusion, score of an image.

An error map says how badly each pixel was predicted. Some pixels are hard for every part (an edge, a reflection):
errors are therefore compared with those that models make on good parts they have never seen. The constants were
chosen on synthetic defects: see `ablation`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy import ndimage

from projet3_ssl_anomalies.dataset import SIDE

MIN_DISTANCE = 1e-3  # distance under which all are alike in a geometric mean
MIN_VARIANCE = 1e-8  # that errors have at least: (0.005 units of CIELAB)^2


@dataclasses.dataclass(frozen=True)
class ScoringConfig:
    """The constants of scoring.

    Attributes:
        error_sigma: standard deviation of the Gaussian that smooths errors, in pixels of a 256-pixel image.
        map_sigma: the same, for their distances: a defect is larger than the pixels that betray it.
        top_fraction: share of the pixels, the most abnormal, whose mean is the score of the image.
        shrinkage: how many images' worth of the global variances is added to the covariance of each pixel.
        weights: weight of each task in the fusion; 1 for a task that is not named.
        fusion: "arithmetic", or "geometric": a mean that is high only where the tasks agree.
    """

    error_sigma: float = 2.0
    map_sigma: float = 4.0
    top_fraction: float = 0.001
    shrinkage: float = 2.0
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    fusion: str = "arithmetic"


SCORING = ScoringConfig()


@dataclasses.dataclass(frozen=True)
class NormalStatistics:
    """What errors are on good parts.

    Attributes:
        mean: of each pixel, float32 of shape (side, side, channels).
        whitening: inverse of the Cholesky factor of the covariance of each pixel, float32 of shape
            (side, side, channels, channels): it turns usual errors into independent ones of
            variance 1.
    """

    mean: np.ndarray
    whitening: np.ndarray

    def distances(self, errors: np.ndarray) -> np.ndarray:
        """Returns how unusual errors (..., side, side, channels) are: (..., side, side).

        It is the Mahalanobis distance over the square root of the number of channels:
        about 1 on a good part.
        """
        centred = errors - self.mean
        white = np.einsum("hwij,...hwj->...hwi", self.whitening, centred, optimize=True)
        return np.sqrt(np.mean(np.square(white), axis=-1))


def normal_statistics(
    errors: np.ndarray, *, aligned: bool, scoring: ScoringConfig = SCORING
) -> NormalStatistics:
    """Returns the statistics of smoothed errors of good parts, (n, side, side, channels).

    Each pixel has its own, for aligned parts; its covariance is shrunk towards the
    global variances, for n is small. Otherwise a pixel has no meaning of its own, and
    all of them get the global mean and variances. The global correlations are left out:
    those between surfaces of several colours say nothing of any of them.
    """
    n = len(errors)
    global_mean, global_square = (moment.mean(axis=0) for moment in _moments(errors))
    if not aligned:
        return _position_free_statistics(global_mean, global_square, errors.shape[1:])
    mean = errors.mean(axis=0, dtype="float64")
    centred = errors - mean
    scatter = np.einsum("nhwi,nhwj->hwij", centred, centred, optimize=True)
    target = np.diag(global_square - global_mean**2)
    covariance = (scatter + scoring.shrinkage * target) / (n + scoring.shrinkage)
    return _whitened(mean, covariance)


def left_out_distances(errors: np.ndarray, *, aligned: bool, scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the distances of errors (n, ...), n at least 2, each by the statistics of the n - 1 others: (n, h, w).

    Otherwise each would weigh in its own mean, and good parts would look better than they are. For aligned parts, the
    distance to the others is known from the one to all (Sherman and Morrison, 1950), the global variances being those
    of all of them.
    """
    n, shape = len(errors), errors.shape[1:]
    if not aligned:
        moments = _moments(errors)
        sums = [moment.sum(axis=0) for moment in moments]
        others = ([(total - m[row]) / (n - 1) for total, m in zip(sums, moments, strict=True)] for row in range(n))
        pairs = zip(others, errors, strict=True)
        return np.stack([_position_free_statistics(*other, shape).distances(error) for other, error in pairs])
    statistics = normal_statistics(errors, aligned=True, scoring=scoring)
    to_all = statistics.distances(errors).astype("float64")
    weight, ratio = n + scoring.shrinkage, n / (n - 1)
    part = shape[-1] * to_all**2 / weight
    return (to_all * ratio * np.sqrt((1 - 1 / weight) / np.maximum(1 - ratio * part, 1e-6))).astype("float32")


def smooth(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Returns smoothed maps (n, side, side) or (n, side, side, channels); `sigma` is that of a 256-pixel image."""
    sigma = sigma * maps.shape[1] / SIDE
    return np.stack([ndimage.gaussian_filter(m, (sigma, sigma, 0)[: m.ndim]) for m in maps])


def anomaly_maps(errors: np.ndarray, statistics: NormalStatistics, scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the maps of a task, (n, side, side): errors smoothed, their distances, smoothed too."""
    return smooth(statistics.distances(smooth(errors, scoring.error_sigma)), scoring.map_sigma)


def cross_validated_maps(
    good: np.ndarray, bad: np.ndarray, *, aligned: bool, scoring: ScoringConfig = SCORING
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the maps of good images, each judged by the others, and of bad ones, from the errors of a task.

    Args:
        good: out-of-fold errors, (n, side, side, channels), before any smoothing.
        bad: those of images with a defect, (m, side, side, channels).
        aligned: whether each pixel has its own statistics.
        scoring: constants.

    Returns:
        Float32 arrays of shapes (n, side, side) and (m, side, side).
    """
    smoothed = smooth(good, scoring.error_sigma)
    statistics = normal_statistics(smoothed, aligned=aligned, scoring=scoring)
    distances = left_out_distances(smoothed, aligned=aligned, scoring=scoring)
    return smooth(distances, scoring.map_sigma), anomaly_maps(bad, statistics, scoring)


def fuse(maps: Mapping[str, np.ndarray], scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the weighted mean of the maps of the tasks, positive, (n, side, side)."""
    weights = {task: scoring.weights.get(task, 1.0) for task in maps}
    geometric = scoring.fusion == "geometric"
    if geometric:
        maps = {task: np.log(np.maximum(m, MIN_DISTANCE)) for task, m in maps.items()}
    mean = sum(weights[task] * m for task, m in maps.items()) / sum(weights.values())
    return np.exp(mean) if geometric else mean


def image_scores(maps: np.ndarray, scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the score of each map (n, side, side), shape (n,).

    It is the mean of its `top_fraction` highest pixels, which one noisy pixel hardly
    moves.
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


def _moments(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of each channel of each image, and that of its squares, both of shape (n, channels)."""
    return errors.mean(axis=(1, 2), dtype="float64"), np.square(errors, dtype="float64").mean(axis=(1, 2))


def _position_free_statistics(mean: np.ndarray, square: np.ndarray, shape: tuple[int, ...]) -> NormalStatistics:
    """Returns the statistics that all pixels share, from the means and mean squares of the channels."""
    return _whitened(np.broadcast_to(mean, shape), np.diag(square - mean**2))


def _whitened(mean: np.ndarray, covariance: np.ndarray) -> NormalStatistics:
    """Returns the statistics of a mean (side, side, channels) and of a covariance, of each pixel or of all of them."""
    whitening = np.linalg.inv(np.linalg.cholesky(covariance + MIN_VARIANCE * np.eye(mean.shape[-1])))
    whitening = np.broadcast_to(whitening, (*mean.shape, mean.shape[-1]))
    return NormalStatistics(mean.astype("float32"), whitening.astype("float32"))
