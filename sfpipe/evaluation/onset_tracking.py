"""Which onsets of a game were reached, and the tracking error at each: two ways of counting.

``paper``
    The definition of section 4.1: an onset is reached if the game gets to its frame and the
    target is not lost there. The error counted is that of the onset's own frame. The first onset
    is where the game starts, so it is always reached, with error 0. A game that is lost in the
    very frame of an onset has not reached it: an onset beyond the threshold is not tracked, and
    only so is a ratio of 1 the same as following the piece to its end.

``reference``
    What the published evaluator of 2019 does: it compares onset frames without padding with the
    game's frame counter, which includes the 40 frames of padding. An onset at frame f is thus
    looked up 40 frames (2 s) early: errors are sampled 2 s before each onset, in the losing state
    too; onsets of the first 2 s are never sampled; and onsets of the 2 s after a loss, and that
    in the losing frame, count as reached. Figures of Tables 3 and 4 were counted like this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.store.schema import EXCERPT

if TYPE_CHECKING:
    from sfpipe.game.play import PlayedGame

Counting = Literal["paper", "reference"]

# What the reference takes a pixel for: 72 px per inch.
REFERENCE_CM_PER_PX = 0.035277778


@dataclass(frozen=True)
class OnsetCount:
    """The onsets of one game, counted.

    Attributes
    ----------
    n_onsets:
        Onsets of the performance.
    n_reached:
        Onsets counted as reached before the target was lost.
    error_px:
        np.ndarray [shape=(n_sampled,)], float64, px, tracking error at the sampled onsets.
    onset_index:
        np.ndarray [shape=(n_sampled,)], int64, which onsets were sampled. These are the reached
        ones with counting ``paper``.
    cm_per_px:
        Conversion of this game's pixels.
    """

    n_onsets: int
    n_reached: int
    error_px: np.ndarray
    onset_index: np.ndarray
    cm_per_px: float

    @property
    def to_end(self) -> bool:
        """Whether every onset was reached: the piece counts as followed to its end."""
        return self.n_reached == self.n_onsets


def count_onsets(game: PlayedGame, counting: Counting = "paper") -> OnsetCount:
    """Count one game's reached onsets and collect the tracking errors at them.

    Raises
    ------
    SfpipeError
        If `counting` is neither ``paper`` nor ``reference``.
    """
    if counting not in _COUNTERS:
        raise SfpipeError(
            f"expected counting to be one of {sorted(_COUNTERS)}, found {counting!r}",
            remedy="use counting='paper'",
        )
    return _COUNTERS[counting](game)


def _count_paper(game: PlayedGame) -> OnsetCount:
    steps = np.asarray(game.onset_frames, np.int64) - game.start_frame
    last = len(game.error_px) - int(game.lost)
    reached = steps <= last
    error = np.concatenate([[0.0], np.asarray(game.error_px, np.float64)])[steps[reached]]
    return OnsetCount(
        n_onsets=len(steps),
        n_reached=int(reached.sum()),
        error_px=error,
        onset_index=np.flatnonzero(reached),
        cm_per_px=1 / game.px_per_cm,
    )


def _count_reference(game: PlayedGame) -> OnsetCount:
    # The step after which the padded frame counter equals the unpadded onset frame.
    steps = np.asarray(game.onset_frames, np.int64) - game.start_frame - EXCERPT
    counted = steps <= len(game.error_px)
    sampled = counted & (steps >= 1)
    return OnsetCount(
        n_onsets=len(steps),
        n_reached=int(counted.sum()),
        error_px=np.asarray(game.error_px, np.float64)[steps[sampled] - 1],
        onset_index=np.flatnonzero(sampled),
        cm_per_px=REFERENCE_CM_PER_PX,
    )


_COUNTERS: dict[str, Callable[[PlayedGame], OnsetCount]] = {
    "paper": _count_paper,
    "reference": _count_reference,
}
