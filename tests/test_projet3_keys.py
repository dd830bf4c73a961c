"""A model is trained again when the code that makes it is edited, and found again when nothing that matters is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator

import numpy as np
import pytest
from anomalies import eager, weights

import commun.training  # first: it chooses the default backend of Keras
from projet3_ssl_anomalies import colour, losses, networks, pretexts, reconstructor, training
from projet3_ssl_anomalies.pretexts import PRETEXTS, Inpainting
from projet3_ssl_anomalies.training import Config, Good

import keras  # isort: skip

CONFIG = {"side": 32, "width": 2, "batch_size": 2, "images_seen": 4, "epochs": 2, "shift": 1}


@pytest.fixture(autouse=True)
def registry() -> Generator[None]:
    """The tasks and the classes that a test defines are forgotten after it."""
    tables = [(table, dict(table)) for table in (PRETEXTS, keras.saving.get_custom_objects())]
    yield
    for table, before in tables:
        table.clear()
        table.update(before)


def _good() -> Good:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), "uint8")
    return Good(images)


def _key(monkeypatch: pytest.MonkeyPatch, task: str = "inpainting") -> str:
    """The name of the folder where the model of a task would be kept; nothing is trained."""
    keys = []

    def asked(config, *, build, batches, code, project, data, **_) -> commun.training.Run:
        identity = commun.training.code_hash(build, batches, *code)
        keys.append(commun.training.run_folder(config, project=project, data=data, code=identity).name)
        return commun.training.Run(None, None, {}, None, fresh=False)

    with monkeypatch.context() as patch:
        patch.setattr(commun.training, "train", asked)
        training.train(Config(task=task, **CONFIG), _good())
    return keys[0]


def _edited(item: Callable, old: str, new: str) -> Callable:
    """A function or class of a module which is read again with a line of this one changed."""
    module, source = inspect.getmodule(item), inspect.getsource(item)
    assert old in source
    space = {"__name__": module.__name__}
    exec(inspect.getsource(module).replace(source, source.replace(old, new)), space)
    return space[item.__name__]


EDITS = {
    "the task": (pretexts, "Inpainting", "images * (1 - hidden)", "images * (1 - hidden) + hidden"),
    "a task's mask": (pretexts, "Inpainting", "self.config.hidden_one_in", "2"),
    "how cells are shared out": (pretexts, "partition_cells", "% n_masks", "// n_masks % n_masks"),
    "a loss": (losses, "gradient", "/ 3", "/ 4"),
    "another loss": (losses, "structural_difference", "0.03**2", "0.04**2"),
    "a block of the network": (networks, "_convolution", '"silu"', '"relu"'),
    "what is augmented": (training, "Batches", "rng.integers(4)", "rng.integers(3)"),
    "what it starts from": (training, "build", "mean_image()", "mean_image() / 2"),
    "how the model is built": (training, "_compiled", "building(config.seed)", "building(7)"),
    "colours": (colour, "to_lab", "116", "115"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_anywhere_in_what_makes_a_model_trains_it_again(
    edit: tuple, work, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, name, old, new = edit
    before, original = _key(monkeypatch), getattr(module, name)
    edited = _edited(original, old, new)
    if name == "Inpainting":
        monkeypatch.setitem(PRETEXTS, "inpainting", edited)
    for user in (pretexts, losses, networks, training, colour, reconstructor):
        if getattr(user, name, None) is original:
            monkeypatch.setattr(user, name, edited)
    assert _key(monkeypatch) != before


def test_a_constant_of_a_module_is_part_of_the_code(work, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key(monkeypatch)
    monkeypatch.setattr(pretexts, "PARTITIONS", 3)
    assert _key(monkeypatch) != before


def test_what_makes_no_difference_finds_the_model_again(work, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _key(monkeypatch)
    for old, new in (
        ("return np.stack(partitions)\n", "return np.stack(partitions)  # a comment\n\n"),
        ("Predicts hidden cells", "Devine"),
    ):
        monkeypatch.setitem(PRETEXTS, "inpainting", _edited(Inpainting, old, new))
        assert _key(monkeypatch) == before

    class Another(Inpainting):
        name = "another"

    assert _key(monkeypatch) == before != _key(monkeypatch, "another")
    assert _key(monkeypatch, "colorization") not in {before, _key(monkeypatch, "masked_autoencoder")}


CELL = """
from projet3_ssl_anomalies.networks import unet
from projet3_ssl_anomalies.pretexts import Pretext
from keras import ops

class Blurred(Pretext):
    name, title = "blurred", "mise au point"

    def corrupt(self, images, mean_images, hidden):
        coarse = ops.average_pool(images, BLOCK, strides=BLOCK)
        coarse = ops.repeat(ops.repeat(coarse, BLOCK, axis=1), BLOCK, axis=2)
        return ops.concatenate([coarse, mean_images], axis=-1)

    def network(self):
        return unet(self.config, inputs=6, outputs=3)

"""


def test_a_task_of_a_notebook_is_trained_again_when_its_cell_is_edited(ipython, work) -> None:
    good = _good()

    def run(cell: str) -> commun.training.Run:
        ipython.run_cell(cell, store_history=True).raise_error()
        return training.train(Config(task="blurred", **CONFIG), good)

    with eager():
        first, same = run(f"BLOCK = 8\n{CELL}"), run(f"# again\nBLOCK = 8\n\n{CELL}")
        edited, constant = run(f"BLOCK = 8\n{CELL.replace('[coarse,', '[0.5 * coarse,')}"), run(f"BLOCK = 4\n{CELL}")
    assert first.fresh and not same.fresh and same.folder == first.folder
    assert edited.fresh and constant.fresh and len({run.folder for run in (first, edited, constant)}) == 3
    for other in (edited, constant):  # trained as they are now, not by what was compiled before
        assert np.abs(weights(other.model) - weights(first.model)).max() > 1e-5
    pictures = training.snapshots(Config(task="blurred", **CONFIG), good)
    assert list(pictures) == [1, 2]
    ipython.run_cell(f"BLOCK = 8\n{CELL}").raise_error()
    assert (training.snapshots(Config(task="blurred", **CONFIG), good)[2] != pictures[2]).any()
