"""Rollouts: what happened in T steps of N games, kept as integers and gathered again on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from sfpipe.agents.policy import Actor
from sfpipe.game.batched import BatchedGame
from sfpipe.game.dynamics import ObservationIndex
from sfpipe.training.rollout_audio import RolloutAudioFeatures


@dataclass(frozen=True)
class Rollout:
    """T steps of N games [shape=(T, N) each], and the value of the states after them.

    Attributes
    ----------
    view:
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

    view: ObservationIndex
    action: torch.Tensor
    logits: torch.Tensor
    log_prob: torch.Tensor
    value: torch.Tensor
    reward: torch.Tensor
    terminated: torch.Tensor
    last_value: torch.Tensor

    def flat_view(self) -> ObservationIndex:
        """The views as [shape=(T N,)]."""
        return ObservationIndex(*(field.flatten() for field in self.view))

    def answers(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [shape=(T N, 3)] and values [shape=(T N,)]."""
        return self.logits.flatten(0, 1), self.value.flatten()


def collect(game: BatchedGame, actor: Actor, t_max: int, *, graph: bool = False) -> Rollout:
    """Play `t_max` steps of all games with actions drawn from the policy (dropout off).

    Parameters
    ----------
    graph:
        Whether `logits`, `log_prob` and `value` can be differentiated: whoever takes one step per
        rollout then need not compute them again.
    """
    actor.network.eval()
    sound = RolloutAudioFeatures(actor, game.bank, game.n_games)
    steps: list[tuple] = []
    for step in range(t_max):
        at = game.observation_index()
        with torch.set_grad_enabled(graph):
            logits, value = sound.heads(at, t_max + 1 - step)
        action = actor.sample(logits.detach())
        log_prob = log_prob_of(logits, action)
        outcome = game.step(action - 1)
        terminated = outcome.terminated
        steps.append((*at, action, logits, log_prob, value, outcome.reward, terminated))
    with torch.no_grad():
        last_value = sound.heads(game.observation_index(), 1)[1]
    *seen, action, logits, log_prob, value, reward, terminated = (
        torch.stack(column) for column in zip(*steps, strict=True)
    )
    return Rollout(
        ObservationIndex(*seen), action, logits, log_prob, value, reward, terminated, last_value
    )


def log_prob_of(logits: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Log-probability of each action, float32 [shape=(n,)]."""
    return logits.log_softmax(1).gather(1, action[:, None]).squeeze(1)


def entropy_of(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of each policy in nats, float32 [shape=(n,)]."""
    log_prob = logits.log_softmax(1)
    return -(log_prob.exp() * log_prob).sum(1)


def minibatches(
    n: int, size: int, generator: torch.Generator | None, device: torch.device
) -> Iterator[torch.Tensor]:
    """Indices 0..n-1 in batches of `size`, shuffled if a (CPU) generator is given."""
    if generator is None:
        order = torch.arange(n, device=device)
    else:
        order = torch.randperm(n, generator=generator).to(device)
    yield from order.split(size)
