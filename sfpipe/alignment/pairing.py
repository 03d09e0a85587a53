"""Which played note is which note of the score, where no match file says so.

Played notes that begin almost together are a chord. The sequence of chords is aligned with that of
the score's onsets (Needleman and Wunsch), in which repeats may be left out. Where chords look alike
(trills, tremolos, repeated chords) only time can tell them apart: what the others say about time
enters a second alignment as a cost. At last the notes of each pitch are matched in order with those
of the score, by their distance from the time at which their onset is due.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sfpipe.alignment.notes import Match, PlayedNote, ScoreNote, WrittenScore
from sfpipe.alignment.order import longest_increasing
from sfpipe.alignment.unfolding import unfold_notes

TOGETHER_S = 0.04  # notes of a chord follow each other at most so late
GAP = 0.55  # cost of a chord that is only in one of the two
NEAR_S = 0.6  # a note lies at most so far from where its onset is due
GRACE_S = 0.06  # a grace note is due so long before its main note
REACH = 16  # onsets among which a chord must be the only one of its pitches to tell the time
LATE = 0.3  # cost of a chord that looks like its neighbours, if it comes ...
LATE_S = 0.25  # ... so far from when it is due
MOST_SPANS = 100  # that end at one onset
FEWEST = 8  # chords of their own that tell the time; of fewer all are taken

_TOGETHER, _SCORE_ONLY, _PLAYED_ONLY, _LEFT_OUT = range(4)


def match_performance(score: WrittenScore, played: Sequence[PlayedNote]) -> Match:
    """Match a performance with a printed score, whichever of its repeats were played.

    Raises
    ------
    SfpipeError
        If the score's repeats cannot be unfolded, or nothing matches.
    """
    unfolded = unfold_notes(score)
    return pair_notes(unfolded.notes, played, unfolded.optional).written(score)


def pair_notes(
    score: Mapping[str, ScoreNote],
    played: Sequence[PlayedNote],
    optional: Sequence[tuple[float, float]] = (),
) -> Match:
    """Match a performance with its score.

    Parameters
    ----------
    score:
        Notes by id, all repeats written out.
    played:
        In any order, with ids of their own.
    optional:
        Spans of the score [from, to) in quarters that may be left out as a whole: repeats.
    """
    groups = _onsets(score)
    quarters = np.array(list(groups))
    spans = [tuple(np.searchsorted(quarters, np.array(span) - 1e-3)) for span in optional]
    chords = _chords(played)
    time = np.array([np.median([n.onset_s for n in chord]) for chord in chords])
    sounds = [frozenset(n.pitch for n in group) for group in groups.values()]
    aligner = _Aligner(sounds, [frozenset(n.pitch for n in c) for c in chords], spans)
    anchors, left_out = aligner.align()
    match = Match({note.id: note for note in played}, [])
    pairs: dict[str, str] = {}
    kept = list(score.values())
    if len(anchors) >= 2:
        alike = _alike(sounds)
        own = [(i, j) for i, j in anchors if alike[i] == 1]
        telling = own if len(own) >= FEWEST else anchors
        due = _due(quarters, left_out, telling, time)
        anchors, left_out = aligner.align(time, due, LATE * (1 - 1 / alike))
        due = _due(quarters, left_out, anchors, time)
        kept = [n for i, g in enumerate(groups.values()) if not left_out[i] for n in g]
        pairs = _notes_in_order(kept, quarters, due, played)
        # Once more, from when each onset was played by the notes found.
        due = _due_by_notes(groups, quarters, left_out, pairs, match.played, due)
        pairs = _notes_in_order(kept, quarters, due, played)
    match.pairs.extend(pairs.items())
    taken = set(pairs.values())
    # Of a head that is in two voices one note is enough.
    heads = {score[name].head for name in pairs}
    match.missing.extend(n.id for n in kept if n.id not in pairs and n.head not in heads)
    match.extra.extend(note.id for note in played if note.id not in taken)
    return match


def _onsets(score: Mapping[str, ScoreNote]) -> dict[float, list[ScoreNote]]:
    """The score's notes by onset; grace notes belong to their main note's."""
    groups: dict[float, list[ScoreNote]] = {}
    for note in sorted(score.values(), key=lambda n: (n.quarter, n.pitch)):
        groups.setdefault(round(note.quarter, 4), []).append(note)
    return groups


def _chords(played: Sequence[PlayedNote]) -> list[list[PlayedNote]]:
    chords: list[list[PlayedNote]] = []
    for note in sorted(played, key=lambda n: n.onset_s):
        if chords and note.onset_s - chords[-1][-1].onset_s <= TOGETHER_S:
            chords[-1].append(note)
        else:
            chords.append([note])
    return chords


def _alike(sounds: Sequence[frozenset[int]]) -> np.ndarray:
    """How many of the onsets around each have its very pitches, itself included."""
    near = (sounds[max(i - REACH, 0) : i + REACH + 1] for i in range(len(sounds)))
    return np.array([around.count(own) for own, around in zip(sounds, near, strict=True)])


class _Aligner:
    """Cheapest alignment of two sequences of chords; spans of the first may be left out."""

    def __init__(
        self,
        score: Sequence[frozenset[int]],
        played: Sequence[frozenset[int]],
        optional: Sequence[tuple[int, int]],
    ) -> None:
        self.score, self.played = _pitches(score), _pitches(played)
        self.optional: dict[int, list[int]] = {}
        for start, end in optional:
            if start < end and len(self.optional.get(end, ())) < MOST_SPANS:
                self.optional.setdefault(end, []).append(start)

    def align(
        self,
        time: np.ndarray | None = None,
        due: np.ndarray | None = None,
        late: np.ndarray | None = None,
    ) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Pairs of indices, both increasing, and which onsets of the score were left out.

        Parameters
        ----------
        time, due, late:
            When each chord was played, when each onset of the score is due (s), and what it costs
            if they are far apart.
        """
        m = len(self.played)
        gaps = GAP * np.arange(m + 1)
        step = np.full((len(self.score) + 1, m + 1), _SCORE_ONLY, np.int8)
        row, step[0] = gaps, _PLAYED_ONLY
        starts = {start for of_end in self.optional.values() for start in of_end}
        rows = {0: row}
        sizes = self.played.sum(axis=1)
        for i, sound in enumerate(self.score, 1):
            # 0: the same pitches; 1: none in common.
            apart = 1 - 2 * (self.played @ sound) / (sizes + sound.sum())
            if time is not None and due is not None and late is not None:
                apart = apart + late[i - 1] * np.minimum(np.abs(time - due[i - 1]) / LATE_S, 1)
            best = row + GAP
            together = row[:-1] + apart
            better = together < best[1:]
            best[1:][better] = together[better]
            step[i, 1:][better] = _TOGETHER
            row = np.minimum.accumulate(best - gaps) + gaps
            # Of equal ways the one that meets the earliest of equal chords.
            step[i, 1:][row[:-1] + GAP <= best[1:] + 1e-9] = _PLAYED_ONLY
            for k, start in enumerate(self.optional.get(i, ())):
                cheaper = rows[start] < row
                row = np.where(cheaper, rows[start], row)
                step[i][cheaper] = _LEFT_OUT + k
            if i in starts:
                rows[i] = row
        return self._trace(step)

    def _trace(self, step: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
        i, j = len(self.score), len(self.played)
        pairs = []
        left_out = np.zeros(i, bool)
        while i or j:
            how = int(step[i, j])
            if how >= _LEFT_OUT:
                start = self.optional[i][how - _LEFT_OUT]
                left_out[start:i] = True
                i = start
            elif how == _TOGETHER:
                i, j = i - 1, j - 1
                if self.score[i] @ self.played[j]:
                    pairs.append((i, j))
            elif how == _SCORE_ONLY:
                i -= 1
            else:
                j -= 1
        return pairs[::-1], left_out


def _pitches(sounds: Sequence[frozenset[int]]) -> np.ndarray:
    """Rows of 128 pitches, 1 where one sounds."""
    rows = np.zeros((len(sounds), 128), np.float32)
    for row, sound in zip(rows, sounds, strict=True):
        row[list(sound)] = 1
    return rows


def _places(quarters: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Quarters as played: what was left out takes no time."""
    lengths = np.diff(quarters, append=quarters[-1] + 1)
    lengths[left_out] = 0
    return np.concatenate([[0.0], np.cumsum(lengths)[:-1]])


def _due(
    quarters: np.ndarray,
    left_out: np.ndarray,
    anchors: Sequence[tuple[int, int]],
    time: np.ndarray,
) -> np.ndarray:
    """When each onset of the score is due, in s, by those that are aligned with a chord."""
    place = _places(quarters, left_out)
    index, chord = np.array(anchors).T
    return _interpolate(place, place[index], time[chord])


def _due_by_notes(
    groups: Mapping[float, Sequence[ScoreNote]],
    quarters: np.ndarray,
    left_out: np.ndarray,
    pairs: Mapping[str, str],
    played: Mapping[str, PlayedNote],
    due: np.ndarray,
) -> np.ndarray:
    """The same by the notes found: the median of each onset's, where these are in order."""
    index, times = [], []
    for i, group in enumerate(groups.values()):
        own = [played[pairs[n.id]].onset_s for n in group if n.id in pairs and not n.grace]
        if own:
            index.append(i)
            times.append(float(np.median(own)))
    kept = longest_increasing(times)
    if len(kept) < 2:
        return due
    place = _places(quarters, left_out)
    return _interpolate(place, place[np.array(index)[kept]], np.array(times)[kept])


def _interpolate(place: np.ndarray, known: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Times at places; before the first and after the last known one, at the tempo there."""
    result = np.interp(place, known, time)
    few = min(4, len(known) - 1)
    for edge, inner, outside in ((0, few, place < known[0]), (-1, -1 - few, place > known[-1])):
        quarters = known[edge] - known[inner]
        pace = (time[edge] - time[inner]) / quarters if quarters else 0.0
        result[outside] = time[edge] + pace * (place[outside] - known[edge])
    return result


def _notes_in_order(
    score: Sequence[ScoreNote],
    quarters: np.ndarray,
    due: np.ndarray,
    played: Sequence[PlayedNote],
) -> dict[str, str]:
    """Score note -> played note: of each pitch in order, the nearest to when they are due."""
    when = dict(zip(quarters.tolist(), due.tolist(), strict=True))
    expected: dict[int, list[tuple[float, str]]] = {}
    by_pitch: dict[int, list[tuple[float, str]]] = {}
    for note in score:
        time = when[round(note.quarter, 4)] - (GRACE_S if note.grace else 0)
        expected.setdefault(note.pitch, []).append((time, note.id))
    for other in played:
        by_pitch.setdefault(other.pitch, []).append((other.onset_s, other.id))
    pairs: dict[str, str] = {}
    for pitch, notes in expected.items():
        others = sorted(by_pitch.get(pitch, ()))
        for near, candidates in _clusters(sorted(notes), others):
            pairs.update(_in_order(near, candidates))
    return pairs


_Timed = list[tuple[float, str]]


def _clusters(expected: _Timed, played: _Timed) -> Iterator[tuple[_Timed, _Timed]]:
    """Parts of both that lie near each other and far from all other parts."""
    times = [time for time, _ in played]
    low = [bisect_left(times, time - NEAR_S) for time, _ in expected]
    high = [bisect_right(times, time + NEAR_S) for time, _ in expected]
    first = 0
    for i in range(len(expected)):
        last = i + 1 == len(expected)
        if last or low[i + 1] >= high[i]:
            if high[i] > low[first]:
                yield expected[first : i + 1], played[low[first] : high[i]]
            first = i + 1


def _in_order(expected: _Timed, played: _Timed) -> Iterator[tuple[str, str]]:
    """Pairs in the same order on both sides that together are nearest."""
    gain = [[0.0] * (len(played) + 1) for _ in range(len(expected) + 1)]
    for i, (due, _) in enumerate(expected):
        for j, (time, _) in enumerate(played):
            pair = gain[i][j] + NEAR_S - abs(due - time)
            gain[i + 1][j + 1] = max(pair, gain[i][j + 1], gain[i + 1][j])
    i, j = len(expected), len(played)
    while i and j:
        if gain[i][j] == gain[i - 1][j]:
            i -= 1
        elif gain[i][j] == gain[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            yield expected[i][1], played[j][1]
