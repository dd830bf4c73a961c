"""What the notebooks show as tables and sentences, in French; the measures themselves are in the other modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from commun import figures
from commun.figures import number, percent
from projet1_artistes import (
    baselines,
    efficientnet,
    evaluation,
    experiments,
    leak,
    limits,
    networks,
    resizing,
    transfer,
)
from projet1_artistes.augmentation import repeat_factors
from projet1_artistes.checks import split_counts
from projet1_artistes.dataset import Data, duplicate_groups
from projet1_artistes.names import repair
from projet1_artistes.split import TITLES, TRAINING

VARIANTS = {
    experiments.NOTHING: "rien",
    experiments.OVERSAMPLING: "augmentation",
    "class_weights": "poids par classe",
    "both": "les deux",
    experiments.HIGH: "haute qualité",
    experiments.LOW: "basse qualité",
    experiments.REDUCED: "haute qualité réduite",
    leak.NAIVE: "découpage au hasard",
    leak.GROUPED: "découpage par groupes",
    baselines.COLOUR: "couleur seule",
    networks.PLAIN: "réseau simple",
    networks.RESIDUAL: "réseau résiduel",
    transfer.FROZEN: "pré-entraîné, figé",
    transfer.LAST_STAGES: "pré-entraîné, derniers étages",
    transfer.WHOLE: "pré-entraîné, en entier",
    "fige": "figé, tête linéaire (224 px)",  # from here on, the names of `variants`
    "fige_256": "figé, tête linéaire (256 px)",
    "etages": "derniers étages",
    "etages_trois": "étages 4 et suivants",
    "etages_normalisation": "derniers étages, normalisation figée",
    "tout": "en entier",
    "tout_normalisation": "en entier, normalisation figée",
    "tout_uniforme": "en entier, même taux partout",
    "tout_prudent": "en entier, premières couches plus lentes",
    "tout_lent": "en entier, taux plus bas",
    "tout_rapide": "en entier, taux plus haut",
    "tout_long": "en entier, plus longtemps",
    "tout_grand": "en entier, morceaux de 224 px",
    "tout_petit": "en entier, morceaux de 160 px",
    "tout_sans_cutmix": "en entier, sans CutMix",
    "zero": "depuis zéro, 64 px",
    "zero_grand": "depuis zéro, 128 px, vues plus larges",
    "zero_fin": "depuis zéro, 128 px",
    "zero_fin_cutmix": "depuis zéro, 128 px, CutMix à chaque lot",
    "zero_fin_profond": "depuis zéro, 128 px, deux blocs par étage",
    "zero_fin_petit": "depuis zéro, 96 px",
}
WAYS = {resizing.STRETCH: "étirer", resizing.CROP: "recadrer", resizing.PAD: "ajouter des bandes"}
MEASURES = {"accuracy": "exactitude", "balanced_accuracy": "exactitude équilibrée", "macro_f1": "macro-F1"}
CHOICE = {name: MEASURES[name] for name in ("accuracy", "macro_f1")}  # those of `variants.recorded`
RECALL = {"balanced_accuracy": "rappel moyen", "macro_f1": "macro-F1"}


def variant_title(variant: Any) -> str:
    """Returns the French name of a variant of an experiment."""
    return VARIANTS.get(variant, str(variant))


# --- The paintings ---------------------------------------------------------------------------------------------------


def by_count(data: Data) -> pd.DataFrame:
    """Returns `Data.artists`, the best furnished first."""
    return data.artists.sort_values(["works", "name"], ascending=[False, True])


def imbalance(data: Data, *, threshold: int) -> dict[str, Any]:
    """Returns what the counts say: most and least (names), fewest, ratio, share of the first, few (artists below)."""
    artists = by_count(data)
    works = artists["works"]
    return {
        "most": artists["name"].iloc[0],
        "least": artists["name"].iloc[-1],
        "fewest": int(works.iloc[-1]),
        "ratio": works.iloc[0] / max(1, works.iloc[-1]),
        "share": works.iloc[0] / works.sum(),
        "few": int((works < threshold).sum()),
    }


def differences(data: Data) -> pd.DataFrame:
    """Returns the artists whose works are not as many as `artists.csv` says, the widest gaps first.

    An artist who is not in the file has no announced number.
    """
    gap = data.artists["works"] - data.artists["announced"].astype(float)
    table = pd.DataFrame({
        "artiste": data.artists["name"],
        "annoncées": data.artists["announced"].astype("Int64").astype(object),
        "lisibles": data.artists["works"],
        "écart": [f"{difference:+.0f}".replace("-", "−") if difference else "0" for difference in gap],
    })
    table.loc[gap.isna(), "écart"] = "inconnu"
    order = gap.abs().fillna(np.inf).sort_values(ascending=False, kind="stable").index
    return table.loc[order][gap.loc[order] != 0].reset_index(drop=True)


def problems_by_reason(data: Data) -> pd.DataFrame:
    """Returns what is wrong with the files, by kind of problem, most frequent first, with an example."""
    what = data.problems["what"].str.replace(r"^même œuvre que .* : ", "même œuvre qu'un autre fichier : ", regex=True)
    rows = [
        (reason, len(files), repair(files.iloc[0]).removeprefix("images/images/"))
        for reason, files in data.problems["file"].groupby(what)
    ]
    table = pd.DataFrame(rows, columns=["constat", "fichiers", "exemple"])
    return table.sort_values("fichiers", ascending=False, kind="stable", ignore_index=True)


def merged_artists(data: Data) -> pd.DataFrame:
    """Returns the artists whose works lie in several folders."""
    rows = data.artists[data.artists["folder"].str.contains(" et ", regex=False)]
    table = rows[["name", "folder", "works"]].set_axis(["artiste", "dossiers", "œuvres"], axis=1)
    return table.reset_index(drop=True)


def costs_table(costs: pd.DataFrame) -> pd.DataFrame:
    """Shows `resizing.costs`."""
    meanings = {
        resizing.STRETCH: "déformation : un cercle devient une ellipse, plus longue que large de",
        resizing.CROP: "part de l'œuvre perdue sur les bords",
        resizing.PAD: "part des pixels qui ne montrent rien",
    }
    rows = [(WAYS[way], meanings[way], *map(percent, row)) for way, *row in costs.itertuples()]
    return pd.DataFrame(rows, columns=["façon", "coût", "médiane", "une œuvre sur dix, au moins", "maximum"])


def work_title(data: Data, row: int) -> str:
    """Names a work by its artist and its number in the folder."""
    numbers = re.findall(r"\d+", data.works["path"].iloc[row].stem)
    return " ".join([data.names[data.labels[row]], *numbers[-1:]])


def shared_groups(data: Data) -> pd.DataFrame:
    """Returns the groups of near-duplicates that span two artists or more."""
    rows = [
        {
            "artistes": ", ".join(data.names[artist] for artist in sorted(set(data.labels[group]))),
            "œuvres": ", ".join(work_title(data, row) for row in group),
            "partie": TITLES[data.works["part"].iloc[group[0]]],
        }
        for group in duplicate_groups(data)
        if len(set(data.labels[group])) > 1
    ]
    return pd.DataFrame(rows, columns=["artistes", "œuvres", "partie"])


def split_table(data: Data) -> pd.DataFrame:
    """Returns the works of each artist in each part, and their shares, the best furnished artist first."""
    counts = split_counts(data).loc[by_count(data).index]
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    table = counts.astype(int).rename(columns=TITLES)
    table.insert(0, "artiste", data.artists["name"][table.index])
    table["parts (%)"] = [" / ".join(f"{100 * share:.0f}" for share in row) for row in shares.to_numpy()]
    table["évalué"] = np.where(data.artists["evaluated"][table.index], "oui", "non")
    return table.reset_index(drop=True)


def checks_table(checks: pd.DataFrame) -> pd.DataFrame:
    """Shows what `checks.check_split` found."""
    table = checks.assign(passed=np.where(checks["passed"], "oui", "NON"))
    return table.set_axis(["contrôle", "constat", "réussi"], axis=1)


def oversampling_counts(data: Data, threshold: int) -> pd.DataFrame:
    """Counts what the network sees of each artist in one passage: index class id, works and pictures."""
    labels = data.labels[data.rows(TRAINING)]
    table = pd.DataFrame({"works": 1, "pictures": repeat_factors(labels, threshold)}).groupby(labels).sum()
    return table.reindex(data.artists.index, fill_value=0).round().astype(int)


# --- The classifier --------------------------------------------------------------------------------------------------


def artist_table(measures: pd.DataFrame) -> pd.DataFrame:
    """Shows `evaluation.artist_measures`."""
    titles = ["artiste", "genre", "période", "apprises", "testées", "rappel", "précision", "F1", "souvent pris pour"]
    return measures.set_axis(titles, axis=1)


def headline(metrics: Mapping[str, Mapping] | None) -> dict[str, float]:
    """Returns the headline results of notebook 03, French name -> value, from `evaluation.evaluate` or a reference."""
    names = {"test_accuracy": "exactitude au test", "test_macro_f1": "macro-F1 au test"}
    return {title: metrics[name]["value"] for name, title in names.items() if name in (metrics or {})}


def confusion_table(confusions: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Shows `evaluation.frequent_confusions`, with the two genres and periods, or one where they are the same."""
    artists = evaluation.styles(data)

    def both(column: str) -> list[str]:
        pairs = zip(artists[column][confusions["true"]], artists[column][confusions["named"]], strict=True)
        return [one if one == other else f"{one} → {other}" for one, other in pairs]

    return pd.DataFrame({
        "peintre": artists["name"][confusions["true"]].to_numpy(),
        "pris pour": artists["name"][confusions["named"]].to_numpy(),
        "œuvres": confusions["works"],
        "part": confusions["share"],
        "genres": both("genre"),
        "périodes": both("period"),
    })


def backbone_table() -> pd.DataFrame:
    """Shows the stages of EfficientNet-Lite0: blocks, side of the filters, stride, expansion and channels."""
    titles = ["blocs", "côté des filtres", "pas", "cartes multipliées par", "cartes rendues"]
    table = pd.DataFrame(efficientnet.BLOCKS, columns=titles)
    table.insert(0, "étage", range(1, len(table) + 1))
    return table


# --- The experiments -------------------------------------------------------------------------------------------------


def summary_table(summary: pd.DataFrame, measures: Mapping[str, str] = MEASURES) -> pd.DataFrame:
    """Shows `experiments.summary`: the number of works, then each measure (name -> title) with its interval."""
    table = pd.DataFrame({"œuvres": summary["n"]})
    for name, title in measures.items():
        low, high = summary[f"{name}_low"], summary[f"{name}_high"]
        bounds = zip(summary[name], low, high, strict=True)
        table[title] = [f"{percent(value)} [{percent(a)} ; {percent(b)}]" for value, a, b in bounds]
    return table.rename(index=variant_title)


def choices_table(table: pd.DataFrame) -> pd.DataFrame:
    """Shows `variants.recorded`: what each variant is worth, and the length of its training."""
    lengths = ["–" if pd.isna(seen) else number(seen) for seen in table["images_seen"]]
    return summary_table(table, CHOICE).assign(**{"morceaux vus": lengths})


def gain_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Shows `experiments.gains`, in points."""
    return pd.DataFrame({"écart": [points(row) for _, row in gains.iterrows()]}, index=gains.index.map(variant_title))


def comment_qualities(table: pd.DataFrame, gains: pd.DataFrame | None) -> str:
    """Says in French what the `summary` of `experiments.compare_qualities` gives: both accuracies, if any.

    `gains` are those of the accuracy over high quality; None if there is nothing to compare.
    """
    if table.empty or gains is None:
        return "rien à comparer, faute de copies en basse qualité"
    high, low = (percent(table.loc[quality, "accuracy"]) for quality in (experiments.HIGH, experiments.LOW))
    row = gains.loc[experiments.LOW]
    return f"{high} contre {low} d'exactitude ; la basse qualité change l'exactitude de {points(row)}{verdict(row)}"


def comment_gains(gains: pd.DataFrame, *, base: Any, price: pd.DataFrame | None = None) -> str:
    """Says in French what `experiments.gains` tell: which differences with `base` exceed what chance may do.

    With a `price` (of `experiments.price`), what other artists gain or lose is in the same sentence.
    """
    parts = []
    for name, row in gains.iterrows():
        part = f"« {variant_title(name)} » : {points(row)}{verdict(row)}"
        if price is not None and name in price.index:
            other = price.loc[name]
            part += f", et {points(other)} d'exactitude pour les autres artistes{verdict(other)}"
        parts.append(part)
    return f"Par rapport à « {variant_title(base)} » : {' ; '.join(parts)}."


def points(gain: pd.Series) -> str:
    """Shows a row of `experiments.gains`: the difference in points, its sign, and its interval."""
    value, low, high = (number(100 * gain[name], 1) for name in ("gain", "low", "high"))
    sign = "+" if gain["gain"] > 0 else ""
    unit = "points" if abs(round(100 * gain["gain"], 1)) >= 2 else "point"  # the French plural starts at two
    return f"{sign}{value}{figures.NBSP}{unit} [{low} ; {high}]"


def verdict(gain: pd.Series) -> str:
    """Says in French whether a row of `experiments.gains` exceeds what chance may do; it follows the numbers."""
    if gain["low"] > 0:
        return ", un gain net"
    if gain["high"] < 0:
        return ", une perte nette"
    return ", ce que le hasard du tirage suffit à expliquer"


def comment_advice(advice: Mapping[str, float]) -> str:
    """Says in French what `limits.advise` found; numbers are advised only if one was seen to fail, and one not."""
    floor = percent(limits.MIN_RECALL, 0)
    parts = [
        "D'un artiste à l'autre, "
        + _limit(
            advice,
            "between_artists",
            f"le rappel atteint {floor} à partir d'environ **{{enough}} œuvres** d'apprentissage "
            f"(artistes qui en ont moins : {advice['few']})",
            f"le rappel atteint {floor} même pour le moins fourni, qui a {{least}} œuvres : "
            "nous ne savons rien de moins",
            f"le rappel n'atteint nulle part {floor}",
        ),
        "Quand on retire des œuvres aux mieux fournis, "
        + _limit(
            advice,
            "by_removal",
            "{enough} suffisent et {fails} ne suffisent pas",
            "le plus petit nombre essayé, {least}, suffit : nous ne savons rien de moins",
            "aucun des nombres essayés n'y suffit, pas même {fails}",
        ),
    ]
    known = [name for name in ("by_removal", "between_artists") if np.isfinite(advice[name])]
    if known:
        enough, fails = (number(advice[f"{known[0]}{suffix}"]) for suffix in ("", "_fails"))
        parts.append(
            f"Nous conseillons de laisser de côté, ou de réunir à d'autres, un artiste de **{fails} œuvres** ou moins, "
            f"et de garder celui qui en a **{enough}** ou plus ; entre les deux, ces mesures ne décident pas : "
            "regardez son propre rappel"
        )
    else:
        parts.append("Ces mesures n'encadrent aucune limite : elles ne permettent de conseiller aucun nombre")
    parts.append("Tout cela dépend du réseau et de son budget : mesurez-le de nouveau s'ils changent")
    return ". ".join(parts) + "."


def _limit(advice: Mapping[str, float], name: str, known: str, always: str, never: str) -> str:
    """Chooses a sentence on a number of `limits.advise`, and fills it."""
    fails = advice[f"{name}_fails"]
    text = known if np.isfinite(advice[name]) else always if np.isnan(fails) else never
    return text.format(enough=number(advice[name]), fails=number(fails), least=number(advice[f"{name}_least"]))
