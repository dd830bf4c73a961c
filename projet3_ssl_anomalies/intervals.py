"""The metrics of a method with their intervals, and what it gains over another on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from commun import results
from projet3_ssl_anomalies.metrics import (
    PRO_LIMIT,
    SPRO_LIMIT,
    Curve,
    Region,
    areas_added,
    f1,
    histogram,
    image_ap,
    image_auroc,
    matching,
    pixel_curve,
    regions,
    same_length,
    sorted_values,
)

# Shares of the normal pixels below the edges of the bootstrap's bins. They close up towards the top, which the limits
# above read: a bin that is narrow for its distance to the top errs little.
BINS = np.concatenate([np.linspace(0, 0.7, 300), 1 - np.geomspace(0.3, 1e-7, 1200), [1]])
CHUNK = 200  # bootstrap draws handled at once


def without_mask(is_defect: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Tells which images have a defect that no mask shows, bool of shape (n,): pixel metrics leave them out."""
    return np.asarray(is_defect, bool) & ~masks.any(axis=(1, 2))


def measure(
    scores: np.ndarray,
    is_defect: np.ndarray,
    *,
    maps: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    defects: Sequence[Region] | None = None,
    threshold: float | None = None,
    draws: int = results.DRAWS,
) -> dict[str, dict]:
    """Returns all metrics that can be computed, with percentile bootstrap intervals over images, good and bad apart.

    Values are exact. Intervals of pixel metrics come from histograms of 1,500 bins (areas right to 1e-3, and
    to 1e-5 on hundreds of maps); an interval that would leave its value out is widened to it.

    Args:
        scores: shape (n,).
        is_defect: shape (n,).
        maps: shape (n, h, w), for the pixel metrics, together with `masks`.
        masks: shape (n, h, w), all that is abnormal.
        defects: the defects one by one, with their saturation areas, for `au_spro`.
        threshold: images that score more are rejected, for `image_f1`.
        draws: bootstrap draws.

    Returns:
        name -> {"value", "ci95": [low, high], "n": number of images}. `image_auroc`, `image_ap` and `image_f1` are
        absent where all images are good, or all bad; `pixel_auroc`, `au_pro` and `au_spro` where no pixel is abnormal,
        or none is normal. Pixel metrics leave out the images told by `without_mask`.

    Raises:
        UserError: shapes differ, or a value is not finite.
    """
    parts = _parts((scores, maps), is_defect, masks, defects, threshold)
    return {name: entry for part in parts for name, entry in _with_intervals(*part, draws).items()}


def differences(
    first: tuple[np.ndarray, np.ndarray | None],
    second: tuple[np.ndarray, np.ndarray | None],
    is_defect: np.ndarray,
    *,
    masks: np.ndarray | None = None,
    defects: Sequence[Region] | None = None,
    draws: int = results.DRAWS,
) -> dict[str, dict]:
    """Returns how much more the first of two methods is worth than the second, on the same images: see `measure`.

    The intervals are those of the difference, each draw of images being used for both.

    Args:
        first: its scores (n,), and maps (n, h, w) or None.
        second: the same.
        is_defect: shape (n,).
        masks: as for `measure`.
        defects: as for `measure`.
        draws: bootstrap draws.
    """
    pairs = zip(*(_parts(method, is_defect, masks, defects, None) for method in (first, second)), strict=True)
    gains = {}
    for (one, strata), (other, _) in pairs:
        values = {name: value - other[0][name] for name, value in one[0].items()}

        def resample(weights: np.ndarray, pair=(one[1], other[1])) -> dict[str, np.ndarray]:
            drawn, rival = (resample(weights) for resample in pair)
            return {name: drawn[name] - rival[name] for name in drawn}

        gains |= _with_intervals((values, resample), strata, draws)
    return gains


_Metrics = tuple[dict[str, float], Callable[[np.ndarray], dict[str, np.ndarray]]]


def _parts(
    method: tuple[np.ndarray, np.ndarray | None],
    is_defect: np.ndarray,
    masks: np.ndarray | None,
    defects: Sequence[Region] | None,
    threshold: float | None,
) -> list[tuple[_Metrics, tuple[np.ndarray, ...]]]:
    """Returns the metrics of images, then of pixels, where they can be computed, with the strata of their draws."""
    scores, maps = method
    scores, is_defect = same_length(scores, is_defect)
    parts = []
    if is_defect.any() and not is_defect.all():
        parts.append((_image_metrics(scores, is_defect, threshold), (is_defect, ~is_defect)))
    if maps is not None and masks is not None:
        maps, masks = matching(maps, masks)
        same_length(scores, masks.any(axis=(1, 2)))
        used = ~without_mask(is_defect, masks)
        normal = ~masks & used[:, None, None]
        if masks.any() and normal.any():
            of_pixels = _pixel_metrics(maps, masks, normal, [r for r in defects or () if used[r.image]])
            parts.append((of_pixels, (is_defect & used, ~is_defect)))
    return parts


def _image_metrics(scores: np.ndarray, is_defect: np.ndarray, threshold: float | None) -> _Metrics:
    """Returns the values, and a function from weights of images (d, n) to the d values of each."""
    values = {"image_auroc": image_auroc(scores, is_defect), "image_ap": image_ap(scores, is_defect)}
    if threshold is not None:
        values["image_f1"] = f1(scores, is_defect, threshold)
    order = np.argsort(scores)
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # equal scores are one bin

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        good, bad = (np.add.reduceat((weights * kind)[:, order], starts, axis=1) for kind in (~is_defect, is_defect))
        total, caught = bad.sum(axis=1), _from_the_top(bad)
        precision = caught / np.maximum(caught + _from_the_top(good), 1)
        drawn = {"image_auroc": _binned_area(good, bad, total, 1.0), "image_ap": (bad * precision).sum(axis=1) / total}
        if threshold is not None:
            rejected = scores > threshold
            drawn["image_f1"] = 2 * (weights @ (rejected & is_defect)) / (weights @ rejected + total)
        return drawn

    return values, resample


def _pixel_metrics(maps: np.ndarray, masks: np.ndarray, normal: np.ndarray, defects: Sequence[Region]) -> _Metrics:
    """Returns the same for pixels."""
    curves = {"pixel_auroc": pixel_curve(maps, masks), "au_pro": Curve.of(maps, regions(masks), PRO_LIMIT)}
    if defects:
        curves["au_spro"] = Curve.of(maps, defects, SPRO_LIMIT)
    background = sorted_values(maps, normal)
    values = {name: curve.area(background) for name, curve in curves.items()}
    edges = np.unique(background[np.round(BINS * (len(background) - 1)).astype(int)])
    del background
    false = np.stack([histogram(np.sort(scores[rows]), edges) for scores, rows in zip(maps, normal, strict=True)])
    tables = {name: curve.tables(edges, len(maps)) for name, curve in curves.items()}

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        alarms = weights @ false
        return {
            name: _binned_area(alarms, weights @ hits, weights @ total, curves[name].limit)
            for name, (hits, total) in tables.items()
        }

    return values, resample


def _with_intervals(metrics: _Metrics, strata: Sequence[np.ndarray], draws: int) -> dict[str, dict]:
    """Draws the images of each stratum (bool of shape (n,)) with replacement, as weights, `CHUNK` draws at a time."""
    (values, resample), rng = metrics, np.random.default_rng(0)
    drawn = []
    for start in range(0, draws, CHUNK):
        weights = np.zeros((min(CHUNK, draws - start), len(strata[0])))
        for stratum in filter(np.any, strata):
            count = stratum.sum()
            weights[:, stratum] = rng.multinomial(count, np.full(count, 1 / count), size=len(weights))
        drawn.append(resample(weights))
    measures = {}
    for name, value in values.items():
        low, high = np.nanpercentile(np.concatenate([part[name] for part in drawn]), [2.5, 97.5])
        interval = [float(min(low, value)), float(max(high, value))]
        measures[name] = {"value": value, "ci95": interval, "n": int(sum(stratum.sum() for stratum in strata))}
    return measures


def _from_the_top(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]


def _binned_area(false: np.ndarray, found: np.ndarray, total: np.ndarray, limit: float) -> np.ndarray:
    """Returns areas over `limit`, shape (d,), of draws whose scores are counted by bin, (d, b): a bin is one score."""
    at_or_above = _from_the_top(false)
    with np.errstate(invalid="ignore"):  # a draw without normal or abnormal pixels is undefined, and left out
        above, at_or_above = ((counts / at_or_above[:, :1]) for counts in (at_or_above - false, at_or_above))
        return (found * areas_added(above, at_or_above, limit)).sum(axis=1) / total / limit
