"""The judge: an independent classifier that reads generated images, and whose features carry the distances.

It never sees a generated image in training, shares nothing with the CVAE, and is trained on the training part only.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from commun import training  # first: it chooses the default backend of Keras

import keras  # isort: skip
from keras import layers  # isort: skip

from projet2_cvae.dataset import CLASSES, Part

VERSION = 1
PROJECT = "projet2_cvae"
BODY, HEAD = "corps", "tete"  # the features, and the class they lead to


@dataclasses.dataclass(frozen=True)
class JudgeConfig(training.Budget):
    """The judge and its training: `width` channels in its first layer, `features` units before its last."""

    width: int = 32
    features: int = 64
    learning_rate: float = 2e-3
    seed: int = 1000


def build(config: JudgeConfig) -> keras.Model:
    """Returns the compiled judge: uint8 images (n, 28, 28, 1) -> logits (n, 10)."""
    keras.utils.set_random_seed(config.seed)
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
    model = keras.Model(image, layers.Dense(len(CLASSES), name=HEAD)(body(image)), name="juge")
    model.compile(
        training.adam(config),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def train(config: JudgeConfig, part: Part, *, title: str = "") -> training.Run:
    """Loads the judge of this configuration, or trains it on `part`."""

    def data(epoch):
        chosen = training.epoch_indices(config, len(part), epoch=epoch)
        return {"x": part.images[chosen], "y": part.labels[chosen], "batch_size": config.batch_size}

    def fit(model, checkpoints):
        history = training.fit_epochs(
            model,
            data,
            epochs=config.epochs,
            seed=config.seed,
            checkpoints=checkpoints,
            title=title,
            unit="nats",
        )
        return history, {"accuracy": history["accuracy"].iloc[-1]}

    return training.load_or_train(
        dataclasses.asdict(config) | {"model": "judge"},
        lambda: build(config),
        fit,
        project=PROJECT,
        data=training.fingerprint(part.images, part.labels),
        version=VERSION,
        title=title,
        unit="nats",
    )


def logits_and_features(judge: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the judge's logits, float32 (n, 10), and features, float32 (n, f), of uint8 images (n, 28, 28, 1)."""
    body, head = judge.get_layer(BODY), judge.get_layer(HEAD)
    features = np.asarray(body.predict(images, batch_size=500, verbose=0))
    weights, bias = (np.asarray(w) for w in head.weights)
    return features @ weights + bias, features
