"""What judges the parts of a category: models, statistics of their out-of-fold errors, scores of good parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from commun import UserError, figures, results
from projet3_ssl_anomalies import PROJECT, REFERENCE, dataset, defects, metrics, pretexts, training
from projet3_ssl_anomalies import statistics as stats
from projet3_ssl_anomalies.dataset import Category
from projet3_ssl_anomalies.defects import Defective
from projet3_ssl_anomalies.pretexts import FUSED
from projet3_ssl_anomalies.reconstructor import Reconstructor, Scorer, error_maps
from projet3_ssl_anomalies.statistics import SCORING, NormalStatistics, ScoringConfig, fuse, smooth
from projet3_ssl_anomalies.training import Group, Profile

HELD_OUT = 5  # with one fold, one good image in five is held out
FALSE_ALARMS = 0.05  # rate at which F1 and decisions are given, unless asked otherwise
FILE = "detecteur.json"


# --- Errors on parts never seen --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class OutOfFoldErrors:
    """Error maps of images by models that did not learn from them, before any smoothing.

    Attributes:
        good: task -> maps of good images, float32 of shape (n, side, side, channels).
        category_ids: category of each, shape (n,).
        defective: task -> maps of the same images with synthetic defects.
        painted: these images; `painted.sources` are rows of `good`.
        seconds: what the trainings took, whenever they were done.
        scoring: constants with which they will be scored.
    """

    good: dict[str, np.ndarray]
    category_ids: np.ndarray
    defective: dict[str, np.ndarray]
    painted: Defective
    seconds: float
    scoring: ScoringConfig = SCORING


def out_of_fold_errors(group: Group, budget: Profile, *, seed: int = 0, title: str = "") -> OutOfFoldErrors:
    """Trains, for each task and fold, a model on the other folds, and returns its errors on this one.

    Args:
        group: categories that share their models.
        budget: sizes.
        seed: of the folds and of the trainings.
        title: shown with the progress; nothing is shown if empty.
    """
    fold = folds(group.good.category_ids, budget.folds, seed=seed)
    rows = np.concatenate([np.flatnonzero(fold == f) for f in range(budget.folds)])
    ids = group.good.category_ids[rows]
    painted = _paint_held_out(group, rows, budget.painted, seed)
    fold_of_painted = fold[rows][painted.sources]
    order = np.argsort(np.argsort(fold_of_painted, kind="stable"))  # from fold after fold to the order of `painted`
    good, defective, seconds = {}, {}, 0.0
    slot = figures.Slot() if title else None
    for task, config in training.configurations(group, budget, seed=seed).items():
        good_maps, defective_maps = [], []
        for f in range(budget.folds):
            if slot:
                name = f"{title}, {pretexts.title(task)}"
                slot.text(f"{name} : modèle {f + 1}/{budget.folds} sans les pièces mises de côté…")
            run = training.train(config, group.good.take(fold != f))
            seconds += run.metrics["seconds"]
            scorer, of_fold = Scorer(run.model), fold_of_painted == f
            good_maps.append(_error_maps(scorer, group.good.images[fold == f], group.good.category_ids[fold == f]))
            defective_maps.append(_error_maps(scorer, painted.images[of_fold], ids[painted.sources[of_fold]]))
        good[task] = np.concatenate(good_maps)
        defective[task] = np.concatenate(defective_maps)[order]
    if slot:
        slot.text(f"{title} : {len(rows)} bonnes pièces jugées par des modèles qui ne les ont pas vues.")
    return OutOfFoldErrors(good, ids, defective, painted, seconds, budget.scoring)


def folds(category_ids: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Deals images into folds, within each category: fold of each image, shape (n,), in 0..count-1.

    With a single fold, one image in five is in fold 0, and the others, never held out, are in -1.
    """
    rng, fold = np.random.default_rng([seed, count]), np.empty(len(category_ids), int)
    for category_id in np.unique(category_ids):
        rows = rng.permutation(np.flatnonzero(category_ids == category_id))
        place = np.arange(len(rows)) % (count if count > 1 else HELD_OUT)
        fold[rows] = place if count > 1 else np.where(place == 0, 0, -1)
    return fold


def _error_maps(scorer: Scorer, images: np.ndarray, category_ids: np.ndarray) -> np.ndarray:
    """Returns the error maps of images of several categories, each of them together."""
    maps = np.empty((*images.shape[:3], len(scorer.model.pretext.channels)), "float32")
    for category_id in np.unique(category_ids):
        rows = category_ids == category_id
        maps[rows] = error_maps(scorer, images[rows], category_id)
    return maps


def _paint_held_out(group: Group, rows: np.ndarray, count: int, seed: int) -> Defective:
    """Paints defects on `count` images of each category, among these rows of its good ones."""
    parts = []
    for category_id in range(len(group.datas)):
        of_category = np.flatnonzero(group.good.category_ids[rows] == category_id)
        sources = dataset.evenly_spaced(of_category, count)  # over the folds
        part = defects.paint(group.good.images[rows[sources]], seed=seed)
        parts.append(dataclasses.replace(part, sources=sources[part.sources]))
    names = (field.name for field in dataclasses.fields(Defective))
    return Defective(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


# --- Detectors -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Detector:
    """All it takes to judge the images of a category.

    Attributes:
        category: what it judges.
        category_id: index of the category in the models.
        scorers: task -> scorer of the trained model; categories that share models share them too.
        statistics: task -> statistics of good parts.
        good_scores: task, and `FUSED` -> scores of good parts by models that did not see them, shape (n,).
        scoring: constants of scoring.
        seconds: what its trainings took, those of the folds included.
    """

    category: Category
    category_id: int
    scorers: dict[str, Scorer]
    statistics: dict[str, NormalStatistics]
    good_scores: dict[str, np.ndarray]
    scoring: ScoringConfig = SCORING
    seconds: float = 0.0

    @property
    def models(self) -> dict[str, Reconstructor]:
        """The trained models: task -> model."""
        return {task: scorer.model for task, scorer in self.scorers.items()}

    @property
    def side(self) -> int:
        """Side of the images that it takes, in pixels."""
        return next(iter(self.models.values())).config.side

    def maps(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the anomaly maps of uint8 images (n, side, side, 3): task, `FUSED` -> float32 (n, side, side)."""
        maps = {}
        for task, scorer in self.scorers.items():
            errors = error_maps(scorer, images, self.category_id)
            maps[task] = stats.anomaly_maps(errors, self.statistics[task], self.scoring)
        return {**maps, FUSED: fuse(maps, self.scoring)}

    def threshold(self, rate: float = FALSE_ALARMS, *, task: str = FUSED) -> float:
        """Returns the score above which a part is rejected, for this rate of false alarms.

        Raises:
            UserError: the good parts are too few for such a rate.
        """
        return metrics.false_alarm_threshold(self.good_scores[task], rate)


def detectors(
    group: Group, budget: Profile, errors: OutOfFoldErrors, *, seed: int = 0, title: str = ""
) -> list[Detector]:
    """Trains the final models of a group on all its good images, and returns the detector of each category.

    Args:
        group: categories that share their models.
        budget: sizes.
        errors: what `out_of_fold_errors` returned for them.
        seed: of the trainings.
        title: shown with the progress; nothing is shown if empty.
    """
    scoring = errors.scoring
    runs = training.train_final(group, budget, seed=seed, title=title)
    scorers = {task: Scorer(run.model) for task, run in runs.items()}
    seconds = errors.seconds + sum(run.metrics["seconds"] for run in runs.values())
    made = []
    for category_id, data in enumerate(group.datas):
        rows, aligned = errors.category_ids == category_id, data.category.aligned
        smoothed = {task: smooth(maps[rows], scoring.error_sigma) for task, maps in errors.good.items()}
        statistics = {t: stats.normal_statistics(m, aligned=aligned, scoring=scoring) for t, m in smoothed.items()}
        scores = _good_scores(smoothed, aligned, scoring)
        made.append(Detector(data.category, category_id, scorers, statistics, scores, scoring, seconds))
    return made


def _good_scores(smoothed: Mapping[str, np.ndarray], aligned: bool, scoring: ScoringConfig) -> dict[str, np.ndarray]:
    """Returns the scores of good parts, each judged by the others, from their smoothed errors."""
    distances = {t: stats.left_out_distances(m, aligned=aligned, scoring=scoring) for t, m in smoothed.items()}
    maps = {task: smooth(d, scoring.map_sigma) for task, d in distances.items()}
    return {name: stats.image_scores(m, scoring) for name, m in {**maps, FUSED: fuse(maps, scoring)}.items()}


def pipeline_example(group: Group, errors: OutOfFoldErrors) -> dict[str, np.ndarray]:
    """Returns what leads from an image to its map: a synthetic defect of the first category of a group.

    Returns:
        `image`, uint8 (side, side, 3), then float32 (side, side): `error`, the size of the errors of inpainting (or of
        the first task) in colour once smoothed; `mean` and `deviation`, the mean of this size on good parts and its
        standard deviation; `distance`, the map of this task; and `fused`, that of the fusion.
    """
    rows, scoring = errors.category_ids == 0, errors.scoring
    shown = "inpainting" if "inpainting" in errors.good else next(iter(errors.good))
    painted = np.flatnonzero(rows[errors.painted.sources])
    row = max(painted, key=lambda index: errors.painted.defect_types[index] == "recoloured")
    pictures, maps = {"image": errors.painted.images[row]}, {}
    for task, good in errors.good.items():
        smoothed, error = smooth(good[rows], scoring.error_sigma), errors.defective[task][row : row + 1]
        statistics = stats.normal_statistics(smoothed, aligned=group.datas[0].category.aligned, scoring=scoring)
        maps[task] = stats.anomaly_maps(error, statistics, scoring)
        if task == shown:
            sizes = np.linalg.norm(smoothed[..., -3:], axis=-1)
            pictures["error"] = np.linalg.norm(smooth(error, scoring.error_sigma)[0, ..., -3:], axis=-1)
            pictures |= {"mean": sizes.mean(axis=0), "deviation": sizes.std(axis=0), "distance": maps[task][0]}
    return {**pictures, "fused": fuse(maps, scoring)[0]}


# --- On disk ---------------------------------------------------------------------------------------------------------

STATISTICS = [field.name for field in dataclasses.fields(NormalStatistics)]


def save_detector(detector: Detector, folder: Path) -> None:
    """Writes a detector: weights and statistics as 16-bit floats, the rest in `detecteur.json`."""
    for task, model in detector.models.items():
        arrays = vars(detector.statistics[task])
        rounded = {name: commun.training.to_float16(arrays[name], bits=5) for name in STATISTICS}  # within 1 %
        commun.training.save_weights(folder / task, model, model.config, **rounded)
    content = {
        "category": dataclasses.asdict(detector.category),
        "category_id": detector.category_id,
        "scoring": dataclasses.asdict(detector.scoring),
        "seconds": round(detector.seconds),
        "good_scores": {name: [round(float(s), 4) for s in scores] for name, scores in detector.good_scores.items()},
    }
    results.write_json(folder / FILE, content)


def load_detector(category: str, folder: Path | None = None) -> Detector:
    """Loads a detector that `save_detector` wrote in `folder/<category>`, by default that of `reference/`.

    Raises:
        UserError: there is none for this category, or it is damaged.
    """
    folder = folder or REFERENCE
    path = folder / category / FILE
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in folder.glob(f"*/{FILE}"))) or "aucune"
        raise UserError(
            f"Aucun détecteur de référence pour « {category} » (catégories qui en ont un : {known}). Entraînez le "
            "vôtre avec le carnet 03, en donnant cette catégorie au paramètre CATEGORIES."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        judged, category_id = Category(**{**content["category"], "official": None}), int(content["category_id"])
        scores = {name: np.array(values) for name, values in content["good_scores"].items()}
        scoring, seconds = ScoringConfig(**content["scoring"]), float(content["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} est illisible ({type(error).__name__}). Reprenez-le du dépôt.") from error
    scorers, statistics = {}, {}
    for task in scores:
        if task != FUSED:
            model, arrays = commun.training.load_weights(path.parent / task, _rebuild, project=PROJECT)
            scorers[task] = Scorer(model)
            statistics[task] = NormalStatistics(*(arrays[name].astype("float32") for name in STATISTICS))
    return Detector(judged, category_id, scorers, statistics, scores, scoring, seconds)


def _rebuild(config: dict) -> Reconstructor:
    return training.build(training.Config(**config))
