"""What notebook 02 lets a student change of the models, kept in `travail/` for notebook 03 to judge the same ones.

Without this record, the settings would have to be typed alike in both notebooks, and one that differs would train other
models without a word.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from commun.datasets import working_folder
from commun.figures import number
from commun.results import write_json
from projet3_ssl_anomalies import PROJECT

TITLES = {  # as notebook 02 names them
    "width": "largeur",
    "learning_rate": "taux d'apprentissage",
    "length": "durée relative",
    "cells": "cellules",
    "hidden_one_in": "une cachée sur",
    "shown_one_in": "un montré sur",
    "structure": "poids de la structure",
    "shift": "décalage",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs of notebook 02; their values are those that were chosen on synthetic defects.

    Attributes:
        width: channels of the first feature map of the U-Nets; the repair has a third more.
        learning_rate: its peak; a third of it for the masked autoencoder.
        length: how many times as many images as in the profile each model sees.
        cells: how many of the cells that inpainting hides lie along a side, for each of their sizes.
        hidden_one_in: inpainting hides one cell in so many at a time.
        shown_one_in: the masked autoencoder sees one patch in so many.
        structure: weight in the loss of the structural terms beside the quadratic one.
        shift: largest random translation of a training image, in pixels.
    """

    width: int = 12
    learning_rate: float = 3e-3
    length: float = 1.0
    cells: tuple[int, ...] = (16, 8, 4)
    hidden_one_in: int = 3
    shown_one_in: int = 4
    structure: float = 0.5
    shift: int = 3

    def __post_init__(self) -> None:
        """Makes a tuple of the cells, a list once read from JSON."""
        object.__setattr__(self, "cells", tuple(self.cells))


def keep(profile: str, seed: int, settings: Settings) -> None:
    """Records the seed and the settings of the models that notebook 02 trained, for a profile."""
    write_json(_path(profile), {"seed": seed, "settings": dataclasses.asdict(settings)})


def follow(profile: str, seed: int) -> tuple[Settings, str]:
    """Returns the settings of the models that notebook 03 judges, and a French sentence that says whose they are."""
    try:
        content = json.loads(_path(profile).read_text(encoding="utf-8"))
        kept, used = int(content["seed"]), Settings(**content["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        return Settings(), (
            "Le carnet 02 n'a pas été exécuté avec ce profil : celui-ci entraîne lui-même les modèles, avec les "
            "réglages d'origine."
        )
    whose = f"vos réglages ({_changed(used)})" if used != Settings() else "les réglages d'origine"
    if kept != seed:
        return used, (
            f"La graine n'est pas celle du carnet 02 ({kept}) : celui-ci entraîne lui-même les modèles, avec {whose}."
        )
    return used, f"Les modèles jugés sont ceux du carnet 02, avec {whose}."


def _changed(settings: Settings) -> str:
    before, after = dataclasses.asdict(Settings()), dataclasses.asdict(settings)
    return ", ".join(f"{TITLES[n]} : {_shown(value)}" for n, value in after.items() if value != before[n])


def _shown(value: float | tuple[int, ...]) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else number(value)


def _path(profile: str) -> Path:
    return working_folder("choix", PROJECT) / f"{profile}.json"
