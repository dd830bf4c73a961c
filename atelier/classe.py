"""A class at once: `atelier verifier … --html` writes one line a student, a page for each, and the same as CSV.

Everything in these pages comes from hand-ins that nobody vouches for: it is escaped, and rid of the characters that
would change what a reader sees (control characters, inversions of direction).
"""

from __future__ import annotations

import csv
import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from atelier import carnets_rendus, eleves, ressemblances, verification
from atelier.carnets_rendus import FILLED, UNREADABLE, HandIn, Result
from atelier.eleves import Student
from atelier.rendus import Found
from commun import UserError, exercices
from commun.card import DISORDER, IN_ORDER
from commun.datasets import atomic_file
from commun.figures import duration, number

MODEL = Path(__file__).parent / "modele"
MARKS = {IN_ORDER: "✓", DISORDER: "!", verification.NEVER: "–", verification.NO_CARD: "–"}  # the others: "✗"
KINDS = {"✓": "bon", "!": "moyen", "–": "moyen", "✗": "mauvais"}
COLUMNS = (
    "élève", "groupe", "rendu dans", "carnets rendus", "carnets manquants", "verdicts", "cellules de code changées",
    "réponses remplies", "réponses demandées", "vérifications justes", "vérifications", "données", "profil",
    "résultats", "durée (s)", "modèles", "ressemblances", "réexécution", "remarques",
)  # fmt: skip

_CHECKED = {exercices.RIGHT: "✓", exercices.WRONG: "✗", exercices.UNANSWERED: "–"}
_MOST_SHOWN = 6_000  # characters of an answer or of a difference
_MOST_CHANGES = 60
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the table says of a student, all his notebooks together.

    Attributes:
        states: (name of the notebook, state, mark, class) of each.
        in_order: notebooks run from top to bottom.
        changes: cells of code that differ from the hand-out.
        filled, asked: answers.
        right, checked: checks.
        data: what the runs tell of their data and profile.
        results: (name of the notebook, its main result).
        seconds: of all the runs, None if unknown.
        models: "2 entraînés, 1 retrouvé".
        reruns: (name of the notebook, status).
    """

    states: list[tuple[str, str, str, str]]
    in_order: int
    changes: int
    filled: int
    asked: int
    right: int
    checked: int
    data: list[str]
    results: list[tuple[str, Result]]
    seconds: float | None
    models: str
    reruns: list[tuple[str, str]]


def review(found: Sequence[Found], subjects: Path | None = None) -> list[Student]:
    """Reads hand-ins, each once, and returns the students that handed them in, with what is alike in their work.

    Args:
        found: the files, and where they were.
        subjects: folder of the hand-outs; the repository's notebooks by default.

    Raises:
        UserError: the hand-outs can't be read.
    """
    course = carnets_rendus.course(subjects)
    hand_ins = [carnets_rendus.read(one.path, one.label, course) for one in found]
    students = eleves.gather(found, hand_ins, course)
    likeness = ressemblances.alike(students)
    return [dataclasses.replace(student, alike=likeness.get(i, [])) for i, student in enumerate(students)]


def rerun(student: Student, work: Path, *, minutes: int = 30) -> tuple[Student, list[str]]:
    """Executes a student's notebooks again, project by project, in an enclosure (`atelier.reexecution`).

    Args:
        student: what he handed in; notebooks that are of no project of the course are left alone.
        work: folder where they run, on copies.
        minutes: left to each notebook.

    Returns:
        The student with what came of it, and French sentences: the limits that could not be set on this machine.
    """
    from atelier import enceinte, reexecution

    bounds = enceinte.Limits(seconds=60 * minutes)
    projects: dict[str, list[Path]] = {}
    for hand_in in student.hand_ins:
        if hand_in.subject:
            projects.setdefault(hand_in.subject.project, []).append(hand_in.path)
    done = {again.path: again for paths in projects.values() for again in reexecution.rerun(paths, work, bounds)}
    hand_ins = [dataclasses.replace(hand_in, rerun=done.get(hand_in.path)) for hand_in in student.hand_ins]
    limits = [text for again in done.values() for text in again.limits_missing]
    return dataclasses.replace(student, hand_ins=hand_ins), list(dict.fromkeys(limits))


def is_good(student: Student) -> bool:
    """Says whether there is nothing to look at: all was handed in, run from top to bottom, and is like no other's."""
    states = {hand_in.state for hand_in in student.hand_ins}
    return states == {IN_ORDER} and not student.missing and not student.alike


def summary(student: Student) -> Summary:
    """Sums up the notebooks of a student."""
    hand_ins = student.hand_ins
    several = len({h.subject.project for h in hand_ins if h.subject}) > 1
    names = [
        f"{h.subject.project.partition('_')[0]} {_short(h)}" if several and h.subject else _short(h) for h in hand_ins
    ]
    states = [(name, h.state, mark(h.state), KINDS[mark(h.state)]) for name, h in zip(names, hand_ins, strict=True)]
    answers = [answer for h in hand_ins for answer in h.answers]
    marks = [state for h in hand_ins for state in h.card.marks.values()]
    times = [h.card.seconds for h in hand_ins if h.card.seconds is not None]
    return Summary(
        states=states,
        in_order=sum(h.state == IN_ORDER for h in hand_ins),
        changes=sum(change.code for h in hand_ins for change in h.changes),
        filled=sum(answer.state == FILLED for answer in answers),
        asked=len(answers),
        right=marks.count(exercices.RIGHT),
        checked=len(marks),
        data=list(dict.fromkeys(about for h in hand_ins if (about := _about(h)))),
        results=[(name, h.results[0]) for name, h in zip(names, hand_ins, strict=True) if h.results],
        seconds=sum(times) if times else None,
        models=models(hand_ins),
        reruns=[(name, h.rerun.status) for name, h in zip(names, hand_ins, strict=True) if h.rerun],
    )


def mark(state: str) -> str:
    """Returns the sign of a state."""
    return MARKS.get(state, "✗")


def models(hand_ins: Iterable[HandIn]) -> str:
    """Returns how many models were trained and found again: "2 entraînés, 1 retrouvé"; "" if it is not known."""
    counts = sum((Counter(hand_in.card.models) for hand_in in hand_ins), Counter())
    return ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items() if count)


def result_text(result: Result) -> str:
    """Returns a result and what was expected: "exactitude : 0,912 (attendu de 0,88 à 0,95)"."""
    text = f"{result.name} : {number(result.value)}"
    if result.good is None:
        return text
    bounds = (result.low, result.high)
    low, high = (number(bound).rstrip("0").rstrip(",") if bound % 1 else number(bound) for bound in bounds)
    place = (
        "comme attendu" if result.good else f"{'au-dessous' if result.value < result.low else 'au-dessus'} de l'attendu"
    )
    return f"{text} ({place}, de {low} à {high})"


# --- Files -----------------------------------------------------------------------------------------------------------


def write_html(students: Sequence[Student], problems: Sequence[str], target: Path) -> Path:
    """Writes the table, a page for each student and the CSV, all in one folder.

    Args:
        students: of the class.
        problems: French sentences on what could not be read.
        target: folder of the report, made if needed.

    Returns:
        The page of the table.

    Raises:
        UserError: a file bears the name of the folder, or can't be written.
    """
    if target.suffix.lower() in (".html", ".htm"):
        raise UserError(
            f"{target} : nommez un dossier, par exemple {target.with_suffix('')}. Le rapport a une page par élève."
        )
    environment = _environment()
    numbered = [(f"eleves/{i:03d}-{_slug(student.name)}.html", student) for i, student in enumerate(students, 1)]
    states = Counter(hand_in.state for student in students for hand_in in student.hand_ins).most_common()
    lines = [(page, student, summary(student)) for page, student in numbered]
    pages = {"index.html": ("classe.html.j2", {"lines": lines, "states": states})}
    pages |= {page: ("eleve.html.j2", {"student": s, "sum": summary(s)}) for page, s in numbered}
    for page, (template, values) in pages.items():
        text = environment.get_template(template).render(problems=problems, total=len(students), **values)
        _write(target / page, text)
    write_csv(students, target / "classe.csv")
    return target / "index.html"


def write_csv(students: Sequence[Student], target: Path) -> None:
    """Writes the table as CSV for a French spreadsheet: semicolons, decimal commas, UTF-8 with its mark.

    A text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    rows = [COLUMNS]
    for student in students:
        about = summary(student)
        rows.append((
            student.name,
            student.group,
            student.place,
            len(student.hand_ins),
            ", ".join(subject.name for subject in student.missing),
            " ; ".join(f"{name} : {state}" for name, state, *_ in about.states),
            about.changes,
            about.filled,
            about.asked,
            about.right,
            about.checked,
            " ; ".join(dict.fromkeys(h.card.data for h in student.hand_ins if h.card.data)),
            " ; ".join(dict.fromkeys(h.card.profile for h in student.hand_ins if h.card.profile)),
            " ; ".join(f"{name} : {result_text(result)}" for name, result in about.results),
            "" if about.seconds is None else round(about.seconds),
            about.models,
            " ".join(student.alike),
            " ; ".join(f"{name} : {status}" for name, status in about.reruns),
            " ".join([*student.notes, *(note for h in student.hand_ins for note in h.notes)]),
        ))
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([list(map(_csv_cell, row)) for row in rows])


def shown(text: object) -> object:
    """Returns a text without the characters that would deceive a reader; another value as it is."""
    if not isinstance(text, str) or hasattr(text, "__html__"):
        return text
    return _INVISIBLE.sub("�", text.replace("\r\n", "\n"))


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(MODEL, encoding="utf-8"),
        autoescape=True,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    styles = ("rapport.css", "classe.css")
    environment.globals |= {
        "css": "\n".join((MODEL / name).read_text(encoding="utf-8") for name in styles),
        "script": (MODEL / "rapport.js").read_text(encoding="utf-8"),
        "mark": mark,
        "kinds": KINDS,
        "most_changes": _MOST_CHANGES,
        "readable": lambda hand_in: hand_in.state != UNREADABLE,
        "verdicts": {state: (sign, KINDS[sign]) for state, sign in _CHECKED.items()},
    }
    environment.filters |= {
        "duration": duration,
        "result": result_text,
        "cut": _cut,
        "brief": lambda name: re.sub(r"\b(\d\d)_\w+$", r"\1", name),
        "models": lambda hand_in: models([hand_in]),
        "about": _about,
        "title": lambda hand_in: hand_in.subject.name if hand_in.subject else hand_in.label,
    }
    return environment


def _about(hand_in: HandIn) -> str:
    """Returns in a few words on which data and in which profile a notebook was run."""
    data = {True: "données réelles", False: "échantillon", None: ""}[hand_in.card.real]
    return ", ".join(filter(None, (data, hand_in.card.profile and f"profil {hand_in.card.profile}")))


def _short(hand_in: HandIn) -> str:
    return hand_in.subject.short if hand_in.subject else hand_in.path.stem


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}\n[… la suite n'est pas montrée …]"


def _slug(name: str) -> str:
    """Returns a name of file that says whose page it is, and nothing else."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "eleve"


def _csv_cell(value: object) -> object:
    text = shown(value)
    if not isinstance(text, str):
        return text
    text = " ".join(text.split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
