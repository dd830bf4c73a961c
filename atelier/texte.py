"""The text of the reports: Markdown cells as JupyterLab shows them, whole without a network.

Markdown is CommonMark with GitHub's tables, read by markdown-it-py. As in JupyterLab, formulas are set aside before and
put back after, so that neither `_` nor `|` in a formula is taken for Markdown. Each cell becomes HTML on its own: what
it leaves open is closed where it ends.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import html
import itertools
import mimetypes
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from atelier import aparte, formules, typographie

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

NO_ALT = "Figure sans description"
MAX_NESTING = 60  # blocks in blocks
_DEEP = re.compile(rf"^[ \t]*(?:>[ \t]*|(?:[-*+]|\d+[.)])[ \t]+){{{MAX_NESTING // 3},}}(?=[^\s>*+-])", re.MULTILINE)
_NUMBERED = re.compile(r"\\(begin|end)\{(equation|align|alignat|gather|multline|flalign)\}")
# What HTML reads as text up to a closing tag: without it, the rest of the page would be swallowed.
_RAW = "script|style|textarea|title|xmp|iframe|noembed|noframes|noscript|plaintext"
_INLINE = (
    "a|abbr|area|audio|b|bdi|bdo|big|br|button|canvas|cite|code|data|datalist|del|dfn|em|embed|font|i|img|input|ins|kbd|"
    "label|map|mark|meter|nobr|noscript|object|output|picture|pre|progress|q|rp|rt|ruby|s|samp|script|select|slot|small|"
    "span|strike|strong|style|sub|sup|table|template|textarea|time|tt|u|var|video|wbr"
)


@dataclasses.dataclass(frozen=True)
class Writer:
    """Writes the Markdown of one notebook as HTML.

    It remembers what a cell leaves to the next ones: the commands that its formulas define, the numbers of its notes.
    """

    _definitions: list[str] = dataclasses.field(default_factory=list)
    _cells: Iterator[int] = dataclasses.field(default_factory=lambda: itertools.count(1))

    def render(
        self, source: str, folder: Path | str = "", attachments: Mapping[str, Mapping[str, str]] | None = None
    ) -> str:
        """Returns the HTML of a Markdown text.

        Args:
            source: the text.
            folder: where the paths of its images start; images outside it are not read.
            attachments: pasted images, name -> {type: base64}.
        """
        from bs4 import Comment

        if _DEEP.search(source):
            return f"<pre>{html.escape(source)}</pre>"
        text = aparte.set_aside(_image_paths(source))
        written = _markdown().render(text.markdown, {"docId": str(next(self._cells))})
        soup = _parsed(_harmless(written))
        for element in soup.find_all(["script", "style"]):  # JupyterLab runs none, and a style is the whole page's
            element.replace_with(Comment(element.get_text().replace("-", "\u2010")))
        for element in soup.find_all(True):
            for name, value in element.attrs.items():
                if isinstance(value, str):
                    element[name] = text.restored(value)
        for string in soup.find_all(string=text.placeholder):
            if string.find_parent(["code", "pre", "svg", "textarea", "title"]) is not None:
                string.replace_with(text.restored(string))
        for heading in soup.find_all(re.compile("^h[1-6]$")):
            if not heading.get("id"):
                heading["id"] = _identifier(text.restored(heading.get_text()))
        for image in soup.find_all("img"):
            _embed(image, Path(folder), attachments or {})
        _tick(soup)
        typographie.bind(soup)
        return text.replaced(str(soup), self._island)

    def _island(self, piece: aparte.Piece) -> str:
        """Returns the HTML of what was set aside."""
        if piece.kind == "code":
            return f"<code>{html.escape(piece.body)}</code>"
        latex = _NUMBERED.sub(r"\\\1{\2*}", piece.body)  # JupyterLab numbers none
        latex = re.sub(r"\\begin\{eqnarray\*?\}", r"\\begin{darray}{rcl}", latex)
        latex = re.sub(r"\\end\{eqnarray\*?\}", r"\\end{darray}", latex)
        definitions = formules.definitions(latex)
        written = formules.formula(latex, block=piece.kind == "block", source=piece.source, before=self._definitions)
        self._definitions.extend(definitions)
        return written


def title(source: str) -> str:
    """Returns the text of the first H1 of a Markdown text, however it is written; "" if there is none."""
    for heading in _parsed(Writer().render(source)).find_all("h1"):
        for image in heading.find_all("img"):
            image.replace_with(image.get("alt", ""))
        if words := " ".join(heading.get_text().split()):
            return words
    return ""


# --- Markdown ---------------------------------------------------------------------------------------------------------


@functools.cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.tasklists import tasklists_plugin

    markdown = MarkdownIt("commonmark", {"html": True, "linkify": True, "maxNesting": MAX_NESTING})
    markdown.enable(["table", "strikethrough", "linkify"])
    markdown.linkify.set({"fuzzy_link": False, "fuzzy_email": False})  # "main.py" is no address in Paraguay
    markdown.use(footnote_plugin, inline=False).use(tasklists_plugin)
    markdown.core.ruler.after("block", "surplus", _keep_surplus_cells)
    markdown.core.ruler.before("footnote_tail", "unused_notes", _keep_unused_notes)
    markdown.core.ruler.push("unused_links", _keep_unused_links)
    markdown.validateLink = lambda address: not re.match(r"\s*(?:javascript|vbscript|data:(?!image/))", address, re.I)
    markdown.add_render_rule("fence", _fence)
    markdown.add_render_rule("footnote_anchor", _back)
    return markdown


def _fence(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Colours a block of code whose language is known."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    code = tokens[index].content
    info = f'data-info="{html.escape(tokens[index].info.strip())}"' if tokens[index].info.strip() else ""
    language = (tokens[index].info.split() or [""])[0]
    try:
        coloured = highlight(code, get_lexer_by_name(language, stripnl=False), HtmlFormatter())
        return coloured.replace('class="highlight"', f'class="highlight" {info}', 1)
    except ClassNotFound:
        label = '<p class="etiquette">Schéma Mermaid, montré par sa source</p>' if language == "mermaid" else ""
        return f"{label}<pre {info}><code>{html.escape(code, quote=False)}</code></pre>\n"


def _back(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Returns the link from a note to its call."""
    token = tokens[index]
    number = renderer.rules["footnote_anchor_name"](tokens, index, options, env)
    call = f":{token.meta['subId']}" if token.meta["subId"] > 0 else ""
    return f'\u00a0<a href="#fnref{number}{call}" class="footnote-backref" aria-label="Retour au texte">↩\ufe0e</a>'


def _keep_surplus_cells(state: StateCore) -> None:
    """Gives the last cell of a row what the row has beyond its header, which GitHub's tables drop."""
    from markdown_it.rules_block.table import escapedSplit

    row: Token | None = None
    last: Token | None = None
    width = 0
    for token in state.tokens:
        if token.type == "tr_open":
            row, width = token, 0
        elif token.type in ("th_open", "td_open"):
            width += 1
        elif token.type == "inline" and row is not None:
            last = token
        elif token.type == "tr_close" and row is not None and last is not None:
            line = state.src.split("\n")[row.map[0]].strip()
            cells = escapedSplit(re.sub(r"^[>\s]*", "", line))
            if cells and not cells[0].strip():
                cells.pop(0)
            if surplus := [cell.strip() for cell in cells[width:] if cell.strip()]:
                last.content = " | ".join(filter(None, [last.content, *surplus]))
            row = None


def _keep_unused_notes(state: StateCore) -> None:
    """Leaves in the text the notes that nothing calls, or that have the name of another, which would vanish."""
    from markdown_it.token import Token

    notes = state.env.get("footnotes", {}).get("refs", {})
    seen: set[str] = set()
    kept: list[Token] = []
    moved: list[bool] = []  # of the notes that are open, whether they go to the end of the text
    for token in state.tokens:
        if token.type == "footnote_reference_open":
            label = token.meta["label"]
            moved.append(notes.get(f":{label}", -1) >= 0 and label not in seen and not moved)
            if moved[-1]:
                seen.add(label)
            else:
                mark = Token("html_block", "", 0)
                mark.content = f"<p>[^{html.escape(label)}]:</p>\n"
                kept.append(mark)
                continue
        elif token.type == "footnote_reference_close" and not moved.pop():
            continue
        kept.append(token)
    state.tokens = kept


def _keep_unused_links(state: StateCore) -> None:
    """Leaves in the page the definitions of links that no link uses, which would vanish."""
    from markdown_it.token import Token

    used = {
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in state.tokens
        for child in _descendants(token.children or [])
        if child.type in ("link_open", "image")
    }
    definitions = [*state.env.get("references", {}).items()]
    definitions += [(entry["label"], entry) for entry in state.env.get("duplicate_refs", [])]
    for label, definition in definitions:
        address = definition["href"]
        words = f"[{label.lower()}]: {unquote(address)} {definition['title']}".strip()
        comment = address in ("#", "<>")  # "[//]: # (…)" is how comments are written in Markdown
        if comment or address not in used:
            token = Token("html_block", "", 0)
            safe = html.escape(words.replace("--", "- -"), quote=False)
            token.content = f"<!-- {safe} -->\n" if comment else f"<p>{safe}</p>\n"
            state.tokens.append(token)


def _descendants(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _descendants(token.children or [])


# --- HTML -------------------------------------------------------------------------------------------------------------


def _parsed(text: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup

    return BeautifulSoup(text, features="html.parser")


@functools.cache
def _elements() -> frozenset[str]:
    from markdown_it.common.html_blocks import block_names

    return frozenset([*_INLINE.split("|"), *block_names])


def _harmless(text: str) -> str:
    """Shows as text what looks like HTML and would swallow words: unfinished tags, names in angle brackets."""

    def start(match: re.Match[str]) -> str:
        if match[1]:  # a drawing, whose elements are its own
            return match[0]
        name = re.match(r"</?([A-Za-z][\w:-]*)(?=[\s/>])", match[0])
        known = name is not None and (name[1].lower() in _elements() or "-" in name[1])
        return match[0] if known else "&lt;" + match[0][1:]

    closed, mark, rest = text.rpartition("-->")
    text = closed + mark + rest.replace("<!--", "&lt;!--")
    text = re.sub(r"<(?!/?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|!--)", "&lt;", text)
    drawing = r"(<(svg|math)\b.*?</\2\s*>)"
    text = re.sub(rf"{drawing}|</?[A-Za-z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>", start, text, flags=re.DOTALL)
    for match in reversed(list(re.finditer(rf"<({_RAW})\b", text, flags=re.IGNORECASE))):
        if not re.search(rf"</{match[1]}\s*>", text[match.end() :], flags=re.IGNORECASE):
            text = f"{text[: match.start()]}&lt;{text[match.start() + 1 :]}"
    return text


def _identifier(text: str) -> str:
    """Returns the identifier of a heading, as JupyterLab makes it."""
    return re.sub(r"[ \t\r\n]", "-", text.strip()) or "section"


def _tick(soup: BeautifulSoup) -> None:
    """Shows the boxes of a list of tasks as characters, which print and which no one can press."""
    for box in soup.select("input.task-list-item-checkbox"):
        done = box.has_attr("checked")
        mark = soup.new_tag("span", attrs={"role": "img", "aria-label": "fait" if done else "à faire"})
        mark.string = "☑" if done else "☐"
        box.replace_with(mark)


# --- Images -----------------------------------------------------------------------------------------------------------


def _image_paths(source: str) -> str:
    r"""Writes the paths of images as Markdown wants them: `images\a b.png` as `<images/a b.png>`."""

    def path(match: re.Match[str]) -> str:
        address = match[2].replace("\\", "/") if re.search(r"\\\w", match[2]) else match[2]
        return f"{match[1]}(<{address}>{match[3]})" if " " in address else f"{match[1]}({address}{match[3]})"

    suffixes = "png|jpe?g|gif|svg|webp|bmp|avif"
    pattern = rf"""(!\[[^\]\n]*\])\(\s*([^<>()\n"]*?\.(?:{suffixes}))((?:\s+"[^"\n]*")?)\s*\)"""
    return re.sub(pattern, path, source, flags=re.IGNORECASE)


def _embed(image: Tag, folder: Path, attachments: Mapping[str, Mapping[str, str]]) -> None:
    """Puts a picture in the page in place of its address; leaves the address where it is not found."""
    address = image.get("src", "")
    if not image.has_attr("alt"):
        image["alt"] = NO_ALT
    if address.startswith("attachment:"):
        image["src"] = _attached(address.removeprefix("attachment:"), attachments) or address
    elif address and not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:|//", address):
        file = _file(address, folder)
        kind = mimetypes.guess_type(file.name)[0] if file else None
        if file and (kind or "").startswith("image/"):
            image["src"] = f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _attached(name: str, attachments: Mapping[str, Mapping[str, str]]) -> str | None:
    names = {_key(name): name for name in attachments}
    found = attachments.get(name) or attachments.get(names.get(_key(name)) or names.get(_key(unquote(name)), ""))
    if not found:
        return None
    order = ["image/svg+xml", "image/png", "image/jpeg", *found]  # drawn rather than pixels, exact rather than not
    kind = next(kind for kind in order if kind in found)
    content = found[kind] if isinstance(found[kind], str) else "".join(found[kind])
    if kind == "image/svg+xml" and content.lstrip().startswith("<"):
        content = base64.b64encode(content.encode()).decode()
    return f"data:{kind};base64,{''.join(content.split())}"


def _file(address: str, folder: Path) -> Path | None:
    """Returns the file of an address: percent signs, backslashes, accents and capitals don't matter."""
    base = folder.resolve()
    for text in (address, re.sub(r"[?#].*", "", address)):
        for path in (text, unquote(text)):
            place: Path | None = base
            for part in path.replace("\\", "/").split("/"):
                if part and part != "." and place is not None:
                    place = place.parent if part == ".." else _child(place, part)
            try:
                if place and place.is_file() and place.resolve().is_relative_to(base):
                    return place
            except (OSError, ValueError):
                continue
    return None


def _child(folder: Path, name: str) -> Path | None:
    try:
        if (folder / name).exists():
            return folder / name
        return next((path for path in sorted(folder.iterdir()) if _key(path.name) == _key(name)), None)
    except (OSError, ValueError):
        return None


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
