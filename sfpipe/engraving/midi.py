"""Standard MIDI file of the notes of a score."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from sfpipe.notation.playback import TICKS, Sound, TempoMap

VELOCITY = 80


def write_midi(path: Path, sounds: Sequence[Sound], tempo: TempoMap) -> None:
    """Write `sounds` as one track: set-tempo events, then the notes.

    Onsets in the file are exactly those of the sounds: both are whole ticks.
    """
    # At equal ticks: tempo, then note-offs, then note-ons, so that repeated notes are struck.
    events = [(tick, 0, b"\xff\x51\x03" + m.to_bytes(3, "big")) for tick, m in tempo.changes]
    events.append((0, 0, b"\xc0\x00"))
    for sound in sounds:
        events.append((sound.onset, 2, bytes((0x90, sound.midi_pitch, VELOCITY))))
        events.append((sound.end, 1, bytes((0x80, sound.midi_pitch, 0))))
    track = b""
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track += _variable_length(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 1, 1, TICKS)
    path.write_bytes(header + b"MTrk" + struct.pack(">I", len(track)) + track)


def _variable_length(value: int) -> bytes:
    """A number in the seven-bit groups of SMF 1.0."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))
