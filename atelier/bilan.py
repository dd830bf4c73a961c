"""What a page says of a notebook at its head: the verdict of the check, and what the run's card tells, in words."""

from __future__ import annotations

import dataclasses
import html
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from atelier import attendus, verification
from atelier.cartes import Card
from commun import exercices
from commun.card import CARD_MIME, DISORDER, FOLLOWED, IN_ORDER, MODIFIED
from commun.figures import NBSP, duration, number
from commun.notebook import read_notebook, tags

MAX_RESULTS = 4
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
    verification.ALTERED: (
        "mauvais",
        "Au moins une sortie de cette page, la carte comprise, n'est pas celle que l'exécution a affichée.",
    ),
    DISORDER: ("mauvais", "Les cellules n'ont pas été exécutées dans l'ordre de la page."),
    verification.FAILED: ("mauvais", "Une cellule a échoué."),
    verification.NEVER: ("neutre", "Aucune de ses cellules n'a été exécutée."),
    verification.NO_CARD: ("neutre", "Sans carte d'exécution, rien ne dit comment ces sorties ont été obtenues."),
}
_DRAWN = {  # where a part of the data is real, where none is
    True: "Une part des images a été dessinée par le projet : les chiffres où elle entre ne valent que pour elle.",
    False: "Ce carnet a travaillé sur un échantillon dessiné par le projet : ses chiffres ne valent que pour lui.",
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
        card: what the run's card tells; nothing if there is none.
        results: what the run measured, the most important first.
        answers: marks of the answers to the questions; "" if the notebook asks none.
    """

    state: str
    kind: Kind
    why: str
    card: Card = Card()
    results: tuple[Result, ...] = ()
    answers: str = ""

    @property
    def mark(self) -> str:
        """Sign of the verdict, so that it is not told by colour alone."""
        return MARKS[self.kind]

    @property
    def day(self) -> str:
        """When it was run, in French; "" if unknown."""
        day = self.card.day
        return f"{'1er' if day.day == 1 else day.day} {MONTHS[day.month - 1]} {day.year}" if day else ""

    @property
    def synthetic(self) -> str:
        """Sentence on data that is synthetic, in whole or part; "" if it is real or unknown."""
        drawn = self.card.real is False or "synthétique" in self.card.data
        return _DRAWN[bool(self.card.real)] if drawn else ""

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Lines of the card: name, text."""
        card = self.card
        lasted = duration(card.seconds) if card.seconds is not None else ""
        models = ", ".join(f"{number(count)} {kind}{'s' * (count > 1)}" for kind, count in card.models.items())
        rows = [
            ("Carnet", card.notebook),
            ("Auteur", card.author),
            ("Sujet", card.subject),
            ("Exécution", f"{self.state} ({card.cells} cellules)"),
            *(("Résultat", f"{result.name} : {result.value}") for result in self.results),
            ("Réponses", self.answers),
            ("Paramètres modifiés", card.parameters or "aucun"),
            ("Modèles", models),
            ("Profil", card.profile),
            ("Données", " ".join(filter(None, (card.data, card.warning and f"({card.warning})")))),
            ("Date et durée", ", ".join(filter(None, (self.day, lasted)))),
            ("Versions", ", ".join(f"{name} {version}" for name, version in card.versions.items())),
            ("Identifiant", card.run[:12]),
        ]
        return [(name, text) for name, text in rows if text]


def bilan(notebook: Path, *, failed: bool = False) -> Bilan:
    """Checks a notebook and reads its card.

    Args:
        notebook: the notebook, with its outputs.
        failed: its run is known to have stopped, even if no output says so (the kernel died).

    Raises:
        UserError: the notebook can't be read.
    """
    state, card = verification.check(notebook)
    content = read_notebook(notebook)
    if failed:
        state = verification.FAILED
    kind, why = _VERDICTS.get(state, ("mauvais", ""))
    if state == IN_ORDER and verification.followed(content):
        state, (kind, why) = f"{state} ; {FOLLOWED}", _VERDICTS[FOLLOWED]
    if state == verification.NEVER and card is not None:
        why = "Ses sorties sont celles du carnet distribué, non d'une nouvelle exécution."
    asked = sum("verification" in tags(cell) for cell in content["cells"])
    told = card or Card()
    results = _results(told, trusted=state == IN_ORDER)
    return Bilan(state, kind, why, told, results, _answers(told.marks.values(), asked))


def put_cards(cells: list[Any], found: Bilan) -> None:
    """Writes the cards that cells show again, as the check sees them: theirs is what the run, or a hand, has written.

    Only the last one counts; what is shaped like a card and can't be read is said to be so.
    """
    last = True
    for cell in reversed(cells):
        for output in reversed(cell.get("outputs", [])):
            if CARD_MIME not in output.get("data", {}):
                continue
            if last and verification.card_of({"cells": [cell]}):
                rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in found.rows)
                body = f"<table class='carte'><caption>Carte d'exécution</caption><tbody>{rows}</tbody></table>"
                last = False
            elif last:
                body = "<p>Carte d'exécution illisible.</p>"
            else:
                body = "<p>Une autre carte d'exécution suit : elle seule compte.</p>"
            output["data"] = {"text/html": body}


def _results(card: Card, *, trusted: bool) -> tuple[Result, ...]:
    """Returns the headline results; they are only judged if the check is sure of the run."""
    ranges = attendus.expected(card)
    results = []
    for name, value in list(card.results.items())[:MAX_RESULTS]:
        kind, judgement = _judged(value, ranges.get(name), trusted)
        reference = _shown(card.references[name]) if name in card.references else ""
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


def _answers(marks: Collection[str], asked: int) -> str:
    """Returns what the checks of the notebook said; a question whose check was not run counts as not answered."""
    counts, total = Counter(marks), max(len(marks), asked)
    if not total:
        return ""
    right, wrong = counts[exercices.RIGHT], counts[exercices.WRONG]
    left = total - right - wrong
    parts = [f"{right} {'justes' if right > 1 else 'juste'} sur {total}"]
    parts += [f"{wrong} {'fausses' if wrong > 1 else 'fausse'}"] if wrong else []
    parts += [f"{left} sans réponse"] if left else []
    return ", ".join(parts)
