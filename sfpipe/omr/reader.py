"""The built-in reader of typeset strips: image -> notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.omr import signs
from sfpipe.omr.band import SPACE, Band, cut_band, row_of
from sfpipe.omr.bars import find_barlines
from sfpipe.omr.glyphs import FONTS, Glyph, load_glyphs
from sfpipe.omr.heads import SURE, find_heads
from sfpipe.omr.matching import GlyphMatch
from sfpipe.omr.notes import OmrNote
from sfpipe.omr.pitch import (
    ALTERS,
    FIRST_GAP,
    OmrClef,
    alterations,
    attach,
    clef_of,
    key_signature,
)
from sfpipe.omr.rhythm import OmrBar, OmrEvent, onsets, split_bars, usual_length
from sfpipe.omr.staves import Staves, darkness, find_staves
from sfpipe.omr.stems import Stem, count_beams, find_flags, find_stem, stem_ink

SCORES = {"leipzig": 0.8, "emmentaler": 0.72}  # correlation from which a head is one
SURE_FLAG = 0.75  # correlation of a flag that is none of a beam's
BEGINNING = 16.0  # staff spaces from a line break in which one staff's time signature is believed
OPENING = 8.0  # staff spaces from a line break in which the clef stands


@dataclass
class OmrStaff:
    """What was read in one staff between two line breaks; columns in px of the band."""

    band: Band
    ink: np.ndarray
    clefs: list[GlyphMatch]
    font: str
    heads: list[GlyphMatch] = field(default_factory=list)
    stems: list[Stem | None] = field(default_factory=list)
    accidentals: list[GlyphMatch] = field(default_factory=list)
    rests: list[GlyphMatch] = field(default_factory=list)
    dots: list[GlyphMatch] = field(default_factory=list)
    meters: list[tuple[float, float]] = field(default_factory=list)


def read_strip(strip: np.ndarray, font: str | None = None) -> list[OmrNote]:
    """The notes of a typeset strip, by onset and pitch.

    Parameters
    ----------
    strip:
        uint8 [shape=(height, width)], paper 255, staff spaces of 2.8 to 10 px.
    font:
        ``leipzig`` (Verovio) or ``emmentaler`` (LilyPond); None: that whose clefs are seen better.

    Raises
    ------
    SfpipeError
        If there are no staff lines or no clef.
    """
    dark = darkness(strip)
    stretches = find_staves(strip)
    font = font or _font_of(dark, stretches[0])
    glyphs = load_glyphs(font)
    reading = _StripContents()
    for stretch in _between_breaks(dark, stretches, glyphs):
        staffs = [
            _look(dark, stretch, top, glyphs, font, voices=len(stretch.tops) > 1)
            for top in stretch.tops
        ]
        _one_staff_each(staffs)
        reading.add(staffs, stretch, glyphs)
    return reading.notes()


def _font_of(dark: np.ndarray, stretch: Staves) -> str:
    """The font whose first clef correlates better with the strip's."""
    best = {}
    for font in FONTS:
        clefs_by_system = _opening_clefs(dark, stretch, load_glyphs(font))
        best[font] = max((m.score for clefs in clefs_by_system for m in clefs), default=-1.0)
    if max(best.values()) < 0:
        raise SfpipeError("the image shows no clef at its left end")
    return max(best, key=lambda font: best[font])


def _opening_clefs(dark: np.ndarray, stretch: Staves, glyphs: dict[str, Glyph]) -> list:
    right = min(stretch.left + round(OPENING * stretch.space), stretch.right)
    openings = []
    for top in stretch.tops:
        band = cut_band(dark, stretch.left, right, top, stretch.space)
        clefs = signs.find_clefs(band, glyphs, stretch.space)
        openings.append([c for c in clefs if not c.name.endswith("_change")])
    return openings


def _between_breaks(
    dark: np.ndarray, stretches: Sequence[Staves], glyphs: dict[str, Glyph]
) -> list[Staves]:
    """Stretches that begin with clefs; others are taken for misread lines and joined on."""
    groups: list[list[Staves]] = []
    for stretch in stretches:
        if not groups or all(_opening_clefs(dark, stretch, glyphs)):
            groups.append([stretch])
        else:
            groups[-1].append(stretch)
    return [
        replace(
            max(group, key=lambda s: s.right - s.left), left=group[0].left, right=group[-1].right
        )
        for group in groups
    ]


def _look(
    dark: np.ndarray,
    stretch: Staves,
    top: float,
    glyphs: dict[str, Glyph],
    font: str,
    *,
    voices: bool,
) -> OmrStaff:
    space = stretch.space
    band = cut_band(dark, stretch.left, stretch.right, top, space)
    staff = OmrStaff(band, stem_ink(band), signs.find_clefs(band, glyphs, space), font)
    staff.meters = signs.find_meters(band, glyphs, space, font)
    staff.dots = signs.find_dots(band, glyphs, space, font)
    accidentals = [m for m in signs.find_accidentals(band, glyphs, space) if not _inside(m, staff)]
    key = [m for c in staff.clefs for m in _key_after(c, accidentals)]
    heads = find_heads(band, glyphs, space, SCORES[font])
    for head in heads:
        # A flat on a line looks like a head with a stem, in a key signature where none can be.
        if _in_accidental(head, accidentals) or (head.score < SURE and _on_head(head, key)):
            continue
        stem = find_stem(staff.ink, head, heads)
        if (stem is not None or head.name == "head_whole") and not _inside(head, staff):
            staff.heads.append(head)
            staff.stems.append(None if head.name == "head_whole" else stem)
    staff.accidentals = [m for m in accidentals if not _on_head(m, staff.heads)]
    rests = signs.find_rests(band, glyphs, space, voices=voices)
    staff.rests = [
        r
        for r in rests
        if not _inside(r, staff) and not _on_head(r, [*staff.heads, *staff.accidentals])
    ]
    return staff


def _key_after(clef: GlyphMatch, accidentals: Sequence[GlyphMatch]) -> list[GlyphMatch]:
    """The key signature that a clef begins; a clef that changes within the line has none."""
    if clef.name.endswith("_change"):
        return []
    base = clef_of(clef).base
    return key_signature(clef.x + clef.width / 2, FIRST_GAP, accidentals, base)


def _inside(match: GlyphMatch, staff: OmrStaff) -> bool:
    """Whether a match is part of a clef or a time signature."""
    clef = any(abs(match.x - c.x) < c.width / 2 + 1 for c in staff.clefs)
    return clef or any(abs(match.x - x) < 1.2 * SPACE for x, _ in staff.meters)


def _on_head(rest: GlyphMatch, heads: Sequence[GlyphMatch]) -> bool:
    return any(
        abs(rest.x - h.x) < 0.8 * SPACE and abs(rest.position - h.position) < 4 for h in heads
    )


def _in_accidental(head: GlyphMatch, accidentals: Sequence[GlyphMatch]) -> bool:
    """Whether what looks like a head looks more like part of a sharp or natural."""
    return any(
        m.score > head.score
        and abs(m.x - head.x) < 0.6 * SPACE
        and abs(m.position - head.position) < 4
        for m in accidentals
        if m.name in ("sharp", "natural")
    )


def _one_staff_each(staffs: Sequence[OmrStaff]) -> None:
    """Of the heads that two staves claim, the one with the better score stays."""
    claims = sorted(
        (
            (head.score, i, head, staff.band.strip_x(head.x), _strip_y(staff, head))
            for i, staff in enumerate(staffs)
            for head in staff.heads
        ),
        key=lambda claim: -claim[0],
    )
    kept: list[tuple[int, GlyphMatch, float, float]] = []
    gone: set[tuple[int, int]] = set()
    for _, i, head, x, y in claims:
        space = staffs[i].band.scale * SPACE
        if any(
            j != i and abs(x - u) < 0.7 * space and abs(y - v) < 0.7 * space for j, _, u, v in kept
        ):
            gone.add((i, id(head)))
        else:
            kept.append((i, head, x, y))
    for i, staff in enumerate(staffs):
        stay = [n for n, head in enumerate(staff.heads) if (i, id(head)) not in gone]
        staff.heads = [staff.heads[n] for n in stay]
        staff.stems = [staff.stems[n] for n in stay]


def _strip_y(staff: OmrStaff, head: GlyphMatch) -> float:
    return staff.band.strip_y(row_of(head.position))


class _StripContents:
    """The strip read so far: what holds beyond a line break, and the bars."""

    def __init__(self) -> None:
        self.keys: list[dict[int, int]] = []
        self.clefs: list[OmrClef | None] = []
        self.meters: list[tuple[float, float]] = []
        self.bars: list[OmrBar] = []
        self.pitches: dict[OmrEvent, tuple[int, float, float]] = {}

    def add(self, staffs: Sequence[OmrStaff], stretch: Staves, glyphs: dict[str, Glyph]) -> None:
        bands = [s.band for s in staffs]
        barlines = find_barlines(bands, [s.ink for s in staffs], [s.heads for s in staffs])
        space = stretch.space
        events: list[OmrEvent] = []
        for number, staff in enumerate(staffs):
            pitches = self._pitches(number, staff, barlines)
            notes = _values(staff, glyphs, space)
            for head, stem, pitch, (value, beamed) in zip(
                staff.heads, staff.stems, pitches, notes, strict=True
            ):
                x = _column(head, stem) / SPACE + staff.band.left / space
                event = OmrEvent(x + 1e-6 * head.position, number, value, beamed=beamed)
                self.pitches[event] = (pitch, staff.band.strip_x(head.x), _strip_y(staff, head))
                events.append(event)
            for rest in staff.rests:
                if rest.name != signs.WHOLE_REST:
                    value = signs.RESTS[rest.name] * _dotted(staff, rest)
                    x = rest.x / SPACE + staff.band.left / space
                    events.append(OmrEvent(x, number, value, rest=True))
            self.meters += [
                (x / SPACE + staff.band.left / space, m)
                for x, m in staff.meters
                if x < BEGINNING * SPACE or _in_all(staffs, x, m)
            ]
        lines = [x / SPACE + stretch.left / space for x in barlines]
        self.bars += split_bars(events, lines, stretch.right / space)

    def _pitches(self, number: int, staff: OmrStaff, barlines: Sequence[float]) -> list[int]:
        while len(self.keys) <= number:
            self.keys.append({})
            self.clefs.append(None)
        clefs = [clef_of(m) for m in staff.clefs]
        before = self.clefs[number]
        if before is not None:
            clefs.insert(0, OmrClef(-1e9, before.base))
        if not clefs:
            clefs = [OmrClef(-1e9, 30)]
        keys = [(-1e9, self.keys[number])]
        signature: set[int] = set()
        for match in staff.clefs:
            if match.name.endswith("_change"):
                continue
            chain, base = _key_after(match, staff.accidentals), clef_of(match).base
            keys.append((match.x, {(m.position + base) % 7: ALTERS[m.name] for m in chain}))
            signature |= {id(m) for m in chain}
        free = [
            m
            for m in staff.accidentals
            if id(m) not in signature and m.score >= signs.ACCIDENTAL_SCORE
        ]
        attached = attach(free, staff.heads, barlines)
        self.keys[number], self.clefs[number] = keys[-1][1], clefs[-1]
        return alterations(staff.heads, attached, barlines, keys, clefs)

    def notes(self) -> list[OmrNote]:
        """All notes, the bars one after the other."""
        usual = usual_length(self.bars)
        result: list[OmrNote] = []
        start = 0.0
        for bar in self.bars:
            meters = [m for x, m in self.meters if x < bar.right]
            length = meters[-1] if meters else usual
            times, total = onsets(bar, length)
            for event, time in zip(bar.events, times, strict=True):
                if not event.rest:
                    pitch, x, y = self.pitches[event]
                    result.append(OmrNote(start + time, event.value, pitch, x, y))
            start += total
        return sorted(result, key=lambda n: (n.onset, n.midi_pitch))


def _in_all(staffs: Sequence[OmrStaff], x: float, length: float) -> bool:
    """Whether all staves of a system show a time signature at a column."""
    return all(any(abs(u - x) < SPACE and m == length for u, m in staff.meters) for staff in staffs)


def _column(head: GlyphMatch, stem: Stem | None) -> float:
    """The column of a head, the same for the heads on both sides of a stem."""
    if stem is None:
        return head.x
    return stem.x - head.width / 2 if stem.up else stem.x + head.width / 2


def _values(staff: OmrStaff, glyphs: dict[str, Glyph], space: float) -> list[tuple[float, bool]]:
    """Written value of each head in quarters, and whether a beam goes on to the right."""
    result = []
    for head, stem in zip(staff.heads, staff.stems, strict=True):
        value, beamed = {"head_whole": 4.0, "head_half": 2.0}.get(head.name, 1.0), False
        if head.name == "head_black" and stem is not None:
            left, right = count_beams(staff.band, stem)
            count = max(left, right)
            flags, score = find_flags(staff.band, stem, glyphs, space)
            # The root of a flag looks like a beam on the right.
            if count == 0 or (left == 0 and score > SURE_FLAG):
                count = flags
            beamed = right > 0
            value = 1.0 / 2**count
        result.append((value * _dotted(staff, head), beamed))
    return result


def _dotted(staff: OmrStaff, sign: GlyphMatch) -> float:
    """What the dots beside a head or rest make of its value."""
    return (1.0, 1.5, 1.75)[signs.count_dots(sign, staff.dots, staff.heads, staff.font)]
