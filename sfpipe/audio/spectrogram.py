"""Audio to spectrogram, whole recordings at a time (section 4.1 of the paper).

Frame i, at 20 frames per second, covers the 2048 samples centred on sample int(1102.5 i); before
the start and after the end there is silence. The same arithmetic serves `sfpipe.audio.streaming`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sfpipe.audio.filterbank import FFT_BINS, FFT_SIZE, filterbank
from sfpipe.audio.pitch import AS_WRITTEN, PitchOffset
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import BINS, HOP, SAMPLE_RATE

HALF = FFT_SIZE // 2  # samples of a frame that lie before its centre
BLOCK = 256  # frames transformed at once: their FFTs stay in the cache


def n_frames(n_samples: int) -> int:
    """Number of frames of a recording: ceil(n_samples / 1102.5)."""
    return -(-2 * n_samples // round(2 * HOP))


def first_sample(frame: int | np.ndarray) -> Any:
    """First sample that frame `frame` covers (negative: zeros before the recording)."""
    return frame * round(2 * HOP) // 2 - HALF


def spectrogram(
    samples: np.ndarray, sample_rate: int, offset: PitchOffset = AS_WRITTEN
) -> np.ndarray:
    """Log-magnitude, log-frequency spectrogram of a recording.

    Parameters
    ----------
    samples:
        [shape=(N,)], mono: int16, or floating point in [-1, 1].
    sample_rate:
        Hz; must be 22,050.
    offset:
        How much higher it sounds than it is written: the bins are those of the written pitches.

    Returns
    -------
    np.ndarray [shape=(78, ceil(N / 1102.5)), dtype=float32]
        log10(1 + filtered magnitude).

    Raises
    ------
    SfpipeError
        If the recording is empty, not mono, at another sample rate, or holds NaN or infinity.
    """
    check_rate(sample_rate)
    audio = as_float(samples)
    if len(audio) == 0:
        raise SfpipeError("the recording is empty", remedy="give at least one sample")
    total = n_frames(len(audio))
    end = first_sample(total - 1) + FFT_SIZE
    padded = np.zeros(HALF + max(end, len(audio)), dtype=np.float32)
    padded[HALF : HALF + len(audio)] = audio
    result = np.empty((BINS, total), dtype=np.float32)
    for start in range(0, total, BLOCK):
        frames = np.arange(start, min(start + BLOCK, total))
        windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SIZE)
        result[:, frames] = transform(windows[first_sample(frames) + HALF], offset)
    return result


def transform(frames: np.ndarray, offset: PitchOffset = AS_WRITTEN) -> np.ndarray:
    """Spectrogram columns of frames cut out already.

    Parameters
    ----------
    frames:
        float32 [shape=(n, 2048)], in [-1, 1].
    offset:
        As of `spectrogram`.

    Returns
    -------
    np.ndarray [shape=(78, n), dtype=float32]
    """
    return filtered(magnitudes(frames, _tables(offset.factor)[1]), offset)


def magnitudes(frames: np.ndarray, bins: int = FFT_BINS) -> np.ndarray:
    """Of the first `bins` FFT bins of frames [shape=(n, 2048)]: float32 [shape=(n, bins)]."""
    from scipy.fft import rfft

    return np.abs(rfft(frames * _window(), axis=1)[:, :bins])


def filtered(magnitude: np.ndarray, offset: PitchOffset = AS_WRITTEN) -> np.ndarray:
    """Spectrogram columns of frames whose magnitudes are known.

    Parameters
    ----------
    magnitude:
        float32 [shape=(n, bins)], as `magnitudes` gives them.
    offset:
        As of `spectrogram`.

    Returns
    -------
    np.ndarray [shape=(78, n), dtype=float32]
    """
    bank, top = _tables(offset.factor)
    return np.log10(np.float32(1) + bank @ magnitude[:, :top].T)


def check_rate(sample_rate: int) -> None:
    """Accept 22,050 Hz only: the filters and the frame rate are made for it."""
    if sample_rate != SAMPLE_RATE:
        raise SfpipeError(
            f"expected a sample rate of {SAMPLE_RATE} Hz, found {sample_rate} Hz",
            remedy="resample first, e.g. with sfpipe.audio.files.load_audio",
        )


def as_float(samples: np.ndarray) -> np.ndarray:
    """Check mono samples and bring them to float32 in [-1, 1]; may be empty.

    Parameters
    ----------
    samples:
        [shape=(N,)], int16 (divided by 32767) or floating point (taken as it is).

    Raises
    ------
    SfpipeError
        If they are not mono, neither int16 nor floating point, or hold NaN or infinity.
    """
    audio = np.asarray(samples)
    if audio.ndim != 1:
        raise SfpipeError(
            f"expected mono samples of shape (N,), found shape {audio.shape}",
            remedy="mix the channels down first",
        )
    if audio.dtype == np.int16:
        return audio.astype(np.float32) / np.float32(32767)
    if not np.issubdtype(audio.dtype, np.floating):
        raise SfpipeError(f"expected int16 or floating-point samples, found {audio.dtype}")
    if not np.isfinite(audio).all():
        raise SfpipeError("the samples hold NaN or infinity", remedy="repair the recording")
    return audio.astype(np.float32)


@lru_cache(maxsize=64)
def _tables(factor: float) -> tuple[Any, int]:
    """Filters and number of FFT bins in use.

    The filters are sparse, and not only for speed: a sparse product adds each bin's few terms in
    the same order however many frames there are, so streaming gives the offline numbers exactly.
    """
    from scipy.sparse import csr_array

    bank = filterbank(factor)
    top = int(np.flatnonzero(bank.any(axis=1)).max()) + 1
    assert top <= FFT_BINS
    return csr_array(bank[:top].T), top


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    return np.hanning(FFT_SIZE).astype(np.float32)
