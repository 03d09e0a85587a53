"""First weights that fit the data (`train.common.standardise`)."""

import pytest
import torch
from torch import nn

from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.store.window import WINDOWS
from sfpipe.training.first_weights import LEAST_STD, STATES, standardise
from sfpipe.training.rollout import entropy_of
from tests.toy import NOTTINGHAM, toy_bank


def states_of(bank, seed=0):
    """The observations that `standardise` sees with this seed."""
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(len(bank), (STATES,), generator=generator)
    states = dynamics.scatter(bank, which, generator, bank.window.threshold_px)
    return dynamics.observe(bank, dynamics.observation_index(bank, states))


def keeping(outputs, name):
    """A hook that keeps a layer's outputs, a row per channel, before ELU changes them in place."""

    def hook(_layer, _inputs, out):
        outputs[name] = out.transpose(0, 1).flatten(1).clone()

    return hook


def fresh(window):
    return ActorCritic(window, dropout=0.0).initialise(torch.Generator().manual_seed(1)).eval()


@pytest.mark.parametrize("window", WINDOWS.values(), ids=lambda w: w.name)
def test_every_layer_has_mean_0_and_deviation_1_on_random_states(window):
    bank = toy_bank(window)
    network = fresh(window)
    standardise(network, bank, torch.Generator().manual_seed(0))
    outputs = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(keeping(outputs, name))
    with torch.no_grad():
        logits, values = network(*states_of(bank))
    last = {f"{head}.{len(getattr(network, head)) - 1}" for head in ("policy", "value")}
    assert last <= set(outputs) and len(outputs) > 10
    for name in set(outputs) - last:
        assert outputs[name].mean(1).abs().max() < 1e-3, name
        assert outputs[name].std(1) == pytest.approx(torch.ones(len(outputs[name])), abs=1e-2), name
    # The first policy is nearly uniform, and nothing is expected of any state.
    assert entropy_of(logits).min() > 1.09 and values.abs().max() < 0.1


def test_an_input_that_never_changes_is_not_blown_up():
    bank = toy_bank(NOTTINGHAM)
    bank.strip.zero_()
    network = fresh(NOTTINGHAM)
    before = network.score[0].weight.clone()
    standardise(network, bank, torch.Generator().manual_seed(0))
    assert network.score[0].weight.abs().max() <= before.abs().max() / LEAST_STD * 1.001
    with torch.no_grad():
        logits, _ = network(*states_of(bank, seed=5))
    assert torch.isfinite(logits).all()


def test_the_same_seed_gives_the_same_weights():
    bank = toy_bank(NOTTINGHAM)
    one, other, third = fresh(NOTTINGHAM), fresh(NOTTINGHAM), fresh(NOTTINGHAM)
    for network, seed in ((one, 0), (other, 0), (third, 1)):
        standardise(network, bank, torch.Generator().manual_seed(seed))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.score[0].weight, third.score[0].weight)


def test_dropout_is_off_and_comes_back():
    bank = toy_bank(NOTTINGHAM)
    one, other = fresh(NOTTINGHAM), ActorCritic(NOTTINGHAM, dropout=0.5)
    other.load_state_dict(one.state_dict())
    for network in (one, other.train()):
        standardise(network, bank, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert other.training and not one.training
