"""The experiments: who learns from what, and the figures that are drawn from answers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score

from commun import UserError, figures
from commun.datasets import Location
from projet1_artistes import experiments
from projet1_artistes.dataset import TEST, TRAINING, VALIDATION, Data
from projet1_artistes.model import Config

CONFIG = Config(threshold=40)


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
    return Data(works, artists, pd.DataFrame(), Location(tmp_path, False, "faux"), tuple(works["path"]))


@pytest.fixture
def trained(monkeypatch, data):
    """Replaces the training by a record of what it was given; the network always names the first artist."""
    calls = []

    def train(config, images, labels, rows, validation=None, *, classes, title="", network=None):
        calls.append((config, np.asarray(images), labels, rows))
        return type("Run", (), {"model": network})()

    def scores(network, images, rows, side):
        return np.tile([[1.0, 0, 0, 0]], (len(rows), 1))

    monkeypatch.setattr(experiments.model, "compiled", lambda config, classes: None)
    monkeypatch.setattr(experiments.model, "train", train)
    monkeypatch.setattr(experiments.model, "scores", scores)
    monkeypatch.setattr(
        experiments, "pixels", lambda data, side=16: np.zeros((len(data.works), side, side, 3), np.uint8)
    )
    return calls


def test_treatments_are_judged_out_of_fold(trained, data):
    answers = experiments.treat(data, CONFIG, count=3, seeds=(0, 1))
    learnt = set(np.concatenate([data.rows(TRAINING), data.rows(VALIDATION)]))
    for (_, seed), part in answers.groupby(["variant", "seed"]):
        assert sorted(part["row"]) == sorted(learnt), seed
    assert len(trained) == len(experiments.TREATMENTS) * 3 * 2
    for _, _, _, rows in trained:
        asked = learnt - set(rows)
        assert not set(data.groups[list(asked)]) & set(data.groups[rows])
        assert not set(rows) & set(data.rows(TEST))
    thresholds = {(config.threshold, config.weighted) for config, *_ in trained}
    assert thresholds == {(0, False), (40, False), (0, True), (40, True)}


def test_the_confirmation_reads_the_test_part_alone(trained, data):
    answers = experiments.confirm(data, CONFIG, ("rien", "augmentation"))
    assert set(answers["row"]) == set(data.rows(TEST))
    for _, _, _, rows in trained:
        assert not set(rows) & set(data.rows(TEST))


def test_works_are_taken_from_those_who_have_most(trained, data):
    answers = experiments.vary_works(data, CONFIG, (3, 10), count=2)
    assert set(answers["label"]) <= {0, 1}
    before = np.bincount(data.labels[data.rows(TRAINING)], minlength=4)
    for number, (config, _, labels, rows) in zip((3, 10), trained, strict=True):
        after = np.bincount(labels[rows], minlength=4)
        assert list(after[:2]) == [min(number, count) for count in before[:2]]
        assert list(after[2:]) == list(before[2:])
        assert config.threshold == 0


def test_thresholds_are_judged_on_validation(trained, data):
    answers = experiments.vary_threshold(data, CONFIG, (0, 50))
    assert [config.threshold for config, *_ in trained] == [0, 50]
    assert set(answers["row"]) == set(data.rows(VALIDATION))


def test_qualities_are_compared_on_the_same_works(trained, data, monkeypatch):
    def low(data, rows, side):
        present = data.labels[rows] != 3
        return np.full((present.sum(), side, side, 3), 7, np.uint8), present

    monkeypatch.setattr(experiments, "low_pixels", low)
    answers = experiments.compare_qualities(data, CONFIG, part=TEST)
    read = [tuple(part["row"]) for _, part in answers.groupby("variant", sort=False)]
    assert read[0] == read[1] == read[2] == tuple(r for r in data.rows(TEST) if data.labels[r] != 3)
    for _, images, labels, rows in trained:
        assert len(images) == len(labels)
        assert 3 not in labels
        assert len(rows) == (data.labels[data.rows(TRAINING)] != 3).sum()
    assert [images.max() for _, images, *_ in trained] == [0, 7, 0]


def test_without_low_quality_there_is_nothing_to_compare(trained, data, monkeypatch):
    nothing = lambda data, rows, side: (np.zeros((0, side, side, 3), np.uint8), np.zeros(len(rows), bool))  # noqa: E731
    monkeypatch.setattr(experiments, "low_pixels", nothing)
    with pytest.raises(UserError, match="resized/resized"):
        experiments.compare_qualities(data, CONFIG)


def test_small_artists_are_counted_without_near_duplicates(data):
    np.testing.assert_array_equal(experiments.small_artists(data, 6), [3])
    np.testing.assert_array_equal(experiments.small_artists(data, 5), [])
    np.testing.assert_array_equal(experiments.small_artists(data, 21), [1, 2, 3])


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
    read = experiments.summary(answers, classes=classes, draws=50)
    for variant, part in answers.groupby("variant"):
        labels = np.unique(part["label"]) if classes is None else classes
        options = {"labels": labels, "average": "macro"}
        assert read.loc[variant, "recall"] == pytest.approx(recall_score(part["label"], part["predicted"], **options))
        assert read.loc[variant, "f1"] == pytest.approx(f1_score(part["label"], part["predicted"], **options))
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
    gain = experiments.gains(answers, "b", measure="accuracy").loc["a"]
    right = (answers["label"] == answers["predicted"]).groupby(answers["variant"]).mean()
    assert gain["gain"] == pytest.approx(right["a"] - right["b"])
    assert 0 < gain["low"] < gain["gain"] < gain["high"]
    same = pd.concat([part.assign(variant=name) for name in "xy" for part in [answers[answers["variant"] == "a"]]])
    nothing = experiments.gains(same, "x", measure="f1").loc["y"]
    assert (nothing == 0).all()


def test_the_entry_of_a_gain_has_the_promised_form():
    answers = pd.concat([drawn(0), drawn(0).assign(seed=1)], ignore_index=True)
    entry = experiments.entry(answers, "a", "b", classes=[1, 3], draws=50)
    assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]
    assert len(entry["per_seed"]) == 2
    assert np.mean(entry["per_seed"]) == pytest.approx(entry["value"])
    once = answers[(answers["seed"] == 0) & (answers["variant"] == "a")]
    assert entry["n"] == once["label"].isin([1, 3]).sum()


def test_the_smallest_threshold_that_is_close_to_the_best_is_recommended():
    read = pd.DataFrame({"f1": [0.50, 0.59, 0.60], "f1_low": [0.45, 0.54, 0.56]}, index=[0, 50, 100])
    assert experiments.recommended(read) == 50
    read.loc[50, "f1"] = 0.55
    assert experiments.recommended(read) == 100


def test_comments_say_what_is_proved_and_what_is_not():
    read = pd.DataFrame(
        {"gain": [0.1, 0.01, -0.2], "low": [0.05, -0.02, -0.3], "high": [0.15, 0.04, -0.1]}, index=["x", "y", "z"]
    )
    text = experiments.comment_gains(read, base="rien")
    assert "« x » : +10,0" in text
    assert text.count("un gain net") == 1
    assert text.count("une perte nette") == 1
    assert text.count("hasard") == 1
    assert list(experiments.gain_table(read)["écart"])[0].endswith("points [5,0 ; 15,0]")


def test_the_best_variant_is_not_the_base():
    read = pd.DataFrame({"recall": [0.9, 0.2, 0.3]}, index=["rien", "x", "y"])
    assert experiments.best(read, "recall") == "y"


def test_advice_is_the_least_number_that_reaches_the_floor():
    artists = pd.DataFrame({
        "apprises": [10, 20, 40, 80, 5],
        "testées": [5, 5, 5, 5, 0],
        "rappel": [0.1, 0.2, 0.5, 0.9, np.nan],
    })
    varied = pd.DataFrame({"recall": [0.2, 0.4, 0.6]}, index=[10, 40, 160])
    advice = experiments.advise(artists, varied)
    assert advice["entre_artistes"] == 40
    assert advice["par_retrait"] == 40
    assert advice["sous"] == 2
    assert "**40 œuvres**" in experiments.comment_advice(advice)
    nowhere = experiments.advise(artists.assign(rappel=0.1), varied * 0)
    assert np.isnan(nowhere["entre_artistes"])
    assert np.isnan(nowhere["par_retrait"])
    assert "nulle part" in experiments.comment_advice(nowhere)


def test_figures_say_what_they_draw():
    read = experiments.summary(drawn(), draws=20)
    figure = experiments.plot_variants(read, "recall", title="Titre", ylabel="rappel (%)")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [figures.percent(value) for value in read["recall"]]
    alt = experiments.describe_variants(read, "recall", title="Titre")
    assert all(text in alt for text in texts)
    assert list(experiments.table(read, experiments.MEASURES)) == ["œuvres", *experiments.MEASURES.values()]


def test_what_is_kept_is_added_to_what_was_and_replaces_it(tmp_path):
    path, read = tmp_path / "experiences.csv", experiments.summary(drawn(), draws=10)
    config = dataclasses.replace(CONFIG, images_seen=100)
    experiments.keep(path, experiments.rows_to_keep("un", read, config, (0,), TEST))
    experiments.keep(path, experiments.rows_to_keep("deux", read, config, (0, 1), TEST))
    experiments.keep(path, experiments.rows_to_keep("un", read.assign(accuracy=0.5), config, (0,), TEST))
    table = pd.read_csv(path)
    assert len(table) == 4
    assert (table.loc[table["experience"] == "un", "accuracy"] == 0.5).all()
    assert (table.loc[table["experience"] == "deux", "graines"].astype(str) == "0 1").all()


def test_the_majority_and_the_answers_of_classifiers(data):
    rows = data.rows(VALIDATION)
    said = np.tile([[0, 1.0, 0, 0]], (len(rows), 1))
    answers = experiments.answers(data, rows, {"x": said, "y": said[:, ::-1]})
    assert list(answers) == experiments.ANSWERS
    assert set(answers.loc[answers["variant"] == "y", "predicted"]) == {2}
    assert experiments.majority(data, VALIDATION) == (data.labels[rows] == 0).mean()


def test_the_reference_is_shown_as_the_experiment_is(tmp_path):
    path, read = tmp_path / "experiences.csv", experiments.summary(drawn(), draws=10)
    experiments.keep(path, experiments.rows_to_keep("seuil", read, CONFIG, (0,), VALIDATION))
    experiments.keep(path, experiments.rows_to_keep("autre", read, CONFIG, (0,), VALIDATION))
    experiments.keep(path, experiments.rows_to_keep("seuil", read * 0, CONFIG, (0,), TEST))
    shown = experiments.reference("seuil", experiments.MEASURES, path=path)
    pd.testing.assert_frame_equal(shown, experiments.table(read.round(4), experiments.MEASURES), check_names=False)
    assert experiments.reference("absente", experiments.MEASURES, path=path).empty


def test_every_size_covers_the_same_part_of_a_work(trained, data):
    answers = experiments.vary_side(data, CONFIG, (32, 64))
    assert [(config.train_side, config.side) for config, *_ in trained] == [(24, 32), (48, 64)]
    assert list(answers["variant"].unique()) == [32, 64]
    assert set(answers["row"]) == set(data.rows(VALIDATION))
    for _, _, _, rows in trained:
        assert set(rows) == set(data.rows(TRAINING))
