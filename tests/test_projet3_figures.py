"""What notebooks 02 and 03 draw: figures hold the data they are given, alternative texts say their values."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import re
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
from judged import CRACK, GOOD, HOLE, SIDE, TASKS, made
from test_projet3_tables import ablation_rows

import projet3_ssl_anomalies as project
from commun import figures
from projet3_ssl_anomalies import defects, detector, evaluation, reconstructor, statistics, tables
from projet3_ssl_anomalies import figures as drawings
from projet3_ssl_anomalies import score_figures as score_drawings
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.dataset import CATEGORIES
from projet3_ssl_anomalies.detector import Detector, HeldOut
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.score_figures import Part
from projet3_ssl_anomalies.signals import BASELINE, ERROR, FUSED, GRID, REPRESENTATION, named, title
from projet3_ssl_anomalies.statistics import SCORING
from projet3_ssl_anomalies.training import Config

NAMES = [BASELINE, *(named(task, kind) for task in TASKS[:2] for kind in (ERROR, REPRESENTATION))]


@pytest.fixture(scope="module")
def scores() -> Scores:
    return made()


@pytest.fixture(scope="module")
def all_good() -> Scores:
    return made(["good"] * 4, GOOD)


@pytest.fixture(scope="module")
def unseen() -> HeldOut:
    """Signals of eight good parts, and of two with a defect that stands out in all of them."""
    random = np.random.default_rng(0)
    good = {name: random.normal(size=(8, GRID, GRID, 2)).astype("float32") for name in NAMES}
    masks = np.zeros((2, SIDE, SIDE), bool)
    masks[0, 4:12, 6:14] = masks[1, 20:28, 20:28] = True
    defective = {name: values[:2] + 9 * masks[..., None] for name, values in good.items()}
    images = random.integers(0, 256, (2, SIDE, SIDE, 3), dtype="uint8")
    return HeldOut(good, defective, defects.Defective(images, masks, np.array(["stain", "crack"]), np.array([0, 1])))


@pytest.fixture(scope="module")
def judge(unseen: HeldOut) -> Detector:
    """Untrained models of the two tasks that cost least."""
    models = {}
    for task in TASKS[:2]:
        config = Config(task=task, side=SIDE, width=2)
        models[task] = reconstructor.Reconstructor(config)
        models[task].mean_image.assign(np.random.default_rng(0).normal(0, 0.3, models[task].mean_image.shape))
    normals = unseen.normals()
    return Detector(CATEGORIES["bottle"], models, normals, {}, SIDE)


def delta_e(first: np.ndarray, second: np.ndarray) -> float:
    return float(50 * np.sqrt(np.square(to_lab(first) - to_lab(second)).sum(-1)).mean())


def opened(drawing: figures.Drawing) -> tuple:
    """Lays a figure out: what does not fit, or a sign that the font lacks, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing.figure.draw_without_rendering()
    return drawing.figure, drawing.alt


def picture(axis) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


# --- What the tasks do -----------------------------------------------------------------------------------------------


def test_tasks_show_what_goes_in_and_what_comes_out(scores: Scores, judge: Detector) -> None:
    images, names = scores.images[:3], ["une", "deux", "trois"]
    figure, text = opened(drawings.plot_tasks(judge.models, images, names))
    axes = np.array(figure.axes).reshape(2, 2, 2, 4)  # task, row, image of the row, step
    for block, (task, trained) in zip(axes, judge.models.items(), strict=True):
        assert [row[0, 0].get_ylabel() for row in block] == [title(task), ""]
        given, whole = (reconstructor.reconstruction_picture(trained, images, unseen=u) for u in (False, True))
        steps = (images, reconstructor.hidden_view(trained, images), given, whole)
        for index, cells in enumerate(block.reshape(-1, 4)[:3]):
            for axis, pictures in zip(cells, steps, strict=True):
                np.testing.assert_array_equal(picture(axis), pictures[index])
            error = figures.number(delta_e(images[index], whole[index]), 1)
            assert cells[0].get_xlabel() == names[index] and cells[3].get_xlabel() == f"devinée\nΔE {error}"
            assert f"{names[index]} {error}" in text
        assert all((picture(axis) == 255).all() and not axis.get_xlabel() for axis in block[1, 1])
    assert "3 images" in text


def test_stages_are_spread_over_training_and_those_missing_are_left_out(scores: Scores) -> None:
    watched, random = scores.images[1], np.random.default_rng(1)
    long, short = (
        {epoch: random.integers(0, 256, watched.shape, dtype="uint8") for epoch in range(last, 0, -1)}
        for last in (16, 3)
    )
    stages = {TASKS[0]: long, TASKS[1]: {}, TASKS[2]: short}
    figure, text = opened(drawings.plot_snapshots(stages, watched))
    rows = np.array(figure.axes).reshape(2, 6)
    shown = [[axis.get_xlabel().split("\n")[0] for axis in row] for row in rows]
    assert shown[0] == ["image", *(f"époque {epoch}" for epoch in (1, 2, 4, 8, 16))]
    assert shown[1] == ["image", *(f"époque {epoch}" for epoch in (1, 2, 3)), "", ""]
    assert rows[1, 0].get_ylabel().endswith("masqué")
    np.testing.assert_array_equal(picture(rows[0, 0]), watched)
    np.testing.assert_array_equal(picture(rows[0, 3]), long[4])
    assert rows[0, 3].get_xlabel().endswith(f"ΔE {figures.number(delta_e(watched, long[4]), 1)}")
    first, last = (figures.number(delta_e(watched, long[e]), 1) for e in (1, 16))
    assert f"{title(TASKS[0])}, de {first} (époque 1) à {last} (époque 16)" in text
    assert title(TASKS[1]) not in text and "(époque 3)" in text


def test_without_any_stage_there_is_still_a_figure(scores: Scores) -> None:
    figure, text = opened(drawings.plot_snapshots({task: {} for task in TASKS}, scores.images[0]))
    assert len(figure.axes) == 1 and "Aucune étape" in text
    figure, text = opened(drawings.plot_snapshots({TASKS[0]: {7: scores.images[1]}}, scores.images[0]))
    assert len(figure.axes) == 2 and text.count("époque 7") == 2


def test_signals_are_drawn_on_one_scale_with_what_they_find(unseen: HeldOut, judge: Detector) -> None:
    figure, text = opened(drawings.plot_signal_maps(unseen, SCORING, 1))
    axes = np.array(figure.axes[:6]).reshape(2, 3)  # the piece and the rival, then a column a task
    np.testing.assert_array_equal(picture(axes[0, 0]), unseen.painted.images[1])
    maps = unseen.painted_maps()
    shown = {BASELINE: axes[1, 0]}
    for column, task in enumerate(TASKS[:2], start=1):
        shown |= {named(task, ERROR): axes[0, column], named(task, REPRESENTATION): axes[1, column]}
    for name, axis in shown.items():
        np.testing.assert_allclose(picture(axis), maps[name][1])
        area = figures.number(
            np.mean([
                inside > outside
                for inside in maps[name][1][unseen.painted.masks[1]]
                for outside in maps[name][1][~unseen.painted.masks[1]]
            ]),
            3,
        )
        assert axis.get_xlabel().endswith(f"AUROC {area}") and f"{title(name)} {area}" in text
    assert len({axis.images[0].norm for axis in shown.values()}) == 1
    assert "(fissure)" in text and "(tache)" in drawings.plot_signal_maps(unseen, SCORING, 0).alt


# --- How scores are made and chosen ----------------------------------------------------------------------------------


def test_the_way_to_a_verdict_is_drawn_step_by_step(unseen: HeldOut, judge: Detector) -> None:
    name = named("inpainting", ERROR)
    maps = unseen.painted_maps()
    fused = detector.fused_maps(maps)[FUSED][0]
    figure, text = opened(score_drawings.plot_pipeline(unseen, judge, 0, threshold=2.0))
    image, error, distance, smoothed, together, verdict = figure.axes[:6]
    np.testing.assert_array_equal(picture(image), unseen.painted.images[0])
    np.testing.assert_allclose(picture(error), np.abs(unseen.defective[name][0]).mean(axis=-1))
    expected = unseen.painted_maps(dataclasses.replace(SCORING, map_sigma=0))[name][0]
    np.testing.assert_allclose(picture(distance), expected, rtol=1e-5)
    np.testing.assert_allclose(picture(smoothed), maps[name][0], rtol=1e-5)
    np.testing.assert_allclose(picture(together), fused, rtol=1e-5)
    assert len(verdict.collections) == 2 and "5 signaux" in together.get_title(loc="left")
    score = figures.number(statistics.image_scores(fused[None])[0], 2)
    assert f"score {score}, seuil 2,00" in verdict.get_xlabel() and verdict.get_xlabel().endswith("rejetée")
    assert f"Score {score}, seuil 2,00 : pièce rejetée" in text
    assert "pièce acceptée" in score_drawings.plot_pipeline(unseen, judge, 0, threshold=99.0).alt


def test_the_variants_are_drawn_by_constant() -> None:
    table = ablation_rows({"bottle": "real", "capsule": "sample"})
    figure, text = opened(score_drawings.plot_ablation(table, source="sample"))
    (axis,) = figure.axes
    means = tables.mean_ablation(table[table["source"] == "sample"])
    variants, labels = means.iloc[1:], [label.get_text() for label in axis.get_yticklabels()]
    headings = [tables.CONSTANTS[constant] for constant in variants["constant"].unique()]
    values = [tables.shown_value(*pair) for pair in zip(variants["constant"], variants["value"], strict=True)]
    assert [label for label in labels if label not in headings] == values
    for measure, label in tables.MEASURES.items():
        lines = [line for line in axis.lines if line.get_label() == label]
        np.testing.assert_allclose(np.concatenate([line.get_xdata() for line in lines]), variants[measure])
    places = np.concatenate([line.get_ydata() for line in axis.lines if line.get_label() == "AUROC image"])
    kept = places[variants["is_retained"].to_numpy()]
    assert all(
        patch.get_y() < place < patch.get_y() + patch.get_height()
        for patch, place in zip(axis.patches, kept, strict=True)
    )
    assert len(kept) > 0
    blur = variants[variants["constant"] == "map_sigma"]["image"]
    low, high = figures.number(blur.min(), 3), figures.number(blur.max(), 3)
    assert f"lissage des distances (pixels), de {low} (0) à {high} (8), retenu : 4" in text and "échantillon" in text


@pytest.mark.parametrize("count", [1, 5])
def test_ranks_on_synthetic_defects_are_drawn_against_those_on_the_test(count: int) -> None:
    table = ablation_rows({"bottle": "real"})
    table = table.assign(test_image=-table["image"], test_pixel=table["pixel"])
    variants = {f"pièce {i}": table for i in range(count - 1)} | {"image seule": table.drop(columns="test_pixel")}
    figure, text = opened(score_drawings.plot_transfer(variants))
    assert len(figure.axes) == count
    for axis, (name, own) in zip(figure.axes, variants.items(), strict=True):
        lines = {line.get_label(): line for line in axis.lines if len(line.get_xdata()) > 1}
        assert list(lines) == ["AUROC image", "AUROC pixel"][: len(lines)] and len(lines) == 1 + ("test_pixel" in own)
        x, y = lines["AUROC image"].get_data()
        assert sorted(x) == sorted(y) and np.corrcoef(x, y)[0, 1] == pytest.approx(-1)
        retained = next(line for line in axis.lines if line.get_label() == "réglages retenus")
        assert retained.get_xdata()[0] == len(own) and retained.get_ydata()[0] == 1  # the worst, then the best
        assert "AUROC image −1,00" in axis.get_xlabel() and f"{name} : AUROC image −1,00" in text


# --- What scores are worth -------------------------------------------------------------------------------------------


def test_areas_of_signals_are_written_in_a_map(scores: Scores, all_good: Scores) -> None:
    undefined = made()
    undefined.signals.update(dict.fromkeys(undefined.signals, float("nan")))
    undefined.metrics.clear()
    figure, text = opened(score_drawings.plot_signal_areas({"bouteille": scores, "neuve": undefined}))
    cells = picture(figure.axes[0])
    names = [BASELINE, *(n for task in TASKS for n in (named(task, ERROR), named(task, REPRESENTATION), task)), FUSED]
    np.testing.assert_allclose(cells[0], [{**scores.signals, FUSED: 0.95}[name] for name in names])
    assert np.isnan(cells[1]).all()
    written = [cell.get_text() for cell in figure.axes[0].texts]
    assert written[: len(names)] == [figures.number(area, 2) for area in cells[0]]
    assert written[len(names) : 2 * len(names)] == ["–"] * len(names)
    assert "bouteille : sans réseau 0,80, colorisation, erreur 0,70" in text and "fusion 0,95" in text


def test_scores_are_drawn_by_type_with_the_threshold(scores: Scores) -> None:
    figure, text = opened(score_drawings.plot_scores(scores, 3.0, heading="Bouteille"))
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
    figure, _ = opened(score_drawings.plot_scores(wide, 4.0, heading="Scores"))
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


def test_the_gallery_shows_images_maps_and_outlines(scores: Scores, judge: Detector) -> None:
    rows = [1, 0, 6]  # a crack found, another missed, a good part rejected
    parts = [Part(name, scores, judge, 3.0, row) for name, row in zip("abc", rows, strict=True)]
    figure, text = opened(score_drawings.plot_gallery(parts, heading="Galerie"))
    axes, bar = np.array(figure.axes[:12]).reshape(3, 4), figure.axes[12]
    rebuilt = reconstructor.reconstruction_picture(judge.models["inpainting"], scores.images[rows])
    for (image, back, heat, outlined), row, expected in zip(axes, rows, rebuilt, strict=True):
        np.testing.assert_array_equal(picture(image), scores.images[row])
        np.testing.assert_allclose(picture(back), expected, atol=1)
        np.testing.assert_allclose(picture(heat), scores.maps[row] / 3, rtol=1e-6)
        np.testing.assert_array_equal(picture(outlined), scores.images[row])
        assert heat.images[0].get_clim() == (0, 2) and heat.images[0].get_cmap().name == "inferno"
    assert [len(row[3].collections) for row in axes] == [2, 1, 0]  # truth and map; truth alone; neither
    assert [c.get_linestyle()[0][1] is None for c in axes[0, 3].collections] == [True, False]  # plain, then dashed
    truth, map_ = (np.concatenate([p.vertices for p in c.get_paths()]) for c in axes[0, 3].collections)
    for outline in (truth, map_):  # rows 64..127 and columns 32..95 of 256, in pixels of 32
        np.testing.assert_allclose([outline.min(axis=0), outline.max(axis=0)], [[3.5, 7.5], [11.5, 15.5]], atol=0.1)
    lines = [row[0].get_ylabel().split("\n") for row in axes]
    assert lines[0] == ["a, fissure", "3,00 × seuil", "rejetée"] and lines[1][1:] == ["0,83 × seuil", "acceptée"]
    assert title("inpainting") in axes[2, 1].get_xlabel() and "seuils" in bar.get_ylabel()
    assert "a, fissure, 3,00 × seuil, rejetée ; b, fissure, 0,83 × seuil, acceptée ; c, sans défaut, 1,33" in text


def test_the_gallery_of_no_part_says_so() -> None:
    figure, text = opened(score_drawings.plot_gallery([], heading="Manqués"))
    assert "aucune pièce" in figure.axes[0].get_title(loc="left")
    assert "Aucune pièce" in text


# --- Notebooks -------------------------------------------------------------------------------------------------------


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
