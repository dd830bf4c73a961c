"""Synthetic defects, painted on good images: what every scoring constant is chosen on, so that no test image is.

Eight kinds, after those that inspectors know: a missing piece, a crack, a stain, a mark, a dent, something that lies on
the part, a worn zone, a part of another batch. None needs another image. `corruptions` are of other kinds: what learns
to undo those is judged on what it never saw.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from commun import UserError
from projet3_ssl_anomalies.colour import SCALE, to_lab
from projet3_ssl_anomalies.corruptions import Box, as_grey_as, blob, log_uniform, noise, rasterised

TYPES = {
    "missing": "manque",
    "crack": "fissure",
    "stain": "tache",
    "print": "impression",
    "bend": "déformation",
    "foreign": "corps étranger",
    "scuff": "éraflure",
    "substituted": "autre pièce",
}
VISIBLE = 5.0  # mean CIELAB difference, inside its mask, under which a defect is drawn again
STRONG = 40.0  # the highest that is aimed at, where the contrast can be chosen
AREAS = (0.001, 0.2)  # shares of the picture that a mask covers, but that of a whole part; any other is drawn again
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
        At most 8 * each * n images: a defect that can hardly be seen (a dent in a plain surface) is drawn again
        elsewhere, `ATTEMPTS` times at most, then given up.
    """
    rows: list[tuple] = []
    for source, image in enumerate(good):
        part = foreground(image)
        for defect_type in TYPES:
            for index in range(each):
                rng = np.random.default_rng([seed, source, list(TYPES).index(defect_type), index])
                if drawing := _visible(image, part, defect_type, rng):
                    rows.append((*drawing, defect_type, source))
    if not rows:
        raise UserError("Aucun défaut synthétique visible n'a pu être peint : il faut au moins une bonne image.")
    images, masks, types, sources = zip(*rows, strict=True)
    return Defective(np.stack(images), np.stack(masks), np.array(types), np.array(sources))


def foreground(image: np.ndarray) -> np.ndarray:
    """Finds the part on a plain background: what differs from the frame of the picture, its holes filled.

    Args:
        image: uint8 of shape (side, side, 3).

    Returns:
        Bool of shape (side, side); true everywhere if the frame is not plain, or if hardly anything differs from it.
    """
    side, lab = len(image), to_lab(image) * SCALE
    frame = np.pad(np.zeros((side - 4, side - 4), bool), 2, constant_values=True)
    distance = np.linalg.norm(lab - np.median(lab[frame], axis=0), axis=-1)
    distance = ndimage.uniform_filter(distance, 1 + side // 32)  # the grain of a part is no hole
    spread = np.quantile(distance[frame], 0.75)  # a part may touch the frame, on a quarter of it at most
    limit = max(8.0, 2 * spread, np.quantile(distance, 0.97) / 3)  # a third of the contrast: shadows stay out
    part = ndimage.binary_fill_holes(ndimage.binary_opening(distance > limit, iterations=1 + side // 128))
    return part if spread < 15 and 0.03 < part.mean() < 0.95 else np.ones((side, side), bool)


def _visible(image: np.ndarray, part: np.ndarray, defect_type: str, rng: np.random.Generator):
    for _ in range(ATTEMPTS):
        painted, mask = _DRAWERS[defect_type](image.astype("float32"), part, rng)
        if not AREAS[0] <= mask.mean() <= (1 if defect_type == "substituted" else AREAS[1]):
            continue
        contrast, wanted = _difference(image, painted, mask), log_uniform(rng, 1.1 * VISIBLE, STRONG)
        if defect_type in _FADED and contrast > wanted:
            painted = image + (wanted / contrast) * (painted - image)
        painted = as_grey_as(image, np.where(mask[..., None], _uint8(painted), image))
        if _difference(image, painted, mask) >= VISIBLE:
            return painted, mask
    return None


def _uint8(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels, 0, 255).round().astype("uint8")


def _difference(image: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> float:
    return np.linalg.norm(to_lab(_uint8(painted[mask])) - to_lab(image[mask]), axis=-1).mean() * SCALE


# --- Shapes ----------------------------------------------------------------------------------------------------------


def _anywhere(part: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws a spot on the part, 3 times in 4, or else beside it; returns it and the surface that it belongs to."""
    surface = part if part.all() or rng.random() < 0.75 else ~part
    return rng.choice(np.argwhere(surface)), surface


def _whole(side: int, *drawings: tuple[Box, np.ndarray]) -> np.ndarray:
    """Returns the opacity over the picture of what was drawn on parts of it, float32 of shape (side, side)."""
    cover = np.zeros((side, side), "float32")
    for box, drawn in drawings:
        np.maximum(cover[box], drawn, out=cover[box])
    return cover


def _spot(side: int, centre: np.ndarray, rng: np.random.Generator, *, soft: float, areas=(0.003, 0.2)) -> np.ndarray:
    """Draws the opacity over the picture of a rounded spot, float32 of shape (side, side)."""
    cover = _whole(side, blob(side, centre, log_uniform(rng, *areas), rng, soft=soft))
    return np.clip(cover / 0.8 - 0.25, 0, 1)  # without the faint halo that nobody would outline


def _walk(side: int, start: np.ndarray, angle: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Draws a broken line: rows then columns of its points, pixels, shape (2, n)."""
    count = max(4, round(length / max(1.5, 0.02 * side)))
    steps = length / count * rng.exponential(1, count).clip(0.3, 3)
    angles = angle + np.cumsum(rng.normal(0, 0.12, count)) + rng.normal(0, 0.5, count)
    return np.cumsum(np.column_stack([start, steps * np.stack([np.sin(angles), np.cos(angles)])]), axis=1)


def _noise(cells: int, side: int, rng: np.random.Generator) -> np.ndarray:
    return noise((cells, cells), (side, side), rng)[..., 0]


def _behind(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fills what is not known with its surroundings, mirrored: their colour and their grain."""
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    mirrored = np.clip(2 * nearest - np.indices(known.shape), 0, len(image) - 1)
    return image[tuple(np.where(known[tuple(mirrored)], mirrored, nearest))]


# --- Kinds: each takes a picture, float32, and its part, and returns the painted picture and the mask ----------------


def _missing(image, part, rng):
    """A piece is gone: what is behind shows, or a dark hollow, in an edge that catches the light or not."""
    side = len(image)
    solid = part if part.all() else ndimage.binary_dilation(part, iterations=1 + side // 64)
    rim = solid & ndimage.binary_dilation(~solid, iterations=1 + side // 32)
    where = rim if rim.any() and rng.random() < 0.6 else part
    cover = _spot(side, rng.choice(np.argwhere(where)), rng, soft=0.5, areas=(0.004, 0.3))
    gone = (cover + 0.2 * _noise(24, side, rng) > 0.5) & (cover > 0) & solid
    if part.all():  # a scene, whose depth is unknown: its surroundings, out of focus
        behind = ndimage.gaussian_filter(_behind(image, cover == 0), (side / 40, side / 40, 0))
    else:
        behind = _behind(image, ~solid)
    if where is part and rng.random() < 0.5:
        behind = image * rng.uniform(0.1, 0.4)
    depth = ndimage.distance_transform_edt(gone | ~solid)[..., None] / (side * rng.uniform(0.005, 0.03))
    edge = image + rng.choice([-1, 1]) * rng.uniform(15, 70)
    return behind + np.clip(1 - depth, 0, 1) * (edge - behind), gone


def _crack(image, part, rng):
    """A broken line, thinner at its ends, with branches; mostly dark."""
    side, centre = len(image), rng.choice(np.argwhere(part))
    width, length = log_uniform(rng, 0.6, 2.2) * side / 128, log_uniform(rng, 0.12, 0.7) * side
    angle = rng.uniform(0, 2 * np.pi)
    ends = [_walk(side, centre, angle + turn, length / 2, rng) for turn in (np.pi, 0)]
    trunk = np.hstack([ends[0][:, ::-1], ends[1]])
    third = trunk.shape[1] // 3
    drawings = [rasterised(side, *trunk, width=width / 2), rasterised(side, *trunk[:, third:-third], width=width)]
    for _ in range(rng.integers(0, 4)):
        start, aside = trunk[:, rng.integers(trunk.shape[1])], rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
        branch = _walk(side, start, angle + aside, length * rng.uniform(0.1, 0.4), rng)
        drawings.append(rasterised(side, *branch, width=width / 2))
    cover = _whole(side, *drawings) * part
    tone = image * rng.uniform(0, 0.4) if rng.random() < 0.75 else image + rng.uniform(0.3, 0.7) * (255 - image)
    return image + cover[..., None] * (tone - image), _outlined(cover > 0.1, side)


def _stain(image, part, rng):
    """A translucent, mottled spot, denser at its edge or not."""
    side = len(image)
    centre, surface = _anywhere(part, rng)
    cover = _spot(side, centre, rng, soft=rng.uniform(0.1, 0.6)) * surface
    ring = 4 * cover * (1 - cover) * rng.uniform(0, 0.6)
    density = np.clip(cover * (0.75 + 0.25 * _noise(16, side, rng)) + ring, 0, 1)
    inside = cover > 0.5 if (cover > 0.5).any() else np.ones_like(part)
    tint = image[inside].mean(axis=0)
    tint = np.clip(tint + rng.normal(0, 28, 3) + rng.normal(0, 55), 0, 255)
    return image + density[..., None] * rng.uniform(0.5, 0.9) * (tint - image), cover > 0


def _print(image, part, rng):
    """Worn letters that should not be there, or what is there smeared along a direction."""
    side, centre = len(image), rng.choice(np.argwhere(part))
    if rng.random() < 0.4:
        cover = _spot(side, centre, rng, soft=0.2) * part
        angle, reach = rng.uniform(0, 2 * np.pi), side * rng.uniform(0.02, 0.06)
        shifts = np.linspace(0, reach, 6)[:, None] * (np.sin(angle), np.cos(angle))
        smeared = np.mean([ndimage.shift(image, (*shift, 0), order=1, mode="nearest") for shift in shifts], axis=0)
        return image + cover[..., None] * (smeared - image), cover > 0
    cover = _letters(side, centre, rng) * part
    cover = cover * np.clip(0.9 + 0.7 * _noise(24, side, rng), 0, 1)
    tone = rng.choice([rng.uniform(0, 70), rng.uniform(190, 255)]) + rng.normal(0, 25, 3)
    return image + cover[..., None] * (tone - image), _outlined(cover > 0.1, side)


def _letters(side: int, centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = max(8.0, log_uniform(rng, 0.1, 0.4) * side)
    text = "".join(rng.choice(list("ABEFHKLMNRSTVXZ034578/"), rng.integers(1, 4)))
    canvas = Image.new("L", (side, side))
    position = (float(centre[1]), float(centre[0]))
    ImageDraw.Draw(canvas).text(position, text, fill=255, font=ImageFont.load_default(size), anchor="mm")
    turned = canvas.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR, center=position)
    return np.asarray(turned, "float32") / 255


def _bend(image, part, rng):
    """A dent or a bump: the picture is pushed aside, or drawn towards a point, and shaded."""
    side, centre = len(image), rng.choice(np.argwhere(part))
    cover = _spot(side, centre, rng, soft=0.9, areas=(0.006, 0.2))
    cover = cover**2 * (3 - 2 * cover)  # no crease where it starts
    radius = np.sqrt((cover > 0.5).sum() / np.pi)
    angle, amount = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1]) * log_uniform(rng, 0.2, 0.6)
    towards, places = np.array([np.sin(angle), np.cos(angle)])[:, None, None], np.indices(cover.shape, "float32")
    push = amount * cover * (radius * towards if rng.random() < 0.5 else places - centre[:, None, None])
    layers = (*np.moveaxis(image, -1, 0), part.astype("float32"))
    *bent, lit = (ndimage.map_coordinates(layer, places + push, order=1, mode="nearest") for layer in layers)
    slope = (np.stack(np.gradient(cover)) * towards).sum(axis=0) * radius
    return np.stack(bent, axis=-1) * (1 + rng.uniform(0.05, 0.4) * slope * lit)[..., None], cover > 0.03


def _foreign(image, part, rng):
    """A chip or a fibre, opaque, lit from one side, which casts a shadow."""
    side, (centre, _) = len(image), _anywhere(part, rng)
    if rng.random() < 0.5:
        size = np.sqrt(log_uniform(rng, 0.003, 0.12) / np.pi) * side
        count = rng.integers(4, 9)
        turn = (np.arange(count) + rng.uniform(-0.35, 0.35, count)) * 2 * np.pi / count
        reach = size * rng.uniform(0.7, 1.25, count)
        drawing = rasterised(side, centre[0] + reach * np.sin(turn), centre[1] + reach * np.cos(turn))
    else:
        size, length = log_uniform(rng, 0.8, 2.2) * side / 128, log_uniform(rng, 0.15, 0.9) * side
        waves = np.sin(np.linspace(0, rng.uniform(1, 6), 60) + rng.uniform(0, 6.3))
        angles = rng.uniform(0, 6.3) + rng.uniform(0.5, 2.5) * waves
        path = centre[:, None] + length / 60 * np.cumsum([np.sin(angles), np.cos(angles)], axis=1)
        drawing = rasterised(side, *path, width=size)
    cover, light = _whole(side, drawing), rng.uniform(0, 2 * np.pi)
    away = np.array([np.sin(light), np.cos(light)])
    shadow = np.clip(ndimage.shift(cover, away * max(1.0, 0.012 * side), order=1), 0, 1)[..., None]
    relief = np.gradient(ndimage.gaussian_filter(cover, max(0.7, size / 4)))
    shine = np.clip(size * (relief[0] * away[0] + relief[1] * away[1]), -0.5, 0.5) + 0.12 * _noise(side // 2, side, rng)
    tone = image[tuple(rng.choice(np.argwhere(part)))] if rng.random() < 0.3 else rng.uniform(20, 240)
    colour = (tone + rng.normal(0, 18, 3)) * (1 + shine[..., None])
    darkened = image * (1 - 0.4 * shadow)
    return darkened + cover[..., None] * (colour - darkened), (cover > 0.1) | (shadow[..., 0] > 0.3)


def _scuff(image, part, rng):
    """A zone rubbed along a direction: its texture is gone, strokes are lighter or darker."""
    side, centre = len(image), rng.choice(np.argwhere(part))
    zone = _spot(side, centre, rng, soft=0.6) * part
    hairs = Image.fromarray(noise((rng.integers(60, 160), 5), (2 * side, 2 * side), rng)[..., 0])
    hairs = hairs.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR)
    hairs = np.asarray(hairs.crop((side // 2, side // 2, side // 2 + side, side // 2 + side)))
    strokes = zone * np.clip(0.5 + 1.2 * hairs, 0.1, 1)
    worn = ndimage.gaussian_filter(image, (side / 80, side / 80, 0))
    worn = worn + (rng.uniform(0.15, 0.6) * (235 - worn) if rng.random() < 0.7 else -rng.uniform(0.2, 0.6) * worn)
    return image + strokes[..., None] * (worn - image), zone > 0


def _substituted(image, part, rng):
    """A part of another batch: its shape is right, but not its shade or tint; or half of it, along a straight line."""
    side, turn, where = len(image), rng.uniform(0, 2 * np.pi), part
    if part.all() or rng.random() < 0.5:
        rows, columns = np.indices(part.shape) - np.argwhere(part).mean(axis=0)[:, None, None]
        where = part & (rows * np.sin(turn) + columns * np.cos(turn) > 0)
    cover = ndimage.gaussian_filter(where.astype("float32"), side / 256)
    tinted = image * np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.2, 3))
    return image + cover[..., None] * (tinted - image), where


def _outlined(pixels: np.ndarray, side: int) -> np.ndarray:
    """Returns a thin mark as one who annotates outlines it: a little too wide."""
    return ndimage.binary_dilation(pixels, iterations=1 + side // 256)


_DRAWERS = {
    "missing": _missing,
    "crack": _crack,
    "stain": _stain,
    "print": _print,
    "bend": _bend,
    "foreign": _foreign,
    "scuff": _scuff,
    "substituted": _substituted,
}
_FADED = ("crack", "stain", "print", "scuff", "substituted")  # of a contrast that can be chosen
