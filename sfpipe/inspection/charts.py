"""The report's charts, as inline SVG, and reading the columns that they show."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.evaluation.figures import AGENT, COLOURS, GREY, new_figure, plain
from sfpipe.files import read_rows as read_table

Line = tuple[Sequence[float], Sequence[float]]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV or TSV file by column; [] if there is no such file."""
    if not path.is_file():
        return []
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with read_table(path, remedy="run sfpipe evaluate again", delimiter=delimiter) as rows:
        return list(rows)
    raise AssertionError  # for mypy: the block returns or raises


def read_numbers(rows: Sequence[Mapping[str, str]], column: str) -> list[float]:
    """A column as numbers; NaN where a cell is empty or no number."""

    def number(text: str | None) -> float:
        try:
            return float(text or "nan")
        except ValueError:
            return float("nan")

    return [number(row.get(column)) for row in rows]


def svg(figure: Any, label: str) -> str:
    """A figure as an SVG element that scales with the page."""
    with io.BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        text = file.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    # Neither size nor outside names: the box alone says how large it is.
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r' (width|height)="[^"]*pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def lines(curves: Mapping[str, Line], *, x: str, y: str, log: bool = False) -> str:
    """Line chart of one or more curves, finite points only.

    Parameters
    ----------
    curves:
        Name -> (x values, y values).
    log:
        Logarithmic y axis.
    """
    from matplotlib.ticker import EngFormatter

    figure = new_figure(5.2, 2.9)
    axis = plain(figure.subplots())
    for name, (xs, ys) in curves.items():
        points = np.array([xs, ys], np.float64)
        points = points[:, np.isfinite(points).all(0)]
        colour = COLOURS.get(name, AGENT if len(curves) == 1 else None)
        axis.plot(*points, color=colour, lw=1.5, label=name.replace("_", " "))
    if log:
        axis.set_yscale("log")
        axis.set_ylim(bottom=1e-4)
    if len(curves) > 1:
        axis.legend(frameon=False, fontsize=7)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))  # 1.2M, not a power of ten beside
    _names(axis, x, y)
    return svg(figure, f"{y} over {x}")


def bars(middles: Sequence[float], shares: Sequence[float], *, x: str, y: str) -> str:
    """Histogram of equal bins."""
    figure = new_figure(5.2, 2.9)
    axis = plain(figure.subplots())
    width = middles[1] - middles[0] if len(middles) > 1 else 1.0
    axis.bar(middles, shares, width=0.9 * width, color=AGENT)
    axis.axvline(0, color=GREY, lw=0.8, ls=":")
    _names(axis, x, y)
    return svg(figure, f"{y} over {x}")


def scatter(xs: Sequence[float], ys: Sequence[float], *, x: str, y: str) -> str:
    """Scatter plot with the rank correlation (Spearman's), if there is one, above it."""
    figure = new_figure(5.2, 2.9)
    axis = plain(figure.subplots())
    points = np.array([xs, ys], np.float64)
    points = points[:, np.isfinite(points).all(0)]
    axis.plot(*points, "o", ms=4, color=AGENT, alpha=0.6, mew=0)
    axis.set_ylim(-0.03, 1.05)
    rank = rank_correlation(*points)
    if np.isfinite(rank):
        axis.set_title(f"rank correlation {rank:+.2f}", fontsize=8, loc="right")
    _names(axis, x, y)
    return svg(figure, f"{y} over {x}")


def rank_correlation(xs: np.ndarray, ys: np.ndarray) -> float:
    """Spearman's rank correlation; NaN for fewer than three points or a constant."""
    from scipy.stats import rankdata

    if len(xs) < 3 or np.ptp(xs) == 0 or np.ptp(ys) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(xs), rankdata(ys))[0, 1])


def _names(axis: Any, x: str, y: str) -> None:
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
