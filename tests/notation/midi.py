"""MIDI files made in memory for the tests."""

from __future__ import annotations

import io
from collections.abc import Sequence

import mido

PPQ = 480


def midi_file(*tracks: Sequence[mido.Message | mido.MetaMessage], ppq: int = PPQ) -> bytes:
    """A file of these tracks, whose messages carry absolute ticks."""
    midi = mido.MidiFile(ticks_per_beat=ppq, type=0 if len(tracks) == 1 else 1)
    for messages in tracks:
        track, now = mido.MidiTrack(), 0
        for message in sorted(messages, key=lambda m: m.time):
            track.append(message.copy(time=message.time - now))
            now = message.time
        midi.tracks.append(track)
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def note(start: int, end: int, pitch: int, channel: int = 0) -> list[mido.Message]:
    """A note from tick to tick."""
    return [
        mido.Message("note_on", note=pitch, velocity=64, channel=channel, time=start),
        mido.Message("note_off", note=pitch, velocity=0, channel=channel, time=end),
    ]


def midi_bytes(starts: Sequence[tuple[int, int]], length: int = 200) -> bytes:
    """One track of notes (start, pitch) of one length."""
    return midi_file([m for t, p in starts for m in note(t, t + length, p)])
