"""How far an instrument's tuning is from a' = 440 Hz, from its spectral peaks, as it plays."""

from __future__ import annotations

import numpy as np

from sfpipe.audio.filterbank import FFT_SIZE
from sfpipe.audio.pitch import A4_HZ
from sfpipe.store.schema import SAMPLE_RATE

LOWEST_HZ, HIGHEST_HZ = 150.0, 2500.0  # below, semitones share a peak; above, partials are sharp
_SURE_HZ = 400.0  # peaks below it count less: the same error in Hz is more cents
_LEAST = 0.1  # of a frame's largest magnitude, that a peak has
_MEMORY = 0.998  # of what was measured, per frame with sound: 25 s
_SILENT = 1.0  # magnitude: about -60 dB below a full sine


class TuningMeter:
    """The mean distance of spectral peaks from the nearest semitone, round the circle.

    Notes are a whole number of semitones apart, so that all their peaks have the same distance.
    Partials that are no semitones (the seventh) and unresolved peaks scatter, and cancel out.
    """

    def __init__(self) -> None:
        self._low, self._high = (
            round(hz * FFT_SIZE / SAMPLE_RATE) for hz in (LOWEST_HZ, HIGHEST_HZ)
        )
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._sum, self._weight = 0j, 0.0

    def push(self, magnitude: np.ndarray) -> None:
        """Take in a frame, float32 [shape=(1024,)], as `sfpipe.audio.spectrogram.magnitudes`."""
        magnitude = magnitude[: self._high + 1]
        loudest = float(magnitude.max())
        if loudest < _SILENT:
            return
        middle, left, right = (magnitude[self._low + i : self._high + i] for i in (0, -1, 1))
        peak = np.flatnonzero((middle > left) & (middle >= right) & (middle > _LEAST * loudest))
        # The top of a parabola through the logarithms of a peak and its neighbours.
        a, b, c = (np.log(side[peak] + 1e-9) for side in (left, middle, right))
        top = peak + self._low + 0.5 * (a - c) / (a - 2 * b + c)
        hz = top * SAMPLE_RATE / FFT_SIZE
        weight = np.sqrt(middle[peak]) * np.minimum(hz / _SURE_HZ, 1)
        semitone = 12 * np.log2(hz / A4_HZ)
        heard = complex((weight * np.exp(2j * np.pi * semitone)).sum())
        self._sum = _MEMORY * self._sum + heard
        self._weight = _MEMORY * self._weight + float(weight.sum())

    @property
    def cents(self) -> float:
        """From -50 to 50: how much higher than the nearest semitone on a' = 440 Hz."""
        return float(100 * np.angle(self._sum) / (2 * np.pi))

    @property
    def agreement(self) -> float:
        """From 0 to 1: how far the peaks agree; above 0.4 where music has a tuning."""
        return abs(self._sum) / self._weight if self._weight else 0.0
