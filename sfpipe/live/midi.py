"""MIDI as the performance: a file, or a keyboard, played on a piano that followers know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.synthesis import RENDER_RATE, new_synthesizer, synthesize_midi
from sfpipe.errors import SfpipeError, optional
from sfpipe.live.sources import Block, SoundStream, samples_of
from sfpipe.params import SynthesizeParams
from sfpipe.store.schema import SAMPLE_RATE

BLOCK_S = 0.01  # of sound that a keyboard gives at once: the latest a key sounds
_NOTES = ("note_on", "note_off")


def synthesize_performance(path: Path) -> np.ndarray:
    """A MIDI file on the piano of the training, int16 [shape=(N,)] at 22,050 Hz.

    Raises
    ------
    SfpipeError
        As `synthesize_midi`.
    """
    if not path.is_file():
        raise SfpipeError("no such file", file=path, remedy="check the name of the MIDI file")
    params = SynthesizeParams()
    font = resolve_soundfont(params.train.soundfonts[0]).path
    return synthesize_midi(path, font, gain=params.gain, program=params.program)


@contextmanager
def midi_file(path: Path) -> Iterator[SoundStream]:
    """A MIDI file as a stream of sound.

    Raises
    ------
    SfpipeError
        As `synthesize_performance`.
    """
    yield samples_of(synthesize_performance(path), SAMPLE_RATE)


class Keyboard:
    """The sound of a MIDI port, rendered as its messages arrive.

    Parameters
    ----------
    port:
        An input port of `mido`.
    now:
        A clock, s; sound is rendered up to it.
    """

    rate, channels = RENDER_RATE, 2

    def __init__(self, port: Any, now: Callable[[], float] = time.monotonic):
        params = SynthesizeParams()
        font = resolve_soundfont(params.train.soundfonts[0]).path
        self._port, self._now = port, now
        self._synth = new_synthesizer(font, params.gain, params.program)

    def blocks(self) -> Iterator[Block]:
        """As `SoundStream.blocks`; ends when the port is closed."""
        began, rendered = self._now(), 0
        try:
            while not self._port.closed:
                for message in self._port.iter_pending():
                    self._play(message)
                due = round((self._now() - began) * self.rate) - rendered
                if due < round(BLOCK_S * self.rate):
                    time.sleep(BLOCK_S / 4)
                    continue
                samples = self._synth.get_samples(due).reshape(-1, 2)
                rendered += due
                yield Block(samples)
        finally:
            self._synth.delete()

    def _play(self, message: Any) -> None:
        if message.type in _NOTES:
            if message.type == "note_on" and message.velocity:
                self._synth.noteon(message.channel, message.note, message.velocity)
            else:
                self._synth.noteoff(message.channel, message.note)
        elif message.type == "control_change":
            self._synth.cc(message.channel, message.control, message.value)
        elif message.type == "pitchwheel":
            self._synth.pitch_bend(message.channel, message.pitch)


@contextmanager
def keyboard(name: str) -> Iterator[SoundStream]:
    """A MIDI port of this machine, until the block is left.

    Parameters
    ----------
    name:
        The first port whose name begins so; empty: the first of all.

    Raises
    ------
    SfpipeError
        If there is none, or the library that reads ports is missing.
    """
    optional("rtmidi", "midi")
    import mido

    try:
        names = [str(port) for port in mido.get_input_names()]
    except Exception as error:  # rtmidi has errors of its own for a system without ports
        raise SfpipeError(
            f"the MIDI ports of this machine cannot be read ({error})",
            remedy="follow a MIDI file: --midi FILE",
        ) from None
    chosen = [port for port in names if port.startswith(name)]
    if not chosen:
        known = f"there are: {', '.join(names)}" if names else "no port is connected"
        raise SfpipeError(f"no MIDI port '{name}'", remedy=f"plug in a keyboard; {known}")
    with mido.open_input(chosen[0]) as port:
        yield Keyboard(port)
