"""Training speed of the CVAE against the same network written as the usual Keras tutorial, in the same run.

The tutorial's way (keras.io, "Variational AutoEncoder"): float32 images, a sampling layer, a custom `train_step` with
a GradientTape, `binary_crossentropy` of a sigmoid output, three metric trackers, and `fit` with its default shuffle.
Ours: uint8 images cast in the graph, the loss from logits, `compute_loss`. Same layers, same optimiser, same batches.
Rounds alternate between the two, and each round gives one ratio.

    python benchmarks/entrainement.py [--images 50000] [--tours 5] [--forme dense]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time

import numpy as np

from commun import results, training  # first: it chooses the backend
from projet2_cvae import model
from projet2_cvae import training as own_training
from projet2_cvae.dataset import Part

import keras  # isort: skip
import tensorflow as tf  # isort: skip


class Tutorial(keras.Model):
    """The VAE of the Keras tutorial, with the label given to both sides."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        """Takes the two networks."""
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.trackers = [keras.metrics.Mean(name=name) for name in ("loss", "reconstruction", "kl")]
        self.noise = keras.random.SeedGenerator(0)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The three means that `fit` shows."""
        return self.trackers

    def train_step(self, data):
        """Takes one gradient step, as the tutorial does."""
        images, labels = data
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder([images, labels]), 2, axis=-1)
            code = mean + tf.exp(0.5 * log_variance) * keras.random.normal(tf.shape(mean), seed=self.noise)
            probabilities = tf.sigmoid(self.decoder([code, labels]))
            crossentropy = keras.losses.binary_crossentropy(images, probabilities)
            reconstruction = tf.reduce_mean(tf.reduce_sum(crossentropy, axis=(1, 2)))
            kl = -0.5 * (1 + log_variance - tf.square(mean) - tf.exp(log_variance))
            kl = tf.reduce_mean(tf.reduce_sum(kl, axis=1))
            loss = reconstruction + kl
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for tracker, value in zip(self.trackers, (loss, reconstruction, kl), strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def stages(config: model.Config, images: np.ndarray, labels: np.ndarray, *, repeats: int = 60) -> dict[str, float]:
    """Returns the milliseconds of one step, cumulated: forward pass, with the gradient, with Adam's update."""
    network = own_training.build(config)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(network.trainable_variables)
    batch = [tf.constant(a[: config.batch_size]) for a in (images, labels)]

    def forward():
        return network.compute_loss(y_pred=network(batch, training=True), training=True)

    def gradient():
        with tf.GradientTape() as tape:
            loss = forward()
        return tape.gradient(loss, network.trainable_variables)

    def update():
        optimizer.apply(gradient(), network.trainable_variables)

    milliseconds = {}
    for name, stage in (("passe avant", forward), ("avec le gradient", gradient), ("avec Adam", update)):
        compiled = tf.function(stage)
        compiled()
        start = time.perf_counter()
        for _ in range(repeats):
            compiled()
        milliseconds[name] = 1000 * (time.perf_counter() - start) / repeats
    return milliseconds


def main() -> None:
    """Prints the speeds of both, in images per second, and the ratio of each round."""
    parser = argparse.ArgumentParser(description="Vitesse d'entraînement du CVAE contre le tutoriel Keras.")
    parser.add_argument("--images", type=int, default=50_000, help="images par mesure")
    parser.add_argument("--tours", type=int, default=5, help="mesures de chacun, en alternance")
    parser.add_argument("--forme", choices=model.ARCHITECTURES, default="dense")
    options = parser.parse_args()

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (options.images, 28, 28, 1), dtype="uint8")
    labels = random.integers(0, 10, options.images).astype("uint8")
    width = {"dense": 512, "conv": 64}[options.forme]
    config = model.Config(architecture=options.forme, width=width, flip=False, images_seen=options.images, epochs=1)

    ours, part = own_training.build(config), Part(images, labels)
    tutorial = Tutorial(model.build_encoder(config), model.build_decoder(config))
    tutorial.compile(training.adam(config))
    floats, one_hot = images.astype("float32") / 255, keras.utils.to_categorical(labels, 10)

    def ours_pass(epoch: int) -> None:
        training.train_one_epoch(ours, own_training.batches(config, part, epoch))

    def tutorial_pass(epoch: int) -> None:
        tutorial.fit(floats, one_hot, epochs=1, batch_size=config.batch_size, verbose=0)

    def speed(run, epoch: int) -> float:
        start = time.perf_counter()
        run(epoch)
        return options.images / (time.perf_counter() - start)

    for run in (ours_pass, tutorial_pass):  # compiles
        run(0)
    pairs = [(speed(ours_pass, turn), speed(tutorial_pass, turn)) for turn in range(options.tours)]
    ratios = [a / b for a, b in pairs]
    print(f"Matériel : {results.hardware()} ; réseau {options.forme}, largeur {width}, lots de {config.batch_size}")
    print(f"Réglages : {dataclasses.asdict(config)}")
    print(f"Le nôtre : {statistics.median(a for a, _ in pairs):.0f} images/s (médiane de {options.tours})")
    print(f"Tutoriel : {statistics.median(b for _, b in pairs):.0f} images/s")
    print(f"Rapport  : {statistics.median(ratios):.2f} (de {min(ratios):.2f} à {max(ratios):.2f})")
    parts = stages(config, images, labels)
    whole = 1000 * config.batch_size / statistics.median(a for a, _ in pairs)
    cumulated = ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
    print(f"Une étape, en ms cumulées : {cumulated}, dans fit {whole:.1f}")


if __name__ == "__main__":
    main()
