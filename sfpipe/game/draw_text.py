"""Text in pictures: one line at a time, smooth, in matplotlib's DejaVu Sans."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

Colour = tuple[int, int, int]


def write(
    canvas: np.ndarray,
    text: str,
    x: int,
    y: int,
    colour: Colour,
    *,
    size: int = 13,
    align: str = "left",
) -> None:
    """Write a line into uint8 [shape=(height, width, 3)], in place; what is outside is cut off.

    Parameters
    ----------
    x, y:
        Where the line begins (or its middle or right end is, see `align`), and its baseline.
    size:
        Of the font, px.
    align:
        ``left``, ``middle`` or ``right``.
    """
    shade, base = _mask(text, size)
    height, width = shade.shape[:2]
    x -= {"left": 0, "middle": width // 2, "right": width}[align]
    top = y - base
    rows = slice(max(top, 0), max(min(top + height, canvas.shape[0]), 0))
    columns = slice(max(x, 0), max(min(x + width, canvas.shape[1]), 0))
    part = shade[max(rows.start - top, 0) : rows.stop - top]
    part = part[:, max(columns.start - x, 0) : columns.stop - x]
    place = canvas[rows, columns]
    if place.size and part.size:
        place[:] = ((1 - part) * place + part * np.array(colour, np.float32)).astype(np.uint8)


def width_of(text: str, size: int = 13) -> int:
    """Width of a line in px."""
    return int(_mask(text, size)[0].shape[1])


def shortened(text: str, width: int, size: int = 13) -> str:
    """The line itself, or its beginning with an ellipsis, not wider than `width` px."""
    if width_of(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle] + "…", size) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…" if low else ""


@lru_cache(maxsize=4096)
def _mask(text: str, size: int) -> tuple[np.ndarray, int]:
    """How much of each pixel is ink, float32 [shape=(height, width, 1)], and the baseline's row."""
    from PIL import Image, ImageDraw

    # Fonts have no pictures of line breaks and control characters; longer lines fit nowhere.
    text = "".join(c if c.isprintable() else "?" for c in text[:400])
    font = _font(size)
    ascent, descent = font.getmetrics()
    width = max(int(np.ceil(font.getlength(text))), 1)
    image = Image.new("L", (width, ascent + descent), 0)
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
    return np.asarray(image, np.float32)[..., None] / 255, ascent


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
