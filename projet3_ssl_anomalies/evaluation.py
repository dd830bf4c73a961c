"""What detectors are worth on test parts: scores, decisions at a threshold, measures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from commun import UserError, results
from commun.datasets import Location
from projet3_ssl_anomalies import dataset, files, metrics
from projet3_ssl_anomalies.dataset import SIDE, Data
from projet3_ssl_anomalies.detector import FALSE_ALARMS, Detector, fused_maps
from projet3_ssl_anomalies.intervals import differences, measure
from projet3_ssl_anomalies.signals import BASELINE, FUSED
from projet3_ssl_anomalies.statistics import enlarge, fuse, image_scores
from projet3_ssl_anomalies.storage import load_detector

HEADLINES = {"AUROC image moyenne": "image_auroc", "AU-PRO moyenne": "au_pro"}  # of the fusion


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a detector says of the images of a folder.

    Attributes:
        table: path, defect, score, is_defect, and `score_<name>` for the other names of `detector.fused_maps`; one row
            per image.
        maps: float32 of shape (n, 256, 256), higher = more abnormal.
        metrics: name -> {"value", "ci95", "n"}, where they can be computed.
        others: the same metrics for the rival without a network, each task alone, and the representations.
        gains: those of the fusion less those of the rival, on the same draws of images.
        signals: image AUROC of each signal alone; of each task, its error and its representation fused.
        left_out: what could not be used, in French.
        images: the images as they were read, uint8 of shape (n, side, side, 3).
        truth: bool of shape (n, 256, 256).
    """

    table: pd.DataFrame
    maps: np.ndarray
    metrics: dict[str, dict]
    others: dict[str, dict[str, dict]]
    gains: dict[str, dict]
    signals: dict[str, float]
    left_out: tuple[str, ...]
    images: np.ndarray
    truth: np.ndarray


def score_folder(folder: Path, category: str, *, detector: Detector | None = None, **options) -> Scores:
    """Judges the test images of a category's folder.

    Args:
        folder: the category's, in the layout of MVTec AD or AutoVI; train/ and ground_truth/ may be missing.
        category: its name; without a `detector`, one of those of `reference/`.
        detector: what judges; by default, the detector of `reference/`.
        options: those of `score_data`.

    Raises:
        UserError: there is no such detector, no test image, or none that can be read.
    """
    detector = detector or load_detector(category)
    location = Location(Path(folder), True, detector.category.title)
    return score_data(Data(detector.category, location, *files.index(folder)), detector, **options)


def score_data(
    data: Data,
    detector: Detector,
    *,
    rate: float = FALSE_ALARMS,
    draws: int = results.DRAWS,
    limit: int | None = None,
) -> Scores:
    """Judges the test part of a category.

    Args:
        data: the category.
        detector: what judges.
        rate: rate of false alarms at which F1 is given.
        draws: bootstrap draws of the intervals.
        limit: images judged, at most; spread over the folder.

    Raises:
        UserError: there is no test image, or none that can be read.
    """
    table, folder = data.test, data.location.folder
    if table.empty:
        raise UserError(f"{folder / 'test'} ne contient aucune image lisible : il n'y a rien à juger.")
    left_out = [f"{row.file} : {row.what}" for row in data.problems.itertuples()]
    if limit and len(table) > limit:
        left_out.append(f"{len(table) - limit} images sur {len(table)}, pour tenir dans le budget du profil")
        table = table.iloc[dataset.evenly_spaced(np.arange(len(table)), limit)]
    paths = list(table["path"])
    table, images = dataset.read(table, detector.side)
    readable = set(table["path"])
    left_out += [f"{path.parent.name}/{path.name} : ne se décode pas" for path in paths if path not in readable]
    of_signals = detector.signal_maps(images)
    maps = fused_maps(of_signals, detector.scoring)
    scores = {name: image_scores(m, detector.scoring) for name, m in maps.items()}
    truth = dataset.masks(table, SIDE)
    config = data.saturations
    is_defect = table["is_defect"].to_numpy(bool)
    common = {
        "masks": truth,
        "defects": dataset.defect_regions(table, SIDE, config) if config else None,
        "draws": draws,
    }
    enlarged = {name: enlarge(m) for name, m in maps.items()}
    measures = {
        name: measure(scores[name], is_defect, maps=m, threshold=_threshold(detector, rate, name), **common)
        for name, m in enlarged.items()
    }
    pair = [(scores[name], enlarged[name]) for name in (FUSED, BASELINE)]
    gains = differences(*pair, is_defect, **common)
    table = table[["path", "defect", "is_defect"]].assign(
        score=scores[FUSED], **{f"score_{name}": s for name, s in scores.items() if name != FUSED}
    )
    alone = {
        name: metrics.auroc(s[~is_defect], s[is_defect]) for name, s in signal_scores(of_signals, detector).items()
    }
    return Scores(table, enlarged[FUSED], measures.pop(FUSED), measures, gains, alone, tuple(left_out), images, truth)


def _threshold(detector: Detector, rate: float, name: str) -> float | None:
    try:
        return detector.threshold(rate, name=name)
    except UserError:
        return None  # too few good parts for this rate: no F1


def signal_scores(maps: Mapping[str, np.ndarray], detector: Detector) -> dict[str, np.ndarray]:
    """Returns the image scores of each signal, and of both signals of each task together under its name."""
    scoring = detector.scoring
    together = {
        task: fuse({name: m for name, m in maps.items() if name.startswith(f"{task}/")}, scoring)
        for task in detector.models
    }
    return {name: image_scores(m, scoring) for name, m in {**maps, **together}.items()}


# --- Decisions -------------------------------------------------------------------------------------------------------


def least_rate(detector: Detector) -> float:
    """Returns the smallest rate of false alarms that the number of good parts held out allows."""
    return 1 / len(detector.good_scores[FUSED])


def threshold(detector: Detector, rate: float) -> float:
    """Returns the score above which a part is rejected, for a rate of false alarms, or `least_rate` if it is higher."""
    return detector.threshold(max(rate, least_rate(detector)))


class Decisions(NamedTuple):
    """Counts of test parts: good ones, those rejected among them, defective ones, those missed among them."""

    good: int
    rejected: int
    defective: int
    missed: int


def decisions(scores: Scores, threshold: float) -> Decisions:
    """Counts what a threshold decides: a part is rejected when its score is above it."""
    is_defect, rejected = scores.table["is_defect"].to_numpy(bool), scores.table["score"].to_numpy() > threshold
    counts = (~is_defect, rejected & ~is_defect, is_defect, ~rejected & is_defect)
    return Decisions(*(int(count.sum()) for count in counts))


def headline(scores: Scores) -> float:
    """Returns the image AUROC of the fusion, NaN if there are only good parts, or only bad ones."""
    return scores.metrics.get("image_auroc", {"value": math.nan})["value"]


def headlines(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Returns the results by which a run is known, means over its categories: French name -> value."""
    found = {
        label: [of.metrics[metric]["value"] for of in scores.values() if metric in of.metrics]
        for label, metric in HEADLINES.items()
    }
    return {label: float(np.mean(values)) for label, values in found.items() if values}


def reference_headlines(scores: Mapping[str, Scores], reference: Mapping[str, Any] | None) -> dict[str, float]:
    """Returns `headlines` on real images, for the categories of a run that `reference/` has; none without any."""
    measured = reference["metrics"] if reference else {}
    found = {
        label: [measured[key]["value"] for name in scores if (key := f"{name}/{FUSED}/{metric}") in measured]
        for label, metric in HEADLINES.items()
    }
    return {label: float(np.mean(values)) for label, values in found.items() if values}


def summary(datas: Sequence[Data], scores: Mapping[str, Scores], thresholds: Mapping[str, float]) -> dict:
    """Returns the values of the last sentences: worst and best categories, and the counts of `decisions`, summed."""
    titles = {data.category.name: data.category.title for data in datas}
    ranked = sorted(scores, key=lambda name: headline(scores[name]))
    counts = Decisions(*map(sum, zip(*(decisions(scores[name], thresholds[name]) for name in scores), strict=True)))
    return {
        "worst": titles[ranked[0]],
        "low": headline(scores[ranked[0]]),
        "best": titles[ranked[-1]],
        "high": headline(scores[ranked[-1]]),
        **counts._asdict(),
    }


# --- Parts to look at ------------------------------------------------------------------------------------------------


def median_examples(scores: Scores, count: int) -> np.ndarray:
    """Returns rows of defective parts: of each type in turn the part of median score, then the next closest to it."""
    score, defect = scores.table["score"], scores.table["defect"]
    gap = (score - score.groupby(defect).transform("median")).abs()
    return _lowest(gap.groupby(defect).rank(method="first"), scores.table["is_defect"], count)


def most_missed(scores: Scores, count: int) -> np.ndarray:
    """Returns the rows of the defective parts with the lowest scores, the lowest first."""
    return _lowest(scores.table["score"], scores.table["is_defect"], count)


def falsest_alarms(scores: Scores, count: int) -> np.ndarray:
    """Returns the rows of the good parts with the highest scores, the highest first."""
    return _lowest(-scores.table["score"], ~scores.table["is_defect"], count)


def _lowest(values: pd.Series, among: pd.Series, count: int) -> np.ndarray:
    return np.flatnonzero(among)[np.argsort(values[among].to_numpy(), kind="stable")][:count]
