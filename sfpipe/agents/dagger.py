"""Imitation of the planner on the agent's own states (DAgger; Ross et al. 2011).

At every visited state the game knows the target's future, so the planner can say what each
action would cost, whatever the agent did. The policy learns the distribution softmax(-cost /
temperature). States come from a mixture of planner and agent whose planner share falls to zero.
"""

from __future__ import annotations

from typing import Any

import torch

from sfpipe.agents.learner import Learner
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.returns import n_step_returns
from sfpipe.agents.rollout import minibatches, observe_at
from sfpipe.game import dynamics
from sfpipe.game.dynamics import View
from sfpipe.game.players import Planner
from sfpipe.params import Schedule
from sfpipe.store.bank import Bank


class Dagger(Learner):
    """t_max steps of all games, labelled by the planner, then cross-entropy in minibatches."""

    def __init__(
        self,
        network: ActorCritic,
        bank: Bank,
        schedule: Schedule,
        *,
        seed: int,
        bfloat16: bool = False,
    ):
        super().__init__(network, bank, schedule, seed=seed, bfloat16=bfloat16)
        self.planner = Planner(bank, schedule.dagger.horizon)

    def _games(self) -> int:
        return self.schedule.dagger.n_games

    def _learning_rate(self) -> float:
        return self.schedule.dagger.learning_rate

    @property
    def planner_share(self) -> float:
        """Probability that the planner, not the agent, acts in the next rollout."""
        return max(0.0, 1 - self.frames / max(self.schedule.dagger.mixture_frames, 1))

    def update(self) -> dict[str, Any]:
        """Play one rollout, label it, and descend on every minibatch of it."""
        s = self.schedule
        share = self.planner_share
        view, labels, returns, reward, agreement = self._collect(share)
        n = len(labels)
        self.network.train()  # dropout is on: this is supervised learning
        sums: dict[str, Any] = {}
        n_batches = 0
        for which in minibatches(n, s.dagger.batch, self.shuffle, self.bank.device):
            logits, values = self.actor.forward(observe_at(self.bank, view, which))
            policy_loss = -(labels[which] * logits.log_softmax(1)).sum(1).mean()
            value_loss = (returns[which] - values).square().mean()
            norm = self._descend(policy_loss + s.dagger.value_loss * value_loss)
            figures = {
                "policy_loss": policy_loss.detach(),
                "value_loss": value_loss.detach(),
                "gradient_norm": norm,
            }
            sums = {k: sums.get(k, 0) + v for k, v in figures.items()}
            n_batches += 1
        self.frames += n
        means = {k: v / n_batches for k, v in sums.items()}
        return {
            "frames": n,
            "reward": reward,
            "agreement": agreement,
            "planner_share": share,
            **means,
        }

    @torch.no_grad()
    def _collect(self, share: float) -> tuple[View, torch.Tensor, torch.Tensor, Any, Any]:
        """Views, labels, returns (flat), mean reward, share of states where both would agree."""
        self.network.eval()
        s, game = self.schedule, self.game
        steps: list[tuple] = []
        for _ in range(s.t_max):
            at = game.view()
            logits, _ = self.actor.forward(dynamics.observe(game.bank, at))
            cost = self.planner.costs(game.state)
            labels = (-cost / s.dagger.temperature).softmax(1).to(torch.float32)
            action, planned = self.actor.draw(logits), cost.argmin(1)
            agree = logits.argmax(1) == planned
            if share > 0:
                dice = torch.rand(len(action), generator=self.actor.generator, device=action.device)
                action = torch.where(dice < share, planned, action)
            out = game.step(action - 1)
            steps.append((*at, labels, out.reward, out.lost | out.finished, agree))
        last_value = self.actor.forward(game.observe())[1]
        columns = [torch.stack(c) for c in zip(*steps, strict=True)]
        returns = n_step_returns(columns[5], columns[6], last_value, s.gamma)
        return (
            View(*(c.flatten() for c in columns[:4])),
            columns[4].flatten(0, 1),
            returns.flatten(),
            columns[5].mean(),
            columns[7].float().mean(),
        )
