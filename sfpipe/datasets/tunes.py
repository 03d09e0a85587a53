"""One tune of a data set before it is split: its files, title and bare melody."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath
from xml.etree import ElementTree

from sfpipe.datasets.abc import AbcMelody, abc_melody
from sfpipe.errors import SfpipeError

PERCUSSION = 9  # General MIDI's drum channel, counted from 0

ABC_SUFFIXES = (".abc",)
XML_SUFFIXES = (".musicxml", ".xml", ".mxl")
MIDI_SUFFIXES = (".mid", ".midi")
SUFFIXES = ABC_SUFFIXES + XML_SUFFIXES + MIDI_SUFFIXES


@dataclass(frozen=True)
class Tune:
    """One tune: `source` is the file that is engraved, `header` an ABC file with metre and key."""

    id: str
    title: str
    files: dict[str, bytes]
    source: str
    pitches: tuple[int, ...]
    not_monophonic: str | None = None
    header: str | None = None


def slug(text: str) -> str:
    """A name of ASCII letters, digits, ``.``, ``_`` and ``-``, safe as a folder and HDF5 group."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-") or "tune"


def melody_of(name: str, content: bytes) -> AbcMelody:
    """MIDI pitches in time order, and why the file is not one voice (None if it is).

    Raises
    ------
    SfpipeError
        If the file is not readable as what its suffix says.
    """
    suffix = PurePath(name).suffix.lower()
    try:
        if suffix in ABC_SUFFIXES:
            return abc_melody(decode(content))
        if suffix in MIDI_SUFFIXES:
            return _midi_melody(content)
        return _xml_melody(content, packed=suffix == ".mxl")
    except SfpipeError:
        raise
    except Exception as error:  # the readers raise anything from EOFError to KeyError
        kind = "MIDI" if suffix in MIDI_SUFFIXES else "MusicXML"
        raise SfpipeError(
            f"is not readable as {kind} ({type(error).__name__}: {error})",
            file=name,
            remedy="export it again, or take it out of the folder",
        ) from None


def decode(content: bytes) -> str:
    """Text of an ABC file: UTF-8, else Latin-1 (older collections)."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def unpack_mxl(content: bytes) -> bytes:
    """The MusicXML document inside a compressed ``.mxl`` file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        root = next(e for e in container.iter() if e.tag.endswith("rootfile"))
        return archive.read(root.attrib["full-path"])


def _midi_melody(content: bytes) -> AbcMelody:
    import mido

    midi = mido.MidiFile(file=io.BytesIO(content))
    notes = []
    for track in midi.tracks:
        tick = 0
        for event in track:
            tick += event.time
            if event.type == "note_on" and event.velocity > 0 and event.channel != PERCUSSION:
                notes.append((tick, event.note))
    notes.sort()
    together = sum(a[0] == b[0] for a, b in pairwise(notes))
    problem = f"{together} notes start together with another" if together else None
    return AbcMelody(tuple(pitch for _, pitch in notes), problem)


def _xml_melody(content: bytes, *, packed: bool) -> AbcMelody:
    root = ElementTree.fromstring(unpack_mxl(content) if packed else content)
    if root.tag != "score-partwise":
        raise SfpipeError(f"has the root element <{root.tag}>, expected <score-partwise>")
    problem = None
    parts = root.findall("part")
    if len(parts) != 1:
        problem = f"{len(parts)} parts"
    if len({voice.text for voice in root.iter("voice")}) > 1:
        problem = problem or "several voices"
    pitches = []
    for note in root.iter("note"):
        if note.find("chord") is not None:
            problem = problem or "chords"
        pitch = note.find("pitch")
        tied = any(tie.get("type") == "stop" for tie in note.findall("tie"))
        if pitch is None or tied or note.find("grace") is not None:
            continue
        step = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[pitch.findtext("step", "")]
        alter = round(float(pitch.findtext("alter") or 0))
        pitches.append(12 * (int(pitch.findtext("octave", "")) + 1) + step + alter)
    return AbcMelody(tuple(pitches), problem)
