"""How much higher a score says that it sounds than its notes stand."""

import pytest

from sfpipe.notation.files import read_document, read_score
from sfpipe.notation.musicxml import read_musicxml

TUNE = "X:1\nT:t\nM:4/4\nL:1/4\nK:{}\nCDEF|GABc|\n"


@pytest.mark.parametrize(
    "key, semitones",
    [
        ("C", 0),
        ("C clef=bass", 0),  # moves no pitch: the notes stand elsewhere
        ("C clef=treble-8", -12),
        ("C clef=treble+8", 12),
        ("C transpose=-2", -2),
        ("C clef=treble-8 transpose=-2", -14),
    ],
)
def test_abc(key, semitones):
    score = read_score("t.abc", TUNE.format(key).encode())
    assert score.transposition() == semitones


NOTES = "".join(
    f"<note><pitch><step>{s}</step><octave>4</octave></pitch><duration>1</duration></note>"
    for s in "CDEF"
)


def document(attributes: str) -> bytes:
    return (
        "<score-partwise><part-list><score-part id='P1'><part-name>p</part-name></score-part>"
        "</part-list><part id='P1'><measure number='1'><attributes><divisions>1</divisions>"
        f"<time><beats>4</beats><beat-type>4</beat-type></time>{attributes}</attributes>"
        f"{NOTES}</measure></part></score-partwise>"
    ).encode()


@pytest.mark.parametrize(
    "attributes, semitones",
    [
        ("", 0),
        ("<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>", -2),
        (
            "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic>"
            "<octave-change>-1</octave-change></transpose>",
            -14,
        ),
        # The pitch of a guitar's C4 sounds as C4, and stands where C5 does without the small 8.
        (
            "<clef><sign>G</sign><line>2</line><clef-octave-change>-1</clef-octave-change></clef>",
            -12,
        ),
    ],
)
def test_musicxml(attributes, semitones):
    content = document(attributes)
    assert read_musicxml(content).transposition() == semitones
    assert read_document("t.musicxml", content)[1].transposition() == semitones
