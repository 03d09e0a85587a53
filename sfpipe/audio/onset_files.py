"""Onsets of a score and of a performance, as the files of the stages list them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import read_rows, replacing


def score_onsets(noteheads: Path) -> np.ndarray:
    """Distinct onset times of the struck (not tied) note heads of an engraved piece.

    Returns
    -------
    np.ndarray [shape=(n_onsets,), dtype=float64]
        s at the score's own tempo, increasing.

    Raises
    ------
    SfpipeError
        If the list is missing or is not what `engrave` writes.
    """
    remedy = "run the engrave stage"
    with read_rows(noteheads, remedy=remedy) as rows:
        times = [float(row["onset_s"]) for row in rows if not int(row["tied"])]
    onsets = np.unique(np.asarray(times, dtype=np.float64))
    if len(onsets) == 0 or not np.isfinite(onsets).all() or onsets[0] < 0:
        raise SfpipeError("has no onsets, or impossible ones", file=noteheads, remedy=remedy)
    return onsets


def read_onsets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Performed onsets in s and the score onset of each, from the CSV beside a recording.

    Raises
    ------
    SfpipeError
        If the file is missing, lists none or is no such list.
    """
    remedy = "run the synthesize stage"
    with read_rows(path, remedy=remedy) as rows:
        read = [(float(row["onset_s"]), int(row["score_onset"])) for row in rows]
        times = np.array([time for time, _ in read], dtype=np.float64)
        indices = np.array([index for _, index in read], dtype=np.int32)
    if not len(times):
        raise SfpipeError("lists no onsets", file=path, remedy=remedy)
    return times, indices


def write_onsets(
    path: Path,
    onset_s: np.ndarray,
    score_onset: np.ndarray | None = None,
    turn: np.ndarray | None = None,
) -> None:
    """Write performed onsets (s) with the score onset of each, and its pass if it is known.

    Parameters
    ----------
    score_onset:
        None: they are all, in order.
    """
    indices = range(len(onset_s)) if score_onset is None else score_onset
    columns = [[f"{time:.6f}" for time in onset_s], [str(int(index)) for index in indices]]
    names = ["onset_s", "score_onset"]
    if turn is not None:
        columns.append([str(int(number)) for number in turn])
        names.append("pass")
    rows = [",".join(row) + "\n" for row in zip(*columns, strict=True)]
    with replacing(path) as temporary:
        temporary.write_text(",".join(names) + "\n" + "".join(rows), "utf-8")
