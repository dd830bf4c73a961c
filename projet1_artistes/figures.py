"""Drawings of the networks and of their training."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from commun import figures
from commun.figures import MARKERS, PALETTE, number, percent
from projet1_artistes.model import PLAIN, STAGES, Config


def stages(config: Config, classes: int) -> list[tuple[str, str]]:
    """Returns the boxes of a network's drawing, in order: what each is, and the shape of what leaves it.

    The network is the residual one or the plain one, and sees whole works (`Config.side`).
    """
    side, width = config.side, config.width // 2
    found = [("œuvre", f"{side}×{side}×3")]
    if config.kind == PLAIN:
        for _ in range(3):
            side //= 2
            found.append(("convolution\n3×3, puis\nmaximum 2×2", f"{side}×{side}×{width}"))
            width *= 2
        width //= 2
    else:
        side = -(-side // 2)
        found.append(("convolution\n3×3, pas 2", f"{side}×{side}×{width}"))
        blocks = "1 bloc\nrésiduel" if config.blocks == 1 else f"{config.blocks} blocs\nrésiduels"
        for stage in range(STAGES):
            side = -(-side // 2) if stage else side
            width *= 2
            found.append((f"étage {stage + 1}\n{blocks}", f"{side}×{side}×{width}"))
    return [*found, ("moyenne\nglobale", str(width)), ("dense", f"{classes} scores")]


def plot_stages(network, config: Config) -> Figure:
    """Draws a network as a row of boxes, as high as the maps are wide; each says its shape."""
    boxes = stages(config, network.output_shape[-1])
    figure, axes = figures.new_figure(3.3)
    sides = [int(shape.split("×")[0]) if "×" in shape else 1 for _, shape in boxes]
    axes.set(xlim=(-0.6, len(boxes) - 0.4), ylim=(-1.15, 1.1))
    axes.set_title(f"{_title(config)} : {number(network.count_params())} poids")
    axes.axis("off")
    for x, ((name, shape), side) in enumerate(zip(boxes, sides, strict=True)):
        half = 0.12 + 0.85 * side / max(sides)
        colour = "#d5dadf" if name.startswith(("œuvre", "moyenne")) else PALETTE[0]
        box = mpl.patches.Rectangle((x - 0.24, -0.1 - half / 2), 0.48, half, facecolor=colour, edgecolor="#333")
        axes.add_patch(box)
        axes.text(x, 0.62, name, ha="center", va="center", fontsize=11)
        axes.text(x, -0.85, shape, ha="center", va="center", fontsize=11)
        if x + 1 < len(boxes):
            axes.annotate("", (x + 0.74, -0.1), (x + 0.27, -0.1), arrowprops={"arrowstyle": "->", "color": "#333"})
    return figure


def describe_stages(network, config: Config) -> str:
    """Says in French what `plot_stages` draws."""
    boxes = (f"{name} ({shape})".replace("\n", " ") for name, shape in stages(config, network.output_shape[-1]))
    return f"Schéma. {_title(config)}, {number(network.count_params())} poids : {', puis '.join(boxes)}."


def _title(config: Config) -> str:
    return "Le réseau simple" if config.kind == PLAIN else "Le réseau résiduel"


def plot_accuracy(history: pd.DataFrame) -> Figure:
    """Draws the accuracy on transformed training works and on whole validation works, against epochs."""
    figure, axes = figures.new_figure(3.4)
    series = {"accuracy": "apprentissage (morceaux transformés)", "val_accuracy": "validation (œuvres entières)"}
    for (name, label), colour, marker in zip(series.items(), PALETTE, MARKERS, strict=False):
        if name in history:
            step = max(1, len(history) // 15)
            axes.plot(history["epoch"], 100 * history[name], color=colour, marker=marker, markevery=step, label=label)
    axes.set(title="L'exactitude monte-t-elle encore ?", xlabel="époque", ylabel="exactitude (%)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure


def describe_accuracy(history: pd.DataFrame) -> str:
    """Says in French what `plot_accuracy` draws."""
    last = history.iloc[-1]
    told = f"Exactitude par époque ; à la fin, {percent(last['accuracy'])} sur l'apprentissage"
    return f"{told}, {percent(last['val_accuracy'])} sur la validation." if "val_accuracy" in history else f"{told}."
