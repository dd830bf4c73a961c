"""What figures and tables of the notebooks say, in French sentences: chosen and filled by the values, either way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from commun import results
from commun.figures import number, percent
from projet1_artistes import baselines, evaluation, experiments, leak, networks, sides, transfer
from projet1_artistes.tables import points, variant_title, verdict
from projet1_artistes.training import Config

FEW = 3  # artists who have fewest works, whose recalls are set beside those of the others
MOST = 0.5  # of the fine contrast: a picture that keeps less has lost its strokes
SURE = 0.5  # probability above which an answer is confident: all other artists together have less


# --- Notebook 01 -----------------------------------------------------------------------------------------------------


def comment_side(small: float, kept: float) -> str:
    """Says in French what is left of the strokes at 64 pixels and at the side that is kept: shares of fine contrast."""
    if kept > MOST >= small:
        return "la composition y est entière et la touche s'y devine, tandis qu'à 64 pixels elle se perd."
    if small > MOST:
        return "la touche s'y devine, et à 64 pixels encore ; le gain est donc petit sur ces œuvres."
    return "la composition y est entière, mais la touche s'y perd déjà sur ces œuvres."


def comment_leak(answers: pd.DataFrame, doubled: pd.DataFrame, *, duplicated: int, draws: int) -> str:
    """Says in French what a split at random adds to the accuracy.

    Args:
        answers: of `leak.compare_splits`.
        doubled: the same, with second pictures of works.
        duplicated: works that have a near-duplicate among those that are judged.
        draws: bootstrap draws.
    """
    as_is, twice = (leak.gap(table, draws=draws) for table in (answers, doubled))
    count = answers["row"].nunique()
    text = f"Tel quel, le découpage au hasard change l'exactitude de {points(as_is)}"
    if as_is["low"] > 0:
        text += f" : un gain net, et faux. Œuvres qui ont un quasi-doublon : {duplicated} sur {count}."
    else:
        text += (
            f"{verdict(as_is)} : {duplicated} œuvres sur {count} ont un quasi-doublon, "
            f"{'trop peu pour que la fuite se voie' if as_is['high'] >= 0 else 'et la fuite ne se voit pas'}."
        )
    share = percent(leak.TWICE, 0)
    text += f" Si {share} des œuvres avaient été photographiées deux fois, l'écart serait de **{points(twice)}**"
    if twice["low"] > 0:
        return (
            f"{text} : un gain net pour le même modèle, qui n'en reconnaît pas mieux un peintre. Il se souvient de la "
            "seconde photographie, c'est tout."
        )
    return f"{text}{verdict(twice)}."


# --- Notebook 02 -----------------------------------------------------------------------------------------------------


def comment_sides(by_side: Mapping[str, pd.DataFrame], config: Config, *, draws: int) -> str:
    """Says in French what trained networks gain by seeing whole works larger than the crops of which they learnt.

    Args:
        by_side: what `sides.judge_at_sides` returns.
        config: of the networks, which saw the same crops.
        draws: bootstrap draws.
    """
    first, texts = config.train_side, []
    for name, answers in by_side.items():
        accuracy = experiments.summary(answers)["accuracy"]
        text = f"{variant_title(name)} : {percent(accuracy[first])} à {first} pixels"
        if config.side != first:
            row = experiments.gains(answers, first, measure="accuracy", draws=draws).loc[config.side]
            text += f", {percent(accuracy[config.side])} à {config.side} ({points(row)}{verdict(row)})"
        texts.append(f"{text} ; son meilleur côté est {accuracy.idxmax()}")
    return (
        f"Ces réseaux jugent à **{config.side} pixels** ; ce qu'ils ont appris sur des morceaux retrouve sa taille "
        f"vers {number(sides.learnt_side(config), 0)} pixels. "
        f"{'. '.join(text[0].upper() + text[1:] for text in texts)}."
    )


def comment_colour(answers: pd.DataFrame, *, draws: int) -> str:
    """Says in French what the residual network adds to colour alone, and what that may come from."""
    row = experiments.gains(answers, baselines.COLOUR, measure="accuracy", draws=draws).loc[networks.RESIDUAL]
    text = f"L'avance du réseau résiduel sur la couleur seule est de {points(row)} d'exactitude"
    if row["low"] > 0:
        return (
            f"{text}, un gain net : il peut venir des formes et des touches, mais aussi d'un usage plus fin des "
            "couleurs (où elles sont, lesquelles vont ensemble), que la régression linéaire ne voit pas. Cette "
            "comparaison ne les sépare pas."
        )
    if row["high"] < 0:
        return f"Le réseau résiduel fait nettement moins bien que la couleur seule : {points(row)} d'exactitude."
    return f"L'écart du réseau résiduel avec la couleur seule est de {points(row)} d'exactitude{verdict(row)}."


def comment_transfer(answers: pd.DataFrame, *, real: bool, draws: int) -> str:
    """Says in French what each level of transfer gains over the network from scratch, on the same works.

    Args:
        answers: of the levels of `transfer.LEVELS` that were tried, and of the network from scratch.
        real: whether the works are paintings, not the drawn sample.
        draws: bootstrap draws.
    """
    accuracy = experiments.summary(answers)["accuracy"]
    rows = experiments.gains(answers, networks.RESIDUAL, measure="accuracy", draws=draws)
    rows = rows[rows.index.isin(transfer.LEVELS)]
    parts = [
        f"« {variant_title(level)} » : {percent(accuracy[level])}, {points(row)}{verdict(row)}"
        for level, row in rows.iterrows()
    ]
    text = f"Face au réseau entraîné depuis zéro ({percent(accuracy[networks.RESIDUAL])}), {' ; '.join(parts)}."
    if (rows["low"] > 0).all():
        text += " Ce que des photographies lui ont appris sert donc ici, quelle que soit la part du réseau qu'on règle."
    elif (rows["high"] < 0).any():
        lost = " et ".join(f"« {variant_title(level)} »" for level in rows.index[rows["high"] < 0])
        text += f" Le pré-entraînement ne suffit pas pour {lost}."
        if not real:
            text += (
                " Ces œuvres sont des dessins faits par un programme, loin des photographies dont il a appris, et ce "
                "budget est court : de vraies peintures sont plus proches d'une photographie."
            )
    elif not (rows["low"] > 0).any():
        text += " Aucun de ces écarts ne départage les réseaux : il faudrait plus d'œuvres, ou plus difficiles."
    best = accuracy[list(rows.index)].idxmax()
    others = rows.index.drop(best)
    if len(others):
        among = experiments.gains(answers[answers["variant"].isin(rows.index)], best, measure="accuracy", draws=draws)
        second = accuracy[list(others)].idxmax()
        if among.loc[second, "high"] < 0:
            text += f" Le meilleur niveau est nettement « {variant_title(best)} »."
        else:
            text += " Entre les meilleurs niveaux, l'écart tient au hasard du tirage."
    return text


def retain_transfer(answers: pd.DataFrame, *, draws: int) -> str:
    """Says in one French sentence what pre-training is worth, by the best level among the answers of all."""
    accuracy = experiments.summary(answers)["accuracy"]
    best = accuracy.drop(index=networks.RESIDUAL).idxmax()
    row = experiments.gains(answers, networks.RESIDUAL, measure="accuracy", draws=draws).loc[best]
    return (
        f"Parti de photographies, un réseau pré-entraîné reconnaît au mieux **{percent(accuracy[best])}** des œuvres "
        f"(« {variant_title(best)} ») : {points(row)} face au réseau entraîné depuis zéro{verdict(row)}."
    )


def comment_choice(table: pd.DataFrame) -> str:
    """Says in French what real works taught, from `variants.recorded`: one training each, no interval.

    Of what was not measured, nothing is said, and only trainings of the same length are compared.
    """
    if table.empty:
        return "Les mesures sur de vraies œuvres (`reference/choix.csv`) sont absentes : rien n'est à comparer ici."
    accuracy, parts = table["accuracy"], []

    def compare(name: str, base: str, better: str, worse: str) -> None:
        lengths = [table["images_seen"].get(key) for key in (name, base)]
        if {name, base} <= set(accuracy.index) and (pd.isna(lengths[1]) or lengths[0] == lengths[1]):
            found = better if accuracy[name] > accuracy[base] else worse
            parts.append(f"{found} ({percent(accuracy[name])} contre {percent(accuracy[base])})")

    compare(
        "etages",
        "fige",
        "régler les derniers étages fait mieux que tout figer",
        "régler les derniers étages ne fait pas mieux que tout figer",
    )
    compare(
        "etages_trois",
        "etages",
        "régler aussi les étages 4 et 5 fait mieux que les deux derniers seuls",
        "régler aussi les étages 4 et 5 ne fait pas mieux que les deux derniers seuls",
    )
    compare(
        "tout_normalisation",
        "etages",
        "régler tout le réseau, normalisation figée, fait mieux que ses deux derniers étages seuls",
        "régler tout le réseau, normalisation figée, ne fait pas mieux que ses deux derniers étages seuls",
    )
    compare(
        "tout",
        "etages",
        "régler tout le réseau fait mieux que ses derniers étages seuls",
        "régler tout le réseau ne fait pas mieux que ses derniers étages seuls",
    )
    compare(
        "tout_normalisation",
        "tout",
        "quand tout est réglé, laisser la normalisation par lots comme ImageNet l'a faite vaut mieux",
        "quand tout est réglé, laisser la normalisation par lots comme ImageNet l'a faite ne vaut pas mieux",
    )
    compare(
        "tout_prudent",
        "tout",
        "ralentir davantage les premières couches aide",
        "ralentir davantage les premières couches n'aide pas",
    )
    compare(
        "tout",
        "tout_uniforme",
        "un taux plus bas pour les premières couches fait mieux que le même partout",
        "un taux plus bas pour les premières couches ne fait pas mieux que le même partout",
    )
    compare(
        "zero_fin",
        "fige",
        "depuis zéro, avec des morceaux de 128 px qui gardent les détails à leur taille, on fait mieux que tout figer",
        "même avec des morceaux de 128 px qui gardent les détails à leur taille, depuis zéro, on ne fait pas mieux que "
        "tout figer",
    )
    compare(
        "zero_fin_cutmix",
        "zero_fin",
        "CutMix à chaque lot, et non un sur deux, aide alors",
        "CutMix à chaque lot, et non un sur deux, n'aide alors pas",
    )
    compare(
        "zero_fin_petit",
        "zero_fin",
        "des morceaux de 96 px font mieux que ceux de 128",
        "des morceaux de 96 px ne font pas mieux que ceux de 128",
    )
    if not parts:
        return f"Rien n'y est à comparer : seul est mesuré {', '.join(map(variant_title, table.index))}."
    return (
        f"Sur {number(table['n'].iloc[0])} vraies œuvres de validation : {' ; '.join(parts)}. Chaque ligne est un seul "
        "entraînement : un écart de deux ou trois points pourrait changer avec la graine."
    )


def comment_threshold(answers: pd.DataFrame, *, asked: int, draws: int) -> str:
    """Says in French what the answers of `experiments.vary_threshold` recommend, and at what price.

    Args:
        answers: for each threshold.
        asked: the threshold with which the judged network is trained.
        draws: bootstrap draws.
    """
    best, advised = experiments.best_threshold(answers), experiments.recommended_threshold(answers, draws=draws)
    text = f"La macro-F1 est la plus haute au seuil {best}"
    if advised == best:
        smaller = [threshold for threshold in answers["variant"].unique() if threshold < best]
        why = "les plus petits lui sont tous nettement inférieurs" if smaller else "c'est le plus petit essayé"
        text += f", et {why} : nous conseillons **{best}**."
    else:
        row = experiments.gains(answers, best, measure="macro_f1", draws=draws).loc[advised]
        text += (
            f" ; le plus petit seuil dont l'écart avec lui, œuvre par œuvre, n'est pas nettement négatif est "
            f"**{advised}** ({points(row)}) : c'est celui que nous conseillons."
        )
    if advised and 0 in set(answers["variant"]):
        row = experiments.gains(answers, 0, measure="accuracy", draws=draws).loc[advised]
        text += f" Son prix, face au seuil 0 : {points(row)} d'exactitude, tous artistes confondus{verdict(row)}."
    if asked == advised:
        return f"{text} C'est aussi la valeur du paramètre `SEUIL`."
    return (
        f"{text} Le paramètre `SEUIL` vaut {asked} : ce petit réseau, à ce budget, conseille donc autre chose. "
        "Changez-le et relancez : le carnet 03 jugera le réseau qui en vient."
    )


# --- Notebook 03 -----------------------------------------------------------------------------------------------------


def comment_balance(artists: pd.DataFrame, measures: Mapping[str, Mapping]) -> str:
    """Says in French whether the balanced accuracy differs from the accuracy, and if small artists are why.

    Args:
        artists: of `evaluation.artist_measures`.
        measures: of `evaluation.evaluate`.
    """
    accuracy, balanced = (measures[f"test_{name}"]["value"] for name in ("accuracy", "balanced_accuracy"))
    text = f"L'exactitude équilibrée est de {percent(balanced)}"
    tested = artists[artists["tested"] > 0].sort_values(["learnt", "name"])
    if len(tested) <= FEW:
        return f"{text}."
    few, others = tested[:FEW], tested[FEW:]
    recalls = ", ".join(f"{row.name} {percent(row.recall, 0)}" for row in few.itertuples(index=False))
    means = f"{percent(few['recall'].mean())} contre {percent(others['recall'].mean())} pour les autres"
    suffer = few["recall"].mean() < others["recall"].mean()
    if balanced < accuracy:
        text += f", plus basse que l'exactitude ({percent(accuracy)})"
        why = (
            "les artistes de peu d'œuvres y sont pour quelque chose"
            if suffer
            else "ce ne sont pourtant pas les artistes de peu d'œuvres qui en souffrent"
        )
    else:
        text += f", {'la même que' if balanced == accuracy else 'plus haute que'} l'exactitude ({percent(accuracy)})"
        why = (
            "les artistes de peu d'œuvres sont pourtant moins bien reconnus"
            if suffer
            else "les artistes de peu d'œuvres n'en souffrent pas"
        )
    count = int(few["tested"].sum())
    told = f"{recalls} ; {count} œuvres de test en tout"
    return f"{text} : {why}. Rappel moyen des {FEW} moins fournis, {means} ({told})."


def comment_views(answers: pd.DataFrame, once: str, views: str, *, draws: int) -> str:
    """Says in French what several views of each work change: answers of both ways, by the names of their variants."""
    accuracy = experiments.summary(answers)["accuracy"]
    row = experiments.gains(answers, once, measure="accuracy", draws=draws).loc[views]
    return (
        f"Avec plusieurs vues de chaque œuvre, l'exactitude passe de {percent(accuracy[once])} à "
        f"{percent(accuracy[views])} : {points(row)}{verdict(row)}."
    )


def errors_title(probabilities: np.ndarray) -> str:
    """Names the wrong answers that are shown, shape (n, k), as confident as they are."""
    confidence = probabilities.max(axis=1)
    if not len(confidence) or confidence.min() >= SURE:
        return "Sûr de lui, et il a tort"
    if confidence.max() >= SURE:
        return "Ses erreurs les plus assurées, de la plus sûre à la plus hésitante"
    return "Il a tort, mais il hésitait"


def comment_calibration(probabilities: np.ndarray, labels: np.ndarray, *, smoothing: float) -> str:
    """Defines the expected calibration error in French, and says whether answers are too confident or too little.

    Args:
        probabilities: shape (n, k).
        labels: true class ids, shape (n,).
        smoothing: of the labels of the training, 0..1.
    """
    error = evaluation.calibration_error(evaluation.calibration(probabilities, labels))
    confidence, right = probabilities.max(axis=1).mean(), (probabilities.argmax(axis=1) == labels).mean()
    text = (
        f"L'**erreur de calibration attendue** (ECE) est l'écart moyen, sur ces paquets, entre confiance et "
        f"exactitude : {number(error, 3)} ici. En moyenne, le réseau donne {percent(confidence)} à l'artiste qu'il "
        f"nomme, et a raison dans {percent(right)} des cas"
    )
    low, high = results.wilson(right, len(labels))
    if low <= confidence <= high:
        return f"{text} : l'un vaut l'autre, au hasard des œuvres près, même si des paquets s'en écartent."
    if confidence > high:
        return f"{text} : il est **trop sûr de lui**. Ses probabilités se lisent comme un ordre, non comme des chances."
    text += " : il est **trop peu sûr de lui**."
    if smoothing:
        top = 1 - smoothing + smoothing / probabilities.shape[1]
        text += (
            f" Le lissage des étiquettes y pousse : pendant l'apprentissage, la réponse qui coûtait le moins donnait "
            f"{percent(top)} au vrai peintre, non la certitude. Avoir appris sur des morceaux, plus difficiles à "
            "reconnaître que des œuvres entières, y pousse aussi."
        )
    return text
