"""Imitation of the planner on the agent's own states (DAgger; Ross et al. 2011).

At every visited state the game knows the target's future, so the planner can say what each
action would cost, whatever the agent did. The policy learns the distribution softmax(-cost /
temperature). Training may begin with states scattered over all games, to form features; then
states come from a mixture of planner and agent whose planner share falls to zero.

Where the agent cannot tell what the planner would do, imitation teaches it to hesitate: to draw
from all that might be right. On its own states it therefore also minimises its expected regret,
the sum over actions of probability times extra cost (cost-sensitive imitation; Ross and Bagnell
2014), which is least for the one action that costs least on average.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.game.dynamics import ObservationIndex, select_index
from sfpipe.game.players import Expert
from sfpipe.params import Schedule
from sfpipe.store.bank import Bank
from sfpipe.training.auxiliary.transcription import TranscriptionHead
from sfpipe.training.learner import Learner
from sfpipe.training.returns import n_step_returns
from sfpipe.training.rollout import minibatches
from sfpipe.training.rollout_audio import RolloutAudioFeatures


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
        self.planner = Expert(bank, schedule.dagger.horizon)
        self.reader: TranscriptionHead | None = None
        if schedule.dagger.read_loss:
            self.reader = TranscriptionHead(bank, *network.branch_widths)
            self.optimiser.add_param_group({"params": list(self.reader.parameters())})

    def _games(self) -> int:
        return self.schedule.dagger.n_games

    def _rates(self) -> tuple[float, float]:
        return self.schedule.dagger.learning_rate, self.schedule.dagger.final_learning_rate

    def _warm_up(self) -> int:
        return self.schedule.dagger.warm_up

    def _localise_loss(self) -> float:
        return self.schedule.dagger.localise_loss

    def _aids(self) -> dict[str, nn.Module]:
        return super()._aids() | ({} if self.reader is None else {"reader": self.reader})

    @property
    def planner_share(self) -> float:
        """Probability that the planner, not the agent, acts in the next rollout."""
        return max(0.0, 1 - self.frames / max(self.schedule.dagger.mixture_frames, 1))

    def update(self) -> dict[str, Any]:
        """Play one rollout, label it, and descend on every minibatch of it."""
        s = self.schedule
        share = self.planner_share
        scattered = self.progress < s.dagger.scattered_share
        states = self._draw() if scattered else self._collect(share)
        view, cost, returns, reward, agreement = states
        n = len(cost)
        labels = (-cost / s.dagger.temperature).softmax(1)
        regret = (cost - cost.amin(1, keepdim=True)) / s.dagger.horizon
        # Scattered states form features; a policy that has none yet must not settle on an action.
        regret_weight = 0.0 if scattered else s.dagger.regret_loss
        self.network.train()  # dropout is on: this is supervised learning
        sums: dict[str, Any] = {}
        n_batches = 0
        for which in minibatches(n, s.dagger.batch, self.shuffle, self.bank.device):
            seen = select_index(view, which)
            features = self.actor.features(self.actor.observe(self.bank, seen))
            with self.actor.arithmetic():
                embedding = self.network.join(*features)
                logits, values = self.network.heads(embedding)
            # Cross-entropy minus the labels' own entropy: 0 when the policy equals the labels.
            policy_loss = F.kl_div(logits.log_softmax(1), labels[which], reduction="batchmean")
            # Scattered states are not played on, so they have no returns.
            value_loss = 0 * values.sum()
            if returns is not None:
                value_loss = (returns[which] - values).square().mean()
            expected_regret = (logits.softmax(1) * regret[which]).sum(1).mean()
            loss = policy_loss + regret_weight * expected_regret + s.dagger.value_loss * value_loss
            figures = {"regret": expected_regret.detach()}
            if self.reader is not None:
                with self.actor.arithmetic():
                    read_loss = self.reader.loss(*features, seen)
                loss = loss + s.dagger.read_loss * read_loss
                figures["read_loss"] = read_loss.detach()
            if self.localiser is not None:
                with self.actor.arithmetic():
                    localise_loss = self.localiser.loss(embedding, seen)
                loss = loss + s.dagger.localise_loss * localise_loss
                figures["localise_loss"] = localise_loss.detach()
            norm = self._descend(loss)
            figures |= {
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
            "planner_share": share,
            **({} if agreement is None else {"agreement": agreement}),
            **means,
        }

    def _scatter(self) -> None:
        """Move some games to random places: states of one batch are then less alike."""
        game, generator = self.game, self.actor.generator
        dice = torch.rand(game.n_games, generator=generator, device=self.bank.device)
        which = (dice < self.schedule.dagger.scatter).nonzero().squeeze(1)
        if len(which):
            drawn = game.sampler.draw(len(which))
            elsewhere = dynamics.scatter(self.bank, drawn, generator, game.window.threshold_px)
            game.put(which, elsewhere)

    @torch.no_grad()
    def _draw(self) -> tuple[ObservationIndex, torch.Tensor, None, Any, Any]:
        """As `_collect`, of states drawn anywhere in any game; nothing is played.

        A third cheaper than playing, and no two states of a batch are neighbours: features form
        sooner. The agent's own states must follow, since it never meets these in play.
        """
        s, game = self.schedule.dagger, self.game
        n = s.n_games * s.t_max
        state = dynamics.scatter(
            self.bank, game.sampler.draw(n), self.actor.generator, game.window.threshold_px
        )
        cost = self.planner.costs(state).to(torch.float32)
        error = state.position - dynamics.target(self.bank, state.performance, state.frame)
        reward = 1 - error.abs().mean() / game.window.threshold_px
        return dynamics.observation_index(self.bank, state), cost, None, reward, None

    @torch.no_grad()
    def _collect(
        self, share: float
    ) -> tuple[ObservationIndex, torch.Tensor, torch.Tensor, Any, Any]:
        """Views, costs, returns (flat), mean reward, share of agreeing first choices."""
        self.network.eval()
        s, game = self.schedule, self.game
        steps: list[tuple] = []
        self._scatter()
        sound = RolloutAudioFeatures(self.actor, game.bank, game.n_games)
        for step in range(s.dagger.t_max):
            at = game.observation_index()
            logits, _ = sound.heads(at, s.dagger.t_max + 1 - step)
            cost = self.planner.costs(game.state)
            action, planned = self.actor.sample(logits), cost.argmin(1)
            agree = logits.argmax(1) == planned
            if share > 0:
                dice = torch.rand(len(action), generator=self.actor.generator, device=action.device)
                action = torch.where(dice < share, planned, action)
            out = game.step(action - 1)
            steps.append((*at, cost.to(torch.float32), out.reward, out.terminated, agree))
        last_value = sound.heads(game.observation_index(), 1)[1]
        columns = [torch.stack(c) for c in zip(*steps, strict=True)]
        returns = n_step_returns(columns[5], columns[6], last_value, s.gamma)
        return (
            ObservationIndex(*(c.flatten() for c in columns[:4])),
            columns[4].flatten(0, 1),
            returns.flatten(),
            columns[5].mean(),
            columns[7].float().mean(),
        )
