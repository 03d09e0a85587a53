"""Progress of long work on standard error: share done, rate, time left."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """One live line on a terminal; in a log file, one line every `every` seconds.

    Parameters
    ----------
    label:
        What is being done, e.g. ``engrave``.
    total:
        Number of units, or None if unknown.
    unit:
        Name of one unit in the plural, e.g. ``pieces``.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str = "pieces",
        *,
        every: float = 10.0,
        stream: TextIO | None = None,
    ):
        self.label, self.total, self.unit = label, total, unit
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.every = 0.2 if self.live else every
        self.done = 0
        self.first = 0
        self.share: float | None = None
        self.first_share = 0.0
        self.started = self.shown = time.monotonic()

    def start_at(self, done: int, share: float = 0.0) -> None:
        """Set what an earlier run has done, in units and as a share; it is not part of the rate."""
        self.done = self.first = done
        self.first_share = share

    def advance(self, n: int = 1, note: str = "", share: float | None = None) -> None:
        """Count `n` more units and show the line if it is due.

        Parameters
        ----------
        share:
            Of the work that is done, in [0, 1], where units alone do not say it.
        """
        self.done += n
        self.share = share
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            self._show(note)

    def line(self, note: str = "") -> str:
        """The progress line, without a line end."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - self.first) / seconds
        share = (
            f"{self.done}/{self.total} {self.unit}" if self.total else f"{self.done} {self.unit}"
        )
        parts = [f"{self.label}: {share}", f"{rate:,.1f} {self.unit}/s"]
        if self.share is not None:
            if self.share > self.first_share:
                left = (1 - self.share) / (self.share - self.first_share)
                parts.append(f"ETA {clock(seconds * left)}")
        elif self.total and rate > 0:
            parts.append(f"ETA {clock((self.total - self.done) / rate)}")
        return ", ".join(parts + ([note] if note else []))

    def close(self, note: str = "") -> None:
        """Show the final line."""
        seconds = time.monotonic() - self.started
        rate = (self.done - self.first) / max(seconds, 1e-9)
        text = (
            f"{self.label}: {self.done} {self.unit} in {clock(seconds)} ({rate:,.1f} {self.unit}/s)"
        )
        self._write(text + (f", {note}" if note else ""), end="\n")

    def _show(self, note: str) -> None:
        self._write(self.line(note), end="" if self.live else "\n")

    def _write(self, text: str, end: str) -> None:
        self.stream.write((f"\r\x1b[K{text}" if self.live else text) + end)
        self.stream.flush()


def clock(seconds: float) -> str:
    """Seconds as ``h:mm:ss`` or ``m:ss``."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
