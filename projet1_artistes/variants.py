"""Choices between networks, made on the validation part: what `--choix` compares, and `reference/choix.csv`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd

from commun import results
from projet1_artistes import REFERENCE, dataset, evaluation, training, transfer
from projet1_artistes.dataset import Data
from projet1_artistes.split import TRAINING, VALIDATION
from projet1_artistes.training import Config, Profile

RECORD = REFERENCE / "choix.csv"
FROZEN = {"fige": 224, "fige_256": 256}  # side at which the frozen network sees works, in pixels
MEASURES = ("accuracy", "macro_f1")
DRAWS = 500  # of their intervals


def configurations(full: Profile) -> dict[str, Config]:
    """Returns the configurations that are compared, by name: "zero..." from scratch, the others pre-trained."""
    scratch, whole, last = full.config, full.transfer, full.last_stages()
    replace = dataclasses.replace
    large = replace(scratch, images_seen=2 * scratch.images_seen, image_side=256, train_side=128, side=160)
    fine = replace(large, side=224, transforms=replace(scratch.transforms, scale=(0.2, 0.5)))  # details as they are
    return {
        "etages": last,
        "etages_trois": replace(last, frozen_until="stage_3"),
        "etages_normalisation": replace(last, frozen_normalisation=True),
        "tout": whole,
        "tout_normalisation": replace(whole, frozen_normalisation=True),
        "tout_uniforme": replace(whole, layer_decay=1.0),
        "tout_prudent": replace(whole, layer_decay=0.5),
        "tout_lent": replace(whole, learning_rate=whole.learning_rate / 3),
        "tout_rapide": replace(whole, learning_rate=2 * whole.learning_rate),
        "tout_long": replace(whole, images_seen=2 * whole.images_seen),
        "tout_grand": replace(whole, train_side=224),
        "tout_petit": replace(whole, train_side=160, side=224),
        "tout_sans_cutmix": replace(whole, cutmix_probability=0.0),
        "zero": scratch,
        "zero_grand": large,
        "zero_fin": fine,
        "zero_fin_cutmix": replace(fine, cutmix_probability=1.0),
        "zero_fin_profond": replace(fine, blocks=2, width=36),
        "zero_fin_petit": replace(fine, train_side=96, transforms=replace(scratch.transforms, scale=(0.1, 0.3))),
    }


def measure(data: Data, name: str, config: Config | None) -> dict[str, object]:
    """Trains a variant on the training part; returns its line of `choix.csv`: what it is worth on the validation part.

    Args:
        data: the paintings; the test part is not read.
        name: of the variant, a key of `FROZEN` or of `configurations`.
        config: None for a key of `FROZEN`.
    """
    rows, others, classes = data.rows(TRAINING), data.rows(VALIDATION), len(data.artists)
    about = {"variant": name, "part": VALIDATION}
    if config is None:
        side = FROZEN[name]
        features = transfer.features(dataset.pictures(data, side), side)
        probabilities = transfer.linear_head(features, data.labels, rows, others, classes=classes)
    else:
        images = dataset.pictures(data, config.image_side)
        run = training.train(config, images, data.labels, rows, others, classes=classes, title=name)
        probabilities = training.classifier(run.model, config, data.names).predict(images[others])
        about |= {"seed": config.seed, "images_seen": config.images_seen, "seconds": round(run.metrics["seconds"])}
    top = evaluation.top3(probabilities)
    measures = evaluation.measures(top, data.labels[others], data.groups[others], draws=DRAWS)
    for measured in MEASURES:
        about |= dict(zip((measured, f"{measured}_low", f"{measured}_high"), measures[measured], strict=True))
    return about | {"n": len(others), "hardware": results.hardware()}


def recorded(path: Path | None = None) -> pd.DataFrame:
    """Returns what `choix.csv` says of the real validation part, the most accurate first.

    Returns:
        One row a variant, its longest training, of its first seed; the columns are those of `experiments.summary`
        (`n`, `accuracy` and `macro_f1` with their bounds), and `images_seen`: missing where no network was trained.
        Without a row if there is no such file.
    """
    path, bounds = path or RECORD, ("", "_low", "_high")
    columns = ["n", *(f"{name}{bound}" for name in MEASURES for bound in bounds), "images_seen"]
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    rows = pd.read_csv(path)
    rows = rows[rows["part"] == VALIDATION].sort_values(["images_seen", "seed"], ascending=[False, True], kind="stable")
    rows = rows.drop_duplicates("variant")
    rows = rows.sort_values("accuracy", ascending=False, kind="stable")
    return rows.set_index("variant")[columns].rename_axis(None)


def record(line: dict[str, object], path: Path | None = None) -> None:
    """Adds a line to `reference/choix.csv`; it replaces that of the same variant, length and seed."""
    path = path or RECORD
    rows = pd.DataFrame([line]).round(4)
    if path.is_file():
        rows = pd.concat([pd.read_csv(path), rows])
    keys = [name for name in ("variant", "images_seen", "seed") if name in rows]
    rows.drop_duplicates(keys, keep="last").to_csv(path, index=False)
