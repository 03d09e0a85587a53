"""Where a glyph is printed in a band: normalised correlation at the places that have its ink."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sfpipe.baselines.omr.band import MARGIN, Band, draw_template, lines_near, row_of
from sfpipe.baselines.omr.glyphs import GLYPH_SPACE, Glyph

SHIFT = 1  # px of a band by which a glyph may be off its row
COVERED = 0.7  # share of a glyph's ink below which a place is not compared


@dataclass(frozen=True)
class Match:
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
) -> list[Match]:
    """All places at which the glyph's origin may stand on one of `positions`, with its score."""
    cover, anchor = _cover(band, glyph, native_space)
    found: list[Match] = []
    for position in positions:
        reach = max(abs(glyph.top), abs(glyph.top + glyph.ink.shape[0])) / GLYPH_SPACE + margin[1]
        lines = lines_near(position, reach + 0.25)
        drawn = draw_template(glyph, native_space, lines=lines, margin=margin)
        found += _along(band, name, glyph, cover, anchor, position, drawn, threshold)
    return found


def _cover(band: Band, glyph: Glyph, native_space: float) -> tuple[np.ndarray, tuple[float, float]]:
    """Share of the glyph's ink that is there, by the place of its raster's upper left corner."""
    import cv2

    template, origin = draw_template(glyph, native_space, margin=(0.0, 0.0))
    kernel = np.where(template > 0.4 * template.max(), template, 0)
    kernel = kernel / float((kernel * template).sum())
    share = cv2.filter2D(band.dark, -1, kernel, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    return share, origin


def _along(
    band: Band,
    name: str,
    glyph: Glyph,
    cover: np.ndarray,
    anchor: tuple[float, float],
    position: int,
    drawn: tuple[np.ndarray, tuple[float, float]],
    threshold: float,
) -> list[Match]:
    template, (x0, y0) = drawn
    height, width = template.shape
    row = round(row_of(position))
    first, corner = round(row - y0) - SHIFT, round(row - anchor[1])
    if first < 0 or first + height + 2 * SHIFT > band.dark.shape[0]:
        return []
    near = cover[max(corner - SHIFT, 0) : corner + SHIFT + 1].max(axis=0)
    places = np.flatnonzero(near > COVERED) - round(x0 - anchor[0])
    places = places[(places >= 0) & (places <= band.dark.shape[1] - width)]
    if not len(places):
        return []
    best = np.full(band.dark.shape[1] + 1, -1.0)
    flat = template - template.mean()
    flat /= np.linalg.norm(flat)
    columns = places[:, None] + np.arange(width)
    for shift in range(2 * SHIFT + 1):
        rows = band.dark[first + shift : first + shift + height]
        patches = rows[:, columns].transpose(1, 0, 2).reshape(len(places), -1)
        patches = patches - patches.mean(axis=1, keepdims=True)
        norm = np.maximum(np.linalg.norm(patches, axis=1), 1e-3)
        best[places] = np.maximum(best[places], patches @ flat.ravel() / norm)
    peaks = np.flatnonzero(
        (best > threshold) & (best >= np.roll(best, 1)) & (best > np.roll(best, -1))
    )
    middle = x0 + (glyph.left + glyph.ink.shape[1] / 2) / 2 - 0.5
    wide = glyph.ink.shape[1] / 2
    return [Match(name, float(p + middle), position, float(best[p]), wide) for p in peaks]


def apart(found: Iterable[Match], across: float, along: int) -> list[Match]:
    """The best of the matches within `across` px and `along` staff positions, by x."""
    kept: list[Match] = []
    for match in sorted(found, key=lambda m: -m.score):
        if all(
            abs(other.x - match.x) >= across or abs(other.position - match.position) > along
            for other in kept
        ):
            kept.append(match)
    return sorted(kept, key=lambda m: m.x)
