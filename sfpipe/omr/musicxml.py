"""Notes with their places in the image from MusicXML as Audiveris exports it.

MusicXML measures in tenths of a staff space: the margins of systems, the widths of their measures,
and the notes' places in those (``default-x``). How these lie in the image it does not say: versions
of Audiveris differ in what they take for the page. So what is known of the image, where its staves
begin and end, is laid over where the systems do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.notation.musicxml import unpack_mxl
from sfpipe.omr.notes import OmrNote

_Struck = tuple[float, float, int, float]
XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@dataclass(frozen=True)
class Measure:
    """Left edge and width of a measure in tenths."""

    left: float
    width: float


def read_musicxml(files: Sequence[Path], extent_px: tuple[float, float]) -> list[OmrNote]:
    """The notes of movements that were read from one image, one after the other.

    Tied notes count once. A note without a place stands where its onset is in its measure.

    Parameters
    ----------
    files:
        ``.mxl``, ``.musicxml`` or ``.xml``, in order.
    extent_px:
        Columns of the image where the staves begin and end.

    Returns
    -------
    list of OmrNote
        By onset and pitch; x in px of that image, y nan.

    Raises
    ------
    SfpipeError
        If a file is no MusicXML, or does not say how wide its measures are.
    """
    read = [_read(file) for file in files]
    measures = [places for places, _, _ in read]
    edges = [(m.left, m.left + m.width) for found in measures for m in found]
    left, right = min(a for a, _ in edges), max(b for _, b in edges)
    scale = (extent_px[1] - extent_px[0]) / max(right - left, 1e-6)
    notes: list[OmrNote] = []
    start = 0.0
    for _, struck, length in read:
        for onset, duration, pitch, x in struck:
            notes.append(OmrNote(start + onset, duration, pitch, extent_px[0] + (x - left) * scale))
        start += length
    return sorted(notes, key=lambda n: (n.onset, n.midi_pitch))


def declare_prefix(content: bytes) -> bytes:
    """Say what ``xsi:`` means if a document uses it and does not.

    Audiveris 5.3 writes ``<symbol xsi:type="formatted-text">``, and no XML parser reads that.
    """
    if b"xsi:" not in content or b"xmlns:xsi" in content:
        return content
    return re.sub(rb"<score-(partwise|timewise)\b", rb"\g<0> " + XSI, content, count=1)


def _read(file: Path) -> tuple[list[Measure], list[_Struck], float]:
    """The measures of a movement, its notes, and its length in quarters."""
    from music21 import converter, stream

    try:
        content = read_bytes(file, remedy="run Audiveris again")
        content = declare_prefix(unpack_mxl(content) if file.suffix == ".mxl" else content)
        # Text, not the file: music21 keeps a pickle of every file it parses.
        text = ElementTree.tostring(ElementTree.fromstring(content), encoding="unicode")
        score = converter.parse(text, format="musicxml")
        if not isinstance(score, stream.Score) or not score.parts:
            raise SfpipeError("is no MusicXML with parts", file=file)
        measures = _measures(score, file)
        return measures, list(_struck(score, measures)), float(score.highestTime)
    except SfpipeError:
        raise
    except Exception as error:
        # Damaged archives and music21 raise nearly anything.
        raise SfpipeError(f"is no readable MusicXML ({error})", file=file) from None


def _measures(score: Any, file: Path) -> list[Measure]:
    """Of each measure of all parts, in turn, where it is: side by side from a new system on."""
    from music21 import layout, stream

    parts = [list(part.getElementsByClass(stream.Measure)) for part in score.parts]
    found: list[Measure] = []
    x = 0.0
    for column in zip(*parts, strict=False):
        widths = [m.layoutWidth for m in column if m.layoutWidth]
        if not widths:
            raise SfpipeError(
                f"does not say how wide measure {column[0].number} is",
                file=file,
                remedy="Audiveris says so by default",
            )
        systems = [s for m in column for s in m.getElementsByClass(layout.SystemLayout)]
        if systems and (systems[0].isNew or not found):
            x = float(systems[0].leftMargin or 0)
        found.append(Measure(x, float(widths[0])))
        x += float(widths[0])
    return found


def _struck(score: Any, places: Sequence[Measure]) -> Iterator[_Struck]:
    """(onset, duration, MIDI pitch, x in tenths) of each note that is not the rest of a tie."""
    from music21 import stream

    for part in score.parts:
        for measure, place in zip(part.getElementsByClass(stream.Measure), places, strict=False):
            length = float(measure.duration.quarterLength) or 1.0
            start = float(measure.getOffsetInHierarchy(score))
            for note in measure.recurse().notes:
                inside = float(note.getOffsetInHierarchy(measure))
                for single in note.notes if hasattr(note, "notes") else (note,):
                    tie = single.tie or note.tie
                    if note.duration.isGrace or (tie and tie.type in ("stop", "continue")):
                        continue
                    x = single.style.absoluteX if single.hasStyleInformation else None
                    if x is None:
                        x = note.style.absoluteX if note.hasStyleInformation else None
                    at = place.width * inside / length if x is None else float(x)
                    duration = float(note.duration.quarterLength)
                    yield start + inside, duration, int(single.pitch.midi), place.left + at
