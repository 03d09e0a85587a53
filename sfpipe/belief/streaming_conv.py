"""Hearing frame by frame: each layer computes the column that a new frame adds, no other again.

NumPy, because at one column the cost of calling a layer exceeds that of computing it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sfpipe.agents.weights import array
from sfpipe.belief.network import PlaceNetwork, ResidualConv1d, amplified
from sfpipe.store.schema import BINS


class Hearing:
    """The newest frame's vector, as `PlaceNetwork.encode_audio` gives it, computed frame by frame.

    Parameters
    ----------
    network:
        In `eval()` mode, on the CPU; its weights are copied, later changes to them are not heard.
    """

    def __init__(self, network: PlaceNetwork):
        self._gains_db = network.gains_db
        self._columns: list[_Columns | _Rows | _AlongTime] = []
        rows = BINS
        for layer in _fused(network.sound):
            columns = _Columns(layer, rows)
            self._columns.append(columns)
            rows = columns.rows
        self._columns += [
            *(_Rows(layer) for layer in _fused(network.sound_rows)),
            *(
                _AlongTime(layer)
                for along in network.along_time
                if isinstance(along, ResidualConv1d)
                for layer in _fused(along.layers)
            ),
        ]
        self._weight, self._bias = _parameters(network.to_frame)
        silence = np.zeros(BINS, np.float32)
        for _ in range(network.context):
            self.add(silence)
        self._silence = [layer.past.copy() for layer in self._columns]

    def forget(self) -> None:
        """Begin in silence."""
        for layer, silence in zip(self._columns, self._silence, strict=True):
            layer.past[:] = silence

    def add(self, frame: np.ndarray) -> np.ndarray:
        """Take in one frame, float32 [shape=(78,)]; returns its vector, float32 [shape=(96,)]."""
        sound = torch.from_numpy(np.array(frame, np.float32))
        x = np.stack([amplified(sound, gain).numpy() for gain in self._gains_db])
        for layer in self._columns:
            x = layer.newest(x)
        out = self._weight @ x + self._bias
        vector: np.ndarray = out / max(float(np.linalg.norm(out)), 1e-12)
        return vector


class _Columns:
    """A convolution over rows and time, its norm and ReLU.

    Attributes
    ----------
    past:
        float32 [shape=(channels, rows, frames)], its newest inputs, rows of zeros around them.
    """

    def __init__(self, layer: nn.Conv1d | nn.Conv2d, rows: int):
        weight, self.bias = _parameters(layer)
        self.weight = np.ascontiguousarray(weight.reshape(len(weight), -1).T)
        _, channels, self.height, frames = weight.shape
        self.down, edge = int(layer.stride[0]), int(layer.padding[0])
        self.inside = slice(edge, edge + rows)
        self.past = np.zeros((channels, rows + 2 * edge, frames), np.float32)
        self.rows = (rows + 2 * edge - self.height) // self.down + 1  # of the output

    def newest(self, x: np.ndarray) -> np.ndarray:
        """Of `x` [shape=(channels, rows)] and the frames before it: [shape=(channels, rows)]."""
        self.past[..., :-1] = self.past[..., 1:]
        self.past[:, self.inside, -1] = x
        taps = sliding_window_view(self.past, self.height, axis=1)[:, :: self.down]
        # Channels, rows, frames, height: as the weights, but a row for each place.
        flat = taps.transpose(1, 0, 3, 2).reshape(self.rows, -1)
        return _relu(flat @ self.weight + self.bias).T


class _Rows:
    """All rows of a column together, their norm and ReLU; it needs no past."""

    def __init__(self, layer: nn.Conv1d | nn.Conv2d):
        self.weight, self.bias = _parameters(layer)
        self.past = np.zeros(0, np.float32)

    def newest(self, x: np.ndarray) -> np.ndarray:
        """Of `x` [shape=(channels, rows)]: [shape=(features,)]."""
        return _relu(self.weight @ x.reshape(-1) + self.bias)


class _AlongTime:
    """A residual convolution along time.

    Attributes
    ----------
    past:
        float32 [shape=(frames, features)], its newest inputs.
    """

    def __init__(self, layer: nn.Conv1d | nn.Conv2d):
        weight, self.bias = _parameters(layer)
        features, inputs, kernel = weight.shape
        self.weight = np.ascontiguousarray(weight.transpose(0, 2, 1)).reshape(features, -1)
        self.step = int(layer.dilation[0])
        self.past = np.zeros(((kernel - 1) * self.step + 1, inputs), np.float32)

    def newest(self, x: np.ndarray) -> np.ndarray:
        """Of `x` [shape=(features,)] and the frames before it: [shape=(features,)]."""
        self.past[:-1] = self.past[1:]
        self.past[-1] = x
        taps = self.past[:: self.step].reshape(-1)
        return x + _relu(self.weight @ taps + self.bias)


def _fused(layers: Iterable[nn.Module]) -> Iterator[nn.Conv1d | nn.Conv2d]:
    """The convolutions, each doing the work of the norm after it too."""
    for layer, after in itertools.pairwise(layers):
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            assert isinstance(after, nn.BatchNorm1d | nn.BatchNorm2d)
            yield fuse_conv_bn_eval(layer, after)


def _parameters(layer: nn.Conv1d | nn.Conv2d) -> tuple[np.ndarray, np.ndarray]:
    """Weight, of a convolution along nothing a matrix, and bias."""
    assert layer.bias is not None
    weight = array(layer.weight)
    return weight[..., 0] if layer.kernel_size == (1,) else weight, array(layer.bias)


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, np.float32(0))
