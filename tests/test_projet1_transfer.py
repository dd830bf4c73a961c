"""Transfer: what is frozen, at which rate the rest learns, features, the linear head, what is committed of it."""

from __future__ import annotations

import dataclasses
import json

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_projet1_training import TINY, works

from commun import UserError
from commun import training as common
from commun.datasets import Location
from projet1_artistes import dataset, efficientnet, layerwise, networks, tables, training, transfer, variants
from projet1_artistes.layerwise import LayerwiseAdamW
from projet1_artistes.networks import TRANSFER
from projet1_artistes.training import FROM_SCRATCH, TRANSFERRED, Config

SMALL = dataclasses.replace(TINY, architecture=TRANSFER, train_side=32, side=32, images_seen=8, epochs=1)


def trained(config, steps=1):
    """Returns the weights by path before and after so many steps, and the network."""
    images, labels = works(8)
    network = training.build(config, 3)
    before = {w.path: np.array(w) for w in network.weights}
    for _ in range(steps):
        batch = training.Batches(images, labels, np.arange(8), config, 3, epoch=0)[0]
        network.train_on_batch(*batch)
    return before, {w.path: np.array(w) for w in network.weights}, network


def stage(path):
    name = path.split("/")[0]
    return next((s for s in efficientnet.STAGES if name.startswith(f"{s}_")), name)


@pytest.mark.parametrize(("frozen_until", "frozen_normalisation"), [("", False), ("stage_2", False), ("", True)])
def test_what_is_frozen_stays_and_the_rest_learns(narrow, frozen_until, frozen_normalisation):
    config = dataclasses.replace(SMALL, frozen_until=frozen_until, frozen_normalisation=frozen_normalisation)
    before, after, _ = trained(config)
    stopped = efficientnet.STAGES[: efficientnet.STAGES.index(frozen_until) + 1 if frozen_until else 0]
    for path, value in before.items():
        frozen = stage(path) in stopped or (frozen_normalisation and "_bn/" in path)
        moved = not np.array_equal(value, after[path])
        if frozen or path.endswith(("kernel", "moving_mean", "moving_variance")):  # others may have no gradient
            assert moved != frozen, path
    assert {stage(path) for path in before} == {*efficientnet.STAGES, "scores"}


def test_a_stage_that_is_not_there_is_refused(narrow):
    with pytest.raises(UserError, match="« stage_12 »"):
        training.network(dataclasses.replace(SMALL, frozen_until="stage_12"), 3)


# --- Rates -----------------------------------------------------------------------------------------------------------


def test_depths_count_from_the_output():
    body = efficientnet.body(keras.Input((None, None, 3)))
    depths = {stage(w.path): networks.depth(w.path) for w in body.weights}
    assert depths == {name: 9 - place for place, name in enumerate(efficientnet.STAGES)}
    assert [networks.depth(path) for path in ("scores/kernel", "mobilenet/conv/kernel", "conv2d/kernel")] == [0, 1, 1]


def applied(optimizer, variables, gradients):
    """Returns what variables become after these gradients, each of the three times as large as the one before."""
    start = [np.array(v) for v in variables]
    optimizer.build(variables)
    for factor in (1, 3, 9):
        optimizer.apply([factor * gradient for gradient in gradients])
    found = [np.array(v) for v in variables]
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    return start, found


def test_early_layers_learn_more_slowly_by_the_very_factor(narrow):
    variables = training.network(SMALL, 3).trainable_variables
    gradients = [np.random.default_rng(0).normal(size=v.shape).astype(np.float32) for v in variables]
    start, full = applied(LayerwiseAdamW(0.01), variables, gradients)
    _, found = applied(LayerwiseAdamW(0.01, layer_decay=0.5), variables, gradients)
    assert {networks.depth(v.path) for v in variables} == {0, 1, 2, 3, 4, 5}
    for variable, before, fast, slow in zip(variables, start, full, found, strict=True):
        expected = (fast - before) * 0.5 ** networks.depth(variable.path)
        np.testing.assert_allclose(slow - before, expected, atol=1e-6, err_msg=variable.path)


def test_a_configuration_gives_the_optimiser_its_factor_and_its_decay():
    found = training.optimizer(Config(layer_decay=0.6, weight_decay=0.03))
    assert (type(found), found.layer_decay, found.decoupled_decay) == (LayerwiseAdamW, 0.6, 0.03)
    assert type(training.optimizer(Config())) is keras.optimizers.AdamW


def test_only_kernels_decay_and_by_the_rate_of_their_layer(narrow):
    variables = training.network(SMALL, 3).trainable_variables
    optimizer = LayerwiseAdamW(0.1, layer_decay=0.5, decoupled_decay=0.2)
    start, found = applied(optimizer, variables, [np.zeros(v.shape, np.float32) for v in variables])
    for variable, before, after in zip(variables, start, found, strict=True):
        rate = 0.1 * 0.5 ** networks.depth(variable.path) * variable.path.endswith("kernel")
        np.testing.assert_allclose(after, before * (1 - 0.2 * rate) ** 3, rtol=1e-5, err_msg=variable.path)


def test_without_a_factor_between_stages_it_is_the_adamw_of_keras(narrow):
    variables = training.network(SMALL, 3).trainable_variables
    gradients = [np.random.default_rng(0).normal(size=v.shape).astype(np.float32) for v in variables]
    adamw = keras.optimizers.AdamW(0.01, weight_decay=0.2)
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    _, expected = applied(adamw, variables, gradients)
    _, found = applied(LayerwiseAdamW(0.01, decoupled_decay=0.2), variables, gradients)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_the_optimiser_is_written_and_read():
    optimizer = LayerwiseAdamW(0.1, layer_decay=0.5, decoupled_decay=0.2)
    again = keras.optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(optimizer))))
    assert type(again) is layerwise.LayerwiseAdamW
    assert (again.layer_decay, again.decoupled_decay) == (0.5, 0.2)


# --- Training --------------------------------------------------------------------------------------------------------


def test_a_fine_tuned_network_is_found_again(narrow, work):
    images, labels = works(12)
    config = dataclasses.replace(SMALL, frozen_until="stage_1", layer_decay=0.7, epochs=2, images_seen=16)
    arguments = (config, images, labels, np.arange(9), np.arange(9, 12))
    run, again = training.train(*arguments, classes=3), training.train(*arguments, classes=3)
    assert run.fresh and not again.fresh
    np.testing.assert_allclose(
        networks.scores(again.model, images, 32), networks.scores(run.model, images, 32), atol=1e-4
    )
    other = training.train(dataclasses.replace(config, frozen_normalisation=True), *arguments[1:], classes=3)
    assert other.fresh


def test_batches_made_by_processes_are_the_same_and_in_order(tmp_path):
    """As they are made with other backends than TensorFlow, whatever that of these tests."""
    images, labels = works(40)
    on_disk = np.memmap(tmp_path / "works", np.uint8, "w+", shape=images.shape)
    on_disk[:] = images
    config = dataclasses.replace(TINY, batch_size=4, cutmix_probability=0.5)
    one = training.Batches(on_disk, labels, np.arange(40), config, 3, epoch=2, weights=np.arange(3.0))
    made = list(common._from_processes(one))
    assert len(made) == 10
    for index, batch in enumerate(made):
        for found, expected in zip(batch, one[index], strict=True):
            np.testing.assert_array_equal(found, expected)
    inside = joblib.Parallel(-1)([joblib.delayed(eval)("'keras' in __import__('sys').modules")] * 4)
    assert not any(inside)  # each process would spend seconds on importing it


# --- Features and a linear head --------------------------------------------------------------------------------------


def test_features_are_kept_under_what_they_depend_on(narrow, work, monkeypatch):
    images, _ = works(5)
    one = transfer.features(images, 32)
    assert one.shape == (5, 2 * 1280) and one.dtype == np.float32
    assert one.min() >= 0 and one.max() <= 6
    compute = transfer._compute
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "predict_on_batch", lambda *_: pytest.fail("computed again"))
        np.testing.assert_array_equal(transfer.features(images.copy(), 32), one)
        for pictures, side in ((images, 48), (images[::-1], 32), (images[:3], 32)):
            with pytest.raises(pytest.fail.Exception):
                transfer.features(pictures, side)
        patch.setattr(efficientnet, "MOMENTUM", 0.5)
        with pytest.raises(pytest.fail.Exception):
            transfer.features(images, 32)
    monkeypatch.setattr(transfer, "BATCH", 2)
    np.testing.assert_allclose(compute(images, 32), one, atol=1e-4)


def test_the_head_names_the_nearest_painter_and_never_sees_the_labels_of_others():
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = (random.normal(0, 1, (60, 8)) + 6 * np.eye(8)[labels]).astype(np.float32)
    rows, others = np.arange(40), np.arange(40, 60)
    found = transfer.linear_head(features, labels, rows, others, classes=4)
    assert (found.argmax(axis=1) == labels[others]).mean() > 0.9
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert not found[:, 3].any()
    wrong, noise = labels.copy(), features.copy()
    wrong[others], noise[others[5:]] = (wrong[others] + 1) % 3, 100
    poisoned = transfer.linear_head(noise, wrong, rows, others, classes=4)
    np.testing.assert_allclose(poisoned[:5], found[:5], atol=1e-6)
    assert transfer.linear_head(features, labels, rows, others[:0], classes=4).shape == (0, 4)


def test_rare_painters_weigh_as_much_as_others():
    random = np.random.default_rng(0)
    labels = np.array([0] * 90 + [1] * 10)
    features = (random.normal(0, 1, (100, 2)) + labels[:, None]).astype(np.float32)
    found = transfer.linear_head(features, labels, np.arange(100), np.arange(100), classes=2)
    assert (found.argmax(axis=1)[labels == 1] == 1).mean() > 0.6


# --- Fine-tuning -----------------------------------------------------------------------------------------------------


# --- What is committed -----------------------------------------------------------------------------------------------


def test_what_fine_tuning_changed_is_committed_and_read_back(narrow, tmp_path):
    config = dataclasses.replace(SMALL, frozen_until="stage_2", image_side=48, learning_rate=0.01)
    _, _, network = trained(config, steps=3)
    kept, (images, _) = training.classifier(network, config, ("Ana", "Bé", "Cid")), works(6)
    training.save_reference(kept, config, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["transfert.json", "transfert.npz"]
    found = training.load_reference(tmp_path, TRANSFERRED)
    assert (found.side, found.image_side, found.names) == (32, 48, kept.names)
    np.testing.assert_allclose(found.predict(images), kept.predict(images), atol=3e-3)
    with np.load(tmp_path / "transfert.npz") as stored:
        frozen = [i for i, w in enumerate(network.weights) if stage(w.path) in ("stem", "stage_1", "stage_2")]
        assert frozen and not any(stored[f"w{i}"].any() for i in frozen)


def test_a_committed_network_is_asked_for_by_name(tmp_path):
    with pytest.raises(UserError, match="« mieux »"):
        training.load_reference(tmp_path, "mieux")
    with pytest.raises(UserError, match="transfert"):
        training.load_reference(tmp_path, TRANSFERRED)
    assert training.best_reference(tmp_path) == FROM_SCRATCH
    (tmp_path / "transfert.npz").touch()
    assert training.best_reference(tmp_path) == TRANSFERRED


def test_a_configuration_of_before_is_read_with_what_it_meant(tmp_path):
    """Fields that it has not take the values that change nothing."""
    network = training.network(TINY, 3)
    training.save_reference(training.classifier(network, TINY, ("Ana", "Bé", "Cid")), TINY, tmp_path)
    path = tmp_path / "modele.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    for name in ("image_side", "frozen_until", "frozen_normalisation", "layer_decay"):
        del entries[name]
    path.write_text(json.dumps(entries | {"backbone": "EfficientNetV2B0", "weights": "imagenet"}), encoding="utf-8")
    found = training.load_reference(tmp_path)
    assert (found.side, found.image_side) == (16, 128)
    assert type(training.optimizer(Config())) is keras.optimizers.AdamW


# --- Choices ---------------------------------------------------------------------------------------------------------


def test_the_variants_are_different_trainings_of_the_same_budget():
    found = variants.configurations(training.profile("complet"))
    assert len(set(found.values())) == len(found)
    assert found["tout"] == training.profile("complet").transfer
    for name, config in found.items():
        assert (config.architecture == TRANSFER) != name.startswith("zero"), name
    assert not set(found) & set(variants.FROZEN)


def test_a_choice_is_recorded_once(tmp_path):
    path = tmp_path / "choix.csv"
    line = {"variant": "tout", "accuracy": 0.51239, "seed": 0}
    frozen = {"variant": "fige", "seed": None}
    for changes in ({}, {"accuracy": 0.6}, {"seed": 1}, frozen, frozen):
        variants.record(line | changes, path)
    table = pd.read_csv(path)
    assert table["variant"].tolist() == ["tout", "tout", "fige"]
    assert table["accuracy"].tolist() == [0.6, 0.5124, 0.5124]


def test_choices_are_read_the_best_first(tmp_path):
    path = tmp_path / "choix.csv"
    assert variants.recorded(path).empty
    measures = {name + bound: 0.5 for name in variants.MEASURES for bound in ("", "_low", "_high")}
    line = {"variant": "tout", "part": "validation", "n": 9, "seed": 0, "images_seen": 100} | measures
    tested = {"variant": "x", "part": "test"}
    for change in ({"seed": 1, "accuracy": 0.1}, {}, {"variant": "etages", "accuracy": 0.7}, tested):
        variants.record(line | change, path)
    variants.record({**line, "variant": "fige", "seed": None, "images_seen": None, "accuracy": 0.6}, path)
    found = variants.recorded(path)
    assert found["accuracy"].to_dict() == {"etages": 0.7, "fige": 0.6, "tout": 0.5}
    assert found["n"].tolist() == [9, 9, 9] and np.isnan(found.loc["fige", "images_seen"])
    shown = tables.choices_table(found)
    assert list(shown) == ["œuvres", "exactitude", "macro-F1", "morceaux vus"]
    assert shown["morceaux vus"].tolist() == ["100", "–", "100"]
    variants.record({**line, "images_seen": 300, "accuracy": 0.4}, path)  # beside the shorter one
    assert variants.recorded(path).loc["tout", ["accuracy", "images_seen"]].tolist() == [0.4, 300]
    assert len(pd.read_csv(path)) == 6


def test_the_variants_that_are_committed_have_french_names():
    names = [*variants.FROZEN, *variants.configurations(training.profile("complet")), *transfer.LEVELS]
    titles = [tables.variant_title(name) for name in names]
    assert len(set(titles)) == len(names) and not set(titles) & set(names)
    found = variants.recorded()
    assert set(found.index) <= set(names) and found.loc["etages", "accuracy"] > found.loc["fige", "accuracy"]


def test_the_network_of_keras_applications_is_an_option():
    full = training.profile("complet")
    assert transfer.with_weights(full.transfer, "") is full.transfer
    last = transfer.with_weights(full.last_stages(), "imagenet")
    application = keras.applications.EfficientNetV2B0(include_top=False, weights=None, input_shape=(None, None, 3))
    assert last.frozen_until in [layer.name for layer in application.layers]
    assert not transfer.with_weights(full.transfer, "imagenet").frozen_until


def test_pictures_of_another_side_follow_the_same_rows(work, tmp_path):
    pixels, _ = works(6)
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, picture in zip(paths, pixels, strict=True):
        Image.fromarray(picture).save(path)
    images = dataset.squares(paths, dataset.SIDE)[0]
    table = pd.DataFrame({"path": paths})
    data = dataset.Data(table, pd.DataFrame(), pd.DataFrame(), Location(tmp_path, False, "faux"), images)
    assert dataset.pictures(data, dataset.SIDE) is images
    large = dataset.pictures(data, 160)
    assert large.shape == (6, 160, 160, 3)
    np.testing.assert_allclose(large.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)), atol=1)
