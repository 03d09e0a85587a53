"""Files of scores by their suffix: melodies in ABC, MusicXML, MIDI; whole scores also in MEI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from xml.etree.ElementTree import Element

from sfpipe.errors import SfpipeError
from sfpipe.notation import mei, musicxml
from sfpipe.notation.abc import read_abc
from sfpipe.notation.abc_text import decode, split_tunes
from sfpipe.notation.midi_melody import read_midi
from sfpipe.notation.musicxml import parse, read_musicxml, unpack_mxl
from sfpipe.notation.score import Score

ABC_SUFFIXES = (".abc",)
XML_SUFFIXES = (".musicxml", ".xml", ".mxl")
MIDI_SUFFIXES = (".mid", ".midi")
SUFFIXES = ABC_SUFFIXES + XML_SUFFIXES + MIDI_SUFFIXES
MEI_SUFFIXES = (".mei",)
DOCUMENT_SUFFIXES = XML_SUFFIXES + MEI_SUFFIXES  # of whole scores


def read_score(name: str, content: bytes, header: bytes | None = None) -> Score:
    """The score in a file; the first tune of a tune book.

    Parameters
    ----------
    name:
        Whose suffix says what kind of file it is, and which messages begin with.
    header:
        ABC text whose fields M, K and Q give a MIDI melody its metre, key and tempo.

    Raises
    ------
    SfpipeError
        If the file cannot be read as what its suffix says, or asks for what is not supported.
    """
    suffix = PurePath(name).suffix.lower()
    kind = "ABC" if suffix in ABC_SUFFIXES else "MIDI" if suffix in MIDI_SUFFIXES else "MusicXML"
    with _reading(name, kind):
        if kind == "ABC":
            tunes = split_tunes(decode(content))
            if not tunes:
                raise SfpipeError("has no tune (no line begins with X:)")
            return read_abc(tunes[0])
        if kind == "MIDI":
            return read_midi(content, None if header is None else decode(header))
        return read_musicxml(unpack_mxl(content) if suffix == ".mxl" else content)


def read_document(name: str, content: bytes) -> tuple[Element, Score]:
    """The document in a MusicXML, ``.mxl`` or MEI file, and the whole score that it says.

    Raises
    ------
    SfpipeError
        If the file cannot be read as what its suffix says, or asks for what is not supported.
    """
    if PurePath(name).suffix.lower() in MEI_SUFFIXES:
        with _reading(name, "MEI"):
            root = parse(content)
            return root, mei.read_document(root)
    with _reading(name, "MusicXML"):
        root = parse(unpack_mxl(content) if name.lower().endswith(".mxl") else content)
        return root, musicxml.read_document(root)


@contextmanager
def _reading(name: str, kind: str) -> Iterator[None]:
    """Errors of any reader as one that names the file."""
    try:
        yield
    except SfpipeError as error:
        remedy = error.remedy or "correct the file or leave it out"
        raise SfpipeError(error.what, file=name, remedy=remedy) from None
    except Exception as error:  # mido, zipfile and expat raise anything from EOFError to KeyError
        raise SfpipeError(
            f"is not readable as {kind} ({type(error).__name__}: {str(error)[:120]})",
            file=name,
            remedy="export it again, or leave it out",
        ) from None
