"""What runs along a line: curves, cracks, cables."""

from __future__ import annotations

import math

import numpy as np

from projet3_ssl_anomalies.sample.canvas import LIGHT, Canvas
from projet3_ssl_anomalies.sample.textures import Colour, polar, smoothstep


def smooth_curve(*points: tuple[float, float]) -> np.ndarray:
    """Returns a smooth line from the first to the last of some points (Chaikin's corner cutting), shape (n, 2)."""
    line = np.array(points, dtype=float)
    for _ in range(4):
        cut = np.stack([0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]], 1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    return line


def jagged_line(rng: np.random.Generator, start: np.ndarray, heading: float, length: float) -> np.ndarray:
    """Returns a broken line, in steps of about 2 pixels whose direction strays from its heading, shape (n, 2)."""
    count = max(4, int(length / 2))
    ways = heading + 0.42 * np.convolve(rng.normal(0, 1, count + 2), [0.5, 0.8, 0.5], "valid")
    return np.concatenate([[start], start + np.cumsum(polar(length / count, ways), 0)])


def paint_crack(
    canvas: Canvas,
    rng: np.random.Generator,
    middle: np.ndarray,
    size: tuple[float, float],
    heading: float,
    lip: Colour,
) -> None:
    """Splits a shell: a dark jagged line, so long and half so wide, whose edges catch the light, and its branches."""
    length, half = size
    trunk = jagged_line(rng, middle - polar(length / 2, heading), heading, length)
    lines = [(trunk, half)]
    for _ in range(rng.integers(1, 3)):
        way = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        fork = trunk[rng.integers(len(trunk) // 4, 3 * len(trunk) // 4)]
        lines.append((jagged_line(rng, fork, way, length * rng.uniform(0.2, 0.35)), 0.7 * half))
    for line, width in lines:
        taper = width * np.interp(np.linspace(0, 1, len(line)), [0, 0.15, 0.7, 1], [0.4, 1, 1, 0.25])
        canvas.band(line - (0.5 + 0.3 * width) * canvas.light[:2], taper + 0.5, lip, 0.75)
        canvas.band(line, taper, (0.05, 0.028, 0.022), 0.95)


def lay_cable(canvas: Canvas, line: np.ndarray, half: float, colour: np.ndarray, *, ridges: int = 0) -> None:
    """Lays a glossy cable, or a corrugated one on which every ridge catches the lamp."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        scattered, gloss = tube_light(side, facing)
        if not ridges:
            return (0.30 + 0.95 * scattered)[..., None] * colour + 0.26 * gloss[..., None]
        wave = np.sin(2 * math.pi * ridges * run + 0.25 * side)
        tone = 0.32 + 1.2 * scattered * (0.55 + 0.45 * wave)
        return tone[..., None] * colour + 0.42 * (gloss * smoothstep(wave, 0, 1))[..., None]

    canvas.band(line, half, shade)


def tube_light(side: np.ndarray, facing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how much light a tube scatters and reflects, 0..1, given what `Canvas.band` gives."""
    height = np.sqrt(np.clip(1 - side**2, 0, 1))
    mirror = (side * facing + height * (1 + LIGHT[2])) / np.hypot(facing, 1 + LIGHT[2])
    return np.clip(side * facing + height * LIGHT[2], 0, 1), np.exp(24 * (mirror - 1))
