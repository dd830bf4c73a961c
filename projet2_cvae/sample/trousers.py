"""Trousers, long and short."""

from __future__ import annotations

import random

from projet2_cvae.sample.canvas import Sketch, pick


def trouser(s: Sketch, rng: random.Random) -> None:
    """Sketches trousers."""
    cut = pick(rng, straight=0.36, slim=0.32, flared=0.12, wide=0.13, short=0.07)
    length = rng.uniform(26, 28) if cut != "short" else rng.uniform(13, 17)
    waist = rng.uniform(3.3, 4.3)
    hip = waist * rng.uniform(1.05, 1.22)
    crotch = rng.uniform(6.6, 8.8)
    foot = {"straight": 2.7, "slim": 1.9, "flared": 3.4, "wide": 3.7, "short": 4.2}[cut] * rng.uniform(0.88, 1.12)
    knee = {"straight": 3.2, "slim": 2.6, "flared": 2.6, "wide": 3.8, "short": 4.3}[cut] * rng.uniform(0.94, 1.06)
    gap = rng.choice([rng.uniform(0.0, 0.4), rng.uniform(0.6, 1.4), rng.uniform(1.0, 2.4)])
    knee_y = crotch + (length - crotch) * rng.uniform(0.4, 0.5)
    for side in (-1, 1):
        lag = rng.uniform(-0.5, 0.5)
        inner = gap * 0.55 + 0.15
        leg = [(0, 0.2), (waist, 0.0), (hip, 5.5), (inner + knee, knee_y), (gap + foot, length + lag),
               (gap, length + lag), (inner, knee_y), (0, crotch)]  # fmt: skip
        shade = rng.uniform(0.92, 1.0)
        s.area([(side * x, y) for x, y in leg], shade, rounding=1.2)
        if rng.random() < 0.45:  # a crease, or a faded thigh
            crease = [(hip * 0.55, crotch), (inner + knee * 0.5, knee_y), (gap + foot / 2, length)]
            s.line([(side * x, y) for x, y in crease], s.ink(rng.uniform(0.05, 0.25)), rng.uniform(0.5, 1.3))
    s.line([(0, 1.5), (0, crotch)], s.ink(rng.uniform(0.2, 0.5)), 0.5)
    if gap < 0.5:
        s.line([(0, crotch), (0, length)], rng.choice([0.0, s.ink(0.6), 0.35]), 0.5)
    if rng.random() < 0.8:
        s.line([(-waist * 1.02, 1.4), (waist * 1.02, 1.4)], s.ink(rng.uniform(0.2, 0.45)), rng.uniform(0.4, 0.8))
    if rng.random() < 0.6:
        for side in (-1, 1):
            s.line([(side * waist * 0.5, 1.6), (side * waist * 0.75, 3.2), (side * hip * 0.93, 3.8)], s.ink(0.3), 0.4)
