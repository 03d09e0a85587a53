from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.alignment.notes import (
    Match,
    PlayedNote,
    ScoreNote,
    read_match,
    read_score_notes,
)
from sfpipe.alignment.onsets import align, place_notes
from sfpipe.alignment.order import longest_increasing
from sfpipe.alignment.pairing import pair_notes
from sfpipe.errors import SfpipeError
from tests.alignment.conftest import ONSETS


def test_a_match_file_places_every_performed_onset_on_its_heads(tiny, heads):
    notes, match = read_score_notes(tiny.score).notes, read_match(tiny.match)
    placed = place_notes(notes, heads)
    # The engraving begins two quarters later than the score: only pitches and distances count.
    assert sorted(set(placed.values())) == list(range(len(ONSETS)))
    found = align(match, notes, placed, len(ONSETS))
    assert found.score_onset.tolist() == list(range(len(ONSETS)))
    # Files count in ticks of 1 ms.
    assert np.abs(found.onset_s - tiny.onset_s).max() < 0.003
    counts = found.counts
    assert (counts.score_notes, counts.matched, counts.missing, counts.extra) == (37, 36, 1, 1)
    assert (counts.onsets, counts.onsets_played, counts.onsets_missing) == (13, 13, 0)
    assert (counts.chords, counts.chords_asynchronous) == (12, 1)
    assert counts.largest_spread_s == pytest.approx(0.4, abs=0.005)
    assert (counts.wrong_pitch, counts.without_head, counts.onsets_out_of_order) == (0, 0, 0)


def test_without_a_match_file_notes_are_paired_as_it_says(tiny):
    notes, match = read_score_notes(tiny.score).notes, read_match(tiny.match)
    found = pair_notes(notes, list(match.played.values()))
    assert set(found.pairs) == set(match.pairs)
    assert (found.missing, found.extra) == (match.missing, match.extra)


def test_a_head_in_two_voices_is_one_of_the_performance(tiny, heads):
    """As in Chopin's op. 10/3, whose match files name one of the two."""
    notes, match = read_score_notes(tiny.score).notes, read_match(tiny.match)
    missing = match.missing[0]
    for name in ("n0", "n10", missing):
        notes[f"{name}voice_overlap"] = replace(notes[name], id=f"{name}voice_overlap")
    counts = align(match, notes, place_notes(notes, heads), len(ONSETS)).counts
    assert (counts.score_notes, counts.matched, counts.missing, counts.doubled) == (40, 36, 1, 3)
    # Without a match file the one that is found counts; of those not played both are missing.
    found = pair_notes(notes, list(match.played.values()))
    counts = align(found, notes, place_notes(notes, heads), len(ONSETS)).counts
    assert (counts.score_notes, counts.matched, counts.missing, counts.doubled) == (40, 36, 2, 2)


def test_equal_grace_notes_before_a_note_are_two_heads():
    notes = {name: ScoreNote(name, 1.0, 60, grace=True) for name in ("s0", "s1")}
    notes["s2"] = ScoreNote("s2", 1.0, 62)
    notes["s3"] = ScoreNote("s3", 2.0, 64)
    played = [PlayedNote("p0", 1.0, 60), PlayedNote("p2", 1.1, 62), PlayedNote("p3", 2.1, 64)]
    assert len(pair_notes(notes, played).missing) == 1


def score(*quarters):
    return {f"s{i}": ScoreNote(f"s{i}", q, 60) for i, q in enumerate(quarters)}


def performance(*onsets, pitch=60):
    played = {f"p{i}": PlayedNote(f"p{i}", t, pitch) for i, t in enumerate(onsets)}
    return Match(played, [(f"s{i}", f"p{i}") for i in range(len(onsets))])


def test_an_onset_out_of_order_or_not_played_is_left_out_and_counted():
    notes = score(0, 1, 2, 3, 4)
    match = performance(1.0, 2.0, 1.5, 3.0)
    found = align(match, notes, {f"s{i}": i for i in range(5)}, 5)
    assert found.onset_s.tolist() in ([1.0, 1.5, 3.0], [1.0, 2.0, 3.0])
    assert (found.counts.onsets_out_of_order, found.counts.onsets_missing) == (1, 1)


def test_a_chord_is_where_the_median_of_its_notes_is():
    notes = score(0, 1, 1, 1)
    match = performance(0.0, 1.0, 1.02, 3.0)
    found = align(match, notes, {"s0": 0, "s1": 1, "s2": 1, "s3": 1}, 2)
    assert found.onset_s.tolist() == [0.0, 1.02]


def test_wrong_pitches_are_counted_and_keep_their_place():
    found = align(performance(0.0, 1.0, pitch=61), score(0, 1), {"s0": 0, "s1": 1}, 2)
    assert found.counts.wrong_pitch == 2
    assert found.onset_s.tolist() == [0.0, 1.0]


def test_notes_of_another_score_are_refused(heads):
    other = {f"s{i}": ScoreNote(f"s{i}", i, 100 + i) for i in range(10)}
    with pytest.raises(SfpipeError, match="only 0 of 10 printed notes"):
        place_notes(other, heads)


def test_notes_that_are_not_printed_need_no_head(heads):
    """As those of a trill, which (n)ASAP's scores write out invisibly."""
    named = replace(heads, id=np.array([f"h{i}" for i in range(len(heads))]))
    notes = {f"h{i}": ScoreNote(f"h{i}", 0.0, 60) for i in range(len(heads))}
    hidden = {f"t{i}": ScoreNote(f"t{i}", 0.0, 62, printed=False) for i in range(100)}
    placed = place_notes(notes | hidden, named)
    assert placed == place_notes(notes, named) and len(placed) == len(heads)


def test_a_silent_performance_is_refused():
    with pytest.raises(SfpipeError, match="fewer than two onsets"):
        align(performance(1.0), score(0, 1), {"s0": 0, "s1": 1}, 2)


@given(st.lists(st.integers(0, 20), max_size=12))
def test_longest_increasing_is_increasing_and_longest(values):
    chain = longest_increasing(values)
    picked = [values[i] for i in chain]
    assert chain == sorted(chain) and picked == sorted(set(picked))
    best = [1] * len(values)
    for i in range(len(values)):
        best[i] = 1 + max((best[j] for j in range(i) if values[j] < values[i]), default=0)
    assert len(chain) == max(best, default=0)
