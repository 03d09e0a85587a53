"""Takes that are cut from a performance, by values worked out on paper."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.audio.midi import Midi, MidiNote
from sfpipe.evaluation.jumps import (
    KINDS,
    REST_S,
    Stretch,
    bars_of,
    cut,
    joined_parts,
    plain_take,
    plan,
    practice_take,
    with_alikes,
    with_wrong_notes,
)
from sfpipe.store.bank import merge_onsets
from sfpipe.store.heads import Heads
from sfpipe.store.schema import FPS
from tests.toy import SMALL, performance_record, score_record


def tune(seconds: float = 60.0, *, step_s: float = 0.5, name: str = "p"):
    """A note every `step_s` at every 10 px; each frame of the sound says its own number."""
    onset_s = np.arange(0.0, seconds, step_s)
    score = score_record("tune", (30 + 10 * np.arange(len(onset_s))).tolist(), width=2000, height=8)
    record = performance_record("tune", onset_s.tolist(), frames=round(seconds * FPS), name=name)
    frames = np.arange(record.spectrogram.shape[1], dtype=np.float32)
    record = replace(record, spectrogram=np.tile(frames / 1000, (78, 1)))
    return score, record, merge_onsets(score, record, SMALL)


def test_a_take_is_cut_from_frames_and_says_where_the_music_is():
    _, record, info = tune()
    # Onset k is in frame 10 k, at 30 + 10 k px: one px a frame.
    take = cut(
        info, record, [Stretch(4, 60, "begin"), Stretch(10, 130, "back", 5), Stretch(0, 20, "back")]
    )
    frames = np.round(take.spectrogram[0] * 1000)
    np.testing.assert_array_equal(frames[:20], np.arange(40, 60))
    np.testing.assert_array_equal(frames[25:55], np.arange(100, 130))
    np.testing.assert_array_equal(frames[55:], np.arange(20))
    np.testing.assert_allclose(take.target_px[:20], 70 + np.arange(20))
    assert np.isnan(take.target_px[20:25]).all()
    np.testing.assert_allclose(take.target_px[25:55], 130 + np.arange(30))
    assert [(e.kind, e.frame, e.to_px) for e in take.events] == [
        ("begin", 0, 70.0),
        ("back", 25, 130.0),
        ("back", 55, 30.0),
    ]
    assert take.events[1].from_px == 89.0


def test_a_pause_dies_away_to_the_quietest_of_the_recording():
    _, record, info = tune()
    loud = replace(record, spectrogram=np.full_like(record.spectrogram, 2.0))
    loud.spectrogram[:, -20:] = 0.25
    take = cut(info, loud, [Stretch(0, 20, "begin"), Stretch(2, 40, "pause", 60)])
    pause = take.spectrogram[0, 20:80]
    # 10 ** 2 - 1 falls to 1/e in 0.15 s, three frames.
    assert pause[2] == pytest.approx(np.log10(1 + 99 / np.e), abs=1e-6)
    assert (np.diff(pause) <= 0).all()
    assert pause[-1] == 0.25


def test_bars_begin_with_the_first_onset_behind_their_line():
    _, _, info = tune(5.0)
    # Onsets at 30, 40, ..., 120 px.
    np.testing.assert_array_equal(bars_of(info, np.array([25.0, 48.0, 75.0, 101.0])), [0, 2, 5, 8])
    np.testing.assert_array_equal(bars_of(info, np.array([48.0])), np.arange(10))


@given(st.integers(0, 10_000), st.floats(20, 300))
@settings(max_examples=60, deadline=None)
def test_plans_keep_to_the_performance(seed, seconds):
    onset_frames = np.arange(0, round(seconds * FPS), 7)
    bars = np.arange(0, len(onset_frames), 8)
    stretches = plan(onset_frames, bars, np.random.default_rng(seed))
    assert len(stretches) >= 2
    last = onset_frames[-1]
    for stretch, following in pairwise(stretches):
        first = onset_frames[following.onset]
        assert stretch.end > onset_frames[stretch.onset]
        assert following.kind in KINDS[1:]
        left = np.searchsorted(onset_frames, stretch.end)
        assert onset_frames[left] == stretch.end  # left as a note was to be struck
        if following.kind in ("back", "forward", "left out", "elsewhere"):
            assert following.onset in bars
            assert first <= last - REST_S * FPS
        if following.kind == "left out":
            assert 0 < np.searchsorted(bars, following.onset) - np.searchsorted(bars, left) <= 4
        if following.kind == "restart":
            assert stretch.end - 5 * 8 * 7 < first < stretch.end
        if following.kind == "pause":
            assert first == stretch.end
            assert 2 * FPS <= following.pause <= 10 * FPS


def test_the_same_seed_makes_the_same_take_and_short_pieces_make_none():
    _, record, info = tune()
    bars = 29.0 + 40 * np.arange(30)
    one, two = (practice_take(info, record, bars, np.random.default_rng(3)) for _ in range(2))
    assert one.events == two.events
    np.testing.assert_array_equal(one.spectrogram, two.spectrogram)
    _, record, info = tune(6.0)
    assert practice_take(info, record, bars, np.random.default_rng(3)) is None
    assert plain_take(info, record).events == ()


def test_an_event_knows_whether_its_music_is_elsewhere_too():
    score, record, info = tune(30.0)
    # Onsets 0 to 19 and 40 to 59 have the same notes, but for one of twenty.
    pitch = np.arange(60) + 30
    pitch[40:60] = pitch[:20]
    pitch[43] = 100
    score = replace(score, heads=Heads.of(np.arange(60), np.zeros(60), pitch))
    stretches = [
        Stretch(0, 200, "begin"),
        Stretch(42, 500, "back"),  # three seconds, seven onsets: 42 is 2, but 43 is not 3
        Stretch(44, 600, "back"),
        Stretch(20, 300, "back"),
    ]
    take = with_alikes(cut(info, record, stretches), score, SMALL.threshold_px)
    assert [e.alike for e in take.events] == [False, True, False]
    assert not any(e.alike for e in cut(info, record, stretches).events)


def test_parts_of_a_performance_are_joined_where_they_were_cut():
    score, first, _ = tune(20.0, name="player-part1")
    # Onsets 20 to 39 once more, then, in part 10, from 0 on.
    again = replace(
        first, performance="player-part2", score_onset=np.arange(20, 60, dtype=np.int32)
    )
    score = replace(
        score, onset_x_px=np.float32(30 + 10 * np.arange(60)), onset_y_px=np.zeros(60, np.float32)
    )
    last = replace(first, performance="player-part10")
    (take,) = joined_parts(score, [last, again, first], SMALL)
    assert take.performance == "player"
    # Each part is heard up to its last onset's frame, 390.
    assert [(e.kind, e.frame, e.from_px, e.to_px) for e in take.events] == [
        ("as written", 391, 420.0, 230.0),
        ("as written", 782, 620.0, 30.0),
    ]
    assert list(joined_parts(score, [first], SMALL)) == []


def test_wrong_notes_keep_their_times():
    notes = [MidiNote(i * 0.1, i * 0.1 + 0.1, 0, 60, 80) for i in range(2000)]
    played = with_wrong_notes(Midi(notes), np.random.default_rng(0))
    assert 2000 - len(played.notes) == pytest.approx(100, abs=35)
    wrong = [n for n in played.notes if n.pitch != 60]
    assert len(wrong) == pytest.approx(100, abs=35)
    assert {n.pitch - 60 for n in wrong} == {-2, -1, 1, 2}
    times = {n.start_s for n in notes}
    assert all(n.start_s in times for n in played.notes)
