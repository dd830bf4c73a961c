"""Fashion-MNIST: its official files, the split of its training part, and what its images hold."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import train_test_split

from commun import UserError
from commun.datasets import Location, Report, find_idx, locate, read_idx
from projet2_cvae import sample

CLASSES = ("t-shirt", "pantalon", "pull", "robe", "manteau", "sandale", "chemise", "basket", "sac", "bottine")
ENGLISH = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
VALIDATION_SHARE = 1 / 12  # 5,000 of the 60,000 official training images
SPLIT_SEED = 2026
MOSTLY_BLACK = 0.02  # share of images that touch their border; nearly all those of Fashion-MNIST do
DIGITS = (
    "ces images laissent presque toutes leur bord noir, comme les chiffres de MNIST, dont les fichiers ont "
    "les mêmes noms. Regardez-les avant de croire aux noms des classes."
)


@dataclasses.dataclass(frozen=True)
class Part:
    """Images, uint8 of shape (n, 28, 28, 1), and their labels, uint8 of shape (n,) in 0..9."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.labels)

    def take(self, indices: np.ndarray) -> Part:
        """Returns the images and labels at these indices."""
        return Part(self.images[indices], self.labels[indices])


@dataclasses.dataclass(frozen=True)
class Data:
    """The dataset: `fit` and `validation` share the official training part, `test` is the official test part."""

    fit: Part
    validation: Part
    test: Part
    location: Location

    @functools.cached_property
    def train(self) -> Part:
        """The whole official training part, `fit` then `validation`."""
        both = (self.fit, self.validation)
        return Part(np.concatenate([p.images for p in both]), np.concatenate([p.labels for p in both]))


def load() -> Data:
    """Loads Fashion-MNIST, real where it is present, otherwise the synthetic sample.

    Raises:
        UserError: a file is missing, truncated, swapped or not what it should be, or a class has too few images.
    """
    return open_folder(locate("fashion_mnist", draw=sample.draw))


def open_folder(location: Location) -> Data:
    """Reads the four files of a folder, and splits the training part; raises as `load` does."""
    train, test = (read_part(location.folder, part) for part in ("train", "test"))
    present, needed = np.bincount(train.labels, minlength=len(CLASSES)), round(1 / VALIDATION_SHARE)
    if present.min() < needed:
        raise UserError(
            f"{location.folder} : {present.min()} image(s) d'apprentissage pour « {CLASSES[present.argmin()]} », il en "
            f"faut au moins {needed} par classe. Complétez le jeu, ou retirez-le pour travailler sur l'échantillon."
        )
    fit, validation = train_test_split(
        np.arange(len(train)), test_size=VALIDATION_SHARE, stratify=train.labels, random_state=SPLIT_SEED
    )
    if location.is_real and _looks_like_digits(train.images):
        location = dataclasses.replace(location, warning=f"{location.warning} {DIGITS}".strip())
    return Data(train.take(np.sort(fit)), train.take(np.sort(validation)), test, location)


def verify(folder: Path) -> Report:
    """Says if `open_folder` reads a folder, and what there is to remark."""
    try:
        data = open_folder(Location(folder, True, folder.name))
    except UserError as error:
        return Report((str(error),))
    counted = f"{len(data.train)} images d'apprentissage, {len(data.test)} de test."
    return Report((), tuple(filter(None, (counted, data.location.warning))))


def _looks_like_digits(images: np.ndarray) -> bool:
    """Says if hardly any image touches its border: those of MNIST lie in the middle, clothes do not."""
    border = np.ones(images.shape[1:], bool)
    border[1:-1, 1:-1] = False
    return bool(images[:, border].any(axis=1).mean() < MOSTLY_BLACK)


def read_part(folder: Path, part: str, *, resize: bool = False) -> Part:
    """Reads the official "train" or "test" part; `resize` accepts images of another size, and warns.

    Raises:
        UserError: a file is missing or unreadable, the two do not match, an image is not 28x28, or a label is not 0..9.
    """
    images_path, labels_path = find_idx(Path(folder), part)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if resize and images.ndim == 3 and images.shape[1:] != (28, 28) and images.size:
        warnings.warn(f"Images de {images.shape[1]} × {images.shape[2]} pixels ramenées à 28 × 28.", stacklevel=3)
        images = np.stack([np.asarray(Image.fromarray(im).resize((28, 28), Image.Resampling.LANCZOS)) for im in images])
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise UserError(
            f"{images_path} ne contient pas des images de 28 × 28 pixels (forme lue : {images.shape}). "
            "Les fichiers d'images et d'étiquettes sont-ils échangés ?"
        )
    if labels.ndim != 1 or len(labels) != len(images):
        raise UserError(
            f"{labels_path} ne va pas avec {images_path.name} : {len(images)} images, étiquettes de forme "
            f"{labels.shape}. Les fichiers de deux parties sont-ils mélangés ?"
        )
    if len(labels) == 0:
        raise UserError(f"{images_path} ne contient aucune image.")
    if labels.max() >= len(CLASSES):
        raise UserError(f"{labels_path} contient l'étiquette {labels.max()} : seules 0 à {len(CLASSES) - 1} existent.")
    return Part(images[..., None], labels)


def counts(data: Data) -> pd.DataFrame:
    """Returns the number of images of each class in each part, one row per class."""
    parts = {"apprentissage": data.fit, "validation": data.validation, "test": data.test}
    table = {name: np.bincount(part.labels, minlength=len(CLASSES)) for name, part in parts.items()}
    names = [f"{french} ({english})" for french, english in zip(CLASSES, ENGLISH, strict=True)]
    return pd.DataFrame(table, index=pd.Index(names, name="classe"))


def duplicates(first: Part, second: Part) -> list[tuple[int, int]]:
    """Returns the pairs (index in `first`, index in `second`) of equal images.

    Equal to the last pixel: two such images have the same hash.
    """
    seen: dict[bytes, int] = {}
    for index, image in enumerate(first.images):
        seen.setdefault(hashlib.sha256(image.tobytes()).digest(), index)
    hashes = (hashlib.sha256(image.tobytes()).digest() for image in second.images)
    pairs = ((seen.get(found), index) for index, found in enumerate(hashes))
    return [(a, b) for a, b in pairs if a is not None]


def one_per_class(part: Part, count: int, *, seed: int) -> np.ndarray:
    """Returns the indices of `count` images of each class, shape (10 * count,), ordered by class, drawn by `seed`.

    Raises:
        UserError: a class has fewer images.
    """
    present = np.bincount(part.labels, minlength=len(CLASSES))
    if present.min() < count:
        short = ", ".join(CLASSES[c] for c in np.flatnonzero(present < count))
        raise UserError(f"Moins de {count} image(s) dans cette part pour : {short}. Complétez le jeu de données.")
    random = np.random.default_rng(seed)
    by_class = (np.flatnonzero(part.labels == c) for c in range(len(CLASSES)))
    return np.concatenate([random.choice(indices, count, replace=False) for indices in by_class])


def stratified(part: Part, size: int) -> Part:
    """Returns at most `size` images of a part, the same number of each class as far as they go, always the same."""
    if size >= len(part):
        return part
    order = np.random.default_rng(0).permutation(len(part))
    rank = pd.Series(part.labels[order]).groupby(part.labels[order]).cumcount().to_numpy()
    return part.take(np.sort(order[np.argsort(rank, kind="stable")[:size]]))


def pixel_statistics(part: Part) -> dict[str, float]:
    """Returns the shares of black, white and grey pixels (0..1) and the mean grey level (0..1)."""
    levels = np.bincount(part.images.ravel(), minlength=256) / part.images.size
    black, white = float(levels[0]), float(levels[255])
    return {"black": black, "white": white, "grey": 1 - black - white, "mean": float(levels @ np.arange(256)) / 255}
