"""What notebooks 02 and 03 show: figures and their alternative texts.

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

from commun import figures
from commun.figures import MARKERS, PALETTE, number
from projet3_ssl_anomalies import metrics, model
from projet3_ssl_anomalies.dataset import OUTLINE, SIDE, defect_title
from projet3_ssl_anomalies.evaluation import FUSED, TITLES, Detector, Scores, auroc
from projet3_ssl_anomalies.model import SCALE, Reconstructor, to_lab
from projet3_ssl_anomalies.tables import MEASURES, ablation_table, image_aurocs, rows_by_type, scores_by_task

CONTOUR = "#ff2fd6"  # of the map at the threshold; the true outline has the colour of the contact sheets
COLOURS = (PALETTE[2], *PALETTE[:2], *PALETTE[3:])  # of the fusion, then of each task
LINES = ("-", "--", ":", "-.", (0, (6, 1, 1, 1)), (0, (1, 1)))


# --- What the tasks do -----------------------------------------------------------------------------------------------


def plot_tasks(models: Mapping[str, Reconstructor], images: np.ndarray, kinds: np.ndarray) -> Figure:
    """Draws, a block a task, images, what the network receives, what it gives back, and the image guessed unseen.

    Args:
        models: task -> trained model.
        images: a few, uint8 of shape (n, side, side, 3); two a row.
        kinds: index of the category of each in the models, shape (n,).
    """
    rows = []
    for task, trained in models.items():
        given, whole = (model.rebuilt(trained, images, kinds, whole=all_unseen) for all_unseen in (False, True))
        captions = [("image", "reçue", "rendue", f"devinée\nΔE {number(e, 1)}") for e in _colour_errors(images, whole)]
        pictures = zip(images, model.hidden_view(trained, images), given, whole, strict=True)
        cells = [list(zip(*image, strict=True)) for image in zip(pictures, captions, strict=True)]
        pairs = [sum(cells[i : i + 2], []) for i in range(0, len(cells), 2)]
        rows += zip([TITLES[task], *[""] * len(pairs)], pairs, strict=False)
    return _draw_rows(rows)


def describe_tasks(models: Mapping[str, Reconstructor], images: np.ndarray, kinds: np.ndarray) -> str:
    """Says in French what `plot_tasks` draws."""
    rebuilt = {task: model.rebuilt(trained, images, kinds) for task, trained in models.items()}
    errors = {task: _colour_errors(images, whole).mean() for task, whole in rebuilt.items()}
    return (
        f"Pour chaque tâche, {len(images)} images : l'image, ce que le réseau en reçoit, ce qu'il rend, et l'image "
        "dont chaque pixel est deviné sans être vu. Différence de couleur moyenne de cette dernière (ΔE) : "
        f"{_listed(errors, 1)}."
    )


def plot_stages(stages: Mapping[str, Mapping[int, np.ndarray]], images: np.ndarray, *, which: int = 0) -> Figure:
    """Draws how the reconstruction of one watched image improves with training, a row a task.

    Args:
        stages: task -> what `model.stages` returns; a task without stages has no row.
        images: the watched images, uint8 of shape (k, side, side, 3).
        which: index of the one that is drawn.
    """
    rows, original = [], (images[which], "image")
    for task, found in stages.items():
        cells = [(p, f"époque {epoch}\nΔE {number(e, 1)}") for epoch, p, e in _steps(found, images, which)]
        rows += [(TITLES[task], [original, *cells])] if found else []
    return _draw_rows(rows or [("", [original])])


def describe_stages(stages: Mapping[str, Mapping[int, np.ndarray]], images: np.ndarray, *, which: int = 0) -> str:
    """Says in French what `plot_stages` draws."""
    ends = {task: [_steps(found, images, which)[i] for i in (0, -1)] for task, found in stages.items() if found}
    listed = [
        f"{TITLES[task]}, de {number(before, 1)} (époque {first}) à {number(after, 1)} (époque {last})"
        for task, ((first, _, before), (last, _, after)) in ends.items()
    ]
    told = f"Différence de couleur moyenne (ΔE) : {' ; '.join(listed)}" if listed else "Aucune étape n'a été gardée"
    return f"Une image et sa reconstruction au fil de l'entraînement. {told}."


def _steps(found: Mapping[int, np.ndarray], images: np.ndarray, which: int) -> list[tuple[int, np.ndarray, float]]:
    """Returns up to five stages, the later the further apart: epoch, picture, its mean colour error."""
    ranks = np.unique(np.geomspace(1, len(found), 5).round().astype(int)) - 1 if found else []
    pictures = {epoch: found[epoch][which] for epoch in np.sort(list(found))[ranks]}
    return [(e, p, _colour_errors(images[which][None], p[None])[0]) for e, p in pictures.items()]


def _draw_rows(rows: list[tuple[str, list[tuple[np.ndarray, str]]]]) -> Figure:
    """Draws rows of pictures and captions, with a title each, and white ends if some are shorter."""
    columns = max(len(cells) for _, cells in rows)
    white = (np.full_like(rows[0][1][0][0], 255), "")
    pictures, captions = zip(*(c for _, cells in rows for c in cells + [white] * (columns - len(cells))), strict=True)
    return figures.plot_grid(pictures, captions, columns=columns, row_labels=[_folded(title) for title, _ in rows])


def _colour_errors(images: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """Returns the mean colour difference of uint8 images, Delta E (CIE 1976), shape (n,)."""
    return SCALE * np.linalg.norm(to_lab(images) - to_lab(rebuilt), axis=-1).mean(axis=(1, 2))


def _folded(title: str) -> str:
    return textwrap.fill(title, 12, break_long_words=False)


def _listed(values: Mapping[str, float], decimals: int) -> str:
    """Lists values by task, in French."""
    return " ; ".join(f"{TITLES[task]} {number(value, decimals)}" for task, value in values.items())


# --- What the encoders have learnt -----------------------------------------------------------------------------------


def project_codes(codes: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Returns codes (n, d) on the two main axes of the codes `fit` of good parts, (m, d), m at least 2: (n, 2)."""
    from sklearn.decomposition import PCA

    return PCA(2).fit(_standardised(fit, fit)).transform(_standardised(codes, fit))


def code_separation(train_codes: np.ndarray, test_codes: np.ndarray, is_defect: np.ndarray) -> float:
    """Returns the AUROC of the mean distance to the 5 nearest codes of good parts; NaN if all are good, or none is.

    All codes, (m, d) and (n, d), are standardised by those of training; `is_defect` is bool of shape (n,).
    """
    from sklearn.neighbors import NearestNeighbors

    known = NearestNeighbors(n_neighbors=min(5, len(train_codes))).fit(_standardised(train_codes, train_codes))
    distances, _ = known.kneighbors(_standardised(test_codes, train_codes))
    score = distances.mean(axis=1)
    return auroc(score[~is_defect], score[is_defect])


def _standardised(codes: np.ndarray, known: np.ndarray) -> np.ndarray:
    return (codes - known.mean(axis=0)) / np.maximum(known.std(axis=0), 1e-6)


def plot_codes(planes: Mapping[str, tuple], defect: np.ndarray, separations: Mapping[str, float]) -> Figure:
    """Draws codes on a plane, a panel a task: good training parts, good test parts, and each type of defect.

    Args:
        planes: task -> projected codes of training (m, 2) and of test (n, 2).
        defect: folders of the test images, "good" for parts without defect, shape (n,).
        separations: task -> `code_separation`.
    """
    figure, axes = figures.new_figure(4.1, columns=len(planes), squeeze=False)
    for axis, (task, (train, test)) in zip(axes[0], planes.items(), strict=True):
        axis.scatter(*train.T, s=14, color="#cdd3d8", label="apprentissage")
        good = test[defect == "good"]
        axis.scatter(*good.T, s=30, facecolors="none", edgecolors="black", label="test, sans défaut")
        for (name, rows), colour, marker in zip(_frequent(defect).items(), PALETTE, f"{MARKERS[1:]}X", strict=False):
            axis.scatter(*test[rows].T, s=30, color=colour, marker=marker, linewidths=0, label=name)
        axis.set(xticks=[], yticks=[], xlabel=f"AUROC des codes : {number(separations[task], 3)}")
        axis.set_title(TITLES[task].capitalize())
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=11)
    return figure


def describe_codes(planes: Mapping[str, tuple], defect: np.ndarray, separations: Mapping[str, float]) -> str:
    """Says in French what `plot_codes` draws."""
    train, _ = next(iter(planes.values()))
    kinds = ", ".join(f"{name} ({rows.sum()})" for name, rows in _frequent(defect).items()) or "aucun défaut"
    return (
        f"Nuages de points, un par tâche : les codes de {len(train)} images d'apprentissage et, du test, de "
        f"{(defect == 'good').sum()} pièces sans défaut, puis : {kinds}. AUROC de la distance aux codes "
        f"d'apprentissage : {_listed(separations, 3)}."
    )


def _frequent(defect: np.ndarray, most: int = 6) -> dict[str, np.ndarray]:
    """Returns where each type of defect is: French name -> bool (n,), the most frequent first.

    There are at most `most`: beyond, the others are together under one name.
    """
    names, counts = np.unique(defect[defect != "good"], return_counts=True)
    names = names[np.argsort(-counts, kind="stable")]
    kept = names if len(names) <= most else names[: most - 1]
    found = {defect_title(name): defect == name for name in kept}
    return found if len(kept) == len(names) else {**found, "autres": np.isin(defect, names[len(kept) :])}


# --- What the scores are worth ---------------------------------------------------------------------------------------


def plot_roc(judged: Mapping[str, Scores]) -> Figure:
    """Draws ROC curves, a panel a category (by its French title), a line a task, and a thicker one for the fusion."""
    figure, panels = _panels(len(judged), height=3.3)
    for axis, (title, scores) in zip(panels, judged.items(), strict=True):
        is_defect, areas = scores.table["is_defect"].to_numpy(bool), image_aurocs(scores)
        for (name, values), colour, line in zip(scores_by_task(scores).items(), COLOURS, LINES, strict=False):
            points = metrics.curves(values, is_defect)[:2] if np.isfinite(areas[name]) else ([], [])
            axis.plot(*points, color=colour, ls=line, lw=3 if name == FUSED else 1.8, label=TITLES[name])
        axis.set(title=title[:1].upper() + title[1:], xlabel="bonnes pièces rejetées", ylabel="défauts trouvés")
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), aspect="equal")
        axis.legend(axis.lines, [number(area, 3) for area in areas.values()], loc="lower right", fontsize=11)
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside lower center", ncols=5, title="courbe ROC et son aire"
    )
    return figure


def describe_roc(judged: Mapping[str, Scores]) -> str:
    """Says in French what `plot_roc` draws."""
    listed = (f"{title} : {_listed(image_aurocs(scores), 3)}" for title, scores in judged.items())
    return f"Courbes ROC, un cadre par catégorie. Aires sous la courbe. {'. '.join(listed)}."


def _panels(count: int, *, height: float, **options: Any) -> tuple[Figure, list]:
    """Returns a figure and its axes, three a row at most."""
    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = figures.new_figure(0.6 + height * rows, rows=rows, columns=columns, squeeze=False, **options)
    for axis in axes.flat[count:]:
        axis.remove()
    return figure, list(axes.flat[:count])


def plot_scores(scores: Scores, threshold: float, *, title: str) -> Figure:
    """Draws the score of each part, a row a type of defect, with how many parts the threshold rejects."""
    types, values, random = rows_by_type(scores), scores.table["score"].to_numpy(), np.random.default_rng(0)
    figure, axes = figures.new_figure(1.4 + 0.55 * len(types))
    for place, (name, rows) in enumerate(types.items()):
        colour, marker = (PALETTE[0], "o") if name == defect_title("good") else (PALETTE[2], "D")
        height = place + random.uniform(-0.25, 0.25, rows.sum())
        axes.scatter(values[rows], height, s=26, alpha=0.7, linewidths=0, color=colour, marker=marker)
    labels = [f"{name}\n{_rejected(values[rows], threshold)}" for name, rows in types.items()]
    axes.set_yticks(range(len(types)), labels, fontsize=11)
    axes.set(title=title, xlabel="score d'anomalie", ylim=(len(types) - 0.1, -0.5))
    if values.min() > 0 and values.max() > 10 * threshold:
        axes.set(xscale="log", xlabel="score d'anomalie (échelle logarithmique)")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.axvline(threshold, color="black", ls="--")
    axes.text(threshold, 0.02, f" seuil {number(threshold, 2)}", transform=axes.get_xaxis_transform())
    return figure


def describe_scores(scores: Scores, threshold: float, *, title: str) -> str:
    """Says in French what `plot_scores` draws."""
    values = scores.table["score"].to_numpy()
    listed = (
        f"{name}, médiane {number(np.median(values[rows]), 1)}, {_rejected(values[rows], threshold)}"
        for name, rows in rows_by_type(scores).items()
    )
    return f"{title} : nuage des scores par type, seuil {number(threshold, 2)}. {' ; '.join(listed)}."


def _rejected(values: np.ndarray, threshold: float) -> str:
    return f"rejetées : {(values > threshold).sum()} sur {len(values)}"


# --- Galleries -------------------------------------------------------------------------------------------------------


def most_missed(scores: Scores, count: int) -> np.ndarray:
    """Returns the rows of the defective parts with the lowest scores, the lowest first."""
    return _lowest(scores.table["score"], scores.table["is_defect"], count)


def falsest_alarms(scores: Scores, count: int) -> np.ndarray:
    """Returns the rows of the good parts with the highest scores, the highest first."""
    return _lowest(-scores.table["score"], ~scores.table["is_defect"], count)


def spread(scores: Scores, count: int) -> np.ndarray:
    """Returns rows of defective parts: of each type in turn the part of median score, then the next closest to it."""
    score, defect = scores.table["score"], scores.table["defect"]
    gap = (score - score.groupby(defect).transform("median")).abs()
    return _lowest(gap.groupby(defect).rank(method="first"), scores.table["is_defect"], count)


def _lowest(values: pd.Series, chosen: pd.Series, count: int) -> np.ndarray:
    return np.flatnonzero(chosen)[np.argsort(values[chosen].to_numpy(), kind="stable")][:count]


def plot_gallery(scores: Scores, detector: Detector, rows: np.ndarray, *, threshold: float, title: str) -> Figure:
    """Draws parts: image, reconstruction, map, and on the image the true outline and the map's one at the threshold.

    Args:
        scores: what `detector` says of the images.
        detector: its inpainting model, or else its first, gives the reconstruction.
        rows: those of `scores.table` that are drawn; there may be none.
        threshold: score above which a part is rejected.
        title: of the figure.
    """
    if not len(rows):
        figure, axes = figures.new_figure(0.5)
        axes.set_title(f"{title} : aucune pièce")
        axes.axis("off")
        return figure
    images, maps, truth = scores.images[rows], scores.maps[rows], scores.truth[rows]
    trained = detector.models.get("inpainting") or next(iter(detector.models.values()))
    rebuilt = model.rebuilt(trained, images, np.full(len(rows), detector.kind))
    shown = zip(images, rebuilt, maps, images, strict=True)
    headings = ["image", f"reconstruction\n({trained.pretext.title})", "carte", "défaut (trait plein),\nseuil (tirets)"]
    figure = figures.plot_grid(
        [picture for pictures in shown for picture in pictures],
        [""] * (4 * len(rows) - 4) + headings,
        columns=4,
        title=title,
        row_labels=[f"{_folded(defect)}\n{verdict}" for defect, verdict in _verdicts(scores, rows, threshold)],
        limits=(0, max(2 * threshold, 1e-6)),
    )
    figure.set_figheight(1.76 * len(rows) + 0.8)  # the colour bar makes the images smaller
    axes = np.array(figure.axes).reshape(-1, 4)
    place = (np.arange(SIDE) + 0.5) * images.shape[2] / SIDE - 0.5  # of the pixels of a map, in those of the image
    for (_, _, heat, drawn), mask, found in zip(axes, truth, maps, strict=True):
        heat.images[0].set_cmap("inferno")
        if mask.any():
            drawn.contour(place, place, mask, levels=[0.5], colors=OUTLINE, linewidths=1.5)
        if found.max() > threshold:
            drawn.contour(place, place, found, levels=[threshold], colors=CONTOUR, linewidths=1.5, linestyles="--")
    bar = figure.colorbar(axes[0, 2].images[0], ax=axes, extend="max", shrink=min(1, 3 / len(rows)), aspect=25)
    bar.set_label("écart aux bonnes pièces,\nen écarts-types")
    bar.ax.axhline(threshold, color=CONTOUR, ls="--", lw=2)
    return figure


def describe_gallery(scores: Scores, rows: np.ndarray, *, threshold: float, title: str) -> str:
    """Says in French what `plot_gallery` draws."""
    found = [f"{defect}, {', '.join(verdict.splitlines())}" for defect, verdict in _verdicts(scores, rows, threshold)]
    drawn = "image, reconstruction, carte d'anomalie, contours du défaut et de la carte au seuil"
    return f"{title} : {drawn} ({number(threshold, 2)}). {' ; '.join(found) or 'Aucune pièce'}."


def _verdicts(scores: Scores, rows: np.ndarray, threshold: float) -> list[tuple[str, str]]:
    """Returns the type of each part, then its score and what is decided, on two lines."""
    parts = scores.table.iloc[rows]
    return [
        (defect_title(defect), f"score {number(score, 1)}\n{'rejetée' if score > threshold else 'acceptée'}")
        for defect, score in zip(parts["defect"], parts["score"], strict=True)
    ]


# --- The choice of the constants -------------------------------------------------------------------------------------


def plot_ablation(table: pd.DataFrame, *, source: str) -> Figure:
    """Draws what each constant of scoring changes on synthetic defects, a panel a constant, its retained value marked.

    Args:
        table: of `evaluation.ablation`; the categories of a source are averaged.
        source: "réel" or "échantillon", never both.
    """
    curves = _curves(table, source)
    figure, panels = _panels(len(curves), height=3.0, sharey=True)
    for axis, (constant, part) in zip(panels, curves.items(), strict=True):
        for name, colour, marker in zip(MEASURES.values(), PALETTE, MARKERS, strict=False):
            axis.plot(range(len(part)), part[name], color=colour, marker=marker, label=name)
        values = part["valeur"].astype(str)
        axis.set_xticks(range(len(part)), values, rotation=60 if values.str.len().max() > 5 else 0, fontsize=10)
        axis.set_title(textwrap.fill(constant[:1].upper() + constant[1:], 28), fontsize=11)
        for place in np.flatnonzero(part["retenue"] == "✓"):
            axis.axvspan(place - 0.4, place + 0.4, color="#e3e7ea", zorder=0, label="valeur retenue")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def describe_ablation(table: pd.DataFrame, *, source: str) -> str:
    """Says in French what `plot_ablation` draws."""
    listed = []
    for constant, part in _curves(table, source).items():
        areas = part.set_index("valeur")[MEASURES["image"]]
        kept = ", ".join(areas.index[part["retenue"] == "✓"]) or "aucune"
        change = f"de {number(areas.min(), 3)} ({areas.idxmin()}) à {number(areas.max(), 3)} ({areas.idxmax()})"
        listed.append(f"{constant}, {change}, valeur retenue : {kept}")
    return f"Courbes par constante, {source}. AUROC image sur des défauts de synthèse : {' ; '.join(listed)}."


def _curves(table: pd.DataFrame, source: str) -> dict[str, pd.DataFrame]:
    """Returns the rows of `ablation_table` of the constants that take several values."""
    means = ablation_table(table[table["source"] == source])
    return {constant: part for constant, part in means.groupby("constante", sort=False) if len(part) > 1}


# --- From an error to a map ------------------------------------------------------------------------------------------


def plot_steps(steps: Mapping[str, np.ndarray]) -> Figure:
    """Draws `evaluation.steps`: the image, then each map; the last two, in standard deviations, share one scale."""
    figure, axes = figures.new_figure(3.9, rows=2, columns=3)
    top = max(steps["erreur normalisée"].max(), steps["fusion"].max(), 1e-6)
    for axis, (title, picture) in zip(axes.flat, steps.items(), strict=True):
        drawn = axis.imshow(picture, cmap="inferno", vmin=0, interpolation="nearest")
        if title in {"erreur normalisée", "fusion"}:
            drawn.set_clim(0, top)
        axis.set(title=title, xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if picture.ndim == 2:
            figure.colorbar(drawn, ax=axis, shrink=0.9)
    return figure


def describe_steps(steps: Mapping[str, np.ndarray]) -> str:
    """Says in French what `plot_steps` draws."""
    return (
        "Une bonne pièce portant un faux défaut, puis les cartes de son erreur, de la moyenne et de l'écart-type "
        "de l'erreur des bonnes pièces, de l'erreur normalisée et de la fusion. Au plus fort, l'erreur vaut "
        f"{number(steps['erreur'].max())} ; normalisée, {number(steps['erreur normalisée'].max(), 1)} écarts-types ; "
        f"fusionnée, {number(steps['fusion'].max(), 1)}."
    )
