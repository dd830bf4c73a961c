"""What a classifier of paintings is worth: measures and their intervals, tables by artist, confusions, and drawings.

Everything starts from probabilities, (n, k), of works whose artists are known, (n,): who gave them does not matter.
"""

from __future__ import annotations

import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support, recall_score

from commun import UserError, figures, results
from commun.figures import PALETTE, number, percent
from commun.images import read_images
from projet1_artistes import dataset, model
from projet1_artistes.dataset import Data
from projet1_artistes.model import Classifier

LABELS = {
    "test_accuracy": "exactitude",
    "test_top3": "artiste parmi les trois premiers",
    "test_balanced_accuracy": "exactitude équilibrée",
    "test_macro_f1": "macro-F1",
}
PUBLISHED = {
    "test_accuracy": "0,468 (CNN résiduel) ; 0,380 (VGG) ; pré-entraînés : 0,818 et 0,87 (ResNet-50)",
    "test_macro_f1": "0,376 (VGG) ; 0,186 (ResNet-18) ; pré-entraînés : 0,84 (ResNet-50) et 0,888 (TinyViT)",
}
PUBLISHED_IN = (
    "Depuis zéro : CNN résiduel à 128 px, dépôt chickenmaru/2023_CouseAssignment_CNN_PaintCNN ; VGG à 204 px, où des "
    "œuvres répétées avant le découpage se retrouvent des deux côtés, et ResNet-18, dépôt "
    "chernandez67/ML-Project-Group-77. Pré-entraînés sur ImageNet : ResNet-50 à 224 px, dépôt de kamilabielska, et à "
    "512 px, dépôt de demirtry ; TinyViT, sept modèles et quarts d'images, concours Dacon 236006. Leurs découpages "
    "diffèrent du nôtre."
)
GENRES = {  # of the real artists.csv; a genre that is not here keeps its own name
    "Abstract Expressionism": "expressionnisme abstrait",
    "Abstractionism": "abstraction",
    "Art Nouveau": "art nouveau",
    "Baroque": "baroque",
    "Byzantine Art": "art byzantin",
    "Cubism": "cubisme",
    "Early Renaissance": "première Renaissance",
    "Expressionism": "expressionnisme",
    "High Renaissance": "haute Renaissance",
    "Impressionism": "impressionnisme",
    "Mannerism": "maniérisme",
    "Muralism": "muralisme",
    "Neoplasticism": "néoplasticisme",
    "Northern Renaissance": "Renaissance nordique",
    "Pop Art": "pop art",
    "Post-Impressionism": "postimpressionnisme",
    "Primitivism": "primitivisme",
    "Proto Renaissance": "pré-Renaissance",
    "Realism": "réalisme",
    "Romanticism": "romantisme",
    "Social Realism": "réalisme social",
    "Suprematism": "suprématisme",
    "Surrealism": "surréalisme",
    "Symbolism": "symbolisme",
}
UNKNOWN = "genre inconnu"
DASH = "\u2060–\u2060"  # between two years, which stay on one line
BINS = 10  # of the reliability diagram
CORNER = 0.875  # side of the corner crops, as a share of the picture's


# --- Measures --------------------------------------------------------------------------------------------------------


def evaluate(
    probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, draws: int = results.DRAWS
) -> dict[str, dict[str, Any]]:
    """Measures answers, with percentile bootstrap intervals over groups of near-duplicates.

    Args:
        probabilities: shape (n, k).
        labels: true class ids, shape (n,).
        groups: group of each work, shape (n,); a draw takes all the works of a group or none.
        draws: bootstrap draws.

    Returns:
        name -> {"value", "ci95", "n"}, the names of `LABELS`; balanced accuracy and macro-F1 are means over the artists
        that are among the labels. Without any work, the values are NaN.
    """
    if not len(labels):
        return {name: {"value": math.nan, "ci95": [math.nan, math.nan], "n": 0} for name in LABELS}
    top, present = top3(probabilities), np.unique(labels)
    predicted = top[:, 0]
    options = {"labels": present, "average": "macro", "zero_division": 0}
    values = {
        "test_accuracy": accuracy_score(labels, predicted),
        "test_top3": (top == labels[:, None]).any(axis=1).mean(),
        "test_balanced_accuracy": recall_score(labels, predicted, **options),
        "test_macro_f1": f1_score(labels, predicted, **options),
    }
    rows = np.unique(groups, return_inverse=True)[1]
    count = rows.max() + 1
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws)
    drawn = weighted_measures(top, labels, weights.astype(np.float32)[:, rows])
    return {
        name: {
            "value": float(value),
            "ci95": [float(bound) for bound in np.percentile(drawn[name], [2.5, 97.5])],
            "n": len(labels),
        }
        for name, value in values.items()
    }


def top3(probabilities: np.ndarray) -> np.ndarray:
    """Returns the three most probable class ids of each row, int64 of shape (n, 3), or (n, k) if k is less than 3."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :3]


def weighted_measures(top: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the measures of many drawings of the same works at once.

    Args:
        top: what `top3` returns, shape (n, 3).
        labels: true class ids, shape (n,).
        weights: how often each work is drawn, float32 of shape (draws, n), with no row of zeros.

    Returns:
        name -> values, shape (draws,); means over artists are over those that are drawn.
    """
    present = np.unique(labels)
    true, said = labels[:, None] == present, top[:, :1] == present
    support, claimed, found = (weights @ which.astype(np.float32) for which in (true, said, true & said))
    among = (top == labels[:, None]).any(axis=1)
    total, artists = weights.sum(axis=1), (support > 0).sum(axis=1)
    return {
        "test_accuracy": found.sum(axis=1) / total,
        "test_top3": weights @ among.astype(np.float32) / total,
        "test_balanced_accuracy": (found / np.maximum(support, 1)).sum(axis=1) / artists,
        "test_macro_f1": (2 * found / np.maximum(support + claimed, 1)).sum(axis=1) / artists,
    }


def test_time_views(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yields six views of pictures, uint8 (n, s, s, 3): themselves, mirrored, and their four corners, smaller."""
    side = round(CORNER * images.shape[1])
    yield images
    yield images[:, :, ::-1]
    for rows in (slice(side), slice(-side, None)):
        for columns in (slice(side), slice(-side, None)):
            yield images[:, rows, columns]


test_time_views.__test__ = False  # pytest would take it for a test


def predict_views(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Returns the mean of the probabilities, (n, k), that a classifier gives to the views of pictures."""
    return np.mean([classifier.predict(view) for view in test_time_views(images)], axis=0)


# --- A whole folder --------------------------------------------------------------------------------------------------


def evaluate_folder(
    folder: str | Path, *, classifier: Classifier | None = None, draws: int = results.DRAWS
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Says who painted the works of a folder and measures the answers, without test-time augmentation.

    Args:
        folder: holds `images/images/<Artist>/`, names written in any way that `dataset.key` sees through; pictures of
            any size and shape, of which the largest centred square is seen. The other files may be missing.
        classifier: who answers; by default, the committed network.
        draws: bootstrap draws of the intervals, over the near-duplicates of the folder.

    Returns:
        A table, one row a readable work: path, artist, predicted, probability (of `predicted`), top3 (names, the most
        probable first), and the measures of `evaluate`. Artists whom the classifier does not know keep their rows, but
        are left out of the measures. What is left out is said by a warning, and listed in `table.attrs["notes"]`.

    Raises:
        UserError: there is no readable work, or the committed network is missing.
    """
    folder = Path(folder)
    classifier = classifier or model.load_reference()
    works, artists, problems = dataset.index(folder)
    files = tuple(works["path"])
    images, unreadable = read_images(files, dataset.SIDE, project=dataset.PROJECT, crop=True)
    works = works[~works["path"].isin(list(unreadable))]
    if works.empty:
        raise UserError(f"{folder / 'images' / 'images'} ne contient aucune œuvre lisible : il n'y a rien à juger.")
    classes = {dataset.key(name): c for c, name in enumerate(classifier.names)}
    known = [classes.get(dataset.key(name), -1) for name in artists["name"]]
    labels = np.array(known)[works["artist"]]
    names = [classifier.names[c] if c >= 0 else name for c, name in zip(known, artists["name"], strict=True)]

    probabilities = classifier.predict(images)
    top = top3(probabilities)
    table = pd.DataFrame({
        "path": works["path"].to_numpy(),
        "artist": [names[artist] for artist in works["artist"]],
        "predicted": [classifier.names[c] for c in top[:, 0]],
        "probability": probabilities.max(axis=1),
        "top3": [", ".join(classifier.names[c] for c in row) for row in top],
    })
    table.attrs["notes"] = _left_out(folder, problems, unreadable, table["artist"][labels < 0])
    for note in table.attrs["notes"]:
        warnings.warn(note, stacklevel=2)
    judged = labels >= 0
    groups = dataset.connected(dataset.near_duplicates(images), len(images))
    return table, evaluate(probabilities[judged], labels[judged], groups[judged], draws=draws)


def _left_out(folder: Path, problems: Sequence, unreadable: Mapping[Path, str], strangers: pd.Series) -> list[str]:
    """Says in French which files are not in the table, and which artists are not in the measures."""
    reasons: dict[str, list[str]] = {}
    for path, what in [*problems, *unreadable.items()]:
        if path != folder / "artists.csv":
            reasons.setdefault(re.split(" : | que ", what)[0], []).append(f"{path.parent.name}/{path.name}")
    notes = []
    if reasons:
        told = (
            f"{reason}, {len(files)} ({', '.join(files[:3])}{', …' * (len(files) > 3)})"
            for reason, files in reasons.items()
        )
        notes.append(f"Laissés de côté : {' ; '.join(told)}.")
    if len(strangers):
        told = " ; ".join(f"{name} ({count})" for name, count in strangers.value_counts().items())
        notes.append(
            f"Artistes que le modèle ne connaît pas, gardés dans la table mais hors des mesures (œuvres) : {told}."
        )
    return notes


# --- Tables ----------------------------------------------------------------------------------------------------------


def styles(data: Data) -> pd.DataFrame:
    """Returns what `artists.csv` says of each artist, by class id: name, genre (the first, French), period, born.

    Where it says nothing, the genre is "genre inconnu", the period "" and the year of birth NaN.
    """
    rows = []
    for artist in data.artists[["name", "genre", "years"]].itertuples():
        genre = "" if pd.isna(artist.genre) else str(artist.genre).split(",")[0].strip()
        years = [] if pd.isna(artist.years) else re.findall(r"\d{3,4}", str(artist.years))
        born = float(years[0]) if years else math.nan
        rows.append((artist.name, GENRES.get(genre, genre) or UNKNOWN, DASH.join(years[:2]), born))
    return pd.DataFrame(rows, columns=["name", "genre", "period", "born"])


def style_order(data: Data) -> np.ndarray:
    """Returns all class ids, int64 of shape (k,), by genre, the oldest first, then by year of birth."""
    known = styles(data)
    age = known.groupby("genre")["born"].transform("median")
    return known.assign(age=age).sort_values(["age", "genre", "born", "name"]).index.to_numpy()


def artist_table(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> pd.DataFrame:
    """Returns what the answers (n, k) are worth for each artist, one row each, also for those that are not tested.

    Columns: artiste, genre (the first), période, apprises and testées (works), rappel, précision, F1, and the most
    frequent confusion, with how many of the tested works it takes.
    """
    known, count = styles(data), len(data.artists)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=range(count), zero_division=np.nan
    )
    off = confusion_matrix(labels, predicted, labels=range(count))
    np.fill_diagonal(off, 0)
    confused = [f"{known['name'][row.argmax()]} ({row.max()})" if row.any() else "" for row in off]
    table = pd.DataFrame({
        "artiste": known["name"],
        "genre": known["genre"],
        "période": known["period"],
        "apprises": np.bincount(data.labels[data.rows(dataset.TRAINING)], minlength=count),
        "testées": support,
        "rappel": recall,
        "précision": precision,
        "F1": f1,
        "souvent pris pour": pd.Series(confused).replace("", None),
    })
    table.loc[support == 0, ["rappel", "précision", "F1"]] = np.nan
    return table


def frequent_confusions(probabilities: np.ndarray, labels: np.ndarray, data: Data, *, count: int = 10) -> pd.DataFrame:
    """Returns the most frequent confusions: who painted, who was named, how many works, their share of the painter's.

    Columns: peintre, pris pour, œuvres, part (0..1, of the painter's tested works), and the two genres and
    périodes, or one where they are the same.
    """
    known = styles(data)
    pairs = pd.DataFrame({"true": labels, "said": probabilities.argmax(axis=1)})
    tested = pairs["true"].value_counts()
    found = pairs[pairs["true"] != pairs["said"]].value_counts(sort=False).rename("works").reset_index()
    found["share"] = found["works"] / found["true"].map(tested)
    found = found.sort_values(["works", "share"], ascending=False, kind="stable").head(count)

    def both(column: str) -> list[str]:
        pairs = zip(known[column][found["true"]], known[column][found["said"]], strict=True)
        return [one if one == other else f"{one} → {other}" for one, other in pairs]

    return pd.DataFrame({
        "peintre": known["name"][found["true"]].to_numpy(),
        "pris pour": known["name"][found["said"]].to_numpy(),
        "œuvres": found["works"].to_numpy(),
        "part": found["share"].to_numpy(),
        "genres": both("genre"),
        "périodes": both("period"),
    })


def errors_by_genre(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> dict[str, float]:
    """Returns whether errors stay in the style of the work.

    Returns:
        erreurs: their number; meme_genre: share of them whose artist has the genre of the true one;
        hasard: this share if artists were named as often as they are, without looking. NaN if there is no error.
    """
    predicted, wrong = probabilities.argmax(axis=1), probabilities.argmax(axis=1) != labels
    genre = pd.factorize(styles(data)["genre"])[0]
    if not wrong.any():
        return {"erreurs": 0, "meme_genre": math.nan, "hasard": math.nan}
    named = np.bincount(predicted, minlength=len(genre)).astype(float)
    others = np.tile(named, (wrong.sum(), 1))
    others[np.arange(len(others)), labels[wrong]] = 0
    alike = genre == genre[labels[wrong], None]
    return {
        "erreurs": int(wrong.sum()),
        "meme_genre": float((genre[predicted[wrong]] == genre[labels[wrong]]).mean()),
        "hasard": float(((others * alike).sum(axis=1) / others.sum(axis=1)).mean()),
    }


def calibration(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = BINS) -> pd.DataFrame:
    """Returns how right answers are against how sure they are, in bins of (nearly) as many answers.

    Returns:
        One row a bin: confiance (mean probability of the answers), exactitude, bas and haut (its 95 % interval, Wilson,
        1927), réponses.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    rows = []
    for part in np.array_split(order, min(bins, len(order))):
        n, share, z = len(part), right[part].mean(), 1.96
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        rows.append((confidence[part].mean(), share, centre - half, centre + half, n))
    return pd.DataFrame(rows, columns=["confiance", "exactitude", "bas", "haut", "réponses"])


def calibration_error(table: pd.DataFrame) -> float:
    """Returns the mean gap of `calibration`, its expected error (Guo et al., ICML 2017, with bins of equal width)."""
    return float(np.average((table["exactitude"] - table["confiance"]).abs(), weights=table["réponses"]))


# --- Figures ---------------------------------------------------------------------------------------------------------


def plot_confusions(probabilities: np.ndarray, labels: np.ndarray, data: Data, *, title: str) -> Figure:
    """Draws who is taken for whom, artists of one genre together, a frame around each genre of several artists."""
    order, known = style_order(data), styles(data)
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=order)
    names, genres = known["name"][order].tolist(), known["genre"][order].to_numpy()
    figure = figures.plot_confusion(matrix, names, title=title, xlabel="artiste nommé", ylabel="artiste véritable")
    axes = figure.axes[0]
    starts = np.flatnonzero(np.r_[True, genres[1:] != genres[:-1]])
    for start, end in zip(starts, [*starts[1:], len(genres)], strict=True):
        if end - start > 1:
            frame = mpl.patches.Rectangle((start - 0.5, start - 0.5), end - start, end - start, fill=False)
            frame.set(edgecolor=PALETTE[2], linewidth=1.2)
            axes.add_patch(frame)
            if len(order) > 15:
                x, side = (end - 0.2, "left") if end < len(order) / 2 else (start - 0.8, "right")
                axes.text(x, (start + end - 1) / 2, genres[start], color=PALETTE[2], fontsize=8, va="center", ha=side)
    if len(order) > 15:
        figure.set_figheight(8.2)
        axes.tick_params(length=0, labelsize=7)
        axes.set_xticklabels(names, rotation=90, ha="center")
    return figure


def describe_confusions(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> str:
    """Says in French what `plot_confusions` draws."""
    known = styles(data)
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(known)))
    told, errors = figures.describe_confusion(matrix, known["name"]), errors_by_genre(probabilities, labels, data)
    if not errors["erreurs"]:
        return told
    return (
        f"{told} Artistes rangés par genre ; erreurs : {errors['erreurs']}, dont {percent(errors['meme_genre'])} dans "
        f"le genre de l'œuvre ({percent(errors['hasard'])} au hasard)."
    )


def plot_reliability(probabilities: np.ndarray, labels: np.ndarray) -> Figure:
    """Draws how right answers are against how sure they are, in ten bins of as many answers (see `calibration`)."""
    table = calibration(probabilities, labels)
    figure, axes = figures.new_figure(4.6)
    axes.plot([0, 1], [0, 1], color=PALETTE[4], ls=":", label="confiance juste")
    spread = np.abs(table[["bas", "haut"]].to_numpy().T - table["exactitude"].to_numpy())
    axes.errorbar(
        table["confiance"], table["exactitude"], spread, color=PALETTE[0], marker="o", capsize=3, label="réponses"
    )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal", xlabel="confiance : probabilité de l'artiste nommé")
    axes.set(ylabel="exactitude", title=f"Confiance et exactitude (ECE : {number(calibration_error(table), 3)})")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def describe_reliability(probabilities: np.ndarray, labels: np.ndarray) -> str:
    """Says in French what `plot_reliability` draws."""
    table = calibration(probabilities, labels)
    told = (f"{percent(row.confiance, 0)} sûres, {percent(row.exactitude, 0)} justes" for row in table.itertuples())
    return (
        f"Exactitude selon la confiance, en {len(table)} groupes de réponses, des moins aux plus sûres : "
        f"{' ; '.join(told)}. Écart moyen (ECE) : {number(calibration_error(table), 3)}."
    )


def plot_f1_against_works(table: pd.DataFrame) -> Figure:
    """Draws the F1 of each tested artist of `artist_table` against the works learnt from, some of them named."""
    tested = _tested(table)
    figure, axes = figures.new_figure(4.8)
    axes.scatter(tested["apprises"], tested["F1"], s=36, color=PALETTE[0], alpha=0.8, linewidths=0)
    placed: list[tuple[int, float]] = []
    for row in tested.loc[_outstanding(tested)].sort_values("apprises").itertuples(index=False):
        works, f1 = row.apprises, row.F1
        crowded = sum(works < 3 * other and abs(f1 - height) < 0.06 for other, height in placed)
        offset = (6, 4 - 15 * crowded)
        axes.annotate(row.artiste, (works, f1), offset, textcoords="offset points", fontsize=10)
        placed.append((works, f1))
    axes.set(xscale="log", ylim=(-0.08, 1.08), xlabel="œuvres d'apprentissage (échelle logarithmique)", ylabel="F1")
    axes.set_title("Plus d'œuvres, meilleure reconnaissance ?")
    axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: number(value)))
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.grid(color="#e3e7ea")
    axes.set_axisbelow(True)
    return figure


def describe_f1_against_works(table: pd.DataFrame) -> str:
    """Says in French what `plot_f1_against_works` draws."""
    tested = _tested(table)
    linked = tested["apprises"].corr(tested["F1"], method="spearman")
    named = tested.loc[_outstanding(tested)]
    told = " ; ".join(f"{r.artiste}, {number(r.F1, 2)} pour {r.apprises}" for r in named.itertuples())
    return (
        f"F1 selon le nombre d'œuvres d'apprentissage, un point par artiste ({len(tested)} ; corrélation des rangs : "
        f"{number(linked, 2)}). {told}."
    )


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["testées"] > 0) & (table["apprises"] > 0)]


def _outstanding(tested: pd.DataFrame, count: int = 3) -> list[int]:
    """Returns the rows of the artists with most and fewest works, and the furthest above and below the trend."""
    works = np.log(tested["apprises"])
    slope = np.cov(works, tested["F1"])[0, 1] / max(works.var(), 1e-9) if len(tested) > 1 else 0.0
    gap = (tested["F1"] - slope * works).sort_values()
    return list(dict.fromkeys([works.idxmax(), works.idxmin(), *gap.index[:count], *gap.index[-count:]]))


# --- Where the network looks -----------------------------------------------------------------------------------------


def surest(probabilities: np.ndarray, labels: np.ndarray, count: int, *, right: bool) -> np.ndarray:
    """Returns the rows of the surest right answers, or of the surest wrong ones, one a painter at most, sorted."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    order = order[(probabilities.argmax(axis=1) == labels)[order] == right]
    return order[np.sort(np.unique(labels[order], return_index=True)[1])][:count]


def plot_maps(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, *, title: str
) -> Figure:
    """Draws works and, in warm colours, where the network sees the artist it names and, if wrong, the true one.

    Args:
        classifier: gives the class activation maps; those of one work share their scale.
        images: a few works, uint8 of shape (n, s, s, 3).
        labels: true class ids, shape (n,).
        probabilities: what the classifier says of them, shape (n, k).
        title: of the figure.
    """
    if not len(images):
        figure, axes = figures.new_figure(0.5)
        axes.set_title(f"{title} : aucune œuvre")
        axes.axis("off")
        return figure
    predicted, names = probabilities.argmax(axis=1), classifier.names
    maps = np.stack([_enlarged(classifier.maps(images, c), images.shape[1]) for c in (predicted, labels)], axis=1)
    scale = np.maximum(maps.max(axis=(1, 2, 3)), 1e-6)
    heated = _heated(images[:, None], np.clip(maps / scale[:, None, None, None], 0, 1))
    all_right = (predicted == labels).all()
    pictures, captions = [], []
    for i, (true, said) in enumerate(zip(labels, predicted, strict=True)):
        pictures += [images[i], heated[i, 0]]
        captions += [_caption("peint par", names[true]), _caption("nommé", names[said], probabilities[i, said])]
        if not all_right:
            pictures.append(np.full_like(images[i], 255) if true == said else heated[i, 1])
            captions.append("" if true == said else _caption("véritable", names[true], probabilities[i, true]))
    return figures.plot_grid(pictures, captions, columns=6, title=title)


def describe_maps(classifier: Classifier, labels: np.ndarray, probabilities: np.ndarray, *, title: str) -> str:
    """Says in French what `plot_maps` draws."""
    predicted, names = probabilities.argmax(axis=1), classifier.names
    told = (
        f"{names[true]}, pris pour {names[said]} ({percent(p, 0)})"
        if true != said
        else f"{names[true]}, reconnu ({percent(p, 0)})"
        for true, said, p in zip(labels, predicted, probabilities.max(axis=1), strict=True)
    )
    drawn = "œuvres et, en couleurs chaudes, là où le réseau voit l'artiste"
    return f"{title} : {drawn}. {' ; '.join(told) or 'Aucune œuvre'}."


def _caption(role: str, name: str, probability: float | None = None) -> str:
    share = "" if probability is None else f" ({percent(probability, 0)})"
    return f"{role}{share}\n{textwrap.fill(name, 18)}"


def _enlarged(maps: np.ndarray, side: int) -> np.ndarray:
    """Returns maps (n, h, w) resized to (n, side, side), float32, smoothly."""
    size = (side, side)
    return np.stack([np.asarray(Image.fromarray(m).resize(size, Image.Resampling.BICUBIC)) for m in maps])


def _heated(images: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns uint8 images (..., 3), in grey and dark, under the colours of a map (...) in 0..1."""
    grey = images.astype(np.float32).mean(axis=-1, keepdims=True)
    colours = 255 * mpl.colormaps["inferno"](heat)[..., :3]
    return np.clip(0.45 * grey + 0.75 * colours, 0, 255).astype(np.uint8)
