"""Networks that say who painted a picture: a residual CNN, a plain one and a pre-trained one; where they look."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
from scipy.special import log_softmax, softmax

from commun import UserError
from commun.training import keras  # it chooses the default backend of Keras
from projet1_artistes import augmentation, efficientnet

from keras import layers, ops  # isort: skip

RESIDUAL, PLAIN, TRANSFER = "residual", "plain", "transfer"
STAGES = 4  # of the residual network, each at half the resolution of the one before
MOMENTUM = 0.9  # of the statistics of batches: with the 0.99 of Keras, a few hundred steps leave them far behind
BATCH = 64  # works that a network judges at a time


def build(
    architecture: str,
    classes: int,
    *,
    width: int,
    blocks: int,
    dropout: float,
    backbone: str,
    weights: str,
    frozen_until: str = "",
    frozen_normalisation: bool = False,
) -> keras.Model:
    """Returns a network, from pictures (n, h, w, 3) in 0..255 to logits (n, classes); h and w are free.

    Its layer "maps" gives the feature maps; what follows is a global average, dropout and one dense layer. The
    arguments are those of `training.Config`.

    Raises:
        UserError: the architecture is unknown, or the pre-trained weights can't be had.
    """
    bodies = {
        RESIDUAL: lambda x: residual_body(x, width, blocks),
        PLAIN: lambda x: plain_body(x, width),
        TRANSFER: lambda x: pretrained_body(x, backbone, weights, frozen_until, frozen_normalisation),
    }
    if architecture not in bodies:
        raise UserError(f"Réseau inconnu : « {architecture} ». Possibles : {', '.join(bodies)}.")
    inputs = keras.Input((None, None, 3))
    maps = layers.Identity(name="maps")(bodies[architecture](inputs))
    features = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(maps))
    return keras.Model(inputs, layers.Dense(classes, name="scores")(features))


def residual_body(inputs, width: int, blocks: int):
    """Four stages, each at half the resolution and twice the width (He et al., CVPR 2016)."""
    x = layers.Rescaling(1 / 64, offset=-2)(inputs)
    x = layers.Identity(name="stem")(convolution(x, width // 2, stride=2))
    for stage in range(STAGES):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = residual_block(x, width * 2**stage, stride=stride)
        x = layers.Identity(name=f"stage_{stage + 1}")(x)
    return x


def residual_block(x, width: int, *, stride: int):
    """Two convolutions added to what enters.

    Where the shape changes, a mean and a 1 x 1 convolution carry what enters over.
    """
    shortcut = x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same")(shortcut)
    if x.shape[-1] != width:
        shortcut = layers.Conv2D(width, 1, use_bias=False)(shortcut)
        shortcut = layers.BatchNormalization(momentum=MOMENTUM)(shortcut)
    y = convolution(convolution(x, width, stride=stride), width, activation=None)
    return layers.Activation("relu")(layers.add([shortcut, y]))


def convolution(x, width: int, *, stride: int = 1, activation: str | None = "relu"):
    """A 3 x 3 convolution, batch normalisation and an activation."""
    x = layers.Conv2D(
        width, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def plain_body(inputs, width: int):
    """The first network one would try: three convolutions, each followed by a maximum."""
    x = layers.Rescaling(1 / 64, offset=-2)(inputs)
    for stage in range(3):
        channels = width // 2 * 2**stage
        x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(name=f"stage_{stage + 1}")(x)
    return x


def pretrained_body(inputs, name: str, weights: str, frozen_until: str = "", frozen_normalisation: bool = False):
    """A network trained on ImageNet, which takes pictures in 0..255 as they are; its arguments: `training.Config`."""
    if name == efficientnet.NAME:
        network = efficientnet.body(inputs, weights)
        maps = network.output
    else:
        network = _application(name, weights)
        maps = network(inputs)
    names = [layer.name for layer in network.layers]
    if frozen_until and frozen_until not in names:
        raise UserError(f"{name} n'a pas de couche « {frozen_until} » jusqu'où geler (Config.frozen_until).")
    last = names.index(frozen_until) if frozen_until else -1
    for place, layer in enumerate(network.layers):
        if place <= last or (frozen_normalisation and isinstance(layer, layers.BatchNormalization)):
            layer.trainable = False  # a normalisation then keeps its statistics too
    return maps


def _application(name: str, weights: str) -> keras.Model:
    """Returns a network of `keras.applications`, without its last layers."""
    make = getattr(keras.applications, name, None)
    if make is None:
        raise UserError(f"keras.applications n'a pas de réseau « {name} ».")
    local = None if weights == "imagenet" else Path(weights)
    if local and not local.is_file():
        raise UserError(f"Le fichier de poids {local} est absent. Donnez son chemin, ou « imagenet ».")
    try:
        return make(include_top=False, weights=str(local or "imagenet"), input_shape=(None, None, 3))
    except Exception as error:  # a download that fails raises about anything
        raise UserError(
            f"Les poids pré-entraînés de {name} sont indisponibles ({type(error).__name__}). Sans réseau, "
            f"indiquez un fichier local (Config.weights), ou prenez {efficientnet.NAME}, dont les poids sont installés."
        ) from error


def depth(path: str) -> int:
    """Returns how many stages lie between a variable, by its path, and the output: 0 for the last layer.

    The stages are those of EfficientNet-Lite0; another network is one, at depth 1.
    """
    layer = path.split("/")[0]
    if layer == "scores":
        return 0
    stages = enumerate(reversed(efficientnet.STAGES), start=1)
    return next((number for number, stage in stages if layer.startswith(f"{stage}_")), 1)


# --- Answers ---------------------------------------------------------------------------------------------------------


def scores(network: keras.Model, images: np.ndarray, side: int) -> np.ndarray:
    """Returns what a network gives for whole works, float32: logits (n, classes), or feature maps.

    Args:
        network: takes pictures of any side.
        images: uint8, shape (n, s, s, 3).
        side: at which they are shown, in pixels.
    """
    outputs = [
        np.asarray(network.predict_on_batch(augmentation.resize_all(images[i : i + BATCH], side)))
        for i in range(0, len(images), BATCH)
    ]
    return np.concatenate(outputs) if outputs else np.zeros((0, network.output_shape[-1]), np.float32)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean cross-entropy of logits (n, k) with class ids (n,), in nats."""
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network.

    Attributes:
        model: gives logits.
        side: at which it sees works, in pixels.
        names: of the artists, by class id.
        image_side: of the squares that are read from files and resized to `side`, in pixels.
    """

    model: keras.Model
    side: int
    names: tuple[str, ...]
    image_side: int = 128

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Returns the probability of each artist, float32 (n, k), for pictures, uint8 (n, s, s, 3), s being free."""
        return softmax(scores(self.model, images, self.side), axis=1)

    def activation_maps(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Returns where pictures speak for a class each: class activation maps.

        With a global average and one dense layer, the score of a class is the mean of this
        map, plus a constant (Zhou et al., CVPR 2016).

        Args:
            images: uint8, shape (n, s, s, 3).
            classes: class ids, shape (n,).

        Returns:
            float32, shape (n, h, w), those of the feature maps; positive: for the class.
        """
        kernel = ops.convert_to_numpy(self.model.get_layer("scores").kernel)
        maps = scores(self._body, images, self.side)
        return np.einsum("nhwc,cn->nhw", maps, kernel[:, classes])

    @functools.cached_property
    def _body(self) -> keras.Model:
        return keras.Model(self.model.input, self.model.get_layer("maps").output)
