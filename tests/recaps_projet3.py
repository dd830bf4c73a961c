"""What the notebooks of project 3 say last, computed again from what two runs of different seeds left."""

from __future__ import annotations

import functools
import json

import numpy as np
import pandas as pd
from chain import SECOND
from PIL import Image
from recaps import Claim, Name, Said, Word
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from commun.datasets import working_folder
from commun.training import Run
from projet3_ssl_anomalies import PROJECT, dataset, detector, signals, training
from projet3_ssl_anomalies.checks import NEAR_DUPLICATE
from projet3_ssl_anomalies.metrics import PRO_LIMIT
from projet3_ssl_anomalies.signals import BASELINE, FUSED

PROFILE = training.profile("essai")
RATE = 0.1  # of false alarms, in notebook 03


@functools.cache
def pieces(seed: int) -> dict[str, dataset.Data]:
    """The categories of the run of a seed: name -> data."""
    categories = dataset.categories(SECOND["CATEGORIES"] if seed else "")
    return {category.name: dataset.load(category.name) for category in categories}


def found(name: str, seed: int) -> tuple[dict[str, Run], detector.HeldOut]:
    """The models of a category, which the run has left, and what they see of the parts held out.

    The next call changes these models: see `recaps.Found`.
    """
    piece = pieces(seed)[name]
    runs = detector.train(piece, PROFILE, seed=seed)
    if (name, seed) not in _held_out:
        models = {task: run.model for task, run in runs.items()}
        _held_out[name, seed] = detector.held_out(models, piece, PROFILE, seed=seed)
    return runs, _held_out[name, seed]


_held_out = {}


def seconds(task: str, seed: int) -> float:
    """What the trainings of a task took, all categories together, by the files that they left."""
    folders = working_folder("modeles", PROJECT).iterdir()
    configs = {folder: json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"] for folder in folders}
    own = [folder for folder, config in configs.items() if (config["task"], config["seed"]) == (task, seed)]
    assert len(own) == len(pieces(seed))
    return sum(pd.read_csv(folder / "history.csv")["seconds"].sum() for folder in own)


# --- Plain formulas --------------------------------------------------------------------------------------------------


def area(maps: np.ndarray, masks: np.ndarray) -> float:
    """The area under the ROC curve of pixels."""
    size = masks.shape[1:]
    return roc_auc_score(masks.ravel(), np.stack([enlarged(m, size) for m in maps]).ravel())


def enlarged(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(heat.astype("float32")).resize(size, Image.Resampling.BILINEAR))


def overlap(maps: np.ndarray, masks: np.ndarray, normal: np.ndarray) -> float:
    """The mean, over defects, of the area under the share found, up to a false-positive rate."""
    background, areas = np.sort(maps[normal]), []
    for heat, mask in zip(maps, masks, strict=True):
        zones, count = ndimage.label(mask, np.ones((3, 3)))
        for zone in range(1, count + 1):
            above, below = (np.searchsorted(background, heat[zones == zone], side) for side in ("right", "left"))
            rate = 1 - (above + below) / 2 / len(background)  # of the normal pixels that score as much
            areas.append(np.maximum(PRO_LIMIT - rate, 0).mean() / PRO_LIMIT)
    return float(np.mean(areas))


def top(maps: np.ndarray, share: float) -> np.ndarray:
    """The score of each map: the mean of its highest cells."""
    flat = np.sort(maps.reshape(len(maps), -1), axis=1)
    return flat[:, -max(1, round(share * flat.shape[1])) :].mean(axis=1)


def bounds(first: np.ndarray, second: np.ndarray, bad: np.ndarray) -> tuple[float, float]:
    """The interval of the difference of two areas: good and bad parts drawn apart, the same for both."""
    random, weights = np.random.default_rng(0), np.zeros((PROFILE.draws, len(bad)))
    for kind in (bad, ~bad):
        weights[:, kind] = random.multinomial(kind.sum(), np.full(kind.sum(), 1 / kind.sum()), size=PROFILE.draws)
    gaps = [roc_auc_score(bad, first, sample_weight=w) - roc_auc_score(bad, second, sample_weight=w) for w in weights]
    return tuple(np.percentile(gaps, [2.5, 97.5]).round(9))  # 0 is 0


# --- The recaps ------------------------------------------------------------------------------------------------------


def preparation(seed: int) -> tuple[list[Claim], dict[str, float]]:
    shares, learnt, judged = [], 0, 0
    for piece in pieces(seed).values():
        learnt, judged = learnt + len(piece.train), judged + len(piece.test)
        for paths in piece.test.loc[piece.test["is_defect"], "masks"]:
            covered = np.any([np.asarray(Image.open(path)) > 0 for path in paths], axis=0)
            resized = Image.fromarray(covered.astype("float32")).resize((256, 256), Image.Resampling.BOX)
            shares.append((np.asarray(resized) >= 0.5).mean())
    middle = float(np.median(shares))
    claims = [len(pieces(seed)), learnt, judged, twins(seed), Word("moins"), middle, Word("pires")]
    return claims, {"surface médiane des défauts": middle}


def twins(seed: int) -> int:
    """How many test images are much closer to a training image than training images are to each other."""
    count = 0
    for piece in pieces(seed).values():
        known, seen = (thumbnails(table["path"]) for table in (piece.train, piece.test))
        between = 1 - known @ known.T + 9 * np.eye(len(known))
        count += ((1 - seen @ known.T).min(axis=1) <= NEAR_DUPLICATE * np.median(between.min(axis=1))).sum()
    return int(count)


def thumbnails(paths) -> np.ndarray:
    copies = [np.asarray(Image.open(path).convert("L").resize((32, 32), Image.Resampling.BOX), float) for path in paths]
    flat = np.stack(copies).reshape(len(copies), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def pretexts(seed: int) -> tuple[list[Claim], dict[str, float]]:
    first, piece = next(iter(pieces(seed).items()))
    runs, held = found(first, seed)
    maps = held.painted_maps(detector.choose_scoring(held))
    areas = {name: area(m, held.painted.masks) for name, m in maps.items()}
    rival = areas.pop(BASELINE)
    best = max(areas, key=areas.get)
    claims = [Word("même"), Word("meilleur"), Name(signals.title(best)), areas[best], rival]
    for task, run in runs.items():
        weights = sum(np.prod(weight.shape) for weight in run.model.network.weights)
        spent = round(seconds(task, seed))
        claims += [weights, *(divmod(spent, 60) if spent >= 60 else [spent])]
    return claims, {
        "AUROC par pixel du meilleur signal appris, faux défauts": areas[best],
        "AUROC par pixel sans réseau, faux défauts": rival,
    }


def evaluation(seed: int) -> tuple[list[Claim], dict[str, float]]:
    aurocs, overlaps, counts, sides = {}, [], np.zeros(4, int), []
    for name, piece in pieces(seed).items():
        judge = detector.detector_of(piece, *found(name, seed))
        share = judge.scoring.top_fraction
        rows = np.linspace(0, len(piece.test) - 1, min(PROFILE.scored, len(piece.test))).round().astype(int)
        table, images = dataset.read(piece.test.iloc[rows], judge.side)
        maps, bad = detector.fused_maps(judge.signal_maps(images), judge.scoring), table["is_defect"].to_numpy(bool)
        fused, rival = (top(maps[kind], share) for kind in (FUSED, BASELINE))
        aurocs[piece.category.title] = roc_auc_score(bad, fused)
        masks = dataset.masks(table)
        known = ~bad | masks.any(axis=(1, 2))
        heat = np.stack([enlarged(m, masks.shape[1:]) for m in maps[FUSED]])
        overlaps.append(overlap(heat, masks, ~masks & known[:, None, None]))
        good = np.sort(judge.good_scores[FUSED])
        limit = good[len(good) - 1 - max(1, int(RATE * len(good) + 1e-9))]
        counts += [(~bad).sum(), (~bad & (fused > limit)).sum(), bad.sum(), (bad & (fused <= limit)).sum()]
        low, high = bounds(fused, rival, bad)
        sides.append("above" if low > 0 else "below" if high < 0 else "neither")
    worst, *_, best = sorted(aurocs, key=aurocs.get)
    claims = [aurocs[worst], Word("plus"), Word("difficile"), Said(f"({worst})"), aurocs[best], Word("plus")]
    claims += [Word("facile"), Said(f"({best})"), len(aurocs), Word("au-dessus"), sides.count("above")]
    claims += [Word("au-dessous"), sides.count("below"), sides.count("neither")]
    good, rejected, defective, missed = counts
    claims += [RATE, rejected, good, missed, defective]
    return claims, {"AUROC image moyenne": np.mean(list(aurocs.values())), "AU-PRO moyenne": np.mean(overlaps)}


RECAPS = {"01_preparation": preparation, "02_pretextes": pretexts, "03_evaluation": evaluation}
