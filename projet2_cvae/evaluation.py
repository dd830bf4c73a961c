"""What a VAE is worth: its bound and the bound's terms, its reconstructions, its generated images.

Quantities are in nats per image, summed over the 784 pixels, unless said otherwise.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from commun import results
from commun.weights import load_weights
from projet2_cvae import PROJECT, REFERENCE, judge
from projet2_cvae.dataset import CLASSES, Part, read_part
from projet2_cvae.judge import ReferenceFeatures
from projet2_cvae.model import CVAE, WINDOW, Config, bernoulli_nll, nelbo_terms, windows
from projet2_cvae.training import build

from keras import ops  # isort: skip

LABELS = {
    "test_nelbo": "ELBO négative (nats)",
    "test_reconstruction": "dont reconstruction (nats)",
    "test_kl": "dont KL (nats)",
    "test_iwae": "borne pondérée, k = 64 (nats)",
    "class_fidelity": "fidélité à la classe",
    "diversity": "diversité (1 : celle du test)",
    "classifier_accuracy": "exactitude du juge",
    "frechet_ratio": "rapport de Fréchet",
}
COMPARED = {n: label for n, label in LABELS.items() if n != "frechet_ratio"}  # it depends on the number of images
PUBLISHED = {
    "test_nelbo": "236,37 (CVAE convolutif, z = 32)",
    "test_reconstruction": "222,23 (le même)",
    "test_kl": "14,14 (le même)",
    "class_fidelity": "0,75 à 0,88 (CVAE) ; 0,97 (GAN), travaux d'étudiants",
    "classifier_accuracy": "0,91 à 0,93 (réseaux convolutifs simples)",
}


IWAE_IMAGES, IWAE_CODES = 250, 8  # images, and codes of each, decoded at a time
ACTIVE = 0.01  # variance of E_q[z] over the images above which a latent dimension is active
PLANE_SIDE, PLANE_REACH = 10, 2.0  # images on a side of a decoded plane, and the last code


# --- The bound -------------------------------------------------------------------------------------------------------


def encode(model: CVAE, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and log-variance of q(z | x, y), each float32 of shape (n, d)."""
    latent = [np.asarray(model.encoder(model.condition(x, y))) for _, x, y in windows(part, WINDOW)]
    mean, log_variance = np.split(np.concatenate(latent), 2, axis=1)
    return mean, log_variance


def decode(model: CVAE, codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the decoder's mean images, uint8 of shape (n, 28, 28, 1), of codes of shape (n, d)."""
    parts = (slice(start, start + WINDOW) for start in range(0, len(codes), WINDOW))
    images = [np.asarray(ops.sigmoid(model.decoder(model.condition(codes[p], labels[p])))) for p in parts]
    return np.round(255 * np.concatenate(images)).astype("uint8")


def iwae(model: CVAE, part: Part, *, k: int = 64, seed: int = 0) -> np.ndarray:
    """Returns the importance-weighted bound on -log p(x | y) of each image, shape (n,).

    -log (1/k) sum_j p(x | z_j, y) p(z_j) / q(z_j | x, y), z_j drawn from q (Burda et al.,
    arXiv:1509.00519). The sum is streamed: memory does not depend on k.
    """
    random = np.random.default_rng(seed)
    bound = np.empty(len(part), "float64")
    for window, x, y in windows(part, IWAE_IMAGES):
        latent = np.asarray(model.encoder(model.condition(x, y)))
        mean, log_variance = np.split(latent, 2, axis=-1)
        total = np.full(len(x), -np.inf)
        for start in range(0, k, IWAE_CODES):
            draws = min(IWAE_CODES, k - start)
            noise = random.standard_normal((draws, *mean.shape), dtype="float32")
            codes = mean + np.exp(0.5 * log_variance) * noise
            log_q = -0.5 * (np.square(noise) + log_variance).sum(-1)
            log_p = -0.5 * np.square(codes).sum(-1)  # the constants of both cancel out
            flat = model.condition(codes.reshape(-1, mean.shape[1]), np.tile(y, draws))
            nll = bernoulli_nll(np.tile(x, (draws, 1, 1, 1)), model.decoder(flat))
            log_weights = log_p - log_q - np.asarray(nll).reshape(draws, -1)
            total = np.logaddexp(total, np.logaddexp.reduce(log_weights, axis=0))
        bound[window] = np.log(k) - total
    return bound


def bernoulli_entropy(part: Part) -> np.ndarray:
    """Returns the least possible reconstruction term of each image, shape (n,).

    It is the entropy of its grey levels, in nats.
    """
    levels = np.arange(256) / 255
    inner = levels[1:-1]
    entropy = np.zeros(256)
    entropy[1:-1] = -(inner * np.log(inner) + (1 - inner) * np.log(1 - inner))
    return entropy[part.images].sum(axis=(1, 2, 3))


def active_units(model: CVAE, part: Part) -> int:
    """Returns how many latent dimensions vary with the image: Var_x(E_q[z]) above `ACTIVE` (Burda et al., 2015)."""
    mean, _ = encode(model, part)
    return int((mean.var(axis=0) > ACTIVE).sum())


def loss_budget(model: CVAE, part: Part) -> pd.DataFrame:
    """Returns, by class, the mean `entropy` of grey levels, the `gap` of reconstruction above it, `kl` and `total`."""
    terms, entropy = nelbo_terms(model, part), bernoulli_entropy(part)
    table = pd.DataFrame({"entropy": entropy, "gap": terms[:, 0] - entropy, "kl": terms[:, 1]})
    table["total"] = terms.sum(axis=1)
    return table.groupby(np.array(CLASSES)[part.labels]).mean().sort_values("gap")


def budget_summary(table: pd.DataFrame) -> dict:
    """Returns the values that the sentences about `loss_budget` need."""
    mean = table.mean()
    return {
        "entropy_share": mean["entropy"] / mean["total"],
        "above_entropy": mean["total"] - mean["entropy"],
        "worst": table["gap"].idxmax(),
        "worst_gap": table["gap"].max(),
        "best": table["gap"].idxmin(),
        "best_gap": table["gap"].min(),
    }


def class_information(model: CVAE, part: Part) -> float:
    """Returns how well the class is read from the code alone: 5-fold accuracy of a 15-nearest-neighbours classifier."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    codes, _ = encode(model, part)
    folds = max(2, min(5, int(np.bincount(part.labels, minlength=10).min())))
    neighbours = KNeighborsClassifier(min(15, len(part) // 2))
    return float(cross_val_score(neighbours, codes, part.labels, cv=folds).mean())


# --- Reconstructions -------------------------------------------------------------------------------------------------


def reconstruct(model: CVAE, part: Part) -> np.ndarray:
    """Returns the reconstruction of each image from the mean of its code, uint8 of shape (n, 28, 28, 1)."""
    return decode(model, encode(model, part)[0], part.labels)


def extremes(model: CVAE, part: Part, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of the images that cost least, then most, above their floor, each of shape (count,)."""
    order = np.argsort(nelbo_terms(model, part).sum(axis=1) - bernoulli_entropy(part))
    return order[:count], order[::-1][:count]


def ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the structural similarity of pairs of uint8 images (n, 28, 28, 1), shape (n,), at most 1.

    Gaussian window of standard deviation 1.5 and 11 pixels, K1 = .01, K2 = .03, valid positions (Wang et al., IEEE TIP
    13(4), 2004).
    """
    from scipy.ndimage import gaussian_filter

    x, y = (a[..., 0].astype("float64") / 255 for a in (first, second))

    def smooth(a):
        return gaussian_filter(a, sigma=(0, 1.5, 1.5), truncate=5 / 1.5)[:, 5:-5, 5:-5]

    mx, my = smooth(x), smooth(y)
    vx, vy, cov = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    values = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return values.mean(axis=(1, 2))


def reconstruction_quality(model: CVAE, part: Part) -> pd.DataFrame:
    """Returns, by class and in all, the mean squared error (grey levels in 0..1) and the SSIM of reconstructions."""
    reconstructions = reconstruct(model, part)
    errors = np.square((part.images.astype("float64") - reconstructions) / 255).mean(axis=(1, 2, 3))
    table = pd.DataFrame({"MSE": errors, "SSIM": ssim(part.images, reconstructions)})
    by_class = table.groupby(np.array(CLASSES)[part.labels]).mean().sort_values("SSIM", ascending=False)
    return pd.concat([by_class, table.mean().to_frame("toutes").T])


def sharpness(images: np.ndarray) -> np.ndarray:
    """Returns the mean absolute difference between neighbouring pixels, grey levels in 0..1, shape (n,)."""
    levels = images[..., 0].astype("float32") / 255
    across, down = np.abs(np.diff(levels, axis=2)).mean(axis=(1, 2)), np.abs(np.diff(levels, axis=1)).mean(axis=(1, 2))
    return (across + down) / 2


# --- Generation ------------------------------------------------------------------------------------------------------


def generate(model: CVAE, labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Returns one image per label, uint8 of shape (n, 28, 28, 1): z ~ N(0, I), the decoder's mean, nothing rejected."""
    codes = np.random.default_rng(seed).standard_normal((len(labels), model.config.latent_dim), dtype="float32")
    return decode(model, codes, np.asarray(labels))


def swap_class(model: CVAE, part: Part) -> np.ndarray:
    """Returns each garment's style worn by the ten classes, uint8 of shape (10 n, 28, 28, 1), garment by garment."""
    codes = np.repeat(encode(model, part)[0], len(CLASSES), axis=0)
    return decode(model, codes, np.tile(np.arange(len(CLASSES)), len(part)))


def interpolate(model: CVAE, first: Part, second: Part, *, steps: int = 10) -> np.ndarray:
    """Returns images between pairs of garments of one class, uint8 of shape (steps * n, 28, 28, 1), pair by pair."""
    start, end = encode(model, first)[0], encode(model, second)[0]
    share = np.linspace(0, 1, steps, dtype="float32")[None, :, None]
    codes = (1 - share) * start[:, None] + share * end[:, None]
    return decode(model, codes.reshape(-1, start.shape[1]), np.repeat(first.labels, steps))


def decode_plane(model: CVAE, label: int) -> np.ndarray:
    """Returns the images of a square grid of a 2-D latent space, uint8 of shape (10, 10, 28, 28), from the top."""
    line = np.linspace(-PLANE_REACH, PLANE_REACH, PLANE_SIDE, dtype="float32")
    codes = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
    return decode(model, codes, np.full(len(codes), label)).reshape(PLANE_SIDE, PLANE_SIDE, 28, 28)


def bound_metrics(model: CVAE, test: Part, *, draws: int = results.DRAWS) -> dict:
    """Returns `test_nelbo`, its two terms and `test_iwae`, with their intervals."""
    terms = nelbo_terms(model, test)
    values = {
        "test_nelbo": terms.sum(axis=1),
        "test_reconstruction": terms[:, 0],
        "test_kl": terms[:, 1],
        "test_iwae": iwae(model, test),
    }
    return {name: results.metric(v, draws=draws) for name, v in values.items()}


def generation_metrics(
    model: CVAE, reference: ReferenceFeatures, test: Part, *, seed: int = 0, draws: int = results.DRAWS
) -> dict:
    """Returns `class_fidelity`, `diversity`, `classifier_accuracy` and `frechet_ratio`, with their intervals.

    As many images are generated as there are test images, with the same classes; on the official test part that is
    10,000, 1,000 a class. See `diversity` and `frechet_ratio`.
    """
    generated = generate(model, test.labels, seed=seed)
    logits, features = judge.logits_and_features(reference.judge, generated)
    test_logits, test_features = judge.logits_and_features(reference.judge, test.images)
    return {
        "class_fidelity": results.metric(logits.argmax(1) == test.labels, draws=draws),
        "diversity": diversity(features, test_features, test.labels, draws=draws),
        "classifier_accuracy": results.metric(test_logits.argmax(1) == test.labels, draws=draws),
        "frechet_ratio": frechet_ratio(features, test_features, reference.moments(test.labels), draws=draws),
    }


def diversity(features: np.ndarray, real: np.ndarray, labels: np.ndarray, *, draws: int = results.DRAWS) -> dict:
    """Returns how varied generated images are within a class: their mean pairwise feature distance over the real one.

    Args:
        features: features of generated images, shape (n, f).
        real: features of real images of the same classes, shape (n, f).
        labels: their classes, shape (n,); a class with fewer than two different real images is left out.
        draws: bootstrap draws, over images of both kinds within each class.

    Returns:
        {"value", "ci95", "n"}: the mean over classes (1: as varied as real images), and `by_class`, name -> ratio.
    """
    random = np.random.default_rng(0)
    ratios, resampled = {}, []
    for c in np.unique(labels):
        members = labels == c
        n = members.sum()
        distances = _distances(features[members]), _distances(real[members])
        total = distances[1].sum()
        if n < 2 or total == 0:  # equal images
            continue
        ratios[CLASSES[c]] = float(distances[0].sum() / total)
        weights = random.multinomial(n, np.full(n, 1 / n), size=(2, draws)).astype("float32")
        sums = [np.einsum("bi,bi->b", w @ d, w) for w, d in zip(weights, distances, strict=True)]
        usable = sums[1] > 0.01 * total  # of two images, half of the draws repeat one, at no distance of itself
        resampled.append(np.where(usable, sums[0] / np.where(usable, sums[1], 1), ratios[CLASSES[c]]))
    if not ratios:
        return {"value": float("nan"), "ci95": [float("nan")] * 2, "n": len(labels), "by_class": ratios}
    return {
        "value": float(np.mean(list(ratios.values()))),
        "ci95": [float(v) for v in np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])],
        "n": len(labels),
        "by_class": ratios,
    }


def frechet_distance(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> float:
    """Returns the squared Fréchet distance of Gaussians, (mean (f,), covariance (f, f)).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau, 1982; Heusel et al.,
    arXiv:1706.08500). The last trace is that of the root of R C2 R, where R R = C1.
    """
    (m1, c1), (m2, c2) = first, second
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    return float(np.square(m1 - m2).sum() + np.trace(c1) + np.trace(c2) - 2 * cross)


def frechet_ratio(
    generated: np.ndarray, test: np.ndarray, train: tuple[np.ndarray, np.ndarray], *, draws: int = results.DRAWS
) -> dict:
    """Returns the Fréchet distance from generated to test images, over that from training to test images.

    1 would be as close to the test part as real images are. The distance depends on the numbers of images, so the three
    sets should have the same. Resampling with repetition raises a Fréchet distance: the percentile interval is moved
    back by its mean's excess over the value.

    Args:
        generated: the judge's features of generated images, shape (n, f).
        test: the same of test images, shape (n, f).
        train: mean (f,) and covariance (f, f) of the features of training images.
        draws: bootstrap draws.
    """
    sets = [a.astype("float64") for a in (generated, test)]

    def ratio(*weights: np.ndarray) -> float:
        source, target = (moments(a, w) for a, w in zip(sets, weights, strict=True))
        return frechet_distance(source, target) / max(frechet_distance(train, target), 1e-12)

    value = ratio(*(np.ones(len(a)) for a in sets))
    random = np.random.default_rng(0)
    shares = [np.full(len(a), 1 / len(a)) for a in sets]
    resampled = np.array([ratio(*(random.multinomial(len(s), s) for s in shares)) for _ in range(draws)])
    low, high = np.percentile(resampled, [2.5, 97.5]) - resampled.mean() + value
    return {"value": value, "ci95": [float(max(low, 0)), float(high)], "n": len(test)}


def generation_table(
    metrics: dict, images: np.ndarray, labels: np.ndarray, reference: ReferenceFeatures, test: Part
) -> pd.DataFrame:
    """Returns, by class, the judge's accuracy on test images, on generated ones (fidelity), and the diversity."""
    read_generated = judge.logits_and_features(reference.judge, images)[0].argmax(1) == labels
    read_real = judge.logits_and_features(reference.judge, test.images)[0].argmax(1) == test.labels
    rows = {
        name: {
            "juge sur le test": read_real[test.labels == c].mean() if (test.labels == c).any() else np.nan,
            "fidélité": read_generated[labels == c].mean() if (labels == c).any() else np.nan,
            "diversité": metrics["diversity"]["by_class"].get(name, np.nan),
        }
        for c, name in enumerate(CLASSES)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def confusion(images: np.ndarray, labels: np.ndarray, reference: ReferenceFeatures) -> np.ndarray:
    """Returns how the judge reads generated images: counts, shape (10, 10), asked class by row, read by column."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, judge.logits_and_features(reference.judge, images)[0].argmax(1), labels=range(10))


def least_convincing(images: np.ndarray, labels: np.ndarray, reference: ReferenceFeatures, count: int) -> np.ndarray:
    """Returns the indices of the generated images whose asked class the judge finds least probable, shape (count,)."""
    logits = judge.logits_and_features(reference.judge, images)[0].astype("float64")
    return np.argsort(logits[np.arange(len(labels)), labels] - np.logaddexp.reduce(logits, axis=1))[:count]


def _distances(features: np.ndarray) -> np.ndarray:
    features = features - features.mean(axis=0)
    norms = np.square(features).sum(axis=1)
    squares = norms[:, None] + norms[None] - 2 * features @ features.T
    np.fill_diagonal(squares, 0)  # rounding would leave an image at some distance of itself
    return np.sqrt(np.maximum(squares, 0))


def moments(features: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean (f,) and covariance (f, f) of features (n, f), each counted `weights` times, shape (n,)."""
    features = features.astype("float64")
    weights = np.ones(len(features)) if weights is None else weights
    mean = weights @ features / weights.sum()
    centred = features - mean
    return mean, (centred * weights[:, None]).T @ centred / max(weights.sum() - 1, 1)


# --- All the metrics --------------------------------------------------------------------------------------------------


def evaluate(
    model: CVAE, reference: ReferenceFeatures, test: Part, *, seed: int = 0, draws: int = results.DRAWS
) -> dict:
    """Returns the eight metrics of a model on a test part: name -> {"value", "ci95", "n"}; `seed` draws the codes."""
    return bound_metrics(model, test, draws=draws) | generation_metrics(model, reference, test, seed=seed, draws=draws)


def evaluate_folder(folder: str | Path) -> dict:
    """Measures the reference model on the test part of a folder.

    Args:
        folder: holds the two `t10k` files; other counts, other image sizes and missing classes are accepted.

    Returns:
        name -> {"value", "ci95", "n"}, the names of `LABELS`. What was left out or changed is said by a warning.

    Raises:
        UserError: a file is missing or unreadable, or the reference is missing.
    """
    test = read_part(Path(folder), "test", resize=True)
    present = np.bincount(test.labels, minlength=len(CLASSES))
    alone = [CLASSES[c] for c in np.flatnonzero(present < 2)]
    if alone:
        warnings.warn(
            f"Moins de deux images pour {', '.join(alone)} : classes laissées hors de la diversité.", stacklevel=2
        )
    reference = load_reference_features()
    if len(test) != reference.count.sum():
        warnings.warn(
            f"{len(test)} images de test, alors que la référence en compare {reference.count.sum()} de chaque côté : "
            "le rapport de Fréchet, qui dépend de ce nombre, ne se compare pas à celui de la référence.",
            stacklevel=2,
        )
    return evaluate(load_reference_model(), reference, test)


def load_reference_model() -> CVAE:
    """Returns the committed model, of seed 0.

    Raises:
        UserError: the reference is missing.
    """
    return load_weights(REFERENCE / "modele", lambda config: build(Config(**config)), project=PROJECT)[0]


def load_reference_features() -> ReferenceFeatures:
    """Returns the committed judge and its features of a stratified training sample.

    Raises:
        UserError: the reference is missing.
    """
    return judge.load(REFERENCE / "juge")
