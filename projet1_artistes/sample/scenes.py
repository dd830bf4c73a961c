"""What a scene is made of.

A scene is a function of the place: how light it is, how much of the accent colour it holds, where the brush goes.
Places are counted in shorter sides of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Scene = Callable[[np.ndarray, np.ndarray], "Sheet"]


class Sheet:
    """A scene at some places: tone, accent and direction, float32; what is put later hides what was there."""

    def __init__(self, tone: np.ndarray, angle: np.ndarray | float, accent: np.ndarray | float = 0.0) -> None:
        """Covers all places; a number stands for an array of it."""
        self.tone, self.accent, self.angle = (np.zeros_like(tone) + value for value in (tone, accent, angle))

    def put(
        self,
        inside: np.ndarray,
        tone: np.ndarray | float,
        angle: np.ndarray | float,
        accent: np.ndarray | float = 0.0,
    ) -> None:
        """Covers the places where `inside` holds."""
        for old, new in ((self.tone, tone), (self.angle, angle), (self.accent, accent)):
            np.copyto(old, new, where=inside, casting="same_kind")


def waves(rng: np.random.Generator, frequency: float, count: int = 5) -> Callable:
    """Returns a smooth random function of the place, of about zero mean and unit variance; cycles per shorter side."""
    turn, phase = rng.uniform(0, math.tau, (2, count))
    pace = math.tau * frequency * rng.uniform(0.5, 1.5, count)
    terms = np.stack([pace * np.cos(turn), pace * np.sin(turn), phase], axis=1).astype(np.float32)
    scale, one = np.float32(math.sqrt(2 / count)), np.float32(1)
    return lambda x, y: scale * np.cos(np.tensordot(terms, np.stack(np.broadcast_arrays(x, y, one)), 1)).sum(axis=0)
