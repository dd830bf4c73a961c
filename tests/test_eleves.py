"""Who handed in what, from the layout of folders and the names of files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from atelier.carnets_rendus import HandIn, Subject
from atelier.cartes import Card
from atelier.eleves import gather
from atelier.rendus import Found

SUBJECTS = [
    Subject(f"{project}/{name}.ipynb", [], {})
    for project, names in {
        "projet1_artistes": ["01_preparation", "02_modele"],
        "projet2_cvae": ["01_preparation"],
    }.items()
    for name in names
]


def students(*files: str, names: dict[str, str] | None = None) -> dict[str, list[str]]:
    """Returns who handed in what; a file is told by "place/name=notebook" (the second letters of its number)."""
    found, hand_ins = [], []
    for file in files:
        path, _, which = file.partition("=")
        subject = {"1": SUBJECTS[0], "2": SUBJECTS[1], "3": SUBJECTS[2], "": None}[which]
        parts = tuple(path.split("/"))
        found.append(Found(Path(path), parts[:-1], path))
        hand_ins.append(HandIn(Path(path), path, "x", subject, Card(name=(names or {}).get(path, ""))))
    return {f"{s.name}|{s.place}": [h.label for h in s.hand_ins] for s in gather(found, hand_ins, SUBJECTS)}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["alice/01_preparation.ipynb=1", "bob/01_preparation.ipynb=1"], ["alice", "bob"]),
        (["alice/01.ipynb=1", "bob/02.ipynb=2"], ["alice", "bob"]),
        (["alice/projet1_artistes/01_preparation.ipynb=1", "alice/projet2_cvae/01_preparation.ipynb=3"], ["alice"]),
        (["B/alice/01.ipynb=1", "B/bob/01.ipynb=1", "A/zoé/01.ipynb=1"], ["alice", "bob", "A"]),
        (["alice/notebooks/01.ipynb=1", "alice/autre/02.ipynb=2", "bob/01.ipynb=1"], ["alice", "bob"]),
        (["alice_01.ipynb=1", "alice_02.ipynb=2", "bob martin_02_modele.ipynb=2"], ["alice", "bob martin"]),
        (["alice_1.ipynb=1", "alice_2.ipynb=2", "02_modele_bob (1).ipynb=2"], ["alice", "bob"]),
        (["élève 3_01.ipynb=1", "élève 4_01.ipynb=1"], ["élève 3", "élève 4"]),
        (["Anne DUPONT_12345_assignsubmission_file_/01.ipynb=1", "B_99999_assignsubmission_file/01.ipynb=1"],
         ["Anne DUPONT", "B"]),
        (["21904512/01.ipynb=1", "21904513/01.ipynb=1"], ["21904512", "21904513"]),
        (["alice/01.ipynb=1", "alice/01 (1).ipynb=1", "bob/01.ipynb=1"], ["alice", "bob"]),
        (["tous/alice_01.ipynb=1", "tous/bob_01.ipynb=1"], ["alice", "bob"]),
        (["alice/autre cours.ipynb=", "bob/01.ipynb=1"], ["alice", "bob"]),
    ],
)  # fmt: skip
def test_layouts(files, expected):
    found = students(*files)
    assert sorted(name.split("|")[0] for name in found) == sorted(expected)
    assert sorted(label for labels in found.values() for label in labels) == sorted(f.partition("=")[0] for f in files)


def test_the_name_of_the_card_comes_first_but_folders_tell_students_apart():
    files = ["a/01.ipynb=1", "b/01.ipynb=1", "b/02.ipynb=2"]
    found = students(*files, names={"a/01.ipynb": "Alice", "b/01.ipynb": "Alice", "b/02.ipynb": "Alice"})
    assert list(found) == ["Alice|a/01.ipynb", "Alice|b"]


def test_one_folder_of_several_names_is_several_students():
    files = ["tout/01.ipynb=1", "tout/01 (1).ipynb=1"]
    found = students(*files, names={"tout/01.ipynb": "Zoé", "tout/01 (1).ipynb": "Anne"})
    assert [name.split("|")[0] for name in found] == ["Anne", "Zoé"]


def test_what_is_missing_and_handed_in_twice_is_said():
    found = [Found(Path(n), ("a",), n) for n in ("01.ipynb", "01b.ipynb")]
    cards = (Card(name="A"), Card(name="B"))
    hand_ins = [HandIn(f.path, f.label, "x", SUBJECTS[0], card) for f, card in zip(found, cards, strict=True)]
    (one,) = gather(found, [dataclasses.replace(h, card=cards[0]) for h in hand_ins], SUBJECTS)
    assert [subject.name for subject in one.missing] == ["projet1_artistes/02_modele.ipynb"]
    assert one.notes == ["projet1_artistes/01_preparation.ipynb a été rendu 2 fois."]
