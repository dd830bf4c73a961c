"""One picture: a part of a category, good or with a defect, and the masks of its flaws."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from projet3_ssl_anomalies.sample.bottle import bottle
from projet3_ssl_anomalies.sample.canvas import Camera, Canvas, Flaw
from projet3_ssl_anomalies.sample.capsule import capsule
from projet3_ssl_anomalies.sample.engine_wiring import engine_wiring
from projet3_ssl_anomalies.sample.hazelnut import hazelnut
from projet3_ssl_anomalies.sample.toothbrush import toothbrush

SEED = 0
CATEGORIES = ("bottle", "hazelnut", "capsule", "toothbrush", "engine_wiring")
DEFECTS = {
    "bottle": ("broken_large", "broken_small", "contamination"),
    "hazelnut": ("crack", "cut", "hole", "print"),
    "capsule": ("crack", "faulty_imprint", "poke", "scratch", "squeeze"),
    "toothbrush": ("defective",),
    "engine_wiring": ("blue_hoop", "fastening", "multiple", "obstruction"),
}


def draw_image(
    category: str, defect: str = "good", *, index: int = 0
) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Draws one part.

    Args:
        category: one of `CATEGORIES`.
        defect: "good" or one of the category's `DEFECTS`; the rest of the picture does not depend on it.
        index: number of the picture, which decides everything else; consecutive ones show all the forms that a defect
            takes.

    Returns:
        The picture, uint8 (192, 192, 3), and for each flaw its name and its mask, bool (192, 192).

    Raises:
        ValueError: the category has no such defect.
    """
    if defect not in ("good", *DEFECTS[category]):
        raise ValueError(f"{category} has no defect named {defect!r}, only {DEFECTS[category]}.")
    streams = [np.random.default_rng([SEED, CATEGORIES.index(category), index, k]) for k in range(4)]
    paint, camera = _scene(category)
    canvas = Canvas(streams[0], camera)
    paint(canvas, streams[1], Flaw(defect, streams[2], index))
    return canvas.photograph(streams[3], camera), canvas.masks()


def _scene(category: str) -> tuple[Callable[[Canvas, np.random.Generator, Flaw], None], Camera]:
    """Returns what paints a category's part, and the camera that takes its picture."""
    return {
        "bottle": (bottle, Camera(shift=1.1, turn=0.04, size=0.010, blur=0.45, noise=0.006, light=0.015)),
        "hazelnut": (hazelnut, Camera(shift=8.0, turn=math.pi, size=0.10, blur=0.45, noise=0.008, light=0.08)),
        "capsule": (capsule, Camera(shift=5.5, turn=0.08, size=0.008, blur=0.45, noise=0.007, light=0.02)),
        "toothbrush": (toothbrush, Camera(shift=7.0, turn=0.10, size=0.010, blur=0.40, noise=0.006, light=0.12)),
        "engine_wiring": (engine_wiring, Camera(shift=4.5, turn=0.07, size=0.02, blur=0.5, noise=0.009, light=0.16)),
    }[category]
