"""What followers are made from: the stores of one data set, at hand or elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sfpipe.following.reference import training_speed
from sfpipe.params import BaselinesParams, SynthesizeParams
from sfpipe.store.reader import PerformanceRecord, read_performances, strip_height
from sfpipe.store.schema import is_augmented
from sfpipe.store.window import Window, window_for

if TYPE_CHECKING:
    from sfpipe.params import Params
    from sfpipe.paths import Paths


@dataclass(frozen=True)
class Sources:
    """What followers are made from: the files of one data set, and parameters.

    Attributes
    ----------
    scores, spectrograms:
        Stores.
    engraved:
        Folder of the engraved pieces, for scores that the spectrogram store does not play as
        written.
    models:
        Where the models of baselines are kept, in a folder of their name each.
    """

    scores: Path
    spectrograms: Path
    engraved: Path = Path("data/engraved")
    baselines: BaselinesParams = field(default_factory=BaselinesParams)
    synthesize: SynthesizeParams = field(default_factory=SynthesizeParams)
    models: Path = Path("models/baselines")

    @classmethod
    def of(cls, params: Params, paths: Paths, performances: Path | None = None) -> Sources:
        """The files of a data set; `performances` replaces its spectrogram store."""
        files = (paths.scores, performances or paths.spectrograms, paths.engraved)
        return cls(*files, params.baselines, params.synthesize)

    @property
    def window(self) -> Window:
        """Of the game on these strips, for followers that see no window."""
        return window_for(self.strip_px)

    @property
    def strip_px(self) -> int:
        """Height of the lowest strip."""
        return strip_height(self.scores)

    @property
    def px_per_frame(self) -> float:
        """Mean speed of the training performances."""
        return training_speed(self.scores, self.spectrograms)

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
class CarriedSources(Sources):
    """Sources whose stores are elsewhere: with what followers ask of them.

    Attributes
    ----------
    told:
        Height of the lowest strip, and mean speed of the training performances, where needed.
    written:
        By piece, for followers that ask.
    """

    told: tuple[int, float] = (0, 0.0)
    written: Mapping[str, PerformanceRecord | None] = field(default_factory=dict)
    followers: tuple[str, ...] = ()

    @classmethod
    def carrying(cls, sources: Sources, followers: Collection[str]) -> CarriedSources:
        """What these baselines and reference followers ask of sources."""
        own = {of.name: getattr(sources, of.name) for of in fields(Sources)}
        speed = sources.px_per_frame if "constant-speed" in followers else 0.0
        return cls(**own, told=(sources.strip_px, speed), followers=tuple(followers))

    def of_pieces(self, pieces: Iterable[str]) -> CarriedSources:
        """The same, for followers of some pieces; the stores are read."""
        if "midi-odtw" not in self.followers:
            return self
        return replace(self, written={piece: Sources.as_written(self, piece) for piece in pieces})

    @property
    def strip_px(self) -> int:
        """As of `Sources`."""
        return self.told[0]

    @property
    def px_per_frame(self) -> float:
        """As of `Sources`."""
        return self.told[1]

    def as_written(self, piece: str) -> PerformanceRecord | None:
        """As of `Sources`."""
        return self.written[piece]
