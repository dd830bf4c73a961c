"""The reports: whole without a network, readable by everyone, and honest about failures."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from urllib.parse import unquote

import browser
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from atelier import export
from atelier.bilan import Bilan, Result
from atelier.cartes import Card
from atelier.export import export_notebook, title_of
from atelier.index import ReportLine, export_index
from commun import UserError

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()
SVG = (
    '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10" role="img">'
    '<title>Courbe décroissante</title><defs><clipPath id="cadre"><rect width="20" height="10"/></clipPath></defs>'
    '<path d="M0 0L20 10" stroke="black" clip-path="url(#cadre)"/></svg>'
)
WIDE = (
    "<table border='1' class='dataframe'><caption>Table large</caption><thead><tr>"
    + "".join(f"<th>mesure {i}</th>" for i in range(30))
    + "</tr></thead><tbody><tr>"
    + "".join(f"<td>−{i},5</td>" for i in range(30))
    + "</tr></tbody></table>"
)
CARD = {"application/vnd.projets.carte+json": {"a": 1}, "text/html": "<p>Carte</p>", "text/plain": "carte"}
PROSE = r"""# Générer des vêtements : l'**étude** d'un CVAE

Une formule, $q_\phi(z \mid x) = \mathcal{N}(\mu, \sigma^2)$, et une autre qui échoue, $\inconnue{x}$.

$$
\begin{aligned} a &= b + \text{été} \\ &< c \end{aligned}
$$

![logo](https://example.org/logo.png) ![locale](image.png) ![jointe](attachment:jointe.png)

## Les données
"""


def display(data: dict, metadata: dict | None = None):
    return new_output("display_data", data=data, metadata=metadata or {})


def cells() -> list:
    tagged = new_code_cell('PROFIL: str = "rapide"')
    tagged.metadata["tags"] = ["parameters"]
    injected = new_code_cell('PROFIL = "essai"')
    injected.metadata["tags"] = ["injected-parameters"]
    prose = new_markdown_cell(PROSE)
    prose["attachments"] = {"jointe.png": {"image/png": PIXEL}}
    return [
        prose,
        tagged,
        injected,
        new_code_cell(
            "print('x' * 400)",
            outputs=[
                new_output("stream", name="stdout", text="début, "),
                new_output("stream", name="stdout", text="x" * 400 + "\n"),
                new_output("stream", name="stderr", text="UserWarning: attention\n"),
            ],
        ),
        new_code_cell(
            "montrer(figure)",
            outputs=[
                display({"image/png": PIXEL, "text/plain": "alt"}, {"image/png": {"alt": "Grille « d'images »"}}),
                display({"image/svg+xml": SVG, "text/plain": "alt"}),
                display({"image/svg+xml": SVG, "text/plain": "alt"}),
            ],
        ),
        new_markdown_cell("### Détail de $\\beta$\n\n## Résultats"),
        new_code_cell(
            "tableau(t)",
            outputs=[
                display({"text/html": WIDE, "text/plain": "table"}),
                display({"text/markdown": "La perte vaut **1,2** $\\pm 0{,}1$ nat.", "text/plain": "La perte"}),
                display(CARD),
                display({"text/plain": "[1, 2, 3]"}),
            ],
        ),
    ]


def failed(before: list) -> list:
    marker = new_markdown_cell("<span style='color:red'>An Exception was encountered at 'In [5]'.</span>")
    marker.metadata["tags"] = ["papermill-error-cell-tag"]
    trace = ["\x1b[31mValueError\x1b[0m: forme <inattendue>"]
    error = new_output("error", ename="ValueError", evalue="forme <inattendue>", traceback=trace)
    return [marker, *before, new_code_cell("1 / 0  # é", outputs=[error]), new_code_cell("suite()")]


def write(folder: Path, content: list, name: str = "carnet.ipynb") -> Path:
    path = folder / name
    node = new_notebook(cells=content)
    for position, cell in enumerate(node.cells):
        cell["id"] = f"c{position}"
    nbformat.write(node, path)
    (folder / "image.png").write_bytes(base64.b64decode(PIXEL))
    return path


def exported(folder: Path, content: list) -> BeautifulSoup:
    export_notebook(write(folder, content), folder / "p.html")
    return BeautifulSoup((folder / "p.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rapport à lire")
    target = folder / "pages" / "rapport.html"
    neighbours = {"previous": ("été 1.html", "Préparer"), "following": ("3.html", "Évaluer")}
    export_notebook(write(folder, cells()), target, **neighbours, index="index.html")
    return target


@pytest.fixture(scope="module")
def soup(report) -> BeautifulSoup:
    return BeautifulSoup(report.read_text(encoding="utf-8"), "html.parser")


def remote(page: str) -> list[str]:
    """Returns what a page would load from elsewhere: links to follow and namespaces are not loads."""
    attribute = r"""<(?!a\b)[a-z]+\b[^>]*?\s(?:src|href|data|poster|srcset|xlink:href)\s*=\s*["']?"""
    style = r"""@import\s*(?:url\()?["']?|url\(["']?"""
    return re.findall(rf"(?:{attribute}|{style})(?:https?:)?//[^\s\"')]+", page)


def test_the_check_for_remote_loads_sees_them():
    assert remote('<img alt="" src="https://a.b/c">')
    assert remote("<style>@import 'http://a.b'</style>")
    assert remote("<p style='background:url(//a.b)'>")
    assert not remote('<a href="https://a.b">x</a><svg xmlns="http://www.w3.org/2000/svg">')


def test_page_is_french_titled_and_loads_nothing(report, soup):
    text = report.read_text(encoding="utf-8")
    assert soup.html["lang"] == "fr"
    assert soup.title.string == "Générer des vêtements : l'étude d'un CVAE"
    assert soup.select_one("meta[charset]") and soup.select_one("meta[name=viewport]")
    assert remote(text) == []
    assert "require.js" not in text and "MathJax" not in text
    assert list(report.parent.iterdir()) == [report]  # no temporary file stays


def test_pictures_have_their_alternative_text_and_are_inlined(soup):
    images = soup.select("img")
    assert [image["alt"] for image in images] == ["locale", "jointe", "Grille « d'images »"]
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert "Image non incluse : logo" in soup.main.get_text().replace("\u00a0", " ")
    assert [title.string for title in soup.select("svg > title")] == ["Courbe décroissante"] * 2


def test_identifiers_are_unique_and_references_resolve(report, soup):
    identifiers = [element["id"] for element in soup.select("[id]")]
    assert len(identifiers) == len(set(identifiers))
    used = re.findall(r"url\(#([^)]+)\)", report.read_text(encoding="utf-8"))
    assert len(set(used)) == 2 and set(used) <= set(identifiers)


def test_the_head_says_that_data_was_not_found(tmp_path):
    words = "PROJETS_DATA désigne <vide>, où rien n'a été trouvé."
    card = {"execution": "a", "etat": "", "cellules": [], "avertissement": words}
    content = [new_code_cell("results.carte()", outputs=[display({**CARD, next(iter(CARD)): card})])]
    banner = exported(tmp_path, content).select_one("main > .bandeau")
    assert banner.get_text(" ", strip=True) == f"Attention : {words}".replace(" :", "\u00a0:")
    assert not exported(tmp_path, [new_code_cell("a", outputs=[display(CARD)])]).select(".bandeau")


def test_formulas_become_mathml(soup):
    assert len(soup.main.select("math")) == 4  # two in the prose, one in a heading, one in an output
    assert len(soup.select("main .texte .formule math[display=block] mtr")) == 2
    for code in soup.select("main pre, main code, script, style"):
        if "inconnue" in code.get_text():
            assert code.name == "code" and code.get_text() == r"$\inconnue{x}$"
    body = BeautifulSoup(str(soup.main), "html.parser")
    for code in body.select("pre, code"):
        code.decompose()
    assert "$" not in body.get_text() and "\\" not in body.get_text()


def test_contents_list_the_headings(soup):
    links = soup.select("nav.sommaire a")
    assert [link.get_text() for link in links] == ["Les données", "Détail de β", "Résultats"]
    identifiers = {element["id"] for element in soup.select("h2, h3")}
    assert {unquote(link["href"][1:]) for link in links} == identifiers
    assert len(soup.select("nav.sommaire ol ol a")) == 1
    assert soup.select_one("nav.sommaire")["aria-label"]


def test_landmarks_links_and_labels(soup):
    assert soup.select_one("a.evitement")["href"] == "#" + soup.main["id"]
    assert soup.select_one("label[for=montrer-le-code]") and not soup.select_one("#montrer-le-code").has_attr("checked")
    assert soup.select_one("a[rel=prev]")["href"] == "%C3%A9t%C3%A9%201.html"
    assert "Évaluer" in soup.select_one("footer").get_text()
    assert [label.string for label in soup.select(".etiquette")] == ["Paramètres", "Paramètres de cette exécution"]
    assert [cell["id"] for cell in soup.select(".cellule")] == [f"cellule-{n}" for n in range(1, 6)]


def test_outputs(soup):
    assert [pre.get_text()[:7] for pre in soup.select("#cellule-3 > pre")] == ["début, ", "UserWar"]
    box = soup.select_one("#cellule-5 .defile")
    assert box["aria-label"] == "Table large" and box.table.caption and not box.table.has_attr("border")
    assert len(box.select("th.nombre")) == len(box.select("td.nombre")) == 30
    assert soup.select_one("#cellule-5").get_text().count("Carte") == 1
    assert soup.select("#cellule-5 > pre")[-1].get_text() == "[1, 2, 3]"
    assert not soup.select(".bandeau")


def test_the_header_of_a_column_of_numbers_is_its_own(tmp_path):
    rows = "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in (("5", "5"), ("cinq", "6")))
    table = f"<table><thead><tr><th>mot</th><th>nombre</th></tr></thead><tbody>{rows}</tbody></table>"
    page = exported(tmp_path, [new_code_cell("t", outputs=[display({"text/html": table})])])
    assert [head.get_text() for head in page.select("thead th.nombre")] == ["nombre"]
    assert [cell.get_text() for cell in page.select("td.nombre")] == ["5", "6"]


def test_long_texts_beside_many_columns_have_room(tmp_path):
    def table(columns, text):
        cells = "".join(f"<td>{k}</td>" for k in range(columns - 1))
        page = exported(
            tmp_path,
            [new_code_cell("t", outputs=[display({"text/html": f"<table><tr>{cells}<td>{text}</td></tr></table>"})])],
        )
        return "ample" in page.select_one(".defile")["class"], len(page.select("td.long"))

    text = "un texte plus long que quarante caractères"
    assert [table(columns, text) for columns in (2, 3, 6)] == [(False, 0), (False, 1), (True, 1)]
    assert table(6, "court") == (False, 0)


def test_a_name_in_a_table_is_cut_between_its_words(tmp_path):
    table = "<table><tbody><tr><td>projet2_cvae/03_selection.ipynb</td><td>1/255</td></tr></tbody></table>"
    page = exported(tmp_path, [new_code_cell("t", outputs=[display({"text/html": table})])])
    name, number = page.select("td")
    assert name.decode_contents() == "projet2_<wbr/>cvae/<wbr/>03_<wbr/>selection.ipynb"
    assert number.decode_contents() == "1/255"


def test_source_shown_by_the_notebook_takes_the_colours_of_the_page(tmp_path):
    code = (
        '<details open><summary>Source de a.b</summary><div class="highlight" style="background: #f0f0f0"><pre>'
        '<span style="color: #007020">def</span> f():\n    return <span>1</span></pre></div></details>'
    )
    page = exported(tmp_path, [new_code_cell("code(f)", outputs=[display({"text/html": code})])])
    assert page.select_one("details .highlight .k").string == "def"
    assert page.select_one("details pre").get_text().rstrip() == "def f():\n    return 1"
    assert not page.select("[style]")


def test_pandas_frame_shown_by_its_name(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"nom": ["a"] * 100, "x": [0.5] * 100})
    page = exported(tmp_path, [new_code_cell("t", outputs=[display({"text/html": frame._repr_html_()})])])
    assert "100 lignes × 2 colonnes" in page.main.get_text()
    assert not page.main.select("style")


def test_nothing_remote_survives_in_outputs(tmp_path):
    hostile = (
        '<script src="https://cdn.example.org/a.js"></script><link rel="stylesheet" href="https://example.org/a.css">'
        "<style>@import url(https://example.org/b.css); p{background:url('https://example.org/c.png')}</style>"
        '<img src="https://example.org/d.png"><iframe src="//example.org/"></iframe>'
        '<img src="voisine.png" alt="voisine">'
        '<video poster="https://example.org/e.png"><source src="https://example.org/f.mp4"></video><p>reste</p>'
    )
    content = [new_code_cell("x", outputs=[display({"text/html": hostile})])]
    export_notebook(write(tmp_path, content), tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert remote(text) == [] and "reste" in text
    assert not BeautifulSoup(text, "html.parser").select("img, iframe, link, script[src]")


def test_a_failed_run_says_so_and_leads_to_the_cell(tmp_path):
    notebook = write(tmp_path, failed(cells()))
    export_notebook(notebook, tmp_path / "p.html")
    page = BeautifulSoup((tmp_path / "p.html").read_text(encoding="utf-8"), "html.parser")
    banner = page.select_one("main > .bandeau")
    text = banner.get_text().replace("\u00a0", " ")
    assert "Échec à la cellule 6 : ValueError: forme <inattendue>" in text
    assert banner.a["href"] == "#cellule-6"
    assert page.select_one("#cellule-6.en-echec .erreur pre .ansi-red-fg").string == "ValueError"
    assert "An Exception" not in page.get_text() and "\x1b" not in page.get_text()
    assert export.failure_of(notebook) == export.Failure(6, "ValueError: forme <inattendue>")
    assert export.failure_of(write(tmp_path, cells(), "bon.ipynb")) is None


def test_a_dead_kernel_is_a_failure(tmp_path):
    cell = new_code_cell("boum()")
    cell.metadata["papermill"] = {"exception": True}
    failure = export.failure_of(write(tmp_path, [cell]))
    assert failure.anchor == "cellule-1" and "noyau" in failure.message


def test_title(tmp_path):
    assert title_of(write(tmp_path, cells())) == "Générer des vêtements : l'étude d'un CVAE"
    fenced = new_markdown_cell("```python\n# un commentaire\n```\n\n# Le `titre` [lié](x.html)")
    assert title_of(write(tmp_path, [fenced], "b.ipynb")) == "Le titre lié"
    assert title_of(write(tmp_path, [], "sans titre.ipynb")) == "sans titre"


def test_an_empty_notebook_and_a_missing_attachment_are_no_trouble(tmp_path):
    export_notebook(write(tmp_path, []), tmp_path / "vide.html")
    export_notebook(write(tmp_path, [new_markdown_cell("![x](attachment:absente.png)")]), tmp_path / "absente.html")
    assert "Image non incluse" in (tmp_path / "absente.html").read_text(encoding="utf-8")


def test_an_unreadable_notebook_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="n'existe pas"):
        export_notebook(tmp_path / "absent.ipynb", tmp_path / "p.html")
    for content in ("pas du JSON", "[]", '{"cells": 3}'):
        (tmp_path / "faux.ipynb").write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match="pas un carnet lisible"):
            export_notebook(tmp_path / "faux.ipynb", tmp_path / "p.html")
    assert not (tmp_path / "p.html").exists()


KNOWN = Bilan(
    "exécuté de haut en bas",
    "bon",
    "Dans l'ordre.",
    Card(data="échantillon", profile="rapide", real=False),
    results=(Result("fidélité <de> classe", "0,913", "bon", "dans l'intervalle attendu (de 0,9 à 1)", "0,908"),),
    answers="2 justes sur 3",
)
LINES = [
    ReportLine("projet1_artistes", "Projet 1.1 : préparer", "projet 1/01.html", "réussi", 65, bilan=KNOWN),
    ReportLine("projet1_artistes", "Évaluer", "projet 1/03.html", "échec", 4000, "cellule-4", "ValueError: a < b"),
    ReportLine("Projet <2>", "Générer", "", "non exécuté", None, question="Comment <inventer> ?"),
]


def test_index(tmp_path):
    export_index(LINES, tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert remote(text) == []
    assert [heading.get_text() for heading in page.select("h2")] == ["Qui a peint ce tableau\u00a0?", "Projet <2>"]
    good, bad, never = (" ".join(line.get_text().split()) for line in page.select("li"))
    assert good.startswith("1.1 Préparer ") and "✓ réussi · ✓ exécuté de haut en bas · 1 min 05 s" in good
    assert "profil rapide" in good and "échantillon" in good and "réponses : 2 justes sur 3" in good
    result = "fidélité <de> classe 0,913 ✓ dans l'intervalle attendu (de 0,9 à 1) référence sur données réelles : 0,908"
    assert good.endswith(result)
    assert "✗ échec" in bad and "1 h 06 min" in bad and "ValueError: a < b" in bad
    assert "non exécuté" in never and "Comment <inventer> ?" in never
    links = [link["href"] for link in page.select("li a")]
    assert links == ["projet%201/01.html", "projet%201/03.html", "projet%201/03.html#cellule-4"]
    total = page.select_one(".bilan-total").get_text().replace("\u00a0", " ")
    assert "3 carnets : 1 réussi, 1 en échec, 1 non exécuté" in total
    assert "Données synthétiques." in page.select_one("main > .synthetique").get_text()
    export_index([], tmp_path / "vide.html")
    assert "synthétique" not in (tmp_path / "vide.html").read_text(encoding="utf-8").partition("<body>")[2]


def test_colours_have_enough_contrast():
    css = (export.TEMPLATE / "rapport.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]*--fond[^}]*)\}", css)
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks)

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for theme in (light, dark):
        for name in ("encre", "doux", "lien", "rouge", "vert", "ambre", "mot", "chaine", "nombre", "nom", "note"):
            assert min(contrast(theme[name], theme[ground]) for ground in ("fond", "carte")) >= 4.5, name
        assert min(contrast(theme[name], theme["rouge-fond"]) for name in ("encre", "rouge")) >= 4.5
        assert min(contrast(theme[name], theme["ambre-fond"]) for name in ("encre", "ambre")) >= 4.5
    for colour in re.findall(r"-fg \{ color: (#\w+)", css):
        assert contrast(colour, "#ffffff") >= 4.5


@pytest.mark.skipif(browser.chromium() is None, reason="no chromium, chromium-browser or google-chrome here")
class TestInChromium:
    """The pages in a real browser whose network is cut."""

    def test_report_renders_without_a_network(self, report):
        dom, failed_requests = browser.dump(report)
        assert failed_requests == []
        page = BeautifulSoup(dom, "html.parser")
        assert page.h1.get_text() == "Générer des vêtements\u00a0: l'étude d'un CVAE"
        assert page.select("math") and page.select("svg clippath") and page.select("nav.sommaire a")
        assert page.select_one(".defile").get("tabindex") == "0"  # the script ran: the wide table scrolls in its box

    def test_page_is_no_wider_than_a_phone(self, report, tmp_path):
        script = "<script>document.title = [innerWidth, document.documentElement.scrollWidth].join(' ')</script>"
        text = report.read_text(encoding="utf-8").replace("</body>", script + "</body>")
        for state in ("", " checked"):
            page = html.escape(text.replace('id="montrer-le-code"', 'id="montrer-le-code"' + state))
            frame = tmp_path / "cadre.html"
            frame.write_text(
                f'<!DOCTYPE html><title>?</title><iframe id="phone" width="390" height="800" srcdoc="{page}"></iframe>'
                "<script>phone.onload = () => { document.title = phone.contentDocument.title }</script>",
                encoding="utf-8",
            )
            inner, needed = BeautifulSoup(browser.dump(frame)[0], "html.parser").title.string.split()
            assert int(inner) == 390 and int(needed) <= 390

    def test_a_table_is_sorted_by_its_headers(self, tmp_path):
        columns = {
            "nom": ["Zoé", "Émile", "eve", "Luc", "–", "10", "9"],
            "nombre": ["1\u202f234,5", "−3,2 %", "–", "12", "", "0,5 [0,4 ; 0,6]", "x"],
        }
        rows = "".join(f"<tr><td>{name}</td><td>{n}</td></tr>" for name, n in zip(*columns.values(), strict=True))
        head = "<thead><tr><th>nom</th><th>nombre</th></tr></thead>"
        tables = "".join(f"<table{c}>{head}<tbody>{rows}</tbody></table>" for c in (" class='dataframe triable'", ""))
        notebook = write(tmp_path, [new_code_cell("t", outputs=[display({"text/html": tables})])])
        export_notebook(notebook, tmp_path / "p.html")
        text = (tmp_path / "p.html").read_text(encoding="utf-8")
        script = """
            const [first, second] = document.querySelectorAll("main table");
            const seen = [0, 0, 1, 1, 0].map((column) => {
              first.querySelectorAll("th > button")[column].click();
              const sense = Array.from(first.querySelectorAll("th"), (head) => head.getAttribute("aria-sort"));
              return [sense, Array.from(first.tBodies[0].rows, (row) => row.cells[0].textContent)];
            });
            document.title = JSON.stringify([seen, second.innerText]);
        """
        (tmp_path / "q.html").write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
        dom, problems = browser.dump(tmp_path / "q.html")
        seen, untouched = json.loads(BeautifulSoup(dom, "html.parser").title.string)
        up, down = "ascending", "descending"
        assert problems == []
        assert seen == [
            [[up, None], ["9", "10", "Émile", "eve", "Luc", "Zoé", "–"]],
            [[down, None], ["Zoé", "Luc", "eve", "Émile", "10", "9", "–"]],
            [[None, up], ["Émile", "10", "Luc", "Zoé", "9", "eve", "–"]],
            [[None, down], ["9", "Zoé", "Luc", "10", "Émile", "eve", "–"]],
            [[up, None], ["9", "10", "Émile", "eve", "Luc", "Zoé", "–"]],
        ]
        assert [line.split()[0] for line in untouched.splitlines()] == ["nom", *columns["nom"]]

    def test_the_browser_check_sees_loads_and_errors(self, tmp_path):
        page = tmp_path / "distante.html"
        page.write_text('<img src="https://example.org/a.png" alt=""><script>absent()</script>', encoding="utf-8")
        failed_requests = " ".join(browser.dump(page)[1])
        assert "example.org" in failed_requests and "absent is not defined" in failed_requests
