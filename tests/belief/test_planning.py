"""The move that a belief leads to."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sfpipe.belief.planning import HORIZON, best_move
from sfpipe.game import dynamics
from sfpipe.game.players import Expert
from tests.toy import ramp_bank

FAR = (-1e6, 1e6)


def test_where_the_future_is_known_it_costs_what_the_planner_s_move_costs():
    bank = ramp_bank(4)
    planner = Expert(bank, HORIZON)
    generator = torch.Generator().manual_seed(0)
    state = dynamics.scatter(bank, torch.arange(4).repeat(50), generator, 10.0)
    costs = planner.costs(state)
    for i in range(len(costs)):
        p = int(state.performance[i])
        frames = np.minimum(
            int(state.frame[i]) + np.arange(1, HORIZON + 1), int(bank.last_frame[p])
        )
        aims = bank.targets.numpy()[int(bank.frame_base[p]) + frames]
        move = best_move(float(state.position[i]), float(state.speed[i]), aims, *FAR)
        assert float(costs[i, move + 1]) == pytest.approx(float(costs[i].min()))


@given(st.integers(-8, 20), st.integers(-100, 100))
def test_standing_on_a_steady_aim_it_holds_its_speed(speed, position):
    aims = position + speed * np.arange(1.0, HORIZON + 1)
    assert best_move(float(position), float(speed), aims, *FAR) == 0


@given(st.integers(1, 100), st.integers(-5, 15))
def test_behind_it_is_faster_ahead_slower(distance, speed):
    steady = speed * np.arange(1.0, HORIZON + 1)
    assert best_move(0.0, float(speed), steady + 4 * distance, *FAR) == 1
    assert best_move(0.0, float(speed), steady - 4 * distance, *FAR) == -1
