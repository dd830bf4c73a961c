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
import mmap
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import fft, ndimage, sparse

from commun import UserError
from commun.datasets import Location, atomic_file, locate, working_folder
from commun.images import read_images, size
from projet1_artistes import sample

PROJECT = "projet1_artistes"  # folder of derived files
NAME = "best-artworks-of-all-time"
SIDE = 128  # pixels: the side at which works are compared with one another, and from which models learn
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
TRAINING, VALIDATION, TEST = "apprentissage", "validation", "test"
PARTS = {TRAINING: 0.70, VALIDATION: 0.15, TEST: 0.15}
SPLIT_SEED = 2026
# Near-duplicates: hashes that differ by so many bits of 63 at most, and details that are correlated so much at least.
# Seen on the real works: those of one artist that are the same work are above .5, works of two artists below .4.
NEAR_BITS, NEAR_CORRELATION = 14, 0.5
CHUNK = 64  # works in memory at once
COMPARED = 4_000_000  # pairs of works compared at once

COLUMNS = ["path", "low", "artist", "width", "height"]


@dataclasses.dataclass(frozen=True)
class Data:
    """The paintings.

    Attributes:
        works: one row a readable work, see `index`, and its `group` (near-duplicates share one) and `part`.
        artists: one row an artist, its index is the class id: name, folder, years, genre, nationality, announced
            (works according to artists.csv), works (readable, each once), evaluated (has works in all three parts).
        problems: file (relative to the data folder), what (French).
        location: where the data is, and if it is real.
        files: the works whose header could be read, among them a few that can't be decoded; see `pixels`.
    """

    works: pd.DataFrame
    artists: pd.DataFrame
    problems: pd.DataFrame
    location: Location
    files: tuple[Path, ...]

    def rows(self, part: str) -> np.ndarray:
        """Returns the rows of a part, sorted."""
        return np.flatnonzero(self.works["part"] == part)

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
    return open_folder(locate(NAME, draw=sample.draw, version=sample.VERSION))


def open_folder(location: Location) -> Data:
    """Lists, reads, groups and splits the works of a folder in the official layout.

    Raises:
        UserError: there is no work to learn from.
    """
    works, artists, problems = index(location.folder)
    files = tuple(works["path"])
    pixels, unreadable = read_images(files, SIDE, project=PROJECT, crop=True)
    works = works[~works["path"].isin(list(unreadable))].reset_index(drop=True)
    problems += [(path, f"{reason} : laissé de côté") for path, reason in unreadable.items()]
    works = _split(works, pixels)
    artists = artists.assign(works=np.bincount(works["artist"], minlength=len(artists)))
    spread = works.groupby("artist")["part"].nunique().reindex(artists.index, fill_value=0)
    artists = artists.assign(evaluated=spread == len(PARTS))
    if not len(works):
        raise UserError(f"{location.folder / 'images' / 'images'} ne contient aucune œuvre lisible.")
    shown = [(_relative(path, location.folder), what) for path, what in problems]
    return Data(works, artists, pd.DataFrame(shown, columns=["file", "what"], dtype=str), location, files)


def pixels(data: Data, side: int = SIDE) -> np.ndarray:
    """Returns the works, their largest centred square resized: uint8, shape (n, side, side, 3), memory-mapped."""
    return read_images(data.files, side, project=PROJECT, crop=True)[0]


def low_pixels(data: Data, rows: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the low-quality copies of works, as `pixels` does, and a mask (n,) of those rows that have one."""
    paths = data.works["low"].iloc[rows]
    present = paths.notna().to_numpy().copy()
    images, unreadable = read_images(tuple(paths[present]), side, project=PROJECT, crop=True)
    present[present] = [path not in unreadable for path in paths[present]]
    return images, present


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


# --- Files and names -------------------------------------------------------------------------------------------------


def key(name: str) -> str:
    """Returns what identifies an artist, however the name is written: words without accents, small letters.

    "Albrecht Dürer", "Albrecht_Durer" and "Albrecht_DuΓòá├¬rer" (UTF-8 read as cp437, twice) have the same key.
    """
    plain = name
    if not name.isascii():
        plain = unicodedata.normalize("NFD", repair(name))
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.split(r"[\W_]+", plain.casefold())).strip()


def repair(name: str) -> str:
    """Undoes UTF-8 read as cp437, as often as it happened, and composes accents (NFC)."""
    for _ in range(4):
        try:
            better = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            break
        if better == name:
            break
        name = better
    return unicodedata.normalize("NFC", name)


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
        found = _works(paths, sizes, problems)
        if not found:
            problems.append((folders[identity][0], "aucune œuvre dans ce dossier : artiste laissé de côté"))
            continue
        names = [path.name for path in folders[identity]]
        rows += [row | {"low": low.get(stem), "artist": len(artists)} for stem, row in found.items()]
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
    saved = working_folder("entetes", PROJECT) / f"{hashlib.sha256(repr(states).encode()).hexdigest()[:16]}.json"
    if not saved.is_file():
        with atomic_file(saved) as temporary:
            temporary.write_text(json.dumps([_size(path) for path in paths], ensure_ascii=False), encoding="utf-8")
    found = json.loads(saved.read_text(encoding="utf-8"))
    return {p: known if isinstance(known, str) else tuple(known) for p, known in zip(paths, found, strict=True)}


def _size(path: Path) -> tuple[int, int] | str:
    try:
        return size(path)
    except ValueError as error:
        return str(error)


def _works(paths: Sequence[Path], sizes: Mapping[Path, tuple | str], problems: list) -> dict[str, dict]:
    """Returns the works of one artist: key of the file's name -> path, width, height."""
    found: dict[str, dict] = {}
    for path in paths:
        if path not in sizes or path.is_dir():
            what = "dossier inattendu" if path.is_dir() else "n'est pas un fichier d'image"
            problems.append((path, f"{what} : laissé de côté"))
        elif (identity := key(path.stem)) in found:
            problems.append((path, f"même œuvre que {found[identity]['path'].name} : laissée de côté"))
        elif isinstance(sizes[path], str):
            problems.append((path, f"{sizes[path]} : laissé de côté"))
        else:
            found[identity] = dict(zip(("path", "width", "height"), (path, *sizes[path]), strict=True))
    return found


def _natural(path: Path) -> list:
    """Orders file names as a person would: 2 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _low_copies(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("[!.]*")):
        if path.suffix.lower() in SUFFIXES:
            found.setdefault(key(path.stem), path)
    return found


# --- Near-duplicates -------------------------------------------------------------------------------------------------


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """Returns a perceptual hash of each image: which of its lowest frequencies are above their median.

    The grey image, averaged down to 32 x 32, goes through a discrete cosine transform; of the 8 x 8 lowest frequencies
    all but the mean count (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).

    Args:
        images: uint8, shape (n, side, side, 3), side a multiple of 32.

    Returns:
        bool, shape (n, 63).
    """
    count, side = images.shape[:2]
    if side % 32:
        raise ValueError(f"the side of the images must be a multiple of 32, not {side}")
    hashes = np.empty((count, 63), bool)
    for start in range(0, count, CHUNK):
        small = _grey(_read(images, slice(start, start + CHUNK)), 32)
        low = fft.dctn(small, axes=(1, 2))[:, :8, :8].reshape(len(small), 64)[:, 1:]
        hashes[start : start + CHUNK] = low > np.median(low, axis=1, keepdims=True)
    return hashes


def near_duplicates(images: np.ndarray) -> np.ndarray:
    """Returns the pairs of images that show the same work, or nearly: close hashes and correlated details.

    Args:
        images: uint8, shape (n, side, side, 3), side a multiple of 32.

    Returns:
        int64, shape (m, 2), each pair once, smaller index first.
    """
    pairs = close_pairs(perceptual_hash(images), distance=NEAR_BITS)
    same = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), CHUNK):
        some = pairs[start : start + CHUNK]
        first, second = (details(_read(images, column)) for column in some.T)
        same[start : start + CHUNK] = np.einsum("ij,ij->i", first, second) >= NEAR_CORRELATION
    return pairs[same]


def details(images: np.ndarray) -> np.ndarray:
    """Returns what grey thumbnails of 32 x 32 hold beside their large masses: their products are correlations.

    The masses are a local mean over 7 x 7; without them, two dark portraits no longer look the same.

    Args:
        images: uint8, shape (n, side, side, 3), side a multiple of 32.

    Returns:
        float32, shape (n, 1024), each row of mean 0 and norm 1.
    """
    small = _grey(images, 32)
    fine = (small - ndimage.uniform_filter(small, (1, 7, 7))).reshape(len(small), -1)
    fine -= fine.mean(axis=1, keepdims=True)
    return fine / np.maximum(np.linalg.norm(fine, axis=1, keepdims=True), 1e-6)


def _read(images: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
    """Copies rows of an array; those of a file through a map of their own, whose pages leave the memory with it."""
    if isinstance(images, np.memmap) and isinstance(images.base, mmap.mmap):
        images = np.memmap(images.filename, images.dtype, "r", images.offset, images.shape)
    return np.array(images[rows])


def _grey(images: np.ndarray, side: int) -> np.ndarray:
    """Averages uint8 images down to grey squares of this side, which must divide theirs: float32 (n, side, side)."""
    grey = images.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    cell = grey.shape[1] // side
    return grey.reshape(len(grey), side, cell, side, cell).mean(axis=(2, 4))


def close_pairs(hashes: np.ndarray, *, distance: int) -> np.ndarray:
    """Returns the pairs of rows of `hashes`, bool of shape (n, bits), that differ by `distance` bits at most.

    The result is int64, shape (m, 2), each pair once, smaller index first.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    found = [np.empty((0, 2), np.int64)]
    step = max(1, COMPARED // max(1, len(signs)))
    for start in range(0, len(signs), step):
        agreement = signs[start : start + step] @ signs.T  # bits - 2 x distance
        first, second = np.nonzero(agreement >= hashes.shape[1] - 2 * distance)
        found.append(np.stack([first + start, second], axis=1)[first + start < second])
    return np.concatenate(found)


def connected(pairs: np.ndarray, count: int) -> np.ndarray:
    """Returns the group of each of `count` items, int64 of shape (count,): items that pairs (m, 2) link share one."""
    links = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return sparse.csgraph.connected_components(links, directed=False)[1].astype(np.int64)


# --- Split -----------------------------------------------------------------------------------------------------------


def split_by_group(
    labels: np.ndarray, groups: np.ndarray, *, parts: Mapping[str, float] = PARTS, seed: int = SPLIT_SEED
) -> dict[str, np.ndarray]:
    """Splits indices into stratified parts without ever separating a group.

    For each class, groups in random order fill the last parts to their shares of its works (largest remainder), a group
    that does not fit being left to the others; the first part takes what remains. A group of two classes goes with the
    one that has most of its works.

    Args:
        labels: class ids, shape (n,), integers in 0..k-1.
        groups: group ids, shape (n,); items of one group (near-duplicates) land in the same part.
        parts: name -> share, positive, summing to 1.
        seed: the same seed gives the same split on any machine.

    Returns:
        name -> sorted indices, shape (m,), disjoint, together all of 0..n-1.

    A class with fewer groups than parts goes whole to the first part; the caller reports it as not evaluated.

    Raises:
        UserError: the arrays differ in length, or the shares are not positive or don't sum to 1.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    if len(labels) != len(groups):
        raise UserError(f"Il faut autant d'étiquettes ({len(labels)}) que de groupes ({len(groups)}).")
    if min(parts.values()) <= 0 or abs(sum(parts.values()) - 1) > 1e-9:
        raise UserError(f"Les parts doivent être positives et avoir 1 pour somme : {dict(parts)}.")
    first, *others = parts
    members = pd.Series(np.arange(len(groups))).groupby(groups).indices
    owners: dict[int, list[int]] = {}
    for group, rows in members.items():
        owners.setdefault(int(np.bincount(labels[rows]).argmax()), []).append(group)
    chosen: dict[str, list[int]] = {name: [] for name in parts}
    for owner, owned in sorted(owners.items()):
        order = np.random.default_rng([seed, owner]).permutation(owned)
        left = [int(group) for group in order]
        if len(left) >= len(parts):
            targets = largest_remainder(sum(len(members[g]) for g in left), list(parts.values()))
            for name, target in reversed(list(zip(others, targets[1:], strict=True))):
                taken = _fill(left, [len(members[g]) for g in left], max(1, target), spare=len(parts) - 1)
                chosen[name] += taken
                left = [group for group in left if group not in taken]
        chosen[first] += left
    return {
        name: np.sort(np.concatenate([np.empty(0, np.int64), *(members[group] for group in taken)]))
        for name, taken in chosen.items()
    }


def _fill(groups: Sequence[int], sizes: Sequence[int], target: int, *, spare: int) -> list[int]:
    """Takes groups in order while they fit in `target` works, at least the smallest one, leaving `spare` at least."""
    taken, room = [], target
    for group, count in zip(groups, sizes, strict=True):
        if count <= room and len(groups) - len(taken) > max(1, spare - 1):
            taken.append(group)
            room -= count
    return taken or [groups[int(np.argmin(sizes))]]


def largest_remainder(count: int, shares: Sequence[float]) -> list[int]:
    """Shares out `count` items: whole parts first, then one each to the largest remainders."""
    exact = count * np.asarray(shares, dtype=np.float64)
    whole = np.floor(exact + 1e-9).astype(int)
    for i in np.argsort(whole - exact, kind="stable")[: count - whole.sum()]:
        whole[i] += 1
    return whole.tolist()


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
    """Returns a hash of what the split depends on: the files, their artists, and the constants of this module."""
    digest = hashlib.sha256(repr((PARTS, SPLIT_SEED, NEAR_BITS, NEAR_CORRELATION, SIDE, len(works))).encode())
    for path, artist in zip(works["path"], works["artist"], strict=True):
        digest.update(repr((path.parent.name, path.name, path.stat().st_size, int(artist))).encode())
    return digest.hexdigest()[:16]


def spanning(data: Data) -> pd.DataFrame:
    """Returns the groups of near-duplicates that span two artists or more: group, artists, files."""
    rows = [
        {
            "group": group,
            "artists": ", ".join(data.names[a] for a in sorted(set(works["artist"]))),
            "files": ", ".join(path.name for path in works["path"]),
        }
        for group, works in data.works.groupby("group")
        if works["artist"].nunique() > 1
    ]
    return pd.DataFrame(rows, columns=["group", "artists", "files"])


def folds(labels: np.ndarray, groups: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Returns the fold of each work, int64 of shape (n,) in 0..count-1: stratified by class, groups kept whole."""
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.empty(len(labels), np.int64)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for number, (_, rows) in enumerate(splitter.split(labels, labels, groups)):
        fold[rows] = number
    return fold
