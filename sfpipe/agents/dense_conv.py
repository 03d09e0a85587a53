"""A branch on an image wider than its window: what neighbouring windows share, computed once.

Where windows begin a multiple of the branch's stride apart, the features of each are a cut of one
feature map of the wider image, exactly: no convolution here is padded. Windows at every column are
those of as many images as the stride has columns, which share their first layers. `DenseBranch` is
differentiable and meant for training. `CachedBranch` keeps what it computed: strides become
dilations, so that each convolution is computed once per column, and its part of the joint layer
with it. The delta channel makes a window depend on the previous one too, that is on the distance
moved in one frame; it is a small whole number of pixels, so vectors are kept per (column, distance)
and computed in blocks when first needed.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from sfpipe.agents.activation import ELU
from sfpipe.agents.networks import TwoBranches
from sfpipe.game.dynamics import position_limits
from sfpipe.store.packing import PackedOffset, pack_strips
from sfpipe.store.reader import ScoreRecord
from sfpipe.store.window import Window

Whole = TypeVar("Whole", int, torch.Tensor)

_AT_ONCE = 32  # blocks computed together, to bound memory


class DenseBranch:
    """The layers of a branch, applied to wide images.

    Parameters
    ----------
    branch:
        Convolutions, flattening, and for Table 2 a dense layer. Its weights stay shared.
    channels:
        Of its input.
    size:
        Rows and columns of one window.

    Attributes
    ----------
    stride:
        Columns between the beginnings of neighbouring windows.
    dense:
        What the branch does after flattening: nothing in Table 1.
    shape:
        Channels, rows and columns of the feature map of one window.
    """

    def __init__(self, branch: nn.Sequential, channels: int, size: tuple[int, int]):
        flat = next(i for i, m in enumerate(branch.children()) if isinstance(m, nn.Flatten))
        self.convolutions, self.dense = branch[:flat], branch[flat + 1 :]
        self.size = size
        self.stride = 1
        for module in self.convolutions.children():
            if isinstance(module, nn.Conv2d):
                self.stride *= int(module.stride[1])
        weight = next(branch.parameters())
        with torch.no_grad():
            one = torch.zeros(1, channels, *size, device=weight.device, dtype=weight.dtype)
            self.shape = tuple(self.convolutions(one).shape[1:])

    def width(self, windows: int) -> int:
        """Columns of an image that holds this many windows."""
        return self.size[1] + (windows - 1) * self.stride

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """Feature maps [shape=(n, channels, rows, columns of one window + windows - 1)]."""
        return self.convolutions(images)

    def cut(self, maps: torch.Tensor) -> torch.Tensor:
        """The flattened feature map of each window, [shape=(n, windows, features)]."""
        windows = maps.unfold(3, self.shape[2], 1)  # (n, channels, rows, windows, columns)
        return windows.permute(0, 3, 1, 2, 4).flatten(2)

    def whole(self, windows: int) -> int:
        """The least multiple of the stride that is not less than `windows`."""
        return -(-windows // self.stride) * self.stride

    def every(self, images: torch.Tensor, step: int = 1) -> torch.Tensor:
        """What it makes of windows `step` columns apart, [shape=(n, windows / step, width)].

        Parameters
        ----------
        images:
            [shape=(n, channels, rows, columns of one window + windows - 1)], of as many windows as
            `whole` allows.
        step:
            1, 2, 4, .. up to the stride.
        """
        n, x, between = len(images), images, step
        for module in self.convolutions.children():
            apart = int(module.stride[1]) if isinstance(module, nn.Conv2d) else 1
            if between % apart == 0:
                between //= apart  # no window begins at a column that the convolution skips
            else:
                # Columns that the convolution would skip begin images of their own.
                columns = x.shape[3] - apart + 1
                x = torch.cat([x[..., i : i + columns] for i in range(apart)])
                x = x.contiguous(memory_format=torch.channels_last)
            x = module(x)
        maps = x.unflatten(0, (self.stride // step, n)).unfold(4, self.shape[2], 1)
        # (first column within a stride, n, channels, rows, strides, columns)
        rows = maps.permute(1, 4, 0, 2, 3, 5).flatten(1, 2).flatten(2)
        # Strides may leave a window's last columns unread: more windows fit than are needed.
        windows = images.shape[3] - self.size[1] + 1
        return self.dense(rows[:, : windows // step])


class CachedBranch:
    """One branch and its part of the joint layer, for every window of an image.

    Parameters
    ----------
    branch:
        Convolutions, flattening, and for Table 2 a dense layer. Its input has two channels, a
        window and its change, or the window alone.
    joint:
        Columns of the joint layer's weight that this branch feeds: [shape=(width, features)].
    image:
        float32 or uint8 [shape=(rows, columns)] that windows are cut from.
    scale:
        Factor from the image's values to what the network sees.
    size:
        Rows and columns of a window.
    dtype:
        Of weights and activations: float32 or bfloat16.
    block:
        Neighbouring columns computed together.
    max_bytes:
        Memory for kept vectors; when it is full all are dropped.
    """

    def __init__(
        self,
        branch: nn.Sequential,
        joint: torch.Tensor,
        image: torch.Tensor,
        scale: float,
        size: tuple[int, int],
        dtype: torch.dtype,
        *,
        block: int = 256,
        max_bytes: int = 1 << 30,
    ):
        self.image, self.scale, self.dtype, self.block = image, scale, dtype, block
        self.span = block + size[1] - 1
        layers, own = parts(frozen(branch, dtype))
        self.layers = nn.Sequential(*layers)
        with torch.no_grad():
            self.channels = next(c.in_channels for c in layers if isinstance(c, nn.Conv2d))
            blank = torch.zeros(1, self.channels, *size, device=image.device, dtype=dtype)
            shape = self.layers(blank).shape[1:]
        dense = joint.detach().clone().to(dtype)
        self.bias: torch.Tensor | None = None
        self.joint: torch.Tensor | None = None
        if own is not None:  # of the branch, before the joint layer
            dense, self.bias, self.joint = own.weight, own.bias, dense
        # A dense layer on all features of a window is a convolution as large as they are.
        self.dense = dense.unflatten(1, shape)
        self.width = joint.shape[0]
        self.kept = torch.empty(0, block, self.width, dtype=dtype, device=image.device)
        size_of_block = block * self.width * self.kept.element_size()
        self.most = max(max_bytes // size_of_block, _AT_ONCE)
        self.slots: dict[int, int] = {}
        self._stride = 2 * image.shape[1] + 1  # more than there are distances

    def __call__(self, column: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """What windows contribute to the joint layer before its activation.

        Parameters
        ----------
        column, previous:
            int64 [shape=(n,)], first columns of the windows and of those one frame before.

        Returns
        -------
        torch.Tensor
            float32 [shape=(n, width of the joint layer)], without bias.
        """
        keys, which = torch.unique(self._key(column, previous), return_inverse=True)
        needed = keys.tolist()
        missing = [key for key in needed if key not in self.slots]
        if missing:
            if len(self.slots) + len(missing) > self.most:
                self.slots.clear()
                missing = needed
            self._compute(missing)
        slot = torch.tensor([self.slots[key] for key in needed], device=column.device)
        return self.kept[slot[which], column % self.block].float()

    def at(self, column: int, previous: int) -> np.ndarray:
        """As a call, for one window, where torch would cost more than the look-up."""
        key = self._key(column, previous)
        if key not in self.slots:
            self(torch.tensor([column]), torch.tensor([previous]))
        return self.kept[self.slots[key], column % self.block].float().numpy()

    def _key(self, column: Whole, previous: Whole) -> Whole:
        """One number for the block of `column` and the distance from `previous`."""
        return column // self.block * self._stride + column - previous + self.image.shape[1]

    def _compute(self, keys: list[int]) -> None:
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            made = self._blocks(torch.tensor(some, device=self.image.device))
            used = len(self.slots)
            if used + len(some) > len(self.kept):
                room = max(2 * len(self.kept), used + len(some))
                more = self.kept.new_empty(room, *self.kept.shape[1:])
                more[:used] = self.kept[:used]
                self.kept = more
            self.kept[used : used + len(some)] = made
            self.slots |= {key: used + i for i, key in enumerate(some)}

    @torch.no_grad()
    def _blocks(self, keys: torch.Tensor) -> torch.Tensor:
        """Vectors of whole blocks [shape=(n, block, width of the joint layer)]."""
        block = torch.div(keys, self._stride, rounding_mode="floor")
        distance = keys - block * self._stride - self.image.shape[1]
        first = block * self.block
        here = torch.arange(self.span, device=keys.device)
        last = self.image.shape[1] - 1
        # Columns beyond the image belong to no window; any value will do.
        now = self.image[:, (first[:, None] + here).clamp(0, last)]
        before = self.image[:, ((first - distance)[:, None] + here).clamp(0, last)]
        x, y = (v.transpose(0, 1).to(torch.float32) * self.scale for v in (now, before))
        images = torch.stack([x, x - y][: self.channels], dim=1).to(self.dtype)
        return self._slide(images.contiguous(memory_format=torch.channels_last))

    def _slide(self, x: torch.Tensor) -> torch.Tensor:
        step = 1  # columns between neighbours of the strided network
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                down, along = (int(s) for s in layer.stride)
                x = F.conv2d(x, layer.weight, layer.bias, (down, 1), dilation=(1, step))
                step *= along
            else:
                x = layer(x)
        x = F.conv2d(x, self.dense, self.bias, dilation=(1, step))
        # Strides may leave a window's last columns unread: more windows fit than are needed.
        x = x.squeeze(2).transpose(1, 2)[:, : self.block]  # (n, block, outputs)
        if self.joint is not None:
            x = F.linear(ELU()(x.contiguous()), self.joint)
        return x


def cache_strip(
    branch: nn.Sequential, joint: torch.Tensor, score: ScoreRecord, window: Window
) -> tuple[CachedBranch, PackedOffset, tuple[float, float]]:
    """A score branch for one strip in float32 on the CPU, and where windows can be on it.

    Parameters
    ----------
    branch, joint:
        As for `CachedBranch`.

    Returns
    -------
    tuple
        The branch, where the strip lies in its image, and the first and last position
        of a window's middle, px with padding.

    Raises
    ------
    SfpipeError
        If the strip is lower than the window.
    """
    image, places = pack_strips({score.piece: score}, [score.piece], window)
    ink = torch.from_numpy(image)
    cached = CachedBranch(branch, joint, ink, 1 / 255, window.image_shape, torch.float32)
    limits = position_limits(window, score.strip.shape[1] + 2 * window.width)
    return cached, places[score.piece], limits


def joint_parts(network: TwoBranches) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Copies of the joint layer's weights for the score's and the sound's features, and bias."""
    linear = network.joint[0]
    assert isinstance(linear, nn.Linear)
    score, audio = linear.weight.detach().clone().split(network.branch_widths, dim=1)
    return score, audio, linear.bias.detach().clone()


def parts(branch: nn.Sequential) -> tuple[list[nn.Module], nn.Linear | None]:
    """What a branch does before it flattens, and its own dense layer if it has one."""
    modules = list(branch)
    flat = next(i for i, m in enumerate(modules) if isinstance(m, nn.Flatten))
    dense = modules[flat + 1] if modules[flat + 1 :] else None
    assert dense is None or isinstance(dense, nn.Linear)
    return modules[:flat], dense


def frozen(module: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
    """A copy that training does not change, without dropout, in the format it computes in."""
    return copy.deepcopy(module).to(dtype).eval().requires_grad_(False)
