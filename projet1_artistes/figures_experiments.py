"""The drawings of the experiments of notebook 03 in which the pre-trained network is beside the one from scratch.

They are pictures: as lines, with so many intervals, they would weigh twice more.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd

from commun import figures
from commun.figures import MARKERS, PALETTE, Drawing, number, percent
from projet1_artistes.limits import HALF
from projet1_artistes.readings_experiments import NETWORKS
from projet1_artistes.tables import MEASURES, variant_title


def plot_qualities(tables: Mapping[int, pd.DataFrame]) -> Drawing:
    """Draws the accuracy against the side at which works are shown, one line a quality.

    Args:
        tables: side, in pixels -> `experiments.summary`, whose variants are qualities.
    """
    sides = list(tables)
    lines = {
        variant_title(quality): pd.DataFrame({side: table.loc[quality] for side, table in tables.items()}).T
        for quality in tables[sides[0]].index
    }
    figure, axes = figures.new_figure(3.8)
    alt = _draw(axes, lines, "accuracy", "à {} px")
    axes.set(xlabel="côté des œuvres montrées (px)", ylabel="exactitude sur la validation (%)")
    axes.set_title("La qualité compte-t-elle plus quand on montre les œuvres plus grandes ?")
    return Drawing(figure, f"Exactitude du réseau figé selon le côté des œuvres montrées. {alt}")


def plot_thresholds(table: pd.DataFrame) -> Drawing:
    """Draws the macro-F1 and the accuracy against the threshold: index of `experiments.summary`; evenly spaced."""
    figure, axes = figures.new_figure(3.8)
    texts = []
    for rank, measure in enumerate(("macro_f1", "accuracy")):
        lines = {MEASURES[measure]: table.set_axis(np.arange(len(table)))}
        names = [number(threshold, 0) for threshold in table.index]
        texts.append(_draw(axes, lines, measure, "au seuil {}", names=names, style=rank))
    axes.set(xlabel="seuil : œuvres au-dessous desquelles un artiste pèse plus", ylabel="hors pli (%)")
    axes.set_title("« Moins de … images » : ce que l'on gagne, ce que l'on paie")
    return Drawing(figure, f"Macro-F1 et exactitude de la tête linéaire selon le seuil. {' '.join(texts)}")


def plot_works(curves: Mapping[str, pd.DataFrame]) -> Drawing:
    """Draws the mean recall of the artists from whom works are taken against the works that are left, both networks.

    Args:
        curves: name of a network, a key of `NETWORKS` -> `experiments.summary`, whose variants are numbers of works.
    """
    figure, axes = figures.new_figure(3.8)
    alt = _draw(axes, {NETWORKS[name]: table for name, table in curves.items()}, "balanced_accuracy", "pour {}")
    axes.axhline(100 * HALF, color="black", ls=":", lw=1.2)
    counts = sorted({count for table in curves.values() for count in table.index})
    axes.set(xscale="log", xlabel="œuvres d'apprentissage gardées (échelle logarithmique)", ylabel="rappel moyen (%)")
    axes.set_xticks(counts, [number(count, 0) for count in counts])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.set_title("De combien d'œuvres chaque réseau a-t-il besoin ?")
    alt = f"Rappel moyen des artistes les mieux fournis selon les œuvres qu'on leur laisse. {alt}"
    return Drawing(figure, f"{alt} Ligne horizontale : {percent(HALF, 0)}.")


def _draw(axes, lines: Mapping[str, pd.DataFrame], measure: str, at: str, *, names=None, style: int = 0) -> str:
    """Draws lines with their intervals, told apart by colour and marker; returns their values in a French sentence."""
    texts = []
    for (title, table), colour, marker in zip(lines.items(), PALETTE[style:], MARKERS[style:], strict=False):
        x, values = table.index.to_numpy(float), table[measure].to_numpy(float)
        errors = 100 * np.abs(table[[f"{measure}_low", f"{measure}_high"]].to_numpy(float).T - values)
        axes.errorbar(x, 100 * values, errors, color=colour, marker=marker, capsize=3, label=title)
        shown = [number(place, 0) for place in x] if names is None else names
        axes.set_xticks(x, shown)
        points = (f"{percent(value)} {at.format(name)}" for value, name in zip(values, shown, strict=True))
        texts.append(f"{title} : {', '.join(points)}")
    axes.legend()
    return f"{' ; '.join(texts)}."
