"""OMR-ODTW: the score's sound comes from what was read in its image (section 4.2)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from sfpipe.audio.soundfonts import resolve
from sfpipe.baselines.omr.midi import likely_tempo, omr_midi, omr_score_map
from sfpipe.baselines.omr.notes import Reader
from sfpipe.baselines.score_sound import ScoreSound, from_midi
from sfpipe.params import SynthesizeParams


def sound_of_image(strip: np.ndarray, params: SynthesizeParams, reader: Reader) -> ScoreSound:
    """Read a strip, synthesise the notes, and keep where each was read.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)].
    params:
        The first of the training sound fonts is played.

    Raises
    ------
    SfpipeError
        If nothing is read, or the sound font is missing.
    """
    notes = reader(strip)
    tempo = likely_tempo(notes)
    midi = omr_midi(notes, tempo)
    quarters, x = omr_score_map(notes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "read.mid"
        midi.write(str(path))
        font = resolve(params.train.soundfonts[0]).path
        return from_midi(
            path, quarters * 60 / tempo, x, font, gain=params.gain, program=params.program
        )
