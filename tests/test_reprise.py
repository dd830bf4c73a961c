"""What an interrupted run of the notebooks had done is not done again, and two runs never write in one folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from atelier import notebooks, rapports, reprise
from commun import UserError

PROJECT = "projet8_essai"
HOLD = """
import sys, time
from pathlib import Path
from atelier import reprise
with reprise.opened(Path(sys.argv[1])) as progress:
    progress.note("une clé", 3.5)
    print("tenu", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Three notebooks whose run is pretended: each is asked for, and fails or is interrupted where `ends` says so."""
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    paths = [tmp_path / PROJECT / name for name in ("01_un.ipynb", "02_deux.ipynb", "03_trois.ipynb")]
    paths[0].parent.mkdir()
    for path in paths:
        nbformat.write(new_notebook(cells=[new_markdown_cell("# Un titre"), new_code_cell("1 + 1")]), path)
    asked, ends = [], {}

    def run(source, target, values, *, threads=None):
        asked.append(source.name)
        if source.name in ends and isinstance(ends[source.name], BaseException):
            raise ends[source.name]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        return notebooks.Outcome(2.0, ends.get(source.name, ""))

    monkeypatch.setattr(notebooks, "run", run)

    def go(values=None):
        asked.clear()
        groups = {PROJECT: paths}
        lines, code = rapports.run(groups, tmp_path / "r", values or {path: {} for path in paths}, 1)
        return [line.status for line in lines], code, list(asked)

    go.paths, go.ends, go.output = paths, ends, tmp_path / "r"
    return go


ALL = ["01_un.ipynb", "02_deux.ipynb", "03_trois.ipynb"]


def test_what_an_interrupted_run_had_done_is_not_done_again(house, capsys):
    house.ends["02_deux.ipynb"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        house()
    house.ends.clear()
    capsys.readouterr()
    assert house() == (3 * ["réussi"], 0, ALL[1:])
    told = capsys.readouterr().out
    assert f"{PROJECT}/01_un.ipynb réussi en 2\xa0s, lors d'une exécution précédente" in told
    assert told.count("précédente") == 1
    assert not (house.output / reprise.FILE).exists()
    assert house() == (3 * ["réussi"], 0, ALL)  # all had succeeded: the user asks for it all again


def test_after_a_failure_only_what_comes_from_it_on_is_run(house):
    house.ends["02_deux.ipynb"] = "ValueError: la mesure est vide"
    assert house() == (["réussi", "échec", "non exécuté"], 1, ALL[:2])
    house.ends.clear()
    assert house() == (3 * ["réussi"], 0, ALL[1:])


def test_what_has_lost_its_executed_notebook_is_run_again(house):
    house.ends["03_trois.ipynb"] = "échoué"
    house()
    (house.output / PROJECT / "02_deux.ipynb").unlink()
    house.ends.clear()
    assert house()[2] == ALL[1:]


def _edited(house, monkeypatch):
    paper = nbformat.read(house.paths[1], as_version=4)
    paper.cells[1].source = "1 + 2"
    nbformat.write(paper, house.paths[1])
    return ALL[1:]


def _with_data(house, monkeypatch):
    folder = house.output.parent / "données"
    folder.mkdir()
    (folder / "images.gz").write_bytes(b"1")
    monkeypatch.setenv("PROJETS_DATA", str(folder))
    return ALL


def _with_another_module(house, monkeypatch):
    monkeypatch.setattr(reprise, "_modules", lambda: "autre")
    return ALL


def _with_another_library(house, monkeypatch):
    monkeypatch.setattr(reprise, "_versions", lambda: ["autre"])
    return ALL


def _with_another_backend(house, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    return ALL


@pytest.mark.parametrize(
    "change", [_edited, _with_data, _with_another_module, _with_another_library, _with_another_backend]
)
def test_what_depends_on_a_change_is_run_again(house, monkeypatch, change):
    house.ends["03_trois.ipynb"] = "échoué"
    house()
    house.ends.clear()
    expected = change(house, monkeypatch)
    assert house()[2] == expected


def test_other_parameters_are_another_run(house):
    house.ends["03_trois.ipynb"] = "échoué"
    house()
    assert house({path: {"GRAINE": 1} if path == house.paths[0] else {} for path in house.paths})[2] == ALL


def test_data_put_in_place_or_changed_is_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    file = tmp_path / "jeu" / "images" / "a.png"
    file.parent.mkdir(parents=True)
    seen = [reprise._data()]
    file.write_bytes(b"1")
    seen.append(reprise._data())
    file.write_bytes(b"12")
    seen.append(reprise._data())
    os.utime(file, ns=(1, 1))
    seen.append(reprise._data())
    assert len({json.dumps(data) for data in seen}) == 4


def test_the_modules_are_those_of_the_repository(monkeypatch, tmp_path):
    ours = reprise._modules()
    monkeypatch.setattr(reprise, "ROOT", tmp_path)
    (tmp_path / "commun").mkdir()
    (tmp_path / "commun" / "un.py").write_text("1")
    one = reprise._modules()
    (tmp_path / "projet9_x" / "sous").mkdir(parents=True)
    (tmp_path / "projet9_x" / "sous" / "deux.py").write_text("2")
    assert len({ours, one, reprise._modules()}) == 3


def test_another_process_is_kept_out_and_a_killed_one_leaves_what_it_had_noted(house):
    house.output.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(house.output)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
    ) as other:
        assert other.stdout.readline().strip() == b"tenu"
        with pytest.raises(UserError, match="Une autre exécution écrit déjà"):
            house()
        other.send_signal(signal.SIGKILL)
        other.wait()
    with reprise.opened(house.output) as progress:
        assert progress.seconds("une clé") == 3.5 and progress.seconds("une autre") is None
    assert house()[1] == 0


def test_a_damaged_file_is_started_anew(house):
    house.output.mkdir()
    (house.output / reprise.FILE).write_bytes(b"ceci n'est pas une base" * 100)
    assert house() == (3 * ["réussi"], 0, ALL)


def test_a_folder_where_nothing_can_be_written_is_told(house):
    (house.output / reprise.FILE).mkdir(parents=True)
    with pytest.raises(UserError, match="Rien ne peut être écrit"):
        house()
