"""The measures of project 2 against brute force on small arrays, and `evaluate_folder` on folders of all sorts."""

from __future__ import annotations

import functools
import gzip
import os
import struct
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import linalg, special, stats

from commun import UserError, results, training
from commun.datasets import IDX_FILES, Location, find
from commun.weights import save_weights
from projet2_cvae import PROJECT, evaluation, sample
from projet2_cvae import judge as judging
from projet2_cvae import model as modelling
from projet2_cvae.dataset import CLASSES, Part, load
from projet2_cvae.model import CVAE, Config
from projet2_cvae.training import build

METRICS = set(evaluation.LABELS)


def _part(count: int, seed: int = 0) -> Part:
    labels = (np.arange(count) % 10).astype("uint8")
    return Part(sample.draw_images(labels, seed=seed)[..., None], labels)


@pytest.fixture(scope="module")
def part() -> Part:
    return _part(30)


@pytest.fixture(scope="module")
def model() -> CVAE:
    """Untrained, with larger weights, so that codes and labels matter."""
    made = build(Config(latent_dim=3, width=16, seed=2))
    for weight in made.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(1.3 * np.asarray(weight))
    return made


@pytest.fixture(scope="module")
def judge_config() -> judging.JudgeConfig:
    return judging.JudgeConfig(width=4, features=6)


@pytest.fixture(scope="module")
def real(judge_config: judging.JudgeConfig) -> judging.ReferenceFeatures:
    return judging.reference_features(judging.build(judge_config), _part(60, 5), 40)


def _terms(model: CVAE, part: Part, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns -log p(x | z), log q(z | x) - log p(z), and the KL, by SciPy; noise has shape (draws, n, d)."""
    x = part.images.astype("float64") / 255
    mean, log_variance = (a.astype("float64") for a in evaluation.encode(model, part))
    q = stats.norm(mean, np.exp(0.5 * log_variance))
    z = mean + np.exp(0.5 * log_variance) * noise
    nll = []
    for codes in z.astype("float32"):
        logits = np.asarray(model.decoder(model.condition(codes, part.labels))).astype("float64")
        nll.append(-(x * special.log_expit(logits) + (1 - x) * special.log_expit(-logits)).sum((1, 2, 3)))
    ratio = (q.logpdf(z) - stats.norm.logpdf(z)).sum(-1)
    kl = (0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)).sum(-1)
    return np.array(nll), ratio, kl


# --- The bound -------------------------------------------------------------------------------------------------------


def test_nelbo_terms_are_those_of_brute_force(model: CVAE, part: Part) -> None:
    noise = np.random.default_rng(3).standard_normal((1, len(part), 3), dtype="float32")
    nll, _, kl = _terms(model, part, noise)
    found = evaluation.nelbo_terms(model, part, seed=3)
    assert found.shape == (30, 2)
    np.testing.assert_allclose(found, np.stack([nll[0], kl], axis=1), rtol=1e-4)


def test_nelbo_terms_do_not_depend_on_calls_nor_windows(model: CVAE, part: Part, monkeypatch) -> None:
    first = evaluation.nelbo_terms(model, part)
    np.testing.assert_array_equal(first, evaluation.nelbo_terms(model, part))
    assert np.abs(first - evaluation.nelbo_terms(model, part, seed=1))[:, 0].max() > 0.01
    monkeypatch.setattr(modelling, "WINDOW", 7)
    np.testing.assert_allclose(first, evaluation.nelbo_terms(model, part), rtol=1e-5)


@pytest.mark.parametrize(("k", "codes"), [(1, 8), (5, 2), (6, 8)])
def test_iwae_is_that_of_brute_force(model: CVAE, part: Part, k: int, codes: int, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "IWAE_CODES", codes)
    noise = np.random.default_rng(0).standard_normal((k, len(part), 3), dtype="float32")
    nll, ratio, _ = _terms(model, part, noise)
    expected = -(np.logaddexp.reduce(-nll - ratio, axis=0) - np.log(k))
    found = evaluation.iwae(model, part, k=k)
    assert found.shape == (30,)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_iwae_streams_without_changing_its_value(model: CVAE, part: Part, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "IWAE_CODES", 64)
    whole = evaluation.iwae(model, part)
    monkeypatch.setattr(evaluation, "IWAE_CODES", 5)
    np.testing.assert_allclose(whole, evaluation.iwae(model, part), rtol=1e-6)
    monkeypatch.setattr(evaluation, "IWAE_IMAGES", 7)
    other = evaluation.iwae(model, part)  # other draws, the same quantity
    assert abs(whole.mean() - other.mean()) < 1


def test_iwae_tightens_the_bound_as_k_grows(model: CVAE, part: Part) -> None:
    nelbo = np.mean([evaluation.nelbo_terms(model, part, seed=s).sum(axis=1).mean() for s in range(15)])
    bounds = [
        np.mean([evaluation.iwae(model, part, k=k, seed=s).mean() for s in range(draws)])
        for k, draws in ((1, 15), (8, 5), (64, 1))
    ]
    # With one draw (here the same noise), the bound is the negative ELBO in mean.
    assert bounds[0] == pytest.approx(nelbo, abs=0.5)
    assert nelbo > bounds[1] > bounds[2] > evaluation.bernoulli_entropy(part).mean()


def test_iwae_reaches_the_exact_likelihood_where_it_is_known(part: Part) -> None:
    """A decoder that ignores z and an encoder equal to the prior: every bound is -log p(x | y), whatever k."""
    model = build(Config(latent_dim=2, width=4))
    for weight in (*model.encoder.layers[-1].weights, *model.decoder.trainable_weights):
        weight.assign(0 * np.asarray(weight))
    exact = np.full(len(part), 784 * np.log(2))
    np.testing.assert_allclose(evaluation.iwae(model, part, k=16), exact, rtol=1e-5)
    terms = evaluation.nelbo_terms(model, part)
    np.testing.assert_allclose(terms, np.stack([exact, 0 * exact], axis=1), rtol=1e-5, atol=1e-4)


def test_iwae_approaches_a_likelihood_integrated_on_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """One latent dimension, a linear decoder, four pixels: log p(x) by quadrature."""
    slope = np.array([2.0, -1.0, 0.5, 0.0]).reshape(4, 1, 1)

    def decoder(inputs):
        return (slope * np.asarray(inputs[0])[:, 0, None, None, None]).astype("float32")

    linear = types.SimpleNamespace(
        config=types.SimpleNamespace(latent_dim=1),
        condition=lambda first, labels: [np.asarray(first)],
        encoder=lambda inputs: np.tile(np.array([[0.4, -0.5]], "float32"), (len(inputs[0]), 1)),
        decoder=decoder,
    )
    monkeypatch.setattr(evaluation, "IWAE_CODES", 2_000)
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 1, 1)).astype("uint8")
    z = np.linspace(-10, 10, 20_001)
    logits = slope[None, :, 0, 0] * z[:, None]
    x = images.reshape(6, 4) / 255
    joint = x @ logits.T - np.logaddexp(0, logits).sum(1) + stats.norm.logpdf(z)
    exact = -np.log(np.trapezoid(np.exp(joint), z, axis=1))
    found = evaluation.iwae(linear, Part(images, np.zeros(6, "uint8")), k=20_000)
    np.testing.assert_allclose(found, exact, atol=0.02)
    assert (np.mean([evaluation.nelbo_terms(linear, Part(images, np.zeros(6, "uint8")), seed=s).sum(1)
                     for s in range(300)], axis=0) > exact).all()  # fmt: skip


def test_floor_is_the_entropy_of_grey_levels(part: Part) -> None:
    x = part.images.astype("float64") / 255
    entropy = stats.bernoulli(x).entropy().sum(axis=(1, 2, 3))
    np.testing.assert_allclose(evaluation.bernoulli_entropy(part), entropy, rtol=1e-9)
    black_and_white = Part(np.where(part.images > 99, 255, 0).astype("uint8"), part.labels)
    assert (evaluation.bernoulli_entropy(black_and_white) == 0).all()


def test_no_reconstruction_beats_the_floor(model: CVAE, part: Part) -> None:
    assert (evaluation.nelbo_terms(model, part)[:, 0] > evaluation.bernoulli_entropy(part)).all()


def test_floor_of_the_real_test_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJETS_DATA", os.environ.get("PROJETS_DONNEES_REELLES", ""))  # see conftest.py
    if find("fashion_mnist") is None:
        pytest.skip("the real Fashion-MNIST is not here")
    assert evaluation.bernoulli_entropy(load().test).mean() == pytest.approx(189.86, abs=0.01)


def test_active_units_count_what_varies(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    means = np.random.default_rng(0).normal(size=(30, 4)).astype("float32") * [1, 0.5, 0.05, 0]
    fake = types.SimpleNamespace(
        condition=lambda first, labels: [first],
        encoder=lambda inputs: np.concatenate([means, np.ones_like(means)], axis=1),
    )
    assert evaluation.active_units(fake, part) == 2
    monkeypatch.setattr(evaluation, "ACTIVE", 1e-4)
    assert evaluation.active_units(fake, part) == 3


def test_loss_budget_adds_up(model: CVAE, part: Part) -> None:
    table = evaluation.loss_budget(model, part)
    np.testing.assert_allclose(table["entropy"] + table["gap"] + table["kl"], table["total"])
    terms = evaluation.nelbo_terms(model, part)
    assert set(table.index) == set(CLASSES) and table["gap"].is_monotonic_increasing
    assert table.loc["robe", "kl"] == pytest.approx(terms[part.labels == 3, 1].mean())
    summary = evaluation.budget_summary(table)
    total, entropy = terms.sum(axis=1).mean(), evaluation.bernoulli_entropy(part).mean()
    assert summary["entropy_share"] == pytest.approx(entropy / total)
    assert summary["above_entropy"] == pytest.approx(total - entropy)
    assert (summary["worst"], summary["best"]) == (table.index[-1], table.index[0])


def test_class_information_tells_sorted_codes_from_mixed_ones(part: Part) -> None:
    labels = np.repeat(np.arange(10), 25)
    images = Part(np.zeros((250, 28, 28, 1), "uint8"), labels)
    angles = labels * 0.63
    sorted_codes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    mixed = np.random.default_rng(0).normal(size=(250, 2))
    found = [
        evaluation.class_information(
            types.SimpleNamespace(
                condition=lambda first, labels: [first], encoder=lambda _, c=codes: np.concatenate([c, 0 * c], axis=1)
            ),
            images,
        )
        for codes in (sorted_codes, mixed)
    ]
    assert found[0] > 0.99 and found[1] < 0.3


# --- Images ----------------------------------------------------------------------------------------------------------


def test_decoded_images_are_the_rounded_means(model: CVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "WINDOW", 10)
    codes = np.random.default_rng(0).normal(size=(23, 3)).astype("float32")
    labels = np.arange(23) % 10
    images = evaluation.decode(model, codes, labels)
    assert images.shape == (23, 28, 28, 1) and images.dtype == np.uint8
    logits = np.asarray(model.decoder(model.condition(codes, labels)))
    assert np.abs(images - 255 / (1 + np.exp(-logits))).max() < 0.51


def test_reconstruction_decodes_the_mean_code(model: CVAE, part: Part) -> None:
    codes = evaluation.encode(model, part)[0]
    np.testing.assert_array_equal(evaluation.reconstruct(model, part), evaluation.decode(model, codes, part.labels))


def test_generation_follows_labels_and_seed(model: CVAE) -> None:
    labels = np.array([0, 0, 1, 9])
    images = evaluation.generate(model, labels, seed=1)
    assert images.shape == (4, 28, 28, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(images, evaluation.generate(model, labels, seed=1))
    assert (images != evaluation.generate(model, labels, seed=2)).any()
    assert (images[:2] != evaluation.generate(model, np.array([5, 5, 1, 9]), seed=1)[:2]).any()


def test_generation_draws_codes_from_the_prior() -> None:
    seen = []

    def decoder(inputs):
        seen.append(np.asarray(inputs[0]))
        return np.zeros((len(seen[-1]), 28, 28, 1), "float32")

    fake = types.SimpleNamespace(
        config=types.SimpleNamespace(latent_dim=5), decoder=decoder, condition=lambda first, labels: [first]
    )
    evaluation.generate(fake, np.zeros(3000, "uint8"))
    assert stats.kstest(np.concatenate(seen).ravel(), "norm").pvalue > 1e-3


def test_swap_class_dresses_each_style_in_every_class(model: CVAE, part: Part) -> None:
    worn = evaluation.swap_class(model, part.take(np.arange(3)))
    assert worn.shape == (30, 28, 28, 1)
    own = [10 * i + int(part.labels[i]) for i in range(3)]
    np.testing.assert_allclose(worn[own].astype(int), evaluation.reconstruct(model, part)[:3].astype(int), atol=1)


def test_interpolation_goes_from_one_reconstruction_to_the_other(model: CVAE, part: Part) -> None:
    first, second = part.take(np.array([3, 8])), part.take(np.array([13, 18]))
    steps = evaluation.interpolate(model, first, second, steps=5).reshape(2, 5, 28, 28, 1).astype(int)
    np.testing.assert_allclose(steps[:, 0], evaluation.reconstruct(model, first), atol=1)
    np.testing.assert_allclose(steps[:, -1], evaluation.reconstruct(model, second), atol=1)
    codes = (evaluation.encode(model, first)[0] + evaluation.encode(model, second)[0]) / 2
    np.testing.assert_allclose(steps[:, 2], evaluation.decode(model, codes, first.labels), atol=1)


def test_ssim_of_equal_and_of_degraded_images(part: Part) -> None:
    assert evaluation.ssim(part.images, part.images) == pytest.approx(np.ones(30))
    noise = np.random.default_rng(0).normal(0, 1, part.images.shape)
    scores = [
        evaluation.ssim(part.images, np.clip(part.images + level * noise, 0, 255).astype("uint8")).mean()
        for level in (10, 40, 160)
    ]
    assert 1 > scores[0] > scores[1] > scores[2] > -1
    np.testing.assert_allclose(
        evaluation.ssim(part.images[:9], part.images[9:18]), evaluation.ssim(part.images[9:18], part.images[:9])
    )


def test_ssim_is_that_of_tensorflow(part: Part) -> None:
    tf = pytest.importorskip("tensorflow")
    first, second = part.images[:15], part.images[15:]
    expected = tf.image.ssim(tf.constant(first), tf.constant(second), max_val=255).numpy()
    np.testing.assert_allclose(evaluation.ssim(first, second), expected, atol=1e-4)


def test_reconstruction_quality_by_class_and_in_all(model: CVAE, part: Part) -> None:
    table = evaluation.reconstruction_quality(model, part)
    rebuilt = evaluation.reconstruct(model, part) / 255
    errors = ((part.images / 255 - rebuilt) ** 2).mean(axis=(1, 2, 3))
    assert table.loc["toutes", "MSE"] == pytest.approx(errors.mean())
    assert table.loc["sac", "MSE"] == pytest.approx(errors[part.labels == 8].mean())
    assert len(table) == 11 and table["SSIM"].iloc[:-1].is_monotonic_decreasing


def test_sharpness_of_known_images() -> None:
    images = np.zeros((3, 28, 28, 1), "uint8")
    images[1, :, ::2] = 255  # columns: every horizontal step is 1, every vertical one 0
    images[2] = 77
    np.testing.assert_allclose(evaluation.sharpness(images), [0, 0.5, 0])


# --- Generation metrics ----------------------------------------------------------------------------------------------


def test_diversity_is_a_ratio_of_mean_pairwise_distances() -> None:
    random = np.random.default_rng(0)
    made, true = random.normal(size=(12, 5)), random.normal(size=(12, 5)) + 40  # a shift does not matter
    labels = np.repeat([2, 7], 6)
    ratios = [
        np.mean([linalg.norm(a - b) for a in made[labels == c] for b in made[labels == c]])
        / np.mean([linalg.norm(a - b) for a in true[labels == c] for b in true[labels == c]])
        for c in (2, 7)
    ]
    found = evaluation.diversity(made, true, labels, draws=200)
    assert found["by_class"] == pytest.approx({"pull": ratios[0], "basket": ratios[1]})
    assert found["value"] == pytest.approx(np.mean(ratios)) and found["n"] == 12
    assert found["ci95"][0] < found["value"] < found["ci95"][1]


def test_diversity_of_the_real_set_is_one_and_of_prototypes_zero() -> None:
    labels = np.repeat(np.arange(10), 20)
    features = np.random.default_rng(0).normal(100, 3, (200, 8)).astype("float32")
    assert evaluation.diversity(features, features, labels, draws=20)["value"] == pytest.approx(1)
    prototypes = features[np.repeat(np.arange(0, 200, 20), 20)]
    collapsed = evaluation.diversity(prototypes, features, labels, draws=20)
    assert collapsed["value"] == pytest.approx(0, abs=1e-3) and collapsed["ci95"][1] < 1e-3
    halved = features / 2
    assert evaluation.diversity(halved, features, labels, draws=20)["value"] == pytest.approx(0.5)


@pytest.mark.filterwarnings("error")
def test_diversity_with_very_few_images() -> None:
    features = np.random.default_rng(0).normal(size=(5, 4))
    found = evaluation.diversity(2 * features, features, np.array([0, 0, 1, 1, 2]), draws=200)
    assert set(found["by_class"]) == {"t-shirt", "pantalon"}  # one dress has no pair
    assert found["value"] == pytest.approx(2) and 0 <= found["ci95"][0] <= found["ci95"][1] < 10
    same = evaluation.diversity(features, np.ones((5, 4)), np.array([0, 0, 1, 1, 2]), draws=20)
    assert np.isnan(same["value"]) and same["by_class"] == {}


def _gaussian(seed: int, f: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    root = random.normal(size=(f, f))
    return random.normal(size=f), root @ root.T


def test_frechet_distance_matches_its_definition() -> None:
    first, second = _gaussian(0), _gaussian(1)
    cross = np.trace(linalg.sqrtm(first[1] @ second[1])).real
    expected = ((first[0] - second[0]) ** 2).sum() + np.trace(first[1]) + np.trace(second[1]) - 2 * cross
    assert evaluation.frechet_distance(first, second) == pytest.approx(expected)
    assert evaluation.frechet_distance(second, first) == pytest.approx(expected)
    assert evaluation.frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_diagonal_gaussians() -> None:
    m, s, t = np.array([1.0, -2, 0]), np.array([1.0, 4, 0]), np.array([9.0, 4, 1])
    found = evaluation.frechet_distance((m, np.diag(s)), (np.zeros(3), np.diag(t)))
    assert found == pytest.approx((m**2).sum() + ((np.sqrt(s) - np.sqrt(t)) ** 2).sum())


def test_frechet_ratio_of_good_and_bad_generators() -> None:
    random = np.random.default_rng(0)
    test, train, good = random.normal(size=(3, 600, 4))
    fixed = (train.mean(0), np.cov(train.T))
    found = evaluation.frechet_ratio(good, test, fixed, draws=50)
    moments = [(a.mean(0), np.cov(a.T)) for a in (good, test)]
    expected = evaluation.frechet_distance(*moments) / evaluation.frechet_distance(fixed, moments[1])
    assert found["value"] == pytest.approx(expected, rel=1e-6) and found["n"] == 600
    assert 0 <= found["ci95"][0] <= found["value"] <= found["ci95"][1]
    assert 0.2 < found["value"] < 5  # both are draws of the same law
    bad = evaluation.frechet_ratio(good + 3, test, fixed, draws=50)
    assert bad["ci95"][0] > 20 * found["ci95"][1]
    assert evaluation.frechet_ratio(test, test, fixed, draws=2)["value"] == pytest.approx(0, abs=1e-6)
    assert evaluation.frechet_ratio(train, test, fixed, draws=2)["value"] == pytest.approx(1, rel=1e-3)


def test_class_statistics_rebuild_the_moments_of_any_mix(real: judging.ReferenceFeatures) -> None:
    fit = _part(60, 5)
    features = judging.logits_and_features(real.judge, fit.images)[1].astype("float64")
    whole = judging.reference_features(real.judge, fit, len(fit))
    mean, covariance = whole.moments(fit.labels)
    np.testing.assert_allclose(mean, features.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(features.T, bias=True), rtol=1e-3, atol=1e-4)
    kept = fit.labels != 6
    mean, covariance = whole.moments(fit.labels[kept])  # a class that is missing leaves no trace
    np.testing.assert_allclose(mean, features[kept].mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(features[kept].T, bias=True), rtol=1e-3, atol=1e-4)


def test_a_judge_is_trained_once_until_its_code_its_data_or_its_budget_change(part: Part, monkeypatch) -> None:
    folders = []

    def record(config, *, build, batches, data, **_) -> None:
        code = training.code_hash(build, batches)
        folders.append(training.run_folder(config, project="essai", data=data, code=code))

    monkeypatch.setattr(training, "train", record)
    judging.train(judging.JudgeConfig(), part)
    judging.train(judging.JudgeConfig(width=8), part)
    judging.train(judging.JudgeConfig(), Part(part.images, part.labels[::-1].copy()))
    with monkeypatch.context() as edit:
        edit.setattr(judging, "BODY", "autre")
        judging.train(judging.JudgeConfig(), part)
    with monkeypatch.context() as edit:
        edit.setattr(judging, "batches", lambda config, part, epoch: None)
        judging.train(judging.JudgeConfig(), part)
    assert len(set(folders)) == 5
    judging.train(judging.JudgeConfig(), part)
    assert folders[5] == folders[0]


def test_judge_reads_logits_and_features(
    real: judging.ReferenceFeatures, judge_config: judging.JudgeConfig, part: Part
) -> None:
    logits, features = judging.logits_and_features(real.judge, part.images)
    assert logits.shape == (30, 10) and features.shape == (30, judge_config.features)
    np.testing.assert_allclose(logits, real.judge.predict(part.images, verbose=0), atol=1e-4)
    again = judging.logits_and_features(real.judge, part.images)  # nothing random once trained
    np.testing.assert_allclose(features, again[1], atol=1e-5)


def test_the_eight_metrics_and_their_intervals(model: CVAE, real: judging.ReferenceFeatures, part: Part) -> None:
    metrics = evaluation.evaluate(model, real, part, draws=10)
    assert set(metrics) == METRICS
    assert all({"value", "ci95", "n"} <= set(m) and m["n"] == 30 for m in metrics.values())
    value = {name: m["value"] for name, m in metrics.items()}
    assert value["test_nelbo"] == pytest.approx(value["test_reconstruction"] + value["test_kl"])
    assert value["test_iwae"] < value["test_nelbo"]
    made = evaluation.generate(model, part.labels)
    read = judging.logits_and_features(real.judge, made)[0].argmax(1)
    assert value["class_fidelity"] == pytest.approx((read == part.labels).mean())
    table = evaluation.generation_table(metrics, made, part.labels, real, part)
    assert table["fidélité"].mean() == pytest.approx(value["class_fidelity"])
    assert table["juge sur le test"].mean() == pytest.approx(value["classifier_accuracy"])
    assert table["diversité"].mean() == pytest.approx(value["diversity"])
    matrix = evaluation.confusion(made, part.labels, real)
    assert matrix.sum() == 30 and np.trace(matrix) == (read == part.labels).sum()
    worst = evaluation.least_convincing(made, part.labels, real, 4)
    logits = judging.logits_and_features(real.judge, made)[0]
    asked = np.exp(logits)[np.arange(30), part.labels] / np.exp(logits).sum(1)
    assert set(worst) == set(np.argsort(asked)[:4])


# --- A whole folder --------------------------------------------------------------------------------------------------


def _write(folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in zip(IDX_FILES["test"], (images, labels), strict=True):
        header = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        with gzip.open(folder / name, "wb") as stream:
            stream.write(header + array.astype("uint8").tobytes())
    return folder


@pytest.fixture(scope="module")
def stored(tmp_path_factory, model: CVAE, real: judging.ReferenceFeatures, judge_config: judging.JudgeConfig) -> Path:
    folder = tmp_path_factory.mktemp("référence")
    save_weights(folder / "modele", model, model.config)
    judging.save(folder / "juge", real, judge_config)
    return folder


@pytest.fixture
def reference(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(evaluation, "REFERENCE", stored)
    monkeypatch.setattr(evaluation, "evaluate", functools.partial(evaluation.evaluate, draws=5))
    return stored


def test_weights_come_back_to_half_precision(
    reference: Path, model: CVAE, real: judging.ReferenceFeatures, part: Part
) -> None:
    loaded, judge = evaluation.load_reference_model(), evaluation.load_reference_features()
    assert loaded.config == model.config
    for mine, theirs in ((model, loaded), (real.judge, judge.judge)):
        for one, other in zip(mine.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-3, atol=1e-6)
    for name in ("count", "means", "covariances"):
        np.testing.assert_array_equal(getattr(judge, name), getattr(real, name))
    first, second = (evaluation.nelbo_terms(m, part).sum(axis=1).mean() for m in (model, loaded))
    assert first == pytest.approx(second, abs=0.5)
    assert sorted(p.name for p in reference.iterdir()) == ["juge.json", "juge.npz", "modele.json", "modele.npz"]


def test_evaluate_folder_on_the_official_layout(reference: Path, part: Part, tmp_path: Path) -> None:
    folder = _write(tmp_path, part.images[..., 0], part.labels)
    with pytest.warns(UserWarning, match="30 images de test, alors que la référence en compare 40"):
        metrics = evaluation.evaluate_folder(str(folder))
    assert set(metrics) == METRICS and all(m["n"] == 30 for m in metrics.values())
    assert np.isfinite([m["value"] for m in metrics.values()]).all()
    expected = evaluation.nelbo_terms(evaluation.load_reference_model(), part).sum(axis=1).mean()
    assert metrics["test_nelbo"]["value"] == pytest.approx(expected)


def test_evaluate_folder_with_other_sizes_and_a_missing_class(reference: Path, part: Part, tmp_path: Path) -> None:
    kept = part.take(np.flatnonzero(part.labels != 6)[:-4])
    big = np.pad(kept.images[..., 0], ((0, 0), (2, 2), (2, 2)))
    with pytest.warns(UserWarning) as said:
        metrics = evaluation.evaluate_folder(_write(tmp_path, big, kept.labels))
    text = " ".join(str(w.message) for w in said)
    assert "32 × 32" in text and "chemise" in text and "laissées hors" in text
    assert metrics["test_nelbo"]["n"] == 23 and "chemise" not in metrics["diversity"]["by_class"]
    assert np.isfinite([m["value"] for m in metrics.values()]).all()


def test_evaluate_folder_with_one_image(reference: Path, part: Part, tmp_path: Path) -> None:
    folder = _write(tmp_path, part.images[:1, ..., 0], part.labels[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        metrics = evaluation.evaluate_folder(folder)
    assert np.isfinite(metrics["test_nelbo"]["value"]) and np.isnan(metrics["diversity"]["value"])


def test_evaluate_folder_refuses_what_it_cannot_read(reference: Path, part: Part, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="introuvable"):
        evaluation.evaluate_folder(tmp_path)
    with pytest.raises(UserError, match="échangés"):
        evaluation.evaluate_folder(_write(tmp_path, part.labels, part.images[..., 0]))


@pytest.mark.parametrize("spoil", ["absent", "sans json", "tronqué", "autre réseau"])
def test_a_missing_or_spoilt_reference_is_told(
    spoil: str, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "REFERENCE", tmp_path)
    if spoil != "absent":
        whole = (reference / "modele.npz").read_bytes()
        (tmp_path / "modele.npz").write_bytes(whole[:-999] if spoil == "tronqué" else whole)
    if spoil in ("tronqué", "autre réseau"):
        text = (reference / "modele.json").read_text(encoding="utf-8")
        text = text.replace('"width": 16', '"width": 8') if spoil == "autre réseau" else text
        (tmp_path / "modele.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="python -m projet2_cvae"):
        evaluation.load_reference_model()


def test_reading_advice_never_ranks_real_and_synthetic_figures() -> None:
    def advice(is_real: bool, reference: dict | None) -> str:
        location = Location(Path(), is_real, "F")
        return results.reading_advice(location, reference, project=PROJECT, differs="le classifieur")

    reference = {"split": "test", "hardware": "H"}
    assert "ne se comparent pas" in advice(False, reference) and "synthétique" in advice(False, reference)
    assert "ne se comparent pas" not in advice(True, reference)
    assert "python -m projet2_cvae" in advice(True, None)
