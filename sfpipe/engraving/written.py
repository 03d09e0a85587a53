"""A score as it is printed: note values that exist, tied over bar lines, tuplets and beams."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Bar, Event, Metre, Score, Tuplet

SHORTEST = Fraction(1, 64)  # quarters: a 256th
LONGEST = Fraction(8)  # a breve
QUARTER = Fraction(1)


def write_out(score: Score) -> Score:
    """The score with every event a printable value of its bar; names of notes stay.

    A length that no single value has becomes tied notes, of which the later ones are named
    ``n5.1``, ``n5.2``. Music without bar lines gets those of its metre, silence becomes hidden
    rests, notes without beams get them by the beat.

    Raises
    ------
    SfpipeError
        If a length cannot be written, or there is more than one staff.
    """
    if len({event.staff for _, event in score.events() if event.notes}) > 1:
        raise SfpipeError("has more than one staff", remedy="export the melody alone")
    bars = _barred(score.bars[0]) if len(score.bars) == 1 else score.bars
    printed = []
    shortened = True  # the bar before lacked its end; an upbeat opens the tune
    for bar in bars:
        full = bar.metre.quarters if bar.metre else bar.length
        lacking = full - bar.length
        upbeat = lacking > 0 and shortened
        shortened = lacking > 0 and not upbeat
        events = []
        for voice in _voices(bar).values():
            inside = _split(_with_tuplets(_filled(voice, bar.length)))
            if not score.beamed:
                beam(inside, bar, lacking if upbeat else Fraction(0))
            events += inside
        printed.append(replace(bar, events=events))
    return replace(score, bars=printed)


def _voices(bar: Bar) -> dict[int, list[Event]]:
    """The events of each voice in order of time, voices that have notes alone."""
    voices: dict[int, list[Event]] = defaultdict(list)
    for event in bar.events:
        voices[event.voice].append(event)
    sounding = {v: es for v, es in voices.items() if any(e.notes for e in es)}
    if not sounding:
        sounding = dict(list(voices.items())[:1]) or {1: []}
    return {v: sorted(sounding[v], key=lambda e: e.start) for v in sorted(sounding)}


def _filled(events: Sequence[Event], length: Fraction) -> list[Event]:
    """The events of a voice with hidden rests where it is silent."""
    filled: list[Event] = []
    now = Fraction(0)
    for event in events:
        if event.start > now:
            filled.append(Event(event.start - now, start=now, voice=event.voice, hidden=True))
        filled.append(event)
        now = max(now, event.start + event.quarters)
    if now < length:
        voice = events[0].voice if events else 1
        filled.append(Event(length - now, start=now, voice=voice, hidden=True))
    return filled


def _barred(bar: Bar) -> list[Bar]:
    """A tune without bar lines in bars of its metre."""
    metre = bar.metre
    if metre is None or bar.length <= metre.quarters or len(_voices(bar)) > 1:
        return [bar]
    count = math.ceil(bar.length / metre.quarters)
    bars = []
    for n in range(count):
        low, high = n * metre.quarters, min((n + 1) * metre.quarters, bar.length)
        part = replace(bar, events=[], length=high - low, number=n + 1, tempi=[])
        part.tempi = [(t - low, pace) for t, pace in bar.tempi if low <= t < high]
        part.line = bar.line if n == count - 1 else "single"
        bars.append(part)
    for event in bar.events:
        first = min(int(event.start / metre.quarters), count - 1)
        _share(event, bars[first:], metre.quarters, first)
    return bars


def _share(event: Event, bars: Sequence[Bar], length: Fraction, number: int) -> None:
    """Put an event into the bars that it lasts over."""
    start, end = event.start, event.start + event.quarters
    pieces = []
    for n, bar in enumerate(bars):
        low, high = max(start, (number + n) * length), min(end, (number + n + 1) * length)
        if n and low >= high:
            break
        pieces.append((bar, low - (number + n) * length, high - low))
    for n, (bar, at, quarters) in enumerate(pieces):
        last = n == len(pieces) - 1
        bar.events.append(_piece(event, at, quarters, n, last=last, sign="_"))


def _piece(
    event: Event, start: Fraction, quarters: Fraction, n: int, *, last: bool, sign: str = "."
) -> Event:
    """The n-th of the tied events that an event becomes; `sign` keeps apart ids of two splits."""
    notes = event.notes
    if n or not last:
        notes = [
            replace(note, tie=note.tie or not last, id=f"{note.id}{sign}{n}" if n else note.id)
            for note in notes
        ]
    marks = event.marks if n == 0 else ()
    return replace(
        event, notes=notes, start=start, quarters=quarters, marks=marks, beam=event.beam and last
    )


def _with_tuplets(events: list[Event]) -> list[Event]:
    """Events whose lengths are thirds, fifths, ... of a value get the tuplets they lack."""
    group = 0
    i = 0
    while i < len(events):
        if events[i].tuplets or not _odd(events[i].quarters):
            i += 1
            continue
        group -= 1  # files count upwards
        j, total, odd = i, Fraction(0), 1
        while j < len(events) and (j == i or _odd(total)) and not events[j].tuplets:
            total += events[j].quarters
            odd = math.lcm(odd, _odd(events[j].quarters) or 1)
            j += 1
        normal = 2 ** (odd.bit_length() - 1)
        for event in events[i:j]:
            if not event.grace:
                event.tuplets = (Tuplet(odd, normal, group),)
        i = j
    return events


@lru_cache(maxsize=4096)
def _odd(quarters: Fraction) -> int:
    """The odd part of a length's denominator, 0 if there is none."""
    below = quarters.denominator
    while below % 2 == 0:
        below //= 2
    return below if below > 1 else 0


def _split(events: Sequence[Event]) -> list[Event]:
    result = []
    for event in events:
        if event.grace:
            result.append(event)
            continue
        scale = Fraction(1)
        for tuplet in event.tuplets:
            scale *= Fraction(tuplet.normal, tuplet.actual)
        values = printable(event.quarters / scale)
        at = event.start
        for n, value in enumerate(values):
            last = n == len(values) - 1
            result.append(
                event if last and not n else _piece(event, at, value * scale, n, last=last)
            )
            at += value * scale
    return result


@lru_cache(maxsize=4096)
def printable(quarters: Fraction) -> tuple[Fraction, ...]:
    """Values with at most two dots that make up a length, the longest first.

    Raises
    ------
    SfpipeError
        If the length is no sum of 256ths.
    """
    if (quarters / SHORTEST).denominator != 1:
        raise SfpipeError(f"has a note of {quarters} quarters, which cannot be written")
    values = []
    while quarters:
        base = LONGEST
        while base > quarters:
            base /= 2
        if quarters >= base * Fraction(7, 4) and base >= 4 * SHORTEST:
            base *= Fraction(7, 4)
        elif quarters >= base * Fraction(3, 2) and base >= 2 * SHORTEST:
            base *= Fraction(3, 2)
        values.append(base)
        quarters -= base
    return tuple(values)


def beam(events: Sequence[Event], bar: Bar, lead: Fraction) -> None:
    """Join what lies in one beat; `lead` is what the bar lacks before its first note.

    `events` are those of a voice in order of time.
    """
    edges = _beats(bar.metre, bar.length + lead)
    last: Event | None = None
    for event in events:
        if event.grace:
            continue
        if last is not None:
            same = _beat(edges, last.start + lead) == _beat(edges, event.start + lead)
            short = last.quarters < 1 and event.quarters < 1
            last.beam = bool(same and short and last.notes and event.notes)
        last = event


def _beat(edges: Sequence[Fraction], at: Fraction) -> int:
    return sum(edge <= at for edge in edges)


def _beats(metre: Metre | None, length: Fraction) -> list[Fraction]:
    """Where the beats of a bar begin."""
    if metre is None:
        lengths = [QUARTER]
    elif "+" in metre.beats:
        lengths = [Fraction(4 * int(n), metre.unit) for n in metre.beats.split("+")]
    elif metre.compound or (metre.beats == "3" and metre.unit == 8):
        lengths = [Fraction(12, metre.unit)]
    elif metre.unit <= 2:
        lengths = [Fraction(4, metre.unit)]
    elif metre.unit == 4:
        lengths = [QUARTER]
    else:  # 5/8 is 3 + 2, 7/8 is 3 + 2 + 2
        beats = int(metre.beats)
        lengths = [Fraction(4 * (3 if beats % 2 else 2), metre.unit)]
        lengths += [Fraction(8, metre.unit)] * (beats // 2)
    edges = [Fraction(0)]
    while edges[-1] < length:
        edges.append(edges[-1] + lengths[(len(edges) - 1) % len(lengths)])
    return edges
