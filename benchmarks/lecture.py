"""Reading of the paintings, against `keras.utils.image_dataset_from_directory`, in the same run.

What each takes until all the works of the sample have been given once at 128 pixels, then once more: an epoch of a
training each. Ours decodes once into one file, mapped afterwards; the usual way decodes and resizes again each epoch.
Imports, a first call and the files that TensorFlow can't read, at which it stops, are left out; rounds alternate, each
in a working folder of its own. Works of the sample are small: `--cote 1024` enlarges them first.

    python benchmarks/lecture.py [--tours 3] [--cote 1024]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image

from commun import results
from commun.images import read_images
from projet1_artistes import sample
from projet1_artistes.files import index

import keras  # isort: skip
import tensorflow as tf  # isort: skip

SIDE, BATCH = 128, 32


def timed(work) -> float:
    """Returns the seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def enlarge(source: Path, target: Path, side: int) -> None:
    """Writes an image of the same format, whose smaller side has so many pixels."""
    with Image.open(source) as image:
        size = [round(length * side / min(image.size)) for length in image.size]
        image.resize(size, Image.Resampling.BICUBIC).save(target, image.format, quality=90)


def main() -> None:
    """Prints the seconds of the first and second epochs of both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tours", type=int, default=3, help="mesures de chacun, en alternance")
    parser.add_argument("--cote", type=int, default=0, help="agrandit les œuvres : plus petit côté, en pixels")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "œuvres").mkdir()
        sample.draw(folder / "œuvres")
        paths, place = [], folder / "lues"
        for path in index(folder / "œuvres")[0]["path"]:
            with contextlib.suppress(tf.errors.InvalidArgumentError):
                tf.io.decode_image(path.read_bytes(), channels=3)
                paths.append(place / path.parent.name / path.name)
                paths[-1].parent.mkdir(parents=True, exist_ok=True)
                if options.cote:
                    enlarge(path, paths[-1], options.cote)
                else:
                    shutil.copyfile(path, paths[-1])

        def ours() -> None:
            images, _ = read_images(paths, SIDE, project="mesure", crop=True)
            for start in range(0, len(images), BATCH):
                images[start : start + BATCH].astype("float32")

        def usual() -> keras.utils.PyDataset:
            return keras.utils.image_dataset_from_directory(
                str(place), image_size=(SIDE, SIDE), batch_size=BATCH, crop_to_aspect_ratio=True, verbose=False
            )

        def read(dataset) -> None:
            for _ in dataset:
                pass

        read(usual().take(1))
        rounds = []
        for turn in range(options.tours):
            os.environ["PROJETS_TRAVAIL"] = str(folder / f"travail {turn}")
            first, second = timed(ours), timed(ours)
            start = time.perf_counter()
            dataset = usual()
            read(dataset)
            rounds.append((first, time.perf_counter() - start, second, timed(lambda dataset=dataset: read(dataset))))
    print(f"Matériel : {results.hardware()} ; {len(paths)} œuvres, {SIDE} pixels")
    for label, columns in (("première époque", (0, 1)), ("suivantes", (2, 3))):
        mine, theirs = ([one[column] for one in rounds] for column in columns)
        ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
        print(
            f"{label} : {statistics.median(mine):.2f} s contre {statistics.median(theirs):.2f} s, rapport "
            f"{statistics.median(ratios):.1f} (de {min(ratios):.1f} à {max(ratios):.1f})"
        )


if __name__ == "__main__":
    main()
