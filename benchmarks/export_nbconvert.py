"""Export of executed notebooks into HTML pages, against `jupyter nbconvert --to html`, in the same run.

The notebooks are those of the repository. Both run in this process, once their imports and templates are warm; rounds
alternate, and each gives one ratio. Ours also makes what it is given harmless, checks the card, draws the formulas and
writes a page that needs no network; nbconvert's asks the web for MathJax and RequireJS.

    python benchmarks/export_nbconvert.py [--tours 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from nbconvert import HTMLExporter

from atelier.export import export_notebook
from commun import results

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Prints seconds and megabytes of both, and the ratio of the seconds, all notebooks together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tours", type=int, default=5, help="mesures de chacun, en alternance")
    options = parser.parse_args()
    paths, exporter = sorted(ROOT.glob("projet*/*.ipynb")), HTMLExporter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def ours(path: Path) -> int:
            export_notebook(path, folder / "page.html")
            return (folder / "page.html").stat().st_size

        def theirs(path: Path) -> int:
            page, _ = exporter.from_filename(str(path))
            return (folder / "autre.html").write_text(page, encoding="utf-8")

        ways, spent, sizes = {"atelier": ours, "nbconvert": theirs}, {"atelier": [], "nbconvert": []}, {}
        for export in ways.values():
            export(paths[0])
        for _ in range(options.tours):
            for way, export in ways.items():
                start = time.perf_counter()
                sizes[way] = sum(map(export, paths))
                spent[way].append(time.perf_counter() - start)
    print(f"Matériel : {results.hardware()} ; {len(paths)} carnets")
    for way, seconds in spent.items():
        print(f"{way} : {statistics.median(seconds):.2f} s, {sizes[way] / 1e6:.1f} Mo de pages")
    ratios = [theirs / ours for ours, theirs in zip(*spent.values(), strict=True)]
    print(f"nbconvert sur atelier : {statistics.median(ratios):.2f} (de {min(ratios):.2f} à {max(ratios):.2f})")


if __name__ == "__main__":
    main()
