"""Synthetic defects, painted on good images: what every scoring constant is chosen on, so that no test image is.

Five types, after Li et al. (CutPaste, CVPR 2021) and Zavrtanik et al. (DRAEM, ICCV 2021): a piece of picture pasted
elsewhere, pieces scattered over a zone, a scratch, a blurred spot, a recoloured spot.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from commun import UserError
from projet3_ssl_anomalies.colour import SCALE, to_lab

TYPES = {"pasted": "collé", "scattered": "émietté", "scratched": "rayé", "blurred": "flouté", "recoloured": "recoloré"}
VISIBLE = 5.0  # mean CIELAB difference, inside its mask, under which a defect is drawn again
ATTEMPTS = 30


@dataclasses.dataclass(frozen=True)
class Defective:
    """Good images with one defect each.

    Attributes:
        images: uint8 of shape (n, side, side, 3).
        masks: where the defect is, bool of shape (n, side, side).
        defect_types: names of `TYPES`, shape (n,).
        sources: index of the good image under each, shape (n,).
    """

    images: np.ndarray
    masks: np.ndarray
    defect_types: np.ndarray
    sources: np.ndarray

    def take(self, rows: np.ndarray) -> Defective:
        """Returns the images at these indices, or where a boolean is True."""
        return Defective(**{name: array[rows] for name, array in vars(self).items()})


def paint(good: np.ndarray, *, each: int = 1, seed: int = 0) -> Defective:
    """Paints a defect of each type on copies of each good image.

    Args:
        good: uint8 of shape (n, side, side, 3).
        each: defects of one type per image.
        seed: the same seed gives the same defects.

    Returns:
        At most 5 * each * n images: a defect that can hardly be seen (a blur on a plain background) is drawn again
        elsewhere, `ATTEMPTS` times at most, then given up.
    """
    rows: list[tuple] = []
    for source, image in enumerate(good):
        for defect_type in TYPES:
            for index in range(each):
                rng = np.random.default_rng([seed, source, list(TYPES).index(defect_type), index])
                if drawing := _visible(image, good, defect_type, rng):
                    rows.append((*drawing, defect_type, source))
    if not rows:
        raise UserError("Aucun défaut synthétique visible n'a pu être peint : il faut au moins une bonne image.")
    images, masks, types, sources = zip(*rows, strict=True)
    return Defective(np.stack(images), np.stack(masks), np.array(types), np.array(sources))


def _visible(image: np.ndarray, others: np.ndarray, defect_type: str, rng: np.random.Generator):
    for _ in range(ATTEMPTS):
        changed, mask = _DRAWERS[defect_type](image, others, rng)
        if np.linalg.norm(to_lab(changed[mask]) - to_lab(image[mask]), axis=-1).mean() * SCALE >= VISIBLE:
            return np.where(mask[..., None], changed, image), mask
    return None


def _blob(side: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a rounded spot of 4 to 40 % of the side, somewhere in the picture, bool of shape (side, side).

    As many are under 13 % as above: real defects range from a pinhole to a missing part.
    """
    radius = side * np.exp(rng.uniform(np.log(0.02), np.log(0.2)))
    centre = rng.uniform(0.12, 0.88, 2) * side
    y, x = np.mgrid[:side, :side]
    y, x = y - centre[0], x - centre[1]
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.6, 1.6)
    u, v = (x * np.cos(angle) + y * np.sin(angle)) * stretch, (y * np.cos(angle) - x * np.sin(angle)) / stretch
    turn = np.arctan2(v, u)
    edge = sum(rng.normal(0, 0.15) * np.cos(k * turn + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5))
    return np.hypot(u, v) < max(radius, 1.5) * np.maximum(0.4, 1 + edge)


def _pasted(image, others, rng):
    mask = _blob(len(image), rng)
    donor = others[rng.integers(len(others))]
    donor = np.rot90(donor, rng.integers(4))
    offset = rng.integers(len(image) // 8, 7 * len(image) // 8, 2)
    return np.roll(donor, tuple(offset), axis=(0, 1)), mask


def _scattered(image, others, rng):
    """Half of a zone, in pieces, comes from elsewhere. The mask is the zone: so would one who annotates outline it."""
    changed, mask = _pasted(image, others, rng)
    relief = ndimage.gaussian_filter(rng.normal(size=mask.shape), len(image) / 60)
    pieces = relief > np.median(relief[mask])
    return np.where(pieces[..., None], changed, image), mask


def _scratched(image, others, rng):
    side, zoom = len(image), 4
    canvas = Image.new("L", (side * zoom, side * zoom))
    start, angle = rng.uniform(0.15, 0.85, 2) * side, rng.uniform(0, 2 * np.pi)
    points = [start]
    for _ in range(rng.integers(3, 7)):
        angle += rng.normal(0, 0.35)
        points.append(points[-1] + side * rng.uniform(0.02, 0.06) * np.array([np.cos(angle), np.sin(angle)]))
    width = zoom * rng.uniform(1, 2.5) * side / 128
    ImageDraw.Draw(canvas).line([tuple(p * zoom) for p in points], fill=255, width=max(1, round(width)), joint="curve")
    cover = np.asarray(canvas.resize((side, side), Image.Resampling.BOX), dtype="float32")[..., None] / 255
    tone = rng.choice([rng.uniform(0, 60), rng.uniform(190, 255)])
    colour = np.clip(tone + rng.normal(0, 12, 3), 0, 255)
    return np.round(image * (1 - 0.8 * cover) + colour * 0.8 * cover).astype("uint8"), cover[..., 0] > 0.2


def _blurred(image, others, rng):
    sigma = rng.uniform(2, 4) * len(image) / 128
    blurred = ndimage.gaussian_filter(image.astype("float32"), (sigma, sigma, 0))
    return np.round(blurred).astype("uint8"), _blob(len(image), rng)


def _recoloured(image, others, rng):
    shift = rng.normal(0, 1, 3)
    shift *= rng.uniform(25, 70) / np.linalg.norm(shift)
    return np.clip(image + shift, 0, 255).astype("uint8"), _blob(len(image), rng)


_DRAWERS = {
    "pasted": _pasted,
    "scattered": _scattered,
    "scratched": _scratched,
    "blurred": _blurred,
    "recoloured": _recoloured,
}
