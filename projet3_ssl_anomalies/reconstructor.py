"""A pretext task with its network as one Keras model, and what it makes of images once trained."""

from __future__ import annotations

import numpy as np

import commun.training  # noqa: F401, first: it chooses the default backend of Keras
from projet3_ssl_anomalies import PROJECT, metrics
from projet3_ssl_anomalies.colour import to_lab, to_rgb
from projet3_ssl_anomalies.pretexts import PRETEXTS

import keras  # isort: skip
from keras import ops  # isort: skip

TRAINING_PARTITIONS = 8  # draws of `Pretext.masks` among whose masks training chooses
BATCH = 8  # images scored at once


@keras.saving.register_keras_serializable(PROJECT)
class Reconstructor(keras.Model):
    """A pretext task and its network.

    Inputs: images in CIELAB / 50, float32 of shape (n, side, side, 3), and the index of their category, shape (n,).

    Attributes:
        mean_image: mean good part of each category, (n_categories, side, side, 3); zeros if it starts from grey.
        scoring_masks: those of one draw of `Pretext.masks`, bool of shape (n_partitions, n_masks, side, side).
        training_masks: those of all the draws, each once, bool of shape (k, side, side).
    """

    def __init__(self, config, **kwargs) -> None:
        """Builds the network of a configuration, a `training.Config`."""
        super().__init__(**kwargs)
        self.config = config
        self.pretext = PRETEXTS[config.task](config)
        self.network = self.pretext.network()
        side = config.side
        shape = (config.n_categories, side, side, 3)
        self.mean_image = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean_image")
        self.draws = keras.random.SeedGenerator(config.seed)
        rng = np.random.default_rng(0)
        draws = [self.pretext.masks(rng) for _ in range(TRAINING_PARTITIONS)]
        self.scoring_masks = draws[0]
        self.training_masks = np.unique(np.concatenate([masks.reshape(-1, side, side) for masks in draws]), axis=0)

    def get_config(self) -> dict:
        """Returns what is needed to build the model again."""
        return {**super().get_config(), "config": keras.saving.serialize_keras_object(self.config)}

    @classmethod
    def from_config(cls, config: dict) -> Reconstructor:
        """Builds the model of `get_config`."""
        return cls(**{**config, "config": keras.saving.deserialize_keras_object(config["config"])})

    def call(self, inputs, training: bool = False):
        """Returns the images, the network's outputs, and the mask drawn for each image."""
        images, category_ids = inputs
        count = (ops.shape(images)[0],)
        rows = keras.random.randint(count, 0, len(self.training_masks), seed=self.draws)
        hidden = ops.take(ops.convert_to_tensor(self.training_masks), rows, axis=0)
        return images, self.predict_hidden(images, category_ids, hidden, training=training), hidden

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of the task."""
        return self.pretext.loss(*y_pred)

    def predict_hidden(self, images, category_ids, hidden, *, training: bool = False):
        """Returns the network's outputs, `hidden` being bool of shape (n, side, side)."""
        mean_images = ops.take(self.mean_image, ops.cast(category_ids, "int32"), axis=0)
        return self.network(self.pretext.corrupt(images, mean_images, hidden), training=training)

    def reconstruct(self, images, category_ids, masks):
        """Returns images where each pixel was predicted while hidden: (n_partitions, n, ...).

        `masks` are bool of shape (n_partitions, n_masks, side, side); a pixel that several masks of
        a partition hide gets the mean of its predictions. All the masks go through the network at
        once.
        """
        (n_partitions, n_masks, *size), n = masks.shape, ops.shape(images)[0]
        hidden = ops.convert_to_tensor(masks.reshape(n_partitions * n_masks, 1, *size))
        hidden = ops.reshape(ops.repeat(hidden, n, axis=1), (-1, *size))
        images = ops.tile(images, (n_partitions * n_masks, 1, 1, 1))
        category_ids = ops.tile(ops.convert_to_tensor(category_ids), (n_partitions * n_masks,))
        outputs = self.predict_hidden(images, category_ids, hidden)
        outputs = ops.reshape(outputs, (n_partitions, n_masks, n, *outputs.shape[1:]))
        weight = ops.cast(ops.convert_to_tensor(masks), "float32")[:, :, None, ..., None]
        return ops.sum(weight * outputs, axis=1) / ops.sum(weight, axis=1)


class Scorer(keras.Model):
    """Gives the error maps of images, (n, side, side, channels), in one graph; same inputs as `Reconstructor`."""

    def __init__(self, model: Reconstructor, **kwargs) -> None:
        """Takes a trained model."""
        super().__init__(**kwargs)
        self.model = model

    def call(self, inputs):
        """Returns the error map of each image, mean over the partitions."""
        images, category_ids = inputs
        reconstructions = self.model.reconstruct(images, category_ids, self.model.scoring_masks)
        count = len(self.model.scoring_masks)
        flat = ops.reshape(reconstructions, (-1, *reconstructions.shape[2:]))
        maps = self.model.pretext.error_map(ops.tile(images, (count, 1, 1, 1)), flat)
        return ops.mean(ops.reshape(maps, (count, -1, *maps.shape[1:])), axis=0)


def error_maps(scorer: Scorer, images: np.ndarray, category_id: int = 0) -> np.ndarray:
    """Returns the error maps of uint8 images (n, side, side, 3) of one category, given by its index in the model.

    Returns:
        float32 of shape (n, side, side, channels).
    """
    config, channels = scorer.model.config, len(scorer.model.pretext.channels)
    maps = np.empty((len(images), config.side, config.side, channels), "float32")
    category_ids = np.full(BATCH, category_id, "int32")
    for start in range(0, len(images), BATCH):
        part = to_lab(images[start : start + BATCH])
        errors = scorer.predict_on_batch([_filled(part), category_ids])
        maps[start : start + BATCH] = np.asarray(errors)[: len(part)]
    return maps


def _filled(images: np.ndarray) -> np.ndarray:
    """Repeats the last image up to a full batch: a batch of another size would be compiled again."""
    return np.concatenate([images, np.repeat(images[-1:], BATCH - len(images), axis=0)])


def hidden_view(model: Reconstructor, images: np.ndarray) -> np.ndarray:
    """Returns what the first mask lets see of uint8 images (n, side, side, 3); uint8 too."""
    return model.pretext.view(images, model.scoring_masks[0, 0])


def reconstruction_picture(
    model: Reconstructor, images: np.ndarray, category_ids: np.ndarray, *, unseen: bool = True
) -> np.ndarray:
    """Returns the reconstruction of uint8 images (n, side, side, 3), uint8 too.

    Args:
        model: trained.
        images: a few of them.
        category_ids: index of the category of each, shape (n,).
        unseen: every pixel predicted while hidden, with the masks of the first partition; otherwise
            the output with the first mask alone.
    """
    lab = to_lab(images)
    if unseen:
        output = model.reconstruct(lab, category_ids, model.scoring_masks[:1])[0]
    else:
        output = model.predict_hidden(lab, category_ids, np.repeat(model.scoring_masks[0, :1], len(lab), axis=0))
    return to_rgb(model.pretext.picture(lab, np.asarray(output)))


def codes(model: Reconstructor, images: np.ndarray, category_id: int = 0) -> np.ndarray:
    """Returns the codes of uint8 images of one category, from the layer "code" of the encoder: shape (n, d).

    Mean over positions and over the masks of the first partition.
    """
    encoder = keras.Model(model.network.input, model.network.get_layer("code").output)
    rows = []
    for start in range(0, len(images), BATCH):
        lab = ops.convert_to_tensor(to_lab(images[start : start + BATCH]))
        mean_images = ops.repeat(model.mean_image[category_id : category_id + 1], len(lab), axis=0)
        hidden = (np.repeat(mask[None], len(lab), axis=0) for mask in model.scoring_masks[0])
        outputs = [np.asarray(encoder(model.pretext.corrupt(lab, mean_images, h), training=False)) for h in hidden]
        rows.append(np.mean([o.reshape(len(lab), -1, o.shape[-1]).mean(axis=1) for o in outputs], axis=0))
    return np.concatenate(rows)


def project_codes(codes: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Returns codes (n, d) on the two main axes of the codes `fit` of good parts, (m, d), m at least 2: (n, 2)."""
    from sklearn.decomposition import PCA

    return PCA(2).fit(_standardised(fit, fit)).transform(_standardised(codes, fit))


def code_separation(train_codes: np.ndarray, test_codes: np.ndarray, is_defect: np.ndarray) -> float:
    """Returns the AUROC of the mean distance to the 5 nearest codes of good parts; NaN if all are good, or none is.

    All codes, (m, d) and (n, d), are standardised by those of training; `is_defect` is bool of shape (n,).
    """
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=min(5, len(train_codes))).fit(_standardised(train_codes, train_codes))
    distances, _ = neighbours.kneighbors(_standardised(test_codes, train_codes))
    score = distances.mean(axis=1)
    return metrics.auroc(score[~is_defect], score[is_defect])


def _standardised(codes: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return (codes - reference.mean(axis=0)) / np.maximum(reference.std(axis=0), 1e-6)
