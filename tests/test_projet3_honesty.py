"""Who learns from what: each test fails when a model, a statistic or a choice sees what it must not.

One idea: what may not be read is poisoned (its pixels, its labels), and what is decided must not change.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anomalies import eager, load_category, only, picture, save, stained, untrained, weights, write_category
from scipy import ndimage

import commun.training  # first: it chooses the default backend of Keras
import projet3_ssl_anomalies as project
from projet3_ssl_anomalies import __main__ as command
from projet3_ssl_anomalies import (
    ablation,
    checks,
    dataset,
    detector,
    evaluation,
    metrics,
    signals,
    storage,
    training,
)
from projet3_ssl_anomalies import statistics as stats
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig
from projet3_ssl_anomalies.training import Good

TASK = "colorization"
BUDGET = dataclasses.replace(training.profile("essai"), side=32, images=8, epochs=1, painted=1)
COMMAND = ["--images", "8", "--epoques", "1", "--cote", "32"]
CELLS = ScoringConfig(map_sigma=0.0, weights={}, banked={}, fusion="arithmetic")
BANKS = dataclasses.replace(CELLS, banked=dict.fromkeys((BASELINE, ERROR, REPRESENTATION), 1.0))
BOTH = dataclasses.replace(CELLS, banked=dict.fromkeys(BANKS.banked, 0.5))
BOTH_WAYS = pytest.mark.parametrize("plain", [CELLS, BANKS, BOTH], ids=["cells", "banks", "both"])


@pytest.fixture(autouse=True)
def quick(work: Path) -> Generator[None]:
    with only(TASK), eager():
        yield


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return load_category(tmp_path, "disque")


def _poisoned(half: int) -> Callable[..., tuple[Good, Good]]:
    """`training.halves` with the negatives of one of its halves."""
    halves = training.halves

    def changed(*args, **options) -> tuple[Good, Good]:
        both = list(halves(*args, **options))
        both[half] = dataclasses.replace(both[half], images=255 - both[half].images)
        return tuple(both)

    return changed


def _poison_files(data: Data, half: int) -> None:
    """Replaces the files of the training images of one half by their negatives."""
    judged = {image.tobytes() for image in training.halves(data, BUDGET)[half].images}
    for path, image in zip(data.train["path"], dataset.read(data.train, BUDGET.side)[1], strict=True):
        if image.tobytes() in judged:
            save(path, 255 - np.asarray(dataset.read(data.train[data.train["path"] == path], 48)[1][0]))


def _same(first: object, second: object) -> bool:
    pairs = zip(*(storage.fields(normal).values() for normal in (first, second)), strict=True)
    return type(first) is type(second) and all(np.allclose(a, b, atol=1e-5) for a, b in pairs)


# --- Models never see the half that says what is normal --------------------------------------------------------------


def test_models_learn_from_the_first_half_alone(data: Data) -> None:
    """The files of the other half are poisoned: nothing that is trained may change."""
    before = detector.train(data, BUDGET)[TASK]
    _poison_files(data, 1)
    after = detector.train(data, BUDGET)[TASK]
    assert not after.fresh and after.folder == before.folder  # found again: all that it reads is the same
    np.testing.assert_array_equal(weights(after.model), weights(before.model))
    _poison_files(data, 0)
    other = detector.train(data, BUDGET)[TASK]
    assert other.fresh and np.abs(weights(other.model) - weights(before.model)).max() > 1e-3


def test_what_models_are_given_is_disjoint_from_what_judges_them(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    given, read, of_images = [], [], detector.signals
    monkeypatch.setattr(training, "train", lambda config, good, **_: given.append(good.images))
    monkeypatch.setattr(detector, "signals", lambda models, images: read.append(images) or of_images(models, images))
    for seed in (0, 1):
        detector.train(data, BUDGET, seed=seed)
        detector.held_out({}, data, BUDGET, seed=seed)
        learnt, good = ({image.tobytes() for image in images} for images in (given[-1], read[-2]))
        assert learnt and good and not learnt & good


# --- What is normal is measured on images that the models have not seen ----------------------------------------------


def test_what_is_normal_and_the_threshold_come_from_the_other_half_alone(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the rival without a network, which has learnt nothing: both halves are new to it."""
    runs = untrained(TASK)
    models = {task: run.model for task, run in runs.items()}

    def judge() -> detector.Detector:
        return detector.detector_of(data, runs, detector.held_out(models, data, BUDGET))

    before = judge()
    for half, same in ((0, True), (1, False)):
        with monkeypatch.context() as patch:
            patch.setattr(training, "halves", _poisoned(half))
            after = judge()
        for name, normal in before.normals.items():
            assert _same(normal, after.normals[name]) == (same and name != BASELINE)
        for name in (TASK, REPRESENTATION):
            assert np.allclose(before.good_scores[name], after.good_scores[name], rtol=1e-4) == same
            thresholds = [judge.threshold(0.2, name=name) for judge in (before, after)]
            assert np.isclose(*thresholds, rtol=1e-4) == same
        assert {len(scores) for scores in after.good_scores.values()} == {5}  # of 11 good parts, the second half


# --- Left out: a good part has no part in the statistics that judge it -----------------------------------------------


def _with_an_outlier(side: int = 16) -> np.ndarray:
    """The signal of eight parts; the last has a spot that the seven others don't have."""
    signal = np.random.default_rng(0).normal(0, 1, (8, side, side, 2)).astype("float32")
    signal[7, 5:8, 5:8] += 25
    return signal


def _by_the_others(signal: np.ndarray, plain: ScoringConfig) -> np.ndarray:
    """The distances of each part by a fit of the others; a bank has the unit of all, which is no one's secret."""
    share, found = plain.bank_share(BASELINE), []
    if 0 < share < 1:
        return stats.combine(*(_by_the_others(signal, alone) for alone in (CELLS, BANKS)), share)
    for row, own in enumerate(signal):
        others = stats.fit_normal(BASELINE, np.delete(signal, row, axis=0), plain)
        if share:
            scale = stats.fit_normal(BASELINE, signal, plain).scale
            others = dataclasses.replace(others, vectors=others.vectors * others.scale / scale, scale=scale)
        found.append(others.distances(own))
    return np.stack(found)


@BOTH_WAYS
def test_a_painted_part_is_not_judged_by_the_part_under_it(
    plain: ScoringConfig, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be next to itself but for its defect, as no new part is.

    Where nothing was painted, its distances are those of the part itself to the others.
    """
    monkeypatch.setattr(stats, "BANK", 4000)  # all of the vectors
    signal, source = _with_an_outlier(), 7
    unseen = detector.held_out({}, data, BUDGET)
    painted = dataclasses.replace(unseen.painted, sources=np.full(1, source)).take(slice(0, 1))
    found = {"good": {BASELINE: signal}, "defective": {BASELINE: signal[[source]]}}
    unseen = dataclasses.replace(unseen, **found, painted=painted)
    normals, found = unseen.normals(plain), unseen.painted_maps(plain)[BASELINE]
    np.testing.assert_allclose(found[0], _by_the_others(signal, plain)[source], rtol=1e-4)
    assert found.max() > 4 * detector.anomaly_maps(unseen.defective, normals, plain)[BASELINE].max()


@BOTH_WAYS
def test_the_scores_that_set_the_threshold_are_left_out(
    plain: ScoringConfig, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each good part is judged by a fit of the others; by a fit of all, that with a spot would look like the rest.

    To 25 %: the variances of all the cells, which a fit of the others does not know, keep the part itself.
    """
    monkeypatch.setattr(stats, "BANK", 4000)  # all of the vectors
    signal = _with_an_outlier()
    unseen = dataclasses.replace(detector.held_out({}, data, BUDGET), good={BASELINE: signal})
    found = detector.detector_of(data, {}, unseen, plain).good_scores
    expected = stats.image_scores(_by_the_others(signal, plain), plain)
    for name in (BASELINE, FUSED):
        np.testing.assert_allclose(found[name], expected, rtol=0.25, atol=2e-3)
    in_sample = stats.image_scores(stats.fit_normal(BASELINE, signal, plain).distances(signal), plain)
    assert found[FUSED][7] > 3 * in_sample[7] and (found[FUSED] > in_sample).all()


# --- Distances, then smoothing ---------------------------------------------------------------------------------------


def _blurred(maps: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(m, sigma * maps.shape[1] / dataset.SIDE) for m in maps])


@BOTH_WAYS
def test_distances_are_those_of_signals_as_they_are_and_are_smoothed_afterwards(plain: ScoringConfig) -> None:
    """Otherwise thin defects would be lost, and good parts look too much alike."""
    signal, sigma = _with_an_outlier(), 32.0
    good, new = {BASELINE: signal[:7]}, {BASELINE: signal[7:]}
    smoothed = dataclasses.replace(plain, map_sigma=sigma)
    unseen = detector.HeldOut(good, {}, None)
    normals = unseen.normals(plain)
    assert _same(normals[BASELINE], unseen.normals(smoothed)[BASELINE])
    raw, left_out = normals[BASELINE].distances(signal[7:]), unseen.good_maps(plain)[BASELINE]
    assert plain.map_sigma == 0  # these are as they are
    for scoring, blur in ((plain, lambda m: m), (smoothed, lambda m: _blurred(m, sigma))):
        found = detector.anomaly_maps(new, normals, scoring)[BASELINE]
        np.testing.assert_allclose(found, blur(raw), rtol=1e-4)
        found = unseen.good_maps(scoring)[BASELINE]
        np.testing.assert_allclose(found, blur(left_out), rtol=1e-4)
    others = normals[BASELINE].distances(np.stack([_blurred(c, sigma) for c in np.moveaxis(signal[7:], -1, 0)], -1))
    assert np.abs(others - _blurred(raw, sigma)).max() > 1  # the other order is another thing


# --- Each image is judged alone --------------------------------------------------------------------------------------


def test_other_test_images_change_nothing_to_the_score_of_an_image(data: Data) -> None:
    runs = untrained(TASK)
    unseen = detector.held_out({task: run.model for task, run in runs.items()}, data, BUDGET)
    judge = detector.detector_of(data, runs, unseen)
    before = evaluation.score_data(data, judge, rate=0.2, draws=20)
    kept = [1, 8]
    rng = np.random.default_rng(0)
    for row, path in enumerate(data.test["path"]):
        if row not in kept:
            save(path, rng.integers(0, 256, (48, 48, 3), "uint8"))
    after = evaluation.score_data(data, judge, rate=0.2, draws=20)
    columns = [name for name in before.table if name.startswith("score")]
    assert len(columns) > 3
    for name in columns:
        first, second = (scores.table[name].to_numpy() for scores in (before, after))
        np.testing.assert_allclose(second[kept], first[kept], rtol=1e-4)
        assert (np.abs(second / first - 1) > 1e-3).sum() > len(first) / 2
    np.testing.assert_allclose(after.maps[kept], before.maps[kept], rtol=1e-3, atol=1e-4)


# --- The test part decides nothing -----------------------------------------------------------------------------------


def _write(folder: Path, *, poison: bool) -> None:
    """Writes a category; poisoned, the same training part, and a test part of noise whose labels are exchanged."""
    write_category(folder)
    if poison:
        rng = np.random.default_rng(7)
        for number in range(5):
            for kind in ("good", "stain"):
                save(folder / f"test/{kind}/{number:03d}.png", rng.integers(0, 256, (48, 48, 3), "uint8"))
            _, mask = stained(0, slice(2, 5))
            save(folder / f"ground_truth/stain/{number:03d}_mask.png", 255 - mask)


def _reference(folder: Path, monkeypatch: pytest.MonkeyPatch, *, poison: bool) -> Path:
    """The files that the command writes before it reads the test part."""
    _write(folder / "donnees" / "mvtec_ad" / "disque", poison=poison)
    monkeypatch.setenv("PROJETS_DATA", str(folder / "donnees"))
    monkeypatch.setenv("PROJETS_TRAVAIL", str(folder / "travail"))
    for module in (project, storage):
        monkeypatch.setattr(module, "REFERENCE", folder / "reference")
    (folder / "reference").mkdir()
    assert command.main([*COMMAND, "--sans-test"]) == 0
    return folder / "reference"


def _decided(reference: Path) -> dict:
    (folder,) = (path for path in reference.iterdir() if path.is_dir())
    judge = storage.load_detector(folder.name, reference)
    table = pd.read_csv(folder / "ablation.csv", keep_default_na=False)
    chosen = table[[name for name in table if not name.startswith("test_")]]
    arrays = {f"{name}/{f}": a for name, normal in judge.normals.items() for f, a in storage.fields(normal).items()}
    arrays |= {task: weights(model) for task, model in judge.models.items()}
    return {"good_scores": judge.good_scores, "scoring": judge.scoring, "arrays": arrays, "ablation": chosen}


def _assert_same(first: dict, second: dict) -> None:
    assert first["scoring"] == second["scoring"]
    for name in ("good_scores", "arrays"):
        assert set(first[name]) == set(second[name])
        for key, values in first[name].items():
            np.testing.assert_array_equal(values, second[name][key])
    pd.testing.assert_frame_equal(first["ablation"], second["ablation"])


def test_a_poisoned_test_part_changes_nothing_that_is_decided_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes more than 10 s: the command runs whole, three times. The last reads the test part."""
    few = [*ablation.scoring_variants([BASELINE])][::9]  # quicker than all
    monkeypatch.setattr(ablation, "scoring_variants", lambda *_: iter(few))
    clean = _decided(_reference(tmp_path / "a", monkeypatch, poison=False))
    reference = _reference(tmp_path / "b", monkeypatch, poison=True)
    _assert_same(clean, _decided(reference))
    monkeypatch.setattr(commun.training, "_save_run", None)  # nothing is trained again
    assert command.main(COMMAND) == 0
    assert (reference / "metrics.json").is_file()
    _assert_same(clean, _decided(reference))


def test_the_threshold_is_that_of_parts_held_out_whatever_the_test_part_is(data: Data) -> None:
    runs = untrained(TASK)
    unseen = detector.held_out({task: run.model for task, run in runs.items()}, data, BUDGET)
    judge = detector.detector_of(data, runs, unseen, SCORING)
    scores = evaluation.score_data(data, judge, rate=0.2, draws=20)
    values, is_defect = scores.table["score"].to_numpy(), scores.table["is_defect"].to_numpy(bool)
    threshold = np.sort(judge.good_scores[FUSED])[-2]  # one good part in five
    assert evaluation.threshold(judge, 0.2) == threshold
    assert scores.metrics["image_f1"]["value"] == metrics.f1(values, is_defect, threshold)
    assert threshold != metrics.false_alarm_threshold(values[~is_defect], 0.2)


def test_the_rival_without_a_network_sees_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.stack([picture(seed, 32) for seed in range(3)])
    models = [untrained(TASK)[TASK].model for _ in range(2)]
    models[1].set_weights([w + 1 for w in models[1].get_weights()])
    found = [signals.signals({TASK: model}, images)[BASELINE] for model in models]
    np.testing.assert_array_equal(*found)


# --- Near-duplicates -------------------------------------------------------------------------------------------------


def test_near_duplicates_are_sought_on_the_whole_pictures_that_models_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        save(folder / f"train/good/{n}.png", wide(n))
        save(folder / f"test/good/{n}.png", wide(100 + n))
    save(folder / "test/good/middle.png", wide(50, middle=wide(3)[:, 40:80, 0]))
    noisy = wide(4) + rng.integers(-5, 6, (40, 120, 1))
    save(folder / "test/good/copy.png", np.clip(noisy, 0, 255).astype("uint8"))
    shutil.copy(folder / "test/good/1.png", folder / "test/good/twin.png")  # of a test image: no matter
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    found = checks.near_duplicates(dataset.load("plaque"))
    assert list(zip(found["test"], found["train"], strict=True)) == [("test/good/copy.png", "train/good/4.png")]
