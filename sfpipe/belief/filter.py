"""What the agent believes: a Bayes filter over score position and tempo.

Positions are counted in quarter notes, of which the network says how many each place of the score
holds: there a steady tempo is a steady speed, whatever the engraver's spacing. The belief is a
table of tempi by positions. From frame to frame each row moves on by its tempo, tempi drift into
their neighbours, and what the network says of the new frame multiplies in. Some of the belief
begins anew at any tempo, mostly at about that of the last seconds: after a fermata, or where the
network misreads how long notes last, the music goes on as before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sfpipe.params import BeliefFilterParams
from sfpipe.store.schema import FPS

TEMPI = 48
SLOWEST, FASTEST = 0.006, 0.35  # quarter notes per frame: 7 to 420 a minute
CELL = 0.4  # of a place, on average
_ABOUT = 0.4  # deviation of a tempo's log that is told
_FIRST_S = 2.0  # in which the tempo of the last seconds is not yet known
INFORMATION = (0.25, 2.0)  # bounds of how much a frame says, of what one says at the usual tempo

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": True}


def cells(log_quarters_per_px: np.ndarray, place_px: float, n: int) -> tuple[float, np.ndarray]:
    """Divide a score into `n` cells that last equally long.

    Parameters
    ----------
    log_quarters_per_px, place_px:
        As of `Belief`.

    Returns
    -------
    (float, np.ndarray)
        Quarter notes of a cell; strip px of each one's middle, float64 [shape=(n,)].
    """
    edges = np.arange(len(log_quarters_per_px) + 1) * place_px
    quarters = np.concatenate(
        [[0.0], np.cumsum(np.exp(log_quarters_per_px.astype(np.float64)) * place_px)]
    )
    cell = float(quarters[-1]) / n
    return cell, np.interp((np.arange(n) + 0.5) * cell, quarters, edges)


def tempo_prior(tempo: np.ndarray, params: BeliefFilterParams) -> np.ndarray:
    """How probable tempi (quarter notes per frame) are beforehand: float32, sums to 1."""
    spread = np.log(tempo / params.usual_tempo) / params.usual_tempo_std
    prior = np.exp(-0.5 * spread**2).astype(np.float32)
    return prior / prior.sum()


class Belief:
    """The belief about one performance of one score.

    Parameters
    ----------
    log_quarters_per_px:
        float32 [shape=(places,)], log of quarter notes per px.
    place_px:
        Strip px from one place to the next.
    search_radius_px:
        Places farther than this from where the agent is are not believed to be played.

    Attributes
    ----------
    x_px:
        float64 [shape=(cells,)], strip px of each cell.
    """

    def __init__(
        self,
        log_quarters_per_px: np.ndarray,
        place_px: float,
        search_radius_px: float,
        params: BeliefFilterParams,
    ):
        self.params, self.place_px, self.search_radius_px = params, place_px, search_radius_px
        n_cells = max(round(len(log_quarters_per_px) / CELL), 2)
        self.cell, self.x_px = cells(log_quarters_per_px, place_px, n_cells)
        self.tempo = np.geomspace(SLOWEST, FASTEST, TEMPI)  # quarter notes per frame
        self.prior = tempo_prior(self.tempo, params)
        # Each frame's drift as the share that goes to either neighbour of a tempo.
        step = float(np.log(self.tempo[1] / self.tempo[0]))
        self.drift = np.float32(min(0.5 * (params.tempo_std / step) ** 2, 0.33))
        self.table = np.zeros((TEMPI, n_cells), np.float32)
        self.low = self.high = 0
        self.mean_tempo = params.usual_tempo
        self._n_frames, self._log_recent = 0, 0.0

    def reset(self, x_px: float, tempo: float | None = None) -> None:
        """Believe that the music is at `x_px` (strip px), at about `tempo`, or at any.

        The tempo of the last seconds is remembered: who goes on elsewhere plays as before.
        """
        at = self._cell(x_px)
        self.low, self.high = max(at - 2, 0), min(at + 3, len(self.x_px))
        tempi = self.prior if tempo is None else self._about(tempo)
        self.table[:] = 0
        self.table[:, self.low : self.high] = tempi[:, None] / (self.high - self.low)
        self.mean_tempo = float(tempi @ self.tempo)
        self.median = float(at)

    def update(self, logits: np.ndarray, agent_px: float, window_px: float, *, move: bool) -> None:
        """Take in a frame.

        Parameters
        ----------
        logits:
            float32 [shape=(places,)], how well each place goes with the frame.
        agent_px, window_px:
            Middle and width of what the agent sees, strip px: the frame says nothing of places
            outside.
        move:
            Whether a frame has passed since the last call.
        """
        low = self._cell(agent_px - self.search_radius_px)
        high = self._cell(agent_px + self.search_radius_px) + 1
        evidence = _evidence(
            logits,
            self.x_px[low:high],
            self.place_px,
            agent_px - window_px / 2,
            agent_px + window_px / 2,
            np.float32(self.params.likelihood_exponent * self.information),
            np.float32(self.params.likelihood_floor),
        )
        p = self.params
        shift = self.tempo / self.cell if move else np.zeros(TEMPI)
        new = _advance(
            self.table, self.low, self.high, low, high, shift,
            self.drift if move else np.float32(0), np.float32(p.tempo_reset_prob if move else 0),
            np.float32(p.position_diffusion if move else 0), self._other_tempi(), evidence,
        )  # fmt: skip
        total = float(new.sum())
        if total > 1e-30:
            new /= total
            self.table[:, self.low : self.high] = 0
            self.table[:, low:high] = new
            self.low, self.high = low, high
        self._sum_up()
        if move:
            self._n_frames += 1
            # At first the mean of what there is, then of about the last seconds.
            share = 1 / min(self._n_frames, p.tempo_memory_s * FPS)
            self._log_recent += share * (np.log(self.mean_tempo) - self._log_recent)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Where the music is believed to be so many frames later, float64, strip px."""
        cell = self.median + self.mean_tempo / self.cell * frames
        return np.interp(cell, np.arange(len(self.x_px)), self.x_px)

    def _about(self, tempo: float, std: float = _ABOUT) -> np.ndarray:
        share = np.exp(-0.5 * (np.log(self.tempo / tempo) / std) ** 2)
        return (share / share.sum()).astype(np.float32)

    def _other_tempi(self) -> np.ndarray:
        """How probable tempi are where the old one is given up: float32, sums to 1."""
        p = self.params
        if self._n_frames < _FIRST_S * FPS:
            return self.prior
        recent = self._about(float(np.exp(self._log_recent)), p.recent_tempo_std)
        usual = np.float32(1 - p.recent_tempo_share)
        return usual * self.prior + np.float32(p.recent_tempo_share) * recent

    @property
    def information(self) -> float:
        """How much more than usual a frame says: in slow music the next ones say the same again."""
        return float(np.clip(self.mean_tempo / self.params.usual_tempo, *INFORMATION))

    def _sum_up(self) -> None:
        part = self.table[:, self.low : self.high]
        share = part.sum(0).cumsum()
        at = int(np.searchsorted(share, 0.5 * share[-1]))
        before = float(share[at - 1]) if at else 0.0
        inside = (0.5 * float(share[-1]) - before) / max(float(share[at]) - before, 1e-30)
        self.median = self.low + at + inside - 0.5
        near = part[:, max(at - 12, 0) : at + 13].sum(1)
        self.mean_tempo = float(near @ self.tempo / max(float(near.sum()), 1e-30))

    def _cell(self, x_px: float) -> int:
        return int(np.clip(np.searchsorted(self.x_px, x_px), 0, len(self.x_px) - 1))


@njit(**_OPTIONS)
def _evidence(
    logits: np.ndarray,
    x_px: np.ndarray,
    place_px: float,
    begin: int,
    end: int,
    trust: float,
    doubt: float,
) -> np.ndarray:
    """Likelihood of each cell, on average 1 inside of the window; `doubt` is its least."""
    n = len(x_px)
    out = np.empty(n, np.float32)
    best = np.float32(-1e30)
    for i in range(n):
        at = x_px[i] / place_px - 0.5
        left = min(max(int(np.floor(at)), 0), len(logits) - 2)
        share = np.float32(min(max(at - left, 0.0), 1.0))
        out[i] = (1 - share) * logits[left] + share * logits[left + 1]
        if begin <= x_px[i] < end:
            best = max(best, out[i])
    total, count = np.float32(0), 0
    for i in range(n):
        if begin <= x_px[i] < end:
            out[i] = np.exp(trust * (out[i] - best))
            total += out[i]
            count += 1
        else:
            out[i] = np.float32(-1)
    mean = total / max(count, 1)
    for i in range(n):
        known = np.float32(1) if out[i] < 0 else out[i] / mean
        out[i] = (1 - doubt) * known + doubt
    return out


@njit(**_OPTIONS)
def _advance(
    table: np.ndarray,
    old_low: int,
    old_high: int,
    low: int,
    high: int,
    shift: np.ndarray,
    drift: float,
    jump: float,
    blur: float,
    prior: np.ndarray,
    evidence: np.ndarray,
) -> np.ndarray:
    """The belief one frame later between two cells, not normalised."""
    n_tempi, n = table.shape[0], high - low
    moved = np.zeros((n_tempi, n), np.float32)
    for k in range(n_tempi):
        whole = int(np.floor(shift[k]))
        part = np.float32(shift[k] - whole)
        for i in range(n):
            source = low + i - whole
            value = np.float32(0)
            if old_low <= source < old_high:
                value += (1 - part) * table[k, source]
            if old_low <= source - 1 < old_high:
                value += part * table[k, source - 1]
            moved[k, i] = value
    if old_high == table.shape[1] and high == table.shape[1]:
        # Nothing leaves the score at its end.
        for k in range(n_tempi):
            whole = int(np.floor(shift[k]))
            part = np.float32(shift[k] - whole)
            for j in range(max(old_low, old_high - whole - 1), old_high):
                over = np.float32(1) if j + whole >= old_high else part
                moved[k, n - 1] += over * table[k, j]
    out = np.empty((n_tempi, n), np.float32)
    keep = 1 - jump
    for i in range(n):
        everywhere = np.float32(0)
        for k in range(n_tempi):
            everywhere += moved[k, i]
        for k in range(n_tempi):
            slower = moved[max(k - 1, 0), i]
            faster = moved[min(k + 1, n_tempi - 1), i]
            mixed = (1 - 2 * drift) * moved[k, i] + drift * (slower + faster)
            out[k, i] = keep * mixed + jump * prior[k] * everywhere
    if blur > 0:
        for k in range(n_tempi):
            left = out[k, 0]
            for i in range(n):
                here = out[k, i]
                right = out[k, min(i + 1, n - 1)]
                out[k, i] = (1 - 2 * blur) * here + blur * (left + right)
                left = here
    for k in range(n_tempi):
        for i in range(n):
            out[k, i] *= evidence[i]
    return out
