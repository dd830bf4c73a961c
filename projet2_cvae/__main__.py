"""Makes `reference/` from the real Fashion-MNIST: `python -m projet2_cvae --help`.

Every step is resumable: what is finished is found again in `travail/`.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from commun import UserError, cli, exit_code, results
from commun.figures import number
from commun.training import Budget, Diverged, Run, config_hash
from commun.weights import save_weights
from projet2_cvae import PROJECT, REFERENCE, comparison, dataset, evaluation, judge, selection, training
from projet2_cvae.model import CVAE, Config

ADVICE = "téléchargez-les (python -m atelier donnees telecharger fashion_mnist)"
LICENCE = """# Licence

Les poids et les mesures de ce dossier viennent d'un entraînement sur Fashion-MNIST (Zalando Research, licence MIT).
Ils sont distribués sous la même licence que le dépôt (MIT). Aucune image du jeu de données n'est ici : `juge.npz`
contient, outre les poids du juge, la moyenne et la covariance, pour chaque classe, de ce qu'il calcule sur des images
d'apprentissage.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the study, the final, the three seeds and the measures, and writes `reference/`."""
    full = training.profile("complet")
    parser = cli.parser(
        PROJECT,
        {
            "--essais": (full.trials, "essais de l'étude"),
            "--images-essai": (full.trial[0], "images vues par un essai"),
            "--images": (full.model[0], "images vues par un finaliste ou un modèle final"),
            "--epoques": (full.model[1], "époques qui découpent un entraînement final"),
            "--finalistes": (full.finalists, "meilleurs essais entraînés de nouveau"),
            "--lot": (0, "taille de lot essayée aussi avec le meilleur finaliste, en autant de pas (0 : aucune)"),
            "--images-juge": (full.judge, "images vues par le juge"),
        },
    )
    text = "graines des modèles finals (0 1 2 par défaut)"
    parser.add_argument("--graines", type=int, nargs="+", default=[0, 1, 2], help=text)
    text = "ne mesure que le rival linéaire, et l'ajoute aux mesures déjà faites"
    parser.add_argument("--rival", action="store_true", help=text)
    options = parser.parse_args(arguments)
    return exit_code(lambda: _add_rival() if options.rival else _make(options))


def _make(options: argparse.Namespace) -> None:
    data = dataset.load()
    cli.require_real([data.location], advice=ADVICE)
    REFERENCE.mkdir(exist_ok=True)
    trial = Budget(images_seen=options.images_essai, epochs=training.profile("complet").trial[1])
    study = selection.search(data, trial, trials=options.essais, title="Étude")
    study.to_csv(REFERENCE / "etude.csv", index=False)
    final = _run_final(options, data, study)
    best_config, _ = min(final, key=lambda entry: entry[1].metrics["val_loss"])

    judge_config = judge.JudgeConfig(images_seen=options.images_juge)
    reader = judge.train(judge_config, data.train, title="Juge")
    configs = [dataclasses.replace(best_config, seed=seed) for seed in options.graines]
    runs = [training.train(config, data.train, title=f"Modèle final, graine {config.seed}") for config in configs]
    if options.sans_test:
        return
    features = judge.reference_features(reader.model, data.train, len(data.test))
    judge.save(REFERENCE / "juge", features, judge_config)
    save_weights(REFERENCE / "modele", runs[0].model, configs[0])
    (REFERENCE / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    runs[0].history.round(4).to_csv(REFERENCE / "historique.csv", index=False)
    trained = [reader, *runs, *(run for _, run in final)]
    seconds = study["seconds"].sum() + sum(run.metrics["seconds"] for run in trained)
    hardware = [run.hardware for run in runs]
    _measure(data, configs[0], [run.model for run in runs], final[0][1].model, seconds, hardware)


def _run_final(options: argparse.Namespace, data: dataset.Data, study: pd.DataFrame) -> list[tuple[Config, Run]]:
    """Trains the finalists on the fitting part and writes what they are worth on the validation part.

    With `--lot`, the best of them is trained once more, in as many steps, with lots of that size.
    """
    full = Budget(images_seen=options.images, epochs=options.epoques)
    final = []
    for name, config in selection.finalists(study, options.finalistes, full).items():
        try:
            final.append((config, training.train(config, data.fit, data.validation, title=f"Finale, {name}")))
        except Diverged as error:
            if name in selection.USUAL_NAMES:  # the others are compared with them
                raise
            print(f"{name} : {error}", file=sys.stderr)
    if options.lot:
        best, _ = min(final, key=lambda entry: entry[1].metrics["val_loss"])
        images_seen = best.images_seen * options.lot // best.batch_size
        config = dataclasses.replace(best, batch_size=options.lot, images_seen=images_seen)
        title = f"Finale, lots de {options.lot}"
        final.append((config, training.train(config, data.fit, data.validation, title=title)))
    table = pd.DataFrame([dataclasses.asdict(config) for config, _ in final])
    table["val_nelbo"] = [round(run.metrics["val_loss"], 3) for _, run in final]
    table["seconds"] = [round(run.metrics["seconds"]) for _, run in final]
    table.to_csv(REFERENCE / "finale.csv", index=False)
    return final


def _measure(
    data: dataset.Data,
    config: Config,
    models: Sequence[CVAE],
    default: CVAE,
    seconds: float,
    hardware: Sequence[str],
) -> None:
    """Reads the test part: once for the committed weights (`value`), once for each seed, once for the default model.

    `seconds` is the time that the study and the trainings took, whenever they were done; `hardware` is that of the
    final models' trainings.
    """
    start = time.time()
    features = evaluation.load_reference_features()
    metrics = evaluation.evaluate(evaluation.load_reference_model(), features, data.test)
    metrics["diversity"].pop("by_class")
    per_seed = [evaluation.evaluate(m, features, data.test, draws=2) for m in models]
    for name, entry in metrics.items():
        entry["per_seed"] = [seed[name]["value"] for seed in per_seed]
    of_default = {n: e["value"] for n, e in evaluation.evaluate(default, features, data.test, draws=2).items()}
    tested, learnt = number(len(data.test)), number(len(data.train))
    head = results.header(
        project=PROJECT,
        dataset="Fashion-MNIST",
        split=f"test officiel ({tested} images) ; apprentissage sur les {learnt} autres",
        seconds=seconds + time.time() - start,
        trained_on=hardware,
    )
    results.write_json(REFERENCE / "metrics.json", head | {"metrics": metrics, "default_model": of_default})
    key = config_hash(dataclasses.asdict(config))
    results.journal(REFERENCE / "journal.csv", key, {n: np.mean(e["per_seed"]) for n, e in metrics.items()})
    _measure_rival(data)


def _add_rival() -> None:
    """Measures the linear rival on the real test part, beside a reference that is already there.

    Raises:
        UserError: the data are not the real ones, or the reference is missing.
    """
    data = dataset.load()
    cli.require_real([data.location], advice=ADVICE)
    if not (REFERENCE / "metrics.json").is_file():
        raise UserError(f"{REFERENCE / 'metrics.json'} est absent : lancez d'abord python -m {PROJECT}, sans --rival.")
    _measure_rival(data)


def _measure_rival(data: dataset.Data) -> None:
    """Adds to `metrics.json` the rival, and the Fréchet distance of training images to test images."""
    features = evaluation.load_reference_features()
    rival = comparison.rival_metrics(data.train, features, data.test)
    content = results.read_metrics(REFERENCE / "metrics.json")
    content["metrics"] |= rival
    content["frechet_train_test"] = comparison.training_distance(features, data.test)
    results.write_json(REFERENCE / "metrics.json", content)
    values = {name.removeprefix("rival/"): np.mean(entry["per_seed"]) for name, entry in rival.items()}
    key = f"rival linéaire, {comparison.RIVAL_DIMENSIONS} dimensions par classe"
    results.journal(REFERENCE / "journal.csv", key, values)


if __name__ == "__main__":
    sys.exit(main())
