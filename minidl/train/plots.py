"""Pictures of a training run."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import optional
from ..io import write_atomically

__all__ = ["learning_curves", "new_figure", "predictions", "save_figure"]

_TRAIN, _VALIDATION, _MARK = "#8fb4d9", "#1f4e79", "#c0392b"
_RIGHT, _WRONG, _INK = "#2e7d32", "#c0392b", "#222222"


def new_figure(width: float, height: float) -> Any:
    """Return an empty matplotlib figure of so many inches that needs no screen and touches no global state of matplotlib.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    optional("matplotlib", "plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: str | os.PathLike) -> None:
    """Write a figure into a PNG file, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, [buffer.getvalue()])


def learning_curves(history: Sequence[dict[str, float]], path: str | os.PathLike, title: str = "") -> None:
    """Draw each quantity of the history over the epochs, training and validation together, into a PNG file.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    skipped = ("epoch", "lr", "seconds", "samples_per_s")
    names = [name for name in history[0] if name not in skipped and not name.startswith("val_")]
    figure = new_figure(4.8 * len(names), 3.8)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        _draw_curve(axes, history, name)
    if title:
        figure.suptitle(title, fontsize=12, color=_INK)
    save_figure(figure, path)


def _draw_curve(axes: Any, history: Sequence[dict[str, float]], name: str) -> None:
    """Draw one quantity, mark its best validation epoch."""
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row[name] for row in history], color=_TRAIN, lw=2, label="training")
    if f"val_{name}" in history[0]:
        values = [row[f"val_{name}"] for row in history]
        axes.plot(epochs, values, color=_VALIDATION, lw=2, label="validation")
        best = int(np.argmin(values) if name == "loss" else np.argmax(values))
        axes.plot(
            epochs[best], values[best], "o", color=_MARK, ms=6, label=f"best: {values[best]:.4f}, epoch {epochs[best]}"
        )
    if name == "loss":
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_title(name, fontsize=11, color=_INK)
    axes.grid(alpha=0.25, which="both", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=9)


def predictions(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    path: str | os.PathLike,
    title: str = "",
    columns: int = 10,
    rows: int = 6,
) -> None:
    """Draw images with the class predicted and its probability into a PNG file; mistakes come first and are framed.

    Parameters
    ----------
    images : array (N, H, W) or (N, 1, H, W), 0 is white
    labels : array (N,)
    probabilities : array (N, C)
    path, title : path, str
    columns, rows : int
        Size of the grid. Default: 10 by 6.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    images = images.reshape(len(images), *images.shape[-2:])
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = predicted != labels
    order = np.lexsort((np.where(wrong, -sure, sure), ~wrong))[
        : rows * columns
    ]  # surest mistakes, then least sure hits
    rows = -(-len(order) // columns)
    figure = new_figure(1.05 * columns, 1.3 * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(order) :]:
        axes.set_visible(False)
    for axes, i in zip(grid, order, strict=False):
        axes.imshow(images[i], cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        text = f"{predicted[i]}, not {labels[i]}" if wrong[i] else f"{predicted[i]}"
        axes.set_title(
            text, fontsize=10, pad=3, color=_WRONG if wrong[i] else _RIGHT, fontweight="bold" if wrong[i] else None
        )
        axes.set_xlabel(f"{sure[i]:.0%}" if sure[i] < 0.995 else ">99%", fontsize=8, labelpad=2, color=_INK)
        axes.spines[:].set(color=_WRONG if wrong[i] else "#bbbbbb", linewidth=2.5 if wrong[i] else 0.8)
    figure.suptitle(title, fontsize=12, color=_INK)
    save_figure(figure, path)
