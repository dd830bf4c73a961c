"""Trainings of `reference/`: their speed on this machine, by the same code, beside what the reference recorded.

Each configuration is trained for two short epochs, the first of which compiles and is left out; images are noise, on
which speed does not depend. The recorded speed is that of an epoch, the median of all. Whole durations on this machine
are worked out from the speed. Trainings of the reference shared their device with others: see `README.md`.

    python benchmarks/references.py [--pas 12] [--projets projet2_cvae …]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

import projet1_artistes
import projet2_cvae
import projet3_ssl_anomalies
from commun import figures, results, training
from commun.training import Budget
from projet1_artistes import training as paintings
from projet2_cvae import dataset, model
from projet2_cvae import training as garments
from projet3_ssl_anomalies import training as parts

RNG = np.random.default_rng(0)
IMAGES = 50_000  # of the command that made the reference of project 3
Training = tuple[str, Budget, Callable[[Budget], training.Run], float | None]


def noise(*shape: int) -> np.ndarray:
    """Returns noise, uint8."""
    return RNG.integers(0, 256, shape, np.uint8)


def recorded(folder, config: Budget, history: str) -> float:
    """Returns how many images a second the reference has seen: the median of its epochs."""
    seconds = pd.read_csv(folder / history)["seconds"].median()
    return config.images_seen / config.epochs / seconds


def paintings_trainings() -> Iterator[Training]:
    """Yields the trainings of project 1: title, configuration, what trains it, images a second of the reference."""
    for name, history, title in (
        ("modele", "historique.csv", "projet 1, depuis zéro"),
        ("transfert", "historique_transfert.csv", "projet 1, étages 4 et suivants d'EfficientNet-Lite0"),
    ):
        read = json.loads((projet1_artistes.REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
        config = paintings.config_of(read)
        images, labels = noise(200, config.image_side, config.image_side, 3), np.arange(200) % 50

        def learn(budget: Budget, images=images, labels=labels) -> training.Run:
            return paintings.train(budget, images, labels, np.arange(len(images)), classes=50)

        yield title, config, learn, recorded(projet1_artistes.REFERENCE, config, history)


def garments_trainings() -> Iterator[Training]:
    """Yields the training of project 2."""
    read = json.loads((projet2_cvae.REFERENCE / "modele.json").read_text(encoding="utf-8"))
    config = model.Config(**read)
    part = dataset.Part(noise(4000, 28, 28, 1), np.arange(4000) % 10)
    speed = recorded(projet2_cvae.REFERENCE, config, "historique.csv")
    yield "projet 2, CVAE retenu", config, lambda budget: garments.train(budget, part), speed


def parts_trainings() -> Iterator[Training]:
    """Yields the trainings of project 3, those of one category."""
    budget = dataclasses.replace(parts.profile("complet"), images=IMAGES)
    good = parts.Good(noise(100, budget.side, budget.side, 3))
    for task, config in parts.configurations(budget, side=budget.side).items():
        title = f"projet 3, {parts.PRETEXTS[task].title}"
        yield title, config, lambda budget: parts.train(budget, good), None


PROJECTS = {
    projet1_artistes.PROJECT: paintings_trainings,
    projet2_cvae.PROJECT: garments_trainings,
    projet3_ssl_anomalies.PROJECT: parts_trainings,
}


def main() -> None:
    """Prints a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pas", type=int, default=12, help="pas de gradient d'une époque")
    parser.add_argument("--projets", nargs="*", choices=list(PROJECTS), default=list(PROJECTS))
    options = parser.parse_args()
    print(f"Ici : {results.hardware()}.\n")
    print("| entraînement | images | ici | durée ici | la référence |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROJETS_TRAVAIL"] = folder
        for name in options.projets:
            for title, config, learn, before in PROJECTS[name]():
                short = dataclasses.replace(config, epochs=2, images_seen=2 * options.pas * config.batch_size)
                seconds = learn(short).history["seconds"].iloc[-1]
                speed = options.pas * config.batch_size / seconds
                now, then = (f"{figures.number(value, 0)}/s" if value else "–" for value in (speed, before))
                whole = figures.duration(config.images_seen / speed)
                cells = (title, figures.number(config.images_seen), now, whole, then)
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
