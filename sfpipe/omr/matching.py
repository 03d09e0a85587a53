"""Where a glyph is printed in a band: normalised correlation at the places that have its ink."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sfpipe.omr.band import MARGIN, Band, draw_template, lines_near, row_of
from sfpipe.omr.correlation import SHIFT, score_places
from sfpipe.omr.glyphs import GLYPH_SPACE, Glyph


@dataclass(frozen=True)
class GlyphMatch:
    """A glyph found: its middle `x` (px of the band), staff `position` of its origin, `score`.

    `score` is the correlation, -1 to 1; `width` in px of the band.
    """

    name: str
    x: float
    position: int
    score: float
    width: float


def find_glyph(
    band: Band,
    name: str,
    glyph: Glyph,
    positions: Iterable[int],
    native_space: float,
    threshold: float,
    *,
    margin: tuple[float, float] = MARGIN,
) -> list[GlyphMatch]:
    """All places at which the glyph's origin may stand on one of `positions`, with its score."""
    kernel, anchor = _kernel(glyph, native_space)
    ink = _sums(band.dark)
    reach = max(abs(glyph.top), abs(glyph.top + glyph.ink.shape[0])) / GLYPH_SPACE + margin[1]
    middle = (glyph.left + glyph.ink.shape[1] / 2) / 2 - 0.5
    matches: list[GlyphMatch] = []
    for position in positions:
        lines = lines_near(position, reach + 0.25)
        template, (x0, y0) = draw_template(glyph, native_space, lines=lines, margin=margin)
        row = round(row_of(position))
        first, corner = round(row - y0) - SHIFT, round(row - anchor[1])
        if first < 0 or first + template.shape[0] + 2 * SHIFT > band.dark.shape[0]:
            continue
        place = (first, corner, round(x0 - anchor[0]))
        best = score_places(band.dark, ink, kernel, _flat(template), *place)
        after = np.append(best[1:], best[:1])
        before = np.append(best[-1:], best[:-1])
        peaks = np.flatnonzero((best > threshold) & (best >= before) & (best > after))
        wide = glyph.ink.shape[1] / 2
        matches += [
            GlyphMatch(name, float(p + x0 + middle), position, float(best[p]), wide) for p in peaks
        ]
    return matches


@lru_cache(maxsize=256)
def _kernel(glyph: Glyph, native_space: float) -> tuple[np.ndarray, tuple[float, float]]:
    """Weights that make of a patch the share of the glyph's ink there, and the origin in them."""
    template, origin = draw_template(glyph, native_space, margin=(0.0, 0.0))
    kernel = np.where(template > 0.4 * template.max(), template, 0)
    return np.asarray(kernel / float((kernel * template).sum()), np.float32), origin


def _flat(template: np.ndarray) -> np.ndarray:
    """A template of mean 0 and norm 1."""
    flat = template - template.mean()
    return np.asarray(flat / np.linalg.norm(flat), np.float32)


def _sums(dark: np.ndarray) -> np.ndarray:
    """Ink above and left of each pixel, float64 [shape=(height + 1, width + 1)]."""
    import cv2

    return np.asarray(cv2.integral(dark, sdepth=cv2.CV_64F))


def apart(matches: Iterable[GlyphMatch], across: float, along: int) -> list[GlyphMatch]:
    """The best of the matches within `across` px and `along` staff positions, by x."""
    kept: list[GlyphMatch] = []
    for match in sorted(matches, key=lambda m: -m.score):
        if all(
            abs(other.x - match.x) >= across or abs(other.position - match.position) > along
            for other in kept
        ):
            kept.append(match)
    return sorted(kept, key=lambda m: m.x)
