"""Makes `reference/` from the real Fashion-MNIST: `python -m projet2_cvae --help`.

Every step is resumable: what is finished is found again in `travail/`.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from commun import UserError, exit_code, french_argparse, results, training
from projet2_cvae import dataset, evaluation, judge, model, selection

LICENCE = """# Licence

Les poids et les mesures de ce dossier viennent d'un entraînement sur Fashion-MNIST (Zalando Research, licence MIT).
Ils sont distribués sous la même licence que le dépôt (MIT). Aucune image du jeu de données n'est ici : `juge.npz`
contient, outre les poids du juge, la moyenne et la covariance, pour chaque classe, de ce qu'il calcule sur des images
d'apprentissage.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the study, the final, the three seeds and the measures, and writes `reference/`."""
    options = _parse(arguments)
    return exit_code(lambda: _run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    french_argparse()
    full = model.profile("complet")
    text = "Refait le dossier reference/ à partir des données réelles."
    parser = argparse.ArgumentParser(prog="python -m projet2_cvae", description=text)
    options = {
        "--essais": (full.trials, "essais de l'étude"),
        "--images-essai": (full.trial[0], "images vues par un essai"),
        "--images": (full.model[0], "images vues par un finaliste ou un modèle final"),
        "--epoques": (full.model[1], "époques qui découpent un entraînement final"),
        "--finalistes": (full.finalists, "meilleurs essais entraînés de nouveau"),
        "--images-juge": (full.judge, "images vues par le juge"),
    }
    for name, (default, text) in options.items():
        parser.add_argument(name, type=int, default=default, help=f"{text} ({default} par défaut)")
    text = "graines des modèles finals (0 1 2 par défaut)"
    parser.add_argument("--graines", type=int, nargs="+", default=[0, 1, 2], help=text)
    parser.add_argument("--sans-test", action="store_true", help="s'arrête avant de lire la part de test")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    data = dataset.load()
    if not data.location.is_real:
        raise UserError(
            "La référence se fait sur les données réelles : indiquez où elles sont avec PROJETS_DATA, ou "
            "téléchargez-les (python -m atelier donnees telecharger fashion_mnist)."
        )
    _make(options, data)


def _make(options: argparse.Namespace, data: dataset.Data) -> None:
    folder = evaluation.REFERENCE
    folder.mkdir(exist_ok=True)
    trial = training.Budget(images_seen=options.images_essai, epochs=model.profile("complet").trial[1])
    study = selection.search(data, trial, trials=options.essais, title="Étude")
    study.to_csv(folder / "etude.csv", index=False)

    full = training.Budget(images_seen=options.images, epochs=options.epoques)
    final = []
    for name, config in selection.finalists(study, options.finalistes, full).items():
        final.append((config, model.train(config, data.fit, data.validation, title=f"Finale, {name}")))
    rows = [
        {
            **dataclasses.asdict(config),
            "val_nelbo": round(run.metrics["val_loss"], 3),
            "seconds": round(run.metrics["seconds"]),
        }
        for config, run in final
    ]
    pd.DataFrame(rows).to_csv(folder / "finale.csv", index=False)
    chosen = min(final, key=lambda pair: pair[1].metrics["val_loss"])[0]

    train, judge_config = data.train, judge.JudgeConfig(images_seen=options.images_juge)
    reader = judge.train(judge_config, train, title="Juge")
    seeded = [dataclasses.replace(chosen, seed=seed) for seed in options.graines]
    runs = [model.train(config, train, title=f"Modèle final, graine {config.seed}") for config in seeded]
    if options.sans_test:
        return
    evaluation.save_reference_real(
        evaluation.real_side(reader.model, train, len(data.test)), judge_config, folder / "juge"
    )
    training.save_weights(folder / "modele", runs[0].model, seeded[0])
    (folder / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    runs[0].history.round(4).to_csv(folder / "historique.csv", index=False)
    trained = [reader, *runs, *(run for _, run in final)]
    spent = study["seconds"].sum() + sum(run.history["seconds"].sum() for run in trained)
    _measure(data, seeded[0], [run.model for run in runs], final[0][1].model, spent)


def _measure(data, config, models, baseline, spent) -> None:
    """Reads the test part: once for the committed weights (`value`), once for each seed, once for the default model.

    `spent` is the time that the study and the trainings took, in seconds, whenever they were done.
    """
    start = time.time()
    real = evaluation.load_reference_real()
    metrics = evaluation.evaluate(evaluation.load_reference_model(), real, data.test)
    metrics["diversity"].pop("by_class")
    per_seed = [evaluation.evaluate(m, real, data.test, draws=2) for m in models]
    for name, entry in metrics.items():
        entry["per_seed"] = [seed[name]["value"] for seed in per_seed]
    default = evaluation.evaluate(baseline, real, data.test, draws=2)
    content = {
        "dataset": "Fashion-MNIST",
        "split": f"test officiel ({len(data.test)} images) ; apprentissage sur les {len(data.train)} autres",
        "hardware": results.hardware(),
        "duration_s": round(spent + time.time() - start),
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python -m projet2_cvae", *sys.argv[1:]]),
        "metrics": metrics,
        "default_model": {name: entry["value"] for name, entry in default.items()},
    }
    results.write_json(evaluation.REFERENCE / "metrics.json", content)
    key = training.run_key(dataclasses.asdict(config), data="", version=model.VERSION)
    results.journal(evaluation.REFERENCE / "journal.csv", key, {n: np.mean(e["per_seed"]) for n, e in metrics.items()})


if __name__ == "__main__":
    sys.exit(main())
