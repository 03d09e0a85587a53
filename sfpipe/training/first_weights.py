"""First weights that fit the data: what a training that starts from no agent may begin with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from sfpipe.agents.networks import ActorCritic
from sfpipe.game import dynamics
from sfpipe.store.bank import Bank, MemoryFormat

STATES = 512
OUTPUT_SCALE = 0.01  # of the heads' last layers: the first policy is nearly uniform
LEAST_STD = 1e-3  # of an output, so that one that never changes is not blown up


@torch.no_grad()
def standardise(network: ActorCritic, bank: Bank, generator: torch.Generator) -> None:
    """Scale and shift each layer so that its outputs have mean 0 and deviation 1 on random states.

    Orthogonal weights let what comes from the two images shrink from layer to layer, and one
    image's part is lost beside the other's in the joint layer.

    Parameters
    ----------
    network:
        Changed in place, as it is without dropout.
    bank:
        `STATES` states inside its games are drawn, as `dynamics.scatter` does.
    generator:
        On any device.

    References
    ----------
    Salimans and Kingma (2016), section 3: weights that are initialised by data.
    """
    device = generator.device
    performances = torch.randint(len(bank), (STATES,), generator=generator, device=device)
    threshold = bank.window.threshold_px
    states = dynamics.scatter(bank, performances.to(bank.device), generator, threshold)
    where = dynamics.observation_index(bank, states)
    seen = dynamics.observe(bank, where, MemoryFormat(channels_last=True))
    was_training = network.training
    network.eval()
    score = _standardised(network.score, seen.score)
    sound = _standardised(network.spectrogram, seen.spectrogram)
    embedding = _standardised(network.joint, torch.cat([score, sound], dim=1))
    for head in (network.policy, network.value):
        *hidden, last = head
        _standardised(hidden, embedding)
        assert isinstance(last, nn.Linear)
        last.weight.mul_(OUTPUT_SCALE)
    network.train(was_training)


def _standardised(layers: Iterable[nn.Module], inputs: torch.Tensor) -> torch.Tensor:
    """The outputs of `layers`, whose weights it changes so that each has mean 0, deviation 1."""
    at = inputs.float()
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            out = layer(at).transpose(0, 1).flatten(1)
            mean, std = out.mean(1), out.std(1).clamp(min=LEAST_STD)
            shape = [-1] + [1] * (layer.weight.ndim - 1)
            layer.weight.div_(std.view(shape))
            assert layer.bias is not None
            layer.bias.copy_((layer.bias - mean) / std)
        at = layer(at)
    return at
