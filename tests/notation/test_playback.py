import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.errors import SfpipeError
from sfpipe.notation.abc import read_abc
from sfpipe.notation.playback import (
    GRACE_S,
    TICKS,
    TempoMap,
    heads,
    sounding_notes,
    tempo_map,
    unfold,
)
from tests.tunes import CHORDS, PLAIN, RICH, WALTZ


def melody(text, notes_per_minute=120.0):
    """Heads, tempo, and whether it is marked."""
    score = unfold(read_abc(text))
    tempo, marked = tempo_map(score, notes_per_minute)
    return heads(score, tempo), tempo, marked


def test_ties_join_two_heads_into_one_sound():
    found, _, _ = melody(RICH)
    tied = [h for h in found if h.tied]
    assert [h.midi_pitch for h in tied] == [69, 69]
    sounds = sounding_notes(found)
    assert len(sounds) == len(found) - 2
    assert sum(s.end - s.onset == 2 * TICKS for s in sounds if s.midi_pitch == 69) == 2


def test_repeats_are_written_out_with_their_endings():
    found, _, _ = melody(RICH)
    struck = [h for h in found if not h.grace]
    # Twice: an upbeat, bars of 6, 3 and 3 heads, an ending.
    assert len(struck) == 2 * (1 + 6 + 3 + 3 + 1)
    # The upbeat's quarter belongs to the last bar of each time through.
    assert struck[14].written == (1 + 12 + 3) * TICKS
    assert sum(h.grace for h in found) == 2


@pytest.mark.parametrize(
    ("body", "played"),
    [
        ("|:C|[1,3D:|[2E:|F|]", "CDCECDF"),  # the last time through takes the first ending
        ("|:C|[2D:|[1E:|F|]", "CECDF"),
        ("|:C|[1D:|[2E|F|]", "CDCEF"),
    ],
)
def test_endings_are_played_in_the_order_of_their_numbers(body, played):
    found, _, _ = melody(f"X:1\nM:1/4\nL:1/4\nK:C\n{body}\n")
    assert "".join("C?D?EF"[h.midi_pitch - 60] for h in found) == played


def test_an_ending_that_leads_into_another_without_a_sign_is_refused():
    with pytest.raises(SfpipeError, match="bar 2 ends an ending without a repeat sign"):
        melody("X:1\nM:1/4\nL:1/4\nK:C\n|:C|[1D|[2E|F|]\n")


def test_a_tie_to_another_pitch_or_over_a_gap_joins_nothing():
    found, _, _ = melody("X:1\nM:2/4\nL:1/8\nK:C\nC2-D2|E2-z2|E2F2|]\n")
    assert not any(h.tied for h in found)


def test_a_grace_note_sounds_at_the_expense_of_the_next_note():
    found, tempo, _ = melody(RICH)
    grace = next(h for h in found if h.grace)
    main = found[found.index(grace) + 1]
    assert grace.onset == grace.written == main.written == 5 * TICKS
    assert grace.end == main.onset > main.written
    length = tempo.seconds(grace.end) - tempo.seconds(grace.onset)
    assert length == pytest.approx(GRACE_S, abs=0.002)
    assert main.end == main.written + 2 * TICKS


def test_grace_notes_take_at_most_half_of_a_short_note():
    found, _, _ = melody("X:1\nQ:1/4=240\nM:2/4\nL:1/16\nK:C\n{cde}C CEG c4|]\n")
    graces = [h for h in found if h.grace]
    main = found[3]
    assert [g.onset for g in graces] == sorted({g.onset for g in graces})
    assert graces[-1].end == main.onset and 2 * main.onset <= main.end


def test_the_heads_of_a_chord_begin_together():
    found, _, _ = melody(CHORDS)
    first = [h for h in found if h.onset == 0]
    assert sorted(h.midi_pitch for h in first) == [62, 69]
    assert len({h.id for h in found}) == len(found)


def test_the_tempo_mark_is_used():
    _, tempo, marked = melody(WALTZ)
    assert marked and tempo.changes == ((0, round(60e6 / 90)),)


def test_without_a_mark_the_most_frequent_note_value_sets_the_tempo():
    _, tempo, marked = melody(PLAIN, notes_per_minute=120)  # eighths: 120 a minute
    assert not marked and tempo.changes == ((0, 1_000_000),)


def test_a_tempo_holds_from_its_place_in_the_score_in_every_repeat():
    text = "X:1\nM:2/4\nL:1/4\nQ:1/4=60\nK:C\n|:C C|[Q:1/4=120]D D:|\n"
    found, tempo, _ = melody(text)
    times = [tempo.seconds(h.onset) for h in found]
    assert times == [0, 1, 2, 2.5, 3, 4, 5, 5.5]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(100_000, 2_000_000)), max_size=5))
def test_seconds_add_up_over_tempo_changes(changes):
    tick, table = 0, [(0, 500_000)]
    for step, micros in changes:
        tick += step
        table.append((tick, micros))
    tempo = TempoMap(tuple(table))
    slow = 0.0
    for t in range(0, tick + 100):
        micros = next(m for start, m in reversed(table) if start <= t)
        slow += micros / TICKS / 1e6
    assert tempo.seconds(tick + 100) == pytest.approx(slow)
    assert tempo.seconds(0) == 0


def test_a_tune_of_hours_is_refused():
    with pytest.raises(SfpipeError, match="longer than an hour"):
        melody("X:1\nM:4/4\nL:4/1\nQ:1/4=1\nK:C\n" + "C|" * 16)
