"""Verovio's toolkit: one for each set of options, and what its fonts look like."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

STAFF_SPACE = 180.0  # Verovio's units between two staff lines
UNITS = 18  # of Verovio's options in a staff space
FONTS = ("Leipzig", "Leland", "Bravura", "Gootville", "Petaluma")
_ALWAYS = {
    "adjustPageHeight": True,
    "header": "none",
    "footer": "none",
    "mnumInterval": 0,
    "svgViewBox": True,
    "svgRemoveXlink": False,
    "pageMarginLeft": 0,
    "pageMarginRight": 0,
    "pageMarginTop": 0,
    "pageMarginBottom": 0,
    # LilyPond's line width (0.1 staff space), as in the paper's images.
    "staffLineWidth": 0.2,
}


@lru_cache(maxsize=4)
def toolkit(*options: tuple[str, Any]) -> Any:
    """A toolkit of this process with (name, value) options: making one reads the fonts each time.

    Its pages have no margins, headers or bar numbers, and are as high as what is on them.
    """
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    made = verovio.toolkit()
    made.setOptions(_ALWAYS | dict(options))
    return made


@lru_cache(maxsize=1)
def verovio_version() -> str:
    """Version of the installed Verovio."""
    import verovio

    return str(verovio.toolkit().getVersion())


@lru_cache(maxsize=len(FONTS))
def head_middles(font: str) -> dict[str, tuple[float, float]]:
    """Middle (x, y upwards) of a font's note-head glyphs, in font units, by SMuFL code."""
    import verovio

    table = ElementTree.parse(Path(verovio.__file__).parent / "data" / f"{font}.xml").getroot()
    return {
        g.attrib["c"]: (
            float(g.attrib["x"]) + float(g.attrib["w"]) / 2,
            float(g.attrib["y"]) + float(g.attrib["h"]) / 2,
        )
        for g in table.iter("g")
        if g.attrib.get("n", "").startswith("notehead")
    }
