"""The bank of triangular filters that turns FFT magnitudes into log-frequency bins.

Source: Henkel, Balke, Dorfer & Widmer (TISMIR 2019), section 4.1: 78 bins between 60 Hz and 6 kHz,
12 per octave. The placement follows what the paper's reference computes, to the sample.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sfpipe.audio.pitch import A4_HZ
from sfpipe.store.schema import BINS, SAMPLE_RATE

FFT_SIZE = 2048
FFT_BINS = FFT_SIZE // 2  # bins 0 .. 1023; the Nyquist bin is left out
BANDS_PER_OCTAVE = 12
LOWEST_HZ, HIGHEST_HZ = 60.0, 6000.0
TUNING_HZ = A4_HZ


def centre_frequencies() -> np.ndarray:
    """Frequencies of the equally tempered scale on a' = 440 Hz within [60, 6000] Hz.

    Returns
    -------
    np.ndarray [shape=(80,), dtype=float64]
        Hz, increasing: each triangle's corners are three neighbours of these.
    """
    first = int(np.ceil(np.log2(LOWEST_HZ / TUNING_HZ) * BANDS_PER_OCTAVE))
    last = int(np.floor(np.log2(HIGHEST_HZ / TUNING_HZ) * BANDS_PER_OCTAVE))
    return TUNING_HZ * 2.0 ** (np.arange(first, last + 1) / BANDS_PER_OCTAVE)


def nearest_bins(frequencies_hz: np.ndarray) -> np.ndarray:
    """Index of the FFT bin nearest to each frequency; a tie goes to the upper bin.

    Parameters
    ----------
    frequencies_hz:
        float [shape=(n,)], Hz.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=int64]
    """
    position = np.asarray(frequencies_hz) * FFT_SIZE / SAMPLE_RATE
    return np.minimum(np.floor(position + 0.5), FFT_BINS - 1).astype(np.int64)


def triangle(start: int, centre: int, end: int) -> np.ndarray:
    """One filter over bins `start` to `end` - 1, summing to 1.

    It rises from 0 at `start` to its peak at `centre` and falls to 0 at `end`. Where the three
    corners are too close for a triangle (low frequencies), the single bin `start` passes.

    Returns
    -------
    np.ndarray [shape=(max(end - start, 1),), dtype=float64]
    """
    if end - start < 2:
        return np.ones(1)
    rising = np.linspace(0, 1, centre - start, endpoint=False)
    falling = np.linspace(1, 0, end - centre, endpoint=False)
    weights = np.concatenate([rising, falling])
    return weights / weights.sum()


@lru_cache(maxsize=64)
def filterbank(factor: float = 1.0) -> np.ndarray:
    """All filters as columns.

    Neighbouring low filters may fall on the same bins; they are kept, as in the paper's input.

    Parameters
    ----------
    factor:
        By which all centre frequencies are multiplied: `PitchOffset.factor`. 1 gives the filters of
        the paper. Filters beyond the highest FFT bin pass that bin.

    Returns
    -------
    np.ndarray [shape=(1024, 78), dtype=float32], read-only
        ``magnitudes @ filterbank()`` are the bins of a frame.
    """
    bins = nearest_bins(centre_frequencies() * factor)
    bank = np.zeros((FFT_BINS, len(bins) - 2), dtype=np.float32)
    for column, (start, centre, end) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        weights = triangle(int(start), int(centre), int(end))
        bank[start : start + len(weights), column] = weights
    assert bank.shape == (FFT_BINS, BINS)
    bank.flags.writeable = False
    return bank
