"""Image files of any kind as one array: decoded, put upright, made RGB, resized, and cached on disk.

The cache is one memory-mapped file in `travail/`: however many images there are, only those in use are in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from commun.datasets import atomic_folder, working_folder
from commun.sources import code_hash

MAX_PIXELS = 80_000_000  # a larger image is refused: decoded, it would fill the memory
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
GREY_MODES = {"1", "L", "LA", "La", "F"}  # and all that begin with I
_CHUNK = 64  # images decoded before they are written
_ORIENTATION = 0x0112  # EXIF tag; from 5 on, width and height are exchanged

warnings.filterwarnings("ignore", module=r"PIL\.")  # in English, and of what is read or listed anyway


def size(path: Path) -> tuple[int, int]:
    """Returns the width and height of an upright image, in pixels; reads its header only.

    Raises:
        ValueError: the header can't be read; the message is a short reason, in French.
    """
    with opened(path) as image:
        orientation = 0
        with contextlib.suppress(Exception):  # broken EXIF data raises about anything
            orientation = image.getexif().get(_ORIENTATION, 0)
        return (image.height, image.width) if orientation in range(5, 9) else image.size


def decode(path: Path, side: int | None = None, *, crop: bool = False) -> np.ndarray:
    """Decodes an image: upright (EXIF), RGB, 16-bit grey levels scaled to 8, transparency laid on white.

    Args:
        path: the file, in any format and mode that Pillow reads.
        side: resizes, stretched and antialiased, to a square of this side.
        crop: resizes the largest centred square instead of stretching the whole.

    Returns:
        uint8, shape (height, width, 3) or (side, side, 3).

    Raises:
        ValueError: the image can't be read; the message is a short reason, in French.
    """
    with opened(path) as image:
        if side:
            image.draft(None, (2 * side, 2 * side))  # a JPEG is decoded at 1/2, 1/4 or 1/8 when that is enough
        image.load()
        upright = image
        with contextlib.suppress(Exception):  # broken EXIF data does not spoil the pixels
            upright = ImageOps.exif_transpose(image)
        colours = _rgb(upright)
        if side and colours.size != (side, side):
            box = centred_square(*colours.size) if crop else None
            colours = colours.resize((side, side), Image.Resampling.LANCZOS, box, reducing_gap=3.0)
        return np.array(colours)


def centred_square(width: int, height: int) -> tuple[float, float, float, float]:
    """Returns the largest centred square of an image: left, top, right, bottom, in pixels."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def read_images(
    paths: Sequence[Path], side: int, *, project: str, crop: bool = False
) -> tuple[np.ndarray, dict[Path, str]]:
    """Decodes images in parallel into one file of `travail/`, which later calls open at once.

    Its name is a hash of the paths, of the files' sizes and dates, of `side`, `crop` and of the code that decodes.

    Args:
        paths: the files.
        side: side of the square that each image becomes, in pixels.
        project: sub-folder of `travail/images/`.
        crop: see `decode`.

    Returns:
        The images, uint8, shape (n, side, side, 3), memory-mapped and read-only, and path -> French reason for the
        files that can't be read: these have no row, the rows are `[p for p in paths if p not in problems]`.

    Raises:
        UserError: the disk is full, or `travail/` can't be written to.
    """
    folder = working_folder("images", project) / _key(paths, side, crop)
    if not folder.is_dir():
        with atomic_folder(folder) as temporary:
            _decode_all(paths, side, crop, temporary)
    reasons = json.loads((folder / "problemes.json").read_text(encoding="utf-8"))
    problems = {path: reason for path, reason in zip(paths, reasons, strict=True) if reason}
    shape = (reasons.count(None), side, side, 3)
    if not shape[0]:  # an empty file can't be mapped
        return np.zeros(shape, np.uint8), problems
    return np.memmap(folder / "pixels.uint8", np.uint8, "r", shape=shape), problems


def is_grey(path: Path) -> bool:
    """Says if a file has no colours, from its header; raises ValueError as `size` does."""
    with opened(path) as image:
        return image.mode in GREY_MODES or image.mode.startswith("I")


def unreadable(paths: Sequence[Path]) -> dict[Path, str]:
    """Decodes images, and returns path -> short French reason for those that can't be read."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda path: _attempt(path, 16, False), paths)
        return {path: result for path, result in zip(paths, results, strict=True) if isinstance(result, str)}


@contextlib.contextmanager
def opened(path: Path) -> Generator[Image.Image]:
    """Opens an image, whose pixels are not read yet; whatever is wrong becomes a ValueError, a short French reason."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except FileNotFoundError as error:
        raise ValueError("fichier absent") from error
    except UnidentifiedImageError as error:
        raise ValueError("pas une image, ou tronquée" if Path(path).stat().st_size else "fichier vide") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"image trop grande (plus de {MAX_PIXELS // 1_000_000} millions de pixels)") from error
    except PermissionError as error:
        raise ValueError("lecture refusée") from error
    except Exception as error:  # a decoder fed with damaged bytes raises about anything
        raise ValueError("image tronquée ou abîmée") from error


def _attempt(path: Path, side: int, crop: bool) -> np.ndarray | str:
    try:
        return decode(path, side, crop=crop)
    except ValueError as error:
        return str(error)


def _key(paths: Sequence[Path], side: int, crop: bool) -> str:
    digest = hashlib.sha256(repr((code_hash(_decode_all), side, crop)).encode())
    for path in paths:
        state = path.stat() if path.is_file() else None
        digest.update(repr((str(path), state and (state.st_size, state.st_mtime_ns))).encode())
    return digest.hexdigest()[:20]


def _decode_all(paths: Sequence[Path], side: int, crop: bool, folder: Path) -> None:
    reasons: list[str | None] = []
    with (folder / "pixels.uint8").open("wb") as stream, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), _CHUNK):
            for result in pool.map(lambda path: _attempt(path, side, crop), paths[start : start + _CHUNK]):
                reasons.append(result if isinstance(result, str) else None)
                if not isinstance(result, str):
                    stream.write(result)
    (folder / "problemes.json").write_text(json.dumps(reasons, ensure_ascii=False), encoding="utf-8")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":  # 16-bit or 32-bit grey levels, that Pillow would clip at 255
        levels = np.nan_to_num(np.asarray(image, dtype=np.float32))
        whites = (1, 255, 65535) if image.mode == "F" else (65535,)
        white = next((w for w in whites if levels.max() <= w), levels.max())
        image = Image.fromarray(np.rint(255 * np.clip(levels / white, 0, 1)).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")
