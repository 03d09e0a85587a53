"""What the trainer asks of a learning algorithm, and what all algorithms share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import nn

from sfpipe.agents.weights import RunningAverage, copy_weights
from sfpipe.training.distributed import ALONE, Processes

Network = TypeVar("Network", bound=nn.Module)
Figures = dict[str, float]


class Learner(ABC, Generic[Network]):
    """One algorithm: a network, an optimiser, one `update()` at a time.

    Parameters
    ----------
    network:
        Trained in place.
    seed:
        Of everything drawn; the global generator is seeded with it too, since dropout can draw
        from no other.
    learning_rate:
        At the beginning and at the end of the phase; between them it decays (`rate_at`).
    max_grad_norm:
        Of the network's gradient.
    warmup_steps:
        Optimiser steps until the learning rate is fully there.
    average_span:
        Frames (or updates, with `average_by_updates`) over which the weights that are validated
        are averaged; 0: the present ones.
    processes:
        Among which the work is split.

    Attributes
    ----------
    unit:
        What `frames` counts, in the plural.
    max_frames, max_updates:
        Where the phase ends, if one of them says.
    evaluate_every:
        Updates between validations.
    keep:
        Weights with the best validation, or those of the last one.
    auxiliary:
        Modules trained beside the network, and dropped in the end.
    progress:
        Share of the phase that is done; the trainer sets it.
    frames:
        Of this phase, so far.
    """

    unit = "frames"
    max_frames: int | None = None
    max_updates: int | None = None
    evaluate_every: int
    keep: Literal["best", "last"] = "best"
    average_by_updates = False

    def __init__(
        self,
        network: Network,
        *,
        seed: int,
        device: torch.device,
        learning_rate: tuple[float, float],
        max_grad_norm: float,
        warmup_steps: int = 0,
        average_span: int = 0,
        processes: Processes = ALONE,
    ):
        self.processes = processes
        processes.share(network)
        self.network, self.device = network, device
        self.first_rate, self.last_rate = learning_rate
        self.max_grad_norm, self.warmup_steps = max_grad_norm, warmup_steps
        self.average_span = average_span
        self.average = self._new_average()
        self.generator = torch.Generator().manual_seed(seed + 2)
        torch.manual_seed(seed + 3)
        self.optimiser = self.make_optimiser(network.parameters())
        self.auxiliary: dict[str, nn.Module] = {}
        self.frames, self.progress, self.rate_factor = 0, 0.0, 1.0

    def update(self) -> dict[str, Any]:
        """Learn once; returns figures to log, `frames` (learned from) among them."""
        figures = self.learn()
        self.frames += int(figures["frames"])
        if self.average is not None:
            self.average.follow(self.network, 1 if self.average_by_updates else figures["frames"])
        return figures

    @abstractmethod
    def learn(self) -> dict[str, Any]:
        """One step of the algorithm; returns its figures."""

    @abstractmethod
    def validate(self) -> Figures:
        """How good the weights in `evaluated` are, the same way every time."""

    @abstractmethod
    def better(self, figures: Figures, best: Figures) -> bool:
        """Whether one validation is better than another (of which `best` may be empty)."""

    def note(self, figures: Figures) -> str:
        """A few words on an update, for the progress line."""
        return f"loss {figures['policy_loss']:.3f}"

    @property
    def evaluated(self) -> Network:
        """The network whose weights are validated and kept: the average, if there is one."""
        return self.network if self.average is None else self.average.network

    def make_optimiser(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam, as Table 5 says."""
        return torch.optim.Adam(parameters, lr=self.first_rate, betas=(0.9, 0.999), fused=True)

    def train_beside(self, **modules: nn.Module) -> None:
        """Train modules beside the network."""
        for name, module in modules.items():
            self.auxiliary[name] = module
            self.optimiser.add_param_group({"params": list(module.parameters())})

    def inherit(self, previous: Learner[Any]) -> None:
        """Go on with what the last phase trained beside the same network."""
        for name, module in self.auxiliary.items():
            if name in previous.auxiliary:
                module.load_state_dict(previous.auxiliary[name].state_dict())

    def set_progress(self, progress: float) -> None:
        """Take note of the share of the phase that is done; sets the learning rate."""
        self.progress = progress
        if self.last_rate != self.first_rate:  # else only `refine` changes it
            self.set_learning_rate(self.rate_factor * self.rate_at(progress))

    def rate_at(self, progress: float) -> float:
        """The learning rate at a share of the phase: it decays exponentially."""
        return self.first_rate * (self.last_rate / self.first_rate) ** progress

    def refine(self, weights: dict[str, torch.Tensor], factor: float) -> None:
        """Go back to `weights`; multiply the learning rate, what it is and what it decays to."""
        self.network.load_state_dict(weights)
        self.average = self._new_average()
        self.rate_factor *= factor
        self.set_learning_rate(self.optimiser.param_groups[0]["lr"] * factor)

    def set_learning_rate(self, rate: float) -> None:
        """Change the optimiser's learning rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def descend(self, loss: torch.Tensor) -> torch.Tensor:
        """One optimiser step on `loss`; returns the gradient norm before clipping."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return self.apply_gradients()

    def apply_gradients(self) -> torch.Tensor:
        """One optimiser step on the gradients there are; returns their norm before clipping.

        Those of several processes are summed: each has descended on its part of the loss.
        """
        self.processes.sum_gradients(
            p for group in self.optimiser.param_groups for p in group["params"]
        )
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.max_grad_norm)
        warmth = self.warmth()
        rate = self.optimiser.param_groups[0]["lr"]  # of all groups
        if warmth < 1:
            self.set_learning_rate(rate * warmth)
        self.optimiser.step()
        if warmth < 1:
            self.set_learning_rate(rate)
        return norm

    def warmth(self) -> float:
        """Share of the learning rate in the next step.

        Adam's first steps are as long as the rate whatever the gradients are: at full rate they
        would shake weights that have learned something before.
        """
        if not self.warmup_steps:
            return 1.0  # without asking the optimiser, whose steps a GPU counts
        states = list(self.optimiser.state.values())
        done = float(states[0]["step"]) if states else 0.0
        return min(1.0, (done + 1) / self.warmup_steps)

    def state_dict(self) -> dict[str, Any]:
        """All that `update()` depends on: weights, modules, optimiser, every generator."""
        saved: dict[str, Any] = {
            "network": self.network.state_dict(),
            "auxiliary": {name: m.state_dict() for name, m in self.auxiliary.items()},
            "average": None if self.average is None else copy_weights(self.average.network),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "frames": self.frames,
            "progress": self.progress,
            "rate_factor": self.rate_factor,
        }
        if self.device.type == "cuda":
            saved["cuda"] = torch.cuda.get_rng_state(self.device)
        return saved

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.network.load_state_dict(saved["network"])
        for name, module in self.auxiliary.items():
            module.load_state_dict(saved["auxiliary"][name])
        if self.average is not None:
            self.average.network.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.generator.set_state(saved["generator"])
        torch.set_rng_state(saved["torch"])
        if "cuda" in saved and self.device.type == "cuda":
            torch.cuda.set_rng_state(saved["cuda"], self.device)
        self.frames, self.progress = saved["frames"], saved["progress"]
        self.rate_factor = saved["rate_factor"]

    def _new_average(self) -> RunningAverage[Network] | None:
        return RunningAverage(self.network, self.average_span) if self.average_span else None


def closer(figures: Figures, best: Figures) -> bool:
    """More onsets on validation; of equally many, a smaller error. A tie is no improvement."""
    if not best:
        return True
    ours, theirs = ((f["r_on"], -f["error_px"]) for f in (figures, best))
    return ours > theirs
