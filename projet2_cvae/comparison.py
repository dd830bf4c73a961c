"""What a CVAE is set beside: a linear rival, plain Fréchet distances, and what its code keeps when the class changes.

The rival has no network: the images of each class are a Gaussian in the principal subspace of this class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from commun import results
from projet2_cvae import judge
from projet2_cvae.dataset import CLASSES, Part, stratified
from projet2_cvae.evaluation import decode, diversity, encode, frechet_distance, frechet_ratio, moments
from projet2_cvae.judge import ReferenceFeatures
from projet2_cvae.model import CVAE, SIDE

RIVAL_DIMENSIONS = 24  # the latent dimension of the committed model
GARMENT = 26  # grey level, in 0..255, above which a pixel belongs to the garment
TONE_IMAGES = 300  # images whose tone is followed from class to class, at most
UNUSED_DRAWS, NEIGHBOURS = 2000, 15  # codes drawn from the prior, and neighbours looked at


# --- The linear rival ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class LinearRival:
    """A Gaussian a class, in the principal subspace of dimension k of this class.

    Attributes:
        means: mean image of each class, grey levels in 0..255, shape (10, 784).
        axes: principal axes of each class, each as long as the standard deviation along it, shape (10, k, 784).
    """

    means: np.ndarray
    axes: np.ndarray


def fit_rival(part: Part, dimensions: int = RIVAL_DIMENSIONS) -> LinearRival:
    """Returns the linear rival of a training part: a principal component analysis of each class."""
    means, axes = [], []
    for c in range(len(CLASSES)):
        pixels = part.images[part.labels == c].reshape(-1, SIDE * SIDE).astype("float64")
        means.append(pixels.mean(axis=0))
        variances, vectors = np.linalg.eigh(np.cov(pixels.T))
        largest = slice(None, -dimensions - 1, -1)
        deviations = np.sqrt(np.maximum(variances[largest], 0))
        axes.append(deviations[:, None] * vectors[:, largest].T)
    return LinearRival(np.stack(means), np.stack(axes))


def generate_rival(
    rival: LinearRival, labels: np.ndarray, *, seed: int = 0
) -> np.ndarray:
    """Returns one image per label, uint8 (n, 28, 28, 1): z ~ N(0, I), then a linear map.

    Grey levels out of 0..255 are brought back to these bounds.
    """
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    codes = random.standard_normal((len(labels), rival.axes.shape[1]))
    pixels = np.empty((len(labels), SIDE * SIDE))
    for c in np.unique(labels):
        asked = labels == c
        pixels[asked] = rival.means[c] + codes[asked] @ rival.axes[c]
    return np.clip(np.round(pixels), 0, 255).astype("uint8").reshape(-1, SIDE, SIDE, 1)


def rival_metrics(part: Part, reference: ReferenceFeatures, test: Part, *, draws: int = results.DRAWS) -> dict:
    """Returns `rival/class_fidelity`, `rival/diversity` and `rival/frechet_ratio`, as in `metrics.json`.

    `per_seed` holds the values of three draws of its images: it has no training whose seed would change.

    Args:
        part: what the rival is fitted to.
        reference: the judge, and its features of training images.
        test: what its images are compared with; as many are drawn, of the same classes.
        draws: bootstrap draws.
    """
    rival = fit_rival(part)
    seeds = [_rival_metrics(rival, reference, test, seed, draws if seed == 0 else 2) for seed in range(3)]
    return {
        f"rival/{name}": {**entry, "per_seed": [seed[name]["value"] for seed in seeds]}
        for name, entry in seeds[0].items()
    }


def _rival_metrics(rival: LinearRival, reference: ReferenceFeatures, test: Part, seed: int, draws: int) -> dict:
    logits, made = judge.logits_and_features(reference.judge, generate_rival(rival, test.labels, seed=seed))
    real = judge.logits_and_features(reference.judge, test.images)[1]
    varied = diversity(made, real, test.labels, draws=draws)
    varied.pop("by_class")
    return {
        "class_fidelity": results.metric(logits.argmax(1) == test.labels, draws=draws),
        "diversity": varied,
        "frechet_ratio": frechet_ratio(made, real, reference.moments(test.labels), draws=draws),
    }


# --- Plain distances -------------------------------------------------------------------------------------------------


def generators_table(
    images: Mapping[str, np.ndarray], reference: ReferenceFeatures, test: Part, *, of_training: str
) -> pd.DataFrame:
    """Returns what several generators are worth, one row each: fidelity, diversity and plain Fréchet distance.

    Args:
        images: name -> generated images, uint8 (n, 28, 28, 1), of the classes of `test`, in its order.
        reference: the judge, and its features of training images, as many as there are test images.
        test: n test images.
        of_training: name of the last row, that of training images: the distance of images of the dataset itself.
    """
    real = judge.logits_and_features(reference.judge, test.images)[1]
    target = moments(real)
    rows = {}
    for name, made in images.items():
        logits, features = judge.logits_and_features(reference.judge, made)
        rows[name] = {
            "fidélité": float((logits.argmax(1) == test.labels).mean()),
            "diversité": diversity(features, real, test.labels, draws=2)["value"],
            "distance de Fréchet": frechet_distance(moments(features), target),
        }
    rows[of_training] = {"distance de Fréchet": training_distance(reference, test)}
    return pd.DataFrame.from_dict(rows, orient="index")


def reference_table(reference: Mapping) -> pd.DataFrame | None:
    """Returns the rows of `generators_table` on the real test part, from `metrics.json`; None where it has no rival."""
    base, metrics = reference.get("frechet_train_test"), reference["metrics"]
    names = ("class_fidelity", "diversity", "frechet_ratio")
    if base is None or any(f"rival/{name}" not in metrics for name in names) or "default_model" not in reference:
        return None
    values = {
        "modèle retenu": [metrics[name]["value"] for name in names],
        "réseau par défaut": [reference["default_model"][name] for name in names],
        "rival linéaire": [metrics[f"rival/{name}"]["value"] for name in names],
    }
    rows = {name: [fidelity, varied, ratio * base] for name, (fidelity, varied, ratio) in values.items()}
    rows["images d'apprentissage"] = [np.nan, np.nan, base]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["fidélité", "diversité", "distance de Fréchet"])


def training_distance(reference: ReferenceFeatures, test: Part) -> float:
    """Returns the Fréchet distance of training images to test images, the classes in the shares of the test part."""
    real = judge.logits_and_features(reference.judge, test.images)[1]
    return frechet_distance(reference.moments(test.labels), moments(real))


# --- What the code says ----------------------------------------------------------------------------------------------


def tone(images: np.ndarray) -> np.ndarray:
    """Returns the mean grey level of each garment, background left out, in 0..1, shape (n,), of uint8 images."""
    levels = images.reshape(len(images), -1).astype("float64")
    garment = levels > GARMENT
    return (levels * garment).sum(axis=1) / np.maximum(garment.sum(axis=1), 1) / 255


def tone_correlation(model: CVAE, part: Part) -> float:
    """Returns how far a garment keeps its tone when its code is decoded with other classes, in -1..1.

    For each pair of different classes, the rank correlation (Spearman) between the tones of the garments of the first
    and those of the same codes worn by the second; the mean over pairs where both vary. NaN if there are none.
    """
    part = stratified(part, TONE_IMAGES)
    codes, before = encode(model, part)[0], tone(part.images)
    worn = {c: tone(decode(model, codes, np.full(len(part), c))) for c in range(len(CLASSES))}
    pairs = ((part.labels == a, b) for a in range(len(CLASSES)) for b in range(len(CLASSES)) if a != b)
    found = [_ranks_correlation(before[members], worn[b][members]) for members, b in pairs if members.sum() > 2]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _ranks_correlation(first: np.ndarray, second: np.ndarray) -> float:
    ranks = [pd.Series(values).rank().to_numpy() for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1]) if all(np.ptp(r) for r in ranks) else float("nan")


def unused_share(model: CVAE, part: Part, label: int) -> float:
    """Returns the share of the prior, 0..1, that no image of a class uses.

    Codes are drawn from N(0, I): the share of those that have no image of this class among the 15 images of the part
    whose codes are the nearest.
    """
    from sklearn.neighbors import NearestNeighbors

    codes = encode(model, part)[0]
    draws = np.random.default_rng(0).standard_normal((UNUSED_DRAWS, codes.shape[1]))
    nearest = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(part))).fit(codes).kneighbors(draws)[1]
    return float((part.labels[nearest] != label).all(axis=1).mean())
