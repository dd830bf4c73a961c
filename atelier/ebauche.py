"""What a hand-out leaves of a solution: the names to define, the signatures, the texts that tell what is asked."""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Iterator, Sequence

from commun import UserError
from commun.exercices import PLACEHOLDER

_LEFT = f"...  # {PLACEHOLDER}"
_NAMED_AS_ANSWER = re.compile(r"q\d+\w*")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def stub(source: str) -> str:
    """Returns what a hand-out leaves of the code of a solution; it runs, and answers nothing.

    What stays: the comments and blank lines that open the cell; imports; `name = ...` for a name that the cell assigns,
    once each, in order (`a, b = ..., ...` for several at once, `x: int = ...` with its annotation); the signature and
    docstring of a function; the bases, docstring, assignments and methods, so reduced, of a class. All else goes,
    comments included. A name such as `q3`, if it is only assigned within a loop, a condition or an expression, is left
    to be assigned at the end.

    Args:
        source: Python, without any magic.

    Raises:
        UserError: it is not Python.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(
            f"Une cellule « solution » n'est pas du Python ({error}) : on ne peut pas en faire un sujet. Corrigez-la ; "
            "les commandes de Jupyter, qui commencent par % ou par !, n'y sont pas admises."
        ) from error
    lines = source.split("\n")
    opening, body = _opening(lines), _Reduction(source, lines).module(tree)
    if not body and f"# {PLACEHOLDER}" not in opening:
        body = [f"# {PLACEHOLDER}"]
    return "\n".join([*opening, *body]).strip("\n")


class _Reduction:
    """Reduces the statements of one source; a block is returned as lines, indented as they were."""

    def __init__(self, source: str, lines: Sequence[str]) -> None:
        self.source, self.lines = source, lines
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        self.colons = [token.start for token in tokens if token.type == tokenize.OP and token.string == ":"]
        self.left: set[str] = set()  # the names that are `...` in the hand-out

    def module(self, tree: ast.Module) -> list[str]:
        """Returns what is left of a cell."""
        known: set[str] = set()
        reduced: list[str] = []
        for statement in tree.body:
            if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                kept = self._assignment(statement, known)
            else:
                kept = self._statement(statement, "")
                known |= _defined(statement)
            reduced += self._spaced(statement, kept, first=not reduced)
        late = [name for name in _bound(tree) if _NAMED_AS_ANSWER.fullmatch(name) and name not in known]
        return reduced + [f"{name} = {_LEFT}" for name in dict.fromkeys(late)]

    def _statement(self, node: ast.stmt, indent: str) -> list[str]:
        """Returns what is left of an import, a function or a class; nothing of another statement."""
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._text(node, indent)
        if isinstance(node, _Function):
            inner = self._inner_indent(node, indent)
            return [*self._header(node), *self._docstring(node, inner), f"{inner}{_LEFT}"]
        if isinstance(node, ast.ClassDef):
            inner = self._inner_indent(node, indent)
            block = self._docstring(node, inner)
            for statement in node.body:
                kept = self._attribute(statement, inner) or self._statement(statement, inner)
                block += self._spaced(statement, kept, first=not block)
            return [*self._header(node), *(block or [f"{inner}{_LEFT}"])]
        return []

    def _attribute(self, node: ast.stmt, indent: str) -> list[str]:
        """Returns an assignment within a class, as it is unless it needs a value that is left to be found."""
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            return []
        if self.left.isdisjoint(item.id for item in ast.walk(node) if isinstance(item, ast.Name)):
            return self._text(node, indent)
        return [f"{indent}{line}" for line in self._assignment(node, set())]

    def _assignment(self, node: ast.Assign | ast.AnnAssign, known: set[str]) -> list[str]:
        """Returns an assignment of `...` to the names that it is the first to assign."""
        texts = []
        for target in [node.target] if isinstance(node, ast.AnnAssign) else node.targets:
            new = [name for name in dict.fromkeys(_assigned(target)) if name not in known and name != "_"]
            known |= set(new)
            self.left |= set(new)
            if new:
                kind = f": {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
                texts.append(f"{', '.join(new)}{kind} = {', '.join(['...'] * len(new))}  # {PLACEHOLDER}")
        return texts

    def _spaced(self, node: ast.stmt, kept: list[str], *, first: bool) -> list[str]:
        """Returns what is left of a statement, after the blank lines that precede it unless it is the first."""
        start = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))]) - 1
        above = itertools.takewhile(
            lambda line: not line.strip() or line.lstrip().startswith("#"), self.lines[:start][::-1]
        )
        return [*([""] * sum(not line.strip() for line in above) if kept and not first else []), *kept]

    def _header(self, node: _Function | ast.ClassDef) -> list[str]:
        """Returns the decorators and the signature, to the colon that ends it: the last one before the body."""
        start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        first = node.body[0]
        decorated = getattr(first, "decorator_list", [])
        before = min([(first.lineno, first.col_offset), *((item.lineno, 0) for item in decorated)])
        row, column = max(colon for colon in self.colons if (node.lineno, 0) <= colon < self._characters(before))
        return [*self.lines[start - 1 : row - 1], self.lines[row - 1][: column + 1]]

    def _docstring(self, node: _Function | ast.ClassDef, indent: str) -> list[str]:
        return [] if ast.get_docstring(node, clean=False) is None else self._text(node.body[0], indent)

    def _inner_indent(self, node: _Function | ast.ClassDef, indent: str) -> str:
        """Returns the indentation of a body; four spaces more than its header's, if both share a line."""
        first = node.body[0]
        text = self.lines[first.lineno - 1].encode()[: first.col_offset].decode()
        return text if not text.strip() and len(text) > len(indent) else f"{indent}    "

    def _text(self, node: ast.stmt, indent: str) -> list[str]:
        """Returns the source of a statement, without the comment that may follow it."""
        return (indent + (ast.get_source_segment(self.source, node) or ast.unparse(node))).split("\n")

    def _characters(self, position: tuple[int, int]) -> tuple[int, int]:
        """Converts a position of the syntax tree, in bytes, into one of the tokens, in characters."""
        row, column = position
        return row, len(self.lines[row - 1].encode()[:column].decode())


def _opening(lines: Sequence[str]) -> list[str]:
    """Returns the comments and blank lines that open a source."""
    count = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    return list(lines[:count])


def _assigned(target: ast.expr) -> Iterator[str]:
    """Yields the names that a target assigns, in order; not the objects whose attribute or item it sets."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for item in target.elts:
            yield from _assigned(item)
    elif isinstance(target, ast.Starred):
        yield from _assigned(target.value)


def _defined(statement: ast.stmt) -> set[str]:
    """Returns the names that a statement which stays defines."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    return set()


def _bound(node: ast.AST) -> Iterator[str]:
    """Yields the names that statements assign or define in the scope of the cell, at any depth, in order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield child.name
        elif not isinstance(child, ast.Lambda):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                yield child.id
            yield from _bound(child)
