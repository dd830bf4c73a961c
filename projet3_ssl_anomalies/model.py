"""The pretext tasks of project 3, their networks, and how they are trained.

A pretext task hides something of an image and asks the network to give it back. `hidden` is a picture of booleans,
True where the network must guess. Trained on good parts only, it learns to guess good parts; what it guesses badly is
abnormal.

A network may start from what is known before looking: the mean of the good parts of the category, its `base`. It then
only learns how a part departs from it, which takes far fewer steps than to draw the whole part.

Images are handled in CIELAB divided by 50: float32 of shape (n, side, side, 3), lightness in -1..1, then two chroma
channels that may slightly exceed it. A Euclidean distance is then a colour difference (Delta E, CIE 1976) over 50.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from commun import UserError, training  # first: it chooses the default backend of Keras
from commun.datasets import atomic_file, working_folder
from projet3_ssl_anomalies.dataset import PROJECT

import keras  # isort: skip
from keras import layers, ops  # isort: skip

VERSION = 1
SCALE = 50.0  # CIELAB units in one unit of our images
BANK = 8  # draws of the sets of hidden pixels among which training chooses


@dataclasses.dataclass(frozen=True)
class Config(training.Budget):
    """Everything that defines a model and its training.

    Attributes:
        task: name of the pretext task.
        side: side of the images, in pixels; a multiple of 16.
        kinds: number of categories that the model learns; each has its own base.
        base: starts from the mean of the good parts, which the model then contains; otherwise, from grey.
        width: channels of the first feature map of the U-Net; a quarter of the token size of the masked autoencoder.
        cells: how many of the cells that inpainting hides lie along a side, for each of their sizes.
        patch: side of the patches of the masked autoencoder, in pixels.
        structure: weight in the loss of the structural terms (SSIM, gradient similarity) beside the quadratic one.
        shift: largest random translation of a training image, in pixels.

    The attributes of `training.Budget` say how long it is trained.
    """

    learning_rate: float = 3e-3
    batch_size: int = 4
    images_seen: int = 4000
    epochs: int = 8
    task: str = "inpainting"
    side: int = 128
    kinds: int = 1
    base: bool = True
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
        for count in self.cells:
            if count < 2 or self.side % count:
                raise UserError(
                    f"Un côté de {self.side} pixels ne se divise pas en {count} cellules égales (deux au moins)."
                )
        if self.patch < 1 or self.side % (2 * self.patch):
            raise UserError(
                f"Un côté de {self.side} pixels ne se divise pas en un nombre pair de carreaux de {self.patch} pixels."
            )
        for name in ("kinds", "width"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} doit valoir au moins 1 (valeur donnée : {getattr(self, name)}).")
        if not 0 <= self.shift < self.side:
            raise UserError(f"shift va de 0 au côté de l'image (valeur donnée : {self.shift}).")
        if not 0 <= self.structure < float("inf"):
            raise UserError(f"structure doit être positif ou nul (valeur donnée : {self.structure}).")


# --- Colour ----------------------------------------------------------------------------------------------------------

_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])
_WHITE = _XYZ.sum(axis=1)  # D65, the white of sRGB (IEC 61966-2-1)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype("float32")
_KNEE = 6 / 29


def to_lab(images: np.ndarray) -> np.ndarray:
    """Converts sRGB images, uint8 of shape (..., 3), to CIELAB (CIE 1976, D65) as this module handles it."""
    xyz = _LINEAR[images] @ (_XYZ / _WHITE[:, None]).T.astype("float32")
    f = np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([(116 * y - 16) / SCALE - 1, 500 * (x - y) / SCALE, 200 * (y - z) / SCALE], axis=-1)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Converts such images back to sRGB, uint8; colours out of its range are clipped."""
    y = ((lab[..., 0] + 1) * SCALE + 16) / 116
    f = np.stack([y + lab[..., 1] * SCALE / 500, y, y - lab[..., 2] * SCALE / 200], axis=-1)
    xyz = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29)) * _WHITE
    linear = np.clip(xyz @ np.linalg.inv(_XYZ).T, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * srgb).astype("uint8")


# --- How two images differ -------------------------------------------------------------------------------------------


def colour_difference(first, second):
    """Returns the Euclidean distance of each pair of pixels over their channels, shape (n, h, w, 1)."""
    return ops.sqrt(ops.sum(ops.square(first - second), axis=-1, keepdims=True) + 1e-8)


def gradient(lightness):
    """Returns the Prewitt gradient magnitude of images (n, h, w, 1), borders mirrored.

    Sums of slices: on a processor, they cost less than convolutions of one channel.
    """
    x = ops.pad(lightness, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    columns = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    across = (rows[:, :, 2:] - rows[:, :, :-2]) / 3
    down = (columns[:, 2:] - columns[:, :-2]) / 3
    return ops.sqrt(ops.square(across) + ops.square(down) + 1e-8)


def gradient_difference(first, second, *, scales: int = 4, constant: float = 0.01):
    """Returns 1 - the gradient magnitude similarity of the lightness, mean of several scales: (n, h, w, 1), in 0..1.

    Similarity: Xue et al., IEEE TIP 23(2), 2014; its mean over scales halved each time: Zavrtanik et al. (RIAD),
    Pattern Recognition 112, 2021. `constant` keeps plain surfaces from counting.
    """
    total, x, y = 0.0, first[..., :1], second[..., :1]
    for scale in range(scales):
        if scale:
            x, y = ops.average_pool(x, 2, strides=2), ops.average_pool(y, 2, strides=2)
        gx, gy = gradient(x), gradient(y)
        different = 1 - (2 * gx * gy + constant) / (ops.square(gx) + ops.square(gy) + constant)
        if scale:
            different = ops.repeat(ops.repeat(different, 2**scale, axis=1), 2**scale, axis=2)
        total = total + different
    return total / scales


def structural_difference(first, second, *, window: int = 8):
    """Returns 1 - SSIM of the lightness (Wang et al., IEEE TIP 13(4), 2004) on square windows, half over one another.

    The shape is (n, 2h / window - 1, 2w / window - 1, 1): a window at each pixel would double the cost of training.
    """

    def mean(x):
        return ops.average_pool(x, window, strides=window // 2)

    x, y = first[..., :1], second[..., :1]
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.02**2, 0.06**2  # K1 = .01 and K2 = .03, for values that range over 2
    return 1 - (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))


# --- Pretext tasks ---------------------------------------------------------------------------------------------------

PRETEXTS: dict[str, type[Pretext]] = {}


class Pretext(abc.ABC):
    """A pretext task: which pixels to guess, and four verbs.

    A new task is a new class; its name registers it, and everything else (training, scoring, fusion, notebooks) finds
    it there. For instance, giving back an image from a coarse copy of it:

        class Sharpening(Pretext):
            name, title = "sharpening", "mise au point"

            def corrupt(self, images, base, hidden):
                coarse = ops.average_pool(images, 8, strides=8)
                coarse = ops.repeat(ops.repeat(coarse, 8, axis=1), 8, axis=2)
                return ops.concatenate([coarse, base], axis=-1)

            def network(self):
                return unet(self.config, inputs=6, outputs=3)

    (`patterns`, `loss` and `error_map` are inherited.)

    Attributes:
        name: key of the task, in English; the class is registered under it.
        title: its French name.
        channels: French names of the channels of its error map; the contours first, if any, then the colours.
    """

    name = title = ""
    channels: tuple[str, ...] = ("contours", "L*", "a*", "b*")

    def __init_subclass__(cls) -> None:
        """Registers the task."""
        PRETEXTS[cls.name] = cls

    def __init__(self, config: Config) -> None:
        """Takes the configuration of a model."""
        self.config = config

    def patterns(self, random: np.random.Generator) -> np.ndarray:
        """Returns sets of hidden pixels, bool of shape (sets, members, side, side).

        The members of a set together hide every pixel, so that in scoring each pixel is guessed at least once per set.
        """
        return np.ones((1, 1, self.config.side, self.config.side), bool)

    @abc.abstractmethod
    def corrupt(self, images, base, hidden):
        """Returns what the network receives of images (n, side, side, 3).

        Args:
            images: in CIELAB / 50.
            base: mean good part of the category of each, same shape.
            hidden: bool of shape (n, side, side).
        """

    @abc.abstractmethod
    def network(self) -> keras.Model:
        """Returns the network, from what `corrupt` gives to the whole image; one of its layers is named "code"."""

    def loss(self, images, output, hidden):
        """Returns the mean loss: quadratic on the hidden pixels, structural on the whole image."""
        weight = ops.cast(hidden, "float32")[..., None]
        loss = ops.sum(weight * ops.square(images - output)) / ops.sum(weight)
        if self.config.structure:
            structure = ops.mean(gradient_difference(images, output)) + ops.mean(structural_difference(images, output))
            loss = loss + self.config.structure * structure
        return loss

    def error_map(self, images, rebuilt):
        """Returns how each pixel differs, shape (n, side, side, len(channels)).

        Contours: how much, in 0..1. Colours: what the image has more than what was guessed, with its sign, for a guess
        that is always too dark at some place is no anomaly: `evaluation.calibrate` subtracts what is usual.
        """
        return ops.concatenate([gradient_difference(images, rebuilt), images - rebuilt], axis=-1)

    def picture(self, images: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
        """Returns the image that an output stands for, to be shown."""
        return rebuilt

    def view(self, images: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Returns what the task lets see of uint8 images (n, side, side, 3), `hidden` (side, side) being grey."""
        return np.where(hidden[..., None], np.uint8(128), images)


class Colorization(Pretext):
    """Guesses the two chroma channels from the lightness (Zhang, Isola and Efros, ECCV 2016)."""

    name, title = "colorization", "colorisation"
    channels = ("a*", "b*")

    def corrupt(self, images, base, hidden):
        """Returns the lightness and the base, (n, side, side, 4)."""
        return ops.concatenate([images[..., :1], base], axis=-1)

    def network(self) -> keras.Model:
        """Returns a U-Net that gives the two chroma channels."""
        return unet(self.config, inputs=4, outputs=2)

    def loss(self, images, output, hidden):
        """Returns the mean colour difference."""
        return ops.mean(colour_difference(images[..., 1:], output))

    def error_map(self, images, rebuilt):
        """Returns the difference of the two chroma channels, (n, side, side, 2)."""
        return images[..., 1:] - rebuilt

    def picture(self, images, rebuilt):
        """Returns the lightness of the image with the colours of the output."""
        return np.concatenate([images[..., :1], rebuilt], axis=-1)

    def view(self, images, hidden):
        """Returns the lightness alone."""
        lightness = to_lab(images)[..., :1]
        return to_rgb(np.concatenate([lightness, np.zeros_like(lightness), np.zeros_like(lightness)], axis=-1))


class Inpainting(Pretext):
    """Guesses hidden cells, a third of the image, from what surrounds them (RIAD, Pattern Recognition 112, 2021)."""

    name, title = "inpainting", "restauration"
    members = 3

    def patterns(self, random: np.random.Generator) -> np.ndarray:
        """Returns one set for each size of cells: the cells, dealt at random into three."""
        return np.stack([_deal(self.config.side, count, self.members, random) for count in self.config.cells])

    def corrupt(self, images, base, hidden):
        """Returns the image, zero where it is hidden, the hidden pixels, and the base: (n, side, side, 7)."""
        hidden = ops.cast(hidden, "float32")[..., None]
        return ops.concatenate([images * (1 - hidden), hidden, base], axis=-1)

    def network(self) -> keras.Model:
        """Returns a U-Net that gives the whole image."""
        return unet(self.config, inputs=7, outputs=3)


class MaskedAutoencoder(Pretext):
    """Guesses three quarters of the patches from the tokens of the others (He et al., CVPR 2022).

    The encoder only receives the visible patches; a light decoder adds tokens for the others and rebuilds the image.
    """

    name, title = "masked_autoencoder", "auto-encodeur masqué"
    members = 4  # one patch in four is visible
    sets = 2
    depth, decoder_depth, heads = 4, 2, 4

    def patterns(self, random: np.random.Generator) -> np.ndarray:
        """Returns two sets: the patches, dealt at random into four; a member hides three of them."""
        side, grid = self.config.side, self.config.side // self.config.patch
        return np.stack([~_deal(side, grid, self.members, random) for _ in range(self.sets)])

    def corrupt(self, images, base, hidden):
        """Returns the visible patches, less the base, (n, v, 3 patch^2), their places, all the ranks, and the base."""
        patch, grid = self.config.patch, self.config.side // self.config.patch
        tokens = ops.reshape(images - base, (-1, grid, patch, grid, patch, 3))
        tokens = ops.reshape(ops.transpose(tokens, (0, 1, 3, 2, 4, 5)), (-1, grid * grid, 3 * patch * patch))
        rank = ops.cast(ops.reshape(hidden[:, ::patch, ::patch], (-1, grid * grid)), "int32") * grid * grid
        order = ops.argsort(rank + ops.arange(grid * grid, dtype="int32"), axis=1)  # the visible first
        places = order[:, : grid * grid // self.members]
        return [ops.take_along_axis(tokens, places[..., None], axis=1), places, ops.argsort(order, axis=1), base]

    def network(self) -> keras.Model:
        """Returns the encoder and decoder, both made of transformer blocks."""
        side, patch, dim = self.config.side, self.config.patch, 4 * self.config.width
        grid = side // patch
        visible = grid * grid // self.members
        tokens = keras.Input((visible, 3 * patch * patch), name="carreaux")
        places = keras.Input((visible,), dtype="int32", name="places")
        ranks = keras.Input((grid * grid,), dtype="int32", name="rangs")
        base = keras.Input((side, side, 3), name="base")
        x = layers.Dense(dim)(tokens) + layers.Embedding(grid * grid, dim, embeddings_initializer=_SMALL)(places)
        for _ in range(self.depth):
            x = _transformer(x, self.heads)
        x = layers.LayerNormalization(name="code")(x)
        x = PutBack(grid * grid)([layers.Dense(dim // 2)(x), ranks])
        for _ in range(self.decoder_depth):
            x = _transformer(x, self.heads)
        x = layers.Dense(3 * patch * patch, kernel_initializer="zeros")(layers.LayerNormalization()(x))
        x = layers.Permute((1, 3, 2, 4, 5))(layers.Reshape((grid, grid, patch, patch, 3))(x))
        x = layers.Reshape((side, side, 3))(x) + base
        return keras.Model([tokens, places, ranks, base], x, name=self.name)


def _deal(side: int, count: int, members: int, random: np.random.Generator) -> np.ndarray:
    """Deals the count x count square cells of a picture into equal lots: bool of shape (members, side, side)."""
    lots = random.permutation(count * count).reshape(count, count) % members
    lots = lots.repeat(side // count, axis=0).repeat(side // count, axis=1)
    return lots == np.arange(members)[:, None, None]


# --- Networks --------------------------------------------------------------------------------------------------------

_SMALL = keras.initializers.RandomNormal(stddev=0.02)


def unet(config: Config, *, inputs: int, outputs: int) -> keras.Model:
    """Returns a U-Net from (side, side, inputs) to (side, side, outputs), which never works above half resolution.

    The last channels of the input are the base of the output: the network gives what to add to them, zero at first.

    Ronneberger, Fischer and Brox, MICCAI 2015. The first convolution halves the sides; at the end, each half-size
    pixel gives four (Shi et al., CVPR 2016).
    """
    half, width = config.side // 2, config.width
    image = keras.Input((config.side, config.side, inputs), name="image")
    x, skips = _convolution(image, width, kernel=4, strides=2), []
    for level in (1, 2, 3):
        x = _convolution(x, width * level)
        skips.append(x)
        x = _convolution(x, width * (level + 1), strides=2)
    x = _convolution(x, 4 * width, name="code")
    for level in (3, 2, 1):
        x = layers.UpSampling2D(interpolation="bilinear")(_convolution(x, width * level))
        x = _convolution(layers.Concatenate()([x, skips.pop()]), width * level)
    x = layers.Conv2D(4 * outputs, 3, padding="same", kernel_initializer="zeros")(x)
    x = layers.Permute((1, 3, 2, 4, 5))(layers.Reshape((half, half, 2, 2, outputs))(x))
    x = layers.Reshape((config.side, config.side, outputs))(x) + image[..., -outputs:]
    return keras.Model(image, x, name=config.task)


def _convolution(x, filters: int, *, kernel: int = 3, strides: int = 1, name: str | None = None):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
    return layers.Activation("silu", name=name)(layers.BatchNormalization(momentum=0.9)(x))


def _transformer(x, heads: int):
    dim = x.shape[-1]
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(heads, dim // heads, use_bias=False)(y, y)
    y = layers.Dense(2 * dim, activation="gelu")(layers.LayerNormalization()(x))
    return x + layers.Dense(dim)(y)


@keras.saving.register_keras_serializable(PROJECT)
class PutBack(layers.Layer):
    """Puts visible tokens (n, v, d) back in their places, fills the others with a learnt token, adds positions."""

    def __init__(self, count: int, **kwargs) -> None:
        """Takes the number of tokens of a whole image."""
        super().__init__(**kwargs)
        self.count = count

    def get_config(self) -> dict:
        """Returns what is needed to build the layer again."""
        return {**super().get_config(), "count": self.count}

    def build(self, shapes) -> None:
        """Makes the learnt token and the positions."""
        dim = shapes[0][-1]
        self.token = self.add_weight(shape=(1, 1, dim), initializer=_SMALL, name="token")
        self.position = self.add_weight(shape=(1, self.count, dim), initializer=_SMALL, name="position")

    def call(self, inputs):
        """Returns all the tokens, (n, count, d)."""
        visible, ranks = inputs
        missing = self.count - visible.shape[1]
        filling = ops.broadcast_to(self.token, (ops.shape(visible)[0], missing, visible.shape[2]))
        return (
            ops.take_along_axis(ops.concatenate([visible, filling], axis=1), ranks[..., None], axis=1) + self.position
        )


@keras.saving.register_keras_serializable(PROJECT)
class Reconstructor(keras.Model):
    """A pretext task and its network.

    Inputs: images in CIELAB / 50, float32 of shape (n, side, side, 3), and the index of their category, shape (n,).
    """

    def __init__(self, config: Config | dict, **kwargs) -> None:
        """Builds the network of a configuration."""
        super().__init__(**kwargs)
        self.config = config if isinstance(config, Config) else Config(**config)
        self.pretext = PRETEXTS[self.config.task](self.config)
        self.network = self.pretext.network()
        side = self.config.side
        shape = (self.config.kinds, side, side, 3)
        self.base = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="base")
        self.draws = keras.random.SeedGenerator(self.config.seed)
        random = np.random.default_rng(0)
        self.sets = self.pretext.patterns(random)  # those of scoring
        bank = [self.sets, *(self.pretext.patterns(random) for _ in range(BANK - 1))]
        self.bank = np.unique(np.concatenate([sets.reshape(-1, side, side) for sets in bank]), axis=0)

    def get_config(self) -> dict:
        """Returns what is needed to build the model again."""
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}

    def call(self, inputs, training: bool = False):
        """Returns the images, the network's outputs, and what was hidden, drawn for each image."""
        images, kinds = inputs
        chosen = keras.random.randint((ops.shape(images)[0],), 0, len(self.bank), seed=self.draws)
        hidden = ops.take(ops.convert_to_tensor(self.bank), chosen, axis=0)
        return images, self.guess(images, kinds, hidden, training=training), hidden

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of the task."""
        return self.pretext.loss(*y_pred)

    def guess(self, images, kinds, hidden, *, training: bool = False):
        """Returns the network's outputs, `hidden` being bool of shape (n, side, side)."""
        base = ops.take(self.base, ops.cast(kinds, "int32"), axis=0)
        return self.network(self.pretext.corrupt(images, base, hidden), training=training)

    def rebuild(self, images, kinds, sets):
        """Returns images (n, ...) where each pixel is guessed unseen, once per set: shape (sets, n, ...).

        Each set is bool of shape (members, side, side); a pixel that several members hide gets the mean of its guesses.
        All the members go through the network at once.
        """
        count, members = sets.shape[:2]
        n = ops.shape(images)[0]
        hidden = ops.convert_to_tensor(sets.reshape(count * members, 1, *sets.shape[2:]))
        hidden = ops.reshape(ops.repeat(hidden, n, axis=1), (-1, *sets.shape[2:]))
        tiled = ops.tile(images, (count * members, 1, 1, 1)), ops.tile(ops.convert_to_tensor(kinds), (count * members,))
        outputs = self.guess(*tiled, hidden)
        outputs = ops.reshape(outputs, (count, members, n, *outputs.shape[1:]))
        weight = ops.cast(ops.convert_to_tensor(sets), "float32")[:, :, None, ..., None]
        return ops.sum(weight * outputs, axis=1) / ops.sum(weight, axis=1)


class Scorer(keras.Model):
    """Gives the error maps of images, (n, side, side, channels), in one graph; same inputs as `Reconstructor`."""

    def __init__(self, model: Reconstructor, **kwargs) -> None:
        """Takes a trained model."""
        super().__init__(**kwargs)
        self.model = model

    def call(self, inputs):
        """Returns the error map of each image, mean over the sets of hidden pixels."""
        images, kinds = inputs
        rebuilt = self.model.rebuild(images, kinds, self.model.sets)
        count = len(self.model.sets)
        flat = ops.reshape(rebuilt, (-1, *rebuilt.shape[2:]))
        maps = self.model.pretext.error_map(ops.tile(images, (count, 1, 1, 1)), flat)
        return ops.mean(ops.reshape(maps, (count, -1, *maps.shape[1:])), axis=0)


# --- Training --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Good:
    """Good parts to learn from.

    Attributes:
        images: uint8 of shape (n, side, side, 3).
        turns: bool of shape (n,); True for a part that lies in any direction: it is flipped and turned at random.
        kinds: index of the category of each, int32 of shape (n,), in 0..k-1.
    """

    images: np.ndarray
    turns: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.images)

    def take(self, indices: np.ndarray) -> Good:
        """Returns the images at these indices, or where a boolean is True."""
        return Good(self.images[indices], self.turns[indices], self.kinds[indices])

    def means(self) -> np.ndarray:
        """Returns the mean image of each category in CIELAB / 50, float32 of shape (k, side, side, 3).

        That of parts that turn is a mean over their turns too.
        """
        found = []
        for kind in range(self.kinds.max() + 1):
            mine = self.kinds == kind
            mean = to_lab(self.images[mine]).mean(axis=0)
            if self.turns[mine].all():
                mean = np.mean([np.rot90(m, k) for m in (mean, mean[::-1]) for k in range(4)], axis=0)
            found.append(mean)
        return np.stack(found)


def build(config: Config) -> Reconstructor:
    """Returns the compiled and built model of a configuration, its weights drawn from its seed."""
    keras.utils.set_random_seed(config.seed)
    model = Reconstructor(config)
    model([np.zeros((1, config.side, config.side, 3), "float32"), np.zeros(1, "int32")])
    model.compile(training.adam(config))
    return model


def epoch_data(config: Config, good: Good) -> Callable[[int], dict]:
    """Returns a function from an epoch to its arguments of `one_pass`: images in order, shifted and turned."""
    shift = config.shift
    lab = np.pad(to_lab(good.images), ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="edge")

    def data(epoch: int) -> dict:
        random = np.random.default_rng([config.seed, epoch, 1])
        chosen = training.epoch_indices(config, len(good), epoch=epoch)
        images = np.empty((len(chosen), config.side, config.side, 3), "float32")
        for row, index in enumerate(chosen):
            top, left, quarter, flip = (*random.integers(0, 2 * shift + 1, 2), random.integers(4), random.integers(2))
            image = lab[index, top : top + config.side, left : left + config.side]
            if good.turns[index]:
                image = np.rot90(image[::-1] if flip else image, quarter)
            images[row] = image
        return {"x": [images, good.kinds[chosen]], "batch_size": config.batch_size}

    return data


def train(config: Config, good: Good, *, watched: Good | None = None, title: str = "") -> training.Run:
    """Loads the model of this configuration, or trains it on good parts.

    Args:
        config: the model and its training.
        good: what it learns from.
        watched: a few images, rebuilt after each epoch for `stages`.
        title: shown with the progress; nothing is shown if empty.

    Returns:
        The run.
    """
    data = _fingerprint(good)
    album = _album(config, data, watched) if watched is not None else None

    def make() -> Reconstructor:
        model = build(config)
        if config.base:
            model.base.assign(good.means())
        return model

    def fit(model: Reconstructor, checkpoints: Path) -> tuple[pd.DataFrame, dict[str, float]]:
        def watch(epoch: int, row: dict[str, float]) -> None:
            if album:
                with atomic_file(album / f"{epoch + 1:04d}.npy") as temporary:
                    np.save(temporary, rebuilt(model, watched.images, watched.kinds))

        history = training.fit_epochs(
            model,
            epoch_data(config, good),
            epochs=config.epochs,
            seed=config.seed,
            after_epoch=watch,
            checkpoints=checkpoints,
            title=title,
        )
        return history, {"seconds": float(history["seconds"].sum())}

    return training.load_or_train(
        dataclasses.asdict(config), make, fit, project=PROJECT, data=data, version=VERSION, title=title
    )


def stages(config: Config, good: Good, watched: Good) -> dict[int, np.ndarray]:
    """Returns what `train` rebuilt of the watched images: number of the epoch, from 1 -> uint8 (k, side, side, 3)."""
    folder = _album(config, _fingerprint(good), watched)
    return {int(path.stem): np.load(path) for path in sorted(folder.glob("*.npy"))}


def _album(config: Config, data: str, watched: Good) -> Path:
    key = training.run_key(dataclasses.asdict(config), data=data, version=VERSION)
    return working_folder("etapes", PROJECT, f"{key}-{_fingerprint(watched)}")


def _fingerprint(good: Good) -> str:
    return training.fingerprint(good.images, good.turns, good.kinds)


# --- What a model makes of images ------------------------------------------------------------------------------------


def error_maps(scorer: Scorer, images: np.ndarray, kind: int = 0, *, batch: int = 8) -> np.ndarray:
    """Returns the error maps of uint8 images (n, side, side, 3) of one category, given by its index in the model.

    Returns:
        float32 of shape (n, side, side, channels).
    """
    config, channels = scorer.model.config, len(scorer.model.pretext.channels)
    maps = np.empty((len(images), config.side, config.side, channels), "float32")
    kinds = np.full(batch, kind, "int32")
    for i in range(0, len(images), batch):
        part = to_lab(images[i : i + batch])
        maps[i : i + batch] = np.asarray(scorer.predict_on_batch([_padded(part, batch), kinds]))[: len(part)]
    return maps


def _padded(images: np.ndarray, batch: int) -> np.ndarray:
    """Repeats the last image up to a full batch: a batch of another size would be compiled again."""
    return np.concatenate([images, np.repeat(images[-1:], batch - len(images), axis=0)])


def hidden_view(model: Reconstructor, images: np.ndarray) -> np.ndarray:
    """Returns what the first member of the first set lets see of uint8 images (n, side, side, 3); uint8 too."""
    return model.pretext.view(images, model.sets[0, 0])


def rebuilt(model: Reconstructor, images: np.ndarray, kinds: np.ndarray, *, whole: bool = True) -> np.ndarray:
    """Returns what a model rebuilds of uint8 images (n, side, side, 3), uint8 too.

    Args:
        model: trained.
        images: a few of them.
        kinds: index of the category of each, shape (n,).
        whole: every pixel guessed unseen, by all the members of the first set; otherwise the output of the first alone.
    """
    lab = to_lab(images)
    if whole:
        output = model.rebuild(lab, kinds, model.sets[:1])[0]
    else:
        output = model.guess(lab, kinds, np.repeat(model.sets[0, :1], len(lab), axis=0))
    return to_rgb(model.pretext.picture(lab, np.asarray(output)))


def codes(model: Reconstructor, images: np.ndarray, kind: int = 0, *, batch: int = 16) -> np.ndarray:
    """Returns what the encoder makes of uint8 images of one category: its layer "code", shape (n, d).

    Mean over positions and over the members of the first set.
    """
    encoder = keras.Model(model.network.input, model.network.get_layer("code").output)
    rows = []
    for start in range(0, len(images), batch):
        lab = ops.convert_to_tensor(to_lab(images[start : start + batch]))
        base = ops.repeat(model.base[kind : kind + 1], len(lab), axis=0)
        hidden = (np.repeat(member[None], len(lab), axis=0) for member in model.sets[0])
        outputs = [np.asarray(encoder(model.pretext.corrupt(lab, base, h), training=False)) for h in hidden]
        rows.append(np.mean([o.reshape(len(lab), -1, o.shape[-1]).mean(axis=1) for o in outputs], axis=0))
    return np.concatenate(rows)
