"""What a piece and a performance must satisfy to be in a store: checked on writing and reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import plain_name
from sfpipe.store.heads import Heads
from sfpipe.store.schema import BINS

SPLITS = ("train", "valid", "test")


def check_names(*names: str) -> None:
    """Check names of pieces and performances: HDF5 would take a slash for a folder.

    Raises
    ------
    SfpipeError
        As `sfpipe.files.plain_name`, since they become names of files.
    """
    try:
        for name in names:
            plain_name(name)
    except ValueError as error:
        raise SfpipeError(str(error), remedy="use letters, digits, '_' and '-'") from None


def check_split(piece: str, split: str) -> None:
    """Check that a split is one of train, valid and test.

    Raises
    ------
    SfpipeError
        If it is not.
    """
    if split not in SPLITS:
        raise SfpipeError(f"{piece}: split is '{split}', expected one of {', '.join(SPLITS)}")


def check_score(
    piece: str,
    strip: np.ndarray,
    onset_x_px: np.ndarray,
    onset_y_px: np.ndarray,
    onset_quarter: np.ndarray,
    **scales: float,
) -> None:
    """Check a piece of a score store against `schema.SCORE_DATASETS`.

    Parameters
    ----------
    scales:
        Attributes that must be positive, by name.

    Raises
    ------
    SfpipeError
        If a shape, dtype or value is not what the schema says.
    """
    if strip.dtype != np.uint8 or strip.ndim != 2 or 0 in strip.shape:
        raise SfpipeError(
            f"{piece}: strip must be uint8 (height, width), found {strip.dtype} {strip.shape}"
        )
    x = check_vector(piece, "onset_x_px", onset_x_px)
    y = check_vector(piece, "onset_y_px", onset_y_px)
    quarter = check_vector(piece, "onset_quarter", onset_quarter)
    if not len(x) == len(y) == len(quarter) > 0:
        raise SfpipeError(
            f"{piece}: {len(x)} x, {len(y)} y, {len(quarter)} onset times; "
            "expected equally many, at least one"
        )
    if x.min() < 0 or x.max() >= strip.shape[1]:
        raise SfpipeError(
            f"{piece}: an onset lies outside the strip (x {x.min():.1f} to "
            f"{x.max():.1f} px, width {strip.shape[1]} px)"
        )
    for name, value in scales.items():
        if not (np.isfinite(value) and value > 0):
            raise SfpipeError(f"{piece}: {name} is {value}, expected a positive number")


def check_heads(piece: str, heads: Heads, n_onsets: int) -> None:
    """Check the note heads of a score store's piece against `schema.HEAD_DATASETS`.

    Raises
    ------
    SfpipeError
        If a shape, dtype or value is not what the schema says.
    """
    columns = [check_vector(piece, f"head_{k}", v) for k, v in heads._asdict().items()]
    onset, _, pitch = columns
    if len({len(c) for c in columns}) > 1 or len(onset) == 0:
        raise SfpipeError(f"{piece}: the note heads' columns differ in length, or are empty")
    if onset.dtype.kind not in "iu" or (np.diff(onset) < 0).any():
        raise SfpipeError(f"{piece}: the onsets of note heads must be integers, not decreasing")
    if not np.array_equal(np.unique(onset), np.arange(n_onsets)):
        raise SfpipeError(f"{piece}: the note heads are not those of {n_onsets} onsets")
    if pitch.dtype.kind not in "iu" or pitch.min() < 0 or pitch.max() > 127:
        raise SfpipeError(f"{piece}: a note head's pitch is not from 0 to 127")


def check_performance(
    name: str, spectrogram: np.ndarray, onset_s: np.ndarray, score_onset: np.ndarray
) -> None:
    """Check a performance of a spectrogram store against `schema.SPECTROGRAM_DATASETS`.

    Raises
    ------
    SfpipeError
        If a shape or value is not what the schema says.
    """
    if spectrogram.ndim != 2 or spectrogram.shape[0] != BINS or spectrogram.shape[1] == 0:
        raise SfpipeError(
            f"{name}: spectrogram must be ({BINS}, frames), found {spectrogram.shape}"
        )
    if spectrogram.dtype.kind != "f" or not np.isfinite(spectrogram).all():
        raise SfpipeError(f"{name}: the spectrogram holds NaN, infinity or what is no number")
    onsets = check_vector(name, "onset_s", onset_s)
    index = check_vector(name, "score_onset", score_onset)
    if len(onsets) == 0 or len(onsets) != len(index):
        raise SfpipeError(f"{name}: {len(onsets)} onset times but {len(index)} score onsets")
    if (np.diff(onsets) < 0).any() or onsets[0] < 0:
        raise SfpipeError(f"{name}: onset times must be non-negative and not decrease")
    if index.dtype.kind not in "iu" or index.min() < 0:
        raise SfpipeError(f"{name}: score onsets must be integers from 0")


def check_piece(piece: str, score: Mapping[str, Any], played: Iterable[Mapping[str, Any]]) -> None:
    """Check a piece and its performances before any of it is stored.

    Parameters
    ----------
    score, played:
        What the stores' ``add`` will be given, but for piece, title and split.

    Raises
    ------
    SfpipeError
        As `check_score` and `check_performance`.
    """
    check_score(
        piece,
        score["strip"],
        *(np.asarray(score[name]) for name in ("onset_x_px", "onset_y_px", "onset_quarter")),
        staff_space_px=score["staff_space_px"],
        px_per_cm=score["px_per_cm"],
    )
    for performance in played:
        check_performance(
            f"{piece}/{performance['performance']}",
            performance["spectrogram"],
            np.asarray(performance["onset_s"]),
            np.asarray(performance["score_onset"]),
        )


def check_vector(name: str, field: str, values: Any) -> np.ndarray:
    """Check that `values` is a vector of finite numbers, and return it.

    Raises
    ------
    SfpipeError
        If it is not.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise SfpipeError(f"{name}: {field} must be one-dimensional, found {array.shape}")
    if array.size and (array.dtype.kind not in "iuf" or not np.isfinite(array).all()):
        raise SfpipeError(f"{name}: {field} holds NaN, infinity or what is no number")
    return array
