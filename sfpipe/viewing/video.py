"""MP4 files that play in browsers: H.264 and AAC, by the ffmpeg that imageio-ffmpeg brings."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.schema import SAMPLE_RATE

_SOUND = ("-c:a", "aac", "-b:a", "128k")
_PICTURES = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p")


def ffmpeg() -> str:
    """The ffmpeg program.

    Raises
    ------
    SfpipeError
        If there is none.
    """
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise SfpipeError(
            "there is no ffmpeg for this machine",
            remedy="install ffmpeg, or name one in IMAGEIO_FFMPEG_EXE",
        ) from None


def write_video(
    path: Path, frames: Iterable[np.ndarray], *, fps: int, samples: np.ndarray | None = None
) -> int:
    """Write pictures and their sound; picture i is shown from ``i / fps`` s of the sound on.

    Parameters
    ----------
    path:
        Ends in ``.mp4``; appears when it is complete.
    frames:
        uint8 [shape=(height, width, 3)] each, all of one size, both sides even.
    samples:
        int16 [shape=(N,)], mono at 22,050 Hz; cut off or continued by silence to the pictures'
        length. None: a silent film.

    Returns
    -------
    int
        The number of pictures.

    Raises
    ------
    SfpipeError
        If there is no picture, or ffmpeg fails.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise SfpipeError("there is nothing to show", file=path)
    size = f"{first.shape[1]}x{first.shape[0]}"
    command = [ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", size, "-r", str(fps), "-i", "-"]
    with tempfile.TemporaryDirectory() as folder, replacing(path) as temporary:
        if samples is not None:
            wav = Path(folder) / "sound.wav"
            _write_wav(wav, samples)
            command += ["-i", str(wav), "-af", "apad", "-shortest", *_SOUND]
        command += [*_PICTURES, "-movflags", "+faststart", str(temporary)]
        with open(Path(folder) / "log", "w+b") as log:
            count = _feed(command, first, pictures, log)
            if count < 0:
                log.seek(0)
                raise SfpipeError(f"ffmpeg failed ({_last(log.read())})", file=path)
    return count


def encode_sound(samples: np.ndarray) -> bytes:
    """Samples int16 [shape=(N,)] at 22,050 Hz as AAC in an MP4 file, for a page's audio element.

    Raises
    ------
    SfpipeError
        If ffmpeg fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        wav, out = Path(folder) / "sound.wav", Path(folder) / "sound.m4a"
        _write_wav(wav, samples)
        done = subprocess.run(
            [ffmpeg(), "-loglevel", "error", "-i", wav, *_SOUND, "-movflags", "+faststart", out],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SfpipeError(f"ffmpeg failed ({_last(done.stderr)})")
        return out.read_bytes()


def _feed(command: list[str], first: np.ndarray, rest: Iterable[np.ndarray], log: IO) -> int:
    """Give ffmpeg the pictures; how many they were, -1 if it failed."""
    count = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
        assert process.stdin is not None
        try:
            for picture in chain([first], rest):
                process.stdin.write(np.ascontiguousarray(picture).data)
                count += 1
            process.stdin.close()
        except BrokenPipeError:
            pass  # its own message, in the log, says more
        except BaseException:
            process.kill()
            raise
    return count if process.returncode == 0 else -1


def _write_wav(path: Path, samples: np.ndarray) -> None:
    import soundfile

    soundfile.write(str(path), samples, SAMPLE_RATE, subtype="PCM_16")


def _last(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "without a message"
