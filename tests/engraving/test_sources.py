from fractions import Fraction

import mido
import pytest

from sfpipe.engraving.sources import plain_abc, read_part
from sfpipe.errors import SfpipeError
from tests.datasets.test_tunes import midi_bytes
from tests.tunes import PLAIN, RICH


def abc(tmp_path, text):
    path = tmp_path / "tune.abc"
    path.write_text(text)
    return path


def notes(part):
    """(quarter, quarters, MIDI pitch) of all notes, grace notes with length 0."""
    return [
        (
            Fraction(bar.offset) + Fraction(n.offset),
            Fraction(0 if n.duration.isGrace else n.quarterLength),
            n.pitch.midi,
        )
        for bar in part.getElementsByClass("Measure")
        for n in bar.notes
    ]


def test_what_is_not_notes_is_taken_out_of_abc():
    text = 'X:1\nT:Title\nQ:1/4 = 50\nK:G\n"Am"A2 !f!B2 \\\n"^slow"c4 | % end\nw:la\nd4|\n'
    assert plain_abc(text) == "X:1\nT:Title\nQ:1/4=50\nK:G\nA2 B2 c4 | \nd4|\n"


def test_repeats_are_written_out_with_their_endings(tmp_path):
    got = notes(read_part(abc(tmp_path, RICH)))
    struck = [n for n in got if n[1] > 0]
    # Twice: an upbeat, bars of 6, 3 and 3 heads, an ending.
    assert len(struck) == 2 * (1 + 6 + 3 + 3 + 1)
    # The upbeat's quarter belongs to the last bar of each time through.
    assert struck[14][0] == Fraction(1 + 12 + 3)
    assert sum(n[1] == 0 for n in got) == 2


def test_repeats_that_make_no_sense_are_named(tmp_path):
    with pytest.raises(SfpipeError, match=r"tune\.abc: its repeats cannot be unfolded"):
        read_part(abc(tmp_path, "X:1\nL:1/8\nM:2/4\nK:C\nCDEF|GABc::cBAG|FEDC:[|]|]\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.abc", b""),
        ("a.abc", b"\x00\xff\xfe garbage"),
        ("a.mid", b"MThd"),
        ("a.mid", b""),
        ("a.musicxml", b"<score-partwise><part>"),
        ("a.musicxml", b"<html/>"),
        ("a.mxl", b"PK\x03\x04 no archive"),
    ],
)
def test_damaged_sources_are_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SfpipeError, match=rf"{name}: .* ->"):
        read_part(path)


def test_a_missing_source(tmp_path):
    with pytest.raises(SfpipeError, match=r"x\.abc: no such file -> run: sfpipe download"):
        read_part(tmp_path / "x.abc")


def test_musicxml_of_a_melody_and_of_two_parts(tmp_path):
    from music21 import note, stream

    part = stream.Part([note.Note("C4", quarterLength=q) for q in (1, 1, 2, 4)])
    path = tmp_path / "tune.musicxml"
    part.write("musicxml", path)
    assert notes(read_part(path)) == [(0, 1, 60), (1, 1, 60), (2, 2, 60), (4, 4, 60)]
    stream.Score([part, stream.Part([note.Note("E3", type="whole")])]).write("musicxml", path)
    with pytest.raises(SfpipeError, match="has 2 parts, expected 1"):
        read_part(path)


def test_a_midi_melody_with_the_metre_and_key_of_its_header(tmp_path):
    midi, header = tmp_path / "a.mid", tmp_path / "a.abc"
    # An upbeat: the file begins with two quarters of silence in a bar of three.
    midi.write_bytes(midi_bytes([(960 + 480 * i, p) for i, p in enumerate((70, 72, 75, 63, 70))]))
    header.write_text("X:1\nM:3/4\nQ:1/4=80\nK:Eb\nB|\n")
    part = read_part(midi, header)
    assert [n[0] for n in notes(part)] == [0, 1, 2, 3, 4]
    bars = list(part.getElementsByClass("Measure"))
    assert [len(bar.notes) for bar in bars] == [1, 3, 1]
    assert [n.name for n in part.recurse().notes] == ["B-", "C", "E-", "E-", "B-"]
    assert bars[0].keySignature.sharps == -3 and bars[0].timeSignature.ratioString == "3/4"
    assert part.recurse().getElementsByClass("MetronomeMark").first().number == 80


def test_a_midi_melody_alone(tmp_path):
    midi = tmp_path / "a.mid"
    midi.write_bytes(midi_bytes([(480 * i, p) for i, p in enumerate((62, 66, 69, 74, 73, 74))]))
    part = read_part(midi)
    assert part.recurse().getElementsByClass("KeySignature").first().sharps == 2


def test_triplets_that_midi_files_rounded_to_32nds_are_put_back(tmp_path):
    ticks = [0, 240, 320, 420, 480, 540, 640, 720]  # 1/2 2/3 7/8 | 1 + (0, 1/8, 1/3)
    midi = tmp_path / "a.mid"
    midi.write_bytes(midi_bytes([(t, 60 + i) for i, t in enumerate(ticks)]))
    wanted = [Fraction(x, 6) for x in (0, 3, 4, 5, 6, 7, 8, 9)]
    assert [n[0] for n in notes(read_part(midi))] == wanted


def test_a_pickle_of_the_source_is_not_left_behind(tmp_path, monkeypatch):
    path = abc(tmp_path, PLAIN)
    read_part(path)
    assert list(tmp_path.iterdir()) == [path]


def test_percussion_is_no_melody_and_a_note_struck_again_is_two(tmp_path):
    track = mido.MidiTrack()
    for event, note, channel, time in (
        ("note_on", 60, 0, 0),
        ("note_on", 76, 9, 240),
        ("note_off", 76, 9, 120),
        ("note_on", 60, 0, 120),  # before its end
        ("note_off", 60, 0, 480),
        ("note_on", 64, 0, 0),
        ("note_off", 64, 0, 480),
    ):
        track.append(mido.Message(event, note=note, channel=channel, velocity=64, time=time))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(tmp_path / "a.mid")
    assert [(n[0], n[-1]) for n in notes(read_part(tmp_path / "a.mid"))] == [
        (0, 60),
        (1, 60),
        (2, 64),
    ]
