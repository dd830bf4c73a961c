"""What the checks of project 1 say of right, wrong and absurd answers; a wrong one is not told the answer."""

from __future__ import annotations

import dataclasses
import unicodedata

import numpy as np
import pytest
from scipy.special import softmax
from test_projet1_dataset import picture
from test_projet1_evaluation import _sure
from test_projet1_experiments import data  # noqa: F401
from test_projet1_training import TINY, works

from commun import exercices, figures
from projet1_artistes import augmentation, evaluation, names, networks, questions, resizing, sides, training
from projet1_artistes.split import TRAINING

ABSURD = ("texte", [1, 2, 3], {"a": 1}, object(), True)
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(0, 3, (60, 5)).astype(np.float32)
PROBABILITIES = softmax(SCORES, axis=1)
LABELS = np.where(RANDOM.random(60) < 0.6, PROBABILITIES.argmax(axis=1), RANDOM.integers(0, 5, 60))
IMAGE = np.asarray(picture(3, (160, 160)))


def check_all(check, context, *, right, wrong, secret=()):
    """Right answers are right; wrong and absurd ones are wrong, without the secret (texts) in what is said."""
    for answer in right:
        verdict = check(answer, *context)
        assert verdict.right, verdict.why
        assert verdict.why.endswith((".", "?")) and " : " not in verdict.why
    told = [check(answer, *context) for answer in (*wrong, *ABSURD)]
    assert not any(" : " in verdict.why for verdict in told)  # it follows one
    for verdict in told:
        assert not verdict.right and verdict.why.endswith((".", "?")), verdict
        assert not [text for text in secret if text in verdict.why]
    return [verdict.why for verdict in told[: len(wrong)]]


def shown(value: float) -> tuple[str, ...]:
    """The ways in which a number might be told."""
    return (repr(value), str(value), figures.number(value), figures.percent(value))


# --- Notebook 01 -----------------------------------------------------------------------------------------------------


def test_majority_recall(data):  # noqa: F811
    why = check_all(
        questions.majority_recall,
        (data,),
        right=[0.25, 1 / 4],
        wrong=[40 / 74, 25, -1, 0.3, np.nan],
        secret=shown(0.25),
    )
    assert "c'est l'exactitude" in why[0] and "entre 0 et 1" in why[1]


def mend(name: str, times: int = 2) -> str:
    for _ in range(times):
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            break
    return unicodedata.normalize("NFC", name)


def test_repaired_names():
    assert [names.repair(name) for name in questions.NAMES[:2]] == 2 * ["Albrecht_Dürer"]
    why = check_all(
        questions.repaired_names,
        (),
        right=[mend, names.repair],
        wrong=[
            lambda name: mend(name, 1),
            lambda name: name.encode("cp437", "ignore").decode("utf-8", "ignore").encode("cp437", "ignore").decode(),
            lambda name: unicodedata.normalize("NFD", mend(name)),
            lambda name: name,
            lambda name: name.encode(),
        ],
        secret=["cp437"],
    )
    assert "à moitié" in why[0] and "NFC" in why[2] and "n'est pas réparé" in why[3] and "bytes" in why[4]


def test_a_name_that_was_right_must_stay_so():
    verdict = questions.repaired_names(lambda name: mend(name) if name != "Edgar_Degas" else "Degas")
    assert not verdict.right and "déjà bien écrit" in verdict.why


def test_fidelity():
    why = check_all(
        questions.fidelity,
        (IMAGE,),
        right=[resizing.psnr, lambda a, b: 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))],
        wrong=[
            lambda a, b: 10 * np.log10(255**2 / np.mean((a - b) ** 2)),
            lambda a, b: resizing.psnr(a, b) * 2,
            lambda a, b: np.mean((a.astype(float) - b) ** 2),
            lambda a, b: str(resizing.psnr(a, b)),
        ],
        secret=["float", "astype"],
    )
    assert "8 bits" in why[0] and "échelle" in why[1] and "str" in why[3]


def test_separated_groups(data):  # noqa: F811
    parts = np.full(len(data.works), TRAINING, object)
    parts[-1] = "test"
    check_all(questions.separated_groups, (data, parts), right=[1], wrong=[0, 2, 1.5])
    none = questions.separated_groups(0, data, np.full(len(parts), TRAINING))
    assert none.right and "par chance" in none.why
    assert "appris d'un côté" in questions.separated_groups(1, data, parts).why
    every = questions.separated_groups(1, data, np.full(len(parts), TRAINING))
    assert not every.right and "deux œuvres ou plus" in every.why


def test_pictures_of_a_passage(data):  # noqa: F811
    labels = data.labels[data.rows(TRAINING)]
    expected = int(np.maximum(np.bincount(labels), 12).sum())
    assert expected == len(augmentation.oversampled_indices(labels, 12, seed=3))
    why = check_all(
        questions.pictures_of_a_passage,
        (data, 12),
        right=[expected, np.int64(expected)],
        wrong=[len(labels), 12 * len(np.unique(labels)), expected + 1],
        secret=shown(expected),
    )
    assert "nombre d'œuvres" in why[0] and "pas montrés moins souvent" in why[1]


# --- Notebook 02 -----------------------------------------------------------------------------------------------------


def test_weights_of_a_convolution():
    network = training.network(dataclasses.replace(TINY, architecture=networks.PLAIN, width=6), 3)
    expected = 9 * 3 * 6 + 6
    why = check_all(
        questions.weights_of_a_convolution,
        (network,),
        right=[expected],
        wrong=[expected - 6, 9 * 6, expected * 16],
        secret=shown(expected),
    )
    assert "biais" in why[0]


def stable(scores):
    large = np.exp(scores - scores.max(axis=1, keepdims=True))
    return large / large.sum(axis=1, keepdims=True)


def test_probabilities():
    why = check_all(
        questions.probabilities,
        (SCORES,),
        right=[stable, lambda scores: softmax(scores, axis=1)],
        wrong=[
            lambda scores: np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True),
            lambda scores: stable(scores.reshape(1, -1)).reshape(scores.shape),
            lambda scores: np.abs(scores) / np.abs(scores).sum(axis=1, keepdims=True),
            lambda scores: scores,
            lambda scores: 1,
        ],
        secret=["max", "maximum", "le plus grand"],
    )
    assert "déborder" in why[0] and "par ligne" in why[1] and "exponentielles" in why[2] and "forme" in why[4]


def test_smoothed_target():
    why = check_all(
        questions.smoothed_target,
        (0.1, 12),
        right=[0.9 + 0.1 / 12],
        wrong=[0.9, 0.1, 91, 1],
        secret=shown(0.9 + 0.1 / 12),
    )
    assert "entre tous les artistes" in why[0]


def test_side_of_the_same_size():
    config = training.profile("rapide").config
    assert round(sides.learnt_side(config)) == 128
    why = check_all(
        questions.side_of_the_same_size,
        (config,),
        right=[128, 127.9],
        wrong=[256, 32, 64],
        secret=["128", "0,25", "0.25"],
    )
    assert "racine" in why[0] and "plus ou moins" in why[1]


def recalls(true, named):
    return np.mean([(named[true == artist] == artist).mean() for artist in np.unique(true)])


def test_mean_recall():
    named = PROBABILITIES.argmax(axis=1)
    every = range(5)
    why = check_all(
        questions.mean_recall,
        (LABELS, named),
        right=[recalls],
        wrong=[
            lambda true, named: (true == named).mean(),
            lambda true, named: np.mean([(named[true == a] == a).sum() / max(1, (true == a).sum()) for a in every]),
            lambda true, named: str(recalls(true, named)),
            lambda true, named: recalls(named, true),
        ],
        secret=["unique"],
    )
    assert "c'est l'exactitude" in why[0] and "eux seuls" in why[1] and "str" in why[2]


# --- Notebook 03 -----------------------------------------------------------------------------------------------------


def resample(correct, draws=1000, size=None, low=2.5):
    random = np.random.default_rng(1)
    means = [random.choice(correct, size or len(correct)).mean() for _ in range(draws)]
    return np.percentile(means, [low, 100 - low])


@pytest.mark.parametrize("correct", [PROBABILITIES.argmax(axis=1) == LABELS, np.ones(30, bool), np.zeros(30, bool)])
def test_resampled_interval(correct):
    why = check_all(
        questions.resampled_interval,
        (correct,),
        right=[resample],
        wrong=[
            lambda values: resample(values, size=10),
            lambda values: resample(values, low=16),
            lambda values: 2 * [values.mean()],
            lambda values: resample(values)[::-1],
            lambda values: values.mean(),
        ],
        secret=["choice", "percentile"],
    )
    assert "trop large" in why[0] and "trop étroit" in why[1] and "remise" in why[2] and "deux nombres" in why[4]


@pytest.mark.parametrize("few", [5, 7, 9])
def test_an_interval_of_few_works_is_not_wrong_by_the_draw(few):
    """The profile « essai » judges few works: a bound may fall on the share next to that of the module."""
    for good in range(1, few):
        assert questions.resampled_interval(resample, np.arange(few) < good).right, good


def test_recall_and_precision():
    named, artist = PROBABILITIES.argmax(axis=1), 2
    good = ((named == artist) & (artist == LABELS)).sum()
    recall, precision = good / (artist == LABELS).sum(), good / (named == artist).sum()
    assert recall != precision
    why = check_all(
        questions.recall_and_precision,
        (PROBABILITIES, LABELS, artist),
        right=[(recall, precision), [recall, precision], np.array([recall, precision])],
        wrong=[(precision, recall), (recall, 0), (recall,), recall, ("a", "b")],
        secret=(*shown(recall), *shown(precision)),
    )
    assert "échangés" in why[0] and "le rappel est juste" in why[1]


def calibrated(probabilities, labels, packets=10):
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    parts = np.array_split(np.argsort(confidence), packets)
    return sum(len(part) * abs(confidence[part].mean() - correct[part].mean()) for part in parts) / len(labels)


def test_expected_calibration_error():
    expected = evaluation.calibration_error(evaluation.calibration(PROBABILITIES, LABELS))
    why = check_all(
        questions.expected_calibration_error,
        (PROBABILITIES, LABELS),
        right=[calibrated],
        wrong=[lambda p, y: calibrated(p, y, 1), lambda p, y: calibrated(p, y, 3), lambda p, y: "0"],
        secret=shown(expected),
    )
    assert "str" in why[2]
    sure = _sure([0, 1, 2, 3], 5)  # too little sure of each: the gap of the means is the error, here
    verdict = questions.expected_calibration_error(lambda p, y: calibrated(p, y, 1), sure, np.arange(4))
    assert not verdict.right and "s'y compensent" in verdict.why


@pytest.fixture(scope="module")
def classifier():
    images, _ = works()
    model = training.build(TINY, 3)
    model.get_layer("scores").bias.assign([0.5, -0.25, 0.1])
    return networks.Classifier(model, TINY.side, ("a", "b", "c")), images[:1]


@pytest.mark.parametrize("artist", [0, 1])
def test_constant_of_the_map(classifier, artist):
    judge, work = classifier
    score = networks.scores(judge.model, work, judge.side)[0, artist]
    found = float(score - judge.activation_maps(work, [artist]).mean())
    why = check_all(
        questions.constant_of_the_map,
        (judge, artist),
        right=[found, np.float32(found)],
        wrong=[-found, float(score), np.nan],
        secret=(*shown((0.5, -0.25)[artist]), "biais"),
    )
    assert "signe" in why[0]


def test_resolution_alone():
    check = questions.resolution_alone
    why = check_all(
        check,
        (),
        right=[("haute qualité", "haute qualité réduite"), ["haute qualité réduite", "haute qualité"]],
        wrong=[
            ("haute qualité", "basse qualité"),
            ("basse qualité", "haute qualité réduite"),
            ("haute qualité", "haute qualité"),
            "haute qualité",
        ],
    )
    assert "comprimés" in why[0] and "même résolution" in why[1]


def test_weight_of_the_rarest(data):  # noqa: F811
    counts = np.bincount(data.labels[data.rows(TRAINING)])
    expected = counts.sum() / (len(counts) * counts.min())
    why = check_all(
        questions.weight_of_the_rarest,
        (data,),
        right=[expected],
        wrong=[counts.max() / counts.min(), 1, -expected],
        secret=shown(expected),
    )
    assert "rapport au plus fourni" in why[0]


# --- In the notebooks ------------------------------------------------------------------------------------------------


def test_an_answer_that_fails_is_wrong_and_one_that_is_left_is_unanswered(monkeypatch):
    texts = []
    monkeypatch.setattr(exercices, "_marks", {})
    monkeypatch.setattr(figures, "afficher", lambda bundle, **options: texts.append(bundle["text/plain"]))

    def left(image, copy):
        """To be written."""
        ...

    exercices.verifier(1, questions.fidelity, left, IMAGE)
    exercices.verifier(2, questions.fidelity, lambda image, copy: 1 / 0, IMAGE)
    exercices.verifier(3, questions.fidelity, lambda image: 0, IMAGE)
    exercices.verifier(4, questions.fidelity, resizing.psnr, IMAGE)
    assert exercices.marks() == {"1": "sans réponse", "2": "fausse", "3": "fausse", "4": "juste"}
    assert "ZeroDivisionError" in texts[1] and "TypeError" in texts[2]
