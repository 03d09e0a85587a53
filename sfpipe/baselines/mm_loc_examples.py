"""What MM-Loc is shown: snippets and excerpts cut from a bank."""

from __future__ import annotations

import torch

from sfpipe.store import gather
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT


class Examples:
    """Cuts images at any place and frame of a bank.

    Parameters
    ----------
    bank:
        Strips, spectrograms and targets.
    context:
        Frames of an excerpt. The bank has 40 frames of silence before each performance; where
        the context is longer, more are put in.
    """

    def __init__(self, bank: Bank, context: int):
        self.bank, self.context = bank, context
        self.spectrogram, self.base = _spaced(bank, context - EXCERPT)

    def first_frames(self, performance: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
        """First packed frames of the excerpts that end with `frame` (unpadded), that included."""
        return self.base[performance] + frame + 1

    def images(
        self, column: torch.Tensor, first_frame: torch.Tensor, *, bfloat16: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Snippets [shape=(n, 1, height, width)] and excerpts [shape=(n, 1, 78, context)]."""
        width = self.bank.window.image_shape[1]
        if self.bank.device.type == "cpu":
            strip, spectrogram = self.bank.strip.numpy(), self.spectrogram.numpy()
            return (
                gather.windows(strip, column.numpy(), width, 1 / 255, bfloat16=bfloat16),
                gather.windows(
                    spectrogram, first_frame.numpy(), self.context, 1.0, bfloat16=bfloat16
                ),
            )
        score = self.bank.score_windows(column)[:, None].to(torch.float32) / 255
        rows, frames = self.spectrogram.shape
        sound = self.spectrogram.as_strided(
            (frames - self.context + 1, 1, rows, self.context), (1, 0, frames, 1)
        )[first_frame]
        return score, sound


def _spaced(bank: Bank, more: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The bank's spectrogram with `more` frames of silence before each performance.

    Returns
    -------
    tuple
        float32 [shape=(78, frames)], and int64 [shape=(n,)]: where each performance's silence
        begins.
    """
    if more == 0:
        return bank.spectrogram, bank.frame_base
    index = torch.arange(len(bank), device=bank.device)
    silence = bank.spectrogram.new_zeros(bank.spectrogram.shape[0], more)
    sizes = torch.diff(bank.frame_base, append=bank.frame_base.new_tensor([len(bank.targets)]))
    pieces = bank.spectrogram.split(sizes.tolist(), dim=1)
    parts = [part for piece in pieces for part in (silence, piece)]
    return torch.cat(parts, dim=1), bank.frame_base + index * more
