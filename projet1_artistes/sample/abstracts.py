"""Abstract works: painted squares, coloured rings."""

from __future__ import annotations

import math

import numpy as np

from projet1_artistes.sample.scenes import Scene, Sheet, waves


def grid(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Painted squares, some cut in two, some with a disc."""
    columns, rows = (np.cumsum(rng.uniform(0.5, 1.5, int(rng.integers(3, 8)))) for _ in range(2))
    columns, rows = np.append(0, columns) / columns[-1] * width, np.append(0, rows) / rows[-1] * height
    tones, draws = rng.uniform(0, 1, (2, len(columns), len(rows)))
    warp, light, amount = waves(rng, 0.7), waves(rng, 0.6), rng.uniform(0.005, 0.03)

    def scene(x, y):
        x, y = x + amount * warp(x, y), y + amount * warp(y, x)
        i, j = np.searchsorted(columns[1:-1], x), np.searchsorted(rows[1:-1], y)
        u, v = (x - columns[i]) / (columns[i + 1] - columns[i]), (y - rows[j]) / (rows[j + 1] - rows[j])
        choice, tone = draws[i, j], tones[i, j]
        cut = np.choose((10 * choice).astype(int), [u > v, u + v > 1, np.hypot(u - 0.5, v - 0.5) < 0.34] + 7 * [u > 9])
        tone = np.where(cut, (tone + 0.45) % 1, tone) + 0.1 * light(x, y) - 0.12 * v
        return Sheet(tone.astype(np.float32), np.where((i + j) % 2, 0.1, math.pi / 2), choice > 0.86)

    return scene


def discs(rng: np.random.Generator, width: float, height: float) -> Scene:
    """Coloured rings, cut into quarters."""
    count = int(rng.integers(4, 8))
    rings = zip(*rng.uniform(0.1, 0.9, (2, count)), np.sort(rng.uniform(0.14, 0.48, count))[::-1], strict=True)
    rings = [(width * x, height * y, size, rng.uniform(0, 1, (2, 5, 4))) for x, y, size in rings]
    light, far = waves(rng, 0.7), rng.uniform(0.2, 0.9, 4)

    def scene(x, y):
        tone = far[2 * (x > 0.5 * width) + (y > 0.5 * height)].astype(np.float32)
        sheet = Sheet(tone + 0.06 * light(x, y), 0.6 + 0.4 * light(x, y))
        for disc_x, disc_y, size, (tones, draws) in rings:
            distance, bearing = np.hypot(x - disc_x, y - disc_y) / size, np.arctan2(y - disc_y, x - disc_x)
            part = np.clip(5 * distance, 0, 4).astype(int), ((bearing + 9 * size) / (math.pi / 2)).astype(int) % 4
            sheet.put(distance < 1, tones[part] + 0.06 * light(x, y), bearing + math.pi / 2, draws[part] > 0.85)
        return sheet

    return scene
