"""A coarse belief about the whole score, beside the fine one about the places that are shown.

`sfpipe.belief.filter` looks at the places around the one that is shown. This one looks at all of
them: a cell per place, a few tempi. It forgets: what a frame said counts less and less, so that the
ratio of two places' beliefs tells which of them the last seconds speak for. Places that look and
sound alike stay level, however long one of them is played.

A place elsewhere becomes a `Candidate` as soon as it is the likeliest of those. Whether to go there
is decided by `sfpipe.belief.relocation`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from sfpipe.belief.filter import INFORMATION, cells, tempo_prior
from sfpipe.params import BeliefFilterParams, RelocationParams
from sfpipe.store.schema import FPS

TEMPI = 10
SLOWEST, FASTEST = 0.012, 0.25  # quarter notes per frame: 14 to 300 a minute
_DRIFT = 0.05  # share of a tempo that goes to either neighbour in a frame

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": True}


class Candidate(NamedTuple):
    """The likeliest place elsewhere.

    `x_px`: px from the first place. `tempo`: quarter notes per frame. `log_odds`: log of how much
    likelier it is than where the music is thought to be. `share`: of the belief in places elsewhere
    that is around it.
    """

    x_px: float
    tempo: float
    log_odds: float
    share: float


class WholeScoreBelief:
    """The belief about one performance of one score.

    Parameters
    ----------
    log_quarters_per_px, place_px:
        As of `sfpipe.belief.filter.Belief`.
    bar_px:
        Where bars begin, px from the first place; empty where that is not known.
    return_px:
        Those of them to which the page tells to return: the beginning, repeats.
    apart_px:
        Places nearer to each other than this are the same.

    Attributes
    ----------
    information:
        How much more than usual a frame says: in slow music the next ones say the same again.
    """

    def __init__(
        self,
        log_quarters_per_px: np.ndarray,
        place_px: float,
        bar_px: np.ndarray,
        return_px: np.ndarray,
        apart_px: float,
        filter: BeliefFilterParams,
        params: RelocationParams,
    ):
        self.filter, self.params, self.place_px = filter, params, place_px
        n = len(log_quarters_per_px)
        self.cell, self.x_px = cells(log_quarters_per_px, place_px, n)
        at = np.clip(self.x_px / place_px - 0.5, 0, n - 1.001)
        self._left = at.astype(np.int64)
        self._part = (at - self._left).astype(np.float32)
        self.tempo = np.geomspace(SLOWEST, FASTEST, TEMPI)
        self.tempo_prior = tempo_prior(self.tempo, filter)
        self.apart_px = apart_px
        self._bars = self._bar_starts(bar_px, return_px)
        # Of each cell, the first and the end of those that are the same place.
        self._low = np.searchsorted(self.x_px, self.x_px - apart_px / 2)
        self._high = np.searchsorted(self.x_px, self.x_px + apart_px / 2)
        self.reset()

    def reset(self, here_px: float | None = None, sure: float = 0.0) -> None:
        """The music is at `here_px` with probability `sure`; else it is anywhere."""
        share = (1 - sure) * self._bars if here_px is not None else self._bars.copy()
        if here_px is not None:
            a, b = self._range(here_px, 3 * self.place_px)
            share[a:b] += sure / max(b - a, 1)
        self.table = self.tempo_prior[:, None] * share.astype(np.float32)
        self.information = 1.0

    def update(
        self,
        logits: np.ndarray,
        here_px: float,
        *,
        move: bool = True,
        jump_prob: float | None = None,
    ) -> None:
        """Take in a frame.

        Parameters
        ----------
        logits:
            float32 [shape=(places,)], how well each place goes with the frame.
        here_px:
            Where the music is thought to be, px from the first place.
        jump_prob:
            Of a jump before this frame; None: that of the parameters.
        """
        p = self.params
        tempo = float(self.table.sum(1) @ self.tempo)
        self.information = float(np.clip(tempo / self.filter.usual_tempo, *INFORMATION))
        trust = p.likelihood_exponent * self.information
        keep = 1 - self.information / (p.memory_s * FPS)
        jump = p.jump_prob if jump_prob is None else jump_prob
        shift = self.tempo / self.cell if move else np.zeros(TEMPI)
        self.table = _step(
            self.table, shift, np.float32(_DRIFT if move else 0), np.float32(keep),
            logits, self._left, self._part, np.float32(trust), np.float32(p.worst),
            self._bars, *self._range(here_px, p.near_px), np.float32(p.near_weight),
            *self._range(here_px, 3 * self.place_px), np.float32(p.stay),
            np.float32(jump), self.tempo_prior,
        )  # fmt: skip

    def candidate(self, here_px: float) -> Candidate:
        """The likeliest place that is not `here_px`."""
        share = self.table.sum(0)
        total = np.concatenate([[0.0], np.cumsum(share, dtype=np.float64)])
        around = total[self._high] - total[self._low]
        a, b = self._range(here_px, self.apart_px / 2)
        here = float(around[a:b].max()) if b > a else 0.0
        a, b = self._range(here_px, self.apart_px)
        elsewhere = around.copy()
        elsewhere[a:b] = 0
        best = int(elsewhere.argmax())
        window = slice(int(self._low[best]), int(self._high[best]))
        weight = self.table[:, window].astype(np.float64)
        mass = max(float(weight.sum()), 1e-30)
        x = float(weight.sum(0) @ self.x_px[window] / mass)
        tempo = float(np.exp(weight.sum(1) @ np.log(self.tempo) / mass))
        outside = max(float(total[-1] - (total[b] - total[a])), 1e-30)
        odds = float(np.log(mass / max(here, 1e-30)))
        return Candidate(x, tempo, odds, min(mass / outside, 1.0))

    def _bar_starts(self, bar_px: np.ndarray, return_px: np.ndarray) -> np.ndarray:
        """How likely jumps lead to each cell whatever the place before, float32, of sum 1."""
        p = self.params
        weight = np.full(len(self.x_px), p.anywhere)
        for places, value in ((bar_px, 1.0), (return_px, p.return_weight)):
            first = np.searchsorted(self.x_px, places)
            last = np.searchsorted(self.x_px, np.asarray(places) + p.bar_width_px)
            for a, b in zip(first, np.maximum(last, first + 1), strict=True):
                weight[a:b] = value
        return (weight / weight.sum()).astype(np.float32)

    def _range(self, x_px: float, reach_px: float) -> tuple[int, int]:
        """First and end of the cells around a place."""
        a, b = np.searchsorted(self.x_px, [x_px - reach_px, x_px + reach_px])
        return int(a), int(b)


@njit(**_OPTIONS)
def _step(
    table: np.ndarray,
    shift: np.ndarray,
    drift: float,
    keep: float,
    logits: np.ndarray,
    left: np.ndarray,
    part: np.ndarray,
    trust: float,
    worst: float,
    bars: np.ndarray,
    near_low: int,
    near_high: int,
    near_weight: float,
    here_low: int,
    here_high: int,
    stay: float,
    jump: float,
    tempo_prior: np.ndarray,
) -> np.ndarray:
    """The belief one frame later, of sum 1."""
    n_tempi, n = table.shape
    moved = np.zeros((n_tempi, n), np.float32)
    for k in range(n_tempi):
        whole = int(np.floor(shift[k]))
        rest = np.float32(shift[k] - whole)
        for i in range(min(whole + 1, n), n):
            moved[k, i] = (1 - rest) * table[k, i - whole] + rest * table[k, i - whole - 1]
        if whole < n:
            moved[k, whole] = (1 - rest) * table[k, 0]
        # Nothing leaves the score at its end.
        for j in range(max(n - whole - 1, 0), n):
            over = np.float32(1) if j + whole >= n else rest
            moved[k, n - 1] += over * table[k, j]
    target = bars.copy()
    for i in range(near_low, near_high):
        target[i] *= near_weight
    target *= (1 - stay) / max(target.sum(), np.float32(1e-20))
    for i in range(here_low, here_high):
        target[i] += stay / (here_high - here_low)
    out = np.empty((n_tempi, n), np.float32)
    mass = np.zeros(n, np.float32)
    best = np.float32(-1e30)
    for i in range(n):
        best = max(best, (1 - part[i]) * logits[left[i]] + part[i] * logits[left[i] + 1])
    for k in range(n_tempi):
        slower, faster = max(k - 1, 0), min(k + 1, n_tempi - 1)
        for i in range(n):
            value = (1 - 2 * drift) * moved[k, i] + drift * (moved[slower, i] + moved[faster, i])
            value = (1 - jump) * value + jump * target[i] * tempo_prior[k]
            out[k, i] = value
            mass[i] += value
    total = np.float32(0)
    factor = np.empty(n, np.float32)
    for i in range(n):
        logit = (1 - part[i]) * logits[left[i]] + part[i] * logits[left[i] + 1]
        evidence = max(trust * (logit - best), -worst)
        factor[i] = np.exp(evidence + (keep - 1) * np.log(mass[i] + np.float32(1e-20)))
        total += factor[i] * mass[i]
    for k in range(n_tempi):
        for i in range(n):
            out[k, i] *= factor[i] / total
    return out
