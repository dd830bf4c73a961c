"""What a classifier of paintings is worth: measures and their intervals, by artist, confusions, calibration.

Everything starts from probabilities, (n, k), of works whose artists are known, (n,): who gave them does not matter.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from commun import results
from projet1_artistes import dataset, files, training
from projet1_artistes.dataset import Data
from projet1_artistes.duplicates import connected, near_duplicates
from projet1_artistes.names import key
from projet1_artistes.networks import Classifier
from projet1_artistes.split import TRAINING

LABELS = {
    "test_accuracy": "exactitude",
    "test_top3": "artiste parmi les trois premiers",
    "test_balanced_accuracy": "exactitude équilibrée",
    "test_macro_f1": "macro-F1",
}
PRETRAINED = {  # prefix of their names in the reference -> title
    "frozen/": "référence, réseau pré-entraîné figé",
    "transfer/": "référence, réseau pré-entraîné réglé",
}
PUBLISHED = {
    "test_accuracy": "0,468 (CNN résiduel) ; 0,380 (VGG) ; pré-entraînés : 0,818 et 0,87 (ResNet-50)",
    "test_macro_f1": "0,376 (VGG) ; 0,186 (ResNet-18) ; pré-entraînés : 0,84 (ResNet-50) et 0,888 (TinyViT)",
}
PUBLISHED_IN = (
    "La colonne « publié » vient de travaux d'étudiants ou d'amateurs, sans comité de lecture, et d'un concours. "
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
N_CONFUSIONS = 10
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
    intervals = measures(top3(probabilities), labels, groups, draws=draws)
    return {
        f"test_{name}": {"value": value, "ci95": [low, high], "n": len(labels)}
        for name, (value, low, high) in intervals.items()
    }


def top3(probabilities: np.ndarray) -> np.ndarray:
    """Returns the three most probable class ids of each row, int64 of shape (n, 3), or (n, k) if k is less than 3."""
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :3]


def measures(
    top: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, classes: np.ndarray | None = None, draws: int
) -> dict[str, tuple[float, float, float]]:
    """Returns each measure of `weighted_measures` of all the works, and its 95 % interval: value, low, high.

    Where all draws are alike (every answer is right, or none), the bootstrap says nothing: the interval is Wilson's,
    of as many trials as there are groups; for a mean over artists, as many as give its variance.

    Args:
        top: class ids that are named, the most probable first, shape (n, up to 3).
        labels: true class ids, shape (n,).
        groups: of near-duplicates, shape (n,); drawn together.
        classes: see `weighted_measures`.
        draws: bootstrap draws.
    """
    values = weighted_measures(top, labels, np.ones((1, len(labels))), classes)
    weights, place = group_weights(groups, draws)
    samples = weighted_measures(top, labels, weights[:, place], classes)
    judged = np.ones(len(labels), bool) if classes is None else np.isin(labels, classes)
    by_artist = pd.Series(groups[judged]).groupby(labels[judged]).nunique()
    trials = dict.fromkeys(values, len(np.unique(groups[judged])))
    trials |= dict.fromkeys(("balanced_accuracy", "macro_f1"), len(by_artist) ** 2 / (1 / by_artist).sum())
    intervals = {}
    for name, (value,) in values.items():
        low, high = np.percentile(samples[name], [2.5, 97.5])
        if np.ptp(samples[name]) < 1e-6 and judged.any():
            low, high = results.wilson(np.clip(value, 0, 1), trials[name])
        intervals[name] = (float(value), float(low), float(high))
    return intervals


def group_weights(groups: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws groups with replacement, as many as there are (Efron's bootstrap).

    Returns:
        How often each group is drawn, float32 of shape (draws, g), and the column of each
        of the n works, shape (n,).
    """
    names, place = np.unique(groups, return_inverse=True)
    shares = np.full(len(names), 1 / len(names))
    weights = np.random.default_rng(0).multinomial(len(names), shares, size=draws)
    return weights.astype(np.float32), place


def weighted_measures(
    top: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Returns the measures of many drawings of the same works at once.

    Args:
        top: class ids that are named, the most probable first, shape (n, up to 3).
        labels: true class ids, shape (n,).
        weights: how often each work is drawn, shape (draws, n).
        classes: the artists who are judged, whoever is named; all those among the labels if None.

    Returns:
        name -> values, shape (draws,): `accuracy` and `top3` are shares of the works of these artists;
        `balanced_accuracy` (mean recall) and `macro_f1` are means over those of them that are drawn.
    """
    classes = np.unique(labels) if classes is None else np.asarray(classes)
    true, named = labels[:, None] == classes, top[:, :1] == classes
    among = true.any(axis=1) & (top == labels[:, None]).any(axis=1)
    support, claimed, right = (weights @ which.astype(weights.dtype) for which in (true, named, true & named))
    total, artists = np.maximum(support.sum(axis=1), 1), np.maximum((support > 0).sum(axis=1), 1)
    return {
        "accuracy": right.sum(axis=1) / total,
        "top3": weights @ among.astype(weights.dtype) / total,
        "balanced_accuracy": (right / np.maximum(support, 1)).sum(axis=1) / artists,
        "macro_f1": (2 * right / np.maximum(support + claimed, 1)).sum(axis=1) / artists,
    }


def predict_views(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Returns mean probabilities, (n, k), over six views of pictures, uint8 (n, s, s, 3).

    The views: the pictures themselves, their mirror images, and their four corners, `CORNER` of their side wide.
    """
    side = round(CORNER * images.shape[1])
    ends = (slice(side), slice(-side, None))
    views = [images, images[:, :, ::-1], *(images[:, rows, columns] for rows in ends for columns in ends)]
    return np.mean([classifier.predict(view) for view in views], axis=0)


# --- A whole folder --------------------------------------------------------------------------------------------------


def evaluate_folder(
    folder: str | Path, *, model: str = "", classifier: Classifier | None = None, draws: int = results.DRAWS
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Says who painted the works of a folder and measures the answers, without test-time augmentation.

    Args:
        folder: holds `images/images/<Artist>/`, names written in any way that `names.key` sees through; pictures of
            any size and shape, of which the largest centred square is seen. The other files may be missing.
        model: which committed network answers: "transfert", the pre-trained one, or "zéro", the one trained from
            scratch; by default, the best one that is committed.
        classifier: who answers in its place.
        draws: bootstrap draws of the intervals, over the near-duplicates of the folder.

    Returns:
        A table, one row a readable work: path, artist, predicted, probability (of `predicted`), top3 (names, the most
        probable first), and the measures of `evaluate`. Artists whom the classifier does not know keep their rows, but
        are left out of the measures. What is left out is said by a warning, and listed in `table.attrs["notes"]`; so
        is that "transfert" is asked for and not committed.

    Raises:
        UserError: there is no readable work, no committed network of this name, or its file is missing.
    """
    folder, notes = Path(folder), []
    best = training.best_reference()
    if model == training.TRANSFERRED != best:
        notes.append("Le réseau pré-entraîné n'est pas dans reference/ : celui qui est entraîné depuis zéro a répondu.")
        model = best
    classifier = classifier or training.load_reference(model=model or best)
    works, artists, problems = files.index(folder, classifier.names)
    images, unreadable = dataset.squares(works["path"], dataset.SIDE)
    works = works[~works["path"].isin(list(unreadable))]
    if works.empty:
        raise files.nothing_readable(folder)
    classes = {key(name): c for c, name in enumerate(classifier.names)}
    ids = [classes.get(key(name), -1) for name in artists["name"]]
    labels = np.array(ids)[works["artist"]]
    names = [classifier.names[c] if c >= 0 else name for c, name in zip(ids, artists["name"], strict=True)]

    seen = images
    if classifier.image_side != dataset.SIDE:
        seen = dataset.squares(works["path"], classifier.image_side)[0]
    probabilities = classifier.predict(seen)
    top = top3(probabilities)
    table = pd.DataFrame({
        "path": works["path"].to_numpy(),
        "artist": [names[artist] for artist in works["artist"]],
        "predicted": [classifier.names[c] for c in top[:, 0]],
        "probability": probabilities.max(axis=1),
        "top3": [", ".join(classifier.names[c] for c in row) for row in top],
    })
    table.attrs["notes"] = notes + _left_out(folder, problems, unreadable, table["artist"][labels < 0])
    for note in table.attrs["notes"]:
        warnings.warn(note, stacklevel=2)
    is_known = labels >= 0
    groups = connected(near_duplicates(images), len(images))
    return table, evaluate(probabilities[is_known], labels[is_known], groups[is_known], draws=draws)


def _left_out(folder: Path, problems: Sequence, unreadable: Mapping[Path, str], strangers: pd.Series) -> list[str]:
    """Says in French which files are not in the table, and which artists are not in the measures."""
    reasons: dict[str, list[str]] = {}
    for path, what in [*problems, *unreadable.items()]:
        if path != folder / "artists.csv":
            reasons.setdefault(re.split(" : | que ", what)[0], []).append(f"{path.parent.name}/{path.name}")
    notes = []
    if reasons:
        texts = (
            f"{reason}, {len(files)} ({', '.join(files[:3])}{', …' * (len(files) > 3)})"
            for reason, files in reasons.items()
        )
        notes.append(f"Laissés de côté : {' ; '.join(texts)}.")
    if len(strangers):
        counts = " ; ".join(f"{name} ({count})" for name, count in strangers.value_counts().items())
        notes.append(
            f"Artistes que le modèle ne connaît pas, gardés dans la table mais hors des mesures (œuvres) : {counts}."
        )
    return notes


# --- By artist and by style ------------------------------------------------------------------------------------------


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
    artists = styles(data)
    age = artists.groupby("genre")["born"].transform("median")
    return artists.assign(age=age).sort_values(["age", "genre", "born", "name"]).index.to_numpy()


def artist_measures(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> pd.DataFrame:
    """Returns what the answers (n, k) are worth for each artist, one row each, also for those that are not tested.

    Columns: name, genre (the first), period, learnt and tested (works), recall, precision, f1, and confused_with: the
    most frequent confusion, with how many of the tested works it takes. `tables.artist_table` shows it.
    """
    artists, count = styles(data), len(data.artists)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=range(count), zero_division=np.nan
    )
    off = confusion_matrix(labels, predicted, labels=range(count))
    np.fill_diagonal(off, 0)
    confusions = [f"{artists['name'][row.argmax()]} ({row.max()})" if row.any() else "" for row in off]
    table = artists[["name", "genre", "period"]].assign(
        learnt=np.bincount(data.labels[data.rows(TRAINING)], minlength=count),
        tested=support,
        recall=recall,
        precision=precision,
        f1=f1,
        confused_with=pd.Series(confusions).replace("", None),
    )
    table.loc[support == 0, ["recall", "precision", "f1"]] = np.nan
    return table


def frequent_confusions(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> pd.DataFrame:
    """Returns the most frequent confusions: true and named (class ids), works, share (0..1, of the painter's works).

    Args:
        probabilities: shape (n, k).
        labels: true class ids, shape (n,).
        data: the paintings.
    """
    pairs = pd.DataFrame({"true": labels, "named": probabilities.argmax(axis=1)})
    tested = pairs["true"].value_counts()
    wrong = pairs[pairs["true"] != pairs["named"]].value_counts(sort=False).rename("works").reset_index()
    wrong["share"] = wrong["works"] / wrong["true"].map(tested)
    order = wrong.sort_values(["works", "share"], ascending=False, kind="stable", ignore_index=True)
    return order.head(N_CONFUSIONS)


def errors_by_genre(probabilities: np.ndarray, labels: np.ndarray, data: Data) -> dict[str, float]:
    """Returns whether errors stay in the style of the work.

    Returns:
        errors: their number; same_genre: share of them whose artist has the genre of the true one;
        chance: this share if artists were named as often as they are, without looking. NaN if there is no error.
    """
    predicted, wrong = probabilities.argmax(axis=1), probabilities.argmax(axis=1) != labels
    genre = pd.factorize(styles(data)["genre"])[0]
    if not wrong.any():
        return {"errors": 0, "same_genre": math.nan, "chance": math.nan}
    named = np.bincount(predicted, minlength=len(genre)).astype(float)
    others = np.tile(named, (wrong.sum(), 1))
    others[np.arange(len(others)), labels[wrong]] = 0
    alike = genre == genre[labels[wrong], None]
    return {
        "errors": int(wrong.sum()),
        "same_genre": float((genre[predicted[wrong]] == genre[labels[wrong]]).mean()),
        "chance": float(((others * alike).sum(axis=1) / others.sum(axis=1)).mean()),
    }


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Returns how right answers are against how confident they are, in `BINS` bins of (nearly) as many answers.

    Args:
        probabilities: shape (n, k).
        labels: true class ids, shape (n,).

    Returns:
        One row a bin: confidence (mean probability of the answers), accuracy, low and high (its 95 % interval, Wilson,
        1927), answers.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(confidence, kind="stable")
    rows = []
    for part in np.array_split(order, min(BINS, len(order))):
        share = right[part].mean()
        rows.append((confidence[part].mean(), share, *results.wilson(share, len(part)), len(part)))
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "low", "high", "answers"])


def calibration_error(table: pd.DataFrame) -> float:
    """Returns the mean gap of `calibration`, its expected error (Guo et al., ICML 2017, with bins of equal width)."""
    return float(np.average((table["accuracy"] - table["confidence"]).abs(), weights=table["answers"]))


def most_confident(probabilities: np.ndarray, labels: np.ndarray, count: int, *, correct: bool) -> np.ndarray:
    """Returns the rows of the most confident right answers, or wrong ones, one a painter at most, shape (count,)."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    order = order[(probabilities.argmax(axis=1) == labels)[order] == correct]
    return order[np.sort(np.unique(labels[order], return_index=True)[1])][:count]
