"""An agent that follows a performance live: a frame of sound in, a position in the score out."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sfpipe.agents.dense_conv import CachedBranch, cache_strip, frozen, joint_parts
from sfpipe.agents.hardware import on_cpu
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.streaming_conv import StreamingBranch, elu
from sfpipe.agents.weights import array
from sfpipe.game.follower import check_frame
from sfpipe.game.players import ACTIONS
from sfpipe.game.single import clip_number
from sfpipe.store.reader import ScoreRecord

_SPEEDS = range(-2, 8)  # px/frame: windows at these are computed before playing


class AgentFollower:
    """Plays the game on sound that arrives frame by frame.

    The score is known before the music: everything that the score branch can say of it is
    computed by `reset`. A frame then costs one column of each layer of the spectrogram branch,
    and the heads. In float32, on the CPU.

    Parameters
    ----------
    network:
        A trained agent.
    generator:
        Draws the actions; None takes the most probable one.
    """

    lead_frames = 2  # see `sfpipe.game.follower.Follower`

    def __init__(self, network: ActorCritic, generator: torch.Generator | None = None):
        network = on_cpu(network)
        self.generator, self.window = generator, network.window
        self._score_branch = frozen(network.score, torch.float32)
        self._audio_branch = frozen(network.spectrogram, torch.float32)
        weights = joint_parts(network)
        self._score_weight, self._audio_weight = (w.float() for w in weights[:2])
        self._bias = array(weights[2])
        self._policy = [
            (array(layer.weight), array(layer.bias))
            for layer in network.policy
            if isinstance(layer, nn.Linear)
        ]
        self._audio = StreamingBranch(self._audio_branch, self._audio_weight)
        self._branch: CachedBranch | None = None

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
        self._branch, self._place, (self._first, self._last) = cache_strip(
            self._score_branch, self._score_weight, score, window
        )
        start = float(score.onset_x_px[0]) if start_px is None else start_px
        self._position = self._previous = start + window.width
        self._speed = 0.0
        self._moved = False
        self._audio.reset()
        self._read()

    def prime(self, frame: np.ndarray) -> None:
        """Take in a frame without moving: what sounds before the music begins.

        Raises
        ------
        SfpipeError
            If the frame has another shape than [shape=(78,)], or `reset` was not called.
        """
        check_frame(frame, ready=self._branch is not None)
        self._audio.push(frame)

    def step(self, frame: np.ndarray) -> float:
        """Hear one frame and move.

        Parameters
        ----------
        frame:
            float32 [shape=(78,)], as `StreamingSpectrogram` gives them.

        Returns
        -------
        float
            Position in strip px, for `lead_frames` after this one.

        Raises
        ------
        SfpipeError
            If the frame has another shape, or `reset` was not called.
        """
        self.prime(frame)
        # The first state of a game has no previous one: nothing has changed in it.
        audio = self._audio.vector() if self._moved else self._first_vector()
        self._moved = True
        hidden = elu(self._observe(self._position, self._previous) + audio + self._bias)
        (weight, bias), (out, out_bias) = self._policy
        logits = out @ elu(weight @ hidden + bias) + out_bias
        self._speed += ACTIONS[self._choose(logits)]
        self._previous = self._position
        self._position = clip_number(self._position + self._speed, self._first, self._last)
        return self._position - self.window.width

    def _choose(self, logits: np.ndarray) -> int:
        if self.generator is None:
            return int(logits.argmax())
        share = np.exp(logits - logits.max()).cumsum()
        drawn = float(torch.rand(1, generator=self.generator)) * share[-1]
        return min(int(np.searchsorted(share, drawn, side="right")), len(share) - 1)

    def _observe(self, position: float, previous: float) -> np.ndarray:
        """What the score branch contributes to the joint layer at a position."""
        assert self._branch is not None
        now, before = (self._place.column(p, self.window) for p in (position, previous))
        return self._branch.at(now, before)

    @torch.no_grad()
    def _first_vector(self) -> np.ndarray:
        now = self._audio.frames()
        pair = torch.from_numpy(np.stack([now, np.zeros_like(now)])[None])
        features = self._audio_branch(pair)
        return (features @ self._audio_weight.T)[0].numpy()

    def _read(self) -> None:
        """Look up every position at every likely speed once, so that it is there when needed."""
        assert self._branch is not None
        step = self._branch.block * self.window.shrink
        edges = np.arange(self._first, self._last + step, step).clip(max=self._last)
        for phase in range(self.window.shrink):
            for speed in _SPEEDS:
                now = np.minimum(edges + phase, self._last)
                before = (now - speed).clip(self._first, self._last)
                columns = [
                    torch.tensor([self._place.column(float(p), self.window) for p in positions])
                    for positions in (now, before)
                ]
                self._branch(*columns)
