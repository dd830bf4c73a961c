"""The explorer of scores: a part, its reconstruction, its map, and a threshold that decides of all the test parts."""

from __future__ import annotations

import numpy as np
from PIL import Image

from commun import figures
from commun.figures import PALETTE, Drawing, number
from commun.sheets import sheet
from projet3_ssl_anomalies import evaluation, metrics
from projet3_ssl_anomalies.dataset import defect_title
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.reconstructor import reconstruction_picture
from projet3_ssl_anomalies.score_figures import CONTOUR, REBUILT

SIDE, GRID = 128, 32  # pixels of a picture, and of a map, which has no finer detail
DEFECTS, GOOD = 4, 2  # parts to choose among, at most
TINY = 1e-6  # a score is a ratio on the page: none is 0


def chosen(scores: Scores, *, defects: int = DEFECTS, good: int = GOOD) -> np.ndarray:
    """Returns rows of test parts to look at, shape (n,): the most missed, defects of median score, false alarms.

    Half of the good parts have the highest scores, the others the lowest.
    """
    missed = evaluation.most_missed(scores, 1)
    middle = [row for row in evaluation.median_examples(scores, defects) if row not in missed][: defects - len(missed)]
    alarms = evaluation.falsest_alarms(scores, len(scores.table))
    half = (good + 1) // 2
    lowest = [row for row in alarms[half:][::-1]][: good - half]
    return np.array([*missed, *middle, *alarms[:half], *lowest], int)


def data(scores: Scores, threshold: float, *, judge: Detector, category: str, rows: np.ndarray | None = None) -> dict:
    """Returns what the explorer "anomalies" of a report needs (see `atelier/explorateurs.py`).

    Args:
        scores: of the test parts of a category; a page takes the data only if some are good and some defective.
        threshold: score above which a part is rejected, in the notebook.
        judge: what judged them; without a network, the "reconstruction" is the image.
        category: French title.
        rows: parts that can be looked at; by default, those of `chosen`.
    """
    rows = chosen(scores) if rows is None else rows
    table, images = scores.table, scores.images[rows]
    values, is_defect = np.maximum(table["score"].to_numpy(float), TINY), table["is_defect"].to_numpy(bool)
    maps = np.maximum(_resized(scores.maps[rows], GRID), TINY)
    low, high = (float(f"{bound:.4g}") for bound in (maps.min() * 0.99, maps.max() * 1.01))
    levels = np.round(255 * np.log(maps / low) / np.log(high / low)).clip(0, 255).astype("uint8")
    truth = _resized(scores.truth[rows].astype("float32"), SIDE) >= 0.5
    count = len(rows)

    def listed(kept: np.ndarray) -> list[float]:
        return [_short(value) for value in np.sort(values[kept])]

    return {
        "genre": "anomalies",
        "categorie": category,
        "cote": SIDE,
        "pieces": [
            {
                "nom": defect_title(table["defect"].iloc[row]),
                "defaut": bool(is_defect[row]),
                "score": _short(values[row]),
            }
            for row in rows
        ],
        "images": sheet(_small(images), columns=count, format="jpeg", quality=75),
        "reconstructions": sheet(_small(rebuilt(judge, images)), columns=count, format="jpeg", quality=75),
        "verites": sheet(255 * truth.astype("uint8"), columns=count, levels=2),
        "grille": GRID,
        "cartes": sheet(levels, columns=count),
        "bas": low,
        "haut": high,
        "bonnes": listed(~is_defect),
        "defauts": listed(is_defect),
        "seuil": float(max(threshold, TINY)),
    }


def rebuilt(judge: Detector, images: np.ndarray) -> np.ndarray:
    """Returns what a network makes of images, uint8 of their shape; the images themselves without any network."""
    if not judge.models:
        return images
    model = judge.models.get(REBUILT, next(iter(judge.models.values())))
    return reconstruction_picture(model, images)


def plot(scores: Scores, threshold: float, *, category: str, rows: np.ndarray | None = None) -> Drawing:
    """Draws the ROC curve of a category with the point of its threshold, and the map of parts with its contour."""
    rows = chosen(scores) if rows is None else rows
    table, decided = scores.table, evaluation.decisions(scores, threshold)
    alarms, found = decided.rejected / max(decided.good, 1), 1 - decided.missed / max(decided.defective, 1)
    columns = -(-len(rows) // 2)
    figure, places = figures.new_figure(3.4, rows=2, columns=columns + 2, squeeze=False)
    grid = places[0, 0].get_gridspec()
    for axis in places[:, :2].flat:
        axis.remove()
    roc = figure.add_subplot(grid[:, :2])
    if decided.good and decided.defective:
        false, true, _ = metrics.curves(table["score"].to_numpy(), table["is_defect"].to_numpy(bool))
        roc.plot(100 * false, 100 * true, color=PALETTE[0])
        roc.plot(100 * alarms, 100 * found, "o", color=PALETTE[2], ms=9)
    roc.set(title=f"Seuil {number(threshold, 2)}", xlabel="bonnes pièces rejetées (%)", ylabel="défauts trouvés (%)")
    for axis in places[:, 2:].flat:
        axis.axis("off")
    for axis, row in zip(places[:, 2:].flat, rows, strict=False):
        axis.imshow(_small(scores.images[row : row + 1])[0])
        heat = _resized(scores.maps[row : row + 1], SIDE)[0]
        if heat.min() < threshold < heat.max():
            axis.contour(heat, levels=[threshold], colors=CONTOUR, linestyles="--", linewidths=1.5)
        score = table["score"].iloc[row]
        told = "rejetée" if score > threshold else "acceptée"
        axis.set_title(f"{defect_title(table['defect'].iloc[row])}\n{told}", fontsize=9, fontweight="normal")
    figure.suptitle(category[:1].upper() + category[1:], x=0.01, ha="left", fontsize=13, fontweight="bold")
    alt = (
        f"{category} : au seuil {number(threshold, 2)}, {decided.rejected} bonnes pièces sur {decided.good} sont "
        f"rejetées et {decided.defective - decided.missed} défauts sur {decided.defective} sont trouvés. À gauche, la "
        f"courbe ROC et ce point ; à droite, {len(rows)} pièces et le contour de leur carte à ce seuil."
    )
    return Drawing(figure, alt, "jpeg")


def _short(value: float) -> float:
    """Returns a score with six digits, which weigh half as much."""
    return float(f"{value:.6g}")


def _small(images: np.ndarray) -> np.ndarray:
    """Returns images (n, s, s, 3) at the side of the page, uint8."""
    size = (SIDE, SIDE)
    return np.stack([np.asarray(Image.fromarray(im).resize(size, Image.Resampling.LANCZOS)) for im in images])


def _resized(maps: np.ndarray, side: int) -> np.ndarray:
    """Returns maps (n, s, s) at another side, float32: the mean of what a pixel covers."""
    size = (side, side)
    return np.stack([
        np.asarray(Image.fromarray(m.astype("float32")).resize(size, Image.Resampling.BILINEAR)) for m in maps
    ])
