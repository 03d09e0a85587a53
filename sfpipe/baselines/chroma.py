"""Chroma of the spectrogram frames that an agent hears: twelve pitch classes, and their onsets."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sfpipe.audio.filterbank import BANDS_PER_OCTAVE, FFT_SIZE, TUNING_HZ, filterbank
from sfpipe.store.schema import BINS, SAMPLE_RATE

CLASSES = 12
FEATURES = 2 * CLASSES
SILENCE = 1e-3  # magnitudes and chroma below this are not stretched to unit size


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

    compression = 50.0  # of magnitudes, before the logarithm that brings quiet tones up

    def __init__(self, onset_weight: float = 1.0, fading: float = 0.7):
        self.onset_weight, self.fading = onset_weight, fading
        self.reset()

    def reset(self) -> None:
        """Start anew, as before the first frame."""
        self._before = np.zeros(BINS)
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
        magnitude, level = self._heard(np.asarray(frame, np.float64))
        rise = folding() @ np.maximum(level - self._before, 0)
        self._before = level
        self._onsets = np.maximum(self._onsets * self.fading, self._measured(rise))
        chroma = np.log1p(self.compression * (folding() @ magnitude))
        size = max(float(np.sqrt(chroma @ chroma)), SILENCE)
        return np.concatenate([chroma / size, self.onset_weight * self._onsets])

    def of(self, spectrogram: np.ndarray) -> np.ndarray:
        """Features of a whole recording, float64 [shape=(n_frames, 24)], as `step` gives them."""
        self.reset()
        frames = np.ascontiguousarray(spectrogram.T)
        return np.array([self.step(frame) for frame in frames]).reshape(-1, FEATURES)

    def _heard(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Magnitudes for the chroma, and the log levels whose rise is an onset."""
        return np.power(10.0, frame) - 1, frame

    def _measured(self, rise: np.ndarray) -> np.ndarray:
        """How strong the onsets are that made the pitch classes rise so much."""
        return rise


class AdaptiveChroma(Chroma):
    """Chroma and onsets of a performance that may be soft and noisy.

    What never falls silent in a bin is taken for noise and subtracted, magnitudes are measured by
    the loudest of the last seconds, and onsets by the strongest just before them (locally
    normalised, as the onset features of Ewert, Müller and Grosche, ICASSP 2009, are). How strong
    an onset is beside those long ago is no longer known: where performance and score sound alike,
    `Chroma` aligns better.
    """

    compression = 10.0
    loudness_fall = 0.995  # per frame: 0.9 dB a second
    noise_rise = 1.01  # per frame: 1.7 dB a second
    noise_margin = 2.0  # noise fluctuates about its floor
    strongest = 0.5  # onset
    onset_fall = 0.9  # per frame, of the size that onsets are measured by ...
    faintest = 0.3  # ... which does not fall below this

    def reset(self) -> None:
        """Start anew, as before the first frame."""
        super().reset()
        self._noise: np.ndarray | None = None
        self._loudness = SILENCE
        self._size = self.faintest

    def _heard(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        magnitude, _ = super()._heard(frame)
        # The small term lets the floor rise from nothing too.
        rising = magnitude if self._noise is None else self._noise * self.noise_rise + 1e-6
        self._noise = np.minimum(magnitude, rising)
        above = np.maximum(magnitude - self.noise_margin * self._noise, 0)
        self._loudness = max(self._loudness * self.loudness_fall, float(above.max()), SILENCE)
        magnitude = above / self._loudness
        return magnitude, np.log1p(self.compression * magnitude)

    def _measured(self, rise: np.ndarray) -> np.ndarray:
        self._size = max(self._size * self.onset_fall, float(np.sqrt(rise @ rise)), self.faintest)
        return self.strongest * rise / self._size
