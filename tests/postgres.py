"""A PostgreSQL server of a test's own, in a temporary folder, that can be stopped and started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

USER = "postgres"  # the server refuses to run as root


def program(name: str) -> str | None:
    """Returns the path of a program of PostgreSQL: Debian keeps it out of PATH."""
    others = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(others[-1]) if others else None)


def missing() -> str:
    """Says why there can be no server here; empty if there can."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "le pilote psycopg n'est pas installé"
    if not program("pg_ctl") or not program("initdb"):
        return "PostgreSQL n'est pas installé"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        import pwd

        try:
            pwd.getpwnam(USER)
        except KeyError:
            return f"PostgreSQL refuse d'être lancé par root, et l'utilisateur {USER} n'existe pas"
    return ""


class Server:
    """A server on 127.0.0.1; its data lie in a folder that the user `postgres` can write to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._user = folder, None
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            self._user = USER
            shutil.chown(folder, USER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", "base", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        with (self.folder / "sortie.txt").open("w", encoding="utf-8") as output:  # a pipe would wait for the server
            done = subprocess.run(
                [program(name), *arguments], cwd=self.folder, user=self._user, stdout=output, stderr=output,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, check=False,
            )  # fmt: skip
        assert done.returncode == 0, (self.folder / "sortie.txt").read_text(encoding="utf-8")

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k '' -F"
        self._run("pg_ctl", "-D", "base", "-w", "-l", "journal.txt", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "base", "-w", "-m", "immediate", "stop")

    def create(self, name: str) -> str:
        """Makes an empty database; returns its URL."""
        import psycopg

        with psycopg.connect(host="127.0.0.1", port=self.port, user=USER, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"
