"""A user's folder of scores and recordings: which file is what, and why others are none of these.

``FOLDER/<piece>/`` holds one score and recordings ``<name>.wav`` (.mp3, .m4a, ...), each with a
``<name>.match`` or ``<name>.mid`` beside it if there is one. A name that ends in ``-direct`` or
``-room`` is of that condition, all others are of condition ``recording``. Capital letters make no
difference. Every file is either in a `PieceFolder` or left out with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.files import plain_name
from sfpipe.notation.files import ABC_SUFFIXES, DOCUMENT_SUFFIXES, MIDI_SUFFIXES

CONDITION = "recording"
CONDITIONS = ("direct", "room")  # by the ending of a name
MATCH_SUFFIX = ".match"
# The first of them is the score, if a folder holds several.
PRINTED = (*DOCUMENT_SUFFIXES, ".ly", *ABC_SUFFIXES)
SCORE_SUFFIXES = (*PRINTED, *MIDI_SUFFIXES)


@dataclass(frozen=True)
class Take:
    """A recording; `match` and `midi` are the files beside it that tell its notes."""

    path: Path
    performance: str
    condition: str
    match: Path | None = None
    midi: Path | None = None


@dataclass
class PieceFolder:
    """What is in the folder of a piece; `left_out`: file name -> why it is not used."""

    name: str
    path: Path
    score: Path | None = None
    takes: list[Take] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def survey(folder: Path) -> tuple[list[PieceFolder], dict[str, str]]:
    """The pieces of a folder that have a score and a recording, and what else is in it.

    Returns
    -------
    tuple
        The pieces by name, and name -> reason of what lies beside them.

    Raises
    ------
    SfpipeError
        If it is no folder.
    """
    pieces, left_out = [], {}
    for path in _entries(folder):
        if path.is_dir():
            piece = survey_piece(path, path.name)
            if reason := _unusable(piece):
                left_out[path.name] = f"{reason} ({_count(path)})"
                left_out |= {f"{path.name}/{name}": why for name, why in piece.left_out.items()}
            else:
                pieces.append(piece)
        else:
            left_out[path.name] = "it is in no folder of a piece"
    return pieces, left_out


def survey_piece(folder: Path, name: str, *, engraved: bool = False) -> PieceFolder:
    """What is in the folder of the piece `name`.

    Parameters
    ----------
    engraved:
        The score is elsewhere: none is looked for.

    Raises
    ------
    SfpipeError
        If it is no folder.
    """
    piece = PieceFolder(name, folder)
    notes: dict[str, list[Path]] = {}
    scores, recordings = [], []
    for path in _entries(folder):
        suffix = path.suffix.lower()
        if path.is_dir():
            piece.left_out[path.name] = f"a folder within that of a piece ({_count(path)})"
        elif path.name.startswith("."):
            piece.left_out[path.name] = "a hidden file"
        elif reason := _no_plain_file(path):
            piece.left_out[path.name] = reason
        elif suffix == MATCH_SUFFIX or suffix in MIDI_SUFFIXES:
            notes.setdefault(path.stem.casefold(), []).append(path)
        elif suffix in PRINTED:
            scores.append(path)
        else:
            recordings.append(path)
    taken: set[str] = set()
    for path in recordings:
        piece.takes.append(_take(path, notes, {t.performance.casefold() for t in piece.takes}))
        taken |= {path.stem.casefold(), _parts(path)[0].casefold()}
    apart = [path for stem, files in notes.items() if stem not in taken for path in files]
    if not scores and not engraved:
        scores = [path for path in apart if path.suffix.lower() in MIDI_SUFFIXES]
    scores.sort(key=lambda p: (SCORE_SUFFIXES.index(p.suffix.lower()), p.name))
    if scores and not engraved:
        piece.score = scores[0]
    for path in scores:
        if path != piece.score:
            told = f"{piece.score.name} is the score" if piece.score else f"{name} is the score"
            piece.left_out[path.name] = told
    for path in apart:
        if path not in scores:
            piece.left_out[path.name] = f"no recording beside it is called {path.stem}"
    return piece


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        why = error.strerror or "no folder"
        raise SfpipeError(why, file=folder, remedy="give the folder of the recordings") from None


def _take(path: Path, notes: dict[str, list[Path]], others: set[str]) -> Take:
    """A recording, named differently from all `others`."""
    stem, condition = _parts(path)
    performance = f"{stem}-{condition}"
    if performance.casefold() in others:  # take.wav and take.mp3
        performance = f"{stem}_{path.suffix[1:].lower()}-{condition}"
    beside = [file for key in (path.stem, stem) for file in notes.get(key.casefold(), ())]
    match = (file for file in beside if file.suffix.lower() == MATCH_SUFFIX)
    midi = (file for file in beside if file.suffix.lower() != MATCH_SUFFIX)
    return Take(path, performance, condition, next(match, None), next(midi, None))


def _parts(path: Path) -> tuple[str, str]:
    """The name of a recording without its condition, and the condition."""
    stem, _, ending = path.stem.rpartition("-")
    if stem and ending.lower() in CONDITIONS:
        return stem, ending.lower()
    return path.stem, CONDITION


def _unusable(piece: PieceFolder) -> str | None:
    """Why a folder is not that of a piece."""
    try:
        plain_name(piece.name)
    except ValueError as error:
        return str(error)
    if piece.score is None:
        kinds = ", ".join(SCORE_SUFFIXES)
        return f"no score in it ({kinds}; a MIDI file called as a recording is what was played)"
    return None if piece.takes else "no recording in it"


def _no_plain_file(path: Path) -> str | None:
    """Why nothing can be read from `path`, or written under its name."""
    if not path.is_file():
        return "a link to nothing" if path.is_symlink() else "no file"
    try:
        plain_name(path.name)
    except ValueError as error:
        return str(error)
    return None


def _count(folder: Path) -> str:
    n = sum(1 for _ in _files(folder))
    return f"{n} file{'' if n == 1 else 's'}"


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_file())
