"""The explorer of scores: parts to look at, and data that decides on a page as the notebook does."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
from judged import GOOD, made
from PIL import Image

from atelier import explorateurs
from projet3_ssl_anomalies import evaluation, explorer
from projet3_ssl_anomalies.dataset import CATEGORIES
from projet3_ssl_anomalies.detector import Detector

JUDGE = Detector(CATEGORIES["bottle"], {}, {}, {}, 32)


def decoded(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_parts_to_look_at_are_the_missed_the_median_and_good_ones() -> None:
    scores = made()
    rows = explorer.chosen(scores, defects=3, good=3)
    table = scores.table.iloc[rows]
    assert len(set(rows)) == len(rows) == 6
    assert table["score"].iloc[0] == 2.5  # the most missed defect
    assert table["is_defect"].tolist() == [True] * 3 + [False] * 3
    assert table["score"].iloc[3:].tolist() == [4.0, 3.0, 1.0]  # the falsest alarms, then the quietest part


@pytest.mark.parametrize("threshold", [0.5, 2.5, 3.0, 5.5, 20.0])
def test_a_page_decides_as_the_notebook(threshold) -> None:
    scores = made()
    data = explorer.data(scores, threshold, judge=JUDGE, category="bouteille")
    assert explorateurs.render(data) != ""
    found = evaluation.decisions(scores, threshold)
    assert len(data["bonnes"]) == found.good and len(data["defauts"]) == found.defective
    assert sum(score > data["seuil"] for score in data["bonnes"]) == found.rejected
    assert sum(score <= data["seuil"] for score in data["defauts"]) == found.missed
    shown = [piece["score"] > data["seuil"] for piece in data["pieces"]]
    assert shown == (scores.table["score"].iloc[explorer.chosen(scores)] > threshold).tolist()


def test_maps_come_back_from_their_levels() -> None:
    scores = made()
    scores = dataclasses.replace(scores, maps=np.random.default_rng(0).uniform(0.2, 9, (9, 256, 256)).astype("float32"))
    data = explorer.data(scores, 3.0, judge=JUDGE, category="bouteille")
    levels = decoded(data["cartes"]).reshape(explorer.GRID, -1, explorer.GRID).swapaxes(0, 1)
    values = data["bas"] * (data["haut"] / data["bas"]) ** (levels / 255)
    expected = np.stack([
        np.asarray(Image.fromarray(scores.maps[row]).resize((explorer.GRID,) * 2, Image.Resampling.BILINEAR))
        for row in explorer.chosen(scores)
    ])
    np.testing.assert_allclose(values, expected, rtol=0.02)


def test_true_defects_and_sizes_are_kept() -> None:
    scores = made()
    data = explorer.data(scores, 3.0, judge=JUDGE, category="bouteille")
    truth = decoded(data["verites"]).reshape(explorer.SIDE, -1, explorer.SIDE).swapaxes(0, 1) > 0
    expected = scores.truth[explorer.chosen(scores)].mean(axis=(1, 2))
    np.testing.assert_allclose(truth.mean(axis=(1, 2)), expected, atol=0.01)
    assert len(explorateurs.render(data)) < 110_000


def test_a_score_of_zero_or_one_kind_of_parts_does_not_stop_a_notebook() -> None:
    zero = made(values=[0.0] * 9)
    assert explorateurs.render(explorer.data(zero, 0.0, judge=JUDGE, category="bouteille")) != ""
    good = made(["good"] * 4, GOOD)
    assert explorateurs.render(explorer.data(good, 3.0, judge=JUDGE, category="bouteille")) == ""
    assert "0 défauts sur 0" in explorer.plot(good, 3.0, category="bouteille").alt


def test_the_drawing_has_the_point_of_the_threshold() -> None:
    scores = made()
    drawing = explorer.plot(scores, 2.5, category="bouteille")
    assert "2 bonnes pièces sur 4" in drawing.alt and "4 défauts sur 5" in drawing.alt
    roc = drawing.figure.axes[-1]
    assert roc.lines[1].get_xydata().tolist() == [[50.0, 80.0]]
