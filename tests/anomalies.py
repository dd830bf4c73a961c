"""What the tests of project 3 share: parts to look at, models that no training is needed for, categories on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import commun.training  # first: it chooses the default backend of Keras
from projet3_ssl_anomalies import dataset, pretexts, signals, statistics, training
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.training import Config

import keras  # isort: skip

SIDE = 32
SMALL = {"side": SIDE, "width": 2, "cells": (16, 8, 4), "batch_size": 4, "images_seen": 240, "epochs": 2}


def config(**changes) -> Config:
    return Config(**{**SMALL, **changes})


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def parts(count: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Brown discs on a light ground, each with a shade and a texture of its own."""
    random = np.random.default_rng(seed)
    y, x = np.indices((side, side)) / side - 0.5
    texture = np.kron(random.normal(0, 25, (count, 8, 8)), np.ones((side // 8, side // 8)))
    shade = random.uniform(-60, 60, (count, 1, 1))
    grey = np.where(np.hypot(x, y) < 0.4, 110 + shade + 60 * x + texture, 180 + shade)
    return np.clip(np.stack([grey, grey * 0.8, grey * 0.6], axis=-1), 0, 255).astype("uint8")


def turned(image: np.ndarray) -> list[np.ndarray]:
    """The eight ways to lay a square image, itself first."""
    return [np.rot90(flipped, quarter) for flipped in (image, image[::-1]) for quarter in range(4)]


# --- Models ----------------------------------------------------------------------------------------------------------


def shaken(of: Config, *, seed: int = 0) -> Reconstructor:
    """A model that was not trained, all of whose weights matter: the last are zero in a new one."""
    keras.utils.set_random_seed(seed)
    model = Reconstructor(of)
    for rank, weight in enumerate(model.trainable_weights):
        weight.assign(np.asarray(weight) + 0.3 * noise(*weight.shape, seed=100 * seed + rank))
    return model


def untrained(*tasks: str) -> dict[str, commun.training.Run]:
    """Runs of small models, of which no training is needed: task -> run."""
    return {task: commun.training.Run(shaken(config(task=task)), None, {"seconds": 2.0}, None, True) for task in tasks}


def weights(model: Reconstructor) -> np.ndarray:
    """All that training changes, in one row."""
    return np.concatenate([np.asarray(w).ravel() for w in model.weights if w.dtype == "float32"])


def forget() -> None:
    """Forgets the compiled models, which hold the tasks as they were."""
    training._compiled.cache_clear()
    signals._scorer.cache_clear()


@contextlib.contextmanager
def shallow() -> Generator[None]:
    """Masked autoencoders of one block, quicker to compile."""
    with pytest.MonkeyPatch.context() as patch:
        for depth in ("depth", "decoder_depth"):
            patch.setattr(pretexts.MaskedAutoencoder, depth, 1)
        forget()
        yield
        forget()


@contextlib.contextmanager
def eager() -> Generator[None]:
    """Models trained and read step by step, for few steps, and small banks: compiling them would take longer."""
    compiled = keras.Model.compile

    def compile_eagerly(model: keras.Model, *args, **options) -> None:
        compiled(model, *args, **options)
        model.run_eagerly = keras.backend.backend() == "tensorflow"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", compile_eagerly)
        patch.setattr(statistics, "BANK", 300)
        patch.setattr(signals.Scorer, "predict_on_batch", lambda scorer, images: scorer(images))
        forget()
        yield
        forget()


@contextlib.contextmanager
def only(*tasks: str) -> Generator[None]:
    """Leaves these tasks alone in the registry; those that are added meanwhile are forgotten."""
    before = dict(PRETEXTS)
    for task in set(before) - set(tasks):
        del PRETEXTS[task]
    try:
        yield
    finally:
        PRETEXTS.clear()
        PRETEXTS.update(before)  # in the same order


# --- Categories on disk ----------------------------------------------------------------------------------------------


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture(seed: int, side: int = 48) -> np.ndarray:
    """A disc of its own tint and texture on a light ground."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side, side)) / side - 0.5
    grey = np.where(np.hypot(x, y) < 0.38, 110, 220) + rng.normal(0, 8, (side, side))
    return np.clip(grey[..., None] * [1, 0.95, rng.uniform(0.75, 0.95)], 0, 255).astype("uint8")


def stained(seed: int, place: slice, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A part with a red stain that nobody could miss, and its mask."""
    image, mask = picture(seed, side), np.zeros((side, side), "uint8")
    mask[place, 16:28] = 255
    image[mask > 0] = (200, 20, 40)
    return image, mask


def write_category(folder: Path, *, seed: int = 0, train: int = 11, test: int = 5, side: int = 48) -> Path:
    """Writes a category in the layout of MVTec AD: `test` good parts and as many stained ones in its test part."""
    for number in range(train):
        save(folder / f"train/good/{number:03d}.png", picture(seed + number, side))
    for number in range(test):
        save(folder / f"test/good/{number:03d}.png", picture(seed + 100 + number, side))
        image, mask = stained(seed + 200 + number, slice(10 + number, 22), side)
        save(folder / f"test/stain/{number:03d}.png", image)
        save(folder / f"ground_truth/stain/{number:03d}_mask.png", mask)
    return folder


def load_category(root: Path, name: str, **options) -> Data:
    """Writes a category that this project does not know, and loads it."""
    write_category(root / "mvtec_ad" / name, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_DATA", str(root))
        return dataset.load(name)
