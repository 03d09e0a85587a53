"""Chroma of the spectrogram frames that an agent hears: twelve pitch classes, and their onsets."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sfpipe.audio.filterbank import BANDS_PER_OCTAVE, FFT_SIZE, TUNING_HZ, filterbank
from sfpipe.store.schema import BINS, SAMPLE_RATE

CLASSES = 12
FEATURES = 2 * CLASSES
COMPRESSION = 50.0  # of magnitudes, before the logarithm that brings quiet tones up
SILENCE = 1e-3  # chroma shorter than this is not stretched to unit length


@lru_cache(maxsize=1)
def folding() -> np.ndarray:
    """Which pitch class each bin belongs to: 1 where it does.

    A bin's frequency is the centre of gravity of its filter, which for the lowest is far from
    the semitone it was meant for.

    Returns
    -------
    np.ndarray [shape=(12, 78), dtype=float32], read-only
        Row 0 is C.
    """
    bank = filterbank().astype(np.float64)
    hz = np.arange(len(bank)) * SAMPLE_RATE / FFT_SIZE @ bank / bank.sum(0)
    pitch = np.round(69 + BANDS_PER_OCTAVE * np.log2(hz / TUNING_HZ)).astype(np.int64)
    fold = np.zeros((CLASSES, BINS), np.float32)
    fold[pitch % CLASSES, np.arange(BINS)] = 1
    fold.flags.writeable = False
    return fold


class Chroma:
    """Features of frames that arrive one by one.

    The first twelve are a frame's chroma, of unit length; the others say which pitch classes have
    just begun: the rise of the log spectrum since the frame before, folded, which then fades. A
    held note looks like itself for as long as it lasts, and timbres differ most there; its
    beginning is what can be aligned.

    Parameters
    ----------
    onset_weight:
        Of the onsets beside the chroma; 0 leaves them without effect.
    fading:
        What is left of an onset after one frame.
    """

    def __init__(self, onset_weight: float = 1.0, fading: float = 0.7):
        self.onset_weight, self.fading = onset_weight, fading
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._before = np.zeros(BINS, np.float32)
        self._onsets = np.zeros(CLASSES)

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Features of the next frame.

        Parameters
        ----------
        frame:
            float32 [shape=(78,)], log10(1 + magnitude).

        Returns
        -------
        np.ndarray [shape=(24,), dtype=float64]
        """
        rise = folding() @ np.maximum(frame - self._before, 0)
        self._onsets = np.maximum(self._onsets * self.fading, rise)
        self._before = frame
        level = np.log1p(COMPRESSION * (folding() @ (np.power(10.0, frame) - 1)))
        size = max(float(np.sqrt(level @ level)), SILENCE)
        return np.concatenate([level / size, self.onset_weight * self._onsets])

    def of(self, spectrogram: np.ndarray) -> np.ndarray:
        """Features of a whole recording, float64 [shape=(n_frames, 24)], as `step` gives them."""
        self.reset()
        frames = np.ascontiguousarray(spectrogram.T)
        return np.array([self.step(frame) for frame in frames]).reshape(-1, FEATURES)
