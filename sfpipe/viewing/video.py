"""MP4 files that play in browsers: H.264 and AAC, by the ffmpeg that imageio-ffmpeg brings."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from sfpipe.audio.decoding import find_ffmpeg
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.schema import SAMPLE_RATE

_SOUND = ("-c:a", "aac", "-b:a", "128k")
_PICTURES = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p")


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
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(fps), "-i", "-")
    with tempfile.TemporaryDirectory() as folder, replacing(path) as temporary:
        film = temporary if samples is None else Path(folder) / "pictures.mp4"
        count = _encode([*source, *_PICTURES], film, chain([first], pictures), file=path)
        if samples is not None:
            # Only now is it known how long the sound has to be. (With ffmpeg's -shortest it is
            # as long as what happened to be encoded when the pictures ended.)
            whole = np.zeros(round(count / fps * SAMPLE_RATE), np.int16)
            whole[: len(samples)] = samples[: len(whole)]
            wav = Path(folder) / "sound.wav"
            _write_wav(wav, whole)
            both = ("-i", str(film), "-i", str(wav), "-c:v", "copy", *_SOUND)
            _encode(both, temporary, file=path)
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
        _encode(["-i", str(wav), *_SOUND], out)
        return out.read_bytes()


def _encode(
    options: Sequence[str],
    out: Path,
    frames: Iterable[np.ndarray] = (),
    *,
    file: Path | None = None,
) -> int:
    """Run ffmpeg with `frames` on its standard input; how many they were. Errors name `file`."""
    command = [
        find_ffmpeg(),
        "-y",
        "-loglevel",
        "error",
        *options,
        "-movflags",
        "+faststart",
        str(out),
    ]
    count = 0
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process,
    ):
        assert process.stdin is not None
        try:
            for frame in frames:
                process.stdin.write(np.ascontiguousarray(frame).data)
                count += 1
            process.stdin.close()
        except BrokenPipeError:
            pass  # its own message, in the log, says more
        except BaseException:
            process.kill()
            raise
        if process.wait():
            log.seek(0)
            raise SfpipeError(f"ffmpeg failed ({_last(log.read())})", file=file)
    return count


def _write_wav(path: Path, samples: np.ndarray) -> None:
    import soundfile

    soundfile.write(str(path), samples, SAMPLE_RATE, subtype="PCM_16")


def _last(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "without a message"
