"""Clefs, accidentals, rests, dots and time signatures of a band."""

from __future__ import annotations

from collections.abc import Sequence

from sfpipe.omr.band import SPACE, Band
from sfpipe.omr.glyphs import Glyph
from sfpipe.omr.matching import GlyphMatch, apart, find_glyph

# Staff positions of the glyphs' origins; rests of one voice among several are moved.
CLEFS = {"clef_g": (2,), "clef_f": (6,), "clef_c": (0, 2, 4, 6)}
ACCIDENTALS = ("sharp", "flat", "natural", "double_sharp", "double_flat")
RESTS = {"rest_4": 1.0, "rest_8": 0.5, "rest_16": 0.25, "rest_32": 0.125, "rest_2": 2.0}
WHOLE_REST = "rest_1"
KEY_SCORE = 0.62  # of an accidental in a key signature
CLEF_SCORE, ACCIDENTAL_SCORE, REST_SCORE, TIME_SCORE = 0.75, 0.72, 0.7, 0.65
# By font: correlation of a dot, and from where to where right of a head's edge it stands (spaces;
# measured on the training pieces: what looks like a dot elsewhere is part of something else).
DOTS = {"leipzig": (0.42, 0.35, 0.78), "emmentaler": (0.7, 0.2, 1.3)}


def find_clefs(band: Band, glyphs: dict[str, Glyph], space: float) -> list[GlyphMatch]:
    """Clefs by x; ``clef_g``, ``clef_f``, ``clef_c`` and, in the small size, ``..._change``."""
    matches: list[GlyphMatch] = []
    for name, positions in CLEFS.items():
        for full in (name, name + "_change"):
            if full in glyphs:
                matches += find_glyph(band, full, glyphs[full], positions, space, CLEF_SCORE)
    return apart(matches, 2.5 * SPACE, 9)


def find_accidentals(band: Band, glyphs: dict[str, Glyph], space: float) -> list[GlyphMatch]:
    """Accidentals by x, those of key signatures among them.

    Those with less than `ACCIDENTAL_SCORE` count only if they make up a key signature, where
    neighbours touch.
    """
    matches: list[GlyphMatch] = []
    for name in ACCIDENTALS:
        positions = range(-8, 17)
        # Its cross is seen in many things.
        weak = KEY_SCORE if name in ("sharp", "flat") else ACCIDENTAL_SCORE
        threshold = ACCIDENTAL_SCORE + 0.1 if name == "double_sharp" else weak
        matches += find_glyph(band, name, glyphs[name], positions, space, threshold)
    return apart(matches, 0.6 * SPACE, 3)


def find_rests(
    band: Band, glyphs: dict[str, Glyph], space: float, *, voices: bool
) -> list[GlyphMatch]:
    """Rests by x; with several `voices` they may stand above or below the middle."""
    matches: list[GlyphMatch] = []
    for name in (*RESTS, WHOLE_REST):
        usual = {"rest_1": 6, "rest_2": 4}.get(name, 4)
        moves = range(-8, 9, 2) if voices else range(-2, 3, 2)
        positions = [usual + move for move in moves]
        if name in ("rest_1", "rest_2") and not voices:
            positions = [usual]
        threshold = REST_SCORE + (0.1 if name in ("rest_1", "rest_2") else 0.0)
        matches += find_glyph(band, name, glyphs[name], positions, space, threshold)
    return apart(matches, 1.0 * SPACE, 5)


def find_dots(band: Band, glyphs: dict[str, Glyph], space: float, font: str) -> list[GlyphMatch]:
    """Augmentation dots by x: small, round, between two lines, with paper around them."""
    glyph, rows = glyphs["dot"], range(-7, 17, 2)
    matches = find_glyph(band, "dot", glyph, rows, space, DOTS[font][0], margin=(0.35, 0.3))
    return apart(matches, 0.5 * SPACE, 1)


def count_dots(
    sign: GlyphMatch, dots: Sequence[GlyphMatch], others: Sequence[GlyphMatch], font: str
) -> int:
    """Dots that lengthen a note head or rest: right of it, before the next of the `others`."""
    edge = sign.x + sign.width / 2
    ends = [o.x - o.width / 2 for o in others if o.x - sign.x > 0.7 * SPACE]
    _, near, far = DOTS[font]
    beside = [d for d in dots if 0 <= d.position - sign.position <= 1 and d.x < min([*ends, 1e9])]
    first = [d for d in beside if near * SPACE < d.x - edge < far * SPACE]
    second = [d for d in beside if first and 0.4 * SPACE < d.x - first[0].x < 0.9 * SPACE]
    return (len(first) > 0) + (len(second) > 0 and font == "emmentaler")


def find_meters(
    band: Band, glyphs: dict[str, Glyph], space: float, font: str
) -> list[tuple[float, float]]:
    """Time signatures: (column in the band, quarters in a bar)."""
    upper, lower = (6, 2) if font == "leipzig" else (4, 0)
    digits: dict[int, list[GlyphMatch]] = {}
    for row in (upper, lower):
        matches: list[GlyphMatch] = []
        for value in range(10):
            name = f"digit_{value}"
            matches += find_glyph(band, name, glyphs[name], (row,), space, TIME_SCORE)
        digits[row] = apart(matches, 1.0 * SPACE, 1)
    meters = []
    for below in digits[lower]:
        above, all_below = (
            [m for m in digits[row] if abs(m.x - below.x) < 1.8 * SPACE] for row in (upper, lower)
        )
        if below.x > min(m.x for m in all_below):
            continue  # the 6 of 16
        beats, value = _number(above), _number(all_below)
        if value in (2, 4, 8, 16) and 2 <= beats <= 24:
            meters.append((below.x, beats * 4 / value))
    for name in ("time_common", "time_cut"):
        for match in find_glyph(band, name, glyphs[name], (4,), space, 0.75):
            meters.append((match.x, 4.0))
    return sorted(meters)


def _number(digits: Sequence[GlyphMatch]) -> int:
    return int("".join(m.name[-1] for m in sorted(digits, key=lambda m: m.x)) or 0)
