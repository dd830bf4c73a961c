"""Questions to students: what a check says of an answer, and what the run's card keeps of it.

In a notebook, a cell tagged `question` asks; the cells tagged `solution` that follow it hold the answer, which
`python -m atelier distribuer` takes out (`reponse`); a cell tagged `verification` checks it:

    exercices.verifier(3, questions.weights_of_a_layer, q3, reseau)

The check is a function of the project: it takes the answer, then whatever it needs of the run, and returns `right(why)`
or `wrong(why)`, in French, without giving the answer away.
"""

from __future__ import annotations

import ast
import dataclasses
import html
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from commun import figures

UNANSWERED, RIGHT, WRONG = STATES = ("sans réponse", "juste", "fausse")
PLACEHOLDER = "Votre réponse ici"
_MARKS = {UNANSWERED: "–", RIGHT: "✓", WRONG: "✗"}
_marks: dict[int, str] = {}  # of this kernel


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check says of an answer: whether it is right, and why, in French."""

    right: bool
    why: str


def right(why: str) -> Verdict:
    """Returns the verdict of a right answer."""
    return Verdict(True, why)


def wrong(why: str) -> Verdict:
    """Returns the verdict of a wrong answer; `why` helps without giving the answer."""
    return Verdict(False, why)


def verifier(numero: int, controle: Callable[..., Verdict], reponse: Any, *contexte: Any) -> None:
    """Checks the answer to a question, says what it is worth, and keeps it for the run's card.

    Args:
        numero: of the question in its notebook, from 1.
        controle: the check; it is not called for want of an answer. What it raises tells that the answer is wrong.
        reponse: the answer: a value, or a function or class of the student's.
        contexte: what else the check takes.
    """
    if not repondu(reponse):
        state, why = UNANSWERED, "écrivez la vôtre dans la cellule qui précède, puis exécutez de nouveau."
    else:
        try:
            verdict = controle(reponse, *contexte)
            state, why = RIGHT if verdict.right else WRONG, verdict.why
        except Exception as error:  # the answer is a student's: whatever it does, the notebook goes on
            state, why = WRONG, f"elle ne se laisse pas vérifier ({type(error).__name__} : {error})."
    _marks[numero] = state
    line = f"{_MARKS[state]} Question {numero}, {'' if state == UNANSWERED else 'réponse '}{state}"
    kind = {UNANSWERED: "attente", RIGHT: "juste", WRONG: "faux"}[state]
    body = f"<div class='verdict {kind}'><strong>{line}</strong> : {html.escape(why)}</div>"
    figures.afficher({"text/html": body, "text/plain": f"{line} : {why}"})


def repondu(reponse: Any) -> bool:
    """Says whether something was answered: not `...`, None, an empty text, nor a function left to be written."""
    if reponse is None or reponse is ... or (isinstance(reponse, str) and reponse.strip() in ("", PLACEHOLDER)):
        return False
    if isinstance(reponse, (tuple, list)) and reponse:
        return all(map(repondu, reponse))
    if inspect.isclass(reponse):  # a notebook's class has no source of its own, unlike its methods
        methods = [item for item in vars(reponse).values() if inspect.isfunction(item)]
        return not methods or any(map(repondu, methods))
    return not inspect.isfunction(reponse) or not _is_left(reponse)


def marks() -> dict[str, str]:
    """Returns the state of each answer that this kernel checked: number of the question, as a text -> state."""
    return {str(number): _marks[number] for number in sorted(_marks)}


def _is_left(function: Callable) -> bool:
    """Says whether the body of a function holds nothing but texts and `...`; no, if its source can't be read."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body
    except (OSError, TypeError, SyntaxError, AttributeError):
        return False
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
