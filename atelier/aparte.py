"""What is set aside while Markdown is read: formulas, and code that holds a bar, which would cut a table."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Literal

MAX_GLUED = 24  # characters beside a formula that stay on its line
# What follows the dollar of a number or of a shell variable, not the one that ends a formula.
_VARIABLE = re.compile(r"[\dA-ZÀ-Þ]|[_{]\w")

Kind = Literal["inline", "block", "code"]


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece of the source: its kind, what is between its delimiters, and the whole of it."""

    kind: Kind
    body: str
    source: str


@dataclasses.dataclass(frozen=True)
class Text:
    """A text with its pieces set aside.

    Attributes:
        markdown: the text, a placeholder in place of each piece.
        pieces: what was set aside, in order.
        placeholder: pattern of a placeholder, its only group the number of the piece.
    """

    markdown: str
    pieces: list[Piece]
    placeholder: re.Pattern[str]

    def restored(self, text: str) -> str:
        """Returns a text, not HTML, with the source of the pieces in place of their placeholders."""
        return self.placeholder.sub(lambda match: self.pieces[int(match[1])].source, text)

    def replaced(self, page: str, write: Callable[[Piece], str]) -> str:
        """Returns HTML with each placeholder replaced; what touches a formula stays on its line."""

        def word(match: re.Match[str]) -> str:
            found = [self.pieces[int(number)] for number in self.placeholder.findall(match[0])]
            written = self.placeholder.sub(lambda mark: write(self.pieces[int(mark[1])]), match[0])
            beside = len(self.placeholder.sub("", match[0]))
            glued = found and 0 < beside <= MAX_GLUED and all(piece.kind == "inline" for piece in found)
            return f'<span class="insecable">{written}</span>' if glued else written

        parts = re.split("(<[^>]*>)", page)  # texts and tags in turn
        for position in range(0, len(parts), 2):
            if self.placeholder.search(parts[position]):
                parts[position] = re.sub(r"(?:«\u00a0)?\S+(?:\u00a0[:;!?»%](?!\w))*", word, parts[position])
        return "".join(parts)


def set_aside(source: str) -> Text:
    """Sets aside the formulas of a Markdown text, and its code that holds a bar."""
    nonce = "aparte"
    while nonce in source:
        nonce += "x"
    pieces: list[Piece] = []
    kept: list[str] = []
    start = 0
    while match := _tokens().search(source, start):
        piece = _piece(match)
        lone = piece is None and source[match.start()] == "$"  # its end may be where a formula starts
        end = match.start() + 1 if lone else match.end()
        kept.append(source[start : match.start()])
        kept.append(source[match.start() : end] if piece is None else f"${nonce}{len(pieces)}$")
        pieces += [] if piece is None else [piece]
        start = end
    placeholder = re.compile(rf"(?:\$|%24){nonce}(\d+)(?:\$|%24)")
    return Text("".join([*kept, source[start:]]), pieces, placeholder)


@functools.cache
def _tokens() -> re.Pattern[str]:
    """Returns the pattern of what Markdown reads before anything else, and of formulas."""
    from markdown_it.common.html_re import HTML_TAG_RE

    inside = r"(?:\\[^\n]|[^\\$\n]|\n(?![ \t>]*(?:\n|\Z)))"  # no blank line
    tag = HTML_TAG_RE.pattern.removeprefix("^")
    return re.compile(
        rf"""
        (?P<fence>^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*(?P<ticks>`{{3,}}(?=[^`\n]*$)|~{{3,}})
            .*(?:\n(?![ \t>]*(?P=ticks)[`~]*[ \t]*$).*)*(?:\n.*|\Z))
        |(?<!`)(?P<quotes>`+)(?!`)(?P<code>(?:[^`\n]|\n(?![ \t]*\n)|(?!(?P=quotes)(?!`))`+)+?)(?P=quotes)(?!`)
        |(?P<tag>{tag})
        |(?P<environment>\\begin\{{(?P<name>[A-Za-z]+\*?)\}}[\s\S]*?\\end\{{(?P=name)\}})
        |\\\\\[(?P<square>[\s\S]+?)\\\\\]
        |\\\\\((?P<round>.+?)\\\\\)
        |(?P<escape>\\.)
        |\$\$(?P<double>{inside}+?)\$\$
        |\$\$[ \t]*\n(?P<lines>(?:\\.|[^\\$])+?)\n[ \t>]*\$\$(?=[ \t]*$)
        |\$(?P<single>{inside}+?)\$(?!\$)
        """,
        re.MULTILINE | re.VERBOSE,
    )


def _piece(match: re.Match[str]) -> Piece | None:
    """Returns the piece that a match is, None for what stays in the text."""
    groups = {name: text for name, text in match.groupdict().items() if text is not None}
    if "code" in groups:
        bar = re.search(r"(?<!\\)\|", groups["code"]) and "\n" not in groups["code"]
        return Piece("code", groups["code"].strip(), match[0]) if bar else None
    if "round" in groups or ("single" in groups and _is_formula(match)):
        return Piece("inline", groups.get("round") or groups["single"], match[0])
    for name in ("environment", "square", "double", "lines"):
        if groups.get(name, "").strip():
            start = match.string.rfind("\n", 0, match.start()) + 1
            quoted = match.string[start : match.start()].lstrip().startswith(">")
            body = re.sub(r"\n[ \t]*>[ \t]?", "\n", groups[name]) if quoted else groups[name]
            return Piece("block", body, match[0])
    return None


def _is_formula(match: re.Match[str]) -> bool:
    """Tells a formula from what stands between two dollars of money or of shell variables."""
    body = match["single"]
    before = match.string[match.start() - 1 : match.start()]
    command = re.search(r"\\[A-Za-z]", body) is not None
    spaces = body[0].isspace() + body[-1].isspace()
    if spaces or command:
        return command and spaces != 1 and before != "$" and "`" not in body
    prose = re.search(r"(?:^|\s)[^\W\d_]{2,}['’\s]|\s[àôùy]\s", body) is not None
    amount = before.isalnum() or body[0].isdigit() or body[-1].isdigit()
    variable = _VARIABLE.match(match.string, match.end()) is not None
    money = before.isdigit() or (amount and prose)
    return not (money or variable or before == "$" or body[-1] in "/:.\"'`" or "`" in body)
