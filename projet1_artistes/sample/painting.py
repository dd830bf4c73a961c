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
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageFilter

from commun.datasets import in_processes

VERSION = 3  # another number has the sample drawn again

Scene = Callable[[np.ndarray, np.ndarray], "_Sheet"]


@dataclasses.dataclass(frozen=True)
class Painter:
    """An invented painter.

    Attributes:
        name: as `artists.csv` spells it.
        count: number of files in the painter's folder, those that can't be read included.
        genre, years, nationality: invented too.
        scene: what is painted, a key of `_SCENES`.
        palettes: keys of `PALETTES`; a work holds to one, and borrows from another.
        brushes: half-length and half-breadth of each brush, the broadest first.
        hand: the finest marks, lost in the small copies: "fil" (along the strokes), "travers" (across them), "points"
            or "" (none).
    """

    name: str
    count: int
    genre: str
    years: str
    nationality: str
    scene: str
    palettes: tuple[str, ...]
    brushes: tuple[tuple[float, float], ...]
    hand: str = ""


PALETTES = {  # from dark to light, then the accent
    "mer": ("#10243a", "#235170", "#5b93a6", "#b3cfc8", "#f6ecd6", "#f2a25c"),
    "braise": ("#2b1524", "#79303a", "#c5663f", "#e9ac62", "#f9e6bd", "#4fa3a8"),
    "mousse": ("#13261f", "#2f5f4b", "#6f9a62", "#bccf94", "#f4f3da", "#d8623a"),
    "soir": ("#1b1736", "#4a3f78", "#93709a", "#dba9a2", "#f9e7cf", "#f4bb45"),
    "sable": ("#1e1a22", "#5a4038", "#a5754f", "#d9b184", "#f8ead0", "#2f7f86"),
}
_WIDE = ((24.0, 5.0), (14.0, 2.6), (8.0, 1.5))
_FREE = ((20.0, 4.2), (13.0, 2.5), (8.0, 1.5))
_NEAT = ((11.0, 4.5), (7.0, 2.6), (4.5, 1.5))
_ALL = tuple(PALETTES)
_COLD, _WARM = ("mer", "soir", "mousse"), ("braise", "sable")
_LARGE, _DUNES, _WOODS, _FORDS, _TILES = (
    f"Pays inventé {place}" for place in ("du Large", "des Dunes", "des Futaies", "des Gués", "des Tuiles")
)
PAINTERS = (
    Painter("Atelier Azur", 120, "Brumisme", "1901 - 1968", _LARGE, "horizon", _COLD, _WIDE),
    Painter("Maison Garance", 60, "Brumisme", "1890 - 1951", _LARGE, "horizon", _WARM, _WIDE),
    Painter("Octave Nuitamment", 104, "Tourbillisme", "1878 - 1940", _DUNES, "whirl", _COLD, _FREE),
    Painter("Fausta Lumigris", 32, "Tourbillisme", "1884 - 1949", _DUNES, "whirl", _WARM, _FREE),
    Painter("Anselme Quintefeuil", 52, "Futaisme", "1866 - 1931", _WOODS, "wood", _ALL, _FREE, "fil"),
    Painter("Ludivine Marbrac", 24, "Futaisme", "1871 - 1944", _WOODS, "wood", _ALL, _FREE, "travers"),
    Painter("Élie Dürel", 44, "Effigisme", "1842 - 1907", _FORDS, "face", _ALL, _NEAT, "fil"),
    Painter("Casimir Ondoyer", 36, "Effigisme", "1850 - 1919", _FORDS, "face", _ALL, _NEAT, "points"),
    Painter("Basile Quadrige", 96, "Damiérisme", "1912 - 1989", _TILES, "grid", _ALL, _NEAT),
    Painter("Pivoine Estrelle", 18, "Corollisme", "1895 - 1972", _TILES, "bouquet", _ALL, _NEAT),
    Painter("Orphise Rondelet", 14, "Tourbillisme", "1888 - 1960", _DUNES, "discs", _ALL, _NEAT),
    Painter("Melchior Fenestrou", 12, "Damiérisme", "1905 - 1979", _TILES, "city", _COLD, _NEAT),
)
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
    """Writes the whole sample into an existing folder; with the same software, the same bytes each time.

    Among the works are the oddities of a real collection: see `ODDITIES` and `NEAR_DUPLICATES`.
    """
    _write_table(folder / "artists.csv")
    (folder / "resized" / "resized").mkdir(parents=True)
    for painter in PAINTERS:
        for name in folder_names(painter):
            (folder / "images" / "images" / name).mkdir(parents=True)
    in_processes(_write, ((folder, painter, n) for painter in PAINTERS for n in range(1, painter.count + 1)))


def _write(folder: Path, painter: Painter, number: int) -> None:
    """Writes a work and its low-quality copy, in each of the painter's folders."""
    image, data, suffix = _file(painter, number)
    small = _small(image)
    for name in folder_names(painter):
        (folder / "images" / "images" / name / f"{name}_{number}{suffix}").write_bytes(data)
        (folder / "resized" / "resized" / f"{name}_{number}.jpg").write_bytes(small)


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
    reduced = image.quantize(255, Image.Quantize.FASTOCTREE)
    indices = np.where(worn, np.uint8(255), reduced)
    sheet = Image.fromarray(indices, "P")
    sheet.putpalette((reduced.getpalette() + 765 * [0])[:765] + [255, 255, 255])
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

_ORIENTATION = 0x0112  # EXIF tag
_STEP = 0.75  # distance of the points of a brush: much more, and strokes would have holes
_WHITE = 240  # of lead white in an even light: thick paint and marks can still shine
_SHARES = (1.0, 0.7, 0.6)  # of the strokes of each brush that are laid
_WILD = 0.12  # how far strokes stray from their direction, in radians
_SHIMMER = 0.035  # how far the colours of neighbouring strokes differ, of the full scale
_LENS = ImageFilter.Kernel((3, 3), (1, 5, 1, 5, 24, 5, 1, 5, 1))
_HAND = 0.12  # contrast of the finest marks


def paint(painter: Painter, rng: np.random.Generator) -> Image.Image:
    """Paints a work: RGB, the shorter side 200 to 280 pixels."""
    short = int(rng.integers(200, 281))
    compose, low, high = _SCENES[painter.scene]
    ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
    width, height = (round(short * ratio), short) if ratio > 1 else (short, round(short / ratio))
    scene, colours = compose(rng, width / short, height / short), _mixed(painter.palettes, rng)
    key = np.float32(rng.uniform(0.5, 1.9))  # from high key, all in light tones, to low key

    def look(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sheet = scene(x / np.float32(short), y / np.float32(short))
        return _shade(colours, np.clip(sheet.tone, 0, 0.999) ** key, sheet.accent), sheet.angle

    y, x = np.mgrid[4:height:8, 4:width:8].astype(np.float32)
    blurred = Image.fromarray((255 * look(x, y)[0]).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    picture, relief = np.asarray(blurred, dtype=np.float32) / 255, np.zeros((height, width), np.float32)
    for share, (length, breadth) in zip(_SHARES, painter.brushes, strict=True):
        brush = _Brush(rng, length * short / 256, breadth * short / 256)
        _lay(picture, relief, brush, *_strokes(rng, look, brush, picture, share))
    light = _raking_light(relief)
    if painter.hand:
        light += _HAND * _marks(rng, painter.hand, look, width, height)
    picture *= _WHITE * light[..., None]
    photograph = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return photograph.filter(_LENS)  # no lens sees the edge of a stroke as sharp


def _mixed(palettes: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Returns the colours of one work, float32 (6, 3) in 0..1: those of its palettes in the light of one day."""
    chosen = [PALETTES[palettes[k]] for k in rng.permutation(len(palettes))[:2]]
    one, other = np.array([[ImageColor.getrgb(colour) for colour in palette] for palette in chosen]) / 255
    colours = one + rng.uniform(0, 0.45) * (other - one)
    grey = colours.mean(axis=1, keepdims=True)
    colours = grey + (colours - grey) * rng.uniform(0.75, 1.3)
    colours = colours * rng.uniform(0.93, 1.07, 3) + rng.normal(0, 0.025, colours.shape)
    return (np.clip(colours, 0.02, 1) ** rng.uniform(0.8, 1.25)).astype(np.float32)


def _shade(colours: np.ndarray, tone: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """Returns colours, float32 (..., 3): tones, 0 to below 1, that turn into the accent as it goes to 1."""
    place = tone * np.float32(4)
    low = place.astype(np.int8)
    shaded = colours[low] + (place - low)[..., None] * (colours[1:5] - colours[:4])[low]
    return shaded + np.clip(accent, 0, 1).astype(np.float32)[..., None] * (colours[5] - shaded)


class _Brush:
    """A flat brush: the points that a stroke covers, in its own axes, and what each leaves of paint.

    Attributes:
        length, breadth: halves of the stroke's, in pixels.
        points: for each point 1, its place along, its place across and the square of the former, float32 (4, n).
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
        along, across = np.broadcast_arrays(along, across)
        points = np.stack([np.ones_like(cover), length * along, breadth * across, length * along**2])
        self.points = points.reshape(4, -1).astype(np.float32)
        self.cover, self.thick = cover.astype(np.float32).ravel(), thick.astype(np.float32).ravel()


def _strokes(rng, look, brush, picture, share) -> tuple[np.ndarray, ...]:
    """Returns place, direction, bend and colour of strokes: the `share` whose colour is farthest from `picture`."""
    height, width, _ = picture.shape
    count = int(1.6 * height * width / (4 * brush.length * brush.breadth))
    places = np.arange(count)[:, None] * (0.7548776662, 0.5698402910) + rng.random(2)  # even, in a mixed-up order
    x, y = ((places % 1) * (width - 1, height - 1)).astype(np.float32).T
    colours, angle = look(x, y)
    error = np.abs(picture[y.astype(np.intp), x.astype(np.intp)] - colours).sum(axis=1)
    kept = error >= np.quantile(error, 1 - share)
    x, y, colours, angle = x[kept], y[kept], colours[kept], angle[kept]
    bend = np.zeros_like(angle)
    if brush.length > 10:  # a shorter stroke looks straight
        ahead = look(x + brush.length * np.cos(angle), y + brush.length * np.sin(angle))[1]
        turn = (ahead - angle + math.pi / 2) % math.pi - math.pi / 2  # a direction and its opposite are the same
        bend = np.where(np.abs(turn) < 0.7, turn, 0)
    colours += rng.normal(0, _SHIMMER, (len(x), 1)) + rng.normal(0, 0.6 * _SHIMMER, (len(x), 3))
    return x, y, angle + rng.normal(0, _WILD, len(x)), bend, colours


def _lay(picture, relief, brush, x, y, angle, bend, colours) -> None:
    """Lays strokes on `picture`, and their thickness on `relief`; where strokes cross, the last one shows."""
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


def _raking_light(relief: np.ndarray) -> np.ndarray:
    """Returns how a lamp at the upper left lights thick paint, float32 (height, width), about 1."""
    slope = np.zeros_like(relief)
    slope[1:-1, 1:-1] = relief[2:, 2:] - relief[:-2, :-2] + 0.5 * (relief[2:, 1:-1] - relief[:-2, 1:-1])
    return 1 + np.clip(0.09 * slope, -0.18, 0.18)


def _marks(rng, hand: str, look: Callable, width: int, height: int) -> np.ndarray:
    """Returns the painter's finest marks, float32 (height, width), of zero mean and unit variance.

    They are noise, streaked along or across the strokes or not at all, of which one wavelength is kept, 5.5 pixels: the
    small copies, where waves shorter than 8 can't be seen, have the same even colour under all three.
    """
    unit = min(width, height) / 256
    noise = rng.standard_normal((height, width), np.float32)
    if hand != "points":
        y, x = np.mgrid[0:height:4, 0:width:4].astype(np.float32) + 2
        angle = look(x, y)[1] + (math.pi / 2 if hand == "travers" else 0)
        down, right = (np.kron(f(angle), np.ones((4, 4), np.float32))[:height, :width] for f in (np.sin, np.cos))
        rows, columns = np.ogrid[:height, :width]
        streak = np.arange(-8, 9, 2) * np.float32(unit)
        noise = sum(
            noise[(rows + s * down).astype(int) % height, (columns + s * right).astype(int) % width] for s in streak
        )
    frequency = unit * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    band = np.exp(-(((frequency - 0.18) / 0.016) ** 2)).astype(np.float32)
    marks = np.fft.irfft2(np.fft.rfft2(noise) * band, s=(height, width))
    return marks / marks.std()


# --- Scenes ----------------------------------------------------------------------------------------------------------


class _Sheet:
    """A scene at some places: tone, accent and direction, float32; what is put later hides what was there."""

    def __init__(self, tone: np.ndarray, angle: np.ndarray | float, accent: np.ndarray | float = 0.0) -> None:
        self.tone, self.accent, self.angle = (np.zeros_like(tone) + value for value in (tone, accent, angle))

    def put(self, inside, tone, angle, accent=0.0) -> None:
        for old, new in ((self.tone, tone), (self.angle, angle), (self.accent, accent)):
            np.copyto(old, new, where=inside, casting="same_kind")


def _waves(rng: np.random.Generator, frequency: float, count: int = 5) -> Callable:
    """Returns a smooth random function of the place, of about zero mean and unit variance; cycles per shorter side."""
    turn, phase = rng.uniform(0, math.tau, (2, count))
    pace = math.tau * frequency * rng.uniform(0.5, 1.5, count)
    terms = np.stack([pace * np.cos(turn), pace * np.sin(turn), phase], axis=1).astype(np.float32)
    scale, one = np.float32(math.sqrt(2 / count)), np.float32(1)
    return lambda x, y: scale * np.cos(np.tensordot(terms, np.stack(np.broadcast_arrays(x, y, one)), 1)).sum(axis=0)


def _horizon(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Hills, a sun and their reflection in water."""
    level = height * rng.uniform(0.5, 0.72)
    sun_x, sun_y, radius = width * rng.uniform(0.15, 0.85), level * rng.uniform(0.15, 0.7), rng.uniform(0.04, 0.09)
    clouds, ripple, noon = _waves(rng, 1.5), _waves(rng, 4), rng.uniform(0.75, 0.95)
    hills = [
        (_waves(rng, pace), level * top * rng.uniform(0.6, 1.1), tone)
        for pace, top, tone in ((0.6, 0.6, 0.56), (0.9, 0.36, 0.36), (1.3, 0.13, 0.12))
    ]

    def scene(x, y):
        water = y > level
        below = np.where(water, (y - level) / (height - level), 0)
        x = x + water * 0.03 * ripple(0.4 * x, 5 * y)
        up = np.where(water, 2 * level - y, y)
        distance = np.hypot(x - sun_x, up - sun_y)
        sky = noon - 0.5 * (1 - up / level) + 0.13 * clouds(x, 2.5 * up) + 0.3 * np.exp(-((distance / 0.3) ** 2))
        sun = np.clip((radius - distance) / 0.02, 0, 1) + 0.35 * np.exp(-((distance / 0.25) ** 2))
        sheet = _Sheet(sky, 0.25 * clouds(x, 2 * up), sun)
        grass = 0.04 * clouds(3 * x, 3 * up)
        for shape, top, tone in hills:
            line, further = shape(x, 0), shape(x + 0.05, 0)
            over = up - level + top * (0.75 + 0.3 * line)
            sheet.put(over > 0, tone + 0.7 * np.clip(over, 0, 0.3) + grass, 2 * top * (line - further))
        path = np.exp(-(((x - sun_x) / (radius * (0.7 + 1.5 * below))) ** 2)) * water
        glitter = path * (ripple(x, 9 * y) > 0)
        sheet.put(water, sheet.tone - 0.06 - 0.14 * below + 0.3 * glitter, 0.04, 0.6 * sheet.accent + 0.5 * glitter)
        return sheet

    return scene


def _whirl(rng: np.random.Generator, width: float, height: float) -> Scene:
    """A windy night sky over hills."""
    count = int(rng.integers(3, 6))
    across = width * (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count
    stars = np.stack([across, rng.uniform(0.08, 0.62, count), rng.uniform(0.1, 0.26, count)], 1).astype(np.float32)
    wind, clouds, land, signs = _waves(rng, 0.7), _waves(rng, 1.6), _waves(rng, 0.6), rng.choice((-1.0, 1.0), count)
    ground, night = height * rng.uniform(0.74, 0.86), rng.uniform(0.24, 0.42)

    def scene(x, y):
        right, down = np.ones_like(x), 0.5 * wind(x, y)
        tone, accent = night + 0.12 * clouds(0.6 * x, 1.8 * y), np.zeros_like(x)
        for (star_x, star_y, radius), sign in zip(stars, signs, strict=True):
            distance = np.hypot(x - star_x, y - star_y) + 1e-6
            near = np.exp(-((distance / radius) ** 2))
            right -= 6 * sign * near * (y - star_y) / distance
            down += 6 * sign * near * (x - star_x) / distance
            tone += near * (0.3 + 0.22 * np.cos(math.tau * distance / (0.42 * radius)))
            accent += np.clip((0.3 * radius - distance) / 0.02, 0, 1)
        angle = np.arctan2(down, right)
        sheet = _Sheet(tone + 0.1 * np.sin(30 * (y * np.cos(angle) - x * np.sin(angle))), angle, accent)
        for rise, tone in ((0.0, 0.3), (0.09, 0.06)):
            over = y - ground - rise - 0.05 * land(x + 3 * rise, 0 * x)
            slope = 0.7 * (land(x + 3 * rise + 0.05, 0) - land(x + 3 * rise, 0))
            sheet.put(over > 0, tone + 0.9 * np.clip(over, 0, 1) + 0.05 * clouds(3 * x, 3 * y), slope)
        return sheet

    return scene


def _wood(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Trunks against the light."""
    glow_x, glow_y, ground = (
        side * rng.uniform(low, high)
        for side, low, high in ((width, 0.25, 0.75), (height, 0.3, 0.55), (height, 0.66, 0.8))
    )
    depths = np.sort(rng.uniform(0, 1, int(rng.integers(9, 16))))
    trunks = [(depth, rng.uniform(0, width), rng.normal(0, 0.03)) for depth in depths]
    leaves, grass, haze, side = _waves(rng, 6, 8), _waves(rng, 3), _waves(rng, 0.8), rng.choice((-1, 1))

    def scene(x, y):
        distance = np.hypot(x - glow_x, y - glow_y)
        air = haze(x, y)
        sheet = _Sheet(1.02 - 0.62 * distance + 0.06 * air, math.pi / 2 + 0.3 * air)
        fallen = 0.8 * (leaves(x, 3 * y) > 0.9)
        sheet.put(y > ground, 0.66 - 0.5 * distance + 0.1 * grass(x, 3 * y), 0.15 * grass(x, y), fallen)
        for depth, place, lean in trunks:
            half = 0.007 + 0.04 * depth**2
            across = (x - place - lean * (y + 0.5 * np.sin(3 * y + 9 * place))) / half
            trunk = (np.abs(across) < 1) & (y < ground + 0.02 + 0.9 * (height - ground) * depth)
            sheet.put(trunk, 0.5 * (1 - depth) + 0.05 + 0.3 * np.clip(side * across, 0, 1) ** 2, math.pi / 2)
        crown = leaves(x, y) + 2.4 * (0.3 * height - y) / height + 0.6 * haze(2 * x, 2 * y) - 0.7
        gusts = haze(4 * x, 4 * y)
        sheet.put(crown > 0, 0.45 + 0.2 * leaves(2 * x, 2 * y), gusts, np.clip(0.5 + 0.5 * gusts, 0, 0.9))
        return sheet

    return scene


def _face(rng: np.random.Generator, width: float, height: float) -> Scene:
    """A sitter with closed eyes, half in the light."""
    middle, level = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.32, 0.52)
    half, turn = rng.uniform(0.12, 0.25), rng.uniform(-0.4, 0.4)
    tall = half * rng.uniform(1.4, 1.7)
    side, hair, long = rng.choice((-1, 1)), rng.uniform(0.04, 0.6), rng.uniform(0.6, 1.8)
    wall, folds, back, cloth = _waves(rng, 0.7), _waves(rng, 2), rng.uniform(0.08, 0.85), rng.uniform(0.1, 1)

    def scene(x, y):
        u, v = (x - middle) / half, (y - level) / tall
        sheet = _Sheet(back + 0.22 * wall(x, y) - 0.25 * side * (x - middle), 0.9 + 0.4 * wall(x, y), 0.2 * cloth)
        around = np.arctan2(u / half, -v / tall)
        sheet.put((u / 1.32) ** 2 + ((v + 0.12) / 1.18) ** 2 < 1, hair + 0.1 * np.cos(14 * np.hypot(u, v)), around)
        sheet.put((np.abs(u) < 1.3) & (v > 0) & (v < long), hair + 0.1 * np.cos(14 * u), math.pi / 2 - 0.2 * u)
        line = u - turn * (1 - v**2) - 0.06 * side * np.clip(4 * v, 0, 1)  # from the brow down the nose to the chin
        lit = np.clip(0.5 + 8 * side * line, 0, 1)
        skin = 0.5 + 0.3 * lit - 0.08 * (u**2 + v**2) + 0.04 * wall(4 * x, 4 * y)
        sheet.put((np.abs(u) < 0.42) & (v > 0) & (v < 1.8), skin - 0.12, math.pi / 2)
        bust = ((x - middle) / 0.46) ** 2 + ((y - level - 2.2 * tall) / tall) ** 2 < 1
        collar = (u / 0.7) ** 2 + ((v - 1.15) / 0.42) ** 2 > 1
        fold = 0.3 + 0.1 * folds(2 * x, y) + 0.4 * side * (x - middle)
        sheet.put(bust & collar, fold, math.pi / 2 - 1.1 * np.tanh(3 * (x - middle)), cloth)
        meridian = np.arctan2(1, -1.2 * u * v * half / tall)
        sheet.put((u / (1 - 0.12 * v)) ** 2 + v**2 < np.where(v < -0.55, 0.75, 1), skin, meridian)
        for eye in (-0.45, 0.45):
            e = (u - turn - eye * (1 - 0.3 * side * turn)) / 0.27
            for place, curve, dark in ((-0.3, -0.07, 0.2), (-0.06, 0.08, 0.1)):
                stroke = np.abs(v - place - curve * (1 - e**2)) < 0.032
                sheet.put(stroke & (np.abs(e) < 1), dark, -2 * curve * e)
        sheet.put((np.abs(line) < 0.05) & (v > -0.25) & (v < 0.28), 0.22, math.pi / 2)
        mouth = ((u - 0.9 * turn) / 0.28) ** 2 + ((v - 0.55 - 0.03 * np.cos(9 * (u - turn))) / 0.06) ** 2 < 1
        sheet.put(mouth, 0.32, 0.0)
        return sheet

    return scene


def _grid(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Painted squares, some cut in two, some with a disc."""
    columns, rows = (np.cumsum(rng.uniform(0.5, 1.5, int(rng.integers(3, 8)))) for _ in range(2))
    columns, rows = np.append(0, columns) / columns[-1] * width, np.append(0, rows) / rows[-1] * height
    tones, kinds = rng.uniform(0, 1, (2, len(columns), len(rows)))
    warp, light, amount = _waves(rng, 0.7), _waves(rng, 0.6), rng.uniform(0.005, 0.03)

    def scene(x, y):
        x, y = x + amount * warp(x, y), y + amount * warp(y, x)
        i, j = np.searchsorted(columns[1:-1], x), np.searchsorted(rows[1:-1], y)
        u, v = (x - columns[i]) / (columns[i + 1] - columns[i]), (y - rows[j]) / (rows[j + 1] - rows[j])
        kind, tone = kinds[i, j], tones[i, j]
        cut = np.choose((10 * kind).astype(int), [u > v, u + v > 1, np.hypot(u - 0.5, v - 0.5) < 0.34] + 7 * [u > 9])
        tone = np.where(cut, (tone + 0.45) % 1, tone) + 0.1 * light(x, y) - 0.12 * v
        return _Sheet(tone.astype(np.float32), np.where((i + j) % 2, 0.1, math.pi / 2), kind > 0.86)

    return scene


def _bouquet(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Flowers in a vase."""
    count = int(rng.integers(8, 14))
    turn, reach = rng.uniform(0, math.tau, count), np.sqrt(rng.uniform(0, 1, count))
    flower_x, flower_y = 0.32 * width * reach * np.cos(turn), 0.25 * height * reach * np.sin(turn) - 0.12 * height
    flowers = list(zip(flower_x, flower_y, rng.uniform(0.08, 0.17, count), rng.uniform(0.5, 0.95, count), strict=True))
    petals, back, leaf, wall = rng.integers(5, 9), rng.choice((0.1, 0.88)), _waves(rng, 4), _waves(rng, 0.7)
    table, jar = height * rng.uniform(0.24, 0.32), rng.uniform(0.1, 0.15)

    def scene(x, y):
        x, y = x - np.float32(width / 2), y - np.float32(height / 2)
        sheet = _Sheet(back + 0.08 * wall(x, y), 0.7 + 0.5 * wall(x, y))
        sheet.put(y > table, 0.62 + 0.06 * wall(3 * x, y), 0.0)
        spread = np.hypot(x / (0.42 * width), (y + 0.11 * height) / (0.35 * height)) + 0.07 * leaf(x, y)
        sheet.put(spread < 0.9, 0.22 + 0.1 * leaf(y, x), np.arctan2(y - table, x) + 0.5 * leaf(y, x))
        v = (y - table) / (0.17 * height)
        u = x / (jar * (1 + 0.25 * np.cos(3 * v)))
        sheet.put((np.abs(u) < 1) & (np.abs(v) < 1), 0.7 - 0.5 * u**2 - 0.25 * u, math.pi / 2 + 0.2 * u, 0.35)
        for flower_x, flower_y, size, tone in flowers:
            distance = np.hypot(x - flower_x, y - flower_y) / size
            bearing = np.arctan2(y - flower_y, x - flower_x)
            petal = np.abs(np.cos(0.5 * petals * bearing + 40 * size))
            sheet.put(distance < 0.65 + 0.35 * petal, tone - 0.4 * (1 - petal) + 0.2 * (distance - 0.5), bearing)
            sheet.put(distance < 0.25, 0.5, bearing + math.pi / 2, 1)
        return sheet

    return scene


def _discs(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Coloured rings, cut into quarters."""
    count = int(rng.integers(4, 8))
    discs = zip(*rng.uniform(0.1, 0.9, (2, count)), np.sort(rng.uniform(0.14, 0.48, count))[::-1], strict=True)
    discs = [(width * x, height * y, size, rng.uniform(0, 1, (2, 5, 4))) for x, y, size in discs]
    light, far = _waves(rng, 0.7), rng.uniform(0.2, 0.9, 4)

    def scene(x, y):
        tone = far[2 * (x > 0.5 * width) + (y > 0.5 * height)].astype(np.float32)
        sheet = _Sheet(tone + 0.06 * light(x, y), 0.6 + 0.4 * light(x, y))
        for disc_x, disc_y, size, (tones, kinds) in discs:
            distance, bearing = np.hypot(x - disc_x, y - disc_y) / size, np.arctan2(y - disc_y, x - disc_x)
            part = np.clip(5 * distance, 0, 4).astype(int), ((bearing + 9 * size) / (math.pi / 2)).astype(int) % 4
            sheet.put(distance < 1, tones[part] + 0.06 * light(x, y), bearing + math.pi / 2, kinds[part] > 0.85)
        return sheet

    return scene


def _city(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Lit houses by a river, in the evening."""
    level, radius = height * rng.uniform(0.66, 0.8), rng.uniform(0.04, 0.07)
    moon_x, moon_y = width * rng.uniform(0.15, 0.85), height * rng.uniform(0.08, 0.22)
    clouds, ripple, rows = _waves(rng, 1), _waves(rng, 5), []
    for tone, top in ((0.46, 0.7), (0.3, 0.5), (0.1, 0.28)):
        edges = np.cumsum(rng.uniform(0.1, 0.26, 25))
        rows.append((
            tone,
            edges,
            level * top * rng.uniform(0.55, 1.2, 26),
            rng.uniform(-0.08, 0.1, 26),
            rng.random((26, 40, 40)),
        ))

    def scene(x, y):
        water = y > level
        x = x + water * 0.015 * ripple(x, 5 * y)
        up = np.where(water, 2 * level - y, y).astype(np.float32)
        moon = np.clip((radius - np.hypot(x - moon_x, up - moon_y)) / 0.015, 0, 1)
        sheet = _Sheet(0.5 + 0.45 * up / level + 0.08 * clouds(x, 2.5 * up), 0.2 * clouds(x, up), moon)
        for tone, edges, tops, hues, lit in rows:
            house = np.searchsorted(edges, x)
            over = up - level + tops[house]
            floor, window = (over / 0.075).astype(int) % 40, (x / 0.06).astype(int) % 40
            pane = (over % 0.075 > 0.03) & (x % 0.06 > 0.025) & (lit[house, floor, window] > 0.5 + tone)
            roof = 0.2 * (over < 0.02)
            sheet.put(over > 0, tone + hues[house] + 0.3 * np.clip(over, 0, 1) + roof, math.pi / 2, pane)
        sheet.put(water, sheet.tone - 0.05, 0.05 * ripple(x, y), 0.7 * sheet.accent)
        return sheet

    return scene


_SCENES = {  # how to compose it, smallest and largest width over height
    "horizon": (_horizon, 1.1, 1.45),
    "whirl": (_whirl, 0.9, 1.5),
    "wood": (_wood, 0.7, 1.35),
    "face": (_face, 0.72, 0.86),
    "grid": (_grid, 0.75, 1.35),
    "bouquet": (_bouquet, 0.72, 1.0),
    "discs": (_discs, 0.75, 1.35),
    "city": (_city, 0.8, 1.4),
}
