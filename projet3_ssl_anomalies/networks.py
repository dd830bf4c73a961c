"""The networks of the pretext tasks: a U-Net, and the blocks of a masked autoencoder.

They are given configurations (see `training.Config`), of which they read the side of the images and the width.
"""

from __future__ import annotations

import commun.training  # noqa: F401, first: it chooses the default backend of Keras
from projet3_ssl_anomalies import PROJECT

import keras  # isort: skip
from keras import layers, ops  # isort: skip


def unet(config, *, inputs: int, outputs: int) -> keras.Model:
    """Returns a U-Net from (side, side, inputs) to (side, side, outputs).

    The last channels of the input are where it starts from: it gives what to add to them,
    zero at first. Its encoder has the layers "level_1", "level_2", "level_3" and "code".
    Ronneberger, Fischer and Brox, MICCAI 2015. It never works above
    half resolution: the first convolution halves the sides; at the end, each half-size
    pixel gives four (Shi et al., CVPR 2016).
    """
    half, width = config.side // 2, config.width
    image = keras.Input((config.side, config.side, inputs), name="image")
    x, skips = _convolution(image, width, kernel=4, strides=2), []
    for level in (1, 2, 3):
        x = _convolution(x, width * level, name=f"level_{level}")
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


def transformer(x, heads: int):
    """Returns tokens (n, t, d) after a pre-norm transformer block: attention, then a perceptron."""
    dim = x.shape[-1]
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(heads, dim // heads, use_bias=False)(y, y)
    y = layers.Dense(2 * dim, activation="gelu")(layers.LayerNormalization()(x))
    return x + layers.Dense(dim)(y)


def embedding_initializer() -> keras.initializers.Initializer:
    """Returns what draws mask tokens and positions, from the seed of the model that is being built."""
    return keras.initializers.RandomNormal(stddev=0.02)


@keras.saving.register_keras_serializable(PROJECT)
class UnshuffleTokens(layers.Layer):
    """Puts visible tokens (n, v, d) back in their places and the mask token in the others, adds positions."""

    def __init__(self, count: int, **kwargs) -> None:
        """Takes the number of tokens of a whole image."""
        super().__init__(**kwargs)
        self.count = count

    def get_config(self) -> dict:
        """Returns what is needed to build the layer again."""
        return {**super().get_config(), "count": self.count}

    def build(self, shapes) -> None:
        """Makes the mask token and the positions."""
        dim, draw = shapes[0][-1], embedding_initializer
        self.mask_token = self.add_weight(shape=(1, 1, dim), initializer=draw(), name="mask_token")
        self.position = self.add_weight(shape=(1, self.count, dim), initializer=draw(), name="position")

    def compute_output_shape(self, shapes) -> tuple:
        """Returns the shape of all the tokens; JAX can't infer it while the number of visible ones is free."""
        return (shapes[0][0], self.count, shapes[0][2])

    def call(self, inputs):
        """Returns all the tokens, (n, count, d)."""
        visible, ranks = inputs
        shape = (ops.shape(visible)[0], self.count - ops.shape(visible)[1], visible.shape[2])
        tokens = ops.concatenate([visible, ops.broadcast_to(self.mask_token, shape)], axis=1)
        return ops.take_along_axis(tokens, ranks[..., None], axis=1) + self.position
