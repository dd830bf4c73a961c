"""Results: intervals, metrics files, comparison tables, and the run's card in real kernels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from commun import UserError, results
from commun.results import CARD_MIME, cell_hash, compare

# --- Intervals -------------------------------------------------------------------------------------------------------


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval():
    values = np.random.default_rng(0).normal(10, 3, 400)
    low, high = results.bootstrap(lambda i: values[i].mean(), len(values))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.08 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.08 * half)


def test_bootstrap_draws_with_replacement_as_many_examples_as_there_are():
    drawn = []
    results.bootstrap(lambda i: drawn.append(i) or 0.0, 50, draws=40)
    assert len(drawn) == 40
    assert all(len(i) == 50 and i.min() >= 0 and i.max() < 50 for i in drawn)
    distinct = np.mean([len(set(i)) for i in drawn])
    assert 28 < distinct < 36  # 50 (1 - 1/e) = 31.6


def test_bootstrap_depends_on_its_seed_alone():
    values = np.arange(30.0)
    first, again, other = (results.bootstrap(lambda i: values[i].mean(), 30, draws=50, seed=s) for s in (1, 1, 2))
    assert first == again != other


def test_the_interval_shrinks_as_the_square_root_of_n():
    random = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        low, high = results.metric(random.normal(size=n), draws=500)["ci95"]
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)


def test_metric_of_a_proportion():
    found = results.metric(np.array([True] * 30 + [False] * 10), draws=200)
    assert found["value"] == 0.75
    assert found["n"] == 40
    assert 0 < found["ci95"][0] < 0.75 < found["ci95"][1] < 1
    assert json.loads(json.dumps(found)) == found  # plain Python numbers


# --- Files -----------------------------------------------------------------------------------------------------------


def test_metrics_file_round_trip(tmp_path):
    content = {"dataset": "été", "metrics": {"nelbo": {"value": 234.5, "ci95": [233.0, 236.0], "n": 10}}}
    path = tmp_path / "dossier à créer" / "metrics.json"
    results.write_json(path, content)
    assert results.read_metrics(path) == content
    assert "été" in path.read_text(encoding="utf-8")
    results.write_json(path, content | {"dataset": "b"})
    assert results.read_metrics(path)["dataset"] == "b"


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "metrics.json"
    results.write_json(path, {"metrics": {}})
    with pytest.raises(TypeError):
        results.write_json(path, {"metrics": object()})
    assert results.read_metrics(path) == {"metrics": {}}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"metrics": 3}', b"3", b"\xff\xfe", b"null"])
def test_an_invalid_metrics_file_is_a_user_error(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.json n'est pas un fichier de mesures valide"):
        results.read_metrics(path)


def test_no_metrics_file_is_none(tmp_path):
    assert results.read_metrics(tmp_path / "metrics.json") is None


def test_the_journal_gains_a_line_at_each_reading(tmp_path):
    path = tmp_path / "journal.csv"
    results.journal(path, "0012", {"test_nelbo": np.float32(234.56789)})
    results.journal(path, "12e4", {"test_nelbo": 233.0, "test_kl": 20.0})
    table = pd.read_csv(path, dtype=str)
    assert table["configuration"].tolist() == ["0012", "12e4"]  # hashes stay texts
    assert table["test_nelbo"].astype(float).tolist() == [pytest.approx(234.5679), 233]
    assert table["date"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()


LABELS = {"b": "Mesure B", "a": "Mesure A"}
MINE = {"a": {"value": 0.5, "ci95": [0.25, 0.75]}, "hors": {"value": 1, "ci95": [1, 1]}}


@pytest.mark.parametrize(
    "reference", [None, {"metrics": {}}, {"metrics": {"b": {"value": -1500, "ci95": [-2e3, -1e3]}}}]
)
def test_comparison_has_the_rows_of_the_labels_and_a_dash_where_nothing_is_known(reference):
    table = results.comparison(LABELS, MINE, reference, {"b": "0,9 (auteurs)"})
    assert table.index.tolist() == ["Mesure B", "Mesure A"]
    assert table["cette exécution"].tolist() == ["–", "0,500 [0,250 ; 0,750]"]
    assert table["publié"].tolist() == ["0,9 (auteurs)", "–"]
    known = reference and reference["metrics"]
    expected = "−1\u202f500 [−2\u202f000 ; −1\u202f000]" if known else "–"
    assert table["référence sur données réelles"].tolist() == [expected, "–"]


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
    assert results.hashes([empty, "x", empty]) == [cell_hash("x")]


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
    assert results.code_cells(path) == ["a = 1", "b = 2", "c = 3\nd = 4"]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff", b'{"cells": [{}]}', b'{"cells": 3}'])
def test_what_is_not_a_notebook_is_a_user_error(tmp_path, content):
    path = tmp_path / "carnet.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"carnet\.ipynb est introuvable ou n'est pas un carnet"):
        results.code_cells(path)


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
    card = shell(*(CELLS[i] for i in order))[CARD_MIME]
    assert card["etat"] == state
    assert card["cellules"] == results.hashes([CELLS[i] for i in order])


def test_the_card_without_its_notebook_says_so(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_CARNET", str(tmp_path / "absent.ipynb"))
    assert shell(SETUP, CARD)[CARD_MIME]["etat"] == "carnet introuvable"


def test_the_card_looks_in_the_repository_without_the_variable(shell, tmp_path, monkeypatch):
    monkeypatch.delenv("PROJETS_CARNET", raising=False)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "projet").mkdir()
    write(tmp_path, [SETUP, CARD]).rename(tmp_path / "projet/01_essai.ipynb")
    assert shell(SETUP, CARD)[CARD_MIME]["etat"] == IN_ORDER


def test_the_card_shows_its_rows_in_french_and_escapes_them(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_CARNET", str(write(tmp_path, CELLS)))
    first = shell(*CELLS)
    second = shell(CARD)
    card = first[CARD_MIME]
    assert json.loads(json.dumps(card)) == card
    assert (card["carnet"], card["profil"], card["donnees_reelles"]) == ("projet/01_essai.ipynb", "essai", False)
    assert card["donnees"] == "échantillon synthétique (Fashion <MNIST>)"
    assert {"python", "keras", "numpy"} <= set(card["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", card["date"])
    assert re.fullmatch(r"[0-9a-f]{32}", card["execution"])
    assert card["execution"] != second[CARD_MIME]["execution"]
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
    card = shell(*cells)[CARD_MIME]
    assert (card["donnees"], card["donnees_reelles"]) == ("Fashion <MNIST>", True)


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
    card = bundle[CARD_MIME]
    assert card["etat"] == IN_ORDER
    assert card["parametres"] == 'PROFIL = "complet"'
    assert card["profil"] == "complet"
    assert card["cellules"] == results.hashes(results.code_cells(path)) == results.hashes(results.code_cells(target))
    assert "PROFIL = &quot;complet&quot;" in bundle["text/html"]
