"""Experiments: what quality is worth, how many works an artist needs, what helps those who have few.

Every training goes through `training.train`, so that what is finished is never done again, and workers may share those
of an experiment (`commun.grid`). Each experiment returns one row an answer (a work, a variant, a seed, a prediction);
`summary` turns them into measures with intervals.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from commun import grid, results
from commun.sources import code_hash
from commun.training import config_hash, fingerprint
from projet1_artistes import PROJECT, REFERENCE, dataset, evaluation, networks, training
from projet1_artistes.augmentation import Transforms
from projet1_artistes.dataset import Data
from projet1_artistes.split import TEST, TRAINING, VALIDATION, folds
from projet1_artistes.training import Config

SMALL = 50  # works: an artist with fewer, near-duplicates counted once, is a small one
N_RICHEST = 8  # artists from whom works are taken away
NOTHING, OVERSAMPLING = "none", "oversampling"
TREATMENTS = {
    NOTHING: {"oversampling_threshold": 0, "class_weighted": False},
    OVERSAMPLING: {"class_weighted": False},
    "class_weights": {"oversampling_threshold": 0, "class_weighted": True},
    "both": {"class_weighted": True},
}
HIGH, LOW, REDUCED = "high", "low", "reduced"
# Qualities are compared at 128 px, for smaller pictures would hide the difference; crops keep the same resolution.
FULL_SIZE = {"train_side": 64, "side": 128, "transforms": Transforms(scale=(0.2, 0.3))}
OUT_OF_FOLD = "out_of_fold"  # beside the parts of the split: every work of training and validation
SIDES = (64, 96, 128)  # pixels, of whole works
MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")
DRAWS = 500  # of the intervals of `summary`
SEEDS = (0, 1, 2)  # of the trainings, for the command and its workers; notebooks take one
RECORD = REFERENCE / "experiences.csv"
SCRATCH, FROZEN = "zero", "fige"  # networks of the record: trained from scratch, and pre-trained and left as it is
KEYS = ("experiment", "network", "variant", "part", "measure", "base")  # what rows of the same thing share


def answers(data: Data, rows: np.ndarray, probabilities: Mapping[Any, np.ndarray], *, seed: int) -> pd.DataFrame:
    """Returns the answers of several classifiers for the same works: variant, seed, row, label, predicted, group.

    Args:
        data: the paintings.
        rows: the works, shape (n,).
        probabilities: name of a classifier -> its scores or probabilities, shape (n, classes).
        seed: of their trainings.
    """
    tables = [_table(data, rows, name, scores.argmax(axis=1), seed) for name, scores in probabilities.items()]
    return pd.concat(tables, ignore_index=True)


def _table(data: Data, rows: np.ndarray, variant: Any, predicted: Sequence[int], seed: int) -> pd.DataFrame:
    about = {"row": rows, "label": data.labels[rows], "group": data.groups[rows], "seed": seed}
    return pd.DataFrame({"variant": variant, "predicted": predicted, **about})


# --- From which number of works on artists are oversampled -----------------------------------------------------------


def vary_threshold(
    data: Data, config: Config, thresholds: Sequence[int], *, seeds: Sequence[int] | None = None
) -> pd.DataFrame:
    """Answers for the validation part by networks trained with each `Config.oversampling_threshold`.

    The seeds are those of the trainings; without any, that of the configuration.
    """
    rows, others = data.rows(TRAINING), data.rows(VALIDATION)
    trainings = [
        Training(threshold, dataclasses.replace(settings, oversampling_threshold=threshold), rows, others)
        for threshold in thresholds
        for settings in _with_seeds(config, seeds)
    ]
    return _learnt(data, config, trainings)


def recommended_threshold(answers: pd.DataFrame, *, draws: int = DRAWS) -> int:
    """Returns the smallest threshold whose macro-F1 is not below that of the best one.

    Below: by a paired difference (`gains`) whose 95 % interval excludes 0.

    Args:
        answers: what `vary_threshold` returns.
        draws: bootstrap draws.
    """
    best = best_threshold(answers)
    return smallest_not_below(best, gains(answers, best, measure="macro_f1", draws=draws))


def smallest_not_below(best: int, differences: pd.DataFrame) -> int:
    """Returns the rule of `recommended_threshold`, from the differences with the best threshold: rows of `gains`."""
    return int(min([best, *differences.index[differences["high"] >= 0]]))


def best_threshold(answers: pd.DataFrame) -> int:
    """Returns the threshold, in the answers of `vary_threshold`, whose macro-F1 is the highest."""
    return int(summary(answers)["macro_f1"].idxmax())


def vary_side(data: Data, config: Config, *, seeds: Sequence[int] | None = None) -> pd.DataFrame:
    """Answers for the validation part by networks that see works at each of `SIDES`; crops cover the same part of one.

    The variant is the side. The seeds are those of the trainings; without any, that of the configuration.
    """
    rows, others = data.rows(TRAINING), data.rows(VALIDATION)
    trainings = [  # the network takes pictures of any side
        Training(side, dataclasses.replace(settings, side=side, train_side=3 * side // 4), rows, others)
        for side in SIDES
        for settings in _with_seeds(config, seeds)
    ]
    return _learnt(data, config, trainings)


# --- High against low quality ----------------------------------------------------------------------------------------


def compare_qualities(data: Data, config: Config, *, seeds: Sequence[int], part: str) -> pd.DataFrame:
    """Trains the same network on each quality, and has it read the other works in the same quality.

    Args:
        data: the paintings.
        config: the network and its training; `seed` and what `FULL_SIZE` says are replaced.
        seeds: of the trainings.
        part: what is read.

    Returns:
        The answers: variant (the quality), seed, row, label, predicted, group. None where there is nothing to compare,
        for want of low-quality copies in one of the two parts.
    """
    images, rows = works_by_quality(data, np.concatenate([data.rows(TRAINING), data.rows(part)]))
    if set(data.works["part"].iloc[rows]) != {TRAINING, part}:
        return pd.DataFrame(columns=["variant", "predicted", "row", "label", "group", "seed"])
    train_rows, test_rows = (np.flatnonzero(data.works["part"].iloc[rows] == name) for name in (TRAINING, part))
    trainings = [
        Training(quality, dataclasses.replace(config, **FULL_SIZE, seed=seed), train_rows, test_rows, pictures)
        for quality, pictures in images.items()
        for seed in seeds
    ]
    return _learnt(data, config, trainings, rows)


def works_by_quality(data: Data, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the same works in three qualities, at the same side, and those rows that have a low-quality copy.

    High quality; low quality (a copy of 64 px) enlarged; high quality reduced to 64 px and enlarged, so that the
    difference between the first and the last is one of resolution alone, whatever the compression of the copies.

    Returns:
        quality -> uint8, shape (m, side, side, 3); and the m rows, a part of `rows`.
    """
    low, present = dataset.low_images(data, rows)
    rows = rows[present]
    size = (dataset.SIDE, dataset.SIDE)
    half = dataset.squares(data.works["path"].iloc[rows], dataset.SIDE // 2)[0]
    reduced = [np.asarray(Image.fromarray(im).resize(size, Image.Resampling.LANCZOS)) for im in half]
    reduced = np.array(reduced, np.uint8).reshape(low.shape)
    return {HIGH: data.images[rows], LOW: low, REDUCED: reduced}, rows


# --- How many works --------------------------------------------------------------------------------------------------


def vary_works(
    data: Data, config: Config, counts: Sequence[int], *, seeds: Sequence[int] | None = None
) -> pd.DataFrame:
    """Trains with fewer and fewer works of the `richest` artists, and asks who painted the validation works.

    Args:
        data: the paintings.
        config: the network and its training; its threshold is left at 0, so that no work is repeated.
        counts: numbers of training works that are left to each of these artists; those of the others stay.
        seeds: of the draws of these works and of the trainings; without any, that of the configuration.

    Returns:
        The answers, for the works of all artists: variant (number of works), seed, row, label, predicted, group.
    """
    config = dataclasses.replace(config, oversampling_threshold=0)
    rows, others = data.rows(TRAINING), data.rows(VALIDATION)
    trainings = [
        Training(count, settings, with_fewer_works(data, rows, count, seed=settings.seed), others)
        for count in counts
        for settings in _with_seeds(config, seeds)
    ]
    return _learnt(data, config, trainings)


def richest(data: Data) -> np.ndarray:
    """Returns the class ids of the `N_RICHEST` artists who have most training works."""
    counts = np.bincount(data.labels[data.rows(TRAINING)], minlength=len(data.artists))
    return np.argsort(-counts, kind="stable")[:N_RICHEST]


def with_fewer_works(data: Data, rows: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Returns these rows, sorted, but for the `richest` artists, of whom `count` works are drawn (all if fewer)."""
    artists, random = richest(data), np.random.default_rng([seed, count])
    left = [rows[~np.isin(data.labels[rows], artists)]]
    left += [random.permutation(rows[data.labels[rows] == artist])[:count] for artist in artists]
    return np.sort(np.concatenate(left))


def of_artists(answers: pd.DataFrame, classes: np.ndarray) -> pd.DataFrame:
    """Returns the answers for the works of these artists alone."""
    return answers[answers["label"].isin(classes)]


def summaries_of_works(answers: pd.DataFrame, few: np.ndarray) -> dict[str, pd.DataFrame]:
    """Returns the `summary` of `vary_works` for the artists of `few`, on their works alone, and for any others."""
    names = {"works_per_artist": few, "works_per_artist_others": np.setdiff1d(answers["label"], few)}
    return {name: summary(of_artists(answers, ids)) for name, ids in names.items() if len(ids)}


# --- What helps small artists ----------------------------------------------------------------------------------------


def small_artists(data: Data) -> np.ndarray:
    """Returns the class ids of the artists with fewer than `SMALL` works, near-duplicates counted once."""
    distinct = data.works.groupby("artist")["group"].nunique().reindex(data.artists.index, fill_value=0)
    return np.flatnonzero((distinct < SMALL).to_numpy())


def price(answers: pd.DataFrame, base: Any, small: np.ndarray, *, draws: int) -> pd.DataFrame:
    """Returns what the other artists gain or lose in accuracy where small ones are helped, paired, as `gains`.

    `small` are class ids, those of the artists that are helped. There is no row if no other is among the answers.
    """
    others = np.setdiff1d(answers["label"], small)
    differences = gains(answers, base, measure="accuracy", classes=others, draws=draws)
    return differences if len(others) else differences.iloc[:0]


def compare_treatments(data: Data, config: Config, *, count: int, seeds: Sequence[int]) -> pd.DataFrame:
    """Answers for every work of training and validation by networks that never saw it nor its near-duplicates.

    Args:
        data: the paintings; the test part is not read.
        config: the network and its training; its threshold is that of the oversampling.
        count: number of folds.
        seeds: of the folds and the trainings.

    Returns:
        The answers: variant (a key of `TREATMENTS`), seed, row, label, predicted, group.
    """
    rows, trainings = data.all_but_test, []
    for seed in seeds:
        fold = folds(data.labels[rows], data.groups[rows], count, seed=seed)
        for name, changes in TREATMENTS.items():
            settings = dataclasses.replace(config, seed=seed, **changes)
            trainings += [Training(name, settings, rows[fold != n], rows[fold == n]) for n in range(count)]
    return _learnt(data, config, trainings)


def test_treatments(data: Data, config: Config, names: Sequence[str], *, seeds: Sequence[int]) -> pd.DataFrame:
    """Reads the test part once, by networks that learnt from all the rest under each of these treatments."""
    trainings = [
        Training(name, dataclasses.replace(config, seed=seed, **TREATMENTS[name]), data.all_but_test, data.rows(TEST))
        for seed in seeds
        for name in names
    ]
    return _learnt(data, config, trainings)


def best_treatment(table: pd.DataFrame) -> str:
    """Returns the treatment, in the `summary` of `compare_treatments`, with the highest mean recall, "none" aside."""
    return str(table.drop(index=NOTHING)["balanced_accuracy"].idxmax())


# --- Trainings -------------------------------------------------------------------------------------------------------


def _with_seeds(config: Config, seeds: Sequence[int] | None) -> list[Config]:
    return [config] if seeds is None else [dataclasses.replace(config, seed=seed) for seed in seeds]


@functools.lru_cache(maxsize=1)
def _compiled(config: Config, classes: int):
    """The network that the experiments that follow each other train again and again: it is compiled once."""
    return training.build(config, classes)


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of an experiment, and what its network is asked.

    Attributes:
        variant: what changes from one to another.
        config: of the network and its training.
        rows: works from which it learns.
        others: works whose artist it is asked.
        images: pictures of all the works, uint8, shape (n, side, side, 3); those of the data if None.
    """

    variant: Any
    config: Config
    rows: np.ndarray
    others: np.ndarray
    images: np.ndarray | None = None


def _learnt(data: Data, config: Config, trainings: Sequence[Training], works: np.ndarray | None = None) -> pd.DataFrame:
    """Returns the answers of trainings, of one network trained again and again.

    Rows and images are those of all the works, or of these `works` alone.
    """
    works = np.arange(len(data.works)) if works is None else works
    labels, classes = data.labels[works], len(data.artists)
    compiled_for = dataclasses.replace(config, seed=0, oversampling_threshold=0, class_weighted=False)

    def predictions(one: Training) -> list[int]:
        network, images = _compiled(compiled_for, classes), data.images if one.images is None else one.images
        run = training.train(one.config, images, labels, one.rows, classes=classes, model=network)
        if run.model is not network:  # found again
            network.set_weights(run.model.get_weights())
        return networks.scores(network, images[one.others], one.config.side).argmax(axis=1).tolist()

    def identity(one: Training) -> list:
        seen = (data.images if one.images is None else one.images)[one.rows[:: max(1, len(one.rows) // 64)]]
        return [str(one.variant), dataclasses.asdict(one.config), fingerprint(one.rows, one.others, seen)]

    points = {"code": code_hash(predictions), "labels": fingerprint(labels), "points": list(map(identity, trainings))}
    found = grid.evaluate(PROJECT, config_hash(points), trainings, predictions)
    tables = [
        _table(data, works[one.others], one.variant, predicted, one.config.seed)
        for one, predicted in zip(trainings, found, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


# --- Measures with intervals -----------------------------------------------------------------------------------------


def summary(answers: pd.DataFrame, *, classes: Sequence[int] | None = None) -> pd.DataFrame:
    """Returns what each variant is worth: accuracy, mean recall and macro-F1, with 95 % intervals.

    Groups of near-duplicates are drawn together, and seeds are averaged. With `classes`, recall and F1 are the means
    over these alone, and the accuracy is the share of their works that are recognised.

    Returns:
        One row a variant, in order of appearance: `n` works, and each of `MEASURES`, with `_low` and `_high`.
    """
    classes = np.unique(answers["label"]) if classes is None else np.asarray(classes)
    rows = {}
    for variant, part in answers.groupby("variant", sort=False):
        predicted, labels, groups = (part[name].to_numpy() for name in ("predicted", "label", "group"))
        measures = evaluation.measures(predicted[:, None], labels, groups, classes=classes, draws=DRAWS)
        rows[variant] = {"n": int(np.isin(labels[part["seed"] == part["seed"].iloc[0]], classes).sum())}
        for name in MEASURES:
            rows[variant] |= dict(zip((name, f"{name}_low", f"{name}_high"), measures[name], strict=True))
    return pd.DataFrame.from_dict(rows, orient="index")


def gains(
    answers: pd.DataFrame, base: Any, *, measure: str, classes: Sequence[int] | None = None, draws: int
) -> pd.DataFrame:
    """Returns how much each variant gains over `base`, paired: the same groups of works are drawn for both.

    Args:
        answers: of all the variants.
        base: the variant to which the others are compared.
        measure: one of `MEASURES`.
        classes: see `summary`.
        draws: bootstrap draws.

    Returns:
        One row a variant but `base`: `gain`, `low`, `high`, differences of proportions.
    """
    classes = np.unique(answers["label"]) if classes is None else np.asarray(classes)
    weights, place = evaluation.group_weights(answers["group"].to_numpy(), draws)
    weights = np.concatenate([np.ones_like(weights[:1]), weights])  # first each work once
    values = {}
    for variant in answers["variant"].unique():
        which = (answers["variant"] == variant).to_numpy()
        predicted, labels = answers["predicted"].to_numpy()[which, None], answers["label"].to_numpy()[which]
        measures = evaluation.weighted_measures(predicted, labels, weights[:, place[which]], classes)
        values[variant] = measures[measure].astype(np.float64)
    rows = {}
    for variant in values:
        if variant != base:
            gain, *samples = values[variant] - values[base]
            low, high = np.percentile(samples, [2.5, 97.5])
            rows[variant] = (gain, low, high)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["gain", "low", "high"])


def gain_metric(
    answers: pd.DataFrame, variant: Any, base: Any, *, measure: str, classes=None, draws: int = results.DRAWS
) -> dict[str, Any]:
    """Returns what `variant` gains over `base` as an entry of `metrics.json`: value, ci95, n, per_seed."""
    both = answers[answers["variant"].isin([variant, base])]
    options = {"measure": measure, "classes": classes}
    gain = gains(both, base, **options, draws=draws).loc[variant]
    seeds = [part for _, part in both.groupby("seed", sort=False)]
    labels = seeds[0].loc[seeds[0]["variant"] == base, "label"]
    return {
        "value": float(gain["gain"]),
        "ci95": [float(gain["low"]), float(gain["high"])],
        "n": int(labels.isin(labels if classes is None else classes).sum()),
        "per_seed": [float(gains(part, base, **options, draws=2).loc[variant, "gain"]) for part in seeds],
    }


# --- What reference/ keeps -------------------------------------------------------------------------------------------


def record(
    experiment: str, table: pd.DataFrame, config: Config | None, seeds: Sequence[int], part: str, *, side: int = 0
) -> None:
    """Adds a `summary` to `reference/experiences.csv`; it replaces the same experiment, network, variants and part.

    `config` is that of the network trained from scratch; None for the frozen one, which saw works at `side`.
    """
    about = {"part": part, "side": side, "seeds": " ".join(map(str, seeds)), "hardware": results.hardware()}
    about["network"] = FROZEN if config is None else SCRATCH
    if config is not None:
        about |= {"side": config.train_side, "width": config.width, "images_seen": config.images_seen}
    add_rows(RECORD, experiment, table, about)


def recorded(experiment: str, part: str, network: str = SCRATCH) -> pd.DataFrame:
    """Returns what an experiment gave on the real paintings, as `summary`; without a row if it was not done."""
    rows = pd.read_csv(RECORD, dtype={"variant": str})
    rows = rows[(rows["experiment"] == experiment) & (rows["part"] == part) & (rows["network"] == network)]
    by_number = pd.to_numeric(rows["variant"], errors="coerce")
    rows = rows.assign(order=by_number).sort_values("order", kind="stable").drop(columns="order")
    return rows.set_index("variant").rename_axis(None)


def add_rows(path: Path, experiment: str, table: pd.DataFrame, about: Mapping[str, Any]) -> None:
    """Adds rows, one a variant, to a file of experiments; they replace those of which all of `KEYS` are the same."""
    rows = table.round(4).rename_axis("variant").reset_index().astype({"variant": str}).assign(**about)
    rows.insert(0, "experiment", experiment)
    if path.is_file():
        rows = pd.concat([pd.read_csv(path, dtype={"variant": str, "seeds": str}), rows])
    for name in ("width", "images_seen"):
        if name in rows:
            rows[name] = rows[name].astype("Int64")
    rows.drop_duplicates([name for name in KEYS if name in rows], keep="last").to_csv(path, index=False)
