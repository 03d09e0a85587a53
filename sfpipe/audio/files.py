"""Recordings on disk: any format to mono 22,050 Hz samples, and FLAC out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.schema import SAMPLE_RATE


def load_audio(path: str | Path, *, exact: bool = False) -> np.ndarray:
    """Read a recording (WAV, FLAC, OGG, MP3, ...), mix it down and resample it to 22,050 Hz.

    Parameters
    ----------
    exact:
        Refuse any other sample rate or number of channels instead of converting it: for files
        that this project wrote.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int16]
        Mono at 22,050 Hz. A file that is so already comes back bit for bit.

    Raises
    ------
    SfpipeError
        If the file is missing, not audio, damaged, empty, or holds NaN or infinity.
    """
    import soundfile

    if not Path(path).is_file():
        raise SfpipeError("no such file", file=path, remedy="check the name of the recording")
    try:
        with soundfile.SoundFile(str(path)) as file:
            rate, channels, announced = file.samplerate, file.channels, file.frames
            native = rate == SAMPLE_RATE and channels == 1
            is_int16 = file.subtype == "PCM_16"
            samples = file.read(dtype="int16" if native and is_int16 else "float64")
    except (soundfile.LibsndfileError, RuntimeError, MemoryError) as error:
        raise SfpipeError(
            f"cannot be read as audio ({error})",
            file=path,
            remedy="check that the recording plays, or convert it to WAV",
        ) from None
    if exact and not native:
        raise SfpipeError(
            f"expected mono at {SAMPLE_RATE} Hz, found {channels} channels at {rate} Hz",
            file=path,
            remedy="remove the file and run the synthesize stage again",
        )
    if len(samples) == 0:
        raise SfpipeError("the recording is empty", file=path, remedy="record it again")
    if exact and len(samples) != announced:
        raise SfpipeError(
            f"is cut off: {len(samples)} of {announced} samples",
            file=path,
            remedy="remove the file and run the synthesize stage again",
        )
    if samples.dtype == np.int16:
        return samples
    if not np.isfinite(samples).all():
        raise SfpipeError("holds NaN or infinity", file=path, remedy="repair the recording")
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    return to_int16(resample(mono, rate, SAMPLE_RATE) * 32768)


def resample(samples: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Change the sample rate with soxr's high-quality filter.

    Parameters
    ----------
    samples:
        float [shape=(N,)].

    Returns
    -------
    np.ndarray [shape=(N * rate_out / rate_in,)], same dtype
    """
    if rate_in == rate_out:
        return samples
    import soxr

    return soxr.resample(samples, rate_in, rate_out, quality="HQ")


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Round float samples on the int16 scale, clipping what is out of range."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def write_flac(path: str | Path, samples: np.ndarray) -> None:
    """Write mono int16 samples [shape=(N,)] at 22,050 Hz as 16-bit FLAC, atomically."""
    import soundfile

    with replacing(path) as temporary:
        soundfile.write(str(temporary), samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
