"""Weights on disk: those of the models that are published with the projects, in half precision."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from commun import UserError
from commun.datasets import atomic_file
from commun.results import write_json
from commun.training import UNREADABLE, Budget, keras


def save_weights(
    path: Path,
    model: keras.Model,
    config: Budget,
    *,
    bits: int = 10,
    start: Sequence[np.ndarray | None] | None = None,
    **arrays: np.ndarray,
) -> None:
    """Writes a model's weights as 16-bit floats, half the size of a `.keras` file, and other arrays as they are.

    Args:
        path: without a suffix; `.npz` takes the arrays, `.json` the configuration.
        model: trained.
        config: what builds it again.
        bits: of the mantissa that are kept, of 10; with fewer, the file compresses better.
        start: for each weight, None or the value that building gives it again. What is written then is the difference:
            far more precise, and next to nothing where nothing was learnt.
        arrays: what goes with the weights.
    """
    start = [None] * len(model.weights) if start is None else start
    values = [np.asarray(w) - (0 if s is None else s) for w, s in zip(model.weights, start, strict=True)]
    weights = {f"w{i}": to_float16(value, bits) for i, value in enumerate(values)}
    if added := [i for i, s in enumerate(start) if s is not None]:
        weights["added"] = np.array(added)
    with atomic_file(path.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, **weights, **arrays)
    write_json(path.with_suffix(".json"), dataclasses.asdict(config))


def to_float16(values: np.ndarray, bits: int = 10) -> np.ndarray:
    """Returns 16-bit floats rounded to so many bits of mantissa, 0..10; with fewer, files compress better."""
    step = np.uint16(1 << (10 - bits))
    stored = np.asarray(values, dtype="float16").view("uint16")
    return ((stored + step // 2) // step * step).view("float16")


def load_weights(
    path: Path, make: Callable[[dict], keras.Model], *, project: str
) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """Returns the model of `save_weights`, made from its configuration by `make`, and the other arrays.

    Raises:
        UserError: a file is missing or unreadable; the message names the command of `project` that makes it again.
    """
    weights, config = path.with_suffix(".npz"), path.with_suffix(".json")
    try:
        model = make(json.loads(config.read_text(encoding="utf-8")))
        with np.load(weights) as stored:
            arrays = {name: stored[name] for name in stored.files}
        added = set(arrays.pop("added", np.empty(0, int)).tolist())  # those whose difference was written
        for i, weight in enumerate(model.weights):
            weight.assign(arrays.pop(f"w{i}").astype("float32") + (np.asarray(weight) if i in added else 0))
    except (*UNREADABLE, TypeError) as error:
        missing = [str(p) for p in (weights, config) if not p.is_file()]
        fault = f"{' et '.join(missing)} : absent." if missing else f"{weights} est illisible ({type(error).__name__})."
        raise UserError(f"{fault} Reprenez-le du dépôt, ou refaites-le : python -m {project}.") from error
    return model, arrays
