"""How a pianist plays notes, beside when: dynamics, voicing, articulation, the sustain pedal.

A score's MIDI holds every note as long as it is written, all at about the same loudness, and knows
no pedal. Pianists play softly as often as loudly, bring out the highest voice, and let strings
sound on after their keys: what is heard of one chord is still there in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sfpipe.audio.midi import SHORTEST_S, Control, Midi, MidiNote
from sfpipe.params import AugmentParams

SUSTAIN = 64  # General MIDI's controller of the pedal
TOGETHER_S = 0.04  # notes struck within this are a chord
UNEVEN = 0.2  # deviation of the logarithm of single notes' articulation
SPAN_S = (0.5, 3.0)  # between changes of pedal on average, drawn once per performance
PEDALLED = (0.4, 1.0)  # share of those spans with the pedal down, drawn once per performance
CATCH_S = (0.05, 0.25)  # after a harmony is struck the pedal goes down (it would catch the old one)


def add_expression(midi: Midi, params: AugmentParams, rng: np.random.Generator) -> Midi:
    """The same notes at the same moments, played with expression.

    Parameters
    ----------
    midi:
        Notes by start, times in s as performed.

    Returns
    -------
    Midi
        Velocities from 1 to 127; a note lasts 20 ms at least. A pedal of its own takes the place
        of the score's, if there is one.
    """
    start = np.array([note.start_s for note in midi.notes])
    louder = drifting(start, params.loudness, params.drift_s, float(start.max()), rng)
    louder -= _accompaniment(start, midi.notes, params.voicing, rng)
    held = _articulation(len(start), params, rng)
    notes = [
        replace(
            note,
            velocity=int(np.clip(round(note.velocity + change), 1, 127)),
            end_s=note.start_s + max((note.end_s - note.start_s) * factor, SHORTEST_S),
        )
        for note, change, factor in zip(midi.notes, louder, held, strict=True)
    ]
    pedal = _pedal(notes, rng)
    if rng.random() >= params.pedal_share:
        return Midi(notes, midi.controls)
    others = [control for control in midi.controls if control.number != SUSTAIN]
    return Midi(notes, sorted(others + pedal, key=lambda control: control.time_s))


def drifting(
    at_s: np.ndarray,
    between: tuple[float, float],
    every_s: float,
    length_s: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """A quantity that is drawn every `every_s` seconds of a performance and glides between.

    Parameters
    ----------
    at_s:
        float64 [shape=(n,)], when it is asked for.
    between:
        Least and greatest value.
    length_s:
        Of the performance.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float64]
    """
    knots = np.arange(0, length_s + 2 * every_s, every_s)
    return np.interp(at_s, knots, rng.uniform(*between, len(knots)))


def _accompaniment(
    start: np.ndarray, notes: Sequence[MidiNote], voicing: float, rng: np.random.Generator
) -> np.ndarray:
    """How much softer each note is for not being the highest of its chord."""
    softer = np.zeros(len(notes))
    depth = rng.uniform(0, voicing)
    pitch = np.array([note.pitch for note in notes])
    chord = np.cumsum(np.diff(start, prepend=start[0]) > TOGETHER_S)
    for which in np.split(np.arange(len(notes)), np.flatnonzero(np.diff(chord)) + 1):
        softer[which[pitch[which] < pitch[which].max()]] = depth
    return softer


def _articulation(n: int, params: AugmentParams, rng: np.random.Generator) -> np.ndarray:
    """Factors of how long notes are held: a touch of the performance, uneven from note to note."""
    short, long = params.articulation
    touch = rng.uniform(np.log(short), np.log(long))
    return np.exp((touch + rng.normal(0, UNEVEN, n)).clip(np.log(short), np.log(long)))


def _pedal(notes: Sequence[MidiNote], rng: np.random.Generator) -> list[Control]:
    """Presses and releases, changed at onsets as harmonies are: after the new one is struck."""
    mean_s = np.exp(rng.uniform(*np.log(SPAN_S)))
    share = rng.uniform(*PEDALLED)
    onsets = np.unique([note.start_s for note in notes])
    end = max(note.end_s for note in notes)
    channels = sorted({note.channel for note in notes})
    controls = []
    at = float(onsets[0])
    while at < end:
        later = onsets[onsets >= at + rng.exponential(mean_s)]
        until = float(later[0]) if len(later) else end
        down, catch = rng.random() < share, rng.uniform(*CATCH_S)
        if down and at + catch < until:
            for channel in channels:
                controls.append(Control(at + catch, channel, SUSTAIN, 127))
                controls.append(Control(until, channel, SUSTAIN, 0))
        at = until
    return controls
