"""The drawings of notebook 01: the paintings, what resizing costs, near-duplicates, the split, augmentation."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from commun import figures
from commun.figures import PALETTE, Drawing, number, percent
from commun.images import decode
from projet1_artistes import augmentation, resizing
from projet1_artistes.augmentation import Transforms
from projet1_artistes.checks import split_counts
from projet1_artistes.dataset import Data
from projet1_artistes.resizing import BILINEAR, CROP, LANCZOS, NEAREST, PAD, SMALL, STRETCH
from projet1_artistes.split import PARTS, TITLES
from projet1_artistes.tables import WAYS, by_count, oversampling_counts, work_title

COLOURS = dict(zip(PARTS, (PALETTE[5], PALETTE[1], PALETTE[2]), strict=True))
HATCHES = dict(zip(PARTS, ("", "//", ".."), strict=True))
SQUARE = 0.05  # ratios of the sides that differ by less are those of a square
FILTERS = {LANCZOS: "Lanczos", BILINEAR: "bilinéaire sans lissage", NEAREST: "plus proche voisin"}
SHOWN_SIDES = (256, 128, 64)  # pixels: sizes at which a work is shown
THUMBNAIL = 112  # pixels: side of the works that are made square
CROP_SIDE, N_CROPS = 96, 7  # pixels, and number of the transforms that are shown of a work
N_DUPLICATES = 2  # works that are shown of a group


# --- What is there ---------------------------------------------------------------------------------------------------


def plot_contact_sheet(data: Data, *, seed: int) -> Drawing:
    """Draws one work of each artist, drawn at random."""
    random, artists = np.random.default_rng(seed), np.unique(data.labels)
    rows = [random.choice(np.flatnonzero(data.labels == artist)) for artist in artists]
    columns, names = 6 if len(rows) <= 24 else 9, [data.names[artist] for artist in artists]
    captions = [_folded(name, 100 // columns) for name in names]
    alt = f"Une œuvre de chacun des {len(names)} artistes : {', '.join(names)}."
    return Drawing(figures.image_grid(data.images[rows], captions, columns=columns), alt, "jpeg")


def plot_counts(data: Data, *, threshold: int) -> Drawing:
    """Draws the number of works of each artist, the best furnished first, and the threshold of augmentation."""
    artists = by_count(data)
    few = artists["works"] < threshold
    figure, axes = figures.new_figure(1.1 + 0.2 * len(artists))
    styles = {"hatch": ["//" if one else "" for one in few], "edgecolor": "white", "linewidth": 0}
    bars = axes.barh(range(len(artists)), artists["works"], color=np.where(few, PALETTE[1], PALETTE[0]), **styles)
    axes.axvline(threshold, color="black", ls="--", lw=1)
    axes.bar_label(bars, padding=3, fontsize=10, bbox={"facecolor": "white", "linewidth": 0, "pad": 0.5})
    text = f" seuil : {threshold} œuvres\n artistes en dessous : {few.sum()}"
    axes.text(threshold, len(artists) - 0.6, text, va="bottom", fontsize=11, backgroundcolor="white", zorder=0)
    _name_rows(axes, artists["name"])
    axes.set(xlabel="œuvres", title="Nombre d'œuvres par artiste")
    most, least = artists.iloc[0], artists.iloc[-1]
    alt = (
        f"Barres : le nombre d'œuvres de {len(artists)} artistes, de {most['name']} ({most['works']}) à "
        f"{least['name']} ({least['works']}) ; la moitié en ont {number(artists['works'].median(), 0)} ou moins. "
        f"Artistes sous le seuil de {threshold} : {few.sum()}."
    )
    return Drawing(figure, alt)


def plot_shapes(data: Data) -> Drawing:
    """Draws how many works are tall, square (within `SQUARE`) or wide: a histogram of width / height."""
    ratios = (data.works["width"] / data.works["height"]).to_numpy()
    logs = np.log2(ratios)
    limit = max(1.0, np.abs(logs).max())
    figure, axes = figures.new_figure(3.0)
    axes.hist(logs, bins=np.linspace(-limit, limit, 42), color=PALETTE[0])
    ticks = [t for t in (1 / 8, 1 / 4, 1 / 2, 2 / 3, 1, 3 / 2, 2, 4, 8) if abs(np.log2(t)) <= limit]
    names = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 2 / 3: "2/3", 1: "1\ncarré", 3 / 2: "3/2"}
    axes.set_xticks(np.log2(ticks), [names.get(t, number(t)) for t in ticks])
    axes.set(title="De quelle forme sont les œuvres ?", xlabel="largeur / hauteur", ylabel="œuvres")
    tall, wide = (np.log(ratios) < -SQUARE).mean(), (np.log(ratios) > SQUARE).mean()
    alt = (
        f"Histogramme du rapport largeur / hauteur de {len(ratios)} œuvres, de {number(ratios.min(), 2)} à "
        f"{number(ratios.max(), 2)} : en hauteur {percent(tall)}, carrées {percent(1 - tall - wide)}, en largeur "
        f"{percent(wide)}."
    )
    return Drawing(figure, alt)


# --- What resizing costs ---------------------------------------------------------------------------------------------


def plot_squares(data: Data, rows: Sequence[int]) -> Drawing:
    """Draws works, two a row: as they are, then made square in the three ways."""
    pictures, captions, names = [], [], []
    for row in rows:
        work = data.works.iloc[row]
        image, size = decode(work["path"]), f"{work['width']} × {work['height']}"
        pictures += [np.asarray(resizing.framed(Image.fromarray(image), THUMBNAIL, (255, 255, 255)))]
        pictures += [resizing.square(image, THUMBNAIL, way) for way in (STRETCH, CROP, PAD)]
        captions += [size, *(WAYS[way].replace(" des", "\ndes") for way in (STRETCH, CROP, PAD))]
        names.append(f"{data.names[data.labels[row]]} ({size})")
    alt = (
        f"{len(rows)} œuvres telles quelles, puis étirées, recadrées au centre et complétées par des bandes : "
        f"{' ; '.join(names)}. Dimensions en pixels, largeur puis hauteur."
    )
    return Drawing(figures.image_grid(pictures, captions, columns=8), alt, "jpeg")


def plot_filters(image: np.ndarray) -> Drawing:
    """Draws the finest part of a square picture, and the same part reduced to `SMALL` pixels with each filter."""
    window = resizing.finest(image)
    pictures, captions, texts = [_cut(image, window, len(image))], [f"{len(image)} px"], []
    for how, title in FILTERS.items():
        small = resizing.reduced(image, SMALL, how)
        fidelity = _decibels(resizing.psnr(image, resizing.enlarged(small, len(image))))
        pictures.append(_cut(small, window, len(image)))
        captions.append(f"{SMALL} px, {title}\n{fidelity}")
        texts.append(f"{title} {fidelity}")
    alt = (
        f"Un détail d'une œuvre de {len(image)} pixels de côté, puis le même, l'œuvre réduite à {SMALL} pixels par "
        f"trois filtres. Fidélité de l'œuvre une fois agrandie de nouveau : {', '.join(texts)}."
    )
    return Drawing(figures.image_grid(pictures, captions, columns=4), alt, "jpeg")


def plot_sizes(work: pd.Series, table: pd.DataFrame) -> Drawing:
    """Draws a work at several sizes, its finest part, and what each size keeps of many works.

    Args:
        work: row of `Data.works`.
        table: what `resizing.quartiles` returns.
    """
    image = resizing.whole_square(work)
    x, y, width = window = resizing.finest(image)
    sides = sorted({min(side, len(image)) for side in SHOWN_SIDES}, reverse=True)
    figure, texts = Figure(figsize=(figures.WIDTH, 4.6)), []
    left, right = figure.subfigures(1, 2, width_ratios=[2.2, 1])
    axes = left.subplots(2, len(sides), squeeze=False)
    for (whole, part), side in zip(axes.T, sides, strict=True):
        small = resizing.reduced(image, side)
        whole.imshow(small, extent=(0, len(image), len(image), 0), interpolation="antialiased")
        part.imshow(_cut(small, window, len(image)), interpolation="nearest")
        for colour, thickness in (("white", 3), ("black", 1)):
            whole.add_patch(Rectangle((x, y), width, width, fill=False, edgecolor=colour, lw=thickness))
        whole.set_title(f"{side} px", loc="center")
        fidelity = _decibels(resizing.psnr(image, resizing.enlarged(small, len(image))))
        part.set_xlabel("résolution du fichier" if side >= len(image) else fidelity)
        texts.append(f"{side} px ({part.get_xlabel()})")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    _draw_sizes(right.subplots(2, 1, sharex=True), table)
    medians = zip(table["side"], table["psnr"], table["contrast"], strict=True)
    medians = ", ".join(f"{side} px {_decibels(value)} et {percent(share, 0)}" for side, value, share in medians)
    alt = (
        f"Une même œuvre à plusieurs tailles, avec un détail : {', '.join(texts)}. Puis deux courbes, fidélité médiane "
        f"et part des contrastes fins qui reste : {medians}."
    )
    return Drawing(figure, alt, "jpeg")


def _draw_sizes(axes: Sequence, table: pd.DataFrame) -> None:
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


def plot_qualities(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Drawing:
    """Draws works in high and in low quality, whole and in their finest part: what `resizing.both_qualities` gives."""
    pictures, captions = [], []
    for quality in (0, 1):
        for pair in pairs:
            high, image = pair[0], pair[quality]
            windows = ((0, 0, len(high)), resizing.finest(high))
            pictures += [_cut(image, window, len(high)) for window in windows]
            captions += [f"{len(image)} px", "détail"]
    labels = ["haute\nqualité", "basse\nqualité"]
    fidelity, fine = resizing.quality_gap(pairs)
    alt = (
        f"{len(pairs)} œuvres en haute et en basse qualité, entières puis en détail. Agrandie, la basse qualité garde "
        f"{percent(fine, 0)} des contrastes fins de l'autre (médiane), à {_decibels(fidelity)}."
    )
    return Drawing(figures.image_grid(pictures, captions, columns=2 * len(pairs), row_labels=labels), alt, "jpeg")


# --- Near-duplicates and the split -----------------------------------------------------------------------------------


def plot_duplicates(data: Data, groups: Sequence[np.ndarray]) -> Drawing:
    """Draws the first works of groups of near-duplicates, one group after the other, with their names."""
    rows, captions, texts = [], [], []
    for place, group in enumerate(groups, 1):
        titles = [work_title(data, row) for row in group[:N_DUPLICATES]]
        head = f"groupe {place}" + f" ({len(group)})" * (len(group) > N_DUPLICATES)
        rows += list(group[:N_DUPLICATES])
        captions += [f"{head}\n{_folded(title, 12)}" for title in titles]
        texts.append(f"{place} ({len(group)} œuvres), {', '.join(titles)}")
    alt = f"Groupes d'œuvres presque identiques : {' ; '.join(texts)}."
    return Drawing(figures.image_grid(data.images[rows], captions, columns=8), alt, "jpeg")


def plot_split(data: Data) -> Drawing:
    """Draws the shares of the three parts, a row an artist, against those that were asked for."""
    artists = by_count(data)
    counts = split_counts(data).loc[artists.index]
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    figure, axes = figures.new_figure(1.4 + 0.2 * len(artists))
    left = np.zeros(len(artists))
    for part in PARTS:
        style = {"color": COLOURS[part], "hatch": HATCHES[part], "edgecolor": "white", "linewidth": 0}
        axes.barh(range(len(artists)), 100 * shares[part], left=left, height=0.86, label=TITLES[part], **style)
        left += 100 * shares[part].to_numpy()
    for place, row in enumerate(counts.to_numpy()):
        axes.text(101, place, " / ".join(map(str, row)), va="center", fontsize=10)
    for edge in 100 * np.cumsum(list(PARTS.values()))[:-1]:
        axes.axvline(edge, color="black", ls="--", lw=1)
        axes.text(edge, -0.7, f"{edge:.0f}{figures.NBSP}%", ha="center", fontsize=11)
    _name_rows(axes, artists["name"])
    axes.set(xlabel="part des œuvres de l'artiste (%) ; à droite, leur nombre", xlim=(0, 100))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    evaluated = shares[artists["evaluated"]]
    extremes = [f"{TITLES[part]} de {percent(s.min())} à {percent(s.max())}" for part, s in evaluated.items() if len(s)]
    alt = (
        f"Barres empilées, une par artiste, et les parts voulues ({', '.join(percent(s, 0) for s in PARTS.values())}) "
        f"en pointillé. Sur {len(evaluated)} artistes présents dans les trois parts : {', '.join(extremes) or 'rien'}."
    )
    return Drawing(figure, alt)


# --- Augmentation ----------------------------------------------------------------------------------------------------


def plot_augmented(data: Data, rows: Sequence[int], *, seed: int) -> Drawing:
    """Draws works, a row each, and what the network may see of them: transforms drawn at random."""
    pictures, random = [], np.random.default_rng(seed)
    for image in data.images[list(rows)]:
        crops = [augmentation.transform(image, CROP_SIDE, random, Transforms()) for _ in range(N_CROPS)]
        whole = augmentation.resize_all(image[None], CROP_SIDE)[0]
        pictures += [whole.astype(np.uint8), *np.uint8(np.clip(crops, 0, 255))]
    names = [data.names[data.labels[row]] for row in rows]
    captions, labels = ["avant", *[""] * N_CROPS] * len(rows), [_folded(name, 14) for name in names]
    alt = (
        f"Une œuvre de chacun de {len(rows)} artistes ({', '.join(names)}), puis {N_CROPS} "
        f"transformations tirées au hasard : morceau, miroir, légère inclinaison, autre lumière."
    )
    return Drawing(figures.image_grid(pictures, captions, columns=N_CROPS + 1, row_labels=labels), alt, "jpeg")


def plot_oversampling(data: Data, threshold: int) -> Drawing:
    """Draws the works of each artist in the training part, and how often they are shown with augmentation."""
    table = oversampling_counts(data, threshold).assign(name=data.artists["name"])
    table = table.sort_values(["works", "name"], ascending=[False, True])
    more = table["pictures"] - table["works"]
    figure, axes = figures.new_figure(1.4 + 0.2 * len(table))
    places = range(len(table))
    axes.barh(places, table["works"], color=PALETTE[0], label="œuvres d'apprentissage, vues une fois chacune")
    style = {"color": PALETTE[1], "hatch": "//", "edgecolor": "white", "linewidth": 0}
    axes.barh(places, more, left=table["works"], label="vues de plus, chaque fois transformées autrement", **style)
    for place, (works, pictures) in enumerate(table[["works", "pictures"]].to_numpy()):
        text = f"{works} → {pictures}" if pictures > works else str(works)
        axes.text(pictures, place, f" {text}", va="center", fontsize=10)
    axes.axvline(threshold, color="black", ls="--", lw=1)
    _name_rows(axes, table["name"])
    axes.set(xlabel=f"images vues en un passage (en pointillé, le seuil : {threshold})")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=11)
    table = table[table["works"] > 0]
    before, after = (table[column].max() / table[column].min() for column in ("works", "pictures"))
    alt = (
        f"Barres par artiste : ses œuvres d'apprentissage, puis ses images vues en un passage, avec un seuil de "
        f"{threshold}. Artistes concernés : {(more > 0).sum()} sur {len(table)}. Le plus fourni est vu "
        f"{number(before, 1)} fois plus que le moins fourni avant, {number(after, 1)} fois après."
    )
    return Drawing(figure, alt)


# --- Details ---------------------------------------------------------------------------------------------------------


def _cut(image: np.ndarray, window: tuple[int, int, int], side: int) -> np.ndarray:
    """Cuts out a window given in pixels of a picture `side` wide, and shows its pixels as squares."""
    left, top, width = (length * len(image) / side for length in window)
    box = (left, top, left + width, top + width)
    return np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.NEAREST, box))


def _decibels(value: float) -> str:
    return f"{number(value, 1)}{figures.NBSP}dB" if np.isfinite(value) else "rien de perdu"


def _folded(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False)


def _name_rows(axes, names: Sequence[str]) -> None:
    """Writes a name in front of each row of a chart, the first row at the top."""
    axes.set_yticks(range(len(names)), names, fontsize=10)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
