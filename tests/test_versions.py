"""The ranges of pyproject.toml: bounded, around the tested set, and with a Keras whose losses are right."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = {
    canonicalize_name(requirement.name): requirement.specifier
    for requirement in map(Requirement, (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]))
}
TESTED = dict(
    line.split("==")
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


@pytest.mark.parametrize("name", RANGES)
def test_a_range_has_a_lowest_and_a_highest_version(name: str) -> None:
    assert sorted(part.operator for part in RANGES[name]) == ["<", ">="]


@pytest.mark.parametrize("name", RANGES)
def test_the_tested_version_lies_in_the_range(name: str) -> None:
    assert RANGES[name].contains(TESTED[name])


@pytest.mark.parametrize("name", sorted(RANGES.keys() - {"ruff"}))
def test_the_installed_version_lies_in_the_range(name: str) -> None:
    assert RANGES[name].contains(version(name)), f"{name} {version(name)}: python -m pip install -r requirements.txt"


def test_this_python_is_accepted() -> None:
    assert SpecifierSet(PROJECT["requires-python"]).contains(sys.version.split()[0])


def test_the_loss_of_a_batch_is_its_own() -> None:
    """Before Keras 3.15 it is the mean over all batches so far, and the mean of these is 7.67."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), "mse")  # it learns nothing: each prediction stays 0
    batches = np.arange(8.0).reshape(4, 2, 1)
    losses = [model.train_on_batch(np.ones((2, 1)), targets, return_dict=True)["loss"] for targets in batches]
    assert losses == pytest.approx([0.5, 6.5, 20.5, 42.5])
    assert np.mean(losses) == pytest.approx(17.5)
