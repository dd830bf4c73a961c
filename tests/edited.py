"""Modules whose source a test edits."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest


def load(path: Path, source: str, patch: pytest.MonkeyPatch) -> types.ModuleType:
    """Writes a module's source and runs it, as does a kernel that starts after the edit."""
    path.write_text(source, encoding="utf-8")
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    patch.setitem(sys.modules, path.stem, module)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(module))
    return module
