"""Followers: whatever hears a performance frame by frame and says where in a score it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.game.dynamics import is_lost
from sfpipe.game.play import PlayedGame
from sfpipe.store.bank import PerformanceInfo, merge_onsets
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.schema import BINS
from sfpipe.store.window import Window


class Follower(Protocol):
    """An agent, a baseline, anything that follows.

    That is all that one needs. One may also have

    ``prime(frame)``
        which takes in a frame that sounds before the first one that `step` is given, which is the
        one after the first onset's (for followers without a lead); without it they are left out.
    ``lead_frames``
        of which the position that `step` returns is ahead of the frame it was given, by default 0:
        it is that of the newest frame itself. The game asks an agent where the music will be two
        frames on (its newest frame is the one before the state, and its position is judged after
        it moved).
    """

    def reset(self, score: ScoreRecord) -> None:
        """Read a score and wait at its first onset."""
        ...

    def step(self, frame: np.ndarray) -> float:
        """Take one frame, float32 [shape=(78,)]; returns the position, px of the strip."""
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
    target of the frame it is for. The game ends when the target is lost or the last onset reached,
    but a follower that has lost it goes on to the last onset (`PlayedGame.after_loss_px`). The
    reward is that of the game: (b - abs(d)) / b.

    Raises
    ------
    SfpipeError
        If the follower returns something else than a finite number, or the performance does not
        belong to the score.
    """
    info = merge_onsets(score, performance, window)
    first = int(info.onset_frames[0])
    frames = np.ascontiguousarray(performance.spectrogram.T, np.float32)
    lead = begin(follower, score, frames, first)
    silence = np.zeros_like(frames[0])

    def step(n: int) -> float:
        index = first + 1 + n - lead
        frame = frames[index] if 0 <= index < len(frames) else silence
        where = follower.step(frame)
        if not np.isfinite(where):
            raise SfpipeError(
                f"{type(follower).__name__} returned {where} as its position in frame {index}"
                f" of {performance.piece}/{performance.performance}"
            )
        return where

    return judged(info, play_through(step, info), window, trial=trial)


def play_through(step: Callable[[int], float], info: PerformanceInfo) -> np.ndarray:
    """The positions after every step to the last onset, lost or not: float32 [shape=(T,)].

    Parameters
    ----------
    step:
        Takes the number of the step and returns the position after it, strip px.
    """
    n_steps = int(info.onset_frames[-1]) - int(info.onset_frames[0])
    return np.array([step(n) for n in range(n_steps)], np.float32)


def begin(follower: Follower, score: ScoreRecord, frames: np.ndarray, first: int) -> int:
    """Give a follower its score and what sounds before its first step; returns its lead.

    Parameters
    ----------
    frames:
        float32 [shape=(n_frames, 78)], the performance; silence follows.
    first:
        Frame of the first onset.
    """
    follower.reset(score)
    lead: int = getattr(follower, "lead_frames", 0)
    prime = getattr(follower, "prime", _ignore)
    for index in range(first + 1 - lead):
        prime(frames[index] if index < len(frames) else np.zeros_like(frames[0]))
    return lead


def _ignore(frame: np.ndarray) -> None:
    """What a follower does before the music that has no `prime`."""


class LatestFrames:
    """The newest frames of a sound that arrives frame by frame; before it, silence.

    Attributes
    ----------
    spectrogram:
        float32 [shape=(1, 1, 78, n)], changed in place.
    """

    def __init__(self, n: int):
        self.spectrogram = np.zeros((1, 1, BINS, n), np.float32)

    def forget(self) -> None:
        """Begin in silence."""
        self.spectrogram[:] = 0

    def add(self, frame: np.ndarray) -> None:
        """Take in one frame [shape=(78,)]; the oldest leaves."""
        self.spectrogram[..., :-1] = self.spectrogram[..., 1:]
        self.spectrogram[0, 0, :, -1] = frame


def check_frame(frame: np.ndarray, *, ready: bool) -> None:
    """Refuse frames that no follower takes.

    Parameters
    ----------
    ready:
        Whether it has a score.

    Raises
    ------
    SfpipeError
        If it has none, or the frame has another shape than [shape=(78,)].
    """
    if not ready:
        raise SfpipeError("there is no score to follow", remedy="call reset(score) first")
    if frame.shape != (BINS,):
        raise SfpipeError(f"a frame has {BINS} bins, this one has the shape {frame.shape}")


def targets(info: PerformanceInfo) -> np.ndarray:
    """Where the music is after each step of a game: float32 [shape=(T,)], strip px."""
    first, last = int(info.onset_frames[0]), int(info.onset_frames[-1])
    frames = np.arange(first + 1, last + 1)
    return np.interp(frames, info.onset_frames, info.onset_x_px).astype(np.float32)


def judged(
    info: PerformanceInfo, position_px: np.ndarray, window: Window, *, trial: int = 0
) -> PlayedGame:
    """The game in which these positions were taken.

    Parameters
    ----------
    position_px:
        float32 [shape=(n,)], strip px, in the frames after the first onset's; what comes after
        the last onset is ignored.
    """
    aims, threshold = targets(info), float(window.threshold_px)
    position_px = position_px[: len(aims)].astype(np.float32)
    error = (position_px - aims[: len(position_px)]).astype(np.float32)
    beyond = is_lost(error, threshold)
    lost = bool(beyond.any())
    if lost:
        error = error[: int(beyond.argmax()) + 1]
    size = np.abs(error)
    reward = ((threshold - size) / threshold).clip(min=0)
    return PlayedGame(
        piece=info.piece,
        performance=info.performance,
        trial=trial,
        start_frame=int(info.onset_frames[0]),
        error_px=error,
        position_px=position_px[: len(error)],
        lost=lost,
        onset_frames=info.onset_frames,
        onset_x_px=info.onset_x_px.astype(np.float32),
        onset_s=info.onset_s,
        px_per_cm=info.px_per_cm,
        width=window.width,
        threshold_px=threshold,
        reward_sum=float(reward.sum(dtype=np.float64)),
        after_loss_px=position_px[len(error) :],
    )
