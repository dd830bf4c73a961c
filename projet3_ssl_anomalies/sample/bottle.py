"""Bottle: its neck from above, in polar coordinates."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from projet3_ssl_anomalies.sample.canvas import MIDDLE, Canvas, Flaw
from projet3_ssl_anomalies.sample.lines import jagged_line
from projet3_ssl_anomalies.sample.textures import gaussian, noise, polar, rgb, rotate, smoothstep

_TURNS, _RADII, _RADIUS = 900, 400, 86.0  # samples around and from the centre to 1.075 radii; the radius in pixels
_GLASS = (  # radius (1 is the edge), red, green, blue
    (0.000, 0.105, 0.115, 0.120), (0.250, 0.085, 0.095, 0.100), (0.440, 0.065, 0.072, 0.078),
    (0.462, 0.060, 0.062, 0.066), (0.470, 0.270, 0.170, 0.100), (0.480, 0.110, 0.115, 0.110),
    (0.500, 0.150, 0.175, 0.165), (0.570, 0.135, 0.155, 0.150), (0.585, 0.095, 0.105, 0.105),
    (0.600, 0.230, 0.265, 0.255), (0.612, 0.145, 0.165, 0.160), (0.660, 0.235, 0.265, 0.260),
    (0.690, 0.170, 0.190, 0.185), (0.705, 0.300, 0.300, 0.265), (0.716, 0.130, 0.140, 0.140),
    (0.735, 0.185, 0.190, 0.180), (0.750, 0.520, 0.380, 0.170), (0.763, 0.215, 0.200, 0.165),
    (0.780, 0.120, 0.130, 0.135), (0.830, 0.165, 0.180, 0.185), (0.856, 0.420, 0.435, 0.425),
    (0.872, 0.250, 0.265, 0.265), (0.890, 0.110, 0.118, 0.122), (0.915, 0.330, 0.345, 0.345),
    (0.932, 0.430, 0.445, 0.445), (0.950, 0.190, 0.200, 0.205), (0.972, 0.115, 0.122, 0.126),
    (0.990, 0.210, 0.220, 0.222), (1.006, 0.640, 0.655, 0.655), (1.024, 0.940, 0.945, 0.945),
    (1.050, 1.020, 1.020, 1.020),
)  # fmt: skip
_LAMP = (  # arcs of reflected light: direction and half-length in radians, radius, half-width, strength
    (-2.25, 0.34, 0.672, 0.012, 0.95), (-2.12, 0.20, 0.640, 0.006, 0.50), (0.95, 0.42, 0.655, 0.010, 0.42),
    (-2.20, 0.55, 0.858, 0.010, 0.45), (0.80, 0.75, 0.932, 0.012, 0.26), (2.40, 0.16, 0.700, 0.006, 0.75),
    (-0.70, 0.13, 0.612, 0.006, 0.55), (-2.30, 0.90, 0.930, 0.016, 0.22), (1.10, 0.35, 0.530, 0.016, 0.16),
)  # fmt: skip


def bottle(canvas: Canvas, rng: np.random.Generator, flaw: Flaw) -> None:
    """Paints the neck of a bottle, whole, broken or dirty."""
    right, down = canvas.x - MIDDLE, canvas.y - MIDDLE
    radius, angle = np.hypot(right, down) / _RADIUS, np.arctan2(down, right)
    turn = (angle * (_TURNS / (2 * math.pi))).astype(np.int32) % _TURNS
    around = np.linspace(0, 2 * math.pi, _TURNS, endpoint=False, dtype=np.float32)
    wobble = sum(rng.normal(0, 0.0020 / k) * np.cos(k * around + rng.uniform(0, 6.3)) for k in (1, 2, 3, 5))
    reach = (radius * (1 + wobble[turn]) * (_RADII / 1.075)).astype(np.int32)
    canvas.rgb[:] = _glass(rng, around)[turn, np.minimum(reach, _RADII - 1)]
    box, right, down = canvas.around(MIDDLE + rng.normal((6, -4), 4), 36)
    canvas.rgb[box] += (0.055 * gaussian(right, 0, 24) * gaussian(down, 0, 20) * (radius[box] < 0.46))[..., None]
    if flaw.name.startswith("broken"):
        _break_glass(canvas, flaw, large=flaw.name.endswith("large"))
    elif flaw.name == "contamination":
        _contaminate(canvas, flaw)


def _glass(rng: np.random.Generator, around: np.ndarray) -> np.ndarray:
    """Returns the neck unrolled, float32 (turns, radii, 3): rings, caustics, knurls, reflections of the lamp, seam."""
    r = np.linspace(0, 1.075, _RADII, dtype=np.float32)
    knots = np.array(_GLASS)
    rings = np.stack([np.interp(r, knots[:, 0], knots[:, k]) for k in (1, 2, 3)], 1)
    rings *= 1 + (r < 1)[:, None] * rng.normal(0, 0.025, 3)
    glass = smoothstep(r, 0.46, 0.52) * (r < 0.995)
    shade = 1 + np.outer(0.16 * np.cos(around - 2.4 + rng.normal(0, 0.15)), glass)
    shade += 0.05 * glass * noise(rng, shade.shape, (90, 24), (220, 12))
    knurls = shade[:, slice(*np.searchsorted(r, (0.485, 0.585)))]
    knurls += 0.24 * noise(rng, knurls.shape, (240, 16)) * np.sin(np.linspace(0, math.pi, knurls.shape[1]))
    seam = rng.normal(0.35, 0.09)
    layers = [(0.75 * (noise(rng, (1, _TURNS), (1, 46), (1, 20))[0] - 0.15).clip(0, 2) + 0.09,
               gaussian(r, 0.752, 0.008), (1.0, 0.62, 0.22))]  # fmt: skip
    for centre, length, middle, width, strength in _LAMP:
        gap = np.angle(np.exp(1j * (around - centre - rng.normal(0, 0.05))))
        arc = rng.normal(1, 0.12) * strength * np.exp(-((gap / length) ** 4))
        layers.append((arc, gaussian(r, middle + rng.normal(0, 0.002), width), (1, 1, 0.95)))
    for side in (seam, seam + math.pi):
        gap = np.angle(np.exp(1j * (around - side)))
        line = 0.20 * gaussian(gap, 0, 0.012) - 0.12 * gaussian(gap, 0.03, 0.012)
        layers.append((line, smoothstep(r, 0.60, 0.63) * smoothstep(r, 0.985, 0.96), (1, 1, 1)))
    turns, radii, colours = (np.array(layer, dtype=np.float32) for layer in zip(*layers, strict=True))
    reflections = turns.T @ (radii[:, :, None] * colours[:, None]).reshape(len(layers), -1)
    return shade[..., None] * rings.astype(np.float32) + reflections.reshape(*shade.shape, 3)


def _break_glass(canvas: Canvas, flaw: Flaw, *, large: bool) -> None:
    """Bites a shard out of the neck: fracture surfaces, hair cracks, and the white ground where the edge is gone."""
    rng = flaw.rng
    towards, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0.86, 0.97) if large else rng.uniform(0.76, 0.95)
    size, count = (rng.uniform(21, 31), 9) if large else (rng.uniform(6.5, 11), 4)
    place = MIDDLE + polar(depth * _RADIUS, towards)
    box, out, along = canvas.around(place, 1.7 * size, towards)
    corners = int(rng.integers(9, 15))
    spokes = (np.arange(corners) + rng.uniform(-0.4, 0.4, corners)) * 2 * math.pi / corners
    lengths, direction = size * rng.uniform(0.6, 1.15, corners), np.arctan2(along, out)
    edge = np.interp(direction, spokes, lengths, period=2 * math.pi) + 0.04 * size * noise(rng, out.shape, 9, 16)
    inside = (edge - np.hypot(out, along / 1.35)).astype(np.float32)  # pixels from the outline, positive within
    radius = np.hypot(canvas.x[box] - MIDDLE, canvas.y[box] - MIDDLE) / _RADIUS
    cover = smoothstep(inside, -0.4, 0.5) * smoothstep(radius, 1.035, 1.02) * smoothstep(radius, 0.474, 0.482)
    bevel = size * ((0.34 if large else 0.55) + 0.10 * noise(rng, out.shape, 5)) - 0.25 * np.minimum(out, 0)
    through = smoothstep(inside - bevel, -0.5, 0.5) * smoothstep(radius, 0.76, 0.80)
    seeds = rng.uniform(-1.1, 1.1, (count, 2)) * (size, 1.4 * size)
    facet = np.hypot(out[..., None] - seeds[:, 0], along[..., None] - seeds[:, 1]).argmin(-1)
    waves = np.sin(np.hypot(out - 1.6 * size, along) * rng.uniform(0.5, 0.8) + 2 * noise(rng, out.shape, 3))
    tone = rng.choice([0.06, 0.10, 0.16, 0.24, 0.5, 0.72], count)[facet] * (1 + 0.35 * waves)
    tone = gaussian_filter(tone, 1.4) + 0.07 * noise(rng, out.shape, 12, 30)
    glints = smoothstep(np.sin(3 * direction + towards), -0.4, 0.8)  # edges that catch light
    tone += 0.45 * gaussian(inside, 0.8, 0.8) * glints
    tone += 0.5 * gaussian(inside - bevel, -0.8, 0.8) * smoothstep(radius, 0.78, 0.82)
    light = np.clip(tone * (1 - through) + 1.02 * through, 0.03, 1.02)
    with canvas.flaw(flaw.name):
        canvas.paint(cover, light[..., None] * rgb(0.98, 1.0, 0.985), box)
        for spoke in rng.permutation(np.flatnonzero(np.cos(spokes) < 0.2))[: 3 if large else 1]:
            foot = place + rotate(*(0.9 * polar(lengths[spoke], spokes[spoke]) * (1, 1.35)), -towards)
            crack = jagged_line(rng, foot, towards + spokes[spoke], size * rng.uniform(0.3, 0.8))
            canvas.band(crack, np.linspace(0.7, 0.3, len(crack)), (0.55, 0.57, 0.56))


def _contaminate(canvas: Canvas, flaw: Flaw) -> None:
    """Drops foreign matter into the neck: a whitish clot, a brownish stain, or crumbs."""
    rng = flaw.rng
    count, sizes, colour, opacity = (
        (1, (9, 17), rgb(0.80, 0.79, 0.74), 0.92),
        (1, (7, 15), rgb(0.46, 0.29, 0.13), 0.78),
        (int(rng.integers(6, 11)), (1.6, 3.8), rgb(0.70, 0.64, 0.52), 0.95),
    )[flaw.form(3)]
    with canvas.flaw(flaw.name):
        for _ in range(count):
            size = rng.uniform(*sizes)
            place = MIDDLE + polar(_RADIUS * rng.uniform(0, 0.38), rng.uniform(0, 2 * math.pi))
            box, right, down = canvas.around(place, 2.2 * size, rng.uniform(0, math.pi))
            lumps = 0.24 * noise(rng, right.shape, 4, 7, 12)
            height = 1 - np.hypot(right, down * rng.uniform(1.1, 1.9)) / size + lumps
            relief = 2.2 * np.gradient(gaussian_filter(height, 1.5))[0] + 0.10 * noise(rng, right.shape, 20, 34)
            tone = np.clip((1 + relief) * (0.62 + 0.45 * smoothstep(height, 0, 0.9)), 0.25, 1.25)
            canvas.paint(opacity * smoothstep(height, 0.0, 0.22), np.clip(tone[..., None] * colour, 0, 1), box)
