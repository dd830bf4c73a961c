"""Networks, their training, what is committed of them, and colour alone."""

import dataclasses
import shutil

import keras
import numpy as np
import pytest

from commun import UserError
from projet1_artistes import diagrams, model
from projet1_artistes.augmentation import NONE, Transforms
from projet1_artistes.model import PLAIN, RESIDUAL, TRANSFER, Classifier, Config

TINY = Config(width=4, train_side=16, side=16, images_seen=32, epochs=2, batch_size=8, mixed=0, threshold=0)


def works(count=24, classes=3, seed=0):
    """Flat pictures whose colour tells the class, with some noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    colours = random.integers(30, 220, (classes, 3))[labels]
    images = colours[:, None, None] + random.integers(-20, 20, (count, 32, 32, 3))
    return np.clip(images, 0, 255).astype(np.uint8), labels


@pytest.mark.parametrize("kind", [RESIDUAL, PLAIN])
def test_a_network_takes_pictures_of_any_size(kind):
    network = model.build(dataclasses.replace(TINY, kind=kind), 5)
    for side in (16, 23, 40):
        assert network(np.zeros((2, side, side + 4, 3), np.float32)).shape == (2, 5)


def test_what_the_configuration_says_is_what_is_built():
    one, two = (model.build(dataclasses.replace(TINY, blocks=blocks), 5) for blocks in (1, 2))
    convolutions = [sum(type(layer).__name__ == "Conv2D" for layer in network.layers) for network in (one, two)]
    assert convolutions == [1 + 4 * 2 + 4, 1 + 8 * 2 + 4]
    assert one.get_layer("cartes").output.shape[-1] == TINY.width * 8
    wide = model.build(dataclasses.replace(TINY, width=8), 5)
    assert wide.count_params() > 3 * one.count_params()


def test_an_unknown_network_is_refused():
    with pytest.raises(UserError, match="résiduel, simple, transfert"):
        model.build(dataclasses.replace(TINY, kind="magique"), 5)


def test_the_learning_rate_rises_then_falls():
    rates = [float(model.optimizer(Config()).learning_rate)]
    schedule = model.optimizer(Config(images_seen=64_000))._learning_rate
    rates = [float(schedule(step)) for step in (0, 25, 50, 500, 999)]
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] == pytest.approx(Config().learning_rate, rel=0.01)
    assert rates[2] > rates[3] > rates[4]
    assert rates[4] < 0.02 * rates[2]


def test_biases_and_normalisation_are_not_decayed():
    network = model.compiled(TINY, 3)
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
    config = dataclasses.replace(TINY, kind=PLAIN, width=8, images_seen=1200, epochs=3, learning_rate=0.01)
    run = model.train(config, images, labels, rows, others, classes=3)
    assert run.fresh
    assert run.history["val_accuracy"].iloc[-1] > 0.8
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"} <= set(run.history)
    again = model.train(config, images, labels, rows, others, classes=3)
    assert not again.fresh
    np.testing.assert_allclose(
        model.scores(again.model, images, others, 16), model.scores(run.model, images, others, 16), atol=1e-5
    )
    other = model.train(dataclasses.replace(config, seed=1), images, labels, rows, others, classes=3)
    assert other.fresh


def test_a_network_trained_again_equals_a_new_one(workplace):
    """It must forget its weights, its normalisation and what its optimiser had accumulated."""
    images, labels = works(24)
    config, other = (dataclasses.replace(TINY, mixed=0.5, seed=seed) for seed in (3, 8))
    rows, first, second = np.arange(24), np.arange(16), np.arange(8, 24)
    network = model.compiled(config, 3)
    model.train(config, images, labels, first, classes=3, network=network)
    again = model.train(other, images, labels, second, classes=3, network=network)
    assert again.model is network
    scores = model.scores(network, images, rows, 16)
    found = model.train(other, images, labels, second, classes=3)  # what was saved
    assert not found.fresh
    np.testing.assert_allclose(model.scores(found.model, images, rows, 16), scores, atol=1e-5)
    shutil.rmtree(again.folder)
    new = model.train(other, images, labels, second, classes=3)
    assert new.fresh
    np.testing.assert_allclose(model.scores(new.model, images, rows, 16), scores, atol=1e-3)


@pytest.mark.parametrize("changes", [{"weighted": True}, {"threshold": 30}, {"mixed": 1.0}, {"transforms": NONE}])
def test_every_setting_trains(workplace, changes):
    images, labels = works(12)
    run = model.train(dataclasses.replace(TINY, **changes), images, labels, np.arange(11), classes=3)
    assert np.isfinite(run.history["loss"]).all()
    assert "val_loss" not in run.history


def test_weights_change_a_training_only_where_artists_are_not_shown_equally_often(workplace):
    images, labels = works(12)
    weighted = dataclasses.replace(TINY, weighted=True)
    for count, same in ((12, True), (11, False)):
        rows = np.arange(count)
        first = model.train(TINY, images, labels, rows, classes=3)
        second = model.train(weighted, images, labels, rows, classes=3)
        assert first.fresh and (second.folder == first.folder) == same != second.fresh


def test_scores_of_chosen_rows_and_of_none():
    network = model.build(TINY, 3)
    images, _ = works(10)
    everything = model.scores(network, images, None, 16, batch=4)
    assert everything.shape == (10, 3)
    np.testing.assert_allclose(model.scores(network, images, np.array([7, 2]), 16), everything[[7, 2]], atol=1e-5)
    assert model.scores(network, images, np.array([], int), 16).shape == (0, 3)


def test_cross_entropy_and_softmax():
    logits = np.array([[1000.0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(model.softmax(logits), [[1, 0, 0], [1 / 3] * 3], atol=1e-6)
    assert model.cross_entropy(logits, np.array([0, 2])) == pytest.approx(np.log(3) / 2)


def test_an_unknown_profile_is_refused():
    with pytest.raises(UserError, match="essai, rapide, complet"):
        model.profile("lent")
    for name in model.PROFILES:
        assert model.profile(name).plain().kind == PLAIN


# --- Pre-trained -----------------------------------------------------------------------------------------------------


def test_a_local_file_of_weights_is_loaded(tmp_path):
    backbone = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(None, None, 3), alpha=1.0)
    path = tmp_path / "reseau.weights.h5"
    backbone.save_weights(path)
    config = dataclasses.replace(TINY, kind=TRANSFER, backbone="MobileNetV2", weights=str(path))
    network = model.build(config, 4)
    assert network(np.zeros((1, 48, 48, 3), np.float32)).shape == (1, 4)
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    for loaded, saved in zip(inner.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(loaded, saved)


def test_weights_that_cannot_be_had_are_one_sentence(tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, kind=TRANSFER, weights=str(tmp_path / "absent.h5"))
    with pytest.raises(UserError, match="absent.h5 est absent"):
        model.build(config, 4)
    with pytest.raises(UserError, match="pas de réseau « Inconnu »"):
        model.build(dataclasses.replace(config, backbone="Inconnu"), 4)
    damaged = tmp_path / "abime.weights.h5"
    damaged.write_bytes(b"rien")
    with pytest.raises(UserError, match="indisponibles"):
        model.build(dataclasses.replace(config, weights=str(damaged)), 4)

    def offline(**options):
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "EfficientNetV2B0", offline)
    with pytest.raises(UserError, match="Sans réseau"):
        model.build(dataclasses.replace(config, weights="imagenet"), 4)


# --- A classifier ----------------------------------------------------------------------------------------------------


def classifier():
    return Classifier(model.build(TINY, 3), TINY, ("Ana", "Bé", "Cid"))


def test_probabilities_sum_to_one():
    images, _ = works(5)
    probabilities = classifier().predict(images)
    assert probabilities.shape == (5, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_mean_of_an_activation_map_is_the_score_without_its_constant():
    found, (images, _) = classifier(), works(4)
    classes = np.array([0, 1, 2, 0])
    maps = found.maps(images, classes)
    assert maps.shape[0] == 4
    bias = np.asarray(found.model.get_layer("scores").bias)[classes]
    logits = model.scores(found.model, images, None, TINY.side)[np.arange(4), classes]
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias, logits, atol=1e-4)


def test_what_is_committed_of_a_network_is_read_back(tmp_path):
    kept, (images, _) = classifier(), works(6)
    model.save_reference(kept, tmp_path)
    found = model.load_reference(tmp_path)
    assert found.config == TINY
    assert isinstance(found.config.transforms, Transforms)
    assert found.names == kept.names
    np.testing.assert_allclose(found.predict(images), kept.predict(images), atol=2e-3)


def test_a_missing_or_damaged_reference_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="python -m projet1_artistes"):
        model.load_reference(tmp_path)
    model.save_reference(classifier(), tmp_path)
    (tmp_path / "modele.npz").write_bytes(b"rien")
    with pytest.raises(UserError, match="illisible"):
        model.load_reference(tmp_path)


# --- Colour alone ----------------------------------------------------------------------------------------------------


def test_a_histogram_counts_colours():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1, :4] = 255
    found = model.colour_histograms(images, levels=2, side=8)
    np.testing.assert_allclose(found[0], np.eye(8)[0], atol=1e-6)
    np.testing.assert_allclose(found[1] ** 2, 0.5 * np.eye(8)[0] + 0.5 * np.eye(8)[7], atol=1e-6)


def test_colour_alone_recognises_colours():
    images, labels = works(60)
    probabilities = model.colour_baseline(images, labels, np.arange(40), np.arange(40, 60))
    assert probabilities.shape == (20, 3)
    assert (probabilities.argmax(axis=1) == labels[40:]).mean() > 0.9


# --- Drawings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RESIDUAL, PLAIN])
def test_the_drawing_tells_the_shapes_of_the_network(kind):
    config = dataclasses.replace(TINY, kind=kind, side=48, width=6, blocks=2)
    network = model.build(config, 7)
    boxes = diagrams.stages(config, 7)
    maps = keras.Model(network.input, network.get_layer("cartes").output)(np.zeros((1, 48, 48, 3), np.float32))
    assert boxes[-3][1] == f"{maps.shape[1]}×{maps.shape[2]}×{maps.shape[3]}"
    assert ("2 blocs" in boxes[2][0]) == (kind == RESIDUAL)
    alt = diagrams.describe_stages(network, config)
    assert "7 scores" in alt
    texts = [text.get_text() for text in diagrams.plot_stages(network, config).axes[0].texts]
    assert all(shape in texts for _, shape in boxes)


def test_the_curves_of_accuracy():
    import pandas as pd

    history = pd.DataFrame({"epoch": [1, 2], "accuracy": [0.2, 0.5], "val_accuracy": [0.3, 0.4]})
    assert len(diagrams.plot_accuracy(history).axes[0].lines) == 2
    assert "50,0\u00a0%" in diagrams.describe_accuracy(history)
    assert len(diagrams.plot_accuracy(history.drop(columns="val_accuracy")).axes[0].lines) == 1
