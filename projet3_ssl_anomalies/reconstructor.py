"""A pretext task with its network as one Keras model, and what it makes of images once trained."""

from __future__ import annotations

import numpy as np

import commun.training  # noqa: F401, first: it chooses the default backend of Keras
from projet3_ssl_anomalies import PROJECT
from projet3_ssl_anomalies.colour import to_lab, to_rgb
from projet3_ssl_anomalies.pretexts import PRETEXTS

import keras  # isort: skip
from keras import ops  # isort: skip


@keras.saving.register_keras_serializable(PROJECT)
class Reconstructor(keras.Model):
    """A pretext task and its network.

    Inputs: images in CIELAB / 50, float32 of shape (n, side, side, 3); what is shown of them, same shape; what is
    hidden, bool of shape (n, side, side).

    Attributes:
        mean_image: mean good part, (side, side, 3); zeros if it starts from grey.
    """

    def __init__(self, config, **kwargs) -> None:
        """Builds the network of a configuration, a `training.Config`."""
        super().__init__(**kwargs)
        self.config = config
        self.pretext = PRETEXTS[config.task](config)
        self.network = self.pretext.network()
        shape = (config.side, config.side, 3)
        self.mean_image = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean_image")
        self.built = True  # its parts are: weights may be given to it at once

    def get_config(self) -> dict:
        """Returns what is needed to build the model again."""
        return {**super().get_config(), "config": keras.saving.serialize_keras_object(self.config)}

    @classmethod
    def from_config(cls, config: dict) -> Reconstructor:
        """Builds the model of `get_config`."""
        return cls(**{**config, "config": keras.saving.deserialize_keras_object(config["config"])})

    def call(self, inputs, training: bool = False):
        """Returns the images, the network's outputs, and what was hidden."""
        images, shown, hidden = inputs
        return images, self.output_of(shown, hidden, training=training), hidden

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of the task."""
        return self.pretext.loss(*y_pred)

    def output_of(self, shown, hidden, *, training: bool = False):
        """Returns the network's outputs."""
        return self.network(self.pretext.corrupt(shown, self.mean_images(shown), hidden), training=training)

    def mean_images(self, images):
        """Returns the mean image, as many times as there are images."""
        return ops.zeros_like(images) + self.mean_image

    def reconstruct(self, images, masks):
        """Returns outputs where each pixel was predicted while hidden: (n_partitions, n, ...).

        `masks` are bool of shape (n_partitions, n_masks, side, side); a pixel that several masks of
        a partition hide gets the mean of its predictions. All the masks go through the network at
        once.
        """
        (n_partitions, n_masks, *size), n = masks.shape, ops.shape(images)[0]
        hidden = ops.convert_to_tensor(masks.reshape(n_partitions * n_masks, 1, *size))
        hidden = ops.reshape(ops.repeat(hidden, n, axis=1), (-1, *size))
        outputs = self.output_of(ops.tile(images, (n_partitions * n_masks, 1, 1, 1)), hidden)
        outputs = ops.reshape(outputs, (n_partitions, n_masks, n, *outputs.shape[1:]))
        weight = ops.cast(ops.convert_to_tensor(masks), "float32")[:, :, None, ..., None]
        return ops.sum(weight * outputs, axis=1) / ops.sum(weight, axis=1)


def hidden_view(model: Reconstructor, images: np.ndarray) -> np.ndarray:
    """Returns what the first mask lets see of uint8 images (n, side, side, 3); uint8 too."""
    return model.pretext.view(images, model.pretext.scoring_masks[0, 0])


def reconstruction_picture(model: Reconstructor, images: np.ndarray, *, unseen: bool = True) -> np.ndarray:
    """Returns the reconstruction of uint8 images (n, side, side, 3), uint8 too.

    Args:
        model: trained.
        images: a few of them.
        unseen: every pixel predicted while hidden, with the masks of the first partition; otherwise
            the output with the first mask alone.
    """
    lab, masks = to_lab(images), model.pretext.scoring_masks
    if unseen:
        output = model.reconstruct(lab, masks[:1])[0]
    else:
        output = model.output_of(lab, np.repeat(masks[0, :1], len(lab), axis=0))
    return to_rgb(model.pretext.picture(lab, np.asarray(output)))
