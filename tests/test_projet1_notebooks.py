"""The parameters of the notebooks of project 1 reach every training."""

from __future__ import annotations

import dataclasses
import inspect
import json
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from test_projet1_dataset import collection, opened

from commun import figures, results
from commun.training import Run
from projet1_artistes import dataset, training

ROOT = Path(__file__).resolve().parents[1] / "projet1_artistes"
SEED, THRESHOLD = 7, 33


def run(name: str, **parameters) -> None:
    """Runs the code cells of a notebook in this process, with other parameters."""
    cells = json.loads((ROOT / name).read_text(encoding="utf-8"))["cells"]
    space: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)
            if "parameters" in cell["metadata"].get("tags", []):
                assert parameters.keys() <= space.keys()
                space |= parameters


@pytest.fixture
def asked(monkeypatch, tmp_path_factory):
    """Runs without training, on a few works, and shows nothing; records the configurations that are asked for."""
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path_factory.mktemp("travail")))
    data = opened(collection(tmp_path_factory.mktemp("œuvres"), {"Ada_Bleu": 20, "Bo_Gris": 14, "Cy_Brun": 12}))
    configs = []

    def train(config, images, labels, rows, validation=None, *, classes, title="", model=None):
        configs.append(config)
        history = pd.DataFrame([{"epoch": 1, "loss": 1.0, "accuracy": 0.1, "val_accuracy": 0.1}])
        model = training.network(config, classes) if model is None else model
        return Run(model, history, {}, None, fresh=True)

    monkeypatch.setattr(dataset, "load", lambda: data)
    monkeypatch.setattr(training, "train", train)
    for module, name in ((figures, "montrer"), (figures, "tableau"), (figures, "dire"), (results, "carte")):
        monkeypatch.setattr(module, name, lambda *arguments, **options: None)
    monkeypatch.setattr(figures, "code", check_code)
    return configs


def check_code(*items) -> None:
    """Code that is shown fits the width of a report."""
    for item in (item for item in items if item.__module__.startswith("projet1")):
        lines = textwrap.dedent(inspect.getsource(item)).splitlines()
        assert not [line for line in lines if len(line) > 90], item


def test_the_seed_and_the_threshold_of_notebook_02_reach_every_training(asked):
    run("02_modele.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    profile = training.profile("essai")
    assert {config.seed for config in asked} == {SEED}
    assert [config.oversampling_threshold for config in asked] == [THRESHOLD, THRESHOLD, *profile.thresholds]


def test_the_seed_and_the_threshold_of_notebook_03_reach_every_training(asked):
    run("03_evaluation.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    profile = training.profile("essai")
    assert {config.seed for config in asked} == {SEED}
    judged, *others = asked
    assert judged == dataclasses.replace(profile.config, seed=SEED, oversampling_threshold=THRESHOLD)
    qualities, others = others[:3], others[3:]
    assert {config.oversampling_threshold for config in qualities} == {THRESHOLD}
    removals, treatments = others[: len(profile.works_per_artist)], others[len(profile.works_per_artist) :]
    assert {config.oversampling_threshold for config in removals} == {0}  # no work is repeated there
    thresholds = [(config.oversampling_threshold, config.class_weighted) for config in treatments]
    expected = {(0, False), (THRESHOLD, False), (0, True), (THRESHOLD, True)}
    assert set(thresholds[: 4 * profile.folds]) == expected
    assert thresholds[-2] == (0, False) and thresholds[-1] in expected


def test_the_seed_of_notebook_01_draws_the_examples_and_the_threshold_is_drawn(asked, monkeypatch):
    from projet1_artistes import figures_preparation, tables

    seen = []
    for module, name in ((dataset, "random_works"), (dataset, "random_works_of_smallest"),
                         (figures_preparation, "plot_contact_sheet"), (figures_preparation, "plot_augmented"),
                         (figures_preparation, "plot_counts"), (figures_preparation, "plot_oversampling"),
                         (tables, "imbalance"), (tables, "oversampling_counts")):  # fmt: skip
        original = getattr(module, name)

        def spy(*arguments, _original=original, _name=name, **options):
            seen.append((_name, options.get("seed", options.get("threshold", arguments[-1]))))
            return _original(*arguments, **options)

        monkeypatch.setattr(module, name, spy)
    run("01_preparation.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    assert len({name for name, _ in seen}) == 8
    assert {value for _, value in seen} == {SEED, THRESHOLD}
