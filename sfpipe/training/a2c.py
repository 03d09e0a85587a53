"""Advantage actor-critic (A2C; section 3.3): n-step returns, one gradient step per rollout."""

from __future__ import annotations

from typing import Any

from sfpipe.params import A2CParams
from sfpipe.training.player import PlayingLearner
from sfpipe.training.returns import n_step_returns, normalised
from sfpipe.training.rollout import collect, entropy_of


class A2C(PlayingLearner):
    """Synchronous actor-critic: num_steps steps of all games, then one update on all of them."""

    algo = "a2c"
    params: A2CParams

    def learn(self) -> dict[str, Any]:
        """Play one rollout and descend once on policy, value and entropy together."""
        p = self.params
        # The weights are still those that played: what was computed while playing is descended on.
        rollout = collect(self.game, self.actor, p.num_steps, graph=True, processes=self.processes)
        returns = n_step_returns(rollout.reward, rollout.terminated, rollout.last_value, p.gamma)
        errors = returns - rollout.value
        advantages = errors.detach()
        if p.normalize_advantage:
            advantages = normalised(advantages)
        policy_loss = -(advantages * rollout.log_prob).mean()
        value_loss = errors.square().mean()
        entropy = entropy_of(rollout.logits.flatten(0, 1)).mean()
        norm = self.descend(policy_loss + p.vf_coef * value_loss - self.ent_coef * entropy)
        return {
            "frames": advantages.numel(),
            "reward": rollout.reward.mean(),
            "policy_loss": policy_loss.detach(),
            "value_loss": value_loss.detach(),
            "entropy": entropy.detach(),
            "gradient_norm": norm,
        }
