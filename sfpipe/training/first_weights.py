"""First weights that depend on the data: what a network trained by reward alone begins with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from sfpipe.agents.networks import ActorCritic
from sfpipe.agents.policy import Actor
from sfpipe.game import dynamics
from sfpipe.store.bank import Bank

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
    bank:
        `STATES` states inside its games are drawn, as `dynamics.scatter` does.
    generator:
        On the bank's device.

    References
    ----------
    Salimans and Kingma (2016), section 3: weights that are initialised by data.
    """
    performances = torch.randint(
        len(bank), (STATES,), generator=generator, device=generator.device
    ).to(bank.device)
    threshold = bank.window.threshold_px
    states = dynamics.scatter(bank, performances, generator, threshold)
    seen = Actor(network, generator).observe(bank, dynamics.observation_index(bank, states))
    score = _standardised(network.score, seen.score)
    sound = _standardised(network.spectrogram, seen.spectrogram)
    embedding = _standardised(network.joint, torch.cat([score, sound], dim=1))
    for head in (network.policy, network.value):
        *hidden, last = head
        _standardised(hidden, embedding)
        assert isinstance(last, nn.Linear)
        last.weight.mul_(OUTPUT_SCALE)


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
