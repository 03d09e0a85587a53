"""The human performances of a piece: match file and MIDI file, read and aligned with the strip."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sfpipe.alignment.notes import WrittenScore, read_match, read_score_notes
from sfpipe.alignment.onsets import Alignment, align, place_notes
from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import read_noteheads
from sfpipe.errors import SfpipeError

SAME_S = 0.01  # match and MIDI file of one performance differ by less
MOST_OTHER = 0.01  # share of notes that only one of them has


@dataclass(frozen=True)
class HumanPerformance:
    """`name`: what tells it from the piece's others; `match` and `midi`: its files."""

    name: str
    match: Path
    midi: Path


@dataclass(frozen=True)
class PlacedScore:
    """A score with the onset of the strip of each of its notes; `n_onsets`: of the strip."""

    score: WrittenScore
    placed: dict[str, int]
    n_onsets: int


def human_performances(piece: Piece, raw: Path) -> list[HumanPerformance]:
    """Those that the index lists with a match file, by name; a MIDI file has the same stem.

    Parameters
    ----------
    raw:
        Folder of the index.
    """
    files: dict[str, dict[str, Path]] = {}
    for name in sorted(piece.performances or {}):
        path = PurePosixPath(name)
        files.setdefault(path.stem, {})[path.suffix.lower()] = raw / name
    performances = []
    for stem, kinds in sorted(files.items()):
        if match := kinds.get(".match"):
            midi = kinds.get(".mid") or kinds.get(".midi") or match.with_suffix(".mid")
            name = stem.removeprefix(piece.id).strip("_-") or stem
            performances.append(HumanPerformance(name, match, midi))
    return performances


def place_score(source: Path, engraved: Path) -> PlacedScore:
    """A MusicXML file and its engraving; errors as `read_score_notes` and `place_notes`."""
    score, heads = read_score_notes(source), read_noteheads(engraved)
    return PlacedScore(score, place_notes(score.notes, heads), len(heads.onsets()))


def align_performance(
    performance: HumanPerformance, placed: PlacedScore, played: Sequence[tuple[int, float]]
) -> Alignment:
    """The performed onsets by the match file.

    Parameters
    ----------
    played:
        (pitch, onset in s) of the notes in the MIDI file.

    Raises
    ------
    SfpipeError
        If the match file cannot be read, is of another score, or disagrees with the MIDI file.
    """
    match = read_match(performance.match).written(placed.score)
    matched = [(note.pitch, note.onset_s) for note in match.played.values()]
    other = max(_without_equal(matched, played), _without_equal(played, matched))
    if other > MOST_OTHER * len(matched):
        what = f"{other} notes are in only one of it and its match file"
        raise SfpipeError(what, file=performance.midi)
    return align(match, placed.score.notes, placed.placed, placed.n_onsets)


def _without_equal(notes: Sequence[tuple[int, float]], others: Sequence[tuple[int, float]]) -> int:
    """How many (pitch, time) have none of the same pitch and time among the others."""
    times: dict[int, list[float]] = {}
    for pitch, time in sorted(others):
        times.setdefault(pitch, []).append(time)
    count = 0
    for pitch, time in notes:
        near = times.get(pitch, [])
        at = bisect_left(near, time - SAME_S)
        count += at == len(near) or near[at] > time + SAME_S
    return count
