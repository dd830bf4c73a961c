"""What notebook 02 chose, kept in `travail/` for notebook 03: the settings of the network that it judges.

Without this record, they would have to be typed alike in both notebooks, and one that differs would train another
network without a word.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pandas as pd

from commun import UserError
from commun.datasets import working_folder
from commun.figures import number
from commun.results import write_json
from commun.training import fingerprint
from projet1_artistes import PROJECT
from projet1_artistes.dataset import Data
from projet1_artistes.training import Config

AS_CHOSEN = -1  # parameter of notebook 03: the value that notebook 02 used
SEED, THRESHOLD = "seed", "oversampling_threshold"
KNOBS = {  # field of `Config` -> variable of the configuration cell of notebook 02, least and largest value
    "width": ("largeur", 2, 256),
    "blocks": ("blocs", 1, 8),
    "dropout": ("abandon", 0, 0.95),
    "train_side": ("cote_appris", 16, 256),
    "side": ("cote_juge", 16, 512),
    "learning_rate": ("taux", 1e-6, 1),
    "weight_decay": ("decroissance", 0, 1),
    "label_smoothing": ("lissage", 0, 0.9),
    "cutmix_probability": ("part_cutmix", 0, 1),
    "images_seen": ("images_vues", 1, 10_000_000),
}


def check(config: Config) -> Config:
    """Returns a configuration whose `KNOBS` are numbers in their ranges, as it is.

    Raises:
        UserError: one of them is not.
    """
    for field, (name, low, high) in KNOBS.items():
        value, whole = getattr(config, field), isinstance(getattr(Config(), field), int)
        good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not good or not low <= value <= high:
            raise UserError(
                f"{name} = {value!r} : il faut un nombre{' entier' if whole else ''} de {_shown(low)} à "
                f"{_shown(high)}. Corrigez-le dans la cellule « À vous de jouer », puis exécutez de nouveau."
            )
    return config


def table(config: Config, base: Config) -> pd.DataFrame:
    """Shows the knobs of a configuration beside those of the profile, one row each."""
    names = pd.Index([name for name, *_ in KNOBS.values()])
    values = {
        title: [_shown(getattr(each, field)) for field in KNOBS]
        for title, each in (("valeur", config), ("valeur du profil", base))
    }
    changed = ["oui" if getattr(config, field) != getattr(base, field) else "non" for field in KNOBS]
    return pd.DataFrame(values | {"changé": changed}, index=names)


def keep(profile: str, data: Data, config: Config) -> None:
    """Records the settings of the network that notebook 02 trained, for a profile and these works."""
    write_json(_path(profile, data), {field: getattr(config, field) for field in (SEED, THRESHOLD, *KNOBS)})


def follow(profile: str, data: Data, config: Config, *, seed: int, threshold: int) -> tuple[Config, str]:
    """Returns the configuration that notebook 03 judges, and a French sentence that says whose it is.

    Args:
        profile: name of the budget.
        data: the paintings.
        config: the network of the profile; what it says serves where nothing was chosen.
        seed: of the training; `AS_CHOSEN` for that of notebook 02.
        threshold: of the oversampling; `AS_CHOSEN` for that of notebook 02.
    """
    chosen = kept(profile, data)
    theirs = dataclasses.replace(config, **(chosen or {}))
    asked = {SEED: seed, THRESHOLD: threshold}
    judged = dataclasses.replace(theirs, **{name: value for name, value in asked.items() if value != AS_CHOSEN})
    settings = _settings(judged, config)
    if chosen is None:
        return judged, (
            "Le carnet 02 n'a pas été exécuté avec ce profil sur ces données : celui-ci entraîne lui-même le réseau "
            f"qu'il juge ({settings}), ce qui est plus long."
        )
    if judged != theirs:
        return judged, (
            f"Le réseau jugé ({settings}) **n'est pas celui du carnet 02** ({_settings(theirs, config)}) : vos "
            "paramètres en demandent un autre, que ce carnet entraîne lui-même."
        )
    return judged, f"Le réseau jugé est celui du carnet 02 ({settings})."


def kept(profile: str, data: Data) -> dict[str, int | float] | None:
    """Returns what `keep` recorded, field of `Config` -> value; None if there is nothing, or nothing that is valid."""
    default = Config()
    try:
        chosen = json.loads(_path(profile, data).read_text(encoding="utf-8"))
        chosen = {field: type(getattr(default, field))(chosen[field]) for field in (SEED, THRESHOLD, *KNOBS)}
        check(dataclasses.replace(default, **chosen))
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None
    return chosen


def _settings(config: Config, base: Config) -> str:
    """Names the seed, the threshold and the knobs that differ from those of the profile."""
    changed = [field for field in KNOBS if getattr(config, field) != getattr(base, field)]
    knobs = "".join(f", {KNOBS[field][0]} {_shown(getattr(config, field))}" for field in changed)
    return f"graine {config.seed}, seuil {config.oversampling_threshold}{knobs}"


def _shown(value: float) -> str:
    """Formats a setting in French, without digits that say nothing: "0,004"."""
    return number(value) if float(value).is_integer() else f"{value:.4g}".replace(".", ",")


def _path(profile: str, data: Data) -> Path:
    """The record of a profile and of the works: others, or another split, are another choice."""
    parts = data.works["part"].astype("category").cat.codes.to_numpy()
    return working_folder("choix", PROJECT) / f"{profile}-{fingerprint(data.labels, parts)[:16]}.json"
