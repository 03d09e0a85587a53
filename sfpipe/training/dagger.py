"""Imitation of the expert on the agent's own states (DAgger; Ross et al. 2011).

At every visited state the game knows the target's future, so the expert can say what each
action would cost, whatever the agent did. The policy learns the distribution softmax(-cost /
temperature). Training may begin with random states of all games, to form features; then states
come from a mixture of expert and agent whose expert share, beta, falls to zero.

Where the agent cannot tell what the expert would do, imitation teaches it to hesitate: to draw
from all that might be right. On its own states it therefore also minimises its expected cost,
the sum over actions of probability times extra cost (cost-sensitive imitation; Ross and Bagnell
2014), which is least for the one action that costs least on average.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from sfpipe.game import dynamics
from sfpipe.game.dynamics import ObservationIndex, select_index
from sfpipe.game.players import Expert
from sfpipe.params import DaggerParams
from sfpipe.training.auxiliary.transcription import TranscriptionHead
from sfpipe.training.player import PlayingLearner
from sfpipe.training.returns import n_step_returns
from sfpipe.training.rollout import mean_figures, minibatches
from sfpipe.training.rollout_audio import RolloutAudioFeatures


class LabelledStates(NamedTuple):
    """n states with the expert's costs of each action; `returns` if they were played."""

    at: ObservationIndex
    cost: torch.Tensor
    returns: torch.Tensor | None
    figures: dict[str, Any]


class Dagger(PlayingLearner):
    """num_steps steps of all games, labelled by the expert, then cross-entropy in minibatches."""

    algo = "dagger"
    params: DaggerParams

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.expert = Expert(self.bank, self.params.horizon)
        self.transcription: TranscriptionHead | None = None
        if self.params.transcription_coef:
            self.transcription = TranscriptionHead(self.bank, *self.network.branch_widths)
            self.train_beside(transcription=self.transcription)

    @property
    def beta(self) -> float:
        """Probability that the expert, not the agent, acts in the next rollout."""
        return max(0.0, 1 - self.frames / max(self.params.beta_frames, 1))

    def learn(self) -> dict[str, Any]:
        """Play one rollout, label it, and descend on every minibatch of it."""
        p = self.params
        random_states = self.progress < p.random_state_share
        at, cost, returns, known = self._draw() if random_states else self._play()
        labels = (-cost / p.temperature).softmax(1)
        extra_cost = (cost - cost.amin(1, keepdim=True)) / p.horizon
        # Random states form features; a policy that has none yet must not settle on an action.
        cost_coef = 0.0 if random_states else p.expected_cost_coef
        self.network.train()  # dropout is on: this is supervised learning
        steps = []
        for which in minibatches(len(cost), p.minibatch_size, self.generator, self.bank.device):
            here = select_index(at, which)
            own = self.own(here)
            features = self.actor.features(self.actor.observe(self.bank, own))
            with self.actor.arithmetic():
                embedding = self.network.join(*features)
                answers = self.network.heads(embedding)
            logits, values = self.processes.gather(len(which), *answers)
            # Cross-entropy minus the labels' own entropy: 0 when the policy equals the labels.
            policy_loss = F.kl_div(logits.log_softmax(1), labels[which], reduction="batchmean")
            value_loss = 0 * values.sum()  # random states are not played on: they have no returns
            if returns is not None:
                value_loss = (returns[which] - values).square().mean()
            expected_cost = (logits.softmax(1) * extra_cost[which]).sum(1).mean()
            auxiliary_loss, figures = self._auxiliary_losses(features, embedding, own)
            loss = policy_loss + cost_coef * expected_cost + p.vf_coef * value_loss
            norm = self.descend(loss + auxiliary_loss)
            steps.append(
                figures
                | {
                    "expected_cost": expected_cost.detach(),
                    "policy_loss": policy_loss.detach(),
                    "value_loss": value_loss.detach(),
                    "gradient_norm": norm,
                }
            )
        return {"frames": len(cost), **known, **mean_figures(steps)}

    def _auxiliary_losses(
        self,
        features: tuple[torch.Tensor, torch.Tensor],
        embedding: torch.Tensor,
        index: ObservationIndex,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Their weighted sum, and each for itself."""
        total, figures = torch.zeros((), device=embedding.device), {}
        with self.actor.arithmetic():
            if self.transcription is not None:
                loss = self.transcription.loss(*features, index)
                loss = self.processes.mean(loss, len(embedding))
                total = total + self.params.transcription_coef * loss
                figures["transcription_loss"] = loss.detach()
            if self.localisation is not None:
                loss = self.localisation.loss(embedding, index)
                loss = self.processes.mean(loss, len(embedding))
                total = total + self.params.localisation_coef * loss
                figures["localisation_loss"] = loss.detach()
        return total, figures

    @torch.no_grad()
    def _draw(self) -> LabelledStates:
        """States drawn anywhere in any game; nothing is played.

        A third cheaper than playing, and no two states of a batch are neighbours: features form
        sooner. The agent's own states must follow, since it never meets these in play.
        """
        game, threshold = self.game, self.game.window.threshold_px
        drawn = game.sampler.sample(self.params.num_envs * self.params.num_steps)
        state = dynamics.scatter(self.bank, drawn, self.actor.generator, threshold)
        cost = self.expert.costs(state).to(torch.float32)
        error = state.position - dynamics.target(self.bank, state.performance, state.frame)
        figures = {"reward": 1 - error.abs().mean() / threshold, "beta": 1.0}
        return LabelledStates(dynamics.observation_index(self.bank, state), cost, None, figures)

    @torch.no_grad()
    def _play(self) -> LabelledStates:
        """One rollout of all games, by a mixture of expert and agent."""
        self.network.eval()
        p, game, beta = self.params, self.game, self.beta
        self._restart_some()
        n, own = game.n_games, self.processes.own(game.n_games)
        audio = RolloutAudioFeatures(self.actor, game.bank, own.stop - own.start)
        steps: list[tuple] = []
        for step in range(p.num_steps):
            index = game.observation_index()
            answers = audio.heads(self.own(index), p.num_steps + 1 - step)
            (logits,) = self.processes.gather(n, answers[0])
            cost = self.expert.costs(game.state)
            action, best = self.actor.sample(logits), cost.argmin(1)
            agree = logits.argmax(1) == best
            if beta > 0:
                dice = torch.rand(len(action), generator=self.actor.generator, device=action.device)
                action = torch.where(dice < beta, best, action)
            out = game.step(action - 1)
            steps.append((*index, cost.to(torch.float32), out.reward, out.terminated, agree))
        (last_value,) = self.processes.gather(
            n, audio.heads(self.own(game.observation_index()), 1)[1]
        )
        *fields, cost, reward, terminated, agree = (
            torch.stack(column) for column in zip(*steps, strict=True)
        )
        returns = n_step_returns(reward, terminated, last_value, p.gamma)
        return LabelledStates(
            ObservationIndex(*(field.flatten() for field in fields)),
            cost.flatten(0, 1),
            returns.flatten(),
            {"reward": reward.mean(), "beta": beta, "agreement": agree.float().mean()},
        )

    def _restart_some(self) -> None:
        """Move some games to random states: those of one batch are then less alike."""
        game, generator = self.game, self.actor.generator
        dice = torch.rand(game.n_games, generator=generator, device=self.bank.device)
        which = (dice < self.params.random_start).nonzero().squeeze(1)
        if len(which):
            drawn = game.sampler.sample(len(which))
            states = dynamics.scatter(self.bank, drawn, generator, game.window.threshold_px)
            game.put(which, states)
