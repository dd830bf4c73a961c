"""What the figures and tables say, in French sentences: each is chosen and filled by the values, in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from commun.figures import number, percent
from projet3_ssl_anomalies import evaluation, tables
from projet3_ssl_anomalies.ablation import ALONE, MEASURES, RETAINED, transfer
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.signals import BASELINE, ERROR, REPRESENTATION, named, title
from projet3_ssl_anomalies.statistics import CANDIDATES, ScoringConfig

SOLVED = 0.95  # image AUROC from which little is left to gain
STRONG, WEAK = 0.6, 0.2  # rank correlations


def listed(names: Sequence[str]) -> str:
    """Returns names as a French list: "a, b et c"."""
    *first, last = names
    return f"{', '.join(first)} et {last}" if first else last


def counted(verbs: Mapping[str, Sequence[str]]) -> str:
    """Returns "verb pour names" for each verb that has names, as one French sentence."""
    told = " ; ".join(f"{verb} pour {listed(names)}" for verb, names in verbs.items() if len(names))
    return f"{told[:1].upper()}{told[1:]}."


def rival(areas: Mapping[str, float]) -> str:
    """Says how far the rival without a network already goes: French title of the category -> its image AUROC."""
    told = [f"{name} ({number(area, 3)})" for name, area in sorted(areas.items(), key=lambda pair: -pair[1])]
    solved = sum(area >= SOLVED for area in areas.values())
    found = "Sans rien apprendre, on trouve déjà l'essentiel des défauts"
    if solved == len(told):
        return f"{found} partout : {listed(told)}. Un réseau n'a presque rien à y gagner."
    left = listed(told[solved:])
    if not solved:
        return f"Sans réseau, aucune catégorie n'est résolue, et il reste partout à gagner (AUROC image : {left})."
    return f"{found} pour {listed(told[:solved])}. Il reste à gagner pour {left}."


def places(chosen: Mapping[str, ScoringConfig]) -> str:
    """Says which candidate of `statistics.CANDIDATES` synthetic defects chose: French title of the category -> it."""
    kinds = {kind: [name for name, scoring in chosen.items() if scoring == CANDIDATES[kind]] for kind in CANDIDATES}
    told = {tables.CANDIDATES[kind]: names for kind, names in kinds.items() if names}
    if len(told) == 1:
        return f"Les faux défauts choisissent partout la même comparaison : {next(iter(told))}."
    listing = " ; ".join(f"{where} pour {listed(names)}" for where, names in told.items())
    return f"Les faux défauts choisissent une comparaison pour chaque catégorie : {listing}."


def signals(areas: Mapping[str, float]) -> str:
    """Says which signals tell best where synthetic defects are: name -> pixel AUROC."""
    learnt = {name: area for name, area in areas.items() if name != BASELINE}
    best = max(learnt, key=learnt.get)
    sees = "il voit mieux" if areas[best] > areas[BASELINE] else "il ne voit pas mieux"
    first = (
        f"Sans réseau, l'AUROC par pixel vaut {number(areas[BASELINE], 3)} ; le meilleur signal appris, « "
        f"{title(best)} », vaut {number(areas[best], 3)} : {sees} les défauts."
    )
    return f"{first} {_error_or_representation(learnt)}"


def rank(measures: pd.DataFrame, task: str) -> str:
    """Says where the signals of a task stand among all, by pixel AUROC: rows of `ablation.signals_alone`."""
    table = measures.sort_values("pixel", ascending=False, kind="stable")
    names, areas = list(table["signal"]), dict(zip(table["signal"], table["pixel"], strict=True))
    places = {kind: names.index(named(task, kind)) + 1 for kind in (ERROR, REPRESENTATION)}
    best = min(places, key=places.get)
    above = areas[named(task, best)] > areas[BASELINE]
    return (
        f"Votre tâche, « {title(task)} » : sur {len(names)} signaux, son erreur est au rang {places[ERROR]} et sa "
        f"représentation au rang {places[REPRESENTATION]}. Le meilleur des deux, avec une AUROC par pixel de "
        f"{number(areas[named(task, best)], 3)}, {'dépasse' if above else 'ne dépasse pas'} le concurrent sans réseau "
        f"({number(areas[BASELINE], 3)})."
    )


def best_signal(measures: pd.DataFrame) -> tuple[str, float, float]:
    """Returns the learnt signal with the highest pixel AUROC, this value, and that of the rival without a network.

    Args:
        measures: of `ablation.signals_alone`.
    """
    areas = measures.set_index("signal")["pixel"]
    learnt = areas.drop(BASELINE)
    return str(learnt.idxmax()), float(learnt.max()), float(areas[BASELINE])


def extremes(values: Mapping) -> str:
    """Says what the fusion is worth in the hardest and the easiest category: values of `evaluation.summary`."""
    low = f"{percent(values['low'])} du temps"
    if values["worst"] == values["best"]:
        return f"la fusion classe un défaut devant une bonne pièce {low} ({values['worst']})"
    return (
        f"la fusion classe un défaut devant une bonne pièce {low} dans la catégorie la plus difficile "
        f"({values['worst']}), et {percent(values['high'])} dans la plus facile ({values['best']})"
    )


def representations(scores: Mapping[str, Scores]) -> str:
    """Says which of the two signals of each task finds defective parts best, on the mean of categories."""
    names = next(iter(scores.values())).signals
    means = {name: float(np.mean([of.signals[name] for of in scores.values()])) for name in names}
    learnt = {name: area for name, area in means.items() if "/" in name}
    best = max(learnt, key=learnt.get)
    above = means[best] > means[BASELINE]
    return (
        f"{_error_or_representation(learnt)} En moyenne sur les catégories, le meilleur signal appris est « "
        f"{title(best)} » ({number(means[best], 3)}), {'au-dessus du' if above else 'et non au-dessus du'} concurrent "
        f"sans réseau ({number(means[BASELINE], 3)})."
    )


def _error_or_representation(areas: Mapping[str, float]) -> str:
    better = {ERROR: [], REPRESENTATION: []}
    for task in PRETEXTS:
        pair = {kind: areas[named(task, kind)] for kind in better if named(task, kind) in areas}
        if pair:
            better[max(pair, key=pair.get)].append(title(task))
    return counted({
        "la représentation fait mieux que l'erreur": better[REPRESENTATION],
        "l'erreur fait mieux que la représentation": better[ERROR],
    })


# --- Is a network worth its cost? ------------------------------------------------------------------------------------


def _sides(scores: Mapping[str, Scores], metric: str) -> tuple[list[str], list[str], list[str]]:
    """Returns the categories where the fusion is above the rival, below, and not told apart from it."""
    above, below, neither = [], [], []
    for name, of_category in scores.items():
        if metric in of_category.gains:
            low, high = of_category.gains[metric]["ci95"]
            (above if low > 0 else below if high < 0 else neither).append(name)
    return above, below, neither


def gains(scores: Mapping[str, Scores], metric: str) -> str:
    """Says where the fusion is above the rival without a network, below it, or not told apart: French title -> scores.

    The intervals of the paired differences decide.
    """
    above, below, neither = _sides(scores, metric)
    if not above + below + neither:
        return f"{tables.LABELS[metric]} : rien à mesurer."
    verbs = {"la fusion fait mieux que « sans réseau »": above, "moins bien": below, "rien ne les distingue": neither}
    return f"**{tables.LABELS[metric]}.** {counted(verbs)}"


def worth(datas: Sequence[Data], scores: Mapping[str, Scores]) -> str:
    """Says on which parts a network is worth its cost: those that turn, the others, neither.

    It is where the fusion is surely above the rival by one metric at least, and surely below it by none.

    Args:
        datas: the categories.
        scores: name of the category -> scores.
    """
    told, worthy = [], []
    for kind, turns in {"qui se présentent dans tous les sens": True, "posées dans le même sens": False}.items():
        of_kind = {
            data.category.title: scores[data.category.name]
            for data in datas
            if data.category.varies == turns and "image_auroc" in scores[data.category.name].gains
        }
        if of_kind:
            mean = float(np.mean([of.gains["image_auroc"]["value"] for of in of_kind.values()]))
            told.append(f"{number(mean, 3)} en moyenne pour les pièces {kind} ({listed(list(of_kind))})")
            above, below = ({name for m in tables.COMPARED for name in _sides(of_kind, m)[side]} for side in (0, 1))
            worthy += [name for name in of_kind if name in above - below]
    if not told:
        return "Aucun gain ne peut être mesuré ici."
    end = f"vaut son coût pour {listed(worthy)}, et là seulement" if worthy else "ne vaut ici son coût nulle part"
    return (
        f"En AUROC image, la fusion ajoute au concurrent sans réseau {' ; '.join(told)}. Un réseau {end} (gain établi "
        "par une mesure au moins, perte par aucune)."
    )


# --- Does the choice transfer? ---------------------------------------------------------------------------------------


def transfers(variants: Mapping[str, pd.DataFrame]) -> str:
    """Says in three sentences whether what wins on synthetic defects wins on real ones.

    Args:
        variants: French title of the category -> its table (see `tables.reference_ablations`).
    """
    if not variants:
        return (
            "Les ablations de `reference/` ne portent pas encore de mesures du test : `python -m "
            "projet3_ssl_anomalies` les y ajoute, une fois tout choisi."
        )
    means = {name: float(transfer(table)["spearman"].mean()) for name, table in variants.items()}
    strong = [name for name, mean in means.items() if mean >= STRONG]
    weak = [name for name, mean in means.items() if WEAK <= mean < STRONG]
    none = [name for name, mean in means.items() if not mean >= WEAK]
    ranked = {"le classement se transporte bien": strong, "un peu": weak, "pas du tout": none}
    lost, agreed, denied = {}, [], []
    for name, table in variants.items():
        retained = table[table["constant"] == RETAINED].iloc[0]
        lost[name] = float(table["test_image"].max() - retained["test_image"])
        alone = table[(table["constant"] == ALONE) & (table["value"] == BASELINE)].iloc[0]
        measures = [m for m in MEASURES if f"test_{m}" in table and table[f"test_{m}"].notna().all()]
        same = [(retained[m] >= alone[m]) == (retained[f"test_{m}"] >= alone[f"test_{m}"]) for m in measures]
        (agreed if np.mean(same) > 0.5 else denied).append(name)
    worst = max(lost, key=lost.get)
    compared = {
        "sur « la fusion ou sans réseau ? », défauts de synthèse et test s'accordent": agreed,
        "ils se contredisent": denied,
    }
    return (
        f"{counted(ranked)} Les réglages retenus perdent au plus {number(lost[worst], 3)} d'AUROC image ({worst}) sur "
        f"les meilleurs qu'on aurait pu choisir d'après le test. {counted(compared)}"
    )


# --- Decisions and reference -----------------------------------------------------------------------------------------


def false_alarms(
    datas: Sequence[Data], detectors: Mapping[str, Detector], scores: Mapping[str, Scores], rate: float
) -> str:
    """Says for which categories the rate of false alarms that was announced agrees with the test."""
    kept, above, below = [], [], []
    for data in datas:
        name = data.category.name
        judge = detectors[name]
        stated = max(rate, evaluation.least_rate(judge))
        counts = evaluation.decisions(scores[name], evaluation.threshold(judge, rate))
        if counts.good:
            low, high = tables.binomial_interval(counts.rejected, counts.good)
            side = kept if low <= stated <= high else above if stated < low else below
            side.append(f"{data.category.title} ({counts.rejected} sur {counts.good})")
    if not kept + above + below:
        return "Sans bonne pièce dans le test, le taux annoncé ne se vérifie pas."
    verbs = {
        "le taux annoncé est dans l'intervalle de ce qu'on observe": kept,
        "**plus de fausses alarmes qu'annoncé**": above,
        "moins de fausses alarmes qu'annoncé": below,
    }
    return counted(verbs)


def types(areas: pd.Series) -> str:
    """Says which synthetic defects are hard to find, and which easy: French name -> image AUROC, the hardest first."""
    told = [f"« {name} » ({number(area, 2)})" for name, area in areas.items()]
    return f"Le faux défaut le plus difficile est {told[0]}, le plus facile {told[-1]}."


def reference(datas: Sequence[Data], content: Mapping | None) -> str:
    """Says how to read the table of reference: what it is, and that the sample does not compare with it."""
    if content is None:
        return "La référence sur données réelles n'est pas encore faite : `python -m projet3_ssl_anomalies` la produit."
    told = f"Ce que la référence a appris et jugé ({content['hardware']}) :\n\n"
    told += "".join(
        f"- {tables.reference_title(name)}. {_sentence(split)}\n" for name, split in content["split"].items()
    )
    if drawn := [data.category.title for data in datas if not data.location.is_real]:
        told += (
            f"\nLes images de ce carnet ({listed(drawn)}) viennent de l'**échantillon synthétique** : leurs mesures ne "
            "se comparent pas à ce tableau.\n"
        )
    return told


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def last(datas: Sequence[Data], scores: Mapping[str, Scores]) -> str:
    """Says what the fusion adds to the rival, all categories together: counts of each side, by image AUROC."""
    titled = {data.category.title: scores[data.category.name] for data in datas}
    above, below, neither = (len(side) for side in _sides(titled, "image_auroc"))
    total = above + below + neither
    if not total:
        return "Rien ne permet de comparer la fusion au concurrent sans réseau."
    among = f"Sur {total} catégories" if total > 1 else "Sur une seule catégorie"
    return (
        f"{among}, la mesure par image place sûrement la fusion au-dessus du concurrent sans réseau {above} fois, "
        f"au-dessous {below} fois, et ne les distingue pas {neither} fois."
    )
