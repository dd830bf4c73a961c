"""The pretext tasks of project 3: colours, differences, what is hidden and what may be seen of it, training.

Backend-neutral: `make test-jax` runs this file too.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from commun import UserError, training  # first: it chooses the default backend of Keras
from projet3_ssl_anomalies import losses, pretexts, reconstructor
from projet3_ssl_anomalies import training as modelling
from projet3_ssl_anomalies.colour import to_lab, to_rgb
from projet3_ssl_anomalies.reconstructor import Reconstructor, Scorer
from projet3_ssl_anomalies.training import Config, Good

import keras  # isort: skip

SIDE = 32
SMALL = {"side": SIDE, "width": 2, "n_categories": 2, "cells": (16, 8, 4)}
SMALL |= {"batch_size": 4, "images_seen": 240, "epochs": 2}
TASKS = ("colorization", "inpainting", "masked_autoencoder")
GUESSED_FROM_AROUND = TASKS[1:]


def _config(**changes) -> Config:
    return Config(**{**SMALL, **changes})


def _parts(count: int, seed: int = 0) -> np.ndarray:
    """Brown discs on a light ground, each with a shade and a texture of its own."""
    random = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE)) / SIDE - 0.5
    texture = np.kron(random.normal(0, 25, (count, 8, 8)), np.ones((SIDE // 8, SIDE // 8)))
    shade = random.uniform(-60, 60, (count, 1, 1))
    grey = np.where(np.hypot(x, y) < 0.4, 110 + shade + 60 * x + texture, 180 + shade)
    return np.clip(np.stack([grey, grey * 0.8, grey * 0.6], axis=-1), 0, 255).astype("uint8")


def _good(count: int, *, seed: int = 0) -> Good:
    """Parts of two categories in turn, those of the second larger and in any direction."""
    category_ids = np.arange(count, dtype="int32") % 2
    images = _parts(count, seed)
    images[category_ids == 1] = images[category_ids == 1, ::-1] // 2
    return Good(images, category_ids == 1, category_ids)


def _inputs(count: int, *, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    good = _good(count, seed=seed)
    return to_lab(good.images), good.category_ids


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@dataclasses.dataclass(frozen=True)
class Trained:
    """A training and all that it was given."""

    run: training.Run
    good: Good
    watched: Good

    @property
    def model(self) -> Reconstructor:
        return self.run.model

    @functools.cached_property
    def scorer(self) -> Scorer:
        return Scorer(self.model)


@pytest.fixture(scope="module", autouse=True)
def travail(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    folder = tmp_path_factory.mktemp("travail")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_TRAVAIL", str(folder))
        for depth in ("depth", "decoder_depth"):  # quicker to compile
            patch.setattr(pretexts.MaskedAutoencoder, depth, 1)
        yield folder


@pytest.fixture(scope="module")
def trained(travail: Path) -> Callable[[str], Trained]:
    """A short training of each task, done once."""

    @functools.cache
    def done(task: str) -> Trained:
        good, watched = _good(6), _good(2, seed=1)
        return Trained(modelling.train(_config(task=task), good, watched=watched), good, watched)

    return done


# --- Colour ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((128, 128, 128), (53.59, 0, 0)),
    ],
)
def test_colours_known_in_cielab(rgb: tuple, expected: tuple) -> None:
    found = to_lab(np.array(rgb, "uint8"))
    assert found.shape == (3,) and found.dtype == np.float32
    np.testing.assert_allclose((found + [1, 0, 0]) * 50, expected, atol=0.02)


def test_every_colour_comes_back() -> None:
    levels = np.arange(0, 256, 5)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).astype("uint8")
    greys = np.repeat(np.arange(256, dtype="uint8")[:, None], 3, axis=1)
    for colours in (cube, greys):
        lab = to_lab(colours)
        assert lab.shape == colours.shape and -1 - 1e-6 <= lab[..., 0].min() <= lab[..., 0].max() <= 1 + 1e-6
        back = to_rgb(lab)
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, colours)


def test_colours_out_of_srgb_are_clipped() -> None:
    far = np.array([[2, 0, 0], [-2, 0, 0], [0, 4, 0], [0, -4, 0]], "float32")
    white, black, red, green = to_rgb(far)
    assert white.tolist() == [255] * 3 and black.tolist() == [0] * 3
    assert (red[0], red[1]) == (255, 0) and (green[0], green[1] > 100) == (0, True)


# --- How two images differ -------------------------------------------------------------------------------------------


def _gradient(lightness: np.ndarray) -> np.ndarray:
    return np.hypot(*(ndimage.prewitt(lightness, axis=a, mode="reflect") / 3 for a in (0, 1)))


def test_gradient_of_a_ramp() -> None:
    y, x = np.indices((16, 24)).astype("float32")
    found = np.asarray(losses.gradient((0.03 * x + 0.04 * y)[None, ..., None]))
    assert found.shape == (1, 16, 24, 1)
    np.testing.assert_allclose(found[0, 1:-1, 1:-1, 0], 2 * 0.05, rtol=1e-3)  # from a pixel to the next but one
    np.testing.assert_allclose(found[0, 1:-1, 0, 0], np.hypot(0.03, 2 * 0.04), rtol=1e-3)  # mirrored: half across
    np.testing.assert_allclose(found[0, 0, 0, 0], 0.05, rtol=1e-3)


def test_gradient_is_that_of_prewitt_up_to_the_borders() -> None:
    images = _noise(3, 16, 24, 1)
    expected = np.stack([_gradient(image[..., 0]) for image in images])
    np.testing.assert_allclose(np.asarray(losses.gradient(images))[..., 0], expected, atol=2e-4)


def test_gradient_difference_is_the_mean_over_scales() -> None:
    first, second = 0.2 * _noise(2, 1, SIDE, SIDE, 3)
    expected = np.zeros((SIDE, SIDE))
    for block in (1, 2, 4, 8):
        shape = (SIDE // block, block, SIDE // block, block)
        gx, gy = (_gradient(a[0, ..., 0].reshape(shape).mean(axis=(1, 3))) for a in (first, second))
        expected += np.kron(1 - (2 * gx * gy + 0.01) / (gx**2 + gy**2 + 0.01), np.ones((block, block))) / 4
    found = np.asarray(losses.gradient_difference(first, second))
    assert found.shape == (1, SIDE, SIDE, 1)
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1e-4)


def test_gradient_difference_compares_contours_alone() -> None:
    first, second = to_lab(_parts(2))[:, None]
    found = np.asarray(losses.gradient_difference(first, second))
    assert found.min() >= 0 and 0.1 < found.max() < 1
    np.testing.assert_allclose(found, np.asarray(losses.gradient_difference(second, first)), atol=1e-6)
    for same in (first, first + np.float32([0.3, -0.2, 0.5])):  # paler, and of another colour
        np.testing.assert_allclose(np.asarray(losses.gradient_difference(first, same)), 0, atol=1e-5)


def test_colour_difference_is_euclidean() -> None:
    first = to_lab(_parts(2))
    found = np.asarray(losses.colour_difference(first, first + np.float32([0.2, -0.3, 0.6])))
    assert found.shape == (2, SIDE, SIDE, 1)
    np.testing.assert_allclose(found, 0.7, rtol=1e-5)
    assert np.asarray(losses.colour_difference(first, first)).max() < 2e-4


def _ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """SSIM of two lightness pictures in 0..1, by its definition, on windows of 8 pixels, 4 apart."""
    c1, c2 = (0.01 * 1) ** 2, (0.03 * 1) ** 2
    found = np.empty((first.shape[0] // 4 - 1, first.shape[1] // 4 - 1))
    for row, column in np.ndindex(*found.shape):
        x, y = (a[4 * row : 4 * row + 8, 4 * column : 4 * column + 8].astype("float64") for a in (first, second))
        covariance = ((x - x.mean()) * (y - y.mean())).mean()
        luminance = (2 * x.mean() * y.mean() + c1) / (x.mean() ** 2 + y.mean() ** 2 + c1)
        found[row, column] = luminance * (2 * covariance + c2) / (x.var() + y.var() + c2)
    return found


def test_structural_difference_is_one_minus_ssim_of_the_lightness_from_black_to_white() -> None:
    first, second = to_lab(_parts(2))
    second = second + 0.05 * _noise(SIDE, SIDE, 3)
    expected = 1 - _ssim(*((image[..., 0] + 1) / 2 for image in (first, second)))
    found = np.asarray(losses.structural_difference(first[None], second[None]))
    assert found.shape == (1, 7, 7, 1)
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1e-3)
    np.testing.assert_allclose(np.asarray(losses.structural_difference(first[None], first[None])), 0, atol=1e-4)


def test_structural_difference_on_a_plain_ground_is_that_of_its_means() -> None:
    """Two plain pictures of lightness 0.25 and 0.3: only means differ, (2 xy + C1) / (x^2 + y^2 + C1)."""
    first, second = (np.full((1, 16, 16, 3), 2 * level - 1, "float32") for level in (0.25, 0.3))
    expected = 1 - (2 * 0.25 * 0.3 + 1e-4) / (0.25**2 + 0.3**2 + 1e-4)
    np.testing.assert_allclose(np.asarray(losses.structural_difference(first, second)), expected, atol=1e-4)


def test_the_same_error_weighs_alike_in_mid_grey_and_next_to_it() -> None:
    """Lightness centred on zero gave 1.24 on mid-grey, where means cancel, and .003 on a light ground."""
    differences = {}
    for level in (-0.4, 0.0, 0.4, 0.8):  # from dark to light
        ground = np.full((1, 16, 16, 3), level, "float32")
        texture = 0.1 * np.sign(np.indices((16, 16)).sum(axis=0) % 4 - 1.5)[None, ..., None]
        first, second = (ground + texture + step for step in (-0.05, 0.05))
        differences[level] = float(np.asarray(losses.structural_difference(first, second)).mean())
    assert all(0 < value < 0.1 for value in differences.values())
    assert differences[-0.4] > differences[0.0] > differences[0.4] > differences[0.8]  # relative to the lightness
    assert differences[-0.4] < 20 * differences[0.8]


# --- What is hidden --------------------------------------------------------------------------------------------------


def _masks(seed: int = 0, **changes) -> np.ndarray:
    config = _config(**changes)
    return pretexts.PRETEXTS[config.task](config).masks(np.random.default_rng(seed))


@pytest.mark.parametrize("task", TASKS)
def test_a_partition_hides_every_pixel(task: str) -> None:
    partitions = _masks(task=task)
    assert partitions.dtype == bool and partitions.shape[2:] == (SIDE, SIDE)
    assert partitions.any(axis=1).all()


@pytest.mark.parametrize("cells", [(16, 8, 4), (32,), (2,)])
def test_inpainting_deals_cells_into_disjoint_thirds(cells: tuple) -> None:
    partitions = _masks(cells=cells)
    assert partitions.shape[:2] == (len(cells), 3)
    assert (partitions.sum(axis=1) == 1).all()
    for count, masks in zip(cells, partitions, strict=True):
        size = SIDE // count
        blocks = masks.reshape(3, count, size, count, size)
        assert (blocks.all(axis=(2, 4)) == blocks.any(axis=(2, 4))).all()  # a cell is hidden whole, or seen whole
        dealt = blocks.all(axis=(2, 4)).sum(axis=(1, 2))
        assert np.ptp(dealt) <= 1 and dealt.sum() == count**2


@pytest.mark.parametrize("patch", [4, 8])
def test_the_autoencoder_sees_one_patch_in_four(patch: int) -> None:
    partitions = _masks(task="masked_autoencoder", patch=patch)
    blocks = partitions.reshape(*partitions.shape[:2], SIDE // patch, patch, SIDE // patch, patch)
    hidden = blocks.all(axis=(3, 5))
    assert (hidden == blocks.any(axis=(3, 5))).all()
    assert (hidden.mean(axis=(2, 3)) == 0.75).all()
    assert (hidden.sum(axis=1) == 3).all()
    assert (partitions[0] != partitions[1]).any()


@pytest.mark.parametrize("task", GUESSED_FROM_AROUND)
def test_masks_depend_on_their_generator_alone(task: str) -> None:
    np.testing.assert_array_equal(_masks(task=task), _masks(task=task, seed=0))
    assert (_masks(task=task) != _masks(seed=1, task=task)).any()


@pytest.mark.parametrize("task", TASKS)
def test_training_draws_what_it_hides_among_masks(task: str, trained: Callable[[str], Trained]) -> None:
    model, images = trained(task).model, to_lab(np.repeat(_parts(1), 40, axis=0))
    same, output, hidden = (np.asarray(a) for a in model([images, np.zeros(40, "int32")]))
    np.testing.assert_array_equal(same, images)
    assert hidden.shape == (40, SIDE, SIDE) and output.shape[:3] == hidden.shape
    known = {row.tobytes() for row in model.training_masks}
    drawn = {row.tobytes() for row in hidden}
    assert drawn <= known and {row.tobytes() for row in model.scoring_masks.reshape(-1, SIDE, SIDE)} <= known
    assert len(drawn) > 10 or len(known) == 1


def _tampered(task: str, images: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Changes all that the network must guess, and nothing else."""
    noise = _noise(*images.shape, seed=3)
    if task == "colorization":
        return images + noise * np.float32([0, 1, 1])
    return np.where(hidden[None, ..., None], images + noise, images)


@pytest.mark.parametrize("task", TASKS)
def test_the_network_receives_nothing_of_what_it_must_guess(task: str, trained: Callable[[str], Trained]) -> None:
    model, (images, category_ids) = trained(task).model, _inputs(2)
    base = np.asarray(model.mean_image)[category_ids]
    for hidden in model.scoring_masks.reshape(-1, SIDE, SIDE):
        of_each = np.repeat(hidden[None], 2, axis=0)
        given, tampered, darker = (
            [np.asarray(a) for a in keras.tree.flatten(model.pretext.corrupt(x, base, of_each))]
            for x in (images, _tampered(task, images, hidden), images - np.float32([0.1, 0, 0]))
        )
        for one, other in zip(given, tampered, strict=True):
            np.testing.assert_array_equal(one, other)
        assert any((one != other).any() for one, other in zip(given, darker, strict=True))
    pair = (images, _tampered(task, images, hidden))
    np.testing.assert_allclose(
        *(np.asarray(model.predict_hidden(x, category_ids, of_each)) for x in pair), atol=1e-6
    )


@pytest.mark.parametrize("task", GUESSED_FROM_AROUND)
def test_a_pixel_never_weighs_in_the_guess_of_its_own_cell(task: str) -> None:
    model, places = modelling.build(_config(task=task)), [(0, 0), (13, 18), (31, 31), (16, 3), (7, 24)]
    for seed, weight in enumerate(model.trainable_weights):  # else the last is zero, and nothing weighs in anything
        weight.assign(np.asarray(weight) + 0.3 * _noise(*weight.shape, seed=seed))
    images = np.repeat(to_lab(_parts(1, seed=4)), 1 + len(places), axis=0)
    for row, place in enumerate(places, start=1):
        images[row][place] += [20, 10, -10]
    guesses = np.asarray(model.reconstruct(images, np.ones(len(images), "int32"), model.scoring_masks))
    assert guesses.shape == (len(model.scoring_masks), *images.shape)
    sizes = [model.config.patch] * len(model.scoring_masks)
    if task == "inpainting":
        sizes = [SIDE // count for count in model.config.cells]
    for size, (whole, *others) in zip(sizes, guesses, strict=True):
        for (y, x), other in zip(places, others, strict=True):
            cell = np.s_[y // size * size :, x // size * size :]
            np.testing.assert_allclose(other[cell][:size, :size], whole[cell][:size, :size], atol=1e-6)
            assert np.abs(other - whole).max() > 1e-3  # while it weighs in others


def test_colour_never_weighs_in_the_guess_of_colour(trained: Callable[[str], Trained]) -> None:
    model, (images, category_ids) = trained("colorization").model, _inputs(3)
    grey = images * np.float32([1, 0, 0])
    both = np.concatenate([images, grey]), np.tile(category_ids, 2)
    guesses = np.asarray(model.reconstruct(*both, model.scoring_masks))[0]
    np.testing.assert_allclose(guesses[:3], guesses[3:], atol=1e-6)


# --- Losses and errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", [0.0, 0.5])
def test_the_loss_is_quadratic_where_hidden_and_structural_everywhere(structure: float) -> None:
    pretext = pretexts.Inpainting(_config(structure=structure))
    images, hidden = to_lab(_parts(3)), pretext.masks(np.random.default_rng(0))[:, 0]
    output = images + 0.1 * _noise(3, SIDE, SIDE, 3)
    terms = (losses.gradient_difference(images, output), losses.structural_difference(images, output))
    squares = np.square(output - images)[hidden].sum(axis=-1).mean()
    expected = squares + structure * sum(float(np.asarray(t).mean()) for t in terms)
    assert float(np.asarray(pretext.loss(images, output, hidden))) == pytest.approx(expected, rel=1e-4)
    assert float(np.asarray(pretext.loss(images, images, hidden))) == pytest.approx(0, abs=1e-4)
    seen_changed = np.where(hidden[..., None], images, output)
    assert (float(np.asarray(pretext.loss(images, seen_changed, hidden))) > 1e-3) == bool(structure)


def test_colorization_errs_in_colour_only() -> None:
    pretext, images = pretexts.Colorization(_config(task="colorization")), to_lab(_parts(2))
    output = images[..., 1:] + np.float32([0.3, 0.4])
    assert float(np.asarray(pretext.loss(images, output, None))) == pytest.approx(0.5, rel=1e-4)
    expected = np.broadcast_to(np.float32([-0.3, -0.4]), output.shape)  # with their sign
    np.testing.assert_allclose(np.asarray(pretext.error_map(images, output)), expected, rtol=1e-4)
    shown = pretext.picture(images, output)
    np.testing.assert_array_equal(shown[..., :1], images[..., :1])
    np.testing.assert_array_equal(shown[..., 1:], output)


@pytest.mark.parametrize("task", TASKS)
def test_error_maps_have_the_channels_that_the_task_names(task: str) -> None:
    pretext, images = pretexts.PRETEXTS[task](_config(task=task)), to_lab(_parts(2))
    perfect = images[..., 1:] if task == "colorization" else images
    for output, none in ((perfect, True), (perfect[:, ::-1], False)):
        found = np.asarray(pretext.error_map(images, output))
        assert found.shape == (2, SIDE, SIDE, len(pretext.channels))
        assert (np.abs(found).max(axis=(0, 1, 2)) < 1e-3).all() == none


# --- Reconstructing and scoring --------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_reconstructing_at_once_is_reconstructing_mask_by_mask(task: str, trained: Callable[[str], Trained]) -> None:
    model, (images, category_ids) = trained(task).model, _inputs(3)
    expected = []
    for masks in model.scoring_masks:
        outputs = [np.asarray(model.predict_hidden(images, category_ids, np.repeat(h[None], 3, axis=0))) for h in masks]
        weights = np.broadcast_to(masks[:, None, :, :, None], np.shape(outputs)).astype("float64")
        expected.append(np.average(outputs, axis=0, weights=weights))
    found = np.asarray(model.reconstruct(images, category_ids, model.scoring_masks))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_error_maps_are_the_mean_over_partitions_whatever_the_batches(
    task: str, trained: Callable[[str], Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstructor, "BATCH", 4)
    done, images = trained(task), _parts(6, seed=2)
    lab, model, category_ids = to_lab(images), done.model, np.ones(6, "int32")
    of_sets = [
        model.pretext.error_map(lab, model.reconstruct(lab, category_ids, model.scoring_masks[i : i + 1])[0])
        for i in range(len(model.scoring_masks))
    ]
    expected = np.mean([np.asarray(maps) for maps in of_sets], axis=0)
    found = reconstructor.error_maps(done.scorer, images, 1)  # a full batch, then one of two images
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(reconstructor.error_maps(done.scorer, images[4:5], 1), expected[4:5], atol=1e-5)
    assert np.abs(reconstructor.error_maps(done.scorer, images[:1], 0) - expected[:1]).max() > 1e-3
    assert reconstructor.error_maps(done.scorer, images[:0]).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("task", TASKS)
def test_codes_are_one_row_an_image_whatever_the_batches(
    task: str, trained: Callable[[str], Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = trained(task).model, _parts(5, seed=2)
    found = reconstructor.codes(model, images, 1)
    assert found.shape == (5, model.network.get_layer("code").output.shape[-1])
    assert np.abs(np.diff(found, axis=0)).max(axis=1).min() > 1e-4
    assert np.abs(reconstructor.codes(model, images, 0) - found).max() > 1e-4
    monkeypatch.setattr(reconstructor, "BATCH", 2)
    np.testing.assert_allclose(reconstructor.codes(model, images, 1), found, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_pictures_of_what_goes_in_and_comes_out(task: str, trained: Callable[[str], Trained]) -> None:
    model, images = trained(task).model, _parts(2, seed=2)
    before, hidden = images.copy(), model.scoring_masks[0, 0]
    seen = reconstructor.hidden_view(model, images)
    category_ids = np.array([0, 1])
    whole, one = (reconstructor.reconstruction_picture(model, images, category_ids, unseen=u) for u in (True, False))
    for shown in (seen, whole, one):
        assert shown.shape == images.shape and shown.dtype == np.uint8
    np.testing.assert_array_equal(images, before)
    if task == "colorization":
        assert np.ptp(seen.astype(int), axis=-1).max() <= 1
        np.testing.assert_allclose(to_lab(seen)[..., 0], to_lab(images)[..., 0], atol=0.01)
        np.testing.assert_array_equal(whole, one)
    else:
        np.testing.assert_array_equal(seen[:, ~hidden], images[:, ~hidden])
        assert len(np.unique(seen[:, hidden].reshape(-1, 3), axis=0)) == 1
        assert (whole != one).any()


# --- The mean image --------------------------------------------------------------------------------------------------


def test_means_are_those_of_each_category_and_over_the_turns_of_parts_that_turn() -> None:
    good = _good(7)
    found = good.mean_images()
    assert found.shape == (2, SIDE, SIDE, 3) and found.dtype == np.float32
    first, second = (to_lab(good.images[good.category_ids == category_id]) for category_id in (0, 1))
    np.testing.assert_allclose(found[0], first.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found[1], np.mean([t for image in second for t in _turned(image)], axis=0), atol=1e-5)
    for turned in _turned(found[1]):
        np.testing.assert_allclose(turned, found[1], atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_starts_from_the_mean_image_of_each_category(task: str, trained: Callable[[str], Trained]) -> None:
    images, category_ids = _inputs(3)
    model = modelling.build(_config(task=task))
    base = _noise(2, SIDE, SIDE, 3)
    model.mean_image.assign(base)
    expected = base[category_ids, ..., 1:] if task == "colorization" else base[category_ids]
    for guess in np.asarray(model.reconstruct(images, category_ids, model.scoring_masks)):
        np.testing.assert_allclose(guess, expected, atol=1e-6)
    done = trained(task)
    np.testing.assert_array_equal(np.asarray(done.model.mean_image), done.good.mean_images())  # it is given, not learnt
    learnt = np.asarray(done.model.reconstruct(images, category_ids, done.model.scoring_masks))
    assert np.abs(learnt - done.good.mean_images()[category_ids][..., -learnt.shape[-1] :]).max() > 1e-2


@pytest.mark.parametrize("base", [True, False])
def test_the_mean_image_is_that_of_good_parts_or_grey(base: bool) -> None:
    good = _good(4)
    found = np.asarray(modelling.build(_config(start_from_mean=base), good).mean_image)
    np.testing.assert_array_equal(found, good.mean_images() if base else np.zeros((2, SIDE, SIDE, 3)))


# --- Configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "puzzle"}, "puzzle"),
        ({"side": 16}, "16"),
        ({"side": 40}, "40"),
        ({"cells": ()}, "cells"),
        ({"cells": (8, 5)}, "5"),
        ({"cells": (0,)}, "0"),
        ({"cells": (64,)}, "64"),
        ({"cells": (1,)}, "1"),  # two members in three would hide nothing
        ({"patch": 0}, "0"),
        ({"patch": 5}, "5"),
        ({"patch": 32}, "32"),  # a single patch
        ({"width": 0}, "width"),
        ({"n_categories": 0}, "n_categories"),
        ({"shift": -1}, "-1"),
        ({"shift": SIDE}, str(SIDE)),
        ({"structure": -0.5}, "-0.5"),
        ({"structure": float("nan")}, "nan"),
        ({"structure": float("inf")}, "inf"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_values_out_of_range_are_refused_and_named(changes: dict, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        _config(**changes)
    assert said in str(refusal.value) and str(refusal.value).endswith(".")


def test_an_unknown_task_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=", ".join(pretexts.PRETEXTS)):
        _config(task="puzzle")


@pytest.mark.parametrize("config", [Config(), _config(cells=[8, 4], task="colorization", shift=0)])
def test_configurations_survive_json(config: Config) -> None:
    back = Config(**json.loads(json.dumps(dataclasses.asdict(config))))
    assert back == config and hash(back) == hash(config) and isinstance(back.cells, tuple)


# --- Augmentation ----------------------------------------------------------------------------------------------------


def _batches(config: Config, good: Good, *, epoch: int) -> training.ArrayBatches:
    return modelling.batches(config, good, modelling.padded_lab(config, good), epoch)


def _turned(image: np.ndarray) -> list[np.ndarray]:
    """The eight ways to lay a square image, itself first."""
    return [np.rot90(flipped, quarter) for flipped in (image, image[::-1]) for quarter in range(4)]


def test_parts_that_turn_are_turned_and_others_only_shifted() -> None:
    images, shift = _parts(2), 1
    config = _config(images_seen=512, epochs=2, shift=shift)
    good = Good(images, np.array([True, False]), np.array([0, 1], "int32"))
    lab = np.pad(to_lab(images), ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
    ways = {}  # of each possible picture: the image, where it was shifted, and how it was turned
    for index, top, left in itertools.product(range(2), range(2 * shift + 1), range(2 * shift + 1)):
        for turn, picture in enumerate(_turned(lab[index, top : top + SIDE, left : left + SIDE])):
            ways[picture.tobytes()] = (index, (top, left), turn)
    batches = _batches(config, good, epoch=1)
    ((pictures, category_ids),) = batches.arrays
    assert pictures.dtype == np.float32 and batches.batch_size == config.batch_size
    found = [ways[picture.tobytes()] for picture in pictures]
    expected = training.epoch_indices(config, 2, epoch=1).tolist()
    assert category_ids.tolist() == [index for index, _, _ in found] == expected
    assert {turn for index, _, turn in found if index == 0} == set(range(8))
    assert {turn for index, _, turn in found if index == 1} == {0}
    for index in range(2):
        assert len({place for i, place, _ in found if i == index}) == (2 * shift + 1) ** 2


def test_without_shift_nor_turn_images_are_themselves() -> None:
    config, good = _config(shift=0), dataclasses.replace(_good(3), turns=np.zeros(3, bool))
    chosen = training.epoch_indices(config, 3, epoch=1)
    np.testing.assert_array_equal(_batches(config, good, epoch=1).arrays[0][0], to_lab(good.images[chosen]))


@pytest.mark.parametrize("count", [1, 3])  # of a single part, only the shifts change
def test_an_epoch_is_a_function_of_seed_and_epoch(count: int) -> None:
    good = _good(count)
    first, same, later, other = (
        _batches(_config(seed=seed), good, epoch=epoch).arrays[0][0] for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )
    assert (later != first).any() and (other != first).any()
    np.testing.assert_array_equal(same, first)


# --- Training, saving, loading ---------------------------------------------------------------------------------------


def _predictions(model: Reconstructor) -> np.ndarray:
    return np.asarray(model.reconstruct(*_inputs(2, seed=7), model.scoring_masks))


@pytest.mark.parametrize("task", TASKS)
def test_a_short_training_lowers_the_loss(task: str, trained: Callable[[str], Trained]) -> None:
    run = trained(task).run
    assert run.fresh and run.history["loss"].is_monotonic_decreasing
    assert run.metrics["seconds"] == pytest.approx(run.history["seconds"].sum())


@pytest.mark.parametrize("task", TASKS)
def test_a_training_is_done_once_and_found_again(
    task: str, trained: Callable[[str], Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = trained(task)
    monkeypatch.setattr(training, "_save_run", None)  # no other model is trained
    again = modelling.train(_config(task=task), done.good)
    assert not again.fresh and again.folder == done.run.folder
    assert again.model.config == done.model.config
    np.testing.assert_array_equal(again.model.scoring_masks, done.model.scoring_masks)
    np.testing.assert_array_equal(again.model.training_masks, done.model.training_masks)
    np.testing.assert_array_equal(_predictions(again.model), _predictions(done.model))


@pytest.mark.parametrize("task", TASKS)
def test_each_epoch_leaves_its_reconstructions(task: str, trained: Callable[[str], Trained]) -> None:
    done = trained(task)
    snapshots = modelling.snapshots(_config(task=task), done.good, done.watched)
    assert list(snapshots) == list(range(1, SMALL["epochs"] + 1))
    assert (snapshots[1] != snapshots[2]).any()
    expected = reconstructor.reconstruction_picture(done.model, done.watched.images, done.watched.category_ids)
    np.testing.assert_array_equal(snapshots[2], expected)
    assert not modelling.snapshots(_config(task=task), done.good, done.watched.take(np.array([1, 0])))
    assert not modelling.snapshots(_config(task=task, seed=1), done.good, done.watched)


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, good, seeds, epochs = _config(images_seen=8, structure=0), _good(3), [0, 0, 9], []
    build, checkpoint = modelling.build, training._save_checkpoint

    def eager(asked: Config, good: Good) -> Reconstructor:
        """The last model has other weights: all must come from the checkpoint. Steps are too few to compile them."""
        model = build(dataclasses.replace(asked, seed=seeds.pop(0)), good)
        model.run_eagerly = keras.backend.backend() == "tensorflow"
        return model

    def stop(model, rows, path) -> None:
        checkpoint(model, rows, path)
        epochs.append(len(rows))
        if epochs == [1, 2, 1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(modelling, "build", eager)
    monkeypatch.setattr(training, "_save_checkpoint", stop)
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "a"))
    whole = modelling.train(config, good)
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "b"))
    with pytest.raises(KeyboardInterrupt):
        modelling.train(config, good)
    resumed = modelling.train(config, good)
    assert epochs == [1, 2, 1, 2] and not seeds
    np.testing.assert_allclose(resumed.history["loss"], whole.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(_predictions(resumed.model), _predictions(whole.model), atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_the_seed_decides_the_initial_weights_but_not_what_scoring_hides(task: str) -> None:
    first, same, other = (modelling.build(_config(task=task, seed=s)) for s in (3, 3, 4))
    kernels = [[np.asarray(w) for w in m.trainable_weights if len(w.shape) > 1] for m in (first, same, other)]
    for one, equal, different in zip(*kernels, strict=True):
        np.testing.assert_array_equal(one, equal)
        assert (one != different).any() or not one.any()  # the last starts from zero
    np.testing.assert_array_equal(first.scoring_masks, other.scoring_masks)


def test_another_configuration_or_other_parts_are_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def record(config, *, project: str, data: str, build, batches, code, **_) -> None:
        key = training.code_hash(build, batches, *code)
        asked.append(training.run_folder(config, project=project, data=data, code=key))

    monkeypatch.setattr(training, "train", record)
    good = _good(4)
    for config, parts in (
        (_config(), good),
        (_config(cells=(8, 4)), good),
        (_config(), good.take(np.arange(3))),
        (_config(), dataclasses.replace(good, turns=~good.turns)),
        (_config(), dataclasses.replace(good, category_ids=1 - good.category_ids)),
        (_config(), good),
    ):
        modelling.train(config, parts)
    assert len(set(asked)) == 5 and asked[5] == asked[0]


def test_parts_are_taken_by_rows_or_by_a_mask() -> None:
    good = Good(_parts(4), np.array([True, False, False, True]), np.arange(4))
    for chosen in (np.array([0, 2]), np.array([True, False, True, False])):
        taken = good.take(chosen)
        assert len(taken) == 2 and taken.turns.tolist() == [True, False] and taken.category_ids.tolist() == [0, 2]
        np.testing.assert_array_equal(taken.images, good.images[[0, 2]])
