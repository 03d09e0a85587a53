"""Learning to read and to hear notes: a training aid that lets features form sooner.

Matching sound and picture is hard to learn from the policy's three-way label alone, because
neither branch is told that there are notes. Here both are: from the score branch's features, a
linear map must say which staff heights have a note head in which part of the window, and from
the spectrogram branch's, at which staff heights notes began in which part of the excerpt. Both
speak of the same heights, so what one branch says can be compared with what the other says.
The maps are dropped after training; the network of Tables 1 and 2 is unchanged.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.game.dynamics import View
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT

HEIGHTS = 24  # classes over the window's height; 1.67 px of 40: finer than half a staff space
SCORE_PARTS, AUDIO_PARTS = 15, 8  # 10 px of 150 and 5 frames (a quarter of a second) of 40


class NoteReader(nn.Module):
    """Two linear maps from branch features to note presence, and their loss.

    Parameters
    ----------
    bank:
        Where the labels come from: onsets and their note heads.
    score_width, audio_width:
        Number of features of the branches.
    """

    def __init__(self, bank: Bank, score_width: int, audio_width: int):
        super().__init__()
        self.heads, self.onsets = note_rolls(bank)
        self.columns = bank.window.seen[1]
        self.score = nn.Linear(score_width, HEIGHTS * SCORE_PARTS)
        self.audio = nn.Linear(audio_width, HEIGHTS * AUDIO_PARTS)
        self.to(bank.device)

    def labels(self, view: View) -> tuple[torch.Tensor, torch.Tensor]:
        """Note presence of each state.

        Returns
        -------
        tuple
            float32 [shape=(n, 24, 15)] of the score window and [shape=(n, 24, 8)] of the
            spectrogram excerpt, 1 where a note head or an onset is.
        """
        return self._score_labels(view.column), self._sound_labels(view.frame)

    def _score_labels(self, column: torch.Tensor) -> torch.Tensor:
        return _any_per_part(_windows(self.heads, column, self.columns), SCORE_PARTS)

    def _sound_labels(self, frame: torch.Tensor) -> torch.Tensor:
        return _any_per_part(_windows(self.onsets, frame - EXCERPT, EXCERPT), AUDIO_PARTS)

    def loss(self, score: torch.Tensor, audio: torch.Tensor, view: View) -> torch.Tensor:
        """Binary cross-entropy of both maps, each summed over heights and averaged over parts.

        Parameters
        ----------
        score, audio:
            Branch features [shape=(n, width)].
        """
        return self.score_loss(score, view.column) + self.sound_loss(audio, view.frame)

    def score_loss(self, features: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        """The part of `loss` that is about windows that begin at packed columns."""
        return _presence_loss(self.score(features), self._score_labels(column))

    def sound_loss(self, features: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
        """The part of `loss` that is about excerpts that end before packed frames."""
        return _presence_loss(self.audio(features), self._sound_labels(frame))


def _presence_loss(said: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    said = said.float().view_as(labels)
    return HEIGHTS * F.binary_cross_entropy_with_logits(said, labels)


def note_rolls(bank: Bank) -> tuple[torch.Tensor, torch.Tensor]:
    """Note heads per packed strip column, onsets per packed frame.

    Returns
    -------
    tuple
        uint8 [shape=(24, columns)] and uint8 [shape=(24, frames)], aligned with `bank.strip`
        and `bank.spectrogram`.
    """
    device = bank.device
    heads = torch.zeros(HEIGHTS, bank.strip.shape[1], dtype=torch.uint8, device=device)
    onsets = torch.zeros(HEIGHTS, bank.spectrogram.shape[1], dtype=torch.uint8, device=device)
    for i, info in enumerate(bank.infos):
        level = torch.from_numpy(info.onset_y_px / bank.window.height * HEIGHTS)
        height = level.to(torch.int64).clamp(0, HEIGHTS - 1).to(device)
        frame = bank.frame_base[i] + EXCERPT + torch.from_numpy(info.onset_frames).to(device)
        x = torch.from_numpy(info.onset_x_px).to(device) + bank.window.width
        column = (x / bank.window.shrink).to(torch.int64) + bank.strip_base[i]
        onsets[height, frame] = 1
        heads[height, column] = 1
        if bank.window.shrink > 1:
            heads[height, column + bank.phase_stride[i]] = 1
    return heads, onsets


def _windows(roll: torch.Tensor, start: torch.Tensor, width: int) -> torch.Tensor:
    rows, columns = roll.shape
    return roll.as_strided((columns - width + 1, rows, width), (1, columns, 1))[start]


def _any_per_part(windows: torch.Tensor, parts: int) -> torch.Tensor:
    edges = torch.linspace(0, windows.shape[2], parts + 1).round().int().tolist()
    columns = [windows[:, :, a:b].amax(2) for a, b in itertools.pairwise(edges)]
    return torch.stack(columns, 2).to(torch.float32)
