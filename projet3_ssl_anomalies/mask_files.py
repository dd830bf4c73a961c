"""Mask files as annotation tools write them, decoded in one place: where the defects are, and what to say of the file.

Black ground and one level for the defect is the rule. Read too: any bit depth, colours, palettes, transparency (the
opaque part is the defect), several levels (one a defect), edges that a resizing or a lossy compression has blurred.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from commun.images import opened

LOSSY = {"JPEG", "MPO", "WEBP", "JPEG2000", "AVIF"}
MOST_LABELS = 64  # levels; with more, they are shades
FEW_LABELS = 8  # so few levels may be labels of tiny defects
EDGE = 2  # pixels on either side of an edge that blurring reaches


class Mask(NamedTuple):
    """What a mask file says.

    Attributes:
        labels: shape (height, width): 0 on the ground, elsewhere the level of the defect in the file.
        remark: what may be wrong, in French; "" for a sound mask.
    """

    labels: np.ndarray
    remark: str

    @property
    def values(self) -> list[int]:
        """The levels of the defects, the highest first; none for an empty mask."""
        return sorted(set(np.unique(self.labels).tolist()) - {0}, reverse=True)


def read_mask(path: Path) -> Mask:
    """Decodes a mask file.

    Raises:
        ValueError: the file can't be read; the message is a short reason, in French.
    """
    with opened(path) as image:
        image.load()
        is_lossy = image.format in LOSSY
        upright = image
        with contextlib.suppress(Exception):  # broken EXIF data does not spoil the pixels
            upright = ImageOps.exif_transpose(image)
    levels, doubt = _levels(upright)
    if not levels.any():
        return Mask(levels, "masque vide")
    ground = levels.min()
    if 0 < ground < levels.max() and not (is_lossy and ground <= levels.max() / 8):
        doubt = doubt or f"aucun pixel à zéro : le niveau le plus bas, {ground}, est pris pour le fond"
        levels = np.where(levels == ground, 0, levels)
    labels, more = _labels(levels, is_lossy)
    share = float((labels > 0).mean())
    if share > 0.5:
        doubt = f"le défaut couvrirait {100 * share:.0f} % de l'image : masque inversé ?"
    return Mask(labels, doubt or more)


def shrink(inside: np.ndarray, side: int) -> np.ndarray:
    """Brings a mask, bool (height, width), to a square: a pixel is inside if half of what it covers is.

    A defect too small for that keeps the pixels that it fills the most.
    """
    share = np.asarray(Image.fromarray(inside.astype(np.float32)).resize((side, side), Image.Resampling.BOX))
    return (share >= min(0.5, share.max())) & (share > 0)


def _levels(image: Image.Image) -> tuple[np.ndarray, str]:
    """Returns the levels of an image as whole numbers, whatever its mode, and what is doubtful about them."""
    if image.mode[0] in "IF":
        levels = np.maximum(np.nan_to_num(np.asarray(image, np.float64)), 0)
        if 0 < levels.max() <= 1 and image.mode == "F":
            levels *= 255
        elif levels.max() > 255 and not (levels % 257).any():  # 8 bits written as 16
            levels /= 257
        return np.rint(levels).astype(np.int64), ""
    colours = np.asarray(image.convert("RGB")).max(axis=2).astype(np.int64)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA"))[..., 3].astype(np.int64)
        if alpha.min() < alpha.max():
            tones = colours[alpha > alpha.max() / 2]
            is_mixed = bool(tones.min() <= tones.max() / 2 < tones.max())
            return alpha, "noir et clair dans la partie opaque : elle est prise entière pour le défaut" * is_mixed
    if image.mode == "P" and colours.min() == colours.max():  # a palette of one colour hides the labels
        return np.asarray(image).astype(np.int64), ""
    return colours, ""


def _labels(levels: np.ndarray, is_lossy: bool) -> tuple[np.ndarray, str]:
    """Returns the level of the defect in each pixel, 0 on the ground, and what is doubtful.

    Under half of the highest level, a pixel may be the edge of a defect, blurred, or another defect with a lower label:
    labels are flat (squares of 3 pixels of one level), edges are not.
    """
    top, flat = levels.max(), _flat(levels)
    solid, floor = levels > top / 2, top / 8 if is_lossy else 0
    dim = (levels > floor) & ~solid
    shades = len(np.unique(levels[levels > 0]))
    far = (dim & ~ndimage.binary_dilation(solid, iterations=EDGE)).sum()
    if not dim.any():
        is_sharp = not is_lossy and shades <= MOST_LABELS and (flat | ~solid).mean() > 0.99
        return (levels if is_sharp else np.where(solid, top, 0)), ""
    if (dim & flat).sum() > dim.sum() / 2 or (far and shades <= FEW_LABELS):
        is_sound = not is_lossy and shades <= MOST_LABELS and flat[dim].all()
        listed = ", ".join(map(str, np.unique(levels[levels > floor])[:6]))
        return np.where(levels > floor, levels, 0), "" if is_sound else f"plusieurs niveaux ({listed}…), tous lus"
    is_doubtful = bool(far > dim.sum() / 20 or (shades <= FEW_LABELS and not is_lossy))
    return np.where(solid, top, 0), f"{shades} niveaux : les plus bas sont pris pour des bords flous" * is_doubtful


def _flat(levels: np.ndarray) -> np.ndarray:
    """Returns where pixels belong to a square of 3 pixels of one level."""
    centres = ndimage.minimum_filter(levels, 3) == ndimage.maximum_filter(levels, 3)
    return ndimage.binary_dilation(centres, np.ones((3, 3)))
