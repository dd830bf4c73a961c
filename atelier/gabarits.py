"""The templates and the style that the reports and their index share (`modele/`)."""

from __future__ import annotations

import functools
import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from markupsafe import Markup

MODELE = Path(__file__).parent / "modele"
_STYLES = ("rapport.css", "bilan.css", "formules.css")
_BREAKS = re.compile(r"(?<!\s)[ \n](?=[:;!?»%](?:\W|$))|(?<=«)[ \n]")  # spaces that must not end a line


def render(template: str, **values: Any) -> str:
    """Returns a page, or a part of one: our own template, which escapes whatever it is given."""
    return _environment().get_template(template).render(**values)


def css(running: str = "") -> str:
    """Returns the style sheet of the pages.

    Args:
        running: text at the top of each printed page but the first.
    """
    sheets = [(MODELE / name).read_text(encoding="utf-8") for name in _STYLES]
    if running:
        sheets.append(f"@page {{ @top-left {{ content: {css_text(running)}; }} }}")
        sheets.append("@page :first { @top-left { content: none; } }")
    return "\n".join(sheets)


def css_text(text: str) -> str:
    """Returns a text as CSS writes it, without a character that could end it, or the style sheet."""
    return '"' + "".join(c if c.isalnum() or c in " .,:;!?()-'’«»" else f"\\{ord(c):x} " for c in text) + '"'


def href(address: str) -> str:
    """Returns a relative address with its spaces and accents quoted."""
    return quote(address.replace("\\", "/"), safe="/#%?=&:.-_~")


def french(text: str) -> Markup:
    """Returns a text for a page: escaped, its spaces before French punctuation unbreakable."""
    from markupsafe import Markup

    return Markup(_BREAKS.sub("\u00a0", html.escape(text)))


@functools.cache
def _environment() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(MODELE, encoding="utf-8")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(href=href, fr=french)
    return environment
