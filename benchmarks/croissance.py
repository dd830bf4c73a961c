"""Growth: time and memory of preparation, scoring, metrics and export, for 1, 2, 4 and 8 times as much.

Each size is measured in a process of its own, on drawn data, once what does not depend on the size is done (imports, a
first image, compilation). The exponent is the slope of the logarithm of the time against that of the size: 1 if twice
as much takes twice as long. The memory is the process's peak, less what it held before.

    python benchmarks/croissance.py [--tours 2] [--etapes preparation notation mesures export]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from verification import slope

BASES = {"preparation": 200, "notation": 16, "mesures": 25, "export": 40}  # smallest size: images, or cells
UNITS = {"preparation": "images", "notation": "images", "mesures": "cartes", "export": "cellules"}
FACTORS = (1, 2, 4, 8)


def preparation(size: int, folder: Path) -> Callable[[], object]:
    """Pictures of 400 pixels, decoded and brought to 128."""
    from PIL import Image

    from commun.images import read_images

    draw, paths = np.random.default_rng(0), [folder / f"{i}.jpg" for i in range(size)]
    for path in paths:
        small = Image.fromarray(draw.integers(0, 256, (40, 40, 3), np.uint8))
        small.resize((400, 400)).save(path)
    read_images(paths[:1], 128, project="mesure")
    return lambda: read_images(paths, 128, project="mesure", crop=True)


def notation(size: int, folder: Path) -> Callable[[], object]:
    """Images of 64 pixels scored by four networks whose weights are drawn: they do not change the time."""
    from projet3_ssl_anomalies import dataset, signals, training
    from projet3_ssl_anomalies.detector import Detector
    from projet3_ssl_anomalies.statistics import fit_normal

    images = np.random.default_rng(0).integers(0, 256, (size, 64, 64, 3), np.uint8)
    budget = training.profile("rapide")
    models = {task: training.build(config) for task, config in training.configurations(budget, side=64).items()}
    normals = {name: fit_normal(name, values) for name, values in signals.signals(models, images[:8]).items()}
    detector = Detector(dataset.CATEGORIES["bottle"], models, normals, {}, 64)
    detector.signal_maps(images[:8])
    return lambda: detector.signal_maps(images)


def mesures(size: int, folder: Path) -> Callable[[], object]:
    """Anomaly maps of 256 pixels measured, with intervals from 200 draws."""
    from projet3_ssl_anomalies import intervals

    draw = np.random.default_rng(0)
    maps, masks = draw.random((size, 256, 256), np.float32), np.zeros((size, 256, 256), bool)
    masks[::2, 60:90, 60:90] = True
    maps[masks] += 0.5
    scores = maps.max(axis=(1, 2))
    intervals.measure(scores[:4], masks[:4].any(axis=(1, 2)), maps=maps[:4], masks=masks[:4], draws=2)
    return lambda: intervals.measure(scores, masks.any(axis=(1, 2)), maps=maps, masks=masks, draws=200)


def export(size: int, folder: Path) -> Callable[[], object]:
    """A notebook whose cells have each some text, code, a table and a figure, made into a page."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    from atelier.export import export_notebook
    from commun import figures

    figure, axes = figures.new_figure()
    axes.plot(np.random.default_rng(0).normal(size=200))
    drawn = figures._bundle(figures.Drawing(figure, "une courbe"))[0]
    table = "<table><tr><th>a</th></tr>" + "<tr><td>1,5</td></tr>" * 20 + "</table>"
    outputs = [
        new_output("display_data", data=drawn),
        new_output("display_data", data={"text/html": table, "text/plain": "a"}),
        new_output("stream", text="époque 1, perte 0,5\n" * 10),
    ]

    def write(name: str, count: int) -> Path:
        cells = [new_markdown_cell("# Un titre")]
        for _ in range(count):
            cells += [new_markdown_cell("Du *texte*, et $x^2$."), new_code_cell("a = 1\n" * 10, outputs=outputs)]
        nbformat.write(new_notebook(cells=cells), folder / name)
        return folder / name

    few, many = write("un.ipynb", 1), write("tous.ipynb", size)
    export_notebook(few, folder / "un.html")
    return lambda: export_notebook(many, folder / "tous.html")


STEPS = {step.__name__: step for step in (preparation, notation, mesures, export)}


def child(step: str, size: int) -> None:
    """Measures a step in this process, and prints seconds and megabytes."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["PROJETS_TRAVAIL"] = name
        work = STEPS[step](size, Path(name))
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        work()
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([seconds, (after - before) / 1024]))


def main() -> None:
    """Prints a line a step: times, exponent, memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tours", type=int, default=2, help="mesures de chaque taille")
    parser.add_argument("--etapes", nargs="*", choices=STEPS, default=list(STEPS), help="étapes mesurées")
    parser.add_argument("--enfant", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.enfant:
        return child(options.enfant[0], int(options.enfant[1]))
    print("| étape | tailles | secondes | exposant | mémoire en plus (Mo) |\n|---|---|---|---|---|")
    for step in options.etapes:
        sizes, rounds = [BASES[step] * factor for factor in FACTORS], []
        for _ in range(options.tours):
            commands = [[sys.executable, __file__, "--enfant", step, str(size)] for size in sizes]
            ends = [subprocess.run(command, capture_output=True, text=True, check=True) for command in commands]
            rounds.append([json.loads(end.stdout.splitlines()[-1]) for end in ends])
        slopes = [slope(sizes, [seconds for seconds, _ in one]) for one in rounds]
        middle = [
            [statistics.median(values) for values in zip(*of_size, strict=True)]
            for of_size in zip(*rounds, strict=True)
        ]
        seconds, memory = (", ".join(f"{one[place]:.{2 - 2 * place}f}" for one in middle) for place in (0, 1))
        told = f"{statistics.median(slopes):.2f} (de {min(slopes):.2f} à {max(slopes):.2f})"
        print(f"| {step} | {', '.join(map(str, sizes))} {UNITS[step]} | {seconds} | {told} | {memory} |", flush=True)
    return None


if __name__ == "__main__":
    main()
