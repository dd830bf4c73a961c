"""What notebook 02 chose is what notebook 03 judges, or it says that it judges something else."""

from __future__ import annotations

import dataclasses

import pytest
from test_projet1_experiments import data  # noqa: F401
from test_projet1_training import TINY

from commun.datasets import working_folder
from projet1_artistes import PROJECT, choice
from projet1_artistes.choice import AS_CHOSEN

CHOSEN = dataclasses.replace(TINY, seed=7, oversampling_threshold=33)


def follow(data, profile="essai", seed=AS_CHOSEN, threshold=AS_CHOSEN):  # noqa: F811
    return choice.follow(profile, data, TINY, seed=seed, threshold=threshold)


def test_what_was_chosen_is_followed(work, data):  # noqa: F811
    choice.keep("essai", data, CHOSEN)
    config, text = follow(data)
    assert config == CHOSEN
    assert text == "Le réseau jugé est celui du carnet 02 (graine 7, seuil 33)."
    assert follow(data, seed=7, threshold=33) == (config, text)


@pytest.mark.parametrize(("seed", "threshold"), [(8, AS_CHOSEN), (AS_CHOSEN, 0), (1, 2)])
def test_another_network_is_never_judged_without_a_word(work, data, seed, threshold):  # noqa: F811
    choice.keep("essai", data, CHOSEN)
    config, text = follow(data, seed=seed, threshold=threshold)
    assert config.seed == (7 if seed == AS_CHOSEN else seed)
    assert config.oversampling_threshold == (33 if threshold == AS_CHOSEN else threshold)
    assert "n'est pas celui du carnet 02** (graine 7, seuil 33)" in text
    assert f"(graine {config.seed}, seuil {config.oversampling_threshold})" in text


def test_without_a_choice_the_notebook_says_that_it_trains_its_own(work, data):  # noqa: F811
    config, text = follow(data)
    assert config == TINY and "n'a pas été exécuté" in text and "entraîne lui-même" in text
    assert follow(data, seed=5)[0] == dataclasses.replace(TINY, seed=5)


def test_another_profile_and_other_works_are_another_choice(work, data):  # noqa: F811
    choice.keep("essai", data, CHOSEN)
    assert choice.kept("rapide", data) is None
    fewer = dataclasses.replace(data, works=data.works.iloc[:-1])
    assert choice.kept("essai", fewer) is None
    moved = dataclasses.replace(data, works=data.works.assign(part=data.works["part"].iloc[::-1].to_numpy()))
    assert choice.kept("essai", moved) is None
    assert choice.kept("essai", data) == {"seed": 7, "threshold": 33}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed": 1}', '{"seed": 1, "threshold": "x"}', "null"])
def test_a_record_that_cannot_be_read_is_none(work, data, content):  # noqa: F811
    choice.keep("essai", data, CHOSEN)
    (path,) = working_folder("choix", PROJECT).iterdir()
    path.write_text(content, encoding="utf-8")
    assert choice.kept("essai", data) is None
    assert "n'a pas été exécuté" in follow(data)[1]
