"""What `atelier verifier` says of a notebook: whether the card that it carries is that of its cells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from commun.card import CARD_MIME, IN_ORDER, MODIFIED, code_cells, compare, hashes, read_notebook
from commun.datasets import ROOT

NEVER, FAILED = "jamais exécuté", "en erreur"
HANDED_OUT = ROOT / "atelier" / "distribution.json"


def check(path: Path) -> tuple[str, dict[str, Any] | None]:
    """Returns a notebook's state and its card: in order, modified, in disorder (`commun.card`), never run or failed.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    notebook = read_notebook(path)
    card = card_of(notebook)
    outputs = [o for c in notebook["cells"] if c["cell_type"] == "code" for o in c.get("outputs", [])]
    if any(o["output_type"] == "error" for o in outputs):
        return FAILED, card
    if card is None or card["execution"] in handed_out().values():
        return NEVER, card
    return state(path, card), card


def card_of(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the run's card that a notebook carries, or None."""
    outputs = [output for cell in reversed(notebook["cells"]) for output in cell.get("outputs", [])]
    return next((output["data"][CARD_MIME] for output in outputs if CARD_MIME in output.get("data", {})), None)


def state(path: Path, card: Mapping[str, Any]) -> str:
    """Returns how a card relates to the cells of its notebook, whoever ran it."""
    now = compare(card["cellules"], hashes(code_cells(path)))
    return MODIFIED if now != IN_ORDER and card["etat"] == IN_ORDER else now


def stale(paths: Sequence[Path]) -> list[Path]:
    """Returns, of a project's notebooks in order, the first whose card no longer matches, and its successors."""
    for index, path in enumerate(paths):
        card = card_of(read_notebook(path))
        if card is None or state(path, card) != IN_ORDER:
            return list(paths[index:])
    return []


def handed_out() -> dict[str, str]:
    """Returns the run ids of the committed notebooks: "project/name.ipynb" -> id."""
    return json.loads(HANDED_OUT.read_text(encoding="utf-8")) if HANDED_OUT.is_file() else {}
