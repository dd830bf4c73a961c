"""Notebooks as files: read as any tool left them, or refused in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commun import UserError

INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds
_TAG = re.compile(r"[^,]+")  # the only ones that the format allows
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_KINDS = {"data": "display_data", "text": "stream", "ename": "error"}  # what an output holds -> its kind


def read_notebook(path: Path) -> dict[str, Any]:
    """Reads a notebook, and fills what a tool left out of it.

    Each cell then has a `cell_type`, its `source` as one text and its `metadata`; a code cell its `outputs`, each of a
    kind that exists and with its texts in one piece. What is of no use (an output without content) is left out, and a
    character that no text can hold (half of an emoji) is replaced by "�".

    Raises:
        UserError: the file is missing, is not a notebook, or has another format than 4.
    """
    notebook = _load(Path(path))
    metadata = notebook["metadata"] = _dict(notebook.get("metadata"))
    for name, needed in (("kernelspec", "name"), ("language_info", "name")):
        if name in metadata and not isinstance(_dict(metadata[name]).get(needed), str):
            del metadata[name]
    notebook["cells"] = [_cell(cell) for cell in notebook["cells"]]
    return notebook


def code_cells(path: Path) -> list[str]:
    """Returns the sources of a notebook's code cells, without the cell of parameters that papermill injects.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    cells = [cell for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]
    return [cell["source"] for cell in cells if INJECTED not in tags(cell)]


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Returns the tags of a cell."""
    return cell["metadata"].get("tags", [])


def failures(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the errors that a code cell shows, without those that it means to show.

    A cell tagged `raises-exception` shows how something fails, and `sys.exit()` stops nothing but the cell.
    """
    if "raises-exception" in tags(cell):
        return []
    errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
    return [e for e in errors if not (e["ename"] == "SystemExit" and e["evalue"] in ("", "0"))]


def replace_surrogates(text: str) -> str:
    """Replaces the characters that UTF-8 can't hold."""
    return _LONE_SURROGATE.sub("\ufffd", text)


# --- Reading ---------------------------------------------------------------------------------------------------------


def _load(path: Path) -> dict[str, Any]:
    """Reads the file as JSON (in UTF-8, or as its mark says) and checks that it holds cells of format 4."""
    if path.is_dir():
        raise UserError(f"{path} est un dossier, pas un carnet. Nommez les carnets qu'il contient.")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} est introuvable : ce fichier n'existe pas. Vérifiez son chemin.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} est illisible ({error}). Vérifiez son chemin et ses droits.") from error
    if not content.strip():
        raise UserError(f"{path} n'est pas un carnet lisible : il est vide. Demandez-en une autre copie.")
    try:
        notebook = json.loads(content)
        text = json.dumps(notebook, ensure_ascii=False)
        if _LONE_SURROGATE.search(text):
            notebook = json.loads(replace_surrogates(text))
    except (ValueError, RecursionError) as error:
        why = "un conflit de fusion y est resté" if b"\n<<<<<<< " in content else "il est abîmé ou incomplet"
        raise UserError(f"{path} n'est pas un carnet lisible : {why}. Reprenez-en une copie entière.") from error
    if not isinstance(notebook, dict):
        raise UserError(f"{path} n'est pas un carnet lisible : ce n'est pas un carnet Jupyter. Vérifiez son chemin.")
    version = notebook.get("nbformat", 4)
    if "worksheets" in notebook or (isinstance(version, int) and version < 4):
        raise UserError(
            f"{path} n'est pas un carnet lisible : il est enregistré dans un ancien format (nbformat "
            f"{version if version != 4 else 3}). Ouvrez-le dans JupyterLab et enregistrez-le : il passe au format 4."
        )
    if isinstance(version, int) and version > 4:
        raise UserError(
            f"{path} n'est pas un carnet lisible : son format (nbformat {version}) est plus récent que ce programme "
            "(nbformat 4). Enregistrez-le au format 4."
        )
    if not isinstance(notebook.get("cells"), list):
        raise UserError(f"{path} n'est pas un carnet lisible : il n'a pas de cellules. Reprenez-en une copie entière.")
    return notebook


def _cell(cell: Any) -> dict[str, Any]:
    if not isinstance(cell, dict):
        return {"cell_type": "markdown", "metadata": {}, "source": "*Cellule illisible dans le fichier du carnet.*"}
    kind = cell.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        kind = "code" if "outputs" in cell or "execution_count" in cell else "markdown"
    metadata = _dict(cell.get("metadata"))
    if "tags" in metadata:
        labels = metadata["tags"] if isinstance(metadata["tags"], list) else []
        texts = (label for label in labels if isinstance(label, str))
        metadata["tags"] = list(dict.fromkeys(label for label in texts if _TAG.fullmatch(label)))
    clean = cell | {"cell_type": kind, "metadata": metadata, "source": _text(cell.get("source")) or ""}
    if kind == "code":
        outputs = cell.get("outputs")
        clean["outputs"] = [o for o in map(_output, outputs if isinstance(outputs, list) else []) if o]
        count = cell.get("execution_count")
        clean["execution_count"] = count if type(count) is int and count >= 0 else None
    else:  # the format gives them to no other cell
        clean = {name: value for name, value in clean.items() if name not in ("outputs", "execution_count")}
    if "attachments" in cell:
        files = _dict(cell["attachments"]).items()
        clean["attachments"] = {name: _texts(data) for name, data in files if _texts(data)}
    return clean


def _output(output: Any) -> dict[str, Any] | None:
    """Returns an output with all that its kind asks for; None if it holds nothing."""
    output = _dict(output)
    kind = output.get("output_type")
    if kind not in ("stream", "display_data", "execute_result", "error"):
        kind = next((kind for content, kind in _KINDS.items() if content in output), None)
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": _text(output.get("text")) or ""}
    if kind == "error":
        trace = output.get("traceback")
        names = {name: _text(output.get(name)) or "" for name in ("ename", "evalue")}
        lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
        return {"output_type": kind, **names, "traceback": lines}
    data = _dict(output.get("data"))
    texts = {name: value for name, value in data.items() if name.endswith("json")} | _texts(data)
    return {"output_type": "display_data", "metadata": _dict(output.get("metadata")), "data": texts} if texts else None


def _texts(data: Any) -> dict[str, str]:
    """Returns the texts of a bundle, each in one piece."""
    pairs = ((name, _text(value)) for name, value in _dict(data).items() if not name.endswith("json"))
    return {name: text for name, text in pairs if text is not None}


def _text(value: Any) -> str | None:
    """Returns a text that a file may hold as a list of lines; None if it is something else."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
