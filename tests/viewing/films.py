"""Reading films back with ffmpeg."""

import re
import subprocess
from pathlib import Path

import numpy as np

from sfpipe.audio.decoding import find_ffmpeg

RATE = 22050


def streams(path: Path) -> str:
    """What ffmpeg says of a file."""
    return subprocess.run([find_ffmpeg(), "-i", path], capture_output=True, text=True).stderr


def pictures(path: Path) -> np.ndarray:
    """All pictures, uint8 [shape=(n, height, width, 3)]."""
    width, height = map(int, re.search(r"Video:.* (\d+)x(\d+)", streams(path)).groups())
    command = [find_ffmpeg(), "-loglevel", "error", "-i", path, "-f", "rawvideo"]
    raw = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    return np.frombuffer(raw.stdout, np.uint8).reshape(-1, height, width, 3)


def sound(path: Path) -> np.ndarray:
    """All samples as players hear them from time 0, int16."""
    command = [find_ffmpeg(), "-loglevel", "error", "-i", path, "-f", "s16le", "-ac", "1"]
    raw = subprocess.run([*command, "-ar", str(RATE), "-"], capture_output=True, check=True)
    return np.frombuffer(raw.stdout, np.int16)


def onsets(samples: np.ndarray) -> np.ndarray:
    """Where a sound begins after silence of 0.1 s or more, s."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 3000)
    return loud[np.diff(loud, prepend=-RATE) > RATE // 10] / RATE
