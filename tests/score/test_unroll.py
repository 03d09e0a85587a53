import numpy as np
import pytest

from sfpipe.engraving.files import NoteHeads, System
from sfpipe.errors import SfpipeError
from sfpipe.score.unroll import unroll


def heads(rows) -> NoteHeads:
    """From (system, x, y, pitch, onset_s, tied)."""
    system, x, y, pitch, onset, tied = (np.array(c) for c in zip(*rows, strict=True))
    return NoteHeads(
        system=system,
        x_px=x.astype(float),
        y_px=y.astype(float),
        staff=np.ones(len(rows), int),
        midi_pitch=pitch,
        onset_s=onset.astype(float),
        onset_quarter=onset * 2.0,
        tied=tied.astype(bool),
        grace=np.zeros(len(rows), bool),
    )


SYSTEMS = [System(1, "a.png", 0, 30, 50, 18, 32), System(2, "b.png", 30, 20, 24, 3, 17)]


def images():
    first, second = np.full((50, 30), 255, np.uint8), np.full((24, 20), 200, np.uint8)
    first[25] = 10  # the middle line of the first staff
    second[10] = 20
    return [first, second]


def test_systems_stand_side_by_side_with_their_staves_in_the_middle():
    found = heads([(1, 5, 25, 60, 0.0, 0), (2, 4, 10, 60, 1.0, 0)])
    strip = unroll(SYSTEMS, images(), found, 40)
    assert strip.image.shape == (40, 50) and strip.image.dtype == np.uint8
    assert (strip.image[20, :30] == 10).all() and (strip.image[20, 30:] == 20).all()
    assert (strip.image[:10, 30:] == 255).all()  # paper where the second image has no rows
    assert (strip.image[34:, 30:] == 255).all()
    assert strip.onset_x_px.tolist() == [5, 34] and strip.onset_y_px.tolist() == [20, 20]
    assert strip.onset_s.tolist() == [0, 1] and strip.onset_quarter.tolist() == [0, 2]


def test_an_onset_is_the_median_of_its_struck_heads_and_ties_are_none():
    found = heads(
        [
            (1, 5, 24, 60, 0.0, 0),
            (1, 9, 22, 62, 0.0, 0),
            (1, 6, 20, 67, 0.0, 0),
            (1, 15, 24, 60, 1.0, 1),
            (1, 20, 24, 65, 2.0, 0),
        ]
    )
    strip = unroll(SYSTEMS[:1], images()[:1], found, 40)
    assert strip.onset_x_px.tolist() == [6, 20]
    assert strip.onset_y_px.tolist() == [17, 19]
    assert strip.heads.onset.tolist() == [0, 0, 0, 1]
    assert strip.heads.y_px.tolist() == [19, 17, 15, 19]
    assert strip.heads.pitch.tolist() == [60, 62, 67, 65]


def test_a_head_outside_the_strip_and_a_piece_without_onsets():
    high = heads([(1, 5, 2, 99, 0.0, 0), (1, 9, 25, 60, 1.0, 0)])
    with pytest.raises(SfpipeError, match="1 onsets lie above or below the strip of 40 px"):
        unroll(SYSTEMS, images(), high, 40)
    with pytest.raises(SfpipeError, match="no onsets"):
        unroll(SYSTEMS, images(), heads([(1, 5, 25, 60, 0.0, 1)]), 40)


def test_with_a_window_systems_move_so_that_heads_are_not_cut():
    # Of 50 rows the window shows 24: heads at the staff's middle (25) and 13 px above it.
    found = heads([(1, 5, 25, 60, 0.0, 0), (1, 9, 12, 80, 1.0, 0)])
    still = unroll(SYSTEMS[:1], images()[:1], found, 40)
    moved = unroll(SYSTEMS[:1], images()[:1], found, 40, window=(24, 3.5))
    assert still.onset_y_px.tolist() == [20, 7]
    up = moved.onset_y_px[0] - 20
    assert up == pytest.approx(13 - (12 - 0.6 * 3.5), abs=0.5)
    assert (moved.image[20 + int(up), :30] == 10).all()


@pytest.mark.parametrize(("others", "fits"), [(98, True), (97, False)])
def test_with_a_window_one_onset_in_fifty_may_lie_outside_of_the_strip(others, fits):
    rows = [(1, 5 + n / 10, 25, 60, float(n), 0) for n in range(others)]
    high = [(1, 20, -40, 99, 200.0, 0), (1, 21, 90, 20, 201.0, 0)]
    found = heads(rows + high)
    if not fits:
        with pytest.raises(SfpipeError, match="2 onsets lie above or below the strip of 40 px"):
            unroll(SYSTEMS[:1], images()[:1], found, 40, window=(24, 3.5))
        return
    strip = unroll(SYSTEMS[:1], images()[:1], found, 40, window=(24, 3.5))
    assert strip.onset_x_px[-2:].tolist() == [20, 21] and strip.onset_y_px[-2:].tolist() == [0, 39]
    with pytest.raises(SfpipeError, match="2 onsets"):
        unroll(SYSTEMS[:1], images()[:1], found, 40)


def test_with_a_window_an_onset_needs_only_one_head_inside():
    found = heads([(1, 5, 25, 60, 0.0, 0), (1, 5, -40, 99, 0.0, 0), (1, 9, 25, 61, 1.0, 0)])
    with pytest.raises(SfpipeError, match="1 onsets lie above or below"):
        unroll(SYSTEMS[:1], images()[:1], found, 40)
    strip = unroll(SYSTEMS[:1], images()[:1], found, 40, window=(24, 3.5))
    assert strip.onset_x_px.tolist() == [5, 9] and strip.onset_y_px[0] == 0
