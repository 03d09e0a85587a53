"""Verovio: a score in, one endless line of staff out, with the place of every note head."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from sfpipe.errors import SfpipeError
from sfpipe.params import EngraveParams

if TYPE_CHECKING:
    from music21.stream import Part

STAFF_SPACE = 180.0  # Verovio's units between two staff lines
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_TRANSLATE = re.compile(r"translate\(([-\d.]+)[, ]+([-\d.]+)\)")
_SCALE = re.compile(r"scale\(([-\d.]+)")


@dataclass(frozen=True)
class Layout:
    """An engraved system in Verovio's units (180 per staff space), y downwards.

    `heads`: note id -> centre (x, y) of its head. `staff_top` and `staff_bottom`: y of the outer
    staff lines. `onsets`: note id -> quarter at which Verovio begins it. `tied`: ids of the notes
    at which a drawn tie ends.
    """

    svg: str
    width: float
    height: float
    staff_top: float
    staff_bottom: float
    heads: dict[str, tuple[float, float]]
    onsets: dict[str, float]
    tied: frozenset[str]


def engrave_part(part: Part, params: EngraveParams) -> Layout:
    """Engrave a Part whose notes carry ids.

    Raises
    ------
    SfpipeError
        If Verovio does not load the score or does not put it on one line.
    """
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "breaks": "none",
            "adjustPageHeight": True,
            "adjustPageWidth": True,
            "header": "none",
            "footer": "none",
            "mnumInterval": 0,
            "svgViewBox": True,
            "svgRemoveXlink": False,
            "pageMarginLeft": 0,
            "pageMarginRight": 0,
            "pageMarginTop": 0,
            "pageMarginBottom": 0,
            "spacingLinear": params.spacing_linear,
            "spacingNonLinear": params.spacing_non_linear,
            # LilyPond's line width (0.1 staff space), as in the paper's images.
            "staffLineWidth": 0.2,
        }
    )
    if not toolkit.loadData(_musicxml(part)) or toolkit.getPageCount() != 1:
        raise SfpipeError("Verovio could not engrave the score")
    svg = toolkit.renderToSVG(1)
    timemap = toolkit.renderToTimemap({})
    events = json.loads(timemap) if isinstance(timemap, str) else timemap
    onsets = {note: float(event["qstamp"]) for event in events for note in event.get("on", [])}
    tied = frozenset(re.findall(r'<tie [^>]*endid="#([^"]*)"', toolkit.getMEI()))
    return _read_svg(svg, onsets, tied)


def verovio_version() -> str:
    """Version of the installed Verovio."""
    import verovio

    return str(verovio.toolkit().getVersion())


def _musicxml(part: Part) -> str:
    from music21.musicxml.m21ToXml import GeneralObjectExporter
    from music21.stream import Score

    exporter = GeneralObjectExporter(Score([part]))
    # The part has been written out already; making its notation again would fill short bars (an
    # upbeat, the end of a repeated section) with rests, and take half of the time.
    exporter.makeNotation = False
    xml = exporter.parse().decode("utf-8")
    # Verovio also fills short bars up, unless they are numbered 0, which it takes for an
    # incomplete bar (MEI's metcon="false").
    return re.sub(r'(<measure [^>]*?number=")[^"]*"', r'\g<1>0"', xml)


@lru_cache(maxsize=1)
def _glyphs() -> dict[str, tuple[float, float]]:
    """Middle (x, y upwards) of Leipzig's note-head glyphs, in font units, by SMuFL code."""
    from pathlib import Path

    import verovio

    table = ElementTree.parse(Path(verovio.__file__).parent / "data" / "Leipzig.xml").getroot()
    return {
        g.attrib["c"]: (
            float(g.attrib["x"]) + float(g.attrib["w"]) / 2,
            float(g.attrib["y"]) + float(g.attrib["h"]) / 2,
        )
        for g in table.iter("g")
        if g.attrib.get("n", "").startswith("notehead")
    }


def _read_svg(svg: str, onsets: dict[str, float], tied: frozenset[str]) -> Layout:
    root = ElementTree.fromstring(svg)
    inner = next(e for e in root.iter(_SVG + "svg") if e.get("class") == "definition-scale")
    _, _, width, height = (float(v) for v in inner.attrib["viewBox"].split())
    heads: dict[str, tuple[float, float]] = {}
    lines: list[float] = []
    _walk(inner, 0.0, 0.0, None, heads, lines)
    if not heads or not lines:
        raise SfpipeError("Verovio engraved no notes")
    return Layout(svg, width, height, min(lines), max(lines), heads, onsets, tied)


def _walk(
    element: ElementTree.Element,
    x: float,
    y: float,
    note: str | None,
    heads: dict[str, tuple[float, float]],
    lines: list[float],
) -> None:
    """Collect head centres and staff lines, adding up the translations on the way down."""
    shift = _TRANSLATE.search(element.get("transform") or "")
    if shift and element.tag != _SVG + "use":
        x, y = x + float(shift[1]), y + float(shift[2])
    kind = (element.get("class") or "").split()
    if "note" in kind:
        note = element.get("id")
    elif "notehead" in kind and note is not None:
        use = element.find(_SVG + "use")
        if use is not None:
            dx, dy = _head_centre(use)
            heads[note] = (x + dx, y + dy)
        return
    elif "staff" in kind and not lines:
        for path in element.findall(_SVG + "path"):
            start = re.match(r"M[-\d.]+ ([-\d.]+) L", path.get("d") or "")
            if start:
                lines.append(y + float(start[1]))
    for child in element:
        _walk(child, x, y, note, heads, lines)


def _head_centre(use: ElementTree.Element) -> tuple[float, float]:
    transform = use.get("transform") or ""
    shift, scale = _TRANSLATE.search(transform), _SCALE.search(transform)
    x, y = (float(shift[1]), float(shift[2])) if shift else (0.0, 0.0)
    size = float(scale[1]) if scale else 1.0
    code = (use.get(_HREF) or use.get("href") or "#").removeprefix("#").split("-")[0]
    middle = _glyphs().get(code, _glyphs()["E0A4"])
    return x + size * middle[0], y - size * middle[1]
