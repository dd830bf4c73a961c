"""Near-duplicates: copies are found, strangers are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from test_projet1_dataset import picture

from projet1_artistes import duplicates


def squares(pictures: list[Image.Image], side: int = 128) -> np.ndarray:
    return np.stack([np.asarray(image.convert("RGB").resize((side, side))) for image in pictures])


def recompressed(image: Image.Image, quality: int = 40) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def test_copies_are_found_and_strangers_are_not():
    originals = [picture(seed, (128, 128)) for seed in range(40)]
    copies = [
        recompressed(originals[3]),
        originals[7].resize((50, 50)),
        ImageEnhance.Brightness(originals[11]).enhance(1.2),
        ImageOps.grayscale(originals[20]),
        originals[30].crop((3, 3, 125, 125)),
    ]
    pairs = duplicates.near_duplicates(squares(originals + copies))
    assert {tuple(pair) for pair in pairs} == {(3, 40), (7, 41), (11, 42), (20, 43), (30, 44)}
    assert pairs.dtype == np.int64


def test_no_pairs_without_images():
    assert duplicates.near_duplicates(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 2)
    assert duplicates.near_duplicates(squares([picture(0)])).shape == (0, 2)


def test_flat_pictures_are_not_errors():
    flat = np.full((3, 64, 64, 3), 120, np.uint8)
    assert np.isfinite(duplicates.details(flat)).all()
    assert duplicates.perceptual_hash(flat).shape == (3, 63)
    duplicates.near_duplicates(flat)


def test_a_hash_says_which_low_frequencies_are_strong():
    x = (np.arange(64) + 0.5) * np.pi / 64
    waves = [np.outer(np.cos(3 * x), np.cos(2 * x)), np.outer(np.cos(5 * x), np.ones(64))]
    images = np.stack([np.repeat((127 + 120 * w)[..., None], 3, axis=2) for w in waves]).astype(np.uint8)
    hashes = duplicates.perceptual_hash(images)
    assert hashes.dtype == bool and hashes[0, 3 * 8 + 2 - 1] and hashes[1, 5 * 8 - 1]
    brighter = np.clip(images.astype(int) + 8, 0, 255).astype(np.uint8)
    assert duplicates.perceptual_hash(brighter)[0, 25] and duplicates.perceptual_hash(brighter)[1, 39]
    with pytest.raises(ValueError, match="multiple of 32"):
        duplicates.perceptual_hash(np.zeros((1, 40, 40, 3), np.uint8))


def test_details_are_correlations():
    fine = duplicates.details(squares([picture(seed) for seed in range(6)]))
    assert fine.shape == (6, 1024) and fine.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fine, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(fine.mean(axis=1), 0, atol=1e-6)
    darker = duplicates.details(squares([ImageEnhance.Brightness(picture(seed)).enhance(0.6) for seed in range(6)]))
    assert ((fine * darker).sum(axis=1) > 0.98).all()
    assert np.abs(fine @ fine.T - np.eye(6)).max() < 0.5


@pytest.mark.parametrize("compared", [1, 60, 1000])
@pytest.mark.parametrize("distance", [0, 5, 20, 63])
def test_close_pairs_are_those_of_a_double_loop(monkeypatch, compared, distance):
    monkeypatch.setattr(duplicates, "COMPARED", compared)
    random = np.random.default_rng(distance)
    base = random.random((6, 63)) < 0.5
    hashes = base[random.integers(0, 6, 20)] ^ (random.random((20, 63)) < 0.08)
    found = duplicates.close_pairs(hashes, distance=distance)
    expected = [(i, j) for i in range(20) for j in range(i + 1, 20) if (hashes[i] ^ hashes[j]).sum() <= distance]
    assert [tuple(pair) for pair in found] == expected


def test_connected_links_links():
    pairs = np.array([(0, 4), (4, 2), (5, 6)])
    groups = duplicates.connected(pairs, 8)
    assert groups.dtype == np.int64
    assert groups[0] == groups[4] == groups[2] and groups[5] == groups[6]
    assert len(set(groups)) == 5
    assert sorted(duplicates.connected(np.empty((0, 2), np.int64), 4)) == [0, 1, 2, 3]


def test_a_part_of_a_file_of_pixels_is_that_part(tmp_path):
    squares([picture(seed) for seed in range(23)]).tofile(tmp_path / "pixels")
    pixels = np.memmap(tmp_path / "pixels", np.uint8, "r", shape=(23, 128, 128, 3))
    hashes, fine = duplicates.perceptual_hash(np.array(pixels)), duplicates.details(np.array(pixels))
    for rows in (slice(None), slice(3, 9), slice(20, None, -2)):
        np.testing.assert_array_equal(duplicates.perceptual_hash(pixels[rows]), hashes[rows])
        np.testing.assert_allclose(duplicates.details(pixels[rows]), fine[rows], atol=1e-6)
    np.testing.assert_array_equal(duplicates.near_duplicates(pixels), duplicates.near_duplicates(np.array(pixels)))
