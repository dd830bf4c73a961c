"""Studies shared by several workers, real processes on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import postgres
import pytest

from atelier.__main__ import main
from commun import UserError, grid, studies

WORKER = Path(__file__).with_name("study_worker.py")
FIRST = [0.25, 0.75]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    if reason := postgres.missing():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        one = postgres.Server(Path(folder))
        yield one
        one.stop()


@pytest.fixture
def base(server: postgres.Server, request, monkeypatch) -> str:
    """An empty database, which PROJETS_ETUDES names."""
    url = server.create(f"base_{abs(hash(request.node.name))}")
    monkeypatch.setenv("PROJETS_ETUDES", url)
    return url


@pytest.fixture
def hire(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen]]:
    """Starts a worker of a study of so many trials; none outlives the test."""
    workers = []

    def start(trials: int, *machine: str) -> subprocess.Popen:
        paths = os.pathsep.join([str(WORKER.parents[1]), os.environ.get("PYTHONPATH", "")])
        workers.append(
            subprocess.Popen(
                [sys.executable, WORKER, str(trials), tmp_path, *machine], env=os.environ | {"PYTHONPATH": paths},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            )
        )  # fmt: skip
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.communicate()


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits, with a bound that only a hung test meets."""
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("ce qui était attendu n'est pas arrivé")


def begun(folder: Path, pid: int | str = "*") -> list[Path]:
    return list(folder.glob(f"begun-{pid}-*"))


def end(workers: list[subprocess.Popen]) -> list[str]:
    """Waits for workers, which must end well; returns what each has said."""
    said = [worker.communicate(timeout=180)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), said
    return said


def trials_of(study: studies.Study) -> list:
    """Returns the trials that count; none must be left."""
    assert all(trial.state.is_finished() for trial in study.study.trials)
    return study.settled()


def opened() -> studies.Study:
    return studies.Study("essai", "étude")


def test_four_workers_do_each_trial_once_and_no_more_than_asked(base, hire, tmp_path: Path) -> None:
    """May take more than 10 s: four processes start at the same time, on an empty database."""
    workers = [hire(10) for _ in range(4)]
    wait_until(lambda: len(begun(tmp_path)) == 4)  # all four are in a trial, before any ends
    (tmp_path / "go").touch()
    end(workers)
    study = opened()
    trials = trials_of(study)
    assert [trial.number for trial in trials] == list(range(10)) == [t.number for t in study.study.trials]
    assert all(trial.state.name == "COMPLETE" for trial in trials)
    assert [trial.params["x"] for trial in trials if trial.params["x"] in FIRST] == FIRST  # each once
    assert len(begun(tmp_path)) == 10
    assert {trial.user_attrs["worker"] for trial in trials} <= {worker.pid for worker in workers}


@pytest.mark.parametrize("machine", [(), ("ailleurs",)])
def test_the_trial_of_a_killed_worker_is_done_again(base, hire, machine, tmp_path: Path) -> None:
    """May take more than 10 s: elsewhere, a worker is taken for dead after three heartbeats, of a second each here."""
    (tmp_path / "go").touch()
    end([hire(2)])
    (tmp_path / "go").unlink()
    before = [(t.number, t.value, t.datetime_complete) for t in trials_of(opened())]
    victim = hire(5, *machine)
    wait_until(lambda: begun(tmp_path, victim.pid))
    (lost,) = begun(tmp_path, victim.pid)
    victim.kill()  # SIGKILL
    number = int(lost.name.split("-")[-1])
    (tmp_path / "go").touch()
    end([hire(5), hire(5)])
    study = opened()
    trials = trials_of(study)
    assert len(trials) == 5 and all(trial.state.name == "COMPLETE" for trial in trials)
    assert [(t.number, t.value, t.datetime_complete) for t in trials[:2]] == before  # nothing finished is lost
    killed = study.study.trials[number]
    (again,) = [t for t in trials if t.system_attrs.get("retry_history") == [number]]
    assert killed.state.name == "FAIL" and again.params == killed.params


def test_a_worker_killed_before_its_first_heartbeat_does_not_block_the_study(base, hire, tmp_path: Path) -> None:
    """May take more than 10 s, see above. The fault that this catches: Optuna takes such a trial for a running one."""
    opened().study._storage.create_new_trial(opened().study._study_id)
    (tmp_path / "go").touch()
    end([hire(3)])
    assert len(trials_of(opened())) == 3


def test_a_database_that_stops_and_starts_is_survived(server, base, hire, tmp_path: Path) -> None:
    """May take more than 10 s: workers start, and wait a little longer at each refusal."""
    workers = [hire(6) for _ in range(3)]
    wait_until(lambda: len(begun(tmp_path)) == 3)
    server.stop()
    try:
        (tmp_path / "go").touch()  # trials end while the database is down
        for worker in workers:
            line = worker.stderr.readline()
            assert line.startswith("La base des études ne répond pas."), line
    finally:
        server.start()
    said = end(workers)
    assert all("La base des études répond de nouveau." in text for text in said)
    trials = trials_of(opened())
    assert len(trials) == 6 and all(trial.state.name == "COMPLETE" for trial in trials)
    kept = {int(path.name.split("-")[-1]) for path in begun(tmp_path)}
    assert len(begun(tmp_path)) == 6 == len(kept)  # no training was lost: none was done twice


def test_a_database_that_does_not_come_back_ends_the_worker_in_a_sentence(server, base, monkeypatch, capsys) -> None:
    monkeypatch.setattr(studies, "PATIENCE", 1)
    study = opened()

    def objective(trial) -> float:
        server.stop()
        return 0.0

    try:
        with pytest.raises(UserError, match="ne répond plus"):
            study.work(objective, trials=1)
    finally:
        server.start()
    assert capsys.readouterr().err.count("ne répond pas") == 1


def test_a_trial_given_to_another_worker_is_not_counted_twice(base, monkeypatch, capsys) -> None:
    """A worker that was cut off for long comes back with a result: its trial has been done elsewhere."""
    study, done = opened(), []

    def objective(trial) -> float:
        done.append(trial.number)
        if len(done) == 1:
            study._storage.set_trial_state_values(trial._trial_id, study.study.trials[0].state.__class__.FAIL)
        return 0.0

    study.work(objective, trials=2)
    assert len(study.settled()) == 2 and done == [0, 1, 2]
    assert "confié à un autre ouvrier" in capsys.readouterr().err


def test_a_turn_that_was_lost_counts_for_nothing(base, monkeypatch) -> None:
    """The fault that this catches: a worker whose lock fell in mid-claim makes one trial too many."""
    study, ends = opened(), []
    end_turn = studies._Turn.end

    def broken(turn) -> bool:
        held = turn._connection is not None and end_turn(turn)
        ends.append(held)
        return len(ends) > 1

    monkeypatch.setattr(studies._Turn, "end", broken)
    called = []
    study.work(lambda trial: called.append(trial.number) or 0.0, trials=2)
    assert len(study.settled()) == 2 == len(called)


# --- Without a server ------------------------------------------------------------------------------------------------


@pytest.fixture
def local(work, monkeypatch) -> None:
    monkeypatch.delenv("PROJETS_ETUDES", raising=False)


ALONE = """
import os, signal, sys
from commun import studies
optuna = studies.import_optuna()
place, number = sys.argv[1], int(sys.argv[2])
def die(here, trial):
    if here == place and trial.number == number:
        os.kill(os.getpid(), signal.SIGKILL)
def objective(trial):
    die("before", trial)
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    die("after", trial)
    return (x - 0.3) ** 2 + (y - 0.6) ** 2
sampler = lambda number: optuna.samplers.TPESampler(seed=number, n_startup_trials=3)
study = studies.Study("essai", "seule", sampler=sampler, first=({"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.5}))
study.work(objective, trials=8)
print([(trial.params, trial.value) for trial in study.settled()])
"""


def alone(work: Path, *arguments: str) -> tuple[int, str]:
    environment = os.environ | {"PROJETS_TRAVAIL": str(work), "PYTHONPATH": str(WORKER.parents[1])}
    command = [sys.executable, "-c", ALONE, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout


def test_a_study_whose_worker_was_killed_ends_with_the_trials_that_it_would_have_had(local, tmp_path: Path) -> None:
    """May take more than 10 s: a dozen processes import Optuna. The figures of a killed notebook depend on it."""
    expected = alone(tmp_path / "calme", "nowhere", "0")
    assert expected[0] == 0 and expected[1].count("x") == 8
    for place in ("before", "after"):
        for number in (0, 2, 5):
            folder = tmp_path / f"{place} {number}"
            assert alone(folder, place, str(number)) == (-signal.SIGKILL, "")
            assert alone(folder, "nowhere", "0") == expected, (place, number)


def test_an_interrupted_trial_is_done_again_at_once(local) -> None:
    study, numbers = opened(), []

    def objective(trial) -> float:
        numbers.append(trial.number)
        if len(numbers) == 1:
            raise KeyboardInterrupt
        return trial.suggest_float("x", 0, 1)

    with pytest.raises(KeyboardInterrupt):
        study.work(objective, trials=2)
    study.work(objective, trials=2)
    assert numbers == [0, 1, 2] and [t.number for t in study.settled()] == [1, 2]


def test_a_trial_that_diverges_is_not_done_again_and_a_fault_is_told(local) -> None:
    study = opened()

    def diverging(trial) -> float:
        raise ArithmeticError("L'entraînement a divergé.")

    def wrong(trial) -> float:
        raise ValueError("une faute")

    study.work(diverging, trials=1, failures=(ArithmeticError,))
    assert [t.state.name for t in study.settled()] == ["FAIL"]
    with pytest.raises(ValueError, match="une faute"):
        study.work(wrong, trials=2)


def test_a_trial_that_kills_its_workers_is_given_up(local) -> None:
    study = opened()

    def deadly(trial) -> float:
        raise SystemExit

    for _ in range(studies.RETRIES + 1):
        with pytest.raises(SystemExit):
            study.work(deadly, trials=1)
        for trial in study.study.trials:  # as its heartbeat would
            if trial.state.name == "RUNNING":
                study._storage.set_trial_state_values(trial._trial_id, trial.state.__class__.FAIL)
    study.work(deadly, trials=1)
    assert [t.state.name for t in study.settled()] == ["FAIL"]


@pytest.mark.parametrize(
    "url", ["n'importe quoi", "postgresql://moi:secret@127.0.0.1:9/base", "sqlite:////absent/x.db"]
)
def test_a_wrong_address_is_told_in_a_sentence_without_its_password(url: str, monkeypatch) -> None:
    monkeypatch.setenv("PROJETS_ETUDES", url)
    with pytest.raises(UserError, match="PROJETS_ETUDES") as refusal:
        opened()
    assert "secret" not in str(refusal.value)


def test_a_missing_driver_is_told_in_a_sentence(monkeypatch) -> None:
    monkeypatch.setenv("PROJETS_ETUDES", "postgresql://moi:secret@127.0.0.1:9/base")
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it were not installed
    with pytest.raises(UserError, match=r"Le pilote de la base des études manque .* pip install .*psycopg") as refusal:
        opened()
    assert "secret" not in str(refusal.value)


# --- Grids -----------------------------------------------------------------------------------------------------------


def test_without_a_shared_database_a_grid_is_evaluated_in_order(local, work: Path) -> None:
    seen = []
    assert grid.evaluate("essai", "grille", "abc", lambda point: seen.append(point) or point.upper()) == ["A", "B", "C"]
    assert seen == ["a", "b", "c"] and not list(work.rglob("*.db"))


def test_two_workers_evaluate_each_point_of_a_grid_once_and_both_read_all(base, monkeypatch) -> None:
    monkeypatch.setattr(studies, "POLL", 0.1)
    seen = []

    def work(point: str) -> dict:
        seen.append(point)
        time.sleep(0.2)
        return {"found": point.upper()}

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(grid.evaluate, "essai", "grille", "abcdef", work) for _ in range(2)]
    expected = [{"found": point} for point in "ABCDEF"]
    assert [one.result() for one in both] == [expected, expected]
    assert sorted(seen) == list("abcdef")
    assert grid.evaluate("essai", "grille", "abcdef", None) == expected  # found again: nothing is done


def test_a_point_that_fails_is_told_and_done_again_by_the_next_worker(base) -> None:
    def wrong(point: str) -> str:
        raise UserError("divergé")

    with pytest.raises(UserError, match="divergé"):
        grid.evaluate("essai", "grille", "ab", wrong)
    assert grid.evaluate("essai", "grille", "ab", str.upper) == ["A", "B"]


def test_a_point_that_kills_its_workers_is_named(base) -> None:
    def deadly(point: str) -> str:
        raise SystemExit

    for _ in range(studies.RETRIES + 1):
        with pytest.raises(SystemExit):
            grid.evaluate("essai", "grille", "a", deadly)
        study = studies.Study("essai", "grille")
        for trial in study.study.trials:  # as a worker of this machine, once that process is gone
            if trial.state.name == "RUNNING":
                study._storage.set_trial_state_values(trial._trial_id, trial.state.__class__.FAIL)
    with pytest.raises(UserError, match="l'essai 1 sur 1"):
        grid.evaluate("essai", "grille", "a", deadly)


# --- The command -----------------------------------------------------------------------------------------------------


def test_an_unknown_study_is_told_with_those_that_exist(local, capsys) -> None:
    assert main(["ouvrier", "projet9"]) == 2
    told = capsys.readouterr().err
    for name in ("projet1_artistes/seuil", "projet1_artistes/oeuvres", "projet2_cvae", "projet3_ssl_anomalies/entrain"):
        assert name in told


def test_the_worker_and_notebook_03_share_a_study(local, monkeypatch, capsys) -> None:
    """The fault that this catches: a worker whose trials the notebook would not find."""
    from projet2_cvae import selection

    asked = []

    def search(data, budget, *, trials, title):
        asked.append((selection._identity(data), budget, trials))
        return selection.pd.DataFrame({"state": ["complete"], "val_nelbo": [1.0]})

    monkeypatch.setattr(selection, "search", search)
    assert main(["ouvrier", "projet2_cvae", "--profil", "essai"]) == 0
    printed = capsys.readouterr().out
    assert "dossier de travail, pour un seul ouvrier" in printed and "terminée : 1 essai, dont 1 complet." in printed
    notebook = json.loads((Path(selection.__file__).parent / "03_selection.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict = {}
    for source in sources:
        if "PROFIL: str" in source:
            exec(source.replace('"rapide"', '"essai"', 1), names)
        elif "import selection" in source or "questions, selection" in source or "profil =" in source:
            exec(source, names)
        elif "selection.search(" in source:
            exec(source.splitlines()[0], names)
            break
    assert len(asked) == 2 and asked[0] == asked[1]
