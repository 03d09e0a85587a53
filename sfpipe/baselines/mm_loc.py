"""MM-Loc (Dorfer et al. 2016): where in a snippet of the score is the newest frame of the sound?

One branch per modality, of the agents' own layers (Tables 1 and 2) but without the change since
the previous state; joined, they give a probability to each of a number of buckets side by side
over the snippet. Followed frame by frame, without a motion model: the next snippet is centred
on the present estimate (section 4.2).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field, with_config
from torch.nn import functional as F
from typing_extensions import TypedDict

from sfpipe.agents.buckets import soft_buckets
from sfpipe.agents.networks import TABLES, TwoBranches, head
from sfpipe.agents.weights import read_weights, write_weights
from sfpipe.errors import SfpipeError
from sfpipe.files import read_json, write_json
from sfpipe.store.window import WINDOWS, Window

# Temporal context: 4 s of melodies, 2 s of piano music (section 4.2).
CONTEXT = {"nottingham": 80, "msmd": 40}  # frames
CARD = "mm-loc.json"
_REMEDY = "train it first: sfpipe baseline mm-loc --train"


@with_config(ConfigDict(extra="allow"))
class MmLocCard(TypedDict):
    """Content of `mm-loc.json`."""

    window: Literal["nottingham", "msmd"]
    buckets: Annotated[int, Field(ge=1, le=1000)]


class MmLoc(TwoBranches):
    """Bucket logits of a snippet and a spectrogram excerpt.

    Parameters
    ----------
    window:
        Selects the table, the size of the snippet, and the temporal context.
    buckets:
        Side by side over the snippet's width.
    dropout:
        As in the agents' networks; active in `train()` mode only.
    """

    def __init__(self, window: Window, *, buckets: int = 40, dropout: float = 0.2):
        context = CONTEXT[window.name]
        super().__init__(window, frames=context, channels=1, dropout=dropout)
        self.context, self.buckets = context, buckets
        table = TABLES[window.name]
        self.place = head(table.joint, table.head, buckets, dropout)

    def forward(self, score: torch.Tensor, spectrogram: torch.Tensor) -> torch.Tensor:
        """Bucket logits.

        Parameters
        ----------
        score:
            float [shape=(n, 1, height, width)], ink in [0, 1].
        spectrogram:
            float [shape=(n, 1, 78, context)], the newest frame last.

        Returns
        -------
        torch.Tensor
            float32 [shape=(n, buckets)].
        """
        return self.place(self.embed(score, spectrogram)).float()

    def labels(self, x: torch.Tensor) -> torch.Tensor:
        """Soft targets float32 [shape=(n, buckets)] of places in px from the left edge."""
        return soft_buckets(x, self.buckets, self.window.width)

    def places(self, logits: torch.Tensor) -> torch.Tensor:
        """The most probable place: float32 [shape=(n,)], px from the snippet's left edge.

        The mean of the best bucket's centre and its neighbours', by probability, so that it is
        finer than a bucket; soft targets are read back exactly.
        """
        share = logits.float().softmax(1)
        bucket = share.argmax(1, keepdim=True) + torch.arange(-1, 2, device=share.device)
        near = F.pad(share, (1, 1)).gather(1, bucket + 1)
        centre = (bucket + 0.5) * (self.window.width / self.buckets)
        return (near * centre).sum(1) / near.sum(1)


def save_mm_loc(folder: Path, network: MmLoc, card: dict[str, Any]) -> None:
    """Write `weights.safetensors` and `mm-loc.json` into `folder`."""
    write_weights(folder, network)
    write_json(folder / CARD, {**card, "window": network.window.name, "buckets": network.buckets})


def load_mm_loc(
    folder: str | Path, device: str | torch.device = "cpu", *, window: Window | None = None
) -> tuple[MmLoc, dict[str, Any]]:
    """Read what `save_mm_loc` wrote.

    Parameters
    ----------
    window:
        That it must have been trained for; None: any.

    Raises
    ------
    SfpipeError
        If a file is missing or damaged, the weights do not fit the network, or it was trained for
        another window.
    """
    folder = Path(folder)
    card = read_json(folder / CARD, remedy=_REMEDY, schema=MmLocCard)
    network = MmLoc(WINDOWS[card["window"]], buckets=card["buckets"])
    if window is not None and network.window.name != window.name:
        raise SfpipeError(
            f"was trained for the window {network.window.name}, these stores have {window.name}",
            file=folder,
            remedy="train it on such stores: sfpipe baseline mm-loc --train",
        )
    read_weights(folder, network, _REMEDY)
    return network.placed(device).eval(), dict(card)
