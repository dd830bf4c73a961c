"""What an interrupted or failed run of the notebooks had done, so that the next one does not do it again.

While notebooks run, the folder of the reports holds a small SQLite file. The process that writes there locks it, so
that two never do at once, and lists in it the notebooks that have succeeded. A run in which all succeed removes it.
What is left otherwise is taken up by the next run, notebook by notebook, unless something on which they depend changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from commun import UserError
from commun.datasets import ROOT, data_roots
from commun.notebook import read_notebook

FILE = ".reprise.sqlite"
_LIBRARIES = ("keras", "tensorflow", "numpy", "pandas", "scikit-learn", "Pillow", "matplotlib", "optuna")
_DEPTH = 3  # of the files of real data that are looked at: enough to see one put there, or taken away


class Progress:
    """The notebooks that have succeeded in a folder of reports; several threads may note theirs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Takes a connection that holds the lock."""
        self._connection, self._one_at_a_time = connection, threading.Lock()

    def seconds(self, key: str) -> float | None:
        """Returns how long a notebook took, by its `key`; None if it has to be run."""
        with self._one_at_a_time:
            row = self._connection.execute("SELECT seconds FROM done WHERE key = ?", [key]).fetchone()
        return row and row[0]

    def note(self, key: str, seconds: float) -> None:
        """Notes that a notebook has succeeded."""
        with self._one_at_a_time:
            self._connection.execute("INSERT OR REPLACE INTO done VALUES (?, ?)", [key, seconds])


@contextlib.contextmanager
def opened(output: Path) -> Generator[Progress]:
    """Gives what was done in a folder, and keeps other processes out of it.

    Raises:
        UserError: another process writes there, or nothing can be written.
    """
    output.mkdir(parents=True, exist_ok=True)
    path = output / FILE
    try:
        connection = _lock(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise UserError(
                f"Une autre exécution écrit déjà dans {output}. Attendez qu'elle finisse, ou choisissez un autre "
                "dossier avec --sortie."
            ) from error
        raise UserError(
            f"Rien ne peut être écrit dans {output} : le disque est plein, ou en lecture seule. Libérez de la place, "
            "ou choisissez un autre dossier avec --sortie."
        ) from error
    except sqlite3.DatabaseError:  # damaged: what it said is lost, and the notebooks are run
        path.unlink()
        connection = _lock(path)
    with contextlib.closing(connection):
        yield Progress(connection)


def forget(output: Path) -> None:
    """Removes what `opened` keeps: all has succeeded."""
    (output / FILE).unlink(missing_ok=True)


def _lock(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # until it is closed, or the process dies
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, seconds REAL)")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def keys(groups: Mapping[str, Sequence[Path]], values: Mapping[Path, Mapping[str, Any]]) -> dict[Path, str]:
    """Returns the key of each notebook: a hash of all that its run depends on.

    That is: its code and that of those before it in its project, their parameters, the modules, the versions of the
    libraries, the variables of the projects, and the names, sizes and dates of the files of real data.
    """
    common = json.dumps([_modules(), _versions(), _environment(), _data()])
    found = {}
    for paths in groups.values():
        digest = hashlib.sha256(common.encode())
        for path in paths:
            sources = ["".join(cell["source"]) for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]
            digest.update(json.dumps([path.name, sources, values[path]], sort_keys=True, default=str).encode())
            found[path] = digest.hexdigest()
    return found


def _modules() -> str:
    """Returns a hash of the modules of the repository."""
    digest = hashlib.sha256()
    for path in sorted(itertools.chain((ROOT / "commun").rglob("*.py"), ROOT.glob("projet*/**/*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _versions() -> list[str]:
    versions = [sys.version]
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(importlib.metadata.version(name))
    return versions


def _environment() -> dict[str, str]:
    return {name: text for name, text in sorted(os.environ.items()) if name.startswith(("PROJETS_", "KERAS_"))}


def _data() -> list[tuple[str, int, int]]:
    """Returns the names, sizes and dates of what lies in the folders of real data, not too deep."""
    found = []
    for root in data_roots():
        for folder, folders, files in os.walk(root):
            folders.sort()
            if len(Path(folder).relative_to(root).parts) >= _DEPTH:
                folders.clear()
            status = [(name, os.stat(os.path.join(folder, name))) for name in sorted(files) if name[0] != "."]
            found += [(os.path.join(folder, name), s.st_size, s.st_mtime_ns) for name, s in status]
    return found
