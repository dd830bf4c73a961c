"""The chain of the notebooks, run once for all the tests that need it, and what its notebooks ask."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atelier import notebooks
from atelier.distribution import CHECK
from commun.notebook import tags

# Parameters of the second run, that of the hand-outs. Its seed is another, so that what notebooks say is read with two
# sets of values. Two categories of five are enough there: they pay for the trainings that another seed asks for.
SECOND = {"PROFIL": "essai", "GRAINE": 1, "CATEGORIES": "bottle,capsule"}
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


def run_in_order(project: str, paths: Sequence[Path], output: Path) -> None:
    """Runs notebooks of a project with the parameters `SECOND`, on one core."""
    for path, values in ((path, {n: SECOND[n] for n in notebooks.parameters(path) if n in SECOND}) for path in paths):
        outcome = notebooks.run(path, output / project / path.name, values, threads=1)
        assert not outcome.error, f"{project}/{path.name} : {outcome.error}"
