"""Detectors on disk: two files each, `detecteur.json` and `detecteur.npz`, small enough to be committed.

Weights are quantised to 5 bits, each output channel on its own scale, before anything is computed with them. What is
normal is kept as 16-bit floats, rounded further where little depends on it. So the detector on disk gives the scores of
the one that was made, within a few per cent; those that are published are its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import commun.training  # first: it chooses the default backend of Keras
from commun import UserError, results
from commun.datasets import atomic_file
from commun.weights import to_float16
from projet3_ssl_anomalies import REFERENCE
from projet3_ssl_anomalies.dataset import Category
from projet3_ssl_anomalies.detector import Detector
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.statistics import GoodBank, Normal, NormalStatistics, PlacedAndBanked, ScoringConfig
from projet3_ssl_anomalies.training import Config

NAME = "detecteur"
BITS = {"mean": 10, "whitening": 3, "vectors": 7, "scale": 10, "parts": 10}  # of mantissa that are kept, of 10
LEVELS = 15  # of a quantised weight, on each side of zero


def save_detector(detector: Detector, folder: Path) -> None:
    """Writes a detector, of which the weights are those that `quantised` gives."""
    arrays = {}
    for task, model in detector.models.items():
        for index, weight in enumerate(model.get_weights()):
            arrays[f"weights/{task}/{index}/codes"], arrays[f"weights/{task}/{index}/scale"] = _codes(weight)
    for name, normal in detector.normals.items():
        if not detector.scoring.weight(name):
            continue  # it counts for nothing
        for field, values in fields(normal).items():
            if field == "whitening":
                values = values[..., *np.tril_indices(values.shape[-1])]
            arrays[f"normals/{name}/{field}/planes"] = _planes(to_float16(values, bits=BITS[field]))
            arrays[f"normals/{name}/{field}/shape"] = np.array(values.shape)
    with atomic_file(folder / f"{NAME}.npz") as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    content = {
        "category": dataclasses.asdict(detector.category),
        "models": {task: dataclasses.asdict(model.config) for task, model in detector.models.items()},
        "side": detector.side,
        "scoring": dataclasses.asdict(detector.scoring),
        "seconds": round(detector.seconds),
        "hardware": detector.hardware,
        "good_scores": {name: [round(float(s), 4) for s in scores] for name, scores in detector.good_scores.items()},
    }
    results.write_json(folder / f"{NAME}.json", content)


def load_detector(category: str, folder: Path | None = None) -> Detector:
    """Loads a detector that `save_detector` wrote in `folder/<category>`, by default that of `reference/`.

    Raises:
        UserError: there is none for this category, or it is damaged.
    """
    folder = folder or REFERENCE
    path = folder / category / f"{NAME}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in folder.glob(f"*/{NAME}.json"))) or "aucune"
        raise UserError(
            f"Aucun détecteur de référence pour « {category} » (catégories qui en ont un : {known}). Entraînez le "
            "vôtre avec le carnet 03, en donnant cette catégorie au paramètre CATEGORIES."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: content["category"][name] for name in ("name", "dataset", "title", "varies")}
        judged = Category(**kept)
        with np.load(path.with_suffix(".npz")) as stored:
            arrays = {name: stored[name] for name in stored.files}
        models = {
            task: _model(config, _under(arrays, f"weights/{task}/")) for task, config in content["models"].items()
        }
        scoring, seconds, side = ScoringConfig(**content["scoring"]), float(content["seconds"]), int(content["side"])
        normals = _normals(_under(arrays, "normals/"), scoring)
        scores = {name: np.array(values) for name, values in content["good_scores"].items()}
        hardware = str(content["hardware"])
    except (*commun.training.UNREADABLE, TypeError) as error:
        raise UserError(f"{path.parent} est illisible ({type(error).__name__}). Reprenez-le du dépôt.") from error
    return Detector(judged, models, normals, scores, side, scoring, seconds, hardware)


def quantised(model: Reconstructor) -> Reconstructor:
    """Returns a copy of a model whose weights are what is read back of them."""
    copy = Reconstructor(model.config)
    copy.set_weights([_decoded(*_codes(weight)) for weight in model.get_weights()])
    return copy


def _codes(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns small integers, and the scale of each output channel, the last axis."""
    scale = np.abs(weight).max(axis=tuple(range(weight.ndim - 1)), initial=1e-12) / LEVELS
    return np.round(weight / scale).astype("int8"), scale.astype("float32")


def _decoded(codes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return codes.astype("float32") * scale


def _planes(values: np.ndarray) -> np.ndarray:
    """Returns the high bytes of 16-bit floats, then the low ones: apart, they compress better."""
    return np.ascontiguousarray(values.reshape(-1)).view("uint8").reshape(-1, 2).T.copy()


def _from_planes(planes: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(planes.T).view("float16").reshape(shape).astype("float32")


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _model(config: dict, arrays: Mapping[str, np.ndarray]) -> Reconstructor:
    model = Reconstructor(Config(**config))
    count = len(model.weights)
    model.set_weights([_decoded(arrays[f"{i}/codes"], arrays[f"{i}/scale"]) for i in range(count)])
    return model


def fields(normal: Normal) -> dict[str, np.ndarray]:
    """Returns the arrays of what is normal, by the names of their fields."""
    parts = (normal.placed, normal.banked) if isinstance(normal, PlacedAndBanked) else (normal,)
    return {field: values for part in parts for field, values in vars(part).items()}


def _normals(arrays: Mapping[str, np.ndarray], scoring: ScoringConfig) -> dict[str, Normal]:
    values_of: dict[str, dict] = {}
    for key, planes in arrays.items():
        if key.endswith("/planes"):
            name, _, field = key.removesuffix("/planes").rpartition("/")
            values_of.setdefault(name, {})[field] = _from_planes(planes, arrays[f"{name}/{field}/shape"])
    for values in values_of.values():
        if "whitening" in values:
            lower, channels = values["whitening"], values["mean"].shape[-1]
            values["whitening"] = np.zeros((*lower.shape[:-1], channels, channels), "float32")
            values["whitening"][..., *np.tril_indices(channels)] = lower
    return {name: _normal(values, scoring.bank_share(name)) for name, values in values_of.items()}


def _normal(values: dict[str, np.ndarray], share: float) -> Normal:
    """Returns what `fields` took apart."""
    parts = [
        kind(**{field.name: values[field.name] for field in dataclasses.fields(kind)})
        for kind, kept in ((NormalStatistics, share < 1), (GoodBank, share > 0))
        if kept
    ]
    return PlacedAndBanked(*parts, share) if len(parts) > 1 else parts[0]
