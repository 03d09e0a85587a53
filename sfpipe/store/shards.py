"""Stores in several files: shards, which are stores themselves, and an index that names them.

``<dataset>.h5`` is the index. It has the attributes of a store and no pieces, and lists its shards
``<dataset>-00000.h5``, ``<dataset>-00001.h5``, ... with size and SHA-256. Whoever opens the index
(`sfpipe.store.reader.open_store`) reads all pieces as from one file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import h5py

from sfpipe.errors import SfpipeError
from sfpipe.files import replacing, sha256

SHARDS = "shards"  # attribute of an index: JSON list of {name, bytes, sha256}


class Shards(Mapping[str, h5py.Group]):
    """Open shards as one store: pieces by name, sorted, and the attributes of the index."""

    def __init__(self, attrs: Mapping[str, Any], files: Sequence[h5py.File]):
        self.attrs = attrs
        self.files = files
        self._file = {piece: file for file in files for piece in file}
        self._names = sorted(self._file)
        if len(self._names) != sum(len(file) for file in files):
            raise SfpipeError("has a piece in two shards")

    def __getitem__(self, piece: str) -> h5py.Group:
        return self._file[piece][piece]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def visititems(self, visit: Callable[[str, Any], None]) -> None:
        """As `h5py.Group.visititems`."""
        for file in self.files:
            file.visititems(visit)


def shard_paths(path: Path, index: h5py.File) -> list[Path]:
    """The shards that an index names, all of which are there.

    Raises
    ------
    SfpipeError
        If one is missing, or is not the file that was written with the index.
    """
    paths = []
    for i, entry in enumerate(json.loads(index.attrs[SHARDS])):
        shard = path.with_name(_name(path, i))
        if entry["name"] != shard.name:
            raise SfpipeError(f"names a shard {str(entry['name'])[:40]!r}, expected {shard.name}")
        if not shard.is_file():
            raise SfpipeError(f"its shard {shard.name} is missing")
        if shard.stat().st_size != entry["bytes"]:
            raise SfpipeError(f"its shard {shard.name} was not written with it")
        paths.append(shard)
    return paths


class ShardedFile:
    """What a store's writer needs of a file, spread over shards of about `shard_bytes`.

    All of them appear, and the index last, when the context is left without an error; shards of an
    earlier, larger store are then removed.

    Parameters
    ----------
    path, index:
        The store, and its open index.
    create:
        Opens a file for a new shard, with the attributes of the store.
    """

    def __init__(
        self,
        path: Path,
        index: h5py.File,
        shard_bytes: int,
        create: Callable[[Path], AbstractContextManager[h5py.File]],
    ):
        self.path, self.index, self.shard_bytes, self.create = path, index, shard_bytes, create
        self.attrs = index.attrs
        self._file_of: dict[str, h5py.File | None] = {}
        self._open: h5py.File | None = None
        self._closing, self._temporary = ExitStack(), Path()
        self._entries: list[dict[str, Any]] = []
        self._replacing = ExitStack()

    @property
    def raw(self) -> Any:
        """What the present shard is written to (`sfpipe.store.patient_file`), if there is one."""
        return getattr(self._open, "raw", None)

    def __contains__(self, piece: str) -> bool:
        return piece in self._file_of

    def create_group(self, piece: str) -> h5py.Group:
        """A new piece, in the present shard if that is not full."""
        if self._open is None or self._open.id.get_filesize() >= self.shard_bytes:
            self._close()
            shard = self.path.with_name(_name(self.path, len(self._entries)))
            self._temporary = self._replacing.enter_context(replacing(shard))
            self._open = self._closing.enter_context(self.create(self._temporary))
        group = self._open.create_group(piece)
        self._file_of[piece] = self._open
        return group

    def require_group(self, piece: str) -> h5py.Group:
        """The piece, made if it is not there.

        Raises
        ------
        SfpipeError
            If its shard is complete: a piece's performances are added one after the other.
        """
        if piece not in self._file_of:
            return self.create_group(piece)
        if self._file_of[piece] is not self._open or self._open is None:
            raise SfpipeError(f"piece '{piece}' is in a shard that is complete")
        return self._open[piece]

    def __enter__(self) -> ShardedFile:
        return self

    def __exit__(self, *failure: Any) -> None:
        with self._replacing:  # also what goes wrong here leaves all as it was
            if failure[0] is not None:
                with self._closing:
                    raise failure[1]
            self._close()
            self.index.attrs[SHARDS] = json.dumps(self._entries)
        remove_shards(self.path, len(self._entries))

    def _close(self) -> None:
        """Complete the present shard."""
        if self._open is None:
            return
        self._open = None
        self._closing.close()
        file = self._temporary
        name = _name(self.path, len(self._entries))
        entry = {"name": name, "bytes": file.stat().st_size, "sha256": sha256(file)}
        self._entries.append(entry)


def remove_shards(path: Path, first: int = 0) -> None:
    """Remove the shards of the store at `path`, from number `first` on."""
    pattern = re.compile(re.escape(path.stem) + r"-(\d{5})" + re.escape(path.suffix))
    for file in path.parent.glob("*" + path.suffix):
        match = pattern.fullmatch(file.name)
        if match and int(match[1]) >= first and _is_shard(file):
            file.unlink(missing_ok=True)


def _is_shard(file: Path) -> bool:
    try:
        with h5py.File(file, "r") as opened:
            return "shard_of" in opened.attrs
    except OSError:
        return False


def _name(path: Path, number: int) -> str:
    return f"{path.stem}-{number:05}{path.suffix}"
