"""The VAE and the conditional VAE of project 2: what defines one (`Config`), its two networks, and its loss.

The network has seven layers: three in the encoder, one latent layer, three in the decoder. A layer is one Dense,
Conv2D or Conv2DTranspose; activations, reshapes and concatenations don't count.

Everything is measured in nats per image. The likelihood is Bernoulli on grey levels, summed over the 784 pixels:
the negative ELBO is E_q[-log p(x | z, y)] + KL(q(z | x, y) || N(0, I)) (Kingma and Welling, arXiv:1312.6114; Sohn, Lee
and Yan, "Learning structured output representation using deep conditional generative models", NeurIPS 2015).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from commun import UserError
from commun.training import Budget, keras  # it chooses the default backend of Keras
from projet2_cvae import PROJECT
from projet2_cvae.dataset import CLASSES, Part

from keras import layers, ops  # isort: skip

ARCHITECTURES = ("dense", "conv")
CONDITIONINGS = ("concat", "per_class")
SIDE = 28
WINDOW = 1000  # images measured at a time


@dataclasses.dataclass(frozen=True)
class Config(Budget):
    """Everything that defines a model and its training.

    Attributes:
        conditional: gives the label to the encoder and to the decoder (CVAE), or to neither (VAE).
        conditioning: how a CVAE joins the label to the code: "concat" appends it; "per_class" gives each class its own
            weights in the two layers that touch the code.
        architecture: "dense" or "conv".
        latent_dim: dimension d of the latent space.
        width: units of the wide hidden layers (dense), or channels of the wide feature maps (conv).
        flip: mirrors half of the training images from left to right, except shoes, which all point left.
        warmup: share of the training during which beta rises from 0 to `beta`.
        beta: final weight of the KL term.

    The attributes of `Budget` say how long it is trained.
    """

    conditional: bool = True
    conditioning: str = "concat"
    architecture: str = "dense"
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
        if self.architecture not in ARCHITECTURES:
            raise UserError(
                f"Forme de réseau inconnue : « {self.architecture} ». Formes possibles : {', '.join(ARCHITECTURES)}."
            )
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


# --- Loss ------------------------------------------------------------------------------------------------------------


def bernoulli_nll(images, logits):
    """Returns -log p(x | z), shape (n,): nats summed over pixels, grey levels in 0..1."""
    return ops.sum(ops.softplus(logits) - images * logits, axis=(1, 2, 3))


def gaussian_kl(mean, log_variance):
    """Returns KL(N(mean, exp(log_variance)) || N(0, I)) in nats, shape (n,)."""
    variance = ops.exp(log_variance)
    return 0.5 * ops.sum(variance + ops.square(mean) - 1.0 - log_variance, axis=-1)


# --- Networks --------------------------------------------------------------------------------------------------------


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
        """Returns images, logits of their reconstructions, mean and log-variance of q."""
        images, labels = inputs
        images = ops.cast(images, "float32") / 255.0
        if training and self.config.flip:
            images = self._flip(images, labels)
        latent = self.encoder(self.condition(images, labels))
        mean, log_variance = ops.split(latent, 2, axis=-1)
        epsilon = keras.random.normal(ops.shape(mean), seed=self.noise)
        code = mean + ops.exp(0.5 * log_variance) * epsilon
        return images, self.decoder(self.condition(code, labels)), mean, log_variance

    def _flip(self, images, labels):
        """Mirrors each image with probability one half, except shoes."""
        labels = ops.cast(labels, "int32")
        shoe = (labels == 5) | (labels == 7) | (labels == 9)
        mirrored = (keras.random.uniform(ops.shape(labels), seed=self.noise) < 0.5) & ~shoe
        return ops.where(ops.reshape(mirrored, (-1, 1, 1, 1)), ops.flip(images, axis=2), images)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the mean negative ELBO of a batch; in training, beta warms up."""
        images, logits, mean, log_variance = y_pred
        reconstruction = ops.mean(bernoulli_nll(images, logits))
        kl = ops.mean(gaussian_kl(mean, log_variance))
        self.reconstruction.update_state(reconstruction)
        self.kl.update_state(kl)
        beta = self.config.beta
        if training:
            warmup_steps = self.config.warmup * self.config.steps
            share = (self.steps_done + 1.0) / (warmup_steps + 1.0)
            beta = beta * ops.minimum(1.0, share)
            self.steps_done.assign(self.steps_done + 1.0)
        return reconstruction + beta * kl


def build_encoder(config: Config) -> keras.Model:
    """Returns the encoder: (images, labels) -> mean and log-variance of q, (n, 2d).

    Images are float32 of shape (n, 28, 28, 1) in 0..1; labels are one-hot, float32 of
    shape (n, 10), for a conditional model only.
    """
    image = keras.Input((SIDE, SIDE, 1), name="image")
    label = keras.Input((len(CLASSES),), name="etiquette")
    width = config.width
    if config.architecture == "dense":
        features = _append(layers.Flatten()(image), label, config)
        for units in (width, width, max(1, width // 2)):
            features = layers.Dense(units, activation="silu")(features)
    else:
        features = image
        for channels in (max(1, width // 2), width):
            features = layers.Conv2D(
                channels, 5, strides=2, padding="same", activation="silu"
            )(features)
        features = _append(layers.Flatten()(features), label, config)
        features = layers.Dense(4 * width, activation="silu")(features)
    if config.conditional and config.conditioning == "per_class":
        features = class_blocks(features, label)
    latent = layers.Dense(2 * config.latent_dim, name="latente")(features)
    inputs = [image, label] if config.conditional else [image]
    return keras.Model(inputs, latent, name="encodeur")


def build_decoder(config: Config) -> keras.Model:
    """Returns the decoder: (z, labels) -> logits of the grey levels, (n, 28, 28, 1).

    Codes z are of shape (n, d); labels as in the encoder.
    """
    code = keras.Input((config.latent_dim,), name="code")
    label = keras.Input((len(CLASSES),), name="etiquette")
    per_class = config.conditional and config.conditioning == "per_class"
    features = class_blocks(code, label) if per_class else code
    features = _append(features, label, config)
    width = config.width
    if config.architecture == "dense":
        for units in (width, width):
            features = layers.Dense(units, activation="silu")(features)
        logits = layers.Reshape((SIDE, SIDE, 1))(layers.Dense(SIDE * SIDE)(features))
    else:
        features = layers.Dense(7 * 7 * width, activation="silu")(features)
        features = layers.Reshape((7, 7, width))(features)
        features = layers.Conv2DTranspose(
            width, 5, strides=2, padding="same", activation="silu"
        )(features)
        logits = layers.Conv2DTranspose(1, 5, strides=2, padding="same")(features)
    inputs = [code, label] if config.conditional else [code]
    return keras.Model(inputs, logits, name="decodeur")


def class_blocks(features, label):
    """Places features, (n, f), in the block of their class, (n, 10 f), zero elsewhere.

    The dense layer that follows then has weights of its own for each class: it can turn
    and stretch the code so that within each class, and not only over all of them, codes
    follow N(0, I).
    """
    column = layers.Reshape((len(CLASSES), 1))(label)
    blocks = layers.Multiply()([column, layers.Reshape((1, -1))(features)])
    return layers.Flatten()(blocks)


def _append(features, label, config: Config):
    return layers.Concatenate()([features, label]) if config.conditional else features


# --- The loss of given images ----------------------------------------------------------------------------------------


def nelbo_terms(model: CVAE, part: Part, *, seed: int = 0) -> np.ndarray:
    """Returns each image's reconstruction and KL terms at beta = 1, shape (n, 2), always with the same noise."""
    noise = np.random.default_rng(seed).standard_normal((len(part), model.config.latent_dim), dtype="float32")
    terms = np.empty((len(part), 2), "float64")
    for window, x, y in windows(part, WINDOW):
        mean, log_variance = ops.split(model.encoder(model.condition(x, y)), 2, axis=-1)
        code = mean + ops.exp(0.5 * log_variance) * noise[window]
        terms[window, 0] = np.asarray(bernoulli_nll(x, model.decoder(model.condition(code, y))))
        terms[window, 1] = np.asarray(gaussian_kl(mean, log_variance))
    return terms


def windows(part: Part, size: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yields windows of a part: the slice, its images as float32 in 0..1, and its labels."""
    for start in range(0, len(part), size):
        window = slice(start, start + size)
        yield window, part.images[window].astype("float32") / 255.0, part.labels[window]
