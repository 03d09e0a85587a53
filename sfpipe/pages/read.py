"""Any score by its suffix -> `PageSet`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sfpipe.errors import SfpipeError, naming_extra
from sfpipe.pages.lilypond import LILYPOND_SUFFIXES, read_lilypond
from sfpipe.pages.limits import LIMITS, Limits
from sfpipe.pages.notation import NOTATION_SUFFIXES, read_notation
from sfpipe.pages.page_set import PageSet
from sfpipe.pages.pictures import read_pictures
from sfpipe.pages.sources import PDF_SUFFIXES, PICTURE_SUFFIXES

READERS: tuple[tuple[tuple[str, ...], Callable[[Path, int | None, Limits], PageSet]], ...] = (
    (PDF_SUFFIXES + PICTURE_SUFFIXES, read_pictures),
    (NOTATION_SUFFIXES, read_notation),
    (LILYPOND_SUFFIXES, read_lilypond),
)
PAGE_SUFFIXES = tuple(sorted({suffix for suffixes, _ in READERS for suffix in suffixes}))


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
    if path.is_dir():
        raise SfpipeError("is a folder", file=path, remedy="name one file, the score")
    suffix = path.suffix.lower()
    reader = next((read for suffixes, read in READERS if suffix in suffixes), None)
    if reader is None:
        kinds = ", ".join(PAGE_SUFFIXES)
        raise SfpipeError(f"'{suffix}' is not read", file=path, remedy=f"use one of {kinds}")
    if not path.is_file():
        raise SfpipeError("no such file", file=path)
    if path.stat().st_size > limits.file_bytes:
        size = limits.file_bytes >> 20
        raise SfpipeError(f"has more than {size} MiB", file=path, remedy="send fewer pages")
    try:
        with naming_extra():
            return reader(path, staves, limits)
    except SfpipeError as error:
        if error.file is not None:
            raise
        raise SfpipeError(error.what, file=path, remedy=error.remedy) from None
