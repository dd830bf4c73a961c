"""The search for hyper-parameters: an Optuna study on the validation part.

Every trial is judged by one number, whatever its own loss: the negative ELBO at beta = 1, on the same validation
images, with the same latent noise. All trials take as many gradient steps: with lots of another size, they see more
images, or fewer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from commun import UserError, figures, results, studies
from commun.datasets import working_folder
from commun.sources import code_hash
from commun.training import Budget, Diverged, config_hash, fingerprint, keras, train_one_epoch
from projet2_cvae import PROJECT, REFERENCE
from projet2_cvae.dataset import Data
from projet2_cvae.model import Config
from projet2_cvae.training import batches, build, train, validation_loss

SPACE = {
    "conditioning": ("concat", "per_class"),
    "architecture": ("dense", "conv"),
    "size": (0.5, 0.75, 1.0),  # of the architecture's largest width
    "latent_dim": (8, 12, 16, 24, 32),
    "learning_rate": (5e-4, 5e-3),  # logarithmic
    "batch_size": (64, 128, 256),
    "warmup": (0.0, 0.1, 0.25, 0.5),
}
_USUAL = {"architecture": "dense", "size": 1.0, "latent_dim": 16, "batch_size": 128, "warmup": 0.1}
FIRST = (  # tried before any draw: the settings of notebook 02, and the same with weights by class
    {**_USUAL, "conditioning": "concat", "learning_rate": 1e-3},
    {**_USUAL, "conditioning": "per_class", "learning_rate": 2e-3},
)
USUAL_NAMES = ("par défaut", "par défaut, poids par classe")
WIDEST = {"dense": 512, "conv": 64}  # so that the committed weights stay under 5 MB
NAMES = {
    "conditioning": "étiquette",
    "architecture": "forme",
    "size": "taille",
    "latent_dim": "dimension latente",
    "learning_rate": "taux d'apprentissage",
    "batch_size": "taille de lot",
    "warmup": "montée de β",
}
VALUES = {"dense": "dense", "conv": "convolutive", "concat": "jointe", "per_class": "par classe"}
STATES = {"complete": "complet", "pruned": "élagué", "failed": "échoué"}


def search(data: Data, budget: Budget, *, trials: int, title: str = "") -> pd.DataFrame:
    """Runs a study, or what is left of it, and returns its table.

    The study lives in `travail/` (SQLite, one worker), or at the PostgreSQL URL of `$PROJETS_ETUDES` (several workers,
    each calling this function with the same code and version of Python): see `commun.studies`.

    Args:
        data: trials train on `data.fit` and are judged on `data.validation`.
        budget: gradient steps of a trial, its epochs and seed.
        trials: number of finished trials wanted, pruned ones included.
        title: shown with the progress; nothing is shown if empty.

    Returns:
        The table of `table_of`.

    Raises:
        UserError: the study's database can't be reached.
    """
    name = config_hash(_identity(data) | {"budget": dataclasses.asdict(budget)})
    sampler = functools.partial(_sampler, budget.seed)
    shared = studies.Study(PROJECT, name, pruner=_pruner(budget), sampler=sampler, first=FIRST)
    slot = figures.Slot() if title else None

    def show(waits: str = "") -> None:
        if slot:
            ended = shared.settled()
            values = [t.value for t in ended if t.state.name == "COMPLETE"]
            best_value = figures.number(min(values, default=float("inf")))
            text = f"{title} : essai {len(ended)}/{trials}, meilleur {best_value} nats"
            slot.text(f"{text} ; {waits}" if waits else text)

    def attempt(trial) -> float:
        return _objective(data, budget, trial)

    with contextlib.closing(shared):
        shared.work(attempt, trials=trials, failures=(Diverged,), tell=show)
        return table_of(shared)


def table_of(study: studies.Study) -> pd.DataFrame:
    """Returns a study's finished trials, one row each.

    Columns: `number`, `state` (a key of `STATES`), `val_nelbo` (nats, at the trial's last epoch), `epochs`, `seconds`,
    `steps` (of a complete trial), `parameters` (count), and the hyper-parameters of `SPACE`.
    """
    rows = [
        {
            "number": number,
            "state": {"COMPLETE": "complete", "PRUNED": "pruned"}.get(t.state.name, "failed"),
            "val_nelbo": t.intermediate_values[max(t.intermediate_values)] if t.intermediate_values else np.nan,
            "epochs": len(t.intermediate_values),
            "steps": t.user_attrs.get("steps", 0),
            "seconds": round(t.duration.total_seconds(), 1),
            "parameters": t.user_attrs.get("parameters", 0),
            **{name: t.params.get(name) for name in SPACE},
        }
        for number, t in enumerate(study.settled())
    ]
    return pd.DataFrame(rows)


def reference_table() -> pd.DataFrame | None:
    """Returns the committed study on the real data, or None where there is none."""
    path = REFERENCE / "etude.csv"
    return pd.read_csv(path) if path.is_file() else None


def reference_losses() -> dict[str, float]:
    """Returns what the final on the real data gave: the validation loss of the default settings, and the lowest one.

    Keys "default" and "best", in nats per image; empty where there is no reference.
    """
    path = REFERENCE / "finale.csv"
    if not path.is_file():
        return {}
    losses = pd.read_csv(path)["val_nelbo"]  # the default settings are its first row
    return {"default": float(losses.iloc[0]), "best": float(losses.min())}


def finalists(table: pd.DataFrame, count: int, budget: Budget) -> dict[str, Config]:
    """Returns what is trained again at full length, by French name: the two `FIRST` settings and the best trials.

    A short trial flatters the settings that learn fast, so the usual ones are always given a second chance. They are
    not ranked again among the best.
    """
    others = [params for params in best(table, count + len(FIRST)) if params not in FIRST][:count]
    ranked = {f"essai classé {rank}": params for rank, params in enumerate(others, 1)}
    return usual(budget) | {name: config_of(params, budget) for name, params in ranked.items()}


def usual(budget: Budget) -> dict[str, Config]:
    """Returns the two `FIRST` settings at full length, by French name: the label joined, then weights by class."""
    return {name: config_of(params, budget) for name, params in zip(USUAL_NAMES, FIRST, strict=True)}


def best(table: pd.DataFrame, count: int) -> list[dict]:
    """Returns the parameters of the best complete trials, best first.

    Raises:
        UserError: no trial is complete.
    """
    rows = complete_trials(table).head(count)
    if rows.empty:
        raise UserError("Aucun essai n'est allé à son terme : augmentez ESSAIS, puis relancez ce carnet.")
    return rows[list(SPACE)].to_dict("records")


def config_of(params: dict, budget: Budget) -> Config:
    """Returns the configuration of a trial, of as many gradient steps as `budget` has.

    Lots of another size than the budget's make it see more images, or fewer: at equal
    images, small lots would take more steps, and win by that alone.
    """
    plain = {
        name: v.item() if isinstance(v, np.generic) else v for name, v in params.items()
    }
    width = round(WIDEST[params["architecture"]] * plain.pop("size"))
    images_seen = round(budget.images_seen * plain["batch_size"] / budget.batch_size)
    length = {"images_seen": images_seen, "epochs": budget.epochs, "seed": budget.seed}
    return Config(width=width, **length, **plain)


def complete_trials(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the complete trials, best first."""
    return table[table["state"] == "complete"].sort_values("val_nelbo")


def importance(table: pd.DataFrame) -> pd.Series:
    """Returns the share of the variance of the result that each hyper-parameter explains, largest first.

    It is measured by a random forest on the complete trials (fANOVA; Hutter, Hoos and Leyton-Brown, ICML 2014).
    """
    optuna = studies.import_optuna()
    complete = table[table["state"] == "complete"]  # in their order: the forest depends on it
    if len(complete) < 4 or complete["val_nelbo"].nunique() < 2:
        return pd.Series(dtype=float)
    study = optuna.create_study()
    distributions = {
        name: optuna.distributions.FloatDistribution(*choices, log=True)
        if name == "learning_rate"
        else optuna.distributions.CategoricalDistribution(choices)
        for name, choices in SPACE.items()
    }
    for row in complete.to_dict("records"):
        params = {name: row[name] for name in SPACE}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=row["val_nelbo"]))
    # The shares of 64 trees, Optuna's default, move by 5 points with the seed, or with the name of a hyper-parameter.
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0, n_trees=256)
    values = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return pd.Series(values).sort_values(ascending=False)


def save_choice(config: Config, data: Data) -> None:
    """Leaves the chosen configuration for the next notebook."""
    content = {"config": dataclasses.asdict(config), "made_from": config_hash(_identity(data))}
    results.write_json(_choice_file(), content)


def load_choice(data: Data) -> Config:
    """Returns the configuration that `03_selection` chose on this data, with this code.

    Raises:
        UserError: there is none; the message names the notebook to run.
    """
    path = _choice_file()
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if content.get("made_from") != config_hash(_identity(data)):
        raise UserError(
            "Aucun modèle n'a été choisi sur ces données, avec ce code : exécutez d'abord le carnet 03_selection.ipynb."
        )
    return Config(**content["config"])


def _choice_file() -> Path:
    return working_folder("selection", PROJECT) / "choix.json"


# --- Words -----------------------------------------------------------------------------------------------------------


def describe_choices(name: str) -> str:
    """Says in French which values of a hyper-parameter are tried."""
    if name == "learning_rate":
        low, high = SPACE[name]
        return f"de {figures.number(low, 4)} à {figures.number(high, 4)} (échelle logarithmique)"
    return " ; ".join(word(name, choice) for choice in SPACE[name])


def describe_config(config: Config) -> str:
    """Says in French the hyper-parameters of a configuration."""
    params = dataclasses.asdict(config) | {"size": config.width / WIDEST[config.architecture]}
    return ", ".join(f"{NAMES[name]} {word(name, params[name])}" for name in SPACE)


def display_table(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a study's table as readers see it: French columns, best trials first, pruned ones last."""
    order = table.sort_values(["state", "val_nelbo"])
    columns = {NAMES[name]: [word(name, v) for v in order[name]] for name in SPACE}
    return pd.DataFrame({
        "essai": order["number"] + 1,
        "état": order["state"].map(STATES),
        "ELBO négative (nats)": order["val_nelbo"].round(2).tolist(),
        **columns,
        "durée (s)": order["seconds"].round().astype(int),
    })


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Returns the number of trials, of complete ones, and the lowest and highest validation values of these."""
    values = complete_trials(table)["val_nelbo"]
    return {"trials": len(table), "complete": len(values), "lowest": values.min(), "highest": values.max()}


def word(name: str, value) -> str:
    """Spells the value of a hyper-parameter in French."""
    if isinstance(value, str):
        return VALUES[value]
    if name in ("size", "warmup"):
        return figures.percent(value, 0)
    return figures.number(value, 4 if name == "learning_rate" else 0)


# --- Inside the search -----------------------------------------------------------------------------------------------


def _identity(data: Data) -> dict:
    """Returns what decides of a choice: the two parts that it learns from, and the code of its trials."""
    arrays = [array for part in (data.fit, data.validation) for array in (part.images, part.labels)]
    code = code_hash(_suggest, config_of, build, batches, train_one_epoch, validation_loss, _sampler, _pruner)
    return {"data": fingerprint(*arrays), "first": FIRST, "code": code}


def _pruner(budget: Budget):
    """Returns what stops the trials worse than the median of those before, once beta has risen in all of them."""
    optuna = studies.import_optuna()

    longest = int(np.ceil(max(SPACE["warmup"]) * budget.epochs))
    return optuna.pruners.MedianPruner(n_startup_trials=6, n_warmup_steps=longest)


def _sampler(seed: int, number: int):
    """Returns the sampler of one trial: a function of the seed and its number, so that a resumed study goes on."""
    optuna = studies.import_optuna()

    trial_seed = int(np.random.default_rng([seed, number]).integers(2**31))
    return optuna.samplers.TPESampler(seed=trial_seed, n_startup_trials=8)


def _objective(data: Data, budget: Budget, trial) -> float:
    """Trains the model that a trial suggests; returns its negative ELBO on the validation part."""
    optuna = studies.import_optuna()

    def report(model, row: dict) -> None:
        if row["epoch"] == 1:
            trial.set_user_attr("parameters", model.count_params())
            trial.set_user_attr("steps", config.steps)
        trial.report(row["val_loss"], int(row["epoch"]) - 1)
        if row["epoch"] < budget.epochs and trial.should_prune():  # at its last epoch, it is complete
            raise optuna.TrialPruned

    config = config_of(_suggest(trial), budget)
    keras.backend.clear_session()
    return train(config, data.fit, data.validation, after_epoch=report, project="").metrics["val_loss"]


def _suggest(trial) -> dict:
    return {
        name: trial.suggest_float(name, *choices, log=True)
        if name == "learning_rate"
        else trial.suggest_categorical(name, list(choices))
        for name, choices in SPACE.items()
    }
