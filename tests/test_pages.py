"""The pages of the committed notebooks in a real browser: no sideways scroll, and readable by everyone."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import browser
import pytest
from bs4 import BeautifulSoup

from atelier import bilan, notebooks, pdf
from atelier.export import export_notebook
from atelier.index import ReportLine, export_index, question_of, thumbnail_of
from commun.card import CARD_MIME

WIDTHS = (390, 768, 1280, 1920)
VERDICTS = ("juste", "faux", "attente")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
NOTEBOOKS = [path for project in notebooks.projects() for path in notebooks.notebooks(project)]
# What a page says of itself once it is laid out: what sticks out, and what is hidden without a sign.
MEASURE = """
addEventListener("load", () => setTimeout(() => {
  const page = document.documentElement, problems = [];
  const tell = (word, e) => problems.push(`${word} ${e.outerHTML.slice(0, 90)}`);
  if (page.scrollWidth > innerWidth) problems.push(`the page is ${page.scrollWidth} pixels wide`);
  const contents = document.querySelector("nav.sommaire");
  const beside = contents && getComputedStyle(contents).position === "sticky";
  const side = beside ? contents.getBoundingClientRect().right : 0;
  for (const e of document.querySelectorAll("main *")) {
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest("svg, math, .cache")) continue;
    if (box.left < side - 1 && !e.closest(".deborde")) tell("on the left", e);
    if (box.right > innerWidth + 1 && !e.closest(".deborde")) tell("on the right", e);
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible" && e.clientWidth
        && !(e.classList.contains("deborde") && e.tabIndex === 0)) tell("no sign", e);
  }
  for (const picture of document.querySelectorAll("main :is(.figure > svg, .figure img)")) {
    const own = picture.naturalWidth || picture.width.baseVal.value;
    const shown = picture.getBoundingClientRect().width;
    const button = picture.parentNode.querySelector(".agrandir");
    if (shown && shown < .8 * own && (!button || !button.offsetHeight)) tell("too small", picture);
    if (shown && shown < Math.min(own, 640)) tell("too small to be read", picture);
  }
  document.title = JSON.stringify([innerWidth, problems]);
}, 50));
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[Path, Path]:
    """Notebook -> its page."""
    folder = tmp_path_factory.mktemp("pages")
    made = {path: folder / f"{path.parent.name}_{path.stem}.html" for path in NOTEBOOKS}
    for notebook, page in made.items():
        export_notebook(notebook, page)
    return made


def work(path: Path) -> list[dict]:
    """Returns cells of a student's work: questions, answers, checks, and long texts in a card that holds everything."""
    notebook = json.loads(NOTEBOOKS[6].read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if CARD_MIME in output.get("data", {}):
                output["data"][CARD_MIME] |= {
                    "nom": "Anne-Sophie de La Rochefoucauld-Montmorency",
                    "groupe": "B" * 60,
                    "resultats": {"fidélité de classe (" + "très " * 12 + "long)": 0.913, "nats": 12345.6, "x": 0.5},
                    "references": {"nats": 232.8},
                    "reponses": {"1": "juste", "2": "fausse", "3": "sans réponse"},
                }
    verdicts = "".join(f"<div class='verdict {kind}'><strong>Question</strong> : x</div>" for kind in VERDICTS)
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/html": verdicts}}
    tagged = [
        ("markdown", "question", "**Question 3.** Pourquoi ?", {}),
        ("markdown", "reponse", "*Votre réponse ici.*", {}),
        ("code", "solution", "q3 = " + "a + " * 60 + "1", {"outputs": [], "execution_count": None}),
        ("code", "verification", "exercices.verifier(3)", {"outputs": [shown], "execution_count": None}),
    ]
    notebook["cells"] += [
        {"cell_type": kind, "metadata": {"tags": [tag]}, "source": source, **more} for kind, tag, source, more in tagged
    ]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return notebook["cells"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> dict[str, Path]:
    """The page of a student's work, and an index with lines of each kind."""
    folder = tmp_path_factory.mktemp("les nôtres")
    work(folder / "rendu.ipynb")
    export_notebook(folder / "rendu.ipynb", folder / "rendu.html", index="index.html")
    known = bilan.bilan(folder / "rendu.ipynb")
    lines = []
    for place, path in enumerate(NOTEBOOKS):
        status = ("réussi", "échec", "non exécuté")[max(0, place - len(NOTEBOOKS) + 3)]
        told = {"error": "ValueError: " + "x" * 200, "error_anchor": "cellule-1"} if status == "échec" else {}
        if status != "non exécuté":
            told |= {"thumbnail": thumbnail_of(path), "bilan": known if place % 2 else bilan.bilan(path)}
        title = f"Projet {place}.1 : le carnet de ce projet"
        line = ReportLine(path.parent.name, title, "rendu.html", status, 65, question=question_of(path), **told)
        lines.append(line)
    export_index(lines, folder / "index.html")
    return {name: folder / f"{name}.html" for name in ("rendu", "index")}


def with_script(page: Path, script: str) -> str:
    return page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>")


def title(page: Path) -> str:
    dom, problems = browser.dump(page)
    assert problems == []
    return BeautifulSoup(dom, "html.parser").title.string


def measured(text: str, folder: Path) -> dict[int, list[str]]:
    """Returns what is wrong with a page at each width, in frames since a window has at least 500 pixels."""
    source = html.escape(text)
    frames = "".join(f'<iframe width="{width}" height="800" srcdoc="{source}"></iframe>' for width in WIDTHS)
    frame = folder / "cadres.html"
    told = "document.title = JSON.stringify(Array.from(frames, (frame) => JSON.parse(frame.document.title)))"
    script = f"<script>addEventListener('load', () => setTimeout(() => {{ {told} }}, 500))</script>"
    frame.write_text(f"<!DOCTYPE html><meta charset=utf-8><title>?</title>{frames}{script}", encoding="utf-8")
    return dict(json.loads(title(frame)))


@pytest.mark.skipif(browser.chromium() is None, reason="no chromium, chromium-browser or google-chrome here")
class TestInChromium:
    @pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
    def test_nothing_sticks_out_of_the_page(self, pages, notebook, tmp_path):
        assert measured(with_script(pages[notebook], MEASURE), tmp_path) == {width: [] for width in WIDTHS}

    def test_the_measure_sees_what_sticks_out(self, pages, tmp_path):
        wide = "<p style='width: 2000px'>x</p><pre style='overflow: auto' onload>" + "x" * 900 + "</pre>"
        hidden = "<style>.agrandir { display: none !important }</style>"
        text = with_script(pages[NOTEBOOKS[0]], MEASURE).replace("</main>", f"{wide}{hidden}</main>")
        problems = measured(text, tmp_path)
        for width in WIDTHS:
            assert any("pixels wide" in line for line in problems[width])
            assert any("on the right" in line for line in problems[width])
        assert any("too small" in line for line in problems[390])

    @pytest.mark.parametrize("name", ["rendu", "index"])
    def test_our_own_pages_hold_at_every_width(self, ours, name, tmp_path):
        assert measured(with_script(ours[name], MEASURE), tmp_path) == {width: [] for width in WIDTHS}

    @pytest.mark.parametrize("name", ["rendu", "index"])
    def test_our_own_pages_have_no_fault_of_accessibility(self, ours, name, tmp_path):
        axe = AXE.read_text(encoding="utf-8").replace("</script", "<\\/script")
        run = """axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => {
          document.title = JSON.stringify(violations.map(({id, nodes}) => [id, nodes[0].html.slice(0, 200)]));
        })"""
        page = tmp_path / "axe.html"
        page.write_text(with_script(ours[name], f"{axe};{run}"), encoding="utf-8")
        assert json.loads(title(page)) == []

    def test_an_answer_is_seen_while_the_rest_of_the_code_is_folded(self, ours, tmp_path):
        script = """document.title = JSON.stringify(Array.from(document.querySelectorAll(".cellule .code"),
          (code) => [code.parentNode.className.includes("celltag_solution"), code.offsetHeight > 0]));"""
        page = tmp_path / "p.html"
        page.write_text(with_script(ours["rendu"], script), encoding="utf-8")
        seen = json.loads(title(page))
        assert {tuple(pair) for pair in seen} == {(True, True), (False, False)}

    @pytest.mark.parametrize("name", ["rendu", "index"])
    def test_a_page_is_printed_as_a_pdf(self, ours, name, tmp_path):
        pdf.write(ours[name], tmp_path / "page.pdf")
        content = (tmp_path / "page.pdf").read_bytes()
        assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
        assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 20
        assert list(tmp_path.iterdir()) == [tmp_path / "page.pdf"]

    @pytest.mark.parametrize("position", [2, 5, 9], ids=["projet1", "projet2", "projet3"])
    def test_no_serious_fault_of_accessibility(self, pages, position, tmp_path):
        axe = AXE.read_text(encoding="utf-8").replace("</script", "<\\/script")
        run = """axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => {
          const serious = violations.filter(({impact}) => ["serious", "critical"].includes(impact));
          document.title = JSON.stringify(serious.map(({id, nodes}) => [id, nodes[0].html.slice(0, 200)]));
        })"""
        page = tmp_path / "axe.html"
        page.write_text(with_script(pages[NOTEBOOKS[position]], f"{axe};{run}"), encoding="utf-8")
        assert json.loads(title(page)) == []

    def test_a_figure_opens_at_its_own_size(self, pages, tmp_path):
        script = """addEventListener("load", () => setTimeout(() => {
          const button = document.querySelector(".agrandir:not([hidden])");
          if (!button) return document.title = JSON.stringify([innerWidth, null]);
          button.click();
          const dialog = document.querySelector("dialog"), copy = dialog.querySelector("img, svg");
          const own = copy.naturalWidth || copy.width.baseVal.value;
          const open = dialog.open, width = copy.getBoundingClientRect().width;
          dialog.querySelector("button").click();
          document.title = JSON.stringify([innerWidth, [open, width >= own - 1, dialog.open]]);
        }, 50));"""
        seen = measured(with_script(pages[NOTEBOOKS[0]], script), tmp_path)
        assert seen[390] == [True, True, False]
