"""How two images differ: the terms of the losses, and the channels of the error maps.

Images are in CIELAB divided by 50 (see `colour`), float32 of shape (n, h, w, 3).
"""

from __future__ import annotations

import commun.training  # noqa: F401, first: it chooses the default backend of Keras

from keras import ops  # isort: skip

WINDOW = 8  # side of the windows of SSIM, in pixels
SCALES = 4  # of the gradients, each half the one before
PLAIN = 0.01  # keeps the gradients of plain surfaces from counting


def colour_difference(first, second):
    """Returns the Euclidean distance of each pair of pixels over their channels, shape (n, h, w, 1)."""
    return ops.sqrt(ops.sum(ops.square(first - second), axis=-1, keepdims=True) + 1e-8)


def gradient(lightness):
    """Returns the Prewitt gradient magnitude of images (n, h, w, 1), borders mirrored.

    Sums of slices: on a processor, they cost less than convolutions of one channel.
    """
    x = ops.pad(lightness, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    columns = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    across = (rows[:, :, 2:] - rows[:, :, :-2]) / 3
    down = (columns[:, 2:] - columns[:, :-2]) / 3
    return ops.sqrt(ops.square(across) + ops.square(down) + 1e-8)


def gradient_difference(first, second):
    """Returns 1 - the gradient magnitude similarity of the lightness, (n, h, w, 1).

    In 0..1. Similarity: Xue et al., IEEE TIP 23(2), 2014; its mean over scales halved
    each time: Zavrtanik et al. (RIAD), Pattern Recognition 112, 2021.
    """
    total, x, y = 0.0, first[..., :1], second[..., :1]
    for scale in range(SCALES):
        if scale:
            x, y = ops.average_pool(x, 2, strides=2), ops.average_pool(y, 2, strides=2)
        gx, gy = gradient(x), gradient(y)
        difference = 1 - (2 * gx * gy + PLAIN) / (ops.square(gx) + ops.square(gy) + PLAIN)
        if scale:
            difference = ops.repeat(difference, 2**scale, axis=1)
            difference = ops.repeat(difference, 2**scale, axis=2)
        total = total + difference
    return total / SCALES


def structural_difference(first, second):
    """Returns 1 - SSIM of the lightness, (n, 2h / WINDOW - 1, 2w / WINDOW - 1, 1).

    In 0..2. Wang et al., IEEE TIP 13(4), 2004, on square windows that half overlap: a
    window at each pixel would double the cost of training. The lightness is brought to
    0..1: SSIM compares means by their ratio, so zero must be black.
    """

    def mean(x):
        return ops.average_pool(x, WINDOW, strides=WINDOW // 2)

    x, y = (first[..., :1] + 1) / 2, (second[..., :1] + 1) / 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2, values ranging over L = 1
    means = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    return 1 - means * (2 * cov + c2) / (vx + vy + c2)
