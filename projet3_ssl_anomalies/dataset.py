"""Photographs of parts for inspection: the categories, their files and masks, what is wrong with them, what they show.

A category is a folder in the layout of MVTec AD (Bergmann et al., CVPR 2019) or of AutoVI (Carvalho et al., 2024):

    train/good/<stem>.png                      parts without defect, all that a model learns from
    test/good/<stem>.png                       others, unseen
    test/<defect>/<stem>.png                   parts with a defect of this type
    ground_truth/<defect>/<stem>_mask.png      MVTec AD: one mask an image
    ground_truth/<defect>/<stem>/0000.png      AutoVI: a folder an image, in it one mask a defect
    defects_config.json                        AutoVI: when a defect counts as found

Both kinds of masks are read in both datasets. Tables have one row an image; arrays follow their rows.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commun import UserError, datasets, figures
from commun.datasets import Location
from commun.images import read_images
from projet3_ssl_anomalies import PROJECT, sample
from projet3_ssl_anomalies.files import GREY, Saturation, index, nothing_to_learn, saturations
from projet3_ssl_anomalies.mask_files import Mask, read_mask, shrink
from projet3_ssl_anomalies.metrics import Region

SIDE = 256  # pixels: the side at which images are compared, masks measured and maps scored
DATASETS = ("mvtec_ad", "autovi")
MINIMUM_GOOD = 5  # good test images; with fewer, some training images are held out


@dataclasses.dataclass(frozen=True)
class Category:
    """A kind of part.

    Attributes:
        name: the folder's.
        dataset: "mvtec_ad" or "autovi".
        title: French name.
        varies: the part really lies in any direction, so that flips and rotations are as natural as the images.
        official: numbers of images of the official copy: train, test without defect, test with.
    """

    name: str
    dataset: str
    title: str
    varies: bool = False
    official: tuple[int, int, int] | None = None


CATEGORIES = {
    category.name: category
    for category in (
        Category("bottle", "mvtec_ad", "bouteille", official=(209, 20, 63)),
        Category("hazelnut", "mvtec_ad", "noisette", varies=True, official=(391, 40, 70)),
        Category("capsule", "mvtec_ad", "gélule", official=(219, 23, 109)),
        Category("pill", "mvtec_ad", "comprimé", official=(267, 26, 141)),
        Category("toothbrush", "mvtec_ad", "brosse à dents", official=(60, 12, 30)),
        Category("engine_wiring", "autovi", "faisceau moteur", official=(285, 285, 322)),
    )
}

DEFECTS = {
    "good": "sans défaut",
    "broken_large": "grande casse",
    "broken_small": "petite casse",
    "contamination": "contamination",
    "crack": "fissure",
    "cut": "coupure",
    "hole": "trou",
    "print": "impression",
    "faulty_imprint": "impression fautive",
    "poke": "perforation",
    "scratch": "rayure",
    "squeeze": "écrasement",
    "color": "couleur",
    "combined": "défauts réunis",
    "pill_type": "autre comprimé",
    "defective": "défectueuse",
    "fastening": "fixation",
    "multiple": "défauts multiples",
    "blue_hoop": "collier bleu",
    "cardboard": "carton",
    "obstruction": "obstruction",
}


def defect_title(name: str) -> str:
    """Returns the French name of a defect type; an unknown one keeps its folder's."""
    return DEFECTS.get(name, name)


# --- Categories ------------------------------------------------------------------------------------------------------


def available() -> dict[str, str]:
    """Returns the real categories found on disk, declared here or not: name -> dataset. The sample is not drawn.

    Raises:
        UserError: some lie too deep in the folder of their dataset.
    """
    found: dict[str, str] = {}
    for dataset in DATASETS:
        found |= {name: dataset for name in datasets.categories(dataset) if name not in found}
    return found


def category(name: str) -> Category:
    """Returns a declared category, or any other that is on disk.

    Raises:
        UserError: there is none of this name; the message lists those that there are.
    """
    real, declared = available(), CATEGORIES.get(name)
    if name in real:
        return dataclasses.replace(declared or Category(name, "", title=name), dataset=real[name])
    if declared:
        return declared
    raise UserError(
        f"Catégorie inconnue : « {name} ». Possibles : {', '.join({**CATEGORIES, **real})}. Pour en ajouter "
        f"une, rangez-la dans {DATASETS[0]}/<nom>/, avec ses dossiers train, test et ground_truth (data/README.md)."
    )


def categories(text: str) -> tuple[Category, ...]:
    """Returns the categories that a parameter names, separated by commas.

    An empty text stands for the real categories that are on disk or, without any, for the five of the sample.

    Raises:
        UserError: a name is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(category(name) for name in dict.fromkeys(names or available() or sample.CATEGORIES))


# --- Files -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Data:
    """A category, its tables and what there is to say about it. See `files.index` for the tables."""

    category: Category
    location: Location
    train: pd.DataFrame
    test: pd.DataFrame
    problems: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The French word that goes with every figure: real images or those of the sample."""
        return "réel" if self.location.is_real else "échantillon"

    @property
    def saturations(self) -> dict[int, Saturation]:
        """When its defects count as found, by level of their masks; empty without a readable `defects_config.json`."""
        return saturations(self.location.folder)


def load(name: str) -> Data:
    """Finds a category, real where it is on disk and otherwise drawn, and lists its files; no pixel is read.

    Raises:
        UserError: the category is unknown, or has no training image.
    """
    wanted = category(name)
    location = datasets.locate(wanted.dataset, draw=functools.partial(sample.draw, category=name), category=name)
    train, test, problems = index(location.folder)
    if train.empty:
        raise nothing_to_learn(location.folder)
    counts = (len(train), int((~test["is_defect"]).sum()), int(test["is_defect"].sum()))
    notes = (f"« {name} » : {GREY}.",) if (problems["what"] == GREY).any() else ()
    if location.is_real and wanted.official not in (None, counts):
        here, official = (" / ".join(map(str, numbers)) for numbers in (counts, wanted.official))
        notes += (
            f"« {name} » n'a pas les nombres d'images du jeu officiel (apprentissage, test sans défaut, test avec) : "
            f"{here} au lieu de {official}.",
        )
    return hold_out(Data(wanted, location, train, test, problems, notes))


def hold_out(data: Data) -> Data:
    """Moves every fifth training image to the test part, and says so, if that has too few good images."""
    good = int((~data.test["is_defect"]).sum())
    if good >= MINIMUM_GOOD or len(data.train) < MINIMUM_GOOD:
        return data
    fifth = np.arange(len(data.train)) % 5 == 0
    moved = data.train[fifth].assign(defect="good", is_defect=False, masks=[()] * int(fifth.sum()))
    note = (
        f"« {data.category.name} » n'a que {good} image{'s' if good > 1 else ''} de test sans défaut : une image "
        f"d'apprentissage sur cinq ({len(moved)} en tout) passe dans le test, et aucun modèle n'en apprend rien."
    )
    test = pd.concat([moved, data.test], ignore_index=True)[list(data.test)].astype({"is_defect": bool})
    train = data.train[~fifth].reset_index(drop=True)
    return dataclasses.replace(data, train=train, test=test, notes=(*data.notes, note))


def location(datas: Sequence[Data]) -> Location:
    """Returns one location for the card of a notebook that handles several categories; real if any of them is."""
    titles = []
    for real in (True, False):
        if of_source := [data for data in datas if data.location.is_real == real]:
            sets = dict.fromkeys(data.location.title for data in of_source)
            titles.append(f"{' et '.join(sets)} ({', '.join(data.category.name for data in of_source)})")
    is_real = any(data.location.is_real for data in datas)
    return Location(datas[0].location.folder, is_real, " ; échantillon synthétique : ".join(titles), _warning(datas))


def opening_sentence(datas: Sequence[Data]) -> str:
    """Returns the French sentences that open a notebook: where the images come from, and what to know of them."""
    parts = []
    for real, source in ((True, "jeu réel"), (False, "**échantillon synthétique**, dessiné par le projet")):
        if of_source := [data for data in datas if data.location.is_real == real]:
            names = ", ".join(f"{data.category.title} (*{data.category.name}*)" for data in of_source)
            count = sum(len(data.train) + len(data.test) for data in of_source)
            parts.append(f"{names} : {source}, {figures.number(count)} images.")
    parts += [f"**Attention** : {warning}"] if (warning := _warning(datas)) else []
    return "Données : " + " ".join([*parts, *(note for data in datas for note in data.notes)])


def _warning(datas: Sequence[Data]) -> str:
    return " ".join(dict.fromkeys(data.location.warning for data in datas if data.location.warning))


# --- Pixels ----------------------------------------------------------------------------------------------------------


def read(table: pd.DataFrame, side: int = SIDE) -> tuple[pd.DataFrame, np.ndarray]:
    """Decodes the images of a table; those that can't be decoded are dropped from the table too (`check` lists them).

    Returns:
        The table without them, its index 0..n-1, and its images: uint8, shape (n, side, side, 3), on disk rather than
        in memory, read-only.

    Raises:
        UserError: no image can be decoded.
    """
    images, unreadable = read_images(list(table["path"]), side, project=PROJECT)
    if unreadable and not len(images):
        path, reason = next(iter(unreadable.items()))
        raise UserError(f"Aucune des {len(table)} images ne se décode ; la première, {path} : {reason}. Remplacez-les.")
    return table[~table["path"].isin(list(unreadable))].reset_index(drop=True), images


def masks(table: pd.DataFrame, side: int = SIDE) -> np.ndarray:
    """Returns where the defects of test images are, the union of each one's masks: bool, shape (n, side, side).

    A pixel is inside if half of what it covers is; a defect too small for that keeps the pixels that it fills the most.
    A defective image whose masks are missing, empty or unreadable has an empty row: where its defect is isn't known,
    and what is measured by pixel must leave it out (`intervals.without_mask`).
    """
    truth = np.zeros((len(table), side, side), bool)
    for row, paths in enumerate(table["masks"]):
        for mask in _read_masks(paths):
            truth[row] |= shrink(mask.labels > 0, side)
    return truth


def defect_regions(table: pd.DataFrame, side: int, config: dict[int, Saturation]) -> list[Region]:
    """Returns the defects of test images as AU-sPRO counts them, one for each level of each mask file.

    `image` is the table's row. The level picks its entry of `config` (see `files.saturations`). A relative threshold is
    a share of the defect's area on the map: the saturation is `int(threshold * area)`. An absolute one is a number of
    pixels of the original image, scaled to the map's side, and at most the area. A level without an entry saturates at
    the whole area. Definition: P. Carvalho et al., github.com/phcarval/autovi_evaluation_code.
    """
    regions = []
    for row, paths in enumerate(table["masks"]):
        for mask, value in ((m, value) for m in _read_masks(paths) for value in m.values):
            pixels = np.flatnonzero(shrink(mask.labels == value, side))
            threshold, relative = config.get(value, Saturation(1.0, True))
            scale = side**2 / mask.labels.size  # pixels of the map for one of the file
            area = threshold * len(pixels) if relative else min(threshold * scale, len(pixels))
            regions.append(Region(row, pixels, max(1, int(area))))
    return regions


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns at most `count` rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]


def _read_masks(paths: Sequence[Path]) -> list[Mask]:
    """Returns the masks of an image; none at all if one can't be read, for the truth would be partial."""
    try:
        return [read_mask(path) for path in paths]
    except ValueError:
        return []
