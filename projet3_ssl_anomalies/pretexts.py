"""The pretext tasks of project 3: what a network is shown, what it must give back, its loss, and its error map.

A pretext task spoils an image and asks the network to give it back. Trained on good parts only, the network learns to
give back good parts; what it gives back badly is abnormal. On the way, its encoder learns a representation of them.

A network may start from what is known before looking: the mean of the good parts of the category. It then only learns
how a part departs from this mean image, which takes far fewer steps than to draw the whole part.

Images are in CIELAB divided by 50 (see `colour`), float32 of shape (n, side, side, 3), but in `examples` and `view`.
"""

from __future__ import annotations

import abc

import numpy as np

import commun.training  # noqa: F401, first: it chooses the default backend of Keras
from commun import exercices
from projet3_ssl_anomalies.colour import to_lab, to_rgb
from projet3_ssl_anomalies.corruptions import corrupted
from projet3_ssl_anomalies.losses import colour_difference, gradient_difference, structural_difference
from projet3_ssl_anomalies.networks import UnshuffleTokens, embedding_initializer, transformer, unet

import keras  # isort: skip
from keras import layers, ops  # isort: skip

PRETEXTS: dict[str, type[Pretext]] = {}
PARTITIONS = 8  # draws of `Pretext.masks` among whose masks training chooses


class Pretext(abc.ABC):
    """A pretext task: which pixels to predict, and a few verbs.

    A new task is a new class; its name registers it, and everything else (training, scoring,
    fusion, notebooks) finds it there; one whose `network` is still to be written is not
    registered. For instance, giving back an image from a coarse copy of it:

        class Sharpening(Pretext):
            name, title = "sharpening", "mise au point"

            def corrupt(self, images, mean_images, hidden):
                coarse = ops.average_pool(images, 8, strides=8)
                coarse = ops.repeat(ops.repeat(coarse, 8, axis=1), 8, axis=2)
                return ops.concatenate([coarse, mean_images], axis=-1)

            def network(self):
                return unet(self.config, inputs=6, outputs=3)

    (`masks`, `examples`, `loss` and `error_map` are inherited.)

    Attributes:
        name: key of the task, in English; the class is registered under it.
        title: its French name.
        channels: French names of the channels of its error map; the contours first, if any, then
            the colours.
        levels: layers of the encoder whose outputs are its representation of an image.
    """

    name = title = ""
    channels: tuple[str, ...] = ("contours", "L*", "a*", "b*")
    levels: tuple[str, ...] = ("level_1", "level_2")

    def __init_subclass__(cls) -> None:
        """Registers the task, unless a student has still to write it."""
        if cls.__module__ != "__main__" or exercices.repondu(cls.network):
            PRETEXTS[cls.name] = cls

    def __init__(self, config) -> None:
        """Takes the configuration of a model, a `training.Config`."""
        self.config = config
        draws = [self.masks(np.random.default_rng([0, draw])) for draw in range(PARTITIONS)]
        self.scoring_masks = draws[0]
        shape = (-1, config.side, config.side)
        self.training_masks = np.unique(np.concatenate([masks.reshape(shape) for masks in draws]), axis=0)

    def masks(self, rng: np.random.Generator) -> np.ndarray:
        """Returns complementary masks, True where hidden: bool (n_partitions, n_masks, side, side).

        The masks of a partition together hide every pixel, so that in scoring each pixel is
        predicted at least once per partition.
        """
        return np.ones((1, 1, self.config.side, self.config.side), bool)

    def examples(
        self, images: np.ndarray, donors: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns what training shows of uint8 images (n, side, side, 3), and what it hides, (n, side, side).

        By default, the images themselves, each with a mask drawn at random. `donors` are good
        images, same type, that a task may borrow from.
        """
        return images, self.training_masks[rng.integers(len(self.training_masks), size=len(images))]

    @abc.abstractmethod
    def corrupt(self, images, mean_images, hidden):
        """Returns what the network receives of images (n, side, side, 3).

        Args:
            images: in CIELAB / 50.
            mean_images: mean good part of the category, same shape; zeros without any.
            hidden: bool of shape (n, side, side).
        """

    def whole(self, images, mean_images):
        """Returns what the network receives of images of which nothing is hidden."""
        return self.corrupt(images, mean_images, ops.zeros_like(images[..., 0]))

    @abc.abstractmethod
    def network(self) -> keras.Model:
        """Returns the network, from `corrupt` to the whole image; it has the layers `levels` and "code"."""

    def loss(self, images, output, hidden):
        """Returns the mean loss: quadratic where hidden, structural on the whole image."""
        weight = ops.cast(hidden, "float32")[..., None]
        loss = ops.sum(weight * ops.square(images - output)) / (ops.sum(weight) + 1)
        if self.config.structure:
            structure = ops.mean(gradient_difference(images, output))
            structure += ops.mean(structural_difference(images, output))
            loss = loss + self.config.structure * structure
        return loss

    def error_map(self, images, output):
        """Returns how each pixel differs, shape (n, side, side, len(channels)).

        Contours: how much, in 0..1. Colours: image less output, with its sign, for one that
        is always too dark at some place is no anomaly: `NormalStatistics` subtracts what is usual.
        """
        return ops.concatenate([gradient_difference(images, output), images - output], axis=-1)

    def picture(self, images: np.ndarray, output: np.ndarray) -> np.ndarray:
        """Returns the image that an output stands for, to be shown."""
        return output

    def view(self, images: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Returns what the task lets see of uint8 images, `hidden` (side, side) being grey."""
        return np.where(hidden[..., None], np.uint8(128), images)


class Colorization(Pretext):
    """Predicts the two chroma channels from the lightness.

    Zhang, Isola and Efros, "Colorful Image Colorization", ECCV 2016.
    """

    name, title = "colorization", "colorisation"
    channels = ("a*", "b*")

    def corrupt(self, images, mean_images, hidden):
        """Returns the lightness and the mean image, (n, side, side, 4)."""
        return ops.concatenate([images[..., :1], mean_images], axis=-1)

    def network(self) -> keras.Model:
        """Returns a U-Net that gives the two chroma channels."""
        return unet(self.config, inputs=4, outputs=2)

    def loss(self, images, output, hidden):
        """Returns the mean colour difference."""
        return ops.mean(colour_difference(images[..., 1:], output))

    def error_map(self, images, output):
        """Returns the difference of the two chroma channels, (n, side, side, 2)."""
        return images[..., 1:] - output

    def picture(self, images, output):
        """Returns the lightness of the image with the colours of the output."""
        return np.concatenate([images[..., :1], output], axis=-1)

    def view(self, images, hidden):
        """Returns the lightness alone."""
        lightness = to_lab(images)[..., :1]
        grey = np.zeros_like(lightness)
        return to_rgb(np.concatenate([lightness, grey, grey], axis=-1))


class Inpainting(Pretext):
    """Predicts hidden cells, by default a third of them, from what surrounds them (RIAD).

    Zavrtanik, Kristan and Skočaj, Pattern Recognition 112, 2021.
    """

    name, title = "inpainting", "restauration"

    def masks(self, rng: np.random.Generator) -> np.ndarray:
        """Returns a partition for each size of cells, shared out among the masks."""
        side, among = self.config.side, self.config.hidden_one_in
        partitions = [partition_cells(side, n, among, rng) for n in self.config.cells]
        return np.stack(partitions)

    def corrupt(self, images, mean_images, hidden):
        """Returns the image, zero where hidden, the mask, the mean image: 7 channels."""
        hidden = ops.cast(hidden, "float32")[..., None]
        return ops.concatenate([images * (1 - hidden), hidden, mean_images], axis=-1)

    def network(self) -> keras.Model:
        """Returns a U-Net that gives the whole image."""
        return unet(self.config, inputs=7, outputs=3)


class MaskedAutoencoder(Pretext):
    """Predicts patches, by default three quarters, from the others (He et al., CVPR 2022).

    The encoder only receives the visible patches; a light decoder adds mask tokens for
    the others and gives the image.
    """

    name, title = "masked_autoencoder", "auto-encodeur masqué"
    levels = ("code",)
    depth, decoder_depth, heads = 4, 2, 4

    def masks(self, rng: np.random.Generator) -> np.ndarray:
        """Returns one partition; each mask hides all the patches but one in so many."""
        side, grid = self.config.side, self.config.side // self.config.patch
        return ~partition_cells(side, grid, self.config.shown_one_in, rng)[None]

    def corrupt(self, images, mean_images, hidden):
        """Returns the visible patches, less the mean image, (n, v, 3 patch^2).

        Then their places (n, v), the ranks of all the tokens (n, t), the mean image.
        """
        patch, grid = self.config.patch, self.config.side // self.config.patch
        tokens = self._tokens(images - mean_images)
        hidden_tokens = ops.reshape(hidden[:, ::patch, ::patch], (-1, grid * grid))
        rank = ops.cast(hidden_tokens, "int32") * grid * grid  # the visible come first
        order = ops.argsort(rank + ops.arange(grid * grid, dtype="int32"), axis=1)
        places = order[:, : grid * grid // self.config.shown_one_in]
        visible = ops.take_along_axis(tokens, places[..., None], axis=1)
        return [visible, places, ops.argsort(order, axis=1), mean_images]

    def whole(self, images, mean_images):
        """Returns all the patches, less the mean image, in order; then as `corrupt`."""
        tokens = self._tokens(images - mean_images)
        places = ops.zeros_like(tokens[..., 0], dtype="int32") + ops.arange(tokens.shape[1], dtype="int32")
        return [tokens, places, places, mean_images]

    def _tokens(self, images):
        patch, grid = self.config.patch, self.config.side // self.config.patch
        tokens = ops.reshape(images, (-1, grid, patch, grid, patch, 3))
        tokens = ops.transpose(tokens, (0, 1, 3, 2, 4, 5))
        return ops.reshape(tokens, (-1, grid * grid, 3 * patch * patch))

    def network(self) -> keras.Model:
        """Returns the encoder and decoder, both made of transformer blocks."""
        side, patch, dim = self.config.side, self.config.patch, 4 * self.config.width
        grid = side // patch
        tokens = keras.Input((None, 3 * patch * patch), name="tokens")
        places = keras.Input((None,), dtype="int32", name="places")
        ranks = keras.Input((grid * grid,), dtype="int32", name="ranks")
        mean_images = keras.Input((side, side, 3), name="mean_images")
        draw = embedding_initializer()
        position = layers.Embedding(grid * grid, dim, embeddings_initializer=draw)
        x = layers.Dense(dim)(tokens) + position(places)
        for _ in range(self.depth):
            x = transformer(x, self.heads)
        x = layers.LayerNormalization(name="code")(x)
        x = UnshuffleTokens(grid * grid)([layers.Dense(dim // 2)(x), ranks])
        for _ in range(self.decoder_depth):
            x = transformer(x, self.heads)
        x = layers.LayerNormalization()(x)
        x = layers.Dense(3 * patch * patch, kernel_initializer="zeros")(x)
        x = layers.Reshape((grid, grid, patch, patch, 3))(x)
        x = layers.Permute((1, 3, 2, 4, 5))(x)
        x = layers.Reshape((side, side, 3))(x) + mean_images
        return keras.Model([tokens, places, ranks, mean_images], x, name=self.name)


class Repair(Pretext):
    """Gives back the good image from one damaged on purpose, and says where it was.

    Zavrtanik, Kristan and Skočaj (DRAEM), ICCV 2021; Schlüter et al. (NSA), ECCV 2022.
    The network sees everything: in scoring, what it changes is what it holds for damage.
    """

    name, title = "repair", "réparation"
    channels = ("contours", "L*", "a*", "b*", "dégât")

    def examples(self, images, donors, rng):
        """Returns the images damaged, and where."""
        pairs = [corrupted(image, donors, rng) for image in images]
        shown, hidden = zip(*pairs, strict=True)
        return np.stack(shown), np.stack(hidden)

    def corrupt(self, images, mean_images, hidden):
        """Returns zeros, where damage is to be said, and the image: 4 channels."""
        return ops.concatenate([ops.zeros_like(images[..., :1]), images], axis=-1)

    def network(self) -> keras.Model:
        """Returns a U-Net that gives the logit of the damage, then the image."""
        return unet(self.config, inputs=4, outputs=4)

    def loss(self, images, output, hidden):
        """Returns the loss of the image, and that of the place of the damage.

        In the former, the whole and the damage count alike. The latter is a
        cross-entropy, plus the same where pixels that are nearly right hardly count (Lin
        et al., ICCV 2017): most of them show no damage.
        """
        logit, repaired = ops.split(output, [1], axis=-1)
        damage = ops.cast(hidden, "float32")[..., None]
        image = super().loss(images, repaired, hidden)
        image += ops.mean(ops.square(images - repaired))
        entropy = ops.softplus(logit) - logit * damage
        return image + ops.mean(entropy * (1 + ops.square(1 - ops.exp(-entropy))))

    def error_map(self, images, output):
        """Returns how each pixel differs, then the logit, (n, side, side, 5)."""
        differences = super().error_map(images, output[..., 1:])
        return ops.concatenate([differences, output[..., :1]], axis=-1)

    def picture(self, images, output):
        """Returns the repaired image."""
        return output[..., 1:]

    def view(self, images, hidden):
        """Returns the images: nothing is hidden."""
        return images


def partition_cells(
    side: int,
    count: int,
    n_masks: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Shares out the count x count square cells of a picture: bool (n_masks, side, side).

    Each cell is True in one mask, drawn at random; all have as many, give or take one.
    """
    mask_of_cell = rng.permutation(count * count).reshape(count, count) % n_masks
    size = side // count
    mask_of_pixel = mask_of_cell.repeat(size, axis=0).repeat(size, axis=1)
    return mask_of_pixel == np.arange(n_masks)[:, None, None]
