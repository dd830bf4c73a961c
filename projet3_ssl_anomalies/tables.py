"""The tables of notebook 03: what detectors are worth, by category, task and type of defect, and why these constants.

Numbers are not rounded, for `figures.tableau` does it; a metric with its interval is a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commun import results
from commun.figures import NBSP, number
from projet3_ssl_anomalies import defects, evaluation
from projet3_ssl_anomalies.dataset import CATEGORIES, Data, defect_title
from projet3_ssl_anomalies.evaluation import FUSED, TITLES, Scores

LABELS = {
    "image_auroc": "AUROC image",
    "image_ap": "AP image",
    "image_f1": "F1 image",
    "pixel_auroc": "AUROC pixel",
    "au_pro": "AU-PRO",
    "au_spro": "AU-sPRO",
}
METHODS = ("RIAD", "RIAD refait", "auto-encodeur naïf", "DRAEM", "PatchCore")
PUBLISHED = {  # what each of METHODS reports; category -> metric -> values, or a text
    "bottle": {"image_auroc": (0.999, 0.971, 0.459, 0.992, 1), "pixel_auroc": (0.984, None, None, 0.991, 0.984)},
    "hazelnut": {"image_auroc": (0.833, 0.890, 0.720, 1, 1), "pixel_auroc": (0.961, None, None, 0.997, 0.987)},
    "capsule": {"image_auroc": (0.884, 0.731, None, 0.985, 0.982), "pixel_auroc": (0.928, None, None, 0.943, 0.988)},
    "toothbrush": {"image_auroc": (1, 0.972, None, 1, 0.933), "pixel_auroc": (0.989, None, None, 0.981, 0.988)},
    "engine_wiring": {
        "image_auroc": "0,53 à 0,66 (PatchCore) ; 0,713 (GaLAD, 50 images)",
        "au_spro": "0,689 (PatchCore, moyenne des six catégories d'AutoVI)",
    },
}
PUBLISHED_IN = (
    "RIAD et DRAEM : tables 1 et 2 de l'article DRAEM (Zavrtanik et al., ICCV 2021) ; RIAD refait : dépôt "
    "taikiinoue45/RIAD ; auto-encodeur naïf, dont le score est l'erreur moyenne : dépôt CS6366 ; PatchCore, qui part "
    "d'un réseau appris sur ImageNet : anomalib et, pour AutoVI, dépôt icordos et Carvalho et al., 2024."
)
MEASURES = {"image": LABELS["image_auroc"], "pixel": LABELS["pixel_auroc"], "pro": LABELS["au_pro"]}


def metrics_table(judged: Mapping[str, Scores], sources: Mapping[str, str]) -> pd.DataFrame:
    """Returns a row for each category, task, and fusion: catégorie, source, tâche, and the metrics of `LABELS`.

    Args:
        judged: French title of the category -> scores.
        sources: the same title -> "réel" or "échantillon".
    """
    return pd.DataFrame([
        {"catégorie": title, "source": sources[title], "tâche": TITLES[name]}
        | {label: _with_interval(measured.get(metric)) for metric, label in LABELS.items()}
        for title, scores in judged.items()
        for name, measured in {**scores.tasks, FUSED: scores.metrics}.items()
    ])


def defects_table(scores: Scores, threshold: float) -> pd.DataFrame:
    """Returns a row by type of defect, then one for all: défaut, pièces, AUROC against good parts, share `trouvés`."""
    is_defect, rejected = scores.table["is_defect"].to_numpy(bool), scores.table["score"].to_numpy() > threshold
    types = {name: rows for name, rows in rows_by_type(scores).items() if is_defect[rows].all()}
    return pd.DataFrame([
        {"défaut": name, "pièces": rows.sum()}
        | {TITLES[task]: area for task, area in image_aurocs(scores, rows | ~is_defect).items()}
        | {"trouvés": rejected[rows].mean()}
        for name, rows in (types | {"tous": is_defect} if types else {}).items()
    ])


def reference_table(scores: Scores, reference: Mapping[str, Any] | None, category: str) -> pd.DataFrame:
    """Returns this run beside the reference on real data and published figures: the fusion, then each task alone.

    Args:
        scores: of this run.
        reference: content of `reference/metrics.json`, or None.
        category: its name.
    """
    shown = [(FUSED, name) for name in LABELS] + [(task, "image_auroc") for task in scores.tasks]
    measured = {**scores.tasks, FUSED: scores.metrics}
    table = results.comparison(
        {f"{category}/{task}/{name}": f"{LABELS[name]}, {TITLES[task]}" for task, name in shown},
        {f"{category}/{task}/{name}": entry for task, found in measured.items() for name, entry in found.items()},
        reference,
        {f"{category}/{FUSED}/{name}": _published(known) for name, known in PUBLISHED.get(category, {}).items()},
    )
    return table[(table != "–").any(axis=1)]


def reading_advice(datas: Sequence[Data], reference: Mapping[str, Any] | None) -> str:
    """Says in French how to read the reference tables: real against synthetic, and what the reference is."""
    if reference is None:
        return "La référence sur données réelles n'est pas encore faite : `python -m projet3_ssl_anomalies` la produit."
    synthetic = [data.category.title for data in datas if not data.location.is_real]
    advice = "Référence et résultats publiés portent sur des images réelles."
    if synthetic:
        advice += f" Pour {', '.join(synthetic)}, cette exécution porte sur l'**échantillon synthétique** : "
        advice += "les colonnes ne se comparent pas."
    made = " ; ".join(f"{name} : {split}" for name, split in reference["split"].items())
    return f"{advice} La référence : {made} ({reference['hardware']})."


def ablation_table(table: pd.DataFrame) -> pd.DataFrame:
    """Returns `evaluation.ablation`, averaged over the categories of a source, with a mark on the values retained.

    Columns: source, constante, valeur, retenue ("✓" or ""), the measures, and the image AUROC of each kind of defect.
    """
    means = table.fillna({"valeur": ""}).groupby(["source", "constante", "valeur"], sort=False).mean(numeric_only=True)
    means["retenue"] = np.where(means["retenue"] == 1, "✓", "")
    first = ["retenue", *MEASURES]
    return means[[*first, *means.columns.drop(first)]].rename(columns=MEASURES).reset_index()


def kinds_table(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the image AUROC of each kind of synthetic defect, constants as retained: one row a category.

    Columns: catégorie, source, then the kinds, the hardest first.
    """
    kept = table[table["constante"] == "réglages retenus"]
    kinds = kept[list(defects.KINDS.values())].mean().sort_values().index
    titles = [CATEGORIES[name].title if name in CATEGORIES else name for name in kept["categorie"]]
    shown = kept[["source", *kinds]].reset_index(drop=True)
    shown.insert(0, "catégorie", titles)
    return shown


# --- What they are made of -------------------------------------------------------------------------------------------


def rows_by_type(scores: Scores) -> dict[str, np.ndarray]:
    """Returns where each type is: French name -> bool (n,); parts without defect, then the hardest to find first."""
    defect = scores.table["defect"]
    medians = scores.table["score"].groupby(defect).median().sort_values()
    ordered = sorted(medians.index, key=lambda name: name != "good")
    return {defect_title(name): (defect == name).to_numpy() for name in ordered}


def scores_by_task(scores: Scores) -> dict[str, np.ndarray]:
    """Returns the image scores of the fusion, then of each task, each of shape (n,)."""
    columns = {FUSED: "score", **{task: f"score_{task}" for task in scores.tasks}}
    return {name: scores.table[column].to_numpy() for name, column in columns.items()}


def image_aurocs(scores: Scores, rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
    """Returns the image AUROC of the fusion and of each task, on these rows."""
    is_defect = scores.table["is_defect"].to_numpy(bool)
    is_defect = is_defect[rows]
    return {
        name: evaluation.auroc(values[rows][~is_defect], values[rows][is_defect])
        for name, values in scores_by_task(scores).items()
    }


def _with_interval(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    low, high = (number(bound, 2) for bound in entry["ci95"])
    return f"{number(entry['value'], 3)} [{low}{NBSP};{NBSP}{high}]"


def _published(known: str | tuple[float | None, ...]) -> str:
    if isinstance(known, str):
        return known
    return " ; ".join(f"{number(v, 3)} ({name})" for name, v in zip(METHODS, known, strict=True) if v is not None)
