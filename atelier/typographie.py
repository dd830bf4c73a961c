"""French typography of the reports: spaces that never break."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

NBSP = "\u00a0"
# Before double punctuation and signs that follow a number, and inside quotation marks.
_BEFORE = re.compile(r"(?<!\s)[ \n](?=[:;!?»%‰€](?:[^\w/]|$))")
_AFTER = re.compile(r"(?<=«)[ \n]")
# "[0,1 ; 0,2]", "]0 ; 1[": the whole interval stays on one line.
_INTERVAL = re.compile(r"[\[\](][^\[\]()\n;]{1,24}[ \u00a0];[ \u00a0][^\[\]()\n;]{1,24}[\[\])]")
_VERBATIM = ["pre", "code", "script", "style", "math", "svg", "textarea", "title"]


def bind(soup: BeautifulSoup) -> None:
    """Makes the spaces before French double punctuation, inside quotation marks and in intervals unbreakable."""
    for string in soup.find_all(string=re.compile("[:;!?»«%‰€]")):
        if string.find_parent(_VERBATIM) is None:
            bound = _AFTER.sub(NBSP, _BEFORE.sub(NBSP, string))
            bound = _INTERVAL.sub(lambda match: match[0].replace(" ", NBSP), bound)
            if bound != string:
                string.replace_with(bound)
