"""Any score by its suffix -> `PageSet`."""

from __future__ import annotations

from pathlib import Path

from sfpipe.errors import SfpipeError
from sfpipe.pages.limits import LIMITS, Limits
from sfpipe.pages.page_set import PageSet


def read_pages(path: str | Path, *, staves: int | None = None, limits: Limits = LIMITS) -> PageSet:
    """Read a score: PDF, a picture, or notation.

    Parameters
    ----------
    staves:
        Number of staves of a system that are to be read, from the lowest; None: all of one or two.

    Raises
    ------
    SfpipeError
        If the file is missing, damaged, encrypted, too large, or shows no staves.
    """
    raise SfpipeError("cannot be read yet", file=path)
