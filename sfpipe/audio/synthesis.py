"""MIDI to audio with FluidSynth: plain, fixed in level, the same bits every time.

As in the paper (section 4.1): rendered at 44.1 kHz, mixed down, resampled to 22,050 Hz, not
normalised. Chorus and reverb are off, since FluidSynth changed both between versions.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio.binding import load_fluidsynth
from sfpipe.audio.files import resample, to_int16
from sfpipe.audio.midi import Midi, read_midi
from sfpipe.audio.pitch import AS_WRITTEN, PitchOffset
from sfpipe.errors import SfpipeError
from sfpipe.store.schema import SAMPLE_RATE

RENDER_RATE = 44_100  # Hz
PERIOD = 64  # samples FluidSynth computes at once; events take effect at their boundaries
TAIL_S = 1.0  # s of audio after the last note ends
CHUNK = 1024  # periods asked for at once (1.5 s)
CHANNELS = 16
DITHER = 2  # largest sample of a silent rendering, on the int16 scale


def synthesize_midi(
    midi: str | Path | Midi,
    soundfont: str | Path,
    *,
    gain: float = 0.2,
    program: int = 0,
    tempo_factor: float = 1.0,
    offset: PitchOffset = AS_WRITTEN,
) -> np.ndarray:
    """Play a MIDI file on one instrument.

    Every onset sounds within 0.8 ms of its MIDI time (half of FluidSynth's period).

    Parameters
    ----------
    midi:
        A file, or what `read_midi` made of it.
    soundfont:
        An ``.sf2`` or ``.sf3`` file.
    gain:
        FluidSynth's output gain; 0.2 is its default and the reference's level.
    program:
        General MIDI program, 0-127, used for all channels.
    tempo_factor:
        1.25 plays a quarter faster: all times are divided by it.
    offset:
        How much higher it is to sound: other keys are struck, and the rest is tuned.

    Returns
    -------
    np.ndarray [shape=(N,), dtype=int16]
        Mono at 22,050 Hz, from MIDI time 0 to 1 s after the end of the last note.

    Raises
    ------
    SfpipeError
        If FluidSynth is missing, a file is missing or damaged, the sound font lacks the program,
        a note leaves the range of MIDI, or nothing is heard.
    """
    score = midi if isinstance(midi, Midi) else read_midi(midi)
    stereo = _render(score, Path(soundfont), gain, program, tempo_factor, offset)
    if np.abs(stereo).max() <= DITHER:
        raise SfpipeError(
            "the rendered audio is silent",
            file=soundfont,
            remedy="use another sound font or program, or a larger gain",
        )
    mono = (stereo[0::2].astype(np.float32) + stereo[1::2]) / 2
    return to_int16(resample(mono, RENDER_RATE, SAMPLE_RATE))


def programs_of(soundfont: Path) -> frozenset[int]:
    """The General MIDI programs, 0-127, that a sound font has.

    Raises
    ------
    SfpipeError
        If FluidSynth is missing or cannot load the sound font.
    """
    synth = _synthesizer(0.2)
    try:
        font = _load_font(synth, soundfont)
        return frozenset(p for p in range(128) if synth.sfpreset_name(font, 0, p) is not None)
    finally:
        synth.delete()


def events(midi: Midi, tempo_factor: float = 1.0) -> list[tuple[int, int, Any]]:
    """When to tell FluidSynth what, sorted.

    Returns
    -------
    list of (period, kind, object)
        Period: 64 samples at 44.1 kHz, nearest to the event's time. Kind: 0 control, 1 note-off,
        2 note-on, so that at one time a repeated note is released before it is struck again.
    """
    per_second = RENDER_RATE / PERIOD / tempo_factor
    timed: list[tuple[int, int, Any]] = []
    timed += [(round(c.time_s * per_second), 0, c) for c in midi.controls]
    next_start: dict[tuple[int, int], int] = {}
    for note in sorted(midi.notes, key=lambda n: n.start_s, reverse=True):
        key = (note.channel, note.pitch)
        start = round(note.start_s * per_second)
        end = max(round(note.end_s * per_second), start + 1)
        timed.append((start, 2, note))
        # Striking a key again ends its note by itself; a note-off after that would end both.
        if end <= next_start.get(key, end):
            timed.append((end, 1, note))
        next_start[key] = start
    return sorted(timed, key=lambda event: event[:2])


def _render(
    midi: Midi,
    soundfont: Path,
    gain: float,
    program: int,
    tempo_factor: float,
    offset: PitchOffset,
) -> np.ndarray:
    """Interleaved stereo int16 at 44.1 kHz, from a synthesizer made for this one piece.

    A used synthesizer would do the same notes with other bits: its dither and voices go on.
    """
    keys = round(offset.semitones + offset.cents / 100)
    highest = max(note.pitch for note in midi.notes) + keys
    lowest = min(note.pitch for note in midi.notes) + keys
    if lowest < 0 or highest > 127:
        raise SfpipeError(f"MIDI has no pitch {lowest if lowest < 0 else highest}")
    synth = new_synthesizer(soundfont, gain, program)
    try:
        if cents := 100 * (offset.semitones - keys) + offset.cents:
            _tune(synth, cents)
        chunks: list[np.ndarray] = []
        now = 0
        for period, kind, what in events(midi, tempo_factor):
            now = _advance(synth, chunks, now, period)
            if kind == 2:
                synth.noteon(what.channel, what.pitch + keys, what.velocity)
            elif kind == 1:
                synth.noteoff(what.channel, what.pitch + keys)
            elif what.number is None:
                synth.pitch_bend(what.channel, what.value)
            else:
                synth.cc(what.channel, what.number, what.value)
        end = (midi.end_s / tempo_factor + TAIL_S) * RENDER_RATE / PERIOD
        _advance(synth, chunks, now, int(np.ceil(end)))
        return np.concatenate(chunks)
    finally:
        synth.delete()


def new_synthesizer(soundfont: Path, gain: float, program: int) -> Any:
    """A FluidSynth at 44.1 kHz with one instrument on all channels; `delete` it in the end.

    Raises
    ------
    SfpipeError
        If FluidSynth is missing, the sound font is missing or damaged, or lacks the program.
    """
    if not soundfont.is_file():
        raise SfpipeError("no such sound font", file=soundfont, remedy="see `sfpipe doctor`")
    synth = _synthesizer(gain)
    try:
        _load_program(synth, soundfont, program)
    except SfpipeError:
        synth.delete()
        raise
    return synth


def _synthesizer(gain: float) -> Any:
    _begin_rand()
    settings = {
        "synth.reverb.active": 0,
        "synth.chorus.active": 0,
        "synth.cpu-cores": 1,
        # Reads the samples of one instrument instead of a whole sound font: 30 ms, not 200.
        "synth.dynamic-sample-loading": 1,
    }
    return load_fluidsynth().Synth(
        gain=float(gain), samplerate=float(RENDER_RATE), channels=CHANNELS, **settings
    )


@functools.cache
def _begin_rand() -> None:
    """Set the C library's `rand` as it is in a new process, once.

    FluidSynth draws its dither from it when the first synthesizer of a process is made: whatever
    used it before would change the least bit of all that is rendered.
    """
    ctypes.CDLL(None).srand(1)


def _load_font(synth: Any, soundfont: Path) -> int:
    font: int = synth.sfload(str(soundfont))
    if font < 0:
        raise SfpipeError(
            "FluidSynth cannot load this sound font",
            file=soundfont,
            remedy="the file is damaged or no sound font: install it again, see `sfpipe doctor`",
        )
    return font


def _load_program(synth: Any, soundfont: Path, program: int) -> None:
    font = _load_font(synth, soundfont)
    for channel in range(CHANNELS):
        if synth.program_select(channel, font, 0, program) != 0:
            raise SfpipeError(
                f"the sound font has no program {program} (or its samples are damaged)",
                file=soundfont,
                remedy="choose another synthesize.program or sound font",
            )


def _tune(synth: Any, cents: float) -> None:
    """Tune all channels, by MIDI's registered parameter 1 (channel fine tuning)."""
    value = 8192 + round(cents / 100 * 8192)  # of 14 bits, for -100 to 100 cents
    for channel in range(CHANNELS):
        for number, setting in ((101, 0), (100, 1), (6, value >> 7), (38, value & 127)):
            synth.cc(channel, number, setting)


def _advance(synth: Any, chunks: list[np.ndarray], now: int, period: int) -> int:
    while now < period:
        step = min(period - now, CHUNK)
        chunks.append(synth.get_samples(step * PERIOD))
        now += step
    return now
