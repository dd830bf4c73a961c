"""What a VAE is worth: its bound and the bound's terms, its reconstructions, its generated images, and their drawings.

Quantities are in nats per image, summed over the 784 pixels, unless said otherwise.
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from commun import figures, results, training
from projet2_cvae import judge as judging
from projet2_cvae.dataset import CLASSES, Part, read_part
from projet2_cvae.model import CVAE, PROJECT, Config, batches, bernoulli_nll, build, nelbo_terms

from keras import ops  # isort: skip

REFERENCE = Path(__file__).parent / "reference"
LABELS = {
    "test_nelbo": "ELBO négative (nats)",
    "test_reconstruction": "dont reconstruction (nats)",
    "test_kl": "dont KL (nats)",
    "test_iwae": "borne pondérée, k = 64 (nats)",
    "class_fidelity": "fidélité à la classe",
    "diversity": "diversité (1 = réelle)",
    "classifier_accuracy": "exactitude du juge",
    "frechet_ratio": "rapport de Fréchet",
}
PUBLISHED = {
    "test_nelbo": "236,37 (CVAE convolutif, z = 32)",
    "test_reconstruction": "222,23 (le même)",
    "test_kl": "14,14 (le même)",
    "class_fidelity": "0,75 à 0,88 (CVAE) ; 0,97 (GAN)",
    "classifier_accuracy": "0,91 à 0,93 (CNN simples)",
}


# --- The bound -------------------------------------------------------------------------------------------------------


def encode(model: CVAE, part: Part, *, batch: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and log-variance of q(z | x, y), each float32 of shape (n, d)."""
    latent = [np.asarray(model.encoder(model.condition(x, y))) for _, x, y in batches(part, batch)]
    mean, log_variance = np.split(np.concatenate(latent), 2, axis=1)
    return mean, log_variance


def decode(model: CVAE, codes: np.ndarray, labels: np.ndarray, *, batch: int = 1000) -> np.ndarray:
    """Returns the decoder's mean images, uint8 of shape (n, 28, 28, 1), of codes of shape (n, d)."""
    images = [
        np.asarray(ops.sigmoid(model.decoder(model.condition(codes[i : i + batch], labels[i : i + batch]))))
        for i in range(0, len(codes), batch)
    ]
    return np.round(255 * np.concatenate(images)).astype("uint8")


def iwae(model: CVAE, part: Part, *, k: int = 64, seed: int = 0, batch: int = 250, chunk: int = 8) -> np.ndarray:
    """Returns the importance-weighted bound on -log p(x | y) of each image, shape (n,).

    -log (1/k) sum_j p(x | z_j, y) p(z_j) / q(z_j | x, y), z_j drawn from q (Burda et al., arXiv:1509.00519). The sum is
    streamed: memory holds `batch * chunk` images, whatever k.
    """
    random = np.random.default_rng(seed)
    bound = np.empty(len(part), "float64")
    for window, x, y in batches(part, batch):
        mean, log_variance = (np.asarray(a) for a in ops.split(model.encoder(model.condition(x, y)), 2, axis=-1))
        total = np.full(len(x), -np.inf)
        for start in range(0, k, chunk):
            draws = min(chunk, k - start)
            noise = random.standard_normal((draws, *mean.shape), dtype="float32")
            codes = mean + np.exp(0.5 * log_variance) * noise
            log_ratio = 0.5 * (np.square(noise) + log_variance - np.square(codes)).sum(-1)  # log p(z) - log q(z)
            logits = model.decoder(model.condition(codes.reshape(-1, mean.shape[1]), np.tile(y, draws)))
            nll = np.asarray(bernoulli_nll(np.tile(x, (draws, 1, 1, 1)), logits)).reshape(draws, -1)
            total = np.logaddexp(total, np.logaddexp.reduce(log_ratio - nll, axis=0))
        bound[window] = np.log(k) - total
    return bound


def floor(part: Part) -> np.ndarray:
    """Returns the least possible reconstruction term of each image, shape (n,): the entropy of its grey levels."""
    levels = np.arange(256) / 255
    inner = levels[1:-1]
    entropy = np.zeros(256)
    entropy[1:-1] = -(inner * np.log(inner) + (1 - inner) * np.log(1 - inner))
    return entropy[part.images].sum(axis=(1, 2, 3))


def active_units(model: CVAE, part: Part, *, threshold: float = 0.01) -> int:
    """Returns how many latent dimensions vary with the image: Var_x(E_q[z]) above a threshold (Burda et al., 2015)."""
    mean, _ = encode(model, part)
    return int((mean.var(axis=0) > threshold).sum())


def loss_budget(model: CVAE, part: Part) -> pd.DataFrame:
    """Returns, by class, the mean `plancher`, `ecart` of reconstruction above it, `kl` and their `total`, in nats."""
    terms, base = nelbo_terms(model, part), floor(part)
    table = pd.DataFrame({"classe": np.array(CLASSES)[part.labels], "plancher": base, "ecart": terms[:, 0] - base})
    table["kl"] = terms[:, 1]
    table["total"] = terms.sum(axis=1)
    return table.groupby("classe").mean().sort_values("ecart")


# --- Reconstructions -------------------------------------------------------------------------------------------------


def reconstruct(model: CVAE, part: Part) -> np.ndarray:
    """Returns the reconstruction of each image from the mean of its code, uint8 of shape (n, 28, 28, 1)."""
    return decode(model, encode(model, part)[0], part.labels)


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
    rebuilt = reconstruct(model, part)
    errors = np.square((part.images.astype("float64") - rebuilt) / 255).mean(axis=(1, 2, 3))
    table = pd.DataFrame({"classe": np.array(CLASSES)[part.labels], "MSE": errors, "SSIM": ssim(part.images, rebuilt)})
    by_class = table.groupby("classe").mean().sort_values("SSIM", ascending=False)
    return pd.concat([by_class, pd.DataFrame({k: table[k].mean() for k in ("MSE", "SSIM")}, index=["toutes"])])


# --- Generation ------------------------------------------------------------------------------------------------------


def generate(model: CVAE, labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Returns one image per label, uint8 of shape (n, 28, 28, 1): z ~ N(0, I), the decoder's mean, nothing rejected."""
    codes = np.random.default_rng(seed).standard_normal((len(labels), model.config.latent_dim), dtype="float32")
    return decode(model, codes, np.asarray(labels))


def restyle(model: CVAE, part: Part) -> np.ndarray:
    """Returns each garment's style worn by the ten classes, uint8 of shape (10 n, 28, 28, 1), garment by garment."""
    codes = np.repeat(encode(model, part)[0], len(CLASSES), axis=0)
    return decode(model, codes, np.tile(np.arange(len(CLASSES)), len(part)))


def walk(model: CVAE, first: Part, second: Part, *, steps: int = 10) -> np.ndarray:
    """Returns walks between pairs of garments of one class, uint8 of shape (steps * n, 28, 28, 1), pair by pair."""
    start, end = encode(model, first)[0], encode(model, second)[0]
    share = np.linspace(0, 1, steps, dtype="float32")[None, :, None]
    codes = (1 - share) * start[:, None] + share * end[:, None]
    return decode(model, codes.reshape(-1, start.shape[1]), np.repeat(first.labels, steps))


@dataclasses.dataclass(frozen=True)
class Real:
    """What generated images are compared with: the judge, and its features of a training sample, summed up by class.

    Attributes:
        judge: the classifier.
        count: number of training images of each class, shape (10,).
        means: mean features of each class, float32 of shape (10, f).
        covariances: their covariances, float32 of shape (10, f, f).
    """

    judge: object
    count: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def moments(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean (f,) and covariance (f, f) of training features, their classes in the shares of `labels`."""
        shares = np.bincount(labels, minlength=len(CLASSES)) * (self.count > 0)
        shares = shares / max(shares.sum(), 1)
        mean = shares @ self.means
        spread = self.means - mean
        return mean, np.tensordot(shares, self.covariances, 1) + (spread * shares[:, None]).T @ spread


def generation_metrics(model: CVAE, real: Real, test: Part, *, seed: int = 0, draws: int = results.DRAWS) -> dict:
    """Returns `class_fidelity`, `diversity`, `classifier_accuracy` and `frechet_ratio`, with their intervals.

    As many images are generated as there are test images, with the same classes; on the official test part that is
    10,000, 1,000 a class. See `class_fidelity`, `diversity` and `frechet_distance`.
    """
    generated = generate(model, test.labels, seed=seed)
    logits, features = judging.logits_and_features(real.judge, generated)
    test_logits, test_features = judging.logits_and_features(real.judge, test.images)
    return {
        "class_fidelity": results.metric(logits.argmax(1) == test.labels, draws=draws),
        "diversity": diversity(features, test_features, test.labels, draws=draws),
        "classifier_accuracy": results.metric(test_logits.argmax(1) == test.labels, draws=draws),
        "frechet_ratio": frechet_ratio(features, test_features, real.moments(test.labels), draws=draws),
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
        chosen = labels == c
        n = chosen.sum()
        if n < 2:
            continue
        made, true = _distances(features[chosen]), _distances(real[chosen])
        if true.sum() == 0:  # equal images
            continue
        ratios[CLASSES[c]] = float(made.sum() / true.sum())
        weights = random.multinomial(n, np.full(n, 1 / n), size=(2, draws)).astype("float32")
        sums = [np.einsum("bi,bi->b", w @ d, w) for w, d in zip(weights, (made, true), strict=True)]
        usable = sums[1] > 0.01 * true.sum()  # of two images, half of the draws repeat one, at no distance of itself
        resampled.append(np.where(usable, sums[0] / np.where(usable, sums[1], 1), ratios[CLASSES[c]]))
    if not ratios:
        return {"value": float("nan"), "ci95": [float("nan")] * 2, "n": len(labels), "by_class": ratios}
    return {
        "value": float(np.mean(list(ratios.values()))),
        "ci95": [float(v) for v in np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])],
        "n": len(labels),
        "by_class": ratios,
    }


def _distances(features: np.ndarray) -> np.ndarray:
    features = features - features.mean(axis=0)
    norms = np.square(features).sum(axis=1)
    squares = norms[:, None] + norms[None] - 2 * features @ features.T
    np.fill_diagonal(squares, 0)  # rounding would leave an image at some distance of itself
    return np.sqrt(np.maximum(squares, 0))


def frechet_distance(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> float:
    """Returns the squared Fréchet distance between two Gaussians, each (mean (f,), covariance (f, f)).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau, 1982; Heusel et al., arXiv:1706.08500).
    """
    (m1, c1), (m2, c2) = first, second
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    return float(np.square(m1 - m2).sum() + np.trace(c1) + np.trace(c2) - 2 * cross)


def _moments(features: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    if weights is None:
        weights = np.ones(len(features))
    mean = weights @ features / weights.sum()
    centred = features - mean
    return mean, (centred * weights[:, None]).T @ centred / max(weights.sum() - 1, 1)


def frechet_ratio(
    made: np.ndarray, test: np.ndarray, train: tuple[np.ndarray, np.ndarray], *, draws: int = results.DRAWS
) -> dict:
    """Returns the Fréchet distance from generated to test images, over that from training to test images.

    1 would be as close to the test part as real images are. The distance depends on the numbers of images, so the three
    sets should have the same. Resampling with repetition raises a Fréchet distance: the percentile interval is moved
    back by its mean's excess over the value.

    Args:
        made: the judge's features of generated images, shape (n, f).
        test: the same of test images, shape (n, f).
        train: mean (f,) and covariance (f, f) of the features of training images.
        draws: bootstrap draws.
    """
    made, test = made.astype("float64"), test.astype("float64")

    def ratio(made_weights=None, test_weights=None) -> float:
        target = _moments(test, test_weights)
        return frechet_distance(_moments(made, made_weights), target) / max(frechet_distance(train, target), 1e-12)

    value = ratio()
    random = np.random.default_rng(0)
    shares = np.full(len(made), 1 / len(made)), np.full(len(test), 1 / len(test))
    resampled = np.array([ratio(*(random.multinomial(len(s), s) for s in shares)) for _ in range(draws)])
    low, high = np.percentile(resampled, [2.5, 97.5]) - resampled.mean() + value
    return {"value": value, "ci95": [float(max(low, 0)), float(high)], "n": len(test)}


# --- A whole folder --------------------------------------------------------------------------------------------------


def bound_metrics(model: CVAE, test: Part, *, k: int = 64, draws: int = results.DRAWS) -> dict:
    """Returns `test_nelbo`, its two terms and `test_iwae`, with their intervals."""
    terms = nelbo_terms(model, test)
    values = {
        "test_nelbo": terms.sum(axis=1),
        "test_reconstruction": terms[:, 0],
        "test_kl": terms[:, 1],
        "test_iwae": iwae(model, test, k=k),
    }
    return {name: results.metric(v, draws=draws) for name, v in values.items()}


def evaluate(model: CVAE, real: Real, test: Part, *, seed: int = 0, draws: int = results.DRAWS) -> dict:
    """Returns the eight metrics of a model on a test part: name -> {"value", "ci95", "n"}; `seed` draws the codes."""
    return bound_metrics(model, test, draws=draws) | generation_metrics(model, real, test, seed=seed, draws=draws)


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
    real = load_reference_real()
    if len(test) != real.count.sum():
        warnings.warn(
            f"{len(test)} images de test, alors que la référence en compare {real.count.sum()} de chaque côté : le "
            "rapport de Fréchet, qui dépend de ce nombre, ne se compare pas à celui de la référence.",
            stacklevel=2,
        )
    return evaluate(load_reference_model(), real, test)


def load_reference_model() -> CVAE:
    """Returns the committed model, of seed 0.

    Raises:
        UserError: the reference is missing.
    """
    return training.load_weights(REFERENCE / "modele", lambda config: build(Config(**config)), project=PROJECT)[0]


def load_reference_real() -> Real:
    """Returns the committed judge and what it sees in a stratified training sample.

    Raises:
        UserError: the reference is missing.
    """
    judge, stored = training.load_weights(
        REFERENCE / "juge", lambda config: judging.build(judging.JudgeConfig(**config)), project=PROJECT
    )
    return Real(judge, *(stored[name] for name in ("count", "means", "covariances")))


def save_reference_real(real: Real, config: judging.JudgeConfig, path: Path) -> None:
    """Writes the judge and its training statistics; no image can be found again from them."""
    statistics = {name: getattr(real, name) for name in ("count", "means", "covariances")}
    training.save_weights(path, real.judge, config, **statistics)


# --- Figures ---------------------------------------------------------------------------------------------------------


def plot_entropy() -> Figure:
    """Draws the entropy of one pixel against its grey level."""
    level = np.linspace(1e-6, 1 - 1e-6, 300)
    figure, axes = figures.new_figure(3.2)
    axes.plot(level, -(level * np.log(level) + (1 - level) * np.log(1 - level)), lw=2.5)
    axes.axhline(np.log(2), color="#717581", ls=":")
    axes.text(0.01, np.log(2) - 0.045, "ln 2 ≈ 0,693", color="#555")
    axes.set(title="Ce qu'un pixel gris coûte, même prédit exactement", xlabel="niveau de gris (0 : noir, 1 : blanc)")
    axes.set_ylabel("coût (nats)")
    return figure


def plot_floor(part: Part) -> Figure:
    """Draws the mean floor of each class, in nats."""
    table = pd.Series(floor(part)).groupby(np.array(CLASSES)[part.labels]).mean().sort_values()
    figure, axes = figures.new_figure(4.2)
    bars = axes.barh(table.index, table, color=figures.PALETTE[4])
    axes.bar_label(bars, [figures.number(v, 0) for v in table], padding=4)
    axes.axvline(floor(part).mean(), color="black", ls="--")
    axes.set(title="Le plancher de chaque classe (en tirets : la moyenne)", xlabel="nats par image")
    return figure


def plot_loss_budget(table: pd.DataFrame) -> Figure:
    """Draws `loss_budget`: a bar per class, cut into floor, reconstruction gap and KL; the mean at the bottom."""
    means = pd.DataFrame({"moyenne": table.mean()}).T
    shown = pd.concat([means, table])
    figure, axes = figures.new_figure(5.2)
    left = np.zeros(len(shown))
    parts = (("plancher", "plancher", "#c9ced3", ""), ("ecart", "écart de reconstruction", figures.PALETTE[1], "//"))
    for column, label, colour, hatch in (*parts, ("kl", "KL", figures.PALETTE[0], "")):
        bars = axes.barh(
            shown.index, shown[column], left=left, color=colour, hatch=hatch, edgecolor="white", label=label
        )
        axes.bar_label(bars, [figures.number(v, 0) for v in shown[column]], label_type="center", fontsize=10)
        left += shown[column].to_numpy()
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set(xlabel="nats par image")
    figure.suptitle("Où vont les nats ?", x=0.01, ha="left", fontweight="bold", fontsize=13)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def describe_loss_budget(table: pd.DataFrame) -> str:
    """Says in French what `plot_loss_budget` draws."""
    worst, best = table["ecart"].idxmax(), table["ecart"].idxmin()
    return (
        f"Barres par classe : l'écart de reconstruction va de {figures.number(table['ecart'].min(), 1)} nats ({best}) "
        f"à {figures.number(table['ecart'].max(), 1)} nats ({worst}) ; en moyenne, plancher "
        f"{figures.number(table['plancher'].mean(), 1)}, écart {figures.number(table['ecart'].mean(), 1)}, "
        f"KL {figures.number(table['kl'].mean(), 1)}."
    )


def budget_summary(table: pd.DataFrame) -> dict:
    """Returns the values that the sentences about `loss_budget` need."""
    mean = table.mean()
    return {
        "part_plancher": mean["plancher"] / mean["total"],
        "reductible": mean["total"] - mean["plancher"],
        "total": mean["total"],
        "kl": mean["kl"],
        "pire": table["ecart"].idxmax(),
        "ecart_pire": table["ecart"].max(),
        "meilleure": table["ecart"].idxmin(),
        "ecart_meilleure": table["ecart"].min(),
    }


def plot_terms(history: pd.DataFrame) -> Figure:
    """Draws the reconstruction and KL terms of the validation part against epochs, each on its own scale."""
    figure, axes = figures.new_figure(3.4, columns=2)
    terms = (("val_reconstruction", "Reconstruction (validation)"), ("val_kl", "KL (validation)"))
    for axis, (column, label), colour, marker in zip(axes, terms, figures.PALETTE, figures.MARKERS, strict=False):
        axis.plot(history["epoch"], history[column], color=colour, marker=marker, markevery=max(1, len(history) // 12))
        axis.set(title=label, xlabel="époque", ylabel="nats par image")
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def plot_planes(models: dict[str, CVAE], part: Part) -> Figure:
    """Draws the codes of a 2-D latent space: one row a model, one column a class, over all the others in grey."""
    figure, axes = figures.new_figure(0.85 * len(models) + 0.4, rows=len(models), columns=10, sharex=True, sharey=True)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, hspace=0.02, wspace=0.01)
    for index, (row, (name, model)) in enumerate(zip(np.atleast_2d(axes), models.items(), strict=True)):
        codes, _ = encode(model, part)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
        for c, axis in enumerate(row):
            axis.scatter(*codes.T, s=1, color="#dfe3e6", rasterized=True)
            axis.scatter(*codes[part.labels == c].T, s=2, color=figures.PALETTE[0], rasterized=True)
            axis.set(xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[], aspect="equal")
            axis.spines[:].set_visible(True)
            axis.spines[:].set_color("#b5bcc2")
            if index == 0:
                axis.set_title(CLASSES[c], fontsize=10, fontweight="normal", loc="center")
    return figure


def class_information(model: CVAE, part: Part) -> float:
    """Returns how well the class is read from the code alone: 5-fold accuracy of a 15-nearest-neighbours classifier."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    codes, _ = encode(model, part)
    folds = min(5, int(np.bincount(part.labels, minlength=10).min()))
    neighbours = min(15, len(part) // 2)
    return float(cross_val_score(KNeighborsClassifier(neighbours), codes, part.labels, cv=max(2, folds)).mean())


def decode_plane(model: CVAE, label: int, *, side: int = 10, reach: float = 2.0) -> np.ndarray:
    """Returns the images of a square grid of a 2-D latent space, uint8 of shape (side^2, 28, 28, 1), row by row."""
    line = np.linspace(-reach, reach, side, dtype="float32")
    codes = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
    return decode(model, codes, np.full(len(codes), label))


def plot_manifolds(models: dict[str, tuple[CVAE, int]], *, side: int = 10) -> Figure:
    """Draws the decoded plane of several (model, label) as mosaics side by side."""
    figure, axes = figures.new_figure(figures.WIDTH / len(models) + 0.3, columns=len(models), squeeze=False)
    for axis, (name, (model, label)) in zip(axes[0], models.items(), strict=True):
        tiles = decode_plane(model, label, side=side).reshape(side, side, 28, 28)
        axis.imshow(tiles.transpose(0, 2, 1, 3).reshape(side * 28, side * 28), vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=11, loc="center")
    return figure


def plot_reconstructions(model: CVAE, part: Part, indices: np.ndarray, *, title: str) -> Figure:
    """Draws images above their reconstructions, with the class and the cost above the floor, ten a row."""
    chosen = part.take(indices)
    rebuilt = reconstruct(model, chosen)
    gap = nelbo_terms(model, chosen).sum(axis=1) - floor(chosen)
    images, captions = [], []
    for start in range(0, len(chosen), 10):
        window = slice(start, start + 10)
        images += [*chosen.images[window], *rebuilt[window]]
        captions += [CLASSES[label] for label in chosen.labels[window]]
        captions += [f"+{figures.number(g, 0)} nats" for g in gap[window]]
    return figures.plot_grid(images, captions, columns=min(10, len(chosen)), title=title)


def extremes(model: CVAE, part: Part, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of the images that cost least, then most, above their floor, each of shape (count,)."""
    order = np.argsort(nelbo_terms(model, part).sum(axis=1) - floor(part))
    return order[:count], order[::-1][:count]


def plot_generated(images: np.ndarray, *, columns: int = 10) -> Figure:
    """Draws generated garments, one class a row, images ordered by class."""
    return figures.plot_grid(images, columns=columns, row_labels=CLASSES)


def generation_table(metrics: dict, images: np.ndarray, labels: np.ndarray, real: Real, test: Part) -> pd.DataFrame:
    """Returns, by class, the judge's accuracy on real images, on generated ones (fidelity), and the diversity."""
    made = judging.logits_and_features(real.judge, images)[0].argmax(1) == labels
    true = judging.logits_and_features(real.judge, test.images)[0].argmax(1) == test.labels
    rows = {
        name: {
            "juge sur le réel": true[test.labels == c].mean() if (test.labels == c).any() else np.nan,
            "fidélité": made[labels == c].mean() if (labels == c).any() else np.nan,
            "diversité": metrics["diversity"]["by_class"].get(name, np.nan),
        }
        for c, name in enumerate(CLASSES)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def confusion(images: np.ndarray, labels: np.ndarray, real: Real) -> np.ndarray:
    """Returns how the judge reads generated images: counts, shape (10, 10), asked class by row, read by column."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels, judging.logits_and_features(real.judge, images)[0].argmax(1), labels=range(10))


def plot_restyled(model: CVAE, part: Part) -> Figure:
    """Draws each garment, then its style worn by the ten classes, one garment a row."""
    worn = restyle(model, part).reshape(len(part), 10, 28, 28)
    images = [im for garment, row in zip(part.images[..., 0], worn, strict=True) for im in (garment, *row)]
    captions = [c for label in part.labels for c in (f"({CLASSES[label]})", *CLASSES)]
    return figures.plot_grid(images, captions, columns=11)


def plot_walks(model: CVAE, first: Part, second: Part) -> Figure:
    """Draws walks of ten steps between pairs of garments, each between its two originals, one pair a row."""
    steps = walk(model, first, second, steps=10).reshape(len(first), 10, 28, 28)
    rows = zip(first.images[..., 0], steps, second.images[..., 0], strict=True)
    images = [image for start, row, end in rows for image in (start, *row, end)]
    captions = ["départ", *[""] * 10, "arrivée"] * len(first)
    return figures.plot_grid(images, captions, columns=12)


def least_convincing(images: np.ndarray, labels: np.ndarray, real: Real, count: int) -> np.ndarray:
    """Returns the indices of the generated images whose asked class the judge finds least probable, shape (count,)."""
    return np.argsort(_asked_probability(images, labels, real))[:count]


def _asked_probability(images: np.ndarray, labels: np.ndarray, real: Real) -> np.ndarray:
    logits = judging.logits_and_features(real.judge, images)[0].astype("float64")
    return logits[np.arange(len(labels)), labels] - np.logaddexp.reduce(logits, axis=1)


def plot_least_convincing(images: np.ndarray, labels: np.ndarray, real: Real, indices: np.ndarray) -> Figure:
    """Draws generated images with the class asked for and the class that the judge reads."""
    read = judging.logits_and_features(real.judge, images[indices])[0].argmax(1)
    captions = [f"{CLASSES[a]}\nlu : {CLASSES[b]}" for a, b in zip(labels[indices], read, strict=True)]
    return figures.plot_grid(images[indices], captions, columns=10)


def reading_advice(location, reference: dict | None) -> str:
    """Says in French how to read the final table: real against synthetic, and what the reference is."""
    return results.reading_advice(location, reference, project=PROJECT, differs="le classifieur")


def sharpness(images: np.ndarray) -> np.ndarray:
    """Returns the mean absolute difference between neighbouring pixels, grey levels in 0..1, shape (n,)."""
    levels = images[..., 0].astype("float32") / 255
    across, down = np.abs(np.diff(levels, axis=2)).mean(axis=(1, 2)), np.abs(np.diff(levels, axis=1)).mean(axis=(1, 2))
    return (across + down) / 2


def stratified(part: Part, size: int, *, seed: int = 0) -> Part:
    """Returns at most `size` images of a part, the same number of each class as far as they go."""
    if size >= len(part):
        return part
    order = np.random.default_rng(seed).permutation(len(part))
    rank = pd.Series(part.labels[order]).groupby(part.labels[order]).cumcount().to_numpy()
    return part.take(np.sort(order[np.argsort(rank, kind="stable")[:size]]))


def real_side(judge, part: Part, size: int) -> Real:
    """Returns the judge with what it sees in a stratified sample of a training part, as large as the test part."""
    chosen = stratified(part, size)
    features = judging.logits_and_features(judge, chosen.images)[1].astype("float64")
    groups = [features[chosen.labels == c] for c in range(len(CLASSES))]
    width = features.shape[1]
    means = np.stack([g.mean(axis=0) if len(g) else np.zeros(width) for g in groups])
    covariances = np.stack([(g - m).T @ (g - m) / max(len(g), 1) for g, m in zip(groups, means, strict=True)])
    count = np.array([len(g) for g in groups])
    return Real(judge, count, means.astype("float32"), covariances.astype("float32"))
