"""Hand-ins alike: one run, one file, or answers almost word for word, in the work of several students.

The work grows with the number of hand-ins, not with that of their pairs: an answer is compared only with those that
share some of its runs of words, and with a few of them.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from atelier import verification
from atelier.carnets_rendus import FILLED, Answer, HandIn
from atelier.eleves import Student

ALIKE = 0.9  # similarity of two answers, 0..1, from which they are told
SHORTEST = 80  # characters of one's own below which two answers may well be equal
_LONGEST = 4_000  # characters compared
_WORDS, _SKETCH, _FEW = 4, 8, 6  # words of a run, runs kept of an answer, answers compared with those of one run


def alike(students: Sequence[Student]) -> dict[int, list[str]]:
    """Returns French sentences for the students whose work is like another's: index of the student -> sentences."""
    told: dict[int, dict[str, None]] = defaultdict(dict)
    ours = set(verification.handed_out().values())
    works = [(i, hand_in) for i, student in enumerate(students) for hand_in in student.hand_ins]
    runs, files = defaultdict(list), defaultdict(list)
    for i, hand_in in works:
        runs[hand_in.card.run if hand_in.card.run not in ours else ""].append((i, hand_in))
        files[hand_in.digest if hand_in.state != verification.NEVER else ""].append((i, hand_in))
    for kind, groups in (("Même fichier", files), ("Même exécution", runs)):
        for key, group in groups.items():
            for i, hand_in in group if key else ():
                others = {j for j, _ in group} - {i}
                if others and not (kind == "Même exécution" and len({h.digest for _, h in group}) == 1):
                    told[i][f"{kind} que {_names(students, others)} : {_title(hand_in)}."] = None
    for question, pairs in _answers(works).items():
        links = defaultdict(set)
        for i, j in pairs:
            links[i].add(j)
            links[j].add(i)
        for i, others in links.items():
            told[i][f"Réponse presque identique à celle de {_names(students, others)} : {question}."] = None
    return {i: list(sentences) for i, sentences in told.items()}


def similar(a: str, b: str) -> bool:
    """Says whether two texts are almost equal, whatever their spaces and capitals."""
    matcher = difflib.SequenceMatcher(None, _normal(a), _normal(b), autojunk=False)
    steps = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
    return all(step() >= ALIKE for step in steps)


def _answers(works: Iterable[tuple[int, HandIn]]) -> dict[str, set[tuple[int, int]]]:
    """Returns, by question, the pairs of students whose answers are almost equal."""
    places: Mapping = defaultdict(lambda: defaultdict(set))  # question -> text -> students
    for i, hand_in in works:
        for answer in hand_in.answers:
            if hand_in.subject and (text := _own_text(hand_in, answer)):
                question = f"question {answer.question}" if answer.question else f"cellule {answer.position + 1}"
                places[f"{_title(hand_in)}, {question}", answer.position][text].add(i)
    found = defaultdict(set)
    for (question, _), texts in places.items():
        for a, b in _near(list(texts)):
            found[question] |= {(i, j) for i in texts[a] for j in texts[b] if i != j}
        for students in texts.values():  # word for word: each with the first
            first, *rest = sorted(students)
            found[question] |= {(first, other) for other in rest}
    return {question: pairs for question, pairs in found.items() if pairs}


def _own_text(hand_in: HandIn, answer: Answer) -> str:
    """Returns what a student wrote, without what was given; "" if it is too short to tell, or is our solution."""
    if answer.state != FILLED or answer.given:
        return ""
    given = {line.strip() for line in hand_in.subject.cells[answer.position]["source"].splitlines()}
    lines = [line for line in answer.source.splitlines() if line.strip() not in given]
    text = _normal("\n".join(lines))
    solution = hand_in.subject.solutions.get(answer.position, "")
    return "" if len(text) < SHORTEST or (solution and similar(answer.source, solution)) else text


def _near(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields pairs of different texts that are almost equal."""
    shelves: dict[str, list[str]] = defaultdict(list)
    seen = set()
    for text in texts:
        for key in _sketch(text):
            for other in shelves[key][-_FEW:]:
                if (other, text) not in seen:
                    seen.add((other, text))
                    if similar(other, text):
                        yield other, text
            shelves[key].append(text)


def _sketch(text: str) -> list[str]:
    """Returns a few of the runs of words of a text, chosen by their hashes: texts alike share some."""
    words = re.findall(r"\w+", text)
    runs = {" ".join(words[i : i + _WORDS]) for i in range(max(1, len(words) - _WORDS + 1))}
    return sorted(hashlib.sha256(run.encode("utf-8")).hexdigest()[:16] for run in runs)[:_SKETCH]


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())[:_LONGEST]


def _title(hand_in: HandIn) -> str:
    return hand_in.subject.name if hand_in.subject else hand_in.label


def _names(students: Sequence[Student], indices: Iterable[int]) -> str:
    """Returns the names of students, with where their work is if two have one name."""
    chosen = sorted(indices)
    names = [students[i].name for i in chosen[:5]]
    shown = [f"{name} ({students[i].place})" for name, i in zip(names, chosen, strict=False)]
    every = [student.name for student in students]
    shown = [name if every.count(name) == 1 else long for name, long in zip(names, shown, strict=True)]
    return ", ".join(shown) + (f" et {len(chosen) - 5} autres" if len(chosen) > 5 else "")
