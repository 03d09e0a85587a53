import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.engraving.midi import write_midi
from sfpipe.notation.playback import TICKS, Head, TempoMap, sounding_notes


def head(onset, end, pitch, tied=False):
    return Head(f"n{onset}", onset, onset, end, pitch, tied, False)


def test_a_repeated_note_is_struck_again(tmp_path):
    heads = [head(0, 480, 60), head(480, 960, 60), head(960, 1440, 60)]
    write_midi(tmp_path / "a.mid", heads, TempoMap(((0, 500_000),)))
    notes = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")).instruments[0].notes
    assert [(n.start, n.end, n.pitch) for n in notes] == [
        (0, 0.25, 60),
        (0.25, 0.5, 60),
        (0.5, 0.75, 60),
    ]


def test_tied_heads_lengthen_the_note_before():
    heads = [head(0, 480, 60), head(480, 960, 60, tied=True), head(960, 1440, 60, tied=True)]
    assert [(s.onset, s.end) for s in sounding_notes(heads)] == [(0, 1440)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3 * TICKS), st.integers(40, 90)), min_size=1, max_size=30),
    st.lists(st.integers(200_000, 1_500_000), min_size=1, max_size=4),
)
def test_the_file_sounds_when_the_heads_say(tmp_path_factory, steps, tempi):
    heads, tick = [], 0
    for step, pitch in steps:
        heads.append(head(tick, tick + step, pitch))
        tick += step
    tempo = TempoMap(tuple((i * TICKS, micros) for i, micros in enumerate(tempi)))
    path = tmp_path_factory.mktemp("midi") / "a.mid"
    write_midi(path, heads, tempo)
    notes = pretty_midi.PrettyMIDI(str(path)).instruments[0].notes
    got = sorted(notes, key=lambda n: n.start)
    assert [n.pitch for n in got] == [h.midi_pitch for h in heads]
    wanted = [tempo.seconds(h.onset) for h in heads]
    assert [float(n.start) for n in got] == pytest.approx(wanted, abs=1e-6)
