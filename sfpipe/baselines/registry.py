"""The baselines by name. A new one is a line of `BASELINES`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.game.following import Follower
from sfpipe.params import BaselinesParams, SynthesizeParams
from sfpipe.store.reader import PerformanceRecord, ScoreRecord, read_performances


@dataclass(frozen=True)
class Sources:
    """What baselines are made from: the files of one data set, and parameters.

    Attributes
    ----------
    scores, spectrograms:
        Stores.
    engraved:
        Folder of the engraved pieces, for scores that the spectrogram store does not play as
        written.
    """

    scores: Path
    spectrograms: Path
    engraved: Path
    baselines: BaselinesParams
    synthesize: SynthesizeParams

    def as_written(self, piece: str) -> PerformanceRecord | None:
        """A piece's performance with the training sound font at the score's own tempo, if any."""
        font = self.synthesize.train.soundfonts[0]
        for record in read_performances(self.spectrograms, pieces=[piece]):
            # A font given as a file goes by the file's name.
            plain = record.tempo_factor == 1 and not record.condition
            if plain and record.soundfont in (font, Path(font).stem):
                return record
        return None


@dataclass(frozen=True)
class Baseline:
    """One baseline.

    Attributes
    ----------
    label:
        How tables call it.
    build:
        Makes the follower.
    chance:
        Whether two trials differ.
    """

    label: str
    build: Callable[[Sources], Follower]
    chance: bool = False


def find_baseline(name: str) -> Baseline:
    """The baseline called `name`.

    Raises
    ------
    SfpipeError
        If there is none, with the nearest name.
    """
    if name not in BASELINES:
        near = difflib.get_close_matches(name, BASELINES, n=1, cutoff=0)[0]
        raise SfpipeError(
            f"unknown baseline '{name}'",
            remedy=f"did you mean '{near}'? Known: {', '.join(BASELINES)}",
        )
    return BASELINES[name]


def _midi_odtw(sources: Sources) -> Follower:
    from sfpipe.baselines.odtw import OdtwFollower
    from sfpipe.baselines.score_sound import ScoreSound, from_engraved, from_performance

    def sound_of(score: ScoreRecord) -> ScoreSound:
        record = sources.as_written(score.piece)
        if record is not None:
            return from_performance(score, record)
        return from_engraved(score, sources.engraved / score.piece, sources.synthesize)

    return OdtwFollower(sound_of, sources.baselines.odtw)


BASELINES = {
    "midi-odtw": Baseline("MIDI-ODTW", _midi_odtw),
}
