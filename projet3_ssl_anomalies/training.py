"""Configurations and budgets of project 3, what models learn from, and their training."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from commun import UserError
from commun.datasets import atomic_file, working_folder
from commun.sources import code_hash
from projet3_ssl_anomalies import PROJECT, dataset, pretexts
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor, reconstruction_picture
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig

import keras  # isort: skip

MINIMUM = 6  # good training images of a category


@keras.saving.register_keras_serializable(PROJECT)
@dataclasses.dataclass(frozen=True)
class Config(commun.training.Budget):
    """Everything that defines a model and its training.

    Attributes:
        task: name of the pretext task.
        side: side of the images, in pixels; a multiple of 16.
        n_categories: number of categories that the model learns; each has its own mean image.
        start_from_mean: starts from the mean of the good parts, which the model then contains; otherwise, from grey.
        width: channels of the first feature map of the U-Net; a quarter of the token size of the masked autoencoder.
        cells: how many of the cells that inpainting hides lie along a side, for each of their sizes.
        patch: side of the patches of the masked autoencoder, in pixels.
        structure: weight in the loss of the structural terms (SSIM, gradient similarity) beside the quadratic one.
        shift: largest random translation of a training image, in pixels.

    The attributes of `commun.training.Budget` say how long it is trained.
    """

    learning_rate: float = 3e-3
    batch_size: int = 4
    images_seen: int = 4000
    epochs: int = 8
    task: str = "inpainting"
    side: int = 128
    n_categories: int = 1
    start_from_mean: bool = True
    width: int = 20
    cells: tuple[int, ...] = (16, 8, 4)
    patch: int = 8
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
        if self.side < 32 or self.side % 16:
            raise UserError(f"side est un multiple de 16, au moins 32 (valeur donnée : {self.side}).")
        if not self.cells:
            raise UserError("cells est vide : donnez au moins une taille de cellule.")
        divided = f"Un côté de {self.side} pixels ne se divise pas en"
        for count in self.cells:
            if count < 2 or self.side % count:
                raise UserError(f"{divided} {count} cellules égales (deux au moins).")
        if self.patch < 1 or self.side % (2 * self.patch):
            raise UserError(f"{divided} un nombre pair de carreaux de {self.patch} pixels.")
        for name in ("n_categories", "width"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} doit valoir au moins 1 (valeur donnée : {getattr(self, name)}).")
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
        side: side of the images, in pixels.
        images: images seen by each model, for each category that it learns.
        epochs: parts into which a training is cut.
        folds: models that share the good images in turn, for the statistics; 1 holds out one image in five.
        shared: one model for all the categories of a source, instead of one each.
        start_from_mean: see `Config`. Those of `reference/` do not: no picture is published.
        painted: held-out images of each category on which synthetic defects are painted, at most.
        scored: test images of a category scored, at most.
        draws: bootstrap draws.
        scoring: constants of scoring.
    """

    side: int
    images: int
    epochs: int
    folds: int
    shared: bool
    start_from_mean: bool
    painted: int
    scored: int
    draws: int
    scoring: ScoringConfig = SCORING


_FULL = dataclasses.replace(SCORING, weights={"inpainting": 0.5}, fusion="geometric")
PROFILES = {
    "essai": Profile(32, 8, 2, 1, True, True, 1, 12, 20),
    "rapide": Profile(64, 800, 8, 1, True, True, 4, 40, 200),
    "complet": Profile(128, 4000, 8, 3, False, False, 24, 10_000, 2000, _FULL),
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
        turns: bool of shape (n,); True for a part that lies in any direction: it is flipped and turned at random.
        category_ids: index of the category of each, int32 of shape (n,), in 0..k-1.
    """

    images: np.ndarray
    turns: np.ndarray
    category_ids: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.images)

    def take(self, rows: np.ndarray) -> Good:
        """Returns the images at these indices, or where a boolean is True."""
        return Good(self.images[rows], self.turns[rows], self.category_ids[rows])

    def mean_images(self) -> np.ndarray:
        """Returns the mean image of each category in CIELAB / 50, float32 of shape (k, side, side, 3).

        That of parts that turn is a mean over their turns too.
        """
        means = []
        for category_id in range(self.category_ids.max() + 1):
            rows = self.category_ids == category_id
            mean = to_lab(self.images[rows]).mean(axis=0)
            if self.turns[rows].all():
                mean = np.mean([np.rot90(m, k) for m in (mean, mean[::-1]) for k in range(4)], axis=0)
            means.append(mean)
        return np.stack(means)


@dataclasses.dataclass(frozen=True)
class Group:
    """Categories that share their models.

    Attributes:
        datas: the categories, all real or all synthetic.
        good: their good training images, one category after another; `good.category_ids` are indices in `datas`.
    """

    datas: tuple[Data, ...]
    good: Good

    @property
    def title(self) -> str:
        """French name of the category, or their number."""
        return self.datas[0].category.title if len(self.datas) == 1 else f"{len(self.datas)} catégories"

    @property
    def watched(self) -> Good:
        """The first good image of each category, of which `train` keeps the reconstructions."""
        return self.good.take(np.unique(self.good.category_ids, return_index=True)[1])


def groups(datas: Sequence[Data], budget: Profile) -> list[Group]:
    """Returns the groups of categories that share their models; real and synthetic images are never mixed.

    Raises:
        UserError: a category has too few good images.
    """
    if budget.shared:
        parts = [[d for d in datas if d.location.is_real == real] for real in (True, False)]
    else:
        parts = [[data] for data in datas]
    return [_gather(tuple(part), budget.side) for part in parts if part]


def _gather(datas: tuple[Data, ...], side: int) -> Group:
    images = [dataset.read(data.train, side)[1] for data in datas]
    counts = [len(of_category) for of_category in images]
    for data, count in zip(datas, counts, strict=True):
        if count < MINIMUM:
            raise UserError(
                f"« {data.category.name} » n'a que {count} bonne(s) image(s) d'apprentissage lisible(s) : il en "
                f"faut au moins {MINIMUM}, pour apprendre des unes et régler les statistiques sur les autres."
            )
    turns = np.repeat([data.category.varies for data in datas], counts)
    category_ids = np.repeat(np.arange(len(datas), dtype="int32"), counts)
    return Group(datas, Good(np.concatenate(images), turns, category_ids))


SETTINGS = {  # chosen on synthetic defects, as are the defaults of `Config`
    "colorization": {"width": 16},
    "masked_autoencoder": {"learning_rate": 1e-3, "batch_size": 8},
}


def configurations(group: Group, budget: Profile, *, seed: int = 0) -> dict[str, Config]:
    """Returns the configuration of each pretext task for a group: name of the task -> configuration."""
    n = len(group.datas)
    common = {"side": budget.side, "n_categories": n, "start_from_mean": budget.start_from_mean, "seed": seed}
    common |= {"images_seen": n * budget.images, "epochs": budget.epochs}
    return {task: Config(task=task, **SETTINGS.get(task, {}), **common) for task in PRETEXTS}


# --- Training --------------------------------------------------------------------------------------------------------


def train_final(group: Group, budget: Profile, *, seed: int = 0, title: str = "") -> dict[str, commun.training.Run]:
    """Trains the model of each task on all the good images of a group, and watches one image of each category."""
    titles = {task: f"{title}, {pretexts.title(task)}" if title else "" for task in PRETEXTS}
    return {
        task: train(config, group.good, watched=group.watched, title=titles[task])
        for task, config in configurations(group, budget, seed=seed).items()
    }


def train(config: Config, good: Good, *, watched: Good | None = None, title: str = "") -> commun.training.Run:
    """Loads the model of this configuration, or trains it on good parts.

    Args:
        config: the model and its training.
        good: what it learns from.
        watched: a few images, whose reconstruction after each epoch is kept for `snapshots`.
        title: shown with the progress; nothing is shown if empty.
    """

    def keep_snapshot(model: Reconstructor, row: dict[str, float]) -> None:
        picture = reconstruction_picture(model, watched.images, watched.category_ids)
        with atomic_file(_snapshot_folder(config, good, watched) / f"{row['epoch']:04d}.npy") as temporary:
            np.save(temporary, picture)

    return commun.training.train(
        config,
        build=functools.partial(build, good=good),
        batches=functools.partial(batches, config, good, padded_lab(config, good)),
        after_epoch=None if watched is None else keep_snapshot,
        project=PROJECT,
        data=_fingerprint(good),
        code=_code(config),
        title=title,
    )


def build(config: Config, good: Good | None = None) -> Reconstructor:
    """Returns the compiled and built model of a configuration, its weights drawn from its seed.

    With `good` parts, it starts from their mean images where the configuration says so.
    """
    keras.utils.set_random_seed(config.seed)
    model = Reconstructor(config)
    model([np.zeros((1, config.side, config.side, 3), "float32"), np.zeros(1, "int32")])
    model.compile(commun.training.adam(config))
    if good and config.start_from_mean:
        model.mean_image.assign(good.mean_images())
    return model


def padded_lab(config: Config, good: Good) -> np.ndarray:
    """Returns good parts in CIELAB / 50, `config.shift` pixels larger on each side: edges are repeated."""
    margin = (config.shift, config.shift)
    return np.pad(to_lab(good.images), ((0, 0), margin, margin, (0, 0)), mode="edge")


def batches(config: Config, good: Good, lab: np.ndarray, epoch: int) -> commun.training.ArrayBatches:
    """Returns the batches of an epoch: images in order of training, shifted and turned at random.

    Args:
        config: of the training.
        good: the parts.
        lab: these, from `padded_lab`.
        epoch: its number, from 0.
    """
    rng = np.random.default_rng([config.seed, epoch, 1])
    rows = commun.training.epoch_indices(config, len(good), epoch=epoch)
    images = np.empty((len(rows), config.side, config.side, 3), "float32")
    for place, row in enumerate(rows):
        (top, left), quarter, flip = rng.integers(0, 2 * config.shift + 1, 2), rng.integers(4), rng.integers(2)
        image = lab[row, top : top + config.side, left : left + config.side]
        if good.turns[row]:
            image = np.rot90(image[::-1] if flip else image, quarter)
        images[place] = image
    return commun.training.ArrayBatches([images, good.category_ids[rows]], batch_size=config.batch_size)


def snapshots(config: Config, good: Good, watched: Good) -> dict[int, np.ndarray]:
    """Returns the reconstructions that `train` kept: number of the epoch, from 1 -> uint8 (k, side, side, 3)."""
    folder = _snapshot_folder(config, good, watched)
    return {int(path.stem): np.load(path) for path in sorted(folder.glob("*.npy"))}


def _snapshot_folder(config: Config, good: Good, watched: Good) -> Path:
    data, code = [_fingerprint(good), _fingerprint(watched)], code_hash(build, batches, *_code(config))
    identity = {"config": dataclasses.asdict(config), "data": data, "code": code}
    return working_folder("etapes", PROJECT, commun.training.config_hash(identity))


def _code(config: Config) -> list:
    """Returns what a training runs beside `build` and `batches`: its task, found by name, and its snapshots."""
    return [PRETEXTS[config.task], padded_lab, reconstruction_picture]


def _fingerprint(good: Good) -> str:
    return commun.training.fingerprint(good.images, good.turns, good.category_ids)
