"""Hazelnut: a solid of revolution, lit, with a striated shell wrapped around it."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from projet3_ssl_anomalies.sample.canvas import CANVAS_SIDE, MIDDLE, Canvas, Flaw
from projet3_ssl_anomalies.sample.lines import paint_crack
from projet3_ssl_anomalies.sample.textures import blend, gaussian, lettering, noise, polar, rgb, smoothstep, stamp

_NUT = 61.0  # mean radius in pixels


def hazelnut(canvas: Canvas, rng: np.random.Generator, flaw: Flaw) -> None:
    """Paints a hazelnut, whole, cracked, cut, pierced or printed."""
    canvas.rgb[:] = (0.045 + 0.006 * noise(rng, (CANVAS_SIDE, CANVAS_SIDE), 5, 90))[..., None] * rgb(1.0, 0.95, 0.92)
    box, right, down = canvas.around((MIDDLE, MIDDLE), 1.22 * _NUT)
    turns = np.linspace(-math.pi, math.pi, 361)  # the tip points to direction 0, to the right
    tilt = rng.uniform(-0.4, 0.4)  # of the axis: what shows of the base or of the tip
    lumps = sum(rng.normal(0, 0.025 / k) * np.cos(k * turns + rng.uniform(0, 6.3)) for k in (2, 3, 4, 6))
    tall = rng.normal(0.03, 0.03) * np.cos(2 * turns) + rng.uniform(0.04, 0.10) * gaussian(turns, 0, 0.3)
    outline = 1 + lumps + math.cos(tilt) * tall
    edge = np.interp(np.arctan2(down, right), turns, _NUT * outline).astype(np.float32)
    away = np.hypot(right, down)
    height = np.sqrt(1 - np.minimum(away / edge, 1) ** 2)
    ball = np.stack([right / edge, down / edge, height])  # the point of a unit sphere behind each sample
    along = math.cos(tilt) * ball[0] + math.sin(tilt) * height  # on the axis: -1 at the base, 1 at the tip
    meridian = np.arctan2(ball[1], math.cos(tilt) * height - math.sin(tilt) * ball[0])
    colour, relief = _shell(rng, along, meridian)
    bend = np.gradient(gaussian_filter(relief, 0.7))
    normal = ball - 0.55 * np.stack([bend[1], bend[0], np.zeros_like(relief)])
    normal /= np.sqrt((normal**2).sum(0))
    half = canvas.light + rgb(0, 0, 1)
    face, gloss = np.tensordot(np.stack([canvas.light, half / np.linalg.norm(half)]), normal, 1)
    shine = (0.16 * np.exp(14 * (gloss - 1)) + 0.14 * np.exp(60 * (gloss - 1))) * smoothstep(along, -0.72, -0.55)
    lit = colour * (0.16 + 0.95 * face.clip(0) + 0.10 * height)[..., None] + shine[..., None]
    canvas.paint(smoothstep(edge - away, -0.4, 0.5), lit, box)
    if flaw.name != "good":
        place = polar(flaw.rng.uniform(0, 0.3), flaw.rng.uniform(-math.pi, math.pi))
        facing = canvas.light[:2] @ place + canvas.light[2] * math.sqrt(1 - place @ place)
        spoil = {"crack": _crack, "cut": _cut, "hole": _pierce, "print": _print}[flaw.name]
        with canvas.flaw(flaw.name):
            spoil(canvas, flaw.rng, MIDDLE + _NUT * place, float(0.3 + 0.8 * facing))


def _shell(rng: np.random.Generator, along: np.ndarray, meridian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns colour (..., 3) and relief of the shell: striae from base to tip, a pale rough base, a grey tip."""
    rows = np.clip((along + 1) * 64, 0, 127).astype(np.int32)
    columns = np.clip((meridian + math.pi) * (360 / math.pi), 0, 719).astype(np.int32)
    fine = noise(rng, (128, 720), (5, 130), (9, 240))[rows, columns]
    broad = noise(rng, (128, 720), (3, 22), (4, 44))[rows, columns]
    patches, rough = noise(rng, along.shape, 4, 7), noise(rng, along.shape, 30, 100)
    tint = rgb(0.52, 0.285, 0.135) * rng.uniform(0.75, 1.25) + rng.normal(0, 0.012, 3)
    tones = zip(tint * (0.52, 0.46, 0.44), tint, tint * (1.42, 1.5, 1.6), strict=True)
    palette = np.stack([np.interp(np.arange(256), (0, 128, 255), tone) for tone in tones], 1).astype(np.float32)
    end = 0.05 * broad + 0.035 * patches - rng.uniform(0.60, 0.74)
    base = smoothstep(along, end + 0.035, end - 0.035)
    share = 0.42 + 0.14 * fine + 0.12 * broad + 0.07 * patches + 0.03 * rough
    share = share - 0.25 * gaussian(along, end + 0.05, 0.045)
    colour = palette[np.clip(256 * share, 0, 255).astype(np.uint8)]
    colour += (0.55 * smoothstep(along + 0.02 * fine, 0.86, 0.97))[..., None] * (rgb(0.60, 0.52, 0.43) - colour)
    colour += base[..., None] * (rgb(0.63, 0.46, 0.29) * (1 + 0.10 * rough)[..., None] - colour)
    return colour, 0.10 * fine * (1 - base) + (0.05 + 0.22 * base) * rough


def _crack(canvas: Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    size, lip = (rng.uniform(60, 84), rng.uniform(3.0, 4.4)), light * rgb(0.66, 0.45, 0.27)
    paint_crack(canvas, rng, (place + MIDDLE) / 2, size, rng.uniform(0, 2 * math.pi), lip)


def _cut(canvas: Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    """Slashes the shell with a blade: one or two straight openings on the pale flesh."""
    heading = rng.uniform(0, 2 * math.pi)
    grain = rng.normal(1, 0.06, 60)

    def flesh(run: np.ndarray, side: np.ndarray, facing: np.ndarray) -> np.ndarray:
        lower = side * np.sign(facing.mean())
        shade = smoothstep(lower, 1.0, 0.3) * (1 - 0.35 * smoothstep(lower, -0.6, -1.0))
        return light * blend((0.10, 0.05, 0.03), (0.92, 0.78, 0.56), shade * np.interp(60 * run, np.arange(60), grain))

    for k in range(rng.integers(1, 3)):
        length, half = rng.uniform(36, 56), rng.uniform(3.8, 5.6)
        ways = heading + rng.normal(0, 0.12) + np.linspace(0, rng.normal(0, 0.15), 24)
        line = np.cumsum(polar(length / 24, ways), 0)
        line += place + k * polar(rng.uniform(12, 17), heading + math.pi / 2) - line.mean(0)
        opening = half * np.sqrt(np.sin(np.linspace(0.03, math.pi - 0.03, 24))) * rng.uniform(0.85, 1.0, 24)
        canvas.band(line, opening, flesh)


def _pierce(canvas: Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    """Bores a worm's hole: dark, with a ragged pale rim and its lower wall in the light."""
    size = rng.uniform(9, 13)
    box, right, down = canvas.around(place, 2.2 * size)
    distance = np.hypot(right, down * rng.uniform(1.0, 1.25)) / size + 0.09 * noise(rng, right.shape, 6, 11)
    towards_light = (right * canvas.light[0] + down * canvas.light[1]) / size
    wall = 0.05 + 0.24 * smoothstep(towards_light, -0.1, -0.9) * smoothstep(distance, 0.4, 1.0)
    canvas.paint(0.6 * smoothstep(distance, 1.38, 1.12), light * rgb(0.60, 0.41, 0.24), box)
    canvas.paint(smoothstep(distance, 1.08, 0.92), light * wall[..., None] * rgb(1.0, 0.66, 0.42), box)


def _print(canvas: Canvas, rng: np.random.Generator, place: np.ndarray, light: float) -> None:
    """Stamps letters on the shell, in bold ink that misses the hollows."""
    sheet = lettering("".join(rng.choice(list("FHKLNRTVXZ"), rng.integers(2, 4))), stroke=13)
    cell = rng.uniform(430, 540) / sheet.shape[1]
    box, right, down = canvas.around(place, cell * sheet.shape[1] / 10, rng.uniform(0, 2 * math.pi))
    wear = np.clip(0.90 + 0.12 * noise(rng, right.shape, 12, 40), 0.5, 1)
    ink = (rgb(0.96, 0.97, 0.98), rgb(0.30, 0.75, 0.95), rgb(0.98, 0.90, 0.25))[rng.integers(3)]
    canvas.paint(wear * stamp(sheet, right, down, cell), light * ink, box)
