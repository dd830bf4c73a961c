"""What every test shares: the sample instead of real data, drawn once, and a working folder of its own."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

# Before any import of the modules, and for the kernels and processes that tests start. Tests that need the real data
# read PROJETS_DONNEES_REELLES, which keeps what the user had named.
os.environ["PROJETS_DONNEES_REELLES"] = os.environ.get("PROJETS_DATA", "")
os.environ["PROJETS_DATA"] = "echantillon"
_WORK = tempfile.TemporaryDirectory(prefix="travail-", ignore_cleanup_errors=True)
os.environ["PROJETS_TRAVAIL"] = _WORK.name
# The processes that pytest starts find this variable: they share what the first of them to ask for it draws.
if "PROJETS_ECHANTILLONS" not in os.environ:
    _SAMPLES = tempfile.TemporaryDirectory(prefix="echantillons-", ignore_cleanup_errors=True)
    os.environ["PROJETS_ECHANTILLONS"] = _SAMPLES.name


def with_samples(work):
    """Makes a working folder, where the samples are those that all share."""
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # Windows may refuse links: this folder will have its own
        (work / "echantillons").symlink_to(os.environ["PROJETS_ECHANTILLONS"], target_is_directory=True)
    return work


with_samples(Path(_WORK.name))

# Files whose tests share the notebooks that are run: one process takes them all.
_CHAIN = ("test_notebooks.py", "test_recapitulatifs.py", "test_distribution_carnets.py")
# Begun first, so that no process ends long after the others.
_LONG = (*_CHAIN, "test_repartition.py", "test_reexecution.py", "test_projet1_notebooks.py", "test_classe.py")


def pytest_collection_modifyitems(items):
    """Refuses a test that would have all the notebooks run in a second process; puts the long files first."""
    for item in items:
        if {"reports", "papers", "unanswered"} & set(item.fixturenames) and item.path.name not in _CHAIN:
            raise pytest.UsageError(f"{item.nodeid} uses the chain: its file must be in _CHAIN, in conftest.py")
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives each process whole files, in order, so that what the tests of a file share is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return "chain" if file.endswith(_CHAIN) else file

    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder for one test alone."""
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "travail"))
    return tmp_path / "travail"


@pytest.fixture(autouse=True)
def registry():
    """Forgets the pretext tasks that a test has defined: a class registers itself, and would stand for another."""
    before = sys.modules.get("projet3_ssl_anomalies.pretexts")
    kept = dict(before.PRETEXTS) if before else None
    yield
    if kept is not None:
        before.PRETEXTS.clear()
        before.PRETEXTS.update(kept)


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    """The whole chain, run once in a working folder that holds samples alone, its path with a space and an accent."""
    from chain import Chain

    from atelier.__main__ import main

    output, work = tmp_path_factory.mktemp("rapports d'été"), with_samples(tmp_path_factory.mktemp("travail"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_TRAVAIL", str(work))
        code = main(["rapports", "--profil", "essai", "--sortie", str(output)])
    return Chain(code, output, work)


@pytest.fixture(scope="session")
def papers(tmp_path_factory):
    """The hand-outs of each project, in a folder with a space and an accent: the notebooks in order."""
    from atelier.distribution import distribute
    from atelier.notebooks import projects

    folder = tmp_path_factory.mktemp("sujets distribués")
    distribute(projects(), folder, group="B2")
    return {project: sorted((folder / project).glob("*.ipynb")) for project in projects()}


@pytest.fixture(scope="session")
def unanswered(papers, reports, tmp_path_factory):
    """The hand-outs run as they are, with the parameters `chain.SECOND`: a second run, in the folder of the first."""
    from concurrent.futures import ThreadPoolExecutor

    from chain import run_in_order

    output = tmp_path_factory.mktemp("sujets exécutés")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(papers)) as pool:
        patch.setenv("PROJETS_TRAVAIL", str(reports.work))
        list(pool.map(run_in_order, papers, papers.values(), [output] * len(papers)))
    return output


@pytest.fixture
def narrow(monkeypatch):
    """EfficientNet-Lite0 of three narrow stages, its weights drawn: built and compiled in a second."""
    from projet1_artistes import efficientnet

    def draw(model, path):
        for layer in model.layers:
            random = np.random.default_rng(list(layer.name.encode()))
            layer.set_weights([random.uniform(0.1, 0.5, weight.shape) for weight in layer.weights])

    monkeypatch.setattr(efficientnet, "BLOCKS", ((1, 3, 1, 1, 8), (1, 3, 2, 2, 8), (2, 3, 1, 2, 12)))
    monkeypatch.setattr(efficientnet, "STAGES", ("stem", "stage_1", "stage_2", "stage_3", "head"))
    monkeypatch.setattr(efficientnet, "_load", draw)


@pytest.fixture
def depot(tmp_path_factory, monkeypatch):
    """An empty repository: no test reads or writes the real `data/` and `travail/`."""
    from commun import datasets

    depot = tmp_path_factory.mktemp("dépôt avec espaces")
    (depot / "data").mkdir()
    monkeypatch.setattr(datasets, "ROOT", depot)
    for name in ("PROJETS_DATA", "PROJETS_TRAVAIL"):
        monkeypatch.delenv(name, raising=False)
    return depot


@pytest.fixture
def ipython(tmp_path, monkeypatch):
    """A fresh IPython shell in this process, with a history in memory."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    display_hook, main = sys.displayhook, sys.modules["__main__"]
    InteractiveShell.clear_instance()
    instance = InteractiveShell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    yield instance
    instance.history_manager.end_session()
    InteractiveShell.clear_instance()
    sys.displayhook, sys.modules["__main__"] = display_hook, main
