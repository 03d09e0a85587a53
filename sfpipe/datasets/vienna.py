"""Vienna 4x22: four excerpts of piano music, each played by 22 pianists on a Boesendorfer SE."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from sfpipe.datasets.dataset import Dataset, DatasetPieces, Request
from sfpipe.datasets.fetch import fetch_files
from sfpipe.datasets.index import Piece

TITLES = {
    "Chopin_op10_no3": "F. Chopin, Etude op. 10/3, bars 1-21",
    "Chopin_op38": "F. Chopin, Ballade op. 38, bars 1-45",
    "Mozart_K331_1st-mov": "W. A. Mozart, Sonata K. 331, 1st movement, bars 1-36",
    "Schubert_D783_no15": "F. Schubert, German Dance D 783/15",
}


def load_vienna(dataset: Dataset, request: Request) -> DatasetPieces:
    """All four excerpts, whatever `max_pieces` says; errors as `fetch_files`."""
    files = fetch_files(dataset, mirror=request.mirror)
    return DatasetPieces(vienna_pieces(files, dataset.licence), files)


def vienna_pieces(files: dict[str, bytes], licence: str) -> list[Piece]:
    """The excerpts, each with its match files and the MIDI files of its performances.

    Parameters
    ----------
    files:
        Path in the repository -> content.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    pieces = []
    for source in sorted(name for name in files if name.endswith(".musicxml")):
        piece = PurePosixPath(source).stem
        performances = {
            name: digest
            for name, digest in sorted(digests.items())
            if PurePosixPath(name).suffix in (".match", ".mid")
            and PurePosixPath(name).stem.startswith(f"{piece}_p")
        }
        pieces.append(
            Piece(
                id=piece,
                title=TITLES.get(piece, piece),
                split="test",
                source=source,
                sha256=digests[source],
                licence=licence,
                engine="lilypond",
                performances=performances,
            )
        )
    return pieces
