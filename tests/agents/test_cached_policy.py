"""The sliding policy against forward passes window by window."""

import numpy as np
import pytest
import torch

from sfpipe.agents.agent import AgentPlayer
from sfpipe.agents.cached_policy import CachedPlayer, CachedPolicy, playing
from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game import dynamics
from sfpipe.game.play import play_games
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from tests.toy import TinyNetwork, ramp_bank, two_pieces


def bank_of(window) -> Bank:
    x, onset_s = ([20, 301, 590], [33, 200, 400]), ([0.2, 3.0, 9.0], [0.5, 4.0, 8.5])
    pieces = two_pieces(window, x=x, onset_s=onset_s, widths=(611, 430), frames=(190, 180))
    return Bank(*pieces, window)


def actor_for(window, *, bfloat16: bool = False) -> Actor:
    generator = torch.Generator().manual_seed(0)
    network = ActorCritic(window).initialise(generator)
    for parameter in network.parameters():  # biases are zero at first
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    return Actor(network.placed("cpu").eval(), generator, bfloat16)


def states(bank: Bank, n: int) -> dynamics.GameState:
    generator = torch.Generator().manual_seed(1)
    which = torch.arange(n) % len(bank)
    return dynamics.scatter(bank, which, generator, bank.window.threshold_px)


@pytest.mark.parametrize("name", WINDOWS)
def test_logits_equal_those_of_single_windows(name):
    bank, actor = bank_of(WINDOWS[name]), actor_for(WINDOWS[name])
    scattered = states(bank, 40)
    first = dynamics.start(bank, torch.arange(len(bank)))
    half = bank.window.width / 2
    # Windows at the very ends of the padded strips.
    left = first._replace(position=torch.full((2,), half, dtype=torch.float64))
    right = first._replace(position=bank.strip_width - half - 1)
    policy = CachedPolicy(actor, bank, block=64)
    for state in (scattered, first, left, right):
        at = dynamics.observation_index(bank, state)
        with torch.no_grad():
            expected = actor.forward(actor.observe(bank, at))[0]
        torch.testing.assert_close(policy.logits(at), expected, atol=2e-5, rtol=1e-4)
        assert expected.std() > 0.01  # or there would be nothing to compare


@pytest.mark.parametrize("block", [32, 256])
def test_bfloat16_differs_by_its_rounding_only(block):
    window = WINDOWS["nottingham"]
    bank, actor = bank_of(window), actor_for(window, bfloat16=True)
    at = dynamics.observation_index(bank, states(bank, 64))
    exact = Actor(actor.network, actor.generator)
    with torch.no_grad():
        expected = exact.forward(exact.observe(bank, at))[0]
    error = (CachedPolicy(actor, bank, block=block).logits(at) - expected).abs().max()
    assert 0 < error < 0.03 * expected.abs().max()


def test_full_memory_is_used_again():
    window = WINDOWS["nottingham"]
    bank, actor = bank_of(window), actor_for(window)
    small = CachedPolicy(actor, bank, block=16, max_bytes=1)
    large = CachedPolicy(actor, bank, block=16)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        state = dynamics.scatter(bank, torch.arange(24) % 2, generator, 50)
        at = dynamics.observation_index(bank, state)
        torch.testing.assert_close(small.logits(at), large.logits(at))
    assert len(small.score.slots) < len(large.score.slots)


def test_more_blocks_than_fit_at_once():
    window = WINDOWS["nottingham"]
    bank, actor = bank_of(window), actor_for(window)
    at = dynamics.observation_index(bank, states(bank, 300))
    small = CachedPolicy(actor, bank, block=2, max_bytes=1)
    with torch.no_grad():
        expected = actor.forward(actor.observe(bank, at))[0]
    torch.testing.assert_close(small.logits(at), expected, atol=2e-5, rtol=1e-4)


def test_games_are_the_same_games():
    window = WINDOWS["nottingham"]
    bank, actor = bank_of(window), actor_for(window)
    slow = play_games(bank, AgentPlayer(actor, deterministic=True))
    fast = play_games(bank, CachedPlayer(CachedPolicy(actor, bank), bank, deterministic=True))
    for a, b in zip(slow, fast, strict=True):
        assert np.array_equal(a.position_px, b.position_px)


def test_training_on_does_not_change_a_policy_that_exists():
    window = WINDOWS["nottingham"]
    bank, actor = bank_of(window), actor_for(window)
    policy = CachedPolicy(actor, bank, block=64)
    at = dynamics.observation_index(bank, states(bank, 8))
    before = policy.logits(at)
    for parameter in actor.network.parameters():
        parameter.data += 1
    policy.score.slots.clear()
    torch.testing.assert_close(policy.logits(at), before)


def test_other_networks_play_window_by_window():
    bank = ramp_bank()
    actor = Actor(TinyNetwork(), torch.Generator().manual_seed(0))
    assert isinstance(playing(actor, bank), AgentPlayer)
    window = WINDOWS["nottingham"]
    assert isinstance(playing(actor_for(window), bank_of(window)), CachedPlayer)
