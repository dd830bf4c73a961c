"""Capsule: two gelatin shells, one slid into the other, under a long lamp."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from projet3_ssl_anomalies.sample.canvas import BLACK, MIDDLE, Canvas, Flaw
from projet3_ssl_anomalies.sample.lines import paint_crack
from projet3_ssl_anomalies.sample.textures import blend, gaussian, lettering, noise, polar, rgb, smoothstep, stamp

_HALF, _GIRTH = 54.0, 27.0  # half of the straight part and radius, in pixels
_CAP = -3.0  # where the dark cap ends, counted from the middle
_IMPRINT, _CELL = (30.0, -3.0), 2.5  # middle of the printed number, size of one cell of its grid, in pixels
_NUMBER = lettering("500", stroke=11)


@dataclasses.dataclass(frozen=True)
class Deformation:
    """What a flaw does to a capsule; arrays have the shape of the samples.

    Attributes:
        ink: how much ink there is at points of the shell counted from the middle of the imprint.
        pull: how much nearer to the axis a shell is, a share of its distance.
        slope: what that adds to the normals, along and across.
        shade: how much darker it is, 0..1.
    """

    ink: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda x, y: stamp(_NUMBER, x, y, _CELL)
    pull: np.ndarray | float = 0.0
    slope: tuple[np.ndarray | float, np.ndarray | float] = (0.0, 0.0)
    shade: np.ndarray | float = 0.0


def capsule(canvas: Canvas, rng: np.random.Generator, flaw: Flaw) -> None:
    """Paints a capsule and its shadow, maybe deformed, cracked or scratched."""
    shape = canvas.x.shape
    paper = 0.885 + 0.012 * noise(rng, shape, 3) + 0.006 * noise(rng, shape, 150)
    along, across = canvas.x - MIDDLE, canvas.y - MIDDLE
    away = _from_axis(along - 3, across - 9) - _GIRTH  # the shadow lies below, towards the right
    shadow = 0.42 * smoothstep(away, 13, -12) + 0.25 * smoothstep(_from_axis(along - 1, across - 3) - _GIRTH, 3.5, -2)
    canvas.rgb[:] = (paper * (1 - shadow))[..., None] * rgb(1.0, 0.992, 0.975)

    box = canvas.box((MIDDLE, MIDDLE), _HALF + _GIRTH + 2, _GIRTH + 6)
    along, across, ground = along[box], across[box], canvas.rgb[box].copy()
    roll, tints = rng.normal(0, 0.8), rng.normal(1, 0.020, (2, 3)).astype(np.float32)
    tints = tints * (1 + 0.03 * noise(rng, along.shape, (2, 5), (16, 40)))[..., None, None]
    canvas.paint(*_gelatin(canvas.light, tints, roll, along, across, Deformation()), box)
    deform = {"faulty_imprint": _misprint, "poke": _poke, "squeeze": _squeeze}.get(flaw.name)
    if deform:
        good = canvas.rgb[box].copy()
        canvas.rgb[box] = ground
        deformation = deform(flaw, along, across)
        canvas.paint(*_gelatin(canvas.light, tints, roll, along, across, deformation), box)
        with canvas.flaw(flaw.name), canvas.ghost():
            canvas.paint(smoothstep(np.abs(canvas.rgb[box] - good).max(-1), 0.02, 0.06), BLACK, box)
    elif flaw.name == "crack":
        place = MIDDLE + flaw.rng.uniform(-1, 1, 2) * (40, 0.15 * _GIRTH)
        size, heading = (flaw.rng.uniform(28, 46), flaw.rng.uniform(1.0, 1.9)), flaw.rng.uniform(-0.5, 0.5)
        with canvas.flaw(flaw.name):
            paint_crack(canvas, flaw.rng, place, size, heading, (0.98, 0.90, 0.76))
    elif flaw.name == "scratch":
        _scratch(canvas, flaw)


def _from_axis(along: np.ndarray, across: np.ndarray) -> np.ndarray:
    return np.hypot(along - np.clip(along, -_HALF, _HALF), across)


def _gelatin(
    lamp: np.ndarray, tints: np.ndarray, roll: float, along: np.ndarray, across: np.ndarray, deformation: Deformation
) -> tuple[np.ndarray, np.ndarray]:
    """Returns cover and colours of the shells.

    Args:
        lamp: direction of the light.
        tints: what multiplies the colours of body and cap, shape (..., 2, 3).
        roll: how far the imprint has turned around the axis, in pixels.
        along: place of the samples on the axis, in pixels from the middle.
        across: their place beside it.
        deformation: what a flaw changes.
    """
    across = across / (1 - deformation.pull)
    cap = smoothstep(along, _CAP + 0.3, _CAP - 0.3)
    girth = _GIRTH - 0.9 * (1 - cap)
    tilt, lean = (along - np.clip(along, -_HALF, _HALF)) / girth, across / girth
    height = np.sqrt(np.clip(1 - tilt**2 - lean**2, 0, 1))
    rim = (1 - height) ** 1.5
    ink = deformation.ink(along - _IMPRINT[0], np.arcsin(np.clip(lean, -1, 1)) * girth - _IMPRINT[1] - roll)
    body = blend((0.93, 0.47, 0.11), (0.74, 0.25, 0.03), rim) * tints[..., 0, :]
    colour = blend(blend(body, rgb(0.20, 0.125, 0.10) * tints[..., 1, :], cap), (0.97, 0.95, 0.90), 0.93 * ink)

    below = 0.20 * smoothstep(lean, 0.45, 1.0)  # light that the paper sends back
    tilt, lean = tilt + deformation.slope[0], lean + deformation.slope[1]
    facing = (0.4 * lamp[0] * tilt + lamp[1] * lean + lamp[2] * height).clip(0, 1.2)
    edge = 0.28 * gaussian(along, _CAP - 0.9, 0.7) - 0.30 * gaussian(along, _CAP + 1.3, 1.3)
    groove = 0.10 * gaussian(along, _CAP - 11.6, 0.9) - 0.10 * gaussian(along, _CAP - 9.8, 0.9)
    light = (0.33 + 0.72 * facing + below) * (1 + edge + 2 * groove) * (1 - deformation.shade)
    shine = 0.70 * gaussian(lean, -0.52, 0.085) * gaussian(tilt, -0.05, 0.34) + 0.07 * gaussian(lean, 0.74, 0.10)
    shine += 0.10 * gaussian(lean, -0.50, 0.26) * gaussian(tilt, -0.1, 0.6) + 0.05 * rim
    shine += 0.35 * (edge + groove).clip(0) * facing
    return smoothstep(girth - _from_axis(along, across), -0.4, 0.5), colour * light[..., None] + shine[..., None]


def _misprint(flaw: Flaw, along: np.ndarray, across: np.ndarray) -> Deformation:
    """Prints badly: most of the ink missing, smeared, or printed twice."""
    rng, good = flaw.rng, Deformation.ink
    bare = np.linspace(-4, 4, _NUMBER.shape[1]) * rng.choice([-1, 1]) - 2 + 2 * noise(rng, _NUMBER.shape, 5, 12)
    worn, (right, down) = _NUMBER * smoothstep(bare, -1, 1), rng.uniform((5, 5), (8, 9))

    def smeared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.max([good(x - 0.16 * right * k, y - 0.04 * down * k) * (0.85 - k / 24) for k in range(16)], axis=0)

    return Deformation(
        ink=(
            lambda x, y: stamp(worn, x, y, _CELL),
            smeared,
            lambda x, y: np.maximum(good(x, y), good(x - right, y - down)),
        )[flaw.form(3)]
    )


def _squeeze(flaw: Flaw, along: np.ndarray, across: np.ndarray) -> Deformation:
    """Presses one side in."""
    rng = flaw.rng
    side, depth = int(rng.choice([-1, 1])), rng.uniform(0.24, 0.40)
    phase = np.clip((along - rng.uniform(-40, 40)) / rng.uniform(16, 26), -1, 1) * math.pi
    dent = depth * (1 + np.cos(phase)) / 2 * smoothstep(side * across, 0, 0.5 * _GIRTH)
    crease = depth * np.sin(phase) * smoothstep(side * across, 0, 0.9 * _GIRTH)
    return Deformation(pull=dent, slope=(1.1 * crease, -0.9 * side * dent), shade=1.1 * dent)


def _poke(flaw: Flaw, along: np.ndarray, across: np.ndarray) -> Deformation:
    """Pushes a blunt needle in."""
    rng = flaw.rng
    right, down = along - rng.uniform(-48, 48), across - rng.uniform(-0.5, 0.6) * _GIRTH
    size = rng.uniform(4.5, 7.5)
    away = np.hypot(right, down) / size
    dent = rng.uniform(1.8, 2.6) * np.exp(-(away**2)) / size
    return Deformation(slope=(dent * right, dent * down), shade=rng.uniform(0.6, 0.9) * smoothstep(away, 0.62, 0.40))


def _scratch(canvas: Canvas, flaw: Flaw) -> None:
    """Scrapes the shell: a few nearly parallel pale lines."""
    rng = flaw.rng
    heading, length = rng.uniform(-0.7, 0.7), rng.uniform(30, 50)
    length = min(length, 1.5 * _GIRTH / abs(math.sin(heading) + 1e-9))  # it stays on the shell
    place = MIDDLE + rng.uniform(-1, 1, 2) * (34, 0.2 * _GIRTH)
    with canvas.flaw(flaw.name):
        for _ in range(rng.integers(3, 7)):
            run = np.linspace(-0.5, 0.5, 12) * length * rng.uniform(0.5, 1.0)
            middle = place + polar(rng.normal(0, 3.5), heading + math.pi / 2)
            line = middle + polar(run, heading + rng.normal(0, 0.05)) + rng.normal(0, 0.12, (12, 2))
            half = rng.uniform(0.5, 1.0) * np.sin(np.linspace(0.3, math.pi - 0.2, 12))
            canvas.band(line, half, (0.95, 0.90, 0.84), rng.uniform(0.8, 1.0))
