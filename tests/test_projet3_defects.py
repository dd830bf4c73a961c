"""Synthetic defects: small, visible, confined to their mask, and the same whenever they are painted again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from projet3_ssl_anomalies import defects, figures, sample
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.defects import TYPES, Defective, paint


def _parts(count: int, side: int = 48, seed: int = 0) -> np.ndarray:
    """Brown discs on a light ground, with a texture that a blur takes away."""
    random = np.random.default_rng(seed)
    y, x = np.indices((side, side)) / side - 0.5
    grey = np.where(np.hypot(x, y) < 0.45, 120 + 60 * x + random.normal(0, 45, (count, side, side)), 225)
    return np.clip(np.stack([grey, grey * 0.8, grey * 0.6], axis=-1), 0, 255).astype("uint8")


def _difference(good: np.ndarray, painted: Defective) -> list[np.ndarray]:
    """Returns what was added to the pixels of each mask, int of shape (p, 3)."""
    pairs = zip(painted.images, good[painted.sources], painted.masks, strict=True)
    return [image[mask].astype(int) - before[mask] for image, before, mask in pairs]


@pytest.mark.parametrize(("count", "side", "each"), [(1, 32, 1), (3, 48, 2), (2, 64, 1), (1, 128, 1)])
def test_each_image_gets_a_defect_of_each_type(count: int, side: int, each: int) -> None:
    painted = paint(_parts(count, side), each=each)
    total = len(TYPES) * each * count
    assert painted.images.shape == (total, side, side, 3) and painted.images.dtype == np.uint8
    assert painted.masks.shape == (total, side, side) and painted.masks.dtype == bool
    pairs = list(zip(painted.defect_types.tolist(), painted.sources.tolist(), strict=True))
    assert {pair: pairs.count(pair) for pair in pairs} == {(k, s): each for k in TYPES for s in range(count)}
    assert len(np.unique(painted.masks, axis=0)) == total  # no two are at the same place


@pytest.mark.parametrize("side", [32, 128])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_defects_are_visible_and_confined_to_their_mask(side: int, seed: int) -> None:
    good = _parts(3, side, seed)
    before = good.copy()
    painted = paint(good, seed=seed)
    np.testing.assert_array_equal(good, before)
    for image, mask, source in zip(painted.images, painted.masks, painted.sources, strict=True):
        np.testing.assert_array_equal(image[~mask], good[source][~mask])
        assert 1 <= mask.sum() < 0.3 * side**2
        distances = 50 * np.linalg.norm(to_lab(image[mask]) - to_lab(good[source][mask]), axis=-1)
        assert distances.mean() >= defects.VISIBLE


def test_scattered_pieces_fill_half_of_their_zone() -> None:
    good = _parts(4, 64)
    painted = paint(good, each=3)
    rows = np.flatnonzero(painted.defect_types == "scattered")
    assert len(rows) == 12
    changed = [
        (painted.images[row] != good[painted.sources[row]]).any(axis=-1)[painted.masks[row]].mean() for row in rows
    ]
    assert 0.35 < np.mean(changed) <= 0.55 and max(changed) <= 0.6


def test_defects_depend_on_the_seed_alone() -> None:
    good = _parts(2)
    first, second, other = paint(good), paint(good.copy(), seed=0), paint(good, seed=1)
    for field in dataclasses.fields(Defective):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert (first.masks != other.masks).any()


def test_what_cannot_be_seen_is_given_up() -> None:
    """On plain images, all alike, a blur or a piece of another changes nothing."""
    painted = paint(np.full((2, 32, 32, 3), 128, "uint8"))
    assert painted.defect_types.tolist() == ["scratched", "recoloured"] * 2 and painted.sources.tolist() == [0, 0, 1, 1]


def test_what_is_hard_to_see_is_drawn_again_elsewhere() -> None:
    """A quarter of the image only has something to blur: a first draw rarely falls on it."""
    good = np.full((6, 64, 64, 3), 200, "uint8")
    good[:, :32, :32] = _parts(6, 32, seed=1)
    blurred = paint(good).masks[paint(good).defect_types == "blurred"]
    assert len(blurred) == 6 and blurred[:, :32, :32].any(axis=(1, 2)).all()


def test_pasted_pixels_come_from_the_good_images() -> None:
    colours = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200)], "uint8")
    good = np.broadcast_to(colours[:, None, None], (3, 32, 32, 3))
    painted = paint(good, each=4)
    pasted = painted.defect_types == "pasted"
    for image, mask, source in zip(painted.images[pasted], painted.masks[pasted], painted.sources[pasted], strict=True):
        found = {tuple(pixel) for pixel in image[mask]}
        assert len(found) == 1 and found < {tuple(c) for c in colours} - {tuple(colours[source])}


def test_recolouring_adds_one_colour() -> None:
    good = np.clip(_parts(3), 80, 175)  # far from black and white: nothing is clipped
    painted = paint(good, each=3)
    pairs = zip(_difference(good, painted), painted.defect_types, strict=True)
    shifts = [difference for difference, name in pairs if name == "recoloured"]
    assert len(shifts) == 9
    for shift in shifts:
        assert np.ptp(shift, axis=0).max() <= 1  # rounding
        assert 24 < np.linalg.norm(shift.mean(axis=0)) < 71


def test_blurring_flattens_and_adds_nothing() -> None:
    good = _parts(4, seed=3)
    good[..., 2] = 60
    painted = paint(good, each=2)
    blurred = np.flatnonzero(painted.defect_types == "blurred")
    assert len(blurred) == 8
    for row in blurred:
        mask, before = painted.masks[row], good[painted.sources[row]]
        after = painted.images[row][mask].astype(float)
        assert after.std(axis=0).mean() < before[mask].std(axis=0).mean()
        assert before.min() <= after.min() and after.max() <= before.max()
        assert (after[:, 2] == 60).all()  # colours do not run into one another


def test_scratches_are_thin_lines() -> None:
    painted = paint(_parts(4, 128, seed=3))
    for mask in painted.masks[painted.defect_types == "scratched"]:
        rows, columns = np.nonzero(mask)
        length = np.hypot(np.ptp(rows), np.ptp(columns))
        assert mask.sum() < 4 * length + 8


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
    painted = paint(good[1:])  # of the plain one only: neither blur nor piece can be seen
    painted = dataclasses.replace(painted, sources=painted.sources + 1)
    drawing = figures.plot_painted(good, painted)
    figure = drawing.figure
    captions = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert isinstance(figure, Figure) and len(captions) == 2 * (1 + len(TYPES))
    assert sum("rien de visible" in caption for caption in captions) == len(TYPES) + 3
    assert "1 rayé" in drawing.alt and "0 flouté" in drawing.alt


def test_lightness_and_chroma_are_shown_apart() -> None:
    figure = figures.plot_lab(np.full((32, 32, 3), (255, 0, 0), "uint8")).figure
    pictures = [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]
    assert len(pictures) == 5
    lightness, redness, yellowness = (int(p[..., 0].max()) for p in pictures[1:4])
    assert 130 < lightness < 140 and redness == yellowness == 255
