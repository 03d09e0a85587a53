"""The baselines by name. A new one is a line of `BASELINES`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.following.entrants import Entrant, FollowerEntrant
from sfpipe.game.follower import Follower
from sfpipe.params import BaselinesParams, SynthesizeParams, override
from sfpipe.store.reader import PerformanceRecord, ScoreRecord, read_performances, strip_height
from sfpipe.store.schema import is_augmented
from sfpipe.store.window import window_for


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
    seed, models, checkpoints:
        Of those that are trained: where their models are kept, in a folder of their name each.
    """

    scores: Path
    spectrograms: Path
    engraved: Path
    baselines: BaselinesParams
    synthesize: SynthesizeParams
    seed: int = 0
    models: Path = Path("models/baselines")
    checkpoints: Path | None = None

    def as_written(self, piece: str) -> PerformanceRecord | None:
        """A piece's performance with the training sound font at the score's own tempo, if any."""
        font = self.synthesize.train.soundfonts[0]
        for record in read_performances(self.spectrograms, pieces=[piece]):
            # A font given as a file goes by the file's name.
            played_again = bool(record.condition) or is_augmented(record.performance)
            plain = record.tempo_factor == 1 and not played_again
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

    def entrant(self, sources: Sources) -> Entrant:
        """The baseline as it takes part in an evaluation."""
        return FollowerEntrant(self.label, self.build(sources), chance=self.chance)


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


def _mm_loc(sources: Sources) -> Follower:
    from sfpipe.baselines.mm_loc import check_window, load_mm_loc
    from sfpipe.following.mm_loc import MmLocFollower

    folder = sources.models / "mm-loc"
    network = load_mm_loc(folder)[0]
    check_window(network, window_for(strip_height(sources.scores)), folder)
    return MmLocFollower(network)


class _MmLoc(Baseline):
    """Follows all performances at once, which is quicker."""

    def entrant(self, sources: Sources) -> Entrant:
        from sfpipe.following.mm_loc import MmLocEntrant

        return MmLocEntrant(self.label, sources.models / "mm-loc")


def _omr_odtw(sources: Sources) -> Follower:
    from sfpipe.baselines.odtw import OdtwChoice
    from sfpipe.baselines.omr_odtw import sounds_of_image
    from sfpipe.omr.readers import find_reader

    omr = sources.baselines.omr
    reader = find_reader(omr)
    return OdtwChoice(
        lambda score: sounds_of_image(
            score.strip, sources.synthesize, reader, omr.steps_per_minute
        ),
        override(sources.baselines.odtw, adaptive=omr.adaptive, stay=omr.stay),
    )


BASELINES = {
    "midi-odtw": Baseline("MIDI-ODTW", _midi_odtw),
    "omr-odtw": Baseline("OMR-ODTW", _omr_odtw),
    "mm-loc": _MmLoc("MM-Loc", _mm_loc),
}
