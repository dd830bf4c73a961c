"""Makes `reference/` from the real images: `python -m projet3_ssl_anomalies --help`.

Every training is resumable: what is finished is found again in `travail/`. Categories may be trained by processes of
their own (`--sans-test`), then measured together.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import sys
import time
from collections.abc import Sequence

from commun import UserError, exit_code, french_argparse, results, training
from projet3_ssl_anomalies import dataset, evaluation, model

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
    french_argparse()
    full = evaluation.profile("complet")
    text = "Refait le dossier reference/ à partir des données réelles."
    parser = argparse.ArgumentParser(prog="python -m projet3_ssl_anomalies", description=text)
    text = "catégories, séparées par des virgules (par défaut, toutes celles dont les images réelles sont là)"
    parser.add_argument("--categories", default="", help=text)
    options = {
        "--images": (full.images, "images vues par un modèle"),
        "--epoques": (full.epochs, "époques qui découpent un entraînement"),
        "--plis": (full.folds, "modèles qui mettent tour à tour de côté une part des bonnes images"),
        "--cote": (full.side, "côté des images, en pixels"),
        "--graine": (0, "graine des plis et des entraînements"),
    }
    for name, (default, text) in options.items():
        parser.add_argument(name, type=int, default=default, help=f"{text} ({default} par défaut)")
    parser.add_argument("--sans-test", action="store_true", help="s'arrête avant de lire la part de test")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    datas = [dataset.load(category.name) for category in dataset.chosen(options.categories)]
    if synthetic := [data.category.name for data in datas if not data.location.is_real]:
        raise UserError(
            f"La référence se fait sur les données réelles, et {', '.join(synthetic)} n'en a pas ici : indiquez où "
            "elles sont avec PROJETS_DATA, ou téléchargez-les (python -m atelier donnees telecharger mvtec_ad)."
        )
    for data in datas:
        _train(data, options)
        if not options.sans_test:
            _measure(data)


def _train(data: dataset.Data, options: argparse.Namespace) -> None:
    """Trains what judges a category, and writes it with the ablation on synthetic defects."""
    budget = dataclasses.replace(
        evaluation.profile("complet"),
        images=options.images,
        epochs=options.epoques,
        folds=options.plis,
        side=options.cote,
    )
    (group,) = evaluation.groups([data], budget)
    title, start = data.category.title, time.time()
    held = evaluation.unseen(group, budget, seed=options.graine, title=title)
    (detector,) = evaluation.detectors(group, budget, held, seed=options.graine, title=title)
    folder = evaluation.REFERENCE
    evaluation.save_detector(detector, folder / data.category.name)
    (folder / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    table = evaluation.ablation(group, held).round(4)
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
    detector = evaluation.load_detector(name)
    scores = evaluation.score_table(data.test, data.problems, detector, folder=data.location.folder)
    measured = {**scores.tasks, evaluation.FUSED: scores.metrics}
    path = evaluation.REFERENCE / "metrics.json"
    content = results.read_metrics(path) or {"split": {}, "training_s": {}, "metrics": {}}
    content["split"][name] = _split(data)
    content["training_s"][name] = detector.seconds
    content["metrics"] |= {
        f"{name}/{task}/{metric}": {**entry, "per_seed": [entry["value"]]}
        for task, entries in measured.items()
        for metric, entry in entries.items()
    }
    content |= {
        "dataset": "MVTec AD",
        "hardware": results.hardware(),
        "duration_s": sum(content["training_s"].values()),
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python -m projet3_ssl_anomalies", *sys.argv[1:]]),
    }
    results.write_json(path, content)
    configs = {task: dataclasses.asdict(trained.config) for task, trained in detector.models.items()}
    key = training.run_key(configs | dataclasses.asdict(detector.choices), data=name, version=model.VERSION)
    shown = {f"{name}/{task}/{m}": entries[m]["value"] for task, entries in measured.items() for m in JOURNAL}
    results.journal(evaluation.REFERENCE / "journal.csv", key, shown)


if __name__ == "__main__":
    sys.exit(main())
