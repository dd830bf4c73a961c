"""Three levels of transfer: frozen features and a linear head, the last stages fine-tuned, or the whole network.

The first is what a network trained on ImageNet knows of paintings without learning anything. The two others are
`training.train` with the configurations `Profile.last_stages` and `Profile.transfer`.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from commun.datasets import atomic_file, working_folder
from commun.sources import code_hash
from commun.training import fingerprint, keras
from projet1_artistes import PROJECT, augmentation, efficientnet
from projet1_artistes.training import Config

from keras import ops  # isort: skip

FROZEN, LAST_STAGES, WHOLE = LEVELS = ("frozen", "last_stages", "whole")
APPLICATION = "EfficientNetV2B0"  # of `keras.applications`: an option, for want of weights that are installed
APPLICATION_FROZEN_UNTIL = "block5e_add"  # its layer that stands where "stage_5" does
SIDE = 224  # pixels, at which works are shown: that at which the network learnt
BATCH = 64  # works at a time
C = 1e-2  # inverse strength of the head's regularisation: the best of 1e-4 to 1e-1 on the real validation part


def features(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Returns the mean and the standard deviation of each of the last maps of EfficientNet-Lite0 over each picture.

    They are kept in `travail/` under a hash of the pictures, of the side and of the code.

    Args:
        images: uint8, shape (n, s, s, 3).
        side: at which they are shown, in pixels.

    Returns:
        float32, shape (n, 2,560): the means, then the deviations, all in 0..6.
    """
    identity = f"{fingerprint(images)} {side} {code_hash(_compute)} {efficientnet.SHA256}"
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    path = working_folder("caracteristiques", PROJECT) / f"{name}.npy"
    if not path.is_file():
        with atomic_file(path) as temporary:
            np.save(temporary, _compute(images, side))
    return np.load(path)


def _compute(images: np.ndarray, side: int) -> np.ndarray:
    inputs = keras.Input((None, None, 3))
    maps = efficientnet.body(inputs).output
    pooled = ops.concatenate([ops.mean(maps, axis=(1, 2)), ops.std(maps, axis=(1, 2))], axis=-1)
    network = keras.Model(inputs, pooled)
    result = np.empty((len(images), network.output_shape[-1]), np.float32)
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        result[part] = network.predict_on_batch(augmentation.resize_all(images[part], side))
    return result


def linear_head(
    features: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    others: np.ndarray,
    *,
    classes: int,
    c: float = C,
    threshold: int | None = None,
) -> np.ndarray:
    """Returns what a logistic regression on standardised features says of other works.

    Neither the features nor the labels of `others` change what is learnt.

    Args:
        features: of all the works, shape (n, d).
        labels: class ids, shape (n,); only those of `rows` are read.
        rows: from which it learns.
        others: for which it answers, m of them.
        classes: number of artists; those who are not in `rows` have probability 0.
        c: inverse strength of the regularisation.
        threshold: an error on a work of an artist with n < threshold works weighs
            threshold / n times that on another (1 on average, so that the regularisation
            is as strong); None for all artists to weigh the same, as any threshold above
            their numbers of works does.

    Returns:
        Probabilities, float32 of shape (m, classes).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    limit = np.bincount(labels[rows]).max() if threshold is None else threshold
    weights = augmentation.repeat_factors(labels[rows], limit)
    regression = LogisticRegression(C=c, max_iter=1000)
    head = make_pipeline(StandardScaler(), regression)
    options = {"logisticregression__sample_weight": weights / weights.mean()}
    with threadpool_limits(1, "blas"):  # elsewhere, its threads would wait for each other
        head.fit(features[rows], labels[rows], **options)
    probabilities = np.zeros((len(others), classes), np.float32)
    if len(others):
        probabilities[:, regression.classes_] = head.predict_proba(features[others])
    return probabilities


def with_weights(config: Config, weights: str) -> Config:
    """Returns a configuration of `Profile` whose pre-trained network is that of `keras.applications`, `APPLICATION`.

    Args:
        config: of one of the two levels that are fine-tuned.
        weights: "imagenet", which Keras downloads, or the path of a file, without the last layers; if empty, the
            configuration stays as it is, with the weights that are installed.
    """
    if not weights:
        return config
    frozen = APPLICATION_FROZEN_UNTIL if config.frozen_until else ""
    return dataclasses.replace(config, backbone=APPLICATION, weights=weights, frozen_until=frozen)
