"""Onsets of a recording of which no notes are known: aligned with the synthesised score.

Dynamic time warping of chroma and of chroma onsets (Ewert, Müller and Grosche, ICASSP 2009): first
of the whole recording at five frames a second, then at fifty frames a second in segments that the
first path bounds, which overlap, so that errors at their corners do not matter (the idea of
multi-scale warping: Müller, Mattes and Kurth, ISMIR 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import SAMPLE_RATE

HOP = 441  # samples: 50 frames a second
RATE = SAMPLE_RATE / HOP
COARSE = 10  # frames to one of the first path
FFT = 4096
COMPRESSION = 50.0  # of magnitudes, before the logarithm
DECAY = 10  # frames in which an onset fades
LOCAL_S = 1.0  # onsets are measured by the strongest within so many seconds
SILENCE_DB = 50.0  # below the loudest frame
LEAD = 25  # frames of silence that both begin with
SEGMENT, OVERLAP = 750, 250  # frames
LONGEST_S = 1800.0
AGREE_S = 0.3
# Recordings of Vienna 4x22 have a likeness to their own scores of 0.52 to 0.89, to others of at
# most 0.39; a confidence of 0.72 to 1.00 in the first, and of 0.04 to 0.71 in the second.
LEAST_LIKENESS, LEAST_CONFIDENCE = 0.45, 0.5


@dataclass(frozen=True)
class Estimate:
    """Estimated onsets.

    `onset_s` float64, increasing, and `score_onset` int64, both [shape=(n,)].

    Attributes
    ----------
    confidence:
        Share of the onsets, 0 to 1, that a second alignment, backwards in time and by chroma alone,
        puts within 0.3 s of the same time. Of Vienna 4x22 a few more than this are right to 0.3 s.
    likeness:
        Correlation of the chroma of score and recording along the path, -1 to 1: is it the score?
    """

    onset_s: np.ndarray
    score_onset: np.ndarray
    confidence: float
    likeness: float

    @property
    def trusted(self) -> bool:
        """Whether it is to be used at all."""
        return self.likeness >= LEAST_LIKENESS and self.confidence >= LEAST_CONFIDENCE


@dataclass(frozen=True)
class Features:
    """Chroma and onset columns of a recording from its first sound on.

    `chroma` and `onsets` float32 [shape=(12, n_frames)], of unit length or shorter; `start`: the
    frame of the recording that their first one is (negative: silence before it).
    """

    chroma: np.ndarray
    onsets: np.ndarray
    start: int


def estimate_onsets(
    samples: np.ndarray,
    midi: Path,
    score_onset_s: np.ndarray,
    soundfont: Path,
    *,
    gain: float = 0.2,
    program: int = 0,
) -> Estimate:
    """When the onsets of a score are played in a recording of it.

    Parameters
    ----------
    samples:
        int16 [shape=(N,)], mono at 22,050 Hz.
    midi:
        The score's MIDI file, played by `soundfont` with `gain` and `program`.
    score_onset_s:
        float64 [shape=(n,)], increasing, onsets in the MIDI file's time.

    Raises
    ------
    SfpipeError
        If recording or score is silent or too long, or the onsets do not spread over two times.
    """
    for seconds in (len(samples) / SAMPLE_RATE, float(score_onset_s[-1])):
        if seconds > LONGEST_S:
            raise SfpipeError(f"{seconds / 60:.0f} minutes are too long to be aligned")
    score = features(synthesize_midi(midi, soundfont, gain=gain, program=program))
    played = features(samples)
    path = warp(score, played)
    at = score_onset_s * RATE - score.start
    frames = _along(path, at)
    other = _along(_mirrored(warp(_reversed(score), _reversed(played)), score, played), at)
    confidence = float(np.mean(np.abs(frames - other) <= AGREE_S * RATE))
    onset_s = np.clip((frames + played.start) / RATE, 0, (len(samples) - 1) / SAMPLE_RATE)
    kept = np.flatnonzero(np.diff(np.maximum.accumulate(onset_s), prepend=-1) > 0)
    if len(kept) < 2:
        raise SfpipeError("its onsets fall into one")
    return Estimate(onset_s[kept], kept, confidence, likeness(score, played, path))


def features(samples: np.ndarray) -> Features:
    """Chroma and chroma onsets, 50 frames a second.

    Parameters
    ----------
    samples:
        int16 [shape=(N,)], mono at 22,050 Hz.

    Raises
    ------
    SfpipeError
        If there is nothing but silence.
    """
    import librosa
    from scipy.ndimage import maximum_filter1d

    audio = np.asarray(samples, np.float32) / 32768
    magnitude = np.abs(librosa.stft(audio, n_fft=FFT, hop_length=HOP))
    power = np.sum(magnitude**2, axis=0)
    loud = np.flatnonzero(power > power.max() * 10 ** (-SILENCE_DB / 10))
    if len(loud) < 2:
        raise SfpipeError("is silent", remedy="record it again")
    fold = librosa.filters.chroma(sr=SAMPLE_RATE, n_fft=FFT, tuning=0)
    magnitude = magnitude[:, loud[0] : loud[-1] + 1]
    magnitude = np.pad(magnitude, ((0, 0), (LEAD, LEAD)))
    level = np.log1p(COMPRESSION * magnitude / np.sqrt(power.max()))
    chroma = fold @ level
    rise = fold @ np.maximum(np.diff(level, axis=1, prepend=0), 0)
    size = maximum_filter1d(np.linalg.norm(rise, axis=0), int(LOCAL_S * RATE))
    rise /= np.maximum(size, 0.05 * size.max())
    fading = [
        np.pad(rise, ((0, 0), (k, 0)))[:, : rise.shape[1]] / np.sqrt(k + 1) for k in range(DECAY)
    ]
    return Features(_unit(chroma), np.max(fading, axis=0).astype(np.float32), int(loud[0]) - LEAD)


def _unit(columns: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(columns, axis=0)
    return (columns / np.maximum(size, 0.02 * size.max())).astype(np.float32)


def warp(score: Features, played: Features) -> np.ndarray:
    """The path of both scales, int64 [shape=(n, 2)], frames of `score` and `played`."""
    coarse = _dtw(_averaged(score.chroma), _averaged(played.chroma)) * COARSE
    pieces = []
    n, m = score.chroma.shape[1], played.chroma.shape[1]
    both = [np.vstack([of.chroma, of.onsets]) for of in (score, played)]
    for start in range(0, n, SEGMENT):
        first, last = max(0, start - OVERLAP), min(n, start + SEGMENT + OVERLAP)
        low, high = (round(float(v)) for v in _along(coarse, np.array([first, last])))
        low = 0 if first == 0 else min(low, m - 2)
        high = m if last == n else max(high, low + 2)
        path = _dtw(both[0][:, first:last], both[1][:, low:high]) + np.array([first, low])
        inner = (path[:, 0] >= start) & (path[:, 0] < start + SEGMENT)
        pieces.append(path[inner])
    return np.concatenate(pieces)


def _averaged(columns: np.ndarray) -> np.ndarray:
    n = columns.shape[1] // COARSE
    return _unit(columns[:, : n * COARSE].reshape(len(columns), n, COARSE).mean(axis=2))


def _dtw(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    import librosa

    _, path = librosa.sequence.dtw(
        a, b, metric="euclidean", weights_mul=np.array([2.0, 1.5, 1.5]), weights_add=np.zeros(3)
    )
    return path[::-1]


def _along(path: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Frames of the performance at frames of the score: the middle of those of each."""
    frames, first = np.unique(path[:, 0], return_index=True)
    last = np.append(first[1:], len(path)) - 1
    return np.interp(at, frames, (path[first, 1] + path[last, 1]) / 2)


def _reversed(of: Features) -> Features:
    """The same backwards, without the onsets, which would be ends."""
    return Features(of.chroma[:, ::-1], np.zeros_like(of.onsets), 0)


def _mirrored(path: np.ndarray, score: Features, played: Features) -> np.ndarray:
    last = np.array([score.chroma.shape[1] - 1, played.chroma.shape[1] - 1])
    return (last - path)[::-1]


def likeness(score: Features, played: Features, path: np.ndarray) -> float:
    """Correlation of the chroma along a path, their means taken out, -1 to 1.

    Most music has much of some pitch classes, so that even what is not aligned looks alike; what
    deviates from the mean does not.
    """
    a, b = (_unit(of.chroma) for of in (score, played))
    a, b = (
        (x - x.mean(axis=1, keepdims=True))[:, i] for x, i in ((a, path[:, 0]), (b, path[:, 1]))
    )
    size = float(np.sqrt(np.sum(a**2) * np.sum(b**2)))
    return float(np.sum(a * b)) / size if size else 0.0
