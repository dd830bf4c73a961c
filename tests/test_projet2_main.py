"""The command that makes the reference of project 2, run whole on a handful of garments that pass for real ones.

It runs twice, on data that differ by their test part alone: what is decided before this part is read must not.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import shutil
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commun import results
from commun import training as common
from commun.datasets import IDX_FILES
from projet2_cvae import __main__, comparison, dataset, evaluation, judge, sample, selection, training

TINY = [
    *("--essais", "2", "--images-essai", "64", "--images", "1024", "--epoques", "1"),
    *("--finalistes", "1", "--images-juge", "64", "--graines", "0", "--lot", "16"),
]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a command finds its data and writes; `run` gives its exit code."""

    reference: Path
    run: Callable[..., int]


def _poison(folder: Path) -> None:
    """Changes every label and every pixel of the test part; the number of images of each class stays."""
    images, labels = IDX_FILES["test"]
    for name, header, change in ((images, 16, lambda a: 255 - a), (labels, 8, lambda a: (a + 1) % 10)):
        with gzip.open(folder / name) as stream:
            content = stream.read()
        values = change(np.frombuffer(content[header:], "uint8"))
        with gzip.open(folder / name, "wb") as stream:
            stream.write(content[:header] + values.tobytes())


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """Two sets of data, "clean" and "poisoned", that the command takes for real ones."""
    root = tmp_path_factory.mktemp("données réelles")
    sample.draw(root / "clean" / "fashion_mnist", train=240, test=40)
    shutil.copytree(root / "clean", root / "poisoned")
    _poison(root / "poisoned" / "fashion_mnist")
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)  # of trainings that short, compiling is most of the time
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PROJETS_ETUDES", raising=False)
        full = dataclasses.replace(training.profile("complet"), trial=(64, 1))
        patch.setitem(training.PROFILES, "complet", full)
        patch.setattr(selection, "WIDEST", {"dense": 16, "conv": 4})
        patch.setattr(judge, "JudgeConfig", functools.partial(judge.JudgeConfig, width=4, features=6, epochs=1))
        patch.setattr(evaluation, "evaluate", functools.partial(evaluation.evaluate, draws=5))
        patch.setattr(comparison, "rival_metrics", functools.partial(comparison.rival_metrics, draws=60))

        def run(name: str, *more: str) -> int:
            with pytest.MonkeyPatch.context() as here:
                here.setenv("PROJETS_DATA", str(root / name))
                here.setenv("PROJETS_TRAVAIL", str(root / name / "travail"))
                for module in (__main__, evaluation):
                    here.setattr(module, "REFERENCE", root / name / "reference")
                return __main__.main([*TINY, *more])

        yield {name: Place(root / name / "reference", functools.partial(run, name)) for name in ("clean", "poisoned")}
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def clean(places: dict[str, Place]) -> Path:
    assert places["clean"].run("--sans-test") == 0
    written = {path.name for path in places["clean"].reference.iterdir()}
    assert written == {"etude.csv", "finale.csv"}  # nothing that the test part has to go with
    assert places["clean"].run() == 0
    return places["clean"].reference


@pytest.fixture(scope="module")
def poisoned(places: dict[str, Place]) -> Path:
    assert places["poisoned"].run() == 0
    return places["poisoned"].reference


def test_the_command_makes_the_whole_reference(clean: Path) -> None:
    content = results.read_metrics(clean / "metrics.json")
    rival = {f"rival/{name}" for name in ("class_fidelity", "diversity", "frechet_ratio")}
    assert set(content["metrics"]) - rival == set(evaluation.LABELS) == set(content["default_model"])
    assert rival < set(content["metrics"]) and content["frechet_train_test"] > 0
    for name, entry in content["metrics"].items():
        assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]
        assert len(entry["per_seed"]) == (3 if name in rival else 1)
    assert content["split"] == "test officiel (40 images) ; apprentissage sur les 240 autres"
    assert content["dataset"] == "Fashion-MNIST" and content["command"].startswith("python -m projet2_cvae")
    assert content["duration_s"] > 0
    study = pd.read_csv(clean / "etude.csv")
    assert study["state"].tolist() == ["complete"] * 2 and set(selection.SPACE) < set(study.columns)
    final = pd.read_csv(clean / "finale.csv")
    config = json.loads((clean / "modele.json").read_text(encoding="utf-8"))
    best = final.loc[final["val_nelbo"].idxmin()]
    smaller, larger = final.loc[final["val_nelbo"][:-1].idxmin()], final.iloc[-1]
    assert larger["batch_size"] == 16 != smaller["batch_size"]  # `--lot`: as many steps
    assert larger["images_seen"] / 16 == smaller["images_seen"] / smaller["batch_size"]
    assert all(best[name] == value for name, value in config.items())
    assert len(pd.read_csv(clean / "historique.csv")) == 1
    assert len(pd.read_csv(clean / "journal.csv")) == 2  # the model, and the rival
    assert "MIT" in (clean / "LICENCE.md").read_text(encoding="utf-8")


def test_what_is_finished_is_not_done_again(places: dict[str, Place], clean: Path, monkeypatch) -> None:
    before = (clean / "modele.npz").read_bytes()
    monkeypatch.setattr(common, "Progress", lambda *_: pytest.fail("a model is trained again"))
    assert places["clean"].run("--sans-test") == 0
    assert (clean / "modele.npz").read_bytes() == before


def test_the_test_part_decides_nothing(clean: Path, poisoned: Path) -> None:
    """The faults that this catches: a search, a choice, a judge or its statistics that read the test part."""
    for name in ("etude.csv", "finale.csv", "historique.csv"):
        tables = [pd.read_csv(folder / name).drop(columns="seconds") for folder in (clean, poisoned)]
        pd.testing.assert_frame_equal(*tables)
    for name in ("juge", "modele"):
        assert (clean / f"{name}.json").read_bytes() == (poisoned / f"{name}.json").read_bytes()
        with np.load(clean / f"{name}.npz") as mine, np.load(poisoned / f"{name}.npz") as theirs:
            assert mine.files == theirs.files
            for key in mine.files:
                np.testing.assert_array_equal(mine[key], theirs[key], err_msg=f"{name}, {key}")
    runs = [{p.name for p in (f.parent / "travail/modeles/projet2_cvae").iterdir()} for f in (clean, poisoned)]
    assert runs[0] == runs[1]  # a run's name holds the fingerprint of what it learns from
    mine, theirs = (results.read_metrics(folder / "metrics.json")["metrics"] for folder in (clean, poisoned))
    assert all(mine[name]["value"] != theirs[name]["value"] for name in ("test_nelbo", "classifier_accuracy"))


def test_the_judge_and_the_final_models_learn_from_the_whole_training_part(clean: Path, monkeypatch) -> None:
    monkeypatch.setenv("PROJETS_DATA", str(clean.parent))
    data = dataset.load()
    with np.load(clean / "juge.npz") as stored:
        assert stored["count"].sum() == len(data.test)
    whole = common.fingerprint(data.train.images, data.train.labels)
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (clean.parent / "travail/modeles/projet2_cvae").glob("*/config.json")
    ]
    assert sum(run["data"] == whole for run in found) == 2  # the judge and the only seed; the finalists, on a part


def test_without_real_images_nothing_is_made(tmp_path: Path, monkeypatch, capsys) -> None:
    data = types.SimpleNamespace(location=types.SimpleNamespace(is_real=False, title="Fashion-MNIST"))
    monkeypatch.setattr(dataset, "load", lambda: data)
    monkeypatch.setattr(__main__, "REFERENCE", tmp_path / "reference")
    assert __main__.main([]) == 2
    assert "PROJETS_DATA" in capsys.readouterr().err
    assert not (tmp_path / "reference").exists()
