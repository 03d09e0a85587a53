"""Decoding recordings to the true end: by libsndfile where that is sure to, else by ffmpeg.

libsndfile guesses the length of MP3 files from their first frames, and reads only the first of
joined MP3 or Ogg streams; what phones and browsers record (AAC, WebM) it does not read at all.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sfpipe.errors import SfpipeError, naming_extra

BY_LIBSNDFILE = (".wav", ".flac", ".aif", ".aiff")
BY_FFMPEG = (".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".webm")
AUDIO_SUFFIXES = (*BY_LIBSNDFILE, *BY_FFMPEG)
BLOCK = 1 << 20  # samples per channel
MOST_FRAMES = 1 << 40
UNKNOWN = (0, 0xFFFFFFFF)  # sizes that programs write into the header of a stream
NATIVE_RATE = 22_050  # Hz, of what this project writes
_REMEDY = "check that the recording plays, or convert it to WAV"


class Decoded(NamedTuple):
    """`samples` int16 or float [shape=(n,) or (n, channels)]; `promised_s`: what the header says.

    Samples are int16 only where the file is mono at 22,050 Hz in 16 bits. `promised_s` is None
    where the header does not say, or says no more than there is.
    """

    samples: np.ndarray
    rate: int
    promised_s: float | None = None


def decode(path: Path) -> Decoded:
    """All samples of a recording.

    Raises
    ------
    SfpipeError
        If it cannot be read.
    """
    if path.suffix.lower() in BY_FFMPEG:
        return _by_ffmpeg(path)
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames > MOST_FRAMES:
                return _by_ffmpeg(path)  # a FLAC stream of unknown length
            native = file.samplerate == NATIVE_RATE and file.channels == 1
            dtype = "int16" if native and file.subtype == "PCM_16" else "float64"
            blocks = list(_blocks(file, dtype))
            rate, announced = file.samplerate, file.frames
            empty = np.zeros((0,) if file.channels == 1 else (0, file.channels), dtype)
    except (soundfile.LibsndfileError, RuntimeError, MemoryError) as error:
        raise SfpipeError(f"cannot be read as audio ({error})", file=path, remedy=_REMEDY) from None
    samples = np.concatenate(blocks) if blocks else empty
    # Of a WAV libsndfile announces what there is, not what the header says.
    promised = _promised_by_wav(path) if announced == len(samples) else announced / rate
    more = promised is not None and len(samples) / rate + 0.001 < promised
    return Decoded(samples, rate, promised if more else None)


def find_ffmpeg() -> str:
    """The ffmpeg program.

    Raises
    ------
    SfpipeError
        If there is none.
    """
    with naming_extra():
        import imageio_ffmpeg
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise SfpipeError(
            "there is no ffmpeg for this machine",
            remedy="install ffmpeg, or name one in IMAGEIO_FFMPEG_EXE",
        ) from None


def _blocks(file: object, dtype: str) -> Iterator[np.ndarray]:
    # Until nothing comes any more: the announced length may be a guess.
    while len(block := file.read(BLOCK, dtype=dtype)):  # type: ignore[attr-defined]  # untyped library
        yield block


def _by_ffmpeg(path: Path) -> Decoded:
    # Sun's AU: the simplest header with the rate and the channels.
    command = [find_ffmpeg(), "-v", "error", "-nostdin", "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "-"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode or len(done.stdout) < 24:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        what = said[-1] if said else "no sound in it"
        raise SfpipeError(f"cannot be read as audio ({what})", file=path, remedy=_REMEDY)
    _, start, _, _, rate, channels = struct.unpack(">6I", done.stdout[:24])
    samples = np.frombuffer(done.stdout, ">f4", offset=start).astype(np.float64)
    return Decoded(samples if channels == 1 else samples.reshape(-1, channels), rate)


def _promised_by_wav(path: Path) -> float | None:
    """Seconds of sound that the header of a WAV file announces; None if it announces none."""
    per_second = 0
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"data":
                return size / per_second if per_second and size not in UNKNOWN else None
            content = file.read(size + size % 2) if size < BLOCK else b""
            if name == b"fmt " and len(content) >= 12:
                per_second = int.from_bytes(content[8:12], "little")
            elif not content:
                file.seek(size + size % 2, 1)
    return None
