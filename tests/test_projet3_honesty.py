"""Who learns from what: each test fails when a model, a statistic or a choice sees what it must not.

One idea: what may not be read is poisoned (its pixels, its labels), and what is decided must not change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import commun.training  # first: it chooses the default backend of Keras
import projet3_ssl_anomalies as project
from projet3_ssl_anomalies import __main__ as command
from projet3_ssl_anomalies import checks, dataset, detector, evaluation, metrics, statistics, training
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor, Scorer, error_maps
from projet3_ssl_anomalies.statistics import ScoringConfig

import keras  # isort: skip

SIDE, FOLDS = 32, 3
BUDGET = dataclasses.replace(
    training.profile("essai"), side=SIDE, images=8, epochs=1, folds=FOLDS, shared=False, painted=3, draws=20
)
COMMAND = ["--images", "8", "--epoques", "1", "--plis", str(FOLDS), "--cote", str(SIDE)]


def _picture(seed: int, width: int = 40, height: int = 40) -> np.ndarray:
    """A disc of its own tint and texture on a light ground."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((height, width)) / height - 0.5
    grey = np.where(np.hypot(x, y) < 0.38, 110, 220) + rng.normal(0, 12, (height, width))
    return np.clip(grey[..., None] * [1, 0.95, rng.uniform(0.6, 1)], 0, 255).astype("uint8")


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _category(folder: Path, *, poison: bool = False) -> Path:
    """Writes a category; poisoned, the same training part, and a test part of noise whose labels are exchanged."""
    rng = np.random.default_rng(7)
    for n in range(9):
        _save(folder / f"train/good/{n:03d}.png", _picture(n))
    for n in range(5):
        good, bad = _picture(100 + n), _picture(200 + n)
        bad[12:22, 16:28] = (200, 20, 40)
        if poison:
            good, bad = (rng.integers(0, 256, image.shape, "uint8") for image in (bad, good))
        mask = np.zeros((40, 40), "uint8")
        mask[12:22, 16:28] = 255
        _save(folder / f"test/good/{n:03d}.png", good)
        _save(folder / f"test/stain/{n:03d}.png", bad)
        _save(folder / f"ground_truth/stain/{n:03d}_mask.png", 255 - mask if poison else mask)
    return folder


@pytest.fixture
def one_task(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """One task, colorization, trained step by step: compiling would take longer."""
    compiled, before = keras.Model.compile, dict(PRETEXTS)
    monkeypatch.setattr(keras.Model, "compile", lambda model, *args: compiled(model, *args, run_eagerly=True))
    for task in set(before) - {"colorization"}:
        del PRETEXTS[task]
    yield
    PRETEXTS.clear()
    PRETEXTS.update(before)


@pytest.fixture
def data(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """A category whose parts are aligned."""
    _category(tmp_path / "mvtec_ad" / "disque")
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    found = dataset.load("disque")
    return dataclasses.replace(found, category=dataclasses.replace(found.category, aligned=True))


# --- Folds: a model never saw the images that it judges --------------------------------------------------------------


@contextlib.contextmanager
def _recorded(monkeypatch: pytest.MonkeyPatch) -> Generator[list[Reconstructor]]:
    """The models trained meanwhile, in order."""
    models, train = [], training.train

    def recording(*args, **options) -> commun.training.Run:
        run = train(*args, **options)
        models.append(run.model)
        return run

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", recording)
        yield models


def _weights(model: Reconstructor) -> np.ndarray:
    return np.concatenate([np.asarray(w).ravel() for w in model.weights if w.dtype == "float32"])


@pytest.mark.usefixtures("one_task")
def test_poisoned_images_change_all_models_but_those_that_judge_them(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    (group,) = training.groups([data], BUDGET)
    fold, poisoned_fold = detector.folds(group.good.category_ids, FOLDS), 1
    with _recorded(monkeypatch) as clean:
        before = detector.out_of_fold_errors(group, BUDGET)
    images = np.where((fold == poisoned_fold)[:, None, None, None], 255 - group.good.images, group.good.images)
    poisoned = dataclasses.replace(group, good=dataclasses.replace(group.good, images=images))
    with _recorded(monkeypatch) as others:
        after = detector.out_of_fold_errors(poisoned, BUDGET)
    assert len(clean) == len(others) == FOLDS
    for f, pair in enumerate(zip(clean, others, strict=True)):
        gap = np.abs(np.subtract(*map(_weights, pair))).max()
        assert gap < 1e-6 if f == poisoned_fold else gap > 1e-3
    for f, (errors, model) in enumerate(zip(np.split(after.good["colorization"], FOLDS), others, strict=True)):
        np.testing.assert_allclose(errors, error_maps(Scorer(model), images[fold == f]), atol=1e-5)
    assert before.good["colorization"].shape == after.good["colorization"].shape


@pytest.mark.usefixtures("one_task")
def test_statistics_and_scores_of_good_parts_come_from_out_of_fold_errors_alone(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The final models learnt from all the good images: their errors on them are too small, and read by nothing."""
    (group,) = training.groups([data], BUDGET)
    errors = detector.out_of_fold_errors(group, BUDGET)
    reference = detector.detectors(group, BUDGET, errors)[0]
    read, maps = [], error_maps

    def poisoned(scorer: Scorer, images: np.ndarray, category_id: int = 0) -> np.ndarray:
        read.append(images)
        return 100 * maps(scorer, images, category_id)

    monkeypatch.setattr(detector, "error_maps", poisoned)
    again = detector.detectors(group, BUDGET, errors)[0]
    smoothed = statistics.smooth(errors.good["colorization"], errors.scoring.error_sigma)
    expected = statistics.normal_statistics(smoothed, aligned=True, scoring=errors.scoring)
    for found in (reference, again):
        np.testing.assert_allclose(found.statistics["colorization"].mean, expected.mean, rtol=1e-6)
        np.testing.assert_allclose(found.statistics["colorization"].whitening, expected.whitening, rtol=1e-6)
        np.testing.assert_array_equal(found.good_scores["colorization"], reference.good_scores["colorization"])
    assert not read


# --- Left out: a good part has no part in the statistics that judge it -----------------------------------------------


def _left_out_by_definition(errors: np.ndarray, scoring: ScoringConfig) -> np.ndarray:
    """Errors smoothed, the distance of each by the statistics of the others, then and only then smoothed again."""
    smoothed = statistics.smooth(errors, scoring.error_sigma)
    everywhere = np.diag(smoothed.var(axis=(0, 1, 2)))
    distances = np.empty(errors.shape[:3], "float32")
    for row in range(len(errors)):
        others = np.delete(smoothed, row, axis=0)
        mean = others.mean(axis=0)
        scatter = np.einsum("nhwi,nhwj->hwij", others - mean, others - mean)
        covariance = (scatter + scoring.shrinkage * everywhere) / (len(others) + scoring.shrinkage)
        gap = (smoothed[row] - mean)[..., None]
        distances[row] = np.sqrt((gap * np.linalg.solve(covariance, gap)).mean(axis=(-2, -1)))
    return statistics.smooth(distances, scoring.map_sigma)


def _errors_with_an_outlier() -> np.ndarray:
    """Errors of eight parts; the last has a spot that the seven others don't have."""
    errors = np.random.default_rng(0).normal(0, 1, (8, SIDE, SIDE, 2)).astype("float32")
    errors[7, 10:14, 10:14] += 25
    return errors


def test_distances_are_left_out_before_they_are_smoothed() -> None:
    errors, scoring = _errors_with_an_outlier(), ScoringConfig(map_sigma=16.0)
    expected = _left_out_by_definition(errors, scoring)
    good, _ = statistics.cross_validated_maps(errors, errors[:1], aligned=True, scoring=scoring)
    np.testing.assert_allclose(good, expected, rtol=0.05)
    made = detector._good_scores(
        {"colorization": statistics.smooth(errors, scoring.error_sigma)}, aligned=True, scoring=scoring
    )
    np.testing.assert_allclose(made["colorization"], statistics.image_scores(expected, scoring), rtol=0.05)


# --- The test part decides nothing -----------------------------------------------------------------------------------


def _reference(folder: Path, monkeypatch: pytest.MonkeyPatch, *, poison: bool) -> Path:
    """The files that the command writes before it reads the test part."""
    _category(folder / "donnees" / "mvtec_ad" / "disque", poison=poison)
    monkeypatch.setenv("PROJETS_DATA", str(folder / "donnees"))
    monkeypatch.setenv("PROJETS_TRAVAIL", str(folder / "travail"))
    for module in (project, detector):
        monkeypatch.setattr(module, "REFERENCE", folder / "reference")
    (folder / "reference").mkdir()
    assert command.main([*COMMAND, "--sans-test"]) == 0
    return folder / "reference" / "disque"


@pytest.mark.usefixtures("one_task")
def test_a_poisoned_test_part_changes_nothing_that_is_decided_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes more than 10 s: the command runs whole, twice."""
    clean, poisoned = (_reference(tmp_path / str(p), monkeypatch, poison=p) for p in (False, True))
    assert sorted(p.name for p in clean.iterdir()) == sorted(p.name for p in poisoned.iterdir())
    first, second = (json.loads((folder / detector.FILE).read_text(encoding="utf-8")) for folder in (clean, poisoned))
    assert first["good_scores"] == second["good_scores"] and first["scoring"] == second["scoring"]
    with np.load(clean / "colorization.npz") as one, np.load(poisoned / "colorization.npz") as other:
        assert set(one) == set(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    pd.testing.assert_frame_equal(*(pd.read_csv(folder / "ablation.csv") for folder in (clean, poisoned)))
    judges = [detector.load_detector("disque", folder.parent) for folder in (clean, poisoned)]
    assert judges[0].threshold(0.2) == judges[1].threshold(0.2)


@pytest.mark.usefixtures("one_task")
def test_the_threshold_is_that_of_parts_held_out_whatever_the_test_part_is(data: Data) -> None:
    (group,) = training.groups([data], BUDGET)
    (judge,) = detector.detectors(group, BUDGET, detector.out_of_fold_errors(group, BUDGET))
    scores = evaluation.score_data(data, judge, rate=0.2, draws=20)
    values, is_defect = scores.table["score"].to_numpy(), scores.table["is_defect"].to_numpy(bool)
    threshold = np.sort(judge.good_scores["fused"])[-2]  # one good part in nine, for two in ten are not allowed
    assert evaluation.threshold(judge, 0.2) == threshold
    assert scores.metrics["image_f1"]["value"] == metrics.f1(values, is_defect, threshold)
    assert threshold != metrics.false_alarm_threshold(values[~is_defect], 0.2)


# --- Near-duplicates -------------------------------------------------------------------------------------------------


def test_near_duplicates_are_sought_on_the_whole_pictures_that_models_see(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wide pictures are stretched into a square. Alike in their middle alone, they are no copies."""
    folder = tmp_path / "mvtec_ad" / "plaque"
    rng = np.random.default_rng(0)

    def wide(seed: int, middle: np.ndarray | None = None) -> np.ndarray:
        image = np.kron(np.random.default_rng(seed).integers(0, 256, (5, 15)), np.ones((8, 8)))
        if middle is not None:
            image[:, 40:80] = middle
        return np.repeat(image.astype("uint8")[..., None], 3, axis=2)

    for n in range(6):
        _save(folder / f"train/good/{n}.png", wide(n))
        _save(folder / f"test/good/{n}.png", wide(100 + n))
    _save(folder / "test/good/middle.png", wide(50, middle=wide(3)[:, 40:80, 0]))
    noisy = wide(4) + rng.integers(-5, 6, (40, 120, 1))
    _save(folder / "test/good/copy.png", np.clip(noisy, 0, 255).astype("uint8"))
    shutil.copy(folder / "test/good/1.png", folder / "test/good/twin.png")  # of a test image: no matter
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    found = checks.near_duplicates(dataset.load("plaque"))
    assert list(zip(found["test"], found["train"], strict=True)) == [("test/good/copy.png", "train/good/4.png")]
