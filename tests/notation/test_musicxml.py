"""MusicXML 4.0: what sounds, derived by hand from the standard."""

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.notation.musicxml import read_musicxml
from sfpipe.notation.playback import heads, sounding_notes, tempo_map, unfold

ATTRIBUTES = (
    "<attributes><divisions>2</divisions><key><fifths>0</fifths></key>"
    "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
)
TEMPO = '<sound tempo="120"/>'


def note(name: str, duration: int = 2, more: str = "", front: str = "") -> str:
    step, alter, octave = name[0], {"#": 1, "b": -1}.get(name[1], 0), name[-1]
    sign = f"<alter>{alter}</alter>" if alter else ""
    pitch = f"<pitch><step>{step}</step>{sign}<octave>{octave}</octave></pitch>"
    return f"<note>{front}{pitch}<duration>{duration}</duration>{more}</note>"


def notes(*names: str) -> str:
    return "".join(note(name) for name in names)


def document(*measures: str) -> bytes:
    body = "".join(f'<measure number="{n}">{m}</measure>' for n, m in enumerate(measures, 1))
    part = f'<part id="P1">{body}</part>'
    return f'<score-partwise version="4.0"><part-list/>{part}</score-partwise>'.encode()


def played(*measures: str) -> list[tuple[float, int]]:
    first, *others = measures
    score = unfold(read_musicxml(document(ATTRIBUTES + TEMPO + first, *others)))
    tempo, _ = tempo_map(score, 100)
    struck = sounding_notes(heads(score, tempo))
    return [(round(tempo.seconds(s.onset), 3), s.midi_pitch) for s in struck]


def pitches(*measures: str) -> list[int]:
    return [p for _, p in played(*measures)]


def onsets(*measures: str) -> list[float]:
    return [t for t, _ in played(*measures)]


BAR = notes("C4", "D4", "E4", "F4")


def test_forward_and_backup_move_the_time():
    forward = "<forward><duration>4</duration></forward>"
    assert onsets(notes("C4", "D4") + forward, notes("E4")) == [0, 0.5, 2]
    assert onsets(
        forward + note("C4"), "<forward><duration>8</duration></forward>", note("D4")
    ) == [
        1,
        3.5,
    ]
    assert onsets("", note("C4")) == [2]  # an empty measure lasts a bar


def test_cue_notes_take_time_and_are_silent_and_hidden_ones_too():
    cue = note("A5", 4, front="<cue/>")
    assert played(notes("C4") + cue + notes("E4")) == [(0, 60), (1.5, 64)]
    hidden = note("A5").replace("<note>", '<note print-object="no">')
    assert played(notes("C4") + hidden + notes("E4")) == [(0, 60), (1, 64)]


@pytest.mark.parametrize(
    ("direction", "seconds"),
    [
        ("<metronome><beat-unit>quarter</beat-unit><per-minute>60</per-minute></metronome>", 1),
        (
            "<metronome><beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>40</per-minute>"
            "</metronome>",
            1,
        ),
        ("<metronome><beat-unit>half</beat-unit><per-minute>c. 60</per-minute></metronome>", 0.5),
        ("<metronome><beat-unit>eighth</beat-unit><per-minute>240</per-minute></metronome>", 0.5),
    ],
)
def test_a_metronome_mark_counts_its_unit(direction, seconds):
    mark = f"<direction><direction-type>{direction}</direction-type></direction>"
    first = ATTRIBUTES + mark + BAR
    score = unfold(read_musicxml(document(first)))
    tempo, marked = tempo_map(score, 100)
    assert marked and tempo.changes == ((0, round(seconds * 1e6)),)


def test_sound_counts_more_than_the_mark_beside_it_and_holds_from_its_place():
    mark = (
        "<direction><direction-type><metronome><beat-unit>quarter</beat-unit>"
        '<per-minute>90</per-minute></metronome></direction-type><sound tempo="60"/></direction>'
    )
    assert onsets(notes("C4", "D4") + mark + notes("E4", "F4"), note("G4")) == [0, 0.5, 1, 2, 3]


def test_transposing_instruments_are_printed_as_written():
    transpose = "<attributes><transpose><chromatic>-2</chromatic>{}</transpose></attributes>"
    assert pitches(transpose.format("") + BAR) == [58, 60, 62, 63]
    octave = "<octave-change>-1</octave-change>"
    assert pitches(transpose.format(octave) + BAR) == [46, 48, 50, 51]
    score = read_musicxml(document(ATTRIBUTES + transpose.format(octave) + BAR))
    assert [n.step for _, e in score.events() for n in e.notes] == [28, 29, 30, 31]


def repeat(direction: str, more: str = "") -> str:
    side = "left" if direction == "forward" else "right"
    return f'<barline location="{side}"><repeat direction="{direction}" {more}/></barline>'


def ending(numbers: str, kind: str) -> str:
    side = "left" if kind == "start" else "right"
    return f'<barline location="{side}"><ending number="{numbers}" type="{kind}"/></barline>'


def test_repeats_and_endings():
    C, D, E, F = (note(f"{name}4", 8) for name in "CDEF")
    assert pitches(repeat("forward") + C, D + repeat("backward"), E) == [60, 62, 60, 62, 64]
    assert pitches(C + repeat("backward", 'times="3"')) == [60, 60, 60]
    closing = ending("1, 2", "stop") + repeat("backward")
    third = ending("3", "start") + E + ending("3", "discontinue")
    assert pitches(C, ending("1, 2", "start") + D + closing, third, F) == [
        *(60, 62, 60, 62, 60, 64, 65),
    ]


def direction(inner: str) -> str:
    return f"<direction><direction-type>{inner}</direction-type></direction>"


def test_jumps_by_sound_or_by_words():
    C, D, E, F = (note(f"{name}4", 8) for name in "CDEF")
    assert pitches(C + '<sound fine="yes"/>', D + '<sound dacapo="yes"/>') == [60, 62, 60]
    words = direction("<words>Fine</words>"), direction("<words>D.C. al Fine</words>")
    assert pitches(C + words[0], D + words[1]) == [60, 62, 60]
    signs = (
        '<sound segno="1"/>',
        '<sound tocoda="1"/>',
        '<sound dalsegno="1"/>',
        '<sound coda="1"/>',
    )
    assert pitches(C, signs[0] + D + signs[1], E + signs[2], signs[3] + F) == [60, 62, 64, 62, 65]
    drawn = (
        direction("<segno/>"),
        direction("<words>To Coda</words>"),
        direction("<words>D.S. al Coda</words>"),
        direction("<coda/>"),
    )
    assert pitches(C, drawn[0] + D + drawn[1], E + drawn[2], drawn[3] + F) == [60, 62, 64, 62, 65]
    # repeats are not played again after a jump
    assert pitches(C + repeat("backward"), D + '<sound dacapo="yes"/>') == [60, 60, 62, 60, 62]


def test_chords_ties_and_graces():
    chord = notes("C4") + note("E4", front="<chord/>") + notes("G4")
    assert played(chord) == [(0, 60), (0, 64), (0.5, 67)]
    assert read_musicxml(document(ATTRIBUTES + chord)).not_monophonic() == "chords"
    tied = note("C4", 2, '<tie type="start"/>') + note("C4", 2, '<tie type="stop"/>') + notes("C4")
    assert onsets(tied) == [0, 1]
    grace = "<note><grace/><pitch><step>A</step><octave>4</octave></pitch></note>"
    assert pitches(notes("C4") + grace + notes("E4")) == [60, 69, 64]


def test_durations_that_divisions_round_are_taken_as_printed():
    third = (
        "<type>eighth</type><time-modification><actual-notes>3</actual-notes>"
        "<normal-notes>2</normal-notes></time-modification>"
    )
    one = ATTRIBUTES.replace("<divisions>2<", "<divisions>10<")
    bar = note("C4", 3, third) + note("D4", 3, third) + note("E4", 4, third) + note("F4", 10)
    events = [e for _, e in read_musicxml(document(one + bar)).events()]
    assert [float(e.start) for e in events] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_signatures_change_inside_a_measure():
    key = "<attributes><key><fifths>-3</fifths></key></attributes>"
    clef = (
        "<attributes><clef><sign>G</sign><line>2</line>"
        "<clef-octave-change>-1</clef-octave-change></clef></attributes>"
    )
    bars = read_musicxml(document(ATTRIBUTES + notes("C4", "D4") + key + notes("E4", "F4"))).bars
    assert [(bar.key.fifths, bar.length) for bar in bars] == [(0, 2), (-3, 2)]
    bars = read_musicxml(document(ATTRIBUTES + notes("C4") + clef + notes("C3"))).bars
    assert [bar.events[0].notes[0].step for bar in bars] == [28, 28]


def test_a_repeated_measure_is_written_out():
    sign = (
        '<attributes><measure-style><measure-repeat type="start">1</measure-repeat>'
        "</measure-style></attributes>"
    )
    assert pitches(BAR, sign) == [60, 62, 64, 65] * 2


@pytest.mark.parametrize(
    ("measure", "why"),
    [
        (note("C4").replace("<duration>2", "<duration>x"), "measure 1 has a duration 'x'"),
        (note("C4").replace("<octave>4", "<octave>14"), "range of MIDI"),
        ("<backup><duration>9</duration></backup>", "goes back beyond its beginning"),
        ("<attributes><staves>2</staves></attributes>", "more than one staff"),
        ("<attributes><clef><sign>TAB</sign></clef></attributes>", "a clef for TAB"),
        ('<sound tempo="0.001"/>', "quarters a minute"),
        ("<note><unpitched/><duration>2</duration></note>", "notes without a pitch"),
        ("<note><rest/><duration>8</duration></note>", "holds no notes"),
        (note("C4", 2, "").replace("<octave>", "<alter>0.5</alter><octave>"), "quarter tones"),
        (note("C4", 8) + '<sound dalsegno="1"/>', "a sign that is not there"),
    ],
)
def test_what_is_refused_is_named(measure, why):
    with pytest.raises(SfpipeError, match=why):
        unfold(read_musicxml(document(ATTRIBUTES + measure)))
