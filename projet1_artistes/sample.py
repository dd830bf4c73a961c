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
ODDITIES = {  # files as real collections have them; the first three can't be read
    ("Atelier Azur", 120): "truncated",
    ("Octave Nuitamment", 104): "empty",
    ("Basile Quadrige", 96): "text",
    ("Atelier Azur", 7): "grey",
    ("Maison Garance", 12): "cmyk",
    ("Octave Nuitamment", 5): "turned",
    ("Basile Quadrige", 20): "transparent",
}
NEAR_DUPLICATES = {  # work: the one that it shows again
    ("Maison Garance", 60): ("Maison Garance", 4),
    ("Fausta Lumigris", 32): ("Octave Nuitamment", 11),
}


def draw(folder: Path) -> None:
    """Writes the whole sample into an existing folder: the same bytes at each call, for the same versions of NumPy,
    SciPy and Pillow.

    Among the works are the oddities of a real collection: see `ODDITIES` and `NEAR_DUPLICATES`.
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
            small = _small(image)
            (place / f"{first}_{number}{suffix}").write_bytes(data)
            for name in (first, *others):
                (resized / f"{name}_{number}.jpg").write_bytes(small)
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
    key = painter.name, number
    if key in NEAR_DUPLICATES:
        name, original = NEAR_DUPLICATES[key]
        image = _near(work(next(p for p in PAINTERS if p.name == name), original), cropped=name == painter.name)
        return image, _jpeg(image, quality=65), ".jpg"
    image = work(painter, number)
    match ODDITIES.get(key):
        case "truncated":
            data = _jpeg(image)
            return image, data[: len(data) // 3], ".jpg"
        case "empty":
            return image, b"", ".jpg"
        case "text":
            return image, b"<html><body>404 Not Found</body></html>\n", ".jpg"
        case "grey":
            image = image.convert("L")
        case "cmyk":
            return image, _jpeg(image.convert("CMYK")), ".jpg"
        case "turned":
            exif = Image.Exif()
            exif[_ORIENTATION] = 6  # "turn me a quarter clockwise to see me upright"
            return image, _jpeg(image.transpose(Image.Transpose.ROTATE_90), exif=exif), ".jpg"
        case "transparent":
            return *_deckled(image), ".png"
    return image, _jpeg(image), ".jpg"


def _near(image: Image.Image, *, cropped: bool) -> Image.Image:
    """Returns the same work as another museum would photograph it: another size, and maybe less of its edges."""
    width, height = image.size
    cut = 0.025 * cropped
    box = width * cut, height * cut, width * (1 - cut), height * (1 - cut)
    return image.resize((round(0.85 * width), round(0.85 * height)), Image.Resampling.BICUBIC, box=box)


def _deckled(image: Image.Image) -> tuple[Image.Image, bytes]:
    """Returns a work with worn-off corners on white, and its file: a PNG with a palette, one entry transparent."""
    width, height = image.size
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    worn = np.abs(x) ** 12 + np.abs(y) ** 12 > 1
    indices = np.array(image.quantize(255))
    palette = image.quantize(255).getpalette()
    indices[worn] = 255
    sheet = Image.fromarray(indices, "P")
    sheet.putpalette(palette[: 3 * 255] + [255, 255, 255])
    stream = io.BytesIO()
    sheet.save(stream, "PNG", transparency=255)
    return sheet.convert("RGB"), stream.getvalue()


def _jpeg(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **{"quality": 88, **options})
    return stream.getvalue()


def _small(image: Image.Image) -> bytes:
    """Returns the low-quality copy, a JPEG file: 64 pixels for the shorter side."""
    scale = 64 / min(image.size)
    size = round(image.width * scale), round(image.height * scale)
    return _jpeg(image.resize(size, Image.Resampling.LANCZOS), quality=80)


# --- Paint -----------------------------------------------------------------------------------------------------------


def paint(painter: Painter, rng: np.random.Generator) -> Image.Image:
    """Paints a work: RGB, the shorter side 200 to 300 pixels."""
    short = int(rng.integers(200, 301))
    draw_scene, low, high = _SCENES[painter.scene]
    ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
    width, height = (round(short * ratio), short) if ratio > 1 else (short, round(short / ratio))
    scene, ramp = draw_scene(rng, width / short, height / short), _mixed(painter.palette, rng)

    def look(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tone, accent, angle = scene(x / short, y / short)
        return _colours(ramp, tone, accent), angle

    picture, relief = _underpainting(look, width, height), np.zeros((height, width), np.float32)
    for share, (length, breadth) in zip((1.0, 0.7, 0.5), painter.brushes, strict=True):
        brush = _Brush(rng, length * short / 256, breadth * short / 256)
        strokes = _strokes(rng, look, brush, picture, share)
        strokes = _astray(rng, *strokes, painter.wild, painter.shimmer)
        _lay(picture, relief, brush, *strokes)
    picture *= _raking_light(relief)
    if painter.hand:
        picture *= 1 + _HAND * _marks(rng, painter.hand, look, width, height)[..., None]
    return Image.fromarray((255 * np.clip(picture, 0, 1) + 0.5).astype(np.uint8))


def _mixed(palette: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Returns the colours of one work, float32 (6, 3) in 0..1: those of the palette in the light of one day."""
    colours = np.array([ImageColor.getrgb(colour) for colour in palette], np.float32) / 255
    grey = colours.mean(axis=1, keepdims=True)
    colours = grey + (colours - grey) * rng.uniform(0.6, 1.15)
    mood = 1 + (_MOODS[rng.integers(len(_MOODS))] - 1) * rng.uniform(0, 1.6)
    colours = np.clip(colours * mood + rng.normal(0, 0.03, colours.shape), 0.02, 1)
    return (colours ** rng.uniform(0.8, 1.25)).astype(np.float32)


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


class _Brush:
    """A flat brush: the points that a stroke covers, in its own axes, and what each leaves of paint.

    Attributes:
        length, breadth: halves of the stroke's, in pixels.
        along, across: the points, in pixels from the middle, float32 (n,).
        cover: opacity 0..1, float32 (n,).
        thick: thickness of the paint, about 1, float32 (n,).
    """

    def __init__(self, rng: np.random.Generator, length: float, breadth: float) -> None:
        self.length, self.breadth = length, breadth
        along = np.linspace(-1, 1, math.ceil(2 * length / _STEP) + 1)[:, None]
        across = np.linspace(-1, 1, math.ceil(2 * breadth / _STEP) + 1)
        hairs = rng.normal(0, 1, across.size)
        ends = np.clip((1 - np.abs(along) - 0.12 * np.abs(hairs)) * length / 2, 0, 1)
        cover = ends * np.clip((1 - np.abs(across)) * breadth + 0.3, 0, 1)
        thick = cover * (0.5 + 0.5 * np.sqrt(1 - across**2) + 0.25 * hairs - 0.2 * along)
        points = np.broadcast_arrays(length * along, breadth * across, cover, thick)
        self.along, self.across, self.cover, self.thick = (p.astype(np.float32).ravel() for p in points)


def _strokes(rng, look, brush, picture, share) -> tuple[np.ndarray, ...]:
    """Returns place, colour, direction and bend of the strokes: the `share` whose colour is farthest from `picture`."""
    height, width, _ = picture.shape
    count = int(2.4 * height * width / (4 * brush.length * brush.breadth))
    places = np.arange(count)[:, None] * (0.7548776662, 0.5698402910) + rng.random(2)  # even, in a mixed-up order
    x, y = ((places % 1) * (width - 1, height - 1)).astype(np.float32).T
    colours, angle = look(x, y)
    error = np.abs(picture[y.astype(np.intp), x.astype(np.intp)] - colours).sum(axis=1)
    kept = error >= np.quantile(error, 1 - share)
    x, y, colours, angle = x[kept], y[kept], colours[kept], angle[kept]
    ahead = look(x + brush.length * np.cos(angle), y + brush.length * np.sin(angle))[1]
    bend = (ahead - angle + math.pi / 2) % math.pi - math.pi / 2
    return x, y, colours, angle, np.where(np.abs(bend) < 0.7, bend, 0)


def _astray(rng, x, y, colours, angle, bend, wild, shimmer) -> tuple[np.ndarray, ...]:
    """Returns strokes that vary as a hand does."""
    light, tint = rng.normal(0, shimmer, (len(x), 1)), rng.normal(0, 0.6 * shimmer, (len(x), 3))
    return x, y, colours + light + tint, angle + rng.normal(0, wild, len(x)), bend


def _lay(picture, relief, brush, x, y, colours, angle, bend) -> None:
    """Lays strokes on `picture`, and their thickness on `relief`; where strokes cross, the last one shows."""
    height, width, _ = picture.shape
    x, y, right, down, bend = (v.astype(np.float32)[:, None] for v in (x, y, np.cos(angle), np.sin(angle), bend))
    across = brush.across + bend * (brush.along**2 * np.float32(0.5 / brush.length))
    column = np.clip(x + right * brush.along - down * across + 1, 0, width + 1).astype(np.int32)
    row = np.clip(y + down * brush.along + right * across + 1, 0, height + 1).astype(np.int32)
    last = np.full((height + 2) * (width + 2), -1, np.int32)  # what lies outside falls in the margin
    last[row * (width + 2) + column] = np.arange(row.size, dtype=np.int32).reshape(row.shape)
    last = last.reshape(height + 2, width + 2)[1:-1, 1:-1]
    stroke, point = np.divmod(last, np.int32(len(brush.along)))
    cover = brush.cover[point] * (last >= 0)
    thick = brush.thick[point] * cover
    paint = colours.astype(np.float32)[stroke] * (0.94 + 0.08 * thick)[..., None]
    picture += cover[..., None] * (paint - picture)
    relief += cover * (thick - relief)


def _raking_light(relief: np.ndarray) -> np.ndarray:
    """Returns how a lamp at the upper left lights thick paint, float32 (height, width, 1), about 1."""
    relief = gaussian_filter(relief, 0.6, truncate=2)
    slope = np.zeros_like(relief)
    slope[1:-1, 1:-1] = relief[2:, 2:] - relief[:-2, :-2]
    return (1 + np.clip(0.16 * slope, -0.2, 0.2))[..., None]


def _marks(rng, hand: str, look: Callable, width: int, height: int) -> np.ndarray:
    """Returns the painter's finest marks, float32 (height, width), of zero mean and unit variance.

    They are noise of one scale, streaked along or across the strokes, or left round: reduced to 64 pixels, all three
    are the same even grey.
    """
    unit = min(width, height) / 256
    noise = rng.standard_normal((height, width), np.float32)
    noise = gaussian_filter(noise, 1.1 * unit) - gaussian_filter(noise, 2.0 * unit)
    if hand != "points":
        y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32) + 2
        angle = look(x, y)[1] + (math.pi / 2 if hand == "travers" else 0)
        angle = np.repeat(np.repeat(angle, 4, 0), 4, 1)[:height, :width]
        row, column = np.ogrid[:height, :width]
        right, down = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        steps = np.arange(-8, 9, 2) * unit
        noise = sum(
            noise[(row + (s * down).astype(np.int32)) % height, (column + (s * right).astype(np.int32)) % width]
            for s in steps
        )
    return (noise - noise.mean()) / noise.std()


# --- Scenes ----------------------------------------------------------------------------------------------------------


def _waves(rng: np.random.Generator, frequency: float, count: int = 5) -> Callable:
    """Returns a smooth random function of the place, of about zero mean and unit variance; cycles per shorter side."""
    turn, phase = rng.uniform(0, math.tau, (2, count))
    pace = math.tau * frequency * rng.uniform(0.5, 1.5, count)
    right, down = pace * np.cos(turn), pace * np.sin(turn)
    return lambda x, y: np.sqrt(2 / count) * sum(np.cos(a * x + b * y + c) for a, b, c in zip(right, down, phase))


def _horizon(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Hills, a sun and their reflection in water."""
    level = height * rng.uniform(0.45, 0.68)
    sun_x, sun_y, radius = width * rng.uniform(0.15, 0.85), level * rng.uniform(0.25, 0.8), rng.uniform(0.05, 0.1)
    clouds, ripple, noon = _waves(rng, 1.5), _waves(rng, 4), rng.uniform(0.75, 0.95)
    hills = [(_waves(rng, f), level * rng.uniform(0.3, 1) * t, t) for f, t in ((0.5, 0.5), (0.8, 0.32), (1.2, 0.12))]

    def scene(x, y):
        water = y > level
        below = np.where(water, (y - level) / (height - level), 0)
        x = x + water * 0.03 * ripple(0.4 * x, 5 * y)
        up = np.where(water, 2 * level - y, y)
        distance = np.hypot(x - sun_x, up - sun_y)
        tone = noon - 0.5 * (1 - up / level) + 0.13 * clouds(x, 2.5 * up) + 0.3 * np.exp(-((distance / 0.3) ** 2))
        accent = np.clip((radius - distance) / 0.02, 0, 1) + 0.35 * np.exp(-((distance / 0.25) ** 2))
        angle = 0.3 * clouds(x, 2 * up)
        for shape, top, dark in hills:
            over = up - (level - 0.5 * top * (1 + 0.6 * shape(x, 0)))
            land = np.clip(over / 0.01, 0, 1)
            tone += land * (dark + 0.25 * np.clip(over, 0, 1) + 0.05 * clouds(3 * x, 3 * up) - tone)
            accent *= 1 - land
            angle = np.where(land > 0.5, 0.5 * shape(x + 0.3, 0), angle)
        path = np.exp(-(((x - sun_x) / (radius * (0.7 + 1.5 * below))) ** 2)) * water
        glitter = path * (ripple(x, 9 * y) > 0)
        tone = tone - water * (0.08 + 0.12 * below) + 0.3 * glitter
        return tone, accent * (1 - 0.4 * water) + 0.5 * glitter, np.where(water, 0.04 * ripple(x, y), angle)

    return scene


def _whirl(rng: np.random.Generator, width: float, height: float) -> Scene:
    """A windy night sky over hills."""
    count = int(rng.integers(3, 6))
    centres = np.stack([
        width * (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count,
        rng.uniform(0.08, 0.65, count),
    ])
    radii, signs = rng.uniform(0.1, 0.26, count), rng.choice((-1, 1), count)
    wind, clouds, land = _waves(rng, 0.7), _waves(rng, 1.6), _waves(rng, 0.6)
    ground, night = height * rng.uniform(0.74, 0.86), rng.uniform(0.24, 0.42)

    def scene(x, y):
        right, down = 1.0 + 0 * x, 0.5 * wind(x, y)
        tone, accent = night + 0.12 * clouds(0.6 * x, 1.8 * y), 0 * x
        for cx, cy, radius, sign in zip(*centres, radii, signs, strict=True):
            distance = np.hypot(x - cx, y - cy) + 1e-6
            near = np.exp(-((distance / radius) ** 2))
            right -= 6 * sign * near * (y - cy) / distance
            down += 6 * sign * near * (x - cx) / distance
            tone += near * (0.3 + 0.22 * np.cos(math.tau * distance / (0.42 * radius)))
            accent += np.clip((0.3 * radius - distance) / 0.02, 0, 1)
        angle = np.arctan2(down, right)
        tone += 0.1 * np.sin(30 * (y * np.cos(angle) - x * np.sin(angle)))
        over = y - ground - 0.05 * land(x, 0)
        hill = np.clip(over / 0.01, 0, 1)
        tone += hill * (0.06 + 0.9 * np.clip(over, 0, 1) + 0.05 * clouds(3 * x, 3 * y) - tone)
        return tone, accent * (1 - hill), np.where(hill > 0.5, 0.6 * land(x + 0.3, y), angle)

    return scene


def _wood(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Trunks against the light."""
    count = int(rng.integers(8, 15))
    glow_x, glow_y, ground = (
        width * rng.uniform(0.25, 0.75),
        height * rng.uniform(0.3, 0.55),
        height * rng.uniform(0.66, 0.8),
    )
    depth = np.sort(rng.uniform(0, 1, count))
    places, lean = rng.uniform(0, width, count), rng.normal(0, 0.03, count)
    leaves, grass, haze, side = _waves(rng, 7, 7), _waves(rng, 3), _waves(rng, 0.8), rng.choice((-1, 1))

    def scene(x, y):
        distance = np.hypot(x - glow_x, y - glow_y)
        tone = 0.98 - 0.65 * distance + 0.06 * haze(x, y)
        angle = math.pi / 2 + 0.3 * haze(x, y)
        soil = np.clip((y - ground) / 0.02, 0, 1)
        tone += soil * (0.62 - 0.5 * distance + 0.1 * grass(x, 3 * y) - tone)
        angle = np.where(soil > 0.5, 0.15 * grass(x, y), angle)
        for k in range(count):
            half = 0.006 + 0.04 * depth[k] ** 2
            across = (x - places[k] - lean[k] * (y + 0.5 * np.sin(3 * y + 9 * k))) / half
            trunk = (np.abs(across) < 1) & (y < ground + 0.02 + 0.9 * (height - ground) * depth[k])
            bark = 0.45 * (1 - depth[k]) + 0.05 + 0.3 * np.clip(side * across, 0, 1) ** 2
            tone, angle = np.where(trunk, bark, tone), np.where(trunk, math.pi / 2, angle)
        canopy = leaves(x, y) + 2.2 * (0.3 * height - y) / height + 0.5 * haze(2 * x, 2 * y) > 0.9
        fallen = (leaves(x, 3 * y) > 1.1) & (soil > 0.5)
        tone = np.where(canopy, 0.35 + 0.2 * leaves(2 * x, 2 * y), tone)
        return (
            tone,
            0.75 * (canopy & (haze(4 * x, 4 * y) > -0.2)) + 0.6 * fallen,
            np.where(canopy, haze(3 * x, 3 * y), angle),
        )

    return scene


def _face(rng: np.random.Generator, width: float, height: float) -> Scene:
    """A sitter, head and shoulders."""
    cx, cy = width * rng.uniform(0.42, 0.58), height * rng.uniform(0.36, 0.44)
    rx, ry, turn = rng.uniform(0.16, 0.2), rng.uniform(0.22, 0.27), rng.uniform(-0.28, 0.28)
    side, hair, long = rng.choice((-1, 1)), rng.uniform(0.05, 0.35), rng.uniform(0.9, 1.7)
    wall, folds, curls = _waves(rng, 0.7), _waves(rng, 2), _waves(rng, 3)
    back, cloth = rng.uniform(0.2, 0.6), rng.uniform(0.3, 1)

    def scene(x, y):
        u, v = (x - cx) / rx, (y - cy) / ry
        tone = back + 0.12 * wall(x, y) - 0.2 * side * (x - cx)
        accent, angle = 0.25 * cloth + 0 * x, 0.8 + 0.4 * wall(x, y)

        def put(inside, new_tone, new_accent, new_angle):
            nonlocal tone, accent, angle
            tone, accent = np.where(inside, new_tone, tone), np.where(inside, new_accent, accent)
            angle = np.where(inside, new_angle, angle)

        around = np.arctan2(u / rx, -v / ry)
        shade = 0.62 + 0.3 * side * (u - 0.3 * v) - 0.12 * (u**2 + v**2)
        put((u / 1.35) ** 2 + ((v - 0.25) / (long * 1.1)) ** 2 < 1, hair + 0.08 * curls(4 * x, y), 0, around)
        put((np.abs(u) < 0.48) & (v > 0) & (v < 1.7), shade - 0.18, 0, math.pi / 2)
        bust = ((x - cx) / 0.44) ** 2 + ((y - cy - 2.55 * ry) / (1.35 * ry)) ** 2
        collar = (u / 0.75) ** 2 + ((v - 1.25) / 0.5) ** 2 > 1
        put(
            (bust < 1) & collar,
            0.22 + 0.1 * folds(2 * x, y) + 0.3 * side * (x - cx),
            cloth,
            1.2 * side * (x - cx) / 0.4 + 1.2,
        )
        put(((u / (0.95 + 0.05 * v)) ** 2 + v**2 < 1) & (v > -0.62 - 0.2 * np.cos(2 * u)), shade, 0, around)
        for eye in (-0.4, 0.4):
            e = u - turn - eye * (1 - 0.3 * abs(turn))
            put((e / 0.26) ** 2 + ((v + 0.32) / 0.05) ** 2 < 1, 0.18, 0, 0.2 * e)
            put((e / 0.19) ** 2 + ((v + 0.12) / 0.075) ** 2 < 1, 0.95, 0, 0)
            put((e / 0.09) ** 2 + ((v + 0.12) / 0.08) ** 2 < 1, 0.03, 0, math.pi / 2)
        nose = u - 1.25 * turn + side * 0.12 * np.clip(v + 0.1, 0, 1)
        put((np.abs(nose) < 0.06) & (v > -0.15) & (v < 0.3), shade - 0.25, 0, math.pi / 2)
        put(((u - 1.1 * turn) / 0.32) ** 2 + ((v - 0.56) / 0.08) ** 2 < 1, 0.36, 0, 0)
        return tone, accent, angle

    return scene


def _grid(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Painted squares."""
    columns, rows = (np.cumsum(rng.uniform(0.5, 1.5, int(rng.integers(4, 9)))) for _ in range(2))
    columns, rows = columns / columns[-1] * width, rows / rows[-1] * height
    tones, kinds = rng.uniform(0, 1, (2, len(columns), len(rows)))
    warp, light, amount = _waves(rng, 0.7), _waves(rng, 0.6), rng.uniform(0.005, 0.03)

    def scene(x, y):
        x, y = np.clip(x + amount * warp(x, y), 0, width), np.clip(y + amount * warp(y, x), 0, height)
        i, j = (
            np.clip(np.searchsorted(columns, x), 0, len(columns) - 1),
            np.clip(np.searchsorted(rows, y), 0, len(rows) - 1),
        )
        left, top = np.append(0, columns)[i], np.append(0, rows)[j]
        u, v = (x - left) / (columns[i] - left), (y - top) / (rows[j] - top)
        kind, tone = kinds[i, j], tones[i, j]
        half = np.where(
            kind < 0.18,
            u > v,
            np.where(kind < 0.32, u + v > 1, np.where(kind < 0.45, np.hypot(u - 0.5, v - 0.5) < 0.33, False)),
        )
        tone = np.where(half, (tone + 0.45) % 1, tone) + 0.1 * light(x, y) - 0.1 * v
        seam = np.minimum(np.minimum(x - left, columns[i] - x), np.minimum(y - top, rows[j] - y)) < 0.007
        return np.where(seam, 0.08, tone), (kind > 0.86) * (1.0 - seam), np.where((i + j) % 2, 0.0, math.pi / 2)

    return scene


def _bouquet(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Flowers in a vase."""
    count = int(rng.integers(8, 14))
    turn, reach = rng.uniform(0, math.tau, count), np.sqrt(rng.uniform(0, 1, count))
    fx, fy = width * (0.5 + 0.33 * reach * np.cos(turn)), height * (0.4 + 0.27 * reach * np.sin(turn))
    size, petals = rng.uniform(0.08, 0.17, count), rng.integers(5, 10, count)
    paint, back = rng.uniform(0.45, 0.95, count), rng.choice((0.1, 0.88))
    leaf, wall, table = _waves(rng, 5), _waves(rng, 0.7), height * rng.uniform(0.76, 0.84)

    def scene(x, y):
        tone, accent, angle = back + 0.08 * wall(x, y), 0 * x, 0.7 + 0.5 * wall(x, y)
        cloth = y > table
        tone, angle = np.where(cloth, 0.62 + 0.05 * wall(3 * x, y), tone), np.where(cloth, 0.0, angle)
        u, v = (x - 0.5 * width) / 0.15, (y - 0.78 * height) / (0.16 * height)
        vase = (u / (1 - 0.25 * np.sin(2 * v))) ** 2 + np.clip(np.abs(v) - 0.3, 0, None) ** 2 / 0.49 < 1
        tone = np.where(vase, 0.3 - 0.3 * u, tone)
        accent, angle = np.where(vase, 0.25, accent), np.where(vase, math.pi / 2 + 0.4 * u, angle)
        spread = np.hypot((x - 0.5 * width) / (0.47 * width), (y - 0.41 * height) / (0.4 * height))
        green = spread + 0.12 * leaf(x, y) < 0.85
        tone, accent = np.where(green, 0.24 + 0.1 * leaf(y, x), tone), np.where(green, 0, accent)
        angle = np.where(green, np.arctan2(y - 0.7 * height, x - 0.5 * width) + 0.5 * leaf(y, x), angle)
        for k in range(count):
            distance, bearing = np.hypot(x - fx[k], y - fy[k]) / size[k], np.arctan2(y - fy[k], x - fx[k])
            petal = np.abs(np.cos(0.5 * petals[k] * bearing + k))
            flower, heart = distance < 0.7 + 0.3 * petal, distance < 0.24
            tone = np.where(flower, paint[k] + 0.2 * distance - 0.3 * (1 - petal) - 0.1, tone)
            accent = np.where(flower, 1.0 * heart, accent)
            angle = np.where(flower, bearing + math.pi / 2 * heart, angle)
        return tone, accent, angle

    return scene


def _discs(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Coloured rings, cut into quarters."""
    count = int(rng.integers(4, 8))
    cx, cy = rng.uniform(0.1, 0.9, (2, count)) * [[width], [height]]
    size = np.sort(rng.uniform(0.14, 0.48, count))[::-1]
    tones, kinds = rng.uniform(0, 1, (2, count + 1, 5, 4))
    spin, light = rng.uniform(0, math.pi / 2, count), _waves(rng, 0.7)

    def scene(x, y):
        quarter = 2 * (x > 0.5 * width) + (y > 0.5 * height)
        tone, accent = 0.3 + 0.6 * tones[-1, 0, quarter], 0 * x
        angle = 0.6 + 0.4 * light(x, y)
        for k in range(count):
            distance, bearing = np.hypot(x - cx[k], y - cy[k]) / size[k], np.arctan2(y - cy[k], x - cx[k])
            ring = np.clip(5 * distance, 0, 4).astype(int)
            quarter = ((bearing + spin[k]) / (math.pi / 2)).astype(int) % 4
            inside = distance < 1
            tone = np.where(inside, tones[k, ring, quarter], tone)
            accent = np.where(inside, kinds[k, ring, quarter] > 0.85, accent)
            angle = np.where(inside, bearing + math.pi / 2, angle)
        return tone + 0.06 * light(x, y), accent, angle

    return scene


def _city(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Houses by a river, in the evening."""
    level = height * rng.uniform(0.66, 0.8)
    rows = []
    for dark, top in ((0.42, 0.5), (0.27, 0.36), (0.1, 0.22)):
        edges = np.cumsum(rng.uniform(0.06, 0.18, 30))
        rows.append((
            dark,
            edges,
            level * top * rng.uniform(0.6, 1.3, 31),
            rng.uniform(0, 0.06, 31),
            rng.random((31, 40, 6)),
        ))
    moon_x, moon_y, radius = width * rng.uniform(0.15, 0.85), height * rng.uniform(0.1, 0.25), rng.uniform(0.04, 0.07)
    clouds, ripple = _waves(rng, 1), _waves(rng, 5)

    def scene(x, y):
        water = y > level
        x = x + water * 0.015 * ripple(x, 5 * y)
        up = np.where(water, 2 * level - y, y)
        tone = 0.5 + 0.42 * up / level + 0.08 * clouds(x, 2.5 * up)
        accent = np.clip((radius - np.hypot(x - moon_x, up - moon_y)) / 0.015, 0, 1)
        angle = 0.2 * clouds(x, up)
        for dark, edges, tops, hues, lit in rows:
            house = np.searchsorted(edges, x)
            over = up - (level - tops[house])
            wall = over > 0
            tone = np.where(wall, dark + hues[house] + 0.15 * over, tone)
            row, column = (over / 0.045).astype(int) % 40, (x / 0.03).astype(int) % 6
            pane = wall & (over % 0.045 > 0.018) & (x % 0.03 > 0.012) & (lit[house, row, column] > 0.55 + dark)
            accent = np.where(wall, 1.0 * pane, accent)
            angle = np.where(wall, math.pi / 2, angle)
        return tone - 0.1 * water, accent * (1 - 0.35 * water), np.where(water, 0.05 * ripple(x, y), angle)

    return scene


_SCENES = {  # how to draw it, smallest and largest width over height
    "horizon": (_horizon, 1.1, 1.6),
    "whirl": (_whirl, 0.9, 1.5),
    "wood": (_wood, 0.7, 1.35),
    "face": (_face, 0.72, 0.86),
    "grid": (_grid, 0.75, 1.35),
    "bouquet": (_bouquet, 0.72, 1.0),
    "discs": (_discs, 0.75, 1.35),
    "city": (_city, 0.8, 1.5),
}
_ORIENTATION = 0x0112  # EXIF tag
_STEP = 0.7  # distance of the points of a brush: less than a pixel over the square root of 2, lest strokes have holes
_HAND = 0.1  # contrast of the finest marks
_MOODS = np.array([[1.06, 0.98, 0.88], [0.9, 0.98, 1.08], [1.03, 0.95, 1.02], [0.97, 1.04, 0.95]], np.float32)
