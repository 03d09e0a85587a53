"""Features of the sound of the next steps, at once: frames come one by one whatever the agent does.

Excerpts of successive states have 39 of 40 frames in common, and so has their change since the
frame before. The sound of a rollout is therefore known when it begins, and its convolutions are
computed once for all steps of a game (`DenseBranch.every`) instead of once per step.
"""

from __future__ import annotations

import torch

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.agents.policy import Actor
from sfpipe.game.dynamics import ObservationIndex, select_index
from sfpipe.store.bank import Bank
from sfpipe.store.schema import BINS, EXCERPT


class RolloutAudioFeatures:
    """What the network makes of the sound of n games, for some steps that are yet to be played.

    Holds for the weights the network has now. It can be differentiated where gradients are on.

    Parameters
    ----------
    actor:
        In `eval()` mode.
    n_games:
        That are played.
    frame_skip:
        Frames from one state to the next: 1, 2, 4 or 8, up to the stride of the sound branch.
    """

    def __init__(self, actor: Actor, bank: Bank, n_games: int, frame_skip: int = 1):
        self.actor, self.bank, self.frame_skip = actor, bank, frame_skip
        network = actor.network
        self.branch = DenseBranch(network.spectrogram, network.channels, (BINS, EXCERPT))
        self._table: torch.Tensor | None = None  # features of all states so far, a row each
        # Of each game: frame of the first window, frames from there on, row of the first.
        none = torch.zeros(n_games, dtype=torch.int64, device=bank.device)
        self._first = self._count = self._row = none

    def heads(self, states: ObservationIndex, left: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits float32 [shape=(n, 3)] and values float32 [shape=(n,)] of the present states.

        Parameters
        ----------
        states, left:
            As for `at`.
        """
        return self.actor.heads(self.actor.score_features(self.bank, states), self.at(states, left))

    def at(self, states: ObservationIndex, left: int) -> torch.Tensor:
        """Features of the sound of the present states, [shape=(n, width of the branch)].

        Parameters
        ----------
        left:
            Steps yet to be played from here, this one included: that many are computed for games
            that are new.
        """
        missing = self._outside(states.frame)
        if left == 1:  # first states are computed alone, below
            missing &= states.previous_frame != states.frame
        if bool(missing.any()):
            self._extend(missing.nonzero().squeeze(1), states.frame[missing], left)
        if self._table is None:
            return self.actor.audio_features(self.bank, states)
        outside = self._outside(states.frame)
        index = torch.where(outside, 0, states.frame - self._first) // self.frame_skip
        features = self._table[self._row + index]
        # In the first state of a game nothing has changed since the frame before.
        alone = outside | (states.previous_frame != states.frame - 1)
        if bool(alone.any()):
            which = alone.nonzero().squeeze(1)
            own = self.actor.audio_features(self.bank, select_index(states, which))
            features = features.index_copy(0, which, own.to(features.dtype))
        return features

    def _outside(self, frame: torch.Tensor) -> torch.Tensor:
        index = frame - self._first
        return (index < 0) | (index >= self._count) | (index % self.frame_skip != 0)

    def _extend(self, which: torch.Tensor, frame: torch.Tensor, left: int) -> None:
        """Compute on from `frame` in the games `which`, as far as the bank goes."""
        windows = self.branch.whole((left - 1) * self.frame_skip + 1)
        width = EXCERPT + windows - 1
        # There is a frame before the first one, and the last one is in the bank too.
        least, most = EXCERPT + 1, self.bank.frames_packed - width + EXCERPT
        if most < least:
            return  # in a bank so short each state is computed for itself
        first = frame.clamp(least, most)
        images = self.bank.excerpt_pairs(first, first - 1, self.actor.memory_format, width=width)
        with self.actor.arithmetic():
            features = self.branch.every(images, self.frame_skip).flatten(0, 1)
        before = [] if self._table is None else [self._table]
        self._table = torch.cat([*before, features])
        rows = windows // self.frame_skip
        begins = len(self._table) + rows * torch.arange(-len(which), 0, device=which.device)
        self._first = self._first.index_copy(0, which, first)
        self._row = self._row.index_copy(0, which, begins)
        self._count = self._count.index_fill(0, which, windows)
