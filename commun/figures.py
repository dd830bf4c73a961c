"""One style for every figure, sentence and table of the three projects.

Figures and sentences reach the notebook through `montrer` and `dire`. A function that draws returns the figure with its
alternative text, computed from the same data, so that it stays true at each run.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import inspect
import io
import math
import string
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#717581", "#92dadd")
MARKERS = "osD^vP"
WIDTH = 9.0  # inches: the width of a page, so that 12 pt is 12 pt
LABELS = {
    "loss": "perte",
    "val_loss": "perte de validation",
    "epoch": "époque",
    "accuracy": "exactitude",
    "val_accuracy": "exactitude de validation",
}
NBSP, THIN = "\u00a0", "\u202f"
EXPLORER_MIME = "application/vnd.projets.explorateur+json"
_STEEP = 4  # a loss that is divided by more than this is drawn on a logarithmic scale

STYLE = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.formatter.use_locale": False,
    "image.cmap": "gray",
    "legend.frameon": False,
    "svg.hashsalt": "projets",
}
mpl.rcParams.update(STYLE)


# --- French numbers and sentences ------------------------------------------------------------------------------------


def number(value: float, decimals: int | None = None) -> str:
    """Formats a number in French: decimal comma, thin no-break space between thousands, at least three digits."""
    if not np.isfinite(value):
        return "indéfini"
    if decimals is None:
        size = abs(float(value))
        decimals = (
            0 if size.is_integer() or size >= 1000 else 2 if size >= 1 else max(3, 2 - math.floor(math.log10(size)))
        )
    return f"{value:z,.{decimals}f}".replace(",", THIN).replace(".", ",").replace("-", "−")


def percent(value: float, decimals: int = 1) -> str:
    """Formats a proportion as a French percentage: 0.1234 gives "12,3 %"."""
    shown = number(100 * value, decimals)
    return f"{shown}{NBSP}%" if np.isfinite(value) else shown


def duration(seconds: float) -> str:
    """Formats a duration in French: "12 s", "3 min 05 s" or "2 h 10 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds}{NBSP}s"
    if seconds < 3600:
        return f"{seconds // 60}{NBSP}min{NBSP}{seconds % 60:02d}{NBSP}s"
    return f"{seconds // 3600}{NBSP}h{NBSP}{seconds % 3600 // 60:02d}{NBSP}min"


class _French(string.Formatter):
    def format_field(self, value: Any, spec: str) -> str:
        if spec.startswith("pourcent"):
            return percent(value, int(spec.partition(".")[2] or 1))
        if spec == "duree":
            return duration(value)
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
            if spec.startswith(".") and spec.endswith("f"):
                return number(value, int(spec[1:-1]))
            if not spec:
                return number(value)
        return super().format_field(value, spec)


def phrase(template: str, values: Mapping[str, Any] | None = None, **more: Any) -> str:
    """Fills a sentence with values formatted in French.

    Formats: `{x:.1f}` (decimal comma), `{x:pourcent}` or `{x:pourcent.2}` (from a proportion), `{x:duree}` (seconds).
    """
    return _French().vformat(textwrap.dedent(template).strip(), (), {**(values or {}), **more})


def dire(template: str, values: Mapping[str, Any] | None = None, **more: Any) -> None:
    """Shows a Markdown sentence filled with values (see `phrase`)."""
    afficher({"text/markdown": phrase(template, values, **more)})


# --- Showing ---------------------------------------------------------------------------------------------------------


def afficher(bundle: dict[str, Any], metadata: dict | None = None, **options: Any) -> None:
    """Shows an output, MIME type -> content, as it is."""
    from IPython.display import display

    bundle.setdefault("text/plain", next(iter(bundle.values())))
    display(bundle, metadata=metadata or {}, raw=True, **options)


class _FrenchTicks(mpl.ticker.ScalarFormatter):
    def __call__(self, x: float, pos: int | None = None) -> str:
        return super().__call__(x, pos).replace(".", ",")


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure and what it says.

    Attributes:
        figure: what is drawn.
        alt: alternative text, in French, for those who do not see it.
        format: "png" (64 colours), "svg" (line charts) or "jpeg" (photographs).
    """

    figure: Figure
    alt: str
    format: str = "png"

    def __post_init__(self) -> None:
        """Refuses a figure without a text.

        Raises:
            ValueError: the text is empty, or the format unknown.
        """
        if not self.alt.strip():
            raise ValueError("a figure needs an alternative text")
        if self.format not in ("png", "svg", "jpeg"):
            raise ValueError(f"unknown format: {self.format}")


def _bundle(drawing: Drawing) -> tuple[dict[str, Any], dict]:
    """Returns the output of a drawing and its metadata, as Jupyter takes them."""
    figure, alt = drawing.figure, drawing.alt
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if type(axis.get_major_formatter()) is mpl.ticker.ScalarFormatter:
            axis.set_major_formatter(_FrenchTicks())
    if drawing.format == "svg":
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        svg = stream.getvalue()
        start, end = svg.index("<svg"), svg.index(">", svg.index("<svg"))
        svg = f'{svg[start:end]} role="img"><title>{html.escape(alt)}</title>{svg[end + 1 :]}'
        return {"image/svg+xml": svg, "text/plain": alt}, {}
    raw, light, mime = io.BytesIO(), io.BytesIO(), f"image/{drawing.format}"
    figure.savefig(raw, format="png", dpi=100, metadata={"Software": None})
    with Image.open(raw) as image:
        image = image.convert("RGB")
        if drawing.format == "jpeg":
            image.save(light, format="jpeg", quality=60, optimize=True, progressive=True, dpi=(100, 100))
        else:  # 64 colours are enough, and make a notebook three times lighter
            image = image.quantize(64, dither=Image.Dither.NONE)
            image.save(light, format="png", optimize=True, dpi=(100, 100))
    data = base64.b64encode(light.getvalue()).decode()
    return {mime: data, "text/plain": alt}, {mime: {"alt": alt}}


def montrer(drawing: Drawing) -> None:
    """Shows a figure with its alternative text."""
    bundle, metadata = _bundle(drawing)
    afficher(bundle, metadata)


def explorer(drawing: Drawing, donnees: Mapping[str, Any]) -> None:
    """Shows a figure that a report turns into something to explore.

    JupyterLab and paper show the figure. The report checks the data and brings the script (`atelier/explorateurs.py`,
    which says what each kind holds).

    Args:
        drawing: what is seen without a script.
        donnees: what JSON can hold: "genre", the kind of explorer, then its numbers, texts and sheets of images
            (`commun.sheets.sheet`).
    """
    bundle, metadata = _bundle(drawing)
    afficher({EXPLORER_MIME: dict(donnees), **bundle}, metadata)


def tableau(table: pd.DataFrame, *, legende: str, decimals: int = 3, index: bool = True, triable: bool = False) -> None:
    """Shows a table with a caption, its numbers in French, a dash where there is nothing.

    In a report, a `triable` table is sorted by a click on the header of a column.
    """
    shown = table.map(
        lambda v: "–" if pd.isna(v) else number(v, decimals) if isinstance(v, (float, np.floating)) else v
    )
    body = shown.to_html(index=index, border=0, justify="left", escape=True, classes="triable" if triable else None)
    caption = f"<caption>{html.escape(legende)}</caption>"
    afficher({
        "text/html": body.replace(">\n", f">{caption}\n", 1),
        "text/plain": f"{legende}\n{shown.to_string(index=index)}",
    })


def code(*items: Callable | type) -> None:
    """Shows the highlighted source of functions and classes: the code shown is the code run."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    for item in items:
        source = textwrap.dedent(inspect.getsource(item))
        body = highlight(source, PythonLexer(), HtmlFormatter(noclasses=True, style="friendly"))
        title = f"Source de {item.__module__}.{item.__qualname__}"
        afficher({"text/html": f"<details open><summary>{title}</summary>{body}</details>", "text/plain": source})


class Slot:
    """A place in the output that is updated: one output in a notebook, one line in a terminal."""

    def __init__(self) -> None:
        """Opens the place; nothing is shown yet."""
        self._handle: Any = None
        try:
            from IPython import get_ipython

            self._notebook = get_ipython() is not None and hasattr(get_ipython(), "kernel")
        except ImportError:
            self._notebook = False

    def _show(self, bundle: dict[str, Any], metadata: dict | None = None) -> None:
        from IPython.display import DisplayHandle

        if self._handle is None:
            self._handle = DisplayHandle()
            self._handle.display(bundle, metadata=metadata or {}, raw=True)
        else:
            self._handle.update(bundle, metadata=metadata or {}, raw=True)

    def text(self, line: str) -> None:
        """Shows one line in place of what the slot held."""
        if self._notebook:
            self._show({"text/plain": line})
        elif sys.stdout.isatty():
            print(f"\r\x1b[K{line}", end="", flush=True)
        else:
            print(line, flush=True)

    def figure(self, drawing: Drawing) -> None:
        """Shows a figure in place of what the slot held; in a terminal, its alternative text."""
        if self._notebook:
            self._show(*_bundle(drawing))
        else:
            self.text(drawing.alt)
            if sys.stdout.isatty():
                print()


# --- Figures ---------------------------------------------------------------------------------------------------------


def new_figure(height: float = 4.0, *, rows: int = 1, columns: int = 1, width: float = WIDTH, **options: Any):
    """Returns a figure of the page's width and its axes, without the state of pyplot."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **options)


def plot_history(history: pd.DataFrame, *, title: str, unit: str = "") -> Drawing:
    """Draws the whole curve of the loss, and of the validation loss where there is one, against epochs.

    The scale is logarithmic where the loss falls far, so that its first epoch does not flatten the others.
    """
    figure, axes = new_figure(3.4)
    curves = [name for name in ("loss", "val_loss") if name in history]
    for name, colour, marker in zip(curves, PALETTE, MARKERS, strict=False):
        step = max(1, len(history) // 15)
        axes.plot(history["epoch"], history[name], color=colour, marker=marker, markevery=step, label=LABELS[name])
    values = history[curves].to_numpy()
    seen = values[np.isfinite(values)]
    if seen.size and 0 < seen.min() < seen.max() / _STEEP:  # none is seen of a training that diverged at once
        axes.set_yscale("log")  # the whole curve, and its end still readable
        axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(mpl.ticker.ScalarFormatter())
        axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.set(title=title, xlabel="époque", ylabel=f"perte ({unit})" if unit else "perte")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    last, epochs = history.iloc[-1], len(history)
    ends = ", ".join(f"{LABELS[name]} {number(last[name])}{NBSP}{unit}".rstrip() for name in curves)
    time = f" en {duration(history['seconds'].sum())}" if "seconds" in history else ""
    alt = f"{title} : {epochs} époque{'s' if epochs > 1 else ''}{time} ; à la fin, {ends}."
    return Drawing(figure, alt, "svg")


def image_grid(
    images: np.ndarray | Sequence[np.ndarray],
    captions: Sequence[str] | None = None,
    *,
    columns: int = 10,
    title: str = "",
    row_labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = (0, 255),
) -> Figure:
    """Draws a grid of images without axes.

    Args:
        images: shape (n, h, w) or (n, h, w, 1 or 3), all shown on the scale `limits`.
        captions: one under each image.
        columns: images per row.
        title: title of the figure.
        row_labels: one at the left of each row.
        limits: grey levels of black and white; None to use each image's own.
    """
    count = len(images)
    rows = -(-count // columns)
    aspect = np.shape(images[0])[0] / np.shape(images[0])[1]
    cell = (WIDTH - (1.2 if row_labels else 0)) / columns
    lines = max((c.count("\n") + 1 for c in captions), default=0) if captions else 0
    figure, axes = new_figure(
        rows * (cell * aspect + 0.19 * lines) + (0.45 if title else 0.05), rows=rows, columns=columns, squeeze=False
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, hspace=0.01, wspace=0.01)
    low, high = limits or (None, None)
    for index, axis in enumerate(axes.flat):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if index < count:
            axis.imshow(np.squeeze(images[index]), vmin=low, vmax=high, interpolation="nearest")
            if captions:
                axis.set_xlabel(captions[index], fontsize=10 if columns <= 8 else 9, labelpad=2)
    for label, axis in zip(row_labels or (), axes[:, 0], strict=False):
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11, labelpad=6)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure


def plot_confusion(matrix: np.ndarray, names: Sequence[str], *, title: str, xlabel: str, ylabel: str) -> Drawing:
    """Draws a confusion matrix of counts, shape (k, k), each row as shares of its total, in percent.

    The text says the mean of the diagonal, classes without examples left out, and the largest confusion.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = len(names)
    figure, axes = new_figure(min(9.0, 2.5 + 0.5 * size))
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xticks=range(size), yticks=range(size))
    axes.set_xticklabels(names, rotation=45, ha="right")
    axes.set_yticklabels(names)
    axes.spines[:].set_visible(False)
    if size <= 15:
        for (i, j), share in np.ndenumerate(shares):
            if share >= 0.005:
                axes.text(
                    j, i, f"{100 * share:.0f}", ha="center", va="center", color="white" if share > 0.5 else "black"
                )
    figure.colorbar(image, ax=axes, label="% de la ligne", shrink=0.8)
    off = shares - np.diag(np.diag(shares))
    i, j = np.unravel_index(off.argmax(), off.shape)
    largest = f"la confusion la plus fréquente va de « {names[i]} » à « {names[j]} » ({percent(off[i, j])})"
    mean = percent(np.diag(shares)[matrix.sum(axis=1) > 0].mean())
    alt = f"Matrice de confusion : {mean} en moyenne sur la diagonale ; {largest if off.any() else 'aucune confusion'}."
    return Drawing(figure, alt)
