"""What notebook 02 chose is what notebook 03 judges, or it says that it judges something else."""

from __future__ import annotations

import dataclasses

import pytest
from test_projet1_experiments import data  # noqa: F401
from test_projet1_training import TINY

from commun import UserError
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
    kept = choice.kept("essai", data)
    assert kept == {field: getattr(CHOSEN, field) for field in ("seed", "oversampling_threshold", *choice.KNOBS)}


OTHERS = {
    "width": 6,
    "blocks": 2,
    "dropout": 0.5,
    "train_side": 24,
    "side": 40,
    "learning_rate": 0.01,
    "weight_decay": 0.2,
    "label_smoothing": 0.3,
    "cutmix_probability": 1,
    "images_seen": 64,
}


@pytest.mark.parametrize("field", choice.KNOBS)
def test_every_knob_is_followed_and_told(work, data, field):  # noqa: F811
    tuned = dataclasses.replace(CHOSEN, **{field: OTHERS[field]})
    assert tuned != CHOSEN
    choice.keep("essai", data, tuned)
    config, text = follow(data)
    assert config == tuned
    assert f", {choice.KNOBS[field][0]} " in text and text.startswith("Le réseau jugé est celui du carnet 02")
    table = choice.table(config, TINY)
    assert table.index[table["changé"] == "oui"].tolist() == [choice.KNOBS[field][0]]
    assert table["valeur du profil"].tolist()[5:7] == ["0,002", "0,05"]
    other, text = follow(data, seed=8)
    assert other == dataclasses.replace(tuned, seed=8) and "n'est pas celui du carnet 02" in text


@pytest.mark.parametrize(
    ("field", "value"), [("width", 0), ("width", 12.5), ("dropout", 1), ("side", "80"), ("blocks", True)]
)
def test_a_knob_out_of_range_is_refused_by_its_french_name(field, value):
    with pytest.raises(UserError, match=f"^{choice.KNOBS[field][0]} = .*À vous de jouer"):
        choice.check(dataclasses.replace(TINY, **{field: value}))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed": 1}', '{"seed": 1, "threshold": "x"}', "null"])
def test_a_record_that_cannot_be_read_is_none(work, data, content):  # noqa: F811
    choice.keep("essai", data, CHOSEN)
    (path,) = working_folder("choix", PROJECT).iterdir()
    path.write_text(content, encoding="utf-8")
    assert choice.kept("essai", data) is None
    assert "n'a pas été exécuté" in follow(data)[1]


def test_a_record_out_of_range_is_none(work, data):  # noqa: F811
    choice.keep("essai", data, dataclasses.replace(CHOSEN, dropout=3))
    assert choice.kept("essai", data) is None
