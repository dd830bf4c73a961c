"""The VAE and CVAE of project 2: seven layers, the two terms of the loss, its warm-up, and training.

Backend-neutral: `make test-jax` runs this file too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from commun import UserError, training
from projet2_cvae import model as modelling
from projet2_cvae import sample
from projet2_cvae import training as own_training
from projet2_cvae.dataset import Part
from projet2_cvae.model import CVAE, Config, bernoulli_nll, gaussian_kl
from projet2_cvae.training import build, train

import keras  # isort: skip

SMALL = {"latent_dim": 3, "width": 8, "images_seen": 64, "epochs": 2, "batch_size": 16}
SHOES = (5, 7, 9)


def _config(**changes) -> Config:
    return Config(**{**SMALL, **changes})


def _part(count: int, seed: int = 0) -> Part:
    labels = (np.arange(count) % 10).astype("uint8")
    return Part(sample.draw_images(labels, seed=seed)[..., None], labels)


def _weighted(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if type(layer).__name__ in ("Dense", "Conv2D", "Conv2DTranspose")]


def _loss(model: CVAE, part: Part, *, training: bool) -> tuple[float, float, float]:
    """Returns the loss that `compute_loss` gives, and the two terms of the same outputs, by NumPy."""
    outputs = model([part.images, part.labels], training=training)
    loss = float(np.asarray(model.compute_loss(y_pred=outputs, training=training)))
    images, logits, mean, log_variance = (np.asarray(a).astype("float64") for a in outputs)
    reconstruction = (np.logaddexp(0, logits) - images * logits).sum(axis=(1, 2, 3)).mean()
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1).mean()
    return loss, reconstruction, kl


@pytest.fixture(autouse=True)
def travail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    return tmp_path


@pytest.fixture(scope="module")
def part() -> Part:
    return _part(60)


# --- The network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conditioning", modelling.CONDITIONINGS)
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("architecture", modelling.ARCHITECTURES)
def test_seven_layers_three_one_three(architecture: str, conditional: bool, conditioning: str) -> None:
    config = _config(architecture=architecture, conditional=conditional, conditioning=conditioning)
    model = CVAE(config)
    encoder, decoder = _weighted(model.encoder), _weighted(model.decoder)
    assert (len(encoder), len(decoder)) == (3 + 1, 3)
    latent = encoder[-1]
    assert type(latent).__name__ == "Dense" and latent.units == 2 * config.latent_dim
    assert latent.activation is keras.activations.linear
    assert model.encoder.outputs[0] is latent.output  # nothing after the latent layer
    assert decoder[-1].activation is keras.activations.linear
    assert model.decoder.outputs[0].shape == (None, 28, 28, 1)
    kind = {"dense": ["Dense"] * 3, "conv": ["Dense", "Conv2DTranspose", "Conv2DTranspose"]}[architecture]
    assert [type(layer).__name__ for layer in decoder] == kind
    own = sum(layer.count_params() for layer in (*encoder, *decoder))
    assert own == sum(int(np.prod(w.shape)) for w in model.trainable_weights)  # and no other


@pytest.mark.parametrize("conditioning", modelling.CONDITIONINGS)
@pytest.mark.parametrize("architecture", modelling.ARCHITECTURES)
def test_a_cvae_uses_the_label_on_both_sides(architecture: str, conditioning: str, part: Part) -> None:
    model = build(_config(architecture=architecture, conditioning=conditioning))
    image = np.repeat(part.images[:1] / np.float32(255), 10, axis=0)
    code = np.ones((10, 3), "float32")
    for network, first in ((model.encoder, image), (model.decoder, code)):
        assert len(network.inputs) == 2
        outputs = np.asarray(network(model.condition(first, np.arange(10)))).reshape(10, -1)
        assert len(np.unique(outputs.round(6), axis=0)) == 10  # ten labels, ten answers


@pytest.mark.parametrize("architecture", modelling.ARCHITECTURES)
def test_a_vae_never_sees_the_label(architecture: str, part: Part) -> None:
    model = build(_config(architecture=architecture, conditional=False))
    assert [len(n.inputs) for n in (model.encoder, model.decoder)] == [1, 1]
    answers = []
    for labels in (part.labels, part.labels[::-1]):
        model.noise.state.assign(np.array([1, 2], model.noise.state.dtype))
        answers.append([np.asarray(a) for a in model([part.images, labels])])
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)


def test_images_are_read_as_bytes(part: Part) -> None:
    images = np.asarray(build(_config())([part.images, part.labels])[0])
    np.testing.assert_allclose(images, part.images / 255, atol=1e-6)
    assert images.dtype == np.float32


# --- The loss --------------------------------------------------------------------------------------------------------


def test_reconstruction_is_the_cross_entropy_summed_over_pixels() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (5, 28, 28, 1)).astype("float32")
    binary = random.integers(0, 2, (5, 28, 28, 1)).astype("float32")
    likelihood = stats.bernoulli(1 / (1 + np.exp(-logits.astype("float64")))).logpmf(binary)
    np.testing.assert_allclose(np.asarray(bernoulli_nll(binary, logits)), -likelihood.sum((1, 2, 3)), rtol=1e-5)
    grey = random.uniform(size=(5, 28, 28, 1)).astype("float32")
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    expected = -(grey * np.log(p) + (1 - grey) * np.log(1 - p)).sum((1, 2, 3))
    np.testing.assert_allclose(np.asarray(bernoulli_nll(grey, logits)), expected, rtol=1e-5)


def test_reconstruction_stays_finite_with_extreme_logits() -> None:
    logits = np.full((2, 28, 28, 1), 200, "float32")
    logits[1] *= -1
    nll = np.asarray(bernoulli_nll(np.ones_like(logits), logits))
    np.testing.assert_allclose(nll, [0, 200 * 784], atol=1e-3)


def test_kl_is_that_of_gaussians() -> None:
    random = np.random.default_rng(1)
    mean, log_variance = random.normal(size=(2, 6, 4)).astype("float32")
    found = np.asarray(gaussian_kl(mean, log_variance))
    q = stats.norm(mean.astype("float64"), np.exp(0.5 * log_variance.astype("float64")))
    draws = q.rvs((40_000, 6, 4), random_state=random)
    gaps = (q.logpdf(draws) - stats.norm.logpdf(draws)).sum(-1)
    error = gaps.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(found - gaps.mean(axis=0)) < 5 * error).all()
    assert np.asarray(gaussian_kl(np.zeros((1, 4)), np.zeros((1, 4)))) == pytest.approx(0)
    assert (found > 0).all()


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_validation_loss_weighs_kl_by_the_full_beta(beta: float, part: Part) -> None:
    model = build(_config(beta=beta, warmup=1.0))
    loss, reconstruction, kl = _loss(model, part, training=False)
    assert loss == pytest.approx(reconstruction + beta * kl, rel=1e-5)
    assert float(np.asarray(model.steps_done)) == 0  # a validation is no step
    assert float(np.asarray(model.reconstruction.result())) == pytest.approx(reconstruction, rel=1e-5)
    assert float(np.asarray(model.kl.result())) == pytest.approx(kl, rel=1e-4)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_beta_rises_to_its_value_over_the_warmup(warmup: float) -> None:
    config = _config(warmup=warmup, beta=2.0, images_seen=320, epochs=2)
    assert config.steps == 20
    model = CVAE(config)
    # Logits of 0 cost ln 2 a pixel, whatever the image; a mean of (10, 0, 0) and a variance of 1 cost 50 nats.
    images, mean = np.zeros((1, 28, 28, 1), "float32"), np.array([[10, 0, 0]], "float32")
    outputs = (images, images, mean, np.zeros_like(mean))
    losses = [float(np.asarray(model.compute_loss(y_pred=outputs, training=True))) for _ in range(20)]
    betas, length = (np.array(losses) - 784 * np.log(2)) / 50, warmup * config.steps
    np.testing.assert_allclose(betas, 2.0 * np.minimum(1, (np.arange(20) + 1) / (length + 1)), atol=1e-4)
    assert (betas[int(length) :] == pytest.approx(2.0, abs=1e-4)) and (np.diff(betas) > -1e-4).all()


def test_flip_mirrors_half_of_the_garments_and_no_shoe() -> None:
    part = _part(400, seed=2)
    model = build(_config())
    images = np.asarray(model([part.images, part.labels], training=True)[0])
    mirrored = np.abs(images - part.images[:, :, ::-1] / 255).max(axis=(1, 2, 3)) < 1e-6
    kept = np.abs(images - part.images / 255).max(axis=(1, 2, 3)) < 1e-6
    assert (mirrored | kept).all()
    shoes = np.isin(part.labels, SHOES)
    assert kept[shoes].all()
    assert 0.38 < (mirrored & ~kept)[~shoes].mean() < 0.62  # 280 draws of one half: four standard deviations
    for training_now, flip in ((False, True), (True, False)):
        model.config = dataclasses.replace(model.config, flip=flip)
        same = np.asarray(model([part.images, part.labels], training=training_now)[0])
        np.testing.assert_allclose(same, part.images / 255, atol=1e-6)


# --- Configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", "rnn"),
        ("conditioning", "somme"),
        ("latent_dim", 0),
        ("width", -1),
        ("warmup", -0.1),
        ("warmup", 1.5),
        ("warmup", float("nan")),
        ("beta", -1.0),
        ("beta", float("nan")),
        ("batch_size", 0),
        ("images_seen", 0),
        ("epochs", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
    ],
)
def test_values_out_of_range_are_refused_with_their_value(name: str, value: object) -> None:
    with pytest.raises(UserError) as refusal:
        _config(**{name: value})
    assert str(value) in str(refusal.value) and str(refusal.value).endswith(".")


def test_profiles_and_their_names() -> None:
    assert list(own_training.PROFILES) == ["essai", "rapide", "complet"]
    sizes = [own_training.profile(name) for name in own_training.PROFILES]
    assert [p.model[0] for p in sizes] == sorted(p.model[0] for p in sizes)
    with pytest.raises(UserError, match="essai, rapide, complet"):
        own_training.profile("lent")


# --- Training, saving, loading ---------------------------------------------------------------------------------------


def _predict(model: CVAE, part: Part) -> tuple[np.ndarray, np.ndarray]:
    latent = np.asarray(model.encoder(model.condition(part.images / np.float32(255), part.labels)))
    code = latent[:, : model.config.latent_dim]
    return latent, np.asarray(model.decoder(model.condition(code, part.labels)))


@pytest.mark.parametrize("changes", [{}, {"architecture": "conv", "conditional": False}, {"conditioning": "concat"}])
def test_saving_and_loading_gives_the_same_model(changes: dict, part: Part, tmp_path: Path) -> None:
    model = build(_config(**changes, seed=4))
    model.steps_done.assign(7.0)
    path = tmp_path / "modèle enregistré.keras"
    model.save(path)
    loaded = keras.saving.load_model(path, compile=False)
    assert loaded.config == model.config
    assert float(np.asarray(loaded.steps_done)) == 7
    for one, other in zip(_predict(model, part), _predict(loaded, part), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_seed_decides_the_initial_weights(part: Part) -> None:
    first, second, other = (_predict(build(_config(seed=s)), part)[0] for s in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-3


def test_a_training_is_repeatable_and_done_once(part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, runs = _config(beta=0.1), []
    for folder in ("a", "b", "b"):
        monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / folder))
        runs.append(train(config, part, part.take(np.arange(20))))
    assert [run.fresh for run in runs] == [True, True, False]
    assert runs[1].folder == runs[2].folder and runs[2].model.config == config
    columns = ["loss", "kl", "reconstruction", "val_loss"]
    np.testing.assert_allclose(runs[0].history[columns], runs[1].history[columns], rtol=1e-5)
    np.testing.assert_array_equal(_predict(runs[1].model, part)[1], _predict(runs[2].model, part)[1])
    history = runs[0].history  # validation is at beta = 1, whatever the loss
    np.testing.assert_allclose(history["val_loss"], history["val_reconstruction"] + history["val_kl"], rtol=1e-6)


def test_another_configuration_other_images_or_other_code_are_another_run(part: Part, monkeypatch) -> None:
    folders = []

    def record(config, *, build, batches, measure, data, **_) -> training.Run:
        code = training.code_hash(build, batches, measure)
        folders.append(training.run_folder(config, project="essai", data=data, code=code))
        return training.Run(None, None, {}, folders[-1], fresh=True)

    monkeypatch.setattr(training, "train", record)
    fewer, relabelled = part.take(np.arange(30)), Part(part.images, part.labels[::-1].copy())
    for config, images in ((_config(), part), (_config(beta=0.5), part), (_config(), fewer), (_config(), relabelled)):
        train(config, images)
    train(_config(), part, fewer)
    assert len(set(folders)) == 5
    train(_config(), part)
    assert folders[5] == folders[0]
    with monkeypatch.context() as edit:
        edit.setattr(modelling, "gaussian_kl", lambda mean, log_variance: 0.0 * mean[:, 0])
        train(_config(), part)
    with monkeypatch.context() as edit:
        edit.setattr(modelling, "class_blocks", lambda features, label: features)
        train(_config(), part)
    assert len(set(folders)) == 7
    train(_config(), part)
    assert folders[8] == folders[0]


@pytest.mark.parametrize("architecture", modelling.ARCHITECTURES)
def test_a_short_training_lowers_both_losses(architecture: str, part: Part) -> None:
    config = _config(architecture=architecture, images_seen=60 * 40, epochs=3, width=24, learning_rate=4e-3)
    run = train(config, part, part)
    losses = run.history[["reconstruction", "val_loss"]]
    assert (losses.diff().iloc[1:] < 0).all(axis=None)
    assert losses["val_loss"].iloc[-1] < 450  # from 543 = 784 ln 2 at the start
    assert run.metrics["val_loss"] == pytest.approx(losses["val_loss"].iloc[-1])
    assert float(np.asarray(run.model.steps_done)) == config.steps


def test_a_stopped_training_resumes(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, checkpoint = [], training._save_checkpoint

    def stop(model, rows, path) -> None:
        checkpoint(model, rows, path)
        seen.append(len(rows))
        if len(seen) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        train(_config(epochs=3, images_seen=96), part)
    run = train(_config(epochs=3, images_seen=96), part)
    assert seen == [1, 2, 3] and len(run.history) == 3


def test_batches_are_the_bytes_of_the_images_in_order(part: Part) -> None:
    config = _config(images_seen=96, epochs=2)
    batches = own_training.batches(config, part, 1)
    indices = training.epoch_indices(config, len(part), epoch=1)
    assert len(batches) == 3 and len(indices) == 48
    (images, labels), = batches[1]
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, part.images[indices[16:32]])
    np.testing.assert_array_equal(labels, part.labels[indices[16:32]])


def test_the_validation_loss_is_that_of_validation_images_alone(part: Part) -> None:
    """The fault that this catches: measuring it on the images that are learnt from."""
    validation = _part(20, seed=5)
    poisoned = Part(255 - validation.images, validation.labels[::-1].copy())
    runs = [train(_config(), part, images) for images in (validation, poisoned)]
    for run, images in zip(runs, (validation, poisoned), strict=True):
        expected = modelling.nelbo_terms(run.model, images).sum(axis=1).mean()
        assert run.metrics["val_loss"] == pytest.approx(expected, rel=1e-5)
    assert runs[0].metrics["val_loss"] != pytest.approx(runs[1].metrics["val_loss"], rel=1e-4)
    for one, other in zip(runs[0].model.weights, runs[1].model.weights, strict=True):  # it is measured, not learnt from
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
