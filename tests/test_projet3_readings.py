"""The sentences of notebooks 02 and 03 follow the values, in both directions."""

from __future__ import annotations

import types

import pandas as pd
import pytest
from judged import TASKS, made
from test_projet3_tables import _data, _judge, ablation_rows

from projet3_ssl_anomalies import ablation, readings
from projet3_ssl_anomalies.signals import BASELINE, ERROR, REPRESENTATION, named

ABOVE, BELOW, NEITHER = (0.05, 0.01, 0.1), (-0.05, -0.1, -0.01), (0.01, -0.02, 0.03)


@pytest.mark.parametrize(
    ("areas", "told", "not_told"),
    [
        ({"a": 0.99, "b": 0.96}, "partout", "Il reste"),
        ({"a": 0.99, "b": 0.6}, "ici : a (0,990). Il reste à gagner là : b (0,600)", "partout"),
        ({"a": 0.5, "b": 0.6}, "aucune catégorie n'est résolue (AUROC image) : b (0,600) et a (0,500)", "trouve déjà"),
    ],
)
def test_the_rival_is_enough_or_not(areas: dict, told: str, not_told: str) -> None:
    assert told in readings.rival(areas) and not_told not in readings.rival(areas)


@pytest.mark.parametrize(
    ("error", "representation", "told"),
    [
        (0.7, 0.9, ["la représentation fait mieux que l'erreur : ", "il voit mieux"]),
        (0.75, 0.7, ["l'erreur fait mieux que la représentation : ", "il ne voit pas mieux"]),
    ],
)
def test_signals_are_compared_with_each_other_and_with_the_rival(
    error: float, representation: float, told: list[str]
) -> None:
    areas = {BASELINE: 0.8}
    for task in TASKS:
        areas |= {named(task, ERROR): error, named(task, REPRESENTATION): representation}
    sentence = readings.signals(areas)
    assert all(text.lower() in sentence.lower() for text in told)
    other = {told[0], "la représentation fait mieux que l'erreur : ", "l'erreur fait mieux que la représentation : "}
    assert sum(text.lower() in sentence.lower() for text in other) == 1


def test_representations_are_compared_on_the_mean_of_categories() -> None:
    good, bad = made(representation=0.9), made(representation=0.3)
    assert "La représentation fait mieux" in readings.representations({"a": good})
    assert "(0,900), au-dessus du" in readings.representations({"a": good})
    both = readings.representations({"a": good, "b": bad})  # 0.6 on the mean
    assert "L'erreur fait mieux" in both and "(0,700), et non au-dessus" in both


def test_gains_are_told_by_their_intervals() -> None:
    scores = {"a": made(gain=ABOVE), "b": made(gain=BELOW), "c": made(gain=NEITHER), "d": made(gain=ABOVE)}
    told = readings.gains(scores, "image_auroc")
    assert "la fusion fait mieux que « sans réseau » : a et d" in told.replace("La fusion", "la fusion")
    assert "moins bien : b" in told and "rien ne les distingue : c" in told
    assert "mieux" not in readings.gains({"c": scores["c"]}, "image_auroc")
    assert "rien à mesurer" in readings.gains(scores, "au_pro")


def test_a_network_is_worth_its_cost_where_the_gain_is_sure() -> None:
    datas = [_data("bottle"), _data("hazelnut")]
    told = readings.worth(datas, {"bottle": made(gain=NEITHER), "hazelnut": made(gain=ABOVE)})
    assert "pour noisette, et là seulement" in told and "0,050 en moyenne pour les pièces qui se présentent" in told
    told = readings.worth(datas, {"bottle": made(gain=BELOW), "hazelnut": made(gain=NEITHER)})
    assert (
        "ne vaut ici son coût nulle part" in told
        and "−0,050 en moyenne pour les pièces toujours placées de même" in told
    )
    mixed = made(gain=ABOVE)
    mixed.gains["au_pro"] = mixed.gains["image_auroc"] | {"ci95": BELOW[1:]}
    assert "nulle part" in readings.worth(datas[:1], {"bottle": mixed})  # lost by another metric
    assert "dans tous les sens" not in readings.worth(datas[:1], {"bottle": made(gain=ABOVE)})


@pytest.mark.parametrize(("gain", "told"), [(ABOVE, "dans 1 catégorie(s) sur 1"), (BELOW, "lui cède dans 1")])
def test_the_last_sentence_counts_each_side(gain: tuple, told: str) -> None:
    assert told in readings.last([_data("bottle")], {"bottle": made(gain=gain)})


def _transferred(sign: int) -> pd.DataFrame:
    table = ablation_rows({"bottle": "real"})
    alone = (table["constant"] == ablation.ALONE) & (table["value"] == BASELINE)
    table.loc[alone, ["image", "pixel", "pro"]] = -1.0  # the rival is worse than what is retained
    return table.assign(**{f"test_{m}": sign * table[m] for m in ("image", "pixel", "pro")})


def test_the_choice_transfers_or_not() -> None:
    same, opposite = _transferred(1), _transferred(-1)
    told = readings.transfers({"a": same, "b": opposite})
    assert "classement se transporte bien : a" in told and "pas du tout : b" in told
    assert "s'accordent : a" in told and "ils se contredisent : b" in told
    retained = same["test_image"][0]
    loss = max(same["test_image"].max() - retained, opposite["test_image"].max() - opposite["test_image"][0])
    assert f"{loss:.3f}".replace(".", ",") in told and "(b)" in told
    assert "contredisent" not in readings.transfers({"a": same})
    assert "pas encore" in readings.transfers({})


@pytest.mark.parametrize(
    ("rejected", "told"),
    [(2, "dans l'intervalle"), (15, "plus de fausses alarmes"), (0, "moins de fausses alarmes")],
)
def test_the_rate_of_false_alarms_is_checked_on_the_test(rejected: int, told: str) -> None:
    values = [200.0] * rejected + [0.0] * (40 - rejected)
    scores = {"bottle": made(["good"] * 40, values)}
    sentence = readings.false_alarms([_data("bottle")], {"bottle": _judge("bottle", 100)}, scores, 0.1)
    assert told in sentence.lower() and f"({rejected} sur 40)" in sentence


def test_without_good_parts_no_rate_is_checked() -> None:
    scores = {"bottle": made(["hole"] * 2, [1.0, 2.0])}
    assert "ne se vérifie pas" in readings.false_alarms(
        [_data("bottle")], {"bottle": _judge("bottle", 100)}, scores, 0.1
    )


def test_the_hardest_and_the_easiest_defects_are_named() -> None:
    told = readings.types(pd.Series({"tache": 0.5, "fissure": 0.7, "manque": 0.9}))
    assert "difficile est « tache » (0,50)" in told and "facile « manque » (0,90)" in told


def test_the_reference_is_not_compared_with_the_sample() -> None:
    drawn, real = (
        types.SimpleNamespace(category=_data("bottle").category, location=types.SimpleNamespace(is_real=is_real))
        for is_real in (False, True)
    )
    content = {"split": {"hazelnut_64": "50 images"}, "hardware": "deux cœurs"}
    assert "noisette, 64 pixels : 50 images (deux cœurs)" in readings.reference([real], content)
    assert "échantillon" in readings.reference([drawn], content)
    assert "échantillon" not in readings.reference([real], content)
    assert "pas encore faite" in readings.reference([drawn], None)


def test_lists_are_french() -> None:
    assert [readings.listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a et b", "a, b et c"]
    told = {"oui": ["a"], "non": [], "peut-être": ["b", "c"]}
    assert readings.counted(told) == "Oui : a ; peut-être : b et c."
