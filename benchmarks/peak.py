"""Arithmetic of training beside what a core can do: the score branch, and one large product."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from benchmarks.table import Bench
from sfpipe.agents.hardware import choose_bfloat16
from sfpipe.agents.networks import ActorCritic
from sfpipe.store.bank import Bank

SIDE = 1024  # of the matrices
BATCHES = {"nottingham": 480, "msmd": 120}  # states at once


def bench_peak(bench: Bench, name: str, bank: Bank, *_: object) -> None:
    """The score branch, most of a state's arithmetic, forward and backward on one thread."""
    torch.set_num_threads(1)
    kinds = [torch.float32]
    if choose_bfloat16("auto", torch.device("cpu")):
        kinds.append(torch.bfloat16)
    n = BATCHES[name]
    for kind in kinds:
        branch = ActorCritic(bank.window, dropout=0).placed("cpu").score
        images = torch.rand(n, 2, *bank.window.image_shape).to(kind)
        images = images.contiguous(memory_format=torch.channels_last)
        operations = 3 * n * operations_of(branch, images[:1].float())
        matrix = torch.randn(SIDE, SIDE, dtype=kind)
        bench.compare(
            f"score branch, {name}, {str(kind).split('.')[1]} (beside: a product)",
            "GFLOP/s",
            partial(_both_ways, branch, images, operations / 1e9),
            partial(_product, matrix),
        )


def operations_of(branch: nn.Module, image: torch.Tensor) -> int:
    """Floating-point operations of the convolutions and matrix products of one forward pass."""
    counted = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        counted.append(2 * out[0].numel() * weight[0].numel())

    layers = [m for m in branch.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        branch(image)
    for handle in handles:
        handle.remove()
    return sum(counted)


def _both_ways(branch: nn.Module, images: torch.Tensor, work: float) -> float:
    with torch.autocast("cpu", torch.bfloat16, enabled=images.dtype == torch.bfloat16):
        features = branch(images)
    features.float().square().mean().backward()
    branch.zero_grad()
    return work


def _product(matrix: torch.Tensor) -> float:
    _ = matrix @ matrix
    return 2 * SIDE**3 / 1e9
