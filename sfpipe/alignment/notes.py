"""Notes of a score (MusicXML) and of a performance (match file, read with partitura)."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError, optional
from sfpipe.files import parsing, read_bytes
from sfpipe.notation.files import read_document
from sfpipe.notation.playback import TICKS, play_as_printed
from sfpipe.notation.score import Bar, Score


@dataclass(frozen=True)
class ScoreNote:
    """A note of the score: `quarter` is its onset in quarters from the first one's.

    One that is not `printed` sounds only, as the notes of a trill that is written as a sign.
    """

    id: str
    quarter: float
    pitch: int
    grace: bool = False
    printed: bool = True

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
    """Notes and bars of a MusicXML, ``.mxl`` or MEI file.

    Raises
    ------
    SfpipeError
        If it cannot be read or holds no notes.
    """
    content = read_bytes(path, remedy="run: sfpipe download")
    return written_score(read_document(str(path), content)[1])


def written_score(score: Score) -> WrittenScore:
    """The struck notes of a score, each bar played once; errors as `play_as_printed`."""
    heads, _, _ = play_as_printed(score)
    first = min((head.written for head in heads), default=0)
    notes: dict[str, ScoreNote] = {}
    tied: dict[str, str] = {}
    sounding: dict[tuple[int, int], str] = {}  # pitch and end -> the note struck
    for head in sorted(heads, key=lambda h: (h.written, not h.grace)):
        name = head.note
        before = sounding.get((head.midi_pitch, head.onset)) if head.tied else None
        if before is None:
            quarter = (head.written - first) / TICKS
            notes[name] = ScoreNote(name, quarter, head.midi_pitch, head.grace, head.printed)
        else:
            tied[name] = before
        sounding[head.midi_pitch, head.end] = before or name
    bar_of = {
        note.id: i
        for i, bar in enumerate(score.bars)
        for event in bar.events
        for note in event.notes
    }
    return WrittenScore(notes, tied, score.bars, bar_of)


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
