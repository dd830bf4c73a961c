"""Synthetic defects, painted on good images: what every scoring constant is chosen on, so that no test image is.

Five kinds, after Li et al. (CutPaste, CVPR 2021) and Zavrtanik et al. (DRAEM, ICCV 2021): a piece of picture pasted
elsewhere, pieces scattered over a zone, a scratch, a blurred spot, a recoloured spot.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageColor, ImageDraw
from scipy import ndimage

from commun import UserError, figures
from projet3_ssl_anomalies.dataset import OUTLINE
from projet3_ssl_anomalies.model import SCALE, to_lab, to_rgb

KINDS = {"pasted": "collé", "scattered": "émietté", "scratched": "rayé", "blurred": "flouté", "recoloured": "recoloré"}
VISIBLE = 5.0  # mean CIELAB difference, inside its mask, under which a defect is drawn again
ATTEMPTS = 30


@dataclasses.dataclass(frozen=True)
class Defective:
    """Good images with one defect each.

    Attributes:
        images: uint8 of shape (n, side, side, 3).
        masks: where the defect is, bool of shape (n, side, side).
        kinds: names of `KINDS`, shape (n,).
        sources: index of the good image under each, shape (n,).
    """

    images: np.ndarray
    masks: np.ndarray
    kinds: np.ndarray
    sources: np.ndarray

    def take(self, rows: np.ndarray) -> Defective:
        """Returns the images at these indices, or where a boolean is True."""
        return Defective(**{name: array[rows] for name, array in vars(self).items()})


def paint(good: np.ndarray, *, each: int = 1, seed: int = 0) -> Defective:
    """Paints a defect of each kind on copies of each good image.

    Args:
        good: uint8 of shape (n, side, side, 3).
        each: defects of one kind per image.
        seed: the same seed gives the same defects.

    Returns:
        At most 5 * each * n images: a defect that can hardly be seen (a blur on a plain background) is drawn again
        elsewhere, `ATTEMPTS` times at most, then given up.
    """
    found: list[tuple] = []
    for source, image in enumerate(good):
        for kind in KINDS:
            for index in range(each):
                random = np.random.default_rng([seed, source, list(KINDS).index(kind), index])
                if drawn := _visible(image, good, kind, random):
                    found.append((*drawn, kind, source))
    if not found:
        raise UserError("Aucun défaut synthétique visible n'a pu être peint : il faut au moins une bonne image.")
    images, masks, kinds, sources = zip(*found, strict=True)
    return Defective(np.stack(images), np.stack(masks), np.array(kinds), np.array(sources))


def _visible(image: np.ndarray, others: np.ndarray, kind: str, random: np.random.Generator):
    for _ in range(ATTEMPTS):
        changed, mask = _DRAWERS[kind](image, others, random)
        if np.linalg.norm(to_lab(changed[mask]) - to_lab(image[mask]), axis=-1).mean() * SCALE >= VISIBLE:
            return np.where(mask[..., None], changed, image), mask
    return None


def _blob(side: int, random: np.random.Generator) -> np.ndarray:
    """Draws a rounded spot of 4 to 40 % of the side, somewhere in the picture, bool of shape (side, side).

    As many are under 13 % as above: real defects range from a pinhole to a missing part.
    """
    radius = side * np.exp(random.uniform(np.log(0.02), np.log(0.2)))
    centre = random.uniform(0.12, 0.88, 2) * side
    y, x = np.mgrid[:side, :side]
    y, x = y - centre[0], x - centre[1]
    angle, stretch = random.uniform(0, np.pi), random.uniform(0.6, 1.6)
    u, v = (x * np.cos(angle) + y * np.sin(angle)) * stretch, (y * np.cos(angle) - x * np.sin(angle)) / stretch
    turn = np.arctan2(v, u)
    edge = sum(random.normal(0, 0.15) * np.cos(k * turn + random.uniform(0, 6.3)) for k in (2, 3, 4, 5))
    return np.hypot(u, v) < max(radius, 1.5) * np.maximum(0.4, 1 + edge)


def _pasted(image, others, random):
    mask = _blob(len(image), random)
    donor = others[random.integers(len(others))]
    donor = np.rot90(donor, random.integers(4))
    offset = random.integers(len(image) // 8, 7 * len(image) // 8, 2)
    return np.roll(donor, tuple(offset), axis=(0, 1)), mask


def _scattered(image, others, random):
    """Half of a zone, in pieces, comes from elsewhere. The mask is the zone: so would one who annotates outline it."""
    changed, mask = _pasted(image, others, random)
    relief = ndimage.gaussian_filter(random.normal(size=mask.shape), len(image) / 60)
    pieces = relief > np.median(relief[mask])
    return np.where(pieces[..., None], changed, image), mask


def _scratched(image, others, random):
    side, zoom = len(image), 4
    canvas = Image.new("L", (side * zoom, side * zoom))
    start, angle = random.uniform(0.15, 0.85, 2) * side, random.uniform(0, 2 * np.pi)
    points = [start]
    for _ in range(random.integers(3, 7)):
        angle += random.normal(0, 0.35)
        points.append(points[-1] + side * random.uniform(0.02, 0.06) * np.array([np.cos(angle), np.sin(angle)]))
    width = zoom * random.uniform(1, 2.5) * side / 128
    ImageDraw.Draw(canvas).line([tuple(p * zoom) for p in points], fill=255, width=max(1, round(width)), joint="curve")
    cover = np.asarray(canvas.resize((side, side), Image.Resampling.BOX), dtype="float32")[..., None] / 255
    tone = random.choice([random.uniform(0, 60), random.uniform(190, 255)])
    colour = np.clip(tone + random.normal(0, 12, 3), 0, 255)
    return np.round(image * (1 - 0.8 * cover) + colour * 0.8 * cover).astype("uint8"), cover[..., 0] > 0.2


def _blurred(image, others, random):
    sigma = random.uniform(2, 4) * len(image) / 128
    blurred = ndimage.gaussian_filter(image.astype("float32"), (sigma, sigma, 0))
    return np.round(blurred).astype("uint8"), _blob(len(image), random)


def _recoloured(image, others, random):
    shift = random.normal(0, 1, 3)
    shift *= random.uniform(25, 70) / np.linalg.norm(shift)
    return np.clip(image + shift, 0, 255).astype("uint8"), _blob(len(image), random)


_DRAWERS = {
    "pasted": _pasted,
    "scattered": _scattered,
    "scratched": _scratched,
    "blurred": _blurred,
    "recoloured": _recoloured,
}


def plot_painted(good: np.ndarray, painted: Defective) -> Figure:
    """Draws good images, uint8 (n, side, side, 3), and what was painted on each: one row per image."""
    shown, captions = [], []
    for source, image in enumerate(good):
        shown.append(image)
        captions.append("bonne pièce")
        for kind, title in KINDS.items():
            rows = np.flatnonzero((painted.sources == source) & (painted.kinds == kind))
            row = rows[0] if len(rows) else None
            shown.append(np.full_like(image, 255) if row is None else outlined(painted.images[row], painted.masks[row]))
            captions.append(f"{title} : rien de visible" if row is None else title)
    return figures.plot_grid(shown, captions, columns=len(KINDS) + 1, title="Cinq sortes de faux défauts")


def describe_painted(painted: Defective) -> str:
    """Says in French what `plot_painted` draws."""
    counts = ", ".join(f"{(painted.kinds == kind).sum()} {title}" for kind, title in KINDS.items())
    return f"Bonnes pièces et faux défauts peints sur elles ({counts}), chacun cerné de bleu."


def outlined(image: np.ndarray, mask: np.ndarray, *, colour: str = OUTLINE) -> np.ndarray:
    """Returns a copy of a uint8 image with the outline of a mask, drawn just outside it."""
    ring = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=3)
    return np.where(ring[..., None], np.array(ImageColor.getrgb(colour), "uint8"), image)


def plot_lab(image: np.ndarray) -> Figure:
    """Draws an image, uint8 (side, side, 3), its lightness and its two chroma channels, as coloured and as grey."""
    lab = to_lab(image)
    grey = [np.repeat(np.clip(127.5 * (lab[..., c : c + 1] + 1), 0, 255).astype("uint8"), 3, axis=2) for c in range(3)]
    flat = to_rgb(np.concatenate([np.full_like(lab[..., :1], 0.2), lab[..., 1:]], axis=-1))
    captions = ["l'image", "clarté L*", "a* (vert à rouge)", "b* (bleu à jaune)", "la couleur seule"]
    return figures.plot_grid([image, *grey, flat], captions, columns=5)
