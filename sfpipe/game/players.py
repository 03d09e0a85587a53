"""Players that need no learning: the expert (ceiling) and constant speed (floor).

A player maps states to accelerations; agents implement the same call.
"""

from __future__ import annotations

from itertools import product
from typing import Protocol, runtime_checkable

import torch

from sfpipe.game.dynamics import GameState, Observation
from sfpipe.store.bank import Bank

ACTIONS = (-1, 0, 1)  # px/frame, section 2.3


class Player(Protocol):
    """Anything that plays: `needs_observation` says whether `act` looks at observations."""

    needs_observation: bool

    def act(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """Change of speed in px/frame for each state, float64 [shape=(n,)]."""
        ...


@runtime_checkable
class ChancePlayer(Player, Protocol):
    """A player whose draws may come from without."""

    def choose(
        self, state: GameState, observation: Observation | None, chance: torch.Tensor
    ) -> torch.Tensor:
        """As `act`; `chance`, float32 [shape=(n,)] in [0, 1), decides."""
        ...


class Expert:
    """Chooses by looking at the target's future, which no agent can: the ceiling.

    All 27 sequences of three actions are followed for `horizon` frames, the speed held after
    the third; a sequence costs the sum of its |tracking error|.

    Parameters
    ----------
    bank:
        Where the targets are.
    horizon:
        Frames looked ahead, at least 3.
    """

    needs_observation = False

    def __init__(self, bank: Bank, horizon: int = 8):
        self.bank, self.horizon = bank, horizon
        device = bank.device
        sequences = torch.tensor(list(product(ACTIONS, repeat=3)), dtype=torch.float64)
        held = torch.zeros(len(sequences), horizon - 3, dtype=torch.float64)
        gain = torch.cat([sequences, held], dim=1).cumsum(1)  # speed gained by each frame
        self._shift = gain.cumsum(1).to(device)  # px moved beyond constant speed (27, horizon)
        self._ahead = torch.arange(1, horizon + 1, device=device)

    def costs(self, state: GameState) -> torch.Tensor:
        """Cost in px of the best sequence that begins with each action.

        Returns
        -------
        torch.Tensor
            float64 [shape=(n, 3)], in the order of `ACTIONS`.
        """
        bank, performance = self.bank, state.performance
        frames = torch.minimum(
            state.frame[:, None] + self._ahead, bank.last_frame[performance][:, None]
        )
        aims = bank.targets[bank.frame_base[performance][:, None] + frames]
        drift = (state.position - 0.0)[:, None] + state.speed[:, None] * self._ahead
        error = (drift - aims)[:, None, :] + self._shift
        return error.abs().sum(2).view(-1, 3, 9).amin(2)

    def act(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """The first action of the cheapest sequence."""
        return self.costs(state).argmin(1).to(torch.float64) - 1


class ConstantSpeed:
    """Moves at the mean speed of the training pieces, whatever is played: the floor.

    Speeds are whole px/frame, so the player alternates between two of them.
    """

    needs_observation = False

    def __init__(self, bank: Bank, px_per_frame: float):
        self.bank, self.px_per_frame = bank, px_per_frame

    def act(self, state: GameState, observation: Observation | None) -> torch.Tensor:
        """The action that brings the position nearest to start + speed x time."""
        first = self.bank.first_frame[state.performance]
        start = self.bank.start_x[state.performance]
        aim = start + self.px_per_frame * (state.frame - first + 1)
        return ((aim - state.position).round() - state.speed).clamp(-1, 1)
