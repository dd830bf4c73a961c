"""Writes the sample in the layout of the real set, with the oddities of a real collection."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from commun.datasets import in_processes
from projet1_artistes.sample.painters import PAINTERS, Painter, folder_names
from projet1_artistes.sample.painting import work

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
_ORIENTATION = 0x0112  # EXIF tag


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
    image, data, suffix = _encode(painter, number)
    small = _low_quality(image)
    for name in folder_names(painter):
        (folder / "images" / "images" / name / f"{name}_{number}{suffix}").write_bytes(data)
        (folder / "resized" / "resized" / f"{name}_{number}.jpg").write_bytes(small)


def _write_table(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("id", "name", "years", "genre", "nationality", "bio", "wikipedia", "paintings"))
        for k, painter in enumerate(PAINTERS):
            bio = f"Artiste inventé, dessiné par programme. {painter.name} n’a jamais existé."
            count = painter.count + 3 * (painter.name == "Maison Garance")  # as in the real table, one is wrong
            table.writerow((k, painter.name, painter.years, painter.genre, painter.nationality, bio, "", count))


def _encode(painter: Painter, number: int) -> tuple[Image.Image, bytes, str]:
    """Returns a work, the content of its file and the suffix of its name."""
    key = painter.name, number
    if key in NEAR_DUPLICATES:
        name, original = NEAR_DUPLICATES[key]
        image = _rephotograph(work(next(p for p in PAINTERS if p.name == name), original), cropped=name == painter.name)
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
            return *_worn_png(image), ".png"
    return image, _jpeg(image), ".jpg"


def _rephotograph(image: Image.Image, *, cropped: bool) -> Image.Image:
    """Returns the same work as another museum would photograph it: another size, and maybe less of its edges."""
    width, height = image.size
    cut = 0.025 * cropped
    box = width * cut, height * cut, width * (1 - cut), height * (1 - cut)
    return image.resize((round(0.85 * width), round(0.85 * height)), Image.Resampling.BICUBIC, box=box)


def _worn_png(image: Image.Image) -> tuple[Image.Image, bytes]:
    """Returns a work with worn-off corners on white, and its file: a PNG with a palette, one entry transparent."""
    width, height = image.size
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    outside = np.abs(x) ** 12 + np.abs(y) ** 12 > 1
    reduced = image.quantize(255, Image.Quantize.FASTOCTREE)
    indices = np.where(outside, np.uint8(255), reduced)
    sheet = Image.fromarray(indices, "P")
    sheet.putpalette((reduced.getpalette() + 765 * [0])[:765] + [255, 255, 255])
    stream = io.BytesIO()
    sheet.save(stream, "PNG", transparency=255)
    return sheet.convert("RGB"), stream.getvalue()


def _jpeg(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **{"quality": 88, **options})
    return stream.getvalue()


def _low_quality(image: Image.Image) -> bytes:
    """Returns the low-quality copy, a JPEG file: 64 pixels for the shorter side."""
    scale = 64 / min(image.size)
    size = round(image.width * scale), round(image.height * scale)
    return _jpeg(image.resize(size, Image.Resampling.LANCZOS), quality=80)
