"""What headline results are expected to be, from several seeds."""

import json

import numpy as np
import pytest

from atelier import attendus, cartes
from commun.card import CARD_MIME

CARD = {"carnet": "p/01.ipynb", "etat": "x", "execution": "y", "cellules": [], "profil": "rapide"}


def executed(folder, results, **more):
    card = CARD | {"donnees_reelles": False, "resultats": results} | more
    output = {"output_type": "display_data", "metadata": {}, "data": {CARD_MIME: card}}
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [output], "execution_count": 1}
    path = folder / f"{len(list(folder.iterdir()))}.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}), encoding="utf-8")
    return path


def test_the_ranges_of_several_seeds_are_those_that_a_card_finds_again(tmp_path):
    runs = tmp_path / "exécutions"
    runs.mkdir()
    paths = [executed(runs, {"perte": value, "exactitude": 0.9}) for value in (240.0, 242.0, 241.0)]
    paths.append(executed(runs, {"perte": 1.0}, profil="essai"))  # alone: no range
    file = tmp_path / "attendus.json"
    attendus.measure(paths, file)
    low, high = attendus.expected(cartes.read(CARD), file)["perte"]
    assert (low, high) == pytest.approx((241 - 4.968, 241 + 4.968), abs=1e-3)  # 4.303 * 1 * sqrt(4 / 3)
    assert attendus.expected(cartes.read(CARD), file)["exactitude"] == (0.891, 0.909)
    assert attendus.expected(cartes.read(CARD | {"profil": "essai"}), file) == {}
    assert attendus.expected(cartes.read(CARD | {"donnees_reelles": True}), file) == {}
    attendus.measure([executed(runs, {"autre": value}) for value in (1.0, 2.0)], file)
    assert set(attendus.expected(cartes.read(CARD), file)) == {"perte", "exactitude", "autre"}  # what was there stays


def test_one_more_seed_falls_in_the_range_95_times_in_100():
    random = np.random.default_rng(0)
    draws = random.normal(5, 2, (4000, 4))
    ranges = [attendus.prediction_interval(row[:3].tolist()) for row in draws]
    inside = np.mean([low <= value <= high for (low, high), value in zip(ranges, draws[:, 3], strict=True)])
    assert inside == pytest.approx(0.95, abs=0.012)


def test_the_range_of_proportions_is_one():
    low, high = attendus.prediction_interval([0.9, 0.99, 0.95])
    assert 0 < low < high == 1.0


@pytest.mark.parametrize("card", [{}, {"carnet": 3, "profil": []}, CARD | {"carnet": "autre"}])
def test_a_card_of_another_world_expects_nothing(card, tmp_path):
    assert attendus.expected(cartes.read(card), tmp_path / "absent.json") == {}
    (tmp_path / "a.json").write_text('{"p/01.ipynb": {"rapide/reel": {"x": [0, 1]}}}', encoding="utf-8")
    assert attendus.expected(cartes.read(card), tmp_path / "a.json") == {}


def test_a_result_is_inside_its_range_or_on_one_side():
    assert [attendus.compare(v, (1, 2)) for v in (0.5, 1, 2, 3)] == [
        attendus.BELOW, attendus.INSIDE, attendus.INSIDE, attendus.ABOVE,
    ]  # fmt: skip
