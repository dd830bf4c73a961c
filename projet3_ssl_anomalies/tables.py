"""The tables of notebook 03: what detectors are worth, by category and signal, beside what others are worth.

Numbers are not rounded, for `figures.tableau` does it; a metric with its interval is a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commun import figures
from commun.figures import NBSP, number
from projet3_ssl_anomalies import REFERENCE, evaluation
from projet3_ssl_anomalies.ablation import ALONE, RETAINED, WEIGHTS
from projet3_ssl_anomalies.dataset import CATEGORIES, Data, defect_title
from projet3_ssl_anomalies.defects import TYPES
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION, title

LABELS = {
    "image_auroc": "AUROC image",
    "pixel_auroc": "AUROC pixel",
    "au_pro": "AU-PRO",
    "au_spro": "AU-sPRO",
    "image_f1": "F1 image",
    "image_ap": "AP image",
}
COMPARED = ("image_auroc", "pixel_auroc", "au_pro", "au_spro")  # metrics by which methods are compared
OTHERS = {  # method of others -> category -> metric -> value
    "RIAD": {
        "bottle": {"image_auroc": 0.999, "pixel_auroc": 0.984},
        "hazelnut": {"image_auroc": 0.833, "pixel_auroc": 0.961},
        "pill": {"image_auroc": 0.838, "pixel_auroc": 0.957},
        "toothbrush": {"image_auroc": 1.0, "pixel_auroc": 0.989},
    },
    "RIAD refait": {
        "bottle": {"image_auroc": 0.971},
        "hazelnut": {"image_auroc": 0.890},
        "toothbrush": {"image_auroc": 0.972},
    },
    "DRAEM": {
        "bottle": {"image_auroc": 0.992, "pixel_auroc": 0.991},
        "hazelnut": {"image_auroc": 1.0, "pixel_auroc": 0.997},
        "pill": {"image_auroc": 0.989, "pixel_auroc": 0.976},
        "toothbrush": {"image_auroc": 1.0, "pixel_auroc": 0.981},
    },
    "PatchCore": {
        "bottle": {"image_auroc": 1.0, "pixel_auroc": 0.984},
        "hazelnut": {"image_auroc": 1.0, "pixel_auroc": 0.987},
        "toothbrush": {"image_auroc": 0.933, "pixel_auroc": 0.988},
    },
    "PatchCore, ici": {
        "bottle": {"image_auroc": 1.0, "pixel_auroc": 0.987, "au_pro": 0.935},
        "pill": {"image_auroc": 0.874, "pixel_auroc": 0.969, "au_pro": 0.915},
        "toothbrush": {"image_auroc": 0.978, "pixel_auroc": 0.987, "au_pro": 0.848},
    },
    "PaDiM, ici": {
        "bottle": {"image_auroc": 1.0, "pixel_auroc": 0.977, "au_pro": 0.873},
        "pill": {"image_auroc": 0.965, "pixel_auroc": 0.966, "au_pro": 0.854},
        "toothbrush": {"image_auroc": 0.997, "pixel_auroc": 0.985, "au_pro": 0.828},
    },
}
OTHERS_FROM = (
    "RIAD et DRAEM : tables 1 et 2 de l'article DRAEM (Zavrtanik et al., ICCV 2021). RIAD refait : une réalisation "
    "indépendante, dépôt taikiinoue45/RIAD. PatchCore : anomalib. « Ici » : avec les traits d'un réseau appris sur "
    "ImageNet (EfficientNet-Lite0, 224 pixels), mesurés par nous sur les mêmes fichiers, de la même façon."
)
MEASURES = {"image": LABELS["image_auroc"], "pixel": LABELS["pixel_auroc"], "pro": LABELS["au_pro"]}
SOURCES = {"real": "réel", "sample": "échantillon"}
CONSTANTS = {
    RETAINED: "réglages retenus",
    ALONE: "un seul signal",
    "without": "sans la tâche",
    WEIGHTS: "familles de signaux, et leurs poids",
    "candidate": "où chercher ce qui est normal",
    "banked": "part de la banque dans les distances",
    "fusion": "moyenne des signaux",
    "map_sigma": "lissage des distances (pixels)",
    "top_fraction": "part des cellules du score (%)",
    "shrinkage": "variance globale ajoutée (images)",
}
KINDS = {BASELINE: "sans réseau", ERROR: "erreur", REPRESENTATION: "représ."}
CANDIDATES = {  # of `statistics.CANDIDATES`
    "placed": "à la même place et dans la banque",
    "moving": "surtout dans la banque",
    "turning": "dans la banque seule",
}
FUSIONS = {"arithmetic": "arithmétique", "geometric": "géométrique"}


# --- What detectors are worth ----------------------------------------------------------------------------------------


def metrics_table(scores: Mapping[str, Scores], names: Sequence[str] = ()) -> pd.DataFrame:
    """Returns a row for each category and method: catégorie, signaux, and the metrics that some of them have.

    Args:
        scores: French title of the category -> scores.
        names: the methods, among those of `detector.fused_maps`; by default, all of them.
    """
    rows = [
        {"catégorie": category, "signaux": title(name)}
        | {label: _with_interval(measures.get(metric)) for metric, label in LABELS.items()}
        for category, of_category in scores.items()
        for name, measures in {**of_category.others, FUSED: of_category.metrics}.items()
        if not names or name in names
    ]
    return _without_empty_columns(pd.DataFrame(rows))


def gains_table(scores: Mapping[str, Scores]) -> pd.DataFrame:
    """Returns what the fusion gains over the rival without a network, with paired intervals: one row a category."""
    rows = [
        {"catégorie": category}
        | {LABELS[metric]: _with_interval(of_category.gains.get(metric), signed=True) for metric in COMPARED}
        for category, of_category in scores.items()
    ]
    return _without_empty_columns(pd.DataFrame(rows))


def decision_table(
    datas: Sequence[Data], detectors: Mapping[str, Detector], scores: Mapping[str, Scores], rate: float
) -> pd.DataFrame:
    """Returns the threshold of each category for a rate of false alarms, and what it decides on the test part.

    `taux annoncé` is `rate`, or the least that the number of good parts held out allows. Intervals are binomial, 95 %.
    """
    rows = []
    for data in datas:
        name = data.category.name
        judge, threshold = detectors[name], evaluation.threshold(detectors[name], rate)
        counts = evaluation.decisions(scores[name], threshold)
        rows.append({
            "catégorie": data.category.title,
            "bonnes pièces mises de côté": len(judge.good_scores[FUSED]),
            "taux annoncé": figures.percent(max(rate, evaluation.least_rate(judge))),
            "seuil": threshold,
            "bonnes pièces de test rejetées": _share(counts.rejected, counts.good),
            "défauts manqués": _share(counts.missed, counts.defective),
        })
    return pd.DataFrame(rows)


def _share(k: int, n: int) -> str:
    if not n:
        return "–"
    low, high = (number(100 * bound, 0) for bound in binomial_interval(k, n))
    return f"{k} sur {n} [{low} ; {high}{NBSP}%]"


def reference_table(reference: Mapping[str, Any] | None) -> pd.DataFrame:
    """Returns the reference on real data beside what others are worth: one row a category and metric.

    Args:
        reference: content of `reference/metrics.json`, or None.

    Returns:
        catégorie, mesure, sans réseau, fusion, then the methods of `OTHERS`; no row without any reference.
    """
    measured = reference["metrics"] if reference else {}
    categories = dict.fromkeys(name.split("/")[0] for name in measured if name.endswith(f"/{FUSED}/image_auroc"))
    rows = [
        {"catégorie": reference_title(category), "mesure": LABELS[metric]}
        | {title(name): _with_interval(measured.get(f"{category}/{name}/{metric}")) for name in (BASELINE, FUSED)}
        | {other: values.get(category, {}).get(metric, np.nan) for other, values in OTHERS.items()}
        for category in categories
        for metric in COMPARED
        if f"{category}/{FUSED}/{metric}" in measured
    ]
    return pd.DataFrame(rows)


def reference_title(name: str) -> str:
    """Returns the French name of a category of `reference/`, where "hazelnut_64" is hazelnut at 64 pixels."""
    base, _, side = name.rpartition("_")
    if base and side.isdigit():
        return f"{reference_title(base)} à {side} pixels"
    return CATEGORIES[name].title if name in CATEGORIES else name


# --- Synthetic defects -----------------------------------------------------------------------------------------------


def mean_ablation(table: pd.DataFrame) -> pd.DataFrame:
    """Returns an ablation averaged over the categories of a source: source, constant, value, is_retained, measures.

    A variant is retained where it is for all of them.
    """
    keys = ["source", "constant", "value"]
    means = table.fillna({"value": ""}).groupby(keys, sort=False).mean(numeric_only=True).reset_index()
    return means.assign(is_retained=means["is_retained"] == 1)


def ranking(measures: pd.DataFrame) -> pd.DataFrame:
    """Returns signals in the order of their pixel AUROC, the best first: rang, tâche, signal, and the measures.

    Args:
        measures: of `ablation.signals_alone`; of several sets of models, each signal once.
    """
    table = measures.sort_values("pixel", ascending=False, kind="stable")
    parts = [
        (title(task) if task else "–", KINDS[kind]) for task, _, kind in table["signal"].str.rpartition("/").values
    ]
    tasks, kinds = zip(*parts, strict=True)
    named = {"rang": range(1, len(table) + 1), "tâche": tasks, "signal": kinds}
    return pd.DataFrame(named | {MEASURES[m]: table[m].to_numpy() for m in ("pixel", "pro", "image")})


def shown_value(constant: str, value: str) -> str:
    """Returns how a value of an ablation is written in French."""
    if constant in (ALONE, "without"):
        return title(value)
    if constant in ("banked", WEIGHTS):
        value = value.replace(".", ",")
        for name, short in KINDS.items():
            value = value.replace(name, short)
        return value if value != "–" else "aucune"
    if constant == "candidate":
        return CANDIDATES[value]
    if constant == "fusion":
        return FUSIONS[value]
    shown = f"{100 * float(value):g}" if constant == "top_fraction" else value
    return shown.replace(".", ",")


def defect_types(table: pd.DataFrame) -> pd.Series:
    """Returns the mean image AUROC of each type of synthetic defect, constants as retained: French name -> value.

    The hardest comes first; a type that was never painted is left out.
    """
    return table[table["constant"] == RETAINED][list(TYPES)].mean().dropna().sort_values().rename(index=TYPES)


def reference_ablations(folder: Path = REFERENCE) -> dict[str, pd.DataFrame]:
    """Reads the ablations of `folder/<category>/ablation.csv` that say what the variants are worth on the test part.

    Returns:
        French title of the category -> its table; see `ablation.transfer`.
    """
    tables = {path.parent.name: pd.read_csv(path) for path in sorted(folder.glob("*/ablation.csv"))}
    return {reference_title(name): table for name, table in tables.items() if "test_image" in table}


# --- What they are made of -------------------------------------------------------------------------------------------


def rows_by_type(scores: Scores) -> dict[str, np.ndarray]:
    """Returns where each type is: French name -> bool (n,); parts without defect, then the hardest to find first."""
    defect = scores.table["defect"]
    medians = scores.table["score"].groupby(defect).median().sort_values()
    ordered = sorted(medians.index, key=lambda name: name != "good")
    return {defect_title(name): (defect == name).to_numpy() for name in ordered}


def binomial_interval(k: int, n: int) -> list[float]:
    """Returns the exact 95 % interval [low, high] of a proportion seen k times in n (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    low = beta.ppf(0.025, k, n - k + 1) if k > 0 else 0.0
    high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return [float(low), float(high)]


def _with_interval(entry: Mapping[str, Any] | None, *, signed: bool = False) -> str:
    if entry is None:
        return "–"
    value, *bounds = entry["value"], *entry["ci95"]
    texts = [number(value, 3), *(number(bound, 2) for bound in bounds)]
    value, low, high = (f"+{text}" if signed and not text.startswith("−") else text for text in texts)
    return f"{value} [{low}{NBSP};{NBSP}{high}]"


def _without_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[:, (table != "–").any()]
