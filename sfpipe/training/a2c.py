"""Advantage actor-critic (A2C; section 3.3): n-step returns, one gradient step per rollout."""

from __future__ import annotations

from typing import Any

from sfpipe.params import A2CParams
from sfpipe.training.player import PlayingLearner
from sfpipe.training.returns import n_step_returns


class A2C(PlayingLearner):
    """Synchronous actor-critic: num_steps steps of all games, then one update on all of them."""

    algo = "a2c"
    params: A2CParams

    def learn(self) -> dict[str, Any]:
        """Play one rollout and descend once on policy, value and entropy together."""
        p = self.params
        # The weights are still those that played: what was computed while playing is descended on.
        rollout = self.play(p.num_steps, graph=True)
        returns = n_step_returns(rollout.reward, rollout.terminated, rollout.last_value, p.gamma)
        return self.descend_on_rollout(rollout, returns)
