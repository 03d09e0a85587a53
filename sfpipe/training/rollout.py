"""Rollouts: what happened in T steps of N games, kept as integers and gathered again on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sfpipe.agents.policy import Actor
from sfpipe.game.batched import BatchedGame
from sfpipe.game.dynamics import ObservationIndex, select_index
from sfpipe.training.distributed import ALONE, Processes
from sfpipe.training.rollout_audio import RolloutAudioFeatures


@dataclass(frozen=True)
class Rollout:
    """T steps of N games [shape=(T, N) each], and the value of the states after them.

    Attributes
    ----------
    index:
        Where the observations lie in the bank.
    action:
        int64, 0/1/2 for -1/0/+1 px/frame.
    logits, log_prob, value:
        float32, of the acting policy; logits [shape=(T, N, 3)].
    reward, terminated:
        float32, bool: of the step; `terminated` if it ended its game.
    last_value:
        float32 [shape=(N,)].
    """

    index: ObservationIndex
    action: torch.Tensor
    logits: torch.Tensor
    log_prob: torch.Tensor
    value: torch.Tensor
    reward: torch.Tensor
    terminated: torch.Tensor
    last_value: torch.Tensor

    def flat_index(self) -> ObservationIndex:
        """The indices as [shape=(T N,)]."""
        return ObservationIndex(*(field.flatten() for field in self.index))

    def answers(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [shape=(T N, 3)] and values [shape=(T N,)]."""
        return self.logits.flatten(0, 1), self.value.flatten()


def collect(
    game: BatchedGame,
    actor: Actor,
    num_steps: int,
    *,
    frame_skip: int = 1,
    graph: bool = False,
    processes: Processes = ALONE,
) -> Rollout:
    """Play `num_steps` steps of all games with actions drawn from the policy (dropout off).

    Parameters
    ----------
    frame_skip:
        Frames in a step, as of `dynamics.advance`.
    graph:
        Whether `logits`, `log_prob` and `value` can be differentiated: whoever takes one step per
        rollout then need not compute them again.
    processes:
        Among which the games are split.
    """
    actor.network.eval()
    n, own = game.n_games, processes.own(game.n_games)
    sound = RolloutAudioFeatures(actor, game.bank, own.stop - own.start, frame_skip)
    steps: list[tuple] = []
    for step in range(num_steps):
        at = game.observation_index()
        with torch.set_grad_enabled(graph):
            answers = sound.heads(select_index(at, own), num_steps + 1 - step)
            logits, value = processes.gather(n, *answers)
        action = actor.sample(logits.detach())
        log_prob = log_prob_of(logits, action)
        outcome = game.step(action - 1, frames=frame_skip)
        terminated = outcome.terminated
        steps.append((*at, action, logits, log_prob, value, outcome.reward, terminated))
    with torch.no_grad():
        last = sound.heads(select_index(game.observation_index(), own), 1)
        (last_value,) = processes.gather(n, last[1])
    *index, action, logits, log_prob, value, reward, terminated = (
        torch.stack(column) for column in zip(*steps, strict=True)
    )
    return Rollout(
        ObservationIndex(*index), action, logits, log_prob, value, reward, terminated, last_value
    )


def log_prob_of(logits: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Log-probability of each action, float32 [shape=(n,)]."""
    return logits.log_softmax(1).gather(1, action[:, None]).squeeze(1)


def entropy_of(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of each policy in nats, float32 [shape=(n,)]."""
    log_prob = logits.log_softmax(1)
    return -(log_prob.exp() * log_prob).sum(1)


def mean_figures(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over some optimiser steps."""
    return {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}


def minibatches(
    n: int, size: int, generator: torch.Generator | None, device: torch.device
) -> Iterator[torch.Tensor]:
    """Indices 0..n-1 in batches of `size`, shuffled if a (CPU) generator is given."""
    if generator is None:
        order = torch.arange(n, device=device)
    else:
        order = torch.randperm(n, generator=generator).to(device)
    yield from order.split(size)
