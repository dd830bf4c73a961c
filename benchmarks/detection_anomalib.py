"""What is normal for features, and the distance to it, against PaDiM and PatchCore as anomalib writes them.

anomalib needs PyTorch, which the project does not: give the Python of a scratch environment that has both (`python -m
pip install anomalib`). The features are the same for all, of a network that nobody trains here: EfficientNet-Lite0 on
ImageNet, stages 2 and 3, at 28 x 28, of a category of the drawn sample. `NormalStatistics` against PaDiM, `GoodBank`
against PatchCore (same size of bank). Each round starts both again, on a few images first: the threads of linear
algebra take a while to start, once a process. Image AUROC of the same score of their maps.

    python benchmarks/detection_anomalib.py --python PYTHON [--tours 3] [--categorie hazelnut]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from cvae_pythae import measured

from commun import results
from projet1_artistes import efficientnet
from projet3_ssl_anomalies import dataset
from projet3_ssl_anomalies.metrics import auroc
from projet3_ssl_anomalies.statistics import BANK, GoodBank, NormalStatistics, image_scores

import keras  # isort: skip

RIVAL = Path(__file__).with_name("rival_anomalib.py")
SIDE = 224
WARM_UP = 4  # images
WAYS = {"padim": NormalStatistics, "patchcore": GoodBank}


def features(images: np.ndarray) -> np.ndarray:
    """Returns the features of uint8 images (n, 224, 224, 3): float32 (n, 28, 28, 64)."""
    body = efficientnet.body(keras.Input((SIDE, SIDE, 3)))
    second, third = (body.get_layer(name).output for name in ("stage_2", "stage_3"))
    both = keras.layers.Concatenate()([keras.layers.AveragePooling2D(2)(second), third])
    return keras.Model(body.input, both).predict(images.astype("float32"), batch_size=16, verbose=0)


def main() -> None:
    """Prints what each takes, the ratios, and what each finds."""
    parser = argparse.ArgumentParser(description="Nos distances à ce qui est normal, contre celles d'anomalib.")
    parser.add_argument("--python", required=True, help="Python d'un environnement qui a anomalib")
    parser.add_argument("--tours", type=int, default=3, help="mesures de chacun, en alternance")
    parser.add_argument("--categorie", default="hazelnut", help="catégorie de l'échantillon")
    options = parser.parse_args()
    data = dataset.load(options.categorie)
    table, test = dataset.read(data.test, SIDE)
    bad = table["is_defect"].to_numpy(bool)
    known = {"fit": features(dataset.read(data.train, SIDE)[1]), "test": features(test)}
    spent = {name: {"atelier": [], "anomalib": []} for name in WAYS}
    with tempfile.TemporaryDirectory() as name:
        arrays, found = Path(name) / "traits.npz", Path(name) / "cartes.npz"
        np.savez(arrays, **known)
        for _ in range(options.tours):
            ours = {}
            for way, normal in WAYS.items():
                normal.fit(known["fit"][:WARM_UP]).distances(known["test"][:WARM_UP])
                start = time.perf_counter()
                fitted = normal.fit(known["fit"])
                middle = time.perf_counter()
                ours[way] = fitted.distances(known["test"])
                spent[way]["atelier"].append((middle - start, len(test) / (time.perf_counter() - middle)))
            command = [options.python, RIVAL, arrays, BANK, os.cpu_count() or 1, WARM_UP, found]
            for way, figures in measured(command).items():
                spent[way]["anomalib"].append(figures)
        with np.load(found) as stored:
            theirs = {way: stored[way] for way in WAYS}
    print(f"Matériel : {results.hardware()} ; {data.location.title}, {options.categorie}")
    print(f"{len(known['fit'])} images pour ajuster, {len(test)} notées, traits de forme {known['test'].shape[1:]}")
    for way in WAYS:
        for who, maps in (("atelier", ours), ("anomalib", theirs)):
            fit, speed = (statistics.median(one[i] for one in spent[way][who]) for i in range(2))
            scores = image_scores(maps[way])
            told = f"{fit:.2f} s pour ajuster, {speed:.0f} images/s"
            print(f"{way}, {who} : {told}, AUROC image {auroc(scores[~bad], scores[bad]):.3f}")
        pairs = list(zip(spent[way]["atelier"], spent[way]["anomalib"], strict=True))
        for title, ratios in (
            ("ajustement", [rival[0] / own[0] for own, rival in pairs]),
            ("notation", [own[1] / rival[1] for own, rival in pairs]),
        ):
            print(f"  {title} : {statistics.median(ratios):.2f} fois (de {min(ratios):.2f} à {max(ratios):.2f})")


if __name__ == "__main__":
    main()
