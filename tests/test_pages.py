"""The pages of the committed notebooks in a real browser: no sideways scroll, and readable by everyone."""

from __future__ import annotations

import html
import json
from pathlib import Path

import browser
import pytest
from bs4 import BeautifulSoup

from atelier import notebooks
from atelier.export import export_notebook

WIDTHS = (390, 768, 1280, 1440)
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
