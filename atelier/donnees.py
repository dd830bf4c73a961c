"""The datasets' files: downloaded, unpacked, put in place and checked, for `atelier donnees`."""

from __future__ import annotations

import csv
import dataclasses
import errno
import gzip
import hashlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from commun import UserError, datasets
from commun.datasets import IDX_FILES, Dataset, File, atomic_folder, data_roots, find, read_idx

MEGABYTE = 1_000_000


@dataclasses.dataclass(frozen=True)
class Report:
    """What a check of a dataset found: `problems` prevent its use, `notes` do not."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def fetch(name: str, category: str = "", *, root: Path | None = None) -> list[Path]:
    """Downloads a dataset, checks it and puts it in place.

    Args:
        name: name in the catalogue.
        category: a category of the dataset; all of them if empty.
        root: data folder; by default the first of `data_roots()`.

    Returns:
        The folders filled. What is already present is checked, and left as it is.

    Raises:
        UserError: a download failed or does not match the catalogue; the message gives the manual route. Or what is
            already present can't be used.
    """
    dataset = datasets.dataset(name)
    root = root or (data_roots() or [datasets.ROOT / "data"])[0]
    if category and category not in dataset.files:
        known = ", ".join(filter(None, dataset.files)) or "aucune"
        raise UserError(f"Catégorie inconnue : « {category} ». Catégories de {name} : {known}.")
    folders = []
    for part in [category] if category else list(dataset.files):
        target = root / name / part
        if not target.is_dir() or not any(target.iterdir()):
            _fetch_part(dataset, part, target, root)
        elif problems := CHECKS[name](target).problems:
            raise UserError(
                f"{target} est déjà là, mais inutilisable : {problems[0]} Pour le télécharger de nouveau, renommez ou "
                "supprimez d'abord ce dossier."
            )
        folders.append(target)
    return folders


def verify(name: str) -> Report:
    """Checks the structure of a real dataset: presence, magic numbers, shapes, counts, decodability.

    Raises:
        UserError: the dataset is unknown or absent.
    """
    dataset, folder = datasets.dataset(name), find(name)
    if folder is None:
        raise UserError(
            f"{dataset.title} est absent : cherché dans {', '.join(str(r / name) for r in data_roots())}. "
            f"Pour le télécharger : python -m atelier donnees telecharger {name}."
        )
    report = CHECKS[name](folder)
    differences = [
        f"{file.name} : empreinte SHA-256 différente de celle du fichier officiel."
        for file in dataset.files.get("", ())
        if file.sha256 and (folder / file.name).is_file() and _sha256(folder / file.name) != file.sha256
    ]
    return dataclasses.replace(report, notes=(*report.notes, *differences))


def unpack(archive: Path, folder: Path, *, max_megabytes: float) -> None:
    """Unpacks a zip or tar archive; nothing is ever written outside `folder`, nor more than `max_megabytes`.

    A tar archive with a link, a device or a path that goes up and out is refused; an absolute path lands inside. Of a
    zip archive, all paths land inside, and a link becomes a small text file: `zipfile` cleans names and makes no link.

    Raises:
        UserError: not an archive, corrupt, too big once unpacked, or refused.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                _refuse_large(archive, sum(member.file_size for member in bundle.infolist()), max_megabytes)
                bundle.extractall(folder)
        else:
            size = 0

            def ordinary(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
                nonlocal size
                size += member.size
                _refuse_large(archive, size, max_megabytes)
                if not (member.isfile() or member.isdir()):
                    raise tarfile.SpecialFileError(member)
                return tarfile.data_filter(member, path)

            with tarfile.open(archive) as bundle:
                bundle.extractall(folder, filter=ordinary)
                while bundle.fileobj.read(MEGABYTE):  # to the end, where the checksum of the compression is
                    pass
    except tarfile.FilterError as error:
        raise UserError(
            f"{archive.name} contient un lien, un fichier spécial ou un chemin qui sort du dossier "
            f"({error.tarinfo.name}) : refusée."
        ) from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(f"{archive.name} n'est pas une archive lisible. Remplacez-la, puis relancez.") from error
    except RuntimeError as error:  # zip: encrypted, or an unknown compression (Windows packs big files with Deflate64)
        raise UserError(f"{archive.name} ne s'extrait pas ici ({error}). Extrayez-la à la main.") from error


def _refuse_large(archive: Path, size: int, max_megabytes: float) -> None:
    if size > max_megabytes * MEGABYTE:
        raise UserError(f"{archive.name} dépasse une fois extraite les {max_megabytes:g} Mo du catalogue : refusée.")


# --- Downloads -------------------------------------------------------------------------------------------------------


def _fetch_part(dataset: Dataset, part: str, target: Path, root: Path) -> None:
    """Fills `target`, the folder of a category or of a dataset without categories, or leaves it as it was."""
    with atomic_folder(target) as temporary:
        sums = []
        for file in dataset.files[part]:
            by_hand = root / file.name
            path = by_hand if by_hand.is_file() else _download(dataset, file, temporary, root)
            sums.append(f"{_check_file(file, path)}  {file.name}\n")
            if file.unpacked_megabytes:
                unpack(path, temporary, max_megabytes=file.unpacked_megabytes)
                if path != by_hand:
                    path.unlink()
                _remove_top_folder(temporary, part)
            elif path == by_hand:
                shutil.copyfile(path, temporary / file.name)
        if problems := CHECKS[dataset.name](temporary).problems:
            problem = problems[0].replace(str(temporary), str(target))
            raise UserError(
                f"{dataset.title}, une fois téléchargé, n'a pas la forme attendue : {problem} Rien n'a été gardé. "
                f"Comparez avec data/README.md et placez les fichiers à la main dans {target}."
            )
        (temporary / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def _remove_top_folder(folder: Path, part: str) -> None:
    """Moves up what an archive keeps in a folder of its own: the only one, or that of the category."""
    tops = list(folder.iterdir())
    inner = tops[0] if len(tops) == 1 else folder / part
    if inner != folder and inner.is_dir():
        for child in list(inner.iterdir()):
            child.rename(folder / child.name)
        inner.rmdir()


def _download(dataset: Dataset, file: File, folder: Path, root: Path) -> Path:
    if not file.urls:
        raise UserError(dataset.manual.format(root=root) + ".")
    import pooch

    reasons = []
    for url in file.urls:
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=60)
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


# --- Structure -------------------------------------------------------------------------------------------------------


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


CHECKS: dict[str, Callable[[Path], Report]] = {
    "best-artworks-of-all-time": _check_artworks,
    "fashion_mnist": _check_fashion_mnist,
    "mvtec_ad": _check_anomalies,
    "autovi": _check_anomalies,
}
