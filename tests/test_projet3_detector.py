"""What judges the parts of a category, with the task of the documentation as one of two: maps, scores, files."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Generator

import numpy as np
import pytest
from anomalies import eager, load_category, only

from commun import UserError, training
from projet3_ssl_anomalies import dataset, defects, networks, pretexts
from projet3_ssl_anomalies import detector as detection
from projet3_ssl_anomalies import statistics as stats
from projet3_ssl_anomalies import training as modelling
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.detector import Detector, HeldOut
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.signals import BASELINE, FUSED, GRID, REPRESENTATION, signals
from projet3_ssl_anomalies.statistics import GoodBank, NormalStatistics, PlacedAndBanked

from keras import ops  # isort: skip

BUDGET = dataclasses.replace(modelling.profile("essai"), images=4, epochs=1, painted=2)
TASKS = ["colorization", "sharpening"]
NORMALS = {0: NormalStatistics, 0.5: PlacedAndBanked, 1: GoodBank}  # by share of the bank
NAMES = [BASELINE, *TASKS, REPRESENTATION, FUSED]


@dataclasses.dataclass(frozen=True)
class Learnt:
    data: Data
    runs: dict[str, training.Run]
    unseen: HeldOut
    detector: Detector

    @property
    def models(self) -> dict[str, Reconstructor]:
        return {task: run.model for task, run in self.runs.items()}


@pytest.fixture(scope="module", autouse=True)
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """The tasks are colorization and the example of the documentation, as it is written there."""
    text = inspect.cleandoc(pretexts.Pretext.__doc__)
    lines = text[text.index("    class ") :].splitlines()
    code = textwrap.dedent("\n".join(itertools.takewhile(lambda line: line.startswith("    ") or not line, lines)))
    with only("colorization"), eager(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_TRAVAIL", str(tmp_path_factory.mktemp("travail")))
        exec(code, {"Pretext": pretexts.Pretext, "unet": networks.unet, "ops": ops})
        yield


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    data = load_category(tmp_path_factory.mktemp("données réelles"), "disque")
    runs = detection.train(data, BUDGET)
    unseen = detection.held_out({task: run.model for task, run in runs.items()}, data, BUDGET)
    return Learnt(data, runs, unseen, detection.detector_of(data, runs, unseen))


@pytest.fixture(scope="module")
def images(learnt: Learnt) -> np.ndarray:
    return dataset.read(learnt.data.test, 32)[1]


# --- Held out --------------------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_is_a_task_like_another(learnt: Learnt) -> None:
    assert list(PRETEXTS) == TASKS and PRETEXTS["sharpening"].__name__ == "Sharpening"
    assert list(learnt.runs) == list(learnt.detector.models) == TASKS
    assert list(learnt.unseen.good) == list(learnt.unseen.defective) == list(learnt.detector.normals)
    assert list(learnt.unseen.good)[0] == BASELINE and len(learnt.unseen.good) == 1 + 2 * len(TASKS)
    assert list(learnt.detector.good_scores) == NAMES


def test_signals_held_out_are_those_of_the_other_half(learnt: Learnt) -> None:
    one = learnt
    learnt_from, other = modelling.halves(one.data, BUDGET)
    for name, expected in signals(one.models, other.images).items():
        found, *more = np.split(one.unseen.good[name], [len(other)])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        if name == BASELINE:  # the rival has learnt nothing: it may know the first half too
            np.testing.assert_allclose(more[0], signals({}, learnt_from.images)[BASELINE], atol=1e-6)
        else:
            assert not len(more[0])
    painted = one.unseen.painted
    assert set(painted.sources) <= set(range(len(other))) and len(set(painted.sources)) == BUDGET.painted
    for image, mask, source in zip(painted.images, painted.masks, painted.sources, strict=True):
        np.testing.assert_array_equal(image[~mask], other.images[source][~mask])
    for name, signal in one.unseen.defective.items():
        assert len(signal) == len(painted.images) > len(defects.TYPES)
        assert np.isfinite(signal).all() and signal.shape[1:] == one.unseen.good[name].shape[1:]


def test_the_seed_shares_out_the_parts_of_the_detector(learnt: Learnt) -> None:
    one = learnt
    again, other = (detection.held_out({}, one.data, BUDGET, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.good[BASELINE], one.unseen.good[BASELINE])
    np.testing.assert_array_equal(again.painted.images, one.unseen.painted.images)
    assert again.good[BASELINE].shape == other.good[BASELINE].shape
    assert (again.good[BASELINE] != other.good[BASELINE]).any()


def test_the_progress_of_a_task_has_its_title(learnt: Learnt, capsys: pytest.CaptureFixture[str]) -> None:
    detection.train(learnt.data, BUDGET, title="disque")  # trained already: it is shown
    shown = capsys.readouterr().out
    assert "disque" in shown and all(PRETEXTS[task].title in shown for task in TASKS)


# --- Detectors -------------------------------------------------------------------------------------------------------


def test_a_detector_knows_its_category_and_what_is_normal_there(learnt: Learnt) -> None:
    one = learnt
    judge = one.detector
    assert judge.category == one.data.category and judge.side == 32
    for name, normal in judge.normals.items():
        assert type(normal) is NORMALS[judge.scoring.bank_share(name)]
    assert {len(scores) for scores in judge.good_scores.values()} == {5}  # of 11 good parts, the second half
    assert all(np.isfinite(scores).all() for scores in judge.good_scores.values())
    assert judge.seconds == pytest.approx(sum(run.metrics["seconds"] for run in one.runs.values()))


def test_maps_of_a_detector(learnt: Learnt, images: np.ndarray) -> None:
    judge = learnt.detector
    count = len(judge.models["colorization"].weights)
    maps = judge.signal_maps(images)
    assert list(maps) == list(judge.normals)
    for m in maps.values():
        assert m.shape == (10, GRID, GRID) and m.min() >= 0 and np.isfinite(m).all()
    fused = detection.fused_maps(maps, judge.scoring)
    assert list(fused) == NAMES
    np.testing.assert_array_equal(fused[BASELINE], maps[BASELINE])
    for task in TASKS:
        np.testing.assert_array_equal(fused[task], maps[f"{task}/error"])
    learned = {name: m for name, m in maps.items() if name.endswith("/representation")}
    np.testing.assert_allclose(fused[REPRESENTATION], stats.fuse(learned, judge.scoring), rtol=1e-5)
    np.testing.assert_allclose(fused[FUSED], stats.fuse(maps, judge.scoring), rtol=1e-5)
    assert len(judge.models["colorization"].weights) == count  # scoring adds nothing to what is saved


@pytest.mark.parametrize("kept", [[], ["colorization"]])
def test_a_detector_may_do_without_some_tasks_or_all(kept: list[str], learnt: Learnt, images: np.ndarray) -> None:
    """Without any, it is the rival that learns nothing."""
    unseen = detection.held_out({task: learnt.models[task] for task in kept}, learnt.data, BUDGET)
    judge = detection.detector_of(learnt.data, {task: learnt.runs[task] for task in kept}, unseen)
    assert list(judge.models) == kept and judge.side == 32
    assert list(judge.good_scores) == [BASELINE, *kept, *([REPRESENTATION] if kept else []), FUSED]
    for name in (BASELINE, *kept):
        expected = learnt.detector.good_scores[name]
        np.testing.assert_allclose(judge.good_scores[name][: len(expected)], expected, rtol=1e-3)
    maps = detection.fused_maps(judge.signal_maps(images), judge.scoring)
    assert list(maps) == list(judge.good_scores)
    if not kept:
        np.testing.assert_allclose(maps[FUSED], maps[BASELINE], rtol=1e-5)


@pytest.mark.parametrize("scoring", stats.CANDIDATES.values(), ids=stats.CANDIDATES)
def test_any_candidate_may_judge(scoring: stats.ScoringConfig, learnt: Learnt) -> None:
    judge = detection.detector_of(learnt.data, {}, learnt.unseen, scoring)
    assert judge.scoring == scoring
    for name, normal in judge.normals.items():
        assert type(normal) is NORMALS[judge.scoring.bank_share(name)]


@pytest.mark.parametrize("moves", [False, True])
def test_how_parts_are_judged_is_chosen_on_synthetic_defects(moves: bool, learnt: Learnt) -> None:
    """What is usual in one half alone is found there by its place; where parts move, it is found by the bank alone.

    A defect is the value of the other half in the first case, a value seen nowhere in the second.
    """
    name, random = "colorization/error", np.random.default_rng(0)
    signal = random.normal(0, 0.1, (12, GRID, GRID, 2)).astype("float32")
    signal[:, :, GRID // 2 :] += 1
    if moves:
        signal = np.stack([np.roll(part, random.integers(0, GRID), axis=1) for part in signal])
    masks = np.zeros((6, GRID, GRID), bool)
    masks[:, 8:12, 4:8] = True
    bad = signal[:6].copy()
    bad[masks] = 0.5 if moves else 1
    painted = dataclasses.replace(
        learnt.unseen.painted.take(slice(0, 6)), masks=masks, sources=np.arange(6), defect_types=np.repeat("stain", 6)
    )
    unseen = detection.HeldOut({name: signal}, {name: bad}, painted)
    candidates = {kind: dataclasses.replace(stats.SCORING, banked={"error": kind}) for kind in (0.0, 1.0)}
    assert detection.choose_scoring(unseen, candidates).banked["error"] == moves


def test_what_is_known_of_parts_is_computed_once(learnt: Learnt, monkeypatch: pytest.MonkeyPatch) -> None:
    unseen = dataclasses.replace(learnt.unseen)
    assert not unseen._known  # a copy may hold other parts
    calls = []
    monkeypatch.setattr(detection, "fit_normal", lambda *a: calls.append(a[0]) or stats.fit_normal(*a))
    detection.detector_of(learnt.data, learnt.runs, unseen)
    learned = [name for name in unseen.good if name != BASELINE]
    assert sorted(calls) == sorted([BASELINE, *2 * learned])


def test_thresholds_come_from_good_parts_and_refuse_what_they_cannot_say(learnt: Learnt) -> None:
    judge = learnt.detector
    for name, scores in judge.good_scores.items():
        assert judge.threshold(0.2, name=name) == np.sort(scores)[-2]
    assert judge.threshold(0.2) == judge.threshold(0.2, name=FUSED)
    with pytest.raises(UserError, match="1/5"):
        judge.threshold(0.1)
