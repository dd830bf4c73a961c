"""Engine wiring: a harness in front of a cast block, held by clips and a blue hoop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from projet3_ssl_anomalies.sample.canvas import BLACK, LIGHT, SUPERSAMPLING, Box, Canvas, Flaw
from projet3_ssl_anomalies.sample.lines import lay_cable, smooth_curve, tube_light
from projet3_ssl_anomalies.sample.textures import (
    Colour,
    batch,
    blend,
    box_distance,
    gaussian,
    noise,
    polar,
    rgb,
    rotate,
    smoothstep,
    tabulate,
)

_LOOM = smooth_curve((-14, 118), (28, 112), (66, 116), (104, 127), (142, 124), (206, 112))  # the corrugated conduit
_CABLES = (  # beside and under it: line, half-width, colour
    (smooth_curve((-14, 139), (30, 131), (68, 132), (104, 142), (140, 140), (206, 131)), 4.2, rgb(0.35, 0.36, 0.37)),
    (smooth_curve((-14, 97), (30, 94), (70, 99), (108, 110), (150, 106), (206, 94)), 3.6, rgb(0.42, 0.43, 0.44)),
    (smooth_curve((-14, 105), (30, 101), (70, 106), (108, 117), (146, 114), (206, 102)), 3.0, rgb(0.10, 0.10, 0.105)),
)
_WIRES = (  # to the connectors: line, half-width, colour
    (smooth_curve((60, 108), (66, 92), (66, 78), (62, 58)), 1.7, rgb(0.62, 0.60, 0.56)),
    (smooth_curve((66, 110), (73, 94), (72, 78), (69, 58)), 1.7, rgb(0.66, 0.45, 0.10)),
    (smooth_curve((73, 112), (80, 96), (79, 78), (76, 58)), 1.7, rgb(0.13, 0.13, 0.14)),
    (smooth_curve((118, 124), (126, 104), (128, 92), (126, 70)), 2.6, rgb(0.20, 0.20, 0.21)),
    (smooth_curve((78, 116), (84, 150), (98, 160), (122, 168)), 2.4, rgb(0.14, 0.14, 0.145)),
    (smooth_curve((68, 116), (76, 152), (94, 168), (122, 174)), 2.0, rgb(0.48, 0.20, 0.14)),
)
_CONNECTORS = (  # place, direction, size, colour
    ((69, 47), -0.06, (36, 25), rgb(0.46, 0.47, 0.48)),
    ((126, 60), 0.10, (24, 22), rgb(0.13, 0.13, 0.135)),
    ((137, 171), 0.04 + math.pi / 2, (21, 34), rgb(0.22, 0.225, 0.235)),
)
_BOLTS = (((20, 13), 0.2), ((112, 10), 0.7), ((176, 13), 0.45))  # place, turn
_CLIPS = (np.array([38.0, 84.0]), np.array([158.0, 92.0]))  # where their bases are screwed to the block
_HOOP = 106.0  # where along the loom the hoop is tied
_SLIDE = 12.0  # how far along the loom the hoop and the clips stray
_LIVERIES = rgb(0.985, 1.0, 1.01), rgb(0.62, 0.86, 1.18), rgb(1.20, 0.82, 0.66), rgb(0.82, 1.05, 0.74)  # bare, painted
_LOOMS = rgb(0.11, 0.114, 0.118), rgb(0.60, 0.25, 0.05), rgb(0.20, 0.26, 0.34)
_SHEATHS = rgb(1, 1, 1), rgb(1.6, 0.7, 0.5), rgb(0.5, 0.9, 1.7), rgb(0.6, 1.2, 0.6)
_BLUE, _SLATE = rgb(0.06, 0.27, 0.80), rgb(0.12, 0.15, 0.24)  # of the hoop and of the clips


def engine_wiring(canvas: Canvas, rng: np.random.Generator, flaw: Flaw) -> None:
    """Paints the harness, whole or with one fault or several."""
    _block(canvas, rng)
    hang = _sway(rng)
    wires = [(hang(line) + rng.normal(0, 0.7, 2), half, _dyed(rng, colour)) for line, half, colour in _WIRES]
    canvas.shadow([wire[:2] for wire in wires], 0.6)
    for wire in wires:
        lay_cable(canvas, *wire)
    for place, turn, size, colour in _CONNECTORS:
        _connector(canvas, place + rng.normal(0, 0.6, 2), turn + rng.normal(0, 0.035), size, _dyed(rng, colour))
    cables = [
        (hang(line) + (0, rng.normal(0, 0.5)), half, colour * batch(rng, *_SHEATHS)) for line, half, colour in _CABLES
    ]
    loom = hang(_LOOM)
    canvas.shadow([*(cable[:2] for cable in cables), (loom, 10.5)], 0.75)
    for cable in cables:
        lay_cable(canvas, *cable)
    lay_cable(canvas, loom, 9.4, batch(rng, *_LOOMS), ridges=57)
    swings, turns, tail = rng.uniform(-0.08, 0.08, 2), rng.uniform(0, 1, 2), rng.uniform(10, 15)
    bases = _CLIPS + rng.uniform(-1, 1, (2, 2)) * (_SLIDE, 1.4)

    faults = _faults(flaw)
    tie = _HOOP + rng.uniform(-_SLIDE, _SLIDE)
    hoop = np.array([tie, np.interp(tie, *loom.T) - 5])
    for place, width in ((tie - 2, 26), *((clip, 20) for clip in bases[:, 0])):
        _tape(canvas, loom, place, width)
    if "blue_hoop" in faults:
        with canvas.flaw("blue_hoop"), canvas.ghost():
            _hoop(canvas, hoop, tail)
    else:
        _hoop(canvas, hoop, tail)
    for k, base in enumerate(bases):
        if k in faults.get("fastening", ()):
            with canvas.flaw("fastening"):
                with canvas.ghost():
                    _strap(canvas, base, swings[k])
                _loose_strap(canvas, base, swings[k], flaw)
        else:
            _strap(canvas, base, swings[k])
        _solid(canvas, base, swings[k], (15, 13), rgb(0.72, 0.72, 0.69))
        _bolt(canvas, base, 4.0, turns[k])
    if "obstruction" in faults:
        with canvas.flaw("obstruction"):
            _obstruct(canvas, flaw, aside=flaw.name == "multiple")


def _sway(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Draws how the bundle hangs on this engine: what moves its points (..., 2) up or down, smoothly along it."""
    heights, phases = rng.normal(0, (1.4, 0.8, 0.3)), rng.uniform(0, 2 * math.pi, 3)

    def hang(points: np.ndarray) -> np.ndarray:
        waves = np.sin(points[..., :1] * (0.012, 0.03, 0.05) + phases) @ heights
        return points + waves[..., None] * (0, 1)

    return hang


def _dyed(rng: np.random.Generator, colour: np.ndarray) -> np.ndarray:
    """Returns a colour as another batch has it: lighter or darker, hardly redder or bluer."""
    return colour * rng.uniform(0.7, 1.4) * rng.normal(1, 0.02, 3)


def _tape(canvas: Canvas, loom: np.ndarray, where: float, width: float) -> None:
    """Wraps the pale tape where the hoop or a clip is tied, a little wider than it: bare, it betrays a missing one."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        scattered, gloss = tube_light(side, facing)
        return (0.25 + 0.75 * scattered)[..., None] * rgb(0.74, 0.70, 0.60) + 0.10 * gloss[..., None]

    xs = where + width * np.linspace(-0.5, 0.5, 12)
    canvas.band(np.stack([xs, np.interp(xs, *loom.T)], -1), 9.7, shade)


def _faults(flaw: Flaw) -> dict[str, Sequence[int]]:
    """Returns what is wrong with the harness: the names of the flaws, and for fastening which clips are concerned."""
    clip = (int(flaw.rng.integers(2)),)
    if flaw.name != "multiple":
        return {flaw.name: clip}
    return (
        {"fastening": (0, 1)},
        {"blue_hoop": (), "fastening": clip},
        {"blue_hoop": (), "obstruction": ()},
        {"fastening": (0,), "obstruction": ()},
    )[flaw.form(4)]


def _block(canvas: Canvas, rng: np.random.Generator) -> None:
    """Casts the block: grained aluminium, a machined face with its edge, ribs, bolts, a dark recess below."""
    x, y = canvas.x, canvas.y
    livery = batch(rng, *_LIVERIES)
    grain, stains = noise(rng, x.shape, 110, 190), noise(rng, x.shape, 5, 9)
    slope = tabulate(x, lambda x: 0.55 - 0.0003 * x) - tabulate(y, lambda y: 0.0005 * y)
    ribs = sum(
        tabulate(x - k, lambda t: 0.10 * gaussian(t, -3, 2.6) - 0.13 * gaussian(t, 3.5, 3.2)) for k in (24, 96, 178)
    )
    depth = rng.uniform(0.5, 0.85)  # of the recess: how little light reaches it
    edge, lip = y - (27 - 0.035 * x), y - tabulate(x, lambda x: 152 + 0.05 * x + 3 * np.sin(0.035 * x))
    lip -= np.float32(rng.normal(0, 1))
    face = tabulate(edge, lambda t: smoothstep(t, 0.6, -0.6))
    tooling = tabulate(edge, lambda t: 0.16 + 0.014 * np.sin(3.1 * t)) + 0.02 * noise(rng, x.shape, (150, 3))
    recess = tabulate(lip, lambda t: 1 - depth * smoothstep(t, -1.5, 3.0))
    metal = (slope + ribs) * (1 + 0.06 * grain) * (1 - face) + face * (slope + tooling)
    metal += tabulate(edge, lambda t: 0.26 * gaussian(t, -0.4, 0.8) - 0.17 * gaussian(t, 3.0, 2.6))
    metal = metal * recess + tabulate(lip, lambda t: 0.16 * gaussian(t, -2.6, 1.3) - 0.07 * smoothstep(t, -1, 3))
    metal *= 1 - 0.14 * smoothstep(stains, 0.9, 2.0)
    canvas.rgb[:] = metal.clip(0.02)[..., None] * blend(livery, _LIVERIES[0], face)
    for place, turn in _BOLTS:
        _bolt(canvas, place, 7.0, turn)


def _bolt(canvas: Canvas, place: Colour, size: float, turn: float) -> None:
    """Screws in a hexagon head on its washer."""
    box, right, down = canvas.around(place, 2 * size)
    right, down = right / size, down / size
    away, angle = np.hypot(right, down), np.arctan2(down, right)
    sheen = 0.52 + 0.13 * np.cos(2 * (angle + 0.9)) + 0.10 * np.cos(angle + 2.2)
    sector = np.mod(angle - turn, math.pi / 3) - math.pi / 6
    side = away * np.cos(sector)
    flank = 0.42 + 0.26 * np.cos(angle - sector - math.atan2(canvas.light[1], canvas.light[0]))
    tone = flank + (0.66 - 0.05 * right - 0.07 * down - flank) * smoothstep(side, 0.74, 0.66)
    canvas.paint(0.5 * smoothstep(np.hypot(right - 0.2, down - 0.35), 1.5, 0.8), BLACK, box)
    canvas.paint(smoothstep(away, 1.15, 1.05), sheen[..., None] * rgb(1.0, 0.985, 0.95), box)
    canvas.paint(smoothstep(side, 0.84, 0.78), tone[..., None] * rgb(1.0, 0.99, 0.965), box)


def _solid(
    canvas: Canvas, place: Colour, turn: float, size: tuple[float, float], colour: np.ndarray, corner: float = 2.0
) -> tuple[Box, np.ndarray, np.ndarray]:
    """Paints a block with rounded edges and its shadow; returns its box and its own coordinates there."""
    box, across, along = canvas.around(place, 0.5 * math.hypot(*size) + 7, turn)
    right, down = rotate(1.6, 2.6, turn)
    distance = box_distance(across, along, *size, corner)
    slope = np.gradient(gaussian_filter(distance, 1.5))
    facing = SUPERSAMPLING * (slope[1] * LIGHT[0] + slope[0] * LIGHT[1])
    light = 0.86 - 0.12 * along / size[1] + 0.42 * facing * smoothstep(distance, -3.2, -0.2)
    light += 0.10 * gaussian(distance, -2.0, 0.9) * (facing > 0.2)
    canvas.paint(0.5 * smoothstep(box_distance(across - right, along - down, *size, corner), 4, -2), BLACK, box)
    canvas.paint(smoothstep(distance, 0.35, -0.35), np.clip(light[..., None] * colour, 0, 1), box)
    return box, across, along


def _connector(canvas: Canvas, place: Colour, turn: float, size: tuple[float, float], colour: np.ndarray) -> None:
    """Plugs in a connector: the seal that the wires enter, the ribbed housing, the latch with its window."""
    width, height = size
    down = polar(1.0, turn + math.pi / 2)
    _solid(canvas, place + down * (height / 2 + 1.5), turn, (0.82 * width, 6), rgb(0.62, 0.30, 0.10), 1.5)
    box, across, along = _solid(canvas, place, turn, size, colour, 3.0)
    ribs = np.abs(np.sin(2 * math.pi * across / 4.2)) * smoothstep(np.abs(across), 0.40 * width, 0.36 * width)
    ribs *= smoothstep(np.abs(along - 0.26 * height), 0.16 * height, 0.12 * height)
    canvas.paint(0.3 * ribs, 0.45 * colour, box)
    latch = (0.46 * width, 0.48 * height)
    box, across, along = _solid(canvas, place - 0.16 * height * down, turn, latch, 1.18 * colour)
    canvas.paint(smoothstep(box_distance(across, along - 0.4, 0.24 * width, 0.16 * height, 0.6), 0.4, -0.4), BLACK, box)


def _hoop(canvas: Canvas, place: np.ndarray, tail: float) -> None:
    """Ties the blue hoop around the whole bundle: a bent band, its head with a slot, its cut tail."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        bend = 2 * run - 1
        light = 0.42 + 0.75 * np.sqrt(1 - 0.92 * bend**2) - 0.16 * bend
        teeth = 0.07 * np.sin(190 * run) * (np.abs(side) < 0.6)
        light = light * (1 - 0.35 * smoothstep(np.abs(side), 0.72, 1.0)) + teeth
        return light[..., None] * _BLUE + (0.5 * gaussian(bend, -0.42, 0.13) * gaussian(side, 0, 0.8))[..., None]

    band = smooth_curve((3, -25), (-1.5, -20), (-2.6, 0), (-1.6, 16), (2, 24)) + place
    end = smooth_curve((0, -5), (6, -8), (9 + 0.5 * tail, -7 - 0.4 * tail)) + place
    canvas.shadow([(band, 6.0), (end, 3.0)], 0.65)
    canvas.band(end, 2.4, shade)
    canvas.band(band, 5.4, shade)
    box, across, along = _solid(canvas, place + (-2.4, -4), 0.08, (14.5, 11.5), 1.12 * _BLUE)
    canvas.paint(smoothstep(box_distance(across, along + 0.6, 7, 3.4, 0.8), 0.4, -0.4), 0.2 * _BLUE, box)


def _strap(canvas: Canvas, base: np.ndarray, swing: float, length: float = 60.0, curl: float = 0.0) -> None:
    """Bends the strap of a clip down from its base over the bundle (or, with a swing and a curl, anywhere else)."""

    def shade(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        bend = 1.15 * run - 0.375
        light = 0.66 - 0.42 * bend - 0.45 * np.maximum(bend, 0) ** 2 - 0.25 * smoothstep(np.abs(side), 0.7, 1.0)
        light = light + 0.20 * gaussian(side, 0, 0.25) * smoothstep(run, 0.1, 0.2)
        return light[..., None] * _SLATE + (0.12 * gaussian(side, -0.3, 0.3))[..., None]

    ways = math.pi / 2 + swing + curl * np.linspace(0, 1, 30) ** 2
    line = base + np.cumsum(polar(length / 30, ways), 0)
    canvas.shadow([(line, 6.2)], 0.6)
    canvas.band(line, 5.8, shade)
    _solid(canvas, line[-1], ways[-1] - math.pi / 2, (14, 8), 0.9 * _SLATE)


def _loose_strap(canvas: Canvas, base: np.ndarray, swing: float, flaw: Flaw) -> None:
    """Undoes a clip: open and sprung aside, slipped askew, or its strap gone."""
    rng, form = flaw.rng, flaw.form(3)
    side = rng.choice([-1, 1])
    if form == 0:
        _strap(canvas, base, swing + side * rng.uniform(1.2, 1.7), rng.uniform(44, 54), side * rng.uniform(0.2, 0.7))
    elif form == 1:
        _strap(canvas, base, swing + side * rng.uniform(0.4, 0.7), curl=side * rng.uniform(-0.3, 0.3))


def _obstruct(canvas: Canvas, flaw: Flaw, *, aside: bool) -> None:
    """Leaves something over the harness: cardboard, a rag or a stray cable (`aside`: away from the rest)."""
    rng, form = flaw.rng, flaw.form(3)
    place = np.array([161, 165]) + rng.uniform(-1, 1, 2) * 9 if aside else rng.uniform((40, 75), (150, 145))
    turn = rng.uniform(-0.7, 0.7)
    if form == 0:
        size = rng.uniform(24, 44), rng.uniform(18, 32)
        box, across, along = _solid(canvas, place, turn, size, rgb(0.62, 0.50, 0.37), 1.0)
        lower = smoothstep(along, 0.40 * size[1], 0.46 * size[1])
        flutes = smoothstep(np.sin(2.1 * across), -0.3, 0.6) * (0.15 + 0.5 * lower)
        canvas.paint(flutes * smoothstep(box_distance(across, along, *size, 1.0), 0.3, -0.3), (0.30, 0.21, 0.12), box)
    elif form == 1 or aside:
        _rag(canvas, rng, place, rng.uniform(15, 20) if aside else rng.uniform(17, 27))
    else:
        bends = [place + (k, turn * k + rng.uniform(-14, 14)) for k in rng.uniform(30, 60) * np.linspace(-1.3, 1.3, 5)]
        colour = (rgb(0.50, 0.13, 0.10), rgb(0.60, 0.52, 0.26))[rng.integers(2)]
        canvas.shadow([(smooth_curve(*bends), 3.5)], 0.6)
        lay_cable(canvas, smooth_curve(*bends), rng.uniform(2.4, 3.8), colour)


def _rag(canvas: Canvas, rng: np.random.Generator, place: np.ndarray, size: float) -> None:
    """Drops a crumpled cloth."""
    box, right, down = canvas.around(place, 1.9 * size)
    heap = 1 - np.hypot(right, 1.3 * down) / size + 0.24 * noise(rng, right.shape, 4, 6)
    folds = 1 - np.abs(noise(rng, right.shape, 5, 6)) + 1.2 * np.clip(heap, 0, 0.3)
    slope = np.gradient(gaussian_filter(folds, 1.5))
    weave = 0.05 * np.sin(5.5 * (right + 0.4 * down)) * np.sin(5.5 * (down - 0.4 * right))
    light = 0.62 + 3.6 * (slope[1] * LIGHT[0] + slope[0] * LIGHT[1]) + 0.16 * folds + weave
    colour = (rgb(0.52, 0.20, 0.16), rgb(0.19, 0.30, 0.47), rgb(0.60, 0.53, 0.38))[rng.integers(3)]
    canvas.paint(0.6 * smoothstep(heap, -0.2, 0.1), BLACK, box)
    canvas.paint(smoothstep(heap, 0.0, 0.04), np.clip(light, 0.12, 1.4)[..., None] * colour, box)
