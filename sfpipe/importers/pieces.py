"""What all importers of preprocessed data share: both stores are written piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sfpipe.audio.spectrogram import spectrogram
from sfpipe.datasets.catalogue import recognise
from sfpipe.errors import SfpipeError
from sfpipe.parallel import StageReport, map_pieces
from sfpipe.store.schema import SAMPLE_RATE
from sfpipe.store.validation import check_piece
from sfpipe.store.writer import write_scores, write_spectrograms

PX_PER_CM = 1 / 0.035277778  # as the 2019 authors count: 72 px per inch (section 5)
BATCH = 64  # pieces held in memory at once
MANY = 100_000  # files looked at, to tell what else a folder is

# What the two stores' `add` are given, but for piece, title and split.
Made = tuple[dict[str, Any], list[dict[str, Any]]]


def import_pieces(
    read: Callable[[str], Made],
    splits: Mapping[str, str],
    scores_out: Path,
    spectrograms_out: Path,
    about: Mapping[str, Any],
    *,
    folder: Path,
    remedy: str,
    skipped: Mapping[str, str] | None = None,
    jobs: int = -1,
) -> StageReport:
    """Read pieces in parallel into both stores; what cannot be used is listed with the reason.

    Parameters
    ----------
    read:
        Makes a piece of its name; an `SfpipeError` leaves it out.
    splits:
        Piece -> split.
    about:
        `dataset`, `params` and `tools` of both stores.
    folder, remedy:
        What is imported, and what helps if not one piece is usable.
    skipped:
        Pieces that are left out from the start, with the reason.

    Raises
    ------
    SfpipeError
        If not one piece is usable.
    """
    report = StageReport(skipped=dict(skipped or {}))
    pieces = list(splits)
    with (
        write_scores(scores_out, **about) as scores,
        write_spectrograms(spectrograms_out, **about) as played,
    ):
        for start in range(0, len(pieces), BATCH):
            batch = pieces[start : start + BATCH]
            for outcome in map_pieces(read, batch, label="import", jobs=jobs):
                piece = outcome.item
                if outcome.error is not None:
                    report.skipped[piece] = outcome.error
                    continue
                score, performances = outcome.value
                scores.add(piece, split=splits[piece], title=piece, **score)
                for performance in performances:
                    played.add(piece, split=splits[piece], **performance)
                report.done.append(piece)
        for piece, reason in report.skipped.items():
            scores.skip(piece, reason)
            played.skip(piece, reason)
        report.require_done("not one piece is usable", file=folder, remedy=remedy)
    return report


def check_made(piece: str, score: dict[str, Any], performances: list[dict[str, Any]]) -> Made:
    """A piece as `import_pieces` takes it, checked before any of it is stored."""
    check_piece(piece, score, performances)
    return score, performances


def describe_performance(
    name: str, samples: np.ndarray, onset_s: np.ndarray, score_onset: np.ndarray
) -> dict[str, Any]:
    """What the store is given of a recording.

    Raises
    ------
    SfpipeError
        If there is no onset, or the last one lies behind the end.
    """
    seconds = len(samples) / SAMPLE_RATE
    if len(onset_s) == 0 or onset_s[-1] >= seconds:
        raise SfpipeError(f"the last onset lies behind the end of the audio ({seconds:.1f} s)")
    return {
        "performance": name,
        "spectrogram": spectrogram(samples, SAMPLE_RATE),
        "onset_s": onset_s,
        "score_onset": score_onset,
        "duration_s": seconds,
    }


def other_layout(folder: Path, expected: str, remedy: str) -> SfpipeError:
    """The error for a folder that is not in the expected layout, naming the one that it is in."""
    other = recognise(str(p.relative_to(folder)) for p in islice(folder.rglob("*"), MANY))
    return SfpipeError(
        f"expected {expected}" + (f", found {other.name}" if other else ""),
        file=folder,
        remedy=other.use if other else remedy,
    )
