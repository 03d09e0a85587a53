"""Source file -> one music21 Part with its repeats written out: the score everything comes from."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from sfpipe.datasets.tunes import PERCUSSION
from sfpipe.errors import SfpipeError
from sfpipe.files import parsing

if TYPE_CHECKING:
    from music21.stream import Part

GRID = 24  # MIDI notes are put on a grid of 1/24 quarter: 32nds, triplets and sextuplets
SHORTEST = Fraction(1, 12)  # quarters
SMALL_GAP = Fraction(1, 6)  # quarters; shorter silences are articulation, not rests
_CUT = {"C": "4/4", "C|": "2/2"}


def read_part(source: Path, header: Path | None = None) -> Part:
    """The melody of `source` as a music21 Part in measures, repeats unfolded.

    Parameters
    ----------
    source:
        ABC (one tune), MusicXML, .mxl or MIDI.
    header:
        ABC file whose fields M, K and Q give a MIDI melody its metre, key and tempo.

    Raises
    ------
    SfpipeError
        If the file is missing or unreadable, has more than one part, or its repeats make no
        sense.
    """
    reader = {".abc": _read_abc, ".mid": _read_midi, ".midi": _read_midi}.get(
        source.suffix.lower(), _read_musicxml
    )
    with parsing(source, "correct the file or leave it out"):
        return reader(source, header)


def plain_abc(text: str) -> str:
    """ABC without what is neither notes nor layout: quoted text, lyrics, line continuations.

    Quoted text is chord symbols, fingering and words such as "Segno"; none of it may be drawn,
    and jumps by words are not followed, in image and sound alike.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    text = re.sub(r"(?m)%.*$", "", text)
    text = re.sub(r"(?m)^[wWsHNIPZSROBCDFG]:.*\n?", "", text)
    text = re.sub(r'"[^"\n]*"|![^!\n]*!', "", text)
    # music21 reads "Q:1/4 =50" as 250.
    text = re.sub(r"(?m)^Q:.*$", lambda line: re.sub(r"\s", "", line[0]), text)
    return re.sub(r"\\[ \t]*\n", "", text)


def _read_abc(source: Path, _: Path | None) -> Part:
    from music21 import converter

    from sfpipe.datasets.tunes import decode

    parsed = converter.parse(plain_abc(decode(source.read_bytes())), format="abc")
    return _unfold(_single_part(parsed, source), source)


def _read_musicxml(source: Path, _: Path | None) -> Part:
    from music21 import converter

    from sfpipe.datasets.tunes import unpack_mxl

    content = source.read_bytes()
    if source.suffix.lower() == ".mxl":
        content = unpack_mxl(content)
    # Text, not the file: music21 keeps a pickle of every file it parses.
    text = ElementTree.tostring(ElementTree.fromstring(content), encoding="unicode")
    return _unfold(_single_part(converter.parse(text, format="musicxml"), source), source)


def _single_part(parsed: Any, source: Path) -> Part:
    parts = list(getattr(parsed, "parts", []))
    if len(parts) != 1:
        raise SfpipeError(
            f"has {len(parts)} parts, expected 1", file=source, remedy="export the melody alone"
        )
    return parts[0]


def _unfold(part: Part, source: Path) -> Part:
    from music21.repeat import ExpanderException

    if not part.hasMeasures():  # a tune without a bar line
        return part.makeNotation()
    try:
        return part.expandRepeats()
    except ExpanderException:
        raise SfpipeError(
            "its repeats cannot be unfolded (badly formed repeats)",
            file=source,
            remedy="correct the repeat signs",
        ) from None


def _read_midi(source: Path, header: Path | None) -> Part:
    from music21 import note, stream

    notes, tempi, meter_mark = _midi_notes(source)
    if not notes:
        raise SfpipeError("holds no notes", file=source, remedy="leave it out")
    marks = _marks(header, tempi, meter_mark)
    # The first bar begins at the first note, or before it by what an upbeat lacks.
    lead = notes[0][0] % Fraction(marks[0].barDuration.quarterLength)
    part = stream.Part()
    for mark in marks:
        part.insert(0, mark)
    for start, end, pitch in notes:
        item = note.Note(midi=pitch)
        item.quarterLength = end - start
        part.insert(lead + start - notes[0][0], item)
    if header is None:
        part.insert(0, part.analyze("key"))
    _spell(part)
    part.makeRests(fillGaps=True, inPlace=True)
    part.makeNotation(inPlace=True)
    if lead:
        _drop_lead(part, lead)
    return part


def _drop_lead(part: Part, lead: Fraction) -> None:
    """Take `lead` quarters of silence out of the first bar."""
    bars = list(part.getElementsByClass("Measure"))
    for rest in list(bars[0].getElementsByClass("Rest")):
        if rest.offset < lead:
            bars[0].remove(rest)
    for item in bars[0].notesAndRests:
        bars[0].setElementOffset(item, item.offset - lead)
    for bar in bars[1:]:
        part.setElementOffset(bar, bar.offset - lead)


def _spell(part: Part) -> None:
    """Write black keys as flats in flat keys; music21 would draw D# in E flat major."""
    signature = part.recurse().getElementsByClass("KeySignature").first()
    if signature is None or signature.sharps >= 0:
        return
    for item in part.recurse().notes:
        if item.pitch.alter > 0:
            item.pitch = item.pitch.getEnharmonic()


def _midi_notes(
    source: Path,
) -> tuple[list[tuple[Fraction, Fraction, int]], list[tuple[Fraction, float]], str | None]:
    """Notes (start, end, pitch) on the grid, tempi (quarter, bpm), time signature."""
    import mido

    midi = mido.MidiFile(source)
    notes: list[tuple[Fraction, Fraction, int]] = []
    tempi: list[tuple[Fraction, float]] = []
    meter_mark = None

    def grid(tick: int) -> Fraction:
        return Fraction(round(tick * GRID / midi.ticks_per_beat), GRID)

    for track in midi.tracks:
        tick = 0
        held: dict[int, int] = {}
        for event in track:
            tick += event.time
            if event.type == "set_tempo":
                tempi.append((grid(tick), 60e6 / event.tempo))
            elif event.type == "time_signature" and meter_mark is None:
                meter_mark = f"{event.numerator}/{event.denominator}"
            elif event.type in ("note_on", "note_off") and event.channel != PERCUSSION:
                if event.note in held:  # also if it is struck again
                    start = held.pop(event.note)
                    notes.append((grid(start), max(grid(tick), grid(start) + SHORTEST), event.note))
                if event.type == "note_on" and event.velocity > 0:
                    held[event.note] = tick
    return _one_voice(sorted(notes)), tempi, meter_mark


def _one_voice(
    notes: list[tuple[Fraction, Fraction, int]],
) -> list[tuple[Fraction, Fraction, int]]:
    """End each note where the next begins, if they overlap or almost touch."""
    notes = _mend_triplets(notes)
    voice = []
    for i, (start, end, pitch) in enumerate(notes):
        following = notes[i + 1][0] if i + 1 < len(notes) else end
        touching = start < following < end + SMALL_GAP
        voice.append((start, following if touching else end, pitch))
    return voice


def _mend_triplets(
    notes: list[tuple[Fraction, Fraction, int]],
) -> list[tuple[Fraction, Fraction, int]]:
    """Put back an onset of a triplet of 16ths that stands on the next 32nd.

    The Nottingham MIDI files have them: 0, 1/8, 1/3 instead of 1/6, and 2/3, 7/8 instead of 5/6.
    """
    odd = Fraction(5, 24)  # the distance to the triplet's neighbour, which is in its place
    mended = list(notes)
    for i, (start, end, pitch) in enumerate(notes):
        after = i > 0 and start - notes[i - 1][0] == odd
        before = i + 1 < len(notes) and notes[i + 1][0] - start == odd
        if start % Fraction(1, 4) == Fraction(1, 8) and after != before:
            shift = Fraction(-1 if after else 1, 24)
            mended[i] = (start + shift, max(end, start + shift + SHORTEST), pitch)
    return mended


def _marks(
    header: Path | None, tempi: list[tuple[Fraction, float]], meter_mark: str | None
) -> list[Any]:
    """Metre, key and tempo at the start, from the ABC header if there is one."""
    from music21 import key, meter, tempo

    from sfpipe.datasets.abc import header as abc_header
    from sfpipe.datasets.abc import key_sharps

    if header is None:
        marks: list[Any] = [meter.TimeSignature(meter_mark or "4/4")]
        return marks + [tempo.MetronomeMark(number=bpm) for _, bpm in tempi[:1]]
    fields = abc_header(header.read_text("utf-8"))
    found = fields.get("M", meter_mark or "4/4").strip()
    marks = [
        meter.TimeSignature(_CUT.get(found, found)),
        key.KeySignature(key_sharps(fields.get("K", "C"))),
    ]
    match = re.fullmatch(r"(\d+)/(\d+)\s*=\s*(\d+)", fields.get("Q", "").strip())
    if match:
        quarters = Fraction(4 * int(match[1]), int(match[2]))
        marks.append(tempo.MetronomeMark(number=float(int(match[3]) * quarters)))
    return marks
