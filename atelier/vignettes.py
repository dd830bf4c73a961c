"""Thumbnails: the main figure of a notebook, small enough for the index of the reports to hold them all."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from atelier import sorties
from commun.notebook import tags

TAG = "vignette"  # of the cell whose first picture stands for the notebook
WIDTH, TALLEST = 320, 0.72  # pixels; height over width, above which a figure loses its bottom
MAX_BYTES, MAX_SVG = 25_000, 40_000
MAX_PIXELS, MAX_TRIED = 40_000_000, 6
_KINDS = ("image/png", "image/jpeg", "image/svg+xml")


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Attributes:
        address: "data:…", the picture itself.
        alt: its alternative text.
    """

    address: str
    alt: str


def thumbnail(cells: Sequence[Mapping[str, Any]]) -> Thumbnail | None:
    """Returns the picture that stands for a notebook, None if no picture of it can.

    It is the first of the cell tagged `vignette`; else the heaviest of all, which says the most.

    Args:
        cells: those of the notebook (`commun.notebook.read_notebook`); nothing of them is trusted.
    """
    tagged = list(_pictures(cell for cell in cells if TAG in tags(cell)))
    heaviest = sorted(_pictures(cells), key=lambda picture: -len(picture[1]))
    for kind, content, alt in (tagged + heaviest)[:MAX_TRIED]:
        address = _small_svg(content) if kind == "image/svg+xml" else _small(content)
        if address:
            return Thumbnail(address, alt)
    return None


def _pictures(cells: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yields the pictures of cells: type, content, alternative text."""
    for cell in cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in _KINDS:
                if isinstance(data.get(kind), str):
                    yield kind, data[kind], sorties.alternative(data, output.get("metadata", {}), kind)


def _small(content: str) -> str:
    """Returns the address of a picture made small; "" if it can't be read, or not in bounds."""
    try:
        raw = base64.b64decode("".join(content.split()), validate=True)
        with Image.open(io.BytesIO(raw), formats=["PNG", "JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS or min(image.size) < 16:
                return ""
            image = image.convert("RGBA")
    except (binascii.Error, ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return ""
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A"))
    flat = flat.crop((0, 0, flat.width, min(flat.height, round(TALLEST * flat.width))))
    if flat.width > WIDTH:
        flat = flat.resize((WIDTH, max(1, round(flat.height * WIDTH / flat.width))), Image.Resampling.LANCZOS)
    drawn = _written(flat.quantize(64, dither=Image.Dither.NONE), "png", optimize=True)
    for quality in (85, 75, 60, 40, 20):
        painted = _written(flat, "jpeg", quality=quality)
        kind, raw = ("png", drawn) if len(drawn) < len(painted) else ("jpeg", painted)
        if len(raw) <= MAX_BYTES:
            return f"data:image/{kind};base64,{base64.b64encode(raw).decode('ascii')}"
    return ""


def _written(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def _small_svg(content: str) -> str:
    """Returns the address of a drawing, its paths rounded to a tenth of a point; "" if it is too heavy.

    As a picture, it can neither run a script nor load anything.
    """
    svg = content[max(0, content.find("<svg")) :]
    if len(svg) > 5 * MAX_SVG:
        return ""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(?<= d=")[^"]*', lambda path: re.sub(r"(\.\d)\d+", r"\1", path[0]), svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    if len(svg.encode("utf-8")) > MAX_SVG:
        return ""
    if "xmlns=" not in svg.partition(">")[0]:
        svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode('utf-8')).decode('ascii')}"
