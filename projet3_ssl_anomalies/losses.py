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
    """Returns the Prewitt gradient magnitude of images (n, h, w, 1), borders mirrored."""
    x = ops.pad(lightness, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    above, here, below = _neighbours(x, axis=1)
    left, _, right = _neighbours(above + here + below, axis=2)
    across = (right - left) / 3
    left, here, right = _neighbours(below - above, axis=2)
    down = (left + here + right) / 3
    return ops.sqrt(ops.square(across) + ops.square(down) + 1e-8)


def _neighbours(x, axis: int):
    """Returns what comes before each value that is not at an end of the axis, this value, and what comes after it.

    With TensorFlow, what `ops.slice` sends back costs a quarter of what x[:, 1:-1] does.
    """
    shape = [size - 2 * (i == axis) for i, size in enumerate(ops.shape(x))]
    return [ops.slice(x, [offset * (i == axis) for i in range(len(shape))], shape) for offset in range(3)]


def _block_means(x, side: int):
    """Returns the means of blocks of pixels, (n, h / side, w / side, 1).

    With TensorFlow on a processor, training through `ops.average_pool` costs several times as much.
    """
    n, height, width, _ = ops.shape(x)
    return ops.mean(ops.reshape(x, (n, height // side, side, width // side, side, 1)), axis=(2, 4))


def gradient_difference(first, second):
    """Returns 1 - the gradient magnitude similarity of the lightness, (n, h, w, 1).

    In 0..1. Similarity: Xue et al., IEEE TIP 23(2), 2014; its mean over scales halved
    each time: Zavrtanik et al. (RIAD), Pattern Recognition 112, 2021.
    """
    total, x, y = 0.0, first[..., :1], second[..., :1]
    for scale in range(SCALES):
        if scale:
            x, y = _block_means(x, 2), _block_means(y, 2)
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
        quarters = _block_means(x, WINDOW // 2)
        rows = quarters[:, 1:] + quarters[:, :-1]
        return (rows[:, :, 1:] + rows[:, :, :-1]) / 4

    x, y = (first[..., :1] + 1) / 2, (second[..., :1] + 1) / 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2, values ranging over L = 1
    means = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    return 1 - means * (2 * cov + c2) / (vx + vy + c2)
