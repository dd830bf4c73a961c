"""The rivals of `detection_anomalib.py`, run by a Python that has anomalib: its PaDiM and its PatchCore on features.

    python rival_anomalib.py FEATURES.npz BANK THREADS WARM_UP MAPS.npz

FEATURES holds `fit` and `test`, float32 (n, h, w, c); WARM_UP images are fitted and scored first, in PaDiM. Writes the
distance maps of `test` by both, and prints one line of JSON: for each, seconds to fit and images per second.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy
from anomalib.models.components.stats.multi_variate_gaussian import MultiVariateGaussian
from anomalib.models.image.padim.anomaly_map import AnomalyMapGenerator
from anomalib.models.image.patchcore.torch_model import PatchcoreModel


def main() -> None:
    """Fits, scores, prints."""
    path, bank, threads, few, target = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with np.load(path) as stored:
        fit, test = (torch.tensor(stored[name]).permute(0, 3, 1, 2).contiguous() for name in ("fit", "test"))
    told, maps = {}, {}
    with torch.no_grad():
        AnomalyMapGenerator.compute_distance(test[:few], MultiVariateGaussian().fit(fit[:few]))
        start = time.perf_counter()
        statistics = MultiVariateGaussian().fit(fit)
        middle = time.perf_counter()
        maps["padim"] = AnomalyMapGenerator.compute_distance(test, statistics)[:, 0].numpy()
        told["padim"] = [middle - start, len(test) / (time.perf_counter() - middle)]
        start = time.perf_counter()
        vectors = fit.permute(0, 2, 3, 1).reshape(-1, fit.shape[1])
        kept = KCenterGreedy(vectors, sampling_ratio=bank / len(vectors)).sample_coreset()
        middle = time.perf_counter()
        flat = test.permute(0, 2, 3, 1).reshape(-1, test.shape[1])
        nearest = PatchcoreModel.euclidean_dist(flat, kept).min(dim=1).values
        maps["patchcore"] = nearest.reshape(len(test), *test.shape[2:]).numpy()
        told["patchcore"] = [middle - start, len(test) / (time.perf_counter() - middle)]
    np.savez(Path(target), **maps)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
