"""Kinds of states, and whether neighbours are of one kind: on maps whose answer is known."""

import numpy as np
import pytest
import torch

from sfpipe.game import dynamics
from sfpipe.inspection.state_classes import NEIGHBOURS, clefs_of, cluster, kinds_of, predictability
from tests.toy import score_record
from tests.tunes import engrave_toy


def test_kinds_by_place(trained):
    """Piece a is 160 px wide, the window 150: in its middle the window sticks out on no side."""
    places = torch.tensor([20.0, 74.0, 75.0, 85.0, 86.0, 110.0], dtype=torch.float64)
    state = dynamics.start(trained.bank, torch.zeros(6, dtype=torch.int64))
    state = state._replace(position=places + 150)
    found = kinds_of(trained.bank, state, {"a": np.array([99.0])})
    assert found["piece start"].tolist() == [True, True, False, False, False, False]
    assert found["piece end"].tolist() == [False, False, False, False, True, True]
    assert found["clef in the middle"].tolist() == [False, False, True, True, True, True]
    assert set(kinds_of(trained.bank, state)) == {"piece start", "piece end"}


def test_clefs_are_at_the_systems_left_edges(tmp_path):
    _, engraved = engrave_toy(tmp_path)
    (engraved / "waltz/systems.csv").write_text(
        "system,file,x_px,width_px,height_px,staff_top_px,staff_bottom_px\n"
        "1,system-001.png,0,300,40,13,27\n2,system-002.png,300,250,40,13,27\n"
    )
    records = {name: score_record(name, [1, 2], width=9) for name in ("waltz", "plain", "absent")}
    places = clefs_of(records, engraved)
    assert places["waltz"].tolist() == [307.0]  # staff space 3.5 px
    assert places["plain"].tolist() == []
    assert set(places) == {"waltz", "plain"}
    assert clefs_of(records, tmp_path / "nothing") is None


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_clear_cluster_has_a_high_lift_and_a_random_kind_none(rng):
    n = 1000
    piece = np.arange(n) % 5
    mask = np.arange(n) < 100
    points = rng.normal(size=(n, 2)) + 20 * mask[:, None]
    clear = cluster(points, mask, piece, rng=rng)
    assert clear.states == 100
    assert clear.share == 0.1
    assert clear.among_neighbours == 1.0
    assert clear.lift == 10
    chance = cluster(points, rng.permutation(mask), piece, rng=rng)
    assert 0.5 < chance.lift < 1.6


def test_neighbours_of_the_own_piece_do_not_count(rng):
    """Each piece's marked states lie together, but far from those of other pieces."""
    n = 600
    piece = np.repeat(np.arange(3), 200)
    mask = np.tile(np.arange(200) < 20, 3)
    points = rng.normal(size=(n, 2))
    points[mask] += 100 + 50.0 * piece[mask][:, None]
    only_one = cluster(points, mask & (piece == 0), piece, rng=rng)
    assert only_one.among_neighbours == 0


def test_value_is_predictable_where_it_varies_smoothly(rng):
    points = rng.random((1500, 2))
    piece = rng.integers(0, 10, 1500)
    smooth = np.sin(3 * points[:, 0]) + points[:, 1]
    assert predictability(points, smooth, piece, rng=rng) > 0.98
    assert predictability(points, rng.permutation(smooth), piece, rng=rng) < 0.1


def test_fewer_points_than_neighbours(rng):
    points = rng.random((NEIGHBOURS - 5, 2))
    piece = np.arange(len(points)) % 2
    found = cluster(points, np.ones(len(points), bool), piece, rng=rng)
    assert found.among_neighbours == 1.0
    alone = cluster(points, np.ones(len(points), bool), np.zeros(len(points)), rng=rng)
    assert alone.as_dict() == {"states": 10, "share": 1.0, "among_neighbours": None, "lift": None}
    assert np.isnan(predictability(points, points[:, 0], np.zeros(len(points)), rng=rng))
