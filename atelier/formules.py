"""Formulas of the reports: LaTeX as MathML, which browsers show without a network."""

from __future__ import annotations

import html
import itertools
import re
from xml.etree import ElementTree

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


def formula(latex: str, *, block: bool) -> str:
    """Returns the HTML of a LaTeX formula, without its delimiters: MathML, or its code where it can't be converted."""
    try:
        element = mathml(latex, block=block)
    except FormulaError:
        code = f"<code>{html.escape(latex.strip())}</code>"
        return f'<div class="formule">{code}</div>' if block else code
    return f'<div class="formule">{element}</div>' if block else f'<span class="maths">{element}</span>'


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
