"""Turns executed notebooks into self-contained HTML reports, and writes their index.

A report is one file that opens without a network: formulas are converted to MathML here, pictures and style are
inlined, and nothing is loaded from outside the file. The look is in `modele/`, a template on nbconvert's `basic`.
"""

from __future__ import annotations

import dataclasses
import html
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote
from xml.etree import ElementTree

from commun import UserError
from commun.datasets import atomic_file
from commun.figures import duration

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from nbformat import NotebookNode

TEMPLATE = Path(__file__).parent / "modele"
ERROR_MARKER = "papermill-error-cell-tag"
DISPLAY_PRIORITY = (
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/latex",
    "text/plain",
)
NO_ALT = "Figure sans description"

Status = Literal["réussi", "échec", "non exécuté"]
_CLASSES = {"réussi": "reussi", "échec": "echec", "non exécuté": "jamais"}
_MARKS = {"réussi": "✓", "échec": "✗", "non exécuté": "–"}


@dataclasses.dataclass(frozen=True)
class Failure:
    """The cell that stopped a run.

    Attributes:
        cell: position of the cell among the code cells, from 1.
        message: "ErrorType: message", on one line.
    """

    cell: int
    message: str

    @property
    def anchor(self) -> str:
        """Identifier of the cell in the report."""
        return f"cellule-{self.cell}"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the index.

    Attributes:
        project: heading under which it stands; entries of one project follow each other.
        title: title of the notebook.
        page: address of the report, relative to the index; "" where there is none.
        status: how the run ended.
        seconds: how long it took, None if unknown.
        error_anchor: identifier of the failing cell in the page.
        error: the error, on one line.
        profile: profile of the run.
        source: data that it used.
    """

    project: str
    title: str
    page: str
    status: Status
    seconds: float | None
    error_anchor: str = ""
    error: str = ""
    profile: str = ""
    source: str = ""


# --- Notebooks -------------------------------------------------------------------------------------------------------


def _read(notebook: Path) -> NotebookNode:
    """Reads a notebook, without the error banners of papermill, its code cells numbered from 1."""
    import nbformat

    try:
        node = nbformat.read(notebook, as_version=4)
    except FileNotFoundError as error:
        raise UserError(f"Le carnet {notebook} n'existe pas. Vérifiez son chemin.") from error
    except (ValueError, TypeError, AttributeError, KeyError, nbformat.ValidationError) as error:
        raise UserError(f"{notebook} n'est pas un carnet lisible. Exécutez-le de nouveau.") from error
    node.cells = [cell for cell in node.cells if ERROR_MARKER not in cell.metadata.get("tags", [])]
    for number, cell in enumerate((cell for cell in node.cells if cell.cell_type == "code"), start=1):
        cell.metadata["number"] = number
    return node


def _failure(node: NotebookNode) -> Failure | None:
    for cell in node.cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "error" and not (output.ename == "SystemExit" and output.evalue in ("", "0")):
                shown = output.evalue if output.ename == UserError.__name__ else f"{output.ename}: {output.evalue}"
                return Failure(cell.metadata.number, _one_line(shown.removesuffix(": ")))
        if cell.metadata.get("papermill", {}).get("exception"):  # the kernel died: no output says why
            return Failure(cell.metadata.number, "le noyau s'est arrêté sans message, souvent par manque de mémoire")
    return None


def failure_of(notebook: Path) -> Failure | None:
    """Returns the cell that stopped the run of a notebook, or None.

    Raises:
        UserError: the notebook can't be read.
    """
    return _failure(_read(notebook))


def title_of(notebook: Path) -> str:
    """Returns the text of the first H1 of a notebook, without its markup; the file's name if it has none.

    Raises:
        UserError: the notebook can't be read.
    """
    return _title(_read(notebook), notebook)


def _title(node: NotebookNode, notebook: Path) -> str:
    for cell in node.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            if found := re.search(r"^ {0,3}#[ \t]+(.+?)[ \t]*#*$", prose, flags=re.MULTILINE):
                return html.unescape(re.sub(r"\[(.*?)\]\(.*?\)|\*\*|(?<!\w)[*_]|[*_](?!\w)|`", r"\1", found[1])).strip()
    return notebook.stem


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


# --- Formulas --------------------------------------------------------------------------------------------------------

_ALIGNED = "aligned|alignedat|alignat|align|eqnarray|split|flalign"
_CENTRED = "gathered|gather|multline"
# Code points of A, a, 0, Α and α in the bold and bold-italic alphabets: browsers no longer read `mathvariant`.
_BOLD = {
    "bold": (0x1D400, 0x1D41A, 0x1D7CE, 0x1D6A8, 0x1D6C2),
    "bold-italic": (0x1D468, 0x1D482, 0x1D7CE, 0x1D71C, 0x1D736),
}
# What latex2mathml takes for letters: relations, which have space around them, and fences, which have none.
_RELATIONS = {"~": "∼", ":": ":", "±": "±", "⟂": "⟂", "⟹": "⟹", "⟺": "⟺"}
_FENCES = "⌊⌋⌈⌉⟨⟩¬"
_SIGNS, _CLOSING = set("-−+±"), set(")]}|‖⟩⌋⌉!")
_SCRIPTS = ("msub", "msup", "msubsup", "munder", "mover", "munderover")


class FormulaError(ValueError):
    """A formula that can't be converted to MathML."""


def mathml(latex: str, *, block: bool = False) -> str:
    r"""Converts a LaTeX formula, without its delimiters, to MathML.

    latex2mathml is completed where it falls short: the environments `aligned` and `gathered`, spaces around names of
    functions, some relations, bold letters, which browsers want as characters of their own, and formulas that it
    converts wrongly without saying so.

    Raises:
        FormulaError: the formula is malformed or uses a command that is not known.
    """
    from latex2mathml.converter import convert_to_element

    source = re.sub(r"\\label\{[^}]*\}|\\nonumber(?![A-Za-z])|\\notag(?![A-Za-z])", "", latex)
    source = re.sub(r"\\arg\s*\\(max|min)(?![A-Za-z])", r"\\arg\1", source)
    source = re.sub(r"\\(arg|sgn)(?![A-Za-z])", r"\\operatorname{\1}", source)
    source = re.sub(r"(\\[bB]igg?[lrm]?)\s*(?:\\\||\\[lr]?Vert(?![A-Za-z]))", r"\1‖", source)
    source = re.sub(r"(\\[bB]igg?[lrm]?)\s*\\(?:[lr]?vert|mid)(?![A-Za-z])", r"\1|", source)
    source = re.sub(rf"\\(begin|end)\{{(?:{_ALIGNED})\*?\}}(?:(?<=at\}})\{{\d+\}})?", r"\\\1{align*}", source)
    source = re.sub(rf"\\(begin|end)\{{(?:{_CENTRED})\*?\}}", r"\\\1{matrix}", source)
    source = re.sub(r"\\(begin|end)\{(?:equation|displaymath|math)\*?\}", "", source).strip()
    bare = re.sub(r"\\\\|\\[{}]", "", source)
    depths = list(itertools.accumulate({"{": 1, "}": -1}.get(character, 0) for character in bare))
    if not depths or depths[-1] or min(depths) < 0:
        raise FormulaError(f"unbalanced braces: {latex}")
    try:
        tree = convert_to_element(source, display="block" if block else "inline")
    except Exception as error:  # its exceptions have no common type but Exception, and some are IndexError
        raise FormulaError(f"{type(error).__name__}: {latex}") from error
    for element in tree.iter():
        text = (element.text or "").strip()
        if text.startswith("\\") or (text == "&" and element.tag == "mi"):
            raise FormulaError(f"unknown command {text}: {latex}")
        if element.tag in ("mfrac", "msub", "msup", "munder", "mover") and len(element) != 2:
            raise FormulaError(f"missing argument: {latex}")
    _polish(tree)
    return ElementTree.tostring(tree, encoding="unicode")


def _polish(tree: ElementTree.Element) -> None:
    for element in tree.iter():
        if element.text:  # latex2mathml writes symbols as "&#x3B8;"
            element.text = html.unescape(element.text)
    for element in tree.iter():
        text = element.text or ""
        if element.tag == "mi" and text in _RELATIONS:
            element.tag, element.text = "mo", _RELATIONS[text]
        if element.tag == "mi" and text and text in _FENCES:
            element.tag = "mo"
            element.attrib.update(stretchy="false", lspace="0", rspace="0")
        if element.tag == "mo" and text in ("|", "‖") and not {"stretchy", "minsize"} & set(element.attrib):
            element.set("stretchy", "false")
        if element.tag == "mo" and text == "…":
            element.tag = "mi"
        if element.get("width") == "negativethinmathspace":
            element.set("width", "-0.167em")
        if element.tag == "mtable" and element.get("columnspacing"):
            element.set("class", "aligne")
        if element.tag == "mrow" and len(element) == 1 and element[0].tag == "mo":
            element[0].attrib.update(lspace="0", rspace="0")  # in TeX, braces make an operator an ordinary symbol
        if element.tag in ("mi", "mn") and (variant := element.get("mathvariant")) in _BOLD:
            element.text = "".join(_bold(character, variant) for character in text)
            if element.text != text:
                del element.attrib["mathvariant"]
        if element.tag == "mo" and _is_function(element):
            element.tag = "mi"
        if element.tag == "mrow":
            _space(element)


def _space(row: ElementTree.Element) -> None:
    """Puts a thin space between a function's name and a letter, and none after a sign such as that of "exp(-x)"."""
    operators = ("mo", "mspace")
    for left, right in itertools.pairwise(list(row)):
        if left.tag == right.tag == "mo" and right.text in _SIGNS and left.text not in _CLOSING:
            right.set("form", "prefix")
        name_first = _is_function(left) and right.tag not in operators
        name_last = _is_function(right) and left.tag not in operators
        if name_first or name_last:
            row.insert(list(row).index(right), ElementTree.Element("mspace", width="0.167em"))


def _is_function(element: ElementTree.Element) -> bool:
    if element.tag in _SCRIPTS and len(element):
        return _is_function(element[0])
    text = element.text or ""
    return element.tag in ("mi", "mo") and len(text) > 1 and text.replace("\u2009", "").replace("\u2006", "").isalpha()


def _bold(character: str, variant: str) -> str:
    for first, last, start in zip("Aa0Αα", "Zz9Ωω", _BOLD[variant], strict=True):
        if first <= character <= last:
            return chr(start + ord(character) - ord(first))
    return character


def _formula(latex: str, *, block: bool) -> str:
    try:
        converted = mathml(latex, block=block)
    except FormulaError:
        code = f"<code>{html.escape(latex.strip())}</code>"
        return f'<div class="formule">{code}</div>' if block else code
    return f'<div class="formule">{converted}</div>' if block else f'<span class="maths">{converted}</span>'


# --- Figures ---------------------------------------------------------------------------------------------------------


def _alt_text(output: NotebookNode, kind: str) -> str:
    """Returns the alternative text of a picture: its metadata, else a text that describes it, else a filler."""
    metadata = output.get("metadata", {})
    if alt := metadata.get(kind, {}).get("alt") or metadata.get("alt"):
        return alt
    text = output.data.get("text/plain", "")
    return text if text and not re.match(r"<.*>$", text, flags=re.DOTALL) else NO_ALT


def _inline_svg(svg: str, prefix: str, alt: str) -> str:
    """Makes an SVG part of the page: no prolog, a title, and identifiers that no other figure of the page has."""
    svg = svg[svg.find("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid=["\'])', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(href=["\']#|url\(["\']?#)', rf"\g<1>{prefix}-", svg)
    if not re.search(r"^<svg[^>]*>\s*<title", svg):
        start, _, rest = svg.partition(">")
        role = "" if "role=" in start else ' role="img"'
        svg = f"{start}{role}><title>{html.escape(alt)}</title>{rest}"
    return svg


# --- The page --------------------------------------------------------------------------------------------------------


def _exporter() -> Any:
    """Returns an nbconvert exporter with our template, formulas as MathML and French alternative texts."""
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath
    from traitlets.config import Config

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return _formula(body, block=False)

        def block_math(self, body: str) -> str:
            return _formula(body, block=True)

        def latex_environment(self, name: str, body: str) -> str:
            return _formula(rf"\begin{{{name}}}{body}\end{{{name}}}", block=True)

        def paragraph(self, text: str) -> str:
            # A displayed formula is a block: it can't stay inside a paragraph.
            parts = re.split(r'(<div class="formule">.*?</div>)', text, flags=re.DOTALL)
            return "".join(p if p.startswith("<div") else f"<p>{p.strip()}</p>\n" for p in parts if p.strip())

        def image(self, text: str, url: str, title: str | None = None) -> str:
            try:
                return super().image(text, url, title)
            except InvalidNotebook:  # an attachment that is not in the cell
                return f'<img src="" alt="{html.escape(text)}">'

    class Exporter(HTMLExporter):
        def markdown2html(self, context: Any, source: str) -> str:
            renderer = Renderer(
                escape=False,
                attachments=context.get("cell", {}).get("attachments", {}),
                embed_images=True,
                path=context.get("resources", {}).get("metadata", {}).get("path", ""),
                exclude_anchor_links=True,
            )
            return MarkdownWithMath(renderer=renderer).render(source)

        markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg

    counter = itertools.count(1)
    return Exporter(
        config=Config({
            "NbConvertBase": {"display_data_priority": list(DISPLAY_PRIORITY)},
            "CoalesceStreamsPreprocessor": {"enabled": True},
        }),
        extra_template_basedirs=[str(TEMPLATE.parent)],
        template_name=TEMPLATE.name,
        filters={
            "alt_text": _alt_text,
            "inline_svg": lambda output: _inline_svg(
                output.data["image/svg+xml"], f"figure-{next(counter)}", _alt_text(output, "image/svg+xml")
            ),
        },
    )


def export_notebook(
    notebook: Path,
    target: Path,
    *,
    previous: tuple[str, str] | None = None,
    following: tuple[str, str] | None = None,
    index: str = "",
) -> None:
    """Writes an executed notebook as one self-contained HTML page.

    Args:
        notebook: the notebook, with its outputs.
        target: the page to write; it appears complete or not at all.
        previous: address and title of the report before this one.
        following: address and title of the report after this one.
        index: address of the index of the reports.

    Raises:
        UserError: the notebook can't be read, or the page can't be written.
    """
    from bs4 import BeautifulSoup

    node = _read(notebook)
    failure = _failure(node)
    code_cells = [cell for cell in node.cells if cell.cell_type == "code"]
    for cell in code_cells:
        cell.metadata["failed"] = failure is not None and cell.metadata.number == failure.cell
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = re.sub(r"[^\n]\x08", "", output.text).replace("\x08", "")
    page = {
        "title": _title(node, notebook),
        "css": (TEMPLATE / "rapport.css").read_text(encoding="utf-8"),
        "script": (TEMPLATE / "rapport.js").read_text(encoding="utf-8"),
        "has_code": any(cell.source.strip() for cell in code_cells),
        "failure": failure,
        "previous": previous and (_href(previous[0]), previous[1]),
        "following": following and (_href(following[0]), following[1]),
        "index": _href(index),
    }
    body, _ = _exporter().from_notebook_node(node, {"page": page, "metadata": {"path": str(notebook.resolve().parent)}})
    soup = BeautifulSoup(body, features="html.parser")
    _refuse_remote(soup)
    _space_punctuation(soup)
    for source in soup.select(".html > details > .highlight"):
        _highlight(source)
    for table in soup.select("main table"):
        _dress_table(soup, table)
    _fill_contents(soup)
    with atomic_file(target) as temporary:
        temporary.write_text(str(soup), encoding="utf-8", newline="\n")


def _href(address: str) -> str:
    """Returns a relative address with its spaces and accents quoted."""
    return quote(address.replace("\\", "/"), safe="/#%?=&:.-_~")


def _refuse_remote(soup: BeautifulSoup) -> None:
    """Replaces whatever the page would load from outside itself: a report must be whole without a network."""
    for element in soup.select("script[src], link, base, iframe, object, embed, meta[http-equiv=refresh]"):
        if not (element.get("src") or element.get("data") or "").startswith("data:"):
            element.decompose()
    for element in soup.find_all(["img", "video", "audio", "source", "track", "image", "feimage"]):
        del element["srcset"]
        for attribute in ("src", "href", "xlink:href", "poster"):
            address = element.get(attribute)
            if address is None or address.startswith("data:") or (attribute.endswith("href") and address[:1] == "#"):
                continue
            if element.name != "img":
                del element[attribute]
                continue
            note = soup.new_tag("span", attrs={"class": "absente"})
            note.string = f"Image non incluse : {element.get('alt') or address}"
            element.replace_with(note)
            break
    for element in soup.select("img[alt^='No description has been provided']"):  # nbconvert's own filler
        element["alt"] = NO_ALT
    for style in soup.find_all("style"):
        if style.string:
            style.string = _local_css(style.string)
    for element in soup.select("[style]"):
        element["style"] = _local_css(element["style"])


def _local_css(css: str) -> str:
    css = re.sub(r"@import[^;]*;?", "", css)
    return re.sub(r"url\(\s*(['\"]?)(?!data:|#)[^)]*\)", "none", css)


def _space_punctuation(soup: BeautifulSoup) -> None:
    """Makes the spaces before French double punctuation and inside quotation marks unbreakable, in the text."""
    for string in soup.select_one("main").find_all(string=re.compile("[:;!?»«]")):
        if string.find_parent(["pre", "code", "script", "style", "math", "svg"]) is None:
            string.replace_with(re.sub(r"(?<=\S) (?=[:;!?»](?:\W|$))|(?<=«) ", "\u00a0", string))


def _highlight(block: Tag) -> None:
    """Colours a source shown by `commun.figures.code` with the classes of the page, readable in the dark too."""
    from bs4 import BeautifulSoup
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    coloured = highlight(block.get_text(), PythonLexer(stripnl=False), HtmlFormatter())
    block.replace_with(BeautifulSoup(coloured, features="html.parser"))


def _dress_table(soup: BeautifulSoup, table: Tag) -> None:
    """Puts a table in a box that scrolls, and aligns its columns of numbers to the right.

    Of what pandas adds to a frame shown by its name, the style, which would leak on the other tables, is dropped, and
    the size is translated.
    """
    for style in table.find_previous_siblings("style", attrs={"scoped": True}):
        style.decompose()
    for size in table.find_next_siblings("p"):
        size.string = re.sub(r"^(\d+) rows × (\d+) columns$", r"\1 lignes × \2 colonnes", size.get_text())
    number = re.compile(r"[-−+]?[\d\s\u202f\u00a0]*\d([.,]\d+)?([eE][-+]?\d+)?\s*(%|s|ms|min|h|[kMG]?o)?|[-–—]|NaN|")
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.select("tbody > tr")]
    spans = table.select("[colspan]:not([colspan='1']), [rowspan]:not([rowspan='1'])")
    if rows and not spans:
        heads = [row.find_all(["td", "th"], recursive=False) for row in table.select("thead > tr")]
        for column in zip(*(row for row in rows if len(row) == len(rows[0])), strict=True):
            texts = [cell.get_text().strip() for cell in column]
            if column[0].name == "td" and any(texts) and all(number.fullmatch(text) for text in texts):
                position = rows[0].index(column[0])
                above = [head[position] for head in heads if len(head) == len(rows[0])]
                for cell in (*column, *above):
                    cell["class"] = [*cell.get("class", []), "nombre"]
    heads = table.select("tbody th")
    if all(len(head.get_text()) <= 24 for head in heads):
        for head in heads:
            head["class"] = [*head.get("class", []), "court"]
    del table["border"]
    for row in table.select("thead tr[style]"):  # pandas aligns headers here
        del row["style"]
    columns = max(map(len, rows), default=0)
    classes = ["defile"] + ["entiere"] * (len(rows) <= 20) + ["ample"] * (columns > 7) + ["serree"] * (columns > 10)
    box = table.wrap(soup.new_tag("div", attrs={"class": " ".join(classes)}))
    if table.caption:
        box.attrs.update({"role": "region", "aria-label": table.caption.get_text().strip()})


def _fill_contents(soup: BeautifulSoup) -> None:
    """Gives each heading of the text an identifier, and lists H2 and H3 in the table of contents."""
    from bs4 import BeautifulSoup

    taken = {element["id"] for element in soup.select("[id]")}
    entries: list[Tag] = []
    for heading in soup.select(".texte :is(h1, h2, h3, h4, h5, h6)"):
        name = base = heading.get("id") or re.sub(r"\s+", "-", heading.get_text().strip()) or "section"
        for suffix in itertools.count(2):
            if name not in taken or heading.get("id") == name:
                break
            name = f"{base}-{suffix}"
        heading["id"] = name
        taken.add(name)
        if heading.name in ("h2", "h3"):
            entries.append(heading)
    place = soup.select_one("nav.sommaire")
    if len(entries) < 2:
        place.decompose()
        return
    soup.select_one(".page")["class"] = ["page", "a-sommaire"]
    lines, depth = [], 0
    for heading in entries:
        level = 1 if heading.name == "h2" or depth == 0 else 2
        lines.append("<ol>" if level > depth else "</li></ol></li>" if level < depth else "</li>")
        depth = level
        label = re.sub(r"</?a\b[^>]*>", "", heading.decode_contents())
        lines.append(f'<li><a href="#{quote(heading["id"])}">{label}</a>')
    lines.append("</li></ol>" * depth)
    text = f"<details open><summary>Sommaire</summary>{''.join(lines)}</details>"
    place.append(BeautifulSoup(text, features="html.parser"))


# --- The index -------------------------------------------------------------------------------------------------------


def export_index(entries: Iterable[Entry], target: Path, *, title: str = "Rapports") -> None:
    """Writes the page that lists the reports, by project, in the order given.

    Args:
        entries: the reports.
        target: the page to write; it appears complete or not at all.
        title: its title.

    Raises:
        UserError: the page can't be written.
    """
    import jinja2

    entries = list(entries)
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.project, []).append(entry)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATE, encoding="utf-8"), autoescape=False)
    environment.filters.update(href=lambda address: html.escape(_href(address)), details=_details)
    page = environment.get_template("rapports.html.j2").render(
        title=title,
        css=(TEMPLATE / "rapport.css").read_text(encoding="utf-8"),
        summary=_summary(entries),
        groups=list(groups.items()),
        classes=_CLASSES,
        marks=_MARKS,
    )
    with atomic_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _details(entry: Entry) -> list[str]:
    return [
        *([duration(entry.seconds)] if entry.seconds is not None else []),
        *([f"profil {entry.profile}"] if entry.profile else []),
        *([entry.source] if entry.source else []),
    ]


def _summary(entries: Sequence[Entry]) -> str:
    counts = {status: sum(entry.status == status for entry in entries) for status in _CLASSES}
    words = {
        "réussi": ("réussi", "réussis"),
        "échec": ("en échec", "en échec"),
        "non exécuté": ("non exécuté", "non exécutés"),
    }
    parts = [f"{count} {words[status][count > 1]}" for status, count in counts.items() if count]
    total = sum(entry.seconds or 0 for entry in entries)
    took = f", en {duration(total)}" if total else ""
    return f"{len(entries)} carnet{'s' * (len(entries) > 1)} : {', '.join(parts) or 'rien encore'}{took}."
