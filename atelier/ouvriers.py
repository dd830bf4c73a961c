"""Workers of the studies that projects declare, in a table `STUDIES` of their module `studies`."""

from __future__ import annotations

import importlib
import importlib.util
import signal
from collections.abc import Callable

from atelier import notebooks
from commun import UserError, studies


def declared() -> dict[str, Callable[[str], str]]:
    """Returns the studies of all projects: name -> function that works at it with a profile, and sums it up."""
    modules = [f"{project}.studies" for project in notebooks.projects()]
    found = [importlib.import_module(name) for name in modules if importlib.util.find_spec(name)]
    return {name: work for module in found for name, work in module.STUDIES.items()}


def work(name: str, profile: str) -> None:
    """Works at a study until it has its trials, and says so.

    Raises:
        UserError: no study has this name, or its database can't be reached.
    """
    known = declared()
    if name not in known:
        raise UserError(f"Étude inconnue : « {name} ». Études : {', '.join(known)}.")
    print(f"Étude {name}, profil {profile}. {studies.whereabouts()}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what a cluster sends: the trial is given back at once
    try:
        summary = known[name](profile)
    except KeyboardInterrupt:
        raise UserError("Arrêté avant la fin : l'essai en cours sera refait, les essais finis sont gardés.") from None
    print(f"Étude {name} terminée : {summary}.")
