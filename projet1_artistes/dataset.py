"""Paintings: the artists and their works, near-duplicates, and the split into training, validation and test.

The layout is that of "Best Artworks of All Time" (Icaro, Kaggle, 2019):

    artists.csv                                one row an artist: name, years, genre, nationality, paintings
    images/images/<Artist>/<Artist>_<n>.jpg    the works
    resized/resized/<Artist>_<n>.jpg           the same works, in low quality

Tables have one row a work; arrays of pixels follow their rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commun import UserError
from commun.datasets import Location, atomic_file, locate, working_folder
from commun.images import decode, read_images, size
from commun.sources import code_hash
from projet1_artistes import PROJECT, sample
from projet1_artistes.duplicates import connected, likeness, near_duplicates
from projet1_artistes.names import key, repair
from projet1_artistes.split import PARTS, TEST, TRAINING, split_by_group

NAME = "best-artworks-of-all-time"
SIDE = 128  # pixels: the side at which works are compared with one another, and from which models learn
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
COLUMNS = ["path", "low", "artist", "width", "height"]


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """The paintings.

    Attributes:
        works: one row a readable work, see `index`, and its `group` (near-duplicates share one) and `part`.
        artists: one row an artist, its index is the class id: name, folder, years, genre, nationality, announced
            (works according to artists.csv), works (readable, each once), evaluated (has works in all three parts).
        problems: file (relative to the data folder), what (French).
        location: where the data is, and if it is real.
        images: the works, their largest centred square resized: uint8, shape (n, SIDE, SIDE, 3), memory-mapped.
    """

    works: pd.DataFrame
    artists: pd.DataFrame
    problems: pd.DataFrame
    location: Location
    images: np.ndarray

    def rows(self, part: str) -> np.ndarray:
        """Returns the rows of a part, a key of `PARTS`, sorted."""
        return np.flatnonzero(self.works["part"] == part)

    @property
    def all_but_test(self) -> np.ndarray:
        """The rows of training and validation, sorted."""
        return np.flatnonzero(self.works["part"] != TEST)

    @property
    def labels(self) -> np.ndarray:
        """Class id of each work, int64 of shape (n,)."""
        return self.works["artist"].to_numpy()

    @property
    def groups(self) -> np.ndarray:
        """Group of near-duplicates of each work, int64 of shape (n,)."""
        return self.works["group"].to_numpy()

    @property
    def names(self) -> list[str]:
        """Names of the artists, by class id."""
        return list(self.artists["name"])


# --- Loading ---------------------------------------------------------------------------------------------------------


def load() -> Data:
    """Loads the paintings, real where they are present and otherwise drawn, and splits them; a second call is quick.

    Raises:
        UserError: there is no work to learn from.
    """
    return open_folder(locate(NAME, draw=sample.draw))


def open_folder(location: Location) -> Data:
    """Lists, reads, groups and splits the works of a folder in the official layout.

    Raises:
        UserError: there is no work to learn from.
    """
    works, artists, problems = index(location.folder)
    images, unreadable = squares(works["path"], SIDE)
    works = works[~works["path"].isin(list(unreadable))].reset_index(drop=True)
    if works.empty:
        raise UserError(f"{location.folder / 'images' / 'images'} ne contient aucune œuvre lisible.")
    problems += [(path, f"{reason} : laissé de côté") for path, reason in unreadable.items()]
    works = _split(works, images)
    artists = artists.assign(works=np.bincount(works["artist"], minlength=len(artists)))
    n_parts = works.groupby("artist")["part"].nunique().reindex(artists.index, fill_value=0)
    artists = artists.assign(evaluated=n_parts == len(PARTS))
    problems = [(_relative(path, location.folder), what) for path, what in problems]
    return Data(works, artists, pd.DataFrame(problems, columns=["file", "what"], dtype=str), location, images)


def squares(paths: Sequence[Path], side: int) -> tuple[np.ndarray, dict[Path, str]]:
    """Returns the largest centred square of each picture, as `read_images` does, and the unreadable files."""
    return read_images(tuple(paths), side, project=PROJECT, crop=True)


def low_images(data: Data, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the low-quality copies of works, as `Data.images`, and a mask (n,) of those rows that have one."""
    paths = data.works["low"].iloc[rows]
    present = paths.notna().to_numpy().copy()
    images, unreadable = squares(paths[present], SIDE)
    present[present] = [path not in unreadable for path in paths[present]]
    return images, present


def duplicate_groups(data: Data) -> list[np.ndarray]:
    """Returns the rows of each group of near-duplicates: those of several artists first, then the most alike."""
    members = pd.Series(np.arange(len(data.works))).groupby(data.groups).indices
    groups = [rows for rows in members.values() if len(rows) > 1]
    return sorted(groups, key=lambda rows: (len(set(data.labels[rows])) == 1, -likeness(data.images[rows])))


def random_works(data: Data, count: int, *, seed: int) -> np.ndarray:
    """Returns the rows of works drawn at random, each of another artist as far as there are enough, shape (count,)."""
    order = np.random.default_rng(seed).permutation(len(data.works))
    turn = pd.Series(data.labels[order]).groupby(data.labels[order]).cumcount().to_numpy()
    return order[np.argsort(turn, kind="stable")][:count]


def random_works_of_smallest(data: Data, count: int, *, seed: int) -> np.ndarray:
    """Returns a training work, drawn at random, of each of the artists who have fewest, shape (count,) at most."""
    random, rows = np.random.default_rng(seed), data.rows(TRAINING)
    artists, works = np.unique(data.labels[rows], return_counts=True)
    fewest = artists[np.argsort(works, kind="stable")][:count]
    return np.array([random.choice(rows[data.labels[rows] == artist]) for artist in fewest], np.int64)


def _split(works: pd.DataFrame, images: np.ndarray) -> pd.DataFrame:
    """Adds `group` and `part` to the works; they are saved, and found again by a later call on the same works."""
    path = working_folder("decoupages", PROJECT) / f"{_identity(works)}.csv"
    if not path.is_file():
        groups = connected(near_duplicates(images), len(works))
        parts = np.empty(len(works), object)
        for name, rows in split_by_group(works["artist"].to_numpy(), groups).items():
            parts[rows] = name
        table = pd.DataFrame({"file": [p.name for p in works["path"]], "group": groups, "part": parts})
        with atomic_file(path) as temporary:
            table.to_csv(temporary, index=False, encoding="utf-8")
    saved = pd.read_csv(path, encoding="utf-8")
    return works.assign(group=saved["group"].to_numpy(), part=saved["part"].to_numpy())


def _identity(works: pd.DataFrame) -> str:
    """Returns a hash of what the split depends on: the files, their artists, and the code that makes it."""
    digest = hashlib.sha256(code_hash(decode, squares, near_duplicates, connected, split_by_group).encode())
    for path, artist in zip(works["path"], works["artist"], strict=True):
        digest.update(repr((path.parent.name, path.name, path.stat().st_size, int(artist))).encode())
    return digest.hexdigest()[:16]


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


# --- Files -----------------------------------------------------------------------------------------------------------


def index(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[Path, str]]]:
    """Lists the works and the artists of a folder in the official layout; reads no more than the headers of images.

    Folders whose names have the same `key` are one artist; in them, files of the same name are one work. Class ids are
    the ranks of the keys in alphabetical order: they depend neither on the split nor on the order of folders.

    Returns:
        works: path, low (path of the low-quality copy, or None), artist (class id), width, height (pixels).
        artists: name, folder, years, genre, nationality, announced; the index is the class id.
        problems: pairs (path, French sentence).

    Raises:
        UserError: there is no folder of images.
    """
    folder = Path(folder)
    root = folder / "images" / "images"
    if not root.is_dir():
        raise UserError(
            f"{root} est absent. Rangez-y les œuvres, un dossier par artiste (data/README.md), ou retirez {folder} "
            "pour travailler sur l'échantillon."
        )
    problems: list[tuple[Path, str]] = []
    described = read_artists(folder / "artists.csv", problems)
    folders: dict[str, list[Path]] = {}
    for path in sorted(root.glob("[!.]*")):
        if path.is_dir():
            folders.setdefault(key(path.name), []).append(path)
        else:
            problems.append((path, "fichier hors d'un dossier d'artiste : laissé de côté"))
    low = _low_copies(folder / "resized" / "resized")
    files = {identity: _listed(folders[identity]) for identity in sorted(folders)}
    sizes = _sizes([path for paths in files.values() for path in paths if path.suffix.lower() in SUFFIXES])
    rows, artists = [], []
    for identity, paths in files.items():
        theirs = _works(paths, sizes, problems)
        if not theirs:
            problems.append((folders[identity][0], "aucune œuvre dans ce dossier : artiste laissé de côté"))
            continue
        names = [path.name for path in folders[identity]]
        rows += [row | {"low": low.get(stem), "artist": len(artists)} for stem, row in theirs.items()]
        about = {"name": repair(names[0]).replace("_", " "), "folder": " et ".join(names)}
        artists.append(about | described.pop(identity, {}))
    missing = ", ".join(entry["name"] for entry in described.values())
    if missing:
        problems.append((folder / "artists.csv", f"sans aucun dossier d'images : {missing}"))
    columns = ["name", "folder", "years", "genre", "nationality", "announced"]
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(artists, columns=columns), problems


def read_artists(path: Path, problems: list[tuple[Path, str]]) -> dict[str, dict]:
    """Reads `artists.csv`: key of the artist -> name, years, genre, nationality, announced (number of works).

    Without the file, or when it can't be read, the result is empty and the reason is added to `problems`.
    """
    columns = {"years": "years", "genre": "genre", "nationality": "nationality", "paintings": "announced"}
    try:
        table = pd.read_csv(path, encoding="utf-8")
        described = table.reindex(columns=["name", *columns]).rename(columns=columns).dropna(subset="name")
        described["announced"] = pd.to_numeric(described["announced"], errors="coerce")
    except FileNotFoundError:
        problems.append((path, "absent : les artistes portent le nom de leur dossier"))
        return {}
    except (OSError, ValueError) as error:
        problems.append((path, f"illisible ({type(error).__name__}) : les artistes portent le nom de leur dossier"))
        return {}
    described["name"] = [repair(str(name)).strip() for name in described["name"]]
    return {key(row["name"]): row for row in described.to_dict("records")}


def _listed(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("[!.]*"), key=_natural)]


def _sizes(paths: Sequence[Path]) -> dict[Path, tuple[int, int] | str]:
    """Reads the headers of images: width and height, or a French reason; saved, and found again by a later call."""
    states = [path.stat() if path.exists() else None for path in paths]  # a broken link does not exist
    states = [(str(path), s and (s.st_size, s.st_mtime_ns)) for path, s in zip(paths, states, strict=True)]
    identity = hashlib.sha256(repr((code_hash(_size), states)).encode()).hexdigest()[:16]
    saved = working_folder("entetes", PROJECT) / f"{identity}.json"
    if not saved.is_file():
        with atomic_file(saved) as temporary:
            temporary.write_text(json.dumps([_size(path) for path in paths], ensure_ascii=False), encoding="utf-8")
    sizes = json.loads(saved.read_text(encoding="utf-8"))
    return {path: one if isinstance(one, str) else tuple(one) for path, one in zip(paths, sizes, strict=True)}


def _size(path: Path) -> tuple[int, int] | str:
    try:
        return size(path)
    except ValueError as error:
        return str(error)


def _works(paths: Sequence[Path], sizes: Mapping[Path, tuple | str], problems: list) -> dict[str, dict]:
    """Returns the works of one artist: key of the file's name -> path, width, height."""
    works: dict[str, dict] = {}
    for path in paths:
        if path not in sizes or path.is_dir():
            what = "dossier inattendu" if path.is_dir() else "n'est pas un fichier d'image"
            problems.append((path, f"{what} : laissé de côté"))
        elif (identity := key(path.stem)) in works:
            problems.append((path, f"même œuvre que {works[identity]['path'].name} : laissée de côté"))
        elif isinstance(sizes[path], str):
            problems.append((path, f"{sizes[path]} : laissé de côté"))
        else:
            works[identity] = dict(zip(("path", "width", "height"), (path, *sizes[path]), strict=True))
    return works


def _natural(path: Path) -> list:
    """Orders file names as a person would: 2 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _low_copies(folder: Path) -> dict[str, Path]:
    copies: dict[str, Path] = {}
    for path in sorted(folder.glob("[!.]*")):
        if path.suffix.lower() in SUFFIXES:
            copies.setdefault(key(path.stem), path)
    return copies
