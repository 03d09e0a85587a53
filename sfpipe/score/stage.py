"""`scores`: the accepted pieces as unrolled strips with their onsets, in one HDF5 store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sfpipe.engraving.files import read_description, read_images, read_noteheads, read_systems
from sfpipe.engraving.geometry import strip_geometry
from sfpipe.errors import SfpipeError
from sfpipe.parallel import Files, Outcome, StageReport, accepted_pieces, batches, map_pieces
from sfpipe.params import ScoresParams
from sfpipe.score.unroll import Strip, unroll
from sfpipe.store.writer import ScoreStoreWriter, write_scores


def scores(
    params: ScoresParams,
    clean: Path,
    engraved: Path,
    out: Path,
    *,
    dataset: str,
    jobs: int = -1,
    only: Sequence[str] = (),
) -> StageReport:
    """Write the score store `out` with the pieces that `clean` accepted, or those `only`.

    Parameters
    ----------
    jobs:
        Number of processes; -1 is one per core.

    Raises
    ------
    SfpipeError
        If `clean` (the JSON file) is missing or damaged, or no piece could be unrolled.
    """
    split_of = dict(sorted(accepted_pieces(clean, only).items()))
    report = StageReport()
    tools = _tools(engraved / piece for piece in split_of)
    folders = [engraved / piece for piece in split_of]
    unrolled = partial(unroll_piece, height_px=params.strip_px)
    files = Files[Path](needed=lambda folder: [folder])
    made_with = params.model_dump(exclude={"shard_mib"})
    with write_scores(
        out, dataset=dataset, params=made_with, tools=tools, shard_mib=params.shard_mib
    ) as store:
        for label, batch in batches("scores", folders):
            for outcome in map_pieces(unrolled, batch, label=label, jobs=jobs, files=files):
                _store(store, report, outcome, split_of[outcome.item.name])
        report.require_done(
            "not one piece could be unrolled",
            file=engraved,
            none="none was accepted",
            remedy="run: sfpipe clean",
        )
    return report


def _store(
    store: ScoreStoreWriter, report: StageReport, outcome: Outcome[Path], split: str
) -> None:
    piece, error = outcome.item.name, outcome.error
    if error is None:
        strip, about = outcome.value
        try:
            add_strip(store, piece, split, str(about["title"]), strip, about)
            report.done.append(piece)
            return
        except SfpipeError as bad:
            error = str(bad)
    report.skipped[piece] = error
    store.skip(piece, error)


def add_strip(
    store: ScoreStoreWriter,
    piece: str,
    split: str,
    title: str,
    strip: Strip,
    about: dict[str, Any],
) -> None:
    """Add an unrolled piece to a store.

    Parameters
    ----------
    strip, about:
        As `unroll_piece` returns them.
    """
    store.add(
        piece,
        split=split,
        title=title,
        strip=strip.image,
        onset_x_px=strip.onset_x_px,
        onset_y_px=strip.onset_y_px,
        onset_quarter=strip.onset_quarter,
        staff_space_px=float(about["staff_space_px"]),
        px_per_cm=float(about["px_per_cm"]),
        heads=strip.heads,
    )


def unroll_piece(folder: Path, height_px: int | None) -> tuple[Strip, dict]:
    """The strip of one engraved piece and its description (``engraving.json``).

    Parameters
    ----------
    height_px:
        Of the strip; None: that of the paper's data set of this kind.

    Raises
    ------
    SfpipeError
        If files are missing or damaged, or heads lie outside the strip.
    """
    about = read_description(folder)
    systems = read_systems(folder)
    images = read_images(folder, systems)
    height, window = strip_geometry(about, height_px)
    return unroll(systems, images, read_noteheads(folder), height, window=window), about


def _tools(folders: Iterable[Path]) -> dict[str, str]:
    """This package, and what the pieces say that they were engraved with."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        with suppress(SfpipeError):  # said when the piece is unrolled
            about = read_description(folder)
            found.setdefault(str(about.get("engine")), set()).add(str(about.get("version")))
    engines = {engine: ", ".join(sorted(versions)) for engine, versions in found.items()}
    return {"sfpipe": version("sfpipe"), **engines}
