"""The leak: near-duplicates on both sides make a model that only remembers look better."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_projet1_dataset import picture

from commun.datasets import Location
from projet1_artistes import experiments, leak, readings, tables
from projet1_artistes.dataset import Data
from projet1_artistes.split import TEST, TRAINING, VALIDATION


@pytest.fixture
def data(tmp_path):
    """Three artists of 40 works that nothing tells apart, each work there twice, nearly; 30 works are of the test."""
    labels, random = np.repeat(np.arange(60) % 3, 2), np.random.default_rng(0)
    images = np.stack([np.asarray(picture(i // 2, (128, 128))) for i in range(120)]).astype(int)
    images = np.clip(images + random.integers(-6, 7, images.shape), 0, 255).astype(np.uint8)
    parts = np.repeat([TRAINING, VALIDATION, TEST], [70, 20, 30])
    works = pd.DataFrame({"path": [tmp_path / f"{i}.jpg" for i in range(120)], "artist": labels})
    works = works.assign(group=np.arange(120) // 2, part=parts)
    artists = pd.DataFrame({"name": ["Ana", "Bé", "Cid"]})
    return Data(works, artists, pd.DataFrame(), Location(tmp_path, False, "faux"), images)


def alone(data: Data) -> Data:
    """The same works without their near-duplicates."""
    rows = np.arange(0, 120, 2)
    return dataclasses.replace(data, works=data.works.iloc[rows].reset_index(drop=True), images=data.images[rows])


def test_a_split_at_random_flatters_a_model_that_remembers(data):
    answers = leak.compare_splits(data, seeds=(0, 1))
    accuracy = experiments.summary(answers)["accuracy"]
    assert accuracy[leak.NAIVE] > 0.7 and accuracy[leak.GROUPED] < 0.5
    gap = leak.gap(answers, draws=200)
    assert gap["gain"] == pytest.approx(accuracy[leak.NAIVE] - accuracy[leak.GROUPED]) and gap["low"] > 0.2
    assert leak.duplicated(data) == 90
    assert set(answers["row"]) == set(data.all_but_test)  # the test part waits
    assert (answers.groupby(["variant", "seed", "row"]).size() == 1).all()  # paired


def test_without_near_duplicates_there_is_no_leak_and_second_pictures_make_one(data):
    single = alone(data)
    assert leak.duplicated(single) == 0
    answers, doubled = (leak.compare_splits(single, seeds=(0, 1), twice=share) for share in (0, leak.TWICE))
    gap = leak.gap(answers, draws=200)
    assert gap["low"] <= 0 <= gap["high"]
    assert leak.gap(doubled, draws=200)["low"] > 0.05
    assert set(doubled["row"]) == set(single.all_but_test)  # second pictures are learnt from, not judged
    text = readings.comment_leak(answers, doubled, duplicated=0, draws=200)
    assert "trop peu pour que la fuite se voie" in text and "un gain net pour le même modèle" in text
    text = readings.comment_leak(doubled, answers, duplicated=30, draws=200)
    assert "un gain net, et faux" in text and "un gain net pour le même" not in text
    assert set(answers["variant"]) <= set(tables.VARIANTS)


def test_the_nearest_neighbour_is_of_another_fold():
    vectors, fold = np.eye(4)[[0, 0, 1, 1]] + 0.01, np.array([0, 1, 0, 0])
    assert leak.nearest(vectors, fold)[0] == 1
    assert leak.nearest(vectors, fold)[2] == leak.nearest(vectors, fold)[3] == 1
    assert leak.nearest(vectors, fold)[1] == 0


def test_neither_light_nor_contrast_changes_a_neighbour():
    image = np.random.default_rng(0).uniform(50, 150, (1, 4, 4, 3))
    np.testing.assert_allclose(leak.centred(image), leak.centred(1.4 * image + 20), atol=1e-9)
    assert np.linalg.norm(leak.centred(image)) == pytest.approx(1)
