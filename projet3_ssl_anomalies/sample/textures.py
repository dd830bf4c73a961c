"""Functions of a place, colours, noise and letters: what surfaces are made of.

Arrays have any shape unless one is given; angles are in radians.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Colour = Sequence[float] | np.ndarray

_GLYPHS = {  # strokes on a grid of 4 x 6, as pairs of digits; / lifts the pen
    "0": "10 30 41 45 36 16 05 01 10", "5": "40 00 02 32 43 45 36 06", "F": "40 00 06/03 33",
    "H": "00 06/40 46/03 43", "K": "00 06/40 03 46", "L": "00 06 46", "N": "06 00 46 40", "T": "00 40/20 26",
    "R": "06 00 30 41 42 33 03/23 46", "V": "00 26 40", "X": "00 46/40 06", "Z": "00 40 06 46",
}  # fmt: skip


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rises smoothly from 0 at `low` to 1 at `high` (either may be the larger)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def gaussian(value: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Returns a bell of height 1."""
    return np.exp(-(((value - centre) / width) ** 2))


def tabulate(value: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Returns a function of a coordinate in pixels, computed every eighth of a pixel and looked up."""
    table = function(np.arange(-256, 512, 0.125, dtype=np.float32))
    return table[(8 * (value + 256)).astype(np.int32)]


def noise(rng: np.random.Generator, shape: tuple[int, int], *cells: tuple[int, int] | int) -> np.ndarray:
    """Returns smooth noise of about unit size, float32: the mean of layers of so many cells (rows, columns)."""
    total = np.zeros(shape, dtype=np.float32)
    for cell in cells:
        knots = rng.standard_normal((cell, cell) if isinstance(cell, int) else cell, dtype=np.float32)
        total += np.asarray(Image.fromarray(knots).resize(shape[::-1], Image.Resampling.BICUBIC))
    return total * (1.3 / math.sqrt(len(cells)))


def rgb(*channels: float) -> np.ndarray:
    """Returns a colour, or any short vector, in float32."""
    return np.array(channels, dtype=np.float32)


def blend(first: Colour, second: Colour, share: np.ndarray) -> np.ndarray:
    """Returns the colours between two, for shares 0..1 of the second: shape share.shape + (3,)."""
    first, second = np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32)
    return first + share[..., None].astype(np.float32) * (second - first)


def batch(rng: np.random.Generator, *pigments: Colour) -> np.ndarray:
    """Returns the colour of one batch, float32 (3,): a mixture of pigments, more often of the first."""
    shares = rng.dirichlet((1.0, *[0.5] * (len(pigments) - 1)))
    return (shares @ np.stack(pigments)).astype(np.float32)


def polar(length: float | np.ndarray, angle: float | np.ndarray) -> np.ndarray:
    """Returns the point so far away in a direction, shape (..., 2)."""
    return np.stack([length * np.cos(angle), length * np.sin(angle)], -1)


def rotate(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates along axes turned by an angle."""
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def box_distance(x: np.ndarray, y: np.ndarray, width: float, height: float, corner: float) -> np.ndarray:
    """Returns the signed distance (negative inside) to a centred rectangle with rounded corners."""
    right, down = np.abs(x) - (width / 2 - corner), np.abs(y) - (height / 2 - corner)
    return np.hypot(np.maximum(right, 0), np.maximum(down, 0)) + np.minimum(np.maximum(right, down), 0) - corner


def lettering(letters: str, stroke: int) -> np.ndarray:
    """Returns letters as a picture, float32, 0..1, eight samples for one cell of their grid, one cell of margin."""
    sheet = Image.new("L", (48 * len(letters), 64))
    pen = ImageDraw.Draw(sheet)
    for k, letter in enumerate(letters):
        for line in _GLYPHS[letter].split("/"):
            pen.line([(48 * k + 8 + 8 * int(x), 8 + 8 * int(y)) for x, y in line.split()], 255, stroke, joint="curve")
    return gaussian_filter(np.asarray(sheet, dtype=np.float32) / 255, 1.3)


def stamp(sheet: np.ndarray, x: np.ndarray, y: np.ndarray, cell: float) -> np.ndarray:
    """Returns the ink of letters, 0..1, at points counted from their middle, a cell of their grid being so large."""
    height, width = sheet.shape
    row, column = ((8 / cell) * y + height / 2).astype(int), ((8 / cell) * x + width / 2).astype(int)
    inside = (row > 0) & (row < height) & (column > 0) & (column < width)
    return sheet[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] * inside
