"""The readers of score images by name."""

from __future__ import annotations

from sfpipe.omr.audiveris import find_audiveris, read_with_audiveris
from sfpipe.omr.notes import Reader
from sfpipe.omr.reader import read_strip
from sfpipe.params import OmrParams


def find_reader(params: OmrParams) -> Reader:
    """The reader that the parameters ask for.

    Raises
    ------
    SfpipeError
        If it is Audiveris, which is not installed.
    """
    if params.reader == "builtin":
        return read_strip
    program = find_audiveris()
    return lambda strip: read_with_audiveris(strip, program)
