"""From error maps to decisions: statistics against brute force, folds, folders of all sorts, a fourth pretext task."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import itertools
import json
import math
import shutil
import textwrap
import types
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commun import UserError, training
from projet3_ssl_anomalies import ablation, dataset, defects, evaluation, metrics, networks, pretexts
from projet3_ssl_anomalies import detector as detection
from projet3_ssl_anomalies import statistics as normal
from projet3_ssl_anomalies import training as modelling
from projet3_ssl_anomalies.dataset import SIDE, Data
from projet3_ssl_anomalies.detector import Detector, OutOfFoldErrors
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.files import CONFIG
from projet3_ssl_anomalies.pretexts import FUSED, PRETEXTS
from projet3_ssl_anomalies.reconstructor import Scorer, error_maps
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig
from projet3_ssl_anomalies.training import Good, Group

import keras  # isort: skip
from keras import ops  # isort: skip

SMALL = 32  # side of the images that models take here
BUDGET = dataclasses.replace(
    modelling.profile("essai"), side=SMALL, images=4, epochs=2, folds=1, shared=True, painted=2, draws=20
)
DRAWS = {"draws": 20}
SHARP = ScoringConfig(error_sigma=0.0, map_sigma=0.0)
NO_PROBLEM = pd.DataFrame({"file": [], "what": []})


def _maps(count: int, *, side: int = 16, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Error maps whose mean and spread depend on the place."""
    random = np.random.default_rng(seed)
    scale = random.uniform(0.2, 2, (side, side, channels))
    return (scale * random.gamma(2, 1, (count, side, side, channels))).astype("float32")


def _picture(seed: int, side: int = 48) -> np.ndarray:
    random = np.random.default_rng(seed)
    y, x = np.indices((side, side)) / side - 0.5
    grey = np.where(np.hypot(x, y) < 0.38, 110, 220) + random.normal(0, 4, (side, side))
    return np.clip(np.stack([grey, grey * 0.95, grey * 0.85], axis=-1), 0, 255).astype("uint8")


def _stained(seed: int, place: slice, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A part with a red stain that nobody could miss, and its mask."""
    image, mask = _picture(seed, side), np.zeros((side, side), "uint8")
    mask[place, 16:28] = 255
    image[mask > 0] = (200, 20, 40)
    return image, mask


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _category(folder: Path, seed: int, *, train: int = 11) -> None:
    for number in range(train):
        _save(folder / f"train/good/{number:03d}.png", _picture(seed + number))
    for number in range(5):
        _save(folder / f"test/good/{number:03d}.png", _picture(seed + 100 + number))
        image, mask = _stained(seed + 200 + number, slice(10 + number, 22))
        _save(folder / f"test/stain/{number:03d}.png", image)
        _save(folder / f"ground_truth/stain/{number:03d}_mask.png", mask)


@pytest.fixture(scope="module")
def datas(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Data, Data]]:
    """Two categories never seen in this project: the parts of the first are aligned, those of the second are turned."""
    root = tmp_path_factory.mktemp("données réelles")
    _category(root / "mvtec_ad" / "disque", seed=0)
    _category(root / "mvtec_ad" / "palet", seed=1000, train=14)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_DATA", str(root))
        patch.setenv("PROJETS_TRAVAIL", str(tmp_path_factory.mktemp("travail")))
        first, second = dataset.load("disque"), dataset.load("palet")
        aligned, turned = (
            dataclasses.replace(d.category, **{k: True}) for d, k in ((first, "aligned"), (second, "varies"))
        )
        yield dataclasses.replace(first, category=aligned), dataclasses.replace(second, category=turned)


@pytest.fixture
def folder(datas: tuple[Data, Data], tmp_path: Path) -> Path:
    """A copy of the first category that a test may spoil."""
    return shutil.copytree(datas[0].location.folder, tmp_path / "disque")


# --- Normalisation ---------------------------------------------------------------------------------------------------


def _mahalanobis(errors: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """By the definition, pixel after pixel; `mean` (h, w, c) and `covariance` (h, w, c, c) are those of each."""
    found = np.empty(errors.shape[:3])
    for n, y, x in np.ndindex(*found.shape):
        gap = errors[n, y, x] - mean[y, x]
        found[n, y, x] = np.sqrt(gap @ np.linalg.inv(covariance[y, x]) @ gap / len(gap))
    return found


def test_without_alignment_all_pixels_share_the_global_statistics() -> None:
    errors = _maps(7)
    found = normal.normal_statistics(errors, aligned=False)
    assert found.mean.shape == (16, 16, 2) and found.mean.dtype == np.float32
    np.testing.assert_allclose(found.mean, np.broadcast_to(errors.mean(axis=(0, 1, 2)), (16, 16, 2)), rtol=1e-4)
    assert (found.whitening == found.whitening[0, 0]).all() and found.whitening.shape == (16, 16, 2, 2)
    np.testing.assert_allclose(found.whitening[0, 0], np.diag(1 / errors.std(axis=(0, 1, 2))), rtol=1e-4)
    assert np.square(found.distances(errors)).mean() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("shrink", [1e-3, 3.0, 1e9])
def test_covariances_of_aligned_pixels_are_shrunk_towards_the_global_variances(shrink: float) -> None:
    errors, config = _maps(7), dataclasses.replace(SHARP, shrinkage=shrink)
    errors[..., 1] += 0.8 * errors[..., 0]  # channels that go together
    found = normal.normal_statistics(errors, aligned=True, scoring=config)
    mean, gaps = errors.mean(axis=0), errors - errors.mean(axis=0)
    scatter = (gaps[..., None] * gaps[..., None, :]).sum(axis=0)
    covariance = (scatter + shrink * np.diag(errors.var(axis=(0, 1, 2)))) / (7 + shrink)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-4)
    other = _maps(2, seed=1)
    np.testing.assert_allclose(found.distances(other), _mahalanobis(other, mean, covariance), rtol=2e-3)


def test_an_error_is_unusual_by_its_direction_too() -> None:
    """Channels that always go together: one that goes alone is further than both together."""
    random = np.random.default_rng(0)
    common = random.normal(size=(40, 8, 8, 1))
    errors = (common + 0.1 * random.normal(size=(40, 8, 8, 2))).astype("float32")
    found = normal.normal_statistics(errors, aligned=True, scoring=SHARP)
    together, alone = (np.broadcast_to(np.float32(gap), (1, 8, 8, 2)) for gap in ([1, 1], [1, -1]))
    assert (found.distances(alone) > 3 * found.distances(together)).all()


@pytest.mark.parametrize("aligned", [True, False])
def test_errors_that_do_not_vary_are_no_infinite_anomaly(aligned: bool) -> None:
    errors = np.full((4, 16, 16, 1), 0.25, "float32")
    statistics = normal.normal_statistics(errors, aligned=aligned)
    np.testing.assert_allclose(statistics.distances(errors), 0, atol=0.1)
    others = statistics.distances(errors + 0.1)
    assert (others > 100).all() and np.isfinite(others).all()


@pytest.mark.parametrize(
    ("aligned", "count", "gap"), [(False, 2, 1e-3), (False, 6, 1e-3), (True, 6, 0.2), (True, 40, 0.02)]
)
def test_left_out_judges_each_error_by_the_others(aligned: bool, count: int, gap: float) -> None:
    """To `gap`: the variances of all the pixels, to which those of each are shrunk, keep the image itself."""
    errors = _maps(count)
    found = normal.left_out_distances(errors, aligned=aligned)
    expected = np.stack([
        normal.normal_statistics(np.delete(errors, row, axis=0), aligned=aligned).distances(errors[row])
        for row in range(count)
    ])
    np.testing.assert_allclose(found, expected, rtol=gap)
    assert found.mean() > normal.normal_statistics(errors, aligned=aligned).distances(errors).mean()


@pytest.mark.parametrize("count", [2, 12])
def test_left_out_is_exact_where_nothing_is_shared_between_pixels(count: int) -> None:
    errors, config = _maps(count, channels=1), dataclasses.replace(SHARP, shrinkage=0.0)
    found = normal.left_out_distances(errors, aligned=True, scoring=config)
    assert np.isfinite(found).all()
    if count > 2:  # of two, the other has no variance
        others = (
            normal.normal_statistics(np.delete(errors, row, axis=0), aligned=True, scoring=config)
            for row in range(count)
        )
        expected = [other.distances(error) for other, error in zip(others, errors, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-2)


def test_smoothing_spreads_without_adding() -> None:
    maps = _maps(3, side=32)
    found = normal.smooth(maps, 2.0)
    assert found.shape == maps.shape and found.dtype == np.float32
    np.testing.assert_allclose(normal.smooth(maps[..., 0], 2.0), found[..., 0], rtol=1e-5)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), rtol=1e-4)
    assert (found.std(axis=(1, 2)) < maps.std(axis=(1, 2))).all()
    np.testing.assert_allclose(normal.smooth(maps, 0.0), maps)


@pytest.mark.parametrize("side", [64, 128])
def test_blur_is_in_pixels_of_a_256_pixel_image(side: int) -> None:
    maps = np.zeros((1, side, side, 1), "float32")
    maps[0, side // 2, side // 2] = 1
    spot = normal.smooth(maps, 12.0)[0, ..., 0]
    spread = (np.indices(spot.shape)[1] - side // 2) ** 2
    assert (spot * spread).sum() ** 0.5 == pytest.approx(12 * side / 256, rel=0.02)


# --- Fusion and scores -----------------------------------------------------------------------------------------------


def test_tasks_are_fused_by_weight_one_by_default() -> None:
    first, second, third = np.moveaxis(_maps(2, channels=3), -1, 0)
    maps = {"a": first, "b": second, "c": third}
    np.testing.assert_allclose(normal.fuse(maps), (first + second + third) / 3, rtol=1e-5)
    found = normal.fuse(maps, ScoringConfig(weights={"b": 0.5, "c": 0, "unknown": 9}))
    np.testing.assert_allclose(found, (first + 0.5 * second) / 1.5, rtol=1e-5)
    found = normal.fuse(maps, ScoringConfig(weights={"b": 0.5, "c": 0}, fusion="geometric"))
    np.testing.assert_allclose(found, (first * second**0.5) ** (1 / 1.5), rtol=1e-4)
    assert np.isfinite(normal.fuse({"a": np.zeros_like(first), "b": second}, ScoringConfig(fusion="geometric"))).all()


@pytest.mark.parametrize(("fraction", "count"), [(1e-9, 1), (0.01, 3), (0.25, 64), (1.0, 256)])
def test_the_score_is_the_mean_of_the_highest_pixels(fraction: float, count: int) -> None:
    maps = _maps(4)[..., 0]
    expected = [np.sort(m.ravel())[::-1][:count].mean() for m in maps]
    np.testing.assert_allclose(normal.image_scores(maps, ScoringConfig(top_fraction=fraction)), expected, rtol=1e-5)


def test_maps_are_enlarged_without_going_beyond_their_values() -> None:
    maps = _maps(2)[..., 0]
    found = normal.enlarge(maps, 64)
    assert found.shape == (2, 64, 64) and found.dtype == np.float32
    assert maps.min() - 1e-5 <= found.min() and found.max() <= maps.max() + 1e-5
    np.testing.assert_allclose(found.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), rtol=0.02)
    np.testing.assert_array_equal(normal.enlarge(maps, 16), maps)
    assert normal.enlarge(maps).shape == (2, SIDE, SIDE)


# --- Folds and groups ------------------------------------------------------------------------------------------------

OWNER = np.repeat([0, 1, 2], [10, 7, 23])


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_image_is_held_out_once_and_categories_alike(count: int) -> None:
    fold = detection.folds(OWNER, count)
    assert fold.shape == OWNER.shape and set(fold) == set(range(count))
    for category in range(3):
        sizes = np.bincount(fold[category == OWNER], minlength=count)
        assert np.ptp(sizes) <= 1
    assert (fold != detection.folds(OWNER, count, seed=1)).any()
    np.testing.assert_array_equal(fold, detection.folds(OWNER, count))


def test_one_fold_holds_out_an_image_in_five() -> None:
    fold = detection.folds(OWNER, 1)
    assert set(fold) == {-1, 0}
    assert [int((fold[category == OWNER] == 0).sum()) for category in range(3)] == [2, 2, 5]  # a fifth, rounded up


@pytest.fixture
def mixed(datas: tuple[Data, Data]) -> tuple[Data, ...]:
    """The two real categories, and one passed off as synthetic."""
    first, second = datas
    location = dataclasses.replace(first.location, is_real=False)
    return first, dataclasses.replace(first, location=location), second


def test_real_and_synthetic_images_are_never_mixed(mixed: tuple[Data, ...]) -> None:
    shared = modelling.groups(mixed, BUDGET)
    assert [[data.location.is_real for data in group.datas] for group in shared] == [[True, True], [False]]
    assert [group.good.category_ids.tolist() for group in shared] == [[0] * 11 + [1] * 14, [0] * 11]
    alone = modelling.groups(mixed, dataclasses.replace(BUDGET, shared=False))
    assert [group.datas for group in alone] == [(data,) for data in mixed]
    assert shared[1].title == "disque" and shared[0].title != shared[1].title


def test_a_group_holds_the_good_images_of_its_categories(datas: tuple[Data, Data]) -> None:
    (group,) = modelling.groups(datas, BUDGET)
    for index, data in enumerate(datas):
        mine = group.good.take(group.good.category_ids == index)
        np.testing.assert_array_equal(mine.images, dataset.read(data.train, SMALL)[1])
        assert mine.turns.tolist() == [data.category.varies] * len(data.train)
    assert group.watched.category_ids.tolist() == [0, 1]
    np.testing.assert_array_equal(group.watched.images, group.good.images[[0, 11]])


def test_budgets_count_images_for_each_category(datas: tuple[Data, Data]) -> None:
    both, first = (modelling.groups(d, BUDGET)[0] for d in (datas, datas[:1]))
    for group in (both, first):
        found = modelling.configurations(group, BUDGET, seed=4)
        assert list(found) == list(PRETEXTS) == [config.task for config in found.values()]
        for config in found.values():
            assert (config.side, config.epochs, config.seed) == (SMALL, BUDGET.epochs, 4)
            assert config.n_categories == len(group.datas)
            assert config.images_seen == BUDGET.images * len(group.datas)


def test_profiles_and_their_names() -> None:
    sizes = [modelling.profile(name).images for name in ("essai", "rapide", "complet")]
    assert sizes == sorted(sizes)
    with pytest.raises(UserError, match="essai, rapide, complet"):
        modelling.profile("lent")


# --- Errors on images never seen, with models that only remember -----------------------------------------------------


@dataclasses.dataclass
class Memory:
    """A model that remembers what it learned from; its errors are the red of the image, the category, its number."""

    learnt: set[bytes]
    number: int
    pretext = types.SimpleNamespace(channels=("red", "category", "number"))

    @property
    def model(self) -> Memory:
        return self


@pytest.fixture
def memories(monkeypatch: pytest.MonkeyPatch) -> list[Memory]:
    made = []

    def train(config, good: Good, **_) -> training.Run:
        made.append(Memory({image.tobytes() for image in good.images}, len(made)))
        return training.Run(made[-1], None, {"seconds": 2.0}, Path(), fresh=True)

    def recall(memory: Memory, images: np.ndarray, category_id: int) -> np.ndarray:
        assert not any(image.tobytes() in memory.learnt for image in images)
        channels = (images[..., 0], *(np.full(images.shape[:3], value) for value in (category_id, memory.number)))
        return np.stack(channels, axis=-1).astype("float32")

    monkeypatch.setattr(modelling, "train", train)
    monkeypatch.setattr(detection, "error_maps", recall)
    monkeypatch.setattr(detection, "Scorer", lambda memory: memory)
    return made


def _group(datas: tuple[Data, Data]) -> Group:
    images = np.stack([_picture(seed, SMALL) for seed in range(18)])
    return Group(datas, Good(images, np.zeros(18, bool), np.repeat([0, 1], [11, 7])))


@pytest.mark.parametrize(("folds", "painted"), [(1, 1), (2, 1), (3, 2), (3, 50)])
def test_errors_are_those_of_models_that_did_not_learn_the_image(
    folds: int, painted: int, datas: tuple[Data, Data], memories: list[Memory]
) -> None:
    group = _group(datas)
    held = detection.out_of_fold_errors(group, dataclasses.replace(BUDGET, folds=folds, painted=painted))
    assert len(memories) == folds * len(PRETEXTS) and held.seconds == 2 * len(memories)
    fold = detection.folds(group.good.category_ids, folds)
    known = {image[..., 0].astype("float32").tobytes(): row for row, image in enumerate(group.good.images)}
    for task in PRETEXTS:
        rows = [known[np.ascontiguousarray(m[..., 0]).tobytes()] for m in held.good[task]]
        assert sorted(rows) == np.flatnonzero(fold >= 0).tolist()
        category_ids = group.good.category_ids[rows].tolist()
        assert held.category_ids.tolist() == category_ids == held.good[task][:, 0, 0, 1].tolist()
        np.testing.assert_array_equal(held.defective[task][..., 0], held.painted.images[..., 0])
        for maps, mask, source in zip(held.defective[task], held.painted.masks, held.painted.sources, strict=True):
            below = held.good[task][source]
            np.testing.assert_array_equal(maps[~mask], below[~mask])  # by the same model too
    for category in (0, 1):
        sources = np.unique(held.painted.sources[held.category_ids[held.painted.sources] == category])
        assert len(sources) == min(painted, (held.category_ids == category).sum())


# --- A fourth task, trained and scored -------------------------------------------------------------------------------


@contextlib.contextmanager
def _two_tasks() -> Generator[list[str]]:
    """The tasks are colorization and the example of the documentation, as it is written there."""
    text = inspect.cleandoc(pretexts.Pretext.__doc__)
    lines = text[text.index("    class ") :].splitlines()
    code = textwrap.dedent("\n".join(itertools.takewhile(lambda line: line.startswith("    ") or not line, lines)))
    before = dict(PRETEXTS)
    try:
        for task in set(before) - {"colorization"}:
            del PRETEXTS[task]
        exec(code, {"Pretext": pretexts.Pretext, "unet": networks.unet, "ops": ops})
        yield list(PRETEXTS)
    finally:
        PRETEXTS.clear()
        PRETEXTS.update(before)


@pytest.fixture
def tasks() -> Generator[list[str]]:
    with _two_tasks() as names:
        yield names


@dataclasses.dataclass(frozen=True)
class Learnt:
    group: Group
    held: OutOfFoldErrors
    detectors: list[Detector]


@pytest.fixture(scope="module")
def learnt(datas: tuple[Data, Data]) -> Learnt:
    compiled = keras.Model.compile

    def eager(model: keras.Model, *args, **options) -> None:
        """Tracing would take longer than these few steps. A library's method is no part of the key of a run."""
        compiled(model, *args, **options)
        model.run_eagerly = True

    (group,) = modelling.groups(datas, BUDGET)
    with _two_tasks(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", eager)
        held = detection.out_of_fold_errors(group, BUDGET)
        return Learnt(group, held, detection.detectors(group, BUDGET, held))


@pytest.fixture(scope="module")
def judged(learnt: Learnt) -> Scores:
    return evaluation.score_data(learnt.group.datas[0], learnt.detectors[0], rate=0.4, **DRAWS)


def test_the_example_of_the_documentation_is_a_task_like_another(tasks: list[str], learnt: Learnt) -> None:
    assert tasks == ["colorization", "sharpening"] and PRETEXTS["sharpening"].__name__ == "Sharpening"
    for maps in (learnt.held.good, learnt.held.defective):
        assert {task: m.shape[1:] for task, m in maps.items()} == {
            "colorization": (SMALL, SMALL, 2),
            "sharpening": (SMALL, SMALL, 4),
        }
    for detector in learnt.detectors:
        assert list(detector.models) == list(detector.statistics) == tasks
        assert list(detector.good_scores) == [*tasks, FUSED]


@pytest.mark.usefixtures("memories")
def test_the_progress_of_a_new_task_has_its_title(
    tasks: list[str], datas: tuple[Data, Data], capsys: pytest.CaptureFixture[str]
) -> None:
    detection.out_of_fold_errors(_group(datas), BUDGET, title="disque")
    assert PRETEXTS["sharpening"].title in capsys.readouterr().out


def test_errors_of_a_fold_are_those_of_its_model(tasks: list[str], learnt: Learnt) -> None:
    group, rows = learnt.group, np.flatnonzero(detection.folds(learnt.group.good.category_ids, 1) == 0)
    assert learnt.held.category_ids.tolist() == group.good.category_ids[rows].tolist() == [0] * 3 + [1] * 3
    config = modelling.configurations(group, BUDGET)["colorization"]
    run = modelling.train(config, group.good.take(np.delete(np.arange(len(group.good)), rows)))
    assert not run.fresh
    scorer = Scorer(run.model)
    maps = [error_maps(scorer, group.good.images[part], kind) for kind, part in enumerate(np.split(rows, 2))]
    np.testing.assert_allclose(learnt.held.good["colorization"], np.concatenate(maps), atol=1e-5)


def test_detectors_know_their_category(learnt: Learnt) -> None:
    first, second = learnt.detectors
    assert [first.category, second.category] == [data.category for data in learnt.group.datas]
    assert first.models == second.models and first.side == SMALL and [first.category_id, second.category_id] == [0, 1]
    for detector in learnt.detectors:
        assert {len(scores) for scores in detector.good_scores.values()} == {3}
        assert all(np.isfinite(scores).all() for scores in detector.good_scores.values())
        assert detector.seconds > learnt.held.seconds > 0
    for task in first.models:
        assert np.ptp(first.statistics[task].mean, axis=(0, 1)).min() > 0  # aligned: each pixel has its own
        assert np.ptp(second.statistics[task].mean, axis=(0, 1)).max() == 0
    good = normal.smooth(learnt.held.good["colorization"][3:], SCORING.error_sigma)
    expected = [
        normal.normal_statistics(np.delete(good, row, axis=0), aligned=False).distances(m) for row, m in enumerate(good)
    ]
    scores = normal.image_scores(normal.smooth(np.stack(expected), SCORING.map_sigma))
    np.testing.assert_allclose(second.good_scores["colorization"], scores, rtol=1e-2)


def test_maps_of_a_detector(learnt: Learnt) -> None:
    detector, (_, images) = learnt.detectors[0], dataset.read(learnt.group.datas[0].test, SMALL)
    count = len(detector.models["colorization"].weights)
    maps = detector.maps(images)
    assert list(maps) == [*detector.models, FUSED]
    assert {m.shape for m in maps.values()} == {(10, SMALL, SMALL)} and maps[FUSED].dtype == np.float32
    np.testing.assert_allclose(maps[FUSED], np.mean([maps[task] for task in detector.models], axis=0), rtol=1e-4)
    np.testing.assert_allclose(detector.maps(images[7:8])[FUSED], maps[FUSED][7:8], rtol=1e-3, atol=1e-3)
    assert len(detector.models["colorization"].weights) == count  # scoring adds nothing to what is saved


def test_thresholds_come_from_good_parts_and_refuse_what_they_cannot_say(learnt: Learnt) -> None:
    detector = learnt.detectors[0]
    for task, scores in detector.good_scores.items():
        assert detector.threshold(0.34, task=task) == np.sort(scores)[1]
    with pytest.raises(UserError, match="1/3"):
        detector.threshold(0.1)


def test_obvious_defects_are_found(judged: Scores, learnt: Learnt) -> None:
    assert list(judged.tasks) == list(learnt.detectors[0].models)
    for measured in (judged.metrics, *judged.tasks.values()):
        assert set(measured) == {"image_auroc", "image_ap", "image_f1", "pixel_auroc", "au_pro"}
        assert measured["image_auroc"]["n"] == 10
    assert judged.metrics["image_auroc"]["value"] > 0.9 and judged.metrics["pixel_auroc"]["value"] > 0.9
    assert evaluation.headline(judged) == judged.metrics["image_auroc"]["value"]


def test_scores_follow_the_rows_of_the_table(judged: Scores, learnt: Learnt) -> None:
    data, tasks = learnt.group.datas[0], list(learnt.detectors[0].models)
    assert list(judged.table) == ["path", "defect", "is_defect", "score", *(f"score_{task}" for task in tasks)]
    assert judged.table["path"].tolist() == data.test["path"].tolist() and judged.left_out == ()
    assert judged.maps.shape == judged.truth.shape == (10, SIDE, SIDE) and judged.maps.dtype == np.float32
    assert judged.truth.any(axis=(1, 2)).tolist() == data.test["is_defect"].tolist()
    auroc = metrics.image_auroc(judged.table["score"].to_numpy(), judged.table["is_defect"].to_numpy(bool))
    assert auroc == judged.metrics["image_auroc"]["value"]
    assert metrics.au_pro(judged.maps, judged.truth) == pytest.approx(judged.metrics["au_pro"]["value"])
    np.testing.assert_array_equal(judged.images, dataset.read(data.test, SMALL)[1])


# --- Folders of all sorts --------------------------------------------------------------------------------------------


def _judge(folder: Path, learnt: Learnt, **options) -> Scores:
    return evaluation.score_folder(folder, "disque", detector=learnt.detectors[0], **DRAWS, **options)


def test_a_folder_without_masks_nor_training_part_is_judged(folder: Path, learnt: Learnt, judged: Scores) -> None:
    shutil.rmtree(folder / "ground_truth")
    shutil.rmtree(folder / "train")
    found = _judge(folder, learnt)
    assert set(found.metrics) == {"image_auroc", "image_ap"}  # nor F1: three good parts say nothing of 5 %
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
    return Scores(table, maps=None, metrics=found, tasks={}, left_out=(), images=None, truth=None)


def test_decisions_count_rejected_and_missed_parts() -> None:
    found = evaluation.decisions(_scores([1, 2, 3, 4], [2.5, 3, 5]), 3.0)  # a score at the threshold is accepted
    assert found == evaluation.Decisions(good=4, rejected=1, defective=3, missed=2)
    assert evaluation.decisions(_scores([1, 9], []), 3.0) == (2, 1, 0, 0)


def test_summary_ranks_categories_and_adds_their_counts(datas: tuple[Data, Data]) -> None:
    scores = {"disque": _scores([1, 2], [3, 4], 0.9), "palet": _scores([1, 4], [0], 0.7)}
    found = evaluation.summary(datas, scores, {"disque": 2.0, "palet": 2.0})
    assert (found["worst"], found["low"], found["best"], found["high"]) == ("palet", 0.7, "disque", 0.9)
    assert (found["good"], found["rejected"], found["defective"], found["missed"]) == (4, 1, 3, 1)


# --- Choosing the constants ------------------------------------------------------------------------------------------


def _painted_maps(datas: tuple[Data, Data]) -> tuple[Group, OutOfFoldErrors]:
    """Errors of the tasks on eight good images of two categories, and on as many defects that stand out."""
    count = 2 * len(defects.TYPES)
    kinds = np.array([*defects.TYPES] * 2)
    masks = np.zeros((count, 16, 16), bool)
    masks[:, 4:9, 5:10] = True
    sources, owner = np.repeat([1, 5], count // 2), np.repeat([0, 1], 4)
    good = {task: _maps(8, channels=len(made.channels), seed=s) for s, (task, made) in enumerate(PRETEXTS.items())}
    bad = {task: maps[sources] + 30 * masks[..., None] for task, maps in good.items()}
    return Group(datas, None), OutOfFoldErrors(
        good, owner, bad, defects.Defective(np.zeros((count, 16, 16, 3)), masks, kinds, sources), 0.0
    )


def test_ablation_measures_each_variant_on_each_category(datas: tuple[Data, Data]) -> None:
    group, held = _painted_maps(datas)
    table = ablation.scoring_ablation(group, held)
    kinds, compared = [*defects.TYPES], [(constant, value) for constant, value, _ in ablation.scoring_variants()]
    measures = ["image", *kinds, "pixel", "pro"]
    assert list(table) == ["category", "source", "constant", "value", "is_retained", *measures]
    for name, rows in table.groupby("category", sort=False):
        assert name in {"disque", "palet"} and set(rows["source"]) == {"real"}
        assert list(zip(rows["constant"], rows["value"], strict=True)) == compared
    retained = table[table["constant"] == ablation.RETAINED]
    assert len(retained) == 2 and (retained[measures] > 0.9).all(axis=None) and retained["is_retained"].all()
    assert set(table["constant"]) == set(table["constant"][table["is_retained"]])  # each has its value among them
    assert (table[measures].min(axis=None) >= 0) and (table[measures].max(axis=None) <= 1)
    np.testing.assert_allclose(table["image"], table[kinds].mean(axis=1))  # as many of each kind


def test_each_variant_is_measured_with_its_own_choices(datas: tuple[Data, Data]) -> None:
    group, held = _painted_maps(datas)
    faint = {t: m[held.painted.sources] + 2 * held.painted.masks[..., None] for t, m in held.good.items()}
    held = dataclasses.replace(held, defective=faint)
    table = ablation.scoring_ablation(group, held)
    mine = held.category_ids == 1
    ours, changed = mine[held.painted.sources], set()
    for (_, _, choices), row in zip(
        ablation.scoring_variants(), table[table["category"] == "palet"].itertuples(), strict=True
    ):
        pairs = {
            t: normal.cross_validated_maps(held.good[t][mine], held.defective[t][ours], aligned=False, scoring=choices)
            for t in held.good
        }
        maps = (normal.fuse({t: pair[i] for t, pair in pairs.items()}, choices) for i in (0, 1))
        expected = ablation.on_synthetic(*maps, held.painted.take(ours), scoring=choices)
        assert (row.image, row.pixel, row.pro) == pytest.approx([expected[name] for name in ("image", "pixel", "pro")])
        changed.add(round(row.pro, 6))
    assert len(changed) > 5


def test_ablation_of_a_kind_that_could_not_be_painted_is_unknown(
    datas: tuple[Data, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "scoring_variants", lambda _: iter([(ablation.RETAINED, "", SCORING)]))
    group, held = _painted_maps(datas)
    kept = held.painted.defect_types != "scuff"
    bad = {task: maps[kept] for task, maps in held.defective.items()}
    table = ablation.scoring_ablation(group, dataclasses.replace(held, painted=held.painted.take(kept), defective=bad))
    assert len(table) == 2 and table["scuff"].isna().all() and table.drop(columns="scuff").notna().all(axis=None)


def test_ablation_measures_categories_apart(datas: tuple[Data, Data], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "scoring_variants", lambda _: iter([(ablation.RETAINED, "", SCORING)]))
    group, held = _painted_maps(datas)
    second = held.category_ids[held.painted.sources] == 1  # its defects leave no trace
    bad = {t: np.where(second[:, None, None, None], held.good[t][5], maps) for t, maps in held.defective.items()}
    first, second = ablation.scoring_ablation(group, dataclasses.replace(held, defective=bad))["pixel"]
    assert first > 0.95 and second < 0.8


def test_variants_change_one_constant_at_a_time() -> None:
    constant, value, kept = next(ablation.scoring_variants())
    assert kept == SCORING and value == ""
    changed = {}
    for constant, value, choices in list(ablation.scoring_variants())[1:]:
        names = [name for name in vars(SCORING) if getattr(choices, name) != getattr(SCORING, name)]
        assert len(names) <= 1 and value
        changed.setdefault(constant, set()).update(names)
    assert sorted(name for (name,) in changed.values()) == sorted(f.name for f in dataclasses.fields(ScoringConfig))


# --- Reference -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(learnt: Learnt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    choices = dataclasses.replace(SCORING, weights={"sharpening": 0.5}, top_fraction=0.01)
    detector = dataclasses.replace(learnt.detectors[1], scoring=choices)
    detection.save_detector(detector, folder / detector.category.name)
    return folder


@pytest.mark.usefixtures("tasks")
def test_a_saved_detector_judges_as_before(saved: Path, learnt: Learnt) -> None:
    detector, (_, images) = learnt.detectors[1], dataset.read(learnt.group.datas[1].test, SMALL)
    loaded = detection.load_detector("palet", saved)
    assert loaded.category == detector.category and loaded.category_id == 1
    assert loaded.scoring == dataclasses.replace(SCORING, weights={"sharpening": 0.5}, top_fraction=0.01)
    assert loaded.seconds == pytest.approx(detector.seconds, abs=0.5)
    assert list(loaded.good_scores) == list(detector.good_scores)
    for name, scores in detector.good_scores.items():
        np.testing.assert_allclose(loaded.good_scores[name], scores, atol=1e-4)
    before = dataclasses.replace(detector, scoring=loaded.scoring).maps(images)
    for name, maps in loaded.maps(images).items():
        np.testing.assert_allclose(maps, before[name], rtol=0.02, atol=0.05)
        assert (maps != before[name]).any()  # 16 bits, half the size


def test_an_unknown_detector_is_refused_with_those_that_there_are(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"« puzzle » \(catégories qui en ont un : palet\)"):
        detection.load_detector("puzzle", saved)
    with pytest.raises(UserError, match="aucune"):
        detection.load_detector("disque", tmp_path / "absent")


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
        lambda text: text.replace('"error_sigma"', '"flou"'),
        lambda text: text.replace('"title"', '"titre"'),
    ],
)
def test_a_damaged_detector_is_a_user_error(spoil, saved: Path, tmp_path: Path) -> None:
    path = shutil.copytree(saved / "palet", tmp_path / "palet") / "detecteur.json"
    before = path.read_text(encoding="utf-8")
    path.write_text(spoil(before), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before
    with pytest.raises(UserError, match=r"detecteur\.json est illisible"):
        detection.load_detector("palet", tmp_path)


@pytest.mark.usefixtures("tasks")
def test_damaged_weights_are_a_user_error(saved: Path, tmp_path: Path) -> None:
    path = shutil.copytree(saved / "palet", tmp_path / "palet") / "colorization.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"colorization\.npz est illisible"):
        detection.load_detector("palet", tmp_path)


@pytest.mark.usefixtures("tasks")
def test_a_detector_without_one_of_its_tasks_is_a_user_error(saved: Path, tmp_path: Path) -> None:
    path = shutil.copytree(saved / "palet", tmp_path / "palet") / "sharpening.npz"
    path.unlink()
    with pytest.raises(UserError, match="sharpening"):
        detection.load_detector("palet", tmp_path)


def test_too_few_good_images_are_refused_in_one_sentence(work: Path, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "donnees" / "mvtec_ad" / "toothbrush"
    dataset.sample.draw(folder, category="toothbrush", train=5, good=5, bad=1)
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "donnees"))
    with pytest.raises(UserError, match="5 bonne"):
        modelling.groups([dataset.load("toothbrush")], modelling.profile("essai"))
