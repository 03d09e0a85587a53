"""The two networks of the paper (Tables 1 and 2): one branch per modality, joined, two heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.activation import ELU
from sfpipe.game.players import ACTIONS
from sfpipe.store.schema import BINS, EXCERPT
from sfpipe.store.window import Window

AnyNetwork = TypeVar("AnyNetwork", bound="TwoBranches")


class Conv(NamedTuple):
    """One convolution of a branch, followed by ELU and, where `dropout`, by dropout."""

    channels: int
    kernel: int
    stride: int | tuple[int, int]
    dropout: bool = False


class Architecture(NamedTuple):
    """Layers of a network; `dense` is the width each branch is reduced to, if it is."""

    score: Sequence[Conv]
    spectrogram: Sequence[Conv]
    dense: int | None
    joint: int
    head: int = 256


TABLES = {
    # Table 1
    "nottingham": Architecture(
        score=[Conv(16, 5, (1, 2)), Conv(32, 3, 2), Conv(32, 3, 2), Conv(64, 3, (1, 2))],
        spectrogram=[Conv(16, 3, 2), Conv(32, 3, 2), Conv(32, 3, 2), Conv(64, 3, 1)],
        dense=None,
        joint=256,
    ),
    # Table 2
    "msmd": Architecture(
        score=[
            Conv(16, 5, (1, 2)),
            Conv(16, 3, 1),
            Conv(32, 3, 2),
            Conv(32, 3, 1, dropout=True),
            Conv(32, 3, 2),
            Conv(64, 3, 2, dropout=True),
            Conv(96, 3, 2),
            Conv(96, 1, 1, dropout=True),
        ],
        spectrogram=[
            Conv(16, 3, 1),
            Conv(16, 3, 1),
            Conv(32, 3, 2),
            Conv(32, 3, 1, dropout=True),
            Conv(64, 3, 2),
            Conv(96, 3, 2, dropout=True),
            Conv(96, 1, 1, dropout=True),
        ],
        dense=512,
        joint=512,
    ),
}


class TwoBranches(nn.Module):
    """One branch per modality, and the layer that joins them: what every network here shares.

    Parameters
    ----------
    window:
        Selects the table and the size of the score excerpt.
    frames:
        Length of the spectrogram excerpt.
    channels:
        Of both excerpts: 2 with the change since the previous state, else 1.
    dropout:
        Probability in the marked convolutions, active in `train()` mode only.
    """

    def __init__(
        self, window: Window, *, frames: int = EXCERPT, channels: int = 2, dropout: float = 0.2
    ):
        super().__init__()
        table = TABLES[window.name]
        self.window, self.channels = window, channels
        excerpt = BINS, frames
        self.score = _branch(table.score, table.dense, window.image_shape, dropout, channels)
        self.spectrogram = _branch(table.spectrogram, table.dense, excerpt, dropout, channels)
        with torch.no_grad():
            blank = (torch.zeros(1, channels, *size) for size in (window.image_shape, excerpt))
            self.branch_widths = tuple(f.shape[1] for f in self.features(*blank))
        self.width = table.joint  # of the embedding
        self.joint = nn.Sequential(nn.Linear(sum(self.branch_widths), table.joint), ELU())

    def initialise(self: AnyNetwork, generator: torch.Generator) -> AnyNetwork:
        """Orthogonal weights, zero biases (reference default), drawn from `generator`."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.orthogonal_(module.weight, generator=generator)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        return self

    def placed(self: AnyNetwork, device: str | torch.device) -> AnyNetwork:
        """This network on `device`, its convolutions channels-last: a third faster on CPUs."""
        self.to(device)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in stubs
        return self

    def embed(self, score: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """The joint embedding: float [shape=(n, 256)] (Table 1) or [shape=(n, 512)] (Table 2)."""
        return self.join(*self.features(score, spectrogram))

    def features(
        self, score: torch.Tensor, spectrogram: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What each branch makes of its excerpt: float [shape=(n, width of the branch)] each."""
        return self.score(score), self.spectrogram(spectrogram)

    def join(self, score: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """The joint embedding from both branches' features."""
        return self.joint(torch.cat([score, spectrogram], dim=1))

    def join_pairs(
        self, score: torch.Tensor, spectrogram: torch.Tensor, which: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """`join` of many pairs of few features: each branch's part of the sum is computed once.

        Parameters
        ----------
        score, spectrogram:
            [shape=(n, windows, width)] and [shape=(n, excerpts, width)].
        which:
            Crop, window and excerpt of each pair, int64 [shape=(m,)].
        """
        linear = self.joint[0]
        assert isinstance(linear, nn.Linear)
        to_score, to_sound = linear.weight.split(self.branch_widths, dim=1)
        crop, window, excerpt = which
        summed = F.linear(score, to_score, linear.bias)[crop, window]
        return self.joint[1](summed + F.linear(spectrogram, to_sound)[crop, excerpt])


class ActorCritic(TwoBranches):
    """Policy and value of a state from its two excerpts.

    Parameters
    ----------
    window:
        Selects the table and the size of the score excerpt.
    dropout:
        Probability in the marked convolutions and after the heads' hidden layers. Active only
        in `train()` mode, which imitation uses; acting and policy gradients run in `eval()`
        mode, so that PPO's ratio is 1 before its first update.
    """

    def __init__(self, window: Window, *, dropout: float = 0.2):
        super().__init__(window, dropout=dropout)
        table = TABLES[window.name]
        self.policy = head(table.joint, table.head, len(ACTIONS), dropout)
        self.value = head(table.joint, table.head, 1, dropout)

    def forward(
        self, score: torch.Tensor, spectrogram: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the three actions, and value.

        Parameters
        ----------
        score:
            float [shape=(n, 2, height, width)].
        spectrogram:
            float [shape=(n, 2, 78, 40)].

        Returns
        -------
        tuple
            float32 [shape=(n, 3)] and float32 [shape=(n,)].
        """
        return self.heads(self.embed(score, spectrogram))

    def heads(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and value from the joint embedding."""
        return self.policy(embedding).float(), self.value(embedding).float().squeeze(1)


def _branch(
    layers: Sequence[Conv],
    dense: int | None,
    size: tuple[int, int],
    dropout: float,
    channels: int,
) -> nn.Sequential:
    modules: list[nn.Module] = []
    blank = torch.zeros(1, channels, *size)
    for layer in layers:
        modules += [
            nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride),
            ELU(),
        ]
        if layer.dropout:  # even if it is 0: the layers keep their names in saved weights
            modules.append(nn.Dropout(dropout))
        channels = layer.channels
    modules.append(nn.Flatten())
    branch = nn.Sequential(*modules)
    if dense:
        with torch.no_grad():
            width = branch(blank).shape[1]
        branch.extend([nn.Linear(width, dense), ELU()])
    return branch


def head(width: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """One hidden layer and its outputs, on the joint embedding."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        ELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, outputs),
    )
