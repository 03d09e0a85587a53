"""The performances of a split as they sound on another instrument or at another pitch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sfpipe.audio.pitch import AS_WRITTEN, PitchOffset
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.stage import Sounding
from sfpipe.parallel import map_pieces
from sfpipe.params import SynthesizeParams
from sfpipe.store.reader import PerformanceRecord, dataset_of, read_performances
from sfpipe.store.schema import SAMPLE_RATE, is_augmented
from sfpipe.store.writer import write_spectrograms


@dataclass(frozen=True)
class OtherSound:
    """How performances are to sound.

    Attributes
    ----------
    offset:
        How much higher than written.
    program:
        General MIDI program, 0-127; None: that of the parameters.
    told:
        Whether followers are told of the offset, so that their spectrogram takes it out.
    """

    offset: PitchOffset
    program: int | None = None
    told: bool = True

    @property
    def described(self) -> dict[str, Any]:
        """For the record."""
        offset = self.offset
        return {
            "a4_hz": round(offset.a4_hz, 2),
            "semitones": offset.semitones,
            "program": self.program,
            "told": self.told,
        }


@contextmanager
def play_otherwise(
    sound: OtherSound,
    spectrograms: Path,
    engraved: Path,
    split: str,
    *,
    params: SynthesizeParams,
    jobs: int = -1,
) -> Iterator[Sounding]:
    """Synthesise a split's performances again, into a store that is gone afterwards.

    Parameters
    ----------
    spectrograms:
        Store that says which performances there are: their sound fonts, tempi and onsets.
    engraved:
        Folder of the engraved pieces, whose MIDI is played.
    params:
        Gain, and the program if `sound` has none.

    Raises
    ------
    SfpipeError
        If a file or sound font is missing, or no performance of the split was synthesised.
    """
    records = [
        record
        for record in read_performances(spectrograms, split)
        if record.soundfont and not is_augmented(record.performance)
    ]
    if not records:
        raise SfpipeError(
            f"holds no performance of '{split}' that was synthesised",
            file=spectrograms,
            remedy="recordings sound as they do: leave out --a4, --transpose and --program",
        )
    fonts = {name: resolve_soundfont(name).path for name in {r.soundfont for r in records}}
    if sound.program is None:
        sound = replace(sound, program=params.program)
    with TemporaryDirectory(prefix="sfpipe-") as folder:
        store = Path(folder) / "spectrograms.h5"
        about = {"dataset": dataset_of(spectrograms), "params": sound.described, "tools": {}}
        with write_spectrograms(store, **about) as writer:
            for outcome in map_pieces(
                partial(_play, sound, params.gain, fonts, engraved),
                records,
                label="synthesize",
                jobs=jobs,
            ):
                record, heard = outcome.item, outcome.value
                if heard is None:
                    raise SfpipeError(f"{record.piece}: {outcome.error}", file=engraved)
                writer.add(
                    record.piece,
                    record.performance,
                    split=record.split,
                    spectrogram=heard,
                    onset_s=record.onset_s,
                    score_onset=record.score_onset,
                    tempo_factor=record.tempo_factor,
                    soundfont=record.soundfont,
                )
        yield Sounding(store, sound.described)


def _play(
    sound: OtherSound,
    gain: float,
    fonts: dict[str, Path],
    engraved: Path,
    record: PerformanceRecord,
) -> np.ndarray:
    samples = synthesize_midi(
        engraved / record.piece / "score.mid",
        fonts[record.soundfont],
        gain=gain,
        program=sound.program or 0,
        tempo_factor=record.tempo_factor,
        offset=sound.offset,
    )
    return spectrogram(samples, SAMPLE_RATE, sound.offset if sound.told else AS_WRITTEN)
