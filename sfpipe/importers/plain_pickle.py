"""Arrays from other people's npz files: sizes checked first, plain data rebuilt, nothing imported.

A pickle names what is to be called by module and name. Here each of the few that NumPy's arrays
need stands for an object of this module, which checks what it is given; no name leads to an import,
and no state reaches NumPy's own, which trusts it.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

MOST_BYTES = 1 << 30  # of one array
MOST_OBJECTS = 32 << 20  # bytes of one array of objects
_NUMBERS = frozenset(f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)) - {"f1"} | {"b1"}


class _Rebuilt:
    """What a pickle may ask for, called or given its state as pickle does."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None):
        self.value = value

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("gives a state to what has none")


class _DType(_Rebuilt):
    """A dtype: numbers in either byte order, or objects."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "=", "|")):
            raise pickle.UnpicklingError("has a dtype with an odd state")
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("has a dtype of several fields")
        if self.value != np.dtype(object):
            self.value = self.value.newbyteorder(state[1])


class _Array(_Rebuilt):
    """An array; `value` is the NumPy array once the state was given."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _DType)):
            raise pickle.UnpicklingError("has an array with an odd state")
        _, shape, dtype, by_column, data = state
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError("has an array with an odd shape")
        count = math.prod(shape)
        if dtype.value == np.dtype(object):
            fits = isinstance(data, list) and len(data) == count
            flat = np.empty(count if fits else 0, object)
            flat[:] = [plain(item) for item in data] if fits else []
        else:
            fits = isinstance(data, bytes) and len(data) == count * dtype.value.itemsize
            flat = np.frombuffer(data if fits else b"", dtype.value)
        if not fits or len(shape) > 8:
            raise pickle.UnpicklingError(f"has an array of shape {shape} with other content")
        self.value = flat.reshape(shape, order="F" if by_column else "C")


class _Callable(_Rebuilt):
    """One of NumPy's functions that its pickles call."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        return getattr(self, self.value)(*args)

    def array(self, kind: Any, shape: Any, code: Any) -> _Array:
        """``_reconstruct``: an array without content."""
        if kind is not _NDARRAY:
            raise pickle.UnpicklingError("has an array of an unknown kind")
        return _Array()

    def dtype(self, code: Any, *_: Any) -> _DType:
        """``dtype``: by its code, e.g. ``f8``."""
        if code not in ("O", "O8") and code not in _NUMBERS:
            raise pickle.UnpicklingError(f"has the dtype {str(code)[:20]!r}")
        return _DType(np.dtype(object if code[0] == "O" else code))

    def scalar(self, dtype: Any, content: Any = b"") -> Any:
        """``scalar``: a number."""
        known = isinstance(dtype, _DType) and dtype.value != np.dtype(object)
        if not known or not isinstance(content, bytes) or len(content) != dtype.value.itemsize:
            raise pickle.UnpicklingError("has an odd number")
        return np.frombuffer(content, dtype.value)[0].item()


_NDARRAY = _Rebuilt()
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Callable("dtype"),
    **{
        (f"numpy.{core}.multiarray", name): _Callable(method)
        for core in ("core", "_core")
        for name, method in (("_reconstruct", "array"), ("scalar", "scalar"))
    },
}


class _PlainUnpickler(pickle._Unpickler):
    # The one in Python: that in C takes memory by a number that the pickle names.
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refers to {module}.{name}") from None


def plain(value: Any) -> Any:
    """`value` with NumPy's arrays in place of what stood for them while it was read."""
    if isinstance(value, _Array):
        if value.value is None:
            raise pickle.UnpicklingError("has an array without content")
        return value.value
    if isinstance(value, _Rebuilt):
        raise pickle.UnpicklingError("has a part of an array where data is expected")
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of numbers `name` of an npz archive.

    Raises
    ------
    Exception
        Of many kinds, if the archive is damaged, the array is one of objects or is too large.
    """
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(f"{name}.npy").file_size
        if size > MOST_BYTES:
            raise ValueError(f"{name} has {size >> 20} MiB, at most {MOST_BYTES >> 20} are read")
        with archive.open(f"{name}.npy") as file:
            shape, by_column, dtype = _header(file)
            if dtype.hasobject or math.prod(shape) * dtype.itemsize > size:
                raise ValueError(f"{name} holds objects, or less than its header promises")
            content = np.frombuffer(file.read(), dtype, count=math.prod(shape))
            return content.reshape(shape, order="F" if by_column else "C")


def read_objects(path: Path, name: str) -> Any:
    """The object array `name` of an npz archive.

    Raises
    ------
    Exception
        Of many kinds, if the archive is damaged or too large; `pickle.UnpicklingError` if it names
        anything but NumPy's arrays, or they are not what they say.
    """
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(f"{name}.npy").file_size
        if size > MOST_OBJECTS:
            raise ValueError(f"{name} has {size >> 20} MiB, at most {MOST_OBJECTS >> 20} are read")
        with archive.open(f"{name}.npy") as file:
            _header(file)
            return plain(_PlainUnpickler(file).load())


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype; leaves `file`, in NumPy's npy format, at the start of its data."""
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)
