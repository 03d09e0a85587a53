"""Proximal policy optimisation (PPO; section 3.4): clipped ratio, generalised advantages."""

from __future__ import annotations

from typing import Any

import torch

from sfpipe.game.dynamics import select_index
from sfpipe.params import PPOParams
from sfpipe.training.player import PlayingLearner
from sfpipe.training.returns import generalised_advantages, normalised
from sfpipe.training.rollout import entropy_of, log_prob_of, mean_figures, minibatches


class PPO(PlayingLearner):
    """num_steps steps of all games, then `update_epochs` passes over them in minibatches."""

    algo = "ppo"
    params: PPOParams

    def learn(self) -> dict[str, Any]:
        """Play one rollout and descend on every minibatch of it."""
        p = self.params
        # A first minibatch of the whole rollout is descended on by the weights that played it:
        # what they computed while playing is not computed again.
        at_once = p.minibatch_size >= p.num_envs * p.num_steps and self.localisation is None
        rollout = self.play(p.num_steps, graph=at_once)
        played, value = rollout.answers(), rollout.value.detach()
        advantages = generalised_advantages(
            rollout.reward, value, rollout.terminated, rollout.last_value, p.gamma, p.gae_lambda
        )
        returns = (advantages + value).flatten()
        advantages = (normalised(advantages) if p.normalize_advantage else advantages).flatten()
        index, action = rollout.flat_index(), rollout.action.flatten()
        old_log_prob = rollout.log_prob.detach().flatten()
        steps: list[dict[str, Any]] = []
        for _ in range(p.update_epochs):
            for which in minibatches(
                len(action), p.minibatch_size, self.generator, self.bank.device
            ):
                here = select_index(index, which)
                if at_once and not steps:
                    logits, values = (answer[which] for answer in played)
                else:
                    own = self.own(here)
                    embedding = self.actor.embed(self.actor.observe(self.bank, own))
                    with self.actor.arithmetic():
                        answers = self.network.heads(embedding)
                    logits, values = self.processes.gather(len(which), *answers)
                ratio = (log_prob_of(logits, action[which]) - old_log_prob[which]).exp()
                policy_loss = clipped_loss(ratio, advantages[which], p.clip_coef)
                # Halved here and by `vf_coef` (Table 5 says 0.5), as in the reference.
                value_loss = 0.5 * (returns[which] - values).square().mean()
                entropy = entropy_of(logits).mean()
                loss = policy_loss + p.vf_coef * value_loss - self.ent_coef * entropy
                figures = {}
                if self.localisation is not None:
                    with self.actor.arithmetic():
                        localisation_loss = self.localisation.loss(embedding, own)
                    localisation_loss = self.processes.mean(localisation_loss, len(own.frame))
                    loss = loss + p.localisation_coef * localisation_loss
                    figures["localisation_loss"] = localisation_loss.detach()
                norm = self.descend(loss)
                steps.append(
                    figures
                    | {
                        "policy_loss": policy_loss.detach(),
                        "value_loss": value_loss.detach(),
                        "entropy": entropy.detach(),
                        "ratio": ratio.detach().mean(),
                        "clipped": ((ratio - 1).abs() > p.clip_coef).float().mean(),
                        "gradient_norm": norm,
                    }
                )
        return {"frames": len(action), "reward": rollout.reward.mean(), **mean_figures(steps)}


def clipped_loss(ratio: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    """The clipped surrogate objective, negated: scalar."""
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()
