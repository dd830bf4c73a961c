"""What this kernel has sent to its front end, cell by cell, so that an output changed by hand afterwards can be told.

`watch` listens to what passes through the kernel's session, the last thing before the wire: streams, displays and their
updates, results, errors. `sent` sums up a cell as hashes; `differs` compares them with the outputs that a file stores.

An honest notebook must never be accused, whoever saved it (JupyterLab, VS Code, papermill). So the pieces of a cell are
compared as a set: each line of standard output, each MIME type of a display, each error. A piece that the kernel never
sent is a change; a piece that lacks (a browser that was closed, an output that was cleared) is not. Left out: standard
error, metadata, the text of tracebacks, and whatever a front end may store otherwise than it was sent (widgets, text
overwritten by carriage returns, displays updated from another cell, output that a thread writes later). Nothing here is
secret: who recomputes the hashes can forge them.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNKNOWN = "?"  # of a cell whose outputs can't be compared
models: collections.Counter[str] = collections.Counter()  # of this kernel: "entraîné", "retrouvé"

_NO_TEXT = "~"  # first letter of a cell whose standard output can't be compared
_MOST_PIECES = 200  # beyond, a cell is summed up as one hash
_MOST_TEXT = 1_000_000  # characters of standard output that are compared
_HARMLESS = re.compile(r"\x1b\[[\d;]*m|\r+(?=\n)")  # colours, and the ends of lines of a terminal
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # all but tabs and ends of lines
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which a file can't hold
_CUT = re.compile(r"IOPub (?:data|message) rate exceeded|output truncated to the last", re.IGNORECASE)


@dataclasses.dataclass
class _Cell:
    """What the kernel has sent for one execution."""

    count: int
    code: str
    text: str = ""  # standard output
    shown: list[tuple[str | None, list[str]]] = dataclasses.field(default_factory=list)  # display id, pieces
    comparable: bool = True
    clearing: bool = False  # the next output takes the place of all


_cells: dict[str, _Cell] = {}  # message that asked for the execution -> what was sent for it
_counts: dict[int, str] = {}  # number of the execution -> that message


# --- In the kernel ---------------------------------------------------------------------------------------------------


def watch() -> None:
    """Starts to listen, if this is a Jupyter kernel; once is enough."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    session = getattr(getattr(shell, "kernel", None), "session", None)
    if session is None or getattr(session.send, "listens", False):
        return
    send = session.send

    def send_and_note(stream: Any, message: Any, content: Any = None, parent: Any = None, *rest: Any, **more: Any):
        try:
            _note(message, content, parent)
        except Exception:  # whatever a message holds, it must leave
            _cells.clear()
        return send(stream, message, content, parent, *rest, **more)

    send_and_note.listens = True
    session.send = send_and_note


def sent(count: int, code: str) -> str:
    """Returns the hashes of what an execution has sent so far, `UNKNOWN` if it was not heard.

    Args:
        count: number of the execution, from 1.
        code: what it executed, so that another one of the same number is not taken for it.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    cell = _cells.get(_counts.get(count, ""))
    if cell is None or not cell.comparable or cell.code.strip() != code.strip():
        return UNKNOWN
    pieces = [piece for _, group in cell.shown for piece in group]
    if len(cell.text) > _MOST_TEXT or _CONTROL.search(_HARMLESS.sub("", cell.text)):
        return _NO_TEXT + _sum_up(pieces)
    return _sum_up(pieces + _lines(cell.text))


def note_model(*, fresh: bool) -> None:
    """Counts a model that was trained now (`fresh`) or found on disk."""
    models["entraîné" if fresh else "retrouvé"] += 1


def _note(message: Any, content: Any, parent: Any) -> None:
    """Notes a message on its way out."""
    if isinstance(message, Mapping):
        kind, content, parent = message["header"]["msg_type"], message["content"], message["parent_header"]
    else:
        kind = message
    key = (parent or {}).get("header", parent or {}).get("msg_id", "")
    if kind == "execute_input":
        _cells[key] = _Cell(content["execution_count"], content["code"])
        _counts[content["execution_count"]] = key
    elif kind == "update_display_data":
        _update(key, content)
    elif (cell := _cells.get(key)) is not None:
        _add(cell, kind, content)
        if key != next(reversed(_cells)) and kind in ("stream", "display_data", "clear_output"):
            cell.comparable = False  # a thread goes on writing


def _add(cell: _Cell, kind: str, content: Mapping[str, Any]) -> None:
    if kind.startswith("comm_"):  # a widget may take the outputs for itself
        cell.comparable = False
    elif kind == "clear_output":
        cell.clearing = bool(content.get("wait"))
        if not cell.clearing:
            cell.text, cell.shown = "", []
    elif kind in ("stream", "display_data", "execute_result", "error"):
        if cell.clearing:
            cell.text, cell.shown, cell.clearing = "", [], False
        if kind == "stream":
            if content["name"] == "stdout" and len(cell.text) <= _MOST_TEXT:
                cell.text += content["text"]
            return
        name = (content.get("transient") or {}).get("display_id")
        if name and any(name == other for known in _cells.values() for other, _ in known.shown):
            _spoil(name)
        cell.shown.append((name, _error(content) if kind == "error" else _bundle(content["data"])))


def _update(key: str, content: Mapping[str, Any]) -> None:
    name = content["transient"].get("display_id")
    for owner, cell in _cells.items():
        for index, (other, _) in enumerate(cell.shown):
            if other == name and owner == key:
                cell.shown[index] = (name, _bundle(content["data"]))
            elif other == name:  # from another cell: front ends don't all follow
                cell.comparable = False


def _spoil(name: str) -> None:
    """Gives up comparing the cells that bear a display of this name: it is shown twice."""
    for cell in _cells.values():
        if any(name == other for other, _ in cell.shown):
            cell.comparable = False


# --- In a file -------------------------------------------------------------------------------------------------------


def differs(cell: str, outputs: Iterable[Mapping[str, Any]]) -> bool | None:
    """Says whether stored outputs hold a piece that the kernel has not sent.

    Args:
        cell: the hashes of the cell, made by `sent`.
        outputs: the outputs of the cell in its file, as `commun.notebook.read_notebook` returns them.

    Returns:
        True if one does, False if they are all those that were sent, None if it can't be told or if some lack.
    """
    outputs = list(outputs)
    texts = [output["text"] for output in outputs if output["output_type"] == "stream"]
    if cell.startswith(UNKNOWN) or any(map(_CUT.search, texts)):
        return None
    text = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    pieces = [] if cell.startswith(_NO_TEXT) else _lines(text)
    for output in outputs:
        if output["output_type"] == "error":
            pieces += _error(output)
        elif output["output_type"] != "stream":
            pieces += _bundle(output["data"])
    expected = cell.removeprefix(_NO_TEXT)
    if ":" in expected:
        now = _sum_up(pieces)
        return None if now.partition(":")[0] != expected.partition(":")[0] else now != expected
    rest = collections.Counter(expected.split())
    rest.subtract(pieces)
    return True if min(rest.values(), default=0) < 0 else None if any(rest.values()) else False


def of_bundle(bundle: Mapping[str, Any]) -> str:
    """Returns the hashes of a display, as `sent` does of a cell that shows nothing else."""
    return _sum_up(_bundle(bundle))


def json_hash(value: Any) -> str:
    """Returns a hash of what JSON can write, the same after a front end has read and written it again."""
    return _digest(json.dumps(_plain(value), sort_keys=True, ensure_ascii=False))


def _sum_up(pieces: Sequence[str]) -> str:
    pieces = sorted(pieces)
    return " ".join(pieces) if len(pieces) <= _MOST_PIECES else f"{len(pieces)}:{_digest(' '.join(pieces))}"


def _lines(text: str) -> list[str]:
    """Returns the hashes of the lines of a text that are not blank."""
    return [_digest(line.rstrip()) for line in text.splitlines() if line.strip()]


def _bundle(data: Mapping[str, Any]) -> list[str]:
    """Returns the hash of each MIME type of a display."""
    return [_digest(f"{mime}\n{_content(mime, value)}") for mime, value in data.items()]


def _content(mime: str, value: Any) -> str:
    if mime.endswith("json"):
        return json_hash(value)
    text = value if isinstance(value, str) else json_hash(value)
    if mime.startswith("image/") and mime != "image/svg+xml":  # base64, in lines or not
        return "".join(text.split())
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def _error(content: Mapping[str, Any]) -> list[str]:
    return [_digest(f"error\n{content['ename']}: {content['evalue']}".rstrip())]


def _plain(value: Any) -> Any:
    """Returns a JSON value with its numbers as JavaScript writes them: 1.0 is 1."""
    if isinstance(value, float):
        return repr(value) if not math.isfinite(value) else int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _digest(text: str) -> str:
    return hashlib.sha256(_SURROGATE.sub("\ufffd", text).encode("utf-8")).hexdigest()[:8]
