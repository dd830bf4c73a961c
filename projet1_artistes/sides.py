"""Judged larger than learnt: at which side whole works should be shown to a network that learnt from crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from projet1_artistes import experiments, networks
from projet1_artistes.dataset import Data
from projet1_artistes.training import Config, keras

SIDE_FACTORS = (0.75, 1, 1.5, 2, 2.5)  # sides at which a trained network is asked, as multiples of that of its crops


def learnt_side(config: Config) -> float:
    """Returns the side, in pixels, at which a whole work shows things as large as the crops of training did.

    A crop keeps a share of a work, drawn in `Transforms.scale`, and is shown at `Config.train_side`: what it holds
    looks larger than in the whole work at this side (Touvron et al., "Fixing the train-test resolution discrepancy",
    NeurIPS 2019). The mean share is taken.
    """
    return config.train_side / float(np.mean(config.transforms.scale)) ** 0.5


def sides_to_try(config: Config) -> list[int]:
    """Returns sides, in pixels, around those at which a network learns and judges; both are among them."""
    around = (round(config.train_side * factor / 8) * 8 for factor in SIDE_FACTORS)
    return sorted({*around, config.train_side, config.side})


def judge_at_sides(
    data: Data, rows: np.ndarray, models: Mapping[str, keras.Model], sides: Sequence[int], *, seed: int
) -> dict[str, pd.DataFrame]:
    """Asks trained networks about the same works, whole, at several sides; nothing is trained.

    Args:
        data: the paintings.
        rows: the works, shape (n,).
        models: name -> network that takes pictures of any side.
        sides: at which works are shown, in pixels.
        seed: of the trainings.

    Returns:
        name -> answers, as `experiments.answers` gives them; the variant is the side.
    """
    return {
        name: experiments.answers(
            data, rows, {side: networks.scores(model, data.images[rows], side) for side in sides}, seed=seed
        )
        for name, model in models.items()
    }
