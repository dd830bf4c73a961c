"""The drawings of notebooks 01 and 02, each with its alternative text; those of 03 are in `score_figures`.

Nothing is computed here but what a drawing needs. A colour never says alone what it says: a marker, a line style or a
place says it too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import ImageColor
from scipy import ndimage

from commun import figures
from commun.figures import PALETTE, Drawing, number
from projet3_ssl_anomalies import dataset, metrics
from projet3_ssl_anomalies.colour import mean_difference, to_lab, to_rgb
from projet3_ssl_anomalies.dataset import SIDE, Data, defect_title
from projet3_ssl_anomalies.defects import TYPES, Defective
from projet3_ssl_anomalies.detector import HeldOut
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor, hidden_view, reconstruction_picture
from projet3_ssl_anomalies.signals import BASELINE, ERROR, REPRESENTATION, named, title
from projet3_ssl_anomalies.statistics import ScoringConfig, enlarge

OUTLINE = "#00c8ff"  # of the true defects; seen on dark, brown and white parts alike
COLUMNS, DEFECT_ROWS = 9, 8  # of a contact sheet, at most


# --- Notebook 01: the parts ------------------------------------------------------------------------------------------


def plot_contact_sheet(data: Data) -> Drawing:
    """Draws a row of training images, then one for each of the most frequent defects, its masks outlined."""
    (_, train, _), *defects = rows = _contact_rows(data)
    padding = np.full((COLUMNS, SIDE, SIDE, 3), 255, np.uint8)
    figure = figures.image_grid(
        np.concatenate([np.concatenate([images, padding])[:COLUMNS] for _, _, images in rows]),
        columns=COLUMNS,
        row_labels=[textwrap.fill(defect_title(name), 13, break_long_words=False) for name, _, _ in rows],
        title=f"{data.category.title.capitalize()} ({data.source})",
    )
    for row, (_, table, _) in enumerate(defects, start=1):
        for axis, mask in zip(figure.axes[row * COLUMNS :], dataset.masks(table), strict=False):
            if mask.any():
                around = ndimage.binary_dilation(mask, iterations=3)  # so that the line does not hide the defect
                axis.contour(around, levels=[0.5], colors=OUTLINE, linewidths=1)
    listed = ", ".join(f"{defect_title(name)} ({len(table)})" for name, table, _ in defects)
    defective = f"puis, masques entourés, par type de défaut : {listed}" if defects else "aucun défaut"
    alt = (
        f"Planche d'images, catégorie {data.category.title}, {data.source} : {len(train)} images d'apprentissage sans "
        f"défaut, {defective}."
    )
    return Drawing(figure, alt, "jpeg")


def _contact_rows(data: Data) -> list[tuple[str, pd.DataFrame, np.ndarray]]:
    """Returns the rows of the contact sheet: folder of the type, table and images, at most `COLUMNS` of each."""
    train, images = dataset.read(data.train)
    places = dataset.evenly_spaced(np.arange(len(train)), COLUMNS)
    rows = [("good", train.iloc[places], images[places])]
    test, images = dataset.read(data.test)
    for name in test["defect"][test["is_defect"]].value_counts().index[:DEFECT_ROWS]:
        places = dataset.evenly_spaced(np.flatnonzero(test["defect"] == name), COLUMNS)
        rows.append((name, test.iloc[places], images[places]))
    return rows


def plot_mask_areas(table: pd.DataFrame) -> Drawing:
    """Draws the share of the image that each defect covers, by type, from the rows of `checks.mask_areas`."""
    table = table.reset_index(drop=True)
    names = table["category"] + " : " + table["defect"]
    rows, labels = pd.factorize(names)
    figure, axes = figures.new_figure(1.3 + 0.34 * len(labels))
    for colour, (source, part) in zip(PALETTE, table.groupby("source", sort=False), strict=False):
        axes.scatter(100 * part["share"], rows[part.index], color=colour, alpha=0.6, s=22, linewidths=0, label=source)
    medians = 100 * table.groupby(names, sort=False)["share"].median()
    axes.plot(medians, range(len(labels)), "|", color="black", markersize=14, markeredgewidth=2, label="médiane")
    axes.set(title="Surface des défauts", xlabel="part de l'image (%)")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    axes.legend()
    if table.empty:
        axes.set_xlim(0.01, 100)  # without a point, a logarithmic axis can't be drawn
    use_logarithms(axes, lambda value, _: f"{value:g}".replace(".", ","))
    grid(axes)
    medians = table.groupby(["category", "source", "defect"], sort=False)["share"].median()
    listed = [
        f"{defect} de {category} ({source}) {figures.percent(share, 2)}"
        for (category, source, defect), share in medians.items()
    ]
    shares = " ; ".join(listed) or "aucun masque"
    alt = "Nuages de points : part médiane de l'image que couvre chaque type de défaut. "
    return Drawing(figure, f"{alt}{shares[0].upper()}{shares[1:]}.")


def plot_lab(image: np.ndarray) -> Drawing:
    """Draws an image, uint8 (side, side, 3), its lightness and its two chroma channels, as grey and as colour."""
    lab = to_lab(image)
    grey = [np.repeat(np.clip(127.5 * (lab[..., c : c + 1] + 1), 0, 255).astype("uint8"), 3, axis=2) for c in range(3)]
    flat = to_rgb(np.concatenate([np.full_like(lab[..., :1], 0.2), lab[..., 1:]], axis=-1))
    captions = ["l'image", "clarté L*", "a* (vert à rouge)", "b* (bleu à jaune)", "la couleur seule"]
    alt = "Une bonne pièce, sa clarté, ses deux canaux de couleur en niveaux de gris, puis sa couleur à clarté"
    return Drawing(figures.image_grid([image, *grey, flat], captions, columns=5), f"{alt} constante.", "jpeg")


def plot_painted(good: np.ndarray, painted: Defective) -> Drawing:
    """Draws good images, uint8 (n, side, side, 3), and what was painted on each: one row per image."""
    pictures, captions = [], []
    for source, image in enumerate(good):
        pictures.append(image)
        captions.append("bonne pièce")
        for name, french in TYPES.items():
            rows = np.flatnonzero((painted.sources == source) & (painted.defect_types == name))
            seen = outlined(painted.images[rows[0]], painted.masks[rows[0]]) if len(rows) else np.full_like(image, 255)
            pictures.append(seen)
            captions.append(french if len(rows) else f"{french} :\nrien de visible")
    counts = ", ".join(f"{(painted.defect_types == name).sum()} {french}" for name, french in TYPES.items())
    figure = figures.image_grid(
        pictures, captions, columns=len(TYPES) + 1, title=f"{len(TYPES)} sortes de faux défauts"
    )
    alt = f"Bonnes pièces et faux défauts peints sur elles ({counts}), chacun cerné de bleu."
    return Drawing(figure, alt, "jpeg")


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns a copy of a uint8 image with the outline of a mask, drawn just outside it."""
    ring = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=3)
    return np.where(ring[..., None], np.array(ImageColor.getrgb(OUTLINE), "uint8"), image)


# --- Notebook 02: the tasks ------------------------------------------------------------------------------------------


def plot_tasks(models: Mapping[str, Reconstructor], images: np.ndarray, names: Sequence[str]) -> Drawing:
    """Draws, a block a task, images, what the network receives, what it gives back, and the image predicted unseen.

    Args:
        models: task -> trained model.
        images: a few, uint8 of shape (n, side, side, 3); two a row.
        names: French name of each.
    """
    rows, listed = [], []
    for task, model in models.items():
        output, unseen = (reconstruction_picture(model, images, unseen=u) for u in (False, True))
        differences = [number(error, 1) for error in mean_difference(images, unseen)]
        captions = [(n, "reçue", "rendue", f"devinée\nΔE {e}") for n, e in zip(names, differences, strict=True)]
        pictures = zip(images, hidden_view(model, images), output, unseen, strict=True)
        cells = [list(zip(*image, strict=True)) for image in zip(pictures, captions, strict=True)]
        pairs = [sum(cells[i : i + 2], []) for i in range(0, len(cells), 2)]
        rows += zip([title(task), *[""] * len(pairs)], pairs, strict=False)
        errors = ", ".join(f"{name} {error}" for name, error in zip(names, differences, strict=True))
        listed.append(f"{title(task)} : {errors}")
    alt = (
        f"Pour chaque tâche, {len(images)} images : l'image, ce que le réseau en reçoit, ce qu'il rend, et l'image "
        f"devinée. Différence de couleur moyenne de cette dernière (ΔE) : {' ; '.join(listed)}."
    )
    return Drawing(_draw_rows(rows), alt, "jpeg")


def plot_snapshots(snapshots: Mapping[str, Mapping[int, np.ndarray]], image: np.ndarray) -> Drawing:
    """Draws how the reconstruction of an image improves with training, a row a task.

    Args:
        snapshots: task -> what `training.snapshots` returns; a task without any has no row.
        image: the image, uint8 of shape (side, side, 3).
    """
    rows, listed, original = [], [], (image, "image")
    for task, pictures in snapshots.items():
        steps = _spread_snapshots(pictures, image)
        if steps:
            cells = [(picture, f"époque {epoch}\nΔE {number(error, 1)}") for epoch, picture, error in steps]
            rows.append((title(task), [original, *cells]))
            (first, _, before), (last, _, after) = steps[0], steps[-1]
            change = f"de {number(before, 1)} (époque {first}) à {number(after, 1)} (époque {last})"
            listed.append(f"{title(task)}, {change}")
    told = f"Différence de couleur moyenne (ΔE) : {' ; '.join(listed)}" if listed else "Aucune étape n'a été gardée"
    alt = f"Une image et sa reconstruction au fil de l'entraînement. {told}."
    return Drawing(_draw_rows(rows or [("", [original])]), alt, "jpeg")


def _spread_snapshots(pictures: Mapping[int, np.ndarray], image: np.ndarray) -> list[tuple[int, np.ndarray, float]]:
    """Returns up to five snapshots, the later the further apart: epoch, picture, its mean colour error."""
    ranks = np.unique(np.geomspace(1, len(pictures), 5).round().astype(int)) - 1 if pictures else []
    epochs = [sorted(pictures)[rank] for rank in ranks]
    return [(e, pictures[e], mean_difference(image[None], pictures[e][None])[0]) for e in epochs]


def _draw_rows(rows: list[tuple[str, list[tuple[np.ndarray, str]]]]) -> Figure:
    """Draws rows of pictures and captions, with a title each, and white ends if some are shorter."""
    columns = max(len(cells) for _, cells in rows)
    white = (np.full_like(rows[0][1][0][0], 255), "")
    pictures, captions = zip(*(c for _, cells in rows for c in cells + [white] * (columns - len(cells))), strict=True)
    return figures.image_grid(pictures, captions, columns=columns, row_labels=[folded(name) for name, _ in rows])


def folded(text: str) -> str:
    """Returns a text on short lines, to stand beside pictures."""
    return textwrap.fill(text, 12, break_long_words=False)


def plot_signal_maps(unseen: HeldOut, scoring: ScoringConfig, row: int) -> Drawing:
    """Draws how far from good parts each signal is, on a part with a synthetic defect, all on one scale.

    Args:
        unseen: its `painted` has the part.
        scoring: how signals are compared with those of good parts.
        row: which part of `painted`.
    """
    image, mask = unseen.painted.images[row], unseen.painted.masks[row]
    maps = {name: found[row : row + 1] for name, found in unseen.painted_maps(scoring).items()}
    tasks = [task for task in PRETEXTS if named(task, ERROR) in maps]
    columns = [("la pièce", (None, BASELINE))]
    columns += [(title(task), (named(task, ERROR), named(task, REPRESENTATION))) for task in tasks]
    figure, axes = figures.new_figure(4.7, rows=2, columns=len(columns))
    scale, listed = distance_scale(max(m.max() for m in maps.values())), []
    for column, (heading, names) in zip(axes.T, columns, strict=True):
        for axis, name in zip(column, names, strict=True):
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if name is None:
                axis.imshow(image)
                axis.contour(mask, levels=[0.5], colors=OUTLINE, linewidths=1.5)
                continue
            shown = axis.imshow(maps[name][0], cmap="inferno", norm=scale, interpolation="nearest")
            area = number(metrics.pixel_auroc(enlarge(maps[name], len(image)), mask[None]), 3)
            axis.set_xlabel(f"{title(name).rpartition(', ')[2]}\nAUROC {area}", fontsize=11)
            listed.append(f"{title(name)} {area}")
        column[0].set_title(textwrap.fill(heading, 14), fontsize=11)
    distance_bar(figure, shown, axes).set_label("distance aux bonnes pièces")
    alt = (
        f"Une pièce portant un faux défaut ({TYPES[str(unseen.painted.defect_types[row])]}) et, pour chaque signal, la "
        f"carte de la distance aux bonnes pièces. AUROC par pixel : {' ; '.join(listed)}."
    )
    return Drawing(figure, alt, "jpeg")


def distance_scale(top: float) -> LogNorm:
    """Returns the colours of distances up to `top`; logarithmic, for some signals see much further than others."""
    return LogNorm(top / 50, top, clip=True)


def distance_bar(figure: Figure, shown, axes):
    """Adds the bar of colours of `distance_scale`, and returns it."""
    written = FuncFormatter(lambda value, _: f"{value:g}".replace(".", ","))
    bar = figure.colorbar(shown, ax=axes, shrink=0.85, ticks=LogLocator(subs=(1, 2, 5)), format=written)
    bar.minorticks_off()
    return bar


def use_logarithms(axes, formatter) -> None:
    """Gives an abscissa a logarithmic scale, its ticks written by `formatter`."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(formatter))


def grid(axes) -> None:
    """Draws vertical lines behind."""
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
