"""Notes of a score (MusicXML) and of a performance (match file), read with partitura."""

from __future__ import annotations

import sys
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError, optional
from sfpipe.files import parsing
from sfpipe.notation.score import Bar

FINEST = 10_080  # parts of a quarter in which bars are counted


@dataclass(frozen=True)
class ScoreNote:
    """A note of the score: `quarter` is its onset in quarters from the first one's."""

    id: str
    quarter: float
    pitch: int
    grace: bool = False

    @property
    def head(self) -> tuple[float, int, str]:
        """Equal for notes that are the same head in two voices.

        Grace notes before one note share its onset, so each of them is a head of its own.
        """
        return self.quarter, self.pitch, self.id if self.grace else ""


@dataclass(frozen=True)
class PlayedNote:
    """A note of a performance: `onset_s` in s from the start of the recording."""

    id: str
    onset_s: float
    pitch: int


@dataclass(frozen=True)
class WrittenScore:
    """A score as it is printed, repeats not played.

    `notes`: the struck notes by id, a tied chain as its first note; `tied`: id of a tied note ->
    the note whose sound it prolongs. `bars` have lengths and the signs of repeats, `bar_of` gives
    each note's bar.
    """

    notes: dict[str, ScoreNote]
    tied: dict[str, str] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    bar_of: dict[str, int] = field(default_factory=dict)

    def written(self, name: str) -> tuple[str, int]:
        """Id and pass of a note as match files name it: ``n12-2`` is n12 the second time.

        Names that are none of the score's come back as they are.
        """
        known = self.notes.keys() | self.tied.keys()
        base, _, number = name.rpartition("-")
        if name not in known and base in known and number.isdecimal():
            return self.tied.get(base, base), int(number)
        return self.tied.get(name, name), 1


@dataclass(frozen=True)
class Match:
    """Which played note is which note of the score.

    `pairs`: (id of the score note, id of the played note); `missing`: score notes that were not
    played; `extra`: played notes that are not in the score; `ornaments`: played notes that belong
    to an ornament of a score note. `passes`: of each pair the time through its passage, from 1;
    empty: all are the first.
    """

    played: dict[str, PlayedNote]
    pairs: list[tuple[str, str]]
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    ornaments: list[str] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)

    def written(self, score: WrittenScore) -> Match:
        """The match by the ids of the printed score, with the pass of each pair.

        Raises
        ------
        SfpipeError
            If it names no note of the score.
        """
        named = [score.written(name) for name, _ in self.pairs]
        if not any(name in score.notes for name, _ in named):
            raise SfpipeError(
                f"names no note of the score (the first: {self.pairs[0][0]})"
                if self.pairs
                else "matches no notes",
                remedy="give the match file of this very score: its notes need the same ids",
            )
        pairs = [(name, played) for (name, _), (_, played) in zip(named, self.pairs, strict=True)]
        missing = [score.written(name)[0] for name in self.missing]
        return replace(self, pairs=pairs, missing=missing, passes=[n for _, n in named])


def read_score_notes(path: Path) -> WrittenScore:
    """Notes and bars of a MusicXML file.

    Raises
    ------
    SfpipeError
        If partitura is not installed or cannot read the file.
    """
    partitura = import_partitura()
    with parsing(path, "export it again"):
        parts = list(partitura.load_score(str(path)))
        read = [_read_part(part, partitura.score) for part in parts]
    notes = {name: note for part in read for name, note in part.notes.items()}
    if not notes:
        raise SfpipeError("holds no notes", file=path, remedy="export it again")
    first = min(note.quarter for note in notes.values())
    return WrittenScore(
        {name: replace(note, quarter=note.quarter - first) for name, note in notes.items()},
        {name: main for part in read for name, main in part.tied.items()},
        read[0].bars,
        {name: bar for part in read for name, bar in part.bar_of.items()},
    )


def _read_part(part: Any, kinds: Any) -> WrittenScore:
    measures = list(part.iter_all(kinds.Measure))
    starts = [measure.start.t for measure in measures]
    bars = [
        Bar(length=_quarters(part, measure.start.t, measure.end.t), number=number)
        for number, measure in enumerate(measures, 1)
    ]

    def bar_at(divisions: int) -> int:
        return max(0, bisect_right(starts, divisions) - 1)

    for repeat in part.iter_all(kinds.Repeat):
        if repeat.end is not None:
            bars[bar_at(repeat.start.t)].repeat_start = True
            bars[bar_at(repeat.end.t - 1)].repeat_end = 2
    for ending in part.iter_all(kinds.Ending):
        numbers = [int(n) for n in str(ending.number).replace(",", " ").split() if n.isdecimal()]
        bars[bar_at(ending.start.t)].endings = tuple(numbers) or (1,)
        bars[bar_at(ending.end.t - 1)].ending_stop = True
    score = WrittenScore({}, bars=bars)
    for row in part.note_array(include_grace_notes=True):
        name = str(row["id"])
        note = ScoreNote(
            name, float(row["onset_quarter"]), int(row["pitch"]), bool(row["is_grace"])
        )
        score.notes[name] = note
        score.bar_of[name] = bar_at(int(row["onset_div"]))
    for note in part.iter_all(kinds.Note, include_subclasses=True):
        before = note
        while before.tie_prev is not None:
            before = before.tie_prev
        if before is not note:
            score.tied[str(note.id)] = str(before.id)
    return score


def _quarters(part: Any, start: int, end: int) -> Fraction:
    length = float(part.quarter_map(end) - part.quarter_map(start))
    return Fraction(length).limit_denominator(FINEST)


def read_match(path: Path) -> Match:
    """A performance and its alignment from a match file.

    Raises
    ------
    SfpipeError
        If partitura is not installed, cannot read the file, or it matches no notes.
    """
    partitura = import_partitura()
    with parsing(path, "export it again"):
        performance, alignment = partitura.load_match(str(path))
        played = {
            str(row["id"]): PlayedNote(str(row["id"]), float(row["onset_sec"]), int(row["pitch"]))
            for row in performance.note_array()
        }
        match = Match(played, [])
        for entry in alignment:
            _sort_in(match, entry)
    if not match.pairs:
        raise SfpipeError("matches no notes", file=path, remedy="see its alignment")
    return match


def _sort_in(match: Match, entry: dict[str, Any]) -> None:
    kind = entry["label"]
    if kind == "match" and str(entry["performance_id"]) in match.played:
        match.pairs.append((str(entry["score_id"]), str(entry["performance_id"])))
    elif kind in ("match", "deletion"):
        match.missing.append(str(entry["score_id"]))
    elif kind == "insertion":
        match.extra.append(str(entry["performance_id"]))
    else:
        match.ornaments.append(str(entry["performance_id"]))


def import_partitura() -> Any:
    """Import partitura without its synthesis.

    With pyfluidsynth importable and its own sound font missing, partitura downloads one over FTP
    when it is imported, and fails without a network.

    Raises
    ------
    SfpipeError
        If it is not installed.
    """
    missing = object()
    before: Any = sys.modules.get("fluidsynth", missing)
    sys.modules["fluidsynth"] = None  # type: ignore[assignment]  # how an import is made to fail
    try:
        return optional("partitura", "real")
    finally:
        if before is missing:
            del sys.modules["fluidsynth"]
        else:
            sys.modules["fluidsynth"] = before
