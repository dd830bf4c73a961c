"""Where the data is: the catalogue of the four datasets, how to find them, and where results go.

The real dataset is used where it is present, in `$PROJETS_DATA` or in `data/`; otherwise the project draws its own
synthetic sample in the same layout, so that one loader reads both. `atelier/donnees.py` downloads and checks them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import gzip
import math
import os
import shutil
import struct
import tempfile
import tomllib
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from commun import UserError, lookup
from commun.sources import code_hash

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_ONLY = "echantillon"  # the value of $PROJETS_DATA that hides real data


# --- Find ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a dataset is and what it is worth.

    Attributes:
        folder: the dataset's, or that of its category.
        is_real: False for the synthetic sample.
        title: shown to users.
        warning: French sentences, to be shown wherever the source of the data is: what looks like a mistake.
    """

    folder: Path
    is_real: bool
    title: str
    warning: str = ""

    @property
    def sentence(self) -> str:
        """The French sentence that opens every notebook."""
        attention = f" **Attention** : {self.warning}" if self.warning else ""
        if self.is_real:
            return f"Données : **{self.title}**, jeu réel.{attention}"
        return f"Données : **échantillon synthétique**, dessiné par le projet à l'image de {self.title}.{attention}"


@dataclasses.dataclass(frozen=True)
class Report:
    """What a project's loader says of a folder: `problems` prevent its use, `notes` do not. French sentences."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def locate(name: str, *, draw: Callable[[Path], None], category: str = "") -> Location:
    """Returns the real dataset where it is present, and otherwise the project's synthetic sample, drawn once.

    The sample's folder bears a hash of the code that draws it: edited, that code draws it again.

    Args:
        name: name in the catalogue.
        draw: writes the sample in the official layout into the folder that it is given.
        category: sub-folder, for a dataset with categories.

    Raises:
        UserError: the dataset is unknown, its folder is empty, or its categories lie too deep in it.
    """
    title = dataset(name).title
    if folder := find(name, category):
        if not lookup.visible(folder):
            raise UserError(
                f"Le dossier {folder} est vide. Placez-y {title} (python -m atelier donnees telecharger "
                f"{name}), ou supprimez-le pour travailler sur l'échantillon synthétique."
            )
        return Location(folder, True, title)
    folder = working_folder("echantillons") / "-".join(filter(None, (name, category, code_hash(draw))))
    if not folder.is_dir():
        with atomic_folder(folder) as temporary:
            draw(temporary)
    return Location(folder, False, title, absence([name], category if categories(name) else ""))


def find(name: str, category: str = "") -> Path | None:
    """Returns the folder of the real dataset (of one of its categories), or None where it is absent.

    In each of `data_roots`, a dataset is in the folder of its name, or else in any other where its layout shows that
    it plainly is: a folder called otherwise, one of its folders, the root itself.

    Raises:
        UserError: the dataset is unknown, or its categories lie too deep in its folder.
    """
    official = [root / dataset(name).name / category for root in data_roots()]
    if category:
        return categories(name).get(category) or next(filter(Path.is_dir, official), None)
    return next((folder for root in data_roots() if (folder := _folder_in(root, dataset(name)))), None)


def categories(name: str) -> dict[str, Path]:
    """Returns the real categories of a dataset that are on disk, in the catalogue or not: name -> folder.

    Raises:
        UserError: some lie too deep in the dataset's folder; the message says what to move.
    """
    found: dict[str, Path] = {}
    for folder in filter(None, (_folder_in(root, dataset(name)) for root in data_roots())):
        if mistake := lookup.misplaced(folder):
            raise UserError(mistake)
        for path in lookup.categories(folder) if any(dataset(name).files) else ():
            found.setdefault(path.name, path)
    return found


def absence(names: Sequence[str], category: str = "") -> str:
    """Says in French where datasets were looked for in vain, and what is there instead; "" where nothing seems wrong.

    Nothing does without `$PROJETS_DATA` as long as `data/` holds no file or folder that is unknown.
    """
    roots, said = data_roots() if names else [], []
    others = {f.name for d in CATALOGUE.values() if d.name not in names for files in d.files.values() for f in files}
    places = [place for root in roots for place in (root, *(root / name for name in names))]
    archives = [path for place in places for path in lookup.archives(place) if path.name not in others]
    for root in roots:
        strangers = {path.name for path in lookup.visible(root)} - {"README.md", *CATALOGUE} - others
        empty = [root / name for name in names if (root / name).is_dir() and not category]
        if root == roots[0] and os.environ.get("PROJETS_DATA"):
            wanted = ", ".join(f"`{name}/{category}`" if category else f"`{name}`" for name in names)
            verb = "ne se trouvent" if len(names) > 1 else "ne se trouve"
            said.append(f"PROJETS_DATA désigne `{root}`, où {wanted} {verb} pas : {lookup.contents(root)}.")
        elif strangers:
            listed = ", ".join(f"`{name}`" for name in sorted(strangers))
            said.append(f"`{root}` contient {listed}, où rien n'a été reconnu.")
        said += [f"Aucune donnée n'a été reconnue dans `{folder}` : {lookup.contents(folder)}." for folder in empty]
    if archives:
        owner = next(
            (n for n in names for fs in CATALOGUE[n].files.values() for f in fs if f.name == archives[0].name), ""
        )
        said.append(
            f"`{archives[0]}` est une archive : extrayez-la, ou lancez `python -m atelier donnees telecharger "
            f"{owner or names[0]}`, qui l'extrait."
        )
    return " ".join(said)


def _folder_in(root: Path, wanted: Dataset) -> Path | None:
    """Returns the folder of a dataset in a root: that of its name, or where its layout shows it; None without any."""
    if (root / wanted.name).is_dir():
        return root / wanted.name
    alike = [other for other in CATALOGUE.values() if other.layout == wanted.layout]
    for folder in lookup.find_layout(root, wanted.layout, but={*CATALOGUE} - {wanted.name}):
        owners = [d for d in alike if d.name.split("_")[0] in folder.name.lower()]
        owners += [d for d in alike if {path.name for path in lookup.categories(folder)} & set(d.files)]
        if [*owners, *alike][0] == wanted:
            return folder
    return None


def data_roots() -> list[Path]:
    """Returns the folders searched for real data: `$PROJETS_DATA` if set, then `data/`; none for "echantillon".

    Raises:
        UserError: `$PROJETS_DATA` names a folder that does not exist.
    """
    roots = [ROOT / "data"]
    if name := os.environ.get("PROJETS_DATA"):
        if name == SAMPLE_ONLY:
            return []
        folder = Path.cwd() / Path(name).expanduser()
        if not folder.is_dir() and (ROOT / name).is_dir():
            folder = ROOT / name  # a notebook's kernel starts in the notebook's folder
        if not folder.is_dir():
            raise UserError(f"PROJETS_DATA désigne {name}, qui n'existe pas. Corrigez ou retirez cette variable.")
        roots.insert(0, folder.resolve())
    return roots


# --- Catalogue -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class File:
    """A file to download; `catalogue.toml` says what each field is."""

    name: str
    urls: tuple[str, ...]
    sha256: str | None
    megabytes: tuple[float, float]
    unpacked_megabytes: float = 0.0


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An entry of the catalogue.

    Attributes:
        name: that of its folder under the data root.
        title: shown to users, as are `licence`, `size` and `manual`, the way to get it by hand.
        files: what is downloaded, by category ("" for a dataset without categories).
        layout: a key of `lookup.LAYOUTS`.
    """

    name: str
    layout: str
    title: str
    licence: str
    size: str
    files: Mapping[str, tuple[File, ...]]
    manual: str = ""


def _read_catalogue() -> dict[str, Dataset]:
    with Path(__file__).with_name("catalogue.toml").open("rb") as stream:
        entries = tomllib.load(stream)
    catalogue = {}
    for name, entry in entries.items():
        hosts, files = entry.pop("hosts", ()), {}
        for file in entry.pop("files"):
            category = file.pop("category", "")
            urls = file.pop("urls", [host + file["name"] for host in hosts])
            file |= {"urls": tuple(urls), "sha256": file.get("sha256"), "megabytes": tuple(file["megabytes"])}
            files[category] = (*files.get(category, ()), File(**file))
        catalogue[name] = Dataset(name=name, files=files, **entry)
    return catalogue


CATALOGUE = _read_catalogue()
IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def dataset(name: str) -> Dataset:
    """Returns a dataset of the catalogue.

    Raises:
        UserError: no dataset has this name; the message lists those that exist.
    """
    if name not in CATALOGUE:
        raise UserError(f"Jeu de données inconnu : « {name} ». Jeux connus : {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]


# --- Folders ---------------------------------------------------------------------------------------------------------


def working_folder(*parts: str) -> Path:
    """Returns a folder for derived files, made if needed: `travail/` or `$PROJETS_TRAVAIL`, then `parts`.

    A relative `$PROJETS_TRAVAIL` starts at the repository, whatever folder a notebook's kernel starts in.
    """
    folder = ROOT.joinpath(os.environ.get("PROJETS_TRAVAIL") or "travail", *parts)
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def atomic_folder(target: Path) -> Generator[Path, None, None]:
    """Gives a temporary folder that takes the name `target` only if the block ends without an exception.

    An interrupted or failed block leaves nothing under `target`; a folder already there is replaced.

    Raises:
        UserError: the disk is full, or the place can't be written to.
    """
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        temporary.chmod(0o755)
        old = temporary.with_name(temporary.name + "-ancien")
        try:
            yield temporary
            if target.exists():  # moved aside first: killed during a removal, half of it would keep the name
                target.rename(old)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(target: Path) -> Generator[Path, None, None]:
    """Gives a temporary path that replaces `target` only if the block ends without an exception.

    Raises:
        UserError: the disk is full, or the place can't be written to.
    """
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_errors(target: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"Le disque est plein : impossible d'écrire {target}. Rien n'a été écrit à moitié ; libérez de la "
                "place (le dossier travail/ peut être effacé), puis relancez."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(
                f"Impossible d'écrire {target} : accès refusé à {error.filename or target}. Vérifiez les droits, ou "
                "choisissez un autre dossier (variable PROJETS_TRAVAIL, ou PROJETS_DATA pour les données)."
            ) from error
        raise


# --- Files and processes ---------------------------------------------------------------------------------------------


def find_idx(folder: Path, part: str) -> tuple[Path, Path]:
    """Returns the files of images and of labels of the "train" or "test" part, whatever their names and folders.

    Official names come first, then the least deep; a name may lack `.gz`, or have a point for its dash.

    Raises:
        UserError: one is absent.
    """
    found = []
    for kind, name in zip(("images", "labels"), IDX_FILES[part], strict=True):
        alike = [
            path
            for path in [*lookup.visible(folder), *(p for inner in lookup.under(folder) for p in lookup.visible(inner))]
            if (m := lookup.IDX_NAME.match(path.name)) and path.is_file() and not path.name.lower().endswith(".csv")
            if (m[1].lower().replace("t10k", "test"), m[2].lower()) == (part, kind)
        ]
        if not alike:
            raise UserError(
                f"{folder / name} est introuvable : {lookup.contents(folder)}. Placez-y ce fichier, qui se trouve avec "
                "python -m atelier donnees telecharger fashion_mnist (le dossier mis de côté sous un autre nom)."
            )
        found.append(next((path for path in alike if path.name == name), alike[0]))
    return tuple(found)


def read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file of unsigned bytes, compressed by gzip or not: its first bytes tell, not its name.

    Format: http://yann.lecun.com/exdb/mnist (two zero bytes, type 0x08, number of dimensions, big-endian sizes, data).

    Returns:
        An array of dtype uint8 with the dimensions that the file states.

    Raises:
        UserError: the file is missing, unreadable, truncated, or not an IDX file of bytes.
    """
    advice = (
        f"Il en faut une copie neuve : donnez un autre nom au dossier {Path(path).parent}, puis lancez python -m "
        "atelier donnees telecharger fashion_mnist."
    )
    try:
        with path.open("rb") as stream:
            is_compressed = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if is_compressed else path.open("rb") as stream:
            header = stream.read(4)
            if len(header) < 4 or header[:3] != b"\x00\x00\x08" or not 1 <= header[3] <= 4:
                if header[:2] in (b"PK", b"7z", b"BZ", b"Ra", b"\xfd7"):
                    raise UserError(f"{path} est une archive. Extrayez-en le fichier, et mettez-le à sa place.")
                raise UserError(f"{path} n'est pas un fichier IDX d'octets (nombre magique {header.hex()}). {advice}")
            raw_sizes = stream.read(4 * header[3])
            if len(raw_sizes) != 4 * header[3]:
                raise UserError(f"{path} est tronqué : l'en-tête est incomplet. {advice}")
            sizes = struct.unpack(f">{header[3]}I", raw_sizes)
            length = math.prod(sizes)
            if not 0 < length <= 2**31:
                raise UserError(f"{path} annonce une taille invraisemblable : {sizes}. {advice}")
            data = stream.read(length + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path} est introuvable. {advice}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} est tronqué ou abîmé. {advice}") from error
    except OSError as error:
        raise UserError(f"{path} ne peut pas être lu ({error.strerror or error}). {advice}") from error
    if len(data) != length:
        more = "plus" if len(data) > length else "moins"
        raise UserError(f"{path} contient {more} de données que les {length} octets annoncés. {advice}")
    return np.frombuffer(data, dtype=np.uint8).reshape(sizes)


def in_processes(function: Callable[..., None], calls: Iterable[tuple]) -> None:
    """Makes calls, given by their arguments, in as many processes as there are cores, eight at most.

    For NumPy code made of many small steps, which threads don't make faster; `function` belongs to a module.
    """
    import joblib

    joblib.Parallel(n_jobs=min(8, joblib.cpu_count()))(joblib.delayed(function)(*call) for call in calls)
