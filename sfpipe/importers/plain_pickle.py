"""NumPy's object arrays from strangers: plain data is rebuilt, programs are not run."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np


class _PlainUnpickler(pickle.Unpickler):
    """Rebuilds NumPy arrays of plain objects and nothing else: a pickle can run any program."""

    _allowed = frozenset({"_reconstruct", "ndarray", "dtype", "scalar"})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in self._allowed:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"refers to {module}.{name}")


def read_objects(path: Path, name: str) -> Any:
    """The object array `name` of an npz archive.

    Raises
    ------
    Exception
        Of many kinds, if the archive is damaged; `pickle.UnpicklingError` if it would run code.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        _skip_header(file)
        return _PlainUnpickler(file).load()


def _skip_header(file: IO[bytes]) -> None:
    """Leave `file`, in NumPy's npy format, at the start of its data."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    read(file)
