"""Recordings on disk: most formats to mono 22,050 Hz samples, and FLAC out."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from sfpipe.audio.decoding import BY_LIBSNDFILE, REMEDY, open_recording
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.schema import SAMPLE_RATE

LONGEST_S = 7200  # one piece of music
QUIET_MIX = 0.1  # RMS of the mix-down, of the louder channel's: below, the channels cancel


def print_notice(line: str) -> None:
    """Tell the user on stderr."""
    print(f"sfpipe: {line}", file=sys.stderr)


def load_audio(
    path: str | Path, *, exact: bool = False, tell: Callable[[str], None] = print_notice
) -> np.ndarray:
    """Read a recording (whatever ffmpeg reads), mix it down, resample it to 22,050 Hz.

    Parameters
    ----------
    exact:
        Refuse any other sample rate or number of channels, and a file that is cut off, instead of
        converting it: for files that this project wrote.
    tell:
        Is given a line on what is odd and was mended: channels that cancel each other (the louder
        one is taken), less sound than the header promises, damaged parts, or silence at the start
        that an encoder added and the file does not tell of.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int16]
        Mono at 22,050 Hz. A file that is so already comes back bit for bit.

    Raises
    ------
    SfpipeError
        If the file is missing, not audio, damaged, empty, longer than two hours, or holds NaN or
        infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise SfpipeError("no such file", file=path, remedy="check the name of the recording")
    try:
        return _load(path, exact=exact, tell=tell, by_ffmpeg=False)
    except SfpipeError as error:
        if exact or path.suffix.lower() not in BY_LIBSNDFILE or not _unreadable(error):
            raise
        with suppress(SfpipeError):  # the first reason says more
            return _load(path, exact=exact, tell=tell, by_ffmpeg=True)
        raise


def _unreadable(error: SfpipeError) -> bool:
    return error.remedy == REMEDY


def _load(
    path: Path, *, exact: bool, tell: Callable[[str], None], by_ffmpeg: bool, channel: int = -1
) -> np.ndarray:
    """As `load_audio`; of the channels only `channel`, or all if it is negative."""
    again = "run the synthesize stage again"
    with open_recording(path, by_ffmpeg=by_ffmpeg) as source:
        if exact and (source.rate != SAMPLE_RATE or source.channels != 1):
            raise SfpipeError(
                f"expected mono at {SAMPLE_RATE} Hz, found {source.channels} channels at"
                f" {source.rate} Hz",
                file=path,
                remedy=again,
            )
        mix = _MixDown(source.rate, source.channels, channel)
        for block in source.read():
            if source.frames > LONGEST_S * source.rate:
                longest = f"{LONGEST_S / 3600:g} h"
                raise SfpipeError(
                    f"lasts longer than {longest}", file=path, remedy="cut the piece out of it"
                )
            if block.dtype != np.int16 and not np.isfinite(block).all():
                raise SfpipeError("holds NaN or infinity", file=path, remedy="repair the recording")
            mix.add(block)
    seconds = source.frames / source.rate
    if source.frames == 0:
        raise SfpipeError("the recording is empty", file=path, remedy="record it again")
    if mix.cancels:
        loudest = int(np.argmax(mix.power))
        tell(f"{path}: its channels cancel each other; only the louder one is used")
        return _load(path, exact=exact, tell=tell, by_ffmpeg=by_ffmpeg, channel=loudest)
    if source.promised_s is not None:
        what = f"is cut off: {seconds:.2f} s of the {source.promised_s:.2f} s that it promises"
        if exact:
            raise SfpipeError(what, file=path, remedy=again)
        tell(f"{path} {what}")
    for notice in source.notices:
        tell(f"{path}: {notice}")
    return mix.samples()


class _MixDown:
    """Blocks of any rate and channels to mono at 22,050 Hz.

    Parameters
    ----------
    channel:
        The one that is taken; negative: the mean of all.
    """

    def __init__(self, rate: int, channels: int, channel: int):
        import soxr

        self._channel = channel
        self._blocks: list[np.ndarray] = []
        self._stream = None
        if rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", quality="HQ")
        self.power = np.zeros(channels)
        self._mixed_power = 0.0

    def add(self, block: np.ndarray) -> None:
        """The next block, as `Source` gives them."""
        if block.dtype == np.int16:
            self._blocks.append(block)
            return
        mono = block.mean(axis=1) if self._channel < 0 else block[:, self._channel]
        self.power += np.square(block, dtype=np.float64).sum(axis=0)
        self._mixed_power += float(np.square(mono, dtype=np.float64).sum())
        self._keep(mono)

    @property
    def cancels(self) -> bool:
        """Whether the mean of the channels is far softer than the loudest of them."""
        return bool(self._mixed_power < QUIET_MIX**2 * self.power.max())

    def samples(self) -> np.ndarray:
        """int16 [shape=(N,)], when all blocks were added."""
        if self._stream is not None:
            self._keep(np.zeros(0, np.float32), last=True)
        return np.concatenate(self._blocks)

    def _keep(self, mono: np.ndarray, *, last: bool = False) -> None:
        if self._stream is not None:
            mono = self._stream.resample_chunk(np.ascontiguousarray(mono), last=last)
        self._blocks.append(to_int16(mono * 32768))


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

    # Through memory: libsndfile does not say why a file cannot be written.
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())
