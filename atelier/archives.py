"""Zips of hand-ins, which nobody vouches for: only their notebooks are taken out, and nothing leaves the folder.

What an archive says of itself (sizes, names, kinds) is not believed: bytes are counted as they come, and the path of
each notebook is made again, part by part, from its name.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from commun import UserError, figures

_MEGA = 2**20
_BLOCK = 2**16
_TABLE = 4 * _MEGA  # bytes of the table of contents of a zip, which zipfile reads in one piece
_ENTRY = 2**10  # what a line of that table costs, as bytes taken out
_SENTENCES = 20  # for one archive: the rest is counted
_NAME, _PARTS = 80, 16  # bytes of a part of a path, parts of a path
_FORBIDDEN = re.compile(r'[<>:"|?*]')  # on Windows
_PORTS = {f"{name}{digit}" for name in ("COM", "LPT") for digit in "123456789¹²³"}
_RESERVED = _PORTS | {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
_FOREIGN = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
_UTF8, _ENCRYPTED = 0x800, 0x1  # flags of a member


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What an archive may hold.

    Attributes:
        notebook: bytes of a notebook.
        hand_in: bytes taken out of each folder or zip at the top of the archive, zips within zips included.
        total: bytes taken out in all.
        hand_in_files: notebooks and zips, as `hand_in`.
        files: notebooks and zips in all.
        ratio: bytes out for a byte in, past the first megabytes (`grace`): text seldom goes over 20.
        grace: bytes out from which `ratio` counts.
        depth: zips within zips.
    """

    notebook: int = 64 * _MEGA
    hand_in: int = 256 * _MEGA
    total: int = 2048 * _MEGA
    hand_in_files: int = 200
    files: int = 20_000
    ratio: int = 200
    grace: int = 4 * _MEGA
    depth: int = 3


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """What was taken out of an archive.

    Attributes:
        notebooks: in the order of the archive.
        problems: French sentences: what was not taken out, and why; other files are counted there too.
    """

    notebooks: list[Path]
    problems: list[str]


def unpack(archive: Path, target: Path, bounds: Bounds | None = None) -> Unpacked:
    """Takes the notebooks out of a zip, and out of the zips that it holds; a zip becomes a folder of its name.

    Names are made portable: accents composed, forbidden characters replaced by "_", long names cut; two files of one
    name are numbered. Hidden files and `__MACOSX`, which are no hand-ins, are left out without a word.

    Args:
        archive: the zip, of any origin.
        target: a folder, made if needed; what is already there is left as it is.
        bounds: what is too much.

    Raises:
        UserError: the archive is missing or is not a file.
        OSError: the disk is full, or can't be written to.
    """
    if not archive.is_file():
        raise UserError(f"{archive} n'est pas un fichier lisible. Donnez le chemin d'une archive zip.")
    target.mkdir(parents=True, exist_ok=True)
    job = _Job(target.resolve(), bounds or Bounds(), _shown(archive.name))
    with archive.open("rb") as stream:
        try:
            job.read(stream, job.label)
        except _SpentError as spent:
            job.problems.append(str(spent))
    if not job.notebooks:
        job.problems.append(f"Aucun carnet (.ipynb) n'a pu être extrait de {job.label}.")
    return Unpacked(job.notebooks, job.problems)


# --- What an archive may spend ---------------------------------------------------------------------------------------


class _RefusedError(Exception):
    """A member, or an archive, is not taken out: a French sentence says why."""


class _SpentError(Exception):
    """A purse is empty: nothing more comes out of what it pays for."""

    def __init__(self, purse: _Purse, why: str) -> None:
        super().__init__(why)
        self.purse = purse


@dataclasses.dataclass(eq=False)
class _Purse:
    """What may still be taken out of a hand-in, or of the whole archive (`parent`)."""

    label: str
    size: int
    files: int
    parent: _Purse | None = None

    def pay(self, size: int = 0, files: int = 0) -> None:
        self.size -= size
        self.files -= files
        if self.size < 0:
            raise _SpentError(self, f"{self.label} : il en sort trop de données ; le reste n'a pas été extrait.")
        if self.files < 0:
            raise _SpentError(self, f"{self.label} : il en sort trop de fichiers ; le reste n'a pas été extrait.")
        if self.parent:
            self.parent.pay(size, files)


class _Source:
    """A zip as `zipfile` reads it: counts the bytes read, and never reads more at once than a table of contents."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.count = stream, 0
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, size: int = -1) -> bytes:
        if size > _TABLE:
            raise ValueError("the table of contents is huge")
        data = self._stream.read(_TABLE if size < 0 else size)
        self.count += len(data)
        return data


# --- Reading ---------------------------------------------------------------------------------------------------------


class _Job:
    """The work on one archive and on those that it holds."""

    def __init__(self, target: Path, bounds: Bounds, label: str) -> None:
        self.target, self.bounds, self.label = target, bounds, label
        self.notebooks: list[Path] = []
        self.problems: list[str] = []
        self._taken: set[str] = set()
        self._everything = _Purse(label, bounds.total, bounds.files)

    def read(
        self, stream: BinaryIO, label: str, place: tuple[str, ...] = (), depth: int = 1, purse: _Purse | None = None
    ) -> None:
        """Takes the notebooks out of an open zip, under the folder `place`; `purse`: of the hand-in that it is part of.

        Raises:
            _SpentError: the purse, or that of the whole archive, is empty.
        """
        source = _Source(stream)
        try:
            members = zipfile.ZipFile(source)
        except Exception:  # whatever a file that is no zip, or pretends to be one, makes of its reader
            self.problems.append(
                f"{label} n'est pas une archive zip lisible : le fichier est tronqué, abîmé, démesuré ou d'un autre "
                "format. Demandez-en une copie, en zip."
            )
            return
        if purse:
            purse.pay(size=_ENTRY * len(members.infolist()))
        purses: dict[str, _Purse] = {}
        faults: dict[str, None] = {}  # in order, each once
        others: Counter = Counter()
        try:
            for info in members.infolist():
                name = _name(info)
                suffix = Path(name.rstrip(" .")).suffix.lower()
                if not name or name.endswith("/") or _is_hidden(name):
                    continue
                if suffix not in (".ipynb", ".zip", *_FOREIGN):
                    others[suffix if re.fullmatch(r"\.\w{1,8}", suffix) else "sans extension"] += 1
                    continue
                try:
                    _check(info, suffix)
                    parts = _parts(name)
                    own = purse or purses.setdefault(parts[0], self._purse(f"{label} › {_shown(parts[0])}"))
                    own.pay(files=1)
                    if suffix == ".ipynb":
                        blocks = self._blocks(members, info, source, own, self.bounds.notebook)
                        self._write((*place, *parts), blocks)
                    elif depth >= self.bounds.depth:
                        raise _RefusedError("c'est une archive dans une archive, trop profonde pour être ouverte")
                    else:
                        blocks = self._blocks(members, info, source, own, self.bounds.hand_in)
                        folder = (*place, *parts[:-1], _clean(parts[-1][: -len(suffix)]))
                        self._read_inner(blocks, f"{label} › {_shown(name)}", folder, depth + 1, own)
                except _RefusedError as refused:
                    faults[f"{label} › {_shown(name)} n'a pas été extrait : {refused}."] = None
                except _SpentError as spent:
                    if spent.purse not in purses.values():
                        raise
                    faults[str(spent)] = None
        finally:
            self.problems += list(faults)[:_SENTENCES]
            if (more := len(faults) - _SENTENCES) > 0:
                self.problems.append(f"{label} : d'autres fichiers ont été refusés ({figures.number(more)} de plus).")
            if others:
                self.problems.append(_left_out(label, others))

    def _purse(self, label: str) -> _Purse:
        return _Purse(label, self.bounds.hand_in, self.bounds.hand_in_files, self._everything)

    def _read_inner(
        self, blocks: Iterator[bytes], label: str, place: tuple[str, ...], depth: int, purse: _Purse
    ) -> None:
        """Reads a zip that is in a zip, from a copy without a name."""
        with tempfile.TemporaryFile(dir=self.target) as inner:
            for block in blocks:
                inner.write(block)
            inner.seek(0)
            self.read(inner, label, place, depth, purse)

    def _blocks(
        self, members: zipfile.ZipFile, info: zipfile.ZipInfo, source: _Source, purse: _Purse, limit: int
    ) -> Iterator[bytes]:
        """Yields the content of a member, and refuses it as soon as it is too much, whatever size it declares."""
        start, out = source.count, 0
        try:
            stream = members.open(info)
        except Exception as error:  # the local header is whatever it is
            raise _RefusedError("il est abîmé") from error
        with stream:
            while True:
                try:
                    block = stream.read(_BLOCK)
                except Exception as error:
                    raise _RefusedError("il est abîmé ou incomplet") from error
                if not block:
                    return
                out += len(block)
                purse.pay(size=len(block))
                if out > limit:
                    raise _RefusedError(f"il dépasse {limit // _MEGA} Mo")
                if out > self.bounds.grace and out > self.bounds.ratio * (source.count - start):
                    raise _RefusedError("il se dilate démesurément (bombe de décompression)")
                yield block

    def _write(self, parts: tuple[str, ...], blocks: Iterator[bytes]) -> None:
        """Writes a notebook under a name that is free; nothing of it stays if it is refused on the way."""
        path = self._free(parts)
        if not path.parent.resolve().is_relative_to(self.target):
            raise _RefusedError("il sortirait du dossier")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _RefusedError("un fichier porte déjà le nom de son dossier") from error
        try:
            with path.open("xb") as stream:  # never through a link, never over a file
                for block in blocks:
                    stream.write(block)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self.notebooks.append(path)

    def _free(self, parts: tuple[str, ...]) -> Path:
        """Returns a path that no file has, in a file system that may not tell capitals; a name taken is numbered."""
        path = self.target.joinpath(*parts)
        stem, suffix, number = path.stem, path.suffix, 1
        while (key := path.relative_to(self.target).as_posix().casefold()) in self._taken or os.path.lexists(path):
            number += 1
            path = path.with_name(f"{stem} ({number}){suffix}")
        self._taken.add(key)
        return path


def _check(info: zipfile.ZipInfo, suffix: str) -> None:
    """Refuses what is not a plain file that can be read."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if stat.S_ISLNK(kind):
        raise _RefusedError("c'est un lien vers un autre fichier")
    if kind and not stat.S_ISREG(kind):
        raise _RefusedError("ce n'est pas un fichier ordinaire")
    if suffix in _FOREIGN:
        raise _RefusedError("seules les archives zip sont ouvertes ; demandez-en une copie en zip")
    if info.flag_bits & _ENCRYPTED:
        raise _RefusedError("il est protégé par un mot de passe")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _RefusedError("sa méthode de compression n'est pas prise en charge ; demandez un zip ordinaire")


def _left_out(label: str, others: Counter) -> str:
    count = others.total()
    kinds = ", ".join(sorted(others)[:8]) + (", etc." if len(others) > 8 else "")
    if count == 1:
        return f"{label} contient un fichier qui n'est pas un carnet ({kinds}), laissé de côté."
    return f"{label} contient {figures.number(count)} fichiers qui ne sont pas des carnets ({kinds}), laissés de côté."


# --- Names -----------------------------------------------------------------------------------------------------------


def _name(info: zipfile.ZipInfo) -> str:
    """Returns the name of a member as it was meant.

    Without the mark of UTF-8, old tools write UTF-8 all the same (macOS), or the code page of Western Europe (850:
    Windows), whose small letters are those of code page 437, which `zipfile` takes.
    """
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        raw = name.encode("cp437", errors="replace")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("cp850")
    return unicodedata.normalize("NFC", name.split("\0")[0].replace("\\", "/"))


def _is_hidden(name: str) -> bool:
    return any(part == "__MACOSX" or (part.startswith(".") and part.strip(". ")) for part in name.split("/"))


def _parts(name: str) -> tuple[str, ...]:
    """Returns the parts of a path that stays where it is put, whatever the system."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or re.match(r"\s*[A-Za-z]:", name) or not all(part.strip(". ") for part in parts):
        raise _RefusedError("son chemin sort du dossier")
    if len(parts) > _PARTS:
        raise _RefusedError("ses dossiers sont trop nombreux")
    return tuple(map(_clean, parts))


def _clean(part: str) -> str:
    """Returns a name that every system takes."""
    safe = "".join("_" if unicodedata.category(char)[0] in "C" else char for char in _FORBIDDEN.sub("_", part))
    safe = safe.strip().rstrip(" .")
    if len(safe.encode()) > _NAME:
        suffix = Path(safe).suffix if len(Path(safe).suffix) <= 8 else ""
        stem = safe.removesuffix(suffix).encode()[: _NAME - len(suffix.encode())]
        safe = stem.decode(errors="ignore").rstrip(" .") + suffix
    return f"_{safe}" if safe.split(".")[0].strip().upper() in _RESERVED else safe or "_"


def _shown(name: str) -> str:
    """Returns a name as a sentence may show it: short, and without control characters."""
    text = "".join("_" if unicodedata.category(char)[0] == "C" else char for char in name)
    return text if len(text) <= 80 else f"{text[:50]}…{text[-25:]}"
