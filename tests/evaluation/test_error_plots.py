"""Tracking error over time, drawn."""

from dataclasses import replace

import numpy as np

from sfpipe.evaluation.plots import draw_real
from sfpipe.game.play import play_games
from sfpipe.game.players import Planner
from tests.toy import ramp_bank


def test_a_follower_that_jumps_away_is_crossed_out_on_the_edge():
    """Not beyond it, where the cross would stand in the title of the axis."""
    bank = ramp_bank()
    kept = play_games(bank, Planner(bank), performances=[0])[0]
    jump = np.array([0.0, 1.0, -9000.0], np.float32)
    lost = replace(kept, error_px=jump, position_px=jump, lost=True)
    figure = draw_real({"planner": kept, "other": lost}, "a piece")
    whole, crossed = (axis.get_lines() for axis in figure.axes)
    assert [line.get_marker() for line in whole] == ["None"]
    cross = next(line for line in crossed if line.get_marker() == "x")
    assert cross.get_ydata()[0] == -lost.threshold_px
