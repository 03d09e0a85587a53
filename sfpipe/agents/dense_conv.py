"""A branch on an image wider than its window: many windows, convolved once.

Neighbouring windows have most columns in common. Where windows begin a multiple of the branch's
stride apart, the features of each are a cut of one feature map of the wider image, exactly: no
convolution here is padded. Windows at every column are those of as many images as the stride has
columns, which share their first layers. Unlike `sfpipe.agents.sliding`, which keeps what it
computed, this is differentiable and meant for training.
"""

from __future__ import annotations

import torch
from torch import nn


class SharedBranch:
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

    def every(self, images: torch.Tensor) -> torch.Tensor:
        """What the branch makes of the windows at every column, [shape=(n, windows, width)].

        Parameters
        ----------
        images:
            [shape=(n, channels, rows, columns of one window + windows - 1)], of as many windows as
            `whole` allows.
        """
        n, x = len(images), images
        for module in self.convolutions.children():
            if isinstance(module, nn.Conv2d) and module.stride[1] > 1:
                # Columns that the convolution would skip begin images of their own.
                apart = int(module.stride[1])
                columns = x.shape[3] - apart + 1
                x = torch.cat([x[..., i : i + columns] for i in range(apart)])
                x = x.contiguous(memory_format=torch.channels_last)
            x = module(x)
        maps = x.unflatten(0, (self.stride, n)).unfold(4, self.shape[2], 1)
        # (first column within a stride, n, channels, rows, strides, columns)
        return self.dense(maps.permute(1, 4, 0, 2, 3, 5).flatten(1, 2).flatten(2))
