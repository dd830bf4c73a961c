"""The explorer of artists: works to guess, four names that tell nothing, and what the network saw."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from test_projet1_training import TINY

from atelier import explorateurs
from projet1_artistes import explorer, training
from projet1_artistes.networks import Classifier

NAMES = ("Ana", "Bé", "Cid", "Dora", "Élie", "Fanny")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(training.network(TINY, len(NAMES)), TINY.side, NAMES)


def answers(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns probabilities and labels; two answers out of three are right."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(len(NAMES)), count).astype("float32")
    labels = probabilities.argmax(axis=1)
    labels[::3] = (labels[::3] + 1) % len(NAMES)
    return probabilities, labels


def test_works_to_guess_have_a_painter_each_and_some_errors() -> None:
    probabilities, labels = answers(60)
    rows = explorer.chosen(probabilities, labels, count=4)
    assert len(set(labels[rows])) == len(rows) == 4
    assert rows.tolist() == explorer.chosen(probabilities, labels, count=4).tolist()
    all_right = probabilities.argmax(axis=1)
    assert len(explorer.chosen(probabilities, all_right, count=4)) == 4
    all_wrong = (all_right + 1) % len(NAMES)
    assert len(explorer.chosen(probabilities, all_wrong, count=4)) == 4


def test_names_hold_the_painter_and_the_answer_in_no_telling_order() -> None:
    probabilities, labels = answers(300)
    for shares, label in zip(probabilities, labels, strict=True):
        four = explorer.choices(shares, label)
        assert len(set(four)) == 4 and {label, shares.argmax()} <= set(four)
    orders = [explorer.choices(probabilities[0], labels[0], seed=seed) for seed in range(400)]
    assert min(np.bincount([list(order).index(labels[0]) for order in orders])) > 60


def test_a_page_takes_the_data(classifier: Classifier) -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 128, 128, 3), dtype="uint8")
    probabilities, labels = answers(5)
    data = explorer.data(classifier, images, labels, probabilities)
    piece = explorateurs.render(data)
    assert piece != "" and len(piece) < 110_000
    for work, shares, label in zip(data["oeuvres"], probabilities, labels, strict=True):
        assert work["noms"][work["vrai"]] == NAMES[label]
        assert work["noms"][work["reseau"]] == NAMES[shares.argmax()]
        assert work["probabilites"][work["reseau"]] == pytest.approx(shares.max(), abs=1e-4)


def test_the_map_is_that_of_the_answer(classifier: Classifier) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), dtype="uint8")
    probabilities, labels = answers(2)
    data = explorer.data(classifier, images, labels, probabilities)
    content = base64.b64decode(data["cartes"].partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(content)).convert("L")).reshape(explorer.GRID, 2, explorer.GRID)
    heat = np.clip(classifier.activation_maps(images, probabilities.argmax(axis=1)), 0, None)
    for place in range(2):
        top = heat[place].max()
        size = (explorer.GRID, explorer.GRID)
        expected = np.asarray(Image.fromarray(heat[place] / max(top, 1e-6)).resize(size, Image.Resampling.BICUBIC))
        assert np.abs(shown[:, place] / 255 - np.clip(expected, 0, 1)).max() < 0.02


def test_the_drawing_gives_the_answers_to_those_who_do_not_see_it(classifier: Classifier) -> None:
    images = np.zeros((3, 128, 128, 3), "uint8")
    probabilities, labels = answers(3)
    drawing = explorer.plot(classifier, images, labels, probabilities)
    assert all(NAMES[label] in drawing.alt for label in labels)
    shown = [text.get_text() for axis in drawing.figure.axes for text in axis.texts]
    assert len(shown) == 3 and all(text.count("•") == 4 for text in shown)
