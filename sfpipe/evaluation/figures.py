"""Figures outside pyplot, so that no global state is touched and no display is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.files import replacing

AGENT, TARGET, OPTIMAL, LOST = "#1f5fa8", "#de6e12", "#3a8f4d", "#b3261e"
GREY = "#6e6e74"
COLOURS = {
    "agent": AGENT,
    "agent_argmax": "#63a3dd",
    "optimal": OPTIMAL,
    "constant_speed": "#c9662b",
}


def new_figure(width: float, height: float) -> Any:
    """An empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(axis: Any, *, labelsize: int = 8) -> Any:
    """An axis with a light grid and without a box around it; returns it."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=labelsize)
    return axis


def bare(axis: Any) -> Any:
    """An axis that shows a picture: no ticks; returns it."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color("#dededc")
    return axis


def save(figure: Any, path: Path, *, dpi: int = 150) -> Path:
    """Write a PNG, without a date in it: the same data give the same bytes."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi, metadata={"Software": None})
    return path


def score_picture(axis: Any, ink: np.ndarray, error: float, threshold: float) -> None:
    """Draw a score excerpt with the agent's place (its middle) and the target's.

    Parameters
    ----------
    ink:
        float [shape=(height, width)] in [0, 1].
    error, threshold:
        Tracking error and its limit, in px of the excerpt.
    """
    height, width = ink.shape
    extent = (-width / 2, width / 2, height, 0)
    bare(axis).imshow(1 - ink, cmap="gray", vmin=0, vmax=1, extent=extent, aspect="equal")
    for edge in (-threshold, threshold):
        axis.axvline(edge, color=AGENT, lw=0.8, ls=":")
    axis.axvline(0, color=AGENT, lw=1.6)
    if abs(error) < width / 2:
        axis.axvline(-error, color=TARGET, lw=1.6)
    axis.set_xlim(-width / 2, width / 2)
