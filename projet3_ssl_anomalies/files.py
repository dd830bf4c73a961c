"""What the loader reads of a category's folder, and why it leaves the rest; see `dataset` for the layouts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from commun import UserError, lookup
from commun.datasets import Report
from commun.images import SUFFIXES, is_grey, size, unreadable

CONFIG = "defects_config.json"
TRUTH = "ground_truth"
GREY = "images en niveaux de gris : la colorisation n'a aucune couleur à y apprendre"
MASK_NAMES = [  # what a mask's name has more than its image's
    re.compile(pattern.format(r"(mask|masque|gt|labels?|seg|instance|defect)"), re.IGNORECASE)
    for pattern in (r"[_\-. ]*{}$", r"^{}[_\-. ]+", r"([_\-. ]*{0})?[_\-. ]*\d+$", r"[_\-. ]+\d+[_\-. ]*{}$")
]

Problems = list[tuple[Path, str]]


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
    folder, problems = Path(folder), []
    train = _table(row for good in _good_folders(folder, problems) for row in _sized(_images(good, problems), problems))
    tests = _folder(folder, "test", "test_public")
    truths = [_folder(folder, TRUTH), _folder(tests, TRUTH)]  # the second is that of MVTec AD 2
    if tests.name.casefold() == "test_public":
        problems.append((tests, "test_public lu comme la partie de test (MVTec AD 2)"))
    loose = _images(tests, problems, folders=True)
    problems += [(path, "image hors d'un dossier de type : ignorée") for path in loose]
    kinds = [path for path in lookup.folders(tests) if path not in truths]
    masks, rows = [mask for truth in truths for mask in _masks(truth, problems)], []
    for kind in kinds:
        is_defect = not lookup.is_good(kind.name)
        if not is_defect and kind.name.casefold() != "good":
            problems.append((kind, "lu comme « good » : des pièces sans défaut"))
        images = _sized(_images(kind, problems), problems)
        found = _attributed(masks, kind.name, [row["path"].stem for row in images]) if is_defect else {}
        for row in images:
            row |= {"defect": kind.name if is_defect else "good", "is_defect": is_defect}
            rows.append(row | {"masks": _fitting(found.get(row["path"].stem, []), row, problems)})
    problems += [(path, "masque sans image défectueuse : ignoré") for _, _, path in masks]
    test = _table(rows, "defect", "is_defect", "masks").astype({"is_defect": bool})
    if train.empty and test.empty and not any(_images(path, []) for path in lookup.folders(_folder(folder, "train"))):
        raise UserError(
            f"{folder} ne contient aucune image rangée comme il faut : train/good/, test/good/, test/<défaut>/, et les "
            "masques dans ground_truth/<défaut>/. Voyez data/README.md."
        )
    used = {_folder(folder, "train"), tests, *truths}
    problems += [(path, _unused(path)) for path in lookup.folders(folder) if path not in used]
    problems += _overall(folder, train, test, truths)
    named = [("(tous)" if path == folder else path.relative_to(folder).as_posix(), what) for path, what in problems]
    return train, test, pd.DataFrame(named, columns=["file", "what"], dtype=str)


def nothing_to_learn(folder: Path) -> UserError:
    """Returns the mistake of a category without training images: what is there, and what to do."""
    others = [path for path in lookup.folders(_folder(folder, "train")) if _images(path, [])]
    advice = "Placez-y les images sans défaut"
    if others:
        advice += f", celles de train/{others[0].name} par exemple si ce sont elles : renommez ce dossier « good »"
    return UserError(
        f"{folder / 'train' / 'good'} ne contient aucune image lisible : il n'y a rien à apprendre. {advice}. Ou "
        f"mettez {folder} de côté, pour travailler sur l'échantillon."
    )


def verify(folder: Path) -> Report:
    """Says what the loader reads of a folder of categories, or of one, and what it leaves aside."""
    problems, notes = [mistake] if (mistake := lookup.misplaced(folder)) else [], []
    categories = lookup.categories(folder)
    problems += [
        f"{path} est une archive : extrayez-la, ou lancez python -m atelier donnees telecharger, qui l'extrait."
        for path in lookup.archives(folder)
        if not categories
    ]
    if not categories and not problems:
        what = "est vide" if not lookup.visible(folder) else "ne contient aucune catégorie"
        problems.append(f"{folder} {what} : une catégorie par dossier était attendue ; {lookup.contents(folder)}.")
    empty = [path for path in lookup.folders(folder) if not lookup.visible(path) and path not in categories]
    if categories != [folder]:
        notes += [f"{path} est vide : passé." for path in empty]
    for category in categories:
        try:
            train, test, listed = index(category)
            bad = unreadable([*train["path"], *test["path"], *(path for paths in test["masks"] for path in paths)])
            learnt = len(set(train["path"]) - set(bad))
            if not learnt:
                raise nothing_to_learn(category)
        except UserError as error:
            problems.append(str(error))
            continue
        tested = len(set(test["path"]) - set(bad))
        notes.append(
            f"{category.name} : {learnt} images d'apprentissage, {tested} de test ; fichiers illisibles : "
            f"{len(bad) + int(listed['what'].str.endswith('laissé de côté').sum())}."
        )
        notes += [f"{category.name} : {row.file} : {row.what}." for row in listed.itertuples()]
        notes += [f"{path} : {reason} : laissé de côté." for path, reason in bad.items()]
    return Report(tuple(problems), tuple(notes))


class Saturation(NamedTuple):
    """When a defect counts as found: a share of its area (`relative`), or a number of pixels of the original image."""

    threshold: float
    relative: bool


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


def spelled_size(row: dict | pd.Series) -> str:
    """Returns the size of an image as it is shown: "900 × 900"."""
    return f"{row['width']} × {row['height']}"


# --- Folders and files -----------------------------------------------------------------------------------------------


def _folder(folder: Path, *names: str) -> Path:
    """Returns the first folder of these names that is there, in any letter case; else where the first would be."""
    present = {path.name.casefold(): path for path in reversed(lookup.folders(folder))}
    return next((present[name] for name in names if name in present), folder / names[0])


def _good_folders(folder: Path, problems: Problems) -> list[Path]:
    """Returns `train/good`, in any letter case; notes the other folders of `train`."""
    inside = lookup.folders(_folder(folder, "train"))
    problems += [
        (path, "dossier ignoré : seul train/good sert à l'apprentissage")
        for path in inside
        if path.name.casefold() != "good"
    ]
    return [path for path in inside if path.name.casefold() == "good"]


def _unused(folder: Path) -> str:
    what = "images de validation" if folder.name.casefold() == "validation" else "dossier"
    return f"{what} non utilisé{'es' if what[0] == 'i' else ''} : seuls train/good, test et ground_truth sont lus"


def _images(folder: Path, problems: Problems, *, folders: bool = False) -> list[Path]:
    """Returns the images of a folder, in order; hidden files are passed over, what else there is (folders) is noted."""
    images = []
    for path in lookup.visible(folder):
        if path.is_dir():
            problems += [] if folders else [(path, "dossier inattendu : ignoré")]
        elif path.suffix.lower() in SUFFIXES:
            images.append(path)
        else:
            problems.append((path, "n'est pas un fichier d'image : ignoré"))
    return images


def _masks(folder: Path, problems: Problems) -> list[tuple[str, str, Path]]:
    """Returns the mask files of both layouts: defect, stem of the image or of the mask, path."""
    files = []
    for defect in lookup.folders(folder):
        files += [(defect.name, path.stem, path) for path in _images(defect, problems, folders=True)]
        for inner in lookup.folders(defect):
            files += [(defect.name, inner.name, path) for path in _images(inner, problems)]
    return files


def _attributed(masks: list[tuple[str, str, Path]], defect: str, stems: Sequence[str]) -> dict[str, list[Path]]:
    """Takes the masks of a type of defect out of the list: stem of the image -> paths.

    A mask is called as its image, with `_mask` or the like, and a number where there are several.
    """
    found, known = {}, set(stems)
    for mask in [mask for mask in masks if mask[0].casefold() == defect.casefold()]:
        names = (mask[1], *(pattern.sub("", mask[1]) for pattern in MASK_NAMES))
        if owner := next((name for name in names if name in known), None):
            found.setdefault(owner, []).append(mask[2])
            masks.remove(mask)
    return found


def _sized(paths: Sequence[Path], problems: Problems) -> list[dict]:
    rows = []
    for path in paths:
        try:
            width, height = size(path)
            rows.append({"path": path, "width": width, "height": height})
        except ValueError as error:
            problems.append((path, f"{error} : laissé de côté"))
    return rows


def _table(rows: Iterable[dict], *more: str) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["path", *more, "width", "height"])


def _fitting(files: list[Path], image: dict, problems: Problems) -> tuple[Path, ...]:
    """Returns the masks of an image, none if one can't be read, and notes those of another size."""
    rows = _sized(files, problems)
    for mask in rows:
        if (mask["width"], mask["height"]) != (image["width"], image["height"]):
            what = f"masque de {spelled_size(mask)} pour une image de {spelled_size(image)} : ramené à l'image"
            problems.append((mask["path"], what))
    return tuple(files) if len(rows) == len(files) else ()


def _overall(folder: Path, train: pd.DataFrame, test: pd.DataFrame, truths: Sequence[Path]) -> Problems:
    """Returns what only shows when all the files are listed."""
    problems = []
    bad = test[test["is_defect"]].assign(masked=lambda table: table["masks"].map(len) > 0)
    if len(bad) and not any(path.is_dir() for path in truths):
        problems.append((truths[0], "dossier absent : pas de mesure par pixel"))
    elif bad.empty:
        problems.append((folder, "aucune image défectueuse au test : rien ne dira si un défaut se trouve"))
    else:
        for _, group in bad.groupby("defect", sort=False):
            paths = group["path"][~group["masked"]]
            if bad["masked"].any() and not group["masked"].any() and len(group) > 1:
                what = f"aucun masque pour ses {len(group)} images : hors des mesures par pixel (sont-ce des défauts ?)"
                problems.append((paths.iloc[0].parent, what))
            else:
                what = "image défectueuse sans masque utilisable : hors des mesures par pixel"
                problems += [(path, what) for path in paths]
    if not (folder / CONFIG).exists():
        if any(mask.parent.parent not in truths for masks in test["masks"] for mask in masks):  # the layout of AutoVI
            problems.append((folder / CONFIG, "absent : l'AU-sPRO ne se calcule pas"))
    elif not saturations(folder):
        problems.append((folder / CONFIG, "illisible : l'AU-sPRO ne se calcule pas"))
    if len(train) and all(is_grey(path) for path in train["path"].iloc[:5]):
        problems.append((folder, GREY))
    sizes = pd.concat([train, test])[["width", "height"]].value_counts().reset_index()
    listed = ", ".join(f"{spelled_size(row)} ({row['count']} fois)" for _, row in sizes.head(4).iterrows())
    if len(sizes) > 1:
        problems.append((folder, f"{len(sizes)} tailles d'images : {listed}{', …' * (len(sizes) > 4)}"))
    if oblong := sizes["count"][sizes["width"] != sizes["height"]].sum():
        problems.append((folder, f"images non carrées, étirées en un carré : {oblong}"))
    return problems
