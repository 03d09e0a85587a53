import io
import zipfile

import mido
import pytest

from sfpipe.datasets.tunes import decode, melody_of, slug, unpack_mxl
from sfpipe.errors import SfpipeError

XML = """<?xml version="1.0"?><score-partwise><part-list/><part id="P1"><measure number="1">
<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>
<note><pitch><step>F</step><alter>1</alter><octave>5</octave></pitch><duration>1</duration></note>
<note><rest/><duration>1</duration></note></measure></part></score-partwise>"""


def midi_bytes(starts: list[tuple[int, int]]) -> bytes:
    track, now = mido.MidiTrack(), 0
    events = [(t, "note_on", p) for t, p in starts] + [(t + 200, "note_off", p) for t, p in starts]
    for tick, kind, pitch in sorted(events, key=lambda e: e[0]):
        track.append(mido.Message(kind, note=pitch, velocity=64, time=tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(track)
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def test_the_same_melody_in_three_formats():
    assert melody_of("a.mid", midi_bytes([(0, 60), (480, 78)])).pitches == (60, 78)
    assert melody_of("a.musicxml", XML.encode()).pitches == (60, 78)
    assert melody_of("a.abc", b"X:1\nK:C\nC ^f|\n").pitches == (60, 78)


def test_notes_that_start_together_are_noticed():
    assert "together" in melody_of("a.mid", midi_bytes([(0, 60), (0, 64)])).not_monophonic
    assert melody_of("a.mid", midi_bytes([(0, 60), (100, 64)])).not_monophonic is None


def test_two_parts_are_noticed():
    double = XML.replace("</score-partwise>", '<part id="P2"/></score-partwise>')
    assert melody_of("a.xml", double.encode()).not_monophonic == "2 parts"


def test_compressed_musicxml():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="x/tune.xml"/></rootfiles></container>',
        )
        archive.writestr("x/tune.xml", XML)
    assert unpack_mxl(buffer.getvalue()) == XML.encode()
    assert melody_of("a.mxl", buffer.getvalue()).pitches == (60, 78)


@pytest.mark.parametrize("name", ["a.mid", "a.musicxml", "a.mxl"])
@pytest.mark.parametrize("content", [b"", b"MThd\x00\x00", b"<score-partwise><part>", b"\x00" * 99])
def test_damaged_files_are_named(name, content):
    with pytest.raises(SfpipeError, match=r"^a\."):
        melody_of(name, content)


def test_another_kind_of_xml_is_refused():
    with pytest.raises(SfpipeError, match="score-partwise"):
        melody_of("a.xml", b"<html></html>")


def test_names_are_safe_and_old_encodings_are_read():
    assert slug("Bérénice / nº 2 (reel)") == "Berenice_no_2_reel"
    assert slug("../..") == "tune"
    assert decode("T:Caf\xe9".encode("latin-1")) == "T:Café"
