"""Followers judged one by one against the same players in the batched game."""

import numpy as np
import pytest
import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.errors import SfpipeError
from sfpipe.evaluation.coverage import cover
from sfpipe.following.agent import AgentFollower
from sfpipe.game.follower import follow
from sfpipe.game.play import play_games
from sfpipe.store.bank import Bank
from tests.agents.test_cached_policy import actor_for
from tests.toy import NOTTINGHAM, performance_record, score_record


class Clock:
    """Knows the target and counts frames; notes what it hears."""

    def __init__(self, lead, speed=2.0):
        self.lead_frames, self.speed = lead, speed

    def reset(self, score):
        self.x, self.heard = float(score.onset_x_px[0]), []

    def prime(self, frame):
        self.heard.append(frame)

    def step(self, frame):
        self.prime(frame)
        self.x += self.speed
        return self.x


def steady():
    """2 px a frame from frame 4 (0.2 s) on."""
    score = score_record("a", [20, 60, 140], width=300)
    return score, performance_record("a", [0.2, 1.2, 3.2], frames=70)


@pytest.mark.parametrize("lead", [0, 1, 2])
def test_positions_are_compared_with_the_frame_they_are_for(lead):
    score, performance = steady()
    clock = Clock(lead)
    game = follow(clock, score, performance, NOTTINGHAM, trial=3)
    assert not game.lost and game.trial == 3 and game.start_frame == 4
    np.testing.assert_allclose(game.error_px, 0, atol=1e-5)
    assert game.reward_sum == pytest.approx(len(game.error_px)) and len(game.error_px) == 60
    # Frame 64 is the last onset's: a follower with a lead never hears it.
    np.testing.assert_array_equal(clock.heard[-1], performance.spectrogram[:, 64 - lead])
    np.testing.assert_array_equal(clock.heard[0], performance.spectrogram[:, 0])


class Bare:
    """All that a follower needs: 2 px a frame from the first frame that it is given."""

    def reset(self, score):
        self.x, self.heard = float(score.onset_x_px[0]), []

    def step(self, frame):
        self.heard.append(frame)
        self.x += 2
        return self.x


def test_reset_and_step_are_enough():
    score, performance = steady()
    bare = Bare()
    game = follow(bare, score, performance, NOTTINGHAM)
    assert not game.lost and len(game.error_px) == 60
    np.testing.assert_allclose(game.error_px, 0, atol=1e-5)
    # It says where the newest frame is, and was told nothing before the music.
    np.testing.assert_array_equal(bare.heard[0], performance.spectrogram[:, 5])
    np.testing.assert_array_equal(bare.heard[-1], performance.spectrogram[:, 64])
    assert cover(bare, score, performance, 50.0).reached_end


def test_lost_when_beyond_the_threshold():
    score, performance = steady()
    game = follow(Clock(0, speed=5.0), score, performance, NOTTINGHAM)
    assert game.lost and len(game.error_px) == 17 and game.error_px[-1] == pytest.approx(51)
    assert game.reward_sum == pytest.approx(sum((50 - 3 * n) / 50 for n in range(1, 17)))
    # It goes on to the last onset, 60 frames after the first.
    np.testing.assert_allclose(game.after_loss_px, 20 + 5 * np.arange(18, 61))


def test_an_agent_gets_the_game_it_plays_in_a_batch():
    score, performance = steady()
    actor = actor_for(NOTTINGHAM)
    bank = Bank({"a": score}, [performance], NOTTINGHAM)
    batched = play_games(bank, AgentPlayer(actor, deterministic=True))[0]
    game = follow(AgentFollower(actor.network), score, performance, NOTTINGHAM)
    assert game.lost == batched.lost and len(game.error_px) == len(batched.error_px)
    np.testing.assert_allclose(game.error_px, batched.error_px, atol=1e-3)
    np.testing.assert_array_equal(game.onset_x_px, batched.onset_x_px)
    assert game.reward_sum == pytest.approx(batched.reward_sum, abs=1e-3)
    drawn = AgentFollower(actor.network, torch.Generator().manual_seed(1))
    assert len(follow(drawn, score, performance, NOTTINGHAM).error_px) > 0


def test_no_position_is_said_with_the_frame():
    score, performance = steady()
    with pytest.raises(SfpipeError, match="Clock returned nan as its position in frame 5 of a/p"):
        follow(Clock(0, speed=float("nan")), score, performance, NOTTINGHAM)
