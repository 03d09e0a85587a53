"""Many games at once on one device, restarted inside the batch (same-step autoreset)."""

from __future__ import annotations

from typing import Any

import torch

from sfpipe.game import dynamics
from sfpipe.game.dynamics import GameState, Observation, ObservationIndex, StepResult
from sfpipe.store.bank import Bank
from sfpipe.store.window import Window


class Sampler:
    """Draws performances so that each is played once before any is played twice.

    Long and short pieces are started equally often, as when a data set is shuffled per epoch.
    """

    def __init__(self, n_performances: int, seed: int, device: torch.device):
        self.n = n_performances
        self.generator = torch.Generator().manual_seed(seed)
        self.device = device
        self._queue = torch.empty(0, dtype=torch.int64)

    def sample(self, n: int) -> torch.Tensor:
        """The next `n` performances, int64 [shape=(n,)]."""
        while len(self._queue) < n:
            more = torch.randperm(self.n, generator=self.generator)
            self._queue = torch.cat([self._queue, more])
        drawn, self._queue = self._queue[:n], self._queue[n:]
        return drawn.to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on drawing the same sequence."""
        return {"generator": self.generator.get_state(), "queue": self._queue}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.generator.set_state(state["generator"])
        self._queue = state["queue"]


class BatchedGame:
    """`n_games` games that are always in play: one that ends is replaced within the same step.

    Parameters
    ----------
    bank:
        What is played.
    window:
        Size of the score excerpt.
    n_games:
        How many at once.
    seed:
        Of the sequence of performances, and of where games begin.
    start_inside:
        Share of the games that begin in a random state inside their piece, as `dynamics.scatter`
        draws it; the others begin with the first onset, as in the paper.
    """

    def __init__(
        self, bank: Bank, window: Window, n_games: int, seed: int, start_inside: float = 0.0
    ):
        self.bank, self.window, self.n_games = bank, window, n_games
        self.sampler = Sampler(len(bank), seed, bank.device)
        self.start_inside = start_inside
        self.generator = torch.Generator().manual_seed(seed)
        self.state = self._start(self.sampler.sample(n_games))
        self.ended: GameState | None = None  # last states of the games the last step ended

    def observation_index(self) -> ObservationIndex:
        """Where the observations of the present states lie in the bank."""
        return dynamics.observation_index(self.bank, self.state)

    def observe(self) -> Observation:
        """The observations of the present states."""
        return dynamics.observe(self.bank, self.observation_index())

    def step(
        self, acceleration: torch.Tensor, *, frames: int = 1, restart: bool = True
    ) -> StepResult:
        """Advance all games by `frames` frames and restart those that are over.

        Parameters
        ----------
        acceleration:
            [shape=(n_games,)], change of speed in px/frame, with the first of the frames.
        frames:
            As of `dynamics.advance`.
        restart:
            False: games that are over stay in their last state; `restart` begins others.

        Returns
        -------
        StepResult
            Of the step, before any restart.
        """
        change, threshold_px = acceleration.to(torch.float64), self.window.threshold_px
        after, outcome = dynamics.advance(self.bank, self.state, change, threshold_px, frames)
        self.state, self.ended = after, None
        if bool(outcome.terminated.any()):
            which = outcome.terminated.nonzero().squeeze(1)
            self.ended = dynamics.select(after, which)
            if restart:
                self.restart(which)
        return outcome

    def restart(self, which: torch.Tensor, performances: torch.Tensor | None = None) -> None:
        """Begin the games `which` (int64 indices) anew.

        Parameters
        ----------
        performances:
            int64 [shape=(len(which),)], what they play; None: what the sampler draws.
        """
        drawn = self.sampler.sample(len(which)) if performances is None else performances
        self.put(which, self._start(drawn))

    def put(self, which: torch.Tensor, states: GameState) -> None:
        """Replace the states of the games `which` (int64 indices)."""
        self.state = GameState(
            *(a.index_copy(0, which, f) for a, f in zip(self.state, states, strict=True))
        )

    def _start(self, performances: torch.Tensor) -> GameState:
        """First states of games that play `performances`."""
        states = dynamics.start(self.bank, performances)
        if not self.start_inside:
            return states
        threshold = self.window.threshold_px
        inside = dynamics.scatter(self.bank, performances, self.generator, threshold)
        dice = torch.rand(len(performances), generator=self.generator).to(self.bank.device)
        return dynamics.where(dice < self.start_inside, inside, states)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on exactly here."""
        return {
            "state": self.state._asdict(),
            "sampler": self.sampler.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.state = GameState(**{k: v.to(self.bank.device) for k, v in saved["state"].items()})
        self.sampler.load_state_dict(saved["sampler"])
        self.generator.set_state(saved["generator"])
