import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpipe.datasets.split import PROPORTIONS, SPLITS, apportion, split_tunes, take


def test_the_papers_proportions():
    assert apportion(296, dict.fromkeys(SPLITS, 999)) == PROPORTIONS
    assert apportion(6, dict.fromkeys(SPLITS, 999)) == {"train": 4, "valid": 1, "test": 1}


@settings(max_examples=50, deadline=None)
@given(st.integers(3, 400), st.tuples(*[st.integers(1, 200)] * 3))
def test_a_larger_total_never_takes_a_seat_away(total, available):
    room = dict(zip(SPLITS, available, strict=True))
    before, after = apportion(total, room), apportion(total + 1, room)
    assert all(after[s] >= before[s] >= 1 for s in SPLITS)
    assert sum(before.values()) == min(total, sum(available))


def grouped(sizes):
    groups, n = [], 0
    for size in sizes:
        groups.append(list(range(n, n + size)))
        n += size
    return [f"t{i}" for i in range(n)], groups


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=6, max_size=80), st.integers(0, 9999))
def test_groups_stay_together_and_no_split_is_empty(sizes, seed):
    ids, groups = grouped(sizes)
    splits = split_tunes(ids, groups, seed)
    assert set(splits) == set(ids) and set(splits.values()) == set(SPLITS)
    for group in groups:
        assert len({splits[ids[i]] for i in group}) == 1


def test_proportions_of_a_whole_data_set():
    ids, groups = grouped([1] * 950 + [3] * 15)
    splits = split_tunes(ids, groups, 4711)
    for split in SPLITS:
        share = sum(s == split for s in splits.values()) / len(ids)
        assert share == pytest.approx(PROPORTIONS[split] / 296, abs=0.005)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 100), st.integers(1, 60), st.integers(0, 99))
def test_a_larger_max_pieces_only_adds_tunes(small, more, seed):
    ids, groups = grouped([1] * 120)
    splits = split_tunes(ids, groups, seed)
    few, many = take(splits, small, seed), take(splits, small + more, seed)
    assert len(few) == small and set(few) <= set(many)
    assert {splits[i] for i in few} == set(SPLITS)


def test_the_seed_decides_and_the_order_of_listing_does_not():
    ids, groups = grouped([1] * 60)
    splits = split_tunes(ids, groups, 1)
    assert split_tunes(ids[::-1], groups, 1) == splits
    assert split_tunes(ids, groups, 2) != splits
    assert take(splits, None, 1) == sorted(ids)


@pytest.mark.parametrize("n", range(3, 9))
def test_no_split_is_empty_however_few_tunes_there_are(n):
    ids = [f"t{i}" for i in range(n)]
    for seed in range(5):
        splits = split_tunes(ids, [[i] for i in range(n)], seed)
        assert set(splits.values()) == {"train", "valid", "test"}
