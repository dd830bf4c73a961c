"""Speed-up of two workers of a shared study against one, each with one thread, in the same run.

The trials are trainings of project 2 on its sample, all alike, so that both studies do the same work. Processes have
compiled and trained once before the clock starts. It takes the address of an empty PostgreSQL database, where it leaves
its studies.

    PROJETS_ETUDES=postgresql://... python benchmarks/ouvriers.py [--images 20000] [--essais 6]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import uuid

from commun import studies

_ONE_THREAD = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")


def work(name: str, images: int, trials: int) -> None:
    """Is a worker: trains once, says so, and works once it is told to."""
    from commun.training import keras
    from projet2_cvae import dataset
    from projet2_cvae.model import Config
    from projet2_cvae.training import train

    data = dataset.load()

    def objective(trial=None) -> float:
        keras.backend.clear_session()
        config = Config(images_seen=images if trial else 1000, epochs=1)
        return train(config, data.fit, data.validation, project="").metrics["val_loss"]

    objective()
    study = studies.Study("mesure", name)
    print("prêt", flush=True)
    sys.stdin.readline()
    study.work(objective, trials=trials)


def measure(count: int, options: argparse.Namespace) -> float:
    """Returns the seconds that so many workers take for a study."""
    command = [sys.executable, __file__, "--ouvrier", uuid.uuid4().hex]
    command += ["--images", str(options.images), "--essais", str(options.essais)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    workers = [subprocess.Popen(command, env=os.environ | _ONE_THREAD, **pipes) for _ in range(count)]
    for worker in workers:
        while worker.stdout.readline().strip() != "prêt":
            if worker.poll() is not None:
                sys.exit("Un ouvrier s'est arrêté avant de commencer.")
    start = time.perf_counter()
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    if any(worker.wait() for worker in workers):
        sys.exit("Un ouvrier a échoué.")
    return time.perf_counter() - start


def main() -> None:
    """Prints the durations, and their ratio."""
    parser = argparse.ArgumentParser(description="Accélération de deux ouvriers contre un.")
    parser.add_argument("--images", type=int, default=20_000, help="images vues par un essai")
    parser.add_argument("--essais", type=int, default=6, help="essais de chaque étude (un nombre pair)")
    parser.add_argument("--ouvrier", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ouvrier:
        return work(options.ouvrier, options.images, options.essais)
    if not studies.is_shared(studies.database("mesure")):
        sys.exit(f"Donnez dans {studies.VARIABLE} l'adresse d'une base PostgreSQL.")
    one, two = measure(1, options), measure(2, options)
    print(f"Essais : {options.essais} de {options.images} images ; un fil de calcul par ouvrier")
    print(f"Un ouvrier : {one:.1f} s ; deux ouvriers : {two:.1f} s ; rapport : {one / two:.2f}")


if __name__ == "__main__":
    main()
