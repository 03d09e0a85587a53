"""REINFORCE with baseline (section 3.2): returns of games played, one gradient step per batch."""

from __future__ import annotations

from typing import Any

import torch

from sfpipe.game import dynamics
from sfpipe.game.dynamics import ObservationIndex, select_index
from sfpipe.params import ReinforceParams
from sfpipe.training.player import PlayingLearner
from sfpipe.training.returns import known_returns, normalised
from sfpipe.training.rollout import entropy_of, log_prob_of, minibatches


class Reinforce(PlayingLearner):
    """Plays `num_envs` games to their ends (the paper: one), then descends once on all steps.

    With `num_steps` games go on from update to update instead. Whole games grow to more than a
    thousand frames as the agent learns, so that their updates become rare. No value takes the place
    of rewards to come, as in A2C: steps too near the end of the stretch are left out.
    """

    algo = "reinforce"
    params: ReinforceParams

    def learn(self) -> dict[str, Any]:
        """Play, and descend once on policy, value and entropy together."""
        if self.params.num_steps is not None:
            return self._learn_from_stretches(self.params.num_steps)
        return self._learn_from_whole_games()

    def _learn_from_stretches(self, num_steps: int) -> dict[str, Any]:
        p = self.params
        rollout = self.play(num_steps, graph=True)
        returns, known = known_returns(rollout.reward, rollout.terminated, p.gamma)
        return self.descend_on_rollout(rollout, returns, known)

    def _learn_from_whole_games(self) -> dict[str, Any]:
        p = self.params
        index, (action, reward, value, returns) = self._play_to_the_end()
        n = len(action)
        scaled = normalised(returns - value) if p.normalize_advantage else None
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, Any] = {"policy_loss": 0.0, "value_loss": 0.0, "entropy": 0.0}
        # The gradient of the mean over all steps, accumulated to bound memory.
        for which in minibatches(n, p.minibatch_size, None, self.bank.device):
            logits, values = self.forward(select_index(index, which))
            advantage = returns[which] - values.detach() if scaled is None else scaled[which]
            policy_loss = -(advantage * log_prob_of(logits, action[which])).sum() / n
            value_loss = (returns[which] - values).square().sum() / n
            entropy = entropy_of(logits).sum() / n
            (policy_loss + p.vf_coef * value_loss - self.ent_coef * entropy).backward()
            sums["policy_loss"] += policy_loss.detach()
            sums["value_loss"] += value_loss.detach()
            sums["entropy"] += entropy.detach()
        norm = self.apply_gradients()
        return {"frames": n, "reward": reward.mean(), "gradient_norm": norm, **sums}

    @torch.no_grad()
    def _play_to_the_end(self) -> tuple[ObservationIndex, list[torch.Tensor]]:
        """Indices; actions, rewards, values and returns of all steps of `num_envs` new games."""
        self.network.eval()
        bank, device = self.bank, self.bank.device
        state = dynamics.start(bank, self.game.sampler.sample(self.game.n_games))
        alive = torch.arange(self.game.n_games, device=device)
        steps: list[tuple] = []
        while len(alive):
            at = dynamics.observation_index(bank, state)
            logits, value = self.forward(at)
            action = self.actor.sample(logits)
            change, threshold_px = (action - 1).to(torch.float64), self.game.window.threshold_px
            state, out = dynamics.advance(bank, state, change, threshold_px, self.frame_skip)
            steps.append((alive, *at, action, value, out.reward))
            going = ~(out.terminated)
            alive, state = alive[going], dynamics.select(state, going)
        running = torch.zeros(self.game.n_games, device=device)
        returns: list[torch.Tensor] = []
        for which, *_, reward in reversed(steps):
            running[which] = reward + self.params.gamma * running[which]
            returns.append(running[which])
        columns = [torch.cat(c) for c in zip(*(step[1:] for step in steps), strict=True)]
        action, value, reward = columns[4:]
        return ObservationIndex(*columns[:4]), [action, reward, value, torch.cat(returns[::-1])]
