"""A table of text in the forms in which it is shown: terminal, Markdown, LaTeX, HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Table:
    """Names of columns, and rows of cells; a line break in a cell shows on a terminal alone."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_text(self, width: int = 120) -> str:
        """For a terminal: the first column to the left, the others to the right."""
        from rich import box, table
        from rich.console import Console

        drawn = table.Table(
            box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
        )
        for i, name in enumerate(self.columns):
            drawn.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in self.rows:
            drawn.add_row(*row)
        console = Console(width=width, color_system=None, force_terminal=False, markup=False)
        with console.capture() as capture:
            console.print(drawn)
        return "\n".join(line.rstrip() for line in capture.get().strip("\n").splitlines())

    def to_markdown(self) -> str:
        """As GitHub writes tables."""
        lines = [_markdown_row(row) for row in (self.columns, *self.rows)]
        return "\n".join([lines[0], "|" + "---|" * len(self.columns), *lines[1:]])

    def to_latex(self) -> str:
        r"""The rows alone, ``name & 0.81 \\``, as the evaluator of 2019 prints them."""
        rows = (" & ".join((f"{first:18}", *others)) for first, *others in self.rows)
        return "\n".join(rf"{row} \\" for row in rows)

    def to_html(self) -> Markup:
        """An element; cells of text are escaped, `markupsafe.Markup` stays."""
        from markupsafe import Markup

        def row(cells: Sequence[str], tag: str) -> Markup:
            inside = (Markup("<{0}>{1}</{0}>").format(tag, cell) for cell in cells)
            return Markup("<tr>{}</tr>").format(Markup("").join(inside))

        body = Markup("").join(row(cells, "td") for cells in self.rows)
        form = Markup("<table><thead>{}</thead><tbody>{}</tbody></table>")
        return form.format(row(self.columns, "th"), body)


def _markdown_row(cells: Sequence[str]) -> str:
    plain = (cell.replace("\n", " ").replace("|", "\\|") for cell in cells)
    return "|" + "|".join(f" {cell} " if cell else " " for cell in plain) + "|"


def format_number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def format_spread(of: Mapping[str, float | None], digits: int = 2) -> str:
    """Mean ± standard deviation."""
    return f"{format_number(of['mean'], digits)} ± {format_number(of['std'], digits)}"


def format_interval(of: Mapping[str, float | None], digits: int = 2) -> str:
    """A confidence interval, ``[low-high]``."""
    return f"[{format_number(of['low'], digits)}-{format_number(of['high'], digits)}]"


def format_within(figures: Mapping[str, Any], name: str, digits: int = 2) -> str:
    """A figure of eval.json, and on a second line its interval."""
    interval = format_interval(figures["ci95"][name], digits)
    return f"{format_number(figures[name], digits)}\n{interval}"


def format_thresholds(
    figures: Mapping[str, Any] | None, thresholds: Sequence[str] = ("0.1", "0.5", "1")
) -> str:
    """Shares of the onsets of whole performances within these s, or a dash if it is not told."""
    if figures is None or "whole_performance" not in figures:
        return "-"
    within = figures["whole_performance"]["within_s"]
    return " / ".join(format_number(within[threshold]) for threshold in thresholds)
