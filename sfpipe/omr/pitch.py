"""From staff positions to pitches: clefs, key signatures, accidentals and how long they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sfpipe.omr.band import SPACE
from sfpipe.omr.matching import GlyphMatch

SEMITONES = (0, 2, 4, 5, 7, 9, 11)  # of C D E F G A B
ALTERS = {"sharp": 1, "flat": -1, "natural": 0, "double_sharp": 2, "double_flat": -2}
SHARPS = (3, 0, 4, 1, 5, 2, 6)  # letters in the order of key signatures, C is 0
FLATS = (6, 2, 5, 1, 4, 0, 3)
# Diatonic step (7 per octave, C0 is 0) of the clef's own line: g', f, c'.
CLEF_STEPS = {"g": 4 * 7 + 4, "f": 3 * 7 + 3, "c": 4 * 7}
FIRST_GAP, NEXT_GAP = 3.0, 1.5  # staff spaces from a clef to the key signature, and inside it
ATTACHED = 4.5  # staff spaces from an accidental to its note


@dataclass(frozen=True)
class OmrClef:
    """From column `x` on, staff position 0 is diatonic step `base` (7 per octave, C0 is 0)."""

    x: float
    base: int


def clef_of(match: GlyphMatch) -> OmrClef:
    """What a clef means."""
    return OmrClef(match.x, CLEF_STEPS[match.name[5]] - match.position)


def midi_pitch(step: int, alter: int) -> int:
    """MIDI pitch of a diatonic step (7 per octave, C0 is 0), raised by `alter` semitones."""
    octave, letter = divmod(step, 7)
    return 12 * (octave + 1) + SEMITONES[letter] + alter


def key_signature(
    start: float, gap: float, accidentals: Sequence[GlyphMatch], base: int
) -> list[GlyphMatch]:
    """The accidentals of the key signature that begins within `gap` spaces right of column `start`.

    Its letters must come in the order of all key signatures.
    """
    chain: list[GlyphMatch] = []
    x, reach = start, gap
    for match in sorted(accidentals, key=lambda m: m.x):
        if match.x <= x:
            continue
        if match.name not in ("sharp", "flat"):
            continue
        if match.x - x > reach * SPACE:
            break
        order = SHARPS if match.name == "sharp" else FLATS
        if chain and match.name != chain[0].name:
            break
        if len(chain) >= 7 or (match.position + base) % 7 != order[len(chain)]:
            break
        chain.append(match)
        x, reach = match.x, NEXT_GAP
    return chain


def attach(
    accidentals: Iterable[GlyphMatch], heads: Sequence[GlyphMatch], barlines: Sequence[float]
) -> dict[int, str]:
    """Which accidental stands before which head: index of the head -> name."""
    result: dict[int, str] = {}
    distance: dict[int, float] = {}
    for match in accidentals:
        after = [
            (head.x - match.x, i)
            for i, head in enumerate(heads)
            if head.position == match.position
            and 0.4 * SPACE < head.x - match.x < ATTACHED * SPACE
            and not any(match.x < bar < head.x for bar in barlines)
        ]
        if after:
            gap, i = min(after)
            if gap < distance.get(i, 1e9):
                result[i], distance[i] = match.name, gap
    return result


def alterations(
    heads: Sequence[GlyphMatch],
    attached: dict[int, str],
    barlines: Sequence[float],
    keys: Sequence[tuple[float, dict[int, int]]],
    clefs: Sequence[OmrClef],
) -> list[int]:
    """MIDI pitch of each head: an accidental holds for its step until the next bar line.

    Parameters
    ----------
    keys:
        (column, {letter: semitones}), by column; each holds until the next.
    clefs:
        By column; the first also holds before its column.
    """
    marks = sorted(range(len(heads)), key=lambda i: heads[i].x)
    lines = sorted(barlines)
    held: dict[int, int] = {}
    pitches = [0] * len(heads)
    bar = 0
    for i in marks:
        x = heads[i].x
        while bar < len(lines) and lines[bar] < x:
            held, bar = {}, bar + 1
        base = [clef.base for clef in clefs if clef.x < x] or [clefs[0].base]
        step = base[-1] + heads[i].position
        if i in attached:
            held[step] = ALTERS[attached[i]]
        key = ([k for at, k in keys if at < x] or [{}])[-1]
        pitches[i] = midi_pitch(step, held.get(step, key.get(step % 7, 0)))
    return pitches
