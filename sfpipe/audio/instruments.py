"""How wind and string players and singers play a melody: vibrato, slurs, soft onsets.

A sampled instrument strikes every note afresh, at an even pitch. On these instruments the pitch
swings, one tone passes into the next without a new beginning, and others begin softly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from sfpipe.audio.expression import SUSTAIN
from sfpipe.audio.midi import Control, Midi, MidiNote
from sfpipe.params import AugmentParams

# Of General MIDI: bowed strings, ensembles and voices, brass, reeds, pipes, fiddle and shanai.
SUSTAINED = frozenset({*range(40, 45), *range(48, 55), *range(56, 80), 110, 111})
EXPRESSION = 11  # General MIDI's controller
BEND_RANGE = 6  # semitones that a full pitch bend makes
REACH = 4  # semitones from the tone struck to which it is slurred; further, samples sound wrong
SLURRED = 0.6  # of the tones that can be
GLIDE_S = 0.025  # from tone to tone
STEP_S = 0.01  # between two pitch bends
VIBRATO_HZ = (4.5, 7.0)
VIBRATO_CENTS = (10.0, 50.0)  # to each side
VIBRATO_DELAY_S = (0.0, 0.25)  # short tones have none
VIBRATO_RISE_S = 0.2
SWELL_S = (0.03, 0.15)  # of a soft onset
SOFTEST = 0.3  # of full expression, where it begins
CHANNELS = 4  # in turn, so that a tone that dies away is not bent with the next


@dataclass(frozen=True)
class _Manner:
    """What was drawn for one performance."""

    vibrato_hz: float
    vibrato_cents: float
    delay_s: float
    swell_s: float


def is_melody(midi: Midi) -> bool:
    """Whether no two notes sound at once."""
    notes = sorted(midi.notes, key=lambda note: note.start_s)
    return all(a.end_s <= b.start_s + 1e-6 for a, b in pairwise(notes))


def play_melody(midi: Midi, params: AugmentParams, rng: np.random.Generator) -> Midi:
    """A melody as winds, strings or voices play it, with onsets where they are.

    Vibrato is a pitch bend, since the modulation wheel does nothing in many sound fonts. A slur
    bends the tone that sounds, by up to 4 semitones, in place of a new one. In slurred performances
    the tones that are struck swell.

    Parameters
    ----------
    midi:
        Notes by start, times in s as performed; where two overlap, the first ends in the second.

    Returns
    -------
    Midi
        On 4 channels. The sustain pedal and earlier pitch bends are left out.
    """
    vibrato, slurred = rng.random(2) < (params.vibrato_share, params.slur_share)
    manner = _Manner(
        rng.uniform(*VIBRATO_HZ),
        rng.uniform(*VIBRATO_CENTS) if vibrato else 0.0,
        rng.uniform(*VIBRATO_DELAY_S),
        rng.uniform(*SWELL_S) if slurred else 0.0,
    )
    share = SLURRED if slurred else 0.0
    kept = [c for c in midi.controls if c.number not in (SUSTAIN, None)]
    controls = [replace(c, channel=channel) for c in kept for channel in range(CHANNELS)]
    for channel in range(CHANNELS):
        controls += [Control(0.0, channel, *to) for to in ((101, 0), (100, 0), (6, BEND_RANGE))]
    notes = []
    for index, tones in enumerate(_slurs(midi.notes, share, rng)):
        channel = index % CHANNELS
        end_s = max(tone.end_s for tone in tones)
        notes.append(replace(tones[0], channel=channel, end_s=end_s))
        controls += _bends(tones, channel, end_s, manner)
        controls += _swell(tones[0].start_s, channel, manner.swell_s)
    return Midi(notes, sorted(controls, key=lambda control: control.time_s))


def _slurs(
    notes: list[MidiNote], share: float, rng: np.random.Generator
) -> Iterator[list[MidiNote]]:
    """Tones by the stroke, bow or breath that begins them."""
    tones: list[MidiNote] = []
    for note, chosen in zip(notes, rng.random(len(notes)) < share, strict=True):
        if tones:
            moves = note.pitch != tones[-1].pitch and abs(note.pitch - tones[0].pitch) <= REACH
            if not (chosen and moves):
                yield tones
                tones = []
        tones.append(note)
    if tones:
        yield tones


def _bends(tones: list[MidiNote], channel: int, end_s: float, manner: _Manner) -> Iterator[Control]:
    """Pitch bends from the first tone's onset until the last one's end."""
    start_s = tones[0].start_s
    at = start_s + STEP_S * np.arange(max(int((end_s - start_s) / STEP_S), 1))
    if len(tones) == 1 and not manner.vibrato_cents:
        at = at[:1]  # straight
    # What a tone is bent to, gliding from its onset on.
    onsets = np.array([tone.start_s for tone in tones])
    cents = 100.0 * np.array([tone.pitch - tones[0].pitch for tone in tones])
    times = np.stack([onsets, onsets + GLIDE_S], axis=1).ravel()
    levels = np.stack([np.roll(cents, 1), cents], axis=1).ravel()
    levels[0] = 0.0
    bent = np.interp(at, np.maximum.accumulate(times), levels)
    since = at - onsets[np.searchsorted(onsets, at, side="right") - 1]
    depth = manner.vibrato_cents * np.clip((since - manner.delay_s) / VIBRATO_RISE_S, 0, 1)
    bent += depth * np.sin(2 * np.pi * manner.vibrato_hz * (at - start_s))
    for time_s, value in zip(at, np.round(bent / (100 * BEND_RANGE) * 8192), strict=True):
        yield Control(float(time_s), channel, None, int(value))


def _swell(start_s: float, channel: int, swell_s: float) -> Iterator[Control]:
    """Expression that rises to its full within `swell_s` of an onset."""
    if swell_s:
        for since in np.arange(0, swell_s + STEP_S, STEP_S):
            level = SOFTEST + (1 - SOFTEST) * min(since / swell_s, 1.0)
            yield Control(float(start_s + since), channel, EXPRESSION, round(127 * level))
