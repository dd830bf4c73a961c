"""Turns executed notebooks into self-contained HTML reports.

A report is one file that opens without a network: formulas are converted to MathML (`formules.py`), pictures and style
are inlined, and nothing is loaded from outside the file. At its head, it says what the check of the notebook finds
(`bilan.py`). The look is in `modele/`, on nbconvert's template `basic`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atelier import explorateurs, fragments, gabarits, sommaire, sorties, tableaux, terminal, texte, typographie
from atelier.bilan import Bilan, bilan, put_cards
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

TEMPLATE = gabarits.MODELE
ROLES = ("question", "solution", "reponse", "verification")  # tags that the style knows
RECAP = "Ce qu'il faut retenir"
ERROR_MARKER = "papermill-error-cell-tag"
MAX_ERROR = 300  # characters of an error told on one line

_KEPT = ("cell_type", "source", "metadata", "outputs", "execution_count", "attachments")


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
    from nbconvert.filters import Highlight2HTML

    node = _read(notebook)
    failure = _failure(node)
    code_cells = [cell for cell in node.cells if cell.cell_type == "code"]
    for cell in code_cells:
        cell.metadata["failed"] = failure is not None and cell.metadata.number == failure.cell
    found = bilan(notebook, failed=failure is not None)
    put_cards(node.cells, found)
    places = sorties.Places()
    sorties.prepare(node, places)
    explored = explorateurs.kinds(code_cells)
    title = _title(node, notebook)
    page = {
        "title": title,
        "css": gabarits.css(" – ".join(filter(None, (title, found.card.author)))) + explorateurs.style(explored),
        "entete": gabarits.render("entete.html.j2", bilan=found, facts=_facts(found)),
        "script": (TEMPLATE / "rapport.js").read_text(encoding="utf-8") + explorateurs.script(explored),
        "has_code": any(cell.source.strip() for cell in code_cells),
        "failure": failure,
        "warning": found.card.warning,
        "previous": previous and (gabarits.href(previous[0]), previous[1]),
        "following": following and (gabarits.href(following[0]), following[1]),
        "index": gabarits.href(index),
    }
    colour = Highlight2HTML(pygments_lexer=node.metadata.language_info.pygments_lexer)
    resources = {
        "page": page,
        "writer": texte.Writer(),
        "highlight": lambda source, metadata: places.keep(colour(source, metadata=metadata).strip()),
        "metadata": {"path": str(notebook.resolve().parent)},
    }
    body, _ = _exporter().from_notebook_node(node, resources)
    soup = BeautifulSoup(body, features="html.parser")
    _refuse_remote(soup)
    typographie.bind(soup.select_one("main"))
    for source in soup.select(".html > details > .highlight"):
        _highlight(source, places)
    for table in soup.select("main table"):
        tableaux.dress(soup, table)
    sommaire.fill(soup)
    _put_head(soup)
    _recall(soup, found)
    with atomic_file(target) as temporary:
        temporary.write_text(places.restore(str(soup)), encoding="utf-8", newline="\n")


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


def _facts(found: Bilan) -> list[tuple[str, str]]:
    """Returns what the head of a page tells after the verdict and the results: name, text."""
    lasted = f"en {duration(found.card.seconds)}" if found.card.seconds is not None else ""
    facts = [
        ("Réponses aux questions", found.answers),
        ("Données", found.card.data),
        ("Profil", found.card.profile),
        ("Date et durée", ", ".join(filter(None, (found.day, lasted)))),
    ]
    return [(name, text) for name, text in facts if text]


def _put_head(soup: BeautifulSoup) -> None:
    """Puts the title of the notebook above the head of the page, where the notebook opens with it.

    The head stays a child of `main`, which nothing of a notebook can be: what it says can't be imitated.
    """
    head = soup.select_one("main > .bilan")
    first = head.find_next_sibling()
    title = first.find(True) if first is not None and "texte" in first.get("class", []) else None
    if title is not None and title.name == "h1":
        head.insert_before(title.extract())


def _recall(soup: BeautifulSoup, found: Bilan) -> None:
    """Says in the recap too that the data is synthetic: who reads only the end must know."""
    if not found.synthetic:
        return
    for heading in soup.select("main .texte > h2"):
        if heading.get_text().replace("\u2019", "'").strip().startswith(RECAP):
            note = soup.new_tag("p", attrs={"class": "synthetique"})
            mark = soup.new_tag("strong")
            mark.string = "Données synthétiques."
            note.extend([mark, f" {found.synthetic}"])
            heading.insert_after(note)


@functools.cache
def _exporter() -> Any:
    """Returns an nbconvert exporter with our template, formulas as MathML and French alternative texts."""
    from jinja2 import pass_context
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.exporters.templateexporter import TemplateExporter
    from traitlets.config import Config

    @pass_context
    def highlight_code(context: Any, source: str, metadata: Any) -> str:
        return context["resources"]["highlight"](source, metadata)

    class Exporter(HTMLExporter):
        def from_notebook_node(self, *arguments: Any, **named: Any) -> tuple[str, dict]:
            return TemplateExporter.from_notebook_node(self, *arguments, **named)  # its own reads the page once more

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
            "role": lambda cell: "".join(f" celltag_{tag}" for tag in ROLES if tag in cell.metadata.get("tags", [])),
            "ansi2html": terminal.to_html,
            "highlight_code": highlight_code,
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
    for element in soup.select("main .texte :is([style], dialog)"):  # a text stays in its place: it covers no other
        if element.name == "dialog" or fragments.MOVES.search(element["style"]):
            box = element.find_parent(class_="texte")
            box["class"] = [*box["class"], "confine"]


def _local_css(css: str) -> str:
    css = re.sub(r"@import[^;]*;?", "", css)
    return re.sub(r"url\(\s*(['\"]?)(?!data:|#)[^)]*\)", "none", css)


def _highlight(block: Tag, places: sorties.Places) -> None:
    """Colours a source shown by `commun.figures.code` with the classes of the page, readable in the dark too."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    block.replace_with(places.keep(highlight(block.get_text(), PythonLexer(stripnl=False), HtmlFormatter())))
