"""Choosing the constants on synthetic defects: each variant with its own choices, and what the test part says of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import numpy as np
import pandas as pd
import pytest
from anomalies import SIDE, config, eager, load_category, only

from projet3_ssl_anomalies import ablation, defects, statistics, training
from projet3_ssl_anomalies.dataset import Data
from projet3_ssl_anomalies.detector import HeldOut
from projet3_ssl_anomalies.signals import BASELINE, ERROR, GRID, REPRESENTATION, named
from projet3_ssl_anomalies.statistics import SCORING, ScoringConfig, fuse

NAMES = [BASELINE, *(named(task, kind) for task in ("colorization", "repair") for kind in (ERROR, REPRESENTATION))]
MEASURES = ["image", "pixel", "pro"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return load_category(tmp_path_factory.mktemp("données"), "disque")


def _held_out(step: float) -> HeldOut:
    """Signals of eight good images, and of two defects of each type, by so many standard deviations."""
    kinds = np.array([*defects.TYPES] * 2)
    sources = np.repeat([1, 5], len(defects.TYPES))
    masks = np.zeros((len(kinds), GRID, GRID), bool)
    masks[:, 8:20, 10:22] = True
    good, bad = {}, {}
    for seed, name in enumerate(NAMES):
        random = np.random.default_rng(seed)
        good[name] = random.normal(size=(8, GRID, GRID, 2)).astype("float32")
        bad[name] = good[name][sources] + np.float32(step * (1 + seed)) * masks[..., None]
    images = np.zeros((len(kinds), GRID, GRID, 3), "uint8")
    return HeldOut(good, bad, defects.Defective(images, masks, kinds, sources))


def test_ablation_measures_each_variant(data: Data) -> None:
    unseen = _held_out(30)
    table = ablation.scoring_ablation(data, unseen, SCORING)
    kinds = [*defects.TYPES]
    compared = [(constant, value) for constant, value, _ in ablation.scoring_variants(NAMES)]
    measures = ["image", *kinds, "pixel", "pro"]
    assert list(table) == ["category", "source", "constant", "value", "is_retained", *measures]
    assert set(table["category"]) == {"disque"} and set(table["source"]) == {"real"}
    assert list(zip(table["constant"], table["value"], strict=True)) == compared
    assert len(set(compared)) == len(compared)  # what is merged with the test part
    retained = table[table["constant"] == ablation.RETAINED]
    assert len(retained) == 1 and (retained[measures] > 0.9).all(axis=None) and retained["is_retained"].all()
    assert (table[measures].min(axis=None) >= 0) and (table[measures].max(axis=None) <= 1 + 1e-9)
    np.testing.assert_allclose(table["image"], table[kinds].mean(axis=1))  # as many of each kind


def test_each_variant_is_measured_with_its_own_choices(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [("a", "", SCORING), ("b", "", dataclasses.replace(SCORING, map_sigma=0.0, fusion="arithmetic"))]
    few += [("c", "", dataclasses.replace(SCORING, shrinkage=9.0, top_fraction=0.05, banked={ERROR: 1.0}))]
    few += [("d", "", dataclasses.replace(SCORING, shrinkage=9.0, banked={ERROR: 0.5, REPRESENTATION: 1.0}))]
    monkeypatch.setattr(ablation, "scoring_variants", lambda names, retained: iter(few))
    monkeypatch.setattr(statistics, "BANK", 200)  # quicker
    unseen = _held_out(0.4)
    table = ablation.scoring_ablation(data, unseen, SCORING)
    for (_, _, choices), row in zip(few, table.itertuples(), strict=True):
        apart = _held_out(0.4)  # nothing is known of it yet
        good, bad = (fuse(maps, choices) for maps in (apart.good_maps(choices), apart.painted_maps(choices)))
        painted = unseen.painted
        expected = ablation.on_synthetic(good, bad, painted.masks, painted.defect_types, scoring=choices)
        assert (row.image, row.pixel, row.pro) == pytest.approx([expected[name] for name in MEASURES])
    assert table["pixel"].nunique() == 4 and table["is_retained"].tolist() == [True, False, False, False]


def test_ablation_of_a_kind_that_could_not_be_painted_is_unknown(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "scoring_variants", lambda *_: iter([(ablation.RETAINED, "", SCORING)]))
    unseen = _held_out(30)
    kept = unseen.painted.defect_types != "scuff"
    bad = {name: signal[kept] for name, signal in unseen.defective.items()}
    table = ablation.scoring_ablation(data, HeldOut(unseen.good, bad, unseen.painted.take(kept)), SCORING)
    assert table["scuff"].isna().all() and table.drop(columns="scuff").notna().all(axis=None)


def test_variants_change_one_constant_at_a_time() -> None:
    (constant, value, kept), *others = ablation.scoring_variants(NAMES)
    assert (constant, value, kept) == (ablation.RETAINED, "", SCORING)
    changed: dict[str, set] = {}
    for constant, value, choices in others:
        names = [name for name in vars(SCORING) if getattr(choices, name) != getattr(SCORING, name)]
        assert value and len(names) <= 1 + (constant == "candidate")  # these say all of the comparison
        changed.setdefault(constant, set()).update(names)
    assert {name for names in changed.values() for name in names} == {f.name for f in dataclasses.fields(ScoringConfig)}


def test_each_signal_is_tried_alone_and_each_task_is_left_out() -> None:
    variants = {(constant, value): choices for constant, value, choices in ablation.scoring_variants(NAMES)}
    for name in NAMES:
        alone = variants[ablation.ALONE, name]
        assert {other: alone.weight(other) > 0 for other in NAMES} == {other: other == name for other in NAMES}
    for task in ("colorization", "repair"):
        without = variants["without", task]
        for name in NAMES:
            assert without.weight(name) == (0 if name.startswith(f"{task}/") else SCORING.weight(name))
    assert ("without", "inpainting") not in variants  # it has no signal here


# --- The test part ---------------------------------------------------------------------------------------------------


def test_the_same_variants_are_measured_on_the_test_part(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [*ablation.scoring_variants(NAMES)][::10]
    monkeypatch.setattr(ablation, "scoring_variants", lambda names, retained: iter(few))
    unseen, is_defect = _held_out(1), data.test["is_defect"].to_numpy(bool)
    random = np.random.default_rng(9)
    found = {name: random.normal(size=(10, GRID, GRID, 2)).astype("float32") for name in NAMES}
    for signal in found.values():
        signal[is_defect, 5:16, 9:20] += 30
    table = ablation.ablation_on_test(data, unseen, found, SCORING)
    chosen = ablation.scoring_ablation(data, unseen, SCORING)
    assert table[["constant", "value"]].equals(chosen[["constant", "value"]])
    assert list(table)[2:] == [f"test_{name}" for name in MEASURES]
    assert table["test_image"].iloc[0] == 1 and table["test_pixel"].iloc[0] > 0.8
    good_only = dataclasses.replace(data, test=data.test.assign(masks=[[] for _ in range(10)]))
    assert list(ablation.ablation_on_test(good_only, unseen, found, SCORING)) == ["constant", "value", "test_image"]


def test_signals_of_the_test_part_leave_out_what_cannot_be_read(data: Data) -> None:
    table = data.test.copy()
    table.loc[3, "path"] = table.loc[3, "path"].with_name("absente.png")
    readable, found = ablation.signals_of_test(dataclasses.replace(data, test=table), {}, SIDE)
    assert len(readable.test) == len(found[BASELINE]) == 9
    assert readable.test["path"].tolist() == table["path"].drop(3).tolist()


def test_choices_transfer_when_variants_are_ranked_alike() -> None:
    values = np.array([0.5, 0.9, 0.7, 0.6])
    table = pd.DataFrame({"image": values, "pixel": values, "pro": values})
    table = table.assign(test_image=values**3, test_pixel=-values, test_pro=np.nan)
    found = ablation.transfer(table).set_index("measure")
    assert found["spearman"].to_dict() == pytest.approx({"image": 1, "pixel": -1})
    assert (found["variants"] == 4).all()
    assert ablation.transfer(table[MEASURES]).empty


# --- Trainings -------------------------------------------------------------------------------------------------------


def test_training_variants_differ_by_one_constant_each_from_a_retained_one() -> None:
    variants = list(ablation.training_variants(8, 1))
    retained = [asked for constant, _, asked in variants if constant == ablation.RETAINED]
    assert len({asked.task for asked in retained}) == len(retained)
    for constant, value, asked in variants:
        if constant != ablation.RETAINED:
            (reference,) = [kept for kept in retained if kept.task == asked.task]
            assert [name for name in vars(asked) if getattr(asked, name) != getattr(reference, name)] == [constant]
            assert value


@pytest.fixture
def one_task() -> Generator[None]:
    with only("colorization"), eager():
        yield


@pytest.mark.usefixtures("one_task", "work")
def test_trainings_are_compared_by_both_of_their_signals_on_the_same_defects(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = config(task="colorization", images_seen=8, epochs=1, start_from_mean=False)
    two = [(ablation.RETAINED, "", small), ("width", "4", dataclasses.replace(small, width=4))]
    monkeypatch.setattr(ablation, "training_variants", lambda images, epochs: iter(two))
    budget = dataclasses.replace(training.profile("essai"), painted=1)
    table = ablation.training_ablation(data, budget)
    assert table["constant"].tolist() == [ablation.RETAINED] * 3 + ["width"] * 3
    assert table["signal"].tolist() == [BASELINE, "colorization/error", "colorization/representation"] * 2
    assert table[MEASURES].apply(lambda column: column.between(0, 1).all()).all()
    rival = table[table["signal"] == BASELINE]
    assert rival[MEASURES].iloc[0].tolist() == rival[MEASURES].iloc[1].tolist()
    assert (table[MEASURES].iloc[1] != table[MEASURES].iloc[4]).any()
    names = []
    monkeypatch.setattr(ablation.grid, "evaluate", lambda project, name, points, work: names.append(name) or [])
    for asked in (budget, budget, dataclasses.replace(budget, painted=2)):
        ablation.training_ablation(data, asked)
    two.pop()
    ablation.training_ablation(data, budget)
    assert names[0] == names[1] and len(set(names)) == 3  # workers share it if nothing differs
