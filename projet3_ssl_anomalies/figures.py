"""The drawings of notebooks 01 to 03, each with its alternative text.

Nothing is computed here but what a drawing needs. A colour never says alone what it says: a marker, a line style or a
place says it too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import ImageColor
from scipy import ndimage

from commun import figures
from commun.figures import MARKERS, PALETTE, Drawing, number
from projet3_ssl_anomalies import dataset, metrics, tables
from projet3_ssl_anomalies.colour import mean_difference, to_lab, to_rgb
from projet3_ssl_anomalies.dataset import SIDE, Data, defect_title
from projet3_ssl_anomalies.defects import TYPES, Defective
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.pretexts import FUSED, title
from projet3_ssl_anomalies.reconstructor import Reconstructor, hidden_view, reconstruction_picture

OUTLINE = "#00c8ff"  # of the true defects; seen on dark, brown and white parts alike
CONTOUR = "#ff2fd6"  # of the map at the threshold
COLOURS = (PALETTE[2], *PALETTE[:2], *PALETTE[3:])  # of the fusion, then of each task
LINES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1)), (0, (1, 1)))
COLUMNS, DEFECT_ROWS = 8, 8  # of a contact sheet, at most
FREQUENT = 6  # types of defect that have a marker of their own, at most


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
    _use_logarithms(axes, lambda value, _: f"{value:g}".replace(".", ","))
    _grid(axes)
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
    figure = figures.image_grid(pictures, captions, columns=len(TYPES) + 1, title="Sept sortes de faux défauts")
    alt = f"Bonnes pièces et faux défauts peints sur elles ({counts}), chacun cerné de bleu."
    return Drawing(figure, alt, "jpeg")


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns a copy of a uint8 image with the outline of a mask, drawn just outside it."""
    ring = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=3)
    return np.where(ring[..., None], np.array(ImageColor.getrgb(OUTLINE), "uint8"), image)


# --- Notebook 02: the tasks ------------------------------------------------------------------------------------------


def plot_tasks(models: Mapping[str, Reconstructor], images: np.ndarray, category_ids: np.ndarray) -> Drawing:
    """Draws, a block a task, images, what the network receives, what it gives back, and the image predicted unseen.

    Args:
        models: task -> trained model.
        images: a few, uint8 of shape (n, side, side, 3); two a row.
        category_ids: index of the category of each in the models, shape (n,).
    """
    rows, errors = [], {}
    for task, model in models.items():
        output, unseen = (reconstruction_picture(model, images, category_ids, unseen=u) for u in (False, True))
        differences = mean_difference(images, unseen)
        errors[task] = differences.mean()
        captions = [("image", "reçue", "rendue", f"devinée\nΔE {number(e, 1)}") for e in differences]
        pictures = zip(images, hidden_view(model, images), output, unseen, strict=True)
        cells = [list(zip(*image, strict=True)) for image in zip(pictures, captions, strict=True)]
        pairs = [sum(cells[i : i + 2], []) for i in range(0, len(cells), 2)]
        rows += zip([title(task), *[""] * len(pairs)], pairs, strict=False)
    alt = (
        f"Pour chaque tâche, {len(images)} images : l'image, ce que le réseau en reçoit, ce qu'il rend, et l'image "
        "dont chaque pixel est deviné sans être vu. Différence de couleur moyenne de cette dernière (ΔE) : "
        f"{_listed(errors, 1)}."
    )
    return Drawing(_draw_rows(rows), alt, "jpeg")


def plot_snapshots(snapshots: Mapping[str, Mapping[int, np.ndarray]], images: np.ndarray, *, which: int) -> Drawing:
    """Draws how the reconstruction of one watched image improves with training, a row a task.

    Args:
        snapshots: task -> what `training.snapshots` returns; a task without any has no row.
        images: the watched images, uint8 of shape (k, side, side, 3).
        which: index of the one that is drawn.
    """
    rows, listed, original = [], [], (images[which], "image")
    for task, pictures in snapshots.items():
        steps = _spread_snapshots(pictures, images, which)
        if steps:
            cells = [(picture, f"époque {epoch}\nΔE {number(error, 1)}") for epoch, picture, error in steps]
            rows.append((title(task), [original, *cells]))
            (first, _, before), (last, _, after) = steps[0], steps[-1]
            change = f"de {number(before, 1)} (époque {first}) à {number(after, 1)} (époque {last})"
            listed.append(f"{title(task)}, {change}")
    told = f"Différence de couleur moyenne (ΔE) : {' ; '.join(listed)}" if listed else "Aucune étape n'a été gardée"
    alt = f"Une image et sa reconstruction au fil de l'entraînement. {told}."
    return Drawing(_draw_rows(rows or [("", [original])]), alt, "jpeg")


def _spread_snapshots(
    pictures: Mapping[int, np.ndarray], images: np.ndarray, which: int
) -> list[tuple[int, np.ndarray, float]]:
    """Returns up to five snapshots, the later the further apart: epoch, picture, its mean colour error."""
    ranks = np.unique(np.geomspace(1, len(pictures), 5).round().astype(int)) - 1 if pictures else []
    original = images[which][None]
    epochs = [sorted(pictures)[rank] for rank in ranks]
    return [(e, pictures[e][which], mean_difference(original, pictures[e][which][None])[0]) for e in epochs]


def _draw_rows(rows: list[tuple[str, list[tuple[np.ndarray, str]]]]) -> Figure:
    """Draws rows of pictures and captions, with a title each, and white ends if some are shorter."""
    columns = max(len(cells) for _, cells in rows)
    white = (np.full_like(rows[0][1][0][0], 255), "")
    pictures, captions = zip(*(c for _, cells in rows for c in cells + [white] * (columns - len(cells))), strict=True)
    return figures.image_grid(pictures, captions, columns=columns, row_labels=[_folded(name) for name, _ in rows])


def _folded(text: str) -> str:
    return textwrap.fill(text, 12, break_long_words=False)


def _listed(values: Mapping[str, float], decimals: int) -> str:
    """Lists values by task, in French."""
    return " ; ".join(f"{title(task)} {number(value, decimals)}" for task, value in values.items())


def plot_codes(planes: Mapping[str, tuple], defect: np.ndarray, separations: Mapping[str, float]) -> Drawing:
    """Draws codes on a plane, a panel a task: good training parts, good test parts, and each type of defect.

    Args:
        planes: task -> projected codes of training (m, 2) and of test (n, 2).
        defect: folders of the test images, "good" for parts without defect, shape (n,).
        separations: task -> `reconstructor.code_separation`.
    """
    figure, axes = figures.new_figure(4.1, columns=len(planes), squeeze=False)
    types = _frequent(defect)
    for axis, (task, (train, test)) in zip(axes[0], planes.items(), strict=True):
        axis.scatter(*train.T, s=14, color="#cdd3d8", label="apprentissage")
        axis.scatter(*test[defect == "good"].T, s=30, facecolors="none", edgecolors="black", label="test, sans défaut")
        for (name, rows), colour, marker in zip(types.items(), PALETTE, f"{MARKERS[1:]}X", strict=False):
            axis.scatter(*test[rows].T, s=30, color=colour, marker=marker, linewidths=0, label=name)
        axis.set(xticks=[], yticks=[], xlabel=f"AUROC des codes : {number(separations[task], 3)}")
        axis.set_title(title(task).capitalize())
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=11)
    counts = ", ".join(f"{name} ({rows.sum()})" for name, rows in types.items()) or "aucun défaut"
    alt = (
        f"Nuages de points, un par tâche : les codes de {len(train)} images d'apprentissage et, du test, de "
        f"{(defect == 'good').sum()} pièces sans défaut, puis : {counts}. AUROC de la distance aux codes "
        f"d'apprentissage : {_listed(separations, 3)}."
    )
    return Drawing(figure, alt, "svg")


def _frequent(defect: np.ndarray) -> dict[str, np.ndarray]:
    """Returns where each type of defect is: French name -> bool (n,), the most frequent first.

    There are at most `FREQUENT`: beyond, the others are together under one name.
    """
    names, counts = np.unique(defect[defect != "good"], return_counts=True)
    names = names[np.argsort(-counts, kind="stable")]
    single = names if len(names) <= FREQUENT else names[: FREQUENT - 1]
    rows = {defect_title(name): defect == name for name in single}
    return rows if len(single) == len(names) else {**rows, "autres": np.isin(defect, names[len(single) :])}


# --- Notebook 03: from errors to maps, and the choice of the constants -----------------------------------------------


def plot_pipeline(pictures: Mapping[str, np.ndarray]) -> Drawing:
    """Draws `detector.pipeline_example`: the image, then each map; the last two, in deviations, share one scale."""
    titles = {"image": "image", "error": "erreur", "mean": "moyenne", "deviation": "écart-type"}
    titles |= {"distance": "erreur normalisée", "fused": "fusion"}
    figure, axes = figures.new_figure(3.9, rows=2, columns=3)
    top = max(pictures["distance"].max(), pictures["fused"].max(), 1e-6)
    for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=True):
        shown = axis.imshow(picture, cmap="inferno", vmin=0, interpolation="nearest")
        if name in {"distance", "fused"}:
            shown.set_clim(0, top)
        axis.set(title=titles[name], xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if picture.ndim == 2:
            figure.colorbar(shown, ax=axis, shrink=0.9)
    alt = (
        "Une bonne pièce portant un faux défaut, puis les cartes de son erreur, de la moyenne et de l'écart-type "
        "de l'erreur des bonnes pièces, de l'erreur normalisée et de la fusion. Au plus fort, l'erreur vaut "
        f"{number(pictures['error'].max())} ; normalisée, {number(pictures['distance'].max(), 1)} écarts-types ; "
        f"fusionnée, {number(pictures['fused'].max(), 1)}."
    )
    return Drawing(figure, alt, "jpeg")


def plot_ablation(table: pd.DataFrame, *, source: str) -> Drawing:
    """Draws what each constant of scoring changes on synthetic defects, a panel a constant, its retained value marked.

    Args:
        table: of `ablation.scoring_ablation`; the categories of a source are averaged.
        source: "real" or "sample", never both.
    """
    means = tables.mean_ablation(table[table["source"] == source])
    curves = {constant: part for constant, part in means.groupby("constant", sort=False) if len(part) > 1}
    figure, panels = _panels(len(curves), height=3.0, sharey=True)
    listed = []
    for axis, (constant, part) in zip(panels, curves.items(), strict=True):
        values = np.array([tables.shown_value(constant, value) for value in part["value"]])
        for (name, label), colour, marker in zip(tables.MEASURES.items(), PALETTE, MARKERS, strict=False):
            axis.plot(range(len(part)), part[name], color=colour, marker=marker, label=label)
        axis.set_xticks(range(len(part)), values, rotation=60 if max(map(len, values)) > 5 else 0, fontsize=10)
        name = tables.CONSTANTS[constant]
        axis.set_title(textwrap.fill(name[:1].upper() + name[1:], 28), fontsize=11)
        for place in np.flatnonzero(part["is_retained"]):
            axis.axvspan(place - 0.4, place + 0.4, color="#e3e7ea", zorder=0, label="valeur retenue")
        areas, retained = part["image"].to_numpy(), ", ".join(values[part["is_retained"]]) or "aucune"
        low, high = areas.argmin(), areas.argmax()
        change = f"de {number(areas[low], 3)} ({values[low]}) à {number(areas[high], 3)} ({values[high]})"
        listed.append(f"{name}, {change}, valeur retenue : {retained}")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    alt = f"Courbes par constante, {tables.SOURCES[source]}. AUROC image sur des défauts de synthèse : "
    return Drawing(figure, f"{alt}{' ; '.join(listed)}.")


def _panels(count: int, *, height: float, **options: Any) -> tuple[Figure, list]:
    """Returns a figure and its axes, three a row at most."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = figures.new_figure(0.6 + height * rows, rows=rows, columns=columns, squeeze=False, **options)
    for axis in axes.flat[count:]:
        axis.remove()
    return figure, list(axes.flat[:count])


# --- Notebook 03: what the scores are worth --------------------------------------------------------------------------


def plot_roc(scores: Mapping[str, Scores]) -> Drawing:
    """Draws ROC curves, a panel a category (by its French title), a line a task, and a thicker one for the fusion."""
    figure, panels = _panels(len(scores), height=3.3)
    listed = []
    for axis, (category, of_category) in zip(panels, scores.items(), strict=True):
        is_defect, areas = of_category.table["is_defect"].to_numpy(bool), tables.image_aurocs(of_category)
        by_task = tables.scores_by_task(of_category).items()
        for (name, values), colour, line in zip(by_task, COLOURS, LINES, strict=False):
            points = metrics.curves(values, is_defect)[:2] if np.isfinite(areas[name]) else ([], [])
            axis.plot(*points, color=colour, ls=line, lw=3 if name == FUSED else 1.8, label=title(name))
        axis.set(title=category[:1].upper() + category[1:], xlabel="bonnes pièces rejetées", ylabel="défauts trouvés")
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), aspect="equal")
        axis.legend(axis.lines, [number(area, 3) for area in areas.values()], loc="lower right", fontsize=11)
        listed.append(f"{category} : {_listed(areas, 3)}")
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside lower center", ncols=5, title="courbe ROC et son aire"
    )
    return Drawing(figure, f"Courbes ROC, un cadre par catégorie. Aires sous la courbe. {'. '.join(listed)}.")


def plot_scores(scores: Scores, threshold: float, *, heading: str) -> Drawing:
    """Draws the score of each part, a row a type of defect, with how many parts the threshold rejects."""
    types, values, rng = tables.rows_by_type(scores), scores.table["score"].to_numpy(), np.random.default_rng(0)
    figure, axes = figures.new_figure(1.4 + 0.55 * len(types))
    labels, listed = [], []
    for place, (name, rows) in enumerate(types.items()):
        colour, marker = (PALETTE[0], "o") if name == defect_title("good") else (PALETTE[2], "D")
        height = place + rng.uniform(-0.25, 0.25, rows.sum())
        axes.scatter(values[rows], height, s=26, alpha=0.7, linewidths=0, color=colour, marker=marker)
        rejected = f"rejetées : {(values[rows] > threshold).sum()} sur {rows.sum()}"
        labels.append(f"{name}\n{rejected}")
        listed.append(f"{name}, médiane {number(np.median(values[rows]), 1)}, {rejected}")
    axes.set_yticks(range(len(types)), labels, fontsize=11)
    axes.set(title=heading, xlabel="score d'anomalie", ylim=(len(types) - 0.1, -0.5))
    if values.min() > 0 and values.max() > 10 * threshold:
        axes.set(xlabel="score d'anomalie (échelle logarithmique)")
        _use_logarithms(axes, lambda value, _: number(value))
    _grid(axes)
    axes.axvline(threshold, color="black", ls="--")
    axes.text(threshold, 0.02, f" seuil {number(threshold, 2)}", transform=axes.get_xaxis_transform())
    alt = f"{heading} : nuage des scores par type, seuil {number(threshold, 2)}. {' ; '.join(listed)}."
    return Drawing(figure, alt)


def _use_logarithms(axes, formatter) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(formatter))


def _grid(axes) -> None:
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)


def plot_gallery(scores: Scores, detector: Detector, rows: np.ndarray, *, threshold: float, heading: str) -> Drawing:
    """Draws parts: image, reconstruction, map, and on the image the true outline and the map's one at the threshold.

    Args:
        scores: what `detector` says of the images.
        detector: its inpainting model, or else its first, gives the reconstruction.
        rows: those of `scores.table` that are drawn; there may be none.
        threshold: score above which a part is rejected.
        heading: of the figure.
    """
    parts = scores.table.iloc[rows]
    types = [defect_title(name) for name in parts["defect"]]
    decisions = [(f"score {number(s, 1)}", "rejetée" if s > threshold else "acceptée") for s in parts["score"]]
    listed = [f"{name}, {score}, {decision}" for name, (score, decision) in zip(types, decisions, strict=True)]
    what = "image, reconstruction, carte d'anomalie, contours du défaut et de la carte au seuil"
    alt = f"{heading} : {what} ({number(threshold, 2)}). {' ; '.join(listed) or 'Aucune pièce'}."
    if not len(rows):
        figure, axes = figures.new_figure(0.5)
        axes.set_title(f"{heading} : aucune pièce")
        axes.axis("off")
        return Drawing(figure, alt, "jpeg")
    images, maps, truth = scores.images[rows], scores.maps[rows], scores.truth[rows]
    model = detector.models.get("inpainting") or next(iter(detector.models.values()))
    unseen = reconstruction_picture(model, images, np.full(len(rows), detector.category_id))
    captions = ["image", f"reconstruction\n({model.pretext.title})", "carte", "défaut (trait plein),\nseuil (tirets)"]
    figure = figures.image_grid(
        [picture for pictures in zip(images, unseen, maps, images, strict=True) for picture in pictures],
        [""] * (4 * len(rows) - 4) + captions,
        columns=4,
        title=heading,
        row_labels=["\n".join([_folded(name), *of_part]) for name, of_part in zip(types, decisions, strict=True)],
        limits=(0, max(2 * threshold, 1e-6)),
    )
    figure.set_figheight(1.76 * len(rows) + 0.8)  # the colour bar makes the images smaller
    axes = np.array(figure.axes).reshape(-1, 4)
    place = (np.arange(SIDE) + 0.5) * images.shape[2] / SIDE - 0.5  # of the pixels of a map, in those of the image
    for (_, _, heat, contours), mask, anomaly_map in zip(axes, truth, maps, strict=True):
        heat.images[0].set_cmap("inferno")
        if mask.any():
            contours.contour(place, place, mask, levels=[0.5], colors=OUTLINE, linewidths=1.5)
        if anomaly_map.max() > threshold:
            dashes = {"colors": CONTOUR, "linewidths": 1.5, "linestyles": "--"}
            contours.contour(place, place, anomaly_map, levels=[threshold], **dashes)
    bar = figure.colorbar(axes[0, 2].images[0], ax=axes, extend="max", shrink=min(1, 3 / len(rows)), aspect=25)
    bar.set_label("écart aux bonnes pièces,\nen écarts-types")
    bar.ax.axhline(threshold, color=CONTOUR, ls="--", lw=2)
    return Drawing(figure, alt, "jpeg")
