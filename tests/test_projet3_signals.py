"""What scoring looks at: the appearance of cells without a network, the error and the representation of each task."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator

import numpy as np
import pytest
from anomalies import SIDE, config, parts, shaken, shallow

from projet3_ssl_anomalies import losses, pretexts, signals
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.signals import BASELINE, BATCH, DIMENSIONS, ERROR, GRID, REPRESENTATION, Scorer, named

import keras  # isort: skip

TASKS = ("colorization", "inpainting", "masked_autoencoder", "repair")
IMAGES = parts(BATCH + 3, seed=2)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Generator[None]:
    with shallow():
        yield


@pytest.fixture(scope="module")
def models() -> Callable[..., Reconstructor]:
    @functools.cache
    def made(task: str, *, side: int = SIDE, seed: int = 0) -> Reconstructor:
        return shaken(config(task=task, side=side), seed=seed)

    return made


@pytest.fixture(scope="module")
def found(models: Callable) -> dict[str, dict[str, np.ndarray]]:
    """The signals of `IMAGES` for each task: a full batch, then one that is filled."""
    return {task: signals.signals({task: models(task)}, IMAGES) for task in TASKS}


def _close(first: np.ndarray, second: np.ndarray) -> None:
    """To rounding: as far as the values of each channel are spread."""
    spread = 1e-4 * (1e-6 + np.abs(second).max(axis=(0, 1, 2)))
    assert (np.abs(first - second) <= spread).all()


# --- Without a network -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [GRID, 2 * GRID, 4 * GRID])
def test_the_appearance_is_the_mean_colour_and_gradient_of_a_cell(side: int) -> None:
    images = parts(3, side=side)
    assert list(signals.signals({}, images)) == [BASELINE]  # it needs no model
    lab = to_lab(images)
    pixels = np.concatenate([lab, np.asarray(losses.gradient(lab[..., :1]))], axis=-1)
    block = side // GRID
    expected = pixels.reshape(3, GRID, block, GRID, block, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(signals.appearance(images), expected, atol=1e-4)


def test_each_image_has_its_own_appearance() -> None:
    whole = signals.appearance(IMAGES)
    assert whole.shape == (len(IMAGES), GRID, GRID, 4) and whole.dtype == np.float32
    np.testing.assert_allclose(signals.appearance(IMAGES[4:5]), whole[4:5], atol=1e-6)


# --- Names and shapes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_an_error_and_a_representation(task: str, found: dict) -> None:
    assert list(found[task]) == [BASELINE, named(task, ERROR), named(task, REPRESENTATION)]
    for signal in found[task].values():
        assert signal.shape[:3] == (len(IMAGES), GRID, GRID) and signal.dtype == np.float32
        assert np.isfinite(signal).all()
    error, representation = (found[task][named(task, kind)] for kind in (ERROR, REPRESENTATION))
    assert error.shape[-1] == len(PRETEXTS[task].channels) and 1 <= representation.shape[-1] <= DIMENSIONS
    assert np.ptp(representation, axis=0).max() > 1e-3  # parts differ


def test_signals_of_all_tasks_are_those_of_each(found: dict, models: Callable) -> None:
    together = signals.signals({task: models(task) for task in TASKS[::-1]}, IMAGES)
    assert set(together) == {name for of_task in found.values() for name in of_task}
    for of_task in found.values():
        for name, signal in of_task.items():
            _close(together[name], signal)


def test_signals_and_fusions_have_french_names(found: dict) -> None:
    names = [*{name for of_task in found.values() for name in of_task}, *TASKS, REPRESENTATION, signals.FUSED]
    titles = {name: signals.title(name) for name in names}
    assert len(set(titles.values())) == len(titles)
    for task in TASKS:
        assert all(titles[named(task, kind)].startswith(PRETEXTS[task].title) for kind in (ERROR, REPRESENTATION))


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("task", ["inpainting", "masked_autoencoder"])
def test_images_of_any_side_are_read_on_the_same_grid(task: str, side: int, models: Callable) -> None:
    model, images = models(task, side=side), to_lab(parts(2, side=side))
    error, representation = (np.asarray(part) for part in Scorer(model)(images))
    assert error.shape == (2, GRID, GRID, len(PRETEXTS[task].channels))
    assert representation.shape[:3] == (2, GRID, GRID)


# --- Values ----------------------------------------------------------------------------------------------------------


def _gridded(maps: np.ndarray) -> np.ndarray:
    """Maps of 64 pixels a side, whose cells are 2 x 2."""
    return maps.reshape(len(maps), GRID, 2, GRID, 2, -1).mean(axis=(2, 4))


@pytest.mark.parametrize("task", ["colorization", "inpainting", "repair"])
def test_the_error_is_the_mean_over_partitions_in_each_cell(task: str, models: Callable) -> None:
    model, lab = models(task, side=64), to_lab(parts(2, side=64))
    masks = model.pretext.scoring_masks
    outputs = np.asarray(model.reconstruct(lab, masks))
    expected = np.mean([_gridded(np.asarray(model.pretext.error_map(lab, output))) for output in outputs], axis=0)
    _close(np.asarray(Scorer(model)(lab)[0]), expected)


def test_the_representation_is_that_of_images_of_which_nothing_is_hidden(models: Callable) -> None:
    """As wide as its levels, or projected on directions that are always the same."""
    model, lab = models("inpainting", side=64), to_lab(parts(2, side=64))
    encoder = keras.Model(model.network.inputs, [model.network.get_layer(name).output for name in model.pretext.levels])
    fine, coarse = (np.asarray(level) for level in encoder(model.pretext.whole(lab, model.mean_images(lab))))
    assert fine.shape[1] == GRID and coarse.shape[1] == GRID // 2
    scorer = Scorer(model)
    found = np.asarray(scorer(lab)[1])
    enlarged = np.asarray(keras.ops.image.resize(coarse, (GRID, GRID), interpolation="bilinear"))
    _close(found, np.concatenate([fine, enlarged], axis=-1) @ scorer.projection)


@pytest.mark.parametrize(("channels", "dimensions"), [(12, 12), (36, 12), (48, 5)])
def test_directions_are_orthonormal_and_always_the_same(channels: int, dimensions: int) -> None:
    found = signals.random_projection(channels, dimensions)
    assert found.shape == (channels, dimensions) and found.dtype == np.float32
    np.testing.assert_allclose(found.T @ found, np.eye(dimensions), atol=1e-5)
    np.random.default_rng().normal()
    np.testing.assert_array_equal(signals.random_projection(channels, dimensions), found)


# --- Nothing leaks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_signals_of_an_image_do_not_depend_on_those_it_is_read_with(task: str, found: dict, models: Callable) -> None:
    others = np.concatenate([255 - IMAGES[:4], IMAGES[4:5], 255 - IMAGES[5:]])
    for images, row in ((IMAGES[4:5], 0), (others, 4), (IMAGES[: BATCH + 1], 4)):
        again = signals.signals({task: models(task)}, images)
        for name, signal in found[task].items():
            assert len(again[name]) == len(images)
            _close(again[name][row : row + 1], signal[4:5])
    last = signals.signals({task: models(task)}, IMAGES[-1:])
    for name, signal in found[task].items():
        _close(last[name], signal[-1:])


@pytest.mark.parametrize("task", TASKS)
def test_weights_of_a_category_do_not_leak_into_the_signals_of_another(
    task: str, found: dict, models: Callable
) -> None:
    """Models of the same configuration are read through the same graph."""
    between = signals.signals({task: models(task, seed=1)}, IMAGES[:2])
    again = signals.signals({task: models(task)}, IMAGES[:2])
    for kind in (ERROR, REPRESENTATION):
        name = named(task, kind)
        assert np.abs(between[name] - found[task][name][:2]).max() > 1e-2
        _close(again[name], found[task][name][:2])


def test_a_task_that_changes_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook, a cell that defines a task may be edited and run again: its name stays."""
    asked = config(task="colorization", seed=5)
    before = signals.signals({"colorization": shaken(asked)}, IMAGES[:1])

    class Colorization(pretexts.Colorization):
        def error_map(self, images, output):
            return 2 * super().error_map(images, output)

    monkeypatch.setitem(PRETEXTS, "colorization", Colorization)
    after = signals.signals({"colorization": shaken(asked)}, IMAGES[:1])
    _close(after["colorization/error"], 2 * before["colorization/error"])
