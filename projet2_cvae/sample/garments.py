"""One picture for each label: a garment of the class in greys near those of the real ones, with its cloth."""

from __future__ import annotations

import random

import numpy as np

from projet2_cvae.sample.bags import bag
from projet2_cvae.sample.canvas import SIDE, Sketch
from projet2_cvae.sample.cloth import cloth_light, sharpen
from projet2_cvae.sample.shoes import boot, sandal, sneaker
from projet2_cvae.sample.tops import coat, dress, pullover, shirt, tshirt
from projet2_cvae.sample.trousers import trouser

CLASSES = 10
_TONE_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_TONES = (  # grey of the cloth at these quantiles, by class, near those of the real set
    (35, 60, 125, 170, 200, 222, 235),
    (60, 100, 150, 180, 200, 215, 230),
    (40, 65, 115, 165, 200, 222, 235),
    (45, 75, 135, 180, 205, 222, 235),
    (45, 75, 145, 185, 208, 224, 238),
    (70, 95, 130, 165, 195, 225, 240),
    (30, 50, 100, 155, 195, 222, 235),
    (60, 85, 125, 160, 190, 220, 238),
    (60, 90, 145, 175, 200, 220, 235),
    (80, 115, 155, 180, 198, 220, 235),
)


def draw_images(labels: np.ndarray, seed: int) -> np.ndarray:
    """Draws one garment for each label.

    Args:
        labels: class ids, shape (n,), integers in 0..9.
        seed: the same labels and seed give the same images.

    Returns:
        Images, uint8, shape (n, 28, 28), 0..255, a light garment on a background that is exactly 0.
    """
    garments = (tshirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, boot)
    shapes = np.zeros((len(labels), SIDE, SIDE), dtype=np.uint8)
    for i, label in enumerate(labels):
        rng = random.Random(f"{seed}/{i}")
        sketch = Sketch(rng, np.interp(rng.random(), _TONE_QUANTILES, _TONES[label]))
        garments[label](sketch, rng)
        shapes[i] = sketch.render()
    images = sharpen(shapes.astype(np.float32)) * cloth_light(shapes, labels, np.random.default_rng([seed, 1]))
    return np.where(shapes > 0, np.clip(np.rint(images), 1, 255), 0).astype(np.uint8)
