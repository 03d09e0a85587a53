"""Standard MIDI file of the sounding notes of a melody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfpipe.notation.playback import TICKS, Head, TempoMap, sounding_notes

VELOCITY = 80


def write_midi(path: Path, heads: Sequence[Head], tempo: TempoMap) -> None:
    """Write `heads` as one track: set-tempo events, then a note per struck head.

    Onsets in the file are exactly those of the heads: both are whole ticks.
    """
    import mido

    # At equal ticks: tempo, then note-offs, then note-ons, so that repeated notes are struck.
    events = [(tick, 0, mido.MetaMessage("set_tempo", tempo=m)) for tick, m in tempo.changes]
    events.append((0, 0, mido.Message("program_change", program=0)))
    for sound in sounding_notes(heads):
        on = mido.Message("note_on", note=sound.midi_pitch, velocity=VELOCITY)
        off = mido.Message("note_off", note=sound.midi_pitch, velocity=0)
        events += [(sound.onset, 2, on), (sound.end, 1, off)]
    events.sort(key=lambda event: event[:2])
    track = mido.MidiTrack()
    tick = 0
    for at, _, message in events:
        track.append(message.copy(time=at - tick))
        tick = at
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    midi.tracks.append(track)
    midi.save(str(path))
