"""How a work is painted: a scene in the colours of its palettes, then layers of strokes, then the light.

A work starts from a coarse underpainting, then takes layers of strokes, the broad brush first; a thinner one comes back
where the broad one was most wrong (after A. Hertzmann, "Painterly Rendering with Curved Brush Strokes of Multiple
Sizes", SIGGRAPH 1998). Lengths are in pixels of a picture whose shorter side has 256.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageColor, ImageFilter

from projet1_artistes.sample.abstracts import discs, grid
from projet1_artistes.sample.brushwork import Brush, fine_marks, lay_strokes, place_strokes, raking_light
from projet1_artistes.sample.indoors import bouquet, face
from projet1_artistes.sample.landscapes import city, horizon, whirl, wood
from projet1_artistes.sample.painters import PAINTERS, PALETTES, Painter
from projet1_artistes.sample.scenes import Scene

SEED = 3
_WHITE_LEVEL = 240  # of lead white in an even light: thick paint and marks can still shine
_STROKE_SHARES = (1.0, 0.7, 0.6)  # of the strokes of each brush that are laid
_LENS = (1, 5, 1, 5, 24, 5, 1, 5, 1)  # weights of a pixel and its neighbours: no lens sees a stroke as sharp
_MARK_CONTRAST = 0.12  # contrast of the finest marks


def work(painter: Painter, number: int) -> Image.Image:
    """Paints a work of one of `PAINTERS`, in RGB; numbers start at 1."""
    return paint(painter, np.random.default_rng([SEED, PAINTERS.index(painter), number]))


def paint(painter: Painter, rng: np.random.Generator) -> Image.Image:
    """Paints a work: RGB, the shorter side 200 to 280 pixels."""
    short = int(rng.integers(200, 281))
    compose, low, high = _composition(painter.scene)
    ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
    width, height = (round(short * ratio), short) if ratio > 1 else (short, round(short / ratio))
    scene, colours = compose(rng, width / short, height / short), _mix_palettes(painter.palettes, rng)
    key = np.float32(rng.uniform(0.5, 1.9))  # from high key, all in light tones, to low key

    def look(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sheet = scene(x / np.float32(short), y / np.float32(short))
        return _shade(colours, np.clip(sheet.tone, 0, 0.999) ** key, sheet.accent), sheet.angle

    y, x = np.mgrid[4:height:8, 4:width:8].astype(np.float32)
    blurred = Image.fromarray((255 * look(x, y)[0]).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    picture, relief = np.asarray(blurred, dtype=np.float32) / 255, np.zeros((height, width), np.float32)
    for share, (length, breadth) in zip(_STROKE_SHARES, painter.brushes, strict=True):
        brush = Brush(rng, length * short / 256, breadth * short / 256)
        lay_strokes(picture, relief, brush, *place_strokes(rng, look, brush, picture, share))
    light = raking_light(relief)
    if painter.marks:
        light += _MARK_CONTRAST * fine_marks(rng, painter.marks, look, width, height)
    picture *= _WHITE_LEVEL * light[..., None]
    photograph = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return photograph.filter(ImageFilter.Kernel((3, 3), _LENS))


def _composition(scene: str) -> tuple[Callable[[np.random.Generator, float, float], Scene], float, float]:
    """Returns how to compose a scene, and its smallest and largest width over height."""
    return {
        "horizon": (horizon, 1.1, 1.45),
        "whirl": (whirl, 0.9, 1.5),
        "wood": (wood, 0.7, 1.35),
        "face": (face, 0.72, 0.86),
        "grid": (grid, 0.75, 1.35),
        "bouquet": (bouquet, 0.72, 1.0),
        "discs": (discs, 0.75, 1.35),
        "city": (city, 0.8, 1.4),
    }[scene]


def _mix_palettes(palettes: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Returns the colours of one work, float32 (6, 3) in 0..1: those of its palettes in the light of one day."""
    pair = [PALETTES[palettes[k]] for k in rng.permutation(len(palettes))[:2]]
    one, other = np.array([[ImageColor.getrgb(colour) for colour in palette] for palette in pair]) / 255
    colours = one + rng.uniform(0, 0.45) * (other - one)
    grey = colours.mean(axis=1, keepdims=True)
    colours = grey + (colours - grey) * rng.uniform(0.75, 1.3)
    colours = colours * rng.uniform(0.93, 1.07, 3) + rng.normal(0, 0.025, colours.shape)
    return (np.clip(colours, 0.02, 1) ** rng.uniform(0.8, 1.25)).astype(np.float32)


def _shade(colours: np.ndarray, tone: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """Returns colours, float32 (..., 3): tones, 0 to below 1, that turn into the accent as it goes to 1."""
    place = tone * np.float32(4)
    low = place.astype(np.int8)
    shaded = colours[low] + (place - low)[..., None] * (colours[1:5] - colours[:4])[low]
    return shaded + np.clip(accent, 0, 1).astype(np.float32)[..., None] * (colours[5] - shaded)
