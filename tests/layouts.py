"""Small datasets in the official layouts, and what tests look at in folders."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from commun.datasets import IDX_FILES


def content(folder: Path) -> set[str]:
    """Returns everything under a folder, hidden things included, except folders that hold nothing and have no dot."""
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.name.startswith(".")
    }


def idx_bytes(array: np.ndarray) -> bytes:
    header = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(path: Path, array: np.ndarray) -> None:
    path.write_bytes(gzip.compress(idx_bytes(array)))


def make_fashion(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for (images, labels), count in zip(IDX_FILES.values(), (120, 20), strict=True):
        write_idx(folder / images, rng.integers(0, 256, (count, 28, 28)))
        write_idx(folder / labels, np.arange(count) % 10)
    return folder


def write_image(path: Path, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)


def write_mask(path: Path, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size, size), np.uint8)
    pixels[1:4, 2:5] = 255
    Image.fromarray(pixels).save(path)


def make_mvtec(category: Path) -> Path:
    for name in ("train/good/000", "train/good/001", "test/good/000", "test/broken_large/000", "test/broken_large/001"):
        write_image(category / f"{name}.png")
    for name in ("000", "001"):
        write_mask(category / f"ground_truth/broken_large/{name}_mask.png")
    (category / "license.txt").write_text("CC BY-NC-SA 4.0", encoding="utf-8")
    return category


def make_autovi(category: Path) -> Path:
    for name in ("train/good/0000", "test/good/0000", "test/fastening/0000"):
        write_image(category / f"{name}.png")
    for name in ("0000", "0001"):
        write_mask(category / f"ground_truth/fastening/0000/{name}.png")
    (category / "defects_config.json").write_text("[]", encoding="utf-8")
    return category


def make_artworks(folder: Path) -> Path:
    for artist in ("Albrecht_Dürer", "Albrecht_Du╠êrer", "Titian"):
        for number in (1, 2):
            write_image(folder / "images" / "images" / artist / f"{artist}_{number}.jpg")
    table = "id,name,paintings\n0,Albrecht Dürer,2\n1,Titian,2\n"
    (folder / "artists.csv").write_text(table, encoding="utf-8")
    return folder


MAKERS = {
    "fashion_mnist": make_fashion,
    "mvtec_ad": lambda folder: make_mvtec(folder / "bottle").parent,
    "autovi": lambda folder: make_autovi(folder / "engine_wiring").parent,
    "best-artworks-of-all-time": make_artworks,
}


def label(value: object) -> str:
    """Names a case by its words: pytest would show bytes."""
    return value if isinstance(value, str) else ""
