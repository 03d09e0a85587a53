"""Any score by its suffix -> `PageSet`."""

from __future__ import annotations

from pathlib import Path

from sfpipe.errors import SfpipeError, naming_extra
from sfpipe.pages.limits import LIMITS, Limits
from sfpipe.pages.notation import NOTATION_SUFFIXES, read_notation
from sfpipe.pages.page_set import PageSet
from sfpipe.pages.pictures import read_pictures
from sfpipe.pages.sources import PDF_SUFFIXES, PICTURE_SUFFIXES


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
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in PDF_SUFFIXES + PICTURE_SUFFIXES:
        with naming_extra():
            return read_pictures(path, staves, limits)
    if suffix in NOTATION_SUFFIXES:
        with naming_extra():
            return read_notation(path, staves, limits)
    kinds = ", ".join(sorted({*PDF_SUFFIXES, *PICTURE_SUFFIXES, *NOTATION_SUFFIXES}))
    raise SfpipeError(f"'{suffix}' is not read", file=path, remedy=f"use one of {kinds}")
