"""What notebooks 02 and 03 show: figures hold the data they are given, alternative texts and tables its values."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

import projet3_ssl_anomalies as project
from commun import figures
from projet3_ssl_anomalies import REFERENCE, ablation, defects, evaluation, reconstructor, statistics, tables, training
from projet3_ssl_anomalies import figures as drawings
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.dataset import CATEGORIES
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.pretexts import FUSED, PRETEXTS, title
from projet3_ssl_anomalies.statistics import ScoringConfig
from projet3_ssl_anomalies.training import Config

SIDE = 32
TASKS = tuple(PRETEXTS)
GOOD, CRACK, HOLE = [1.0, 2.0, 3.0, 4.0], [2.5, 9.0, 8.0], [6.0, 5.0]


def entry(value: float, low: float = 0.25, high: float = 0.75) -> dict:
    return {"value": value, "ci95": [low, high], "n": 9}


def made(defects: list[str], values: list[float]) -> Scores:
    """Scores of drawn images; a task's scores are those of the fusion, up to its rank in sign and power."""
    random = np.random.default_rng(0)
    n, values = len(values), np.array(values)
    table = pd.DataFrame({"path": [Path(f"{i}.png") for i in range(n)], "defect": defects, "score": values})
    table["is_defect"] = table["defect"] != "good"
    by_task = (values, -values, np.where(table["is_defect"], 1.0, 0.0))
    truth = np.zeros((n, 256, 256), bool)
    truth[table["is_defect"], 64:128, 32:96] = True
    return Scores(
        table.assign(**{f"score_{task}": v for task, v in zip(TASKS, by_task, strict=True)}),
        truth * values[:, None, None].astype("float32"),
        {"image_auroc": entry(0.9), "au_spro": entry(1.0, 0.999, 1.0)},
        {task: {"image_auroc": entry(0.1 * i)} for i, task in enumerate(TASKS, 1)},
        (),
        random.integers(0, 256, (n, SIDE, SIDE, 3), dtype="uint8"),
        truth,
    )


@pytest.fixture(scope="module")
def scores() -> Scores:
    return made(["crack"] * 3 + ["good"] * 4 + ["hole"] * 2, [*CRACK, *GOOD, *HOLE])


@pytest.fixture(scope="module")
def all_good() -> Scores:
    return made(["good"] * 4, GOOD)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Untrained models of the two tasks that cost least."""
    models = {task: training.build(Config(task=task, side=SIDE, width=2, n_categories=3)) for task in TASKS[:2]}
    for trained in models.values():  # the three categories differ
        trained.mean_image.assign(np.random.default_rng(0).normal(0, 0.3, trained.mean_image.shape))
    return Detector(CATEGORIES["bottle"], 2, {task: reconstructor.Scorer(m) for task, m in models.items()}, {}, {})


def delta_e(first: np.ndarray, second: np.ndarray) -> float:
    return float(50 * np.sqrt(np.square(to_lab(first) - to_lab(second)).sum(-1)).mean())


def opened(drawing: figures.Drawing) -> tuple:
    return drawing.figure, drawing.alt


def picture(axis) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


def drawn(figure) -> None:
    """Lays a figure out: what does not fit, or a sign that the font lacks, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


# --- What the tasks do -----------------------------------------------------------------------------------------------


def test_tasks_show_what_goes_in_and_what_comes_out(scores: Scores, detector: Detector) -> None:
    images, category_ids = scores.images[:3], np.array([2, 0, 1])
    figure, text = opened(drawings.plot_tasks(detector.models, images, category_ids))
    drawn(figure)
    axes = np.array(figure.axes).reshape(2, 2, 2, 4)  # task, row, image of the row, step
    for block, (task, trained) in zip(axes, detector.models.items(), strict=True):
        assert [row[0, 0].get_ylabel() for row in block] == [title(task), ""]
        given, whole = (
            reconstructor.reconstruction_picture(trained, images, category_ids, unseen=u) for u in (False, True)
        )
        steps = (images, reconstructor.hidden_view(trained, images), given, whole)
        for index, cells in enumerate(block.reshape(-1, 4)[:3]):
            for axis, pictures in zip(cells, steps, strict=True):
                np.testing.assert_array_equal(picture(axis), pictures[index])
            error = figures.number(delta_e(images[index], whole[index]), 1)
            assert cells[3].get_xlabel() == f"devinée\nΔE {error}"
        assert all((picture(axis) == 255).all() and not axis.get_xlabel() for axis in block[1, 1])
        errors = delta_e(images, reconstructor.reconstruction_picture(trained, images, category_ids))
        assert f"{title(task)} {figures.number(errors, 1)}" in text
    assert "3 images" in text


def test_stages_are_spread_over_training_and_those_missing_are_left_out(scores: Scores) -> None:
    watched, random = scores.images[:2], np.random.default_rng(1)
    long, short = (
        {epoch: random.integers(0, 256, watched.shape, dtype="uint8") for epoch in range(last, 0, -1)}
        for last in (16, 3)
    )
    stages = {TASKS[0]: long, TASKS[1]: {}, TASKS[2]: short}
    figure, text = opened(drawings.plot_snapshots(stages, watched, which=1))
    drawn(figure)
    rows = np.array(figure.axes).reshape(2, 6)
    assert [axis.get_xlabel().split("\n")[0] for axis in rows[0]] == [
        "image", "époque 1", "époque 2", "époque 4", "époque 8", "époque 16",
    ]  # fmt: skip
    assert [axis.get_xlabel().split("\n")[0] for axis in rows[1]] == [
        "image",
        *(f"époque {e}" for e in (1, 2, 3)),
        "",
        "",
    ]
    assert rows[1, 0].get_ylabel().endswith("masqué")
    np.testing.assert_array_equal(picture(rows[0, 0]), watched[1])
    np.testing.assert_array_equal(picture(rows[0, 3]), long[4][1])
    assert rows[0, 3].get_xlabel().endswith(f"ΔE {figures.number(delta_e(watched[1], long[4][1]), 1)}")
    first, last = (figures.number(delta_e(watched[1], long[e][1]), 1) for e in (1, 16))
    assert f"{title(TASKS[0])}, de {first} (époque 1) à {last} (époque 16)" in text
    assert title(TASKS[1]) not in text and "(époque 3)" in text


def test_without_any_stage_there_is_still_a_figure(scores: Scores) -> None:
    stages = {task: {} for task in TASKS}
    figure, text = opened(drawings.plot_snapshots(stages, scores.images[:1], which=0))
    assert len(figure.axes) == 1 and "Aucune étape" in text
    one = {TASKS[0]: {7: scores.images[1:2]}}
    figure, text = opened(drawings.plot_snapshots(one, scores.images[:1], which=0))
    assert len(figure.axes) == 2 and text.count("époque 7") == 2


# --- What the encoders have learnt -----------------------------------------------------------------------------------


def test_codes_are_projected_on_the_axes_of_good_parts() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(size=(50, 1))
    fit = np.hstack([100 + 10 * shared, -3 * shared, random.normal(size=(50, 1)), np.full((50, 1), 7.0)])
    plane = reconstructor.project_codes(fit, fit)
    assert plane.shape == (50, 2)
    assert abs(np.corrcoef(plane[:, 0], shared[:, 0])[0, 1]) > 0.99  # whatever the units, what two channels share first
    assert abs(np.corrcoef(plane[:, 1], fit[:, 2])[0, 1]) > 0.95
    np.testing.assert_allclose(reconstructor.project_codes(fit[:3], fit), plane[:3], atol=1e-8)
    assert np.isfinite(reconstructor.project_codes(fit[:1] + 1, fit)).all()  # a channel never seen to vary


def test_separation_ranks_distances_to_the_nearest_good_codes() -> None:
    random = np.random.default_rng(0)
    train, test = random.normal(size=(30, 4)) * [1, 10, 100, 1000], random.normal(size=(20, 4)) * [1, 10, 100, 1000]
    is_defect = np.arange(20) % 3 == 0
    test[is_defect] *= 1.5
    spread = train.std(axis=0)
    distances = np.sort(cdist(test / spread, train / spread), axis=1)[:, :5].mean(axis=1)
    gaps = distances[is_defect][:, None] - distances[~is_defect]
    assert reconstructor.code_separation(train, test, is_defect) == pytest.approx((gaps > 0).mean())
    assert reconstructor.code_separation(train[:3], test, is_defect) >= 0  # fewer codes than neighbours
    assert np.isnan(reconstructor.code_separation(train, test, np.zeros(20, bool)))


def test_codes_are_drawn_by_type_and_the_rare_ones_together() -> None:
    names = ["crack"] * 3 + ["cut"] * 4 + ["hole"] * 5 + ["print", "poke", "scratch", "odd"] + ["good"] * 2
    defect, random = np.array(names), np.random.default_rng(0)
    planes = {task: (random.normal(size=(6, 2)), random.normal(size=(len(defect), 2))) for task in TASKS}
    separations = dict(zip(TASKS, (0.5, 0.75, float("nan")), strict=True))
    figure, text = opened(drawings.plot_codes(planes, defect, separations))
    drawn(figure)
    for axis, (train, test) in zip(figure.axes, planes.values(), strict=True):
        shown = {c.get_label(): np.asarray(c.get_offsets()) for c in axis.collections}
        assert list(shown)[:5] == ["apprentissage", "test, sans défaut", "trou", "coupure", "fissure"]
        assert len(shown) == 8 and sum(map(len, shown.values())) == len(train) + len(test)
        np.testing.assert_array_equal(shown["apprentissage"], train)
        np.testing.assert_array_equal(shown["test, sans défaut"], test[defect == "good"])
        np.testing.assert_array_equal(shown["fissure"], test[:3])
    looks = {(tuple(c.get_facecolor().ravel()), c.get_paths()[0].vertices.tobytes()) for c in axis.collections}
    assert len(looks) == 8
    assert "6 images d'apprentissage" in text and "2 pièces sans défaut" in text
    assert "trou (5), coupure (4), fissure (3)" in text and "autres (2)" in text
    assert f"{title(TASKS[1])} 0,750" in text and f"{title(TASKS[2])} indéfini" in text
    _, few = opened(
        drawings.plot_codes({TASKS[0]: planes[TASKS[0]]}, np.array(["good"] * len(defect)), {TASKS[0]: 1.0})
    )
    assert "aucun défaut" in few


# --- What the scores are worth ---------------------------------------------------------------------------------------

FUSED_AREA = np.mean([bad > good for bad in (*CRACK, *HOLE) for good in GOOD])  # 18 pairs of 20


def test_roc_curves_and_their_areas(scores: Scores, all_good: Scores) -> None:
    judged = {"bouteille": scores, "neuve": all_good}
    figure, text = opened(drawings.plot_roc(judged))
    drawn(figure)
    one, other = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["Bouteille", "Neuve"]
    for line, area in zip(one.lines, (FUSED_AREA, FUSED_AREA, 1 - FUSED_AREA, 1), strict=True):
        x, y = line.get_xdata(), line.get_ydata()
        assert ((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum() == pytest.approx(area)
    assert [line.get_label() for line in one.lines] == [title(name) for name in (FUSED, *TASKS)]
    assert len({(line.get_color(), line.get_linestyle()) for line in one.lines}) == 4
    assert one.lines[0].get_linewidth() > max(line.get_linewidth() for line in one.lines[1:])
    assert [text.get_text() for text in one.get_legend().get_texts()] == ["0,900", "0,900", "0,100", "1,000"]
    assert not any(len(line.get_xdata()) for line in other.lines)
    assert "bouteille : fusion 0,900" in text and f"{title(TASKS[1])} 0,100" in text
    assert "neuve : fusion indéfini" in text
    assert len(drawings.plot_roc(dict.fromkeys("abcde", scores)).figure.axes) == 5


def test_scores_are_drawn_by_type_with_the_threshold(scores: Scores) -> None:
    figure, text = opened(drawings.plot_scores(scores, 3.0, heading="Bouteille"))
    drawn(figure)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "sans défaut\nrejetées : 1 sur 4", "trou\nrejetées : 2 sur 2", "fissure\nrejetées : 2 sur 3",
    ]  # fmt: skip
    for place, (collection, values) in enumerate(zip(axes.collections, (GOOD, HOLE, CRACK), strict=True)):
        x, y = np.asarray(collection.get_offsets()).T
        np.testing.assert_allclose(x, values)
        assert (abs(y - place) < 0.3).all()
    assert axes.lines[0].get_xdata()[0] == 3.0 and "3,00" in axes.texts[0].get_text()
    assert axes.get_xscale() == "linear"
    assert "Bouteille" in text and "seuil 3,00" in text
    assert "sans défaut, médiane 2,5, rejetées : 1 sur 4 ; trou, médiane 5,5" in text
    assert "fissure, médiane 8,0, rejetées : 2 sur 3" in text


@pytest.mark.parametrize(("factor", "low", "scale"), [(1, 0, "linear"), (10, 0, "log"), (10, -1, "linear")])
def test_a_huge_range_of_scores_is_drawn_in_logarithms(factor: float, low: float, scale: str) -> None:
    wide = made(["good"] * 4 + ["hole"] * 2, [GOOD[0] + 2 * low, *GOOD[1:], 5.0 * factor, 6.0 * factor])
    figure, text = opened(drawings.plot_scores(wide, 4.0, heading="Scores"))
    drawn(figure)
    assert figure.axes[0].get_xscale() == scale


# --- Galleries -------------------------------------------------------------------------------------------------------


def test_rows_are_chosen_by_their_scores(scores: Scores, all_good: Scores) -> None:
    value = scores.table["score"]
    assert value[evaluation.most_missed(scores, 3)].tolist() == [2.5, 5.0, 6.0]
    assert value[evaluation.falsest_alarms(scores, 2)].tolist() == [4.0, 3.0]
    assert len(evaluation.most_missed(scores, 99)) == 5 and len(evaluation.falsest_alarms(scores, 99)) == 4
    assert len(evaluation.most_missed(all_good, 3)) == 0
    chosen = scores.table.loc[evaluation.median_examples(scores, 4)]
    assert chosen["defect"].tolist() == ["crack", "hole", "crack", "hole"]
    assert chosen["score"].tolist()[0] == 8.0 and chosen["score"].tolist()[2] == 9.0  # the median, then the closest
    assert sorted(evaluation.median_examples(scores, 99)) == [0, 1, 2, 7, 8]
    skewed = made(["good"] * 2 + ["crack"] * 5, [1.0, 2.0, 2.0, 3.0, 4.0, 12.0, 30.0])
    assert skewed.table["score"][evaluation.median_examples(skewed, 1)].tolist() == [4.0]


def test_the_gallery_shows_images_maps_and_outlines(scores: Scores, detector: Detector) -> None:
    rows = np.array([1, 0, 6])  # a crack found, another missed, a good part rejected
    figure, text = opened(drawings.plot_gallery(scores, detector, rows, threshold=3.0, heading="Galerie"))
    drawn(figure)
    axes, bar = np.array(figure.axes[:12]).reshape(3, 4), figure.axes[12]
    rebuilt = reconstructor.reconstruction_picture(detector.models["inpainting"], scores.images[rows], np.full(3, 2))
    for (image, back, heat, outlined), row, expected in zip(axes, rows, rebuilt, strict=True):
        np.testing.assert_array_equal(picture(image), scores.images[row])
        np.testing.assert_array_equal(picture(back), expected)
        np.testing.assert_array_equal(picture(heat), scores.maps[row])
        np.testing.assert_array_equal(picture(outlined), scores.images[row])
        assert heat.images[0].get_clim() == (0, 6) and heat.images[0].get_cmap().name == "inferno"
    assert [len(row[3].collections) for row in axes] == [2, 1, 0]  # truth and map; truth alone; neither
    assert [c.get_linestyle()[0][1] is None for c in axes[0, 3].collections] == [True, False]  # plain, then dashed
    truth, map_ = (np.concatenate([p.vertices for p in c.get_paths()]) for c in axes[0, 3].collections)
    for outline in (truth, map_):  # rows 64..127 and columns 32..95 of 256, in pixels of 32
        np.testing.assert_allclose([outline.min(axis=0), outline.max(axis=0)], [[3.5, 7.5], [11.5, 15.5]], atol=0.1)
    lines = [row[0].get_ylabel().split("\n") for row in axes]
    assert lines[0] == ["fissure", "score 9,0", "rejetée"] and lines[1][1:] == ["score 2,5", "acceptée"]
    assert lines[2] == ["sans défaut", "score 4,0", "rejetée"]
    assert title("inpainting") in axes[2, 1].get_xlabel() and "écarts-types" in bar.get_ylabel()
    assert "fissure, score 9,0, rejetée ; fissure, score 2,5, acceptée ; sans défaut, score 4,0, rejetée" in text
    assert "3,00" in text


def test_the_gallery_of_no_part_says_so(all_good: Scores, detector: Detector) -> None:
    rows = evaluation.most_missed(all_good, 3)
    figure, text = opened(drawings.plot_gallery(all_good, detector, rows, threshold=3.0, heading="Manqués"))
    drawn(figure)
    assert "aucune pièce" in figure.axes[0].get_title(loc="left")
    assert "Aucune pièce" in text


# --- Tables ----------------------------------------------------------------------------------------------------------


def test_the_table_of_metrics_has_each_task_and_the_fusion(scores: Scores) -> None:
    table = tables.metrics_table(
        {"bouteille": scores, "noisette": scores}, {"bouteille": "réel", "noisette": "échantillon"}
    )
    assert list(table) == ["catégorie", "source", "tâche", *tables.LABELS.values()]
    assert table["source"].tolist() == ["réel"] * 4 + ["échantillon"] * 4
    assert table["tâche"].tolist()[:4] == [*(title(task) for task in TASKS), "fusion"]
    gap = figures.NBSP
    assert table["AUROC image"].tolist()[:4] == [
        f"{v} [0,25{gap};{gap}0,75]" for v in ("0,100", "0,200", "0,300", "0,900")
    ]
    assert table["AU-sPRO"].tolist()[:4] == ["–", "–", "–", f"1,000 [1,00{gap};{gap}1,00]"]
    assert set(table["AU-PRO"]) == {"–"}


def test_the_table_of_defects_counts_and_ranks_each_type(scores: Scores, all_good: Scores) -> None:
    table = tables.defects_table(scores, 5.0).set_index("défaut")
    assert table.index.tolist() == ["trou", "fissure", "tous"]
    assert table["pièces"].tolist() == [2, 3, 5]
    np.testing.assert_allclose(table["fusion"], [1, 10 / 12, 18 / 20])
    np.testing.assert_allclose(table[title(TASKS[1])], [0, 2 / 12, 2 / 20])
    np.testing.assert_allclose(table[title(TASKS[2])], 1)
    np.testing.assert_allclose(table["trouvés"], [1 / 2, 2 / 3, 3 / 5])  # at the threshold, a part is accepted
    assert tables.defects_table(all_good, 5.0).empty
    only_bad = tables.defects_table(made(["hole"] * 2, HOLE), 5.0)
    assert only_bad["fusion"].isna().all() and only_bad["trouvés"].tolist() == [0.5, 0.5]


def test_the_table_of_references_sets_three_sources_side_by_side(scores: Scores) -> None:
    reference = {"metrics": {"bottle/fused/image_auroc": entry(0.99), "bottle/inpainting/image_auroc": entry(0.5)}}
    table = tables.reference_table(scores, reference, "bottle")
    assert table.index.tolist()[0] == "AUROC image, fusion"
    assert "AP image, fusion" not in table.index  # no column has it
    fused, inpainting = table.loc["AUROC image, fusion"], table.loc[f"AUROC image, {title('inpainting')}"]
    assert fused["cette exécution"].startswith("0,900") and fused["référence sur données réelles"].startswith("0,990")
    assert inpainting.iloc[0].startswith("0,200") and inpainting.iloc[1].startswith("0,500")
    assert "0,999 (RIAD) ; 0,971 (RIAD refait) ; 0,459 (auto-encodeur naïf)" in fused["publié"]
    assert table.loc["AUROC pixel, fusion", "publié"] == "0,984 (RIAD) ; 0,991 (DRAEM) ; 0,984 (PatchCore)"
    assert "GaLAD" in tables.reference_table(scores, None, "engine_wiring").loc["AUROC image, fusion", "publié"]
    unknown = tables.reference_table(scores, None, "screw")
    assert set(unknown["publié"]) == set(unknown["référence sur données réelles"]) == {"–"}


def test_published_figures_are_proportions_of_declared_categories() -> None:
    assert set(tables.PUBLISHED) == set(CATEGORIES)
    for found in tables.PUBLISHED.values():
        assert set(found) <= set(tables.LABELS)
        for known in found.values():
            texts = re.findall(r"\d,\d+", known) if isinstance(known, str) else []
            values = [float(t.replace(",", ".")) for t in texts] or [v for v in known if v is not None]
            assert values and all(0 < v <= 1 for v in values)
            assert isinstance(known, str) or len(known) == len(tables.METHODS)


# --- The choice of the constants -------------------------------------------------------------------------------------


def ablation_rows(categories: dict[str, str], retained: ScoringConfig = statistics.SCORING) -> pd.DataFrame:
    """Measures that say their row and category: 0.001 a row, 0.1 a category."""
    return pd.DataFrame([
        {"category": name, "source": source, "constant": constant, "value": value}
        | {"is_retained": ablation._spelled(scoring) == ablation._spelled(retained)}
        | {"image": 0.001 * row + 0.1 * place, "pasted": 0.5, "pixel": 0.6 - 0.001 * row, "pro": 0.4}
        for place, (name, source) in enumerate(categories.items())
        for row, (constant, value, scoring) in enumerate(ablation.scoring_variants(retained))
    ])


def test_the_ablation_is_averaged_within_a_source_only() -> None:
    table = tables.ablation_table(ablation_rows({"bottle": "real", "capsule": "sample", "hazelnut": "sample"}))
    count = sum(1 for _ in ablation.scoring_variants())
    assert list(table) == ["source", "constante", "valeur", "retenue", "AUROC image", "AUROC pixel", "AU-PRO"]
    assert table["source"].tolist() == ["réel"] * count + ["échantillon"] * count
    np.testing.assert_allclose(table["AUROC image"][:count], 0.001 * np.arange(count))
    np.testing.assert_allclose(table["AUROC image"][count:], 0.15 + 0.001 * np.arange(count))
    assert table["AUROC pixel"].iloc[1] == pytest.approx(0.599)


def test_values_of_constants_are_written_in_french() -> None:
    pairs = {(constant, value) for constant, value, _ in ablation.scoring_variants()}
    written = {(constant, tables.shown_value(constant, value)) for constant, value in pairs}
    assert set(tables.CONSTANTS) == {constant for constant, _ in pairs} and len(written) == len(pairs)
    assert {("top_fraction", "0,01"), ("shrinkage", "∞"), ("shrinkage", "0,5"), ("weights", "1 / 0,5 / 1")} < written
    assert {("fusion", "oui"), ("fusion", "non"), ("error_sigma", "6"), (ablation.RETAINED, "")} < written


def test_the_values_retained_are_those_of_the_configuration(tmp_path: Path) -> None:
    retained = ScoringConfig(error_sigma=6, top_fraction=0.01, weights={TASKS[1]: 2.0})
    table = ablation_rows({"bottle": "real"}, retained)
    marked = tables.ablation_table(table)
    values = marked[marked["retenue"] == "✓"].set_index("constante")["valeur"]
    assert values["flou des erreurs (pixels)"] == "6" and values["part des pixels du score (%)"] == "1"
    assert values["poids des tâches (C / R / M)"] == "1 / 2 / 1" and values["réglages retenus"] == ""
    table.to_csv(tmp_path / "ablation.csv", index=False)
    pd.testing.assert_frame_equal(tables.ablation_table(pd.read_csv(tmp_path / "ablation.csv")), marked)


def test_the_ablation_is_drawn_by_constant() -> None:
    table = ablation_rows({"bottle": "real", "capsule": "sample"})
    figure, text = opened(drawings.plot_ablation(table, source="sample"))
    drawn(figure)
    means = tables.ablation_table(table[table["source"] == "sample"])
    constants = [c for c in means["constante"].unique() if c != "réglages retenus"]
    assert len(figure.axes) == len(constants)
    for axis, constant in zip(figure.axes, constants, strict=True):
        part = means[means["constante"] == constant]
        assert axis.get_title(loc="left").replace("\n", " ").lower() == constant.lower()
        assert [label.get_text() for label in axis.get_xticklabels()] == part["valeur"].tolist()
        for line, name in zip(axis.lines, ("AUROC image", "AUROC pixel", "AU-PRO"), strict=True):
            assert line.get_label() == name
            np.testing.assert_allclose(line.get_ydata(), part[name])
        (band,) = axis.patches
        place = part["retenue"].tolist().index("✓")
        assert band.get_x() < place < band.get_x() + band.get_width()
    blur = means[means["constante"] == "flou des erreurs (pixels)"]["AUROC image"]
    low, high = figures.number(blur.min(), 3), figures.number(blur.max(), 3)
    assert f"flou des erreurs (pixels), de {low} (0) à {high} (6)" in text
    assert f"valeur retenue : {statistics.SCORING.error_sigma:g}" in text and "échantillon" in text


def test_types_of_defects_are_ranked_by_how_hard_they_are() -> None:
    table = ablation_rows({"bottle": "real", "pièce": "sample"})
    types, french = list(defects.TYPES), list(defects.TYPES.values())
    retained = table["constant"] == ablation.RETAINED
    table.loc[retained, types] = [[0.9, 0.8, 0.5, 0.7, 1.0, 0.97, 0.95], [0.9, 0.8, 0.7, 0.5, 1.0, 0.97, 0.95]]
    table.loc[retained & (table["category"] == "pièce"), types[3]] = np.nan  # a type that could not be painted
    found = tables.defect_types_table(table)
    assert found["catégorie"].tolist() == ["bouteille", "pièce"] and found["source"].tolist() == ["réel", "échantillon"]
    assert list(found)[2:] == [french[i] for i in (2, 3, 1, 0, 6, 5, 4)]
    assert np.isnan(found[french[3]][1]) and found[french[3]][0] == 0.7


def test_each_reference_ablation_is_one_of_these_tables() -> None:
    for path in REFERENCE.glob("*/ablation.csv"):
        table = pd.read_csv(path)
        pairs = list(zip(table["constant"], table["value"].fillna(""), strict=True))
        assert pairs == [(constant, value) for constant, value, _ in ablation.scoring_variants()]
        assert tables.ablation_table(table).notna().all(axis=None) and len(tables.defect_types_table(table)) == 1


def test_code_shown_in_notebooks_fits_the_page() -> None:
    names = []
    for path in Path(project.__file__).parent.glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        calls = re.findall(r"figures\.code\(([^)]*)\)", "\n".join("".join(cell["source"]) for cell in cells))
        names += [name.strip() for call in calls for name in call.split(",") if not name.strip().startswith("commun.")]
    assert len(names) > 10
    for name in names:
        module, *attributes = name.split(".")
        item = functools.reduce(getattr, attributes, importlib.import_module(f"{project.PROJECT}.{module}"))
        assert max(map(len, textwrap.dedent(inspect.getsource(item)).splitlines())) <= 90, name
