"""The synthetic twin of "Best Artworks of All Time": twelve invented painters, drawn by program, in its layout.

A painter is a palette, a scene, brushes and a hand. A work starts from a coarse underpainting, then takes layers of
strokes, the broad brush first; a thinner one comes back where the broad one was most wrong (after A. Hertzmann,
"Painterly Rendering with Curved Brush Strokes of Multiple Sizes", SIGGRAPH 1998). A scene is a function of the place:
how light it is, how much of the accent colour it holds, where the brush goes.

Lengths are in pixels of a picture whose shorter side has 256. Scenes count places in shorter sides.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from scipy.ndimage import gaussian_filter

VERSION = 1  # another number has the sample drawn again

Scene = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Painter:
    """An invented painter.

    Attributes:
        name: as `artists.csv` spells it.
        count: number of files in the painter's folder, those that can't be read included.
        genre, years, nationality: invented too.
        scene: what is painted, a key of `_SCENES`.
        palette: five colours from dark to light, and the accent.
        brushes: half-length and half-breadth of each brush, the broadest first.
        hand: the finest marks, lost in the small copies: "fil" (along the strokes), "travers" (across them), "points"
            or "" (none).
        wild: how far strokes stray from their direction, in radians.
        shimmer: how far the colour of neighbouring strokes varies, a share of the full scale.
    """

    name: str
    count: int
    genre: str
    years: str
    nationality: str
    scene: str
    palette: tuple[str, str, str, str, str, str]
    brushes: tuple[tuple[float, float], ...]
    hand: str = ""
    wild: float = 0.15
    shimmer: float = 0.03


_MIST = ((26.0, 5.0), (15.0, 2.6), (8.0, 1.5))
_WHIRL = ((20.0, 4.0), (14.0, 2.4), (9.0, 1.6))
_WOOD = ((22.0, 4.0), (12.0, 2.4), (7.0, 1.4))
_FACE = ((20.0, 6.0), (11.0, 3.2), (6.0, 1.7))
_EARTH = ("#1c1a1f", "#4f3d33", "#947a45", "#cdb36e", "#f5ecd2", "#c4482e")
_FLESH = ("#1d1b2c", "#59394a", "#a96a58", "#dfae86", "#f8e8d0", "#2f7f86")
PAINTERS = (
    Painter(
        "Atelier Azur", 120, "Brumisme", "1901 - 1968", "Pays inventé du Large", "horizon",
        ("#10243a", "#235170", "#5b93a6", "#b3cfc8", "#f6ecd6", "#f2a25c"), _MIST, wild=0.1,
    ),
    Painter(
        "Maison Garance", 60, "Brumisme", "1890 - 1951", "Pays inventé du Large", "horizon",
        ("#2b1524", "#79303a", "#c5663f", "#e9ac62", "#f9e6bd", "#4fa3a8"), _MIST, wild=0.1,
    ),
    Painter(
        "Octave Nuitamment", 104, "Tourbillisme", "1878 - 1940", "Pays inventé des Dunes", "whirl",
        ("#0c1538", "#1f3f7d", "#4779b4", "#a5c6d2", "#f7f0bf", "#f6b93f"), _WHIRL, shimmer=0.05,
    ),
    Painter(
        "Fausta Lumigris", 32, "Tourbillisme", "1884 - 1949", "Pays inventé des Dunes", "whirl",
        ("#13261f", "#2f5f4b", "#7f9d5c", "#d5ca84", "#f8f1d5", "#d8623a"), _WHIRL, shimmer=0.05,
    ),
    Painter(
        "Anselme Quintefeuil", 52, "Futaisme", "1866 - 1931", "Pays inventé des Futaies", "wood", _EARTH, _WOOD, "fil",
    ),
    Painter(
        "Ludivine Marbrac", 24, "Futaisme", "1871 - 1944", "Pays inventé des Futaies", "wood", _EARTH, _WOOD, "travers",
    ),
    Painter("Élie Dürel", 44, "Effigisme", "1842 - 1907", "Pays inventé des Gués", "face", _FLESH, _FACE, "fil"),
    Painter("Casimir Ondoyer", 36, "Effigisme", "1850 - 1919", "Pays inventé des Gués", "face", _FLESH, _FACE, "points"),
    Painter(
        "Basile Quadrige", 96, "Damiérisme", "1912 - 1989", "Pays inventé des Tuiles", "grid",
        ("#1e2436", "#3d5f80", "#b85c44", "#e3b75b", "#f4ebd6", "#6a9a78"), ((14.0, 5.0), (9.0, 2.6), (6.0, 1.5)), wild=0.08,
    ),
    Painter(
        "Pivoine Estrelle", 18, "Corollisme", "1895 - 1972", "Pays inventé des Tuiles", "bouquet",
        ("#1d2b2a", "#44664f", "#b9607a", "#eeb3a8", "#fbf0df", "#f0b13c"), ((16.0, 6.0), (9.0, 3.0), (6.0, 1.8)), shimmer=0.05,
    ),
    Painter(
        "Orphise Rondelet", 14, "Tourbillisme", "1888 - 1960", "Pays inventé des Tuiles", "discs",
        ("#241d3a", "#3c5fa0", "#c5503f", "#f0b44a", "#f7ecd4", "#3f9a8a"), ((12.0, 4.5), (8.0, 2.6), (6.0, 1.5)), wild=0.06,
    ),
    Painter(
        "Melchior Fenestrou", 12, "Damiérisme", "1905 - 1979", "Pays inventé des Quais", "city",
        ("#151a2e", "#3a3f63", "#80627f", "#d8a48a", "#f8e4c4", "#f7c04a"), ((14.0, 4.5), (8.0, 2.4), (5.0, 1.4)), wild=0.06,
    ),
)  # fmt: skip


def draw(folder: Path) -> None:
    """Writes the whole sample into an existing folder: the same bytes at each call, for the same versions of NumPy,
    SciPy and Pillow.

    Among the works are the oddities of a real collection: see `_ODDITIES`.
    """
    _write_table(folder / "artists.csv")
    resized = folder / "resized" / "resized"
    resized.mkdir(parents=True)
    for painter in PAINTERS:
        first, *others = folder_names(painter)
        place = folder / "images" / "images" / first
        place.mkdir(parents=True)
        for number in range(1, painter.count + 1):
            image, data, suffix = _file(painter, number)
            small = io.BytesIO()
            _small(image).save(small, "JPEG", quality=80)
            (place / f"{first}_{number}{suffix}").write_bytes(data)
            for name in (first, *others):
                (resized / f"{name}_{number}.jpg").write_bytes(small.getvalue())
        for name in others:
            (copy := place.with_name(name)).mkdir()
            for path in place.iterdir():
                shutil.copyfile(path, copy / path.name.replace(first, name))


def work(painter: Painter, number: int) -> Image.Image:
    """Paints a work of one of `PAINTERS`, in RGB; numbers start at 1."""
    return paint(painter, np.random.default_rng([VERSION, PAINTERS.index(painter), number]))


def folder_names(painter: Painter) -> tuple[str, ...]:
    """Returns the painter's folders: one, or for an accented name two, mangled as those of the real Dürer are.

    The name is decomposed (NFD), its UTF-8 bytes are read as code page 437, and in the second folder once more.
    """
    name = painter.name.replace(" ", "_")
    if name.isascii():
        return (name,)
    once = unicodedata.normalize("NFD", name).encode().decode("cp437")
    return once, once.encode().decode("cp437")


# --- Files -----------------------------------------------------------------------------------------------------------


def _write_table(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("id", "name", "years", "genre", "nationality", "bio", "wikipedia", "paintings"))
        for k, painter in enumerate(PAINTERS):
            bio = f"Artiste inventé, dessiné par programme. {painter.name} n’a jamais existé."
            counted = painter.count + 3 * (painter.name == "Maison Garance")  # as in the real table, one is wrong
            table.writerow((k, painter.name, painter.years, painter.genre, painter.nationality, bio, "", counted))


def _file(painter: Painter, number: int) -> tuple[Image.Image, bytes, str]:
    """Returns a work, the content of its file and the suffix of its name."""
    oddity = _ODDITIES.get((painter.name, number))
    if oddity:
        return oddity()
    image = work(painter, number)
    return image, _jpeg(image), ".jpg"


def _jpeg(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **{"quality": 88, **options})
    return stream.getvalue()


def _small(image: Image.Image) -> Image.Image:
    """Returns the low-quality copy: 64 pixels for the shorter side."""
    scale = 64 / min(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


_ODDITIES = {}


# --- Paint -----------------------------------------------------------------------------------------------------------


def paint(painter: Painter, rng: np.random.Generator) -> Image.Image:
    """Paints a work: RGB, the shorter side 200 to 300 pixels."""
    short = int(rng.integers(200, 301))
    low, high = _FORMATS[painter.scene]
    ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
    width, height = (round(short * ratio), short) if ratio > 1 else (short, round(short / ratio))
    scene = _SCENES[painter.scene](rng, width / short, height / short)
    ramp = _mixed(painter.palette, rng)

    def look(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tone, accent, angle = scene(x / short, y / short)
        return _colours(ramp, tone, accent), angle

    picture, relief = _underpainting(look, width, height), np.zeros((height, width), np.float32)
    for rank, (length, breadth) in enumerate(painter.brushes):
        size = length * short / 256, breadth * short / 256
        _lay(picture, relief, look, rng, size, (1.0, 0.7, 0.5)[rank], painter.wild, painter.shimmer)
    _raking_light(picture, relief)
    if painter.hand:
        picture *= 1 + _HAND * _marks(painter.hand, look, rng, (height, width))[..., None]
    return Image.fromarray((255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8))


_HAND = 0.1
_MOODS = np.array([[1.06, 0.98, 0.88], [0.9, 0.98, 1.08], [1.03, 0.95, 1.02], [0.97, 1.04, 0.95]], np.float32)


def _mixed(palette: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Returns the colours of one work, float32 (6, 3) in 0..1: those of the palette in the light of one day."""
    colours = np.array([ImageColor.getrgb(colour) for colour in palette], np.float32) / 255
    grey = colours.mean(axis=1, keepdims=True)
    colours = grey + (colours - grey) * rng.uniform(0.6, 1.15)
    mood = 1 + (_MOODS[rng.integers(len(_MOODS))] - 1) * rng.uniform(0, 1.6)
    jitter = rng.normal(0, 0.03, colours.shape)
    return np.clip((colours * mood + jitter) ** rng.uniform(0.8, 1.25), 0.02, 1).astype(np.float32)


def _colours(ramp: np.ndarray, tone: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """Returns the colours, float32 (..., 3), of tones 0..1 that turn into the accent as it goes from 0 to 1."""
    place = np.clip(tone, 0, 1) * 3.999
    low = place.astype(np.intp)
    share = (place - low)[..., None]
    colours = ramp[low] * (1 - share) + ramp[low + 1] * share
    return (colours + np.clip(accent, 0, 1)[..., None] * (ramp[5] - colours)).astype(np.float32)


def _underpainting(look: Callable, width: int, height: int) -> np.ndarray:
    """Returns the scene seen with half-closed eyes, float32 (height, width, 3)."""
    y, x = np.mgrid[4:height:8, 4:width:8].astype(np.float32)
    colours = Image.fromarray((255 * look(x, y)[0]).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(colours, dtype=np.float32) / 255


def _lay(picture, relief, look, rng, size, share, wild, shimmer) -> None:
    """Lays a layer of strokes of one brush on `picture`, and their thickness on `relief`.

    Each pixel keeps the last stroke that covers it. Strokes bend as the direction of the scene does.

    Args:
        picture: float32 (height, width, 3), changed.
        relief: float32 (height, width), changed.
        look: gives colours and directions at places in pixels.
        rng: decides everything else.
        size: half-length and half-breadth of the strokes, in pixels.
        share: share of the strokes that are laid: those whose colour is the farthest from what is there.
        wild, shimmer: see `Painter`.
    """
    height, width, _ = picture.shape
    length, breadth = size
    count = int(2.2 * height * width / (4 * length * breadth))
    spread = np.arange(count)[:, None] * (0.7548776662, 0.5698402910) + rng.random(2)  # even, in a mixed-up order
    x, y = ((spread % 1) * (width, height)).astype(np.float32).T
    colours, angle = look(x, y)
    if share < 1:
        error = np.abs(picture[y.astype(np.intp), x.astype(np.intp)] - colours).sum(axis=1)
        kept = error >= np.quantile(error, 1 - share)
        x, y, colours, angle = x[kept], y[kept], colours[kept], angle[kept]
    ahead = look(x + length * np.cos(angle), y + length * np.sin(angle))[1]
    bend = np.clip((ahead - angle + math.pi / 2) % math.pi - math.pi / 2, -0.6, 0.6)
    angle = angle + rng.normal(0, wild, len(x))
    colours = colours + rng.normal(0, shimmer, (len(x), 1)) + rng.normal(0, 0.6 * shimmer, (len(x), 3))

    along = np.linspace(-1, 1, math.ceil(2 * length / 0.7) + 1)[:, None]
    across = np.linspace(-1, 1, math.ceil(2 * breadth / 0.7) + 1)
    hairs = rng.normal(0, 1, across.size)
    body = np.clip(3 * (1 - np.abs(across)), 0, 1) * np.clip((1 - np.abs(along) - 0.1 * np.abs(hairs)) * 5, 0, 1)
    thick = body * (0.6 + 0.4 * np.sqrt(1 - across**2) + 0.2 * hairs - 0.25 * along)

    curve = 0.5 * length * bend[:, None].astype(np.float32) * (along**2).ravel().astype(np.float32)
    right, down = np.cos(angle)[:, None].astype(np.float32), np.sin(angle)[:, None].astype(np.float32)
    along, across = np.broadcast_arrays(length * along, breadth * across)
    along, across = along.astype(np.float32).ravel(), across.astype(np.float32).ravel()
    curve = (curve.reshape(len(x), -1, 1) + across.reshape(body.shape)).reshape(len(x), -1)
    column = np.clip(x[:, None] + right * along - down * curve, -1, width).astype(np.int32)
    row = np.clip(y[:, None] + down * along + right * curve, -1, height).astype(np.int32)
    return
