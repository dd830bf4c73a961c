"""Preparation of the paintings: the second run against the first, and peak memory with four times as many works.

A preparation lists the works, decodes them, finds near-duplicates and splits (`dataset.open_folder`); its time leaves
out the imports. Each runs in a process of its own, the second finding what the first left in `travail/`. Peak memory is
that of the process of a first preparation, as the system counts it (`ru_maxrss`), pages of mapped files included. The
works are those of the sample; four times as many are copies of the same files under other names. The process that
measures imports nothing heavy: a child's peak is never counted below its parent's.

    python benchmarks/preparation.py [--tours 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

DRAW = "import sys; from pathlib import Path; from projet1_artistes import sample; sample.draw(Path(sys.argv[1]))"
PREPARE = """
import json, resource, sys, time
from pathlib import Path
from commun.datasets import Location
from projet1_artistes import dataset

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
data = dataset.open_folder(Location(Path(sys.argv[1]), False, "échantillon"))
seconds = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"works": len(data.works), "seconds": seconds, "before": before / 1024, "peak": after / 1024}))
"""


def run(code: str, folder: Path, work: Path) -> str:
    """Runs code in a new process, the folder being its argument; returns what it prints."""
    environment = os.environ | {"PROJETS_TRAVAIL": str(work)}
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, encoding="utf-8").stdout


def prepare(folder: Path, work: Path) -> dict[str, float]:
    """Prepares a folder in a new process: number of works, seconds, memory in MB before and at its peak."""
    return json.loads(run(PREPARE, folder, work))


def multiply(source: Path, target: Path, times: int) -> None:
    """Copies a collection, each work as many times, under other numbers."""
    for path in source.rglob("*"):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".csv":
            shutil.copyfile(path, place)
        else:
            stem, number = path.stem.rsplit("_", 1)
            for turn in range(times):
                shutil.copyfile(path, place.with_name(f"{stem}_{int(number) + 10_000 * turn}{path.suffix}"))


def main() -> None:
    """Prints the times of both preparations, the ratio of each round, and peak memory at 1x and 4x works."""
    parser = argparse.ArgumentParser(description="Seconde préparation contre la première ; mémoire à 1x et 4x œuvres.")
    parser.add_argument("--tours", type=int, default=3, help="mesures, chacune dans un dossier neuf")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        single, fourfold = Path(temporary, "1x"), Path(temporary, "4x")
        single.mkdir()
        fourfold.mkdir()
        run(DRAW, single, Path(temporary))
        multiply(single, fourfold, 4)
        pairs, peaks = [], []
        for turn in range(options.tours):
            work = Path(temporary, f"travail-{turn}")
            pairs.append((prepare(single, work), prepare(single, work)))
            peaks.append((pairs[-1][0], prepare(fourfold, work)))
    ratios = [first["seconds"] / second["seconds"] for first, second in pairs]
    from commun import results  # heavy: see above

    print(f"Matériel : {results.hardware()} ; {pairs[0][0]['works']} œuvres")
    print(f"Première préparation : {statistics.median(first['seconds'] for first, _ in pairs):.2f} s")
    print(f"Seconde préparation  : {statistics.median(second['seconds'] for _, second in pairs):.2f} s")
    print(f"Rapport : {statistics.median(ratios):.1f} (de {min(ratios):.1f} à {max(ratios):.1f})")
    for name, column in (("1x", 0), ("4x", 1)):
        runs = [pair[column] for pair in peaks]
        before, peak = (statistics.median(run[key] for run in runs) for key in ("before", "peak"))
        print(f"Mémoire, {name} ({runs[0]['works']} œuvres) : pic {peak:.0f} Mo, dont {before:.0f} avant de commencer")
    growth = [big["peak"] / small["peak"] for small, big in peaks]
    print(f"Pic à 4x sur pic à 1x : {statistics.median(growth):.3f} (de {min(growth):.3f} à {max(growth):.3f})")


if __name__ == "__main__":
    main()
