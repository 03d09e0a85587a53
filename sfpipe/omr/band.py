"""One staff cut out of a strip at a fixed scale, and glyphs drawn to be compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sfpipe.omr.glyphs import GLYPH_SPACE, Glyph
from sfpipe.omr.staves import LINES, SPACES

SPACE = 8  # px per staff space in a band
STEP = SPACE // 2  # px per staff position
REACH = 7  # staff spaces above and below the staff
TOP_ROW = REACH * SPACE  # row of the top line
BOTTOM_ROW = TOP_ROW + SPACES * SPACE  # row of the bottom line: staff position 0
HEIGHT = (2 * REACH + SPACES) * SPACE + 1
MARGIN = (0.25, 0.15)  # staff spaces of paper beside, and above and below, a glyph compared
LINE_SPACES = 0.12  # staff spaces: thickness of a staff line


@dataclass(frozen=True)
class Band:
    """A staff, `dark` float32 [shape=(145, width)], 0 paper, 1 black, 8 px per staff space.

    Column x of the band is column `left` + x * `scale` of the strip; likewise for rows with `top`.
    """

    dark: np.ndarray
    left: float
    top: float
    scale: float

    def strip_x(self, x: float) -> float:
        """Column of the strip for a column of the band."""
        return self.left + x * self.scale

    def strip_y(self, y: float) -> float:
        """Row of the strip for a row of the band."""
        return self.top + y * self.scale


def cut_band(dark: np.ndarray, left: int, right: int, top: float, space: float) -> Band:
    """The staff whose top line is at row `top` of columns [`left`, `right`) of a strip's ink."""
    import cv2

    scale = space / SPACE
    width = int((right - left) / scale)
    first = top - TOP_ROW * scale
    matrix = np.array([[scale, 0, 0], [0, scale, first]], np.float32)
    part = cv2.warpAffine(
        np.ascontiguousarray(dark[:, left:right]),
        matrix,
        (width, HEIGHT),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return Band(part, float(left), first, scale)


def row_of(position: float) -> float:
    """Row of a band at which a staff position is: 0 the bottom line, 1 the space above it."""
    return BOTTOM_ROW - STEP * position


@lru_cache(maxsize=4096)
def draw_template(
    glyph: Glyph,
    native_space: float,
    *,
    lines: tuple[float, ...] = (),
    margin: tuple[float, float] = MARGIN,
) -> tuple[np.ndarray, tuple[float, float]]:
    """A glyph as a band shows it, blurred as the strip's own pixels blur it.

    Parameters
    ----------
    native_space:
        Staff space of the strip, px.
    lines:
        Horizontal lines behind it, in staff spaces below its origin.
    margin:
        Paper on the left and right, above and below, in staff spaces.

    Returns
    -------
    (np.ndarray, (float, float))
        Ink, float32 [shape=(height, width)] at 8 px per staff space; column and row of the
        glyph's origin in it.
    """
    import cv2

    across, along = (round(m * GLYPH_SPACE) for m in margin)
    left, top = int(glyph.left) - across, int(glyph.top) - along
    # An even origin keeps it on a pixel of the smaller picture.
    left, top = left - left % 2, top - top % 2
    height = int(glyph.top) + glyph.ink.shape[0] + along - top
    width = int(glyph.left) + glyph.ink.shape[1] + across - left
    height, width = height + height % 2, width + width % 2
    picture = np.zeros((height, width), np.float32)
    row, column = int(glyph.top) - top, int(glyph.left) - left
    picture[row : row + glyph.ink.shape[0], column : column + glyph.ink.shape[1]] = glyph.ink
    for line in lines:
        middle = line * GLYPH_SPACE - top
        half = LINE_SPACES * GLYPH_SPACE / 2
        first, last = max(round(middle - half), 0), min(round(middle + half), height)
        if first < last:
            picture[first:last] = np.maximum(picture[first:last], 1.0)
    sigma = 0.5 * GLYPH_SPACE / native_space
    picture = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    small = np.asarray(small, np.float32)
    small.flags.writeable = False  # it is kept for the next time
    return small, (-left / 2, -top / 2)


def correlate(dark: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Normalised correlation at each place of the template's upper left corner, -1 to 1.

    Where the picture is blank, 0.
    """
    import cv2

    if dark.shape[0] < template.shape[0] or dark.shape[1] < template.shape[1]:
        return np.zeros((0, 0), np.float32)
    result = cv2.matchTemplate(dark, template, cv2.TM_CCOEFF_NORMED)
    return np.nan_to_num(np.clip(result, -1, 1), nan=0.0, posinf=0.0, neginf=0.0)


def lines_near(position: int, reach: float = 1.0) -> tuple[float, ...]:
    """Staff and ledger lines beside a staff position, in staff spaces below it.

    A note outside the staff has its ledger lines, the one nearest to the staff included.
    """
    first, last = min(0, position), max(2 * (LINES - 1), position)
    return tuple(
        (position - line) / 2
        for line in range(first, last + 1)
        if line % 2 == 0 and abs(position - line) / 2 <= reach
    )
