"""MIDI files as notes and controls in seconds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sfpipe.errors import SfpipeError

PERCUSSION = 9  # General MIDI's drum channel, counted from 0
SHORTEST_S = 0.02  # a note that ends where it starts would not sound at all
MAX_BYTES = 1 << 20  # an hour with pedals has a quarter of it
LONGEST_S = 4 * 3600.0  # beyond this a file is taken to be damaged
_BANK_SELECT = (0, 32)


@dataclass(frozen=True)
class MidiNote:
    """One struck note.

    `start_s` and `end_s` in s at the file's own tempo, `end_s` > `start_s`; `quarter`: its start
    in quarter notes.
    """

    start_s: float
    end_s: float
    channel: int
    pitch: int
    velocity: int
    quarter: float = 0.0


@dataclass(frozen=True)
class Control:
    """A control change (`number` 0-127) or, with `number` None, a pitch bend (-8192 to 8191)."""

    time_s: float
    channel: int
    number: int | None
    value: int


@dataclass
class _Open:
    start_s: float
    quarter: float
    velocity: int
    depth: int = 1


@dataclass
class Midi:
    """What a MIDI file asks to be heard: `notes` by start and pitch, `controls` by time."""

    notes: list[MidiNote] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        """When the last note ends, in s."""
        return max(note.end_s for note in self.notes)


def read_midi(path: str | Path) -> Midi:
    """Read a standard MIDI file.

    Tempo changes are followed; percussion and bank changes are left out, and so are program
    changes: every piece is played on the same instrument.

    Raises
    ------
    SfpipeError
        If the file is missing, damaged or too large, holds no notes or lasts more than 4 hours.
    """
    import mido

    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        # clip: some old sequencers write velocities above 127.
        file = mido.MidiFile(str(path), clip=True)
        if file.type == 2 or file.ticks_per_beat == 0:
            raise ValueError("asynchronous tracks are not supported, nor time without unit")
        film_tick_s = _film_tick_s(file.ticks_per_beat)
        messages = list(mido.merge_tracks(file.tracks, skip_checks=True))
    except FileNotFoundError:
        raise SfpipeError("no such file", file=path, remedy="run the engrave stage") from None
    except Exception as error:
        # mido raises nearly anything on damaged input: OSError, EOFError, IndexError, KeyError.
        raise SfpipeError(
            f"is not a readable MIDI file ({type(error).__name__}: {error})",
            file=path,
            remedy="make the file again",
        ) from None
    midi = _collect(messages, file.ticks_per_beat, film_tick_s)
    if not midi.notes:
        raise SfpipeError("holds no notes", file=path, remedy="make the file again")
    if midi.end_s > LONGEST_S:
        raise SfpipeError(
            f"lasts {midi.end_s / 3600:.1f} hours", file=path, remedy="make the file again"
        )
    return midi


def _film_tick_s(division: int) -> float | None:
    """Seconds of a tick where a file counts film frames (SMPTE), None where it counts quarters.

    mido 1.3.3 knows no such files and gives the two bytes, frames per second negated and ticks per
    frame, as one negative number.
    """
    if division > 0:
        return None
    frames, ticks = -(division >> 8), division & 0xFF
    if frames not in (24, 25, 29, 30) or not ticks:
        raise ValueError(f"no film has {frames} frames of {ticks} ticks a second")
    return 1 / ((30 / 1.001 if frames == 29 else frames) * ticks)


def _collect(messages: list, ticks_per_quarter: int, tick_s: float | None) -> Midi:
    """Notes and controls; `tick_s`: of a file that counts film frames, with 120 quarters a minute.

    Tempo marks change nothing there: a tick stays as long as it is.
    """
    midi = Midi()
    if tick_s is not None:
        ticks_per_quarter = round(0.5 / tick_s)
    sounding: dict[tuple[int, int], _Open] = {}
    ticks, now = 0, 0.0  # now: s
    tempo = 0.5  # s per quarter

    def close(key: tuple[int, int], note: _Open) -> None:
        end = max(now, note.start_s + SHORTEST_S)
        midi.notes.append(MidiNote(note.start_s, end, *key, note.velocity, note.quarter))

    for message in messages:
        ticks += message.time
        now += message.time * tick_s if tick_s else message.time / ticks_per_quarter * tempo
        if message.type == "set_tempo":
            tempo = message.tempo / 1e6
        elif message.is_meta or getattr(message, "channel", PERCUSSION) == PERCUSSION:
            continue
        if message.type == "note_on" and message.velocity > 0:
            key = (message.channel, message.note)
            before = sounding.get(key)
            if before is not None:
                # Struck again while sounding (two voices on a unison): end the first here and
                # keep the second until as many note-offs as note-ons have come.
                close(key, before)
            depth = before.depth + 1 if before is not None else 1
            sounding[key] = _Open(now, ticks / ticks_per_quarter, message.velocity, depth)
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            note = sounding.get(key)
            if note is not None:
                note.depth -= 1
                if note.depth == 0:
                    close(key, sounding.pop(key))
        elif message.type == "control_change" and message.control not in _BANK_SELECT:
            midi.controls.append(Control(now, message.channel, message.control, message.value))
        elif message.type == "pitchwheel":
            midi.controls.append(Control(now, message.channel, None, message.pitch))
    for key, note in sounding.items():  # never switched off
        close(key, note)
    midi.notes.sort(key=lambda n: (n.start_s, n.channel, n.pitch))
    return midi
