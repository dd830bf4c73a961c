"""Sprite sheets: what was put in is read back."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from commun.sheets import picture, sheet


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2])))


@pytest.mark.parametrize("shape", [(6, 5, 5), (6, 5, 5, 3)])
def test_tiles_are_read_row_by_row(shape):
    tiles = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    address = sheet(tiles, columns=3)
    assert address.startswith("data:image/png;base64,")
    pixels = np.asarray(decoded(address))
    assert pixels.shape[:2] == (10, 15)
    for place, tile in enumerate(tiles):
        top, left = place // 3 * 5, place % 3 * 5
        np.testing.assert_array_equal(pixels[top : top + 5, left : left + 5], tile)


@pytest.mark.parametrize("levels", [2, 16, 32, 256])
def test_fewer_levels_are_close_and_light(levels):
    tiles = np.random.default_rng(0).integers(0, 256, (4, 32, 32), dtype="uint8")
    address = sheet(tiles, columns=4, levels=levels)
    pixels = np.asarray(decoded(address).convert("L")).astype(int)
    assert np.abs(pixels - np.concatenate(list(tiles), axis=1)).max() <= 255 / (levels - 1) / 2 + 1
    assert len(np.unique(pixels)) == levels
    assert len(address) < len(sheet(tiles, columns=4)) + 400


def test_a_jpeg_is_lighter_and_close():
    ramp = np.tile(np.linspace(0, 255, 64).astype("uint8")[None, :, None, None], (2, 1, 64, 3))
    address = sheet(ramp, columns=2, format="jpeg")
    assert address.startswith("data:image/jpeg;base64,") and decoded(address).format == "JPEG"
    assert np.abs(np.asarray(decoded(address))[:, :64].astype(int) - ramp[0]).mean() < 4


def test_a_picture_may_have_any_shape():
    pixels = np.arange(21, dtype="uint8").reshape(7, 3)
    np.testing.assert_array_equal(np.asarray(decoded(picture(pixels))), pixels)


@pytest.mark.parametrize(
    "tiles, columns",
    [
        (np.zeros((4, 5, 6), "uint8"), 2),
        (np.zeros((4, 5, 5), "float32"), 2),
        (np.zeros((5, 5, 5), "uint8"), 2),
        (np.zeros((0, 5, 5), "uint8"), 1),
    ],
)
def test_what_is_no_sheet_is_refused(tiles, columns):
    with pytest.raises(ValueError):
        sheet(tiles, columns=columns)
