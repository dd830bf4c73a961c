"""From error maps to decisions: normalisation, fusion, threshold, measures.

An error map says how badly each pixel was rebuilt. Some pixels are hard for every part (an edge, a reflection): errors
are therefore compared with those that models make on good parts they have never seen.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from commun import UserError, figures, results, training
from projet3_ssl_anomalies import dataset, defects, metrics, model
from projet3_ssl_anomalies.dataset import SIDE, Category, Data
from projet3_ssl_anomalies.model import PRETEXTS, Config, Good, Scorer

REFERENCE = Path(__file__).parent / "reference"
FUSED = "fused"


class _Titles(dict):
    """French names of the fusion and of the tasks, those that are declared later included."""

    def __missing__(self, task: str) -> str:
        return PRETEXTS[task].title


TITLES = _Titles({FUSED: "fusion"})
MINIMUM = 6  # good training images of a category
HELD_OUT = 5  # with one fold, one good image in five is held out
FALSE_ALARMS = 0.05  # rate at which F1 and decisions are given, unless asked otherwise


@dataclasses.dataclass(frozen=True)
class Choices:
    """The constants of scoring. All were chosen on synthetic defects: see `ablation`.

    Attributes:
        blur: standard deviation of the Gaussian that smooths errors, in pixels of a 256-pixel image.
        spread: the same, for their distances: a defect is larger than the pixels that betray it.
        pool: share of the pixels, the most abnormal, whose mean is the score of the image.
        shrink: how many images' worth of the global variances is added to the covariance of each pixel.
        weights: weight of each task in the fusion; 1 for a task that is not named.
        geometric: whether the fusion is a geometric mean, high where the tasks agree, rather than an arithmetic one.
    """

    blur: float = 2.0
    spread: float = 4.0
    pool: float = 0.001
    shrink: float = 2.0
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    geometric: bool = False


CHOICES = Choices()


# --- Normalisation ---------------------------------------------------------------------------------------------------

TINY = 1e-3  # distance under which all are alike
FLOOR = 1e-8  # variance that errors have at least: (0.005 units of CIELAB)^2


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What errors are on good parts.

    Attributes:
        mean: of each pixel, float32 of shape (side, side, channels).
        whitening: inverse of the Cholesky factor of the covariance of each pixel, float32 of shape (side, side,
            channels, channels): it turns usual errors into independent ones of variance 1.
    """

    mean: np.ndarray
    whitening: np.ndarray

    def distances(self, errors: np.ndarray) -> np.ndarray:
        """Returns how unusual errors (..., side, side, channels) are, (..., side, side): about 1 on a good part.

        It is the Mahalanobis distance over the square root of the number of channels.
        """
        white = np.einsum("hwij,...hwj->...hwi", self.whitening, errors - self.mean, optimize=True)
        return np.sqrt(np.mean(np.square(white), axis=-1))


def calibrate(errors: np.ndarray, *, aligned: bool, choices: Choices = CHOICES) -> Calibration:
    """Returns the statistics of blurred errors of good parts, (n, side, side, channels).

    Each pixel has its own, for aligned parts; its covariance is shrunk towards the global variances, for n is small.
    Otherwise a pixel has no meaning of its own, and all of them get the global mean and variances. The global
    correlations are left out: those between surfaces of several colours say nothing of any of them.
    """
    n, (means, squares) = len(errors), _moments(errors)
    if not aligned:
        return _alike(means.mean(axis=0), squares.mean(axis=0), errors.shape[1:])
    mean = errors.mean(axis=0, dtype="float64")
    scatter = np.einsum("nhwi,nhwj->hwij", errors - mean, errors - mean, optimize=True)
    everywhere = np.diag(squares.mean(axis=0) - means.mean(axis=0) ** 2)
    return _calibration(mean, (scatter + choices.shrink * everywhere) / (n + choices.shrink))


def left_out(errors: np.ndarray, *, aligned: bool, choices: Choices = CHOICES) -> np.ndarray:
    """Returns the distances of errors (n, ...), n at least 2, each by the statistics of the n - 1 others: (n, h, w).

    Otherwise each would weigh in its own mean, and good parts would look better than they are. For aligned parts, the
    distance to the others is known from the one to all (Sherman and Morrison, 1950), the global variances being those
    of all of them.
    """
    n, shape = len(errors), errors.shape[1:]
    if not aligned:
        moments = _moments(errors)
        sums = [moment.sum(axis=0) for moment in moments]
        others = ([(total - m[row]) / (n - 1) for total, m in zip(sums, moments, strict=True)] for row in range(n))
        return np.stack([_alike(*o, shape).distances(error) for o, error in zip(others, errors, strict=True)])
    found = calibrate(errors, aligned=True, choices=choices).distances(errors).astype("float64")
    weight, ratio = n + choices.shrink, n / (n - 1)
    part = shape[-1] * found**2 / weight
    return (found * ratio * np.sqrt((1 - 1 / weight) / np.maximum(1 - ratio * part, 1e-6))).astype("float32")


def _moments(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of each channel of each image, and that of its squares, both of shape (n, channels)."""
    return errors.mean(axis=(1, 2), dtype="float64"), np.square(errors, dtype="float64").mean(axis=(1, 2))


def _alike(mean: np.ndarray, square: np.ndarray, shape: tuple[int, ...]) -> Calibration:
    """Returns the calibration where all pixels have the same statistics, given for each channel."""
    return _calibration(np.broadcast_to(mean, shape), np.diag(square - mean**2))


def _calibration(mean: np.ndarray, covariance: np.ndarray) -> Calibration:
    """Returns the calibration of a mean (side, side, channels) and of a covariance, of each pixel or of all of them."""
    whitening = np.linalg.inv(np.linalg.cholesky(covariance + FLOOR * np.eye(mean.shape[-1])))
    whitening = np.broadcast_to(whitening, (*mean.shape, mean.shape[-1]))
    return Calibration(mean.astype("float32"), whitening.astype("float32"))


def smooth(maps: np.ndarray, blur: float) -> np.ndarray:
    """Returns maps (n, side, side) or (n, side, side, channels) blurred; `blur` is that of a 256-pixel image."""
    sigma = blur * maps.shape[1] / SIDE
    return np.stack([ndimage.gaussian_filter(m, (sigma, sigma, 0)[: m.ndim]) for m in maps])


def normalise(errors: np.ndarray, calibration: Calibration, choices: Choices = CHOICES) -> np.ndarray:
    """Returns the map of a task, (n, side, side): the distances of its errors (n, side, side, channels), smoothed."""
    return smooth(calibration.distances(smooth(errors, choices.blur)), choices.spread)


def fuse(maps: Mapping[str, np.ndarray], choices: Choices = CHOICES) -> np.ndarray:
    """Returns the weighted mean of the maps of the tasks, each positive, (n, side, side)."""
    weights = {task: choices.weights.get(task, 1.0) for task in maps}
    if choices.geometric:
        maps = {task: np.log(np.maximum(m, TINY)) for task, m in maps.items()}
    mean = sum(weights[task] * m for task, m in maps.items()) / sum(weights.values())
    return np.exp(mean) if choices.geometric else mean


def image_scores(maps: np.ndarray, choices: Choices = CHOICES) -> np.ndarray:
    """Returns the score of each map (n, side, side): the mean of its highest pixels, a maximum that one can't fool."""
    flat = maps.reshape(len(maps), -1)
    count = max(1, round(choices.pool * flat.shape[1]))
    return np.partition(flat, -count, axis=1)[:, -count:].mean(axis=1)


# --- Learning --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Profile:
    """A budget: images seen by a model, whatever the number of training images.

    Attributes:
        side: side of the images, in pixels.
        images: images seen by each model, for each category that it learns.
        epochs: parts into which a training is cut.
        folds: models that share the good images in turn, for the statistics; 1 holds out one image in five.
        shared: one model for all the categories of a source, instead of one each.
        base: models start from the mean of the good parts. Those of `reference/` do not: no picture is published.
        painted: held-out images of each category on which synthetic defects are painted, at most.
        scored: test images of a category scored, at most.
        draws: bootstrap draws.
        choices: constants of scoring.
    """

    side: int
    images: int
    epochs: int
    folds: int
    shared: bool
    base: bool
    painted: int
    scored: int
    draws: int
    choices: Choices = CHOICES


_FULL = dataclasses.replace(CHOICES, weights={"inpainting": 0.5}, geometric=True)
PROFILES = {
    "essai": Profile(32, 8, 2, 1, True, True, 1, 12, 20),
    "rapide": Profile(64, 800, 8, 1, True, True, 4, 40, 200),
    "complet": Profile(128, 4000, 8, 3, False, False, 24, 10_000, 2000, _FULL),
}


def profile(name: str) -> Profile:
    """Returns a budget by its name.

    Raises:
        UserError: no profile has this name.
    """
    return training.profile(PROFILES, name)


@dataclasses.dataclass(frozen=True)
class Group:
    """Categories that share their models.

    Attributes:
        datas: the categories, all real or all synthetic.
        good: their good training images, one category after another; `good.kinds` are indices in `datas`.
    """

    datas: tuple[Data, ...]
    good: Good

    @property
    def owner(self) -> np.ndarray:
        """Index in `datas` of the category of each image, shape (n,); notebook 02 reads it."""
        return self.good.kinds

    @property
    def title(self) -> str:
        """French name of the category, or their number."""
        return self.datas[0].category.title if len(self.datas) == 1 else f"{len(self.datas)} catégories"


def groups(datas: Sequence[Data], budget: Profile) -> list[Group]:
    """Returns the groups of categories that share their models; real and synthetic images are never mixed."""
    if budget.shared:
        parts = [[d for d in datas if d.location.is_real == real] for real in (True, False)]
    else:
        parts = [[data] for data in datas]
    return [_gather(tuple(part), budget.side) for part in parts if part]


def _gather(datas: tuple[Data, ...], side: int) -> Group:
    images = [dataset.read(data.train, side)[1] for data in datas]
    for data, found in zip(datas, images, strict=True):
        if len(found) < MINIMUM:
            raise UserError(
                f"« {data.category.name} » n'a que {len(found)} bonne(s) image(s) d'apprentissage lisible(s) : il en "
                f"faut au moins {MINIMUM}, pour apprendre des unes et régler les statistiques sur les autres."
            )
    turns = np.concatenate([np.full(len(im), d.category.varies) for im, d in zip(images, datas, strict=True)])
    kinds = np.repeat(np.arange(len(datas), dtype="int32"), [len(im) for im in images])
    return Group(datas, Good(np.concatenate(images), turns, kinds))


SETTINGS = {  # chosen on synthetic defects, as are the defaults of `Config`
    "colorization": {"width": 16},
    "masked_autoencoder": {"learning_rate": 1e-3, "batch_size": 8},
}


def configurations(group: Group, budget: Profile, *, seed: int = 0) -> dict[str, Config]:
    """Returns the configuration of each pretext task for a group: name of the task -> configuration."""
    seen = budget.images * len(group.datas)
    common = {
        "side": budget.side,
        "kinds": len(group.datas),
        "base": budget.base,
        "images_seen": seen,
        "epochs": budget.epochs,
        "seed": seed,
    }
    return {task: Config(task=task, **SETTINGS.get(task, {}), **common) for task in PRETEXTS}


def folds(owner: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """Deals images into folds, within each category: fold of each image, shape (n,), in 0..count-1.

    With a single fold, one image in five is in fold 0, and the others, never held out, are in -1.
    """
    random, fold = np.random.default_rng([seed, count]), np.empty(len(owner), int)
    for category in np.unique(owner):
        rows = random.permutation(np.flatnonzero(owner == category))
        dealt = np.arange(len(rows)) % (count if count > 1 else HELD_OUT)
        fold[rows] = dealt if count > 1 else np.where(dealt == 0, 0, -1)
    return fold


@dataclasses.dataclass(frozen=True)
class Unseen:
    """Error maps of images by models that did not learn from them, before any blur.

    Attributes:
        good: task -> maps of good images, float32 of shape (n, side, side, channels).
        owner: category of each, shape (n,).
        defective: task -> maps of the same images with synthetic defects.
        painted: these images; `painted.sources` are rows of `good`.
        seconds: what the trainings took, whenever they were done.
        choices: constants with which they will be scored.
    """

    good: dict[str, np.ndarray]
    owner: np.ndarray
    defective: dict[str, np.ndarray]
    painted: defects.Defective
    seconds: float
    choices: Choices = CHOICES


def unseen(group: Group, budget: Profile, *, seed: int = 0, title: str = "") -> Unseen:
    """Trains, for each task and fold, a model on the other folds, and returns its errors on this one.

    Args:
        group: categories that share their models.
        budget: sizes.
        seed: of the folds and of the trainings.
        title: shown with the progress; nothing is shown if empty.
    """
    fold = folds(group.good.kinds, budget.folds, seed=seed)
    rows = np.concatenate([np.flatnonzero(fold == f) for f in range(budget.folds)])
    painted = _painted(group, rows, budget.painted, seed)
    good, defective, seconds = {}, {}, 0.0
    slot = figures.Slot() if title else None
    for task, config in configurations(group, budget, seed=seed).items():
        good_maps, defective_maps = [], []
        for f in range(budget.folds):
            if slot:
                slot.text(f"{title}, {TITLES[task]} : modèle {f + 1}/{budget.folds} sans les pièces mises de côté…")
            run = model.train(config, group.good.take(fold != f))
            seconds += run.metrics["seconds"]
            scorer = Scorer(run.model)
            good_maps.append(_maps(scorer, group.good.images[fold == f], group.good.kinds[fold == f]))
            mine = fold[rows][painted.sources] == f
            defective_maps.append(_maps(scorer, painted.images[mine], group.good.kinds[rows][painted.sources[mine]]))
        good[task] = np.concatenate(good_maps)
        order = np.argsort(fold[rows][painted.sources], kind="stable")  # of the painted images, fold after fold
        defective[task] = np.concatenate(defective_maps)[np.argsort(order)]
    if slot:
        slot.text(f"{title} : {len(rows)} bonnes pièces jugées par des modèles qui ne les ont pas vues.")
    return Unseen(good, group.good.kinds[rows], defective, painted, seconds, budget.choices)


def _maps(scorer: Scorer, images: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Returns the error maps of images of several categories, each of them together."""
    maps = np.empty((*images.shape[:3], len(scorer.model.pretext.channels)), "float32")
    for kind in np.unique(kinds):
        maps[kinds == kind] = model.error_maps(scorer, images[kinds == kind], kind)
    return maps


def _painted(group: Group, rows: np.ndarray, count: int, seed: int) -> defects.Defective:
    """Paints defects on `count` held-out images of each category."""
    parts = []
    for category in range(len(group.datas)):
        mine = np.flatnonzero(group.good.kinds[rows] == category)
        chosen = dataset.spread(mine, count)  # over the folds
        part = defects.paint(group.good.images[rows[chosen]], seed=seed)
        parts.append(dataclasses.replace(part, sources=chosen[part.sources]))
    fields = (field.name for field in dataclasses.fields(defects.Defective))
    return defects.Defective(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in fields})


# --- Detecting -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Detector:
    """All it takes to judge the images of a category.

    Attributes:
        category: what it judges.
        kind: index of the category in the models.
        scorers: task -> scorer of the trained model; categories that share models share them too.
        calibrations: task -> statistics of good parts.
        good_scores: task, and `FUSED` -> scores of good parts by models that did not see them, shape (n,).
        choices: constants of scoring.
        seconds: what its trainings took, those of the folds included.
    """

    category: Category
    kind: int
    scorers: dict[str, Scorer]
    calibrations: dict[str, Calibration]
    good_scores: dict[str, np.ndarray]
    choices: Choices = CHOICES
    seconds: float = 0.0

    @property
    def models(self) -> dict[str, model.Reconstructor]:
        """The trained models: task -> model."""
        return {task: scorer.model for task, scorer in self.scorers.items()}

    @property
    def side(self) -> int:
        """Side of the images that it takes, in pixels."""
        return next(iter(self.models.values())).config.side

    def maps(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the normalised maps of uint8 images (n, side, side, 3): task, `FUSED` -> float32 (n, side, side)."""
        maps = {}
        for task, scorer in self.scorers.items():
            errors = model.error_maps(scorer, images, self.kind)
            maps[task] = normalise(errors, self.calibrations[task], self.choices)
        return {**maps, FUSED: fuse(maps, self.choices)}

    def threshold(self, rate: float = FALSE_ALARMS, *, task: str = FUSED) -> float:
        """Returns the score above which a part is rejected, for this rate of false alarms.

        Raises:
            UserError: the good parts are too few for such a rate.
        """
        return metrics.false_alarm_threshold(self.good_scores[task], rate)


def final_runs(group: Group, budget: Profile, *, seed: int = 0, title: str = "") -> dict[str, training.Run]:
    """Trains the model of each task on all the good images of a group, and watches one image of each category."""
    return {
        task: model.train(config, group.good, watched=watched(group), title=f"{title}, {TITLES[task]}" if title else "")
        for task, config in configurations(group, budget, seed=seed).items()
    }


def watched(group: Group) -> Good:
    """Returns the first good image of each category of a group."""
    return group.good.take(
        np.array([np.flatnonzero(group.good.kinds == index)[0] for index in range(len(group.datas))])
    )


def detectors(group: Group, budget: Profile, held: Unseen, *, seed: int = 0, title: str = "") -> list[Detector]:
    """Trains the final models of a group on all its good images, and returns the detector of each category.

    Args:
        group: categories that share their models.
        budget: sizes.
        held: what `unseen` returned for them.
        seed: of the trainings.
        title: shown with the progress; nothing is shown if empty.
    """
    choices = held.choices
    runs = final_runs(group, budget, seed=seed, title=title)
    scorers = {task: Scorer(run.model) for task, run in runs.items()}
    seconds = held.seconds + sum(run.metrics["seconds"] for run in runs.values())
    found = []
    for index, data in enumerate(group.datas):
        errors = {task: smooth(maps[held.owner == index], choices.blur) for task, maps in held.good.items()}
        aligned = data.category.aligned
        calibrations = {t: calibrate(maps, aligned=aligned, choices=choices) for t, maps in errors.items()}
        scores = _good_scores(errors, aligned, choices)
        found.append(Detector(data.category, index, scorers, calibrations, scores, choices, seconds))
    return found


def steps(group: Group, held: Unseen, *, task: str = "inpainting") -> dict[str, np.ndarray]:
    """Returns what leads from an image to its map: a synthetic defect of the first category of a group.

    Returns:
        French name -> picture: uint8 (side, side, 3) for the image, then float32 (side, side): the size of the errors
        of `task` in colour once blurred, the mean of this size on good parts and its standard deviation, the normalised
        error (the distance), and the fusion.
    """
    mine, choices = held.owner == 0, held.choices
    ours = np.flatnonzero(mine[held.painted.sources])
    row = max(ours, key=lambda index: held.painted.kinds[index] == "recoloured")
    maps, shown = {}, {}
    for name, errors in held.good.items():
        good = smooth(errors[mine], choices.blur)
        error = held.defective[name][row : row + 1]
        calibration = calibrate(good, aligned=group.datas[0].category.aligned, choices=choices)
        maps[name] = normalise(error, calibration, choices)
        if name == task:
            error, sizes = smooth(error, choices.blur), np.linalg.norm(good[..., -3:], axis=-1)
            shown = {"erreur": np.linalg.norm(error[0, ..., -3:], axis=-1)}
            shown |= {
                "moyenne": sizes.mean(axis=0),
                "écart-type": sizes.std(axis=0),
                "erreur normalisée": maps[name][0],
            }
    return {"image": held.painted.images[row], **shown, "fusion": fuse(maps, choices)[0]}


def _good_scores(errors: Mapping[str, np.ndarray], aligned: bool, choices: Choices) -> dict[str, np.ndarray]:
    """Returns the scores of good parts, each judged by the others, from smoothed errors."""
    maps = {t: smooth(left_out(m, aligned=aligned, choices=choices), choices.spread) for t, m in errors.items()}
    return {name: image_scores(m, choices) for name, m in {**maps, FUSED: fuse(maps, choices)}.items()}


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a detector says of the images of a folder.

    Attributes:
        table: path, defect, score, is_defect, and `score_<task>`; one row per image.
        maps: float32 of shape (n, 256, 256), higher = more abnormal.
        metrics: name -> {"value", "ci95", "n"}, where they can be computed.
        tasks: the same metrics for each task alone.
        left_out: what could not be used, in French.
        images: the images as they were read, uint8 of shape (n, side, side, 3).
        truth: bool of shape (n, 256, 256).
    """

    table: pd.DataFrame
    maps: np.ndarray
    metrics: dict[str, dict]
    tasks: dict[str, dict[str, dict]]
    left_out: tuple[str, ...]
    images: np.ndarray
    truth: np.ndarray


def score_folder(
    folder: Path,
    category: str,
    *,
    detector: Detector | None = None,
    rate: float = FALSE_ALARMS,
    draws: int = results.DRAWS,
    limit: int | None = None,
) -> Scores:
    """Judges the test images of a category's folder.

    Args:
        folder: the category's, in the layout of MVTec AD or AutoVI; train/ and ground_truth/ may be missing.
        category: its name; without a `detector`, one of those of `reference/`.
        detector: what judges; by default, the detector of `reference/`.
        rate: rate of false alarms at which F1 is given.
        draws: bootstrap draws of the intervals.
        limit: images judged, at most; spread over the folder.

    Raises:
        UserError: there is no such detector, no test image, or none that can be read.
    """
    detector = detector or load_detector(category)
    _, table, problems = dataset.index(folder)
    return score_table(table, problems, detector, folder=Path(folder), rate=rate, draws=draws, limit=limit)


def score_table(
    table: pd.DataFrame,
    problems: pd.DataFrame,
    detector: Detector,
    *,
    folder: Path,
    rate: float = FALSE_ALARMS,
    draws: int = results.DRAWS,
    limit: int | None = None,
) -> Scores:
    """Judges the images of a table of `dataset.index` or `Data.test`; see `score_folder`."""
    if table.empty:
        raise UserError(f"{folder / 'test'} ne contient aucune image lisible : il n'y a rien à juger.")
    left = [f"{row.file} : {row.what}" for row in problems.itertuples()]
    if limit and len(table) > limit:
        left.append(f"{len(table) - limit} images sur {len(table)}, pour tenir dans le budget du profil")
        table = table.iloc[dataset.spread(np.arange(len(table)), limit)]
    asked = list(table["path"])
    table, images = dataset.read(table, detector.side)
    kept = set(table["path"])
    left += [f"{path.parent.name}/{path.name} : ne se décode pas" for path in asked if path not in kept]
    maps = detector.maps(images)
    scores = {name: image_scores(m, detector.choices) for name, m in maps.items()}
    truth = dataset.masks(table, SIDE)
    config = dataset.saturations(folder)
    regions = dataset.defects(table, SIDE, config) if config else None
    is_defect = table["is_defect"].to_numpy(bool)
    enlarged = {name: enlarge(m) for name, m in maps.items()}
    measured = {
        name: metrics.measure(
            scores[name],
            is_defect,
            maps=enlarged[name],
            masks=truth,
            defects=regions,
            threshold=_threshold(detector, rate, name),
            draws=draws,
        )
        for name in maps
    }
    shown = table[["path", "defect", "is_defect"]].assign(
        score=scores[FUSED], **{f"score_{task}": s for task, s in scores.items() if task != FUSED}
    )
    return Scores(shown, enlarged[FUSED], measured.pop(FUSED), measured, tuple(left), images, truth)


def _threshold(detector: Detector, rate: float, task: str) -> float | None:
    try:
        return detector.threshold(rate, task=task)
    except UserError:
        return None  # too few good parts for this rate: no F1


def enlarge(maps: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Returns maps (n, s, s) resized to (n, side, side), float32, bilinear."""
    size = (side, side)
    return np.stack([
        np.asarray(Image.fromarray(m.astype("float32")).resize(size, Image.Resampling.BILINEAR)) for m in maps
    ])


def score_data(data: Data, detector: Detector, **options) -> Scores:
    """Judges the test part of a category; the options are those of `score_table`."""
    return score_table(data.test, data.problems, detector, folder=data.location.folder, **options)


def verdict_table(datas: Sequence[Data], detectors: Mapping[str, Detector], rate: float) -> pd.DataFrame:
    """Returns the threshold of each category for a rate of false alarms: one row each.

    `plus petit taux` is the least that the number of good parts held out allows; above `rate`, the threshold is the
    one of this least rate.
    """
    rows = []
    for data in datas:
        detector = detectors[data.category.name]
        count = len(detector.good_scores[FUSED])
        used = max(rate, 1 / count)
        rows.append({
            "catégorie": data.category.title,
            "source": data.source,
            "bonnes pièces mises de côté": count,
            "plus petit taux": figures.percent(1 / count),
            "taux employé": figures.percent(used),
            "seuil": detector.threshold(used),
        })
    return pd.DataFrame(rows)


def decision_table(
    datas: Sequence[Data], scores: Mapping[str, Scores], thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """Returns what the thresholds decide on the test parts: one row per category, with binomial intervals (95 %)."""
    rows = []
    for data in datas:
        found = decisions(scores[data.category.name], thresholds[data.category.name])
        rows.append({
            "catégorie": data.category.title,
            "source": data.source,
            "bonnes pièces rejetées": _share(found["rejetees"], found["bonnes"]),
            "défauts manqués": _share(found["manques"], found["defauts"]),
        })
    return pd.DataFrame(rows)


def _share(k: int, n: int) -> str:
    if not n:
        return "–"
    low, high = (figures.number(100 * bound, 0) for bound in metrics.binomial_interval(k, n))
    return f"{k} sur {n} [{low} ; {high} %]".replace(" %", f"{figures.NBSP}%")


def decisions(scores: Scores, threshold: float) -> dict[str, int]:
    """Counts the test parts: `bonnes`, those `rejetees` among them, `defauts`, those `manques` among them."""
    is_defect, rejected = scores.table["is_defect"].to_numpy(bool), scores.table["score"].to_numpy() > threshold
    return {
        "bonnes": int((~is_defect).sum()),
        "rejetees": int((rejected & ~is_defect).sum()),
        "defauts": int(is_defect.sum()),
        "manques": int((~rejected & is_defect).sum()),
    }


def headline(scores: Scores) -> float:
    """Returns the image AUROC of the fusion, NaN if there are only good parts, or only bad ones."""
    return scores.metrics.get("image_auroc", {"value": math.nan})["value"]


def summary(datas: Sequence[Data], scores: Mapping[str, Scores], thresholds: Mapping[str, float]) -> dict:
    """Returns the values of the last sentences: worst and best categories, and the counts of `decisions`, summed."""
    titles = {data.category.name: data.category.title for data in datas}
    ranked = sorted(scores, key=lambda name: headline(scores[name]))
    counts = [decisions(scores[name], thresholds[name]) for name in scores]
    return {
        "pire": titles[ranked[0]],
        "bas": headline(scores[ranked[0]]),
        "meilleure": titles[ranked[-1]],
        "haut": headline(scores[ranked[-1]]),
        **{name: sum(count[name] for count in counts) for name in counts[0]},
    }


# --- Choosing the constants ------------------------------------------------------------------------------------------


def variants(retained: Choices = CHOICES) -> Iterator[tuple[str, str, Choices]]:
    """Yields what the ablation compares: the constant, its value as shown, and the choices, the others as retained."""
    replace = dataclasses.replace
    yield "réglages retenus", "", retained
    for blur in (0, 1, 2, 3, 4, 6):
        yield "flou des erreurs (pixels)", f"{blur}", replace(retained, blur=blur)
    for spread in (0, 1, 2, 3, 4, 6, 8):
        yield "flou des distances (pixels)", f"{spread}", replace(retained, spread=spread)
    for pool in (0.0001, 0.001, 0.003, 0.01, 0.05, 1):
        yield "part des pixels du score (%)", f"{100 * pool:g}".replace(".", ","), replace(retained, pool=pool)
    for shrink in (0.5, 2, 5, 20, 1e9):
        value = f"{shrink:g}".replace(".", ",") if shrink < 1e9 else "∞"
        yield "variance globale ajoutée (images)", value, replace(retained, shrink=shrink)
    title = "poids des tâches (C / R / M)"
    for weights in _FUSIONS:
        label = " / ".join(f"{w:g}".replace(".", ",") for w in weights)
        chosen = dict(zip(PRETEXTS, weights, strict=False))
        if any(chosen.values()):
            yield title, label, replace(retained, weights=chosen)
    for geometric, value in ((False, "non"), (True, "oui")):
        yield "moyenne géométrique des tâches", value, replace(retained, geometric=geometric)


_FUSIONS = (
    (1, 1, 1),
    (1, 0.5, 1),
    (1, 2, 1),
    (1, 1, 2),
    (2, 1, 1),
    (1, 0, 0),
    (0, 1, 0),
    (0, 0, 1),
    (0, 1, 1),
    (1, 0, 1),
)


def ablation(group: Group, held: Unseen) -> pd.DataFrame:
    """Measures choices on synthetic defects painted on good images that the models did not see.

    Returns:
        One row per category and variant: categorie, source, constante, valeur, retenue (whether the variant comes to
        the choices of `held`), and `on_synthetic`.
    """
    rows = []
    for index, data in enumerate(group.datas):
        mine = held.owner == index
        ours = mine[held.painted.sources]
        painted = held.painted.take(ours)
        good, bad = (
            {t: m[kept] for t, m in maps.items()} for maps, kept in ((held.good, mine), (held.defective, ours))
        )
        judged = {}  # the maps of good and bad images depend on the blurs and the shrinkage alone
        for constant, value, choices in variants(held.choices):
            key = (choices.blur, choices.spread, choices.shrink)
            if key not in judged:
                pairs = {t: judge(good[t], bad[t], aligned=data.category.aligned, choices=choices) for t in good}
                judged[key] = tuple({t: pair[i] for t, pair in pairs.items()} for i in (0, 1))
            good_maps, maps = (fuse(m, choices) for m in judged[key])
            row = {"categorie": data.category.name, "source": data.source, "constante": constant, "valeur": value}
            row["retenue"] = _spelled(choices) == _spelled(held.choices)
            rows.append(row | on_synthetic(good_maps, maps, painted, choices=choices))
    return pd.DataFrame(rows)


def _spelled(choices: Choices) -> Choices:
    """Returns the same choices, the weight of each task being given."""
    return dataclasses.replace(choices, weights={task: choices.weights.get(task, 1.0) for task in PRETEXTS})


def judge(
    good: np.ndarray, bad: np.ndarray, *, aligned: bool, choices: Choices = CHOICES
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the maps of good images, each judged by the others, and of bad ones, from the errors of a task."""
    good = smooth(good, choices.blur)
    left = left_out(good, aligned=aligned, choices=choices)
    found = normalise(bad, calibrate(good, aligned=aligned, choices=choices), choices)
    return smooth(left, choices.spread), found


def on_synthetic(
    good: np.ndarray, maps: np.ndarray, painted: defects.Defective, *, choices: Choices = CHOICES
) -> dict[str, float]:
    """Measures maps of good images and of painted ones, (n, side, side).

    Returns:
        `image` (image AUROC), one value per kind of defect, `pixel` (pixel AUROC) and `pro` (AU-PRO), these two at the
        side of the masks.
    """
    good_scores, scores = image_scores(good, choices), image_scores(maps, choices)
    row = {"image": auroc(good_scores, scores)}
    row |= {title: auroc(good_scores, scores[painted.kinds == kind]) for kind, title in defects.KINDS.items()}
    large = enlarge(maps, painted.masks.shape[1])
    return row | {"pixel": metrics.pixel_auroc(large, painted.masks), "pro": metrics.au_pro(large, painted.masks)}


def auroc(good: np.ndarray, bad: np.ndarray) -> float:
    """Returns the image AUROC of scores, or NaN where it is not defined."""
    if not len(good) or not len(bad):
        return math.nan
    return metrics.image_auroc(np.concatenate([good, bad]), np.repeat([False, True], [len(good), len(bad)]))


# --- Reference -------------------------------------------------------------------------------------------------------


STATISTICS = [field.name for field in dataclasses.fields(Calibration)]


def save_detector(detector: Detector, folder: Path) -> None:
    """Writes a detector: weights and statistics as 16-bit floats, the rest in `detecteur.json`."""
    for task, trained in detector.models.items():
        calibration = detector.calibrations[task]
        light = {name: _light(getattr(calibration, name)) for name in STATISTICS}
        training.save_weights(folder / task, trained, trained.config, **light)
    content = {
        "category": dataclasses.asdict(detector.category),
        "kind": detector.kind,
        "choices": dataclasses.asdict(detector.choices),
        "seconds": round(detector.seconds),
        "good_scores": {name: [round(float(s), 4) for s in scores] for name, scores in detector.good_scores.items()},
    }
    results.write_json(folder / "detecteur.json", content)


def _light(array: np.ndarray) -> np.ndarray:
    """Returns an array as 16-bit floats rounded to 6 significant bits, within 1 %: compressed, they take less room."""
    bits = array.astype("float16").view("uint16")
    return ((bits + 16) & 0xFFE0).astype("uint16").view("float16")


def load_detector(category: str, folder: Path | None = None) -> Detector:
    """Loads a detector that `save_detector` wrote in `folder/<category>`, by default that of `reference/`.

    Raises:
        UserError: there is none for this category, or it is damaged.
    """
    folder = folder or REFERENCE
    path = folder / category / "detecteur.json"
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in folder.glob("*/detecteur.json"))) or "aucune"
        raise UserError(
            f"Aucun détecteur de référence pour « {category} » (catégories qui en ont un : {known}). Entraînez le "
            "vôtre avec le carnet 03, en donnant cette catégorie au paramètre CATEGORIES."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        judged, kind = Category(**{**content["category"], "official": None}), int(content["kind"])
        scores = {name: np.array(values) for name, values in content["good_scores"].items()}
        choices, seconds = Choices(**content["choices"]), float(content["seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} est illisible ({type(error).__name__}). Reprenez-le du dépôt.") from error
    scorers, calibrations = {}, {}
    for task in scores:
        if task != FUSED:
            trained, arrays = training.load_weights(
                path.parent / task, lambda c: model.build(Config(**c)), project=model.PROJECT
            )
            scorers[task] = Scorer(trained)
            calibrations[task] = Calibration(*(arrays[name].astype("float32") for name in STATISTICS))
    return Detector(judged, kind, scorers, calibrations, scores, choices, seconds)
