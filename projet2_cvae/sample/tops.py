"""The synthetic twin of Fashion-MNIST: garments drawn from a seed, in the official layout, for the same loader.

As in the real set (H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747), each picture is 28 x 28, light on black, framed
on its garment, and some classes overlap: a shirt without visible buttons is hard to tell from a pullover, a high
sneaker from an ankle boot. A garment is first sketched as a list of outlines in free units, then framed and drawn
larger than needed with Pillow, then reduced; cloth (light, folds, patterns) is laid over all pictures at once with
NumPy.
"""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from commun.datasets import IDX_FILES

VERSION = 1  # another number has the sample drawn again
SIDE = 28
CLASSES = 10

_ZOOM = 4  # pictures are drawn this many times larger, then reduced
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
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
_PATTERNS = ("plain", "stripes", "bars", "checks", "speckle", "print", "dots")
_PATTERN_WEIGHTS = (  # how often each class wears each pattern
    (0.78, 0.10, 0.01, 0.01, 0.04, 0.04, 0.02),
    (0.91, 0.00, 0.02, 0.01, 0.04, 0.02, 0.00),
    (0.77, 0.11, 0.02, 0.01, 0.06, 0.02, 0.01),
    (0.65, 0.08, 0.04, 0.04, 0.05, 0.10, 0.04),
    (0.86, 0.02, 0.02, 0.03, 0.05, 0.02, 0.00),
    (0.96, 0.00, 0.00, 0.00, 0.03, 0.01, 0.00),
    (0.64, 0.06, 0.06, 0.11, 0.04, 0.06, 0.03),
    (0.95, 0.00, 0.00, 0.01, 0.03, 0.01, 0.00),
    (0.85, 0.02, 0.02, 0.03, 0.05, 0.02, 0.01),
    (0.95, 0.00, 0.00, 0.00, 0.04, 0.01, 0.00),
)

Point = tuple[float, float]


def draw(folder: Path, *, train: int = 6000, test: int = 1000, seed: int = 0) -> None:
    """Writes the four files of the sample: gzip IDX, classes balanced to within one image, in shuffled order.

    Args:
        folder: where to write; made if needed.
        train: number of training images.
        test: number of test images.
        seed: the same seed gives the same files, byte for byte, with the same versions of NumPy and Pillow.
    """
    rng = np.random.default_rng(seed)
    labels = np.concatenate([rng.permutation(np.arange(count) % CLASSES) for count in (train, test)]).astype(np.uint8)
    images = draw_images(labels, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", slice(None, train)), ("test", slice(train, None))):
        images_name, labels_name = IDX_FILES[part]
        _write_idx(folder / images_name, images[rows])
        _write_idx(folder / labels_name, labels[rows])


def draw_images(labels: np.ndarray, seed: int) -> np.ndarray:
    """Draws one garment for each label.

    Args:
        labels: class ids, shape (n,), integers in 0..9.
        seed: the same labels and seed give the same images.

    Returns:
        Images, uint8, shape (n, 28, 28), 0..255, a light garment on a background that is exactly 0.
    """
    shapes = np.zeros((len(labels), SIDE, SIDE), dtype=np.uint8)
    for i, label in enumerate(labels):
        rng = random.Random(f"{seed}/{i}")
        sketch = _Sketch(rng, np.interp(rng.random(), _QUANTILES, _TONES[label]))
        _GARMENTS[label](sketch, rng)
        shapes[i] = sketch.render()
    lit = _sharpen(shapes.astype(np.float32)) * _cloth(shapes, labels, np.random.default_rng([seed, 1]))
    return np.where(shapes > 0, np.clip(np.rint(lit), 1, 255), 0).astype(np.uint8)


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=6, mtime=0))


# --- Sketching -------------------------------------------------------------------------------------------------------


class _Sketch:
    """A garment as a list of shapes painted one over the other, in free units, x to the right and y down.

    A `shade` multiplies the garment's grey: 1 is the cloth itself, 0 a hole through which the background shows.
    """

    def __init__(self, rng: random.Random, tone: float) -> None:
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
        scale = _ZOOM * SIDE * rng.uniform(0.965, 1.0) / (high - low).max()
        offset = _ZOOM * (SIDE / 2 + np.array([rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)]))
        flat = ((points - (low + high) / 2) * scale + offset).ravel().tolist()
        canvas = Image.new("L", (_ZOOM * SIDE, _ZOOM * SIDE))
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
        return np.asarray(canvas.reduce(_ZOOM))


def _pick(rng: random.Random, **shares: float) -> str:
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


# --- Tops ------------------------------------------------------------------------------------------------------------


def _tshirt(s: _Sketch, rng: random.Random) -> None:
    kind = _pick(rng, short=0.79, sleeveless=0.13, long=0.08)
    width = rng.uniform(6.4, 7.8)
    if kind == "sleeveless":
        strap = rng.uniform(0.62, 0.95)
        _body(s, rng, length=rng.uniform(23, 28), shoulder=width * strap, chest=width * 0.98, neck=width * strap * 0.6,
              hem=width * rng.uniform(0.95, 1.3), slope=rng.uniform(0.4, 1.6))  # fmt: skip
        _neckline(s, rng, width * strap * 0.6, rng.choice(["scoop", "vee", "crew"]), hole=0.7)
    else:
        sleeve = rng.uniform(5.5, 8.8) if kind == "short" else rng.uniform(15, 21)
        spread = rng.uniform(0.24, 0.52) if kind == "short" else rng.uniform(0.13, 0.22)
        _body(s, rng, length=rng.uniform(22.5, 27.5), shoulder=width, neck=rng.uniform(2.8, 3.9), sleeve=sleeve,
              hem=width * rng.uniform(0.93, 1.1), spread=spread, cuff=rng.uniform(3.8, 5.2) if kind == "short" else 2.6,
              sleeve_shade=rng.choice([0.92, 0.96, 1.0, 1.0, 0.6]) if rng.random() < 0.9 else s.ink(0.4))  # fmt: skip
        style = _pick(rng, crew=0.56, scoop=0.16, vee=0.16, polo=0.12)
        _neckline(s, rng, rng.uniform(2.8, 3.6), style)
    if rng.random() < 0.36:
        _chest_print(s, rng)


def _pullover(s: _Sketch, rng: random.Random) -> None:
    width = rng.uniform(5.3, 6.9)
    length = rng.uniform(21, 26)
    sleeve = length * rng.uniform(0.8, 0.97) if rng.random() < 0.93 else length * rng.uniform(0.3, 0.5)
    spread, cuff = rng.uniform(0.1, 0.23), rng.uniform(1.8, 2.7)
    neck = rng.uniform(2.3, 3.3)
    hem = width * rng.uniform(0.78, 0.96)
    _body(s, rng, length=length, shoulder=width, neck=neck, hem=hem, sleeve=sleeve, spread=spread, cuff=cuff,
          sleeve_shade=s.ink(0.35) if rng.random() < 0.12 else rng.uniform(0.84, 1.12))  # fmt: skip
    style = _pick(rng, crew=0.46, vee=0.2, turtle=0.11, hood=0.13, boat=0.06, shirt=0.04)
    _neckline(s, rng, neck, style)
    if rng.random() < 0.55:
        y = length - rng.uniform(1.0, 2.0)
        s.line([(-hem, y), (hem, y)], s.ink(rng.uniform(0.12, 0.3)), 0.6)
    if style == "hood" and rng.random() < 0.6:
        s.symmetric([(2.6, length * 0.64), (4.6, length * 0.84)], s.ink(0.16), rounding=0.5)
    if rng.random() < 0.22:
        _chest_print(s, rng)
    elif rng.random() < 0.07:  # a cardigan
        _buttons(s, rng, 4.0, length - 0.5)


def _dress(s: _Sketch, rng: random.Random) -> None:
    sleeves = _pick(rng, none=0.52, short=0.25, long=0.23)
    width = rng.uniform(3.7, 5.2) * (1.0 if rng.random() < 0.87 else 1.3)
    length = rng.uniform(25, 28)
    hem = width * rng.choice([rng.uniform(0.75, 1.05), rng.uniform(1.1, 1.6), rng.uniform(1.5, 2.1)])
    waist = width * rng.uniform(0.68, 1.0)
    waist_y = length * rng.uniform(0.3, 0.44)
    strap = rng.uniform(0.55, 1.0)
    neck = rng.uniform(1.7, 2.6) if sleeves != "none" else width * strap * 0.6
    sleeve = {"none": 0.0, "short": rng.uniform(3, 6.5), "long": rng.uniform(10, 17)}[sleeves]
    shoulder = width * (strap if sleeves == "none" else 1)
    _body(s, rng, length=length, shoulder=shoulder, chest=width, neck=neck, hem=hem, waist=waist, waist_y=waist_y,
          sleeve=sleeve, spread=rng.uniform(0.15, 0.45) if sleeves == "short" else rng.uniform(0.12, 0.24),
          cuff=rng.uniform(1.6, 2.8), slope=rng.uniform(0.4, 1.4))  # fmt: skip
    _neckline(s, rng, neck, _pick(rng, crew=0.3, scoop=0.27, vee=0.25, boat=0.13, shirt=0.05),
              hole=0.8 if sleeves == "none" else 0.2)  # fmt: skip
    if rng.random() < 0.42:
        s.line([(-waist, waist_y), (waist, waist_y)], s.ink(rng.uniform(0.2, 0.55)), rng.uniform(0.5, 1.3))
    if hem > 1.2 * width:
        for x in (-0.6, -0.2, 0.15, 0.55):
            s.line([(x * waist, waist_y + 2), (x * hem, length)], s.ink(rng.uniform(0.05, 0.25)), 0.5)
    elif rng.random() < 0.15:
        s.line([(hem * 0.35, length * 0.68), (hem * 0.4, length + 0.4)], 0.0, 0.6)
    if sleeves != "none" and rng.random() < 0.12:
        _buttons(s, rng, 1.5, length * 0.95)


def _coat(s: _Sketch, rng: random.Random) -> None:
    width = rng.uniform(5.8, 7.6)
    length = rng.uniform(21, 28)
    sleeve = 0.0 if rng.random() < 0.06 else min(length, 24) * rng.uniform(0.78, 0.94)
    hem = width * rng.uniform(0.8, 1.08)
    neck = rng.uniform(2.2, 3.2)
    waist = width * rng.uniform(0.78, 0.96)
    _body(s, rng, length=length, shoulder=width, neck=neck, hem=hem, waist=waist, sleeve=sleeve,
          curve=rng.uniform(0, 0.8), spread=rng.uniform(0.07, 0.2), cuff=rng.uniform(2.1, 3.1),
          sleeve_shade=rng.uniform(0.84, 1.1))  # fmt: skip
    style = _pick(rng, lapels=0.4, hood=0.25, collar=0.22, shirt=0.09, crew=0.04)
    if rng.random() < 0.13:
        for y in np.arange(4, length, rng.uniform(2.2, 3.4)):  # a padded jacket
            s.line([(-width, y), (width, y)], s.ink(rng.uniform(0.15, 0.35)), 0.5)
    top = _neckline(s, rng, neck, style)
    closure = _pick(rng, zip=0.36, open=0.2, overlap=0.32, hidden=0.12)
    if closure == "open":
        gap = rng.uniform(0.4, 1.5)
        s.area([(0, top), (gap, length + 0.3), (-gap, length + 0.3)], rng.choice([0.0, 0.3, s.ink(0.6)]), rounding=0.2)
    elif closure == "zip":
        s.line([(0, top), (0, length)], s.ink(rng.uniform(0.35, 0.7)), rng.uniform(0.5, 0.9))
    elif closure == "overlap":
        side = rng.uniform(0.6, 1.6)
        s.line([(side, top), (side, length)], s.ink(rng.uniform(0.25, 0.5)), 0.6)
        for y in np.linspace(top + 1.5, length * 0.75, rng.randint(2, 4)):
            s.arc(side - 1.0, y, 0.55, 0.55, s.ink(0.7))
            if rng.random() < 0.4:
                s.arc(-side - 1.2, y, 0.55, 0.55, s.ink(0.7))
    if rng.random() < 0.6:
        y = length * rng.uniform(0.6, 0.7)
        for side in (-1, 1):
            s.line([(side * 2.0, y + 1.2), (side * (waist - 0.9), y)], s.ink(rng.uniform(0.25, 0.5)), 0.6)
    if length > 24 and rng.random() < 0.35:
        y = length * rng.uniform(0.46, 0.54)
        s.line([(-waist, y), (waist, y)], s.ink(rng.uniform(0.25, 0.6)), 1.1)


def _shirt(s: _Sketch, rng: random.Random) -> None:
    kind = _pick(rng, long=0.55, short=0.17, blouse=0.2, knit=0.08)
    width = rng.uniform(5.9, 7.5)
    length = rng.uniform(22, 27.5)
    short = kind == "short" or (kind == "blouse" and rng.random() < 0.55)
    sleeve = rng.uniform(6, 10.5) if short else length * rng.uniform(0.72, 0.92)
    neck = rng.uniform(2.2, 3.2)
    hem = width * (rng.uniform(0.82, 1.0) if kind != "blouse" else rng.uniform(0.95, 1.35))
    _body(s, rng, length=length, shoulder=width, neck=neck, hem=hem, sleeve=sleeve, curve=rng.uniform(0, 1.8),
          waist=width * rng.uniform(0.8, 0.95), spread=rng.uniform(0.28, 0.55) if short else rng.uniform(0.08, 0.21),
          cuff=rng.uniform(3.4, 5.0) if short else rng.uniform(2.0, 3.1),
          sleeve_shade=rng.uniform(0.86, 1.08))  # fmt: skip
    if kind in ("long", "short"):
        top = _neckline(s, rng, neck, "shirt")
        if rng.random() < 0.88:
            _buttons(s, rng, top, length - 0.6)
        if rng.random() < 0.45:
            for side in (-1, 1) if rng.random() < 0.5 else (1,):
                x, y = side * width * 0.48, length * rng.uniform(0.27, 0.33)
                s.line([(x - 1.4, y), (x + 1.4, y), (x + 1.4, y + 2.6), (x, y + 3.1), (x - 1.4, y + 2.6), (x - 1.4, y)],
                       s.ink(rng.uniform(0.15, 0.4)), 0.4)  # fmt: skip
    else:
        _neckline(s, rng, neck, _pick(rng, vee=0.42, scoop=0.2, crew=0.2, boat=0.18))
        if rng.random() < 0.4:
            _buttons(s, rng, 4.0, rng.uniform(8, length * 0.9))
    if not short:
        s.line([(-hem, length * 0.93), (hem, length * 0.93)], s.ink(rng.uniform(0.0, 0.15)), 0.4)


def _body(
    s: _Sketch,
    rng: random.Random,
    *,
    length: float,
    shoulder: float,
    neck: float,
    hem: float,
    chest: float = 0.0,
    waist: float = 0.0,
    waist_y: float = 0.0,
    sleeve: float = 0.0,
    spread: float = 0.2,
    cuff: float = 3.0,
    slope: float = 0.0,
    curve: float = 0.0,
    sleeve_shade: float = 0.94,
) -> None:
    """Paints sleeves, then the front over them. Widths are half-widths; `spread` is the sleeve's angle in radians."""
    chest = chest or shoulder * rng.uniform(0.9, 1.0)
    waist = waist or (chest + hem) / 2 * rng.uniform(0.94, 1.0)
    waist_y = waist_y or length * rng.uniform(0.5, 0.62)
    slope = slope or rng.uniform(1.3, 2.6)
    pit = slope + rng.uniform(4.4, 6.2) * min(1.0, chest / 6 + 0.15)
    if sleeve:
        dx, dy = math.sin(spread), math.cos(spread)
        end = (shoulder + dx * sleeve, slope + dy * sleeve)
        inner = (end[0] - dy * cuff, end[1] + dx * cuff * 0.6)
        bulge = rng.uniform(0.2, 0.6) if sleeve < 9 else rng.uniform(0.6, 1.7)
        elbow = (shoulder + dx * sleeve * 0.45 + bulge, slope + dy * sleeve * 0.45)
        arm = [(neck, 0.2), (shoulder, slope), elbow, end, inner, (chest - 0.4, pit)]
        if sleeve > 9:
            arm.insert(5, (elbow[0] - cuff * rng.uniform(1.1, 1.3), elbow[1] + 1))
        s.pair(arm, sleeve_shade, rounding=1.1)
        if sleeve > 9:  # a shadow where the sleeve hangs against the body
            shadow = rng.choice([0.0, rng.uniform(0.2, 0.5), rng.uniform(0.5, 0.8)])
            for side in (-1, 1):
                s.line([(side * chest, pit - 0.8), (side * (waist + 0.15), waist_y)], shadow, rng.uniform(0.7, 1.2))
        if sleeve > 9 and rng.random() < 0.5:
            back = rng.uniform(1.2, 2.2)
            for side in (-1, 1):
                band = [(side * (x - dx * back), y - dy * back) for x, y in (end, inner)]
                s.line(band, s.ink(rng.uniform(0.15, 0.4)), 0.5)
    half = [(neck, 0), (shoulder, slope), (chest - (0 if sleeve else 0.3), pit), (waist, waist_y),
            (hem, length - curve), (hem * 0.5, length)]  # fmt: skip
    s.symmetric(half, rounding=0.9)
    if sleeve and rng.random() < 0.8:  # the seams of the armholes
        shade = s.ink(rng.uniform(0.1, 0.35))
        for side in (-1, 1):
            middle = (side * chest * 0.93, (slope + pit) / 2)
            s.line([(side * shoulder, slope), middle, (side * chest, pit)], shade, 0.45)


def _neckline(s: _Sketch, rng: random.Random, neck: float, style: str, hole: float = 0.15) -> float:
    """Paints what surrounds the neck, and returns the height at which the front begins.

    `hole` is how often the background shows through.
    """
    inside = 0.0 if rng.random() < hole else rng.choice([rng.uniform(0.45, 0.8), s.ink(rng.uniform(0.2, 0.5))])
    trim = s.ink(rng.uniform(0.12, 0.4))
    if style in ("crew", "scoop", "boat"):
        depth = {"crew": rng.uniform(1.4, 2.6), "scoop": rng.uniform(2.8, 5.2), "boat": rng.uniform(0.6, 1.2)}[style]
        width = neck * (1.25 if style == "boat" else 1)
        s.arc(0, -0.1, width, depth, inside, part="lower")
        s.arc(0, 0, width, depth + 0.2, trim, part="lower", width=0.5)
        return depth
    if style == "vee":
        depth = rng.uniform(3.2, 6.5)
        s.area([(-neck, -0.2), (neck, -0.2), (0, depth)], inside, rounding=0.3)
        s.line([(-neck, 0), (0, depth), (neck, 0)], trim, 0.5)
        return depth
    if style == "turtle":
        height = rng.uniform(1.2, 3.0)
        s.symmetric([(neck * 0.92, -height), (neck, 0.7)], s.ink(rng.uniform(0.0, 0.2)), rounding=0.7)
        s.line([(-neck, 0.6), (neck, 0.6)], trim, 0.5)
        return 1.0
    if style == "hood":
        width, height = neck * rng.uniform(1.25, 1.6), rng.uniform(1.6, 3.2)
        shade = rng.uniform(0.86, 1.0)
        s.symmetric([(width * 0.7, -height), (width, 0), (neck * 0.9, 2.8), (0, 4.0)], shade, rounding=1.2)
        s.symmetric([(width * 0.45, -height * 0.5), (neck * 0.62, 0.4), (0, 2.8)], inside or 0.4, rounding=0.8)
        return 3.2
    if style == "collar":  # standing, open at the throat
        height = rng.uniform(1.0, 2.2)
        s.symmetric([(neck * 0.95, -height), (neck * 1.05, 1.0)], 0.9, rounding=0.5)
        s.area([(-neck * 0.4, -height - 0.2), (neck * 0.4, -height - 0.2), (0, 2.6)], inside or 0.4, rounding=0.2)
        return 2.2
    depth = rng.uniform(6, 10) if style == "lapels" else rng.uniform(1.8, 3.0)
    s.area([(-neck, -0.3), (neck, -0.3), (0, depth)], inside or rng.uniform(0.3, 0.6), rounding=0.2)
    tip = rng.uniform(2.6, 3.8)
    fold = (neck * 1.05, tip) if style != "lapels" else (neck * 1.25, depth * 0.6)
    flap = [(neck * 0.75, -0.9), (neck + 0.6, 0.5), fold, (0.15, depth)]
    s.pair(flap, s.ink(rng.uniform(-0.14, 0.16)), rounding=0.3)
    for side in (-1, 1):
        s.line([(side * (neck + 0.6), 0.5), (side * fold[0], fold[1]), (side * 0.15, depth)], trim, 0.4)
    if style == "polo":
        s.line([(0, depth), (0, depth + rng.uniform(2, 4))], trim, 0.7)
    return depth


def _buttons(s: _Sketch, rng: random.Random, top: float, bottom: float) -> None:
    s.line([(0.0, top), (0.0, bottom)], s.ink(rng.uniform(0.08, 0.42)), rng.uniform(0.4, 1.1))
    if rng.random() < 0.75:
        shade = s.ink(rng.uniform(0.3, 0.8))
        for y in np.arange(top + 1.0, bottom, rng.uniform(2.6, 3.6)):
            s.arc(0.1, y, 0.42, 0.42, shade)


def _chest_print(s: _Sketch, rng: random.Random) -> None:
    shade, y = s.ink(rng.uniform(0.35, 0.85)), rng.uniform(7.5, 11)
    kind = rng.choice(["text", "text", "disc", "square", "band", "badge"])
    if kind == "text":
        for row in range(rng.randint(1, 3)):
            x = -rng.uniform(2.2, 4.4)
            while x < 3.4:
                step = rng.uniform(0.7, 1.5)
                s.line([(x, y + 2.1 * row - 0.6), (x + step * 0.5, y + 2.1 * row + 0.6)], shade, step * 0.6)
                x += step + 0.5
    elif kind == "disc":
        radius = rng.uniform(2.0, 3.6)
        s.arc(0, y + 2, radius, radius, shade, width=rng.choice([0.0, 0.8]))
        s.arc(rng.uniform(-0.8, 0.8), y + 2, radius * 0.45, radius * 0.45, s.ink(rng.uniform(-0.1, 0.4)))
    elif kind == "square":
        width, height = rng.uniform(2.2, 4.0), rng.uniform(3.5, 7)
        s.symmetric([(width, y), (width, y + height)], shade, rounding=0.2)
        for _ in range(4):
            blot = (width * rng.uniform(-0.7, 0.7), y + height * rng.uniform(0.2, 0.8))
            s.arc(*blot, 0.9, 0.7, s.ink(rng.uniform(0, 0.9)))
    elif kind == "band":
        s.symmetric([(5.6, y), (5.6, y + rng.uniform(1.5, 4))], shade, rounding=0.1)
    else:
        s.arc(rng.uniform(2.2, 3.2), y - 1.5, 0.8, 0.8, shade)


# --- Trousers and bags -----------------------------------------------------------------------------------------------


def _trouser(s: _Sketch, rng: random.Random) -> None:
    kind = _pick(rng, straight=0.36, slim=0.32, flared=0.12, wide=0.13, short=0.07)
    length = rng.uniform(26, 28) if kind != "short" else rng.uniform(13, 17)
    waist = rng.uniform(3.3, 4.3)
    hip = waist * rng.uniform(1.05, 1.22)
    crotch = rng.uniform(6.6, 8.8)
    foot = {"straight": 2.7, "slim": 1.9, "flared": 3.4, "wide": 3.7, "short": 4.2}[kind] * rng.uniform(0.88, 1.12)
    knee = {"straight": 3.2, "slim": 2.6, "flared": 2.6, "wide": 3.8, "short": 4.3}[kind] * rng.uniform(0.94, 1.06)
    gap = rng.choice([rng.uniform(0.0, 0.4), rng.uniform(0.6, 1.4), rng.uniform(1.0, 2.4)])
    knee_y = crotch + (length - crotch) * rng.uniform(0.4, 0.5)
    for side in (-1, 1):
        lag = rng.uniform(-0.5, 0.5)
        inner = gap * 0.55 + 0.15
        leg = [(0, 0.2), (waist, 0.0), (hip, 5.5), (inner + knee, knee_y), (gap + foot, length + lag),
               (gap, length + lag), (inner, knee_y), (0, crotch)]  # fmt: skip
        shade = rng.uniform(0.92, 1.0)
        s.area([(side * x, y) for x, y in leg], shade, rounding=1.2)
        if rng.random() < 0.45:  # a crease, or a faded thigh
            crease = [(hip * 0.55, crotch), (inner + knee * 0.5, knee_y), (gap + foot / 2, length)]
            s.line([(side * x, y) for x, y in crease], s.ink(rng.uniform(0.05, 0.25)), rng.uniform(0.5, 1.3))
    s.line([(0, 1.5), (0, crotch)], s.ink(rng.uniform(0.2, 0.5)), 0.5)
    if gap < 0.5:
        s.line([(0, crotch), (0, length)], rng.choice([0.0, s.ink(0.6), 0.35]), 0.5)
    if rng.random() < 0.8:
        s.line([(-waist * 1.02, 1.4), (waist * 1.02, 1.4)], s.ink(rng.uniform(0.2, 0.45)), rng.uniform(0.4, 0.8))
    if rng.random() < 0.6:
        for side in (-1, 1):
            s.line([(side * waist * 0.5, 1.6), (side * waist * 0.75, 3.2), (side * hip * 0.93, 3.8)], s.ink(0.3), 0.4)


def _bag(s: _Sketch, rng: random.Random) -> None:
    kind = _pick(rng, tote=0.22, clutch=0.15, satchel=0.18, shoulder=0.22, duffel=0.13, pouch=0.1)
    width = {"tote": 10.5, "clutch": 13.5, "satchel": 12.5, "shoulder": 11.5, "duffel": 13.5, "pouch": 9.5}[kind]
    width *= rng.uniform(0.9, 1.06)
    height = {"tote": 16, "clutch": 14, "satchel": 15, "shoulder": 15, "duffel": 12, "pouch": 16}[kind]
    height *= rng.uniform(0.75, 1.15)
    handle, trim = s.ink(rng.uniform(-0.2, 0.5)), s.ink(rng.uniform(0.2, 0.7))
    thick = rng.uniform(0.7, 1.4)
    taper = rng.uniform(0.84, 1.02) if kind in ("satchel", "shoulder", "clutch") else rng.uniform(0.74, 1.08)
    top = width * taper if kind != "pouch" else width * rng.uniform(0.55, 0.8)
    if kind in ("tote", "satchel", "duffel"):  # two handles, the far one darker and partly hidden
        span, rise = rng.uniform(0.34, 0.55) * top, rng.uniform(4, 10.5) * (0.7 if kind != "tote" else 1)
        for shift, shade in ((rng.uniform(0.3, 1.2), handle * 0.75), (0, handle)):
            s.arc(shift, 0.6, span, rise + shift, shade, part="upper", width=thick)
    elif kind != "clutch":  # one strap
        rise = rng.uniform(5, 12)
        s.arc(0, 1.2, top * rng.uniform(0.75, 0.96), rise, handle, part="upper", width=thick)
    elif rng.random() < 0.4:
        s.arc(width * 0.95, height * 0.4, 2.4, 4.5, handle, width=0.7)
    half = [(top, 0), (width, height * rng.uniform(0.55, 0.85)), (width * rng.uniform(0.93, 1.0), height)]
    s.symmetric(half, rounding=rng.uniform(0.6, 3.2) if kind != "duffel" else rng.uniform(3, 5))
    if kind in ("shoulder", "clutch") or (kind == "satchel" and rng.random() < 0.5):  # a flap and its clasp
        low = height * rng.uniform(0.35, 0.68)
        s.symmetric([(top, 0), (top * 1.01, low * 0.7), (top * 0.55, low)], s.ink(rng.uniform(-0.12, 0.2)),
                    rounding=rng.uniform(0.5, 2.5))  # fmt: skip
        s.line([(-top, low * 0.7), (-top * 0.55, low), (top * 0.55, low), (top, low * 0.7)], trim, 0.5)
        if rng.random() < 0.7:
            s.arc(0, low, rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.2), s.ink(rng.uniform(0.5, 0.9)))
    else:
        y = rng.uniform(1.2, 3.0)
        s.line([(-top, y), (top, y)], trim, rng.uniform(0.5, 0.9))
        if rng.random() < 0.45:
            pocket, y = width * rng.uniform(0.45, 0.75), height * rng.uniform(0.45, 0.6)
            low = height * 0.9
            s.line([(-pocket, y), (pocket, y), (pocket, low), (-pocket, low), (-pocket, y)], trim, 0.5)
        if rng.random() < 0.3:
            for side in (-1, 1):
                s.line([(side * top * 0.48, 0), (side * width * 0.5, height)], trim, 0.8)
    if rng.random() < 0.25:
        s.arc(rng.uniform(-5, 5), height * rng.uniform(0.35, 0.7), rng.uniform(0.8, 2.2), rng.uniform(0.5, 1.2), trim)


# --- Shoes: they point left; heights are counted upwards from the ground ----------------------------------------------


def _sandal(s: _Sketch, rng: random.Random) -> None:
    kind = _pick(rng, flat=0.43, heel=0.29, wedge=0.17, closed=0.11)
    heel = rng.uniform(*{"flat": (0, 1.2), "heel": (6, 12.5), "wedge": (2.5, 8.5), "closed": (0.5, 1.5)}[kind])
    thick = rng.uniform(0.9, 2.3) if kind != "wedge" else rng.uniform(1.2, 2.6)
    end = 27 - heel * rng.uniform(0.2, 0.5)

    def ground(x: float) -> float:
        return _lift(x * 27 / end, heel)

    def foot(x: float) -> float:  # height of the top of the foot
        return ground(x) + thick + 2.0 + 4.6 * min(1, max(0.0, x / end - 0.06) / 0.6) ** 1.2

    _sole(s, rng, heel, thick, end, filled=kind == "wedge", shade=s.ink(rng.uniform(-0.1, 0.45)))
    strap = rng.uniform(0.7, 1.7)
    back = end - rng.uniform(0.6, 1.6)
    if kind == "closed":
        tops = [(x, foot(x) + 0.6) for x in (2.0, 5.5, 10.0, end * 0.55)]
        s.area([(0.6, thick), *tops, (end * 0.72, ground(end * 0.72) + thick)], rounding=2.0)
        for _ in range(rng.randint(1, 4)):
            x = rng.uniform(4, end * 0.5)
            s.arc(x, ground(x) + thick + 2.2, rng.uniform(0.7, 1.5), rng.uniform(0.5, 1.0), 0.0)
    for _ in range(rng.randint(1, 3)):  # straps from the sole over the toes
        x = rng.uniform(2, 9)
        lean = rng.uniform(1.0, 4.5)
        path = [(x, ground(x) + thick * 0.5), (x + lean * 0.3, foot(x) - 0.6), (x + lean, foot(x + lean))]
        if rng.random() < 0.7:  # and down the far side
            path.append((x + lean * 1.6 + 1.2, ground(x + lean) + thick + rng.uniform(0.8, 2.5)))
        s.line(path, rng.uniform(0.85, 1.15), strap)
    if rng.random() < 0.5:  # a strap along the foot
        xs = [rng.uniform(2.5, 5), 8.5, 12.5, end * 0.66]
        s.line([(x, foot(x) - 0.2) for x in xs], rng.uniform(0.85, 1.1), strap)
    if rng.random() < 0.5:  # criss-cross
        for x in np.arange(rng.uniform(5, 8), end * 0.66, rng.uniform(2.2, 4)):
            s.line([(x, ground(x) + thick), (x + 3.2, foot(x + 3.2))], rng.uniform(0.8, 1.1), strap * 0.8)
            s.line([(x + 3, ground(x + 3) + thick), (x + 0.6, foot(x + 0.6))], rng.uniform(0.8, 1.1), strap * 0.8)
    if rng.random() < 0.8:  # around the ankle, or behind the heel
        rise = rng.uniform(3.5, 8.5)
        front = end * rng.uniform(0.58, 0.7)
        y = ground(back) + thick
        s.line([(front, foot(front)), ((front + back) / 2, y + rise * 0.8), (back, y + rise)], 1.0, strap)
        s.line([(back - 0.4, y), (back + 0.4, y + rise * 0.5), (back, y + rise)], 1.0, strap * 1.1)
        if rng.random() < 0.5:
            s.line([(front, foot(front)), (front - 1.8, ground(front) + thick)], 0.95, strap)
        if rng.random() < 0.35:
            shade = rng.uniform(0.85, 1.1)
            s.area([(back + 0.8, y), (back + 0.8, y + rise * 0.7), (back - 4.5, y)], shade, rounding=1.0)
    s.upside_down()


def _sneaker(s: _Sketch, rng: random.Random) -> None:
    sole = rng.uniform(1.3, 3.0)
    high = rng.random() < 0.18
    top = sole + (rng.uniform(10.5, 14) if high else rng.uniform(7.6, 10.4))
    toe = rng.uniform(2.5, 4.2)
    tongue = rng.uniform(13, 15.5)
    dip = rng.uniform(1.4, 3.4)
    throat = (rng.uniform(7.0, 9.0), sole + toe + rng.uniform(0.9, 1.7))
    upper = [(0.3, sole - 0.4), (0.7, sole + toe * 0.75), (3.8, sole + toe), throat, (tongue, top),
             (tongue + 1.7, top - 0.1), (tongue + 4.2, top - dip), (23.5, top - dip), (26.0, top - rng.uniform(0, 0.9)),
             (26.5, sole + 4.5), (26.9, sole + 2.2), (26.9, sole - 0.4)]  # fmt: skip
    s.area(upper, rounding=1.5)
    s.area([(25.5, top - 0.8), (27.0, sole + 2.5), (26.9, sole), (21 + rng.uniform(-1, 3), sole)],
           s.ink(rng.uniform(-0.25, 0.65)), rounding=0.8)  # fmt: skip
    if rng.random() < 0.35:
        s.area([(0.3, sole), (0.7, sole + toe * 0.75), (3.8, sole + toe), (6.2, sole + toe), (6.8, sole)],
               s.ink(rng.uniform(-0.4, 0.5)), rounding=1.2)  # fmt: skip
    decor = _pick(rng, none=0.3, stripes=0.22, wave=0.18, panel=0.22, disc=0.08)
    mark = s.ink(rng.choice([rng.uniform(-0.8, -0.3), rng.uniform(0.3, 0.9)]))
    if decor == "stripes":
        for i in range(rng.randint(2, 3)):
            x = 12 + 2.1 * i
            s.line([(x + 1.8, sole + 0.3), (x, sole + 4.2)], mark, 0.9)
    elif decor == "wave":
        s.area([(9.5, sole + 1.6), (13, sole + 1.2), (22, sole + 4.6), (13.5, sole + 2.9)], mark, rounding=0.6)
    elif decor == "panel":
        s.area([(6, sole), (11, sole + 3.6), (17, sole + 4.5), (20, sole)], s.ink(rng.uniform(-0.3, 0.7)), rounding=1.2)
    elif decor == "disc":
        s.arc(20, (sole + top) / 2, 1.5, 1.5, mark)
    if rng.random() < 0.5:
        s.line([(5.2, sole + toe + 0.2), (6.4, sole + toe * 0.5), (5.8, sole)], s.ink(rng.uniform(0.2, 0.5)), 0.5)
    if rng.random() < 0.85:  # laces
        shade, count = s.ink(rng.uniform(0.25, 0.8)), rng.randint(3, 6)
        for t in np.linspace(0.08, 0.9, count):
            x, y = throat[0] + t * (tongue - throat[0]), throat[1] + t * (top - throat[1])
            s.line([(x - 0.1, y - 0.1), (x + 1.5, y - 1.5)], shade, 0.55)
    s.line([(tongue + 1.6, top - 0.4), (tongue + 4.2, top - dip - 0.3), (23.5, top - dip - 0.3), (25.8, top - 0.7)],
           rng.choice([0.35, 0.55, s.ink(0.4)]), rng.uniform(0.6, 1.2))  # fmt: skip
    shade = s.ink(rng.choice([rng.uniform(-0.8, -0.3), rng.uniform(-0.1, 0.3), rng.uniform(0.4, 0.85)]))
    s.area([(0.2, 0.5), (2, 0), (25.5, 0), (27.4, 0.6), (27.2, sole), (0, sole)], shade, rounding=0.7)
    s.line([(0.4, sole), (27, sole)], s.ink(rng.uniform(0.1, 0.7)), 0.5)
    s.upside_down()


def _boot(s: _Sketch, rng: random.Random) -> None:
    heel = rng.choice([rng.uniform(0, 1.0), rng.uniform(1.0, 3.0), rng.uniform(3.5, 8)])
    low = rng.random() < 0.2
    heel = min(heel, 1.2) if low else heel
    thick = rng.uniform(0.8, 2.6)
    shaft = rng.uniform(5.5, 9.5) if low else rng.uniform(11.5, 18)
    end = 27 - heel * rng.uniform(0.1, 0.4)
    toe = rng.uniform(2.0, 3.6) * (0.8 if heel > 3.5 else 1)
    front, slant = rng.uniform(11.5, 14.5), rng.uniform(-1.4, 1.4)
    base = _lift(27, heel) + thick
    instep = _lift(8.5, heel) + thick + toe + rng.uniform(1.6, 2.8)
    top = base + shaft
    back = end - rng.uniform(-0.3, 1.0)
    bend = min(instep + rng.uniform(2.6, 4.2), top - slant - 1.5)
    outline = [(0.2, thick - 0.3), (0.5, thick + toe * 0.7), (3.6, thick + toe + 0.2), (8.6, instep),
               (front - 0.6, bend), (front + rng.uniform(-0.9, 0.5), top - slant), (back, top + slant * 0.3),
               (end - rng.uniform(0.4, 1.2), base + 4.5), (end, base + 1.5), (end - 0.1, base - 0.3),
               (14, _lift(14 * 27 / end, heel) + thick - 0.3), (8, thick - 0.3)]  # fmt: skip
    s.area(outline, rounding=1.8)
    _sole(s, rng, heel, thick, end, filled=False, shade=s.ink(rng.uniform(-0.3, 0.75)))
    trim = s.ink(rng.uniform(0.25, 0.8))
    decor = _pick(rng, none=0.16, elastic=0.2, zip=0.14, strap=0.17, laces=0.23, cuff=0.1)
    middle = (front + back) / 2
    if decor == "elastic":
        s.area([(middle - 2.2, top - 0.3), (middle + 2.0, top), (middle + 1.0, base + 3.0), (middle - 0.8, base + 3.0)],
               trim, rounding=0.8)  # fmt: skip
    elif decor == "zip":
        s.line([(middle, top), (middle + 0.6, base + 1.0)], trim, 0.7)
    elif decor == "strap":
        for y in (base + 3.2, base + 5.6)[: rng.randint(1, 2)]:
            s.line([(front - 2.0, y + 0.6), (end - 0.6, y)], trim, rng.uniform(0.8, 1.5))
            s.arc(middle + 1.5, y + 0.2, 0.9, 0.9, s.ink(0.9))
    elif decor == "laces":
        for t in np.linspace(0, 1, rng.randint(4, 7)):
            x, y = 8.4 + t * (front - 8.0), instep - 0.8 + t * (top - slant - instep)
            s.line([(x - 0.6, y + 0.4), (x + 1.3, y - 0.8)], trim, 0.6)
    elif decor == "cuff":
        depth = rng.uniform(2.0, 4.5)
        s.area([(front - 0.7, top - slant + 0.4), (back + 0.6, top + 0.4), (back + 0.5, top - depth),
                (front - 0.7, top - depth)], s.ink(rng.uniform(0.1, 0.35)), rounding=0.8)  # fmt: skip
    if rng.random() < 0.5:
        s.line([(5.4, thick + toe + 0.6), (6.6, thick + 1.6), (6.2, thick)], s.ink(rng.uniform(0.1, 0.35)), 0.5)
    if rng.random() < 0.5:
        s.line([(9.5, instep + 0.4), (middle - 1, base + 2.4), (end - 0.4, base + 2.6)], s.ink(0.25), 0.5)
    s.upside_down()


def _sole(s: _Sketch, rng: random.Random, heel: float, thick: float, end: float, *, filled: bool, shade: float) -> None:
    """Paints the sole, and under a raised heel a wedge (`filled`), a block or a stiletto."""
    xs = (0.0, 4.0, 8.0, 11.0, 14.0, 17.0, 20.5, 24.0, 27.0)
    upper = [(x * end / 27, _lift(x, heel) + thick) for x in xs]
    lower = [(x * end / 27, 0.0 if filled else _lift(x, heel)) for x in reversed(xs)]
    s.area([*upper, *lower], shade, rounding=0.6)
    if heel > 0.8 and not filled:
        size = rng.uniform(1.0, 2.4) if heel > 4.5 and rng.random() < 0.6 else rng.uniform(3.5, 6.5)
        narrow = rng.uniform(0.55, 1.0)
        block = [(end - size * 1.2, _lift(24, heel) + 0.2), (end, heel + thick * 0.6), (end - 0.2, 0),
                 (end - size * narrow, 0)]  # fmt: skip
        s.area(block, shade * 0.95, rounding=0.3)


def _lift(x: float, heel: float) -> float:
    """Returns the height of the sole at x in 0..27: 0 under the toes, `heel` under the heel."""
    t = min(1.0, max(0.0, (x - 7.5) / 15))
    return heel * t * t * (3 - 2 * t)


_GARMENTS = (_tshirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _boot)


# --- Cloth -----------------------------------------------------------------------------------------------------------


def _cloth(shapes: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns what multiplies the drawn greys: light, folds, edges, patterns, grain; float32 (n, 28, 28), about 1."""
    n = len(labels)

    def each(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)

    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    light, soft = _smooth_noise(rng, n, 3), _smooth_noise(rng, n, 6)
    angle = each(-0.3, 0.3)
    across = x * np.cos(angle) + y * np.sin(angle) + 1.2 * soft
    folds = np.maximum(np.sin(across * each(0.45, 1.3) + each(0, 6.3)), 0) ** 2 - 0.3  # narrow ridges, hanging
    inside = _blur((shapes > 0).astype(np.float32), 1.6)
    field = 1.08 + each(0.02, 0.08) * light + each(0.01, 0.06) * soft + each(0, 0.16) * folds * (0.6 + 0.4 * light)
    field += each(-0.05, 0.3) * (0.9 - inside)  # edges catch the light, or lose it
    field *= 1 + _patterns(labels, rng, x, y)
    field += each(0.005, 0.03) * rng.standard_normal((n, SIDE, SIDE), dtype=np.float32)
    return field


def _patterns(labels: np.ndarray, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the weave of each image, float32 (n, 28, 28), -0.6..0.4; 0 for a plain one."""
    limits = np.cumsum(np.array(_PATTERN_WEIGHTS), axis=1)[labels]
    kinds = np.minimum((rng.random((len(labels), 1)) > limits).sum(1), len(_PATTERNS) - 1)
    result = np.zeros((len(labels), SIDE, SIDE), dtype=np.float32)
    for kind in range(1, len(_PATTERNS)):
        rows = np.flatnonzero(kinds == kind)
        result[rows] = _weave(_PATTERNS[kind], len(rows), rng, x, y)
    return result


def _weave(name: str, n: int, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    def each(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)

    phase, strength = each(0, 6.3), each(0.06, 0.36)
    rows = np.tanh(each(1, 3) * np.sin(y * each(0.9, 2.6) + phase))
    columns = np.tanh(each(1, 3) * np.sin(x * each(0.9, 2.6) + phase))
    if name == "stripes":
        wave = rows
    elif name == "bars":
        wave = columns
    elif name == "checks":
        wave = 0.6 * (rows + columns)
    elif name == "dots":
        wave = 2 * np.maximum(rows * columns, 0) - 0.5
    elif name == "speckle":
        wave = np.clip(rng.standard_normal((n, SIDE, SIDE), dtype=np.float32), -1.4, 1.4) * 0.7
    else:
        wave = 0.9 * np.tanh(1.3 * _smooth_noise(rng, n, 20))
    return strength * (wave - 0.25)


def _smooth_noise(rng: np.random.Generator, n: int, knots: int) -> np.ndarray:
    """Returns random fields of about unit size that vary over 28 / `knots` pixels; float32 (n, 28, 28)."""
    place = np.linspace(0, knots - 1, SIDE)[:, None] - np.arange(knots)
    spread = np.exp(-1.5 * place**2).astype(np.float32)
    spread /= np.sqrt((spread**2).sum(1, keepdims=True))
    return spread @ rng.standard_normal((n, knots, knots), dtype=np.float32) @ spread.T


def _sharpen(images: np.ndarray) -> np.ndarray:
    """Makes lines and edges crisp, as the real pictures were; float32 (n, 28, 28)."""
    return images + 0.55 * (images - _blur(images, 0.9))


def _blur(images: np.ndarray, radius: float) -> np.ndarray:
    """Averages with a Gaussian weight of standard deviation `radius` pixels; float32 (n, 28, 28)."""
    distance = np.arange(SIDE)[:, None] - np.arange(SIDE)
    kernel = np.exp(-((distance / radius) ** 2) / 2).astype(np.float32)
    kernel /= kernel[SIDE // 2].sum()
    return kernel @ images @ kernel
