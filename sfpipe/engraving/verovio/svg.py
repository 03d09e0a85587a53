"""A page that Verovio drew: where its note heads and staves are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, fromstring

from sfpipe.engraving.verovio.toolkit import head_middles
from sfpipe.errors import SfpipeError

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_TRANSLATE = re.compile(r"translate\(([-\d.]+)[, ]+([-\d.]+)\)")
_SCALE = re.compile(r"scale\(([-\d.]+)")
_LINE = re.compile(r"M([-\d.]+) ([-\d.]+) L([-\d.]+)")
_BLACK = "E0A4"
_HOLLOW = ("E0A0", "E0A2", "E0A3")  # breve, whole and half notes


@dataclass(frozen=True)
class Layout:
    """An engraved system in Verovio's units (180 per staff space), y downwards.

    `heads`: note id -> centre (x, y) of its head; `hollow`: those of half and whole notes.
    `staff_top` and `staff_bottom`: y of the outer staff lines; `left`: x at which the staves
    begin, or the picture where nothing is left of them; `lines`: y of all staff lines.
    """

    svg: str
    width: float
    height: float
    staff_top: float
    staff_bottom: float
    heads: dict[str, tuple[float, float]]
    hollow: frozenset[str] = frozenset()
    left: float = 0.0
    lines: tuple[float, ...] = ()


@dataclass
class DrawnSystem:
    """A system on its page, in Verovio's units, y downwards.

    `heads`: note id -> centre (x, y) of its head; `hollow`: those of half and whole notes; `lines`:
    y of all staff lines; `left` and `right`: where the staves begin and end.
    """

    heads: dict[str, tuple[float, float]] = field(default_factory=dict)
    hollow: set[str] = field(default_factory=set)
    lines: set[float] = field(default_factory=set)
    left: float = float("inf")
    right: float = float("-inf")


def read_svg(svg: str, font: str = "Leipzig") -> Layout:
    """The layout of a page with one system.

    Raises
    ------
    SfpipeError
        If there is no system on it, or there are several.
    """
    width, height, systems = read_page(svg, font)
    if len(systems) != 1:
        raise SfpipeError(f"Verovio drew {len(systems)} systems where one was expected")
    page = systems[0]
    lines = tuple(sorted(page.lines))
    hollow = frozenset(page.hollow)
    return Layout(svg, width, height, lines[0], lines[-1], page.heads, hollow, page.left, lines)


def read_page(svg: str, font: str = "Leipzig") -> tuple[float, float, list[DrawnSystem]]:
    """Width and height of a page in Verovio's units, and its systems from the top."""
    inner = next(
        e for e in fromstring(svg).iter(_SVG + "svg") if e.get("class") == "definition-scale"
    )
    _, _, width, height = (float(v) for v in inner.attrib["viewBox"].split())
    systems: list[DrawnSystem] = []
    _walk(inner, 0.0, 0.0, None, systems, head_middles(font))
    return width, height, [system for system in systems if system.lines]


def _walk(
    element: Element,
    x: float,
    y: float,
    note: str | None,
    systems: list[DrawnSystem],
    middles: dict[str, tuple[float, float]],
) -> None:
    """Collect head centres and staff lines, adding up the translations on the way down."""
    shift = element.get("transform")
    if shift and element.tag != _SVG + "use" and (translate := _TRANSLATE.search(shift)):
        x, y = x + float(translate[1]), y + float(translate[2])
    kind = (element.get("class") or "").split()
    if "system" in kind:
        systems.append(DrawnSystem())
    elif "note" in kind:
        note = element.get("id")
    elif "notehead" in kind:
        use = element.find(_SVG + "use")
        if use is not None and note is not None and systems:
            _head(use, x, y, note, systems[-1], middles)
        return
    elif "staff" in kind and systems:
        system = systems[-1]
        for path in element.findall(_SVG + "path"):
            if line := _LINE.match(path.get("d") or ""):
                system.lines.add(y + float(line[2]))
                system.left = min(system.left, x + float(line[1]))
                system.right = max(system.right, x + float(line[3]))
    for child in element:
        _walk(child, x, y, note, systems, middles)


def _head(
    use: Element,
    x: float,
    y: float,
    note: str,
    system: DrawnSystem,
    middles: dict[str, tuple[float, float]],
) -> None:
    transform = use.get("transform") or ""
    shift, scale = _TRANSLATE.search(transform), _SCALE.search(transform)
    if shift:
        x, y = x + float(shift[1]), y + float(shift[2])
    size = float(scale[1]) if scale else 1.0
    code = (use.get(_HREF) or use.get("href") or "#").removeprefix("#").split("-")[0]
    middle = middles.get(code, middles[_BLACK])
    system.heads[note] = x + size * middle[0], y - size * middle[1]
    if code in _HOLLOW:
        system.hollow.add(note)
