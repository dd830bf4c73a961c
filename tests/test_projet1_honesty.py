"""Who learns from what: works that must not be read are poisoned, and nothing that is decided before may change.

Everything is trained for real, on a tiny network and tiny pictures.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from commun.datasets import Location
from projet1_artistes import dataset, experiments, networks, training, transfer, variants
from projet1_artistes.dataset import Data
from projet1_artistes.networks import PLAIN
from projet1_artistes.split import TEST, TRAINING, VALIDATION
from projet1_artistes.training import Config

CLASSES = 3
CONFIG = Config(
    architecture=PLAIN,
    width=4,
    train_side=16,
    side=16,
    images_seen=64,
    epochs=2,
    batch_size=8,
    oversampling_threshold=12,
)


@pytest.fixture
def data(tmp_path):
    """Three artists of 20 works each, recognisable by their colours; no near-duplicates."""
    random, labels = np.random.default_rng(0), np.arange(60) % CLASSES
    colours = random.integers(30, 220, (CLASSES, 3))[labels]
    images = np.clip(colours[:, None, None] + random.integers(-30, 30, (60, 32, 32, 3)), 0, 255).astype(np.uint8)
    parts = np.repeat([TRAINING, VALIDATION, TEST], [36, 12, 12])
    works = pd.DataFrame({"path": [tmp_path / f"{i}.jpg" for i in range(60)], "artist": labels})
    works = works.assign(low=works["path"], group=np.arange(60), part=parts)
    artists = pd.DataFrame({"name": ["Ana", "Bé", "Cid"]})
    return Data(works, artists, pd.DataFrame(), Location(tmp_path, False, "faux"), images)


def poisoned(data, rows, *, labels=True):
    """The same works, those of these rows being noise and, if `labels`, painted by the next artist."""
    images, ids = data.images.copy(), data.labels.copy()
    images[rows] = np.random.default_rng(9).integers(0, 256, images[rows].shape)
    if labels:
        ids[rows] = (ids[rows] + 1) % CLASSES
    return dataclasses.replace(data, images=images, works=data.works.assign(artist=ids))


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Gives a function that empties the working folder, so that nothing is found again."""

    def empty(name):
        monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / name))
        experiments._compiled.cache_clear()

    return empty


@pytest.fixture
def judges(monkeypatch):
    """Records the weights of each network when it answers."""
    weights, scores = [], networks.scores

    def spy(network, images, side):
        weights.append([np.array(w) for w in network.get_weights()])
        return scores(network, images, side)

    monkeypatch.setattr(networks, "scores", spy)
    return weights


def same(first, second):
    return all(np.allclose(a, b, atol=1e-6) for a, b in zip(first, second, strict=True))


def test_fold_models_learn_nothing_from_the_works_that_they_judge(data, fresh, judges, monkeypatch):
    """Each fold is poisoned in turn: its own judge stays the same, that of the other fold changes."""
    rows = np.concatenate([data.rows(TRAINING), data.rows(VALIDATION)])
    fold = np.arange(len(rows)) // 3 % 2
    monkeypatch.setattr(experiments, "folds", lambda labels, groups, count, *, seed: fold)
    monkeypatch.setattr(experiments, "TREATMENTS", {"oversampling": {"class_weighted": False}})

    def trained(paintings, name):
        fresh(name)
        judges.clear()
        experiments.compare_treatments(paintings, CONFIG, count=2, seeds=(0,))
        assert len(judges) == 2
        return list(judges)

    clean = trained(data, "clean")
    for number in (0, 1):
        others = trained(poisoned(data, rows[fold == number]), f"poison {number}")
        assert same(others[number], clean[number])
        assert not same(others[1 - number], clean[1 - number])


def test_nothing_is_decided_with_the_test_part(data, fresh, judges):
    """Before the last confirmation, every training, measure and choice is the same if the test part is poisoned."""

    def decided(paintings, name):
        fresh(name)
        judges.clear()
        rows, validation = paintings.rows(TRAINING), paintings.rows(VALIDATION)
        run = training.train(
            CONFIG, paintings.images, paintings.labels, rows, validation, classes=CLASSES
        )
        history = run.history.drop(columns="seconds")
        answers = [
            experiments.vary_threshold(paintings, CONFIG, (0, 12)),
            experiments.vary_works(paintings, CONFIG, (2,)),
            experiments.compare_treatments(paintings, CONFIG, count=2, seeds=(0,)),
        ]
        threshold = experiments.recommended_threshold(answers[0], draws=50)
        best = experiments.best_treatment(experiments.summary(answers[2]))
        return list(judges), history, answers, (threshold, best)

    weights, history, answers, choices = decided(data, "clean")
    others, history2, answers2, choices2 = decided(poisoned(data, data.rows(TEST)), "poison")
    assert len(weights) == len(others) and all(map(same, weights, others))
    pd.testing.assert_frame_equal(history, history2, atol=1e-5)
    for one, other in zip(answers, answers2, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert choices == choices2


def test_variants_are_compared_on_validation_without_the_test_part(data, fresh, monkeypatch):
    """A network trained from scratch and the frozen one: the same line if the test part is poisoned, not validation."""
    monkeypatch.setattr(dataset, "pictures", lambda paintings, side: paintings.images)
    monkeypatch.setattr(transfer, "features", lambda images, side: images.mean(axis=(1, 2)))
    config = dataclasses.replace(CONFIG, width=8, images_seen=640, learning_rate=0.02)
    lines = {}
    for name, rows in (("clean", []), ("test", data.rows(TEST)), ("validation", data.rows(VALIDATION))):
        fresh(name)
        paintings = poisoned(data, rows)
        table = pd.DataFrame([variants.measure(paintings, *variant) for variant in (("zero", config), ("fige", None))])
        lines[name] = table.drop(columns="seconds")
    pd.testing.assert_frame_equal(lines["clean"], lines["test"], atol=1e-6)
    assert (lines["clean"]["accuracy"] > lines["validation"]["accuracy"]).all()
    assert (lines["clean"]["part"] == VALIDATION).all()


def test_the_confirmation_learns_nothing_from_the_test_part(data, fresh, judges):
    for name, paintings in (("clean", data), ("poison", poisoned(data, data.rows(TEST)))):
        fresh(name)
        experiments.test_treatments(paintings, CONFIG, ("oversampling",), seeds=(0,))
    assert len(judges) == 2 and same(*judges)


def test_qualities_learn_nothing_from_the_part_that_is_read(data, fresh, judges, monkeypatch):
    monkeypatch.setattr(experiments, "FULL_SIZE", {"side": 16})

    def by_quality(paintings, rows):
        return {"high": paintings.images[rows]}, rows

    monkeypatch.setattr(experiments, "works_by_quality", by_quality)
    for name, paintings in (("clean", data), ("poison", poisoned(data, data.rows(TEST)))):
        fresh(name)
        experiments.compare_qualities(paintings, CONFIG, seeds=(0,), part=TEST)
    assert len(judges) == 2 and same(*judges)


def test_the_validation_loss_is_that_of_validation_works(data, fresh):
    rows, validation = data.rows(TRAINING), data.rows(VALIDATION)
    runs = []
    for name, paintings in (("clean", data), ("poison", poisoned(data, validation))):
        fresh(name)
        runs.append(
            training.train(CONFIG, paintings.images, paintings.labels, rows, validation, classes=CLASSES)
        )
    clean, other = runs
    assert same(clean.model.get_weights(), other.model.get_weights())  # nothing is learnt from validation works
    columns = ["loss", "accuracy"]
    pd.testing.assert_frame_equal(clean.history[columns], other.history[columns], atol=1e-5)
    assert (np.abs(clean.history["val_loss"] - other.history["val_loss"]) > 1e-3).all()
    logits = networks.scores(clean.model, data.images[validation], CONFIG.side)
    true = data.labels[validation]
    assert clean.history["val_loss"].iloc[-1] == pytest.approx(networks.cross_entropy(logits, true), abs=1e-4)
    assert clean.history["val_accuracy"].iloc[-1] == pytest.approx((logits.argmax(axis=1) == true).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_the_loss_smooths_labels_as_the_configuration_says(smoothing):
    """Cross-entropy with (1 - s) on the true artist and s shared out among all of them (Szegedy et al., 2016)."""
    network = training.build(dataclasses.replace(CONFIG, label_smoothing=smoothing), CLASSES)
    logits, targets = np.array([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0]], np.float32), np.eye(3, dtype=np.float32)[[0, 1]]
    log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -((1 - smoothing) * targets + smoothing / 3) * log
    loss = network.compute_loss(x=None, y=targets, y_pred=training.ops.convert_to_tensor(logits))
    assert float(loss) == pytest.approx(expected.sum(axis=1).mean(), rel=1e-5)


def test_a_network_learns_with_smoothed_labels(data, fresh):
    """The loss of the first batches, before anything is learnt, is that of the initial network: smoothing counts."""
    losses = []
    for smoothing in (0.0, 0.4):
        fresh(f"{smoothing}")
        config = dataclasses.replace(CONFIG, label_smoothing=smoothing, cutmix_probability=0)
        run = training.train(config, data.images, data.labels, data.rows(TRAINING), classes=CLASSES)
        losses.append(run.model.get_weights())
    assert not same(*losses)
