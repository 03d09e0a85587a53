"""Advantage actor-critic (A2C; section 3.3): n-step returns, one gradient step per rollout."""

from __future__ import annotations

from typing import Any

from sfpipe.agents.learner import Learner
from sfpipe.agents.returns import n_step_returns
from sfpipe.agents.rollout import collect, entropy_of, log_prob_of


class A2C(Learner):
    """Synchronous actor-critic: t_max steps of all games, then one update on all of them."""

    def update(self) -> dict[str, Any]:
        """Play one rollout and descend once on policy, value and entropy together."""
        s = self.schedule
        rollout = collect(self.game, self.actor, s.t_max)
        returns = n_step_returns(rollout.reward, rollout.over, rollout.last_value, s.gamma)
        advantages = (returns - rollout.value).flatten()

        logits, values = self.actor.forward(self.actor.look(self.bank, rollout.flat_view()))
        policy_loss = -(advantages * log_prob_of(logits, rollout.action.flatten())).mean()
        value_loss = (returns.flatten() - values).square().mean()
        entropy = entropy_of(logits).mean()
        norm = self._descend(policy_loss + s.value_loss * value_loss - s.entropy * entropy)

        self.frames += advantages.numel()
        return {
            "frames": advantages.numel(),
            "reward": rollout.reward.mean(),
            "policy_loss": policy_loss.detach(),
            "value_loss": value_loss.detach(),
            "entropy": entropy.detach(),
            "gradient_norm": norm,
        }
