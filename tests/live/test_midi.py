"""MIDI as the performance: files, and a port whose messages arrive while it is played."""

import base64
import sys
from dataclasses import replace

import mido
import numpy as np
import pytest

from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.cli import main
from sfpipe.errors import SfpipeError
from sfpipe.live.engine import LiveEngine
from sfpipe.live.follow import follow_sound
from sfpipe.live.midi import BLOCK_S, Keyboard, keyboard, midi_file
from sfpipe.live.notes import follow_notes
from sfpipe.live.sources import samples_of
from tests.live.test_engine import HEAD_PX, errors_px
from tests.live.test_replay import embedded

MILLISECOND = 0.001


def test_a_midi_file_is_followed(engine, performed):
    with midi_file(performed.midi) as sound:
        assert (sound.rate, sound.channels) == (22_050, 1)
        positions = list(follow_sound(engine, sound))
    assert np.mean(errors_px(performed, positions) < 2 * HEAD_PX) > 0.95


def test_the_command_takes_it(tune, performed, tmp_path, monkeypatch, capsys):
    out = ["--out", str(tmp_path / "take.csv"), "--page", str(tmp_path / "take.html")]
    given = ["follow", str(tune), "--midi", str(performed.midi), *out]
    monkeypatch.setattr(sys, "argv", ["sfpipe", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "system 3 of 3" in capsys.readouterr().out
    assert len((tmp_path / "take.csv").read_text("utf-8").splitlines()) > 500
    assert base64.b64decode(embedded(tmp_path / "take.html")["sound"])[4:8] == b"ftyp"


def test_a_file_that_is_no_midi_is_named(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(b"RIFF")
    with pytest.raises(SfpipeError, match=r"a\.mid: is not a readable MIDI file"), midi_file(path):
        pass


class Clock:
    """Each look at it is 2 ms later."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        self.now_s += 2 * MILLISECOND
        return self.now_s


def test_a_key_sounds_when_it_is_struck():
    clock, port = Clock(), mido.ports.EchoPort()
    blocks, struck = [], 0.0
    for block in Keyboard(port, clock).blocks():
        blocks.append(block.samples)
        sounded = sum(map(len, blocks)) / 44_100
        if sounded > 0.2 and not struck:
            struck = sounded
            port.send(mido.Message("note_on", note=69, velocity=90))
        if sounded > 0.6:
            port.close()
    assert max(map(len, blocks)) <= round(2 * BLOCK_S * 44_100)
    samples = np.concatenate(blocks).astype(float)[:, 0]
    assert samples.shape[0] == pytest.approx(0.6 * 44_100, rel=0.05)
    before, after = samples[: round(struck * 44_100)], samples[round((struck + 0.05) * 44_100) :]
    assert np.abs(before).max() <= 2 < 200 < np.abs(after).max()
    spectrum = np.abs(np.fft.rfft(after * np.hanning(len(after))))
    assert np.argmax(spectrum) * 44_100 / len(after) == pytest.approx(440, abs=4)


def test_without_a_port_or_the_library_it_says_so():
    with pytest.raises(SfpipeError, match=r"MIDI port|rtmidi is not installed"), keyboard("none"):
        pass


def test_midi_to_midi(performed, soundfont):
    """The notes of the score in place of its picture, the tempo not told."""
    engine = LiveEngine(performed.page_set, follow_notes(performed.page_set))
    slower = synthesize_midi(performed.midi, soundfont, tempo_factor=0.8)
    positions = list(follow_sound(engine, samples_of(slower, 22_050)))
    later = performed._replace(onset_s=performed.onset_s / 0.8)
    assert np.mean(errors_px(later, positions) < 2 * HEAD_PX) > 0.95


def test_of_a_picture_no_notes_are_known(performed):
    picture = replace(performed.page_set, sounding=None)
    with pytest.raises(SfpipeError, match=r"needs the notes .* -> name MusicXML"):
        follow_notes(picture)
