"""MEI: what sounds and when, derived by hand, and against the MusicXML that Verovio made it of."""

import re

import pytest
import verovio

from sfpipe.errors import SfpipeError
from sfpipe.notation.files import read_document
from sfpipe.notation.playback import order, play_as_printed
from tests.engraving.test_verovio import LEFT, RIGHT, note, score

HEAD = '<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score>'
TAIL = "</score></mdiv></body></music></mei>"
FOUR_FOUR = 'meter.count="4" meter.unit="4" midi.bpm="60"'


def read(*measures, definition=FOUR_FOUR, staff=""):
    """The score of measures, each the content of its upper layer or the whole of it."""
    body = "".join(m if "<measure" in m else measure(m) for m in measures)
    staves = f'<staffDef n="1" lines="5"{staff}/><staffDef n="2" lines="5"/>'
    text = (
        f"{HEAD}<scoreDef {definition}><staffGrp>{staves}</staffGrp></scoreDef>"
        f"<section>{body}</section>{TAIL}"
    )
    return read_document("a.mei", text.encode())[1]


def measure(upper, more="", lower="<mRest/>", signs=""):
    staves = f'<staff n="1"><layer n="1">{upper}</layer></staff>'
    staves += f'<staff n="2"><layer n="1">{lower}</layer></staff>'
    return f"<measure {signs}>{staves}{more}</measure>"


def n(name, dur="4", more="", inside=""):
    return f'<note pname="{name[0]}" oct="{name[1]}" dur="{dur}" {more}>{inside}</note>'


def heads(score):
    return play_as_printed(score)[0]


def played(score):
    """(seconds, pitch) of what is struck, each bar once."""
    found, tempo, _ = play_as_printed(score)
    return [(round(tempo.seconds(h.onset), 3), h.midi_pitch) for h in found if not h.tied]


def pitches(score):
    return [pitch for _, pitch in played(score)]


def bar_order(score):
    return [i for i, _ in order(score)]


def test_what_verovio_makes_of_musicxml_says_the_same():
    shift = "<direction><direction-type><octave-shift {}/></direction-type></direction>"
    repeat = '<barline location="right"><repeat direction="backward"/></barline>'
    tie = '<tie type="{0}"/><notations><tied type="{0}"/></notations>'
    triplet = (
        "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
        "</time-modification>"
    )
    text = score(
        RIGHT + LEFT + repeat,
        shift.format('type="down" size="8"') + note("F6", 1, front="<grace/>") + note("C6", 4),
        shift.format('type="stop" size="8"') + note("D5", 4, hidden=True) + LEFT,
        note("C5", 8, more=tie.format("start")) + LEFT,
        note("C5", 8, more=tie.format("stop")) + LEFT,
        "".join(note(name, 2, more=triplet) for name in ("C5", "D5", "E5")) + note("C5", 4),
    ).replace("<divisions>2", "<divisions>3")
    text = re.sub(r'<note id="\w+"', "<note", text)
    program = verovio.toolkit()
    assert program.loadData(text)
    mei = program.getMEI({"removeIds": False})
    one = read_document("a.musicxml", text.encode())[1]
    other = read_document("a.mei", mei.encode())[1]

    def said(score):
        names = ("written", "onset", "end", "midi_pitch", "tied", "grace", "staff", "printed")
        return sorted(tuple(getattr(h, name) for name in names) for h in heads(score))

    assert said(other) == said(one)
    assert bar_order(other) == bar_order(one) == [0, 0, 1, 2, 3, 4, 5]


def test_values_dots_tuplets_graces_tremolos():
    dotted = n("c4", "4", 'dots="1"') + n("d4", "8")
    triplet = f'<tuplet num="3" numbase="2">{n("e4", "8")}{n("f4", "8")}{n("g4", "8")}</tuplet>'
    tremolo = f"<fTrem>{n('c4', '4')}{n('e4', '4')}</fTrem>"
    score = read(dotted + triplet + tremolo, n("c5", "8", 'grace="acc"') + n("d5", "1"))
    assert played(score) == [
        (0, 60),
        (1.5, 62),
        (2, 64),
        (2.333, 65),
        (2.667, 67),
        (3, 60),
        (3.5, 64),
        (3.92, 72),
        (4, 74),
    ]
    assert [bar.length for bar in score.bars] == [4, 4]


def test_a_tuplet_span_holds_from_its_first_note_to_its_last():
    notes = [n("c4", "4", 'xml:id="a"'), n("d4"), n("e4", "4", 'xml:id="b"'), n("f4", "2")]
    span = '<tupletSpan num="3" numbase="2" startid="#a" endid="#b"/>'
    assert [t for t, _ in played(read(measure("".join(notes), span)))] == [0, 0.667, 1.333, 2]


def test_rests_of_bars_and_signs_for_the_bar_before():
    twice = measure("<mRpt/>", lower=n("c3", "1"))
    score = read(n("c5", "2") + n("d5", "2"), twice, "<mRest/>", '<multiRest num="3"/>', n("e5"))
    assert played(score) == [(0, 72), (2, 74), (4, 72), (4, 48), (6, 74), (24, 76)]
    assert [h.printed for h in heads(score)] == [True, True, False, True, False, True]


def test_accidentals_hold_to_the_end_of_the_bar_where_none_says_how_it_sounds():
    text = n("f4", "4", 'accid="n"') + n("f4") + n("f5") + n("c4")
    score = read(text, n("f4", "1"), definition=FOUR_FOUR + ' key.sig="2s"')
    assert pitches(score) == [65, 65, 78, 61, 66]


def test_an_accidental_holds_over_a_tie():
    tied = read(
        n("e4", "1", 'tie="i"', '<accid accid="f"/>'), n("e4", "2", 'tie="t"') + n("e4", "2")
    )
    assert [(h.midi_pitch, h.tied) for h in heads(tied)] == [(63, False), (63, True), (64, False)]
    by_sign = measure(n("e4", "1", 'accid="f" xml:id="a"'), '<tie startid="#a" endid="#b"/>')
    tied = read(by_sign, n("e4", "2", 'xml:id="b"'))
    assert [(h.midi_pitch, h.tied) for h in heads(tied)] == [(63, False), (63, True)]


def test_accidentals_that_are_told_count_alone():
    text = n("f4", "4", 'accid="s"') + n("f4", "4", 'accid.ges="s"') + n("f4", "2")
    assert pitches(read(text)) == [66, 66, 65]


def test_octave_signs_transposition_and_told_octaves():
    notes = n("c5", "4", 'xml:id="a"') + n("d5", "4", 'xml:id="b"') + n("e5", "2")
    sign = '<octave staff="1" startid="#a" endid="#b" dis="8" dis.place="above"/>'
    assert pitches(read(measure(notes, sign))) == [84, 86, 76]
    told = notes.replace('oct="5"', 'oct="5" oct.ges="6"')
    assert pitches(read(measure(told, sign))) == [84, 86, 88]
    assert pitches(read(notes, staff=' trans.semi="-2"')) == [70, 72, 74]


def test_tempo_marks_at_notes_and_on_beats():
    marks = '<tempo tstamp="3" mm="40" mm.unit="4" mm.dots="1"/>'
    later = '<tempo startid="#x" midi.mspb="250000"/>'
    notes = n("c4", "2") + n("d4", "2")
    score = read(
        measure(notes, marks), measure(n("e4", "2") + n("f4", "2", 'xml:id="x"'), later), n("g4")
    )
    assert [t for t, _ in played(score)] == [0, 2, 4, 6, 6.5]


def test_repeats_endings_and_jumps():
    one = n("c4", "1")
    end, both, start = (
        {"signs": s} for s in ('right="rptend"', 'right="rptboth"', 'left="rptstart"')
    )
    assert bar_order(read(one, measure(one, **both), measure(one, **end))) == [0, 1, 0, 1, 2, 2]
    endings = f'<ending n="1">{measure(one, **end)}</ending><ending n="2">{measure(one)}</ending>'
    assert bar_order(read(one, measure(one, **start), endings, one)) == [0, 1, 2, 1, 3, 4]
    fine, back = '<repeatMark func="fine"/>', '<repeatMark func="daCapo"/>'
    assert bar_order(read(one, measure(one, fine), measure(one, back))) == [0, 1, 2, 0, 1]
    words = measure(one, "<dir><rend>D.C. al Fine</rend></dir>")
    assert bar_order(read(one, measure(one, "<dir>Fine</dir>"), words)) == [0, 1, 2, 0, 1]


def test_cross_staff_cue_and_hidden_notes_and_readings():
    text = (
        n("c4", "4", 'staff="2"')
        + n("d4", "4", 'cue="true"')
        + n("e4", "4", 'cue="true" visible="false"')
        + f"<app><rdg>{n('a4')}</rdg><lem>{n('f4')}</lem></app>"
    )
    found = heads(read(text))
    assert [(h.midi_pitch, h.staff, h.printed) for h in found] == [
        (60, 2, True),
        (64, 1, False),
        (65, 1, True),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (n("c4", "4", 'accid="1qs"'), "measure 1 has the accidental '1qs'"),
        (n("c4", "maxima"), "measure 1 has a note of the value 'maxima'"),
        ('<note dur="4" loc="3"/>', "measure 1 has notes without a pitch"),
        (f"<beatRpt/>{n('c4')}", "measure 1 has <beatRpt>"),
        (f"<cadenza>{n('c4')}</cadenza>", "measure 1 has <cadenza>"),
        ("<rest dur='1'/>", "holds no notes"),
        (n("c4", "4", 'oct.ges="12"'), "beyond the range of MIDI"),
        (f'<tuplet num="0">{n("c4")}</tuplet>', "has a tuplet of 0"),
    ],
)
def test_what_is_not_read_is_named(text, reason):
    with pytest.raises(SfpipeError, match=reason):
        read(text)


def test_several_movements_are_refused():
    two = HEAD + TAIL.replace("</body>", "<mdiv><score/></mdiv></body>")
    with pytest.raises(SfpipeError, match=r"a\.mei: has 2 movements .*a file of its own"):
        read_document("a.mei", two.encode())
