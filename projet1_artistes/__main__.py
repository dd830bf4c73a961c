"""Makes `reference/` from the real paintings: `python -m projet1_artistes --help`.

Every training is resumable: what is finished is found again in `travail/`. The experiments that are asked for are added
to `reference/experiences.csv`; those that are not stay as they were.
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
from projet1_artistes import dataset, evaluation, experiments, model
from projet1_artistes.dataset import TEST, TRAINING, VALIDATION, Data
from projet1_artistes.model import REFERENCE, Classifier, Config

EXPERIMENTS = ("traitements", "qualite", "oeuvres", "seuil", "tailles")

LICENCE = """# Licence

Les poids et les mesures de ce dossier viennent d'un entraînement sur « Best Artworks of All Time » (Icaro, Kaggle,
2019), sous licence [CC BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/deed.fr), dont certaines œuvres
sont sous droit d'auteur. Ils sont distribués sous la même licence : attribution, pas d'usage commercial, partage dans
les mêmes conditions. Aucune image du jeu de données n'est ici.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains the network for each seed, runs the experiments, reads the test part and writes `reference/`."""
    options = _parse(arguments)
    return exit_code(lambda: _run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    french_argparse()
    full = model.profile("complet")
    text = "Refait le dossier reference/ à partir des données réelles."
    parser = argparse.ArgumentParser(prog="python -m projet1_artistes", description=text)
    options = {
        "--images": (full.config.images_seen, "images vues par le réseau, répétitions comprises"),
        "--epoques": (full.config.epochs, "époques qui découpent cet entraînement"),
        "--largeur": (full.config.width, "canaux du premier étage du réseau"),
        "--cote-appris": (full.config.train_side, "côté des morceaux appris, en pixels"),
        "--cote": (full.config.side, "côté des œuvres entières, en pixels"),
        "--images-courtes": (full.short.images_seen, "images vues par chaque réseau des expériences"),
        "--plis": (full.folds, "plis de la comparaison des traitements"),
    }
    for name, (default, text) in options.items():
        parser.add_argument(name, type=int, default=default, help=f"{text} ({default} par défaut)")
    text = "graines du réseau jugé (0 1 2 par défaut) ; aucune : celui de reference/ et ses mesures restent"
    parser.add_argument("--graines", type=int, nargs="*", default=[0, 1, 2], help=text)
    text = "graines des expériences (0 1 2 par défaut)"
    parser.add_argument("--graines-courtes", type=int, nargs="+", default=[0, 1, 2], help=text)
    text = f"expériences à mener ({' '.join(EXPERIMENTS)} par défaut)"
    parser.add_argument("--experiences", nargs="*", choices=EXPERIMENTS, default=EXPERIMENTS, help=text)
    parser.add_argument("--sans-test", action="store_true", help="entraîne, sans lire la part de test")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    data = dataset.load()
    if not data.location.is_real:
        raise UserError(
            "La référence se fait sur les données réelles : indiquez où elles sont avec PROJETS_DATA "
            "(data/README.md dit comment les obtenir)."
        )
    _make(options, data)


def _make(options: argparse.Namespace, data: Data) -> None:
    REFERENCE.mkdir(exist_ok=True)
    full = model.profile("complet")
    config = dataclasses.replace(
        full.config,
        images_seen=options.images,
        epochs=options.epoques,
        width=options.largeur,
        train_side=options.cote_appris,
        side=options.cote,
    )
    short = dataclasses.replace(full.short, images_seen=options.images_courtes)
    classifiers, spent = _train(options, data, config)
    (REFERENCE / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    seeds = tuple(options.graines_courtes)
    if "traitements" in options.experiences:
        answers = experiments.treat(data, short, count=options.plis, seeds=seeds)
        small = experiments.small_artists(data)
        unseen = experiments.OUT_OF_FOLD
        _keep("traitements, petits artistes", experiments.summary(answers, classes=small), short, seeds, unseen)
        _keep("traitements, tous", experiments.summary(answers), short, seeds, unseen)
    if "oeuvres" in options.experiences:
        read = experiments.summary(experiments.vary_works(data, short, full.kept))
        _keep("œuvres par artiste", read, short, (short.seed,), VALIDATION)
    if "seuil" in options.experiences:
        read = experiments.summary(experiments.vary_threshold(data, short, full.thresholds))
        _keep("seuil", read, short, (short.seed,), VALIDATION)
    if "tailles" in options.experiences:
        read = experiments.summary(experiments.vary_side(data, short))
        _keep("taille", read, short, (short.seed,), VALIDATION)
    if not options.sans_test:
        _measure(options, data, classifiers, short, spent)


def _train(options: argparse.Namespace, data: Data, config: Config) -> tuple[list[Classifier], float]:
    """Trains on training and validation for each seed: every choice is made. Returns the networks and the seconds."""
    rows = np.sort(np.concatenate([data.rows(TRAINING), data.rows(VALIDATION)]))
    found, spent = [], 0.0
    for seed in options.graines:
        settings = dataclasses.replace(config, seed=seed)
        run = model.train(
            settings, dataset.pixels(data), data.labels, rows, classes=len(data.artists), title=f"Graine {seed}"
        )
        found.append(Classifier(run.model, settings, tuple(data.names)))
        spent += run.history["seconds"].sum()
        if seed == options.graines[0]:
            run.history.round(4).to_csv(REFERENCE / "historique.csv", index=False)
            model.save_reference(found[0])
    return found, spent


def _keep(name: str, read: pd.DataFrame, config: Config, seeds: Sequence[int], part: str) -> None:
    experiments.keep(REFERENCE / "experiences.csv", experiments.rows_to_keep(name, read, config, seeds, part))


def _measure(options, data: Data, classifiers: list[Classifier], short: Config, spent: float) -> None:
    """Reads the test part: for each seed, and for the experiments that end there."""
    start = time.time()
    rows = data.rows(TEST)
    previous = results.read_metrics(REFERENCE / "metrics.json") or {"metrics": {}}
    judged = _judge(data, classifiers, rows) if classifiers else {}
    read = judged | _last_experiments(options, data, short)
    content = {
        "dataset": "Best Artworks of All Time (copie de 7 076 œuvres, carrés de 256 px)",
        "split": f"70/15/15 par groupe de quasi-doublons, graine {dataset.SPLIT_SEED} : {len(rows)} œuvres de test ; "
        f"apprentissage sur les {len(data.works) - len(rows)} autres",
        "hardware": results.hardware(),
        "duration_s": round(spent + time.time() - start),
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python -m projet1_artistes", *sys.argv[1:]]),
    }
    if not judged:  # the experiments alone: what is said of the network stays
        content = {name: previous.get(name, value) for name, value in content.items()}
    results.write_json(REFERENCE / "metrics.json", content | {"metrics": previous["metrics"] | read})
    if read:
        config = classifiers[0].config if classifiers else short
        key = training.run_key(dataclasses.asdict(config), data="", version=model.VERSION)
        results.journal(REFERENCE / "journal.csv", key, {name: entry["value"] for name, entry in read.items()})


def _judge(data: Data, classifiers: list[Classifier], rows: np.ndarray) -> dict:
    """Measures the committed network, and that of each seed, on works."""
    images, labels, groups = dataset.pixels(data)[rows], data.labels[rows], data.groups[rows]
    metrics = evaluation.evaluate(model.load_reference().predict(images), labels, groups)
    others = [evaluation.evaluate(c.predict(images), labels, groups, draws=2) for c in classifiers]
    for name, entry in metrics.items():
        entry["per_seed"] = [seed[name]["value"] for seed in others]
    return metrics


def _last_experiments(options: argparse.Namespace, data: Data, short: Config) -> dict:
    """Runs the experiments that read the test part; returns their entries of `metrics.json`."""
    seeds, entries = tuple(options.graines_courtes), {}
    if "qualite" in options.experiences:
        answers = experiments.compare_qualities(data, short, seeds=seeds, part=TEST)
        trained = dataclasses.replace(short, **experiments.FULL_SIZE)
        _keep("qualité", experiments.summary(answers), trained, seeds, TEST)
        entries["high_minus_low_quality_accuracy"] = experiments.entry(
            answers, experiments.HIGH, experiments.LOW, measure="accuracy"
        )
    if "traitements" in options.experiences:
        names, small = list(experiments.TREATMENTS), experiments.small_artists(data)
        answers = experiments.confirm(data, short, (names[0], names[1]), seeds=seeds)
        _keep("traitements, petits artistes", experiments.summary(answers, classes=small), short, seeds, TEST)
        entries["small_artists_recall_gain"] = experiments.entry(answers, names[1], names[0], classes=small)
    return entries


if __name__ == "__main__":
    sys.exit(main())
