"""Decoding recordings to the true end: by libsndfile where that is sure to, else by ffmpeg.

libsndfile guesses the length of MP3 files from their first frames, and reads only the first of
joined MP3 or Ogg streams; what phones and browsers record (AAC, WebM) it does not read at all.
Samples arrive in blocks, so that an hour of any format needs the memory of its mix-down alone.
"""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.errors import SfpipeError, naming_extra

BY_LIBSNDFILE = (".wav", ".flac")
# What a recording is usually called; ffmpeg reads more.
AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".w64", ".au", ".wv", ".tta", ".ape"),
    *(".m4a", ".m4b", ".aac", ".mp4", ".mov", ".3gp", ".amr", ".mp3", ".mp2", ".ogg", ".oga"),
    *(".opus", ".webm", ".mka", ".mkv", ".wma", ".ac3"),
)
BLOCK = 1 << 18  # samples per channel
MOST_FRAMES = 1 << 40
UNKNOWN = (0, 0xFFFFFFFF)  # sizes that programs write into the header of a stream
NATIVE_RATE = 22_050  # Hz, of what this project writes
REMEDY = "check that the recording plays, or convert it to WAV"
# Containers of sound. Not among them: playlists, which open other files, and pictures.
CONTAINERS = (
    "aac,ac3,adx,aea,aiff,alp,amr,amrnb,amrwb,ape,asf,ast,au,avi,avr,caf,dff,dsf,dts,dtshd,eac3,"
    "flac,flv,gsm,iff,ircam,iss,live_flv,loas,m4a,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,"
    "nistsphere,nut,ogg,oma,osq,paf,pvf,rm,rso,sbc,sds,shn,smjpeg,sol,sox,tak,truehd,tta,voc,w64,"
    "wav,webm,wsaud,wv,xa,xwma"
)
# Samples of silence that encoder and decoder add and that the file does not tell of: what LAME and
# every MP3 decoder add, one frame of AAC, the filter banks of AC-3 and of MPEG layer 2.
DELAYS = {"mp3": 1105, "aac": 1024, "ac3": 256, "eac3": 256, "mp2": 481}
PROMISE_S = 0.1  # lengths that containers announce are that exact


@dataclass
class Source:
    """A recording that is being read.

    `blocks` are int16 [shape=(n,)] if the file is mono at 22,050 Hz in 16 bits, else float32
    [shape=(n, channels)]. When they have ended, `notices` says what was odd, and `promised_s` how
    long the sound is by its header, if that says more than there is.
    """

    rate: int
    channels: int
    blocks: Iterator[np.ndarray]
    notices: list[str] = field(default_factory=list)
    promised_s: float | None = None
    frames: int = 0

    def read(self) -> Iterator[np.ndarray]:
        """The blocks, counted."""
        for block in self.blocks:
            self.frames += len(block)
            yield block


@contextmanager
def open_recording(path: Path, *, by_ffmpeg: bool = False) -> Iterator[Source]:
    """Open a recording.

    Parameters
    ----------
    by_ffmpeg:
        Let ffmpeg read it, whatever its suffix.

    Raises
    ------
    SfpipeError
        If it cannot be read, here or while its blocks are.
    """
    if by_ffmpeg or path.suffix.lower() not in BY_LIBSNDFILE:
        with _ffmpeg(path) as source:
            yield source
        return
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames <= MOST_FRAMES:
                yield _libsndfile(file, path)
                return
    except (soundfile.LibsndfileError, RuntimeError, MemoryError) as error:
        raise _unreadable(path, str(error)) from None
    with _ffmpeg(path) as source:  # a FLAC stream of unknown length
        yield source


def has_sound(path: Path) -> bool:
    """Whether a file can be opened as a recording, whatever it is called."""
    try:
        with open_recording(path, by_ffmpeg=True):
            return True
    except SfpipeError:
        return False


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


def _unreadable(path: Path, why: str) -> SfpipeError:
    return SfpipeError(f"cannot be read as audio ({why})", file=path, remedy=REMEDY)


def _libsndfile(file: Any, path: Path) -> Source:
    native = file.samplerate == NATIVE_RATE and file.channels == 1 and file.subtype == "PCM_16"

    def blocks() -> Iterator[np.ndarray]:
        # Until nothing comes any more: the announced length may be a guess.
        n, how = 0, {"dtype": "int16"} if native else {"dtype": "float32", "always_2d": True}
        while len(block := file.read(BLOCK, **how)):
            n += len(block)
            yield block
        # Of a WAV libsndfile announces what there is, not what the header says.
        promised = _promised_by_wav(path) if file.frames == n else file.frames / file.samplerate
        if promised is not None and n / file.samplerate + 0.001 < promised:
            source.promised_s = promised

    source = Source(file.samplerate, file.channels, blocks())
    return source


@contextmanager
def _ffmpeg(path: Path) -> Iterator[Source]:
    # Sun's AU: the simplest header with the rate and the channels.
    command = [find_ffmpeg(), "-hide_banner", "-nostats", "-nostdin", "-v", "level+info"]
    command += ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]
    command += ["-i", f"file:{path}", "-map", "0:a:0", "-map_metadata", "-1"]
    command += ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with tempfile.TemporaryFile() as log:
        done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            assert done.stdout is not None
            header = done.stdout.read(24)
            if len(header) < 24:
                done.wait()
                raise _unreadable(path, _reason(log))
            _, start, _, _, rate, channels = struct.unpack(">6I", header)
            done.stdout.read(start - 24)
            source = Source(rate, channels, iter(()))
            source.blocks = _decoded(done, log, path, source)
            yield source
        finally:
            if done.poll() is None:
                done.kill()
            done.communicate()


def _decoded(
    done: subprocess.Popen[bytes], log: Any, path: Path, source: Source
) -> Iterator[np.ndarray]:
    """Blocks of ffmpeg's output, without the delay that the file does not tell of."""
    assert done.stdout is not None
    skip = _untold_delay(_said(log))
    if skip:
        milliseconds = 1000 * skip / source.rate
        source.notices.append(f"{milliseconds:.0f} ms of silence that its encoder added taken out")
    size, n = 4 * source.channels, 0
    while content := done.stdout.read(size * BLOCK):
        block = np.frombuffer(content[: len(content) // size * size], ">f4").astype(np.float32)
        block = block.reshape(-1, source.channels)
        n += len(block)
        if len(block := block[skip:]):
            yield block
        skip = max(0, skip - n)
    said = _said(log)
    if done.wait():
        raise _unreadable(path, _reason(log))
    promised = _promised_by_container(said)
    if promised is not None and n / source.rate + PROMISE_S < promised:
        source.promised_s = promised
    elif errors := [e for e in re.findall(r"\[error\] (.+)", said) if "to muxer" not in e]:
        source.notices.append(f"ffmpeg met {len(errors)} errors in it (the first: {errors[0]})")
    elif "Input #0, ogg" in said and _lacks_end(path):
        source.notices.append("has no end mark: it may be cut off")


def _said(log: Any) -> str:
    log.seek(0)
    return str(log.read().decode("utf-8", "replace"))


def _reason(log: Any) -> str:
    """Why ffmpeg failed, in its words but without its names for its own parts."""
    said = _said(log)
    if "Format not on whitelist" in said or "matches no streams" in said:
        return "no sound in it"
    # What comes first is the cause, what follows are its consequences.
    errors = re.findall(r"\[(?:error|fatal)\] (.+)", said) or ["no sound in it"]
    return errors[0].removeprefix("Error opening input: ").rstrip(".")


def _untold_delay(said: str) -> int:
    """Samples to leave out at the beginning, by what ffmpeg says of its input.

    Raw streams alone: containers tell the delay, and ffmpeg leaves it out.
    """
    codec = re.search(r"Stream #0:\d.*?: Audio: (\w+)", said)
    raw = re.search(r"Input #0, (mp3|aac|ac3|eac3),", said)
    start = re.search(r"Duration: .*?start: (-?[\d.]+)", said)
    told = start is not None and float(start[1]) > 0  # by a header in the first frame
    return DELAYS.get(codec[1], 0) if codec and raw and not told else 0


def _promised_by_container(said: str) -> float | None:
    """Length in s by the header; None if it tells none, or that of a picture as well."""
    duration = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    moving = re.search(r"Stream #0:\d.*?: Video: (?!.*attached pic)", said)
    if duration is None or moving or "Estimating duration from bitrate" in said:
        return None
    return int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])


def _lacks_end(path: Path) -> bool:
    """Whether the last page of an Ogg file is incomplete or not marked as the last."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 17)))  # a page has at most 65,307 bytes
        tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return not page[5] & 4 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


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
