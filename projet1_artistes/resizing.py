"""What a work loses when it becomes a small square: its shape, its edges, the strokes of the brush.

Pictures are uint8 arrays of shape (height, width, 3).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from scipy import ndimage

from commun import figures, training
from commun.figures import MARKERS, PALETTE, number, percent
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


def elongated(works: pd.DataFrame, count: int = 3) -> np.ndarray:
    """Returns the rows of works of different shapes, from the widest to the tallest, shape (count,) at most."""
    order = np.argsort(-(works["width"] / works["height"]).to_numpy(), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]


def plot_squares(data: Data, rows: Sequence[int], side: int = 160) -> Figure:
    """Draws works, a row each: as they are, then made square in the three ways."""
    pictures, captions = [], []
    for image, size in _opened(data, rows):
        pictures += [np.asarray(_framed(Image.fromarray(image), side, (255, 255, 255)))]
        pictures += [square(image, side, how) for how in (STRETCH, CROP, PAD)]
        captions += [f"telle quelle, {size}", STRETCH, CROP, PAD]
    labels = [_folded(data.names[artist], 14) for artist in data.labels[list(rows)]]
    return figures.plot_grid(pictures, captions, columns=4, row_labels=labels)


def describe_squares(data: Data, rows: Sequence[int]) -> str:
    """Says in French what `plot_squares` draws."""
    listed = (f"{data.names[data.labels[row]]} ({_size(data.works.iloc[row])})" for row in rows)
    return (
        f"{len(rows)} œuvres telles quelles, puis étirées, recadrées au centre et complétées par des bandes : "
        f"{' ; '.join(listed)}. Dimensions en pixels, largeur puis hauteur."
    )


def _opened(data: Data, rows: Sequence[int]) -> list[tuple[np.ndarray, str]]:
    return [(decode(data.works["path"].iloc[row]), _size(data.works.iloc[row])) for row in rows]


def _size(work: pd.Series) -> str:
    return f"{work['width']} × {work['height']}"


def _folded(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False)


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
        f"Un détail d'une œuvre de {len(image)} pixels de côté, puis le même, réduit à {side} pixels par trois filtres. "
        f"Fidélité de l'œuvre une fois agrandie de nouveau : {', '.join(kept)}."
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


def measure(
    data: Data, count: int, *, seed: int, sides: Sequence[int] = SIDES, hows: Sequence[str] = (LANCZOS,)
) -> pd.DataFrame:
    """Measures what is left of works that are made small, then as large as before.

    The largest centred square of a work, `LARGEST` pixels wide or as wide as its file has them, is the reference.

    Args:
        data: the paintings.
        count: number of works, drawn at random.
        seed: of the draw.
        sides: in pixels; those that are no smaller than a work leave it as it is.
        hows: filters, see `reduced`.

    Returns:
        row (of `data.works`), side, filter, psnr (dB), contrast (share of the fine contrast that is left).
    """
    chosen = np.random.default_rng(seed).permutation(len(data.works))[:count]
    found = []
    for row in np.sort(chosen):
        image = whole_square(data.works.iloc[row])
        before = max(contrast(image), 1e-6)
        for side in sides:
            for how in hows:
                copy = image if side >= len(image) else enlarged(reduced(image, side, how), len(image))
                found.append((row, side, how, psnr(image, copy), contrast(copy) / before))
    return pd.DataFrame(found, columns=["row", "side", "filter", "psnr", "contrast"])


def whole_square(work: pd.Series) -> np.ndarray:
    """Decodes the largest centred square of a work (a row of `Data.works`), `LARGEST` pixels wide at most."""
    return decode(work["path"], min(LARGEST, work["width"], work["height"]), crop=True)


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the medians and quartiles of `measure`: side, filter, psnr, low, high (dB), contrast, whole (a share).

    `whole` is the share of works that lose nothing; a quartile among them is infinite.
    """
    rows = []
    for (side, how), part in table.groupby(["side", "filter"], sort=False):
        low, middle, high = np.quantile(part["psnr"], [0.25, 0.5, 0.75], method="nearest")
        rows.append((side, how, middle, low, high, part["contrast"].median(), np.isinf(part["psnr"]).mean()))
    return pd.DataFrame(rows, columns=["side", "filter", "psnr", "low", "high", "contrast", "whole"])


def ordinary(table: pd.DataFrame, side: int = 64) -> int:
    """Returns the row of the work, among those of `measure`, that keeps as much as most do at this side (median)."""
    part = table[(table["side"] == side) & (table["filter"] == table["filter"].iloc[0])].sort_values("psnr")
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
    window, sides = finest(image), [side for side in SHOWN if side <= len(image)]
    figure = Figure(figsize=(figures.WIDTH, 8.6))
    top, bottom = figure.subfigures(2, height_ratios=[5.6, 3])
    axes = top.subplots(2, len(sides), squeeze=False)
    for (whole, part), side in zip(axes.T, sides, strict=True):
        small = reduced(image, side) if side < len(image) else image
        whole.imshow(_cut(small, (0, 0, len(image)), len(image), shown=512), interpolation="antialiased")
        part.imshow(_cut(small, window, len(image)), interpolation="nearest")
        left, above, width = (length * 512 / len(image) for length in window)
        whole.add_patch(Rectangle((left, above), width, width, fill=False, edgecolor="white", lw=3))
        whole.add_patch(Rectangle((left, above), width, width, fill=False, edgecolor="black", lw=1))
        whole.set_title(f"{side} × {side} px")
        part.set_xlabel(_told(image, side))
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    _draw_kept(bottom.subplots(1, 2), table)
    return figure


def _draw_kept(axes: Sequence, table: pd.DataFrame) -> None:
    fidelity, fine = axes
    for (how, part), colour, marker in zip(table.groupby("filter", sort=False), PALETTE, MARKERS, strict=False):
        finite = part[np.isfinite(part["psnr"])]
        fidelity.plot(finite["side"], finite["psnr"], color=colour, marker=marker, label=how)
        fidelity.fill_between(
            finite["side"], finite["low"], finite["high"].replace(np.inf, np.nan), color=colour, alpha=0.2, lw=0
        )
        fine.plot(part["side"], 100 * part["contrast"], color=colour, marker=marker)
    for side in table["side"][np.isinf(table["psnr"])]:
        fidelity.text(
            side, 0.98, "rien de perdu ", transform=fidelity.get_xaxis_transform(), rotation=90, ha="right", va="top"
        )
    fidelity.set(title="Fidélité (médiane, quartiles)", ylabel="PSNR (dB)")
    fine.set(title="Contrastes fins qui restent", ylabel="% de ceux de l'œuvre", ylim=(0, 105))
    for axis in axes:
        axis.set(xlabel="côté (px)", xscale="log", xticks=sorted(set(table["side"])))
        axis.set_xticks([], minor=True)
        axis.set_xticklabels([str(side) for side in sorted(set(table["side"]))])
        axis.grid(color="#dddddd")


def describe_sizes(work: pd.Series, table: pd.DataFrame) -> str:
    """Says in French what `plot_sizes` draws."""
    image = whole_square(work)
    shown = ", ".join(f"{side} px ({_told(image, side)})" for side in SHOWN if side <= len(image))
    medians = ", ".join(
        f"{side} px {_decibels(value)} et {percent(share, 0)}"
        for side, value, share in zip(table["side"], table["psnr"], table["contrast"], strict=True)
    )
    return (
        f"Une même œuvre à plusieurs tailles, avec un détail : {shown}. Puis deux courbes, fidélité médiane et part des "
        f"contrastes fins qui reste : {medians}."
    )


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
    rows: list[list[np.ndarray]] = [[], [], [], []]
    for high, low in pairs:
        window, everything = finest(high), (0, 0, len(high))
        for row, image, part in zip(
            rows, (high, low, high, low), (everything, everything, window, window), strict=True
        ):
            row.append(_cut(image, part, len(high)))
    labels = ["haute\nqualité", "basse\nqualité", "détail,\nhaute", "détail,\nbasse"]
    pictures, captions = [], []
    for place, row in enumerate(rows):
        pictures += row
        captions += [f"{len(pair[place])} px" if place < 2 else "" for pair in pairs]
    return figures.plot_grid(pictures, captions, columns=len(pairs), row_labels=labels)


def describe_qualities(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """Says in French what `plot_qualities` draws."""
    fidelity = [psnr(high, enlarged(low, len(high))) for high, low in pairs]
    left = [contrast(enlarged(low, len(high))) / max(contrast(high), 1e-6) for high, low in pairs]
    return (
        f"{len(pairs)} œuvres en haute et en basse qualité, entières puis en détail. Agrandie, la basse qualité garde "
        f"{percent(float(np.median(left)), 0)} des contrastes fins de l'autre (médiane), à {_decibels(np.median(fidelity))}."
    )
