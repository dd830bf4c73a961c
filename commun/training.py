"""Training that can be repeated: seeds, load-or-train, checkpoints, progress.

Randomness is a function of (seed, epoch) alone, so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from commun import UserError, figures, native_stderr_to
from commun.datasets import atomic_file, atomic_folder, working_folder

# What reading a damaged file raises.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile)

with native_stderr_to(Path(os.devnull)):  # TensorFlow announces itself there, whatever its log level
    import keras
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns of each compilation from the fifth on


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model: `history` has one row per epoch, `folder` holds what was saved, `fresh` says if trained now."""

    model: keras.Model
    history: pd.DataFrame
    metrics: dict[str, float]
    folder: Path
    fresh: bool


def fingerprint(*arrays: np.ndarray) -> str:
    """Returns a short hash of the shapes, types and contents of arrays: the identity of a set of data."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:12]


def run_key(config: Mapping, *, data: str, version: int) -> str:
    """Returns the folder name of a run: a hash of its configuration, its data's fingerprint and its code's version."""
    text = json.dumps({"config": config, "data": data, "version": version}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def load_or_train(
    config: Mapping,
    build: Callable[[], keras.Model],
    fit: Callable[[keras.Model, Path], tuple[pd.DataFrame, dict[str, float]]],
    *,
    project: str,
    data: str,
    version: int,
    title: str = "",
    unit: str = "",
) -> Run:
    """Loads the run of this configuration, or trains and saves it.

    Args:
        config: what defines the run, JSON-serialisable.
        build: makes the compiled, built model.
        fit: trains it, given a folder for checkpoints; returns the history and final metrics.
        project: name of the project, a folder under `travail/modeles/`.
        data: fingerprint of the training data.
        version: the integer `VERSION` of the project's model.py.
        title: with it, a run that is loaded shows its learning curves, as the one that is trained does.
        unit: unit of the loss, for these curves.

    Returns:
        The run. Its folder holds `model.keras` (without optimiser), `config.json`, `history.csv`, `metrics.json`.

    Raises:
        UserError: a saved run cannot be read, or the disk is full.
    """
    folder = working_folder("modeles", project) / run_key(config, data=data, version=version)
    if folder.is_dir():
        run = load_run(folder)
        if title:
            show_history(run.history, title=title, unit=unit)
        return run
    checkpoints = working_folder("modeles", project, f"{folder.name}.en_cours")
    model = build()
    history, metrics = fit(model, checkpoints)
    with atomic_folder(folder) as temporary:
        save_run(temporary, model, config, history, metrics, data=data, version=version)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Run(model, history, metrics, folder, fresh=True)


def save_run(
    folder: Path, model: keras.Model, config: Mapping, history: pd.DataFrame, metrics: Mapping, **identity
) -> None:
    """Writes a run's four files into an existing folder; the optimiser, which doubles the weight, is left out."""
    optimizer, model.optimizer = model.optimizer, None
    model.save(folder / "model.keras")
    model.optimizer = optimizer
    (folder / "config.json").write_text(_json({"config": config, **identity}), encoding="utf-8")
    history.to_csv(folder / "history.csv", index=False)
    (folder / "metrics.json").write_text(_json(metrics), encoding="utf-8")


def _json(content: Mapping) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def load_run(folder: Path) -> Run:
    """Loads a run from its folder.

    Raises:
        UserError: a file is missing or unreadable.
    """
    try:
        model = keras.saving.load_model(folder / "model.keras", compile=False)
        history = pd.read_csv(folder / "history.csv")
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (*UNREADABLE, TypeError) as error:
        raise UserError(
            f"Le modèle enregistré dans {folder} est illisible ({type(error).__name__}). Effacez ce dossier et "
            "relancez : le modèle sera entraîné de nouveau."
        ) from error
    return Run(model, history, metrics, folder, fresh=False)


def save_weights(path: Path, model: keras.Model, config: Budget, *, bits: int = 10, **arrays: np.ndarray) -> None:
    """Writes a model's weights as 16-bit floats, half the size of a `.keras` file, and other arrays as they are.

    Args:
        path: without a suffix; `.npz` takes the arrays, `.json` the configuration.
        model: trained.
        config: what builds it again.
        bits: of the mantissa that are kept, of 10; with fewer, the file compresses better.
        arrays: what goes with the weights.
    """
    weights = {f"w{i}": _rounded(np.asarray(w), bits) for i, w in enumerate(model.weights)}
    with atomic_file(path.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, **weights, **arrays)
    with atomic_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(_json(dataclasses.asdict(config)), encoding="utf-8")


def _rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Returns 16-bit floats rounded to so many bits of mantissa, 0..10."""
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
        for i, weight in enumerate(model.weights):
            weight.assign(arrays.pop(f"w{i}").astype("float32"))
    except (*UNREADABLE, TypeError) as error:
        missing = [str(p) for p in (weights, config) if not p.is_file()]
        fault = f"{' et '.join(missing)} : absent." if missing else f"{weights} est illisible ({type(error).__name__})."
        raise UserError(f"{fault} Reprenez-le du dépôt, ou refaites-le : python -m {project}.") from error
    return model, arrays


# --- Budget ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a model is trained, and from which seed; the configurations of the projects extend it.

    Attributes:
        learning_rate: peak of Adam's learning rate, which then falls along a cosine.
        batch_size: images per gradient step.
        images_seen: length of the training in images, whatever the batch size and the number of training images.
        epochs: number of parts into which the training is cut, each ended by a checkpoint and a measure.
        seed: draws the initial weights, the order of the images and the noise.
    """

    learning_rate: float = 1e-3
    batch_size: int = 128
    images_seen: int = 600_000
    epochs: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses values out of range.

        Raises:
            UserError: a value is below 1, the seed is not in 0..2^32 - 1, or the learning rate is not positive.
        """
        for name in ("batch_size", "images_seen", "epochs"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} doit valoir au moins 1 (valeur donnée : {getattr(self, name)}).")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"La graine est un entier de 0 à 2^32 - 1 (valeur donnée : {self.seed}).")
        if not self.learning_rate > 0:
            raise UserError(f"learning_rate doit être strictement positif (valeur donnée : {self.learning_rate}).")

    @property
    def steps_per_epoch(self) -> int:
        """Gradient steps in one epoch."""
        return max(1, round(self.images_seen / (self.epochs * self.batch_size)))

    @property
    def steps(self) -> int:
        """Gradient steps in all."""
        return self.epochs * self.steps_per_epoch


def profile(profiles: Mapping[str, Any], name: str) -> Any:
    """Returns the budget of this name in a project's table of profiles.

    Raises:
        UserError: no profile has this name.
    """
    if name not in profiles:
        raise UserError(f"Profil inconnu : « {name} ». Profils possibles : {', '.join(profiles)}.")
    return profiles[name]


def adam(budget: Budget) -> keras.optimizers.Optimizer:
    """Returns Adam with the budget's cosine schedule, which ends at 1 % of the peak."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(budget.learning_rate, budget.steps, alpha=0.01))


def epoch_indices(budget: Budget, count: int, *, epoch: int) -> np.ndarray:
    """Returns the examples of one epoch in order of training: indices in 0..count-1.

    The training goes through one permutation of the examples after another; an epoch is a window of this sequence.
    """
    size = budget.steps_per_epoch * budget.batch_size
    start = epoch * size
    passes = range(start // count, (start + size - 1) // count + 1)
    order = np.concatenate([np.random.default_rng([budget.seed, p]).permutation(count) for p in passes])
    return order[start - passes[0] * count :][:size]


# --- Epochs ----------------------------------------------------------------------------------------------------------


def reset_generators(model: keras.Model, *, seed: int, epoch: int) -> None:
    """Sets the state of every SeedGenerator of the model as a function of (seed, epoch)."""
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    for index, state in enumerate(states):
        draw = np.random.default_rng([seed, epoch, index]).integers(0, 2**31, size=2)
        state.assign(draw.astype(state.dtype))


def fit_epochs(
    model: keras.Model,
    data: Callable[[int], dict],
    *,
    epochs: int,
    seed: int,
    evaluate: Callable[[keras.Model], dict[str, float]] | None = None,
    after_epoch: Callable[[int, dict[str, float]], None] | None = None,
    checkpoints: Path | None = None,
    title: str = "",
    unit: str = "",
) -> pd.DataFrame:
    """Trains a compiled model epoch by epoch, resuming from the last checkpoint.

    Args:
        model: compiled and built.
        data: from an epoch number, the arguments of `one_pass` for that epoch, e.g. `{"x": images, "batch_size": 64}`;
            it is a function of (seed, epoch), and gives the examples in the order of training.
        epochs: total number of epochs.
        seed: from which the generators are reset at each epoch.
        evaluate: measures added to the row of each epoch (names starting with "val_").
        after_epoch: called with the epoch number and its row; may raise to stop the training.
        checkpoints: folder where the whole state is saved after each epoch; none is saved if None.
        title: what is being trained, in French; nothing is displayed if empty.
        unit: unit of the loss, for the figure.

    Returns:
        One row per epoch: `epoch` (from 1), the training means, the measures of `evaluate`, and `seconds`.
    """
    if not model.optimizer.built:  # else TensorFlow traces the training step twice
        model.optimizer.build(model.trainable_variables)
    rows: list[dict[str, float]] = _resume(model, checkpoints) if checkpoints else []
    progress = Progress(title, epochs, unit) if title else None
    for epoch in range(len(rows), epochs):
        start = time.perf_counter()
        reset_generators(model, seed=seed, epoch=epoch)
        row = {"epoch": epoch + 1} | one_pass(model, **data(epoch))
        if evaluate:
            row |= {name: float(value) for name, value in evaluate(model).items()}
        row["seconds"] = round(time.perf_counter() - start, 2)
        rows.append(row)
        if checkpoints:
            _checkpoint(model, rows, checkpoints)
        if progress:
            progress.update(row)
        if after_epoch:
            after_epoch(epoch, row)
    history = pd.DataFrame(rows)
    if progress:
        progress.finish(history)
    return history


def one_pass(model: keras.Model, x: Any, y: Any = None, *, batch_size: int = 32) -> dict[str, float]:
    """Trains a compiled model on each batch once, in order, and returns the means of its measures.

    `model.fit` would do, and does with other backends. With TensorFlow, its input pipeline (tf.data) has a tuning
    thread that sleeps for twice as long each time, up to a minute; an epoch may have to wait until it wakes up. Steps
    that are called one by one don't, and are compiled twice as fast.

    Args:
        model: compiled and built.
        x: arrays of examples (one, or a list that share their length), or batches that are ready (a PyDataset).
        y: their targets, if they are arrays and have some.
        batch_size: examples in a step, for arrays.
    """
    if keras.backend.backend() != "tensorflow":
        logs = model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0).history
        return {name: float(values[-1]) for name, values in logs.items()}
    sums, count = collections.Counter(), 0
    for batch in _ahead(*_steps(x, y, batch_size)):
        size = len(keras.tree.flatten(batch)[0])
        logs = model.train_on_batch(*batch, return_dict=True)
        sums.update({name: size * float(value) for name, value in logs.items()})
        count += size
    return {name: value / count for name, value in sums.items()}


def _steps(x: Any, y: Any, batch_size: int) -> tuple[Callable[[int], tuple], int]:
    """Returns a function from a rank to a batch, (x,), (x, y) or (x, y, weights), and the number of batches."""
    if isinstance(x, keras.utils.PyDataset):
        return x.__getitem__, len(x)
    whole = (x,) if y is None else (x, y)
    count = len(keras.tree.flatten(whole)[0])

    def batch(index: int) -> tuple:
        start = index * batch_size
        return keras.tree.map_structure(lambda array: array[start : start + batch_size], whole)

    return batch, -(-count // batch_size)


def _ahead(make: Callable[[int], Any], count: int, *, depth: int = 2) -> Iterator[Any]:
    """Yields make(0), make(1), ..., made by a thread that is `depth` items ahead."""
    with ThreadPoolExecutor(1) as thread:
        waiting = collections.deque(thread.submit(make, index) for index in range(min(depth, count)))
        for index in range(count):
            if index + depth < count:
                waiting.append(thread.submit(make, index + depth))
            yield waiting.popleft().result()


def _checkpoint(model: keras.Model, rows: list[dict], folder: Path) -> None:
    values = [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]
    with atomic_file(folder / "state.npz") as temporary, temporary.open("wb") as stream:
        np.savez(stream, rows=json.dumps(rows), **{f"v{i}": value for i, value in enumerate(values)})


def _resume(model: keras.Model, folder: Path) -> list[dict]:
    path = folder / "state.npz"
    if not path.is_file():
        return []
    variables = [*model.variables, *model.optimizer.variables]
    try:
        with np.load(path) as state:
            values = [state[f"v{i}"] for i in range(len(variables))]
            rows = json.loads(str(state["rows"]))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    except UNREADABLE as error:
        raise UserError(
            f"Le point de reprise {path} est illisible. Effacez-le pour recommencer l'entraînement."
        ) from error
    return rows


# --- Progress --------------------------------------------------------------------------------------------------------


class Progress:
    """One line that is updated in place, in Jupyter and in a terminal, and ends as one learning-curve figure."""

    def __init__(self, title: str, epochs: int, unit: str = "") -> None:
        """Starts the display of a training of `epochs` epochs."""
        self.title, self.epochs, self.unit = title, epochs, unit
        self.start, self.done_before = time.perf_counter(), None
        self.slot = figures.Slot()
        self.slot.text(f"{title} : époque 0/{epochs}…")

    def update(self, row: Mapping[str, float]) -> None:
        """Shows the last epoch's figures and the time left."""
        done = int(row["epoch"])
        elapsed = time.perf_counter() - self.start
        if self.done_before is None:  # a resumed training starts above zero
            self.done_before = done - 1
        left = elapsed / (done - self.done_before) * (self.epochs - done)
        values = ", ".join(f"{figures.LABELS.get(k, k)} {figures.number(v)}" for k, v in row.items() if k in CURVES)
        self.slot.text(f"{self.title} : époque {done}/{self.epochs}, {values} (encore {figures.duration(left)})")

    def finish(self, history: pd.DataFrame) -> None:
        """Replaces the line by the learning curves."""
        show_history(history, title=self.title, unit=self.unit, slot=self.slot)


CURVES = ("loss", "val_loss")


def show_history(history: pd.DataFrame, *, title: str, unit: str = "", slot: figures.Slot | None = None) -> None:
    """Shows the learning curves of a run and one line that sums it up."""
    (slot or figures.Slot()).figure(
        figures.plot_history(history, title=title, unit=unit),
        alt=figures.describe_history(history, title=title, unit=unit),
    )
