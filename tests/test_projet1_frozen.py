"""The experiments with the frozen network: who learns from what, what is recorded, and what is said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from commun.datasets import Location
from projet1_artistes import dataset, experiments, figures_experiments, frozen, limits, pairs, training, transfer
from projet1_artistes import readings_experiments as readings
from projet1_artistes.dataset import Data
from projet1_artistes.experiments import FROZEN, HIGH, LOW, OUT_OF_FOLD, REDUCED, SCRATCH
from projet1_artistes.split import TEST, TRAINING, VALIDATION

CLASSES = 4
SIDES = (8, 16)


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Four artists of 40, 30, 12 and 8 works, recognisable by colours that overlap; pairs are near-duplicates.

    What is decoded is taken from the images, whose features are their mean colours and where they are seen from.
    """
    random, labels = np.random.default_rng(0), np.repeat(np.arange(CLASSES), [40, 30, 12, 8])
    count = len(labels)
    colours = random.integers(60, 200, (CLASSES, 3))[labels] + random.integers(-50, 50, (count, 3))
    images = np.clip(np.broadcast_to(colours[:, None, None], (count, 32, 32, 3)), 0, 255).astype(np.uint8)
    parts = np.array([TRAINING, TRAINING, VALIDATION, TEST, TRAINING])[np.arange(count) // 2 % 5]
    works = pd.DataFrame({"path": [tmp_path / f"{i}.jpg" for i in range(count)], "artist": labels})
    works = works.assign(low=works["path"], group=np.arange(count) // 2, part=parts)
    artists = pd.DataFrame({"name": ["Ana", "Bé", "Cid", "Dé"]})
    monkeypatch.setattr(experiments, "N_RICHEST", 2)
    return Data(works, artists, pd.DataFrame(), Location(tmp_path, False, "faux"), images)


@pytest.fixture(autouse=True)
def features(monkeypatch, data):
    """Replaces decoding and the network; works and copies come from `sources`, which tests may poison."""
    sources = {"images": data.images}

    def squares(paths, side):
        rows = [int(path.stem) for path in paths]
        return sources["images"][rows].reshape(len(rows), 32, 32, 3), {}

    monkeypatch.setattr(dataset, "pictures", lambda paintings, side: paintings.images)
    monkeypatch.setattr(dataset, "squares", squares)
    monkeypatch.setattr(transfer, "features", lambda images, side: images.mean(axis=(1, 2), dtype=np.float32))
    return sources


def poisoned(data, rows, features):
    """The same works, those of these rows being noise and painted by the next artist."""
    images, ids = data.images.copy(), data.labels.copy()
    images[rows] = np.random.default_rng(9).integers(0, 256, images[rows].shape)
    ids[rows] = (ids[rows] + 1) % CLASSES
    features["images"] = images
    return dataclasses.replace(data, images=images, works=data.works.assign(artist=ids))


def everything(data):
    """Returns the answers of all the experiments."""
    rows = frozen.drawn_works(data, 1000)
    seen = frozen.features(data, rows, 16)
    by_side = frozen.compare_qualities(data, rows, SIDES)
    thresholds = frozen.vary_threshold(data, rows, seen, (0, 10, 30), count=2, seeds=(0, 1))
    return [*by_side.values(), thresholds, frozen.vary_works(data, rows, seen, (2, 10), seeds=(0, 1, 2))]


# --- Who learns from what --------------------------------------------------------------------------------------------


def test_the_test_part_changes_nothing(data, features):
    clean, other = everything(data), everything(poisoned(data, data.rows(TEST), features))
    for one, two in zip(clean, other, strict=True):
        pd.testing.assert_frame_equal(one, two)
        assert not set(one["row"]) & set(data.rows(TEST))


def test_heads_learn_nothing_from_the_works_that_they_judge(data, features, monkeypatch):
    """Poisoned, their features change, and their labels: the heads do not."""
    fitted, fit = [], LogisticRegression.fit

    def spy(head, *arguments, **options):
        fit(head, *arguments, **options)
        fitted.append(head.coef_)
        return head

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    rows = data.all_but_test

    def heads(paintings):
        fitted.clear()
        frozen.compare_qualities(paintings, rows, SIDES)
        frozen.vary_works(paintings, rows, frozen.features(paintings, rows, 16), (2, 10), seeds=(0,))
        return list(fitted)

    clean, other = heads(data), heads(poisoned(data, data.rows(VALIDATION), features))
    assert len(clean) == len(SIDES) * 3 + 2
    for one, two in zip(clean, other, strict=True):
        np.testing.assert_array_equal(one, two)


def test_folds_judge_each_work_once_a_partition_and_keep_groups_whole(data, monkeypatch):
    calls, head = [], transfer.linear_head

    def spy(features, labels, rows, others, **options):
        calls.append((rows, others, options["threshold"]))
        return head(features, labels, rows, others, **options)

    monkeypatch.setattr(transfer, "linear_head", spy)
    rows = data.all_but_test
    answers = frozen.vary_threshold(data, rows, frozen.features(data, rows, 16), (0, 30), count=3, seeds=(0, 1))
    for _, part in answers.groupby(["variant", "seed"]):
        np.testing.assert_array_equal(part["row"], rows)
    assert [threshold for *_, threshold in calls] == [0, 30] * 6
    groups = data.groups[rows]
    for learnt, judged, _ in calls:
        assert not set(groups[learnt]) & set(groups[judged])


def test_works_are_taken_from_those_who_have_most(data, monkeypatch):
    calls, head = [], transfer.linear_head

    def spy(features, labels, rows, others, **options):
        calls.append((labels[rows], rows))
        return head(features, labels, rows, others, **options)

    monkeypatch.setattr(transfer, "linear_head", spy)
    rows = data.all_but_test
    answers = frozen.vary_works(data, rows, frozen.features(data, rows, 16), (2, 5), seeds=(0, 1))
    before = np.bincount(data.labels[data.rows(TRAINING)])
    for (labels, learnt), count in zip(calls, (2, 2, 5, 5), strict=True):
        assert np.bincount(labels).tolist() == [count, count, *before[2:]]
        assert (data.works["part"].to_numpy()[rows[learnt]] == TRAINING).all()
    assert set(calls[0][1]) != set(calls[1][1])  # another draw
    assert set(answers["row"]) == set(data.rows(VALIDATION))
    price = frozen.price_of_works(answers, experiments.richest(data), draws=20)
    assert list(price.index) == [5]
    both = experiments.summaries_of_works(answers, experiments.richest(data))
    assert both["works_per_artist"]["n"].iloc[0] == np.isin(data.labels[data.rows(VALIDATION)], [0, 1]).sum()
    total = sum(table["n"].iloc[0] for table in both.values())
    assert total == len(data.rows(VALIDATION))
    assert list(experiments.summaries_of_works(answers, np.arange(CLASSES))) == ["works_per_artist"]


def test_works_are_drawn_without_the_test_part_and_always_alike(data):
    rows = frozen.drawn_works(data, 20)
    np.testing.assert_array_equal(rows, frozen.drawn_works(data, 20))
    assert len(set(rows)) == 20 and not set(rows) & set(data.rows(TEST))
    assert {TRAINING, VALIDATION} == set(data.works["part"].to_numpy()[rows])
    np.testing.assert_array_equal(frozen.drawn_works(data, 1000), data.all_but_test)


# --- Qualities -------------------------------------------------------------------------------------------------------


def test_qualities_are_compared_on_the_same_works_and_those_without_a_copy_are_left_out(data, monkeypatch):
    data.works.loc[data.labels == 3, "low"] = None
    broken = int(np.flatnonzero(data.labels == 2)[0])
    squares = dataset.squares

    def failing(paths, side):
        kept = [path for path in paths if not (side == frozen.SMALL_COPY and path.stem == f"{broken}")]
        return squares(kept, side)[0], {path: "abîmée" for path in paths if path not in kept}

    monkeypatch.setattr(dataset, "squares", failing)
    images, rows = frozen.native_qualities(data, np.arange(len(data.works)))
    assert list(images) == [HIGH, LOW, REDUCED]
    assert {len(pictures) for pictures in images.values()} == {len(rows)}
    expected = [row for row in range(len(data.works)) if data.labels[row] != 3 and row != broken]
    np.testing.assert_array_equal(rows, expected)
    found = frozen.compare_qualities(data, data.all_but_test, SIDES)
    assert list(found) == list(SIDES)
    for answers in found.values():
        judged = [row for row in expected if data.works["part"].iloc[row] == VALIDATION]
        for _, part in answers.groupby("variant"):
            assert part["row"].tolist() == judged


@pytest.mark.parametrize("part", [TRAINING, VALIDATION])
def test_without_copies_in_one_part_there_is_nothing_to_compare(data, part):
    data.works.loc[data.works["part"] == part, "low"] = None
    assert frozen.compare_qualities(data, data.all_but_test, SIDES) == {}


# --- The weights of a head -------------------------------------------------------------------------------------------


def test_a_threshold_weighs_the_works_of_small_artists_and_none_balances(data):
    features, labels = data.images.mean(axis=(1, 2), dtype=np.float32), data.labels
    rows, others = data.rows(TRAINING), data.rows(VALIDATION)

    def said(**options):
        return transfer.linear_head(features, labels, rows, others, classes=CLASSES, **options)

    def expected(**options):
        scaled = StandardScaler().fit(features[rows]).transform(features)
        head = LogisticRegression(C=transfer.C, max_iter=1000, **options).fit(scaled[rows], labels[rows])
        return head.predict_proba(scaled[others])

    np.testing.assert_allclose(said(threshold=0), expected(), atol=1e-3)
    np.testing.assert_allclose(said(), expected(class_weight="balanced"), atol=1e-3)
    np.testing.assert_allclose(said(threshold=1000), said(), atol=1e-3)
    counts = np.bincount(labels[rows])
    weights = np.maximum(1, 15 / counts)
    scaled = dict(enumerate(weights / weights[labels[rows]].mean()))
    np.testing.assert_allclose(said(threshold=15), expected(class_weight=scaled), atol=1e-3)
    small = np.argmin(counts)
    assert said(threshold=0)[:, small].mean() < said(threshold=15)[:, small].mean() < said()[:, small].mean()


# --- How many works are needed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recalls", "expected"),
    [
        ([0.1, 0.2, 0.4], (limits.MORE, 40)),
        ([0.6, 0.7, 0.9], (limits.FEWER, 10)),
        ([0.5, 0.7, 0.9], (limits.FEWER, 10)),
        ([0.4, 0.6, 0.9], (limits.ABOUT, 10 * 2**0.5)),
        ([0.6, 0.3, 0.5], (limits.ABOUT, 40)),  # reached by chance before
    ],
)
def test_works_are_counted_only_between_numbers_that_were_measured(recalls, expected):
    sign, value = limits.needed(np.array([10, 20, 40]), np.array(recalls))
    assert sign == expected[0] and value == pytest.approx(expected[1])


def curve(*recalls):
    values = {"balanced_accuracy": recalls, "balanced_accuracy_low": recalls, "balanced_accuracy_high": recalls}
    return pd.DataFrame(values, index=[10, 20, 40])


def gain(value, index, half=0.01):
    return pd.DataFrame({"gain": value, "low": np.array(value) - half, "high": np.array(value) + half}, index=index)


def test_what_each_network_needs_is_said_with_its_price():
    curves = {SCRATCH: curve(0.1, 0.2, 0.4), FROZEN: curve(0.4, 0.6, 0.9)}
    text = plain(readings.comment_needed(curves, {FROZEN: gain([-0.02, -0.05], [20, 40])}))
    assert "**plus de 40 œuvres** au réseau entraîné depuis zéro" in text
    assert "**environ 14 œuvres** (entre 10 et 20, les nombres mesurés) au réseau pré-entraîné figé" in text
    assert "de 10 à 20 œuvres" in text and "−2,0 points" in text and "une perte nette" in text and "−5,0" not in text
    text = plain(readings.comment_needed({FROZEN: curve(0.6, 0.7, 0.8)}, {FROZEN: gain([0.1, 0.1], [20, 40])}))
    assert "**10 œuvres ou moins**" in text and "points" not in text
    assert "redescende" not in text
    for recalls, known in (((0.1, 0.6, 0.4), "plus de 40"), ((0.6, 0.4, 0.7), "environ 2")):
        text = plain(readings.comment_needed({SCRATCH: curve(*recalls)}, {}))
        first = {0.1: 20, 0.6: 10}[recalls[0]]
        assert known in text and f"bien que {first} y suffisent une fois (60,0 %) avant que le rappel" in text
    text = plain(readings.comment_needed({SCRATCH: curve(0.1, 0.2, 0.3)}, {SCRATCH: gain([0.0, 0.03], [20, 40])}))
    assert "de 10 à 40 œuvres" in text and "un gain net" in text


def test_the_curves_of_both_networks_are_drawn_and_told():
    drawing = figures_experiments.plot_works({SCRATCH: curve(0.1, 0.2, 0.4), FROZEN: curve(0.4, 0.6, 0.9)})
    axes = drawing.figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(readings.NETWORKS.values())
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["10", "20", "40"]
    alt = plain(drawing.alt)
    assert "réseau entraîné depuis zéro : 10,0 % pour 10, 20,0 % pour 20, 40,0 % pour 40" in alt
    assert "réseau pré-entraîné figé : 40,0 % pour 10" in alt and alt.endswith("Ligne horizontale : 50 %.")


# --- What is said of qualities and thresholds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "said", "unsaid"),
    [
        ([0.0, -0.1], "ne vaut nettement mieux qu'à 64 pixels", "l'emporte"),
        ([-0.1, -0.1], "vaut nettement mieux à tous les côtés essayés", "l'emporte"),
        ([0.0, 0.0], "À aucun de ces côtés", "l'emporte"),
        ([0.1, 0.0], "La basse qualité l'emporte même à 32 pixels", "mieux qu'à"),
    ],
)
def test_high_quality_is_worth_its_price_only_where_it_is(low, said, unsaid):
    gains = {side: gain([value, -0.2], [LOW, REDUCED]) for side, value in zip((32, 64), low, strict=True)}
    text = plain(readings.comment_qualities(gains))
    assert said in text and unsaid not in text
    assert text.endswith("à 64 pixels, de −20,0 points [−21,0 ; −19,0], une perte nette.")
    assert readings.comment_qualities({}) == "Rien à comparer, faute de copies en basse qualité."


def table_of(values, index):
    columns = {f"{measure}{end}": values for measure in experiments.MEASURES for end in ("", "_low", "_high")}
    return pd.DataFrame({"n": 9, **columns}, index=index)


def test_qualities_are_drawn_and_shown_by_side():
    tables = {side: table_of([0.5, 0.4, 0.25], [HIGH, LOW, REDUCED]) for side in (32, 64)}
    gains = {side: gain([-0.1, -0.25], [LOW, REDUCED]) for side in tables}
    shown = readings.qualities_table(tables, gains)
    assert len(shown) == 6 and list(shown["écart avec la haute qualité"][::3]) == ["–", "–"]
    assert plain(shown.iloc[1, 3]).startswith("−10,0 points")
    drawing = figures_experiments.plot_qualities(tables)
    assert "basse qualité : 40,0 % à 32 px, 40,0 % à 64 px" in plain(drawing.alt)
    assert len(drawing.figure.axes[0].get_legend().get_texts()) == 3


def test_the_threshold_of_the_head_is_recommended_by_the_rule_with_its_price():
    table = table_of([0.4, 0.5, 0.52], [0, 25, 50])
    prices = gain([-0.1, 0.0], [25, 50])
    close = gain([-0.1, -0.005], [0, 25])
    text = plain(readings.comment_head_thresholds(table, 50, close, 0, prices))
    assert "**moins de 25 images** ; le prix, face" in text and "−0,5 point [" in text and "une perte nette" in text
    assert "plus grand seuil" not in text
    apart = gain([-0.1, -0.05], [0, 25])
    text = plain(readings.comment_head_thresholds(table, 50, apart, 0, prices))
    assert "les plus petits lui sont tous nettement inférieurs" in text and "**moins de 50 images**" in text
    assert "sans prix net" in text and "hasard" in text and "perte" not in text
    assert text.endswith("C'est le plus grand seuil essayé : plus haut, rien n'est mesuré.")
    same = gain([0.0, -0.05], [0, 25])
    text = plain(readings.comment_head_thresholds(table, 50, same, 0, prices))
    assert "**aucun** artiste" in text and "moins de" not in text
    text = plain(readings.comment_head_thresholds(table, 0, gain([-0.1, -0.2], [25, 50]), 0, prices))
    assert "au seuil 0 (52,0 %), le plus petit. Ces mesures ne conseillent donc" in text
    drawing = figures_experiments.plot_thresholds(table)
    assert "macro-F1 : 40,0 % au seuil 0, 50,0 % au seuil 25" in plain(drawing.alt)
    assert [text.get_text() for text in drawing.figure.axes[0].get_xticklabels()] == ["0", "25", "50"]


# --- What is recorded ------------------------------------------------------------------------------------------------


def test_what_is_recorded_is_read_again(data, tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RECORD", tmp_path / "experiences.csv")
    monkeypatch.setattr(pairs, "PAIRS", tmp_path / "ecarts.csv")
    *by_side, thresholds, works = everything(data)
    qualities, few = dict(zip(SIDES, by_side, strict=True)), experiments.richest(data)
    for _ in range(2):  # the second time replaces the first
        for side, answers in qualities.items():
            pairs.record_qualities(f"quality_{side}", answers, None, (), VALIDATION, side=side, draws=20)
        pairs.record_threshold(thresholds, None, (0, 1), OUT_OF_FOLD, side=16, draws=20)
        pairs.record_works(works, few, None, (0, 1, 2), side=16, draws=20)
    rows = pd.read_csv(tmp_path / "experiences.csv")
    assert len(rows) == 3 * len(SIDES) + 3 + 2 * 2 and (rows["network"] == FROZEN).all()
    assert set(rows.loc[rows["experiment"] == "quality_8", "side"]) == {8}
    assert len(pd.read_csv(tmp_path / "ecarts.csv")) == 2 * len(SIDES) + 2 + 2 + 1

    tables, gains = readings.recorded_qualities()
    assert list(tables) == list(gains) == list(SIDES)
    expected = experiments.summary(qualities[8])
    assert tables[8].loc[LOW, "accuracy"] == pytest.approx(expected.loc[LOW, "accuracy"], abs=1e-4)
    measured = experiments.gains(qualities[8], HIGH, measure="accuracy", draws=20).round(4)
    pd.testing.assert_frame_equal(gains[8], measured)

    table, best, differences, base, prices = readings.recorded_thresholds()
    assert (best, base) == (experiments.best_threshold(thresholds), 0)
    assert sorted([best, *differences.index]) == [0, 10, 30] == list(table.index) and list(prices.index) == [10, 30]
    assert experiments.smallest_not_below(best, differences) == experiments.recommended_threshold(thresholds, draws=20)
    curves, price = readings.recorded_works()
    assert list(curves) == [FROZEN] and list(curves[FROZEN].index) == [2, 10] and list(price[FROZEN].index) == [10]

    swapped = thresholds.assign(variant=thresholds["variant"].map({0: 30, 30: 0, 10: 10}))  # another one is the best
    pairs.record_threshold(swapped, None, (0, 1), OUT_OF_FOLD, side=16, draws=20)
    assert len(pd.read_csv(tmp_path / "ecarts.csv")) == 2 * len(SIDES) + 2 + 2 + 1
    assert pairs.recorded_gains("absent", OUT_OF_FOLD, "accuracy")[0] is None

    frozen_rows = pairs.recorded_gains(pairs.THRESHOLDS, OUT_OF_FOLD, "macro_f1")[1]
    scratch = training.profile("essai").short  # the other network, and what it paid, stand beside it
    pairs.record_threshold(thresholds, scratch, (0, 1), OUT_OF_FOLD, draws=20)
    pairs.record_works(works, few, scratch, (0, 1, 2), draws=20)
    pd.testing.assert_frame_equal(pairs.recorded_gains(pairs.THRESHOLDS, OUT_OF_FOLD, "macro_f1")[1], frozen_rows)
    pd.testing.assert_frame_equal(
        pairs.recorded_gains(pairs.THRESHOLDS, OUT_OF_FOLD, "macro_f1", SCRATCH)[1].sort_index(),
        differences.sort_index(),
    )
    curves, price = readings.recorded_works()
    assert list(curves) == list(price) == [SCRATCH, FROZEN]


def test_the_committed_record_holds_what_notebook_03_shows():
    tables, gains = readings.recorded_qualities()
    assert list(tables) == [64, 128, 224]
    assert all(list(table.index) == [HIGH, LOW, REDUCED] for table in tables.values())
    assert all(list(table.index) == [LOW, REDUCED] for table in gains.values())
    table, best, differences, base, prices = readings.recorded_thresholds()
    assert list(table.index) == [0, 25, 50, 100, 200]
    assert best in table.index and base == 0 and len(differences) == len(prices) == 4
    curves, price = readings.recorded_works()
    assert list(curves) == [SCRATCH, FROZEN] and list(curves[FROZEN].index) == [5, 10, 20, 40, 80, 160]
    assert list(price[FROZEN].index) == [10, 20, 40, 80, 160]
    for text in (
        readings.comment_qualities(gains),
        readings.comment_head_thresholds(table, best, differences, base, prices),
        readings.comment_needed(curves, price),
    ):
        assert text.endswith(".") and "indéfini" not in text
