"""The run's card: hashes of cells, their comparison, and the card of real kernels."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from atelier import verification
from atelier.__main__ import main
from commun import card
from commun.card import CARD_MIME, cell_hash, compare
from commun.notebook import code_cells

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


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("%matplotlib inline\nimport math", "%matplotlib inline\nimport math\n\n"),
        ("%matplotlib inline\nx = 1", "\n%matplotlib inline  \r\n\r\n# une remarque\r\nx=1\r\n"),
        ("!echo bonjour", "!echo bonjour  \n# remarque\n"),
        ("%%time\ny = 2", "%%time\n\n# une remarque\ny=2\n"),
        ("%%timeit -n 3\ny = 2", "\n%%timeit -n 3  \ny  =  2\n\n"),
        ("%%bash\nls\n\nls", "%%bash\r\nls  \r\n\r\nls\r\n\r\n"),
        ("len?", "len?\n"),
        ("x = !ls", "x   =   !ls\n"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2\n"),
        ("ceci n'est pas du code", "ceci n'est pas du code   \n\n"),
        ("x = 'caf\udce9'", "x = 'caf\ufffd'  # é"),
        ("await f()", "await f()  \n"),
    ],
)
def test_what_a_history_and_a_file_keep_otherwise_does_not_count(source, same):
    assert cell_hash(source) == cell_hash(same) != ""


@pytest.mark.parametrize(
    ("source", "other"),
    [
        ("%matplotlib inline\nx = 1", "%matplotlib inline\nx = 2"),
        ("%matplotlib inline", "%matplotlib widget"),
        ("!echo bonjour", "!echo bonsoir"),
        ("%%time\ny = 2", "%%time\ny = 3"),
        ("%%time\ny = 2", "%%timeit\ny = 2"),
        ("%%bash\nls", "%%bash\nls -l"),
        ("%%writefile f.py\n# un", "%%writefile f.py\n# deux"),
        ("%%writefile f.py\nif a:\n    b\n    c", "%%writefile f.py\nif a:\n    b\nc"),
        ("len?", "len??"),
    ],
)
def test_every_change_of_a_magic_is_seen(source, other):
    assert cell_hash(source) != cell_hash(other)


def test_the_first_cards_are_still_read():
    """Their hashes, as they were made: of magics as text, less the newlines that a history drops."""
    old = {
        "x = 1  # un": "1371fc710ff6",
        "%matplotlib inline\nimport math\n\n": hashlib.sha256(b"%matplotlib inline\nimport math").hexdigest()[:12],
        "!echo bonjour  \n# remarque": hashlib.sha256(b"!echo bonjour  \n# remarque").hexdigest()[:12],
    }
    assert card.hashes(old, old=True) == list(old.values())


def test_hashing_warns_of_nothing(recwarn):
    cell_hash("motif = '\\d'\nx is 1")
    assert not recwarn.list


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
    assert code_cells(path) == ["a = 1", "b = 2", "c = 3\nd = 4"]


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
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
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
    assert shown["cellules"] == card.hashes(code_cells(path)) == card.hashes(code_cells(target))
    assert "PROFIL = &quot;complet&quot;" in bundle["text/html"]


# --- Every notebook that was run from top to bottom ------------------------------------------------------------------

KINDS = [
    "x = 1",
    "# Parameters\ngraine = 3\n",
    "%matplotlib inline\nimport math\n\n",
    "!echo bonjour  \n# remarque\n",
    "%%time\ny = 2\n",
    "%%capture sortie\nprint(1)\n\n\n",
    "%%writefile essai.txt\nun  \n\n  deux\n\n",
    "%%bash\necho 'deux'\n",
    "z = 1\r\nw = 2\r\n",
    "%config InlineBackend.figure_format = 'retina'\r\n\r\n",
    "len?",
    "fichiers = !ls\n",
    "   x = 2\n   y = 3\n",
    "\n\n%env A=1\n",
    "# que des mots\n",
    "   \n",
    "import asyncio\nawait asyncio.sleep(0)",
    "motif = '\\\\d'; 'été'; x is 1\n",
    "texte = '''a\n# b\n\n%c\n'''\n",
    "print('%d %%' % 3)\n%time x = 3",
    "def f():\n\treturn 1\n\n\n\n",
    "nom = 'caf\\u00e9'; 'e\u0301'",
    "%%html\n<b>gras</b>\n",
    "%reset -f",
]


def test_a_notebook_run_from_top_to_bottom_is_never_accused(tmp_path, monkeypatch, capsys):
    """One real kernel runs a cell of every kind; the card, the file and `verifier` agree."""
    sources = [*KINDS, "# Parameters\ngraine = 3\n", SETUP, CARD + "\n\n", "x = 'après la carte'", "# un mot"]
    path = write(tmp_path, sources)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJETS_CARNET", str(path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, path)
    shown = bundle_of(notebook.cells[sources.index(CARD + "\n\n") + 1].outputs)[CARD_MIME]
    assert shown["etat"] == IN_ORDER
    assert shown["suite"]
    assert shown["parametres"] == ""
    assert verification.check(path)[0] == IN_ORDER
    assert main(["verifier", str(path)]) == 0
    assert capsys.readouterr().out.strip().endswith("des cellules suivent la carte")
    # saved again by another tool: lines without their ends, other ends of lines, cells of text added
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell["source"] = "".join(cell["source"]).rstrip("\n").replace("\r\n", "\n")
    content["cells"].insert(2, {"cell_type": "markdown", "source": "une remarque", "metadata": {}})
    path.write_text(json.dumps(content), encoding="utf-8")
    assert verification.check(path)[0] == IN_ORDER
    # and each change of a cell is seen
    for cell in content["cells"]:
        if cell["cell_type"] == "code" and card.hashes([cell["source"]]) and "après" not in cell["source"]:
            before, cell["source"] = cell["source"], cell["source"].replace("1", "9") + "\nautre = 1"
            path.write_text(json.dumps(content), encoding="utf-8")
            assert verification.check(path)[0] == MODIFIED, before
            cell["source"] = before


@pytest.mark.parametrize("injected", ["", '# Parameters\nPROFIL = "complet"\n'])
def test_the_parameters_of_papermill_and_a_students_cell_are_told_apart(shell, tmp_path, monkeypatch, injected):
    cells = ['PROFIL = "rapide"', "# Parameters\ngraine = 3\n", SETUP, CARD]
    monkeypatch.setenv("PROJETS_CARNET", str(write(tmp_path, cells)))
    shown = shell(cells[0], *filter(None, [injected]), *cells[1:])[CARD_MIME]
    assert shown["etat"] == IN_ORDER
    assert shown["cellules"] == card.hashes(cells)
    assert shown["parametres"] == ('PROFIL = "complet"' if injected else "")


def test_a_notebook_run_under_another_name_is_found(shell, tmp_path, monkeypatch):
    monkeypatch.delenv("PROJETS_CARNET", raising=False)
    path = write(tmp_path, ["a = 1", SETUP, CARD]).rename(tmp_path / "rendu_de_zoé.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    assert shell("a = 1", SETUP, CARD)[CARD_MIME]["etat"] == IN_ORDER


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_the_card_of_a_damaged_notebook_says_that_it_is_not_found(shell, tmp_path, monkeypatch, content):
    (tmp_path / "carnet.ipynb").write_bytes(content)
    monkeypatch.setenv("PROJETS_CARNET", str(tmp_path / "carnet.ipynb"))
    assert shell(SETUP, CARD)[CARD_MIME]["etat"] == "carnet introuvable"
