"""Toothbrush: a plastic head, tufts set in rows, each bristle on its own."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from projet3_ssl_anomalies.sample.canvas import BLACK, CANVAS_SIDE, MIDDLE, SIDE, Canvas, Flaw
from projet3_ssl_anomalies.sample.lines import lay_cable, smooth_curve
from projet3_ssl_anomalies.sample.textures import blend, gaussian, noise, polar, rgb, smoothstep, tabulate

_ROWS = (2, 3, 4, 4, 4, 4, 4, 4, 3, 2)  # tufts of each row, from the top of the head
_TOP, _PITCH, _GAP = 33.0, 12.2, 13.2  # height of the first row, distance of two rows, of two tufts of a row
_BRISTLES = 56
_GOLDEN = math.pi * (3 - math.sqrt(5))  # turned by it, each bristle of a bundle stands away from the others
_DISC = np.array([(i, j) for i in (-0.75, -0.25, 0.25, 0.75) for j in (-0.75, -0.25, 0.25, 0.75) if abs(i * j) < 0.5])
_DYE, _OTHER = rgb(0.13, 0.24, 0.56), rgb(0.62, 0.14, 0.32)  # that of these brushes, that of another batch
_HEAD = smooth_curve((0, 11), (15, 11), (27, 22), (33, 50), (35.5, 88), (33, 132), (22, 155), (12.5, 166), (11.8, 210))


@dataclasses.dataclass(frozen=True)
class Tuft:
    """A bundle of bristles.

    Attributes:
        socket: where it is planted, shape (2,).
        lean: how far its ends are from there, shape (2,).
        spread: radius of the bundle at the ends, in pixels.
        dye: its colour, shape (3,).
        ring: place of each bristle in a bundle of radius 1, shape (bristles, 2).
        tone: brightness of each bristle, shape (bristles,).
    """

    socket: np.ndarray
    lean: np.ndarray
    spread: float
    dye: np.ndarray
    ring: np.ndarray
    tone: np.ndarray


def toothbrush(canvas: Canvas, rng: np.random.Generator, flaw: Flaw) -> None:
    """Paints the head of a toothbrush, maybe with damaged tufts or a stray fibre."""
    canvas.rgb[:] = (0.047 + 0.004 * noise(rng, (CANVAS_SIDE, CANVAS_SIDE), 6, 150))[..., None] * rgb(0.92, 0.96, 1.12)
    canvas.scatter(*rng.uniform(0, SIDE, (2, 26)), (0.22, 0.23, 0.25), 0.3)  # dust
    dye = _DYE * rng.normal(1, 0.05, 3).astype(np.float32)
    _head(canvas, rng, dye)
    tufts = [_tuft(rng, row, column, dye) for row, count in enumerate(_ROWS) for column in range(count)]
    damage = _damage(flaw, tufts)
    _bristles(canvas, [tuft for k, tuft in enumerate(tufts) if k not in damage])
    if flaw.name != "good":
        with canvas.flaw(flaw.name):
            with canvas.ghost():
                _bristles(canvas, [tufts[k] for k in damage])
            _bristles(canvas, [tuft for tuft in damage.values() if tuft])
            for k in (k for k, tuft in damage.items() if not tuft):
                _socket(canvas, tufts[k])
            if not damage:
                _fibre(canvas, flaw.rng)


def _tuft(rng: np.random.Generator, row: int, column: int, dye: np.ndarray) -> Tuft:
    place = np.array([(column - (_ROWS[row] - 1) / 2) * _GAP, _TOP + row * _PITCH - MIDDLE])
    rank = np.arange(_BRISTLES) + 0.5
    away, angle = np.sqrt(rank / _BRISTLES), rng.uniform(0, 2 * math.pi) + _GOLDEN * rank
    return Tuft(
        socket=MIDDLE + place + rng.normal(0, 0.15, 2),
        lean=0.06 * place * (1.0, 0.5) + rng.normal(0, 0.25, 2),
        spread=rng.normal(4.5, 0.10),
        dye=dye if row in (2, 4, 6, 8) else rgb(0.80, 0.81, 0.80),
        ring=polar(away, angle) + rng.normal(0, 0.05, (_BRISTLES, 2)),
        tone=rng.normal(1, 0.07, _BRISTLES) * (1 - 0.12 * away),
    )


def _head(canvas: Canvas, rng: np.random.Generator, dye: np.ndarray) -> None:
    """Moulds the head: an oval of white plastic on its handle, bright along the edges, tinted by the bristles."""
    box = canvas.box((MIDDLE, MIDDLE), 40, SIDE)
    right, down = canvas.x[box] - MIDDLE, canvas.y[box]
    inside = tabulate(down, lambda y: np.interp(y, _HEAD[:, 1], _HEAD[:, 0], left=-9)) - np.abs(right)
    slant = ([11, 16, 24, 45, 140, 150, 176], [0.3, 0.6, 0.8, 0.95, 0.95, 0.8, 1])  # the edge is not upright
    inside = (inside * tabulate(down, lambda y: np.interp(y, *slant))).astype(np.float32)
    swell = np.clip(inside / 9, 0, 1)
    lean = (1 - swell) * np.clip(right / 14, -1, 1)  # the side's slope, -1..1
    light = 0.70 + 0.10 * swell - 0.16 * lean - 0.22 * (1 - swell) ** 3 + 0.012 * noise(rng, down.shape, 4)
    light += (0.17 - 0.07 * np.sign(right)) * gaussian(inside, 4.5, 1.5) * (swell < 1)
    light += tabulate(down, lambda y: 0.10 * smoothstep(y, 22, 12) - 0.10 * smoothstep(y, 150, 172))
    light += 0.22 * gaussian(right, -4, 2.6) * smoothstep(down, 163, 176)
    tint = 0.55 * smoothstep(inside, 6, 17) * tabulate(down, lambda y: smoothstep(y, 34, 50) * smoothstep(y, 150, 138))
    plastic = blend((0.98, 0.975, 0.94), 0.55 + 0.35 * dye, tint)
    canvas.paint(smoothstep(inside, -1.6, 0.4), (0.10, 0.10, 0.105), box)
    canvas.paint(smoothstep(inside, -0.1, 0.8), plastic * light[..., None], box)


def _bristles(canvas: Canvas, tufts: list[Tuft]) -> None:
    """Plants tufts: dark sockets, stems that lean outwards, bright rounded ends, each bristle a little different."""
    if not tufts:
        return
    for tuft in tufts:
        box, right, down = canvas.around(tuft.socket + (0.8, 1.2), 7)
        canvas.paint(0.66 * smoothstep(np.hypot(right, down), 6.4, 3.0), 0.20 * tuft.dye + 0.03, box)
    ring = np.stack([tuft.ring for tuft in tufts])  # (tufts, bristles, 2)
    tone = np.stack([tuft.tone[:, None] * tuft.dye for tuft in tufts]).astype(np.float32)
    feet = np.stack([tuft.socket for tuft in tufts])[:, None] + 2.7 * ring
    ends = np.stack([tuft.socket + tuft.lean for tuft in tufts])[:, None]
    ends = ends + np.array([tuft.spread for tuft in tufts])[:, None, None] * ring
    rise = np.linspace(0, 1, 3 + int(2 * np.hypot(*(ends - feet).T).max()), dtype=np.float32)[:, None, None, None]
    stems, colours = feet + rise * (ends - feet), (0.42 + 0.38 * rise) * tone
    canvas.scatter(stems[..., 0], stems[..., 1], colours)
    canvas.scatter(stems[..., 0] + 0.5, stems[..., 1], 0.85 * colours)
    heads = ends[:, :, None] + _DISC
    canvas.scatter(heads[..., 0], heads[..., 1], 0.045 + tone[:, :, None] * (1 - 0.28 * _DISC.sum(1))[:, None])


def _socket(canvas: Canvas, tuft: Tuft) -> None:
    """Shows the empty hole of a tuft that fell out."""
    box, right, down = canvas.around(tuft.socket, 8)
    away = np.hypot(right, down)
    depth = np.clip(0.24 + 0.05 * (right + down), 0.1, 0.5)
    canvas.paint(0.5 * gaussian(away, 4.6, 0.8) * (right + down > 0), (0.95, 0.95, 0.93), box)
    canvas.paint(smoothstep(away, 4.5, 3.6), depth[..., None] * rgb(1.0, 0.98, 0.95), box)


def _damage(flaw: Flaw, tufts: list[Tuft]) -> dict[int, Tuft | None]:
    """Returns what becomes of some tufts: bent, of another colour, or (None) gone; no change if a fibre lies across."""
    rng, form = flaw.rng, flaw.form(4)
    if flaw.name == "good" or form == 2:
        return {}
    first = tufts[rng.integers(2, len(tufts) - 2)]
    near = sorted(range(len(tufts)), key=lambda k: float(np.hypot(*(tufts[k].socket - first.socket))))
    victims = sorted(near[: rng.integers(1, 4)])
    if form == 1:
        return dict.fromkeys(victims)
    if form == 3:
        return {k: dataclasses.replace(tufts[k], dye=_OTHER) for k in victims}
    push = polar(rng.uniform(7, 11), rng.uniform(0, 2 * math.pi))
    leans = {k: push + rng.normal(0, 1.5, 2) for k in victims}
    return {k: dataclasses.replace(tufts[k], lean=leans[k], spread=1.2 * tufts[k].spread) for k in victims}


def _fibre(canvas: Canvas, rng: np.random.Generator) -> None:
    """Lays a stray hair or thread over the bristles."""
    length, bend, waves = rng.uniform(40, 75), rng.uniform(-1.5, 1.5), rng.uniform(3, 8)
    run = np.linspace(0, 1, 40)
    line = np.cumsum(polar(length / 40, rng.uniform(0, 2 * math.pi) + bend * run + 0.5 * np.sin(waves * run)), 0)
    line += (MIDDLE + rng.uniform(-14, 14), rng.uniform(45, 135)) - line.mean(0)
    colour = (rgb(0.05, 0.04, 0.04), rgb(0.75, 0.16, 0.20), rgb(0.80, 0.60, 0.10))[rng.integers(3)]
    canvas.band(line + (1.2, 1.7), 2.0, BLACK, 0.35)
    lay_cable(canvas, line, rng.uniform(1.5, 2.2), colour)
