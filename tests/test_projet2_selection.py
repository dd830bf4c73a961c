"""The search of project 2: resumed studies, fair pruning, the tables and sentences that come out of them."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from commun import UserError, studies, training
from commun.datasets import Location
from projet2_cvae import model, readings, sample, selection
from projet2_cvae.dataset import Data, Part
from projet2_cvae.model import Config

BUDGET = training.Budget(images_seen=64, epochs=2, seed=0)
NBSP = "\N{NO-BREAK SPACE}"


def _part(count: int, seed: int) -> Part:
    labels = (np.arange(count) % 10).astype("uint8")
    return Part(sample.draw_images(labels, seed=seed)[..., None], labels)


@pytest.fixture(scope="module")
def data() -> Data:
    return Data(_part(40, 0), _part(20, 1), _part(20, 2), Location(Path(), False, "Fashion-MNIST"))


@pytest.fixture(scope="module")
def travail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: making a database takes a second. Tests differ by their budgets."""
    return tmp_path_factory.mktemp("un travail été")


@pytest.fixture(autouse=True)
def environment(travail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJETS_TRAVAIL", str(travail))
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    monkeypatch.delenv("PROJETS_ETUDES", raising=False)


@pytest.fixture(scope="module", autouse=True)
def quick_database() -> Generator[None, None, None]:
    """Spares SQLite the wait for the disk at each of its commits."""

    def relax(connection, _) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    yield
    event.remove(Engine, "connect", relax)


def _budget(images: int, epochs: int = 2, seed: int = 0) -> training.Budget:
    return training.Budget(images_seen=images, epochs=epochs, seed=seed)


@pytest.fixture
def imagined(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Replaces training by a formula; returns the trainings asked for, to be read after a search."""
    calls: list[dict] = []

    def train(config, part, validation, *, after_epoch, project):
        assert project == ""  # nothing is kept of a trial
        calls.append({"config": config, "validation": validation, "reported": 0})
        model = types.SimpleNamespace(count_params=lambda: config.width)
        for epoch in range(config.epochs):
            row = {"epoch": epoch + 1, "val_loss": 250.0 + len(calls) - 0.5 * epoch}
            calls[-1]["reported"] += 1
            after_epoch(model, row)
        return training.Run(model, None, row, None, fresh=True)

    monkeypatch.setattr(selection.keras.backend, "clear_session", lambda: None)
    monkeypatch.setattr(selection, "train", train)
    return calls


def imagined_table(count: int = 12, *, seed: int = 0, complete: int | None = None) -> pd.DataFrame:
    """A study where the form, then the learning rate, decide of the result."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        params = {name: choices[random.integers(len(choices))] for name, choices in selection.SPACE.items()}
        params["learning_rate"] = float(np.exp(random.uniform(*np.log(selection.SPACE["learning_rate"]))))
        value = 240 + 8 * (params["architecture"] == "dense") + abs(np.log(params["learning_rate"] / 2e-3))
        rows.append({
            "number": number,
            "state": "complete" if complete is None or number < complete else "pruned",
            "val_nelbo": value + random.normal(0, 0.1),
            "epochs": 2,
            "seconds": 3.4,
            "parameters": 9,
            **params,
        })
    return pd.DataFrame(rows)


# --- The search ------------------------------------------------------------------------------------------------------


def test_a_real_search_measures_validation_and_resumes(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "WIDEST", {"dense": 16, "conv": 4})
    table = selection.search(data, BUDGET, trials=2)
    expected = ["number", "state", "val_nelbo", "epochs", "steps", "seconds", "parameters", *selection.SPACE]
    assert list(table.columns) == expected and table["state"].tolist() == ["complete"] * 2
    assert (table["epochs"] == BUDGET.epochs).all() and (table["parameters"] > 1000).all()
    assert table["val_nelbo"].between(300, 700).all()  # 784 ln 2 = 543 nats, before any learning
    monkeypatch.setattr(selection, "train", lambda *_, **__: pytest.fail("nothing is left to do"))
    pd.testing.assert_frame_equal(selection.search(data, BUDGET, trials=2), table)


def test_a_resumed_search_equals_an_uninterrupted_one(data: Data, imagined: list[dict]) -> None:
    budget = _budget(100)
    selection.search(data, budget, trials=3)
    assert len(imagined) == 3
    resumed = selection.search(data, budget, trials=10)
    assert len(imagined) == 10 and resumed["number"].tolist() == list(range(10))
    assert len(resumed[list(selection.SPACE)].drop_duplicates()) == 10  # it does not draw the first trials again
    imagined.clear()
    straight = selection.search(dataclasses.replace(data, fit=_part(40, 11)), budget, trials=10)
    columns = [*selection.SPACE, "val_nelbo"]
    pd.testing.assert_frame_equal(resumed[columns], straight[columns])
    assert resumed["state"].tolist() == ["complete"] * 10  # two epochs: the only one that could be pruned is the last


def test_every_trial_stays_in_the_space(data: Data, imagined: list[dict]) -> None:
    table = selection.search(data, _budget(110), trials=8)
    for name, choices in selection.SPACE.items():
        if name == "learning_rate":
            assert table[name].between(*choices).all() and table[name].nunique() == 8
        else:
            assert set(table[name]) <= set(choices) and table[name].nunique() > 1
    widths = [round(selection.WIDEST[row["architecture"]] * row["size"]) for row in table.to_dict("records")]
    assert [call["config"].width for call in imagined] == widths == table["parameters"].tolist()
    for row, params in zip(table.to_dict("records"), selection.FIRST, strict=False):
        assert {name: row[name] for name in selection.SPACE} == params  # the first two are not drawn
    other = selection.search(data, _budget(110, seed=1), trials=3)
    assert other["learning_rate"].iloc[2] != table["learning_rate"].iloc[2]


def test_other_data_or_another_budget_are_another_study(data: Data, imagined: list[dict]) -> None:
    budget = _budget(120)
    selection.search(data, budget, trials=1)
    variants = [
        (dataclasses.replace(data, fit=_part(40, 7)), budget),
        (dataclasses.replace(data, fit=Part(data.fit.images, data.fit.labels[::-1].copy())), budget),
        (dataclasses.replace(data, validation=_part(20, 8)), budget),
        (data, _budget(121)),
        (data, _budget(120, epochs=4)),
    ]
    for i, (other, changed) in enumerate(variants, 1):
        assert len(selection.search(other, changed, trials=1)) == 1
        assert len(imagined) == 1 + i
    selection.search(dataclasses.replace(data, test=_part(20, 9)), budget, trials=1)
    assert len(imagined) == 6  # the test part has no say


def test_other_code_is_another_study_and_another_choice(data: Data, imagined: list[dict], monkeypatch) -> None:
    budget = _budget(125)
    selection.search(data, budget, trials=1)
    selection.save_choice(Config(latent_dim=24), data)
    with monkeypatch.context() as edit:
        edit.setattr(model, "bernoulli_nll", lambda images, logits: 0.0 * logits[:, 0, 0, 0])
        selection.search(data, budget, trials=1)
        with pytest.raises(UserError, match=r"03_selection\.ipynb"):
            selection.load_choice(data)
    with monkeypatch.context() as edit:
        edit.setattr(model, "class_blocks", lambda features, label: features)
        selection.search(data, budget, trials=1)
    with monkeypatch.context() as edit:
        edit.setattr(selection, "SPACE", selection.SPACE | {"latent_dim": (8, 16)})
        selection.search(data, budget, trials=1)
    assert len(imagined) == 4
    selection.search(data, budget, trials=1)
    assert len(imagined) == 4 and selection.load_choice(data) == Config(latent_dim=24)


def test_the_search_is_judged_on_the_validation_part_alone(data: Data, imagined, monkeypatch, tmp_path: Path) -> None:
    """The fault that this catches: trials that learn from the test part, or are judged on it."""

    def train(config, part, validation, *, after_epoch, project):
        seen = [float(a.astype(float).mean()) for p in (part, validation) for a in (p.images[:7], p.labels[:7])]
        row = {"epoch": config.epochs, "val_loss": sum(seen) + config.latent_dim}
        after_epoch(types.SimpleNamespace(count_params=lambda: 0), row)
        return training.Run(None, None, row, None, fresh=True)

    def poison(part: Part) -> Part:
        return Part(255 - part.images, (part.labels + 1) % 10)

    monkeypatch.setattr(selection, "train", train)
    tables = []
    for name in ("none", "validation", "fit", "test"):
        if name == "test":
            monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))  # else the first study would be found again
        spoilt = data if name == "none" else dataclasses.replace(data, **{name: poison(getattr(data, name))})
        tables.append(selection.search(spoilt, _budget(160), trials=2).drop(columns="seconds"))
    pd.testing.assert_frame_equal(tables[0], tables[3])
    assert all((tables[0]["val_nelbo"] != table["val_nelbo"]).all() for table in tables[1:3])


def test_nothing_is_pruned_before_the_longest_warmup_nor_at_the_end(data: Data, imagined: list[dict]) -> None:
    budget = _budget(800, epochs=6)
    table = selection.search(data, budget, trials=9)  # each trial is worse than those before
    pruned = table[table["state"] == "pruned"]
    assert len(pruned) > 0 and (table["state"].iloc[:6] == "complete").all()
    longest = max(selection.SPACE["warmup"]) * budget.epochs
    assert (pruned["epochs"] > longest).all() and (pruned["epochs"] < budget.epochs).all()
    assert [call["reported"] for call in imagined] == table["epochs"].tolist()


def test_trials_of_other_workers_count(data: Data, imagined: list[dict], monkeypatch: pytest.MonkeyPatch) -> None:
    train, nested = selection.train, []

    def stop_waiting(seconds: float) -> None:
        raise TimeoutError

    def with_a_neighbour(*arguments, **options) -> training.Run:
        if not nested:
            nested.append(True)
            with pytest.raises(TimeoutError):  # what another worker does meanwhile: one trial, then it waits for ours
                selection.search(data, _budget(130), trials=2)
        return train(*arguments, **options)

    monkeypatch.setattr(studies, "_pause", stop_waiting)
    monkeypatch.setattr(selection, "train", with_a_neighbour)
    table = selection.search(data, _budget(130), trials=3)
    assert len(table) == 3 == len(imagined)


def test_a_diverged_trial_is_shown_as_failed_and_never_chosen(data: Data, imagined, monkeypatch) -> None:
    objective = selection._objective

    def diverging(data, budget, trial) -> float:
        return objective(data, budget, trial) if trial.number else float("nan")

    monkeypatch.setattr(selection, "_objective", diverging)
    table = selection.search(data, _budget(140), trials=3)
    assert sorted(table["state"]) == ["complete", "complete", "failed"]
    assert len(selection.best(table, 5)) == 2
    assert len(selection.display_table(table)) == 3


def test_a_trial_that_diverges_does_not_stop_the_study(data: Data, imagined, monkeypatch) -> None:
    train, calls = selection.train, []

    def diverging(*arguments, **options) -> training.Run:
        calls.append(1)
        if len(calls) == 2:
            raise training.Diverged("L'entraînement a divergé.")
        return train(*arguments, **options)

    monkeypatch.setattr(selection, "train", diverging)
    table = selection.search(data, _budget(170), trials=3)
    assert table["state"].tolist() == ["complete", "failed", "complete"]


@pytest.mark.parametrize(
    "url", ["n'importe quoi", "postgresql://moi:secret@127.0.0.1:9/base", "sqlite:////absent/x.db"]
)
def test_an_unreachable_database_is_told_without_its_password(url: str, data: Data, monkeypatch) -> None:
    monkeypatch.setenv("PROJETS_ETUDES", url)
    with pytest.raises(UserError, match="PROJETS_ETUDES") as refusal:
        selection.search(data, BUDGET, trials=1)
    assert "secret" not in str(refusal.value)


def test_the_database_of_the_environment_is_used(data: Data, imagined, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROJETS_ETUDES", f"sqlite:///{(tmp_path / 'ailleurs.db').as_posix()}")
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "travail"))
    selection.search(data, _budget(150), trials=1)
    assert not list(tmp_path.glob("travail/etudes/*"))
    assert (tmp_path / "ailleurs.db").is_file() and len(imagined) == 1


# --- Configurations --------------------------------------------------------------------------------------------------


def _params(**changes) -> dict:
    params = {name: choices[-1] for name, choices in selection.SPACE.items()}
    params |= {"architecture": "conv", "size": 0.75, "latent_dim": 24, "learning_rate": 0.0015, "warmup": 0.25}
    return params | changes


@pytest.mark.parametrize("architecture", selection.SPACE["architecture"])
@pytest.mark.parametrize("size", selection.SPACE["size"])
def test_config_of_takes_every_parameter(architecture: str, size: float) -> None:
    params = _params(architecture=architecture, size=np.float64(size), latent_dim=np.int64(24))
    config = selection.config_of(params, _budget(999, epochs=3, seed=5))
    assert (config.epochs, config.seed) == (3, 5)
    assert config.width == selection.WIDEST[architecture] * size and config.conditional
    back = dataclasses.asdict(config) | {"size": config.width / selection.WIDEST[architecture]}
    assert {name: back[name] for name in selection.SPACE} == params
    assert all(type(v) in (int, float, bool, str) for v in dataclasses.asdict(config).values())


@pytest.mark.parametrize("size", selection.SPACE["batch_size"])
def test_all_trials_take_as_many_steps_whatever_their_lots(size: int) -> None:
    """The fault that this catches: at equal images, small lots take more steps, and win by that alone."""
    budget = _budget(12_800, epochs=4)
    config = selection.config_of(_params(batch_size=size), budget)
    assert config.steps == budget.steps == 100 and config.images_seen == 100 * size
    assert selection.config_of(selection.FIRST[0], budget).images_seen == budget.images_seen


def test_the_table_of_a_study_says_its_steps(data: Data, imagined: list[dict]) -> None:
    table = selection.search(data, _budget(2560), trials=5)
    assert table["steps"].tolist() == [20] * 5 and not readings.steps_vary(table)


def test_the_reference_study_took_other_steps_for_other_lots() -> None:
    table = selection.reference_table()
    assert table.groupby("batch_size")["steps"].first().to_dict() == {64: 3440, 128: 1720, 256: 856}
    assert readings.steps_vary(table)


def test_describe_config_says_every_setting() -> None:
    text = selection.describe_config(selection.config_of(_params(), BUDGET)).replace(NBSP, " ")
    for said in ("forme convolutive", "taille 75 %", "dimension latente 24", "taux d'apprentissage 0,0015", "β 25 %"):
        assert said in text
    assert [part.startswith(name) for part, name in zip(text.split(", "), selection.NAMES.values(), strict=True)]
    other = selection.config_of(_params(size=0.5, architecture="dense"), BUDGET)
    assert "forme dense, taille 50 %" in selection.describe_config(other).replace(NBSP, " ")


def test_describe_choices_names_all_values() -> None:
    assert selection.describe_choices("architecture") == "dense ; convolutive"
    assert selection.describe_choices("latent_dim") == "8 ; 12 ; 16 ; 24 ; 32"
    assert selection.describe_choices("learning_rate").startswith("de 0,0005 à 0,005")
    for name, choices in selection.SPACE.items():
        separators = 0 if name == "learning_rate" else len(choices) - 1
        assert selection.describe_choices(name).count(" ; ") == separators
    assert set(selection.NAMES) == set(selection.SPACE)


def test_the_choice_is_kept_for_the_same_data_only(data: Data, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path))
    config = Config(latent_dim=24, architecture="conv", width=48)
    with pytest.raises(UserError, match=r"03_selection\.ipynb"):
        selection.load_choice(data)
    selection.save_choice(config, data)
    assert selection.load_choice(data) == config
    with pytest.raises(UserError, match=r"03_selection\.ipynb"):
        selection.load_choice(dataclasses.replace(data, fit=_part(40, 5)))
    selection.save_choice(dataclasses.replace(config, seed=1), data)
    assert selection.load_choice(data).seed == 1


# --- Tables and sentences --------------------------------------------------------------------------------------------


def test_best_ranks_complete_trials_only(tmp_path: Path) -> None:
    table = imagined_table(12, complete=9)
    table.loc[11, "val_nelbo"] = 1.0  # pruned, whatever it shows
    chosen = selection.best(table, 3)
    expected = table[:9].sort_values("val_nelbo")[:3]
    assert [c["learning_rate"] for c in chosen] == expected["learning_rate"].tolist()
    table.to_csv(tmp_path / "etude.csv", index=False)
    assert selection.best(pd.read_csv(tmp_path / "etude.csv"), 3) == chosen  # a CSV keeps the types
    assert [selection.config_of(c, BUDGET) for c in chosen]
    with pytest.raises(UserError, match="ESSAIS"):
        selection.best(imagined_table(3, complete=0), 1)


def test_importance_finds_what_decides() -> None:
    shares = selection.importance(imagined_table(40))
    assert set(shares.index) == set(selection.SPACE) and shares.sum() == pytest.approx(1)
    assert shares.index[0] == "architecture" and shares.iloc[0] > 0.6
    assert shares.is_monotonic_decreasing
    pd.testing.assert_series_equal(shares, selection.importance(imagined_table(40)))


@pytest.mark.parametrize("complete", [0, 1, 3])
def test_too_few_complete_trials_say_so(complete: int) -> None:
    table = imagined_table(6, complete=complete)
    shares = selection.importance(table)
    assert shares.empty
    text = readings.study(table)
    assert "compte le plus" not in text and text.startswith(("Aucun essai", f"Sur {complete} essai"))
    assert selection.summary(table)["complete"] == complete


def test_equal_results_have_no_importance() -> None:
    assert selection.importance(imagined_table(8).assign(val_nelbo=240.0)).empty


def test_conclusion_and_summary_hold_the_values() -> None:
    table = imagined_table(30, complete=25)
    complete = table[:25]
    text = readings.study(table)
    for form, word in (("dense", "dense"), ("conv", "convolutive")):
        low = complete.loc[complete["architecture"] == form, "val_nelbo"].min()
        assert f"forme {word} atteint {low:.1f} nats".replace(".", ",") in text
    assert text.startswith("Sur 25 essais complets") and text.endswith("**forme**.")
    assert selection.summary(table) == {
        "trials": 30, "complete": 25, "lowest": complete["val_nelbo"].min(), "highest": complete["val_nelbo"].max(),
    }  # fmt: skip


def test_shown_puts_the_best_first_and_the_pruned_last() -> None:
    table = imagined_table(10, complete=6)
    shown = selection.display_table(table)
    assert shown["état"].tolist() == ["complet"] * 6 + ["élagué"] * 4
    assert shown["ELBO négative (nats)"][:6].is_monotonic_increasing
    best = table[:6]["val_nelbo"].idxmin()
    assert shown["essai"].iloc[0] == table.loc[best, "number"] + 1
    assert shown[selection.NAMES["latent_dim"]].iloc[0] == str(table.loc[best, "latent_dim"])
    assert set(selection.NAMES.values()) < set(shown.columns)


def test_reference_table_is_read_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "REFERENCE", tmp_path)
    assert selection.reference_table() is None
    imagined_table(5).to_csv(tmp_path / "etude.csv", index=False)
    assert len(selection.reference_table()) == 5


def test_the_usual_settings_are_finalists_once() -> None:
    table = imagined_table(12)
    for column, value in selection.FIRST[1].items():
        table[column] = table[column].astype(object)
        table.loc[0, column] = value
    table.loc[0, "val_nelbo"] = 1.0  # the second usual setting wins the study
    found = selection.finalists(table, 2, BUDGET)
    assert list(found) == ["par défaut", "par défaut, poids par classe", "essai classé 1", "essai classé 2"]
    assert len(set(found.values())) == 4


def test_optuna_is_imported_without_the_remark_of_tqdm_on_widgets() -> None:
    """The fault that this catches: a page of notebook 03 with the warning, and the path of who made it."""
    root = Path(selection.__file__).parents[1]
    modules = [*root.glob("commun/*.py"), *root.glob("atelier/*.py"), *root.glob("projet*/*.py")]
    pattern = re.compile(r"^ *import optuna\b", re.MULTILINE)
    assert [path.name for path in modules if pattern.search(path.read_text(encoding="utf-8"))] == ["studies.py"]
