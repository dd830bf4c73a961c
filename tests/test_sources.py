"""The identity of code: what changes it, what does not."""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys

import pytest

from commun.sources import code_hash

SOURCE = '''
"""A module."""
import dataclasses, functools
import numpy as np
import neighbour

RATE = 0.5
_TABLE = {"a": (1, 2), "b": np.arange(3)}
REGISTRY = {}
state = {"runs": 0}

@dataclasses.dataclass(frozen=True)
class Options:
    """Options."""
    width: int = 8
    def area(self):
        return self.width ** 2

CHOICE = Options(4)

def helper(x):
    return x + 1

class Base:
    factor = 2
    def scale(self, x):
        return self.factor * x

class Child(Base):
    @property
    def half(self):
        return self.scale(0.5)
    @staticmethod
    def zero():
        return 0
    @functools.cached_property
    def twice(self):
        return helper(2)

def build(width, choice=CHOICE):
    """Builds."""
    # a comment
    return [Child().scale(helper(i)) * RATE for i in range(width)], _TABLE, neighbour.shift(1), REGISTRY, state

def maker():
    inner = helper
    return lambda x: inner(x)
'''
NEIGHBOUR = '''
def shift(x):
    return x + OFFSET

def unrelated():
    return "unrelated"

OFFSET = 3
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes the two modules, edited, and imports them afresh."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(old: str = "", new: str = ""):
        assert old in SOURCE + NEIGHBOUR
        (tmp_path / "edited.py").write_text(SOURCE.replace(old, new) if old else SOURCE, encoding="utf-8")
        (tmp_path / "neighbour.py").write_text(NEIGHBOUR.replace(old, new) if old else NEIGHBOUR, encoding="utf-8")
        for name in ("edited", "neighbour"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            return importlib.import_module("edited")
        finally:
            sys.dont_write_bytecode = before

    yield load
    for name in ("edited", "neighbour"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("range(width)", "range(width + 1)"),
        ("return x + 1", "return x + 2"),
        ("RATE = 0.5", "RATE = 0.25"),
        ('"a": (1, 2)', '"a": (1, 3)'),
        ("np.arange(3)", "np.arange(4)"),
        ("Options(4)", "Options(5)"),
        ("width: int = 8", "height: int = 8\n    width: int = 8"),
        ("self.width ** 2", "self.width ** 3"),
        ("self.scale(0.5)", "self.scale(0.25)"),
        ("        return 0\n", "        return 1\n"),
        ("helper(2)", "helper(3)"),
        ("factor = 2", "factor = 3"),
        ("self.factor * x", "self.factor + x"),
        ("x + OFFSET", "x - OFFSET"),
        ("OFFSET = 3", "OFFSET = 4"),
    ],
)
def test_what_is_done_counts_wherever_it_is_written(module, old, new):
    before = code_hash(module().build)
    assert code_hash(module().build) == before
    assert code_hash(module(old, new).build) != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Builds."""', '"""Builds a list of numbers."""'),
        ('    """Builds."""\n', ""),
        ("    # a comment\n", ""),
        ("    return x + 1\n", '    """Adds one."""\n    return x + 1\n'),
        ('    """Options."""\n', ""),
        ("# a comment", "# another comment\n\n\n"),
        ("def build(width,", "def build(width: int,"),
        ('"""Options."""', '"""What can be chosen."""'),
        ('return "unrelated"', 'return "changed"'),
        ("state = {", "state = {'more': 1, "),
        ("lambda x: inner(x)", "lambda x: inner(x + 1)"),
    ],
)
def test_words_layout_and_unrelated_code_do_not_count(module, old, new):
    before = code_hash(module().build)
    assert code_hash(module(old, new).build) == before


def test_closures_partials_methods_and_classes_are_followed(module):
    first, second = module(), None
    hashes = [code_hash(f) for f in (first.maker(), functools.partial(first.helper), first.Child().half.__class__)]
    children = code_hash(first.Child), code_hash(first.Child().scale)
    second = module("return x + 1", "return x + 2")
    assert code_hash(second.maker()) != hashes[0]
    assert code_hash(functools.partial(second.helper)) != hashes[1]
    assert code_hash(second.Child) != children[0]
    third = module("self.factor * x", "self.factor + x")
    assert code_hash(third.Child) != children[0]
    assert code_hash(third.Child().scale) != children[1]


def test_a_registry_of_classes_is_not_followed_but_what_is_given_is(module):
    first = module()
    before = code_hash(first.build)
    first.REGISTRY["child"] = first.Child
    assert code_hash(first.build) == before
    assert code_hash(first.build, first.Options) == code_hash(first.Options, first.build)
    assert code_hash(first.build, None, 3) == before


def test_the_code_hashed_is_the_code_that_runs(module, tmp_path):
    """A file edited after its import changes nothing before it is imported again."""
    loaded = module()
    before = code_hash(loaded.build)
    (tmp_path / "edited.py").write_text(SOURCE.replace("RATE = 0.5", "RATE = 1").replace("x + 1", "x + 9"), "utf-8")
    assert code_hash(loaded.build) == before
    assert code_hash(module("x + 1", "x + 9").build) != before


def test_two_processes_agree():
    """Sets and dictionaries of texts have another order in each process."""
    script = (
        "from commun.sources import code_hash\n"
        "NAMES = {'a', 'b', 'c', 'd', 'e'}\n"
        "def f(x):\n    return x in NAMES or x in {'p', 'q', 'r', 's'}\n"
        "print(code_hash(f))"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True) for _ in range(3)]
    assert len({run.stdout for run in runs}) == 1, runs
    assert len(runs[0].stdout.strip()) == 12


@pytest.mark.parametrize("name", ["commun.sources", "commun.grid", "commun.studies", "commun.datasets"])
def test_two_machines_agree_on_our_own_modules(name):
    """The fault that this catches: a constant that holds where libraries are installed, in the order of a set."""
    script = (
        "import importlib, sys, sysconfig\n"
        "places = dict(sysconfig.get_paths())\n"
        "from commun.sources import code_hash\n"
        "module = importlib.import_module(sys.argv[1])\n"
        "print(code_hash(*[item for item in vars(module).values() if callable(item)]))\n"
        "constants = [v for n, v in vars(module).items() if n.strip('_').isupper() and isinstance(v, (str, tuple))]\n"
        "assert not any(place in str(constants) for place in places.values()), constants\n"
    )
    command = [sys.executable, "-c", script, name]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert len({run.stdout for run in runs}) == 1, runs


def test_a_class_of_a_notebook_is_edited_in_its_cell(ipython):
    cell = "from commun.sources import code_hash\nclass Task:\n    def corrupt(self, x):\n        return {} * x\n"
    hashes = []
    for factor in (2, 3, 2):
        ipython.run_cell(cell.format(factor) + "found = code_hash(Task)").raise_error()
        hashes.append(ipython.user_ns["found"])
    assert hashes[0] == hashes[2] != hashes[1]


class _Absent:
    """A library that is imported when it is used, and is not there: TensorFlow where Keras runs on JAX."""

    def __getattr__(self, name: str) -> None:
        raise ImportError(name)


absent = _Absent()


def _uses_a_library_that_is_absent() -> None:
    absent.start()


def test_a_library_that_is_not_there_does_not_prevent_reading_what_uses_it() -> None:
    assert len(code_hash(_uses_a_library_that_is_absent)) == 12
