"""Online dynamic time warping (Dixon 2005): two sequences aligned while one of them arrives.

S. Dixon: *Live Tracking of Musical Performances Using On-Line Time Warping*, DAFx 2005. Rows are
frames that were heard, columns frames of the score. The accumulated costs are extended by the row
of a new frame or by the column of the next score frame, whichever the best path so far ends in;
only the last `width` of either are kept, so that a frame costs the same however long the music.

Not taken over: in the first `width` frames Dixon extends rows and columns by turns whatever is
heard, since he cannot yet tell them apart. A performance faster than its score would be behind
all that time; the rule holds from the first frame here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from sfpipe.errors import SfpipeError

BOTH, ROW, COLUMN = 0, 1, 2

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy"}


class OnlineDtw:
    """Aligns frames that arrive one by one with a known sequence.

    Costs are Euclidean distances of features; a diagonal step counts twice, so that every path to
    a cell (i, j) has the length i + j + 2, by which costs are divided to compare paths.

    Parameters
    ----------
    reference:
        float [shape=(n, d)], the known sequence; its first frame is where the alignment begins.
    width:
        Frames kept of either sequence.
    max_run:
        Most rows, or columns, in a row: tempi from 1 / (max_run + 1) to max_run + 1 are followed.
    stay:
        Added to the cost of a step in one sequence alone, so that where many paths fit equally
        well the steady one is cheapest.

    Attributes
    ----------
    position:
        Frame of `reference` that the newest frame is at: where the cheapest path to the newest
        row or column ends. -1 before the first frame.

    Raises
    ------
    SfpipeError
        If the sequence is empty or no matrix.
    """

    def __init__(
        self, reference: np.ndarray, *, width: int = 200, max_run: int = 3, stay: float = 0.0
    ):
        if reference.ndim != 2 or not len(reference):
            raise SfpipeError(
                f"expected a sequence of features (n, d), found the shape {reference.shape}"
            )
        self.reference = np.ascontiguousarray(reference, np.float64)
        self.max_run, self.stay = max_run, stay
        self._heard = np.zeros((width, reference.shape[1]))
        self._cost = np.full((width, width), np.inf)
        # Newest row, newest column, what to extend next, length and kind of the present run.
        self._state = np.array([-1, -1, BOTH, 0, BOTH], np.int64)
        self.position = -1

    def step(self, features: np.ndarray) -> int:
        """Take in one frame, float64 [shape=(d,)]; returns the new `position`."""
        self.position = int(
            _step(
                features,
                self.reference,
                self._heard,
                self._cost,
                self._state,
                self.max_run,
                self.stay,
            )
        )
        return self.position

    def misfit(self) -> float:
        """Mean distance of what was aligned, along the cheapest path; inf before any frame."""
        row, column = self._state[:2]
        if row < 0:
            return float("inf")
        at_row, at_column = _best(row, column, self._cost)
        width = len(self._cost)
        return float(self._cost[at_row % width, at_column % width] / (at_row + at_column + 2))


@njit(**_OPTIONS)
def _step(
    features: np.ndarray,
    reference: np.ndarray,
    recent: np.ndarray,
    cost: np.ndarray,
    state: np.ndarray,
    max_run: int,
    stay: float,
) -> None:
    width = len(cost)
    row, column = state[0] + 1, state[1]
    for k in range(len(features)):  # an assignment of arrays takes seconds to compile
        recent[row % width, k] = features[k]
    if column < 0:
        column = 0
        state[2] = ROW
    _add(True, row, column, reference, recent, cost, stay)
    if state[2] == BOTH and column + 1 < len(reference):
        column += 1
        _add(False, row, column, reference, recent, cost, stay)
    while True:
        at_row, at_column = _best(row, column, cost)
        following = _choose(row, column, at_row, at_column, state, max_run)
        if following != COLUMN or column + 1 == len(reference):
            break
        column += 1
        _add(False, row, column, reference, recent, cost, stay)
    state[0], state[1], state[2] = row, column, following
    return at_column


@njit(**_OPTIONS)
def _choose(
    row: int, column: int, at_row: int, at_column: int, state: np.ndarray, max_run: int
) -> int:
    """What to extend: where the best path ends, unless that went on for too long."""
    following = BOTH
    if state[3] >= max_run and state[4] != BOTH:
        following = COLUMN if state[4] == ROW else ROW
    elif at_column < column:
        following = ROW
    elif at_row < row:
        following = COLUMN
    state[3] = state[3] + 1 if following == state[4] else 1
    state[4] = following
    return following


@njit(**_OPTIONS)
def _add(
    rows: bool,
    row: int,
    column: int,
    reference: np.ndarray,
    recent: np.ndarray,
    cost: np.ndarray,
    stay: float,
) -> None:
    """Costs of the cheapest paths to the cells of the newest row, or else of the newest column.

    What the rings no longer hold is not on a path.
    """
    newest, width = (column if rows else row), len(cost)
    for cell in range(max(0, newest - width + 1), newest + 1):
        i, j = (row, cell) if rows else (cell, column)
        distance = 0.0
        for k in range(reference.shape[1]):
            difference = recent[i % width, k] - reference[j, k]
            distance += difference * difference
        distance = math.sqrt(distance)
        up = i > 0 and i > row - width + 1
        left = j > 0 and j > column - width + 1
        best = np.inf
        if up:
            best = min(best, cost[(i - 1) % width, j % width] + distance + stay)
        if left:
            best = min(best, cost[i % width, (j - 1) % width] + distance + stay)
        if up and left:
            best = min(best, cost[(i - 1) % width, (j - 1) % width] + 2 * distance)
        if i == 0 and j == 0:
            best = 2 * distance
        cost[i % width, j % width] = best


@njit(**_OPTIONS)
def _best(row: int, column: int, cost: np.ndarray) -> tuple[int, int]:
    """Where the cheapest path ends; of equal ones that nearest to the corner."""
    width = len(cost)
    at_row, at_column = row, column
    least = cost[row % width, column % width] / (row + column + 2)
    for back in range(1, width):
        if back <= column:
            value = cost[row % width, (column - back) % width] / (row + column - back + 2)
            if value < least:
                least, at_row, at_column = value, row, column - back
        if back <= row:
            value = cost[(row - back) % width, column % width] / (row - back + column + 2)
            if value < least:
                least, at_row, at_column = value, row - back, column
    return at_row, at_column
