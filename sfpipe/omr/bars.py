"""Bar lines: vertical lines as long as the staff, through all staves of a system."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sfpipe.omr.band import BOTTOM_ROW, SPACE, TOP_ROW, Band
from sfpipe.omr.matching import GlyphMatch
from sfpipe.omr.stems import STEM_INK

BEYOND = 6  # px of a band by which a bar line of a single staff may stick out
NEAR = 0.6  # staff spaces: lines nearer than this are one


def find_barlines(
    bands: Sequence[Band], inks: Sequence[np.ndarray], heads: Sequence[Sequence[GlyphMatch]]
) -> list[float]:
    """Columns of the bar lines that go through all bands of a system, px of the bands.

    `inks`: of each band, `stems.stem_ink`. Where a stem is as long as the staff, a head is beside.
    """
    through = np.logical_and.reduce([_covers(ink) for ink in inks])
    if len(bands) == 1:
        through &= ~_sticks_out(inks[0])
    through &= ~np.logical_and.reduce([_beside(through, h) for h in heads])
    columns = np.flatnonzero(through)
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > NEAR * SPACE) + 1)
    return [float(g.mean()) for g in groups if len(g)]


def _covers(ink: np.ndarray) -> np.ndarray:
    rows = ink[TOP_ROW + 1 : BOTTOM_ROW]
    return np.asarray((rows > STEM_INK).mean(axis=0) > 0.97)


def _sticks_out(ink: np.ndarray) -> np.ndarray:
    above, below = ink[TOP_ROW - BEYOND - 4 : TOP_ROW - BEYOND], ink[BOTTOM_ROW + BEYOND :][:4]
    return np.asarray((above > STEM_INK).all(axis=0) | (below > STEM_INK).all(axis=0))


def _beside(columns: np.ndarray, heads: Sequence[GlyphMatch]) -> np.ndarray:
    """Where a head is so near that its stem would be here."""
    near = np.zeros(len(columns), bool)
    for head in heads:
        reach = head.width / 2 + 0.35 * SPACE
        near[max(round(head.x - reach), 0) : round(head.x + reach) + 1] = True
    return near
