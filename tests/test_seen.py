"""The outputs that a kernel has sent, and those that a file stores: real kernels, and the ways of front ends."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from atelier import notebooks, verification
from atelier.__main__ import main
from commun import UserError, seen
from commun.card import CARD_MIME, DISORDER, IN_ORDER
from commun.notebook import read_notebook

SOURCES = [
    "print('avant commun')",
    "print('avec') ; from pathlib import Path ; from commun import figures, datasets, results ; import numpy as np",
    "print('exactitude : 0,912') ; print('deux', end='') ; print(' et trois\\n\\n   quatre  ')",
    "1 + 0.5",
    "figures.dire('Le modèle atteint **{x:.1f}**.', x=91.2)",
    "place = figures.Slot()\nfor i in range(5):\n    place.text(f'époque {i}')",
    "import pandas as pd\nfigures.tableau(pd.DataFrame({'a': [1.5, 2.25]}), legende='M')\npd.DataFrame({'b': [1]})",
    "figure, axes = figures.new_figure()\naxes.plot([1, 2])\nfigures.montrer(figures.Drawing(figure, 'Une droite'))",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()",
    "from IPython.display import clear_output, display, SVG, JSON\nprint('efface')\nclear_output()\nprint('reste')",
    "print('efface')\nclear_output(wait=True)\nprint('reste 2')",
    "import warnings, sys\nwarnings.warn('bruit')\nprint('bruit', file=sys.stderr)",
    "display(JSON({'a': 1.0, 'b': [1e-7, 0.1]}))\ndisplay(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))",
    "raise ValueError('voulue : 3,14')",
    "# que des mots",
    "place.text('mis à jour plus tard')",
    "for i in range(5): print(f'\\r{i} %', end='')",
    "print('\\x1b[31mrouge\\x1b[0m')",
    "!echo du terminal",
    "len?",
    "handle = display('un', display_id='double')\ndisplay('deux', display_id='double')",
    "for i in range(300): print('ligne', i)",
    "%%capture prise\nprint('pris')",
    "import threading, time\ndef tard():\n    for i in range(8):\n        time.sleep(.05); print('fil', i)\n"
    "fil = threading.Thread(target=tard) ; fil.start()",
    "fil.join() ; float('nan')",
    "results.carte('p/01.ipynb', profil='essai', donnees=datasets.Location(Path('.'), False, 'jeu'), "
    "auteur=('Zoé', 'B', ''), resultats={'exactitude': 0.912, 'rien': float('nan'), 'un': 1.0})",
]
UNKNOWN = {0, 1, 5, 20}  # positions of the cells that cannot be compared


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    """A notebook of a cell of every kind, run by a real kernel."""
    path = tmp_path_factory.mktemp("carnet") / "01.ipynb"
    notebook = new_notebook(cells=[new_markdown_cell("# Titre"), *map(new_code_cell, SOURCES)])
    for cell in notebook.cells:
        if cell.source.startswith("raise"):
            cell.metadata["tags"] = ["raises-exception"]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_CARNET", str(path))
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def copied(executed, tmp_path):
    """Returns the content of that notebook, and what writes it and judges it."""
    content = json.loads(executed.read_text(encoding="utf-8"))

    def judged() -> str:
        path = tmp_path / "rendu.ipynb"
        path.write_text(json.dumps(content), encoding="utf-8")
        return verification.check(path)[0]

    return content, judged


def cell_of(content: dict, start: str) -> dict:
    return next(c for c in content["cells"] if c["cell_type"] == "code" and "".join(c["source"]).startswith(start))


def test_a_notebook_of_every_kind_is_not_accused(executed):
    assert verification.check(executed)[0] == IN_ORDER
    card = verification.card_of(read_notebook(executed))
    filled = [source for source in SOURCES if source != "# que des mots"]
    unknown = {filled.index(SOURCES[i]) for i in UNKNOWN}
    assert {i for i, text in enumerate(card["sorties"]) if text == seen.UNKNOWN} == unknown
    assert len(card["sorties"]) == len(card["cellules"]) == len(filled)
    assert card["sorties"][filled.index(SOURCES[16])] == "~"  # text that carriage returns overwrite
    assert card["sorties"][filled.index(SOURCES[21])].startswith("300:")
    code = [cell for cell in read_notebook(executed)["cells"] if cell["cell_type"] == "code"]
    compared = [
        seen.differs(text, cell["outputs"])
        for text, cell in zip(
            card["sorties"][:-1], (c for c in code if "que des mots" not in c["source"]), strict=False
        )
    ]
    assert [answer is None for answer in compared] == [i in unknown for i in range(len(compared))]
    assert True not in compared


EDITS = {
    "print('exactitude": ("0,912", "0,972"),
    "1 + 0.5": ("1.5", "2.5"),
    "figures.dire": ("91,2", "97,2"),
    "import pandas": ("2,250", "9,250"),
    "figure, axes": ("Une droite", "Une courbe"),
    "print('efface')\nclear_output(wait": ("reste 2", "reste 3"),
    "display(JSON": ("0.1", "0.2"),
    "raise": ("3,14", "3,15"),
    "!echo": ("du terminal", "de la main"),
    "for i in range(300)": ("ligne 250", "ligne 251"),
    "results.carte": ("0.912", "0.972"),
}


@pytest.mark.parametrize("start", EDITS)
def test_an_output_changed_by_hand_is_seen(copied, start, capsys):
    content, judged = copied
    before, after = EDITS[start]
    cell = cell_of(content, start)
    text = json.dumps(cell["outputs"], ensure_ascii=False)
    assert before in text
    cell["outputs"] = json.loads(text.replace(before, after))
    assert judged() == verification.ALTERED


def test_the_rows_of_the_card_and_its_fields_are_covered(copied):
    content, judged = copied
    output = cell_of(content, "results.carte")["outputs"][0]
    saved = copy.deepcopy(output)
    for change in (
        lambda data: data["text/plain"].__setitem__(0, "Carnet : autre\n"),
        lambda data: data.__setitem__("text/html", ["<b>0,99</b>"]),
        lambda data: data[CARD_MIME].update(profil="complet"),
        lambda data: data[CARD_MIME].pop("sorties"),
        lambda data: data[CARD_MIME].pop("empreinte"),
        lambda data: data[CARD_MIME].update(reponses={"1": "juste"}),
        lambda data: data[CARD_MIME].update(sorties=[3]),
    ):
        output.update(copy.deepcopy(saved))
        change(output["data"])
        assert judged() == verification.ALTERED
    output.update(saved)
    assert judged() == IN_ORDER
    for name in ("sorties", "empreinte"):  # a first card
        del output["data"][CARD_MIME][name]
    cell_of(content, "1 + 0.5")["outputs"] = []
    assert judged() == IN_ORDER


def test_an_output_that_lacks_accuses_nobody(copied):
    content, judged = copied
    for cell in content["cells"]:
        if "results.carte" not in "".join(cell["source"]):
            cell["outputs"] = cell.get("outputs", [])[:1]
    cell_of(content, "figures.dire")["outputs"] = []
    assert judged() == IN_ORDER


def test_an_output_added_by_hand_is_seen(copied):
    content, judged = copied
    cell_of(content, "%%capture")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "juste\n"}]
    assert judged() == verification.ALTERED


def test_a_cell_executed_again_after_the_card_is_not_called_changed_by_hand(copied):
    content, judged = copied
    cell = cell_of(content, "1 + 0.5")
    cell["execution_count"] = 99
    assert judged() == IN_ORDER  # it shows the same
    cell["outputs"][0]["data"]["text/plain"] = "2.5"
    assert judged() == DISORDER


def javascript(value):
    """Returns a JSON value as JavaScript writes it again: keys in another order, 1.0 as 1."""
    if isinstance(value, dict):
        return {name: javascript(value[name]) for name in reversed(value)}
    if isinstance(value, list):
        return [javascript(inner) for inner in value]
    return int(value) if isinstance(value, float) and value == value and value.is_integer() else value


def as_jupyterlab(cell):
    """Splits texts in lines, merges what follows in one stream, trims nothing."""
    merged = []
    for output in cell["outputs"]:
        last = merged[-1] if merged else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] = "".join(last["text"]) + "".join(output["text"])
        else:
            merged.append(output)
    return [javascript(output) for output in merged]


def as_vscode(cell):
    """Writes pictures without ends of lines, adds metadata, changes tracebacks, gathers streams at the end."""
    for output in cell["outputs"]:
        output.get("metadata", {})["needs_background"] = "light"
        if "traceback" in output:
            output["traceback"] = ["<a href='vscode:cell'>cellule</a>"]
        for mime, value in output.get("data", {}).items():
            if mime == "image/png":
                output["data"][mime] = "".join(value).replace("\n", "")
            elif not mime.endswith("json"):
                output["data"][mime] = "".join(value).rstrip("\n").splitlines(keepends=True)
    return sorted(map(javascript, cell["outputs"]), key=lambda output: output["output_type"] == "stream")


def as_colab(cell):
    """Cuts long streams."""
    for output in cell["outputs"]:
        if len(output.get("text", "")) > 100:
            output["text"] = ["Streaming output truncated to the last 5 lines.\n", *output["text"][-5:]]
    return cell["outputs"]


@pytest.mark.parametrize("front_end", [as_jupyterlab, as_vscode, as_colab])
def test_a_notebook_saved_by_another_front_end_is_not_accused(copied, front_end):
    content, judged = copied
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = front_end(cell)
    assert judged() == IN_ORDER
    cell_of(content, "figures.dire")["outputs"][0]["data"]["text/markdown"] = "Le modèle atteint **99,9**."
    assert judged() == verification.ALTERED


def test_executing_writing_back_and_exporting_change_nothing(executed, tmp_path, monkeypatch):
    """papermill's file, then `write_back`'s, then a page of it: the card still agrees."""
    monkeypatch.setattr(verification, "HANDED_OUT", tmp_path / "distribution.json")
    source, target = tmp_path / "p" / "01.ipynb", tmp_path / "sortie" / "01.ipynb"
    source.parent.mkdir()
    source.write_bytes(executed.read_bytes())
    content = json.loads(source.read_text(encoding="utf-8"))
    content["cells"] = [c for c in content["cells"] if not "".join(c["source"]).startswith("raise")]
    content["cells"].insert(1, new_code_cell("N: int = 1  # nombre", metadata={"tags": ["parameters"]}))
    source.write_text(json.dumps(content), encoding="utf-8")
    assert not notebooks.run(source, target, {"N": 2}).error
    assert verification.check(target)[0] == IN_ORDER
    with pytest.raises(UserError, match="sans -p"):  # the cell that papermill adds would stay
        notebooks.write_back(target, source)
    assert not notebooks.run(source, target, {}).error
    notebooks.write_back(target, source)
    assert verification.altered(read_notebook(source)) == []
    (tmp_path / "distribution.json").unlink()
    assert verification.check(source)[0] == IN_ORDER
    before = source.read_bytes()
    assert main(["exporter", str(source)]) == 0
    assert source.read_bytes() == before


def test_the_repository_listens_only_in_a_kernel():
    code = "import sys; import commun; assert 'IPython' not in sys.modules; import IPython; commun.seen.watch()"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0


@pytest.mark.parametrize("text", ["?", "~", "", "x" * 50, "3:", ":", "300:zz", "\ud800"])
def test_hostile_hashes_are_read(text):
    outputs = [{"output_type": "stream", "name": "stdout", "text": "a\n"}]
    assert seen.differs(text, outputs) in (True, False, None)
    assert seen.differs("", []) is False


def test_models_are_counted(monkeypatch):
    monkeypatch.setattr(seen, "models", type(seen.models)())
    seen.note_model(fresh=True)
    seen.note_model(fresh=False)
    seen.note_model(fresh=True)
    assert seen.models == {"entraîné": 2, "retrouvé": 1}


@pytest.fixture
def wire(monkeypatch):
    """Sends made-up messages; returns what is noted of an execution."""
    monkeypatch.setattr(seen, "_cells", {})
    monkeypatch.setattr(seen, "_counts", {})

    def send(kind, key, **content):
        seen._note(kind, content, {"header": {"msg_id": key}})

    for count, key in enumerate("abc", 1):
        send("execute_input", key, execution_count=count, code=key)
    return send


def test_what_a_thread_writes_later_or_a_widget_takes_is_not_compared(wire):
    wire("stream", "c", name="stdout", text="vu")
    wire("stream", "a", name="stdout", text="tard")
    assert seen.sent(3, "c") != seen.UNKNOWN
    assert seen.sent(1, "a") == seen.UNKNOWN
    assert seen.sent(2, "b") == ""
    assert seen.sent(2, "autre") == seen.sent(4, "d") == seen.UNKNOWN
    wire("comm_open", "b", data={})
    assert seen.sent(2, "b") == seen.UNKNOWN


def test_an_update_takes_the_place_of_what_was_shown(wire):
    for kind, text in (("display_data", "un"), ("update_display_data", "deux")):
        wire(kind, "c", data={"text/plain": text}, transient={"display_id": "x"})
    assert seen.sent(3, "c") == seen.of_bundle({"text/plain": "deux"})


def test_very_long_texts_are_not_kept(wire):
    for _ in range(30):
        wire("stream", "c", name="stdout", text="x" * 100_000)
    assert len(seen._cells["c"].text) < 1_200_000
    assert seen.sent(3, "c") == "~"
