"""Helpers shared by the notebooks of the three projects."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import TracebackType

from commun import seen


class UserError(Exception):
    """A mistake that the user can mend.

    Its French message says what is wrong, where, and what to do next. The command line prints it without a
    traceback and exits with code 2; a notebook shows it without a traceback too.
    """

    def _render_traceback_(self) -> list[str]:
        """Returns what IPython shows in place of a traceback."""
        return [f"Erreur : {self}"]


_ARGPARSE = {
    "usage: ": "utilisation : ",
    "positional arguments": "arguments",
    "options": "options",
    "show this help message and exit": "montre cette aide et s'arrête",
    "%(prog)s: error: %(message)s\n": "Erreur : %(message)s\n",
    "the following arguments are required: %s": "il manque : %s",
    "unrecognized arguments: %s": "arguments inconnus : %s",
    "invalid choice: %(value)r (choose from %(choices)s)": "%(value)r n'existe pas (choix : %(choices)s)",
    "invalid %(type)s value: %(value)r": "%(value)r n'est pas de type %(type)s",
    "argument %(argument_name)s: %(message)s": "%(argument_name)s : %(message)s",
    "expected one argument": "une valeur est attendue",
    "expected at least one argument": "au moins une valeur est attendue",
}


def french_argparse() -> None:
    """Makes argparse, whose texts have no French translation in Python's distribution, speak French."""
    argparse._ = lambda text: _ARGPARSE.get(text, text)


def exit_code(work: Callable[[], object]) -> int:
    """Does the work of a command and returns its exit code: 0, or 2 after a mistake of the user, told in a sentence."""
    try:
        work()
    except UserError as error:
        print(f"Erreur : {error}", file=sys.stderr)
        return 2
    return 0


def _tell_mistake(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tells in a sentence a mistake that nothing caught, such as one found while modules are imported."""
    if not issubclass(kind, UserError):
        return _usual_hook(kind, error, trace)
    print(f"Erreur : {error}", file=sys.stderr)
    raise SystemExit(2)


_usual_hook, sys.excepthook = sys.excepthook, _tell_mistake


@contextlib.contextmanager
def native_stderr_to(path: Path) -> Generator[None]:
    """Sends to a file what this process writes on standard error, native libraries and child processes included."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with path.open("w", encoding="utf-8") as stream:
            os.dup2(stream.fileno(), 2)
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


seen.watch()  # as soon as a notebook imports anything of ours
