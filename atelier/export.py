"""Turns executed notebooks into self-contained HTML reports, and writes their index.

A report is one file that opens without a network: formulas are converted to MathML (`formules.py`), pictures and style
are inlined, and nothing is loaded from outside the file. The look is in `modele/`, on nbconvert's template `basic`.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from atelier import fragments, sommaire, sorties, tableaux, terminal, texte, typographie, verification
from atelier.formules import FormulaError as FormulaError
from atelier.formules import mathml as mathml
from atelier.texte import NO_ALT as NO_ALT
from commun import UserError
from commun.datasets import atomic_file
from commun.figures import duration
from commun.notebook import failures, read_notebook, tags

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from nbformat import NotebookNode

TEMPLATE = Path(__file__).parent / "modele"
ERROR_MARKER = "papermill-error-cell-tag"
MAX_ERROR = 300  # characters of an error told on one line

Status = Literal["réussi", "échec", "non exécuté"]
_KEPT = ("cell_type", "source", "metadata", "outputs", "execution_count", "attachments")
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
class ReportLine:
    """A line of the index: a report, or a notebook that has none.

    Attributes:
        project: heading under which it stands; lines of one project follow each other.
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
    card = verification.card_of(node)  # before its output is reduced to what a page shows
    texts = sorties.prepare(node)
    page = {
        "title": _title(node, notebook),
        "css": _css(),
        "script": (TEMPLATE / "rapport.js").read_text(encoding="utf-8"),
        "has_code": any(cell.source.strip() for cell in code_cells),
        "failure": failure,
        "warning": (card or {}).get("avertissement"),
        "previous": previous and (_href(previous[0]), previous[1]),
        "following": following and (_href(following[0]), following[1]),
        "index": _href(index),
    }
    resources = {"page": page, "writer": texte.Writer(), "metadata": {"path": str(notebook.resolve().parent)}}
    body, _ = _exporter().from_notebook_node(node, resources)
    soup = BeautifulSoup(body, features="html.parser")
    _refuse_remote(soup)
    typographie.bind(soup.select_one("main"))
    for source in soup.select(".html > details > .highlight"):
        _highlight(source)
    for table in soup.select("main table"):
        tableaux.dress(soup, table)
    sommaire.fill(soup)
    with atomic_file(target) as temporary:
        temporary.write_text(sorties.put_texts(str(soup), texts), encoding="utf-8", newline="\n")


def export_index(lines: Sequence[ReportLine], target: Path) -> None:
    """Writes the page that lists the reports, by project, in the order given.

    Args:
        lines: the reports.
        target: the page to write; it appears complete or not at all.

    Raises:
        UserError: the page can't be written.
    """
    import jinja2

    groups: dict[str, list[ReportLine]] = {}
    for line in lines:
        groups.setdefault(line.project, []).append(line)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATE, encoding="utf-8"), autoescape=False)
    environment.filters.update(href=lambda address: html.escape(_href(address)), details=_details)
    page = environment.get_template("rapports.html.j2").render(
        css=_css(),
        summary=_summary(lines),
        groups=list(groups.items()),
        classes=_CLASSES,
        marks=_MARKS,
    )
    with atomic_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


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


# --- Notebooks --------------------------------------------------------------------------------------------------------


def _read(notebook: Path) -> NotebookNode:
    """Reads a notebook, without the error banners of papermill, its code cells numbered from 1."""
    from nbformat import from_dict

    notebook = read_notebook(notebook)
    cells = [{name: cell[name] for name in _KEPT if name in cell} for cell in notebook["cells"]]
    for cell in cells:
        cell["metadata"] = {name: cell["metadata"][name] for name in ("tags", "papermill") if name in cell["metadata"]}
    metadata = {name: notebook["metadata"][name] for name in ("widgets",) if name in notebook["metadata"]}
    language = notebook["metadata"].get("language_info", {})
    names = {name: language.get(name) for name in ("name", "pygments_lexer")}
    metadata["language_info"] = {name: text if isinstance(text, str) else "python" for name, text in names.items()}
    node = from_dict({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": cells})
    node.cells = [cell for cell in node.cells if ERROR_MARKER not in tags(cell)]
    for number, cell in enumerate((cell for cell in node.cells if cell.cell_type == "code"), start=1):
        cell.metadata["number"] = number
    return node


def _failure(node: NotebookNode) -> Failure | None:
    for cell in node.cells:
        if cell.cell_type != "code":
            continue
        for output in failures(cell):
            text = output.evalue if output.ename == UserError.__name__ else f"{output.ename}: {output.evalue}"
            return Failure(cell.metadata.number, _one_line(text.removesuffix(": ")))
        papermill = cell.metadata.get("papermill")
        if isinstance(papermill, dict) and papermill.get("exception"):  # the kernel died: no output says why
            return Failure(cell.metadata.number, "le noyau s'est arrêté sans message, souvent par manque de mémoire")
    return None


def _title(node: NotebookNode, notebook: Path) -> str:
    cells = (cell for cell in node.cells if cell.cell_type == "markdown")
    return next(filter(None, (texte.title(cell.source) for cell in cells)), notebook.stem)


def _one_line(text: str) -> str:
    line = " ".join(re.sub(r"\x1b\[[\d;]*m", "", terminal.clean(text)).split())
    return line if len(line) <= MAX_ERROR else line[: MAX_ERROR - 1].rstrip() + "…"


# --- The page ---------------------------------------------------------------------------------------------------------


def _css() -> str:
    return "\n".join((TEMPLATE / name).read_text(encoding="utf-8") for name in ("rapport.css", "formules.css"))


@functools.cache
def _exporter() -> Any:
    """Returns an nbconvert exporter with our template, formulas as MathML and French alternative texts."""
    from nbconvert.exporters.html import HTMLExporter
    from traitlets.config import Config

    class Exporter(HTMLExporter):
        def markdown2html(self, context: Any, source: str) -> str:
            resources = context["resources"]
            return resources["writer"].render(
                source, resources["metadata"]["path"], context.get("cell", {}).get("attachments", {})
            )

        markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg

    return Exporter(
        config=Config({
            "NbConvertBase": {"display_data_priority": list(sorties.DISPLAY_PRIORITY)},
            "Exporter": {"optimistic_validation": True},  # once, not after each preprocessor
        }),
        extra_template_basedirs=[str(TEMPLATE.parent)],
        template_name=TEMPLATE.name,
        filters={
            "alt_text": sorties.alt_text,
            "picture_size": sorties.size,
            "inline_svg": sorties.inline_svg,
            "closed": sorties.closed,
            "ansi2html": terminal.to_html,
        },
    )


def _refuse_remote(soup: BeautifulSoup) -> None:
    """Replaces whatever the page would load from outside itself: a report must be whole without a network."""
    fragments.replace_players(soup)
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
    for style in soup.find_all("style"):
        if style.string:
            style.string = _local_css(style.string)
    for element in soup.select("[style]"):
        element["style"] = _local_css(element["style"])


def _local_css(css: str) -> str:
    css = re.sub(r"@import[^;]*;?", "", css)
    return re.sub(r"url\(\s*(['\"]?)(?!data:|#)[^)]*\)", "none", css)


def _highlight(block: Tag) -> None:
    """Colours a source shown by `commun.figures.code` with the classes of the page, readable in the dark too."""
    from bs4 import BeautifulSoup
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    source = highlight(block.get_text(), PythonLexer(stripnl=False), HtmlFormatter())
    block.replace_with(BeautifulSoup(source, features="html.parser"))


# --- The index --------------------------------------------------------------------------------------------------------


def _href(address: str) -> str:
    """Returns a relative address with its spaces and accents quoted."""
    return quote(address.replace("\\", "/"), safe="/#%?=&:.-_~")


def _details(line: ReportLine) -> list[str]:
    return [
        *([duration(line.seconds)] if line.seconds is not None else []),
        *([f"profil {line.profile}"] if line.profile else []),
        *([line.source] if line.source else []),
    ]


def _summary(lines: Sequence[ReportLine]) -> str:
    counts = {status: sum(line.status == status for line in lines) for status in _CLASSES}
    words = {
        "réussi": ("réussi", "réussis"),
        "échec": ("en échec", "en échec"),
        "non exécuté": ("non exécuté", "non exécutés"),
    }
    parts = [f"{count} {words[status][count > 1]}" for status, count in counts.items() if count]
    total = sum(line.seconds or 0 for line in lines)
    time = f", en {duration(total)}" if total else ""
    return f"{len(lines)} carnet{'s' * (len(lines) > 1)} : {', '.join(parts) or 'rien encore'}{time}."
