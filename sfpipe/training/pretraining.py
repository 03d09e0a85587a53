"""Pretraining: the first phase of an imitation, on crops, without playing.

The policy learns what the expert would do in every state of a crop, as under `dagger`; three
auxiliary losses train both branches to find notes and to match: `TranscriptionHead`,
`ContrastiveHead` and `LocalisationHead`, dropped afterwards. The states are not those the agent
will meet, so that dagger, or a policy gradient, follows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.game.players import Expert
from sfpipe.params import PretrainingParams, TrainParams
from sfpipe.store.bank import Bank, MemoryFormat
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.training.auxiliary.contrastive import ContrastiveHead
from sfpipe.training.auxiliary.localisation import LocalisationHead
from sfpipe.training.auxiliary.transcription import TranscriptionHead
from sfpipe.training.crops import Crops, StateCropCutter
from sfpipe.training.learner import Figures
from sfpipe.training.player import PlayingLearner

# A state counts 1 / (|error| + this share of the threshold): games are played near the target.
_NEAR = 0.08


class Pretraining(PlayingLearner):
    """Draws crops and descends on all their states at once; hands on its last weights."""

    algo = "pretraining"
    params: PretrainingParams
    unit = "states"

    def __init__(
        self,
        network: ActorCritic,
        bank: Bank,
        valid_bank: Bank,
        params: TrainParams,
        **options: Any,
    ):
        super().__init__(network, bank, valid_bank, params, **options)
        p = self.params
        self.processes.require_work(p.crops, "train.pretraining.crops")
        self.average_span, self.average = 0, None
        self.score = DenseBranch(network.score, network.channels, network.window.image_shape)
        self.sound = DenseBranch(network.spectrogram, network.channels, (BINS, EXCERPT))
        self.sampler = StateCropCutter(
            bank, self.score, self.sound, p.windows, p.excerpts, p.speed_spread
        )
        self.memory_format = MemoryFormat(channels_last=True, bfloat16=self.bfloat16)
        self.horizon, self.temperature = params.dagger.horizon, params.dagger.temperature
        self.expert = Expert(bank, self.horizon)
        if self.localisation is None:
            self.localisation = LocalisationHead(bank, network.width)
            self.train_beside(localisation=self.localisation)
        self.contrastive = ContrastiveHead(self.score, self.sound, network.window).to(bank.device)
        self.transcription = TranscriptionHead(bank, *network.branch_widths)
        self.train_beside(contrastive=self.contrastive, transcription=self.transcription)

    def better(self, figures: Figures, best: Figures) -> bool:
        """Always: how it plays says little about what it knows, so the last weights are kept."""
        return True

    def learn(self) -> dict[str, Any]:
        """One step on `crops` crops; `frames` counts their states."""
        p, network = self.params, self.network
        crops = self.sampler.sample(p.crops, self.generator)
        own = self.processes.own(p.crops)
        crops = Crops(*(field[own] for field in crops))
        which = crops.playable.nonzero().unbind(1)
        states = crops.states(which)
        network.train()
        with self.actor.arithmetic():
            images = self.sampler.observe(crops, self.memory_format)
            maps = self.score.maps(images.score)
            cut = self.sound.cut(self.sound.maps(images.spectrogram))
            contrastive_loss, distance = self.contrastive.loss(maps, cut, crops, self.processes)
            score, sound = self.score.dense(self.score.cut(maps)), self.sound.dense(cut)
            embedding = network.join_pairs(score, sound, which)
            logits, _ = network.heads(embedding)
            assert self.localisation is not None
            index = dynamics.observation_index(self.bank, states)
            localisation_loss = self.localisation.loss(embedding, index)
            transcription_loss = self.transcription.crops_loss(score, sound, crops)
        cost = self.expert.costs(states).to(torch.float32)
        mean = self.processes.mean
        localisation_loss = mean(localisation_loss, len(cost))
        transcription_loss = mean(transcription_loss, own.stop - own.start)
        policy_loss, expected_cost = self._policy_losses(logits, cost, crops.error[which])
        loss = (
            policy_loss
            # At first nothing is known that a choice could rest on.
            + self.progress * p.expected_cost_coef * expected_cost
            + p.contrastive_coef * contrastive_loss
            + p.localisation_coef * localisation_loss
            + p.transcription_coef * transcription_loss
        )
        norm = self.descend(loss)
        threshold = self.bank.window.threshold_px
        return {
            "frames": self.processes.total(len(cost)),
            "reward": 1 - mean(crops.error[which].abs().mean(), len(cost)) / threshold,
            "policy_loss": policy_loss.detach(),
            "expected_cost": expected_cost.detach(),
            "contrastive_loss": contrastive_loss.detach(),
            "contrastive_px": distance,
            "localisation_loss": localisation_loss.detach(),
            "transcription_loss": transcription_loss.detach(),
            "agreement": mean((logits.argmax(1) == cost.argmin(1)).float().mean(), len(cost)),
            "gradient_norm": norm,
        }

    def _policy_losses(
        self, logits: torch.Tensor, cost: torch.Tensor, error: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Divergence from the expert's soft labels, and expected cost in px."""
        weight = 1 / (error.abs().to(torch.float32) + _NEAR * self.bank.window.threshold_px)
        weight = weight / self.processes.whole(weight.sum())
        labels = (-cost / self.temperature).softmax(1)
        divergence = F.kl_div(logits.log_softmax(1), labels, reduction="none").sum(1)
        extra = (cost - cost.amin(1, keepdim=True)) / self.horizon
        expected = (logits.softmax(1) * extra).sum(1)
        whole = self.processes.whole
        return whole((divergence * weight).sum()), whole((expected * weight).sum())
