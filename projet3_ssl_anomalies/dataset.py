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
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from commun import UserError, datasets, figures
from commun.datasets import Location
from commun.images import decode, read_images, size
from projet3_ssl_anomalies import PROJECT, sample
from projet3_ssl_anomalies.metrics import Region

SIDE = 256  # pixels: the side at which images are compared, masks measured and maps scored
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
DATASETS = ("mvtec_ad", "autovi")
CONFIG = "defects_config.json"
MINIMUM_GOOD = 5  # good test images; with fewer, some training images are held out


@dataclasses.dataclass(frozen=True)
class Category:
    """A kind of part.

    Attributes:
        name: the folder's.
        dataset: "mvtec_ad" or "autovi".
        title: French name.
        aligned: a pixel sees the same spot of the part on all images, give or take a few pixels.
        varies: the part really lies in any direction, so that flips and rotations are as natural as the images.
        official: numbers of images of the official copy: train, test without defect, test with.
    """

    name: str
    dataset: str
    title: str
    aligned: bool = False
    varies: bool = False
    official: tuple[int, int, int] | None = None


CATEGORIES = {
    category.name: category
    for category in (
        Category("bottle", "mvtec_ad", "bouteille", aligned=True, official=(209, 20, 63)),
        Category("hazelnut", "mvtec_ad", "noisette", varies=True, official=(391, 40, 70)),
        Category("capsule", "mvtec_ad", "gélule", aligned=True, official=(219, 23, 109)),
        Category("toothbrush", "mvtec_ad", "brosse à dents", aligned=True, official=(60, 12, 30)),
        Category("engine_wiring", "autovi", "faisceau moteur", aligned=True, official=(285, 285, 322)),
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


def available() -> dict[str, Location]:
    """Returns the real categories found on disk, declared here or not: name -> location. The sample is not drawn."""
    locations: dict[str, Location] = {}
    for root in datasets.data_roots():
        for name in DATASETS:
            for folder in _folders(root / name):
                if (folder / "train").is_dir() or (folder / "test").is_dir():
                    locations.setdefault(folder.name, Location(folder, True, datasets.dataset(name).title))
    return locations


def category(name: str) -> Category:
    """Returns a declared category, or any other that is on disk.

    Raises:
        UserError: there is none of this name; the message lists those that there are.
    """
    locations, declared = available(), CATEGORIES.get(name)
    if name in locations:
        dataset = locations[name].folder.parent.name
        return dataclasses.replace(declared or Category(name, dataset, title=name), dataset=dataset)
    if declared:
        return declared
    raise UserError(
        f"Catégorie inconnue : « {name} ». Possibles : {', '.join({**CATEGORIES, **locations})}. Pour en ajouter "
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
    """A category, its tables and what there is to say about it. See `index` for the tables."""

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


def load(name: str) -> Data:
    """Finds a category, real where it is on disk and otherwise drawn, and lists its files; no pixel is read.

    Raises:
        UserError: the category is unknown, or has no training image.
    """
    wanted = category(name)
    location = datasets.locate(wanted.dataset, draw=functools.partial(sample.draw, category=name), category=name)
    train, test, problems = index(location.folder)
    if train.empty:
        raise UserError(
            f"{location.folder / 'train' / 'good'} ne contient aucune image lisible : il n'y a rien à apprendre. "
            "Placez-y les images sans défaut, ou retirez ce dossier pour travailler sur l'échantillon."
        )
    counts = (len(train), int((~test["is_defect"]).sum()), int(test["is_defect"].sum()))
    notes = ()
    if location.is_real and wanted.official not in (None, counts):
        here, official = (" / ".join(map(str, numbers)) for numbers in (counts, wanted.official))
        notes = (
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
        f"« {data.category.name} » n'a que {good} image(s) de test sans défaut : une image d'apprentissage sur cinq "
        f"({len(moved)} en tout) passe dans le test, et aucun modèle n'en apprend rien."
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
    return Location(datas[0].location.folder, is_real, " ; échantillon synthétique : ".join(titles))


def opening_sentence(datas: Sequence[Data]) -> str:
    """Returns the French sentences that open a notebook: where the images come from, and what to know of them."""
    parts = []
    for real, source in ((True, "jeu réel"), (False, "**échantillon synthétique**, dessiné par le projet")):
        if of_source := [data for data in datas if data.location.is_real == real]:
            names = ", ".join(f"{data.category.title} (*{data.category.name}*)" for data in of_source)
            count = sum(len(data.train) + len(data.test) for data in of_source)
            parts.append(f"{names} : {source}, {figures.number(count)} images.")
    return "Données : " + " ".join([*parts, *(note for data in datas for note in data.notes)])


def index(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lists the files of a category's folder, and checks names and headers.

    A part that is absent gives an empty table. An image whose header can't be read is left out; a defective image with
    such a mask keeps no mask at all, for the truth would be partial.

    Returns:
        train: path, width, height (pixels).
        test: path, defect (folder's name, or "good"), is_defect, masks (tuple of paths), width, height.
        problems: file (relative to `folder`; "(tous)" for what concerns them all), what (in French).

    Raises:
        UserError: there is no image at all.
    """
    folder = Path(folder)
    problems: list[tuple[Path, str]] = []
    train = _table(_sized(_images(folder / "train" / "good", problems), problems))
    others = [path for path in _folders(folder / "train") if path.name != "good"]
    problems += [(path, "dossier ignoré : seul train/good sert à l'apprentissage") for path in others]
    loose = _images(folder / "test", problems, folders=True)
    problems += [(path, "image hors d'un dossier de type : ignorée") for path in loose]
    masks, rows = _masks(folder / "ground_truth", problems), []
    for defect in _folders(folder / "test"):
        is_defect = defect.name.casefold() != "good"
        for row in _sized(_images(defect, problems), problems):
            files = masks.pop((defect.name, row["path"].stem), []) if is_defect else []
            row |= {"defect": defect.name if is_defect else "good", "is_defect": is_defect}
            rows.append(row | {"masks": _fitting(files, row, problems)})
    problems += [(path, "masque sans image défectueuse : ignoré") for files in masks.values() for path in files]
    test = _table(rows, "defect", "is_defect", "masks").astype({"is_defect": bool})
    if train.empty and test.empty:
        raise UserError(
            f"{folder} ne contient aucune image rangée comme il faut : train/good/, test/good/, test/<défaut>/, et les "
            "masques dans ground_truth/<défaut>/. Voyez data/README.md."
        )
    problems += _overall(folder, train, test)
    named = [("(tous)" if path == folder else path.relative_to(folder).as_posix(), what) for path, what in problems]
    return train, test, pd.DataFrame(named, columns=["file", "what"], dtype=str)


def saturations(folder: Path) -> dict[int, Saturation]:
    """Reads a category's `defects_config.json`: grey value of a mask -> when such a defect counts as found.

    The result is empty where the file is absent or is not what it should be.
    """
    try:
        return {
            int(item["pixel_value"]): Saturation(float(item["saturation_threshold"]), bool(item["relative_saturation"]))
            for item in json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class Saturation(NamedTuple):
    """When a defect counts as found: a share of its area (`relative`), or a number of pixels of the original image."""

    threshold: float
    relative: bool


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[!.]*") if path.is_dir())


def _images(folder: Path, problems: list, *, folders: bool = False) -> list[Path]:
    """Returns the images of a folder, in order; hidden files are passed over, what else there is (folders) is noted."""
    images = []
    for path in sorted(folder.glob("[!.]*")):
        if path.is_dir():
            problems += [] if folders else [(path, "dossier inattendu : ignoré")]
        elif path.suffix.lower() in SUFFIXES:
            images.append(path)
        else:
            problems.append((path, "n'est pas un fichier d'image : ignoré"))
    return images


def _masks(folder: Path, problems: list) -> dict[tuple[str, str], list[Path]]:
    """Returns the mask files of both layouts: (defect, stem of the image) -> paths."""
    files: dict[tuple[str, str], list[Path]] = {}
    for defect in _folders(folder):
        for path in _images(defect, problems, folders=True):
            files.setdefault((defect.name, path.stem.removesuffix("_mask")), []).append(path)
        for inner in _folders(defect):
            files.setdefault((defect.name, inner.name), []).extend(_images(inner, problems))
    return files


def _sized(paths: Sequence[Path], problems: list) -> list[dict]:
    rows = []
    for path in paths:
        try:
            width, height = size(path)
            rows.append({"path": path, "width": width, "height": height})
        except ValueError as error:
            problems.append((path, f"{error} : laissé de côté"))
    return rows


def _table(rows: list[dict], *more: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", *more, "width", "height"])


def _fitting(files: list[Path], image: dict, problems: list) -> tuple[Path, ...]:
    """Returns the masks of an image, none if one can't be read, and notes those of another size."""
    rows = _sized(files, problems)
    for mask in rows:
        if (mask["width"], mask["height"]) != (image["width"], image["height"]):
            what = f"masque de {spelled_size(mask)} pour une image de {spelled_size(image)} : ramené à l'image"
            problems.append((mask["path"], what))
    return tuple(files) if len(rows) == len(files) else ()


def _overall(folder: Path, train: pd.DataFrame, test: pd.DataFrame) -> list[tuple[Path, str]]:
    """Returns what only shows when all the files are listed."""
    problems = []
    truth = folder / "ground_truth"
    unmasked = test["path"][test["is_defect"] & (test["masks"].map(len) == 0)]
    if len(unmasked) and not truth.is_dir():
        problems.append((truth, "dossier absent : pas de mesure par pixel"))
    else:
        what = "image défectueuse sans masque utilisable : hors des mesures par pixel"
        problems += [(path, what) for path in unmasked]
    if not (folder / CONFIG).exists():
        if any(mask.parent.parent != truth for masks in test["masks"] for mask in masks):  # the layout of AutoVI
            problems.append((folder / CONFIG, "absent : l'AU-sPRO ne se calcule pas"))
    elif not saturations(folder):
        problems.append((folder / CONFIG, "illisible : l'AU-sPRO ne se calcule pas"))
    sizes = pd.concat([train, test])[["width", "height"]].value_counts().reset_index()
    listed = ", ".join(f"{spelled_size(row)} ({row['count']} fois)" for _, row in sizes.head(4).iterrows())
    if len(sizes) > 1:
        problems.append((folder, f"{len(sizes)} tailles d'images : {listed}{', …' * (len(sizes) > 4)}"))
    if oblong := sizes["count"][sizes["width"] != sizes["height"]].sum():
        problems.append((folder, f"images non carrées, étirées en un carré : {oblong}"))
    return problems


def spelled_size(row: dict | pd.Series) -> str:
    """Returns the size of an image as it is shown: "900 × 900"."""
    return f"{row['width']} × {row['height']}"


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
    and what is measured by pixel must leave it out (`metrics.without_mask`).
    """
    truth = np.zeros((len(table), side, side), bool)
    for row, files in enumerate(table["masks"]):
        for mask in _read_masks(files, side):
            truth[row] |= mask.inside
    return truth


def defect_regions(table: pd.DataFrame, side: int, config: dict[int, Saturation]) -> list[Region]:
    """Returns the defects of test images as AU-sPRO counts them, one for each mask file; `image` is the table's row.

    The grey value of a mask picks its entry of `config` (see `saturations`). A relative threshold is a share of the
    defect's area on the map: the saturation is `int(threshold * area)`. An absolute one is a number of pixels of the
    original image, scaled to the map's side, and at most the area. A value without an entry saturates at the whole
    area. Definition: P. Carvalho et al., github.com/phcarval/autovi_evaluation_code.
    """
    regions = []
    for row, files in enumerate(table["masks"]):
        for mask in _read_masks(files, side):
            pixels = np.flatnonzero(mask.inside)
            threshold, relative = config.get(mask.value, Saturation(1.0, True))
            area = threshold * len(pixels) if relative else min(threshold * mask.scale, len(pixels))
            regions.append(Region(row, pixels, max(1, int(area))))
    return regions


def evenly_spaced(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns at most `count` rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]


class Mask(NamedTuple):
    """A mask file, brought to a side."""

    inside: np.ndarray  # bool, shape (side, side)
    value: int  # its grey level in the file
    scale: float  # pixels of the map for one of the file


def _read_masks(files: Sequence[Path], side: int) -> list[Mask]:
    """Returns the masks that are not empty; none at all if one can't be read, for the truth would be partial."""
    try:
        masks = [read_mask(path, side) for path in files]
    except ValueError:
        return []
    return [mask for mask in masks if mask.value]


def read_mask(path: Path, side: int = SIDE) -> Mask:
    """Reads a mask of any level; raises ValueError, as `decode` does."""
    levels = decode(path).max(axis=2)
    value = int(levels.max())
    inside = levels > value / 2  # a mask is of one level; others come from a resized or lossy copy
    share = np.asarray(Image.fromarray(inside.astype(np.float32)).resize((side, side), Image.Resampling.BOX))
    return Mask((share >= min(0.5, share.max())) & (share > 0), value, side**2 / levels.size)
