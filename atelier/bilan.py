"""What a page says of a notebook at its head: the verdict of the check, and what the run's card tells, in words.

A card comes with a hand-in: each of its fields may be missing, of any type, of any size. What is not what it should be
is left out; nothing of it is trusted to be more than a text to escape.
"""

from __future__ import annotations

import dataclasses
import html
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from atelier import attendus, verification
from commun import exercices
from commun.card import CARD_MIME, DISORDER, FOLLOWED, IN_ORDER, MODIFIED
from commun.figures import NBSP, duration, number
from commun.notebook import read_notebook, tags

OUTPUTS_CHANGED = "sorties modifiées"
MAX_TEXT, MAX_RESULTS, MAX_DAYS = 200, 4, 30
MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
MARKS = {"bon": "✓", "mauvais": "✗", "reserve": "!", "neutre": "–"}

Kind = Literal["bon", "mauvais", "reserve", "neutre"]
# Verdict -> what it is worth, and what it means for who reads the page.
_VERDICTS: dict[str, tuple[Kind, str]] = {
    IN_ORDER: ("bon", "Les cellules de cette page sont celles qui ont été exécutées, dans cet ordre."),
    FOLLOWED: ("reserve", "La carte d'exécution ne dit rien des cellules qui la suivent."),
    MODIFIED: ("mauvais", "Des cellules ont changé depuis l'exécution : ces sorties ne sont pas forcément les leurs."),
    OUTPUTS_CHANGED: (
        "mauvais",
        "Au moins une sortie de cette page, la carte comprise, n'est pas celle que l'exécution a affichée.",
    ),
    DISORDER: ("mauvais", "Les cellules n'ont pas été exécutées dans l'ordre de la page."),
    verification.FAILED: ("mauvais", "Une cellule a échoué."),
    verification.NEVER: ("neutre", "Aucune de ses cellules n'a été exécutée."),
    verification.NO_CARD: ("neutre", "Sans carte d'exécution, rien ne dit comment ces sorties ont été obtenues."),
}


@dataclasses.dataclass(frozen=True)
class Result:
    """A measure of the run, ready to be shown.

    Attributes:
        name: what is measured, in French.
        value: the number, in French.
        kind: "bon" within the expected range, "mauvais" out of it, "neutre" if nothing can be said.
        judgement: the same in words, with the range; "" if none is known for this data and profile.
        reference: the value on real data; "" if none is known.
    """

    name: str
    value: str
    kind: Kind = "neutre"
    judgement: str = ""
    reference: str = ""

    @property
    def mark(self) -> str:
        """Sign of the judgement; "" if there is none."""
        return MARKS[self.kind] if self.kind != "neutre" else ""


@dataclasses.dataclass(frozen=True)
class Bilan:
    """What is known of a notebook, ready to be shown: texts of one line, in bounds, not escaped.

    Attributes:
        state: verdict of the check, as `atelier verifier` says it.
        kind: what the verdict is worth.
        why: what it means, in a sentence.
        author: name and group; "" if unknown.
        source: data; "" if unknown.
        synthetic: sentence on data that is synthetic, in whole or part; "" if it is real or unknown.
        profile: profile of the run; "" if unknown.
        day: when it was run, in French; "" if unknown.
        seconds: how long it took, None if unknown.
        results: what it measured, the most important first.
        answers: marks of the answers to the questions; "" if the notebook asks none.
        warning: what the run said of its data, for instance that a folder was empty.
        rows: lines of the card: name, text.
    """

    state: str
    kind: Kind
    why: str
    author: str = ""
    source: str = ""
    synthetic: str = ""
    profile: str = ""
    day: str = ""
    seconds: float | None = None
    results: tuple[Result, ...] = ()
    answers: str = ""
    warning: str = ""
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def mark(self) -> str:
        """Sign of the verdict, so that it is not told by colour alone."""
        return MARKS[self.kind]


def bilan(notebook: Path, *, failed: bool = False) -> Bilan:
    """Checks a notebook and reads its card.

    Args:
        notebook: the notebook, with its outputs.
        failed: its run is known to have stopped, even if no output says so (the kernel died).

    Raises:
        UserError: the notebook can't be read.
    """
    state, card = verification.check(notebook)
    if failed:
        state = verification.FAILED
    kind, why = _VERDICTS.get(state, ("mauvais", ""))
    if state == IN_ORDER and verification.followed(notebook):
        state, (kind, why) = f"{state} ; {FOLLOWED}", _VERDICTS[FOLLOWED]
    if state == verification.NEVER and card is not None:
        why = "Ses sorties sont celles du carnet distribué, non d'une nouvelle exécution."
    asked = sum("verification" in tags(cell) for cell in read_notebook(notebook)["cells"])
    if card is None:
        return Bilan(state, kind, why, answers=_answers({}, asked))
    source = _text(card.get("donnees"))
    found = Bilan(
        state,
        kind,
        why,
        author=", ".join(filter(None, (_text(card.get("nom")), _group(card)))),
        source=source,
        synthetic=_synthetic(card.get("donnees_reelles"), source),
        profile=_text(card.get("profil")),
        day=_day(card.get("date")),
        seconds=_seconds(card.get("duree_s")),
        results=_results(card, trusted=state == IN_ORDER),
        answers=_answers(card.get("reponses"), asked),
        warning=_text(card.get("avertissement"), 600),
    )
    return dataclasses.replace(found, rows=tuple(_rows(card, found)))


def put_cards(cells: list[Any], found: Bilan) -> None:
    """Writes the cards that cells show again, as the check sees them: theirs is what the run, or a hand, has written.

    Only the last one counts; what is shaped like a card and can't be read is said to be so.
    """
    last = True
    for cell in reversed(cells):
        for output in reversed(cell.get("outputs", [])):
            if CARD_MIME not in output.get("data", {}):
                continue
            if found.rows and last and verification.card_of({"cells": [cell]}):
                rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in found.rows)
                body = f"<table class='carte'><caption>Carte d'exécution</caption><tbody>{rows}</tbody></table>"
                last = False
            elif last:
                body = "<p>Carte d'exécution illisible.</p>"
            else:
                body = "<p>Une autre carte d'exécution suit : elle seule compte.</p>"
            output["data"] = {"text/html": body}


# --- Fields of a card ------------------------------------------------------------------------------------------------


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    """Returns a text on one line, without the signs that turn or hide what follows, and cut; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    line = "".join(c for c in value[: 10 * limit] if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _number(value: Any) -> float | None:
    """Returns a finite number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _numbers(value: Any) -> dict[str, float]:
    """Returns the finite numbers of a table: name -> value, in its order."""
    table = value if isinstance(value, dict) else {}
    named = ((_text(name, 80), _number(number)) for name, number in table.items())
    return {name: number for name, number in named if name and number is not None}


def _group(card: Mapping[str, Any]) -> str:
    group = _text(card.get("groupe"))
    return group if not group or group.casefold().startswith("groupe") else f"groupe {group}"


def _day(value: Any) -> str:
    text = _text(value, 40)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{'1er' if day.day == 1 else day.day} {MONTHS[day.month - 1]} {day.year}"


def _seconds(value: Any) -> float | None:
    seconds = _number(value)
    return seconds if seconds is not None and 0 <= seconds <= MAX_DAYS * 86400 else None


def _synthetic(real: Any, source: str) -> str:
    if real is True and "synthétique" not in source:
        return ""
    if real is True:
        return "Une part des images a été dessinée par le projet : les chiffres où elle entre ne valent que pour elle."
    if real is False or "synthétique" in source:
        return "Ce carnet a travaillé sur un échantillon dessiné par le projet : ses chiffres ne valent que pour lui."
    return ""


def _results(card: Mapping[str, Any], *, trusted: bool) -> tuple[Result, ...]:
    """Returns the headline results; they are only judged if the check is sure of the run."""
    references = _numbers(card.get("references"))
    ranges = attendus.expected(card)
    results = []
    told = sorted(_numbers(card.get("resultats")).items(), key=lambda item: item[0] != card.get("principal"))
    for name, value in told[:MAX_RESULTS]:
        kind, judgement = _judged(value, ranges.get(name), trusted)
        reference = _shown(references[name]) if name in references else ""
        results.append(Result(name, _shown(value), kind, judgement, reference))
    return tuple(results)


def _shown(value: float) -> str:
    """Returns a number as text; what may be a proportion always has three decimals."""
    return number(value, 3 if 0 <= value <= 1 else None)


def _judged(value: float, bounds: tuple[float, float] | None, trusted: bool) -> tuple[Kind, str]:
    if bounds is None:
        return "neutre", ""
    low, high = bounds
    words = f"de {_shown(low)} à {_shown(high)}".replace(" ", NBSP)
    if not trusted:
        return "neutre", f"attendu {words}"
    place = attendus.compare(value, bounds)
    return "bon" if place == attendus.INSIDE else "mauvais", f"{place} ({words})"


def _answers(marks: Any, asked: int) -> str:
    """Returns what the checks of the notebook said; a question whose check was not run counts as not answered."""
    states = [state for state in (marks.values() if isinstance(marks, dict) else ()) if state in exercices.STATES]
    counts, total = Counter(states), max(len(states), asked)
    if not total:
        return ""
    right, wrong = counts[exercices.RIGHT], counts[exercices.WRONG]
    left = total - right - wrong
    parts = [f"{right} {'justes' if right > 1 else 'juste'} sur {total}"]
    parts += [f"{wrong} {'fausses' if wrong > 1 else 'fausse'}"] if wrong else []
    parts += [f"{left} sans réponse"] if left else []
    return ", ".join(parts)


def _rows(card: Mapping[str, Any], found: Bilan) -> list[tuple[str, str]]:
    versions = card.get("versions") if isinstance(card.get("versions"), dict) else {}
    named = [(_text(name, 40), _text(version, 40)) for name, version in list(versions.items())[:20]]
    lasted = duration(found.seconds) if found.seconds is not None else ""
    counts = ((int(count), kind) for kind, count in list(_numbers(card.get("modeles")).items())[:4] if 0 <= count < 1e6)
    models = ", ".join(f"{number(count)} {kind}{'s' * (count > 1)}" for count, kind in counts)
    rows = [
        ("Carnet", _text(card.get("carnet"))),
        ("Auteur", found.author),
        ("Sujet", _text(card.get("sujet"))),
        ("Exécution", f"{found.state} ({len(card['cellules'])} cellules)"),
        *(("Résultat", f"{result.name} : {result.value}") for result in found.results),
        ("Réponses", found.answers),
        ("Paramètres modifiés", _text(str(card.get("parametres") or "").replace("\n", " ; ")) or "aucun"),
        ("Modèles", models),
        ("Profil", found.profile),
        ("Données", " ".join(filter(None, (found.source, found.warning and f"({found.warning})")))),
        ("Date et durée", ", ".join(filter(None, (found.day, lasted)))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in named if name and version)),
        ("Identifiant", _text(card["execution"])[:12]),
    ]
    return [(name, text) for name, text in rows if text]
