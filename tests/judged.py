"""Scores of drawn images, as a detector would give them, for the tests of what notebook 03 shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.signals import BASELINE, ERROR, REPRESENTATION, named

SIDE = 32
TASKS = tuple(PRETEXTS)
GOOD, CRACK, HOLE = [1.0, 2.0, 3.0, 4.0], [2.5, 9.0, 8.0], [6.0, 5.0]
DEFECTS, VALUES = ["crack"] * 3 + ["good"] * 4 + ["hole"] * 2, [*CRACK, *GOOD, *HOLE]


def entry(value: float, low: float = 0.25, high: float = 0.75) -> dict:
    """Returns a measure and its interval."""
    return {"value": value, "ci95": [low, high], "n": 9}


def made(
    defects: list[str] = DEFECTS,
    values: list[float] = VALUES,
    *,
    gain: tuple[float, float, float] = (0.0, -0.1, 0.1),
    representation: float = 0.9,
) -> Scores:
    """Returns scores of images; their maps are their score on a square, and 0 elsewhere.

    Args:
        defects: folder of each image.
        values: score of each.
        gain: in image AUROC over the rival, and its interval.
        representation: image AUROC of that of each task; of its error, .7; of the rival, .8.
    """
    n, values = len(values), np.array(values)
    table = pd.DataFrame({"path": [Path(f"{i}.png") for i in range(n)], "defect": defects, "score": values})
    table["is_defect"] = table["defect"] != "good"
    truth = np.zeros((n, 256, 256), bool)
    truth[table["is_defect"], 64:128, 32:96] = True
    names = (BASELINE, *TASKS, REPRESENTATION)
    alone = {BASELINE: 0.8, **dict.fromkeys(TASKS, 0.85)}
    for task in TASKS:
        alone |= {named(task, ERROR): 0.7, named(task, REPRESENTATION): representation}
    return Scores(
        table=table.assign(**{f"score_{name}": values for name in names}),
        maps=truth * values[:, None, None].astype("float32"),
        metrics={"image_auroc": entry(0.95), "au_spro": entry(1.0, 0.999, 1.0)},
        others={name: {"image_auroc": entry(0.1 * rank)} for rank, name in enumerate(names, 1)},
        gains={"image_auroc": entry(*gain)},
        signals=alone,
        left_out=(),
        images=np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 3), dtype="uint8"),
        truth=truth,
    )
