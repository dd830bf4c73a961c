"""The synthetic twins of five inspection categories: parts drawn from a seed, in the two official layouts.

Bottle, hazelnut, capsule and toothbrush follow MVTec AD (P. Bergmann et al., CVPR 2019), engine_wiring follows AutoVI
(P. Carvalho et al., Zenodo 10459003, 2024). No pixel comes from either, and no part bears a real maker's name.

Lengths are in pixels of the final picture. A part is painted at twice its size on a `_Canvas`, whose coordinates are
those of the part, then developed as a camera would: light, blur, sensor noise. The part, its flaw and the noise each
have their own random stream, so that a defective part differs from its good twin only where the flaw is, and its mask
is what the flaw's own brush strokes cover, and those that it prevents.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import binary_closing, gaussian_filter

from commun import UserError
from commun.datasets import in_processes

VERSION = 2  # another number has the sample drawn again
SIDE = 192
CATEGORIES = ("bottle", "hazelnut", "capsule", "toothbrush", "engine_wiring")
DEFECTS = {
    "bottle": ("broken_large", "broken_small", "contamination"),
    "hazelnut": ("crack", "cut", "hole", "print"),
    "capsule": ("crack", "faulty_imprint", "poke", "scratch", "squeeze"),
    "toothbrush": ("defective",),
    "engine_wiring": ("blue_hoop", "fastening", "multiple", "obstruction"),
}
DEFECTS_CONFIG = (  # AutoVI's file: from which area on a defect counts as found, a share of it or a number of pixels
    {"defect_name": "fastening", "pixel_value": 255, "saturation_threshold": 0.4, "relative_saturation": True},
    {"defect_name": "blue_hoop", "pixel_value": 254, "saturation_threshold": 150, "relative_saturation": False},
    {"defect_name": "obstruction", "pixel_value": 253, "saturation_threshold": 250, "relative_saturation": False},
)

_ZOOM = 2  # parts are painted this many times larger, then reduced
_BIG = _ZOOM * SIDE
_MIDDLE = SIDE / 2
_STEP = 0.31  # distance of the points of a band: less than a sample's side over the square root of 2, lest it has holes
_LIGHT = np.array([-0.423, -0.584, 0.693], dtype=np.float32)  # towards the lamp: upper left, in front
_BLACK = (0.02, 0.02, 0.025)

Box = tuple[slice, slice]
Colour = Sequence[float] | np.ndarray
Shade = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def draw(folder: Path, *, category: str, seed: int = 0, train: int = 60, good: int = 14, bad: int = 8) -> None:
    """Writes one category into its own folder, in the layout of the set that it imitates.

    Args:
        folder: where to write; made if needed.
        category: one of `CATEGORIES`.
        seed: the same seed gives the same files, byte for byte, with the same versions of NumPy, SciPy and Pillow.
        train: number of good training images.
        good: number of good test images.
        bad: number of test images of each defect type.

    Raises:
        UserError: the category is unknown; the message lists those that exist.
    """
    if category not in CATEGORIES:
        raise UserError(f"Catégorie inconnue : « {category} ». Catégories de l'échantillon : {', '.join(CATEGORIES)}.")
    autovi = category == "engine_wiring"
    counts = {"train/good": train, "test/good": good, **{f"test/{defect}": bad for defect in DEFECTS[category]}}
    parts = [(part, number) for part, count in counts.items() for number in range(count)]
    in_processes(_write, ((folder, category, *part, seed, index) for index, part in enumerate(parts)))
    if autovi:
        text = json.dumps(DEFECTS_CONFIG, indent=2)
        (folder / "defects_config.json").write_text(text + "\n", encoding="utf-8")


def _write(folder: Path, category: str, part: str, number: int, seed: int, index: int) -> None:
    """Draws a picture, number `number` of a part of the set ("train/good"), and writes it with its masks."""
    autovi, defect = category == "engine_wiring", Path(part).name
    image, masks = draw_image(category, defect, seed=seed, index=index)
    stem = f"{number:04d}" if autovi else f"{number:03d}"
    path = folder / part / f"{stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=2)
    for place, mask in _mask_files(folder / "ground_truth" / defect, stem, masks, autovi=autovi):
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(place)


def draw_image(
    category: str, defect: str = "good", *, seed: int = 0, index: int = 0
) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """Draws one part.

    Args:
        category: one of `CATEGORIES`.
        defect: "good" or one of the category's `DEFECTS`; the rest of the picture does not depend on it.
        seed: with `index`, decides everything.
        index: number of the picture; consecutive ones show all the forms that a defect takes.

    Returns:
        The picture, uint8 (192, 192, 3), and for each flaw its name and its mask, bool (192, 192).

    Raises:
        ValueError: the category has no such defect.
    """
    if defect not in ("good", *DEFECTS[category]):
        raise ValueError(f"{category} has no defect named {defect!r}, only {DEFECTS[category]}.")
    streams = [np.random.default_rng([seed, CATEGORIES.index(category), index, k]) for k in range(4)]
    paint, camera = _PARTS[category]
    canvas = _Canvas(streams[0], camera)
    paint(canvas, streams[1], _Flaw(defect, streams[2], index))
    return canvas.develop(streams[3], camera), canvas.masks()


def _mask_files(
    folder: Path, stem: str, masks: list[tuple[str, np.ndarray]], *, autovi: bool
) -> Generator[tuple[Path, np.ndarray], None, None]:
    """Yields path and picture (uint8) of the mask files of one image: one in all, or one for each flaw (AutoVI)."""
    if autovi:
        values = {entry["defect_name"]: entry["pixel_value"] for entry in DEFECTS_CONFIG}
        for k, (name, mask) in enumerate(masks):
            yield folder / stem / f"{k:04d}.png", mask * np.uint8(values[name])
    elif masks:
        yield folder / f"{stem}_mask.png", np.any([mask for _, mask in masks], axis=0) * np.uint8(255)


# --- Canvas ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Flaw:
    """What is wrong with a part: the folder's name ("good" for nothing), its random stream, the picture's number."""

    name: str
    rng: np.random.Generator
    number: int

    def form(self, count: int) -> int:
        """Returns which of the defect's `count` forms this picture shows: each in turn."""
        return self.number % count


@dataclasses.dataclass(frozen=True)
class _Camera:
    """How parts are placed under a camera, and how it sees.

    Attributes:
        shift, turn, size: how far a part strays from its place: pixels, radians, share of its size.
        blur: in pixels.
        noise: share of the full scale.
        fall: how much the light varies over the picture, a share.
    """

    shift: float
    turn: float
    size: float
    blur: float
    noise: float
    fall: float


class _Canvas:
    """A picture being painted.

    Attributes:
        rgb: float32 (384, 384, 3), 0..1.
        x, y: the part's coordinates of each sample, float32 (384, 384), in pixels of the final picture.
        light: direction of the lamp in these coordinates and towards the camera, float32 (3,).
    """

    def __init__(self, rng: np.random.Generator, camera: _Camera) -> None:
        self._shift = _MIDDLE + rng.uniform(-camera.shift, camera.shift, 2)
        turn, size = rng.uniform(-camera.turn, camera.turn), 1 + rng.uniform(-camera.size, camera.size)
        cos, sin = math.cos(turn), math.sin(turn)
        self._matrix = size * np.array([[cos, -sin], [sin, cos]])
        rows, columns = np.ogrid[:_BIG, :_BIG]
        right = ((columns + 0.5) / _ZOOM - self._shift[0]).astype(np.float32)
        down = ((rows + 0.5) / _ZOOM - self._shift[1]).astype(np.float32)
        self.x = cos / size * right + sin / size * down + _MIDDLE
        self.y = cos / size * down - sin / size * right + _MIDDLE
        self.light = _rgb(cos * _LIGHT[0] + sin * _LIGHT[1], cos * _LIGHT[1] - sin * _LIGHT[0], _LIGHT[2])
        self.rgb = np.zeros((_BIG, _BIG, 3), dtype=np.float32)
        self._marks: list[tuple[str, np.ndarray]] = []
        self._marking = self._ghost = False

    def box(self, place: Colour, across: float, down: float = 0.0) -> Box:
        """Returns the slices of `x`, `y` and `rgb` that hold all samples so near a point, and two each way at least."""
        centre, reach = self._placed(np.asarray(place)), _ZOOM * 1.06 * np.array([across, down or across])
        first = np.clip(np.floor(centre - reach), 0, _BIG - 2).astype(int)
        last = np.clip(np.ceil(centre + reach), first + 2, _BIG).astype(int)
        return slice(first[1], last[1]), slice(first[0], last[0])

    def around(self, place: Colour, reach: float, turn: float = 0.0) -> tuple[Box, np.ndarray, np.ndarray]:
        """Returns the box around a point and, there, the coordinates counted from it, along axes turned by an angle."""
        box = self.box(place, reach)
        return box, *_turned(self.x[box] - np.float32(place[0]), self.y[box] - np.float32(place[1]), turn)

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
        x, y = (np.asarray(value, dtype=np.float32).ravel() - np.float32(_MIDDLE) for value in (x, y))
        place, shift = (_ZOOM * value.astype(np.float32) for value in (self._matrix, self._shift))
        column = (place[0, 0] * x + place[0, 1] * y + shift[0]).astype(np.int32)
        row = (place[1, 0] * x + place[1, 1] * y + shift[1]).astype(np.int32)
        top, left = max(row.min(), 0), max(column.min(), 0)
        height, width = min(row.max() + 1, _BIG) - top, min(column.max() + 1, _BIG) - left
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
        run = np.linspace(0, length[-1], int(length[-1] / _STEP) + 2)
        x, y = (np.interp(run, length, column).astype(np.float32) for column in line.T)
        right, down = np.gradient(x), np.gradient(y)
        norm = np.hypot(right, down) + np.float32(1e-9)
        width = np.interp(run, length, np.broadcast_to(half, len(line))).astype(np.float32)
        side = np.linspace(-1, 1, int(2 * width.max() / _STEP) + 2, dtype=np.float32)
        facing = (right * self.light[1] - down * self.light[0]) / norm
        share = (run / run[-1]).astype(np.float32)
        colour = shade(share[:, None], side[None], facing[:, None]) if callable(shade) else shade
        across, along = np.outer(-down / norm * width, side), np.outer(right / norm * width, side)
        self.scatter(x[:, None] + across, y[:, None] + along, colour, cover)

    def shadow(self, bands: Iterable[tuple[np.ndarray, float]], cover: float) -> None:
        """Casts the soft shadow of bands (line, half of the width), drawn at a quarter of the size and enlarged."""
        sheet = Image.new("L", (_BIG // 4, _BIG // 4))
        pen = ImageDraw.Draw(sheet)
        for line, half in bands:
            fallen = self._placed(line + (0.3 * half + 0.8, 0.5 * half + 1.4)) / 4
            pen.line(fallen.ravel().tolist(), fill=255, width=max(1, round(_ZOOM / 2 * half)), joint="curve")
        sheet = sheet.filter(ImageFilter.GaussianBlur(1.1))
        left, top, right, bottom = edges = sheet.getbbox() or (0, 0, 1, 1)
        depth = sheet.crop(edges).resize((4 * (right - left), 4 * (bottom - top)), Image.Resampling.BICUBIC)
        box = slice(4 * top, 4 * bottom), slice(4 * left, 4 * right)
        self.paint(np.asarray(depth) * np.float32(cover / 255), _BLACK, box)

    @contextlib.contextmanager
    def flaw(self, name: str) -> Generator[None, None, None]:
        """Starts a flaw: what is painted inside, or prevented by `ghost`, is its mask."""
        self._marks.append((name, np.zeros((_BIG, _BIG), dtype=np.float32)))
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
        covered = [(name, _reduce(mark) > 0.2) for name, mark in self._marks]
        return [(name, binary_closing(mask, iterations=2) | mask) for name, mask in covered]

    def develop(self, rng: np.random.Generator, camera: _Camera) -> np.ndarray:
        """Takes the photograph: light, blur, noise of the sensor; uint8 (192, 192, 3)."""
        image = gaussian_filter(_reduce(self.rgb), (camera.blur, camera.blur, 0), truncate=3)
        tint = rng.normal(1, 0.004, 3) + rng.normal(0, 0.012)
        ramp, slope = np.linspace(-1, 1, SIDE), rng.uniform(-camera.fall, camera.fall, 2)
        light = 1 + slope[0] * ramp[:, None] + slope[1] * ramp - camera.fall * 0.6 * (ramp[:, None] ** 2 + ramp**2)
        image *= light[..., None].astype(np.float32) * tint.astype(np.float32)
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        grain += grain[..., :1]  # part of the noise is common to the three colours
        image += camera.noise * grain * np.sqrt(np.clip(image, 0.05, 1))
        return np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)

    def _placed(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (..., 2) of the part are on the canvas, in samples."""
        return _ZOOM * ((points - _MIDDLE) @ self._matrix.T + self._shift)


# --- Shapes and textures ---------------------------------------------------------------------------------------------


def _reduce(big: np.ndarray) -> np.ndarray:
    """Averages the samples of each final pixel."""
    return (big[::2, ::2] + big[1::2, ::2] + big[::2, 1::2] + big[1::2, 1::2]) / 4


def _step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rises smoothly from 0 at `low` to 1 at `high` (either may be the larger)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _bell(value: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-(((value - centre) / width) ** 2))


def _profile(value: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Returns a function of a coordinate in pixels, computed every eighth of a pixel and looked up."""
    table = function(np.arange(-256, 512, 0.125, dtype=np.float32))
    return table[(8 * (value + 256)).astype(np.int32)]


def _cloud(rng: np.random.Generator, shape: tuple[int, int], *cells: tuple[int, int] | int) -> np.ndarray:
    """Returns smooth noise of about unit size, float32: the mean of layers of so many cells (rows, columns)."""
    total = np.zeros(shape, dtype=np.float32)
    for cell in cells:
        knots = rng.standard_normal((cell, cell) if isinstance(cell, int) else cell, dtype=np.float32)
        total += np.asarray(Image.fromarray(knots).resize(shape[::-1], Image.Resampling.BICUBIC))
    return total * (1.3 / math.sqrt(len(cells)))


def _rgb(*channels: float) -> np.ndarray:
    return np.array(channels, dtype=np.float32)


def _mix(first: Colour, second: Colour, share: np.ndarray) -> np.ndarray:
    """Returns the colours between two, for shares 0..1 of the second: shape share.shape + (3,)."""
    first, second = np.asarray(first, dtype=np.float32), np.asarray(second, dtype=np.float32)
    return first + share[..., None].astype(np.float32) * (second - first)


def _polar(length: float | np.ndarray, angle: float | np.ndarray) -> np.ndarray:
    return np.stack([length * np.cos(angle), length * np.sin(angle)], -1)


def _turned(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates along axes turned by an angle."""
    cos, sin = math.cos(angle), math.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def _curve(*points: tuple[float, float]) -> np.ndarray:
    """Returns a smooth line from the first to the last of some points (Chaikin's corner cutting), shape (n, 2)."""
    line = np.array(points, dtype=float)
    for _ in range(4):
        cut = np.stack([0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]], 1).reshape(-1, 2)
        line = np.concatenate([line[:1], cut, line[-1:]])
    return line


def _jagged(rng: np.random.Generator, start: np.ndarray, heading: float, length: float) -> np.ndarray:
    """Returns a broken line, in steps of about 2 pixels whose direction strays from its heading, shape (n, 2)."""
    count = max(4, int(length / 2))
    ways = heading + 0.42 * np.convolve(rng.normal(0, 1, count + 2), [0.5, 0.8, 0.5], "valid")
    return np.concatenate([[start], start + np.cumsum(_polar(length / count, ways), 0)])


def _crack(
    canvas: _Canvas,
    rng: np.random.Generator,
    middle: np.ndarray,
    size: tuple[float, float],
    heading: float,
    lip: Colour,
) -> None:
    """Splits a shell: a dark jagged line, so long and half so wide, whose edges catch the light, and its branches."""
    length, half = size
    trunk = _jagged(rng, middle - _polar(length / 2, heading), heading, length)
    lines = [(trunk, half)]
    for _ in range(rng.integers(1, 3)):
        way = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        fork = trunk[rng.integers(len(trunk) // 4, 3 * len(trunk) // 4)]
        lines.append((_jagged(rng, fork, way, length * rng.uniform(0.2, 0.35)), 0.7 * half))
    for line, width in lines:
        taper = width * np.interp(np.linspace(0, 1, len(line)), [0, 0.15, 0.7, 1], [0.4, 1, 1, 0.25])
        canvas.band(line - (0.5 + 0.3 * width) * canvas.light[:2], taper + 0.5, lip, 0.75)
        canvas.band(line, taper, (0.05, 0.028, 0.022), 0.95)


def _plate(x: np.ndarray, y: np.ndarray, width: float, height: float, corner: float) -> np.ndarray:
    """Returns the signed distance (negative inside) to a centred rectangle with rounded corners."""
    right, down = np.abs(x) - (width / 2 - corner), np.abs(y) - (height / 2 - corner)
    return np.hypot(np.maximum(right, 0), np.maximum(down, 0)) + np.minimum(np.maximum(right, down), 0) - corner


def _tube(side: np.ndarray, facing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how much light a tube scatters and reflects, 0..1, given what `_Canvas.band` gives."""
    height = np.sqrt(np.clip(1 - side**2, 0, 1))
    mirror = (side * facing + height * (1 + _LIGHT[2])) / np.hypot(facing, 1 + _LIGHT[2])
    return np.clip(side * facing + height * _LIGHT[2], 0, 1), np.exp(24 * (mirror - 1))


_GLYPHS = {  # strokes on a grid of 4 x 6, as pairs of digits; / lifts the pen
    "0": "10 30 41 45 36 16 05 01 10", "5": "40 00 02 32 43 45 36 06", "F": "40 00 06/03 33",
    "H": "00 06/40 46/03 43", "K": "00 06/40 03 46", "L": "00 06 46", "N": "06 00 46 40", "T": "00 40/20 26",
    "R": "06 00 30 41 42 33 03/23 46", "V": "00 26 40", "X": "00 46/40 06", "Z": "00 40 06 46",
}  # fmt: skip


def _text(letters: str, stroke: int) -> np.ndarray:
    """Returns letters as a picture, float32, 0..1, eight samples for one cell of their grid, one cell of margin."""
    sheet = Image.new("L", (48 * len(letters), 64))
    pen = ImageDraw.Draw(sheet)
    for k, letter in enumerate(letters):
        for line in _GLYPHS[letter].split("/"):
            pen.line([(48 * k + 8 + 8 * int(x), 8 + 8 * int(y)) for x, y in line.split()], 255, stroke, joint="curve")
    return gaussian_filter(np.asarray(sheet, dtype=np.float32) / 255, 1.3)


def _stamp(sheet: np.ndarray, x: np.ndarray, y: np.ndarray, cell: float) -> np.ndarray:
    """Returns the ink of letters, 0..1, at points counted from their middle, a cell of their grid being so large."""
    height, width = sheet.shape
    row, column = ((8 / cell) * y + height / 2).astype(int), ((8 / cell) * x + width / 2).astype(int)
    inside = (row > 0) & (row < height) & (column > 0) & (column < width)
    return sheet[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] * inside


# --- Bottle: its neck from above, in polar coordinates ---------------------------------------------------------------

_TURNS, _RADII, _RADIUS = 900, 400, 86.0  # samples around and from the centre to 1.075 radii; the radius in pixels
_GLASS = (  # radius (1 is the edge), red, green, blue
    (0.000, 0.105, 0.115, 0.120), (0.250, 0.085, 0.095, 0.100), (0.440, 0.065, 0.072, 0.078),
    (0.462, 0.060, 0.062, 0.066), (0.470, 0.270, 0.170, 0.100), (0.480, 0.110, 0.115, 0.110),
    (0.500, 0.150, 0.175, 0.165), (0.570, 0.135, 0.155, 0.150), (0.585, 0.095, 0.105, 0.105),
    (0.600, 0.230, 0.265, 0.255), (0.612, 0.145, 0.165, 0.160), (0.660, 0.235, 0.265, 0.260),
    (0.690, 0.170, 0.190, 0.185), (0.705, 0.300, 0.300, 0.265), (0.716, 0.130, 0.140, 0.140),
    (0.735, 0.185, 0.190, 0.180), (0.750, 0.520, 0.380, 0.170), (0.763, 0.215, 0.200, 0.165),
    (0.780, 0.120, 0.130, 0.135), (0.830, 0.165, 0.180, 0.185), (0.856, 0.420, 0.435, 0.425),
    (0.872, 0.250, 0.265, 0.265), (0.890, 0.110, 0.118, 0.122), (0.915, 0.330, 0.345, 0.345),
    (0.932, 0.430, 0.445, 0.445), (0.950, 0.190, 0.200, 0.205), (0.972, 0.115, 0.122, 0.126),
    (0.990, 0.210, 0.220, 0.222), (1.006, 0.640, 0.655, 0.655), (1.024, 0.940, 0.945, 0.945),
    (1.050, 1.020, 1.020, 1.020),
)  # fmt: skip
_LAMP = (  # arcs of reflected light: direction and half-length in radians, radius, half-width, strength
    (-2.25, 0.34, 0.672, 0.012, 0.95), (-2.12, 0.20, 0.640, 0.006, 0.50), (0.95, 0.42, 0.655, 0.010, 0.42),
    (-2.20, 0.55, 0.858, 0.010, 0.45), (0.80, 0.75, 0.932, 0.012, 0.26), (2.40, 0.16, 0.700, 0.006, 0.75),
    (-0.70, 0.13, 0.612, 0.006, 0.55), (-2.30, 0.90, 0.930, 0.016, 0.22), (1.10, 0.35, 0.530, 0.016, 0.16),
)  # fmt: skip


def _bottle(canvas: _Canvas, rng: np.random.Generator, flaw: _Flaw) -> None:
    right, down = canvas.x - _MIDDLE, canvas.y - _MIDDLE
    radius, angle = np.hypot(right, down) / _RADIUS, np.arctan2(down, right)
    turn = (angle * (_TURNS / (2 * math.pi))).astype(np.int32) % _TURNS
    around = np.linspace(0, 2 * math.pi, _TURNS, endpoint=False, dtype=np.float32)
    wobble = sum(rng.normal(0, 0.0020 / k) * np.cos(k * around + rng.uniform(0, 6.3)) for k in (1, 2, 3, 5))
    reach = (radius * (1 + wobble[turn]) * (_RADII / 1.075)).astype(np.int32)
    canvas.rgb[:] = _glass(rng, around)[turn, np.minimum(reach, _RADII - 1)]
    box, right, down = canvas.around(_MIDDLE + rng.normal((6, -4), 4), 36)
    canvas.rgb[box] += (0.055 * _bell(right, 0, 24) * _bell(down, 0, 20) * (radius[box] < 0.46))[..., None]
    if flaw.name.startswith("broken"):
        _break_glass(canvas, flaw, large=flaw.name.endswith("large"))
    elif flaw.name == "contamination":
        _contaminate(canvas, flaw)


def _glass(rng: np.random.Generator, around: np.ndarray) -> np.ndarray:
    """Returns the neck unrolled, float32 (turns, radii, 3): rings, caustics, knurls, reflections of the lamp, seam."""
    r = np.linspace(0, 1.075, _RADII, dtype=np.float32)
    knots = np.array(_GLASS)
    rings = np.stack([np.interp(r, knots[:, 0], knots[:, k]) for k in (1, 2, 3)], 1)
    rings *= 1 + (r < 1)[:, None] * rng.normal(0, 0.025, 3)
    glass = _step(r, 0.46, 0.52) * (r < 0.995)
    shade = 1 + np.outer(0.16 * np.cos(around - 2.4 + rng.normal(0, 0.15)), glass)
    shade += 0.05 * glass * _cloud(rng, shade.shape, (90, 24), (220, 12))
    knurls = shade[:, slice(*np.searchsorted(r, (0.485, 0.585)))]
    knurls += 0.24 * _cloud(rng, knurls.shape, (240, 16)) * np.sin(np.linspace(0, math.pi, knurls.shape[1]))
    seam = rng.normal(0.35, 0.09)
    layers = [(0.75 * (_cloud(rng, (1, _TURNS), (1, 46), (1, 20))[0] - 0.15).clip(0, 2) + 0.09,
               _bell(r, 0.752, 0.008), (1.0, 0.62, 0.22))]  # fmt: skip
    for centre, length, middle, width, strength in _LAMP:
        gap = np.angle(np.exp(1j * (around - centre - rng.normal(0, 0.05))))
        arc = rng.normal(1, 0.12) * strength * np.exp(-((gap / length) ** 4))
        layers.append((arc, _bell(r, middle + rng.normal(0, 0.002), width), (1, 1, 0.95)))
    for side in (seam, seam + math.pi):
        gap = np.angle(np.exp(1j * (around - side)))
        line = 0.20 * _bell(gap, 0, 0.012) - 0.12 * _bell(gap, 0.03, 0.012)
        layers.append((line, _step(r, 0.60, 0.63) * _step(r, 0.985, 0.96), (1, 1, 1)))
    turns, radii, colours = (np.array(layer, dtype=np.float32) for layer in zip(*layers, strict=True))
    reflections = turns.T @ (radii[:, :, None] * colours[:, None]).reshape(len(layers), -1)
    return shade[..., None] * rings.astype(np.float32) + reflections.reshape(*shade.shape, 3)


def _break_glass(canvas: _Canvas, flaw: _Flaw, *, large: bool) -> None:
    """Bites a shard out of the neck: fracture surfaces, hair cracks, and the white ground where the edge is gone."""
    rng = flaw.rng
    towards, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0.86, 0.97) if large else rng.uniform(0.76, 0.95)
    size, count = (rng.uniform(21, 31), 9) if large else (rng.uniform(6.5, 11), 4)
    place = _MIDDLE + _polar(depth * _RADIUS, towards)
    box, out, along = canvas.around(place, 1.7 * size, towards)
    corners = int(rng.integers(9, 15))
    spokes = (np.arange(corners) + rng.uniform(-0.4, 0.4, corners)) * 2 * math.pi / corners
    lengths, direction = size * rng.uniform(0.6, 1.15, corners), np.arctan2(along, out)
    edge = np.interp(direction, spokes, lengths, period=2 * math.pi) + 0.04 * size * _cloud(rng, out.shape, 9, 16)
    inside = (edge - np.hypot(out, along / 1.35)).astype(np.float32)  # pixels from the outline, positive within
    radius = np.hypot(canvas.x[box] - _MIDDLE, canvas.y[box] - _MIDDLE) / _RADIUS
    cover = _step(inside, -0.4, 0.5) * _step(radius, 1.035, 1.02) * _step(radius, 0.474, 0.482)
    bevel = size * ((0.34 if large else 0.55) + 0.10 * _cloud(rng, out.shape, 5)) - 0.25 * np.minimum(out, 0)
    through = _step(inside - bevel, -0.5, 0.5) * _step(radius, 0.76, 0.80)
    seeds = rng.uniform(-1.1, 1.1, (count, 2)) * (size, 1.4 * size)
    facet = np.hypot(out[..., None] - seeds[:, 0], along[..., None] - seeds[:, 1]).argmin(-1)
    waves = np.sin(np.hypot(out - 1.6 * size, along) * rng.uniform(0.5, 0.8) + 2 * _cloud(rng, out.shape, 3))
    tone = rng.choice([0.06, 0.10, 0.16, 0.24, 0.5, 0.72], count)[facet] * (1 + 0.35 * waves)
    tone = gaussian_filter(tone, 1.4) + 0.07 * _cloud(rng, out.shape, 12, 30)
    tone += 0.45 * _bell(inside, 0.8, 0.8) * _step(np.sin(3 * direction + towards), -0.4, 0.8)  # edges that catch light
    tone += 0.5 * _bell(inside - bevel, -0.8, 0.8) * _step(radius, 0.78, 0.82)
    light = np.clip(tone * (1 - through) + 1.02 * through, 0.03, 1.02)
    with canvas.flaw(flaw.name):
        canvas.paint(cover, light[..., None] * _rgb(0.98, 1.0, 0.985), box)
        for spoke in rng.permutation(np.flatnonzero(np.cos(spokes) < 0.2))[: 3 if large else 1]:
            foot = place + _turned(*(0.9 * _polar(lengths[spoke], spokes[spoke]) * (1, 1.35)), -towards)
            crack = _jagged(rng, foot, towards + spokes[spoke], size * rng.uniform(0.3, 0.8))
            canvas.band(crack, np.linspace(0.7, 0.3, len(crack)), (0.55, 0.57, 0.56))


def _contaminate(canvas: _Canvas, flaw: _Flaw) -> None:
    """Drops foreign matter into the neck: a whitish clot, a brownish stain, or crumbs."""
    rng = flaw.rng
    count, sizes, colour, opacity = (
        (1, (9, 17), _rgb(0.80, 0.79, 0.74), 0.92),
        (1, (7, 15), _rgb(0.46, 0.29, 0.13), 0.78),
        (int(rng.integers(6, 11)), (1.6, 3.8), _rgb(0.70, 0.64, 0.52), 0.95),
    )[flaw.form(3)]
    with canvas.flaw(flaw.name):
        for _ in range(count):
            size = rng.uniform(*sizes)
            place = _MIDDLE + _polar(_RADIUS * rng.uniform(0, 0.38), rng.uniform(0, 2 * math.pi))
            box, right, down = canvas.around(place, 2.2 * size, rng.uniform(0, math.pi))
            lumps = 0.24 * _cloud(rng, right.shape, 4, 7, 12)
            height = 1 - np.hypot(right, down * rng.uniform(1.1, 1.9)) / size + lumps
            relief = 2.2 * np.gradient(gaussian_filter(height, 1.5))[0] + 0.10 * _cloud(rng, right.shape, 20, 34)
            tone = np.clip((1 + relief) * (0.62 + 0.45 * _step(height, 0, 0.9)), 0.25, 1.25)
            canvas.paint(opacity * _step(height, 0.0, 0.22), np.clip(tone[..., None] * colour, 0, 1), box)


# --- Hazelnut: a solid of revolution, lit, with a striated shell wrapped around it -----------------------------------

_NUT = 63.0  # mean radius in pixels


def _hazelnut(canvas: _Canvas, rng: np.random.Generator, flaw: _Flaw) -> None:
    canvas.rgb[:] = (0.045 + 0.006 * _cloud(rng, (_BIG, _BIG), 5, 90))[..., None] * _rgb(1.0, 0.95, 0.92)
    box, right, down = canvas.around((_MIDDLE, _MIDDLE), 1.22 * _NUT)
    turns = np.linspace(-math.pi, math.pi, 361)  # the tip points to direction 0, to the right
    lumps = sum(rng.normal(0, 0.011 / k) * np.cos(k * turns + rng.uniform(0, 6.3)) for k in (2, 3, 4, 6))
    outline = 1 + lumps + 0.03 * np.cos(2 * turns) + rng.uniform(0.04, 0.08) * _bell(turns, 0, 0.3)
    edge = np.interp(np.arctan2(down, right), turns, _NUT * outline).astype(np.float32)
    away = np.hypot(right, down)
    height = np.sqrt(1 - np.minimum(away / edge, 1) ** 2)
    ball = np.stack([right / edge, down / edge, height])  # the point of a unit sphere behind each sample
    tilt = rng.uniform(-0.3, 0.3)
    along = math.cos(tilt) * ball[0] + math.sin(tilt) * height  # on the axis: -1 at the base, 1 at the tip
    meridian = np.arctan2(ball[1], math.cos(tilt) * height - math.sin(tilt) * ball[0])
    colour, relief = _shell(rng, along, meridian)
    bend = np.gradient(gaussian_filter(relief, 0.7))
    normal = ball - 0.55 * np.stack([bend[1], bend[0], np.zeros_like(relief)])
    normal /= np.sqrt((normal**2).sum(0))
    half = canvas.light + _rgb(0, 0, 1)
    face, gloss = np.tensordot(np.stack([canvas.light, half / np.linalg.norm(half)]), normal, 1)
    shine = (0.16 * np.exp(14 * (gloss - 1)) + 0.14 * np.exp(60 * (gloss - 1))) * _step(along, -0.72, -0.55)
    lit = colour * (0.16 + 0.95 * face.clip(0) + 0.10 * height)[..., None] + shine[..., None]
    canvas.paint(_step(edge - away, -0.4, 0.5), lit, box)
    if flaw.name != "good":
        place = _polar(flaw.rng.uniform(0, 0.3), flaw.rng.uniform(-math.pi, math.pi))
        facing = canvas.light[:2] @ place + canvas.light[2] * math.sqrt(1 - place @ place)
        with canvas.flaw(flaw.name):
            _NUT_FLAWS[flaw.name](canvas, flaw.rng, _MIDDLE + _NUT * place, float(0.3 + 0.8 * facing))


def _shell(rng: np.random.Generator, along: np.ndarray, meridian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns colour (..., 3) and relief of the shell: striae from base to tip, a pale rough base, a grey tip."""
    rows = np.clip((along + 1) * 64, 0, 127).astype(np.int32)
    columns = np.clip((meridian + math.pi) * (360 / math.pi), 0, 719).astype(np.int32)
    fine = _cloud(rng, (128, 720), (5, 130), (9, 240))[rows, columns]
    broad = _cloud(rng, (128, 720), (3, 22), (4, 44))[rows, columns]
    patches, rough = _cloud(rng, along.shape, 4, 7), _cloud(rng, along.shape, 30, 100)
    tint = _rgb(0.52, 0.285, 0.135) * rng.normal(1, 0.035) + rng.normal(0, 0.008, 3)
    tones = zip(tint * (0.52, 0.46, 0.44), tint, tint * (1.42, 1.5, 1.6), strict=True)
    palette = np.stack([np.interp(np.arange(256), (0, 128, 255), tone) for tone in tones], 1).astype(np.float32)
    end = 0.05 * broad + 0.035 * patches - rng.uniform(0.62, 0.72)
    base = _step(along, end + 0.035, end - 0.035)
    share = 0.42 + 0.14 * fine + 0.12 * broad + 0.07 * patches + 0.03 * rough - 0.35 * _bell(along, end + 0.05, 0.045)
    colour = palette[np.clip(256 * share, 0, 255).astype(np.uint8)]
    colour += (0.55 * _step(along + 0.02 * fine, 0.86, 0.97))[..., None] * (_rgb(0.60, 0.52, 0.43) - colour)
    colour += base[..., None] * (_rgb(0.63, 0.46, 0.29) * (1 + 0.15 * rough)[..., None] - colour)
    return colour, 0.10 * fine * (1 - base) + (0.05 + 0.38 * base) * rough


def _crack_nut(canvas: _Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    size, lip = (rng.uniform(54, 80), rng.uniform(1.8, 3.2)), light * _rgb(0.90, 0.70, 0.47)
    _crack(canvas, rng, (place + _MIDDLE) / 2, size, rng.uniform(0, 2 * math.pi), lip)


def _cut_nut(canvas: _Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    """Slashes the shell with a blade: one or two straight openings on the pale flesh."""
    heading = rng.uniform(0, 2 * math.pi)
    grain = rng.normal(1, 0.06, 60)

    def flesh(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        lower = side * np.sign(facing.mean())
        shade = _step(lower, 1.0, 0.3) * (1 - 0.35 * _step(lower, -0.6, -1.0))
        return light * _mix((0.10, 0.05, 0.03), (0.96, 0.84, 0.62), shade * np.interp(60 * run, np.arange(60), grain))

    for k in range(rng.integers(1, 3)):
        length, half = rng.uniform(30, 52), rng.uniform(2.8, 4.8)
        ways = heading + rng.normal(0, 0.12) + np.linspace(0, rng.normal(0, 0.15), 24)
        line = np.cumsum(_polar(length / 24, ways), 0)
        line += place + k * _polar(rng.uniform(12, 17), heading + math.pi / 2) - line.mean(0)
        opening = half * np.sqrt(np.sin(np.linspace(0.03, math.pi - 0.03, 24))) * rng.uniform(0.85, 1.0, 24)
        canvas.band(line, opening, flesh)


def _pierce_nut(canvas: _Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    """Bores a worm's hole: dark, with a ragged pale rim and its lower wall in the light."""
    size = rng.uniform(7, 11.5)
    box, right, down = canvas.around(place, 2.2 * size)
    distance = np.hypot(right, down * rng.uniform(1.0, 1.25)) / size + 0.09 * _cloud(rng, right.shape, 6, 11)
    towards_light = (right * canvas.light[0] + down * canvas.light[1]) / size
    wall = 0.05 + 0.24 * _step(towards_light, -0.1, -0.9) * _step(distance, 0.4, 1.0)
    canvas.paint(0.75 * _step(distance, 1.38, 1.12), light * _rgb(0.72, 0.54, 0.34), box)
    canvas.paint(_step(distance, 1.08, 0.92), light * wall[..., None] * _rgb(1.0, 0.66, 0.42), box)


def _print_nut(canvas: _Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    """Stamps letters on the shell, in bold ink that misses the hollows."""
    sheet = _text("".join(rng.choice(list("FHKLNRTVXZ"), rng.integers(2, 4))), stroke=13)
    cell = rng.uniform(380, 500) / sheet.shape[1]
    box, right, down = canvas.around(place, cell * sheet.shape[1] / 10, rng.uniform(0, 2 * math.pi))
    wear = np.clip(0.90 + 0.12 * _cloud(rng, right.shape, 12, 40), 0.5, 1)
    ink = (_rgb(0.96, 0.97, 0.98), _rgb(0.30, 0.75, 0.95), _rgb(0.98, 0.90, 0.25))[rng.integers(3)]
    canvas.paint(wear * _stamp(sheet, right, down, cell), light * ink, box)


_NUT_FLAWS = {"crack": _crack_nut, "cut": _cut_nut, "hole": _pierce_nut, "print": _print_nut}


# --- Capsule: two gelatin shells, one slid into the other, under a long lamp -----------------------------------------

_HALF, _GIRTH = 54.0, 27.0  # half of the straight part and radius, in pixels
_CAP = -3.0  # where the dark cap ends, counted from the middle
_IMPRINT, _CELL = (30.0, -3.0), 2.5  # middle of the printed number, size of one cell of its grid, in pixels
_NUMBER = _text("500", stroke=11)


@dataclasses.dataclass(frozen=True)
class _Deformed:
    """What a flaw does to a capsule; arrays have the shape of the samples.

    Attributes:
        ink: how much ink there is at points of the shell counted from the middle of the imprint.
        pull: how much nearer to the axis a shell is, a share of its distance.
        slope: what that adds to the normals, along and across.
        shade: how much darker it is, 0..1.
    """

    ink: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda x, y: _stamp(_NUMBER, x, y, _CELL)
    pull: np.ndarray | float = 0.0
    slope: tuple[np.ndarray | float, np.ndarray | float] = (0.0, 0.0)
    shade: np.ndarray | float = 0.0


def _capsule(canvas: _Canvas, rng: np.random.Generator, flaw: _Flaw) -> None:
    paper = 0.885 + 0.012 * _cloud(rng, (_BIG, _BIG), 3) + 0.006 * _cloud(rng, (_BIG, _BIG), 150)
    along, across = canvas.x - _MIDDLE, canvas.y - _MIDDLE
    fallen = _from_axis(along - 3, across - 9) - _GIRTH  # the shadow lies below, towards the right
    shadow = 0.42 * _step(fallen, 13, -12) + 0.25 * _step(_from_axis(along - 1, across - 3) - _GIRTH, 3.5, -2)
    canvas.rgb[:] = (paper * (1 - shadow))[..., None] * _rgb(1.0, 0.992, 0.975)

    box = canvas.box((_MIDDLE, _MIDDLE), _HALF + _GIRTH + 2, _GIRTH + 6)
    along, across, ground = along[box], across[box], canvas.rgb[box].copy()
    roll, tints = rng.normal(0, 0.8), rng.normal(1, 0.020, (2, 3)).astype(np.float32)
    tints = tints * (1 + 0.03 * _cloud(rng, along.shape, (2, 5), (16, 40)))[..., None, None]
    canvas.paint(*_gelatin(canvas.light, tints, roll, along, across, _Deformed()), box)
    if flaw.name in _DEFORMATIONS:
        good = canvas.rgb[box].copy()
        canvas.rgb[box] = ground
        deformed = _DEFORMATIONS[flaw.name](flaw, along, across)
        canvas.paint(*_gelatin(canvas.light, tints, roll, along, across, deformed), box)
        with canvas.flaw(flaw.name), canvas.ghost():
            canvas.paint(_step(np.abs(canvas.rgb[box] - good).max(-1), 0.02, 0.06), _BLACK, box)
    elif flaw.name == "crack":
        place = _MIDDLE + flaw.rng.uniform(-1, 1, 2) * (40, 0.15 * _GIRTH)
        size, heading = (flaw.rng.uniform(28, 46), flaw.rng.uniform(1.0, 1.9)), flaw.rng.uniform(-0.5, 0.5)
        with canvas.flaw(flaw.name):
            _crack(canvas, flaw.rng, place, size, heading, (0.98, 0.90, 0.76))
    elif flaw.name == "scratch":
        _scratch(canvas, flaw)


def _from_axis(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    return np.hypot(along - np.clip(along, -_HALF, _HALF), across)


def _gelatin(
    lamp: np.ndarray, tints: np.ndarray, roll: float, along: np.ndarray, across: np.ndarray, deformed: _Deformed
) -> tuple[np.ndarray, np.ndarray]:
    """Returns cover and colours of the shells.

    Args:
        lamp: direction of the light.
        tints: what multiplies the colours of body and cap, shape (..., 2, 3).
        roll: how far the imprint has turned around the axis, in pixels.
        along: place of the samples on the axis, in pixels from the middle.
        across: their place beside it.
        deformed: what a flaw changes.
    """
    across = across / (1 - deformed.pull)
    cap = _step(along, _CAP + 0.3, _CAP - 0.3)
    girth = _GIRTH - 0.9 * (1 - cap)
    tilt, lean = (along - np.clip(along, -_HALF, _HALF)) / girth, across / girth
    height = np.sqrt(np.clip(1 - tilt**2 - lean**2, 0, 1))
    rim = (1 - height) ** 1.5
    ink = deformed.ink(along - _IMPRINT[0], np.arcsin(np.clip(lean, -1, 1)) * girth - _IMPRINT[1] - roll)
    body = _mix((0.93, 0.47, 0.11), (0.74, 0.25, 0.03), rim) * tints[..., 0, :]
    colour = _mix(_mix(body, _rgb(0.20, 0.125, 0.10) * tints[..., 1, :], cap), (0.97, 0.95, 0.90), 0.93 * ink)

    below = 0.20 * _step(lean, 0.45, 1.0)  # light that the paper sends back
    tilt, lean = tilt + deformed.slope[0], lean + deformed.slope[1]
    facing = (0.4 * lamp[0] * tilt + lamp[1] * lean + lamp[2] * height).clip(0, 1.2)
    edge = 0.28 * _bell(along, _CAP - 0.9, 0.7) - 0.30 * _bell(along, _CAP + 1.3, 1.3)
    groove = 0.10 * _bell(along, _CAP - 11.6, 0.9) - 0.10 * _bell(along, _CAP - 9.8, 0.9)
    light = (0.33 + 0.72 * facing + below) * (1 + edge + 2 * groove) * (1 - deformed.shade)
    shine = 0.70 * _bell(lean, -0.52, 0.085) * _bell(tilt, -0.05, 0.34) + 0.07 * _bell(lean, 0.74, 0.10)
    shine += 0.10 * _bell(lean, -0.50, 0.26) * _bell(tilt, -0.1, 0.6) + 0.05 * rim
    shine += 0.35 * (edge + groove).clip(0) * facing
    return _step(girth - _from_axis(along, across), -0.4, 0.5), colour * light[..., None] + shine[..., None]


def _misprint(flaw: _Flaw, along: np.ndarray, across: np.ndarray) -> _Deformed:
    """Prints badly: most of the ink missing, smeared, or printed twice."""
    rng, good = flaw.rng, _Deformed.ink
    bare = np.linspace(-4, 4, _NUMBER.shape[1]) * rng.choice([-1, 1]) - 2 + 2 * _cloud(rng, _NUMBER.shape, 5, 12)
    worn, (right, down) = _NUMBER * _step(bare, -1, 1), rng.uniform((5, 5), (8, 9))

    def smeared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.max([good(x - 0.16 * right * k, y - 0.04 * down * k) * (0.85 - k / 24) for k in range(16)], axis=0)

    return _Deformed(
        ink=(
            lambda x, y: _stamp(worn, x, y, _CELL),
            smeared,
            lambda x, y: np.maximum(good(x, y), good(x - right, y - down)),
        )[flaw.form(3)]
    )


def _squeeze(flaw: _Flaw, along: np.ndarray, across: np.ndarray) -> _Deformed:
    """Presses one side in."""
    rng = flaw.rng
    side, depth = int(rng.choice([-1, 1])), rng.uniform(0.24, 0.40)
    phase = np.clip((along - rng.uniform(-40, 40)) / rng.uniform(16, 26), -1, 1) * math.pi
    dent = depth * (1 + np.cos(phase)) / 2 * _step(side * across, 0, 0.5 * _GIRTH)
    crease = depth * np.sin(phase) * _step(side * across, 0, 0.9 * _GIRTH)
    return _Deformed(pull=dent, slope=(1.1 * crease, -0.9 * side * dent), shade=1.1 * dent)


def _poke(flaw: _Flaw, along: np.ndarray, across: np.ndarray) -> _Deformed:
    """Pushes a blunt needle in."""
    rng = flaw.rng
    right, down = along - rng.uniform(-48, 48), across - rng.uniform(-0.5, 0.6) * _GIRTH
    size = rng.uniform(4.5, 7.5)
    away = np.hypot(right, down) / size
    dent = rng.uniform(1.8, 2.6) * np.exp(-(away**2)) / size
    return _Deformed(slope=(dent * right, dent * down), shade=rng.uniform(0.6, 0.9) * _step(away, 0.62, 0.40))


_DEFORMATIONS = {"faulty_imprint": _misprint, "poke": _poke, "squeeze": _squeeze}


def _scratch(canvas: _Canvas, flaw: _Flaw) -> None:
    """Scrapes the shell: a few nearly parallel pale lines."""
    rng = flaw.rng
    heading, length = rng.uniform(-0.7, 0.7), rng.uniform(30, 50)
    length = min(length, 1.5 * _GIRTH / abs(math.sin(heading) + 1e-9))  # it stays on the shell
    place = _MIDDLE + rng.uniform(-1, 1, 2) * (34, 0.2 * _GIRTH)
    with canvas.flaw(flaw.name):
        for _ in range(rng.integers(3, 7)):
            run = np.linspace(-0.5, 0.5, 12) * length * rng.uniform(0.5, 1.0)
            middle = place + _polar(rng.normal(0, 3.5), heading + math.pi / 2)
            line = middle + _polar(run, heading + rng.normal(0, 0.05)) + rng.normal(0, 0.12, (12, 2))
            half = rng.uniform(0.5, 1.0) * np.sin(np.linspace(0.3, math.pi - 0.2, 12))
            canvas.band(line, half, (0.95, 0.90, 0.84), rng.uniform(0.8, 1.0))


# --- Toothbrush: a plastic head, tufts set in rows, each bristle on its own ------------------------------------------

_ROWS = (2, 3, 4, 4, 4, 4, 4, 4, 3, 2)  # tufts of each row, from the top of the head
_TOP, _PITCH, _GAP = 33.0, 12.2, 13.2  # height of the first row, distance of two rows, of two tufts of a row
_BRISTLES = 56
_DISC = np.array([(i, j) for i in (-0.75, -0.25, 0.25, 0.75) for j in (-0.75, -0.25, 0.25, 0.75) if abs(i * j) < 0.5])
_DYE = _rgb(0.13, 0.24, 0.56)
_HEAD = _curve((0, 11), (15, 11), (27, 22), (33, 50), (35.5, 88), (33, 132), (22, 155), (12.5, 166), (11.8, 210))


@dataclasses.dataclass(frozen=True)
class _Tuft:
    """A bundle of bristles.

    Attributes:
        socket: where it is planted, shape (2,).
        lean: how far its ends are from there, shape (2,).
        spread: radius of the bundle at the ends, in pixels.
        dye: its colour, shape (3,).
        ring: place of each bristle in a bundle of radius 1, shape (bristles, 2).
        tone: brightness of each bristle, shape (bristles,).
    """

    socket: np.ndarray
    lean: np.ndarray
    spread: float
    dye: np.ndarray
    ring: np.ndarray
    tone: np.ndarray


def _toothbrush(canvas: _Canvas, rng: np.random.Generator, flaw: _Flaw) -> None:
    canvas.rgb[:] = (0.047 + 0.004 * _cloud(rng, (_BIG, _BIG), 6, 150))[..., None] * _rgb(0.92, 0.96, 1.12)
    canvas.scatter(*rng.uniform(0, SIDE, (2, 26)), (0.22, 0.23, 0.25), 0.5)  # dust
    dye = _DYE * rng.normal(1, 0.12, 3)
    _head(canvas, rng, dye)
    tufts = [_tuft(rng, row, column, dye) for row, count in enumerate(_ROWS) for column in range(count)]
    damaged = _damage(flaw, tufts)
    _bristles(canvas, [tuft for k, tuft in enumerate(tufts) if k not in damaged])
    if flaw.name != "good":
        with canvas.flaw(flaw.name):
            with canvas.ghost():
                _bristles(canvas, [tufts[k] for k in damaged])
            _bristles(canvas, [tuft for tuft in damaged.values() if tuft])
            for k in (k for k, tuft in damaged.items() if not tuft):
                _socket(canvas, tufts[k])
            if not damaged:
                _fibre(canvas, flaw.rng)


def _tuft(rng: np.random.Generator, row: int, column: int, dye: np.ndarray) -> _Tuft:
    place = np.array([(column - (_ROWS[row] - 1) / 2) * _GAP, _TOP + row * _PITCH - _MIDDLE])
    away = np.sqrt(rng.uniform(0, 1, _BRISTLES))
    return _Tuft(
        socket=_MIDDLE + place + rng.normal(0, 0.25, 2),
        lean=0.06 * place * (1.0, 0.5) + rng.normal(0, 0.5, 2),
        spread=rng.normal(4.5, 0.16),
        dye=dye if row in (2, 4, 6, 8) else _rgb(0.80, 0.81, 0.80),
        ring=_polar(away, rng.uniform(0, 2 * math.pi, _BRISTLES)) + rng.normal(0, 0.09, (_BRISTLES, 2)),
        tone=rng.normal(1, 0.14, _BRISTLES) * (1 - 0.12 * away),
    )


def _head(canvas: _Canvas, rng: np.random.Generator, dye: np.ndarray) -> None:
    """Moulds the head: an oval of white plastic on its handle, bright along the edges, tinted by the bristles."""
    box = canvas.box((_MIDDLE, _MIDDLE), 40, SIDE)
    right, down = canvas.x[box] - _MIDDLE, canvas.y[box]
    inside = _profile(down, lambda y: np.interp(y, _HEAD[:, 1], _HEAD[:, 0], left=-9)) - np.abs(right)
    slant = ([11, 16, 24, 45, 140, 150, 176], [0.3, 0.6, 0.8, 0.95, 0.95, 0.8, 1])  # the edge is not upright
    inside = (inside * _profile(down, lambda y: np.interp(y, *slant))).astype(np.float32)
    swell = np.clip(inside / 9, 0, 1)
    lean = (1 - swell) * np.clip(right / 14, -1, 1)  # the side's slope, -1..1
    light = 0.70 + 0.10 * swell - 0.16 * lean - 0.22 * (1 - swell) ** 3 + 0.012 * _cloud(rng, down.shape, 4)
    light += (0.17 - 0.07 * np.sign(right)) * _bell(inside, 4.5, 1.5) * (swell < 1)
    light += _profile(down, lambda y: 0.10 * _step(y, 22, 12) - 0.10 * _step(y, 150, 172))
    light += 0.22 * _bell(right, -4, 2.6) * _step(down, 163, 176)
    tint = 0.55 * _step(inside, 6, 17) * _profile(down, lambda y: _step(y, 34, 50) * _step(y, 150, 138))
    plastic = _mix((0.98, 0.975, 0.94), 0.55 + 0.35 * dye, tint)
    canvas.paint(_step(inside, -1.6, 0.4), (0.10, 0.10, 0.105), box)
    canvas.paint(_step(inside, -0.1, 0.8), plastic * light[..., None], box)


def _bristles(canvas: _Canvas, tufts: list[_Tuft]) -> None:
    """Plants tufts: dark sockets, stems that lean outwards, bright rounded ends, each bristle a little different."""
    if not tufts:
        return
    for tuft in tufts:
        box, right, down = canvas.around(tuft.socket + (0.8, 1.2), 7)
        canvas.paint(0.66 * _step(np.hypot(right, down), 6.4, 3.0), 0.20 * tuft.dye + 0.03, box)
    ring = np.stack([tuft.ring for tuft in tufts])  # (tufts, bristles, 2)
    tone = np.stack([tuft.tone[:, None] * tuft.dye for tuft in tufts]).astype(np.float32)
    feet = np.stack([tuft.socket for tuft in tufts])[:, None] + 2.7 * ring
    ends = np.stack([tuft.socket + tuft.lean for tuft in tufts])[:, None]
    ends = ends + np.array([tuft.spread for tuft in tufts])[:, None, None] * ring
    rise = np.linspace(0, 1, 3 + int(2 * np.hypot(*(ends - feet).T).max()), dtype=np.float32)[:, None, None, None]
    stems, colours = feet + rise * (ends - feet), (0.32 + 0.38 * rise) * tone
    canvas.scatter(stems[..., 0], stems[..., 1], colours)
    canvas.scatter(stems[..., 0] + 0.5, stems[..., 1], 0.85 * colours)
    heads = ends[:, :, None] + _DISC
    canvas.scatter(heads[..., 0], heads[..., 1], 0.045 + tone[:, :, None] * (1 - 0.28 * _DISC.sum(1))[:, None])


def _socket(canvas: _Canvas, tuft: _Tuft) -> None:
    """Shows the empty hole of a tuft that fell out."""
    box, right, down = canvas.around(tuft.socket, 8)
    away = np.hypot(right, down)
    depth = np.clip(0.16 + 0.05 * (right + down), 0.05, 0.4)
    canvas.paint(0.5 * _bell(away, 4.6, 0.8) * (right + down > 0), (0.95, 0.95, 0.93), box)
    canvas.paint(_step(away, 4.5, 3.6), depth[..., None] * _rgb(1.0, 0.98, 0.95), box)


def _damage(flaw: _Flaw, tufts: list[_Tuft]) -> dict[int, _Tuft | None]:
    """Returns what becomes of some tufts: bent, or (None) gone; no change if a fibre lies across."""
    rng, form = flaw.rng, flaw.form(3)
    if flaw.name == "good" or form == 2:
        return {}
    first = tufts[rng.integers(2, len(tufts) - 2)]
    near = sorted(range(len(tufts)), key=lambda k: float(np.hypot(*(tufts[k].socket - first.socket))))
    victims = sorted(near[: rng.integers(1, 4)])
    if form == 1:
        return dict.fromkeys(victims)
    push = _polar(rng.uniform(7, 11), rng.uniform(0, 2 * math.pi))
    leans = {k: push + rng.normal(0, 1.5, 2) for k in victims}
    return {k: dataclasses.replace(tufts[k], lean=leans[k], spread=1.2 * tufts[k].spread) for k in victims}


def _fibre(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Lays a stray hair or thread over the bristles."""
    length, bend, waves = rng.uniform(40, 75), rng.uniform(-1.5, 1.5), rng.uniform(3, 8)
    run = np.linspace(0, 1, 40)
    line = np.cumsum(_polar(length / 40, rng.uniform(0, 2 * math.pi) + bend * run + 0.5 * np.sin(waves * run)), 0)
    line += (_MIDDLE + rng.uniform(-14, 14), rng.uniform(45, 135)) - line.mean(0)
    colour = (_rgb(0.05, 0.04, 0.04), _rgb(0.75, 0.16, 0.20), _rgb(0.80, 0.60, 0.10))[rng.integers(3)]
    canvas.band(line + (1.2, 1.7), 1.6, _BLACK, 0.35)
    _cable(canvas, line, rng.uniform(0.9, 1.6), colour)


# --- Engine wiring: a harness in front of a cast block, held by clips and a blue hoop --------------------------------

_LOOM = _curve((-14, 118), (28, 112), (66, 116), (104, 127), (142, 124), (206, 112))  # the corrugated conduit
_CABLES = (  # beside and under it: line, half-width, colour
    (_curve((-14, 139), (30, 131), (68, 132), (104, 142), (140, 140), (206, 131)), 4.2, _rgb(0.35, 0.36, 0.37)),
    (_curve((-14, 97), (30, 94), (70, 99), (108, 110), (150, 106), (206, 94)), 3.6, _rgb(0.42, 0.43, 0.44)),
    (_curve((-14, 105), (30, 101), (70, 106), (108, 117), (146, 114), (206, 102)), 3.0, _rgb(0.10, 0.10, 0.105)),
)
_WIRES = (  # to the connectors: line, half-width, colour
    (_curve((60, 108), (66, 92), (66, 78), (62, 58)), 1.7, _rgb(0.62, 0.60, 0.56)),
    (_curve((66, 110), (73, 94), (72, 78), (69, 58)), 1.7, _rgb(0.66, 0.45, 0.10)),
    (_curve((73, 112), (80, 96), (79, 78), (76, 58)), 1.7, _rgb(0.13, 0.13, 0.14)),
    (_curve((118, 124), (126, 104), (128, 92), (126, 70)), 2.6, _rgb(0.20, 0.20, 0.21)),
    (_curve((78, 116), (84, 150), (98, 160), (122, 168)), 2.4, _rgb(0.14, 0.14, 0.145)),
    (_curve((68, 116), (76, 152), (94, 168), (122, 174)), 2.0, _rgb(0.48, 0.20, 0.14)),
)
_CONNECTORS = (  # place, direction, size, colour
    ((69, 47), -0.06, (36, 25), _rgb(0.46, 0.47, 0.48)),
    ((126, 60), 0.10, (24, 22), _rgb(0.13, 0.13, 0.135)),
    ((137, 171), 0.04 + math.pi / 2, (21, 34), _rgb(0.22, 0.225, 0.235)),
)
_BOLTS = (((20, 13), 0.2), ((112, 10), 0.7), ((176, 13), 0.45))  # place, turn
_CLIPS = (np.array([38.0, 84.0]), np.array([158.0, 92.0]))  # where their bases are screwed to the block
_HOOP = np.array([106.0, 122.0])
_BLUE = _rgb(0.06, 0.27, 0.80)


def _engine_wiring(canvas: _Canvas, rng: np.random.Generator, flaw: _Flaw) -> None:
    _block(canvas, rng)
    wires = [(line + rng.normal(0, 0.5, 2), half, colour * rng.normal(1, 0.05)) for line, half, colour in _WIRES]
    canvas.shadow([wire[:2] for wire in wires], 0.6)
    for wire in wires:
        _cable(canvas, *wire)
    for place, turn, size, colour in _CONNECTORS:
        _connector(canvas, place, turn + rng.normal(0, 0.025), size, colour)
    sag = rng.normal(0, 0.6)
    cables = [(line + (0, rng.normal(sag, 0.4)), half, colour) for line, half, colour in _CABLES]
    canvas.shadow([*(cable[:2] for cable in cables), (_LOOM + (0, sag), 10.5)], 0.75)
    for cable in cables:
        _cable(canvas, *cable)
    _cable(canvas, _LOOM + (0, sag), 9.4, _rgb(0.11, 0.114, 0.118), ridges=57)
    swings, turns, slide, tail = rng.normal(0, 0.03, 2), rng.uniform(0, 1, 2), rng.normal(0, 0.8), rng.uniform(10, 15)

    faults = _faults(flaw)
    hoop = _HOOP + (slide, sag + 0.4 * slide)
    if "blue_hoop" in faults:
        with canvas.flaw("blue_hoop"), canvas.ghost():
            _hoop(canvas, hoop, tail)
    else:
        _hoop(canvas, hoop, tail)
    for k, base in enumerate(_CLIPS):
        if k in faults.get("fastening", ()):
            with canvas.flaw("fastening"):
                with canvas.ghost():
                    _strap(canvas, base, swings[k])
                _loose_strap(canvas, base, swings[k], flaw)
        else:
            _strap(canvas, base, swings[k])
        _solid(canvas, base, swings[k], (15, 13), _rgb(0.72, 0.72, 0.69))
        _bolt(canvas, base, 4.0, turns[k])
    if "obstruction" in faults:
        with canvas.flaw("obstruction"):
            _obstruct(canvas, flaw, aside=flaw.name == "multiple")


def _faults(flaw: _Flaw) -> dict[str, Sequence[int]]:
    """Returns what is wrong with the harness: the names of the flaws, and for fastening which clips are concerned."""
    clip = (int(flaw.rng.integers(2)),)
    if flaw.name != "multiple":
        return {flaw.name: clip}
    return (
        {"fastening": (0, 1)},
        {"blue_hoop": (), "fastening": clip},
        {"blue_hoop": (), "obstruction": ()},
        {"fastening": (0,), "obstruction": ()},
    )[flaw.form(4)]


def _block(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Casts the block: grained aluminium, a machined face with its edge, ribs, bolts, a dark recess below."""
    x, y = canvas.x, canvas.y
    grain, stains = _cloud(rng, x.shape, 110, 190), _cloud(rng, x.shape, 5, 9)
    slope = _profile(x, lambda x: 0.55 - 0.0003 * x) - _profile(y, lambda y: 0.0005 * y)
    ribs = sum(_profile(x - k, lambda t: 0.10 * _bell(t, -3, 2.6) - 0.13 * _bell(t, 3.5, 3.2)) for k in (24, 96, 178))
    edge, lip = y - (27 - 0.035 * x), y - _profile(x, lambda x: 152 + 0.05 * x + 3 * np.sin(0.035 * x))
    face = _profile(edge, lambda t: _step(t, 0.6, -0.6))
    tooling = _profile(edge, lambda t: 0.16 + 0.014 * np.sin(3.1 * t)) + 0.02 * _cloud(rng, x.shape, (150, 3))
    recess = _profile(lip, lambda t: 1 - 0.80 * _step(t, -1.5, 3.0))
    metal = (slope + ribs) * (1 + 0.06 * grain) * (1 - face) + face * (slope + tooling)
    metal += _profile(edge, lambda t: 0.26 * _bell(t, -0.4, 0.8) - 0.17 * _bell(t, 3.0, 2.6))
    metal = metal * recess + _profile(lip, lambda t: 0.16 * _bell(t, -2.6, 1.3) - 0.07 * _step(t, -1, 3))
    metal *= 1 - 0.14 * _step(stains, 0.9, 2.0)
    canvas.rgb[:] = metal.clip(0.02)[..., None] * _rgb(0.985, 1.0, 1.01)
    for place, turn in _BOLTS:
        _bolt(canvas, place, 7.0, turn)


def _bolt(canvas: _Canvas, place: Colour, size: float, turn: float) -> None:
    """Screws in a hexagon head on its washer."""
    box, right, down = canvas.around(place, 2 * size)
    right, down = right / size, down / size
    away, angle = np.hypot(right, down), np.arctan2(down, right)
    sheen = 0.52 + 0.13 * np.cos(2 * (angle + 0.9)) + 0.10 * np.cos(angle + 2.2)
    sector = np.mod(angle - turn, math.pi / 3) - math.pi / 6
    side = away * np.cos(sector)
    flank = 0.42 + 0.26 * np.cos(angle - sector - math.atan2(canvas.light[1], canvas.light[0]))
    tone = flank + (0.66 - 0.05 * right - 0.07 * down - flank) * _step(side, 0.74, 0.66)
    canvas.paint(0.5 * _step(np.hypot(right - 0.2, down - 0.35), 1.5, 0.8), _BLACK, box)
    canvas.paint(_step(away, 1.15, 1.05), sheen[..., None] * _rgb(1.0, 0.985, 0.95), box)
    canvas.paint(_step(side, 0.84, 0.78), tone[..., None] * _rgb(1.0, 0.99, 0.965), box)


def _solid(
    canvas: _Canvas, place: Colour, turn: float, size: tuple[float, float], colour: np.ndarray, corner: float = 2.0
) -> tuple[Box, np.ndarray, np.ndarray]:
    """Paints a block with rounded edges and its shadow; returns its box and its own coordinates there."""
    box, across, along = canvas.around(place, 0.5 * math.hypot(*size) + 7, turn)
    right, down = _turned(1.6, 2.6, turn)
    distance = _plate(across, along, *size, corner)
    slope = np.gradient(gaussian_filter(distance, 1.5))
    facing = _ZOOM * (slope[1] * _LIGHT[0] + slope[0] * _LIGHT[1])
    light = 0.86 - 0.12 * along / size[1] + 0.42 * facing * _step(distance, -3.2, -0.2)
    light += 0.10 * _bell(distance, -2.0, 0.9) * (facing > 0.2)
    canvas.paint(0.5 * _step(_plate(across - right, along - down, *size, corner), 4, -2), _BLACK, box)
    canvas.paint(_step(distance, 0.35, -0.35), np.clip(light[..., None] * colour, 0, 1), box)
    return box, across, along


def _cable(canvas: _Canvas, line: np.ndarray, half: float, colour: np.ndarray, *, ridges: int = 0) -> None:
    """Lays a glossy cable, or a corrugated one on which every ridge catches the lamp."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        scattered, gloss = _tube(side, facing)
        if not ridges:
            return (0.30 + 0.95 * scattered)[..., None] * colour + 0.26 * gloss[..., None]
        wave = np.sin(2 * math.pi * ridges * run + 0.25 * side)
        tone = 0.32 + 1.2 * scattered * (0.55 + 0.45 * wave)
        return tone[..., None] * colour + 0.42 * (gloss * _step(wave, 0, 1))[..., None]

    canvas.band(line, half, shade)


def _connector(canvas: _Canvas, place: Colour, turn: float, size: tuple[float, float], colour: np.ndarray) -> None:
    """Plugs in a connector: the seal that the wires enter, the ribbed housing, the latch with its window."""
    width, height = size
    down = _polar(1.0, turn + math.pi / 2)
    _solid(canvas, place + down * (height / 2 + 1.5), turn, (0.82 * width, 6), _rgb(0.62, 0.30, 0.10), 1.5)
    box, across, along = _solid(canvas, place, turn, size, colour, 3.0)
    ribs = np.abs(np.sin(2 * math.pi * across / 4.2)) * _step(np.abs(across), 0.40 * width, 0.36 * width)
    canvas.paint(0.3 * ribs * _step(np.abs(along - 0.26 * height), 0.16 * height, 0.12 * height), 0.45 * colour, box)
    latch = (0.46 * width, 0.48 * height)
    box, across, along = _solid(canvas, place - 0.16 * height * down, turn, latch, 1.18 * colour)
    canvas.paint(_step(_plate(across, along - 0.4, 0.24 * width, 0.16 * height, 0.6), 0.4, -0.4), _BLACK, box)


def _hoop(canvas: _Canvas, place: np.ndarray, tail: float) -> None:
    """Ties the blue hoop around the whole bundle: a bent band, its head with a slot, its cut tail."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        bend = 2 * run - 1
        light = 0.42 + 0.75 * np.sqrt(1 - 0.92 * bend**2) - 0.16 * bend
        light = light * (1 - 0.35 * _step(np.abs(side), 0.72, 1.0)) + 0.07 * np.sin(190 * run) * (np.abs(side) < 0.6)
        return light[..., None] * _BLUE + (0.5 * _bell(bend, -0.42, 0.13) * _bell(side, 0, 0.8))[..., None]

    band = _curve((3, -25), (-1.5, -20), (-2.6, 0), (-1.6, 16), (2, 24)) + place
    end = _curve((0, -5), (6, -8), (9 + 0.5 * tail, -7 - 0.4 * tail)) + place
    canvas.shadow([(band, 6.0), (end, 3.0)], 0.65)
    canvas.band(end, 2.4, shade)
    canvas.band(band, 5.4, shade)
    box, across, along = _solid(canvas, place + (-2.4, -4), 0.08, (14.5, 11.5), 1.12 * _BLUE)
    canvas.paint(_step(_plate(across, along + 0.6, 7, 3.4, 0.8), 0.4, -0.4), 0.2 * _BLUE, box)


def _strap(canvas: _Canvas, base: np.ndarray, swing: float, length: float = 60.0, curl: float = 0.0) -> None:
    """Bends the strap of a clip down from its base over the bundle (or, with a swing and a curl, anywhere else)."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        bend = 1.15 * run - 0.375
        light = 0.66 - 0.42 * bend - 0.45 * np.maximum(bend, 0) ** 2 - 0.25 * _step(np.abs(side), 0.7, 1.0)
        light = light + 0.20 * _bell(side, 0, 0.25) * _step(run, 0.1, 0.2)
        return light[..., None] * _rgb(1.0, 0.99, 0.94)

    ways = math.pi / 2 + swing + curl * np.linspace(0, 1, 30) ** 2
    line = base + np.cumsum(_polar(length / 30, ways), 0)
    canvas.shadow([(line, 5.0)], 0.6)
    canvas.band(line, 4.6, shade)
    _solid(canvas, line[-1], ways[-1] - math.pi / 2, (12.5, 8), _rgb(0.66, 0.66, 0.63))


def _loose_strap(canvas: _Canvas, base: np.ndarray, swing: float, flaw: _Flaw) -> None:
    """Undoes a clip: open and sprung aside, slipped askew, or its strap gone."""
    rng, form = flaw.rng, flaw.form(3)
    side = rng.choice([-1, 1])
    if form == 0:
        _strap(canvas, base, swing + side * rng.uniform(1.2, 1.7), rng.uniform(44, 54), side * rng.uniform(0.2, 0.7))
    elif form == 1:
        _strap(canvas, base, swing + side * rng.uniform(0.4, 0.7), curl=side * rng.uniform(-0.3, 0.3))


def _obstruct(canvas: _Canvas, flaw: _Flaw, *, aside: bool) -> None:
    """Leaves something over the harness: cardboard, a rag or a stray cable (`aside`: away from the rest)."""
    rng, form = flaw.rng, flaw.form(3)
    place = np.array([161, 165]) + rng.uniform(-1, 1, 2) * 9 if aside else rng.uniform((40, 75), (150, 145))
    turn = rng.uniform(-0.7, 0.7)
    if form == 0:
        size = rng.uniform(24, 44), rng.uniform(18, 32)
        box, across, along = _solid(canvas, place, turn, size, _rgb(0.74, 0.57, 0.38), 1.0)
        flutes = _step(np.sin(2.1 * across), -0.3, 0.6) * (0.15 + 0.5 * _step(along, 0.40 * size[1], 0.46 * size[1]))
        canvas.paint(flutes * _step(_plate(across, along, *size, 1.0), 0.3, -0.3), (0.30, 0.21, 0.12), box)
    elif form == 1 or aside:
        _rag(canvas, rng, place, rng.uniform(15, 20) if aside else rng.uniform(17, 27))
    else:
        bends = [place + (k, turn * k + rng.uniform(-14, 14)) for k in rng.uniform(30, 60) * np.linspace(-1.3, 1.3, 5)]
        colour = (_rgb(0.62, 0.10, 0.08), _rgb(0.75, 0.60, 0.12))[rng.integers(2)]
        canvas.shadow([(_curve(*bends), 3.5)], 0.6)
        _cable(canvas, _curve(*bends), rng.uniform(2.4, 3.8), colour)


def _rag(canvas: _Canvas, rng: np.random.Generator, place: np.ndarray, size: float) -> None:
    """Drops a crumpled cloth."""
    box, right, down = canvas.around(place, 1.9 * size)
    heap = 1 - np.hypot(right, 1.3 * down) / size + 0.24 * _cloud(rng, right.shape, 4, 6)
    folds = 1 - np.abs(_cloud(rng, right.shape, 5, 6)) + 1.2 * np.clip(heap, 0, 0.3)
    slope = np.gradient(gaussian_filter(folds, 1.5))
    weave = 0.05 * np.sin(5.5 * (right + 0.4 * down)) * np.sin(5.5 * (down - 0.4 * right))
    light = 0.62 + 3.6 * (slope[1] * _LIGHT[0] + slope[0] * _LIGHT[1]) + 0.16 * folds + weave
    colour = (_rgb(0.60, 0.13, 0.10), _rgb(0.17, 0.30, 0.52), _rgb(0.72, 0.62, 0.40))[rng.integers(3)]
    canvas.paint(0.6 * _step(heap, -0.2, 0.1), _BLACK, box)
    canvas.paint(_step(heap, 0.0, 0.04), np.clip(light, 0.12, 1.4)[..., None] * colour, box)


_PARTS: dict[str, tuple[Callable[[_Canvas, np.random.Generator, _Flaw], None], _Camera]] = {
    "bottle": (_bottle, _Camera(shift=1.1, turn=0.04, size=0.010, blur=0.45, noise=0.006, fall=0.015)),
    "hazelnut": (_hazelnut, _Camera(shift=1.5, turn=math.pi, size=0.02, blur=0.45, noise=0.008, fall=0.03)),
    "capsule": (_capsule, _Camera(shift=1.5, turn=0.02, size=0.008, blur=0.45, noise=0.007, fall=0.02)),
    "toothbrush": (_toothbrush, _Camera(shift=1.3, turn=0.010, size=0.010, blur=0.40, noise=0.006, fall=0.03)),
    "engine_wiring": (_engine_wiring, _Camera(shift=1.5, turn=0.010, size=0.010, blur=0.5, noise=0.009, fall=0.04)),
}
