"""Synthetic defects: visible, confined to their mask, and the same whenever they are painted again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import ndimage

from commun import UserError
from projet3_ssl_anomalies import defects, figures, sample
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.defects import TYPES, Defective, paint


def _parts(count: int, side: int = 48, seed: int = 0) -> np.ndarray:
    """Brown discs on a light ground, with a texture that a blur takes away."""
    random = np.random.default_rng(seed)
    y, x = np.indices((side, side)) / side - 0.5
    grey = np.where(np.hypot(x, y) < 0.45, 120 + 60 * x + random.normal(0, 45, (count, side, side)), 225)
    return np.clip(np.stack([grey, grey * 0.8, grey * 0.6], axis=-1), 0, 255).astype("uint8")


@pytest.mark.parametrize(("count", "side", "each"), [(1, 32, 1), (3, 48, 2), (2, 64, 1), (1, 128, 1)])
def test_each_image_gets_a_defect_of_each_type(count: int, side: int, each: int) -> None:
    painted = paint(_parts(count, side), each=each)
    total = len(TYPES) * each * count
    assert painted.images.shape == (total, side, side, 3) and painted.images.dtype == np.uint8
    assert painted.masks.shape == (total, side, side) and painted.masks.dtype == bool
    pairs = list(zip(painted.defect_types.tolist(), painted.sources.tolist(), strict=True))
    assert {pair: pairs.count(pair) for pair in pairs} == {(k, s): each for k in TYPES for s in range(count)}
    placed = painted.masks[painted.defect_types != "substituted"]  # a whole part has one place
    assert len(np.unique(placed, axis=0)) == len(placed)  # no two are at the same place


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_defects_are_visible_and_confined_to_their_mask(side: int) -> None:
    good = _parts(2, side, side)
    before = good.copy()
    painted = paint(good, seed=side)
    np.testing.assert_array_equal(good, before)
    rows = zip(painted.images, painted.masks, painted.sources, painted.defect_types, strict=True)
    for image, mask, source, kind in rows:
        np.testing.assert_array_equal(image[~mask], good[source][~mask])
        assert defects.AREAS[0] <= mask.mean() <= (1 if kind == "substituted" else defects.AREAS[1])
        distances = 50 * np.linalg.norm(to_lab(image[mask]) - to_lab(good[source][mask]), axis=-1)
        assert distances.mean() >= defects.VISIBLE


def test_sizes_and_contrasts_spread_widely() -> None:
    good = _parts(4, 64)
    painted = paint(good, each=4)
    areas = painted.masks.mean(axis=(1, 2))
    pairs = zip(painted.images, painted.masks, good[painted.sources], strict=True)
    contrasts = [50 * np.linalg.norm(to_lab(i[m]) - to_lab(b[m]), axis=-1).mean() for i, m, b in pairs]
    assert np.quantile(areas, 0.95) > 10 * np.quantile(areas, 0.05)
    assert np.quantile(contrasts, 0.95) > 3 * np.quantile(contrasts, 0.05)


def test_most_defects_lie_on_the_part() -> None:
    good = _parts(5, 64)
    y, x = np.indices((64, 64)) / 64 - 0.5
    disc = np.hypot(x, y) < 0.47
    painted = paint(good, each=3)
    on = painted.masks[:, disc].sum(axis=1) > 0.5 * painted.masks.sum(axis=(1, 2))
    assert 0.8 < on.mean() < 1
    assert set(painted.defect_types[~on]) <= {"stain", "foreign", "missing"}


def test_the_part_is_told_from_a_plain_background_only() -> None:
    y, x = np.indices((64, 64)) / 64 - 0.5
    part = defects.foreground(_parts(1, 64)[0])
    assert part[np.hypot(x, y) < 0.43].mean() > 0.97 and not part[np.hypot(x, y) > 0.48].any()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    assert defects.foreground(noise).all() and defects.foreground(np.full_like(noise, 90)).all()


def test_grey_pictures_stay_grey() -> None:
    grey = np.repeat(_parts(3, 64)[..., :1], 3, axis=-1)
    painted = paint(grey)
    assert len(painted.images) == 3 * len(TYPES) and (painted.images == painted.images[..., :1]).all()


def test_other_images_change_nothing() -> None:
    good = _parts(3)
    alone, among = paint(good[:1]), paint(good)
    np.testing.assert_array_equal(alone.images, among.images[among.sources == 0])


def test_defects_depend_on_the_seed_alone() -> None:
    good = _parts(2)
    first, second, other = paint(good), paint(good.copy(), seed=0), paint(good, seed=1)
    for field in dataclasses.fields(Defective):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert (first.masks != other.masks).any()


def test_what_cannot_be_seen_is_given_up() -> None:
    """Neither a dent nor what is smeared shows on black; a crack and a stain do."""
    painted = paint(np.zeros((2, 32, 32, 3), "uint8"))
    assert "bend" not in painted.defect_types and {"crack", "stain", "foreign"} <= set(painted.defect_types)
    with pytest.raises(UserError, match="au moins une bonne image"):
        paint(np.zeros((0, 32, 32, 3), "uint8"))


def test_what_is_hard_to_see_is_drawn_again_elsewhere() -> None:
    """A quarter of the image only has something to bend: a first draw rarely falls on it."""
    good = np.zeros((6, 64, 64, 3), "uint8")
    good[:, 32:, 32:] = _parts(6, 32, seed=1)
    painted = paint(good)
    bent = painted.masks[painted.defect_types == "bend"]
    assert len(bent) == 6 and bent[:, 32:, 32:].any(axis=(1, 2)).all()


def test_what_is_missing_shows_the_background_or_a_hollow() -> None:
    good = np.full((4, 64, 64, 3), 240, "uint8")
    good[:, 12:52, 12:52] = 120
    painted = paint(good, each=3)
    missing = painted.defect_types == "missing"
    for image, mask in zip(painted.images[missing], painted.masks[missing], strict=True):
        inner = image[ndimage.binary_erosion(mask, iterations=3)].astype(int)
        assert not len(inner) or (inner > 235).mean() > 0.9 or (inner < 60).mean() > 0.9


def test_cracks_are_thin() -> None:
    painted = paint(_parts(4, 128, seed=3))
    for mask in painted.masks[painted.defect_types == "crack"]:
        assert not ndimage.binary_erosion(mask, iterations=5).any()


@pytest.mark.parametrize("category", sample.CATEGORIES)
def test_defects_can_be_painted_on_any_part(category: str) -> None:
    image = sample.draw_image(category)[0][::3, ::3]
    painted = paint(np.stack([image, image[::-1]]), each=2)
    assert set(painted.defect_types) == set(TYPES)


def test_outlines_stay_out_of_what_they_surround() -> None:
    image, mask = _parts(1)[0], np.zeros((48, 48), bool)
    mask[20:25, 18:30] = True
    before = image.copy()
    found = figures.outlined(image, mask)
    changed = (found != image).any(axis=-1)
    np.testing.assert_array_equal(image, before)
    assert found.dtype == np.uint8 and changed.any() and not changed[mask].any()
    assert (found[changed] == (0, 200, 255)).all()
    assert not (figures.outlined(image, np.zeros_like(mask)) != image).any()


def test_figures_show_every_kind_and_say_what_is_missing() -> None:
    good = np.concatenate([_parts(1), np.full((1, 48, 48, 3), 128, "uint8")])
    painted = paint(good[1:])
    painted = dataclasses.replace(painted, sources=painted.sources + 1).take(painted.defect_types != "bend")
    drawing = figures.plot_painted(good, painted)
    figure = drawing.figure
    captions = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert isinstance(figure, Figure) and len(captions) == 2 * (1 + len(TYPES))
    assert sum("rien de visible" in caption for caption in captions) == len(TYPES) + 1
    assert "1 fissure" in drawing.alt and "0 déformation" in drawing.alt


def test_lightness_and_chroma_are_shown_apart() -> None:
    figure = figures.plot_lab(np.full((32, 32, 3), (255, 0, 0), "uint8")).figure
    pictures = [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]
    assert len(pictures) == 5
    lightness, redness, yellowness = (int(p[..., 0].max()) for p in pictures[1:4])
    assert 130 < lightness < 140 and redness == yellowness == 255
