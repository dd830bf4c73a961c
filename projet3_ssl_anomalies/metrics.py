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
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import label
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from commun import UserError, figures

PRO_LIMIT, SPRO_LIMIT = 0.3, 0.05  # false-positive rates up to which AU-PRO (MVTec AD) and AU-sPRO (AutoVI) go
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


# --- Images ----------------------------------------------------------------------------------------------------------


def image_auroc(scores: np.ndarray, is_defect: np.ndarray) -> float:
    """Returns the probability that a defect scores higher than a good image, ties counted half.

    Raises:
        UserError: as the other functions of images: a score is not finite, the shapes differ, or one kind is missing.
    """
    return float(roc_auc_score(*_both_kinds(scores, is_defect)))


def auroc(good: np.ndarray, bad: np.ndarray) -> float:
    """Returns `image_auroc` of finite scores of good images and of defects, NaN where there are none of either.

    By ranks (Mann and Whitney), which are found fifty times as fast: the ablation asks for thousands.
    """
    if not len(good) or not len(bad):
        return math.nan
    above = rankdata(np.concatenate([good, bad]))[len(good) :].sum() - len(bad) * (len(bad) + 1) / 2
    return float(above / (len(good) * len(bad)))


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
    maps, masks = matching(maps, masks)
    return pixel_curve(maps, masks).area(sorted_values(maps, ~masks))


def au_pro(maps: np.ndarray, masks: np.ndarray, limit: float = PRO_LIMIT) -> float:
    """Returns the AU-PRO: the area under the mean share found of each component.

    Up to a false-positive rate, `limit`, and divided by it: in 0..1. Bergmann et al.,
    "The MVTec Anomaly Detection Dataset" (IJCV 129, 2021).
    """
    maps, masks = matching(maps, masks)
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
    maps, normal = matching(maps, normal)
    return Curve.of(maps, regions, limit).area(sorted_values(maps, normal))


@dataclasses.dataclass(frozen=True)
class Curve:
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
    def of(cls, maps: np.ndarray, regions: Sequence[Region], limit: float) -> Curve:
        """Returns the curve of maps (n, h, w) for these regions, of which none may be empty."""
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
            found[image] += share * histogram(top, edges)
        return found, np.bincount(self.images, self.weights, count)


def pixel_curve(maps: np.ndarray, masks: np.ndarray) -> Curve:
    """The ROC curve of pixels: what abnormal pixels an image has is one region, weighed by its area."""
    covered = enumerate(map(np.flatnonzero, masks))
    curve = Curve.of(maps, [Region(image, pixels, len(pixels)) for image, pixels in covered if len(pixels)], 1.0)
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


def histogram(ascending: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts sorted scores by bin, shape (b + 1,): up to each edge, from the one before; then above the last edge."""
    return np.diff(np.searchsorted(ascending, edges, side="right"), prepend=0, append=len(ascending))


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
            f"Scores d'anomalie qui ne sont pas des nombres finis : {len(wrong)} (le premier : image {wrong[0]}). "
            "L'entraînement a sans doute divergé : refaites-le avec un pas plus petit."
        )
    return scores


def same_length(scores: np.ndarray, is_defect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores as 64-bit floats and `is_defect` as booleans, or refuses them: not finite, or of other shapes."""
    scores, is_defect = _finite_scores(scores), np.asarray(is_defect, bool)
    if scores.ndim != 1 or scores.shape != is_defect.shape:
        raise UserError(
            f"Un score, une étiquette et une carte par image sont attendus : formes {scores.shape} et "
            f"{is_defect.shape}. Recalculez les scores sur les images mesurées."
        )
    return scores, is_defect


def _both_kinds(scores: np.ndarray, is_defect: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `is_defect` and `scores`, in scikit-learn's order."""
    scores, is_defect = same_length(scores, is_defect)
    if is_defect.all() or not is_defect.any():
        raise UserError(
            f"Cette mesure demande des images bonnes et des images à défaut ; il y en a ici {(~is_defect).sum()} sans "
            f"défaut et {is_defect.sum()} avec. Complétez la part de test."
        )
    return is_defect, scores


def matching(maps: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns maps and masks as arrays, or refuses them: not finite, or of other shapes."""
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


def sorted_values(maps: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns the values of maps where a mask says so, ascending; refuses an empty mask."""
    values = maps[where]
    if not len(values):
        raise UserError("Aucun pixel normal : les mesures par pixel demandent des pixels qu'aucun masque ne couvre.")
    values.sort()
    return values
