"""The trainings of project 3: configurations, the two halves of good parts, batches, and that all can be repeated.

Backend-neutral: `make test-jax` runs this file too.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from anomalies import SIDE, SMALL, config, eager, forget, parts, shallow, turned, weights, write_category

from commun import UserError, training  # first: it chooses the default backend of Keras
from projet3_ssl_anomalies import dataset, pretexts, reconstructor
from projet3_ssl_anomalies import training as modelling
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.training import Batches, Config, Good

TASKS = ("colorization", "inpainting", "masked_autoencoder", "repair")
ESSAI = modelling.profile("essai")


@pytest.fixture(scope="module", autouse=True)
def travail(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    folder = tmp_path_factory.mktemp("travail")
    with pytest.MonkeyPatch.context() as patch, shallow():
        patch.setenv("PROJETS_TRAVAIL", str(folder))
        yield folder


@pytest.fixture(scope="module")
def good() -> Good:
    return Good(parts(6))


@pytest.fixture(scope="module")
def trained(travail: Path, good: Good) -> Callable[[str], training.Run]:
    """A short training of each task, done once."""

    @functools.cache
    def done(task: str) -> training.Run:
        return modelling.train(config(task=task), good)

    return done


# --- Configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "puzzle"}, "puzzle"),
        ({"side": 16}, "16"),
        ({"side": 40}, "40"),
        ({"cells": ()}, "cells"),
        ({"cells": (8, 5)}, "5"),
        ({"cells": (0,)}, "0"),
        ({"cells": (64,)}, "64"),
        ({"cells": (1,)}, "1"),  # two members in three would hide nothing
        ({"patch": 0}, "0"),
        ({"patch": 5}, "5"),
        ({"patch": 32}, "32"),  # a single patch
        ({"width": 0}, "width"),
        ({"shift": -1}, "-1"),
        ({"shift": SIDE}, str(SIDE)),
        ({"structure": -0.5}, "-0.5"),
        ({"structure": float("nan")}, "nan"),
        ({"structure": float("inf")}, "inf"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_values_out_of_range_are_refused_and_named(changes: dict, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        config(**changes)
    assert said in str(refusal.value) and str(refusal.value).endswith(".")


def test_an_unknown_task_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=", ".join(pretexts.PRETEXTS)):
        config(task="puzzle")


@pytest.mark.parametrize("asked", [Config(), config(cells=[8, 4], task="colorization", shift=0)])
def test_configurations_survive_json(asked: Config) -> None:
    back = Config(**json.loads(json.dumps(dataclasses.asdict(asked))))
    assert back == asked and hash(back) == hash(asked) and isinstance(back.cells, tuple)


def test_profiles_and_their_names() -> None:
    sizes = [modelling.profile(name).images for name in ("essai", "rapide", "complet")]
    assert sizes == sorted(sizes)
    assert not modelling.profile("complet").start_from_mean  # a mean image is a picture: it is not published
    with pytest.raises(UserError, match="essai, rapide, complet"):
        modelling.profile("lent")


def test_a_category_has_a_configuration_a_task_of_its_budget() -> None:
    found = modelling.configurations(ESSAI, side=64, seed=4)
    assert list(found) == list(pretexts.PRETEXTS) == [asked.task for asked in found.values()]
    for task, asked in found.items():
        assert (asked.side, asked.epochs, asked.seed) == (64, ESSAI.epochs, 4)
        assert asked.images_seen == modelling.LONGER.get(task, 1) * ESSAI.images
        assert asked.start_from_mean == ESSAI.start_from_mean


# --- Halves ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Data]:
    """A category of so many good training images of some side."""

    def made(train: int = 11, side: int = 40) -> Data:
        write_category(tmp_path / "mvtec_ad" / "disque", train=train, side=side)
        monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
        return dataset.load("disque")

    return made


def _bytes(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


@pytest.mark.parametrize("train", [modelling.MINIMUM, 11])
def test_halves_share_out_the_good_training_images(train: int, category: Callable[..., Data]) -> None:
    data = category(train)
    learnt, other = modelling.halves(data, ESSAI)
    assert 0 <= len(learnt) - len(other) <= 1
    assert sorted(_bytes(learnt.images) + _bytes(other.images)) == sorted(_bytes(dataset.read(data.train, SIDE)[1]))
    assert len({*_bytes(learnt.images), *_bytes(other.images)}) == train
    for varies in (False, True):
        data = dataclasses.replace(data, category=dataclasses.replace(data.category, varies=varies))
        assert [half.turns for half in modelling.halves(data, ESSAI)] == [varies] * 2


def test_halves_depend_on_the_seed_alone(category: Callable[..., Data]) -> None:
    data = category()
    first, same, *others = (_bytes(modelling.halves(data, ESSAI, seed=s)[0].images) for s in (3, 3, 4, 5, 6))
    assert first == same and all(first != other for other in others)


def test_too_few_good_images_are_refused_in_one_sentence(category: Callable[..., Data]) -> None:
    few = modelling.MINIMUM - 1
    with pytest.raises(UserError, match=rf"{few} bonne.*au moins {modelling.MINIMUM}"):
        modelling.halves(category(few), ESSAI)


@pytest.mark.parametrize(
    ("own", "budget", "expected"), [(40, 128, 32), (64, 128, 64), (70, 128, 64), (200, 64, 64), (20, 64, 32)]
)
def test_images_are_not_enlarged(own: int, budget: int, expected: int, category: Callable[..., Data]) -> None:
    """To a multiple of 32, which networks need: 32 at least."""
    data, asked = category(modelling.MINIMUM, own), dataclasses.replace(ESSAI, side=budget)
    assert modelling.image_side(data, asked) == expected
    assert modelling.halves(data, asked)[0].images.shape[1:] == (expected, expected, 3)


# --- Batches ---------------------------------------------------------------------------------------------------------


def _shown(batches: Batches) -> list[list[np.ndarray]]:
    """The inputs of each batch of an epoch."""
    return [batches[index][0] for index in range(len(batches))]


@pytest.mark.parametrize("turns", [True, False])
def test_parts_that_turn_are_turned_and_others_only_shifted(turns: bool) -> None:
    images, shift = parts(2), 1
    asked = config(task="colorization", images_seen=640, epochs=2, shift=shift)
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")
    ways = {}  # of each possible picture: the image, where it was shifted, and how it was turned
    for index, top, left in itertools.product(range(2), range(2 * shift + 1), range(2 * shift + 1)):
        for turn, picture in enumerate(turned(padded[index, top : top + SIDE, left : left + SIDE])):
            ways[to_lab(picture).tobytes()] = (index, (top, left), turn)
    batches = Batches(asked, Good(images, turns), 1)
    pictures = np.concatenate([batch[0] for batch in _shown(batches)])
    assert pictures.dtype == np.float32 and len(pictures) == 320
    found = [ways[np.ascontiguousarray(picture).tobytes()] for picture in pictures]
    assert [index for index, _, _ in found] == training.epoch_indices(asked, 2, epoch=1).tolist()
    assert {turn for _, _, turn in found} == set(range(8 if turns else 1))
    assert {place for _, place, _ in found} == set(itertools.product(range(2 * shift + 1), repeat=2))


@pytest.mark.parametrize("task", TASKS)
def test_the_target_is_the_good_image_whatever_is_shown(task: str, good: Good) -> None:
    """Only the repair is shown another image than the one that it must give back."""
    asked = config(task=task, shift=0)
    for index, (target, shown, hidden) in enumerate(_shown(Batches(asked, good, 1))):
        rows = training.epoch_indices(asked, len(good), epoch=1)[index * asked.batch_size :][: asked.batch_size]
        np.testing.assert_array_equal(target, to_lab(good.images[rows]))
        assert hidden.dtype == bool and hidden.shape == target.shape[:3]
        if task == "repair":
            np.testing.assert_array_equal((shown != target).any(axis=-1), hidden)
        else:
            np.testing.assert_array_equal(shown, target)


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_is_a_function_of_seed_epoch_and_number(task: str, good: Good) -> None:
    """In whatever order they are read: threads read them ahead."""
    asked = config(task=task, images_seen=24)
    first = Batches(asked, good, 0)
    forwards, backwards = _shown(first), [first[index][0] for index in reversed(range(len(first)))]
    for one, same in zip(forwards, reversed(backwards), strict=True):
        for array, again in zip(one, same, strict=True):
            np.testing.assert_array_equal(array, again)
    later, other = Batches(asked, good, 1), Batches(config(task=task, images_seen=24, seed=1), good, 0)
    for one, *others in zip(forwards, _shown(later), _shown(other), strict=True):
        assert all((one[0] != different[0]).any() for different in others)
    alone = Batches(asked, Good(good.images[:1]), 0)  # of a single part, only the shifts change
    assert (alone[0][0][0] != alone[1][0][0]).any()


# --- Building --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_the_seed_decides_the_initial_weights(task: str) -> None:
    first, same, other = (
        [np.array(np.asarray(w)) for w in modelling.build(config(task=task, seed=s)).trainable_weights]
        for s in (3, 3, 4)
    )
    for one, equal, different in zip(first, same, other, strict=True):
        np.testing.assert_array_equal(one, equal)
        assert one.ndim < 2 or (one != different).any() or not one.any()  # the last starts from zero


def test_each_training_starts_anew_and_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One compiled model serves all the categories: nothing of one may be left to the next, nor the reverse."""
    asked, first, second = config(task="colorization", images_seen=8), Good(parts(3)), Good(255 - parts(3, seed=1))

    def run(good: Good, folder: str) -> training.Run:
        monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / folder))
        return modelling.train(asked, good)

    with eager():
        before = run(first, "a")
        kept = weights(before.model)
        between, after = run(second, "b"), run(first, "c")
    assert before.fresh and between.fresh and after.fresh
    np.testing.assert_array_equal(weights(before.model), kept)
    assert np.abs(weights(between.model) - kept).max() > 1e-3
    np.testing.assert_allclose(weights(after.model), kept, atol=1e-5)
    np.testing.assert_allclose(after.history["loss"], before.history["loss"], rtol=1e-4)


# --- Training, saving, loading ---------------------------------------------------------------------------------------


def _predictions(model: Reconstructor) -> np.ndarray:
    return np.asarray(model.reconstruct(to_lab(parts(2, seed=7)), model.pretext.scoring_masks))


@pytest.mark.parametrize("task", TASKS)
def test_a_short_training_lowers_the_loss(task: str, trained: Callable[[str], training.Run]) -> None:
    """It may take more than 10 s, as the first to ask for each model: it is compiled."""
    run = trained(task)
    assert run.fresh and run.history["loss"].is_monotonic_decreasing
    assert run.metrics["seconds"] == pytest.approx(run.history["seconds"].sum())


@pytest.mark.parametrize("task", TASKS)
def test_a_training_is_done_once_and_found_again(
    task: str, good: Good, trained: Callable[[str], training.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = trained(task)
    monkeypatch.setattr(training, "_save_run", None)  # no other model is trained
    again = modelling.train(config(task=task), good)
    assert not again.fresh and again.folder == done.folder
    assert again.model.config == done.model.config
    np.testing.assert_array_equal(again.model.pretext.scoring_masks, done.model.pretext.scoring_masks)
    np.testing.assert_array_equal(_predictions(again.model), _predictions(done.model))


def test_the_first_epochs_and_the_last_leave_their_reconstruction(good: Good, work: Path) -> None:
    asked = config(task="colorization", images_seen=28, epochs=7)
    with eager():
        modelling.train(asked, good)
    assert list(modelling.snapshots(asked, good)) == [1, 2, 4, 7]


@pytest.mark.parametrize("task", TASKS)
def test_a_training_leaves_reconstructions_of_its_own(
    task: str, good: Good, trained: Callable[[str], training.Run]
) -> None:
    done = trained(task)
    snapshots = modelling.snapshots(config(task=task), good)
    assert list(snapshots) == list(range(1, SMALL["epochs"] + 1))
    assert (snapshots[1] != snapshots[2]).any()
    expected = reconstructor.reconstruction_picture(done.model, good.images[:1])[0]
    np.testing.assert_allclose(snapshots[2].astype(int), expected.astype(int), atol=1)
    assert not modelling.snapshots(config(task=task), Good(good.images[::-1]))
    assert not modelling.snapshots(config(task=task, seed=1), good)


def test_the_mean_image_is_given_and_not_learnt(good: Good, trained: Callable[[str], training.Run]) -> None:
    np.testing.assert_array_equal(np.asarray(trained("inpainting").model.mean_image), good.mean_image())


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, good, seeds, epochs = config(images_seen=8, structure=0), Good(parts(3)), [0, 0, 9], []
    build, checkpoint = modelling.build, training._save_checkpoint

    def another(asked: Config, good: Good, code: str) -> Reconstructor:
        """The last model has other weights: all must come from the checkpoint."""
        return build(dataclasses.replace(asked, seed=seeds.pop(0)), good, code=code)

    def stop(model, rows, path) -> None:
        checkpoint(model, rows, path)
        epochs.append(len(rows))
        if epochs == [1, 2, 1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(modelling, "build", another)
    monkeypatch.setattr(training, "_save_checkpoint", stop)
    with eager():
        monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "a"))
        whole = modelling.train(asked, good)
        monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "b"))
        with pytest.raises(KeyboardInterrupt):
            modelling.train(asked, good)
        resumed = modelling.train(asked, good)
    assert epochs == [1, 2, 1, 2] and not seeds
    np.testing.assert_allclose(resumed.history["loss"], whole.history["loss"], rtol=1e-4)
    np.testing.assert_allclose(_predictions(resumed.model), _predictions(whole.model), atol=1e-3)


def test_another_configuration_or_other_parts_are_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def record(of: Config, *, project: str, data: str, build, batches, code, **_) -> training.Run:
        key = training.code_hash(build, batches, *code)
        asked.append(training.run_folder(of, project=project, data=data, code=key))
        return training.Run(None, None, {}, None, fresh=False)

    monkeypatch.setattr(training, "train", record)
    good = Good(parts(4))
    for of, learnt in (
        (config(), good),
        (config(cells=(8, 4)), good),
        (config(), Good(good.images[:3])),
        (config(), Good(good.images, turns=True)),
        (config(), good),
    ):
        modelling.train(of, learnt)
    assert len(set(asked)) == 4 and asked[4] == asked[0]


def test_every_task_is_trained_on_the_parts_given(good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(modelling, "train", lambda of, learnt, title, **_: asked.update({of.task: (learnt, title)}))
    modelling.train_tasks(good, ESSAI, title="disque")
    assert {task: title for task, (_, title) in asked.items()} == {
        task: f"disque, {made.title}" for task, made in pretexts.PRETEXTS.items()
    }
    assert all(learnt is good for learnt, _ in asked.values())


def test_tasks_side_by_side_give_the_models_of_one_after_another(
    good: Good, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "together"))
    forget()
    pair = ("colorization", "masked_autoencoder")  # compiled twice each: some seconds
    seed = modelling.keras.utils.set_random_seed

    def seed_and_wait(number: int) -> None:  # long enough for the other thread to draw in between
        seed(number)
        time.sleep(0.5)

    monkeypatch.setattr(modelling.keras.utils, "set_random_seed", seed_and_wait)
    together = modelling.train_tasks(good, ESSAI, tasks=pair, title="disque")
    shown = [line.split(" : ")[0] for line in capsys.readouterr().out.splitlines() if "époque 0" in line]
    assert shown == [f"disque, {pretexts.PRETEXTS[task].title}" for task in pair]
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "alone"))
    forget()
    configs = modelling.configurations(ESSAI, side=SIDE)
    for task, run in together.items():
        alone = modelling.train(configs[task], good)
        assert run.fresh and alone.fresh
        np.testing.assert_array_equal(weights(run.model), weights(alone.model))


def test_a_model_that_is_loaded_meanwhile_does_not_shift_the_draws_of_another(
    good: Good, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run was interrupted after its first task: the next one loads that model while it builds the other."""
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))
    done, other = (modelling.configurations(ESSAI, side=SIDE)[task] for task in ("masked_autoencoder", "colorization"))
    modelling.train(done, good)
    forget()
    expected = weights(modelling.build(other))
    forget()
    seed, seeded = modelling.keras.utils.set_random_seed, threading.Event()

    def seed_and_wait(number: int) -> None:  # long enough for the other thread to load in between
        seed(number)
        seeded.set()
        time.sleep(2)

    monkeypatch.setattr(modelling.keras.utils, "set_random_seed", seed_and_wait)
    with ThreadPoolExecutor() as pool:
        built = pool.submit(modelling.build, other)
        assert seeded.wait(30) and not modelling.train(done, good).fresh
    np.testing.assert_array_equal(weights(built.result()), expected)


def test_a_task_that_fails_ends_the_others_and_is_told(good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def train(of: Config, learnt: Good, *, title: str, progress: training.Progress, stop: threading.Event) -> None:
        if of.task == TASKS[0]:
            raise UserError("divergé")
        ended.append(stop.wait(30))

    monkeypatch.setattr(modelling, "train", train)
    with pytest.raises(UserError, match="divergé"):
        modelling.train_tasks(good, ESSAI)
    assert ended and all(ended) and len(ended) < len(TASKS)


def test_a_training_is_stopped_after_an_epoch_and_taken_up(
    good: Good, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))
    of, stop, seen = config(epochs=3, images_seen=24), threading.Event(), []
    monkeypatch.setattr(training.Progress, "update", lambda self, row: seen.append(row["epoch"]))
    stop.set()
    with pytest.raises(CancelledError):
        modelling.train(of, good, stop=stop)
    assert seen == [1]
    modelling.train(of, good)
    assert seen == [1, 2, 3]
