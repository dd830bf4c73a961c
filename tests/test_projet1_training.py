"""Training: budgets, the compiled network, what is found again and what is not, and the committed network."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

from commun import UserError
from projet1_artistes import augmentation, networks, training
from projet1_artistes.augmentation import NONE
from projet1_artistes.networks import PLAIN, Classifier
from projet1_artistes.training import Config

TINY = Config(
    width=4,
    train_side=16,
    side=16,
    images_seen=32,
    epochs=2,
    batch_size=8,
    cutmix_probability=0,
    oversampling_threshold=0,
)


def works(count=24, classes=3, seed=0):
    """Flat pictures whose colour tells the class, with some noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    colours = random.integers(30, 220, (classes, 3))[labels]
    images = colours[:, None, None] + random.integers(-20, 20, (count, 32, 32, 3))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def test_an_unknown_profile_is_refused():
    with pytest.raises(UserError, match="essai, rapide, complet"):
        training.profile("lent")
    for name in training.PROFILES:
        assert training.profile(name).plain().architecture == PLAIN


def test_the_learning_rate_rises_then_falls():
    rates = [float(training.optimizer(Config()).learning_rate)]
    schedule = training.optimizer(Config(images_seen=64_000))._learning_rate
    rates = [float(schedule(step)) for step in (0, 25, 50, 500, 999)]
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] == pytest.approx(Config().learning_rate, rel=0.01)
    assert rates[2] > rates[3] > rates[4]
    assert rates[4] < 0.02 * rates[2]


def test_biases_and_normalisation_are_not_decayed():
    network = training.build(TINY, 3)
    kept = [v.path for v in network.trainable_variables if network.optimizer._use_weight_decay(v)]
    assert kept
    assert not [path for path in kept if path.rsplit("/", 1)[-1] in {"bias", "gamma", "beta"}]


# --- Training --------------------------------------------------------------------------------------------------------


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))
    return tmp_path


def test_a_network_learns_and_is_found_again(workplace):
    images, labels = works(60)
    rows, others = np.arange(45), np.arange(45, 60)
    config = dataclasses.replace(TINY, architecture=PLAIN, width=8, images_seen=1200, epochs=3, learning_rate=0.01)
    run = training.train(config, images, labels, rows, others, classes=3)
    assert run.fresh
    assert run.history["val_accuracy"].iloc[-1] > 0.8
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"} <= set(run.history)
    again = training.train(config, images, labels, rows, others, classes=3)
    assert not again.fresh
    np.testing.assert_allclose(
        networks.scores(again.model, images[others], 16), networks.scores(run.model, images[others], 16), atol=1e-5
    )
    other = training.train(dataclasses.replace(config, seed=1), images, labels, rows, others, classes=3)
    assert other.fresh


def test_a_network_trained_again_equals_a_new_one(workplace):
    """It must forget its weights, its normalisation and what its optimiser had accumulated."""
    images, labels = works(24)
    config, other = (dataclasses.replace(TINY, cutmix_probability=0.5, seed=seed) for seed in (3, 8))
    rows, first, second = np.arange(24), np.arange(16), np.arange(8, 24)
    network = training.build(config, 3)
    training.train(config, images, labels, first, classes=3, model=network)
    again = training.train(other, images, labels, second, classes=3, model=network)
    assert again.model is network
    scores = networks.scores(network, images[rows], 16)
    found = training.train(other, images, labels, second, classes=3)  # what was saved
    assert not found.fresh
    np.testing.assert_allclose(networks.scores(found.model, images[rows], 16), scores, atol=1e-5)
    shutil.rmtree(again.folder)
    new = training.train(other, images, labels, second, classes=3)
    assert new.fresh
    np.testing.assert_allclose(networks.scores(new.model, images[rows], 16), scores, atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{"class_weighted": True}, {"oversampling_threshold": 30}, {"cutmix_probability": 1.0}, {"transforms": NONE}],
)
def test_every_setting_trains(workplace, changes):
    images, labels = works(12)
    config = dataclasses.replace(TINY, architecture=PLAIN, **changes)
    run = training.train(config, images, labels, np.arange(11), classes=3)
    assert np.isfinite(run.history["loss"]).all()
    assert "val_loss" not in run.history


def test_weights_change_a_training_only_where_artists_are_not_shown_equally_often(workplace):
    images, labels = works(12)
    config = dataclasses.replace(TINY, architecture=PLAIN)
    weighted = dataclasses.replace(config, class_weighted=True)
    for count, same in ((12, True), (11, False)):
        rows = np.arange(count)
        first = training.train(config, images, labels, rows, classes=3)
        second = training.train(weighted, images, labels, rows, classes=3)
        assert first.fresh and (second.folder == first.folder) == same != second.fresh


EDITS = [
    (augmentation, "cutmix", lambda images, targets, random, probability: (images * 1.0, targets)),
    (augmentation, "transform", lambda image, side, random, settings: np.zeros((side, side, 3), np.float32)),
    (augmentation, "oversampled_indices", lambda labels, threshold, *, seed: np.arange(len(labels))[::-1]),
    (networks, "MOMENTUM", 0.8),
    (networks, "cross_entropy", lambda logits, labels: 0.5),
    (training, "optimizer", lambda config: keras.optimizers.Adam(1e-3)),
]


def test_a_network_is_trained_again_when_what_makes_it_was_edited(workplace, monkeypatch):
    images, labels = works(12)
    config = dataclasses.replace(TINY, architecture=PLAIN, epochs=1, images_seen=8)
    arguments = (config, images, labels, np.arange(8), np.arange(8, 12))
    assert training.train(*arguments, classes=3).fresh

    def forbidden(*arguments, **options):
        raise RuntimeError("a training step")

    for step in ("train_on_batch", "fit"):  # TensorFlow calls the first, other backends the second
        monkeypatch.setattr(keras.Model, step, forbidden)
    for module, name, edited in EDITS:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, edited)
            with pytest.raises(RuntimeError, match="training step"):
                training.train(*arguments, classes=3)
        assert not training.train(*arguments, classes=3).fresh, name


# --- Batches ---------------------------------------------------------------------------------------------------------


def batches(epoch=1, weights=None):
    images = np.random.default_rng(0).integers(40, 200, (10, 60, 60, 3)).astype(np.uint8)
    config = dataclasses.replace(TINY, batch_size=4, train_side=24)
    return training.Batches(images, np.arange(10) % 4, np.arange(10), config, 4, epoch=epoch, weights=weights)


def test_batches_go_through_the_order_and_are_a_function_of_seed_and_epoch():
    first, again, later = batches(), batches(), batches(epoch=2)
    assert len(first) == 3
    assert [len(first[i][0]) for i in range(3)] == [4, 4, 2]
    assert first[0][0].shape == (4, 24, 24, 3)
    np.testing.assert_array_equal(first[2][1].argmax(axis=1), [0, 1])
    for i in (2, 0):  # whatever the order in which they are asked for
        np.testing.assert_array_equal(first[i][0], again[i][0])
    assert np.abs(first[0][0] - later[0][0]).mean() > 1


def test_batches_carry_the_weight_of_their_classes():
    weights = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    images, targets, carried = batches(weights=weights)[0]
    np.testing.assert_allclose(carried, weights[targets.argmax(axis=1)])
    assert images.dtype == targets.dtype == np.float32


# --- The committed network -------------------------------------------------------------------------------------------


def classifier():
    return Classifier(training.network(TINY, 3), TINY.side, ("Ana", "Bé", "Cid"))


def test_what_is_committed_of_a_network_is_read_back(tmp_path):
    kept, (images, _) = classifier(), works(6)
    training.save_reference(kept, TINY, tmp_path)
    found = training.load_reference(tmp_path)
    assert (found.side, found.names) == (TINY.side, kept.names)
    np.testing.assert_allclose(found.predict(images), kept.predict(images), atol=2e-3)


def test_a_missing_or_damaged_reference_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="python -m projet1_artistes"):
        training.load_reference(tmp_path)
    training.save_reference(classifier(), TINY, tmp_path)
    (tmp_path / "modele.npz").write_bytes(b"rien")
    with pytest.raises(UserError, match="illisible"):
        training.load_reference(tmp_path)
