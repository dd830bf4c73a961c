"""The measures of project 3 against their definitions by brute force, at their limits, and what they refuse."""

from __future__ import annotations

import doctest
import types

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import gaussian_filter
from sklearn.metrics import auc, roc_auc_score

from commun import UserError
from projet3_ssl_anomalies import metrics, tables
from projet3_ssl_anomalies.metrics import Region


def _scores(seed: int, *, levels: int = 6, count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and what is a defect."""
    random = np.random.default_rng(seed)
    is_defect = np.arange(count) % 3 > 0
    return np.round(random.normal(size=count) * levels / 4 + is_defect, 0), is_defect


def _small(seed: int, *, levels: int) -> tuple[np.ndarray, np.ndarray, list[Region]]:
    """Maps (5, 6, 7) with ties, masks, and defects that overlap, each with a saturation area of its own."""
    random = np.random.default_rng(seed)
    masks = np.zeros((5, 6, 7), bool)
    defects = []
    for image, (y, x), (h, w), saturation in (
        (1, (0, 0), (3, 4), 5),
        (1, (2, 2), (3, 3), 9),
        (2, (4, 1), (2, 2), 1),
        (4, (1, 1), (4, 5), 7),
    ):
        one = np.zeros((6, 7), bool)
        one[y : y + h, x : x + w] = True
        masks[image] |= one
        defects.append(Region(image, np.flatnonzero(one), saturation))
    masks[2, 0, 6] = True
    maps = random.integers(0, levels, masks.shape) + masks * random.integers(0, 1 + levels // 2, masks.shape)
    return maps.astype("float32"), masks, defects


def _realistic(good: int, bad: int, *, size: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth noise, lighter on each defective image in a rectangle and a corner; returns maps, masks, defects."""
    random = np.random.default_rng(seed)
    is_defect = np.arange(good + bad) >= good
    masks = np.zeros((good + bad, size, size), bool)
    for mask in masks[good:]:
        y, x, h, w = random.integers(3, size // 2, 4)
        mask[y : y + h, x : x + w] = mask[-1, :2] = True
    noise = random.normal(size=masks.shape) + masks * random.normal(0.3, 0.2, (len(masks), 1, 1))
    return gaussian_filter(noise, (0, 2, 2)).astype("float32"), masks, is_defect


def _brute_area(maps: np.ndarray, defects: list[Region], normal: np.ndarray, limit: float) -> float:
    """The area under mean sPRO, threshold by threshold, by trapezoids, the last one cut at the limit."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        found = maps >= threshold
        shares = [min(found[d.image].ravel()[d.pixels].sum() / d.saturation, 1) for d in defects]
        points.append(((found & normal).sum() / normal.sum(), sum(shares) / len(shares)))
    area = 0.0
    for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
        if x1 > limit:
            y1 = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            x1 = limit
        area += (x1 - x0) * (y0 + y1) / 2
        if x1 == limit:
            break
    return area / limit


# --- Images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 4, 400])
def test_image_metrics_follow_their_definitions(levels: int) -> None:
    scores, is_defect = _scores(0, levels=levels)
    pairs = [(b > g) + 0.5 * (b == g) for b in scores[is_defect] for g in scores[~is_defect]]
    assert metrics.image_auroc(scores, is_defect) == pytest.approx(np.mean(pairs))
    assert metrics.auroc(scores[~is_defect], scores[is_defect]) == pytest.approx(np.mean(pairs))
    assert np.isnan(metrics.auroc(scores[~is_defect], scores[:0]))
    ap, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        rejected = scores >= threshold
        recall = (rejected & is_defect).sum() / is_defect.sum()
        ap, before = ap + (recall - before) * is_defect[rejected].mean(), recall
    assert metrics.image_ap(scores, is_defect) == pytest.approx(ap)
    rejected = scores > 0.5
    precision, recall = is_defect[rejected].mean(), rejected[is_defect].mean()
    assert metrics.f1(scores, is_defect, 0.5) == pytest.approx(2 * precision * recall / (precision + recall))
    false, found, thresholds = metrics.curves(scores, is_defect)
    assert auc(false, found) == pytest.approx(np.mean(pairs))
    assert found[-1] == false[-1] == 1 and (np.diff(thresholds) < 0).all()


def test_a_score_at_the_threshold_is_accepted() -> None:
    assert metrics.f1(np.array([0.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]), 2.0) == pytest.approx(2 / 3)


# --- Thresholds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [4, 10**6])
@pytest.mark.parametrize("rate", [1 / 100, 0.015, 0.05, 0.29, 0.5, 0.999])
def test_the_threshold_is_the_smallest_at_the_rate_asked(levels: int, rate: float) -> None:
    good = np.random.default_rng(1).integers(0, levels, 100).astype("float64")
    allowed = {1 / 100: 1, 0.015: 1, 0.05: 5, 0.29: 29, 0.5: 50, 0.999: 99}[rate]
    threshold = metrics.false_alarm_threshold(good, rate)
    assert (good > threshold).sum() <= allowed < (good > np.nextafter(threshold, -np.inf)).sum()


@pytest.mark.parametrize("rate", [0.0, 0.004, -1.0, 1.0, 5.0, float("nan")])
def test_a_rate_that_the_images_cannot_give_is_refused_with_the_smallest_one(rate: float) -> None:
    good = np.arange(209.0)
    with pytest.raises(UserError, match="1/209, soit 0,48\u00a0%"):
        metrics.false_alarm_threshold(good, rate)
    assert metrics.false_alarm_threshold(good, 0.0048) == 207  # what the message offers is accepted


def test_too_few_or_undefined_good_scores_are_refused() -> None:
    for scores in ([], [1.0]):
        with pytest.raises(UserError, match="au moins deux"):
            metrics.false_alarm_threshold(np.array(scores), 0.5)
    with pytest.raises(UserError, match="finis"):
        metrics.false_alarm_threshold(np.array([1.0, np.nan, 2.0]), 0.5)


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (13, 20), (20, 20), (3, 209)])
def test_the_binomial_interval_is_that_of_clopper_and_pearson(k: int, n: int) -> None:
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert tables.binomial_interval(k, n) == pytest.approx([expected.low, expected.high])


# --- Pixels ----------------------------------------------------------------------------------------------------------


def test_regions_touch_by_their_corners_and_share_out_the_masks() -> None:
    masks = np.zeros((3, 5, 6), bool)
    masks[1, [0, 1, 2], [0, 1, 2]] = True
    masks[1, 0, 4:] = masks[1, 4, 4:] = True
    masks[2, 3, 3] = True
    found = metrics.regions(masks)
    assert [(r.image, r.saturation) for r in found] == [(1, 3), (1, 2), (1, 2), (2, 1)]
    assert [r.pixels.tolist() for r in found] == [[0, 7, 14], [4, 5], [28, 29], [21]]
    assert metrics.regions(np.zeros((2, 4, 4), bool)) == []
    assert [r.saturation for r in metrics.regions(np.ones((1, 4, 4), bool))] == [16]


@pytest.mark.parametrize("levels", [2, 5, 60, 10**6])
@pytest.mark.parametrize("seed", range(3))
def test_pixel_metrics_follow_their_definitions(levels: int, seed: int) -> None:
    maps, masks, defects = _small(seed, levels=levels)
    assert metrics.pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))
    for limit in (0.013, 0.05, 0.3, 1.0):
        expected = _brute_area(maps, metrics.regions(masks), ~masks, limit)
        assert metrics.au_pro(maps, masks, limit) == pytest.approx(expected)
        expected = _brute_area(maps, defects, ~masks, limit)
        assert metrics.au_spro(maps, defects, ~masks, limit=limit) == pytest.approx(expected)


def test_one_region_of_whole_saturation_is_a_roc_curve() -> None:
    maps, masks, _ = _realistic(2, 1)
    masks[:, -1] = False
    assert len(metrics.regions(masks)) == 1
    assert metrics.au_pro(maps, masks, 1.0) == pytest.approx(metrics.pixel_auroc(maps, masks))
    partial = roc_auc_score(masks.ravel(), maps.ravel(), max_fpr=0.3)  # standardised by McClish's formula
    least = 0.3**2 / 2
    assert metrics.au_pro(maps, masks) * 0.3 == pytest.approx(least + (2 * partial - 1) * (0.3 - least))


def test_saturation_asks_for_less() -> None:
    maps, masks, defects = _small(0, levels=60)
    whole = [Region(d.image, d.pixels, len(d.pixels)) for d in defects]
    areas = [metrics.au_spro(maps, found, ~masks, limit=0.3) for found in (defects, whole)]
    assert areas[0] > areas[1] + 0.01


@pytest.mark.parametrize(("sign", "expected"), [(1, 1.0), (-1, 0.0)])
def test_perfect_and_worst_maps(sign: int, expected: float) -> None:
    maps, masks, defects = _small(0, levels=9)
    maps = sign * (maps + 100 * masks)
    assert metrics.pixel_auroc(maps, masks) == expected
    assert metrics.au_pro(maps, masks) == pytest.approx(expected)
    assert metrics.au_spro(maps, defects, ~masks) == pytest.approx(expected)


def test_constant_maps_know_nothing() -> None:
    maps, masks, defects = _small(0, levels=1)
    flat = np.zeros_like(maps)
    assert metrics.pixel_auroc(flat, masks) == 0.5
    assert metrics.au_pro(flat, masks) == pytest.approx(metrics.PRO_LIMIT / 2)
    whole = [Region(d.image, d.pixels, len(d.pixels)) for d in defects]
    assert metrics.au_spro(flat, whole, ~masks) == pytest.approx(metrics.SPRO_LIMIT / 2)


def test_the_examples_of_the_documentation_are_right() -> None:
    assert doctest.testmod(metrics) == (0, 2)


def test_any_object_with_the_attributes_of_a_region_will_do() -> None:
    maps, masks, defects = _small(0, levels=9)
    others = [types.SimpleNamespace(image=d.image, pixels=d.pixels.tolist(), saturation=d.saturation) for d in defects]
    assert metrics.au_spro(maps, others, ~masks) == metrics.au_spro(maps, defects, ~masks)


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_undefined_scores_are_refused(wrong: float) -> None:
    scores, is_defect = _scores(0)
    scores[7] = wrong
    for function in (metrics.image_auroc, metrics.image_ap, metrics.curves):
        with pytest.raises(UserError, match="image 7"):
            function(scores, is_defect)
    maps, masks, _ = _small(0, levels=9)
    maps[3, 2, 1] = wrong
    for function in (metrics.pixel_auroc, metrics.au_pro):
        with pytest.raises(UserError, match="image 3"):
            function(maps, masks)


def test_shapes_that_differ_are_refused() -> None:
    maps, masks, defects = _small(0, levels=9)
    scores, is_defect = np.arange(5.0), np.arange(5) > 2
    with pytest.raises(UserError, match="formes"):
        metrics.image_auroc(scores[1:], is_defect)
    for function in (metrics.pixel_auroc, metrics.au_pro):
        with pytest.raises(UserError, match="formes différentes"):
            function(maps, masks[:, :5])
    with pytest.raises(UserError, match="formes différentes"):
        metrics.au_spro(maps, defects, ~masks[:4])


def test_what_has_nothing_to_measure_is_refused() -> None:
    maps, masks, _ = _small(0, levels=9)
    for missing in (np.zeros(5, bool), np.ones(5, bool)):
        with pytest.raises(UserError, match="images bonnes et des images à défaut"):
            metrics.image_auroc(np.arange(5.0), missing)
    for function in (metrics.pixel_auroc, metrics.au_pro):
        with pytest.raises(UserError, match="Aucun défaut"):
            function(maps, np.zeros_like(masks))
        with pytest.raises(UserError, match="Aucun pixel normal"):
            function(maps, np.ones_like(masks))
    for useless in (Region(1, np.arange(4), 0), Region(1, np.arange(0), 1)):
        with pytest.raises(UserError, match="aire de saturation nulle"):
            metrics.au_spro(maps, [useless], ~masks)
