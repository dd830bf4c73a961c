"""What `atelier verifier` says of a notebook: whether the card that it carries is that of its cells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atelier import cartes
from commun import seen
from commun.card import CARD_MIME, DISORDER, IN_ORDER, MODIFIED, cell_hash, compare, hashes, is_whole
from commun.datasets import ROOT
from commun.notebook import INJECTED, failures, read_notebook, tags

NEVER, FAILED, NO_CARD = "jamais exécuté", "en erreur", "exécuté sans carte"
ALTERED = "sorties modifiées"
HANDED_OUT = ROOT / "atelier" / "distribution.json"


def check(path: Path) -> tuple[str, cartes.Card | None]:
    """Returns a notebook's state and its card: in order, modified, in disorder (`commun.card`), never run or failed.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    return judge(read_notebook(path))


def judge(notebook: Mapping[str, Any]) -> tuple[str, cartes.Card | None]:
    """Does what `check` does, of a notebook that is read already."""
    card = card_of(notebook)
    told = None if card is None else cartes.read(card)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if any(map(failures, code)):
        return FAILED, told
    if card is None:
        return NO_CARD if any(cell["outputs"] or cell["execution_count"] for cell in code) else NEVER, None
    if card["execution"] in handed_out().values():
        return NEVER, told
    state = relation(notebook, card)
    if state == IN_ORDER and (changed := altered(notebook)):
        last = notebook["cells"][_card_position(notebook["cells"])].get("execution_count")
        again = [last and (notebook["cells"][i].get("execution_count") or 0) > last for i in changed]
        state = DISORDER if all(again) else ALTERED
    return state, told


def altered(notebook: Mapping[str, Any]) -> list[int]:
    """Returns the positions of the cells that show what the kernel of the card has not sent.

    Either an output was changed by hand, or the cell was executed again after the card. What can't be compared is left
    out: first cards, cells that changed, outputs that a front end stores in its own way (`commun.seen`).
    """
    cells, position, card = notebook["cells"], _card_position(notebook["cells"]), card_of(notebook)
    if card is None:
        return []
    sent, found = card.get("sorties"), []
    own = _executed(notebook, card)
    if isinstance(sent, list) and own and len(sent) == len(own) and all(isinstance(text, str) for text in sent):
        for text, index in zip(sent, own, strict=True):
            outputs = cells[index]["outputs"]
            if index == position:  # the rows that it shows; the card itself has a hash of its own
                shown = next(output["data"] for output in outputs if _card({"outputs": [output]}))
                data = {name: value for name, value in shown.items() if name != CARD_MIME}
                outputs = [{"output_type": "display_data", "data": data}]
            if seen.differs(text, outputs):
                found.append(index)
    try:
        whole = is_whole(card)
    except RecursionError:  # no kernel has made that
        whole = False
    return found if whole else sorted({*found, position})


def card_of(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the run's card that a notebook carries, as it is written (`cartes.read` reads it), or None."""
    position = _card_position(notebook["cells"])
    return None if position is None else _card(notebook["cells"][position])


def relation(notebook: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Returns how a card relates to the cells of its notebook up to its own, whoever ran it."""
    cells, _ = _around_card(notebook)
    own = [cell["source"] for cell in cells if INJECTED not in tags(cell)]
    every = [cell["source"] for cell in cells]  # with those that papermill adds, as the kernel saw them
    if any(card["cellules"] == hashes(sources, old=old) for sources in (own, every) for old in (False, True)):
        return IN_ORDER
    now = compare(card["cellules"], hashes(own))
    return MODIFIED if card["etat"] == IN_ORDER else now


def followed(notebook: Mapping[str, Any]) -> bool:
    """Says whether cells with code follow that of the card: it can't tell anything of them."""
    return bool(hashes(cell["source"] for cell in _around_card(notebook)[1]))


def stale(paths: Sequence[Path]) -> list[Path]:
    """Returns, of a project's notebooks in order, the first whose card no longer matches, and its successors."""
    for index, path in enumerate(paths):
        notebook = read_notebook(path)
        card = card_of(notebook)
        if card is None or relation(notebook, card) != IN_ORDER or followed(notebook):
            return list(paths[index:])
    return []


def handed_out() -> dict[str, str]:
    """Returns the run ids of the committed notebooks: "project/name.ipynb" -> id."""
    return json.loads(HANDED_OUT.read_text(encoding="utf-8")) if HANDED_OUT.is_file() else {}


def _executed(notebook: Mapping[str, Any], card: Mapping[str, Any]) -> list[int]:
    """Returns the positions of the cells that a card lists, in order; none if the cells are not those."""
    end = (_card_position(notebook["cells"]) or 0) + 1
    code = [i for i, cell in enumerate(notebook["cells"][:end]) if cell["cell_type"] == "code"]
    filled = [(i, digest) for i in code if (digest := cell_hash(notebook["cells"][i]["source"]))]
    own = [(i, digest) for i, digest in filled if INJECTED not in tags(notebook["cells"][i])]
    return next(([i for i, _ in part] for part in (own, filled) if [d for _, d in part] == card["cellules"]), [])


def _around_card(notebook: Mapping[str, Any]) -> tuple[list[dict], list[dict]]:
    """Returns the code cells up to that of the card, it included, and those that follow."""
    cells, position = notebook["cells"], _card_position(notebook["cells"])
    end = len(cells) if position is None else position + 1
    code = [[cell for cell in part if cell["cell_type"] == "code"] for part in (cells[:end], cells[end:])]
    return code[0], code[1]


def _card_position(cells: Sequence[Mapping[str, Any]]) -> int | None:
    return next((i for i in reversed(range(len(cells))) if _card(cells[i])), None)


def _card(cell: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the card that a cell shows, if it is whole enough to be compared."""
    for output in cell["outputs"] if cell.get("cell_type", "code") == "code" else []:  # elsewhere they are anything
        card = output.get("data", {}).get(CARD_MIME)
        if not isinstance(card, dict) or not isinstance(card.get("cellules"), list):
            continue
        if all(isinstance(text, str) for text in (card.get("etat"), card.get("execution"), *card["cellules"])):
            return card
    return None
