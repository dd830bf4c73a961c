"""The run's card: hashes of cells, their comparison, and the card of real kernels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from commun import UserError, card
from commun.card import CARD_MIME, cell_hash, compare

# --- Hashes of cells -------------------------------------------------------------------------------------------------

CELL = """\
from dataclasses import replace

def f(x: int = 1, *, y=None) -> str:
    '''Aide.'''
    return f"{x!r:>{y}} {x + 1:.1f} {{é}}" f"{y}"

finale = {nom: f(c) for nom, c in [("a", -2.5e3)] if c is not None}
finale["a"][1:, ...]
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [(CELL, "05b2176653a3"), ('PROFIL: str = "rapide"  # budget', "f11d0503b833"), ('f"{x:.1f} {y}"', "3fc29fdc7874")],
)
def test_hashes_are_the_same_in_every_version_of_python(source, expected):
    """Cards are committed: these values were the same with Python 3.11, 3.12 and 3.13."""
    assert cell_hash(source) == expected


@pytest.mark.parametrize(
    "same",
    [
        CELL.replace("\n\n", "\n\n\n# un commentaire\n\n"),
        CELL.replace("    ", "  "),
        CELL.replace("(x: int = 1, *, y=None)", "(\n    x: int=1,\n    *,\n    y = None,\n)"),
        CELL.replace("'''Aide.'''", '"Aide."'),
        CELL.replace('f"{x!r:>{y}} {x + 1:.1f} {{é}}" f"{y}"', "f'{ x!r:>{y}} {x+1:.1f} {{é}}{(y)}'"),
        CELL + "\n\n   \n",
        CELL.replace("\n", "\r\n"),
    ],
)
def test_comments_blank_lines_and_layout_do_not_count(same):
    assert same != CELL
    assert cell_hash(same) == cell_hash(CELL)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("= 1,", "= 2,"),
        ("= 1,", "= True,"),
        ("= 1,", "= 1.0,"),
        ("y=None", "y=0"),
        ("-2.5e3", "2.5e3"),
        ("'''Aide.'''", "'''Aide,'''"),
        ("{x!r", "{x!s"),
        (":.1f}", ":.2f}"),
        ("{{é}}", "{é}"),
        ("is not None", "is None"),
        ("[1:, ...]", "[:1, ...]"),
        ("import replace", "import replace as r"),
        ("nom: f(c)", "nom: f(nom)"),
    ],
)
def test_every_change_of_code_is_seen(before, after):
    assert before in CELL
    assert cell_hash(CELL.replace(before, after)) != cell_hash(CELL)


@pytest.mark.parametrize("empty", ["", "\n\n", "# rien\n  # du tout"])
def test_a_cell_without_code_has_no_hash(empty):
    assert cell_hash(empty) == ""
    assert card.hashes([empty, "x", empty]) == [cell_hash("x")]


def test_cells_that_are_not_python_have_a_hash_of_their_own():
    broken = ["x = (", "%time f()", "!ls", "if x:\npass", "x = ) # a"]
    assert len({cell_hash(source) for source in broken} - {""}) == len(broken)
    assert cell_hash("x = (") == cell_hash("x = (")


# --- Comparing -------------------------------------------------------------------------------------------------------

IN_ORDER, DISORDER, MODIFIED = "exécuté de haut en bas", "dans le désordre", "modifié après exécution"


@pytest.mark.parametrize(
    ("executed", "state"),
    [
        ("abc", IN_ORDER),
        ("acb", DISORDER),
        ("ab", DISORDER),
        ("bc", DISORDER),
        ("abbc", DISORDER),
        ("abcabc", DISORDER),
        ("", DISORDER),
        ("abd", MODIFIED),
        ("abxc", MODIFIED),
        ("abcd", MODIFIED),
    ],
)
def test_compare(executed, state):
    assert compare(list(executed), list("abc")) == state
    assert compare(tuple(executed), list("abc")) == state


def test_compare_counts_a_repeated_cell():
    assert compare(list("aba"), list("aba")) == IN_ORDER
    assert compare(list("ab"), list("aba")) == DISORDER


def test_code_cells_leaves_out_prose_and_injected_parameters(tmp_path):
    path = write(tmp_path, ["a = 1", "b = 2"])
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"].insert(1, {"cell_type": "code", "source": "x", "metadata": {"tags": ["injected-parameters"]}})
    content["cells"].append({"cell_type": "code", "source": ["c = 3\n", "d = 4"]})  # no metadata
    path.write_text(json.dumps(content), encoding="utf-8")
    assert card.code_cells(path) == ["a = 1", "b = 2", "c = 3\nd = 4"]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff", b'{"cells": [{}]}', b'{"cells": 3}'])
def test_what_is_not_a_notebook_is_a_user_error(tmp_path, content):
    path = tmp_path / "carnet.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"carnet\.ipynb est introuvable ou n'est pas un carnet"):
        card.code_cells(path)


# --- The card --------------------------------------------------------------------------------------------------------

SETUP = """\
from pathlib import Path
from commun.datasets import Location
from commun.results import carte
"""
CARD = 'carte("projet/01_essai.ipynb", profil="essai", donnees=Location(Path("."), False, "Fashion <MNIST>"))'


def write(folder: Path, sources: list[str]) -> Path:
    notebook = new_notebook(cells=[new_markdown_cell("# Titre"), *map(new_code_cell, sources)])
    for cell in notebook.cells:
        if cell.source.startswith("PROFIL"):
            cell.metadata["tags"] = ["parameters"]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "01 carnet été.ipynb"
    nbformat.write(notebook, path)
    return path


def bundle_of(outputs) -> dict:
    (output,) = [o for o in outputs if CARD_MIME in o.get("data", {})]
    return output["data"]


@pytest.fixture
def shell(ipython):
    """Runs cells in a fresh IPython shell of this process; returns the bundle of the card that they show."""
    from IPython.utils.capture import capture_output

    def run(*sources):
        with capture_output() as captured:
            for source in sources:
                ipython.run_cell(source, store_history=True).raise_error()
        return bundle_of([{"data": output.data} for output in captured.outputs])

    return run


CELLS = [SETUP, "# que des mots", "x = 1  # un", "y = 2", CARD]


@pytest.mark.parametrize(
    ("order", "state"),
    [
        ((0, 1, 2, 3, 4), IN_ORDER),
        ((0, 2, 3, 4), IN_ORDER),  # the cell without code does not count
        ((0, 3, 2, 4), DISORDER),
        ((0, 2, 4), DISORDER),
        ((0, 2, 2, 3, 4), DISORDER),
    ],
)
def test_the_card_of_a_shell_says_in_which_order_cells_were_run(shell, tmp_path, monkeypatch, order, state):
    monkeypatch.setenv("PROJETS_CARNET", str(write(tmp_path, CELLS)))
    shown = shell(*(CELLS[i] for i in order))[CARD_MIME]
    assert shown["etat"] == state
    assert shown["cellules"] == card.hashes([CELLS[i] for i in order])


def test_the_card_without_its_notebook_says_so(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_CARNET", str(tmp_path / "absent.ipynb"))
    assert shell(SETUP, CARD)[CARD_MIME]["etat"] == "carnet introuvable"


def test_the_card_looks_in_the_repository_without_the_variable(shell, tmp_path, monkeypatch):
    monkeypatch.delenv("PROJETS_CARNET", raising=False)
    monkeypatch.setattr(card, "ROOT", tmp_path)
    (tmp_path / "projet").mkdir()
    write(tmp_path, [SETUP, CARD]).rename(tmp_path / "projet/01_essai.ipynb")
    assert shell(SETUP, CARD)[CARD_MIME]["etat"] == IN_ORDER


def test_the_card_shows_its_rows_in_french_and_escapes_them(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_CARNET", str(write(tmp_path, CELLS)))
    first = shell(*CELLS)
    second = shell(CARD)
    shown = first[CARD_MIME]
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["carnet"], shown["profil"], shown["donnees_reelles"]) == ("projet/01_essai.ipynb", "essai", False)
    assert shown["donnees"] == "échantillon synthétique (Fashion <MNIST>)"
    assert {"python", "keras", "numpy"} <= set(shown["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", shown["date"])
    assert re.fullmatch(r"[0-9a-f]{32}", shown["execution"])
    assert shown["execution"] != second[CARD_MIME]["execution"]
    page, text = first["text/html"], first["text/plain"]
    assert "<caption>Carte d'exécution</caption>" in page
    assert "Fashion &lt;MNIST&gt;" in page
    assert "<MNIST>" not in page
    assert "Exécution : exécuté de haut en bas (4 cellules)" in text
    assert "Paramètres modifiés : aucun" in text
    titles = re.findall(r"<th scope='row'>(.*?)</th>", page)
    assert titles == [line.split(" : ")[0] for line in text.splitlines()]


def test_real_data_are_named_in_the_card(shell, tmp_path, monkeypatch):
    cells = [SETUP, CARD.replace("False", "True")]
    monkeypatch.setenv("PROJETS_CARNET", str(write(tmp_path, cells)))
    shown = shell(*cells)[CARD_MIME]
    assert (shown["donnees"], shown["donnees_reelles"]) == ("Fashion <MNIST>", True)


def test_the_card_of_a_kernel_through_its_life(tmp_path, monkeypatch):
    """One kernel: run from top to bottom, then a cell run again, then the notebook changed on disk."""
    sources = [SETUP, "x = 1", CARD]
    path = write(tmp_path, sources)
    monkeypatch.setenv("PROJETS_CARNET", str(path))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    states = []
    with client.setup_kernel():
        for index in (1, 2, 3, 2, 3):
            client.execute_cell(notebook.cells[index], index)
            if index == 3:
                states.append(bundle_of(notebook.cells[3].outputs)[CARD_MIME]["etat"])
        write(tmp_path, [SETUP, "x = 2", CARD])
        client.execute_cell(notebook.cells[3], 3)
        states.append(bundle_of(notebook.cells[3].outputs)[CARD_MIME]["etat"])
    assert states == [IN_ORDER, DISORDER, MODIFIED]


def test_the_card_of_a_batch_run_with_parameters(tmp_path, monkeypatch):
    import papermill

    path = write(tmp_path, ['PROFIL: str = "rapide"  # budget', SETUP, CARD.replace('"essai"', "PROFIL")])
    monkeypatch.setenv("PROJETS_CARNET", str(path))
    target = tmp_path / "exécuté.ipynb"
    papermill.execute_notebook(path, target, {"PROFIL": "complet"}, kernel_name="python3", progress_bar=False)
    bundle = bundle_of(nbformat.read(target, as_version=4).cells[-1].outputs)
    shown = bundle[CARD_MIME]
    assert shown["etat"] == IN_ORDER
    assert shown["parametres"] == 'PROFIL = "complet"'
    assert shown["profil"] == "complet"
    assert shown["cellules"] == card.hashes(card.code_cells(path)) == card.hashes(card.code_cells(target))
    assert "PROFIL = &quot;complet&quot;" in bundle["text/html"]
