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

import pandas as pd

import commun.training  # first: it chooses the default backend of Keras
import projet3_ssl_anomalies as project
from commun import cli, exit_code, results
from projet3_ssl_anomalies import ablation, dataset, detector, evaluation, storage, training
from projet3_ssl_anomalies.signals import FUSED
from projet3_ssl_anomalies.training import Profile

JOURNAL = ("image_auroc", "pixel_auroc", "au_pro")

REMARKS = {  # what is known of copies that are not the official one, by their counts
    ("toothbrush", (48, 12, 30)): "les 12 images de test sans défaut officielles manquent : 12 images d'apprentissage "
    "mises de côté, une sur cinq, les remplacent, dont une (015.png) presque identique à une image d'apprentissage"
}

LICENCE = """# Licence

Les poids et les statistiques de ce dossier viennent d'un entraînement sur des images de MVTec AD (P. Bergmann,
M. Fauser, D. Sattlegger, C. Steger, « MVTec AD », CVPR 2019), sous licence
[CC BY-NC-SA 4.0](https://creativecommons.org/licenses/by-nc-sa/4.0/deed.fr). Ils sont distribués sous cette même
licence : **usage non commercial**. Aucune image du jeu de données n'est ici : outre les poids des réseaux, les fichiers
`detecteur.npz` décrivent, sur une grille de 32 × 32 cellules, ce que valent d'ordinaire l'apparence moyenne d'une
cellule, les erreurs de reconstruction et les représentations (moyennes et covariances, ou vecteurs pris çà et là). Rien
n'y rend une image.
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
            "--cote": (full.side, "côté des images, en pixels ; de plus petites ne sont pas agrandies"),
            "--graine": (0, "graine du partage des bonnes images et des entraînements"),
        },
    )
    text = "catégories, séparées par des virgules (par défaut, toutes celles dont les images réelles sont là)"
    parser.add_argument("--categories", default="", help=text)
    text = "garde les modèles de reference/ : refait ce qui est normal pour eux, les essais et les mesures"
    parser.add_argument("--garde-modeles", action="store_true", help=text)
    text = "compare des entraînements (tâches, pertes, masques) sur des défauts synthétiques, et n'écrit rien"
    parser.add_argument("--essais", action="store_true", help=text)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> None:
    datas = [dataset.load(category.name) for category in dataset.categories(options.categories)]
    locations = [dataclasses.replace(data.location, title=data.category.name) for data in datas]
    cli.require_real(locations, advice="téléchargez-les (python -m atelier donnees telecharger mvtec_ad)")
    sizes = {"images": options.images, "epochs": options.epoques, "side": options.cote}
    budget = dataclasses.replace(training.profile("complet"), **sizes)
    for data in datas:
        if options.essais:
            table = ablation.training_ablation(data, budget, title=data.category.title)
            print(table.round(4).to_csv(index=False), flush=True)
            continue
        _make(data, budget, options.graine, kept=options.garde_modeles)
        if not options.sans_test:
            _measure(data, budget, options.graine)


def _name(data: dataset.Data, budget: Profile) -> str:
    """Returns the name of a category in `reference/`, with the side of its images where they are small."""
    side = training.image_side(data, budget)
    return data.category.name if side == budget.side else f"{data.category.name}_{side}"


def _make(data: dataset.Data, budget: Profile, seed: int, *, kept: bool) -> None:
    """Writes what judges a category, and the ablation on synthetic defects; its models are trained, or kept."""
    title, start, name = data.category.title, time.time(), _name(data, budget)
    runs = _kept(name) if kept else detector.train(data, budget, seed=seed, title=title)
    runs = {task: dataclasses.replace(run, model=storage.quantised(run.model)) for task, run in runs.items()}
    unseen = detector.held_out({task: run.model for task, run in runs.items()}, data, budget, seed=seed)
    judge, folder = detector.detector_of(data, runs, unseen), project.REFERENCE / name
    storage.save_detector(judge, folder)
    (folder.parent / "LICENCE.md").write_text(LICENCE, encoding="utf-8")
    ablation.scoring_ablation(data, unseen, judge.scoring).round(4).to_csv(folder / "ablation.csv", index=False)
    print(f"{title} : détecteur écrit ({time.time() - start:.0f} s)", flush=True)


def _kept(name: str) -> dict[str, commun.training.Run]:
    """Returns the models of a detector of `reference/`, as if they had just been trained."""
    judge = storage.load_detector(name)
    metrics, hardware = {"seconds": judge.seconds / max(1, len(judge.models))}, judge.hardware
    return {
        task: commun.training.Run(model, pd.DataFrame(), metrics, None, fresh=False, hardware=hardware)
        for task, model in judge.models.items()
    }


def _split(data: dataset.Data) -> str:
    """Says in French what was learnt from and what was judged, and what differs from the official copy."""
    good = int((~data.test["is_defect"]).sum())
    counts = (len(data.train), good, len(data.test) - good)
    parts = [
        f"apprentissage : {counts[0]} images ; test : {counts[1]} sans défaut, {counts[2]} avec",
        *(note.rstrip(".") for note in data.notes),
    ]
    return " ; ".join([*parts, *(remark for remark in [REMARKS.get((data.category.name, counts))] if remark)])


def _measure(data: dataset.Data, budget: Profile, seed: int) -> None:
    """Reads the test part of a category with the committed detector, once.

    The figures go to `metrics.json` and to the journal, and what each variant of scoring is worth to the ablation.
    """
    name = _name(data, budget)
    judge = storage.load_detector(name)
    scores = evaluation.score_data(data, judge)
    measures = {**scores.others, FUSED: scores.metrics}
    path = project.REFERENCE / "metrics.json"
    content = results.read_metrics(path) or {"split": {}, "training_s": {}, "gains": {}, "metrics": {}}
    content["split"][name] = _split(data)
    content["training_s"][name] = judge.seconds
    content["gains"][name] = scores.gains
    content["metrics"] |= {
        f"{name}/{method}/{metric}": {**entry, "per_seed": [entry["value"]]}
        for method, entries in measures.items()
        for metric, entry in entries.items()
    }
    seconds = sum(content["training_s"].values())
    head = {"project": project.PROJECT, "dataset": "MVTec AD", "split": content["split"], "seconds": seconds}
    content |= results.header(**head, trained_on=[judge.hardware])
    results.write_json(path, content)
    configs = {task: dataclasses.asdict(model.config) for task, model in judge.models.items()}
    key = commun.training.config_hash({"category": name, "models": configs, **dataclasses.asdict(judge.scoring)})
    line = {
        f"{name}/{method}/{metric}": entries[metric]["value"]
        for method, entries in measures.items()
        for metric in JOURNAL
        if metric in entries
    }
    results.journal(project.REFERENCE / "journal.csv", key, line)
    unseen = detector.held_out(judge.models, data, budget, seed=seed)
    readable, found = ablation.signals_of_test(data, judge.models, judge.side)
    table = pd.read_csv(path.parent / name / "ablation.csv", keep_default_na=False)
    on_test = ablation.ablation_on_test(readable, unseen, found, judge.scoring).round(4)
    columns = ["constant", "value"]
    table.merge(on_test, on=columns, validate="1:1").to_csv(path.parent / name / "ablation.csv", index=False)


if __name__ == "__main__":
    sys.exit(main())
