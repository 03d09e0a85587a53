"""Convolutions over sound that arrives frame by frame: each computes what the newest frame adds.

Successive excerpts share all frames but one. With strides turned into dilations, each layer has one
new column per frame; its inputs are columns computed before. NumPy, because at one column the cost
of calling a layer exceeds that of computing it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch import nn

from sfpipe.agents.dense_conv import parts
from sfpipe.agents.weights import array
from sfpipe.store.schema import BINS, EXCERPT

_ROOM = 64  # columns written before the newest are moved back to the front


def elu(x: np.ndarray) -> np.ndarray:
    """x where x > 0, else exp(x) - 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def relu(x: np.ndarray) -> np.ndarray:
    """x where x > 0, else 0."""
    return np.maximum(x, np.float32(0))


class Columns:
    """The newest columns of an image.

    Attributes
    ----------
    data:
        float32 [shape=(room, channels, rows)], a column each.
    end:
        One behind the newest.
    """

    def __init__(self, channels: int, rows: int, history: int):
        self.history = self.end = history
        self.data = np.zeros((_ROOM + history, channels, rows), np.float32)

    def another(self) -> Columns:
        """As many, all of them 0."""
        return Columns(*self.data.shape[1:], self.history)

    def append(self, column: np.ndarray, rows: slice = slice(None)) -> None:
        """Add a column [shape=(channels, rows)], or some rows of one."""
        if self.end == len(self.data):
            self.data[: self.history] = self.data[-self.history :]
            self.end = self.history
        self.data[self.end, :, rows] = column
        self.end += 1

    def latest(self) -> np.ndarray:
        """A copy of the last `history` columns."""
        return self.data[self.end - self.history : self.end].copy()

    def restore(self, latest: np.ndarray) -> None:
        """Go back to when `latest` gave these columns."""
        self.data[: self.history] = latest
        self.end = self.history


class StreamingConv:
    """A convolution along rows and time and its activation, a column at a time.

    Parameters
    ----------
    layer:
        A `Conv1d` takes all rows together. Padding is that of rows alone.
    rows:
        Of its input.
    apart:
        Frames between the columns that it reads.
    residual:
        Whether the input is added to the result.

    Attributes
    ----------
    channels, rows:
        Of its output.
    """

    def __init__(
        self,
        layer: nn.Conv1d | nn.Conv2d,
        rows: int,
        apart: int,
        activation: Callable[[np.ndarray], np.ndarray],
        *,
        residual: bool = False,
    ):
        weight = array(layer.weight)
        two = isinstance(layer, nn.Conv2d)
        if not two:
            weight = weight.reshape(len(weight), -1, rows, weight.shape[2])
        self.channels, inputs, height, frames = weight.shape
        self.down, edge = (int(layer.stride[0]), int(layer.padding[0])) if two else (1, 0)
        self.inside = slice(edge, edge + rows)
        self.rows = (rows + 2 * edge - height) // self.down + 1
        self.window = (self.rows, frames, inputs, height)
        self.reach, self.apart = (frames - 1) * apart + 1, apart
        self.weight = np.ascontiguousarray(weight.transpose(3, 1, 2, 0)).reshape(-1, self.channels)
        assert layer.bias is not None
        self.bias, self.activation, self.residual = array(layer.bias), activation, residual
        self.past = Columns(inputs, rows + 2 * edge, self.reach)

    def another(self) -> StreamingConv:
        """The same weights, with a past of its own."""
        other = copy.copy(self)
        other.past = self.past.another()
        return other

    def newest(self, x: np.ndarray) -> np.ndarray:
        """The column [shape=(channels, rows)] that follows from `x` and those before it."""
        past = self.past
        past.append(x, self.inside)
        t, c, r = past.data.strides
        first = past.data[past.end - self.reach :]
        strides = (self.down * r, self.apart * t, c, r)
        taps = as_strided(first, self.window, strides, writeable=False).reshape(self.rows, -1)
        out: np.ndarray = self.activation(taps @ self.weight + self.bias).T
        return x + out if self.residual else out


class StreamingStack:
    """Layers one after the other, which begin in silence.

    `silence` is the input column of a silent frame; after `frames` of them every layer has
    forgotten what was before.
    """

    def __init__(self, layers: Sequence[StreamingConv], silence: np.ndarray, frames: int):
        self.layers = list(layers)
        for _ in range(frames):
            self.push(silence)
        self._silent = [layer.past.latest() for layer in self.layers]

    def another(self) -> StreamingStack:
        """The same layers, for a sound of its own; silence is all there was."""
        other = copy.copy(self)
        other.layers = [layer.another() for layer in self.layers]
        other.reset()
        return other

    def reset(self) -> None:
        """Silence is all there was."""
        for layer, silent in zip(self.layers, self._silent, strict=True):
            layer.past.restore(silent)

    def push(self, x: np.ndarray) -> np.ndarray:
        """The last layer's newest column, given the first one's input."""
        for layer in self.layers:
            x = layer.newest(x)
        return x


class StreamingBranch:
    """A spectrogram branch and its part of the joint layer, fed one frame at a time.

    `branch` is as for `DenseBranch`, without dropout; `joint` the columns of the joint layer's
    weight that it feeds: [shape=(width, features)].
    """

    def __init__(self, branch: nn.Sequential, joint: torch.Tensor):
        modules, own = parts(branch)
        layers: list[StreamingConv] = []
        rows, apart, span, unread = BINS, 1, EXCERPT, 0
        for module in modules:
            if isinstance(module, nn.Conv2d):
                layers.append(StreamingConv(module, rows, apart, elu))
                rows, along, kernel = layers[-1].rows, int(module.stride[1]), module.kernel_size[1]
                # Columns at the right end of the excerpt that no window of this layer reaches.
                unread += apart * ((span - kernel) % along)
                span = (span - kernel) // along + 1
                apart *= along
        # From the newest column of the top back to the oldest that the 40 frames give.
        self.reach, self.apart, self.unread = (span - 1) * apart + unread + 1, apart, unread
        self.dense = np.ascontiguousarray(array(joint))
        self.bias: np.ndarray | None = None
        self.joint: np.ndarray | None = None
        if own is not None:  # of the branch, before the joint layer
            self.joint, self.dense, self.bias = self.dense, array(own.weight), array(own.bias)
        self._frames = Columns(1, BINS, EXCERPT)
        self._top = Columns(layers[-1].channels, rows, self.reach)
        self._stack = StreamingStack(layers, np.zeros((2, BINS), np.float32), EXCERPT + 1)
        self._silent = self._stack.push(np.zeros((2, BINS), np.float32))
        self.reset()

    def reset(self) -> None:
        """Silence is all there was."""
        self._stack.reset()
        self._frames.restore(np.zeros((EXCERPT, 1, BINS), np.float32))
        self._top.restore(np.broadcast_to(self._silent, (self.reach, *self._silent.shape)))

    def push(self, frame: np.ndarray) -> None:
        """Take in one frame, float32 [shape=(78,)]."""
        before = self._frames.data[self._frames.end - 1, 0].copy()
        self._frames.append(frame[None])
        self._top.append(self._stack.push(np.stack([frame, frame - before])))

    def frames(self) -> np.ndarray:
        """The 40 newest frames, float32 [shape=(78, 40)]."""
        return self._frames.latest()[:, 0].T

    def vector(self) -> np.ndarray:
        """What the 40 newest frames contribute to the joint layer: float32 [shape=(width,)].

        As after at least one step: the change of every frame, the oldest too, is since the one
        before it.
        """
        top, end = self._top.data, self._top.end
        columns = top[end - self.reach : end - self.unread : self.apart]
        out = self.dense @ columns.transpose(1, 2, 0).reshape(-1)
        if self.joint is not None:
            assert self.bias is not None
            out = self.joint @ elu(out + self.bias)
        return out
