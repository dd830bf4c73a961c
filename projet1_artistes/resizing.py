"""What a work loses when it becomes a small square: its shape, its edges, the strokes of the brush.

Pictures are uint8 arrays of shape (height, width, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from commun.images import centred_square, decode
from projet1_artistes.dataset import Data

STRETCH, CROP, PAD = "stretch", "crop", "pad"
BANDS = (40, 40, 40)  # colour of what padding adds
LANCZOS, BILINEAR, NEAREST = "lanczos", "bilinear", "nearest"
LARGEST = 512  # pixels: side at which a work is compared with its reductions, unless its file has fewer
SIDES = (32, 48, 64, 96, 128, 192, 256)  # pixels
SMALL = 64  # pixels: the side at which filters are compared, and the ordinary work chosen
WINDOW = 0.25  # side of the finest part of a picture, as a share of its own


# --- Three ways to make a square -------------------------------------------------------------------------------------


def square(image: np.ndarray, side: int, how: str) -> np.ndarray:
    """Makes a square of a picture: it is stretched, cropped to its centre, or completed with grey bands.

    Args:
        image: uint8, shape (height, width, 3).
        side: of the result, in pixels.
        how: `STRETCH`, `CROP` or `PAD`.
    """
    picture = Image.fromarray(image)
    if how == PAD:
        return np.asarray(framed(picture, side, BANDS))
    box = {STRETCH: None, CROP: centred_square(*picture.size)}[how]
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS, box))


def framed(picture: Image.Image, side: int, colour: tuple[int, int, int]) -> Image.Image:
    """Lays a whole picture on a square of one colour."""
    scale = side / max(picture.size)
    width, height = (max(1, round(scale * length)) for length in picture.size)
    ground = Image.new("RGB", (side, side), colour)
    ground.paste(picture.resize((width, height), Image.Resampling.LANCZOS), ((side - width) // 2, (side - height) // 2))
    return ground


def costs(works: pd.DataFrame) -> pd.DataFrame:
    """Says what each way of making a square costs, from the shapes of all works.

    Args:
        works: width and height, in pixels.

    Returns:
        One row a way: its median cost, 0..1, `tenth` (that of one work in ten, at least) and `largest`. The cost of
        stretching is how much longer than wide a circle becomes; of cropping, the share of the work that is lost; of
        padding, the share of the pixels that show nothing.
    """
    ratio = works[["width", "height"]].max(axis=1) / works[["width", "height"]].min(axis=1)
    shares = {STRETCH: ratio - 1, CROP: 1 - 1 / ratio, PAD: 1 - 1 / ratio}
    rows = {way: np.quantile(share, [0.5, 0.9, 1]) for way, share in shares.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["median", "tenth", "largest"])


def elongated(works: pd.DataFrame) -> np.ndarray:
    """Returns the rows of the widest and of the tallest work, shape (2,), or (1,) if there is one work."""
    order = np.argsort(-(works["width"] / works["height"]).to_numpy(), kind="stable")
    return order[[0, -1]] if len(order) > 1 else order


# --- Filters ---------------------------------------------------------------------------------------------------------


def reduced(image: np.ndarray, side: int, how: str = LANCZOS) -> np.ndarray:
    """Reduces a square picture.

    Args:
        image: uint8, shape (n, n, 3).
        side: of the result, in pixels.
        how: `LANCZOS` weighs all the pixels that a new one covers; `BILINEAR` mixes four neighbours whatever the
            reduction, as `tf.image.resize` does unless told otherwise; `NEAREST` takes one.
    """
    picture = Image.fromarray(image)
    if how == LANCZOS:
        return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS))
    method = {BILINEAR: Image.Resampling.BILINEAR, NEAREST: Image.Resampling.NEAREST}[how]
    scale = len(image) / side
    return np.asarray(picture.transform((side, side), Image.Transform.AFFINE, (scale, 0, 0, 0, scale, 0), method))


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """Enlarges a square picture smoothly (Lanczos): what is left of the detail, at another size."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


# --- Detail kept -----------------------------------------------------------------------------------------------------


def psnr(image: np.ndarray, copy: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio of a copy, uint8 of the same shape, in dB; infinite if they are equal."""
    error = np.square(image.astype(np.float64) - copy).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def contrast(image: np.ndarray) -> float:
    """Returns the fine contrast of a picture: root mean square of the difference between neighbouring pixels."""
    return float(np.sqrt(_gradients(image).mean()))


def _gradients(image: np.ndarray) -> np.ndarray:
    """Returns the squared differences of grey levels from neighbour to neighbour, float32 (h - 1, w - 1)."""
    grey = image.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    return np.diff(grey, axis=0)[:, :-1] ** 2 + np.diff(grey, axis=1)[:-1] ** 2


def measure_sizes(data: Data, rows: Sequence[int]) -> pd.DataFrame:
    """Measures what is left of works that are made small, then as large as before.

    The largest centred square of a work, `LARGEST` pixels wide or as wide as its file has them, is the reference; a
    side that is no smaller leaves it as it is.

    Args:
        data: the paintings.
        rows: of the works that are measured.

    Returns:
        row (of `data.works`), side (each of `SIDES`), psnr (dB), contrast (share of the fine contrast that is left).
    """
    measures = []
    for row in rows:
        image = whole_square(data.works.iloc[row])
        before = max(contrast(image), 1e-6)
        for side in SIDES:
            copy = image if side >= len(image) else enlarged(reduced(image, side), len(image))
            measures.append((row, side, psnr(image, copy), contrast(copy) / before))
    return pd.DataFrame(measures, columns=["row", "side", "psnr", "contrast"])


def whole_square(work: pd.Series) -> np.ndarray:
    """Decodes the largest centred square of a work (a row of `Data.works`), `LARGEST` pixels wide at most."""
    return decode(work["path"], min(LARGEST, work["width"], work["height"]), crop=True)


def quartiles(table: pd.DataFrame) -> pd.DataFrame:
    """Returns, by side, the median psnr and its quartiles, low and high (dB; infinite: nothing lost), and contrast."""
    rows = []
    for side, part in table.groupby("side"):
        low, middle, high = np.quantile(part["psnr"], [0.25, 0.5, 0.75], method="nearest")
        rows.append((side, middle, low, high, part["contrast"].median()))
    return pd.DataFrame(rows, columns=["side", "psnr", "low", "high", "contrast"])


def ordinary(table: pd.DataFrame) -> int:
    """Returns the row of the work, among those of `measure_sizes`, whose psnr is the median at `SMALL` pixels."""
    part = table[table["side"] == SMALL].sort_values("psnr", kind="stable")
    return int(part["row"].iloc[len(part) // 2])


def finest(image: np.ndarray) -> tuple[int, int, int]:
    """Returns the window of a square picture that holds most fine contrast: left, top and side, in pixels."""
    width = max(2, round(WINDOW * len(image)))
    places = slice(width // 2, len(image) - width + width // 2)  # middles of the windows that lie within the picture
    density = ndimage.uniform_filter(_gradients(image), width, mode="nearest")[places, places]
    top, left = np.unravel_index(density.argmax(), density.shape)
    return int(left), int(top), width


# --- High against low quality ----------------------------------------------------------------------------------------


def both_qualities(data: Data, rows: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Decodes works and their low-quality copies, with the same framing; a work without a copy is left out.

    Returns:
        Pairs of uint8 arrays (n, n, 3) and (m, m, 3): largest centred squares, at the size that each file has.
    """
    pairs = []
    for row in rows:
        low = data.works["low"].iloc[row]
        if pd.notna(low):
            copy = _readable_square(Path(low))
            pairs += [(whole_square(data.works.iloc[row]), copy)] if copy is not None else []
    return pairs


def _readable_square(path: Path) -> np.ndarray | None:
    try:
        image = decode(path)
    except ValueError:
        return None
    return decode(path, min(image.shape[:2]), crop=True)


def quality_gap(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Returns what enlarged low-quality copies keep of the works (medians): PSNR in dB, share of the fine contrast."""
    enlarged_pairs = [(high, enlarged(low, len(high))) for high, low in pairs]
    fidelity = [psnr(high, low) for high, low in enlarged_pairs]
    fine = [contrast(low) / max(contrast(high), 1e-6) for high, low in enlarged_pairs]
    return float(np.median(fidelity)), float(np.median(fine))
