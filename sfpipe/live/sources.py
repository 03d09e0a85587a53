"""Where sound comes from: a recording, a microphone, or a connection that others put it into."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from sfpipe.audio.decoding import open_recording
from sfpipe.errors import SfpipeError, optional

BLOCK_S = 0.05  # of sound that a recording gives at once
MOST_WAITING_S = 1.0  # of sound that waits for its turn


class Block(NamedTuple):
    """Samples [shape=(n,) or (n, channels)], and how much sound before them was lost, s."""

    samples: np.ndarray
    lost_s: float = 0.0


class SoundStream(Protocol):
    """A stream of sound with one rate and number of channels."""

    rate: int
    channels: int

    def blocks(self) -> Iterator[Block]:
        """The blocks, until the stream ends."""
        ...


class NewestSound:
    """A queue of at most a second: if nobody takes the blocks, the oldest are lost and counted.

    `put` and `take` may be called from different threads.

    Attributes
    ----------
    lost_s:
        Seconds of sound lost in all.
    """

    def __init__(self, rate: int, most_s: float = MOST_WAITING_S):
        self._rate, self._most = rate, round(most_s * rate)
        self._blocks: deque[np.ndarray] = deque()
        self._waiting = self._lost = 0  # samples; lost before the oldest block that waits
        self._ready = threading.Condition()
        self._ended = False
        self.lost_s = 0.0

    def put(self, samples: np.ndarray) -> None:
        """Add a block; of one that is too long itself its end is kept."""
        with self._ready:
            kept = samples[-self._most :]
            self._lose(len(samples) - len(kept) + self._drop(len(kept)))
            self._blocks.append(kept)
            self._waiting += len(kept)
            self._ready.notify()

    def lose(self, seconds: float) -> None:
        """So much sound will never come: it is counted as lost before what waits."""
        with self._ready:
            self._lose(round(seconds * self._rate))

    def end(self) -> None:
        """There is no more sound."""
        with self._ready:
            self._ended = True
            self._ready.notify()

    def take(self, most: int = 0) -> Block | None:
        """The oldest block that waits, with those after it up to `most` samples; None: none."""
        with self._ready:
            return self._take(most)

    def blocks(self) -> Iterator[Block]:
        """Wait for blocks, until the end."""
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._blocks or self._ended)
                block = self._take()
            if block is None:
                return
            yield block

    def _take(self, most: int = 0) -> Block | None:
        if not self._blocks:
            return None
        parts, lost, self._lost = [self._blocks.popleft()], self._lost, 0
        taken = len(parts[0])
        while self._blocks and taken + len(self._blocks[0]) <= most:
            parts.append(self._blocks.popleft())
            taken += len(parts[-1])
        self._waiting -= taken
        samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Block(samples, lost / self._rate)

    def _drop(self, more: int) -> int:
        """Make room for so many samples; returns how many were dropped."""
        dropped = 0
        while self._blocks and self._waiting + more > self._most:
            oldest = self._blocks.popleft()
            self._waiting -= len(oldest)
            dropped += len(oldest)
        return dropped

    def _lose(self, samples: int) -> None:
        self._lost += samples
        self.lost_s += samples / self._rate


class _Recording:
    """A recording, block by block; at the speed of the music if `real_time`."""

    def __init__(self, rate: int, channels: int, parts: Iterator[np.ndarray], real_time: bool):
        self.rate, self.channels, self._parts, self._real_time = rate, channels, parts, real_time

    def blocks(self) -> Iterator[Block]:
        """As `SoundStream.blocks`."""
        size, began, given = round(BLOCK_S * self.rate), time.monotonic(), 0
        for part in self._parts:
            for start in range(0, len(part), size):
                block = part[start : start + size]
                given += len(block)
                if self._real_time:
                    time.sleep(max(began + given / self.rate - time.monotonic(), 0))
                yield Block(block)


def samples_of(samples: np.ndarray, rate: int) -> SoundStream:
    """Samples [shape=(n,) or (n, channels)] that are there already, as a stream."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    return _Recording(rate, channels, iter([samples]), False)


@contextmanager
def recording(path: Path, *, real_time: bool = False) -> Iterator[SoundStream]:
    """A recording in any format that ffmpeg reads.

    Raises
    ------
    SfpipeError
        If the file is missing or cannot be read as audio, here or while its blocks are taken.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise SfpipeError(what, file=path, remedy="check the name of the recording")
    with open_recording(path) as source:
        yield _Recording(source.rate, source.channels, source.read(), real_time)


class _Microphone:
    def __init__(self, rate: int, queue: NewestSound):
        self.rate, self.channels, self._queue = rate, 1, queue

    def blocks(self) -> Iterator[Block]:
        return self._queue.blocks()


@contextmanager
def microphone() -> Iterator[SoundStream]:
    """The default microphone of this machine, until the block is left.

    Raises
    ------
    SfpipeError
        If there is none, or the library that records is missing.
    """
    try:
        sounddevice = optional("sounddevice", "live")
    except OSError:
        raise SfpipeError(
            "the library PortAudio is not installed",
            remedy="apt-get install libportaudio2, or use the browser: sfpipe serve",
        ) from None
    try:
        rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
        queue = NewestSound(rate)

        def hand_over(samples: np.ndarray, *_: Any) -> None:
            queue.put(samples[:, 0].copy())

        with sounddevice.InputStream(rate, channels=1, dtype="float32", callback=hand_over):
            yield _Microphone(rate, queue)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise SfpipeError(
            f"no microphone can be opened ({error})",
            remedy="plug one in, or name a recording with --audio",
        ) from None
