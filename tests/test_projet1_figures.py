"""The drawings of notebooks 02 and 03 hold the data, and their texts its values."""

from __future__ import annotations

import dataclasses

import keras
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from sklearn import metrics as sk
from test_projet1_evaluation import GENRES, YEARS, ByColour, _answers, _data, _sure
from test_projet1_training import TINY

from projet1_artistes import evaluation, figures, networks, training
from projet1_artistes.networks import PLAIN, RESIDUAL
from projet1_artistes.split import TRAINING

# --- Networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [RESIDUAL, PLAIN])
@pytest.mark.parametrize("side", [48, 37])
def test_the_drawing_tells_the_shapes_of_the_network(architecture, side):
    config = dataclasses.replace(TINY, architecture=architecture, width=6, blocks=2)
    network = training.network(config, 7)
    drawing = figures.plot_network(network, side, title="Le réseau")
    maps = keras.Model(network.input, network.get_layer("maps").output)(np.zeros((1, side, side, 3), np.float32))
    texts = [text.get_text() for text in drawing.figure.axes[0].texts if text.get_text()]
    assert texts[:2] == ["œuvre", f"{side}×{side}×3"]
    assert texts[-5] == "×".join(map(str, maps.shape[1:]))
    assert texts[-4:] == ["moyenne\nglobale", str(maps.shape[-1]), "dense", "7 scores"]
    assert ("2 blocs résiduels" in drawing.alt) == (architecture == RESIDUAL)
    assert ("maximum 2×2" in drawing.alt) == (architecture == PLAIN)
    assert f"{network.count_params():,}".replace(",", "\u202f") in drawing.alt


def test_the_drawing_is_that_of_the_network_whatever_the_configuration_said():
    """A layer that was added or taken away is seen."""
    boxes = len(figures.plot_network(training.network(TINY, 7), 48, title="a").figure.axes[0].patches)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "STAGES", 3)
        fewer = figures.plot_network(training.network(TINY, 7), 48, title="a")
    assert len(fewer.figure.axes[0].patches) == boxes - 1


def test_the_curves_of_accuracy():
    history = pd.DataFrame({"epoch": [1, 2], "accuracy": [0.2, 0.5], "val_accuracy": [0.3, 0.4]})
    drawing = figures.plot_accuracy(history)
    assert len(drawing.figure.axes[0].lines) == 2
    assert "50,0\u00a0%" in drawing.alt
    assert len(figures.plot_accuracy(history.drop(columns="val_accuracy")).figure.axes[0].lines) == 1


def test_variants_are_named_in_french():
    values = {"accuracy": [0.5, 0.25], "accuracy_low": [0.4, 0.2], "accuracy_high": [0.6, 0.3]}
    drawing = figures.plot_variants(pd.DataFrame(values, index=["none", 40]), "accuracy", title="Quoi ?", ylabel="x")
    axes = drawing.figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["50,0\u00a0%", "25,0\u00a0%"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["rien", "40"]
    assert "rien, 50,0\u00a0% ; 40, 25,0\u00a0%" in drawing.alt


def test_gains_are_drawn_beside_zero():
    values = {"gain": [0.25, -0.1], "low": [0.2, -0.2], "high": [0.3, 0.05]}
    gains = pd.DataFrame(values, index=["frozen", "whole"])
    drawing = figures.plot_gains(gains, title="Quel gain ?", xlabel="points")
    axes = drawing.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["pré-entraîné, figé", "pré-entraîné, en entier"]
    assert [text.get_text() for text in axes.texts] == ["+25,0\u00a0points", "−10,0\u00a0points"]
    segments = [bars.get_segments()[0] for bars in axes.collections]
    np.testing.assert_allclose(segments, [[[20, 0], [30, 0]], [[-20, 1], [5, 1]]])
    assert "pré-entraîné, en entier, −10,0\u00a0points [−20,0 ; 5,0]" in drawing.alt


# --- What a classifier is worth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [6, 24])
def test_confusions_are_drawn_in_the_order_of_styles(count: int) -> None:
    data = _data((GENRES * 4)[:count], (YEARS * 4)[:count])
    probabilities, labels = _answers(300, count)
    drawing = figures.plot_confusions(probabilities, labels, data)
    axes, order = drawing.figure.axes[0], evaluation.style_order(data)
    matrix = sk.confusion_matrix(labels, probabilities.argmax(axis=1), labels=order)
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    names = [data.names[artist] for artist in order]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    genres = evaluation.styles(data)["genre"]
    several = genres.value_counts()[genres.value_counts() > 1]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sorted(frame.get_width() for frame in frames) == sorted(several)
    for frame in frames:
        inside = order[round(frame.get_x() + 0.5) :][: round(frame.get_width())]
        assert len(set(genres[inside])) == 1 and frame.get_x() == frame.get_y()
    texts = [text.get_text() for text in axes.texts]
    if count == 6:
        assert texts and all(text.isdigit() for text in texts)
    else:
        assert sorted(texts) == sorted(several.index)
    assert f"erreurs : {(probabilities.argmax(axis=1) != labels).sum()}, dont" in drawing.alt


def test_without_errors_the_text_says_so() -> None:
    assert "aucune confusion" in figures.plot_confusions(np.eye(6), np.arange(6), _data(GENRES, YEARS)).alt


def test_reliability_is_drawn_as_calibration_says() -> None:
    probabilities, labels = _answers(100, 4)
    table = evaluation.calibration(probabilities, labels)
    drawing = figures.plot_reliability(probabilities, labels)
    axes = drawing.figure.axes[0]
    error = f"{evaluation.calibration_error(table):.3f}".replace(".", ",")
    assert error in axes.get_title(loc="left")
    np.testing.assert_allclose(axes.lines[1].get_xydata(), table[["confidence", "accuracy"]])
    assert error in drawing.alt and drawing.alt.count("justes") == 10


def test_f1_against_works() -> None:
    data = _data(GENRES, YEARS)
    works = data.works.drop(data.works.index[(data.works["artist"] == 2) & (data.works["part"] == TRAINING)][1:])
    data = dataclasses.replace(data, works=works.reset_index(drop=True))
    probabilities, labels = _sure([0, 1, 0, 2, 3, 3, 0], 6), np.array([0, 0, 2, 2, 3, 3, 1])
    table = evaluation.artist_measures(probabilities, labels, data)
    drawing = figures.plot_f1_against_works(table)
    axes = drawing.figure.axes[0]
    points = axes.collections[0].get_offsets()
    np.testing.assert_allclose(points, [(7, 0.4), (7, 0), (1, 2 / 3), (7, 1)])  # two painters are not tested
    named = {text.get_text() for text in axes.texts}
    assert "Peintre C" in named <= {"Peintre A", "Peintre B", "Peintre C", "Peintre D"}
    assert "artiste (4 ;" in drawing.alt and "Peintre C, 0,67 pour 1" in drawing.alt


def scattered(seed: int) -> pd.DataFrame:
    """The works and F1 of thirty artists, as `evaluation.artist_measures` gives them; many of them close."""
    random = np.random.default_rng(seed)
    names = [f"{first} {last}" for first in ("Anselme", "Élie", "Marie-Ève") for last in ("Bo", "Quintefeuil", "Dürel",
             "d'Orphise", "Lumigris", "Nuitamment", "Ondoyer", "Estrelle", "Fenestrou", "Marbrac")]  # fmt: skip
    return pd.DataFrame({"name": names, "learnt": random.integers(6, 90, 30), "tested": 5,
                         "f1": random.integers(0, 11, 30) / 10})  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_name_is_nearer_to_its_point_than_to_any_other(seed: int) -> None:
    table = scattered(seed)
    figure = figures.plot_f1_against_works(table).figure
    axes, places = figure.axes[0], {}
    figure.draw_without_rendering()
    page = axes.transData.transform(table[["learnt", "f1"]].to_numpy())
    for text in axes.texts:
        box = text.get_bbox_patch() or mpl.text.Text.get_window_extent(text)
        x, y = np.clip(page, [box.x0, box.y0], [box.x1, box.y1]).T  # what is nearest within the box
        away = np.hypot(*(page - np.stack([x, y], axis=1)).T)
        name = text.get_text().replace("\n", " ")
        own = table.index[table["name"] == name][0]
        assert away[own] == away.min() and (np.delete(away, own) > away[own] + 1).all(), name
        assert axes.get_window_extent().contains(box.x0, box.y0) and axes.get_window_extent().contains(box.x1, box.y1)
        assert not any(box.overlaps(other) for other in places.values()), name
        places[name] = box
    assert len(places) >= 4


def test_f1_of_one_artist_is_drawn() -> None:
    table = evaluation.artist_measures(_sure([0], 3), np.array([0]), _data(GENRES[:3], YEARS[:3]))
    drawing = figures.plot_f1_against_works(table)
    assert len(drawing.figure.axes[0].texts) == 1
    assert "artiste (1 ;" in drawing.alt


def _lit_corner(count: int) -> np.ndarray:
    """Dark pictures, bright in their upper left quarter."""
    images = np.full((count, 32, 32, 3), 30, np.uint8)
    images[:, :16, :16] = 230
    return images


def _pictures(drawing) -> list[tuple[np.ndarray, str]]:
    return [(axes.images[0].get_array(), axes.get_xlabel()) for axes in drawing.figure.axes if axes.images]


def test_maps_of_right_answers() -> None:
    classifier, labels = ByColour(), np.array([1, 2])
    drawing = figures.plot_activation_maps(classifier, _lit_corner(2), labels, _sure([1, 2], 3), title="Justes")
    shown = _pictures(drawing)
    assert [caption for _, caption in shown] == [
        "peint par\nBleu Nuit",
        "nommé (90\u00a0%)\nBleu Nuit",
        "peint par\nRouge Vif",
        "nommé (90\u00a0%)\nRouge Vif",
    ]
    assert (shown[0][0] == _lit_corner(1)[0]).all()
    heat = np.ptp(shown[1][0].astype(int), axis=-1)  # grey where the network sees nothing of the artist
    assert heat[4, 4] > 20 and heat[28, 28] <= 3
    assert drawing.alt.startswith("Justes : ") and "Bleu Nuit, reconnu (90\u00a0%)" in drawing.alt


def test_maps_of_wrong_answers_show_the_true_artist_on_the_same_scale() -> None:
    classifier, labels = ByColour(), np.array([0, 1])
    probabilities = _sure([2, 1], 3, 0.8)
    drawing = figures.plot_activation_maps(classifier, _lit_corner(2), labels, probabilities, title="Erreurs")
    shown = _pictures(drawing)
    assert [caption.split("\n")[0] for _, caption in shown] == [
        "peint par",
        "nommé (80\u00a0%)",
        "véritable (10\u00a0%)",
        "peint par",
        "nommé (80\u00a0%)",
        "",
    ]
    named, true = (shown[i][0].astype(int)[4, 4].sum() for i in (1, 2))
    assert named > true  # its map is three times as strong
    assert (shown[5][0] == 255).all()  # right: there is no other artist to show
    assert "Albrecht Dürer, pris pour Rouge Vif (80\u00a0%)" in drawing.alt


def test_maps_of_nothing() -> None:
    nothing = _lit_corner(0), np.zeros(0, int), np.zeros((0, 3))
    drawing = figures.plot_activation_maps(ByColour(), *nothing, title="Erreurs")
    assert "aucune œuvre" in drawing.figure.axes[0].get_title(loc="left")
    assert drawing.alt.endswith("Aucune œuvre.")
