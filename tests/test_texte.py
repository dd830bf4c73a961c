"""Markdown cells: as JupyterLab shows them, and whole."""

from __future__ import annotations

import base64
import io
import itertools
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from atelier import texte
from atelier.export import export_notebook, title_of


def rendered(source: str, *arguments) -> BeautifulSoup:
    return BeautifulSoup(texte.Writer().render(source, *arguments), "html.parser")


def exported(folder: Path, *cells) -> BeautifulSoup:
    """Returns the page of a notebook; a text is a Markdown cell."""
    nodes = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    nbformat.write(new_notebook(cells=nodes), folder / "carnet.ipynb")
    export_notebook(folder / "carnet.ipynb", folder / "page.html")
    return BeautifulSoup((folder / "page.html").read_text(encoding="utf-8"), "html.parser")


def picture(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 2), colour).save(stream, "PNG")
    return stream.getvalue()


def base64_of(colour: str) -> str:
    return base64.b64encode(picture(colour)).decode()


# --- No text is lost --------------------------------------------------------------------------------------------------

MARKS = [
    *"*_`$|<>[](){}#-+&%~^\\:;?!'\"\n\t", "**", "``", "$$", "\n\n", "\n    ", "\n> ", "\n- ", "\n1. ", "\n# ",
    "\n===\n", "\n---\n", "\n```\n", "\n~~~\n", "\n$$\n", "\n|---|---|\n", "](", "![", "[^1]", "\n[^1]: ", "\n[a]: ",
    "<b>", "</b>", "<div>", "</div>", "<td>", "<pre>", "<textarea>", "<script>", "</script>", "<style>", "<!--",
    "-->", "<details>", "<![CDATA[", "<?", r"\begin{align}", r"\end{align}", r"\\(", r"\\)", r"\\[", r"\\]",
    r"\text{", r"\frac", r"\|", "« ", " »", "[0 ; 1]", "- [x] ", "https://a.b/", "&amp;", "&#x41;", "\u00a0", "é",
    "  \n",
]  # fmt: skip
FORMS = [
    "**{}**", "`{}`", "`{} | {}`", "${}$", "$ {} $", "$${}$$", "\n$$\n{}\n$$\n", r"$\text{{{}}} \mathbf{{{}}}$",
    "~~{}~~", r"$\inconnue{{{}}}$", r"$\frac{{{}}}{{{}}}$", "$x % {}$", "\n$$\nx % {}\ny\n$$\n",
    r"$\label{{{}}} \tag{{{}}}$", r"$\newcommand{{\a}}{{{}}}$", r"$\mathchoice{{{}}}{{{}}}{{{}}}{{{}}}$",
    r"\begin{{align}}{} &= {}\end{{align}}", r"\begin{{itemize}}\item {}\end{{itemize}}", '[{}](u "{}")',
    "![{}]({}.png)", "![{}](attachment:{})", "[^{}]", "\n\n[^{}]: {} {}\n\n", "\n\n[^1]: {}\n\n", "[^1]",
    "\n\n[{}]: u \"{}\"\n\n", "\n\n[//]: # ({})\n\n", "<b>{}</b>",
    "\n\n| {} | {} |\n|---|---|\n| {} | {} | {} | {} |\n| {} |\n\n", "\n\n|{}|\n|---|\n|$a|{}$|\n|`{}|{}`|\n\n",
    "\n\n<div class=\"{}\">\n\n{}\n\n</div>\n\n", "<details><summary>{}</summary>{}</details>", "<script>{}</script>",
    "<style>{}</style>", "<!-- {} -->", "<{}>", "<{}/{}", "{} < {} > {}", "\n\n```{}\n{}\n```\n\n", "\n\n~~~\n{}\n",
    "\n\n    {}\n\n", "\n\n# {}\n\n", "\n\n{}\n===\n\n", "\n\n> {}\n> $$\n> {}\n> $$\n\n", "\n\n- {}\n  - {}\n\n",
    "&{};", "http://a.b/{}", "<![CDATA[{}]]>", "<?{}?>", "<svg><text>{}</text></svg>", "{} $", "$ {}", r"\${}",
]  # fmt: skip


@st.composite
def texts(draw) -> str:
    """Markdown of any sort, well written or not, each word of it unlike the others."""
    words = (f"mot{number}z" for number in itertools.count(1))
    pieces = []
    for _ in range(draw(st.integers(1, 9))):
        form = draw(st.sampled_from(FORMS) | st.sampled_from(MARKS) | st.just("{}"))
        count = len(re.findall(r"(?<!\{)\{\}|\{\{\{\}\}\}", form))
        piece = form.format(*itertools.islice(words, count)) if count else form
        pieces.append(piece)
    return draw(st.sampled_from(["", " "])).join(pieces)


@settings(max_examples=800, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(texts())
def test_every_word_of_a_cell_is_in_the_page(source):
    page = rendered(source)
    attributes = " ".join(f"{name} {value}" for tag in page.find_all(True) for name, value in tag.attrs.items())
    text = "".join(page.find_all(string=True)) + attributes  # comments included
    text = unicodedata.normalize("NFKC", text + unquote(attributes))
    assert [word for word in re.findall(r"mot\d+z", source) if word not in text] == []


# --- Markdown and HTML ------------------------------------------------------------------------------------------------


def test_what_follows_a_table_keeps_its_markup(tmp_path):
    source = "| a |\n|---|\n| 1 |\n\n**gras** $x$ `code` [lien](https://a.b)\n\n![alt](p.png)\n\n1 rows × 2 columns"
    (tmp_path / "p.png").write_bytes(picture("red"))
    page = exported(tmp_path, source).select_one(".texte")
    assert (
        page.select_one(".defile table") and page.strong and page.math and page.select("p code") and page.a and page.img
    )
    table = '<table class="dataframe"><tbody><tr><td>1</td></tr></tbody></table>'
    frame = f"<div>{table}<p>1 rows × 1 columns</p></div><p>un <b>mot</b></p>"
    output = new_output("display_data", data={"text/html": frame})
    page = exported(tmp_path, new_code_cell("t", outputs=[output]))
    assert [p.get_text() for p in page.select(".html p")] == ["1 lignes × 1 colonnes", "un mot"] and page.select(
        ".html b"
    )


def test_bars_and_uneven_rows_in_a_table():
    table = rendered("| a | b |\n|---|:-:|\n| $p(x|z)$ | `a | b` |\n| seul |\n| 1 | 2 | 3 | 4 |")
    assert [len(row.find_all(["td", "th"])) for row in table.select("tr")] == [2, 2, 2, 2]
    assert table.select_one("td math") and table.td.find_next("code").get_text() == "a | b"
    assert table.select("td")[-1].get_text() == "2 | 3 | 4"
    first = rendered("| a | b |\n|---|---|\n| `x | y` | z |")
    assert [cell.get_text() for cell in first.select("td")] == ["x | y", "z"]


def test_html_around_markdown():
    source = (
        '<div class="alert alert-info">\n\n**Consigne** $x$\n\n</div>\n\n'
        "<details>\n<summary>Corrigé</summary>\n\nLa réponse est **42**.\n\n```python\nx = 42\n```\n\n</details>\n\n"
        "Après."
    )
    page = rendered(source)
    assert page.select_one(".alert strong") and page.select_one(".alert math")
    assert (
        page.details.summary.string == "Corrigé" and page.details.strong and page.details.select_one(".highlight .mi")
    )
    assert "Après" not in page.details.get_text() and "Après" in page.get_text()


def test_a_cell_can_not_harm_the_next(tmp_path):
    cells = [
        "<div><details><b>un",
        "</div></main></div> deux",
        "<style>p { color: red }</style>",
        "<script>1",
        "<!-- trois",
        "quatre",
    ]
    page = exported(tmp_path, *cells)
    found = page.select("main > .texte")
    assert [cell.get_text().strip() for cell in found] == ["un", "deux", "", "<script>1", "<!-- trois", "quatre"]
    assert not page.main.select("script, style")


@pytest.mark.parametrize("text", ["le dossier <projet>/images", "a<bc et c>d", "x < y", "<div class=", "List<int>"])
def test_angle_brackets_of_a_text_are_shown(text):
    assert rendered(text).get_text().strip() == text


def test_footnotes_tasks_strikes_and_diagrams(tmp_path):
    source = (
        "Une note[^1], ~~barré~~, https://a.b et main.py\n\n- [x] fait\n- [ ] à faire\n\n"
        "```mermaid\ngraph TD\n```\n\n[^1]: La note.\n[^x]: Oubliée."
    )
    page = exported(tmp_path, source, "Autre[^1]\n\n[^1]: Seconde.")
    identifiers = [tag["id"] for tag in page.select("[id]")]
    assert len(identifiers) == len(set(identifiers))
    assert all(unquote(link["href"][1:]) in identifiers for link in page.select("main a[href^='#']"))
    assert [note.get_text()[:8] for note in page.select(".footnotes li")] == ["La note.", "Seconde."]
    assert "[^x]:" in page.get_text() and "Oubliée." in page.get_text()
    assert page.s.get_text() == "barré" and "[x]" not in page.main.get_text() and not page.main.select("main input")
    assert [mark["aria-label"] for mark in page.select("[role=img]")] == ["fait", "à faire"]
    assert "graph TD" in page.pre.get_text()
    assert [link.get_text() for link in page.select("main p > a:not(.footnote-backref)")] == ["https://a.b"]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ('<h1 align="center">Rapport <em>final</em></h1>', "Rapport final"),
        ("Rapport final\n=============", "Rapport final"),
        ("<img src='logo.png'>\n\n# Rapport final", "Rapport final"),
        ("```python\n# un commentaire\n```\n\n# Le `titre` [lié](x.html)", "Le titre lié"),
        ("# Un $\\beta$-VAE, à 5 $", "Un β-VAE, à 5 $"),
        ("# ![logo](x.png)\n\n# Vrai", "logo"),
    ],
)
def test_the_title_is_the_first_h1_however_written(tmp_path, source, title):
    assert exported(tmp_path, "texte", source).title.get_text() == title
    assert title_of(tmp_path / "carnet.ipynb") == title


def test_links_to_headings_lead_somewhere(tmp_path):
    headings = [
        "## Évaluation finale",
        "## Évaluation finale",
        "## L'espace latent $z$",
        "## Le modèle `CVAE`",
        "### Un **gras** : [lien](https://a.b)",
        "<h2>Titre HTML</h2>",
        "Souligné\n---",
        '<a id="fin"></a>\n\n## Fin 🎉[^1]\n\n[^1]: note',
    ]
    wanted = [
        "Évaluation-finale",
        "%C3%89valuation-finale",
        "L'espace-latent-$z$",
        "Le-modèle-CVAE",
        "Un-gras-:-lien",
        "Titre-HTML",
        "fin",
        "évaluation-finale",
        "lespace-latent-z",
        "le-modèle-cvae",
    ]
    links = " ".join(f"[{i}](#{name})" for i, name in enumerate(wanted))
    page = exported(tmp_path, links, *headings)
    identifiers = [tag["id"] for tag in page.select("[id]")]
    assert len(identifiers) == len(set(identifiers)) and "L'espace-latent-$z$" in identifiers
    assert len(page.select("main a[href^='#']")) >= len(wanted)
    assert [a["href"] for a in page.select("a[href^='#']") if unquote(a["href"][1:]) not in identifiers] == []
    contents = page.select("nav.sommaire a")
    assert [a.get_text() for a in contents][:3] == ["Évaluation finale", "Évaluation finale", "L'espace latent z"]
    assert len(contents) == 8 and not page.select("nav.sommaire a a, nav.sommaire [id]")


@pytest.mark.parametrize(
    "text",
    [
        "un mot ? deux ! trois : quatre ; « cinq » 12 % et 5 €",
        "**gras** ? `code` : *ital* ; [lien](u) ! **12** %",
        "« **gras** » et « `code` »",
        "une fin\n: suite\n; fin",
    ],
)
def test_spaces_before_french_punctuation_never_break(text):
    assert not re.search(r"[ \n][:;!?»%€]|«[ \n]", rendered(text).get_text().strip())


def test_intervals_and_what_touches_a_formula_stay_whole():
    text = rendered("de 0,5 [0,4 ; 0,6] à ]0 ; 1[ puis (l'$\\alpha$), « $x$ » et $y$ ?")
    assert "[0,4\u00a0;\u00a00,6]" in text.get_text() and "]0\u00a0;\u00a01[" in text.get_text()
    assert [span.get_text() for span in text.select(".insecable")] == ["(l'α),", "«\u00a0x\u00a0»", "y\u00a0?"]


# --- Images -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("a.png", "![x](a.png)"),
        ("a.png", "![x](./a.png?raw=true 'titre')"),
        ("été à la mer.png", "![x](<été à la mer.png>)"),
        ("été à la mer.png", "![x](été%20%C3%A0%20la%20mer.png)"),
        ("été à la mer.png", "![x](été à la mer.png)"),
        (unicodedata.normalize("NFD", "été.png"), "![x](été.png)"),
        ("été.png", unicodedata.normalize("NFD", "![x](été.png)")),
        ("figures/a b.png", "![x](figures\\a b.png)"),
        ("figures/_a.png", '![x](figures\\_a.png "titre")'),
        ("figures/a.png", "<img src='figures\\a.png' alt='x' width=200>"),
        ("figures/a b.png", '<p align="center"><img src="figures/a%20b.png" alt="x"></p>'),
        ("figures/A.PNG", "![x](Figures/a.png)"),
    ],
)
def test_images_by_path(tmp_path, file, source):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(picture("red"))
    image = rendered(source, tmp_path).img
    assert image["src"] == f"data:image/png;base64,{base64_of('red')}" and image["alt"] == "x"


def test_images_that_are_not_there_or_elsewhere(tmp_path):
    (tmp_path / "carnets").mkdir()
    (tmp_path / "secret.png").write_bytes(picture("red"))
    (tmp_path / "carnets" / "notes.txt").write_text("notes", encoding="utf-8")
    source = "![a](../secret.png) ![b](absente.png) ![c](notes.txt) ![d](C:\\x\\d.png) ![e](attachment:e.png)"
    page = exported(tmp_path / "carnets", source)
    assert not page.main.select("img")
    assert [note.get_text()[-1] for note in page.select(".absente")] == list("abcde")


def test_pasted_images(tmp_path):
    red, blue = base64_of("red"), base64_of("blue")
    name = "Capture d'écran 1.png"
    first = new_markdown_cell(
        f"![un](<attachment:{name}>) ![deux](attachment:Capture%20d'%C3%A9cran%201.png) ![trois](attachment:{name})\n\n"
        "<img src='attachment:image.png' width='300'>"
    )
    first["attachments"] = {unicodedata.normalize("NFD", name): {"image/png": red}, "image.png": {"image/png": red}}
    second = new_markdown_cell("![image.png](attachment:image.png)")
    second["attachments"] = {"image.png": {"image/png": blue}}
    images = exported(tmp_path, first, second).select("main img")
    assert [image["src"].partition(",")[2] for image in images] == [red] * 4 + [blue]
    assert images[3]["alt"] == texte.NO_ALT and images[3]["width"] == "300"
