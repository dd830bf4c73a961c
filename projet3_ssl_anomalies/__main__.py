"""Makes `reference/` from the real images: `python -m projet3_ssl_anomalies --help`.

Every training is resumable: what is finished is found again in `travail/`. Categories may be trained by processes of
their own (`--sans-test`), then measured together.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence

import commun.training  # first: it chooses the default backend of Keras
import projet3_ssl_anomalies as project
from commun import cli, exit_code, results
from projet3_ssl_anomalies import ablation, dataset, detector, evaluation, training
from projet3_ssl_anomalies.pretexts import FUSED

JOURNAL = ("image_auroc", "pixel_auroc", "au_pro")

REMARKS = {  # what is known of copies that are not the official one, by their counts
    ("toothbrush", (48, 12, 30)): "les 12 images de test sans défaut officielles manquent : 12 images d'apprentissage "
    "mises de côté, une sur cinq, les remplacent, dont une (015.png) presque identique à une image d'apprentissage"
}

LICENCE = """# Licence

Les poids et les statistiques de ce dossier viennent d'un entraînement sur des images de MVTec AD (P. Bergmann,
M. Fauser, D. Sattlegger, C. Steger, « MVTec AD », CVPR 2019), sous licence
[CC BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/deed.fr). Ils sont distribués sous cette même
licence : **usage non commercial**. Aucune image du jeu de données n'est ici ; `mean` et `whitening`, dans les fichiers
.npz, sont des statistiques d'erreurs de reconstruction (moyenne, inverse du facteur de Cholesky de la covariance), non
des images.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains the detectors, writes them and the ablation, then reads the test parts, once."""
    options = _parse(arguments)
    return exit_code(lambda: _run(options))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    full = training.profile("complet")
    parser = cli.parser(
        project.PROJECT,
        {
            "--images": (full.images, "images vues par un modèle"),
            "--epoques": (full.epochs, "époques qui découpent un entraînement"),
            "--plis": (full.folds, "modèles qui mettent tour à tour de côté une part des bonnes images"),
            "--cote": (full.side, "côté des images, en pixels"),
            "--graine": (0, "graine des plis et des entraînements"),
        },
    )
    text = "catégories, séparées par des virgules (par défaut, toutes celles dont les images réelles sont là)"
    parser.add_argument("--categories", default="", help=text)
    text = "compare des entraînements (résolution, pertes, masques) sur des défauts synthétiques, et n'écrit rien"
    parser.add_argument("--essais", action="store_true", help=text)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    datas = [dataset.load(category.name) for category in dataset.categories(options.categories)]
    locations = [dataclasses.replace(data.location, title=data.category.name) for data in datas]
    cli.require_real(locations, advice="téléchargez-les (python -m atelier donnees telecharger mvtec_ad)")
    for data in datas:
        if options.essais:
            title = data.category.title
            table = ablation.training_ablation(data, images=options.images, epochs=options.epoques, title=title)
            print(table.round(4).to_csv(index=False), flush=True)
            continue
        _train(data, options)
        if not options.sans_test:
            _measure(data)


def _train(data: dataset.Data, options: argparse.Namespace) -> None:
    """Trains what judges a category, and writes it with the ablation on synthetic defects."""
    sizes = {"images": options.images, "epochs": options.epoques, "folds": options.plis, "side": options.cote}
    budget = dataclasses.replace(training.profile("complet"), **sizes)
    (group,) = training.groups([data], budget)
    title, start, folder = data.category.title, time.time(), project.REFERENCE
    errors = detector.out_of_fold_errors(group, budget, seed=options.graine, title=title)
    (judge,) = detector.detectors(group, budget, errors, seed=options.graine, title=title)
    detector.save_detector(judge, folder / data.category.name)
    (folder / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    table = ablation.scoring_ablation(group, errors).round(4)
    table.to_csv(folder / data.category.name / "ablation.csv", index=False)
    print(f"{title} : détecteur écrit ({time.time() - start:.0f} s)", flush=True)


def _split(data: dataset.Data) -> str:
    """Says in French what was learnt from and what was judged, and what differs from the official copy."""
    good = int((~data.test["is_defect"]).sum())
    counts = (len(data.train), good, len(data.test) - good)
    parts = [
        f"apprentissage : {counts[0]} images ; test : {counts[1]} sans défaut, {counts[2]} avec",
        *(note.rstrip(".") for note in data.notes),
    ]
    return " ; ".join([*parts, *(remark for remark in [REMARKS.get((data.category.name, counts))] if remark)])


def _measure(data: dataset.Data) -> None:
    """Reads the test part of a category with the committed detector, and adds the figures to `metrics.json`."""
    name = data.category.name
    judge = detector.load_detector(name)
    scores = evaluation.score_data(data, judge)
    measures = {**scores.tasks, FUSED: scores.metrics}
    path = project.REFERENCE / "metrics.json"
    content = results.read_metrics(path) or {"split": {}, "training_s": {}, "metrics": {}}
    content["split"][name] = _split(data)
    content["training_s"][name] = judge.seconds
    content["metrics"] |= {
        f"{name}/{task}/{metric}": {**entry, "per_seed": [entry["value"]]}
        for task, entries in measures.items()
        for metric, entry in entries.items()
    }
    seconds = sum(content["training_s"].values())
    content |= results.header(project=project.PROJECT, dataset="MVTec AD", split=content["split"], seconds=seconds)
    results.write_json(path, content)
    configs = {task: dataclasses.asdict(model.config) for task, model in judge.models.items()}
    key = commun.training.config_hash({"category": name, "models": configs, **dataclasses.asdict(judge.scoring)})
    line = {f"{name}/{task}/{m}": entries[m]["value"] for task, entries in measures.items() for m in JOURNAL}
    results.journal(project.REFERENCE / "journal.csv", key, line)


if __name__ == "__main__":
    sys.exit(main())
