"""A melody on one endless line of staff, drawn by Verovio."""

from __future__ import annotations

from dataclasses import replace

from sfpipe.engraving.mei import write_mei
from sfpipe.engraving.verovio.svg import Layout, read_svg
from sfpipe.engraving.verovio.toolkit import STAFF_SPACE, toolkit
from sfpipe.errors import SfpipeError
from sfpipe.notation.score import Clef, Score
from sfpipe.params import EngraveParams


def engrave(score: Score, params: EngraveParams) -> Layout:
    """Engrave a written-out score (`written.write_out`) on one line.

    Raises
    ------
    SfpipeError
        If Verovio does not load the score, does not put it on one line, or draws a head away
        from the line or space of its note.
    """
    program = toolkit(
        ("breaks", "none"),
        ("adjustPageWidth", True),
        ("spacingLinear", params.spacing_linear),
        ("spacingNonLinear", params.spacing_non_linear),
    )
    if not program.loadData(write_mei(score)) or program.getPageCount() != 1:
        raise SfpipeError("Verovio could not engrave the score")
    layout = replace(read_svg(program.renderToSVG(1)), left=0.0)
    check_heads(score, layout)
    return layout


def check_heads(score: Score, layout: Layout) -> None:
    """Raise SfpipeError unless every note of the score has its head on its line or space."""
    lost = misplaced = total = 0
    for bar, event in score.events():
        for note in event.notes if not event.hidden else []:
            total += 1
            place = layout.heads.get(note.id)
            expected_y = (
                layout.staff_bottom - (note.step - _bottom_step(bar.clef)) * STAFF_SPACE / 2
            )
            lost += place is None
            misplaced += place is not None and abs(place[1] - expected_y) > 0.02 * STAFF_SPACE
    if lost:
        raise SfpipeError(f"{lost} of {total} notes have no head in the image")
    if misplaced:
        raise SfpipeError(f"{misplaced} of {total} heads are drawn for another pitch")


def _bottom_step(clef: Clef) -> int:
    """Diatonic step (C4 = 28) of the staff's bottom line."""
    return {"G": 32, "F": 24, "C": 28}[clef.shape] - 2 * (clef.line - 1)
