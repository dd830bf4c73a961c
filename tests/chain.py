"""The chain of the notebooks, run once for all the tests that need it, and what its notebooks ask."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atelier.distribution import CHECK
from commun.notebook import tags

_CALL = re.compile(r"^\s*exercices\.verifier\(\s*(\d+)\s*,", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Chain:
    """What `atelier rapports` made of all the notebooks: its exit code, its reports, its working folder."""

    code: int
    output: Path
    work: Path


def checked(paper: Mapping[str, Any]) -> list[str]:
    """The numbers of the questions that a notebook checks, in order."""
    sources = ["".join(cell["source"]) for cell in paper["cells"] if CHECK in tags(cell)]
    return sorted({number for source in sources for number in _CALL.findall(source)}, key=int)
