"""Writes the sample in the layout of the real set: four gzip IDX files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from commun.datasets import IDX_FILES
from projet2_cvae.sample.garments import CLASSES, draw_images

SEED = 0


def draw(folder: Path, *, train: int = 6000, test: int = 1000) -> None:
    """Writes the four files of the sample: gzip IDX, classes balanced to within one image, in shuffled order.

    With the same versions of NumPy and Pillow, the same bytes each time.

    Args:
        folder: where to write; made if needed.
        train: number of training images.
        test: number of test images.
    """
    rng = np.random.default_rng(SEED)
    labels = np.concatenate([rng.permutation(np.arange(count) % CLASSES) for count in (train, test)])
    labels = labels.astype(np.uint8)
    images = draw_images(labels, SEED)
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", slice(None, train)), ("test", slice(train, None))):
        images_name, labels_name = IDX_FILES[part]
        _write_idx(folder / images_name, images[rows])
        _write_idx(folder / labels_name, labels[rows])


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=6, mtime=0))
