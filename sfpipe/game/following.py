"""Followers: whatever hears a performance frame by frame and says where in a score it is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.game.play import PlayedGame
from sfpipe.store.bank import merge_onsets
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.window import Window


class Follower(Protocol):
    """An agent, a baseline, anything that follows.

    Attributes
    ----------
    lead_frames:
        The position that `step` returns is for this many frames after the one it was given. The
        game asks an agent where the music will be two frames on (its newest frame is the one
        before the state, and its position is judged after it moved); a follower that says where
        the newest frame itself is has 0.
    """

    lead_frames: int

    def reset(self, score: ScoreRecord) -> None:
        """Read a score and wait at its first onset."""
        ...

    def hear(self, frame: np.ndarray) -> None:
        """Take in a frame that sounds before the music begins, float32 [shape=(78,)]."""
        ...

    def step(self, frame: np.ndarray) -> float:
        """Hear one frame, float32 [shape=(78,)]; returns the position, px of the strip."""
        ...


def follow(
    follower: Follower,
    score: ScoreRecord,
    performance: PerformanceRecord,
    window: Window,
    *,
    trial: int = 0,
) -> PlayedGame:
    """Let a follower follow one performance, judged as the game judges an agent.

    The follower waits at the first onset until its frame; then each position is compared with the
    target of the frame it is for, until the target is lost or the last onset reached. The reward
    is that of the game: (b - abs(d)) / b.

    Raises
    ------
    SfpipeError
        If the follower returns something else than a finite number, or the performance does not
        belong to the score.
    """
    info = merge_onsets(score, performance, window)
    first, last = int(info.onset_frames[0]), int(info.onset_frames[-1])
    threshold = float(window.threshold_px)
    targets = np.interp(np.arange(first, last + 1), info.onset_frames, info.onset_x_px)
    frames = np.ascontiguousarray(performance.spectrogram.T, np.float32)
    follower.reset(score)
    lead = follower.lead_frames
    silence = np.zeros_like(frames[0])
    for index in range(first + 1 - lead):
        follower.hear(frames[index] if index < len(frames) else silence)
    position = np.zeros(last - first, np.float32)
    error = np.zeros(last - first, np.float32)
    lost, n = False, 0
    for at in range(first + 1, last + 1):
        index = at - lead
        heard = frames[index] if 0 <= index < len(frames) else silence
        where = follower.step(heard)
        if not np.isfinite(where):
            raise SfpipeError(
                f"{type(follower).__name__} returned {where} as its position in frame {index}"
                f" of {performance.piece}/{performance.performance}"
            )
        position[n] = where
        error[n] = position[n] - targets[at - first]
        n += 1
        if abs(error[n - 1]) > threshold:
            lost = True
            break
    size = np.abs(error[:n])
    reward = np.where(size > threshold, 0.0, (threshold - size) / threshold)
    return PlayedGame(
        piece=score.piece,
        performance=performance.performance,
        trial=trial,
        start_frame=first,
        error_px=error[:n],
        position_px=position[:n],
        lost=lost,
        onset_frames=info.onset_frames,
        onset_x_px=info.onset_x_px.astype(np.float32),
        onset_s=info.onset_s,
        px_per_cm=score.px_per_cm,
        width=window.width,
        threshold_px=threshold,
        reward_sum=float(reward.sum(dtype=np.float64)),
    )
