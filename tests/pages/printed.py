"""Printed pages with what is on them: where the systems, staves and note heads are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import resvg_py
import verovio

from sfpipe.datasets.index import Piece
from sfpipe.engraving.lilypond import piece as piece_module
from sfpipe.engraving.lilypond.placement import DPI, PlacedSystem, Placement
from sfpipe.pages.page_set import PageSet
from sfpipe.sandbox.jail import private_folder
from tests.pages.degrade import Photo

FONTS = ("Bravura", "Gootville", "Leipzig", "Leland", "Petaluma")
A4_INCH = 210 / 25.4
_SVG = "{http://www.w3.org/2000/svg}"
_NUMBERS = re.compile(r"-?[\d.]+")


@dataclass
class TrueSystem:
    """In mm of the page. `staves`: y of top and bottom line; `heads`: centres."""

    left: float
    right: float
    staves: list[tuple[float, float]]
    heads: list[tuple[float, float]]
    ids: list[str] = field(default_factory=list)

    @property
    def space(self) -> float:
        return (self.staves[0][1] - self.staves[0][0]) / 4


@dataclass
class PrintedPage:
    """A4, as SVG or as a picture of some size."""

    systems: list[TrueSystem]
    svg: str = ""
    picture: np.ndarray | None = None

    def image(self, dpi: float) -> np.ndarray:
        """uint8 [shape=(height, width)]."""
        width = round(A4_INCH * dpi)
        if self.picture is not None:
            height = round(self.picture.shape[0] * width / self.picture.shape[1])
            return cv2.resize(self.picture, (width, height), interpolation=cv2.INTER_AREA)
        png = resvg_py.svg_to_bytes(svg_string=self.svg, width=width, background="white")
        return cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_GRAYSCALE)


def verovio_pages(music: str, font: str, **options: object) -> list[PrintedPage]:
    """Set MusicXML or MEI on A4 pages."""
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "font": font,
            "svgViewBox": True,
            "svgRemoveXlink": False,
            "breaks": "auto",
            "adjustPageHeight": False,
            **options,
        }
    )
    assert toolkit.loadData(music)
    svgs = [toolkit.renderToSVG(n + 1) for n in range(toolkit.getPageCount())]
    return [PrintedPage(_systems(svg), svg=svg) for svg in svgs]


def _systems(svg: str) -> list[TrueSystem]:
    root = ElementTree.fromstring(svg)
    inner = next(e for e in root.iter(_SVG + "svg") if e.get("class") == "definition-scale")
    mm = 210 / float(inner.attrib["viewBox"].split()[2])
    systems: list[TrueSystem] = []
    _walk(inner, np.zeros(2), mm, systems, "")
    for system in systems:
        system.staves = _merge(system.staves)
    return systems


def _walk(
    element: ElementTree.Element, at: np.ndarray, mm: float, found: list[TrueSystem], note: str
) -> None:
    kind = (element.get("class") or "").split()
    if element.tag != _SVG + "use":
        at = at + _shift(element)
    if "system" in kind:
        found.append(TrueSystem(np.inf, -np.inf, [], []))
    if "note" in kind:
        note = element.get("id") or ""
    if "notehead" in kind and found:
        use = element.find(_SVG + "use")
        if use is not None and element.get("visibility") != "hidden":
            # The origin of the glyph is the left end of its middle.
            place = (at + _shift(use)) * mm
            found[-1].heads.append((float(place[0]), float(place[1])))
            found[-1].ids.append(note)
    if "staff" in kind:
        lines = []
        for path in element.findall(_SVG + "path"):
            numbers = [float(n) for n in _NUMBERS.findall(path.get("d") or "")]
            if len(numbers) == 4 and numbers[1] == numbers[3]:
                lines.append(((at[1] + numbers[1]) * mm, *((at[0] + n) * mm for n in numbers[::2])))
        if len(lines) >= 5:
            found[-1].staves.append((lines[0][0], lines[4][0]))
            found[-1].left = min(found[-1].left, lines[0][1])
            found[-1].right = max(found[-1].right, lines[0][2])
    for child in element:
        _walk(child, at, mm, found, note)


def _shift(element: ElementTree.Element) -> np.ndarray:
    found = re.search(r"translate\(([-\d.]+)[, ]+([-\d.]+)\)", element.get("transform") or "")
    return np.array([float(found[1]), float(found[2])]) if found else np.zeros(2)


def _merge(staves: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for staff in sorted(staves):
        if not merged or staff[0] - merged[-1][0] > 1:
            merged.append(staff)
    return merged


def lilypond_pages(piece: Piece, raw: Path, dpi: int = 300) -> list[PrintedPage]:
    """Set a LilyPond source on A4 pages, with its titles, as the program does by itself."""
    hook = piece_module.HOOK.read_text("utf-8")
    hook = hook.replace("(systems-per-page . 1)", "(systems-per-page . #f)")
    hook = re.sub(r"\(ragged-bottom \. #t\).*?\(scoreTitleMarkup \. #f\)", "", hook, flags=re.S)
    pages: list[PrintedPage] = []
    with private_folder() as folder, pytest.MonkeyPatch.context() as patch:
        changed = folder.parent / "hook.ily"
        changed.write_text(hook, "utf-8")
        patch.setattr(piece_module, "HOOK", changed)
        made, scores = piece_module.typeset(piece, raw, folder, dpi=dpi)
        for name, score in scores:
            numbers = range(1, 1 + max(system.page for system in score.systems))
            for number in numbers:
                path = made / (f"{name}-page{number}.png" if len(numbers) > 1 else f"{name}.png")
                systems = [_placed(score, s) for s in score.systems if s.page == number]
                picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
                pages.append(PrintedPage(systems, picture=picture))
    return pages


def _placed(score: Placement, system: PlacedSystem) -> TrueSystem:
    mm = score.scale * 25.4 / DPI
    x, y = system.x * mm, (score.top_margin + system.y) * mm
    # The extents of the staves hold the thickness of their lines, too.
    half = [2 * s.space for s in system.staves]
    middles = [(s.top + s.bottom) / 2 for s in system.staves]
    staves = sorted(
        (y - (m + h) * mm, y - (m - h) * mm) for m, h in zip(middles, half, strict=True)
    )
    heads = [(x + (h.left + h.right) / 2 * mm, y - h.y * mm) for h in system.heads if h.visible]
    left = min(s.left for s in system.staves)
    right = max(s.right for s in system.staves)
    return TrueSystem(x + left * mm, x + right * mm, _merge(staves), heads)


def head_errors(pages: PageSet, page: PrintedPage, photo: Photo, dpi: float) -> np.ndarray:
    """How far along the strip heads are from where they should be, staff spaces.

    Between both ends of their system: how long a slanted page is beside its height is not to be
    seen in a photo of it, so that a system may come out longer or shorter, `lengths`.
    """
    errors = []
    for system, true in zip(pages.systems, page.systems, strict=True):
        points = photo.points(np.array(true.heads) * dpi / 25.4 - 0.5)
        moved = pages.pages[system.page].from_source
        if moved is not None:
            points = cv2.perspectiveTransform(points[None], moved)[0]
        x = np.array([system.strip_point(*point)[0] for point in points]) - system.strip_start
        share = x / (system.strip_end - system.strip_start)
        expected = (np.array(true.heads)[:, 0] - true.left) / (true.right - true.left)
        errors.append(np.abs(share - expected) * (true.right - true.left) / true.space)
    return np.concatenate(errors)


def lengths(pages: PageSet, page: PrintedPage) -> np.ndarray:
    """Lengths of the systems in the strip as shares of the printed ones, in staff spaces."""
    return np.array(
        [
            (system.strip_end - system.strip_start)
            / pages.staff_space_px
            / ((true.right - true.left) / true.space)
            for system, true in zip(pages.systems, page.systems, strict=True)
        ]
    )


@dataclass
class Tally:
    """Systems that there are and that were found, and whether heads are where they should be."""

    there: int = 0
    found: int = 0
    near: list[bool] = field(default_factory=list)

    def add(self, page: PrintedPage, pages: PageSet | None, photo: Photo, dpi: int) -> None:
        """Count one page, all or nothing; None: it could not be read."""
        self.there += len(page.systems)
        if pages is not None and len(pages.systems) == len(page.systems):
            self.found += len(page.systems)
            self.near += (head_errors(pages, page, photo, dpi) < 0.5).tolist()

    @property
    def systems(self) -> float:
        """Share of the systems on pages where all were found and none was invented."""
        return self.found / self.there

    @property
    def heads(self) -> float:
        """Share of their heads within half a staff space of their place."""
        return float(np.mean(self.near or [0]))
