"""Writes the sample in the layouts of the two real sets."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import numpy as np
from PIL import Image

from commun import UserError
from commun.datasets import in_processes
from projet3_ssl_anomalies.sample.parts import CATEGORIES, DEFECTS, draw_image

DEFECTS_CONFIG = (  # AutoVI's file: from which area on a defect counts as found, a share of it or a number of pixels
    {"defect_name": "fastening", "pixel_value": 255, "saturation_threshold": 0.4, "relative_saturation": True},
    {"defect_name": "blue_hoop", "pixel_value": 254, "saturation_threshold": 150, "relative_saturation": False},
    {"defect_name": "obstruction", "pixel_value": 253, "saturation_threshold": 250, "relative_saturation": False},
)


def draw(folder: Path, *, category: str, train: int = 60, good: int = 14, bad: int = 8) -> None:
    """Writes one category into its own folder, in the layout of the set that it imitates.

    With the same versions of NumPy, SciPy and Pillow, the same bytes each time.

    Args:
        folder: where to write; made if needed.
        category: one of `CATEGORIES`.
        train: number of good training images.
        good: number of good test images.
        bad: number of test images of each defect type.

    Raises:
        UserError: the category is unknown; the message lists those that exist.
    """
    if category not in CATEGORIES:
        raise UserError(f"Catégorie inconnue : « {category} ». Catégories de l'échantillon : {', '.join(CATEGORIES)}.")
    autovi = category == "engine_wiring"
    counts = {"train/good": train, "test/good": good, **{f"test/{defect}": bad for defect in DEFECTS[category]}}
    parts = [(part, number) for part, count in counts.items() for number in range(count)]
    in_processes(_write, ((folder, category, *part, index) for index, part in enumerate(parts)))
    if autovi:
        text = json.dumps(DEFECTS_CONFIG, indent=2)
        (folder / "defects_config.json").write_text(text + "\n", encoding="utf-8")


def _write(folder: Path, category: str, part: str, number: int, index: int) -> None:
    """Draws picture `index` of the set, number `number` of a part ("train/good"), and writes it with its masks."""
    autovi, defect = category == "engine_wiring", Path(part).name
    image, masks = draw_image(category, defect, index=index)
    stem = f"{number:04d}" if autovi else f"{number:03d}"
    path = folder / part / f"{stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=2)
    for place, mask in _mask_files(folder / "ground_truth" / defect, stem, masks, autovi=autovi):
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(place)


def _mask_files(
    folder: Path, stem: str, masks: list[tuple[str, np.ndarray]], *, autovi: bool
) -> Generator[tuple[Path, np.ndarray], None, None]:
    """Yields path and picture (uint8) of the mask files of one image: one in all, or one for each flaw (AutoVI)."""
    if autovi:
        values = {entry["defect_name"]: entry["pixel_value"] for entry in DEFECTS_CONFIG}
        for k, (name, mask) in enumerate(masks):
            yield folder / stem / f"{k:04d}.png", mask * np.uint8(values[name])
    elif masks:
        yield folder / f"{stem}_mask.png", np.any([mask for _, mask in masks], axis=0) * np.uint8(255)
