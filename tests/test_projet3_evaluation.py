"""What detectors are worth on test parts: folders of all sorts, scores that follow their rows, decisions."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anomalies import eager, load_category, only, untrained
from PIL import Image

from commun import UserError
from projet3_ssl_anomalies import dataset, detector, evaluation, metrics, training
from projet3_ssl_anomalies.dataset import SIDE, Data
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.files import CONFIG
from projet3_ssl_anomalies.signals import BASELINE, FUSED, REPRESENTATION
from projet3_ssl_anomalies.statistics import SCORING, image_scores

SMALL = 32  # side of the images that models take here
TASKS = ["colorization", "repair"]
BUDGET = dataclasses.replace(training.profile("essai"), painted=1)
DRAWS = {"draws": 20}


@dataclasses.dataclass(frozen=True)
class Learnt:
    data: Data
    detector: Detector


@pytest.fixture(scope="module", autouse=True)
def tasks() -> Generator[None]:
    with only(*TASKS), eager():
        yield


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    """A detector whose models learnt nothing: what has no network finds obvious defects by itself."""
    data, runs = load_category(tmp_path_factory.mktemp("données"), "disque"), untrained(*TASKS)
    unseen = detector.held_out({task: run.model for task, run in runs.items()}, data, BUDGET)
    return Learnt(data, detector.detector_of(data, runs, unseen))


@pytest.fixture(scope="module")
def judged(learnt: Learnt) -> Scores:
    return evaluation.score_data(learnt.data, learnt.detector, rate=0.2, **DRAWS)


@pytest.fixture
def folder(learnt: Learnt, tmp_path: Path) -> Path:
    """A copy of the category that a test may spoil."""
    return shutil.copytree(learnt.data.location.folder, tmp_path / "disque")


# --- Scores ----------------------------------------------------------------------------------------------------------


def test_obvious_defects_are_found(judged: Scores) -> None:
    assert list(judged.others) == [BASELINE, *TASKS, REPRESENTATION]
    for measured in (judged.metrics, *judged.others.values()):
        assert set(measured) == {"image_auroc", "image_ap", "image_f1", "pixel_auroc", "au_pro"}
        assert measured["image_auroc"]["n"] == 10
    for measured in (judged.metrics, judged.others[BASELINE]):
        assert measured["image_auroc"]["value"] > 0.9 and measured["pixel_auroc"]["value"] > 0.9
    assert evaluation.headline(judged) == judged.metrics["image_auroc"]["value"]


def test_scores_follow_the_rows_of_the_table(judged: Scores, learnt: Learnt) -> None:
    others = [f"score_{name}" for name in judged.others]
    assert sorted(judged.table) == sorted(["path", "defect", "is_defect", "score", *others])
    assert judged.table["path"].tolist() == learnt.data.test["path"].tolist() and judged.left_out == ()
    assert judged.maps.shape == judged.truth.shape == (10, SIDE, SIDE) and judged.maps.dtype == np.float32
    assert judged.truth.any(axis=(1, 2)).tolist() == learnt.data.test["is_defect"].tolist()
    is_defect = judged.table["is_defect"].to_numpy(bool)
    for name, measured in {FUSED: judged.metrics, **judged.others}.items():
        scores = judged.table["score" if name == FUSED else f"score_{name}"].to_numpy()
        assert metrics.image_auroc(scores, is_defect) == measured["image_auroc"]["value"]
        threshold = learnt.detector.threshold(0.2, name=name)
        assert metrics.f1(scores, is_defect, threshold) == measured["image_f1"]["value"]
    assert metrics.au_pro(judged.maps, judged.truth) == pytest.approx(judged.metrics["au_pro"]["value"])
    np.testing.assert_array_equal(judged.images, dataset.read(learnt.data.test, SMALL)[1])
    maps = detector.fused_maps(learnt.detector.signal_maps(judged.images), SCORING)
    np.testing.assert_allclose(judged.table["score"], image_scores(maps[FUSED]), rtol=1e-4)


def test_gains_are_those_of_the_fusion_over_the_rival_without_a_network(judged: Scores) -> None:
    assert set(judged.gains) == set(judged.metrics) - {"image_f1"}
    for name, gain in judged.gains.items():
        expected = judged.metrics[name]["value"] - judged.others[BASELINE][name]["value"]
        assert gain["value"] == pytest.approx(expected, abs=1e-9)
        assert gain["ci95"][0] <= gain["value"] <= gain["ci95"][1]


def test_each_signal_is_worth_something_alone_and_with_the_other_of_its_task(judged: Scores, learnt: Learnt) -> None:
    assert list(judged.signals) == [*learnt.detector.normals, *TASKS]
    assert all(0 <= value <= 1 for value in judged.signals.values())
    assert judged.signals[BASELINE] == judged.others[BASELINE]["image_auroc"]["value"]
    for task in TASKS:
        assert judged.signals[f"{task}/error"] == judged.others[task]["image_auroc"]["value"]


# --- Folders of all sorts --------------------------------------------------------------------------------------------


def _judge(folder: Path, learnt: Learnt, **options) -> Scores:
    return evaluation.score_folder(folder, "disque", detector=learnt.detector, **DRAWS, **options)


def test_a_folder_without_masks_nor_training_part_is_judged(folder: Path, learnt: Learnt, judged: Scores) -> None:
    shutil.rmtree(folder / "ground_truth")
    shutil.rmtree(folder / "train")
    found = _judge(folder, learnt)
    assert set(found.metrics) == {"image_auroc", "image_ap"}  # nor F1: five good parts say nothing of 5 %
    np.testing.assert_allclose(found.table["score"], judged.table["score"], rtol=1e-4)
    assert not found.truth.any() and any("ground_truth" in text for text in found.left_out)


def test_a_folder_of_good_parts_only_is_judged(folder: Path, learnt: Learnt) -> None:
    shutil.rmtree(folder / "test" / "stain")
    found = _judge(folder, learnt)
    assert found.metrics == {} and len(found.table) == 5 and not found.table["is_defect"].any()
    assert math.isnan(evaluation.headline(found))


def test_images_of_any_size_shape_and_mode_are_judged(folder: Path, learnt: Learnt, judged: Scores) -> None:
    def larger(name: str, size: tuple[int, int], mode: str = "RGB") -> None:
        path = folder / name
        image = Image.open(path).resize(size).convert(mode)
        path.unlink()
        image.save(path.with_suffix(".bmp"))

    for name, size in (("good/000", (90, 60)), ("stain/000", (61, 200)), ("stain/001", (300, 300))):
        larger(f"test/{name}.png", size)
    larger("test/good/001.png", (48, 48), "L")
    found = _judge(folder, learnt)
    assert found.table["path"].map(lambda p: p.stem).tolist() == judged.table["path"].map(lambda p: p.stem).tolist()
    assert found.metrics["image_auroc"]["value"] > 0.9
    assert any("tailles d'images" in text for text in found.left_out)
    assert any("non carrées" in text for text in found.left_out)
    np.testing.assert_allclose(found.table["score"].iloc[-3:], judged.table["score"].iloc[-3:], rtol=1e-4)


def test_what_cannot_be_read_is_left_out_and_said(folder: Path, learnt: Learnt, judged: Scores) -> None:
    whole = (folder / "test/stain/002.png").read_bytes()
    (folder / "test/stain/002.png").write_bytes(whole[: len(whole) // 2])  # its header is right
    (folder / "test/good/003.png").write_bytes(b"")
    (folder / "test/good/notes.txt").write_text("rien", encoding="utf-8")
    found = _judge(folder, learnt)
    stems = [f"{path.parent.name}/{path.stem}" for path in found.table["path"]]
    assert len(stems) == 8 and not {"stain/002", "good/003"} & set(stems)
    assert len(found.maps) == len(found.truth) == len(found.images) == 8
    for name in ("002.png", "003.png", "notes.txt"):
        assert any(name in text for text in found.left_out)
    kept = [row for row, path in enumerate(judged.table["path"]) if f"{path.parent.name}/{path.stem}" in stems]
    np.testing.assert_allclose(found.table["score"], judged.table["score"].iloc[kept], rtol=1e-4)


@pytest.mark.parametrize("limit", [1, 4, 9])
def test_a_limit_is_spread_over_the_folder_and_said(limit: int, folder: Path, learnt: Learnt) -> None:
    found = _judge(folder, learnt, limit=limit)
    assert len(found.table) == len(found.maps) == found.table["path"].nunique() == limit
    assert any(text.startswith(f"{10 - limit} images sur 10") for text in found.left_out)
    assert set(found.table["defect"]) == ({"good"} if limit == 1 else {"good", "stain"})


def test_a_limit_above_the_number_of_images_changes_nothing(folder: Path, learnt: Learnt) -> None:
    found = _judge(folder, learnt, limit=10)
    assert len(found.table) == 10 and found.left_out == ()


def test_saturated_defects_are_measured_where_the_folder_says_when_they_count(folder: Path, learnt: Learnt) -> None:
    entry = {"defect_name": "stain", "pixel_value": 255, "saturation_threshold": 0.5, "relative_saturation": True}
    (folder / CONFIG).write_text(json.dumps([entry]), encoding="utf-8")
    found = _judge(folder, learnt)
    assert found.metrics["au_spro"]["value"] > 0.5


def test_folders_with_nothing_to_judge_are_refused(folder: Path, learnt: Learnt) -> None:
    for path in (folder / "test").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match="ne se décode"):
        _judge(folder, learnt)
    shutil.rmtree(folder / "test")
    with pytest.raises(UserError, match="rien à juger"):
        _judge(folder, learnt)
    with pytest.raises(UserError, match="Aucun détecteur"):
        evaluation.score_folder(folder, "une catégorie sans détecteur")


# --- Decisions -------------------------------------------------------------------------------------------------------


def _scores(good: list[float], bad: list[float], auroc: float | None = None) -> Scores:
    table = pd.DataFrame({"score": [*good, *bad], "is_defect": [False] * len(good) + [True] * len(bad)})
    found = {} if auroc is None else {"image_auroc": {"value": auroc}}
    return Scores(
        table, maps=None, metrics=found, others={}, gains={}, signals={}, left_out=(), images=None, truth=None
    )


def test_decisions_count_rejected_and_missed_parts() -> None:
    found = evaluation.decisions(_scores([1, 2, 3, 4], [2.5, 3, 5]), 3.0)  # a score at the threshold is accepted
    assert found == evaluation.Decisions(good=4, rejected=1, defective=3, missed=2)
    assert evaluation.decisions(_scores([1, 9], []), 3.0) == (2, 1, 0, 0)


def test_summary_ranks_categories_and_adds_their_counts(learnt: Learnt) -> None:
    second = dataclasses.replace(learnt.data.category, name="palet", title="palet")
    datas = (learnt.data, dataclasses.replace(learnt.data, category=second))
    scores = {"disque": _scores([1, 2], [3, 4], 0.9), "palet": _scores([1, 4], [0], 0.7)}
    found = evaluation.summary(datas, scores, {"disque": 2.0, "palet": 2.0})
    assert (found["worst"], found["low"], found["best"], found["high"]) == ("palet", 0.7, "disque", 0.9)
    assert (found["good"], found["rejected"], found["defective"], found["missed"]) == (4, 1, 3, 1)


def test_a_rate_that_good_parts_do_not_allow_becomes_the_least_one(learnt: Learnt) -> None:
    for count, rate in ((100, 0.05), (4, 0.25)):
        judge = dataclasses.replace(learnt.detector, good_scores={FUSED: np.arange(count, dtype=float)})
        assert evaluation.least_rate(judge) == 1 / count
        assert evaluation.threshold(judge, 0.05) == judge.threshold(rate)


# --- Parts to look at ------------------------------------------------------------------------------------------------


def test_parts_to_look_at_are_the_most_missed_and_the_falsest_alarms() -> None:
    scores = _scores([1, 9, 3], [5, 2, 8, 4])
    assert evaluation.most_missed(scores, 2).tolist() == [4, 6]
    assert evaluation.falsest_alarms(scores, 2).tolist() == [1, 2]
