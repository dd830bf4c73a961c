"""The command that makes `reference/`, on a drawn category that stands for a real one."""

import json

import pandas as pd
import pytest

from commun import results
from projet3_ssl_anomalies import __main__ as command
from projet3_ssl_anomalies import evaluation, model, sample, variants
from projet3_ssl_anomalies.model import PRETEXTS

SMALL = ["--images", "8", "--epoques", "1", "--plis", "2", "--cote", "32"]


@pytest.fixture
def real(work, tmp_path, monkeypatch):
    """A category on disk, an empty reference folder, and one pretext task instead of three."""
    sample.draw(tmp_path / "donnees" / "mvtec_ad" / "toothbrush", category="toothbrush", train=8, good=5, bad=3)
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "donnees"))
    monkeypatch.setattr(evaluation, "REFERENCE", tmp_path / "reference")
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
    monkeypatch.setattr(model, "build", build := Counted(model.build))
    assert command.main(SMALL) == 0
    assert build.calls == 1  # to hold the committed weights are loaded; nothing is trained again

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

    folder = evaluation.dataset.load("toothbrush").location.folder
    judged = evaluation.score_folder(folder, "toothbrush", detector=evaluation.load_detector("toothbrush", real))
    assert judged.metrics["image_auroc"]["value"] == pytest.approx(entry["value"], abs=1e-3)
    assert json.loads((real / "toothbrush" / "detecteur.json").read_text(encoding="utf-8"))["kind"] == 0
    assert not model.build(model.Config(task="colorization", base=False)).base.numpy().any()


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


@pytest.mark.parametrize("arguments", [["--categories", "hazelnut"], ["--categories", "marteau"]])
def test_what_is_not_real_is_refused_in_one_sentence(real, arguments, capsys):
    assert command.main([*arguments, *SMALL]) == 2
    message = capsys.readouterr().err
    assert message.startswith("Erreur : ")
    assert arguments[1] in message
    assert "Traceback" not in message


def test_variants_differ_by_one_constant_each(work):
    found = list(variants.variants(8, 1))
    retained = found[0][2]
    assert found[0][:2] == ("réglages retenus", "")
    for constant, _, config in found[1:]:
        fields = [name for name in vars(config) if getattr(config, name) != getattr(retained, name)]
        assert len(fields) == 1, constant


def test_variants_are_measured_on_the_same_defects(work, monkeypatch):
    small = list(variants.variants(8, 1))[0][2]
    two = [
        ("réglages retenus", "", small),
        ("résolution (pixels)", "64", variants.Config(**vars(small) | {"side": 64})),
    ]
    monkeypatch.setattr(variants, "variants", lambda images, epochs: iter(two))
    data = evaluation.dataset.load("toothbrush")
    table = variants.compare(data, images=8, epochs=1, painted=2)
    assert list(table["constante"]) == ["réglages retenus", *["masques de la notation"] * 3, "résolution (pixels)"]
    assert table[["image", "pixel", "pro"]].notna().all(axis=None)
    assert table[["pixel", "pro"]].apply(lambda column: column.between(0, 1).all()).all()
