"""Recordings on disk: most formats to mono 22,050 Hz samples, and FLAC out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sfpipe.audio.decoding import decode
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.schema import SAMPLE_RATE

QUIET_MIX = 0.1  # RMS of the mix-down, of the louder channel's: below, the channels cancel


def print_notice(line: str) -> None:
    """Tell the user on stderr."""
    print(f"sfpipe: {line}", file=sys.stderr)


def load_audio(
    path: str | Path, *, exact: bool = False, tell: Callable[[str], None] = print_notice
) -> np.ndarray:
    """Read a recording (WAV, FLAC, MP3, Ogg, AAC, ...), mix it down, resample it to 22,050 Hz.

    Parameters
    ----------
    exact:
        Refuse any other sample rate or number of channels, and a file that is cut off, instead of
        converting it: for files that this project wrote.
    tell:
        Is given a line on what is odd and was mended: channels that cancel each other (the louder
        one is taken), or less sound than the header promises.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int16]
        Mono at 22,050 Hz. A file that is so already comes back bit for bit.

    Raises
    ------
    SfpipeError
        If the file is missing, not audio, damaged, empty, or holds NaN or infinity.
    """
    if not Path(path).is_file():
        raise SfpipeError("no such file", file=path, remedy="check the name of the recording")
    samples, rate, promised_s = decode(Path(path))
    again = "run the synthesize stage again"
    if exact and (rate != SAMPLE_RATE or samples.ndim == 2):
        channels = samples.shape[1] if samples.ndim == 2 else 1
        raise SfpipeError(
            f"expected mono at {SAMPLE_RATE} Hz, found {channels} channels at {rate} Hz",
            file=path,
            remedy=again,
        )
    if len(samples) == 0:
        raise SfpipeError("the recording is empty", file=path, remedy="record it again")
    if promised_s is not None:
        what = f"is cut off: {len(samples) / rate:.2f} s of the {promised_s:.2f} s that it promises"
        if exact:
            raise SfpipeError(what, file=path, remedy=again)
        tell(f"{path} {what}")
    if samples.dtype == np.int16:
        return samples
    if not np.isfinite(samples).all():
        raise SfpipeError("holds NaN or infinity", file=path, remedy="repair the recording")
    mono = _mix_down(samples, Path(path), tell) if samples.ndim == 2 else samples
    return to_int16(resample(mono, rate, SAMPLE_RATE) * 32768)


def _mix_down(samples: np.ndarray, path: Path, tell: Callable[[str], None]) -> np.ndarray:
    """The mean of the channels, or the louder one where they cancel each other."""
    mono = samples.mean(axis=1)
    loudness = np.sqrt(np.mean(np.square(samples), axis=0))
    if np.sqrt(np.mean(np.square(mono))) >= QUIET_MIX * loudness.max():
        return mono
    tell(f"{path}: its channels cancel each other; only the louder one is used")
    return samples[:, int(loudness.argmax())]


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
