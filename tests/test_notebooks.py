"""The notebooks as they are committed, and each of them run end to end in the profile "essai"."""

import re

import browser
import pytest
from chain import checked
from ipykernel.kernelspec import get_kernel_dict

from atelier import notebooks, sorties, verification
from commun.card import IN_ORDER
from commun.datasets import ROOT
from commun.exercices import RIGHT
from commun.notebook import read_notebook

PATHS = [path for project in notebooks.projects() for path in notebooks.notebooks(project)]
IDS = [f"{path.parent.name}/{path.stem}" for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_a_committed_notebook_is_executed_light_and_clean(path):
    notebook = read_notebook(path)
    card = verification.card_of(notebook)
    assert card is not None, "jamais exécuté : lancez make notebooks"
    assert verification.relation(notebook, card) == IN_ORDER, "la carte ne correspond plus : lancez make notebooks"
    assert card["carnet"] == f"{path.parent.name}/{path.name}"
    assert not card["donnees_reelles"], "les carnets du dépôt sont exécutés sur l'échantillon"
    assert card["parametres"] == ""
    assert card["reponses"] == dict.fromkeys(checked(notebook), RIGHT)
    assert verification.altered(notebook) == []
    assert verification.handed_out()[card["carnet"]] == card["execution"]
    assert verification.check(path)[0] == verification.NEVER
    kernel = notebook["metadata"]["kernelspec"]["display_name"]
    assert kernel == get_kernel_dict()["display_name"]  # else JupyterLab takes the notebook for changed as it opens it
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert path.stat().st_size <= 600_000


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_a_notebook_follows_the_house_order(path):
    cells = read_notebook(path)["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert cells[0]["source"].startswith("# ")
    assert "Ce qu'il faut" in cells[0]["source"]
    assert "Ce qu'il produit" in cells[0]["source"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code[0]["metadata"].get("tags") == ["parameters"]
    for line in code[0]["source"].splitlines():
        assert re.fullmatch(r"[A-Z_]+: (int|float|str|bool) = .+  # .+", line), line
    assert "PROFIL" in notebooks.parameters(path)
    assert code[-1]["source"].startswith("results.carte(")
    titles = [cell["source"].strip() for cell in cells if cell["source"].startswith("## ")]
    assert titles[-1] == "## Ce qu'il faut retenir"
    assert not any(line.lstrip().startswith(("%", "!")) for cell in code for line in cell["source"].splitlines())


@pytest.mark.carnets
def test_the_chain_succeeds(reports):
    assert reports.code == 0
    for path in PATHS:
        executed = reports.output / path.parent.name / path.name
        assert verification.check(executed)[0] == IN_ORDER
        notebook = read_notebook(executed)
        card = verification.card_of(notebook)
        assert card["profil"] == "essai"
        assert card["resultats"]
        assert card["reponses"] == dict.fromkeys(checked(notebook), RIGHT), path.name  # our own solutions


@pytest.mark.carnets
@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_a_report_opens_without_a_network(reports, path):
    page = reports.output / path.parent.name / f"{path.stem}.html"
    text = page.read_text(encoding="utf-8")
    remote = r"""src=["']?https?:|<link[^>]*https?:|@import|url\(["']?https?:"""
    assert not re.search(remote, text)
    assert sorties.NO_ALT not in text
    assert not re.search(r'<img(?![^>]*alt="[^"]+")', text)
    if browser.chromium() is None:
        pytest.skip("pas de Chromium sur cette machine")
    document, failed = browser.dump(page)
    assert failed == []
    assert "Ce qu'il faut retenir" in document.replace("\u2019", "'")
    assert "Carte d'exécution" in document
    told = "".join(c["source"] for c in read_notebook(path)["cells"] if c["cell_type"] == "markdown")
    assert "<math" in document or "$" not in told


@pytest.mark.carnets
def test_the_index_leads_to_every_report(reports):
    index = (reports.output / "index.html").read_text(encoding="utf-8")
    for path in PATHS:
        assert f'href="{path.parent.name}/{path.stem}.html"' in index
    assert "échec" not in index


@pytest.mark.carnets
def test_a_missing_predecessor_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "vide"))
    path = ROOT / "projet2_cvae" / "04_evaluation.ipynb"
    outcome = notebooks.run(path, tmp_path / "04.ipynb", {"PROFIL": "essai"})
    assert outcome.mistake
    assert "UserError" not in outcome.error
    assert "03_selection.ipynb" in outcome.error
