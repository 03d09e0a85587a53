"""Reading the HDF5 stores; a foreign, older or damaged file says so in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.store.heads import Heads
from sfpipe.store.schema import FILE_ATTRS, HEAD_DATASETS, HUMAN, PACKED, SCHEMA_VERSION
from sfpipe.store.shards import SHARDS, Shards, shard_paths
from sfpipe.store.validation import check_heads, check_names, check_performance, check_score

MOST_BYTES = 1 << 28  # of one array: two days of sound
MOST_GROWTH = 1100  # by which HDF5's deflate shrinks an array at most


@dataclass(frozen=True)
class ScoreRecord:
    """One piece of a score store (fields as in `schema.SCORE_DATASETS`).

    `heads` are its note heads, where the store has them.
    """

    piece: str
    split: str
    title: str
    strip: np.ndarray
    onset_x_px: np.ndarray
    onset_y_px: np.ndarray
    onset_quarter: np.ndarray
    staff_space_px: float
    px_per_cm: float
    heads: Heads | None = None


@dataclass(frozen=True)
class PerformanceRecord:
    """One performance of a spectrogram store (fields as in `schema.SPECTROGRAM_DATASETS`).

    Of human performances, `condition` says how the music got to the microphone
    (`sfpipe.real_performances`;
    empty: not said), and `simulated` that this was computed. Of one that is not `aligned` only
    the first and the last sound are known, as its two onsets. `estimated` onsets are from the sound
    alone (`sfpipe.real_performances.sound_alignment`); `confidence` in them is from 0 to 1.
    """

    piece: str
    performance: str
    split: str
    spectrogram: np.ndarray
    onset_s: np.ndarray
    score_onset: np.ndarray
    tempo_factor: float
    soundfont: str
    condition: str = ""
    simulated: bool = False
    aligned: bool = True
    estimated: bool = False
    confidence: float = 1.0


@contextmanager
def open_store(path: str | Path, kind: str) -> Iterator[h5py.File]:
    """Open a store for reading and check that it is one.

    Of a store in several files (`sfpipe.store.shards`) all pieces are there as if it were one.

    Parameters
    ----------
    kind:
        ``scores`` or ``spectrograms``, which a packed file holds both; ``any`` accepts all.

    Raises
    ------
    SfpipeError
        If the file is missing, not HDF5, damaged, of another kind or another schema version.
    """
    with ExitStack() as opened, _opened(Path(path), kind) as file:
        if SHARDS not in file.attrs:
            yield file
            return
        with reading(path, kind):
            paths = shard_paths(Path(path), file)
            shards = [opened.enter_context(_opened(shard, kind)) for shard in paths]
            other = [s for s in shards if s.attrs["params"] != file.attrs["params"]]
            if other or any(SHARDS in shard.attrs for shard in shards):
                raise SfpipeError("its shards were not written with it")
            yield Shards(file.attrs, shards)


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[h5py.File]:
    """One file."""
    remedy = _how_to_make(path, kind)
    if not Path(path).is_file():
        raise SfpipeError("no such file", file=path, remedy=remedy)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if _NEWER.search(str(error)):
            raise _newer(path, error, remedy) from None
        stores = "name a store, e.g. data/scores/ryan.h5 or data/spectrograms/ryan.h5"
        raise SfpipeError(
            f"is not a readable HDF5 file ({error})",
            file=path,
            remedy=stores if kind == "any" else f"if it is to be: {remedy}",
        ) from None
    with file:
        with _blaming(path, remedy):
            if file.attrs.get("kind") == PACKED:
                remedy = "run: sfpipe pack"
        with _blaming(path, remedy):
            _check_header(file, kind, remedy)
            check_names(*file)
            _check_links(file)
            yield file


def _check_header(file: h5py.File, kind: str, remedy: str) -> None:
    present, version = file.attrs.get("kind"), file.attrs.get("schema_version")
    if present is None or version is None:
        raise SfpipeError("is HDF5 but not an sfpipe store", remedy=remedy)
    if version != SCHEMA_VERSION:
        raise SfpipeError(f"has schema version {version}, this sfpipe reads {SCHEMA_VERSION}")
    if kind not in ("any", present) and present != PACKED:
        raise SfpipeError(f"is a store of {present}, expected {kind}", remedy="swap the two files")
    absent = [name for name in FILE_ATTRS if name not in file.attrs]
    if absent:
        raise SfpipeError(f"is damaged (lacks '{absent[0]}')")


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """Say of what goes wrong in this block that it is the store at `path`, opened before.

    For blocks in which another store is open, too.

    Raises
    ------
    SfpipeError
        As `open_store`.
    """
    with _blaming(path, _how_to_make(Path(path), kind)):
        yield


@contextmanager
def _blaming(path: str | Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except SfpipeError as error:
        if error.file is not None:
            raise  # what is wrong is another file
        raise SfpipeError(
            error.what, file=path, remedy=error.remedy or f"make it again: {remedy}"
        ) from None
    except _DAMAGE as error:
        if _NEWER.search(str(error)):
            raise _newer(path, error, remedy) from None
        raise SfpipeError(
            f"is damaged ({error})", file=path, remedy=f"make it again: {remedy}"
        ) from None


# What h5py raises when a file's bytes or nodes are not what they were.
_DAMAGE = (
    *(OSError, EOFError, LookupError, AttributeError, RuntimeError, TypeError, ValueError),
    *(ArithmeticError, MemoryError),
)
# What HDF5 says of parts in a format that came after it: "bad superblock version number", ...
_NEWER = re.compile("(?i)(bad|wrong|invalid|unknown).* version|version out of bounds")


def _newer(path: str | Path, error: Exception, remedy: str) -> SfpipeError:
    return SfpipeError(
        f"has a newer format than HDF5 {h5py.version.hdf5_version} reads ({error})",
        file=path,
        remedy=f"pip install --upgrade h5py; if that does not help, make it again: {remedy}",
    )


def _how_to_make(path: Path, kind: str) -> str:
    """The command that makes a store (`sfpipe.paths` says where each is)."""
    if path.name == HUMAN:
        return f"run: sfpipe performances --dataset {path.parent.name}"
    scores = kind == "scores" or path.parent.name == "scores"
    if not scores and (path.parent.parent / "real" / path.stem / HUMAN).is_file():
        return "its performances are human: evaluate, page and watch take --real-performances"
    return f"run 'dvc repro {'scores' if scores else 'spectrograms'}'"


def read_scores(
    path: str | Path, split: str | None = None, pieces: Collection[str] | None = None
) -> dict[str, ScoreRecord]:
    """All pieces (of one split, or only some) of a score store, by name.

    Raises
    ------
    SfpipeError
        As `open_store`, or if an array is not what the schema says.
    """
    with open_store(path, "scores") as file:
        return {
            piece: score_record(group, piece)
            for piece, group in file.items()
            if split is None or group.attrs["split"] == split
            if pieces is None or piece in pieces
        }


def score_record(group: h5py.Group, piece: str, *, outline: bool = False) -> ScoreRecord:
    """One piece of an open score store or packed file, checked.

    Parameters
    ----------
    outline:
        Leave the strip's pixels on disk: it has its shape, and zeros that take no memory.

    Raises
    ------
    SfpipeError
        If an array is not what the schema says.
    """
    attrs = group.attrs
    record = ScoreRecord(
        piece,
        str(attrs["split"]),
        str(attrs["title"]),
        _array(group, "strip", outline=outline),
        _array(group, "onset_x_px"),
        _array(group, "onset_y_px"),
        _array(group, "onset_quarter"),
        float(attrs["staff_space_px"]),
        float(attrs["px_per_cm"]),
        _heads(group),
    )
    check_score(
        piece,
        record.strip,
        record.onset_x_px,
        record.onset_y_px,
        record.onset_quarter,
        staff_space_px=record.staff_space_px,
        px_per_cm=record.px_per_cm,
    )
    if record.heads is not None:
        check_heads(piece, record.heads, len(record.onset_x_px))
    return record


def dataset_of(path: str | Path) -> str:
    """Name of the data set that a store holds.

    Raises
    ------
    SfpipeError
        As `open_store`.
    """
    with open_store(path, "any") as file:
        return str(file.attrs["dataset"])


def augmentation(path: str | Path) -> dict[str, Any] | None:
    """``synthesize.augment`` as it was when a spectrogram store's audio was made.

    None of stores in which it was not recorded, or that were not made by `spectrograms`.

    Raises
    ------
    SfpipeError
        As `open_store`.
    """
    with open_store(path, "spectrograms") as file:
        params = json.loads(file.attrs["params"])
        own = params.get("spectrograms", params)  # packed: those of both stores
        return own.get("augment")


def strip_height(path: str | Path) -> int:
    """Height in px of the lowest strip of a score store.

    Raises
    ------
    SfpipeError
        As `open_store`, or if it holds no strips.
    """
    with open_store(path, "scores") as file:
        heights = [int(group["strip"].shape[0]) for group in file.values()]
        if not heights:
            raise SfpipeError("holds no strips", file=path, remedy="run 'dvc repro scores'")
        return min(heights)


def list_pieces(path: str | Path) -> set[str]:
    """The names of a score store's pieces.

    Raises
    ------
    SfpipeError
        As `open_store`.
    """
    with open_store(path, "scores") as file:
        return set(file)


def list_performances(path: str | Path, split: str | None = None) -> dict[str, list[str]]:
    """The names of a spectrogram store's performances (of one split) by piece, both sorted.

    Raises
    ------
    SfpipeError
        As `open_store`.
    """
    with open_store(path, "spectrograms") as file:
        return {
            piece: sorted(group)
            for piece, group in sorted(file.items())
            if split is None or group.attrs["split"] == split
        }


def read_performances(
    path: str | Path, split: str | None = None, pieces: Collection[str] | None = None
) -> list[PerformanceRecord]:
    """All performances (of one split, of some pieces) of a spectrogram store, sorted by name.

    Raises
    ------
    SfpipeError
        As `open_store`, or if an array is not what the schema says.
    """
    with open_store(path, "spectrograms") as file:
        return [
            performance_record(sub, piece, name, str(group.attrs["split"]))
            for piece, group in file.items()
            if split is None or group.attrs["split"] == split
            if pieces is None or piece in pieces
            for name, sub in group.items()
            if isinstance(sub, h5py.Group)  # a packed piece has its strip beside them
        ]


def performance_record(
    group: h5py.Group, piece: str, performance: str, split: str, *, outline: bool = False
) -> PerformanceRecord:
    """One performance of an open spectrogram store or packed file, checked.

    Parameters
    ----------
    outline:
        Leave the spectrogram on disk: it has its shape, and zeros that take no memory.

    Raises
    ------
    SfpipeError
        If an array is not what the schema says.
    """
    condition = str(group.attrs.get("condition", ""))
    check_names(performance, condition or performance)
    record = PerformanceRecord(
        piece,
        performance,
        split,
        _array(group, "spectrogram", outline=outline),
        _array(group, "onset_s"),
        _array(group, "score_onset"),
        float(group.attrs["tempo_factor"]),
        str(group.attrs["soundfont"]),
        condition,
        bool(group.attrs.get("simulated", False)),
        bool(group.attrs.get("aligned", True)),
        bool(group.attrs.get("estimated", False)),
        float(group.attrs.get("confidence", 1.0)),
    )
    check_performance(
        f"{piece}/{performance}", record.spectrogram, record.onset_s, record.score_onset
    )
    return record


def _heads(group: h5py.Group) -> Heads | None:
    if not any(name in group for name in HEAD_DATASETS):
        return None
    return Heads(*(_array(group, name) for name in HEAD_DATASETS))


def _array(group: h5py.Group, name: str, *, outline: bool = False) -> np.ndarray:
    _check_link(group, name)
    node = group[name]
    if not isinstance(node, h5py.Dataset):
        raise SfpipeError(f"{group.name}/{name} is no array")
    _check_size(node)
    if outline:
        dtype = node.dtype if "step" not in node.attrs else np.float32
        return np.broadcast_to(np.zeros((), dtype), node.shape)
    values, step = np.asarray(node[()]), node.attrs.get("step")
    return values if step is None else (values * np.float64(step)).astype(np.float32)


def _check_size(node: h5py.Dataset) -> None:
    """Look at what an array asks for before it is read."""
    if node.dtype.kind not in "iuf":
        raise SfpipeError(f"{node.name} holds {node.dtype}, expected numbers")
    if node.external or node.is_virtual:
        raise SfpipeError(f"{node.name} has its content in another file")
    if node.nbytes > MOST_BYTES:
        raise SfpipeError(f"{node.name} has {node.nbytes >> 20:,} MiB, at most {MOST_BYTES >> 20}")
    if node.nbytes > MOST_GROWTH * node.id.get_storage_size():
        raise SfpipeError(f"{node.name} promises {node.nbytes:,} bytes, which are not there")


def _check_link(group: h5py.Group, name: str) -> None:
    """A name must be of what lies in this place of this file."""
    if name in group and type(group.get(name, getlink=True)) is not h5py.HardLink:
        raise SfpipeError(f"{group.name}/{name} is a link")


def _check_links(file: h5py.File) -> None:
    for piece in file:
        _check_link(file, piece)
        if isinstance(file[piece], h5py.Group):
            for name in file[piece]:
                _check_link(file[piece], name)


def describe(path: str | Path) -> dict[str, Any]:
    """What is inside a store: file attributes, counts per split, and one row per dataset."""
    with open_store(path, "any") as file:
        info: dict[str, Any] = {
            k: json.loads(v)
            if k in ("params", "tools", "skipped", "sources", SHARDS)
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
                rows.append((name, *_shape_and_type(node)))
                if isinstance(node, h5py.Dataset)
                else None
            )
        )
        return {**info, "pieces": len(file), "splits": splits, "datasets": rows}


def _shape_and_type(node: h5py.Dataset) -> tuple[str, str]:
    step = node.attrs.get("step")
    return str(node.shape), f"{node.dtype}" if step is None else f"{node.dtype} x {step:g}"
