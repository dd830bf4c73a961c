"""The command that makes `reference/`, on a drawn category that stands for a real one."""

import dataclasses
import io
import json

import pandas as pd
import pytest

import commun.training
import projet3_ssl_anomalies as project
from commun import results
from projet3_ssl_anomalies import __main__ as command
from projet3_ssl_anomalies import ablation, dataset, detector, evaluation, sample, training
from projet3_ssl_anomalies.pretexts import PRETEXTS, Inpainting

import keras  # isort: skip

SMALL = ["--images", "8", "--epoques", "1", "--plis", "2", "--cote", "32"]


@pytest.fixture
def real(work, tmp_path, monkeypatch):
    """A category on disk, an empty reference folder, and one pretext task instead of three."""
    sample.draw(tmp_path / "donnees" / "mvtec_ad" / "toothbrush", category="toothbrush", train=8, good=5, bad=3)
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "donnees"))
    for module in (project, detector):
        monkeypatch.setattr(module, "REFERENCE", tmp_path / "reference")
    (tmp_path / "reference").mkdir()
    before = dict(PRETEXTS)
    for task in before:
        if task != "colorization":
            del PRETEXTS[task]
    yield tmp_path / "reference"
    PRETEXTS.clear()
    PRETEXTS.update(before)  # in the same order


def test_the_command_writes_a_reference_that_judges_alike(real, monkeypatch):
    assert command.main([*SMALL, "--sans-test"]) == 0
    assert not (real / "metrics.json").exists()
    monkeypatch.setattr(commun.training, "_save_run", None)  # nothing is trained again
    assert command.main(SMALL) == 0

    content = results.read_metrics(real / "metrics.json")
    assert {name.split("/")[1] for name in content["metrics"]} == {"colorization", "fused"}
    entry = content["metrics"]["toothbrush/fused/image_auroc"]
    assert entry["n"] == 8
    assert entry["per_seed"] == [entry["value"]]
    assert "8 images" in content["split"]["toothbrush"]
    assert content["duration_s"] == content["training_s"]["toothbrush"]
    assert len(pd.read_csv(real / "journal.csv")) == 1
    assert {"image", "pixel", "pro"} <= set(pd.read_csv(real / "toothbrush" / "ablation.csv"))
    assert "non commercial" in (real / "LICENCE.md").read_text(encoding="utf-8")

    folder = dataset.load("toothbrush").location.folder
    judged = evaluation.score_folder(folder, "toothbrush", detector=detector.load_detector("toothbrush", real))
    assert judged.metrics["image_auroc"]["value"] == pytest.approx(entry["value"], abs=1e-3)
    assert json.loads((real / "toothbrush" / "detecteur.json").read_text(encoding="utf-8"))["category_id"] == 0
    assert not training.build(training.Config(task="colorization", start_from_mean=False)).mean_image.numpy().any()


@pytest.mark.parametrize("arguments", [["--categories", "hazelnut"], ["--categories", "marteau"]])
def test_what_is_not_real_is_refused_in_one_sentence(real, arguments, capsys):
    assert command.main([*arguments, *SMALL]) == 2
    message = capsys.readouterr().err
    assert message.startswith("Erreur : ")
    assert arguments[1] in message
    assert "Traceback" not in message


def test_training_variants_differ_by_one_constant_each():
    (first, _, retained), *others = ablation.training_variants(8, 1)
    assert first == ablation.RETAINED
    for constant, value, config in others:
        fields = [name for name in vars(config) if getattr(config, name) != getattr(retained, name)]
        assert fields == [constant] and value


def test_trainings_are_compared_on_the_same_defects(real, monkeypatch, capsys):
    PRETEXTS["inpainting"] = Inpainting  # until the end of the fixture
    small = ablation.Config(task="inpainting", images_seen=8, epochs=1, side=32, start_from_mean=False, width=4)
    two = [(ablation.RETAINED, "", small), ("side", "64", dataclasses.replace(small, side=64))]
    monkeypatch.setattr(ablation, "training_variants", lambda images, epochs: iter(two))
    monkeypatch.setattr(ablation, "PAINTED", 2)
    compiled = keras.Model.compile
    monkeypatch.setattr(keras.Model, "compile", lambda model, *args: compiled(model, *args, run_eagerly=True))
    assert command.main([*SMALL, "--essais"]) == 0
    table = pd.read_csv(io.StringIO("category," + capsys.readouterr().out.split("category,")[1]))
    assert table["constant"].tolist() == [ablation.RETAINED, *["scoring_masks"] * 3, "side"]
    assert table["value"][1:].tolist() == [16, 8, 4, 64]
    assert table[["image", "pixel", "pro"]].notna().all(axis=None)
    assert table[["pixel", "pro"]].apply(lambda column: column.between(0, 1).all()).all()
    assert not list(real.iterdir())  # nothing is written there
