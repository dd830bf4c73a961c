"""Cloth, laid over all pictures at once: light, folds, patterns, grain."""

from __future__ import annotations

import numpy as np

from projet2_cvae.sample.canvas import SIDE

_PATTERNS = ("plain", "stripes", "bars", "checks", "speckle", "print", "dots")
_PATTERN_WEIGHTS = (  # how often each class wears each pattern
    (0.78, 0.10, 0.01, 0.01, 0.04, 0.04, 0.02),
    (0.91, 0.00, 0.02, 0.01, 0.04, 0.02, 0.00),
    (0.77, 0.11, 0.02, 0.01, 0.06, 0.02, 0.01),
    (0.65, 0.08, 0.04, 0.04, 0.05, 0.10, 0.04),
    (0.86, 0.02, 0.02, 0.03, 0.05, 0.02, 0.00),
    (0.96, 0.00, 0.00, 0.00, 0.03, 0.01, 0.00),
    (0.64, 0.06, 0.06, 0.11, 0.04, 0.06, 0.03),
    (0.95, 0.00, 0.00, 0.01, 0.03, 0.01, 0.00),
    (0.85, 0.02, 0.02, 0.03, 0.05, 0.02, 0.01),
    (0.95, 0.00, 0.00, 0.00, 0.04, 0.01, 0.00),
)


def cloth_light(shapes: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns what multiplies the drawn greys: light, folds, edges, patterns, grain; float32 (n, 28, 28), about 1."""
    n = len(labels)

    def each(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)

    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    light, soft = _smooth_noise(rng, n, 3), _smooth_noise(rng, n, 6)
    angle = each(-0.3, 0.3)
    across = x * np.cos(angle) + y * np.sin(angle) + 1.2 * soft
    folds = np.maximum(np.sin(across * each(0.45, 1.3) + each(0, 6.3)), 0) ** 2 - 0.3  # narrow ridges, hanging
    inside = _blur((shapes > 0).astype(np.float32), 1.6)
    field = 1.08 + each(0.02, 0.08) * light + each(0.01, 0.06) * soft + each(0, 0.16) * folds * (0.6 + 0.4 * light)
    field += each(-0.05, 0.3) * (0.9 - inside)  # edges catch the light, or lose it
    field *= 1 + _patterns(labels, rng, x, y)
    field += each(0.005, 0.03) * rng.standard_normal((n, SIDE, SIDE), dtype=np.float32)
    return field


def _patterns(labels: np.ndarray, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the weave of each image, float32 (n, 28, 28), -0.6..0.4; 0 for a plain one."""
    limits = np.cumsum(np.array(_PATTERN_WEIGHTS), axis=1)[labels]
    pattern_ids = np.minimum((rng.random((len(labels), 1)) > limits).sum(1), len(_PATTERNS) - 1)
    result = np.zeros((len(labels), SIDE, SIDE), dtype=np.float32)
    for pattern in range(1, len(_PATTERNS)):
        rows = np.flatnonzero(pattern_ids == pattern)
        result[rows] = _weave(_PATTERNS[pattern], len(rows), rng, x, y)
    return result


def _weave(name: str, n: int, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    def each(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (n, 1, 1)).astype(np.float32)

    phase, strength = each(0, 6.3), each(0.06, 0.36)
    rows = np.tanh(each(1, 3) * np.sin(y * each(0.9, 2.6) + phase))
    columns = np.tanh(each(1, 3) * np.sin(x * each(0.9, 2.6) + phase))
    if name == "stripes":
        wave = rows
    elif name == "bars":
        wave = columns
    elif name == "checks":
        wave = 0.6 * (rows + columns)
    elif name == "dots":
        wave = 2 * np.maximum(rows * columns, 0) - 0.5
    elif name == "speckle":
        wave = np.clip(rng.standard_normal((n, SIDE, SIDE), dtype=np.float32), -1.4, 1.4) * 0.7
    else:
        wave = 0.9 * np.tanh(1.3 * _smooth_noise(rng, n, 20))
    return strength * (wave - 0.25)


def _smooth_noise(rng: np.random.Generator, n: int, knots: int) -> np.ndarray:
    """Returns random fields of about unit size that vary over 28 / `knots` pixels; float32 (n, 28, 28)."""
    place = np.linspace(0, knots - 1, SIDE)[:, None] - np.arange(knots)
    spread = np.exp(-1.5 * place**2).astype(np.float32)
    spread /= np.sqrt((spread**2).sum(1, keepdims=True))
    return spread @ rng.standard_normal((n, knots, knots), dtype=np.float32) @ spread.T


def sharpen(images: np.ndarray) -> np.ndarray:
    """Makes lines and edges crisp, as the real pictures were; float32 (n, 28, 28)."""
    return images + 0.55 * (images - _blur(images, 0.9))


def _blur(images: np.ndarray, radius: float) -> np.ndarray:
    """Averages with a Gaussian weight of standard deviation `radius` pixels; float32 (n, 28, 28)."""
    distance = np.arange(SIDE)[:, None] - np.arange(SIDE)
    kernel = np.exp(-((distance / radius) ** 2) / 2).astype(np.float32)
    kernel /= kernel[SIDE // 2].sum()
    return kernel @ images @ kernel
