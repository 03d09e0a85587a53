"""How loud a frame is beside those before it: rest, sound, and where a sound begins."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sfpipe.store.schema import FPS

FLOOR_S = 3.0  # of which the quietest tenth is the floor
LOUDER = 20.0  # times the floor, in power: something begins
RISE = 2.0  # times the loudest of the three frames before
AUDIBLE = 4.0  # times the noise that was there before the music: it sounds still
SILENT = 1e-7  # power below which nothing sounds, whatever the floor
DECAYED = 0.01  # of the loudest of the last three seconds: it does not sound any more
_STANDING_OUT = 3  # bins far above their medians
_NOISE_DB = 3.0  # of bins beside the median of their neighbours: noise 1 to 2, music 4 to 10
_KNOWN = FPS // 2  # frames from which a floor is known


class Loudness(NamedTuple):
    """Of one frame: whether it `sounds`, whether a sound `begins`, and after how long a rest."""

    sounds: bool
    begins: bool
    rest_s: float


class LoudnessMeter:
    """Compares each frame with the last three seconds."""

    def __init__(self) -> None:
        self._powers: deque[float] = deque(maxlen=round(FLOOR_S * FPS))
        self._bins: deque[np.ndarray] = deque(maxlen=round(FLOOR_S * FPS))
        self._first: list[np.ndarray] = []  # power of the bins in the first frames
        self._noise = 0.0  # power of what sounds when nobody plays
        self._quiet = FPS  # frames near the floor; before the stream all are

    @property
    def noisy(self) -> bool:
        """Whether the stream began with noise: no bin of its first half second stands out."""
        if not self._first:
            return False
        level_db = 10 * np.log10(np.mean(self._first[1:], axis=0) + 1e-12)
        neighbours = np.median(sliding_window_view(level_db, 9), axis=1)
        return float(np.std(level_db[4:-4] - neighbours)) < _NOISE_DB

    def push(self, frame: np.ndarray, *, playing: bool, waiting: bool = True) -> Loudness:
        """Take in one frame.

        Parameters
        ----------
        frame:
            float32 [shape=(78,)], as `StreamingSpectrogram` gives them.
        playing:
            Whether the music has begun: its quietest moments are no noise.
        waiting:
            Whether its beginning is still looked for.
        """
        bins = np.square(np.expm1(frame * np.float32(np.log(10))))
        power = float(np.mean(bins))
        known = len(self._powers) >= _KNOWN
        floor = float(np.quantile(self._powers, 0.1)) if known else 0.0
        before = max(list(self._powers)[-3:], default=0.0)
        if known and not playing:
            self._noise = floor
        begins = power > max(LOUDER * floor, RISE * before, SILENT)
        if waiting and known and not begins:
            # A soft note in hiss, which is strong where the note has nothing.
            usual = np.median(np.stack(self._bins), axis=0)
            begins = int(np.sum(bins > np.maximum(LOUDER * usual, SILENT))) >= _STANDING_OUT
        rest_s = self._quiet / FPS if begins else 0.0
        audible = max(AUDIBLE * self._noise, DECAYED * max(self._powers, default=0.0), SILENT)
        self._quiet = 0 if begins or power > max(AUDIBLE * floor, SILENT) else self._quiet + 1
        self._powers.append(power)
        self._bins.append(bins)
        if len(self._first) < _KNOWN:
            self._first.append(bins)
        return Loudness(begins or power > audible, begins, rest_s)
