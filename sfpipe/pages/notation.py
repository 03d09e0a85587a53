"""Notation -> `PageSet`: the page and the strip come from one drawing, so the maps are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import tostring

import cv2
import numpy as np

from sfpipe.engraving.mei import write_mei
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
from sfpipe.notation.playback import TICKS, Head, TempoMap, play_as_printed
from sfpipe.pages.limits import Limits
from sfpipe.pages.page_set import KnownOnsets, Page, PageSet, PageSystem, strip_format
from sfpipe.pages.staff_lines import LINES, StaffCurve
from sfpipe.pages.strip import OVERSAMPLING, straighten
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


def read_notation(path: Path, staves: int | None, limits: Limits) -> PageSet:
    """Read MusicXML, MEI, ABC or MIDI; as `sfpipe.pages.read.read_pages`."""
    if not path.is_file():
        raise SfpipeError("no such file", file=path)
    try:
        music = _read(path)
        linear, non_linear = music.spacing
        params = override(PARAMS.piano, spacing_linear=linear, spacing_non_linear=non_linear)
        drawn = draw_document(music.document, params)
        return _page_set(path, [page for page in drawn if page.systems], music, staves, limits)
    except SfpipeError as error:
        if error.file is not None:
            raise
        raise SfpipeError(error.what, file=path, remedy=error.remedy) from None


def _read(path: Path) -> _Music:
    suffix = path.suffix.lower()
    melody_spacing = PARAMS.spacing_linear, PARAMS.spacing_non_linear
    piano_spacing = PARAMS.piano.spacing_linear, PARAMS.piano.spacing_non_linear
    if suffix in MELODY_SUFFIXES:
        melody = read_melody(path, None, PARAMS)
        named = {head.id: head for head in melody.heads}
        return _Music(write_mei(melody.score), named, melody.tempo, melody_spacing)
    root, score = read_document(path.name, read_bytes(path, remedy=REMEDY))
    mend(root, score)
    heads, tempo, _ = play_as_printed(score, PARAMS.piano.notes_per_minute)
    named = {head.note: head for head in heads if head.printed}
    spacing = melody_spacing if score.staves == 1 else piano_spacing
    return _Music(tostring(root, encoding="unicode"), named, tempo, spacing)


def _page_set(
    path: Path, drawn: list[DrawnPage], music: _Music, staves: int | None, limits: Limits
) -> PageSet:
    if not drawn:
        raise SfpipeError("has no staves", file=path)
    counts = [len(system.lines) // LINES for page in drawn for system in page.systems]
    usual = max(set(counts), key=counts.count)
    if staves is None and usual > 2:
        remedy = "say how many of the lowest are to be followed, e.g. --staves 2"
        raise SfpipeError(f"its systems have {usual} staves", file=path, remedy=remedy)
    count = min(staves or usual, usual)
    _, height, space = strip_format(count)
    pages, systems, images = [], [], []
    start = 0
    for index, page in enumerate(drawn):
        grey, scale = _raster(page, OVERSAMPLING * space, limits)
        chosen = [_staves(layout, scale)[-count:] for layout in page.systems]
        parts = straighten(grey, index, chosen, (height, space), start)
        start = round(parts[-1].system.strip_end)
        if start > limits.strip_px:
            raise SfpipeError("is too long", file=path, remedy="read fewer pages at a time")
        systems += [_scaled(part.system, 1 / scale) for part in parts]
        images += [part.image for part in parts]
        pages.append(Page(round(page.width), round(page.height), index + 1, svg=page.svg))
    layouts = [layout for page in drawn for layout in page.systems]
    onsets = _onsets(music, layouts, systems)
    return PageSet(
        pages=tuple(pages),
        systems=tuple(systems),
        strip=np.hstack(images),
        staves_per_system=count,
        staff_space_px=space,
        start_px=float(onsets.strip_x[0]) if onsets else _first_head(layouts[0], systems[0]),
        source=path.name,
        onsets=onsets,
    )


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


def _scaled(system: PageSystem, factor: float) -> PageSystem:
    """The same system in other px of the page."""
    return replace(
        system,
        left=(system.left + 0.5) * factor,
        right=(system.right + 0.5) * factor,
        top=(system.top + 0.5) * factor,
        bottom=(system.bottom + 0.5) * factor,
        mesh=(system.mesh + 0.5) * factor,
    )


def _onsets(
    music: _Music, layouts: list[DrawnSystem], systems: list[PageSystem]
) -> KnownOnsets | None:
    """Where the struck heads are in the strip, one place for what begins together."""
    places: dict[int, list[tuple[float, float]]] = {}
    for layout, system in zip(layouts, systems, strict=True):
        for name, (x, y) in layout.heads.items():
            head = music.heads.get(name)
            if head is not None and not head.tied:
                point = system.strip_point(x, y)
                places.setdefault(head.onset, []).append(point)
    if not places:
        return None
    ticks = sorted(places)
    points = np.array([np.median(places[tick], axis=0) for tick in ticks])
    seconds = np.array([music.tempo.seconds(tick) for tick in ticks])
    return KnownOnsets(points[:, 0], points[:, 1], seconds, np.array(ticks) / TICKS)


def _first_head(layout: DrawnSystem, system: PageSystem) -> float:
    if not layout.heads:
        return system.strip_start
    x, y = min(layout.heads.values())
    return system.strip_point(x, y)[0]
