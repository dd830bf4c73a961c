"""The headings of a report: identifiers, table of contents, and the links that lead to them."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag


def fill(soup: BeautifulSoup) -> None:
    """Gives each heading of the text an identifier of its own, and lists H2 and H3 in the table of contents."""
    from bs4 import BeautifulSoup

    headings = _identified(soup)
    _lead(soup)
    place = soup.select_one("nav.sommaire")
    listed = [heading for heading in headings if heading.name in ("h2", "h3")]
    if len(listed) < 2:
        place.decompose()
        return
    soup.select_one(".page")["class"] = ["page", "a-sommaire"]
    lines, depth = [], 0
    for heading in listed:
        level = 1 if heading.name == "h2" or depth == 0 else 2
        lines.append("<ol>" if level > depth else "</li></ol></li>" if level < depth else "</li>")
        depth = level
        label = BeautifulSoup(heading.decode_contents(), features="html.parser")
        for call in label.select(".footnote-ref"):
            call.decompose()
        for link in label.find_all("a"):  # no link in a link
            link.unwrap()
        for element in label.select("[id]"):
            del element["id"]
        lines.append(f'<li><a href="#{quote(heading["id"])}">{label}</a>')
    lines.append("</li></ol>" * depth)
    text = f"<details open><summary>Sommaire</summary>{''.join(lines)}</details>"
    place.append(BeautifulSoup(text, features="html.parser"))


def _identified(soup: BeautifulSoup) -> list[Tag]:
    """Returns the headings of the text; the second of two with the same identifier takes a number."""
    identifiers = {element["id"] for element in soup.select("[id]") if not _is_heading(element)}
    headings = []
    for heading in soup.select(".texte :is(h1, h2, h3, h4, h5, h6)"):
        base = heading.get("id") or re.sub(r"\s+", "-", heading.get_text().strip()) or "section"
        numbered = (f"{base}-{suffix}" for suffix in itertools.count(2))
        name = next(name for name in itertools.chain([base], numbered) if name not in identifiers)
        heading["id"] = name
        identifiers.add(name)
        headings.append(heading)
    return headings


def _is_heading(element: Tag) -> bool:
    return re.fullmatch("h[1-6]", element.name) is not None and element.find_parent(class_="texte") is not None


def _lead(soup: BeautifulSoup) -> None:
    """Leads the links written for VS Code, Colab or GitHub, which make other identifiers, to the same headings."""
    identifiers = {element["id"] for element in soup.select("[id]")}
    keys = {_key(name): name for name in reversed([element["id"] for element in soup.select("main [id]")])}
    for link in soup.select("main a[href^='#']"):
        target = unquote(link["href"][1:])
        if target and target not in identifiers and (name := keys.get(_key(target))):
            link["href"] = f"#{quote(name)}"


def _key(name: str) -> str:
    """Returns the letters and digits of an identifier, without capitals nor accents."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", name).casefold())
