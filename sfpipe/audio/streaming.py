"""Audio to spectrogram as it arrives: the offline numbers, frame by frame."""

from __future__ import annotations

import numpy as np

from sfpipe.audio.filterbank import FFT_SIZE
from sfpipe.audio.pitch import AS_WRITTEN, PitchOffset
from sfpipe.audio.spectrogram import HALF, as_float, check_rate, first_sample, n_frames, transform
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import BINS, SAMPLE_RATE


class StreamingSpectrogram:
    """Spectrogram of a stream of mono samples, fed in chunks of any size.

    A frame comes out as soon as its last sample is in, 1,024 samples (46 ms) after its centre.
    The frames of `push` and then `flush`, side by side, equal `sfpipe.audio.spectrogram` of the
    whole stream.

    Parameters
    ----------
    sample_rate:
        Hz; must be 22,050.
    offset:
        How much higher the music sounds than it is written. It may be set while samples arrive, and
        holds for the frames to come.

    Raises
    ------
    SfpipeError
        If the sample rate is another one.

    Examples
    --------
    >>> stream = StreamingSpectrogram()
    >>> stream.push(np.zeros(2048, dtype=np.int16)).shape
    (78, 1)
    >>> stream.flush().shape
    (78, 1)
    """

    def __init__(self, sample_rate: int = SAMPLE_RATE, offset: PitchOffset = AS_WRITTEN):
        check_rate(sample_rate)
        self.offset = offset
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next sample is the first of a new stream."""
        self._received = 0  # samples so far
        self._frame = 0  # next frame to come out
        self._start = first_sample(0)  # position in the stream of the buffer's first sample
        self._buffer = np.zeros(HALF, dtype=np.float32)
        self._ended = False

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take in samples and give out the frames they complete.

        Parameters
        ----------
        samples:
            [shape=(n,)], int16, or floating point in [-1, 1]; n may be 0.

        Returns
        -------
        np.ndarray [shape=(78, k), dtype=float32]
            k may be 0.

        Raises
        ------
        SfpipeError
            If the samples are not mono or hold NaN or infinity (they are not taken in then), or
            if the stream was flushed.
        """
        return self._transform(self.cut(samples))

    def flush(self) -> np.ndarray:
        """End the stream: the remaining frames, with silence after the last sample.

        Returns
        -------
        np.ndarray [shape=(78, k), dtype=float32]
        """
        return self._transform(self.cut_rest())

    def cut(self, samples: np.ndarray) -> np.ndarray:
        """As `push`, but the frames' samples: float32 [shape=(k, 2048)], for `transform`."""
        if self._ended:
            raise SfpipeError("the stream has ended", remedy="call reset() to begin another one")
        audio = as_float(samples)
        self._received += len(audio)
        self._buffer = np.concatenate([self._buffer, audio])
        return self._take(self._complete())

    def cut_rest(self) -> np.ndarray:
        """As `flush`, but the frames' samples."""
        self._ended = True
        count = max(n_frames(self._received) - self._frame, 0)
        if count:
            silence = np.zeros(FFT_SIZE, dtype=np.float32)
            self._buffer = np.concatenate([self._buffer, silence])
        return self._take(count)

    def _complete(self) -> int:
        """Number of frames whose last sample has arrived."""
        count = 0
        while first_sample(self._frame + count) + FFT_SIZE <= self._received:
            count += 1
        return count

    def _transform(self, frames: np.ndarray) -> np.ndarray:
        if not len(frames):
            return np.empty((BINS, 0), dtype=np.float32)
        return transform(frames, self.offset)

    def _take(self, count: int) -> np.ndarray:
        if count == 0:
            return np.empty((0, FFT_SIZE), dtype=np.float32)
        starts = first_sample(np.arange(self._frame, self._frame + count)) - self._start
        frames = np.stack([self._buffer[start : start + FFT_SIZE] for start in starts])
        self._frame += count
        keep = first_sample(self._frame) - self._start
        self._buffer = self._buffer[keep:].copy()
        self._start += keep
        return frames
