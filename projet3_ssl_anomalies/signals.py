"""What scoring looks at: signals of an image, in the cells of a grid, among which the unusual is sought.

The appearance of a cell, that no network has seen, is the rival that learns nothing. Each pretext task adds two: its
reconstruction error, and its representation, which is what its encoder has learnt to see.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

import commun.training  # noqa: F401, first: it chooses the default backend of Keras
from commun.sources import code_hash
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.losses import gradient
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor

import keras  # isort: skip
from keras import ops  # isort: skip

GRID = 32  # cells along a side
BATCH = 8  # images at once
DIMENSIONS = 12  # of a representation
BASELINE, ERROR, REPRESENTATION, FUSED = "baseline", "error", "representation", "fused"
_TITLES = {BASELINE: "sans réseau", ERROR: "erreur", REPRESENTATION: "représentation", FUSED: "fusion"}


def named(task: str, kind: str) -> str:
    """Returns the name of a signal of a task: "inpainting/error"."""
    return f"{task}/{kind}"


def title(name: str) -> str:
    """Returns the French name of a signal, of a task, or of a fusion."""
    if name in PRETEXTS:
        return PRETEXTS[name].title
    task, _, kind = name.rpartition("/")
    return f"{PRETEXTS[task].title}, {_TITLES[kind]}" if task else _TITLES[name]


def signals(models: Mapping[str, Reconstructor], images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the signals of uint8 images (n, side, side, 3).

    Args:
        models: task -> trained model.
        images: their side is that of the models.

    Returns:
        Name -> float32 of shape (n, GRID, GRID, channels).
    """
    found = {BASELINE: appearance(images)}
    for task, model in models.items():
        error, representation = _read(model, images)
        found |= {named(task, ERROR): error, named(task, REPRESENTATION): representation}
    return found


def appearance(images: np.ndarray) -> np.ndarray:
    """Returns L*, a*, b* and the gradient magnitude of images: no network.

    Args:
        images: uint8 of shape (n, side, side, 3).

    Returns:
        Means over each cell, in CIELAB / 50: float32 of shape (n, GRID, GRID, 4).
    """
    parts = []
    for start in range(0, len(images), BATCH):
        lab = ops.convert_to_tensor(to_lab(images[start : start + BATCH]))
        channels = ops.concatenate([lab, gradient(lab[..., :1])], axis=-1)
        parts.append(np.asarray(gridded(channels)))
    return np.concatenate(parts)


class Scorer(keras.Model):
    """Gives both signals of a task in one graph, from images in CIELAB / 50, (n, side, side, 3)."""

    def __init__(self, model: Reconstructor, **kwargs) -> None:
        """Takes a model, whose weights may change afterwards."""
        super().__init__(**kwargs)
        self.model, network = model, model.network
        self.encoder = keras.Model(network.inputs, [network.get_layer(name).output for name in model.pretext.levels])
        channels = sum(output.shape[-1] for output in self.encoder.outputs)
        self.projection = random_projection(channels, min(DIMENSIONS, channels))

    def call(self, images):
        """Returns the error, mean over partitions of masks, and the representation."""
        masks, pretext = self.model.pretext.scoring_masks, self.model.pretext
        outputs = self.model.reconstruct(images, masks)
        flat = ops.reshape(outputs, (-1, *outputs.shape[2:]))
        errors = gridded(pretext.error_map(ops.tile(images, (len(masks), 1, 1, 1)), flat))
        error = ops.mean(ops.reshape(errors, (len(masks), -1, *errors.shape[1:])), axis=0)
        whole = pretext.whole(images, self.model.mean_images(images))
        levels = self.encoder(whole, training=False)
        levels = levels if isinstance(levels, list) else [levels]
        pictures = [gridded(as_picture(level)) for level in levels]
        representation = ops.concatenate(pictures, axis=-1)
        return error, ops.matmul(representation, ops.convert_to_tensor(self.projection))


def random_projection(channels: int, dimensions: int) -> np.ndarray:
    """Returns orthonormal directions drawn at random, always the same.

    PaDiM's shortcut (Defard et al., 2021): at random, a few directions lose little, for
    levels are redundant.

    Returns:
        float32 of shape (channels, dimensions).
    """
    size = (channels, dimensions)
    draw = np.random.default_rng(size).normal(size=size)
    return np.linalg.qr(draw)[0].astype("float32")


def _read(model: Reconstructor, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scorer = scorer_of(model.config)
    scorer.model.set_weights(model.get_weights())
    parts = []
    for start in range(0, len(images), BATCH):
        lab = to_lab(images[start : start + BATCH])
        count = len(lab)  # the last batch is filled: one of another size would be compiled again
        lab = np.concatenate([lab, np.repeat(lab[-1:], BATCH - count, axis=0)])
        parts.append([np.asarray(part)[:count] for part in scorer.predict_on_batch(lab)])
    error, representation = (np.concatenate(part) for part in zip(*parts, strict=True))
    return error, representation


def scorer_of(config) -> Scorer:
    """Returns the scorer of a configuration: compiling it takes longer than giving it other weights."""
    return _scorer(config, code_hash(PRETEXTS[config.task]))


@functools.lru_cache(maxsize=8)
def _scorer(config, code: str) -> Scorer:
    """Returns it again; `code` tells a task from the same one edited in a notebook."""
    return Scorer(Reconstructor(config))


def gridded(maps):
    """Returns maps (n, h, h, c) brought to the grid: means over its cells, or values between those of coarser ones."""
    side = maps.shape[1]
    if side > GRID:
        return ops.average_pool(maps, side // GRID, strides=side // GRID)
    return ops.image.resize(maps, (GRID, GRID), interpolation="bilinear") if side < GRID else maps


def as_picture(level):
    """Returns tokens (n, g * g, c) as a picture (n, g, g, c); pictures as they are."""
    if len(level.shape) == 4:
        return level
    grid = round(level.shape[1] ** 0.5)
    return ops.reshape(level, (-1, grid, grid, level.shape[-1]))
