"""MusicXML and MEI made ready for drawing: what programs leave out and Verovio needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement

from sfpipe.engraving.written import beam
from sfpipe.notation.musicxml import staves_of
from sfpipe.notation.score import Event, Score

_FLAGGED = ("eighth", "16th", "32nd", "64th", "128th", "256th", "512th", "1024th")
_AFTER_STAVES = {"part-symbol", "instruments", "clef", "staff-details", "transpose", "directive"}
_AFTER_STAVES |= {"measure-style"}


def mend(root: Element, score: Score) -> None:
    """Change a document so that it can be drawn as `score`, which was read from it.

    - ``<staves>`` is added to parts that use several staves without saying so;
    - notes are beamed by the beat if the document has no beams at all;
    - names of parts are taken out: they would be printed before the first system.

    Of MEI, which tells staves and beams, the names alone are taken out.
    """
    for name in ("label", "labelAbbr"):
        for element in [e for e in root.iter() if e.find(name) is not None]:
            for child in element.findall(name):
                element.remove(child)
    for part in root.findall("part"):
        _tell_staves(part)
    for name in ("part-name", "part-abbreviation"):
        for element in root.iter(name):
            element.text = ""
            element.attrib["print-object"] = "no"
    for element in root.iter("score-part"):
        for name in ("part-name-display", "part-abbreviation-display"):
            for child in element.findall(name):
                element.remove(child)
    if not score.beamed:
        _beam(root, score)


def _tell_staves(part: Element) -> None:
    staves = staves_of(part)
    if staves == 1 or part.find("measure/attributes/staves") is not None:
        return
    first = part.find("measure")
    if first is None:
        return
    attributes = first.find("attributes")
    if attributes is None:
        attributes = Element("attributes")
        first.insert(0, attributes)
    places = [i for i, child in enumerate(attributes) if child.tag in _AFTER_STAVES]
    told = Element("staves")
    told.text = str(staves)
    attributes.insert(min(places, default=len(attributes)), told)


def _beam(root: Element, score: Score) -> None:
    elements = {e.get("id"): e for e in root.iter("note") if e.get("id")}
    for n, bar in enumerate(score.bars):
        lacking = bar.metre.quarters - bar.length if bar.metre else Fraction(0)
        voices: dict[tuple[int, int], list[Event]] = defaultdict(list)
        for event in bar.events:
            voices[event.voice, event.staff].append(event)
        for events in voices.values():
            events.sort(key=lambda e: e.start)
            beam(events, bar, max(lacking, Fraction(0)) if n == 0 else Fraction(0))
            for run in _runs(events, elements):
                for i, element in enumerate(run):
                    told = SubElement(element, "beam", {"number": "1"})
                    told.text = "end" if i == len(run) - 1 else "continue" if i else "begin"


def _runs(events: Sequence[Event], elements: dict[str | None, Element]) -> Iterator[list[Element]]:
    """The first notes of events that a beam joins."""
    main = [e for e in events if not e.grace]
    run: list[Element] = []
    for event, after in pairwise([*main, None]):
        if event is None:
            break
        element = elements.get(event.notes[0].id) if event.notes else None
        if element is not None and element.findtext("type") in _FLAGGED:
            run.append(element)
            follows = after is not None and event.start + event.quarters == after.start
            joined = event.beam and follows
        else:
            joined = False
        if not joined:
            if len(run) > 1:
                yield run
            run = []
