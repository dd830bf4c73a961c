"""What other constants of scoring, or other trainings, would be worth: on synthetic defects, never on the test part.

They are painted on the good images that the models did not see. `python -m projet3_ssl_anomalies` writes the ablation
of scoring of each detector of `reference/`, to which it adds, once everything is chosen, what the same variants are
worth on the test part: does what wins on synthetic defects win on real ones? With `--essais`, it prints an ablation of
trainings instead.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import pandas as pd

from commun import grid
from commun.sources import code_hash
from commun.training import config_hash, fingerprint
from projet3_ssl_anomalies import PROJECT, dataset, detector, metrics, training
from projet3_ssl_anomalies.dataset import SIDE, Data
from projet3_ssl_anomalies.detector import MEASURES, HeldOut, Maps, anomaly_maps, on_synthetic
from projet3_ssl_anomalies.intervals import without_mask
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.signals import BASELINE, ERROR, REPRESENTATION, signals
from projet3_ssl_anomalies.statistics import CANDIDATES, SCORING, ScoringConfig, enlarge, fuse, image_scores
from projet3_ssl_anomalies.training import Config, Profile

RETAINED = "retained"  # the constant of the rows where nothing changes
ALONE, WEIGHTS = "alone", "weights"

# --- Constants of scoring --------------------------------------------------------------------------------------------

_VALUES = {
    "map_sigma": (0, 4, 6, 8),
    "top_fraction": (0.001, 0.003, 0.01, 0.05),
    "shrinkage": (0.1, 0.25, 1, 4),
}
_BANKED = (  # shares of the bank
    {},
    {REPRESENTATION: 0.5},
    {ERROR: 0.5, REPRESENTATION: 0.5},
    {ERROR: 0.5, REPRESENTATION: 1.0},
    {ERROR: 1.0, REPRESENTATION: 1.0},
    {BASELINE: 0.5, ERROR: 0.5, REPRESENTATION: 0.5},
    {BASELINE: 1.0, ERROR: 1.0, REPRESENTATION: 1.0},
)
_KINDS = {  # weights of the kinds of signals
    "baseline, error": {REPRESENTATION: 0},
    "baseline, representation": {ERROR: 0},
    "error, representation": {BASELINE: 0},
    "representation = 2": {REPRESENTATION: 2},
    "error = 1": {ERROR: 1},
    "error = 4": {ERROR: 4},
    "baseline = 2": {BASELINE: 2},
    "baseline = 20": {BASELINE: 20},
}


def scoring_variants(
    names: Sequence[str], retained: ScoringConfig = SCORING
) -> Iterator[tuple[str, str, ScoringConfig]]:
    """Yields the constant that changes, its value as a text, and the configuration, the others as retained.

    Args:
        names: of the signals; each is tried alone, the rival without a network among them, then each task is left out.
        retained: the configuration of the first row.
    """
    replace = dataclasses.replace
    yield RETAINED, "", retained
    for name in names:
        yield ALONE, name, replace(retained, weights={other: float(other == name) for other in names})
    for task in PRETEXTS:
        without = {name: 0.0 for name in names if name.startswith(f"{task}/")}
        if without:
            yield "without", task, replace(retained, weights={**retained.weights, **without})
    for value, weights in _KINDS.items():
        yield WEIGHTS, value, replace(retained, weights={**retained.weights, **weights})
    for name, candidate in CANDIDATES.items():
        yield "candidate", name, candidate
    for banked in _BANKED:
        value = " ; ".join(f"{kind} = {share:g}" for kind, share in banked.items())
        yield "banked", value or "–", replace(retained, banked=banked)
    for fusion in ("arithmetic", "geometric"):
        yield "fusion", fusion, replace(retained, fusion=fusion)
    for constant, values in _VALUES.items():
        for value in values:
            yield constant, f"{value:g}", replace(retained, **{constant: value})


def scoring_ablation(data: Data, unseen: HeldOut, retained: ScoringConfig) -> pd.DataFrame:
    """Measures variants of scoring on synthetic defects painted on good images that the models did not see.

    Args:
        data: the category.
        unseen: its good parts held out, and the same with synthetic defects.
        retained: the configuration of the first row.

    Returns:
        One row a variant: category, source ("real" or "sample"), constant, value, is_retained (whether the variant
        comes to the retained configuration), and the measures of `on_synthetic`.
    """
    painted, rows = unseen.painted, []
    for constant, value, scoring in scoring_variants(list(unseen.good), retained):
        row = {"category": data.category.name, "source": "real" if data.location.is_real else "sample"}
        row |= {"constant": constant, "value": value, "is_retained": scoring == retained}
        maps = (fuse(maps, scoring) for maps in (unseen.good_maps(scoring), unseen.painted_maps(scoring)))
        rows.append(row | on_synthetic(*maps, painted.masks, painted.defect_types, scoring=scoring))
    return pd.DataFrame(rows)


def ablation_on_test(data: Data, unseen: HeldOut, found: Maps, retained: ScoringConfig) -> pd.DataFrame:
    """Measures the same variants on the test part, which chooses none of them.

    Args:
        data: the category.
        unseen: what says what is normal.
        found: the signals of its test part.
        retained: the configuration of the first row.

    Returns:
        One row a variant: constant, value, and `test_` before the names of `MEASURES`.
    """
    table = data.test
    is_defect, masks = table["is_defect"].to_numpy(bool), dataset.masks(table, SIDE)
    rows = []
    for constant, value, scoring in scoring_variants(list(unseen.good), retained):
        maps = fuse(anomaly_maps(found, unseen.normals(scoring), scoring), scoring)
        scores = image_scores(maps, scoring)
        row = {"constant": constant, "value": value, "test_image": metrics.image_auroc(scores, is_defect)}
        if masks.any():
            seen = ~without_mask(is_defect, masks)
            large = enlarge(maps[seen])
            row["test_pixel"] = metrics.pixel_auroc(large, masks[seen])
            row["test_pro"] = metrics.au_pro(large, masks[seen])
        rows.append(row)
    return pd.DataFrame(rows)


def transfer(table: pd.DataFrame) -> pd.DataFrame:
    """Returns how alike the variants are ranked on synthetic defects and on the test part.

    Args:
        table: of `scoring_ablation`, with the columns of `ablation_on_test`; one category.

    Returns:
        One row a measure that both have: measure, variants, and Spearman's rank correlation.
    """
    from scipy.stats import spearmanr

    rows = []
    for measure in MEASURES:
        column = f"test_{measure}"
        if column in table and table[column].notna().all():
            correlation = spearmanr(table[measure], table[column]).statistic
            rows.append({"measure": measure, "variants": len(table), "spearman": float(correlation)})
    return pd.DataFrame(rows)


# --- Trainings -------------------------------------------------------------------------------------------------------


def training_variants(images: int, epochs: int) -> Iterator[tuple[str, str, Config]]:
    """Yields the constant that changes, its value as a text, and the configuration; those of reference first.

    Args:
        images: images seen by each.
        epochs: parts into which a training is cut.
    """
    common = {"start_from_mean": False, "images_seen": images, "epochs": epochs}
    budget = Profile(128, images, epochs, False, 0, 0, 0)
    for task, config in training.configurations(budget, side=128).items():
        yield RETAINED, task, dataclasses.replace(config, images_seen=images)
    for structure in (0.0, 0.1, 1.0):
        yield "structure", f"{structure:g}", Config(structure=structure, **common)
    yield "cells", "32/16/8", Config(cells=(32, 16, 8), **common)
    for width in (8, 20):
        yield "width", f"{width}", Config(width=width, **common)


def training_ablation(data: Data, budget: Profile, *, title: str = "") -> pd.DataFrame:
    """Trains the variants on half of the good parts, and measures both of their signals on the other half.

    Args:
        data: the category.
        budget: images seen by each variant, side, epochs.
        title: shown with the progress; nothing is shown if empty.

    Returns:
        One row per variant and signal: category, constant, value, signal, `image`, `pixel`, `pro`, and `seconds` of
        training.
    """
    learnt, _ = training.halves(data, budget)
    variants = [
        (constant, value, dataclasses.replace(config, side=learnt.images.shape[1]))
        for constant, value, config in training_variants(budget.images, budget.epochs)
    ]

    def measured(variant: tuple[str, str, Config]) -> list[dict]:
        constant, value, config = variant
        run = training.train(config, learnt, title=f"{title}, {constant} {value}" if title else "")
        table = signals_alone(detector.held_out({config.task: run.model}, data, budget))
        row = {"category": data.category.name, "constant": constant, "value": value}
        seconds = round(run.metrics["seconds"])
        return [row | of_signal | {"seconds": seconds} for of_signal in table.to_dict("records")]

    identity = {
        "code": code_hash(measured, *PRETEXTS.values()),
        "data": [data.category.name, fingerprint(learnt.images)],
        "budget": dataclasses.asdict(budget),
        "variants": [(constant, value, dataclasses.asdict(config)) for constant, value, config in variants],
    }
    rows = grid.evaluate(PROJECT, config_hash(identity), variants, measured)
    return pd.DataFrame(itertools.chain.from_iterable(rows))


def signals_alone(unseen: HeldOut, scoring: ScoringConfig = SCORING) -> pd.DataFrame:
    """Measures each signal alone on synthetic defects: one row a signal, `signal`, `image`, `pixel` and `pro`."""
    good, bad = unseen.good_maps(scoring), unseen.painted_maps(scoring)
    truth = (unseen.painted.masks, unseen.painted.defect_types)
    rows = {name: on_synthetic(good[name], bad[name], *truth, scoring=scoring) for name in good}
    return pd.DataFrame([{"signal": name, **{m: row[m] for m in MEASURES}} for name, row in rows.items()])


def signals_of_test(data: Data, models: dict, side: int) -> tuple[Data, Maps]:
    """Returns a category without the test images that can't be read, and the signals of the others."""
    table, images = dataset.read(data.test, side)
    return dataclasses.replace(data, test=table), signals(models, images)
