"""The search for hyper-parameters: an Optuna study on the validation part, and its drawings.

Every trial is judged by one number, whatever its own loss: the negative ELBO at beta = 1, on the same validation
images, with the same latent noise.
"""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from commun import UserError, figures, results, training
from commun.datasets import working_folder
from commun.training import keras
from projet2_cvae.dataset import Data
from projet2_cvae.evaluation import REFERENCE
from projet2_cvae.model import PROJECT, VERSION, Config, build, epoch_data, nelbo_terms

SPACE = {
    "conditioning": ("concat", "product"),
    "form": ("dense", "conv"),
    "size": (0.5, 0.75, 1.0),  # of the form's largest width
    "latent_dim": (8, 12, 16, 24, 32),
    "learning_rate": (5e-4, 5e-3),  # logarithmic
    "batch_size": (64, 128, 256),
    "warmup": (0.0, 0.1, 0.25, 0.5),
}
_USUAL = {"form": "dense", "size": 1.0, "latent_dim": 16, "batch_size": 128, "warmup": 0.1}
FIRST = (  # tried before any draw: the settings of notebook 02, and the same with weights by class
    {**_USUAL, "conditioning": "concat", "learning_rate": 1e-3},
    {**_USUAL, "conditioning": "product", "learning_rate": 2e-3},
)
WIDEST = {"dense": 512, "conv": 64}  # so that the committed weights stay under 5 MB
NAMES = {
    "conditioning": "étiquette",
    "form": "forme",
    "size": "taille",
    "latent_dim": "dimension latente",
    "learning_rate": "pas d'apprentissage",
    "batch_size": "taille de lot",
    "warmup": "montée de β",
}


def config_of(params: dict, budget: training.Budget) -> Config:
    """Returns the configuration of a trial's parameters, trained as long as `budget` says."""
    chosen = {k: v for k, v in params.items() if k != "size"}
    width = round(WIDEST[params["form"]] * params["size"])
    chosen = {k: v.item() if isinstance(v, np.generic) else v for k, v in chosen.items()}
    return Config(width=width, images_seen=budget.images_seen, epochs=budget.epochs, seed=budget.seed, **chosen)


def search(data: Data, budget: training.Budget, *, trials: int, title: str = "") -> pd.DataFrame:
    """Runs a study, or what is left of it, and returns its table.

    The study lives in `travail/` (SQLite, one worker), or at the PostgreSQL URL of `$PROJETS_ETUDES` (several workers,
    each calling this function). A worker that dies is noticed by its heartbeat, and its trial is tried again.

    Args:
        data: trials train on `data.fit` and are judged on `data.validation`.
        budget: length of a trial, its epochs and seed.
        trials: number of finished trials wanted, pruned ones included.
        title: shown with the progress; nothing is shown if empty.

    Returns:
        The table of `table_of`.

    Raises:
        UserError: the study's database can't be reached.
    """
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    identity = {"space": {k: list(v) for k, v in SPACE.items()}, "widest": WIDEST, "budget": dataclasses.asdict(budget)}
    key = training.run_key(
        identity, data=training.fingerprint(data.fit.images, data.validation.images), version=VERSION
    )
    study = _open_study(key, budget)
    slot = figures.Slot() if title else None
    while (done := sum(t.state.is_finished() for t in study.trials)) < trials:  # other workers' trials count too
        study.sampler = _sampler(budget.seed, len(study.trials))
        study.optimize(lambda trial: _objective(trial, data, budget), n_trials=1)
        if slot:
            slot.text(f"{title} : essai {done + 1}/{trials}, meilleur {figures.number(best_value(study))} nats")
    return table_of(study)


def _optuna():
    """Imports Optuna without tqdm's remark on widgets, which a saved notebook would keep."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna
    return optuna


def best_value(study) -> float:
    """Returns the lowest validation value of a study, infinite while no trial is complete."""
    values = [t.value for t in study.trials if t.value is not None and t.state.name == "COMPLETE"]
    return min(values, default=float("inf"))


def _open_study(key: str, budget: training.Budget):
    import optuna
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    url = os.environ.get("PROJETS_ETUDES") or f"sqlite:///{(working_folder('etudes') / f'{PROJECT}.db').as_posix()}"
    longest = int(np.ceil(max(SPACE["warmup"]) * budget.epochs))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # the heartbeat, since 2021
            retry = RetryHeartbeatStaleTrialCallback(max_retry=1)
            storage = RDBStorage(url, heartbeat_interval=60, heartbeat_stale_trial_callback=retry)
        study = optuna.create_study(
            storage=storage,
            study_name=key,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=6, n_warmup_steps=longest),
        )
        for params in FIRST:
            study.enqueue_trial(params, skip_if_exists=True)
        return study
    except Exception as error:  # every driver has errors of its own
        raise UserError(
            f"La base des études est inaccessible ({type(error).__name__}). Vérifiez PROJETS_ETUDES, ou retirez cette "
            "variable pour travailler avec un fichier local."
        ) from error


def _sampler(seed: int, number: int):
    """Returns the sampler of one trial: a function of the seed and its number, so that a resumed study goes on."""
    import optuna

    drawn = np.random.default_rng([seed, number]).integers(2**31)
    return optuna.samplers.TPESampler(seed=int(drawn), n_startup_trials=8)


def _objective(trial, data: Data, budget: training.Budget) -> float:
    import optuna

    params = {
        name: trial.suggest_float(name, *choices, log=True)
        if name == "learning_rate"
        else trial.suggest_categorical(name, list(choices))
        for name, choices in SPACE.items()
    }
    config = config_of(params, budget)
    keras.backend.clear_session()
    model = build(config)
    trial.set_user_attr("parameters", model.count_params())

    def report(epoch: int, row: dict) -> None:
        trial.report(row["val_loss"], epoch)
        if epoch + 1 < budget.epochs and trial.should_prune():  # at its last epoch, it is complete
            raise optuna.TrialPruned

    history = training.fit_epochs(
        model,
        epoch_data(config, data.fit),
        epochs=config.epochs,
        seed=config.seed,
        evaluate=lambda m: {"val_loss": float(nelbo_terms(m, data.validation).sum(axis=1).mean())},
        after_epoch=report,
    )
    return float(history["val_loss"].iloc[-1])


# --- Tables ----------------------------------------------------------------------------------------------------------


def table_of(study) -> pd.DataFrame:
    """Returns a study's finished trials, one row each.

    Columns: `number`, `state`, `val_nelbo` (nats, at the trial's last epoch), `epochs`, `seconds`, `parameters`
    (count), and the hyper-parameters of `SPACE`.
    """
    rows = [
        {
            "number": t.number,
            "state": {"COMPLETE": "complet", "PRUNED": "élagué"}.get(t.state.name, "échoué"),
            "val_nelbo": t.intermediate_values[max(t.intermediate_values)] if t.intermediate_values else np.nan,
            "epochs": len(t.intermediate_values),
            "seconds": round(t.duration.total_seconds(), 1),
            "parameters": t.user_attrs.get("parameters", 0),
            **{name: t.params.get(name) for name in SPACE},
        }
        for t in study.trials
        if t.state.is_finished()
    ]
    return pd.DataFrame(rows)


def reference_table() -> pd.DataFrame | None:
    """Returns the committed study on the real data, or None where there is none."""
    path = REFERENCE / "etude.csv"
    return pd.read_csv(path) if path.is_file() else None


def finalists(table: pd.DataFrame, count: int, budget: training.Budget) -> dict[str, Config]:
    """Returns what is trained again at full length, by French name: the two `FIRST` settings and the best trials.

    A short trial flatters the settings that learn fast, so the usual ones are always given a second chance. They are
    not ranked again among the best.
    """
    names = ("par défaut", "par défaut, poids par classe")
    chosen = dict(zip(names, FIRST, strict=True))
    others = [params for params in best(table, count + len(FIRST)) if params not in FIRST][:count]
    chosen |= {f"essai classé {rank}": params for rank, params in enumerate(others, 1)}
    return {name: config_of(params, budget) for name, params in chosen.items()}


def best(table: pd.DataFrame, count: int) -> list[dict]:
    """Returns the parameters of the best complete trials, best first.

    Raises:
        UserError: no trial is complete.
    """
    complete = table[table["state"] == "complet"].sort_values("val_nelbo").head(count)
    if complete.empty:
        raise UserError("Aucun essai n'est allé à son terme : augmentez ESSAIS, puis relancez ce carnet.")
    return complete[list(SPACE)].to_dict("records")


def importance(table: pd.DataFrame) -> pd.Series:
    """Returns the share of the variance of the result that each hyper-parameter explains, largest first.

    It is measured by a random forest on the complete trials (fANOVA; Hutter, Hoos and Leyton-Brown, ICML 2014).
    """
    optuna = _optuna()
    complete = table[table["state"] == "complet"]
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
    values = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    return pd.Series(values).sort_values(ascending=False)


def save_choice(config: Config, data: Data) -> None:
    """Leaves the chosen configuration for the next notebook."""
    fingerprint = training.fingerprint(data.fit.images)
    results.write_json(_choice_file(), {"config": dataclasses.asdict(config), "data": fingerprint})


def load_choice(data: Data) -> Config:
    """Returns the configuration that `03_selection` chose on this data.

    Raises:
        UserError: there is none; the message names the notebook to run.
    """
    path = _choice_file()
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"data": ""}
    if content["data"] != training.fingerprint(data.fit.images):
        raise UserError("Aucun modèle n'a été choisi sur ces données : exécutez d'abord le carnet 03_selection.ipynb.")
    return Config(**content["config"])


def _choice_file() -> Path:
    return working_folder("selection", PROJECT) / "choix.json"


# --- Words -----------------------------------------------------------------------------------------------------------


def describe_choices(name: str) -> str:
    """Says in French which values of a hyper-parameter are tried."""
    if name == "learning_rate":
        low, high = SPACE[name]
        return f"de {figures.number(low, 4)} à {figures.number(high, 4)} (échelle logarithmique)"
    return " ; ".join(_word(name, choice) for choice in SPACE[name])


def describe_config(config: Config) -> str:
    """Says in French the hyper-parameters of a configuration."""
    params = dataclasses.asdict(config) | {"size": config.width / WIDEST[config.form]}
    return ", ".join(f"{NAMES[name]} {_word(name, params[name])}" for name in SPACE)


def _word(name: str, value) -> str:
    if isinstance(value, str):
        return {"dense": "dense", "conv": "convolutive", "concat": "jointe", "product": "par classe"}[value]
    if name in ("size", "warmup"):
        return figures.percent(value, 0)
    return figures.number(value, 4 if name == "learning_rate" else 0)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a study's table as readers see it: French columns, best trials first, pruned ones last."""
    order = table.sort_values(["state", "val_nelbo"])
    columns = {NAMES[name]: [_word(name, v) for v in order[name]] for name in SPACE}
    return pd.DataFrame({
        "essai": order["number"] + 1,
        "état": order["state"],
        "ELBO négative (nats)": order["val_nelbo"].round(2).tolist(),
        **columns,
        "durée (s)": order["seconds"].round().astype(int),
    })


def summary(table: pd.DataFrame) -> dict[str, float]:
    """Returns the number of trials, of complete ones, and the lowest and highest validation values of these."""
    values = table.loc[table["state"] == "complet", "val_nelbo"]
    return {"total": len(table), "complets": len(values), "bas": values.min(), "haut": values.max()}


def conclusion(table: pd.DataFrame) -> str:
    """Says in French what a study's complete trials show, form against form, and the first cause of differences."""
    complete = table[table["state"] == "complet"]
    if complete.empty:
        return "Aucun essai n'est complet : cette étude ne permet pas de conclure."
    lowest = complete.groupby("form")["val_nelbo"].min()
    text = f"Sur {len(complete)} essais complets, " if len(complete) > 1 else "Sur 1 essai complet, "
    text += " ; ".join(
        f"le meilleur réseau de forme {_word('form', f)} atteint {figures.number(v, 1)} nats" for f, v in lowest.items()
    )
    shares = importance(table)
    return f"{text}. Le réglage qui compte le plus : **{NAMES[shares.index[0]]}**." if len(shares) else f"{text}."


# --- Figures ---------------------------------------------------------------------------------------------------------


def plot_importance(shares: pd.Series) -> Figure:
    """Draws the shares of `importance` as bars."""
    figure, axes = figures.new_figure(0.9 + 0.38 * max(len(shares), 1))
    shown = shares[::-1]
    bars = axes.barh([NAMES[name] for name in shown.index], 100 * shown.to_numpy(), color=figures.PALETTE[0])
    axes.bar_label(bars, [figures.percent(v, 0) for v in shown], padding=4)
    axes.set(title="Quel réglage explique les écarts entre essais ?", xlabel="part de la variance expliquée (%)")
    axes.margins(x=0.12)
    return figure


def describe_importance(shares: pd.Series) -> str:
    """Says in French what `plot_importance` draws."""
    parts = [f"{NAMES[name]} {figures.percent(value, 0)}" for name, value in shares.items()]
    return f"Part de la variance expliquée par chaque réglage : {', '.join(parts) or 'trop peu d’essais'}."


def plot_parallel(table: pd.DataFrame) -> Figure:
    """Draws the complete trials in parallel coordinates, the best fifth in colour and thick, the others in grey."""
    complete = table[table["state"] == "complet"].sort_values("val_nelbo", ascending=False).reset_index(drop=True)
    columns = [*SPACE, "val_nelbo"]
    figure, axes = figures.new_figure(4.8)
    heights, ticks = {}, {}
    for name in columns:
        if name in SPACE and name != "learning_rate":
            position = {choice: i / (len(SPACE[name]) - 1) for i, choice in enumerate(SPACE[name])}
            spread = np.random.default_rng(0).uniform(-0.02, 0.02, len(complete))
            heights[name] = complete[name].map(position).to_numpy(float) + spread
            ticks[name] = [(h, _word(name, c)) for c, h in position.items()]
        else:
            values = np.log10(complete[name]) if name == "learning_rate" else complete[name]
            low, high = values.min(), max(values.max(), values.min() + 1e-9)
            heights[name] = ((values - low) / (high - low)).to_numpy(float)
            bounds = (complete[name].min(), complete[name].max())
            decimals = 4 if name == "learning_rate" else 1
            ticks[name] = [(h, figures.number(v, decimals)) for h, v in zip((0, 1), bounds, strict=True)]
    good = len(complete) - max(1, round(len(complete) / 5))
    for i in range(len(complete)):
        style = {"color": figures.PALETTE[2], "lw": 2.2, "zorder": 3} if i >= good else {"color": "#b5bcc2", "lw": 1}
        axes.plot(range(len(columns)), [heights[name][i] for name in columns], **style)
    for x, name in enumerate(columns):
        axes.axvline(x, color="#333", lw=1)
        for height, text in ticks[name]:
            box = {"boxstyle": "round,pad=.15", "fc": "white", "ec": "none", "alpha": 0.85}
            axes.text(x + 0.03, height, text, fontsize=9, va="center", zorder=4, bbox=box)
    axes.set(
        xlim=(-0.1, len(columns) - 0.4), yticks=[], title="Les meilleurs essais (en rouge) parmi les essais complets"
    )
    labels = [NAMES.get(name, "ELBO nég.\n(nats)").replace(" ", "\n", 1) for name in columns]
    axes.set_xticks(range(len(columns)), labels, fontsize=10)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def describe_parallel(table: pd.DataFrame) -> str:
    """Says in French what `plot_parallel` draws."""
    complete = table[table["state"] == "complet"].sort_values("val_nelbo")
    if complete.empty:
        return "Coordonnées parallèles vides : aucun essai n'est complet."
    first, last = complete.iloc[0], complete.iloc[-1]
    settings = ", ".join(f"{NAMES[n]} {_word(n, first[n])}" for n in SPACE)
    return (
        f"Coordonnées parallèles de {len(complete)} essais complets, de {figures.number(first['val_nelbo'])} à "
        f"{figures.number(last['val_nelbo'])} nats. Le meilleur : {settings}."
    )
