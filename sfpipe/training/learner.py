"""What all learners share: a network, games, an optimiser, one `update()` at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game.batched import BatchedGame
from sfpipe.params import Schedule
from sfpipe.store.bank import Bank
from sfpipe.training.auxiliary.localisation import LocalisationHead


class Learner(ABC):
    """Plays some frames and takes some optimiser steps per `update()`.

    Parameters
    ----------
    network:
        Trained in place.
    bank:
        Training performances.
    schedule:
        Hyper-parameters (Table 5).
    seed:
        Of games, actions, minibatches and dropout; the global generator is seeded with it too,
        since dropout can draw from no other.
    bfloat16:
        Forward and backward convolutions in bfloat16.
    """

    n_games: int

    def __init__(
        self,
        network: ActorCritic,
        bank: Bank,
        schedule: Schedule,
        *,
        seed: int,
        bfloat16: bool = False,
    ):
        self.network, self.bank, self.schedule = network, bank, schedule
        self.game = BatchedGame(bank, bank.window, self._games(), seed)
        device = bank.device
        self.actor = Actor(network, torch.Generator(device).manual_seed(seed + 1), bfloat16)
        self.shuffle = torch.Generator().manual_seed(seed + 2)
        torch.manual_seed(seed + 3)
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=self._rates()[0], betas=(0.9, 0.999), fused=True
        )
        self.localiser: LocalisationHead | None = None
        if self._localise_loss():
            self.localiser = LocalisationHead(bank, network.width)
            self.optimiser.add_param_group({"params": list(self.localiser.parameters())})
        self.frames = 0
        self.refined = 1.0  # factor of the learning rate
        self.progress = 0.0  # share of the training that is done; the trainer sets it

    def _games(self) -> int:
        return self.schedule.n_games

    def _rates(self) -> tuple[float, float]:
        """Learning rate at the beginning and at the end; between them it decays exponentially."""
        return self.schedule.learning_rate, self.schedule.learning_rate

    def _localise_loss(self) -> float:
        """Weight of the localiser's loss; 0 makes none."""
        return 0.0

    def _aids(self) -> dict[str, nn.Module]:
        """What is trained beside the network, and dropped in the end."""
        return {} if self.localiser is None else {"localiser": self.localiser}

    def inherit(self, previous: Learner) -> None:
        """Go on with what the last phase's learner trained beside the same network."""
        former = previous._aids()
        for name, aid in self._aids().items():
            if name in former:
                aid.load_state_dict(former[name].state_dict())

    @abstractmethod
    def update(self) -> dict[str, Any]:
        """Play and learn once; returns figures to log, `frames` (played) among them."""

    def steer(self, progress: float) -> None:
        """Told after every update which share of the phase is done; sets the learning rate."""
        self.progress = progress
        first, last = self._rates()
        if last != first:  # else only refinement changes it
            self.set_learning_rate(self.refined * first * (last / first) ** progress)

    def refine(self, factor: float) -> None:
        """Multiply the learning rate, from now on: what it is, and what it decays to."""
        self.refined *= factor
        self.set_learning_rate(self.optimiser.param_groups[0]["lr"] * factor)

    def set_learning_rate(self, rate: float) -> None:
        """Change the optimiser's learning rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def _descend(self, loss: torch.Tensor) -> torch.Tensor:
        """One optimiser step on `loss`; returns the gradient norm before clipping."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return self._apply_gradients()

    def _apply_gradients(self) -> torch.Tensor:
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.schedule.max_grad_norm)
        warmth = self._warmth()
        rate = self.optimiser.param_groups[0]["lr"]  # of all groups
        if warmth < 1:
            self.set_learning_rate(rate * warmth)
        self.optimiser.step()
        if warmth < 1:
            self.set_learning_rate(rate)
        return norm

    def _warm_up(self) -> int:
        """Optimiser steps until the learning rate is fully there."""
        return 0

    def _warmth(self) -> float:
        """Share of the learning rate in the next step.

        Adam's first steps are as long as the rate whatever the gradients are: at full rate they
        would shake weights that have learnt something before.
        """
        if not self._warm_up():
            return 1.0  # without asking the optimiser, whose steps a GPU counts
        states = list(self.optimiser.state.values())
        done = float(states[0]["step"]) if states else 0.0
        return min(1.0, (done + 1) / self._warm_up())

    def state_dict(self) -> dict[str, Any]:
        """All that `update()` depends on: weights, aids, optimiser, games, every generator."""
        saved = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "game": self.game.state_dict(),
            "actor": self.actor.generator.get_state(),
            "shuffle": self.shuffle.get_state(),
            "torch": torch.get_rng_state(),
            "frames": self.frames,
            "progress": self.progress,
            "refined": self.refined,
        }
        saved |= {name: aid.state_dict() for name, aid in self._aids().items()}
        if self.bank.device.type == "cuda":
            saved["cuda"] = torch.cuda.get_rng_state(self.bank.device)
        return saved

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken.

        On another kind of device actions are drawn from a fresh generator, seeded with the frames
        played: the states of a processor's and a GPU's generators are not exchangeable.
        """
        self.network.load_state_dict(saved["network"])
        for name, aid in self._aids().items():
            aid.load_state_dict(saved[name])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.game.load_state_dict(saved["game"])
        self._go_on_drawing(saved)
        self.shuffle.set_state(saved["shuffle"])
        torch.set_rng_state(saved["torch"])
        if "cuda" in saved and self.bank.device.type == "cuda":
            torch.cuda.set_rng_state(saved["cuda"], self.bank.device)
        self.frames, self.progress = saved["frames"], saved["progress"]
        self.refined = saved["refined"]

    def _go_on_drawing(self, saved: dict[str, Any]) -> None:
        generator, state = self.actor.generator, saved["actor"]
        if len(state) == len(generator.get_state()):
            generator.set_state(state)
        else:
            generator.manual_seed(generator.initial_seed() + saved["frames"])
