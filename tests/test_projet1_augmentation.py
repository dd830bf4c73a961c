"""What the network is shown: transforms that stay inside the picture, oversampling, weights, mixed batches."""

import dataclasses

import numpy as np
import pytest

from projet1_artistes import augmentation
from projet1_artistes.augmentation import NONE, Transforms


def picture(height=60, width=60, seed=0):
    return np.random.default_rng(seed).integers(40, 200, (height, width, 3)).astype(np.uint8)


def test_without_transforms_the_whole_work_is_shown():
    image = picture()
    shown = augmentation.transform(image, 60, np.random.default_rng(0), NONE)
    np.testing.assert_array_equal(shown, image)
    np.testing.assert_array_equal(shown, augmentation.resize_all(image[None], 60)[0])


@pytest.mark.parametrize("size", [(60, 60), (50, 90), (90, 40)])
def test_a_transformed_work_never_shows_anything_but_the_work(size):
    """A flat picture stays flat: neither a black corner nor a border comes in."""
    flat = np.full((*size, 3), 130, np.uint8)
    random = np.random.default_rng(1)
    settings = Transforms(scale=(0.2, 1), ratio=2.0, degrees=30, brightness_contrast=0)
    for _ in range(60):
        shown = augmentation.transform(flat, 32, random, settings)
        assert shown.shape == (32, 32, 3)
        assert shown.dtype == np.float32
        np.testing.assert_allclose(shown, 130, atol=1)


def test_transforms_are_a_function_of_their_draw():
    image = picture()
    first, again, other = (
        augmentation.transform(image, 32, np.random.default_rng(seed), Transforms()) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 1


def test_half_of_the_works_are_mirrored():
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20] = 200
    settings = dataclasses.replace(NONE, flip=True)
    random = np.random.default_rng(0)
    left = [augmentation.transform(image, 40, random, settings)[0, 0, 0] > 100 for _ in range(400)]
    assert 160 < sum(left) < 240


def test_a_crop_keeps_at_least_its_share_of_the_picture():
    """On a horizontal ramp, the range of values that is left tells the width of the crop."""
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], (200, 1, 3))
    random, settings = np.random.default_rng(0), dataclasses.replace(NONE, scale=(0.25, 1))
    widths = [np.ptp(augmentation.transform(ramp, 64, random, settings)) / 255 for _ in range(200)]
    assert min(widths) > 0.47
    assert max(widths) > 0.9


def test_the_light_changes_within_its_limits():
    flat, random = np.full((20, 20, 3), 100, np.uint8), np.random.default_rng(0)
    settings = dataclasses.replace(NONE, brightness_contrast=0.1)
    means = [augmentation.transform(flat, 20, random, settings).mean() for _ in range(200)]
    assert 89 < min(means) < 95
    assert 105 < max(means) < 111


def test_works_are_presented_whole_at_the_side_that_is_asked():
    images = np.stack([picture(seed=1), picture(seed=2)])
    assert augmentation.resize_all(images, 30).shape == (2, 30, 30, 3)
    assert augmentation.resize_all(images[:0], 30).shape == (0, 30, 30, 3)
    np.testing.assert_allclose(augmentation.resize_all(images, 30).mean(), images.mean(), atol=1)


# --- How often -------------------------------------------------------------------------------------------------------

LABELS = np.repeat([0, 1, 2], [12, 50, 120])


@pytest.mark.parametrize("threshold", [0, 1, 30, 100])
def test_small_artists_are_shown_as_often_as_one_of_so_many_works(threshold):
    order = augmentation.oversampled_indices(LABELS, threshold, seed=0)
    shown = np.bincount(LABELS[order], minlength=3)
    np.testing.assert_array_equal(shown, np.maximum([12, 50, 120], threshold))
    times = np.bincount(order, minlength=len(LABELS))
    for artist in range(3):
        assert np.ptp(times[artist == LABELS]) <= 1
    assert times.min() >= 1


def test_the_seed_draws_the_works_that_are_shown_once_more():
    first, again, other = (augmentation.oversampled_indices(LABELS, 100, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(np.bincount(first), np.bincount(other))


def test_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    weights = augmentation.class_weights(LABELS, 4)
    np.testing.assert_allclose(weights[:3], compute_class_weight("balanced", classes=np.arange(3), y=LABELS), rtol=1e-6)
    assert weights[3] == 0
    np.testing.assert_allclose(weights[LABELS].mean(), 1, rtol=1e-6)


# --- CutMix ----------------------------------------------------------------------------------------------------------


def test_a_mixed_batch_mixes_targets_by_area():
    images = np.zeros((8, 20, 20, 3), np.float32) + np.arange(8, dtype=np.float32)[:, None, None, None]
    targets = np.eye(8, dtype=np.float32)
    mixed, soft = augmentation.cutmix(images, targets, np.random.default_rng(2), 1.0)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-6)
    for i in range(8):
        for j in range(8):
            np.testing.assert_allclose((mixed[i, :, :, 0] == j).mean(), soft[i, j], atol=1e-6)
    np.testing.assert_array_equal(images[3], 3)  # the arguments are left as they were


def test_no_probability_mixes_nothing():
    images, targets = np.ones((4, 8, 8, 3), np.float32), np.eye(4, dtype=np.float32)
    same, kept = augmentation.cutmix(images, targets, np.random.default_rng(0), 0.0)
    assert same is images
    assert kept is targets
