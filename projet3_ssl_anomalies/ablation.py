"""What could have been trained instead: other resolutions, masks and losses of inpainting, on synthetic defects.

Each variant is trained alike on four good images in five, and judged on the fifth, half of it painted with synthetic
defects. These are painted once, at 256 pixels, so that every resolution is asked to find the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image

from projet3_ssl_anomalies import dataset, defects, evaluation, model
from projet3_ssl_anomalies.dataset import SIDE, Data
from projet3_ssl_anomalies.model import Config, Good

CELLS = {"fines seules": 0, "moyennes seules": 1, "grandes seules": 2}


def variants(images: int, epochs: int) -> Iterator[tuple[str, str, Config]]:
    """Yields the constant that changes, its value as shown, and the configuration; the retained one first."""
    common = {"task": "inpainting", "base": False, "images_seen": images, "epochs": epochs}
    yield "réglages retenus", "", Config(**common)
    yield "point de départ", "image moyenne", Config(**common | {"base": True})
    for side in (64, 96):
        yield "résolution (pixels)", f"{side}", Config(side=side, **common)
    for structure in (0.0, 0.1, 1.0):
        yield (
            "poids des structures dans la perte",
            f"{structure:g}".replace(".", ","),
            Config(structure=structure, **common),
        )
    yield "cellules par côté", "32, 16, 8", Config(cells=(32, 16, 8), **common)


def compare(data: Data, *, images: int, epochs: int, painted: int = 40, title: str = "") -> pd.DataFrame:
    """Trains the variants on a category and measures them.

    Args:
        data: the category.
        images: images seen by each variant.
        epochs: parts into which a training is cut.
        painted: held-out images on which defects are painted.
        title: shown with the progress.

    Returns:
        One row per variant: categorie, source, constante, valeur, `image` (image AUROC), `pixel` (pixel AUROC), `pro`
        (AU-PRO), and `secondes` of training.
    """
    full = dataset.read(data.train, SIDE)[1]
    held = evaluation.folds(np.zeros(len(full), int), 1) == 0
    unseen = np.flatnonzero(held)
    fakes = defects.paint(full[unseen[:painted]])
    rows = []
    for constant, value, config in variants(images, epochs):
        small = dataset.read(data.train, config.side)[1]
        count = int((~held).sum())
        good = Good(small[~held], np.full(count, data.category.varies), np.zeros(count, "int32"))
        run = model.train(config, good, title=f"{title}, {constant} {value}".rstrip())
        shrunk = _shrunk(fakes.images, config.side)
        every = run.model.sets
        for name, chosen in _sets(constant, every):
            run.model.sets = chosen
            row = {"categorie": data.category.name, "source": data.source}
            row |= {"constante": "masques de la notation" if name else constant, "valeur": name or value}
            row |= _measure(run.model, small[unseen], shrunk, fakes, data.category.aligned)
            rows.append(row | {"secondes": round(run.metrics["seconds"])})
    return pd.DataFrame(rows)


def _sets(constant: str, every: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yields all the sets of masks; for the retained variant, each size of cells alone too."""
    yield "", every
    if constant == "réglages retenus":
        yield from ((name, every[index : index + 1]) for name, index in CELLS.items())


def _shrunk(images: np.ndarray, side: int) -> np.ndarray:
    resized = (Image.fromarray(image).resize((side, side), Image.Resampling.BOX) for image in images)
    return np.stack([np.asarray(image) for image in resized])


def _measure(
    trained, good: np.ndarray, shrunk: np.ndarray, fakes: defects.Defective, aligned: bool
) -> dict[str, float]:
    scorer = model.Scorer(trained)  # a new one: its sets may have changed
    errors, bad = (model.error_maps(scorer, images) for images in (good, shrunk))
    found = evaluation.on_synthetic(*evaluation.judge(errors, bad, aligned=aligned), fakes)
    return {name: found[name] for name in ("image", "pixel", "pro")}
