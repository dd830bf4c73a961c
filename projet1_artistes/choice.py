"""What notebook 02 chose, kept in `travail/` for notebook 03: the seed and the threshold of the network that it judges.

Without this record, both would have to be typed alike in both notebooks, and one that differs would train another
network without a word.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from commun.datasets import working_folder
from commun.results import write_json
from commun.training import fingerprint
from projet1_artistes import PROJECT
from projet1_artistes.dataset import Data
from projet1_artistes.training import Config

AS_CHOSEN = -1  # parameter of notebook 03: the value that notebook 02 used


def keep(profile: str, data: Data, config: Config) -> None:
    """Records the seed and the threshold of the network that notebook 02 trained, for a profile and these works."""
    write_json(_path(profile, data), {"seed": config.seed, "threshold": config.oversampling_threshold})


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
    base = chosen or {"seed": config.seed, "threshold": config.oversampling_threshold}
    seed = base["seed"] if seed == AS_CHOSEN else seed
    threshold = base["threshold"] if threshold == AS_CHOSEN else threshold
    config = dataclasses.replace(config, seed=seed, oversampling_threshold=threshold)
    settings = f"graine {seed}, seuil {threshold}"
    if chosen is None:
        return config, (
            "Le carnet 02 n'a pas été exécuté avec ce profil sur ces données : celui-ci entraîne lui-même le réseau "
            f"qu'il juge ({settings}), ce qui est plus long."
        )
    if chosen != {"seed": seed, "threshold": threshold}:
        return config, (
            f"Le réseau jugé ({settings}) **n'est pas celui du carnet 02** (graine {chosen['seed']}, seuil "
            f"{chosen['threshold']}) : vos paramètres en demandent un autre, que ce carnet entraîne lui-même."
        )
    return config, f"Le réseau jugé est celui du carnet 02 ({settings})."


def kept(profile: str, data: Data) -> dict[str, int] | None:
    """Returns what `keep` recorded, seed and threshold; None if there is nothing, or nothing that can be read."""
    try:
        chosen = json.loads(_path(profile, data).read_text(encoding="utf-8"))
        return {name: int(chosen[name]) for name in ("seed", "threshold")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(profile: str, data: Data) -> Path:
    """The record of a profile and of the works: others, or another split, are another choice."""
    parts = data.works["part"].astype("category").cat.codes.to_numpy()
    return working_folder("choix", PROJECT) / f"{profile}-{fingerprint(data.labels, parts)[:16]}.json"
