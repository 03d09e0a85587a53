"""`download`: the selected pieces of a data set, split, as files beside an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfpipe.datasets.catalogue import find_dataset
from sfpipe.datasets.dataset import Request
from sfpipe.datasets.index import Index, write_index
from sfpipe.files import replacing
from sfpipe.parallel import StageReport, named_pieces
from sfpipe.params import DownloadParams


def download(
    dataset: str,
    params: DownloadParams,
    seed: int,
    out: Path,
    *,
    mirror: str | None = None,
    only: Sequence[str] = (),
) -> StageReport:
    """Write the pieces of `dataset` that a run uses to `out`, with `index.json`.

    Files keep their places in a repository, since sources include each other. What the data set
    has and a run cannot use is listed in the index with the reason.

    Parameters
    ----------
    mirror:
        Folder or URL that holds the archives under their mirror names, asked instead of the
        original address.
    only:
        The pieces that are asked for, whatever `max_pieces` says; none: those that it takes.

    Raises
    ------
    SfpipeError
        If the data set is unknown, its source cannot be reached, or files are missing or differ
        from their SHA-256; if fewer than three different tunes are usable, or a piece of `only`
        is not among them.
    """
    declared = find_dataset(dataset, params.folders)
    max_pieces = declared.pieces if params.max_pieces == "auto" else params.max_pieces
    request = Request(params, seed, None if only else max_pieces, mirror)
    chosen = declared.load(declared, request)
    pieces = {piece.id: piece for piece in chosen.pieces}
    names = named_pieces(pieces, only, Path(dataset), chosen.rejected)
    index = Index(
        declared.name,
        declared.licence,
        declared.citation,
        [pieces[name] for name in names],
        chosen.rejected,
    )
    with replacing(out, marker="index.json") as folder:
        folder.mkdir(parents=True)
        for name in index.files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(chosen.files[name])
        write_index(folder, index)
    return StageReport(names, chosen.rejected)
