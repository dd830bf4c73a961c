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
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from PIL import Image
from scipy import ndimage

from commun import UserError, figures
from commun.datasets import Location, data_roots, entry, locate
from commun.images import decode, read_images, size
from projet3_ssl_anomalies import sample
from projet3_ssl_anomalies.metrics import Region, regions

PROJECT = "projet3_ssl_anomalies"  # folder of derived files
SIDE = 256  # pixels: the side at which images are compared, masks measured and maps scored
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
DATASETS = ("mvtec_ad", "autovi")
CONFIG = "defects_config.json"
MINIMUM_GOOD = 5  # good test images; with fewer, some training images are held out
OUTLINE = "#00c8ff"  # seen on dark, brown and white parts alike
NEAR = 0.4  # see `near_duplicates`


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
    found: dict[str, Location] = {}
    for root in data_roots():
        for dataset in DATASETS:
            for folder in _folders(root / dataset):
                if (folder / "train").is_dir() or (folder / "test").is_dir():
                    found.setdefault(folder.name, Location(folder, True, entry(dataset).title))
    return found


def category(name: str) -> Category:
    """Returns a declared category, or any other that is on disk.

    Raises:
        UserError: there is none of this name; the message lists those that there are.
    """
    found, declared = available(), CATEGORIES.get(name)
    if name in found:
        dataset = found[name].folder.parent.name
        return dataclasses.replace(declared or Category(name, dataset, title=name), dataset=dataset)
    if declared:
        return declared
    raise UserError(
        f"Catégorie inconnue : « {name} ». Possibles : {', '.join({**CATEGORIES, **found})}. Pour en ajouter "
        f"une, rangez-la dans {DATASETS[0]}/<nom>/, avec ses dossiers train, test et ground_truth (data/README.md)."
    )


def chosen(text: str) -> tuple[Category, ...]:
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
    kind = category(name)
    draw = functools.partial(sample.draw, category=name)
    location = locate(kind.dataset, draw=draw, version=sample.VERSION, category=name)
    train, test, problems = index(location.folder)
    if train.empty:
        raise UserError(
            f"{location.folder / 'train' / 'good'} ne contient aucune image lisible : il n'y a rien à apprendre. "
            "Placez-y les images sans défaut, ou retirez ce dossier pour travailler sur l'échantillon."
        )
    counts = (len(train), int((~test["is_defect"]).sum()), int(test["is_defect"].sum()))
    notes = ()
    if location.is_real and kind.official not in (None, counts):
        notes = (
            f"« {name} » n'a pas les nombres d'images du jeu officiel (apprentissage, test sans défaut, test avec) : "
            f"{_slashed(counts)} au lieu de {_slashed(kind.official)}.",
        )
    return hold_out(Data(kind, location, train, test, problems, notes))


def hold_out(data: Data, minimum: int = MINIMUM_GOOD) -> Data:
    """Moves every fifth training image to the test part, and says so, if that has fewer than `minimum` good images."""
    good = int((~data.test["is_defect"]).sum())
    if good >= minimum or len(data.train) < minimum:
        return data
    held = np.arange(len(data.train)) % 5 == 0
    moved = data.train[held].assign(defect="good", is_defect=False, masks=[()] * int(held.sum()))
    note = (
        f"« {data.category.name} » n'a que {good} image(s) de test sans défaut : une image d'apprentissage sur cinq "
        f"({len(moved)} en tout) passe dans le test, et aucun modèle n'en apprend rien."
    )
    test = pd.concat([moved, data.test], ignore_index=True)[list(data.test)].astype({"is_defect": bool})
    return dataclasses.replace(
        data, train=data.train[~held].reset_index(drop=True), test=test, notes=(*data.notes, note)
    )


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
    for other in _folders(folder / "train"):
        if other.name != "good":
            problems.append((other, "dossier ignoré : seul train/good sert à l'apprentissage"))
    loose = _images(folder / "test", problems, folders=True)
    problems += [(path, "image hors d'un dossier de type : ignorée") for path in loose]
    masks, rows = _masks(folder / "ground_truth", problems), []
    for kind in _folders(folder / "test"):
        is_defect = kind.name.casefold() != "good"
        for row in _sized(_images(kind, problems), problems):
            files = masks.pop((kind.name, row["path"].stem), []) if is_defect else []
            row |= {"defect": kind.name if is_defect else "good", "is_defect": is_defect}
            rows.append(row | {"masks": _fitting(files, row, problems)})
    problems += [(path, "masque sans image défectueuse : ignoré") for files in masks.values() for path in files]
    test = _table(rows, "defect", "is_defect", "masks").astype({"is_defect": bool})
    if train.empty and test.empty:
        raise UserError(
            f"{folder} ne contient aucune image rangée comme il faut : train/good/, test/good/, test/<défaut>/, et les "
            "masques dans ground_truth/<défaut>/. Voyez data/README.md."
        )
    problems += _overall(folder, train, test)
    shown = [("(tous)" if path == folder else path.relative_to(folder).as_posix(), what) for path, what in problems]
    return train, test, pd.DataFrame(shown, columns=["file", "what"], dtype=str)


def saturations(folder: Path) -> dict[int, Saturation]:
    """Reads a category's `defects_config.json`: grey value of a mask -> when such a defect counts as found.

    The result is empty where the file is absent or is not what it should be.
    """
    try:
        entries = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        return {
            int(item["pixel_value"]): Saturation(float(item["saturation_threshold"]), bool(item["relative_saturation"]))
            for item in entries
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
    found = []
    for path in sorted(folder.glob("[!.]*")):
        if path.is_dir():
            problems += [] if folders else [(path, "dossier inattendu : ignoré")]
        elif path.suffix.lower() in SUFFIXES:
            found.append(path)
        else:
            problems.append((path, "n'est pas un fichier d'image : ignoré"))
    return found


def _masks(folder: Path, problems: list) -> dict[tuple[str, str], list[Path]]:
    """Returns the mask files of both layouts: (defect, stem of the image) -> paths."""
    found: dict[tuple[str, str], list[Path]] = {}
    for kind in _folders(folder):
        for path in _images(kind, problems, folders=True):
            found.setdefault((kind.name, path.stem.removesuffix("_mask")), []).append(path)
        for inner in _folders(kind):
            found.setdefault((kind.name, inner.name), []).extend(_images(inner, problems))
    return found


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
    rows = _sized(files, problems)
    for mask in rows:
        if (mask["width"], mask["height"]) != (image["width"], image["height"]):
            what = f"masque de {_pixels(mask)} pour une image de {_pixels(image)} : ramené à l'image"
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
        problems += [
            (path, "image défectueuse sans masque utilisable : hors des mesures par pixel") for path in unmasked
        ]
    if not (folder / CONFIG).exists():
        if any(mask.parent.parent != truth for masks in test["masks"] for mask in masks):  # the layout of AutoVI
            problems.append((folder / CONFIG, "absent : l'AU-sPRO ne se calcule pas"))
    elif not saturations(folder):
        problems.append((folder / CONFIG, "illisible : l'AU-sPRO ne se calcule pas"))
    sizes = pd.concat([train, test])[["width", "height"]].value_counts().reset_index()
    listed = ", ".join(f"{_pixels(row)} ({row['count']} fois)" for _, row in sizes.head(4).iterrows())
    if len(sizes) > 1:
        problems.append((folder, f"{len(sizes)} tailles d'images : {listed}{', …' * (len(sizes) > 4)}"))
    oblong = sizes["count"][sizes["width"] != sizes["height"]].sum()
    if oblong:
        problems.append((folder, f"images non carrées, étirées en un carré : {oblong}"))
    return problems


def _pixels(row: dict | pd.Series) -> str:
    return f"{row['width']} × {row['height']}"


def _slashed(counts: Sequence[int]) -> str:
    return " / ".join(map(str, counts))


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


def defects(table: pd.DataFrame, side: int, config: dict[int, Saturation]) -> list[Region]:
    """Returns the defects of test images as AU-sPRO counts them, one for each mask file; `image` is the table's row.

    The grey value of a mask picks its entry of `config` (see `saturations`). A relative threshold is a share of the
    defect's area on the map: the saturation is `int(threshold * area)`. An absolute one is a number of pixels of the
    original image, scaled to the map's side, and at most the area. A value without an entry saturates at the whole
    area. Definition: P. Carvalho et al., github.com/phcarval/autovi_evaluation_code.
    """
    found = []
    for row, files in enumerate(table["masks"]):
        for mask in _read_masks(files, side):
            pixels = np.flatnonzero(mask.inside)
            threshold, relative = config.get(mask.value, Saturation(1.0, True))
            area = threshold * len(pixels) if relative else min(threshold * mask.scale, len(pixels))
            found.append(Region(row, pixels, max(1, int(area))))
    return found


class _Mask(NamedTuple):
    inside: np.ndarray  # bool, shape (side, side)
    value: int  # its grey level in the file
    scale: float  # pixels of the map for one of the file


def _read_masks(files: Sequence[Path], side: int) -> list[_Mask]:
    """Returns the masks that are not empty; none at all if one can't be read, for the truth would be partial."""
    try:
        found = [_read_mask(path, side) for path in files]
    except ValueError:
        return []
    return [mask for mask in found if mask.value]


def _read_mask(path: Path, side: int) -> _Mask:
    levels = decode(path).max(axis=2)
    value = int(levels.max())
    inside = levels > value / 2  # a mask is of one level; others come from a resized or lossy copy
    share = np.asarray(Image.fromarray(inside.astype(np.float32)).resize((side, side), Image.Resampling.BOX))
    return _Mask((share >= min(0.5, share.max())) & (share > 0), value, side**2 / levels.size)


# --- What is in a category -------------------------------------------------------------------------------------------


def check(data: Data, side: int = SIDE) -> pd.DataFrame:
    """Reads every image and every mask once; returns `data.problems` and what the pixels add: file, what."""
    problems = []
    for table in (data.train, data.test):
        unreadable = read_images(list(table["path"]), side, project=PROJECT)[1]
        problems += [(path, f"{reason} : laissé de côté") for path, reason in unreadable.items()]
    config = saturations(data.location.folder)
    for path in (path for files in data.test["masks"] for path in files):
        try:
            value = _read_mask(path, side).value
        except ValueError as error:
            problems.append((path, f"{error} : image hors des mesures par pixel"))
            continue
        if not value:
            problems.append((path, "masque vide"))
        elif config and value not in config:
            problems.append((path, f"niveau de gris {value} absent de {CONFIG}"))
    more = pd.DataFrame([(_short(data, path), what) for path, what in problems], columns=["file", "what"], dtype=str)
    return pd.concat([data.problems, more], ignore_index=True)


def near_duplicates(data: Data) -> pd.DataFrame:
    """Returns the test images that are, or nearly are, training images: a score on them would prove nothing.

    Parts on a line are all very alike, so the measure is relative. Between grey copies of 32 x 32 pixels, the distance
    is one minus the correlation, which ignores brightness and contrast; a test image is close to a training image when
    it is `NEAR` times nearer than a training image is, typically (median), to the nearest other. Measured on real
    bottles: copies recompressed or made 5 % brighter are at 0.1 or less, other photographs at 0.65 or more.

    Returns:
        test, train: files, relative to the category's folder, each test image with its nearest training image only.
        distance: as a share of the typical one, 0..`NEAR`.
        identical: whether the two files or their pixels are equal.
    """
    (train, train_images), (test, test_images) = read(data.train), read(data.test)
    known, seen = _outlines(train_images), _outlines(test_images)
    between = 1 - known @ known.T
    np.fill_diagonal(between, np.inf)
    typical = max(1e-9, float(np.median(between.min(axis=1)))) if len(train) > 1 else 1e-9
    rows = []
    distances = (1 - seen @ known.T) / typical
    for row, nearest in enumerate(distances.argmin(axis=1)):
        if distances[row, nearest] <= NEAR:
            pair = test["path"][row], train["path"][nearest]
            same = pair[0].read_bytes() == pair[1].read_bytes() or np.array_equal(*map(decode, pair))
            rows.append((*(_short(data, path) for path in pair), max(0.0, distances[row, nearest]), same))
    return pd.DataFrame(rows, columns=["test", "train", "distance", "identical"])


def _outlines(images: np.ndarray) -> np.ndarray:
    """Returns 32 x 32 grey copies, centred and of norm 1: shape (n, side, side, 3) to (n, 1024)."""
    count, side = images.shape[:2]
    block = side // 32
    copies = np.zeros((count, 1024))
    for row, image in enumerate(images):  # one at a time: they are on disk
        copies[row] = image.reshape(32, block, 32, block * 3).mean(axis=(1, 3)).ravel()
    copies -= copies.mean(axis=1, keepdims=True)
    return copies / np.maximum(np.linalg.norm(copies, axis=1, keepdims=True), 1e-9)


def _short(data: Data, path: Path) -> str:
    return path.relative_to(data.location.folder).as_posix()


def describe(data: Data) -> pd.DataFrame:
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
                "taille": _pixels(sizes.iloc[0]) if len(sizes) == 1 else f"{len(sizes)} tailles",
            })
    return pd.DataFrame(rows)


def mask_areas(data: Data, side: int = SIDE) -> pd.DataFrame:
    """Measures the defects: one row for each defective image whose masks are known.

    Returns:
        catégorie, source, défaut: French names.
        part: share of the image that the defects cover, 0..1.
        zones: number of separate zones (connected components).
    """
    bad = data.test[data.test["is_defect"]]
    truth = masks(bad, side)
    zones = np.bincount(np.array([zone.image for zone in regions(truth)], int), minlength=len(bad))
    return pd.DataFrame({
        "catégorie": data.category.title,
        "source": data.source,
        "défaut": bad["defect"].map(defect_title),
        "part": truth.mean(axis=(1, 2)),
        "zones": zones,
    })[zones > 0].reset_index(drop=True)


def location(datas: Sequence[Data]) -> Location:
    """Returns one location for the card of a notebook that handles several categories; real if any of them is."""
    titles = []
    for real in (True, False):
        names = [data.category.name for data in datas if data.location.is_real == real]
        known = dict.fromkeys(data.location.title for data in datas if data.location.is_real == real)
        titles += [f"{' et '.join(known)} ({', '.join(names)})"] if names else []
    is_real = any(data.location.is_real for data in datas)
    return Location(datas[0].location.folder, is_real, " ; échantillon synthétique : ".join(titles))


def opening(datas: Sequence[Data]) -> str:
    """Returns the French sentences that open a notebook: where the images come from, and what to know of them."""
    parts = []
    for real, source in ((True, "jeu réel"), (False, "**échantillon synthétique**, dessiné par le projet")):
        mine = [data for data in datas if data.location.is_real == real]
        if mine:
            names = ", ".join(f"{data.category.title} (*{data.category.name}*)" for data in mine)
            count = sum(len(data.train) + len(data.test) for data in mine)
            parts.append(f"{names} : {source}, {figures.number(count)} images.")
    return "Données : " + " ".join([*parts, *(note for data in datas for note in data.notes)])


def checked(datas: Sequence[Data]) -> pd.DataFrame:
    """Returns what `check` found in several categories: catégorie, source, fichier, constat; "rien à signaler" else."""
    tables = []
    for data in datas:
        found = check(data)
        found = found if len(found) else pd.DataFrame({"file": ["–"], "what": ["rien à signaler"]})
        found = found.rename(columns={"file": "fichier", "what": "constat"})
        tables.append(found.assign(catégorie=data.category.title, source=data.source))
    return pd.concat(tables, ignore_index=True)[["catégorie", "source", "fichier", "constat"]]


def twins(datas: Sequence[Data]) -> pd.DataFrame:
    """Returns the near-duplicates of several categories, in French: see `near_duplicates`."""
    tables = [near_duplicates(data).assign(catégorie=data.category.title, source=data.source) for data in datas]
    table = pd.concat(tables, ignore_index=True)
    table["identical"] = table["identical"].map({True: "oui", False: "non"})
    names = {
        "test": "image de test",
        "train": "image d'apprentissage",
        "distance": "distance",
        "identical": "identique",
    }
    return table.rename(columns=names)[["catégorie", "source", *names.values()]]


# --- Figures ---------------------------------------------------------------------------------------------------------


def plot_contact_sheet(data: Data, *, columns: int = 6, types: int = 8) -> Figure:
    """Draws a row of training images, then one for each of the `types` most frequent defects, its masks outlined."""
    rows = _contact_rows(data, columns, types)
    padding = np.full((columns, SIDE, SIDE, 3), 255, np.uint8)
    figure = figures.plot_grid(
        np.concatenate([np.concatenate([images, padding])[:columns] for _, _, images in rows]),
        columns=columns,
        row_labels=[textwrap.fill(defect_title(name), 13, break_long_words=False) for name, _, _ in rows],
        title=f"{data.category.title.capitalize()} ({data.source})",
    )
    for row, (_, table, _) in enumerate(rows[1:], start=1):
        for axis, mask in zip(figure.axes[row * columns :], masks(table), strict=False):
            if mask.any():
                around = ndimage.binary_dilation(mask, iterations=3)  # so that the line does not hide the defect
                axis.contour(around, levels=[0.5], colors=OUTLINE, linewidths=1)
    return figure


def describe_contact_sheet(data: Data, *, columns: int = 6, types: int = 8) -> str:
    """Says in French what `plot_contact_sheet` draws."""
    (_, train, _), *rows = _contact_rows(data, columns, types)
    listed = ", ".join(f"{defect_title(name)} ({len(table)})" for name, table, _ in rows)
    defective = f"puis, masques entourés, par type de défaut : {listed}" if rows else "aucun défaut"
    return (
        f"Planche d'images, catégorie {data.category.title}, {data.source} : {len(train)} images d'apprentissage sans "
        f"défaut, {defective}."
    )


def _contact_rows(data: Data, columns: int, types: int) -> list[tuple[str, pd.DataFrame, np.ndarray]]:
    """Returns the rows of the contact sheet: folder of the type, table and images, at most `columns` of each."""
    train, images = read(data.train)
    chosen_rows = spread(np.arange(len(train)), columns)
    rows = [("good", train.iloc[chosen_rows], images[chosen_rows])]
    test, images = read(data.test)
    for name in test["defect"][test["is_defect"]].value_counts().index[:types]:
        chosen_rows = spread(np.flatnonzero(test["defect"] == name), columns)
        rows.append((name, test.iloc[chosen_rows], images[chosen_rows]))
    return rows


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns at most `count` rows, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]


def plot_mask_areas(table: pd.DataFrame) -> Figure:
    """Draws the share of the image that each defect covers, by type, from the rows of `mask_areas`."""
    table = table.reset_index(drop=True)
    names = table["catégorie"] + " : " + table["défaut"]
    rows, labels = pd.factorize(names)
    figure, axes = figures.new_figure(1.3 + 0.34 * len(labels))
    for colour, (source, part) in zip(figures.PALETTE, table.groupby("source", sort=False), strict=False):
        axes.scatter(100 * part["part"], rows[part.index], color=colour, alpha=0.6, s=22, linewidths=0, label=source)
    medians = 100 * table.groupby(names, sort=False)["part"].median()
    axes.plot(medians, range(len(labels)), "|", color="black", markersize=14, markeredgewidth=2, label="médiane")
    axes.set(title="Surface des défauts", xlabel="part de l'image (%)", xscale="log")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    axes.legend()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace(".", ",")))
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    return figure


def describe_mask_areas(table: pd.DataFrame) -> str:
    """Says in French what `plot_mask_areas` draws."""
    medians = table.groupby(["catégorie", "source", "défaut"], sort=False)["part"].median()
    listed = [
        f"{defect} de {title} ({source}) {figures.percent(part, 2)}"
        for (title, source, defect), part in medians.items()
    ]
    shares = " ; ".join(listed) or "aucun masque"
    return (
        f"Nuages de points : part médiane de l'image que couvre chaque type de défaut. {shares[0].upper()}{shares[1:]}."
    )
