"""IDX files in every container and under every name; whatever happens to their bytes, an array or a sentence."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import idx_bytes, make_fashion

from commun import UserError, datasets
from commun.datasets import IDX_FILES, Location
from projet2_cvae import dataset

SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=4)


@st.composite
def arrays(draw) -> np.ndarray:
    shape = draw(SHAPES)
    raw = draw(st.binary(min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    return np.frombuffer(raw, np.uint8).reshape(shape)


def read(raw: bytes, name: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(raw)
        return datasets.read_idx(Path(folder) / name)


NAME = st.sampled_from(["a-idx3-ubyte", "a.idx3-ubyte", "a-idx3-ubyte.gz", "a.idx3", "a"])


@settings(max_examples=500, deadline=None)
@given(arrays(), st.booleans(), st.integers(0, 9), NAME)
def test_an_array_comes_back_from_any_container(array, is_compressed, level, name):
    raw = gzip.compress(idx_bytes(array), level) if is_compressed else idx_bytes(array)
    found = read(raw, name)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


@settings(max_examples=500, deadline=None)
@given(arrays(), st.booleans(), st.data())
def test_damaged_bytes_give_a_sentence_or_the_array_of_another_file(array, is_compressed, data):
    raw = bytearray(gzip.compress(idx_bytes(array)) if is_compressed else idx_bytes(array))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, max(0, len(raw) - 1)))
        damage = data.draw(st.sampled_from(["cut", "change", "insert", "append"]))
        if damage == "cut":
            del raw[place:]
        elif damage == "change" and raw:
            raw[place] = data.draw(st.integers(0, 255))
        elif damage == "insert":
            raw[place:place] = data.draw(st.binary(max_size=8))
        else:
            raw += data.draw(st.binary(min_size=1, max_size=8))
    try:
        found = read(bytes(raw), "train-images-idx3-ubyte.gz")
    except UserError as error:
        assert "train-images-idx3-ubyte.gz" in str(error) and "supprim" not in str(error)
    else:
        assert found.dtype == np.uint8 and found.size == np.prod(found.shape)


# --- Where the four files are ----------------------------------------------------------------------------------------


def renamed(folder: Path, change, *, unpack: bool) -> None:
    for names in IDX_FILES.values():
        for name in names:
            raw = (folder / name).read_bytes()
            (folder / name).unlink()
            target = folder / change(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(gzip.decompress(raw) if unpack else raw)


@pytest.mark.parametrize("unpack", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda name: name,
        lambda name: name.removesuffix(".gz"),
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.replace("-ubyte.gz", ""),
        lambda name: f"raw/{name}",
        lambda name: f"FashionMNIST/raw/{name.removesuffix('.gz')}",
        lambda name: f"{name.removesuffix('.gz')}/{name.replace('-idx', '.idx')}",  # 7-Zip: a folder a file
        lambda name: name.upper(),
    ],
)
def test_the_four_files_are_read_wherever_they_plainly_are(tmp_path, change, unpack):
    folder = make_fashion(tmp_path / "fashion_mnist")
    expected = dataset.read_part(folder, "test")
    renamed(folder, change, unpack=unpack)
    np.testing.assert_array_equal(dataset.read_part(folder, "test").images, expected.images)
    assert dataset.verify(folder).problems == ()


def test_a_missing_file_is_told_with_what_is_there(tmp_path):
    folder = make_fashion(tmp_path / "fashion_mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").rename(folder / "étiquettes.gz")
    (problem,) = dataset.verify(folder).problems
    assert "t10k-labels-idx1-ubyte.gz est introuvable" in problem and "`étiquettes.gz`" in problem
    assert "supprim" not in problem


def test_official_names_come_first(tmp_path):
    folder = make_fashion(tmp_path / "fashion_mnist")
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"half of it")
    assert datasets.find_idx(folder, "test")[0].name == IDX_FILES["test"][0]


@pytest.mark.parametrize("margin", [0, 4])
def test_digits_in_place_of_clothes_are_remarked(tmp_path, margin):
    folder = make_fashion(tmp_path / "fashion_mnist")
    data = dataset.open_folder(Location(folder, True, "Fashion-MNIST"))
    assert data.location.warning == ""
    for part in IDX_FILES:
        images = dataset.read_part(folder, part).images[..., 0].copy()
        if margin:
            images[:, :margin] = images[:, -margin:] = images[:, :, :margin] = images[:, :, -margin:] = 0
        (folder / IDX_FILES[part][0]).write_bytes(idx_bytes(images))
    warning = dataset.open_folder(Location(folder, True, "Fashion-MNIST")).location.warning
    assert ("MNIST" in warning) == bool(margin) == any("MNIST" in note for note in dataset.verify(folder).notes)
