"""Corruptions to undo: quick, of every size, confined to what is said, and none of the kinds that judge."""

from __future__ import annotations

import time

import numpy as np
import pytest

from projet3_ssl_anomalies import corruptions, defects
from projet3_ssl_anomalies.corruptions import CORRUPTIONS, blob, corrupted


def _pictures(count: int, side: int) -> np.ndarray:
    """Brown, textured discs on a light ground."""
    random = np.random.default_rng(side)
    y, x = np.indices((side, side)) / side - 0.5
    grey = np.where(np.hypot(x, y) < 0.4, 110 + random.normal(0, 30, (count, side, side)), 225)
    return np.clip(np.stack([grey, grey * 0.8, grey * 0.6], axis=-1), 0, 255).astype("uint8")


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_the_mask_tells_what_changed(side: int) -> None:
    good = _pictures(3, side)
    before, rng = good.copy(), np.random.default_rng(0)
    areas = []
    for _ in range(60):
        painted, mask = corrupted(good[0], good, rng)
        assert painted.shape == good[0].shape and painted.dtype == np.uint8
        assert mask.shape == (side, side) and mask.dtype == bool
        np.testing.assert_array_equal((painted != good[0]).any(axis=-1), mask)
        areas.append(mask.mean())
    np.testing.assert_array_equal(good, before)
    assert np.mean(np.array(areas) > 0.001) > 0.9 and max(areas) < 0.7
    assert np.quantile(areas, 0.9) > 5 * np.quantile(areas, 0.1)


def test_corruptions_depend_on_the_generator_alone() -> None:
    good = _pictures(2, 64)
    first, second, other = (corrupted(good[0], good, np.random.default_rng(s)) for s in (3, 3, 4))
    for one, same in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, same)
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_grey_pictures_stay_grey_whatever_is_painted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corruptions, "CORRUPTIONS", {name: CORRUPTIONS[name]})
    colour = _pictures(2, 64)
    grey, rng = np.repeat(colour[..., :1], 3, axis=-1), np.random.default_rng(0)
    drawings = [corrupted(grey[0], colour, rng) for _ in range(20)]
    assert all((painted == painted[..., :1]).all() for painted, _ in drawings)
    assert np.mean([mask.any() for _, mask in drawings]) > 0.8


def test_no_kind_is_both_learnt_and_judged() -> None:
    assert not set(CORRUPTIONS) & set(defects.TYPES)
    assert not set(CORRUPTIONS.values()) & set(defects.TYPES.values())


def test_pasted_pixels_come_from_good_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between red and a green donor, nothing is blue, nor darker than both."""
    monkeypatch.setattr(corruptions, "CORRUPTIONS", {"pasted": "collé"})
    red, green = np.full((64, 64, 3), (200, 0, 0), "uint8"), np.full((1, 64, 64, 3), (0, 200, 0), "uint8")
    rng = np.random.default_rng(0)
    for _ in range(20):
        painted, mask = corrupted(red, green, rng)
        assert not painted[..., 2].any()
        np.testing.assert_allclose(painted[mask].astype(int).sum(axis=-1), 200, atol=3)


@pytest.mark.parametrize("area", [0.003, 0.05, 0.25])
def test_blobs_have_the_area_that_is_asked_for(area: float) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        box, cover = blob(128, np.array([64, 64]), area, rng)
        assert cover.shape == np.zeros((128, 128))[box].shape and cover.min() >= 0 and cover.max() == 1
        assert cover.sum() / 128**2 == pytest.approx(area, rel=0.35)


def test_blobs_may_cross_the_edges() -> None:
    for centre in ((0, 0), (31, 0), (5, 31)):
        box, cover = blob(32, np.array(centre), 0.1, np.random.default_rng(0), soft=0.6)
        assert cover.shape == np.zeros((32, 32))[box].shape and cover.size


def test_painting_is_quick() -> None:
    """A training paints thousands of images an epoch: 1 ms each at 128 px, and this limit is for a busy machine."""
    good, rng, times = _pictures(2, 128), np.random.default_rng(0), []
    for _ in range(50):
        start = time.perf_counter()
        corrupted(good[0], good, rng)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.01
