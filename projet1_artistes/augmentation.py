"""What the network is shown while it learns: how works are transformed and mixed, and how often each is shown.

Augmentation is online: nothing is written, each showing of a work draws other transforms. They preserve the label:
crop, mirror image, small rotation, brightness and contrast; no change of hue, blur or distortion, which carry style.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from PIL import Image

OVERSAMPLING_THRESHOLD = 100  # works: artists with fewer are shown as often as one of so many; see the notebooks' SEUIL


@dataclasses.dataclass(frozen=True)
class Transforms:
    """How far works are transformed.

    Attributes:
        scale: least and largest share of the picture that a crop keeps, 0..1; (1, 1) keeps it all. A quarter of a
            picture of 128 px, shown at 64, keeps all its details.
        ratio: largest ratio of the sides of a crop before it is made square again, at least 1.
        degrees: largest rotation; half of the works stay upright.
        brightness_contrast: largest change of brightness and of contrast, as a share.
        flip: one time out of two, the mirror image.
    """

    scale: tuple[float, float] = (0.35, 1.0)
    ratio: float = 1.2
    degrees: float = 7.0
    brightness_contrast: float = 0.1
    flip: bool = True


NONE = Transforms(scale=(1, 1), ratio=1, degrees=0, brightness_contrast=0, flip=False)


def transform(
    image: np.ndarray, side: int, random: np.random.Generator, settings: Transforms
) -> np.ndarray:
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
    share = random.uniform(*settings.scale) ** 0.5
    ratio = math.exp(random.uniform(-1, 1) * math.log(settings.ratio) / 2)
    w, h = width * min(1, share * ratio), height * min(1, share / ratio)
    degrees = random.uniform(-settings.degrees, settings.degrees)
    angle = math.radians(degrees) * (random.random() < 0.5)
    across, down = _bounding(w, h, angle)
    shrink = min(1, width / across, height / down)  # the crop lies within the picture
    w, h, across, down = (length * shrink for length in (w, h, across, down))
    x = random.uniform(across / 2, width - across / 2 + 1e-9)
    y = random.uniform(down / 2, height - down / 2 + 1e-9)
    crop = _crop(Image.fromarray(image), (x, y, w, h), angle, side)
    if settings.flip and random.random() < 0.5:
        crop = crop[:, ::-1]
    if settings.brightness_contrast:
        changes = random.uniform(-1, 1, 2) * settings.brightness_contrast
        contrast, brightness = (1 + changes).astype(np.float32)
        mean = crop[::4, ::4].mean(axis=(0, 1))  # of one pixel in sixteen: faster
        # In place and by whole rows: three times as fast.
        rows = crop.reshape(side, 3 * side) * contrast
        rows += np.tile(mean * (brightness - contrast), side)
        crop = np.clip(rows, 0, 255, out=rows).reshape(crop.shape)
    return crop


def batch(
    images: np.ndarray,
    rows: np.ndarray,
    targets: np.ndarray,
    side: int,
    settings: Transforms,
    *,
    seed: tuple[int, ...],
    cutmix_probability: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, ...]:
    """Returns transformed works, perhaps mixed, and their targets: what the network learns from in one step.

    Args:
        images: all works, uint8, shape (n, height, width, 3).
        rows: those of the batch, shape (b,).
        targets: of those, float32, shape (b, k), rows summing to 1.
        side: of the results, in pixels.
        settings: extent of the transforms.
        seed: draws them.
        cutmix_probability: that the batch is mixed, 0..1.
        weights: of each class, shape (k,).

    Returns:
        Images, float32 (b, side, side, 3) in 0..255, targets (b, k) and, if there are weights, those of the works (b,).
    """
    random = np.random.default_rng(seed)
    crops = np.stack([transform(images[row], side, random, settings) for row in rows])
    mixed, targets = cutmix(crops, targets, random, cutmix_probability)
    return (mixed, targets) if weights is None else (mixed, targets, targets @ weights)


def cutmix(
    images: np.ndarray,
    targets: np.ndarray,
    random: np.random.Generator,
    probability: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Pastes into each work a rectangle of another; mixes their targets by area.

    Source: Yun et al., "CutMix", ICCV 2019.

    Args:
        images: float32, shape (n, h, w, 3).
        targets: float32, shape (n, k), rows summing to 1.
        random: draws one rectangle for the batch, and who goes with whom.
        probability: that the batch is mixed, 0..1.

    Returns:
        The same shapes; the arguments are left as they were.
    """
    if random.random() >= probability:
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


def resize_all(images: np.ndarray, side: int) -> np.ndarray:
    """Returns whole works, uint8 (n, h, w, 3), at a side: what a network sees outside training, float32 in 0..255."""
    if images.shape[1:3] == (side, side):
        return images.astype(np.float32)
    resized = [Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS) for image in images]
    return np.asarray(resized, np.float32).reshape(len(images), side, side, 3)


# --- How often each work is shown ------------------------------------------------------------------------------------


def repeat_factors(labels: np.ndarray, threshold: int) -> np.ndarray:
    """Returns how often each work is shown while a work of a large artist is shown once, float64 of shape (n,).

    An artist with fewer than `threshold` works is shown as often as one who has so many; 0 or 1 changes nothing.
    """
    counts = np.bincount(labels)[labels]
    return np.maximum(1.0, threshold / counts)


def oversampled_indices(labels: np.ndarray, threshold: int, *, seed: int) -> np.ndarray:
    """Returns the works of one passage, rare artists oversampled: int64 of shape (m,), each as `repeat_factors` says.

    Where that is no whole number, the seed draws which works of the artist are shown once more.
    """
    factors = repeat_factors(labels, threshold)
    random = np.random.default_rng([seed, threshold])
    times = np.floor(factors + 1e-9).astype(np.int64)
    for artist in np.unique(labels):
        rows = np.flatnonzero(labels == artist)
        more = round(float(factors[rows].sum())) - int(times[rows].sum())
        times[random.permutation(rows)[:more]] += 1
    return np.repeat(np.arange(len(labels)), times)


def class_weights(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns the weight of each class so that all weigh the same: n / (k n_c), as scikit-learn's "balanced".

    Args:
        labels: of the works of one passage, repetitions included, shape (n,).
        count: number of classes; those without works weigh 0.

    Returns:
        float32, shape (count,).
    """
    works = np.bincount(labels, minlength=count)
    weights = len(labels) / (max(1, (works > 0).sum()) * np.maximum(works, 1))
    return np.where(works > 0, weights, 0).astype(np.float32)


# --- Geometry of a crop ----------------------------------------------------------------------------------------------


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
