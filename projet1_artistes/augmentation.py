"""What is shown to the network while it learns: which works how often, and transformed how.

Augmentation is online: nothing is written, each passage of a work draws other transforms. They keep the painter's hand:
part of the picture, its mirror image, a slight tilt, another light; no change of hue, no blur, no distortion.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from PIL import Image

from commun.training import keras

SEUIL = 100  # works: the small artists are shown as often as one of so many; the parameter of the notebooks


@dataclasses.dataclass(frozen=True)
class Transforms:
    """How far works are transformed.

    Attributes:
        area: least share of the picture that a crop keeps, 0..1; 1 keeps it all.
        most: largest share, 0..1. A quarter of a picture of 128 px, shown at 64, keeps all its details.
        ratio: largest ratio of the sides of a crop before it is made square again, at least 1.
        tilt: largest rotation, in degrees; half of the works stay upright.
        light: largest change of brightness and of contrast, as a share.
        flip: one time out of two, the mirror image.
    """

    area: float = 0.35
    most: float = 1.0
    ratio: float = 1.2
    tilt: float = 7.0
    light: float = 0.1
    flip: bool = True


NONE = Transforms(area=1, ratio=1, tilt=0, light=0, flip=False)


def transform(image: np.ndarray, side: int, random: np.random.Generator, settings: Transforms) -> np.ndarray:
    """Returns a work transformed at random.

    Args:
        image: uint8, shape (height, width, 3).
        side: side of the result, in pixels.
        random: draws the transforms.
        settings: their extent.

    Returns:
        float32 in 0..255, shape (side, side, 3).
    """
    height, width = image.shape[:2]
    share = random.uniform(settings.area, settings.most) ** 0.5
    ratio = math.exp(random.uniform(-1, 1) * math.log(settings.ratio) / 2)
    w, h = width * min(1, share * ratio), height * min(1, share / ratio)
    angle = math.radians(random.uniform(-settings.tilt, settings.tilt)) * (random.random() < 0.5)
    across, down = _bounding(w, h, angle)
    shrink = min(1, width / across, height / down)  # the tilted crop must lie within the picture
    w, h, across, down = (length * shrink for length in (w, h, across, down))
    x = random.uniform(across / 2, width - across / 2 + 1e-9)
    y = random.uniform(down / 2, height - down / 2 + 1e-9)
    shown = _crop(Image.fromarray(image), (x, y, w, h), angle, side)
    if settings.flip and random.random() < 0.5:
        shown = shown[:, ::-1]
    if settings.light:
        gain, shift = (1 + random.uniform(-1, 1, 2) * settings.light).astype(np.float32)
        mean = shown[::4, ::4].mean(axis=(0, 1))  # of one pixel in sixteen: as good, and faster
        shown = np.clip(shown * gain + mean * (shift - gain), 0, 255)
    return shown


def _bounding(width: float, height: float, angle: float) -> tuple[float, float]:
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    return width * cosine + height * sine, width * sine + height * cosine


def _crop(image: Image.Image, box: tuple[float, float, float, float], angle: float, side: int) -> np.ndarray:
    """Returns the rectangle of centre x, y and size w, h, tilted by `angle` (radians), as a square of this side."""
    x, y, w, h = box
    across, down = _bounding(w, h, angle)
    left, top = max(0, x - across / 2), max(0, y - down / 2)
    bounds = (left, top, min(image.width, x + across / 2), min(image.height, y + down / 2))
    if not angle:
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, bounds), np.float32)
    # First what contains it, at the scale of the result: so that what follows is antialiased, and has few pixels.
    size = (math.ceil(side * across / w), math.ceil(side * down / h))
    image = image.resize(size, Image.Resampling.BICUBIC, bounds)
    horizontal, vertical = size[0] / (bounds[2] - left), size[1] / (bounds[3] - top)
    cosine, sine = math.cos(angle), math.sin(angle)
    corners = [(dx * w / 2, dy * h / 2) for dx, dy in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    turned = [(x + dx * cosine - dy * sine - left, y + dx * sine + dy * cosine - top) for dx, dy in corners]
    quad = [c for a, b in turned for c in (a * horizontal, b * vertical)]
    return np.asarray(image.transform((side, side), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC), np.float32)


def presented(images: np.ndarray, side: int) -> np.ndarray:
    """Returns whole works at the side at which a network sees them outside training: float32 in 0..255."""
    if images.shape[1:3] == (side, side):
        return images.astype(np.float32)
    resized = [Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS) for image in images]
    return np.asarray(resized, np.float32).reshape(len(images), side, side, 3)


# --- How often each work is shown ------------------------------------------------------------------------------------


def showings(labels: np.ndarray, threshold: int) -> np.ndarray:
    """Returns how often each work is shown while a work of a large artist is shown once, float64 of shape (n,).

    An artist with fewer than `threshold` works is shown as often as one who has so many; 0 or 1 changes nothing.
    """
    counts = np.bincount(labels)[labels]
    return np.maximum(1.0, threshold / counts)


def playlist(labels: np.ndarray, threshold: int, *, seed: int) -> np.ndarray:
    """Returns the works of one passage, int64 of shape (m,): each as often as `showings` says.

    Where that is no whole number, the seed draws which works of the artist are shown once more.
    """
    often = showings(labels, threshold)
    random = np.random.default_rng([seed, threshold])
    whole = np.floor(often + 1e-9).astype(np.int64)
    for artist in np.unique(labels):
        rows = np.flatnonzero(labels == artist)
        more = round(float(often[rows].sum())) - int(whole[rows].sum())
        whole[random.permutation(rows)[:more]] += 1
    return np.repeat(np.arange(len(labels)), whole)


def class_weights(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns the weight of each class so that all weigh the same: n / (k n_c), as scikit-learn's "balanced".

    Args:
        labels: as they are shown, repetitions included, shape (n,).
        count: number of classes; those without works weigh 0.

    Returns:
        float32, shape (count,).
    """
    seen = np.bincount(labels, minlength=count)
    weights = len(labels) / (max(1, (seen > 0).sum()) * np.maximum(seen, 1))
    return np.where(seen > 0, weights, 0).astype(np.float32)


def cutmix(
    images: np.ndarray, targets: np.ndarray, random: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pastes into each work a rectangle of another, and mixes their targets by area (Yun et al., ICCV 2019).

    Args:
        images: float32, shape (n, h, w, 3).
        targets: float32, shape (n, k), rows summing to 1.
        random: draws one rectangle for the batch, and who goes with whom.
        strength: share of the batches that are mixed, 0..1.

    Returns:
        The same shapes; the arguments are left as they were.
    """
    if random.random() >= strength:
        return images, targets
    height, width = images.shape[1:3]
    side = math.sqrt(1 - random.random())
    h, w = round(height * side), round(width * side)
    y, x = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
    partner = random.permutation(len(images))
    mixed = images.copy()
    mixed[:, y : y + h, x : x + w] = images[partner, y : y + h, x : x + w]
    share = np.float32(h * w / (height * width))
    return mixed, (1 - share) * targets + share * targets[partner]


class Batches(keras.utils.PyDataset):
    """The batches of one epoch, made in parallel with the training; each is a function of (seed, epoch, batch)."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        order: np.ndarray,
        *,
        classes: int,
        batch_size: int,
        side: int,
        seed: tuple[int, int],
        transforms: Transforms,
        mixed: float = 0.0,
        weights: np.ndarray | None = None,
    ) -> None:
        """Prepares the batches.

        Args:
            images: uint8, shape (n, height, width, 3); may be memory-mapped.
            labels: class ids, shape (n,).
            order: rows of `images` in the order in which they are shown, shape (m,).
            classes: number of classes.
            batch_size: images in a batch.
            side: side at which they are shown, in pixels.
            seed: the training's, and the epoch.
            transforms: how they are transformed.
            mixed: share of the batches that `cutmix` mixes.
            weights: weight of each class, shape (classes,).
        """
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.images, self.labels, self.order, self.classes = images, labels, order, classes
        self.batch_size, self.side, self.seed = batch_size, side, seed
        self.transforms, self.mixed, self.weights = transforms, mixed, weights

    def __len__(self) -> int:
        """Returns the number of batches."""
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Returns images, float32 (b, side, side, 3) in 0..255, targets (b, classes) and, if any, weights (b,)."""
        random = np.random.default_rng([*self.seed, index])
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.stack([transform(self.images[row], self.side, random, self.transforms) for row in rows])
        targets = np.eye(self.classes, dtype=np.float32)[self.labels[rows]]
        images, targets = cutmix(images, targets, random, self.mixed)
        return (images, targets) if self.weights is None else (images, targets, targets @ self.weights)
