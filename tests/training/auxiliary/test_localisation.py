"""The localiser: labels by hand, from views alone; it teaches; off it changes nothing."""

import copy

import pytest
import torch

from sfpipe.agents.buckets import soft_buckets
from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.params import TrainParams
from sfpipe.store.bank import Bank
from sfpipe.store.window import WINDOWS
from sfpipe.training.auxiliary.localisation import BUCKETS, LocalisationHead, window_starts
from sfpipe.training.dagger import Dagger
from sfpipe.training.ppo import PPO
from tests.toy import NOTTINGHAM, two_pieces


def toy_bank(window=NOTTINGHAM) -> Bank:
    return Bank(*two_pieces(window), window)


def test_soft_buckets_by_hand():
    # Four buckets of 25 px: centres at 12.5, 37.5, 62.5, 87.5.
    x = torch.tensor([12.5, 25.0, 40.0, -5.0, 99.0], dtype=torch.float64)
    expected = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0.9, 0.1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    torch.testing.assert_close(soft_buckets(x, 4, 100), torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", WINDOWS)
def test_views_tell_where_windows_begin(name):
    window = WINDOWS[name]
    bank = toy_bank(window)
    state = dynamics.scatter(bank, torch.arange(60) % 2, torch.Generator().manual_seed(0), 50)
    at = dynamics.observation_index(bank, state)
    expected = (state.position - window.width / 2).to(torch.int64)
    assert torch.equal(window_starts(bank, at.frame, at.column), expected)
    before = (state.previous_position - window.width / 2).to(torch.int64)
    assert torch.equal(window_starts(bank, at.frame, at.previous_column), before)


def test_labels_by_hand():
    """Piece a moves 2 px a frame from frame 4 (x 20) on; the newest frame is the one before."""
    bank = toy_bank()
    one = torch.ones(1, dtype=torch.float64)
    state = dynamics.start(bank, torch.zeros(1, dtype=torch.int64))
    for acceleration in (3, 0, 0):
        state, _ = dynamics.step(bank, state, acceleration * one, 1e9)
    # After three frames at 3 px the position is 29; the newest frame is the second: 24.
    place, speed = LocalisationHead(bank, 1).labels(dynamics.observation_index(bank, state))
    centre = (torch.arange(BUCKETS) + 0.5) * 150 / BUCKETS
    assert (place @ centre).item() == pytest.approx(75 + 24 - 29, abs=1e-4)
    assert speed.tolist() == [3.0]


def dagger(bank, params, seed=0):
    network = ActorCritic(NOTTINGHAM, dropout=0.0).initialise(torch.Generator().manual_seed(0))
    return Dagger(network, bank, bank, params, seed=seed)


def plan(**changes) -> TrainParams:
    fields = {"num_envs": 4, "num_steps": 8, "minibatch_size": 16, "random_state_share": 0.5}
    still = {"transcription_coef": 0.0, "warmup_steps": 0, "temperature": 4.0, "vf_coef": 0.5}
    common = {"dropout": 0.0}
    return TrainParams(preset="paper", common=common, dagger=fields | still | changes)


def test_it_teaches_and_is_saved():
    bank = toy_bank()
    learner = dagger(bank, plan(localisation_coef=1.0, learning_rate=1e-3, transcription_coef=0.5))
    losses = [float(learner.update()["localisation_loss"]) for _ in range(12)]  # on random states
    assert losses[-1] < 0.8 * losses[0]
    learner.progress = 0.9
    assert "localisation_loss" in learner.update()  # and in play
    again = dagger(bank, plan(localisation_coef=1.0, transcription_coef=0.5), seed=1)
    saved = copy.deepcopy(learner.state_dict())
    learner.update()
    again.progress = 0.9
    again.load_state_dict(saved)
    again.update()
    for a, b in zip(
        learner.localisation.parameters(), again.localisation.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    assert not any("localisation" in name for name in learner.network.state_dict())


def test_it_reaches_both_branches():
    bank = toy_bank()
    learner = dagger(bank, plan(localisation_coef=1.0))
    at = learner._draw().at
    network = learner.network
    loss = learner.localisation.loss(network.embed(*learner.actor.observe(bank, at)), at)
    loss.backward()
    for branch in (network.score, network.spectrogram):
        assert all(p.grad.abs().sum() > 0 for p in branch.parameters())
    assert all(p.grad is None for p in network.policy.parameters())


@pytest.mark.parametrize("batch", [16, 32])
def test_ppo_takes_it_along_and_goes_on_exactly(batch):
    bank = toy_bank()
    play = {"num_envs": 4, "num_steps": 8, "learning_rate": 1e-3, "ent_coef": 0.0}
    ppo = play | {"minibatch_size": batch, "localisation_coef": 1.0}
    params = TrainParams(preset="paper", common={"dropout": 0.0}, ppo=ppo)

    def learner(seed):
        network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0))
        return PPO(network, bank, bank, params, seed=seed)

    one, other = learner(0), learner(1)
    losses = [float(one.update()["localisation_loss"]) for _ in range(6 * batch // 16)]
    assert losses[-1] < losses[0]
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert float(one.update()["localisation_loss"]) == float(other.update()["localisation_loss"])
    for a, b in zip(one.localisation.parameters(), other.localisation.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("algo", [Dagger, PPO])
def test_without_it_there_is_none(algo):
    network = ActorCritic(NOTTINGHAM).initialise(torch.Generator().manual_seed(0))
    learner = algo(network, toy_bank(), toy_bank(), plan(), seed=0)
    assert learner.localisation is None and not learner.state_dict()["auxiliary"]
    n_weights = sum(len(group["params"]) for group in learner.optimiser.param_groups)
    assert n_weights == len(list(network.parameters()))
