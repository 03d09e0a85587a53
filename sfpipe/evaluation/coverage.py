"""Coverage: how far a follower gets in a performance of which no onsets are known.

Without an alignment nobody can say where in the score the music is at a given moment, but two
things are known: it begins with the first note and ends with the last. **Coverage** is the share
of the strip between the first and the last onset that the follower has passed when the sound ends
(its furthest position); **reached the end** is whether it then stands within the game's threshold
of the last onset. A follower that only runs has both: they are necessary, not sufficient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.game.follower import Follower, begin
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.schema import FPS


@dataclass(frozen=True)
class Coverage:
    """`share` in [0, 1]; `reached_end`; `position_px`, float64 [shape=(n_frames,)], strip px."""

    share: float
    reached_end: bool
    position_px: np.ndarray


def cover(
    follower: Follower, score: ScoreRecord, performance: PerformanceRecord, threshold_px: float
) -> Coverage:
    """Play a follower a recording from its first sound to its last.

    Parameters
    ----------
    performance:
        Its first and its last onset are where the music begins and ends.
    threshold_px:
        Of the game, see `sfpipe.store.window.Window`.

    Raises
    ------
    SfpipeError
        If the follower returns something else than a finite number, or the score has one place.
    """
    first, last = float(score.onset_x_px[0]), float(score.onset_x_px[-1])
    if last <= first:
        raise SfpipeError(f"{score.piece}: the score goes nowhere: its last onset is its first")
    frames = np.ascontiguousarray(performance.spectrogram.T, np.float32)
    start, end = (int(performance.onset_s[i] * FPS + 1e-9) for i in (0, -1))
    lead = begin(follower, score, frames, start)
    silence = np.zeros_like(frames[0])
    position = []
    for at in range(start + 1, end + 1):
        index = at - lead
        position.append(follower.step(frames[index] if 0 <= index < len(frames) else silence))
    positions = np.array(position, np.float64)
    if len(positions) == 0 or not np.isfinite(positions).all():
        raise SfpipeError(
            f"{type(follower).__name__} returned no finite positions in"
            f" {performance.piece}/{performance.performance}"
        )
    share = float(np.clip((positions.max() - first) / (last - first), 0, 1))
    return Coverage(share, bool(abs(positions[-1] - last) <= threshold_px), positions)
