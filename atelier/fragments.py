"""HTML that outputs bring: made safe for the page that shows it, and what it can't show is said.

Each fragment is parsed and written again on its own (nh3), so that nothing that it leaves open reaches the rest. Its
style sheets hold for it alone. What needs a script, or a file beside the page, leaves a mention with the reason.
"""

from __future__ import annotations

import dataclasses
import hashlib
import html
import re
from typing import TYPE_CHECKING

import nh3
import tinycss2

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

# What a fragment may hold. Whatever else it brings is dropped: with its content for _DROPPED, without it for the rest.
_HTML = "tfoot section address font big label input meter progress video audio source track picture fieldset legend"
_SVG = """svg g path rect circle ellipse line polyline polygon text tspan textPath defs use symbol marker pattern mask
clipPath linearGradient radialGradient stop title desc image filter feBlend feColorMatrix feComposite feFlood
feGaussianBlur feMerge feMergeNode feOffset switch"""
_MATHML = """math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle merror mpadded mphantom msub msup msubsup
munder mover munderover mmultiscripts mprescripts none mtable mtr mtd menclose semantics annotation"""
_DROPPED = """script style iframe object embed applet noscript template form button select textarea frameset noembed
noframes xmp plaintext"""
_ATTRIBUTES = """
id class style title lang dir role tabindex hidden open align valign width height border cellpadding cellspacing
bgcolor color size face abbr scope headers colspan rowspan span start reversed value max min low high optimum type
checked disabled for name href hreflang target download src alt srcset sizes loading controls loop muted autoplay poster
preload kind srclang label datetime cite summary nowrap usemap coords shape media translate

viewBox preserveAspectRatio xmlns version d x y x1 y1 x2 y2 cx cy r rx ry dx dy fx fy points transform fill fill-rule
fill-opacity stroke stroke-width stroke-linecap stroke-linejoin stroke-dasharray stroke-dashoffset stroke-opacity
stroke-miterlimit opacity clip-path clip-rule clipPathUnits mask maskUnits maskContentUnits marker-start marker-mid
marker-end markerWidth markerHeight markerUnits refX refY orient gradientUnits gradientTransform spreadMethod offset
stop-color stop-opacity patternUnits patternTransform patternContentUnits font-family font-size font-weight font-style
text-anchor dominant-baseline alignment-baseline baseline-shift letter-spacing word-spacing text-decoration textLength
lengthAdjust startOffset visibility display overflow vector-effect shape-rendering text-rendering image-rendering
color-interpolation-filters filter in in2 result stdDeviation values operator mode flood-color flood-opacity rotate

displaystyle scriptlevel mathvariant mathsize mathcolor mathbackground stretchy symmetric fence separator form lspace
rspace maxsize minsize movablelimits accent accentunder largeop linethickness notation columnalign rowalign
columnspacing rowspacing columnlines rowlines frame framespacing columnspan depth voffset encoding intent arg
"""
_URLS = {"http", "https", "mailto", "data"}
_RESERVED = re.compile(r"contenu|montrer-le-code|cellule-\d+")  # identifiers that the page gives itself
MOVES = re.compile(r"(?:^|[\s;{])(?:position|transform|float|z-index|inset)\s*:|margin[\w-]*\s*:[^;}]*-\d", re.I)
_SPECIAL = re.compile(r"<(?:style|script|iframe|object|embed|canvas|video|audio)\b|style\s*=", re.I)
_SEEN = re.compile(r"<(?:img|svg|table|hr|video|audio|math|input|meter|progress)\b", re.I)
_ROOTS = re.compile(r"^(?:(?:html|body|:root|:host)(?![\w-])\s*)+")


@dataclasses.dataclass(frozen=True)
class Fragment:
    """HTML that a page can take in.

    Attributes:
        html: the HTML.
        whole: whether it shows all that it was made to show.
    """

    html: str
    whole: bool

    @property
    def visible(self) -> bool:
        """Whether a reader sees something."""
        text = re.sub(r"<style.*?</style>|<[^>]*>", "", self.html, flags=re.DOTALL)
        return bool(_SEEN.search(self.html) or html.unescape(text).strip())


def safe(source: str) -> Fragment:
    """Returns the HTML of an output, closed on itself, without scripts, its style kept to itself."""
    from bs4 import BeautifulSoup

    if not _SPECIAL.search(source):
        return Fragment(_clean(source), whole=True)
    soup = BeautifulSoup(source, features="html.parser")
    whole = not replace_players(soup)
    whole = not _replace_scripts(soup) and whole
    styles = [style.extract() for style in soup.find_all("style")]
    sheet = "\n".join(style.get_text() for style in styles if not style.has_attr("scoped"))  # pandas' own is scoped
    moves = MOVES.search(sheet) or any(MOVES.search(element["style"]) for element in soup.select("[style]"))
    body = _clean(str(soup))
    if sheet.strip() or moves:
        name = f"sortie-{hashlib.sha256(sheet.encode()).hexdigest()[:8]}"
        body = f"<style>{scoped(sheet, f'.{name}')}</style>{body}" if sheet.strip() else body
        box = ' style="contain: layout paint; overflow: auto"' if moves else ""
        body = f'<div class="{name}"{box}>{body}</div>'
    fragment = Fragment(body, whole)
    return fragment if whole or fragment.visible else Fragment(absent("Sortie interactive", NEEDS_SCRIPT), whole=False)


NEEDS_SCRIPT = "elle demande un script, que le rapport n'exécute pas ; ouvrez le carnet dans Jupyter pour la voir"
_BESIDE = "le rapport ne montre que ce qui est dans le carnet"


def absent(what: str, reason: str, *, feminine: bool = True) -> str:
    """Returns the mention of what a page does not show."""
    text = f"{what} non inclus{'e' * feminine} : {reason}."
    return f'<p><span class="absente">{html.escape(text, quote=False)}</span></p>'


def replace_players(soup: BeautifulSoup) -> bool:
    """Puts a mention in place of frames, documents, videos and sounds that are not in the page; says if there are."""
    kinds = {"video": ("Vidéo", True), "audio": ("Son", False), "iframe": ("Cadre", False)}
    found = False
    for element in soup.find_all(["iframe", "object", "embed", "video", "audio"]):
        if element.decomposed:
            continue
        sources = [element.get("src") or element.get("data"), *(s.get("src") for s in element.find_all("source"))]
        source = next(filter(None, sources), "")
        if element.name in ("video", "audio") and source.startswith("data:"):
            for child in element.find_all(string=True):  # for browsers of another age, in English
                child.extract()
            continue
        what, feminine = kinds.get(element.name, ("Document", False))
        name = "" if source.startswith("data:") else source[:200]
        _replace(element, absent(what, f"{name} ; {_BESIDE}" if name else _BESIDE, feminine=feminine))
        found = True
    return found


def scoped(css: str, root: str) -> str:
    """Returns a style sheet whose rules hold inside an element only."""
    return "\n".join(filter(None, (_scope(rule, root) for rule in tinycss2.parse_stylesheet(css, True, True))))


def _scope(rule: tinycss2.ast.Node, root: str) -> str:
    try:
        if rule.type == "qualified-rule" and not any(token.type == "error" for token in rule.prelude):
            selectors, current = [], []
            for token in [*rule.prelude, None]:
                if token is None or token == ",":
                    text = tinycss2.serialize(current).strip()
                    selectors.append(f"{root} {_ROOTS.sub('', text)}".strip())
                    current = []
                else:
                    current.append(token)
            text = f"{', '.join(selectors)} {{{tinycss2.serialize(rule.content)}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "container") and rule.content:
            rules = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            inner = "\n".join(filter(None, (_scope(inner, root) for inner in rules)))
            text = f"@{rule.lower_at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword == "keyframes" and rule.content:
            text = rule.serialize()
        else:
            return ""
    except TypeError:  # what tinycss2 can't write again
        return ""
    return text.replace("</", "\\3c /")


def _replace_scripts(soup: BeautifulSoup) -> bool:
    """Drops the scripts; an empty element that they were to fill gives way to a mention, and says that there is one."""
    scripts = soup.find_all("script")
    filled = soup.select("div[id], img:not([src])") if scripts else []
    empty = [e for e in filled if not e.get_text(strip=True) and not e.find(lambda tag: tag.name != "script")]
    empty += soup.find_all("canvas")
    for script in scripts:
        script.extract()
    for position, element in enumerate(empty):
        if position:
            element.decompose()
        else:
            _replace(element, absent("Figure interactive", NEEDS_SCRIPT))
    return bool(empty or scripts and not Fragment(str(soup), whole=True).visible)


def _replace(element: Tag, markup: str) -> None:
    from bs4 import BeautifulSoup

    element.replace_with(BeautifulSoup(markup, features="html.parser"))


def _clean(source: str) -> str:
    return nh3.clean(
        source,
        tags=nh3.ALLOWED_TAGS.union(_HTML.split(), _SVG.split(), _MATHML.split()),
        clean_content_tags=set(_DROPPED.split()),
        attributes={"*": set(_ATTRIBUTES.split())},
        attribute_filter=_attribute,
        generic_attribute_prefixes={"data-", "aria-"},
        url_schemes=_URLS,
        link_rel=None,
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Returns the value of an attribute, None to leave it out."""
    if name == "id" and _RESERVED.fullmatch(value):
        return None
    if tag == "a" and name == "href" and value.lstrip().lower().startswith("data:"):
        return None
    return value
