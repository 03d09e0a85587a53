from sfpipe.datasets.tunes import read_tune, slug
from tests.notation.midi import midi_bytes

XML = """<?xml version="1.0"?><score-partwise><part-list/><part id="P1"><measure number="1">
<note><pitch><step>C</step><octave>4</octave></pitch><duration>1</duration></note>
<note><pitch><step>F</step><alter>1</alter><octave>5</octave></pitch><duration>1</duration></note>
<note><rest/><duration>1</duration></note></measure></part></score-partwise>"""


def tune(name: str, content: bytes | str):
    data = content.encode() if isinstance(content, str) else content
    return read_tune("tune", "", {name: data}, name)


def test_the_same_melody_in_three_formats():
    assert tune("a.mid", midi_bytes([(0, 60), (480, 78)])).pitches == (60, 78)
    assert tune("a.musicxml", XML).pitches == (60, 78)
    assert tune("a.abc", "X:1\nT:One\nK:C\nC ^f|\n").pitches == (60, 78)
    assert tune("a.abc", "X:1\nT:One\nK:C\nC ^f|\n").title == "One"


def test_more_than_one_voice_is_noticed():
    chord = midi_bytes([(0, 60), (0, 64), (480, 60)])
    assert tune("a.mid", chord).not_monophonic == "chords"
    assert tune("a.mid", midi_bytes([(0, 60), (240, 64)])).not_monophonic is None
    assert tune("a.abc", "X:1\nK:C\nCD&EF|\n").not_monophonic == "2 voices"
    double = XML.replace("</score-partwise>", '<part id="P2"/></score-partwise>')
    assert tune("a.xml", double).unusable == "has 2 parts, expected 1"


def test_a_tune_that_cannot_be_read_says_why():
    broken = tune("a.abc", "X:1\nK:C\nC ^ D|\n")
    assert broken.unusable == "bar 1: '^' is no music of ABC" and broken.pitches == ()


def test_names_are_safe():
    assert slug("Bérénice / nº 2 (reel)") == "Berenice_no_2_reel"
    assert slug("../..") == "tune"
