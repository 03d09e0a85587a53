"""`download`: the selected pieces of a data set, split, as files beside an index."""

from __future__ import annotations

from pathlib import Path

from sfpipe.datasets.catalogue import find_dataset
from sfpipe.datasets.dataset import Request
from sfpipe.datasets.index import Index, write_index
from sfpipe.files import replacing
from sfpipe.parallel import StageReport
from sfpipe.params import DownloadParams


def download(
    dataset: str,
    params: DownloadParams,
    seed: int,
    out: Path,
    *,
    mirror: str | None = None,
) -> StageReport:
    """Write the pieces of `dataset` that a run uses to `out`, with `index.json`.

    Files keep their places in a repository, since sources include each other. What the data set
    has and a run cannot use is listed in the index with the reason.

    Parameters
    ----------
    mirror:
        Folder or URL that holds the archives under their mirror names, asked instead of the
        original address.

    Raises
    ------
    SfpipeError
        If the data set is unknown, its source cannot be reached, or files are missing or differ
        from their SHA-256; if fewer than three different tunes are usable.
    """
    declared = find_dataset(dataset, params.folders)
    max_pieces = declared.pieces if params.max_pieces == "auto" else params.max_pieces
    chosen = declared.load(declared, Request(params, seed, max_pieces, mirror))
    index = Index(
        declared.name, declared.licence, declared.citation, chosen.pieces, chosen.rejected
    )
    with replacing(out, marker="index.json") as folder:
        folder.mkdir(parents=True)
        for name in index.files():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(chosen.files[name])
        write_index(folder, index)
    return StageReport([piece.id for piece in chosen.pieces], chosen.rejected)
