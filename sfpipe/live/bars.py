"""Where bars begin and end in a strip, to tint the one that is played, and where clefs are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sfpipe.pages.page_set import PageSet

_INKED = 0.92  # of the rows from the first line of a system to its last
_DARK = 90  # grey values below paper
_NARROWEST = 3.0  # staff spaces of a bar
_CLEF, _CLEF_AND_KEY = 4.5, 6.5  # staff spaces from the left end of a system
_TIME = 3.5  # of them a time signature and half a head take, which is in the first system alone


def find_bars(page_set: PageSet) -> list[tuple[float, float]]:
    """Begin and end of each bar, px of the strip, in order and without gaps.

    A bar line is a column with ink from the top line to the bottom line of its system. Where none
    is found a system is one bar.
    """
    bars: list[tuple[float, float]] = []
    for system in page_set.systems:
        top, bottom = (round(float(row)) for row in system.strip_y[[0, -1]])
        first, end = round(system.strip_start), round(system.strip_end)
        part = page_set.strip[top : bottom + 1, first:end]
        ink = 255 - part.astype(np.int16)
        ink[:, :-1] += ink[:, 1:]  # a thin line may lie between two columns
        dark = (ink > _DARK).mean(axis=0) >= _INKED
        least = _NARROWEST * page_set.staff_space_px
        edges = [float(first)]
        for column in np.flatnonzero(dark) + first + 1.0:
            if column - edges[-1] >= least and end - column >= least:
                edges.append(float(column))
        edges.append(float(end))
        bars += pairwise(edges)
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
