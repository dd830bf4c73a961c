"""The experiments: who learns from what, and the figures that are drawn from answers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score

from commun import figures
from commun.datasets import Location
from projet1_artistes import baselines, dataset, experiments, limits, tables
from projet1_artistes.dataset import Data
from projet1_artistes.split import TEST, TRAINING, VALIDATION
from projet1_artistes.training import Config

CONFIG = Config(oversampling_threshold=40)


@pytest.fixture
def data(tmp_path):
    """Four artists of 40, 20, 8 and 6 works, in three parts; the last two works are near-duplicates."""
    labels = np.repeat([0, 1, 2, 3], [40, 20, 8, 6])
    groups = np.arange(len(labels))
    groups[-1] = groups[-2]
    order = np.random.default_rng(0).permutation(len(labels))
    parts = np.array([TRAINING] * 40 + [VALIDATION] * 17 + [TEST] * 17)[np.argsort(order)]
    works = pd.DataFrame({"path": [tmp_path / f"{i}.jpg" for i in range(len(labels))], "low": None, "artist": labels})
    works = works.assign(group=groups, part=parts)
    artists = pd.DataFrame({"name": ["Ana", "Bé", "Cid", "Dé"]})
    images = np.zeros((len(works), 128, 128, 3), np.uint8)
    return Data(works, artists, pd.DataFrame(), Location(tmp_path, False, "faux"), images)


@pytest.fixture
def trained(monkeypatch, data):
    """Replaces the training by a record of what it was given; the network always names the first artist."""
    calls = []

    def train(config, images, labels, rows, validation=None, *, classes, title="", model=None):
        calls.append((config, np.asarray(images), labels, rows))
        return type("Run", (), {"model": model})()

    def scores(network, images, side):
        return np.tile([[1.0, 0, 0, 0]], (len(images), 1))

    def squares(paths, side):
        return np.zeros((len(paths), side, side, 3), np.uint8), {}

    monkeypatch.setattr(experiments.training, "build", lambda config, classes: None)
    monkeypatch.setattr(experiments.training, "train", train)
    monkeypatch.setattr(experiments.networks, "scores", scores)
    monkeypatch.setattr(dataset, "squares", squares)
    return calls


def test_treatments_judge_each_work_once_a_seed_and_keep_groups_whole(trained, data):
    """That the networks learn from nothing else: see test_projet1_honesty."""
    answers = experiments.compare_treatments(data, CONFIG, count=3, seeds=(0, 1))
    learnt = set(np.concatenate([data.rows(TRAINING), data.rows(VALIDATION)]))
    for (_, seed), part in answers.groupby(["variant", "seed"]):
        assert sorted(part["row"]) == sorted(learnt), seed
    assert len(trained) == len(experiments.TREATMENTS) * 3 * 2
    for _, _, _, rows in trained:
        asked = learnt - set(rows)
        assert not set(data.groups[list(asked)]) & set(data.groups[rows])
        assert not set(rows) & set(data.rows(TEST))
    thresholds = {(config.oversampling_threshold, config.class_weighted) for config, *_ in trained}
    assert thresholds == {(0, False), (40, False), (0, True), (40, True)}


def test_the_confirmation_reads_the_test_part_alone(trained, data):
    answers = experiments.test_treatments(data, CONFIG, ("none", "oversampling"), seeds=(0,))
    assert set(answers["row"]) == set(data.rows(TEST))
    for _, _, _, rows in trained:
        assert not set(rows) & set(data.rows(TEST))


def test_works_are_taken_from_those_who_have_most(trained, data, monkeypatch):
    monkeypatch.setattr(experiments, "N_RICHEST", 2)
    answers = experiments.vary_works(data, CONFIG, (3, 10))
    assert set(answers["row"]) == set(data.rows(VALIDATION))
    assert list(experiments.richest(data)) == [0, 1]
    assert set(experiments.of_artists(answers, [0, 1])["label"]) == {0, 1}
    before = np.bincount(data.labels[data.rows(TRAINING)], minlength=4)
    for number, (config, _, labels, rows) in zip((3, 10), trained, strict=True):
        after = np.bincount(labels[rows], minlength=4)
        assert list(after[:2]) == [min(number, count) for count in before[:2]]
        assert list(after[2:]) == list(before[2:])
        assert config.oversampling_threshold == 0


def test_thresholds_are_judged_on_validation(trained, data):
    answers = experiments.vary_threshold(data, CONFIG, (0, 50))
    assert [config.oversampling_threshold for config, *_ in trained] == [0, 50]
    assert set(answers["row"]) == set(data.rows(VALIDATION))


def test_each_experiment_is_done_with_each_seed(trained, data, monkeypatch):
    monkeypatch.setattr(experiments, "N_RICHEST", 2)
    monkeypatch.setattr(experiments, "SIDES", (32,))
    tables = [
        experiments.vary_threshold(data, CONFIG, (0, 50), seeds=(3, 4)),
        experiments.vary_works(data, CONFIG, (3,), seeds=(3, 4)),
        experiments.vary_side(data, CONFIG, seeds=(3, 4)),
    ]
    assert [config.seed for config, *_ in trained] == [3, 4] * 4
    for answers in tables:
        assert set(zip(answers["variant"], answers["seed"], strict=True)) == {
            (variant, seed) for variant in answers["variant"] for seed in (3, 4)
        }
    first, second = (rows for *_, rows in trained[4:6])
    assert len(first) == len(second) and set(first) != set(second)  # other works are left


def test_workers_share_an_experiment_if_nothing_on_which_it_depends_differs(trained, data, monkeypatch):
    names = []

    def evaluate(project, name, points, work):
        names.append(name)
        return [work(point) for point in points]

    def other_train(config, images, labels, rows, validation=None, *, classes, title="", model=None):
        return type("Run", (), {"model": model})()

    monkeypatch.setattr(experiments.grid, "evaluate", evaluate)
    painted = dataclasses.replace(data, images=data.images + 1)
    renamed = dataclasses.replace(data, works=data.works.assign(artist=data.works["artist"].to_numpy()[::-1]))
    for asked in (data, data, painted, renamed):
        experiments.vary_threshold(asked, CONFIG, (0, 50))
    experiments.vary_threshold(data, CONFIG, (0, 60))
    experiments.vary_threshold(data, CONFIG, (0, 50), seeds=(1,))
    experiments.vary_threshold(data, dataclasses.replace(CONFIG, images_seen=7), (0, 50))
    monkeypatch.setattr(experiments.training, "train", other_train)
    experiments.vary_threshold(data, CONFIG, (0, 50))
    assert names[0] == names[1] and len(set(names)) == len(names) - 1


def test_qualities_are_compared_on_the_same_works(trained, data, monkeypatch):
    def low(data, rows):
        present = data.labels[rows] != 3
        return np.full((present.sum(), 128, 128, 3), 7, np.uint8), present

    monkeypatch.setattr(dataset, "low_images", low)
    answers = experiments.compare_qualities(data, CONFIG, seeds=(0,), part=TEST)
    read = [tuple(part["row"]) for _, part in answers.groupby("variant", sort=False)]
    assert read[0] == read[1] == read[2] == tuple(r for r in data.rows(TEST) if data.labels[r] != 3)
    for _, images, labels, rows in trained:
        assert len(images) == len(labels)
        assert 3 not in labels
        assert len(rows) == (data.labels[data.rows(TRAINING)] != 3).sum()
    assert [images.max() for _, images, *_ in trained] == [0, 7, 0]


def test_without_low_quality_there_is_nothing_to_compare(trained, data, monkeypatch):
    nothing = lambda data, rows: (np.zeros((0, 128, 128, 3), np.uint8), np.zeros(len(rows), bool))  # noqa: E731
    monkeypatch.setattr(dataset, "low_images", nothing)
    answers = experiments.compare_qualities(data, CONFIG, seeds=(0,), part=VALIDATION)
    assert answers.empty and not trained
    assert experiments.summary(answers).empty
    assert "faute de copies" in tables.comment_qualities(experiments.summary(answers), None)


def test_both_qualities_are_told():
    table = pd.DataFrame({"accuracy": [0.5, 0.25, 0.4]}, index=["high", "low", "reduced"])
    gains = pd.DataFrame({"gain": [-0.25], "low": [-0.3], "high": [-0.2]}, index=["low"])
    said = tables.comment_qualities(table, gains).replace("\xa0", " ")
    assert said.startswith("50,0 % contre 25,0 % d'exactitude") and said.endswith("[−30,0 ; −20,0], une perte nette")
    assert "le hasard du tirage" in tables.comment_qualities(table, gains.assign(high=0.1))


@pytest.mark.parametrize(("limit", "small"), [(6, [3]), (5, []), (21, [1, 2, 3])])
def test_small_artists_are_counted_without_near_duplicates(data, monkeypatch, limit, small):
    monkeypatch.setattr(experiments, "SMALL", limit)
    np.testing.assert_array_equal(experiments.small_artists(data), small)


# --- Figures ---------------------------------------------------------------------------------------------------------


def drawn(seed=0, count=200, classes=5, right=0.6):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    found = []
    for variant, share in (("a", right), ("b", right - 0.3)):
        said = np.where(random.random(count) < share, labels, random.integers(0, classes, count))
        found.append(
            pd.DataFrame({
                "variant": variant,
                "seed": 0,
                "row": np.arange(count),
                "label": labels,
                "predicted": said,
                "group": np.arange(count) // 2,
            })
        )
    return pd.concat(found, ignore_index=True)


@pytest.mark.parametrize("classes", [None, [1, 3]])
def test_measures_are_those_of_scikit_learn(classes):
    answers = drawn()
    read = experiments.summary(answers, classes=classes)
    for variant, part in answers.groupby("variant"):
        labels = np.unique(part["label"]) if classes is None else classes
        options = {"labels": labels, "average": "macro"}
        recall, f1 = (score(part["label"], part["predicted"], **options) for score in (recall_score, f1_score))
        assert read.loc[variant, ["balanced_accuracy", "macro_f1"]].tolist() == pytest.approx([recall, f1])
        among = part[part["label"].isin(labels)]
        assert read.loc[variant, "accuracy"] == pytest.approx((among["label"] == among["predicted"]).mean())
        assert read.loc[variant, "n"] == len(among)
        for measure in experiments.MEASURES:
            assert (
                read.loc[variant, f"{measure}_low"]
                <= read.loc[variant, measure]
                <= read.loc[variant, f"{measure}_high"]
            )


def test_a_gain_is_paired_and_has_its_sign():
    answers = drawn()
    gain = experiments.gains(answers, "b", measure="accuracy", draws=500).loc["a"]
    right = (answers["label"] == answers["predicted"]).groupby(answers["variant"]).mean()
    assert gain["gain"] == pytest.approx(right["a"] - right["b"])
    assert 0 < gain["low"] < gain["gain"] < gain["high"]
    same = pd.concat([part.assign(variant=name) for name in "xy" for part in [answers[answers["variant"] == "a"]]])
    nothing = experiments.gains(same, "x", measure="macro_f1", draws=50).loc["y"]
    assert (nothing == 0).all()


def test_the_entry_of_a_gain_has_the_promised_form():
    answers = pd.concat([drawn(0), drawn(0).assign(seed=1)], ignore_index=True)
    entry = experiments.gain_metric(answers, "a", "b", measure="balanced_accuracy", classes=[1, 3], draws=50)
    assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]
    assert len(entry["per_seed"]) == 2
    assert np.mean(entry["per_seed"]) == pytest.approx(entry["value"])
    once = answers[(answers["seed"] == 0) & (answers["variant"] == "a")]
    assert entry["n"] == once["label"].isin([1, 3]).sum()


def thresholds(right, count=400):
    """Answers of networks for the same works of four artists: threshold -> the works that are recognised."""
    labels, rows = np.arange(count) % 4, np.arange(count)
    about = {"seed": 0, "row": rows, "label": labels, "group": rows}
    said = {name: np.where(np.isin(rows, which), labels, (labels + 1) % 4) for name, which in right.items()}
    return pd.concat([pd.DataFrame({"variant": name, "predicted": p, **about}) for name, p in said.items()])


def test_the_smallest_threshold_that_is_not_shown_to_be_worse_is_recommended():
    """Shown by the paired difference: intervals that overlap widely prove nothing when the works are the same."""
    close = np.r_[10:248]  # ten works lost, eight others won
    answers = thresholds({0: np.arange(200), 50: close, 100: np.arange(240)})
    assert experiments.best_threshold(answers) == 100
    assert experiments.recommended_threshold(answers, draws=400) == 50
    answers = thresholds({0: np.arange(200), 50: np.arange(232), 100: np.arange(240)})  # eight lost, none won
    read = experiments.summary(answers)
    assert read.loc[50, "macro_f1_high"] > read.loc[100, "macro_f1"]  # alone, its interval holds the best one
    assert experiments.recommended_threshold(answers, draws=400) == 100
    assert experiments.recommended_threshold(thresholds({0: close, 50: np.arange(90)}), draws=100) == 0
    assert experiments.recommended_threshold(thresholds({100: close}), draws=100) == 100
    for threshold in (0, 50):  # the rule as it is written: the interval of the paired difference excludes 0
        row = experiments.gains(answers, 100, measure="macro_f1", draws=400).loc[threshold]
        assert row["high"] < 0


def test_comments_say_what_is_proved_and_what_is_not():
    read = pd.DataFrame(
        {"gain": [0.1, 0.01, -0.2], "low": [0.05, -0.02, -0.3], "high": [0.15, 0.04, -0.1]}, index=["x", "y", "z"]
    )
    text = tables.comment_gains(read, base="none")
    assert "à « rien »" in text
    assert "« x » : +10,0" in text
    assert text.count("un gain net") == 1
    assert text.count("une perte nette") == 1
    assert text.count("hasard") == 1
    assert list(tables.gain_table(read)["écart"])[0].endswith("points [5,0 ; 15,0]")


def test_the_best_treatment_is_not_none():
    read = pd.DataFrame({"balanced_accuracy": [0.9, 0.2, 0.3]}, index=["none", "x", "y"])
    assert experiments.best_treatment(read) == "y"


ARTISTS = pd.DataFrame({
    "learnt": [10, 20, 40, 80, 5],
    "tested": [5, 5, 5, 5, 0],
    "recall": [0.1, 0.2, 0.5, 0.9, np.nan],
})
VARIED = pd.DataFrame({"balanced_accuracy": [0.2, 0.4, 0.6]}, index=[10, 40, 160])


def test_advice_is_the_least_number_that_reaches_the_floor():
    advice = limits.advise(ARTISTS, VARIED)
    assert advice == {
        "between_artists": 40, "between_artists_fails": 20, "between_artists_least": 10,
        "by_removal": 40, "by_removal_fails": 10, "by_removal_least": 10, "few": 2,
    }  # fmt: skip
    text = tables.comment_advice(advice)
    assert "**40 œuvres** d'apprentissage" in text and "40 suffisent et 10 ne suffisent pas" in text
    assert "artiste de **10 œuvres** ou moins, et de garder celui qui en a **40** ou plus" in text
    nowhere = limits.advise(ARTISTS.assign(recall=0.1), VARIED * 0)
    assert np.isnan(nowhere["between_artists"]) and np.isnan(nowhere["by_removal"])
    text = tables.comment_advice(nowhere)
    assert "nulle part" in text and "pas même 160" in text and "aucun nombre" in text


def test_the_smallest_artist_of_the_set_advises_nothing():
    """Where all artists are recognised, the number of works of the smallest is no limit: none was seen to fail."""
    advice = limits.advise(ARTISTS.assign(recall=0.9), VARIED + 0.5)
    assert np.isnan(advice["between_artists"]) and np.isnan(advice["by_removal"]) and advice["few"] == 0
    text = tables.comment_advice(advice)
    assert "Nous conseillons" not in text and "aucun nombre" in text
    assert "moins fourni, qui a 10 œuvres : nous ne savons rien de moins" in text
    removed = limits.advise(ARTISTS.assign(recall=0.9), VARIED)  # an experiment has seen 10 fail
    assert "artiste de **10 œuvres** ou moins, et de garder celui qui en a **40**" in tables.comment_advice(removed)
    between = limits.advise(ARTISTS, VARIED + 0.5)
    assert "artiste de **20 œuvres** ou moins, et de garder celui qui en a **40**" in tables.comment_advice(between)


def test_one_number_that_reaches_the_floor_by_chance_below_one_that_does_not_is_no_advice():
    varied = pd.DataFrame({"balanced_accuracy": [0.4, 0.2, 0.6]}, index=[10, 40, 160])
    assert limits.advise(ARTISTS, varied)["by_removal"] == 160


def test_the_price_is_in_the_sentence_of_the_gain():
    """The small artist (3) is helped by x, and the others pay for it."""
    labels = np.repeat([0, 1, 3], 40)
    about = {"seed": 0, "row": np.arange(120), "label": labels, "group": np.arange(120)}
    helped = np.where((labels == 3) | (np.arange(120) % 2 == 0), labels, 3)
    said = {"none": np.where(labels == 3, 0, labels), "x": helped}
    answers = pd.concat([pd.DataFrame({"variant": name, "predicted": p, **about}) for name, p in said.items()])
    price = experiments.price(answers, "none", np.array([3]), draws=200)
    assert price.loc["x", "gain"] == pytest.approx(-0.5) and price.loc["x", "high"] < -0.3
    gains = experiments.gains(answers, "none", measure="balanced_accuracy", classes=[3], draws=200)
    text = tables.comment_gains(gains, base="none", price=price)
    assert text.count(";") == 2  # of the two intervals: one sentence
    assert "« x » : +100,0" in text and "un gain net, et −50,0" in text
    assert text.endswith("d'exactitude pour les autres artistes, une perte nette.")
    alone = experiments.price(answers[answers["label"] == 3], "none", np.array([3]), draws=20)
    assert alone.empty and "autres artistes" not in tables.comment_gains(gains, base="none", price=alone)


def test_summaries_are_shown_in_french():
    read = experiments.summary(drawn()).rename(index={"a": experiments.NOTHING})
    table = tables.summary_table(read)
    assert list(table) == ["œuvres", *tables.MEASURES.values()] and list(table.index) == ["rien", "b"]
    assert table["exactitude"].iloc[0].startswith(figures.percent(read["accuracy"].iloc[0]))
    assert set(experiments.TREATMENTS) <= set(tables.VARIANTS)
    assert set(tables.MEASURES) == set(experiments.MEASURES)


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "RECORD", tmp_path / "experiences.csv")
    return tmp_path / "experiences.csv"


def test_what_is_recorded_is_added_to_what_was_and_replaces_it(record):
    config, read = dataclasses.replace(CONFIG, images_seen=100), experiments.summary(drawn())
    experiments.record("un", read, config, (0,), TEST)
    experiments.record("deux", read, config, (0, 1), TEST)
    experiments.record("un", read.assign(accuracy=0.5), config, (0,), TEST)
    table = pd.read_csv(record)
    assert len(table) == 4
    assert (table.loc[table["experiment"] == "un", "accuracy"] == 0.5).all()
    assert (table.loc[table["experiment"] == "deux", "seeds"].astype(str) == "0 1").all()


def test_both_networks_are_recorded_side_by_side(record):
    read = experiments.summary(drawn()).rename(index={"a": 160, "b": 20})
    experiments.record("works", read, CONFIG, (0,), VALIDATION)
    experiments.record("works", read * 0, None, (0, 1, 2), VALIDATION, side=224)
    table = pd.read_csv(record)
    assert table["network"].tolist() == [experiments.SCRATCH] * 2 + [experiments.FROZEN] * 2
    assert table["side"].tolist() == [CONFIG.train_side] * 2 + [224] * 2
    assert table["width"].isna().tolist() == table["images_seen"].isna().tolist() == [False, False, True, True]
    assert f",{CONFIG.images_seen}\n" in record.read_text(encoding="utf-8")  # a whole number stays one
    assert (experiments.recorded("works", VALIDATION, experiments.FROZEN)["accuracy"] == 0).all()
    shown = experiments.recorded("works", VALIDATION)
    assert (shown["accuracy"] > 0).all() and list(shown.index) == ["20", "160"]  # numbers are in order


def test_what_was_recorded_is_shown_as_the_experiment_is(record):
    read = experiments.summary(drawn())
    experiments.record("threshold", read, CONFIG, (0,), VALIDATION)
    experiments.record("other", read, CONFIG, (0,), VALIDATION)
    experiments.record("threshold", read * 0, CONFIG, (0,), TEST)
    shown = tables.summary_table(experiments.recorded("threshold", VALIDATION))
    pd.testing.assert_frame_equal(shown, tables.summary_table(read.round(4)), check_names=False)
    assert tables.summary_table(experiments.recorded("absent", VALIDATION)).empty


def test_the_committed_record_holds_what_the_notebooks_show():
    for name, part in [
        ("oversampling_threshold", VALIDATION),
        ("quality", TEST),
        ("works_per_artist", VALIDATION),
        ("treatments", experiments.OUT_OF_FOLD),
        ("treatments_small_artists", experiments.OUT_OF_FOLD),
        ("treatments_small_artists", TEST),
    ]:
        variants = experiments.recorded(name, part).index
        assert len(variants) >= 2, name
        assert all(variant.isdigit() or variant in tables.VARIANTS for variant in variants), name


def test_the_majority_and_the_answers_of_classifiers(data):
    rows = data.rows(VALIDATION)
    said = np.tile([[0, 1.0, 0, 0]], (len(rows), 1))
    answers = experiments.answers(data, rows, {"x": said, "y": said[:, ::-1]}, seed=0)
    assert set(answers) == {"variant", "seed", "row", "label", "predicted", "group"}
    assert set(answers.loc[answers["variant"] == "y", "predicted"]) == {2}
    assert baselines.majority_accuracy(data, VALIDATION) == (data.labels[rows] == 0).mean()


def test_every_size_covers_the_same_part_of_a_work(trained, data, monkeypatch):
    monkeypatch.setattr(experiments, "SIDES", (32, 64))
    answers = experiments.vary_side(data, CONFIG)
    assert [(config.train_side, config.side) for config, *_ in trained] == [(24, 32), (48, 64)]
    assert list(answers["variant"].unique()) == [32, 64]
    assert set(answers["row"]) == set(data.rows(VALIDATION))
    for _, _, _, rows in trained:
        assert set(rows) == set(data.rows(TRAINING))
