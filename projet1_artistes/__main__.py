"""Makes `reference/` from the real paintings: `python -m projet1_artistes --help`.

Every training is resumable: what is finished is found again in `travail/`. The experiments that are asked for are added
to `reference/experiences.csv`; those that are not stay as they were.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np

from commun import UserError, cli, exit_code, results
from commun.training import config_hash
from projet1_artistes import PROJECT, REFERENCE, dataset, evaluation, experiments, training
from projet1_artistes.dataset import Data
from projet1_artistes.networks import Classifier
from projet1_artistes.split import SPLIT_SEED, TEST, VALIDATION
from projet1_artistes.training import Config

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
    full = training.profile("complet")
    parser = cli.parser(PROJECT, {
        "--images": (full.config.images_seen, "images vues par le réseau, répétitions comprises"),
        "--epoques": (full.config.epochs, "époques qui découpent cet entraînement"),
        "--largeur": (full.config.width, "canaux du premier étage du réseau"),
        "--cote-appris": (full.config.train_side, "côté des morceaux appris, en pixels"),
        "--cote": (full.config.side, "côté des œuvres entières, en pixels"),
        "--images-courtes": (full.short.images_seen, "images vues par chaque réseau des expériences"),
        "--plis": (full.folds, "plis de la comparaison des traitements"),
    })
    text = "graines du réseau jugé (0 1 2 par défaut) ; aucune : celui de reference/ et ses mesures restent"
    parser.add_argument("--graines", type=int, nargs="*", default=[0, 1, 2], help=text)
    text = "graines des expériences (0 1 2 par défaut)"
    parser.add_argument("--graines-courtes", type=int, nargs="+", default=[0, 1, 2], help=text)
    text = f"expériences à mener ({' '.join(EXPERIMENTS)} par défaut)"
    parser.add_argument("--experiences", nargs="*", choices=EXPERIMENTS, default=EXPERIMENTS, help=text)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    data = dataset.load()
    cli.require_real([data.location], advice="voyez dans data/README.md comment les obtenir")
    REFERENCE.mkdir(exist_ok=True)
    full = training.profile("complet")
    sizes = {"width": options.largeur, "train_side": options.cote_appris, "side": options.cote}
    config = dataclasses.replace(full.config, images_seen=options.images, epochs=options.epoques, **sizes)
    short = dataclasses.replace(full.short, images_seen=options.images_courtes)
    if options.graines:
        config = dataclasses.replace(config, seed=options.graines[0])
    classifiers, seconds = _train(options, data, config)
    (REFERENCE / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    seeds = tuple(options.graines_courtes)
    if "traitements" in options.experiences:
        answers = experiments.compare_treatments(data, short, count=options.plis, seeds=seeds)
        small, part = experiments.small_artists(data), experiments.OUT_OF_FOLD
        summary = experiments.summary(answers, classes=small)
        experiments.record("treatments_small_artists", summary, short, seeds, part)
        experiments.record("treatments", experiments.summary(answers), short, seeds, part)
    on_validation = {
        "oeuvres": ("works_per_artist", lambda: experiments.vary_works(data, short, full.works_per_artist)),
        "seuil": ("oversampling_threshold", lambda: experiments.vary_threshold(data, short, full.thresholds)),
        "tailles": ("side", lambda: experiments.vary_side(data, short)),
    }
    for option, (name, answer) in on_validation.items():
        if option in options.experiences:
            experiments.record(name, experiments.summary(answer()), short, (short.seed,), VALIDATION)
    if not options.sans_test:
        metrics = _measure(options, data, classifiers, short, seconds)
        if metrics:
            key = config_hash(dataclasses.asdict(config if classifiers else short))
            values = {name: metric["value"] for name, metric in metrics.items()}
            results.journal(REFERENCE / "journal.csv", key, values)


def _train(options: argparse.Namespace, data: Data, config: Config) -> tuple[list[Classifier], float]:
    """Trains on training and validation for each seed: every choice is made. Returns the networks and the seconds."""
    rows, classifiers, seconds = data.all_but_test, [], 0.0
    for seed in options.graines:
        settings, classes = dataclasses.replace(config, seed=seed), len(data.artists)
        run = training.train(settings, data.images, data.labels, rows, classes=classes, title=f"Graine {seed}")
        classifiers.append(Classifier(run.model, settings.side, tuple(data.names)))
        seconds += run.metrics["seconds"]
        if seed == options.graines[0]:
            run.history.round(4).to_csv(REFERENCE / "historique.csv", index=False)
            training.save_reference(classifiers[0], settings)
    return classifiers, seconds


def _measure(
    options: argparse.Namespace, data: Data, classifiers: list[Classifier], short: Config, seconds: float
) -> dict:
    """Reads the test part: for each seed, and for the experiments that end there. Returns what was read."""
    start, rows = time.time(), data.rows(TEST)
    previous = results.read_metrics(REFERENCE / "metrics.json") or {"metrics": {}}
    metrics = _judge(data, classifiers, rows) if classifiers else {}
    metrics |= _last_experiments(options, data, short)
    content = results.header(
        project=PROJECT,
        dataset="Best Artworks of All Time (copie de 7 076 œuvres, carrés de 256 px)",
        split=f"70/15/15 par groupe de quasi-doublons, graine {SPLIT_SEED} : {len(rows)} œuvres de test ; "
        f"apprentissage sur les {len(data.works) - len(rows)} autres",
        seconds=seconds + time.time() - start,
    )
    if not classifiers:  # the experiments alone: what is said of the network stays
        content = {name: previous.get(name, value) for name, value in content.items()}
    results.write_json(REFERENCE / "metrics.json", content | {"metrics": previous["metrics"] | metrics})
    return metrics


def _judge(data: Data, classifiers: list[Classifier], rows: np.ndarray) -> dict:
    """Measures the committed network, and that of each seed, on works."""
    images, labels, groups = data.images[rows], data.labels[rows], data.groups[rows]
    metrics = evaluation.evaluate(training.load_reference().predict(images), labels, groups)
    others = [evaluation.evaluate(c.predict(images), labels, groups, draws=2) for c in classifiers]
    for name, metric in metrics.items():
        metric["per_seed"] = [seed[name]["value"] for seed in others]
    return metrics


def _last_experiments(options: argparse.Namespace, data: Data, short: Config) -> dict:
    """Runs the experiments that read the test part; returns their entries of `metrics.json`."""
    seeds, metrics = tuple(options.graines_courtes), {}
    if "qualite" in options.experiences:
        answers = experiments.compare_qualities(data, short, seeds=seeds, part=TEST)
        if answers.empty:
            raise UserError(f"{data.location.folder} n'a pas de copies en basse qualité (resized/resized) à comparer.")
        config = dataclasses.replace(short, **experiments.FULL_SIZE)
        experiments.record("quality", experiments.summary(answers), config, seeds, TEST)
        metrics["high_minus_low_quality_accuracy"] = experiments.gain_metric(
            answers, experiments.HIGH, experiments.LOW, measure="accuracy"
        )
    if "traitements" in options.experiences:
        names, small = (experiments.NOTHING, experiments.OVERSAMPLING), experiments.small_artists(data)
        answers = experiments.test_treatments(data, short, names, seeds=seeds)
        summary = experiments.summary(answers, classes=small)
        experiments.record("treatments_small_artists", summary, short, seeds, TEST)
        metrics["small_artists_recall_gain"] = experiments.gain_metric(
            answers, experiments.OVERSAMPLING, experiments.NOTHING, measure="balanced_accuracy", classes=small
        )
    return metrics


if __name__ == "__main__":
    sys.exit(main())
