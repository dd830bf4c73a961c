"""What judges the parts of a category: models, what is normal for each of their signals, scores of good parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from projet3_ssl_anomalies import dataset, defects, metrics, training
from projet3_ssl_anomalies.dataset import Category, Data
from projet3_ssl_anomalies.defects import Defective
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.settings import Settings
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION, appearance, named, signals
from projet3_ssl_anomalies.statistics import (
    CANDIDATES,
    SCORING,
    Normal,
    PlacedAndBanked,
    ScoringConfig,
    apart,
    combine,
    enlarge,
    fit_normal,
    fuse,
    image_scores,
    smooth,
)
from projet3_ssl_anomalies.training import Profile

MEASURES = ("image", "pixel", "pro")  # image AUROC, pixel AUROC, AU-PRO
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

    What is computed of them is kept.
    """

    good: Maps
    defective: Maps
    painted: Defective
    _known: dict = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)

    def normals(self, scoring: ScoringConfig = SCORING) -> dict[str, Normal]:
        """Returns what is normal for each signal."""
        return {name: self._normal(name, scoring) for name in self.good}

    def good_maps(self, scoring: ScoringConfig = SCORING) -> Maps:
        """Returns the anomaly maps of the parts held out, each judged by the others: signal -> (n, grid, grid)."""
        count = min(map(len, self.good.values()))

        def left_out(name: str) -> np.ndarray:
            return self._once("left out", name, scoring, combine, lambda c: self._left_out(name, c))[:count]

        return {name: smooth(left_out(name), scoring.map_sigma) for name in self.good}

    def painted_maps(self, scoring: ScoringConfig = SCORING) -> Maps:
        """Returns the anomaly maps of the parts with synthetic defects: signal -> (n, grid, grid).

        Each is judged by good parts other than the one on which it was painted: that one is not new, and next to
        itself a defect would hardly show.
        """

        def painted(name: str) -> np.ndarray:
            return self._once("painted", name, scoring, combine, lambda c: self._painted(name, c))

        return {name: smooth(painted(name), scoring.map_sigma) for name in self.defective}

    def _normal(self, name: str, scoring: ScoringConfig) -> Normal:
        return self._once("normal", name, scoring, PlacedAndBanked, lambda c: fit_normal(name, self.good[name], c))

    def _left_out(self, name: str, scoring: ScoringConfig) -> np.ndarray:
        return self._normal(name, scoring).left_out(self.good[name], scoring)

    def _painted(self, name: str, scoring: ScoringConfig) -> np.ndarray:
        found, sources, normal = self.defective[name], self.painted.sources, self._normal(name, scoring)
        distances = np.empty(found.shape[:-1], "float32")
        for source in np.unique(sources):
            others = normal.without(source, self.good[name], scoring)
            distances[sources == source] = others.distances(found[sources == source])
        return distances

    def _once(
        self, what: str, name: str, scoring: ScoringConfig, join: Callable, compute: Callable[[ScoringConfig], Any]
    ) -> Any:
        """Returns what is computed of a signal, once for each value of the constants on which it depends.

        The comparisons with places and with a bank are computed apart, then joined by their shares.
        """
        share = scoring.bank_share(name)
        if 0 < share < 1:
            return join(*(self._once(what, name, alone, join, compute) for alone in apart(scoring)), share)
        key = (what, name, "banked" if share else scoring.shrinkage)
        if key not in self._known:
            self._known[key] = compute(scoring)
        return self._known[key]


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


def anomaly_maps(found: Maps, normals: Mapping, scoring: ScoringConfig = SCORING) -> Maps:
    """Returns the anomaly maps of other parts from their signals: signal -> (n, grid, grid)."""
    maps = {name: normals[name].distances(values) for name, values in found.items() if name in normals}
    return {name: smooth(distances, scoring.map_sigma) for name, distances in maps.items()}


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


# --- Choosing on synthetic defects -----------------------------------------------------------------------------------


def on_synthetic(
    good: np.ndarray,
    bad: np.ndarray,
    masks: np.ndarray,
    defect_types: np.ndarray,
    *,
    scoring: ScoringConfig = SCORING,
) -> dict[str, float]:
    """Measures maps of good images and of painted ones, (n, grid, grid).

    Returns:
        `image` (image AUROC), the same for each type of `defects.TYPES`, `pixel` (pixel AUROC) and `pro` (AU-PRO),
        these two at the side of the masks.
    """
    good_scores, scores = image_scores(good, scoring), image_scores(bad, scoring)
    row = {"image": metrics.auroc(good_scores, scores)}
    row |= {name: metrics.auroc(good_scores, scores[defect_types == name]) for name in defects.TYPES}
    large = enlarge(bad, masks.shape[1])
    return row | {"pixel": metrics.pixel_auroc(large, masks), "pro": metrics.au_pro(large, masks)}


def choose_scoring(unseen: HeldOut, candidates: Mapping[str, ScoringConfig] = CANDIDATES) -> ScoringConfig:
    """Returns the candidate that finds synthetic defects best: the mean of the three measures of `on_synthetic`.

    How far parts of a kind move is not asked for: what judges them best tells. The test part is not read.
    """

    def quality(scoring: ScoringConfig) -> float:
        maps = (fuse(maps, scoring) for maps in (unseen.good_maps(scoring), unseen.painted_maps(scoring)))
        found = on_synthetic(*maps, unseen.painted.masks, unseen.painted.defect_types, scoring=scoring)
        return float(np.mean([found[name] for name in MEASURES]))

    return max(candidates.values(), key=quality)


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
        hardware: the machines of its trainings, as `commun.results.hardware` says them; empty if they are not known.
    """

    category: Category
    models: dict[str, Reconstructor]
    normals: dict
    good_scores: Maps
    side: int
    scoring: ScoringConfig = SCORING
    seconds: float = 0.0
    hardware: str = ""

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
        scoring: constants; by default, those of `choose_scoring`.
    """
    scoring = scoring or choose_scoring(unseen)
    models = {task: run.model for task, run in runs.items()}
    normals = unseen.normals(scoring)
    maps = fused_maps(unseen.good_maps(scoring), scoring)
    good_scores = {name: image_scores(m, scoring) for name, m in maps.items()}
    side = unseen.painted.images.shape[1]
    seconds = sum(run.metrics["seconds"] for run in runs.values())
    hardware = " ; ".join(sorted({run.hardware for run in runs.values()} - {""}))
    return Detector(data.category, models, normals, good_scores, side, scoring, seconds, hardware)
