"""The figures of project 2: they draw what they are given, and their texts say the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from test_projet2_selection import imagined_table

from commun.figures import Drawing, number
from projet2_cvae import evaluation, figures, model, sample, selection
from projet2_cvae import judge as judging
from projet2_cvae.dataset import CLASSES, Part
from projet2_cvae.model import CVAE, Config
from projet2_cvae.training import build

import keras  # isort: skip
from keras import layers  # isort: skip


def _part(count: int, seed: int = 0) -> Part:
    labels = (np.arange(count) % 10).astype("uint8")
    return Part(sample.draw_images(labels, seed=seed)[..., None], labels)


@pytest.fixture(scope="module")
def part() -> Part:
    return _part(100)


@pytest.fixture(scope="module")
def cvae() -> CVAE:
    return build(Config(latent_dim=3, width=16, seed=2))


@pytest.fixture(scope="module")
def reference() -> judging.ReferenceFeatures:
    return judging.reference_features(judging.build(judging.JudgeConfig(width=4, features=6)), _part(60, 5), 40)


# --- 01: the images --------------------------------------------------------------------------------------------------


def test_figures_hold_every_class_and_every_pixel(part: Part) -> None:
    grid = figures.plot_classes(part).figure
    assert [axis.get_ylabel() for axis in grid.axes[::10]] == list(CLASSES)
    means = figures.plot_means(part).figure
    np.testing.assert_allclose(means.axes[4].images[0].get_array(), part.images[part.labels == 4].mean(axis=0)[..., 0])
    drawing = figures.plot_grey_levels(part)
    left, right = drawing.figure.axes
    assert sum(bar.get_height() for bar in left.patches) == pytest.approx(100)
    assert number(100 * (part.images == 0).mean(), 1) in drawing.alt
    widths = [bar.get_width() for bar in right.patches]
    assert len(widths) == 10 and widths == sorted(widths)


def test_entropy_is_drawn_for_a_pixel_and_for_each_class(part: Part) -> None:
    curve = figures.plot_pixel_entropy().figure.axes[0].lines[0]
    assert max(curve.get_ydata()) == pytest.approx(np.log(2), abs=1e-3)
    drawing = figures.plot_class_entropy(part)
    entropy = evaluation.bernoulli_entropy(part)
    widths = [bar.get_width() for bar in drawing.figure.axes[0].patches]
    np.testing.assert_allclose(widths, sorted(entropy[part.labels == c].mean() for c in range(10)))
    assert number(entropy.mean(), 1) in drawing.alt


# --- 02: the model ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def networks() -> tuple[keras.Model, keras.Model]:
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(image)
    x = layers.Dropout(0.1)(layers.Activation("relu")(x))
    encoder = keras.Model(image, layers.Dense(6, name="code")(layers.Flatten()(x)))
    code = keras.Input((6,))
    x = layers.Reshape((4, 4, 2))(layers.Dense(32)(code))
    return encoder, keras.Model(code, layers.Conv2DTranspose(1, 3, strides=2, padding="same")(x))


def test_every_layer_is_drawn_and_those_with_weights_are_numbered(networks) -> None:
    drawing = figures.plot_network(dict(zip(("Encodeur", "Décodeur"), networks, strict=True)))
    axes = drawing.figure.axes
    blocks = [[patch for patch in axis.patches if type(patch) is Rectangle] for axis in axes]
    assert list(map(len, blocks)) == [3, 3]  # without Dropout, Activation, Flatten and Reshape
    assert [[t.get_text() for t in axis.texts if t.get_text().isdigit()] for axis in axes] == [["1", "2"], ["3", "4"]]
    texts = [t.get_text() for t in axes[0].texts]
    assert {"entrée\n8×8×1\n", "Conv2D\n4×4×4\n40 p.", "Dense\n6\n390 p."} <= set(texts)
    assert axes[0].get_title(loc="left") == "Encodeur : 430 paramètres"
    assert axes[1].get_title(loc="left").startswith("Décodeur")
    assert len({block.get_facecolor() for block in blocks[0]}) == 3  # entry, convolution, dense
    assert drawing.alt == (
        "Schéma du réseau. Encodeur : Conv2D (4×4×4), Dense (6) ; Décodeur : Dense (32), Conv2DTranspose (8×8×1)."
    )


def test_a_last_layer_without_weights_is_drawn() -> None:
    network = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Reshape((2, 2))])
    (axis,) = figures.plot_network({"Réseau": network}).figure.axes
    assert sum(type(patch) is Rectangle for patch in axis.patches) == len(network.layers) == 2
    assert [t.get_text() for t in axis.texts if t.get_text().isdigit()] == ["1"]
    assert "2×2" in axis.texts[-1].get_text()


@pytest.mark.parametrize("architecture", model.ARCHITECTURES)
def test_the_drawing_counts_seven_layers(architecture: str) -> None:
    config = Config(architecture=architecture, conditioning="per_class", width=4, latent_dim=2)
    rows = {"E": model.build_encoder(config), "D": model.build_decoder(config)}
    texts = [t.get_text() for axis in figures.plot_network(rows).figure.axes for t in axis.texts]
    assert [t for t in texts if t.isdigit()] == list("1234567")


def test_planes_show_every_model_and_name_every_class(part: Part) -> None:
    planes = {name: build(Config(latent_dim=2, width=4, conditional=name == "CVAE")) for name in ("VAE", "CVAE")}
    drawing = figures.plot_planes(planes, part)
    axes = np.array(drawing.figure.axes).reshape(2, 10)
    assert [axis.get_title() for axis in axes[0]] == list(CLASSES)
    assert [row[0].get_ylabel() for row in axes] == ["VAE", "CVAE"]
    assert drawing.alt.index(" VAE (") < drawing.alt.index(" CVAE (")
    codes = evaluation.encode(planes["CVAE"], part)[0]
    grey, blue = axes[1, 4].collections
    np.testing.assert_allclose(grey.get_offsets(), codes)
    np.testing.assert_allclose(blue.get_offsets(), codes[part.labels == 4])
    grid = evaluation.decode_plane(planes["VAE"], 0)
    corner = evaluation.decode(planes["VAE"], np.array([[-2, 2]], "float32"), np.zeros(1, int))[0, ..., 0]
    np.testing.assert_allclose(grid[0, 0].astype(int), corner.astype(int), atol=1)  # x to the right, y upwards
    mosaics = figures.plot_manifolds({"a": (planes["VAE"], 0), "b": (planes["CVAE"], 3)}).figure.axes
    assert [axis.images[0].get_array().shape for axis in mosaics] == [(280, 280)] * 2
    np.testing.assert_array_equal(mosaics[0].images[0].get_array()[28:56, 56:84], grid[1, 2])


def test_terms_are_drawn_each_on_its_scale() -> None:
    history = pd.DataFrame({"epoch": [1, 2], "val_reconstruction": [9.0, 8.0], "val_kl": [1.0, 2.0]})
    drawing = figures.plot_terms(history)
    assert [list(axis.lines[0].get_ydata()) for axis in drawing.figure.axes] == [[9, 8], [1, 2]]
    assert "8,0 à la fin" in drawing.alt and "KL (2,0)" in drawing.alt


# --- 03: the search --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("complete", [0, 1, 3])
def test_too_few_complete_trials_say_so(complete: int) -> None:
    table = imagined_table(6, complete=complete)
    drawing = figures.plot_importance(selection.importance(table))
    assert "trop peu" in drawing.alt and len(drawing.figure.axes) == 1
    drawing = figures.plot_parallel(table)
    assert drawing.alt.endswith(".") and drawing.figure.axes


def test_every_complete_trial_is_drawn() -> None:
    table = imagined_table(12, complete=9)
    drawing = figures.plot_parallel(table)
    lines = [line for line in drawing.figure.axes[0].lines if len(line.get_xdata()) == len(selection.SPACE) + 1]
    assert len(lines) == 9
    heights = np.array([line.get_ydata()[-1] for line in lines], float)
    assert (heights.min(), heights.max()) == pytest.approx((0, 1))
    assert {line.get_linewidth() for line in lines if line.get_ydata()[-1] < 1e-9} == {2.2}  # the best one stands out
    assert "9 essais" in drawing.alt and f"de {number(table[:9]['val_nelbo'].min())} à" in drawing.alt
    shares = selection.importance(table)
    drawing = figures.plot_importance(shares)
    bars = drawing.figure.axes[0].patches
    assert sorted(bar.get_width() for bar in bars) == pytest.approx(sorted(100 * shares))
    assert drawing.alt.count("%") == len(shares)


# --- 04: the evaluation ----------------------------------------------------------------------------------------------


def test_reconstructions_are_drawn_under_their_images(cvae: CVAE, part: Part) -> None:
    easy, hard = evaluation.extremes(cvae, part, 10)
    cost = evaluation.nelbo_terms(cvae, part).sum(axis=1) - evaluation.bernoulli_entropy(part)
    assert cost[easy].max() < cost[hard].min() and cost[easy][0] == cost.min() and cost[hard][0] == cost.max()
    drawing = figures.plot_reconstructions(cvae, part, easy, title="Faciles")
    axes = np.array(drawing.figure.axes).reshape(2, 10)
    np.testing.assert_array_equal(axes[0, 3].images[0].get_array(), part.images[easy[3], ..., 0])
    reconstructions = evaluation.reconstruct(cvae, part.take(easy))
    np.testing.assert_array_equal(axes[1, 3].images[0].get_array(), reconstructions[3, ..., 0])
    assert axes[0, 3].get_xlabel() == CLASSES[part.labels[easy[3]]] and axes[1, 3].get_xlabel().endswith("nats")
    assert drawing.alt.startswith("Faciles : 10 images") and f"de {number(cost.min(), 0)} à" in drawing.alt


def test_the_loss_budget_is_drawn_and_said(cvae: CVAE, part: Part) -> None:
    table = evaluation.loss_budget(cvae, part)
    drawing = figures.plot_loss_budget(table)
    for value in (table["gap"].min(), table["gap"].max(), table["entropy"].mean(), table["kl"].mean()):
        assert number(value, 1) in drawing.alt
    assert table["gap"].idxmax() in drawing.alt and table["gap"].idxmin() in drawing.alt
    bars = drawing.figure.axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(table["total"].sum() + table["total"].mean())


def test_generated_images_are_drawn(cvae: CVAE, reference: judging.ReferenceFeatures, part: Part) -> None:
    assert len(figures.plot_class_swaps(cvae, part.take(np.arange(2))).figure.axes) == 22
    pairs = part.take(np.arange(2)), part.take(np.arange(10, 12))
    assert len(figures.plot_interpolations(cvae, *pairs).figure.axes) == 24
    labels = np.repeat(np.arange(10), 3)
    images = evaluation.generate(cvae, labels)
    drawing: Drawing = figures.plot_generated(images)
    assert [axis.get_ylabel() for axis in drawing.figure.axes[::3]] == list(CLASSES) and "3 par classe" in drawing.alt
    drawing = figures.plot_least_convincing(images, labels, reference, np.arange(4))
    assert drawing.figure.axes[3].get_xlabel().startswith("pantalon\nlu : ") and "Les 4 images" in drawing.alt
