"""Hand-outs: what is left of a solution, that it runs, and that the solutions come back where they were."""

import ast
import copy
import json
import random
import re

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from atelier import notebooks
from atelier.__main__ import main
from atelier.distribution import fingerprint, hand_out, solved, stub
from commun import UserError, datasets
from commun.datasets import ROOT
from commun.notebook import read_notebook, tags

PATHS = [path for project in notebooks.projects() for path in notebooks.notebooks(project)]
LEFT = "...  # Votre réponse ici"


# --- The code of a solution ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("q3 = 1 + 1  # deux", f"q3 = {LEFT}"),
        ("# On compte.\n\nimport math  # pi\nprint(1)\nq1 = math.pi", f"# On compte.\n\nimport math\nq1 = {LEFT}"),
        ("a, (b, *c) = 1, (2, 3)", "a, b, c = ..., ..., ...  # Votre réponse ici"),
        ("a = b = 2", f"a = {LEFT}\nb = {LEFT}"),
        ("total = []\nfor i in range(3):\n    total += [i]\ntotal = sum(total)", f"total = {LEFT}"),
        ("x: int = 3\nd['k'] = x\nd.e = x\nx += 1\n_, y = 1, 2", f"x: int = {LEFT}\ny = {LEFT}"),
        ("with open('f') as flux:\n    q4 = flux.read()\nif (q5b := 3):\n    r = 2", f"q4 = {LEFT}\nq5b = {LEFT}"),
        ("q1 = [q2 for q2 in range(3)]\nq3 = 'une\\\nsuite'; print(q1)", f"q1 = {LEFT}\nq3 = {LEFT}\nq2 = {LEFT}"),
        ("print(3)", "# Votre réponse ici"),
        ("", "# Votre réponse ici"),
        ("# À vous.", "# À vous.\n# Votre réponse ici"),
        (
            'def f(x: int,  # entier\n      é=":", k=lambda z: {z: 1}) -> dict[str, int]:\n    # la ruse\n    return x',
            f'def f(x: int,  # entier\n      é=":", k=lambda z: {{z: 1}}) -> dict[str, int]:\n    {LEFT}',
        ),
        (
            '@cache\n@deco(x=":")\nasync def f(a, /, *b):\n\t"""Dit\n\n\tceci."""\n\tawait a\n\treturn b',
            f'@cache\n@deco(x=":")\nasync def f(a, /, *b):\n\t"""Dit\n\n\tceci."""\n\t{LEFT}',
        ),
        ('def f(x): "double"; return 2 * x', f'def f(x):\n    "double"\n    {LEFT}'),
        ("def f():\n    def g():\n        return 1\n    return g", f"def f():\n    {LEFT}"),
        ('def f():\n    ("un"\n     " deux")\n    return 1', f'def f():\n    ("un"\n     " deux")\n    {LEFT}'),
        ("def ééééééé(): x[1:]; return 1", f"def ééééééé():\n    {LEFT}"),
        ("class A: pass", f"class A:\n    {LEFT}"),
        (
            'class Tache(Base, nom="é:"):\n    """Dit."""\n\n    # ruse\n    titre = ("a"\n             "b"); deux = 2'
            "\n    n: int\n    print(1)\n\n    @property\n    def p(self):\n        return 3\n\n    class In: z = 1",
            'class Tache(Base, nom="é:"):\n    """Dit."""\n\n    titre = ("a"\n             "b")\n    deux = 2\n'
            f"    n: int\n\n    @property\n    def p(self):\n        {LEFT}\n\n    class In:\n        z = 1",
        ),
        (
            "largeur = 3\n\n\nclass A:\n    double = 2 * largeur\n    triple: int = double + 1\n    un = 1",
            f"largeur = {LEFT}\n\n\nclass A:\n    double = {LEFT}\n    triple: int = {LEFT}\n    un = 1",
        ),
    ],
)  # fmt: skip
def test_what_is_left_of_a_solution(source, expected):
    assert stub(source) == expected
    assert stub(source.replace("\n", "\r\n")) == expected


@pytest.mark.parametrize("source", ["%time q1 = 1", "%%timeit\nq1 = 1", "!ls", "q1?", "q1 = (", "q1 = '\0'", "\ud800"])
def test_what_is_not_python_is_refused(source):
    with pytest.raises(UserError, match="n'est pas du Python"):
        stub(source)


SOURCES = sorted(path for folder in ("commun", "atelier") for path in ROOT.glob(f"{folder}/*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_any_code_becomes_code_with_the_same_names_and_nothing_of_its_bodies(path):
    source = path.read_text(encoding="utf-8")
    before, after = ast.parse(source).body, ast.parse(stub(source)).body

    def heads(tree):
        functions = [(node.name, ast.unparse(node.args)) for node in tree if isinstance(node, ast.FunctionDef)]
        return functions, [
            (node.name, *map(ast.unparse, node.bases)) for node in tree if isinstance(node, ast.ClassDef)
        ]

    assert heads(after) == heads(before)
    functions = [node for tree in after for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lines = [line for function in functions for line in function.body]
    assert all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in lines)


# --- Notebooks -------------------------------------------------------------------------------------------------------


def cell(kind, source, *labels):
    make = new_code_cell if kind == "code" else new_markdown_cell
    return make(source, metadata={"tags": list(labels)} if labels else {})


def course(*extra):
    """A small notebook with three questions, executed in appearance."""
    cells = [
        cell("markdown", "# Carnet"),
        cell("code", 'PROFIL: str = "essai"  # é\nNOM: str = ""  # nom\nGROUPE: str = ""\nSUJET: str = ""  # sujet',
             "parameters"),
        cell("code", "from commun import exercices"),
        cell("markdown", "**Question 1.** Combien ?", "question"),
        cell("code", "# À vous.\nq1 = 6 * 7", "solution"),
        cell("code", "def controle(reponse):\n    return exercices.Verdict(reponse == 42, 'parce que')"),
        cell("code", "exercices.verifier(1, controle, q1)", "verification"),
        cell("markdown", "**Question 2.** Pourquoi ?", "question"),
        cell("markdown", "Parce que.", "solution"),
        cell("markdown", "**Question 3.** Écrivez.", "question"),
        cell("code", 'def double(x):\n    """Double."""\n    return 2 * x', "vignette", "solution"),
        cell("code", "if exercices.repondu(double):\n    print(double(2))"),
        cell("code", "exercices.verifier(3, lambda f: exercices.Verdict(f(2) == 4, 'voilà'), double)", "verification"),
        cell("code", "print(exercices.marks())"),
        *extra,
    ]  # fmt: skip
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    for number, each in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        each.execution_count, each.outputs = number + 1, [nbformat.v4.new_output("stream", text="vu\n")]
    return json.loads(nbformat.writes(notebook))


def bare(notebook):
    """The notebook without its outputs."""
    notebook = copy.deepcopy(notebook)
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            each["outputs"], each["execution_count"] = [], None
    return notebook


def name(paper, value):
    """A student fills in a name."""
    paper["cells"][1]["source"] = text(paper["cells"][1]).replace('NOM: str = ""', f'NOM: str = "{value}"')


def text(each):
    return "".join(each["source"])


def test_a_hand_out_keeps_all_but_the_solutions_and_the_outputs():
    notebook = course()
    before = copy.deepcopy(notebook)
    paper = hand_out(notebook, subject="ab12", group='B "2" é', name="projet/01.ipynb")
    assert notebook == before
    sources = [text(each) for each in paper["cells"]]
    assert sources[1].splitlines() == [
        'PROFIL: str = "essai"  # é',
        'NOM: str = ""  # nom',
        r'GROUPE: str = "B \"2\" é"',
        'SUJET: str = "ab12"  # sujet',
    ]
    assert sources[4] == f"# À vous.\nq1 = {LEFT}"
    assert sources[8] == "*Votre réponse ici.*"
    assert sources[10] == f'def double(x):\n    """Double."""\n    {LEFT}'
    assert [tags(each) for each in paper["cells"]][10] == ["vignette", "reponse"]
    assert "solution" not in json.dumps(paper) and "42" not in sources[4] and "vu" not in json.dumps(paper["cells"])
    same = [i for i in range(len(sources)) if i not in (1, 4, 8, 10)]
    assert [paper["cells"][i] for i in same] == [bare(notebook)["cells"][i] for i in same]
    assert paper["metadata"]["projets"]["carnet"] == "projet/01.ipynb"
    assert paper["metadata"]["projets"]["sujet"] == "ab12"


def test_the_fingerprint_ignores_who_answers_and_sees_any_other_change():
    notebook = course()
    paper = hand_out(notebook, subject="ab12", group="B2")
    known = paper["metadata"]["projets"]["empreinte"]
    assert known == fingerprint(paper) == fingerprint(hand_out(notebook)) != fingerprint(notebook)
    named = copy.deepcopy(paper)
    name(named, "Zoé")
    assert fingerprint(named) == known
    for index in range(len(paper["cells"])):
        changed = copy.deepcopy(paper)
        changed["cells"][index]["source"] = [*changed["cells"][index]["source"], "\nplus = 1"]
        assert fingerprint(changed) != known


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_solutions_put_back_give_the_committed_notebook(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    paper = hand_out(notebook, subject="ab12", name=f"{path.parent.name}/{path.name}")
    assert not any({"solution"} & set(tags(each)) for each in paper["cells"])
    assert [each["id"] for each in paper["cells"]] == [each["id"] for each in notebook["cells"]]
    assert solved(paper, notebook) == bare(notebook)
    assert solved(notebook, notebook) == bare(notebook)
    assert nbformat.writes(nbformat.from_dict(solved(paper, notebook))) == json.dumps(
        bare(notebook), indent=1, ensure_ascii=False, sort_keys=True
    )


LINES = ["q1 = 1", "a, b = 1, 2", "def f(x):\n    return x", "print('é')", "# note", "x: int = 3"]
CELLS = st.tuples(
    st.sampled_from(["code", "markdown"]),
    st.lists(st.sampled_from(LINES)).map("\n".join),
    st.sampled_from(["", "solution", "question", "autre"]),
)


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(CELLS, max_size=8),
    subject=st.text(st.characters(codec="utf-8")),
    lists=st.booleans(),
    named=st.booleans(),
)
def test_solutions_put_back_give_any_notebook(cells, subject, lists, named):
    notebook = course(*(cell(kind, source, *filter(None, [label])) for kind, source, label in cells))
    if not lists:
        notebook["cells"] = [each | {"source": text(each)} for each in notebook["cells"]]
    if not named:
        notebook["cells"] = [{k: v for k, v in each.items() if k != "id"} for each in notebook["cells"]]
    paper = hand_out(notebook, subject=subject)
    if subject:
        value = ast.parse(text(paper["cells"][1])).body[-1].value.value
        assert value == subject
    assert solved(paper, notebook) == bare(notebook)
    assert solved(json.loads(json.dumps(paper)), notebook) == bare(notebook)


def answered():
    """A hand-out as a student gives it back: named, answered, with a cell more."""
    notebook = course()
    paper = hand_out(notebook, subject="ab12")
    cells = paper["cells"]
    name(paper, "Zoé")
    cells[4]["source"], cells[4]["outputs"] = ["q1 = 41"], [{"output_type": "stream", "name": "stdout", "text": "41"}]
    cells.insert(5, cell("code", "mon_essai = 1"))
    return notebook, paper


def test_a_students_answers_give_way_to_the_solutions():
    notebook, paper = answered()
    result = solved(paper, notebook)
    sources = [text(each) for each in result["cells"]]
    assert sources[4:6] == ["# À vous.\nq1 = 6 * 7", "mon_essai = 1"]
    assert 'NOM: str = "Zoé"' in sources[1] and 'SUJET: str = ""' in sources[1]
    del result["cells"][5]
    assert result["cells"][2:] == bare(notebook)["cells"][2:]
    assert result["metadata"] == notebook["metadata"]


def test_a_students_answers_stay_above_the_solutions_but_for_the_empty_ones():
    notebook, paper = answered()
    result = solved(paper, notebook, keep=True)
    assert [text(each) for each in result["cells"]][4:7] == ["q1 = 41", "# À vous.\nq1 = 6 * 7", "mon_essai = 1"]
    assert not result["cells"][4]["outputs"]
    assert len(result["cells"]) == len(notebook["cells"]) + 2
    names = [each["id"] for each in result["cells"]]
    assert len(set(names)) == len(names)
    assert solved(result, notebook)["cells"] == solved(paper, notebook)["cells"]
    nbformat.validate(nbformat.from_dict(result))


def test_answers_are_found_whatever_became_of_the_cells():
    notebook, paper = answered()
    expected = solved(paper, notebook)["cells"]
    anonymous = copy.deepcopy(paper)  # as Colab gives them back
    for number, each in enumerate(anonymous["cells"]):
        each["id"] = f"c{number}"
    assert [text(each) for each in solved(anonymous, notebook)["cells"]] == [text(each) for each in expected]
    untagged = copy.deepcopy(paper)
    for each in untagged["cells"]:
        each["metadata"] = {}
    assert [text(each) for each in solved(untagged, notebook)["cells"]][2:] == [text(each) for each in expected][2:]
    deleted = copy.deepcopy(paper)
    del deleted["cells"][4]  # the answer to the first question
    assert [text(each) for each in solved(deleted, notebook)["cells"]] == [text(each) for each in expected]


def test_another_notebook_is_refused():
    with pytest.raises(UserError, match="aucune cellule en commun"):
        solved(json.loads(nbformat.writes(new_notebook(cells=[cell("code", "1 + 1")]))), course())


def run(notebook):
    """The last line that a notebook prints, run from top to bottom."""
    from nbclient import NotebookClient

    notebook = nbformat.reads(json.dumps(notebook), as_version=4)
    executed = NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return ast.literal_eval(executed.cells[-1].outputs[-1].text)


def test_a_hand_out_runs_unanswered_and_says_what_each_answer_is_worth():
    notebook = course()
    paper = hand_out(notebook, subject="ab12")
    assert run(paper) == {"1": "sans réponse", "3": "sans réponse"}
    paper["cells"][4]["source"] = "q1 = 41"
    paper["cells"][10]["source"] = "def double(x):\n    return x"
    assert run(paper) == {"1": "fausse", "3": "fausse"}
    assert run(solved(paper, notebook)) == {"1": "juste", "3": "juste"}


# --- Files and the command line --------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path, monkeypatch, work):
    """A repository with two projects of one notebook each, of the same name."""
    root = tmp_path / "dépôt à moi"
    for module in (notebooks, datasets):
        monkeypatch.setattr(module, "ROOT", root)
    for number, project in enumerate(("projet8_un", "projet9_deux")):
        (root / project).mkdir(parents=True)
        notebook = course(cell("markdown", f"Fin {number}"))
        for position, each in enumerate(notebook["cells"]):
            each["id"] = f"{project}-{position}"
        path = root / project / "01_carnet.ipynb"
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")
    return root


def test_the_command_writes_each_hand_out_under_one_identifier(house, tmp_path, capsys):
    assert main(["distribuer", "--groupe", "B2", "--sortie", str(tmp_path / "s")]) == 0
    out = capsys.readouterr().out
    subject = re.search(r"\(identifiant ([0-9a-f]{8})\)", out)[1]
    assert out.count(": 3 questions, 3 cellules à remplir") == 2
    for project in ("projet8_un", "projet9_deux"):
        paper = read_notebook(tmp_path / "s" / project / "01_carnet.ipynb")
        assert f'SUJET: str = "{subject}"' in paper["cells"][1]["source"]
        assert 'GROUPE: str = "B2"' in paper["cells"][1]["source"]
        assert paper["metadata"]["projets"]["sujet"] == subject
        assert paper["metadata"]["projets"]["carnet"] == f"{project}/01_carnet.ipynb"
    assert main(["distribuer", "projet8_un", "--sortie", str(tmp_path / "t")]) == 0
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["projet8_un"]
    assert subject not in capsys.readouterr().out


def test_the_command_never_writes_over_answers(house, tmp_path, capsys):
    command = ["distribuer", "--sortie", str(tmp_path)]
    assert main(command) == main(command) == 0  # nobody has answered
    path = tmp_path / "projet9_deux" / "01_carnet.ipynb"
    other = (tmp_path / "projet8_un" / "01_carnet.ipynb").read_bytes()
    answers = path.read_text(encoding="utf-8").replace("q1 = ...", "q1 = 42")
    path.write_text(answers, encoding="utf-8")
    capsys.readouterr()
    assert main(command) == 2
    assert "y a-t-on répondu ?" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == answers
    assert (tmp_path / "projet8_un" / "01_carnet.ipynb").read_bytes() == other
    assert main(["distribuer", "--sortie", str(house)]) == 2  # the notebooks themselves


@pytest.mark.parametrize("forget", ["nothing", "metadata"])
def test_the_command_puts_solutions_back_in_a_folder_of_hand_ins(house, tmp_path, capsys, forget):
    assert main(["distribuer", "--sortie", str(tmp_path / "s")]) == 0
    for path in (tmp_path / "s").rglob("*.ipynb"):
        paper = json.loads(path.read_text(encoding="utf-8"))
        if forget == "metadata":
            paper["metadata"] = {}
        path.write_text(json.dumps(paper), encoding="utf-8")
    assert main(["distribuer", "--corrige", str(tmp_path / "s"), "--sortie", str(tmp_path / "c")]) == 0
    assert "solutions de projet9_deux/01_carnet.ipynb" in capsys.readouterr().out
    for project in ("projet8_un", "projet9_deux"):
        original = json.loads((house / project / "01_carnet.ipynb").read_text(encoding="utf-8"))
        result = json.loads((tmp_path / "c" / project / "01_carnet.ipynb").read_text(encoding="utf-8"))
        assert result["cells"] == bare(original)["cells"]


def test_what_cannot_be_corrected_is_said_and_does_not_stop_the_rest(house, tmp_path, capsys):
    assert main(["distribuer", "projet8_un", "--sortie", str(tmp_path / "s")]) == 0
    good = tmp_path / "s" / "projet8_un" / "01_carnet.ipynb"
    stranger = tmp_path / "autre.ipynb"
    strange = {"cells": [{"cell_type": "code", "id": ["liste"], "source": "1", "metadata": {"tags": 3}}]}
    stranger.write_text(json.dumps(strange | {"metadata": {"projets": []}, "nbformat": 4}), encoding="utf-8")
    command = ["distribuer", "--corrige", str(stranger), str(good), str(tmp_path / "rien.ipynb")]
    assert main([*command, "--sortie", str(tmp_path / "c")]) == 2
    output = capsys.readouterr()
    assert "ne vient d'aucun carnet du dépôt" in output.err and "rien.ipynb est introuvable" in output.err
    assert (tmp_path / "c" / "01_carnet.ipynb").is_file()
    assert main(["distribuer", "--corrige", str(good), "--sortie", str(good.parent)]) == 2
    assert "serait remplacé par son corrigé" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["projet7"], "Projet inconnu"),
        (["--garder"], "--garder ne sert qu'avec --corrige"),
        (["projet8_un", "--corrige", "x.ipynb"], "Lancez deux commandes"),
        (["--groupe", "B2", "--corrige", "x.ipynb"], "Lancez deux commandes"),
    ],
)
def test_mistakes_of_the_command(house, capsys, options, message):
    assert main(["distribuer", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_solution_that_is_not_python_names_its_notebook_and_writes_nothing(house, tmp_path, capsys):
    path = house / "projet9_deux" / "01_carnet.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("q1 = 6 * 7", "%time q1 = 6"), encoding="utf-8")
    assert main(["distribuer", "--sortie", str(tmp_path / "s")]) == 2
    assert "projet9_deux/01_carnet.ipynb : Une cellule « solution »" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_parameters_of_any_form_can_be_filled():
    rng, notebook = random.Random(0), course()
    for _ in range(20):
        ends = rng.choice(["\n", "\r\n", "\r"])
        lines = ['É: str = "é"  # été', 'SUJET: str = "x"', "N: int = 3", "# fin", "A: str", "B = 3"]
        rng.shuffle(lines)
        notebook["cells"][1]["source"] = ends.join(lines)
        filled = text(hand_out(notebook, subject="ab12")["cells"][1])
        assert filled == notebook["cells"][1]["source"].replace('"x"', '"ab12"')
    notebook["cells"][1]["source"] = "pas du Python ("
    assert text(hand_out(notebook, subject="ab12")["cells"][1]) == "pas du Python ("
