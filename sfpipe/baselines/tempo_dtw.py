"""Online time warping with a tempo: a path that runs at another speed than of late costs more.

Plain online time warping (`sfpipe.baselines.online_dtw`) asks nothing for a path that stands
still and then runs. Where frames are alike, in held notes, reverberation and noise, it does. Here
each frame is matched once, and a path is a place and a speed: places are quarters of a frame of the
score, so that it can run steadily at any speed, changes of speed cost once, and speeds far from
that of the last seconds cost in every frame. After A. Arzt and G. Widmer: *Simple Tempo Models for
Real-Time Music Tracking*, SMC 2010, who correct the reference's tempo by the performance's.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
from numba import njit

from sfpipe.errors import SfpipeError

PARTS = 4  # places in a frame of the score
# Parts of a frame of the score in a frame of the performance: from a stop to four times as fast.
SPEEDS = np.array([0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16])
CHANGE = 0.3  # cost of the next speed
AWAY = 0.1  # cost in each frame of half or twice the tempo of the last seconds
MEMORY = 200  # frames of which that tempo is the mean
_LEAST = 40  # frames after which it is known
_FURTHEST = 2.0  # octaves of tempo: more costs no more
_FASTEST = 8  # frames of the score that a position advances in one frame

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy"}
_OCTAVES = np.log2(np.maximum(SPEEDS, 0.5) / PARTS)


class TempoDtw:
    """Aligns frames that arrive one by one with a known sequence; costs are Euclidean distances.

    Parameters
    ----------
    reference:
        float [shape=(n, d)], the known sequence; its first frame is where the alignment begins.
    width:
        Frames of the sequence around the position in which the alignment may still change.

    Attributes
    ----------
    position:
        Frame of `reference` that the newest frame is at, to a quarter: where the cheapest path
        ends, but never before the last position. -1 before the first frame.

    Raises
    ------
    SfpipeError
        If the sequence is empty or no matrix.
    """

    def __init__(self, reference: np.ndarray, *, width: int = 200):
        if reference.ndim != 2 or not len(reference):
            raise SfpipeError(
                f"expected a sequence of features (n, d), found the shape {reference.shape}"
            )
        self.reference = np.ascontiguousarray(reference, np.float64)
        self._half = max(width // 2, 1) * PARTS
        shape = 2 * self._half + 1, len(SPEEDS)
        self._cost, self._next = np.full(shape, np.inf), np.full(shape, np.inf)
        self._first = 0  # place that the first row of `_cost` is of
        self._place = -1
        self._past: deque[int] = deque(maxlen=MEMORY + 1)
        self._least, self._frames = float("inf"), 0
        self.position = -1.0

    def step(self, features: np.ndarray) -> float:
        """Take in one frame, float64 [shape=(d,)]; returns the new `position`."""
        begins = self._frames == 0
        self._frames += 1
        first = 0 if begins else max(self._place - self._half, 0)
        place, self._least = _step(
            features,
            self.reference,
            self._cost,
            self._first,
            self._next,
            first,
            AWAY * np.minimum(np.abs(_OCTAVES - self._tempo()), _FURTHEST),
            begins,
        )
        self._cost, self._next, self._first = self._next, self._cost, first
        before = max(self._place, 0)
        self._place = min(max(place, before), before + _FASTEST * PARTS)
        self._past.append(self._place)
        self.position = self._place / PARTS
        return self.position

    def misfit(self) -> float:
        """Mean cost of a frame along the cheapest path; inf before any frame."""
        return self._least / max(self._frames, 1)

    def _tempo(self) -> float:
        """Octaves of the mean tempo of late, 0 where it is not known yet."""
        frames = len(self._past) - 1
        if frames < _LEAST:
            return 0.0
        parts = (self._past[-1] - self._past[0]) / frames
        return min(max(math.log2(max(parts / PARTS, 0.01)), -_FURTHEST), _FURTHEST)


@njit(**_OPTIONS)
def _step(
    features: np.ndarray,
    reference: np.ndarray,
    cost: np.ndarray,
    cost_first: int,
    new: np.ndarray,
    first: int,
    away: np.ndarray,
    begins: bool,
) -> tuple[int, float]:
    """Costs of the paths to the places from `first` on; the cheapest path's end, and its cost."""
    n_places = (len(reference) - 1) * PARTS + 1
    rows, n_speeds = new.shape
    best, least = first, np.inf
    known = -1  # frame of the score of which `here` and `there` (the next one's) are the distances
    here = there = 0.0
    for row in range(rows):
        place = first + row
        if place >= n_places or (begins and place > 0):
            new[row, :] = np.inf
            continue
        frame, part = place // PARTS, place % PARTS
        if frame != known:
            here = (
                there
                if frame == known + 1 and known >= 0
                else _distance(features, reference, frame)
            )
            there = _distance(features, reference, min(frame + 1, len(reference) - 1))
            known = frame
        distance = here + (there - here) * part / PARTS
        for v in range(n_speeds):
            before = 0.0 if begins else np.inf
            source = place - SPEEDS[v] - cost_first
            if not begins and 0 <= source < rows:
                before = cost[source, v]
                if v > 0:
                    before = min(before, cost[source, v - 1] + CHANGE)
                if v + 1 < n_speeds:
                    before = min(before, cost[source, v + 1] + CHANGE)
            value = before + distance + away[v]
            new[row, v] = value
            if value < least:
                best, least = place, value
    return best, least


@njit(**_OPTIONS)
def _distance(features: np.ndarray, reference: np.ndarray, frame: int) -> float:
    total = 0.0
    for k in range(len(features)):
        difference = features[k] - reference[frame, k]
        total += difference * difference
    return math.sqrt(total)
