"""What notebook 02 changes reaches the networks, and notebook 03 judges the models that it trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from commun import UserError
from projet3_ssl_anomalies import settings, training
from projet3_ssl_anomalies.settings import Settings

BUDGET = training.PROFILES["rapide"]
OTHERS: dict[str, Any] = {
    "width": 6,
    "learning_rate": 1e-3,
    "length": 0.5,
    "cells": (8, 4),
    "hidden_one_in": 2,
    "shown_one_in": 2,
    "structure": 0.1,
    "shift": 1,
}


def test_every_setting_changes_what_is_trained() -> None:
    assert set(OTHERS) == {field.name for field in dataclasses.fields(Settings)}
    before = training.configurations(BUDGET, side=64)
    assert before == training.configurations(BUDGET, side=64, settings=Settings())
    for name, value in OTHERS.items():
        after = training.configurations(BUDGET, side=64, settings=Settings(**{name: value}))
        assert all(after[task] != before[task] for task in before), name


def test_each_task_keeps_its_share_of_a_setting() -> None:
    asked = training.configurations(BUDGET, side=64, settings=Settings(width=6, learning_rate=6e-3, length=0.5))
    assert asked["repair"].width == 8 and asked["inpainting"].width == 6
    assert asked["masked_autoencoder"].learning_rate == pytest.approx(2e-3)
    assert asked["repair"].images_seen == 2 * asked["inpainting"].images_seen == BUDGET.images


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hidden_one_in": 1}, "hidden_one_in va de 2 au plus petit nombre de cellules d'une image, 16"),
        ({"hidden_one_in": 17}, "donnée : 17"),
        ({"shown_one_in": 1}, "shown_one_in vaut au moins 2 et divise le nombre de carreaux, 64"),
        ({"shown_one_in": 3}, "donnée : 3"),
        ({"width": 0}, "width doit valoir"),
        ({"length": 0}, "images_seen doit valoir"),
        ({"cells": (7,)}, "7 cellules"),
    ],
)
def test_settings_that_make_no_network_are_refused(wrong: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        training.configurations(BUDGET, side=64, settings=Settings(**wrong))


def test_notebook_03_judges_the_models_of_notebook_02(work) -> None:
    used, told = settings.follow("rapide", 0)
    assert used == Settings() and "n'a pas été exécuté" in told
    settings.keep("rapide", 0, Settings())
    assert settings.follow("rapide", 0) == (
        Settings(),
        "Les modèles jugés sont ceux du carnet 02, avec les réglages d'origine.",
    )
    for name, value in OTHERS.items():
        settings.keep("rapide", 0, Settings(**{name: value}))
        used, told = settings.follow("rapide", 0)
        assert used == Settings(**{name: value}) and f"({settings.TITLES[name]} : " in told and "d'origine" not in told
    assert "n'est pas celle du carnet 02 (0)" in settings.follow("rapide", 1)[1]
    assert "n'a pas été exécuté" in settings.follow("complet", 0)[1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed": 0, "settings": {"depth": 3}}', '{"seed": 0}'])
def test_a_record_that_cannot_be_read_is_none(content: str, work) -> None:
    settings.keep("essai", 0, Settings(width=3))
    settings._path("essai").write_text(content, encoding="utf-8")
    assert settings.follow("essai", 0)[0] == Settings()
