"""Stems, and the beams and flags at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfpipe.omr.band import SPACE, Band, correlate, draw_template, row_of
from sfpipe.omr.glyphs import Glyph
from sfpipe.omr.matching import GlyphMatch

STEM_INK = 0.4  # px of ink across a stem (8 px per staff space)
SHORTEST = 1.7  # staff spaces from a head's centre to its stem's end
BEAM, PITCH = 0.5, 0.77  # staff spaces: thickness of a beam, from one beam to the next
BEAM_INK = 0.5  # darkness (0-1)
BEAM_OFFSETS = (4, 6)  # px beside the stem where beams are looked for
FLAG_SCORE = 0.45
LATEST = 2.0  # staff spaces from a stem's end to its beam: a staccato dot lengthens the stem


@dataclass(frozen=True)
class Stem:
    """A stem in a band: column `x`, row of its end `tip`, direction `up`, `length` in spaces."""

    x: float
    tip: int
    up: bool
    length: float


def stem_ink(band: Band) -> np.ndarray:
    """Ink in the 5 px around each pixel of a row, float32 [shape=(145, width)], px."""
    import cv2

    return (
        cv2.boxFilter(band.dark, -1, (5, 1), normalize=False, borderType=cv2.BORDER_CONSTANT) - 0.0
    )


def find_stem(ink: np.ndarray, head: GlyphMatch, heads: Sequence[GlyphMatch] = ()) -> Stem | None:
    """The stem of a head, the longer of upwards on its right and downwards on its left.

    Of two of the `heads` that touch, one above the other, with stems on both sides, the upper
    one's goes up: they are two voices.
    """
    stems = []
    y = round(row_of(head.position))
    for up in (True, False):
        side = head.x + (head.width / 2 - 1 if up else -head.width / 2 + 1)
        for x in range(round(side) - 1, round(side) + 2):
            if 0 <= x < ink.shape[1]:
                tip = _run(ink[:, x], y, -1 if up else 1)
                stems.append(Stem(float(x), tip, up, abs(tip - y) / SPACE))
    stems = [s for s in stems if s.length >= SHORTEST]
    if len({s.up for s in stems}) == 2:
        beside = [h.position - head.position for h in heads if abs(h.x - head.x) < 0.4 * SPACE]
        above, below = 2 in beside, -2 in beside
        # Through the other head's body a stem must be longer than to its edge.
        if above != below and all(s.length > SHORTEST + 1 for s in stems if s.up == above):
            stems = [s for s in stems if s.up == below]
    return max(stems, key=lambda s: s.length, default=None)


def _run(column: np.ndarray, y: int, step: int) -> int:
    """The last row, from `y` on, that is part of an unbroken line."""
    y = min(max(y, 0), len(column) - 1)
    part = column[y::step] if step > 0 else column[y::-1]
    blank = np.flatnonzero(part[2:] < STEM_INK)
    length = int(blank[0]) + 1 if len(blank) else len(part) - 1
    return y + step * length


def count_beams(band: Band, stem: Stem) -> tuple[int, int]:
    """Beams at a stem's end, on its left and on its right."""
    return _beams_beside(band, stem, -1), _beams_beside(band, stem, 1)


def _beams_beside(band: Band, stem: Stem, side: int) -> int:
    counts = []
    step = 1 if stem.up else -1
    reach = min(3.2, max(stem.length - 0.9, 0.6)) * SPACE
    for offset in BEAM_OFFSETS:
        x = round(stem.x) + side * offset
        if not 0 <= x < band.dark.shape[1]:
            return 0
        rows = stem.tip + step * np.arange(-4, int(reach))
        rows = rows[(rows >= 0) & (rows < band.dark.shape[0])]
        counts.append(_count_runs(band.dark[rows, x] > BEAM_INK))
    return min(counts)


def _count_runs(dark: np.ndarray) -> int:
    """How many beams the dark rows from a stem's end on are; the first must begin there."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], dark.astype(int), [0]])))
    total = 0
    last = 0.0
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        thickness = (end - start) / SPACE
        if thickness < 0.3 or (total == 0 and start > LATEST * SPACE):
            continue
        if total and (start - last) / SPACE > 0.7:
            break
        total += max(round((thickness - BEAM) / PITCH) + 1, 1)
        last = end
    return total


def find_flags(
    band: Band, stem: Stem, glyphs: dict[str, Glyph], native_space: float
) -> tuple[int, float]:
    """Flags at a stem's end (0, 1 or 2) and how well they fit (-1 to 1)."""
    best = (0, FLAG_SCORE)
    for count, value in ((1, 8), (2, 16)):
        glyph = glyphs[f"flag_{'up' if stem.up else 'down'}_{value}"]
        template, (x0, y0) = draw_template(glyph, native_space, margin=(0.0, 0.1))
        left, top = round(stem.x - x0), round(stem.tip - y0)
        rows = slice(max(top - 4, 0), top + template.shape[0] + 5)
        columns = slice(max(left - 2, 0), left + template.shape[1] + 3)
        scores = correlate(band.dark[rows, columns], template)
        score = float(scores.max(initial=-1.0))
        if score > best[1]:
            best = (count, score)
    return best
