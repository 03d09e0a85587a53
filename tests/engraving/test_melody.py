from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.engraving.melody import GRACE_S, TICKS, TempoMap, prepare
from sfpipe.engraving.midi import sounding_notes
from sfpipe.engraving.sources import read_part
from sfpipe.errors import SfpipeError
from tests.tunes import CHORDS, PLAIN, RICH, WALTZ


def melody(tmp_path, text, notes_per_minute=120.0):
    path = tmp_path / "tune.abc"
    path.write_text(text)
    return prepare(read_part(path), notes_per_minute, path)


def test_ties_join_two_heads_into_one_sound(tmp_path):
    found = melody(tmp_path, RICH)
    tied = [h for h in found.heads if h.tied]
    assert [h.midi_pitch for h in tied] == [69, 69]
    sounds = sounding_notes(found.heads)
    assert len(sounds) == len(found.heads) - 2
    assert sum(s.end - s.onset == 2 * TICKS for s in sounds if s.midi_pitch == 69) == 2


def test_a_tie_to_another_pitch_or_over_a_gap_joins_nothing(tmp_path):
    found = melody(tmp_path, "X:1\nM:2/4\nL:1/8\nK:C\nC2-D2|E2-z2|E2F2|]\n")
    assert not any(h.tied for h in found.heads)


def test_a_grace_note_sounds_at_the_expense_of_the_next_note(tmp_path):
    found = melody(tmp_path, RICH)
    grace = next(h for h in found.heads if h.grace)
    main = found.heads[found.heads.index(grace) + 1]
    assert grace.onset == grace.written == main.written == 5 * TICKS
    assert grace.end == main.onset > main.written
    length = found.tempo.seconds(grace.end) - found.tempo.seconds(grace.onset)
    assert length == pytest.approx(GRACE_S, abs=0.002)
    assert main.end == main.written + 2 * TICKS


def test_grace_notes_take_at_most_half_of_a_short_note(tmp_path):
    found = melody(tmp_path, "X:1\nQ:1/4=240\nM:2/4\nL:1/16\nK:C\n{cde}C CEG c4|]\n")
    graces = [h for h in found.heads if h.grace]
    main = found.heads[3]
    assert [g.onset for g in graces] == sorted({g.onset for g in graces})
    assert graces[-1].end == main.onset and 2 * main.onset <= main.end


def test_the_heads_of_a_chord_begin_together(tmp_path):
    found = melody(tmp_path, CHORDS)
    first = [h for h in found.heads if h.onset == 0]
    assert sorted(h.midi_pitch for h in first) == [62, 69]
    assert len({h.id for h in found.heads}) == len(found.heads)


def test_the_tempo_mark_is_used_and_not_printed(tmp_path):
    found = melody(tmp_path, WALTZ)
    assert found.tempo_marked and found.tempo.changes == ((0, round(60e6 / 90)),)
    assert not found.part.recurse().getElementsByClass("MetronomeMark")


def test_without_a_mark_the_most_frequent_note_value_sets_the_tempo(tmp_path):
    found = melody(tmp_path, PLAIN, notes_per_minute=120)  # eighths: 120 a minute
    assert not found.tempo_marked and found.tempo.changes == ((0, 1_000_000),)


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


def test_no_notes_and_two_voices(tmp_path):
    with pytest.raises(SfpipeError, match="holds no notes"):
        melody(tmp_path, "X:1\nM:2/4\nL:1/8\nK:C\nz4|z4|]\n")
    from music21 import note, stream

    bar = stream.Measure([stream.Voice([note.Note("C4")]), stream.Voice([note.Note("E3")])])
    with pytest.raises(SfpipeError, match="has 2 voices in bar"):
        prepare(stream.Part([bar]), 100, Path("x.musicxml"))
