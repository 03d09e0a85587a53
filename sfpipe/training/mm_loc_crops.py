"""What MM-Loc learns from: crops, whose snippets and excerpts share their convolutions.

As in `sfpipe.training.pretraining`, which learns to name places too: every pair of a
snippet and an excerpt of a crop is an example if the newest frame is played within it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.baselines.mm_loc import MmLoc
from sfpipe.baselines.mm_loc_examples import Examples
from sfpipe.game import dynamics
from sfpipe.params import MmLocParams
from sfpipe.store import gather
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.training.auxiliary.contrastive import ContrastiveHead
from sfpipe.training.auxiliary.transcription import TranscriptionHead
from sfpipe.training.crops import Crops, CropSampler, StateCropCutter


class ExampleIndex(NamedTuple):
    """n examples [shape=(n,)]: where snippet and excerpt begin, and the place in the snippet.

    Attributes
    ----------
    column, first_frame:
        int64, first packed column and frame.
    x:
        float64, px from the snippet's left edge.
    """

    column: torch.Tensor
    first_frame: torch.Tensor
    x: torch.Tensor


def random_examples(examples: Examples, n: int, generator: torch.Generator) -> ExampleIndex:
    """Random examples: all frames alike, the error uniform within the threshold.

    Parameters
    ----------
    generator:
        On the CPU.
    """
    bank, half = examples.bank, examples.bank.window.width / 2
    reach = bank.window.threshold_px
    sampler = CropSampler(
        bank, strip_px=bank.window.width, frames=1, left_px=(half - reach, half + reach)
    )
    performance, begin, frame = sampler.sample(n, generator)
    return ExampleIndex(
        bank.columns(performance, begin + half),
        examples.first_frames(performance, frame - EXCERPT),
        dynamics.target(bank, performance, frame) - begin,
    )


class MmLocCrops(nn.Module):
    """Draws crops; the loss of the network on all their examples, and two auxiliary losses:
    contrastive, and transcription.

    Parameters
    ----------
    network:
        Shares its branches; itself no part of this module.
    examples:
        Of the training bank: where excerpts of the network's context begin.
    """

    def __init__(self, network: MmLoc, examples: Examples, params: MmLocParams):
        super().__init__()
        self._network = [network]  # in a list, so that its weights are not this module's
        self.examples, self.params = examples, params
        window = network.window
        self._score = DenseBranch(network.score, 1, window.image_shape)
        self._sound = DenseBranch(network.spectrogram, 1, (BINS, network.context))
        self.sampler = StateCropCutter(
            examples.bank, self._score, self._sound, params.windows, params.excerpts, 0.0
        )
        self.contrastive = ContrastiveHead(self._score, self._sound, window).to(
            examples.bank.device
        )
        self.transcription = TranscriptionHead(examples.bank, *network.branch_widths)

    def loss(
        self, generator: torch.Generator, *, bfloat16: bool = False
    ) -> tuple[torch.Tensor, int]:
        """Loss on fresh crops, and how many examples they have.

        Parameters
        ----------
        generator:
            On the CPU.
        """
        (network,) = self._network
        crops = self.sampler.sample(self.params.crops, generator)
        which = crops.playable.nonzero().unbind(1)
        snippets, excerpts = self._images(crops, bfloat16)
        device = snippets.device.type
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            maps, cut = self._score.maps(snippets), self._sound.cut(self._sound.maps(excerpts))
            contrastive_loss, _ = self.contrastive.loss(maps, cut, crops)
            score, sound = self._score.dense(self._score.cut(maps)), self._sound.dense(cut)
            embedding = network.join_pairs(score, sound, which)
            logits = network.place(embedding).float()
            transcription_loss = self.transcription.crops_loss(score, sound, crops)
        labels = network.labels(network.window.width / 2 - crops.error[which])
        place_loss = F.kl_div(logits.log_softmax(1), labels, reduction="batchmean")
        auxiliary = self.params.contrastive_coef * contrastive_loss
        auxiliary = auxiliary + self.params.transcription_coef * transcription_loss
        return place_loss + auxiliary, len(labels)

    def _images(self, crops: Crops, bfloat16: bool) -> tuple[torch.Tensor, torch.Tensor]:
        bank, performance = self.examples.bank, crops.performance
        column = bank.columns(performance, crops.position[:, 0])
        first = self.examples.first_frames(performance, crops.frame[:, 0] - EXCERPT)
        wide, long = self.sampler.image_columns
        images = (bank.strip, column, wide, 1 / 255), (self.examples.spectrogram, first, long, 1.0)
        if bank.device.type == "cpu":
            snippets, excerpts = (
                gather.windows(image.numpy(), at.numpy(), width, scale, bfloat16=bfloat16)
                for image, at, width, scale in images
            )
            return snippets, excerpts
        snippets, excerpts = (
            image[:, at[:, None] + torch.arange(width, device=at.device)].transpose(0, 1)[:, None]
            * scale
            for image, at, width, scale in images
        )
        return snippets, excerpts
