"""Chroma of the spectrogram frames that an agent hears: twelve pitch classes, and their onsets."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sfpipe.audio.filterbank import BANDS_PER_OCTAVE, FFT_SIZE, TUNING_HZ, filterbank
from sfpipe.store.schema import BINS, SAMPLE_RATE

CLASSES = 12
FEATURES = 2 * CLASSES
COMPRESSION = 10.0  # of magnitudes beside the loudest, before the logarithm lifts quiet tones
SILENCE = 1e-3  # magnitudes and chroma below this are not stretched to unit size
LOUDNESS_FALL = 0.995  # per frame: 0.9 dB a second
NOISE_RISE = 1.01  # per frame: 1.7 dB a second
NOISE_MARGIN = 2.0  # noise fluctuates about its floor
ONSET_FALL = 0.9  # per frame, of the size that onsets are measured by ...
FAINTEST_ONSET = 0.3  # ... which does not fall below this


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

    A score is synthesised loud and clean, a performance may be soft and noisy. So what never falls
    silent in a bin is taken for noise and subtracted, magnitudes are measured by the loudest of
    the last seconds, and onsets by the strongest just before them (locally normalised, as the
    onset features of Ewert, Müller and Grosche, ICASSP 2009, are).

    Parameters
    ----------
    onset_weight:
        Of the onsets beside the chroma; 0 leaves them without effect.
    fading:
        What is left of an onset after one frame.
    """

    def __init__(self, onset_weight: float = 0.5, fading: float = 0.7):
        self.onset_weight, self.fading = onset_weight, fading
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._noise: np.ndarray | None = None
        self._loudness = SILENCE
        self._before = np.zeros(BINS)
        self._onset_size = FAINTEST_ONSET
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
        heard = self._cleaned(np.power(10.0, frame, dtype=np.float64) - 1)
        chroma = np.log1p(COMPRESSION * (folding() @ heard))
        size = max(float(np.sqrt(chroma @ chroma)), SILENCE)
        self._hear_onsets(np.log1p(COMPRESSION * heard))
        return np.concatenate([chroma / size, self.onset_weight * self._onsets])

    def of(self, spectrogram: np.ndarray) -> np.ndarray:
        """Features of a whole recording, float64 [shape=(n_frames, 24)], as `step` gives them."""
        self.reset()
        frames = np.ascontiguousarray(spectrogram.T)
        return np.array([self.step(frame) for frame in frames]).reshape(-1, FEATURES)

    def _cleaned(self, magnitude: np.ndarray) -> np.ndarray:
        """Magnitudes above the noise, in parts of the loudest."""
        rising = magnitude if self._noise is None else self._noise * NOISE_RISE + SILENCE / 1000
        self._noise = np.minimum(magnitude, rising)
        above = np.maximum(magnitude - NOISE_MARGIN * self._noise, 0)
        self._loudness = max(self._loudness * LOUDNESS_FALL, float(above.max()), SILENCE)
        return above / self._loudness

    def _hear_onsets(self, level: np.ndarray) -> None:
        """Let former onsets fade and add those of a frame with these log levels."""
        rise = folding() @ np.maximum(level - self._before, 0)
        self._before = level
        size = float(np.sqrt(rise @ rise))
        self._onset_size = max(self._onset_size * ONSET_FALL, size, FAINTEST_ONSET)
        self._onsets = np.maximum(self._onsets * self.fading, rise / self._onset_size)
