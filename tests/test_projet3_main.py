"""The command that makes `reference/`, on a drawn category that stands for a real one."""

import io

import numpy as np
import pandas as pd
import pytest
from anomalies import SIDE, config, eager, only

import commun.training
import projet3_ssl_anomalies as project
from commun import results
from projet3_ssl_anomalies import __main__ as command
from projet3_ssl_anomalies import ablation, dataset, evaluation, sample, storage, training
from projet3_ssl_anomalies.signals import BASELINE, FUSED, REPRESENTATION

SMALL = ["--images", "8", "--epoques", "1", "--cote", str(SIDE)]
METHODS = {BASELINE, "colorization", REPRESENTATION, FUSED}


@pytest.fixture
def real(work, tmp_path, monkeypatch):
    """A category on disk, an empty reference folder, one pretext task and a few variants instead of all."""
    sample.draw(tmp_path / "donnees" / "mvtec_ad" / "toothbrush", category="toothbrush", train=12, good=5, bad=3)
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "donnees"))
    monkeypatch.setattr(storage, "BITS", dict.fromkeys(storage.BITS, 10))  # what is read back is what was measured
    for module in (project, storage):
        monkeypatch.setattr(module, "REFERENCE", tmp_path / "reference")
    (tmp_path / "reference").mkdir()
    variants = ablation.scoring_variants
    monkeypatch.setattr(ablation, "scoring_variants", lambda _, scoring: [*variants([BASELINE], scoring)][::9])
    with only("colorization"), eager():
        yield tmp_path / "reference"


def test_the_command_writes_a_reference_that_judges_alike(real, monkeypatch):
    """It may take more than 10 s: the command runs whole, twice."""
    assert command.main([*SMALL, "--sans-test"]) == 0
    assert not (real / "metrics.json").exists()
    before = pd.read_csv(real / "toothbrush" / "ablation.csv", keep_default_na=False)
    assert not any(name.startswith("test_") for name in before)
    monkeypatch.setattr(commun.training, "_save_run", None)  # nothing is trained again
    assert command.main(SMALL) == 0

    content = results.read_metrics(real / "metrics.json")
    assert {name.split("/")[1] for name in content["metrics"]} == METHODS
    entry = content["metrics"]["toothbrush/fused/image_auroc"]
    assert entry["n"] == 8
    assert entry["per_seed"] == [entry["value"]]
    gain = content["gains"]["toothbrush"]["image_auroc"]
    rival = content["metrics"]["toothbrush/baseline/image_auroc"]
    assert gain["value"] == pytest.approx(entry["value"] - rival["value"], abs=1e-6)
    assert "12 images" in content["split"]["toothbrush"]
    assert content["duration_s"] == content["training_s"]["toothbrush"]
    assert len(pd.read_csv(real / "journal.csv")) == 1
    after = pd.read_csv(real / "toothbrush" / "ablation.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(after[list(before)], before)
    assert {"test_image", "test_pixel", "test_pro"} == set(after) - set(before)
    pixel = content["metrics"]["toothbrush/fused/pixel_auroc"]["value"]
    first = after.iloc[0]  # the retained constants
    assert first["test_image"] == pytest.approx(entry["value"], abs=1e-3)
    assert first["test_pixel"] == pytest.approx(pixel, abs=1e-3)
    assert "non commercial" in (real / "LICENCE.md").read_text(encoding="utf-8")

    folder = dataset.load("toothbrush").location.folder
    judged = evaluation.score_folder(folder, "toothbrush", detector=storage.load_detector("toothbrush", real))
    assert judged.metrics["image_auroc"]["value"] == pytest.approx(entry["value"], abs=1e-3)
    judge = storage.load_detector("toothbrush", real)
    assert not any(model.mean_image.numpy().any() for model in judge.models.values())  # no picture is published

    def forget(*_, **__):
        raise AssertionError("a model is trained again")

    monkeypatch.setattr(commun.training, "train", forget)
    assert command.main([*SMALL, "--garde-modeles"]) == 0
    again = storage.load_detector("toothbrush", real)
    assert (again.hardware, again.seconds) == (judge.hardware, judge.seconds) and judge.hardware
    for task, model in again.models.items():
        for kept, weight in zip(judge.models[task].get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, kept)
    assert results.read_metrics(real / "metrics.json")["metrics"] == content["metrics"]


def test_small_images_give_a_name_of_their_own(real):
    data = dataset.load("toothbrush")
    full = training.profile("complet")
    own = training.image_side(data, full)
    assert command._name(data, full) == ("toothbrush" if own == full.side else f"toothbrush_{own}")
    small = data.train.assign(width=70, height=64)
    data = type(data)(**{**vars(data), "train": small})
    assert command._name(data, full) == "toothbrush_64"


@pytest.mark.parametrize("arguments", [["--categories", "hazelnut"], ["--categories", "marteau"]])
def test_what_is_not_real_is_refused_in_one_sentence(real, arguments, capsys):
    assert command.main([*arguments, *SMALL]) == 2
    message = capsys.readouterr().err
    assert message.startswith("Erreur : ")
    assert arguments[1] in message
    assert "Traceback" not in message


def test_trainings_are_compared_and_nothing_is_written(real, monkeypatch, capsys):
    asked = config(task="colorization", images_seen=8, epochs=1, start_from_mean=False)
    monkeypatch.setattr(ablation, "training_variants", lambda *_: iter([(ablation.RETAINED, "colorization", asked)]))
    assert command.main([*SMALL, "--essais"]) == 0
    table = pd.read_csv(io.StringIO("category," + capsys.readouterr().out.split("category,")[1]))
    assert table["signal"].tolist() == [BASELINE, "colorization/error", "colorization/representation"]
    assert table[["image", "pixel", "pro"]].apply(lambda column: column.between(0, 1).all()).all()
    assert not list(real.iterdir())
