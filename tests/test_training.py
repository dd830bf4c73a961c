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
from commun.training import Budget, epoch_indices, fit_epochs, load_or_train, reset_generators

import keras  # isort: skip
from keras import layers  # isort: skip

from projet2_cvae import model as cvae

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


def fit(model, *, checkpoints=None, after_epoch=None, seed=BUDGET.seed, calls=None):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 6)).astype("float32")
    y = x.sum(axis=1, keepdims=True)

    def data(epoch):
        if calls is not None:
            calls.append(epoch)
        chosen = epoch_indices(BUDGET, len(x), epoch=epoch)
        return {"x": x[chosen], "y": y[chosen], "batch_size": BUDGET.batch_size}

    return fit_epochs(
        model,
        data,
        epochs=BUDGET.epochs,
        seed=seed,
        evaluate=lambda m: {"val_loss": np.float32(np.mean((np.asarray(m(x)) - y) ** 2))},
        after_epoch=after_epoch,
        checkpoints=checkpoints,
    )


def state(model) -> list[np.ndarray]:
    return [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]


def same(first, second) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def stop_at(last: int):
    def after_epoch(epoch, row):
        if epoch == last:
            raise KeyboardInterrupt

    return after_epoch


@pytest.fixture(scope="module")
def uninterrupted():
    model = noisy_model(BUDGET, seed=0)
    return fit(model), state(model)


def test_a_resumed_run_equals_an_uninterrupted_one(uninterrupted, tmp_path):
    history, reference = uninterrupted
    with pytest.raises(KeyboardInterrupt):
        fit(noisy_model(BUDGET, seed=0), checkpoints=tmp_path, after_epoch=stop_at(1))
    calls, other = [], noisy_model(BUDGET, seed=99)  # other initial weights: all comes from the checkpoint
    resumed = fit(other, checkpoints=tmp_path, calls=calls)
    assert calls == [2, 3]
    assert same(state(other), reference)
    pd.testing.assert_frame_equal(resumed.drop(columns="seconds"), history.drop(columns="seconds"), check_exact=True)
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["loss"].nunique() == 4
    assert int(np.asarray(other.optimizer.iterations)) == BUDGET.steps


def test_another_seed_gives_another_run(uninterrupted):
    """The noise matters, so that the equality above says something."""
    model = noisy_model(BUDGET, seed=0)
    fit(model, seed=BUDGET.seed + 1)
    assert not same(state(model), uninterrupted[1])


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
    training._checkpoint(model, [{"epoch": 1}], tmp_path)
    path = tmp_path / "state.npz"
    assert training._resume(model, tmp_path) == [{"epoch": 1}]
    for content in [*truncated(path), *altered(path)]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"state\.npz est illisible"):
            training._resume(model, tmp_path)


def test_a_checkpoint_of_another_network_is_a_user_error(tmp_path):
    small = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    small.compile(training.adam(BUDGET))
    small.optimizer.build(small.trainable_variables)
    training._checkpoint(small, [{"epoch": 1}], tmp_path)
    with pytest.raises(UserError, match="illisible"):
        training._resume(noisy_model(BUDGET, seed=0), tmp_path)


def test_checkpoints_keep_values_that_json_has_no_word_for(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(training.adam(BUDGET))
    model.optimizer.build(model.trainable_variables)
    training._checkpoint(model, [{"epoch": 1, "loss": float("nan"), "val_loss": float("inf")}], tmp_path)
    row = training._resume(model, tmp_path)[0]
    assert np.isnan(row["loss"])
    assert row["val_loss"] == np.inf


# --- Saved runs ------------------------------------------------------------------------------------------------------


def small_model() -> keras.Model:
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((20,)), layers.Dense(40, activation="tanh"), layers.Dense(3)])
    model.compile(training.adam(BUDGET), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


STEP = 2.0**-7


class Fit:
    """Stands for a training: it changes the weights and counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, model, checkpoints):
        self.calls += 1
        assert checkpoints.is_dir()
        (checkpoints / "state.npz").write_bytes(b"en cours")
        for variable in model.trainable_variables:
            variable.assign(variable + STEP)
        history = pd.DataFrame({"epoch": [1, 2], "loss": [0.1 + 0.2, 1 / 3], "seconds": [1.5, 2.0]})
        return history, {"val_loss": np.float64(0.1) * 3}


def run(fit, config=None, *, data="abc", version=1, build=small_model):
    return load_or_train(config or {"b": 1, "a": "é"}, build, fit, project="essai", data=data, version=version)


def test_a_run_is_trained_once_then_loaded_equal(work):
    count = Fit()
    fresh = run(count)
    loaded = run(count, {"a": "é", "b": 1}, build=None)
    assert (count.calls, fresh.fresh, loaded.fresh) == (1, True, False)
    x = np.random.default_rng(0).normal(size=(5, 20)).astype("float32")
    assert np.array_equal(np.asarray(fresh.model(x)), np.asarray(loaded.model(x)))
    assert not np.array_equal(np.asarray(fresh.model(x)), np.asarray(small_model()(x)))
    pd.testing.assert_frame_equal(fresh.history, loaded.history, rtol=1e-14)  # pandas 2 reads within one bit
    assert fresh.metrics == loaded.metrics
    assert names(work) == [fresh.folder.name]
    assert names(fresh.folder) == ["config.json", "history.csv", "metrics.json", "model.keras"]


def test_another_configuration_data_or_version_is_another_run(work):
    count = Fit()
    runs = [
        run(count),
        run(count, {"b": 2, "a": "é"}),
        run(count, {"b": "1", "a": "é"}),
        run(count, data="abd"),
        run(count, version=2),
    ]
    assert count.calls == len({r.folder for r in runs}) == len(names(work)) == 5


def test_the_saved_model_has_no_optimiser(work, tmp_path):
    saved = run(Fit())
    with_optimiser = tmp_path / "avec.keras"
    small_model().save(with_optimiser)
    weights = 4 * small_model().count_params()
    difference = with_optimiser.stat().st_size - (saved.folder / "model.keras").stat().st_size
    assert difference > 2 * weights  # the two moments of Adam


def test_config_json_holds_the_identity_of_the_run(work):
    saved = run(Fit())
    content = json.loads((saved.folder / "config.json").read_text(encoding="utf-8"))
    assert content == {"config": {"a": "é", "b": 1}, "data": "abc", "version": 1}
    config = content.pop("config")
    assert training.run_key(config, **content) == saved.folder.name


@pytest.mark.parametrize("damaged", ["model.keras", "history.csv", "metrics.json"])
def test_a_corrupt_saved_run_is_a_user_error(work, damaged):
    saved = run(Fit())
    path = saved.folder / damaged
    for content in truncated(path) if damaged == "model.keras" else (b"", b"\xff\xfe{"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{saved.folder.name} est illisible"):
            run(None)
    path.unlink()
    with pytest.raises(UserError, match="Effacez ce dossier"):
        run(None)


def test_a_damaged_model_is_refused_or_equal_never_another(work):
    saved = run(Fit())
    path, x = saved.folder / "model.keras", np.ones((2, 20), "float32")
    refused = 0
    for content in list(altered(path)):  # some bytes are not read, the date of the file for one
        path.write_bytes(content)
        try:
            assert np.array_equal(np.asarray(run(None).model(x)), np.asarray(saved.model(x)))
        except UserError:
            refused += 1
    assert refused > 8


def test_an_interrupted_training_leaves_a_checkpoint_and_resumes(work):
    def build():
        return noisy_model(BUDGET, seed=0)

    def fit_with(**options):
        return lambda model, folder: (fit(model, checkpoints=folder, **options), {})

    with pytest.raises(KeyboardInterrupt):
        run(fit_with(after_epoch=stop_at(2)), build=build)
    (left,) = names(work)
    assert left.endswith(".en_cours")
    assert names(work / left) == ["state.npz"]
    calls = []
    resumed = run(fit_with(calls=calls), build=build)
    assert calls == [3]
    assert len(resumed.history) == 4
    assert names(work) == [resumed.folder.name]


@pytest.mark.parametrize("where", ["model", "history"])
def test_a_full_disk_is_a_user_error_and_leaves_nothing_half_written(work, monkeypatch, where):
    def full(self, path, *_args, **_options):
        path.write_bytes(b"la moitie")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    count = Fit()
    with monkeypatch.context() as patch:
        patch.setattr(*((keras.Model, "save", full) if where == "model" else (pd.DataFrame, "to_csv", full)))
        with pytest.raises(UserError, match="disque est plein"):
            run(count)
    (left,) = names(work)
    assert left.endswith(".en_cours")  # the training itself is not lost
    assert run(count).fresh
    assert count.calls == 2


def test_a_disk_full_at_a_checkpoint_keeps_the_one_before(tmp_path, monkeypatch):
    model = small_model()
    training._checkpoint(model, [{"epoch": 1}], tmp_path)

    def full(stream, **_arrays):
        stream.write(b"la moitie")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="disque est plein"):
        training._checkpoint(model, [{"epoch": 1}, {"epoch": 2}], tmp_path)
    assert names(tmp_path) == ["state.npz"]
    assert training._resume(model, tmp_path) == [{"epoch": 1}]


@pytest.mark.parametrize("options", [{}, {"conditional": False}, {"form": "conv", "width": 4}])
def test_a_cvae_is_saved_loaded_and_built_again(work, options):
    config = cvae.Config(**{"width": 8, "latent_dim": 2, "images_seen": 64, "seed": 6} | options)
    fresh = run(Fit(), dataclasses.asdict(config), build=lambda: cvae.build(config))
    loaded = run(None, dataclasses.asdict(config), build=None)
    random = np.random.default_rng(0)
    inputs = [random.integers(0, 256, (3, 28, 28, 1)).astype("uint8"), np.array([0, 5, 9])]

    def outputs(model):
        reset_generators(model, seed=0, epoch=0)
        return [np.asarray(output) for output in model(inputs)]

    assert same(outputs(fresh.model), outputs(loaded.model))
    assert loaded.model.config == config
    content = json.loads((fresh.folder / "config.json").read_text(encoding="utf-8"))
    again = cvae.build(cvae.Config(**content["config"]))
    for before, after in zip(again.trainable_variables, loaded.model.trainable_variables, strict=True):
        assert np.array_equal(np.asarray(before) + np.float32(STEP), np.asarray(after))


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


def test_fit_epochs_is_silent_without_a_title_and_speaks_with_one(capsys):
    model = small_model()
    data = {"x": np.zeros((4, 20), "float32"), "y": np.zeros((4, 3), "float32")}
    fit_epochs(model, lambda epoch: data, epochs=1, seed=0)
    assert capsys.readouterr().out == ""
    fit_epochs(model, lambda epoch: data, epochs=1, seed=0, title="Petit réseau", unit="points")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Petit réseau : époque 0/1…"
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

    logs = training.one_pass(model, x, y, batch_size=4)
    assert logs["loss"] == pytest.approx(4.5)  # the last batch, smaller, weighs less
    assert training.one_pass(model, Batches())["loss"] == pytest.approx(4.5)
    assert sorted(set(seen)) == [0, 1, 2]


def test_a_batch_that_cannot_be_made_stops_the_training():
    class Broken(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            if index == 3:
                raise UserError("œuvre illisible")
            return np.zeros((2, 20), "float32"), np.zeros((2, 3), "float32")

    with pytest.raises(UserError, match="œuvre illisible"):
        training.one_pass(small_model(), Broken())


def test_show_history_draws_the_curves_with_their_description(monkeypatch):
    shown = []
    monkeypatch.setattr(figures.Slot, "figure", lambda self, figure, *, alt: shown.append((figure, alt)))
    training.show_history(HISTORY, title="Juge", unit="nats")
    (figure, alt) = shown[0]
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[3.5, 1.25], [4.0, 2.5]]
    assert (axes.get_title(loc="left"), axes.get_ylabel()) == ("Juge", "perte (nats)")
    assert alt.startswith("Juge : 2 époques")
    assert "1,25\u00a0nats" in alt


def test_weights_with_fewer_bits_are_close_and_lighter(tmp_path):
    network = keras.Sequential([keras.Input((64,)), keras.layers.Dense(200)])
    config = training.Budget()
    training.save_weights(tmp_path / "fin", network, config)
    training.save_weights(tmp_path / "court", network, config, bits=5)
    found, _ = training.load_weights(tmp_path / "court", lambda entries: keras.models.clone_model(network), project="x")
    kernel = np.asarray(network.layers[0].kernel)
    np.testing.assert_allclose(found.layers[0].kernel, kernel, rtol=2**-5.9, atol=1e-6)
    exact = kernel.astype("float16").astype("float32")
    assert np.abs(np.asarray(found.layers[0].kernel) - exact).max() > 0
    assert (tmp_path / "court.npz").stat().st_size < 0.8 * (tmp_path / "fin.npz").stat().st_size
