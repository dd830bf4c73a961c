"""The explorer of artists: guess who painted a work, then see what the network answers and where it looks."""

from __future__ import annotations

import textwrap

import numpy as np
from PIL import Image

from commun import figures
from commun.figures import Drawing, percent
from commun.sheets import sheet
from projet1_artistes.networks import Classifier

SIDE, GRID = 112, 28  # pixels of a work, and of a map, which is coarser still
WORKS, NAMES = 8, 4


def chosen(probabilities: np.ndarray, labels: np.ndarray, *, count: int = WORKS, seed: int = 0) -> np.ndarray:
    """Returns rows of test works to guess, one a painter at most, as many right answers as errors where possible.

    Args:
        probabilities: what the network says, shape (n, k).
        labels: true class ids, shape (n,).
        count: works, at most.
        seed: of the draw, and of the order in which they are shown.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.sort(np.unique(labels[order], return_index=True)[1])]
    right = probabilities[order].argmax(axis=1) == labels[order]
    wrong = order[~right][: max(count // 2, count - right.sum())]
    kept = np.concatenate([order[right][: count - len(wrong)], wrong])
    return np.random.default_rng(seed).permutation(kept)


def choices(probabilities: np.ndarray, label: int, *, seed: int = 0) -> np.ndarray:
    """Returns four class ids among which to guess, in an order that tells nothing: the true one and the likeliest.

    The network's answer is among them.

    Args:
        probabilities: what the network says of the work, shape (k,), k being 4 or more.
        label: true class id.
        seed: of the order.
    """
    likely = [c for c in np.argsort(-probabilities, kind="stable") if c != label][: NAMES - 1]
    return np.random.default_rng([seed, label]).permutation([label, *likely])


def data(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, *, seed: int = 0
) -> dict:
    """Returns what the explorer "artistes" of a report needs (see `atelier/explorateurs.py`).

    Args:
        classifier: gives the class activation maps of the artist that it names; those of a work share no scale.
        images: the works to guess, uint8 of shape (n, s, s, 3).
        labels: true class ids, shape (n,).
        probabilities: what the classifier says of them, shape (n, k).
        seed: of the order of the names.
    """
    named = probabilities.argmax(axis=1)
    maps = classifier.activation_maps(images, named)
    maps = np.clip(maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-6), 0, 1)
    size = (GRID, GRID)
    levels = [np.asarray(Image.fromarray(m).resize(size, Image.Resampling.BICUBIC)) for m in maps]
    works = []
    for label, answer, shares in zip(labels, named, probabilities, strict=True):
        four = choices(shares, label, seed=seed)
        works.append({
            "noms": [classifier.names[c] for c in four],
            "vrai": int(np.flatnonzero(four == label)[0]),
            "reseau": int(np.flatnonzero(four == answer)[0]),
            "probabilites": [round(float(shares[c]), 4) for c in four],
        })
    return {
        "genre": "artistes",
        "cote": SIDE,
        "oeuvres": works,
        "images": sheet(_small(images), columns=len(images), format="jpeg", quality=70),
        "grille": GRID,
        "cartes": sheet(np.round(255 * np.clip(levels, 0, 1)).astype("uint8"), columns=len(images), levels=32),
    }


def plot(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, *, seed: int = 0
) -> Drawing:
    """Draws the works to guess, each with its four names; the answers are in the alternative text (same arguments)."""
    answers = []
    rows, options = -(-len(images) // 4), {"ha": "left", "va": "center", "fontsize": 9, "linespacing": 1.15}
    figure, axes = figures.new_figure(0.4 + 1.25 * rows, rows=rows, columns=8, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, (work, label, shares) in enumerate(zip(_small(images), labels, probabilities, strict=True), start=1):
        place, text = axes.reshape(-1, 2)[number - 1]
        place.imshow(work)
        names = [classifier.names[c] for c in choices(shares, label, seed=seed)]
        four = [textwrap.fill(name, 18, initial_indent="• ", subsequent_indent="   ") for name in names]
        text.text(-0.1, 0.5, "\n".join([f"Œuvre {number}", *four]), transform=text.transAxes, **options)
        named = classifier.names[shares.argmax()]
        answer = "de même" if shares.argmax() == label else named
        answers.append(f"{number}, {classifier.names[label]} (le réseau : {answer}, {percent(shares.max(), 0)})")
    figure.suptitle("Qui a peint ces œuvres ?", x=0.01, ha="left", fontsize=13, fontweight="bold")
    alt = f"{len(labels)} œuvres de test, et quatre noms à côté de chacune. Réponses : {' ; '.join(answers)}."
    return Drawing(figure, alt, "jpeg")


def _small(images: np.ndarray) -> np.ndarray:
    """Returns works (n, s, s, 3) at the side of the page, uint8."""
    size = (SIDE, SIDE)
    return np.stack([np.asarray(Image.fromarray(im).resize(size, Image.Resampling.LANCZOS)) for im in images])
