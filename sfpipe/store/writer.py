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
from sfpipe.store.heads import Heads
from sfpipe.store.schema import FPS, HEAD_DATASETS, SCHEMA_VERSION
from sfpipe.store.validation import (
    check_heads,
    check_names,
    check_performance,
    check_score,
    check_split,
)


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
        heads: Heads | None = None,
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
        heads:
            Every note head, where the source tells.

        Raises
        ------
        SfpipeError
            If a shape, dtype or value is not what the schema says, or the piece is there already.
        """
        strip = np.asarray(strip)
        check_names(piece)
        check_split(piece, split)
        check_score(
            piece,
            strip,
            np.asarray(onset_x_px),
            np.asarray(onset_y_px),
            np.asarray(onset_quarter),
            staff_space_px=staff_space_px,
            px_per_cm=px_per_cm,
        )
        if heads is not None:
            check_heads(piece, heads, len(np.asarray(onset_x_px)))
            heads = Heads.of(*heads)
        if piece in self._file:
            raise SfpipeError(f"piece '{piece}' is there twice")
        group = self._file.create_group(piece)
        group.attrs.update(
            split=split,
            title=title,
            staff_space_px=float(staff_space_px),
            px_per_cm=float(px_per_cm),
        )
        group.create_dataset("strip", data=strip, compression="gzip", compression_opts=4)
        group.create_dataset("onset_x_px", data=np.asarray(onset_x_px, np.float32))
        group.create_dataset("onset_y_px", data=np.asarray(onset_y_px, np.float32))
        group.create_dataset("onset_quarter", data=np.asarray(onset_quarter, np.float64))
        if heads is not None:
            for name, values in zip(HEAD_DATASETS, heads, strict=True):
                group.create_dataset(name, data=values)

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
        condition: str = "",
        simulated: bool = False,
        aligned: bool = True,
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
        condition, simulated, aligned:
            Of a human performance, see `sfpipe.store.reader.PerformanceRecord`.

        Raises
        ------
        SfpipeError
            If a shape or value is not what the schema says, or it is there already.
        """
        name = f"{piece}/{performance}"
        spec = np.asarray(spectrogram)
        check_names(piece, performance)
        check_split(piece, split)
        check_performance(name, spec, np.asarray(onset_s), np.asarray(score_onset))
        group = self._file.require_group(piece)
        if performance in group:
            raise SfpipeError(f"performance '{name}' is there twice")
        if group.attrs.setdefault("split", split) != split:
            raise SfpipeError(f"{name}: split is {split}, of others {group.attrs['split']}")
        sub = group.create_group(performance)
        sub.attrs.update(
            tempo_factor=float(tempo_factor),
            soundfont=soundfont,
            duration_s=float(spec.shape[1] / FPS if duration_s is None else duration_s),
        )
        if condition:
            sub.attrs.update(condition=condition, simulated=simulated, aligned=aligned)
        sub.create_dataset("spectrogram", data=spec.astype(np.float32))
        sub.create_dataset("onset_s", data=np.asarray(onset_s, np.float64))
        sub.create_dataset("score_onset", data=np.asarray(score_onset, np.int32))

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
