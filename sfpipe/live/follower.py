"""An agent that follows a performance live: a frame of sound in, a position in the score out."""

from __future__ import annotations

import numpy as np
import torch

from sfpipe.agents.rollout import Actor
from sfpipe.agents.sliding import JointHead, SlidingBranch, frozen
from sfpipe.errors import SfpipeError
from sfpipe.game.players import ACTIONS
from sfpipe.store.bank import pack_strips
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.schema import BINS, EXCERPT

_READ_AHEAD = 4  # px/frame; speeds up to this are looked up, not computed, while playing


class AgentFollower:
    """Plays the game on sound that arrives frame by frame.

    The score is known before the music: everything that the score branch can say of it is
    computed by `reset`. A frame then costs the spectrogram branch and the heads.

    Parameters
    ----------
    actor:
        Network, arithmetic and randomness; on the CPU.
    deterministic:
        Take the most probable action instead of drawing one.
    """

    def __init__(self, actor: Actor, *, deterministic: bool = False):
        self.actor, self.deterministic = actor, deterministic
        self.head = JointHead(actor)
        self.window = actor.network.window
        self.audio = frozen(actor.network.spectrogram, self.head.dtype)
        self.audio_weight = self.head.audio_weight.to(self.head.dtype)
        self._branch: SlidingBranch | None = None

    def reset(self, score: ScoreRecord, start_px: float | None = None) -> None:
        """Read a score, and wait at a position in it.

        Parameters
        ----------
        start_px:
            Strip px without padding; None is the first onset's note head.

        Raises
        ------
        SfpipeError
            If the strip is lower than the window.
        """
        window = self.window
        image, places = pack_strips({score.piece: score}, [score.piece], window)
        self._place = places[score.piece]
        self._branch = SlidingBranch(
            self.actor.network.score,
            self.head.score_weight,
            torch.from_numpy(image),
            1 / 255,
            window.seen,
            self.head.dtype,
        )
        half = window.width / 2
        self._first, self._last = half, score.strip.shape[1] + 2 * window.width - half - 1
        start = float(score.onset_x_px[0]) if start_px is None else start_px
        self._position = self._previous = start + window.width
        self._speed = 0.0
        self._moved = False
        self._heard = np.zeros((BINS, EXCERPT + 1), np.float32)
        self._read()

    def hear(self, frame: np.ndarray) -> None:
        """Take in a frame without moving: what sounds before the music begins.

        Raises
        ------
        SfpipeError
            If the frame has another shape than [shape=(78,)], or `reset` was not called.
        """
        if self._branch is None:
            raise SfpipeError("there is no score to follow", remedy="call reset(score) first")
        if frame.shape != (BINS,):
            raise SfpipeError(f"a frame has {BINS} bins, this one has the shape {frame.shape}")
        self._heard[:, :-1] = self._heard[:, 1:]
        self._heard[:, -1] = frame

    @torch.no_grad()
    def step(self, frame: np.ndarray) -> float:
        """Hear one frame and move.

        Parameters
        ----------
        frame:
            float32 [shape=(78,)], as `StreamingSpectrogram` gives them.

        Returns
        -------
        float
            Position in strip px.

        Raises
        ------
        SfpipeError
            If the frame has another shape, or `reset` was not called.
        """
        self.hear(frame)
        now = self._heard[:, 1:]
        before = self._heard[:, :-1] if self._moved else now  # no change in the first state
        self._moved = True
        pair = torch.from_numpy(np.stack([now, now - before])[None]).to(self.head.dtype)
        pair = pair.contiguous(memory_format=torch.channels_last)
        audio = torch.nn.functional.linear(self.audio(pair), self.audio_weight).float()
        assert self._branch is not None
        score = self._branch(*self._columns(self._position, self._previous))
        logits = self.head.logits(score, audio)
        chosen = logits.argmax(1) if self.deterministic else self.actor.draw(logits)
        self._speed += ACTIONS[int(chosen)]
        self._previous = self._position
        moved = self._position + self._speed
        self._position = min(max(moved, self._first), self._last)
        return self._position - self.window.width

    def _columns(self, *positions: float) -> list[torch.Tensor]:
        return [torch.tensor([self._place.column(p, self.window)]) for p in positions]

    @torch.no_grad()
    def _read(self) -> None:
        """Look up every position at every likely speed once, so that it is there when needed."""
        assert self._branch is not None
        step = self._branch.block * self.window.shrink
        edges = np.arange(self._first, self._last + step, step).clip(max=self._last)
        for phase in range(self.window.shrink):
            for speed in range(_READ_AHEAD + 1):
                now = np.minimum(edges + phase, self._last)
                before = np.maximum(now - speed, self._first)
                columns = [
                    torch.tensor([self._place.column(float(p), self.window) for p in positions])
                    for positions in (now, before)
                ]
                self._branch(*columns)
