"""Two encoders: the strip to a vector per place, the sound to a vector per frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.params import BeliefParams
from sfpipe.store.schema import BINS
from sfpipe.store.window import Window

VECTOR = 96  # numbers that describe a place or a frame
COLUMNS = 4  # of the strip as the network sees it, per place
LOG_QUARTERS_PER_PX = (-7.0, -0.7)  # bounds: 1,100 px a quarter, and 2

_DEFAULT = BeliefParams()
_FIRST_AUDIO_LAYER = "sound.1.weight"  # of a convolution [shape=(16, gains, 5, 3)]


class ScoreEncoding(NamedTuple):
    """What the score's encoder makes of a strip.

    Attributes
    ----------
    vector:
        float [shape=(n, places, 96)].
    log_quarters_per_px:
        float [shape=(n, places)], log of quarter notes per px of the strip.
    """

    vector: torch.Tensor
    log_quarters_per_px: torch.Tensor


class PlaceNetwork(nn.Module):
    """How well each frame goes with each place of the score.

    Parameters
    ----------
    window:
        Of the game; gives the height of the strip and the size of the image.
    dropout:
        Of the features that vectors are made of; active in `train()` mode only.
    score_steps:
        Places between the five that each convolution along the score sees: (1, 2) reach 6 places to
        either side, (1, 2, 4, 8) 30. Where a system ends there is no note for a dozen places, and
        only who reaches across knows what still sounds there.
    sound_steps:
        Frames between the three that each convolution along time reads: (1, 2, 4, 8) reach 35
        frames, (1, 2, 4, 8, 16) 67. A bar of a waltz takes 30, and sounds like the next.
    gains_db:
        Sound is given as it is and as if it were so much louder, a channel each: magnitudes are
        compressed (log10 of 1 + magnitude) only where they are large, and what a soft player does
        in a room is not.

    Attributes
    ----------
    place_px:
        Strip px from one place to the next: 8 of piano music, 4 of melodies.
    context:
        Frames that the newest frame's vector depends on, itself included.
    """

    def __init__(
        self,
        window: Window,
        *,
        dropout: float = 0.1,
        score_steps: Sequence[int] = _DEFAULT.score_steps,
        sound_steps: Sequence[int] = _DEFAULT.sound_steps,
        gains_db: Sequence[float] = _DEFAULT.gains_db,
    ):
        super().__init__()
        self.window = window
        self.place_px = COLUMNS * window.shrink
        rows = -(-window.image_shape[0] // 4)
        self.score = nn.Sequential(
            *_image(1, 24, (5, 5), 2, (2, 2)),
            *_image(24, 32, (3, 3), (1, 2), (1, 1)),
            *_image(32, 48, (3, 3), (2, 1), (1, 1)),
        )
        self.score_rows = _column(48 * rows, 192)
        self.score_steps, self.sound_steps = tuple(score_steps), tuple(sound_steps)
        self.gains_db = tuple(gains_db)
        self.context = audio_context(sound_steps)
        self.along_score = nn.Sequential(
            *(ResidualConv1d(192, 5, step, causal=False) for step in score_steps),
            nn.Dropout(dropout),
        )
        self.to_place = nn.Conv1d(192, VECTOR + 1, 1)
        self.sound = nn.Sequential(
            nn.ZeroPad2d((2, 0, 0, 0)),
            *_image(len(gains_db), 16, (5, 3), (2, 1), (2, 0)),
            nn.ZeroPad2d((2, 0, 0, 0)),
            *_image(16, 32, (3, 3), (2, 1), (1, 0)),
        )
        self.sound_rows = _column(32 * -(-BINS // 4), 192)
        self.along_time = nn.Sequential(
            *(ResidualConv1d(192, 3, step, causal=True) for step in sound_steps),
            nn.Dropout(dropout),
        )
        self.to_frame = nn.Conv1d(192, VECTOR, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.5))  # log of the cosines' factor

    def begin_with(self, other: PlaceNetwork) -> None:
        """Take the weights of `other`; layers that it lacks change little yet."""
        weights = other.state_dict()
        ears = weights[_FIRST_AUDIO_LAYER]
        new_ears = ears.new_zeros(len(ears), len(self.gains_db) - ears.shape[1], *ears.shape[2:])
        weights[_FIRST_AUDIO_LAYER] = torch.cat([ears, new_ears], dim=1)
        self.load_state_dict(weights, strict=False)
        new = list(self.along_score)[len(other.score_steps) : len(self.score_steps)]
        new += list(self.along_time)[len(other.sound_steps) : len(self.sound_steps)]
        for layer in new:
            assert isinstance(layer, ResidualConv1d)
            layer.quieten()

    def encode_score(self, strip: torch.Tensor) -> ScoreEncoding:
        """Encode strips.

        Parameters
        ----------
        strip:
            float [shape=(n, 1, height, columns)] as the window shrinks it, ink in [0, 1]; columns
            divisible by 4.
        """
        x = self.score_rows(self.score(strip).flatten(1, 2))
        out = self.to_place(self.along_score(x))
        vector = F.normalize(out[:, :VECTOR].float(), dim=1).transpose(1, 2)
        # About a quarter note in 48 px of piano music, 11 of melodies, before training.
        return ScoreEncoding(vector, out[:, VECTOR].float() - 3.0)

    def encode_audio(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """Encode sound, each frame from itself and the `context` - 1 frames before it.

        Parameters
        ----------
        spectrogram:
            float [shape=(n, 1, 78, frames)].

        Returns
        -------
        torch.Tensor
            float [shape=(n, frames, 96)].
        """
        channels = torch.cat([amplified(spectrogram, gain) for gain in self.gains_db], dim=1)
        x = self.sound_rows(self.sound(channels).flatten(1, 2))
        out = self.to_frame(self.along_time(x))
        return F.normalize(out.float(), dim=1).transpose(1, 2)

    def similarity(self, frames: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Logits of each frame's place: float32 [shape=(n, frames, places)]."""
        return (frames @ places.transpose(1, 2)) * self.sharpness.exp()


def amplified(spectrogram: torch.Tensor, gain_db: float) -> torch.Tensor:
    """log10(1 + magnitude) of the same sound `gain_db` louder."""
    if gain_db == 0:
        return spectrogram
    magnitude = torch.expm1(spectrogram * math.log(10))
    return torch.log1p(magnitude * 10 ** (gain_db / 20)) / math.log(10)


def audio_context(sound_steps: Sequence[int]) -> int:
    """Frames that a frame's vector depends on, itself included."""
    return 5 + 2 * sum(sound_steps)  # two convolutions of three frames lie before those


class ResidualConv1d(nn.Module):
    """A residual convolution along the score or along time.

    Parameters
    ----------
    causal:
        Looks at what came before alone, by twice as much as else to either side.
    """

    def __init__(self, channels: int, kernel: int, step: int, *, causal: bool):
        super().__init__()
        reach = (kernel - 1) * step
        self.pad = (reach, 0) if causal else (reach // 2, reach - reach // 2)
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, kernel, dilation=step, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
        )

    def quieten(self) -> None:
        """Add hardly anything, for now; nothing at all would have no gradient behind a ReLU."""
        norm = self.layers[1]
        assert isinstance(norm, nn.BatchNorm1d)
        nn.init.constant_(norm.weight, 0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` [shape=(n, channels, length)] and what its surroundings add to it."""
        return x + self.layers(F.pad(x, self.pad))


def _image(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: int | tuple[int, int],
    padding: tuple[int, int],
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def _column(inputs: int, outputs: int) -> nn.Sequential:
    """All rows of a column together."""
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, 1, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(inplace=True),
    )
