"""Performed onset -> note head: where on the strip the music is at each onset of a performance.

A score onset is what the strip calls one: the struck heads that begin together
(`sfpipe.engraving.files.NoteHeads.onsets`). It is performed when the *median* of its notes is: the
notes of a chord are never struck at once (melody first, hands apart, arpeggios), and one note that
is early, late or wrongly matched does not move the median. (The first note would put the onsets of
Vienna 4x22 out of order 2.5 times as often: 124 against 50 of 14,949.) An onset of which no note
was played is left out: the target passes it between its neighbours. So is one that comes out of
order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sfpipe.engraving.files import NoteHeads
from sfpipe.errors import SfpipeError
from sfpipe.real_performances.notes import Match, ScoreNote

NEAR_QUARTERS = 0.02  # engravers keep tuplets as rounded decimals
GRACE_QUARTERS = 1.0  # a grace note's head is due at most so long before its main note
ASYNCHRONOUS_S = 0.05  # a chord spread over more than a frame
MIN_PLACED = 0.95  # share of the score's notes that must have a head


@dataclass(frozen=True)
class Counts:
    """What became of the notes and onsets of one performance.

    Every note of the score is `matched`, `missing`, or `doubled`: the same head in a second voice,
    of which the match names the other.
    """

    score_notes: int
    matched: int
    missing: int
    doubled: int
    extra: int
    wrong_pitch: int
    ornaments: int
    without_head: int
    onsets: int
    onsets_played: int
    onsets_missing: int
    onsets_out_of_order: int
    chords: int
    chords_asynchronous: int
    largest_spread_s: float

    def as_dict(self) -> dict[str, float]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Alignment:
    """Performed onsets: `onset_s` float64, increasing, and `score_onset` int64, both [shape=(n,)].

    `score_onset` is the index into the piece's onsets; `counts` says what was left out.
    """

    onset_s: np.ndarray
    score_onset: np.ndarray
    counts: Counts


def place_notes(notes: Mapping[str, ScoreNote], heads: NoteHeads) -> dict[str, int]:
    """Score note -> index of the onset (of `heads.onsets()`) whose head it is.

    Found by onset and pitch; a grace note by its pitch among the grace heads before its main note.
    Notes without a head are not in the result.

    Raises
    ------
    SfpipeError
        If too few notes have a head: the notes are not those of this engraving.
    """
    plain: dict[int, list[tuple[float, int]]] = defaultdict(list)
    grace: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for index, group in enumerate(heads.onsets()):
        for i in group:
            of_kind = grace if heads.grace[i] else plain
            of_kind[int(heads.midi_pitch[i])].append((float(heads.onset_quarter[i]), index))
    shift = _shift(notes, plain)
    placed: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    for note in sorted(notes.values(), key=lambda n: n.quarter):
        due = note.quarter + shift
        if note.grace:
            near = [
                (quarter, index)
                for quarter, index in grace[note.pitch]
                if due - GRACE_QUARTERS <= quarter < due + GRACE_QUARTERS / 2
                and (note.pitch, index) not in taken
            ]
        else:
            near = [
                (quarter, index)
                for quarter, index in plain[note.pitch]
                if abs(quarter - due) < NEAR_QUARTERS
            ]
        if near:
            placed[note.id] = min(near, key=lambda place: abs(place[0] - due))[1]
            if note.grace:
                taken.add((note.pitch, placed[note.id]))
    if len(placed) < MIN_PLACED * len(notes):
        raise SfpipeError(
            f"only {len(placed)} of {len(notes)} notes of the score have a note head",
            remedy="engrave the piece again: sfpipe engrave",
        )
    return placed


def align(
    match: Match, notes: Mapping[str, ScoreNote], placed: Mapping[str, int], n_onsets: int
) -> Alignment:
    """The performed onsets of a match.

    Parameters
    ----------
    notes:
        Of the score, by id.
    placed:
        What `place_notes` found.
    n_onsets:
        Onsets of the strip.

    Raises
    ------
    SfpipeError
        If fewer than two onsets were played.
    """
    times: dict[int, list[float]] = defaultdict(list)
    wrong = 0
    for score_id, played_id in match.pairs:
        played = match.played[played_id]
        wrong += score_id in notes and notes[score_id].pitch != played.pitch
        if score_id in placed:
            times[placed[score_id]].append(played.onset_s)
    indices = sorted(times)
    medians = [float(np.median(times[index])) for index in indices]
    kept = longest_increasing(medians)
    if len(kept) < 2:
        raise SfpipeError("fewer than two onsets of the score were played")
    spreads = [max(t) - min(t) for t in times.values() if len(t) > 1]
    counts = Counts(
        score_notes=len(notes),
        matched=len(match.pairs),
        missing=len(match.missing),
        doubled=_doubled(match, notes),
        extra=len(match.extra),
        wrong_pitch=wrong,
        ornaments=len(match.ornaments),
        without_head=len(set(notes) - set(placed)),
        onsets=n_onsets,
        onsets_played=len(kept),
        onsets_missing=n_onsets - len(indices),
        onsets_out_of_order=len(indices) - len(kept),
        chords=len(spreads),
        chords_asynchronous=sum(spread > ASYNCHRONOUS_S for spread in spreads),
        largest_spread_s=round(max(spreads, default=0.0), 4),
    )
    return Alignment(
        np.array([medians[i] for i in kept]), np.array([indices[i] for i in kept]), counts
    )


def _doubled(match: Match, notes: Mapping[str, ScoreNote]) -> int:
    """Notes that the match does not name, of the onset and pitch of one that it does."""
    named = {score_id for score_id, _ in match.pairs} | set(match.missing)
    heads = {notes[name].head for name in named if name in notes}
    return sum(note.id not in named and note.head in heads for note in notes.values())


def longest_increasing(values: Sequence[float]) -> list[int]:
    """Indices of a longest strictly increasing subsequence."""
    ends: list[float] = []  # ends[n]: smallest end of an increasing subsequence of length n + 1
    at: list[int] = []
    before: list[int] = []
    for i, value in enumerate(values):
        n = bisect_right(ends, value)
        if n and ends[n - 1] == value:
            before.append(-1)
            continue
        before.append(at[n - 1] if n else -1)
        ends[n : n + 1] = [value]
        at[n : n + 1] = [i]
    chain: list[int] = []
    i = at[-1] if at else -1
    while i >= 0:
        chain.append(i)
        i = before[i]
    return chain[::-1]


def _shift(notes: Mapping[str, ScoreNote], plain: dict[int, list[tuple[float, int]]]) -> float:
    """Quarters between the score's zero and the engraving's: an upbeat may have been filled up."""
    first = min((n.quarter for n in notes.values() if not n.grace), default=0.0)
    drawn = min((quarter for places in plain.values() for quarter, _ in places), default=0.0)
    return drawn - first
