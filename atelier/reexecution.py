"""Hand-ins run again, in an enclosure (`atelier.enceinte`), and compared with what was handed in.

`rerun` is the only thing here, and in the whole command line, that executes anything of a hand-in. It starts this very
module as a program in the enclosure: that one sets its own limits, then runs the notebook as `atelier executer` does.
A student's code shares its kernel with the card: it could forge the one as the other. What it can't do is leave a
trace elsewhere, and `verifier` shows the cells that differ from the hand-out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atelier import cartes, enceinte, notebooks, verification
from atelier.enceinte import Limits
from commun import UserError, figures
from commun.notebook import failures, read_notebook

DONE, FAILED, LONG, MEMORY, OUTPUTS, INCOMPARABLE = STATUSES = (
    "réexécuté",
    "en erreur",
    "trop long",
    "trop de mémoire",
    "trop de sorties",
    "non comparable",
)
RELATIVE = 0.02  # two results are the same within this share of the one handed in...
PROPORTION = 0.02  # ... or within this difference, where both are in 0..1
_CAUSES = {enceinte.TIME: LONG, enceinte.MEMORY: MEMORY, enceinte.DISK: OUTPUTS, enceinte.TASKS: FAILED}
_TOO_MUCH_OUTPUT = 77  # exit code of the program
_LIMITED = 2**26  # bytes of a notebook that is read
_TEXT = 300  # characters of a message of a student's code


@dataclasses.dataclass(frozen=True)
class Rerun:
    """What came of running a notebook again.

    Attributes:
        path: the notebook handed in.
        status: one of `STATUSES`.
        seconds: how long it took.
        differences: French sentences: what differs from the hand-in, or why it failed. They quote the hand-in.
        limits_missing: French sentences: what the enclosure could not prevent on this machine.
        executed: the notebook as it was executed, if it can be read; it is as little trustworthy as the hand-in.
    """

    path: Path
    status: str
    seconds: float
    differences: list[str]
    limits_missing: list[str]
    executed: Path | None = None


def rerun(
    paths: Sequence[Path], work: Path, limits: Limits | None = None, *, enclosure: str | None = None
) -> list[Rerun]:
    """Runs the notebooks of a student's project again, in order, and compares their cards with those handed in.

    Each runs in its own process and folder, on a copy; they share a folder of derived files, empty at first. One that
    fails does not stop the next.

    Args:
        paths: the notebooks, in the order of the project. They are read, never written.
        work: a folder for all of it; what was executed stays in a new folder there, the rest is removed.
        limits: what each notebook may take.
        enclosure: one of `enceinte.kinds()`; the safest that works by default.

    Raises:
        UserError: this kind of enclosure does not work here.
    """
    limits, enclosure = limits or Limits(), enclosure or enceinte.kinds()[0]
    if enclosure not in enceinte.kinds():
        works = ", ".join(enceinte.kinds())
        raise UserError(f"L'enceinte « {enclosure} » ne fonctionne pas sur cette machine. Choisissez parmi : {works}.")
    work.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="reexecution-", dir=work.resolve()))
    shared = root / "travail"
    shared.mkdir()
    try:
        return [_rerun_one(path, root / f"{i:02}", shared, limits, enclosure) for i, path in enumerate(paths, start=1)]
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def differences(before: cartes.Card | None, after: cartes.Card | None) -> tuple[bool, list[str]]:
    """Compares the card handed in with that of the new run.

    Returns:
        Whether they can be compared, and French sentences: what differs, or why they can't be.
    """
    if not before:
        return False, ["Le rendu ne porte pas de carte d'exécution : il n'y a rien à quoi comparer."]
    if not after:
        return False, ["La réexécution n'a pas donné de carte d'exécution."]
    for title, own, here in (("le profil", before.profile, after.profile), ("les données", before.data, after.data)):
        if own != here:
            return False, [f"Ce ne sont pas {title} du rendu (« {own} » dans le rendu, « {here} » ici)."]
    old, new = before.told, after.told
    if not old and not before.marks:
        return False, ["La carte du rendu ne porte ni résultat ni réponse à comparer."]
    sentences = []
    for name in dict.fromkeys([*old, *new]):
        if name not in new or name not in old:
            where = "que dans le rendu" if name in old else "qu'à la réexécution"
            sentences.append(f"Le résultat « {name} » n'est donné {where}.")
        elif not _same(old[name], new[name]):
            values = f"{_shown(old[name])} dans le rendu, {_shown(new[name])} à la réexécution"
            sentences.append(f"Le résultat « {name} » diffère : {values}.")
    for number in dict.fromkeys([*before.marks, *after.marks]):
        own, here = (card.marks.get(number, "absente") for card in (before, after))
        if own != here:
            sentences.append(f"La réponse {number} était {own} dans le rendu, elle est {here} à la réexécution.")
    return True, sentences


def _rerun_one(path: Path, folder: Path, shared: Path, limits: Limits, enclosure: str) -> Rerun:
    lacks = enceinte.missing(enclosure)
    try:
        if not path.is_file() or path.stat().st_size > _LIMITED:
            raise UserError("Ce fichier n'est pas un carnet, ou il est trop gros pour en être un.")
        notebook = read_notebook(path)
    except UserError as error:
        return Rerun(path, FAILED, 0.0, [str(error)], lacks)
    folder.mkdir()
    # A name of ours: that of the hand-in reaches nothing. Outputs go, which would only make the copy heavy.
    copy = {**notebook, "cells": [{**c, **({"outputs": []} if "outputs" in c else {})} for c in notebook["cells"]]}
    (folder / "carnet.ipynb").write_text(json.dumps(copy), encoding="utf-8")
    own, _ = enceinte.inside(enclosure, folder, shared)
    setup = dataclasses.asdict(limits) | {"loopback": enclosure == enceinte.UNSHARE, "tasks": _allowed_tasks(limits)}
    source, target = own / "carnet.ipynb", own / "execute.ipynb"
    arguments = ["-m", "atelier.reexecution", json.dumps(setup), str(source), str(target)]
    ended = enceinte.run(enclosure, arguments, folder, shared, limits)
    after = _read_untrusted(folder / "execute.ipynb")
    executed = None
    if after is not None:
        executed = folder.with_name(f"{folder.name}-execute.ipynb")
        executed.write_text(json.dumps(after), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    status, sentences = _judge(notebook, after, ended, limits)
    return Rerun(path, status, ended.seconds, sentences, lacks, executed)


def _judge(
    before: Mapping[str, Any], after: Mapping[str, Any] | None, ended: enceinte.Ended, limits: Limits
) -> tuple[str, list[str]]:
    """Returns the status of a run and the sentences that go with it."""
    if ended.cause or ended.code == _TOO_MUCH_OUTPUT:
        why = {
            enceinte.TIME: f"Le carnet a été arrêté après {figures.duration(limits.seconds)}.",
            enceinte.MEMORY: f"Le carnet a été arrêté : il prenait plus de {_size(limits.memory)} de mémoire.",
            enceinte.DISK: "Le carnet a été arrêté : il écrivait trop de fichiers "
            f"(au plus {_size(limits.disk)} et {figures.number(limits.files)} fichiers pour un projet).",
            enceinte.TASKS: "Le carnet a été arrêté : il lançait plus de "
            f"{figures.number(limits.tasks)} processus ou fils d'exécution.",
            "": f"Le carnet a été arrêté : ses cellules affichaient plus de {_size(limits.output)}.",
        }[ended.cause]
        return _CAUSES.get(ended.cause, OUTPUTS), [why]
    cells = after["cells"] if after else []
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for position, cell in enumerate(code, start=1):
        for error in failures(cell):
            kind, text = error["ename"], error["evalue"]
            text = cartes.text(text if kind == UserError.__name__ else f"{kind} : {text}", _TEXT)
            memory = kind in ("MemoryError", "_ArrayMemoryError")
            return MEMORY if memory else FAILED, [f"La cellule de code n° {position} a échoué : {text}"]
    if after is None or ended.code:
        return FAILED, ["Le noyau Python s'est arrêté avant la fin du carnet."]
    cards = (raw and cartes.read(raw) for raw in map(verification.card_of, (before, after)))
    comparable, sentences = differences(*cards)
    return DONE if comparable else INCOMPARABLE, sentences


# --- Values that nobody vouches for ----------------------------------------------------------------------------------


def _read_untrusted(path: Path) -> dict[str, Any] | None:
    """Reads what a hand-in wrote, if it is a plain file of a decent size: not a link, nor a pipe that never ends."""
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > 2 * _LIMITED:
            return None
        return read_notebook(path)
    except (OSError, UserError):
        return None


def _same(old: float | str, new: float | str) -> bool:
    if not all(isinstance(value, float) and math.isfinite(value) for value in (old, new)):
        return repr(old) == repr(new)
    proportions = 0 <= old <= 1 and 0 <= new <= 1
    return abs(old - new) <= max(RELATIVE * abs(old), PROPORTION if proportions else 0.0) + 1e-12


def _shown(value: float | str) -> str:
    return figures.number(value) if isinstance(value, float) else f"« {value} »"


def _size(size: float) -> str:
    giga = size >= 2**30
    return f"{figures.number(round(size / 2 ** (30 if giga else 20), 1))}{figures.NBSP}{'Go' if giga else 'Mo'}"


# --- Within the enclosure --------------------------------------------------------------------------------------------


def _allowed_tasks(limits: Limits) -> int:
    """Returns the limit of processes to set: Linux counts all those of the user, at work elsewhere too."""
    import psutil

    running = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            running += process.num_threads()
    return running + limits.tasks


def _main(setup: str, source: str, target: str) -> int:
    """Runs a notebook under limits that it sets on itself: the program of the enclosure."""
    settings = json.loads(setup)
    if settings["loopback"]:
        _raise_loopback()
    if os.name != "nt":
        _limit(settings)
    _count_outputs(settings["output"])
    return 3 if notebooks.run(Path(source), Path(target), {}).error else 0


def _limit(settings: Mapping[str, Any]) -> None:
    """Sets the limits of the system, for this process and all that it starts."""
    import resource

    values = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": settings["file"], "RLIMIT_NPROC": settings["tasks"]}
    # RLIMIT_AS would count what TensorFlow reserves and never uses; RLIMIT_DATA counts what it may write.
    values["RLIMIT_DATA"] = 2 * settings["memory"]
    for name, value in values.items():
        with contextlib.suppress(AttributeError, OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (value, value))
    with contextlib.suppress(OSError):  # the system that lacks memory kills this first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _count_outputs(limit: int) -> None:
    """Stops this process as soon as the cells show more than `limit` bytes, before they fill memory or the disk."""
    from nbclient import NotebookClient

    process, shown = NotebookClient.process_message, 0

    def count(self: NotebookClient, message: dict[str, Any], *arguments: Any) -> Any:
        nonlocal shown
        if message["msg_type"] in ("stream", "display_data", "execute_result", "update_display_data", "error"):
            shown += len(json.dumps(message["content"], default=str))
            if shown > limit:
                os._exit(_TOO_MUCH_OUTPUT)
        return process(self, message, *arguments)

    NotebookClient.process_message = count


def _raise_loopback() -> None:
    """Raises the local interface of a new network, through which a kernel and its client speak (see netdevice(7))."""
    import fcntl
    import socket
    import struct

    set_flags, up = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        fcntl.ioctl(endpoint, set_flags, struct.pack("16sh14x", b"lo", up))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
