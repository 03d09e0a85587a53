"""Pieces and performances that stay on disk until they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from sfpipe.errors import SfpipeError
from sfpipe.store.packing import crop_rows
from sfpipe.store.reader import (
    PerformanceRecord,
    ScoreRecord,
    open_store,
    performance_record,
    reading,
    score_record,
)
from sfpipe.store.records import StorePair
from sfpipe.store.schema import BINS
from sfpipe.store.window import Window


class _Stored(NamedTuple):
    """A performance on disk."""

    piece: str
    performance: str
    split: str
    store: Any  # open; groups are opened when they are read, for HDF5 keeps much of open ones
    own_name: str
    file: Path


class StoredRecords:
    """The performances of a split whose scores are there, and those scores, read one by one.

    They are those of `sfpipe.store.records.load_all_records`, in the same order. The stores stay
    open.

    Parameters
    ----------
    first, also:
        Stores; pieces of further ones are named after their data set.
    window:
        Strips must be at least as high.

    Raises
    ------
    SfpipeError
        If a store cannot be read or the first has no performance with a strip.
    """

    def __init__(self, first: StorePair, also: Sequence[StorePair], window: Window, *, split: str):
        self.window = window
        self._open = ExitStack()
        self._strips: dict[str, tuple[Any, str, Path]] = {}
        self.performances: list[_Stored] = []
        for pair in (first, *also):
            strips = self._open.enter_context(open_store(pair.scores, "scores"))
            sounds = self._open.enter_context(open_store(pair.spectrograms, "spectrograms"))
            prefix = "" if pair is first else f"{pair.name}:"
            with reading(pair.spectrograms, "spectrograms"):
                self._list(pair, strips, sounds, prefix, split)
            if not self.performances:
                raise SfpipeError(
                    f"no performance has a strip in split {split}",
                    file=pair.spectrograms,
                    remedy="run 'dvc repro scores spectrograms'",
                )

    def _list(self, pair: StorePair, strips: Any, sounds: Any, prefix: str, split: str) -> None:
        for piece, group in sounds.items():
            if str(group.attrs["split"]) != split or piece not in strips:
                continue
            name = prefix + piece
            self._strips[name] = strips, piece, Path(pair.scores)
            for performance in group:
                # A packed piece has its strip beside them.
                if isinstance(group[performance], h5py.Group):
                    own = sounds, piece, Path(pair.spectrograms)
                    self.performances.append(_Stored(name, performance, split, *own))

    def close(self) -> None:
        """Close the stores: nothing can be read any more."""
        self._open.close()

    def bank_bytes(self) -> int:
        """Memory that a `Bank` of all performances takes for pixels and sound, but for padding."""
        rows = self.window.height // self.window.shrink
        pixels = sum(self.strip_width(piece) * rows for piece in self._strips)
        frames = 0
        for stored in self.performances:
            with reading(stored.file, "spectrograms"):
                group = stored.store[stored.own_name][stored.performance]
                frames += int(group["spectrogram"].shape[1])
        return pixels + 4 * BINS * frames

    def strip_width(self, piece: str) -> int:
        """Width of a piece's strip, px."""
        strips, own_name, file = self._strips[piece]
        with reading(file, "scores"):
            return int(strips[own_name]["strip"].shape[1])

    def score(self, piece: str, *, outline: bool = False) -> ScoreRecord:
        """The score of a piece.

        Parameters
        ----------
        outline:
            Without its pixels.

        Raises
        ------
        SfpipeError
            If an array is not what the schema says, or the strip is lower than the window.
        """
        strips, own_name, file = self._strips[piece]
        with reading(file, "scores"):
            record = score_record(strips[own_name], own_name, outline=outline)
        if record.strip.shape[0] < self.window.height:
            crop_rows(record.strip, self.window.height, file=file)
        return record if own_name == piece else replace(record, piece=piece)

    def performance(self, index: int, *, outline: bool = False) -> PerformanceRecord:
        """A performance; parameters and errors are as for `score`."""
        stored = self.performances[index]
        with reading(stored.file, "spectrograms"):
            group = stored.store[stored.own_name][stored.performance]
            return performance_record(
                group, stored.piece, stored.performance, stored.split, outline=outline
            )


class Outlines(Mapping[str, ScoreRecord]):
    """The scores of stored records without their pixels, by piece, read when they are asked for."""

    def __init__(self, records: StoredRecords):
        self._records = records
        self._pieces = sorted({stored.piece for stored in records.performances})

    def __getitem__(self, piece: str) -> ScoreRecord:
        return self._records.score(piece, outline=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._pieces)

    def __len__(self) -> int:
        return len(self._pieces)
