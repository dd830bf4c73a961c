"""Training that can be repeated: budgets, the training function, checkpoints, runs on disk, progress.

Randomness is a function of (seed, epoch) alone, so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import json
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commun import UserError, figures, seen
from commun.backend import keras  # first: it chooses the backend
from commun.datasets import atomic_file, atomic_folder, working_folder
from commun.results import hardware, to_json
from commun.sources import code_hash

# What reading a damaged file raises.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile)
_BUILDING = threading.RLock()


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


# --- Training --------------------------------------------------------------------------------------------------------


class Diverged(UserError):
    """The loss of a training is no finite number any more."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model.

    Attributes:
        model: compiled if it was trained now.
        history: one row per epoch.
        metrics: those of the last epoch, and the `seconds` of all.
        folder: where it is saved; None if it is not.
        fresh: whether it was trained now.
        hardware: that on which it was trained; empty if it is not known.
    """

    model: keras.Model
    history: pd.DataFrame
    metrics: dict[str, float]
    folder: Path | None
    fresh: bool
    hardware: str = ""


def train(
    config: Budget,
    *,
    build: Callable[[Any], keras.Model],
    batches: Callable[[int], keras.utils.PyDataset],
    measure: Callable[[keras.Model], dict[str, float]] | None = None,
    after_epoch: Callable[[keras.Model, dict[str, float]], None] | None = None,
    project: str = "",
    data: str = "",
    code: Sequence[Any] = (),
    title: str = "",
    unit: str = "",
    progress: Progress | None = None,
) -> Run:
    """Finds the model of a configuration in `travail/`, or trains it, or resumes.

    Args:
        config: the model and its training.
        build: makes the compiled model, its weights drawn from the seed.
        batches: from the number of an epoch, from 0, to its batches in order; a function of
            (seed, epoch) alone.
        measure: what is measured after each epoch, by names that start with "val_".
        after_epoch: called with the model and the row of each epoch; it may raise.
        project: sub-folder of `travail/modeles/`; if empty, nothing is saved.
        data: fingerprint of the data that it learns from.
        code: classes and functions on which it depends, beside those that `build`,
            `batches` and `measure` name.
        title: what is being trained, in French; nothing is shown if empty.
        unit: unit of the loss, in French.
        progress: where it is shown; a new place if None.

    Returns:
        The run; its history has `epoch` (from 1), the mean loss and metrics of the epoch's
        batches, the measures, and `seconds`.

    Raises:
        Diverged: the loss is no finite number any more; nothing is saved of that epoch.
        UserError: what is saved can't be read, or the disk is full.
    """
    code = code_hash(build, batches, measure, train_one_epoch, *code)
    folder = run_folder(config, project=project, data=data, code=code) if project else None
    if folder and folder.is_dir():
        run = load_run(folder)
        seen.note_model(fresh=False)
        if title:
            show_history(run.history, title=title, unit=unit, slot=progress and progress.slot)
        return run
    model = build(config)
    if not model.optimizer.built:  # else TensorFlow traces the step twice
        model.optimizer.build(model.trainable_variables)
    checkpoint = folder and folder.with_name(f"{folder.name}.en_cours") / "state.npz"
    rows = _resume(model, checkpoint) if checkpoint else []
    progress = progress or Progress(title, config.epochs, unit)
    for epoch in range(len(rows), config.epochs):
        start = time.perf_counter()
        reset_generators(model, seed=config.seed, epoch=epoch)
        row = {"epoch": epoch + 1} | train_one_epoch(model, batches(epoch))
        if measure:
            row |= {name: float(value) for name, value in measure(model).items()}
        if wrong := [name for name, value in row.items() if not np.isfinite(value)]:
            raise Diverged(
                f"L'entraînement a divergé à l'époque {epoch + 1} sur {config.epochs} "
                f"({', '.join(wrong)} : plus un nombre fini). Essayez un taux "
                f"d'apprentissage plus bas que {config.learning_rate:g}."
            )
        row["seconds"] = round(time.perf_counter() - start, 2)
        rows.append(row)
        if checkpoint:
            _save_checkpoint(model, rows, checkpoint)
        progress.update(row)
        if after_epoch:
            after_epoch(model, row)
    history = pd.DataFrame(rows)
    progress.finish(history)
    metrics = {name: value for name, value in rows[-1].items() if name != "epoch"}
    metrics["seconds"] = float(history["seconds"].sum())
    seen.note_model(fresh=True)
    run = Run(model, history, metrics, folder, fresh=True, hardware=hardware())
    if folder:
        _save_run(run, config, data=data, code=code)
        shutil.rmtree(checkpoint.parent, ignore_errors=True)
    return run


def train_one_epoch(model: keras.Model, batches: keras.utils.PyDataset) -> dict[str, float]:
    """Takes one gradient step a batch, in order; returns the means of the model's metrics.

    `model.fit` would do, and does with other backends. With TensorFlow, its input pipeline
    (tf.data) has a tuning thread that sleeps for twice as long each time, up to a minute,
    and an epoch may have to wait until it wakes up; steps called one by one don't.
    """
    if keras.backend.backend() != "tensorflow":
        source = _from_processes(batches) if hasattr(batches, "task") else batches
        steps = len(batches)
        logs = model.fit(source, steps_per_epoch=steps, shuffle=False, verbose=0).history
        return {name: float(values[-1]) for name, values in logs.items()}
    sums, count = collections.Counter(), 0
    for batch in _prefetch(batches):
        size = len(keras.tree.flatten(batch)[0])
        logs = model.train_on_batch(*batch, return_dict=True)
        sums.update({name: size * float(value) for name, value in logs.items()})
        count += size
    return {name: value / count for name, value in sums.items()}


def _from_processes(batches: keras.utils.PyDataset) -> Iterator[tuple]:
    """Yields batches made by processes, in order: threads that make crops hinder each other, and keep a GPU waiting.

    `batches.task(index)` returns what makes a batch; it is sent to a process, which should not have to import Keras.
    `benchmarks/README.md` says what this gains.
    """
    import joblib

    tasks = (joblib.delayed(batches.task(index))() for index in range(len(batches)))
    yield from joblib.Parallel(-1, return_as="generator", pre_dispatch="2*n_jobs")(tasks)


def _prefetch(batches: keras.utils.PyDataset) -> Iterator[tuple]:
    """Yields batches made by a thread that is two ahead; `benchmarks/peintures.py` says what this gains."""
    with ThreadPoolExecutor(1) as thread:
        waiting = collections.deque()
        for index in range(len(batches)):
            waiting.append(thread.submit(batches.__getitem__, index))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays, in order: each is a tuple of windows, as Keras takes them, (x,) or (x, y)."""

    def __init__(self, *arrays: Any, batch_size: int) -> None:
        """Takes x, and y if any: arrays, or lists of arrays, of the same length; the last batch may be shorter."""
        super().__init__()
        self.arrays, self.batch_size = arrays, batch_size

    def __len__(self) -> int:
        """Returns the number of batches."""
        return -(-len(keras.tree.flatten(self.arrays)[0]) // self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        """Returns a batch."""
        window = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return keras.tree.map_structure(lambda array: array[window], self.arrays)


@contextlib.contextmanager
def building(seed: int | None = None) -> Generator[None]:
    """Lets one thread at a time build networks: Keras draws weights from a generator that all threads share.

    Any network draws some, one that is loaded too. With a `seed`, these draws start from it.
    """
    with _BUILDING:
        if seed is not None:
            keras.utils.set_random_seed(seed)
        yield


def reset_generators(model: keras.Model, *, seed: int, epoch: int) -> None:
    """Sets the state of every SeedGenerator of the model as a function of (seed, epoch)."""
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    for index, state in enumerate(states):
        draw = np.random.default_rng([seed, epoch, index]).integers(0, 2**31, size=2)
        state.assign(draw.astype(state.dtype))


def _save_checkpoint(model: keras.Model, rows: list[dict], path: Path) -> None:
    values = [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, rows=json.dumps(rows), **{f"v{i}": value for i, value in enumerate(values)})


def _resume(model: keras.Model, path: Path) -> list[dict]:
    """Gives a model the state of its checkpoint, if there is one; returns the rows of the epochs that are done."""
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


# --- Runs on disk ----------------------------------------------------------------------------------------------------


def fingerprint(*arrays: np.ndarray) -> str:
    """Returns a short hash of the shapes, types and contents of arrays: the identity of a set of data."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:12]


def config_hash(content: Mapping) -> str:
    """Returns a short hash of what JSON can write: the identity of a configuration."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def run_folder(config: Budget, *, project: str, data: str, code: str) -> Path:
    """Returns the folder of a run: its name is a hash of the configuration, of the data and of the code."""
    key = config_hash({"config": dataclasses.asdict(config), "data": data, "code": code})
    return working_folder("modeles", project) / key


def _save_run(run: Run, config: Budget, **identity: str) -> None:
    """Writes the four files of a run; the optimiser, which doubles the weight, is left out."""
    with atomic_folder(run.folder) as folder:
        optimizer, run.model.optimizer = run.model.optimizer, None
        try:
            run.model.save(folder / "model.keras")
        finally:
            run.model.optimizer = optimizer
        config = {"config": dataclasses.asdict(config), **identity}
        (folder / "config.json").write_text(to_json(config), encoding="utf-8")
        run.history.to_csv(folder / "history.csv", index=False)
        metrics = run.metrics | {"hardware": run.hardware}
        (folder / "metrics.json").write_text(to_json(metrics), encoding="utf-8")


def load_run(folder: Path) -> Run:
    """Loads a run from its folder.

    Raises:
        UserError: a file is missing or unreadable.
    """
    try:
        with building():
            model = keras.saving.load_model(folder / "model.keras", compile=False)
        history = pd.read_csv(folder / "history.csv")
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (*UNREADABLE, TypeError) as error:
        raise UserError(
            f"Le modèle enregistré dans {folder} est illisible ({type(error).__name__}). Effacez ce dossier et "
            "relancez : le modèle sera entraîné de nouveau."
        ) from error
    return Run(model, history, metrics, folder, fresh=False, hardware=metrics.pop("hardware", ""))


# --- Progress --------------------------------------------------------------------------------------------------------


class Progress:
    """One line that is updated in place, in Jupyter and in a terminal, and ends as one learning-curve figure."""

    def __init__(self, title: str, epochs: int, unit: str = "") -> None:
        """Starts the display of a training of `epochs` epochs; without a title, nothing is ever shown."""
        self.title, self.epochs, self.unit = title, epochs, unit
        self.start, self.done_before = time.perf_counter(), None
        self.slot = figures.Slot() if title else None
        if self.slot:
            self.slot.text(f"{title} : époque 0/{epochs}…")

    def update(self, row: Mapping[str, float]) -> None:
        """Shows the last epoch's figures and the time left."""
        if not self.slot:
            return
        done = int(row["epoch"])
        elapsed = time.perf_counter() - self.start
        if self.done_before is None:  # a resumed training starts above zero
            self.done_before = done - 1
        left = elapsed / (done - self.done_before) * (self.epochs - done)
        values = ", ".join(f"{figures.LABELS.get(k, k)} {figures.number(v)}" for k, v in row.items() if k in CURVES)
        self.slot.text(f"{self.title} : époque {done}/{self.epochs}, {values} (encore {figures.duration(left)})")

    def finish(self, history: pd.DataFrame) -> None:
        """Replaces the line by the learning curves."""
        if self.slot:
            show_history(history, title=self.title, unit=self.unit, slot=self.slot)


CURVES = ("loss", "val_loss")


def show_history(history: pd.DataFrame, *, title: str, unit: str = "", slot: figures.Slot | None = None) -> None:
    """Shows the learning curves of a run and one line that sums it up."""
    (slot or figures.Slot()).figure(figures.plot_history(history, title=title, unit=unit))
