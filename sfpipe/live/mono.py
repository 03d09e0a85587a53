"""Sound of any rate and number of channels, as it arrives, to mono at 22,050 Hz."""

from __future__ import annotations

import numpy as np
import soxr

from sfpipe.audio.files import QUIET_MIX
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import SAMPLE_RATE

SLOWEST_RATE, FASTEST_RATE = 8_000, 192_000  # Hz
MOST_CHANNELS = 8
_PIECE_S = 0.02  # channels are compared over so much sound at a time
_MEMORY = 0.96  # of the loudness so far, from piece to piece: half a second
_LOUDEST = 4.0  # of float samples; full scale is 1


class MonoStream:
    """Mixes down and resamples a stream, whatever the size of the blocks that it comes in.

    Where the mix is nearly silent beside one of the channels, they cancel each other: then the
    louder one is taken. The result depends on the samples alone, not on how they are cut into
    blocks. It is up to 40 ms behind its input, which is what the resampling filter holds back.

    Parameters
    ----------
    rate:
        Hz, 8,000 to 192,000.
    channels:
        1 to 8.

    Raises
    ------
    SfpipeError
        If the rate or the number of channels is another one.
    """

    def __init__(self, rate: int, channels: int = 1):
        if not SLOWEST_RATE <= rate <= FASTEST_RATE:
            raise SfpipeError(
                f"a sample rate of {rate} Hz is not taken",
                remedy=f"use one from {SLOWEST_RATE} to {FASTEST_RATE} Hz",
            )
        if not 1 <= channels <= MOST_CHANNELS:
            raise SfpipeError(
                f"sound with {channels} channels is not taken", remedy="use mono or stereo"
            )
        self.rate, self.channels = rate, channels
        self._piece = round(_PIECE_S * rate)
        self._rest = np.empty((0, channels), np.float32)
        self._power = np.zeros(channels + 1)  # of the mix and of each channel
        self._resample = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take in a block.

        Parameters
        ----------
        samples:
            [shape=(n,)] of mono, [shape=(n, channels)]: int16, or floating point in [-1, 1]; what
            is not finite counts as silence.

        Returns
        -------
        np.ndarray [shape=(m,), dtype=float32]
            At 22,050 Hz; m may be 0.

        Raises
        ------
        SfpipeError
            If the samples have another shape or type.
        """
        return self._resampled(self._mixed(self._checked(samples)), last=False)

    def flush(self) -> np.ndarray:
        """End the stream: what was held back, float32 [shape=(m,)]."""
        rest, self._rest = self._rest, self._rest[:0]
        return self._resampled(self._choose(rest), last=True)

    def _checked(self, samples: np.ndarray) -> np.ndarray:
        block = np.asarray(samples)
        if block.ndim == 1 and self.channels == 1:
            block = block[:, None]
        if block.ndim != 2 or block.shape[1] != self.channels:
            raise SfpipeError(
                f"expected samples of shape (n, {self.channels}), found {np.shape(samples)}"
            )
        if block.dtype == np.int16:
            return block.astype(np.float32) / np.float32(32768)
        if not np.issubdtype(block.dtype, np.floating):
            raise SfpipeError(f"expected int16 or floating-point samples, found {block.dtype}")
        sound = block.astype(np.float32, copy=False)
        if not sound.size or (sound.min() >= -_LOUDEST and sound.max() <= _LOUDEST):
            return sound
        sound = np.nan_to_num(sound, nan=0, posinf=0, neginf=0)
        return np.clip(sound, -_LOUDEST, _LOUDEST)

    def _mixed(self, block: np.ndarray) -> np.ndarray:
        if self.channels == 1:
            return block[:, 0]
        sound = np.concatenate([self._rest, block])
        whole = len(sound) - len(sound) % self._piece
        self._rest = sound[whole:]
        pieces = [self._choose(sound[i : i + self._piece]) for i in range(0, whole, self._piece)]
        return np.concatenate(pieces) if pieces else np.empty(0, np.float32)

    def _choose(self, piece: np.ndarray) -> np.ndarray:
        """The mean of the channels of a piece, or the louder one where they cancel each other."""
        mix: np.ndarray = piece.sum(axis=1) / np.float32(self.channels)
        if self.channels == 1 or not len(piece):
            return mix
        power = np.array([mix @ mix, *(one @ one for one in piece.T)]) / len(piece)
        self._power = _MEMORY * self._power + power
        loudest = int(self._power[1:].argmax())
        if self._power[0] >= QUIET_MIX**2 * self._power[1 + loudest]:
            return mix
        return piece[:, loudest]

    def _resampled(self, mono: np.ndarray, *, last: bool) -> np.ndarray:
        if self.rate == SAMPLE_RATE:
            return mono
        out: np.ndarray = self._resample.resample_chunk(np.ascontiguousarray(mono), last=last)
        return out
