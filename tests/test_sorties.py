"""Outputs of cells in a page: closed on themselves, as large as asked, and said when they can't be shown."""

from __future__ import annotations

import base64
import io
import json
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from atelier import fragments, notebooks, sorties
from atelier.__main__ import main
from atelier.export import export_notebook
from commun.notebook import read_notebook


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> str:
    stream = io.BytesIO()
    Image.new("RGB", size, "navy").save(stream, kind)
    return base64.b64encode(stream.getvalue()).decode("ascii")


PNG = picture()
PLOTLY, WIDGET = "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"
AFTER = [
    new_markdown_cell("## La suite\n\nDu texte après."),
    new_code_cell("print('fin')", outputs=[new_output("stream", text="fin\n")]),
]


def display(metadata=None, /, **data):
    kinds = {"html": "text/html", "plain": "text/plain", "markdown": "text/markdown"}
    kinds |= {"png": "image/png", "svg": "image/svg+xml"}
    return new_output("display_data", data={kinds.get(k, k): v for k, v in data.items()}, metadata=metadata or {})


@pytest.fixture
def page(tmp_path):
    """Exports a notebook whose first cell has some outputs; returns the page."""

    def export(*outputs, after=(), metadata=None):
        cells = [new_markdown_cell("# Titre"), new_code_cell("x", outputs=list(outputs)), *after]
        path = tmp_path / "carnet.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata=metadata or {}), path)
        export_notebook(path, tmp_path / "carnet.html")
        return BeautifulSoup((tmp_path / "carnet.html").read_text(encoding="utf-8"), "html.parser")

    return export


def shown(soup):
    """Returns the outputs of the first cell as text."""
    cell = soup.select_one("#cellule-1")
    for code in cell.select(".code"):
        code.decompose()
    return cell.get_text().replace("\u00a0", " ").strip()


# --- What needs a script, or another file ----------------------------------------------------------------------------

SCRIPT = "<script>Plotly.newPlot('p', [{y: [1, 3]}])</script>"
ALTAIR = (
    '<style>#altair-viz-1.vega-embed { width: 100% }</style><div id="altair-viz-1"></div>'
    "<script>(function(spec){})({});</script>"
)
ANIMATION = """<script>function Animation() {}</script><style>.anim-buttons{margin:auto}</style>
<div class="animation"><img id="_anim_img1"><div class="anim-controls"><input id="s1" type="range" class="anim-slider">
<div class="anim-buttons"><button title="Play" onclick="a.play()"><i class="fa fa-play"></i></button></div>
<form class="anim-state"><input type="radio" id="l1"><label for="l1">Once</label></form></div></div>
<script>new Animation()</script>"""


NEEDS = "non incluse : elle demande un script"
OBJECT = "<IPython.core.display.HTML object>"
PLOTLY_DIV = f'<div><div id="p" class="plotly-graph-div" style="height:400px"></div>{SCRIPT}</div>'
REMOTE_DIV = f'<div><script src="https://cdn.plot.ly/p.js"></script><div id="p"></div>{SCRIPT}</div>'
FILM = '<video src="film.mp4" controls>Your browser does not support the <code>video</code> element.</video>'
BAR, BOX = "  0%|          | 0/10 [00:00<?, ?it/s]", "HBox(children=(IntProgress(value=0, max=10), HTML(value='')))"
ABSENT = [
    ({PLOTLY: {"data": []}, "html": PLOTLY_DIV}, f"Figure interactive (Plotly) {NEEDS}"),
    ({"html": REMOTE_DIV, "plain": "Figure({'data': []})"}, f"Figure interactive {NEEDS}"),
    ({"html": ALTAIR, "plain": "alt.Chart(...)"}, f"Figure interactive {NEEDS}"),
    ({"application/vnd.vegalite.v5+json": {}, "plain": "<V 5 object>\n\nIf"}, f"Figure interactive (Altair) {NEEDS}"),
    ({"application/vnd.bokehjs_exec.v0+json": ""}, f"Figure interactive (Bokeh) {NEEDS}"),
    ({"application/javascript": "alert(1)", "plain": OBJECT}, f"Sortie d'un script {NEEDS}"),
    ({"html": "<script>code_show = true</script>", "plain": OBJECT}, f"Sortie interactive {NEEDS}"),
    ({"html": ANIMATION, "plain": OBJECT}, f"Figure interactive {NEEDS}"),
    ({"html": "<canvas id='c' width='300'></canvas><script>dessine()</script>"}, f"Figure interactive {NEEDS}"),
    ({"html": '<iframe width="700" src="rapport.html"></iframe>'}, "Cadre non inclus : rapport.html"),
    ({"html": '<iframe srcdoc="&lt;p&gt;Profil&lt;/p&gt;"></iframe>'}, "Cadre non inclus : le rapport ne montre que"),
    ({"html": FILM, "plain": OBJECT}, "Vidéo non incluse : film.mp4"),
    ({"html": '<audio controls><source src="son.wav" type="audio/wav"/></audio>'}, "Son non inclus : son.wav"),
    ({"html": '<object data="a.pdf" type="application/pdf"></object>'}, "Document non inclus : a.pdf"),
    ({"application/pdf": "JVBERi0=", "plain": OBJECT}, "Sortie non incluse : une page ne montre pas"),
    ({WIDGET: {"model_id": "a"}}, "Élément interactif (widget) non inclus : il demande un script"),
    ({WIDGET: {"model_id": "a"}, "plain": "IntSlider(value=5)"}, "Élément interactif (widget) non inclus"),
    ({WIDGET: {"model_id": "a"}, "plain": BAR}, "Barre de progression non incluse"),
    ({WIDGET: {"model_id": "a"}, "plain": BOX}, "Barre de progression non incluse"),
    ({"png": "pas une image"}, "Image non incluse : elle est illisible"),
]


@pytest.mark.parametrize(("data", "mention"), ABSENT)
def test_what_a_page_cannot_show_leaves_a_mention_with_the_reason(page, data, mention):
    soup = page(display(**data))
    text = shown(soup)
    assert mention in text
    assert len(soup.select("#cellule-1 .absente")) == 1
    for junk in ("HBox", "0%|", "Chart(", "Figure({", "object", "Once", "browser", "IntSlider"):
        assert junk not in text.replace("(widget)", "")
    assert not soup.select("main script, main iframe, main object, main video, main audio, main form, main [onclick]")


def test_a_still_picture_is_better_than_a_mention(page):
    soup = page(display(html=f'<div id="p"></div>{SCRIPT}', png=PNG, plain="courbe", **{PLOTLY: {}}))
    assert soup.select_one("#cellule-1 img")["alt"] == "courbe"
    assert not soup.select(".absente")


def test_text_beside_a_figure_that_is_missing_stays(page):
    text = shown(page(display(html=f'<p>Deux <b>mots</b></p><div id="p"></div>{SCRIPT}<p>et la suite</p>')))
    assert re.search(r"Deux mots\s*Figure interactive non incluse.*\s*et la suite", text)


def test_films_and_sounds_of_the_notebook_stay(page):
    film = '<video controls loop><source type="video/mp4" src="data:video/mp4;base64,AAAA">Your browser</video>'
    sound = '<audio controls="controls"><source src="data:audio/wav;base64,AAAA" type="audio/wav" />No</audio>'
    soup = page(display(html=film), display(html=sound))
    assert [source["src"] for source in soup.select("video > source, audio > source")] == [
        "data:video/mp4;base64,AAAA",
        "data:audio/wav;base64,AAAA",
    ]
    assert shown(soup) == ""


def test_nothing_is_said_of_what_shows_nothing(page):
    assert shown(page(display(html="<style>.container { width: 90% }</style>", plain=OBJECT))) == ""


def test_the_last_state_of_a_bar_of_tqdm_is_shown_where_the_notebook_kept_it(page):
    def model(name, **state):
        return {"model_name": name, "state": state}

    states = {
        "boite": model("HBoxModel", children=["IPY_MODEL_a", "IPY_MODEL_b", "IPY_MODEL_c"]),
        "a": model("HTMLModel", value="époque : 100%"),
        "b": model("FloatProgressModel", value=10.0, max=10.0),
        "c": model("HTMLModel", value=" 10/10 [00:01&lt;00:00, 9.9it/s]"),
    }
    metadata = {"widgets": {sorties.WIDGET_STATES: {"state": states, "version_major": 2, "version_minor": 0}}}
    soup = page(display(plain="  0%|  | 0/10", **{WIDGET: {"model_id": "boite"}}), metadata=metadata)
    assert shown(soup) == "époque : 100%|██████████| 10/10 [00:01<00:00, 9.9it/s]"


def test_values_of_kinds_that_a_page_does_not_know_keep_their_text(page):
    colab = {"application/vnd.google.colaboratory.intrinsic+json": {"type": "string"}}
    soup = page(
        display(plain="'Bonjour'", **colab),
        display(plain="<IPython.core.display.JSON object>", **{"application/json": {"perte": [0.5]}}),
        display(plain="<une.Chose at 0x7f>"),
        display(**{"image/gif": picture("GIF")}),
    )
    assert [pre.get_text().split() for pre in soup.select("#cellule-1 pre.flux")] == [
        ["'Bonjour'"], ["{", '"perte":', "[", "0.5", "]", "}"], ["<une.Chose", "at", "0x7f>"]
    ]  # fmt: skip
    assert soup.select_one("#cellule-1 img")["src"].startswith("data:image/gif;base64,R0lG")


# --- HTML that would harm the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["html", "markdown"])
@pytest.mark.parametrize(
    "source",
    [
        "mot <script>if (a < b) {",
        "mot <div><table><tr><td>case",
        "mot <b><i><a href='x'>",
        "mot </div></div></main></body></html>",
        "mot <style>p { display: none",
        "mot <!-- sans fin",
        "mot <textarea>",
        "mot <svg><title>",
        "mot <select><option>",
        "mot <details><summary>",
        "mot <iframe src='a'>",
        "mot <template><p>",
        'mot <p title="sans fin',
        "mot <plaintext>",
        "mot <math><mi>",
        "mot <base href='https://exemple.org/'><meta http-equiv='refresh' content='0;url=https://exemple.org'>",
    ],
)
def test_what_an_output_leaves_open_stays_in_it(page, kind, source):
    soup = page(display(**{kind: source}), after=AFTER)
    assert shown(soup).startswith("mot") or source.startswith("mot <p title")
    assert [h.get_text() for h in soup.select("main > .texte > h2")] == ["La suite"]
    assert soup.select_one("main > #cellule-2 > pre.flux").get_text() == "fin\n"
    assert soup.select_one("body > .page > main")
    assert len(soup.select("script")) == 1
    assert not soup.select("base, meta[http-equiv=refresh]")
    assert not soup.select("main style:not(.html style, .texte style)")


@pytest.mark.parametrize(
    ("css", "scoped"),
    [
        ("p { color: red }", ".r p { color: red }"),
        ("* {x: y} td, th > .a{c:d}", ".r * {x: y}\n.r td, .r th > .a {c:d}"),
        ("body.sombre p, :root {--x: 1}", ".r .sombre p, .r {--x: 1}"),
        ("html, body { display: none }", ".r, .r { display: none }"),
        ("htmlx{a:b}", ".r htmlx {a:b}"),
        (":is(p, a):hover {c: d}", ".r :is(p, a):hover {c: d}"),
        ("@media (width < 9em) { p {a:b} }", "@media (width < 9em) {.r p {a:b}}"),
        ("@import url(https://x.org); @font-face {src: url(x)} p{a:b}", ".r p {a:b}"),
        ("} p{a:b}", ""),
        ("p{a:b", ".r p {a:b}"),
        ("@keyframes k {from {a: b}}", "@keyframes k {from {a: b}}"),
    ],
)
def test_a_style_sheet_holds_for_its_output_only(css, scoped):
    assert fragments.scoped(css, ".r") == scoped


def test_a_style_sheet_cannot_close_its_element():
    assert "</" not in fragments.scoped("p { content: '\\3c/style><script>' }", ".r")


def test_what_moves_out_of_its_place_is_kept_in_its_box():
    for source in (
        '<div style="position: fixed; inset: 0">x</div>',
        "<style>div { position:absolute }</style><div>x</div>",
        "<p style='margin-top: -500px'>x</p>",
    ):
        assert "contain: layout paint" in fragments.safe(source).html
    assert "contain" not in fragments.safe('<p style="background-position: 0; text-transform: none">x</p>').html


def test_identifiers_of_the_page_are_its_own():
    cleaned = fragments.safe('<p id="contenu">a</p><p id="cellule-2">b</p><p id="T_ab">c</p>').html
    assert cleaned == '<p>a</p><p>b</p><p id="T_ab">c</p>'


def test_no_event_nor_script_address_is_left():
    cleaned = fragments.safe('<a href="javascript:x()" onclick="y()">a</a><a href="data:text/html,z">b</a>').html
    assert cleaned == "<a>a</a><a>b</a>"


# --- HTML that is shown as it is -------------------------------------------------------------------------------------

OURS = [
    (f"{path.parent.name}/{path.stem}", "".join(output["data"]["text/html"]))
    for project in notebooks.projects()
    for path in notebooks.notebooks(project)
    for cell in read_notebook(path)["cells"]
    for output in cell.get("outputs", [])
    if "text/html" in output.get("data", {})
]


def test_our_tables_sources_and_cards_are_kept_exactly():
    assert len(OURS) > 30
    for name, source in OURS:
        fragment = fragments.safe(source)
        assert fragment.whole, name
        assert str(BeautifulSoup(fragment.html, "html.parser")) == str(BeautifulSoup(source, "html.parser")), name


def test_a_styled_frame_keeps_its_colours():
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 0.25]})
    source = frame.style.background_gradient(axis=None).set_caption("Légende")._repr_html_()
    fragment = fragments.safe(source)
    soup, original = (BeautifulSoup(text, "html.parser") for text in (fragment.html, source))
    assert str(soup.table) == str(original.table)
    rules = re.findall(r"#T_\w+ \{[^}]*\}", original.style.string)
    assert len(rules) == 4
    root = soup.div["class"][0]
    assert all(f".{root} {rule}" in soup.style.string for rule in rules)


def test_a_diagram_of_scikit_learn_keeps_its_boxes():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fragment = fragments.safe(make_pipeline(StandardScaler(), LogisticRegression())._repr_html_())
    soup = BeautifulSoup(fragment.html, "html.parser")
    assert fragment.whole
    boxes = soup.select("input[type=checkbox]")
    assert len(boxes) == 3
    assert {label["for"] for label in soup.select("label")} == {box["id"] for box in boxes}


def test_a_drawing_within_html_stays():
    drawing = (
        '<svg viewBox="0 0 9 9" width="90"><defs><linearGradient id="g"><stop offset="0"/></linearGradient></defs>'
        '<rect fill="url(#g)" width="9" height="9"/><text x="1" y="2">mot</text></svg>'
    )
    fragment = fragments.safe(f"<div>{drawing}</div>")
    assert 'viewBox="0 0 9 9"' in fragment.html and "<linearGradient" in fragment.html and "mot" in fragment.html


def test_a_formula_of_an_output_stays(page):
    soup = page(display(markdown="Soit $\\frac{a}{b}$ et\n\n$$\\sum_i x_i$$"), display(**{"text/latex": "$x^2$"}))
    assert len(soup.select("#cellule-1 math")) == 3
    assert soup.select_one("#cellule-1 mfrac") and soup.select_one("#cellule-1 math[display=block]")


def figure_of_matplotlib() -> str:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1.5))
    figure.subplots().plot([1, 3, 2])
    stream = io.StringIO()
    figure.savefig(stream, format="svg")
    return stream.getvalue()


def test_a_figure_of_matplotlib_is_part_of_the_page_and_its_style_its_own(page):
    source = figure_of_matplotlib()
    soup = page(display(svg=source, plain="Une courbe"), display(svg=source, plain="Une courbe"))
    drawings = soup.select("#cellule-1 .figure > svg")
    assert len(drawings) == 2
    assert [drawing.title.string for drawing in drawings] == ["Une courbe"] * 2
    assert all(len(drawing.select("path")) == source.count("<path") for drawing in drawings)
    assert "*{stroke-linejoin" in source.replace(" ", "").replace("\n", "")
    for drawing in drawings:
        rules = drawing.style.string.strip().split("}")[:-1]
        assert all(rule.strip().startswith(f"#{drawing['id']} ") for rule in rules)
    identifiers = [element["id"] for element in soup.select("[id]")]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(
    "svg",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'><rect width='1'>",
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg' onload='x()'><rect/></svg>",
        "<svg xmlns='http://www.w3.org/2000/svg'><foreignObject><div></foreignObject></svg>",
        "pas de svg",
    ],
)
def test_a_drawing_that_could_touch_the_page_is_a_picture(page, svg):
    soup = page(display(svg=svg, plain="Un dessin"), after=AFTER)
    image = soup.select_one("#cellule-1 img")
    assert image["alt"] == "Un dessin"
    assert base64.b64decode(image["src"].split(",")[1]).decode() == svg
    assert soup.select_one("main > #cellule-2")


# --- Sizes and bounds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "attributes"),
    [
        ({"width": 400, "height": 300}, {"width": "400", "height": "300"}),
        ({"width": "200"}, {"width": "200"}),
        ({"width": 320.5}, {"width": "320"}),
        ({"width": "50%", "height": None}, {}),
        ({"width": '1" onload="x'}, {}),
        ({"width": 0}, {}),
        ("abîmé", {}),
    ],
)
@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_a_picture_has_the_size_that_its_cell_asked_for(page, kind, metadata, attributes):
    data = picture(kind.removeprefix("image/").upper())
    soup = page(display({kind: metadata}, **{kind: data, "plain": "Une image"}))
    found = soup.select_one("#cellule-1 img").attrs
    assert {name: found[name] for name in ("width", "height") if name in found} == attributes
    assert found["alt"] == "Une image"


def test_a_cell_with_many_outputs_shows_the_first_and_the_last(page):
    outputs = [new_output("stream", name=("stdout", "stderr")[i % 2], text=f"ligne {i}\n") for i in range(1000)]
    soup = page(*outputs)
    lines = shown(soup).splitlines()
    assert lines[0] == "ligne 0" and lines[-1] == "ligne 999"
    assert soup.select_one(".absente").get_text() == "600 sorties de cette cellule ne sont pas montrées."


def test_a_table_without_end_is_said(page):
    rows = "<tr><td>1,5</td></tr>" * (sorties.MAX_HTML // 20)
    assert "Sortie non incluse : son HTML compte 2 millions" in shown(page(display(html=f"<table>{rows}</table>")))


def test_a_long_text_is_shortened_in_every_kind_of_output(page):
    text = "".join(f"ligne {i}\n" for i in range(9000))
    error = new_output("error", ename="ValueError", evalue="trop", traceback=text.splitlines())
    soup = page(new_output("stream", text=text), display(plain=text), error)
    for pre in soup.select("#cellule-1 > pre, .erreur pre"):
        assert pre.get_text().startswith("ligne 0\n") and "ligne 8999" in pre.get_text()
        assert "7\u202f000 lignes ne sont pas montrées" in pre.get_text()
    assert len(soup.select("#cellule-1 > pre, .erreur pre")) == 3


def test_the_pieces_of_a_stream_are_one_text(page):
    pieces = ["\r  0%|     |", "\r 50%|##   |", "\r100%|#####|", "\nfin\n"]
    soup = page(*[new_output("stream", name="stderr", text=piece) for piece in pieces])
    assert soup.select_one("#cellule-1 > pre").get_text() == "100%|#####|\nfin\n"


def test_exporting_says_nothing_in_english(page, tmp_path, capfd):
    page(
        display(html="<img src='data:image/png;base64,AA=='>"),
        display(**{WIDGET: {"model_id": "a"}}),
        display(**{"application/x-inconnu": "1"}),
    )
    capfd.readouterr()
    assert main(["exporter", str(tmp_path / "carnet.ipynb")]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    assert printed.out == f"{tmp_path / 'carnet.html'}\n"


def test_the_same_notebook_gives_the_same_page(page):
    outputs = [display(svg=figure_of_matplotlib()), display(html="<style>p{a:b}</style><p>x</p>")]
    assert str(page(*json.loads(json.dumps(outputs), object_hook=nbformat.from_dict))) == str(page(*outputs))
