"""Many hand-ins at once: which files a command line names, where their pages go, which of them are one run."""

from __future__ import annotations

import dataclasses
import errno
import glob
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commun import UserError


def for_each(items: Iterable[Any], work: Callable[[Any], object]) -> int:
    """Does some work on each item; a mistake is told, and does not stop the rest.

    Returns:
        0, or 2 if there was a mistake.
    """
    code = 0
    for item in items:
        try:
            work(item)
        except (UserError, OSError) as error:
            print(f"Erreur : {sentence(error)}", file=sys.stderr, flush=True)
            code = 2
    return code


def sentence(error: UserError | OSError) -> str:
    """Returns what is said of a mistake: its own message, or what the system refused.

    Raises:
        OSError: it is about no file, nor about a full disk.
    """
    if isinstance(error, UserError):
        return str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "le disque est plein. Libérez de la place, puis relancez."
    if error.filename is None:
        raise error
    reasons = {
        errno.EEXIST: "un fichier porte ce nom, là où il faut un dossier",
        errno.ENOTDIR: "un fichier porte ce nom, là où il faut un dossier",
        errno.EISDIR: "un dossier porte ce nom, là où il faut un fichier",
        errno.EACCES: "vous n'en avez pas le droit",
        errno.EPERM: "vous n'en avez pas le droit",
        errno.EROFS: "le disque est en lecture seule",
        errno.ENAMETOOLONG: "le nom est trop long",
    }
    reason = reasons.get(error.errno, error.strerror)
    return f"{error.filename2 or error.filename} ne peut être ni lu ni écrit : {reason}. Choisissez un autre endroit."


def expand(name: Path) -> list[Path]:
    """Returns the notebooks that a name stands for: a file, those of a folder at any depth, or those of a pattern.

    Windows hands patterns (`rendus/*.ipynb`) over as they are. What is not a hand-in is left out: hidden files and
    folders (`.ipynb_checkpoints`, `._01.ipynb`) and `__MACOSX`.

    Raises:
        UserError: there is none.
    """
    if name.is_dir():
        paths = _inside(name)
        if not paths:
            raise UserError(f"{name} est un dossier qui ne contient aucun carnet (.ipynb). Vérifiez son chemin.")
        return paths
    if not name.exists() and glob.has_magic(str(name)):
        matches = [Path(match) for match in sorted(glob.glob(str(name), recursive=True))]
        paths = [path for match in matches for path in (_inside(match) if match.is_dir() else [match])]
        paths = list(filter(_is_hand_in, paths))
        if not paths:
            raise UserError(f"Aucun carnet ne correspond à {name}. Vérifiez le chemin.")
        return paths
    return [name]


def expand_all(names: Iterable[Path]) -> tuple[list[Path], int]:
    """Returns the notebooks that names stand for, each once, and 2 if one stands for none (told), else 0."""
    found: dict[Path, Path] = {}
    code = for_each(names, lambda name: found.update({path.resolve(): path for path in expand(name)}))
    return list(found.values()), code


@dataclasses.dataclass(frozen=True)
class Found:
    """A hand-in where it was found.

    Attributes:
        path: of the file.
        place: folders and archives that hold it, from what was named down.
        label: how it is named to the instructor.
    """

    path: Path
    place: tuple[str, ...]
    label: str


def find(names: Sequence[Path], work: Path) -> tuple[list[Found], list[str], int]:
    """Finds the hand-ins of folders, files, patterns and archives, each once; archives are opened in `work`.

    Returns:
        The hand-ins, what could not be taken out of archives (French sentences), and 2 if a name stands for nothing.
    """
    found: dict[Path, Found] = {}
    problems: list[str] = []
    sources = [path for name in names for path in _matches(name)]
    several = len(sources) > 1
    files = [path.absolute().parent for path in sources if path.is_file() and not _is_archive(path)]
    common = Path(os.path.commonpath(files)) if files and len({folder.anchor for folder in files}) == 1 else None

    def open_archive(archive: Path, label: str, place: tuple[str, ...]) -> None:
        from atelier import archives

        folder = work / f"{len(list(work.iterdir()))}"
        unpacked = archives.unpack(archive, folder)
        problems.extend(unpacked.problems)
        for path in unpacked.notebooks:
            inner = path.relative_to(folder.resolve() if path.is_relative_to(folder.resolve()) else folder)
            found[path] = Found(path, (*place, *inner.parts[:-1]), f"{label} › {inner.as_posix()}")

    def look(source: Path) -> None:
        if _is_archive(source):
            return open_archive(source, str(source), (source.stem,) if several else ())
        if not source.is_dir():
            if not source.exists() and glob.has_magic(str(source)):
                raise UserError(f"Aucun carnet ne correspond à {source}. Vérifiez le chemin.")
            parents = source.absolute().parent.relative_to(common).parts if common else ()
            found[source.resolve()] = Found(source, parents, str(source))
            return None
        inside = _inside(source, (".ipynb", ".zip"))
        if not inside:
            raise UserError(f"{source} est un dossier qui ne contient aucun carnet (.ipynb). Vérifiez son chemin.")
        for path in inside:
            place = (*((source.name,) if several else ()), *path.relative_to(source).parts[:-1])
            if _is_archive(path):
                open_archive(path, str(path), (*place, path.stem))
            else:
                found[path.resolve()] = Found(path, place, str(path))
        return None

    code = for_each(sources, look)
    return list(found.values()), problems, code


def pages(paths: Sequence[Path], output: Path | None) -> dict[Path, Path]:
    """Returns the page of each notebook: no two have the same.

    In a folder of pages, notebooks of one name go to sub-folders named as those that they come from. If that is not
    enough (`01.ipynb` and `01.IPYNB`), they are numbered.
    """
    targets = {path: (output or path.parent) / f"{path.stem}.html" for path in paths}
    groups = defaultdict(list)
    for path, target in targets.items():
        groups[_identity(target)].append(path)
    for group in groups.values():
        folders = [path.resolve().parent for path in group]
        if output and len(set(folders)) > 1:
            one_disk = len({folder.anchor for folder in folders}) == 1
            common = os.path.commonpath(folders) if one_disk else None
            for path, folder in zip(group, folders, strict=True):
                inner = folder.relative_to(common) if common else Path(*folder.parts[1:])
                targets[path] = output / inner / f"{path.stem}.html"
    taken = Counter()
    for path, target in targets.items():
        taken[_identity(target)] += 1
        if (count := taken[_identity(target)]) > 1:
            targets[path] = target.with_name(f"{target.stem} ({count}).html")
    return targets


def repeated(runs: Mapping[Path, str]) -> dict[str, list[Path]]:
    """Returns the runs that several hand-ins bear: run id -> hand-ins."""
    groups = defaultdict(list)
    for path, run in runs.items():
        groups[run].append(path)
    return {run: paths for run, paths in groups.items() if len(paths) > 1}


def _matches(name: Path) -> list[Path]:
    """Returns what a pattern stands for, or the name itself."""
    if name.exists() or not glob.has_magic(str(name)):
        return [name]
    matches = [Path(match) for match in sorted(glob.glob(str(name), recursive=True))]
    matches = [path for path in matches if path.is_dir() or path.suffix.lower() in (".ipynb", ".zip")]
    return list(filter(_is_hand_in, matches)) or [name]


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _inside(folder: Path, suffixes: Sequence[str] = (".ipynb",)) -> list[Path]:
    """Returns the hand-ins of a folder, at any depth; links out of it are none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    paths = [path for path in paths if not path.is_symlink()]
    return [path for path in paths if _is_hand_in(path.relative_to(folder))]


def _is_hand_in(path: Path) -> bool:
    return not any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in path.parts)


def _identity(page: Path) -> str:
    """Returns what tells a page from the others, in a file system that may not tell capitals."""
    return str(page.resolve()).casefold()
