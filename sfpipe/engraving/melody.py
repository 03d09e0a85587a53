"""The notes of a score: which heads there are, which of them sound, and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfpipe.errors import SfpipeError

if TYPE_CHECKING:
    from music21.stream import Part

TICKS = 960  # per quarter: 64ths, triplets and quintuplets are whole numbers
GRACE_S = 0.08  # a grace note's length, taken from the note it ornaments
GRACE_SHARE = 0.5  # grace notes take at most so much of that note


@dataclass(frozen=True)
class Head:
    """One printed note head.

    `onset` and `end` are in ticks (960 per quarter) as sounded, grace notes worked in; `written`
    is the onset as notated, in ticks. A `tied` head continues a sounding note; its onset is its
    own place in the score, but nothing is struck there.
    """

    id: str
    written: int
    onset: int
    end: int
    midi_pitch: int
    tied: bool
    grace: bool


@dataclass(frozen=True)
class TempoMap:
    """Microseconds per quarter from each tick on; the first entry is at tick 0."""

    changes: tuple[tuple[int, int], ...]

    def seconds(self, tick: int) -> float:
        """Time of `tick` in seconds."""
        total = 0
        for i, (start, micros) in enumerate(self.changes):
            end = self.changes[i + 1][0] if i + 1 < len(self.changes) else tick
            if start >= tick:
                break
            total += (min(end, tick) - start) * micros
        return total / (TICKS * 1e6)


@dataclass(frozen=True)
class Melody:
    """A score ready to engrave: the Part with ids on its notes, their heads, the tempo."""

    part: Part
    heads: tuple[Head, ...]
    tempo: TempoMap
    tempo_marked: bool


def prepare(part: Part, notes_per_minute: float, source: Path) -> Melody:
    """Give every note an id, take text and tempo marks off the page, and list the heads.

    Without a tempo mark, the tune's most frequent note value is played `notes_per_minute` times
    a minute.

    Raises
    ------
    SfpipeError
        If the part has several voices or no notes.
    """
    marks = _take_off(part)
    _write_out(part)
    raw = _number(part, source)
    if not raw:
        raise SfpipeError("holds no notes", file=source, remedy="leave it out")
    changes = tuple(
        (tick, round(60e6 / bpm)) for tick, bpm in sorted(dict(marks).items()) if bpm > 0
    )
    marked = bool(changes)
    if not marked:
        value = Counter(r.quarters for r in raw if not r.grace).most_common(1)[0][0]
        changes = ((0, round(60e6 / (notes_per_minute * float(value)))),)
    elif changes[0][0] > 0:
        changes = ((0, changes[0][1]), *changes[1:])
    tempo = TempoMap(changes)
    return Melody(part, tuple(_sound(raw, tempo)), tempo, marked)


@dataclass
class _Raw:
    id: str
    quarter: Fraction
    quarters: Fraction
    midi_pitch: int
    tie: str | None
    grace: bool


def _take_off(part: Part) -> list[tuple[int, float]]:
    """Remove what would be printed as text; return the tempo marks (tick, quarter bpm)."""
    tempi: list[tuple[int, float]] = []
    words = (
        "MetronomeMark",
        "TempoIndication",
        "TextExpression",
        "ChordSymbol",
        "RehearsalMark",
        "RepeatExpression",
        "TextBox",
        "Dynamic",
    )
    for element in list(part.recurse().getElementsByClass(words)):
        if "MetronomeMark" in element.classes and not element.numberImplicit:
            bpm = element.getQuarterBPM()
            if bpm:
                tick = round(TICKS * Fraction(element.getOffsetInHierarchy(part)))
                tempi.append((tick, float(bpm)))
        part.remove(element, recurse=True)
    return tempi


def _write_out(part: Part) -> None:
    """Notation as it will be printed: note values, accidentals, beams, tuplet brackets.

    A signature is printed where it changes, not at each repetition of the bar that has it.
    """
    from music21.stream.makeNotation import makeTupletBrackets

    if any(element.duration.type == "complex" for element in part.recurse().notesAndRests):
        part.splitAtDurations(recurse=True)
    shown: dict[str, Any] = {}
    for bar in part.getElementsByClass("Measure"):
        for kind in ("Clef", "KeySignature", "TimeSignature"):
            for element in list(bar.getElementsByClass(kind)):
                name = getattr(element, "ratioString", None) or getattr(element, "sharps", None)
                name = element.name if name is None and kind == "Clef" else name
                if kind in shown and shown[kind] == name:
                    bar.remove(element)
                shown[kind] = name
    part.makeAccidentals(
        inPlace=True,
        overrideStatus=True,
        cautionaryPitchClass=False,
        cautionaryNotImmediateRepeat=False,
    )
    _beam_short_bars(part)
    for bar in part.getElementsByClass("Measure"):
        for voice in [bar, *bar.voices]:
            makeTupletBrackets(voice, inPlace=True)


def _beam_short_bars(part: Part) -> None:
    """Say of each short bar whether its beginning or its end is lacking, and beam it anew.

    An upbeat opens the tune or completes the short bar before it; any other short bar lacks its
    end. music21's importers beam them all as upbeats, and Verovio cannot beam across tuplets.
    """
    end_lacking = True
    for bar in part.getElementsByClass("Measure"):
        lacking = bar.barDuration.quarterLength - bar.highestTime
        upbeat = lacking > 0 and end_lacking
        bar.paddingLeft = lacking if upbeat else 0.0
        bar.paddingRight = lacking if lacking > 0 and not upbeat else 0.0
        end_lacking = bar.paddingRight > 0
        if lacking > 0:
            bar.makeBeams(inPlace=True)


def _number(part: Part, source: Path) -> list[_Raw]:
    """Ids for all notes, in time order."""
    raw: list[_Raw] = []
    for bar in part.getElementsByClass("Measure"):
        if len(bar.voices) > 1:
            raise SfpipeError(
                f"has {len(bar.voices)} voices in bar {bar.number}, expected 1",
                file=source,
                remedy="export the melody alone",
            )
        for element in bar.voices[0] if bar.voices else bar:
            if "GeneralNote" not in element.classes:
                continue
            element.lyrics = []
            if not element.isRest:
                quarter = Fraction(bar.offset) + Fraction(element.offset)
                raw += _heads(element, quarter, len(raw))
    return raw


def _heads(element: Any, quarter: Fraction, number: int) -> list[_Raw]:
    """The heads of a note or chord, which get ids in their order of writing."""
    result: list[_Raw] = []
    grace = bool(element.duration.isGrace)
    for note in element.notes if element.isChord else [element]:
        note.id = f"n{number + len(result)}"
        tie = note.tie or element.tie
        result.append(
            _Raw(
                id=note.id,
                quarter=quarter,
                quarters=Fraction(0) if grace else Fraction(element.quarterLength),
                midi_pitch=note.pitch.midi,
                tie=tie.type if tie else None,
                grace=grace,
            )
        )
    return result


def _sound(raw: Sequence[_Raw], tempo: TempoMap) -> list[Head]:
    """Heads with sounding times: ties joined, grace notes at the expense of the next note."""
    heads: list[Head] = []
    tied_until: dict[int, Fraction] = {}
    i = 0
    while i < len(raw):
        if not raw[i].grace:
            heads.append(_plain(raw[i], tied_until, delay=0))
            i += 1
            continue
        graces = [i]
        while graces[-1] + 1 < len(raw) and raw[graces[-1] + 1].grace:
            graces.append(graces[-1] + 1)
        i = graces[-1] + 1
        main = [r for r in raw[i:] if r.quarter == raw[i].quarter] if i < len(raw) else []
        each = _grace_ticks(raw[graces[0]], main, len(graces), tempo)
        start = round(TICKS * raw[graces[0]].quarter)
        for n, g in enumerate(graces):
            onset = start + n * each
            heads.append(
                Head(raw[g].id, start, onset, onset + each, raw[g].midi_pitch, False, True)
            )
        delay = each * len(graces) if main else 0
        heads += [_plain(r, tied_until, delay=delay) for r in main]
        i += len(main)
    return heads


def _grace_ticks(first: _Raw, main: list[_Raw], n: int, tempo: TempoMap) -> int:
    tick = round(TICKS * first.quarter)
    micros = next(m for t, m in reversed(tempo.changes) if t <= tick)
    wanted = round(GRACE_S * 1e6 * TICKS / micros)
    room = min((round(TICKS * r.quarters) for r in main), default=n * wanted * 2)
    return max(1, min(wanted, int(GRACE_SHARE * room) // n))


def _plain(raw: _Raw, tied_until: dict[int, Fraction], delay: int) -> Head:
    """A head on its beat; it is `tied` if a tie of its pitch ends where it begins."""
    tied = raw.tie in ("stop", "continue") and tied_until.pop(raw.midi_pitch, None) == raw.quarter
    end = raw.quarter + raw.quarters
    if raw.tie in ("start", "continue"):
        tied_until[raw.midi_pitch] = end
    written = round(TICKS * raw.quarter)
    onset = written if tied else written + delay
    return Head(raw.id, written, onset, round(TICKS * end), raw.midi_pitch, tied, False)
