"""The drawings of notebook 03, each with its alternative text: how scores are made, chosen, and what they are worth."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from commun import figures
from commun.figures import MARKERS, PALETTE, Drawing, number
from projet3_ssl_anomalies import ablation, detector, evaluation, statistics, tables
from projet3_ssl_anomalies.ablation import ALONE
from projet3_ssl_anomalies.dataset import defect_title
from projet3_ssl_anomalies.detector import Detector, HeldOut
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.figures import OUTLINE, distance_bar, distance_scale, folded, grid, use_logarithms
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import reconstruction_picture
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION, named, title

CONTOUR = "#ff2fd6"  # of the map at the threshold
SHADE = "#e3e7ea"  # behind what is retained
REBUILT = "inpainting"  # the task whose reconstruction is shown


# --- How scores are made ---------------------------------------------------------------------------------------------


def plot_pipeline(unseen: HeldOut, judge: Detector, row: int, *, threshold: float) -> Drawing:
    """Draws the way from a part with a synthetic defect to its verdict; the distances share one scale.

    Args:
        unseen: its `painted` has the part.
        judge: the detector of the category.
        row: which part of `painted`.
        threshold: score above which a part is rejected.
    """
    name = named(REBUILT, ERROR) if REBUILT in judge.models else BASELINE
    distance = unseen.painted_maps(dataclasses.replace(judge.scoring, map_sigma=0))[name][row]
    maps = unseen.painted_maps(judge.scoring)
    smoothed = {signal: found[row : row + 1] for signal, found in maps.items()}
    fused = detector.fused_maps(smoothed, judge.scoring)[FUSED][0]
    image, mask = unseen.painted.images[row], unseen.painted.masks[row]
    pictures = {
        "la pièce": image,
        f"{title(name)}\n(moyenne des canaux)": np.abs(unseen.defective[name][row]).mean(axis=-1),
        "sa distance\naux bonnes pièces": distance,
        "la même, lissée": smoothed[name][0],
        f"fusion de {sum(judge.scoring.weight(name) > 0 for name in smoothed)} signaux": fused,
        "verdict": image,
    }
    figure, axes = figures.new_figure(5.8, rows=2, columns=3)
    scale = distance_scale(max(distance.max(), fused.max()))
    for place, (axis, (heading, picture)) in enumerate(zip(axes.flat, pictures.items(), strict=True)):
        norm = scale if place in (2, 3, 4) else None
        shown = axis.imshow(picture, cmap="inferno", interpolation="nearest", norm=norm)
        axis.set(xticks=[], yticks=[])
        axis.set_title(heading, fontsize=11)
        axis.spines[:].set_visible(False)
        if norm:
            distance_bar(figure, shown, axis)
        elif picture.ndim == 2:
            figure.colorbar(shown, ax=axis, shrink=0.85)
    score = statistics.image_scores(fused[None], judge.scoring)[0]
    decision = "rejetée" if score > threshold else "acceptée"
    _draw_outlines(axes[1, 2], image, mask, statistics.enlarge(fused[None])[0], threshold)
    axes[1, 2].set_xlabel(f"score {number(score, 2)}, seuil {number(threshold, 2)} :\n{decision}", fontsize=11)
    alt = (
        f"Une bonne pièce portant un faux défaut, puis les cartes de son signal « {title(name)} », de sa distance aux "
        "bonnes pièces, de la même lissée, de la fusion de tous les signaux, enfin les contours du défaut et de la "
        f"carte au seuil. Au plus fort, la distance vaut {number(distance.max(), 1)} ; lissée, "
        f"{number(smoothed[name].max(), 1)} ; fusionnée, {number(fused.max(), 1)}. Score {number(score, 2)}, seuil "
        f"{number(threshold, 2)} : pièce {decision}."
    )
    return Drawing(figure, alt, "jpeg")


def _draw_outlines(axis, image: np.ndarray, mask: np.ndarray, anomaly_map: np.ndarray, threshold: float) -> None:
    """Draws on an image the true outline of its defect, plain, and that of its map at the threshold, dashed."""
    for values, level, look in (
        (mask.astype(float), 0.5, {"colors": OUTLINE}),
        (anomaly_map, threshold, {"colors": CONTOUR, "linestyles": "--"}),
    ):
        if values.min() < level < values.max():
            place = (np.arange(len(values)) + 0.5) * len(image) / len(values) - 0.5  # in the pixels of the image
            axis.contour(place, place, values, levels=[level], linewidths=1.5, **look)


# --- How constants are chosen ----------------------------------------------------------------------------------------


def plot_ablation(table: pd.DataFrame, *, source: str) -> Drawing:
    """Draws what each variant of scoring is worth on synthetic defects, what is retained on a darker ground.

    Args:
        table: of `ablation.scoring_ablation`; the categories of a source are averaged.
        source: "real" or "sample", never both.
    """
    means = tables.mean_ablation(table[table["source"] == source])
    retained, parts = means.iloc[0], means.iloc[1:].groupby("constant", sort=False)
    height = sum(len(part) + 1.2 for _, part in parts)
    figure, axis = figures.new_figure(1.1 + 0.19 * height)
    place, ticks, labels, listed = 0.0, [], [], []
    for constant, part in parts:
        name, values = tables.CONSTANTS[constant], [tables.shown_value(constant, v) for v in part["value"]]
        ticks, labels = [*ticks, place, *(places := place + 1 + np.arange(len(part)))], [*labels, name, *values]
        for (measure, label), colour, marker in zip(tables.MEASURES.items(), PALETTE, MARKERS, strict=False):
            axis.plot(part[measure], places, ls="", color=colour, marker=marker, markersize=6, label=label)
        for kept in places[part["is_retained"].to_numpy(bool)]:
            axis.axhspan(kept - 0.45, kept + 0.45, color=SHADE, zorder=0, label="valeur retenue")
        place = places[-1] + 1.2
        areas, kept = part["image"].to_numpy(), ", ".join(np.array(values)[part["is_retained"]])
        change = " à ".join(f"{number(areas[row], 3)} ({values[row]})" for row in (areas.argmin(), areas.argmax()))
        listed.append(f"{name}, de {change}" + (f", retenu : {kept}" if kept else ""))
    for measure, colour in zip(tables.MEASURES, PALETTE, strict=False):
        axis.axvline(retained[measure], color=colour, lw=1, alpha=0.6, zorder=0)
    axis.set_yticks(ticks, labels, fontsize=10)
    for label in axis.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in tables.CONSTANTS.values() else "normal")
    axis.set(ylim=(height - 0.7, -0.7), xlabel="sur les défauts de synthèse")
    axis.tick_params(axis="y", length=0)
    grid(axis)
    handles = dict(zip(*axis.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    alt = f"Points par variante, {tables.SOURCES[source]}. AUROC image sur des défauts de synthèse, réglages retenus : "
    return Drawing(figure, f"{alt}{number(retained['image'], 3)}. {' ; '.join(listed)}.")


def plot_transfer(variants: Mapping[str, pd.DataFrame]) -> Drawing:
    """Draws the rank of each variant of scoring on the test part against its rank on synthetic defects.

    Args:
        variants: French title of the category -> its table (see `tables.reference_ablations`).
    """
    columns = min(3, len(variants))
    rows = -(-len(variants) // columns)
    figure, axes = figures.new_figure(0.9 + 3.9 * rows, rows=rows, columns=columns, squeeze=False)
    listed, special = [], {"réglages retenus": (ablation.RETAINED, "", "o"), "sans réseau seul": (ALONE, BASELINE, "X")}
    for axis, (name, table) in zip(axes.flat, variants.items(), strict=False):
        found = ablation.transfer(table).set_index("measure")["spearman"]
        ranks = {m: table[[m, f"test_{m}"]].rank(ascending=False).to_numpy() for m in found.index}
        looks = dict(zip(tables.MEASURES, zip(PALETTE, MARKERS, strict=False), strict=False))
        for measure, places in ranks.items():
            (colour, marker), label = looks[measure], tables.MEASURES[measure]
            axis.plot(*places.T, ls="", color=colour, marker=marker, markersize=5, alpha=0.45, label=label)
        for told, (constant, value, shape) in special.items():
            chosen = ((table["constant"] == constant) & (table["value"].fillna("") == value)).to_numpy()
            for measure, places in ranks.items():
                look = {"markerfacecolor": looks[measure][0], "markeredgecolor": "black", "markersize": 10}
                axis.plot(*places[chosen].T, ls="", marker=shape, label=told, markeredgewidth=1.5, **look)
        ends = (len(table) + 1.5, -0.5)
        correlations = [f"{tables.MEASURES[measure]} {number(value, 2)}" for measure, value in found.items()]
        axis.set(xlim=ends, ylim=ends, aspect="equal", ylabel="rang au test")
        axis.set_title(_capital(name))
        axis.set_xlabel("\n".join(["rang, défauts de synthèse", "corrélation :", *correlations]), fontsize=11)
        listed.append(f"{name} : {', '.join(correlations)}")
    handles = {told: handle for a in axes.flat for handle, told in zip(*a.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=11)
    for axis in list(axes.flat)[len(variants) :]:
        axis.remove()
    alt = (
        "Nuages de points, un cadre par catégorie : rang de chaque variante au test contre son rang sur les défauts de "
        "synthèse, les réglages retenus et le concurrent sans réseau en plus grand. Corrélation de Spearman : "
        f"{' ; '.join(listed)}."
    )
    return Drawing(figure, alt)


# --- What scores are worth -------------------------------------------------------------------------------------------


def plot_signal_areas(scores: Mapping[str, Scores]) -> Drawing:
    """Draws the image AUROC of each signal alone, a row a category (by its French title), a column a signal."""
    first = next(iter(scores.values())).signals
    tasks = [task for task in PRETEXTS if task in first]
    kinds = {ERROR: "erreur", REPRESENTATION: "représ.", "": "les deux"}
    names = [BASELINE, *(named(task, kind) if kind else task for task in tasks for kind in kinds), FUSED]
    areas = np.array([[{**s.signals, FUSED: evaluation.headline(s)}[name] for name in names] for s in scores.values()])
    figure, axis = figures.new_figure(1.75 + 0.42 * len(scores))
    low = min(0.5, np.nanmin(areas, initial=0.5))
    shown = axis.imshow(areas, cmap="cividis", vmin=low, vmax=1, aspect="auto")
    for (i, j), area in np.ndenumerate(areas):
        dark = not area > (low + 1) / 2
        text = number(area, 2) if math.isfinite(area) else "–"
        axis.text(j, i, text, ha="center", va="center", fontsize=10, color="white" if dark else "black")
    labels = [title(BASELINE), *(list(kinds.values()) * len(tasks)), title(FUSED)]
    axis.set_xticks(range(len(names)), labels, rotation=60, ha="right", rotation_mode="anchor", fontsize=10)
    axis.set_yticks(range(len(scores)), [_capital(name) for name in scores])
    axis.spines[:].set_visible(False)
    for place, task in enumerate(tasks):
        axis.axvline(3 * place + 0.5, color="white", lw=4)
        axis.text(3 * place + 2, -0.62, textwrap.fill(title(task), 14), ha="center", va="bottom", fontweight="bold")
    axis.axvline(3 * len(tasks) + 0.5, color="white", lw=4)
    figure.colorbar(shown, ax=axis, label="AUROC image", pad=0.02)
    of_name = [
        ", ".join(f"{title(name)} {number(area, 2)}" for name, area in zip(names, row, strict=True)) for row in areas
    ]
    listed = [f"{category} : {told}" for category, told in zip(scores, of_name, strict=True)]
    return Drawing(figure, f"Carte des AUROC par image, une ligne par catégorie. {'. '.join(listed)}.")


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
        use_logarithms(axes, lambda value, _: number(value))
    grid(axes)
    axes.axvline(threshold, color="black", ls="--")
    axes.text(threshold, 0.02, f" seuil {number(threshold, 2)}", transform=axes.get_xaxis_transform())
    alt = f"{heading} : nuage des scores par type, seuil {number(threshold, 2)}. {' ; '.join(listed)}."
    return Drawing(figure, alt)


class Part(NamedTuple):
    """A part to show: its row of the scores of a category, by a detector, and the threshold of the latter."""

    category: str
    scores: Scores
    judge: Detector
    threshold: float
    row: int


def plot_gallery(parts: Sequence[Part], *, heading: str) -> Drawing:
    """Draws parts: image, reconstruction, map, and on the image the true outline and the map's one at the threshold.

    Maps and scores are in thresholds of their category. There may be no part at all.
    """
    labels = []
    for part in parts:
        row = part.scores.table.iloc[part.row]
        decision = "rejetée" if row["score"] > part.threshold else "acceptée"
        name = f"{part.category}, {defect_title(row['defect'])}"
        labels.append((name, f"{number(row['score'] / part.threshold, 2)} × seuil", decision))
    listed = " ; ".join(", ".join(label) for label in labels) or "Aucune pièce"
    what = "image, reconstruction, carte d'anomalie, contours du défaut et de la carte au seuil"
    alt = f"{heading} : {what}. {listed}."
    if not parts:
        figure, axes = figures.new_figure(0.5)
        axes.set_title(f"{heading} : aucune pièce")
        axes.axis("off")
        return Drawing(figure, alt, "jpeg")
    pictures = []
    for part in parts:
        image = part.scores.images[part.row]
        model = part.judge.models.get(REBUILT) or next(iter(part.judge.models.values()))
        heat = part.scores.maps[part.row] / part.threshold
        pictures += [image, reconstruction_picture(model, image[None])[0], heat, image]
    captions = ["image", f"reconstruction\n({model.pretext.title})", "carte", "défaut (trait plein),\nseuil (tirets)"]
    figure = figures.image_grid(
        pictures,
        [""] * (4 * len(parts) - 4) + captions,
        columns=4,
        title=heading,
        row_labels=["\n".join([folded(name), *others]) for name, *others in labels],
        limits=(0, 2),
    )
    figure.set_figheight(1.76 * len(parts) + 0.8)  # the colour bar makes the images smaller
    axes = np.array(figure.axes).reshape(-1, 4)
    for (_, _, heat, contours), part in zip(axes, parts, strict=True):
        heat.images[0].set_cmap("inferno")
        image, truth = part.scores.images[part.row], part.scores.truth[part.row]
        _draw_outlines(contours, image, truth, part.scores.maps[part.row], part.threshold)
    bar = figure.colorbar(axes[0, 2].images[0], ax=axes, extend="max", shrink=min(1, 3 / len(parts)), aspect=25)
    bar.set_label("score, en seuils de la catégorie")
    bar.ax.axhline(1, color=CONTOUR, ls="--", lw=2)
    return Drawing(figure, alt, "jpeg")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
