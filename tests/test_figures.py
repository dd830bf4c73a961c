"""Figures: French numbers and sentences, alternative texts, places that are updated, drawings."""

from __future__ import annotations

import base64
import io
import re
import sys
from xml.etree import ElementTree

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from commun import figures
from commun.figures import NBSP, THIN, Drawing, duration, number, percent, phrase

# --- French numbers and sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.1234, None, "0,123"),
        (12.345, 1, "12,3"),
        (234.567, None, "234,57"),
        (7, None, "7"),
        (7.0, None, "7"),
        (7, 2, "7,00"),
        (1234.6, None, f"1{THIN}235"),
        (1234567, None, f"1{THIN}234{THIN}567"),
        (1234.5, 2, f"1{THIN}234,50"),
        (-1234.5, 1, f"−1{THIN}234,5"),
        (-0.5, None, "−0,500"),
        (-0.0004, 2, "0,00"),  # never minus zero
        (-0.0, None, "0"),
        (np.float32(0.5), 1, "0,5"),
        (np.int64(60000), None, f"60{THIN}000"),
        (float("nan"), None, "indéfini"),
        (float("inf"), 2, "indéfini"),
    ],
)
def test_number(value, decimals, expected):
    assert number(value, decimals) == expected


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0.1234, 1, f"12,3{NBSP}%"),
        (1, 0, f"100{NBSP}%"),
        (-0.0512, 2, f"−5,12{NBSP}%"),
        (12.5, 0, f"1{THIN}250{NBSP}%"),
        (float("nan"), 1, "indéfini"),
    ],
)
def test_percent(value, decimals, expected):
    assert percent(value, decimals) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (12.4, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (90061, "25 h 01 min"),
    ],
)
def test_duration(seconds, expected):
    assert duration(seconds) == expected.replace(" ", NBSP)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{p:pourcent}", f"25,6{NBSP}%"),
        ("{p:pourcent.2}", f"25,55{NBSP}%"),
        ("{p:pourcent.0}", f"26{NBSP}%"),
        ("{x:.1f} nats", "234,6 nats"),
        ("{n} images", f"60{THIN}000 images"),
        ("{n:.0f}", f"60{THIN}000"),
        ("{t:duree}", f"1{NBSP}min{NBSP}30{NBSP}s"),
        ("{nom}, {vrai}", "été, True"),
        ("{nom:>5}|", "  été|"),
        ("{nom!r}", "'été'"),
        ("$\\frac{{a}}{{b}}$", "$\\frac{a}{b}$"),
        ("{vide:.1f}", "indéfini"),
    ],
)
def test_phrase(template, expected):
    values = {"p": 0.2555, "x": np.float64(234.56), "n": 60000, "t": 90, "nom": "été", "vrai": True}
    assert phrase(template, values, vide=np.nan) == expected


def test_phrase_removes_the_indentation_of_lists():
    assert phrase("\n    - {a}\n      suite\n    - b\n    ", a=1) == "- 1\n  suite\n- b"


def test_phrase_refuses_a_missing_value_and_prefers_the_keyword():
    with pytest.raises(KeyError):
        phrase("{absent}", {"present": 1})
    assert phrase("{a}", {"a": 1}, a=2) == "2"


# --- Showing, in a real shell ----------------------------------------------------------------------------------------


@pytest.fixture
def shell(ipython):
    """Runs a function in a fresh IPython shell of this process; returns its rich outputs."""
    from IPython.utils.capture import capture_output

    def run(function, *arguments, **options):
        with capture_output() as captured:
            function(*arguments, **options)
        return captured.outputs

    return run


def curve(alt="a", format="png"):
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.5], "val_loss": [3.0, 2.5, 2.25]})
    return Drawing(figures.plot_history(history, title="Perte < à l'été", unit="nats").figure, alt, format)


def test_dire_shows_markdown(shell):
    (output,) = shell(figures.dire, "**{x:.1f}** nats", x=1.25)
    assert output.data == {"text/markdown": "**1,2** nats", "text/plain": "**1,2** nats"}


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_alternative_text_is_refused(alt):
    with pytest.raises(ValueError, match="alternative text"):
        curve(alt)


def test_a_figure_in_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="unknown format: gif"):
        curve(format="gif")


def test_a_vector_figure_carries_its_escaped_alternative_text(shell):
    alt = 'La perte baisse < 2 & "vite" en été'
    (output,) = shell(figures.montrer, curve(alt, "svg"))
    assert set(output.data) == {"image/svg+xml", "text/plain"}
    assert output.data["text/plain"] == alt
    root = ElementTree.fromstring(output.data["image/svg+xml"])
    assert root.tag.endswith("}svg")
    assert root.get("role") == "img"
    assert root[0].tag.endswith("}title")
    assert root[0].text == alt


def test_vector_figures_hold_no_date_and_are_the_same_at_each_run(shell):
    first, second = (shell(figures.montrer, curve(format="svg"))[0].data["image/svg+xml"] for _ in "ab")
    assert first == second
    assert "<dc:date" not in first
    assert "creator" not in first.lower()
    assert "matplotlib" not in first.lower().replace("matplotlib.axis", "")


def test_a_picture_carries_its_alternative_text_in_its_metadata(shell):
    outputs = [shell(figures.montrer, curve('Une "courbe"'))[0] for _ in "ab"]
    assert outputs[0].metadata == {"image/png": {"alt": 'Une "courbe"'}}
    assert outputs[0].data == outputs[1].data
    assert outputs[0].data["text/plain"] == 'Une "courbe"'
    picture = Image.open(io.BytesIO(base64.b64decode(outputs[0].data["image/png"])))
    assert (picture.format, picture.width) == ("PNG", round(100 * figures.WIDTH))
    assert "Software" not in picture.info


def test_a_photograph_is_a_light_jpeg_with_its_alternative_text(shell):
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype="uint8")
    png, jpeg = (
        shell(figures.montrer, Drawing(figures.image_grid(noise), "bruit", format))[0] for format in ("png", "jpeg")
    )
    assert jpeg.metadata == {"image/jpeg": {"alt": "bruit"}}
    picture = Image.open(io.BytesIO(base64.b64decode(jpeg.data["image/jpeg"])))
    assert picture.format == "JPEG"
    assert picture.size == Image.open(io.BytesIO(base64.b64decode(png.data["image/png"]))).size


def test_a_table_has_a_caption_and_french_numbers(shell):
    table = pd.DataFrame(
        {"mesure": ["a<b", "x" * 90], "valeur": [0.12345, np.nan], "nombre": [3, 4], "note": [None, "é"]},
        index=["un", "deux"],
    )
    (output,) = shell(figures.tableau, table, legende="Les <mesures>", decimals=2)
    page = output.data["text/html"]
    assert page.count("<caption>Les &lt;mesures&gt;</caption>") == 1
    assert page.index("<table") < page.index("<caption>") < page.index("<thead>")
    cells = re.findall(r"<td>(.*?)</td>", page)
    assert cells == ["a&lt;b", "0,12", "3", "–", "x" * 90, "–", "4", "é"]
    assert "<th>deux</th>" in page
    assert output.data["text/plain"].startswith("Les <mesures>\n")
    assert "0,12" in output.data["text/plain"]
    assert table["valeur"].iloc[0] == 0.12345  # the caller's table is left as it was


def test_a_table_without_its_index(shell):
    table = pd.DataFrame({"a": range(80)}, index=[f"ligne{i}" for i in range(80)])
    (output,) = shell(figures.tableau, table, legende="L", index=False)
    assert "ligne" not in output.data["text/html"] + output.data["text/plain"]
    assert output.data["text/html"].count("<tr") == 81  # every row is there


def test_only_a_sortable_table_says_that_it_is(shell):
    table = pd.DataFrame({"a": [0.5]})
    plain, sortable = (
        shell(figures.tableau, table, legende="L", **options)[0].data["text/html"]
        for options in ({}, {"triable": True})
    )
    assert re.search(r'<table[^>]*class="[^"]*\btriable\b', sortable) and "triable" not in plain


def test_code_shows_several_sources(shell):
    first, second = shell(figures.code, figures.percent, figures.duration)
    assert (first.data["text/plain"].split("(")[0], second.data["text/plain"].split("(")[0]) == (
        "def percent",
        "def duration",
    )


def test_code_shows_the_source_that_runs(shell):
    (output,) = shell(figures.code, figures.percent)
    assert output.data["text/plain"].startswith("def percent(value: float, decimals: int = 1) -> str:\n")
    assert "Source de commun.figures.percent" in output.data["text/html"]
    assert "<script" not in output.data["text/html"]
    (output,) = shell(figures.code, figures.Slot.text)
    assert output.data["text/plain"].startswith("def text(self")  # a method loses its indentation


# --- Places that are updated -----------------------------------------------------------------------------------------


def test_a_slot_in_a_file_prints_lines(capsys):
    slot = figures.Slot()
    slot.text("un")
    slot.figure(curve("deux"))
    assert capsys.readouterr().out == "un\ndeux\n"


def test_a_slot_in_an_ipython_terminal_prints_lines(shell, capsys):
    """Such a shell cannot update what it displayed."""
    slot = figures.Slot()
    slot.text("un")
    assert capsys.readouterr().out == "un\n"


def test_a_slot_in_a_terminal_rewrites_its_line(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    slot = figures.Slot()
    slot.text("un")
    slot.text("deux")
    slot.figure(curve("trois"))
    assert terminal.getvalue() == "\r\x1b[Kun\r\x1b[Kdeux\r\x1b[Ktrois\n"


TRAINING = """
import sys
from unittest.mock import MagicMock
keras = MagicMock(__version__="3.15.0")  # nothing is trained here: its import would take seconds
keras.utils.PyDataset = object
sys.modules["keras"] = keras
from commun import training

class Network:
    variables, optimizer = [], type("Optimizer", (), {"built": True})

training.train_one_epoch = lambda model, batches: {"loss": 2.5}
run = training.train(training.Budget(epochs=4), build=lambda config: Network(), batches=lambda epoch: (),
                     measure=lambda model: {"val_loss": 3.5}, title="Petit réseau", unit="nats")
"""


def test_a_training_leaves_one_output_in_a_notebook():
    """Through a real kernel: each epoch updates the same output, which ends as the learning curves."""
    slots = "from commun import figures\nslot = figures.Slot()\nslot.text('un')\nslot.text('deux')"
    notebook = new_notebook(cells=[new_code_cell(slots), new_code_cell(TRAINING)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (line,) = notebook.cells[0].outputs
    assert (line.output_type, line.data) == ("display_data", {"text/plain": "deux"})
    (curves,) = [output for output in notebook.cells[1].outputs if output.get("name") != "stderr"]
    assert curves.output_type == "display_data"
    assert set(curves.data) == {"image/svg+xml", "text/plain"}
    assert re.match(
        rf"Petit réseau : 4 époques en .* perte 2,50{NBSP}nats, perte de validation 3,50{NBSP}nats\.$",
        curves.data["text/plain"],
    )
    assert "époque 0/4" not in nbformat.writes(notebook)


# --- Drawings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kept", [0, 5])
def test_a_training_that_diverges_still_has_its_curves(bad, kept):
    history = pd.DataFrame({"epoch": range(1, 11), "loss": [2.0] * kept + [bad] * (10 - kept)})
    drawing = figures.plot_history(history, title="Diverge")
    drawing.figure.savefig(io.BytesIO(), format="svg")
    assert all(np.isfinite(drawing.figure.axes[0].get_ylim()))
    assert drawing.alt.endswith("à la fin, perte indéfini.")


def test_a_loss_that_falls_far_is_drawn_whole_on_a_logarithmic_scale():
    history = pd.DataFrame({"epoch": range(1, 9), "loss": [900, 20, 15, 12, 11, 10, 10, 10]})
    axes = figures.plot_history(history, title="t").figure.axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log" and low < 10 and high > 900


@pytest.mark.parametrize("losses", [[2.4, 1.7, 1.4, 1.2, 1.1], [300, 250, 241, 240, 240], [9, 1, 0, 0, 0]])
def test_any_other_loss_is_drawn_whole_on_a_plain_scale(losses):
    history = pd.DataFrame({"epoch": range(1, 6), "loss": losses, "val_loss": losses})
    axes = figures.plot_history(history, title="t").figure.axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "linear" and low <= min(losses) and high >= max(losses)


def test_the_text_of_learning_curves_counts_epochs_and_time():
    one = pd.DataFrame({"epoch": [1], "loss": [2.0]})
    assert figures.plot_history(one, title="T").alt == "T : 1 époque ; à la fin, perte 2."
    two = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.25], "seconds": [10.0, 20.4]})
    assert figures.plot_history(two, title="T", unit="nats").alt == (
        f"T : 2 époques en 30{NBSP}s ; à la fin, perte 1,25{NBSP}nats."
    )


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (6, 3, 2), (7, 3, 3)])
def test_image_grid_has_a_place_for_each_image(count, columns, rows):
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 6, 1)).astype("uint8")
    captions = [f"image {i}" for i in range(count)]
    figure = figures.image_grid(images, captions, columns=columns, title="Titre")
    assert len(figure.axes) == rows * columns
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == count
    for axes, image, caption in zip(shown, images, captions, strict=True):
        assert np.array_equal(axes.images[0].get_array(), image[..., 0])
        assert axes.get_xlabel() == caption
        assert not len(axes.get_xticks()) and not len(axes.get_yticks())
    assert figure.get_figwidth() == figures.WIDTH
    assert figure._suptitle.get_text() == "Titre"


def test_image_grid_puts_all_images_on_one_scale_unless_asked():
    images = np.stack([np.full((4, 4), 10.0), np.linspace(20, 60, 16).reshape(4, 4)])
    for limits, expected in (((0, 255), [(0, 255)] * 2), ((0, 1), [(0, 1)] * 2), (None, [(10, 10), (20, 60)])):
        figure = figures.image_grid(images, columns=2, limits=limits)
        assert [axes.images[0].get_clim() for axes in figure.axes] == expected


def test_image_grid_is_as_high_as_its_rows():
    square, tall = np.zeros((4, 10, 10)), np.zeros((4, 20, 10))
    height = figures.image_grid(square, columns=2).get_figheight()
    assert figures.image_grid(tall, columns=2).get_figheight() == pytest.approx(2 * height, rel=0.02)
    assert figures.image_grid(square, columns=1).get_figheight() == pytest.approx(4 * height, rel=0.02)
    assert figures.image_grid(square, ["a\nb"] * 4, columns=2).get_figheight() > height
    assert figures.image_grid(square, columns=2, title="t").get_figheight() > height


def test_image_grid_takes_colours_and_labels_of_rows():
    figure = figures.image_grid(np.zeros((4, 5, 5, 3), "uint8"), columns=2, row_labels=["un", "deux"])
    assert figure.axes[0].images[0].get_array().shape == (5, 5, 3)
    assert [axes.get_ylabel() for axes in figure.axes] == ["un", "", "deux", ""]


MATRIX = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])  # the last class has no example
NAMES = ["sac", "robe", "pull"]


def confusion(matrix, names):
    return figures.plot_confusion(matrix, names, title="T", xlabel="lue", ylabel="vraie")


def test_plot_confusion_shows_shares_of_rows():
    axes, scale = confusion(MATRIX, NAMES).figure.axes
    assert axes.images[0].get_array().tolist() == [[80, 20, 0], [0, 100, 0], [0, 0, 0]]
    assert axes.images[0].get_clim() == (0, 100)
    texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    assert texts == {(0, 0): "80", (0, 1): "20", (1, 1): "100"}
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lue", "vraie")
    assert "%" in scale.get_ylabel()


def test_the_text_of_a_confusion_matrix_says_the_mean_and_the_largest_confusion():
    text = confusion(MATRIX, NAMES).alt
    assert f"90,0{NBSP}% en moyenne" in text  # of the two classes that have examples
    assert f"de « sac » à « robe » (20,0{NBSP}%)" in text
    assert confusion(MATRIX[::-1, ::-1], NAMES[::-1]).alt == text


def test_the_text_of_a_confusion_matrix_without_a_confusion():
    text = confusion(np.eye(3) * 4, NAMES).alt
    assert text == f"Matrice de confusion : 100,0{NBSP}% en moyenne sur la diagonale ; aucune confusion."
