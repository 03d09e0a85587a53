"""Weights in a file, and their copy."""

import pytest
import torch
from torch import nn

from sfpipe.agents.weights import (
    WEIGHTS,
    RunningAverage,
    copy_weights,
    read_weights,
    write_weights,
)
from sfpipe.errors import SfpipeError


def test_written_read_and_refused_with_the_callers_remedy(tmp_path):
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    write_weights(tmp_path, first)
    read_weights(tmp_path, second, "train")
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)
    with pytest.raises(SfpipeError, match="does not hold this network's weights") as error:
        read_weights(tmp_path, nn.Linear(4, 2), "train")
    assert (error.value.file, error.value.remedy) == (str(tmp_path / WEIGHTS), "train")


def test_a_copy_stays_as_it_is_when_training_goes_on():
    network = nn.Linear(3, 2)
    before, kept = network.weight.detach().clone(), copy_weights(network)
    with torch.no_grad():
        network.weight += 1
    assert torch.equal(kept["weight"], before)


def test_an_average_forgets_by_frames_whatever_an_update_is():
    network = nn.Linear(3, 2)
    begun = network.weight.detach().clone()
    fast, slow = RunningAverage(network, 100), RunningAverage(network, 100)
    with torch.no_grad():
        network.weight += 1
    fast.follow(network, 60)
    for _ in range(6):
        slow.follow(network, 10)
    torch.testing.assert_close(fast.network.weight, begun + 1 - 0.548812)  # exp(-0.6)
    torch.testing.assert_close(fast.network.weight, slow.network.weight)
    assert torch.equal(fast.network.bias, network.bias)
    assert not fast.network.weight.requires_grad and network.weight.requires_grad
