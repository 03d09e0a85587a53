"""The MIDI files of a piece's scores, joined to one, and the note heads found again in it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sfpipe.engraving.lilypond.placement import TICKS, PlacedHead, Placement
from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import read_made

if TYPE_CHECKING:
    from mido import Message, MetaMessage

PAUSE = TICKS  # ticks of silence between two scores: a quarter
DEFAULT_TEMPO = 500_000  # µs per quarter, until a MIDI file says otherwise
LILYPOND_TEMPO = 1_000_000  # µs per quarter: what LilyPond writes if the source has no tempo
ROUNDING = (0, -1, 1)  # ticks; LilyPond adds up grace notes in another order
KEPT = ("note_on", "note_off", "control_change", "program_change", "pitchwheel", "set_tempo")


@dataclass(frozen=True)
class LilyPondSound:
    """One score's MIDI: `events` (tick, message) in order, its last tick."""

    events: list[tuple[int, Message | MetaMessage]]
    end: int

    def struck(self) -> set[tuple[int, int]]:
        """(tick, pitch) of every note that begins."""
        return {(t, m.note) for t, m in self.events if m.type == "note_on" and m.velocity > 0}


@dataclass(frozen=True)
class PlayedHead:
    """A note head and the tick at which it is due; `struck` if a note of its pitch begins there."""

    head: PlacedHead
    tick: int
    struck: bool


def read_sound(path: Path) -> LilyPondSound:
    """Read the MIDI file of one score.

    Raises
    ------
    SfpipeError
        If it was not made, cannot be read, counts other ticks than LilyPond's or has no notes.
    """
    import mido

    content = read_made(path)
    try:
        midi = mido.MidiFile(file=io.BytesIO(content))
        events = []
        tick = 0
        for message in mido.merge_tracks(midi.tracks):
            tick += message.time
            if message.type in KEPT:
                events.append((tick, message))
    except Exception as error:  # mido raises anything from EOFError to KeyError
        raise SfpipeError(f"{path.name} is not readable as MIDI ({error})") from None
    if midi.ticks_per_beat != TICKS:
        raise SfpipeError(f"{path.name} counts {midi.ticks_per_beat} ticks, expected {TICKS}")
    sound = LilyPondSound(events, tick)
    if not sound.struck():
        raise SfpipeError(f"{path.name} has no notes")
    return sound


def find_heads(placement: Placement, sound: LilyPondSound) -> list[list[PlayedHead]]:
    """For each system its visible heads, with their ticks as in the MIDI file."""
    struck = sound.struck()
    systems = []
    for system in placement.systems:
        played = []
        for head in system.heads:
            if not head.visible:
                continue
            tick = head.moment.ticks_after(placement.start)
            near = (tick + dt for dt in ROUNDING)
            struck_at = next((t for t in near if (t, head.midi_pitch) in struck), None)
            if head.tied or struck_at is None:
                played.append(PlayedHead(head, tick, False))
            else:
                played.append(PlayedHead(head, struck_at, True))
        systems.append(played)
    return systems


@dataclass(frozen=True)
class JoinedSound:
    """All scores one after the other: `starts` (tick) of each, `events`, tempo `changes`."""

    starts: list[int]
    events: list[tuple[int, Message | MetaMessage]]
    changes: list[tuple[int, int]]

    def seconds(self, tick: int) -> float:
        """Time of a tick in s."""
        total, at, tempo = 0, 0, DEFAULT_TEMPO
        for change, value in self.changes:
            if change >= tick:
                break
            total += (change - at) * tempo
            at, tempo = change, value
        return (total + (tick - at) * tempo) / (TICKS * 1e6)


def join(sounds: Sequence[LilyPondSound]) -> JoinedSound:
    """Put the scores one after the other, with a pause of a quarter between two."""
    starts: list[int] = []
    events = []
    start = 0
    for sound in sounds:
        starts.append(start)
        events += [(start + tick, message) for tick, message in sound.events]
        start += sound.end + PAUSE
    changes = [(tick, m.tempo) for tick, m in events if m.type == "set_tempo"]
    return JoinedSound(starts, events, changes)


def write_joined(path: Path, sound: JoinedSound) -> None:
    """Write one track at LilyPond's resolution."""
    import mido

    track = mido.MidiTrack()
    at = 0
    for tick, message in sound.events:
        track.append(message.copy(time=tick - at))
        at = tick
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    midi.tracks.append(track)
    midi.save(str(path))
