"""Computes again what the notebooks of a project say last, in a process of its own; `test_recapitulatifs` runs it.

What other tests leave in their process changes figures by a rounding, and an area under a curve of sixteen images by a
sixteenth: the notebooks, too, had a process of their own.

    python tests/recaps_process.py recaps_projet1 SEEDS FILE
"""

from __future__ import annotations

import importlib
import pickle
import sys
import warnings
from pathlib import Path

import recaps

from commun import seen, training


def refuse(*, fresh: bool) -> None:
    """Stands for `seen.note_model`."""
    assert not fresh, "a model was trained again"


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="The least populated class")
    training.load_run, seen.note_model = recaps.Found(), refuse
    module, seeds, file = importlib.import_module(sys.argv[1]), map(int, sys.argv[2].split(",")), Path(sys.argv[3])
    file.write_bytes(pickle.dumps({(name, seed): f(seed) for seed in seeds for name, f in module.RECAPS.items()}))
