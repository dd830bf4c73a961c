"""What is worn on the body: T-shirt, pullover, dress, coat, shirt; their bodies, necklines, buttons and prints."""

from __future__ import annotations

import math
import random

import numpy as np

from projet2_cvae.sample.canvas import Sketch, pick


def tshirt(s: Sketch, rng: random.Random) -> None:
    """Sketches a T-shirt, sometimes without sleeves, sometimes printed."""
    cut = pick(rng, short=0.79, sleeveless=0.13, long=0.08)
    width = rng.uniform(6.4, 7.8)
    if cut == "sleeveless":
        strap = rng.uniform(0.62, 0.95)
        _body(s, rng, length=rng.uniform(23, 28), shoulder=width * strap, chest=width * 0.98, neck=width * strap * 0.6,
              hem=width * rng.uniform(0.95, 1.3), slope=rng.uniform(0.4, 1.6))  # fmt: skip
        _neckline(s, rng, width * strap * 0.6, rng.choice(["scoop", "vee", "crew"]), hole=0.7)
    else:
        sleeve = rng.uniform(5.5, 8.8) if cut == "short" else rng.uniform(15, 21)
        spread = rng.uniform(0.24, 0.52) if cut == "short" else rng.uniform(0.13, 0.22)
        _body(s, rng, length=rng.uniform(22.5, 27.5), shoulder=width, neck=rng.uniform(2.8, 3.9), sleeve=sleeve,
              hem=width * rng.uniform(0.93, 1.1), spread=spread, cuff=rng.uniform(3.8, 5.2) if cut == "short" else 2.6,
              sleeve_shade=rng.choice([0.92, 0.96, 1.0, 1.0, 0.6]) if rng.random() < 0.9 else s.ink(0.4))  # fmt: skip
        style = pick(rng, crew=0.56, scoop=0.16, vee=0.16, polo=0.12)
        _neckline(s, rng, rng.uniform(2.8, 3.6), style)
    if rng.random() < 0.36:
        _chest_print(s, rng)


def pullover(s: Sketch, rng: random.Random) -> None:
    """Sketches a pullover."""
    width = rng.uniform(5.3, 6.9)
    length = rng.uniform(21, 26)
    sleeve = length * rng.uniform(0.8, 0.97) if rng.random() < 0.93 else length * rng.uniform(0.3, 0.5)
    spread, cuff = rng.uniform(0.1, 0.23), rng.uniform(1.8, 2.7)
    neck = rng.uniform(2.3, 3.3)
    hem = width * rng.uniform(0.78, 0.96)
    _body(s, rng, length=length, shoulder=width, neck=neck, hem=hem, sleeve=sleeve, spread=spread, cuff=cuff,
          sleeve_shade=s.ink(0.35) if rng.random() < 0.12 else rng.uniform(0.84, 1.12))  # fmt: skip
    style = pick(rng, crew=0.46, vee=0.2, turtle=0.11, hood=0.13, boat=0.06, shirt=0.04)
    _neckline(s, rng, neck, style)
    if rng.random() < 0.55:
        y = length - rng.uniform(1.0, 2.0)
        s.line([(-hem, y), (hem, y)], s.ink(rng.uniform(0.12, 0.3)), 0.6)
    if style == "hood" and rng.random() < 0.6:
        s.symmetric([(2.6, length * 0.64), (4.6, length * 0.84)], s.ink(0.16), rounding=0.5)
    if rng.random() < 0.22:
        _chest_print(s, rng)
    elif rng.random() < 0.07:  # a cardigan
        _buttons(s, rng, 4.0, length - 0.5)


def dress(s: Sketch, rng: random.Random) -> None:
    """Sketches a dress."""
    sleeves = pick(rng, none=0.52, short=0.25, long=0.23)
    width = rng.uniform(3.7, 5.2) * (1.0 if rng.random() < 0.87 else 1.3)
    length = rng.uniform(25, 28)
    hem = width * rng.choice([rng.uniform(0.75, 1.05), rng.uniform(1.1, 1.6), rng.uniform(1.5, 2.1)])
    waist = width * rng.uniform(0.68, 1.0)
    waist_y = length * rng.uniform(0.3, 0.44)
    strap = rng.uniform(0.55, 1.0)
    neck = rng.uniform(1.7, 2.6) if sleeves != "none" else width * strap * 0.6
    sleeve = {"none": 0.0, "short": rng.uniform(3, 6.5), "long": rng.uniform(10, 17)}[sleeves]
    shoulder = width * (strap if sleeves == "none" else 1)
    _body(s, rng, length=length, shoulder=shoulder, chest=width, neck=neck, hem=hem, waist=waist, waist_y=waist_y,
          sleeve=sleeve, spread=rng.uniform(0.15, 0.45) if sleeves == "short" else rng.uniform(0.12, 0.24),
          cuff=rng.uniform(1.6, 2.8), slope=rng.uniform(0.4, 1.4))  # fmt: skip
    _neckline(s, rng, neck, pick(rng, crew=0.3, scoop=0.27, vee=0.25, boat=0.13, shirt=0.05),
              hole=0.8 if sleeves == "none" else 0.2)  # fmt: skip
    if rng.random() < 0.42:
        s.line([(-waist, waist_y), (waist, waist_y)], s.ink(rng.uniform(0.2, 0.55)), rng.uniform(0.5, 1.3))
    if hem > 1.2 * width:
        for x in (-0.6, -0.2, 0.15, 0.55):
            s.line([(x * waist, waist_y + 2), (x * hem, length)], s.ink(rng.uniform(0.05, 0.25)), 0.5)
    elif rng.random() < 0.15:
        s.line([(hem * 0.35, length * 0.68), (hem * 0.4, length + 0.4)], 0.0, 0.6)
    if sleeves != "none" and rng.random() < 0.12:
        _buttons(s, rng, 1.5, length * 0.95)


def coat(s: Sketch, rng: random.Random) -> None:
    """Sketches a coat, or a padded jacket."""
    width = rng.uniform(5.8, 7.6)
    length = rng.uniform(21, 28)
    sleeve = 0.0 if rng.random() < 0.06 else min(length, 24) * rng.uniform(0.78, 0.94)
    hem = width * rng.uniform(0.8, 1.08)
    neck = rng.uniform(2.2, 3.2)
    waist = width * rng.uniform(0.78, 0.96)
    _body(s, rng, length=length, shoulder=width, neck=neck, hem=hem, waist=waist, sleeve=sleeve,
          curve=rng.uniform(0, 0.8), spread=rng.uniform(0.07, 0.2), cuff=rng.uniform(2.1, 3.1),
          sleeve_shade=rng.uniform(0.84, 1.1))  # fmt: skip
    style = pick(rng, lapels=0.4, hood=0.25, collar=0.22, shirt=0.09, crew=0.04)
    if rng.random() < 0.13:
        for y in np.arange(4, length, rng.uniform(2.2, 3.4)):  # a padded jacket
            s.line([(-width, y), (width, y)], s.ink(rng.uniform(0.15, 0.35)), 0.5)
    top = _neckline(s, rng, neck, style)
    closure = pick(rng, zip=0.36, open=0.2, overlap=0.32, hidden=0.12)
    if closure == "open":
        gap = rng.uniform(0.4, 1.5)
        s.area([(0, top), (gap, length + 0.3), (-gap, length + 0.3)], rng.choice([0.0, 0.3, s.ink(0.6)]), rounding=0.2)
    elif closure == "zip":
        s.line([(0, top), (0, length)], s.ink(rng.uniform(0.35, 0.7)), rng.uniform(0.5, 0.9))
    elif closure == "overlap":
        side = rng.uniform(0.6, 1.6)
        s.line([(side, top), (side, length)], s.ink(rng.uniform(0.25, 0.5)), 0.6)
        for y in np.linspace(top + 1.5, length * 0.75, rng.randint(2, 4)):
            s.arc(side - 1.0, y, 0.55, 0.55, s.ink(0.7))
            if rng.random() < 0.4:
                s.arc(-side - 1.2, y, 0.55, 0.55, s.ink(0.7))
    if rng.random() < 0.6:
        y = length * rng.uniform(0.6, 0.7)
        for side in (-1, 1):
            s.line([(side * 2.0, y + 1.2), (side * (waist - 0.9), y)], s.ink(rng.uniform(0.25, 0.5)), 0.6)
    if length > 24 and rng.random() < 0.35:
        y = length * rng.uniform(0.46, 0.54)
        s.line([(-waist, y), (waist, y)], s.ink(rng.uniform(0.25, 0.6)), 1.1)


def shirt(s: Sketch, rng: random.Random) -> None:
    """Sketches a shirt, a blouse or a knitted top."""
    cut = pick(rng, long=0.55, short=0.17, blouse=0.2, knit=0.08)
    width = rng.uniform(5.9, 7.5)
    length = rng.uniform(22, 27.5)
    short = cut == "short" or (cut == "blouse" and rng.random() < 0.55)
    sleeve = rng.uniform(6, 10.5) if short else length * rng.uniform(0.72, 0.92)
    neck = rng.uniform(2.2, 3.2)
    hem = width * (rng.uniform(0.82, 1.0) if cut != "blouse" else rng.uniform(0.95, 1.35))
    _body(s, rng, length=length, shoulder=width, neck=neck, hem=hem, sleeve=sleeve, curve=rng.uniform(0, 1.8),
          waist=width * rng.uniform(0.8, 0.95), spread=rng.uniform(0.28, 0.55) if short else rng.uniform(0.08, 0.21),
          cuff=rng.uniform(3.4, 5.0) if short else rng.uniform(2.0, 3.1),
          sleeve_shade=rng.uniform(0.86, 1.08))  # fmt: skip
    if cut in ("long", "short"):
        top = _neckline(s, rng, neck, "shirt")
        if rng.random() < 0.88:
            _buttons(s, rng, top, length - 0.6)
        if rng.random() < 0.45:
            for side in (-1, 1) if rng.random() < 0.5 else (1,):
                x, y = side * width * 0.48, length * rng.uniform(0.27, 0.33)
                s.line([(x - 1.4, y), (x + 1.4, y), (x + 1.4, y + 2.6), (x, y + 3.1), (x - 1.4, y + 2.6), (x - 1.4, y)],
                       s.ink(rng.uniform(0.15, 0.4)), 0.4)  # fmt: skip
    else:
        _neckline(s, rng, neck, pick(rng, vee=0.42, scoop=0.2, crew=0.2, boat=0.18))
        if rng.random() < 0.4:
            _buttons(s, rng, 4.0, rng.uniform(8, length * 0.9))
    if not short:
        s.line([(-hem, length * 0.93), (hem, length * 0.93)], s.ink(rng.uniform(0.0, 0.15)), 0.4)


def _body(
    s: Sketch,
    rng: random.Random,
    *,
    length: float,
    shoulder: float,
    neck: float,
    hem: float,
    chest: float = 0.0,
    waist: float = 0.0,
    waist_y: float = 0.0,
    sleeve: float = 0.0,
    spread: float = 0.2,
    cuff: float = 3.0,
    slope: float = 0.0,
    curve: float = 0.0,
    sleeve_shade: float = 0.94,
) -> None:
    """Paints sleeves, then the front over them. Widths are half-widths; `spread` is the sleeve's angle in radians."""
    chest = chest or shoulder * rng.uniform(0.9, 1.0)
    waist = waist or (chest + hem) / 2 * rng.uniform(0.94, 1.0)
    waist_y = waist_y or length * rng.uniform(0.5, 0.62)
    slope = slope or rng.uniform(1.3, 2.6)
    pit = slope + rng.uniform(4.4, 6.2) * min(1.0, chest / 6 + 0.15)
    if sleeve:
        dx, dy = math.sin(spread), math.cos(spread)
        end = (shoulder + dx * sleeve, slope + dy * sleeve)
        inner = (end[0] - dy * cuff, end[1] + dx * cuff * 0.6)
        bulge = rng.uniform(0.2, 0.6) if sleeve < 9 else rng.uniform(0.6, 1.7)
        elbow = (shoulder + dx * sleeve * 0.45 + bulge, slope + dy * sleeve * 0.45)
        arm = [(neck, 0.2), (shoulder, slope), elbow, end, inner, (chest - 0.4, pit)]
        if sleeve > 9:
            arm.insert(5, (elbow[0] - cuff * rng.uniform(1.1, 1.3), elbow[1] + 1))
        s.pair(arm, sleeve_shade, rounding=1.1)
        if sleeve > 9:  # a shadow where the sleeve hangs against the body
            shadow = rng.choice([0.0, rng.uniform(0.2, 0.5), rng.uniform(0.5, 0.8)])
            for side in (-1, 1):
                s.line([(side * chest, pit - 0.8), (side * (waist + 0.15), waist_y)], shadow, rng.uniform(0.7, 1.2))
        if sleeve > 9 and rng.random() < 0.5:
            back = rng.uniform(1.2, 2.2)
            for side in (-1, 1):
                band = [(side * (x - dx * back), y - dy * back) for x, y in (end, inner)]
                s.line(band, s.ink(rng.uniform(0.15, 0.4)), 0.5)
    half = [(neck, 0), (shoulder, slope), (chest - (0 if sleeve else 0.3), pit), (waist, waist_y),
            (hem, length - curve), (hem * 0.5, length)]  # fmt: skip
    s.symmetric(half, rounding=0.9)
    if sleeve and rng.random() < 0.8:  # the seams of the armholes
        shade = s.ink(rng.uniform(0.1, 0.35))
        for side in (-1, 1):
            middle = (side * chest * 0.93, (slope + pit) / 2)
            s.line([(side * shoulder, slope), middle, (side * chest, pit)], shade, 0.45)


def _neckline(s: Sketch, rng: random.Random, neck: float, style: str, hole: float = 0.15) -> float:
    """Paints what surrounds the neck, and returns the height at which the front begins.

    `hole` is how often the background shows through.
    """
    inside = 0.0 if rng.random() < hole else rng.choice([rng.uniform(0.45, 0.8), s.ink(rng.uniform(0.2, 0.5))])
    trim = s.ink(rng.uniform(0.12, 0.4))
    if style in ("crew", "scoop", "boat"):
        depth = {"crew": rng.uniform(1.4, 2.6), "scoop": rng.uniform(2.8, 5.2), "boat": rng.uniform(0.6, 1.2)}[style]
        width = neck * (1.25 if style == "boat" else 1)
        s.arc(0, -0.1, width, depth, inside, part="lower")
        s.arc(0, 0, width, depth + 0.2, trim, part="lower", width=0.5)
        return depth
    if style == "vee":
        depth = rng.uniform(3.2, 6.5)
        s.area([(-neck, -0.2), (neck, -0.2), (0, depth)], inside, rounding=0.3)
        s.line([(-neck, 0), (0, depth), (neck, 0)], trim, 0.5)
        return depth
    if style == "turtle":
        height = rng.uniform(1.2, 3.0)
        s.symmetric([(neck * 0.92, -height), (neck, 0.7)], s.ink(rng.uniform(0.0, 0.2)), rounding=0.7)
        s.line([(-neck, 0.6), (neck, 0.6)], trim, 0.5)
        return 1.0
    if style == "hood":
        width, height = neck * rng.uniform(1.25, 1.6), rng.uniform(1.6, 3.2)
        shade = rng.uniform(0.86, 1.0)
        s.symmetric([(width * 0.7, -height), (width, 0), (neck * 0.9, 2.8), (0, 4.0)], shade, rounding=1.2)
        s.symmetric([(width * 0.45, -height * 0.5), (neck * 0.62, 0.4), (0, 2.8)], inside or 0.4, rounding=0.8)
        return 3.2
    if style == "collar":  # standing, open at the throat
        height = rng.uniform(1.0, 2.2)
        s.symmetric([(neck * 0.95, -height), (neck * 1.05, 1.0)], 0.9, rounding=0.5)
        s.area([(-neck * 0.4, -height - 0.2), (neck * 0.4, -height - 0.2), (0, 2.6)], inside or 0.4, rounding=0.2)
        return 2.2
    depth = rng.uniform(6, 10) if style == "lapels" else rng.uniform(1.8, 3.0)
    s.area([(-neck, -0.3), (neck, -0.3), (0, depth)], inside or rng.uniform(0.3, 0.6), rounding=0.2)
    tip = rng.uniform(2.6, 3.8)
    fold = (neck * 1.05, tip) if style != "lapels" else (neck * 1.25, depth * 0.6)
    flap = [(neck * 0.75, -0.9), (neck + 0.6, 0.5), fold, (0.15, depth)]
    s.pair(flap, s.ink(rng.uniform(-0.14, 0.16)), rounding=0.3)
    for side in (-1, 1):
        s.line([(side * (neck + 0.6), 0.5), (side * fold[0], fold[1]), (side * 0.15, depth)], trim, 0.4)
    if style == "polo":
        s.line([(0, depth), (0, depth + rng.uniform(2, 4))], trim, 0.7)
    return depth


def _buttons(s: Sketch, rng: random.Random, top: float, bottom: float) -> None:
    s.line([(0.0, top), (0.0, bottom)], s.ink(rng.uniform(0.08, 0.42)), rng.uniform(0.4, 1.1))
    if rng.random() < 0.75:
        shade = s.ink(rng.uniform(0.3, 0.8))
        for y in np.arange(top + 1.0, bottom, rng.uniform(2.6, 3.6)):
            s.arc(0.1, y, 0.42, 0.42, shade)


def _chest_print(s: Sketch, rng: random.Random) -> None:
    shade, y = s.ink(rng.uniform(0.35, 0.85)), rng.uniform(7.5, 11)
    motif = rng.choice(["text", "text", "disc", "square", "band", "badge"])
    if motif == "text":
        for row in range(rng.randint(1, 3)):
            x = -rng.uniform(2.2, 4.4)
            while x < 3.4:
                step = rng.uniform(0.7, 1.5)
                s.line([(x, y + 2.1 * row - 0.6), (x + step * 0.5, y + 2.1 * row + 0.6)], shade, step * 0.6)
                x += step + 0.5
    elif motif == "disc":
        radius = rng.uniform(2.0, 3.6)
        s.arc(0, y + 2, radius, radius, shade, width=rng.choice([0.0, 0.8]))
        s.arc(rng.uniform(-0.8, 0.8), y + 2, radius * 0.45, radius * 0.45, s.ink(rng.uniform(-0.1, 0.4)))
    elif motif == "square":
        width, height = rng.uniform(2.2, 4.0), rng.uniform(3.5, 7)
        s.symmetric([(width, y), (width, y + height)], shade, rounding=0.2)
        for _ in range(4):
            blot = (width * rng.uniform(-0.7, 0.7), y + height * rng.uniform(0.2, 0.8))
            s.arc(*blot, 0.9, 0.7, s.ink(rng.uniform(0, 0.9)))
    elif motif == "band":
        s.symmetric([(5.6, y), (5.6, y + rng.uniform(1.5, 4))], shade, rounding=0.1)
    else:
        s.arc(rng.uniform(2.2, 3.2), y - 1.5, 0.8, 0.8, shade)
