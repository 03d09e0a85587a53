"""Notation -> `PageSet`: the page and the strip come from one drawing, so the maps are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import cv2
import numpy as np

from sfpipe.audio.midi import SHORTEST_S, Midi, MidiNote
from sfpipe.engraving.mei import write_mei
from sfpipe.engraving.midi import VELOCITY
from sfpipe.engraving.piece import read_melody
from sfpipe.engraving.verovio.draw import DrawnPage, draw_document
from sfpipe.engraving.verovio.mend import mend
from sfpipe.engraving.verovio.svg import DrawnSystem
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.notation.files import (
    ABC_SUFFIXES,
    DOCUMENT_SUFFIXES,
    MIDI_SUFFIXES,
    read_document,
)
from sfpipe.notation.musicxml import staves_of
from sfpipe.notation.playback import Head, TempoMap, order, play_as_printed
from sfpipe.notation.score import Score
from sfpipe.pages.engraved import EngravedPage, EngravedSystem, join_pages, staves_to_read
from sfpipe.pages.limits import Limits
from sfpipe.pages.page_set import KnownOnsets, Page, PageSet, strip_format
from sfpipe.pages.staff_lines import LINES, StaffCurve
from sfpipe.pages.strip import OVERSAMPLING
from sfpipe.params import EngraveParams, override

MELODY_SUFFIXES = ABC_SUFFIXES + MIDI_SUFFIXES
NOTATION_SUFFIXES = DOCUMENT_SUFFIXES + MELODY_SUFFIXES
PARAMS = EngraveParams()
REMEDY = "check who may read it"


@dataclass(frozen=True)
class _Music:
    """A document for Verovio, and what it sounds like."""

    document: str
    heads: Mapping[str, Head]
    tempo: TempoMap
    spacing: tuple[float, float]
    score: Score
    braced: bool = False


def read_notation(path: Path, staves: int | None, limits: Limits) -> PageSet:
    """Read MusicXML, MEI, ABC or MIDI; as `sfpipe.pages.read.read_pages`."""
    music = _read(path)
    linear, non_linear = music.spacing
    params = override(PARAMS.piano, spacing_linear=linear, spacing_non_linear=non_linear)
    drawn = draw_document(music.document, params)
    return _page_set(path, [page for page in drawn if page.systems], music, staves, limits)


def _read(path: Path) -> _Music:
    suffix = path.suffix.lower()
    melody_spacing = PARAMS.spacing_linear, PARAMS.spacing_non_linear
    piano_spacing = PARAMS.piano.spacing_linear, PARAMS.piano.spacing_non_linear
    if suffix in MELODY_SUFFIXES:
        melody = read_melody(path, None, PARAMS)
        named = {head.id: head for head in melody.heads}
        return _Music(write_mei(melody.score), named, melody.tempo, melody_spacing, melody.score)
    root, score = read_document(str(path), read_bytes(path, remedy=REMEDY))
    mend(root, score)
    heads, tempo, _ = play_as_printed(score, PARAMS.piano.notes_per_minute)
    named = {head.note: head for head in heads if head.printed}
    spacing = melody_spacing if score.staves == 1 else piano_spacing
    return _Music(tostring(root, encoding="unicode"), named, tempo, spacing, score, _braced(root))


def _page_set(
    path: Path, drawn: list[DrawnPage], music: _Music, staves: int | None, limits: Limits
) -> PageSet:
    counts = [len(system.lines) // LINES for page in drawn for system in page.systems]
    count = staves_to_read(counts, staves, braced=music.braced, path=path)
    space = strip_format(count)[2]
    pages = []
    for number, page in enumerate(drawn, 1):
        grey, scale = _raster(page, OVERSAMPLING * space, limits)
        systems = [
            EngravedSystem(_staves(layout, scale), _struck(layout, music))
            for layout in page.systems
        ]
        shown = Page(round(page.width), round(page.height), number, svg=page.svg)
        pages.append(EngravedPage(shown, grey, scale, systems))
    joined = join_pages(path, pages, music.tempo.seconds, count, limits)
    transposition = music.score.transposition(count)
    sounding, returns = _sounding(music), _returns(music.score, joined.onsets)
    return replace(joined, sounding=sounding, transposition=transposition, return_px=returns)


def _sounding(music: _Music) -> Midi:
    seconds = music.tempo.seconds
    struck = [head for head in music.heads.values() if not head.tied]
    notes = [
        MidiNote(
            seconds(head.onset),
            max(seconds(head.end), seconds(head.onset) + SHORTEST_S),
            0,
            head.midi_pitch,
            VELOCITY,
        )
        for head in struck
    ]
    return Midi(sorted(notes, key=lambda note: (note.start_s, note.pitch)))


def _returns(score: Score, onsets: KnownOnsets | None) -> tuple[float, ...]:
    """First notes of the bars that are not played after the one before them, px of the strip."""
    if onsets is None:
        return ()
    try:
        played = [bar for bar, _ in order(score)]
    except SfpipeError:  # signs that contradict each other tell nothing
        return ()
    starts = np.cumsum([0.0, *(float(bar.length) for bar in score.bars)])
    bars = sorted({bar for before, bar in pairwise(played) if bar != before + 1})
    first = np.searchsorted(onsets.quarters, starts[bars] - 1e-6)
    return tuple(float(onsets.strip_x[i]) for i in first if i < len(onsets.strip_x))


def _raster(page: DrawnPage, space_px: float, limits: Limits) -> tuple[np.ndarray, float]:
    """A page as a picture, and its px per user unit of the SVG."""
    import resvg_py

    width = round(page.width * space_px / page.staff_space)
    if width * page.height / page.width * width > limits.page_pixels:
        raise SfpipeError("a page is too large")
    png = resvg_py.svg_to_bytes(svg_string=page.svg, width=width, background="white")
    image = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise SfpipeError("a page could not be drawn")
    return image, width / page.width


def _staves(layout: DrawnSystem, scale: float) -> list[StaffCurve]:
    x = np.array([layout.left, layout.right]) * scale - 0.5
    lines = np.array(sorted(layout.lines)) * scale - 0.5
    groups = [lines[i : i + LINES] for i in range(0, len(lines) - LINES + 1, LINES)]
    return [StaffCurve(x, np.full(2, g[0]), np.full(2, g[-1])) for g in groups]


def _struck(layout: DrawnSystem, music: _Music) -> list[tuple[int, float, float]]:
    """Ticks and places of the heads at which a note begins."""
    named = ((music.heads.get(name), place) for name, place in layout.heads.items())
    return [(head.onset, *place) for head, place in named if head is not None and not head.tied]


def _braced(root: Element) -> bool:
    """Whether the two lowest staves of a document are one instrument's."""
    if parts := root.findall("part"):
        return staves_of(parts[-1]) == 2
    groups = [g for g in root.iter() if g.tag.endswith("}staffGrp")]
    last = [e for e in groups[-1] if e.tag.endswith("}staffDef")] if groups else []
    return len(last) == 2 and "brace" in [groups[-1].get("symbol"), *map(_symbol, groups[-1])]


def _symbol(element: Element) -> str | None:
    return element.get("symbol")
