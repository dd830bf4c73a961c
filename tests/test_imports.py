"""Who imports whom: light modules, and projects that do not know one another."""

from __future__ import annotations

import ast
import graphlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = sorted(p.name for p in ROOT.glob("projet*") if (p / "__init__.py").is_file())
LIGHT = {"numpy", "pandas", "PIL", "sklearn", "scipy", "matplotlib", "keras"}
OURS = {"commun", "atelier", *PROJECTS}
MODULES = sorted(path for name in ("commun", *PROJECTS) for path in (ROOT / name).rglob("*.py"))
NOTEBOOKS = sorted(path for name in PROJECTS for path in (ROOT / name).glob("*.ipynb"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST, *, everywhere: bool) -> set[str]:
    """Returns the top packages imported by a source: everywhere, or only when the module itself is imported."""
    found, nodes = set(), [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {"un import relatif"} if node.level else {node.module.split(".")[0]}
        elif not everywhere and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        nodes += ast.iter_child_nodes(node)
    return found


def imports_of(path: Path, *, everywhere: bool = True) -> set[str]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = (c for c in json.loads(text)["cells"] if c["cell_type"] == "code")
        text = "\n".join("".join(cell["source"]) for cell in cells)
    return imported(ast.parse(text), everywhere=everywhere)


def test_the_reader_of_imports_sees_what_it_should():
    source = "import a.b, c as d\ntry:\n  from e.f import g\nfinally: pass\ndef h():\n  import i\n  from . import j"
    assert imported(ast.parse(source), everywhere=False) == {"a", "c", "e"}
    assert imported(ast.parse(source), everywhere=True) == {"a", "c", "e", "i", "un import relatif"}


def test_one_function_seeds_keras():
    """`commun.training.building`, under a lock: elsewhere, a thread would shift the draws of another."""
    calls = {
        shown(path): sum(
            getattr(node, "attr", "") == "set_random_seed" for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
        for path in MODULES
    }
    assert {path: count for path, count in calls.items() if count} == {"commun/training.py": 1}


def test_there_is_something_to_check():
    assert "projet2_cvae" in PROJECTS
    assert len(MODULES) > 8
    assert len(NOTEBOOKS) >= 4


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_imports_only_light_packages_when_it_is_imported(path):
    assert imports_of(path, everywhere=False) <= LIGHT | OURS | set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", [*MODULES, *NOTEBOOKS], ids=shown)
def test_commun_knows_no_project_and_a_project_knows_only_commun(path):
    owner = path.relative_to(ROOT).parts[0]
    assert imports_of(path) & OURS <= {"commun", owner}


@pytest.mark.parametrize("path", sorted((ROOT / "atelier").glob("*.py")), ids=shown)
def test_atelier_knows_only_commun(path):
    assert imports_of(path) & OURS <= {"commun", "atelier"}


def test_no_module_imports_itself_through_others():
    paths = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py"))
    modules = {shown(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in paths}
    graph = {}
    for name, path in modules.items():
        imports = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                imports |= members if members <= set(modules) else {*members, node.module}
            elif isinstance(node, ast.Import):
                imports |= {alias.name for alias in node.names}
        graph[name] = imports & set(modules)
    assert "commun.datasets" in graph["commun.images"] and "atelier.donnees" in graph["atelier.__main__"]
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


BLOCKED = """
import importlib, sys
import keras  # its backend comes with it, then is forgotten: our modules must not ask for it

FORBIDDEN = {"tensorflow", "optuna", "pooch", "IPython"}
for name in [name for name in sys.modules if name.split(".")[0] in FORBIDDEN]:
    del sys.modules[name]

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
failures = []
for name in FORBIDDEN:
    try:
        importlib.import_module(name)
        failures.append(f"{name} was not blocked")
    except ImportError:
        pass
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failures.append(f"{name}: {error}")
sys.exit("; ".join(failures) or 0)
"""


def test_everything_is_imported_without_the_heavy_packages():
    names = [shown(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in MODULES]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *names], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
