"""Following frame by frame against playing the same game in a batch."""

import copy

import numpy as np
import pytest
import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.agents.streaming_conv import StreamingBranch
from sfpipe.errors import SfpipeError
from sfpipe.following.agent import AgentFollower
from sfpipe.game.play import play_games
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from tests.agents.test_cached_policy import actor_for
from tests.toy import performance_record, score_record


def recordings(window):
    score = score_record("a", [20, 301, 590], width=611, height=window.height)
    return score, performance_record("a", [0.2, 3.0, 9.0], frames=190)


@pytest.mark.parametrize("name", WINDOWS)
def test_the_same_positions_as_in_the_game(name):
    window = WINDOWS[name]
    score, performance = recordings(window)
    actor = actor_for(window)
    bank = Bank({"a": score}, [performance], window)
    game = play_games(bank, AgentPlayer(actor, deterministic=True))[0]
    follower = AgentFollower(actor.network)
    for _ in range(2):  # a second performance begins as the first did
        follower.reset(score)
        heard = performance.spectrogram.T
        for frame in heard[: game.start_frame - 1]:
            follower.prime(frame)
        positions = [follower.step(frame) for frame in heard[game.start_frame - 1 :]]
        n = len(game.position_px)
        assert n > 3
        np.testing.assert_allclose(positions[:n], game.position_px, atol=1e-3)


def test_draws_from_its_policy_within_the_strip():
    window = WINDOWS["nottingham"]
    score, performance = recordings(window)
    paths = set()
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        follower = AgentFollower(actor_for(window).network, generator)
        follower.reset(score, start_px=600.0)
        positions = [follower.step(frame) for frame in performance.spectrogram.T]
        assert min(positions) >= -75 and max(positions) <= 611 + 75
        paths.add(tuple(positions))
    assert len(paths) == 3


def test_speeds_beyond_what_was_read_ahead():
    window = WINDOWS["nottingham"]
    score, _ = recordings(window)
    follower = AgentFollower(actor_for(window).network)
    follower.reset(score)
    known = len(follower._branch.slots)
    follower._speed = 40.0
    follower.step(np.zeros(78, np.float32))
    follower.step(np.zeros(78, np.float32))
    assert len(follower._branch.slots) > known


def test_what_cannot_be_followed():
    window = WINDOWS["nottingham"]
    follower = AgentFollower(actor_for(window).network)
    with pytest.raises(SfpipeError, match="no score to follow"):
        follower.step(np.zeros(78, np.float32))
    follower.reset(recordings(window)[0])
    with pytest.raises(SfpipeError, match="78 bins"):
        follower.step(np.zeros(80, np.float32))
    low = score_record("a", [20, 40], width=100, height=20)
    with pytest.raises(SfpipeError, match="20 px high"):
        follower.reset(low)


@pytest.mark.parametrize("name", WINDOWS)
def test_one_column_at_a_time_equals_whole_excerpts(name):
    network = actor_for(WINDOWS[name]).network
    rng = np.random.default_rng(0)
    width = network.branch_widths[1]
    weight = torch.from_numpy(rng.normal(size=(5, width)).astype(np.float32)) / width**0.5
    branch = StreamingBranch(network.spectrogram, weight)
    # More frames than fit into the columns' memory at once.
    heard = np.concatenate([np.zeros((41, 78)), rng.random((620, 78))]).astype(np.float32)
    for n, frame in enumerate(heard[41:]):
        branch.push(frame)
        if n % 37 and n < 610:
            continue
        end = 41 + n + 1
        now, before = heard[end - 40 : end].T, heard[end - 41 : end - 1].T
        pair = torch.from_numpy(np.stack([now, now - before])[None])
        with torch.no_grad():
            expected = (network.spectrogram(pair) @ weight.T)[0]
        np.testing.assert_allclose(branch.vector(), expected, atol=1e-4)


@pytest.mark.parametrize("name", WINDOWS)
def test_however_long_it_was_silent_before(name):
    window = WINDOWS[name]
    score, performance = recordings(window)
    follower = AgentFollower(actor_for(window).network)

    silence = np.zeros(78, np.float32)

    def hear(n: int) -> None:
        for _ in range(n):
            follower.prime(silence)

    def positions() -> list[float]:
        """From here; the follower itself goes on as if it had not been asked."""
        twin = copy.deepcopy(follower)
        return [twin.step(frame) for frame in performance.spectrogram.T[:5]]

    follower.reset(score)
    hear(50)
    expected = positions()
    hear(409)
    for _ in range(460, 520):
        hear(1)
        np.testing.assert_allclose(positions(), expected, atol=1e-3)
