"""(n)ASAP: whole piano pieces in MusicXML, each played by pianists, with note alignments.

Played notes are matched with those of the score (``.match``); a score's repeats are played or not,
as the pianist chose. ``asap_split.csv`` puts each piece, with all of its variants ("no repeat"),
on one side. It was drawn once, by a seed and within each composer; what `msmd` has in a split, too,
is in the same one here.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from sfpipe.datasets.dataset import Dataset, DatasetPieces, Request
from sfpipe.datasets.fetch import fetch_files
from sfpipe.datasets.index import Piece
from sfpipe.datasets.split import read_split, take

SPLIT = "asap_split.csv"


def load_asap(dataset: Dataset, request: Request) -> DatasetPieces:
    """The pieces with their performances; errors as `fetch_files`.

    `max_pieces` takes as `sfpipe.datasets.split.take` does; the split is the committed one.
    """
    files = fetch_files(dataset, mirror=request.mirror)
    rows = {row["piece"]: row for row in read_split(SPLIT)}
    splits = {name: row["split"] for name, row in rows.items()}
    chosen = take(splits, request.max_pieces, request.seed)
    return DatasetPieces(asap_pieces([rows[n] for n in chosen], files, dataset.licence), files)


def asap_pieces(rows: list[dict[str, str]], files: dict[str, bytes], licence: str) -> list[Piece]:
    """Pieces of the split's table, each with the match and MIDI files in the folder of its score.

    Parameters
    ----------
    rows:
        As `read_split` gives them.
    files:
        Path in the repository -> content.
    """
    beside: dict[PurePosixPath, dict[str, str]] = {}
    for name, content in sorted(files.items()):
        digest = hashlib.sha256(content).hexdigest()
        beside.setdefault(PurePosixPath(name).parent, {})[name] = digest
    pieces = []
    for row in rows:
        folder = PurePosixPath(row["source"]).parent
        performances = {n: d for n, d in beside[folder].items() if n != row["source"]}
        composer, *parts = folder.parts
        pieces.append(
            Piece(
                id=row["piece"],
                title=f"{composer}: {' '.join(parts).replace('_', ' ')}",
                split=row["split"],
                source=row["source"],
                sha256=beside[folder][row["source"]],
                licence=licence,
                engine="verovio",
                performances=performances,
            )
        )
    return pieces
