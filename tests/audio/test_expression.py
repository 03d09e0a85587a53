import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sfpipe.audio.augment import augment_midi
from sfpipe.audio.expression import SUSTAIN, add_expression
from sfpipe.audio.midi import SHORTEST_S, Control, Midi, MidiNote
from sfpipe.audio.soundfonts import resolve_soundfont
from sfpipe.audio.synthesis import synthesize_midi
from sfpipe.params import AugmentParams
from sfpipe.store.schema import SAMPLE_RATE

CHORDS = Midi(
    [
        MidiNote(t, t + 0.5, c, p, 80, 2 * t)
        for t in np.arange(0, 60, 0.5)
        for c, p in ((1, 48), (0, 72))
    ]
)
FLAT = {"loudness": (0, 0), "voicing": 0, "articulation": (1, 1), "pedal_share": 0}


def rng(seed=1):
    return np.random.default_rng(seed)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_notes_keep_their_moments_and_pitches(seed):
    played = add_expression(CHORDS, AugmentParams(), rng(seed))
    assert [(n.start_s, n.pitch) for n in played.notes] == [
        (n.start_s, n.pitch) for n in CHORDS.notes
    ]
    assert all(1 <= n.velocity <= 127 for n in played.notes)
    assert all(n.end_s - n.start_s >= SHORTEST_S - 1e-9 for n in played.notes)
    times = [c.time_s for c in played.controls]
    assert times == sorted(times)


def test_without_expression_nothing_changes():
    assert add_expression(CHORDS, AugmentParams(**FLAT), rng()) == CHORDS


def test_loudness_drifts_within_its_range():
    played = add_expression(CHORDS, AugmentParams(**FLAT | {"loudness": (-40, 0)}), rng())
    change = np.array([n.velocity for n in played.notes]) - 80
    assert change.min() >= -40 and change.max() <= 0 and np.ptp(change) > 15
    assert np.abs(np.diff(change)).max() <= 4  # 40 in 8 s at most, and rounding


def test_the_highest_voice_is_brought_out():
    played = add_expression(CHORDS, AugmentParams(**FLAT | {"voicing": 30}), rng())
    low, high = ({n.velocity for n in played.notes if n.pitch == p} for p in (48, 72))
    assert high == {80} and len(low) == 1 and 50 <= min(low) < 80


def test_touch_is_of_the_performance_and_uneven_within_it():
    params = AugmentParams(**FLAT | {"articulation": (0.25, 1.5)})
    held = np.array(
        [
            [n.end_s - n.start_s for n in add_expression(CHORDS, params, rng(k)).notes]
            for k in range(12)
        ]
    )
    assert held.min() >= 0.5 * 0.25 - 1e-9 and held.max() <= 0.5 * 1.5 + 1e-9
    assert held.mean(1).max() > 2 * held.mean(1).min()
    assert np.log(held).std(1).mean() == pytest.approx(0.2, abs=0.07)


def test_pedals_are_pressed_after_an_onset_and_released_at_one():
    onsets = {n.start_s for n in CHORDS.notes} | {CHORDS.end_s}
    played = add_expression(CHORDS, AugmentParams(**FLAT | {"pedal_share": 1}), rng())
    for channel in (0, 1):
        pedal = [c for c in played.controls if c.number == SUSTAIN and c.channel == channel]
        assert len(pedal) > 10
        assert [c.value for c in pedal] == [127, 0] * (len(pedal) // 2)
        assert all(c.time_s in onsets for c in pedal[1::2])
        assert not any(c.time_s in onsets for c in pedal[::2])
    scored = Midi(CHORDS.notes, [Control(1.0, 0, SUSTAIN, 127), Control(2.0, 0, 7, 90)])
    kept = add_expression(scored, AugmentParams(**FLAT | {"pedal_share": 1}), rng()).controls
    assert [c for c in kept if c.number == 7] == [Control(2.0, 0, 7, 90)]
    assert Control(1.0, 0, SUSTAIN, 127) not in kept
    assert add_expression(scored, AugmentParams(**FLAT), rng()).controls == scored.controls


def test_so_many_performances_have_pedal():
    params = AugmentParams(pedal_share=0.3)
    pedalled = [bool(add_expression(CHORDS, params, rng(k)).controls) for k in range(200)]
    assert 0.2 < np.mean(pedalled) < 0.4


def test_expression_leaves_the_timing_that_is_drawn():
    plain = augment_midi(CHORDS, np.arange(0, 60, 0.5), AugmentParams(**FLAT), rng())
    played = augment_midi(CHORDS, np.arange(0, 60, 0.5), AugmentParams(), rng())
    assert (plain[1] == played[1]).all()
    assert [n.start_s for n in plain[0].notes] == [n.start_s for n in played[0].notes]


def test_the_pedal_is_heard():
    font = resolve_soundfont("FluidR3_GM").path
    notes = [MidiNote(0.0, 0.2, 0, 60, 90), MidiNote(1.5, 1.7, 0, 84, 1)]
    pedal = [Control(0.1, 0, SUSTAIN, 127), Control(1.4, 0, SUSTAIN, 0)]
    dry, wet = (synthesize_midi(Midi(notes, c), font).astype(float) for c in ([], pedal))
    later = slice(int(0.8 * SAMPLE_RATE), int(1.2 * SAMPLE_RATE))
    assert wet[later].std() > 5 * dry[later].std()


def test_ranges_are_checked():
    with pytest.raises(ValidationError, match=r"articulation 1\.2 to 0\.5: the smaller"):
        AugmentParams(articulation=(1.2, 0.5))
