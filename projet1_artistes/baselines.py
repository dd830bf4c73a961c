"""What is known without a network: who paints most, and colour alone."""

from __future__ import annotations

import numpy as np

from projet1_artistes import augmentation
from projet1_artistes.dataset import Data
from projet1_artistes.split import TRAINING

COLOUR = "colour"
LEVELS = 6  # of red, of green and of blue
SIDE = 32  # pixels: side to which pictures are reduced before their colours are counted


def majority_accuracy(data: Data, part: str) -> float:
    """Returns the accuracy on a part of always naming the artist who has most works in training, 0..1."""
    first = np.bincount(data.labels[data.rows(TRAINING)]).argmax()
    return float((data.labels[data.rows(part)] == first).mean())


def colour_histograms(images: np.ndarray) -> np.ndarray:
    """Returns how often each colour occurs in pictures, uint8 of shape (n, s, s, 3).

    The result is float32, shape (n, LEVELS^3): square roots of shares, so that products compare distributions
    (Hellinger).
    """
    bins = LEVELS**3
    histograms = np.empty((len(images), bins), np.float32)
    for i, image in enumerate(images):
        small = augmentation.resize_all(image[None], SIDE)[0]
        level = np.minimum(small * LEVELS // 256, LEVELS - 1).astype(np.int64)
        index = (level[..., 0] * LEVELS + level[..., 1]) * LEVELS + level[..., 2]
        histograms[i] = np.sqrt(np.bincount(index.ravel(), minlength=bins) / index.size)
    return histograms


def colour_baseline(images: np.ndarray, labels: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns what colour alone says: probabilities of a logistic regression on histograms, float32 (m, classes).

    Args:
        images: uint8, shape (n, s, s, 3).
        labels: class ids, shape (n,); all of them are among those of `rows`.
        rows: from which it learns.
        others: for which it answers, m of them.
    """
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=10.0, max_iter=300)
    regression.fit(colour_histograms(images[rows]), labels[rows])
    probabilities = np.zeros((len(others), labels.max() + 1), np.float32)
    probabilities[:, regression.classes_] = regression.predict_proba(colour_histograms(images[others]))
    return probabilities
