"""The report of a class: verdicts, changes, answers, likeness, and pages in which nothing of a hand-in runs."""

from __future__ import annotations

import copy
import csv
import json
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import browser
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import atelier
from atelier import attendus, carnets_rendus, cartes, classe, rendus, ressemblances, verification
from atelier.__main__ import main
from commun import seen
from commun.card import CARD_MIME, IN_ORDER, MODIFIED

LONG = (
    "Le modèle se trompe surtout sur les chemises, qu'il prend pour des pulls : leurs silhouettes se ressemblent trop."
)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202egnp.exe"


def cell(source, *tags, kind=new_code_cell):
    return kind(source, metadata={"tags": list(tags)} if tags else {})


def subject(number: str, title: str) -> nbformat.NotebookNode:
    """Returns a hand-out of two questions."""
    check = "exercices.verifier(1, lambda a: exercices.right('oui') if a == 12 else exercices.wrong('non'), q1)"
    return new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[
            cell(f"# {title}", kind=new_markdown_cell),
            cell('PROFIL: str = "essai"  # budget\nNOM: str = ""  # nom\nGROUPE: str = ""  # groupe', "parameters"),
            cell("from pathlib import Path\nfrom commun import datasets, exercices, figures, results"),
            cell(f"mesure = {number} / 10\nfigures.dire('Exactitude : **{{m:.2f}}**', m=mesure)"),
            cell("**Question 1.** Combien de poids ?", "question", kind=new_markdown_cell),
            cell("q1 = ...  # Votre réponse ici", "reponse"),
            cell(check, "verification"),
            cell("**Question 2.** Que voyez-vous ?", "question", kind=new_markdown_cell),
            cell("*Votre réponse ici.*", "reponse", kind=new_markdown_cell),
            cell(
                f"results.carte('projet9_jouet/0{number}_essai.ipynb', profil=PROFIL, auteur=(NOM, GROUPE, ''),\n"
                "    donnees=datasets.Location(Path('.'), False, 'jeu'), resultats={'exactitude': mesure})"
            ),
        ],
    )


def execute(notebook, path: Path):
    """Runs a notebook in a real kernel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_CARNET", str(path))
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, path)


def answered(notebook, name, one="12", two=LONG):
    """Returns a copy of a hand-out, with a student's name and answers."""
    work = copy.deepcopy(notebook)
    work.cells[1].source = work.cells[1].source.replace('NOM: str = ""', f"NOM: str = {name!r}")
    work.cells[5].source = work.cells[5].source.replace("...", one)
    work.cells[8].source = two
    return work


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """The hand-outs of a course of two notebooks, and under "fait" the same answered and executed by Alice."""
    folder = tmp_path_factory.mktemp("cours")
    for number in "12":
        paper = subject(number, f"Carnet {number}")
        path = folder / "projet9_jouet" / f"0{number}_essai.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(paper, path)
        execute(answered(paper, "Alice"), folder / "fait" / "par" / f"0{number}_essai.ipynb")
    return folder


class Class:
    """A folder of hand-ins, made from Alice's."""

    def __init__(self, course: Path, folder: Path) -> None:
        self.course, self.folder = course, folder

    def add(self, place: str, number="1", change=lambda notebook: None, *, name=None, run=None):
        """Adds a copy of Alice's notebook under another path, changed; `name`: the card tells another, whole again."""
        notebook = json.loads((self.course / "fait" / "par" / f"0{number}_essai.ipynb").read_text(encoding="utf-8"))
        data = notebook["cells"][-1]["outputs"][0]["data"]
        if name is not None:
            data[CARD_MIME] |= {"nom": name, "execution": run or name.encode().hex().ljust(32, "0")[:32]}
        change(notebook)
        if name is not None:
            bare = {k: v for k, v in data[CARD_MIME].items() if k != "empreinte"}
            data[CARD_MIME]["empreinte"] = seen.json_hash(bare)
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return path

    def students(self) -> dict:
        found, problems, code = rendus.find([self.folder], self.folder)
        assert (problems, code) == ([], 0)
        return {student.name: student for student in classe.review(found, self.course)}


@pytest.fixture
def room(course, tmp_path, monkeypatch):
    monkeypatch.setattr(attendus, "FILE", tmp_path / "attendus.json")
    ranges = {"projet9_jouet/01_essai.ipynb": {"essai/echantillon": {"exactitude": [0.05, 0.2]}}}
    ranges |= {"projet9_jouet/02_essai.ipynb": {"essai/echantillon": {"exactitude": [0.9, 1.0]}}}
    (tmp_path / "attendus.json").write_text(json.dumps(ranges), encoding="utf-8")
    return Class(course, tmp_path / "rendus d'été")


def set_source(index, text, kind=None):
    def change(notebook):
        notebook["cells"][index]["source"] = text

    return change


def test_a_good_hand_in_and_what_its_line_tells(room):
    room.add("alice/01_essai.ipynb")
    room.add("alice/02_essai.ipynb", "2")
    (alice,) = room.students().values()
    about = classe.summary(alice)
    assert [state for _, state, *_ in about.states] == [IN_ORDER, IN_ORDER]
    assert (about.changes, about.filled, about.asked, about.right, about.checked) == (0, 4, 4, 2, 2)
    assert about.data == ["échantillon, profil essai"]
    assert [result.good for _, result in about.results] == [True, False]
    assert classe.result_text(about.results[0][1]) == "exactitude : 0,100 (comme attendu, de 0,05 à 0,2)"
    assert (alice.missing, alice.notes, alice.alike) == ([], [], [])
    assert classe.is_good(alice)


def test_states_changes_and_answers(room):
    other = (
        "Une toute autre analyse : ce sont les bottines et les sandales qui posent problème au réseau, non les hauts."
    )
    room.add("bob/01_essai.ipynb", change=set_source(3, "mesure = 9 / 10"), name="Bob")
    room.add("chloé/01_essai.ipynb", change=set_source(8, other), name="Chloé")
    room.add("dan/01_essai.ipynb", change=set_source(8, ["*Votre réponse ici.*"]), name="Dan")

    def edited(notebook):
        notebook["cells"][3]["outputs"][0]["data"]["text/markdown"] = "Exactitude : **0,99**"

    def extended(notebook):
        notebook["cells"].insert(4, {"cell_type": "markdown", "metadata": {}, "source": "## Ma remarque"})
        del notebook["cells"][5]

    def bare(notebook):
        for index, one in enumerate(notebook["cells"]):
            one.pop("id")
            if one["cell_type"] == "code":
                one |= {"outputs": [], "execution_count": None}
            if index == 6:
                one["source"] = "# rien\n" + "".join(one["source"])

    room.add("eve/01_essai.ipynb", change=edited, name="Ève")
    room.add("fred/01_essai.ipynb", change=extended, name="Fred")
    room.add("gus/01_essai.ipynb", change=bare)
    room.add("hal/autre.ipynb", change=lambda notebook: notebook.update(cells=[notebook["cells"][0]] * 3))
    (room.folder / "ida").mkdir()
    (room.folder / "ida" / "01_essai.ipynb").write_bytes(b"{")
    students = room.students()
    (bob,), (chloe,), (dan,), (eve,), (fred,), (gus,), (hal,), (ida,) = (
        students[name].hand_ins for name in ("Bob", "Chloé", "Dan", "Ève", "Fred", "gus", "hal", "ida")
    )
    assert bob.state == MODIFIED
    assert [change.what for change in bob.changes] == ["cellule modifiée : « mesure = 1 / 10 »"]
    assert "-mesure = 1 / 10" in bob.changes[0].difference and "+mesure = 9 / 10" in bob.changes[0].difference
    assert students["Bob"].missing[0].name == "projet9_jouet/02_essai.ipynb"
    assert chloe.state == IN_ORDER and chloe.changes == []
    assert [answer.state for answer in dan.answers] == ["remplie", "vide"]
    assert [answer.question for answer in dan.answers] == ["1", "2"]
    assert eve.state == verification.ALTERED
    assert eve.notes == [
        "Les sorties de la cellule de code 3 ne sont pas celles que le noyau a émises : elles ont été retouchées dans "
        "le fichier."
    ]
    assert [change.what.split(" : ")[0] for change in fred.changes] == ["cellule supprimée", "cellule ajoutée"]
    assert gus.state == verification.NEVER
    assert [(change.what, change.code) for change in gus.changes] == [
        ("commentaires ou mise en page : « exercices.verifier(1, lambda a: exercices.right('oui') if a… »", False)
    ]
    assert [answer.state for answer in gus.answers] == ["remplie", "remplie"]
    assert hal.subject is None or hal.state == verification.NEVER
    assert ida.state == carnets_rendus.UNREADABLE and "abîmé" in ida.notes[0]
    assert not any(map(classe.is_good, students.values()))


def test_work_alike_is_told_both_ways_and_empty_answers_are_not(room):
    room.add("alice/01_essai.ipynb")
    room.add("bob/01_essai.ipynb")
    room.add("chloé/01_essai.ipynb", change=set_source(8, LONG.replace("trop", "beaucoup").upper()), name="Chloé")
    room.add("dan/01_essai.ipynb", change=set_source(8, "*Votre réponse ici.*"), name="Dan")
    room.add("eve/01_essai.ipynb", change=set_source(8, "*Votre réponse ici.*"), name="Ève")
    found, *_ = rendus.find([room.folder], room.folder)
    alike = {s.place.split("/")[0]: s.alike for s in classe.review(found, room.course)}
    assert alike["dan"] == alike["eve"] == []
    assert any(
        text.startswith("Même fichier que Alice (bob/01_essai.ipynb)") or "Même fichier" in text
        for text in next(texts for place, texts in alike.items() if texts)
    )
    every = [text for texts in alike.values() for text in texts]
    assert any("question 2" in text and "Chloé" in text for text in every)
    assert not any("question 1" in text for text in every)


def test_the_given_solution_is_never_called_alike():
    given = carnets_rendus.Subject("p/01.ipynb", [{"source": "*Votre réponse ici.*"}], {0: LONG})
    works = [
        carnets_rendus.HandIn(Path(name), name, IN_ORDER, given, cartes.Card(name=name), answers=[answer])
        for name, answer in {
            "a": carnets_rendus.Answer("1", 0, "remplie", LONG, True),
            "b": carnets_rendus.Answer("1", 0, "remplie", LONG + "!"),
            "c": carnets_rendus.Answer("1", 0, "remplie", LONG + " "),
        }.items()
    ]
    students = [classe.Student(work.label, "", work.label, [work]) for work in works]
    assert ressemblances.alike(students) == {}
    assert ressemblances.similar(LONG, LONG.upper() + "  ")
    assert not ressemblances.similar(LONG, LONG[:70])


def test_many_equal_answers_take_a_time_that_grows_with_their_number(monkeypatch):
    calls = []
    monkeypatch.setattr(ressemblances, "similar", lambda a, b: calls.append(1) or False)
    for count in (50, 400):
        calls.clear()
        list(ressemblances._near([f"{LONG} {LONG} variante {i}" for i in range(count)]))
        assert len(calls) <= count * ressemblances._SKETCH * ressemblances._FEW


HOSTILE = [
    {"nom": EVIL, "groupe": EVIL, "donnees": EVIL, "profil": EVIL, "date": EVIL, "parametres": EVIL},
    {"resultats": {EVIL: 1.0, "b": float("nan"), "c": 1e400, "d": True, "e": "x"}, "reponses": {EVIL: EVIL, "1": 3}},
    {"nom": 3, "groupe": [1], "resultats": [1], "reponses": "x", "modeles": 3, "duree_s": "x", "carnet": {}},
    {"duree_s": float("inf"), "modeles": {"entraîné": -1, "retrouvé": "x"}, "sorties": ["?"] * 100_000},
    {"sorties": 3, "empreinte": [3], "donnees_reelles": "x", "resultats": {str(i): 1.0 for i in range(10_000)}},
    {"resultats": {"a": 10**400}, "reponses": {str(i): "juste" for i in range(100_000)}, "duree_s": -1},
]


@pytest.fixture
def report(room, tmp_path):
    """The report of a hostile class."""
    room.add("alice/01_essai.ipynb")

    def evil(notebook):
        notebook["cells"][0]["source"] = EVIL
        notebook["cells"][8]["source"] = f"{EVIL} {{{{ 7 * 7 }}}} </pre>"
        notebook["cells"][3]["outputs"][0]["data"]["text/html"] = EVIL
        notebook["cells"].insert(2, {"cell_type": "code", "metadata": {}, "source": EVIL, "outputs": []})

    for i, fields in enumerate(HOSTILE):

        def change(notebook, fields=fields):
            evil(notebook)
            notebook["cells"][-1]["outputs"][0]["data"][CARD_MIME] |= fields

        room.add(f"é {i} <b>gras</b>/01_essai.ipynb", change=change, name=f"={i}")
    output = tmp_path / "rapport"
    arguments = [
        str(room.folder),
        "--html",
        str(output),
        "--csv",
        str(tmp_path / "x" / "c.csv"),
        "--sujet",
        str(room.course),
    ]
    assert main(["verifier", *arguments]) == 1
    return output


def test_nothing_of_a_hand_in_runs_in_a_page(report, capsys):
    pages = sorted(report.rglob("*.html"))
    assert len(pages) == len(HOSTILE) + 2
    for page in pages:
        text = page.read_text(encoding="utf-8")
        soup = BeautifulSoup(text, "html.parser")
        assert len(soup.find_all("script")) == 1
        assert soup.find_all(["img", "b", "iframe", "object", "link"]) == []
        assert not any(name.startswith("on") for tag in soup.find_all(True) for name in tag.attrs)
        assert "\x1b" not in text and "\u202e" not in text
    assert any("&lt;script&gt;" in page.read_text(encoding="utf-8") for page in pages)
    assert any("{{ 7 * 7 }}" in page.read_text(encoding="utf-8") for page in pages)
    assert "\x1b" not in capsys.readouterr().out


def test_the_table_for_a_spreadsheet_holds_no_formula(report):
    text = (report / "classe.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(text.splitlines(), delimiter=";"))
    assert tuple(rows[0]) == classe.COLUMNS
    assert len(rows) == len(HOSTILE) + 2
    assert all(len(row) == len(rows[0]) for row in rows)
    assert not any(value[:1] in ("=", "+", "-", "@") for row in rows for value in row if value)
    assert (report.parent / "x" / "c.csv").read_bytes() == (report / "classe.csv").read_bytes()


def test_nothing_is_written_out_of_the_folder_of_the_report(report):
    names = sorted(path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file())
    assert {name.split("/")[0] for name in names} == {"classe.csv", "eleves", "index.html"}
    assert all(name.isascii() for name in names)


def test_a_hand_in_that_defeats_its_reader_does_not_stop_the_others(room, monkeypatch):
    def trap(notebook):
        notebook["cells"][8]["trap"] = [3, {"data": 3}]

    room.add("alice/01_essai.ipynb")
    room.add("bob/01_essai.ipynb", change=trap)
    found, *_ = rendus.find([room.folder], room.folder)
    assert [s.hand_ins[0].state for s in classe.review(found, room.course)] == [IN_ORDER] * 2
    judge = verification.judge
    monkeypatch.setattr(verification, "judge", lambda n: judge(n) if "trap" not in n["cells"][8] else 1 / 0)
    states = [student.hand_ins[0].state for student in classe.review(found, room.course)]
    assert sorted(states) == [IN_ORDER, carnets_rendus.UNREADABLE]


def test_links_of_the_table_lead_to_the_pages(report):
    soup = BeautifulSoup((report / "index.html").read_text(encoding="utf-8"), "html.parser")
    links = [link["href"] for link in soup.select("tbody th a")]
    assert len(links) == len(set(links)) == len(HOSTILE) + 1
    assert all((report / link).is_file() for link in links)
    headers = soup.select("table.triable thead th")
    assert all(len(row.find_all(["th", "td"], recursive=False)) == len(headers) for row in soup.select("tbody tr"))


@pytest.mark.skipif(browser.chromium() is None, reason="pas de Chromium sur cette machine")
def test_the_table_opens_in_a_browser_and_can_be_sorted(report):
    document, failed = browser.dump(report / "index.html")
    assert failed == []
    assert document.count('<button type="button">') >= 12


def test_an_archive_of_a_class(room, tmp_path, capsys):
    pytest.importorskip("atelier.archives")
    room.add("alice/01_essai.ipynb")
    room.add("bob/01_essai.ipynb", name="Bob")
    archive = tmp_path / "classe.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for path in sorted(room.folder.rglob("*.ipynb")):
            stream.write(path, path.relative_to(room.folder))
    before = set(os.listdir(tmp_path))
    main(["verifier", str(archive), "--html", str(tmp_path / "rapport"), "--sujet", str(room.course)])
    printed = capsys.readouterr().out
    assert printed.startswith("Alice : 01_essai exécuté de haut en bas\nBob : 01_essai exécuté de haut en bas\n")
    assert set(os.listdir(tmp_path)) == before | {"rapport"}
    assert main(["verifier", str(archive)]) == 0
    assert f"{archive} › bob/01_essai.ipynb : exécuté de haut en bas" in capsys.readouterr().out


def test_a_page_for_a_folder_and_a_course_that_is_not_there(room, tmp_path, capsys):
    room.add("alice/01_essai.ipynb")
    assert main(["verifier", str(room.folder), "--html", str(tmp_path / "r.html"), "--sujet", str(room.course)]) == 2
    assert "nommez un dossier" in capsys.readouterr().err
    assert main(["verifier", str(room.folder), "--html", str(tmp_path / "r"), "--sujet", str(tmp_path)]) == 2
    assert "ne contient aucun carnet du cours" in capsys.readouterr().err


def test_a_hand_in_executed_again_has_a_column(room, monkeypatch, tmp_path, capsys):
    path = room.add("alice/01_essai.ipynb")
    room.add("alice/autre.ipynb", change=lambda notebook: notebook.update(cells=[]))
    asked = []

    def again(paths, work, limits):
        asked.append((list(paths), work.is_dir(), limits.seconds))
        limits = ["La mémoire n'a pas pu être limitée."]
        differences = [f"exactitude : 0,1 contre 0,2 {EVIL}"]
        return [
            SimpleNamespace(path=p, status="réexécuté", differences=differences, limits_missing=limits) for p in paths
        ]

    monkeypatch.setattr(atelier, "reexecution", SimpleNamespace(rerun=again), raising=False)
    monkeypatch.setitem(sys.modules, "atelier.reexecution", atelier.reexecution)
    arguments = ["verifier", str(room.folder), "--sujet", str(room.course)]
    main([*arguments, "--html", str(tmp_path / "sans")])
    assert asked == []
    assert "Réexécution" not in (tmp_path / "sans" / "index.html").read_text(encoding="utf-8")
    main([*arguments, "--html", str(tmp_path / "avec"), "--reexecuter", "--minutes", "2"])
    assert asked == [([path], True, 120)]
    text = (tmp_path / "avec" / "index.html").read_text(encoding="utf-8")
    assert "Réexécution" in text and "La mémoire n&#39;a pas pu être limitée." in text
    page = next((tmp_path / "avec" / "eleves").iterdir()).read_text(encoding="utf-8")
    assert "exactitude : 0,1 contre 0,2 &lt;script&gt;" in page
    assert "01_essai réexécuté" in capsys.readouterr().out


def test_a_notebook_too_big_to_be_read_is_named_not_read(room, monkeypatch):
    path = room.folder / "Ida" / "01_essai.ipynb"
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:  # a hole: it takes no place on the disk
        stream.truncate(500_000_000)
    monkeypatch.setattr(carnets_rendus, "read_notebook", lambda path: pytest.fail("read"))
    found = carnets_rendus.read(path, "Ida/01", [])
    assert found.state == carnets_rendus.UNREADABLE and "64 Mo" in found.notes[0]
