"""The explorer of the CVAE: one class, two directions of the code, and the way from one class to another.

What a page shows is decoded beforehand (`data`): for each class, a square of codes along the two directions that change
its images most; for each pair of classes, images of one code whose label goes from the first class to the second.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from commun import figures
from commun.figures import Drawing
from commun.sheets import picture, sheet
from projet2_cvae.dataset import CLASSES
from projet2_cvae.model import CVAE, SIDE

from keras import ops  # isort: skip

STEPS, REACH = 9, 2.0  # codes along a direction, and the last one, in standard deviations of the prior
BETWEEN = 5  # images between two classes, both ends left out
PROBES = 256  # codes drawn to find the directions
BASIS = 28  # images of which all the others are sums


def directions(model: CVAE, label: int, *, count: int = 2, seed: int = 0) -> np.ndarray:
    """Returns the directions of the code that change the images of a class most, unit rows, shape (count, d).

    Codes are drawn from N(0, I), decoded, and images regressed on codes: a direction's share is the variance of the
    images along it. With weights for each class, a direction means nothing in another class: hence one pair a class.
    """
    size = model.config.latent_dim
    codes = np.random.default_rng(seed).standard_normal((PROBES, size), dtype="float32")
    images = _decode(model, codes, np.eye(len(CLASSES), dtype="float32")[np.full(PROBES, label)]).reshape(PROBES, -1)
    slopes = np.linalg.lstsq(codes, images - images.mean(axis=0), rcond=None)[0]  # (d, pixels)
    left = np.linalg.svd(slopes, full_matrices=False)[0].T
    found = np.zeros((count, size), "float32")
    found[: min(count, len(left))] = left[:count]
    signs = np.sign((slopes.T @ found.T).sum(axis=0))  # towards lighter images
    return found * np.where(signs == 0, 1, signs)[:, None]


def plane(model: CVAE, label: int, *, seed: int = 0) -> np.ndarray:
    """Returns the images of a class on a square of codes, uint8 of shape (STEPS, STEPS, 28, 28).

    The second direction goes up from the bottom row, the first one from left to right.
    """
    line = np.linspace(-REACH, REACH, STEPS, dtype="float32")
    across, up = np.meshgrid(line, line[::-1])
    codes = np.stack([across.ravel(), up.ravel()], axis=1) @ directions(model, label, seed=seed)
    images = _decode(model, codes, np.eye(len(CLASSES), dtype="float32")[np.full(len(codes), label)])
    return _bytes(images).reshape(STEPS, STEPS, SIDE, SIDE)


def morphs(model: CVAE) -> np.ndarray:
    """Returns the ways between classes, uint8 of shape (pairs, BETWEEN, 28, 28): the code 0, the labels mixed.

    Pairs are those of `itertools.combinations`; the mixed label is (1 - s) of the first class and s of the second.
    """
    pairs = np.array(list(itertools.combinations(range(len(CLASSES)), 2)))
    share = np.linspace(0, 1, BETWEEN + 2, dtype="float32")[1:-1, None]
    one_hot = np.eye(len(CLASSES), dtype="float32")
    labels = (1 - share) * one_hot[pairs[:, 0], None] + share * one_hot[pairs[:, 1], None]
    codes = np.zeros((len(pairs) * BETWEEN, model.config.latent_dim), "float32")
    images = _decode(model, codes, labels.reshape(len(codes), -1))
    return _bytes(images).reshape(len(pairs), BETWEEN, SIDE, SIDE)


def data(model: CVAE, *, seed: int = 0) -> dict[str, Any]:
    """Returns what the explorer "cvae" of a report needs (see `atelier/explorateurs.py`).

    A thousand images would weigh three times as much: they are sums of `BASIS` images, which the page adds up.
    """
    planes = np.stack([plane(model, label, seed=seed) for label in range(len(CLASSES))])
    images = np.concatenate([planes.reshape(-1, SIDE, SIDE), morphs(model).reshape(-1, SIDE, SIDE)])
    packed = pack(images)
    error = np.sqrt(np.square(unpack(packed) - images.astype("float32")).mean()) / 255
    return {
        "genre": "cvae",
        "classes": list(CLASSES),
        "cote": SIDE,
        "pas": STEPS,
        "etendue": REACH,
        "etapes": BETWEEN,
        "erreur": float(f"{error:.3g}"),
        "bases": sheet(packed.basis, columns=len(packed.basis)),
        "amplitudes": packed.scale,
        "poids": picture(packed.weights),
        "minimums": packed.low,
        "maximums": packed.high,
    }


class Packed(NamedTuple):
    """Images as sums: the first basis image, plus the others times their weights.

    Attributes:
        basis: uint8 of shape (1 + k, s, s); the first one is the mean, byte 127.5 of the others is 0.
        scale: of each of the k others, what byte 255 is worth, in grey levels.
        weights: uint8 of shape (n, k), from `low` (0) to `high` (255).
        low: least weight on each of them.
        high: greatest one.
    """

    basis: np.ndarray
    scale: list[float]
    weights: np.ndarray
    low: list[float]
    high: list[float]


def pack(images: np.ndarray, count: int = BASIS) -> Packed:
    """Returns uint8 images (n, s, s) as sums of their `count` principal components, all in bytes."""
    flat = images.reshape(len(images), -1).astype("float32")
    mean = np.round(flat.mean(axis=0))
    left, sizes, basis = np.linalg.svd(flat - mean, full_matrices=False)
    basis, weights = basis[:count], (left * sizes)[:, :count]
    scale, low, high = np.abs(basis).max(axis=1), weights.min(axis=0), weights.max(axis=0)
    scale, low, high = (np.array([float(f"{v:.5g}") for v in values]) for values in (scale, low, high))
    span = np.maximum(high - low, 1e-9)
    tiles = np.concatenate([mean[None], np.round(127.5 + 127.5 * basis / np.maximum(scale, 1e-9)[:, None])])
    bytes_ = np.round(255 * (weights - low) / span).clip(0, 255).astype("uint8")
    tiles = tiles.clip(0, 255).astype("uint8").reshape(-1, *images.shape[1:])
    return Packed(tiles, scale.tolist(), bytes_, low.tolist(), high.tolist())


def unpack(packed: Packed) -> np.ndarray:
    """Returns the images of `pack`, float32 of shape (n, s, s) in 0..255, as a page adds them up."""
    low, high, scale = (np.array(values) for values in (packed.low, packed.high, packed.scale))
    basis = (packed.basis[1:].astype("float64") / 127.5 - 1) * scale[:, None, None]
    weights = low + (high - low) * packed.weights / 255
    return np.clip(packed.basis[0] + np.tensordot(weights, basis, axes=1), 0, 255).astype("float32")


def plot(model: CVAE, *, seed: int = 0) -> Drawing:
    """Draws the first direction of each class, from -REACH to +REACH, five classes a row."""
    rows = np.stack([plane(model, label, seed=seed)[STEPS // 2, :: STEPS // 2] for label in range(len(CLASSES))])
    captions = [caption for name in CLASSES for caption in ("", name, "")]
    reach, change = figures.number(REACH), np.abs(rows[:, -1].astype(int) - rows[:, 0]).mean(axis=(1, 2)) / 255
    title = f"La première direction de chaque classe, de −{reach} à +{reach} écarts-types"
    figure = figures.image_grid(rows.reshape(-1, SIDE, SIDE), captions, columns=15, title=title)
    most, least = CLASSES[change.argmax()], CLASSES[change.argmin()]
    alt = (
        f"{title} : trois images par classe. D'un bout à l'autre, un pixel change en moyenne de "
        f"{figures.percent(change.mean(), 0)} de l'échelle de gris ; le plus pour la classe « {most} » "
        f"({figures.percent(change.max(), 0)}), le moins pour « {least} » ({figures.percent(change.min(), 0)})."
    )
    return Drawing(figure, alt)


def _decode(model: CVAE, codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the decoder's mean images, float32 (n, 28, 28, 1) in 0..1, for labels that may be mixed, (n, 10)."""
    inputs = [codes, labels] if model.config.conditional else [codes]
    return np.asarray(ops.sigmoid(model.decoder(inputs)))


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.round(255 * images[..., 0]).astype("uint8")
