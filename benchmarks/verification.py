"""Checking a class: how time and memory grow with the number of hand-ins.

A hand-in is a folder with the committed notebooks of a project, executed, whose answers are replaced by words drawn for
each student: no two are equal. `atelier verifier` reads 10, 20, 40, then 80 of them in a process of its own and writes
the table, the pages and the CSV. The exponent is the slope of the logarithm of the time against that of the number: 1
if twice as many hand-ins take twice as long; starting takes the same time for all, and lowers it.

    python benchmarks/verification.py [--tours 2]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "projet2_cvae"
SIZES = (10, 20, 40, 80)
WORDS = ("code", "perte", "classe", "image", "modèle", "poids", "lot", "mesure", "réseau", "écart", "bruit", "juge")


def hand_in(folder: Path, student: int) -> None:
    """Writes the notebooks of a student."""
    draw = random.Random(student)
    folder.mkdir(parents=True)
    for path in sorted((ROOT / PROJECT).glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if "solution" in cell["metadata"].get("tags", []):
                text = " ".join(draw.choices(WORDS, k=40))
                cell["source"] = text if cell["cell_type"] == "markdown" else f"{''.join(cell['source'])}\n# {text}"
        target = folder / path.name
        target.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")


def check(folder: Path, output: Path) -> tuple[float, float]:
    """Checks a folder of hand-ins in a new process; returns seconds and the peak of its memory, in MB."""
    command = [sys.executable, "-m", "atelier", "verifier", folder, "--html", output, "--csv", output / "classe.csv"]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        errors = process.stderr.read()  # before waiting: a full pipe would block the process
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    pages = len(list(output.rglob("*.html")))
    if pages < 2:
        raise RuntimeError(f"{pages} page(s) written, exit code {process.returncode}: {errors.decode()[-500:]}")
    return seconds, used.ru_maxrss / 1024


def slope(sizes: list[int], values: list[float]) -> float:
    """Returns the exponent of growth: the least-squares slope between logarithms."""
    from numpy import log, polyfit

    return float(polyfit(log(sizes), log(values), 1)[0])


def main() -> None:
    """Prints time and peak memory for each number of hand-ins, and the exponent of each round."""
    parser = argparse.ArgumentParser(description="Durée et mémoire de verifier, de 10 à 80 rendus.")
    parser.add_argument("--tours", type=int, default=2, help="mesures de chaque taille")
    options = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as temporary:
        for size in SIZES:
            for student in range(size):
                hand_in(Path(temporary, f"classe-{size}", f"eleve-{student}"), student)
        for turn in range(options.tours):
            rounds.append([
                check(Path(temporary, f"classe-{size}"), Path(temporary, f"pages-{size}-{turn}")) for size in SIZES
            ])
    from commun import results  # heavy, and a child's peak is never counted below its parent's

    notebooks = len(list((ROOT / PROJECT).glob("*.ipynb")))
    print(f"Matériel : {results.hardware()} ; {notebooks} carnets par rendu")
    for place, size in enumerate(SIZES):
        seconds, peak = (statistics.median(values) for values in zip(*(one[place] for one in rounds), strict=True))
        print(f"{size} rendus : {seconds:.1f} s, {peak:.0f} Mo au plus")
    slopes = [slope(list(SIZES), [seconds for seconds, _ in one]) for one in rounds]
    print(f"Exposant de la durée : {statistics.median(slopes):.2f} (de {min(slopes):.2f} à {max(slopes):.2f})")


if __name__ == "__main__":
    main()
