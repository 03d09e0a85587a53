"""Notes that were read from an image as MIDI, and as a map from score time to pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sfpipe.baselines.omr.notes import Note
from sfpipe.errors import SfpipeError

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI

VELOCITY = 80
STEPS_PER_MINUTE = 140.0  # tempo of the most frequent step from onset to onset


def omr_midi(notes: Sequence[Note], quarters_per_minute: float) -> PrettyMIDI:
    """The notes as a piano track at a fixed tempo.

    Raises
    ------
    SfpipeError
        If there are no notes.
    """
    import pretty_midi

    if not notes:
        raise SfpipeError("no notes were read from the image")
    second = quarters_per_minute / 60
    track = pretty_midi.Instrument(program=0)
    track.notes = [
        pretty_midi.Note(VELOCITY, n.midi_pitch, n.onset / second, (n.onset + n.duration) / second)
        for n in notes
    ]
    midi = pretty_midi.PrettyMIDI(initial_tempo=quarters_per_minute)
    midi.instruments.append(track)
    return midi


def omr_score_map(notes: Sequence[Note]) -> tuple[np.ndarray, np.ndarray]:
    """Where each onset is in the image: quarters (increasing) and x in px, float64 [shape=(n,)].

    Of a chord's column the median x.
    """
    columns: dict[float, list[float]] = {}
    for note in notes:
        columns.setdefault(round(note.onset, 6), []).append(note.x_px)
    quarters = sorted(columns)
    return np.array(quarters), np.array([float(np.median(columns[q])) for q in quarters])


def likely_tempo(notes: Sequence[Note]) -> float:
    """Quarters per minute at which the most frequent step from onset to onset is 140 a minute.

    An image seldom tells the tempo, and what aligns finds it anyway.
    """
    steps = np.round(np.diff(omr_score_map(notes)[0]), 3)
    if not len(steps):
        return STEPS_PER_MINUTE
    return STEPS_PER_MINUTE * float(Counter(steps.tolist()).most_common(1)[0][0])
