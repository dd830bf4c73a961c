"""The VAE and the conditional VAE of project 2, and how they are trained.

The network has seven layers: three in the encoder, one latent layer, three in the decoder. A layer is one Dense,
Conv2D or Conv2DTranspose; activations, reshapes and concatenations don't count.

Everything is measured in nats per image. The likelihood is Bernoulli on grey levels, summed over the 784 pixels:
the negative ELBO is E_q[-log p(x | z, y)] + KL(q(z | x, y) || N(0, I)) (Kingma and Welling, arXiv:1312.6114; Sohn, Lee
and Yan, "Learning structured output representation using deep conditional generative models", NeurIPS 2015).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from commun import UserError, training  # first: it chooses the default backend of Keras

import keras  # isort: skip
from keras import layers, ops  # isort: skip

from projet2_cvae.dataset import CLASSES, Part

VERSION = 1
PROJECT = "projet2_cvae"
FORMS = ("dense", "conv")
CONDITIONINGS = ("concat", "product")
SIDE = 28


@dataclasses.dataclass(frozen=True)
class Config(training.Budget):
    """Everything that defines a model and its training.

    Attributes:
        conditional: gives the label to the encoder and to the decoder (CVAE), or to neither (VAE).
        conditioning: how a CVAE joins the label to the code: "concat" appends it; "product" gives each class its own
            weights in the two layers that touch the code.
        form: "dense" or "conv".
        latent_dim: dimension d of the latent space.
        width: units of the wide hidden layers (dense), or channels of the wide feature maps (conv).
        flip: mirrors half of the training images from left to right, except shoes, which all point left.
        warmup: share of the training during which beta rises from 0 to `beta`.
        beta: final weight of the KL term.

    The attributes of `training.Budget` say how long it is trained.
    """

    conditional: bool = True
    conditioning: str = "concat"
    form: str = "dense"
    latent_dim: int = 16
    width: int = 512
    flip: bool = True
    warmup: float = 0.1
    beta: float = 1.0

    def __post_init__(self) -> None:
        """Refuses values out of range.

        Raises:
            UserError: a value is out of its range.
        """
        if self.form not in FORMS:
            raise UserError(f"Forme de réseau inconnue : « {self.form} ». Formes possibles : {', '.join(FORMS)}.")
        if self.conditioning not in CONDITIONINGS:
            raise UserError(
                f"Conditionnement inconnu : « {self.conditioning} ». Valeurs possibles : {', '.join(CONDITIONINGS)}."
            )
        super().__post_init__()
        for name in ("latent_dim", "width"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} doit valoir au moins 1 (valeur donnée : {getattr(self, name)}).")
        if not 0 <= self.beta < float("inf"):
            raise UserError(f"beta doit être positif ou nul (valeur donnée : {self.beta}).")
        if not 0 <= self.warmup <= 1:
            raise UserError(f"warmup est une part de l'entraînement, de 0 à 1 (valeur donnée : {self.warmup}).")


@dataclasses.dataclass(frozen=True)
class Profile:
    """A budget, in training images and scored images, so that its duration does not depend on the data.

    Attributes:
        model: images seen by the working model, and the epochs that cut them.
        plane: images seen by each of the two models with a 2-D latent space.
        trial: images seen by one trial of the search, and the epochs that cut them.
        trials: trials of the search.
        finalists: trials trained again at full length.
        judge: images seen by the judge.
        scored: test images measured, at most.
        draws: bootstrap draws.
    """

    model: tuple[int, int]
    plane: int
    trial: tuple[int, int]
    trials: int
    finalists: int
    judge: int
    scored: int
    draws: int


PROFILES = {
    "essai": Profile((512, 2), 256, (256, 2), 4, 1, 256, 200, 20),
    "rapide": Profile((200_000, 8), 150_000, (30_000, 4), 8, 2, 50_000, 10_000, 200),
    "complet": Profile((1_200_000, 20), 600_000, (220_000, 8), 30, 2, 1_200_000, 10_000, 2000),
}


def profile(name: str) -> Profile:
    """Returns a budget by its name.

    Raises:
        UserError: no profile has this name.
    """
    return training.profile(PROFILES, name)


# --- Network ---------------------------------------------------------------------------------------------------------


def build_encoder(config: Config) -> keras.Model:
    """Returns the encoder: (images, labels) -> (n, 2d), the mean then the log-variance of q(z | x, y).

    Images are float32 of shape (n, 28, 28, 1) in 0..1; labels are one-hot, float32 of shape (n, 10), for a conditional
    model only.
    """
    image = keras.Input((SIDE, SIDE, 1), name="image")
    label = keras.Input((len(CLASSES),), name="etiquette")
    width = config.width
    if config.form == "dense":
        features = _join(layers.Flatten()(image), label, config)
        for units in (width, width):
            features = layers.Dense(units, activation="silu")(features)
        features = layers.Dense(max(1, width // 2), activation="silu")(features)
    else:
        features = layers.Conv2D(max(1, width // 2), 5, strides=2, padding="same", activation="silu")(image)
        features = layers.Conv2D(width, 5, strides=2, padding="same", activation="silu")(features)
        features = _join(layers.Flatten()(features), label, config)
        features = layers.Dense(4 * width, activation="silu")(features)
    latent = layers.Dense(2 * config.latent_dim, name="latente")(specialise(features, label, config))
    return keras.Model([image, label] if config.conditional else [image], latent, name="encodeur")


def build_decoder(config: Config) -> keras.Model:
    """Returns the decoder: (z, labels) -> logits of the grey levels, shape (n, 28, 28, 1); z has shape (n, d)."""
    code = keras.Input((config.latent_dim,), name="code")
    label = keras.Input((len(CLASSES),), name="etiquette")
    features = _join(specialise(code, label, config), label, config)
    width = config.width
    if config.form == "dense":
        for units in (width, width):
            features = layers.Dense(units, activation="silu")(features)
        logits = layers.Reshape((SIDE, SIDE, 1))(layers.Dense(SIDE * SIDE)(features))
    else:
        features = layers.Dense(7 * 7 * width, activation="silu")(features)
        features = layers.Reshape((7, 7, width))(features)
        features = layers.Conv2DTranspose(width, 5, strides=2, padding="same", activation="silu")(features)
        logits = layers.Conv2DTranspose(1, 5, strides=2, padding="same")(features)
    return keras.Model([code, label] if config.conditional else [code], logits, name="decodeur")


def _join(features, label, config: Config):
    return layers.Concatenate()([features, label]) if config.conditional else features


def specialise(features, label, config: Config):
    """Places features, shape (n, f), in the block of their class, shape (n, 10 f), the other blocks being zero.

    The dense layer that follows then has weights of its own for each class: it can turn and stretch the code so that
    within each class, and not only over all of them, codes follow N(0, I).
    """
    if not config.conditional or config.conditioning == "concat":
        return features
    blocks = layers.Multiply()([layers.Reshape((len(CLASSES), 1))(label), layers.Reshape((1, -1))(features)])
    return layers.Flatten()(blocks)


@keras.saving.register_keras_serializable(PROJECT)
class CVAE(keras.Model):
    """A VAE, conditional or not, of seven layers.

    Inputs: images, uint8 of shape (n, 28, 28, 1), and labels, integers of shape (n,). The loss is the mean negative
    ELBO in nats per image; `reconstruction` and `kl` track its two terms.
    """

    def __init__(self, config: Config | dict, **kwargs) -> None:
        """Builds the network of a configuration."""
        super().__init__(**kwargs)
        self.config = config if isinstance(config, Config) else Config(**config)
        self.encoder = build_encoder(self.config)
        self.decoder = build_decoder(self.config)
        self.noise = keras.random.SeedGenerator(self.config.seed)
        self.steps_done = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps_done")
        self.reconstruction = keras.metrics.Mean(name="reconstruction")
        self.kl = keras.metrics.Mean(name="kl")

    def get_config(self) -> dict:
        """Returns what is needed to build the model again."""
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}

    def condition(self, first, labels) -> list:
        """Returns the inputs of the encoder or decoder: `first`, with the one-hot labels for a conditional model."""
        first = ops.convert_to_tensor(first)
        if not self.config.conditional:
            return [first]
        return [first, ops.one_hot(ops.cast(labels, "int32"), len(CLASSES), dtype="float32")]

    def call(self, inputs, training: bool = False):
        """Returns the target images, the logits of their reconstructions, and the mean and log-variance of q."""
        images, labels = inputs
        images = ops.cast(images, "float32") / 255.0
        if training and self.config.flip:
            images = self._flip(images, labels)
        mean, log_variance = ops.split(self.encoder(self.condition(images, labels)), 2, axis=-1)
        epsilon = keras.random.normal(ops.shape(mean), seed=self.noise)
        code = mean + ops.exp(0.5 * log_variance) * epsilon
        return images, self.decoder(self.condition(code, labels)), mean, log_variance

    def _flip(self, images, labels):
        """Mirrors each image with probability one half, except shoes."""
        labels = ops.cast(labels, "int32")
        shoe = (labels == 5) | (labels == 7) | (labels == 9)
        flipped = (keras.random.uniform(ops.shape(labels), seed=self.noise) < 0.5) & ~shoe
        return ops.where(ops.reshape(flipped, (-1, 1, 1, 1)), ops.flip(images, axis=2), images)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the mean negative ELBO of a batch, its KL term weighted by beta, which warms up in training."""
        images, logits, mean, log_variance = y_pred
        reconstruction = ops.mean(bernoulli_nll(images, logits))
        kl = ops.mean(gaussian_kl(mean, log_variance))
        self.reconstruction.update_state(reconstruction)
        self.kl.update_state(kl)
        beta = self.config.beta
        if training:
            warmup_steps = self.config.warmup * self.config.steps
            beta = beta * ops.minimum(1.0, (self.steps_done + 1.0) / (warmup_steps + 1.0))
            self.steps_done.assign(self.steps_done + 1.0)
        return reconstruction + beta * kl


def bernoulli_nll(images, logits):
    """Returns -log p(x | z) in nats, shape (n,): cross-entropy of grey levels in 0..1, summed over the pixels."""
    return ops.sum(ops.softplus(logits) - images * logits, axis=(1, 2, 3))


def gaussian_kl(mean, log_variance):
    """Returns KL(N(mean, exp(log_variance)) || N(0, I)) in nats, shape (n,)."""
    return 0.5 * ops.sum(ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance, axis=-1)


def batches(part: Part, size: int):
    """Yields windows of a part: the slice, its images as float32 in 0..1, and its labels."""
    for start in range(0, len(part), size):
        window = slice(start, start + size)
        yield window, part.images[window].astype("float32") / 255.0, part.labels[window]


def nelbo_terms(model: CVAE, part: Part, *, seed: int = 0, batch: int = 1000) -> np.ndarray:
    """Returns each image's reconstruction and KL terms at beta = 1, shape (n, 2), always with the same noise."""
    noise = np.random.default_rng(seed).standard_normal((len(part), model.config.latent_dim), dtype="float32")
    terms = np.empty((len(part), 2), "float64")
    for window, x, y in batches(part, batch):
        mean, log_variance = ops.split(model.encoder(model.condition(x, y)), 2, axis=-1)
        code = mean + ops.exp(0.5 * log_variance) * noise[window]
        terms[window, 0] = np.asarray(bernoulli_nll(x, model.decoder(model.condition(code, y))))
        terms[window, 1] = np.asarray(gaussian_kl(mean, log_variance))
    return terms


# --- Training --------------------------------------------------------------------------------------------------------


def build(config: Config) -> CVAE:
    """Returns the compiled and built model of a configuration, its weights drawn from its seed."""
    keras.utils.set_random_seed(config.seed)
    model = CVAE(config)
    model([np.zeros((1, SIDE, SIDE, 1), "uint8"), np.zeros(1, "uint8")])
    model.compile(training.adam(config))
    return model


def epoch_data(config: Config, part: Part) -> Callable[[int], dict]:
    """Returns a function from an epoch to its arguments of `one_pass`: images and labels, in order of training."""

    def data(epoch: int) -> dict:
        chosen = training.epoch_indices(config, len(part), epoch=epoch)
        return {"x": [part.images[chosen], part.labels[chosen]], "batch_size": config.batch_size}

    return data


def train(config: Config, part: Part, validation: Part | None = None, *, title: str = "") -> training.Run:
    """Loads the model of this configuration, or trains it on `part`.

    Args:
        config: the model and its training.
        part: training images.
        validation: if given, its negative ELBO at beta = 1 is measured after each epoch, always with the same noise.
        title: shown with the progress; nothing is shown if empty.

    Returns:
        The run; `metrics` holds the last `val_loss`, if there is a validation part.
    """

    def measure(model: CVAE) -> dict[str, float]:
        terms = nelbo_terms(model, validation)
        return {
            "val_loss": terms.sum(axis=1).mean(),
            "val_reconstruction": terms[:, 0].mean(),
            "val_kl": terms[:, 1].mean(),
        }

    def fit(model: CVAE, checkpoints: Path) -> tuple[pd.DataFrame, dict[str, float]]:
        history = training.fit_epochs(
            model,
            epoch_data(config, part),
            epochs=config.epochs,
            seed=config.seed,
            evaluate=measure if validation else None,
            checkpoints=checkpoints,
            title=title,
            unit="nats par image",
        )
        metrics = {name: float(history[name].iloc[-1]) for name in history if name.startswith("val_")}
        return history, {**metrics, "seconds": float(history["seconds"].sum())}

    return training.load_or_train(
        dataclasses.asdict(config),
        lambda: build(config),
        fit,
        project=PROJECT,
        data=training.fingerprint(*(a for p in (part, validation) if p for a in (p.images, p.labels))),
        version=VERSION,
        title=title,
        unit="nats par image",
    )
