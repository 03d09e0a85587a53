"""Returns and advantages (section 3): what the learners learn from.

Conventions: arrays are float32 [shape=(T, N)], T steps of N games; `terminated[t]` says that step t
ended its game, so that nothing after it counts for it; `last_value` [shape=(N,)] is the value of
the states after step T - 1.
"""

from __future__ import annotations

import torch

from sfpipe.params.train import UNKNOWN_SHARE


def n_step_returns(
    rewards: torch.Tensor, terminated: torch.Tensor, last_value: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Discounted sums of rewards up to the end of the rollout, then the value (A2C).

    Returns
    -------
    torch.Tensor
        [shape=(T, N)]: G_t = r_t + gamma G_{t+1}, with G_{t+1} = 0 after the end of a game.
    """
    returns = torch.empty_like(rewards)
    running = last_value
    for t in range(len(rewards) - 1, -1, -1):
        running = rewards[t] + gamma * running * ~terminated[t]
        returns[t] = running
    return returns


def known_returns(
    rewards: torch.Tensor, terminated: torch.Tensor, gamma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Discounted sums of rewards up to the end of the game or of the rollout (REINFORCE).

    Returns
    -------
    tuple[torch.Tensor, torch.Tensor]
        [shape=(T, N)]: returns, and bool, which of them are known: the game ends within the
        rollout, or gamma ** (steps that are left) <= `UNKNOWN_SHARE`.
    """
    returns = n_step_returns(rewards, terminated, torch.zeros_like(rewards[0]), gamma)
    steps_left = torch.arange(len(rewards), 0, -1, device=rewards.device)
    ends_later = terminated.flip(0).cumsum(0).flip(0) > 0
    known = ends_later | (gamma**steps_left <= UNKNOWN_SHARE)[:, None]
    return returns, known


def generalised_advantages(
    rewards: torch.Tensor,
    values: torch.Tensor,
    terminated: torch.Tensor,
    last_value: torch.Tensor,
    gamma: float,
    lam: float,
) -> torch.Tensor:
    """Generalised advantage estimates (Schulman et al. 2016), used by PPO.

    Returns
    -------
    torch.Tensor
        [shape=(T, N)]: A_t = d_t + gamma lam A_{t+1}, d_t = r_t + gamma V_{t+1} - V_t, with
        A_{t+1} = V_{t+1} = 0 after the end of a game. lam = 1 gives n-step returns minus values.
    """
    advantages = torch.empty_like(rewards)
    running, following = torch.zeros_like(last_value), last_value
    for t in range(len(rewards) - 1, -1, -1):
        going = ~terminated[t]
        surprise = rewards[t] + gamma * following * going - values[t]
        running = surprise + gamma * lam * running * going
        advantages[t] = running
        following = values[t]
    return advantages


def normalised(advantages: torch.Tensor) -> torch.Tensor:
    """Advantages with mean 0 and standard deviation 1 over the whole batch."""
    return (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
