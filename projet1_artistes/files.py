"""What the loader reads of a folder of paintings, and why it leaves the rest; see `dataset` for the layout."""

from __future__ import annotations

import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import pandas as pd

from commun import UserError, lookup
from commun.datasets import Report, atomic_file, working_folder
from commun.images import SUFFIXES, size, unreadable
from commun.sources import code_hash
from projet1_artistes import PROJECT
from projet1_artistes.names import key, repair

COLUMNS = ["path", "low", "artist", "width", "height"]
NAMES = {  # of the columns of `artists.csv`, in copies too
    "name": "name artist artiste nom author auteur painter peintre",
    "years": "years year dates annees",
    "genre": "genre genres style movement mouvement",
    "nationality": "nationality nationalite country pays",
    "paintings": "paintings painting works artworks oeuvres peintures tableaux",
}
CONTAINERS = {"images", "image", "resized", "archive", "train", "test"}  # no artist has such a name

Problems = list[tuple[Path, str]]


def index(folder: Path, known: Sequence[str] = ()) -> tuple[pd.DataFrame, pd.DataFrame, Problems]:
    """Lists the works and the artists of a folder in the official layout; reads no more than the headers of images.

    Folders whose names have the same `key` are one artist; in them, files of the same name are one work. Class ids are
    the ranks of the keys in alphabetical order: they depend neither on the split nor on the order of folders.

    Args:
        folder: the data folder.
        known: names of artists, beside those of `artists.csv`, of which damaged names may be.

    Returns:
        works: path, low (path of the low-quality copy, or None), artist (class id), width, height (pixels).
        artists: name, folder, years, genre, nationality, announced; the index is the class id.
        problems: pairs (path, French sentence).

    Raises:
        UserError: there is no work whose header can be read; the message says where to put them.
    """
    folder, problems = Path(folder), []
    described = read_artists(folder / "artists.csv", problems)
    keys = {*described, *map(key, known)}
    folders: dict[str, list[Path]] = {}
    for path in lookup.visible(folder / "images" / "images"):
        if path.is_dir():
            folders.setdefault(key(path.name, keys), []).append(path)
        else:
            problems.append((path, "fichier hors d'un dossier d'artiste : laissé de côté"))
    low = _low_copies(folder / "resized" / "resized", keys)
    files = {identity: _listed(folders[identity]) for identity in sorted(folders)}
    sizes = _sizes([path for paths in files.values() for path in paths if path.suffix.lower() in SUFFIXES])
    rows, artists = [], []
    for identity, paths in files.items():
        theirs = _works(paths, sizes, keys, problems)
        if not theirs:
            problems.append((folders[identity][0], "aucune œuvre dans ce dossier : artiste laissé de côté"))
            continue
        names = [path.name for path in folders[identity]]
        rows += [row | {"low": low.get(stem), "artist": len(artists)} for stem, row in theirs.items()]
        about = {"name": repair(names[0], keys).replace("_", " "), "folder": " et ".join(names)}
        artists.append(about | described.pop(identity, {}))
    if not rows:
        raise nothing_readable(folder)
    missing = ", ".join(entry["name"] for entry in described.values())
    if missing:
        problems.append((folder / "artists.csv", f"sans aucun dossier d'images : {missing}"))
    columns = ["name", "folder", "years", "genre", "nationality", "announced"]
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(artists, columns=columns), problems


def verify(folder: Path) -> Report:
    """Says what `dataset.open_folder` reads of a folder, and what it leaves aside."""
    try:
        works, artists, problems = index(folder)
        bad = unreadable(works["path"])
        if len(bad) == len(works):
            raise nothing_readable(folder)
    except UserError as error:
        return Report((str(error),))
    announced = artists["announced"].dropna()
    expected = f"{announced.sum():.0f} selon artists.csv" if len(announced) else "nombre attendu inconnu"
    unread = [what for path, what in problems if path.suffix.lower() in SUFFIXES and "même œuvre" not in what]
    read = f"{len(works) - len(bad)} images de {len(artists)} artistes"
    summary = f"{read} ({expected}), {len(bad) + len(unread)} illisibles."
    problems += [(path, f"{reason} : laissé de côté") for path, reason in bad.items()]
    return Report((), (summary, *(f"{path} : {what}." for path, what in problems)))


def nothing_readable(folder: Path) -> UserError:
    """Returns the mistake of a folder in which no work is where it should be: what is there, and what to do."""
    root = folder / "images" / "images"
    what = f"{root} ne contient aucune œuvre lisible" if root.is_dir() else f"{root} est absent"
    places = [path for path in [folder, *lookup.under(folder, 4)] if path != root]
    if elsewhere := next(filter(_holds_artists, places), None):
        advice = f"Les dossiers d'artistes sont dans {elsewhere} : déplacez-les dans {root}"
    elif flat := next(filter(_holds_images, [root, *places]), None):
        advice = f"{flat} contient des images sans dossier d'artiste : rangez-les dans {root}, un dossier par artiste"
    else:
        advice = f"{lookup.contents(folder).capitalize()}. Rangez les œuvres dans {root}, un dossier par artiste"
    return UserError(
        f"{what}. {advice} (data/README.md). Ou mettez {folder} de côté, pour travailler sur l'échantillon."
    )


def read_artists(path: Path, problems: Problems) -> dict[str, dict]:
    """Reads `artists.csv`: key of the artist -> name, years, genre, nationality, announced (number of works).

    Commas, semicolons or tabs; UTF-8, with or without a mark, UTF-16 or cp1252, as spreadsheets write them; columns in
    any order, under any of `NAMES`. What can't be read, of the file or of its columns, is added to `problems`.
    """
    fallback = "les artistes portent le nom de leur dossier"
    try:
        text = _decoded(path.read_bytes())
        head = next(iter(text.splitlines()), "")
        table = pd.read_csv(io.StringIO(text), sep=max(",;\t|", key=head.count), dtype=str, skipinitialspace=True)
    except FileNotFoundError:
        problems.append((path, f"absent : {fallback}"))
        return {}
    except (OSError, ValueError) as error:
        problems.append((path, f"illisible ({type(error).__name__}) : {fallback}"))
        return {}
    columns = {name: _column(table, name) for name in NAMES}
    described = pd.DataFrame({name: table[column] for name, column in columns.items() if column is not None})
    described = described.reindex(columns=list(NAMES)).rename(columns={"paintings": "announced"})
    described = described.dropna(subset="name")
    if described.empty:
        heads = ", ".join(f"« {name} »" for name in table.columns[:8])
        problems.append((path, f"aucun nom d'artiste dans une colonne « name » (colonnes lues : {heads}) : {fallback}"))
        return {}
    if missing := [name for name, column in columns.items() if column is None]:
        problems.append((path, f"sans colonne « {' », « '.join(missing)} » : ce qu'elle dirait reste inconnu"))
    described["announced"] = pd.to_numeric(described["announced"], errors="coerce")
    described["name"] = [repair(name).strip() for name in described["name"]]
    return {key(row["name"]): row for row in described.to_dict("records")}


def _decoded(raw: bytes) -> str:
    """Decodes a table; without the line by which Excel is told the separator."""
    encodings = ("utf-16",) if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252", "latin-1")
    for encoding in encodings:
        try:
            return re.sub(r"\Asep=.\r?\n", "", raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise ValueError("not a text")


def _column(table: pd.DataFrame, name: str) -> str | None:
    """Returns the column of a table that is called so, or by a name that means the same."""
    for alias in NAMES[name].split():
        for column in table.columns:
            words = re.findall("[a-z]+", unicodedata.normalize("NFD", str(column).casefold().replace("œ", "oe")))
            if alias in ("".join(words), *(words if name == "paintings" else words[-1:])):
                return column
    return None


def _holds_artists(folder: Path) -> bool:
    """Says if a folder holds folders of images that may be artists'."""
    return any(_holds_images(path) for path in lookup.folders(folder) if path.name.casefold() not in CONTAINERS)


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIXES for path in lookup.visible(folder))


def _listed(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(lookup.visible(folder), key=_natural)]


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


def _works(paths: Sequence[Path], sizes: Mapping[Path, tuple | str], keys: Container[str], problems: Problems) -> dict:
    """Returns the works of one artist: key of the file's name -> path, width, height."""
    works: dict[str, dict] = {}
    for path in paths:
        if path not in sizes or path.is_dir():
            what = "dossier inattendu" if path.is_dir() else "n'est pas un fichier d'image"
            problems.append((path, f"{what} : laissé de côté"))
        elif (identity := key(path.stem, keys)) in works:
            problems.append((path, f"même œuvre que {works[identity]['path'].name} : laissée de côté"))
        elif isinstance(sizes[path], str):
            problems.append((path, f"{sizes[path]} : laissé de côté"))
        else:
            works[identity] = dict(zip(("path", "width", "height"), (path, *sizes[path]), strict=True))
    return works


def _natural(path: Path) -> list:
    """Orders file names as a person would: 2 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _low_copies(folder: Path, keys: Container[str]) -> dict[str, Path]:
    copies: dict[str, Path] = {}
    for path in lookup.visible(folder):
        if path.suffix.lower() in SUFFIXES:
            copies.setdefault(key(path.stem, keys), path)
    return copies
