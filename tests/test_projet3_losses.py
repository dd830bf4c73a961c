"""Colours and differences of project 3: what the losses and the error maps are made of.

Backend-neutral: `make test-jax` runs this file too.
"""

from __future__ import annotations

import numpy as np
import pytest
from anomalies import SIDE, noise, parts
from scipy import ndimage

from projet3_ssl_anomalies import losses
from projet3_ssl_anomalies.colour import to_lab, to_rgb

# --- Colour ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((128, 128, 128), (53.59, 0, 0)),
    ],
)
def test_colours_known_in_cielab(rgb: tuple, expected: tuple) -> None:
    found = to_lab(np.array(rgb, "uint8"))
    assert found.shape == (3,) and found.dtype == np.float32
    np.testing.assert_allclose((found + [1, 0, 0]) * 50, expected, atol=0.02)


def test_every_colour_comes_back() -> None:
    levels = np.arange(0, 256, 5)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).astype("uint8")
    greys = np.repeat(np.arange(256, dtype="uint8")[:, None], 3, axis=1)
    for colours in (cube, greys):
        lab = to_lab(colours)
        assert lab.shape == colours.shape and -1 - 1e-6 <= lab[..., 0].min() <= lab[..., 0].max() <= 1 + 1e-6
        back = to_rgb(lab)
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, colours)


def test_colours_out_of_srgb_are_clipped() -> None:
    far = np.array([[2, 0, 0], [-2, 0, 0], [0, 4, 0], [0, -4, 0]], "float32")
    white, black, red, green = to_rgb(far)
    assert white.tolist() == [255] * 3 and black.tolist() == [0] * 3
    assert (red[0], red[1]) == (255, 0) and (green[0], green[1] > 100) == (0, True)


# --- How two images differ -------------------------------------------------------------------------------------------


def _gradient(lightness: np.ndarray) -> np.ndarray:
    return np.hypot(*(ndimage.prewitt(lightness, axis=a, mode="reflect") / 3 for a in (0, 1)))


def test_gradient_of_a_ramp() -> None:
    y, x = np.indices((16, 24)).astype("float32")
    found = np.asarray(losses.gradient((0.03 * x + 0.04 * y)[None, ..., None]))
    assert found.shape == (1, 16, 24, 1)
    np.testing.assert_allclose(found[0, 1:-1, 1:-1, 0], 2 * 0.05, rtol=1e-3)  # from a pixel to the next but one
    np.testing.assert_allclose(found[0, 1:-1, 0, 0], np.hypot(0.03, 2 * 0.04), rtol=1e-3)  # mirrored: half across
    np.testing.assert_allclose(found[0, 0, 0, 0], 0.05, rtol=1e-3)


def test_gradient_is_that_of_prewitt_up_to_the_borders() -> None:
    images = noise(3, 16, 24, 1)
    expected = np.stack([_gradient(image[..., 0]) for image in images])
    np.testing.assert_allclose(np.asarray(losses.gradient(images))[..., 0], expected, atol=2e-4)


def test_gradient_difference_is_the_mean_over_scales() -> None:
    first, second = 0.2 * noise(2, 1, SIDE, SIDE, 3)
    expected = np.zeros((SIDE, SIDE))
    for block in (1, 2, 4, 8):
        shape = (SIDE // block, block, SIDE // block, block)
        gx, gy = (_gradient(a[0, ..., 0].reshape(shape).mean(axis=(1, 3))) for a in (first, second))
        expected += np.kron(1 - (2 * gx * gy + 0.01) / (gx**2 + gy**2 + 0.01), np.ones((block, block))) / 4
    found = np.asarray(losses.gradient_difference(first, second))
    assert found.shape == (1, SIDE, SIDE, 1)
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1e-4)


def test_gradient_difference_compares_contours_alone() -> None:
    first, second = to_lab(parts(2))[:, None]
    found = np.asarray(losses.gradient_difference(first, second))
    assert found.min() >= 0 and 0.1 < found.max() < 1
    np.testing.assert_allclose(found, np.asarray(losses.gradient_difference(second, first)), atol=1e-6)
    for same in (first, first + np.float32([0.3, -0.2, 0.5])):  # paler, and of another colour
        np.testing.assert_allclose(np.asarray(losses.gradient_difference(first, same)), 0, atol=1e-5)


def test_colour_difference_is_euclidean() -> None:
    first = to_lab(parts(2))
    found = np.asarray(losses.colour_difference(first, first + np.float32([0.2, -0.3, 0.6])))
    assert found.shape == (2, SIDE, SIDE, 1)
    np.testing.assert_allclose(found, 0.7, rtol=1e-5)
    assert np.asarray(losses.colour_difference(first, first)).max() < 2e-4


def _ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """SSIM of two lightness pictures in 0..1, by its definition, on windows of 8 pixels, 4 apart."""
    c1, c2 = (0.01 * 1) ** 2, (0.03 * 1) ** 2
    found = np.empty((first.shape[0] // 4 - 1, first.shape[1] // 4 - 1))
    for row, column in np.ndindex(*found.shape):
        x, y = (a[4 * row : 4 * row + 8, 4 * column : 4 * column + 8].astype("float64") for a in (first, second))
        covariance = ((x - x.mean()) * (y - y.mean())).mean()
        luminance = (2 * x.mean() * y.mean() + c1) / (x.mean() ** 2 + y.mean() ** 2 + c1)
        found[row, column] = luminance * (2 * covariance + c2) / (x.var() + y.var() + c2)
    return found


def test_structural_difference_is_one_minus_ssim_of_the_lightness_from_black_to_white() -> None:
    first, second = to_lab(parts(2))
    second = second + 0.05 * noise(SIDE, SIDE, 3)
    expected = 1 - _ssim(*((image[..., 0] + 1) / 2 for image in (first, second)))
    found = np.asarray(losses.structural_difference(first[None], second[None]))
    assert found.shape == (1, 7, 7, 1)
    np.testing.assert_allclose(found[0, ..., 0], expected, atol=1e-3)
    np.testing.assert_allclose(np.asarray(losses.structural_difference(first[None], first[None])), 0, atol=1e-4)


def test_structural_difference_on_a_plain_ground_is_that_of_its_means() -> None:
    """Two plain pictures of lightness 0.25 and 0.3: only means differ, (2 xy + C1) / (x^2 + y^2 + C1)."""
    first, second = (np.full((1, 16, 16, 3), 2 * level - 1, "float32") for level in (0.25, 0.3))
    expected = 1 - (2 * 0.25 * 0.3 + 1e-4) / (0.25**2 + 0.3**2 + 1e-4)
    np.testing.assert_allclose(np.asarray(losses.structural_difference(first, second)), expected, atol=1e-4)


def test_the_same_error_weighs_alike_in_mid_grey_and_next_to_it() -> None:
    """Lightness centred on zero gave 1.24 on mid-grey, where means cancel, and .003 on a light ground."""
    differences = {}
    for level in (-0.4, 0.0, 0.4, 0.8):  # from dark to light
        ground = np.full((1, 16, 16, 3), level, "float32")
        texture = 0.1 * np.sign(np.indices((16, 16)).sum(axis=0) % 4 - 1.5)[None, ..., None]
        first, second = (ground + texture + step for step in (-0.05, 0.05))
        differences[level] = float(np.asarray(losses.structural_difference(first, second)).mean())
    assert all(0 < value < 0.1 for value in differences.values())
    assert differences[-0.4] > differences[0.0] > differences[0.4] > differences[0.8]  # relative to the lightness
    assert differences[-0.4] < 20 * differences[0.8]
