"""Outdoors: a horizon over water, a windy night, a wood, a city in the evening."""

from __future__ import annotations

import math

import numpy as np

from projet1_artistes.sample.scenes import Scene, Sheet, waves


def horizon(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Hills, a sun and their reflection in water."""
    level = height * rng.uniform(0.5, 0.72)
    sun_x, sun_y, radius = width * rng.uniform(0.15, 0.85), level * rng.uniform(0.15, 0.7), rng.uniform(0.04, 0.09)
    clouds, ripple, noon = waves(rng, 1.5), waves(rng, 4), rng.uniform(0.75, 0.95)
    hills = [
        (waves(rng, pace), level * top * rng.uniform(0.6, 1.1), tone)
        for pace, top, tone in ((0.6, 0.6, 0.56), (0.9, 0.36, 0.36), (1.3, 0.13, 0.12))
    ]

    def scene(x, y):
        water = y > level
        below = np.where(water, (y - level) / (height - level), 0)
        x = x + water * 0.03 * ripple(0.4 * x, 5 * y)
        up = np.where(water, 2 * level - y, y)
        distance = np.hypot(x - sun_x, up - sun_y)
        sky = noon - 0.5 * (1 - up / level) + 0.13 * clouds(x, 2.5 * up) + 0.3 * np.exp(-((distance / 0.3) ** 2))
        sun = np.clip((radius - distance) / 0.02, 0, 1) + 0.35 * np.exp(-((distance / 0.25) ** 2))
        sheet = Sheet(sky, 0.25 * clouds(x, 2 * up), sun)
        grass = 0.04 * clouds(3 * x, 3 * up)
        for shape, top, tone in hills:
            line, further = shape(x, 0), shape(x + 0.05, 0)
            over = up - level + top * (0.75 + 0.3 * line)
            sheet.put(over > 0, tone + 0.7 * np.clip(over, 0, 0.3) + grass, 2 * top * (line - further))
        path = np.exp(-(((x - sun_x) / (radius * (0.7 + 1.5 * below))) ** 2)) * water
        glitter = path * (ripple(x, 9 * y) > 0)
        sheet.put(water, sheet.tone - 0.06 - 0.14 * below + 0.3 * glitter, 0.04, 0.6 * sheet.accent + 0.5 * glitter)
        return sheet

    return scene


def whirl(rng: np.random.Generator, width: float, height: float) -> Scene:
    """A windy night sky over hills."""
    count = int(rng.integers(3, 6))
    across = width * (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count
    stars = np.stack([across, rng.uniform(0.08, 0.62, count), rng.uniform(0.1, 0.26, count)], 1).astype(np.float32)
    wind, clouds, land, signs = waves(rng, 0.7), waves(rng, 1.6), waves(rng, 0.6), rng.choice((-1.0, 1.0), count)
    ground, night = height * rng.uniform(0.74, 0.86), rng.uniform(0.24, 0.42)

    def scene(x, y):
        right, down = np.ones_like(x), 0.5 * wind(x, y)
        tone, accent = night + 0.12 * clouds(0.6 * x, 1.8 * y), np.zeros_like(x)
        for (star_x, star_y, radius), sign in zip(stars, signs, strict=True):
            distance = np.hypot(x - star_x, y - star_y) + 1e-6
            near = np.exp(-((distance / radius) ** 2))
            right -= 6 * sign * near * (y - star_y) / distance
            down += 6 * sign * near * (x - star_x) / distance
            tone += near * (0.3 + 0.22 * np.cos(math.tau * distance / (0.42 * radius)))
            accent += np.clip((0.3 * radius - distance) / 0.02, 0, 1)
        angle = np.arctan2(down, right)
        sheet = Sheet(tone + 0.1 * np.sin(30 * (y * np.cos(angle) - x * np.sin(angle))), angle, accent)
        for rise, tone in ((0.0, 0.3), (0.09, 0.06)):
            over = y - ground - rise - 0.05 * land(x + 3 * rise, 0 * x)
            slope = 0.7 * (land(x + 3 * rise + 0.05, 0) - land(x + 3 * rise, 0))
            sheet.put(over > 0, tone + 0.9 * np.clip(over, 0, 1) + 0.05 * clouds(3 * x, 3 * y), slope)
        return sheet

    return scene


def wood(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Trunks against the light."""
    glow_x, glow_y, ground = (
        side * rng.uniform(low, high)
        for side, low, high in ((width, 0.25, 0.75), (height, 0.3, 0.55), (height, 0.66, 0.8))
    )
    depths = np.sort(rng.uniform(0, 1, int(rng.integers(9, 16))))
    trunks = [(depth, rng.uniform(0, width), rng.normal(0, 0.03)) for depth in depths]
    leaves, grass, haze, side = waves(rng, 6, 8), waves(rng, 3), waves(rng, 0.8), rng.choice((-1, 1))

    def scene(x, y):
        distance = np.hypot(x - glow_x, y - glow_y)
        air = haze(x, y)
        sheet = Sheet(1.02 - 0.62 * distance + 0.06 * air, math.pi / 2 + 0.3 * air)
        fallen = 0.8 * (leaves(x, 3 * y) > 0.9)
        sheet.put(y > ground, 0.66 - 0.5 * distance + 0.1 * grass(x, 3 * y), 0.15 * grass(x, y), fallen)
        for depth, place, lean in trunks:
            half = 0.007 + 0.04 * depth**2
            across = (x - place - lean * (y + 0.5 * np.sin(3 * y + 9 * place))) / half
            trunk = (np.abs(across) < 1) & (y < ground + 0.02 + 0.9 * (height - ground) * depth)
            sheet.put(trunk, 0.5 * (1 - depth) + 0.05 + 0.3 * np.clip(side * across, 0, 1) ** 2, math.pi / 2)
        crown = leaves(x, y) + 2.4 * (0.3 * height - y) / height + 0.6 * haze(2 * x, 2 * y) - 0.7
        gusts = haze(4 * x, 4 * y)
        sheet.put(crown > 0, 0.45 + 0.2 * leaves(2 * x, 2 * y), gusts, np.clip(0.5 + 0.5 * gusts, 0, 0.9))
        return sheet

    return scene


def city(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Lit houses by a river, in the evening."""
    level, radius = height * rng.uniform(0.66, 0.8), rng.uniform(0.04, 0.07)
    moon_x, moon_y = width * rng.uniform(0.15, 0.85), height * rng.uniform(0.08, 0.22)
    clouds, ripple, rows = waves(rng, 1), waves(rng, 5), []
    for tone, top in ((0.46, 0.7), (0.3, 0.5), (0.1, 0.28)):
        edges = np.cumsum(rng.uniform(0.1, 0.26, 25))
        rows.append((
            tone,
            edges,
            level * top * rng.uniform(0.55, 1.2, 26),
            rng.uniform(-0.08, 0.1, 26),
            rng.random((26, 40, 40)),
        ))

    def scene(x, y):
        water = y > level
        x = x + water * 0.015 * ripple(x, 5 * y)
        up = np.where(water, 2 * level - y, y).astype(np.float32)
        moon = np.clip((radius - np.hypot(x - moon_x, up - moon_y)) / 0.015, 0, 1)
        sheet = Sheet(0.5 + 0.45 * up / level + 0.08 * clouds(x, 2.5 * up), 0.2 * clouds(x, up), moon)
        for tone, edges, tops, hues, lit in rows:
            house = np.searchsorted(edges, x)
            over = up - level + tops[house]
            floor, window = (over / 0.075).astype(int) % 40, (x / 0.06).astype(int) % 40
            pane = (over % 0.075 > 0.03) & (x % 0.06 > 0.025) & (lit[house, floor, window] > 0.5 + tone)
            roof = 0.2 * (over < 0.02)
            sheet.put(over > 0, tone + hues[house] + 0.3 * np.clip(over, 0, 1) + roof, math.pi / 2, pane)
        sheet.put(water, sheet.tone - 0.05, 0.05 * ripple(x, y), 0.7 * sheet.accent)
        return sheet

    return scene
