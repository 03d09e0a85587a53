"""Tempi of what was read, whatever its rhythm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.omr.midi import FASTEST, SLOWEST, omr_midi, tempo_of
from sfpipe.omr.notes import OmrNote


def notes_at(onsets):
    return [OmrNote(t, 0.5, 60, 10 * i) for i, t in enumerate(onsets)]


@pytest.mark.parametrize(("step", "quarters"), [(0.5, 100), (1.0, 200), (0.25, 50)])
def test_the_usual_step_has_the_tempo_asked_for(step, quarters):
    notes = notes_at([0, step, 2 * step, 3 * step, 3 * step + 2])
    assert tempo_of(notes, 200) == quarters


def test_steps_too_short_to_be_written_do_not_count():
    # Of a bar whose notes were placed by the eye.
    assert tempo_of(notes_at([0, 0.01, 0.02, 0.03, 1.03, 2.03]), 120) == 120


def test_a_single_note_has_a_tempo():
    assert tempo_of(notes_at([0]), 140) == 140


@given(st.lists(st.floats(0, 64), min_size=1, max_size=12), st.floats(20, 2000))
def test_any_rhythm_can_be_written_as_midi(tmp_path_factory, onsets, steps):
    notes = notes_at(sorted(onsets))
    tempo = tempo_of(notes, steps)
    assert SLOWEST <= tempo <= FASTEST or tempo == steps
    omr_midi(notes, tempo).write(str(tmp_path_factory.mktemp("midi") / "read.mid"))
