"""Experiments: what quality is worth, how many works an artist needs, what helps those who have few.

Every training goes through `model.train`, so that what is finished is never done again. Each experiment returns one
row an answer (a work, a variant, a seed, a prediction); `summary` turns them into figures with intervals.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from commun import UserError, figures, results
from projet1_artistes import model
from projet1_artistes.augmentation import Transforms
from projet1_artistes.dataset import TEST, TRAINING, VALIDATION, Data, folds, low_pixels, pixels
from projet1_artistes.model import Config

SMALL = 50  # works: an artist with fewer, near-duplicates counted once, is a small one
FLOOR = 1 / 3  # recall under which an artist brings little but errors
FURNISHED = 8  # artists from whom works are taken away
TREATMENTS = {
    "rien": {"threshold": 0, "weighted": False},
    "augmentation": {"weighted": False},
    "poids par classe": {"threshold": 0, "weighted": True},
    "les deux": {"weighted": True},
}
HIGH, LOW, REDUCED = "haute qualité", "basse qualité", "haute qualité réduite"
MEASURES = {"accuracy": "exactitude", "recall": "exactitude équilibrée", "f1": "macro-F1"}
# Qualities are compared at 128 px, for smaller pictures would hide the difference; crops keep the same resolution.
FULL_SIZE = {"train_side": 64, "side": 128, "transforms": Transforms(area=0.2, most=0.3)}
KEPT = model.REFERENCE / "experiences.csv"
OUT_OF_FOLD = "hors pli"
SIDES = (64, 96, 128)  # pixels, of whole works
ANSWERS = ["variant", "seed", "row", "label", "predicted", "group"]


def answers(data: Data, rows: np.ndarray, said: Mapping[str, np.ndarray], *, seed: int = 0) -> pd.DataFrame:
    """Returns the answers of several classifiers for the same works: variant, seed, row, label, predicted, group.

    Args:
        data: the paintings.
        rows: the works, shape (n,).
        said: name of a classifier -> its scores or probabilities, shape (n, classes).
        seed: of their trainings.
    """
    found = [_answers(data, name, seed, rows, scores.argmax(axis=1)) for name, scores in said.items()]
    return pd.concat(found, ignore_index=True)


def majority(data: Data, part: str) -> float:
    """Returns the accuracy on a part of always naming the artist who has most works in training, 0..1."""
    first = np.bincount(data.labels[data.rows(TRAINING)]).argmax()
    return float((data.labels[data.rows(part)] == first).mean())


# --- High against low quality ----------------------------------------------------------------------------------------


def qualities(data: Data, rows: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the same works in three qualities, at the same side, and those rows that have a low-quality copy.

    High quality; low quality (a copy of 64 px) enlarged; high quality reduced to 64 px and enlarged, so that the
    difference between the first and the last is one of resolution alone, whatever the compression of the copies.

    Returns:
        quality -> uint8, shape (m, side, side, 3); and the m rows, a part of `rows`.

    Raises:
        UserError: of the works of some part, none has a low-quality copy.
    """
    high = pixels(data)
    side = high.shape[1]
    low, present = low_pixels(data, rows, side)
    kept = rows[present]
    if not all(np.isin(kept, data.rows(part)).any() for part in set(data.works["part"].iloc[rows])):
        raise UserError(
            f"{data.location.folder} n'a pas de copies en basse qualité (resized/resized) : il n'y a rien à comparer."
        )
    half = pixels(data, side // 2)[kept]
    reduced = np.stack([np.asarray(Image.fromarray(im).resize((side, side), Image.Resampling.LANCZOS)) for im in half])
    return {HIGH: high[kept], LOW: low, REDUCED: reduced}, kept


def compare_qualities(data: Data, config: Config, *, seeds: Sequence[int] = (0,), part: str = VALIDATION):
    """Trains the same network on each quality, and has it read the other works in the same quality.

    Args:
        data: the paintings.
        config: the network and its training; `seed` and what `FULL_SIZE` says are replaced.
        seeds: of the trainings.
        part: what is read.

    Returns:
        The answers: variant (the quality), seed, row, label, predicted, group.

    Raises:
        UserError: no work has a low-quality copy.
    """
    learnt, read = data.rows(TRAINING), data.rows(part)
    images, kept = qualities(data, np.concatenate([learnt, read]))
    known, asked = np.flatnonzero(np.isin(kept, learnt)), np.flatnonzero(np.isin(kept, read))
    config = dataclasses.replace(config, **FULL_SIZE)
    learner, found = _Learner(data, config), []
    for quality, shown in images.items():
        for seed in seeds:
            predicted = learner.predict(shown, dataclasses.replace(config, seed=seed), known, asked, kept)
            found.append(_answers(data, quality, seed, kept[asked], predicted))
    return pd.concat(found, ignore_index=True)


# --- How many works --------------------------------------------------------------------------------------------------


def vary_works(
    data: Data, config: Config, kept: Sequence[int], *, count: int = FURNISHED, part: str = VALIDATION
) -> pd.DataFrame:
    """Trains with fewer and fewer works of the artists who have most, and asks who painted their other works.

    Args:
        data: the paintings.
        config: the network and its training; its threshold is left at 0, so that no work is repeated.
        kept: numbers of works that are kept in training for each of these artists; those of the others stay.
        count: number of artists from whom works are taken away.
        part: what is read.

    Returns:
        The answers for these artists: variant (number of works), seed, row, label, predicted, group.
    """
    learnt, asked = data.rows(TRAINING), data.rows(part)
    rich = np.argsort(-np.bincount(data.labels[learnt], minlength=len(data.artists)), kind="stable")[:count]
    asked = asked[np.isin(data.labels[asked], rich)]
    images, learner, found = pixels(data), _Learner(data, config), []
    for number in kept:
        random = np.random.default_rng([config.seed, number])
        rows = [learnt[~np.isin(data.labels[learnt], rich)]]
        rows += [random.permutation(learnt[data.labels[learnt] == artist])[:number] for artist in rich]
        settings = dataclasses.replace(config, threshold=0)
        predicted = learner.predict(images, settings, np.sort(np.concatenate(rows)), asked)
        found.append(_answers(data, number, config.seed, asked, predicted))
    return pd.concat(found, ignore_index=True)


# --- What helps small artists ----------------------------------------------------------------------------------------


def small_artists(data: Data, limit: int = SMALL) -> np.ndarray:
    """Returns the class ids of the artists with fewer than `limit` works, near-duplicates counted once."""
    distinct = data.works.groupby("artist")["group"].nunique().reindex(data.artists.index, fill_value=0)
    return np.flatnonzero((distinct < limit).to_numpy())


def treat(
    data: Data, config: Config, *, count: int = 5, seeds: Sequence[int] = (0,), names: Sequence[str] = tuple(TREATMENTS)
) -> pd.DataFrame:
    """Answers for every work of training and validation by networks that never saw it nor its near-duplicates.

    Args:
        data: the paintings; the test part is not read.
        config: the network and its training; its threshold is that of the augmentation.
        count: number of folds.
        seeds: of the folds and the trainings.
        names: treatments, keys of `TREATMENTS`.

    Returns:
        The answers: variant (the treatment), seed, row, label, predicted, group.
    """
    rows = np.sort(np.concatenate([data.rows(TRAINING), data.rows(VALIDATION)]))
    images, learner, found = pixels(data), _Learner(data, config), []
    for seed in seeds:
        fold = folds(data.labels[rows], data.groups[rows], count, seed=seed)
        for name in names:
            settings = dataclasses.replace(config, seed=seed, **TREATMENTS[name])
            for number in range(count):
                asked = rows[fold == number]
                predicted = learner.predict(images, settings, rows[fold != number], asked)
                found.append(_answers(data, name, seed, asked, predicted))
    return pd.concat(found, ignore_index=True)


def confirm(data: Data, config: Config, names: Sequence[str], *, seeds: Sequence[int] = (0,)) -> pd.DataFrame:
    """Reads the test part once, by networks that learnt from all the rest under each of these treatments."""
    rows, asked = np.sort(np.concatenate([data.rows(TRAINING), data.rows(VALIDATION)])), data.rows(TEST)
    images, learner, found = pixels(data), _Learner(data, config), []
    for seed in seeds:
        for name in names:
            settings = dataclasses.replace(config, seed=seed, **TREATMENTS[name])
            found.append(_answers(data, name, seed, asked, learner.predict(images, settings, rows, asked)))
    return pd.concat(found, ignore_index=True)


def vary_threshold(data: Data, config: Config, thresholds: Sequence[int]) -> pd.DataFrame:
    """Answers for the validation part by networks trained with each threshold of augmentation (`Config.threshold`)."""
    learnt, asked = data.rows(TRAINING), data.rows(VALIDATION)
    images, learner, found = pixels(data), _Learner(data, config), []
    for threshold in thresholds:
        predicted = learner.predict(images, dataclasses.replace(config, threshold=threshold), learnt, asked)
        found.append(_answers(data, threshold, config.seed, asked, predicted))
    return pd.concat(found, ignore_index=True)


def vary_side(data: Data, config: Config, sides: Sequence[int] = SIDES) -> pd.DataFrame:
    """Answers for the validation part by networks that see works at each side; crops cover the same part of a work."""
    learnt, asked = data.rows(TRAINING), data.rows(VALIDATION)
    images, found = pixels(data), []
    for side in sides:
        settings = dataclasses.replace(config, side=side, train_side=3 * side // 4)
        predicted = _Learner(data, settings).predict(images, settings, learnt, asked)
        found.append(_answers(data, side, config.seed, asked, predicted))
    return pd.concat(found, ignore_index=True)


def recommended(table: pd.DataFrame, measure: str = "f1") -> int:
    """Returns the smallest threshold whose measure (see `summary`) the best one does not beat by its half-interval."""
    best = table[measure].idxmax()
    margin = table.loc[best, measure] - table.loc[best, f"{measure}_low"]
    return int(min(table.index[table[measure] >= table.loc[best, measure] - margin / 2]))


@functools.lru_cache(maxsize=1)
def _compiled(config: Config, classes: int):
    """The network that the experiments that follow each other train again and again: it is compiled once."""
    return model.compiled(config, classes)


class _Learner:
    """One network, trained again for each answer."""

    def __init__(self, data: Data, config: Config) -> None:
        self.labels, self.classes = data.labels, len(data.artists)
        self.network = _compiled(dataclasses.replace(config, seed=0, threshold=0, weighted=False), self.classes)

    def predict(self, images, config: Config, learnt, asked, kept: np.ndarray | None = None) -> np.ndarray:
        """Trains on some works and answers for others: class ids; `kept` are the rows of the data of `images`."""
        labels = self.labels if kept is None else self.labels[kept]
        run = model.train(config, images, labels, learnt, classes=self.classes, network=self.network)
        if run.model is not self.network:  # found again
            self.network.set_weights(run.model.get_weights())
        return model.scores(self.network, images, asked, config.side).argmax(axis=1)


def _answers(data: Data, variant, seed: int, rows: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    columns = (variant, seed, rows, data.labels[rows], predicted, data.groups[rows])
    return pd.DataFrame(dict(zip(ANSWERS, columns, strict=True)))


# --- Figures with intervals ------------------------------------------------------------------------------------------


def summary(answers: pd.DataFrame, *, classes: Sequence[int] | None = None, draws: int = 500) -> pd.DataFrame:
    """Returns what each variant is worth: accuracy, mean recall and macro-F1, with 95 % intervals.

    Groups of near-duplicates are drawn together, and seeds are averaged. With `classes`, recall and F1 are the means
    over these alone, and the accuracy is the share of their works that are recognised.

    Returns:
        One row a variant, in order of appearance: `n` works, and `accuracy`, `recall`, `f1`, each with `_low` and
        `_high`, proportions.
    """
    classes = np.unique(answers["label"]) if classes is None else np.asarray(classes)
    rows = {}
    for variant, part in answers.groupby("variant", sort=False):
        counts = _counts(part, classes)
        measures = _measures(counts.sum(axis=0))
        drawn = np.stack([_measures(counts[i].sum(axis=0)) for i in _draws(len(counts), draws)])
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        rows[variant] = {"n": int(part[part["seed"] == part["seed"].iloc[0]]["label"].isin(classes).sum())}
        for name, value, a, b in zip(("accuracy", "recall", "f1"), measures, low, high, strict=True):
            rows[variant] |= {name: value, f"{name}_low": a, f"{name}_high": b}
    return pd.DataFrame.from_dict(rows, orient="index")


def gains(
    answers: pd.DataFrame, base, *, measure: str = "recall", classes: Sequence[int] | None = None, draws: int = 500
) -> pd.DataFrame:
    """Returns how much each variant gains over `base`, paired: the same groups of works are drawn for both.

    Returns:
        One row a variant but `base`: `gain`, `low`, `high`, differences of proportions.
    """
    classes = np.unique(answers["label"]) if classes is None else np.asarray(classes)
    which = ("accuracy", "recall", "f1").index(measure)
    groups = np.unique(answers["group"])
    counts = {variant: _counts(part, classes, groups) for variant, part in answers.groupby("variant", sort=False)}

    def value(variant, drawn) -> float:
        return _measures(counts[variant][drawn].sum(axis=0))[which]

    rows = {}
    for variant in counts:
        if variant != base:
            drawn = [value(variant, i) - value(base, i) for i in _draws(len(groups), draws)]
            low, high = np.percentile(drawn, [2.5, 97.5])
            rows[variant] = {"gain": value(variant, slice(None)) - value(base, slice(None)), "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index")


def entry(
    answers: pd.DataFrame, variant, base, *, measure: str = "recall", classes=None, draws: int = results.DRAWS
) -> dict:
    """Returns what `variant` gains over `base` as an entry of `metrics.json`: value, ci95, n, per_seed."""
    both = answers[answers["variant"].isin([variant, base])]
    gain = gains(both, base, measure=measure, classes=classes, draws=draws).loc[variant]
    seeds = [part for _, part in both.groupby("seed", sort=False)]
    alone = [gains(part, base, measure=measure, classes=classes, draws=2).loc[variant, "gain"] for part in seeds]
    labels = seeds[0].loc[seeds[0]["variant"] == base, "label"]
    return {
        "value": float(gain["gain"]),
        "ci95": [float(gain["low"]), float(gain["high"])],
        "n": int(labels.isin(labels if classes is None else classes).sum()),
        "per_seed": [float(value) for value in alone],
    }


def _draws(count: int, draws: int) -> Sequence[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, count, count) for _ in range(draws)]


def _counts(answers: pd.DataFrame, classes: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Returns by group and class: works right, works of the class, works given to it; int64, shape (g, 3, k)."""
    groups = np.unique(answers["group"]) if groups is None else groups
    place = np.full(int(max(answers["label"].max(), answers["predicted"].max(), classes.max())) + 1, len(classes))
    place[classes] = np.arange(len(classes))
    counts = np.zeros((len(groups), 3, len(classes) + 1), np.int64)
    row = np.searchsorted(groups, answers["group"])
    label, predicted = place[answers["label"]], place[answers["predicted"]]
    right = (answers["label"] == answers["predicted"]).to_numpy()
    np.add.at(counts, (row[right], 0, label[right]), 1)
    np.add.at(counts, (row, 1, label), 1)
    np.add.at(counts, (row, 2, predicted), 1)
    return counts[:, :, :-1]


def _measures(counts: np.ndarray) -> np.ndarray:
    """Returns accuracy, mean recall and macro-F1 from the counts (3, k) of the classes that have works."""
    right, true, given = counts[:, counts[1] > 0].astype(np.float64)
    if not true.size:
        return np.zeros(3)
    return np.array([right.sum() / true.sum(), (right / true).mean(), (2 * right / (true + given)).mean()])


def table(figures_read: pd.DataFrame, measures: Mapping[str, str]) -> pd.DataFrame:
    """Returns `summary` as it is shown: the number of works, then each measure with its interval, in French."""
    shown = pd.DataFrame({"œuvres": figures_read["n"]})
    for measure, title in measures.items():
        shown[title] = [
            f"{figures.percent(row[measure])} [{figures.percent(row[f'{measure}_low'])} ; "
            f"{figures.percent(row[f'{measure}_high'])}]"
            for _, row in figures_read.iterrows()
        ]
    return shown


def gain_table(read: pd.DataFrame) -> pd.DataFrame:
    """Returns `gains` as they are shown, in points."""
    return pd.DataFrame({"écart": [_points(row) for _, row in read.iterrows()]}, index=read.index)


def comment_gains(read: pd.DataFrame, *, base: str) -> str:
    """Says in French what `gains` tell: which differences with `base` exceed what chance may do."""
    parts = [f"« {variant} » : {_points(row)}{_verdict(row)}" for variant, row in read.iterrows()]
    return f"Par rapport à « {base} » : {' ; '.join(parts)}."


def _points(gain: pd.Series) -> str:
    value, low, high = (figures.number(100 * gain[name], 1) for name in ("gain", "low", "high"))
    sign = "+" if gain["gain"] > 0 else ""
    return f"{sign}{value}{figures.NBSP}points [{low} ; {high}]"


def _verdict(gain: pd.Series) -> str:
    if gain["low"] > 0:
        return ", un gain net"
    if gain["high"] < 0:
        return ", une perte nette"
    return ", ce que le hasard du tirage suffit à expliquer"


def best(read: pd.DataFrame, measure: str, *, base: str = "rien") -> str:
    """Returns the variant of `summary` with the highest measure, `base` left aside."""
    return str(read.drop(index=base)[measure].idxmax())


def advise(artists: pd.DataFrame, varied: pd.DataFrame, *, floor: float = FLOOR) -> dict[str, float]:
    """Returns from how many training works on an artist is recognised at least a share `floor` of the time.

    Args:
        artists: one row an artist, with `apprises` and `testées` (works) and `rappel`.
        varied: `summary` of `vary_works`.
        floor: recall, 0..1.

    Returns:
        entre_artistes: from a regression of the recall on the number of works, increasing and weighted by tested works;
        par_retrait: from the works that were taken away. NaN where no number reaches the floor.
    """
    from sklearn.isotonic import IsotonicRegression

    tested = artists[artists["testées"] > 0].sort_values("apprises")
    fit = IsotonicRegression().fit(tested["apprises"], tested["rappel"], sample_weight=tested["testées"])
    reached = tested["apprises"][fit.predict(tested["apprises"]) >= floor]
    kept = [float(number) for number, row in varied.iterrows() if row["recall"] >= floor]
    return {
        "plancher": floor,
        "entre_artistes": float(reached.min()) if len(reached) else np.nan,
        "par_retrait": min(kept, default=np.nan),
        "sous": int((tested["apprises"] < reached.min()).sum()) if len(reached) else len(tested),
    }


def comment_advice(advice: Mapping[str, float]) -> str:
    """Says in French what `advise` found."""
    between, taken = advice["entre_artistes"], advice["par_retrait"]
    parts = [
        f"D'un artiste à l'autre, le rappel atteint {figures.percent(advice['plancher'], 0)} à partir d'environ "
        f"**{figures.number(between)} œuvres** d'apprentissage ; {advice['sous']} artiste(s) en ont moins."
        if np.isfinite(between)
        else f"D'un artiste à l'autre, le rappel n'atteint nulle part {figures.percent(advice['plancher'], 0)}.",
        f"Quand on retire des œuvres aux mieux fournis, {figures.number(taken)} suffisent."
        if np.isfinite(taken)
        else "Quand on retire des œuvres aux mieux fournis, aucun des nombres essayés n'y suffit.",
        "Au-dessous, nous conseillons de laisser l'artiste de côté ou de le réunir à d'autres. Ce nombre dépend du "
        "réseau et de son budget : mesurez-le de nouveau s'ils changent.",
    ]
    return " ".join(parts)


def plot_variants(read: pd.DataFrame, measure: str, *, title: str, ylabel: str, xlabel: str = "") -> Figure:
    """Draws a measure of `summary` against variants, with intervals; numbers are spaced evenly."""
    figure, axes = figures.new_figure(3.6)
    places, values = np.arange(len(read)), 100 * read[measure]
    errors = 100 * np.abs(read[[f"{measure}_low", f"{measure}_high"]].to_numpy().T - read[measure].to_numpy())
    axes.errorbar(places, values, errors, fmt="o", color=figures.PALETTE[0], capsize=5, markersize=8, linewidth=2)
    for place, value in zip(places, values, strict=True):
        axes.annotate(figures.percent(value / 100), (place, value), (9, 0), textcoords="offset points", va="center")
    axes.set(title=title, ylabel=ylabel, xlabel=xlabel, xlim=(-0.5, len(read) - 0.3))
    axes.set_xticks(places, [str(variant) for variant in read.index])
    return figure


def describe_variants(read: pd.DataFrame, measure: str, *, title: str) -> str:
    """Says in French what `plot_variants` draws."""
    parts = (f"{variant}, {figures.percent(row[measure])}" for variant, row in read.iterrows())
    return f"{title} : {' ; '.join(parts)}."


# --- What is kept ----------------------------------------------------------------------------------------------------


def rows_to_keep(experiment: str, read: pd.DataFrame, config: Config, seeds: Sequence[int], part: str) -> pd.DataFrame:
    """Returns `summary` as rows of `reference/experiences.csv`."""
    kept = read.round(4).rename_axis("variante").reset_index()
    kept.insert(0, "experience", experiment)
    about = {"part": part, "cote": config.train_side, "largeur": config.width, "images": config.images_seen}
    return kept.assign(**about, graines=" ".join(map(str, seeds)), materiel=results.hardware())


def reference(
    experiment: str, measures: Mapping[str, str], *, part: str = VALIDATION, path: Path = KEPT
) -> pd.DataFrame:
    """Returns what an experiment gave on the real paintings, as `table` shows it.

    Args:
        experiment: its name in `reference/experiences.csv`.
        measures: see `table`.
        part: what was read.
        path: the file.
    """
    rows = pd.read_csv(path, dtype={"variante": str})
    rows = rows[(rows["experience"] == experiment) & (rows["part"] == part)]
    return table(rows.set_index("variante").rename_axis(None), measures)


def keep(path, rows: pd.DataFrame) -> None:
    """Adds rows to a CSV file; those of the same experiment, variant and part replace older ones."""
    if path.is_file():
        before = pd.read_csv(path, dtype={"variante": str})
        rows = pd.concat([before, rows.assign(variante=rows["variante"].astype(str))])
    rows.drop_duplicates(["experience", "variante", "part"], keep="last").to_csv(path, index=False)
