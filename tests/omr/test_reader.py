"""Known tunes, engraved now, come back as notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.engraving.stage import engrave
from sfpipe.errors import SfpipeError
from sfpipe.omr import signs
from sfpipe.omr.accuracy import Truth, accuracy
from sfpipe.omr.matching import GlyphMatch
from sfpipe.omr.midi import omr_midi, omr_score_map, tempo_of
from sfpipe.omr.overlay import PITCH, RIGHT, WRONG, draw_reading
from sfpipe.omr.pitch import CLEF_STEPS, SEMITONES, alterations, clef_of, midi_pitch
from sfpipe.omr.reader import read_strip
from sfpipe.omr.staves import find_staves
from sfpipe.omr.truth import strip_truth
from sfpipe.params import EngraveParams
from sfpipe.score.stage import unroll_piece
from tests.tunes import PLAIN, WALTZ, write_raw

# Dots, sixteenths, an accidental that holds for its bar, rests, a triplet, ledger lines.
VARIED = """X:4
T:Varied
M:4/4
L:1/8
K:D
D3E F2G2|A/B/c/d/ e2 ^G2G2|z2 A2 z A3|(3ABA F2 d4|B,2A,2 b2a2|=c2d2 c4|D8|]
"""
SPACE = 3.5


@pytest.fixture(scope="module")
def engraved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("omr")
    tunes = {"plain": PLAIN, "waltz": WALTZ, "varied": VARIED}
    raw = write_raw(folder / "raw", tunes)
    engrave(EngraveParams(), raw, folder / "engraved", jobs=1)
    return folder / "engraved"


def strip_and_truth(folder):
    return unroll_piece(folder, None)[0].image, strip_truth(folder)


@pytest.mark.parametrize(("name", "length"), [("plain", 1), ("waltz", 1), ("varied", 0.95)])
def test_a_melody_is_read(engraved, name, length):
    # One step of the varied tune is read with another length.
    strip, truth = strip_and_truth(engraved / name)
    notes = read_strip(strip)
    shares = accuracy(notes, truth, SPACE).shares()
    assert shares.pop("length") >= length
    assert shares == {"recall": 1, "precision": 1, "pitch": 1, "order": 1}
    for note, x in zip(notes, truth.x_px, strict=True):
        assert note.x_px == pytest.approx(x, abs=0.6)


def test_as_midi_and_as_a_map(engraved):
    notes = read_strip(strip_and_truth(engraved / "waltz")[0])
    tempo = tempo_of(notes, 140)
    assert tempo == 140
    midi = omr_midi(notes, tempo)
    starts = sorted(n.start for n in midi.instruments[0].notes)
    quarters, x = omr_score_map(notes)
    np.testing.assert_allclose(starts, quarters * 60 / 140, atol=1e-6)
    assert (np.diff(x) > 0).all()


def test_mistakes_are_counted_and_drawn(engraved):
    strip, truth = strip_and_truth(engraved / "plain")
    notes = read_strip(strip)
    wrong = Truth(truth.x_px, truth.y_px, truth.onset, truth.midi_pitch.copy())
    wrong.midi_pitch[0] += 1
    found = accuracy(notes[:-1], wrong, SPACE)
    assert found.matched == found.heads - 1 and found.right_pitch == found.heads - 2
    picture = draw_reading(strip, notes[:-1], wrong, SPACE)
    for colour in (RIGHT, PITCH, WRONG):
        assert (picture == colour).all(axis=2).any()


def test_staff_space_and_lines(engraved):
    strip, _ = strip_and_truth(engraved / "plain")
    (staves,) = find_staves(strip)
    assert staves.space == pytest.approx(SPACE, abs=0.03)
    assert staves.tops == pytest.approx([20 - 2 * SPACE], abs=0.5)


def test_paper_without_staves():
    with pytest.raises(SfpipeError, match="no staff lines"):
        read_strip(np.full((40, 300), 255, np.uint8))


@given(st.integers(7, 55), st.integers(-2, 2))
def test_an_octave_is_seven_steps_and_twelve_semitones(step, alter):
    assert midi_pitch(step + 7, alter) == midi_pitch(step, alter) + 12
    assert midi_pitch(step, alter) == midi_pitch(step, 0) + alter
    assert midi_pitch(step + 1, 0) - midi_pitch(step, 0) in (1, 2)


@given(st.sampled_from([("g", 2), ("f", 6), ("c", 4)]), st.integers(-11, 19), st.integers(-3, 3))
def test_a_staff_position_is_a_pitch_and_back(clef, position, sharps):
    kind, line = clef
    found = clef_of(GlyphMatch(f"clef_{kind}", 10.0, line, 1.0, 16.0))
    head = GlyphMatch("head_black", 50.0, position, 1.0, 10.0)
    (pitch,) = alterations([head], {}, [], [(-1e9, {})], [found])
    letter, octave = SEMITONES.index(pitch % 12), pitch // 12 - 1
    assert 7 * octave + letter - CLEF_STEPS[kind] + line == position
    key = {letter: (sharps > 0) - (sharps < 0)}
    assert alterations([head], {}, [], [(-1e9, key)], [found]) == [pitch + key[letter]]
    assert alterations([head], {0: "natural"}, [], [(-1e9, key)], [found]) == [pitch]


@pytest.mark.parametrize(("meter", "quarters"), [("12/16", 3), ("9/16", 2.25), ("12/8", 6)])
def test_meters_of_two_digits(tmp_path, monkeypatch, meter, quarters):
    bar = "DEF GAB ABc def"[: 15 if meter != "9/16" else 11]
    tune = f"X:1\nT:t\nM:{meter}\nL:1/{meter.split('/')[1]}\nK:D\n{bar}|{bar}|{bar}|\n"
    engrave(EngraveParams(), write_raw(tmp_path / "raw", {"t": tune}), tmp_path / "e", jobs=1)
    found, find_meters = [], signs.find_meters
    monkeypatch.setattr(signs, "find_meters", lambda *a: found.append(find_meters(*a)) or found[-1])
    read_strip(strip_and_truth(tmp_path / "e" / "t")[0])
    assert [length for _, length in found[0]] == [quarters]
