"""Scoring speed of the fused detector against one mask at a time through `model.predict`, in the same run.

The usual way: for each mask, hide, `model.predict`, keep the hidden pixels; then compare in NumPy, mask size after mask
size, task after task. It is timed twice: image by image, as images come on a line, and on all of them at once. Ours:
all the masks of a task and the comparison in one graph (`reconstructor.Scorer`). Same networks (weights drawn from a
seed: they do not change the time), same masks, same maps to 1e-3. Rounds alternate, and each round gives one ratio.

    python benchmarks/notation.py [--images 24] [--tours 5] [--cote 128]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from scipy import ndimage

from commun import results
from projet3_ssl_anomalies import dataset, training
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.pretexts import FUSED
from projet3_ssl_anomalies.reconstructor import Scorer
from projet3_ssl_anomalies.statistics import anomaly_maps, fuse, image_scores, normal_statistics

from keras import ops  # isort: skip


def gradient(x: np.ndarray) -> np.ndarray:
    """Returns the Prewitt gradient magnitude of (n, h, w), in NumPy."""
    across, down = (
        ndimage.correlate1d(ndimage.correlate1d(x, [-1, 0, 1], axis=axis), [1 / 3] * 3, axis=3 - axis)
        for axis in (2, 1)
    )
    return np.sqrt(across**2 + down**2 + 1e-8)


def halved(x: np.ndarray) -> np.ndarray:
    """Returns (n, h, w) at half the size, by means of 2 x 2 pixels."""
    return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).mean(axis=(2, 4))


def error_map(task: str, images: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Returns what `Pretext.error_map` does, in NumPy."""
    if task == "colorization":
        return images[..., 1:] - reconstruction
    x, y, total = images[..., 0], reconstruction[..., 0], 0.0
    for scale in range(4):
        if scale:
            x, y = halved(x), halved(y)
        gx, gy = gradient(x), gradient(y)
        different = 1 - (2 * gx * gy + 0.01) / (gx**2 + gy**2 + 0.01)
        total = total + different.repeat(2**scale, axis=1).repeat(2**scale, axis=2)
    return np.concatenate([total[..., None] / 4, images - reconstruction], axis=-1)


def usual(detector: Detector, images: np.ndarray, *, batch: int) -> dict[str, np.ndarray]:
    """Scores images, uint8 (n, side, side, 3), one mask at a time; returns the error maps of each task."""
    lab, maps = to_lab(images), {}
    for task, trained in detector.models.items():
        maps[task] = 0.0
        for masks in trained.scoring_masks:
            total, count = 0.0, 0.0
            for mask in masks:
                hidden = np.repeat(mask[None], len(lab), axis=0)
                inputs = trained.pretext.corrupt(ops.convert_to_tensor(lab), ops.zeros_like(lab), hidden)
                inputs = [np.asarray(a) for a in inputs] if isinstance(inputs, list) else np.asarray(inputs)
                output = trained.network.predict(inputs, batch_size=batch, verbose=0)
                total = total + hidden[..., None] * output
                count = count + hidden[..., None]
            maps[task] = maps[task] + error_map(task, lab, total / count) / len(trained.scoring_masks)
    return maps


def fused(detector: Detector, maps: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the scores that error maps come to: the same code for both ways."""
    scoring = detector.scoring
    maps = {task: anomaly_maps(errors, detector.statistics[task], scoring) for task, errors in maps.items()}
    return image_scores(fuse(maps, scoring), scoring)


def main() -> None:
    """Prints images per second of the three ways, round after round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--images", 24), ("--tours", 5), ("--cote", 128)):
        parser.add_argument(name, type=int, default=default)
    options = parser.parse_args()
    side = options.cote
    images = dataset.read(dataset.load("bottle").train.head(options.images), side)[1]
    budget = training.Profile(side, 1, 1, 1, False, False, 1, 1, 1)
    (group,) = training.groups([dataset.load("bottle")], budget)
    configs = training.configurations(group, budget)
    scorers = {task: Scorer(training.build(config)) for task, config in configs.items()}
    flat = {
        task: normal_statistics(np.zeros((2, side, side, len(s.model.pretext.channels)), "float32"), aligned=True)
        for task, s in scorers.items()
    }
    detector = Detector(group.datas[0].category, 0, scorers, flat, {})
    ways = {
        "un masque à la fois, image par image": lambda: np.concatenate([
            fused(detector, usual(detector, image[None], batch=1)) for image in images
        ]),
        "un masque à la fois, toutes les images": lambda: fused(detector, usual(detector, images, batch=32)),
        "un seul graphe": lambda: image_scores(detector.maps(images)[FUSED]),
    }
    print(results.hardware())
    answers = {name: way() for name, way in ways.items()}  # and everything is compiled
    first, *others = answers.values()
    assert all(np.allclose(first, other, rtol=1e-3) for other in others)
    speeds = {name: [] for name in ways}
    for _ in range(options.tours):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            speeds[name].append(len(images) / (time.perf_counter() - start))
    *baselines, ours = speeds
    for name, values in speeds.items():
        print(f"{name} : {statistics.median(values):.2f} images/s")
    for name in baselines:
        ratios = [a / b for a, b in zip(speeds[ours], speeds[name], strict=True)]
        listed = ", ".join(f"{r:.2f}" for r in ratios)
        print(f"rapport à « {name} » : {statistics.median(ratios):.2f} (tours : {listed})")


if __name__ == "__main__":
    main()
