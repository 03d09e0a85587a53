"""A whole score in MusicXML drawn by Verovio: systems for strips, pages for the eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, tostring

from sfpipe.engraving.verovio.mend import mend
from sfpipe.engraving.verovio.svg import DrawnSystem, Layout, read_page, read_svg
from sfpipe.engraving.verovio.toolkit import STAFF_SPACE, UNITS, toolkit
from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Score
from sfpipe.params import PianoParams

SMALLEST_PAGE = 100  # so low that there is one system on each
A4 = 2**0.5  # height of a page by its width
MARGIN_SPACES = 6  # of a printed page
MAX_PAGE = 60_000  # the highest that Verovio makes
SVG_SCALE = 10  # Verovio's units in a unit of its picture


@dataclass(frozen=True)
class DrawnPage:
    """A page for the eye.

    `svg`: its picture, with text, of `width` x `height` user units, of which `staff_space` are
    between two staff lines. `systems` from the top, in the same units.
    """

    svg: str
    width: float
    height: float
    staff_space: float
    systems: tuple[DrawnSystem, ...]

    @property
    def heads(self) -> dict[str, tuple[float, float]]:
        """Note id -> (x, y) of the middle of its head."""
        return {name: place for system in self.systems for name, place in system.heads.items()}


def draw_systems(root: Element, score: Score, params: PianoParams) -> list[Layout]:
    """Draw the document from which `score` was read, each system by itself.

    The document is mended on the way (`mend`).

    Raises
    ------
    SfpipeError
        If Verovio does not load it, or draws nothing.
    """
    height = ("pageHeight", SMALLEST_PAGE)
    # Tempo marks are text, and no font for it is drawn.
    mend(root, score)
    music = tostring(root, encoding="unicode")
    svgs = _draw(music, params, height, ("smuflTextFont", "none"))
    return [read_svg(svg, params.font) for svg in svgs]


def draw_document(music: str, params: PianoParams) -> list[DrawnPage]:
    """Draw MusicXML, mended, or MEI on pages of A4's shape; errors as `draw_systems`."""
    margin = round(MARGIN_SPACES * UNITS)
    width = round(params.line_spaces * UNITS)
    sides = [(f"pageMargin{side}", margin) for side in ("Left", "Right", "Top", "Bottom")]
    height = min(round(A4 * (width + 2 * margin)), MAX_PAGE)
    svgs = _draw(music, params, ("pageHeight", height), *sides, widening=2 * margin)
    return [_page(svg, params.font) for svg in svgs]


def _page(svg: str, font: str) -> DrawnPage:
    width, height, systems = read_page(svg, font)
    return DrawnPage(
        svg,
        width / SVG_SCALE,
        height / SVG_SCALE,
        STAFF_SPACE / SVG_SCALE,
        tuple(_scaled(system) for system in systems),
    )


def _scaled(system: DrawnSystem) -> DrawnSystem:
    return DrawnSystem(
        {name: (x / SVG_SCALE, y / SVG_SCALE) for name, (x, y) in system.heads.items()},
        system.hollow,
        {y / SVG_SCALE for y in system.lines},
        system.left / SVG_SCALE,
        system.right / SVG_SCALE,
    )


def _draw(
    music: str, params: PianoParams, *options: tuple[str, Any], widening: int = 0
) -> list[str]:
    """The pages of a document as SVG; they are `widening` units wider than a line."""
    program = toolkit(
        ("breaks", "auto"),
        ("font", params.font),
        ("pageWidth", round(params.line_spaces * UNITS) + widening),
        ("spacingStaff", round(2 * params.staff_gap_spaces)),
        ("spacingBraceGroup", round(2 * params.staff_gap_spaces)),
        ("spacingLinear", params.spacing_linear),
        ("spacingNonLinear", params.spacing_non_linear),
        ("svgFormatRaw", True),  # without line breaks, which take a twentieth of the time
        ("dynamSingleGlyphs", True),  # dynamics as glyphs, which are drawn without a text font
        *options,
    )
    if not program.loadData(music):
        raise SfpipeError("Verovio could not load the score")
    count = program.getPageCount()
    if not count:
        raise SfpipeError("Verovio drew no page")
    return [program.renderToSVG(page) for page in range(1, count + 1)]
