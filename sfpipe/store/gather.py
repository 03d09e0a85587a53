"""Windows and pairs of windows, cut from a packed image by compiled loops: observations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit

from sfpipe.store.bfloat16 import narrow

# No fast maths: a difference of equal numbers must be 0, also after scaling.
_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy"}
_HALF = np.uint32(16)  # bits: two bfloat16 make a word


@njit(**_OPTIONS)
def _planes(
    image: np.ndarray, first: np.ndarray, second: np.ndarray, scale: float, out: np.ndarray
) -> None:
    n, _, height, width = out.shape
    for i in range(n):
        a, b = first[i], second[i]
        for row in range(height):
            # Slices, since an index that might be negative keeps the loop from being vectorised.
            here, there = image[row, a : a + width], image[row, b : b + width]
            for column in range(width):
                now = np.float32(here[column]) * scale
                before = np.float32(there[column]) * scale
                out[i, 0, row, column] = now
                out[i, 1, row, column] = now - before


@njit(**_OPTIONS)
def _interleaved_bfloat16(
    image: np.ndarray, first: np.ndarray, second: np.ndarray, scale: float, out: np.ndarray
) -> None:
    n, height, width = out.shape
    for i in range(n):
        a, b = first[i], second[i]
        for row in range(height):
            # Slices, since an index that might be negative keeps the loop from being vectorised.
            here, there = image[row, a : a + width], image[row, b : b + width]
            for column in range(width):
                now = np.float32(here[column]) * scale
                before = np.float32(there[column]) * scale
                out[i, row, column] = narrow(now) | (narrow(now - before) << _HALF)


@njit(**_OPTIONS)
def _single(image: np.ndarray, first: np.ndarray, scale: float, out: np.ndarray) -> None:
    n, height, width = out.shape
    for i in range(n):
        a = first[i]
        for row in range(height):
            here = image[row, a : a + width]
            for column in range(width):
                out[i, row, column] = np.float32(here[column]) * scale


@njit(**_OPTIONS)
def _single_bfloat16(image: np.ndarray, first: np.ndarray, scale: float, out: np.ndarray) -> None:
    n, height, width = out.shape
    for i in range(n):
        a = first[i]
        for row in range(height):
            here = image[row, a : a + width]
            for column in range(width):
                out[i, row, column] = np.uint16(narrow(np.float32(here[column]) * scale))


def pairs(
    image: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    width: int,
    scale: float,
    *,
    interleaved: bool = False,
) -> np.ndarray:
    """Windows at `first`, and their differences from the windows at `second`.

    Parameters
    ----------
    image:
        uint8 or float32 [shape=(height, columns)].
    first, second:
        int64 [shape=(n,)], first columns.
    scale:
        Factor from the image's values to the result's.
    interleaved:
        Channels last in memory.

    Returns
    -------
    np.ndarray
        float32 [shape=(n, 2, height, width)], channel 1 the difference; interleaved
        [shape=(n, height, width, 2)].

    Raises
    ------
    IndexError
        If a window leaves the image.
    """
    n, height = len(first), len(image)
    shape = (n, height, width, 2) if interleaved else (n, 2, height, width)
    out = np.empty(shape, np.float32)
    _check(image, first, second, width)
    planes = np.moveaxis(out, 3, 1) if interleaved else out
    _planes(image, first, second, np.float32(scale), planes)
    return out


def pair(image: np.ndarray, first: int, second: int, width: int, scale: float) -> np.ndarray:
    """As `pairs`, of one window: float32 [shape=(2, height, width)]."""
    if not (min(first, second) >= 0 and max(first, second) + width <= image.shape[1]):
        raise IndexError(f"a window of {width} columns leaves an image of {image.shape[1]}")
    out = np.empty((1, 2, len(image), width), np.float32)
    _planes(image, np.array((first,)), np.array((second,)), np.float32(scale), out)
    return out[0]


def pairs_bfloat16(
    image: np.ndarray, first: np.ndarray, second: np.ndarray, width: int, scale: float
) -> torch.Tensor:
    """As `pairs`, rounded to bfloat16: [shape=(n, 2, height, width)], channels last in memory."""
    out = torch.empty(len(first), len(image), width, 2, dtype=torch.bfloat16)
    # Both channels of a pixel are one word.
    words = out.view(torch.int32).squeeze(3).numpy().view(np.uint32)
    _check(image, first, second, width)
    _interleaved_bfloat16(image, first, second, np.float32(scale), words)
    return out.permute(0, 3, 1, 2)


def windows(
    image: np.ndarray, first: np.ndarray, width: int, scale: float, *, bfloat16: bool = False
) -> torch.Tensor:
    """Windows at `first` alone: float32 or bfloat16 [shape=(n, 1, height, width)].

    Parameters
    ----------
    image, first, scale:
        As of `pairs`.

    Raises
    ------
    IndexError
        If a window leaves the image.
    """
    _check(image, first, first, width)
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    out = torch.empty(len(first), len(image), width, dtype=dtype)
    if bfloat16:
        bits = out.view(torch.int16).numpy().view(np.uint16)
        _single_bfloat16(image, first, np.float32(scale), bits)
    else:
        _single(image, first, np.float32(scale), out.numpy())
    return out[:, None]


def _check(image: np.ndarray, first: np.ndarray, second: np.ndarray, width: int) -> None:
    """The compiled loops check nothing."""
    last = image.shape[1] - width
    for index in (first, second):
        if len(index) and not (index.min() >= 0 and index.max() <= last):
            raise IndexError(f"a window of {width} columns leaves an image of {image.shape[1]}")
