"""What the experiments of notebook 03 tell of both networks, in French: chosen and filled by the values, either way.

The same functions read this run's own values and those that `reference/` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from commun.figures import number, percent
from projet1_artistes import experiments, limits, pairs
from projet1_artistes.split import VALIDATION
from projet1_artistes.tables import points, variant_title, verdict

NETWORKS = {
    experiments.SCRATCH: "réseau entraîné depuis zéro",
    experiments.FROZEN: "réseau pré-entraîné figé",
}


# --- High against low quality ----------------------------------------------------------------------------------------


def recorded_qualities() -> tuple[dict[int, pd.DataFrame], dict[int, pd.DataFrame]]:
    """Returns what the frozen network gave on the real paintings, for each side: `summary`, and `gains` in accuracy."""
    tables, gains = {}, {}
    for side in pairs.recorded_sides():
        name = f"quality_{side}"
        tables[side] = experiments.recorded(name, VALIDATION, experiments.FROZEN)
        gains[side] = pairs.recorded_gains(name, VALIDATION, "accuracy")[1]
    return tables, gains


def qualities_table(tables: Mapping[int, pd.DataFrame], gains: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Shows the accuracy of each quality at each side, and its paired difference with high quality."""
    rows = []
    for side, table in tables.items():
        for quality, row in table.iterrows():
            low, high = (percent(row[f"accuracy_{end}"]) for end in ("low", "high"))
            gap = points(gains[side].loc[quality]) if quality in gains[side].index else "–"
            rows.append((side, variant_title(quality), f"{percent(row['accuracy'])} [{low} ; {high}]", gap))
    return pd.DataFrame(rows, columns=["côté (px)", "qualité", "exactitude", "écart avec la haute qualité"])


def comment_qualities(gains: Mapping[int, pd.DataFrame]) -> str:
    """Says what low quality changes for the frozen network at each side, and where high quality is worth its price.

    Args:
        gains: side, in pixels, increasing -> `experiments.gains` in accuracy over high quality.
    """
    if not gains:
        return "Rien à comparer, faute de copies en basse qualité."
    rows = {side: table.loc[experiments.LOW] for side, table in gains.items()}
    told = " ; ".join(f"montrée à {side} pixels, de {points(row)}{verdict(row)}" for side, row in rows.items())
    text = f"Face à la haute qualité, la basse change l'exactitude du réseau figé : {told}."
    worse = [side for side, row in rows.items() if row["high"] < 0]
    better = [side for side, row in rows.items() if row["low"] > 0]
    if len(worse) == len(rows):
        text += " La haute qualité vaut nettement mieux à tous les côtés essayés."
    elif worse:
        text += f" La haute qualité ne vaut nettement mieux qu'à {_listed(worse)} pixels."
    else:
        text += " À aucun de ces côtés la haute qualité ne vaut nettement mieux."
    if better:
        text += f" La basse qualité l'emporte même à {_listed(better)} pixels."
    side = max(gains)
    row = gains[side].loc[experiments.REDUCED]
    return (
        f"{text} La résolution seule (les grandes images réduites, sans la compression des copies) change "
        f"l'exactitude, à {side} pixels, de {points(row)}{verdict(row)}."
    )


def _listed(values) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} et {last}" if first else last


# --- From which number of works on artists weigh more ----------------------------------------------------------------


def comment_head_thresholds(
    table: pd.DataFrame, best: int, differences: pd.DataFrame, base: int, prices: pd.DataFrame
) -> str:
    """Says which threshold of the linear head is recommended, by the rule of `recommended_threshold`, and its price.

    Args:
        table: `experiments.summary` of the answers, whose variants are thresholds.
        best: the threshold of the highest macro-F1.
        differences: `experiments.gains` over it in macro-F1.
        base: the smallest threshold.
        prices: `experiments.gains` over it in accuracy.
    """
    advised, top = experiments.smallest_not_below(best, differences), table["macro_f1"].max()
    text = f"La macro-F1 de la tête linéaire est la plus haute au seuil {best} ({percent(top)})"
    if advised != best:
        text += f", mais l'écart du seuil {advised} avec lui, œuvre par œuvre, n'est pas nettement négatif : "
        text += points(differences.loc[advised])
    elif best != base:
        text += ", et les plus petits lui sont tous nettement inférieurs"
    if not advised:
        why = ", le plus petit" if best == advised else ""
        return f"{text}{why}. Ces mesures ne conseillent donc d'aider **aucun** artiste de cette façon."
    text += f". Nous conseillons d'aider les artistes de **moins de {advised} images**"
    if advised in prices.index:
        row = prices.loc[advised]
        price = "le prix" if row["high"] < 0 else "sans prix net"
        text += f" ; {price}, face au seuil {base}, tous artistes confondus : {points(row)} d'exactitude{verdict(row)}"
    if advised == table.index.max():
        text += ". C'est le plus grand seuil essayé : plus haut, rien n'est mesuré"
    return f"{text}."


def recorded_thresholds() -> tuple[pd.DataFrame, int, pd.DataFrame, int, pd.DataFrame]:
    """Returns what the frozen network gave on the real paintings, as `comment_head_thresholds` takes it."""
    name, part = pairs.THRESHOLDS, experiments.OUT_OF_FOLD
    table = experiments.recorded(name, part, experiments.FROZEN)
    table = table.set_axis(table.index.astype(int))
    gains = (pairs.recorded_gains(name, part, measure) for measure in ("macro_f1", "accuracy"))
    (best, differences), (base, prices) = gains
    return table, best, differences, base, prices


# --- How many works --------------------------------------------------------------------------------------------------


def recorded_works() -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Returns what both networks gave on the real paintings, as `comment_needed` takes it."""
    curves = {network: experiments.recorded("works_per_artist", VALIDATION, network) for network in NETWORKS}
    curves = {network: table.set_axis(table.index.astype(int)) for network, table in curves.items() if len(table)}
    prices = {network: pairs.recorded_gains(pairs.OTHERS, VALIDATION, "accuracy", network)[1] for network in curves}
    return curves, {network: price for network, price in prices.items() if len(price)}


def comment_needed(curves: Mapping[str, pd.DataFrame], prices: Mapping[str, pd.DataFrame]) -> str:
    """Says how many works each network needs to recognise half of those of an artist, and what the others pay for it.

    Args:
        curves: a key of `NETWORKS` -> `experiments.summary`, whose variants are numbers of works, increasing.
        prices: a key of `NETWORKS` -> `experiments.price` for the other artists, in accuracy, of each number but the
            smallest; networks whose price is unknown are not there.
    """
    parts = []
    for network, table in curves.items():
        counts = table.index.to_numpy(int)
        sign, value = limits.needed(counts, table["balanced_accuracy"].to_numpy())
        text = f"{_needed(sign, value, counts)} au {NETWORKS[network]}"
        text += _dip(counts, table["balanced_accuracy"].to_numpy())
        enough = int(counts[counts >= value].min())
        price = prices.get(network)
        if price is not None and enough in price.index:
            row: Any = price.loc[enough]
            text += (
                f" (de {counts[0]} à {enough} œuvres pour ces artistes, l'exactitude des autres change de "
                f"{points(row)}{verdict(row)})"
            )
        parts.append(text)
    return f"Pour que le rappel moyen de ces artistes atteigne {percent(limits.HALF, 0)}, il faut {' ; '.join(parts)}."


def _dip(counts: np.ndarray, recalls: np.ndarray) -> str:
    """Says that the recall reached the share with fewer works than those that are told, and fell again."""
    reached = recalls >= limits.HALF
    first = int(reached.argmax())
    if not reached.any() or reached[first:].all():
        return ""
    return (
        f", bien que {counts[first]} y suffisent une fois ({percent(recalls[first])}) avant que le rappel ne "
        "redescende, signe que le hasard d'un entraînement pèse ici autant que le nombre d'œuvres"
    )


def _needed(sign: str, value: float, counts) -> str:
    if sign == limits.MORE:
        return f"**plus de {number(value, 0)} œuvres**"
    if sign == limits.FEWER:
        return f"**{number(value, 0)} œuvres ou moins**"
    below, above = counts[counts < value].max(), counts[counts >= value].min()
    return f"**environ {number(value, 0)} œuvres** (entre {below} et {above}, les nombres mesurés)"
