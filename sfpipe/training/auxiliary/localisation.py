"""Learning where the music is: an auxiliary loss that needs no playing.

Any piece, frame and position make an example of *where in the window the newest frame is*, and
labels cost nothing. From the joint embedding a linear map names that place, as a distribution
over parts of the window (buckets, as in Dorfer et al. 2016), and the speed of the state. The
policy's label, one of three actions, says far less about a state.
A loss of dagger and PPO; with `random_state_share: 1` dagger is a phase of nothing but such
examples. The map is dropped after training; the network of Tables 1 and 2 is unchanged.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.buckets import soft_buckets
from sfpipe.game.dynamics import ObservationIndex
from sfpipe.store.bank import Bank

BUCKETS = 40  # of the window's width: 3.75 px of 150, 12.8 px of 512


class LocalisationHead(nn.Module):
    """A linear map from the joint embedding to the target's place and the speed, and its loss.

    Parameters
    ----------
    bank:
        Where the labels come from.
    width:
        Of the embedding.
    """

    def __init__(self, bank: Bank, width: int):
        super().__init__()
        self.bank = bank
        self.head = nn.Linear(width, BUCKETS + 1)
        self.to(bank.device)

    def labels(self, view: ObservationIndex) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the target of the newest frame is, and how fast the state moves.

        Returns
        -------
        tuple
            float32 [shape=(n, 40)], shares of the two nearest buckets, and float32 [shape=(n,)],
            px/frame.
        """
        bank = self.bank
        begin, before = (
            window_starts(bank, view.frame, c) for c in (view.column, view.previous_column)
        )
        x = bank.targets[view.frame - 1] - begin
        return soft_buckets(x, BUCKETS, bank.window.width), (begin - before).to(torch.float32)

    def loss(self, embedding: torch.Tensor, view: ObservationIndex) -> torch.Tensor:
        """Cross-entropy of the place, and the speed's absolute error (smooth below 1 px/frame).

        Both are averaged over states; the cross-entropy is taken relative to the labels' own
        entropy, so that the least is 0.
        """
        place, speed = self.labels(view)
        predicted = self.head(embedding).float()
        return F.kl_div(
            predicted[:, :BUCKETS].log_softmax(1), place, reduction="batchmean"
        ) + F.smooth_l1_loss(predicted[:, BUCKETS], speed)


def window_starts(bank: Bank, frame: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """First strip columns (padded px, int64 [shape=(n,)]) of windows, from where they are packed.

    Parameters
    ----------
    frame, column:
        int64 [shape=(n,)], as in a `ObservationIndex`.
    """
    performance = torch.searchsorted(bank.frame_base, frame, right=True) - 1
    inside = column - bank.strip_base[performance]
    if bank.window.shrink == 1:
        return inside
    phase = bank.phase_stride[performance]
    odd = (inside >= phase).to(torch.int64)
    return 2 * (inside - odd * phase) + odd
