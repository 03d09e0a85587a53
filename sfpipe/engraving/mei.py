"""A written-out score as MEI, Verovio's own format: what is printed, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from xml.sax.saxutils import quoteattr

from sfpipe.notation.score import LETTERS, SHARPS, Bar, Clef, Event, Key, Metre, Note, Score

_ACCIDENTALS = {-3: "tf", -2: "ff", -1: "f", 0: "n", 1: "s", 2: "x", 3: "ts"}
_ABOVE = 'num.place="above" bracket.place="above" bracket.visible="true"'
_VALUES = {
    base * dots: (name, n)
    for base, name in [(Fraction(8), "breve")] + [(Fraction(4, 2**k), str(2**k)) for k in range(9)]
    for n, dots in enumerate((Fraction(1), Fraction(3, 2), Fraction(7, 4)))
}


def write_mei(score: Score) -> str:
    """The MEI document of a score whose events are printable (`written.write_out`).

    Heads have the names of their notes. Key, clef and metre are printed where they change.
    """
    writer = _Writer()
    first = score.bars[0]
    last = len(score.bars) - 1
    body = "".join(
        writer.bar(bar, "end" if n == last else bar.line) for n, bar in enumerate(score.bars)
    )
    staff = f'<staffDef n="1" lines="5"{_clef_attributes(first.clef)}{_metre(first.metre)}>'
    return (
        '<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0"><music><body><mdiv>'
        f"<score><scoreDef><staffGrp>{staff}{_key(first.key)}</staffDef></staffGrp></scoreDef>"
        f"<section>{body}</section></score></mdiv></body></music></mei>"
    )


@dataclass
class _Writer:
    """What is in force while bar after bar is written."""

    key: Key | None = None
    clef: Clef | None = None
    metre: Metre | None = None
    at: Fraction = Fraction(0)
    open_ties: dict[int, tuple[str, Fraction]] = field(default_factory=dict)
    ties: list[str] = field(default_factory=list)

    def bar(self, bar: Bar, line: str) -> str:
        """One ``<measure>``, and before it the signatures that change."""
        signs = self._changes(bar)
        voices = sorted({event.voice for event in bar.events})
        self.ties = []
        shown: dict[int, int] = {}
        layers = []
        for n, voice in enumerate(voices, 1):
            events = [e for e in bar.events if e.voice == voice]
            content = self._layer(events, bar, shown)
            layers.append(f'<layer n="{n}">{content}</layer>')
        self.at += bar.length
        return (
            f'{signs}<measure metcon="false" right="{line}"><staff n="1">{"".join(layers)}</staff>'
            f"{''.join(self.ties)}</measure>"
        )

    def _changes(self, bar: Bar) -> str:
        shown = ""
        if self.key is not None:
            metre = _metre(bar.metre) if bar.metre != self.metre and bar.metre else ""
            key = _key(bar.key) if bar.key != self.key else ""
            clef = _clef_attributes(bar.clef) if bar.clef != self.clef else ""
            if metre or key or clef:
                shown = (
                    f'<scoreDef><staffGrp><staffDef n="1" lines="5"{clef}{metre}>{key}</staffDef>'
                    "</staffGrp></scoreDef>"
                )
        self.key, self.clef, self.metre = bar.key, bar.clef, bar.metre or self.metre
        return shown

    def _layer(self, events: Sequence[Event], bar: Bar, shown: dict[int, int]) -> str:
        only = len(events) == 1 and not events[0].notes and not events[0].hidden
        if only:
            return "<mRest/>"
        parts = [self._event(event, bar, shown) for event in events]
        opened, closed = _brackets(events)
        return "".join(
            f"{''.join(opened[i])}{part}{''.join(closed[i])}" for i, part in enumerate(parts)
        )

    def _event(self, event: Event, bar: Bar, shown: dict[int, int]) -> str:
        if event.grace:
            value = ' grace="unacc" dur="8"'
        else:
            name, dots = _VALUES[written_value(event)]
            value = f' dur="{name}"' + (f' dots="{dots}"' if dots else "")
        if not event.notes or event.hidden:
            return f"<{'space' if event.hidden else 'rest'}{value}/>"
        extra = ' cue="true"' if event.cue else ""
        if event.marks:
            extra += f' artic="{" ".join(event.marks)}"'
        chord = len(event.notes) > 1
        inner = "" if chord else value + extra
        notes = "".join(self._note(note, event, bar, shown, inner) for note in event.notes)
        return f"<chord{value}{extra}>{notes}</chord>" if chord else notes

    def _note(self, note: Note, event: Event, bar: Bar, shown: dict[int, int], more: str) -> str:
        quarter = self.at + event.start
        tied = self._tie(note, event, quarter)
        step = note.step + 7 * bar.clef.octaves
        sign = ""
        if not tied and _needs_sign(note, bar.key, shown):
            sign = f' accid="{_ACCIDENTALS.get(note.alter, "n")}"'
        if not tied:
            shown[note.step] = note.alter
        return (
            f'<note xml:id={quoteattr(note.id)} pname="{LETTERS[step % 7].lower()}" '
            f'oct="{step // 7}"{more}{sign}/>'
        )

    def _tie(self, note: Note, event: Event, quarter: Fraction) -> bool:
        """Draw the tie that ends at the note and take note of the one that begins."""
        if event.grace or event.cue:
            return False
        start, end = self.open_ties.pop(note.midi, ("", Fraction(-1)))
        tied = end == quarter
        if tied:
            self.ties.append(f'<tie startid="#{start}" endid="#{note.id}"/>')
        if note.tie:
            self.open_ties[note.midi] = (note.id, quarter + event.quarters)
        return tied


def written_value(event: Event) -> Fraction:
    """The printed value of an event in quarters, tuplets taken out."""
    value = event.quarters
    for tuplet in event.tuplets:
        value *= Fraction(tuplet.actual, tuplet.normal)
    return value


def _needs_sign(note: Note, key: Key, shown: dict[int, int]) -> bool:
    """Whether an accidental is printed: the bar's last one of this line says otherwise.

    One in another octave holds for this one too in some styles, so it is contradicted also.
    """
    if note.step in shown:
        return shown[note.step] != note.alter
    octaves = {alter for step, alter in shown.items() if (step - note.step) % 7 == 0}
    return note.alter != key.alters[note.step % 7] or bool(octaves - {note.alter})


def _brackets(events: Sequence[Event]) -> tuple[list[list[str]], list[list[str]]]:
    """Opening and closing tags of tuplets and beams before and after each event."""
    opened: list[list[str]] = [[] for _ in events]
    closed: list[list[str]] = [[] for _ in events]
    spans = [(a, b, 0, tag, "tuplet") for a, b, tag in _tuplets(events)]
    spans += [(a, b, 1, "<beam>", "beam") for a, b in _beams(events, [s[:2] for s in spans])]
    # The longer outside; of equal ones the tuplet.
    for a, b, _, tag, name in sorted(spans, key=lambda s: (s[0], -s[1], s[2])):
        opened[a].append(tag)
        closed[b].insert(0, f"</{name}>")
    return opened, closed


def _tuplets(events: Sequence[Event]) -> list[tuple[int, int, str]]:
    """(first, last, tag) of each tuplet."""
    places: dict[tuple[int, int, int], list[int]] = {}
    for i, event in enumerate(events):
        for tuplet in event.tuplets:
            places.setdefault(tuplet, []).append(i)
    return [
        (members[0], members[-1], f'<tuplet num="{t[0]}" numbase="{t[1]}" {_ABOVE}>')
        for t, members in places.items()
    ]


def _beams(events: Sequence[Event], tuplets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """First and last event of each beam; one that crosses a tuplet's edge is cut there."""
    runs: list[list[int]] = []
    joined = False
    for i, event in enumerate(events):
        if event.grace:
            continue
        flagged = bool(event.notes) and not event.hidden and written_value(event) < 1
        if flagged and joined and runs:
            runs[-1].append(i)
        elif flagged:
            runs.append([i])
        joined = flagged and event.beam
    result = []
    for run in runs:
        start = 0
        for k in range(1, len(run) + 1):
            if k == len(run) or _cut(run[start], run[k - 1], run[k], run[-1], tuplets):
                if k - start > 1:
                    result.append((run[start], run[k - 1]))
                start = k
    return result


def _cut(
    first: int, before: int, after: int, last: int, tuplets: Sequence[tuple[int, int]]
) -> bool:
    """Whether an edge between two notes of a beam belongs to a tuplet that the beam leaves."""
    for a, b in tuplets:
        crosses = a < first <= b < last or first < a <= last < b
        if crosses and (before < a <= after or before <= b < after):
            return True
    return False


def _clef_attributes(clef: Clef) -> str:
    shift = ""
    if clef.octaves:
        size = {1: 8, 2: 15}.get(abs(clef.octaves), 8)
        shift = f' clef.dis="{size}" clef.dis.place="{"above" if clef.octaves > 0 else "below"}"'
    return f' clef.shape="{clef.shape}" clef.line="{clef.line}"{shift}'


def _metre(metre: Metre | None) -> str:
    if metre is None:
        return ""
    symbol = {"C": ' meter.sym="common"', "C|": ' meter.sym="cut"'}.get(metre.symbol, "")
    return f' meter.count="{metre.beats}" meter.unit="{metre.unit}"{symbol}'


def _key(key: Key) -> str:
    """A key signature, of sharps or flats or of its own."""
    if not key.shown:
        return '<keySig sig="0"/>'
    if key.fifths is not None and abs(key.fifths) <= 7:
        kind = "s" if key.fifths > 0 else "f" if key.fifths < 0 else ""
        return f'<keySig sig="{abs(key.fifths)}{kind}"/>'
    order = [i for i in (*SHARPS[::-1], *SHARPS) if key.alters[i]]
    accidentals = "".join(
        f'<keyAccid pname="{LETTERS[i].lower()}" oct="{4 if i in (5, 6) else 5}" '
        f'accid="{_ACCIDENTALS.get(key.alters[i], "n")}"/>'
        for i in dict.fromkeys(order)
    )
    return f"<keySig>{accidentals}</keySig>"
