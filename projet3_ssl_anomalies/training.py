"""Configurations and budgets of project 3, what models learn from, and their training."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from commun import UserError
from commun.datasets import atomic_file, working_folder
from commun.sources import code_hash
from projet3_ssl_anomalies import PROJECT, dataset
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor, reconstruction_picture
from projet3_ssl_anomalies.settings import Settings

import keras  # isort: skip

MINIMUM = 6  # good training images of a category
SIDE_BY_SIDE = 2  # trainings; each holds a compiled model and its batches


@keras.saving.register_keras_serializable(PROJECT)
@dataclasses.dataclass(frozen=True)
class Config(commun.training.Budget):
    """Everything that defines a model and its training.

    Attributes:
        task: name of the pretext task.
        side: side of the images, in pixels; a multiple of 32.
        start_from_mean: starts from the mean of the good parts, which the model then contains; otherwise, from grey.
        width: channels of the first feature map of the U-Net; a quarter of the token size of the masked autoencoder.
        cells: how many of the cells that inpainting hides lie along a side, for each of their sizes.
        hidden_one_in: inpainting hides one cell in so many at a time.
        patch: side of the patches of the masked autoencoder, in pixels.
        shown_one_in: the masked autoencoder sees one patch in so many.
        structure: weight in the loss of the structural terms (SSIM, gradient similarity) beside the quadratic one.
        shift: largest random translation of a training image, in pixels.

    The attributes of `commun.training.Budget` say how long it is trained.
    """

    learning_rate: float = 3e-3
    batch_size: int = 8
    images_seen: int = 5000
    epochs: int = 8
    task: str = "inpainting"
    side: int = 128
    start_from_mean: bool = True
    width: int = 12
    cells: tuple[int, ...] = (16, 8, 4)
    hidden_one_in: int = 3
    patch: int = 8
    shown_one_in: int = 4
    structure: float = 0.5
    shift: int = 3

    def __post_init__(self) -> None:
        """Refuses values out of range.

        Raises:
            UserError: a value is out of its range.
        """
        super().__post_init__()
        object.__setattr__(self, "cells", tuple(self.cells))  # a list, once read from JSON
        if self.task not in PRETEXTS:
            raise UserError(f"Tâche prétexte inconnue : « {self.task} ». Tâches possibles : {', '.join(PRETEXTS)}.")
        if self.side < 32 or self.side % 32:
            raise UserError(f"side est un multiple de 32 (valeur donnée : {self.side}).")
        if not self.cells:
            raise UserError("cells est vide : donnez au moins une taille de cellule.")
        divided = f"Un côté de {self.side} pixels ne se divise pas en"
        for count in self.cells:
            if count < 2 or self.side % count:
                raise UserError(f"{divided} {count} cellules égales (deux au moins).")
        if self.patch < 1 or self.side % (2 * self.patch):
            raise UserError(f"{divided} un nombre pair de carreaux de {self.patch} pixels.")
        if not 2 <= self.hidden_one_in <= min(self.cells) ** 2:
            raise UserError(
                f"hidden_one_in va de 2 au plus petit nombre de cellules d'une image, {min(self.cells) ** 2} (valeur "
                f"donnée : {self.hidden_one_in})."
            )
        if self.shown_one_in < 2 or (self.side // self.patch) ** 2 % self.shown_one_in:
            raise UserError(
                f"shown_one_in vaut au moins 2 et divise le nombre de carreaux, {(self.side // self.patch) ** 2} "
                f"(valeur donnée : {self.shown_one_in})."
            )
        if self.width < 1:
            raise UserError(f"width doit valoir au moins 1 (valeur donnée : {self.width}).")
        if not 0 <= self.shift < self.side:
            raise UserError(f"shift va de 0 au côté de l'image (valeur donnée : {self.shift}).")
        if not 0 <= self.structure < float("inf"):
            raise UserError(f"structure doit être positif ou nul (valeur donnée : {self.structure}).")

    def get_config(self) -> dict:
        """Returns the fields, for Keras to save them with a model."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> Config:
        """Returns the configuration of these fields."""
        return cls(**config)


@dataclasses.dataclass(frozen=True)
class Profile:
    """A budget: images seen by a model, whatever the number of training images.

    Attributes:
        side: side of the images, in pixels; smaller ones are not enlarged.
        images: images seen by each model; twice as many by that of the repair.
        epochs: parts into which a training is cut.
        start_from_mean: see `Config`. Those of `reference/` do not: no picture is published.
        painted: held-out images on which synthetic defects are painted, at most.
        scored: test images of a category scored, at most.
        draws: bootstrap draws.
    """

    side: int
    images: int
    epochs: int
    start_from_mean: bool
    painted: int
    scored: int
    draws: int


PROFILES = {
    "essai": Profile(32, 8, 2, True, 1, 12, 20),
    "rapide": Profile(64, 1200, 8, True, 4, 60, 200),
    "complet": Profile(128, 10_000, 8, False, 24, 10_000, 2000),
}


def profile(name: str) -> Profile:
    """Returns a budget by its name.

    Raises:
        UserError: no profile has this name.
    """
    return commun.training.profile(PROFILES, name)


# --- What models learn from ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Good:
    """Good parts to learn from.

    Attributes:
        images: uint8 of shape (n, side, side, 3).
        turns: whether the part lies in any direction: it is then flipped and turned at random.
    """

    images: np.ndarray
    turns: bool = False

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.images)

    def mean_image(self) -> np.ndarray:
        """Returns the mean image in CIELAB / 50, over its turns if it has some: float32 of shape (side, side, 3)."""
        mean = to_lab(self.images).mean(axis=0)
        if not self.turns:
            return mean
        return np.mean([np.rot90(image, quarters) for image in (mean, mean[::-1]) for quarters in range(4)], axis=0)


def halves(data: Data, budget: Profile, *, seed: int = 0) -> tuple[Good, Good]:
    """Returns the two halves of the good training images of a category, drawn at random.

    Models learn from the first. They never see the second, by which they are judged: what is usual there, and the
    threshold, hold for other images that they have not seen.

    Raises:
        UserError: there are too few of them.
    """
    images = dataset.read(data.train, image_side(data, budget))[1]
    if len(images) < MINIMUM:
        s = "s" if len(images) > 1 else ""
        raise UserError(
            f"« {data.category.name} » n'a que {len(images)} bonne{s} image{s} d'apprentissage lisible{s} : il en faut "
            f"au moins {MINIMUM}, pour apprendre des unes et régler les statistiques sur les autres."
        )
    rows = np.random.default_rng([seed, len(images)]).permutation(len(images))
    parts = (np.sort(part) for part in np.array_split(rows, 2))
    return tuple(Good(images[part], data.category.varies) for part in parts)


def image_side(data: Data, budget: Profile) -> int:
    """Returns the side at which models see the images of a category: that of the budget, or theirs if it is smaller."""
    own = int(data.train[["width", "height"]].to_numpy().max())
    return min(budget.side, max(32, own // 32 * 32))


# What a task has more or less of than the others, chosen on synthetic defects, as are the settings.
SLOWER = {"masked_autoencoder": 3}  # how many times smaller its learning rate is
WIDER = {"repair": 4 / 3}  # width
LONGER = {"repair": 2}  # images seen


def configurations(budget: Profile, *, side: int, seed: int = 0, settings: Settings | None = None) -> dict[str, Config]:
    """Returns the configuration of each pretext task: name of the task -> configuration.

    Args:
        budget: what the settings leave to it: images seen, epochs.
        side: of the images, in pixels.
        seed: draws the initial weights, the order of the images and what is spoilt.
        settings: those of notebook 02; by default, those that were chosen.
    """
    asked = dataclasses.asdict(settings or Settings())
    images = round(asked.pop("length") * budget.images)
    common = {"side": side, "start_from_mean": budget.start_from_mean, "seed": seed, "epochs": budget.epochs}
    return {
        task: Config(
            task=task,
            **common,
            **asked
            | {
                "images_seen": LONGER.get(task, 1) * images,
                "learning_rate": asked["learning_rate"] / SLOWER.get(task, 1),
                "width": round(WIDER.get(task, 1) * asked["width"]),
            },
        )
        for task in PRETEXTS
    }


# --- Training --------------------------------------------------------------------------------------------------------


def train_tasks(
    good: Good,
    budget: Profile,
    *,
    seed: int = 0,
    settings: Settings | None = None,
    tasks: Sequence[str] = (),
    title: str = "",
) -> dict[str, commun.training.Run]:
    """Trains the model of each task, or of these `tasks` alone, on good parts: task -> run.

    Two learn at a time, each in a thread: one alone leaves a second core idle for much of each step. The models are the
    same as one after another.
    """
    configs = configurations(budget, side=good.images.shape[1], seed=seed, settings=settings)
    tasks, stop = tasks or tuple(configs), threading.Event()
    titles = {task: f"{title}, {PRETEXTS[task].title}" if title else "" for task in tasks}
    shown = {  # in order on the page, whichever starts first
        task: commun.training.Progress(titles[task], configs[task].epochs) for task in tasks
    }
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        longest_first = sorted(tasks, key=lambda task: -LONGER.get(task, 1))
        runs = {
            task: pool.submit(train, configs[task], good, title=titles[task], progress=shown[task], stop=stop)
            for task in longest_first
        }
        try:
            return {task: runs[task].result() for task in tasks}
        except BaseException:  # one has failed, or the user has interrupted: the others end with their epoch
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def train(
    config: Config,
    good: Good,
    *,
    title: str = "",
    progress: commun.training.Progress | None = None,
    stop: threading.Event | None = None,
) -> commun.training.Run:
    """Loads the model of this configuration, or trains it on good parts.

    The reconstruction of the first one is kept for `snapshots` after epochs 1, 2, 4, 8… and the last.

    Args:
        config: the model and its training.
        good: what it learns from.
        title: shown with the progress; nothing is shown if empty.
        progress: where it is shown; a new place if None.
        stop: ends the training after an epoch, once it is set; what is done is taken up by the next one.

    Raises:
        CancelledError: it was ended by `stop`.
    """

    def after_epoch(model: Reconstructor, row: dict[str, float]) -> None:
        if row["epoch"].bit_count() == 1 or row["epoch"] == config.epochs:
            picture = reconstruction_picture(model, good.images[:1])[0]
            with atomic_file(_snapshot_folder(config, good) / f"{row['epoch']:04d}.npy") as temporary:
                np.save(temporary, picture)
        if stop and stop.is_set():
            raise CancelledError

    run = commun.training.train(
        config,
        build=functools.partial(build, good=good, code=code_hash(PRETEXTS[config.task])),
        batches=functools.partial(Batches, config, good),
        after_epoch=after_epoch,
        project=PROJECT,
        data=_fingerprint(good),
        code=_code(config),
        title=title,
        progress=progress,
    )
    if not run.fresh:
        return run
    with commun.training.building():
        model = Reconstructor(config)  # of its own, for `build` will give that one to others
    model.set_weights(run.model.get_weights())
    return dataclasses.replace(run, model=model)


def build(config: Config, good: Good | None = None, *, code: str = "") -> Reconstructor:
    """Returns the compiled and built model of a configuration, its weights drawn from its seed.

    With `good` parts, it starts from their mean image where the configuration says so. It is one and the same model
    for all the categories, started anew each time: compiling it takes longer than a short training. `code` tells a
    task from the same one edited in a notebook.
    """
    model, initial = _compiled(config, code)
    for variable, value in zip([*model.variables, *model.optimizer.variables], initial, strict=True):
        variable.assign(value)
    if good and config.start_from_mean:
        model.mean_image.assign(good.mean_image())
    return model


@functools.lru_cache(maxsize=8)
def _compiled(config: Config, code: str) -> tuple[Reconstructor, list[np.ndarray]]:
    """Returns a compiled model and the initial values of its variables, then of those of its optimiser."""
    with commun.training.building(config.seed):
        model = Reconstructor(config)
    model.compile(commun.training.adam(config))
    model.optimizer.build(model.trainable_variables)
    return model, [np.asarray(v).copy() for v in [*model.variables, *model.optimizer.variables]]


class Batches(keras.utils.PyDataset):
    """The batches of an epoch: images in order of training, shifted and turned at random, and what is shown of them.

    Each depends on the seed, the epoch and its number alone.
    """

    def __init__(self, config: Config, good: Good, epoch: int) -> None:
        """Takes the configuration of the training, good parts, and the number of the epoch, from 0."""
        super().__init__()
        self.config, self.good, self.epoch = config, good, epoch
        self.rows = commun.training.epoch_indices(config, len(good), epoch=epoch)
        self.pretext = PRETEXTS[config.task](config)

    def __len__(self) -> int:
        """Returns the number of batches."""
        return self.config.steps_per_epoch

    def __getitem__(self, index: int) -> tuple[list[np.ndarray]]:
        """Returns a batch: the inputs of `Reconstructor`."""
        rng, size = np.random.default_rng([self.config.seed, self.epoch, index]), self.config.batch_size
        images = np.stack([self._moved(row, rng) for row in self.rows[index * size :][:size]])
        shown, hidden = self.pretext.examples(images, self.good.images, rng)
        lab = to_lab(images)
        return ([lab, lab if shown is images else to_lab(shown), hidden],)

    def _moved(self, row: int, rng: np.random.Generator) -> np.ndarray:
        """Returns an image shifted by a few pixels, edges repeated, and turned if its kind of parts is."""
        image, reach, side = self.good.images[row], self.config.shift, self.config.side
        top, left = rng.integers(-reach, reach + 1, 2)
        places = np.arange(side)
        image = image[np.clip(places + top, 0, side - 1)[:, None], np.clip(places + left, 0, side - 1)]
        if not self.good.turns:
            return image
        return np.rot90(image[::-1] if rng.integers(2) else image, rng.integers(4))


def snapshots(config: Config, good: Good) -> dict[int, np.ndarray]:
    """Returns the reconstructions that `train` kept: number of the epoch, from 1 -> uint8 (side, side, 3)."""
    return {int(path.stem): np.load(path) for path in sorted(_snapshot_folder(config, good).glob("*.npy"))}


def _snapshot_folder(config: Config, good: Good) -> Path:
    identity = {
        "config": dataclasses.asdict(config),
        "data": _fingerprint(good),
        "code": code_hash(build, Batches, *_code(config)),
    }
    return working_folder("etapes", PROJECT, commun.training.config_hash(identity))


def _code(config: Config) -> list:
    """Returns what a training runs beside `build` and `Batches`: its task, found by name, and its snapshots."""
    return [PRETEXTS[config.task], _compiled, reconstruction_picture]


def _fingerprint(good: Good) -> str:
    return commun.training.fingerprint(good.images, np.array(good.turns))
