"""The synthetic twin of Fashion-MNIST: reproducible, readable by the common loader, balanced, varied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from atelier import donnees
from commun.datasets import IDX_FILES, read_idx
from commun.sources import code_hash
from projet2_cvae import sample
from projet2_cvae.sample import garments

TRAIN, TEST = 203, 100  # 203: not a multiple of the number of classes


def _read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {part: tuple(read_idx(folder / name) for name in names) for part, names in IDX_FILES.items()}


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("échantillon") / "un dossier"
    sample.draw(path, train=TRAIN, test=TEST)
    return path


@pytest.fixture(scope="module")
def gallery() -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 40)
    return sample.draw_images(labels, seed=0), labels


def test_drawing_again_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    sample.draw(tmp_path, train=TRAIN, test=TEST)
    assert _bytes(tmp_path) == _bytes(folder)


def test_another_seed_gives_other_images() -> None:
    first, second = (sample.draw_images(np.arange(10), seed=seed) for seed in (3, 4))
    assert (first != second).any(axis=(1, 2)).all()


def test_files_do_not_carry_the_time_of_writing(folder: Path) -> None:
    assert all(data[4:8] == bytes(4) for data in _bytes(folder).values())  # RFC 1952: bytes 4 to 7 are the time


def test_layout_is_the_official_one(folder: Path) -> None:
    assert sorted(_bytes(folder)) == sorted(name for names in IDX_FILES.values() for name in names)
    assert donnees.read("fashion_mnist", folder).problems == ()
    for (images, labels), count in zip(_read(folder).values(), (TRAIN, TEST), strict=True):
        assert images.shape == (count, 28, 28) and images.dtype == np.uint8
        assert labels.shape == (count,) and labels.dtype == np.uint8


def test_classes_are_balanced_and_shuffled(folder: Path) -> None:
    for _, labels in _read(folder).values():
        counts = np.bincount(labels, minlength=10)
        assert len(counts) == 10 and np.ptp(counts) <= 1
        assert len(set(labels[:20].tolist())) > 5 and (np.diff(labels.astype(int)) < 0).sum() > len(labels) / 4


def test_every_image_is_new(folder: Path) -> None:
    images = np.concatenate([images for images, _ in _read(folder).values()])
    assert len({image.tobytes() for image in images}) == len(images)
    pixels = images.reshape(len(images), -1).astype(np.float32)
    squares = (pixels**2).sum(1)
    distance = squares[:, None] + squares - 2 * pixels @ pixels.T
    assert distance[:TRAIN, TRAIN:].min() > 28 * 28 * 3**2  # and none of the test part is nearly one of the train part


def test_labels_keep_their_order() -> None:
    labels = np.array([7, 1, 1, 8, 3])
    images = sample.draw_images(labels, seed=5)
    assert images.shape == (5, 28, 28) and images.dtype == np.uint8
    assert (images[1] != images[2]).any()
    assert np.ptp(np.flatnonzero(images[1].any(0))) < np.ptp(np.flatnonzero(images[0].any(0)))  # a trouser, a sneaker


def test_no_labels_give_no_images() -> None:
    assert sample.draw_images(np.array([], dtype=np.uint8), seed=0).shape == (0, 28, 28)


def test_garments_fill_the_frame_on_black(gallery: tuple[np.ndarray, np.ndarray]) -> None:
    images, _ = gallery
    cover = (images > 0).mean((1, 2))
    assert cover.min() > 0.08 and cover.max() < 0.95
    assert all(image.max() > 25 and image[image > 0].std() > 2 for image in images)
    for image in images:
        box = [np.flatnonzero(image.any(axis)) for axis in (0, 1)]
        assert max(np.ptp(side) + 1 for side in box) >= 26
        assert all(abs((side[0] + side[-1]) / 2 - 13.5) <= 1.5 for side in box)


def test_shapes_are_those_of_the_class(gallery: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = gallery
    wide = np.array([np.ptp(np.flatnonzero(image.any(0))) for image in images])
    tall = np.array([np.ptp(np.flatnonzero(image.any(1))) for image in images])
    for label in (5, 7, 9):
        assert np.median(wide[labels == label]) > np.median(tall[labels == label])
        halves = (images[labels == label] > 0).mean(0)[:14]
        assert halves[:, 14:].sum() > halves[:, :14].sum()  # toes to the left: the ankle is on the right
    for label in (1, 3):
        assert np.median(wide[labels == label]) < 0.7 * np.median(tall[labels == label])
    ankle = [np.median(tall[labels == label]) for label in (7, 9)]
    assert ankle[0] < ankle[1]


def test_mean_images_tell_most_classes_apart_but_not_all(gallery: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = gallery
    means = np.stack([images[labels == label].mean(0) for label in range(10)]).reshape(10, -1)
    distance = np.linalg.norm(means[:, None] - means, axis=-1) + 1e9 * np.eye(10)
    assert distance.min() > 28 * 5  # five grey levels on average
    fresh = np.repeat(np.arange(10), 15)
    pixels = sample.draw_images(fresh, seed=1).reshape(len(fresh), 1, -1).astype(float)
    found = np.linalg.norm(pixels - means, axis=-1).argmin(1)
    assert 0.4 < (found == fresh).mean() < 0.9  # separable, but not by so crude a rule


@pytest.mark.parametrize("part", ["tshirt", "trouser", "bag", "boot", "cloth_light", "sharpen"])
def test_an_edited_garment_has_the_sample_drawn_again(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    before = code_hash(sample.draw)
    monkeypatch.setattr(garments, part, lambda *arguments: None)
    assert code_hash(sample.draw) != before


def test_drawing_needs_neither_keras_nor_matplotlib() -> None:
    code = (
        "import sys; import projet2_cvae.sample; "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'matplotlib', 'optuna')))"
    )
    root = Path(__file__).resolve().parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False, timeout=60).returncode == 0
