import io
import zipfile

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.notation.files import read_score
from sfpipe.notation.musicxml import unpack_mxl
from tests.datasets.test_tunes import XML
from tests.notation.midi import midi_bytes


def packed(document: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="x/tune.xml"/></rootfiles></container>',
        )
        archive.writestr("x/tune.xml", document)
    return buffer.getvalue()


def test_compressed_musicxml():
    assert unpack_mxl(packed(XML)) == XML.encode()
    assert read_score("a.mxl", packed(XML)).pitches() == (60, 78)


@pytest.mark.parametrize("name", ["a.mid", "a.musicxml", "a.mxl", "a.abc"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MThd\x00\x00",
        b"<score-partwise><part>",
        b"\x00" * 99,
        b"\x00\xff\xfe g",
        b"PK\x03\x04",
    ],
)
def test_damaged_files_are_named(name, content):
    with pytest.raises(SfpipeError, match=r"^a\..* -> "):
        read_score(name, content)


def test_another_kind_of_xml_is_refused():
    with pytest.raises(SfpipeError, match="score-partwise"):
        read_score("a.xml", b"<html></html>")


def test_files_that_would_grow_are_refused_before_they_are_read():
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><score-partwise>&b;</score-partwise>'
    with pytest.raises(SfpipeError, match="declares XML entities"):
        read_score("a.xml", bomb.encode())
    with pytest.raises(SfpipeError, match="holds 33,554,432 bytes"):
        read_score("a.mxl", packed(" " * (32 << 20)))
    with pytest.raises(SfpipeError, match="bytes, at most"):
        read_score("a.mid", midi_bytes([(0, 60)]) + bytes(1 << 20))


def test_the_header_of_a_midi_melody():
    # An upbeat: the file begins with two quarters of silence in a bar of three.
    notes = midi_bytes([(960 + 480 * i, p) for i, p in enumerate((70, 72, 75, 63, 70))], 480)
    score = read_score("a.mid", notes, b"X:1\nM:3/4\nQ:1/4=80\nK:Eb\nB|\n")
    assert [len([e for e in bar.events if e.notes]) for bar in score.bars] == [1, 3, 1]
    assert [n.step % 7 for _, e in score.events() for n in e.notes] == [6, 0, 2, 2, 6]
    assert score.bars[0].key.fifths == -3 and score.bars[0].metre.beats == "3"
    assert score.bars[0].tempi == [(0, 80)] and score.bars[0].length == 1
