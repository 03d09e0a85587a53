r"""Piano music in MusicXML, converted for LilyPond by its own musicxml2ly.

So a piece looks like those of the MSMD, by which the agents learned to read. Mended on the way:
an upbeat that the file does not call one (musicxml2ly would fill its bar up with silence), beams
where the file has none, dashes after words (musicxml2ly takes them for trills), the part's name
in the margin, and long runs of grace notes, which in LilyPond's MIDI would begin before the note
that precedes them.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from sfpipe.engraving.lilypond.program import LilyPond
from sfpipe.errors import SfpipeError
from sfpipe.files import read_bytes
from sfpipe.notation.musicxml import unpack_mxl
from sfpipe.sandbox.jail import plain_file, run_confined

MUSICXML_FORMAT = 1  # raise it when the conversion changes, so that pieces are made again
CONVERT_SECONDS = 120
LONG_RUN = 4  # grace notes
_METRE = ("beats", "beat-type")
_TRILL = re.compile(r"\\(?:start|stop)TrillSpan")
_NAME = re.compile(r"\\set\s+PianoStaff\.(?:instrumentName|shortInstrumentName)\s*=\s*\"[^\"]*\"")
_GRACE = re.compile(r"\\(grace|acciaccatura|appoggiatura)\s*\{([^{}]*)\}")
_NOTE = re.compile(r"(?<![\\a-z\"])(?:[a-g](?:is|es|s)*[,']*|<[^<>]*>)\d+")


def convert_musicxml(
    source: PurePosixPath, raw: Path, folder: Path, lilypond: LilyPond
) -> PurePosixPath:
    """Convert ``raw/source`` (.musicxml, .xml, .mxl) in `folder`; path of the LilyPond source.

    Raises
    ------
    SfpipeError
        If the file is no MusicXML, or musicxml2ly makes nothing of it.
    """
    content = read_bytes(raw / source, remedy="run: sfpipe download")
    try:
        text = mark_upbeat(unpack_mxl(content) if source.suffix == ".mxl" else content)
    except Exception as error:  # a damaged archive raises nearly anything
        raise SfpipeError(
            f"is not readable as MusicXML ({type(error).__name__}: {error})",
            file=raw / source,
            remedy="export it again",
        ) from None
    target = folder / source
    (target.with_suffix(".musicxml")).write_bytes(text)
    made = target.with_suffix(".ly")
    done = run_confined(
        [
            str(lilypond.musicxml2ly),
            "--loglevel=ERROR",
            "--no-page-layout",
            *([] if b"<beam" in text else ["--no-beaming"]),
            f"--output={made.name}",
            target.with_suffix(".musicxml").name,
        ],
        folder,
        readable=[lilypond.prefix],
        seconds=CONVERT_SECONDS,
        inside=str(source.parent),
    )
    if done.timed_out or not plain_file(made):
        lines = [line for line in done.log.split("\n") if line.strip()]
        raise SfpipeError(
            "musicxml2ly made no LilyPond source"
            f" ({lines[-1].strip()[:200] if lines else 'it said nothing'})",
            file=raw / source,
        )
    mended = mend(made.read_text("utf-8"), trills=b"<wavy-line" in text)
    made.write_text(mended, "utf-8")
    return source.with_suffix(".ly")


def mark_upbeat(content: bytes) -> bytes:
    """Say of a first bar that is shorter than its metre that it is an upbeat."""
    root = ElementTree.fromstring(content)
    if root.tag != "score-partwise":
        raise SfpipeError(f"has the root element <{root.tag}>, expected <score-partwise>")
    for part in root.findall("part"):
        bar = part.find("measure")
        beats, unit = (bar.findtext(f".//{n}") if bar is not None else None for n in _METRE)
        if bar is None or not beats or not unit or not beats.isdigit():
            continue
        divisions = float(bar.findtext(".//divisions") or 1)
        if 0 < _length(bar) < int(beats) * 4 / int(unit) * divisions:
            bar.set("implicit", "yes")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def mend(text: str, *, trills: bool) -> str:
    """What musicxml2ly wrote, without the part's name, long runs of grace notes halved in time.

    Parameters
    ----------
    trills:
        There are wavy lines in the MusicXML, so those in `text` are meant.
    """
    text = _GRACE.sub(_halve, _NAME.sub("", text))
    return text if trills else _TRILL.sub("", text)


def _halve(run: re.Match[str]) -> str:
    kind, notes = run[1], run[2]
    if len(_NOTE.findall(notes)) < LONG_RUN:
        return run[0]
    return f"\\{kind} {{ \\scaleDurations 1/2 {{{notes}}} }}"


def _length(bar: ElementTree.Element) -> float:
    """Length of a bar in divisions: the furthest that any of its voices gets."""
    at = end = 0.0
    for item in bar:
        duration = float(item.findtext("duration") or 0)
        if item.tag == "backup":
            at -= duration
        elif item.tag == "forward" or (item.tag == "note" and item.find("chord") is None):
            at += duration
        end = max(end, at)
    return end
