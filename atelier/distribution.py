"""Hand-outs: a notebook without its solutions, and the way back.

In a notebook, cells tagged `solution` answer those tagged `question`. A hand-out holds the same cells, but `reponse`
takes the place of `solution`: `*Votre réponse ici.*` for a text, what `ebauche.stub` leaves of a code. Its metadata say
under "projets" from which notebook it comes ("carnet"), in which distribution ("sujet"), and hold a hash of its cells
("empreinte", see `fingerprint`).
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import hashlib
import io
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from atelier import notebooks, rendus
from atelier.ebauche import stub as stub  # it is part of what this module offers
from commun import UserError
from commun.datasets import atomic_file
from commun.exercices import PLACEHOLDER
from commun.notebook import read_notebook, replace_surrogates, tags

QUESTION, SOLUTION, ANSWER, CHECK = "question", "solution", "reponse", "verification"
METADATA = "projets"  # of a hand-out, in the notebook's metadata
_PARAMETERS = ("NOM", "GROUPE", "SUJET")
_CORRECTED = "-corrige"  # ends the identifier of a solution that follows a student's answer


def hand_out(notebook: Mapping[str, Any], *, subject: str = "", group: str = "", name: str = "") -> dict[str, Any]:
    """Returns the hand-out of a notebook: its solutions left to be found, nothing executed, all else identical.

    Args:
        notebook: what a notebook's file holds, or what `read_notebook` returns.
        subject: identifier of the distribution, written in the parameter SUJET where there is one.
        group: of the students, written in the parameter GROUPE where there is one.
        name: path of the notebook in the repository, with "/" ("projet2_cvae/01_preparation.ipynb").

    Raises:
        UserError: the code of a solution, or the cell of parameters, is not Python.
    """
    paper = _not_executed(notebook)
    for cell in paper["cells"]:
        if SOLUTION in _tags(cell):
            cell["metadata"]["tags"] = [ANSWER if tag == SOLUTION else tag for tag in cell["metadata"]["tags"]]
            _write(cell, _left(cell))
    about = {"carnet": name, "sujet": subject, "empreinte": fingerprint(paper)}
    paper.setdefault("metadata", {})[METADATA] = {key: value for key, value in about.items() if value}
    _fill(paper, {"SUJET": json.dumps(subject, ensure_ascii=False)} if subject else {})
    _fill(paper, {"GROUPE": json.dumps(group, ensure_ascii=False)} if group else {})
    return paper


def solved(hand_out: Mapping[str, Any], original: Mapping[str, Any], *, keep: bool = False) -> dict[str, Any]:
    """Puts the solutions of a notebook back into a hand-out, answered or not; nothing in it is executed any more.

    So `solved(hand_out(notebook), notebook)` is the notebook without its outputs. The answers are found by the
    identifiers of their cells, or in their order if a tool has changed these; a solution whose answer has been deleted
    comes after the cell that it follows in the original. Cells, name and group of a student's own stay.

    Args:
        hand_out: what the file of a hand-out holds.
        original: the notebook that it was made from.
        keep: the student's answers stay, each above its solution; those left empty don't.

    Raises:
        UserError: the hand-out shares no cell with the original.
    """
    paper, source = _not_executed(hand_out), _not_executed(original)
    cells = paper["cells"] = [cell for cell in paper["cells"] if SOLUTION not in _tags(cell)]
    matched = _matched(source["cells"], cells)
    if not matched:
        raise UserError(
            "Ce rendu n'a aucune cellule en commun avec le carnet d'origine : on ne sait pas où y remettre les "
            "solutions. Vérifiez qu'il vient bien de ce carnet, dans la version que vous avez."
        )
    last = -1  # where the cell that precedes in the original is in the hand-out
    for cell in source["cells"]:
        found = matched.get(id(cell))
        place = next((i for i, own in enumerate(cells) if own is found), None)
        if SOLUTION not in _tags(cell):
            last = last if place is None else place
        elif place is None:
            last += 1
            cells.insert(last, cell)
        elif keep and _source(cells[place]).strip() != _left(cell).strip():
            last = place + 1
            cells.insert(last, cell | ({"id": cell["id"][: 64 - len(_CORRECTED)] + _CORRECTED} if "id" in cell else {}))
        else:
            last, cells[place] = place, cell
    if METADATA in paper.get("metadata", {}):
        del paper["metadata"][METADATA]
    _fill(paper, {name: text for name, text in _written(source).items() if name == "SUJET"})
    return paper


def fingerprint(notebook: Mapping[str, Any]) -> str:
    """Returns a hash of the kinds and sources of a notebook's cells, whatever NOM, GROUPE and SUJET are.

    Of an untouched hand-out, it is the "empreinte" of its metadata; that of `hand_out(notebook)` tells whether a
    hand-in was made from the notebook as it is today.
    """
    paper = _not_executed(notebook)
    _fill(paper, dict.fromkeys(_PARAMETERS, '""'))
    content = [(cell["cell_type"], _source(cell)) for cell in paper["cells"]]
    text = replace_surrogates(json.dumps(content, ensure_ascii=False))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


# --- Files -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Paper:
    """A hand-out that was written: where, and how many questions and cells to answer it has."""

    path: Path
    questions: int
    answers: int


def distribute(projects: Sequence[str], output: Path, *, group: str = "") -> tuple[str, list[Paper]]:
    """Writes the hand-outs of projects' notebooks (all by default) in `output/project/`, under one new identifier.

    Returns:
        The identifier, of eight hexadecimal digits, and the hand-outs.

    Raises:
        UserError: no project has this name, a notebook can't become a hand-out, or one would take the place of a
            file that is not an untouched hand-out; then nothing is written.
    """
    subject, papers = secrets.token_hex(4), {}
    for project in projects or notebooks.projects():
        for path in notebooks.notebooks(project):
            target = output / project / path.name
            _refuse_to_lose(target)
            name = f"{project}/{path.name}"
            try:
                papers[target] = hand_out(_load(path), subject=subject, group=replace_surrogates(group), name=name)
            except UserError as error:
                raise UserError(f"{name} : {error}") from error
    for target, paper in papers.items():
        _save(paper, target)
    return subject, [
        Paper(target, *(sum(tag in _tags(cell) for cell in paper["cells"]) for tag in (QUESTION, ANSWER)))
        for target, paper in papers.items()
    ]


def correct(path: Path, target: Path, *, keep: bool = False) -> Path:
    """Writes a hand-in with the solutions of the notebook that it comes from, and returns the path of that one.

    Raises:
        UserError: the file can't be read, no notebook of the repository is its original, or it would be overwritten.
    """
    if target.resolve() == path.resolve():
        raise UserError(f"{path} serait remplacé par son corrigé. Choisissez un autre dossier avec --sortie.")
    paper = read_notebook(path)
    original = origin(paper)
    if original is None:
        raise UserError(
            f"{path} ne vient d'aucun carnet du dépôt : on n'en connaît pas les solutions. Vérifiez que c'est un sujet "
            "distribué, ou l'un de ses rendus."
        )
    _save(solved(paper, _load(original), keep=keep), target)
    return original


def origin(notebook: Mapping[str, Any]) -> Path | None:
    """Returns the notebook of the repository that a hand-in comes from, None if there is none.

    Its metadata name it; else it is the one with which it shares the most cells.
    """
    known = [path for project in notebooks.projects() for path in notebooks.notebooks(project)]
    about = notebook.get("metadata", {}).get(METADATA)
    name = about.get("carnet") if isinstance(about, dict) else None
    for path in known:
        if name == f"{path.parent.name}/{path.name}":
            return path
    own = _identifiers(notebook)
    shared = {path: len(own & _identifiers(read_notebook(path))) for path in known}
    best = max(shared, key=shared.get, default=None)
    return best if best and shared[best] else None


def corrected_pages(paths: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Returns where the corrected form of each hand-in goes: no two at the same place."""
    return {path: page.with_suffix(".ipynb") for path, page in rendus.pages(paths, output).items()}


def _refuse_to_lose(target: Path) -> None:
    """Raises a UserError if a file is something else than a hand-out nobody has touched."""
    if not target.exists():
        return
    try:
        existing = read_notebook(target)
        about = existing["metadata"].get(METADATA)
        untouched = isinstance(about, dict) and about.get("empreinte") == fingerprint(existing)
    except UserError:
        untouched = False
    if not untouched:
        raise UserError(
            f"{target} n'est plus le sujet tel qu'il avait été distribué : y a-t-on répondu ? Rien n'a été écrit. "
            "Déplacez ce fichier, ou choisissez un autre dossier avec --sortie."
        )


def _load(path: Path) -> dict[str, Any]:
    """Reads a notebook of the repository as its file has it, to the letter."""
    read_notebook(path)  # refuses what is not one, in a sentence
    return json.loads(path.read_text(encoding="utf-8-sig"))


def _save(notebook: Mapping[str, Any], target: Path) -> None:
    """Writes a notebook as Jupyter does."""
    import nbformat

    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as temporary:
        nbformat.write(nbformat.from_dict(notebook), temporary)


# --- Cells -----------------------------------------------------------------------------------------------------------


def _tags(cell: Mapping[str, Any]) -> list[str]:
    return tags({"metadata": cell.get("metadata") or {}})


def _source(cell: Mapping[str, Any]) -> str:
    """Returns the source of a cell, which a file may hold as a list of lines."""
    source = cell.get("source") or ""
    return source if isinstance(source, str) else "".join(source)


def _write(cell: dict[str, Any], source: str) -> None:
    """Gives a cell a source, in the form that it had."""
    cell["source"] = source if isinstance(cell.get("source"), str) else source.splitlines(keepends=True)


def _not_executed(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of a notebook without its outputs."""
    bare = {**notebook, "cells": [{k: v for k, v in cell.items() if k != "outputs"} for cell in notebook["cells"]]}
    bare = copy.deepcopy(bare)
    for cell in bare["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return bare


def _identifiers(notebook: Mapping[str, Any]) -> set[str]:
    return {cell["id"] for cell in notebook["cells"] if isinstance(cell.get("id"), str)}


def _left(cell: Mapping[str, Any]) -> str:
    """Returns what a hand-out leaves of a solution."""
    return stub(_source(cell)) if cell["cell_type"] == "code" else f"*{PLACEHOLDER}.*"


def _matched(original: Sequence[dict], own: Sequence[dict]) -> dict[int, dict]:
    """Returns which of a hand-in's cells is each of the original: id() of the original's cell -> its cell.

    Solutions and answers that share no identifier are matched in their order, if there are as many on either side.
    """
    by_name = {cell["id"]: cell for cell in own if isinstance(cell.get("id"), str)}
    found = {id(cell): by_name[cell["id"]] for cell in original if cell.get("id") in by_name}
    taken = {id(cell) for cell in found.values()}
    missing = [cell for cell in original if SOLUTION in _tags(cell) and id(cell) not in found]
    free = [cell for cell in own if ANSWER in _tags(cell) and id(cell) not in taken]
    if len(free) == len(missing):
        found |= {id(cell): answer for cell, answer in zip(missing, free, strict=True)}
    return found


# --- Parameters ------------------------------------------------------------------------------------------------------


def _fill(notebook: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Writes the values (Python texts) of parameters that a notebook declares; a cell that is no Python stays."""
    for cell in notebook["cells"]:
        if "parameters" not in _tags(cell):
            continue
        for name, text in texts.items():
            source = _source(cell)
            for _, start, end in (found for found in _values(source) if found[0] == name):
                _write(cell, source[:start] + text + source[end:])


def _written(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Returns the values of a notebook's parameters, as its cell writes them: name -> Python text."""
    sources = [_source(cell) for cell in notebook["cells"] if "parameters" in _tags(cell)]
    return {name: source[start:end] for source in sources for name, start, end in _values(source)}


def _values(source: str) -> Iterator[tuple[str, int, int]]:
    """Yields, of a cell of parameters, each name and where its value starts and ends."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = io.StringIO(source, newline="").readlines()

    def offset(row: int, column: int) -> int:  # the tree counts bytes within a line
        return sum(map(len, lines[: row - 1])) + len(lines[row - 1].encode()[:column].decode())

    for line in statements:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and (value := line.value):
            ends = offset(value.lineno, value.col_offset), offset(value.end_lineno, value.end_col_offset)
            yield line.target.id, *ends
