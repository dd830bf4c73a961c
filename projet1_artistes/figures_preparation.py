"""What notebook 01 shows of the paintings: figures with their alternative texts, and tables."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from commun import figures
from commun.figures import PALETTE, number, percent
from projet1_artistes import augmentation, dataset
from projet1_artistes.dataset import PARTS, TEST, TRAINING, VALIDATION, Data

COLOURS = dict(zip(PARTS, (PALETTE[5], PALETTE[1], PALETTE[2]), strict=True))
HATCHES = dict(zip(PARTS, ("", "//", ".."), strict=True))
SQUARE = 0.05  # ratios of the sides that differ by less are those of a square


# --- What is there ---------------------------------------------------------------------------------------------------


def plot_contact_sheet(data: Data, *, seed: int) -> Figure:
    """Draws one work of each artist, drawn at random."""
    random = np.random.default_rng(seed)
    rows = [random.choice(np.flatnonzero(data.labels == artist)) for artist in np.unique(data.labels)]
    columns = 6 if len(rows) <= 24 else 9
    captions = [_folded(data.names[artist], 100 // columns) for artist in np.unique(data.labels)]
    return figures.plot_grid(dataset.pixels(data)[rows], captions, columns=columns)


def describe_contact_sheet(data: Data) -> str:
    """Says in French what `plot_contact_sheet` draws."""
    names = [data.names[artist] for artist in np.unique(data.labels)]
    return f"Une œuvre de chacun des {len(names)} artistes : {', '.join(names)}."


def plot_counts(data: Data, *, threshold: int) -> Figure:
    """Draws the number of works of each artist, the best furnished first, and the threshold of augmentation."""
    artists = _by_count(data)
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
    return figure


def describe_counts(data: Data, *, threshold: int) -> str:
    """Says in French what `plot_counts` draws."""
    artists = _by_count(data)
    most, least = artists.iloc[0], artists.iloc[-1]
    return (
        f"Barres : le nombre d'œuvres de {len(artists)} artistes, de {most['name']} ({most['works']}) à "
        f"{least['name']} ({least['works']}) ; la moitié en ont {number(artists['works'].median(), 0)} ou moins. "
        f"Artistes sous le seuil de {threshold} : {(artists['works'] < threshold).sum()}."
    )


def imbalance(data: Data, *, threshold: int) -> dict:
    """Returns what the counts say: most and least (names), fewest, ratio, share of the first, few (artists below)."""
    artists = _by_count(data)
    works = artists["works"]
    return {
        "most": artists["name"].iloc[0],
        "least": artists["name"].iloc[-1],
        "fewest": int(works.iloc[-1]),
        "ratio": works.iloc[0] / max(1, works.iloc[-1]),
        "share": works.iloc[0] / works.sum(),
        "few": int((works < threshold).sum()),
    }


def chosen(data: Data, count: int, *, seed: int) -> np.ndarray:
    """Returns the rows of works drawn at random, each of another artist as far as there are enough, shape (count,)."""
    order = np.random.default_rng(seed).permutation(len(data.works))
    turn = pd.Series(data.labels[order]).groupby(data.labels[order]).cumcount().to_numpy()
    return order[np.argsort(turn, kind="stable")][:count]


def _by_count(data: Data) -> pd.DataFrame:
    return data.artists.sort_values(["works", "name"], ascending=[False, True])


def _name_rows(axes, names: Sequence[str]) -> None:
    """Writes a name in front of each row of a chart, the first row at the top."""
    axes.set_yticks(range(len(names)), names, fontsize=10)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def differences(data: Data) -> pd.DataFrame:
    """Returns the artists whose works are not as many as `artists.csv` says, the widest gaps first.

    Columns: artiste, annoncées, lisibles, écart. An artist who is not in the file has no announced number.
    """
    gap = data.artists["works"] - data.artists["announced"].astype(float)
    table = pd.DataFrame({
        "artiste": data.artists["name"],
        "annoncées": data.artists["announced"].astype("Int64").astype(object),
        "lisibles": data.artists["works"],
        "écart": [f"{difference:+.0f}".replace("-", "−") if difference else "0" for difference in gap],
    })
    table.loc[gap.isna(), "écart"] = "inconnu"
    order = gap.abs().fillna(np.inf).sort_values(ascending=False, kind="stable").index
    return table.loc[order][gap.loc[order] != 0].reset_index(drop=True)


def problems_by_reason(data: Data) -> pd.DataFrame:
    """Returns what is wrong with the files, by kind of problem: constat, fichiers (number), exemple."""
    what = data.problems["what"].str.replace(r"^même œuvre que .* : ", "même œuvre qu'un autre fichier : ", regex=True)
    grouped = data.problems["file"].groupby(what)
    rows = [
        (reason, len(files), dataset.repair(files.iloc[0]).removeprefix("images/images/")) for reason, files in grouped
    ]
    table = pd.DataFrame(rows, columns=["constat", "fichiers", "exemple"])
    return table.sort_values("fichiers", ascending=False, kind="stable", ignore_index=True)


def merged(data: Data) -> pd.DataFrame:
    """Returns the artists whose works lie in several folders: artiste, dossiers, œuvres."""
    rows = data.artists[data.artists["folder"].str.contains(" et ", regex=False)]
    table = rows[["name", "folder", "works"]].set_axis(["artiste", "dossiers", "œuvres"], axis=1)
    return table.reset_index(drop=True)


def plot_shapes(data: Data) -> Figure:
    """Draws how many works are tall, square or wide: a histogram of width / height."""
    ratios = np.log2(_ratios(data))
    limit = max(1.0, np.abs(ratios).max())
    figure, axes = figures.new_figure(3.0)
    axes.hist(ratios, bins=np.linspace(-limit, limit, 42), color=PALETTE[0])
    ticks = [t for t in (1 / 8, 1 / 4, 1 / 2, 2 / 3, 1, 3 / 2, 2, 4, 8) if abs(np.log2(t)) <= limit]
    names = {1 / 8: "1/8", 1 / 4: "1/4", 1 / 2: "1/2", 2 / 3: "2/3", 1: "1\ncarré", 3 / 2: "3/2"}
    axes.set_xticks(np.log2(ticks), [names.get(t, number(t)) for t in ticks])
    axes.set(title="De quelle forme sont les œuvres ?", xlabel="largeur / hauteur", ylabel="œuvres")
    return figure


def describe_shapes(data: Data) -> str:
    """Says in French what `plot_shapes` draws."""
    shares = shapes(data)
    listed = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
    ratios = _ratios(data)
    return (
        f"Histogramme du rapport largeur / hauteur de {len(ratios)} œuvres, de {number(ratios.min(), 2)} à "
        f"{number(ratios.max(), 2)} : {listed}."
    )


def shapes(data: Data) -> dict[str, float]:
    """Returns the shares of the works that are "en hauteur", "carrées" (within `SQUARE`) and "en largeur"."""
    ratios = np.log(_ratios(data))
    tall, wide = (ratios < -SQUARE).mean(), (ratios > SQUARE).mean()
    return {"en hauteur": tall, "carrées": 1 - tall - wide, "en largeur": wide}


def _ratios(data: Data) -> np.ndarray:
    return (data.works["width"] / data.works["height"]).to_numpy()


# --- Near-duplicates -------------------------------------------------------------------------------------------------


def duplicate_groups(data: Data) -> list[np.ndarray]:
    """Returns the rows of each group of near-duplicates: those of several artists first, then the most alike."""
    members = pd.Series(np.arange(len(data.works))).groupby(data.groups).indices
    groups, pixels = [rows for rows in members.values() if len(rows) > 1], dataset.pixels(data)
    return sorted(groups, key=lambda rows: (len(set(data.labels[rows])) == 1, -_likeness(pixels[rows])))


def _likeness(images: np.ndarray) -> float:
    """Returns the correlation of the two images, among uint8 (n, side, side, 3), whose details are most alike."""
    fine = dataset.details(images)
    return float((fine @ fine.T)[np.triu_indices(len(fine), 1)].max())


def plot_duplicates(data: Data, groups: Sequence[np.ndarray], *, columns: int = 8, most: int = 2) -> Figure:
    """Draws groups of near-duplicates one after the other, a number and a name under each work.

    Args:
        data: the paintings.
        groups: rows of each group.
        columns: pictures in a row.
        most: pictures of one group.
    """
    shown = [(place, row) for place, rows in enumerate(groups, 1) for row in rows[:most]]
    heads = [f"groupe {place}" + f" ({len(rows)})" * (len(rows) > most) for place, rows in enumerate(groups, 1)]
    captions = [f"{heads[place - 1]}\n{_folded(_title(data, row), 100 // columns)}" for place, row in shown]
    return figures.plot_grid(dataset.pixels(data)[[row for _, row in shown]], captions, columns=columns)


def describe_duplicates(data: Data, groups: Sequence[np.ndarray], *, most: int = 2) -> str:
    """Says in French what `plot_duplicates` draws."""
    listed = (
        f"{place} ({len(rows)} œuvres), {', '.join(_title(data, row) for row in rows[:most])}"
        for place, rows in enumerate(groups, 1)
    )
    return f"Groupes d'œuvres presque identiques : {' ; '.join(listed)}."


def shared_groups(data: Data) -> pd.DataFrame:
    """Returns the groups of near-duplicates that span two artists or more: artistes, œuvres, partie."""
    rows = [
        {
            "artistes": ", ".join(data.names[artist] for artist in sorted(set(data.labels[group]))),
            "œuvres": ", ".join(_title(data, row) for row in group),
            "partie": data.works["part"].iloc[group[0]],
        }
        for group in duplicate_groups(data)
        if len(set(data.labels[group])) > 1
    ]
    return pd.DataFrame(rows, columns=["artistes", "œuvres", "partie"])


def _title(data: Data, row: int) -> str:
    """Names a work by its artist and its number in the folder."""
    number_in_folder = re.findall(r"\d+", data.works["path"].iloc[row].stem)
    return " ".join([data.names[data.labels[row]], *number_in_folder[-1:]])


# --- The split -------------------------------------------------------------------------------------------------------


def split_counts(data: Data) -> pd.DataFrame:
    """Counts the works of each artist in each part: index class id, a column a part, in the order of `PARTS`."""
    table = pd.crosstab(data.labels, data.works["part"].to_numpy())
    return table.reindex(index=data.artists.index, columns=list(PARTS), fill_value=0).rename_axis(columns=None)


def split_table(data: Data) -> pd.DataFrame:
    """Returns the works of each artist in each part, and their shares, the best furnished artist first."""
    counts = split_counts(data).loc[_by_count(data).index]
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    table = counts.astype(int).assign(parts=[" / ".join(f"{100 * s:.0f}" for s in row) for row in shares.to_numpy()])
    table["évalué"] = np.where(data.artists["evaluated"][table.index], "oui", "non")
    table.insert(0, "artiste", data.artists["name"][table.index])
    return table.rename(columns={"parts": "parts (%)"}).reset_index(drop=True)


def plot_split(data: Data) -> Figure:
    """Draws the shares of the three parts, a row an artist, against those that were asked for."""
    artists = _by_count(data)
    counts = split_counts(data).loc[artists.index]
    shares = 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    figure, axes = figures.new_figure(1.4 + 0.2 * len(artists))
    left = np.zeros(len(artists))
    for part in PARTS:
        style = {"color": COLOURS[part], "hatch": HATCHES[part], "edgecolor": "white", "linewidth": 0}
        axes.barh(range(len(artists)), shares[part], left=left, height=0.86, label=part, **style)
        left += shares[part].to_numpy()
    for place, row in enumerate(counts.to_numpy()):
        axes.text(101, place, " / ".join(map(str, row)), va="center", fontsize=10)
    for edge in 100 * np.cumsum(list(PARTS.values()))[:-1]:
        axes.axvline(edge, color="black", ls="--", lw=1)
        axes.text(edge, -0.7, f"{edge:.0f}{figures.NBSP}%", ha="center", fontsize=11)
    _name_rows(axes, artists["name"])
    axes.set(xlabel="part des œuvres de l'artiste (%) ; à droite, leur nombre", xlim=(0, 100))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def describe_split(data: Data) -> str:
    """Says in French what `plot_split` draws."""
    counts = split_counts(data)
    judged = counts[data.artists["evaluated"]]
    shares = judged.div(judged.sum(axis=1), axis=0)
    extremes = (
        [f"{part} de {percent(s.min())} à {percent(s.max())}" for part, s in shares.items()] if len(judged) else []
    )
    return (
        f"Barres empilées, une par artiste, et les parts voulues ({', '.join(percent(s, 0) for s in PARTS.values())}) "
        f"en pointillé. Sur {len(judged)} artistes présents dans les trois parts : {', '.join(extremes) or 'rien'}."
    )


def check_split(data: Data) -> pd.DataFrame:
    """Checks the split and the class ids against what they must be, from the works themselves.

    Returns:
        One row a check: contrôle, constat (French), réussi (bool).
    """
    checks: dict[str, Callable[[Data], tuple[bool, str]]] = {
        "Chaque œuvre est dans une part, et une seule": _check_partition,
        "Aucun groupe de quasi-doublons n'est de deux côtés": _check_groups,
        "Aucune image n'est, pixel pour pixel, de deux côtés": _check_pixels,
        "Chaque artiste évalué a des œuvres dans les trois parts": _check_presence,
        "Chaque artiste évalué y est dans les bonnes proportions, à l'arrondi et aux groupes près": _check_shares,
        "Les numéros de classe sont fixés avant le découpage": _check_classes,
        "La même graine refait le même découpage": _check_seed,
    }
    rows = [(name, *reversed(check(data))) for name, check in checks.items()]
    return pd.DataFrame(rows, columns=["contrôle", "constat", "réussi"])


def _check_partition(data: Data) -> tuple[bool, str]:
    known, twice = data.works["part"].isin(list(PARTS)), data.works["path"].duplicated()
    counts = " + ".join(number((data.works["part"] == part).sum()) for part in PARTS)
    return bool(known.all() and not twice.any()), f"{counts} = {number(len(data.works))} œuvres"


def _check_groups(data: Data) -> tuple[bool, str]:
    parts = data.works.groupby("group")["part"].nunique()
    several = int((data.works.groupby("group").size() > 1).sum())
    return bool((parts == 1).all()), f"{(parts > 1).sum()} sur {number(several)} groupes de deux œuvres ou plus"


def _check_pixels(data: Data) -> tuple[bool, str]:
    digests = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in dataset.pixels(data)]
    parts = data.works["part"].groupby(digests)
    return bool((parts.nunique() == 1).all()), f"{(parts.nunique() > 1).sum()} sur {number(parts.ngroups)} images"


def _check_presence(data: Data) -> tuple[bool, str]:
    counts, judged = split_counts(data), data.artists["evaluated"]
    left_out = ", ".join(data.artists["name"][~judged])
    elsewhere = counts[~judged][[VALIDATION, TEST]].to_numpy().sum()
    told = f"{judged.sum()} artistes évalués ; non évalués : {left_out or 'aucun'}"
    return bool((counts[judged] > 0).all(axis=None) and not elsewhere), told


def _check_shares(data: Data) -> tuple[bool, str]:
    """The slack of an artist is the largest group in which a work of theirs is; the training part takes what is left.

    With fewer works than a part is due, an artist has one there all the same.
    """
    sizes = data.works.groupby("group")["group"].transform("size")
    slack = sizes.groupby(data.labels).max().reindex(data.artists.index, fill_value=1)
    counts = split_counts(data)
    due = pd.DataFrame({part: share * counts.sum(axis=1) for part, share in PARTS.items()})
    gaps = (counts - due)[data.artists["evaluated"]]
    room = pd.DataFrame({part: slack * (2 if part == TRAINING else 1) for part in PARTS}).loc[gaps.index]
    shares = " / ".join(f"{number(100 * share, 1)}" for share in counts.sum() / max(1, counts.to_numpy().sum()))
    return bool((gaps.abs() < room).all(axis=None)), f"dans l'ensemble : {shares}{figures.NBSP}%"


def _check_classes(data: Data) -> tuple[bool, str]:
    keys = [dataset.key(name) for name in data.names]
    owners = [dataset.key(path.parent.name) for path in data.works["path"]]
    same = owners == [keys[artist] for artist in data.labels]
    told = f"{len(keys)} numéros, dans l'ordre alphabétique des noms, les mêmes dans les trois parts"
    return same and keys == sorted(set(keys)) and list(data.artists.index) == list(range(len(keys))), told


def _check_seed(data: Data) -> tuple[bool, str]:
    again = dataset.split_by_group(data.labels, data.groups)
    moved = sum(len(np.setdiff1d(rows, data.rows(part))) for part, rows in again.items())
    return moved == 0, f"{moved} œuvre(s) ailleurs"


# --- Augmentation ----------------------------------------------------------------------------------------------------


def smallest(data: Data, count: int, *, seed: int) -> np.ndarray:
    """Returns a training work, drawn at random, of each of the artists who have fewest, shape (count,) at most."""
    random, rows = np.random.default_rng(seed), data.rows(TRAINING)
    artists, works = np.unique(data.labels[rows], return_counts=True)
    fewest = artists[np.argsort(works, kind="stable")][:count]
    return np.array([random.choice(rows[data.labels[rows] == artist]) for artist in fewest], np.int64)


def plot_augmented(data: Data, rows: Sequence[int], *, draws: int = 7, side: int = 96, seed: int) -> Figure:
    """Draws works, a row each, and what the network may see of them: transforms drawn at random."""
    pictures, captions, random = [], [], np.random.default_rng(seed)
    for image in dataset.pixels(data)[list(rows)]:
        seen = [augmentation.transform(image, side, random, augmentation.Transforms()) for _ in range(draws)]
        pictures += [augmentation.presented(image[None], side)[0].astype(np.uint8), *np.uint8(np.clip(seen, 0, 255))]
        captions += ["avant", *[""] * draws]
    labels = [_folded(data.names[data.labels[row]], 14) for row in rows]
    return figures.plot_grid(pictures, captions, columns=draws + 1, row_labels=labels)


def describe_augmented(data: Data, rows: Sequence[int], *, draws: int = 7) -> str:
    """Says in French what `plot_augmented` draws."""
    names = ", ".join(data.names[data.labels[row]] for row in rows)
    return (
        f"Une œuvre de chacun de {len(rows)} artistes ({names}), puis {draws} "
        f"transformations tirées au hasard : morceau, miroir, légère inclinaison, autre lumière."
    )


def showings(data: Data, threshold: int) -> pd.DataFrame:
    """Counts what the network sees of each artist in one passage: index class id, works and shown (training part)."""
    labels = data.labels[data.rows(TRAINING)]
    often = augmentation.showings(labels, threshold)
    columns = {"works": None, "shown": often}
    counts = {name: np.bincount(labels, weights, minlength=len(data.artists)) for name, weights in columns.items()}
    return pd.DataFrame(counts, index=data.artists.index).round().astype(int)


def plot_showings(data: Data, threshold: int) -> Figure:
    """Draws the works of each artist in the training part, and how often they are shown with augmentation."""
    table = showings(data, threshold).assign(name=data.artists["name"])
    table = table.sort_values(["works", "name"], ascending=[False, True])
    more = table["shown"] - table["works"]
    figure, axes = figures.new_figure(1.4 + 0.2 * len(table))
    places = range(len(table))
    axes.barh(places, table["works"], color=PALETTE[0], label="œuvres d'apprentissage, vues une fois chacune")
    style = {"color": PALETTE[1], "hatch": "//", "edgecolor": "white", "linewidth": 0}
    axes.barh(places, more, left=table["works"], label="vues de plus, chaque fois transformées autrement", **style)
    for place, (works, shown) in enumerate(table[["works", "shown"]].to_numpy()):
        text = f"{works} → {shown}" if shown > works else str(works)
        axes.text(shown, place, f" {text}", va="center", fontsize=10)
    axes.axvline(threshold, color="black", ls="--", lw=1)
    _name_rows(axes, table["name"])
    axes.set(xlabel=f"images vues en un passage (en pointillé, le seuil : {threshold})")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=11)
    return figure


def describe_showings(data: Data, threshold: int) -> str:
    """Says in French what `plot_showings` draws."""
    table = showings(data, threshold)
    table = table[table["works"] > 0]
    before, after = (table[column].max() / table[column].min() for column in ("works", "shown"))
    return (
        f"Barres par artiste : ses œuvres d'apprentissage, puis ses images vues en un passage, avec un seuil de "
        f"{threshold}. Artistes concernés : {(table['shown'] > table['works']).sum()} sur {len(table)}. Le plus fourni "
        f"est vu {number(before, 1)} fois plus que le moins fourni avant, {number(after, 1)} fois après."
    )


def _folded(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False)
