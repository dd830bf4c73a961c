"""The datasets' files: downloaded, unpacked, put in place and checked, for `atelier donnees`."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import hashlib
import importlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

from commun import UserError, datasets, lookup
from commun.datasets import Dataset, File, Report, atomic_folder, data_roots, find

MEGABYTE = 1_000_000
LAYOUT_FOLDERS = {"images", "resized", "train", "test"}  # never the top folder of an archive
READERS = {  # modules, imported by name: the loader of a dataset is what says if it can be read
    "best-artworks-of-all-time": "projet1_artistes.files",
    "fashion_mnist": "projet2_cvae.dataset",
    "mvtec_ad": "projet3_ssl_anomalies.files",
    "autovi": "projet3_ssl_anomalies.files",
}


def listing() -> list[str]:
    """Returns what there is to say of each dataset, in French: what it is, where it is, or what was found instead."""
    lines = []
    for dataset in datasets.CATALOGUE.values():
        categories = ", ".join(filter(None, dataset.files))
        try:
            place = find(dataset.name) if _is_present(dataset.name) else None
            place = place or f"absent : l'échantillon synthétique est utilisé. {datasets.absence([dataset.name])}"
        except UserError as error:
            place = error
        lines.append(f"{dataset.name} : {dataset.title}, {dataset.size}, licence {dataset.licence}")
        lines.append(f"    {_plain(place)}{f' ; catégories : {categories}' if categories else ''}")
    return lines


def warning() -> str:
    """Says in French which datasets `$PROJETS_DATA` or `data/` seem meant to hold and do not; "" for none."""
    try:
        return _plain(datasets.absence([name for name in datasets.CATALOGUE if not _is_present(name)]))
    except UserError as error:
        return _plain(error)


def _plain(text: object) -> str:
    """Returns a text without the marks of Markdown's code, which a terminal does not read."""
    return str(text).replace("`", "").strip()


def _is_present(name: str) -> bool:
    has_categories = any(datasets.dataset(name).files)
    return bool(datasets.categories(name)) if has_categories else find(name) is not None


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
        if all(path in lookup.archives(target) for path in lookup.visible(target)):
            _fetch_part(dataset, part, target, root)
        elif problems := read(name, target).problems:
            raise UserError(
                f"{target} est déjà là, mais inutilisable : {problems[0]} Pour le télécharger de nouveau, donnez "
                "d'abord un autre nom à ce dossier."
            )
        folders.append(target)
    return folders


def verify(name: str) -> Report:
    """Says what the loader of a real dataset reads of it, every image decoded, and why it leaves the rest.

    Raises:
        UserError: the dataset is unknown or absent.
    """
    dataset, folder = datasets.dataset(name), find(name)
    if folder is None:
        raise UserError(
            f"{dataset.title} est absent : cherché dans {', '.join(str(r / name) for r in data_roots())}. "
            f"{datasets.absence([name])} Pour le télécharger : python -m atelier donnees telecharger {name}."
        )
    report = read(name, folder)
    differences = [
        f"{file.name} : empreinte SHA-256 différente de celle du fichier officiel."
        for file in dataset.files.get("", ())
        if file.sha256 and (folder / file.name).is_file() and _sha256(folder / file.name) != file.sha256
    ]
    return dataclasses.replace(report, notes=(*report.notes, *differences))


def read(name: str, folder: Path) -> Report:
    """Returns what the project of a dataset says of a folder: the same code lists what its notebooks read."""
    return importlib.import_module(READERS[name]).verify(folder)


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
            places = (place / file.name for place in (root, root / dataset.name, target))
            by_hand = next(filter(Path.is_file, places), None)
            path = by_hand or _download(dataset, file, temporary, root)
            sums.append(f"{_check_file(file, path)}  {file.name}\n")
            if file.unpacked_megabytes:
                unpack(path, temporary, max_megabytes=file.unpacked_megabytes)
                if path != by_hand:
                    path.unlink()
                _remove_top_folder(temporary, part)
            elif path == by_hand:
                shutil.copyfile(path, temporary / file.name)
        if problems := read(dataset.name, temporary).problems:
            problem = problems[0].replace(str(temporary), str(target))
            raise UserError(
                f"{dataset.title}, une fois téléchargé, n'a pas la forme attendue : {problem} Rien n'a été gardé. "
                f"Comparez avec data/README.md et placez les fichiers à la main dans {target}."
            )
        (temporary / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def _remove_top_folder(folder: Path, part: str) -> None:
    """Moves up what an archive keeps in a folder of its own: the only one, or that of the category."""
    for path in folder.glob("__MACOSX"):
        shutil.rmtree(path)
    tops = lookup.visible(folder)
    inner = tops[0] if len(tops) == 1 else folder / part
    if inner != folder and inner.is_dir() and inner.name not in LAYOUT_FOLDERS:
        aside = inner.rename(folder / ".a-remonter")  # what it holds may bear its name
        for child in list(aside.iterdir()):
            child.rename(folder / child.name)
        aside.rmdir()


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
