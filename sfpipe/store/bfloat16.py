"""bfloat16 as bits inside compiled loops: NumPy has no such type."""

from __future__ import annotations

import numpy as np
from numba import njit

_SHIFT, _BIAS, _UNIT = np.uint32(16), np.uint32(0x7FFF), np.uint32(1)


@njit(inline="always")
def widen(bits: np.uint16) -> np.float32:
    """The number that 16 bits stand for."""
    return np.uint32(np.uint32(bits) << _SHIFT).view(np.float32)


@njit(inline="always")
def narrow(x: np.float32) -> np.uint32:
    """The 16 bits of the nearest bfloat16 (ties to even), as a word; NaN from arithmetic stays."""
    bits = np.float32(x).view(np.uint32)
    return (bits + _BIAS + ((bits >> _SHIFT) & _UNIT)) >> _SHIFT
