"""Notes that were read from an image as MIDI, and as a map from score time to pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.omr.notes import OmrNote

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI

VELOCITY = 80
SHORTEST_STEP = 0.1  # quarters; what is shorter comes of notes that were placed by the eye
SLOWEST, FASTEST = 15.0, 600.0  # quarters per minute


def omr_midi(notes: Sequence[OmrNote], quarters_per_minute: float) -> PrettyMIDI:
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


def omr_score_map(notes: Sequence[OmrNote]) -> tuple[np.ndarray, np.ndarray]:
    """Where each onset is in the image: quarters (increasing) and x in px, float64 [shape=(n,)].

    Of a chord's column the median x.
    """
    columns: dict[float, list[float]] = {}
    for note in notes:
        columns.setdefault(round(note.onset, 6), []).append(note.x_px)
    quarters = sorted(columns)
    return np.array(quarters), np.array([float(np.median(columns[q])) for q in quarters])


def tempo_of(notes: Sequence[OmrNote], steps_per_minute: float) -> float:
    """Quarters per minute at which the most frequent step from onset to onset has this tempo.

    An image seldom tells the tempo; steps differ less between pieces than quarters do.
    """
    steps = np.round(np.diff(omr_score_map(notes)[0]), 3)
    steps = steps[steps >= SHORTEST_STEP]
    if not len(steps):
        return steps_per_minute
    usual = Counter(steps.tolist()).most_common(1)[0][0]
    return float(np.clip(steps_per_minute * usual, SLOWEST, FASTEST))
