"""Time warping with a tempo: cheapest paths, and steady ones at any speed."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.baselines.tempo_dtw import AWAY, CHANGE, PARTS, SPEEDS, TempoDtw
from sfpipe.errors import SfpipeError


def curve(n, seed=0):
    """A smooth walk in the plane that never comes back."""
    steps = np.random.default_rng(seed).normal((0.5, 0), 0.3, (n, 2))
    return steps.cumsum(0)


def played(reference, speed, n):
    """The sequence at another speed, linearly between its frames."""
    at = np.minimum(np.arange(n) * speed, len(reference) - 1)
    whole = np.arange(len(reference))
    return np.stack([np.interp(at, whole, column) for column in reference.T], axis=1), at


def test_the_sequence_itself_is_followed_frame_by_frame():
    reference = curve(300)
    dtw = TempoDtw(reference, width=100)
    assert [dtw.step(frame) for frame in reference] == list(range(300))
    assert dtw.misfit() == 0


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 3.0])
def test_other_speeds(speed):
    reference = curve(600)
    frames, at = played(reference, speed, min(int(500 / speed), 600))
    dtw = TempoDtw(reference, width=200)
    errors = np.abs(np.array([dtw.step(frame) for frame in frames]) - at)
    assert errors.max() < 3 and np.median(errors) <= 0.25


@pytest.mark.parametrize(("second", "cost"), [(0.0, 0.4), (2.0, 0.2), (1.0, 0.0)])
def test_by_hand(second, cost):
    # Places 0, 1, 2. A standstill costs two octaves' worth, 0.2, in each of the two frames, twice
    # the tempo 0.1; at the score's own tempo the second frame would be 1 away.
    dtw = TempoDtw(np.array([[0.0], [1.0], [2.0]]), width=10)
    assert dtw.step(np.array([0.0])) == 0
    assert dtw.step(np.array([second])) == second
    assert dtw.misfit() == pytest.approx(cost / 2)


def all_paths(frames, reference):
    """Cost of the cheapest path, by trying every sequence of speeds."""
    octaves = np.abs(np.log2(np.maximum(SPEEDS, 0.5) / PARTS))
    hold = AWAY * np.minimum(octaves, 2.0)

    def distance(frame, place):
        # Distances lie linearly between those of two frames, as the alignment takes them.
        low = place // PARTS
        part = place / PARTS - low
        near, far = (abs(frame - reference[min(low + k, len(reference) - 1)]) for k in (0, 1))
        return near + (far - near) * part

    costs = {(0, v): distance(frames[0], 0) + hold[v] for v in range(len(SPEEDS))}
    for frame in frames[1:]:
        new = {}
        for (place, w), cost in costs.items():
            for v in (w - 1, w, w + 1):
                if 0 <= v < len(SPEEDS):
                    there = place + int(SPEEDS[v])
                    if there <= (len(reference) - 1) * PARTS:
                        value = cost + CHANGE * (v != w) + hold[v] + distance(frame, there)
                        new[there, v] = min(new.get((there, v), np.inf), value)
        costs = new
    return min(costs.values())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0, 3), min_size=2, max_size=8),
    st.lists(st.floats(0, 3), min_size=1, max_size=6),
)
def test_cheapest_of_all_paths(reference, frames):
    dtw = TempoDtw(np.array(reference)[:, None], width=100)
    for frame in frames:
        dtw.step(np.array([frame]))
    assert dtw.misfit() * len(frames) == pytest.approx(all_paths(frames, np.array(reference)))


def test_a_stop_and_a_change_of_tempo():
    reference = curve(400)
    slow, at_slow = played(reference, 1.0, 100)
    stop = np.tile(slow[-1], (30, 1))
    rest, at_rest = played(reference[99:], 2.0, 140)
    dtw = TempoDtw(reference, width=200)
    positions = np.array([dtw.step(frame) for frame in (*slow, *stop, *rest)])
    expected = np.concatenate([at_slow, np.full(30, 99.0), 99 + at_rest])
    assert np.abs(positions - expected).max() < 4
    assert (np.diff(positions) >= 0).all()


def test_alike_frames_do_not_let_it_run():
    """Held notes: all frames equal, so that only the tempo tells where the music is."""
    reference = np.repeat(curve(10) * 10, 40, axis=0)
    rng = np.random.default_rng(1)
    frames = reference + rng.normal(0, 0.5, reference.shape)
    dtw = TempoDtw(reference, width=200)
    errors = np.abs(np.array([dtw.step(frame) for frame in frames]) - np.arange(400))
    assert errors.max() <= 2


def test_it_costs_the_same_however_long_the_music():
    dtw = TempoDtw(np.random.default_rng(0).random((20_000, 24)), width=200)
    frames = np.random.default_rng(1).random((400, 24))
    dtw.step(frames[0])
    began = time.process_time()
    for frame in frames:
        dtw.step(frame)
    assert time.process_time() - began < 400 / 20 / 10  # ten times faster than the music


@pytest.mark.parametrize("wrong", [np.zeros((0, 3)), np.zeros(3)])
def test_no_sequence(wrong):
    with pytest.raises(SfpipeError, match="expected a sequence of features"):
        TempoDtw(wrong)
    assert TempoDtw(np.zeros((3, 2))).misfit() == float("inf")
