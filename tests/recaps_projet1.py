"""What the notebooks of project 1 say last, computed again from what two runs of different seeds left."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd
from recaps import Claim, Name, Word, verdict
from sklearn.metrics import accuracy_score, f1_score, recall_score

from projet1_artistes import (
    augmentation,
    baselines,
    checks,
    dataset,
    experiments,
    frozen,
    leak,
    resizing,
    split,
    tables,
    training,
    transfer,
)

PROFILE = training.profile("essai")
THRESHOLD = 100
NOTHING, HIGH, LOW = experiments.NOTHING, experiments.HIGH, experiments.LOW


@functools.cache
def data() -> dataset.Data:
    return dataset.load()


def said(config: training.Config, images: np.ndarray, judged: np.ndarray, seed: int) -> np.ndarray:
    """What the network of a configuration, which the run has left, says of works."""
    config = dataclasses.replace(config, seed=seed, oversampling_threshold=THRESHOLD)
    rows = (data().rows(part) for part in (split.TRAINING, split.VALIDATION))
    network = training.train(config, images, data().labels, *rows, classes=len(data().names)).model
    return np.asarray(network(augmentation.resize_all(images[judged], config.side), training=False))


# --- Plain formulas --------------------------------------------------------------------------------------------------


def measure(name: str, answers: pd.DataFrame, classes=None, weights=None) -> float:
    """The measure of answers, each counted as often as its weight says, for the works of some artists."""
    label, predicted = answers["label"].to_numpy(), answers["predicted"].to_numpy()
    weights = np.ones(len(label)) if weights is None else weights
    classes = np.unique(label) if classes is None else classes
    own = np.isin(label, classes)
    if name == "accuracy":
        return accuracy_score(label[own], predicted[own], sample_weight=weights[own])
    drawn = np.unique(label[own & (weights > 0)])
    score = {"balanced_accuracy": recall_score, "macro_f1": f1_score}[name]
    return score(label, predicted, labels=drawn, average="macro", sample_weight=weights, zero_division=0)


def gap(name: str, answers: pd.DataFrame, variant, base, classes=None) -> tuple[float, float, float]:
    """What a variant gains over another, and its interval: groups of near-duplicates are drawn, the same for both."""
    groups = np.unique(answers["group"])
    shares = np.full(len(groups), 1 / len(groups))
    draws = np.random.default_rng(0).multinomial(len(groups), shares, size=PROFILE.draws)
    classes = np.unique(answers["label"]) if classes is None else classes
    both = [answers[answers["variant"] == which] for which in (variant, base)]

    def difference(counts: np.ndarray) -> float:
        one, other = (
            measure(name, part, classes, counts[np.searchsorted(groups, part["group"])].astype(float)) for part in both
        )
        return one - other

    low, high = np.percentile([difference(counts) for counts in draws], [2.5, 97.5]).round(9)  # 0 is 0
    return difference(np.ones(len(groups))), low, high


def told(name: str, answers: pd.DataFrame, variant, base, classes=None) -> list[Claim]:
    """What a sentence says of a gain: in points, between its bounds, and if chance explains it."""
    gain, low, high = gap(name, answers, variant, base, classes)
    return [100 * gain, 100 * low, 100 * high, verdict(low, high)]


def by_variant(name: str, answers: pd.DataFrame, classes=None) -> pd.Series:
    parts = {variant: measure(name, part, classes) for variant, part in answers.groupby("variant", sort=False)}
    return pd.Series(parts)


def advised(answers: pd.DataFrame) -> tuple[int, int]:
    """The threshold of the highest macro-F1, and the smallest that is not surely below it."""
    scores = by_variant("macro_f1", answers)
    best = scores.idxmax()
    others = [t for t in scores.index if t != best and gap("macro_f1", answers, t, best)[2] >= 0]
    return best, min([best, *others])


# --- The recaps ------------------------------------------------------------------------------------------------------


def preparation(seed: int) -> tuple[list[Claim], dict[str, float]]:
    d = data()
    works = np.bincount(d.works["artist"])
    left = {side: fine_contrast(dataset.random_works(d, PROFILE.works_measured, seed=seed), side) for side in (64, 128)}
    groups = d.works["group"].value_counts()
    parts = d.works["part"].value_counts()
    passed = int(controls()["passed"].sum())
    claims = [works.sum(), len(works), Word("plus"), works.max() / works.min(), Word("plus"), Word("moins")]
    claims += [len(d.problems), Word("plus"), d.images.shape[1], left[128], left[64], 64, (groups > 1).sum()]
    claims += [*(parts[name] for name in (split.TRAINING, split.VALIDATION, split.TEST)), passed, len(controls())]
    return claims, {
        "exactitude gagnée à tort par une fuite": leaked(),
        "contrôles du découpage réussis, en proportion": passed / len(controls()),
    }


def fine_contrast(rows: np.ndarray, side: int) -> float:
    """The median share of the differences from pixel to pixel that works keep once reduced."""
    kept = []
    for row in rows:
        image = resizing.whole_square(data().works.iloc[row])
        copy = image if side >= len(image) else resizing.enlarged(resizing.reduced(image, side), len(image))
        energies = []
        for picture in (copy, image):
            grey = picture @ np.array([0.299, 0.587, 0.114])
            right, down = grey[:-1, 1:] - grey[:-1, :-1], grey[1:, :-1] - grey[:-1, :-1]
            energies.append((right**2 + down**2).mean())
        kept.append(np.sqrt(energies[0] / energies[1]))
    return float(np.median(kept))


@functools.cache
def controls() -> pd.DataFrame:
    return checks.check_split(data())


@functools.cache
def leaked() -> float:
    """The accuracy that a split at random adds."""
    answers = leak.compare_splits(data(), seeds=(0, 1, 2), twice=leak.TWICE)
    right = by_variant("accuracy", answers)
    return right[leak.NAIVE] - right[leak.GROUPED]


@functools.cache
def colour() -> np.ndarray:
    d = data()
    return baselines.colour_baseline(d.images, d.labels, d.rows(split.TRAINING), d.rows(split.VALIDATION))


@functools.cache
def head() -> np.ndarray:
    d, side = data(), PROFILE.frozen_side
    features = transfer.features(dataset.pictures(d, side), side)
    rows = d.rows(split.TRAINING), d.rows(split.VALIDATION)
    return transfer.linear_head(features, d.labels, *rows, classes=len(d.names))


def model(seed: int) -> tuple[list[Claim], dict[str, float]]:
    d, config = data(), PROFILE.config
    judged = d.rows(split.VALIDATION)
    own = said(config, d.images, judged, seed)
    levels = {"pré-entraîné, figé": head()}
    for title, settings in (("derniers étages", PROFILE.last_stages()), ("en entier", PROFILE.transfer)):
        pictures = dataset.pictures(d, settings.image_side)
        levels[f"pré-entraîné, {title}"] = said(settings, pictures, judged, seed)
    answers = experiments.answers(d, judged, {"colour": colour(), "own": own, **levels}, seed=seed)
    right = by_variant("accuracy", answers)
    best = right[list(levels)].idxmax()
    without_colour = answers[answers["variant"] != "colour"]
    side = config.train_side / np.sqrt(np.mean(config.transforms.scale))
    tried = experiments.vary_threshold(d, dataclasses.replace(PROFILE.short, seed=seed), PROFILE.thresholds)
    claims = [right["colour"], right["own"], config.train_side, config.side, side, Word("mieux"), right[best]]
    claims += [Name(best), *told("accuracy", without_colour, best, "own"), advised(tried)[1], 3, THRESHOLD]
    return claims, {
        "exactitude de validation, réseau résiduel": right["own"],
        "exactitude de validation, meilleur réseau pré-entraîné": right[best],
    }


def evaluation(seed: int) -> tuple[list[Claim], dict[str, float]]:
    d, test = data(), data().rows(split.TEST)
    answers = experiments.answers(d, test, {"own": said(PROFILE.config, d.images, test, seed)}, seed=seed)
    accuracy, f1 = measure("accuracy", answers), measure("macro_f1", answers)
    claims = [len(test), accuracy, f1, *qualities(seed), *works_needed(seed), *head_thresholds(seed)]
    return [*claims, *treatments(seed)], {"exactitude au test": accuracy, "macro-F1 au test": f1}


def qualities(seed: int) -> list[Claim]:
    config = dataclasses.replace(PROFILE.quality, oversampling_threshold=THRESHOLD)
    answers = experiments.compare_qualities(data(), config, seeds=[seed], part=split.TEST)
    right = by_variant("accuracy", answers)
    both = [right[HIGH], right[LOW], Word("basse"), *told("accuracy", answers, LOW, HIGH)]
    return [Word("haute"), Word("basse"), Word("même"), *both]


def short(seed: int) -> training.Config:
    return dataclasses.replace(PROFILE.short, seed=seed, oversampling_threshold=THRESHOLD)


@functools.cache
def seen() -> tuple[np.ndarray, np.ndarray]:
    """The works that the frozen network saw, and what it says of them."""
    rows = frozen.drawn_works(data(), PROFILE.frozen_works)
    return rows, frozen.features(data(), rows, PROFILE.frozen_sides[-1])


def works_needed(seed: int) -> list[Claim]:
    d, counts = data(), PROFILE.works_per_artist
    learnt = np.bincount(d.labels[d.rows(split.TRAINING)])
    few = np.argsort(-learnt, kind="stable")[: experiments.N_RICHEST]
    others = np.setdiff1d(np.arange(len(learnt)), few)
    scratch = experiments.vary_works(d, short(seed), counts)
    heads = frozen.vary_works(d, *seen(), counts, seeds=range(seed, seed + 3))
    recalls = [by_variant("balanced_accuracy", answers[answers["label"].isin(few)]) for answers in (scratch, heads)]
    claims = [counts[0], counts[-1], recalls[0].iloc[0], recalls[0].iloc[-1], 0.5]
    for answers, recall in zip((scratch, heads), recalls, strict=True):
        claims += needed(recall)
        enough = enough_works(recall)
        if enough > counts[0]:
            classes = np.intersect1d(others, answers["label"])
            claims += [counts[0], enough, *told("accuracy", answers, enough, counts[0], classes)]
    return claims


def enough_works(recall: pd.Series) -> int:
    """The smallest number from which all reach one half, or the largest one."""
    short_of = recall.index[recall < 0.5]
    more = recall.index[recall.index > max(short_of, default=0)]
    return int(min(more, default=recall.index[-1]))


def needed(recall: pd.Series) -> list[Claim]:
    """What is said of how many works it takes to recognise half of them."""
    counts, values = recall.index.to_numpy(float), recall.to_numpy()
    if values[-1] < 0.5:
        said = [Word("plus"), counts[-1]]
    elif (values >= 0.5).all():
        return [counts[0], Word("moins")]
    else:
        last = np.flatnonzero(values < 0.5)[-1]
        between = np.interp(0.5, values[[last, last + 1]], np.log(counts[[last, last + 1]]))
        said = [np.exp(between), counts[last], counts[last + 1]]
    once = np.flatnonzero(values >= 0.5)
    if len(once) and (values[once[0] :] < 0.5).any():
        said += [counts[once[0]], Word("suffisent"), values[once[0]]]
    return said


def head_thresholds(seed: int) -> list[Claim]:
    rows, features = seen()
    options = {"count": PROFILE.folds, "seeds": [seed]}
    answers = frozen.vary_threshold(data(), rows, features, PROFILE.thresholds, **options)
    best, least = advised(answers)
    first = PROFILE.thresholds[0]
    claims = [Name("Moins de … images"), Word("plus"), Word("haute"), best, by_variant("macro_f1", answers)[best]]
    if least != best:
        gain, low, high = gap("macro_f1", answers, least, best)
        claims += [least, Word("nettement négatif", high >= 0), 100 * gain, 100 * low, 100 * high]
    elif best != first:
        claims.append(Word("plus"))
    if not least:
        return claims + [Word("plus")] * (best == least)
    price = told("accuracy", answers, least, first)
    claims += [Word("moins"), least, Word("le prix" if price[2] < 0 else "sans prix"), first, *price]
    return claims + [Word("plus")] * 2 * (least == PROFILE.thresholds[-1])


def treatments(seed: int) -> list[Claim]:
    d = data()
    distinct = d.works.groupby("artist")["group"].nunique()
    small = distinct.index[distinct < experiments.SMALL].to_numpy()
    compared = experiments.compare_treatments(d, short(seed), count=PROFILE.folds, seeds=[seed])
    recalls = by_variant("balanced_accuracy", compared, small)
    best = recalls.drop(NOTHING).idxmax()
    final = experiments.test_treatments(d, short(seed), (NOTHING, best), seeds=[seed])
    others = np.setdiff1d(final["label"], small)
    title = tables.variant_title(best)
    claims = [Word("meilleur"), Name(title), Name(tables.variant_title(NOTHING)), Name(title)]
    claims += told("balanced_accuracy", final, best, NOTHING, small)
    return claims + told("accuracy", final, best, NOTHING, others)


RECAPS = {"01_preparation": preparation, "02_modele": model, "03_evaluation": evaluation}
