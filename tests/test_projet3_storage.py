"""Detectors on disk: they judge as before, to rounding; what is missing or damaged is said in one sentence."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from anomalies import eager, load_category, only, untrained, weights

from commun import UserError
from projet3_ssl_anomalies import dataset, signals, storage, training
from projet3_ssl_anomalies import detector as detection
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.signals import BASELINE, FUSED
from projet3_ssl_anomalies.statistics import SCORING, image_scores
from projet3_ssl_anomalies.storage import NAME, load_detector, save_detector

TASKS = ("colorization", "repair")
BUDGET = dataclasses.replace(training.profile("essai"), painted=1)
CHOICES = dataclasses.replace(SCORING, weights={"repair/error": 0.5}, banked={BASELINE: 1.0}, top_fraction=0.01)


@dataclasses.dataclass(frozen=True)
class Saved:
    data: Data
    detector: Detector
    folder: Path


@pytest.fixture(scope="module", autouse=True)
def tasks() -> Generator[None]:
    with only(*TASKS), eager():
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Saved]:
    """Detectors with the constants that are retained, and with others."""
    root, folder, found = tmp_path_factory.mktemp("données"), tmp_path_factory.mktemp("reference"), {}
    runs = untrained(*TASKS)
    for run in runs.values():
        run.model.set_weights(storage.quantised(run.model).get_weights())
    for retained, name, scoring in ((True, "disque", SCORING), (False, "palet", CHOICES)):
        data = load_category(root, name, seed=1000 * (not retained))
        unseen = detection.held_out({task: run.model for task, run in runs.items()}, data, BUDGET)
        judge = detection.detector_of(data, runs, unseen, scoring)
        save_detector(judge, folder / name)
        found[retained] = Saved(data, judge, folder)
    return found


def _copy(saved: dict[bool, Saved], to: Path, name: str = "palet") -> Path:
    return shutil.copytree(saved[False].folder / name, to / name)


@pytest.mark.parametrize("retained", [True, False])
def test_a_saved_detector_judges_as_before(retained: bool, saved: dict[bool, Saved]) -> None:
    """Scores are within 4 %, most of them within 2 %; those of the good parts are written as they are."""
    one = saved[retained]
    loaded, images = load_detector(one.data.category.name, one.folder), dataset.read(one.data.test, 32)[1]
    for field in ("category", "side", "scoring"):
        assert getattr(loaded, field) == getattr(one.detector, field)
    assert loaded.seconds == pytest.approx(one.detector.seconds, abs=0.5)
    assert loaded.hardware == one.detector.hardware
    assert list(loaded.good_scores) == list(one.detector.good_scores)
    for name, scores in one.detector.good_scores.items():
        np.testing.assert_allclose(loaded.good_scores[name], scores, atol=1e-4)
    assert loaded.threshold(0.2) == pytest.approx(one.detector.threshold(0.2), abs=1e-4)
    maps = [detection.fused_maps(judge.signal_maps(images), judge.scoring) for judge in (one.detector, loaded)]
    assert list(maps[0]) == list(maps[1])
    for name in maps[0]:
        before, after = (image_scores(m[name], loaded.scoring) for m in maps)
        gaps = np.abs(after / before - 1)
        assert gaps.max() < 0.04 and np.median(gaps) < 0.02, name


def test_weights_that_were_quantised_are_read_back_as_they_are(saved: dict[bool, Saved]) -> None:
    loaded = load_detector("disque", saved[True].folder)
    for task, model in saved[True].detector.models.items():
        assert loaded.models[task].config == model.config
        np.testing.assert_array_equal(weights(loaded.models[task]), weights(model))


def test_quantising_leaves_the_model_as_it_is_and_hardly_changes_its_weights() -> None:
    model = untrained("repair")["repair"].model
    before = weights(model)
    copy = storage.quantised(model)
    np.testing.assert_array_equal(weights(model), before)
    np.testing.assert_array_equal(weights(storage.quantised(copy)), weights(copy))
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        step = np.abs(one).max(axis=tuple(range(one.ndim - 1)), initial=0) / storage.LEVELS
        assert (np.abs(one - other) <= 0.51 * step + 1e-7).all()


def test_what_counts_for_nothing_is_not_written(saved: dict[bool, Saved], tmp_path: Path) -> None:
    one = saved[True]
    ignored = signals.named("repair", signals.REPRESENTATION)
    scoring = dataclasses.replace(one.detector.scoring, weights={**one.detector.scoring.weights, ignored: 0})
    save_detector(dataclasses.replace(one.detector, scoring=scoring), tmp_path / "disque")
    loaded, images = load_detector("disque", tmp_path), dataset.read(one.data.test, 32)[1]
    assert set(one.detector.normals) - set(loaded.normals) == {ignored}
    maps = detection.fused_maps(loaded.signal_maps(images), scoring)
    assert {BASELINE, FUSED} <= set(maps) and np.isfinite(maps[FUSED]).all()


def test_an_unknown_detector_is_refused_with_those_that_there_are(saved: dict[bool, Saved], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"« puzzle » \(catégories qui en ont un : disque, palet\)"):
        load_detector("puzzle", saved[True].folder)
    with pytest.raises(UserError, match="aucune"):
        load_detector("disque", tmp_path / "absent")


def _without(content: dict, name: str) -> str:
    return json.dumps({key: value for key, value in content.items() if key != name})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[1, 2]",
        lambda text: _without(json.loads(text), "scoring"),
        lambda text: _without(json.loads(text), "good_scores"),
        lambda text: text.replace('"map_sigma"', '"flou"'),
        lambda text: text.replace('"title"', '"titre"'),
        lambda text: text.replace('"width": 2', '"width": 3'),
    ],
)
def test_a_damaged_detector_is_a_user_error(spoil, saved: dict[bool, Saved], tmp_path: Path) -> None:
    path = _copy(saved, tmp_path) / f"{NAME}.json"
    before = path.read_text(encoding="utf-8")
    path.write_text(spoil(before), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before
    with pytest.raises(UserError, match=r"palet est illisible .* Reprenez-le du dépôt"):
        load_detector("palet", tmp_path)


def test_damaged_or_missing_arrays_are_a_user_error(saved: dict[bool, Saved], tmp_path: Path) -> None:
    path = _copy(saved, tmp_path) / f"{NAME}.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="palet est illisible"):
        load_detector("palet", tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="palet est illisible"):
        load_detector("palet", tmp_path)
