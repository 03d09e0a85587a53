"""Onsets of a score and of a performance, as the files of the stages list them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing


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
    try:
        with open(noteheads, newline="", encoding="utf-8") as file:
            times = [float(r["onset_s"]) for r in csv.DictReader(file) if not int(r["tied"])]
    except FileNotFoundError:
        raise SfpipeError("no such file", file=noteheads, remedy=remedy) from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise SfpipeError(
            f"is not a list of note heads ({error!r})", file=noteheads, remedy=remedy
        ) from None
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
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [(float(r["onset_s"]), int(r["score_onset"])) for r in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise SfpipeError(
            f"is not a list of onsets ({error!r})", file=path, remedy="run the synthesize stage"
        ) from None
    if not rows:
        raise SfpipeError("lists no onsets", file=path, remedy="run the synthesize stage")
    times, indices = zip(*rows, strict=True)
    return np.asarray(times, dtype=np.float64), np.asarray(indices, dtype=np.int32)


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
