"""Metrics with their intervals: exact values, draws that agree with them, and what a method gains over another."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from test_projet3_metrics import _realistic, _scores, _small

from commun import UserError
from projet3_ssl_anomalies import intervals, metrics
from projet3_ssl_anomalies.metrics import Region

IMAGE_METRICS, PIXEL_METRICS = {"image_auroc", "image_ap"}, {"pixel_auroc", "au_pro"}


def test_monotone_transforms_change_nothing() -> None:
    maps, masks, defects = _small(4, levels=9)
    scores, is_defect = maps.max(axis=(1, 2)) + np.arange(5), masks.any(axis=(1, 2))
    options = {"masks": masks, "defects": defects, "draws": 50}
    first = intervals.measure(scores, is_defect, maps=maps, threshold=9.5, **options)
    second = intervals.measure(np.exp(scores), is_defect, maps=maps**3 - 100, threshold=np.exp(9.5), **options)
    assert first == second and len(first) == 6


# --- All at once -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured() -> dict:
    """What `measure` is given, and what it returns, with every metric."""
    maps, masks, is_defect = _realistic(12, 18)
    defects = [Region(r.image, r.pixels, 1 + r.saturation // 3) for r in metrics.regions(masks)]
    given = {"maps": maps, "masks": masks, "defects": defects, "threshold": 0.5}
    scores = maps.max(axis=(1, 2))
    return {"scores": scores, "is_defect": is_defect, **given, "found": intervals.measure(scores, is_defect, **given)}


def test_measure_reports_exact_values(measured: dict) -> None:
    scores, is_defect, maps, masks = (measured[name] for name in ("scores", "is_defect", "maps", "masks"))
    expected = {
        "image_auroc": metrics.image_auroc(scores, is_defect),
        "image_ap": metrics.image_ap(scores, is_defect),
        "image_f1": metrics.f1(scores, is_defect, 0.5),
        "pixel_auroc": metrics.pixel_auroc(maps, masks),
        "au_pro": metrics.au_pro(maps, masks, limit=0.3),
        "au_spro": metrics.au_spro(maps, measured["defects"], ~masks, limit=0.05),
    }
    assert {name: entry["value"] for name, entry in measured["found"].items()} == expected
    assert {entry["n"] for entry in measured["found"].values()} == {30}


def test_intervals_hold_their_values_and_narrow_with_more_images(measured: dict) -> None:
    for entry in measured["found"].values():
        low, high = entry["ci95"]
        assert 0 <= low < entry["value"] < high <= 1
    maps, masks, is_defect = _realistic(120, 180, size=16)
    scores = maps.max(axis=(1, 2))
    few = intervals.measure(scores[::10], is_defect[::10], maps=maps[::10], masks=masks[::10])
    many = intervals.measure(scores, is_defect, maps=maps, masks=masks)
    widths = {name: [np.diff(found[name]["ci95"])[0] for found in (few, many)] for name in many}
    assert set(widths) == IMAGE_METRICS | PIXEL_METRICS
    assert all(wide > 1.8 * narrow for wide, narrow in widths.values())


def test_intervals_are_the_same_at_each_measure(measured: dict) -> None:
    first, second = (intervals.measure(measured["scores"], measured["is_defect"], draws=500) for _ in range(2))
    assert first == second


def test_draws_of_images_are_those_of_scikit_learn() -> None:
    scores, is_defect = _scores(2)
    _, resample = intervals._image_metrics(scores, is_defect, 1.0)
    weights = np.random.default_rng(0).integers(0, 4, (20, len(scores)))
    drawn = resample(weights)
    for row, weight in enumerate(weights):
        expected = {
            "image_auroc": roc_auc_score(is_defect, scores, sample_weight=weight),
            "image_ap": average_precision_score(is_defect, scores, sample_weight=weight),
            "image_f1": f1_score(is_defect, scores > 1, sample_weight=weight),
        }
        assert {name: values[row] for name, values in drawn.items()} == pytest.approx(expected)


@pytest.mark.parametrize("decimals", [1, 7])
def test_draws_of_pixels_agree_with_exact_areas(decimals: int, measured: dict) -> None:
    maps, masks, defects = (measured[name] for name in ("maps", "masks", "defects"))
    maps = np.round(maps, decimals)
    _, resample = intervals._pixel_metrics(maps, masks, ~masks, defects)
    weights = np.random.default_rng(0).integers(0, 4, (6, len(maps)))
    weights[0] = 1
    drawn = resample(weights)
    for row, weight in enumerate(weights):
        chosen = np.repeat(np.arange(len(maps)), weight)
        twice = [
            Region(i, d.pixels, d.saturation) for i, image in enumerate(chosen) for d in defects if d.image == image
        ]
        exact = {
            "pixel_auroc": metrics.pixel_auroc(maps[chosen], masks[chosen]),
            "au_pro": metrics.au_pro(maps[chosen], masks[chosen]),
            "au_spro": metrics.au_spro(maps[chosen], twice, ~masks[chosen]),
        }
        assert {name: values[row] for name, values in drawn.items()} == pytest.approx(exact, rel=0, abs=1e-3)


def test_good_and_bad_images_are_drawn_apart(measured: dict) -> None:
    scores, is_defect = measured["scores"], measured["is_defect"]
    entry = intervals.measure(scores, is_defect, threshold=-10.0)["image_f1"]  # all rejected: 2 bad / (all + bad)
    assert entry["ci95"] == pytest.approx([36 / 48] * 2)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_varies_with_one_image_of_each_kind(seed: int) -> None:
    maps, masks, is_defect = _realistic(1, 1, seed=seed)
    found = intervals.measure(maps.max(axis=(1, 2)), is_defect, maps=maps, masks=masks, draws=300)
    for name, entry in found.items():
        assert np.ptp(entry["ci95"]) < (1e-12 if name in IMAGE_METRICS else 1e-3)
        assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]


def test_defects_without_a_mask_are_left_out_of_pixel_metrics(measured: dict) -> None:
    scores, is_defect, maps, masks = (measured[name] for name in ("scores", "is_defect", "maps", "masks"))
    blind = np.zeros(30, bool)
    blind[[13, 29]] = True
    hidden = masks & ~blind[:, None, None]
    np.testing.assert_array_equal(intervals.without_mask(is_defect, hidden), blind)
    found = intervals.measure(
        scores, is_defect, maps=maps, masks=hidden, defects=measured["defects"], threshold=0.5, draws=20
    )
    kept = [r for r in measured["defects"] if not blind[r.image]]
    assert found["pixel_auroc"]["value"] == metrics.pixel_auroc(maps[~blind], masks[~blind])
    assert found["au_pro"]["value"] == metrics.au_pro(maps[~blind], masks[~blind])
    assert found["au_spro"]["value"] == metrics.au_spro(maps, kept, ~masks & ~blind[:, None, None])
    assert {name: entry["n"] for name, entry in found.items()} == {
        **dict.fromkeys(("image_auroc", "image_ap", "image_f1"), 30),
        **dict.fromkeys(("pixel_auroc", "au_pro", "au_spro"), 28),
    }


def test_metrics_that_cannot_be_computed_are_absent(measured: dict) -> None:
    scores, is_defect, maps, masks = (measured[name] for name in ("scores", "is_defect", "maps", "masks"))
    options = {"threshold": 0.5, "draws": 20}

    def names(chosen: np.ndarray, shown: np.ndarray = masks) -> set[str]:
        return set(
            intervals.measure(scores[chosen], is_defect[chosen], maps=maps[chosen], masks=shown[chosen], **options)
        )

    assert names(~is_defect) == set()
    assert names(is_defect) == PIXEL_METRICS
    assert names(np.ones(30, bool), np.zeros_like(masks)) == IMAGE_METRICS | {"image_f1"}
    assert names(is_defect, np.ones_like(masks)) == set()
    assert set(intervals.measure(scores, is_defect, draws=20)) == IMAGE_METRICS
    assert set(intervals.measure(scores[:0], is_defect[:0])) == set()


def test_a_draw_without_normal_pixels_is_left_out() -> None:
    maps, masks, is_defect = _realistic(0, 2, size=16)
    masks[0] = True
    found = intervals.measure(maps.max(axis=(1, 2)), is_defect, maps=maps, masks=masks, draws=50)
    assert np.isfinite([entry["ci95"] for entry in found.values()]).all() and len(found) == 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_undefined_scores_and_shapes_that_differ_are_refused(wrong: float) -> None:
    scores, is_defect = _scores(0)
    scores[7] = wrong
    with pytest.raises(UserError, match="image 7"):
        intervals.measure(scores, is_defect)
    maps, masks, _ = _small(0, levels=9)
    with pytest.raises(UserError, match="formes"):
        intervals.measure(np.arange(5.0), np.arange(5) > 2, maps=maps[:4], masks=masks[:4], draws=20)


# --- What a method gains over another --------------------------------------------------------------------------------


def _method(noise: float, *, seed: int = 3) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """A method on images of which the difficulty is shared by all: scores and maps, `is_defect`, masks."""
    maps, masks, is_defect = _realistic(25, 25, size=24)
    maps = maps + noise * np.random.default_rng(seed).normal(size=maps.shape).astype("float32")
    return (maps.max(axis=(1, 2)), maps), is_defect, masks


def test_a_method_gains_nothing_over_itself() -> None:
    method, is_defect, masks = _method(0)
    defects = [Region(r.image, r.pixels, 1 + r.saturation // 3) for r in metrics.regions(masks)]
    gains = intervals.differences(method, method, is_defect, masks=masks, defects=defects, draws=50)
    assert set(gains) == IMAGE_METRICS | PIXEL_METRICS | {"au_spro"}
    for gain in gains.values():
        assert gain["value"] == 0 and gain["ci95"] == [0, 0] and gain["n"] == 50


def test_a_gain_is_a_difference_of_values_and_changes_sign_with_the_order() -> None:
    (first, is_defect, masks), (second, _, _) = _method(0), _method(0.5)
    gains = intervals.differences(first, second, is_defect, masks=masks, draws=200)
    losses = intervals.differences(second, first, is_defect, masks=masks, draws=200)
    measured = [intervals.measure(s, is_defect, maps=m, masks=masks, draws=20) for s, m in (first, second)]
    for name, gain in gains.items():
        assert gain["value"] == measured[0][name]["value"] - measured[1][name]["value"]
        low, high = gain["ci95"]
        assert low <= gain["value"] <= high
        assert losses[name]["value"] == -gain["value"]
        assert losses[name]["ci95"] == pytest.approx([-high, -low])
    assert gains["pixel_auroc"]["value"] > 0 and gains["pixel_auroc"]["ci95"][0] > 0  # noise costs


def test_pairs_of_methods_that_err_alike_are_told_apart_better_than_each_by_itself() -> None:
    (first, is_defect, masks), (second, _, _) = _method(0), _method(0.1)
    gains = intervals.differences(first, second, is_defect, masks=masks, draws=500)
    measured = [intervals.measure(s, is_defect, maps=m, masks=masks, draws=500) for s, m in (first, second)]
    for name, gain in gains.items():
        unpaired = np.hypot(*(np.diff(found[name]["ci95"])[0] for found in measured))
        assert np.diff(gain["ci95"])[0] < 0.7 * unpaired


def test_gains_follow_what_can_be_computed() -> None:
    (first, is_defect, masks), (second, _, _) = _method(0), _method(0.5)
    assert set(intervals.differences((first[0], None), (second[0], None), is_defect, draws=20)) == IMAGE_METRICS
    none = np.zeros_like(masks)
    assert set(intervals.differences(first, second, is_defect, masks=none, draws=20)) == IMAGE_METRICS
    good = ~is_defect
    pair = [tuple(values[good] for values in method) for method in (first, second)]
    assert intervals.differences(*pair, is_defect[good], masks=masks[good], draws=20) == {}
