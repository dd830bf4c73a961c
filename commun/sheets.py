"""Sprite sheets: many small images in one, as the text that an explorer carries in a notebook (`figures.explorer`)."""

from __future__ import annotations

import base64
import io
from typing import Literal

import numpy as np
from PIL import Image


def sheet(
    tiles: np.ndarray, *, columns: int, format: Literal["png", "jpeg"] = "png", levels: int = 256, quality: int = 60
) -> str:
    """Returns images side by side as one `data:` address, row by row.

    Args:
        tiles: uint8, shape (n, side, side) in grey levels or (n, side, side, 3), n being a multiple of `columns`.
        columns: tiles in a row.
        format: "png" keeps each pixel; "jpeg" is lighter for photographs.
        levels: grey levels that a PNG keeps of grey tiles (see `picture`).
        quality: of a JPEG, 1 to 95.

    Raises:
        ValueError: the tiles are not square bytes, or don't fill the rows.
    """
    tiles = np.asarray(tiles)
    if tiles.dtype != np.uint8 or tiles.ndim not in (3, 4) or tiles.shape[1] != tiles.shape[2]:
        raise ValueError(f"a sheet takes square images of bytes, not {tiles.dtype} {tiles.shape}")
    if not len(tiles) or len(tiles) % columns:
        raise ValueError(f"{len(tiles)} tiles don't fill rows of {columns}")
    side, more = tiles.shape[1], tiles.shape[3:]
    rows = tiles.reshape(-1, columns, side, side, *more).swapaxes(1, 2)
    pixels = rows.reshape(-1, columns * side, *more)
    if format == "png" and levels < 256 and not more:
        return picture(pixels, levels=levels)
    stream = io.BytesIO()
    options = {"quality": quality} if format == "jpeg" else {}
    Image.fromarray(pixels).save(stream, format, optimize=True, **options)
    return _address(format, stream)


def picture(pixels: np.ndarray, *, levels: int = 256) -> str:
    """Returns a PNG of grey levels, uint8 (h, w), as a `data:` address; with 16 levels, it has four bits a pixel."""
    step, stream = 255 / (levels - 1), io.BytesIO()
    image = Image.fromarray(np.round(pixels / step).astype("uint8"))
    if levels < 256:
        image = image.convert("P")
        image.putpalette(bytes(round(step * level) for level in range(levels) for _ in range(3)))
    image.save(stream, "png", optimize=True, bits=(levels - 1).bit_length())
    return _address("png", stream)


def _address(format: str, stream: io.BytesIO) -> str:
    return f"data:image/{format};base64,{base64.b64encode(stream.getvalue()).decode()}"
