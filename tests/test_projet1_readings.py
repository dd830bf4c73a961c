"""Sentences are chosen by the values: each comparison is told in both directions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_projet1_evaluation import _sure
from test_projet1_experiments import thresholds

from projet1_artistes import baselines, networks, readings, transfer


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


# --- Notebook 02 -----------------------------------------------------------------------------------------------------

SAME = np.r_[10:110]
BETTER, WORSE = np.arange(200), np.arange(30)


@pytest.mark.parametrize(
    ("right", "said", "unsaid"),
    [
        (BETTER, ["un gain net", "usage plus fin des couleurs", "ne les sépare pas"], "moins bien"),
        (WORSE, ["nettement moins bien que la couleur seule", "−"], "gain net"),
        (SAME, ["le hasard du tirage"], " net"),
    ],
)
def test_what_the_network_adds_to_colour(right, said, unsaid):
    answers = thresholds({baselines.COLOUR: np.arange(100), networks.RESIDUAL: right})
    text = readings.comment_colour(answers, draws=200)
    assert all(words in text for words in said) and unsaid not in text
    assert "ne peut venir que" not in text


def levels(frozen, last, whole):
    """Answers of the three levels, and of the network from scratch, which recognises a hundred works."""
    right = dict(zip(transfer.LEVELS, (frozen, last, whole), strict=True))
    return thresholds({networks.RESIDUAL: np.arange(100), **right})


@pytest.mark.parametrize("real", [True, False])
def test_what_pre_training_gains_or_loses(real):
    def said(*right):
        return plain(readings.comment_transfer(levels(*right), real=real, draws=200))

    won = said(BETTER, BETTER, np.arange(300))
    assert won.startswith("Face au réseau entraîné depuis zéro (25,0 %), « pré-entraîné, figé » : 50,0 %, +25,0 points")
    assert "sert donc ici" in won and "dessins" not in won
    assert won.endswith("Le meilleur niveau est nettement « pré-entraîné, en entier ».")
    lost = said(BETTER, WORSE, WORSE)
    assert "ne suffit pas pour « pré-entraîné, derniers étages » et « pré-entraîné, en entier »." in lost
    assert ("loin des photographies" in lost) == (not real) and "sert donc ici" not in lost
    alike = said(SAME, SAME, SAME)
    assert "Aucun de ces écarts ne départage" in alike and "dessins" not in alike
    assert alike.endswith("l'écart tient au hasard du tirage.")
    mixed = said(SAME, BETTER, BETTER)
    assert not any(words in mixed for words in ("sert donc ici", "ne suffit pas", "Aucun", "dessins"))


@pytest.mark.parametrize(("right", "said"), [(BETTER, "gain net"), (WORSE, "perte nette"), (SAME, "hasard")])
def test_what_is_retained_of_transfer(right, said):
    text = plain(readings.retain_transfer(levels(right, right[:20], right[:20]), draws=200))
    assert f"**{len(right) / 4:.1f} %**".replace(".", ",") in text and "(« pré-entraîné, figé »)" in text
    assert said in text


def test_what_real_works_taught_is_told_both_ways():
    def said(**accuracy):
        table = pd.DataFrame({"accuracy": accuracy, "n": 1072, "images_seen": 48_000.0})
        table.loc["fige", "images_seen"] = np.nan  # no network is trained
        table.loc[longer, "images_seen"] = 144_000.0
        return plain(readings.comment_choice(table))

    longer: list[str] = []

    text = said(fige=0.65, etages=0.77, tout=0.72, tout_normalisation=0.76, tout_prudent=0.67)
    assert "derniers étages fait mieux que tout figer (77,0 % contre 65,0 %)" in text
    assert "tout le réseau ne fait pas mieux que ses derniers étages seuls (72,0 % contre 77,0 %)" in text
    assert "ImageNet l'a faite vaut mieux (76,0 % contre 72,0 %)" in text and "n'aide pas" in text
    assert "même partout" not in text  # not measured
    text = said(fige=0.65, etages=0.6, tout=0.72, tout_normalisation=0.7, tout_prudent=0.8, tout_uniforme=0.7)
    assert "étages ne fait pas mieux que tout figer" in text and "tout le réseau fait mieux" in text
    assert "ne vaut pas mieux" in text and "couches aide" in text and "fait mieux que le même partout" in text
    assert "figé, tête linéaire" in said(fige=0.65)
    longer = ["etages", "etages_trois", "tout_normalisation"]
    text = said(fige=0.65, etages=0.77, etages_trois=0.79, tout=0.72, tout_normalisation=0.76)
    assert "étages 4 et 5 fait mieux que les deux derniers seuls (79,0 % contre 77,0 %)" in text
    assert "normalisation figée, ne fait pas mieux que ses deux derniers étages" in text
    assert "derniers étages fait mieux que tout figer" in text
    assert "72,0 %" not in text  # of another length
    text = said(fige=0.65, etages=0.77, etages_trois=0.75, tout_normalisation=0.78)
    assert "4 et 5 ne fait pas mieux" in text and "figée, fait mieux que ses deux derniers étages" in text
    longer = ["zero_fin", "zero_fin_cutmix"]
    text = said(fige=0.65, zero=0.58, zero_fin=0.68, zero_fin_cutmix=0.66, zero_fin_petit=0.7)
    assert "on fait mieux que tout figer (68,0 % contre 65,0 %)" in text and "58,0 %" not in text
    assert "n'aide alors pas (66,0 % contre 68,0 %)" in text and "96 px" not in text  # of another length
    longer += ["zero_fin_petit"]
    text = said(fige=0.65, zero_fin=0.64, zero_fin_cutmix=0.66, zero_fin_petit=0.7)
    assert "on ne fait pas mieux que tout figer" in text and "aide alors (66,0 %" in text
    assert "96 px font mieux que ceux de 128 (70,0 % contre 64,0 %)" in text
    assert "absentes" in readings.comment_choice(pd.DataFrame())


def test_the_threshold_that_is_advised_and_its_price():
    best = thresholds({0: WORSE, 50: BETTER})
    text = plain(readings.comment_threshold(best, asked=50, draws=200))
    assert "la plus haute au seuil 50, et les plus petits lui sont tous nettement inférieurs" in text
    assert "nous conseillons **50**" in text and "Son prix, face au seuil 0 : +42,5 points" in text
    assert text.endswith("C'est aussi la valeur du paramètre `SEUIL`.")
    close = thresholds({0: SAME, 50: np.arange(104)})
    text = plain(readings.comment_threshold(close, asked=100, draws=200))
    assert "au seuil 50 ; le plus petit seuil dont l'écart" in text and "est **0** (−1,0 point [" in text
    assert "Le paramètre `SEUIL` vaut 100" in text and "prix" not in text
    text = readings.comment_threshold(thresholds({0: BETTER, 50: WORSE}), asked=0, draws=200)
    assert "c'est le plus petit essayé" in text and "nous conseillons **0**" in text


# --- Notebook 03 -----------------------------------------------------------------------------------------------------


def artists(few: float, others: float) -> pd.DataFrame:
    recalls = [few] * 3 + [others] * 5
    learnt = [8, 10, 12, 40, 50, 60, 70, 80]
    names = [f"Peintre {letter}" for letter in "ABCDEFGH"]
    return pd.DataFrame({"name": names, "learnt": learnt, "tested": 2, "recall": recalls})


def measured(accuracy: float, balanced: float) -> dict:
    return {"test_accuracy": {"value": accuracy}, "test_balanced_accuracy": {"value": balanced}}


@pytest.mark.parametrize(
    ("few", "others", "accuracy", "balanced", "said"),
    [
        (0.2, 0.9, 0.9, 0.6, "plus basse que l'exactitude (90,0 %) : les artistes de peu d'œuvres y sont pour"),
        (1.0, 0.8, 0.9, 0.87, "ce ne sont pourtant pas les artistes de peu d'œuvres qui en souffrent"),
        (1.0, 0.8, 0.8, 0.87, "plus haute que l'exactitude (80,0 %) : les artistes de peu d'œuvres n'en souffrent pas"),
        (0.2, 0.9, 0.6, 0.6, "la même que l'exactitude (60,0 %) : les artistes de peu d'œuvres sont pourtant moins"),
    ],
)
def test_small_artists_suffer_only_where_they_do(few, others, accuracy, balanced, said):
    text = plain(readings.comment_balance(artists(few, others), measured(accuracy, balanced)))
    assert said in text
    assert "Peintre A" in text and "Peintre C" in text and "Peintre D" not in text and "6 œuvres de test" in text
    assert f"{100 * few:.1f}".replace(".", ",") + " % contre" in text


def test_artists_who_are_not_tested_say_nothing():
    table = artists(0.2, 0.9)
    table.loc[0, ["tested", "recall"]] = 0, np.nan
    assert "Peintre A" not in readings.comment_balance(table, measured(0.9, 0.6))
    assert readings.comment_balance(table[:3], measured(0.9, 0.6)).count("%") == 1


@pytest.mark.parametrize(("right", "said"), [(BETTER, "un gain net"), (WORSE, "une perte nette"), (SAME, "hasard")])
def test_several_views_gain_or_lose(right, said):
    text = plain(readings.comment_views(thresholds({"a": np.arange(100), "b": right}), "a", "b", draws=200))
    assert said in text and text.startswith("Avec plusieurs vues de chaque œuvre, l'exactitude passe de 25,0 % à ")


def test_errors_are_called_confident_only_where_they_are():
    sure, torn = _sure([0, 1], 3, 0.8), _sure([0, 1], 6, 0.27)
    assert readings.errors_title(sure) == "Sûr de lui, et il a tort"
    assert "hésitait" in readings.errors_title(torn)
    mixed = np.concatenate([_sure([0], 6, 0.8), torn])
    assert "plus hésitante" in readings.errors_title(mixed)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_calibration_is_defined_and_told_in_both_directions(smoothing):
    labels = np.zeros(400, int)

    def said(right: int, confidence: float) -> str:
        named = np.r_[np.zeros(right, int), np.ones(400 - right, int)]
        return plain(readings.comment_calibration(_sure(list(named), 4, confidence), labels, smoothing=smoothing))

    over, under, fair = said(200, 0.9), said(380, 0.6), said(360, 0.9)
    for text in (over, under, fair):
        assert "erreur de calibration attendue" in text and "ECE" in text
    assert "ici. En moyenne" in over and "90,0 % à l'artiste" in over and "raison dans 50,0 % des cas" in over
    assert "**trop sûr de lui**" in over and "lissage" not in over
    assert "**trop peu sûr de lui**" in under
    assert ("lissage des étiquettes" in under) == bool(smoothing) == ("92,5 %" in under)
    assert "au hasard des œuvres près" in fair and "trop" not in fair


# --- Notebook 01 -----------------------------------------------------------------------------------------------------


def test_what_is_left_of_the_strokes_is_told_both_ways():
    assert "à 64 pixels elle se perd" in readings.comment_side(0.45, 0.78)
    assert "à 64 pixels encore" in readings.comment_side(0.7, 0.9)
    assert "s'y perd déjà" in readings.comment_side(0.2, 0.4)
