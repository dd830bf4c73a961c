"""Training speed of the painters' network against the usual Keras tutorial, in the same run.

The tutorial's way (keras.io, "Image classification from scratch"): `image_dataset_from_directory` decodes the files at
each epoch, and layers in front of the network flip, rotate and zoom the batch. Ours: works decoded once into a
memory-mapped file, crops, tilts and mirrors drawn in NumPy and Pillow by a thread, while the network trains. Same
network, same optimiser, same batches, same files. Rounds alternate between the two, and each gives one ratio.

    python benchmarks/peintures.py [--tours 5] [--largeur 24]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from commun import results
from commun.training import keras, train_one_epoch
from projet1_artistes import dataset, training
from projet1_artistes.training import Batches, Config


def plain_files(data: dataset.Data) -> np.ndarray:
    """Returns the rows of the works that the tutorial can read: JPEG in RGB."""
    rows = []
    for row, path in enumerate(data.works["path"]):
        with Image.open(path) as image:
            if (image.format, image.mode) == ("JPEG", "RGB"):
                rows.append(row)
    return np.array(rows)


def tutorial(config: Config, folder: Path, classes: int):
    """Returns the tutorial's model, compiled, and its dataset."""
    side = config.train_side
    files = keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", image_size=(side, side), batch_size=config.batch_size, seed=0, verbose=False
    )
    inputs = keras.Input((side, side, 3))
    x = keras.layers.RandomFlip("horizontal")(inputs)
    x = keras.layers.RandomRotation(0.02)(x)
    x = keras.layers.RandomZoom((-0.4, 0.0))(x)
    network = keras.Model(inputs, training.network(config, classes)(x))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing)
    network.compile(training.optimizer(config), loss, metrics=["accuracy"])
    return network, files.prefetch(2)


def main() -> None:
    """Prints the speeds of both, in images per second, and where the time goes."""
    parser = argparse.ArgumentParser(description="Vitesse d'entraînement du projet 1 contre le tutoriel Keras.")
    parser.add_argument("--tours", type=int, default=5, help="mesures de chacun, en alternance")
    parser.add_argument("--largeur", type=int, default=24, help="canaux du premier étage")
    options = parser.parse_args()

    data = dataset.load()
    rows, images, classes = plain_files(data), data.images, len(data.names)
    seen = len(rows) * (options.tours + 1)
    config = Config(width=options.largeur, cutmix_probability=0, images_seen=seen, epochs=1)
    ours = training.build(config, classes)

    def batches(turn: int) -> Batches:
        order = np.random.default_rng(turn).permutation(rows)
        return Batches(images, data.labels, order, config, classes, epoch=turn)

    with tempfile.TemporaryDirectory() as temporary:
        for row in rows:
            target = Path(temporary) / f"{data.labels[row]:03d}" / f"{row}.jpg"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(data.works["path"].iloc[row], target)
        theirs, files = tutorial(config, Path(temporary), classes)

        def speed(run) -> float:
            start = time.perf_counter()
            run()
            return len(rows) / (time.perf_counter() - start)

        def ours_pass(turn: int) -> None:
            train_one_epoch(ours, batches(turn))

        ours_pass(0)  # compiles
        theirs.fit(files, verbose=0)
        pairs = [
            (speed(lambda t=turn: ours_pass(t)), speed(lambda: theirs.fit(files, verbose=0)))
            for turn in range(1, options.tours + 1)
        ]
        made = speed(lambda: [batches(0)[i] for i in range(len(batches(0)))])
        read = speed(lambda: [None for _ in files])
        direct = speed(lambda: [ours.train_on_batch(*batches(0)[i]) for i in range(len(batches(0)))])
        still = [batches(0)[i] for i in range(4)]
        start = time.perf_counter()
        for _ in range(5):
            for batch in still:
                ours.train_on_batch(*batch)
        step = 5 * sum(len(batch[0]) for batch in still) / (time.perf_counter() - start)
    ratios = [a / b for a, b in pairs]
    settings = f"largeur {options.largeur}, lots de {config.batch_size}, {config.train_side} px"
    source = "réelles" if data.location.is_real else "échantillon"
    print(f"Matériel : {results.hardware()} ; {settings}")
    print(f"Données  : {data.location.title}, {source}, {len(rows)} œuvres")
    print(f"Le nôtre : {statistics.median(a for a, _ in pairs):.0f} images/s (médiane de {options.tours})")
    print(f"Tutoriel : {statistics.median(b for _, b in pairs):.0f} images/s")
    print(f"Rapport  : {statistics.median(ratios):.2f} (de {min(ratios):.2f} à {max(ratios):.2f})")
    print(f"Sans fil : {direct:.0f} images/s, chaque lot préparé entre deux pas")
    print(f"Seuls    : nos lots {made:.0f} images/s, ceux du tutoriel {read:.0f}, le réseau {step:.0f}")


if __name__ == "__main__":
    main()
