"""Which process does some work, and whether it is still there."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path


def myself() -> list:
    """Returns the machine, the identifier and the start of this process: what JSON can write."""
    import psutil

    return [_machine(), os.getpid(), psutil.Process().create_time()]


def is_gone(process: Sequence | None) -> bool:
    """Says if a process, as `myself` named it, has died; of those of other machines, nothing is known."""
    import psutil

    if process is None or process[0] != _machine():
        return False
    try:
        found = psutil.Process(process[1])
        return found.create_time() != process[2] or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _machine() -> str:
    """Names this machine; on Linux, a container that has the same name has processes of its own."""
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {space.stat().st_ino if space.exists() else 0}"
