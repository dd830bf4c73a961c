"""What judges the parts of a category: models, what is normal for each of their signals, scores of good parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from commun import UserError, results
from commun.datasets import atomic_file
from projet3_ssl_anomalies import PROJECT, REFERENCE, dataset, defects, metrics, training
from projet3_ssl_anomalies import statistics as stats
from projet3_ssl_anomalies.dataset import Category, Data
from projet3_ssl_anomalies.defects import Defective
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION, named, signals
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig, fuse, image_scores, smooth
from projet3_ssl_anomalies.training import Profile

FALSE_ALARMS = 0.05  # rate at which F1 and decisions are given, unless asked otherwise
FILE, NORMALS = "detecteur.json", "normal.npz"
BITS = 5  # of mantissa kept on disk: values within 2 %

Maps = dict[str, np.ndarray]


# --- Signals of parts never seen -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Signals of the half of the good parts that the models have not seen.

    Attributes:
        good: signal -> its values, float32 of shape (n, grid, grid, channels).
        defective: the same for some of these parts with synthetic defects.
        painted: these images; `painted.sources` are rows of `good`.
    """

    good: Maps
    defective: Maps
    painted: Defective


def train(data: Data, budget: Profile, *, seed: int = 0, title: str = "") -> dict[str, commun.training.Run]:
    """Trains the model of each task on the first half of the good parts: task -> run."""
    learnt, _ = training.halves(data, budget, seed=seed)
    return training.train_tasks(learnt, budget, seed=seed, title=title)


def held_out(models: Mapping[str, Reconstructor], data: Data, budget: Profile, *, seed: int = 0) -> HeldOut:
    """Returns the signals of the other half, of the same `seed`, as they are and with synthetic defects."""
    _, good = training.halves(data, budget, seed=seed)
    rows = dataset.evenly_spaced(np.arange(len(good)), budget.painted)
    painted = defects.paint(good.images[rows], seed=seed)
    painted = dataclasses.replace(painted, sources=rows[painted.sources])
    return HeldOut(signals(models, good.images), signals(models, painted.images), painted)


# --- Maps ------------------------------------------------------------------------------------------------------------


def normals_of(good: Maps, *, aligned: bool, scoring: ScoringConfig = SCORING) -> dict:
    """Returns what is normal for each signal of good parts that the models have not seen."""
    return {name: stats.normal_of(aligned).fit(values, scoring) for name, values in good.items()}


def left_out_maps(good: Maps, normals: Mapping, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the anomaly maps of the parts of `normals_of`, each judged by the others: signal -> (n, grid, grid)."""
    return {name: smooth(normals[name].left_out(values, scoring), scoring.map_sigma) for name, values in good.items()}


def anomaly_maps(found: Maps, normals: Mapping, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the anomaly maps of other parts from their signals: signal -> (n, grid, grid)."""
    return {name: smooth(normals[name].distances(values), scoring.map_sigma) for name, values in found.items()}


def fused_maps(maps: Maps, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the maps that are published, from those of the signals.

    Returns:
        `BASELINE`, then each task (its reconstruction error), then `REPRESENTATION`, the fusion of those of all the
        tasks, then `FUSED`, that of everything.
    """
    tasks = {task: maps[named(task, ERROR)] for task in PRETEXTS if named(task, ERROR) in maps}
    learnt = {name: m for name, m in maps.items() if name.endswith(REPRESENTATION)}
    together = {REPRESENTATION: fuse(learnt, scoring)} if learnt else {}
    return {BASELINE: maps[BASELINE], **tasks, **together, FUSED: fuse(maps, scoring)}


# --- Detectors -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Detector:
    """All it takes to judge the images of a category.

    Attributes:
        category: what it judges.
        models: task -> trained model.
        normals: signal -> what is normal.
        good_scores: names of `fused_maps` -> scores of good parts that the models did not see, each judged by the
            others, shape (n,).
        side: of the images that it takes, in pixels.
        scoring: constants of scoring.
        seconds: what its trainings took.
    """

    category: Category
    models: dict[str, Reconstructor]
    normals: dict
    good_scores: Maps
    side: int
    scoring: ScoringConfig = SCORING
    seconds: float = 0.0

    def signal_maps(self, images: np.ndarray) -> Maps:
        """Returns the anomaly maps of uint8 images (n, side, side, 3): signal -> float32 (n, grid, grid)."""
        return anomaly_maps(signals(self.models, images), self.normals, self.scoring)

    def threshold(self, rate: float = FALSE_ALARMS, *, name: str = FUSED) -> float:
        """Returns the score above which a part is rejected, for this rate of false alarms.

        Raises:
            UserError: the good parts are too few for such a rate.
        """
        return metrics.false_alarm_threshold(self.good_scores[name], rate)


def detector_of(
    data: Data, runs: Mapping[str, commun.training.Run], unseen: HeldOut, scoring: ScoringConfig = SCORING
) -> Detector:
    """Returns the detector of a category: its models, and what is normal for the half that they have not seen.

    Without any model, it is the rival that learns nothing.

    The same models judge these parts and new ones, and each of these parts is judged by the others: the scores that
    set the threshold are therefore drawn as those of new good parts.

    Args:
        data: the category.
        runs: what `train` returned.
        unseen: what `held_out` returned for these models.
        scoring: constants.
    """
    models = {task: run.model for task, run in runs.items()}
    normals = normals_of(unseen.good, aligned=data.category.aligned, scoring=scoring)
    maps = fused_maps(left_out_maps(unseen.good, normals, scoring), scoring)
    good_scores = {name: image_scores(m, scoring) for name, m in maps.items()}
    side = unseen.painted.images.shape[1]
    seconds = sum(run.metrics["seconds"] for run in runs.values())
    return Detector(data.category, models, normals, good_scores, side, scoring, seconds)


# --- On disk ---------------------------------------------------------------------------------------------------------


def save_detector(detector: Detector, folder: Path) -> None:
    """Writes a detector: weights and what is normal as 16-bit floats, the rest in `detecteur.json`."""
    for task, model in detector.models.items():
        commun.training.save_weights(folder / task, model, model.config, bits=BITS)
    arrays = {f"{name}/{f}": a for name, normal in detector.normals.items() for f, a in vars(normal).items()}
    rounded = {name: commun.training.to_float16(array, bits=BITS) for name, array in arrays.items()}
    with atomic_file(folder / NORMALS) as temporary:
        np.savez_compressed(temporary, **rounded)
    content = {
        "category": dataclasses.asdict(detector.category),
        "tasks": list(detector.models),
        "side": detector.side,
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
        judged = Category(**{**content["category"], "official": None})
        scores = {name: np.array(values) for name, values in content["good_scores"].items()}
        scoring, seconds = ScoringConfig(**content["scoring"]), float(content["seconds"])
        tasks, side = content["tasks"], int(content["side"])
        normals = _load_normals(path.with_name(NORMALS), judged.aligned)
    except (*commun.training.UNREADABLE, TypeError) as error:
        raise UserError(f"{path.parent} est illisible ({type(error).__name__}). Reprenez-le du dépôt.") from error
    models = {task: commun.training.load_weights(path.parent / task, _rebuild, project=PROJECT)[0] for task in tasks}
    return Detector(judged, models, normals, scores, side, scoring, seconds)


def _load_normals(path: Path, aligned: bool) -> dict:
    arrays: dict[str, dict] = {}
    with np.load(path) as stored:
        for key in stored.files:
            name, _, field = key.rpartition("/")
            arrays.setdefault(name, {})[field] = stored[key].astype("float32")
    return {name: stats.normal_of(aligned)(**fields) for name, fields in arrays.items()}


def _rebuild(config: dict) -> Reconstructor:
    return Reconstructor(training.Config(**config))
