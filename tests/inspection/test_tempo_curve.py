"""Optimal tempo and actions against what follows on paper, and the players' own."""

import csv

import cv2
import numpy as np
import pytest

from sfpipe.game.play import play_games
from sfpipe.game.players import Expert
from sfpipe.inspection.tempo_curve import curve, curve_of_game, curve_of_target, smooth, tempo


def test_a_curve_from_positions():
    c = curve(np.array([10.0, 10.0, 12.0, 15.0, 15.0]))
    assert c.tempo.tolist() == [0, 2, 3, 0]
    assert c.action.tolist() == [0, 2, 1, -3]


def test_the_optimal_curve_is_constant_between_onsets(trained):
    game = play_games(trained.bank, Expert(trained.bank))[0]
    c = curve_of_target(game)
    # Onsets at frames 4, 20, 40 and 20, 61, 110 px.
    assert c.tempo == pytest.approx([41 / 16] * 16 + [49 / 20] * 20)
    expected = np.zeros(36)
    expected[0], expected[16] = 41 / 16, 49 / 20 - 41 / 16
    assert c.action == pytest.approx(expected)
    assert c.position_px[-1] == pytest.approx(110)
    # Taking the optimal actions from the start arrives at every target.
    assert 20 + c.action.cumsum().cumsum() == pytest.approx(c.position_px[1:])


def test_the_planner_takes_whole_steps_and_stays_near(trained):
    game = play_games(trained.bank, Expert(trained.bank))[0]
    c = curve_of_game(game)
    assert set(c.action) <= {-1.0, 0.0, 1.0}
    assert np.abs(c.position_px - curve_of_target(game).position_px).max() < 5


def test_table_and_picture(trained, tmp_path):
    table, picture = tempo(trained, tmp_path, performance=1, seconds=1.5)
    rows = list(csv.DictReader(table.open()))
    assert [int(row["frame"]) for row in rows] == list(range(1, 41))
    assert float(rows[0]["target_tempo"]) == pytest.approx(47 / 20)
    assert float(rows[-1]["target_px"]) == pytest.approx(100)
    acted = [float(row["agent_action"]) for row in rows if row["agent_action"]]
    assert set(acted) <= {-1.0, 0.0, 1.0} and len(acted) >= 1
    assert cv2.imread(str(picture)).std() > 5


def test_smoothing_keeps_a_constant_and_halves_an_alternation():
    assert smooth(np.full(30, 2.0)) == pytest.approx(np.full(30, 2.0))
    assert smooth(np.arange(40) % 2)[10:30] == pytest.approx(np.full(20, 0.5), abs=0.05)
    assert len(smooth(np.ones(3))) == 3
