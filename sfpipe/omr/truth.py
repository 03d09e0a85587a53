"""What stands in a strip, from the engraver: the truth that a reader is compared with."""

from __future__ import annotations

from pathlib import Path

from sfpipe.engraving.files import read_description, read_noteheads, read_systems
from sfpipe.engraving.geometry import head_places, strip_geometry
from sfpipe.omr.accuracy import Truth


def strip_truth(folder: Path, height_px: int | None = None) -> Truth:
    """The heads of an engraved piece in the coordinates of its strip.

    Tied heads are among them, since they are printed; grace notes, which have no time of their
    own, are not.

    Parameters
    ----------
    folder:
        ``data/engraved/<dataset>/<piece>``.
    height_px:
        Of the strip; None: that of the paper's data set of this kind.

    Raises
    ------
    SfpipeError
        If files are missing or damaged.
    """
    heads = read_noteheads(folder)
    height, window = strip_geometry(read_description(folder), height_px)
    x, y = head_places(read_systems(folder), heads, height, window=window)
    own = ~heads.grace
    return Truth(x[own], y[own], heads.onset_quarter[own], heads.midi_pitch[own])
