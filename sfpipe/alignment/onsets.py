"""Performed onset -> note head: where on the strip the music is at each onset of a performance.

A score onset is what the strip calls one: the struck heads that begin together
(`sfpipe.engraving.files.NoteHeads.onsets`). It is performed when the *median* of its notes is: the
notes of a chord are never struck at once (melody first, hands apart, arpeggios), and one note that
is early, late or wrongly matched does not move the median. (The first note would put the onsets of
Vienna 4x22 out of order 2.5 times as often: 124 against 50 of 14,949.) An onset of which no note
was played is left out: the target passes it between its neighbours. So is one that comes out of
order.

The strip shows a repeated passage once; where a pianist repeats it, the position jumps back. Each
performed onset has its pass, from 1, and is in order among those of its pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from sfpipe.alignment.notes import Match, ScoreNote
from sfpipe.alignment.order import longest_increasing
from sfpipe.engraving.files import NoteHeads
from sfpipe.errors import SfpipeError

NEAR_QUARTERS = 0.02  # engravers keep tuplets as rounded decimals
GRACE_QUARTERS = 1.0  # a grace note's head is due at most so long before its main note
ASYNCHRONOUS_S = 0.05  # a chord spread over more than a frame
FAR = 8  # onsets in a row that are not played: the pianist jumped
MIN_PLACED = 0.95  # share of the score's printed notes that must have a head


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
    onsets_repeated: int
    jumps: int
    chords: int
    chords_asynchronous: int
    largest_spread_s: float

    def as_dict(self) -> dict[str, float]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Alignment:
    """Performed onsets: `onset_s` float64, increasing; `score_onset`, `turn` int64; [shape=(n,)].

    `score_onset` is the index into the piece's onsets, `turn` the time through its passage, from 1.
    `counts` says what was left out.
    """

    onset_s: np.ndarray
    score_onset: np.ndarray
    turn: np.ndarray
    counts: Counts

    def stretches(self) -> list[slice]:
        """Parts of the performance in which the position on the strip never jumps."""
        starts = [0, *_jumps(self.score_onset, self.turn), len(self.onset_s)]
        return [slice(a, b) for a, b in pairwise(starts)]

    def tempo_factor(self, score_s: np.ndarray) -> float:
        """Mean tempo against the score's, whose onsets are at `score_s`; jumps take no time."""
        score = played = 0.0
        for part in self.stretches():
            score += float(np.ptp(score_s[self.score_onset[part]]))
            played += float(np.ptp(self.onset_s[part]))
        return score / played if score and played else 1.0


def place_notes(notes: Mapping[str, ScoreNote], heads: NoteHeads) -> dict[str, int]:
    """Score note -> index of the onset (of `heads.onsets()`) whose head it is.

    Found by their ids where the engraver tells them, else by onset and pitch; a grace note then by
    its pitch among the grace heads before its main note. Notes without a head are not in the
    result.

    Raises
    ------
    SfpipeError
        If too few notes have a head: the notes are not those of this engraving.
    """
    placed = _by_id(notes, heads) if heads.id is not None else _by_place(notes, heads)
    printed = [note.id for note in notes.values() if note.printed]
    n_placed = sum(name in placed for name in printed)
    if n_placed < MIN_PLACED * len(printed) or not placed:
        raise SfpipeError(
            f"only {n_placed} of {len(printed)} printed notes of the score have a note head",
            remedy="engrave the piece again: sfpipe engrave",
        )
    return placed


def _by_id(notes: Mapping[str, ScoreNote], heads: NoteHeads) -> dict[str, int]:
    names = heads.id if heads.id is not None else np.zeros(0, str)
    return {
        str(names[i]): index
        for index, group in enumerate(heads.onsets())
        for i in group
        if names[i] in notes
    }


def _by_place(notes: Mapping[str, ScoreNote], heads: NoteHeads) -> dict[str, int]:
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
    times: dict[tuple[int, int], list[float]] = defaultdict(list)  # by pass and onset
    wrong = 0
    turns = match.passes or [1] * len(match.pairs)
    for (score_id, played_id), turn in zip(match.pairs, turns, strict=True):
        played = match.played[played_id]
        wrong += score_id in notes and notes[score_id].pitch != played.pitch
        if score_id in placed:
            times[turn, placed[score_id]].append(played.onset_s)
    performed = _in_order({key: float(np.median(t)) for key, t in times.items()})
    if len(performed) < 2:
        raise SfpipeError("fewer than two onsets of the score were played")
    onset_s, score_onset, turn_of = (np.array(c) for c in zip(*performed, strict=True))
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
        onsets_played=len(performed),
        onsets_missing=n_onsets - len({index for _, index in times}),
        onsets_out_of_order=len(times) - len(performed),
        onsets_repeated=int(np.sum(turn_of > 1)),
        jumps=len(_jumps(score_onset, turn_of)),
        chords=len(spreads),
        chords_asynchronous=sum(spread > ASYNCHRONOUS_S for spread in spreads),
        largest_spread_s=round(max(spreads, default=0.0), 4),
    )
    return Alignment(onset_s, score_onset, turn_of, counts)


def _in_order(medians: Mapping[tuple[int, int], float]) -> list[tuple[float, int, int]]:
    """(time, onset, pass) by time, without what is out of order in its pass, or alone in it."""
    performed = []
    for turn in sorted({turn for turn, _ in medians}):
        indices = sorted(index for t, index in medians if t == turn)
        values = [medians[turn, index] for index in indices]
        performed += [(values[i], indices[i], turn) for i in longest_increasing(values)]
    performed.sort()
    kept: list[tuple[float, int, int]] = []
    for i, (time, index, turn) in enumerate(performed):
        around = performed[max(i - 1, 0) : i] + performed[i + 1 : i + 2]
        alone = len(around) == 2 and all(other[2] != turn for other in around)
        if not alone and (not kept or time > kept[-1][0]):
            kept.append((time, index, turn))
    return kept


def _jumps(score_onset: np.ndarray, turn: np.ndarray) -> list[int]:
    """Where a performance goes on elsewhere: back, or over what it leaves out.

    From the last time through a passage it may go on over an ending that it has played before.
    """
    index = score_onset.tolist()
    played: set[int] = set()
    jumps = []
    for i in range(1, len(index)):
        before, now = index[i - 1], index[i]
        played.add(before)
        over = range(before + 1, now)
        past_ending = turn[i] < turn[i - 1] and any(other in played for other in over)
        if now <= before or len(over) > FAR or past_ending:
            jumps.append(i)
    return jumps


def _doubled(match: Match, notes: Mapping[str, ScoreNote]) -> int:
    """Notes that the match does not name, of the onset and pitch of one that it does."""
    named = {score_id for score_id, _ in match.pairs} | set(match.missing)
    heads = {notes[name].head for name in named if name in notes}
    return sum(note.id not in named and note.head in heads for note in notes.values())


def _shift(notes: Mapping[str, ScoreNote], plain: dict[int, list[tuple[float, int]]]) -> float:
    """Quarters between the score's zero and the engraving's: an upbeat may have been filled up."""
    first = min((n.quarter for n in notes.values() if not n.grace), default=0.0)
    drawn = min((quarter for places in plain.values() for quarter, _ in places), default=0.0)
    return drawn - first
