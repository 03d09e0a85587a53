"""Learning where notes are in picture and sound: an auxiliary loss.

Matching sound and picture is hard to learn from the policy's three-way label alone, because
neither branch has a label for notes. Here both have: from the score branch's features, a
linear map must say which staff heights have a note head in which part of the window, and from
the spectrogram branch's, which pitches began in which part of the excerpt (of scores whose note
heads are not known, at which staff heights, one per onset). The maps are dropped after training;
the network of Tables 1 and 2 is unchanged.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.game.dynamics import ObservationIndex
from sfpipe.store.bank import Bank
from sfpipe.store.schema import EXCERPT
from sfpipe.training.crops import Crops

# Classes over the window's height, half a staff space each (1.7 px of 40, 3.3 px of 160), and parts
# of its width (10 px of 150, 16 px of 512).
SCORE_CLASSES = {"nottingham": (24, 15), "msmd": (48, 32)}
PITCHES, LOWEST = 88, 21  # of a piano
AUDIO_PARTS = 8  # of 40 frames: a quarter of a second each


class TranscriptionHead(nn.Module):
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
        self.bank = bank
        self.heads, self.notes = note_rolls(bank)
        self.columns = bank.window.image_shape[1]
        heights, self.parts = SCORE_CLASSES[bank.window.name]
        self.score = nn.Linear(score_width, heights * self.parts)
        self.audio = nn.Linear(audio_width, PITCHES * AUDIO_PARTS)
        self.to(bank.device)

    def labels(self, view: ObservationIndex) -> tuple[torch.Tensor, torch.Tensor]:
        """Note presence of each state.

        Returns
        -------
        tuple
            float32 [shape=(n, 24, 15)] (Table 1) or [shape=(n, 48, 32)] (Table 2) of the score
            window and [shape=(n, 88, 8)] of the spectrogram excerpt, 1 where a note head is or a
            note begins.
        """
        return self._score_labels(view.column), self._sound_labels(view.frame)

    def _score_labels(self, column: torch.Tensor) -> torch.Tensor:
        return _any_per_part(_windows(self.heads, column, self.columns), self.parts)

    def _sound_labels(self, frame: torch.Tensor) -> torch.Tensor:
        return _any_per_part(_windows(self.notes, frame - EXCERPT, EXCERPT), AUDIO_PARTS)

    def loss(
        self, score: torch.Tensor, audio: torch.Tensor, view: ObservationIndex
    ) -> torch.Tensor:
        """Binary cross-entropy of both maps, summed over heights or pitches, averaged over parts.

        Parameters
        ----------
        score, audio:
            Branch features [shape=(n, width)].
        """
        return self._loss(score, audio, view.column, view.frame)

    def crops_loss(self, score: torch.Tensor, audio: torch.Tensor, crops: Crops) -> torch.Tensor:
        """`loss` of all windows and excerpts of crops.

        Parameters
        ----------
        score, audio:
            Branch features [shape=(n, windows, width)] and [shape=(n, excerpts, width)].
        """
        performance = crops.performance[:, None]
        column = self.bank.columns(performance, crops.position).flatten()
        frame = (self.bank.frame_base[performance] + crops.frame).flatten()
        return self._loss(score.flatten(0, 1), audio.flatten(0, 1), column, frame)

    def _loss(
        self, score: torch.Tensor, audio: torch.Tensor, column: torch.Tensor, frame: torch.Tensor
    ) -> torch.Tensor:
        in_score, in_sound = self._score_labels(column), self._sound_labels(frame)
        return _presence_loss(self.score(score), in_score) + _presence_loss(
            self.audio(audio), in_sound
        )


def _presence_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    logits = logits.float().view_as(labels)
    return labels.shape[1] * F.binary_cross_entropy_with_logits(logits, labels)


def note_rolls(bank: Bank) -> tuple[torch.Tensor, torch.Tensor]:
    """Note heads per packed strip column, beginning notes per packed frame.

    Returns
    -------
    tuple
        uint8 [shape=(heights, columns)] and uint8 [shape=(88, frames)], one for each
        packed column and frame.
    """
    device, window = bank.device, bank.window
    heights = SCORE_CLASSES[window.name][0]
    heads = torch.zeros(heights, bank.columns_packed, dtype=torch.uint8, device=device)
    notes = torch.zeros(PITCHES, bank.frames_packed, dtype=torch.uint8, device=device)
    for i, info in enumerate(bank.infos):
        x, y = (torch.from_numpy(column).to(device) for column in info.heads.T)
        frame, pitch = (torch.from_numpy(column).to(device) for column in info.notes.T)
        height = (y / window.height * heights).to(torch.int64).clamp(0, heights - 1)
        column = ((x + window.width) / window.shrink).to(torch.int64) + bank.strip_base[i]
        heads[height, column] = 1
        if window.shrink > 1:
            heads[height, column + bank.phase_stride[i]] = 1
        key = torch.where(pitch < 0, height * PITCHES // heights, pitch - LOWEST)
        notes[key.clamp(0, PITCHES - 1), bank.frame_base[i] + EXCERPT + frame] = 1
    return heads, notes


def _windows(roll: torch.Tensor, start: torch.Tensor, width: int) -> torch.Tensor:
    rows, columns = roll.shape
    return roll.as_strided((columns - width + 1, rows, width), (1, columns, 1))[start]


def _any_per_part(windows: torch.Tensor, parts: int) -> torch.Tensor:
    edges = torch.linspace(0, windows.shape[2], parts + 1).round().int().tolist()
    columns = [windows[:, :, a:b].amax(2) for a, b in itertools.pairwise(edges)]
    return torch.stack(columns, 2).to(torch.float32)
