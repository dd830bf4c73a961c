"""The VAE of project 2 against pythae's, of the same widths: images per second, and loss after the same wall time.

pythae needs PyTorch, which the project does not: give the Python of a scratch environment that has both (`python -m
pip install pythae`). Each trains in a process of its own, in turn; what imports take is left out, what compiling takes
is not. pythae trains for so many epochs; ours is then given the time that it took. Measured on validation images, with
the same noise: -ELBO, in nats.

    python benchmarks/cvae_pythae.py --python PYTHON [--epoques 10] [--tours 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

RIVAL = Path(__file__).with_name("rival_pythae.py")


def child(images: int, seed: int) -> None:
    """Trains ours in this process on so many images; prints seconds, images per second and -ELBO."""
    from projet2_cvae import dataset
    from projet2_cvae.model import Config, nelbo_terms
    from projet2_cvae.training import train

    data = dataset.load()
    start = time.perf_counter()
    run = train(Config(conditional=False, images_seen=images, epochs=10, seed=seed), data.fit, project="")
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, images / seconds, float(nelbo_terms(run.model, data.validation).sum(axis=1).mean())]))


def measured(command: list) -> Any:
    """Returns the figures that a command prints last."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stderr[-2000:])
    return json.loads(ended.stdout.splitlines()[-1])


def main() -> None:
    """Prints the figures of both, round after round, and the ratios."""
    parser = argparse.ArgumentParser(description="Le VAE du projet 2 contre celui de pythae.")
    parser.add_argument("--python", help="Python d'un environnement qui a pythae")
    parser.add_argument("--epoques", type=int, default=10, help="époques de pythae")
    parser.add_argument("--tours", type=int, default=3, help="entraînements de chacun, en alternance")
    parser.add_argument("--enfant", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.enfant:
        return child(*options.enfant)
    if not options.python:
        parser.error("donnez --python")
    from commun import results
    from projet2_cvae import dataset

    data, own = dataset.load(), [sys.executable, __file__, "--enfant"]
    short, long = (measured([*own, images, 0])[0] for images in (100_000, 300_000))
    rate = 200_000 / (long - short)
    compiling = short - 100_000 / rate
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        arrays = Path(name) / "images.npz"
        np.savez(arrays, fit=data.fit.images[..., 0], validation=data.validation.images[..., 0])
        for seed in range(options.tours):
            theirs = measured([options.python, RIVAL, arrays, options.epoques, seed, name])
            ours = measured([*own, int((theirs[0] - compiling) * rate), seed])
            rounds.append((ours, theirs))
            print(f"graine {seed} : le nôtre {ours}, pythae {theirs}", file=sys.stderr, flush=True)
    print(f"Matériel : {results.hardware()} ; {data.location.title} ; {len(data.fit)} images d'apprentissage")
    for place, title in enumerate(("le nôtre", "pythae")):
        seconds, speed, loss = (statistics.median(one[place][i] for one in rounds) for i in range(3))
        print(f"{title} : {seconds:.0f} s, {speed:.0f} images/s, -ELBO de validation {loss:.2f} nats")
    ratios = [ours[1] / theirs[1] for ours, theirs in rounds]
    gaps = [theirs[2] - ours[2] for ours, theirs in rounds]
    print(f"Vitesse : {statistics.median(ratios):.2f} fois (de {min(ratios):.2f} à {max(ratios):.2f})")
    print(f"-ELBO en moins : {statistics.median(gaps):.2f} nats (de {min(gaps):.2f} à {max(gaps):.2f})")
    return None


if __name__ == "__main__":
    main()
