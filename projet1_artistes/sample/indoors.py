"""Indoors: a sitter, flowers in a vase."""

from __future__ import annotations

import math

import numpy as np

from projet1_artistes.sample.scenes import Scene, Sheet, waves


def face(rng: np.random.Generator, width: float, height: float) -> Scene:
    """A sitter with closed eyes, half in the light."""
    middle, level = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.32, 0.52)
    half, turn = rng.uniform(0.12, 0.25), rng.uniform(-0.4, 0.4)
    tall = half * rng.uniform(1.4, 1.7)
    side, hair, long = rng.choice((-1, 1)), rng.uniform(0.04, 0.6), rng.uniform(0.6, 1.8)
    wall, folds, back, cloth = waves(rng, 0.7), waves(rng, 2), rng.uniform(0.08, 0.85), rng.uniform(0.1, 1)

    def scene(x, y):
        u, v = (x - middle) / half, (y - level) / tall
        sheet = Sheet(back + 0.22 * wall(x, y) - 0.25 * side * (x - middle), 0.9 + 0.4 * wall(x, y), 0.2 * cloth)
        around = np.arctan2(u / half, -v / tall)
        sheet.put((u / 1.32) ** 2 + ((v + 0.12) / 1.18) ** 2 < 1, hair + 0.1 * np.cos(14 * np.hypot(u, v)), around)
        sheet.put((np.abs(u) < 1.3) & (v > 0) & (v < long), hair + 0.1 * np.cos(14 * u), math.pi / 2 - 0.2 * u)
        line = u - turn * (1 - v**2) - 0.06 * side * np.clip(4 * v, 0, 1)  # from the brow down the nose to the chin
        lit = np.clip(0.5 + 8 * side * line, 0, 1)
        skin = 0.5 + 0.3 * lit - 0.08 * (u**2 + v**2) + 0.04 * wall(4 * x, 4 * y)
        sheet.put((np.abs(u) < 0.42) & (v > 0) & (v < 1.8), skin - 0.12, math.pi / 2)
        bust = ((x - middle) / 0.46) ** 2 + ((y - level - 2.2 * tall) / tall) ** 2 < 1
        collar = (u / 0.7) ** 2 + ((v - 1.15) / 0.42) ** 2 > 1
        fold = 0.3 + 0.1 * folds(2 * x, y) + 0.4 * side * (x - middle)
        sheet.put(bust & collar, fold, math.pi / 2 - 1.1 * np.tanh(3 * (x - middle)), cloth)
        meridian = np.arctan2(1, -1.2 * u * v * half / tall)
        sheet.put((u / (1 - 0.12 * v)) ** 2 + v**2 < np.where(v < -0.55, 0.75, 1), skin, meridian)
        for eye in (-0.45, 0.45):
            e = (u - turn - eye * (1 - 0.3 * side * turn)) / 0.27
            for place, curve, dark in ((-0.3, -0.07, 0.2), (-0.06, 0.08, 0.1)):
                stroke = np.abs(v - place - curve * (1 - e**2)) < 0.032
                sheet.put(stroke & (np.abs(e) < 1), dark, -2 * curve * e)
        sheet.put((np.abs(line) < 0.05) & (v > -0.25) & (v < 0.28), 0.22, math.pi / 2)
        mouth = ((u - 0.9 * turn) / 0.28) ** 2 + ((v - 0.55 - 0.03 * np.cos(9 * (u - turn))) / 0.06) ** 2 < 1
        sheet.put(mouth, 0.32, 0.0)
        return sheet

    return scene


def bouquet(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Flowers in a vase."""
    count = int(rng.integers(8, 14))
    turn, reach = rng.uniform(0, math.tau, count), np.sqrt(rng.uniform(0, 1, count))
    flower_x, flower_y = 0.32 * width * reach * np.cos(turn), 0.25 * height * reach * np.sin(turn) - 0.12 * height
    flowers = list(zip(flower_x, flower_y, rng.uniform(0.08, 0.17, count), rng.uniform(0.5, 0.95, count), strict=True))
    petals, back, leaf, wall = rng.integers(5, 9), rng.choice((0.1, 0.88)), waves(rng, 4), waves(rng, 0.7)
    table, jar = height * rng.uniform(0.24, 0.32), rng.uniform(0.1, 0.15)

    def scene(x, y):
        x, y = x - np.float32(width / 2), y - np.float32(height / 2)
        sheet = Sheet(back + 0.08 * wall(x, y), 0.7 + 0.5 * wall(x, y))
        sheet.put(y > table, 0.62 + 0.06 * wall(3 * x, y), 0.0)
        spread = np.hypot(x / (0.42 * width), (y + 0.11 * height) / (0.35 * height)) + 0.07 * leaf(x, y)
        sheet.put(spread < 0.9, 0.22 + 0.1 * leaf(y, x), np.arctan2(y - table, x) + 0.5 * leaf(y, x))
        v = (y - table) / (0.17 * height)
        u = x / (jar * (1 + 0.25 * np.cos(3 * v)))
        sheet.put((np.abs(u) < 1) & (np.abs(v) < 1), 0.7 - 0.5 * u**2 - 0.25 * u, math.pi / 2 + 0.2 * u, 0.35)
        for flower_x, flower_y, size, tone in flowers:
            distance = np.hypot(x - flower_x, y - flower_y) / size
            bearing = np.arctan2(y - flower_y, x - flower_x)
            petal = np.abs(np.cos(0.5 * petals * bearing + 40 * size))
            sheet.put(distance < 0.65 + 0.35 * petal, tone - 0.4 * (1 - petal) + 0.2 * (distance - 0.5), bearing)
            sheet.put(distance < 0.25, 0.5, bearing + math.pi / 2, 1)
        return sheet

    return scene
