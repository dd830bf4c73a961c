"""Formulas of the reports: LaTeX as MathML, which browsers show without a network and without fonts of their own.

Temml (`modele/temml.min.js`, see `modele/TEMML.md`) converts them, run by an embedded JavaScript engine. It writes
MathML Core, what Chromium, Firefox and Safari share, with bold or script letters as characters of their own.
"""

from __future__ import annotations

import html
import json
import re
import threading
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import quickjs

TEMML = Path(__file__).parent / "modele" / "temml.min.js"
MAX_TIME = 5  # seconds of one conversion
MAX_MEMORY = 256 * 2**20  # bytes of the engine
# Commands that the MathJax of JupyterLab, or packages that students load, know by other names than Temml.
MACROS = {
    r"\mathds": r"\mathbb{#1}",
    r"\mathbbm": r"\mathbb{#1}",
    r"\bbm": r"\mathbb{#1}",
    r"\mathbfit": r"\boldsymbol{#1}",
    r"\sgn": r"\operatorname{sgn}",
    r"\llbracket": r"\mathopen{⟦}",
    r"\rrbracket": r"\mathclose{⟧}",
    r"\mbox": r"\text{#1}",
    r"\ensuremath": "#1",
    r"\nonumber": "",
    r"\notag": "",
}
# The answer is JSON: the binding can't take a long string that JavaScript has put together from pieces.
_CONVERT = """(latex, block, macros) => JSON.stringify(temml.renderToString(latex, {
  displayMode: block, throwOnError: true, trust: false, maxSize: [50, 50], maxExpand: 1000,
  macros: JSON.parse(macros),
}))"""
# What the style sheet draws, by the notation of <menclose>.
_LINES = {
    "updiagonalstrike": "biffe monte",
    "downdiagonalstrike": "biffe descend",
    "updiagonalstrike downdiagonalstrike": "biffe croix",
    "horizontalstrike": "biffe",
    "top": "surligne",
    "bottom": "souligne",
}
_DISPLAYED = re.compile(r"\\begin\{(?:align|gather|equation|multline|eqnarray|flalign|split)")
_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_OPERATOR = re.compile(rf"\\DeclareMathOperator(\*?)\s*\{{?(\\[A-Za-z]+)\}}?\s*({_GROUP})")
_DEFINITION = re.compile(
    rf"\\(?:require\s*\{{[\w,]*\}}|(?:re|provide)?newcommand\*?\s*\{{?\\[A-Za-z]+\}}?\s*(?:\[[^\]]*\])*\s*{_GROUP}"
    rf"|DeclareMathOperator\*?\s*\{{?\\[A-Za-z]+\}}?\s*{_GROUP}|def\s*\\[A-Za-z]+(?:\#\d)*\s*{_GROUP})\s*"
)
_ACCENTS = {"\u0300": "`ˋ", "\u0301": "´ˊ", "\u0302": "ˆ^", "\u0303": "~˜", "\u0308": "¨"}
_ALPHABETS = "\U0001d400-\U0001d7ff"  # bold, italic, sans serif and monospace letters
_TEXT = re.compile(f"<mtext>([^<]*[{_ALPHABETS}][^<]*)</mtext>")
_STYLES = {
    "BOLD": "font-weight:bold;",
    "ITALIC": "font-style:italic;",
    "MONOSPACE": "font-family:monospace;",
    "SANS-SERIF": "font-family:sans-serif;",
}
_engines = threading.local()  # an engine may only be used by the thread that made it


class FormulaError(ValueError):
    """A formula that can't be converted to MathML."""


def formula(latex: str, *, block: bool, source: str | None = None, before: Sequence[str] = ()) -> str:
    """Returns the HTML of a LaTeX formula, without its delimiters: MathML, or its source where it can't be converted.

    Args:
        latex: the formula.
        block: whether it stands on a line of its own.
        source: what is shown where it can't be converted, the formula by default.
        before: definitions of commands that it may use.
    """
    name = "formule" if block else "maths"
    if _DEFINITION.sub("", latex).strip() == "" and latex.strip():
        return f"<code hidden>{html.escape(latex.strip())}</code>"
    shown = (source or latex).strip()
    try:
        element = mathml("".join([*before, latex]), block=block)
        return f'<span class="{name}" data-latex="{html.escape(shown)}">{element}</span>'
    except FormulaError:
        code = f"<code>{html.escape(shown)}</code>"
        return f'<span class="{name} source">{code}</span>' if block else code


def definitions(latex: str) -> list[str]:
    r"""Returns the definitions of commands in a formula, such as `\newcommand{\E}{\mathbb E}`."""
    return [match[0] for match in _DEFINITION.finditer(latex)]


def mathml(latex: str, *, block: bool = False) -> str:
    """Converts a LaTeX formula, without its delimiters, to MathML.

    Raises:
        FormulaError: the formula is malformed or uses a command that is not known.
    """
    import quickjs

    if not latex.strip():
        raise FormulaError("empty formula")
    if re.search(r"(?<!\\)%", latex) and "\n" not in latex.strip():  # rather "95 %" than a comment
        raise FormulaError(f"bare percent sign: {latex}")
    source = re.sub(r"\\require\s*\{\w*\}", "", latex)
    source = _OPERATOR.sub(lambda match: rf"\def{match[2]}{{\operatorname{match[1]}{match[3]}}}", source)
    display = block or _DISPLAYED.search(source) is not None
    try:
        converted = json.loads(_engine()(source.strip(), display, json.dumps(MACROS)))
    except quickjs.JSException as error:
        raise FormulaError(f"{str(error).splitlines()[0]}: {latex}") from error
    if not converted.startswith("<math") or re.search("merror|tml-cancelto", converted):  # \\ref is a link
        raise FormulaError(f"no formula, or a part of it is refused: {latex}")
    return _TEXT.sub(_worded, _composed(_drawn(converted), latex))


def _drawn(converted: str) -> str:
    """Replaces <menclose>, which no browser but Firefox draws, by rows that the style sheet draws.

    Raises:
        FormulaError: the style sheet has no such line.
    """

    def row(match: re.Match[str]) -> str:
        if match[1] not in _LINES:
            raise FormulaError(f"no way to draw {match[1]}")
        return f'<mrow class="{_LINES[match[1]]}">'

    converted = re.sub(r'<menclose notation="([^"]*)"[^>]*>', row, converted)
    return re.sub(r'<mrow class="tml-cancel[^"]*"></mrow>', "", converted.replace("</menclose>", "</mrow>"))


def _composed(converted: str, latex: str) -> str:
    """Puts back the letters with accents of the source, which Temml writes as letters under accents."""
    for letter in set(re.findall(r"[^\W\d_a-zA-Z]", unicodedata.normalize("NFC", latex))):
        base, *marks = unicodedata.normalize("NFD", letter)
        if len(marks) == 1 and (accent := _ACCENTS.get(marks[0])):
            pattern = rf"<mover><mi>{base}</mi><mo stretchy=\"false\"[^>]*>[{accent}]</mo></mover>"
            converted = re.sub(pattern, f"<mi>{letter}</mi>", converted)
    return converted


def _worded(match: re.Match[str]) -> str:
    r"""Writes the words of `\textbf` and its like with ordinary letters, which are read, searched and copied."""
    letter = re.search(f"[{_ALPHABETS}]", match[1])
    names = unicodedata.name(letter[0], "")
    style = "".join(rule for word, rule in _STYLES.items() if word in names)
    return f'<mtext style="{style}">{unicodedata.normalize("NFKC", match[1])}</mtext>'


def _engine() -> quickjs.Object:
    import quickjs

    if not hasattr(_engines, "convert"):
        _engines.context = quickjs.Context()
        _engines.context.set_memory_limit(MAX_MEMORY)
        _engines.context.eval(TEMML.read_text(encoding="utf-8"))
        _engines.context.set_time_limit(MAX_TIME)
        _engines.convert = _engines.context.eval(_CONVERT)
    return _engines.convert
