import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from sfpipe.audio.files import load_audio
from sfpipe.audio.instruments import CHANNELS, REACH, is_melody, play_melody
from sfpipe.audio.midi import Control, Midi, MidiNote
from sfpipe.audio.performances import choose_performances
from sfpipe.audio.soundfonts import SoundFont
from sfpipe.audio.stage import synthesize
from sfpipe.audio.synthesis import programs_of, synthesize_midi
from sfpipe.errors import SfpipeError
from sfpipe.params import AugmentParams, SynthesizeParams, VariantParams
from sfpipe.store.schema import SAMPLE_RATE
from tests.audio.conftest import write_piece

OBOE, CELLO, FLUTE = 68, 42, 73
TUNE = [69, 71, 73, 74, 81, 69, 69]
TONE_S = 0.8


def tune(*pitches: int) -> Midi:
    return Midi(
        [MidiNote(TONE_S * i, TONE_S * (i + 1), 0, p, 90) for i, p in enumerate(pitches)],
        [Control(0.0, 0, 64, 127)],
    )


def params(vibrato: float, slur: float) -> AugmentParams:
    return AugmentParams(programs=[OBOE], vibrato_share=vibrato, slur_share=slur)


def cents_off(samples: np.ndarray, pitch: int) -> np.ndarray:
    """Momentary pitch of a tone's fundamental, cents off equal temperament, by Hilbert's phase."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    spectrum = np.fft.fft(samples.astype(float))
    spectrum[np.abs(np.abs(np.fft.fftfreq(len(samples), 1 / SAMPLE_RATE)) - hz) > 60] = 0
    phase = np.unwrap(np.angle(hilbert(np.fft.ifft(spectrum).real)))
    momentary = np.gradient(phase) * SAMPLE_RATE / (2 * np.pi)
    return 1200 * np.log2(np.maximum(momentary, 1) / hz)


def seconds(samples: np.ndarray, start: float, end: float) -> np.ndarray:
    return samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]


@pytest.mark.parametrize("program", [OBOE, CELLO])
@pytest.mark.parametrize("font", ["soundfont", "large_soundfont"])
def test_vibrato_is_heard_and_straight_tones_have_none(request, font, program):
    font = request.getfixturevalue(font)
    long = Midi([MidiNote(0, 3, 0, 69, 90)])
    swings = {}
    for vibrato in (0, 1):
        played = play_melody(long, params(vibrato, 0), np.random.default_rng(8))
        off = cents_off(synthesize_midi(played, font, program=program), 69)
        middle = seconds(off, 1, 2.5)
        # The samples' own pitch is uneven too, so the swing is measured at the vibrato's rate.
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) * 4 / len(middle)
        hz = np.fft.rfftfreq(len(middle), 1 / SAMPLE_RATE)
        bent = [control.value for control in played.controls if control.number is None]
        swings[vibrato] = spectrum, hz, max(bent) / 8192 * 600
    drawn_cents = swings[1][2]
    assert 10 <= drawn_cents <= 50 and swings[0][2] == 0
    spectrum, hz, _ = swings[1]
    vibrating = (hz >= 4.5) & (hz <= 7)
    assert spectrum[vibrating].max() == pytest.approx(drawn_cents, abs=10)
    assert swings[0][0][vibrating].max() < drawn_cents / 2


def test_a_slurred_tone_is_at_its_pitch_and_not_struck(large_soundfont):
    midi = tune(69, 71, 73)
    played = play_melody(midi, params(0, 1), np.random.default_rng(2))
    assert len(played.notes) == 1 and played.end_s == pytest.approx(3 * TONE_S)
    samples = synthesize_midi(played, large_soundfont, program=OBOE)
    for i, pitch in enumerate((69, 71, 73)):
        sounding = seconds(samples, TONE_S * i + 0.15, TONE_S * (i + 1) - 0.1)
        middle = slice(len(sounding) // 4, -len(sounding) // 4)
        assert abs(np.median(cents_off(sounding, pitch)[middle])) < 15
    apart = Midi(midi.notes)  # without the pedal
    struck = synthesize_midi(apart, large_soundfont, program=OBOE)

    def least(sound):  # about the second onset, of the level before it
        level = [np.abs(seconds(sound, t, t + 0.01)).mean() for t in np.arange(0.5, 0.95, 0.01)]
        return min(level[28:]) / np.median(level[:25])

    assert least(samples) > 0.7 > least(struck)


def test_a_soft_onset_swells(soundfont):
    alone = Midi([MidiNote(0.5, 2, 0, 69, 90)])
    rise = []
    for slur in (0, 1):
        played = play_melody(alone, params(0, slur), np.random.default_rng(2))
        samples = np.abs(synthesize_midi(played, soundfont, program=CELLO).astype(float))
        level = np.convolve(samples, np.ones(220) / 220, "same")
        rise.append(np.flatnonzero(level > 0.7 * level.max())[0] / SAMPLE_RATE - 0.5)
    assert 0.03 < rise[1] - rise[0] < 0.15


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(50, 90), min_size=1, max_size=30), st.integers(0, 1000))
def test_all_onsets_stay_and_are_struck_or_within_reach(pitches, seed):
    midi = tune(*pitches)
    played = play_melody(midi, params(1, 1), np.random.default_rng(seed))
    struck = {note.start_s: note for note in played.notes}
    bends = {}
    for control in played.controls:
        assert control.number != 64 and 0 <= control.channel < CHANNELS
        if control.number is None:
            assert -8192 <= control.value <= 8191
            bends.setdefault(control.channel, []).append((control.time_s, control.value))
    sounding = None
    for note in midi.notes:
        sounding = struck.get(note.start_s, sounding)
        assert abs(note.pitch - sounding.pitch) <= REACH
        assert sounding.end_s >= note.end_s - 1e-9
        late = [v for t, v in bends[sounding.channel] if t <= note.start_s + TONE_S - 0.005][-1]
        assert abs(late / 8192 * 600 - 100 * (note.pitch - sounding.pitch)) <= 51
    again = play_melody(midi, params(1, 1), np.random.default_rng(seed))
    assert again == played


def test_melodies_are_told_from_chords():
    assert is_melody(tune(*TUNE))
    assert not is_melody(Midi([MidiNote(0, 1, 0, 60, 80), MidiNote(0, 1, 0, 64, 80)]))


def test_programs_of_a_font(soundfont):
    assert programs_of(soundfont) == frozenset(range(128))
    with pytest.raises(SfpipeError, match="cannot load"):
        programs_of(soundfont.with_name("none.sf2"))


def test_programs_fonts_and_tuning_are_drawn_from_what_is_there(tmp_path):
    fonts = [SoundFont(n, tmp_path / n, "", "") for n in ("A", "B")]
    variants = VariantParams(soundfonts=["A", "B"])
    instruments = {OBOE: fonts, CELLO: fonts[1:]}

    def draws(**drawn):
        pieces = [f"p{i}" for i in range(40)]
        return [
            p
            for piece in pieces
            for p in choose_performances(variants, fonts, piece, 1, copies=2, **drawn)
        ]

    drawn = draws(instruments=instruments, cents=50)
    copies = [p for p in drawn if p.copy]
    combinations = {(p.program, p.soundfont.name) for p in copies}
    assert combinations == {(OBOE, "A"), (OBOE, "B"), (CELLO, "B")}
    cents = np.array([p.cents for p in copies])
    assert np.abs(cents).max() <= 50 and cents.std() == pytest.approx(50 / np.sqrt(3), rel=0.2)
    plain = [p for p in drawn if not p.copy]
    assert {(p.program, p.cents) for p in plain} == {(None, 0.0)}
    # Without either, all is as it was before there were any.
    assert draws() == draws(instruments={}, cents=0)
    assert plain == [p for p in draws() if not p.copy]


def test_parameters_that_are_not_used_leave_recipes_as_they_were():
    before = AugmentParams(copies=2).model_dump(mode="json")
    assert {"cents", "programs", "vibrato_share", "slur_share"}.isdisjoint(before)
    used = AugmentParams(cents=50, programs=[OBOE]).model_dump(mode="json")
    assert used["cents"] == 50 and used["programs"] == [OBOE] and used["slur_share"] == 0.5
    assert AugmentParams(**used) == AugmentParams(cents=50, programs=[OBOE])


def test_copies_sound_as_their_recipe_says(soundfont, tmp_path):
    write_piece(tmp_path / "engraved" / "tune", n=8)
    accepted = {"accepted": {"train": ["tune"], "valid": [], "test": []}}
    (tmp_path / "clean.json").write_text(json.dumps(accepted))
    plain = VariantParams(soundfonts=[str(soundfont)], tempo_factors=[1.0])
    still = {"tempo": (1, 1), "jitter_s": 0, "room_share": 0, "noise_share": 0, "pedal_share": 0}
    augment = {"copies": 3, "cents": 50, "programs": [FLUTE], "vibrato_share": 0, "slur_share": 0}
    where = (tmp_path / "clean.json", tmp_path / "engraved", tmp_path / "out")
    asked = SynthesizeParams(train=plain, test=plain, augment=AugmentParams(**augment, **still))
    synthesize(asked, *where, seed=1, jobs=1)
    recipes = sorted((tmp_path / "out" / "tune").glob("*augmented*.json"))
    assert len(recipes) == 3
    measured = []
    for file in recipes:
        recipe = json.loads(file.read_text())
        assert recipe["program"] == FLUTE
        samples = load_audio(file.with_suffix(".flac"))
        last = seconds(cents_off(samples, 74), 2.9, 3.1)  # the last note, D5
        measured.append(np.median(last) - recipe["cents"])
    assert np.ptp(measured) < 10  # the same but for the flute's own tuning in this sound font
    assert np.abs(measured).max() < 20
