"""Colours as the models of project 3 handle them: CIELAB (CIE 1976, D65) divided by 50.

Images are float32 of shape (..., 3): lightness in -1..1, then two chroma channels that may slightly exceed it. A
Euclidean distance is then a colour difference (Delta E, CIE 1976) over 50.
"""

from __future__ import annotations

import numpy as np

SCALE = 50.0  # CIELAB units in one unit of our images

_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])
_WHITE = _XYZ.sum(axis=1)  # D65, the white of sRGB (IEC 61966-2-1)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype("float32")
_KNEE = 6 / 29


def to_lab(images: np.ndarray) -> np.ndarray:
    """Converts sRGB images, uint8 of shape (..., 3), to CIELAB over SCALE.

    CIE 1976, D65: lightness in -1..1, then the two chroma channels.
    """
    xyz = _LINEAR[images] @ (_XYZ / _WHITE[:, None]).T.astype("float32")
    f = np.where(xyz > _KNEE**3, np.cbrt(xyz), xyz / (3 * _KNEE**2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    lightness = (116 * y - 16) / SCALE - 1
    return np.stack([lightness, 500 * (x - y) / SCALE, 200 * (y - z) / SCALE], axis=-1)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Converts such images back to sRGB, uint8; colours out of its range are clipped."""
    y = ((lab[..., 0] + 1) * SCALE + 16) / 116
    f = np.stack([y + lab[..., 1] * SCALE / 500, y, y - lab[..., 2] * SCALE / 200], axis=-1)
    xyz = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29)) * _WHITE
    linear = np.clip(xyz @ np.linalg.inv(_XYZ).T, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * srgb).astype("uint8")


def mean_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the mean Delta E (CIE 1976) of uint8 images (n, h, w, 3), taken two by two: shape (n,)."""
    return SCALE * np.linalg.norm(to_lab(first) - to_lab(second), axis=-1).mean(axis=(1, 2))
