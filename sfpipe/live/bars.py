"""Where bars begin and end in a strip, to tint the one that is played, and where clefs are."""

from __future__ import annotations

from itertools import pairwise

from sfpipe.engraving.bar_lines import find_bar_lines
from sfpipe.pages.page_set import PageSet

_CLEF, _CLEF_AND_KEY = 4.5, 6.5  # staff spaces from the left end of a system
_TIME = 3.5  # of them a time signature and half a head take, which is in the first system alone


def find_bars(page_set: PageSet) -> list[tuple[float, float]]:
    """Begin and end of each bar, px of the strip, in order and without gaps.

    Where no bar line is found a system is one bar.
    """
    bars: list[tuple[float, float]] = []
    for system in page_set.systems:
        columns = system.strip_start, system.strip_end
        rows = float(system.strip_y[0]), float(system.strip_y[-1])
        lines = find_bar_lines(page_set.strip, columns, rows, page_set.staff_space_px)
        bars += pairwise([float(round(columns[0])), *lines, float(round(columns[1]))])
    return bars


def find_clefs(page_set: PageSet) -> list[tuple[float, float]]:
    """Begin and end of the clef and key of each system but the first, px of the strip.

    How wide they are the first system tells: its first note is after them and after the time
    signature.
    """
    space, first = page_set.staff_space_px, page_set.systems[0]
    known = (page_set.start_px - first.strip_start) / space - _TIME
    wide = min(max(known, _CLEF), _CLEF_AND_KEY) * space
    return [(s.strip_start, s.strip_start + wide) for s in page_set.systems[1:]]
