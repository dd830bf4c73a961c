"""The sentences of notebooks 02 and 03 follow the values, in both directions."""

from __future__ import annotations

import re
import types

import pandas as pd
import pytest
from judged import TASKS, made
from test_projet3_tables import _data, _judge, ablation_rows

from projet3_ssl_anomalies import ablation, readings, tables
from projet3_ssl_anomalies.signals import BASELINE, ERROR, REPRESENTATION, named
from projet3_ssl_anomalies.statistics import CANDIDATES

ABOVE, BELOW, NEITHER = (0.05, 0.01, 0.1), (-0.05, -0.1, -0.01), (0.01, -0.02, 0.03)


@pytest.mark.parametrize(
    ("areas", "told", "not_told"),
    [
        ({"a": 0.99, "b": 0.96}, "partout", "Il reste"),
        ({"a": 0.99, "b": 0.6}, "défauts pour a (0,990). Il reste à gagner pour b (0,600)", "partout"),
        ({"a": 0.5, "b": 0.6}, "et il reste partout à gagner (AUROC image : b (0,600) et a (0,500))", "trouve déjà"),
    ],
)
def test_the_rival_is_enough_or_not(areas: dict, told: str, not_told: str) -> None:
    assert told in readings.rival(areas) and not_told not in readings.rival(areas)


@pytest.mark.parametrize(
    ("error", "representation", "told"),
    [
        (0.7, 0.9, ["la représentation fait mieux que l'erreur pour ", "il voit mieux"]),
        (0.75, 0.7, ["l'erreur fait mieux que la représentation pour ", "il ne voit pas mieux"]),
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
    other = {
        told[0],
        "la représentation fait mieux que l'erreur pour ",
        "l'erreur fait mieux que la représentation pour ",
    }
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
    assert "la fusion fait mieux que « sans réseau » pour a et d" in told.replace("La fusion", "la fusion")
    assert "moins bien pour b" in told and "rien ne les distingue pour c" in told
    assert "mieux" not in readings.gains({"c": scores["c"]}, "image_auroc")
    assert "rien à mesurer" in readings.gains(scores, "au_pro")


def test_the_comparison_that_synthetic_defects_chose_is_said() -> None:
    placed, moving, turning = CANDIDATES.values()
    told = readings.places({"bouteille": placed, "brosse": moving, "gélule": placed, "noisette": turning})
    assert told.endswith(
        ": à la même place et dans la banque pour bouteille et gélule ; surtout dans la banque pour brosse ; "
        "dans la banque seule pour noisette."
    )
    told = readings.places({"bouteille": turning, "brosse": turning})
    assert told == "Les faux défauts choisissent partout la même comparaison : dans la banque seule."


def test_a_network_is_worth_its_cost_where_the_gain_is_sure() -> None:
    datas = [_data("bottle"), _data("hazelnut")]
    told = readings.worth(datas, {"bottle": made(gain=NEITHER), "hazelnut": made(gain=ABOVE)})
    assert "pour noisette, et là seulement" in told and "0,050 en moyenne pour les pièces qui se présentent" in told
    told = readings.worth(datas, {"bottle": made(gain=BELOW), "hazelnut": made(gain=NEITHER)})
    assert (
        "ne vaut ici son coût nulle part" in told
        and "−0,050 en moyenne pour les pièces posées dans le même sens" in told
    )
    mixed = made(gain=ABOVE)
    mixed.gains["au_pro"] = mixed.gains["image_auroc"] | {"ci95": BELOW[1:]}
    assert "nulle part" in readings.worth(datas[:1], {"bottle": mixed})  # lost by another metric
    assert "dans tous les sens" not in readings.worth(datas[:1], {"bottle": made(gain=ABOVE)})


@pytest.mark.parametrize(
    ("gain", "told"), [(ABOVE, "sans réseau 1 fois, au-dessous 0 fois"), (BELOW, "au-dessous 1 fois")]
)
def test_the_last_sentence_counts_each_side(gain: tuple, told: str) -> None:
    assert told in readings.last([_data("bottle")], {"bottle": made(gain=gain)})


MEASURED = pd.DataFrame(
    [
        ("baseline", 0.9, 0.8, 0.99),
        ("inpainting/error", 0.95, 0.7, 0.98),
        ("inpainting/representation", 0.6, 0.1, 0.5),
        ("repair/error", 0.7, 0.2, 0.6),
        ("repair/representation", 0.92, 0.75, 0.8),
    ],
    columns=["signal", "pixel", "pro", "image"],
)


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (
            "inpainting",
            "son erreur est au rang 1 et sa représentation au rang 5. Le meilleur des deux, .* 0,950, dépasse",
        ),
        ("repair", "son erreur est au rang 4 et sa représentation au rang 2. Le meilleur des deux, .* 0,920, dépasse"),
    ],
)
def test_a_task_is_ranked_among_the_others(task: str, told: str) -> None:
    assert re.search(told, readings.rank(MEASURED, task)) and "sur 5 signaux" in readings.rank(MEASURED, task)


def test_a_task_below_the_rival_is_said_so() -> None:
    worse = MEASURED.assign(pixel=[0.99, 0.95, 0.6, 0.7, 0.92])
    assert "ne dépasse pas le concurrent sans réseau (0,990)" in readings.rank(worse, "inpainting")
    assert readings.best_signal(worse) == ("inpainting/error", 0.95, 0.99)


def test_the_ranking_follows_the_pixels() -> None:
    table = tables.ranking(MEASURED)
    assert list(table["rang"]) == [1, 2, 3, 4, 5] and list(table["AUROC pixel"]) == [0.95, 0.92, 0.9, 0.7, 0.6]
    assert list(table["tâche"])[:3] == ["restauration", "réparation", "–"]
    assert list(table["signal"])[:3] == ["erreur", "représ.", "sans réseau"]


def test_one_category_is_neither_the_hardest_nor_the_easiest() -> None:
    values = {"worst": "vis", "low": 0.8, "best": "vis", "high": 0.8}
    assert readings.extremes(values).endswith("80,0\u00a0% du temps (vis)")
    told = readings.extremes(values | {"best": "clou", "high": 0.9})
    assert "difficile (vis)" in told and "90,0\u00a0% dans la plus facile (clou)" in told


def _transferred(sign: int) -> pd.DataFrame:
    table = ablation_rows({"bottle": "real"})
    alone = (table["constant"] == ablation.ALONE) & (table["value"] == BASELINE)
    table.loc[alone, ["image", "pixel", "pro"]] = -1.0  # the rival is worse than what is retained
    return table.assign(**{f"test_{m}": sign * table[m] for m in ("image", "pixel", "pro")})


def test_the_choice_transfers_or_not() -> None:
    same, opposite = _transferred(1), _transferred(-1)
    told = readings.transfers({"a": same, "b": opposite})
    assert "classement se transporte bien pour a" in told and "pas du tout pour b" in told
    assert "s'accordent pour a" in told and "ils se contredisent pour b" in told
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
    told = readings.reference([real], content)
    assert "(deux cœurs)" in told and "- noisette à 64 pixels. 50 images.\n" in told
    assert "échantillon" in readings.reference([drawn], content)
    assert "échantillon" not in readings.reference([real], content)
    assert "pas encore faite" in readings.reference([drawn], None)


def test_lists_are_french() -> None:
    assert [readings.listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a et b", "a, b et c"]
    told = {"oui": ["a"], "non": [], "peut-être": ["b", "c"]}
    assert readings.counted(told) == "Oui pour a ; peut-être pour b et c."
