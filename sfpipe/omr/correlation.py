"""The inner loop of the reader: a template compared with the places of a row that have its ink."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SHIFT = 1  # px of a band by which a glyph may be off its row
COVERED = 0.7  # share of a glyph's ink below which a place is not compared
LEAST = 1e-3  # norm below which a patch is blank

_OPTIONS: Any = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": True}


@njit(**_OPTIONS)
def score_places(
    dark: np.ndarray,
    sums: np.ndarray,
    kernel: np.ndarray,
    flat: np.ndarray,
    first: int,
    corner: int,
    inset: int,
) -> np.ndarray:
    """Best correlation of a template at each column, within `SHIFT` px of its row.

    Places without enough of the glyph's ink are not compared: the ink in the kernel's box, which
    costs nothing, says so of most.

    Parameters
    ----------
    dark:
        Ink of a band, float32 [shape=(height, width)].
    sums:
        Its integral, float64 [shape=(height + 1, width + 1)].
    kernel:
        Weights of the glyph's ink, float32 [shape=(h, w)].
    flat:
        The template, of mean 0 and norm 1, float32 [shape=(h', w')].
    first, corner:
        Uppermost row of the template's upper left corner; row of the kernel's, unshifted.
    inset:
        Columns from the template's left edge to the kernel's.

    Returns
    -------
    np.ndarray
        float64 [shape=(width + 1,)], by column of the template's left edge; -1: not compared.
    """
    height, width = dark.shape
    best = np.full(width + 1, -1.0)
    enough = COVERED / kernel.max()
    for x in range(width - flat.shape[1] + 1):
        left = x + inset
        if left < 0 or left >= width:
            continue
        covered = False
        for shift in range(-SHIFT, SHIFT + 1):
            top = corner + shift
            if not covered and 0 <= top < height:
                covered = _covered(dark, sums, kernel, top, left, enough)
        if covered:
            for shift in range(2 * SHIFT + 1):
                best[x] = max(best[x], _correlation(dark, flat, first + shift, x))
    return best


@njit(**_OPTIONS)
def _covered(
    dark: np.ndarray, sums: np.ndarray, kernel: np.ndarray, top: int, left: int, enough: float
) -> bool:
    bottom = min(top + kernel.shape[0], dark.shape[0])
    right = min(left + kernel.shape[1], dark.shape[1])
    box = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    if box < enough:
        return False
    share = np.float32(0.0)
    for y in range(top, bottom):
        for x in range(left, right):
            share += kernel[y - top, x - left] * dark[y, x]
    return share > COVERED


@njit(**_OPTIONS)
def _correlation(dark: np.ndarray, flat: np.ndarray, top: int, left: int) -> float:
    total = np.float32(0.0)
    squares = np.float32(0.0)
    product = np.float32(0.0)
    for y in range(flat.shape[0]):
        for x in range(flat.shape[1]):
            ink = dark[top + y, left + x]
            total += ink
            squares += ink * ink
            product += ink * flat[y, x]
    spread = squares - total * total / flat.size
    return product / max(np.sqrt(max(spread, 0.0)), LEAST)
