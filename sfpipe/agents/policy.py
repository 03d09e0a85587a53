"""A network as it plays: observations to features, to policy and value, to an action."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.game.dynamics import Observation, ObservationIndex
from sfpipe.store.bank import Bank, MemoryFormat


@dataclass(frozen=True)
class Actor:
    """A network as it plays: device, arithmetic, randomness.

    Attributes
    ----------
    bfloat16:
        Convolutions and matrix products in bfloat16 (weights stay float32).
    generator:
        Draws the actions; on the network's device.
    """

    network: ActorCritic
    generator: torch.Generator
    bfloat16: bool = False

    def arithmetic(self) -> AbstractContextManager:
        """The autocast context of every forward pass."""
        device = next(self.network.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.bfloat16)

    @property
    def memory_format(self) -> MemoryFormat:
        """How the network's convolutions want observations in memory."""
        return MemoryFormat(channels_last=True, bfloat16=self.bfloat16)

    def observe(self, bank: Bank, at: ObservationIndex) -> Observation:
        """Observations as the network's convolutions want them in memory."""
        return dynamics.observe(bank, at, self.memory_format)

    def forward(self, observation: Observation) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits float32 [shape=(n, 3)] and values float32 [shape=(n,)] of observations."""
        return self.heads(*self.features(observation))

    def embed(self, observation: Observation) -> torch.Tensor:
        """The joint embedding of observations [shape=(n, width)]."""
        with self.arithmetic():
            return self.network.join(*self.features(observation))

    def features(self, observation: Observation) -> tuple[torch.Tensor, torch.Tensor]:
        """The features of both branches, [shape=(n, width of the branch)] each."""
        return (
            self._features(self.network.score, observation.score),
            self._features(self.network.spectrogram, observation.spectrogram),
        )

    def score_features(self, bank: Bank, at: ObservationIndex) -> torch.Tensor:
        """Features of the score windows there, [shape=(n, width of the branch)]."""
        windows = bank.score_pairs(at.column, at.previous_column, self.memory_format)
        return self._features(self.network.score, windows)

    def audio_features(self, bank: Bank, at: ObservationIndex) -> torch.Tensor:
        """Features of the excerpts there, [shape=(n, width of the branch)]."""
        excerpts = bank.excerpt_pairs(at.frame, at.previous_frame, self.memory_format)
        return self._features(self.network.spectrogram, excerpts)

    def heads(self, score: torch.Tensor, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits float32 [shape=(n, 3)] and values float32 [shape=(n,)] from both features."""
        with self.arithmetic():
            return self.network.heads(self.network.join(score, audio))

    def sample(self, logits: torch.Tensor) -> torch.Tensor:
        """Action indices drawn from the policy, int64 [shape=(n,)]."""
        return torch.multinomial(logits.softmax(1), 1, generator=self.generator).squeeze(1)

    def choose(self, logits: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
        """As `sample`, but numbers decide: float32 [shape=(n,)] in [0, 1)."""
        share = logits.softmax(1).cumsum(1)
        return (chance[:, None] >= share[:, :-1]).sum(1)

    def _features(self, branch: nn.Module, image: torch.Tensor) -> torch.Tensor:
        with self.arithmetic():
            features: torch.Tensor = branch(image.contiguous(memory_format=torch.channels_last))
        return features
