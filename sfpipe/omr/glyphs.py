"""Rasters of the music glyphs that the two engravers print with, 16 px per staff space.

``glyphs.json`` holds, per font, each glyph's ink (0-255, zlib, base64), its shape, and where its
origin is; ``scripts/draw_glyphs.py`` makes the file again from the installed engravers.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

GLYPH_SPACE = 16  # px per staff space
FONTS = ("leipzig", "emmentaler")
TABLE = Path(__file__).with_name("glyphs.json")


@dataclass(frozen=True, eq=False)
class Glyph:
    """One symbol: `ink` float32 [shape=(height, width)], 1 is black, 16 px per staff space.

    `left`, `top`: px from the glyph's origin (its reference point on the staff) to the raster's
    upper left corner; y downwards.
    """

    ink: np.ndarray
    left: float
    top: float


@lru_cache(maxsize=2)
def load_glyphs(font: str) -> dict[str, Glyph]:
    """The glyphs of a font (one of `FONTS`) by name, e.g. ``sharp``."""
    table = json.loads(TABLE.read_text("utf-8"))[font]
    return {name: _unpack(entry) for name, entry in table.items()}


@lru_cache(maxsize=8)
def shrink(glyph: Glyph, size: float) -> Glyph:
    """The glyph `size` times as large."""
    import cv2

    height, width = (max(round(n * size), 1) for n in glyph.ink.shape)
    ink = cv2.resize(glyph.ink, (width, height), interpolation=cv2.INTER_AREA)
    return Glyph(ink, glyph.left * size, glyph.top * size)


def _unpack(entry: dict) -> Glyph:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(entry["ink"])), np.uint8)
    ink = raw.reshape(entry["shape"]).astype(np.float32) / 255
    return Glyph(ink, float(entry["left"]), float(entry["top"]))
