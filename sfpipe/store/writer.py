"""Writing the HDF5 stores: checked against the schema, complete or not there at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing
from sfpipe.store.heads import Heads
from sfpipe.store.patient_file import PatientFile
from sfpipe.store.schema import FPS, HEAD_DATASETS, SCHEMA_VERSION
from sfpipe.store.shards import ShardedFile, remove_shards
from sfpipe.store.validation import (
    check_heads,
    check_names,
    check_performance,
    check_score,
    check_split,
)

# HDF5's own filters. With its checksums a flipped bit is an error, not another number.
CHECKED: dict[str, Any] = {"fletcher32": True}
SMALL: dict[str, Any] = CHECKED | {"shuffle": True, "compression": "gzip", "compression_opts": 4}
VERSIONS = ("v110", "v110")  # of HDF5's format: h5py as old as pyproject.toml allows reads it


class _StoreFile(h5py.File):
    raw: PatientFile


class _StoreWriter:
    """What is left out of a store, and arrays with a checksum.

    `filters`: HDF5's, for all arrays but strips, which are always compressed.
    """

    def __init__(self, file: h5py.File, filters: dict[str, Any] = CHECKED):
        self._file = file
        self._filters = filters
        self._skipped: dict[str, str] = {}

    def skip(self, piece: str, reason: str) -> None:
        """Record in the store that a piece is left out, and why."""
        self._skipped[piece] = reason

    def close(self) -> None:
        """Write what was left out: the last thing that happens to a store."""
        skipped = json.loads(self._file.attrs.get("skipped", "{}"))
        self._file.attrs["skipped"] = json.dumps(skipped | self._skipped)

    def _put(
        self, group: h5py.Group, name: str, values: np.ndarray, filters: dict[str, Any]
    ) -> h5py.Dataset:
        if (raw := getattr(self._file, "raw", None)) is not None and raw.error is not None:
            raise raw.error
        # One chunk: an array is read as a whole or not at all.
        return group.create_dataset(name, data=values, chunks=values.shape, **filters)


class ScoreStoreWriter(_StoreWriter):
    """Adds strips and their onset maps to a score store."""

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
        arrays: dict[str, np.ndarray] = {
            "onset_x_px": np.asarray(onset_x_px, np.float32),
            "onset_y_px": np.asarray(onset_y_px, np.float32),
            "onset_quarter": np.asarray(onset_quarter, np.float64),
            **dict(zip(HEAD_DATASETS, heads or (), strict=heads is not None)),
        }
        self._put(group, "strip", strip, SMALL)
        for name, values in arrays.items():
            self._put(group, name, values, self._filters)


class SpectrogramStoreWriter(_StoreWriter):
    """Adds spectrograms and performed onsets to a spectrogram store.

    `step`: above 0, spectrograms are rounded to multiples of it.
    """

    def __init__(self, file: h5py.File, filters: dict[str, Any] = CHECKED, step: float = 0.0):
        super().__init__(file, filters)
        self._step = step

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
        estimated: bool = False,
        confidence: float = 1.0,
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
        condition, simulated, aligned, estimated, confidence:
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
        if estimated:
            sub.attrs.update(estimated=True, confidence=float(confidence))
        stored = quantised(spec, self._step) if self._step else spec.astype(np.float32)
        node = self._put(sub, "spectrogram", stored, self._filters)
        if self._step:
            node.attrs["step"] = float(self._step)
        self._put(sub, "onset_s", np.asarray(onset_s, np.float64), self._filters)
        self._put(sub, "score_onset", np.asarray(score_onset, np.int32), self._filters)


def quantised(values: np.ndarray, step: float) -> np.ndarray:
    """Nearest multiples of `step`: uint8 where they fit, else uint16 (same shape).

    Raises
    ------
    SfpipeError
        If a value is negative, no number, or more than 65,535 steps.
    """
    steps = np.rint(np.asarray(values, np.float64) / step)
    low, high = float(steps.min()), float(steps.max())
    if not (low >= 0 and high <= np.iinfo(np.uint16).max):
        raise SfpipeError(
            f"values from {low * step:g} to {high * step:g} are no multiples of {step:g} up to "
            f"{np.iinfo(np.uint16).max}",
            remedy="give a larger --step, or 0 to keep every bit",
        )
    return steps.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


@contextmanager
def write_scores(path: str | Path, **about: Any) -> Iterator[ScoreStoreWriter]:
    """Open a score store for writing; `about` as `open_new`."""
    with open_new(path, "scores", **about) as file, closing(ScoreStoreWriter(file)) as writer:
        yield writer


@contextmanager
def write_spectrograms(path: str | Path, **about: Any) -> Iterator[SpectrogramStoreWriter]:
    """Open a spectrogram store for writing; `about` as `open_new`."""
    with (
        open_new(path, "spectrograms", **about) as file,
        closing(SpectrogramStoreWriter(file)) as writer,
    ):
        yield writer


@contextmanager
def open_new(
    path: str | Path,
    kind: str,
    *,
    dataset: str,
    params: Mapping[str, Any],
    tools: Mapping[str, str],
    shard_mib: int | None = None,
) -> Iterator[h5py.File | ShardedFile]:
    """An HDF5 file that appears under `path`, complete, only when the block succeeds.

    Parameters
    ----------
    kind, dataset, params, tools:
        Attributes of the file, see `schema.FILE_ATTRS`.
    shard_mib:
        Size from which on a file is complete and another begins (`sfpipe.store.shards`); None:
        there is but one.
    """
    path = Path(path)
    about = {
        "kind": kind,
        "schema_version": SCHEMA_VERSION,
        "dataset": dataset,
        "params": json.dumps(params, sort_keys=True),
        "tools": json.dumps(tools, sort_keys=True),
    }

    @contextmanager
    def create(shard: Path) -> Iterator[h5py.File]:
        with _new_file(shard) as file:
            file.attrs.update(about | {"skipped": "{}", "shard_of": path.name})
            yield file

    with replacing(path) as temporary, _new_file(temporary) as file:
        file.attrs.update(about)
        if shard_mib is None:
            yield file
        else:
            with ShardedFile(path, file, shard_mib << 20, create) as sharded:
                yield sharded
    if shard_mib is None:
        remove_shards(path)


@contextmanager
def _new_file(path: Path) -> Iterator[_StoreFile]:
    with PatientFile(path) as raw, _StoreFile(raw, "w", libver=VERSIONS) as file:
        file.raw = raw
        yield file
