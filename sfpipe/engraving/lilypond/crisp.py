"""The systems of a piece for the eye: LilyPond sets it again, at a multiple of the resolution."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import System, read_systems
from sfpipe.engraving.lilypond.pages import SystemImage, cut_system, first_column
from sfpipe.engraving.lilypond.piece import typeset
from sfpipe.engraving.lilypond.placement import DPI, PlacedSystem, Placement
from sfpipe.engraving.lilypond.program import require_walls
from sfpipe.errors import SfpipeError
from sfpipe.sandbox.jail import private_folder

FACTOR = 3


def crisp_systems(piece: Piece, raw: Path, folder: Path) -> list[str]:
    """Set a piece again: an SVG per system, in pixels of the images in `folder`.

    Parameters
    ----------
    raw:
        Folder of the data set's sources.
    folder:
        The engraved piece; nothing is written there.

    Raises
    ------
    SfpipeError
        If LilyPond is missing, cannot be confined, or sets other systems than those in `folder`.
    """
    require_walls(unconfined=False)
    printed = read_systems(folder)
    with private_folder() as work:
        made, scores = typeset(piece, raw, work, dpi=FACTOR * DPI)
        placed = [(name, score, system) for name, score in scores for system in score.systems]
        if len(placed) != len(printed):
            raise SfpipeError("LilyPond sets other systems now", remedy="run: sfpipe engrave")
        return [
            _svg(row, score, system, cut_system(made, name, _enlarged(score), system))
            for row, (name, score, system) in zip(printed, placed, strict=True)
        ]


def _enlarged(score: Placement) -> Placement:
    return replace(score, scale=FACTOR * score.scale)


def _svg(row: System, score: Placement, system: PlacedSystem, fine: SystemImage) -> str:
    """The large image where the small one is: both know their place relative to the system."""
    import cv2

    left = first_column(score, system) - system.x * score.scale
    top = -max(s.top for s in system.staves) * score.scale - 0.5 - row.staff_top_px
    x, y = fine.left / FACTOR - left, fine.top / FACTOR - top
    height, width = (size / FACTOR for size in fine.image.shape)
    data = base64.b64encode(cv2.imencode(".png", fine.image)[1].tobytes()).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {row.width_px} {row.height_px}">'
        f'<image x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}"'
        f' href="data:image/png;base64,{data}"/></svg>'
    )
