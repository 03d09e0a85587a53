import hashlib
import subprocess
import sys

import numpy as np
import pytest

from sfpipe.audio.midi import Control, Midi, MidiNote, read_midi
from sfpipe.audio.pitch import PitchOffset
from sfpipe.audio.spectrogram import spectrogram
from sfpipe.audio.synthesis import PERIOD, RENDER_RATE, events, synthesize_midi
from sfpipe.errors import SfpipeError
from tests.audio.conftest import write_midi

RATE = 22_050
LES_GRACES = "tismir-sample/performance/Anonymous__lesgraces__lesgraces.mid"


@pytest.fixture(scope="module")
def scale(tmp_path_factory):
    notes = [(0.25 * i, 0.25 * i + 0.25, 60 + i) for i in range(8)]
    return write_midi(tmp_path_factory.mktemp("midi") / "scale.mid", notes)


def test_the_same_bits_again_and_in_another_process(scale, soundfont):
    first = synthesize_midi(scale, soundfont)
    np.testing.assert_array_equal(first, synthesize_midi(scale, soundfont))
    code = (
        "import ctypes; [ctypes.CDLL(None).rand() for _ in range(3)];"  # others use it, too
        "import hashlib, sys; from sfpipe.audio.synthesis import synthesize_midi as s; "
        "print(hashlib.sha256(s(sys.argv[1], sys.argv[2]).tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, scale, soundfont], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == hashlib.sha256(first.tobytes()).hexdigest()


def test_audio_lasts_a_second_longer_than_the_notes(scale, soundfont):
    for factor in (1.0, 0.8, 2.0):
        samples = synthesize_midi(scale, soundfont, tempo_factor=factor)
        assert samples.dtype == np.int16
        assert len(samples) / RATE == pytest.approx(2.0 / factor + 1, abs=0.002)


@pytest.mark.parametrize("factor", [1.0, 1.25])
def test_onsets_sound_when_the_midi_file_says(tmp_path, soundfont, factor):
    starts = np.array([0.1, 2.613, 5.2071, 7.90013])
    midi = write_midi(tmp_path / "a.mid", [(s, s + 0.2, 72) for s in starts])
    samples = np.abs(synthesize_midi(midi, soundfont, tempo_factor=factor).astype(int))
    for start in starts / factor:
        around = samples[int((start - 0.05) * RATE) :][:4000]
        heard = np.flatnonzero(around > 0.05 * around.max())[0] / RATE - 0.05
        assert 0 <= heard < 0.003  # the piano's own attack takes about 1.3 ms


def test_events_are_placed_in_the_nearest_period():
    note = MidiNote(1.0, 2.0, 0, 60, 64)
    (start, kind, _), (end, off, _) = events(Midi([note]))
    assert (kind, off) == (2, 1)
    for period, time in ((start, 1.0), (end, 2.0)):
        assert abs(period * PERIOD / RENDER_RATE - time) <= PERIOD / RENDER_RATE / 2


def test_a_note_struck_again_is_not_cut_off_by_the_first_ones_end():
    first, second = MidiNote(0.0, 0.02, 0, 60, 64), MidiNote(0.01, 1.0, 0, 60, 64)
    kinds = [(kind, what) for _, kind, what in events(Midi([first, second]))]
    assert kinds == [(2, first), (2, second), (1, second)]


def test_released_before_struck_again_and_controls_first():
    notes = [MidiNote(0.0, 0.5, 0, 60, 64), MidiNote(0.5, 1.0, 0, 60, 64)]
    kinds = [kind for _, kind, _ in events(Midi(notes, [Control(0.5, 0, 64, 0)]))]
    assert kinds == [2, 0, 1, 2, 1]


def test_the_pedal_and_pitch_bend_are_heard(soundfont):
    note = [MidiNote(0.0, 0.2, 0, 72, 90)]
    dry = synthesize_midi(Midi(note), soundfont)
    pedal = synthesize_midi(Midi(note, [Control(0.0, 0, 64, 127)]), soundfont)
    late = slice(int(0.9 * RATE), int(1.1 * RATE))
    assert np.abs(pedal[late]).mean() > 2 * np.abs(dry[late]).mean()
    bent = synthesize_midi(Midi(note, [Control(0.0, 0, None, 8191)]), soundfont)
    peak = [spectrogram(s, RATE)[:, 2].argmax() for s in (dry, bent)]
    assert peak[1] - peak[0] == 2  # semitones


def test_gain_scales_and_program_changes_the_sound(scale, soundfont):
    soft, loud = (synthesize_midi(scale, soundfont, gain=g).astype(float) for g in (0.1, 0.2))
    np.testing.assert_allclose(loud, 2 * soft, atol=4)
    organ = synthesize_midi(scale, soundfont, program=19)
    assert np.abs(organ - loud).max() > 500


def test_level_and_sound_are_the_references(reference, large_soundfont):
    """The reference's recording has FluidSynth's reverb; it differs by that and nothing else."""
    samples = synthesize_midi(reference / LES_GRACES, large_soundfont)
    with np.load(reference / "spectrogram" / "spec_lesgraces_fluidr3.npz") as arrays:
        theirs, audio = arrays["spec"], arrays["wav22k_mono"].astype(float)
    ours = spectrogram(samples, RATE)
    n = ours.shape[1]
    assert np.abs(ours - theirs[:, :n]).mean() < 0.01  # of a range of 0.97
    ratio = samples.astype(float).std() / audio[: len(samples)].std()
    assert ratio == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("content", [b"", b"no sound font", b"RIFF\xff\xff\xff\x7fsfbkLIST" * 9])
def test_damaged_sound_font(tmp_path, scale, content):
    (tmp_path / "bad.sf2").write_bytes(content)
    with pytest.raises(SfpipeError, match="cannot load") as error:
        synthesize_midi(scale, tmp_path / "bad.sf2")
    assert error.value.file.endswith("bad.sf2")


def test_cut_off_sound_font(tmp_path, scale, soundfont):
    (tmp_path / "half.sf2").write_bytes(soundfont.read_bytes()[:3_000_000])
    with pytest.raises(SfpipeError, match="cannot load"):
        synthesize_midi(scale, tmp_path / "half.sf2")


def test_missing_sound_font_and_silence(tmp_path, scale, soundfont):
    with pytest.raises(SfpipeError, match="no such sound font"):
        synthesize_midi(scale, tmp_path / "none.sf2")
    with pytest.raises(SfpipeError, match="silent"):
        synthesize_midi(scale, soundfont, gain=1e-9)


def test_les_graces_is_read_completely(reference):
    with np.load(
        reference / "trajectories" / "inputs_Anonymous__lesgraces__lesgraces.npz"
    ) as arrays:
        theirs = arrays["midi_onsets_sec"]
    ours = [note.start_s for note in read_midi(reference / LES_GRACES).notes]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def frequency(samples: np.ndarray) -> float:
    """Of the strongest partial near a', Hz, to a tenth of a cent or so."""
    middle = samples[RATE // 2 : 3 * RATE // 2].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 20))
    hz = np.fft.rfftfreq(1 << 20, 1 / RATE)
    near = (hz > 200) & (hz < 900)
    return float(hz[near][spectrum[near].argmax()])


@pytest.mark.parametrize(
    "offset",
    [PitchOffset.at(415), PitchOffset.at(443), PitchOffset(-2), PitchOffset.at(392, 12)],
)
def test_a_note_sounds_higher_by_the_offset(tmp_path, large_soundfont, offset):
    midi = write_midi(tmp_path / "a.mid", [(0.0, 2.0, 69)])
    flute = {"program": 73}
    as_written = frequency(synthesize_midi(midi, large_soundfont, **flute))
    higher = frequency(synthesize_midi(midi, large_soundfont, offset=offset, **flute))
    cents = 1200 * np.log2(higher / as_written / offset.factor)
    assert abs(cents) < 8  # two keys of a sound font are not tuned better


def test_no_offset_changes_no_bit_and_pitches_end(scale, soundfont):
    plain = synthesize_midi(scale, soundfont)
    np.testing.assert_array_equal(plain, synthesize_midi(scale, soundfont, offset=PitchOffset()))
    high = Midi([MidiNote(0, 1, 0, 120, 80)])
    with pytest.raises(SfpipeError, match="MIDI has no pitch 132"):
        synthesize_midi(high, soundfont, offset=PitchOffset(12))
