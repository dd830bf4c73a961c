"""Brushes, strokes and the light on thick paint: how paint is laid, whatever the scene.

Lengths are in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Look = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # of places: colours and directions

_POINT_SPACING = 0.75  # distance of the points of a brush: much more, and strokes would have holes
_ANGLE_NOISE = 0.12  # how far strokes stray from their direction, in radians
_COLOUR_NOISE = 0.035  # how far the colours of neighbouring strokes differ, of the full scale


class Brush:
    """A flat brush: the points that a stroke covers, in its own axes, and what each leaves of paint.

    Attributes:
        length, breadth: halves of the stroke's, in pixels.
        points: for each point 1, its place along, its place across and the square of the former, float32 (4, n).
        cover: opacity 0..1, float32 (n,).
        thick: thickness of the paint, about 1, float32 (n,).
    """

    def __init__(self, rng: np.random.Generator, length: float, breadth: float) -> None:
        """Makes a brush whose hairs are drawn at random."""
        self.length, self.breadth = length, breadth
        along = np.linspace(-1, 1, math.ceil(2 * length / _POINT_SPACING) + 1)[:, None]
        across = np.linspace(-1, 1, math.ceil(2 * breadth / _POINT_SPACING) + 1)
        hairs = rng.normal(0, 1, across.size)
        ends = np.clip((1 - np.abs(along) - 0.12 * np.abs(hairs)) * length / 2, 0, 1)
        cover = ends * np.clip((1 - np.abs(across)) * breadth + 0.3, 0, 1)
        thick = cover * (0.5 + 0.5 * np.sqrt(1 - across**2) + 0.25 * hairs - 0.2 * along)
        along, across = np.broadcast_arrays(along, across)
        points = np.stack([np.ones_like(cover), length * along, breadth * across, length * along**2])
        self.points = points.reshape(4, -1).astype(np.float32)
        self.cover, self.thick = cover.astype(np.float32).ravel(), thick.astype(np.float32).ravel()


def place_strokes(
    rng: np.random.Generator, look: Look, brush: Brush, picture: np.ndarray, share: float
) -> tuple[np.ndarray, ...]:
    """Returns x, y, direction, bend and colour of strokes: the `share` whose colour is farthest from `picture`."""
    height, width, _ = picture.shape
    count = int(1.6 * height * width / (4 * brush.length * brush.breadth))
    places = np.arange(count)[:, None] * (0.7548776662, 0.5698402910) + rng.random(2)  # even, in a mixed-up order
    x, y = ((places % 1) * (width - 1, height - 1)).astype(np.float32).T
    colours, angle = look(x, y)
    error = np.abs(picture[y.astype(np.intp), x.astype(np.intp)] - colours).sum(axis=1)
    selection = error >= np.quantile(error, 1 - share)
    x, y, colours, angle = x[selection], y[selection], colours[selection], angle[selection]
    bend = np.zeros_like(angle)
    if brush.length > 10:  # a shorter stroke looks straight
        ahead = look(x + brush.length * np.cos(angle), y + brush.length * np.sin(angle))[1]
        turn = (ahead - angle + math.pi / 2) % math.pi - math.pi / 2  # a direction and its opposite are the same
        bend = np.where(np.abs(turn) < 0.7, turn, 0)
    colours += rng.normal(0, _COLOUR_NOISE, (len(x), 1)) + rng.normal(0, 0.6 * _COLOUR_NOISE, (len(x), 3))
    return x, y, angle + rng.normal(0, _ANGLE_NOISE, len(x)), bend, colours


def lay_strokes(
    picture: np.ndarray,
    relief: np.ndarray,
    brush: Brush,
    x: np.ndarray,
    y: np.ndarray,
    angle: np.ndarray,
    bend: np.ndarray,
    colours: np.ndarray,
) -> None:
    """Lays strokes on `picture`, and their thickness on `relief`; where strokes cross, the last one shows.

    Args:
        picture: float32 (height, width, 3), 0..1, painted in place.
        relief: thickness of the paint, float32 (height, width), changed in place.
        brush: lays all of them.
        x: where their middles are, in pixels from the left, shape (n,).
        y: the same from the top.
        angle: their directions, in radians, shape (n,).
        bend: how far they turn from their middle to their end, in radians, shape (n,).
        colours: shape (n, 3), about 0..1.
    """
    height, width, _ = picture.shape
    margin = math.ceil(2 * brush.length + brush.breadth)
    right, down, wide = np.cos(angle), np.sin(angle), width + 2 * margin
    column = np.stack([x + margin, right, -down, -0.5 * bend * down], axis=1).astype(np.float32) @ brush.points
    row = np.stack([y + margin, down, right, 0.5 * bend * right], axis=1).astype(np.float32) @ brush.points
    np.floor(row, out=row)
    row *= wide
    row += column
    place = row.astype(np.intp)
    last = np.full((height + 2 * margin, wide), -1, np.int32)
    last.ravel()[place.ravel()] = np.arange(place.size, dtype=np.int32)
    last = last[margin : margin + height, margin : margin + width]
    stroke = last // np.int32(place.shape[1])
    point = last - stroke * np.int32(place.shape[1])
    cover, thick = brush.cover.take(point) * (last >= 0), brush.thick.take(point)
    paint = colours.astype(np.float32).take(stroke, axis=0, mode="wrap")
    paint *= (0.94 + 0.08 * thick)[..., None]
    paint -= picture
    paint *= cover[..., None]
    picture += paint
    relief += cover * (thick - relief)


def raking_light(relief: np.ndarray) -> np.ndarray:
    """Returns how a lamp at the upper left lights thick paint, float32 (height, width), about 1."""
    slope = np.zeros_like(relief)
    slope[1:-1, 1:-1] = relief[2:, 2:] - relief[:-2, :-2] + 0.5 * (relief[2:, 1:-1] - relief[:-2, 1:-1])
    return 1 + np.clip(0.09 * slope, -0.18, 0.18)


def fine_marks(rng: np.random.Generator, marks: str, look: Look, width: int, height: int) -> np.ndarray:
    """Returns the painter's finest marks, float32 (height, width), of zero mean and unit variance.

    They are noise, streaked along or across the strokes or not at all, of which one wavelength is left, 5.5 pixels: the
    small copies, where waves shorter than 8 can't be seen, have the same even colour under all three.
    """
    unit = min(width, height) / 256
    noise = rng.standard_normal((height, width), np.float32)
    if marks != "dots":
        y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32) + 2
        angle = look(x, y)[1] + (math.pi / 2 if marks == "across" else 0)
        down, right = (np.kron(f(angle), np.ones((4, 4), np.float32))[:height, :width] for f in (np.sin, np.cos))
        rows, columns = np.ogrid[:height, :width]
        streak = np.arange(-8, 9, 2) * np.float32(unit)
        noise = sum(
            noise[(rows + s * down).astype(int) % height, (columns + s * right).astype(int) % width] for s in streak
        )
    frequency = unit * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    band = np.exp(-(((frequency - 0.18) / 0.016) ** 2)).astype(np.float32)
    noise = np.fft.irfft2(np.fft.rfft2(noise) * band, s=(height, width))
    return noise / noise.std()
