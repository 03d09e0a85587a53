"""One training on several processes: the network's work is split, all else is done by each alike.

Every process draws the same random numbers and keeps the same games, a handful of integers each.
Of each batch it computes its own rows, and the few numbers per row that the rest depends on go to
all. Gradients are summed, so that all take the same step. How many processes there are changes
nothing but rounding: they learn what one process learns, and a checkpoint goes on with any number.

``torchrun --nproc-per-node N -m sfpipe train`` starts them: over NCCL where each has a card, else
over gloo.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from sfpipe.errors import SfpipeError

Result = TypeVar("Result")
_CPU = torch.device("cpu")
_PATIENCE = timedelta(hours=6)  # the others wait while the first validates


@dataclass(frozen=True)
class Processes:
    """The processes of a training, as one of them knows them; by default there is but one.

    Attributes
    ----------
    rank, size:
        Number of this process, and how many there are.
    device:
        On which they exchange numbers.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = _CPU

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, saves and reports."""
        return self.rank == 0

    def own(self, n: int) -> slice:
        """Which of `n` rows this process computes."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def require_work(self, n: int, parameter: str) -> None:
        """Raise an `SfpipeError` if there is less than one of `n` things for each process."""
        if n < self.size:
            raise SfpipeError(
                f"{parameter} is {n}, too few for {self.size} processes",
                remedy=f"start at most {n} processes, or raise {parameter}",
            )

    def gather(self, n: int, *own: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All `n` rows of float32 tensors of which each process has its own; gradients reach those.

        Parameters
        ----------
        own:
            [shape=(rows of this process, ...)].
        """
        if self.size == 1:
            return own
        widths = [math.prod(tensor.shape[1:]) for tensor in own]
        parts = [t.reshape(len(t), w) for t, w in zip(own, widths, strict=True)]
        mine, rows = torch.cat(parts, dim=1), self.own(n)
        every = mine.new_zeros(n, mine.shape[1])
        every[rows] = mine.detach()
        self.sum_(every)
        if mine.requires_grad:
            every = torch.cat([every[: rows.start], mine, every[rows.stop :]])
        columns = every.split(widths, dim=1)
        return tuple(
            c.reshape(n, *t.shape[1:]).contiguous() for c, t in zip(columns, own, strict=True)
        )

    def total(self, value: float) -> float:
        """The sum of a number over all processes."""
        return value if self.size == 1 else float(self.sum_(self._number(value)))

    def largest(self, value: float) -> float:
        """The largest of a number of each process."""
        if self.size == 1:
            return value
        return float(self._reduce(self._number(value), distributed.ReduceOp.MAX))

    def counts(self, n: int) -> list[int]:
        """A whole number of each process, in their order."""
        each = torch.zeros(self.size, dtype=torch.int64, device=self.device)
        each[self.rank] = n
        return [int(count) for count in self.sum_(each).tolist()]

    def whole(self, part: torch.Tensor) -> torch.Tensor:
        """The sum of the parts of a loss; its gradient is that of this process's part."""
        if self.size == 1:
            return part
        others = self.sum_(part.detach().clone()) - part.detach()
        return part + others

    def mean(self, mean: torch.Tensor, n: int) -> torch.Tensor:
        """The mean over the rows of all processes, from that over this one's `n`."""
        if self.size == 1:
            return mean
        share = n / max(self.total(n), 1)
        return self.whole(mean * share if n else torch.zeros_like(mean))

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        """Replace a tensor by its sum over all processes; every process gets the same bits."""
        return self._reduce(tensor, distributed.ReduceOp.SUM)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their sums; where no process has one there is none."""
        if self.size == 1:
            return
        given = [p for p in parameters if p.requires_grad]
        known = torch.tensor([float(p.grad is not None) for p in given], device=given[0].device)
        flat = [p.new_zeros(p.shape) if p.grad is None else p.grad for p in given]
        summed = self.sum_(torch.cat([known, *(g.flatten().to(known) for g in flat)]))
        some, *parts = summed.split([len(given), *(p.numel() for p in given)])
        for parameter, part, n in zip(given, parts, some.tolist(), strict=True):
            if n:
                grad = torch.empty_like(parameter)  # laid out as the parameter is
                parameter.grad = grad.copy_(part.view(parameter.shape))

    def agree(self, make: Callable[[], Result]) -> Result:
        """What the first process makes, for all; so is its `SfpipeError`."""
        if self.size == 1:
            return make()
        made: list[Any] = [None, None]
        if self.first:
            try:
                made[0] = make()
            except SfpipeError as error:
                made[1] = error
        with _noticing_loss():
            distributed.broadcast_object_list(made, device=self.device)
        if made[1] is not None:
            raise made[1]
        return made[0]

    def require_same(self, value: Any, what: str) -> None:
        """Refuse to train if the first process has something else than this one.

        Raises
        ------
        SfpipeError
            In every process, naming the first that differs.
        """
        if self.size == 1:
            return
        theirs = self.agree(lambda: value)
        differ = self.counts(int(theirs != value))
        if any(differ):
            raise SfpipeError(
                f"process {differ.index(1)} has other {what} than process 0",
                remedy="start all processes with the same params.yaml and the same stores",
            )

    def share(self, network: nn.Module) -> None:
        """Give all the first one's weights; make dropout and normalisation those of all rows."""
        if self.size == 1:
            return
        for tensor in network.state_dict().values():
            with _noticing_loss():
                distributed.broadcast(tensor, 0)
        for module in network.modules():
            if type(module) in _SHARED:
                module.__class__ = _SHARED[type(module)]
                module.processes = self  # type: ignore[assignment]  # no module, no tensor

    def _number(self, value: float) -> torch.Tensor:
        return torch.tensor(float(value), dtype=torch.float64, device=self.device)

    def _reduce(self, tensor: torch.Tensor, how: Any) -> torch.Tensor:
        with _noticing_loss():
            distributed.all_reduce(tensor, how)
        return tensor


ALONE = Processes()


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that ``torchrun`` started, this one among them; else only this one.

    Parameters
    ----------
    device:
        ``auto``, ``cuda`` or ``cpu``, as in `params.yaml`.

    Raises
    ------
    SfpipeError
        If the others do not answer.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    cards = torch.cuda.device_count() if device != "cpu" else 0
    own_card = cards >= int(os.environ.get("LOCAL_WORLD_SIZE", size))
    where = torch.device("cpu")
    if own_card:
        where = torch.device("cuda", local)
        torch.cuda.set_device(where)
    elif cards:
        torch.cuda.set_device(local % cards)
    try:
        distributed.init_process_group("nccl" if own_card else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise SfpipeError(
            f"the processes of the training do not find each other ({error})",
            remedy="start them with: torchrun --nproc-per-node N -m sfpipe train",
        ) from None
    try:
        yield Processes(rank, size, where)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _noticing_loss() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise SfpipeError(
            f"another process of this training has ended ({str(error).splitlines()[0][:100]})",
            remedy="see what it said; run the same command again to go on",
        ) from None


class _Sum(torch.autograd.Function):
    """The sum over all processes, through which gradients of all of them flow."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor, processes: Processes) -> torch.Tensor:
        ctx.processes = processes
        return processes.sum_(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.processes.sum_(gradients[0].clone()), None


class _SharedDropout(nn.Dropout):
    """Dropout that draws for the rows of all processes, as one process would."""

    processes: Processes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        counts = self.processes.counts(len(x))
        begin = sum(counts[: self.processes.rank])
        noise = torch.empty((sum(counts), *x.shape[1:]), dtype=x.dtype, device=x.device)
        if x.dim() == 4 and not x.is_contiguous():
            noise = noise.contiguous(memory_format=torch.channels_last)
        noise.bernoulli_(1 - self.p).div_(1 - self.p)
        return x * noise[begin : begin + len(x)]


class _SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation by the statistics of the rows of all processes."""

    processes: Processes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        others, n = [0, *range(2, x.dim())], self.processes.total(x.numel() // x.shape[1])
        shape = [1, -1, *[1] * (x.dim() - 2)]
        mean = _Sum.apply(x.sum(others), self.processes) / n
        centred = x - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(others), self.processes) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / max(n - 1, 1)), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale.view(shape) + self.bias.view(shape)


class _SharedNorm1d(_SharedNorm, nn.BatchNorm1d):
    """Of [shape=(n, channels, length)]."""


class _SharedNorm2d(_SharedNorm, nn.BatchNorm2d):
    """Of [shape=(n, channels, height, width)]."""


_SHARED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: _SharedDropout,
    nn.BatchNorm1d: _SharedNorm1d,
    nn.BatchNorm2d: _SharedNorm2d,
}
