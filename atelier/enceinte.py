"""The enclosure in which a hand-in is run again: it has no network, writes in its own folders alone, and is watched.

Three kinds, from the safest: `bwrap` (bubblewrap: the program sees a system made for it, without the instructor's
files), `unshare` (util-linux: neither network nor other processes, but the same files), `aucune` (limits alone: macOS,
Windows). Whatever the kind, a watch kills all of it when it takes too much time, memory, disk or processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commun import datasets
from commun.datasets import ROOT, SAMPLE_ONLY

if TYPE_CHECKING:
    import psutil

BWRAP, UNSHARE, BARE = "bwrap", "unshare", "aucune"
TIME, MEMORY, DISK, TASKS = "temps", "mémoire", "disque", "processus"  # why it was stopped
_GIGA = 2**30
_PAUSE, _DISK_PAUSE = 0.2, 1.0  # seconds between two looks at the processes, at the disk
_SHARED_MEMORY = _GIGA // 4  # bytes of /dev/shm, which the watch does not see
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store")
_SETTINGS = ("alternatives", "fonts", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types",
             "nsswitch.conf", "passwd")  # fmt: skip
_KEPT = ("PATH", "SystemRoot", "KERAS_BACKEND", "NUMBER_OF_PROCESSORS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
         "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a hand-in may take; the watch counts all of its processes together.

    Attributes:
        seconds: for each notebook.
        memory: bytes in memory.
        output: bytes that the cells of a notebook show, updates of a display included.
        file: bytes of a file.
        disk: bytes written, the notebooks of a student together.
        files: files written.
        tasks: processes and threads.
    """

    seconds: float = 1800
    memory: int = 6 * _GIGA
    output: int = 2**26
    file: int = 3 * _GIGA  # the paintings of project 1, reduced, are one file of 1.4 GB
    disk: int = 8 * _GIGA
    files: int = 20_000
    tasks: int = 1000


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, why the watch killed it ("" if it did not), and its duration in seconds."""

    code: int
    cause: str
    seconds: float


@functools.cache
def kinds() -> tuple[str, ...]:
    """Returns the kinds of enclosure that work on this machine, the safest first; each is tried once."""
    return (*(kind for kind in (BWRAP, UNSHARE) if shutil.which(kind) and _works(kind)), BARE)


def missing(kind: str) -> list[str]:
    """Returns, in French sentences, what an enclosure does not prevent."""
    sentences = []
    if kind != BWRAP:
        sentences.append(
            "Les carnets ont pu lire et écrire tous vos fichiers : bubblewrap (commande bwrap) n'est pas installé, ou "
            "ne fonctionne pas sur cette machine."
        )
    if kind == BARE:
        sentences.append("Le réseau n'a pas été coupé : cette machine ne le permet pas.")
        sentences.append("Un programme qui se détache du carnet a pu lui survivre.")
    if os.name == "nt":
        sentences.append("La taille de chaque fichier n'a pas été limitée ; seul leur total a été surveillé.")
    if os.name == "nt" or os.geteuid() == 0:
        sentences.append("Le nombre de processus n'a pas été limité ; il a seulement été surveillé.")
    return sentences


def inside(kind: str, folder: Path, shared: Path) -> tuple[Path, Path]:
    """Returns where the program sees its own folder, and that which it shares with the others of its student."""
    return (Path("/rendu"), Path("/travail")) if kind == BWRAP else (folder, shared)


def run(kind: str, arguments: Sequence[str], folder: Path, shared: Path, limits: Limits) -> Ended:
    """Runs Python with these arguments, in an enclosure, and kills all of it when it takes too much.

    Args:
        kind: one of `kinds()`.
        arguments: of the interpreter; paths are those of `inside`.
        folder: empty folders are made in it for temporary files and settings; the program starts there.
        shared: a folder that it may write to as well.
        limits: those that the program must set on itself (files, processes) come to it by its arguments.
    """
    for name in ("tmp", "maison"):
        (folder / name).mkdir()
    start = time.monotonic()
    process = subprocess.Popen(
        [*_prefix(kind, folder, shared), sys.executable, "-P", *arguments],
        cwd=folder,
        env=_environment(*inside(kind, folder, shared)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the watch does not read what comes there: it may be endless
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # out of reach of the terminal, and killed as a group
    )
    group = _Group(process)
    try:
        cause = _watch(group, (folder, shared), limits)
    finally:
        group.kill()
    return Ended(process.returncode, cause, time.monotonic() - start)


# --- What the program sees -------------------------------------------------------------------------------------------


def _works(kind: str) -> bool:
    """Says whether our interpreter starts in this kind of enclosure, and imports our modules."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("dossier", "partage"):
            (folder / part).mkdir()
        try:
            limits = Limits(seconds=60)
            return run(kind, ["-c", "import commun"], folder / "dossier", folder / "partage", limits).code == 0
        except OSError:
            return False


def _prefix(kind: str, folder: Path, shared: Path) -> list[str]:
    """Returns the command that starts a program in an enclosure."""
    if kind == UNSHARE:
        options = ["--user", "--map-root-user", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
        return [UNSHARE, *options, "--"]
    if kind == BARE:
        return []
    own, common = inside(kind, folder, shared)
    options = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]
    options += ["--proc", "/proc", "--dev", "/dev", "--size", str(_SHARED_MEMORY), "--tmpfs", "/dev/shm"]
    options += ["--bind", str(folder), str(own), "--bind", str(shared), str(common)]
    options += ["--bind", str(folder / "tmp"), "/tmp"]
    packages = [ROOT / "commun", ROOT / "atelier", *ROOT.glob("projet*/")]
    interpreter = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix)]
    settings = [f"/etc/{name}" for name in _SETTINGS]
    data = [root for root in datasets.data_roots() if root.is_dir()]
    data += [path.resolve() for root in data for path in root.iterdir() if path.is_symlink()]
    for path in dict.fromkeys(map(str, [*_SYSTEM, *settings, *interpreter, *packages, *data])):
        options += ["--ro-bind-try", path, path]
    return [BWRAP, *options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(own), "--"]


def _environment(folder: Path, shared: Path) -> dict[str, str]:
    """Returns the environment of a program: nothing of the instructor's but what machines need."""
    home, temporary = str(folder / "maison"), str(folder / "tmp")
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "HOME": home,
        "USERPROFILE": home,
        "TMPDIR": temporary,
        "TEMP": temporary,
        "TMP": temporary,
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),  # before the folder of the notebook, whose files must not pass for our modules
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "PROJETS_TRAVAIL": str(shared),
    }
    if (data := os.environ.get("PROJETS_DATA", "")) == SAMPLE_ONLY:
        environment["PROJETS_DATA"] = SAMPLE_ONLY
    elif data:
        environment["PROJETS_DATA"] = str(datasets.data_roots()[0])
    return environment


# --- The watch -------------------------------------------------------------------------------------------------------


class _Group:
    """A program and all that it started, those that it left behind included as far as they were seen."""

    def __init__(self, process: subprocess.Popen) -> None:
        import psutil

        self.process, self._seen = process, {}
        with contextlib.suppress(psutil.Error):
            self._seen[process.pid] = psutil.Process(process.pid)

    def members(self) -> list[psutil.Process]:
        """Returns its living processes."""
        import psutil

        for parent in list(self._seen.values()):
            with contextlib.suppress(psutil.Error):
                if parent.is_running():
                    self._seen.update((child.pid, child) for child in parent.children(recursive=True))
        self._seen = {pid: process for pid, process in self._seen.items() if _is_alive(process)}
        return list(self._seen.values())

    def weight(self) -> tuple[int, int]:
        """Returns its bytes in memory, and its number of processes and threads."""
        import psutil

        memory = tasks = 0
        for process in self.members():
            with contextlib.suppress(psutil.Error):
                memory += process.memory_info().rss
                tasks += process.num_threads()
        return memory, tasks

    def kill(self) -> None:
        """Kills it all, and waits for its end."""
        import psutil

        for _ in range(50):  # what is born meanwhile too
            if os.name != "nt":
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            living = [process for process in self.members() if process.pid != self.process.pid]
            for process in living:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if not psutil.wait_procs(living, timeout=0.2)[1] and not living:
                return


def _is_alive(process: psutil.Process) -> bool:
    """Says whether a process still runs; a dead one may keep its number until its parent hears of it."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _watch(group: _Group, folders: Sequence[Path], limits: Limits) -> str:
    """Waits for the end of a program; returns why it must be killed, or "" when it ended by itself."""
    start = next_look = time.monotonic()
    while True:
        try:
            group.process.wait(timeout=_PAUSE)
            return DISK if _is_full(folders, limits) else ""
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        memory, tasks = group.weight()
        if memory > limits.memory:
            return MEMORY
        if tasks > limits.tasks:
            return TASKS
        if now - start > limits.seconds:
            return TIME
        if now > next_look:
            next_look = now + _DISK_PAUSE
            if _is_full(folders, limits):
                return DISK


def _is_full(folders: Sequence[Path], limits: Limits) -> bool:
    """Says whether folders hold more than they may, without following a link; one that can't be read is too much."""
    size = files = 0
    waiting = [str(folder) for folder in folders]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        about = entry.stat(follow_symlinks=False)
                        size += getattr(about, "st_blocks", about.st_size / 512) * 512
                        files += 1
                        if stat.S_ISDIR(about.st_mode):
                            waiting.append(entry.path)
                    if size > limits.disk or files > limits.files:
                        return True
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return True
    return False
