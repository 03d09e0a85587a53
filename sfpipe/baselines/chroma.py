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
        level = np.asarray(frame, np.float64)
        magnitude = np.power(10.0, level) - 1
        rise = folding() @ np.maximum(level - self._before, 0)
        self._before = level
        self._onsets = np.maximum(self._onsets * self.fading, rise)
        chroma = np.log1p(self.compression * (folding() @ magnitude))
        size = max(float(np.sqrt(chroma @ chroma)), SILENCE)
        return np.concatenate([chroma / size, self.onset_weight * self._onsets])

    def of(self, spectrogram: np.ndarray) -> np.ndarray:
        """Features of a whole recording, float64 [shape=(n_frames, 24)], as `step` gives them."""
        self.reset()
        frames = np.ascontiguousarray(spectrogram.T)
        return np.array([self.step(frame) for frame in frames]).reshape(-1, FEATURES)


class Spectrum:
    """Features of a performance that may be soft, noisy, and in a room: bins, and their onsets.

    Magnitudes are measured by the loudest of the last seconds. The first 78 features are the log
    spectrum, of unit length; the others its rise since the frame before, which then fades, measured
    by the strongest of the last second (locally normalised, as the onset features of Ewert,
    Müller and Grosche, ICASSP 2009, are). Bins tell more than pitch classes: in a room the
    overtones of what sounded before fill all of these.
    """

    compression = 10.0  # of magnitudes, before the logarithm that brings quiet tones up
    fading = 0.6  # what is left of an onset after one frame
    loudness_fall = 0.98  # per frame: 3.5 dB a second
    onset_fall = 0.95  # per frame, of the size that onsets are measured by ...
    faintest = 0.3  # ... which does not fall below this, nor does that of the spectrum

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew, as before the first frame."""
        self._before: np.ndarray | None = None
        self._onsets = np.zeros(BINS)
        self._loudness, self._size = SILENCE, self.faintest

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Features of the next frame, float64 [shape=(156,)]; `frame` as of `Chroma.step`."""
        magnitude = np.power(10.0, np.asarray(frame, np.float64)) - 1
        self._loudness = max(self._loudness * self.loudness_fall, float(magnitude.max()))
        level = np.log1p(self.compression * magnitude / max(self._loudness, SILENCE))
        before = level if self._before is None else self._before
        self._onsets = np.maximum(self._onsets * self.fading, np.maximum(level - before, 0))
        self._before = level
        strength = float(np.sqrt(self._onsets @ self._onsets))
        self._size = max(self._size * self.onset_fall, strength, self.faintest)
        length = max(float(np.sqrt(level @ level)), self.faintest)
        return np.concatenate([level / length, self._onsets / self._size])

    def of(self, spectrogram: np.ndarray) -> np.ndarray:
        """Features of a whole recording, float64 [shape=(n_frames, 156)], as `step` gives them."""
        self.reset()
        frames = np.ascontiguousarray(spectrogram.T)
        return np.array([self.step(frame) for frame in frames]).reshape(-1, 2 * BINS)
