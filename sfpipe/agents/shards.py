"""Both branches of a network on several CPU cores: one part of the batch per thread.

Inside a convolution of this size a second core brings little; two halves of a batch on one core
each bring more. Gradients are summed over the parts in a fixed order, so that a seeded run stays
bit-equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from sfpipe.game.dynamics import Observation

Features = tuple[torch.Tensor, torch.Tensor]


class Shards:
    """Runs the branches on parts of a batch in parallel.

    Parameters
    ----------
    branches:
        Features of an observation; must draw no random numbers (no active dropout), since
        threads would draw them in no fixed order.
    parameters:
        Those that `branches` depends on.
    n:
        Number of threads and parts.
    """

    def __init__(
        self,
        branches: Callable[[Observation], Features],
        parameters: Sequence[torch.nn.Parameter],
        n: int,
    ):
        self.branches, self.parameters, self.n = branches, list(parameters), n
        self.pool = ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,))

    def features(self, seen: Observation) -> Features:
        """As `branches`, in parallel, with gradients to `parameters` if they are enabled."""
        size = -(-len(seen.score) // self.n)
        parts = [
            Observation(*pair)
            for pair in zip(seen.score.split(size), seen.spectrogram.split(size), strict=True)
        ]
        if torch.is_grad_enabled():
            return _Sharded.apply(self, parts, *self.parameters)
        return _joined(self.map(lambda part: _without_gradients(self.branches, part), parts))

    def map(self, function: Callable, items: Sequence) -> list:
        """`function` of every item, each on its own thread, in order."""
        return list(self.pool.map(function, items))


class _Sharded(torch.autograd.Function):
    """Keeps each part's own graph from forward to backward."""

    @staticmethod
    def forward(ctx, shards: Shards, parts: list[Observation], *_: torch.Tensor) -> Features:
        ctx.shards = shards
        ctx.outputs = shards.map(lambda part: _with_gradients(shards.branches, part), parts)
        return _joined([tuple(t.detach() for t in pair) for pair in ctx.outputs])

    @staticmethod
    def backward(ctx, *gradients: torch.Tensor) -> tuple:
        shards: Shards = ctx.shards
        sizes = [len(score) for score, _ in ctx.outputs]
        split = zip(*(g.split(sizes) for g in gradients), strict=True)

        def one(pair: tuple[Features, Features]) -> tuple[torch.Tensor, ...]:
            return torch.autograd.grad(pair[0], shards.parameters, pair[1])

        found = shards.map(one, list(zip(ctx.outputs, split, strict=True)))
        ctx.outputs = None
        return (None, None, *(sum(g[1:], g[0]) for g in zip(*found, strict=True)))


def _with_gradients(branches: Callable[[Observation], Features], part: Observation) -> Features:
    with torch.enable_grad():
        return branches(part)


def _without_gradients(branches: Callable[[Observation], Features], part: Observation) -> Features:
    with torch.no_grad():
        return branches(part)


def _joined(pairs: Sequence[Features]) -> Features:
    score, audio = zip(*pairs, strict=True)
    return torch.cat(score), torch.cat(audio)
