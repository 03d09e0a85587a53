"""A spectrogram branch that computes what one new frame changes, instead of all 40 again.

Successive excerpts share 39 frames. With strides turned into dilations, each layer has one new
column per frame; its inputs are columns computed before. NumPy, because at one column the cost of
calling a layer exceeds that of computing it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch import nn

from sfpipe.agents.dense_conv import parts
from sfpipe.agents.weights import array
from sfpipe.store.schema import BINS, EXCERPT

_ROOM = 512  # columns written before the newest are moved back to the front


def elu(x: np.ndarray) -> np.ndarray:
    """x where x > 0, else exp(x) - 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class _Columns:
    """The newest columns of a layer's output, [shape=(channels, rows, room)]."""

    def __init__(self, channels: int, rows: int, history: int):
        self.history = history
        self.data = np.zeros((channels, rows, _ROOM + history), np.float32)
        self.end = history  # one behind the newest column

    def append(self, column: np.ndarray) -> None:
        if self.end == self.data.shape[2]:
            self.data[:, :, : self.history] = self.data[:, :, -self.history :]
            self.end = self.history
        self.data[:, :, self.end] = column
        self.end += 1

    def taps(self, kernel: tuple[int, int], down: int, apart: int, rows: int) -> np.ndarray:
        """What a convolution reads for its newest column: [shape=(rows, features)]."""
        channels = self.data.shape[0]
        height, width = kernel
        first = self.data[:, :, self.end - 1 - (width - 1) * apart :]
        c, r, t = self.data.strides
        view = as_strided(
            first,
            (rows, channels, height, width),
            (down * r, c, r, apart * t),
            writeable=False,
        )
        return view.reshape(rows, -1)


class _Layer:
    def __init__(self, layer: nn.Conv2d, apart: int, rows_in: int):
        weight = layer.weight.detach().float()
        self.kernel = (int(weight.shape[2]), int(weight.shape[3]))
        self.down, self.apart = int(layer.stride[0]), apart
        self.rows = (rows_in - self.kernel[0]) // self.down + 1
        self.weight = np.ascontiguousarray(weight.flatten(1).T.numpy())
        assert layer.bias is not None
        self.bias = array(layer.bias)
        self.channels = len(self.bias)

    def newest(self, inputs: _Columns) -> np.ndarray:
        taps = inputs.taps(self.kernel, self.down, self.apart, self.rows)
        return elu(taps @ self.weight + self.bias).T


class StreamingBranch:
    """The spectrogram branch and its part of the joint layer, frame by frame.

    Parameters
    ----------
    branch:
        Convolutions, flattening, and for Table 2 a dense layer; float32.
    joint:
        Columns of the joint layer's weight that this branch feeds: [shape=(width, features)].
    """

    def __init__(self, branch: nn.Sequential, joint: torch.Tensor):
        modules, own = parts(branch)
        self.layers: list[_Layer] = []
        rows, apart, span, unread = BINS, 1, EXCERPT, 0
        for module in modules:
            if isinstance(module, nn.Conv2d):
                layer = _Layer(module, apart, rows)
                self.layers.append(layer)
                along = int(module.stride[1])
                # Columns at the right end of the excerpt that no window of this layer reaches.
                unread += apart * ((span - layer.kernel[1]) % along)
                span = (span - layer.kernel[1]) // along + 1
                rows, apart = layer.rows, apart * along
        self.apart, self.span = apart, span
        self.unread = unread
        self.dense = np.ascontiguousarray(array(joint))
        self.bias: np.ndarray | None = None
        self.joint: np.ndarray | None = None
        if own is not None:  # of the branch, before the joint layer
            self.joint, self.dense, self.bias = self.dense, array(own.weight), array(own.bias)
        self.reset()

    def reset(self) -> None:
        """Silence is all that was heard."""
        sizes = [(2, BINS), *((layer.channels, layer.rows) for layer in self.layers)]
        reach = [(layer.kernel[1] - 1) * layer.apart for layer in self.layers]
        reach.append((self.span - 1) * self.apart + self.unread)
        reach[0] = max(reach[0], EXCERPT)  # the first state of a game reads a whole excerpt
        self.columns = [
            _Columns(channels, rows, history + 1)
            for (channels, rows), history in zip(sizes, reach, strict=True)
        ]
        silence = np.zeros(BINS, np.float32)
        self._last = silence
        for _ in range(EXCERPT + 1):
            self.push(silence)

    def push(self, frame: np.ndarray) -> None:
        """Take in one frame, float32 [shape=(78,)]."""
        self.columns[0].append(np.stack([frame, frame - self._last]))
        self._last = frame.copy()
        for i, layer in enumerate(self.layers):
            self.columns[i + 1].append(layer.newest(self.columns[i]))

    def vector(self) -> np.ndarray:
        """What the 40 newest frames contribute to the joint layer: float32 [shape=(width,)].

        As after at least one step: the change of every frame, the oldest too, is since the one
        before it.
        """
        top = self.columns[-1]
        newest = top.end - 1 - self.unread
        first = newest - (self.span - 1) * self.apart
        features = top.data[:, :, first : newest + 1 : self.apart].reshape(-1)
        out = self.dense @ features
        if self.joint is not None:
            assert self.bias is not None
            out = self.joint @ elu(out + self.bias)
        return out
