"""The drawings of notebooks 02 and 03: networks and their training, what they are worth, where they look.

Those of notebook 01 are in `figures_preparation`.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from sklearn.metrics import confusion_matrix

from commun import figures
from commun.figures import MARKERS, PALETTE, Drawing, number, percent
from commun.training import keras
from projet1_artistes import evaluation, experiments, sides
from projet1_artistes.dataset import Data
from projet1_artistes.networks import Classifier
from projet1_artistes.tables import points, variant_title
from projet1_artistes.training import Config

# --- Networks --------------------------------------------------------------------------------------------------------


def plot_network(network, side: int, *, title: str) -> Drawing:
    """Draws a network as a row of boxes, as high as the maps are wide; each says its shape.

    Args:
        network: from `networks.build`, residual or plain; its own layers are read.
        side: of the works that it sees, in pixels.
        title: of the figure, in French.
    """
    boxes = _boxes(network, side)
    figure, axes = figures.new_figure(3.3)
    axes.set(xlim=(-0.6, len(boxes) - 0.4), ylim=(-1.15, 1.1))
    title = f"{title} : {number(network.count_params())} poids"
    axes.set_title(title)
    axes.axis("off")
    texts = []
    for x, (name, shape, weighted) in enumerate(boxes):
        shape_text = _spelled(shape) + " scores" * (x + 1 == len(boxes))
        texts.append(f"{name} ({shape_text})".replace("\n", " "))
        half = 0.12 + 0.85 * (shape[0] if len(shape) == 3 else 1) / side
        colour = PALETTE[0] if weighted else "#d5dadf"
        box = mpl.patches.Rectangle((x - 0.24, -0.1 - half / 2), 0.48, half, facecolor=colour, edgecolor="#333")
        axes.add_patch(box)
        axes.text(x, 0.62, name, ha="center", va="center", fontsize=11)
        axes.text(x, -0.85, shape_text, ha="center", va="center", fontsize=11)
        if x + 1 < len(boxes):
            axes.annotate("", (x + 0.74, -0.1), (x + 0.27, -0.1), arrowprops={"arrowstyle": "->", "color": "#333"})
    return Drawing(figure, f"Schéma. {title} ; {', puis '.join(texts)}.", "svg")


def _boxes(network, side: int) -> list[tuple[str, tuple[int, ...], bool]]:
    """Returns the parts of a network in order: name, shape of what leaves it for such works, whether it has weights.

    A part ends with a layer named "stem" or "stage_...", with the global average, and with the last layer.
    """
    ends, part = [("œuvre", network.input, False)], []
    for layer in network.layers:
        part.append(layer)
        if layer.name == "stem" or layer.name.startswith("stage_"):
            ends.append((_part_name(layer.name, part), layer.output, True))
            part = []
        elif isinstance(layer, keras.layers.GlobalAveragePooling2D):
            ends.append(("moyenne\nglobale", layer.output, False))
    ends.append(("dense", network.output, True))
    whole = keras.Model(network.input, [output for _, output, _ in ends])
    shapes = whole.compute_output_shape((1, side, side, 3))
    return [(name, tuple(shape[1:]), weighted) for (name, _, weighted), shape in zip(ends, shapes, strict=True)]


def _part_name(end: str, part: list) -> str:
    """Says in French what the layers of a part are."""
    blocks = sum(type(layer).__name__ == "Add" for layer in part)
    if blocks:
        stage = end.removeprefix("stage_")
        return f"étage {stage}\n" + ("1 bloc\nrésiduel" if blocks == 1 else f"{blocks} blocs\nrésiduels")
    convolution = next(layer for layer in part if type(layer).__name__ == "Conv2D")
    pooling = next((layer for layer in part if type(layer).__name__ == "MaxPooling2D"), None)
    stride = f", pas {convolution.strides[0]}" if convolution.strides[0] > 1 else ""
    after = f", puis\nmaximum {_spelled(pooling.pool_size)}" if pooling else ""
    return f"convolution\n{_spelled(convolution.kernel_size)}{stride}{after}"


def _spelled(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def plot_accuracy(history: pd.DataFrame) -> Drawing:
    """Draws the accuracy on transformed training works and on whole validation works, against epochs."""
    figure, axes = figures.new_figure(3.4)
    series = {"accuracy": "apprentissage (morceaux transformés)", "val_accuracy": "validation (œuvres entières)"}
    for (name, label), colour, marker in zip(series.items(), PALETTE, MARKERS, strict=False):
        if name in history:
            step = max(1, len(history) // 15)
            axes.plot(history["epoch"], 100 * history[name], color=colour, marker=marker, markevery=step, label=label)
    axes.set(title="L'exactitude monte-t-elle encore ?", xlabel="époque", ylabel="exactitude (%)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    last = history.iloc[-1]
    alt = f"Exactitude par époque ; à la fin, {percent(last['accuracy'])} sur l'apprentissage"
    alt += f", {percent(last['val_accuracy'])} sur la validation." if "val_accuracy" in history else "."
    return Drawing(figure, alt)


def plot_variants(summary: pd.DataFrame, measure: str, *, title: str, ylabel: str, xlabel: str = "") -> Drawing:
    """Draws a measure of `experiments.summary` against variants, with intervals; numbers are spaced evenly."""
    figure, axes = figures.new_figure(3.6)
    names = [variant_title(variant) for variant in summary.index]
    places, values = np.arange(len(summary)), summary[measure].to_numpy()
    bounds = summary[[f"{measure}_low", f"{measure}_high"]].to_numpy().T
    errors = 100 * np.abs(bounds - values)
    axes.errorbar(places, 100 * values, errors, fmt="o", color=PALETTE[0], capsize=5, markersize=8, linewidth=2)
    for place, value in zip(places, values, strict=True):
        axes.annotate(percent(value), (place, 100 * value), (9, 0), textcoords="offset points", va="center")
    axes.set(title=title, ylabel=ylabel, xlabel=xlabel, xlim=(-0.5, len(summary) - 0.3))
    axes.set_xticks(places, names)
    parts = (f"{name}, {percent(value)}" for name, value in zip(names, values, strict=True))
    return Drawing(figure, f"{title} En ordonnée, {ylabel}. {' ; '.join(parts)}.")


def plot_gains(gains: pd.DataFrame, *, title: str, xlabel: str) -> Drawing:
    """Draws `experiments.gains`, one line a variant: the difference in points, its interval, and zero."""
    figure, axes = figures.new_figure(1.4 + 0.55 * max(1, len(gains)))
    names, texts = [variant_title(variant) for variant in gains.index], []
    for place, (name, (_, row)) in enumerate(zip(names, gains.iterrows(), strict=True)):
        value, low, high = 100 * row[["gain", "low", "high"]]
        spread = [[max(0, value - low)], [max(0, high - value)]]
        style = {"color": PALETTE[place % len(PALETTE)], "fmt": MARKERS[place % len(MARKERS)], "capsize": 5}
        axes.errorbar(value, place, xerr=spread, markersize=8, linewidth=2, **style)
        axes.annotate(points(row).split(" [")[0], (value, place), (0, 9), textcoords="offset points", ha="center")
        texts.append(f"{name}, {points(row)}")
    axes.axvline(0, color="black", lw=1.2, ls="--")
    axes.set(title=title, xlabel=xlabel, ylim=(len(gains) - 0.3, -0.7))
    axes.set_yticks(range(len(gains)), names)
    return Drawing(figure, f"{title} {xlabel} : {' ; '.join(texts)}.")


def plot_sides(by_side: Mapping[str, pd.DataFrame], config: Config) -> Drawing:
    """Draws the accuracy of trained networks against the side at which whole works are shown, with what was learnt.

    Args:
        by_side: what `sides.judge_at_sides` returns.
        config: of the networks, which saw the same crops.
    """
    figure, axes = figures.new_figure(3.8)
    texts = []
    for (name, answers), colour, marker in zip(by_side.items(), PALETTE, MARKERS, strict=False):
        table = experiments.summary(answers)
        values = 100 * table["accuracy"]
        errors = np.abs(100 * table[["accuracy_low", "accuracy_high"]].to_numpy().T - values.to_numpy())
        label = variant_title(name)
        axes.errorbar(values.index, values, errors, color=colour, marker=marker, capsize=3, label=label)
        told = ", ".join(f"{percent(value)} à {side}" for side, value in table["accuracy"].items())
        texts.append(f"{label} : {told}")
    learnt = sides.learnt_side(config)
    marks = (
        (config.train_side, ":", f"côté des morceaux appris ({config.train_side})"),
        (learnt, "--", f"côté où les choses ont la taille apprise ({number(learnt, 0)})"),
    )
    for side, style, label in marks:
        axes.axvline(side, color="black", ls=style, lw=1.2, label=label)
    axes.set(title="À quel côté juger ?", xlabel="côté des œuvres entières (px)", ylabel="exactitude (%)")
    axes.set_xticks(list(values.index))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=11)
    alt = f"Exactitude selon le côté, en pixels, des œuvres jugées. {' ; '.join(texts)}."
    return Drawing(figure, f"{alt} Lignes verticales : {marks[0][2]}, {marks[1][2]}.")


# --- What a classifier is worth --------------------------------------------------------------------------------------


def plot_confusions(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> Drawing:
    """Draws who is taken for whom, artists of one genre together, a frame around each genre of several artists.

    Args:
        probabilities: shape (n, k).
        labels: true class ids, shape (n,).
        data: the paintings.
    """
    order, artists = evaluation.style_order(data), evaluation.styles(data)
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=order)
    names, genres = artists["name"][order].tolist(), artists["genre"][order].to_numpy()
    titles = {"title": "Qui est pris pour qui ?", "xlabel": "artiste nommé", "ylabel": "artiste véritable"}
    drawing = figures.plot_confusion(matrix, names, **titles)
    axes = drawing.figure.axes[0]
    starts = np.flatnonzero(np.r_[True, genres[1:] != genres[:-1]])
    for start, end in zip(starts, [*starts[1:], len(genres)], strict=True):
        if end - start > 1:
            frame = mpl.patches.Rectangle((start - 0.5, start - 0.5), end - start, end - start, fill=False)
            frame.set(edgecolor=PALETTE[2], linewidth=1.2)
            axes.add_patch(frame)
            if len(order) > 15:
                x, side = (end - 0.2, "left") if end < len(order) / 2 else (start - 0.8, "right")
                axes.text(x, (start + end - 1) / 2, genres[start], color=PALETTE[2], fontsize=8, va="center", ha=side)
    if len(order) > 15:
        drawing.figure.set_figheight(8.2)
        axes.tick_params(length=0, labelsize=7)
        axes.set_xticklabels(names, rotation=90, ha="center")
    errors = evaluation.errors_by_genre(probabilities, labels, data)
    alt = drawing.alt
    if errors["errors"]:
        alt += (
            f" Artistes rangés par genre ; erreurs : {errors['errors']}, dont {percent(errors['same_genre'])} dans le "
            f"genre de l'œuvre ({percent(errors['chance'])} au hasard)."
        )
    return Drawing(drawing.figure, alt)


def plot_reliability(probabilities: np.ndarray, labels: np.ndarray) -> Drawing:
    """Draws how right answers (n, k) are against how confident they are, in bins of as many answers."""
    table = evaluation.calibration(probabilities, labels)
    error = number(evaluation.calibration_error(table), 3)
    figure, axes = figures.new_figure(4.6)
    axes.plot([0, 1], [0, 1], color=PALETTE[4], ls=":", label="confiance juste")
    interval = np.abs(table[["low", "high"]].to_numpy().T - table["accuracy"].to_numpy())
    style = {"color": PALETTE[0], "marker": "o", "capsize": 3, "label": "réponses"}
    axes.errorbar(table["confidence"], table["accuracy"], interval, **style)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", xlabel="confiance : probabilité de l'artiste nommé")
    axes.set(ylabel="exactitude", title=f"Confiance et exactitude (ECE : {error})")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    texts = (f"{percent(row.confidence, 0)} sûres, {percent(row.accuracy, 0)} justes" for row in table.itertuples())
    alt = (
        f"Exactitude selon la confiance, en {len(table)} groupes de réponses, des moins aux plus sûres : "
        f"{' ; '.join(texts)}. Écart moyen (ECE) : {error}."
    )
    return Drawing(figure, alt)


def plot_f1_against_works(table: pd.DataFrame) -> Drawing:
    """Draws the F1 of each tested artist of `artist_measures` against the works learnt from, some of them named."""
    tested = table[(table["tested"] > 0) & (table["learnt"] > 0)]
    named = tested.loc[_outstanding(tested)]
    figure, axes = figures.new_figure(4.8)
    axes.scatter(tested["learnt"], tested["f1"], s=36, color=PALETTE[0], alpha=0.8, linewidths=0)
    axes.margins(x=0.2)  # room for the names of the first and the last point
    axes.set(xscale="log", ylim=(-0.08, 1.08), xlabel="œuvres d'apprentissage (échelle logarithmique)", ylabel="F1")
    axes.set_title("Plus d'œuvres, meilleure reconnaissance ?")
    axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.grid(color="#e3e7ea")
    axes.set_axisbelow(True)
    _label(axes, named[["learnt", "f1"]].to_numpy(), list(named["name"]), tested[["learnt", "f1"]].to_numpy())
    correlation = number(tested["learnt"].corr(tested["f1"], method="spearman"), 2)
    texts = " ; ".join(f"{row.name}, {number(row.f1, 2)} pour {row.learnt}" for row in named.itertuples())
    alt = (
        f"F1 selon le nombre d'œuvres d'apprentissage, un point par artiste ({len(tested)} ; corrélation des rangs : "
        f"{correlation}). {texts}."
    )
    return Drawing(figure, alt)  # a picture: with so many names, drawn as lines, it would weigh three times more


def _label(axes, points: np.ndarray, names: Sequence[str], others: np.ndarray) -> None:
    """Writes names beside their points, (m, 2), each nearer to its own than to any of `others`, (n, 2), and linked.

    A name for which there is no such place (another point is at the same one) is left out.
    """
    axes.figure.draw_without_rendering()  # now the places of the points on the page are known
    renderer, frame = FigureCanvasAgg(axes.figure).get_renderer(), axes.get_window_extent()
    page, taken = axes.transData.transform(others), []
    for point, name in zip(points, names, strict=True):
        own = axes.transData.transform(point)
        around = page[np.abs(page - own).max(axis=1) > 1]
        spellings = (name, textwrap.fill(name, len(name) // 2 + 2))  # in two lines if it must be
        for spelling, (offset, aligned) in itertools.product(spellings, _PLACES):
            options = dict(zip(("ha", "va"), aligned, strict=True)) | {"textcoords": "offset points", "fontsize": 10}
            line = {"arrowstyle": "-", "color": PALETTE[4], "lw": 0.8, "shrinkA": 0, "shrinkB": 3}
            text = axes.annotate(spelling, point, offset, arrowprops=line, **options)
            text.update_positions(renderer)
            box = mpl.text.Text.get_window_extent(text, renderer)
            away = np.array([_distance(box, other) for other in around])
            clear = not away.size or away.min() > max(4, 1.3 * _distance(box, own))
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if clear and inside and len(page) - len(around) == 1 and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


_PLACES = [  # of a name, from the closest: offset from its point in typographic points, and how it is aligned
    ((sign_x * far, sign_y * far * (0.6 if sign_x else 1)), (horizontal, vertical))
    for far in (7, 14, 22, 32)
    for sign_x, horizontal in ((1, "left"), (-1, "right"), (0, "center"))
    for sign_y, vertical in ((0, "center"), (1, "bottom"), (-1, "top"))
    if sign_x or sign_y
]


def _distance(box, point: np.ndarray) -> float:
    """Returns how far a point of the page is from a box, in pixels; 0 within it."""
    x, y = point
    return float(np.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1)))


def _outstanding(tested: pd.DataFrame) -> list[int]:
    """Returns the rows of the artists with most and fewest works, and the three furthest above and below the trend."""
    works = np.log(tested["learnt"])
    slope = np.cov(works, tested["f1"])[0, 1] / max(works.var(), 1e-9) if len(tested) > 1 else 0.0
    gap = (tested["f1"] - slope * works).sort_values()
    return list(dict.fromkeys([works.idxmax(), works.idxmin(), *gap.index[:3], *gap.index[-3:]]))


# --- Where the network looks -----------------------------------------------------------------------------------------


def plot_activation_maps(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, *, title: str
) -> Drawing:
    """Draws works and, in warm colours, where the network sees the artist it names and, if wrong, the true one.

    Args:
        classifier: gives the class activation maps; those of one work share their scale.
        images: a few works, uint8 of shape (n, s, s, 3).
        labels: true class ids, shape (n,).
        probabilities: what the classifier says of them, shape (n, k).
        title: of the figure.
    """
    alt = f"{title} : œuvres et, en couleurs chaudes, là où le réseau voit l'artiste."
    if not len(images):
        figure, axes = figures.new_figure(0.5)
        axes.set_title(f"{title} : aucune œuvre")
        axes.axis("off")
        return Drawing(figure, f"{alt} Aucune œuvre.", "jpeg")
    predicted, names = probabilities.argmax(axis=1), classifier.names
    side = images.shape[1]
    maps = [_enlarged(classifier.activation_maps(images, classes), side) for classes in (predicted, labels)]
    scale = np.maximum(np.max(maps, axis=(0, 2, 3)), 1e-6)[:, None, None]
    over_named, over_true = (_overlay(images, np.clip(heat / scale, 0, 1)) for heat in maps)
    all_right = (predicted == labels).all()
    pictures, captions, texts = [], [], []
    for i, (true, named) in enumerate(zip(labels, predicted, strict=True)):
        pictures += [images[i], over_named[i]]
        captions += [_caption("peint par", names[true]), _caption("nommé", names[named], probabilities[i, named])]
        if not all_right:
            pictures.append(np.full_like(images[i], 255) if true == named else over_true[i])
            captions.append("" if true == named else _caption("véritable", names[true], probabilities[i, true]))
        answer = "reconnu" if true == named else f"pris pour {names[named]}"
        texts.append(f"{names[true]}, {answer} ({percent(probabilities[i, named], 0)})")
    figure = figures.image_grid(pictures, captions, columns=6, title=title)
    return Drawing(figure, f"{alt} {' ; '.join(texts)}.", "jpeg")


def _caption(role: str, name: str, probability: float | None = None) -> str:
    share = "" if probability is None else f" ({percent(probability, 0)})"
    return f"{role}{share}\n{textwrap.fill(name, 18)}"


def _enlarged(maps: np.ndarray, side: int) -> np.ndarray:
    """Returns maps (n, h, w) resized to (n, side, side), float32, smoothly."""
    size = (side, side)
    return np.stack([np.asarray(Image.fromarray(m).resize(size, Image.Resampling.BICUBIC)) for m in maps])


def _overlay(images: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns uint8 images (n, s, s, 3), in grey and dark, under the colours of maps (n, s, s) in 0..1."""
    grey = images.astype(np.float32).mean(axis=-1, keepdims=True)
    colours = 255 * mpl.colormaps["inferno"](heat)[..., :3]
    return np.clip(0.45 * grey + 0.75 * colours, 0, 255).astype(np.uint8)
