from fractions import Fraction
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfpipe.engraving.mei import write_mei
from sfpipe.engraving.written import printable, write_out
from sfpipe.errors import SfpipeError
from sfpipe.notation.abc import read_abc
from sfpipe.notation.midi_melody import read_midi
from sfpipe.notation.playback import heads, sounding_notes, tempo_map, unfold
from sfpipe.notation.score import Key
from tests.notation.midi import midi_bytes

MEI = "{http://www.music-encoding.org/ns/mei}"


def mei(body: str, head: str = "X:1\nM:4/4\nL:1/4\nK:C\n") -> ElementTree.Element:
    return ElementTree.fromstring(write_mei(write_out(unfold(read_abc(f"{head}{body}\n")))))


def drawn(root: ElementTree.Element, tag: str) -> list[dict[str, str]]:
    return [element.attrib for element in root.iter(MEI + tag)]


@pytest.mark.parametrize(
    ("quarters", "values"),
    [
        ("1", "1"),
        ("3/2", "3/2"),
        ("7/4", "7/4"),
        ("5/2", "2 1/2"),
        ("5/8", "1/2 1/8"),
        ("9", "8 1"),
        ("1/64", "1/64"),
    ],
)
def test_lengths_become_values_that_exist(quarters, values):
    assert printable(Fraction(quarters)) == tuple(Fraction(v) for v in values.split())


def test_a_length_that_no_values_make_up_is_refused():
    with pytest.raises(SfpipeError, match="cannot be written"):
        printable(Fraction(1, 3))


def test_a_long_note_is_two_heads_and_one_sound():
    score = unfold(read_abc("X:1\nM:5/8\nL:1/8\nK:C\nC5|D5|]\n"))
    printed = heads(write_out(score), tempo_map(score, 100)[0])
    assert [(h.id, h.tied) for h in printed] == [
        ("n0-1", False),
        ("n0-1.1", True),
        ("n1-1", False),
        ("n1-1.1", True),
    ]
    assert [(s.onset, s.end) for s in sounding_notes(printed)] == [(0, 2400), (2400, 4800)]


def test_a_tune_without_bar_lines_gets_those_of_its_metre():
    root = mei("C D E F G2 A4")
    assert len(drawn(root, "measure")) == 3
    assert [t["endid"] for t in drawn(root, "tie")] == ["#n5-1_1"]


def test_beams_are_the_text_s_or_else_the_beat_s():
    head = "X:1\nM:4/4\nL:1/8\nK:C\n"
    beams = [len(list(b)) for b in mei("CD E FG A zB c|d2 e>f", head).iter(MEI + "beam")]
    assert beams == [2, 2, 2]
    score = write_out(unfold(read_midi(midi_bytes([(240 * i, 60 + i) for i in range(8)], 240))))
    root = ElementTree.fromstring(write_mei(score))
    assert [len(list(b)) for b in root.iter(MEI + "beam")] == [2, 2, 2, 2]


def test_tuplets_of_the_text_and_those_that_midi_lacks():
    root = mei("(3C/D/E/ (5C/D/E/F/G/ C")
    assert [(t["num"], t["numbase"]) for t in drawn(root, "tuplet")] == [("3", "2"), ("5", "2")]
    ticks = [0, 96, 192, 288, 384, 480, 640, 800, 960]  # with hardly a gap
    score = write_out(
        unfold(read_midi(midi_bytes([(t, 60 + i) for i, t in enumerate(ticks)], 130)))
    )
    root = ElementTree.fromstring(write_mei(score))
    assert [(t["num"], t["numbase"]) for t in drawn(root, "tuplet")] == [("5", "4"), ("3", "2")]


def accidentals(body: str, key: str = "C") -> list[str | None]:
    root = mei(body, f"X:1\nM:4/4\nL:1/4\nK:{key}\n")
    return [n.get("accid") for n in drawn(root, "note")]


def test_accidentals_are_printed_where_they_are_needed():
    assert accidentals("^F F =F F|F ^F-|F F") == ["s", None, "n", None, None, "s", None, None]
    assert accidentals("F =F F|F _B __B ^^c", "G") == [None, "n", None, None, "f", "ff", "x"]
    assert accidentals("^F f =f|f", "C") == ["s", "s", "n", None]  # octaves contradict
    assert accidentals("F c", "HP") == [None, None]


def test_signatures_are_printed_where_they_change():
    root = mei("|:C4|[K:D]D4|[M:3/4]E3:|")
    changes = list(root.iter(MEI + "scoreDef"))
    keys = [[k.get("sig") for k in c.iter(MEI + "keySig")] for c in changes]
    metres = [c.find(f"*/{MEI}staffDef").get("meter.count") for c in changes]
    # C 4/4, D, 3/4, and for the repeat both again
    assert keys == [["0"], ["2s"], [], ["0"], ["2s"], []]
    assert metres == ["4", None, "3", "4", None, "3"]


def test_a_signature_of_its_own():
    root = mei("D", "X:1\nM:4/4\nL:1/4\nK:D Phr ^f\n")
    signs = [(a["pname"], a["accid"]) for a in drawn(root, "keyAccid")]
    assert sorted(signs) == [("b", "f"), ("e", "f"), ("f", "s")]
    assert Key((0, 0, -1, 1, 0, 0, -1)).fifths is None


@settings(max_examples=40, deadline=None)
@example([("C", 3, False), ("C", 6, False)], "2/4")  # split at a bar, and again into two values
@given(
    st.lists(
        st.tuples(st.sampled_from("CDEFGABcdefgab"), st.integers(1, 12), st.booleans()),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(["2/4", "6/8", "3/4", "C|"]),
)
def test_what_is_drawn_takes_as_long_as_what_was_read(tokens, metre):
    """Every printed value is valid MEI, and heads without ties are the notes that were read."""
    body = "".join(f"{n}{k}" + ("|" if bar else " ") for n, k, bar in tokens)
    score = unfold(read_abc(f"X:1\nM:{metre}\nL:1/16\nK:D\n{body}\n"))
    out = write_out(score)
    assert sum(bar.length for bar in out.bars) == sum(bar.length for bar in score.bars)
    tempo, _ = tempo_map(score, 100)
    before = sounding_notes(heads(score, tempo))
    assert sounding_notes(heads(out, tempo)) == before
    root = ElementTree.fromstring(write_mei(out))
    ids = [n["{http://www.w3.org/XML/1998/namespace}id"] for n in drawn(root, "note")]
    assert len(set(ids)) == len(ids) == len(heads(out, tempo))
