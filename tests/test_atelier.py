"""The command line, on small notebooks of a project made for the test."""

import json
import re

import nbformat
import pytest
from jupyter_client.asynchronous import AsyncKernelClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from atelier import notebooks, verification
from atelier.__main__ import main
from commun import UserError, card, datasets, notebook

CARD = 'results.carte("{}", profil=PROFIL, donnees=datasets.Location(datasets.ROOT, False, "essai"))'


def write(path, *sources, parameters='PROFIL: str = "rapide"  # budget'):
    cells = [
        new_markdown_cell(f"# Carnet {path.stem}"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        new_code_cell("from commun import datasets, results"),
        *[new_code_cell(source) for source in sources],
        new_code_cell(CARD.format(f"{path.parent.name}/{path.name}")),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


@pytest.fixture
def house(tmp_path, monkeypatch, work):
    """A repository with two projects: the first fails at its first notebook, the second succeeds."""
    root = tmp_path / "dépôt à moi"  # a space and accents, as on a student's machine
    for module in (notebooks, datasets):
        monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(verification, "HANDED_OUT", root / "distribution.json")
    write(root / "projet8_echec" / "01_rate.ipynb", "1 + 1", "raise ValueError('la mesure est vide')", "2 + 2")
    write(root / "projet8_echec" / "02_suite.ipynb", "3 + 3")
    declared = ['PROFIL: str = "rapide"', "ESSAIS: int = 3", "TAUX: float = 0.5", "VITE: bool = False"]
    parameters = "\n".join(f"{line}  # réglage" for line in declared)
    write(root / "projet9_bien" / "01_un.ipynb", "reglage = ESSAIS * 2\nprint(reglage)", parameters=parameters)
    return root


def test_a_failing_cell_is_kept_and_the_other_projects_still_run(house, tmp_path, capsys):
    output = tmp_path / "rapports"
    assert main(["rapports", "--sortie", str(output), "--profil", "essai", "-p", "ESSAIS", "21"]) == 1
    printed = capsys.readouterr().out
    assert "01_rate.ipynb échec" in printed
    assert "ValueError: la mesure est vide" in printed
    assert "02_suite.ipynb non exécuté" in printed
    index = (output / "index.html").read_text(encoding="utf-8")
    assert "échec" in index
    assert "projet8_echec/01_rate.html#cellule-5" in index
    page = (output / "projet8_echec" / "01_rate.html").read_text(encoding="utf-8")
    assert "la mesure est vide" in page
    assert 'id="cellule-5"' in page
    assert not (output / "projet8_echec" / "02_suite.html").exists()
    executed = output / "projet9_bien" / "01_un.ipynb"
    assert "42" in (output / "projet9_bien" / "01_un.html").read_text(encoding="utf-8")
    shown = verification.card_of(notebook.read_notebook(executed))
    assert shown["etat"] == card.IN_ORDER
    assert shown["profil"] == "essai"
    assert "ESSAIS = 21" in shown["parametres"]
    assert main(["verifier", str(executed)]) == 0
    assert main(["verifier", str(output / "projet8_echec" / "01_rate.ipynb")]) == 1
    assert verification.FAILED in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["executer", "projet7"], "Projet inconnu"),
        (["executer", "projet9_bien", "-p", "EPOQUE", "3"], "Paramètre inconnu : « EPOQUE »"),
        (["executer", "projet9_bien", "-p", "ESSAIS", "trois"], "« trois » ne convient pas au paramètre ESSAIS"),
        (["executer", "projet9_bien", "-p", "VITE", "oui"], "« oui » ne convient pas"),
        (["verifier", "absent.ipynb"], "absent.ipynb est introuvable"),
        (["exporter", "absent.ipynb"], "absent.ipynb"),
        (["donnees", "verifier", "cifar"], "Jeu de données inconnu"),
        (["donnees", "telecharger"], "Quel jeu"),
        (["donnees", "verifier"], "Aucun jeu réel"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_french_sentence_and_exit_code_2(house, arguments, expected, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.startswith("Erreur : ")
    assert "Traceback" not in error


def test_an_absent_data_folder_stops_before_anything_runs(house, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "nulle part"))
    assert main(["executer", "--sortie", str(tmp_path / "r")]) == 2
    assert "PROJETS_DATA" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_full_disk_is_said(house, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(notebooks, "run", full)
    assert main(["executer", "projet9_bien", "--sortie", str(tmp_path / "r")]) == 2
    assert "disque est plein" in capsys.readouterr().err


@pytest.mark.parametrize(("dead", "error"), [(1, ""), (notebooks._STARTS, "n'a pas pu démarrer")])
def test_a_kernel_that_dies_as_it_starts_is_started_again_then_said(house, tmp_path, monkeypatch, dead, error):
    """As where another program has taken one of its ports."""
    wait, starts = AsyncKernelClient.wait_for_ready, []

    async def die_first(client, timeout=None):
        starts.append(1)
        if len(starts) <= dead:
            raise RuntimeError("Kernel died before replying to kernel_info")
        await wait(client, timeout)

    monkeypatch.setattr(AsyncKernelClient, "wait_for_ready", die_first)
    outcome = notebooks.run(house / "projet9_bien" / "01_un.ipynb", tmp_path / "a.ipynb", {})
    assert error in outcome.error and bool(outcome.error) == bool(error)
    assert len(starts) == min(dead + 1, notebooks._STARTS) and not outcome.mistake


def test_parameters_are_converted_to_their_types(house):
    path = house / "projet9_bien" / "01_un.ipynb"
    values = notebooks.select_parameters([path], {"ESSAIS": "4", "TAUX": "0.25", "VITE": "true", "PROFIL": "essai"})
    assert values == {path: {"ESSAIS": 4, "TAUX": 0.25, "VITE": True, "PROFIL": "essai"}}


def test_data_are_listed(capsys):
    assert main(["donnees", "lister"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in datasets.CATALOGUE)


# --- verifier --------------------------------------------------------------------------------------------------------


@pytest.fixture
def executed(house, tmp_path):
    target = tmp_path / "rendu.ipynb"
    notebooks.run(house / "projet9_bien" / "01_un.ipynb", target, {})
    return target


def edit(path, change):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def card_of(notebook):
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return next(o["data"][card.CARD_MIME] for o in outputs if card.CARD_MIME in o.get("data", {}))


def test_verifier_tells_the_five_states(executed, house):
    original = executed.read_text(encoding="utf-8")
    assert verification.check(executed)[0] == card.IN_ORDER

    def comment(notebook):
        notebook["cells"][3]["source"] += "\n\n# une remarque"

    edit(executed, comment)
    assert verification.check(executed)[0] == card.IN_ORDER

    def change(notebook):
        notebook["cells"][3]["source"] = "reglage = 1000"

    edit(executed, change)
    assert verification.check(executed)[0] == card.MODIFIED

    def add(notebook):
        new = {"id": "neuve", "source": "print('jamais lancée')", "outputs": []}
        notebook["cells"].insert(4, {**notebook["cells"][3], **new})

    executed.write_text(original, encoding="utf-8")
    edit(executed, add)
    assert verification.check(executed)[0] == card.MODIFIED

    def shuffle(notebook):
        shown = card_of(notebook)
        shown["cellules"] = [shown["cellules"][1], shown["cellules"][0], *shown["cellules"][2:]]
        shown["etat"] = card.DISORDER

    executed.write_text(original, encoding="utf-8")
    edit(executed, shuffle)
    assert verification.check(executed)[0] == card.DISORDER

    executed.write_text(original, encoding="utf-8")
    identifier = card_of(json.loads(original))["execution"]
    verification.HANDED_OUT.write_text(json.dumps({"projet9_bien/01_un.ipynb": identifier}), encoding="utf-8")
    assert verification.check(executed)[0] == verification.NEVER
    assert verification.check(house / "projet9_bien" / "01_un.ipynb")[0] == verification.NEVER


def test_not_a_notebook(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="n'est pas un carnet"):
        verification.check(path)


def test_refreshing_runs_what_changed_and_its_successors_only(house, monkeypatch, capsys):
    folder = house / "projet9_bien"
    for path in (house / "projet8_echec").iterdir():
        path.unlink()
    write(folder / "02_deux.ipynb", "4 + 4")
    write(folder / "03_trois.ipynb", "5 + 5")
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    assert main(["carnets"]) == 0
    assert verification.stale(notebooks.notebooks("projet9_bien")) == []
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    write(folder / "02_deux.ipynb", "4 + 5")
    stale = verification.stale(notebooks.notebooks("projet9_bien"))
    assert [path.name for path in stale] == ["02_deux.ipynb", "03_trois.ipynb"]
    capsys.readouterr()
    assert main(["carnets"]) == 0
    assert "01_un" not in capsys.readouterr().out
    assert (folder / "01_un.ipynb").read_bytes() == first["01_un.ipynb"]
    assert (folder / "03_trois.ipynb").read_bytes() != first["03_trois.ipynb"]
    notebook = nbformat.read(folder / "02_deux.ipynb", as_version=4)
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert "papermill" not in notebook.metadata
    assert verification.check(folder / "02_deux.ipynb")[0] == verification.NEVER  # handed out, not run by a student


def test_a_user_mistake_in_a_notebook_is_shown_without_a_traceback(house, tmp_path, capsys):
    folder = house / "projet9_bien"
    write(folder / "02_deux.ipynb", "from commun import UserError\nraise UserError('le fichier x est tronqué')")
    output = tmp_path / "rapports"
    assert main(["rapports", "projet9_bien", "--sortie", str(output)]) == 2
    assert "02_deux.ipynb échec" in (printed := capsys.readouterr().out)
    assert "le fichier x est tronqué" in printed
    page = (output / "projet9_bien" / "02_deux.html").read_text(encoding="utf-8")
    assert "le fichier x est tronqué" in page
    assert "Traceback" not in page
    assert "UserError" not in re.sub(r'<div class="code".*?</div>', "", page, flags=re.DOTALL).split("<main")[0]
