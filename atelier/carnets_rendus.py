"""One notebook handed in, read once: its verdict, what was changed of the hand-out, its answers, what its card tells.

Nothing of a hand-in is trusted: what is too long to be compared is said to be so.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atelier import attendus, cartes, distribution, verification
from atelier.cartes import Card
from commun import UserError
from commun.card import FOLLOWED, cell_hash
from commun.datasets import ROOT
from commun.notebook import INJECTED, read_notebook, tags

UNREADABLE = "illisible"
EMPTY, FILLED, DELETED = "vide", "remplie", "supprimée"
OPEN_TAGS = frozenset({"solution", "reponse"})  # of the cells that a student fills

_OWN_LINES = re.compile(r"^(?:NOM|GROUPE|SUJET)\b.*\n?", re.MULTILINE)
_QUESTION = re.compile(r"\W*Question (\d{1,3})\b")
_MOST_CELLS, _MOST_TEXT = 1_000, 20_000  # cells, characters of a cell: beyond, nothing is compared
_MOST_BYTES = 64 * 2**20  # of a notebook: beyond, it is not read
_MOST_RESULTS = 10  # of a card


@dataclasses.dataclass(frozen=True)
class Subject:
    """A notebook of the course.

    Attributes:
        name: "project/name.ipynb".
        cells: those of the hand-out, as `read_notebook` gives them.
        solutions: source of the solution of a cell of the hand-out, by its position.
        fingerprint: of the hand-out, "" if it is not known.
    """

    name: str
    cells: list[dict[str, Any]]
    solutions: dict[int, str]
    fingerprint: str = ""

    @property
    def project(self) -> str:
        """Folder of the notebook."""
        return self.name.partition("/")[0]

    @property
    def short(self) -> str:
        """Name of the notebook in its project, without its suffix."""
        return self.name.partition("/")[2].removesuffix(".ipynb")


@dataclasses.dataclass(frozen=True)
class Change:
    """A cell that differs from the hand-out: what was done to it, whether it is code, and the difference."""

    what: str
    code: bool
    difference: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer: number of its question or "", position in the hand-out, state, source, whether it is the solution."""

    question: str
    position: int
    state: str
    source: str = ""
    given: bool = False


@dataclasses.dataclass(frozen=True)
class Result:
    """A result that a card tells, and the range in which it was expected, if it is known."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def good(self) -> bool | None:
        """Whether it is in the range; None if there is none."""
        return None if self.low is None or self.high is None else self.low <= self.value <= self.high


@dataclasses.dataclass(frozen=True)
class HandIn:
    """A notebook handed in.

    Attributes:
        path: of the file.
        label: how it is named to the instructor.
        state: one of `atelier.verification`, or `UNREADABLE`.
        subject: the notebook of the course that it answers; None if it is of none.
        card: the run's card; one that tells nothing if there is none.
        notes: French sentences.
        changes, answers, results: see their types.
        digest: of the file.
        rerun: what `atelier.reexecution` found (`status`, `differences`), None if it was not executed again.
    """

    path: Path
    label: str
    state: str
    subject: Subject | None = None
    card: Card = Card()
    notes: list[str] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    answers: list[Answer] = dataclasses.field(default_factory=list)
    results: list[Result] = dataclasses.field(default_factory=list)
    digest: str = ""
    rerun: Any = None


# --- The course ------------------------------------------------------------------------------------------------------


def course(folder: Path | None = None) -> list[Subject]:
    """Returns the notebooks of the course, in order: those of a folder of hand-outs, by default the repository's.

    Raises:
        UserError: the folder holds none, or one can't be read.
    """
    paths = sorted((folder or ROOT).glob("*/[0-9][0-9]_*.ipynb")) or sorted((folder or ROOT).glob("*.ipynb"))
    paths = [path for path in paths if folder or path.parent.name.startswith("projet")]
    if not paths:
        raise UserError(f"{folder or ROOT} ne contient aucun carnet du cours. Nommez le dossier des sujets distribués.")
    return [_subject(path) for path in paths]


def identify(notebook: Mapping[str, Any], subjects: Sequence[Subject], claimed: str = "") -> Subject | None:
    """Returns the notebook of the course with which another one shares the most cells, the one it claims if equal."""
    names = {cell["id"] for cell in notebook["cells"] if isinstance(cell.get("id"), str)}
    sources = {text for cell in notebook["cells"] if len(text := cell["source"].strip()) > 20}

    def shared(subject: Subject) -> tuple[int, bool]:
        count = sum(cell.get("id") in names or cell["source"].strip() in sources for cell in subject.cells)
        return count, subject.name == claimed

    best = max(subjects, key=shared, default=None)
    return best if best and shared(best)[0] >= max(1, len(best.cells) // 8) else None


def _subject(path: Path) -> Subject:
    notebook = read_notebook(path)
    solutions = {i: cell["source"] for i, cell in enumerate(notebook["cells"]) if "solution" in tags(cell)}
    paper = distribution.hand_out(notebook) if solutions else notebook
    cells, print_of = paper["cells"], distribution.fingerprint(paper)
    bare = [{name: value for name, value in cell.items() if name != "outputs"} for cell in cells]
    return Subject(f"{path.parent.name}/{path.name}", bare, solutions, print_of)


# --- A hand-in -------------------------------------------------------------------------------------------------------


def read(path: Path, label: str, subjects: Sequence[Subject]) -> HandIn:
    """Reads a notebook handed in; one that can't be read says why in its notes, and never stops the others."""
    try:
        return _read(path, label, subjects)
    except Exception as error:  # whatever a file that nobody vouches for makes of its readers
        return HandIn(path, label, UNREADABLE, notes=[f"{label} met la lecture en défaut ({type(error).__name__})."])


def _read(path: Path, label: str, subjects: Sequence[Subject]) -> HandIn:
    try:
        if path.stat().st_size > _MOST_BYTES:
            why = f"{label} dépasse {_MOST_BYTES >> 20} Mo : il n'est pas lu. Demandez-en une copie sans ses sorties."
            return HandIn(path, label, UNREADABLE, notes=[why])
        notebook = read_notebook(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except UserError as error:
        return HandIn(path, label, UNREADABLE, notes=[str(error).replace(str(path), label)])
    except (OSError, RecursionError, MemoryError) as error:
        return HandIn(path, label, UNREADABLE, notes=[f"{label} est illisible ({type(error).__name__})."])
    state, card = verification.judge(notebook)
    about = notebook["metadata"].get(distribution.METADATA)
    about = about if isinstance(about, dict) else {}
    told = card or Card()
    subject = identify(notebook, subjects, told.notebook or cartes.text(about.get("carnet")))
    ranges = attendus.expected(dataclasses.replace(told, notebook=subject.name if subject else ""))
    changes, answers, notes = _compare(subject, notebook["cells"]) if subject else ([], [], [])
    return HandIn(
        path=path,
        label=label,
        state=state,
        subject=subject,
        card=told,
        notes=[*_notes(notebook, card, state, subject, about), *notes],
        changes=changes,
        answers=answers,
        results=[Result(name, value, *ranges.get(name, ())) for name, value in told.results.items()][:_MOST_RESULTS],
        digest=digest,
    )


def _notes(
    notebook: Mapping[str, Any], card: Card | None, state: str, subject: Subject | None, about: Mapping[str, Any]
) -> list[str]:
    """Returns the sentences that go with a verdict."""
    notes = []
    if subject is None:
        notes.append("Ce carnet ne ressemble à aucun de ceux du cours.")
    elif about.get("empreinte") and subject.fingerprint and about["empreinte"] != subject.fingerprint:
        notes.append("Il a été fait sur une autre version du sujet que celle d'aujourd'hui.")
    if state == verification.ALTERED:
        places = [str(_rank(notebook["cells"], i)) for i in verification.altered(notebook)]
        cells = (
            f"de la cellule de code {places[0]}" if len(places) == 1 else f"des cellules de code {', '.join(places)}"
        )
        notes.append(
            f"Les sorties {cells} ne sont pas celles que le noyau a émises : elles ont été retouchées dans le fichier."
        )
    if card:
        if verification.followed(notebook):
            notes.append(f"Attention, {FOLLOWED} : elle ne peut rien en dire.")
        if card.parameters:
            notes.append(f"Paramètres donnés à l'exécution : {card.parameters}.")
        if not card.tells_outputs:
            notes.append("La carte est d'une version ancienne : elle ne dit rien des sorties.")
    return notes


def _rank(cells: Sequence[Mapping[str, Any]], position: int) -> int:
    """Returns the number of a code cell among the code cells, from 1."""
    return sum(cell["cell_type"] == "code" for cell in cells[: position + 1])


# --- Compared with its hand-out --------------------------------------------------------------------------------------


def _compare(subject: Subject, cells: list[dict[str, Any]]) -> tuple[list[Change], list[Answer], list[str]]:
    """Returns the cells that differ from the hand-out, the answers, and what must be said of the comparison."""
    cells = [cell for cell in cells if INJECTED not in tags(cell)]
    if len(cells) > _MOST_CELLS:
        return [], [], [f"Ce carnet a {len(cells)} cellules : c'est trop pour le comparer au sujet."]
    pairs = _pairs(subject.cells, cells)
    changes, answers, question = [], [], ""
    for position, cell in enumerate(subject.cells):
        own = cells[pairs[position]] if position in pairs else None
        if "question" in tags(cell) and (found := _QUESTION.match(cell["source"])):
            question = found[1]
        if OPEN_TAGS & set(tags(cell)):
            answers.append(_answer(subject, position, question, own))
        elif own is None:
            changes.append(Change(f"cellule supprimée : {_opening(cell)}", _is_code(cell), _difference(cell, None)))
        elif not _same(cell, own):
            alike = _is_code(cell) and _is_code(own) and cell_hash(cell["source"]) == cell_hash(own["source"])
            what = "commentaires ou mise en page" if alike else "cellule modifiée"
            changes.append(Change(f"{what} : {_opening(cell)}", _is_code(own) and not alike, _difference(cell, own)))
    taken = set(pairs.values())
    for index, cell in enumerate(cells):
        if index not in taken and cell["source"].strip():
            changes.append(Change(f"cellule ajoutée : {_opening(cell)}", _is_code(cell), _difference(None, cell)))
    order = [pairs[position] for position in sorted(pairs)]
    moved = order != sorted(order)
    return changes, answers, ["Des cellules du sujet ont été déplacées."] if moved else []


def _pairs(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Returns which cell of a hand-in is each of the hand-out: by identifier, else by content, else by place."""
    names = {cell["id"]: i for i, cell in reversed(list(enumerate(after))) if isinstance(cell.get("id"), str)}
    pairs = {i: names[cell["id"]] for i, cell in enumerate(before) if cell.get("id") in names}
    taken = set(pairs.values())
    left = [i for i in range(len(before)) if i not in pairs]
    free = [i for i in range(len(after)) if i not in taken]
    texts = [[cells[i]["source"].strip() for i in part] for cells, part in ((before, left), (after, free))]
    for kind, a, b, c, d in difflib.SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if kind == "equal" or (kind == "replace" and b - a == d - c):
            pairs |= {i: j for i, j in zip(left[a:b], free[c:d], strict=True) if _alike(before[i], after[j])}
    return pairs


def _alike(cell: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Says whether a cell may be what another has become: an answer, or a text that keeps some of it."""
    if OPEN_TAGS & set(tags(cell)):
        return True
    texts = (part["source"][:_MOST_TEXT] for part in (cell, own))
    return _is_code(cell) == _is_code(own) and difflib.SequenceMatcher(None, *texts, autojunk=False).quick_ratio() > 0.5


def _answer(subject: Subject, position: int, question: str, own: Mapping[str, Any] | None) -> Answer:
    if own is None:
        return Answer(question, position, DELETED)
    source, stub = own["source"], subject.cells[position]["source"]
    solution = subject.solutions.get(position, "")
    same = cell_hash(source) == cell_hash(stub) if _is_code(own) else source.strip() == stub.strip()
    if not source.strip().strip("*_. ") or (same and solution.strip() != stub.strip()):
        return Answer(question, position, EMPTY, source)
    return Answer(question, position, FILLED, source, bool(solution) and source.strip() == solution.strip())


def _same(cell: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Says whether two cells hold the same, whatever the student's name where it belongs."""
    texts = [cell["source"], own["source"]]
    if "parameters" in tags(cell):
        texts = [_OWN_LINES.sub("", text) for text in texts]
    lines = ([line.rstrip() for line in text.strip().splitlines()] for text in texts)
    return cell["cell_type"] == own["cell_type"] and next(lines) == next(lines)


def _difference(cell: Mapping[str, Any] | None, own: Mapping[str, Any] | None) -> str:
    """Returns the difference between two cells, as `diff -u` writes it, without its first lines."""
    texts = [part["source"] if part else "" for part in (cell, own)]
    if max(map(len, texts)) > _MOST_TEXT:
        return "(texte trop long pour être montré)"
    lines = difflib.unified_diff(*(text.splitlines() for text in texts), lineterm="", n=2)
    return "\n".join(list(lines)[2:])


def _opening(cell: Mapping[str, Any]) -> str:
    line = next((line.strip() for line in cell["source"].splitlines() if line.strip()), "vide")
    return f"« {line if len(line) <= 60 else line[:59] + '…'} »"


def _is_code(cell: Mapping[str, Any]) -> bool:
    return cell["cell_type"] == "code"
