"""Writing the HDF5 stores: checked against the schema, complete or not there at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.schema import BINS, SCHEMA_VERSION


class ScoreStoreWriter:
    """Adds strips and their onset maps to a score store."""

    def __init__(self, file: h5py.File):
        self._file = file
        self._skipped: dict[str, str] = {}

    def add(
        self,
        piece: str,
        *,
        split: str,
        strip: np.ndarray,
        onset_x_px: np.ndarray,
        onset_y_px: np.ndarray,
        onset_quarter: np.ndarray,
        staff_space_px: float,
        px_per_cm: float,
        title: str = "",
    ) -> None:
        """Add one piece.

        Parameters
        ----------
        strip:
            uint8 [shape=(height, width)], grey values, paper 255.
        onset_x_px, onset_y_px:
            float [shape=(n_onsets,)], note-head centre per score onset, px in the strip.
        onset_quarter:
            float [shape=(n_onsets,)], quarter notes.

        Raises
        ------
        SfpipeError
            If a shape, dtype or value is not what the schema says.
        """
        strip = np.asarray(strip)
        x = _vector(piece, "onset_x_px", onset_x_px, np.float32)
        y = _vector(piece, "onset_y_px", onset_y_px, np.float32)
        quarter = _vector(piece, "onset_quarter", onset_quarter, np.float64)
        if strip.dtype != np.uint8 or strip.ndim != 2 or 0 in strip.shape:
            raise SfpipeError(
                f"{piece}: strip must be uint8 (height, width), found {strip.dtype} {strip.shape}"
            )
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
        group = self._file.create_group(piece)
        group.attrs.update(
            split=split,
            title=title,
            staff_space_px=float(staff_space_px),
            px_per_cm=float(px_per_cm),
        )
        group.create_dataset("strip", data=strip, compression="gzip", compression_opts=4)
        group.create_dataset("onset_x_px", data=x)
        group.create_dataset("onset_y_px", data=y)
        group.create_dataset("onset_quarter", data=quarter)

    def skip(self, piece: str, reason: str) -> None:
        """Record in the store that a piece is left out, and why."""
        self._skipped[piece] = reason


class SpectrogramStoreWriter:
    """Adds spectrograms and performed onsets to a spectrogram store."""

    def __init__(self, file: h5py.File):
        self._file = file
        self._skipped: dict[str, str] = {}

    def add(
        self,
        piece: str,
        performance: str,
        *,
        split: str,
        spectrogram: np.ndarray,
        onset_s: np.ndarray,
        score_onset: np.ndarray,
        tempo_factor: float = 1.0,
        soundfont: str = "",
        duration_s: float | None = None,
    ) -> None:
        """Add one performance of a piece.

        Parameters
        ----------
        spectrogram:
            float32 [shape=(78, n_frames)], unpadded.
        onset_s:
            float [shape=(n_played,)], performed onsets in s, not decreasing.
        score_onset:
            int [shape=(n_played,)], index of each into the piece's ``onset_x_px``.

        Raises
        ------
        SfpipeError
            If a shape or value is not what the schema says.
        """
        name = f"{piece}/{performance}"
        spec = np.asarray(spectrogram, dtype=np.float32)
        onsets = _vector(name, "onset_s", onset_s, np.float64)
        index = np.asarray(score_onset, dtype=np.int32)
        if spec.ndim != 2 or spec.shape[0] != BINS or spec.shape[1] == 0:
            raise SfpipeError(f"{name}: spectrogram must be ({BINS}, frames), found {spec.shape}")
        if not np.isfinite(spec).all():
            raise SfpipeError(f"{name}: the spectrogram holds NaN or infinity")
        if len(onsets) == 0 or len(onsets) != len(index):
            raise SfpipeError(f"{name}: {len(onsets)} onset times but {len(index)} score onsets")
        if (np.diff(onsets) < 0).any() or onsets[0] < 0:
            raise SfpipeError(f"{name}: onset times must be non-negative and not decrease")
        group = self._file.require_group(piece)
        group.attrs["split"] = split
        sub = group.create_group(performance)
        sub.attrs.update(
            tempo_factor=float(tempo_factor),
            soundfont=soundfont,
            duration_s=float(spec.shape[1] / 20 if duration_s is None else duration_s),
        )
        sub.create_dataset("spectrogram", data=spec)
        sub.create_dataset("onset_s", data=onsets)
        sub.create_dataset("score_onset", data=index)

    def skip(self, piece: str, reason: str) -> None:
        """Record in the store that a piece is left out, and why."""
        self._skipped[piece] = reason


@contextmanager
def write_scores(
    path: str | Path, *, dataset: str, params: Mapping[str, Any], tools: Mapping[str, str]
) -> Iterator[ScoreStoreWriter]:
    """Open a score store for writing; it appears under `path` only when the block succeeds."""
    with _open(path, "scores", dataset, params, tools) as file:
        writer = ScoreStoreWriter(file)
        yield writer
        file.attrs["skipped"] = json.dumps(writer._skipped)


@contextmanager
def write_spectrograms(
    path: str | Path, *, dataset: str, params: Mapping[str, Any], tools: Mapping[str, str]
) -> Iterator[SpectrogramStoreWriter]:
    """Open a spectrogram store for writing; it appears only when the block succeeds."""
    with _open(path, "spectrograms", dataset, params, tools) as file:
        writer = SpectrogramStoreWriter(file)
        yield writer
        file.attrs["skipped"] = json.dumps(writer._skipped)


@contextmanager
def _open(
    path: str | Path, kind: str, dataset: str, params: Mapping[str, Any], tools: Mapping[str, str]
) -> Iterator[h5py.File]:
    with replacing(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        file.attrs.update(
            kind=kind,
            schema_version=SCHEMA_VERSION,
            dataset=dataset,
            params=json.dumps(params, sort_keys=True),
            tools=json.dumps(tools, sort_keys=True),
        )
        yield file


def _vector(name: str, field: str, values: Any, dtype: type) -> np.ndarray:
    array: np.ndarray = np.asarray(values, dtype=dtype)
    if array.ndim != 1:
        raise SfpipeError(f"{name}: {field} must be one-dimensional, found {array.shape}")
    if not np.isfinite(array).all():
        raise SfpipeError(f"{name}: {field} holds NaN or infinity")
    return array
