"""Makes ``glyphs.json`` from the fonts of the installed Verovio and LilyPond.

Usage: python scripts/draw_glyphs.py
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from pathlib import Path

import numpy as np

from sfpipe.omr.glyphs import GLYPH_SPACE, TABLE

UNITS = 250.0  # font units per staff space, in both fonts
# Verovio draws augmentation dots as circles of 0.2 staff spaces, not with the font.
VEROVIO_DOT = "M-50 0a50 50 0 1 0 100 0a50 50 0 1 0 -100 0z"
# our name: (SMuFL code in Leipzig, name in Emmentaler)
NAMES = {
    "head_black": ("E0A4", "noteheads.s2"),
    "head_half": ("E0A3", "noteheads.s1"),
    "head_whole": ("E0A2", "noteheads.s0"),
    "clef_g": ("E050", "clefs.G"),
    "clef_f": ("E062", "clefs.F"),
    "clef_c": ("E05C", "clefs.C"),
    "clef_g_change": (None, "clefs.G_change"),
    "clef_f_change": (None, "clefs.F_change"),
    "clef_c_change": (None, "clefs.C_change"),
    "sharp": ("E262", "accidentals.sharp"),
    "flat": ("E260", "accidentals.flat"),
    "natural": ("E261", "accidentals.natural"),
    "double_sharp": ("E263", "accidentals.doublesharp"),
    "double_flat": ("E264", "accidentals.flatflat"),
    "rest_1": ("E4E3", "rests.0"),
    "rest_2": ("E4E4", "rests.1"),
    "rest_4": ("E4E5", "rests.2"),
    "rest_8": ("E4E6", "rests.3"),
    "rest_16": ("E4E7", "rests.4"),
    "rest_32": ("E4E8", "rests.5"),
    "flag_up_8": ("E240", "flags.u3"),
    "flag_down_8": ("E241", "flags.d3"),
    "flag_up_16": ("E242", "flags.u4"),
    "flag_down_16": ("E243", "flags.d4"),
    "time_common": ("E08A", "timesig.C44"),
    "time_cut": ("E08B", "timesig.C22"),
    "dot": ("E1E7", "dots.dot"),
    **{
        f"digit_{i}": (f"E08{i}", name)
        for i, name in enumerate(
            ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
        )
    },
}


def write_glyphs(table: Path = TABLE) -> None:
    """Write the rasters of both fonts to `table`."""
    fonts = {"leipzig": _leipzig(), "emmentaler": _emmentaler()}
    table.write_text(json.dumps(fonts, indent=0) + "\n", "utf-8")


def _leipzig() -> dict[str, dict]:
    import verovio

    folder = Path(verovio.__file__).parent / "data" / "Leipzig"
    glyphs = {}
    for name, (code, _) in NAMES.items():
        if code is not None:
            text = (folder / f"{code}.xml").read_text("utf-8")
            path = re.search(r' d="([^"]*)"', text)
            if path is None:
                raise ValueError(f"{code}.xml has no outline")
            glyphs[name] = rasterize_outline(path[1])
    glyphs["dot"] = rasterize_outline(VEROVIO_DOT)
    return glyphs


def _emmentaler() -> dict[str, dict]:
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.ttLib import TTFont

    from sfpipe.engraving.lilypond.program import find_lilypond

    font = TTFont(str(next(find_lilypond().prefix.rglob("emmentaler-20.otf"))))
    outlines = font.getGlyphSet()
    glyphs = {}
    for name, (_, code) in NAMES.items():
        pen = SVGPathPen(outlines)
        outlines[code].draw(pen)
        glyphs[name] = rasterize_outline(pen.getCommands())
    return glyphs


def rasterize_outline(path: str) -> dict:
    """The raster of an outline (SVG path data, font units, y upwards), packed."""
    import cv2
    import resvg_py

    size = 12 * GLYPH_SPACE  # px; the origin is in the middle, no glyph reaches farther
    scale = GLYPH_SPACE / UNITS
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}">'
        f'<path transform="translate({size / 2} {size / 2}) scale({scale} {-scale})" d="{path}"/>'
        "</svg>"
    )
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=size, height=size, background="white", skip_system_fonts=True
    )
    image = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_GRAYSCALE)
    ink = 255 - np.asarray(image)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    part = np.ascontiguousarray(ink[top : rows[-1] + 1, left : columns[-1] + 1])
    return pack_glyph(part, left - math.floor(size / 2), top - math.floor(size / 2))


def pack_glyph(ink: np.ndarray, left: float, top: float) -> dict:
    """A glyph as it is kept in the JSON file; `ink` uint8 [shape=(height, width)], 255 black."""
    data = base64.b64encode(zlib.compress(ink.tobytes(), 9)).decode("ascii")
    return {"shape": list(ink.shape), "left": left, "top": top, "ink": data}


if __name__ == "__main__":
    write_glyphs()
