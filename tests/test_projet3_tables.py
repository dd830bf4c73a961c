"""What the tables of notebook 03 hold: values of the scores they are given, never mixed."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged import TASKS, entry, made

from commun import figures
from projet3_ssl_anomalies import REFERENCE, ablation, tables
from projet3_ssl_anomalies.dataset import CATEGORIES
from projet3_ssl_anomalies.defects import TYPES
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, REPRESENTATION, named, title
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig

NAMES = [BASELINE, *(named(task, kind) for task in TASKS for kind in (ERROR, REPRESENTATION))]


def test_the_table_of_metrics_has_the_rival_each_task_and_the_fusion() -> None:
    table = tables.metrics_table({"bouteille": made(), "noisette": made()})
    assert list(table) == ["catégorie", "signaux", "AUROC image", "AU-sPRO"]  # what nobody measured is not shown
    ours = table[table["catégorie"] == "bouteille"]
    assert ours["signaux"].tolist() == [title(name) for name in (BASELINE, *TASKS, REPRESENTATION, FUSED)]
    assert ours["AUROC image"].iloc[0] == f"0,100 [0,25{figures.NBSP};{figures.NBSP}0,75]"
    assert ours["AUROC image"].iloc[-1].startswith("0,950")
    assert ours["AU-sPRO"].tolist()[:-1] == ["–"] * (len(TASKS) + 2)
    alone = tables.metrics_table({"bouteille": made(), "noisette": made()}, [BASELINE])
    assert alone["signaux"].tolist() == ["sans réseau"] * 2


def test_gains_have_their_sign() -> None:
    scores = {"a": made(gain=(0.02, 0.01, 0.03)), "b": made(gain=(-0.02, -0.03, 0.01))}
    table = tables.gains_table(scores)
    assert list(table) == ["catégorie", "AUROC image"]
    gap = figures.NBSP
    assert table["AUROC image"].tolist() == [f"+0,020 [+0,01{gap};{gap}+0,03]", f"−0,020 [−0,03{gap};{gap}+0,01]"]


def _judge(name: str, count: int) -> Detector:
    return Detector(CATEGORIES[name], {}, {}, {FUSED: np.arange(count, dtype=float)}, 32)


def _data(name: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(category=CATEGORIES[name])


def test_decisions_use_the_least_rate_that_good_parts_allow() -> None:
    scores = {"bottle": made(["good"] * 4 + ["hole"] * 3, [1, 2, 3, 96, 2.5, 94, 97]), "pill": made(["good"], [9])}
    judges = {"bottle": _judge("bottle", 100), "pill": _judge("pill", 4)}
    table = tables.decision_table([_data("bottle"), _data("pill")], judges, scores, 0.05).set_index("catégorie")
    assert table["bonnes pièces mises de côté"].tolist() == [100, 4]
    assert table["taux annoncé"].tolist() == [f"5,0{figures.NBSP}%", f"25,0{figures.NBSP}%"]
    assert table["seuil"].tolist() == [94, 2]  # a score at the threshold is accepted
    low, high = tables.binomial_interval(2, 3)
    assert table["défauts manqués"].tolist() == [f"2 sur 3 [{100 * low:.0f} ; {100 * high:.0f}\xa0%]", "–"]
    assert [cell[:9] for cell in table["bonnes pièces de test rejetées"]] == ["1 sur 4 [", "1 sur 1 ["]


@pytest.mark.parametrize(("k", "n"), [(0, 5), (2, 7), (5, 5)])
def test_binomial_intervals_leave_out_what_would_be_rare(k: int, n: int) -> None:
    from scipy.stats import binom

    low, high = tables.binomial_interval(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert low == 0 or binom.sf(k - 1, n, low) == pytest.approx(0.025)
    assert high == 1 or binom.cdf(k, n, high) == pytest.approx(0.025)


def test_the_table_of_reference_has_what_was_measured_beside_what_others_measured() -> None:
    measured = {
        f"bottle/{FUSED}/image_auroc": entry(0.99),
        f"bottle/{BASELINE}/image_auroc": entry(0.98),
        f"bottle/{FUSED}/au_pro": entry(0.93),
        "bottle/inpainting/pixel_auroc": entry(0.5),
        f"hazelnut_64/{FUSED}/image_auroc": entry(0.9),
    }
    table = tables.reference_table({"metrics": measured})
    assert table["catégorie"].tolist() == ["bouteille", "bouteille", "noisette à 64 pixels"]
    assert table["mesure"].tolist() == ["AUROC image", "AU-PRO", "AUROC image"]
    first, second, small = (table.loc[row] for row in range(3))
    assert first["sans réseau"].startswith("0,980") and first["fusion"].startswith("0,990")
    assert second["sans réseau"] == "–" and second["PatchCore, ici"] == 0.935 and np.isnan(second["RIAD"])
    assert first["RIAD"] == 0.999 and small[list(tables.OTHERS)].isna().all()
    assert tables.reference_table(None).empty


def test_figures_of_others_are_proportions_of_declared_categories() -> None:
    for found in tables.OTHERS.values():
        assert set(found) <= set(CATEGORIES)
        for values in found.values():
            assert set(values) <= set(tables.COMPARED) and all(0 < value <= 1 for value in values.values())


# --- The choice of the constants -------------------------------------------------------------------------------------


def ablation_rows(categories: dict[str, str], retained: ScoringConfig = SCORING) -> pd.DataFrame:
    """Measures that say their row and category: 0.001 a row, 0.1 a category."""
    return pd.DataFrame([
        {"category": name, "source": source, "constant": constant, "value": value, "is_retained": scoring == retained}
        | {"image": 0.001 * row + 0.1 * place, **dict.fromkeys(TYPES, 0.5), "pixel": 0.6 - 0.001 * row, "pro": 0.4}
        for place, (name, source) in enumerate(categories.items())
        for row, (constant, value, scoring) in enumerate(ablation.scoring_variants(NAMES, retained))
    ])


def test_an_ablation_is_averaged_within_a_source_only() -> None:
    means = tables.mean_ablation(ablation_rows({"bottle": "real", "capsule": "sample", "hazelnut": "sample"}))
    count = sum(1 for _ in ablation.scoring_variants(NAMES))
    assert means["source"].tolist() == ["real"] * count + ["sample"] * count
    np.testing.assert_allclose(means["image"][:count], 0.001 * np.arange(count))
    np.testing.assert_allclose(means["image"][count:], 0.15 + 0.001 * np.arange(count))


def test_a_variant_is_retained_where_it_is_for_all() -> None:
    mixed = pd.concat([
        ablation_rows({"bottle": "real"}),
        ablation_rows({"pill": "real"}, dataclasses.replace(SCORING, map_sigma=8)),
    ])
    means = tables.mean_ablation(mixed).set_index(["constant", "value"])["is_retained"]
    assert not means["map_sigma"].any() and means["top_fraction"].sum() == 1


def test_values_of_constants_are_written_in_french_each_in_its_way() -> None:
    pairs = {(constant, value) for constant, value, _ in ablation.scoring_variants(NAMES)}
    written = {(constant, tables.shown_value(constant, value)) for constant, value in pairs}
    assert set(tables.CONSTANTS) == {constant for constant, _ in pairs} and len(written) == len(pairs)
    assert {("top_fraction", "0,1"), ("shrinkage", "0,25"), ("fusion", "géométrique")} < written
    assert {("alone", "sans réseau"), ("alone", "restauration, représentation")} < written
    assert {
        ("weights", "sans réseau, représ."),
        ("weights", "erreur = 1"),
        ("without", "réparation"),
        ("banked", "aucune"),
        ("banked", "erreur = 0,5 ; représ. = 0,5"),
    } < written
    english = (BASELINE, ERROR, REPRESENTATION, *PRETEXTS)
    assert not [text for _, text in written if any(word in text for word in english)]


def test_types_of_defects_are_ranked_by_how_hard_they_are() -> None:
    table = ablation_rows({"bottle": "real", "pièce": "sample"})
    types, french = list(TYPES)[:7], list(TYPES.values())
    table[list(TYPES)[7:]] = np.nan
    retained = table["constant"] == ablation.RETAINED
    table.loc[retained, types] = [[0.9, 0.8, 0.5, 0.7, 1.0, 0.97, 0.95], [0.9, 0.8, 0.7, 0.5, 1.0, 0.97, 0.95]]
    table.loc[retained & (table["category"] == "pièce"), types[3]] = np.nan  # a type that could not be painted
    table.loc[retained, types[4]] = np.nan
    found = tables.defect_types(table)
    assert list(found.index) == [french[i] for i in (2, 3, 1, 0, 6, 5)]
    assert found[french[3]] == 0.7 and found[french[2]] == pytest.approx(0.6)


def test_only_ablations_read_on_the_test_part_are_compared(tmp_path: Path) -> None:
    for name, columns in (("bottle", []), ("hazelnut_64", ["test_image"])):
        (tmp_path / name).mkdir()
        table = ablation_rows({name: "real"}).assign(**dict.fromkeys(columns, 0.5))
        table.to_csv(tmp_path / name / "ablation.csv", index=False)
    found = tables.reference_ablations(tmp_path)
    assert list(found) == ["noisette à 64 pixels"] and (found["noisette à 64 pixels"]["test_image"] == 0.5).all()


def test_what_the_reference_holds_can_be_shown() -> None:
    for table in tables.reference_ablations(REFERENCE).values():
        assert len(ablation.transfer(table)) and set(table["constant"]) <= set(tables.CONSTANTS)
