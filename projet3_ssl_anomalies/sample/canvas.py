"""The canvas on which a part is painted, its flaw, and the camera that takes its picture.

Lengths are in pixels of the final picture. A part is painted at twice its size, in coordinates of its own, then taken
as a camera would: light, blur, sensor noise.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Generator, Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import binary_closing, gaussian_filter

from projet3_ssl_anomalies.sample.textures import Colour, rgb, rotate

SIDE = 192
SUPERSAMPLING = 2  # parts are painted this many times larger, then reduced
CANVAS_SIDE = SUPERSAMPLING * SIDE
MIDDLE = SIDE / 2
_POINT_SPACING = 0.31  # of the points of a band: below a sample's side over the square root of 2, lest it has holes
LIGHT = np.array([-0.423, -0.584, 0.693], dtype=np.float32)  # towards the lamp: upper left, in front
BLACK = (0.02, 0.02, 0.025)

Box = tuple[slice, slice]
Shade = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Flaw:
    """What is wrong with a part: the folder's name ("good" for nothing), its random stream, the picture's number."""

    name: str
    rng: np.random.Generator
    number: int

    def form(self, count: int) -> int:
        """Returns which of the defect's `count` forms this picture shows: each in turn."""
        return self.number % count


@dataclasses.dataclass(frozen=True)
class Camera:
    """How parts are placed under a camera, and how it sees.

    Attributes:
        shift, turn, size: how far a part strays from its place: pixels, radians, share of its size.
        blur: in pixels.
        noise: share of the full scale.
        light: how much the light varies over the picture and from one picture to the next, a share.
    """

    shift: float
    turn: float
    size: float
    blur: float
    noise: float
    light: float


class Canvas:
    """A picture being painted.

    Attributes:
        rgb: float32 (384, 384, 3), 0..1.
        x, y: the part's coordinates of each sample, float32 (384, 384), in pixels of the final picture.
        light: direction of the lamp in these coordinates and towards the camera, float32 (3,).
    """

    def __init__(self, rng: np.random.Generator, camera: Camera) -> None:
        """Places the part under the camera; the canvas is black."""
        self._shift = MIDDLE + rng.uniform(-camera.shift, camera.shift, 2)
        turn, size = rng.uniform(-camera.turn, camera.turn), 1 + rng.uniform(-camera.size, camera.size)
        cos, sin = math.cos(turn), math.sin(turn)
        self._matrix = size * np.array([[cos, -sin], [sin, cos]])
        rows, columns = np.ogrid[:CANVAS_SIDE, :CANVAS_SIDE]
        right = ((columns + 0.5) / SUPERSAMPLING - self._shift[0]).astype(np.float32)
        down = ((rows + 0.5) / SUPERSAMPLING - self._shift[1]).astype(np.float32)
        self.x = cos / size * right + sin / size * down + MIDDLE
        self.y = cos / size * down - sin / size * right + MIDDLE
        self.light = rgb(cos * LIGHT[0] + sin * LIGHT[1], cos * LIGHT[1] - sin * LIGHT[0], LIGHT[2])
        self.rgb = np.zeros((CANVAS_SIDE, CANVAS_SIDE, 3), dtype=np.float32)
        self._marks: list[tuple[str, np.ndarray]] = []
        self._marking = self._ghost = False

    def box(self, place: Colour, across: float, down: float = 0.0) -> Box:
        """Returns the slices of `x`, `y` and `rgb` that hold all samples so near a point, and two each way at least."""
        centre, reach = self._to_samples(np.asarray(place)), SUPERSAMPLING * 1.06 * np.array([across, down or across])
        first = np.clip(np.floor(centre - reach), 0, CANVAS_SIDE - 2).astype(int)
        last = np.clip(np.ceil(centre + reach), first + 2, CANVAS_SIDE).astype(int)
        return slice(first[1], last[1]), slice(first[0], last[0])

    def around(self, place: Colour, reach: float, turn: float = 0.0) -> tuple[Box, np.ndarray, np.ndarray]:
        """Returns the box around a point and, there, the coordinates counted from it, along axes turned by an angle."""
        box = self.box(place, reach)
        return box, *rotate(self.x[box] - np.float32(place[0]), self.y[box] - np.float32(place[1]), turn)

    def paint(self, cover: np.ndarray, colour: Colour, box: Box) -> None:
        """Lays paint: `cover` 0..1 over the box, `colour` one for all or one for each sample."""
        if self._marking:
            mark = self._marks[-1][1][box]
            np.maximum(mark, cover, out=mark)
        if not self._ghost:
            region = self.rgb[box]
            region += cover[..., None] * (np.asarray(colour, dtype=np.float32) - region)

    def scatter(self, x: np.ndarray, y: np.ndarray, colour: Colour, cover: float = 1.0) -> None:
        """Paints the samples nearest to points, the later over the earlier; arrays of one shape, colours (..., 3)."""
        x, y = (np.asarray(value, dtype=np.float32).ravel() - np.float32(MIDDLE) for value in (x, y))
        place, shift = (SUPERSAMPLING * value.astype(np.float32) for value in (self._matrix, self._shift))
        column = (place[0, 0] * x + place[0, 1] * y + shift[0]).astype(np.int32)
        row = (place[1, 0] * x + place[1, 1] * y + shift[1]).astype(np.int32)
        top, left = max(row.min(), 0), max(column.min(), 0)
        height, width = min(row.max() + 1, CANVAS_SIDE) - top, min(column.max() + 1, CANVAS_SIDE) - left
        if min(height, width) <= 0:
            return
        layer = np.zeros((height + 2, width + 2, 4), dtype=np.float32)  # what lies outside falls in the margin
        row, column = np.clip(row - (top - 1), 0, height + 1), np.clip(column - (left - 1), 0, width + 1)
        points = np.empty((len(row), 4), dtype=np.float32)
        points[:, :3], points[:, 3] = np.reshape(colour, (-1, 3)), cover
        layer.reshape(-1, 4)[row * (width + 2) + column] = points
        layer = layer[1:-1, 1:-1]
        self.paint(layer[..., 3], layer[..., :3], (slice(top, top + height), slice(left, left + width)))

    def band(self, line: np.ndarray, half: float | np.ndarray, shade: Shade | Colour, cover: float = 1.0) -> None:
        """Paints a cable, a crack or a hair: what lies within `half` of a line.

        Args:
            line: its points, shape (n, 2).
            half: half of the width, for all points or for each.
            shade: the colour, or a function that gives it (length, width, 3) from the share of the length run
                (length, 1), the side (1, width), -1..1, and how far side 1 faces the lamp (length, 1), -1..1.
            cover: the paint's opacity.
        """
        length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        run = np.linspace(0, length[-1], int(length[-1] / _POINT_SPACING) + 2)
        x, y = (np.interp(run, length, column).astype(np.float32) for column in line.T)
        right, down = np.gradient(x), np.gradient(y)
        norm = np.hypot(right, down) + np.float32(1e-9)
        width = np.interp(run, length, np.broadcast_to(half, len(line))).astype(np.float32)
        side = np.linspace(-1, 1, int(2 * width.max() / _POINT_SPACING) + 2, dtype=np.float32)
        facing = (right * self.light[1] - down * self.light[0]) / norm
        share = (run / run[-1]).astype(np.float32)
        colour = shade(share[:, None], side[None], facing[:, None]) if callable(shade) else shade
        across, along = np.outer(-down / norm * width, side), np.outer(right / norm * width, side)
        self.scatter(x[:, None] + across, y[:, None] + along, colour, cover)

    def shadow(self, bands: Iterable[tuple[np.ndarray, float]], cover: float) -> None:
        """Casts the soft shadow of bands (line, half of the width), drawn at a quarter of the size and enlarged."""
        sheet = Image.new("L", (CANVAS_SIDE // 4, CANVAS_SIDE // 4))
        pen = ImageDraw.Draw(sheet)
        for line, half in bands:
            fall = self._to_samples(line + (0.3 * half + 0.8, 0.5 * half + 1.4)) / 4
            pen.line(fall.ravel().tolist(), fill=255, width=max(1, round(SUPERSAMPLING / 2 * half)), joint="curve")
        sheet = sheet.filter(ImageFilter.GaussianBlur(1.1))
        left, top, right, bottom = edges = sheet.getbbox() or (0, 0, 1, 1)
        depth = sheet.crop(edges).resize((4 * (right - left), 4 * (bottom - top)), Image.Resampling.BICUBIC)
        box = slice(4 * top, 4 * bottom), slice(4 * left, 4 * right)
        self.paint(np.asarray(depth) * np.float32(cover / 255), BLACK, box)

    @contextlib.contextmanager
    def flaw(self, name: str) -> Generator[None, None, None]:
        """Starts a flaw: what is painted inside, or prevented by `ghost`, is its mask."""
        self._marks.append((name, np.zeros((CANVAS_SIDE, CANVAS_SIDE), dtype=np.float32)))
        self._marking = True
        yield
        self._marking = False

    @contextlib.contextmanager
    def ghost(self) -> Generator[None, None, None]:
        """Inside a flaw, keeps the paint away: its place is marked, nothing shows."""
        self._ghost = True
        yield
        self._ghost = False

    def masks(self) -> list[tuple[str, np.ndarray]]:
        """Returns name and mask, bool (192, 192), of each flaw; the gaps between bristles or scratches are filled."""
        masks = [(name, _downsample(mark) > 0.2) for name, mark in self._marks]
        return [(name, binary_closing(mask, iterations=2) | mask) for name, mask in masks]

    def photograph(self, rng: np.random.Generator, camera: Camera) -> np.ndarray:
        """Takes the photograph: light, blur, noise of the sensor; uint8 (192, 192, 3)."""
        image = gaussian_filter(_downsample(self.rgb), (camera.blur, camera.blur, 0), truncate=3)
        tint = rng.normal(1, 0.12 * camera.light, 3) + rng.normal(0, 0.8 * camera.light)
        ramp, slope = np.linspace(-1, 1, SIDE), rng.uniform(-camera.light, camera.light, 2)
        corners = 0.015 * (ramp[:, None] ** 2 + ramp**2)
        light = 1 + slope[0] * ramp[:, None] + slope[1] * ramp - corners
        image *= light[..., None].astype(np.float32) * tint.astype(np.float32)
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        grain += grain[..., :1]  # part of the noise is common to the three colours
        image += camera.noise * grain * np.sqrt(np.clip(image, 0.05, 1))
        return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)

    def _to_samples(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (..., 2) of the part are on the canvas, in samples."""
        return SUPERSAMPLING * ((points - MIDDLE) @ self._matrix.T + self._shift)


def _downsample(big: np.ndarray) -> np.ndarray:
    """Averages the samples of each final pixel."""
    return (big[::2, ::2] + big[1::2, ::2] + big[::2, 1::2] + big[1::2, 1::2]) / 4
