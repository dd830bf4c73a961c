"""What an anomaly score is worth: how it ranks images, how its maps find defects, and at the price of how many alarms.

Scores are floats of shape (n,), higher = more abnormal; `is_defect` is bool of shape (n,). Maps are float32 of shape
(n, h, w), higher = more abnormal; masks are bool of the same shape, true on defects.

Every area under a curve is one closed form, exact, without a grid of thresholds. A detection rate is a weighted sum
over the scores u of the pixels (or images) to find, sum_u w_u [threshold <= u], so its area is that of each step:

    AU = sum_u w_u G(u),    G(u) = limit - (a + b) / 2    where b <= limit (see `areas_added`),

a and b being the shares of the normal ones strictly above u, and at or above u. The pixel AUROC weighs all abnormal
pixels alike, up to a false-positive rate of 1. AU-sPRO weighs each defect alike and, within it, only its `saturation`
highest pixels, by 1/saturation: min(found / saturation, 1) is their found share. AU-PRO is AU-sPRO with connected
components as defects and their whole areas as saturation.

An example of four points: two defects score 4 and 2, two good parts 3 and 1. No good part is above the first, so that
G(4) = 1 - 0; half of them are above the second, and G(2) = 1 - 0.5. Each defect weighs 1/2:

    >>> float((0.5 * areas_added(np.array([0, 0.5]), np.array([0, 0.5]), limit=1)).sum())
    0.75
    >>> image_auroc(np.array([4.0, 2, 3, 1]), np.array([True, True, False, False]))
    0.75
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import label
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from commun import UserError, figures, results

PRO_LIMIT, SPRO_LIMIT = 0.3, 0.05  # false-positive rates up to which AU-PRO (MVTec AD) and AU-sPRO (AutoVI) go
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
# Shares of the normal pixels below the edges of the bootstrap's bins. They close up towards the top, which the limits
# above read: a bin that is narrow for its distance to the top errs little.
BINS = np.concatenate([np.linspace(0, 0.7, 300), 1 - np.geomspace(0.3, 1e-7, 1200), [1]])
CHUNK = 200  # bootstrap draws handled at once


# --- Images ----------------------------------------------------------------------------------------------------------


def image_auroc(scores: np.ndarray, is_defect: np.ndarray) -> float:
    """Returns the probability that a defect scores higher than a good image, ties counted half.

    Raises:
        UserError: as the other functions of images: a score is not finite, the shapes differ, or one kind is missing.
    """
    return float(roc_auc_score(*_both_kinds(scores, is_defect)))


def auroc(good: np.ndarray, bad: np.ndarray) -> float:
    """Returns `image_auroc` of the scores of good images and of defects, NaN where there are none of either."""
    if not len(good) or not len(bad):
        return math.nan
    return image_auroc(np.concatenate([good, bad]), np.repeat([False, True], [len(good), len(bad)]))


def image_ap(scores: np.ndarray, is_defect: np.ndarray) -> float:
    """Returns the average precision: the mean precision at the scores of the defects, without interpolation."""
    return float(average_precision_score(*_both_kinds(scores, is_defect)))


def f1(scores: np.ndarray, is_defect: np.ndarray, threshold: float) -> float:
    """Returns the F1 of "defect when score > threshold"."""
    is_defect, scores = _both_kinds(scores, is_defect)
    return float(f1_score(is_defect, scores > threshold))


def curves(scores: np.ndarray, is_defect: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the ROC curve: false-positive rates, detection rates, and the thresholds (score >= threshold)."""
    return roc_curve(*_both_kinds(scores, is_defect))


def false_alarm_threshold(good_scores: np.ndarray, rate: float) -> float:
    """Returns the threshold above which lie at most floor(rate * n) of n good scores.

    An image is rejected when its score > threshold, so it is the score of rank
    floor(rate * n) + 1, from the highest; with ties, fewer are rejected.

    Args:
        good_scores: of images that the models did not train on (out-of-fold), shape (n,).
        rate: share of good images that may be rejected, from 1/n to less than 1.

    Raises:
        UserError: the rate is out of these bounds, or a score is not finite.
    """
    good_scores = _finite_scores(good_scores)
    n = len(good_scores)
    _check_rate(rate, n)
    allowed = math.floor(rate * n + 1e-9)  # 0.29 * 100 is 28.999999999999996
    return float(np.sort(good_scores)[n - 1 - allowed])


# --- Pixels ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Region:
    """One defect of one image; anything with these attributes will do, and the regions of an image may overlap.

    Attributes:
        image: index of the image.
        pixels: flat indices of its pixels in the (h, w) map, shape (p,).
        saturation: how many of its pixels must be found for it to count as fully found, 1 or more.
    """

    image: int
    pixels: np.ndarray
    saturation: int


def regions(masks: np.ndarray) -> list[Region]:
    """Returns the connected components of masks (pixels that touch by a side or a corner), saturated at their areas."""
    components = []
    for image in np.flatnonzero(masks.any(axis=(1, 2))):
        inside = np.flatnonzero(masks[image])
        names = label(masks[image], structure=EIGHT_NEIGHBOURS)[0].ravel()[inside]
        ends = np.cumsum(np.bincount(names)[1:])
        pieces = np.split(inside[np.argsort(names, kind="stable")], ends[:-1])
        components += [Region(int(image), pixels, len(pixels)) for pixels in pieces]
    return components


def pixel_auroc(maps: np.ndarray, masks: np.ndarray) -> float:
    """Returns the probability that an abnormal pixel scores higher than a normal one, ties counted half.

    Exact; memory holds one copy of the normal pixels.

    Raises:
        UserError: as the other functions of pixels: shapes differ, a value is not finite, no normal or abnormal pixel.
    """
    maps, masks = _matching(maps, masks)
    return _pixel_curve(maps, masks).area(_sorted_values(maps, ~masks))


def au_pro(maps: np.ndarray, masks: np.ndarray, limit: float = PRO_LIMIT) -> float:
    """Returns the AU-PRO: the area under the mean share found of each component.

    Up to a false-positive rate, `limit`, and divided by it: in 0..1. Bergmann et al.,
    "The MVTec Anomaly Detection Dataset" (IJCV 129, 2021).
    """
    maps, masks = _matching(maps, masks)
    return au_spro(maps, regions(masks), ~masks, limit=limit)


def au_spro(
    maps: np.ndarray,
    regions: Sequence[Region],
    normal: np.ndarray,
    *,
    limit: float = SPRO_LIMIT,
) -> float:
    """Returns the AU-sPRO: the area under the mean saturated share found of each defect.

    Bergmann et al., "Beyond Dents and Scratches" (IJCV 130, 2022), as AutoVI's code.

    Args:
        maps: shape (n, h, w).
        regions: the defects of all images.
        normal: bool of shape (n, h, w), what no mask covers, good images included.
        limit: the false-positive rate up to which it goes, in 0..1.
    """
    maps, normal = _matching(maps, normal)
    return _Curve.of(maps, regions, limit).area(_sorted_values(maps, normal))


@dataclasses.dataclass(frozen=True)
class _Curve:
    """A detection rate against the false-positive rate: the mean over r regions, by `weights`, of their sPRO.

    Attributes:
        images: shape (r,).
        tops: the `saturation` highest scores of each region, ascending.
        saturations: shape (r,).
        weights: shape (r,).
        limit: the highest false-positive rate.
    """

    images: np.ndarray
    tops: list[np.ndarray]
    saturations: np.ndarray
    weights: np.ndarray
    limit: float

    @classmethod
    def of(cls, maps: np.ndarray, regions: Sequence[Region], limit: float) -> _Curve:
        if not regions:
            raise UserError("Aucun défaut n'a de masque : les mesures par pixel demandent au moins un masque non vide.")
        for number, region in enumerate(regions):
            if not len(region.pixels) or region.saturation < 1:
                raise UserError(
                    f"Le défaut n° {number}, de l'image {region.image}, n'a aucun pixel, ou une aire de saturation "
                    "nulle. Vérifiez son masque et, pour AutoVI, defects_config.json."
                )
        tops = [np.sort(maps[r.image].ravel()[r.pixels])[-int(r.saturation) :] for r in regions]
        images, saturations = (np.array([getattr(r, name) for r in regions]) for name in ("image", "saturation"))
        return cls(images, tops, saturations, np.ones(len(regions)), limit)

    def area(self, normal: np.ndarray) -> float:
        """Returns the exact area, over the limit, given the sorted scores of the normal pixels."""
        scores = np.concatenate(self.tops)
        above, at_or_above = (1 - np.searchsorted(normal, scores, side) / len(normal) for side in ("right", "left"))
        shares = np.repeat(self.weights / self.saturations, [len(top) for top in self.tops])
        return float(shares @ areas_added(above, at_or_above, self.limit) / self.weights.sum() / self.limit)

    def tables(self, edges: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns what each of `count` images adds to the mean: weight found by bin (count, b), weight (count,)."""
        found = np.zeros((count, len(edges) + 1))
        for image, top, share in zip(self.images, self.tops, self.weights / self.saturations, strict=True):
            found[image] += share * _histogram(top, edges)
        return found, np.bincount(self.images, self.weights, count)


def _pixel_curve(maps: np.ndarray, masks: np.ndarray) -> _Curve:
    """The ROC curve of pixels: what abnormal pixels an image has is one region, weighed by its area."""
    covered = enumerate(map(np.flatnonzero, masks))
    curve = _Curve.of(maps, [Region(image, pixels, len(pixels)) for image, pixels in covered if len(pixels)], 1.0)
    return dataclasses.replace(curve, weights=curve.saturations.astype("float64"))


def areas_added(above: np.ndarray, at_or_above: np.ndarray, limit: float) -> np.ndarray:
    """Returns the area that each score adds to a detection curve, up to a limit.

    It is the area under [threshold <= score], against the false-positive rate: 0 up to
    the share of normal ones strictly `above` the score, 1 from the share `at_or_above`
    it, and between the two a segment, as between all points of a ROC curve:

                       _______ 1
        0 ____________/       |
                 above  at    limit
    """
    width = np.where(at_or_above > above, at_or_above - above, 1.0)
    cut = np.square(np.maximum(limit - above, 0)) / (2 * width)  # on the segment
    return np.where(at_or_above <= limit, limit - (above + at_or_above) / 2, cut)


# --- Intervals -------------------------------------------------------------------------------------------------------


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
    scores, is_defect = _same_length(scores, is_defect)
    measures = {}
    if is_defect.any() and not is_defect.all():
        measures |= _with_intervals(_image_metrics(scores, is_defect, threshold), (is_defect, ~is_defect), draws)
    if maps is not None and masks is not None:
        maps, masks = _matching(maps, masks)
        _same_length(scores, masks.any(axis=(1, 2)))
        used = ~without_mask(is_defect, masks)
        normal = ~masks & used[:, None, None]
        if masks.any() and normal.any():
            of_pixels = _pixel_metrics(maps, masks, normal, [r for r in defects or () if used[r.image]])
            measures |= _with_intervals(of_pixels, (is_defect & used, ~is_defect), draws)
    return measures


_Metrics = tuple[dict[str, float], Callable[[np.ndarray], dict[str, np.ndarray]]]


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
    curves = {"pixel_auroc": _pixel_curve(maps, masks), "au_pro": _Curve.of(maps, regions(masks), PRO_LIMIT)}
    if defects:
        curves["au_spro"] = _Curve.of(maps, defects, SPRO_LIMIT)
    background = _sorted_values(maps, normal)
    values = {name: curve.area(background) for name, curve in curves.items()}
    edges = np.unique(background[np.round(BINS * (len(background) - 1)).astype(int)])
    del background
    false = np.stack([_histogram(np.sort(scores[rows]), edges) for scores, rows in zip(maps, normal, strict=True)])
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


def _histogram(ascending: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts sorted scores by bin, shape (b + 1,): up to each edge, from the one before; then above the last edge."""
    return np.diff(np.searchsorted(ascending, edges, side="right"), prepend=0, append=len(ascending))


def _from_the_top(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]


def _binned_area(false: np.ndarray, found: np.ndarray, total: np.ndarray, limit: float) -> np.ndarray:
    """Returns areas over `limit`, shape (d,), of draws whose scores are counted by bin, (d, b): a bin is one score."""
    at_or_above = _from_the_top(false)
    with np.errstate(invalid="ignore"):  # a draw without normal or abnormal pixels is undefined, and left out
        above, at_or_above = ((counts / at_or_above[:, :1]) for counts in (at_or_above - false, at_or_above))
        return (found * areas_added(above, at_or_above, limit)).sum(axis=1) / total / limit


# --- What is refused -------------------------------------------------------------------------------------------------


def _check_rate(rate: float, n: int) -> None:
    """Refuses a rate of false alarms of which the scores of n good images say nothing."""
    if n < 2:
        raise UserError(f"Il faut les scores d'au moins deux bonnes images pour fixer un seuil ({n} donnée).")
    if not 0 < rate < 1 or rate * n + 1e-9 < 1:
        least = math.ceil(1e4 / n) / 1e4
        raise UserError(
            f"Un taux de fausses alertes de {figures.percent(rate, 2)} ne se règle pas sur {n} bonnes images : le plus "
            f"petit taux admissible est 1/{n}, soit {figures.percent(least, 2)}, et il reste sous "
            f"{figures.percent(1, 0)}. Demandez un taux entre les deux."
        )


def _finite_scores(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, "float64")
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise UserError(
            f"{len(wrong)} score(s) d'anomalie ne sont pas des nombres finis (le premier : image {wrong[0]}). "
            "L'entraînement a sans doute divergé : refaites-le avec un pas plus petit."
        )
    return scores


def _same_length(scores: np.ndarray, is_defect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, is_defect = _finite_scores(scores), np.asarray(is_defect, bool)
    if scores.ndim != 1 or scores.shape != is_defect.shape:
        raise UserError(
            f"Un score, une étiquette et une carte par image sont attendus : formes {scores.shape} et "
            f"{is_defect.shape}. Recalculez les scores sur les images mesurées."
        )
    return scores, is_defect


def _both_kinds(scores: np.ndarray, is_defect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `is_defect` and `scores`, in scikit-learn's order."""
    scores, is_defect = _same_length(scores, is_defect)
    if is_defect.all() or not is_defect.any():
        raise UserError(
            f"Cette mesure demande des images bonnes et des images à défaut : {(~is_defect).sum()} bonne(s) et "
            f"{is_defect.sum()} à défaut ici. Complétez la part de test."
        )
    return is_defect, scores


def _matching(maps: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    maps, masks = np.asarray(maps), np.asarray(masks, bool)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise UserError(
            f"Cartes et masques ont des formes différentes : {maps.shape} et {masks.shape}. Une carte (h, w) et un "
            "masque de même taille sont attendus pour chaque image."
        )
    if not np.isfinite(maps).all():
        first = int(np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))[0])
        raise UserError(
            f"La carte de l'image {first} contient des valeurs qui ne sont pas des nombres finis. Refaites les cartes."
        )
    return maps, masks


def _sorted_values(maps: np.ndarray, where: np.ndarray) -> np.ndarray:
    values = maps[where]
    if not len(values):
        raise UserError("Aucun pixel normal : les mesures par pixel demandent des pixels qu'aucun masque ne couvre.")
    values.sort()
    return values
