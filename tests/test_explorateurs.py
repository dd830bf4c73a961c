"""Explorers in pages: data that is checked, a script that clicks and keys drive, a picture wherever there is none."""

from __future__ import annotations

import base64
import io
import json
import math
from pathlib import Path

import browser
import devtools
import numpy as np
import pytest
from PIL import Image

from atelier import explorateurs
from atelier.export import export_notebook
from commun import figures
from commun.figures import EXPLORER_MIME
from commun.sheets import picture, sheet

AXE = Path(__file__).parent / "axe" / "axe.min.js"
READY = "document.querySelector('.explorateur.pret')"
RANDOM = np.random.default_rng(0)
HOSTILE = "</script><img onerror=pris=1>"  # as long as the name of a class may be


def noise(count: int, side: int, *more: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, side, side, *more), dtype="uint8")


def cvae() -> dict:
    """Three classes, squares of 5 x 5 codes, ways of two images; each image is one basis image times its weight."""
    weights = np.stack([np.arange(81), np.zeros(81)], axis=1).astype("uint8")
    basis = np.stack([np.full((8, 8), level) for level in (10, 255, 0)]).astype("uint8")
    return {
        "genre": "cvae",
        "classes": ["robe", "sac", "pull"],
        "cote": 8,
        "pas": 5,
        "etendue": 2.0,
        "etapes": 2,
        "erreur": 0.0154,
        "bases": sheet(basis, columns=3),
        "amplitudes": [1.0, 1.0],
        "poids": picture(weights),
        "minimums": [0.0, 0.0],
        "maximums": [255.0, 1.0],
    }


def anomalies() -> dict:
    """Three parts, whose maps are above 4 on their left half, and 1 elsewhere."""
    maps = np.zeros((3, 8, 8), "uint8")
    maps[:, :, :4] = 255
    truth = np.zeros((3, 32, 32), "uint8")
    truth[:2, 8:16, 8:16] = 255
    pieces = [("fissure", True, 6.0), ("trou", True, 2.5), ("bonne", False, 3.0)]
    return {
        "genre": "anomalies",
        "categorie": "la noisette",
        "cote": 32,
        "pieces": [{"nom": name, "defaut": defect, "score": score} for name, defect, score in pieces],
        "images": sheet(noise(3, 32, 3), columns=3, format="jpeg"),
        "reconstructions": sheet(noise(3, 32, 3), columns=3, format="jpeg"),
        "verites": sheet(truth, columns=3, levels=2),
        "grille": 8,
        "cartes": sheet(maps, columns=3),
        "bas": 1.0,
        "haut": 5.0,
        "bonnes": [1.0, 2.0, 3.0],
        "defauts": [2.5, 4.0, 6.0, 8.0],
        "seuil": 2.9,
    }


def artistes() -> dict:
    names = ["Ana", "Bé", "Cid", "Dora"]
    shares = [0.1, 0.6, 0.2, 0.1]
    return {
        "genre": "artistes",
        "cote": 32,
        "oeuvres": [
            {"noms": names, "vrai": 1, "reseau": 1, "probabilites": shares},
            {"noms": names[::-1], "vrai": 0, "reseau": 2, "probabilites": shares[::-1]},
        ],
        "images": sheet(noise(2, 32, 3), columns=2, format="jpeg"),
        "grille": 8,
        "cartes": sheet(noise(2, 8), columns=2, levels=32),
    }


KINDS = {"cvae": cvae, "anomalies": anomalies, "artistes": artistes}


def page_of(folder: Path, *contents: dict, metadata: dict | None = None) -> Path:
    """Returns the page of a notebook whose outputs have these data."""
    stream = io.BytesIO()
    Image.new("RGB", (300, 200), "navy").save(stream, "png")
    still = {"image/png": base64.b64encode(stream.getvalue()).decode(), "text/plain": "Une figure."}
    outputs = [
        {
            "output_type": "display_data",
            "metadata": {"image/png": {"alt": "Une figure."}, **(metadata or {})},
            "data": {EXPLORER_MIME: content, **still} if content else still,
        }
        for content in contents
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Un titre"},
        {"cell_type": "code", "metadata": {}, "source": "a = 1", "execution_count": 1, "outputs": outputs},
    ]
    notebook = folder / "carnet.ipynb"
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}), "utf-8")
    export_notebook(notebook, folder / "carnet.html")
    return folder / "carnet.html"


# --- The data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_right_data_is_carried_as_it_is(kind):
    data = KINDS[kind]()
    piece = explorateurs.render(data)
    assert piece.startswith(f'<div class="explorateur" data-genre="{kind}">')
    assert json.loads(piece.partition('json">')[2].partition("</script>")[0]) == data


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_is_needed_and_no_other_is_taken(kind):
    data = KINDS[kind]()
    for name in data:
        assert explorateurs.render({key: value for key, value in data.items() if key != name}) == ""
        assert explorateurs.render(data | {name: None}) == ""
        assert explorateurs.render(data | {name: {"a": [1]}}) == ""
    assert explorateurs.render(data | {"autre": 1}) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_finite_and_bounded(kind):
    data = KINDS[kind]()
    numbers = [name for name, value in data.items() if isinstance(value, (int, float))]
    for name in numbers:
        for wrong in (math.nan, math.inf, -1, 1e300, 10**400, True, "1"):
            assert explorateurs.render(data | {name: wrong}) == "", (name, wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_whole_pngs_or_jpegs_of_the_expected_size(kind):
    data = KINDS[kind]()
    sheets = [name for name, value in data.items() if isinstance(value, str) and value.startswith("data:image/")]
    assert len(sheets) >= 2
    for name in sheets:
        right = data[name]
        head, _, content = right.partition(",")
        kept = len(content) // 8 * 4
        other = "data:image/jpeg;base64" if "png" in head else "data:image/png;base64"
        svg = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").decode()
        for wrong in (
            "https://exemple.fr/image.png",
            "javascript:alert(1)",
            f"data:image/svg+xml;base64,{svg}",
            f"data:image/png;base64,{svg}",
            f"{other},{content}",
            f"{head},{content[:kept]}",
            f"{head},{content[:-4]}<b>=",
            f"{head}, {content}",
            f"{head},",
            right + "\n",
            sheet(noise(2, 77), columns=2),
            sheet(noise(1, 200), columns=1) + "A" * explorateurs.MAX_DATA,
        ):
            assert explorateurs.render(data | {name: wrong}) == "", (name, wrong[:60])


def test_lists_agree_with_one_another():
    assert explorateurs.render(cvae() | {"minimums": [0.0]}) == ""
    assert explorateurs.render(cvae() | {"classes": ["robe", "sac"]}) == ""
    assert explorateurs.render(anomalies() | {"bas": 5.0, "haut": 5.0}) == ""
    assert explorateurs.render(anomalies() | {"pieces": anomalies()["pieces"][:2]}) == ""
    assert explorateurs.render(anomalies() | {"defauts": []}) == ""
    assert explorateurs.render(artistes() | {"oeuvres": artistes()["oeuvres"] * 2}) == ""
    out = [work | {"vrai": 4} for work in artistes()["oeuvres"]]
    assert explorateurs.render(artistes() | {"oeuvres": out}) == ""


def test_what_is_no_explorer_is_left_out():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for wrong in (None, 3, "cvae", [], {}, {"genre": "autre"}, {"genre": ["cvae"]}, {"genre": deep}, deep):
        assert explorateurs.render(wrong) == ""


def test_texts_cannot_leave_their_place(tmp_path):
    data = cvae() | {"classes": ["robe", "</script><b>", "pull"]}
    assert "<b>" not in explorateurs.render(data)
    assert explorateurs.render(cvae() | {"classes": ["robe", "sac", "x" * 31]}) == ""


def test_a_page_has_the_scripts_of_its_explorers_only(tmp_path):
    plain = page_of(tmp_path, {}).read_text("utf-8")
    assert "builders" not in plain and ".explorateur" not in plain
    text = page_of(tmp_path, anomalies(), artistes(), anomalies()).read_text("utf-8")
    assert "builders.anomalies" in text and "builders.artistes" in text and "builders.cvae" not in text
    assert text.count('data-genre="anomalies"') == 2 and text.count("builders.anomalies =") == 1
    wrong = page_of(tmp_path, anomalies() | {"seuil": -1}).read_text("utf-8")
    assert "builders" not in wrong and "Une figure." in wrong


def test_a_notebook_cannot_bring_its_own_explorer(tmp_path):
    """What its metadata claims is not shown, nor data without a picture, nor a script in its HTML."""
    forged = '<div class="explorateur" data-genre="cvae"><script>alert(1)</script></div>'
    text = page_of(tmp_path, {}, metadata={"explorateur": forged}).read_text("utf-8")
    assert "alert(1)" not in text and "builders" not in text
    assert explorateurs.of_output({EXPLORER_MIME: cvae()}, {"text/html": "<p>x</p>"}) == ""
    assert explorateurs.of_output({EXPLORER_MIME: cvae()}, {"image/png": "x"}) != ""


def test_a_notebook_shows_the_figure_with_the_data(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "afficher", lambda *bundle: shown.append(bundle))
    figure, _ = figures.new_figure(1)
    figures.explorer(figures.Drawing(figure, "Trois classes."), cvae())
    ((bundle, metadata),) = shown
    assert bundle[EXPLORER_MIME] == cvae() and bundle["text/plain"] == "Trois classes."
    assert metadata["image/png"]["alt"] == "Trois classes." and len(bundle["image/png"]) > 100
    assert explorateurs.of_output(bundle, bundle) != ""


# --- In a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab():
    if browser.chromium() is None:
        pytest.skip("no chromium, chromium-browser or google-chrome here")
    pytest.importorskip("websocket")
    with devtools.chromium() as page:
        yield page


@pytest.fixture
def opened(tab, tmp_path):
    """A function that opens the page of data, and fails in the end if the console said something."""

    def show(*contents: dict, **options):
        tab.errors.clear()
        tab.open(page_of(tmp_path, *contents), ready=READY, **options)
        return tab

    yield show
    assert tab.errors == []


def seen(tab, selector: str) -> bool:
    return tab.value(f"Boolean(document.querySelector('{selector}')?.getClientRects().length)")


def text(tab, selector: str) -> str:
    return tab.value(f"document.querySelector('{selector}').textContent").replace("\u00a0", " ")


def focus(tab, selector: str) -> None:
    tab.value(f"document.querySelector('{selector}').focus()")


def grey(tab, selector: str, x: int = 0, y: int = 0) -> int:
    return tab.value(f"document.querySelector('{selector}').getContext('2d').getImageData({x}, {y}, 1, 1).data[0]")


@pytest.mark.parametrize("kind", KINDS)
class TestEverywhere:
    def test_it_replaces_the_picture_on_a_screen_only(self, opened, kind):
        tab = opened(KINDS[kind]())
        assert seen(tab, ".explorateur form") and not seen(tab, ".figure img")
        tab.call("Emulation.setEmulatedMedia", media="print")
        try:
            assert not seen(tab, ".explorateur form") and seen(tab, ".figure img")
        finally:
            tab.call("Emulation.setEmulatedMedia", media="")

    def test_without_a_script_the_picture_stays(self, tab, kind, tmp_path):
        page = page_of(tmp_path, KINDS[kind]())
        tab.open(page, script=False)
        try:  # questions about the page are no script of the page
            assert seen(tab, ".figure img") and not seen(tab, ".explorateur")
        finally:
            tab.call("Emulation.setScriptExecutionDisabled", value=False)

    @pytest.mark.parametrize("width", [390, 1280])
    def test_nothing_sticks_out(self, opened, kind, width):
        tab = opened(KINDS[kind](), width=width)
        assert tab.value("document.documentElement.scrollWidth") <= width
        sticking = """Array.from(document.querySelectorAll(".explorateur *"))
            .filter((e) => !e.closest("svg") && e.getBoundingClientRect().right > innerWidth)
            .map((e) => e.outerHTML.slice(0, 80))"""
        assert tab.value(sticking) == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_no_fault_of_accessibility(self, opened, kind, scheme):
        tab = opened(KINDS[kind]())
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.value(AXE.read_text("utf-8") + "; 1")
        run = "axe.run('.explorateur').then((r) => r.violations.map((v) => [v.id, v.nodes[0].html.slice(0, 99)]))"
        try:
            assert tab.value(run) == []
        finally:
            tab.call("Emulation.setEmulatedMedia", features=[])

    def test_hostile_texts_are_only_texts(self, opened, kind):
        data = KINDS[kind]()
        for thing in [*data.get("pieces", []), *data.get("oeuvres", [])]:
            thing.update({"nom": HOSTILE} if "nom" in thing else {"noms": [HOSTILE] * 4})
        if kind == "cvae":
            data["classes"] = [HOSTILE] * 3
        tab = opened(data)
        assert HOSTILE in text(tab, ".explorateur")
        assert tab.value("window.pris") is None
        assert tab.value("document.querySelectorAll('.explorateur img').length") == 0


class TestCvae:
    def test_arrow_keys_choose_the_class_and_the_code(self, opened):
        tab = opened(cvae())
        assert text(tab, ".cote-a-cote figure + figure figcaption") == "robe, première direction 0,0 ; seconde 0,0"
        shown = ".cote-a-cote figure + figure canvas"
        assert grey(tab, shown) == 10 + 12  # the middle of 25 images
        focus(tab, ".choix input")
        tab.press("ArrowRight")
        assert text(tab, ".cote-a-cote figure + figure figcaption").startswith("sac, ")
        assert grey(tab, shown) == 10 + 25 + 12
        focus(tab, ".curseur input")
        tab.press("ArrowRight", 2)
        assert grey(tab, shown) == 10 + 25 + 14
        assert tab.value("document.activeElement.getAttribute('aria-valuetext')") == "+2,0 écarts-types"
        focus(tab, ".curseur + .curseur input")
        tab.press("ArrowRight")  # up: the row above
        assert grey(tab, shown) == 10 + 25 + 9

    def test_a_click_on_the_mosaic_moves_both_sliders(self, opened):
        tab = opened(cvae())
        tab.click("canvas.mosaique", x=0.1, y=0.9)
        values = tab.value("Array.from(document.querySelectorAll('.curseurs input'), (input) => input.value)")
        assert values == ["0", "0"]
        assert grey(tab, ".cote-a-cote figure + figure canvas") == 10 + 20
        assert grey(tab, "canvas.mosaique", 4 * 8 + 4, 4) == 10 + 4  # the last tile of the first row

    def test_the_way_between_two_classes(self, opened):
        tab = opened(cvae())
        strip = [f".bande canvas:nth-child({place})" for place in (1, 2, 3, 4)]
        assert [grey(tab, canvas) for canvas in strip] == [10 + 12, 10 + 75, 10 + 76, 10 + 25 + 12]
        focus(tab, "fieldset .curseur input")
        tab.press("End")
        assert text(tab, "fieldset .curseur output") == "0 % robe, 100 % sac"
        tab.press("ArrowLeft")
        assert text(tab, "fieldset .curseur output") == "33 % robe, 67 % sac"
        assert tab.value("document.querySelector('.bande .choisie').getAttribute('aria-label')").startswith("Étape 2")
        focus(tab, ".liste + .liste select")
        tab.press("ArrowDown")  # robe to pull: the second pair
        assert [grey(tab, canvas) for canvas in strip] == [10 + 12, 10 + 77, 10 + 78, 10 + 50 + 12]
        tab.click("fieldset button")
        assert [grey(tab, canvas) for canvas in strip] == [10 + 50 + 12, 10 + 78, 10 + 77, 10 + 12]
        tab.click(".bande canvas:nth-child(1)")
        assert text(tab, "fieldset .curseur output").replace("\u00a0", " ") == "100 % pull, 0 % robe"


class TestAnomalies:
    COUNTS = "Array.from(document.querySelectorAll('.decisions td'), (cell) => cell.textContent).slice(1)"
    POINT = "['cx', 'cy'].map((name) => Number(document.querySelector('.roc .point').getAttribute(name)))"

    def test_the_threshold_of_the_notebook_decides_first(self, opened):
        tab = opened(anomalies())
        assert tab.value(self.COUNTS) == ["2", "1", "1", "3"]
        assert text(tab, ".curseur output") == "2,90 (celui du carnet)"
        assert tab.value(self.POINT) == pytest.approx([200 / 3, 50])
        assert text(tab, ".dit") == (
            "Au seuil 2,90 : 33 % des bonnes pièces rejetées, 75 % des défauts trouvés. "
            "Cette pièce (fissure, score 6,00) est rejetée, à raison."
        )

    def test_keys_move_contour_counts_and_point(self, opened):
        tab = opened(anomalies())
        contour = "document.querySelector('.cote-a-cote canvas').toDataURL()"
        first = tab.value(contour)
        focus(tab, ".curseur input")
        tab.press("Home")
        assert tab.value(self.COUNTS) == ["0", "3", "0", "4"]
        assert tab.value(self.POINT) == [200, 0]
        lowest = tab.value(contour)
        tab.press("End")
        assert tab.value(self.COUNTS) == ["3", "0", "4", "0"]
        assert tab.value(self.POINT) == [0, 200]
        assert "acceptée, à tort" in text(tab, ".dit")
        assert first not in {lowest, tab.value(contour)}  # the map is all above, or all below: no contour
        tab.press("ArrowLeft", 12)  # thresholds are in geometric progression
        assert tab.value(self.COUNTS)[3] == "1"
        tab.click(".curseurs button")
        assert tab.value(self.COUNTS) == ["2", "1", "1", "3"]
        assert tab.value(contour) == first

    def test_the_contour_is_where_the_map_crosses_the_threshold(self, opened):
        """The map falls from 5 to 1 between columns 3 and 4 of 8: at 2.9, near the middle of 32 dots."""
        tab = opened(anomalies())
        row = """(() => {
          const canvas = document.querySelector('.cote-a-cote canvas');
          const dots = canvas.getContext('2d').getImageData(0, 3, canvas.width, 1).data, found = [];
          for (let x = 0; x < canvas.width; x++) {
            if (dots[4 * x] > 240 && dots[4 * x + 1] < 70 && dots[4 * x + 2] > 190) found.push(x);
          }
          return found;
        })()"""
        assert [x for x in tab.value(row) if 28 <= x <= 36] != []

    def test_arrow_keys_choose_the_part(self, opened):
        tab = opened(anomalies())
        focus(tab, ".choix input")
        tab.press("ArrowRight")
        assert "(trou, score 2,50) est acceptée, à tort" in text(tab, ".dit")
        tab.press("ArrowRight")
        assert "(bonne, score 3,00) est rejetée, à tort" in text(tab, ".dit")
        tab.click(".choix")
        assert "fissure" in text(tab, ".dit")


class TestArtistes:
    def test_a_click_is_an_answer_and_tells_that_of_the_network(self, opened):
        tab = opened(artistes())
        picture = "document.querySelector('canvas').toDataURL()"
        before = tab.value(picture)
        assert "%" not in text(tab, ".noms")
        assert tab.value("document.querySelector('.reponse > button').disabled")
        tab.click(".noms button:nth-child(1)")
        assert text(tab, ".dit") == "Non, c'est Bé. Le réseau, lui, l'a reconnu : Bé (60 %)."
        assert text(tab, ".noms .vrai") == "Bé60 % · ✓ le peintre · réponse du réseau"
        assert tab.value(picture) != before  # where it looked
        tab.click(".reponse > button")
        assert tab.value(picture) == before
        tab.click(".noms button:nth-child(2)")  # too late
        assert text(tab, ".dit").startswith("Non")
        assert text(tab, ".options .dit") == "Sur 1 œuvre : vous 0, le réseau 1."

    def test_it_is_played_with_the_keyboard_alone(self, opened):
        tab = opened(artistes())
        focus(tab, ".noms button:nth-child(2)")
        tab.press("Enter")
        assert text(tab, ".dit").startswith("Bravo, c'est Bé. Le réseau a trouvé aussi")
        focus(tab, ".options button:nth-child(2)")
        tab.press(" ")
        assert text(tab, ".titre") == "Œuvre 2 sur 2"
        assert text(tab, ".dit") == "Qui a peint cette œuvre ?"
        focus(tab, ".noms button")
        tab.press("Enter")
        assert text(tab, ".dit") == "Bravo, c'est Dora. Le réseau s'est trompé : il nomme Bé (60 %)."
        assert text(tab, ".options .dit") == "Sur 2 œuvres : vous 2, le réseau 1."
        focus(tab, ".options button:nth-child(3)")
        tab.press("Enter")
        assert text(tab, ".titre") == "Œuvre 1 sur 2" and text(tab, ".options .dit") == ""


def test_two_explorers_of_a_page_do_not_meet(opened):
    """Their radio buttons have groups of their own."""
    tab = opened(anomalies(), anomalies())
    tab.wait("document.querySelectorAll('.explorateur.pret').length === 2")
    tab.value("document.querySelectorAll('.explorateur')[1].querySelectorAll('.choix input')[2].click()")
    checked = "Array.from(document.querySelectorAll('.choix :checked'), (input) => input.value)"
    assert tab.value(checked) == ["0", "2"]
