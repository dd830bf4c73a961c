"""The command that makes the reference of project 1, run whole on a handful of works that pass for real ones."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commun import results
from projet1_artistes import __main__, dataset, evaluation, experiments, pairs, training


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    """Two painters of ten works, in both qualities: one paints in red, the other in blue."""
    root = tmp_path / "données" / dataset.NAME
    for number, (painter, colour) in enumerate({"Ana_Rouge": (200, 60, 60), "Bé_Bleu": (60, 60, 200)}.items()):
        for k in range(10):
            noise = np.random.default_rng([number, k]).integers(-40, 40, (16, 16, 3))
            pixels = np.clip(noise + colour, 0, 255).astype(np.uint8)
            for folder, side in ((f"images/images/{painter}", 128), ("resized/resized", 64)):
                path = root / folder / f"{painter}_{k + 1}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(path, quality=95)
    (root / "artists.csv").write_text("id,name,paintings\n0,Ana Rouge,10\n1,Bé Bleu,12\n", encoding="utf-8")
    monkeypatch.setenv("PROJETS_DATA", str(root.parent))
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "travail"))
    reference = tmp_path / "reference"
    monkeypatch.setattr(__main__, "REFERENCE", reference)
    monkeypatch.setattr(experiments, "RECORD", reference / "experiences.csv")
    monkeypatch.setattr(pairs, "PAIRS", reference / "ecarts.csv")
    monkeypatch.setattr(training.load_reference, "__defaults__", (reference, training.FROM_SCRATCH))
    monkeypatch.setattr(training.save_reference, "__defaults__", (reference,))
    monkeypatch.setattr(training.best_reference, "__defaults__", (reference,))
    tiny = dataclasses.replace(training.profile("essai").short, images_seen=16, epochs=1)
    transfer = dataclasses.replace(training.profile("essai").transfer, image_side=64)
    full = training.Profile(tiny, tiny, tiny, (0, 20), (2, 4), 2, 10, 6, transfer, frozen_sides=(32, 64))
    monkeypatch.setitem(training.PROFILES, "complet", full)
    return reference


def test_the_command_makes_the_whole_reference_and_adds_to_it(narrow, gallery):
    small = ["--cote", "16", "--cote-appris", "16", "--largeur", "4", "--graines-courtes", "0", "--modeles", "zero"]
    assert __main__.main(["--graines", "0", "--sans-test", "--experiences", "seuil", *small]) == 0
    assert not (gallery / "metrics.json").exists()
    assert len(pd.read_csv(gallery / "experiences.csv")) == 2

    assert __main__.main(["--graines", "0", "1", *small]) == 0
    content = results.read_metrics(gallery / "metrics.json")
    assert {*evaluation.LABELS, "high_minus_low_quality_accuracy", "small_artists_recall_gain"} == set(
        content["metrics"]
    )
    for name in evaluation.LABELS:
        assert len(content["metrics"][name]["per_seed"]) == 2
    table = pd.read_csv(gallery / "experiences.csv")
    assert set(table["experiment"]) == {
        "oversampling_threshold",
        "side",
        "works_per_artist",
        "treatments_small_artists",
        "treatments",
        "quality",
        "quality_32",
        "quality_64",
    }
    assert set(table.loc[table["network"] == experiments.FROZEN, "experiment"]) == {
        "oversampling_threshold", "works_per_artist", "quality_32", "quality_64",
    }  # fmt: skip
    assert len(pd.read_csv(gallery / "journal.csv")) == 1
    assert (gallery / "LICENCE.md").is_file()

    weights = (gallery / "modele.npz").read_bytes()
    assert __main__.main(["--graines", "--experiences", "qualite", *small]) == 0
    alone = results.read_metrics(gallery / "metrics.json")
    assert alone["metrics"] == content["metrics"]  # the experiment, found again, says the same
    assert (alone["duration_s"], alone["command"]) == (content["duration_s"], content["command"])
    assert (gallery / "modele.npz").read_bytes() == weights
    journal = pd.read_csv(gallery / "journal.csv")
    assert len(journal) == 2
    assert journal["test_accuracy"].isna().tolist() == [False, True]  # the second time, the test served the other
    assert journal["high_minus_low_quality_accuracy"].notna().all()

    before = json.loads((gallery / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert __main__.main(["--graines", "0", "--experiences", *small]) == 0
    after = results.read_metrics(gallery / "metrics.json")["metrics"]
    assert after["high_minus_low_quality_accuracy"] == before["high_minus_low_quality_accuracy"]
    assert after["test_accuracy"]["value"] == pytest.approx(before["test_accuracy"]["value"])
    assert len(pd.read_csv(gallery / "journal.csv")) == 3


def test_the_pre_trained_models_are_made_beside_the_others(narrow, gallery):
    options = ["--experiences", "--graines", "0", "1", "--images-transfert", "8", "--epoques-transfert", "1"]
    assert __main__.main([*options, "--choix", "fige", "tout"]) == 0
    choix = pd.read_csv(gallery / "choix.csv")
    assert choix["variant"].tolist() == ["fige", "tout"]
    assert choix[["accuracy", "macro_f1", "n"]].notna().all(axis=None) and (choix["part"] == "validation").all()
    assert not (gallery / "metrics.json").exists() and not (gallery / "transfert.npz").exists()

    options += ["--modeles", "transfert", "fige", "--variante", "tout_prudent"]
    assert __main__.main([*options, "--sans-test"]) == 0
    assert (gallery / "transfert.npz").is_file() and (gallery / "historique_transfert.csv").is_file()
    assert not (gallery / "modele.npz").exists() and not (gallery / "metrics.json").exists()
    assert json.loads((gallery / "transfert.json").read_text(encoding="utf-8"))["layer_decay"] == 0.5

    assert __main__.main(options) == 0
    metrics = results.read_metrics(gallery / "metrics.json")["metrics"]
    names = [f"{prefix}/{name}" for prefix in ("frozen", "transfer") for name in evaluation.LABELS]
    assert sorted(metrics) == sorted(names)
    assert len(metrics["transfer/test_accuracy"]["per_seed"]) == 2
    assert metrics["frozen/test_accuracy"]["per_seed"] == [metrics["frozen/test_accuracy"]["value"]]
    assert set(pd.read_csv(gallery / "journal.csv")) == {"date", "configuration", *names}
    table, measured = evaluation.evaluate_folder(dataset.load().location.folder, draws=2)
    assert len(table) == 20 and measured["test_accuracy"]["n"] == 20


def test_the_experiments_of_the_frozen_network_alone_read_no_test_part(narrow, gallery):
    options = ["--graines", "--modeles", "--sans-test", "--experiences", "oeuvres_fige", "--oeuvres", "3"]
    assert __main__.main(options) == 0
    table = pd.read_csv(gallery / "experiences.csv", dtype={"variant": str})
    assert table[["experiment", "network", "variant", "part", "side"]].to_numpy().tolist() == [
        ["works_per_artist", "fige", "3", "validation", 64]
    ]
    assert table["seeds"].tolist() == ["0 1 2"] and table["hardware"].notna().all()
    assert not (gallery / "metrics.json").exists() and not (gallery / "journal.csv").exists()


def test_without_real_paintings_nothing_is_made(gallery, monkeypatch, capsys):
    location = dataclasses.replace(dataset.load().location, is_real=False)
    fake = dataclasses.replace(dataset.load(), location=location)
    monkeypatch.setattr(dataset, "load", lambda: fake)
    assert __main__.main([]) == 2
    assert "PROJETS_DATA" in capsys.readouterr().err
    assert not gallery.exists()
