"""`download`: the selected pieces of a data set, split, as files beside an index."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sfpipe.datasets.catalogue import Dataset, find_dataset
from sfpipe.datasets.duplicates import duplicate_groups
from sfpipe.datasets.fetch import fetch_files
from sfpipe.datasets.folder import folder_tunes
from sfpipe.datasets.index import Index, Piece, write_index
from sfpipe.datasets.msmd import msmd_pieces
from sfpipe.datasets.nottingham import nottingham_tunes
from sfpipe.datasets.ryan import ryan_tunes
from sfpipe.datasets.split import SPLITS, split_tunes, take
from sfpipe.datasets.tunes import Tune
from sfpipe.datasets.vienna import vienna_pieces
from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.parallel import StageReport
from sfpipe.params import DownloadParams

MIN_TUNES = 3  # one for each split


def download(
    dataset: str,
    params: DownloadParams,
    seed: int,
    out: Path,
    *,
    mirror: str | None = None,
) -> StageReport:
    """Write the pieces of `dataset` that a run uses to `out`, with `index.json`.

    MSMD comes with its own split; the four pieces of Vienna 4x22 are for testing, whatever
    `max_pieces` says. Of the collections of melodies, tunes of more than one voice
    are left out (and listed in the index with the reason); the rest is split as
    `sfpipe.datasets.split` says.

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
    report = StageReport()
    if declared.name in ("msmd", "vienna4x22"):
        files = fetch_files(declared, mirror=mirror)
        if declared.name == "msmd":
            pieces = msmd_pieces(files, max_pieces, seed)
        else:
            pieces = vienna_pieces(files)
        with replacing(out, marker="index.json") as folder:
            _write_pieces(folder, declared, pieces, files)
        report.done += [piece.id for piece in pieces]
        return report
    tunes = _tunes(declared, params, mirror, report)
    usable = []
    for tune in tunes:
        reason = "no notes" if not tune.pitches else None
        if params.monophonic and tune.not_monophonic:
            reason = tune.not_monophonic
        if reason:
            report.skipped[tune.id] = f"not a melody of one voice: {reason}"
        else:
            usable.append(tune)
    if len(usable) < MIN_TUNES:
        raise SfpipeError(
            f"data set '{dataset}' has {len(usable)} usable tunes, expected at least {MIN_TUNES}"
            + _first_reason(report),
            remedy="add melodies of one voice (ABC, MusicXML or MIDI)",
        )
    splits = split_tunes([tune.id for tune in usable], duplicate_groups(usable), seed)
    if empty := set(SPLITS) - set(splits.values()):
        raise SfpipeError(
            f"data set '{dataset}' has too few different tunes: of its {len(usable)} none is left"
            f" for {' and '.join(sorted(empty))}, since those nearly the same stay together",
            remedy="add other melodies",
        )
    chosen = set(take(splits, max_pieces, seed))
    selected = [tune for tune in usable if tune.id in chosen]
    with replacing(out, marker="index.json") as folder:
        _write(folder, declared, selected, splits, report)
    report.done += [tune.id for tune in selected]
    return report


def _tunes(
    dataset: Dataset, params: DownloadParams, mirror: str | None, report: StageReport
) -> list[Tune]:
    if dataset.name == "ryan":
        return ryan_tunes()
    if dataset.name == "nottingham":
        return nottingham_tunes(fetch_files(dataset, mirror=mirror))
    tunes, unreadable = folder_tunes(Path(params.folders[dataset.name].path))
    report.skipped.update(unreadable)
    return tunes


def _first_reason(report: StageReport) -> str:
    if not report.skipped:
        return ""
    piece, reason = next(iter(report.skipped.items()))
    return f" ({len(report.skipped)} left out; the first: {piece}: {reason})"


def _write(
    folder: Path,
    dataset: Dataset,
    tunes: list[Tune],
    splits: dict[str, str],
    report: StageReport,
) -> None:
    folder.mkdir(parents=True)
    pieces = []
    for tune in tunes:
        for name, content in tune.files.items():
            (folder / name).write_bytes(content)
        pieces.append(
            Piece(
                id=tune.id,
                title=tune.title,
                split=splits[tune.id],
                source=tune.source,
                sha256=_digest(tune, tune.source) or "",
                licence=dataset.licence,
                header=tune.header,
                header_sha256=_digest(tune, tune.header),
            )
        )
    rejected = dict(sorted(report.skipped.items()))
    write_index(folder, Index(dataset.name, dataset.licence, dataset.citation, pieces, rejected))


def _write_pieces(
    folder: Path, dataset: Dataset, pieces: list[Piece], files: dict[str, bytes]
) -> None:
    """Pieces whose sources keep their places in the repository, since they include each other."""
    folder.mkdir(parents=True)
    names = {name for p in pieces for name in (p.source, *(p.includes or {}))}
    for name in names | {name for p in pieces for name in p.performances or {}}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(files[name])
    write_index(folder, Index(dataset.name, dataset.licence, dataset.citation, pieces))


def _digest(tune: Tune, name: str | None) -> str | None:
    return None if name is None else hashlib.sha256(tune.files[name]).hexdigest()
