"""The hand-outs of the real notebooks, answered by script: not at all, and wrongly.

Only a real run tells that every cell which uses an answer can do without it. It takes long, two minutes and more on two
cores, because each notebook runs once more, in the profile "essai", with another seed than the chain of
`test_notebooks.py`, which has seen that the solutions are right: `test_recapitulatifs.py` reads what both runs say.
"""

import ast
import json
import re
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from chain import SECOND, checked

from atelier import notebooks, verification
from atelier.distribution import ANSWER, hand_out
from commun.card import IN_ORDER
from commun.exercices import UNANSWERED, WRONG
from commun.notebook import read_notebook, tags

PROJECTS = notebooks.projects()

pytestmark = pytest.mark.carnets


def test_a_hand_out_left_unanswered_runs_from_top_to_bottom(papers, unanswered):
    for path in (path for paths in papers.values() for path in paths):
        card = verification.card_of(read_notebook(unanswered / path.parent.name / path.name))
        assert card["etat"] == IN_ORDER
        assert card["groupe"] == "B2" and card["sujet"]
        assert card["reponses"] == dict.fromkeys(checked(read_notebook(path)), UNANSWERED), path.name


def test_wrong_answers_get_wrong_marks(papers, reports, tmp_path, monkeypatch):
    """In the first notebook of each project; `test_projetN_questions.py` gives wrong answers to every check."""
    monkeypatch.setenv("PROJETS_TRAVAIL", str(reports.work))

    def marks(project):
        paper = answered_wrongly(json.loads(papers[project][0].read_text(encoding="utf-8")))
        source, executed = tmp_path / project / "rendu.ipynb", tmp_path / project / "executé" / "rendu.ipynb"
        source.parent.mkdir()
        nbformat.write(nbformat.from_dict(paper), source)
        execute_to_the_end(source, executed)  # a wrong answer may break the cells that use it, but not its check
        return checked(paper), verification.card_of(read_notebook(executed))["reponses"]

    with ThreadPoolExecutor(len(PROJECTS)) as pool:
        for numbers, found in pool.map(marks, PROJECTS):
            assert numbers and found == dict.fromkeys(numbers, WRONG)


def test_every_checked_question_has_an_answer_to_give(papers):
    for path in (path for paths in papers.values() for path in paths):
        paper = read_notebook(path)
        questions = [cell["source"] for cell in paper["cells"] if "question" in tags(cell)]
        numbers = [re.match(r"\*\*Question (\d+)\.\*\*", source)[1] for source in questions]
        assert numbers == [str(number) for number in range(1, len(numbers) + 1)], path.name
        assert 5 <= len(numbers) <= 8
        assert len(checked(paper)) >= 3 and set(checked(paper)) <= set(numbers)
        assert sum(ANSWER in tags(cell) for cell in paper["cells"]) >= len(numbers)
        assert hand_out(paper)["cells"] == paper["cells"]  # no solution is left in it


def answered_wrongly(paper):
    """A hand-out where each value is a text that answers nothing, and each function returns one."""
    for cell in paper["cells"]:
        if ANSWER in tags(cell) and cell["cell_type"] == "code":
            tree = Wrong().visit(ast.parse("".join(cell["source"])))
            cell["source"] = ast.unparse(ast.fix_missing_locations(tree))
    return paper


class Wrong(ast.NodeTransformer):
    """Writes an absurd text in the place of each `...`, and returns it where the body of a function is no more."""

    def visit_Expr(self, node):
        return ast.Return(self.visit(node.value)) if _left(node.value) else node

    def visit_ClassDef(self, node):
        node.body = [ast.Pass() if isinstance(line, ast.Expr) and _left(line.value) else line for line in node.body]
        return self.generic_visit(node)

    def visit_Constant(self, node):
        return ast.Constant("réponse absurde") if _left(node) else node


def _left(node):
    return isinstance(node, ast.Constant) and node.value is ...


def execute_to_the_end(source, target):
    """Runs a notebook in the profile "essai", on the categories of the second run, beyond the cells that fail."""
    from nbclient import NotebookClient

    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(r'(PROFIL: str = )"\w+"', r'\1"essai"', cell.source)
            cell.source = cell.source.replace('CATEGORIES: str = ""', f'CATEGORIES: str = "{SECOND["CATEGORIES"]}"')
    nbformat.write(notebook, source)
    folder = {"metadata": {"path": str(source.parent)}}
    client = NotebookClient(notebook, timeout=1200, kernel_name="python3", allow_errors=True, resources=folder)
    notebooks.with_a_kernel(client.execute)
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
