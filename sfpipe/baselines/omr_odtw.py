"""OMR-ODTW: the score's sound comes from what was read in its image (section 4.2).

The image does not tell the tempo, and where the two differ more than twice the alignment falls
behind: the notes are played at several tempi, of which the follower believes the one that fits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.baselines.score_sound import ScoreSound, from_midi
from sfpipe.omr.midi import omr_midi, omr_score_map, tempo_of
from sfpipe.omr.notes import OmrNote, Reader
from sfpipe.params import SynthesizeParams


def sounds_of_image(
    strip: np.ndarray,
    params: SynthesizeParams,
    reader: Reader,
    steps_per_minute: Sequence[float],
) -> list[ScoreSound]:
    """Read a strip, synthesise the notes at each tempo, and keep where each was read.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)].
    params:
        The first of the training sound fonts is played.
    steps_per_minute:
        Tempi, of the most frequent step from onset to onset.

    Raises
    ------
    SfpipeError
        If nothing is read, or the sound font is missing.
    """
    notes = reader(strip)
    return [_sound(notes, params, tempo_of(notes, steps)) for steps in steps_per_minute]


def _sound(notes: Sequence[OmrNote], params: SynthesizeParams, tempo: float) -> ScoreSound:
    midi = omr_midi(notes, tempo)
    quarters, x = omr_score_map(notes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "read.mid"
        midi.write(str(path))
        font = resolve_soundfont(params.train.soundfonts[0]).path
        return from_midi(
            path, quarters * 60 / tempo, x, font, gain=params.gain, program=params.program
        )
