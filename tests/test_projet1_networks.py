"""Networks: what is built, pre-trained weights, answers, and where a classifier looks."""

import dataclasses

import keras
import numpy as np
import pytest
from test_projet1_training import TINY, works

from commun import UserError
from projet1_artistes import networks, training
from projet1_artistes.networks import PLAIN, RESIDUAL, TRANSFER, Classifier


@pytest.mark.parametrize("architecture", [RESIDUAL, PLAIN])
def test_a_network_takes_pictures_of_any_size(architecture):
    network = training.network(dataclasses.replace(TINY, architecture=architecture), 5)
    for side in (16, 23, 40):
        assert network(np.zeros((2, side, side + 4, 3), np.float32)).shape == (2, 5)


def test_what_the_configuration_says_is_what_is_built():
    one, two = (training.network(dataclasses.replace(TINY, blocks=blocks), 5) for blocks in (1, 2))
    convolutions = [sum(type(layer).__name__ == "Conv2D" for layer in network.layers) for network in (one, two)]
    assert convolutions == [1 + 4 * 2 + 4, 1 + 8 * 2 + 4]
    assert one.get_layer("maps").output.shape[-1] == TINY.width * 8
    wide = training.network(dataclasses.replace(TINY, width=8), 5)
    assert wide.count_params() > 3 * one.count_params()


def test_an_unknown_network_is_refused():
    with pytest.raises(UserError, match="residual, plain, transfer"):
        training.network(dataclasses.replace(TINY, architecture="magique"), 5)


def test_scores_by_batches_and_of_nothing(monkeypatch):
    network = training.network(TINY, 3)
    images, _ = works(10)
    everything = networks.scores(network, images, 16)
    assert everything.shape == (10, 3)
    monkeypatch.setattr(networks, "BATCH", 4)
    np.testing.assert_allclose(networks.scores(network, images, 16), everything, atol=1e-5)
    np.testing.assert_allclose(networks.scores(network, images[[7, 2]], 16), everything[[7, 2]], atol=1e-5)
    assert networks.scores(network, images[:0], 16).shape == (0, 3)


def test_cross_entropy():
    logits = np.array([[1000.0, 0, 0], [0, 0, 0]])
    assert networks.cross_entropy(logits, np.array([0, 2])) == pytest.approx(np.log(3) / 2)


# --- Pre-trained -----------------------------------------------------------------------------------------------------


def test_a_local_file_of_weights_is_loaded(tmp_path):
    backbone = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(None, None, 3), alpha=1.0)
    path = tmp_path / "reseau.weights.h5"
    backbone.save_weights(path)
    config = dataclasses.replace(TINY, architecture=TRANSFER, backbone="MobileNetV2", weights=str(path))
    network = training.network(config, 4)
    assert network(np.zeros((1, 48, 48, 3), np.float32)).shape == (1, 4)
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    for loaded, saved in zip(inner.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(loaded, saved)


def test_weights_that_cannot_be_had_are_one_sentence(tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, architecture=TRANSFER, weights=str(tmp_path / "absent.h5"))
    with pytest.raises(UserError, match="absent.h5 est absent"):
        training.network(config, 4)
    with pytest.raises(UserError, match="pas de réseau « Inconnu »"):
        training.network(dataclasses.replace(config, backbone="Inconnu"), 4)
    with pytest.raises(UserError, match="absent.h5 est absent"):
        training.network(dataclasses.replace(config, backbone="EfficientNetV2B0"), 4)
    damaged = tmp_path / "abime.weights.h5"
    damaged.write_bytes(b"rien")
    with pytest.raises(UserError, match="n'est pas celui qui est attendu"):
        training.network(dataclasses.replace(config, weights=str(damaged)), 4)
    config = dataclasses.replace(config, backbone="EfficientNetV2B0")
    with pytest.raises(UserError, match="indisponibles"):
        training.network(dataclasses.replace(config, weights=str(damaged)), 4)

    def offline(**options):
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "EfficientNetV2B0", offline)
    with pytest.raises(UserError, match="Sans réseau"):
        training.network(dataclasses.replace(config, weights="imagenet"), 4)


# --- A classifier ----------------------------------------------------------------------------------------------------


def classifier():
    return Classifier(training.network(TINY, 3), TINY.side, ("Ana", "Bé", "Cid"))


def test_probabilities_sum_to_one():
    images, _ = works(5)
    probabilities = classifier().predict(images)
    assert probabilities.shape == (5, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_mean_of_an_activation_map_is_the_score_without_its_constant():
    found, (images, _) = classifier(), works(4)
    classes = np.array([0, 1, 2, 0])
    maps = found.activation_maps(images, classes)
    assert maps.shape[0] == 4
    bias = np.asarray(found.model.get_layer("scores").bias)[classes]
    logits = networks.scores(found.model, images, TINY.side)[np.arange(4), classes]
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + bias, logits, atol=1e-4)
