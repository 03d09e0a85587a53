"""Standard MIDI file of the sounding notes of a melody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfpipe.engraving.melody import TICKS, Head, TempoMap

VELOCITY = 80


@dataclass(frozen=True)
class Sound:
    """One struck note, in ticks of 1/960 quarter."""

    onset: int
    end: int
    midi_pitch: int


def sounding_notes(heads: Sequence[Head]) -> list[Sound]:
    """One `Sound` per struck head, lengthened by the heads tied to it, in time order."""
    sounds: list[Sound] = []
    open_at: dict[int, int] = {}
    for head in heads:
        if head.tied and head.midi_pitch in open_at:
            i = open_at[head.midi_pitch]
            sounds[i] = Sound(sounds[i].onset, head.end, head.midi_pitch)
        else:
            open_at[head.midi_pitch] = len(sounds)
            sounds.append(Sound(head.onset, head.end, head.midi_pitch))
    return sorted(sounds, key=lambda s: (s.onset, s.midi_pitch))


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
