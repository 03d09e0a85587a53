"""Random melodies written as ABC and read back: the same notes."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.notation.files import read_score
from sfpipe.notation.score import LETTERS, Bar, Event, Key, Note, Score, semitone

UNIT = Fraction(1, 2)  # of the text, in quarters
MAJOR = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
SIGNS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}


def text_of(score: Score) -> str:
    """A melody as ABC 2.1, with no accidental that key or bar say already."""
    key = score.bars[0].key
    assert key.fifths is not None
    bars = []
    for bar in score.bars:
        held = dict(enumerate(key.alters))  # letter -> semitones, in all octaves
        bars.append("".join(event_text(event, held) for event in bar.events))
    return f"X:1\nT:random\nM:none\nL:1/8\nK:{MAJOR[key.fifths + 7]}\n{'|'.join(bars)}|]\n"


def event_text(event: Event, held: dict[int, int]) -> str:
    count = event.quarters / UNIT
    length = f"{count.numerator}/{count.denominator}"
    if not event.notes:
        return f"z{length} "
    [note] = event.notes
    octave, letter = divmod(note.step, 7)
    sign = "" if held[letter] == note.alter else SIGNS[note.alter]
    held[letter] = note.alter
    name = LETTERS[letter].lower() if octave > 4 else LETTERS[letter]
    octaves = "'" * (octave - 5) if octave > 4 else "," * (4 - octave)
    return f"{sign}{name}{octaves}{length}{'-' if note.tie else ''} "


@st.composite
def melodies(draw) -> Score:
    key = Key.of(draw(st.integers(-7, 7)))
    steps, alters = st.integers(14, 48), st.integers(-2, 2)
    lengths = st.sampled_from([Fraction(n, 8) for n in (1, 2, 3, 4, 6, 8, 12, 16)])
    bars = []
    for _ in range(draw(st.integers(1, 5))):
        bar = Bar(key=key)
        for _ in range(draw(st.integers(1, 8))):
            event = Event(draw(lengths), start=bar.length)
            if draw(st.integers(0, 6)):
                # of the notes most are the key's
                step = draw(steps)
                alter = draw(alters | st.just(key.alters[step % 7]))
                event.notes = [Note(step, alter, semitone(step, alter))]
            bar.events.append(event)
            bar.length += event.quarters
        bars.append(bar)
    events = [event for bar in bars for event in bar.events]
    for event, other in pairwise(events):  # a tie leads to the same note
        if event.notes and other.notes and draw(st.integers(0, 3)) == 0:
            other.notes = [replace(event.notes[0])]
            event.notes[0].tie = True
    if not any(event.notes for event in events):
        events[0].notes = [Note(28, 0, 60)]
    return Score(bars)


def content(score: Score) -> list[list[tuple]]:
    """All that sounds, bar by bar."""
    return [
        [
            (event.start, event.quarters, [(n.step, n.alter, n.midi, n.tie) for n in event.notes])
            for event in bar.events
        ]
        for bar in score.bars
    ]


@settings(max_examples=150, deadline=None)
@given(melodies())
def test_a_melody_written_as_abc_is_read_as_itself(score):
    read = read_score("random.abc", text_of(score).encode())
    assert content(read) == content(score)
    assert {bar.key for bar in read.bars} == {score.bars[0].key}
