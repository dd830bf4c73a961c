"""The explorer of the CVAE: the directions that matter, ways between classes, and images that a page can add up."""

from __future__ import annotations

import itertools
import types

import numpy as np
import pytest

from atelier import explorateurs
from projet2_cvae import evaluation, explorer
from projet2_cvae.dataset import CLASSES
from projet2_cvae.model import CVAE, Config
from projet2_cvae.training import build


@pytest.fixture(scope="module", params=["per_class", "concat", "none"])
def cvae(request) -> CVAE:
    kind = request.param
    options = {"conditional": False} if kind == "none" else {"conditioning": kind}
    return build(Config(latent_dim=3, width=16, seed=2, **options))


def linear(slopes: np.ndarray):
    """A decoder whose logits are codes times slopes, (d, pixels); small, so that images are linear too."""

    def decoder(inputs):
        return (0.01 * inputs[0] @ slopes).reshape(-1, 28, 28, 1)

    return types.SimpleNamespace(
        config=types.SimpleNamespace(latent_dim=len(slopes), conditional=False), decoder=decoder
    )


def test_directions_are_those_that_change_the_images_most() -> None:
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0].astype("float32")
    patterns = np.random.default_rng(1).uniform(0, 1, (5, 784)).astype("float32")
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    patterns = np.linalg.qr(patterns.T)[0].T * np.array([1, 20, 2, 9, 0.5])[:, None]
    found = explorer.directions(linear((axes.T @ patterns).astype("float32")), 0)
    assert abs(found[0] @ axes[1]) == pytest.approx(1, abs=0.02)
    assert abs(found[1] @ axes[3]) == pytest.approx(1, abs=0.02)


def test_a_code_of_one_dimension_has_one_direction() -> None:
    found = explorer.directions(linear(np.ones((1, 784), "float32")), 0)
    assert found.tolist() == [[1.0], [0.0]]  # towards lighter images


def test_the_square_goes_along_both_directions(cvae: CVAE) -> None:
    tiles, (across, up) = explorer.plane(cvae, 3), explorer.directions(cvae, 3)
    for row, column, a, u in ((0, 0, -2, 2), (4, 4, 0, 0), (8, 4, 0, -2), (4, 8, 2, 0)):
        code = (a * across + u * up)[None].astype("float32")
        expected = evaluation.decode(cvae, code, np.array([3]))[0, ..., 0]
        assert np.abs(tiles[row, column].astype(int) - expected).max() <= 1


def test_ways_mix_the_labels_and_keep_the_code(cvae: CVAE) -> None:
    ways, centre = explorer.morphs(cvae), np.zeros((1, 3), "float32")
    pairs = list(itertools.combinations(range(10), 2))
    assert ways.shape == (len(pairs), explorer.BETWEEN, 28, 28)
    half = np.zeros((1, 10), "float32")
    half[0, [2, 7]] = 0.5
    inputs = [centre, half] if cvae.config.conditional else [centre]
    expected = 255 / (1 + np.exp(-np.asarray(cvae.decoder(inputs))[0, ..., 0]))
    assert np.abs(ways[pairs.index((2, 7)), explorer.BETWEEN // 2] - expected).max() <= 1


def test_a_page_takes_the_data_and_shows_the_images(cvae: CVAE) -> None:
    data = explorer.data(cvae)
    assert explorateurs.render(data) != ""
    assert data["classes"] == list(CLASSES) and data["erreur"] < 0.03
    planes = [explorer.plane(cvae, label).reshape(-1, 28, 28) for label in range(10)]
    images = np.concatenate([*planes, explorer.morphs(cvae).reshape(-1, 28, 28)])
    shown = explorer.unpack(explorer.pack(images))
    assert np.sqrt(np.square(shown - images).mean()) / 255 == pytest.approx(data["erreur"], rel=0.01, abs=1e-4)


def test_packed_images_are_light_whatever_they_are() -> None:
    """Noise, which nothing compresses, is the worst: the data of an executed notebook stays under 110 kB."""
    images = np.random.default_rng(0).integers(0, 256, (1035, 28, 28), dtype="uint8")
    packed = explorer.pack(images)
    weight = (packed.basis.size + packed.weights.size) * 4 / 3 + 3 * explorer.BASIS * 12
    assert weight < 90_000


def test_packing_few_simple_images_is_exact() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype="uint8")
    assert np.abs(explorer.unpack(explorer.pack(images)) - images).mean() < 2
    flat = np.full((4, 28, 28), 7, "uint8")
    np.testing.assert_allclose(explorer.unpack(explorer.pack(flat)), flat, atol=0.1)


def test_the_drawing_says_what_changes(cvae: CVAE) -> None:
    drawing = explorer.plot(cvae)
    assert len(drawing.figure.axes) == 30 and "−2" in drawing.alt
    assert [axis.get_xlabel() for axis in drawing.figure.axes if axis.get_xlabel()] == list(CLASSES)
