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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commun.datasets import Location, atomic_file, locate, working_folder
from commun.images import decode, read_images
from commun.sources import code_hash
from projet1_artistes import PROJECT, sample
from projet1_artistes.duplicates import connected, likeness, near_duplicates
from projet1_artistes.files import index, nothing_readable
from projet1_artistes.split import PARTS, TEST, TRAINING, split_by_group

NAME = "best-artworks-of-all-time"
SIDE = 128  # pixels: the side at which works are compared with one another, and from which models learn


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """The paintings.

    Attributes:
        works: one row a readable work, see `files.index`, and its `group` (near-duplicates share one) and `part`.
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
        raise nothing_readable(location.folder)
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


def pictures(data: Data, side: int) -> np.ndarray:
    """Returns the works as `Data.images`, at another side in pixels: `training.Config.image_side` of a network."""
    return data.images if side == SIDE else squares(data.works["path"], side)[0]


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
