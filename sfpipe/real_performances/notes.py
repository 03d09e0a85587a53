"""Notes of a score (MusicXML) and of a performance (match file), read with partitura."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfpipe.errors import SfpipeError, optional
from sfpipe.files import parsing


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
class Match:
    """Which played note is which note of the score.

    `pairs`: (id of the score note, id of the played note); `missing`: score notes that were not
    played; `extra`: played notes that are not in the score; `ornaments`: played notes that belong
    to an ornament of a score note.
    """

    played: dict[str, PlayedNote]
    pairs: list[tuple[str, str]]
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    ornaments: list[str] = field(default_factory=list)


def read_score_notes(path: Path) -> dict[str, ScoreNote]:
    """The struck notes of a MusicXML file, by id; a tied chain is its first note.

    Raises
    ------
    SfpipeError
        If partitura is not installed or cannot read the file.
    """
    partitura = import_partitura()
    with parsing(path, "export it again"):
        score = partitura.load_score(str(path))
        notes: dict[str, ScoreNote] = {}
        for part in score:
            for row in part.note_array(include_grace_notes=True):
                quarter = float(row["onset_quarter"])
                notes[str(row["id"])] = ScoreNote(
                    str(row["id"]), quarter, int(row["pitch"]), bool(row["is_grace"])
                )
    if not notes:
        raise SfpipeError("holds no notes", file=path, remedy="export it again")
    first = min(note.quarter for note in notes.values())
    return {
        note.id: ScoreNote(note.id, note.quarter - first, note.pitch, note.grace)
        for note in notes.values()
    }


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
