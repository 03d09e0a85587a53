"""Reading the HDF5 stores; a foreign, older or damaged file says so in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.store.schema import SCHEMA_VERSION


@dataclass(frozen=True)
class ScoreRecord:
    """One piece of a score store (fields as in `schema.SCORE_DATASETS`)."""

    piece: str
    split: str
    title: str
    strip: np.ndarray
    onset_x_px: np.ndarray
    onset_y_px: np.ndarray
    onset_quarter: np.ndarray
    staff_space_px: float
    px_per_cm: float


@dataclass(frozen=True)
class PerformanceRecord:
    """One performance of a spectrogram store (fields as in `schema.SPECTROGRAM_DATASETS`)."""

    piece: str
    performance: str
    split: str
    spectrogram: np.ndarray
    onset_s: np.ndarray
    score_onset: np.ndarray
    tempo_factor: float
    soundfont: str


@contextmanager
def open_store(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a store for reading and check that it is one.

    Parameters
    ----------
    kind:
        ``scores`` or ``spectrograms``; ``any`` accepts both.

    Raises
    ------
    SfpipeError
        If the file is missing, not HDF5, damaged, of another kind or another schema version.
    """
    stage = "scores" if kind == "scores" else "spectrograms"
    remedy = f"run 'dvc repro {stage}'"
    if not Path(path).is_file():
        raise SfpipeError("no such file", file=path, remedy=remedy)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise SfpipeError(
            f"is not a readable HDF5 file ({error})", file=path, remedy=f"delete it and {remedy}"
        ) from None
    with file:
        found, version = file.attrs.get("kind"), file.attrs.get("schema_version")
        if found is None or version is None:
            raise SfpipeError("is HDF5 but not an sfpipe store", file=path, remedy=remedy)
        if version != SCHEMA_VERSION:
            raise SfpipeError(
                f"has schema version {version}, this sfpipe reads {SCHEMA_VERSION}",
                file=path,
                remedy=f"delete it and {remedy}",
            )
        if kind not in ("any", found):
            raise SfpipeError(
                f"is a store of {found}, expected {kind}", file=path, remedy="swap the two files"
            )
        try:
            yield file
        except (OSError, KeyError, RuntimeError) as error:
            raise SfpipeError(
                f"is damaged ({error})", file=path, remedy=f"delete it and {remedy}"
            ) from None


def read_scores(path: str | Path, split: str | None = None) -> dict[str, ScoreRecord]:
    """All pieces (of one split) of a score store, by name."""
    with open_store(path, "scores") as file:
        records = {}
        for piece, group in file.items():
            attrs = group.attrs
            if split is not None and attrs["split"] != split:
                continue
            records[piece] = ScoreRecord(
                piece,
                str(attrs["split"]),
                str(attrs["title"]),
                group["strip"][()],
                group["onset_x_px"][()],
                group["onset_y_px"][()],
                group["onset_quarter"][()],
                float(attrs["staff_space_px"]),
                float(attrs["px_per_cm"]),
            )
        return records


def read_performances(path: str | Path, split: str | None = None) -> list[PerformanceRecord]:
    """All performances (of one split) of a spectrogram store, sorted by piece and name."""
    with open_store(path, "spectrograms") as file:
        records = []
        for piece, group in file.items():
            if split is not None and group.attrs["split"] != split:
                continue
            for name, sub in group.items():
                records.append(
                    PerformanceRecord(
                        piece,
                        name,
                        str(group.attrs["split"]),
                        sub["spectrogram"][()],
                        sub["onset_s"][()],
                        sub["score_onset"][()],
                        float(sub.attrs["tempo_factor"]),
                        str(sub.attrs["soundfont"]),
                    )
                )
        return records


def describe(path: str | Path) -> dict[str, Any]:
    """What is inside a store: file attributes, counts per split, and one row per dataset."""
    with open_store(path, "any") as file:
        info: dict[str, Any] = {
            k: json.loads(v)
            if k in ("params", "tools", "skipped")
            else (v.item() if hasattr(v, "item") else v)
            for k, v in file.attrs.items()
        }
        splits: dict[str, int] = {}
        rows: list[tuple[str, str, str]] = []
        for _, group in file.items():
            split = str(group.attrs["split"])
            splits[split] = splits.get(split, 0) + 1
        file.visititems(
            lambda name, node: (
                rows.append((name, str(node.shape), str(node.dtype)))
                if isinstance(node, h5py.Dataset)
                else None
            )
        )
        return {**info, "pieces": len(file), "splits": splits, "datasets": rows}
