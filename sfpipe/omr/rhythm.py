"""When the notes of a bar begin, from their written values, the bar's length and their places."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

COLUMN_SPACES = 1.0  # events nearer than this begin together
EPSILON = 1e-3  # quarters


@dataclass(frozen=True)
class OmrEvent:
    """A note or rest: column `x` (staff spaces), `staff`, written `value` in quarters.

    `beamed`: a beam goes on from its stem to the right.
    """

    x: float
    staff: int
    value: float
    rest: bool = False
    beamed: bool = False


@dataclass(frozen=True)
class OmrBar:
    """The events of a bar in columns (indices into `events`), from column `left` to `right`."""

    events: tuple[OmrEvent, ...]
    left: float
    right: float

    def columns(self) -> list[list[int]]:
        """Indices of the events that begin together, from left to right."""
        order = sorted(range(len(self.events)), key=lambda i: self.events[i].x)
        groups: list[list[int]] = []
        for i in order:
            if groups and self.events[i].x - self.events[groups[-1][0]].x < COLUMN_SPACES:
                groups[-1].append(i)
            else:
                groups.append([i])
        return groups


def split_bars(events: Sequence[OmrEvent], barlines: Sequence[float], end: float) -> list[OmrBar]:
    """The events by bar; bars without events are left out."""
    edges = [float("-inf"), *sorted(barlines), end]
    bars = []
    for left, right in itertools.pairwise(edges):
        inside = tuple(e for e in events if left <= e.x < right)
        if inside:
            bars.append(OmrBar(inside, left, right))
    return bars


def onsets(bar: OmrBar, length: float | None) -> tuple[list[float], float]:
    """Onset of each event, quarters from the bar's beginning, and how long the bar is.

    The next column begins when the first of the sounding notes ends, of a staff that has
    something to begin there. If the bar then is not `length` quarters long (None: not known):
    three beamed notes may be a triplet; else, if it is too long, or several staves disagree, the
    columns are placed in it in proportion to their distances.
    """
    times, total = _by_values(bar)
    if length is None or abs(total - length) < EPSILON:
        return times, total
    if total > length:
        without = _without_a_rest(bar, length)
        if without is not None:
            return without, length
        mended = _with_triplets(bar, total - length)
        if mended is not None:
            times, total = _by_values(mended)
            if abs(total - length) < EPSILON:
                return times, total
        return _by_place(bar, length), length
    several = len({event.staff for event in bar.events}) > 1
    if several and total > 0.6 * length:
        return _by_place(bar, length), length
    return times, total


def usual_length(bars: Sequence[OmrBar]) -> float | None:
    """The length most bars have by their written values, in quarters."""
    lengths = Counter(round(_by_values(bar)[1], 3) for bar in bars if len(bar.events) > 1)
    return lengths.most_common(1)[0][0] if lengths else None


def _by_values(bar: OmrBar) -> tuple[list[float], float]:
    times = [0.0] * len(bar.events)
    pending: list[tuple[float, int]] = []
    now = 0.0
    groups = bar.columns()
    for at, group in enumerate(groups):
        if at:
            here = {bar.events[i].staff for i in group}
            ends = [end for end, staff in pending if staff in here and end > now + EPSILON]
            others = [end for end, _ in pending if end > now + EPSILON]
            now = min(ends or others, default=now + 0.25)
            pending = [(end, staff) for end, staff in pending if end > now + EPSILON]
        for i in group:
            times[i] = now
            pending.append((now + bar.events[i].value, bar.events[i].staff))
    return times, max((end for end, _ in pending), default=now)


def _without_a_rest(bar: OmrBar, length: float) -> list[float] | None:
    """The onsets with one of the rests taken for something misread, if the bar then is right."""
    for i, event in enumerate(bar.events):
        if event.rest:
            others = replace(bar, events=bar.events[:i] + bar.events[i + 1 :])
            if others.events and abs(_by_values(others)[1] - length) < EPSILON:
                times = _by_values(others)[0]
                return [*times[:i], 0.0, *times[i:]]
    return None


def _with_triplets(bar: OmrBar, excess: float) -> OmrBar | None:
    """The bar with as many of its groups of three equal beamed notes as triplets as take `excess`.

    None if no number of groups does.
    """
    groups = _threes(bar)
    chosen: list[list[int]] = []
    left = excess
    for group in groups:
        saving = bar.events[group[0]].value
        if left >= saving - EPSILON:
            chosen.append(group)
            left -= saving
    if abs(left) > EPSILON or not chosen:
        return None
    events = list(bar.events)
    for group in chosen:
        for i in group:
            events[i] = replace(events[i], value=events[i].value * 2 / 3)
    return replace(bar, events=tuple(events))


def _threes(bar: OmrBar) -> list[list[int]]:
    """Runs of beamed notes of one staff that are three, all of the same value."""
    runs = []
    for staff in sorted({event.staff for event in bar.events}):
        order = sorted(
            (i for i, e in enumerate(bar.events) if e.staff == staff),
            key=lambda i: bar.events[i].x,
        )
        run: list[int] = []
        for i in order:
            run.append(i)
            if not bar.events[i].beamed:
                if len(run) == 3 and len({bar.events[j].value for j in run}) == 1:
                    runs.append(run)
                run = []
    return runs


def _by_place(bar: OmrBar, length: float) -> list[float]:
    groups = bar.columns()
    first = bar.events[groups[0][0]].x
    span = max(bar.right - first, 1e-6)
    times = [0.0] * len(bar.events)
    for group in groups:
        for i in group:
            times[i] = length * (bar.events[group[0]].x - first) / span
    return times
