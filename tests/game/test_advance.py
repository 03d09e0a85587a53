"""An action that lasts some frames: on pieces whose target moves by 1 or 2 px a frame."""

import pytest
import torch

from sfpipe.game import dynamics
from sfpipe.game.batched import BatchedGame
from tests.toy import SMALL, ramp_bank

SLOW, FAST = 0, 1  # pieces of 1 and of 2 px/frame
THRESHOLD_PX = SMALL.threshold_px  # 10


def advance(accelerations, frames):
    """Both pieces from their first states."""
    bank = ramp_bank(2)
    state = dynamics.start(bank, torch.tensor([SLOW, FAST]))
    change = torch.tensor(accelerations, dtype=torch.float64)
    after, outcome = dynamics.advance(bank, state, change, THRESHOLD_PX, frames)
    return state, after, outcome


def test_the_speed_changes_once_and_the_reward_is_the_mean():
    before, after, outcome = advance([1.0, 1.0], 3)
    assert (after.frame - before.frame).tolist() == [3, 3]
    assert (after.frame - after.previous_frame).tolist() == [1, 1]
    assert (after.position - before.position).tolist() == [3, 3]
    assert after.speed.tolist() == [1, 1]
    assert outcome.error.tolist() == [0, -3]
    # The faster target is 1, 2 and 3 px ahead.
    expected = torch.tensor([1.0, (9 + 8 + 7) / 3 / 10])
    torch.testing.assert_close(outcome.reward, expected)
    assert not outcome.terminated.any()


def test_a_game_that_is_over_stays_in_its_last_state():
    before, after, outcome = advance([1.0, 0.0], 10)
    # The faster target is 2, 4, .. 10 px ahead, and then 12.
    assert outcome.lost.tolist() == [False, True]
    assert (after.frame - before.frame).tolist() == [10, 6]
    assert outcome.error.tolist() == [0, -12]
    expected = torch.tensor([1.0, (8 + 6 + 4 + 2 + 0) / 10 / 10])
    torch.testing.assert_close(outcome.reward, expected)


@pytest.mark.parametrize("acceleration", [-1.0, 0.0, 1.0])
def test_one_frame_is_a_step(acceleration):
    bank = ramp_bank(2)
    state = dynamics.start(bank, torch.tensor([SLOW, FAST]))
    change = torch.full((2,), acceleration, dtype=torch.float64)
    one = dynamics.advance(bank, state, change, THRESHOLD_PX, 1)
    step = dynamics.step(bank, state, change, THRESHOLD_PX)
    for ours, theirs in zip(one, step, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_games_that_are_over_begin_anew_after_the_last_frame():
    game = BatchedGame(ramp_bank(2), SMALL, 2, seed=0)
    fast = int((game.state.performance == FAST).nonzero())
    outcome = game.step(torch.ones(2) * (1 - torch.eye(2)[fast]), frames=10)
    assert outcome.lost.nonzero().flatten().tolist() == [fast]
    assert game.ended is not None
    assert game.ended.performance.tolist() == [FAST]
    begun = dynamics.start(game.bank, game.state.performance)
    assert game.state.frame[fast] == begun.frame[fast]
    assert game.state.position[fast] == begun.position[fast]
