"""Shoes: sandals, sneakers, ankle boots.

They point left; heights are counted upwards from the ground.
"""

from __future__ import annotations

import random

import numpy as np

from projet2_cvae.sample.canvas import Sketch, pick


def sandal(s: Sketch, rng: random.Random) -> None:
    """Sketches a sandal: a sole, straps, maybe a heel."""
    shape = pick(rng, flat=0.43, heel=0.29, wedge=0.17, closed=0.11)
    heel = rng.uniform(*{"flat": (0, 1.2), "heel": (6, 12.5), "wedge": (2.5, 8.5), "closed": (0.5, 1.5)}[shape])
    thick = rng.uniform(0.9, 2.3) if shape != "wedge" else rng.uniform(1.2, 2.6)
    end = 27 - heel * rng.uniform(0.2, 0.5)

    def ground(x: float) -> float:
        return _lift(x * 27 / end, heel)

    def foot(x: float) -> float:  # height of the top of the foot
        return ground(x) + thick + 2.0 + 4.6 * min(1, max(0.0, x / end - 0.06) / 0.6) ** 1.2

    _sole(s, rng, heel, thick, end, filled=shape == "wedge", shade=s.ink(rng.uniform(-0.1, 0.45)))
    strap = rng.uniform(0.7, 1.7)
    back = end - rng.uniform(0.6, 1.6)
    if shape == "closed":
        tops = [(x, foot(x) + 0.6) for x in (2.0, 5.5, 10.0, end * 0.55)]
        s.area([(0.6, thick), *tops, (end * 0.72, ground(end * 0.72) + thick)], rounding=2.0)
        for _ in range(rng.randint(1, 4)):
            x = rng.uniform(4, end * 0.5)
            s.arc(x, ground(x) + thick + 2.2, rng.uniform(0.7, 1.5), rng.uniform(0.5, 1.0), 0.0)
    for _ in range(rng.randint(1, 3)):  # straps from the sole over the toes
        x = rng.uniform(2, 9)
        lean = rng.uniform(1.0, 4.5)
        path = [(x, ground(x) + thick * 0.5), (x + lean * 0.3, foot(x) - 0.6), (x + lean, foot(x + lean))]
        if rng.random() < 0.7:  # and down the far side
            path.append((x + lean * 1.6 + 1.2, ground(x + lean) + thick + rng.uniform(0.8, 2.5)))
        s.line(path, rng.uniform(0.85, 1.15), strap)
    if rng.random() < 0.5:  # a strap along the foot
        xs = [rng.uniform(2.5, 5), 8.5, 12.5, end * 0.66]
        s.line([(x, foot(x) - 0.2) for x in xs], rng.uniform(0.85, 1.1), strap)
    if rng.random() < 0.5:  # criss-cross
        for x in np.arange(rng.uniform(5, 8), end * 0.66, rng.uniform(2.2, 4)):
            s.line([(x, ground(x) + thick), (x + 3.2, foot(x + 3.2))], rng.uniform(0.8, 1.1), strap * 0.8)
            s.line([(x + 3, ground(x + 3) + thick), (x + 0.6, foot(x + 0.6))], rng.uniform(0.8, 1.1), strap * 0.8)
    if rng.random() < 0.8:  # around the ankle, or behind the heel
        rise = rng.uniform(3.5, 8.5)
        front = end * rng.uniform(0.58, 0.7)
        y = ground(back) + thick
        s.line([(front, foot(front)), ((front + back) / 2, y + rise * 0.8), (back, y + rise)], 1.0, strap)
        s.line([(back - 0.4, y), (back + 0.4, y + rise * 0.5), (back, y + rise)], 1.0, strap * 1.1)
        if rng.random() < 0.5:
            s.line([(front, foot(front)), (front - 1.8, ground(front) + thick)], 0.95, strap)
        if rng.random() < 0.35:
            shade = rng.uniform(0.85, 1.1)
            s.area([(back + 0.8, y), (back + 0.8, y + rise * 0.7), (back - 4.5, y)], shade, rounding=1.0)
    s.upside_down()


def sneaker(s: Sketch, rng: random.Random) -> None:
    """Sketches a sneaker, low or high."""
    sole = rng.uniform(1.3, 3.0)
    high = rng.random() < 0.18
    top = sole + (rng.uniform(10.5, 14) if high else rng.uniform(7.6, 10.4))
    toe = rng.uniform(2.5, 4.2)
    tongue = rng.uniform(13, 15.5)
    dip = rng.uniform(1.4, 3.4)
    throat = (rng.uniform(7.0, 9.0), sole + toe + rng.uniform(0.9, 1.7))
    upper = [(0.3, sole - 0.4), (0.7, sole + toe * 0.75), (3.8, sole + toe), throat, (tongue, top),
             (tongue + 1.7, top - 0.1), (tongue + 4.2, top - dip), (23.5, top - dip), (26.0, top - rng.uniform(0, 0.9)),
             (26.5, sole + 4.5), (26.9, sole + 2.2), (26.9, sole - 0.4)]  # fmt: skip
    s.area(upper, rounding=1.5)
    s.area([(25.5, top - 0.8), (27.0, sole + 2.5), (26.9, sole), (21 + rng.uniform(-1, 3), sole)],
           s.ink(rng.uniform(-0.25, 0.65)), rounding=0.8)  # fmt: skip
    if rng.random() < 0.35:
        s.area([(0.3, sole), (0.7, sole + toe * 0.75), (3.8, sole + toe), (6.2, sole + toe), (6.8, sole)],
               s.ink(rng.uniform(-0.4, 0.5)), rounding=1.2)  # fmt: skip
    decor = pick(rng, none=0.3, stripes=0.22, wave=0.18, panel=0.22, disc=0.08)
    mark = s.ink(rng.choice([rng.uniform(-0.8, -0.3), rng.uniform(0.3, 0.9)]))
    if decor == "stripes":
        for i in range(rng.randint(2, 3)):
            x = 12 + 2.1 * i
            s.line([(x + 1.8, sole + 0.3), (x, sole + 4.2)], mark, 0.9)
    elif decor == "wave":
        s.area([(9.5, sole + 1.6), (13, sole + 1.2), (22, sole + 4.6), (13.5, sole + 2.9)], mark, rounding=0.6)
    elif decor == "panel":
        s.area([(6, sole), (11, sole + 3.6), (17, sole + 4.5), (20, sole)], s.ink(rng.uniform(-0.3, 0.7)), rounding=1.2)
    elif decor == "disc":
        s.arc(20, (sole + top) / 2, 1.5, 1.5, mark)
    if rng.random() < 0.5:
        s.line([(5.2, sole + toe + 0.2), (6.4, sole + toe * 0.5), (5.8, sole)], s.ink(rng.uniform(0.2, 0.5)), 0.5)
    if rng.random() < 0.85:  # laces
        shade, count = s.ink(rng.uniform(0.25, 0.8)), rng.randint(3, 6)
        for t in np.linspace(0.08, 0.9, count):
            x, y = throat[0] + t * (tongue - throat[0]), throat[1] + t * (top - throat[1])
            s.line([(x - 0.1, y - 0.1), (x + 1.5, y - 1.5)], shade, 0.55)
    s.line([(tongue + 1.6, top - 0.4), (tongue + 4.2, top - dip - 0.3), (23.5, top - dip - 0.3), (25.8, top - 0.7)],
           rng.choice([0.35, 0.55, s.ink(0.4)]), rng.uniform(0.6, 1.2))  # fmt: skip
    shade = s.ink(rng.choice([rng.uniform(-0.8, -0.3), rng.uniform(-0.1, 0.3), rng.uniform(0.4, 0.85)]))
    s.area([(0.2, 0.5), (2, 0), (25.5, 0), (27.4, 0.6), (27.2, sole), (0, sole)], shade, rounding=0.7)
    s.line([(0.4, sole), (27, sole)], s.ink(rng.uniform(0.1, 0.7)), 0.5)
    s.upside_down()


def boot(s: Sketch, rng: random.Random) -> None:
    """Sketches an ankle boot."""
    heel = rng.choice([rng.uniform(0, 1.0), rng.uniform(1.0, 3.0), rng.uniform(3.5, 8)])
    low = rng.random() < 0.2
    heel = min(heel, 1.2) if low else heel
    thick = rng.uniform(0.8, 2.6)
    shaft = rng.uniform(5.5, 9.5) if low else rng.uniform(11.5, 18)
    end = 27 - heel * rng.uniform(0.1, 0.4)
    toe = rng.uniform(2.0, 3.6) * (0.8 if heel > 3.5 else 1)
    front, slant = rng.uniform(11.5, 14.5), rng.uniform(-1.4, 1.4)
    base = _lift(27, heel) + thick
    instep = _lift(8.5, heel) + thick + toe + rng.uniform(1.6, 2.8)
    top = base + shaft
    back = end - rng.uniform(-0.3, 1.0)
    bend = min(instep + rng.uniform(2.6, 4.2), top - slant - 1.5)
    outline = [(0.2, thick - 0.3), (0.5, thick + toe * 0.7), (3.6, thick + toe + 0.2), (8.6, instep),
               (front - 0.6, bend), (front + rng.uniform(-0.9, 0.5), top - slant), (back, top + slant * 0.3),
               (end - rng.uniform(0.4, 1.2), base + 4.5), (end, base + 1.5), (end - 0.1, base - 0.3),
               (14, _lift(14 * 27 / end, heel) + thick - 0.3), (8, thick - 0.3)]  # fmt: skip
    s.area(outline, rounding=1.8)
    _sole(s, rng, heel, thick, end, filled=False, shade=s.ink(rng.uniform(-0.3, 0.75)))
    trim = s.ink(rng.uniform(0.25, 0.8))
    decor = pick(rng, none=0.16, elastic=0.2, zip=0.14, strap=0.17, laces=0.23, cuff=0.1)
    middle = (front + back) / 2
    if decor == "elastic":
        s.area([(middle - 2.2, top - 0.3), (middle + 2.0, top), (middle + 1.0, base + 3.0), (middle - 0.8, base + 3.0)],
               trim, rounding=0.8)  # fmt: skip
    elif decor == "zip":
        s.line([(middle, top), (middle + 0.6, base + 1.0)], trim, 0.7)
    elif decor == "strap":
        for y in (base + 3.2, base + 5.6)[: rng.randint(1, 2)]:
            s.line([(front - 2.0, y + 0.6), (end - 0.6, y)], trim, rng.uniform(0.8, 1.5))
            s.arc(middle + 1.5, y + 0.2, 0.9, 0.9, s.ink(0.9))
    elif decor == "laces":
        for t in np.linspace(0, 1, rng.randint(4, 7)):
            x, y = 8.4 + t * (front - 8.0), instep - 0.8 + t * (top - slant - instep)
            s.line([(x - 0.6, y + 0.4), (x + 1.3, y - 0.8)], trim, 0.6)
    elif decor == "cuff":
        depth = rng.uniform(2.0, 4.5)
        s.area([(front - 0.7, top - slant + 0.4), (back + 0.6, top + 0.4), (back + 0.5, top - depth),
                (front - 0.7, top - depth)], s.ink(rng.uniform(0.1, 0.35)), rounding=0.8)  # fmt: skip
    if rng.random() < 0.5:
        s.line([(5.4, thick + toe + 0.6), (6.6, thick + 1.6), (6.2, thick)], s.ink(rng.uniform(0.1, 0.35)), 0.5)
    if rng.random() < 0.5:
        s.line([(9.5, instep + 0.4), (middle - 1, base + 2.4), (end - 0.4, base + 2.6)], s.ink(0.25), 0.5)
    s.upside_down()


def _sole(s: Sketch, rng: random.Random, heel: float, thick: float, end: float, *, filled: bool, shade: float) -> None:
    """Paints the sole, and under a raised heel a wedge (`filled`), a block or a stiletto."""
    xs = (0.0, 4.0, 8.0, 11.0, 14.0, 17.0, 20.5, 24.0, 27.0)
    upper = [(x * end / 27, _lift(x, heel) + thick) for x in xs]
    lower = [(x * end / 27, 0.0 if filled else _lift(x, heel)) for x in reversed(xs)]
    s.area([*upper, *lower], shade, rounding=0.6)
    if heel > 0.8 and not filled:
        size = rng.uniform(1.0, 2.4) if heel > 4.5 and rng.random() < 0.6 else rng.uniform(3.5, 6.5)
        narrow = rng.uniform(0.55, 1.0)
        block = [(end - size * 1.2, _lift(24, heel) + 0.2), (end, heel + thick * 0.6), (end - 0.2, 0),
                 (end - size * narrow, 0)]  # fmt: skip
        s.area(block, shade * 0.95, rounding=0.3)


def _lift(x: float, heel: float) -> float:
    """Returns the height of the sole at x in 0..27: 0 under the toes, `heel` under the heel."""
    t = min(1.0, max(0.0, (x - 7.5) / 15))
    return heel * t * t * (3 - 2 * t)
