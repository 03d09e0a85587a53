"""`engrave`: every downloaded piece as staff images, MIDI and note-head list.

LilyPond sources are set by LilyPond (`sfpipe.engraving.lilypond`), whole scores in MusicXML by
Verovio as they are printed (`sfpipe.engraving.verovio`), melodies by Verovio on one line with
their repeats written out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from sfpipe.datasets.index import Piece, read_index
from sfpipe.engraving.lilypond.piece import engrave_source
from sfpipe.engraving.lilypond.piece import hash_inputs as hash_lilypond_inputs
from sfpipe.engraving.lilypond.program import find_lilypond, require_walls
from sfpipe.engraving.piece import engrave_piece, hash_inputs, is_done
from sfpipe.engraving.verovio.piece import engrave_score, hash_score_inputs
from sfpipe.files import remove_made, remove_others, write_json
from sfpipe.parallel import Files, StageReport, map_pieces, named_pieces
from sfpipe.params import EngraveParams

LILYPOND_SECONDS, VEROVIO_SECONDS = 900.0, 60.0
MADE = (".png", ".svg", ".mid", ".csv", ".json")  # what an engraved piece consists of


def engrave(
    params: EngraveParams, raw: Path, out: Path, *, jobs: int = -1, only: Sequence[str] = ()
) -> StageReport:
    """Engrave the pieces of ``raw/index.json`` into ``out/<piece>/``; ``out/report.json``.

    A piece already there with the same source and parameters is left alone, so an interrupted
    run goes on where it stopped. Pieces that the index no longer lists are removed.

    Parameters
    ----------
    jobs:
        Number of processes; -1 is one per core.
    only:
        The pieces that are asked for, which the report then lists alone; others that are there
        stay. None: all of the index.

    Raises
    ------
    SfpipeError
        If there is no index, `out` cannot be written, LilyPond is needed and missing or cannot be
        confined, or not one piece could be engraved.
    """
    index = read_index(raw)
    every = {piece.id: piece for piece in index.pieces}
    names = named_pieces(every, only, raw / "index.json", index.rejected)
    pieces = [every[name] for name in names]
    if any(map(is_lilypond, pieces)):
        find_lilypond()
        require_walls(unconfined=params.allow_unconfined)
    if not only:
        remove_others(out, every, _made)
    report = StageReport()
    todo = []
    for piece in pieces:
        if is_done(out / piece.id, _hash_inputs(piece, params)):
            report.done.append(piece.id)
        else:
            todo.append(piece)
    work = functools.partial(engrave_file, params=params, raw=raw, out=out)
    # LilyPond's sources include others beside them.
    files = Files[Piece](
        needed=lambda piece: [
            (raw / piece.source).parent if is_lilypond(piece) else raw / piece.source
        ],
        made=lambda piece: [out / piece.id],
    )
    for outcome in map_pieces(
        work, todo, label="engrave", jobs=jobs, seconds=seconds_of, files=files
    ):
        if outcome.error is None:
            report.done.append(outcome.item.id)
        else:
            report.skipped[outcome.item.id] = outcome.error
            folder = out / outcome.item.id
            remove_made(folder, list(_made(folder)))
    write_json(out / "report.json", report.as_dict())
    report.require_done(
        "not one piece could be engraved",
        file=raw,
        none="the index lists no pieces",
        remedy=f"correct the sources; all reasons are in {out / 'report.json'}",
    )
    return report


def seconds_of(piece: Piece) -> float:
    """How long engraving a piece may take; the slowest of LilyPond's need some minutes."""
    return LILYPOND_SECONDS if is_lilypond(piece) else VEROVIO_SECONDS


def engrave_file(piece: Piece, params: EngraveParams, raw: Path, out: Path) -> None:
    """Engrave one piece into ``out/<piece>`` by the engraver for its kind of source.

    Raises
    ------
    SfpipeError
        If the source cannot be read or engraved.
    """
    if is_lilypond(piece):
        engrave_source(piece, raw, out, unconfined=params.allow_unconfined)
    elif piece.engine == "verovio":
        engrave_score(piece, params, raw, out)
    else:
        engrave_piece(piece, params, raw, out)


def _hash_inputs(piece: Piece, params: EngraveParams) -> str:
    if is_lilypond(piece):
        return hash_lilypond_inputs(piece)
    whole = piece.engine == "verovio"
    return (hash_score_inputs if whole else hash_inputs)(piece, params)


def is_lilypond(piece: Piece) -> bool:
    """Whether LilyPond engraves a piece."""
    return Path(piece.source).suffix == ".ly" or piece.engine == "lilypond"


def _made(folder: Path) -> Iterator[Path]:
    """The files in `folder` that this stage made, if it made any."""
    if (folder / "engraving.json").is_file():
        yield from (file for file in folder.iterdir() if file.suffix in MADE)
