"""Which rows of a system's image become the strip, and which of those the game shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfpipe.engraving.read import System
from sfpipe.errors import SfpipeError

HEAD_SPACES = 0.6  # staff spaces from the centre of a note head to its edge


@dataclass(frozen=True)
class StripGeometry:
    """The strip is `height_px` high; the game shows its middle `window_px` (section 4.1)."""

    height_px: int
    window_px: int


# By engraver: melodies as the paper's Nottingham strips, piano music as its MSMD strips.
STRIPS = {"verovio": StripGeometry(40, 40), "lilypond": StripGeometry(200, 160)}


def geometry_of(engine: str) -> StripGeometry:
    """The geometry of the strips of an engraver.

    Raises
    ------
    SfpipeError
        If it is none of sfpipe's.
    """
    if engine not in STRIPS:
        raise SfpipeError(f"was engraved by '{engine}', expected one of {', '.join(STRIPS)}")
    return STRIPS[engine]


def middle_row(system: System, head_rows: np.ndarray, space: float, window_px: int) -> float:
    """Row of the system's image that becomes the middle of the strip.

    It is the middle of the staves, unless the window would then cut through note heads: then it
    moves as little as it must, or, if they do not fit at all, to where as many as possible do.

    Parameters
    ----------
    head_rows:
        float [shape=(n,)], rows of the system's note-head centres.
    space:
        Staff space in px.
    """
    middle = (system.staff_top_px + system.staff_bottom_px) / 2
    if len(head_rows) == 0:
        return middle
    half = window_px / 2 - HEAD_SPACES * space
    offsets = np.sort(np.asarray(head_rows) - middle)
    # A window moved by d shows the offsets in [d - half, d + half].
    moves = np.concatenate([[0.0], offsets - half, offsets + half])
    shown = np.searchsorted(offsets, moves + half + 1e-6, "right") - np.searchsorted(
        offsets, moves - half - 1e-6, "left"
    )
    best = moves[shown == shown.max()]
    return middle + float(best[np.argmin(np.abs(best))])


def ink_outside(image: np.ndarray, middle: float, window_px: int) -> tuple[float, float]:
    """Ink of a system that the window does not show, and all its ink (sums of 1 - grey / 255)."""
    ink = (255.0 - image).sum(axis=1) / 255
    first = round(middle - window_px / 2)
    shown = ink[max(first, 0) : max(first + window_px, 0)].sum()
    return float(ink.sum() - shown), float(ink.sum())
