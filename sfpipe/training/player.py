"""What the learners that play have in common: games, an actor, validation by playing."""

from __future__ import annotations

from typing import Any

import torch

from sfpipe.agents.cached_policy import playing
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game.batched import BatchedGame
from sfpipe.game.dynamics import ObservationIndex, select_index
from sfpipe.game.play import mean_error, play_games, share_of_onsets
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank
from sfpipe.training.auxiliary.localisation import LocalisationHead
from sfpipe.training.distributed import ALONE, Processes
from sfpipe.training.learner import Figures, Learner, closer
from sfpipe.training.returns import normalised
from sfpipe.training.rollout import Rollout, collect, entropy_of


class PlayingLearner(Learner[ActorCritic]):
    """A learner of an actor-critic.

    Parameters
    ----------
    network:
        Trained in place.
    bank, valid_bank:
        Performances to train on, and to choose weights and stop by.
    params:
        Of all algorithms; a learner reads its own section, and `common`.
    phase:
        Number of the phase, from which another seed is made.
    bfloat16:
        Forward and backward convolutions in bfloat16.
    processes:
        Among which the work is split.
    """

    algo: str

    def __init__(
        self,
        network: ActorCritic,
        bank: Bank,
        valid_bank: Bank,
        params: TrainParams,
        *,
        seed: int,
        phase: int = 0,
        bfloat16: bool = False,
        processes: Processes = ALONE,
    ):
        self.params = getattr(params, self.algo)
        self.common, self.bank, self.valid_bank = params.common, bank, valid_bank
        self.seed, self.bfloat16 = seed, bfloat16  # validation is the same in all phases
        seed += 1000 * phase
        p = self.params
        rates = p.learning_rate, getattr(p, "final_learning_rate", None) or p.learning_rate
        super().__init__(
            network,
            seed=seed,
            device=bank.device,
            learning_rate=rates,
            max_grad_norm=p.max_grad_norm,
            warmup_steps=getattr(p, "warmup_steps", 0),
            average_span=self.common.average_frames,
            processes=processes,
        )
        self.max_frames = p.max_frames
        self.evaluate_every = getattr(p, "evaluate_every", None) or self.common.evaluate_every
        self.keep = self.common.keep
        self.game = BatchedGame(
            bank, bank.window, getattr(p, "num_envs", 1), seed, getattr(p, "start_inside", 0.0)
        )
        generator = torch.Generator(bank.device).manual_seed(seed + 1)
        self.actor = Actor(network, generator, bfloat16)
        self.localisation: LocalisationHead | None = None
        if getattr(p, "localisation_coef", 0):
            self.localisation = LocalisationHead(bank, network.width)
            self.train_beside(localisation=self.localisation)

    @property
    def ent_coef(self) -> float:
        """Weight of the entropy of a policy gradient's policy now: it decays linearly."""
        first, last = self.params.ent_coef, self.params.final_ent_coef
        return first if last is None else first + (last - first) * self.progress

    @property
    def frame_skip(self) -> int:
        """Frames that an action lasts now."""
        return self.params.frame_skip if self.progress < self.params.frame_skip_share else 1

    def own(self, at: ObservationIndex) -> ObservationIndex:
        """Those of some states whose observations this process computes on."""
        return select_index(at, self.processes.own(len(at.frame)))

    def forward(self, at: ObservationIndex) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [shape=(n, 3)] and values [shape=(n,)] of states, from all processes."""
        answers = self.actor.forward(self.actor.observe(self.bank, self.own(at)))
        logits, values = self.processes.gather(len(at.frame), *answers)
        return logits, values

    def play(self, num_steps: int, *, graph: bool) -> Rollout:
        """`num_steps` decisions in each game, as `collect` plays them."""
        return collect(
            self.game,
            self.actor,
            num_steps,
            frame_skip=self.frame_skip,
            graph=graph,
            processes=self.processes,
        )

    def descend_on_rollout(
        self, rollout: Rollout, returns: torch.Tensor, known: torch.Tensor | None = None
    ) -> dict[str, Any]:
        """One optimiser step on policy, value and entropy together; returns its figures.

        Parameters
        ----------
        rollout:
            One that can be differentiated, played by the present weights.
        returns:
            float32 [shape=(T, N)].
        known:
            Bool [shape=(T, N)], the steps to learn from; None: all.
        """
        p = self.params
        which = torch.ones_like(rollout.terminated) if known is None else known
        errors = (returns - rollout.value)[which]
        advantages = errors.detach()
        if p.normalize_advantage:
            advantages = normalised(advantages)
        policy_loss = -(advantages * rollout.log_prob[which]).mean()
        value_loss = errors.square().mean()
        entropy = entropy_of(rollout.logits[which]).mean()
        norm = self.descend(policy_loss + p.vf_coef * value_loss - self.ent_coef * entropy)
        return {
            "frames": returns.numel(),
            "reward": rollout.reward.mean(),
            "policy_loss": policy_loss.detach(),
            "value_loss": value_loss.detach(),
            "entropy": entropy.detach(),
            "gradient_norm": norm,
        }

    def validate(self) -> Figures:
        """R_on and mean error of the stochastic policy on validation, the same draws every time."""
        generator = torch.Generator(self.valid_bank.device).manual_seed(self.seed + 77)
        player = playing(Actor(self.evaluated, generator, self.bfloat16), self.valid_bank)
        games = play_games(
            self.valid_bank,
            player,
            trials=self.common.validation_trials,
            performances=self._validation_set(),
        )
        return {"r_on": share_of_onsets(games), "error_px": mean_error(games)}

    def better(self, figures: Figures, best: Figures) -> bool:
        """As `closer`."""
        return closer(figures, best)

    def note(self, figures: Figures) -> str:
        """The mean reward per frame."""
        return f"reward {figures['reward']:.3f}"

    def _validation_set(self) -> list[int] | None:
        n = self.common.validation_pieces
        if n is None or n >= len(self.valid_bank):
            return None
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randperm(len(self.valid_bank), generator=generator)[:n]
        return sorted(chosen.tolist())

    def state_dict(self) -> dict[str, Any]:
        """The games and the actor's generator too."""
        played = {"game": self.game.state_dict(), "actor": self.actor.generator.get_state()}
        return super().state_dict() | played

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken.

        On another kind of device actions are drawn from a fresh generator, seeded with the frames
        played: the states of a processor's and a GPU's generators are not exchangeable.
        """
        super().load_state_dict(saved)
        self.game.load_state_dict(saved["game"])
        generator, state = self.actor.generator, saved["actor"]
        if len(state) == len(generator.get_state()):
            generator.set_state(state)
        else:
            generator.manual_seed(generator.initial_seed() + saved["frames"])
