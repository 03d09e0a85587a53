"""Proximal policy optimisation (PPO; section 3.4): clipped ratio, generalised advantages."""

from __future__ import annotations

from typing import Any

import torch

from sfpipe.game.dynamics import select_index
from sfpipe.training.learner import Learner
from sfpipe.training.returns import generalised_advantages, normalised
from sfpipe.training.rollout import collect, entropy_of, log_prob_of, minibatches


class PPO(Learner):
    """t_max steps of all games, then `ppo.epochs` passes over them in minibatches."""

    def _localise_loss(self) -> float:
        return self.schedule.ppo.localise_loss

    def update(self) -> dict[str, Any]:
        """Play one rollout and descend on every minibatch of it."""
        s = self.schedule
        # A first minibatch of the whole rollout is descended on by the weights that played it:
        # what they computed while playing is not computed again.
        at_once = s.ppo.batch >= s.n_games * s.t_max and self.localiser is None
        rollout = collect(self.game, self.actor, s.t_max, graph=at_once)
        played, value = rollout.answers(), rollout.value.detach()
        advantages = generalised_advantages(
            rollout.reward, value, rollout.terminated, rollout.last_value, s.gamma, s.gae_lambda
        )
        returns = (advantages + value).flatten()
        advantages = normalised(advantages).flatten()
        view, action, before = (
            rollout.flat_view(),
            rollout.action.flatten(),
            rollout.log_prob.detach().flatten(),
        )
        sums: dict[str, Any] = {}
        n_batches = 0
        for _ in range(s.ppo.epochs):
            for which in minibatches(len(action), s.ppo.batch, self.shuffle, self.bank.device):
                seen = select_index(view, which)
                if at_once and not n_batches:
                    logits, values = (answer[which] for answer in played)
                else:
                    embedding = self.actor.embed(self.actor.observe(self.bank, seen))
                    with self.actor.arithmetic():
                        logits, values = self.network.heads(embedding)
                ratio = (log_prob_of(logits, action[which]) - before[which]).exp()
                policy_loss = clipped_loss(ratio, advantages[which], s.ppo.clip)
                # Halved here and by `value_loss` (Table 5 says 0.5), as in the reference.
                value_loss = 0.5 * (returns[which] - values).square().mean()
                entropy = entropy_of(logits).mean()
                loss = policy_loss + s.value_loss * value_loss - s.entropy * entropy
                aids = {}
                if self.localiser is not None:
                    with self.actor.arithmetic():
                        aids["localise_loss"] = self.localiser.loss(embedding, seen)
                    loss = loss + s.ppo.localise_loss * aids["localise_loss"]
                norm = self._descend(loss)
                figures = {
                    **{name: aid.detach() for name, aid in aids.items()},
                    "policy_loss": policy_loss.detach(),
                    "value_loss": value_loss.detach(),
                    "entropy": entropy.detach(),
                    "ratio": ratio.detach().mean(),
                    "clipped": ((ratio - 1).abs() > s.ppo.clip).float().mean(),
                    "gradient_norm": norm,
                }
                sums = {k: sums.get(k, 0) + v for k, v in figures.items()}
                n_batches += 1
        self.frames += len(action)
        means = {k: v / n_batches for k, v in sums.items()}
        return {"frames": len(action), "reward": rollout.reward.mean(), **means}


def clipped_loss(ratio: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    """The clipped surrogate objective, negated: scalar."""
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()
