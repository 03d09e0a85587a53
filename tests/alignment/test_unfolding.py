"""Repeats: a pianist plays them or not; the strip has each bar once."""

from fractions import Fraction

import numpy as np
import pytest

from sfpipe.alignment.notes import Match, PlayedNote, ScoreNote, WrittenScore
from sfpipe.alignment.onsets import align
from sfpipe.alignment.pairing import match_performance
from sfpipe.alignment.unfolding import unfold_notes
from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Bar

PITCHES = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79]


def written() -> WrittenScore:
    """Six bars of two quarters; |: 0 1 [1. 2 :| [2. 3 ] 4 5, a note on each quarter."""
    bars = [Bar(length=Fraction(2), number=n) for n in range(1, 7)]
    bars[0].repeat_start = True
    bars[2].endings, bars[2].repeat_end, bars[2].ending_stop = (1,), 2, True
    bars[3].endings, bars[3].ending_stop = (2,), True
    notes = {f"n{i}": ScoreNote(f"n{i}", float(i), pitch) for i, pitch in enumerate(PITCHES)}
    return WrittenScore(notes, {}, bars, {f"n{i}": i // 2 for i in range(12)})


ALL = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
ONCE = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]


def test_repeats_and_endings_are_written_out():
    unfolded = unfold_notes(written())
    assert [f"n{i}" for i in ALL] == [name.rpartition("-")[0] for name in unfolded.notes]
    assert [n.quarter for n in unfolded.notes.values()] == list(range(16))
    assert [n for n in unfolded.notes if n.endswith("-2")] == ["n0-2", "n1-2", "n2-2", "n3-2"]
    # Who does not repeat goes from the first ending's start (4) to the second's (10).
    assert unfolded.optional == [(4.0, 10.0)]


def test_a_repeat_without_endings_leaves_out_the_second_time():
    score = written()
    for bar in score.bars[2:4]:
        bar.endings, bar.ending_stop = (), False
    assert unfold_notes(score).optional == [(6.0, 12.0)]


@pytest.mark.parametrize(
    ("order", "jumps", "repeated"), [(ALL, [6, 10], 4), (ONCE, [], 0)], ids=["repeated", "once"]
)
def test_a_performance_is_matched_as_it_was_played(order, jumps, repeated):
    score = written()
    rng = np.random.default_rng(2)
    times = 1 + 0.5 * np.arange(len(order)) + rng.uniform(-0.05, 0.05, len(order))
    played = [
        PlayedNote(f"p{k}", float(t), PITCHES[i])
        for k, (t, i) in enumerate(zip(times, order, strict=True))
    ]
    match = match_performance(score, played)
    assert dict(zip((p for _, p in match.pairs), (s for s, _ in match.pairs), strict=True)) == {
        f"p{k}": f"n{i}" for k, i in enumerate(order)
    }
    assert not match.extra and not match.missing
    found = align(match, score.notes, {f"n{i}": i for i in range(12)}, 12)
    assert found.score_onset.tolist() == order
    assert found.onset_s == pytest.approx(times)
    # Leaving out the two onsets of the first ending is no jump yet; going on behind it again is.
    assert [part.start for part in found.stretches()] == [0, *jumps]
    assert (found.counts.onsets_repeated, found.counts.jumps) == (repeated, len(jumps))
    assert found.turn.tolist() == [2 if jumps and 6 <= k < 10 else 1 for k in range(len(order))]


def test_names_with_a_pass_are_those_of_the_score():
    score = written()
    score.tied["n5"] = "n4"
    played = {f"p{i}": PlayedNote(f"p{i}", float(i), 60) for i in range(4)}
    match = Match(played, [("n0-1", "p0"), ("n0-2", "p1"), ("n5-1", "p2"), ("n3", "p3")], ["n9-2"])
    named = match.written(score)
    assert named.pairs == [("n0", "p0"), ("n0", "p1"), ("n4", "p2"), ("n3", "p3")]
    assert (named.passes, named.missing) == ([1, 2, 1, 1], ["n9"])


def test_a_hyphen_of_the_scores_own_is_no_pass():
    score = WrittenScore({"a-1": ScoreNote("a-1", 0.0, 60), "a": ScoreNote("a", 1.0, 60)})
    assert score.written("a-1") == ("a-1", 1)
    assert score.written("a-2") == ("a", 2)


def test_a_match_file_of_another_score_is_one_line():
    match = Match({"p": PlayedNote("p", 0.0, 60)}, [("x1-1", "p")])
    with pytest.raises(SfpipeError, match=r"names no note of the score \(the first: x1-1\)"):
        match.written(written())


def test_what_is_alone_in_its_pass_is_out_of_order():
    """A wrong pair of the second time inside the first would be two jumps."""
    score = written()
    played = {f"p{i}": PlayedNote(f"p{i}", float(i), 60) for i in range(5)}
    pairs = [(f"n{i}", f"p{i}") for i in (0, 1, 3, 4)] + [("n9", "p2")]
    match = Match(played, pairs, passes=[1, 1, 1, 1, 2])
    found = align(match, score.notes, {f"n{i}": i for i in range(12)}, 12)
    assert found.score_onset.tolist() == [0, 1, 3, 4]
    assert (found.counts.onsets_out_of_order, found.counts.jumps) == (1, 0)
