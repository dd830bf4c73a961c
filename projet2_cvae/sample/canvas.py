"""A garment before its cloth: outlines in free units, framed and drawn larger than needed, then reduced."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

SIDE = 28
_SUPERSAMPLING = 4  # pictures are drawn this many times larger, then reduced

Point = tuple[float, float]


class Sketch:
    """A garment as a list of shapes painted one over the other, in free units, x to the right and y down.

    A `shade` multiplies the garment's grey: 1 is the cloth itself, 0 a hole through which the background shows.
    """

    def __init__(self, rng: random.Random, tone: float) -> None:
        """Starts an empty sketch of a garment whose grey is `tone`, 0..255."""
        self.rng = rng
        self.tone = tone
        self.shapes: list[tuple[np.ndarray, float, float]] = []
        darker = tone > 160 or (tone > 90 and rng.random() < 0.6)
        self._ink = -1.0 if darker else min(2.0, 140 / tone)

    def ink(self, strength: float) -> float:
        """Returns the shade of a detail that shows on this cloth: darker on a light one, lighter on a dark one."""
        return 1 + self._ink * strength

    def area(self, points: Sequence[Point], shade: float = 1.0, *, rounding: float = 0.8) -> None:
        """Fills an outline; its corners are rounded over at most `rounding` units."""
        self.shapes.append((_rounded(points, rounding), shade, 0.0))

    def symmetric(self, half: Sequence[Point], shade: float = 1.0, *, rounding: float = 0.8) -> None:
        """Fills the outline made of a right half, from top to bottom, and its mirror image."""
        self.area([*half, *((-x, y) for x, y in reversed(half))], shade, rounding=rounding)

    def pair(self, points: Sequence[Point], shade: float = 1.0, *, rounding: float = 0.8) -> None:
        """Fills an outline and its mirror image."""
        self.area(points, shade, rounding=rounding)
        self.area([(-x, y) for x, y in points], shade, rounding=rounding)

    def line(self, points: Sequence[Point], shade: float, width: float = 0.5) -> None:
        """Draws an open line."""
        self.shapes.append((np.array(points, dtype=float), shade, width))

    def arc(self, x: float, y: float, rx: float, ry: float, shade: float, *, part: str = "all", width=0.0) -> None:
        """Draws an ellipse or its "lower" or "upper" half, filled, or as a line of some width."""
        first, last = {"all": (0, 2), "lower": (0, 1), "upper": (1, 2)}[part]
        angle = np.linspace(first * math.pi, last * math.pi, 17)
        self.shapes.append((np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1), shade, width))

    def upside_down(self) -> None:
        """Turns the sketch over, for what is more easily described with heights above the ground."""
        self.shapes = [(points * (1, -1), shade, width) for points, shade, width in self.shapes]

    def render(self) -> np.ndarray:
        """Frames the sketch, slightly off the centre and the vertical, and draws it: uint8, shape (28, 28)."""
        rng = self.rng
        points = np.concatenate([p for p, _, _ in self.shapes])
        angle = math.radians(max(-4.0, min(4.0, rng.gauss(0, 1.1))))
        cos, sin = math.cos(angle), math.sin(angle)
        points = points @ np.array([[cos, sin], [-sin, cos]])
        low, high = points.min(0), points.max(0)
        scale = _SUPERSAMPLING * SIDE * rng.uniform(0.965, 1.0) / (high - low).max()
        offset = _SUPERSAMPLING * (SIDE / 2 + np.array([rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)]))
        flat = ((points - (low + high) / 2) * scale + offset).ravel().tolist()
        canvas = Image.new("L", (_SUPERSAMPLING * SIDE, _SUPERSAMPLING * SIDE))
        pen = ImageDraw.Draw(canvas)
        start = 0
        for shape, shade, width in self.shapes:
            end = start + shape.size
            grey = min(255, max(12, round(self.tone * shade))) if shade else 0
            if width:
                pen.line(flat[start:end], fill=grey, width=max(1, round(width * scale)))
            else:
                pen.polygon(flat[start:end], fill=grey)
            start = end
        return np.asarray(canvas.reduce(_SUPERSAMPLING))


def pick(rng: random.Random, **shares: float) -> str:
    """Returns one of the names, each as often as its share says."""
    return rng.choices(list(shares), list(shares.values()))[0]


def _rounded(points: Sequence[Point], rounding: float) -> np.ndarray:
    """Replaces each corner of a closed outline by a short curve: shape (n, 2) to (4 n, 2)."""
    corner = np.array(points, dtype=float)
    before = np.roll(corner, 1, 0) - corner
    after = np.roll(before, -1, 0) * -1
    reach = np.array([_reach(*v, rounding) for v in (*before.tolist(), *after.tolist())])[:, None]
    first, last = corner + before * reach[: len(corner)], corner + after * reach[len(corner) :]
    curve = [first, (4 * first + 4 * corner + last) / 9, (first + 4 * corner + 4 * last) / 9, last]  # quadratic Bézier
    return np.stack(curve, 1).reshape(-1, 2)


def _reach(dx: float, dy: float, rounding: float) -> float:
    """Returns the share of an edge that rounding its corner takes, at most half."""
    return min(0.5, rounding / (math.hypot(dx, dy) + 1e-9))
