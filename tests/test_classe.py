"""The class table, tried on twenty made-up hand-ins: the right verdicts, and no trace of the hostile ones."""

import importlib.util
import re
from pathlib import Path

import hand_ins
import pytest

from atelier import enceinte, reexecution
from atelier.enceinte import Limits
from commun.notebook import read_notebook

# The table, the search of hand-ins in archives and the hash of outputs come with `atelier.classe`.
needs_table = pytest.mark.skipif(
    importlib.util.find_spec("atelier.classe") is None, reason="atelier.classe n'existe pas encore"
)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classe")
    return folder, hand_ins.make(folder)


@pytest.fixture(scope="session")
def class_of(made, tmp_path_factory):
    """The students found, what is said of archives, and the folder where the report is."""
    from atelier import classe, rendus

    folder, _ = made
    work, report = tmp_path_factory.mktemp("travail"), tmp_path_factory.mktemp("rapport")
    before = _files(folder)
    found, problems, code = rendus.find([folder / "rendus"], work)
    students = classe.review(found, folder / "cours")
    classe.write_html(students, problems, report / "classe")
    classe.write_csv(students, report / "classe.csv")
    assert code == 0 and _files(folder) == before
    return students, problems, report, work


def _files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def _entry(label, folder):
    """The entry of the folder of hand-ins from which a notebook comes."""
    return Path(label.split(" › ")[0]).relative_to(folder / "rendus").parts[0]


def test_there_are_twenty_kinds(made):
    folder, expected = made
    assert len({one.kind for one in expected.values()}) == 20
    assert {path.name for path in (folder / "rendus").iterdir()} == set(expected)


@needs_table
def test_every_verdict_is_right(made, class_of):
    folder, expected = made
    students, problems, *_ = class_of
    states = {name: {} for name in expected}
    for student in students:
        for hand_in in student.hand_ins:
            name = hand_in.subject.name if hand_in.subject else ""
            states[_entry(hand_in.label, folder)][name] = hand_in.state
    assert states == {name: dict(one.states) for name, one in expected.items()}
    for name, one in expected.items():
        archive = name if name.endswith(".zip") else "rendu.zip"
        told = [sentence for sentence in problems if archive in sentence]
        assert bool(told) == one.told or not name.endswith(".zip"), name
    assert any("dépasse" in sentence or "bombe" in sentence for sentence in problems if "rendu.zip" in sentence)


@needs_table
def test_what_goes_with_a_verdict_is_right(made, class_of):
    folder, expected = made
    students, *_ = class_of
    assert len(students) == sum(bool(one.states) for one in expected.values())
    for student in students:
        name = _entry(student.hand_ins[0].label, folder)
        one = expected[name]
        assert [subject.name for subject in student.missing] == list(one.missing), name
        assert bool(student.alike) == bool(one.alike), (name, student.alike)
        if one.marks is not None:
            assert student.hand_ins[0].card.marks == one.marks, name
        if one.changed is not None:
            assert any(change.code for hand_in in student.hand_ins for change in hand_in.changes) == one.changed, name


@needs_table
def test_no_attack_leaves_a_trace_outside_its_folder(made, class_of):
    folder, _ = made
    *_, report, work = class_of
    around = [folder, report, work, folder.parent, Path("/tmp")]
    assert not [path for place in around for path in place.glob(f"*{hand_ins.ESCAPED}*")]
    assert not list(work.rglob(f"*{hand_ins.ESCAPED}*"))
    assert all(path.suffix.lower() == ".ipynb" for path in work.rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in work.rglob("*")) < 20 * 2**20


def _harmless(page):
    """Checks that nothing of a page is executed that bears the mark of the attack."""
    from bs4 import BeautifulSoup

    tree = BeautifulSoup(page, "html.parser")
    for tag in tree.find_all(True):
        assert tag.name not in ("iframe", "object", "embed", "base")
        if tag.name == "script":
            assert hand_ins.MARK not in tag.get_text()
        if tag.name == "style":  # the printed page's running title tells the author, in one string of escapes
            told = re.sub(r'"(?:[^"\\\n<]|\\.)*"', '""', tag.get_text())
            assert hand_ins.MARK not in told
        for name, value in tag.attrs.items():
            assert not (name.startswith("on") or name == "srcdoc") or hand_ins.MARK not in str(value), (tag.name, name)
            assert not re.match(r"\s*(javascript|data:text)", str(value), re.IGNORECASE), (tag.name, name)


@needs_table
def test_no_script_in_any_page_of_the_report(class_of):
    *_, report, _ = class_of
    pages = [path for path in report.rglob("*.html")]
    texts = [path.read_text(encoding="utf-8") for path in pages]
    assert len(pages) > 15 and any(hand_ins.MARK in text for text in texts)
    for text in texts:
        _harmless(text)


def test_no_script_in_the_exported_page(made, tmp_path):
    from atelier import export

    folder, _ = made
    (path,) = (folder / "rendus" / "mehdi_injection").iterdir()
    export.export_notebook(path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert hand_ins.MARK in page
    _harmless(page)


@needs_table
def test_the_csv_holds_a_line_for_each_student(class_of):
    students, _, report, _ = class_of
    text = (report / "classe.csv").read_text(encoding="utf-8-sig")
    assert len([line for line in text.splitlines() if line.strip()]) >= len(students) + 1
    assert not re.search(r"(?m)(^|[;,])\"?[=@+]", text)  # a spreadsheet would execute it


LIMITS = Limits(seconds=300, memory=2**30, output=2**21)


@pytest.mark.parametrize("status", ["réexécuté", "en erreur", "trop long", "trop de mémoire", "trop de sorties"])
def test_run_again(status, made, tmp_path):
    folder, expected = made
    (name,) = (name for name, one in expected.items() if one.rerun == status)
    path = folder / "rendus" / name / Path(hand_ins.DICE).name
    limits = {"trop long": Limits(seconds=5), "trop de mémoire": LIMITS}.get(status, Limits(seconds=300, output=2**21))
    before = _files(folder)
    (run,) = reexecution.rerun([path], tmp_path, limits)
    assert run.status == status, run
    assert bool(run.differences) == (status != "réexécuté")
    assert run.limits_missing == enceinte.missing(enceinte.kinds()[0])
    assert _files(folder) == before


def test_a_result_that_is_not_that_of_the_run_is_told(made, tmp_path):
    folder, _ = made
    notebook = read_notebook(folder / "rendus" / "alice_bon" / Path(hand_ins.DICE).name)
    for output in notebook["cells"][-1]["outputs"]:
        for content in output["data"].values():
            if isinstance(content, dict):
                content["resultats"]["moyenne des tirages"] = 5.2
                content["reponses"]["1"] = "fausse"
    hand_ins._write(tmp_path / "01.ipynb", notebook)
    (run,) = reexecution.rerun([tmp_path / "01.ipynb"], tmp_path, LIMITS)
    assert run.status == reexecution.DONE
    assert "« moyenne des tirages » diffère : 5,20 dans le rendu" in run.differences[0]
    assert "réponse 1 était fausse dans le rendu, elle est juste" in run.differences[1]


def test_the_generator_writes_only_in_a_new_folder(tmp_path):
    told = []
    (tmp_path / "a").write_text("à moi", encoding="utf-8")
    assert hand_ins.main([str(tmp_path)], told.append) == 2 and hand_ins.main([], told.append) == 2
    assert all("nouveau ou vide" in sentence for sentence in told) and len(list(tmp_path.iterdir())) == 1
