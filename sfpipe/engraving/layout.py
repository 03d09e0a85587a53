"""Verovio: a score in, one endless line of staff out, with the place of every note head."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

from sfpipe.engraving.mei import write_mei
from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Clef, Score
from sfpipe.params import EngraveParams

STAFF_SPACE = 180.0  # Verovio's units between two staff lines
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_TRANSLATE = re.compile(r"translate\(([-\d.]+)[, ]+([-\d.]+)\)")
_SCALE = re.compile(r"scale\(([-\d.]+)")


@dataclass(frozen=True)
class Layout:
    """An engraved system in Verovio's units (180 per staff space), y downwards.

    `heads`: note id -> centre (x, y) of its head. `staff_top` and `staff_bottom`: y of the outer
    staff lines.
    """

    svg: str
    width: float
    height: float
    staff_top: float
    staff_bottom: float
    heads: dict[str, tuple[float, float]]


def engrave(score: Score, params: EngraveParams) -> Layout:
    """Engrave a written-out score (`written.write_out`) on one line.

    Raises
    ------
    SfpipeError
        If Verovio does not load the score, does not put it on one line, or draws a head away
        from the line or space of its note.
    """
    toolkit = _toolkit(params.spacing_linear, params.spacing_non_linear)
    if not toolkit.loadData(write_mei(score)) or toolkit.getPageCount() != 1:
        raise SfpipeError("Verovio could not engrave the score")
    layout = _read_svg(toolkit.renderToSVG(1))
    check_heads(score, layout)
    return layout


def check_heads(score: Score, layout: Layout) -> None:
    """Raise SfpipeError unless every note of the score has its head on its line or space."""
    lost = misplaced = total = 0
    for bar, event in score.events():
        for note in event.notes if not event.hidden else []:
            total += 1
            place = layout.heads.get(note.id)
            wanted = layout.staff_bottom - (note.step - _bottom_step(bar.clef)) * STAFF_SPACE / 2
            lost += place is None
            misplaced += place is not None and abs(place[1] - wanted) > 0.02 * STAFF_SPACE
    if lost:
        raise SfpipeError(f"{lost} of {total} notes have no head in the image")
    if misplaced:
        raise SfpipeError(f"{misplaced} of {total} heads are drawn for another pitch")


def _bottom_step(clef: Clef) -> int:
    """Diatonic step (C4 = 28) of the staff's bottom line."""
    return {"G": 32, "F": 24, "C": 28}[clef.shape] - 2 * (clef.line - 1)


@lru_cache(maxsize=4)
def _toolkit(spacing_linear: float, spacing_non_linear: float) -> Any:
    """A toolkit of this process for one spacing: making one reads the fonts each time."""
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
            "spacingLinear": spacing_linear,
            "spacingNonLinear": spacing_non_linear,
            # LilyPond's line width (0.1 staff space), as in the paper's images.
            "staffLineWidth": 0.2,
        }
    )
    return toolkit


@lru_cache(maxsize=1)
def verovio_version() -> str:
    """Version of the installed Verovio."""
    import verovio

    return str(verovio.toolkit().getVersion())


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


def _read_svg(svg: str) -> Layout:
    root = ElementTree.fromstring(svg)
    inner = next(e for e in root.iter(_SVG + "svg") if e.get("class") == "definition-scale")
    _, _, width, height = (float(v) for v in inner.attrib["viewBox"].split())
    heads: dict[str, tuple[float, float]] = {}
    lines: list[float] = []
    _walk(inner, 0.0, 0.0, None, heads, lines)
    if not heads or not lines:
        raise SfpipeError("Verovio engraved no notes")
    return Layout(svg, width, height, min(lines), max(lines), heads)


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
