"""Online DTW against exact DTW on small cases; causal, bounded, and its forward path."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.baselines.online_dtw import OnlineDtw
from sfpipe.errors import SfpipeError


def exact(heard, reference):
    """Accumulated costs of all cells: the textbook recursion, a diagonal step counted twice."""
    distance = np.linalg.norm(heard[:, None] - reference[None], axis=2)
    cost = np.full(distance.shape, np.inf)
    cost[0, 0] = 2 * distance[0, 0]
    for i in range(len(heard)):
        for j in range(len(reference)):
            d = distance[i, j]
            if i:
                cost[i, j] = min(cost[i, j], cost[i - 1, j] + d)
            if j:
                cost[i, j] = min(cost[i, j], cost[i, j - 1] + d)
            if i and j:
                cost[i, j] = min(cost[i, j], cost[i - 1, j - 1] + 2 * d)
    return cost


def by_the_rule(heard, reference, max_run=3):
    """Positions by Dixon's rule, when the costs of all paths are known beforehand."""
    steps = np.add.outer(np.arange(len(heard)), np.arange(len(reference))) + 2
    cost = exact(heard, reference) / steps
    column, extend, last, run, positions = -1, "both", "both", 0, []
    for row in range(len(heard)):
        if column < 0 or (extend == "both" and column + 1 < len(reference)):
            column += 1
        while True:
            along, up = cost[row, : column + 1], cost[: row + 1, column]
            at_row, at_column = row, int(along.argmin())
            if up.min() < along.min():
                at_row, at_column = int(up.argmin()), column
            extend = "row" if at_column < column else "column" if at_row < row else "both"
            if run >= max_run and last != "both":
                extend = "column" if last == "row" else "row"
            run, last = run + 1 if extend == last else 1, extend
            if extend != "column" or column + 1 == len(reference):
                break
            column += 1
        positions.append(at_column)
    return positions


def curve(n, seed=0, d=4):
    """A sequence in which no two frames are alike."""
    return np.cumsum(np.random.default_rng(seed).normal(size=(n, d)), axis=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_the_paths_of_exact_dtw_decide_while_all_is_kept(n_heard, n_reference, seed):
    heard, reference = curve(n_heard, seed), curve(n_reference, seed + 1)
    dtw = OnlineDtw(reference, width=12)
    assert [dtw.step(frame) for frame in heard] == by_the_rule(heard, reference)


def test_position_is_where_the_cheapest_path_to_the_newest_row_ends():
    """Of paths of different lengths, that with the least cost per step."""
    heard, reference = curve(30), np.repeat(curve(30), 2, axis=0)
    dtw, costs = OnlineDtw(reference, width=60), exact(heard, reference)
    for i, frame in enumerate(heard):
        at = dtw.step(frame)
        row = costs[i] / (i + np.arange(len(reference)) + 2)
        # Equal frames of the reference come in pairs, both free.
        assert row[at] == pytest.approx(row.min(), abs=1e-9)


@pytest.mark.parametrize(("factor", "lag"), [(0.5, 1), (0.8, 2), (1.0, 0), (1.25, 3), (2.0, 4)])
def test_follows_at_other_tempi(factor, lag):
    reference = curve(400)
    times = np.arange(0, 399, factor)
    low = times.astype(int)
    share = (times - low)[:, None]
    heard = reference[low] * (1 - share) + reference[low + 1] * share
    dtw = OnlineDtw(reference, width=100)
    at = np.array([dtw.step(frame) for frame in heard])
    assert np.abs(at - times)[5:-5].max() <= lag


def test_the_same_sequence_is_followed_exactly():
    reference = curve(700)
    dtw = OnlineDtw(reference, width=50)
    assert [dtw.step(frame) for frame in reference] == list(range(700))


def test_waits_while_the_last_frame_goes_on_and_goes_on_with_it():
    reference = curve(200)
    dtw = OnlineDtw(reference, width=100)
    for frame in reference[:80]:
        dtw.step(frame)
    assert [dtw.step(reference[79]) for _ in range(40)] == [79] * 40
    after = [dtw.step(frame) for frame in reference[80:150]]
    assert abs(after[-1] - 149) <= 1


def test_silence_at_the_corner_moves_on():
    """Frames that are all alike cost nothing anywhere: the newest of both is meant."""
    dtw = OnlineDtw(np.zeros((30, 3)), width=20)
    assert [dtw.step(np.zeros(3)) for _ in range(25)] == list(range(25))


def test_stays_at_the_end_of_the_reference():
    reference = curve(20)
    dtw = OnlineDtw(reference, width=10)
    at = [dtw.step(frame) for frame in np.concatenate([reference, curve(50, 5)])]
    assert max(at) == 19 and len(at) == 70
    assert dtw.position == at[-1]


def test_causal():
    """What comes later changes nothing that was said before."""
    reference, heard = curve(120), curve(120, 3)
    one, two = OnlineDtw(reference, width=40), OnlineDtw(reference, width=40)
    first = [one.step(frame) for frame in heard]
    assert [two.step(frame) for frame in np.concatenate([heard[:60], 9 + heard[60:]])][:60] == (
        first[:60]
    )


def test_memory_is_bounded_and_time_linear():
    """Twenty times the music, the same memory, and no more time per frame."""
    dtw = OnlineDtw(curve(20_000), width=64)

    def kept():
        return sum(v.nbytes for v in vars(dtw).values() if isinstance(v, np.ndarray))

    frames, before = curve(20_000), kept()
    dtw.step(frames[0])
    took = []
    for start in (1, 19_000):
        for frame in frames[len(took) and 1000 : start]:
            dtw.step(frame)
        began = time.process_time()
        for frame in frames[start : start + 999]:
            dtw.step(frame)
        took.append(time.process_time() - began)
    assert dtw.position == 19_998
    assert kept() == before
    assert took[1] < 5 * took[0] + 0.05


def test_no_sequence_is_refused():
    for wrong in (np.zeros((0, 3)), np.zeros(3)):
        with pytest.raises(SfpipeError, match="expected a sequence of features"):
            OnlineDtw(wrong)


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_tells_frames_apart_the_steady_path_is_cheapest(seed):
    rng = np.random.default_rng(seed)
    reference, heard = (1 + 0.3 * rng.standard_normal((n, 12)) for n in (300, 200))
    free, steady = OnlineDtw(reference), OnlineDtw(reference, stay=0.8)
    astray = [
        max(abs(dtw.step(frame) - i) for i, frame in enumerate(heard)) for dtw in (free, steady)
    ]
    assert astray[1] < 35 < astray[0]


def test_a_steady_path_still_follows_a_performance_half_as_fast():
    reference = curve(100, d=12)
    heard = np.repeat(reference, 2, axis=0)
    dtw = OnlineDtw(reference, stay=0.8)
    assert [dtw.step(frame) for frame in heard][-1] >= 98
