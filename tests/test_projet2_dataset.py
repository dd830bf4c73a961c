"""Fashion-MNIST as project 2 reads it: parts, split, refusals in French, and what the first notebook counts."""

from __future__ import annotations

import functools
import gzip
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from commun import UserError
from commun.datasets import IDX_FILES, find
from projet2_cvae import dataset, sample

TRAIN, TEST = 240, 60


def _write(path: Path, array: np.ndarray) -> None:
    header = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    with gzip.open(path, "wb") as stream:
        stream.write(header + array.astype("uint8").tobytes())


def _part(labels, images=None) -> dataset.Part:
    labels = np.array(labels, "uint8")
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (len(labels), 28, 28, 1))
    return dataset.Part(np.asarray(images, "uint8"), labels)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("données réelles") / "fashion_mnist"
    sample.draw(folder, train=TRAIN, test=TEST)
    return folder


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may spoil, found as if it were the real dataset."""
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "travail"))
    return Path(shutil.copytree(drawn, tmp_path / "fashion_mnist"))


# --- Loading and splitting -------------------------------------------------------------------------------------------


def test_the_sample_is_drawn_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))
    monkeypatch.setattr(sample, "draw", functools.partial(sample.draw, train=TRAIN, test=TEST))
    data = dataset.load()
    assert not data.location.is_real and "synthétique" in data.location.sentence
    assert data.location.folder.is_relative_to(tmp_path)
    assert (len(data.train), len(data.test)) == (TRAIN, TEST)


def test_parts_have_the_promised_shapes_and_types(folder: Path) -> None:
    data = dataset.load()
    assert data.location.is_real
    assert (len(data.fit), len(data.validation), len(data.test)) == (220, 20, TEST)
    for part in (data.fit, data.validation, data.test, data.train):
        assert part.images.shape == (len(part), 28, 28, 1) and part.labels.shape == (len(part),)
        assert part.images.dtype == part.labels.dtype == np.uint8


def test_the_split_shares_out_the_training_part_without_losing_or_repeating(folder: Path) -> None:
    data, whole = dataset.load(), dataset.read_part(folder, "train")
    keys = [
        {(image.tobytes(), int(label)) for image, label in zip(part.images, part.labels, strict=True)}
        for part in (data.fit, data.validation, whole)
    ]
    assert not keys[0] & keys[1]
    assert keys[0] | keys[1] == keys[2]
    assert len(keys[0]) + len(keys[1]) == len(whole)


def test_the_split_is_stratified_and_the_same_each_time(folder: Path) -> None:
    first, second = dataset.load(), dataset.load()
    np.testing.assert_array_equal(first.validation.images, second.validation.images)
    np.testing.assert_array_equal(first.fit.labels, second.fit.labels)
    assert np.bincount(first.validation.labels, minlength=10).tolist() == [2] * 10
    assert np.bincount(first.fit.labels, minlength=10).tolist() == [22] * 10


def test_the_official_test_part_is_untouched(folder: Path) -> None:
    data = dataset.load()
    with gzip.open(folder / IDX_FILES["test"][0]) as stream:
        assert stream.read()[16:] == data.test.images.tobytes()
    with gzip.open(folder / IDX_FILES["test"][1]) as stream:
        assert stream.read()[8:] == data.test.labels.tobytes()


def test_take_keeps_images_and_labels_together() -> None:
    part = _part([3, 1, 4])
    taken = part.take(np.array([2, 0]))
    assert taken.labels.tolist() == [4, 3]
    np.testing.assert_array_equal(taken.images[1], part.images[0])


def test_too_few_images_of_a_class_are_refused(folder: Path) -> None:
    part = dataset.read_part(folder, "train")
    kept = np.flatnonzero(part.labels != 6)
    _write(folder / IDX_FILES["train"][0], part.images[kept, ..., 0])
    _write(folder / IDX_FILES["train"][1], part.labels[kept])
    with pytest.raises(UserError, match="« chemise »"):
        dataset.load()


def test_real_dataset_has_the_official_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJETS_DATA", os.environ.get("PROJETS_DONNEES_REELLES", ""))  # see conftest.py
    if find("fashion_mnist") is None:
        pytest.skip("the real Fashion-MNIST is not here")
    data = dataset.load()
    assert (len(data.train), len(data.validation), len(data.test)) == (60_000, 5_000, 10_000)
    assert dataset.counts(data).to_numpy().tolist() == [[5_500, 500, 1_000]] * 10


# --- What is refused -------------------------------------------------------------------------------------------------


def test_swapped_files_are_told(folder: Path) -> None:
    images, labels = (folder / name for name in IDX_FILES["test"])
    images.rename(folder / "autre")
    labels.rename(images)
    (folder / "autre").rename(labels)
    with pytest.raises(UserError, match="échangés"):
        dataset.read_part(folder, "test")


def test_files_of_two_parts_mixed_are_told(folder: Path) -> None:
    shutil.copy(folder / IDX_FILES["train"][1], folder / IDX_FILES["test"][1])
    with pytest.raises(UserError, match=r"60 images.*\(240,\)"):
        dataset.read_part(folder, "test")


@pytest.mark.parametrize("shape", [(60, 32, 32), (60, 28, 27), (60, 28), (60, 28, 28, 3)])
def test_images_of_another_shape_are_refused(folder: Path, shape: tuple[int, ...]) -> None:
    _write(folder / IDX_FILES["test"][0], np.zeros(shape))
    with pytest.raises(UserError, match="28 × 28"):
        dataset.read_part(folder, "test")


@pytest.mark.parametrize("shape", [(60, 1), (60, 28, 28)])
def test_labels_of_another_shape_are_refused(folder: Path, shape: tuple[int, ...]) -> None:
    _write(folder / IDX_FILES["test"][1], np.zeros(shape))
    with pytest.raises(UserError, match="étiquettes de forme"):
        dataset.read_part(folder, "test")


def test_an_unknown_label_is_refused(folder: Path) -> None:
    _write(folder / IDX_FILES["test"][1], np.full(TEST, 10))
    with pytest.raises(UserError, match="l'étiquette 10"):
        dataset.read_part(folder, "test")


def test_no_image_at_all_is_refused(folder: Path) -> None:
    _write(folder / IDX_FILES["test"][0], np.zeros((0, 28, 28)))
    _write(folder / IDX_FILES["test"][1], np.zeros(0))
    with pytest.raises(UserError, match=r"aucune image|\(0, 28, 28\)"):
        dataset.read_part(folder, "test")


def test_an_empty_folder_and_a_missing_file_are_told(folder: Path) -> None:
    missing = folder / IDX_FILES["train"][1]
    missing.unlink()
    with pytest.raises(UserError, match=missing.name):
        dataset.load()
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="est vide"):
        dataset.load()


def test_a_truncated_file_is_told(folder: Path) -> None:
    path = folder / IDX_FILES["test"][0]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="tronqué"):
        dataset.read_part(folder, "test")


# --- Another size ----------------------------------------------------------------------------------------------------


def test_resize_warns_and_keeps_the_picture(folder: Path) -> None:
    images = np.zeros((TEST, 56, 40), "uint8")
    images[:, :28] = 200  # bright above, dark below
    _write(folder / IDX_FILES["test"][0], images)
    with pytest.warns(UserWarning, match="56 × 40 pixels ramenées à 28 × 28"):
        part = dataset.read_part(folder, "test", resize=True)
    assert part.images.shape == (TEST, 28, 28, 1) and part.images.dtype == np.uint8
    assert part.images[:, :12].min() > 180 and part.images[:, 16:].max() < 20


@pytest.mark.filterwarnings("error")
def test_resize_leaves_the_right_size_alone(folder: Path) -> None:
    plain, resized = (dataset.read_part(folder, "test", resize=r) for r in (False, True))
    np.testing.assert_array_equal(plain.images, resized.images)


def test_resize_does_not_hide_swapped_files(folder: Path) -> None:
    shutil.copy(folder / IDX_FILES["test"][1], folder / IDX_FILES["test"][0])
    with pytest.raises(UserError, match="échangés"):
        dataset.read_part(folder, "test", resize=True)


# --- Counting --------------------------------------------------------------------------------------------------------


def test_the_training_part_is_put_together_once(folder: Path) -> None:
    data = dataset.load()
    assert data.train is data.train
    np.testing.assert_array_equal(data.train.labels, np.concatenate([data.fit.labels, data.validation.labels]))


def test_counts_are_those_of_each_part(folder: Path) -> None:
    data = dataset.load()
    table = dataset.counts(data)
    assert list(table.columns) == ["apprentissage", "validation", "test"]
    assert table.index[9] == "bottine (Ankle boot)" and len(table) == 10
    assert table.sum().tolist() == [len(data.fit), len(data.validation), len(data.test)]
    for column, part in zip(table, (data.fit, data.validation, data.test), strict=True):
        assert table[column].tolist() == [sum(int(label) == c for label in part.labels) for c in range(10)]


def test_duplicates_are_found_and_nothing_else() -> None:
    first = _part(range(8))
    images = np.random.default_rng(1).integers(0, 256, (4, 28, 28, 1))
    images[1], images[3] = first.images[6], first.images[2]
    images[2] = first.images[5]
    images[2, 27, 27] ^= 1  # one grey level away: no duplicate
    assert dataset.duplicates(first, _part([6, 6, 5, 0], images)) == [(6, 1), (2, 3)]
    assert dataset.duplicates(first, _part([1, 2], images[[0, 2]])) == []


def test_one_per_class_draws_by_class_without_repetition() -> None:
    part = _part(np.random.default_rng(2).permutation(np.repeat(np.arange(10), 6)))
    chosen = dataset.one_per_class(part, 4, seed=0)
    assert part.labels[chosen].tolist() == np.repeat(np.arange(10), 4).tolist()
    assert len(set(chosen.tolist())) == 40
    np.testing.assert_array_equal(chosen, dataset.one_per_class(part, 4, seed=0))
    assert (chosen != dataset.one_per_class(part, 4, seed=1)).any()


@pytest.mark.parametrize("labels", [np.arange(9), np.repeat(np.arange(10), 2)])
def test_one_per_class_says_which_class_lacks_images(labels: np.ndarray) -> None:
    with pytest.raises(UserError, match="bottine"):
        dataset.one_per_class(_part(labels), 3, seed=0)


def test_pixel_statistics_of_a_known_image() -> None:
    image = np.zeros((1, 28, 28, 1))
    image[0, :7] = 255
    image[0, 7:14] = 51
    found = dataset.pixel_statistics(_part([0], image))
    assert found == pytest.approx({"black": 0.5, "white": 0.25, "grey": 0.25, "mean": 0.25 + 0.25 * 0.2})


def test_pixel_statistics_sum_to_one(folder: Path) -> None:
    test = dataset.load().test
    found = dataset.pixel_statistics(test)
    assert found["black"] + found["white"] + found["grey"] == pytest.approx(1)
    assert found["black"] == pytest.approx((test.images == 0).mean())
    assert found["mean"] == pytest.approx(test.images.mean() / 255)


@pytest.mark.parametrize("size", [5, 10, 24, 40])
def test_stratified_takes_classes_in_turn(size: int) -> None:
    labels = np.repeat(np.arange(10), [2, *[6] * 9]).astype("uint8")
    part = dataset.Part(np.arange(56, dtype="uint8")[:, None, None, None] * np.ones((1, 28, 28, 1), "uint8"), labels)
    chosen = dataset.stratified(part, size)
    counts = np.bincount(chosen.labels, minlength=10)
    assert len(chosen) == size and len(np.unique(chosen.images[:, 0, 0])) == size
    assert np.ptp(counts[1:]) <= 1 and counts[0] == min(2, counts.max()) or size < 20
    assert counts.max() <= -(-size // 10) + 1
    np.testing.assert_array_equal(chosen.images, dataset.stratified(part, size).images)
    assert dataset.stratified(part, 56) is part and dataset.stratified(part, 99) is part
