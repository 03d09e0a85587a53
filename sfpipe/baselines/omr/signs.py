"""Clefs, accidentals, rests, dots and time signatures of a band."""

from __future__ import annotations

from collections.abc import Sequence

from sfpipe.baselines.omr.band import SPACE, Band, row_of
from sfpipe.baselines.omr.glyphs import Glyph
from sfpipe.baselines.omr.matching import Match, apart, find_glyph

# Staff positions of the glyphs' origins; rests of one voice among several are moved.
CLEFS = {"clef_g": (2,), "clef_f": (6,), "clef_c": (0, 2, 4, 6)}
ACCIDENTALS = ("sharp", "flat", "natural", "double_sharp", "double_flat")
RESTS = {"rest_4": 1.0, "rest_8": 0.5, "rest_16": 0.25, "rest_32": 0.125, "rest_2": 2.0}
WHOLE_REST = "rest_1"
CLEF_SCORE, ACCIDENTAL_SCORE, REST_SCORE, TIME_SCORE = 0.75, 0.72, 0.7, 0.65
DOT_INK = 0.25  # darkness (0-1) of a dot, averaged over three rows


def find_clefs(band: Band, glyphs: dict[str, Glyph], space: float) -> list[Match]:
    """Clefs by x; ``clef_g``, ``clef_f``, ``clef_c`` and, in the small size, ``..._change``."""
    found: list[Match] = []
    for name, positions in CLEFS.items():
        for full in (name, name + "_change"):
            if full in glyphs:
                found += find_glyph(band, full, glyphs[full], positions, space, CLEF_SCORE)
    return apart(found, 2.5 * SPACE, 9)


def find_accidentals(band: Band, glyphs: dict[str, Glyph], space: float) -> list[Match]:
    """Accidentals by x, those of key signatures among them."""
    found: list[Match] = []
    for name in ACCIDENTALS:
        positions = range(-8, 17)
        found += find_glyph(band, name, glyphs[name], positions, space, ACCIDENTAL_SCORE)
    return apart(found, 0.8 * SPACE, 3)


def find_rests(
    band: Band, glyphs: dict[str, Glyph], space: float, *, voices: bool
) -> list[Match]:
    """Rests by x; with several `voices` they may stand above or below the middle."""
    found: list[Match] = []
    for name in (*RESTS, WHOLE_REST):
        usual = {"rest_1": 6, "rest_2": 4}.get(name, 4)
        moves = range(-8, 9, 2) if voices else range(-2, 3, 2)
        positions = [usual + move for move in moves]
        if name in ("rest_1", "rest_2") and not voices:
            positions = [usual]
        threshold = REST_SCORE + (0.1 if name in ("rest_1", "rest_2") else 0.0)
        found += find_glyph(band, name, glyphs[name], positions, space, threshold)
    return apart(found, 1.0 * SPACE, 5)


def count_dots(band: Band, sign: Match) -> int:
    """Augmentation dots right of a note head or rest: small dark spots in the space beside it."""
    position = sign.position + 1 - sign.position % 2
    row = round(row_of(position))
    left = round(sign.x + sign.width / 2 + 0.15 * SPACE)
    part = band.dark[row - 1 : row + 2, left : left + 2 * SPACE].mean(axis=0)
    dots, x, reach = 0, 2, SPACE // 2
    while x < len(part) - 2:
        around = part[max(x - reach - 1, 0) : x + reach + 2]
        edges = max(around[:2].min(), part[min(x + reach, len(part) - 1)])
        if part[x] > DOT_INK and part[x] >= part[x - 1 : x + 2].max() and edges < part[x] / 2:
            dots += _is_round(band, row, left + x)
            x += reach
        x += 1
    return min(dots, 2)


def _is_round(band: Band, row: int, x: int) -> bool:
    """Whether the ink ends above and below as staff lines alone would have it."""
    reach = SPACE // 2
    for y in (row - reach, row + reach):
        beside = min(band.dark[y, max(x - reach, 0)], band.dark[y, x + reach])
        if band.dark[y, x] > beside + 0.3:
            return False
    return True


def find_meters(
    band: Band, glyphs: dict[str, Glyph], space: float, font: str
) -> list[tuple[float, float]]:
    """Time signatures: (column in the band, quarters in a bar)."""
    upper, lower = (6, 2) if font == "leipzig" else (4, 0)
    digits: dict[int, list[Match]] = {}
    for row in (upper, lower):
        seen: list[Match] = []
        for value in range(10):
            name = f"digit_{value}"
            seen += find_glyph(band, name, glyphs[name], (row,), space, TIME_SCORE)
        digits[row] = apart(seen, 1.0 * SPACE, 1)
    meters = []
    for below in digits[lower]:
        above = [m for m in digits[upper] if abs(m.x - below.x) < 1.6 * SPACE]
        beats, value = _number(above), _number([below])
        if value in (2, 4, 8, 16) and 1 <= beats <= 24:
            meters.append((below.x, beats * 4 / value))
    for name in ("time_common", "time_cut"):
        for match in find_glyph(band, name, glyphs[name], (4,), space, 0.75):
            meters.append((match.x, 4.0))
    return sorted(meters)


def _number(digits: Sequence[Match]) -> int:
    return int("".join(m.name[-1] for m in sorted(digits, key=lambda m: m.x)) or 0)
