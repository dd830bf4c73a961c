"""What the commands `python -m projetN_...` share: they make `reference/` from the real data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping

from commun import UserError, french_argparse
from commun.datasets import Location


def parser(project: str, options: Mapping[str, tuple[int, str]]) -> argparse.ArgumentParser:
    """Returns the parser of a project's command, in French.

    Args:
        project: name of its package.
        options: option, with its two dashes -> its default value, an integer, and its help.
    """
    french_argparse()
    text = "Refait le dossier reference/ à partir des données réelles."
    command = argparse.ArgumentParser(prog=f"python -m {project}", description=text)
    for name, (default, text) in options.items():
        command.add_argument(name, type=int, default=default, help=f"{text} ({default} par défaut)")
    text = "s'arrête avant de lire la part de test"
    command.add_argument("--sans-test", action="store_true", help=text)
    return command


def require_real(locations: Iterable[Location], *, advice: str) -> None:
    """Refuses to go on where there is a synthetic sample in place of data.

    Args:
        locations: where the data is.
        advice: how to get it, in French.

    Raises:
        UserError: some of it is synthetic.
    """
    if synthetic := sorted({location.title for location in locations if not location.is_real}):
        raise UserError(
            f"La référence se fait sur les données réelles, et {', '.join(synthetic)} n'en a pas ici : indiquez où "
            f"elles sont avec PROJETS_DATA, ou {advice}."
        )
