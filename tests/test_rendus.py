"""Hand-ins as people bring them: many at once, damaged, saved by any tool."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from atelier import export, notebooks, rendus, verification
from atelier.__main__ import main
from commun import UserError, card, datasets
from commun.notebook import code_cells, read_notebook

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def code(source="", outputs=(), **more):
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": source, "outputs": list(outputs)}
    return cell | more


def text(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def stream(content):
    return {"output_type": "stream", "name": "stdout", "text": content}


def write(path: Path, *cells, encoding="utf-8", **more) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"nbformat": 4, "nbformat_minor": 4, "metadata": KERNEL, "cells": list(cells)} | more
    path.write_text(json.dumps(content), encoding=encoding)
    return path


def carded(*sources, after=(), old=False, **more) -> list[dict]:
    """Returns cells whose last shows the card of their execution in order; and those that follow."""
    shown = {
        "cellules": card.hashes(sources, old=old), "etat": card.IN_ORDER, "execution": "a" * 32,
        "profil": "essai", "donnees": "jeu", "date": "2026-01-01",
    }  # fmt: skip
    output = {"output_type": "display_data", "metadata": {}, "data": {card.CARD_MIME: shown | more}}
    return [*map(code, sources[:-1]), code(sources[-1], [output]), *map(code, after)]


def refused(arguments, capsys) -> str:
    """Runs a command that a mistake stops; returns what it says."""
    assert main([str(argument) for argument in arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("Erreur : ")
    assert "Traceback" not in told
    return told


# --- Many at once ----------------------------------------------------------------------------------------------------


@pytest.fixture
def batch(tmp_path) -> Path:
    """A folder of hand-ins as an archive leaves it."""
    folder = tmp_path / "rendus d'été"
    for name in ("alice", "bob", "chloé"):
        write(folder / name / "01_preparation.ipynb", text(f"# Rendu de {name}"), code("1"))
    write(folder / "alice" / ".ipynb_checkpoints" / "01_preparation-checkpoint.ipynb", text("# Ancien"))
    (folder / "__MACOSX" / "alice").mkdir(parents=True)
    (folder / "__MACOSX" / "alice" / "._01_preparation.ipynb").write_bytes(b"\x00\x05")
    (folder / "bob" / "._01_preparation.ipynb").write_bytes(b"\x00\x05")
    (folder / "bob" / "mesures.csv").write_text("a", encoding="utf-8")
    return folder


@pytest.mark.parametrize("pattern", ["", "*/*.ipynb", "**/*.ipynb", "*", "[abc]*"])
def test_a_folder_or_a_pattern_stands_for_its_notebooks(batch, pattern, capsys):
    assert main(["verifier", str(batch / pattern)]) == 1
    printed = capsys.readouterr().out
    assert [line.split(" : ")[0] for line in printed.splitlines()] == [
        str(batch / name / "01_preparation.ipynb") for name in ("alice", "bob", "chloé")
    ]


def test_a_name_with_brackets_is_a_name(tmp_path):
    path = write(tmp_path / "rendu [1].ipynb")
    assert rendus.expand(path) == [path]


@pytest.mark.parametrize("command", ["verifier", "exporter"])
def test_what_stands_for_no_notebook_is_said(tmp_path, command, capsys):
    (tmp_path / "vide").mkdir()
    assert "est un dossier qui ne contient aucun carnet" in refused([command, tmp_path / "vide"], capsys)
    assert "Aucun carnet ne correspond" in refused([command, tmp_path / "*.ipynb"], capsys)
    assert "est introuvable" in refused([command, tmp_path / "absent.ipynb"], capsys)


DAMAGED = {
    "vide.ipynb": b"",
    "coupe.ipynb": b'{"cells": [{"cell_type": "co',
    "texte.ipynb": "été".encode("cp1252"),
    "liste.ipynb": b"[]",
    "conflit.ipynb": b'{\n<<<<<<< HEAD\n "cells": []\n=======\n}',
    "profond.ipynb": b"[" * 100_000,
    "sans_cellules.ipynb": b'{"nbformat": 4, "metadata": {}}',
    "ancien.ipynb": b'{"nbformat": 3, "worksheets": [{"cells": []}], "metadata": {}}',
    "futur.ipynb": b'{"nbformat": 5, "cells": []}',
}


def test_damaged_hand_ins_do_not_stop_the_others(tmp_path, capsys):
    for name in ("a.ipynb", "m.ipynb", "z.ipynb"):
        write(tmp_path / name, text(f"# {name}"))
    for name, content in DAMAGED.items():
        (tmp_path / name).write_bytes(content)
    for command in ("verifier", "exporter"):
        assert main([command, str(tmp_path)]) == 2
        printed = capsys.readouterr()
        assert [line.split(" : ")[0] for line in printed.out.splitlines()] == [
            str(tmp_path / name).replace(".ipynb", ".html" if command == "exporter" else ".ipynb")
            for name in ("a.ipynb", "m.ipynb", "z.ipynb")
        ]
        told = {line.split(".ipynb")[0].rsplit("/", 1)[-1]: line for line in printed.err.splitlines()}
        assert set(told) == {name.removesuffix(".ipynb") for name in DAMAGED}
        assert "nbformat 3" in told["ancien"] and "JupyterLab" in told["ancien"]
        assert "vide" in told["vide"].split(" : ", 2)[2]
        assert "conflit de fusion" in told["conflit"]
        assert "plus récent" in told["futur"]


def test_hand_ins_of_one_name_have_a_page_each(batch, tmp_path, capsys):
    output = tmp_path / "pages"
    assert main(["exporter", str(batch), "--sortie", str(output)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [str(output / name / "01_preparation.html") for name in ("alice", "bob", "chloé")]
    for path in map(Path, printed):
        assert f"Rendu de {path.parent.name}" in path.read_text(encoding="utf-8")


def test_pages_never_share_a_place(tmp_path):
    names = "x/a/01.ipynb x/b/01.ipynb y/a/01.ipynb x/a/02.ipynb x/a/01.IPYNB x/a/02.txt x/b/É.ipynb x/a/é.ipynb"
    paths = [tmp_path / name for name in names.split()]
    for output in (tmp_path / "html", None):
        targets = rendus.pages(paths, output)
        assert list(targets) == paths
        assert len({str(target).casefold() for target in targets.values()}) == len(paths)
        assert all(target.suffix == ".html" for target in targets.values())
    assert rendus.pages(paths[3:4], tmp_path)[paths[3]] == tmp_path / "02.html"
    assert rendus.pages(paths[:3], tmp_path)[paths[2]] == tmp_path / "y" / "a" / "01.html"


def test_a_place_that_cannot_be_written_is_said(tmp_path, capsys):
    write(tmp_path / "rendus" / "a.ipynb", text("# A"))
    (tmp_path / "fichier").write_text("", encoding="utf-8")
    (tmp_path / "pages" / "a.html").mkdir(parents=True)
    told = refused(["exporter", tmp_path / "rendus", "--sortie", tmp_path / "fichier"], capsys)
    assert "fichier ne peut être ni lu ni écrit : un fichier porte ce nom" in told
    told = refused(["exporter", tmp_path / "rendus", "--sortie", tmp_path / "pages"], capsys)
    assert "a.html" in told


def test_a_hand_in_named_twice_is_read_once(tmp_path, capsys):
    path = write(tmp_path / "a.ipynb")
    main(["verifier", str(path), str(tmp_path), str(tmp_path / "*.ipynb"), str(tmp_path / "." / "a.ipynb")])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_one_run_handed_in_twice_is_said(tmp_path, capsys):
    alice, bob, zoe = (
        write(tmp_path / f"{name}.ipynb", *carded("x = 1", "carte()", execution=run * 32))
        for name, run in (("alice", "e"), ("bob", "e"), ("zoé", "f"))
    )
    assert main(["verifier", str(tmp_path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Une même exécution (identifiant {'e' * 12}) dans 2 rendus : {alice}, {bob}"
    assert main(["verifier", str(alice), str(zoe)]) == 0
    assert "même" not in capsys.readouterr().out


# --- States ----------------------------------------------------------------------------------------------------------


def error(name, value=""):
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def tagged(source, tag, *outputs):
    return code(source, outputs, metadata={"tags": [tag]})


MEANT = tagged("1 / 0", "raises-exception", error("ZeroDivisionError"))
PARAMETRISED = [tagged("p = 1", "parameters"), tagged("# Parameters\np = 2\n", "injected-parameters")]
# run by papermill without the variable of `executer`: the kernel counted its cell
SEEN = {"cellules": card.hashes(["p = 1", "p = 2", "x", "carte()"]), "etat": card.MODIFIED}


@pytest.mark.parametrize(
    ("cells", "state"),
    [
        (carded("x = 1", "carte()"), card.IN_ORDER),
        (carded("x = 1", "carte()", after=["y = 2"]), card.IN_ORDER),
        (carded("%pylab\nx = 1", "carte()", old=True), card.IN_ORDER),
        (carded("x = 1", "carte()")[::-1], card.MODIFIED),
        ([code("x = 3"), *carded("x = 1", "carte()")], card.MODIFIED),
        ([code("print(1)", [stream("1\n")])], verification.NO_CARD),
        ([code("print(1)", execution_count=None)], verification.NEVER),
        ([code("1 / 0", [error("ZeroDivisionError")])], verification.FAILED),
        ([MEANT, *carded("x", "carte()", cellules=card.hashes(["1 / 0", "x", "carte()"]))], card.IN_ORDER),
        ([code("exit()", [error("SystemExit", "0")])], verification.NO_CARD),
        ([*PARAMETRISED, *carded("x", "carte()", **SEEN)], card.IN_ORDER),
    ],
)
def test_states(tmp_path, cells, state):
    assert verification.check(write(tmp_path / "a.ipynb", *cells))[0] == state


@pytest.mark.parametrize(("after", "noted"), [([], False), (["# un mot"], False), (["x = 1"], True)])
def test_cells_after_the_card_are_noted(tmp_path, capsys, after, noted):
    path = write(tmp_path / "a.ipynb", *carded("x = 1", "carte()", after=after))
    assert main(["verifier", str(path)]) == 0
    assert ("des cellules suivent la carte" in capsys.readouterr().out) == noted


WRONG = [{"cellules": "x"}, {"cellules": [1]}, {"etat": None}, {"execution": 3}, {"profil": 3}]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_damaged_card_is_no_card_or_is_read(tmp_path, wrong):
    path = write(tmp_path / "a.ipynb", *carded("x = 1", "carte()", **wrong))
    assert main(["verifier", str(path)]) == (0 if "profil" in wrong else 1)


# --- Odd notebooks ---------------------------------------------------------------------------------------------------

BROKEN = [None, 3, {}, {"output_type": "pyout"}, {"text": ["a", "b"]}, {"output_type": "error"}]
DATA = {"text/html": 3, "image/png": None, "text/plain": ["u", "v"]}
ODD = {
    "demi-codets": {"cells": [text("# T \ud83d"), code("x = 'caf\udce9'", [stream("caf\udce9.jpg \ud83d fin\n")])]},
    "sans sorties": {"cells": [{"cell_type": "code", "source": ["a\n", "b"]}, {"cell_type": "markdown"}]},
    "sans métadonnées": {"metadata": None},
    "sans langage": {"metadata": {"kernelspec": {"display_name": "Python 3"}, "language_info": {"version": "3"}}},
    "langage inconnu": {"metadata": {"language_info": {"name": "ipython9", "pygments_lexer": None}}},
    "sans version": {"nbformat": None, "nbformat_minor": "x"},
    "cellules abîmées": {"cells": [None, 3, [], {}, {"cell_type": "heading", "source": "x"}, {"outputs": {}}]},
    "sorties abîmées": {"cells": [code("x", BROKEN)]},
    "texte abîmé": {"cells": [code(3, [stream(["a", 3]), stream(None)]), text({"a": 1})]},
    "données abîmées": {"cells": [code("x", [{"output_type": "display_data", "data": DATA, "metadata": []}])]},
    "étiquettes abîmées": {"cells": [tagged("x", 3), code("y", metadata={"tags": "parameters", "papermill": 3})]},
    "pièces abîmées": {"cells": [text("![a](attachment:a)") | {"attachments": {"a": {"image/png": 3}, "b": 4}}]},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_notebooks_are_read_exported_and_verified(tmp_path, name, capfd):
    path = write(tmp_path / "a.ipynb", *ODD[name].get("cells", [code("x")]), **ODD[name])
    assert main(["exporter", str(path)]) == 0
    assert main(["verifier", str(path)]) == 1
    assert not capfd.readouterr().err
    assert BeautifulSoup((tmp_path / "a.html").read_text(encoding="utf-8"), "html.parser").main


def test_half_characters_written_as_bytes_are_replaced(tmp_path):
    path = write(tmp_path / "a.ipynb", code("x = 'ici'"))
    path.write_bytes(path.read_bytes().replace(b"ici", b"caf\xed\xb3\xa9"))
    assert code_cells(path) == ["x = 'caf\ufffd'"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_mark_of_encoding_does_not_matter_to_read(tmp_path, encoding):
    path = write(tmp_path / "a.ipynb", text("# Été"), code("x = 'é'"), encoding=encoding)
    assert code_cells(path) == ["x = 'é'"]
    assert export.title_of(path) == "Été"


def test_a_folder_is_no_notebook(tmp_path):
    with pytest.raises(UserError, match="est un dossier, pas un carnet"):
        read_notebook(tmp_path)


@pytest.fixture
def house(tmp_path, monkeypatch, work):
    """A repository of one project."""
    for module in (notebooks, datasets):
        monkeypatch.setattr(module, "ROOT", tmp_path / "dépôt {à} moi")
    return tmp_path / "dépôt {à} moi" / "projet9_jouet" / "01_essai.ipynb"


PARAMETERS = code('PROFIL: str = "essai"  # budget', metadata={"tags": ["parameters"]}, execution_count=None)


@pytest.mark.parametrize(
    ("metadata", "more"),
    [
        ({}, {}),
        ({"kernelspec": {"name": "python3", "display_name": "Python 3"}}, {}),
        ({"kernelspec": {"name": "tf2-gpu", "display_name": "TF2", "language": "python"}}, {"nbformat_minor": 0}),
        (None, {"nbformat_minor": None}),
    ],
)
def test_a_notebook_without_a_language_is_run(house, tmp_path, capsys, metadata, more):
    cells = [PARAMETERS, {"cell_type": "code", "source": "print(PROFIL)", "id": "un mauvais identifiant"}]
    write(house, *cells, metadata=metadata, **more)
    assert main(["executer", "--profil", "rapide", "--sortie", str(tmp_path / "s")]) == 0, capsys.readouterr()
    executed = read_notebook(tmp_path / "s" / "projet9_jouet" / "01_essai.ipynb")
    assert executed["cells"][-1]["outputs"][0]["text"] == "rapide\n"


@pytest.mark.parametrize(
    ("cells", "encoding", "expected"),
    [
        ([code("print(1)")], "utf-8", "Aucun de ces carnets n'a de paramètre : PROFIL"),
        ([PARAMETERS], "utf-8-sig", "UTF-8 avec BOM"),
        ([code("PROFIL: str = ", metadata={"tags": ["parameters"]})], "utf-8", "n'est pas du Python"),
    ],
)
def test_a_notebook_that_cannot_be_run_is_refused_in_a_sentence(house, tmp_path, capsys, cells, encoding, expected):
    write(house, *cells, encoding=encoding)
    assert expected in refused(["executer", "--profil", "rapide", "--sortie", tmp_path / "s"], capsys)


# --- Any notebook at all ---------------------------------------------------------------------------------------------


def shown(data, **metadata):
    return {"output_type": "display_data", "metadata": metadata, "data": data}


STATES = {
    "m": {"model_name": "HBoxModel", "state": {"children": ["IPY_MODEL_n"]}},
    "n": {"model_name": "FloatProgressModel", "state": {"value": 1, "max": 2}},
}
FIGURE = {
    "text/html": "<style>p{a:b}</style><p>x</p>",
    "image/png": "iVBORw0=",
    "image/svg+xml": "<svg><rect/></svg>",
    "text/plain": ["a"],
}
PICTURED = text("# Titre\n\n$x^2$ et ![a](attachment:a.png)") | {"attachments": {"a.png": {"image/png": "iVBORw0="}}}
WHOLE = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {
        **KERNEL,
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": STATES}},
    },
    "cells": [
        PICTURED | {"id": "a"},
        tagged("# Parameters\nx = 1", "parameters", stream(["\r 1%", "\r 100%\n", "\x1b[31mrouge\x1b[0m"])),
        code("%time f()", [error("E", "v") | {"traceback": ["\x1b[1ma"]}], id="c"),
        code("fig", [shown(FIGURE, **{"image/png": {"width": 4}})], metadata={"papermill": {"exception": None}}),
        code("w", [shown({"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "0%|"})]),
        {"cell_type": "raw", "metadata": {"format": "text/html"}, "source": "brut", "id": "f"},
        *carded("y = 2", "carte()"),
    ],
}


def places(value, path=()):
    """Yields the place of everything in a JSON value, itself left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*path, name)
        yield from places(inner, (*path, name))


PLACES = list(places(WHOLE))
OTHERS = [
    *(None, True, 0, -1, 2.5, float("nan"), "", "texte", "\ud83d", "<script>", "$\\frac"),
    *([], ["a"], [None], [[]], {}, {"a": 1}),
]
CHANGE = st.tuples(st.sampled_from(PLACES), st.one_of(st.just("ôte"), st.sampled_from(OTHERS)))


def changed(changes) -> dict:
    """Returns the notebook, less some of its parts and with others put in place of some."""
    notebook = copy.deepcopy(WHOLE)
    for path, value in changes:
        inner = notebook
        try:
            for name in path[:-1]:
                inner = inner[name]
            if value == "ôte":
                del inner[path[-1]]
            else:
                inner[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):  # an earlier change has taken it away
            continue
    return notebook


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGE, min_size=1, max_size=4))
@example(changes=[(("cells", 1, "metadata", "tags", 0), "")])  # a tag that the format refuses
@example(changes=[(("cells", 1), "ôte"), (("cells", 4, "outputs"), None)])  # outputs of a cell that is no code
def test_a_notebook_changed_anywhere_gives_a_page_or_a_sentence(tmp_path, changes):
    """It takes more than 10 s: 500 notebooks are exported whole."""
    path, page = tmp_path / "a.ipynb", tmp_path / "a.html"
    path.write_text(json.dumps(changed(changes)), encoding="utf-8")
    page.unlink(missing_ok=True)
    refusals = []
    readers = (verification.check, export.title_of, notebooks.parameters)
    for work in (*readers, lambda path: export.export_notebook(path, page)):
        try:
            work(path)
        except UserError as error:
            refusals.append(str(error))
    assert all("a.ipynb" in refusal for refusal in refusals)
    assert page.exists() == (len(refusals) < 3)
    if page.exists():
        assert "</main>" in page.read_text(encoding="utf-8")
