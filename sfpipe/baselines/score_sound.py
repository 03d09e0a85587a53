"""How a score sounds: what dynamic time warping compares a performance with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfpipe.audio.onset_files import score_onsets
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.params import SynthesizeParams
from sfpipe.store.reader import PerformanceRecord, ScoreRecord
from sfpipe.store.schema import FPS, SAMPLE_RATE


@dataclass(frozen=True)
class ScoreSound:
    """A synthesised score and where its onsets are in the image.

    Attributes
    ----------
    spectrogram:
        float32 [shape=(78, n_frames)], as a performance's.
    onset_frames:
        int64 [shape=(n,)], strictly increasing; the music begins at the first.
    onset_x_px:
        float64 [shape=(n,)], strip px.
    """

    spectrogram: np.ndarray
    onset_frames: np.ndarray
    onset_x_px: np.ndarray

    def x_at(self, frame: float) -> float:
        """Position in strip px at a frame: linear between onsets, constant outside them."""
        return float(np.interp(frame, self.onset_frames, self.onset_x_px))


def score_sound(spectrogram: np.ndarray, onset_s: np.ndarray, onset_x_px: np.ndarray) -> ScoreSound:
    """A score's sound from its spectrogram and its onset -> pixel map.

    Onsets in the same frame are merged, as in the game: the first one's position counts. Those
    after the end of the sound are left out.

    Parameters
    ----------
    spectrogram:
        float32 [shape=(78, n_frames)].
    onset_s, onset_x_px:
        [shape=(n,)], s in increasing order, and strip px.

    Raises
    ------
    SfpipeError
        If there is no onset within the sound, or the two vectors differ in length.
    """
    onset_s, x = np.asarray(onset_s, np.float64), np.asarray(onset_x_px, np.float64)
    if onset_s.shape != x.shape or onset_s.ndim != 1:
        raise SfpipeError(f"expected one x per onset, found the shapes {onset_s.shape}, {x.shape}")
    frames, first = np.unique(np.floor(onset_s * FPS + 1e-9).astype(np.int64), return_index=True)
    inside = (frames >= 0) & (frames < spectrogram.shape[1])
    if not inside.any():
        raise SfpipeError("the score has no onset within its sound")
    return ScoreSound(spectrogram, frames[inside], x[first[inside]])


def from_performance(score: ScoreRecord, performance: PerformanceRecord) -> ScoreSound:
    """The sound of a score from a performance of the store that plays it as written."""
    x = score.onset_x_px[performance.score_onset]
    return score_sound(performance.spectrogram, performance.onset_s, x)


def from_midi(
    midi: str | Path,
    onset_s: np.ndarray,
    onset_x_px: np.ndarray,
    soundfont: str | Path,
    *,
    gain: float = 0.2,
    program: int = 0,
    tempo_factor: float = 1.0,
) -> ScoreSound:
    """The sound of a score from its MIDI.

    Parameters
    ----------
    midi:
        File.
    onset_s, onset_x_px:
        [shape=(n,)], onsets in the MIDI's time, and strip px.
    soundfont:
        File.
    tempo_factor:
        1.25 plays it a quarter faster than it says.

    Raises
    ------
    SfpipeError
        As `synthesize_midi` and `score_sound`.
    """
    samples = synthesize_midi(
        midi, soundfont, gain=gain, program=program, tempo_factor=tempo_factor
    )
    return score_sound(spectrogram(samples, SAMPLE_RATE), onset_s / tempo_factor, onset_x_px)


def from_engraved(score: ScoreRecord, folder: Path, params: SynthesizeParams) -> ScoreSound:
    """The sound of a score from its engraved piece, as the stages would synthesise it.

    Parameters
    ----------
    folder:
        Of the piece: `score.mid` and `noteheads.csv`.
    params:
        The first of the training sound fonts is played.

    Raises
    ------
    SfpipeError
        If a file or the sound font is missing, or the onsets are not those of the score.
    """
    onset_s = score_onsets(folder / "noteheads.csv")
    if len(onset_s) != len(score.onset_x_px):
        raise SfpipeError(
            f"has {len(onset_s)} onsets, the score store {len(score.onset_x_px)}",
            file=folder,
            remedy="run 'dvc repro scores'",
        )
    font = resolve_soundfont(params.train.soundfonts[0]).path
    midi = folder / "score.mid"
    return from_midi(
        midi, onset_s, score.onset_x_px, font, gain=params.gain, program=params.program
    )
