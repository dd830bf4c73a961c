"""The tables of notebook 03: what detectors are worth, by category, task and type of defect, and why these constants.

Numbers are not rounded, for `figures.tableau` does it; a metric with its interval is a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commun import figures, results
from commun.figures import NBSP, number
from projet3_ssl_anomalies import evaluation, metrics
from projet3_ssl_anomalies.ablation import RETAINED
from projet3_ssl_anomalies.dataset import CATEGORIES, Data, defect_title
from projet3_ssl_anomalies.defects import TYPES
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.pretexts import FUSED, title

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
SOURCES = {"real": "réel", "sample": "échantillon"}
CONSTANTS = {
    RETAINED: "réglages retenus",
    "error_sigma": "flou des erreurs (pixels)",
    "map_sigma": "flou des distances (pixels)",
    "top_fraction": "part des pixels du score (%)",
    "shrinkage": "variance globale ajoutée (images)",
    "weights": "poids des tâches (C / R / M)",
    "fusion": "moyenne géométrique des tâches",
}


def metrics_table(scores: Mapping[str, Scores], sources: Mapping[str, str]) -> pd.DataFrame:
    """Returns a row for each category, task, and fusion: catégorie, source, tâche, and the metrics of `LABELS`.

    Args:
        scores: French title of the category -> scores.
        sources: the same title -> "réel" or "échantillon".
    """
    return pd.DataFrame([
        {"catégorie": category, "source": sources[category], "tâche": title(task)}
        | {label: _with_interval(measures.get(metric)) for metric, label in LABELS.items()}
        for category, of_category in scores.items()
        for task, measures in {**of_category.tasks, FUSED: of_category.metrics}.items()
    ])


def verdict_table(datas: Sequence[Data], detectors: Mapping[str, Detector], rate: float) -> pd.DataFrame:
    """Returns the threshold of each category for a rate of false alarms: one row each.

    `plus petit taux` is the least that the number of good parts held out allows; above `rate`, the threshold is the
    one of this least rate.
    """
    rows = []
    for data in datas:
        detector = detectors[data.category.name]
        least = evaluation.least_rate(detector)
        rows.append({
            "catégorie": data.category.title,
            "source": data.source,
            "bonnes pièces mises de côté": len(detector.good_scores[FUSED]),
            "plus petit taux": figures.percent(least),
            "taux employé": figures.percent(max(rate, least)),
            "seuil": evaluation.threshold(detector, rate),
        })
    return pd.DataFrame(rows)


def decision_table(
    datas: Sequence[Data], scores: Mapping[str, Scores], thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """Returns what the thresholds decide on the test parts: one row per category, with binomial intervals (95 %)."""
    rows = []
    for data in datas:
        counts = evaluation.decisions(scores[data.category.name], thresholds[data.category.name])
        rows.append({
            "catégorie": data.category.title,
            "source": data.source,
            "bonnes pièces rejetées": _share(counts.rejected, counts.good),
            "défauts manqués": _share(counts.missed, counts.defective),
        })
    return pd.DataFrame(rows)


def _share(k: int, n: int) -> str:
    if not n:
        return "–"
    low, high = (number(100 * bound, 0) for bound in binomial_interval(k, n))
    return f"{k} sur {n} [{low} ; {high}{NBSP}%]"


def defects_table(scores: Scores, threshold: float) -> pd.DataFrame:
    """Returns a row by type of defect, then one for all: défaut, pièces, AUROC against good parts, share `trouvés`."""
    is_defect, rejected = scores.table["is_defect"].to_numpy(bool), scores.table["score"].to_numpy() > threshold
    types = {name: rows for name, rows in rows_by_type(scores).items() if is_defect[rows].all()}
    return pd.DataFrame([
        {"défaut": name, "pièces": rows.sum()}
        | {title(task): area for task, area in image_aurocs(scores, rows | ~is_defect).items()}
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
    lines = [(FUSED, name) for name in LABELS] + [(task, "image_auroc") for task in scores.tasks]
    measures = {**scores.tasks, FUSED: scores.metrics}
    table = results.comparison(
        {f"{category}/{task}/{name}": f"{LABELS[name]}, {title(task)}" for task, name in lines},
        {f"{category}/{task}/{name}": entry for task, of_task in measures.items() for name, entry in of_task.items()},
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


def mean_ablation(table: pd.DataFrame) -> pd.DataFrame:
    """Returns an ablation averaged over the categories of a source: source, constant, value, is_retained, measures.

    A variant is retained where it is for all of them.
    """
    keys = ["source", "constant", "value"]
    means = table.fillna({"value": ""}).groupby(keys, sort=False).mean(numeric_only=True).reset_index()
    return means.assign(is_retained=means["is_retained"] == 1)


def ablation_table(table: pd.DataFrame) -> pd.DataFrame:
    """Returns `mean_ablation` in French, with a mark on the values retained: source, constante, valeur, retenue...

    Then come the measures of `MEASURES`.
    """
    means = mean_ablation(table)
    columns = {
        "source": means["source"].map(SOURCES),
        "constante": means["constant"].map(CONSTANTS),
        "valeur": [shown_value(*pair) for pair in zip(means["constant"], means["value"], strict=True)],
        "retenue": np.where(means["is_retained"], "✓", ""),
    }
    return pd.DataFrame(columns | {label: means[name] for name, label in MEASURES.items()})


def shown_value(constant: str, value: str) -> str:
    """Returns how a value of an ablation is written in French."""
    if constant == "fusion":
        return "oui" if value == "geometric" else "non"
    if constant == "weights":
        return " / ".join(value.split("/")).replace(".", ",")
    if constant == "shrinkage" and float(value) >= 1e9:
        return "∞"
    shown = f"{100 * float(value):g}" if constant == "top_fraction" else value
    return shown.replace(".", ",")


def defect_types_table(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the image AUROC of each type of synthetic defect, constants as retained: one row a category.

    Columns: catégorie, source, then the French names of the types, the hardest first.
    """
    rows = table[table["constant"] == RETAINED].reset_index(drop=True)
    types = rows[list(TYPES)].mean().sort_values().index
    titles = [CATEGORIES[name].title if name in CATEGORIES else name for name in rows["category"]]
    columns = {"catégorie": titles, "source": rows["source"].map(SOURCES)}
    return pd.DataFrame(columns | {TYPES[name]: rows[name] for name in types})


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
    is_defect = scores.table["is_defect"].to_numpy(bool)[rows]
    return {
        name: metrics.auroc(values[rows][~is_defect], values[rows][is_defect])
        for name, values in scores_by_task(scores).items()
    }


def binomial_interval(k: int, n: int) -> list[float]:
    """Returns the exact 95 % interval [low, high] of a proportion seen k times in n (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    low = beta.ppf(0.025, k, n - k + 1) if k > 0 else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return [float(low), float(high)]


def _with_interval(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    low, high = (number(bound, 2) for bound in entry["ci95"])
    return f"{number(entry['value'], 3)} [{low}{NBSP};{NBSP}{high}]"


def _published(known: str | tuple[float | None, ...]) -> str:
    if isinstance(known, str):
        return known
    return " ; ".join(f"{number(v, 3)} ({name})" for name, v in zip(METHODS, known, strict=True) if v is not None)
