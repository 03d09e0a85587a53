"""Where the newest frame is, sharp at onsets: a readout of the belief for whoever needs the moment.

The game's agent moves by whole px a frame and says two frames ahead where it will be. Here nothing
is told ahead. A frame begins up to 50 ms before what it ends with, so the belief is read a little
later than at its begin. And when a note is heard to be struck, the music is at a note head: the
nearest one, if it is not far off. Between onsets the belief alone is told.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.following.belief import BeliefFollower, BeliefGame
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import FPS

LATER = 0.25  # frames after the begin of the newest one
REACH_S = 0.2  # how far off a head may be, at the believed tempo
STRUCK = 2.0  # so many times as much new sound as usual: a note is struck
_USUAL_S = 2.0  # of the last seconds
_LEAST = 1e-3  # of new sound


class OnsetMeter:
    """Tells of each frame whether a note is heard to be struck."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._new = deque[float](maxlen=round(_USUAL_S * FPS))

    def push(self, frame: np.ndarray) -> bool:
        """Take in a frame, float32 [shape=(78,)]: by how much more than before does it sound?"""
        last = frame if self._last is None else self._last
        new = float(np.maximum(frame - last, 0).sum())
        self._last = np.array(frame, np.float32)
        self._new.append(new)
        return new > STRUCK * max(float(np.median(self._new)), _LEAST)


def heads_on(strip: np.ndarray) -> np.ndarray:
    """Columns of the note heads that are read, float64, strip px, increasing; or none."""
    from sfpipe.omr.reader import read_strip

    try:
        return np.unique([note.x_px for note in read_strip(strip)]).astype(np.float64)
    except SfpipeError:  # no staves or no clef
        return np.zeros(0)


def sharp_position(game: BeliefGame, head_px: np.ndarray, *, struck: bool) -> float:
    """Where the newest frame is, strip px.

    Parameters
    ----------
    head_px:
        Columns of note heads, strip px, increasing.
    struck:
        Whether a note is heard to be struck in it.
    """
    position = game.expected(LATER)
    if not struck or not len(head_px):
        return position
    at = int(np.clip(np.searchsorted(head_px, position), 1, max(len(head_px) - 1, 1)))
    near = head_px[max(at - 1, 0) : at + 1]
    head = float(near[np.abs(near - position).argmin()])
    px_per_frame = game.expected(1.0) - game.expected(0.0)
    return head if abs(head - position) <= REACH_S * FPS * px_per_frame else position


class SharpFollower:
    """A `BeliefFollower` that says where its newest frame is (`sfpipe.game.follower.Follower`)."""

    lead_frames = 0

    def __init__(self, follower: BeliefFollower):
        self.follower, self.window = follower, follower.window
        self._game: BeliefGame | None = None
        self._score: ScoreRecord | None = None

    def reset(self, score: ScoreRecord) -> None:
        """Read a score and wait at its first note."""
        self.follower.reset(score)
        self._game = self.follower.new_game(float(score.onset_x_px[0]))
        self._game.step(None)
        self._meter = OnsetMeter()
        if score is not self._score:  # one score may be played many times
            self._score, self._head_px = score, heads_on(score.strip)

    def prime(self, frame: np.ndarray) -> None:
        """As `BeliefFollower.prime`."""
        self.follower.prime(frame)
        self._meter.push(frame)

    def step(self, frame: np.ndarray) -> float:
        """Hear one frame; returns where it is, strip px.

        Raises
        ------
        SfpipeError
            As `BeliefFollower.prime`.
        """
        vector = self.follower.encode(frame)
        struck = self._meter.push(frame)
        assert self._game is not None
        self._game.step(vector)
        return sharp_position(self._game, self._head_px, struck=struck)
