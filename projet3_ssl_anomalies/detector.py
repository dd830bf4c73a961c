"""What judges the parts of a category: models, what is normal for each of their signals, scores of good parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from projet3_ssl_anomalies import dataset, defects, metrics, training
from projet3_ssl_anomalies.dataset import Category, Data
from projet3_ssl_anomalies.defects import Defective
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.settings import Settings
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION, appearance, named, signals
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig, fit_normal, fuse, image_scores, scoring_of, smooth
from projet3_ssl_anomalies.training import Profile

FALSE_ALARMS = 0.05  # rate at which F1 and decisions are given, unless asked otherwise

Maps = dict[str, np.ndarray]


# --- Signals of parts never seen -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Signals of the half of the good parts that the models have not seen.

    Attributes:
        good: signal -> its values, float32 of shape (n, grid, grid, channels). The rival without a network has learnt
            nothing: for it, the parts that the models have seen come next.
        defective: the same for some of these parts with synthetic defects.
        painted: these images; `painted.sources` are rows of `good`.
    """

    good: Maps
    defective: Maps
    painted: Defective


def train(
    data: Data,
    budget: Profile,
    *,
    seed: int = 0,
    settings: Settings | None = None,
    tasks: Sequence[str] = (),
    title: str = "",
) -> dict[str, commun.training.Run]:
    """Trains the model of each task on the first half of the good parts: task -> run.

    Args:
        data: the category.
        budget: images seen, side, epochs.
        seed: parts the good parts in two, draws the weights, the order of the images and what is spoilt.
        settings: those of notebook 02; by default, those that were chosen.
        tasks: those that are trained; by default, all that exist, a student's too.
        title: shown with the progress; nothing is shown if empty.
    """
    learnt, _ = training.halves(data, budget, seed=seed)
    return training.train_tasks(learnt, budget, seed=seed, settings=settings, tasks=tasks, title=title)


def held_out(models: Mapping[str, Reconstructor], data: Data, budget: Profile, *, seed: int = 0) -> HeldOut:
    """Returns the signals of the other half, of the same `seed`, as they are and with synthetic defects."""
    learnt, good = training.halves(data, budget, seed=seed)
    rows = dataset.evenly_spaced(np.arange(len(good)), budget.painted)
    painted = defects.paint(good.images[rows], seed=seed)
    painted = dataclasses.replace(painted, sources=rows[painted.sources])
    known = signals(models, good.images)
    known[BASELINE] = np.concatenate([known[BASELINE], appearance(learnt.images)])
    return HeldOut(known, signals(models, painted.images), painted)


# --- Maps ------------------------------------------------------------------------------------------------------------


def normals_of(good: Maps, scoring: ScoringConfig = SCORING) -> dict:
    """Returns what is normal for each signal of good parts that the models have not seen."""
    return {name: fit_normal(name, values, scoring) for name, values in good.items()}


def left_out_maps(good: Maps, normals: Mapping, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the anomaly maps of the parts held out, each judged by the others: signal -> (n, grid, grid)."""
    count = min(map(len, good.values()))
    distances = {name: normals[name].left_out(values, scoring)[:count] for name, values in good.items()}
    return {name: smooth(maps, scoring.map_sigma) for name, maps in distances.items()}


def anomaly_maps(found: Maps, normals: Mapping, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the anomaly maps of other parts from their signals: signal -> (n, grid, grid)."""
    maps = {name: normals[name].distances(values) for name, values in found.items() if name in normals}
    return {name: smooth(distances, scoring.map_sigma) for name, distances in maps.items()}


def painted_distances(name: str, unseen: HeldOut, normal, scoring: ScoringConfig = SCORING) -> np.ndarray:
    """Returns the distances of the parts with synthetic defects, (n, grid, grid), for a signal.

    Each is judged by good parts other than the one on which it was painted: that one is not new, and next to itself
    a defect would hardly show.
    """
    found, sources = unseen.defective[name], unseen.painted.sources
    distances = np.empty(found.shape[:-1], "float32")
    for source in np.unique(sources):
        others = normal.without(source, unseen.good[name], scoring)
        distances[sources == source] = others.distances(found[sources == source])
    return distances


def painted_maps(unseen: HeldOut, normals: Mapping, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the anomaly maps of the parts with synthetic defects: signal -> (n, grid, grid)."""
    return {
        name: smooth(painted_distances(name, unseen, normals[name], scoring), scoring.map_sigma)
        for name in unseen.defective
        if name in normals
    }


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
        normals: signal -> what is normal; those that the fusion ignores may be missing.
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
    data: Data, runs: Mapping[str, commun.training.Run], unseen: HeldOut, scoring: ScoringConfig | None = None
) -> Detector:
    """Returns the detector of a category: its models, and what is normal for the half that they have not seen.

    Without any model, it is the rival that learns nothing.

    The same models judge these parts and new ones, and each of these parts is judged by the others: the scores that
    set the threshold are therefore drawn as those of new good parts.

    Args:
        data: the category.
        runs: what `train` returned.
        unseen: what `held_out` returned for these models.
        scoring: constants; by default, those of its kind of parts.
    """
    scoring = scoring or scoring_of(data.category.varies)
    models = {task: run.model for task, run in runs.items()}
    normals = normals_of(unseen.good, scoring)
    maps = fused_maps(left_out_maps(unseen.good, normals, scoring), scoring)
    good_scores = {name: image_scores(m, scoring) for name, m in maps.items()}
    side = unseen.painted.images.shape[1]
    seconds = sum(run.metrics["seconds"] for run in runs.values())
    return Detector(data.category, models, normals, good_scores, side, scoring, seconds)
