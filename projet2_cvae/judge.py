"""The judge: an independent classifier that reads generated images, and whose features carry the distances.

It never sees a generated image in training, shares nothing with the CVAE, and is trained on the training part only.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np

from commun import training
from commun.training import keras  # it chooses the default backend of Keras
from commun.weights import load_weights, save_weights
from projet2_cvae import PROJECT
from projet2_cvae.dataset import CLASSES, Part, stratified

from keras import layers  # isort: skip

BODY, HEAD = "corps", "tete"  # the features, and the class they lead to


@dataclasses.dataclass(frozen=True)
class JudgeConfig(training.Budget):
    """The judge and its training: `width` channels in its first layer, `features` units before its last."""

    width: int = 32
    features: int = 64
    learning_rate: float = 2e-3
    seed: int = 1000


def train(config: JudgeConfig, part: Part, *, title: str = "") -> training.Run:
    """Loads the judge of this configuration, or trains it on `part`."""
    return training.train(
        config,
        build=build,
        batches=functools.partial(batches, config, part),
        project=PROJECT,
        data=training.fingerprint(part.images, part.labels),
        title=title,
        unit="nats",
    )


def build(config: JudgeConfig) -> keras.Model:
    """Returns the compiled judge: uint8 images (n, 28, 28, 1) -> logits (n, 10)."""
    with training.building(config.seed):
        model = _network(config)
    model.compile(
        training.adam(config),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _network(config: JudgeConfig) -> keras.Model:
    image = keras.Input((28, 28, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    x = layers.RandomFlip("horizontal", seed=config.seed)(x)
    for width, stride in ((config.width, 1), (2 * config.width, 2), (2 * config.width, 1), (4 * config.width, 2)):
        x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.95)(x)
        x = layers.Activation("relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.4, seed=config.seed)(x)
    body = keras.Model(image, layers.Dense(config.features, activation="relu")(x), name=BODY)
    image = keras.Input((28, 28, 1), dtype="uint8")
    return keras.Model(image, layers.Dense(len(CLASSES), name=HEAD)(body(image)), name="juge")


def batches(config: JudgeConfig, part: Part, epoch: int) -> training.ArrayBatches:
    """Returns the batches of an epoch, in order of training: images, uint8 (n, 28, 28, 1), and their labels, (n,)."""
    indices = training.epoch_indices(config, len(part), epoch=epoch)
    return training.ArrayBatches(part.images[indices], part.labels[indices], batch_size=config.batch_size)


def logits_and_features(judge: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the judge's logits, float32 (n, 10), and features, float32 (n, f), of uint8 images (n, 28, 28, 1)."""
    body, head = judge.get_layer(BODY), judge.get_layer(HEAD)
    features = np.asarray(body.predict(images, batch_size=500, verbose=0))
    weights, bias = (np.asarray(w) for w in head.weights)
    return features @ weights + bias, features


# --- What generated images are compared with -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ReferenceFeatures:
    """The judge, and its features of a sample of training images, summed up by class.

    Attributes:
        judge: the classifier.
        count: number of training images of each class, shape (10,).
        means: mean features of each class, float32 of shape (10, f).
        covariances: their covariances, float32 of shape (10, f, f).
    """

    judge: keras.Model
    count: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def moments(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean (f,) and covariance (f, f) of training features, their classes in the shares of `labels`."""
        shares = np.bincount(labels, minlength=len(CLASSES)) * (self.count > 0)
        shares = shares / max(shares.sum(), 1)
        mean = shares @ self.means
        offsets = self.means - mean
        return mean, np.tensordot(shares, self.covariances, 1) + (offsets * shares[:, None]).T @ offsets


def reference_features(judge: keras.Model, part: Part, size: int) -> ReferenceFeatures:
    """Returns the judge with its features of a stratified sample of a training part, as large as the test part."""
    sample = stratified(part, size)
    features = logits_and_features(judge, sample.images)[1].astype("float64")
    groups = [features[sample.labels == c] for c in range(len(CLASSES))]
    width = features.shape[1]
    means = np.stack([g.mean(axis=0) if len(g) else np.zeros(width) for g in groups])
    covariances = np.stack([(g - m).T @ (g - m) / max(len(g), 1) for g, m in zip(groups, means, strict=True)])
    count = np.array([len(g) for g in groups])
    return ReferenceFeatures(judge, count, means.astype("float32"), covariances.astype("float32"))


def save(path: Path, reference: ReferenceFeatures, config: JudgeConfig) -> None:
    """Writes the judge and its training statistics; no image can be found again from them."""
    statistics = {name: getattr(reference, name) for name in ("count", "means", "covariances")}
    save_weights(path, reference.judge, config, **statistics)


def load(path: Path) -> ReferenceFeatures:
    """Returns what `save` wrote.

    Raises:
        UserError: a file is missing or unreadable.
    """
    judge, stored = load_weights(path, lambda config: build(JudgeConfig(**config)), project=PROJECT)
    return ReferenceFeatures(judge, *(stored[name] for name in ("count", "means", "covariances")))
