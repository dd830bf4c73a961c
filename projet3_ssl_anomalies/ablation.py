"""What other constants of scoring, or other trainings, would be worth: on synthetic defects, never on the test part.

They are painted on good images that the models did not see. `python -m projet3_ssl_anomalies` writes the ablation of
scoring of each detector of `reference/`; with `--essais`, it prints that of trainings instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image

from projet3_ssl_anomalies import dataset, defects, metrics, training
from projet3_ssl_anomalies.dataset import SIDE, Data
from projet3_ssl_anomalies.defects import Defective
from projet3_ssl_anomalies.detector import OutOfFoldErrors, folds
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor, Scorer, error_maps
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig, cross_validated_maps, enlarge, fuse, image_scores
from projet3_ssl_anomalies.training import Config, Good, Group

RETAINED = "retained"  # the constant of the rows where nothing changes
PAINTED = 40  # held-out images painted to compare trainings, at most

# --- Constants of scoring --------------------------------------------------------------------------------------------

_TOGETHER = ((1, 1, 1), (1, 0.5, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1))  # weights of the tasks
_WITHOUT = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1))
_VALUES = {
    "error_sigma": (0, 1, 2, 3, 4, 6),
    "map_sigma": (0, 1, 2, 3, 4, 6, 8),
    "top_fraction": (0.0001, 0.001, 0.003, 0.01, 0.05, 1),
    "shrinkage": (0.5, 2, 5, 20, 1e9),
}


def scoring_variants(retained: ScoringConfig = SCORING) -> Iterator[tuple[str, str, ScoringConfig]]:
    """Yields the constant that changes, its value as a text, and the configuration, the others as retained.

    Weights are written in the order of `PRETEXTS`, between slashes.
    """
    replace = dataclasses.replace
    yield RETAINED, "", retained
    for constant, values in _VALUES.items():
        for value in values:
            yield constant, f"{value:g}", replace(retained, **{constant: value})
    for weights in _TOGETHER + _WITHOUT:
        by_task = dict(zip(PRETEXTS, weights, strict=False))
        if any(by_task.values()):
            yield "weights", "/".join(f"{w:g}" for w in weights), replace(retained, weights=by_task)
    for fusion in ("arithmetic", "geometric"):
        yield "fusion", fusion, replace(retained, fusion=fusion)


def scoring_ablation(group: Group, errors: OutOfFoldErrors) -> pd.DataFrame:
    """Measures variants of scoring on synthetic defects painted on good images that the models did not see.

    Returns:
        One row per category and variant: category, source ("real" or "sample"), constant, value, is_retained (whether
        the variant comes to the configuration of `errors`), and the measures of `on_synthetic`.
    """
    rows = []
    for category_id, data in enumerate(group.datas):
        good_rows = errors.category_ids == category_id
        bad_rows = good_rows[errors.painted.sources]
        pairs = {task: (maps[good_rows], errors.defective[task][bad_rows]) for task, maps in errors.good.items()}
        painted, cache = errors.painted.take(bad_rows), {}
        for constant, value, scoring in scoring_variants(errors.scoring):
            key = (scoring.error_sigma, scoring.map_sigma, scoring.shrinkage)  # all that maps depend on
            if key not in cache:
                options = {"aligned": data.category.aligned, "scoring": scoring}
                cache[key] = {task: cross_validated_maps(*pair, **options) for task, pair in pairs.items()}
            good, bad = (fuse({task: maps[i] for task, maps in cache[key].items()}, scoring) for i in (0, 1))
            row = _named(data) | {"constant": constant, "value": value}
            row["is_retained"] = _spelled(scoring) == _spelled(errors.scoring)
            rows.append(row | on_synthetic(good, bad, painted, scoring=scoring))
    return pd.DataFrame(rows)


def _named(data: Data) -> dict[str, str]:
    return {"category": data.category.name, "source": "real" if data.location.is_real else "sample"}


def _spelled(scoring: ScoringConfig) -> ScoringConfig:
    """Returns the same constants, the weight of each task being given."""
    return dataclasses.replace(scoring, weights={task: scoring.weights.get(task, 1.0) for task in PRETEXTS})


def on_synthetic(
    good: np.ndarray, bad: np.ndarray, painted: Defective, *, scoring: ScoringConfig = SCORING
) -> dict[str, float]:
    """Measures maps of good images and of painted ones, (n, side, side).

    Returns:
        `image` (image AUROC), the same for each type of `defects.TYPES`, `pixel` (pixel AUROC) and `pro` (AU-PRO),
        these two at the side of the masks.
    """
    good_scores, scores = image_scores(good, scoring), image_scores(bad, scoring)
    row = {"image": metrics.auroc(good_scores, scores)}
    row |= {name: metrics.auroc(good_scores, scores[painted.defect_types == name]) for name in defects.TYPES}
    large = enlarge(bad, painted.masks.shape[1])
    return row | {"pixel": metrics.pixel_auroc(large, painted.masks), "pro": metrics.au_pro(large, painted.masks)}


# --- Trainings -------------------------------------------------------------------------------------------------------


def training_variants(images: int, epochs: int) -> Iterator[tuple[str, str, Config]]:
    """Yields the constant of inpainting that changes, its value as a text, and the configuration; the retained first.

    Args:
        images: images seen by each.
        epochs: parts into which a training is cut.
    """
    common = {"task": "inpainting", "start_from_mean": False, "images_seen": images, "epochs": epochs}
    yield RETAINED, "", Config(**common)
    yield "start_from_mean", "True", Config(**common | {"start_from_mean": True})
    for side in (64, 96):
        yield "side", f"{side}", Config(side=side, **common)
    for structure in (0.0, 0.1, 1.0):
        yield "structure", f"{structure:g}", Config(structure=structure, **common)
    yield "cells", "32/16/8", Config(cells=(32, 16, 8), **common)


def training_ablation(data: Data, *, images: int, epochs: int, title: str = "") -> pd.DataFrame:
    """Trains the variants on four good images in five, and measures them on the fifth.

    Defects are painted on it once, at 256 pixels, so that every resolution is asked to find the same ones.

    Args:
        data: the category.
        images: images seen by each variant.
        epochs: parts into which a training is cut.
        title: shown with the progress; nothing is shown if empty.

    Returns:
        One row per variant: category, source, constant, value, `image` (image AUROC), `pixel` (pixel AUROC), `pro`
        (AU-PRO), and `seconds` of training. After the retained one, it scored with the cells of one size alone
        (constant "scoring_masks", value: how many cells lie along a side).
    """
    images_256 = dataset.read(data.train, SIDE)[1]
    held_out = folds(np.zeros(len(images_256), int), 1) == 0
    rows = np.flatnonzero(held_out)
    painted = defects.paint(images_256[rows[:PAINTED]])
    table = []
    for constant, value, config in training_variants(images, epochs):
        resized, count = dataset.read(data.train, config.side)[1], int((~held_out).sum())
        good = Good(resized[~held_out], np.full(count, data.category.varies), np.zeros(count, "int32"))
        run = training.train(config, good, title=f"{title}, {constant} {value}".rstrip() if title else "")
        masks = run.model.scoring_masks
        parts = [(constant, value, masks)]
        if constant == RETAINED:
            parts += [("scoring_masks", f"{n}", masks[i : i + 1]) for i, n in enumerate(config.cells)]
        bad = _resized(painted.images, config.side)
        for name, text, part in parts:
            run.model.scoring_masks = part
            measures = _measure(run.model, resized[rows], bad, painted, data.category.aligned)
            row = _named(data) | {"constant": name, "value": text} | measures
            table.append(row | {"seconds": round(run.metrics["seconds"])})
    return pd.DataFrame(table)


def _resized(images: np.ndarray, side: int) -> np.ndarray:
    resized = (Image.fromarray(image).resize((side, side), Image.Resampling.BOX) for image in images)
    return np.stack([np.asarray(image) for image in resized])


def _measure(
    model: Reconstructor, good: np.ndarray, bad: np.ndarray, painted: Defective, aligned: bool
) -> dict[str, float]:
    scorer = Scorer(model)  # a new one: its masks may have changed
    errors, bad_errors = (error_maps(scorer, images) for images in (good, bad))
    measures = on_synthetic(*cross_validated_maps(errors, bad_errors, aligned=aligned), painted)
    return {name: measures[name] for name in ("image", "pixel", "pro")}
