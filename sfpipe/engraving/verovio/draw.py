"""A whole score in MusicXML drawn by Verovio: systems for strips, pages for the eye."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, tostring

from sfpipe.engraving.verovio.mend import mend
from sfpipe.engraving.verovio.svg import Layout, read_svg
from sfpipe.engraving.verovio.toolkit import UNITS, toolkit
from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Score
from sfpipe.params import PianoParams

SMALLEST_PAGE = 100  # so low that there is one system on each
A4 = 1.414  # height of a page by its width


@dataclass(frozen=True)
class DrawnPage:
    """A printed page.

    `svg`: its picture, with text. `heads`: note id -> (x, y) of the head's centre in the user
    units of `svg`, whose size is `width` x `height`; `staff_space` is in the same units.
    """

    svg: str
    width: float
    height: float
    staff_space: float
    heads: dict[str, tuple[float, float]]


def draw_systems(root: Element, score: Score, params: PianoParams) -> list[Layout]:
    """Draw the document from which `score` was read, each system by itself.

    The document is mended on the way (`mend`).

    Raises
    ------
    SfpipeError
        If Verovio does not load it, or draws nothing.
    """
    return [read_svg(svg, params.font) for svg in _draw(root, score, params, SMALLEST_PAGE)]


def _draw(root: Element, score: Score, params: PianoParams, height: int) -> list[str]:
    mend(root, score)
    program = toolkit(
        ("breaks", "auto"),
        ("font", params.font),
        ("pageWidth", round(params.line_spaces * UNITS)),
        ("pageHeight", height),
        ("spacingStaff", round(2 * params.staff_gap_spaces)),
        ("spacingBraceGroup", round(2 * params.staff_gap_spaces)),
        ("spacingLinear", params.spacing_linear),
        ("spacingNonLinear", params.spacing_non_linear),
        ("dynamSingleGlyphs", True),  # dynamics as glyphs, which are drawn without a text font
        ("smuflTextFont", "none"),
    )
    if not program.loadData(tostring(root, encoding="unicode")):
        raise SfpipeError("Verovio could not load the score")
    count = program.getPageCount()
    if not count:
        raise SfpipeError("Verovio drew no page")
    return [program.renderToSVG(page) for page in range(1, count + 1)]
