"""What the run's card of a hand-in tells, made once of the JSON that `verification.card_of` finds.

Any field may be missing, of any type, of any size: one that is not what it should be counts as absent. Texts are in
bounds and on one line, without the signs that turn or hide what follows; they are not escaped.
"""

from __future__ import annotations

import dataclasses
import math
import re
import reprlib
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from commun import exercices

MAX_TEXT, MAX_NAME, MAX_WARNING = 200, 80, 600  # characters of a text, of a name in a table, of the warning
MAX_ENTRIES, MAX_MODELS, MAX_DAYS = 50, 10**6, 30
MODELS = ("entraîné", "retrouvé")


@dataclasses.dataclass(frozen=True)
class Card:
    """A run's card, in bounds; a text that it lacks is "", a table empty.

    Attributes:
        notebook: its path in the repository, as the card claims it.
        name, group, subject: of the student; identifier of the hand-out.
        told: name -> result, the main one first. It may be infinite or undefined, so that `atelier.reexecution` finds
            an undefined result again; what is no number is kept as a text, to be quoted. `results` has neither.
        references: name -> finite value on real data.
        marks: number of a question -> one of `exercices.STATES`.
        models: one of `MODELS` -> count.
        parameters, profile: given to the run.
        data, warning: what it read, and what was said of it; `real`: whether it is, None if unknown.
        versions: package -> version.
        day, seconds: when it ran and how long, None if unknown.
        run: its random identifier.
        cells: how many were executed.
        tells_outputs: whether it has the hashes of the outputs; the first cards had none.
    """

    notebook: str = ""
    name: str = ""
    group: str = ""
    subject: str = ""
    told: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    references: Mapping[str, float] = dataclasses.field(default_factory=dict)
    marks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    models: Mapping[str, int] = dataclasses.field(default_factory=dict)
    parameters: str = ""
    profile: str = ""
    data: str = ""
    real: bool | None = None
    warning: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    day: date | None = None
    seconds: float | None = None
    run: str = ""
    cells: int = 0
    tells_outputs: bool = False

    @property
    def results(self) -> dict[str, float]:
        """Results that are finite numbers, the main one first."""
        return _finite(self.told)

    @property
    def author(self) -> str:
        """Name and group of the student."""
        named = not self.group or self.group.casefold().startswith("groupe")
        return ", ".join(filter(None, (self.name, self.group if named else f"groupe {self.group}")))


def read(raw: Mapping[str, Any]) -> Card:
    """Reads a card that nobody vouches for: any JSON object gives one."""
    parameters, real, cells = raw.get("parametres"), raw.get("donnees_reelles"), raw.get("cellules")
    told = _table(raw.get("resultats"), first=raw.get("principal"))
    marks, counts = _table(raw.get("reponses")), _table(raw.get("modeles"))
    seconds = _number(raw.get("duree_s"))
    return Card(
        notebook=text(raw.get("carnet")),
        name=text(raw.get("nom")),
        group=text(raw.get("groupe")),
        subject=text(raw.get("sujet")),
        told={name: _result(value) for name, value in told.items()},
        references=_finite({name: _number(value) for name, value in _table(raw.get("references")).items()}),
        marks={n: mark for n, mark in marks.items() if re.fullmatch(r"\d{1,3}", n) and mark in exercices.STATES},
        models={kind: n for kind in MODELS if type(n := counts.get(kind)) is int and 0 <= n < MAX_MODELS},
        parameters=text(parameters.replace("\n", " ; ")) if isinstance(parameters, str) else "",
        profile=text(raw.get("profil")),
        data=text(raw.get("donnees")),
        real=real if isinstance(real, bool) else None,
        warning=text(raw.get("avertissement"), MAX_WARNING),
        versions={name: text(value, MAX_NAME) for name, value in _table(raw.get("versions")).items() if text(value)},
        day=_day(raw.get("date")),
        seconds=seconds if seconds is not None and 0 <= seconds <= MAX_DAYS * 86400 else None,
        run=text(raw.get("execution")),
        cells=len(cells) if isinstance(cells, list) else 0,
        tells_outputs="sorties" in raw,
    )


def text(value: Any, limit: int = MAX_TEXT) -> str:
    """Returns a text on one line, without the signs that turn or hide what follows, and cut; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    line = "".join(c for c in value[: 10 * limit] if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _table(value: Any, first: Any = None) -> dict[str, Any]:
    """Returns the first entries of a table by their names, which are texts; that named `first` comes before all."""
    entries = sorted(value.items(), key=lambda item: item[0] != first) if isinstance(value, dict) else []
    named = ((text(name, MAX_NAME), inner) for name, inner in entries[:MAX_ENTRIES])
    return {name: inner for name, inner in named if name}


def _number(value: Any) -> float | None:
    """Returns a number, infinite if it is too big; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if isinstance(value, float) and math.isfinite(value)}


def _result(value: Any) -> float | str:
    number = _number(value)
    return number if number is not None else text(value if isinstance(value, str) else reprlib.repr(value))


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        return None
