"""Corruptions that a network learns to undo: painted on the fly, and of other kinds than the defects that judge it.

After CutPaste (Li et al., CVPR 2021), DRAEM (Zavrtanik et al., ICCV 2021) and NSA (Schlüter et al., ECCV 2022): a patch
of picture pasted, a stroke, a shift of colour, a cut-out. `defects` paints those that judge: only `blob` serves both.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CORRUPTIONS = {"pasted": "collé", "scratched": "rayé", "recoloured": "recoloré", "erased": "effacé"}
MOST = 3  # corruptions of one image

Box = tuple[slice, slice]


def corrupted(image: np.ndarray, donors: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paints one to three corruptions on an image.

    Args:
        image: uint8 of shape (side, side, 3), left as it is; a grey one, of three equal channels, stays grey.
        donors: good images that patches come from, uint8 of shape (n, side, side, 3), n >= 1.
        rng: what the drawing depends on.

    Returns:
        The painted image, uint8 of shape (side, side, 3), and the pixels that changed, bool of shape (side, side):
        none, rarely, when what is pasted looks like what it hides.
    """
    painted = image.copy()
    for name in rng.choice(list(CORRUPTIONS), rng.integers(1, MOST + 1)):
        box, cover, colours = _PAINTERS[name](painted, donors, rng)
        blend(painted[box], cover, colours)
    painted = as_grey_as(image, painted)
    return painted, (painted != image).any(axis=-1)


def blend(pixels: np.ndarray, cover: np.ndarray, colours: np.ndarray) -> None:
    """Covers pixels, uint8 of shape (h, w, 3), in place.

    Args:
        pixels: what is covered.
        cover: opacity, 0..1, shape (h, w).
        colours: what covers, clipped to 0..255; shape (h, w, 3) or (3,).
    """
    pixels[...] = pixels + cover[..., None] * (np.clip(colours, 0, 255) - pixels) + 0.5  # rounded when cut to uint8


def as_grey_as(image: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Returns `painted` without its colours if `image` has none."""
    red, green, blue = np.moveaxis(image, -1, 0)
    if (red == green).all() and (green == blue).all():
        return np.repeat(painted.mean(axis=-1, keepdims=True).round().astype("uint8"), 3, axis=-1)
    return painted


def blob(
    side: int, centre: np.ndarray, area: float, rng: np.random.Generator, *, soft: float = 0.0
) -> tuple[Box, np.ndarray]:
    """Draws a rounded spot.

    Args:
        side: the picture's, pixels.
        centre: row and column, pixels.
        area: share of the picture that the spot covers, if it does not cross the edges, 0..1.
        rng: what the drawing depends on.
        soft: over how much of its radius its edge fades, 0..1.

    Returns:
        The part of the picture that holds the spot, and its opacity there, 0..1.
    """
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = rng.normal(0, 0.12, 4)[:, None] * np.cos(np.outer([2, 3, 4, 5], turn) + rng.uniform(0, 6.3, (4, 1)))
    outline = np.maximum(0.4, 1 + waves.sum(axis=0))
    radius = side * np.sqrt(area / np.pi / (outline**2).mean())
    stretch, angle = np.exp(rng.uniform(0, 0.6)), rng.uniform(0, np.pi)
    u, v = radius * outline * np.stack([np.cos(turn) * stretch, np.sin(turn) / stretch])
    y, x = centre[0] + u * np.sin(angle) + v * np.cos(angle), centre[1] + u * np.cos(angle) - v * np.sin(angle)
    return rasterised(side, y, x, blur=float(soft * radius / 2))


def rasterised(
    side: int, y: np.ndarray, x: np.ndarray, *, width: float = 0.0, blur: float = 0.0
) -> tuple[Box, np.ndarray]:
    """Draws a line of some width, or by default fills the polygon, through points.

    Args:
        side: the picture's, pixels.
        y: rows of the points, pixels, shape (n,).
        x: their columns, shape (n,).
        width: of the line, pixels.
        blur: standard deviation of the blur of the edges, pixels.

    Returns:
        The part of the picture that holds the drawing, and its opacity there, 0..1.
    """
    margin = width + 2 * blur + 1
    first, last = (
        [int(np.clip(f(p) + m, 0, side - 1)) for p in (y, x)] for f, m in ((np.min, -margin), (np.max, margin))
    )
    rows, columns = (slice(start, end + 1) for start, end in zip(first, last, strict=True))
    canvas = Image.new("L", (2 * (columns.stop - columns.start), 2 * (rows.stop - rows.start)))
    points = (2 * np.stack([x - columns.start, y - rows.start], axis=-1)).ravel().tolist()
    if width:
        ImageDraw.Draw(canvas).line(points, fill=255, width=max(1, round(2 * width)), joint="curve")
    else:
        ImageDraw.Draw(canvas).polygon(points, fill=255)
    canvas = canvas.reduce(2).filter(ImageFilter.GaussianBlur(blur))
    return (rows, columns), np.asarray(canvas, "float32") / 255


def noise(
    cells: tuple[int, int], shape: tuple[int, int], rng: np.random.Generator, *, colours: bool = False
) -> np.ndarray:
    """Draws smooth noise.

    Args:
        cells: random values down and across.
        shape: (h, w) of what is drawn between them.
        rng: what the drawing depends on.
        colours: whether channels differ.

    Returns:
        float32 of shape (h, w, 3), or (h, w, 1) without colours, -1..1.
    """
    values = Image.fromarray(rng.integers(0, 256, (*cells, 3) if colours else cells, "uint8"))
    smooth = np.asarray(values.resize(shape[::-1], Image.Resampling.BICUBIC), "float32") / 127.5 - 1
    return smooth if colours else smooth[..., None]


def _spot(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws, of three places, the one that differs most from a corner: mostly on the part; shape (2,)."""
    places = rng.integers(0, len(image), (3, 2))
    return places[np.abs(image[places[:, 0], places[:, 1]] - image[0, 0].astype("float32")).sum(axis=-1).argmax()]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draws a number between two positive ones: as many under their geometric mean as above."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _pasted(image, donors, rng):
    """A patch of a good image, or of another place of this one, turned, resized and rather transparent."""
    side = len(image)
    box, cover = blob(side, _spot(image, rng), log_uniform(rng, 0.003, 0.12), rng, soft=rng.uniform(0, 0.6))
    height, width = cover.shape
    donor = donors[rng.integers(len(donors))] if rng.random() < 0.7 else image
    scale = min(np.exp(rng.uniform(-0.5, 0.5)), side / np.hypot(height, width))  # the whole patch is in the donor
    reach = scale * np.hypot(height, width) / 2
    x, y = reach + (side - 2 * reach) * rng.random(2)
    angle = rng.uniform(0, 2 * np.pi)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    affine = (a, b, x - a * width / 2 - b * height / 2, -b, a, y + b * width / 2 - a * height / 2)
    patch = Image.fromarray(donor).transform((width, height), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    return box, cover * np.float32(rng.uniform(0.5, 1)), np.asarray(patch, "float32")


def _scratched(image, donors, rng):
    """A smooth stroke of one colour."""
    side, steps = len(image), rng.integers(4, 12)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.3, steps))
    step, start = side * rng.uniform(0.02, 0.06), _spot(image, rng)
    y, x = start[0] + step * np.cumsum(np.sin(angle)), start[1] + step * np.cumsum(np.cos(angle))
    width = log_uniform(rng, 0.8, 4) * side / 128
    box, cover = rasterised(side, y, x, width=width)
    return box, cover * np.float32(rng.uniform(0.5, 1)), rng.uniform(0, 255) + rng.normal(0, 30, 3)


def _recoloured(image, donors, rng):
    box, cover = blob(len(image), _spot(image, rng), log_uniform(rng, 0.003, 0.2), rng, soft=rng.uniform(0, 0.6))
    shift = rng.normal(0, 1, 3)
    return box, cover, image[box] + (shift * log_uniform(rng, 12, 90) / np.linalg.norm(shift)).astype("float32")


def _erased(image, donors, rng):
    """A hole, filled with noise of any grain: from a plain colour to that of a sensor."""
    box, cover = blob(len(image), _spot(image, rng), log_uniform(rng, 0.01, 0.25), rng, soft=rng.uniform(0, 0.2))
    cells = max(1, round(log_uniform(rng, 1, max(cover.shape))))
    grain = noise((cells, cells), cover.shape, rng, colours=rng.random() < 0.3)
    tone = image[tuple(rng.integers(0, len(image), 2))] if rng.random() < 0.5 else rng.integers(0, 256, 3)
    return box, cover, tone.astype("float32") + np.float32(rng.uniform(0, 0.7)) * 127 * grain


_PAINTERS = {"pasted": _pasted, "scratched": _scratched, "recoloured": _recoloured, "erased": _erased}
