"""Bags: totes, clutches, satchels, duffels, pouches."""

from __future__ import annotations

import random

from projet2_cvae.sample.canvas import Sketch, pick


def bag(s: Sketch, rng: random.Random) -> None:
    """Sketches a bag."""
    shape = pick(rng, tote=0.22, clutch=0.15, satchel=0.18, shoulder=0.22, duffel=0.13, pouch=0.1)
    width = {"tote": 10.5, "clutch": 13.5, "satchel": 12.5, "shoulder": 11.5, "duffel": 13.5, "pouch": 9.5}[shape]
    width *= rng.uniform(0.9, 1.06)
    height = {"tote": 16, "clutch": 14, "satchel": 15, "shoulder": 15, "duffel": 12, "pouch": 16}[shape]
    height *= rng.uniform(0.75, 1.15)
    handle, trim = s.ink(rng.uniform(-0.2, 0.5)), s.ink(rng.uniform(0.2, 0.7))
    thick = rng.uniform(0.7, 1.4)
    taper = rng.uniform(0.84, 1.02) if shape in ("satchel", "shoulder", "clutch") else rng.uniform(0.74, 1.08)
    top = width * taper if shape != "pouch" else width * rng.uniform(0.55, 0.8)
    if shape in ("tote", "satchel", "duffel"):  # two handles, the far one darker and partly hidden
        span, rise = rng.uniform(0.34, 0.55) * top, rng.uniform(4, 10.5) * (0.7 if shape != "tote" else 1)
        for shift, shade in ((rng.uniform(0.3, 1.2), handle * 0.75), (0, handle)):
            s.arc(shift, 0.6, span, rise + shift, shade, part="upper", width=thick)
    elif shape != "clutch":  # one strap
        rise = rng.uniform(5, 12)
        s.arc(0, 1.2, top * rng.uniform(0.75, 0.96), rise, handle, part="upper", width=thick)
    elif rng.random() < 0.4:
        s.arc(width * 0.95, height * 0.4, 2.4, 4.5, handle, width=0.7)
    half = [(top, 0), (width, height * rng.uniform(0.55, 0.85)), (width * rng.uniform(0.93, 1.0), height)]
    s.symmetric(half, rounding=rng.uniform(0.6, 3.2) if shape != "duffel" else rng.uniform(3, 5))
    if shape in ("shoulder", "clutch") or (shape == "satchel" and rng.random() < 0.5):  # a flap and its clasp
        low = height * rng.uniform(0.35, 0.68)
        s.symmetric([(top, 0), (top * 1.01, low * 0.7), (top * 0.55, low)], s.ink(rng.uniform(-0.12, 0.2)),
                    rounding=rng.uniform(0.5, 2.5))  # fmt: skip
        s.line([(-top, low * 0.7), (-top * 0.55, low), (top * 0.55, low), (top, low * 0.7)], trim, 0.5)
        if rng.random() < 0.7:
            s.arc(0, low, rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.2), s.ink(rng.uniform(0.5, 0.9)))
    else:
        y = rng.uniform(1.2, 3.0)
        s.line([(-top, y), (top, y)], trim, rng.uniform(0.5, 0.9))
        if rng.random() < 0.45:
            pocket, y = width * rng.uniform(0.45, 0.75), height * rng.uniform(0.45, 0.6)
            low = height * 0.9
            s.line([(-pocket, y), (pocket, y), (pocket, low), (-pocket, low), (-pocket, y)], trim, 0.5)
        if rng.random() < 0.3:
            for side in (-1, 1):
                s.line([(side * top * 0.48, 0), (side * width * 0.5, height)], trim, 0.8)
    if rng.random() < 0.25:
        s.arc(rng.uniform(-5, 5), height * rng.uniform(0.35, 0.7), rng.uniform(0.8, 2.2), rng.uniform(0.5, 1.2), trim)
