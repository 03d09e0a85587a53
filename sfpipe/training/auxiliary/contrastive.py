"""Matching sound and picture: an auxiliary loss for the convolutions of both branches.

Each column of the score's feature map gets a vector for every few pixels it stands for, each
excerpt of the sound gets one, and their cosines must single out the place where the newest frame
is played. A product finds in minutes what sums of features find in hours: that two pictures of
the same notes belong together. The maps to these vectors are dropped after training.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.buckets import soft_buckets
from sfpipe.agents.dense_conv import DenseBranch
from sfpipe.store.window import Window
from sfpipe.training.crops import Crops
from sfpipe.training.distributed import ALONE, Processes

VECTOR = 64  # numbers that describe a place
PLACES = 8  # per column of the score's feature map: 8 px of Table 2's 64, 2 px of Table 1's 16


class ContrastiveHead(nn.Module):
    """Vectors of places and of excerpts, and how well they find each other.

    Parameters
    ----------
    score, sound:
        The branches, for the shapes of their feature maps.
    window:
        Of the game.
    """

    def __init__(self, score: DenseBranch, sound: DenseBranch, window: Window):
        super().__init__()
        channels, rows, columns = score.shape
        self.score = nn.Linear(channels * rows, VECTOR * PLACES)
        self.sound = nn.Linear(math.prod(sound.shape), VECTOR)
        self.sharpness = nn.Parameter(torch.tensor(2.0))  # log of the cosines' factor
        self.place_px = score.stride * window.shrink / PLACES
        self.half_px = window.width / 2
        # The window's columns end short of its edges on both sides alike.
        self.margin_px = self.half_px - columns * PLACES * self.place_px / 2

    def loss(
        self,
        maps: torch.Tensor,
        cut: torch.Tensor,
        crops: Crops,
        processes: Processes = ALONE,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross-entropy of each excerpt's place among all places of its crop.

        Parameters
        ----------
        maps:
            Feature maps of the score [shape=(n, channels, rows, columns)].
        cut:
            Flattened feature maps of the excerpts [shape=(n, e, features)].
        crops:
            Where they are from.
        processes:
            That have other crops of the same batch.

        Returns
        -------
        tuple
            The loss, relative to the labels' own entropy, and the median distance between the
            likeliest place and the target, px (of several processes: the mean of theirs). Excerpts
            whose target is beyond the crop's places do not count.
        """
        n, _, _, columns = maps.shape
        places = self.score(maps.permute(0, 3, 1, 2).flatten(2)).float()
        places = F.normalize(places.view(n, columns * PLACES, VECTOR), dim=2)
        excerpts = F.normalize(self.sound(cut).float(), dim=2)
        cosines = excerpts @ places.transpose(1, 2)  # (n, e, places)
        begin = crops.position[:, :1] - self.half_px + self.margin_px
        target = crops.position[:, :1] - crops.error[:, 0]
        x = target - begin
        count, width = columns * PLACES, columns * PLACES * self.place_px
        here = (x >= 0) & (x < width) & crops.played
        log_share = (cosines[here] * self.sharpness.exp()).log_softmax(1)
        labels = soft_buckets(x[here], count, width)
        n_here = max(processes.total(len(log_share)), 1)
        likeliest = (log_share.argmax(1) + 0.5) * self.place_px
        distance = (likeliest - x[here]).abs()
        median = distance.median() if len(log_share) else distance.sum()
        loss = F.kl_div(log_share, labels, reduction="sum") / n_here
        return processes.whole(loss), processes.mean(median, len(log_share))
