"""The reports of projects: their notebooks run, several projects at once, then a page for each and their index."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from atelier import bilan, export, index, notebooks
from atelier.index import ReportLine
from commun import figures

MEMORY = 2 * 2**30  # bytes that a project takes at most, and a little more


def run(
    groups: Mapping[str, Sequence[Path]], output: Path, values: Mapping[Path, Mapping[str, Any]], together: int | None
) -> tuple[list[ReportLine], int]:
    """Runs notebooks and tells how each ends; after one that fails, the rest of its project is not run.

    Args:
        groups: project -> its notebooks, in order.
        output: where the executed ones go.
        values: parameters of each that are changed.
        together: projects that run at the same time; if None, as many as cores and memory allow.

    Returns:
        How each ended, in order, and the exit code: 0, 1 if one failed, 2 if by a mistake that the user can mend.
    """
    together = together or _together(len(groups))
    threads = max(1, (os.cpu_count() or 1) // together) if together > 1 else None
    done, total = itertools.count(1), sum(map(len, groups.values()))

    def run_project(project: str) -> tuple[list[ReportLine], int]:
        lines, code, obstacle = [], 0, ""  # the notebook that failed: those after it are not run
        for path in groups[project]:
            if not obstacle:
                print(f"        {project}/{path.name}…\n", end="", flush=True)  # in one piece: others print too
            line, mistake = _run_one(project, path, output, values[path], obstacle, threads)
            time = f" en {figures.duration(line.seconds)}" if line.seconds else ""
            told = f"{line.status}{time}{f' : {line.error}' if line.error else ''}"
            print(f"[{next(done)}/{total}] {project}/{path.name} {told}\n", end="", flush=True)
            if line.status == "échec":
                obstacle, code = path.name, max(code, 2 if mistake else 1)
            lines.append(line)
        return lines, code

    with ThreadPoolExecutor(together) as pool:
        outcomes = list(pool.map(run_project, groups))
    return [line for lines, _ in outcomes for line in lines], max(code for _, code in outcomes)


def write(lines: Sequence[ReportLine], output: Path) -> list[Path]:
    """Writes the index of what was run, and the pages, linked within each project; returns them, the index first."""
    home = output / "index.html"
    written = [home]
    for _, neighbours in itertools.groupby((line for line in lines if line.page), lambda line: line.project):
        group = list(neighbours)
        for before, line, after in zip([None, *group[:-1]], group, [*group[1:], None], strict=True):
            page = output / line.page
            links = {"previous": _link(before), "following": _link(after), "index": "../index.html"}
            export.export_notebook(page.with_suffix(".ipynb"), page, **links)
            written.append(page)
    index.export_index(lines, home)
    return written


def _link(line: ReportLine | None) -> tuple[str, str] | None:
    return line and (Path(line.page).name, line.title)


def _together(projects: int) -> int:
    """Returns how many projects run at the same time: as many as there are, if cores and memory allow it."""
    import psutil

    return max(1, min(projects, 2 * (os.cpu_count() or 1) - 1, psutil.virtual_memory().available // MEMORY))


def _run_one(
    project: str, path: Path, output: Path, values: Mapping[str, Any], obstacle: str, threads: int | None
) -> tuple[ReportLine, bool]:
    """Runs a notebook, unless another one failed before it; returns its line, and whether its error is a mistake."""
    page = f"{project}/{path.stem}.html"
    common = {"project": project, "title": export.title_of(path), "question": index.question_of(path)}
    if obstacle:
        for old in (output / page, (output / page).with_suffix(".pdf")):
            old.unlink(missing_ok=True)
        reason = f"demande {obstacle}, qui a échoué"
        return ReportLine(**common, page="", status="non exécuté", seconds=None, error=reason), False
    target = output / project / path.name
    outcome = notebooks.run(path, target, values, threads=threads)
    failure = export.failure_of(target) if outcome.error else None
    line = ReportLine(
        **common,
        page=page,
        status="échec" if outcome.error else "réussi",
        seconds=outcome.seconds,
        error=outcome.error,
        error_anchor=failure.anchor if failure else "",
        thumbnail=index.thumbnail_of(target),
        bilan=bilan.bilan(target, failed=bool(outcome.error)),
    )
    return line, outcome.mistake
