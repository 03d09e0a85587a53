"""Note heads: filled, hollow and whole, at the staff positions where they can be."""

from __future__ import annotations

from collections.abc import Iterable

from sfpipe.omr.band import (
    SPACE,
    Band,
    correlate,
    draw_template,
    lines_near,
    row_of,
)
from sfpipe.omr.glyphs import Glyph, shrink
from sfpipe.omr.matching import GlyphMatch, find_glyph

LOWEST, HIGHEST = -11, 19  # staff positions
KINDS = ("head_black", "head_half", "head_whole")
LEDGER_INK = 0.2  # darkness of a ledger line
BESIDE_INK = 0.6  # darkness beside a head above which it is part of a beam
WEAKER = 0.12  # a head of a chord may correlate less, since its neighbours touch it
SURE = 0.9  # correlation from which a head is not compared with a grace note's
GRACE_SIZE = 0.71  # of a grace note's head, beside a note's


def find_heads(
    band: Band, glyphs: dict[str, Glyph], native_space: float, threshold: float
) -> list[GlyphMatch]:
    """The places that look most like note heads, by x; no two overlap, and none is a grace note's.

    Outside the staff, ledger lines must lead there.
    """
    matches: list[GlyphMatch] = []
    for kind in KINDS:
        positions = range(LOWEST, HIGHEST + 1)
        near = threshold - (WEAKER if kind == "head_black" else 0)
        matches += find_glyph(band, kind, glyphs[kind], positions, native_space, near)
    heads = _apart(h for h in matches if has_ledgers(band, h) and not in_beam(band, h))
    sure = [h for h in heads if h.score >= threshold]
    heads = [h for h in heads if h.score >= threshold or _between(h, sure)]
    small = shrink(glyphs["head_black"], GRACE_SIZE)
    return [h for h in heads if not _is_grace(band, h, small, native_space)]


def _between(head: GlyphMatch, sure: Iterable[GlyphMatch]) -> bool:
    """Whether a head is in a chord a third from another."""
    return any(abs(s.position - head.position) == 2 and abs(s.x - head.x) < 2 for s in sure)


def _is_grace(band: Band, head: GlyphMatch, small: Glyph, native_space: float) -> bool:
    if head.score >= SURE or head.name != "head_black":
        return False
    lines = lines_near(head.position)
    template, (_, y0) = draw_template(small, native_space, lines=lines)
    left = round(head.x - template.shape[1] / 2)
    top = round(row_of(head.position) - y0)
    part = band.dark[max(top - 1, 0) : top + template.shape[0] + 1]
    part = part[:, max(left - 2, 0) : left + template.shape[1] + 2]
    return float(correlate(part, template).max(initial=-1.0)) > head.score


def has_ledgers(band: Band, head: GlyphMatch) -> bool:
    """Whether all ledger lines between a head and the staff are there."""
    if head.position > 9:
        lines = [*range(10, head.position + 1, 2)]
    elif head.position < -1:
        lines = [*range(head.position + head.position % 2, 0, 2)]
    else:
        return True
    for line in lines:
        row = round(row_of(line))
        sides = [head.x - head.width / 2 - 1, head.x + head.width / 2 + 1]
        nearest = abs(line - head.position) < 2
        inks = [
            float(band.dark[row - 1 : row + 2, max(round(x), 0) : round(x) + 1].max(initial=0))
            for x in (sides if nearest else [*sides, head.x])
        ]
        if sum(ink >= LEDGER_INK for ink in inks) < (1 if nearest else 2):
            return False
    return True


def in_beam(band: Band, head: GlyphMatch) -> bool:
    """Whether a filled head goes on to the left or the right, as a beam does."""
    if head.name != "head_black":
        return False
    y = round(row_of(head.position))
    for side in (-1, 1):
        # Both near and farther off: the stem of a neighbour is thin.
        columns = [round(head.x + side * (head.width / 2 + off)) for off in (3, 6)]
        if not all(0 <= x < band.dark.shape[1] for x in columns):
            continue
        if band.dark[[[y - 2], [y + 2]], columns].min() > BESIDE_INK:
            return True
    return False


def _apart(matches: Iterable[GlyphMatch]) -> list[GlyphMatch]:
    kept: list[GlyphMatch] = []
    taken: dict[int, list[GlyphMatch]] = {}
    for head in sorted(matches, key=lambda h: -h.score):
        near = [
            other
            for position in range(head.position - 1, head.position + 2)
            for other in taken.get(position, [])
            if abs(other.x - head.x) < (0.95 if other.position == head.position else 0.75) * SPACE
        ]
        if not near:
            kept.append(head)
            taken.setdefault(head.position, []).append(head)
    return sorted(kept, key=lambda h: (h.x, h.position))
