"""Tables of the reports: in a box that scrolls, their numbers to the right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_NUMBER = re.compile(r"[-−+]?[\d\s\u202f\u00a0]*\d([.,]\d+)?([eE][-+]?\d+)?\s*(%|s|ms|min|h|[kMG]?o)?|[-–—]|NaN|")

_INSIDE = re.compile(r"(?<=\w_)(?=\w)|(?<=[^\W\d]/)(?=\w)")  # of a name or a path, not of 1/2
_LONG = 40  # characters: a text which, in a narrow column, takes a word a line
_SIZE = re.compile(r"(\d+) rows × (\d+) columns")


def dress(soup: BeautifulSoup, table: Tag) -> None:
    """Puts a table in a box that scrolls, and aligns its columns of numbers to the right.

    Of what pandas adds to a frame shown by its name, the style, which would leak on the other tables, is dropped, and
    the size is translated.
    """
    for style in table.find_previous_siblings("style", attrs={"scoped": True}):
        style.decompose()
    size = table.find_next_sibling()
    if size is not None and size.name == "p" and (counts := _SIZE.fullmatch(size.get_text().strip())):
        size.string = f"{counts[1]} lignes × {counts[2]} colonnes"
    rows = [row.find_all(["td", "th"], recursive=False) for row in table.select("tbody > tr")]
    _align_numbers(table, rows)
    heads = table.select("tbody th")
    if all(len(head.get_text()) <= 24 for head in heads):
        for head in heads:
            head["class"] = [*head.get("class", []), "court"]
    for head in table.select("thead th"):  # a corner is the header of nothing
        if not head.get_text().strip() and head.find(True) is None:
            head.name = "td"
    del table["border"]
    for row in table.select("thead tr[style]"):  # pandas aligns headers here
        del row["style"]
    for text in table.find_all(string=_INSIDE):  # it is cut there, rather than anywhere
        parts = _INSIDE.split(text)
        text.replace_with(*(piece for part in parts[:-1] for piece in (part, soup.new_tag("wbr"))), parts[-1])
    columns = max(map(len, rows), default=0)
    long = [cell for row in rows for cell in row if len(cell.get_text()) > _LONG and columns > 2]
    for cell in long:
        cell["class"] = [*cell.get("class", []), "long"]
    wide = columns > 7 or (columns > 5 and bool(long))
    classes = ["defile"] + ["entiere"] * (len(rows) <= 20) + ["ample"] * wide + ["serree"] * (columns > 10)
    box = table.wrap(soup.new_tag("div", attrs={"class": " ".join(classes)}))
    if columns == 2 and table.thead is None:  # names and values
        box["class"] = [*box["class"], "fiche"]
    if table.caption:
        text = soup.new_tag("span")
        text.extend(list(table.caption.contents))
        table.caption.append(text)
        box.attrs.update({"role": "region", "aria-label": table.caption.get_text().strip()})


def _align_numbers(table: Tag, rows: list[list[Tag]]) -> None:
    """Marks the columns that hold only numbers, their headers included, unless cells are merged."""
    if not rows or table.select("[colspan]:not([colspan='1']), [rowspan]:not([rowspan='1'])"):
        return
    width = len(rows[0])
    heads = [row.find_all(["td", "th"], recursive=False) for row in table.select("thead > tr")]
    above = [head for head in heads if len(head) == width]
    for position, column in enumerate(zip(*(row for row in rows if len(row) == width), strict=True)):
        texts = [cell.get_text().strip() for cell in column]
        if column[0].name == "td" and any(texts) and all(_NUMBER.fullmatch(text) for text in texts):
            for cell in (*column, *(head[position] for head in above)):
                cell["class"] = [*cell.get("class", []), "nombre"]
