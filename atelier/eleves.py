"""Who handed in what, whatever the layout: a folder a student, archives, or files named after students."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from atelier.carnets_rendus import HandIn, Subject
from atelier.rendus import Found

_PLATFORM = re.compile(r"_\d{3,}_assignsubmission_.*$", re.IGNORECASE)  # what Moodle adds to a student's folder
_GENERIC = """carnet carnets notebook notebooks rendu rendus travail tp devoir copie copy final finale version corrige v
sujet sujets reponses ipynb projet projets partie"""


@dataclasses.dataclass(frozen=True)
class Student:
    """A student, or those who hand in together.

    Attributes:
        name: that of the card, else that of the folder, else that of the file.
        group: that of the card.
        place: where the work was found: folder or file.
        hand_ins: in the order of the course.
        missing: notebooks of the projects handed in that were not found.
        notes: French sentences.
        alike: French sentences on the likeness with the work of others.
    """

    name: str
    group: str
    place: str
    hand_ins: list[HandIn]
    missing: list[Subject] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    alike: list[str] = dataclasses.field(default_factory=list)


def gather(found: Sequence[Found], hand_ins: Sequence[HandIn], subjects: Sequence[Subject]) -> list[Student]:
    """Returns the students, by name; `hand_ins` are those found, in the same order."""
    words = _words_of(subjects)
    pairs = list(zip(found, hand_ins, strict=True))
    groups = _split(pairs, 0, words)
    students = [_student(default, group, subjects) for default, group in groups]
    same = Counter(_folded(student.name) for student in students)
    students = [
        dataclasses.replace(student, notes=[*student.notes, "Ce nom figure dans un autre rendu."])
        if same[_folded(student.name)] > 1
        else student
        for student in students
    ]
    return sorted(students, key=lambda student: (_folded(student.name), student.place))


def _split(
    pairs: list[tuple[Found, HandIn]], depth: int, words: frozenset[str], folder: str = ""
) -> list[tuple[str, list[tuple[Found, HandIn]]]]:
    """Returns the students of a folder: (name by default, what they handed in).

    A folder is one student's if it names one student at most and holds no notebook twice; else its sub-folders are
    looked at, then the names of its files. Folders named after projects ("projet2_cvae", "notebooks") are nobody's.
    """
    inner, own = defaultdict(list), []
    for found, hand_in in pairs:
        below = [part for part in found.place[depth:] if _name_in(part, words)]
        if below:
            inner[found.place[depth : found.place.index(below[0], depth) + 1]].append((found, hand_in))
        else:
            own.append((found, hand_in))
    if folder and _is_one(pairs, words):
        return [(folder, pairs)]
    groups = [
        group for path, part in inner.items() for group in _split(part, depth + len(path), words, _clean(path[-1]))
    ]
    files = defaultdict(list)
    several = not folder or _most_copies(own) > 1
    for found, hand_in in own:
        files[_name_in(found.path.stem, words) or (hand_in.card.name if several else "")].append((found, hand_in))
    return groups + [(name or folder or _outer(part), part) for name, part in files.items()]


def _is_one(pairs: Sequence[tuple[Found, HandIn]], words: frozenset[str]) -> bool:
    names = {_folded(hand_in.card.name) for _, hand_in in pairs} - {""}
    authors = {_name_in(found.path.stem, words) for found, _ in pairs} - {""}
    one_place = len({found.place for found, _ in pairs}) == 1 and len(authors) <= 1
    return len(names) <= 1 and (one_place or _most_copies(pairs) <= 1)


def _most_copies(pairs: Sequence[tuple[Found, HandIn]]) -> int:
    """Returns how many times the most repeated notebook is there."""
    return max(Counter(hand_in.subject.name for _, hand_in in pairs if hand_in.subject).values(), default=0)


def _student(default: str, group: Sequence[tuple[Found, HandIn]], subjects: Sequence[Subject]) -> Student:
    hand_ins = sorted((hand_in for _, hand_in in group), key=lambda h: (h.subject is None, _name(h), h.label))
    names = Counter(hand_in.card.name for hand_in in hand_ins if hand_in.card.name)
    groups = Counter(hand_in.card.group for hand_in in hand_ins if hand_in.card.group)
    notes = []
    if len(names) > 1:
        notes.append(f"Plusieurs noms dans un même rendu : {', '.join(names)}.")
    counts = Counter(hand_in.subject.name for hand_in in hand_ins if hand_in.subject)
    notes += [f"{name} a été rendu {count} fois." for name, count in counts.items() if count > 1]
    projects = {hand_in.subject.project for hand_in in hand_ins if hand_in.subject}
    missing = [subject for subject in subjects if subject.project in projects and subject.name not in counts]
    first = group[0][0]
    place = "/".join([*first.place, *([first.path.name] if len(group) == 1 else [])]) or default
    name = names.most_common(1)[0][0] if names else default
    return Student(name, groups.most_common(1)[0][0] if groups else "", place, hand_ins, missing, notes)


def _name(hand_in: HandIn) -> str:
    return hand_in.subject.name if hand_in.subject else ""


def _outer(part: Sequence[tuple[Found, HandIn]]) -> str:
    """Returns the name of the folder or archive that was named, for files that say nothing of their author."""
    found = part[0][0]
    label = found.label.partition(" › ")[0].replace("\\", "/").split("/")
    folder = label[-1].removesuffix(".zip") if " › " in found.label else (label[-2] if len(label) > 1 else "")
    return _clean(folder) or found.path.stem


def _words_of(subjects: Sequence[Subject]) -> frozenset[str]:
    """Returns the words that name notebooks and projects, not students."""
    texts = (text for subject in subjects for text in (subject.project, subject.short))
    return frozenset(word for text in texts for word in _words(text)) | set(_GENERIC.split())


def _name_in(text: str, words: frozenset[str]) -> str:
    """Returns what is left of the name of a file or folder without what names a notebook; "" if nothing is.

    Of numbers, those written as a notebook's ("02") go; else the last one, if it can be one: `alice_2` is Alice's.
    """
    parts = [part for part in re.split(r"[\s_().,-]+", re.sub(r"\s*\(\d+\)$", "", _clean(text))) if part]
    kept = [part for part in parts if _folded(part) not in words and re.sub(r"\d+", "", _folded(part)) not in words]
    if kept and len(kept) == len(parts) and kept[-1].isdigit() and kept[-1].zfill(2) in words:
        kept.pop()
    return " ".join(kept)


def _words(text: str) -> list[str]:
    return [_folded(word) for word in re.split(r"[\W_]+", text) if word]


def _clean(text: str) -> str:
    return _PLATFORM.sub("", text).strip()


def _folded(text: str) -> str:
    """Returns a text without its accents and capitals."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold().strip()
