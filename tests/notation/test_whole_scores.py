"""Whole scores in MusicXML: what sounds, when and in which pass, derived by hand."""

from fractions import Fraction

import pytest

from sfpipe.notation.musicxml import parse, read_document
from sfpipe.notation.playback import GRACE_S, order
from tests.notation.unfolded import unfold_notes

ATTRIBUTES = (
    "<attributes><divisions>2</divisions><time><beats>2</beats><beat-type>4</beat-type></time>"
    "<staves>2</staves></attributes>"
)
TEMPO = '<sound tempo="60"/>'


def note(name, duration=2, *, staff=1, voice=1, front="", more="", id=""):
    step, octave = name[0], name[-1]
    pitch = f"<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    length = f"<duration>{duration}</duration>" if duration else ""
    label = f' id="{id}"' if id else ""
    return (
        f"<note{label}>{front}{pitch}{length}{more}<voice>{voice}</voice>"
        f"<staff>{staff}</staff></note>"
    )


def backup(duration):
    return f"<backup><duration>{duration}</duration></backup>"


def part(*measures):
    body = "".join(f'<measure number="{n}">{m}</measure>' for n, m in enumerate(measures, 1))
    return f"<part>{body}</part>"


def document(*measures, software=""):
    head = f"<identification><encoding><software>{software}</software></encoding></identification>"
    text = f"<score-partwise>{head}{part(ATTRIBUTES + TEMPO + measures[0], *measures[1:])}"
    return read_document(parse((text + "</score-partwise>").encode()))


def played(score, bars=None):
    """(onset, pitch) of what is struck."""
    return [(round(n.onset_s, 3), n.midi_pitch) for n in unfold_notes(score, bars) if n.struck]


BAR = note("C5", 4) + backup(4) + note("E3", 4, staff=2, voice=5)


def test_both_hands_sound_together_and_notes_know_their_staff():
    score = document(BAR, note("D5", 2) + note("E5", 2))
    notes = unfold_notes(score)
    assert [(n.onset_s, n.midi_pitch, n.staff) for n in notes] == [
        (0, 52, 2),
        (0, 72, 1),
        (2, 74, 1),
        (3, 76, 1),
    ]
    assert score.staves == 2 and [bar.length for bar in score.bars] == [2, 2]


def test_staves_are_counted_where_the_file_does_not_tell_them():
    text = part(BAR)
    score = read_document(parse(f"<score-partwise>{text}</score-partwise>".encode()))
    assert score.staves == 2


def test_notes_of_a_repeated_section_are_told_apart_by_their_pass():
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    first = '<barline location="left"><ending number="1" type="start"/></barline>'
    second = first.replace('number="1"', 'number="2"')
    stop = '<barline location="right"><ending number="{}" type="stop"/>{}</barline>'
    again = '<repeat direction="backward"/>'
    score = document(
        note("C4", 4, id="a"),
        first + note("D4", 4, id="b") + stop.format(1, again),
        second + note("E4", 4, id="c") + stop.format(2, ""),
        note("F4", 4, id="d") + repeat,
    )
    as_written = unfold_notes(score, range(4))
    assert [(n.id, n.pass_number, n.onset_s) for n in as_written] == [
        ("a", 1, 0),
        ("b", 1, 2),
        ("c", 1, 4),
        ("d", 1, 6),
    ]
    assert [(n.id, n.pass_number) for n in unfold_notes(score)] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("c", 1),
        ("d", 1),
        ("d", 2),
    ]
    chosen = unfold_notes(score, [0, 2, 0])
    assert [(n.id, n.pass_number, n.onset_s) for n in chosen] == [
        ("a", 1, 0),
        ("c", 1, 2),
        ("a", 2, 4),
    ]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (["", '<sound fine="yes"/>', '<sound dacapo="yes"/>'], [0, 1, 2, 0, 1]),
        (
            ['<sound segno="s"/>', '<sound fine="yes"/>', '<sound dalsegno="s"/>'],
            [0, 1, 2, 0, 1],
        ),
        (
            [
                "",
                '<sound segno="s"/>',
                '<sound tocoda="c"/>',
                '<sound dalsegno="s"/>',
                '<sound coda="c"/>',
            ],
            [0, 1, 2, 3, 1, 2, 4],
        ),
    ],
)
def test_jumps_of_a_score_of_two_staves(signs, expected):
    score = document(*(BAR + sign for sign in signs))
    assert [bar for bar, _ in order(score)] == expected


def test_a_pick_up_and_a_short_bar_last_as_long_as_what_is_in_them():
    score = document(note("C4", 2), BAR, note("D4", 3), BAR)
    assert [bar.length for bar in score.bars] == [1, 2, Fraction(3, 2), 2]
    assert played(score)[-1] == (4.5, 72)


def test_tempo_changes_inside_a_bar_hold_from_their_place():
    mark = (
        "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
        "<per-minute>80</per-minute></metronome></direction-type></direction>"
    )
    score = document(note("C4") + mark + note("D4"), note("E4"))
    assert played(score) == [(0, 60), (1, 62), (1.5, 64)]  # 120 quarters a minute


def test_a_tempo_in_any_part_holds_for_all():
    parts = part(ATTRIBUTES + note("C4", 4), note("D4", 4)) + part(
        ATTRIBUTES + TEMPO + note("C3", 2) + '<sound tempo="30"/>' + note("D3", 2)
    )
    score = read_document(parse(f"<score-partwise>{parts}</score-partwise>".encode()))
    assert played(score) == [(0, 48), (0, 60), (1, 50), (3, 62)]
    assert (score.parts, score.staves) == (2, 4)
    assert [n.staff for n in unfold_notes(score)] == [3, 1, 3, 1]


def test_parts_are_transposed_each_by_its_own_interval():
    clarinet = ATTRIBUTES.replace(
        "</attributes>", "<transpose><chromatic>-2</chromatic></transpose></attributes>"
    )
    parts = part(clarinet + note("D4", 4)) + part(ATTRIBUTES + TEMPO + note("C4", 4))
    score = read_document(parse(f"<score-partwise>{parts}</score-partwise>".encode()))
    assert played(score) == [(0, 60), (0, 60)]


def test_grace_notes_come_before_the_beat_of_the_other_hand():
    grace = note("B4", 0, front="<grace/>")
    score = document(BAR, grace + BAR)
    notes = played(score)
    assert notes[:2] == [(0, 52), (0, 72)] and notes[3:] == [(2, 52), (2, 72)]
    assert notes[2] == (pytest.approx(2 - GRACE_S, abs=0.002), 71)


def test_grace_notes_at_the_beginning_delay_both_hands():
    notes = played(document(note("B4", 0, front="<grace/>") + BAR))
    assert notes[0] == (0, 71)
    assert notes[1][0] == notes[2][0] == pytest.approx(GRACE_S, abs=0.002)


def test_a_tie_is_found_in_another_voice_and_a_grace_note_is_tied_to_its_chord():
    start = '<tie type="start"/>'
    across = document(note("C4", 4, more=start), note("C4", 4, voice=2, staff=2))
    assert played(across) == [(0, 60)]
    arpeggio = note("C4", 0, front="<grace/>", more=start) + note("E4", 0, front="<grace/>")
    chord = note("C4", 4) + note("E4", 4, front="<chord/>")
    assert [pitch for _, pitch in played(document(BAR, arpeggio + chord))][2:] == [60, 64, 64]


def test_hidden_notes_sound_and_have_no_head_and_cue_notes_are_silent():
    hidden = note("C4", 2, id="h").replace("<note", '<note print-object="no"', 1)
    score = document(note("D4", 2, front="<cue/>") + hidden, note("E4", 2))
    assert [(n.id, n.onset_s, n.printed) for n in unfold_notes(score)] == [
        ("h", 1, False),
        ("n1", 2, True),
    ]


def test_small_notes_of_musescore_sound():
    small = note("D4", 2, front="<cue/>")
    assert played(document(small + note("E4"), software="MuseScore 3.6")) == [(0, 62), (1, 64)]


def test_cross_staff_notes_of_one_chord_know_their_staves():
    chord = note("C4", 4, staff=2) + note("C5", 4, front="<chord/>", staff=1)
    assert [(n.midi_pitch, n.staff) for n in unfold_notes(document(chord))] == [(60, 2), (72, 1)]


def test_rounded_durations_do_not_move_what_comes_after_them():
    triplet = (
        "<type>eighth</type><time-modification><actual-notes>3</actual-notes>"
        "<normal-notes>2</normal-notes></time-modification>"
    )
    thirds = "".join(note("C5", 33, more=triplet) for _ in range(3))
    tiny = "<forward><duration>1</duration></forward>"
    text = ATTRIBUTES.replace("<divisions>2", "<divisions>100") + TEMPO + thirds + tiny
    text += note("D5", 100) + backup(202) + "<forward><duration>2</duration></forward>"
    text += note("C3", 200, staff=2, voice=5)
    score = read_document(parse(f"<score-partwise>{part(text)}</score-partwise>".encode()))
    assert played(score) == [(0, 48), (0, 72), (0.333, 72), (0.667, 72), (1, 74)]


def test_every_note_of_the_document_gets_a_name_of_its_own():
    text = f"<score-partwise>{part(note('C4', id='x') + note('D4', id='x') + note('E4'))}"
    root = parse((text + "</score-partwise>").encode())
    score = read_document(root)
    names = [e.get("id") for e in root.iter("note")]
    assert len(set(names)) == 3 and names[0] == "x"
    assert [n.id for _, e in score.events() for n in e.notes] == names
