"""The figures of project 2, in the order of its notebooks; each comes with its alternative text."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd

from commun.figures import MARKERS, PALETTE, WIDTH, Drawing, image_grid, new_figure, number, percent
from commun.training import keras
from projet2_cvae.comparison import tone
from projet2_cvae.dataset import CLASSES, Part, one_per_class
from projet2_cvae.evaluation import bernoulli_entropy, decode_plane, encode, interpolate, reconstruct, swap_class
from projet2_cvae.judge import ReferenceFeatures, logits_and_features
from projet2_cvae.model import CVAE, nelbo_terms
from projet2_cvae.selection import NAMES, SPACE, complete_trials, word

GREY = "#b5bcc2"


# --- 01: the images --------------------------------------------------------------------------------------------------


def plot_classes(part: Part) -> Drawing:
    """Draws ten images of each class, one class a row."""
    images = part.images[one_per_class(part, 10, seed=0)]
    figure = image_grid(images, columns=10, row_labels=CLASSES)
    covered = pd.Series([(images[10 * c : 10 * c + 10] > 0).mean() for c in range(len(CLASSES))], CLASSES)
    alt = (
        f"Dix images d'apprentissage de chacune des dix classes, une classe par ligne ({', '.join(CLASSES)}). Le "
        "vêtement "
        f"couvre de {percent(covered.min(), 0)} de l'image ({covered.idxmin()}) à {percent(covered.max(), 0)} "
        f"({covered.idxmax()})."
    )
    return Drawing(figure, alt)


def plot_means(part: Part) -> Drawing:
    """Draws the mean image of each class."""
    means = np.stack([part.images[part.labels == c].mean(axis=0) for c in range(len(CLASSES))])
    figure = image_grid(means, CLASSES, columns=5, title="L'image moyenne de chaque classe")
    blur = pd.Series([part.images[part.labels == c].std(axis=0).mean() / 255 for c in range(len(CLASSES))], CLASSES)
    alt = (
        f"L'image moyenne de chacune des dix classes. La plus nette est celle de la classe « {blur.idxmin()} » (écart "
        "type "
        f"d'un pixel : {percent(blur.min(), 0)} de l'échelle), la plus floue celle de « {blur.idxmax()} » "
        f"({percent(blur.max(), 0)})."
    )
    return Drawing(figure, alt)


def plot_grey_levels(part: Part) -> Drawing:
    """Draws the histogram of grey levels, black and white apart, and the mean grey level of each class."""
    levels = np.bincount(part.images.ravel(), minlength=256) / part.images.size
    figure, (left, right) = new_figure(3.8, columns=2)
    edges = np.arange(1, 255, 11)
    shares = [levels[0], *np.add.reduceat(levels[1:254], edges[:-1] - 1), levels[254:].sum()]
    left.bar(range(len(shares)), 100 * np.array(shares), color=PALETTE[0])
    left.set(title="Niveaux de gris", xlabel="niveau", ylabel="part des pixels (%)", yscale="log")
    left.set_xticks([0, len(shares) // 2, len(shares) - 1], ["0 (noir)", "128", "255"])
    means = pd.Series([part.images[part.labels == c].mean() / 255 for c in range(len(CLASSES))], CLASSES).sort_values()
    right.barh(means.index, means, color=PALETTE[1])
    right.set(title="Luminosité moyenne", xlabel="niveau moyen (0 : noir, 1 : blanc)")
    alt = f"Histogramme des niveaux de gris ({percent(levels[0])} de noir) et luminosité moyenne de chaque classe, de "
    alt += f"{number(means.iloc[0], 2)} ({means.index[0]}) à {number(means.iloc[-1], 2)} ({means.index[-1]})."
    return Drawing(figure, alt, "svg")


def plot_pixel_entropy() -> Drawing:
    """Draws the entropy of one pixel against its grey level."""
    level = np.linspace(1e-6, 1 - 1e-6, 300)
    figure, axes = new_figure(3.2)
    axes.plot(level, -(level * np.log(level) + (1 - level) * np.log(1 - level)), lw=2.5)
    axes.axhline(np.log(2), color="#717581", ls=":")
    axes.text(0.01, np.log(2) - 0.045, "ln 2 ≈ 0,693", color="#555")
    axes.set(title="Ce qu'un pixel gris coûte, même prédit exactement", xlabel="niveau de gris (0 : noir, 1 : blanc)")
    axes.set_ylabel("coût (nats)")
    alt = "Le coût minimal d'un pixel : nul pour le noir et le blanc, maximal (0,693 nat) pour un gris moyen."
    return Drawing(figure, alt, "svg")


def plot_class_entropy(part: Part) -> Drawing:
    """Draws the mean entropy of the images of each class, in nats: the least that they can cost."""
    entropy = bernoulli_entropy(part)
    table = pd.Series(entropy).groupby(np.array(CLASSES)[part.labels]).mean().sort_values()
    figure, axes = new_figure(4.2)
    bars = axes.barh(table.index, table, color=PALETTE[4])
    axes.bar_label(bars, [number(v, 0) for v in table], padding=4)
    axes.axvline(entropy.mean(), color="black", ls="--")
    axes.set(title="Le plancher de chaque classe (en tirets : la moyenne)", xlabel="nats par image")
    mean = number(entropy.mean(), 1)
    alt = (
        f"Plancher moyen de chaque classe, en nats par image : de {number(table.iloc[0], 0)} ({table.index[0]}) à "
        f"{number(table.iloc[-1], 0)} ({table.index[-1]}) ; moyenne de toutes les images : {mean}."
    )
    return Drawing(figure, alt, "svg")


# --- 02: the model ---------------------------------------------------------------------------------------------------

_WEIGHTED = ("Dense", "Conv2D", "Conv2DTranspose")
_UNDRAWN = ("Dropout", "Flatten", "Reshape", "Activation")  # they only change the shape
_LAYER_NAMES = {
    "InputLayer": "entrée",
    "Concatenate": "concat.",
    "Reshape": "image",
    "Multiply": "produit",
    "Conv2DTranspose": "Conv2DTr.",
}


def plot_network(models: Mapping[str, keras.Model]) -> Drawing:
    """Draws Keras functional models, one row each: layers as blocks, with output shapes and parameter counts.

    Layers with weights are numbered through the rows and drawn in colour; the others are grey. Dropout, activations
    and changes of shape are left out, but at the end.

    Args:
        models: title of the row -> model.
    """
    rows = {
        title: [layer for layer in m.layers if layer is m.layers[-1] or type(layer).__name__ not in _UNDRAWN]
        for title, m in models.items()
    }
    columns = max(map(len, rows.values()))
    figure, axes = new_figure(2.15 * len(rows), rows=len(rows), squeeze=False)
    counter, descriptions = 0, []
    for axis, (title, layers) in zip(axes[:, 0], rows.items(), strict=True):
        axis.set(xlim=(-0.6, columns - 0.4), ylim=(-1.75, 1.1))
        axis.set_title(f"{title} : {number(models[title].count_params())} paramètres")
        axis.axis("off")
        parts = []
        for x, layer in enumerate(layers):
            kind, shape = type(layer).__name__, "×".join(str(n) for n in layer.output.shape[1:])
            weighted = kind in _WEIGHTED
            size = int(np.prod([n for n in layer.output.shape[1:] if n]))
            half = 0.25 + 0.65 * np.log10(max(size, 1)) / 5
            colour = PALETTE[0] if kind == "Dense" else PALETTE[1] if weighted else "#d5dadf"
            axis.add_patch(mpl.patches.Rectangle((x - 0.3, -half), 0.6, 2 * half, facecolor=colour, edgecolor="#333"))
            if weighted:
                counter += 1
                parts.append(f"{kind} ({shape})")
                axis.text(x, 0, str(counter), ha="center", va="center", fontweight="bold", fontsize=14)
            if x + 1 < len(layers):
                axis.annotate("", (x + 0.68, 0), (x + 0.32, 0), arrowprops={"arrowstyle": "->", "color": "#333"})
            lines = [_LAYER_NAMES.get(kind, kind), shape, f"{number(layer.count_params())} p." if weighted else ""]
            axis.text(x, -1.0, "\n".join(lines), ha="center", va="top", fontsize=min(10.5, 84 / columns))
        descriptions.append(f"{title} : {', '.join(parts)}")
    return Drawing(figure, f"Schéma du réseau. {' ; '.join(descriptions)}.")


def plot_planes(models: Mapping[str, CVAE], part: Part) -> Drawing:
    """Draws the codes of a 2-D latent space: one row a model, one column a class, over all the others in grey."""
    figure, axes = new_figure(0.85 * len(models) + 0.4, rows=len(models), columns=10, sharex=True, sharey=True)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, hspace=0.02, wspace=0.01)
    spread = []
    for index, (row, (name, model)) in enumerate(zip(np.atleast_2d(axes), models.items(), strict=True)):
        codes, _ = encode(model, part)
        within = np.mean([codes[part.labels == c].std(axis=0).mean() for c in np.unique(part.labels)])
        spread.append(f"{name} (une classe y occupe {percent(within / codes.std(axis=0).mean(), 0)} de la largeur)")
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
        for c, axis in enumerate(row):
            axis.scatter(*codes.T, s=1, color="#dfe3e6", rasterized=True)
            axis.scatter(*codes[part.labels == c].T, s=2, color=PALETTE[0], rasterized=True)
            axis.set(xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[], aspect="equal")
            axis.spines[:].set_visible(True)
            axis.spines[:].set_color(GREY)
            if index == 0:
                axis.set_title(CLASSES[c], fontsize=10, fontweight="normal", loc="center")
    alt = "Les codes de chaque classe, en bleu, parmi les autres, en gris, dans le plan latent, une classe par colonne"
    return Drawing(figure, f"{alt} ; de haut en bas : {', '.join(spread)}.")


def plot_manifolds(models: Mapping[str, tuple[CVAE, int]]) -> Drawing:
    """Draws the decoded plane of several (model, label) as mosaics side by side."""
    figure, axes = new_figure(WIDTH / len(models) + 0.3, columns=len(models), squeeze=False)
    levels = []
    for axis, (name, (model, label)) in zip(axes[0], models.items(), strict=True):
        tiles = decode_plane(model, label)
        levels.append(f"{name} (gris moyen d'une vignette : de {percent(tiles.mean(axis=(2, 3)).min() / 255, 0)} à "
                      f"{percent(tiles.mean(axis=(2, 3)).max() / 255, 0)})")  # fmt: skip
        axis.imshow(np.concatenate(np.concatenate(tiles, axis=1), axis=1), vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, fontsize=11, loc="center")
    alt = "Mosaïques de 10 × 10 vignettes du plan latent décodé, de −2 à 2 sur chaque axe, de gauche à droite"
    return Drawing(figure, f"{alt} : {' ; '.join(levels)}.")


def plot_terms(history: pd.DataFrame) -> Drawing:
    """Draws the reconstruction and KL terms of the validation part against epochs, each on its own scale."""
    figure, axes = new_figure(3.4, columns=2)
    terms = (("val_reconstruction", "Reconstruction (validation)"), ("val_kl", "KL (validation)"))
    for axis, (column, label), colour, marker in zip(axes, terms, PALETTE, MARKERS, strict=False):
        axis.plot(history["epoch"], history[column], color=colour, marker=marker, markevery=max(1, len(history) // 12))
        axis.set(title=label, xlabel="époque", ylabel="nats par image")
        axis.xaxis.get_major_locator().set_params(integer=True)
    reconstruction, kl = (number(history[column].iloc[-1], 1) for column, _ in terms)
    alt = f"Validation par époque, en nats par image : reconstruction ({reconstruction} à la fin), puis KL ({kl})."
    return Drawing(figure, alt, "svg")


# --- 03: the search --------------------------------------------------------------------------------------------------


def plot_parallel(table: pd.DataFrame) -> Drawing:
    """Draws the complete trials in parallel coordinates, the best fifth in colour and thick, the others in grey."""
    trials = complete_trials(table)[::-1].reset_index(drop=True)
    columns = [*SPACE, "val_nelbo"]
    figure, axes = new_figure(4.8)
    heights, ticks = {}, {}
    for name in columns:
        if name in SPACE and name != "learning_rate":
            position = {choice: i / (len(SPACE[name]) - 1) for i, choice in enumerate(SPACE[name])}
            jitter = np.random.default_rng(0).uniform(-0.02, 0.02, len(trials))
            heights[name] = trials[name].map(position).to_numpy(float) + jitter
            ticks[name] = [(h, word(name, c)) for c, h in position.items()]
        else:
            values = np.log10(trials[name]) if name == "learning_rate" else trials[name]
            low, high = values.min(), max(values.max(), values.min() + 1e-9)
            heights[name] = ((values - low) / (high - low)).to_numpy(float)
            bounds = (trials[name].min(), trials[name].max())
            decimals = 4 if name == "learning_rate" else 1
            ticks[name] = [(h, number(v, decimals)) for h, v in zip((0, 1), bounds, strict=True)]
    others = len(trials) - max(1, round(len(trials) / 5))
    for i in range(len(trials)):
        style = {"color": GREY, "lw": 1} if i < others else {"color": PALETTE[2], "lw": 2.2, "zorder": 3}
        axes.plot(range(len(columns)), [heights[name][i] for name in columns], **style)
    for x, name in enumerate(columns):
        axes.axvline(x, color="#333", lw=1)
        for height, text in ticks[name]:
            box = {"boxstyle": "round,pad=.15", "fc": "white", "ec": "none", "alpha": 0.85}
            axes.text(x + 0.03, height, text, fontsize=9, va="center", zorder=4, bbox=box)
    axes.set_title("Les meilleurs essais (en rouge) parmi les essais complets")
    axes.set(xlim=(-0.1, len(columns) - 0.4), yticks=[])
    labels = [NAMES.get(name, "ELBO nég.\n(nats)").replace(" ", "\n", 1) for name in columns]
    axes.set_xticks(range(len(columns)), labels, fontsize=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if trials.empty:
        return Drawing(figure, "Coordonnées parallèles vides : aucun essai n'est complet.", "svg")
    best, worst = trials.iloc[-1], trials.iloc[0]
    settings = ", ".join(f"{NAMES[name]} {word(name, best[name])}" for name in SPACE)
    alt = (
        f"Coordonnées parallèles de {len(trials)} essais complets, de {number(best['val_nelbo'])} à "
        f"{number(worst['val_nelbo'])} nats. Le meilleur : {settings}."
    )
    return Drawing(figure, alt)  # many curves make a vector figure heavy


def plot_importance(shares: pd.Series, names: Mapping[str, str] = NAMES) -> Drawing:
    """Draws the shares of `selection.importance` as bars, under the French names of the settings."""
    figure, axes = new_figure(0.9 + 0.38 * max(len(shares), 1))
    names, texts = [names[name] for name in shares.index], [percent(value, 0) for value in shares]
    bars = axes.barh(names[::-1], 100 * shares[::-1].to_numpy(), color=PALETTE[0])
    axes.bar_label(bars, texts[::-1], padding=4)
    axes.set(title="Quel réglage explique les écarts entre essais ?", xlabel="part de la variance expliquée (%)")
    axes.margins(x=0.12)
    parts = ", ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    return Drawing(figure, f"Part de la variance expliquée par chaque réglage : {parts or 'trop peu d’essais'}.", "svg")


# --- 04: the evaluation ----------------------------------------------------------------------------------------------


def plot_reconstructions(model: CVAE, part: Part, indices: np.ndarray, *, title: str) -> Drawing:
    """Draws images above their reconstructions, with the class and the cost above the entropy, ten a row."""
    part = part.take(indices)
    reconstructions = reconstruct(model, part)
    cost = nelbo_terms(model, part).sum(axis=1) - bernoulli_entropy(part)
    images, captions = [], []
    for start in range(0, len(part), 10):
        window = slice(start, start + 10)
        images += [*part.images[window], *reconstructions[window]]
        captions += [CLASSES[label] for label in part.labels[window]]
        captions += [f"+{number(c, 0)} nats" for c in cost[window]]
    figure = image_grid(images, captions, columns=min(10, len(part)), title=title)
    alt = (
        f"{title} : {len(part)} images de test, chacune au-dessus de sa reconstruction, qui coûte de "
        f"{number(cost.min(), 0)} à {number(cost.max(), 0)} nats de plus que le plancher."
    )
    return Drawing(figure, alt)


def plot_loss_budget(table: pd.DataFrame) -> Drawing:
    """Draws `evaluation.loss_budget`: a bar per class, cut into entropy, gap and KL; the mean at the bottom."""
    mean = table.mean()
    rows = pd.concat([mean.to_frame("moyenne").T, table])
    figure, axes = new_figure(5.2)
    left = np.zeros(len(rows))
    parts = (("entropy", "plancher", "#c9ced3", ""), ("gap", "écart de reconstruction", PALETTE[1], "//"))
    for column, label, colour, hatch in (*parts, ("kl", "KL", PALETTE[0], "")):
        bars = axes.barh(
            rows.index, rows[column], left=left, color=colour, hatch=hatch, edgecolor="white", label=label
        )
        axes.bar_label(bars, [number(v, 0) for v in rows[column]], label_type="center", fontsize=10)
        left += rows[column].to_numpy()
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set(xlabel="nats par image")
    figure.suptitle("Où vont les nats ?", x=0.01, ha="left", fontweight="bold", fontsize=13)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    gap = table["gap"]
    alt = (
        f"Barres par classe : l'écart de reconstruction va de {number(gap.min(), 1)} nats ({gap.idxmin()}) à "
        f"{number(gap.max(), 1)} nats ({gap.idxmax()}) ; en moyenne, plancher {number(mean['entropy'], 1)}, écart "
        f"{number(mean['gap'], 1)}, KL {number(mean['kl'], 1)}."
    )
    return Drawing(figure, alt)  # hatches make a vector figure heavy


def plot_generated(images: np.ndarray) -> Drawing:
    """Draws generated garments, one class a row, images ordered by class."""
    columns = len(images) // len(CLASSES)
    means = pd.Series([images[c * columns : (c + 1) * columns].mean() / 255 for c in range(len(CLASSES))], CLASSES)
    alt = (
        f"Images inventées pour chacune des dix classes, {columns} par classe, une classe par ligne. Gris moyen : de "
        f"{percent(means.min(), 0)} ({means.idxmin()}) à {percent(means.max(), 0)} ({means.idxmax()})."
    )
    return Drawing(image_grid(images, columns=columns, row_labels=CLASSES), alt)


def plot_class_swaps(model: CVAE, part: Part, *, title: str = "") -> Drawing:
    """Draws each garment, then its style worn by the ten classes, one garment a row."""
    swaps = swap_class(model, part).reshape(len(part), 10, 28, 28)
    images = [im for garment, row in zip(part.images[..., 0], swaps, strict=True) for im in (garment, *row)]
    captions = [c for label in part.labels for c in (f"({CLASSES[label]})", *CLASSES)]
    worn = tone(swaps.reshape(-1, 28, 28)).reshape(len(part), 10).mean(axis=1)
    rows = zip(part.labels, tone(part.images), worn, strict=True)
    tones = " ; ".join(f"{CLASSES[c]}, {percent(own, 0)} puis {percent(mean, 0)}" for c, own, mean in rows)
    alt = (
        f"{title or 'Même style, autre classe'} : un vêtement de test par ligne, puis son code décodé dans les dix "
        "classes. "
        f"Gris moyen du vêtement, puis de ses dix images : {tones}."
    )
    return Drawing(image_grid(images, captions, columns=11, title=title), alt)


def plot_interpolations(model: CVAE, first: Part, second: Part) -> Drawing:
    """Draws ten steps between pairs of garments, each row between its two originals."""
    steps = interpolate(model, first, second, steps=10).reshape(len(first), 10, 28, 28)
    rows = zip(first.images[..., 0], steps, second.images[..., 0], strict=True)
    images = [image for start, row, end in rows for image in (start, *row, end)]
    captions = ["départ", *[""] * 10, "arrivée"] * len(first)
    garments = ", ".join(CLASSES[label] for label in first.labels)
    jumps = np.abs(np.diff(steps.astype(float), axis=1)).mean(axis=(2, 3)) / 255
    alt = (
        f"Promenades de dix étapes entre deux vêtements de test de même classe, une par ligne ({garments}). D'une "
        "étape à "
        f"la suivante, un pixel change en moyenne de {percent(jumps.mean())} de l'échelle, au plus de "
        f"{percent(jumps.max())}."
    )
    return Drawing(image_grid(images, captions, columns=12), alt)


def plot_least_convincing(
    images: np.ndarray, labels: np.ndarray, reference: ReferenceFeatures, indices: np.ndarray
) -> Drawing:
    """Draws generated images with the class asked for and the class that the judge reads."""
    answers = logits_and_features(reference.judge, images[indices])[0].argmax(1)
    captions = [f"{CLASSES[a]}\nlu : {CLASSES[b]}" for a, b in zip(labels[indices], answers, strict=True)]
    alt = f"Les {len(indices)} images inventées les moins convaincantes ; sous chacune, classe demandée, puis lue."
    asked = pd.Series(np.array(CLASSES)[labels[indices]]).value_counts()
    alt += f" La plus fréquente : {asked.index[0]} ({asked.iloc[0]} images)."
    return Drawing(image_grid(images[indices], captions, columns=10), alt)
