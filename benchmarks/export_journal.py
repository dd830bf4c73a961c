"""Export of a long log: with the colours of a terminal against the same length of plain text.

`python benchmarks/export_journal.py [--mo 2]` prints the seconds of each, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from atelier import terminal
from atelier.export import export_notebook


def plain(size: int) -> str:
    """Returns a log of about `size` characters."""
    return _lines("étape {i} : perte {loss:.4f}, encore une ligne de journal\n", size)


def coloured(size: int) -> str:
    """Returns a log of about `size` characters, with colours."""
    return _lines("\x1b[32mINFO\x1b[0m \x1b[1métape {i}\x1b[0m perte {loss:.4f}\n", size)


def main() -> None:
    """Measures both, after an export that warms up the imports; each is the best of three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mo", type=float, default=2, help="length of the logs, in millions of characters")
    size = int(parser.parse_args().mo * 1e6)
    _export("un mot")
    reports, conversions = {}, {}
    for name, text in (("plain", plain(size)), ("coloured", coloured(size))):
        reports[name] = min(_export(text) for _ in range(3))
        conversions[name] = min(_convert(text) for _ in range(3))
    for what, seconds in (("report", reports), ("whole log as HTML", conversions)):
        times = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
        print(f"{what} of {size / 1e6:g} MB: {times}, ratio {seconds['coloured'] / seconds['plain']:.1f}")


def _lines(template: str, size: int) -> str:
    count = size // len(template.format(i=10_000, loss=1))
    return "".join(template.format(i=i, loss=i * 0.001) for i in range(count))


def _export(text: str) -> float:
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": "boucle()"}
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        start = time.perf_counter()
        export_notebook(path, path.with_suffix(".html"))
        return time.perf_counter() - start


def _convert(text: str) -> float:
    start = time.perf_counter()
    terminal.to_html(terminal.clean(text))  # without the bounds of a report
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
