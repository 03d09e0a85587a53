"""Which performance is looked at: a piece by name or drawn from a split, and its sound."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfpipe.audio.files import load_audio
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.params import SynthesizeParams
from sfpipe.paths import Paths
from sfpipe.real_performances.conditions import LABELS
from sfpipe.real_performances.conditions import shown as labelled
from sfpipe.store.reader import (
    PerformanceRecord,
    ScoreRecord,
    list_performances,
    read_performances,
    read_scores,
)
from sfpipe.store.schema import is_augmented, plainness


@dataclass(frozen=True)
class Selection:
    """Which performance is asked for.

    Attributes
    ----------
    split:
        What a piece is drawn from if none is named.
    piece, performance:
        Names; of a piece's performances the first in the original tempo is taken by default.
    real:
        A human performance (`sfpipe performances`) instead of a synthesised one.
    """

    split: str = "test"
    piece: str | None = None
    performance: str | None = None
    real: bool = False


@dataclass(frozen=True)
class SelectedPerformance:
    """A performance with its score.

    Attributes
    ----------
    store:
        Where the performance is from, and others like it.
    recording:
        Its sound, if it is there.
    folder:
        The engraved piece, if it is there.
    as_written:
        The recording is of the engraved piece's MIDI file.
    raw:
        The data set's sources.
    """

    score: ScoreRecord
    performance: PerformanceRecord
    store: Path
    recording: Path | None = None
    folder: Path | None = None
    as_written: bool = True
    raw: Path | None = None

    @property
    def name(self) -> str:
        """The piece's name, and the performance's."""
        return f"{self.performance.piece}-{self.performance.performance}"

    @property
    def title(self) -> str:
        """What the piece is called; first, where no long title hides it, how it is heard."""
        return " · ".join(
            filter(None, (self.condition_label, self.score.title or self.score.piece))
        )

    @property
    def condition_label(self) -> str:
        """The condition of a human performance, and what of it is not real; empty of others."""
        record = self.performance
        if not record.condition:
            return ""
        condition = labelled(LABELS.get(record.condition, record.condition), record.simulated)
        if record.estimated:
            return f"{condition}, onsets estimated (confidence {record.confidence:.2f})"
        return condition if record.aligned else f"{condition}, onsets unknown"


def select_performance(paths: Paths, selection: Selection, *, seed: int = 0) -> SelectedPerformance:
    """Read one performance from the stores.

    Parameters
    ----------
    seed:
        Of the draw of a piece.

    Raises
    ------
    SfpipeError
        If a store cannot be read or there is no such piece or performance, naming the nearest.
    """
    store = paths.performances if selection.real else paths.spectrograms
    piece, performance, split = selection.piece, selection.performance, selection.split
    # Human performances belong to no split that agents are trained on.
    names = list_performances(store, None if piece or selection.real else split)
    if not names:
        raise SfpipeError(f"no performance in split {split}", file=store, remedy="see --split")
    if piece is None:
        piece = sorted(names)[int(np.random.default_rng(seed).integers(len(names)))]
    _known(piece, names, "piece", store)
    if performance is not None:
        _known(performance, names[piece], "performance", store)
    records = read_performances(store, pieces=[piece])
    records.sort(key=lambda r: plainness(r.performance, r.tempo_factor))
    record = next(r for r in records if performance in (None, r.performance))
    scores = read_scores(paths.scores, pieces=[piece])
    _known(piece, scores, "piece", paths.scores)
    folder = paths.engraved / piece
    sounds = paths.real if selection.real else paths.audio
    recording = sounds / piece / f"{record.performance}.flac"
    return SelectedPerformance(
        scores[piece],
        record,
        store,
        recording if recording.is_file() else None,
        folder if folder.is_dir() else None,
        as_written=not selection.real,
        raw=paths.raw,
    )


def sound_of(shown: SelectedPerformance, params: SynthesizeParams) -> np.ndarray | None:
    """The samples of a performance, int16 [shape=(N,)] mono at 22,050 Hz.

    Its recording, else played again from the piece's MIDI file as `synthesize` does; None if
    neither is there, or it is a augmented one, which the MIDI file does not tell.

    Raises
    ------
    SfpipeError
        If a file is damaged, or the sound font is missing.
    """
    if shown.recording is not None:
        return load_audio(shown.recording)
    midi = None if shown.folder is None else shown.folder / "score.mid"
    record = shown.performance
    written = shown.as_written and not is_augmented(record.performance)
    if midi is None or not midi.is_file() or not written:
        return None
    return synthesize_midi(
        midi,
        resolve_soundfont(record.soundfont).path,
        gain=params.gain,
        program=params.program,
        tempo_factor=record.tempo_factor,
    )


def _known(name: str, names: Collection[str], kind: str, file: Path) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0)
    remedy = f"did you mean '{near[0]}'?" if near else "see `sfpipe inspect FILE`"
    raise SfpipeError(f"has no {kind} '{name}'", file=file, remedy=remedy)
