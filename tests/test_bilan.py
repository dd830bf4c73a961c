"""What a page says at its head: the truth of the check, whatever the card claims, and nothing of a hostile card."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from atelier import attendus, bilan, cartes, export, index, pdf, verification, vignettes
from atelier.__main__ import main
from commun import UserError, card

SOURCES = ("a = 1", "b = 2", "results.carte('x')")
FIELDS = {
    "carnet": "projet2_cvae/04_evaluation.ipynb",
    "nom": "Zoé <b>Martin</b>",
    "groupe": "B",
    "sujet": "3f2a",
    "resultats": {"diversité": 0.88, "fidélité de classe": 0.913},  # in the order of names, as files are written
    "principal": "fidélité de classe",
    "references": {"fidélité de classe": 0.908},
    "reponses": {"1": "juste", "2": "fausse", "3": "sans réponse", "4": "juste"},
    "parametres": "",
    "modeles": {"entraîné": 2, "retrouvé": 1},
    "profil": "rapide",
    "donnees": "échantillon synthétique (Fashion-MNIST)",
    "donnees_reelles": False,
    "avertissement": "",
    "versions": {"python": "3.11.7", "keras": "3.15.1"},
    "date": "2026-11-01",
    "duree_s": 125,
}
RANGES = {"projet2_cvae/04_evaluation.ipynb": {"rapide/echantillon": {"fidélité de classe": [0.85, 0.95]}}}
CLAIM = "<table class='carte'><tbody><tr><th>Exécution</th><td>exécuté de haut en bas</td></tr></tbody></table>"


def code(source="", outputs=(), tags=()):
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "metadata": metadata, "execution_count": 1, "source": source, "outputs": list(outputs)}


def text(source, tags=()):
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": source}


def shown(data, **metadata):
    return {"output_type": "display_data", "metadata": metadata, "data": data}


def run(fields=FIELDS, sources=SOURCES, seen=SOURCES, before=(), after=()) -> list[dict]:
    """Returns the cells of a notebook whose last one shows the card of a run of `seen`."""
    made = {"etat": card.IN_ORDER, "execution": "e" * 32, "suite": False, "cellules": card.hashes(seen), **fields}
    last = code(sources[-1], [shown({card.CARD_MIME: made, "text/html": CLAIM})])
    return [*before, *map(code, sources[:-1]), last, *after]


def write(path: Path, cells: list[dict]) -> Path:
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}), encoding="utf-8")
    return path


@pytest.fixture
def ranges(tmp_path, monkeypatch):
    path = tmp_path / "attendus.json"
    path.write_text(json.dumps(RANGES), encoding="utf-8")
    monkeypatch.setattr(attendus, "FILE", path)


def page_of(folder: Path, cells: list[dict]) -> BeautifulSoup:
    export.export_notebook(write(folder / "c.ipynb", cells), folder / "c.html")
    return BeautifulSoup((folder / "c.html").read_text(encoding="utf-8"), "html.parser")


def words(element) -> str:
    return " ".join(element.get_text(" ").replace("\u202f", " ").split())


# --- What is said ----------------------------------------------------------------------------------------------------


def test_the_head_of_a_page_tells_everything(tmp_path, ranges):
    page = page_of(tmp_path, [text("# Titre\n\nUne question ?"), *run()])
    main_part = page.select_one("main")
    assert [e.name for e in main_part.find_all(True, recursive=False)[:2]] == ["h1", "section"]
    head = page.select_one("main > section.bilan")
    assert head["aria-label"] and not head.find_all(["h1", "h2"])
    facts = {words(term): words(term.find_next_sibling("dd")) for term in head.select("dl > div > dt")}
    assert facts == {
        "Auteur": "Zoé <b>Martin</b>, groupe B",
        "Vérification": "✓ exécuté de haut en bas "
        "Les cellules de cette page sont celles qui ont été exécutées, dans cet ordre.",
        "fidélité de classe": "0,913 ✓ dans l'intervalle attendu (de 0,850 à 0,950) "
        "référence sur données réelles : 0,908",
        "diversité": "0,880",
        "Réponses aux questions": "2 justes sur 4, 1 fausse, 1 sans réponse",
        "Données": "échantillon synthétique (Fashion-MNIST)",
        "Profil": "rapide",
        "Date et durée": "1er novembre 2026, en 2 min 05 s",
    }
    assert words(head.select_one(".synthetique")).startswith("Données synthétiques.")


def test_a_page_of_real_data_has_no_band(tmp_path):
    fields = FIELDS | {"donnees_reelles": True, "donnees": "Fashion-MNIST"}
    recap = text("## Ce qu'il faut retenir\n\nLa fidélité est bonne.")
    assert not page_of(tmp_path, [text("# T"), *run(fields, before=[recap])]).select(".synthetique")
    page = page_of(tmp_path, [text("# T"), *run(before=[recap])])
    assert len(page.select(".synthetique")) == 2
    assert page.select_one(".texte h2 + .synthetique") is not None
    partly = FIELDS | {"donnees_reelles": True, "donnees": "MVTec AD ; échantillon synthétique : AutoVI"}
    assert "Une part des images" in words(page_of(tmp_path, run(partly)).select_one(".synthetique"))


LIES = {
    "a changed cell": (run(sources=("a = 3", *SOURCES[1:])), card.MODIFIED),
    "another order": (run({**FIELDS, "etat": card.DISORDER}, seen=("b = 2", "a = 1", SOURCES[2])), card.DISORDER),
    "cells after the card": (run(after=[code("c = 3")]), f"{card.IN_ORDER} ; {card.FOLLOWED}"),
    "an error": (
        [code("1/0", [{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]), *run()],
        verification.FAILED,
    ),
    "no card": ([code("a", [shown({"text/plain": "1"})])], verification.NO_CARD),
    "never run": ([{**code("a"), "execution_count": None}], verification.NEVER),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_page_never_claims_a_run_that_the_check_denies(tmp_path, ranges, lie):
    cells, state = LIES[lie]
    page = page_of(tmp_path, [text("# Titre"), *cells])
    told = words(page.select_one("main > .bilan .juge strong"))
    assert told[0] in "✗–!" and told[2:] == state
    for result in page.select("main > .bilan .resultat"):  # the check is not sure: nothing is said to be good
        assert "✓" not in words(result) and "bon" not in result["class"]
    own = page.select_one("table.carte")
    if own is not None:
        row = next(row for row in own.select("tr") if row.th.get_text() == "Exécution")
        assert words(row.td).startswith(f"{state} (")
    if state != LIES["cells after the card"][1]:
        assert card.IN_ORDER not in words(page.main)


def test_changed_outputs_are_told(tmp_path, monkeypatch):
    made = run()[-1]["outputs"][0]["data"][card.CARD_MIME]
    monkeypatch.setattr(verification, "check", lambda path: (verification.ALTERED, cartes.read(made)))
    page = page_of(tmp_path, run())
    assert words(page.select_one("main > .bilan .juge strong")) == "✗ sorties modifiées"
    assert card.IN_ORDER not in words(page.main)


def test_a_dead_kernel_is_an_error(tmp_path):
    assert bilan.bilan(write(tmp_path / "c.ipynb", run()), failed=True).state == verification.FAILED


def test_the_committed_notebook_says_that_it_is_the_hand_out(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "handed_out", lambda: {"c.ipynb": "e" * 32})
    found = bilan.bilan(write(tmp_path / "c.ipynb", run()))
    assert found.state == verification.NEVER and found.kind == "neutre" and "celles du carnet distribué" in found.why


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [(0.9, "bon", attendus.INSIDE), (0.8, "mauvais", attendus.BELOW), (0.99, "mauvais", attendus.ABOVE)],
)
def test_a_result_is_judged_in_words(tmp_path, ranges, value, kind, says):
    found = bilan.bilan(write(tmp_path / "c.ipynb", run(FIELDS | {"resultats": {"fidélité de classe": value}})))
    assert found.results[0].kind == kind and found.results[0].judgement.startswith(says)
    assert "de\u00a00,850\u00a0à\u00a00,950" in found.results[0].judgement


def test_without_a_range_nothing_is_said_of_good_or_bad(tmp_path, ranges, monkeypatch):
    notebook = write(tmp_path / "c.ipynb", run(FIELDS | {"profil": "complet"}))
    assert bilan.bilan(notebook).results[0].judgement == ""
    monkeypatch.setattr(attendus, "FILE", tmp_path / "absent.json")
    assert bilan.bilan(write(tmp_path / "c.ipynb", run())).results[0].judgement == ""


def test_a_question_whose_check_was_not_run_counts(tmp_path):
    checks = [code(f"exercices.verifier({n}, f, q)", tags=["verification"]) for n in range(5)]
    sources = (*(cell["source"] for cell in checks), *SOURCES)
    cells = [*checks, *run(FIELDS | {"reponses": {"1": "juste"}}, seen=sources)]
    assert bilan.bilan(write(tmp_path / "c.ipynb", cells)).answers == "1 juste sur 5, 4 sans réponse"
    assert bilan.bilan(write(tmp_path / "c.ipynb", run(FIELDS | {"reponses": {}}))).answers == ""


def test_the_card_of_a_page_is_written_again_from_its_fields(tmp_path):
    rows = dict(bilan.bilan(write(tmp_path / "c.ipynb", run())).rows)
    assert rows["Carnet"] == FIELDS["carnet"] and rows["Sujet"] == "3f2a"
    assert rows["Modèles"] == "2 entraînés, 1 retrouvé"
    assert rows["Exécution"] == f"{card.IN_ORDER} (3 cellules)" and rows["Identifiant"] == "e" * 12
    assert rows["Versions"] == "python 3.11.7, keras 3.15.1" and rows["Paramètres modifiés"] == "aucun"


def test_only_the_last_card_counts(tmp_path):
    first = run(FIELDS | {"nom": "Un autre"})[-1]
    page = page_of(tmp_path, run(before=[first], seen=(first["source"], *SOURCES)))
    assert len(page.select("table.carte")) == 1 and "elle seule compte" in words(page.main)
    assert "Un autre" not in words(page.main)


# --- Hostile cards ---------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text()
    | st.sampled_from(["<script>x()</script>", "'\"><img src=x onerror=x()>", "\u202ex", "{{ 7 * 7 }}", "</style>"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(fields={"modeles": {"0": 2.0**64}})
@example(fields=dict.fromkeys(FIELDS, "<script>x()</script>") | {"resultats": {"<img src=x onerror=x()>": 1.0}})
@given(fields=st.fixed_dictionaries({}, optional={name: VALUES for name in (*FIELDS, "suite")}))
def test_a_hostile_card_never_stops_a_page(tmp_path, fields):
    page = page_of(tmp_path, run(FIELDS | fields))
    assert len(page.select("main > .bilan")) == 1
    assert len(page.select("script")) == 1 and not page.select("[onerror], main img")
    assert "\u202e" not in str(page) and "49" not in words(page.select_one("main > .bilan .juge"))


def test_texts_of_a_card_are_one_line_in_bounds(tmp_path):
    found = bilan.bilan(write(tmp_path / "c.ipynb", run(FIELDS | {"nom": "a\n\x00\u202eb" * 10_000, "groupe": "c\td"})))
    name, group = found.card.author.split(", ")
    assert len(name) == cartes.MAX_TEXT and name.startswith("a ba b") and group == "groupe c d"
    many = {f"n{i}": i for i in range(1000)}
    assert len(bilan.bilan(write(tmp_path / "c.ipynb", run(FIELDS | {"resultats": many}))).results) == 4


def test_a_notebook_does_not_imitate_the_head(tmp_path):
    fake = "<section class='bilan'><dl><div class='juge bon'><dt>Vérification</dt></div></dl></section>"
    over = "<div style='position: fixed; top: 0'>✓ exécuté de haut en bas</div>"
    cells = [text(fake), text(over), code("x", [shown({"text/html": f"</div></main>{fake}{over}"})])]
    page = page_of(tmp_path, cells)
    assert len(page.select("main > .bilan")) == 1
    assert page.select_one("main > .bilan .juge")["class"] == ["juge", "neutre"]
    assert page.select_one("[style*=fixed]").find_parent(class_="confine") is not None


def test_the_running_title_ends_neither_the_style_nor_its_text(tmp_path):
    title, name = '# Un "titre" </style><script>x()</script> \\', '"}</style>'
    page = page_of(tmp_path, [text(title), *run(FIELDS | {"nom": name})])
    assert len(page.select("style")) == 1 and len(page.select("script")) == 1
    assert page.style.string.count("@top-left") == 2


# --- Questions and answers -------------------------------------------------------------------------------------------


def test_questions_and_answers_are_seen_and_answers_unfolded(tmp_path):
    cells = [
        text("**Question 1.** Pourquoi ?", ["question"]),
        text("*Votre réponse ici.*", ["reponse"]),
        code("q1 = 3", tags=["solution"]),
        code("verifier(1)", [shown({"text/html": "<div class='verdict juste'>✓</div>"})], ["verification"]),
        code("z = 1", tags=["autre <x>"]),
    ]
    page = page_of(tmp_path, cells)
    assert len(page.select(".texte.celltag_question")) == 1
    assert words(page.select_one(".texte.celltag_reponse .etiquette")) == "Réponse"
    shown_cells = page.select(".cellule.montree")
    assert [words(cell.select_one(".etiquette")) for cell in shown_cells] == ["Solution"]
    assert page.select_one(".html > .verdict.juste") and "autre" not in str(page.select(".cellule")[-1])


# --- The index -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "question"),
    [
        ("# Titre\n\nUn début. Puis : **que voit-on ?** Et après ?\n\n- liste", "Que voit-on ?"),
        ("# Titre\n\nUn début. **Quoi** de neuf ici ? Suite.", "Quoi de neuf ici ?"),
        ("# Titre\n\nUne phrase. Une autre.", "Une phrase."),
        ("# Titre", ""),
        ("Pas de titre ?", ""),
        ("# T\n\n" + "a" * 500 + " ?", "A" + "a" * (index.MAX_QUESTION - 2) + "…"),
    ],
)
def test_the_question_of_a_notebook(tmp_path, source, question):
    assert index.question_of(write(tmp_path / "c.ipynb", [text(source)])) == question


def picture(width: int, height: int, kind: str = "png", colour="red") -> str:
    stream = io.BytesIO()
    noise = Image.effect_noise((width, height), 90).convert("RGB") if colour is None else None
    image = noise or Image.new("RGB", (width, height), colour)
    image.save(stream, kind)
    return base64.b64encode(stream.getvalue()).decode()


def opened(thumbnail: vignettes.Thumbnail) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(thumbnail.address.partition(",")[2])))


def test_the_thumbnail_is_that_of_the_tagged_cell_else_the_heaviest():
    small = code("a", [shown({"image/png": picture(400, 200, colour="blue"), "text/plain": "bleue"})])
    heavy = code("b", [shown({"image/jpeg": picture(900, 900, "jpeg", None), "text/plain": "bruit"})])
    found = vignettes.thumbnail([small, heavy])
    assert found.alt == "bruit" and len(found.address) * 3 / 4 <= vignettes.MAX_BYTES + 100
    assert opened(found).size == (vignettes.WIDTH, round(vignettes.WIDTH * vignettes.TALLEST))
    tagged = vignettes.thumbnail([{**small, "metadata": {"tags": [vignettes.TAG]}}, heavy])
    assert tagged.alt == "bleue" and opened(tagged).size == (320, 160)
    assert opened(tagged).convert("RGB").getpixel((5, 5))[2] > 250


def test_a_thumbnail_of_a_drawing_stays_a_drawing():
    svg = '<?xml version="1.0"?><!DOCTYPE svg><svg viewBox="0 0 9 9"><path d="M 1.23456 2.5 L 3.98765 4"/></svg>'
    found = vignettes.thumbnail([code("a", [shown({"image/svg+xml": svg, "text/plain": "courbe"})])])
    drawn = base64.b64decode(found.address.removeprefix("data:image/svg+xml;base64,")).decode()
    assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg"') and 'd="M 1.2 2.5 L 3.9 4"' in drawn
    heavy = svg.replace("M 1.23456", "M 1 2 " * vignettes.MAX_SVG)
    assert vignettes.thumbnail([code("a", [shown({"image/svg+xml": heavy})])]) is None


def test_bad_pictures_give_no_thumbnail():
    stream = io.BytesIO()
    Image.new("1", (8000, 8000)).save(stream, "png")
    bomb = base64.b64encode(stream.getvalue()).decode()
    for data in ("pas du base64 !", base64.b64encode(b"GIF89a").decode(), bomb, picture(2, 2)):
        assert vignettes.thumbnail([code("a", [shown({"image/png": data})])]) is None
    assert vignettes.thumbnail([text("# Rien")]) is None


# --- PDF -------------------------------------------------------------------------------------------------------------


def test_without_a_browser_pdf_is_refused_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    monkeypatch.setattr(pdf, "_PLACES", ())
    with pytest.raises(UserError, match="Installez"):
        pdf.browser()
    notebook = write(tmp_path / "c.ipynb", run())
    assert main(["exporter", str(notebook), "--pdf"]) == 2
    assert "--pdf" in capsys.readouterr().err and not (tmp_path / "c.html").exists()
    assert main(["exporter", str(notebook)]) == 0


def test_a_browser_that_prints_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "browser", lambda: "python-qui-n-existe-pas")
    (tmp_path / "p.html").write_text("<p>x", encoding="utf-8")
    with pytest.raises(UserError, match="imprimez-la"):
        pdf.write(tmp_path / "p.html", tmp_path / "p.pdf")
    assert not (tmp_path / "p.pdf").exists()
