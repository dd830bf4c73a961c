"""Judged larger than learnt: the sides, what is asked at each, and what is said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_projet1_experiments import data  # noqa: F401
from test_projet1_training import TINY

from projet1_artistes import experiments, figures, networks, readings, sides, training
from projet1_artistes.augmentation import Transforms
from projet1_artistes.networks import PLAIN, RESIDUAL
from projet1_artistes.split import VALIDATION


def test_a_quarter_of_a_work_has_at_half_the_side_the_size_of_the_whole():
    config = dataclasses.replace(TINY, train_side=64, transforms=Transforms(scale=(0.25, 0.25)))
    assert sides.learnt_side(config) == 128
    assert sides.learnt_side(dataclasses.replace(config, transforms=Transforms(scale=(1, 1)))) == 64
    for profile in ("rapide", "complet"):  # the side that is judged is the one that gives things their size back
        config = training.profile(profile).config
        assert sides.learnt_side(config) == pytest.approx(config.side, rel=0.05)


def test_the_sides_that_are_tried_hold_those_of_the_configuration():
    config = dataclasses.replace(TINY, train_side=64, side=100)
    assert sides.sides_to_try(config) == [48, 64, 96, 100, 128, 160]


def test_the_same_networks_answer_for_the_same_works_at_every_side(data):  # noqa: F811
    rows, images = data.rows(VALIDATION), np.random.default_rng(0).integers(0, 256, data.images.shape, np.uint8)
    data = dataclasses.replace(data, images=images)
    models = {name: training.network(dataclasses.replace(TINY, architecture=name), 4) for name in (PLAIN, RESIDUAL)}
    before = [np.array(w) for model in models.values() for w in model.get_weights()]
    found = sides.judge_at_sides(data, rows, models, (16, 32), seed=3)
    assert list(found) == [PLAIN, RESIDUAL]
    for name, answers in found.items():
        for side, part in answers.groupby("variant"):
            scores = networks.scores(models[name], images[rows], side)
            assert part["predicted"].tolist() == scores.argmax(axis=1).tolist()
            assert part["row"].tolist() == rows.tolist()
    after = [np.array(w) for model in models.values() for w in model.get_weights()]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))  # nothing is trained


def by_side(shares: dict[int, float], count: int = 300) -> pd.DataFrame:
    """Answers that are right so often at each side."""
    labels = np.arange(count) % 3
    about = {"seed": 0, "row": np.arange(count), "label": labels, "group": np.arange(count)}
    tables = [
        pd.DataFrame({"variant": side, "predicted": np.where(np.arange(count) < share * count, labels, 3), **about})
        for side, share in shares.items()
    ]
    return pd.concat(tables, ignore_index=True)


CONFIG = dataclasses.replace(TINY, train_side=64, side=128, transforms=Transforms(scale=(0.25, 0.25)))


def test_the_figure_marks_what_is_learnt():
    answers = {PLAIN: by_side({64: 0.5, 128: 0.5}), RESIDUAL: by_side({64: 0.4, 128: 0.9})}
    drawing = figures.plot_sides(answers, CONFIG)
    axes = drawing.figure.axes[0]
    marks = sorted(line.get_xdata()[0] for line in axes.lines if line.get_linestyle() in (":", "--"))
    assert marks == [64, 128]
    assert "réseau résiduel : 40,0\u00a0% à 64, 90,0\u00a0% à 128" in drawing.alt
    assert "taille apprise (128)" in drawing.alt
    np.testing.assert_allclose(axes.containers[1].lines[0].get_ydata().astype(float), [40, 90])


def test_what_is_said_of_the_sides_goes_both_ways():
    answers = {RESIDUAL: by_side({64: 0.4, 128: 0.9}), PLAIN: by_side({64: 0.8, 128: 0.5})}
    text = readings.comment_sides(answers, CONFIG, draws=100)
    assert "jugent à **128 pixels**" in text and "vers 128 pixels" in text
    good, bad = text.split("Réseau simple")
    assert "un gain net" in good and "son meilleur côté est 128" in good
    assert "une perte nette" in bad and "son meilleur côté est 64" in bad
    same = readings.comment_sides(answers, dataclasses.replace(CONFIG, side=64), draws=10)
    assert "net" not in same


def test_both_networks_judge_at_the_same_side():
    for name in training.PROFILES:
        profile = training.profile(name)
        assert profile.plain() == dataclasses.replace(profile.config, architecture=PLAIN)
    assert experiments.summary(by_side({64: 0.5})).loc[64, "accuracy"] == 0.5
