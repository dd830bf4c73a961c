"""The identity of code, so that what other code has made is made again."""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), np.generic)
_HIDDEN = {  # what a class holds beside its code
    "__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__dataclass_fields__",
    "__dataclass_params__", "__abstractmethods__", "_abc_impl", "__firstlineno__", "__static_attributes__",
}  # fmt: skip


def code_hash(*items: Any) -> str:
    """Returns a hash of what functions and classes do, and all of ours that they use.

    The code hashed is the code that runs: a file that was edited since it was imported changes nothing before it is
    imported again. Comments, docstrings, annotations and layout don't count. What they use is found by name in their
    modules and closures, and so on: functions, classes, and constants in capitals that hold plain values. A class that
    is looked up at run time, in a registry for instance, can't be found so: it is given too.

    Args:
        items: functions, lambdas, methods, partial functions, classes; None and what is no code count for nothing.

    Returns:
        12 hexadecimal digits. The same code may have another hash under another version of Python.
    """
    texts, waiting, seen = set(), list(items), []
    while waiting:
        item = _unwrapped(waiting.pop())
        if isinstance(item, (functools.partial, types.MethodType)):
            waiting += [item.func, *item.args, *item.keywords.values()] if hasattr(item, "func") else [item.__func__]
        elif isinstance(item, (types.FunctionType, type)) and _is_ours(item) and not any(item is s for s in seen):
            seen.append(item)
            text, uses = _read_class(item) if isinstance(item, type) else _read_function(item)
            texts.add(f"{item.__qualname__}: {text}")
            waiting += uses
    return hashlib.sha256("\n".join(sorted(texts)).encode("utf-8")).hexdigest()[:12]


def _unwrapped(item: Any) -> Any:
    """Returns the function of a property, of a cached, static, class or decorated one."""
    if isinstance(item, property):
        item = item.fget
    elif isinstance(item, functools.cached_property):
        item = item.func
    elif isinstance(item, (staticmethod, classmethod)):
        item = item.__func__
    return inspect.unwrap(item) if callable(item) else item


def _is_ours(item: Any) -> bool:
    """Says if a function or class belongs to no library: to this repository, a test or a notebook."""
    return item.__module__ == "__main__" or _in_repository(sys.modules.get(item.__module__ or ""))


def _in_repository(module: types.ModuleType | None) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and not file.startswith(_libraries())


@functools.cache
def _libraries() -> tuple[str, ...]:
    """Returns where libraries are installed; no constant, which would make hashes those of a machine."""
    return tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _read_function(function: types.FunctionType) -> tuple[str, list[Any]]:
    """Returns what identifies a function by itself, and what it uses."""
    names, text = set(), _code_text(function.__code__)
    for code in _nested(function.__code__):
        names |= set(code.co_names)
    named = [(name, function.__globals__[name]) for name in names if name in function.__globals__]
    for module in [value for _, value in named if isinstance(value, types.ModuleType)]:
        if _in_repository(module):
            named += [(name, vars(module)[name]) for name in names if name in vars(module)]
    constants = sorted({f"{n}={_plain(v)}" for n, v in named if n.isupper() and _plain(v) is not None})
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    closure = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]
    uses = [value for _, value in named] + closure + defaults
    uses += [type(value) for value in uses if dataclasses.is_dataclass(type(value))]
    return f"{text} {constants} {[_plain(value) for value in defaults]}", uses


def _read_class(item: type) -> tuple[str, list[Any]]:
    """Returns what identifies a class by itself, and what it uses: its bases, methods and the classes of its values."""
    members = {name: value for name, value in vars(item).items() if name not in _HIDDEN}
    plain = sorted(f"{name}={_plain(value)}" for name, value in members.items() if _plain(value) is not None)
    return f"{list(vars(item).get('__annotations__', {}))} {plain}", [*item.__bases__, *members.values()]


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


@functools.cache
def _code_text(code: types.CodeType) -> str:
    """Spells instructions with the names and constants that they use, among which a docstring is not."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    values = [_code_text(s.argval) if isinstance(s.argval, types.CodeType) else _plain(s.argval) for s in steps]
    return str([(step.opname, value) for step, value in zip(steps, values, strict=True)])


def _plain(value: Any) -> str | None:
    """Spells a plain value, the same in each process; None for any other, and for a registry that is not filled yet."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()}"
    if isinstance(value, (dict, list, set)) and not value:
        return None
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = [type(value).__qualname__, *(getattr(value, name) for name in value.__dataclass_fields__)]
    elif not isinstance(value, (tuple, list, set, frozenset)):
        return None
    parts = [_plain(part) for part in value]
    if None in parts:
        return None
    return f"[{', '.join(sorted(parts) if isinstance(value, (set, frozenset)) else parts)}]"
