"""Training: budgets, the order of the examples, resumed runs, saved runs, progress."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import sys

import numpy as np
import pandas as pd
import pytest

from commun import UserError, figures, training  # first: it chooses the default backend of Keras
from commun.results import hardware
from commun.training import ArrayBatches, Budget, epoch_indices, reset_generators, train
from commun.weights import load_weights, save_weights

import keras  # isort: skip
from keras import layers  # isort: skip


if keras.backend.backend() == "tensorflow":  # exact equality is promised on one thread
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "été travail"))
    return tmp_path / "été travail" / "modeles" / "essai"


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- Budget ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("images_seen", -1),
        ("epochs", 0),
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
    ],
)
def test_budget_refuses_bad_values_and_names_them(name, value):
    with pytest.raises(UserError, match=rf"{name}.*{value}"):
        Budget(**{name: value})


@pytest.mark.parametrize(
    ("images", "batch", "epochs", "per_epoch"), [(1000, 10, 5, 20), (1000, 30, 4, 8), (5, 100, 3, 1), (96, 32, 1, 3)]
)
def test_budget_cuts_the_training_into_equal_epochs(images, batch, epochs, per_epoch):
    budget = Budget(images_seen=images, batch_size=batch, epochs=epochs)
    assert budget.steps_per_epoch == per_epoch
    assert budget.steps == epochs * per_epoch


def test_the_number_of_images_seen_hardly_depends_on_the_batch_size():
    for batch in (16, 50, 64, 128):
        budget = Budget(images_seen=100_000, batch_size=batch, epochs=7)
        assert budget.steps * batch == pytest.approx(100_000, rel=0.01)


def test_the_learning_rate_falls_from_its_peak_to_one_percent():
    budget = Budget(learning_rate=0.02, images_seen=640, batch_size=64, epochs=2)
    schedule = training.adam(budget)._learning_rate
    rates = [float(schedule(step)) for step in range(budget.steps + 1)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.0002)
    assert rates == sorted(rates, reverse=True)


# --- Order of the examples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 24, 100])  # the epoch has 24 examples
def test_windows_follow_one_permutation_after_another(count):
    budget = Budget(images_seen=24 * 9, batch_size=8, epochs=9, seed=5)
    windows = [epoch_indices(budget, count, epoch=epoch) for epoch in range(9)]
    assert all(len(window) == 24 for window in windows)
    sequence = np.concatenate(windows)
    for start in range(0, len(sequence) - count + 1, count):
        assert sorted(sequence[start : start + count]) == list(range(count))
    rest = sequence[len(sequence) // count * count :]
    assert len(set(rest)) == len(rest)
    assert 0 <= sequence.min() <= sequence.max() < count


def test_an_epoch_is_a_function_of_seed_and_epoch_alone():
    budget = Budget(images_seen=90, batch_size=10, epochs=3, seed=1)
    first = epoch_indices(budget, 30, epoch=2)
    np.random.seed(123)
    epoch_indices(budget, 30, epoch=0)
    assert np.array_equal(epoch_indices(budget, 30, epoch=2), first)
    assert not np.array_equal(epoch_indices(budget, 30, epoch=1), first)
    assert not np.array_equal(epoch_indices(dataclasses.replace(budget, seed=2), 30, epoch=2), first)
    longer = dataclasses.replace(budget, images_seen=300, epochs=10, learning_rate=0.5)
    assert np.array_equal(epoch_indices(longer, 30, epoch=2), first)


def test_fingerprint_sees_contents_shapes_types_and_order():
    array = np.arange(12, dtype="uint8")
    different = [
        (array,),
        (array.reshape(3, 4),),
        (array.reshape(3, 4).T,),
        (array.astype("int16"),),
        (np.r_[array[:-1], 0].astype("uint8"),),
        (array, array),
        (array[:0],),
        (array[:4], array[4:]),
        (array[4:], array[:4]),
    ]
    assert len({training.fingerprint(*arrays) for arrays in different}) == len(different)
    assert training.fingerprint(np.arange(24, dtype="uint8")[::2]) == training.fingerprint(array * 2)


# --- Generators ------------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("test_training")
class Noise(layers.Layer):
    """Adds noise from its own generator."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(1234)

    def call(self, inputs):
        return inputs + 0.1 * keras.random.normal(keras.ops.shape(inputs), seed=self.generator)


def noisy_model(budget: Budget, *, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    entry = keras.Input((6,))
    x = layers.Dense(16, activation="relu")(Noise()(entry))
    x = layers.BatchNormalization()(layers.Dropout(0.5)(x))
    inner = keras.Sequential([keras.Input((16,)), layers.Dropout(0.2), layers.Dense(1)])
    model = keras.Model(entry, inner(x))
    model.compile(training.adam(budget), "mse")
    return model


def test_generators_are_a_function_of_seed_and_epoch():
    first, second = (noisy_model(Budget(), seed=0) for _ in range(2))
    x = np.ones((4, 6), "float32")

    def output(model, **key):
        reset_generators(model, **key)
        return np.asarray(model(x, training=True))

    reference = output(first, seed=3, epoch=7)
    second(x, training=True)  # moves its generators
    batch_statistics = [v for v in second.variables if "moving" in v.name]
    assert batch_statistics
    assert np.array_equal(output(second, seed=3, epoch=7), reference)
    assert not np.array_equal(output(second, seed=3, epoch=8), reference)
    assert not np.array_equal(output(second, seed=4, epoch=7), reference)


def test_generators_of_one_model_differ():
    model = noisy_model(Budget(), seed=0)
    reset_generators(model, seed=0, epoch=0)
    states = [tuple(np.asarray(v)) for v in model.variables if v.name == "seed_generator_state"]
    assert len(set(states)) == len(states) == 3  # noise, dropout, nested dropout


def test_random_layers_of_images_have_generators_to_reset():
    """The judge of project 2 relies on it."""
    random_layers = [layers.RandomFlip("horizontal"), layers.RandomTranslation(0, 0.3)]
    model = keras.Sequential([keras.Input((4, 4, 1)), *random_layers])
    assert sum(v.name == "seed_generator_state" for v in model.variables) == 2


# --- Resumed runs ----------------------------------------------------------------------------------------------------

BUDGET = Budget(learning_rate=0.01, images_seen=4 * 40, batch_size=10, epochs=4, seed=3)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Budget):
    """A budget and the seed of the first weights."""

    weights: int = 0


def example_batches(epoch, *, calls=None, budget=BUDGET):
    if calls is not None:
        calls.append(epoch)
    x = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
    rows = epoch_indices(budget, len(x), epoch=epoch)
    return ArrayBatches(x[rows], x[rows].sum(axis=1, keepdims=True), batch_size=budget.batch_size)


def build_noisy(config):
    return noisy_model(BUDGET, seed=config.weights)


def measure(model):
    batch = example_batches(0)
    return {"val_loss": np.float32(np.mean((np.asarray(model(batch.arrays[0])) - batch.arrays[1]) ** 2))}


def fit(*, seed=BUDGET.seed, calls=None, after_epoch=None, project="", **options):
    config = Config(**dataclasses.asdict(dataclasses.replace(BUDGET, seed=seed)))
    return train(
        config,
        build=build_noisy,
        batches=lambda epoch: example_batches(epoch, calls=calls),
        measure=measure,
        after_epoch=after_epoch,
        project=project,
        **options,
    )


def state(model) -> list[np.ndarray]:
    return [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]


def same(first, second) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def stop_at(last: int):
    def after_epoch(model, row):
        if row["epoch"] == last:
            raise KeyboardInterrupt

    return after_epoch


@pytest.fixture(scope="module")
def uninterrupted():
    return fit()


def test_a_resumed_run_equals_an_uninterrupted_one(uninterrupted, work):
    with pytest.raises(KeyboardInterrupt):
        fit(project="essai", after_epoch=stop_at(2))
    (left,) = names(work)
    assert left.endswith(".en_cours")
    assert names(work / left) == ["state.npz"]
    calls = []
    resumed = fit(project="essai", calls=calls)
    assert calls == [2, 3]
    assert same(state(resumed.model), state(uninterrupted.model))
    first, second = (run.history.drop(columns="seconds") for run in (resumed, uninterrupted))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert resumed.history["epoch"].tolist() == [1, 2, 3, 4]
    assert resumed.history["loss"].nunique() == 4
    assert int(np.asarray(resumed.model.optimizer.iterations)) == BUDGET.steps
    assert names(work) == [resumed.folder.name]


def test_a_resumed_run_takes_all_from_its_checkpoint(uninterrupted, work):
    with pytest.raises(KeyboardInterrupt):
        fit(project="essai", after_epoch=stop_at(2))
    (left,) = names(work)
    other = noisy_model(BUDGET, seed=99)
    other.optimizer.build(other.trainable_variables)
    assert len(training._resume(other, work / left / "state.npz")) == 2
    for epoch in (2, 3):
        reset_generators(other, seed=BUDGET.seed, epoch=epoch)
        training.train_one_epoch(other, example_batches(epoch))
        measure(other)  # draws too
    assert same(state(other), state(uninterrupted.model))


def test_another_seed_gives_another_run(uninterrupted):
    """The noise matters, so that the equality above says something."""
    assert not same(state(fit(seed=BUDGET.seed + 1).model), state(uninterrupted.model))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_training_that_diverges_stops_in_a_sentence_and_saves_nothing_of_it(work, monkeypatch, wrong):
    losses = iter([1.0, wrong])
    monkeypatch.setattr(training, "train_one_epoch", lambda model, batches: {"loss": next(losses)})
    with pytest.raises(training.Diverged, match=r"époque 2 sur 4 \(loss .*0\.01"):
        fit(project="essai")
    (left,) = names(work)
    assert left.endswith(".en_cours")
    with np.load(work / left / "state.npz") as kept:
        assert [row["epoch"] for row in json.loads(str(kept["rows"]))] == [1]


def test_a_run_without_a_project_leaves_nothing(work, uninterrupted):
    run = fit()
    assert not work.exists()
    assert (run.folder, run.fresh) == (None, True)
    assert run.metrics["val_loss"] == run.history["val_loss"].iloc[-1]
    assert run.metrics["seconds"] == pytest.approx(run.history["seconds"].sum())
    assert set(run.metrics) == {"loss", "val_loss", "seconds"}


def truncated(path):
    whole = path.read_bytes()
    yield from (whole[: len(whole) // 2], whole[:-5], b"", b"PK\x03\x04" + bytes(50), b"du texte")


def altered(path):
    """Inverts forty bytes here and there."""
    whole = path.read_bytes()
    for position in range(30, len(whole), len(whole) // 12):
        yield whole[:position] + bytes(b ^ 0xFF for b in whole[position : position + 40]) + whole[position + 40 :]


def test_a_corrupt_checkpoint_is_a_user_error(tmp_path):
    model = noisy_model(BUDGET, seed=0)
    model.optimizer.build(model.trainable_variables)
    path = tmp_path / "state.npz"
    training._save_checkpoint(model, [{"epoch": 1}], path)
    assert training._resume(model, path) == [{"epoch": 1}]
    for content in [*truncated(path), *altered(path)]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"state\.npz est illisible"):
            training._resume(model, path)


def test_a_checkpoint_of_another_network_is_a_user_error(tmp_path):
    small = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    small.compile(training.adam(BUDGET))
    small.optimizer.build(small.trainable_variables)
    training._save_checkpoint(small, [{"epoch": 1}], tmp_path / "state.npz")
    with pytest.raises(UserError, match="illisible"):
        training._resume(noisy_model(BUDGET, seed=0), tmp_path / "state.npz")


def test_checkpoints_keep_values_that_json_has_no_word_for(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(training.adam(BUDGET))
    model.optimizer.build(model.trainable_variables)
    path = tmp_path / "state.npz"
    training._save_checkpoint(model, [{"epoch": 1, "loss": float("nan"), "val_loss": float("inf")}], path)
    row = training._resume(model, path)[0]
    assert np.isnan(row["loss"])
    assert row["val_loss"] == np.inf


# --- Saved runs ------------------------------------------------------------------------------------------------------


def small_model(config=None) -> keras.Model:
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(40, activation="tanh"), layers.Dense(1)])
    model.compile(training.adam(BUDGET), "mse")
    return model


def small_run(config=BUDGET, *, data="abc", build=small_model, batches=example_batches, **options):
    return train(config, build=build, batches=batches, project="essai", data=data, **options)


@pytest.fixture
def trained():
    """Counts the epochs trained."""
    with pytest.MonkeyPatch.context() as patch:
        calls, real = [], training.train_one_epoch
        patch.setattr(training, "train_one_epoch", lambda *args: calls.append(1) or real(*args))
        yield calls


def test_a_run_is_trained_once_then_loaded_equal(work, trained):
    fresh, loaded = small_run(), small_run()
    assert (len(trained), fresh.fresh, loaded.fresh) == (BUDGET.epochs, True, False)
    x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    assert np.array_equal(np.asarray(fresh.model(x)), np.asarray(loaded.model(x)))
    assert not np.array_equal(np.asarray(fresh.model(x)), np.asarray(small_model()(x)))
    pd.testing.assert_frame_equal(fresh.history, loaded.history, rtol=1e-14)  # pandas 2 reads within one bit
    assert fresh.metrics == loaded.metrics and fresh.hardware == loaded.hardware == hardware()
    assert names(work) == [fresh.folder.name]
    assert names(fresh.folder) == ["config.json", "history.csv", "metrics.json", "model.keras"]


FACTOR = 1.0


def scaled_model(config):
    model = small_model()
    model.set_weights([FACTOR * weight for weight in model.get_weights()])
    return model


def test_another_configuration_data_or_code_is_another_run(work, trained, monkeypatch):
    def other(epoch):
        return example_batches(epoch + 1)

    runs = [
        small_run(),
        small_run(dataclasses.replace(BUDGET, seed=4)),
        small_run(Config(**dataclasses.asdict(BUDGET))),
        small_run(data="abd"),
        small_run(build=scaled_model),
        small_run(batches=other),
        small_run(measure=measure),
        small_run(code=[Noise]),
    ]
    monkeypatch.setitem(globals(), "FACTOR", 0.5)
    runs.append(small_run(build=scaled_model))
    assert len(trained) == BUDGET.epochs * len(runs)
    assert len({run.folder for run in runs}) == len(names(work)) == len(runs)


def test_the_saved_model_has_no_optimiser(work, tmp_path):
    run = small_run()
    with_optimiser = tmp_path / "avec.keras"
    assert run.model.optimizer is not None
    run.model.save(with_optimiser)
    weights = 4 * run.model.count_params()
    difference = with_optimiser.stat().st_size - (run.folder / "model.keras").stat().st_size
    assert difference > 2 * weights  # the two moments of Adam


def test_config_json_holds_the_identity_of_the_run(work):
    run = small_run()
    content = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
    assert set(content) == {"config", "data", "code"}
    assert content["config"] == dataclasses.asdict(BUDGET)
    assert training.config_hash(content) == run.folder.name
    assert training.run_folder(BUDGET, project="essai", data="abc", code=content["code"]) == run.folder


@pytest.mark.parametrize("damaged", ["model.keras", "history.csv", "metrics.json"])
def test_a_corrupt_saved_run_is_a_user_error(work, damaged):
    folder = small_run().folder
    path = folder / damaged
    for content in truncated(path) if damaged == "model.keras" else (b"", b"\xff\xfe{"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{folder.name} est illisible"):
            small_run()
    path.unlink()
    with pytest.raises(UserError, match="Effacez ce dossier"):
        small_run()


def test_a_damaged_model_is_refused_or_equal_never_another(work):
    run = small_run()
    path, x = run.folder / "model.keras", np.ones((2, 6), "float32")
    refused = 0
    for content in list(altered(path)):  # some bytes are not read, the date of the file for one
        path.write_bytes(content)
        try:
            assert np.array_equal(np.asarray(small_run().model(x)), np.asarray(run.model(x)))
        except UserError:
            refused += 1
    assert refused > 8


@pytest.mark.parametrize("where", ["model", "history"])
def test_a_full_disk_is_a_user_error_and_leaves_nothing_half_written(work, monkeypatch, trained, where):
    def full(self, path, *_args, **_options):
        path.write_bytes(b"la moitie")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(*((keras.Model, "save", full) if where == "model" else (pd.DataFrame, "to_csv", full)))
        with pytest.raises(UserError, match="disque est plein"):
            small_run()
    (left,) = names(work)
    assert left.endswith(".en_cours")
    run = small_run()
    assert run.fresh
    assert names(work) == [run.folder.name]
    assert len(trained) == BUDGET.epochs  # the training itself was not lost


def test_a_disk_full_at_a_checkpoint_keeps_the_one_before(tmp_path, monkeypatch):
    model, path = small_model(), tmp_path / "state.npz"
    model.optimizer.build(model.trainable_variables)
    training._save_checkpoint(model, [{"epoch": 1}], path)

    def full(stream, **_arrays):
        stream.write(b"la moitie")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="disque est plein"):
        training._save_checkpoint(model, [{"epoch": 1}, {"epoch": 2}], path)
    assert names(tmp_path) == ["state.npz"]
    assert training._resume(model, path) == [{"epoch": 1}]


# --- Progress --------------------------------------------------------------------------------------------------------

HISTORY = pd.DataFrame({"epoch": [1, 2], "loss": [3.5, 1.25], "val_loss": [4.0, 2.5], "seconds": [60.0, 65.0]})


def test_progress_in_a_file_is_one_french_line_per_epoch(capsys):
    progress = training.Progress("Modèle", 2)
    for row in HISTORY.to_dict("records"):
        progress.update(row)
    progress.finish(HISTORY)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0] == "Modèle : époque 0/2…"
    assert lines[1].startswith("Modèle : époque 1/2, perte 3,50, perte de validation 4 (encore ")
    assert lines[2].startswith("Modèle : époque 2/2, perte 1,25")
    assert lines[3] == "Modèle : 2 époques en 2 min 05 s ; à la fin, perte 1,25, perte de validation 2,50.".replace(
        " min 05 s", "\u00a0min\u00a005\u00a0s"
    )


def test_progress_in_a_terminal_is_one_line_rewritten(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    progress = training.Progress("Modèle", 2, "nats")
    for row in HISTORY.to_dict("records"):
        progress.update(row)
    progress.finish(HISTORY)
    written = terminal.getvalue()
    assert written.count("\n") == 1
    assert written.endswith("\n")
    assert written.split("\r\x1b[K")[-1].startswith("Modèle : 2 époques")


def test_the_time_left_of_a_resumed_training_counts_its_own_epochs(monkeypatch, capsys):
    clock = iter([100.0, 130.0])
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    training.Progress("Modèle", 12).update({"epoch": 9, "loss": 1.0})
    assert "(encore 1\u00a0min\u00a030\u00a0s)" in capsys.readouterr().out  # three epochs of 30 s


def test_a_training_is_silent_without_a_title_and_speaks_with_one(capsys):
    budget = dataclasses.replace(BUDGET, epochs=1)
    small_run(budget)
    assert capsys.readouterr().out == ""
    for data in ("abd", "abd"):  # trained, then found again
        small_run(budget, data=data, title="Petit réseau", unit="points")
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1].startswith("Petit réseau : 1 époque en ")
        assert "points" in lines[-1]


def test_a_pass_shows_each_example_once_in_order_and_returns_means():
    seen = []

    class Spy(keras.Model):
        def __init__(self):
            super().__init__()
            self.bias = self.add_weight(shape=(), initializer="zeros")

        def call(self, x):
            return x + self.bias

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(y_pred - y)

    x, y = np.arange(10, dtype="float32")[:, None], np.zeros((10, 1), "float32")
    model = Spy()
    model(x)
    model.compile(keras.optimizers.SGD(0.0))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            seen.append(index)
            return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]

    logs = training.train_one_epoch(model, ArrayBatches(x, y, batch_size=4))
    assert logs["loss"] == pytest.approx(4.5)  # the last batch, smaller, weighs less
    assert training.train_one_epoch(model, Batches())["loss"] == pytest.approx(4.5)
    assert sorted(set(seen)) == [0, 1, 2]


def test_batches_of_arrays_are_windows_in_order():
    x, y = np.arange(10), [np.arange(10) * 2, np.arange(10) * 3]
    batches = ArrayBatches(x, y, batch_size=4)
    assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4, 2]
    assert np.concatenate([batches[i][0] for i in range(3)]).tolist() == x.tolist()
    assert batches[1][1][1].tolist() == [12, 15, 18, 21]
    (alone,) = ArrayBatches([x, x], batch_size=16)[0]
    assert len(alone) == 2


def test_a_batch_that_cannot_be_made_stops_the_training():
    class Broken(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            if index == 3:
                raise UserError("œuvre illisible")
            return np.zeros((2, 6), "float32"), np.zeros((2, 1), "float32")

    with pytest.raises(UserError, match="œuvre illisible"):
        training.train_one_epoch(small_model(), Broken())


def test_show_history_draws_the_curves_with_their_description(monkeypatch):
    shown = []
    monkeypatch.setattr(figures.Slot, "figure", lambda self, drawing: shown.append(drawing))
    training.show_history(HISTORY, title="Juge", unit="nats")
    figure, alt = shown[0].figure, shown[0].alt
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[3.5, 1.25], [4.0, 2.5]]
    assert (axes.get_title(loc="left"), axes.get_ylabel()) == ("Juge", "perte (nats)")
    assert alt.startswith("Juge : 2 époques")
    assert "1,25\u00a0nats" in alt


def test_weights_with_fewer_bits_are_close_and_lighter(tmp_path):
    network = keras.Sequential([keras.Input((64,)), keras.layers.Dense(200)])
    config = training.Budget()
    save_weights(tmp_path / "fin", network, config)
    save_weights(tmp_path / "court", network, config, bits=5)
    found, _ = load_weights(tmp_path / "court", lambda entries: keras.models.clone_model(network), project="x")
    kernel = np.asarray(network.layers[0].kernel)
    np.testing.assert_allclose(found.layers[0].kernel, kernel, rtol=2**-5.9, atol=1e-6)
    exact = kernel.astype("float16").astype("float32")
    assert np.abs(np.asarray(found.layers[0].kernel) - exact).max() > 0
    assert (tmp_path / "court.npz").stat().st_size < 0.8 * (tmp_path / "fin.npz").stat().st_size
