"""Rates of two sides measured in turn, and the lines that compare them."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Work = Callable[[], float]  # does some work and returns how much it was


@dataclass
class Row:
    """One line of the table: rates of both sides, or times where `less` is better."""

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def text(self) -> str:
        """The line."""
        ours = statistics.median(self.ours)
        if not self.theirs:
            return f"{self.name:44s} {ours:12,.4g} {'':>12s} {'':>8s}  {self.unit}"
        theirs = statistics.median(self.theirs)
        return f"{self.name:44s} {ours:12,.4g} {theirs:12,.4g} {ours / theirs:7.2f}x  {self.unit}"


def rate(work: Work, seconds: float) -> float:
    """Amount of work per second over at least `seconds`."""
    done, started = 0.0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds or not done:
        done += work()
    return done / elapsed


class Bench:
    """Measures and prints row after row.

    Parameters
    ----------
    seconds:
        Of every single measurement.
    rounds:
        How often both sides take their turn.
    """

    def __init__(self, seconds: float, rounds: int):
        self.seconds, self.rounds = seconds, rounds
        self.rows: list[Row] = []

    def compare(self, name: str, unit: str, ours: Work, theirs: Work | None = None) -> None:
        """Rates of both, higher is better."""
        row = Row(name, unit)
        ours()
        if theirs:
            theirs()
        for _ in range(self.rounds):
            row.ours.append(rate(ours, self.seconds))
            if theirs:
                row.theirs.append(rate(theirs, self.seconds))
        self.show(row)

    def show(self, row: Row) -> None:
        """Print a finished row."""
        self.rows.append(row)
        print(row.text(), flush=True)


def put_into(page: Path, lines: list[str]) -> None:
    """Replace the table of a Markdown page, its first block of text, by these lines."""
    block = "\n".join(["```text", *lines, "```"])
    text = page.read_text("utf-8")
    page.write_text(re.sub(r"```text\n.*?```", lambda _: block, text, count=1, flags=re.S), "utf-8")
