"""Study: the first phase of an imitation, on passages, without playing.

The policy learns what the expert would do in every state of a crop, as under `dagger`; three
auxiliary losses teach both branches to read, to hear and to match: `TranscriptionHead`,
`ContrastiveHead` and `LocalisationHead`, dropped afterwards. The states are not those the agent
will meet, so that dagger, or a policy gradient, follows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.game.players import Expert
from sfpipe.params import Schedule
from sfpipe.store.bank import Bank, MemoryFormat
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.training.auxiliary.contrastive import ContrastiveHead
from sfpipe.training.auxiliary.localisation import LocalisationHead
from sfpipe.training.auxiliary.transcription import TranscriptionHead
from sfpipe.training.crops import CropSampler
from sfpipe.training.learner import Learner

# A state counts 1 / (|error| + this share of the threshold): games are played near the target.
_NEAR = 0.08


class Study(Learner):
    """Draws passages and descends on all their states at once."""

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
        s = schedule.study
        self.score = DenseBranch(network.score, network.channels, network.window.seen)
        self.sound = DenseBranch(network.spectrogram, network.channels, (BINS, EXCERPT))
        self.sampler = CropSampler(
            bank, self.score, self.sound, s.windows, s.excerpts, s.speed_spread
        )
        self.memory_format = MemoryFormat(channels_last=True, bfloat16=bfloat16)
        self.planner = Expert(bank, schedule.dagger.horizon)
        self.localiser = localiser = LocalisationHead(bank, network.width)
        self.place_loss = localiser.loss
        self.matcher = ContrastiveHead(self.score, self.sound, network.window).to(bank.device)
        self.reader = TranscriptionHead(bank, *network.branch_widths)
        for aid in self._aids().values():
            self.optimiser.add_param_group({"params": list(aid.parameters())})

    def _games(self) -> int:
        return 1  # that nobody plays

    def _rates(self) -> tuple[float, float]:
        return self.schedule.study.learning_rate, self.schedule.study.final_learning_rate

    def _aids(self) -> dict[str, nn.Module]:
        return super()._aids() | {"matcher": self.matcher, "reader": self.reader}

    def update(self) -> dict[str, Any]:
        """One step on `study.passages` passages; `frames` counts their states."""
        s, network = self.schedule.study, self.network
        passages = self.sampler.draw(s.passages, self.shuffle)
        which = passages.playable.nonzero().unbind(1)
        states = passages.states(which)
        network.train()
        with self.actor.arithmetic():
            seen = self.sampler.look(passages, self.memory_format)
            maps, heard = (
                self.score.maps(seen.score),
                self.sound.cut(self.sound.maps(seen.spectrogram)),
            )
            match_loss, distance = self.matcher.loss(maps, heard, passages)
            score, sound = self.score.dense(self.score.cut(maps)), self.sound.dense(heard)
            embedding = network.join_pairs(score, sound, which)
            logits, _ = network.heads(embedding)
            localise_loss = self.place_loss(
                embedding, dynamics.observation_index(self.bank, states)
            )
            read_loss = self.reader.passages_loss(score, sound, passages)
        cost = self.planner.costs(states).to(torch.float32)
        policy_loss, regret = self._judge(logits, cost, passages.error[which])
        # At first nothing is known that a choice could rest on.
        loss = policy_loss + self.progress * s.regret_loss * regret + s.match_loss * match_loss
        loss = loss + s.localise_loss * localise_loss + s.read_loss * read_loss
        norm = self._descend(loss)
        n = len(cost)
        self.frames += n
        threshold = self.bank.window.threshold_px
        return {
            "frames": n,
            "reward": 1 - passages.error[which].abs().mean() / threshold,
            "policy_loss": policy_loss.detach(),
            "regret": regret.detach(),
            "match_loss": match_loss.detach(),
            "match_px": distance,
            "localise_loss": localise_loss.detach(),
            "read_loss": read_loss.detach(),
            "agreement": (logits.argmax(1) == cost.argmin(1)).float().mean(),
            "gradient_norm": norm,
        }

    def _judge(
        self, logits: torch.Tensor, cost: torch.Tensor, error: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Divergence from the planner's soft labels, and expected regret in px."""
        d = self.schedule.dagger
        weight = 1 / (error.abs().to(torch.float32) + _NEAR * self.bank.window.threshold_px)
        weight = weight / weight.sum()
        labels = (-cost / d.temperature).softmax(1)
        divergence = F.kl_div(logits.log_softmax(1), labels, reduction="none").sum(1)
        regret = (cost - cost.amin(1, keepdim=True)) / d.horizon
        return (divergence * weight).sum(), ((logits.softmax(1) * regret).sum(1) * weight).sum()
