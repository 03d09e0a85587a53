"""Note heads: filled, hollow and whole, at the staff positions where they can be."""

from __future__ import annotations

from collections.abc import Iterable

from sfpipe.baselines.omr.band import SPACE, Band, row_of
from sfpipe.baselines.omr.glyphs import Glyph
from sfpipe.baselines.omr.matching import Match, find_glyph

LOWEST, HIGHEST = -11, 19  # staff positions
KINDS = ("head_black", "head_half", "head_whole")
LEDGER_INK = 0.2  # darkness of a ledger line
BESIDE_INK = 0.6  # darkness beside a head above which it is part of a beam


def find_heads(
    band: Band, glyphs: dict[str, Glyph], native_space: float, threshold: float
) -> list[Match]:
    """The places that look most like note heads, by x; no two overlap.

    Outside the staff, ledger lines must lead there.
    """
    found: list[Match] = []
    for kind in KINDS:
        positions = range(LOWEST, HIGHEST + 1)
        found += find_glyph(band, kind, glyphs[kind], positions, native_space, threshold)
    return _apart(h for h in found if has_ledgers(band, h) and not in_beam(band, h))


def has_ledgers(band: Band, head: Match) -> bool:
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
        seen = [
            float(band.dark[row - 1 : row + 2, max(round(x), 0) : round(x) + 1].max(initial=0))
            for x in (sides if nearest else [*sides, head.x])
        ]
        if sum(ink >= LEDGER_INK for ink in seen) < (1 if nearest else 2):
            return False
    return True


def in_beam(band: Band, head: Match) -> bool:
    """Whether a filled head goes on to the left or the right, as a beam does."""
    if head.name != "head_black":
        return False
    y = round(row_of(head.position))
    for side in (-1, 1):
        x = round(head.x + side * (head.width / 2 + 3))
        if not 0 <= x < band.dark.shape[1]:
            continue
        if min(band.dark[y - 2, x], band.dark[y + 2, x]) > BESIDE_INK:
            return True
    return False


def _apart(found: Iterable[Match]) -> list[Match]:
    kept: list[Match] = []
    taken: dict[int, list[Match]] = {}
    for head in sorted(found, key=lambda h: -h.score):
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
