"""Outputs of cells, made ready for a page: one kind each, in bounds, and a mention of what a page can't show."""

from __future__ import annotations

import base64
import binascii
import html
import itertools
import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from atelier import explorateurs, fragments, terminal
from atelier.fragments import NEEDS_SCRIPT, absent
from atelier.texte import NO_ALT

if TYPE_CHECKING:
    from nbformat import NotebookNode

DISPLAY_PRIORITY = (
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/latex",
    "text/plain",
)
MAX_OUTPUTS = 400  # of a cell; above, half of it are its first and half its last
MAX_HTML = 2_000_000  # characters of an output, pictures and films not counted

WIDGET, WIDGET_STATES = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
_SCRIPTED = {
    "plotly": "Figure interactive (Plotly)",
    "vega": "Figure interactive (Altair)",
    "bokeh": "Figure interactive (Bokeh)",
    "holoviews": "Figure interactive (HoloViews)",
    "geo": "Carte interactive",
    "mermaid": "Figure (Mermaid)",
    "javascript": "Sortie d'un script",
}
_OBJECT = re.compile(r"\s*<[\w.]+ .*>\s*|\s*<[\w.]+>\s*", re.DOTALL)  # what Python says of an object without a text


class Places:
    """HTML that waits outside a page while the page is dressed, and the words that hold its places.

    Coloured texts and sources have thousands of elements, which need no dressing.
    """

    def __init__(self) -> None:
        """Holds nothing yet."""
        self._mark, self._kept = f"place-{uuid.uuid4().hex}", []

    def keep(self, source: str) -> str:
        """Keeps some HTML; returns the word that holds its place."""
        self._kept.append(source)
        return f"{self._mark}-{len(self._kept) - 1}."

    def restore(self, page: str) -> str:
        """Returns the page with all that was kept in its place."""
        return re.sub(rf"{self._mark}-(\d+)\.", lambda match: self._kept[int(match[1])], page)


def prepare(node: NotebookNode, places: Places) -> None:
    """Makes the outputs of a notebook those that a page shows.

    Texts are what a terminal would show in the end, shortened above `terminal.MAX_LINES` lines or
    `terminal.MAX_CHARACTERS` characters; their HTML goes to `places`. An output that holds several kinds keeps the
    best that a page can show. HTML is closed on itself (`fragments`).
    """
    states = node.metadata.pop("widgets", None) or {}
    for name in (WIDGET_STATES, "state"):
        states = states.get(name) if isinstance(states, dict) else None
    figures = itertools.count(1)
    for cell in node.cells:
        if cell.cell_type != "code":
            continue
        outputs = _join_streams(cell.outputs)
        if len(outputs) > MAX_OUTPUTS:
            half, hidden = MAX_OUTPUTS // 2, len(outputs) - MAX_OUTPUTS
            mention = f'<p><span class="absente">{hidden} sorties de cette cellule ne sont pas montrées.</span></p>'
            outputs[half:-half] = [_display({"text/html": mention})]
        cell.outputs = [_prepared(output, states if isinstance(states, dict) else {}) for output in outputs]
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/svg+xml" in data:
                output.metadata["figure"] = f"figure-{next(figures)}"
            for holder, name in ((output, "text"), (data, "text/plain"), (output, "traceback")):
                if name == "text/plain" and len(data) > 1:  # it describes a picture
                    continue
                text = holder.get(name)
                text = text[0] if name == "traceback" and text else text
                if isinstance(text, str) and text.strip():
                    word = places.keep(terminal.to_html(text))
                    holder[name] = [word] if name == "traceback" else word


def alt_text(output: NotebookNode, kind: str) -> str:
    """Returns the alternative text of a picture: its metadata, else a text that describes it, else a filler."""
    return alternative(output.data, output.get("metadata", {}), kind)


def alternative(data: Mapping[str, Any], metadata: Mapping[str, Any], kind: str) -> str:
    """Returns the alternative text of a picture, from the data and metadata of its output (see `alt_text`)."""
    for place in (metadata.get(kind), metadata):
        if isinstance(place, dict) and isinstance(place.get("alt"), str) and place["alt"]:
            return place["alt"]
    text = data.get("text/plain", "")
    return text if text and not re.match(r"<.*>$", text, flags=re.DOTALL) else NO_ALT


def size(output: NotebookNode, kind: str) -> str:
    """Returns the attributes of a picture's size, as its cell asked for it: `width=200`, or half of a retina figure."""
    metadata = output.get("metadata", {}).get(kind)
    values = {name: metadata.get(name) for name in ("width", "height")} if isinstance(metadata, dict) else {}
    lengths = {name: re.fullmatch(r"\s*(\d{1,5})(?:\.\d+)?(?:px)?\s*", str(value)) for name, value in values.items()}
    return "".join(f' {name}="{int(match[1])}"' for name, match in lengths.items() if match and int(match[1]))


def inline_svg(output: NotebookNode) -> str:
    """Makes an SVG part of the page: no prolog, a title, and identifiers and style that no other figure of it has.

    One that is not well formed, or that holds scripts or HTML, is shown as a picture, which can't touch the page.
    """
    svg, alt = output.data["image/svg+xml"], alt_text(output, "image/svg+xml")
    svg = svg[max(0, svg.find("<svg")) :]
    if not _is_plain(svg):
        data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(alt)}">'
    prefix = output.metadata["figure"]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid=["\'])', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(href=["\']#|url\(["\']?#)', rf"\g<1>{prefix}-", svg)
    start, _, rest = svg.partition(">")
    if "<style" in rest:
        if not re.search(r"\sid=", start):
            start += f' id="{prefix}"'
        root = "#" + re.search(r'\sid=["\']([^"\']*)', start)[1]
        sheet = re.compile(r"(<style[^>]*>)(?:\s*<!\[CDATA\[)?(.*?)(?:\]\]>\s*)?(</style>)", flags=re.DOTALL)
        rest = sheet.sub(lambda match: f"{match[1]}{fragments.scoped(match[2], root)}{match[3]}", rest)
    if not re.match(r"\s*<title", rest):
        start += "" if "role=" in start else ' role="img"'
        rest = f"<title>{html.escape(alt)}</title>{rest}"
    return f"{start}>{rest}"


def closed(source: str) -> str:
    """Returns HTML made from the Markdown of an output, closed on itself."""
    return fragments.safe(source).html


# --- One output ------------------------------------------------------------------------------------------------------


def _join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Returns the outputs, the pieces of a stream that follow each other in one."""
    joined = []
    for _, group in itertools.groupby(outputs, lambda o: o.get("name") if o.output_type == "stream" else id(o)):
        pieces = list(group)
        if len(pieces) > 1:
            pieces[0].text = "".join(piece.text for piece in pieces)
        joined.append(pieces[0])
    return joined


def _prepared(output: NotebookNode, states: Mapping[str, Any]) -> NotebookNode:
    if output.output_type == "stream":
        output.text = _text(output.text)
        return output
    if output.output_type == "error":
        output.evalue = re.sub("\x1b\\[[^m]*m", "", _text(output.evalue))
        output.traceback = [_text("\n".join(output.traceback))] if output.traceback else []
        return output
    shown = _display(_choose(output.data, states, output), output.metadata)
    shown.metadata["explorateur"] = explorateurs.of_output(output.data, shown.data)  # whatever the notebook says of it
    return shown


def _display(data: Mapping[str, str], metadata: Mapping[str, Any] | None = None) -> NotebookNode:
    from nbformat.v4 import new_output

    return new_output("display_data", data=dict(data), metadata=dict(metadata or {}))


def _choose(data: Mapping[str, Any], states: Mapping[str, Any], output: NotebookNode) -> dict[str, str]:
    """Returns the one kind of an output that a page shows, with the text that describes a picture."""
    fragment = None
    if isinstance(data.get("text/html"), str):
        fragment = _fragment(data["text/html"])
        if fragment.whole and fragment.visible:
            return {"text/html": fragment.html}
    for kind in DISPLAY_PRIORITY[1:-1]:
        if isinstance(data.get(kind), str) and data[kind].strip():
            return _still(kind, data)
    for kind in _PICTURES[2:]:
        if isinstance(data.get(kind), str):
            source = f"data:{kind};base64,{html.escape(_one_line(data[kind]))}"
            alt = html.escape(alt_text(output, kind))
            return {"text/html": f'<img src="{source}"{size(output, kind)} alt="{alt}">'}
    if fragment is not None and WIDGET not in data:
        named = next((_name(kind) for kind in data if _name(kind)), "")
        if named and not fragment.whole:
            return {"text/html": absent(named, NEEDS_SCRIPT)}
        return {"text/html": fragment.html}
    text = data.get("text/plain")
    text = _text(text) if isinstance(text, str) else ""
    if WIDGET in data:
        return _widget(data[WIDGET], text, states)
    if named := next((_name(kind) for kind in data if _name(kind)), ""):
        return {"text/html": absent(named, NEEDS_SCRIPT)}
    others = [kind for kind in data if kind != "text/plain"]
    if "application/json" in data:
        return {"text/plain": _text(json.dumps(data["application/json"], indent=1, ensure_ascii=False))}
    if not others or (text and not _OBJECT.fullmatch(text)):
        return {"text/plain": text}
    return {"text/html": absent("Sortie", f"une page ne montre pas ce qui est de type {others[0][:80]}")}


def _fragment(source: str) -> fragments.Fragment:
    weight = len(re.sub(r"data:[\w/+.-]+;base64,[\w+/=]*", "", source)) if len(source) > MAX_HTML else 0
    if weight > MAX_HTML:
        reason = f"son HTML compte {weight / 1e6:.0f} millions de caractères ; montrez-en moins de lignes"
        return fragments.Fragment(absent("Sortie", reason), whole=False)
    return fragments.safe(source)


def _still(kind: str, data: Mapping[str, Any]) -> dict[str, str]:
    """Returns a picture or a text, and beside a picture the text that describes it."""
    content = data[kind]
    if kind in _PICTURES:
        try:
            base64.b64decode(_one_line(content), validate=True)
        except (binascii.Error, ValueError):
            return {"text/html": absent("Image", "elle est illisible dans le fichier du carnet")}
    elif kind != "image/svg+xml":
        content = terminal.shorten(content)
    described = {"text/plain": data["text/plain"]} if isinstance(data.get("text/plain"), str) else {}
    return {kind: content} | (described if kind.startswith("image/") else {})


def _name(kind: str) -> str:
    """Returns the name of what a kind of output shows with a script; "" if it needs none."""
    if kind.startswith(("text/html", "text/plain", "text/markdown", "image/")):
        return ""
    return next((name for word, name in _SCRIPTED.items() if word in kind), "")


def _text(text: str) -> str:
    return terminal.show(text)


def _one_line(content: str) -> str:
    return "".join(content.split())


def _is_plain(svg: str) -> bool:
    """Says whether an SVG can be part of a page: well formed, without scripts, events or HTML."""
    unsafe = r"<\s*(?:\w+:)?(?:script|foreignObject|iframe|animate|set)\b|\son\w+\s*=|javascript:|<!ENTITY"
    if re.search(unsafe, svg, flags=re.IGNORECASE):
        return False
    try:
        ElementTree.fromstring(svg)
    except (ElementTree.ParseError, ValueError):
        return False
    return svg.rstrip().endswith("</svg>")


# --- Widgets ---------------------------------------------------------------------------------------------------------


def _widget(view: Any, text: str, states: Mapping[str, Any]) -> dict[str, str]:
    """Returns the last text of a widget (a bar of progress, a label), or a mention that it is missing."""
    shown = _widget_text(view.get("model_id") if isinstance(view, dict) else None, states, 0).strip()
    if shown:
        return {"text/plain": _text(shown)}
    if re.match(r"\s*100%\|", text):
        return {"text/plain": text}
    if re.match(r"\s*\d+%\|", text) or "Progress(" in text:
        return {"text/html": absent("Barre de progression", "le carnet n'a pas gardé son dernier état")}
    reason = "il demande un script ; ouvrez le carnet dans Jupyter pour le voir"
    return {"text/html": absent("Élément interactif (widget)", reason, feminine=False)}


def _widget_text(name: Any, states: Mapping[str, Any], depth: int) -> str:
    model = states.get(name) if isinstance(name, str) else None
    state = model.get("state") if isinstance(model, dict) else None
    if not isinstance(state, dict) or depth > 5:
        return ""
    kind = str(model.get("model_name"))
    value = state.get("value")
    if "Progress" in kind:
        top = state.get("max")
        numbers = all(isinstance(number, int | float) for number in (value, top))
        return f"|{'█' * round(10 * value / top):10}|" if numbers and top and 0 <= value <= top else ""
    if kind in ("HTMLModel", "LabelModel", "HTMLMathModel") and isinstance(value, str):
        return html.unescape(re.sub(r"<[^>]*>", "", value))
    children = state.get("children")
    if isinstance(children, list):
        names = [child.removeprefix("IPY_MODEL_") for child in children if isinstance(child, str)]
        return ("\n" if kind == "VBoxModel" else "").join(_widget_text(child, states, depth + 1) for child in names)
    return ""
