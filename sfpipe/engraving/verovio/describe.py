"""What is written about every piece that Verovio drew, melody or whole score."""

from __future__ import annotations

from typing import Any

from sfpipe.datasets.index import Piece
from sfpipe.engraving.files import CM_PER_PX
from sfpipe.engraving.raster import Raster
from sfpipe.engraving.verovio.svg import Layout
from sfpipe.engraving.verovio.toolkit import verovio_version
from sfpipe.notation.playback import TempoMap


def describe(
    piece: Piece, staff_space_px: float, tempo: TempoMap, *, marked: bool
) -> dict[str, Any]:
    """What ``engraving.json`` says of the piece, its engraver, its size and its tempo.

    Parameters
    ----------
    marked:
        Whether the file says how fast it is.
    """
    return {
        "piece": piece.id,
        "title": piece.title,
        "split": piece.split,
        "licence": piece.licence,
        "engine": "verovio",
        "version": verovio_version(),
        "staff_space_px": staff_space_px,
        "px_per_cm": round(1 / CM_PER_PX, 6),
        "tempo": {
            "quarters_per_minute": round(60e6 / tempo.changes[0][1], 3),
            "marked": marked,
            "changes": len(tempo.changes) - 1,
        },
    }


def system_row(number: int, x_px: int, layout: Layout, raster: Raster) -> tuple[Any, ...]:
    """A row of ``systems.csv``: system `number`, from 1, which begins at column `x_px`."""
    height, width = raster.image.shape
    top, bottom = (raster.pixel(0, y)[1] for y in (layout.staff_top, layout.staff_bottom))
    name = f"system-{number:03}.png"
    return (number, name, x_px, width, height, round(top, 3), round(bottom, 3))
