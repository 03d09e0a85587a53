"""From the belief to the next move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sfpipe.game.single import clip_number

HORIZON = 8  # frames, as the expert that knows the future looks ahead

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy"}
_clip = njit(**_OPTIONS)(clip_number)


@njit(**_OPTIONS)
def best_move(position: float, speed: float, aims: np.ndarray, first: int, last: int) -> int:
    """The move that leads to the least sum of distances from `aims`.

    All 27 sequences of three moves are followed, the speed held after the third, as
    `sfpipe.game.players.Expert` does with the true targets.

    Parameters
    ----------
    position, speed:
        px and px/frame.
    aims:
        float64 [shape=(8,)], where to be after the next frame and the seven after it, px.
    first, last:
        Limits of the position, px.

    Returns
    -------
    int
        -1, 0 or 1 px/frame.
    """
    best, chosen = np.inf, 0
    for a in (0, -1, 1):
        for b in (0, -1, 1):
            for c in (0, -1, 1):
                cost, v, x = 0.0, speed, position
                for h in range(len(aims)):
                    if h == 0:
                        v += a
                    elif h == 1:
                        v += b
                    elif h == 2:
                        v += c
                    x = _clip(x + v, first, last)
                    cost += abs(x - aims[h])
                if cost < best:
                    best, chosen = cost, a
    return chosen
