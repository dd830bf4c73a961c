"""Where the data is: the catalogue of the four datasets, how to find, fetch and check them, and where results go.

The real dataset is used where it is present, in `$PROJETS_DATA` or in `data/`; otherwise the project draws its own
synthetic sample in the same layout, so that one loader reads both.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import gzip
import hashlib
import lzma
import math
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from commun import UserError
from commun.sources import code_hash

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1_000_000
SAMPLE_ONLY = "echantillon"  # the value of $PROJETS_DATA that hides real data


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


# --- Catalogue -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class File:
    """A file to download.

    Attributes:
        name: its name on disk.
        urls: addresses to try, in order.
        sha256: its published hash; None where none is published (the hash is then recorded).
        megabytes: smallest and largest acceptable size.
        unpacked_megabytes: for an archive, the largest acceptable size once extracted; 0 for a plain file.
        part: for an archive, the sub-folder of the dataset that it fills ("" for all of it).
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None
    megabytes: tuple[float, float]
    unpacked_megabytes: float = 0.0
    part: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """What a check of a dataset found: `problems` prevent its use, `notes` do not."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue.

    Attributes:
        name: folder name under the data root.
        title: name shown to users.
        licence: name of its licence.
        citation: whom to credit.
        layout: the official tree, drawn.
        size: size shown to users.
        files: what `fetch` downloads, by category ("" for a dataset without categories).
        check: function from a folder to a `Report`.
        manual: how to get it by hand, in French.
    """

    name: str
    title: str
    licence: str
    citation: str
    layout: str
    size: str
    files: Mapping[str, tuple[File, ...]]
    check: Callable[[Path], Report]
    manual: str = ""


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a dataset is and what it is worth: `folder`, and `is_real` (False for the synthetic sample)."""

    folder: Path
    is_real: bool
    title: str

    @property
    def sentence(self) -> str:
        """The French sentence that opens every notebook."""
        if self.is_real:
            return f"Données : **{self.title}**, jeu réel."
        return f"Données : **échantillon synthétique**, dessiné par le projet à l'image de {self.title}."


def read_idx(path: Path) -> np.ndarray:
    """Reads a gzip-compressed IDX file of unsigned bytes.

    Format: http://yann.lecun.com/exdb/mnist (two zero bytes, type 0x08, number of dimensions, big-endian sizes, data).

    Returns:
        An array of dtype uint8 with the dimensions that the file states.

    Raises:
        UserError: the file is missing, unreadable, truncated, or not an IDX file of bytes.
    """
    advice = (
        "Remplacez-le par une copie neuve : supprimez le dossier, puis lancez python -m atelier donnees telecharger "
        "fashion_mnist."
    )
    try:
        with gzip.open(path, "rb") as stream:
            header = stream.read(4)
            if len(header) < 4 or header[:3] != b"\x00\x00\x08" or not 1 <= header[3] <= 4:
                raise UserError(f"{path} n'est pas un fichier IDX d'octets (nombre magique {header.hex()}). {advice}")
            raw_sizes = stream.read(4 * header[3])
            if len(raw_sizes) != 4 * header[3]:
                raise UserError(f"{path} est tronqué : l'en-tête est incomplet. {advice}")
            sizes = struct.unpack(f">{header[3]}I", raw_sizes)
            expected = math.prod(sizes)
            if not 0 < expected <= 2**31:
                raise UserError(f"{path} annonce une taille invraisemblable : {sizes}. {advice}")
            data = stream.read(expected + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path} est introuvable. {advice}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} est tronqué ou n'est pas une archive gzip ({error}). {advice}") from error
    except OSError as error:
        raise UserError(f"{path} ne peut pas être lu ({error.strerror or error}). {advice}") from error
    if len(data) != expected:
        found = "plus" if len(data) > expected else "moins"
        raise UserError(f"{path} contient {found} de données que les {expected} octets annoncés. {advice}")
    return np.frombuffer(data, dtype=np.uint8).reshape(sizes)


IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def _check_fashion_mnist(folder: Path) -> Report:
    problems = []
    for images_name, labels_name in IDX_FILES.values():
        try:
            images, labels = read_idx(folder / images_name), read_idx(folder / labels_name)
        except UserError as error:
            problems.append(str(error))
            continue
        if images.ndim != 3 or images.shape[1:] != (28, 28):
            problems.append(f"{images_name} : des images 28 × 28 étaient attendues, la forme est {images.shape}.")
        elif labels.ndim != 1 or len(labels) != len(images):
            problems.append(f"{labels_name} : {len(images)} étiquettes étaient attendues, la forme est {labels.shape}.")
        elif labels.max(initial=0) > 9:
            problems.append(f"{labels_name} : étiquette {labels.max()} hors de 0 à 9.")
    return Report(tuple(problems))


def _undecodable(paths: list[Path]) -> list[str]:
    problems = []
    for path in paths:
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            problems.append(f"{path} ne se décode pas ({error}).")
    return problems


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".png", ".jpg", ".jpeg"})


def _check_anomalies(folder: Path) -> Report:
    """Checks `<category>/{train/good,test/*,ground_truth/*}` for one category or for a folder of them."""
    categories = [folder]
    if not (folder / "train").is_dir():  # hidden folders are what a killed download left
        categories = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    problems: list[str] = [] if categories else [f"{folder} est vide : une catégorie par dossier était attendue."]
    notes = []
    for category in categories:
        counts = {}
        for part in ("train/good", "test", "ground_truth"):
            paths = _images(category / part)
            counts[part] = len(paths)
            if not paths:
                problems.append(f"{category / part} ne contient aucune image.")
            problems += _undecodable(paths)
        notes.append(f"{category.name} : {counts['train/good']} images d'apprentissage, {counts['test']} de test.")
        for path in _images(category / "test"):
            masks = category / "ground_truth" / path.parent.name
            masked = (masks / f"{path.stem}_mask.png").exists() or any((masks / path.stem).glob("*.png"))
            if path.parent.name != "good" and not masked:  # MVTec AD: one file; AutoVI: one folder
                notes.append(f"{path} n'a pas de masque dans {masks}.")
        if any(category.glob("ground_truth/*/*/*.png")) and not (category / "defects_config.json").exists():
            notes.append(f"{category.name} : defects_config.json est absent, l'AU-sPRO ne se calcule pas.")
    return Report(tuple(problems), tuple(notes))


def _check_artworks(folder: Path) -> Report:
    needed = (folder / "artists.csv", folder / "images" / "images")
    problems = [f"{path} est absent." for path in needed if not path.exists()]
    paths = _images(folder / "images" / "images") if not problems else []
    if not problems and not paths:
        problems.append(f"{folder / 'images' / 'images'} ne contient aucune image.")
    unreadable = _undecodable(paths)
    return Report(
        tuple(problems),
        (f"{len(paths)} images ({_announced(needed[0])}), {len(unreadable)} illisibles.", *unreadable),
    )


def _announced(table: Path) -> str:
    """Says how many works `artists.csv` announces; copies differ, so that another count is no problem."""
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            return f"{sum(int(row['paintings']) for row in csv.DictReader(stream))} selon artists.csv"
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return "nombre attendu inconnu : artists.csv est illisible"


def _mvtec(category: str, share: str) -> tuple[File, ...]:
    url = f"https://www.mydrive.ch/shares/{share}/{category}.tar.xz"
    return (File(f"{category}.tar.xz", (url,), None, (20, 1500), 3000, part=category),)


_FASHION_HOSTS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_FASHION_FILES = (
    ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", (20, 40)),
    ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", (0.01, 0.1)),
    ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", (3, 8)),
    ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", (0.001, 0.02)),
)

CATALOGUE: dict[str, Dataset] = {
    entry.name: entry
    for entry in (
        Dataset(
            name="best-artworks-of-all-time",
            title="Best Artworks of All Time",
            licence="CC BY-NC-SA 4.0 ; certaines œuvres sont sous droit d'auteur",
            citation="Icaro (ikarus777), Kaggle, 2019",
            layout="artists.csv\nimages/images/<Artiste>/<Artiste>_<n>.jpg\nresized/resized/<Artiste>_<n>.jpg",
            size="2,3 Go",
            files={"": (File("best-artworks-of-all-time.zip", (), None, (100, 4000), 6000),)},
            check=_check_artworks,
            manual=(
                "Ce jeu demande un compte Kaggle : téléchargez l'archive de "
                "https://www.kaggle.com/datasets/ikarus777/best-artworks-of-all-time, nommez-la "
                "best-artworks-of-all-time.zip et placez-la dans {root}, puis relancez la même commande"
            ),
        ),
        Dataset(
            name="fashion_mnist",
            title="Fashion-MNIST",
            licence="MIT",
            citation="H. Xiao, K. Rasul, R. Vollgraf, « Fashion-MNIST », arXiv:1708.07747, 2017",
            layout="\n".join(name for pair in IDX_FILES.values() for name in pair),
            size="31 Mo",
            files={"": tuple(File(n, tuple(h + n for h in _FASHION_HOSTS), s, mb) for n, s, mb in _FASHION_FILES)},
            check=_check_fashion_mnist,
        ),
        Dataset(
            name="mvtec_ad",
            title="MVTec AD",
            licence="CC BY-NC-SA 4.0",
            citation="P. Bergmann, M. Fauser, D. Sattlegger, C. Steger, « MVTec AD », CVPR 2019",
            layout="<catégorie>/train/good/NNN.png\n<catégorie>/test/<good ou défaut>/NNN.png\n"
            "<catégorie>/ground_truth/<défaut>/NNN_mask.png",
            size="0,1 à 0,6 Go par catégorie",
            files={
                "bottle": _mvtec("bottle", "150452/132a93367fb17cdf968dfb5c4013f6e7/download/420937370-1629958698"),
                "hazelnut": _mvtec("hazelnut", "150457/51d49f65e84bdc100ff8035d7dd783ea/download/420937545-1629959162"),
                "capsule": _mvtec("capsule", "150454/e0ce6dd74eb150f46c0d98131b3703f2/download/420937454-1629958872"),
                "toothbrush": _mvtec(
                    "toothbrush", "150463/895a1a5fb84b958f07417784b060434b/download/420938134-1629960477"
                ),
            },
            check=_check_anomalies,
        ),
        Dataset(
            name="autovi",
            title="AutoVI",
            licence="CC BY-NC-SA 4.0",
            citation="P. Carvalho et al., « AutoVI », Zenodo 10459003, 2024",
            layout="<catégorie>/train/good/NNNN.png\n<catégorie>/test/<good ou défaut>/NNNN.png\n"
            "<catégorie>/ground_truth/<défaut>/NNNN/0000.png\n<catégorie>/defects_config.json",
            size="0,25 Go",
            files={
                "engine_wiring": (
                    File(
                        "engine_wiring.zip",
                        ("https://zenodo.org/records/10459003/files/engine_wiring.zip",),
                        "252590d3249f7fbdf83a7e9b735ef0df175adc218460247e9a63bef1c03d420c",
                        (240, 260),
                        1500,
                        part="engine_wiring",
                    ),
                )
            },
            check=_check_anomalies,
        ),
    )
}


def entry(name: str) -> Dataset:
    """Returns the catalogue's entry of a dataset.

    Raises:
        UserError: no dataset has this name; the message lists those that exist.
    """
    if name not in CATALOGUE:
        raise UserError(f"Jeu de données inconnu : « {name} ». Jeux connus : {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]


# --- Find ------------------------------------------------------------------------------------------------------------


def data_roots() -> list[Path]:
    """Returns the folders searched for real data: `$PROJETS_DATA` if set, then `data/`; none for "echantillon".

    Raises:
        UserError: `$PROJETS_DATA` names a folder that does not exist.
    """
    roots = [ROOT / "data"]
    if named := os.environ.get("PROJETS_DATA"):
        if named == SAMPLE_ONLY:
            return []
        folder = Path(named) if Path(named).is_absolute() else Path.cwd() / named
        if not folder.is_dir() and (ROOT / named).is_dir():
            folder = ROOT / named  # a notebook's kernel starts in the notebook's folder
        if not folder.is_dir():
            raise UserError(f"PROJETS_DATA désigne {named}, qui n'existe pas. Corrigez ou retirez cette variable.")
        roots.insert(0, folder.resolve())
    return roots


def find(name: str, category: str = "") -> Path | None:
    """Returns the folder of the real dataset (of one of its categories), or None where it is absent."""
    for root in data_roots():
        folder = root / entry(name).name / category
        if folder.is_dir():
            return folder
    return None


def locate(name: str, *, draw: Callable[[Path], None], category: str = "") -> Location:
    """Returns the real dataset where it is present, and otherwise the project's synthetic sample, drawn once.

    Args:
        name: name in the catalogue.
        draw: writes the sample in the official layout into the folder that it is given; edited, it draws it again.
        category: sub-folder, for a dataset with categories.

    Raises:
        UserError: the dataset is unknown, or its folder is empty.
    """
    dataset = entry(name)
    if folder := find(name, category):
        if not any(folder.iterdir()):
            raise UserError(
                f"Le dossier {folder} est vide. Placez-y {dataset.title} (python -m atelier donnees telecharger "
                f"{name}), ou supprimez-le pour travailler sur l'échantillon synthétique."
            )
        return Location(folder, True, dataset.title)
    folder = working_folder("echantillons") / "-".join(filter(None, (name, category, code_hash(draw))))
    if not folder.is_dir():
        with atomic_folder(folder) as temporary:
            draw(temporary)
    return Location(folder, False, dataset.title)


def in_processes(function: Callable[..., None], calls: Iterable[tuple]) -> None:
    """Makes calls, given by their arguments, in as many processes as there are cores, eight at most.

    For NumPy code made of many small steps, which threads don't make faster; `function` belongs to a module.
    """
    import joblib

    joblib.Parallel(n_jobs=min(8, joblib.cpu_count()))(joblib.delayed(function)(*call) for call in calls)


def verify(name: str) -> Report:
    """Checks the structure of a real dataset: presence, magic numbers, shapes, counts, decodability.

    Raises:
        UserError: the dataset is unknown or absent.
    """
    folder = find(name)
    if folder is None:
        raise UserError(
            f"{entry(name).title} est absent : cherché dans {', '.join(str(r / name) for r in data_roots())}. "
            f"Pour le télécharger : python -m atelier donnees telecharger {name}."
        )
    report = entry(name).check(folder)
    others = [
        f"{file.name} : empreinte SHA-256 différente de celle du fichier officiel."
        for file in entry(name).files.get("", ())
        if file.sha256 and (folder / file.name).is_file() and _sha256(folder / file.name) != file.sha256
    ]
    return dataclasses.replace(report, notes=(*report.notes, *others))


# --- Fetch -----------------------------------------------------------------------------------------------------------


def fetch(name: str, category: str = "", *, root: Path | None = None, progress: bool = True) -> list[Path]:
    """Downloads a dataset, checks it and puts it in place.

    Args:
        name: name in the catalogue.
        category: a category of the dataset; all of them if empty.
        root: data folder; by default the first of `data_roots()`.
        progress: shows a progress bar.

    Returns:
        The folders filled. What is already present is checked, and left as it is.

    Raises:
        UserError: a download failed or does not match the catalogue; the message gives the manual route. Or what is
            already present can't be used.
    """
    dataset = entry(name)
    root = root or (data_roots() or [ROOT / "data"])[0]
    if category and category not in dataset.files:
        known = ", ".join(filter(None, dataset.files)) or "aucune"
        raise UserError(f"Catégorie inconnue : « {category} ». Catégories de {name} : {known}.")
    folders = []
    for part in [category] if category else list(dataset.files):
        target = root / dataset.name / part
        if not target.is_dir() or not any(target.iterdir()):
            _fetch_part(dataset, dataset.files[part], target, root, progress)
        elif problems := dataset.check(target).problems:
            raise UserError(
                f"{target} est déjà là, mais inutilisable : {problems[0]} Pour le télécharger de nouveau, renommez ou "
                "supprimez d'abord ce dossier."
            )
        folders.append(target)
    return folders


def _fetch_part(dataset: Dataset, files: tuple[File, ...], target: Path, root: Path, progress: bool) -> None:
    with atomic_folder(target) as temporary:
        records = []
        for file in files:
            by_hand = root / file.name
            path = by_hand if by_hand.is_file() else _download(dataset, file, temporary, root, progress)
            records.append(f"{_check_file(file, path)}  {file.name}\n")
            if file.unpacked_megabytes:
                extract(path, temporary, max_megabytes=file.unpacked_megabytes)
                if path != by_hand:
                    path.unlink()
                tops = list(temporary.iterdir())
                inner = tops[0] if len(tops) == 1 else temporary / file.part
                if inner != temporary and inner.is_dir():  # the archive's own top folder
                    for child in list(inner.iterdir()):
                        child.rename(temporary / child.name)
                    inner.rmdir()
            elif path == by_hand:
                shutil.copyfile(path, temporary / file.name)
        report = dataset.check(temporary)
        if report.problems:
            problem = report.problems[0].replace(str(temporary), str(target))
            raise UserError(
                f"{dataset.title}, une fois téléchargé, n'a pas la forme attendue : {problem} Rien n'a été gardé. "
                f"Comparez avec data/README.md et placez les fichiers à la main dans {target}."
            )
        (temporary / "SHA256SUMS").write_text("".join(records), encoding="utf-8")


def _download(dataset: Dataset, file: File, folder: Path, root: Path, progress: bool) -> Path:
    if not file.urls:
        raise UserError(dataset.manual.format(root=root) + ".")
    import pooch

    reasons = []
    for url in file.urls:
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=60)
        try:
            pooch.get_logger().setLevel("ERROR")
            known = f"sha256:{file.sha256}" if file.sha256 else None
            store = pooch.create(folder, "", registry={file.name: known}, urls={file.name: url}, retry_if_failed=2)
            path = Path(store.fetch(file.name, downloader=downloader))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            reasons.append(f"{url} ({_reason(error)})")
        except ValueError:
            reasons.append(f"{url} (empreinte SHA-256 différente de celle du catalogue : fichier tronqué ou modifié)")
        else:
            size = path.stat().st_size / MEGABYTE
            if file.megabytes[0] <= size <= file.megabytes[1]:
                return path
            path.unlink()
            reasons.append(f"{url} ({size:.3g} Mo, {_size(file)} attendus : fichier tronqué ou page d'erreur)")
    check = f"son empreinte SHA-256 {file.sha256}" if file.sha256 else f"sa taille, {_size(file)}"
    raise UserError(
        f"Échec du téléchargement de {file.name} : {' ; '.join(reasons)}. À la main : téléchargez {file.urls[0]}, "
        f"vérifiez {check}, placez le fichier dans {root} sous le nom {file.name}, puis relancez la même commande."
    )


def _reason(error: OSError) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"erreur HTTP {status}" if status else f"connexion impossible ou coupée, {type(error).__name__}"


def _size(file: File) -> str:
    return f"entre {file.megabytes[0]:g} et {file.megabytes[1]:g} Mo"


def _check_file(file: File, path: Path) -> str:
    """Checks the size and the hash of a downloaded or hand-placed file; returns its SHA-256."""
    size = path.stat().st_size / MEGABYTE
    if not file.megabytes[0] <= size <= file.megabytes[1]:
        raise UserError(
            f"{path} pèse {size:.3g} Mo, {_size(file)} étaient attendus : fichier tronqué ou page d'erreur. "
            "Effacez-le et recommencez."
        )
    digest = _sha256(path)
    if file.sha256 and digest != file.sha256:
        raise UserError(
            f"L'empreinte SHA-256 de {path} est {digest}, alors que {file.sha256} est attendue. Effacez-le et "
            "recommencez."
        )
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract(archive: Path, folder: Path, *, max_megabytes: float) -> None:
    """Extracts a zip or tar archive; nothing is ever written outside `folder`.

    Raises:
        UserError: not an archive, corrupt, bigger than `max_megabytes` once extracted, or holding a link, a device or
            a path that leaves the folder.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                _refuse_large(archive, sum(i.file_size for i in bundle.infolist()), max_megabytes)
                for item in bundle.infolist():
                    target = _inside(folder, item.filename, archive)
                    if stat.S_IFMT(item.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                        _refuse_special(archive, item.filename)
                    if item.is_dir():
                        target.mkdir(parents=True, exist_ok=True)
                    else:
                        with bundle.open(item) as source:
                            _write(source, target)
        else:
            with tarfile.open(archive) as bundle:
                total = 0
                for item in bundle:
                    target = _inside(folder, item.name, archive)
                    total += item.size
                    _refuse_large(archive, total, max_megabytes)
                    if item.isdir():
                        target.mkdir(parents=True, exist_ok=True)
                    elif item.isfile():
                        _write(bundle.extractfile(item), target)
                    else:
                        _refuse_special(archive, item.name)
                while bundle.fileobj.read(MEGABYTE):  # to the end, where the checksum of the compression is
                    pass
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(f"{archive.name} n'est pas une archive lisible. Remplacez-la, puis relancez.") from error
    except RuntimeError as error:  # zip: encrypted, or an unknown compression (Windows packs big files with Deflate64)
        raise UserError(f"{archive.name} ne s'extrait pas ici ({error}). Extrayez-la à la main.") from error


def _refuse_special(archive: Path, name: str) -> None:
    raise UserError(f"{archive.name} contient un lien ou un fichier spécial ({name}) : refusée.")


def _refuse_large(archive: Path, size: int, max_megabytes: float) -> None:
    if size > max_megabytes * MEGABYTE:
        raise UserError(f"{archive.name} dépasse une fois extraite les {max_megabytes:g} Mo du catalogue : refusée.")


def _inside(folder: Path, name: str, archive: Path) -> Path:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise UserError(f"{archive.name} contient un chemin qui sort du dossier ({name}) : refusée.")
    return target


def _write(source, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
