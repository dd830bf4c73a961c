"""The reports of projects: their notebooks run, several projects at once, then a page for each and their index."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from atelier import bilan, export, index, notebooks, reprise
from atelier.index import ReportLine
from commun import figures

MEMORY = 2 * 2**30  # bytes that a project takes at most, and a little more


def run(
    groups: Mapping[str, Sequence[Path]], output: Path, values: Mapping[Path, Mapping[str, Any]], together: int | None
) -> tuple[list[ReportLine], int]:
    """Runs notebooks and tells how each ends; after one that fails, the rest of its project is not run.

    What a run that was interrupted, or in which a notebook failed, had done is not done again (see `reprise`).

    Args:
        groups: project -> its notebooks, in order.
        output: where the executed ones go.
        values: parameters of each that are changed.
        together: projects that run at the same time; if None, as many as cores and memory allow.

    Returns:
        How each ended, in order, and the exit code: 0, 1 if one failed, 2 if by a mistake that the user can mend.

    Raises:
        UserError: another process writes in this folder.
    """
    together = together or _together(len(groups))
    threads = max(1, (os.cpu_count() or 1) // together) if together > 1 else None
    count, total, keys = itertools.count(1), sum(map(len, groups.values())), reprise.keys(groups, values)

    def run_project(project: str, progress: reprise.Progress) -> tuple[list[ReportLine], int]:
        lines, code, obstacle = [], 0, ""  # the notebook that failed: those after it are not run
        for path in groups[project]:
            target, key, outcome = output / project / path.name, keys[path], None
            before = progress.seconds(key) if target.is_file() else None
            if before is not None:
                outcome = notebooks.Outcome(before)
            elif not obstacle:
                print(f"        {project}/{path.name}…\n", end="", flush=True)  # in one piece: others print too
                outcome = notebooks.run(path, target, values[path], threads=threads)
            line = _line(project, path, output, outcome, obstacle)
            time = f" en {figures.duration(line.seconds)}" if line.seconds else ""
            told = f"{line.status}{time}{f' : {line.error}' if line.error else ''}"
            told += ", lors d'une exécution précédente" if before is not None else ""
            print(f"[{next(count)}/{total}] {project}/{path.name} {told}\n", end="", flush=True)
            if line.status == "échec":
                obstacle, code = path.name, max(code, 2 if outcome.mistake else 1)
            elif outcome:
                progress.note(key, outcome.seconds)
            lines.append(line)
        return lines, code

    with reprise.opened(output) as progress, ThreadPoolExecutor(together) as pool:
        outcomes = list(pool.map(run_project, groups, itertools.repeat(progress)))
    code = max(code for _, code in outcomes)
    if not code:
        reprise.forget(output)
    return [line for lines, _ in outcomes for line in lines], code


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


def _line(project: str, path: Path, output: Path, outcome: notebooks.Outcome | None, obstacle: str) -> ReportLine:
    """Returns the line of a notebook; without an outcome, another one failed before it."""
    page = f"{project}/{path.stem}.html"
    common = {"project": project, "title": export.title_of(path), "question": index.question_of(path)}
    if outcome is None:
        for old in (output / page, (output / page).with_suffix(".pdf")):
            old.unlink(missing_ok=True)
        reason = f"demande {obstacle}, qui a échoué"
        return ReportLine(**common, page="", status="non exécuté", seconds=None, error=reason)
    target = output / project / path.name
    failure = export.failure_of(target) if outcome.error else None
    return ReportLine(
        **common,
        page=page,
        status="échec" if outcome.error else "réussi",
        seconds=outcome.seconds,
        error=outcome.error,
        error_anchor=failure.anchor if failure else "",
        thumbnail=index.thumbnail_of(target),
        bilan=bilan.bilan(target, failed=bool(outcome.error)),
    )
