"""What a work loses when it becomes a small square: its shape, its edges, the strokes of the brush.

Pictures are uint8 arrays of shape (height, width, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from scipy import ndimage

from commun import figures, training
from commun.figures import PALETTE, number, percent
from commun.images import centred_square, decode
from projet1_artistes.dataset import Data

STRETCH, CROP, PAD = "étirer", "recadrer", "ajouter des bandes"
BANDS = (40, 40, 40)  # colour of what padding adds
LANCZOS, BILINEAR, NEAREST = "Lanczos", "bilinéaire sans lissage", "plus proche voisin"
LARGEST = 512  # pixels: side at which a work is compared with its reductions, unless its file has fewer
SIDES = (32, 48, 64, 96, 128, 192, 256)  # pixels
SHOWN = (256, 128, 64)  # pixels
WORKS_MEASURED = {"essai": 6, "rapide": 60, "complet": 400}  # by profile


def measured(profile: str) -> int:
    """Returns the number of works on which sizes are compared in a profile.

    Raises:
        UserError: no profile has this name.
    """
    return training.profile(WORKS_MEASURED, profile)


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
        return np.asarray(_framed(picture, side, BANDS))
    box = {STRETCH: None, CROP: centred_square(*picture.size)}[how]
    return np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS, box))


def _framed(picture: Image.Image, side: int, colour: tuple[int, int, int]) -> Image.Image:
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
        One row a way; "coût", and its "médiane", its value for "une œuvre sur dix" (or more) and its "maximum".
    """
    ratio = works[["width", "height"]].max(axis=1) / works[["width", "height"]].min(axis=1)
    found = {
        STRETCH: ("déformation : un cercle devient une ellipse, plus longue que large de", ratio - 1),
        CROP: ("part de l'œuvre perdue sur les bords", 1 - 1 / ratio),
        PAD: ("part des pixels qui ne montrent rien", 1 - 1 / ratio),
    }
    rows = [(how, cost, *map(percent, np.quantile(shares, [0.5, 0.9, 1]))) for how, (cost, shares) in found.items()]
    return pd.DataFrame(rows, columns=["façon", "coût", "médiane", "une œuvre sur dix, au moins", "maximum"])


def elongated(works: pd.DataFrame, count: int = 2) -> np.ndarray:
    """Returns the rows of works of different shapes, from the widest to the tallest, shape (count,) at most."""
    order = np.argsort(-(works["width"] / works["height"]).to_numpy(), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]


def plot_squares(data: Data, rows: Sequence[int], side: int = 112) -> Figure:
    """Draws works, two a row: as they are, then made square in the three ways."""
    pictures, captions = [], []
    for row in rows:
        work = data.works.iloc[row]
        image = decode(work["path"])
        pictures += [np.asarray(_framed(Image.fromarray(image), side, (255, 255, 255)))]
        pictures += [square(image, side, how) for how in (STRETCH, CROP, PAD)]
        captions += [_size(work), STRETCH, CROP, "ajouter\ndes bandes"]
    return figures.plot_grid(pictures, captions, columns=8)


def describe_squares(data: Data, rows: Sequence[int]) -> str:
    """Says in French what `plot_squares` draws."""
    listed = (f"{data.names[data.labels[row]]} ({_size(data.works.iloc[row])})" for row in rows)
    return (
        f"{len(rows)} œuvres telles quelles, puis étirées, recadrées au centre et complétées par des bandes : "
        f"{' ; '.join(listed)}. Dimensions en pixels, largeur puis hauteur."
    )


def _size(work: pd.Series) -> str:
    return f"{work['width']} × {work['height']}"


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


def plot_filters(image: np.ndarray, side: int = 64) -> Figure:
    """Draws the finest part of a square picture, and the same part reduced with each filter."""
    window = finest(image)
    pictures, captions = [_cut(image, window, len(image))], [f"{len(image)} px"]
    for how in (LANCZOS, BILINEAR, NEAREST):
        small = reduced(image, side, how)
        pictures.append(_cut(small, window, len(image)))
        captions.append(f"{side} px, {how}\n{_decibels(psnr(image, enlarged(small, len(image))))}")
    return figures.plot_grid(pictures, captions, columns=4)


def describe_filters(image: np.ndarray, side: int = 64) -> str:
    """Says in French what `plot_filters` draws."""
    kept = (
        f"{how} {_decibels(psnr(image, enlarged(reduced(image, side, how), len(image))))}"
        for how in (LANCZOS, BILINEAR, NEAREST)
    )
    return (
        f"Un détail d'une œuvre de {len(image)} pixels de côté, puis le même, l'œuvre réduite à {side} pixels par "
        f"trois filtres. Fidélité de l'œuvre une fois agrandie de nouveau : {', '.join(kept)}."
    )


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


def measure(data: Data, rows: Sequence[int], *, sides: Sequence[int] = SIDES) -> pd.DataFrame:
    """Measures what is left of works that are made small, then as large as before.

    The largest centred square of a work, `LARGEST` pixels wide or as wide as its file has them, is the reference.

    Args:
        data: the paintings.
        rows: of the works that are measured.
        sides: in pixels; those that are no smaller than a work leave it as it is.

    Returns:
        row (of `data.works`), side, psnr (dB), contrast (share of the fine contrast that is left).
    """
    found = []
    for row in rows:
        image = whole_square(data.works.iloc[row])
        before = max(contrast(image), 1e-6)
        for side in sides:
            copy = image if side >= len(image) else enlarged(reduced(image, side), len(image))
            found.append((row, side, psnr(image, copy), contrast(copy) / before))
    return pd.DataFrame(found, columns=["row", "side", "psnr", "contrast"])


def whole_square(work: pd.Series) -> np.ndarray:
    """Decodes the largest centred square of a work (a row of `Data.works`), `LARGEST` pixels wide at most."""
    return decode(work["path"], min(LARGEST, work["width"], work["height"]), crop=True)


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the medians and quartiles of `measure`: side, psnr, low, high (dB; infinite: nothing lost), contrast."""
    rows = []
    for side, part in table.groupby("side"):
        low, middle, high = np.quantile(part["psnr"], [0.25, 0.5, 0.75], method="nearest")
        rows.append((side, middle, low, high, part["contrast"].median()))
    return pd.DataFrame(rows, columns=["side", "psnr", "low", "high", "contrast"])


def ordinary(table: pd.DataFrame, side: int = 64) -> int:
    """Returns the row of the work, among those of `measure`, that keeps as much as most do at this side (median)."""
    part = table[table["side"] == side].sort_values("psnr", kind="stable")
    return int(part["row"].iloc[len(part) // 2])


def finest(image: np.ndarray, share: float = 0.25) -> tuple[int, int, int]:
    """Returns the window of a square picture that holds most fine contrast: left, top and side, in pixels."""
    width = max(2, round(share * len(image)))
    places = slice(width // 2, len(image) - width + width // 2)  # middles of the windows that lie within the picture
    density = ndimage.uniform_filter(_gradients(image), width, mode="nearest")[places, places]
    top, left = np.unravel_index(density.argmax(), density.shape)
    return int(left), int(top), width


def _cut(image: np.ndarray, window: tuple[int, int, int], side: int, shown: int = 256) -> np.ndarray:
    """Cuts out a window given in pixels of a picture `side` wide, and shows its pixels as squares."""
    left, top, width = (length * len(image) / side for length in window)
    box = (left, top, left + width, top + width)
    return np.asarray(Image.fromarray(image).resize((shown, shown), Image.Resampling.NEAREST, box))


def plot_sizes(work: pd.Series, table: pd.DataFrame) -> Figure:
    """Draws a work at several sizes, its finest part, and what each size keeps of many works.

    Args:
        work: row of `Data.works`.
        table: what `kept` returns.
    """
    image = whole_square(work)
    window, sides = finest(image), _shown(image)
    figure = Figure(figsize=(figures.WIDTH, 4.6))
    left, right = figure.subfigures(1, 2, width_ratios=[2.2, 1])
    axes = left.subplots(2, len(sides), squeeze=False)
    for (whole, part), side in zip(axes.T, sides, strict=True):
        small = reduced(image, side)
        whole.imshow(small, extent=(0, len(image), len(image), 0), interpolation="antialiased")
        part.imshow(_cut(small, window, len(image)), interpolation="nearest")
        x, y, width = window
        for colour, thickness in (("white", 3), ("black", 1)):
            whole.add_patch(Rectangle((x, y), width, width, fill=False, edgecolor=colour, lw=thickness))
        whole.set_title(f"{side} px", loc="center")
        part.set_xlabel(_told(image, side))
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    _draw_kept(right.subplots(2, 1, sharex=True), table)
    return figure


def _draw_kept(axes: Sequence, table: pd.DataFrame) -> None:
    fidelity, fine = axes
    finite = table[np.isfinite(table["psnr"])]
    fidelity.plot(finite["side"], finite["psnr"], color=PALETTE[0], marker="o")
    upper = finite["high"].where(np.isfinite(finite["high"]), finite["psnr"])
    fidelity.fill_between(finite["side"], finite["low"], upper, color=PALETTE[0], alpha=0.2, lw=0)
    for side in table["side"][np.isinf(table["psnr"])]:
        place = fidelity.get_xaxis_transform()
        fidelity.text(side, 0.98, "rien de perdu ", transform=place, rotation=90, ha="right", va="top", fontsize=11)
    fine.plot(table["side"], 100 * table["contrast"], color=PALETTE[0], marker="o")
    fidelity.set_title("Fidélité (dB)", fontsize=12)
    fine.set_title("Contrastes gardés (%)", fontsize=12)
    fine.set(xlabel="côté (px)", xscale="log", ylim=(0, 105))
    ticks = [side for side in table["side"] if np.log2(side).is_integer()]
    fine.set_xticks(ticks, [str(side) for side in ticks])
    fine.set_xticks([], minor=True)
    for axis in axes:
        axis.grid(color="#dddddd")


def describe_sizes(work: pd.Series, table: pd.DataFrame) -> str:
    """Says in French what `plot_sizes` draws."""
    image = whole_square(work)
    shown = ", ".join(f"{side} px ({_told(image, side)})" for side in _shown(image))
    medians = ", ".join(
        f"{side} px {_decibels(value)} et {percent(share, 0)}"
        for side, value, share in zip(table["side"], table["psnr"], table["contrast"], strict=True)
    )
    return (
        f"Une même œuvre à plusieurs tailles, avec un détail : {shown}. Puis deux courbes, fidélité médiane et part "
        f"des contrastes fins qui reste : {medians}."
    )


def _shown(image: np.ndarray) -> list[int]:
    return sorted({min(side, len(image)) for side in SHOWN}, reverse=True)


def _told(image: np.ndarray, side: int) -> str:
    if side >= len(image):
        return "définition du fichier"
    return _decibels(psnr(image, enlarged(reduced(image, side), len(image))))


def _decibels(value: float) -> str:
    return f"{number(value, 1)}{figures.NBSP}dB" if np.isfinite(value) else "rien de perdu"


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


def plot_qualities(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draws works in high and in low quality, whole and in their finest part, from what `both_qualities` returns."""
    pictures, captions = [], []
    for quality in (0, 1):
        for pair in pairs:
            high, image = pair[0], pair[quality]
            pictures += [_cut(image, window, len(high)) for window in ((0, 0, len(high)), finest(high))]
            captions += [f"{len(image)} px", "détail"]
    labels = ["haute\nqualité", "basse\nqualité"]
    return figures.plot_grid(pictures, captions, columns=2 * len(pairs), row_labels=labels)


def describe_qualities(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """Says in French what `plot_qualities` draws."""
    fidelity, fine = quality_gap(pairs)
    return (
        f"{len(pairs)} œuvres en haute et en basse qualité, entières puis en détail. Agrandie, la basse qualité garde "
        f"{percent(fine, 0)} des contrastes fins de l'autre (médiane), à {_decibels(fidelity)}."
    )


def quality_gap(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Returns what enlarged low-quality copies keep of the works (medians): PSNR in dB, share of the fine contrast."""
    enlarged_pairs = [(high, enlarged(low, len(high))) for high, low in pairs]
    fidelity = [psnr(high, low) for high, low in enlarged_pairs]
    fine = [contrast(low) / max(contrast(high), 1e-6) for high, low in enlarged_pairs]
    return float(np.median(fidelity)), float(np.median(fine))
