"""Where the music of a strip begins: at the head of its first note."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from sfpipe.errors import SfpipeError
from sfpipe.omr.glyphs import FONTS
from sfpipe.omr.reader import read_strip

OPENING = 80.0  # staff spaces in which the first note is looked for
SIGNATURES = 6.0  # staff spaces that clef and time signature take at least
USUAL = 8.0  # staff spaces from the start of a piece to its first note, if none is recognised


def first_note(system: np.ndarray, space: float) -> float:
    """Column of the first note in the first system of a strip, px.

    Parameters
    ----------
    system:
        uint8 [shape=(height, width)], paper 255.
    space:
        Its staff space, px.
    """
    opening = system[:, : round(OPENING * space)]
    # A clef of an unknown font is not recognised. Its heads are, and so are some signs as heads.
    for font, signatures in ((None, 0.0), *((font, SIGNATURES * space) for font in FONTS)):
        with suppress(SfpipeError):
            notes = [n for n in read_strip(opening, font) if n.x_px > signatures]
            if notes:
                return min((n.onset, n.x_px) for n in notes)[1]
    return USUAL * space
