"""What is in a category, and what is wrong with it: files, masks, near-duplicates, counts, sizes of the defects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commun.images import decode, read_images
from projet3_ssl_anomalies import PROJECT, dataset
from projet3_ssl_anomalies.dataset import SIDE, Data, defect_title
from projet3_ssl_anomalies.files import CONFIG, GREY, spelled_size
from projet3_ssl_anomalies.mask_files import read_mask
from projet3_ssl_anomalies.metrics import regions

NEAR_DUPLICATE = 0.2  # see `near_duplicates`


def check(data: Data) -> pd.DataFrame:
    """Reads every image and every mask once; returns `data.problems` and what the pixels add: file, what."""
    problems = []
    for table in (data.train, data.test):
        images, unreadable = read_images(list(table["path"]), SIDE, project=PROJECT)
        problems += [(path, f"{reason} : laissé de côté") for path, reason in unreadable.items()]
        if table is data.train and not (data.problems["what"] == GREY).any() and all(map(_is_grey, images)):
            problems.append((data.location.folder, GREY))
    config = data.saturations
    for path in (path for paths in data.test["masks"] for path in paths):
        try:
            mask = read_mask(path)
        except ValueError as error:
            problems.append((path, f"{error} : image hors des mesures par pixel"))
            continue
        problems += [(path, mask.remark)] if mask.remark else []
        if config and (unknown := set(mask.values) - set(config)):
            levels = ", ".join(map(str, sorted(unknown)))
            problems.append((path, f"niveau de gris {levels} absent de {CONFIG}"))
    more = pd.DataFrame([(_short(data, path), what) for path, what in problems], columns=["file", "what"], dtype=str)
    return pd.concat([data.problems, more], ignore_index=True)


def _is_grey(image: np.ndarray) -> bool:
    return bool((image == image[..., :1]).all())


def near_duplicates(data: Data) -> pd.DataFrame:
    """Returns the test images that are, or nearly are, training images: a score on them would prove nothing.

    Parts on a line are all very alike, so the measure is relative. Between grey copies of 32 x 32 pixels, the distance
    is one minus the correlation, which ignores brightness and contrast; a test image is close to a training image when
    it is `NEAR_DUPLICATE` times nearer than a training image is, typically (median), to the nearest other. Measured on
    real bottles: copies recompressed or made 5 % brighter are at 0.1 or less, other photographs at 0.65 or more.

    Returns:
        test, train: files, relative to the category's folder, each test image with its nearest training image only.
        distance: as a share of the typical one, 0..`NEAR_DUPLICATE`.
        identical: whether the two files or their pixels are equal.
    """
    (train, train_images), (test, test_images) = dataset.read(data.train), dataset.read(data.test)
    known, seen = thumbnails(train_images), thumbnails(test_images)
    between = 1 - known @ known.T
    np.fill_diagonal(between, np.inf)
    typical = max(1e-9, float(np.median(between.min(axis=1)))) if len(train) > 1 else 1e-9
    rows = []
    distances = (1 - seen @ known.T) / typical
    for row, nearest in enumerate(distances.argmin(axis=1)):
        if distances[row, nearest] <= NEAR_DUPLICATE:
            pair = test["path"][row], train["path"][nearest]
            same = pair[0].read_bytes() == pair[1].read_bytes() or np.array_equal(*map(decode, pair))
            rows.append((*(_short(data, path) for path in pair), max(0.0, distances[row, nearest]), same))
    return pd.DataFrame(rows, columns=["test", "train", "distance", "identical"])


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Returns 32 x 32 grey copies, centred and of norm 1: shape (n, side, side, 3) to (n, 1024)."""
    count, side = images.shape[:2]
    block = side // 32
    copies = np.zeros((count, 1024))
    for row, image in enumerate(images):  # one at a time: they are on disk
        copies[row] = image.reshape(32, block, 32, block * 3).mean(axis=(1, 3)).ravel()
    copies -= copies.mean(axis=1, keepdims=True)
    return copies / np.maximum(np.linalg.norm(copies, axis=1, keepdims=True), 1e-9)


def counts(data: Data) -> pd.DataFrame:
    """Counts the images by part and type of defect: one row each, with the source of the category."""
    parts = {"apprentissage": data.train.assign(defect="good", masks=[()] * len(data.train)), "test": data.test}
    rows = []
    for part, table in parts.items():
        for name, group in sorted(table.groupby("defect"), key=lambda item: (item[0] != "good", item[0])):
            sizes = group[["width", "height"]].drop_duplicates()
            rows.append({
                "catégorie": data.category.title,
                "source": data.source,
                "partie": part,
                "type": defect_title(name),
                "images": len(group),
                "masques": int(group["masks"].map(len).sum()),
                "taille": spelled_size(sizes.iloc[0]) if len(sizes) == 1 else f"{len(sizes)} tailles",
            })
    return pd.DataFrame(rows)


def mask_areas(data: Data) -> pd.DataFrame:
    """Measures the defects: one row for each defective image whose masks are known.

    Returns:
        category, source, defect: French names.
        share: share of the image that the defects cover, 0..1.
        zones: number of separate zones (connected components).
    """
    bad = data.test[data.test["is_defect"]]
    truth = dataset.masks(bad)
    zones = np.bincount(np.array([zone.image for zone in regions(truth)], int), minlength=len(bad))
    return pd.DataFrame({
        "category": data.category.title,
        "source": data.source,
        "defect": bad["defect"].map(defect_title),
        "share": truth.mean(axis=(1, 2)),
        "zones": zones,
    })[zones > 0].reset_index(drop=True)


def problems_table(datas: Sequence[Data]) -> pd.DataFrame:
    """Returns what `check` found in several categories: catégorie, source, fichier, constat; "rien à signaler" else."""
    tables = []
    for data in datas:
        table = check(data)
        table = table if len(table) else pd.DataFrame({"file": ["–"], "what": ["rien à signaler"]})
        table = table.rename(columns={"file": "fichier", "what": "constat"})
        tables.append(table.assign(catégorie=data.category.title, source=data.source))
    return pd.concat(tables, ignore_index=True)[["catégorie", "source", "fichier", "constat"]]


def near_duplicates_table(datas: Sequence[Data]) -> pd.DataFrame:
    """Returns the near-duplicates of several categories, in French: see `near_duplicates`."""
    tables = [near_duplicates(data).assign(catégorie=data.category.title, source=data.source) for data in datas]
    table = pd.concat(tables, ignore_index=True)
    table["identical"] = table["identical"].map({True: "oui", False: "non"})
    names = {"test": "image de test", "train": "image d'apprentissage", "identical": "identique"}
    table = table.rename(columns=names)
    return table[["catégorie", "source", "image de test", "image d'apprentissage", "distance", "identique"]]


def _short(data: Data, path: Path) -> str:
    return "(tous)" if path == data.location.folder else path.relative_to(data.location.folder).as_posix()
