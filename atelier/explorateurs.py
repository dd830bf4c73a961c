"""Explorers: figures that a page turns into something to handle, with its own script and a notebook's checked data.

An output shows a still picture and, under `commun.figures.EXPLORER_MIME`, the data of one of three kinds. Notebooks
are not trusted: the script is ours (`modele/explorateur*.js`), and the data passes only if it is exactly what
`_SCHEMAS` and `_sheets` say: bounded texts, finite numbers, PNG or JPEG sheets of the expected size. Otherwise the page
keeps the picture alone, as it does without a script and on paper.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from commun.figures import EXPLORER_MIME

TEMPLATE = Path(__file__).parent / "modele"
MAX_DATA = 600_000  # characters of the data of one explorer
_ADDRESS = re.compile(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/]+={0,2})")


def _text(limit: int) -> dict:
    return {"type": "string", "minLength": 1, "maxLength": limit}


def _integer(low: int, high: int) -> dict:
    return {"type": "integer", "minimum": low, "maximum": high}


def _number(low: float, high: float) -> dict:
    return {"type": "number", "minimum": low, "maximum": high}


def _list(items: dict, low: int, high: int) -> dict:
    return {"type": "array", "items": items, "minItems": low, "maxItems": high}


def _record(**properties: dict) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_SHEET, _SCORE, _SHARE, _LEVEL = _text(MAX_DATA), _number(1e-12, 1e12), _number(0, 1), _number(-1e6, 1e6)
_SCHEMAS = {
    "cvae": _record(  # a row of `poids` an image: of each class its square of codes, then of each pair its way
        genre={"const": "cvae"},
        classes=_list(_text(30), 2, 20),
        cote=_integer(8, 64),
        pas={"enum": [5, 7, 9, 11]},
        etendue=_number(0.1, 10),
        etapes=_integer(1, 12),
        erreur=_SHARE,
        bases=_SHEET,
        amplitudes=_list(_LEVEL, 1, 64),
        poids=_SHEET,
        minimums=_list(_LEVEL, 1, 64),
        maximums=_list(_LEVEL, 1, 64),
    ),
    "anomalies": _record(  # the value of a map is bas * (haut / bas) ** (level / 255)
        genre={"const": "anomalies"},
        categorie=_text(60),
        cote=_integer(32, 160),
        pieces=_list(_record(nom=_text(60), defaut={"type": "boolean"}, score=_SCORE), 1, 12),
        images=_SHEET,
        reconstructions=_SHEET,
        verites=_SHEET,
        grille=_integer(4, 64),
        cartes=_SHEET,
        bas=_SCORE,
        haut=_SCORE,
        bonnes=_list(_SCORE, 1, 5000),
        defauts=_list(_SCORE, 1, 5000),
        seuil=_SCORE,
    ),
    "artistes": _record(  # `vrai` and `reseau` are positions in `noms`
        genre={"const": "artistes"},
        cote=_integer(32, 160),
        oeuvres=_list(
            _record(
                noms=_list(_text(60), 4, 4),
                vrai=_integer(0, 3),
                reseau=_integer(0, 3),
                probabilites=_list(_SHARE, 4, 4),
            ),
            1,
            16,
        ),
        images=_SHEET,
        grille=_integer(2, 64),
        cartes=_SHEET,
    ),
}


def render(data: Any) -> str:
    """Returns the HTML that carries an explorer's data in a page, "" if the data is not right in every way."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        right = len(text) <= MAX_DATA and _is_right(data)
    except (TypeError, ValueError, RecursionError):  # a number that is not finite, an image that is none
        right = False
    if not right:
        return ""
    kind, text = data["genre"], text.replace("<", "\\u003c")
    return f'<div class="explorateur" data-genre="{kind}"><script type="application/json">{text}</script></div>'


def of_output(data: Mapping[str, Any], shown: Iterable[str]) -> str:
    """Returns `render` of an output's data, "" where it has none or where the page shows no picture of it."""
    if EXPLORER_MIME not in data or not any(kind.startswith("image/") for kind in shown):
        return ""
    return render(data[EXPLORER_MIME])


def kinds(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the kinds of explorers that code cells show, each once, where `of_output` is metadata of outputs."""
    pieces = [o.get("metadata", {}).get("explorateur", "")[:80] for cell in cells for o in cell["outputs"]]
    return [kind for kind in _SCHEMAS if any(f'data-genre="{kind}"' in piece for piece in pieces)]


def script(kinds: Iterable[str]) -> str:
    """Returns the script of a page that has explorers of these kinds, "" if it has none."""
    parts = [_read(f"explorateur_{kind}.js") for kind in kinds]
    return f'(() => {{\n"use strict";\n{_read("explorateur.js")}{"".join(parts)}start();\n}})();' if parts else ""


def style(kinds: Iterable[str]) -> str:
    """Returns the style of a page that has explorers of these kinds, "" if it has none."""
    return _read("explorateur.css") if list(kinds) else ""


def _is_right(data: Any) -> bool:
    """Says whether data is of a known kind, and all that this kind asks for; raises ValueError if an image is none."""
    schema = _SCHEMAS.get(data.get("genre")) if isinstance(data, dict) and isinstance(data.get("genre"), str) else None
    if schema is None or not _validator(data["genre"]).is_valid(data):
        return False
    if data["genre"] == "anomalies" and data["haut"] <= data["bas"]:
        return False
    if data["genre"] == "cvae" and len({len(data[name]) for name in ("amplitudes", "minimums", "maximums")}) > 1:
        return False
    return all(_is_sheet(data[name], *size) for name, size in _sheets(data).items())


@functools.cache
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_SCHEMAS[kind])


def _sheets(data: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Returns the sheets of valid data: name -> width and height in pixels."""
    side = data["cote"]
    if data["genre"] == "cvae":
        count, depth = len(data["classes"]), len(data["amplitudes"])
        images = count * data["pas"] ** 2 + count * (count - 1) // 2 * data["etapes"]
        return {"bases": ((1 + depth) * side, side), "poids": (depth, images)}
    if data["genre"] == "anomalies":
        names, count = ("images", "reconstructions", "verites"), len(data["pieces"])
    else:
        names, count = ("images",), len(data["oeuvres"])
    return {name: (count * side, side) for name in names} | {"cartes": (count * data["grille"], data["grille"])}


def _is_sheet(address: str, width: int, height: int) -> bool:
    """Says whether an address holds a whole PNG or JPEG of this size; it is decoded only if it has it."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return False
    content = io.BytesIO(base64.b64decode(match[2], validate=True))
    try:
        with Image.open(content, formats=[match[1].upper()]) as image:
            if image.size != (width, height):
                return False
            image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # what Pillow raises of damaged bytes
        raise ValueError("not an image") from error
    return True


@functools.cache
def _read(name: str) -> str:
    return (TEMPLATE / name).read_text(encoding="utf-8")
