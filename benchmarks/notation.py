"""Scoring speed of the fused detector against one mask at a time through `model.predict`, in the same run.

The usual way: for each mask, hide, `model.predict`, keep the hidden pixels; then the representation, by another
`predict`; then compare in NumPy, mask size after mask size, task after task. Timed twice: image by image, as images
come on a line, and on all of them at once. Ours: all the masks of a task, the comparison and the representation in one
graph (`signals.Scorer`). Same networks (weights drawn from a seed: they do not change the time), same masks, same
scores to 1e-3. Rounds alternate, and each round gives one ratio.

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
from projet3_ssl_anomalies import signals as sig
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.detector import Detector, anomaly_maps
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.statistics import fit_normal, fuse, image_scores

import keras  # isort: skip
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


def error_map(task: str, images: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Returns what `Pretext.error_map` does, in NumPy."""
    if task == "colorization":
        return images[..., 1:] - output
    logit, image = output[..., :-3], output[..., -3:]
    x, y, total = images[..., 0], image[..., 0], 0.0
    for scale in range(4):
        if scale:
            x, y = halved(x), halved(y)
        gx, gy = gradient(x), gradient(y)
        different = 1 - (2 * gx * gy + 0.01) / (gx**2 + gy**2 + 0.01)
        total = total + different.repeat(2**scale, axis=1).repeat(2**scale, axis=2)
    return np.concatenate([total[..., None] / 4, images - image, logit], axis=-1)


def gridded(maps: np.ndarray) -> np.ndarray:
    """Returns maps brought to the grid by `signals`, whose way is the only one."""
    return np.asarray(sig.gridded(ops.convert_to_tensor(maps.astype("float32"))))


def predicted(model: keras.Model, inputs, batch: int):
    """Returns `model.predict` of tensors."""
    inputs = [np.asarray(a) for a in inputs] if isinstance(inputs, list) else np.asarray(inputs)
    return model.predict(inputs, batch_size=batch, verbose=0)


def usual(models: dict[str, Reconstructor], images: np.ndarray, *, batch: int) -> dict[str, np.ndarray]:
    """Returns the signals of images, uint8 (n, side, side, 3), one mask at a time."""
    lab, found = to_lab(images), {sig.BASELINE: sig.appearance(images)}
    for task, trained in models.items():
        pretext, maps = trained.pretext, 0.0
        for masks in pretext.scoring_masks:
            total, count = 0.0, 0.0
            for mask in masks:
                hidden = np.repeat(mask[None], len(lab), axis=0)
                inputs = pretext.corrupt(ops.convert_to_tensor(lab), ops.zeros_like(lab), hidden)
                total = total + hidden[..., None] * predicted(trained.network, inputs, batch)
                count = count + hidden[..., None]
            maps = maps + error_map(task, lab, total / count) / len(pretext.scoring_masks)
        scorer = sig.scorer_of(trained.config)
        levels = predicted(scorer.encoder, pretext.whole(ops.convert_to_tensor(lab), ops.zeros_like(lab)), batch)
        levels = [
            gridded(np.asarray(sig.as_picture(level))) for level in (levels if isinstance(levels, list) else [levels])
        ]
        found[sig.named(task, sig.ERROR)] = gridded(maps)
        found[sig.named(task, sig.REPRESENTATION)] = np.concatenate(levels, axis=-1) @ scorer.projection
    return found


def fused(detector: Detector, found: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the scores that signals come to: the same code for both ways."""
    maps = anomaly_maps(found, detector.normals, detector.scoring)
    return image_scores(fuse(maps, detector.scoring), detector.scoring)


def main() -> None:
    """Prints images per second of the three ways, round after round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--images", 24), ("--tours", 5), ("--cote", 128)):
        parser.add_argument(name, type=int, default=default)
    options = parser.parse_args()
    side = options.cote
    images = dataset.read(dataset.load("bottle").train.head(options.images), side)[1]
    budget = training.Profile(side, 1, 1, False, 1, 1, 1)
    models = {task: training.build(config) for task, config in training.configurations(budget, side=side).items()}
    good = sig.signals(models, images[:4])  # and everything is compiled
    normals = {name: fit_normal(name, values) for name, values in good.items()}
    detector = Detector(dataset.CATEGORIES["bottle"], models, normals, {}, side)
    ways = {
        "un masque à la fois, image par image": lambda: np.concatenate([
            fused(detector, usual(models, image[None], batch=1)) for image in images
        ]),
        "un masque à la fois, toutes les images": lambda: fused(detector, usual(models, images, batch=32)),
        "un seul graphe": lambda: fused(detector, sig.signals(models, images)),
    }
    print(results.hardware())
    answers = {name: way() for name, way in ways.items()}  # and the other ways are warmed up
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
